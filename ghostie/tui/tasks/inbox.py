"""The inbox: what waits in it, what each of it is like, and merging one memory into another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ghostie.tui.tasks import task
from ghostie.tui.tasks.memories import row_of, standing

if TYPE_CHECKING:
    from ghostie.tui.desk import Desk
    from ghostie.vault import Vault

AHEAD = 500  # memories that likenesses are looked for at a time
MOST = 9
SAID = 25


@task
def waiting(desk: Desk) -> dict[str, Any]:
    """Return the ids of what is in the inbox, newest first, in one string; and where the vault stands.

    What is in conflict is not among them: its sides have to be settled first.
    """
    vault = desk.fresh()
    desk.seen()
    return {"ids": "".join(_waiting(vault)), "standing": standing(desk)}


def _waiting(vault: Vault) -> list[str]:
    from ghostie.vault.query import Filter

    return [entry.id for entry in vault.select(Filter(status="inbox", conflict=False))]


@task
def alike(desk: Desk, first: str) -> dict[str, Any]:
    """Find what the next AHEAD of the inbox, from *first* on, are like; return which these were, and whether all.

    On the way it tells, a few at a time, {id: [[id of one that is like it, share, whether they say the same], …]}.
    """
    from ghostie.vault.likeness import Likeness

    vault = desk.fresh()
    ids = _waiting(vault)
    start = ids.index(first) if first in ids else 0
    ids = [*ids[start:], *ids[:start]]
    likeness = Likeness(vault)
    likeness.catch_up()
    found: dict[str, list[list[Any]]] = {}
    for at, memory_id in enumerate(ids[:AHEAD]):
        found[memory_id] = [[each.id, each.share, each.exact] for each in likeness.duplicates_of(memory_id, MOST)]
        if at == 0 or len(found) == SAID:
            desk.say(found)
            found = {}
    likeness.close()
    return {"alike": found, "all": len(ids) <= AHEAD}


@task
def merge(desk: Desk, id: str, into: str) -> dict[str, Any]:
    """Merge memory *id* into memory *into*, which stays; return the row of what came of it."""
    vault = desk.vault
    vault.merge_into(id, into)
    return row_of(desk.fresh().find(into))
