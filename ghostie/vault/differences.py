"""What changed between two versions of a memory, field by field; pure."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

from ghostie import codec
from ghostie.memory import DEFAULTS, Version
from ghostie.vault.merge import comparable


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

    Whether it is removed counts as a field, `removed`, and comes last. *context* is how many lines stand around each
    change of the content.
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
