"""Which stores a run of the tests has met, to be said at its end."""

from __future__ import annotations

from collections.abc import Mapping

_met: dict[str, str] = {}


def note(name: str, what: str = "") -> None:
    """Remember that the store *name* was tried, and of which kind or release it was."""
    _met[name] = what


def met() -> dict[str, str]:
    return dict(_met)


def add(others: Mapping[str, str]) -> None:
    """Take in what another process of this run has met."""
    _met.update(others)


def sentence() -> str:
    """Return all of it as one line, empty if no store was tried."""
    if not _met:
        return ""
    said = ", ".join(f"{name} {what}".strip() for name, what in sorted(_met.items()))
    return f"stores tried: {said}" + ("" if "swift" in _met else "; swift: not asked for")
