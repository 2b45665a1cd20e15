"""The vault in numbers, from the index's rows alone: no memory is opened."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from ghostie import files
from ghostie.vault.vault import Vault

A_DAY: Final = 86_400_000
INBOX_AGES: Final = (("a day", 1), ("a week", 7), ("a month", 30), ("a year", 365))
_EPOCH: Final = date(1970, 1, 1)
_FIRST: Final = date.min.toordinal() - _EPOCH.toordinal()
_LAST: Final = date.max.toordinal() - _EPOCH.toordinal()


@dataclass(frozen=True, slots=True)
class Numbers:
    """The vault in numbers. Sizes are bytes, times Unix ms.

    Removed memories count as such alone. Weeks are named by their Monday (`2025-06-09`), months `2025-06`, both in UTC
    and only where there are memories. *inbox_ages* counts what waits for at most each of INBOX_AGES, and longer.
    """

    memories: int
    versions: int
    removed: int
    conflicts: int
    size: int
    size_with_indexes: int
    by_status: dict[str, int]
    by_category: dict[str, int]
    by_tag: dict[str, int]
    by_device: dict[str, int]
    by_kind: dict[str, int]
    by_week: dict[str, int]
    by_month: dict[str, int]
    inbox_oldest: int | None
    inbox_ages: dict[str, int]


def numbers(vault: Vault) -> Numbers:
    """Count. The index is loaded."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    days: Counter[int] = Counter()
    waiting: Counter[int] = Counter()
    today = vault.clock() // A_DAY
    versions = removed = conflicts = 0
    oldest: int | None = None
    for entry in vault.index.entries():
        versions += len(entry.versions)
        conflicts += entry.in_conflict
        row = entry.row
        if row.get("deleted"):
            removed += 1
            continue
        at = entry.timestamp
        status = row.get("status", "active")
        counts["status"][status] += 1
        counts["category"][row.get("category") or ""] += 1
        counts["device"][row.get("device_id") or ""] += 1
        counts["kind"][row.get("kind", "memory")] += 1
        counts["tag"].update(row.get("tags", ()))
        days[at // A_DAY] += 1
        if status == "inbox":
            oldest = at if oldest is None else min(oldest, at)
            waiting[today - at // A_DAY] += 1
    size = sum((vault.layout.memories / name).lstat().st_size for name in files.names_in(vault.layout.memories))
    return Numbers(
        memories=counts["status"].total(),
        versions=versions,
        removed=removed,
        conflicts=conflicts,
        size=size,
        size_with_indexes=size + _sizes(vault),
        by_status=_by_frequency(counts["status"]),
        by_category=_by_frequency(counts["category"]),
        by_tag=_by_frequency(counts["tag"]),
        by_device=_by_frequency(counts["device"]),
        by_kind=_by_frequency(counts["kind"]),
        by_week=_dated(days, _monday, 10),
        by_month=_dated(days, lambda day: day, 7),
        inbox_oldest=oldest,
        inbox_ages=_ages(waiting),
    )


def _sizes(vault: Vault) -> int:
    layout = vault.layout
    folders = [folder for folder in layout.folders() if folder != layout.memories]
    paths = (folder / name for folder in folders for name in files.names_in(folder))
    total = 0
    for path in paths:
        try:
            status = path.lstat()
        except OSError:  # another process has just replaced it
            continue
        total += status.st_size if not path.is_dir() else 0
    return total


def _by_frequency(counted: Counter[str]) -> dict[str, int]:
    """Return the counts, most first, then by name: the same on every device."""
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))


def _monday(day: int) -> int:
    return day - (day + 3) % 7  # the epoch was a Thursday


def _day(day: int) -> date:
    return _EPOCH + timedelta(days=min(max(day, _FIRST), _LAST))


def _dated(days: Mapping[int, int], start: Callable[[int], int], length: int) -> dict[str, int]:
    counted: Counter[str] = Counter()
    for day, count in days.items():
        counted[_day(start(day)).isoformat()[:length]] += count
    return dict(sorted(counted.items()))


def _ages(waiting: Mapping[int, int]) -> dict[str, int]:
    found = dict.fromkeys([*(name for name, _ in INBOX_AGES), "longer"], 0)
    for days, count in waiting.items():
        found[next((name for name, most in INBOX_AGES if days <= most), "longer")] += count
    return found if waiting else {}


# -- for plots -------------------------------------------------------------------------------------------------------


def weeks(found: Numbers, now: int, count: int = 26) -> dict[str, int]:
    """Return the last *count* weeks up to *now* (Unix ms), oldest first, with a nought where there was nothing."""
    this = _monday(now // A_DAY)
    names = [_day(this - 7 * back).isoformat() for back in reversed(range(count))]
    return {name: found.by_week.get(name, 0) for name in names}


def months(found: Numbers, now: int, count: int = 12) -> dict[str, int]:
    """Return the last *count* months likewise."""
    today = _day(now // A_DAY)
    last = today.year * 12 + today.month - 1
    names = [f"{month // 12:04d}-{month % 12 + 1:02d}" for month in range(max(12, last - count + 1), last + 1)]
    return {name: found.by_month.get(name, 0) for name in names}
