"""The filters that a person keeps under the digits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ghostie.tui.tasks import task

if TYPE_CHECKING:
    from ghostie.tui.desk import Desk


@task
def filters(desk: Desk) -> dict[str, str]:
    """Return the saved filters by digit. Raises Damaged."""
    from ghostie.vault.saved import load_filters

    return {str(digit): spelt for digit, spelt in load_filters(desk.vault).items()}


@task
def save_filter(desk: Desk, digit: str, query: str) -> dict[str, str]:
    """Keep *query* under *digit*, or nothing where it is empty; return all that is kept. Raises UsageError."""
    from ghostie.vault import saved

    number = int(digit) if digit.isdecimal() and len(digit) == 1 else 0
    return {str(each): spelt for each, spelt in saved.save_filter(desk.vault, number, query or None).items()}
