"""The vault in numbers."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ghostie.tui.tasks import task

if TYPE_CHECKING:
    from ghostie.tui.desk import Desk

MOST = 60  # names of a kind that are told


@task
def numbers(desk: Desk) -> dict[str, Any]:
    """Return what there is to count, with the last weeks and months filled up. What has an order is a list of pairs."""
    from ghostie.vault import statistics

    vault = desk.fresh()
    found = statistics.numbers(vault)
    now = vault.clock()
    told = {
        name: list(value.items())[: None if name == "inbox_ages" else MOST] if isinstance(value, dict) else value
        for name, value in asdict(found).items()
        if name not in ("by_week", "by_month")
    }
    return told | {
        "now": now,
        "weeks": list(statistics.weeks(found, now, 52).items()),
        "months": list(statistics.months(found, now, 24).items()),
    }
