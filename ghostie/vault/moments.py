"""Stepping through a vault's past: from a moment to the change before it, or the one after. Only reads the index."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ghostie.vault.vault import Vault

TOGETHER: Final = 1000  # milliseconds: versions made with less between them are one change of many memories


@dataclass(frozen=True, slots=True)
class Burst:
    """Versions made in one go: from when to when (Unix ms), of which memories, and on which devices."""

    first: int
    last: int
    ids: tuple[str, ...]
    devices: tuple[str, ...]


def change_before(vault: Vault, moment: int) -> Burst | None:
    """Return the last change up to *moment*; the vault as of just before it is that of `first - 1`."""
    return _burst(_made(vault, lambda row: row["modified"] <= moment, newest=True))


def change_after(vault: Vault, moment: int) -> Burst | None:
    """Return the first change after *moment*; the vault that it left is that of `last`."""
    return _burst(_made(vault, lambda row: row["modified"] > moment, newest=False))


def _made(vault: Vault, wanted: Any, *, newest: bool) -> list[tuple[int, str, str]]:
    found = [
        (row["modified"], entry.id, str(row.get("device") or row.get("device_id") or ""))
        for entry in vault.index.entries()
        for row in entry.versions.values()
        if wanted(row)
    ]
    return sorted(found, reverse=newest)


def _burst(made: Iterable[tuple[int, str, str]]) -> Burst | None:
    times: list[int] = []
    ids: dict[str, None] = {}
    devices: dict[str, None] = {}
    for time, memory_id, device in made:
        if times and abs(time - times[-1]) > TOGETHER:
            break
        times.append(time)
        ids[memory_id] = None
        if device:
            devices[device] = None
    return Burst(min(times), max(times), tuple(ids), tuple(devices)) if times else None
