"""Upkeep: is everything here whole, and what can be tidied away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ghostie import files
from ghostie.errors import CannotRead, Damaged
from ghostie.memory import Version, is_as_written
from ghostie.paths import VERSION_SUFFIX, is_stem
from ghostie.vault.row import oldest_first
from ghostie.vault.vault import Vault

A_MONTH = 30 * 86_400_000


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found: how many version files opened, the names of those that did not, and what was not given.

    *odd* is how many of the good have a form that is read but not written any more.
    """

    good: int
    damaged: tuple[str, ...]
    strays: tuple[str, ...]
    unread: tuple[CannotRead, ...] = ()
    odd: int = 0


@dataclass(frozen=True, slots=True)
class Quarantine:
    """What lies in quarantine: the names of version files that open and are not among the others, how many open under
    no key, how many the system did not give, and how many objects of the store."""

    whole: tuple[str, ...]
    damaged: int
    unread: int
    objects: int

    def __len__(self) -> int:
        return len(self.whole) + self.damaged + self.unread + self.objects


@dataclass(frozen=True, slots=True)
class Tidied:
    """What a gc removed."""

    versions: int
    quarantined: int


def check(vault: Vault, *, progress: Callable[[int, int], None] | None = None) -> Checked:
    """Open every version file and hold it against its name. Changes nothing."""
    stems = sorted(vault.files.stems())
    damaged: list[str] = []
    unread: list[CannotRead] = []
    odd = 0
    for number, (stem, version) in enumerate(vault.files.read_many(stems, unread), 1):
        if isinstance(version, Damaged):
            damaged.append(stem)
        elif isinstance(version, Version) and not is_as_written(version):
            odd += 1
        if progress is not None and number % 500 == 0:
            progress(number, len(stems))
    good = len(stems) - len(damaged) - len(unread)
    return Checked(good, tuple(damaged), tuple(vault.files.strays()), tuple(unread), odd)


def quarantine(vault: Vault) -> Quarantine:
    """Look at what was set aside. The index is loaded. Changes nothing."""
    aside = dict(vault.files.aside())
    here, purged = vault.files.stems(), vault.index.destroyed()
    whole = [
        stem
        for stem, version in aside.items()
        if isinstance(version, Version) and stem not in here and version.hash not in purged
    ]
    return Quarantine(
        tuple(whole),
        sum(isinstance(version, Damaged) for version in aside.values()),
        sum(isinstance(version, CannotRead) for version in aside.values()),
        len(files.names_in(vault.layout.quarantine)) - len(aside),
    )


def put_back(vault: Vault, stems: tuple[str, ...]) -> None:
    """Move version files that open from the quarantine to the others. Raises VaultBusy or CannotWrite."""
    with vault.writing():
        vault.files.put_back(stems)
        vault.index.load()
        vault.index.save()


def set_aside(vault: Vault, stems: tuple[str, ...]) -> None:
    """Move version files that do not open into quarantine; the other versions of their memories stay.

    Raises CannotRead for one that the system does not give, and VaultBusy or CannotWrite.
    """
    with vault.writing():
        for stem in stems:
            vault.files.quarantine(stem)
        vault.index.load()
        vault.index.save()


def tidy(vault: Vault, *, history: int | None = None, dry_run: bool = False) -> Tidied:
    """Fold the index, sweep leftovers, drop old quarantine; with *history*, keep that many versions of each memory.

    A version file in quarantine may be the last copy: it is dropped where the same version opens among the others, or
    was purged. Raises CannotRead, VaultBusy or CannotWrite.

    Dropping versions is final, and only on this device: heads stay, and so do memories in conflict.
    """
    with files.spending(vault.layout.reserve), vault.writing():
        vault.index.load()
        doomed: list[str] = []
        if history is not None:
            for entry in vault.index.entries():
                if entry.in_conflict or len(entry.versions) <= history:
                    continue
                older = oldest_first(entry.versions.values())[:-history]
                doomed += [entry.stem(row["hash"]) for row in older if row["hash"] not in entry.tips]
        old = _old_quarantine(vault)
        if not dry_run:
            aside = (vault.layout.quarantine / name for name in old)
            files.remove_durably((*map(vault.layout.version, doomed), *aside))
            with vault.after_the_change("the index was not tidied"):
                vault.index.drop(doomed)
        return Tidied(len(doomed), len(old))


def _old_quarantine(vault: Vault) -> list[str]:
    folder = vault.layout.quarantine
    limit = vault.clock() - A_MONTH
    old = [name for name in files.names_in(folder) if files.modified(folder / name) < limit]
    stems = [stem for name in old if is_stem(stem := name.removesuffix(VERSION_SUFFIX)) and stem != name]
    needed = {stem for stem, version in vault.files.read_many(stems) if isinstance(version, Damaged)}
    needed -= {stem for stem in needed if stem[27:] in {digest[:32] for digest in vault.index.destroyed()}}
    return [name for name in old if name.removesuffix(VERSION_SUFFIX) not in needed]
