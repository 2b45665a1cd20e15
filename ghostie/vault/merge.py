"""Merging, pure: heads of a set of versions, nearest common ancestor, three-way merge by field.

Whoever merges two versions, in whichever order, makes the same bytes: nothing here knows which side is "mine", what
time it is, or what device this is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Final

from ghostie import codec
from ghostie.errors import BadJson, BadMemory, TooLarge
from ghostie.memory import (
    DEFAULTS,
    MAX_CONTENT,
    MAX_TAGS,
    Record,
    Version,
    make_version,
    moment_after,
    number_after,
    said,
)

RULES: Final = 1
EDIT_OVER_DELETE: Final = "edit-over-delete"

_OBJECTS = ("context", "scope", "anchor", "source")
_ORIGIN = ("timestamp", "device_id")
_MISSING: Final = object()
MOST_LINES: Final = 20_000
MOST_PAIRS: Final = 60_000  # of equal lines; above it, comparing would hold the writers' lock for seconds


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a three-way merge came to: the merged fields, those still in dispute, and a flag worth showing.

    In dispute, *fields* has the value of the side with the smaller hash.
    """

    fields: Record
    disputes: tuple[str, ...] = ()
    flag: str | None = None
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a memory: merge versions to be added, and the heads that remain for the person."""

    added: tuple[Version, ...] = ()
    heads: tuple[str, ...] = ()
    disputes: tuple[str, ...] = ()


def raw_heads(versions: Mapping[str, Version]) -> list[str]:
    """Return, sorted, the hashes of the *versions* that none of them names as a parent."""
    return sorted(versions.keys() - {parent for version in versions.values() for parent in version.parents})


def collapse(heads: Iterable[tuple[str, str]]) -> list[str]:
    """Return the hashes of (hash, what it says) pairs; of those that say the same, the smallest."""
    kept: dict[str, str] = {}
    for digest, say in sorted(heads):
        kept.setdefault(say, digest)
    return sorted(kept.values())


def ancestry(versions: Mapping[str, Version], start: str) -> set[str]:
    """Return *start* and every version of the set that it descends from."""
    found, todo = set(), [start]
    while todo:
        digest = todo.pop()
        if digest in versions and digest not in found:
            found.add(digest)
            todo.extend(versions[digest].parents)
    return found


def common_ancestor(versions: Mapping[str, Version], one: str, other: str) -> Version | None:
    """Return the nearest common ancestor of two versions, or None; of several, the same everywhere."""
    nearest = common_ancestors(versions, one, other)
    return nearest[0] if nearest else None


def common_ancestors(versions: Mapping[str, Version], one: str, other: str) -> list[Version]:
    """Return the nearest common ancestors: several where two lines were joined more than once."""
    shared = ancestry(versions, one) & ancestry(versions, other)
    above = {parent for digest in shared for parent in versions[digest].parents}
    above |= {older for digest in above & shared for older in ancestry(versions, digest)}
    return [versions[digest] for digest in sorted(shared - above, key=lambda each: (-versions[each].number, each))]


def settle(versions: Mapping[str, Version]) -> Settled:
    """Merge a memory's heads as far as the rules go. *versions* is all of them, by hash."""
    known = taking_part(versions)
    added: list[Version] = []
    while True:
        heads = collapse((digest, known[digest].say()) for digest in raw_heads(known))
        merged, disputes = _first_merge(known, heads)
        if merged is None:
            return Settled(tuple(added), tuple(heads), disputes)
        known[merged.hash] = merged
        added.append(merged)


def taking_part(versions: Mapping[str, Version]) -> dict[str, Version]:
    """Return the *versions* that merging looks at.

    What a purge destroys, and what was local before a version that is not, is on some devices and not on others: that
    must make no difference.
    """
    left_out = _absent(versions)
    return {digest: version for digest, version in versions.items() if digest not in left_out}


def _first_merge(known: Mapping[str, Version], heads: Sequence[str]) -> tuple[Version | None, tuple[str, ...]]:
    disputes: dict[str, None] = {}
    for place, one in enumerate(heads):
        for other in heads[place + 1 :]:
            merged, fields = merge_pair(known, one, other)
            if merged is not None:
                return merged, ()
            disputes |= dict.fromkeys(fields)
    return None, tuple(disputes)


def merge_pair(versions: Mapping[str, Version], one: str, other: str) -> tuple[Version | None, tuple[str, ...]]:
    """Return the version that joins two heads, or None and the fields in dispute. *versions* are all of their memory.

    What no version can hold, being larger than the format allows, is in dispute, too.
    """
    left, right = versions[min(one, other)], versions[max(one, other)]
    outcome = merge_heads(versions, one, other)
    if not outcome.disputes:
        try:
            return merge_version(left, right, outcome), ()
        except (BadMemory, BadJson, TooLarge):
            outcome = _side_by_side(left, right)
    return None, outcome.disputes


def merge_heads(versions: Mapping[str, Version], one: str, other: str) -> Outcome:
    """Return what merging two heads comes to, given all versions of their memory."""
    left, right = versions[min(one, other)], versions[max(one, other)]
    if _cut_off(versions, one, other):
        return _side_by_side(left, right)
    behind = {head.hash: ancestry(versions, head.hash) for head in (left, right)}
    sides = ((left, right), (right, left))
    # merges say nothing of their own: a head with only these upon what the other side knew gives way to it
    known = [all("merge" in versions[digest].sync for digest in behind[a.hash] - behind[b.hash]) for a, b in sides]
    if known[0] != known[1]:
        across = right if known[0] else left
        outcome = Outcome(said(across), deleted=across.deleted)
    else:
        outcome = _from_their_past(versions, left, right)
    # Two merges of the same edits are left to the rules above, which version 0.1 has, too: were they held against the
    # last edits, a device with 0.1 and this one would answer each other's merges for ever.
    if not all(known):
        last = _last_edit(versions, behind[one] | behind[other])
        if last is not None and not _comes_to(outcome, last):
            return Outcome(said(last), deleted=last.deleted)
    return outcome


def _last_edit(versions: Mapping[str, Version], line: set[str]) -> Version | None:
    """Return what people made last of all among *line*, if that comes to one thing.

    A merge is not made by a person, and what somebody knew who made a later version is superseded. So an edit or a
    removal that only the rules overruled counts here, and what the rules put in its place does not.
    """
    people = {digest for digest in line if "merge" not in versions[digest].sync}
    superseded: set[str] = set()
    todo = [parent for digest in people for parent in versions[digest].parents]
    while todo:
        digest = todo.pop()
        if digest in line and digest not in superseded:
            superseded.add(digest)
            todo.extend(versions[digest].parents)
    last = [versions[digest] for digest in sorted(people - superseded)]
    gone, kept = [each for each in last if each.deleted], [each for each in last if not each.deleted]
    if len({each.say() for each in kept}) > 1:
        return None
    if not kept or not gone:
        return last[0] if last else None
    return next((each for each in gone if _from_their_past(versions, each, kept[0]).deleted), None)


def _comes_to(outcome: Outcome, version: Version) -> bool:
    """Tell whether *outcome* says what *version* says: of removed ones, that they are."""
    if outcome.disputes or outcome.deleted != version.deleted:
        return False
    fields = said(version)
    return version.deleted or all(
        _same(*(side.get(name, DEFAULTS.get(name)) for side in (outcome.fields, fields)))
        for name in {*outcome.fields, *fields} - {*_ORIGIN}
    )


def _from_their_past(versions: Mapping[str, Version], left: Version, right: Version) -> Outcome:
    """Return what two versions come to by what each made of their common past."""
    behind = {head.hash: ancestry(versions, head.hash) for head in (left, right)}
    for head, across in ((left, right), (right, left)):
        # the other side already went through a version that says what this head says, made beside it
        line = behind[across.hash] - behind[head.hash] - {across.hash}
        if any(versions[digest].say() == head.say() for digest in line):
            return Outcome(said(across), deleted=across.deleted)
    bases = common_ancestors(versions, left.hash, right.hash)
    return _agreed([three_way(base, left, right) for base in bases or (None,)])


def _agreed(outcomes: list[Outcome]) -> Outcome:
    """Return what the outcomes from each of several nearest ancestors come to.

    Two people who resolve a conflict differently at once leave two: held against one, the other's choice looks like the
    only change. So those without a dispute must say the same; an edit is kept if any of them keeps it.
    """
    settled = [outcome for outcome in outcomes if not outcome.disputes] or outcomes[:1]
    kept = [outcome for outcome in settled if not outcome.deleted] or settled
    first = kept[0]
    apart = {
        name
        for outcome in kept[1:]
        for name in {*first.fields, *outcome.fields} - {*_ORIGIN}
        if not _same(*(fields.get(name, DEFAULTS.get(name)) for fields in (first.fields, outcome.fields)))
    }
    flag = next((outcome.flag for outcome in kept if outcome.flag), None)
    return Outcome(first.fields, tuple(sorted({*first.disputes, *apart})), flag, first.deleted)


def _side_by_side(left: Version, right: Version) -> Outcome:
    """Leave both sides to the person: all in which they differ is in dispute."""
    names = [
        name
        for name in sorted({*left.record, *right.record} - {"id", "sync_metadata", *_ORIGIN})
        if not _same(left.field(name), right.field(name))
    ]
    return Outcome(said(left), tuple(names) or ("content",))


def _absent(versions: Mapping[str, Version]) -> set[str]:
    """Return the hashes of what some of *versions* say other devices do not have: purged, or kept to one device."""
    return {digest for version in versions.values() for digest in (*version.purges, *version.withheld)}


def _cut_off(versions: Mapping[str, Version], one: str, other: str) -> bool:
    """Tell whether something between two heads and their common past is not here (yet).

    Then nobody can say what either changed, nor even that one does not follow the other.
    """
    apart = ancestry(versions, one) ^ ancestry(versions, other)
    missing = {parent for digest in apart for parent in versions[digest].parents} - versions.keys()
    return bool(missing - _absent(versions))


def three_way(base: Version | None, left: Version, right: Version) -> Outcome:
    """Return what two sides that began at *base* (None: apart) come to. Swapping them changes nothing."""
    if left.hash > right.hash:
        left, right = right, left
    if left.deleted or right.deleted:
        return _with_deletion(base, left, right)
    if base is None or base.deleted:
        return _side_by_side(left, right)  # a removal says nothing that the two could be held against
    fields: Record = {}
    disputes: list[str] = []
    for name in sorted({*base.record, *left.record, *right.record} - {"id", "sync_metadata"}):
        value, fits = _field(name, base.field(name), left.field(name), right.field(name))
        if not fits:
            disputes.append(name)
        fields[name] = value
    return Outcome(fields, tuple(disputes))


def _with_deletion(base: Version | None, left: Version, right: Version) -> Outcome:
    if left.deleted and right.deleted:
        return Outcome(said(left), deleted=True)
    gone, kept = (left, right) if left.deleted else (right, left)
    if base is not None and base.deleted:
        return Outcome(said(kept))  # only one side did anything: it was brought back
    if base is not None and kept.say() == base.say():
        return Outcome(said(gone), deleted=True)  # only one side did anything: it was removed
    return Outcome(said(kept), flag=EDIT_OVER_DELETE)


def merge_version(left: Version, right: Version, outcome: Outcome) -> Version:
    """Return the version that joins two heads: the same bytes wherever it is made."""
    rules: Record = {"rules": RULES}
    if outcome.flag:
        rules["flag"] = outcome.flag
    return make_version(
        {**outcome.fields, "id": left.id},
        {
            "version": number_after(left.number, right.number),
            "last_modified": moment_after(left.modified, right.modified),
            "parents": sorted((left.hash, right.hash)),
            "deleted": outcome.deleted,
            "merge": rules,
        },
        as_is=True,  # version 0.1 does so, too, and comes to the same bytes
    )


def _field(name: str, base: Any, left: Any, right: Any) -> tuple[Any, bool]:
    """Return a field's merged value, and whether both sides agree to it; else it is *left*'s."""
    value, fits = _changed(base, left, right)
    if fits:
        return value, True
    if name in _ORIGIN:
        return min(str(left), str(right)), True
    if name == "tags":
        tags = sorted((set(left) | set(right)) - (set(base) - set(left)) - (set(base) - set(right)))
        return (tags, True) if len(tags) <= MAX_TAGS else (left, False)
    if name == "links":
        return _links(base, left, right), True
    if name in _OBJECTS:
        return _objects(base, left, right)
    if name == "content":
        merged = merge_lines(str(base), str(left), str(right))
        return (left, False) if merged is None or len(merged.encode()) > MAX_CONTENT else (merged, True)
    return left, False


def _changed(base: Any, left: Any, right: Any) -> tuple[Any, bool]:
    """Return the value that at most one side has changed, or *left*'s; and whether it is so."""
    if _same(left, right) or _same(right, base):
        return left, True
    return (right, True) if _same(left, base) else (left, False)


def _same(one: Any, other: Any) -> bool:
    """Tell whether two values are the same JSON: Python takes 1, 1.0 and True for equal."""
    return one is other or (one == other and (type(one) is str or codec.dumps(one) == codec.dumps(other)))


def _links(base: list[Any], left: list[Any], right: list[Any]) -> list[Any]:
    spelt = [{codec.dumps(link): link for link in side} for side in (base, left, right)]
    before, one, two = spelt
    gone = (before.keys() - one.keys()) | (before.keys() - two.keys())
    return [link for key, link in sorted({**one, **two}.items()) if key not in gone]


def _objects(base: Mapping[str, Any], left: Mapping[str, Any], right: Mapping[str, Any]) -> tuple[Record, bool]:
    merged: Record = {}
    agreed = True
    for key in sorted({*base, *left, *right}):
        value, fits = _changed(*(side.get(key, _MISSING) for side in (base, left, right)))
        agreed = agreed and fits
        if value is not _MISSING:
            merged[key] = value
    return merged, agreed


# -- text, by lines --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines low to high of the base, and what a side has in their place."""

    low: int
    high: int
    lines: tuple[str, ...]


def merge_lines(base: str, left: str, right: str) -> str | None:
    """Return the text with both sides' changes, or None where these touch."""
    parts = diff3(base, left, right)
    if parts is None or any(isinstance(part, tuple) for part in parts):
        return None
    return "".join(part for part in parts if isinstance(part, str))


def diff3(base: str, left: str, right: str) -> list[str | tuple[str, str, str]] | None:
    """Return the merge in order: agreed text, or (base, left, right) where both sides changed the same lines.

    None if the texts are too long to compare.
    """
    before = base.splitlines(keepends=True)
    sides = [side.splitlines(keepends=True) for side in (left, right)]
    if not all(comparable(before, side) for side in sides):
        return None
    ours, theirs = (_hunks(before, side) for side in sides)
    parts: list[str | tuple[str, str, str]] = []
    place = 0
    while ours or theirs:
        low = min(queue[0].low for queue in (ours, theirs) if queue)
        parts.append("".join(before[place:low]))
        taken, high = _touching(ours, theirs, low)
        texts = [_applied(before, low, high, side) for side in taken]
        if texts[0] == texts[1] or not taken[1]:
            parts.append(texts[0])
        elif not taken[0]:
            parts.append(texts[1])
        else:
            parts.append(("".join(before[low:high]), texts[0], texts[1]))
        place = high
    parts.append("".join(before[place:]))
    return [part for part in parts if part]


def comparable(before: list[str], after: list[str]) -> bool:
    """Tell whether comparing two texts line by line has an end that a person would wait for."""
    if max(len(before), len(after)) > MOST_LINES:
        return False
    _, olds, news = _middle(before, after)
    counted = Counter(news)
    return sum(counted[line] for line in olds) <= MOST_PAIRS


def _middle(before: list[str], after: list[str]) -> tuple[int, list[str], list[str]]:
    """Return how many lines two texts share at the beginning, and of each those before what they share at the end."""
    start, end = 0, 0
    most = min(len(before), len(after))
    while start < most and before[start] == after[start]:
        start += 1
    while end < most - start and before[-1 - end] == after[-1 - end]:
        end += 1
    return start, before[start : len(before) - end], after[start : len(after) - end]


def _hunks(before: list[str], after: list[str]) -> list[Hunk]:
    start, olds, news = _middle(before, after)
    matcher = SequenceMatcher(None, olds, news, autojunk=False)
    return [
        Hunk(start + low, start + high, tuple(after[start + first : start + last]))
        for tag, low, high, first, last in matcher.get_opcodes()
        if tag != "equal"
    ]


def _touching(ours: list[Hunk], theirs: list[Hunk], low: int) -> tuple[tuple[list[Hunk], list[Hunk]], int]:
    """Take off both queues what overlaps or touches, from *low* on; return it and where it ends."""
    taken: tuple[list[Hunk], list[Hunk]] = ([], [])
    high = low
    moved = True
    while moved:
        moved = False
        for queue, kept in zip((ours, theirs), taken, strict=True):
            while queue and queue[0].low <= high:
                hunk = queue.pop(0)
                kept.append(hunk)
                high = max(high, hunk.high)
                moved = True
    return taken, high


def _applied(before: list[str], low: int, high: int, hunks: Iterable[Hunk]) -> str:
    text, place = [], low
    for hunk in hunks:
        text += before[place : hunk.low]
        text += hunk.lines
        place = hunk.high
    return "".join(text + before[place:high])


# -- what a person may choose ----------------------------------------------------------------------------------------


def joined(base: Version | None, mine: Version, theirs: Version) -> Record:
    """Return all that agrees, and in dispute both texts, else mine."""
    before = base.record if base is not None else {}
    fields: Record = {}
    for name in {*before, *mine.record, *theirs.record} - {"id", "sync_metadata"}:
        start = base.field(name) if base is not None else DEFAULTS.get(name)
        fields[name], fits = _field(name, start, mine.field(name), theirs.field(name))
        if name == "content" and not fits:
            fields[name] = _both_texts(str(start or ""), str(mine.field(name)), str(theirs.field(name)))
    return fields


def _both_texts(base: str, mine: str, theirs: str) -> str:
    parts = diff3(base, mine, theirs)
    if parts is None:
        return _ended(mine) + theirs
    return "".join(part if isinstance(part, str) else _ended(part[1]) + part[2] for part in parts)


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def marked(base: Version | None, mine: Version, theirs: Version, *more: Version) -> str:
    """Return the content for an editor, disputed lines between markers, as git shows them; *more* follow whole."""
    start = str(base.field("content")) if base is not None else ""
    texts = (start, str(mine.field("content")), str(theirs.field("content")))
    parts = diff3(*texts)
    if parts is None:
        parts = [texts]
    parts += [("", "", whole) for whole in dict.fromkeys(str(other.field("content")) for other in more)]
    text = ""
    for part in parts:
        if isinstance(part, str):
            text += part
        else:
            text = _ended(text) + f"<<<<<<< mine\n{_ended(part[1])}=======\n{_ended(part[2])}>>>>>>> theirs\n"
    return text
