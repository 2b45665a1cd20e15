"""Which memories: the filter that lists, exports and screens share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ghostie.errors import UsageError
from ghostie.memory import millis
from ghostie.vault.row import shown_row

EARLIEST = -62_135_596_800_000  # the year 1: no record says an earlier time
_SPAN = re.compile(r"(\d{1,12})\s*(min|h|d|w|mo|y)")
_UNITS = {"min": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "mo": 30 * 86_400, "y": 365 * 86_400}


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that all must hold; None or empty means any. Times are Unix milliseconds."""

    category: str | None = None
    tags: tuple[str, ...] = ()
    kind: str | None = None
    status: str | None = None
    device: str | None = None
    since: int | None = None
    until: int | None = None
    deleted: bool = False

    def test(self) -> Callable[[Mapping[str, Any]], bool]:
        """Return the predicate over the index's documents."""
        wanted = [
            (name, value, default)
            for name, value, default in (
                ("category", self.category, None),
                ("device_id", self.device, None),
                ("kind", self.kind, "memory"),
                ("status", self.status, "active"),
            )
            if value is not None
        ]
        tags, since, until, deleted = set(self.tags), self.since, self.until, self.deleted

        def holds(doc: Mapping[str, Any]) -> bool:
            row = shown_row(doc)
            if row.get("deleted", False) != deleted:
                return False
            for name, value, default in wanted:
                if row.get(name, default) != value:
                    return False
            if tags and not tags.issubset(row.get("tags", ())):
                return False
            if since is not None or until is not None:
                at: int = row["timestamp"] if "timestamp" in row else row["modified"]
                return (since is None or at >= since) and (until is None or at < until)
            return True

        return holds


def moment(text: str, now: int) -> int:
    """Return the Unix milliseconds that *text* means: "7d" (that long ago), "today", or an ISO 8601 date or time.

    A date or time without a zone is local. Raises UsageError.
    """
    if found := _SPAN.fullmatch(text.strip()):
        return max(now - int(found[1]) * _UNITS[found[2]] * 1000, EARLIEST)
    try:
        if text == "today":
            read = datetime.fromtimestamp(now / 1000).replace(hour=0, minute=0, second=0, microsecond=0)
        else:
            read = datetime.fromisoformat(text)
        return millis(read.astimezone().isoformat())
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"{text[:40]!r} is not a time", "say it as 7d, 12h, 2025-06-28 or 2025-06-28T14:30") from None
