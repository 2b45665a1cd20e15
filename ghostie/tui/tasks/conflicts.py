"""Conflicts: which are open, their sides field by field, and settling one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ghostie.errors import Damaged, NoConflict
from ghostie.tui.tasks import task
from ghostie.tui.tasks.history import plain
from ghostie.tui.tasks.memories import row_of, standing
from ghostie.vault import conflicts
from ghostie.vault.merge import diff3

if TYPE_CHECKING:
    from ghostie.memory import Version
    from ghostie.tui.desk import Desk


@task
def listing(desk: Desk) -> dict[str, Any]:
    """Return the ids of the memories in conflict, newest first, and where the vault stands."""
    vault = desk.fresh()
    desk.seen()
    return {"ids": [entry.id for entry in conflicts.open_conflicts(vault)], "standing": standing(desk)}


@task
def rows(desk: Desk, ids: list[str]) -> list[dict[str, Any]]:
    """Return what a list shows of conflicts: the row, the fields in dispute, and whose the sides are."""
    vault = desk.fresh()
    found = []
    for memory_id in ids:
        entry = vault.index.get(memory_id)
        if entry is None:
            continue
        try:
            conflict = conflicts.look(vault, entry)
            sides = [_device(side) for side in (conflict.mine, *conflict.others)]
            found.append({**row_of(entry), "disputes": list(conflict.disputes), "sides": sides})
        except (Damaged, NoConflict) as error:
            found.append({**row_of(entry), "disputes": [], "sides": [], "wrong": str(error)})
    return found


@task
def look(desk: Desk, id: str, other: int = 0) -> dict[str, Any]:
    """Return a conflict's sides, and each disputed field as parts to paint. Raises NoConflict or Damaged.

    A part is text on which all agree, or {"base", "mine", "theirs"}. *other* is which of several other sides is shown.
    "both" is what a field would say with both sides in it, or None where that makes no sense; "agreed" is what the
    sides changed without dispute.
    """
    vault = desk.fresh()
    desk.seen()
    entry = vault.find(id)
    conflict = conflicts.look(vault, entry)
    other = min(other, len(conflict.others) - 1)
    theirs = conflict.others[other]
    base = conflicts.common_ground(vault, entry, conflict.mine, theirs)
    merged = conflicts.merged(vault, entry, conflict)
    fields = []
    for name in sorted(conflict.disputes, key=lambda name: (name != "content", name)):
        values = {
            "base": base.field(name) if base is not None else None,
            "mine": conflict.mine.field(name),
            "theirs": theirs.field(name),
        }
        both = merged.get(name)
        fields.append(
            {
                "name": name,
                "parts": _parts(name, values),
                "both": plain(both) if both is not None and both not in values.values() else None,
            }
        )
    agreed = [
        [name, plain(value)]
        for name, value in sorted(merged.items())
        if name not in conflict.disputes
        and name not in ("content", "timestamp", "device_id")
        and value != (base.field(name) if base is not None else None)
    ]
    return {
        "id": entry.id,
        "row": row_of(entry),
        "seen": list(entry.heads),
        "other": other,
        "others": len(conflict.others),
        "mine": _side(conflict.mine),
        "theirs": _side(theirs),
        "base": _side(base) if base is not None else None,
        "fields": fields,
        "agreed": agreed,
    }


def _parts(name: str, values: dict[str, Any]) -> list[str | dict[str, str]]:
    told = {side: plain(value) for side, value in values.items()}
    parts = diff3(told["base"], told["mine"], told["theirs"]) if name == "content" else None
    if parts is None:
        return [told]
    sides = ("base", "mine", "theirs")
    return [part if isinstance(part, str) else dict(zip(sides, part, strict=True)) for part in parts]


def _side(version: Version) -> dict[str, Any]:
    return {"device": _device(version), "at": version.modified, "deleted": version.deleted, "number": version.number}


def _device(version: Version) -> str:
    return version.device


@task
def marked(desk: Desk, id: str) -> str:
    """Return the content for an editor, the sides between markers."""
    vault = desk.fresh()
    return conflicts.look(vault, vault.find(id)).marked()


@task
def check(desk: Desk, content: str) -> str:
    """Return what a person made of `marked`. Raises UsageError where they are not done with it."""
    return conflicts.by_hand(content)


@task
def settle(desk: Desk, id: str, picks: dict[str, dict[str, Any]], seen: list[str], other: int = 0) -> dict[str, Any]:
    """Settle a conflict field by field; all else is merged. Return its row and how many conflicts are left.

    A pick is {"side": "mine", "theirs", "base" or "both"}, or {"said": …}. Raises AnotherSide and as `resolve`.
    """
    vault = desk.fresh()
    entry = vault.find(id)
    conflict = conflicts.look(vault, entry)
    theirs = conflict.others[min(other, len(conflict.others) - 1)]
    base = conflicts.common_ground(vault, entry, conflict.mine, theirs)
    fields = {}
    for name, pick in picks.items():
        if "said" in pick:
            fields[name] = pick["said"]
        elif pick["side"] != "both":
            side = {"mine": conflict.mine, "theirs": theirs, "base": base}[pick["side"]]
            fields[name] = side.field(name) if side is not None else None
    conflicts.resolve(vault, id, "merged", fields=fields, seen=seen)
    return _settled(desk, id)


@task
def keep(desk: Desk, id: str, side: str, seen: list[str], other: int = 0) -> dict[str, Any]:
    """Settle a conflict as a whole: "mine", "theirs", "both" as two memories, or "merged"."""
    conflicts.resolve(desk.vault, id, side, seen=seen, other=other)
    return _settled(desk, id)


def _settled(desk: Desk, id: str) -> dict[str, Any]:
    vault = desk.fresh()
    return {"row": row_of(vault.find(id)), "left": [entry.id for entry in conflicts.open_conflicts(vault)]}
