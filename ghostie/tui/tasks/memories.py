"""Memories: which there are, what they say and count up to, filters, the inbox, and what a person changes."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ghostie.errors import CannotRead
from ghostie.tui.tasks import task
from ghostie.vault.query import Filter, Query, Term, answer, load_filters, parse
from ghostie.vault.query import save_filter as keep_filter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ghostie.memory import Version
    from ghostie.tui.desk import Desk
    from ghostie.vault import Vault
    from ghostie.vault.row import Entry

EXCERPT = 400
HITS = 100
IN_USE = 500
NAMES = 60  # of a kind that are told with their numbers
AHEAD = 500  # memories that likenesses are looked for at a time
LIKE = 9
TOLD = 25


@task
def listing(desk: Desk, query: str, first: int = 0) -> dict[str, Any]:
    """Return the memories that *query* asks for, and where the vault stands.

    "ids" are all their ids in one string, 26 characters each: 100,000 are no burden so; "rows" has the first *first*.
    With words in the query the best HITS come best first, and "snippets" has for each pieces of text and whether they
    are hits. Raises BadFilter.
    """
    asked = parse(query)
    vault = desk.fresh()
    desk.seen()
    if asked.words and not asked.filter(0).deleted:
        entries, snippets, more = _found(vault, asked)
    else:
        entries, snippets, more = answer(vault, asked), {}, False
    return {
        "ids": "".join([entry.id for entry in entries]),
        "rows": [row_of(entry) for entry in entries[:first]],
        "snippets": snippets,
        "more": more,
        "standing": standing(desk),
    }


def _found(vault: Vault, asked: Query) -> tuple[list[Entry], dict[str, list[list[Any]]], bool]:
    from ghostie.vault.search import spans

    wanted = asked.filter(vault.clock())
    holds = wanted.test()
    # conditions are tried on what the search found: with any, it has to find more
    limit = len(vault.index) if asked.terms else HITS + 1
    found = []
    for hit in vault.search(asked.search, limit, prefix=True):
        entry = vault.index.get(hit.id)
        if entry is not None and holds(entry.doc):
            found.append((entry, hit))
            if len(found) > HITS:
                break
    snippets = {entry.id: [[piece, marked] for piece, marked in spans(hit.snippet)] for entry, hit in found[:HITS]}
    return [entry for entry, _ in found[:HITS]], snippets, len(found) > HITS


def standing(desk: Desk) -> dict[str, int]:
    """Return what the header counts."""
    counts: dict[str, int] = desk.once("standing", _standing)
    return counts


def _standing(vault: Vault) -> dict[str, int]:
    counts = {"memories": 0, "inbox": 0, "conflicts": 0, "removed": 0}
    for entry in vault.index.entries():
        row = entry.row
        if len(entry.heads) > 1:
            counts["conflicts"] += 1
        if row.get("deleted"):
            counts["removed"] += 1
        else:
            counts["memories"] += 1
            if row.get("status") == "inbox":
                counts["inbox"] += 1
    return counts


@task
def rows(desk: Desk, ids: list[str]) -> list[dict[str, Any]]:
    """Return what a list shows of each of *ids* that is there."""
    vault = desk.fresh()
    return [row_of(entry) for memory_id in ids if (entry := vault.index.get(memory_id)) is not None]


def row_of(entry: Entry) -> dict[str, Any]:
    row = entry.row
    return {
        "id": entry.id,
        "head": entry.heads[0][:32],
        "at": entry.timestamp,
        "text": entry.excerpt[:EXCERPT],
        "category": row.get("category") or "",
        "tags": row.get("tags") or [],
        "status": row.get("status", "active"),
        "kind": row.get("kind", "memory"),
        "device": row.get("device_id") or "",
        "local": row.get("privacy") == "local",
        "deleted": entry.deleted,
        "conflict": entry.in_conflict,
        "flag": row.get("flag"),
    }


@task
def memory(desk: Desk, id: str) -> dict[str, Any]:
    """Return all of a memory that is shown: its row, its whole record, and how many versions it has."""
    vault = desk.fresh()
    entry = vault.find(id)
    version = _last(vault, entry)
    return {
        "row": row_of(entry),
        "record": version.shown("open" if entry.in_conflict else None),
        "versions": len(entry.versions),
        "hash": version.hash,
    }


def _last(vault: Vault, entry: Entry) -> Version:
    """Return the version that is shown; of a removed memory, the one before its removal where that is still here."""
    if entry.deleted:
        kept = [row for row in entry.versions.values() if not row.get("deleted")]
        if kept:
            newest = max(kept, key=lambda row: (row["number"], row["modified"], row["hash"]))
            return vault.files.read(entry.stem(newest["hash"]))
    return vault.shown(entry)


@task
def terms(desk: Desk, query: str) -> dict[str, Any]:
    """Return the conditions that a filter can be put together from, those that *query* has first. Raises BadFilter.

    Each has its spelling, whether it is on, and for how many memories it holds where that is known.
    """
    asked = parse(query)
    on = [term.spelt() for term in asked.terms]
    counts = standing(desk)
    found: dict[str, int | None] = {
        "status:inbox": counts["inbox"],
        "is:conflict": counts["conflicts"],
        "is:deleted": counts["removed"],
        **dict.fromkeys(("status:active", "status:archived", "is:local", "since:1d", "since:7d", "since:30d")),
    }
    for key, name in (("cat", "categories"), ("tag", "tags"), ("device", "devices"), ("kind", "kinds")):
        found.update({Term(key, word).spelt(): count for word, count in _counts(desk)[name].most_common(IN_USE)})
    listed = [*on, *(spelt for spelt in found if spelt not in on)]
    return {
        "query": asked.spelt(),
        "terms": [{"spelt": spelt, "on": spelt in on, "count": found.get(spelt)} for spelt in listed],
    }


@task
def toggled(desk: Desk, query: str, term: str) -> dict[str, Any]:
    """Return what `terms` does for *query* with *term* put in or, where it is in, taken out.

    Of what a memory has only one of, the new one takes the old one's place.
    """
    asked, (given,) = parse(query), parse(term).terms
    kept = tuple(each for each in asked.terms if each != given)
    if len(kept) == len(asked.terms):
        several = given.key == "tag"
        same = (each for each in asked.terms if several or each.key != given.key or _other(each, given))
        kept = (*same, given)
    return terms(desk, Query(kept, asked.words).spelt())


def _other(one: Term, other: Term) -> bool:
    """Tell whether two conditions of one key can stand together: is:local and is:conflict, and what is left out."""
    return one.negated or (one.key == "is" and one.value != other.value)


@task
def in_use(desk: Desk) -> dict[str, list[str]]:
    """Return the categories, tags, devices and kinds that are in use, the commonest first."""
    return {name: [word for word, _ in counted.most_common(IN_USE)] for name, counted in _counts(desk).items()}


def _counts(desk: Desk) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = {name: Counter() for name in ("categories", "tags", "devices", "kinds")}
    for entry in desk.fresh().index.entries():
        row = entry.row
        if row.get("deleted"):
            continue
        counts["tags"].update(row.get("tags", ()))
        for name, field in (("categories", "category"), ("devices", "device_id"), ("kinds", "kind")):
            if value := row.get(field):
                counts[name][value] += 1
    return counts


@task
def numbers(desk: Desk) -> dict[str, Any]:
    """Return what there is to count, with the last weeks and months filled up. What has an order is a list of pairs."""
    from ghostie.vault import statistics

    vault = desk.fresh()
    found = statistics.numbers(vault)
    now = vault.clock()
    told = {
        name: list(value.items())[: None if name == "inbox_ages" else NAMES] if isinstance(value, dict) else value
        for name, value in asdict(found).items()
        if name not in ("by_week", "by_month")
    }
    return told | {
        "now": now,
        "weeks": list(statistics.weeks(found, now, 52).items()),
        "months": list(statistics.months(found, now, 24).items()),
    }


@task
def filters(desk: Desk) -> dict[str, str]:
    """Return the saved filters by digit. Raises Damaged."""
    return {str(digit): spelt for digit, spelt in load_filters(desk.vault).items()}


@task
def save_filter(desk: Desk, digit: str, query: str) -> dict[str, str]:
    """Keep *query* under *digit*, or nothing where it is empty; return all that is kept. Raises UsageError."""
    number = int(digit) if digit.isdecimal() and len(digit) == 1 else 0
    return {str(each): spelt for each, spelt in keep_filter(desk.vault, number, query or None).items()}


# -- the inbox -------------------------------------------------------------------------------------------------------


@task
def waiting(desk: Desk) -> dict[str, Any]:
    """Return the ids of what is in the inbox, newest first, in one string; and where the vault stands.

    What is in conflict is not among them: its sides have to be settled first.
    """
    vault = desk.fresh()
    desk.seen()
    return {"ids": "".join(_waiting(vault)), "standing": standing(desk)}


def _waiting(vault: Vault) -> list[str]:
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
        found[memory_id] = [[each.id, each.share, each.exact] for each in likeness.duplicates_of(memory_id, LIKE)]
        if at == 0 or len(found) == TOLD:
            desk.say(found)
            found = {}
    likeness.close()
    return {"alike": found, "all": len(ids) <= AHEAD}


# -- changes: of all that is named, or of none; they return the rows of what came of it ------------------------------


@task
def add(desk: Desk, content: str, fields: dict[str, Any]) -> dict[str, Any]:
    from ghostie.vault.row import entry_of

    version = desk.vault.add(content, **fields)
    rows = _rows(desk, [version.id])
    return rows[0] if rows else row_of(entry_of(version))


@task
def edit(desk: Desk, id: str, changes: dict[str, Any], base: str) -> dict[str, Any]:
    """Give fields new values, on the version *base* that the person was looking at."""
    version = desk.vault.edit(id, changes, base=base)
    return {"changed": version.hash != base, "row": _rows(desk, [id])[0]}


@task
def set_status(desk: Desk, ids: list[str], status: str) -> list[dict[str, Any]]:
    what = {"active": "keep", "archived": "archive", "inbox": "to inbox"}[status]
    desk.vault.edit_all(ids, lambda version: {"status": status}, what=what)
    return _rows(desk, ids)


@task
def set_category(desk: Desk, ids: list[str], category: str) -> list[dict[str, Any]]:
    """Set the category, "" for none."""
    desk.vault.edit_all(ids, lambda version: {"category": category or None}, what="categorise")
    return _rows(desk, ids)


@task
def tag(desk: Desk, ids: list[str], add: list[str], remove: list[str]) -> list[dict[str, Any]]:
    desk.vault.edit_all(ids, lambda version: {"tags": sorted({*version.field("tags"), *add} - set(remove))}, what="tag")
    return _rows(desk, ids)


@task
def remove(desk: Desk, ids: list[str]) -> list[dict[str, Any]]:
    desk.vault.remove(ids)
    return _rows(desk, ids)


@task
def restore(desk: Desk, ids: list[str]) -> list[dict[str, Any]]:
    desk.vault.restore_all(ids)
    return _rows(desk, ids)


@task
def merge(desk: Desk, id: str, into: str) -> dict[str, Any]:
    """Merge memory *id* into memory *into*, which stays."""
    desk.vault.merge_into(id, into)
    return _rows(desk, [into])[0]


@task
def undo(desk: Desk, redo: bool = False, agreed: str = "") -> dict[str, Any]:
    """Take the last change back, or with *redo* the last undo; return what it was and the rows it touched.

    What touches many memories is only named, as what it "asks", until it is *agreed* to.
    """
    operation = desk.vault.operations.find(redo=redo)
    if operation.is_large and operation.id != agreed:
        return {"asks": operation.id, "what": operation.what, "count": len(operation.changes)}
    desk.vault.undo(operation.id, redo=redo, progress=lambda done, total: desk.say({"done": done, "total": total}))
    ids = [change.id for change in operation.changes]
    return {"what": operation.what, "rows": _rows(desk, ids)}


def _rows(desk: Desk, ids: Iterable[str]) -> list[dict[str, Any]]:
    """Return the rows of memories that were just changed: as far as they are known where the vault cannot be read."""
    try:
        index = desk.fresh().index
    except CannotRead:
        index = desk.vault.index
    return [row_of(entry) for memory_id in ids if (entry := index.get(memory_id)) is not None]
