"""The whole vault as of a moment: which memories there were, what they said, and steps from change to change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ghostie.tui.tasks import task
from ghostie.tui.tasks.history import bring_back, spelt
from ghostie.tui.tasks.memories import row_of

if TYPE_CHECKING:
    from ghostie.tui.desk import Desk
    from ghostie.vault import Vault
    from ghostie.vault.row import Entry


@task
def moment(desk: Desk, said: str) -> int:
    """Return the Unix milliseconds of what a person typed: "7d", "2025-06-28 14:30". Raises UsageError."""
    from ghostie.errors import UsageError
    from ghostie.vault.query import moment

    now = desk.vault.clock()
    meant = moment(said.strip(), now)
    if meant > now:
        raise UsageError("that is yet to come", "say a moment that has been: 7d, 2025-06-28, 2025-06-28T14:30")
    return meant


@task
def listing(desk: Desk, at: int | None, query: str) -> dict[str, Any]:
    """Return the memories that there were at *at* (None: now) and that *query* asks for, and what has become of all.

    "ids" is one string, as in `memories.listing`; "added", "changed" and "removed" count what has happened since.
    Raises BadFilter: words are for the search, which knows the present only.
    """
    from ghostie.vault.query import answer, parse

    vault = desk.fresh()
    desk.seen()
    when = vault.clock() if at is None else at
    found = answer(vault, parse(query), at=when)
    counts = {"then": 0, "added": 0, "changed": 0, "removed": 0}
    there = set()
    for entry in vault.entries_at(when):
        if entry.deleted:
            continue
        there.add(entry.id)
        counts["then"] += 1
        if (since := _since(vault, entry)) != "same":
            counts[since] += 1
    counts["added"] = sum(1 for entry in vault.index.entries() if not entry.deleted and entry.id not in there)
    return {"ids": "".join([entry.id for entry in found]), "at": when, **counts}


def _since(vault: Vault, then: Entry) -> str:
    """Return what has become of a memory since it was as *then*."""
    now = vault.index.get(then.id)
    if now is None or now.heads == then.heads:
        return "same"
    return "removed" if now.deleted and not then.deleted else "changed"


@task
def rows(desk: Desk, ids: list[str], at: int) -> list[dict[str, Any]]:
    """Return what a list shows of each of *ids* as it was at *at*, and what has become of it "since"."""
    vault = desk.fresh()
    found = []
    for memory_id in ids:
        entry = vault.index.get(memory_id)
        then = vault.index.entry_at(entry, at) if entry is not None else None
        if then is not None:
            found.append({**row_of(then), "since": _since(vault, then)})
    return found


@task
def memory(desk: Desk, id: str, at: int) -> dict[str, Any]:
    """Return a memory as it was at *at*, as `memories.memory` does; and what has changed "since", as lines."""
    from ghostie.vault.differences import differences

    vault = desk.fresh()
    entry = vault.find(id)
    then = vault.entry_at(entry, at)
    version, now = vault.shown(then), vault.shown(entry)
    return {
        "row": {**row_of(then), "since": _since(vault, then)},
        "record": version.shown("open" if then.in_conflict else None),
        "versions": len(then.versions),
        "hash": version.hash,
        "changes": spelt(differences(version, now)) if version.hash != now.hash else [],
    }


@task
def step(desk: Desk, at: int | None, forward: bool) -> dict[str, Any] | None:
    """Return the moment one change away from *at* (None: now), and what was changed; None where there is no more.

    Backwards it is the moment before the change, forwards the one after it.
    """
    from ghostie.vault.moments import change_after, change_before

    vault = desk.fresh()
    when = vault.clock() if at is None else at
    burst = change_after(vault, when) if forward else change_before(vault, when)
    if burst is None:
        return None
    return {
        "at": burst.last if forward else burst.first - 1,
        "changed": burst.last,
        "ids": list(burst.ids[:100]),
        "count": len(burst.ids),
        "devices": list(burst.devices),
    }


@task
def restore(desk: Desk, id: str, at: int) -> dict[str, Any]:
    """Make a memory say now what it said at *at*; return its row. Raises InConflict."""
    vault = desk.fresh()
    return bring_back(desk, id, vault.as_of(vault.find(id), at))
