"""The past: one memory's versions, what changed between any two, and the whole vault as of a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ghostie import codec
from ghostie.errors import Damaged, InConflict, UsageError
from ghostie.tui.tasks import task
from ghostie.tui.tasks.memories import row_of
from ghostie.vault.differences import Difference, change_after, change_before, differences
from ghostie.vault.query import answer, parse
from ghostie.vault.query import moment as meant_by

if TYPE_CHECKING:
    from ghostie.tui.desk import Desk
    from ghostie.vault import Vault
    from ghostie.vault.row import Entry

EXCERPT = 400


@task
def versions(desk: Desk, id: str) -> dict[str, Any]:
    """Return the memory's row and all its versions, newest first: who made each, when, and in which fields.

    "changed" holds against the version before it, None where that is not here; one that does not open is "damaged".
    """
    vault = desk.fresh()
    desk.seen()
    entry = vault.find(id)
    read = vault.files.read_many(entry.stems())
    opened = {stem: version for stem, version in read if not isinstance(version, Damaged)}
    made = []
    ordered = sorted(entry.versions.values(), key=lambda row: (-row["number"], -row["modified"], row["hash"]))
    for row in ordered:
        version = opened.get(entry.stem(row["hash"]))
        parents = [digest for digest in row.get("parents", ()) if digest in entry.versions]
        before = opened.get(entry.stem(parents[0])) if parents else None
        changed = None
        if version is not None and before is not None:
            changed = [each.name for each in differences(before, version, context=0)]
        made.append(
            {
                "id": row["hash"],
                "number": row["number"],
                "at": row["modified"],
                "device": row.get("device") or row.get("device_id") or "",
                "head": row["hash"] in entry.heads,
                "deleted": bool(row.get("deleted")),
                "merge": len(row.get("parents", ())) > 1,
                "first": not row.get("parents"),
                "parents": parents,
                "changed": changed,
                "text": str(row.get("excerpt", ""))[:EXCERPT],
                "damaged": version is None,
            }
        )
    return {"row": row_of(entry), "versions": made}


@task
def version(desk: Desk, id: str, version: str) -> dict[str, Any]:
    """Return a version's whole record."""
    vault = desk.fresh()
    return vault.version(vault.find(id), version).shown()


@task
def diff(desk: Desk, id: str, before: str | None, after: str) -> list[dict[str, Any]]:
    """Return the fields in which two versions differ, as `spelt`; with no *before*, all that *after* says."""
    vault = desk.fresh()
    entry = vault.find(id)
    older = vault.version(entry, before) if before is not None else None
    return spelt(differences(older, vault.version(entry, after)))


@task
def restore(desk: Desk, id: str, version: str | None = None, at: int = 0) -> dict[str, Any]:
    """Make a memory say again what *version* said, or what it said at *at*; return its row. Raises InConflict."""
    vault = desk.fresh()
    entry = vault.find(id)
    brought = vault.version(entry, version) if version is not None else vault.as_of(entry, at)
    if entry.in_conflict:
        raise InConflict(id=entry.id[:8], count=len(entry.heads))
    vault.restore(id, brought)
    return row_of(desk.fresh().find(id))


def spelt(changes: list[Difference]) -> list[dict[str, Any]]:
    """Return each change as a name and lines, each with its sign: `-` before, `+` after, a space both, `@` a gap."""
    found = []
    for change in changes:
        lines = list(change.lines)
        if change.name == "removed":
            lines = ["+it was removed" if change.after else "-it was removed"]
        elif change.name != "content":
            lines = [f"-{line}" for line in plain(change.before).splitlines()]
            lines += [f"+{line}" for line in plain(change.after).splitlines()]
        found.append({"name": change.name, "lines": lines})
    # what it says comes first, what it is filed under after it
    return sorted(found, key=lambda field: (field["name"] != "content", field["name"]))


def plain(value: Any) -> str:
    """Return a field's value as a person reads it."""
    if value is None or value in ([], {}):
        return ""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return " ".join(f"#{item}" for item in value)
    if isinstance(value, dict):
        return "\n".join(f"{name}: {_short(item)}" for name, item in sorted(value.items()) if item is not None)
    if isinstance(value, list) and all(isinstance(item, dict) and {"type", "to"} <= item.keys() for item in value):
        return "\n".join(f"{item['type']} {item['to']}" for item in value)
    return _short(value)


def _short(value: Any) -> str:
    return value if isinstance(value, str) else codec.dumps(value).decode()


# -- the whole vault as of a moment ----------------------------------------------------------------------------------


@task
def moment(desk: Desk, said: str) -> int:
    """Return the Unix milliseconds of what a person typed: "7d", "2025-06-28 14:30". Raises UsageError."""
    now = desk.vault.clock()
    meant = meant_by(said.strip(), now)
    if meant > now:
        raise UsageError("that is yet to come", "say a moment that has been: 7d, 2025-06-28, 2025-06-28T14:30")
    return meant


@task
def listing(desk: Desk, at: int | None, query: str) -> dict[str, Any]:
    """Return the memories that there were at *at* (None: now) and that *query* asks for, and what has become of all.

    "ids" is one string, as in `memories.listing`; "added", "changed" and "removed" count what has happened since.
    Raises BadFilter: words are for the search, which knows the present only.
    """
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
