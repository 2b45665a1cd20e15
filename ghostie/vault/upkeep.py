"""Upkeep: is everything here whole, what is there in numbers, and what can be tidied away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from ghostie import files
from ghostie.errors import Damaged
from ghostie.vault.vault import Vault

A_MONTH = 30 * 86_400_000


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check of the version files found: how many opened, and the names of those that did not."""

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

    Dropping old versions is final, and only on this device: heads always stay, and so do memories in conflict.
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


@dataclass(frozen=True, slots=True)
class Numbers:
    """The vault in numbers. Months are `2025-06`; the inbox's oldest is Unix ms."""

    memories: int
    versions: int
    removed: int
    conflicts: int
    size: int
    by_status: dict[str, int]
    by_category: dict[str, int]
    by_device: dict[str, int]
    by_kind: dict[str, int]
    by_month: dict[str, int]
    inbox_oldest: int | None


def numbers(vault: Vault) -> Numbers:
    """Count. The index is loaded."""
    from ghostie.memory import stamp

    counts: dict[str, Counter[str]] = {name: Counter() for name in ("status", "category", "device", "kind", "month")}
    versions = removed = conflicts = 0
    oldest: int | None = None
    for entry in vault.index.entries():
        versions += len(entry.versions)
        conflicts += entry.in_conflict
        if entry.deleted:
            removed += 1
            continue
        row = entry.row
        status = row.get("status", "active")
        counts["status"][status] += 1
        counts["category"][row.get("category") or ""] += 1
        counts["device"][row.get("device_id") or ""] += 1
        counts["kind"][row.get("kind", "memory")] += 1
        counts["month"][stamp(entry.timestamp)[:7]] += 1
        if status == "inbox":
            oldest = entry.timestamp if oldest is None else min(oldest, entry.timestamp)
    size = sum((vault.layout.memories / name).lstat().st_size for name in files.names_in(vault.layout.memories))
    return Numbers(
        memories=sum(counts["status"].values()),
        versions=versions,
        removed=removed,
        conflicts=conflicts,
        size=size,
        by_status=dict(counts["status"].most_common()),
        by_category=dict(counts["category"].most_common()),
        by_device=dict(counts["device"].most_common()),
        by_kind=dict(counts["kind"].most_common()),
        by_month=dict(sorted(counts["month"].items())),
        inbox_oldest=oldest,
    )
