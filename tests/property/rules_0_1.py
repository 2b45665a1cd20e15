"""The rules of version 0.1 for two heads, as they were released: devices that have them are still there."""

from __future__ import annotations

from collections.abc import Mapping

from ghostie.memory import Version, said
from ghostie.vault.merge import (
    Outcome,
    _agreed,
    _cut_off,
    _side_by_side,
    ancestry,
    common_ancestors,
    three_way,
)


def merge_heads(versions: Mapping[str, Version], one: str, other: str) -> Outcome:
    left, right = versions[min(one, other)], versions[max(one, other)]
    if _cut_off(versions, one, other):
        return _side_by_side(left, right)
    behind = {head.hash: ancestry(versions, head.hash) for head in (left, right)}
    sides = ((left, right), (right, left))
    known = [all("merge" in versions[digest].sync for digest in behind[a.hash] - behind[b.hash]) for a, b in sides]
    if known[0] != known[1]:
        across = right if known[0] else left
        return Outcome(said(across), deleted=across.deleted)
    for head, across in sides:
        line = behind[across.hash] - behind[head.hash] - {across.hash}
        if any(versions[digest].say() == head.say() for digest in line):
            return Outcome(said(across), deleted=across.deleted)
    bases = common_ancestors(versions, one, other)
    return _agreed([three_way(base, left, right) for base in bases or (None,)])
