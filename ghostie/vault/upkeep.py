"""Upkeep: is everything here whole, and what can be tidied away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ghostie import files
from ghostie.errors import Damaged
from ghostie.vault.vault import Vault

A_MONTH = 30 * 86_400_000


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found: how many version files opened, and the names of those that did not."""

    good: int
    damaged: tuple[str, ...]
    strays: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tidied:
    """What a gc removed."""

    versions: int
    quarantined: int


def check(vault: Vault, *, progress: Callable[[int, int], None] | None = None) -> Checked:
    """Open every version file and hold it against its name. Changes nothing."""
    stems = sorted(vault.files.stems())
    damaged = []
    for number, (stem, version) in enumerate(vault.files.read_many(stems), 1):
        if isinstance(version, Damaged):
            damaged.append(stem)
        if progress is not None and number % 500 == 0:
            progress(number, len(stems))
    return Checked(len(stems) - len(damaged), tuple(damaged), tuple(vault.files.strays()))


def set_aside(vault: Vault, stems: tuple[str, ...]) -> None:
    """Move version files that do not open into quarantine; the other versions of their memories stay."""
    with vault.writing():
        for stem in stems:
            vault.files.quarantine(stem)
        vault.index.load()
        vault.index.save()


def tidy(vault: Vault, *, history: int | None = None, dry_run: bool = False) -> Tidied:
    """Fold the index, sweep leftovers, drop old quarantine; with *history*, keep that many versions of each memory.

    Dropping versions is final, and only on this device: heads stay, and so do memories in conflict.
    """
    with vault.writing():
        vault.index.load()
        doomed: list[str] = []
        if history is not None:
            for entry in vault.index.entries():
                if entry.in_conflict or len(entry.versions) <= history:
                    continue
                rows = sorted(entry.versions.values(), key=lambda row: (-row["number"], -row["modified"], row["hash"]))
                doomed += [entry.stem(row["hash"]) for row in rows[history:] if row["hash"] not in entry.tips]
        old = _old_quarantine(vault)
        if not dry_run:
            vault.files.remove(doomed)
            vault.index.drop(doomed)
            files.remove_durably(vault.layout.quarantine / name for name in old)
        return Tidied(len(doomed), len(old))


def _old_quarantine(vault: Vault) -> list[str]:
    folder = vault.layout.quarantine
    limit = vault.clock() - A_MONTH
    return [name for name in files.names_in(folder) if (folder / name).lstat().st_mtime_ns // 1_000_000 < limit]
