"""One memory's past: its versions, what changed between any two, and bringing one back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ghostie import codec
from ghostie.tui.tasks import task
from ghostie.tui.tasks.memories import row_of

if TYPE_CHECKING:
    from ghostie.memory import Version
    from ghostie.tui.desk import Desk
    from ghostie.vault.differences import Difference

EXCERPT = 400


@task
def versions(desk: Desk, id: str) -> dict[str, Any]:
    """Return the memory's row and all its versions, newest first: who made each, when, and in which fields.

    "changed" holds against the version before it, None where that is not here; one that does not open is "damaged".
    """
    from ghostie.errors import Damaged
    from ghostie.vault.differences import differences

    vault = desk.fresh()
    desk.seen()
    entry = vault.find(id)
    opened = dict(vault.files.read_many(entry.stems()))
    made = []
    ordered = sorted(entry.versions.values(), key=lambda row: (-row["number"], -row["modified"], row["hash"]))
    for row in ordered:
        version = opened.get(entry.stem(row["hash"]))
        parents = [digest for digest in row.get("parents", ()) if digest in entry.versions]
        changed: list[str] | None = None
        if version is not None and not isinstance(version, Damaged) and parents:
            before = opened.get(entry.stem(parents[0]))
            if before is not None and not isinstance(before, Damaged):
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
                "damaged": version is None or isinstance(version, Damaged),
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
    from ghostie.vault.differences import differences

    vault = desk.fresh()
    entry = vault.find(id)
    older = vault.version(entry, before) if before is not None else None
    return spelt(differences(older, vault.version(entry, after)))


@task
def restore(desk: Desk, id: str, version: str) -> dict[str, Any]:
    """Make the memory say again what *version* said; return its row. Raises InConflict: that is settled first."""
    vault = desk.fresh()
    return bring_back(desk, id, vault.version(vault.find(id), version))


def bring_back(desk: Desk, id: str, version: Version) -> dict[str, Any]:
    from ghostie.errors import InConflict

    vault = desk.vault
    entry = vault.find(id)
    if entry.in_conflict:
        raise InConflict(id=entry.id[:8], count=len(entry.heads))
    vault.restore(id, version)
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
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return " ".join(f"#{item}" for item in value)
    if isinstance(value, dict):
        return "\n".join(f"{name}: {_short(item)}" for name, item in sorted(value.items()) if item is not None)
    if isinstance(value, list) and all(isinstance(item, dict) and {"type", "to"} <= item.keys() for item in value):
        return "\n".join(f"{item['type']} {item['to']}" for item in value)
    return _short(value)


def _short(value: Any) -> str:
    return value if isinstance(value, str) else codec.dumps(value).decode()
