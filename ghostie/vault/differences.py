"""What changed: between two versions of a memory, field by field, and in a vault from one moment to the next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ghostie import codec
from ghostie.memory import DEFAULTS, Version
from ghostie.vault.merge import comparable

if TYPE_CHECKING:
    from ghostie.vault.vault import Vault


@dataclass(frozen=True, slots=True)
class Difference:
    """One field with its values before and after.

    For the content, *lines* are a unified diff: each with the sign that says what it is, `@`, `-`, `+` or a space.
    """

    name: str
    before: Any
    after: Any
    lines: tuple[str, ...] = ()


def differences(before: Version | None, after: Version, *, context: int = 2) -> list[Difference]:
    """Return the fields in which two versions differ, by name; with no *before*, all that *after* says.

    Whether it is removed comes last, as a field `removed`. *context* is how many lines stand around a change.
    """
    found = []
    for name in sorted({*(before.record if before is not None else {}), *after.record} - {"id", "sync_metadata"}):
        old = before.field(name) if before is not None else DEFAULTS.get(name)
        new = after.field(name)
        if old is new or codec.dumps(old) == codec.dumps(new):
            continue
        lines = _lines(str(old or ""), str(new or ""), context) if name == "content" else ()
        found.append(Difference(name, old, new, lines))
    was = before is not None and before.deleted
    if was != after.deleted:
        found.append(Difference("removed", was, after.deleted))
    return found


def _lines(before: str, after: str, context: int) -> tuple[str, ...]:
    old, new = before.splitlines(), after.splitlines()
    if not comparable(old, new):
        # comparing them line by line would have no end: the one, then the other
        head = f"@@ -1,{len(old)} +1,{len(new)} @@"
        return (head, *(f"-{line}" for line in old), *(f"+{line}" for line in new))
    return tuple(difflib.unified_diff(old, new, lineterm="", n=context))[2:]


# -- between moments -------------------------------------------------------------------------------------------------

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
    return _burst(sorted((made for made in _made(vault) if made[0] <= moment), reverse=True))


def change_after(vault: Vault, moment: int) -> Burst | None:
    """Return the first change after *moment*; the vault that it left is that of `last`."""
    return _burst(sorted(made for made in _made(vault) if made[0] > moment))


def _made(vault: Vault) -> Iterator[tuple[int, str, str]]:
    for entry in vault.index.entries():
        for row in entry.versions.values():
            yield row["modified"], entry.id, str(row.get("device") or row.get("device_id") or "")


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
