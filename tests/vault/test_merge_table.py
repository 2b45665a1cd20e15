"""The tables of `docs/sync.md` are tests: each row, with every order of arrival, and after an earlier merge."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice, permutations
from pathlib import Path
from typing import Any

import pytest

from ghostie.memory import Version, said
from ghostie.vault import merge

from ..property.peers import Peer
from .house import family, made

ID = "t" * 26
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "sync.md"
MOST_ORDERS = 150


@dataclass
class Past:
    """A memory's versions as they are made. With *merged*, every beginning is a merge of two earlier edits."""

    merged: bool
    versions: list[Version] = field(default_factory=list)

    def begin(self, **fields: Any) -> Version:
        first = self._kept(made(ID, **fields, begun=len(self.versions)))
        if not self.merged:
            return first
        sides = [self.edit(first, **{name: 1}) for name in ("here", "there")]
        return self._kept(*merge.settle(family(first, *sides)).added)

    def edit(self, *parents: Version, **fields: Any) -> Version:
        """Return what a person makes of *parents*: what the first of them says, but for *fields*."""
        self._later()
        return self._kept(made(ID, parents, at=self.now, **{**said(parents[0]), **fields}))

    def remove(self, *parents: Version, **sync: Any) -> Version:
        self._later()
        return self._kept(made(ID, parents, deleted=True, at=self.now, sync=sync))

    def merge(self, one: Version, other: Version) -> Version:
        """Return the version that the rules make of two heads."""
        joined, disputes = merge.merge_pair(family(*self.versions), one.hash, other.hash)
        assert joined is not None, disputes
        return self._kept(joined)

    def _kept(self, version: Version) -> Version:
        self.versions.append(version)
        return version

    def _later(self) -> None:
        self.now = max((version.modified for version in self.versions), default=0) + 1000


Outcome = Callable[[list[Version]], None]  # looks at the versions that are heads in the end
Case = Callable[[Past], Outcome]


def one_head(**fields: Any) -> Outcome:
    """Return a look that finds one head, not removed, with these values."""

    def look(heads: list[Version]) -> None:
        (head,) = heads
        assert not head.deleted
        assert {name: head.field(name) for name in fields} == fields

    return look


def flagged(**fields: Any) -> Outcome:
    def look(heads: list[Version]) -> None:
        one_head(**fields)(heads)
        assert heads[0].sync["merge"]["flag"] == merge.EDIT_OVER_DELETE

    return look


def removed(heads: list[Version]) -> None:
    assert all(head.deleted for head in heads)
    assert len(heads) == 1


def conflict(*sides: Version) -> Outcome:
    """Return a look that finds exactly these *sides* as heads."""
    return lambda heads: _same_versions(heads, sides)


def _same_versions(heads: Iterable[Version], sides: Iterable[Version]) -> None:
    assert {head.hash for head in heads} == {side.hash for side in sides}


# -- which versions are compared -------------------------------------------------------------------------------------


def something_is_missing(past: Past) -> Outcome:
    base = past.begin(content="base")
    between = past.edit(base, content="between")
    one, other = past.edit(between, tags=["a"]), past.edit(base, category="c")
    past.versions.remove(between)
    return conflict(one, other)


def nothing_but_merges(past: Past) -> Outcome:
    base = past.begin(content="base")
    one, other = past.edit(base, tags=["a"]), past.edit(base, category="c")
    past.merge(one, other)
    past.edit(one, other, content="seen by a person", tags=["a"], category="c")
    return one_head(content="seen by a person", tags=["a"], category="c")


def went_through_it(past: Past) -> Outcome:
    base = past.begin(content="base")
    past.edit(base, content="both")
    there = past.edit(base, content="both", device_id="there")
    past.edit(there, content="further")
    return one_head(content="further")


def nearest(past: Past) -> Outcome:
    base = past.begin(content="a\nb\nc\n")
    past.edit(base, content="A\nb\nc\n")
    past.edit(base, content="a\nb\nC\n")
    return one_head(content="A\nb\nC\n")


def several(past: Past) -> Outcome:
    base = past.begin(content="a\nb\nc\nd\ne\n")
    one, other = past.edit(base, content="A\nb\nc\nd\ne\n"), past.edit(base, content="a\nb\nc\nd\nE\n")
    past.edit(one, other, content="A\nb\nc\nd\nE\n", tags=["left"])
    past.edit(one, other, content="A\nb\nX\nd\nE\n")
    return one_head(content="A\nb\nX\nd\nE\n", tags=["left"])


def none_and_a_tombstone(past: Past) -> Outcome:
    past.begin(content="words")
    past.remove()
    return flagged(content="words")


def none_at_all(past: Past) -> Outcome:
    return conflict(past.begin(content="one"), past.begin(content="other"))


def all_say_the_same(past: Past) -> Outcome:
    """One says "a" beside a change that was taken back; the other had seen that, and says "a" none the less."""
    base = past.begin(content="p")
    here = past.edit(base, content="a")
    there = past.edit(base, content="a", device_id="there")
    back = past.edit(there, content="p", device_id=None)
    assert past.merge(here, back).field("content") == "p"
    past.edit(back, content="a")
    return one_head(content="a")


# -- removal and edit ------------------------------------------------------------------------------------------------


def removed_and_unchanged(past: Past) -> Outcome:
    base = past.begin(content="base")
    past.remove(base)
    past.edit(past.edit(base, content="away"), content="base")
    return removed


def removed_and_removed(past: Past) -> Outcome:
    base = past.begin(content="base")
    past.remove(base)
    past.remove(past.edit(base, content="edited, then removed"))
    return removed


def removed_and_edited(past: Past) -> Outcome:
    base = past.begin(content="base")
    past.remove(base)
    past.edit(base, content="edited")
    return flagged(content="edited")


def overruled_and_removed(past: Past) -> Outcome:
    base = past.begin(content="base")
    gone, edited = past.remove(base), past.edit(base, content="edited")
    past.merge(gone, edited)
    past.remove(edited)
    return removed


def removed_again_and_restored(past: Past) -> Outcome:
    base = past.begin(content="base")
    past.remove(base)
    there = past.remove(base, device="there")
    past.edit(there, content="base", deleted=False)
    return one_head(content="base")


HEADS: dict[str, Case] = {
    "something between them and their common past is not here": something_is_missing,
    "one has nothing but merges beyond what the other was made of": nothing_but_merges,
    "one's line already went through a version that says what the other says": went_through_it,
    "have a nearest common ancestor": nearest,
    "have several (after earlier merges)": several,
    "have none, and one is a tombstone": none_and_a_tombstone,
    "have none, or their ancestor is a tombstone and they are not": none_at_all,
    "what people made last": all_say_the_same,
}
REMOVALS: dict[tuple[str, str], Case] = {
    ("removed", "unchanged"): removed_and_unchanged,
    ("removed", "removed"): removed_and_removed,
    ("removed", "edited"): removed_and_edited,
    ("removed, and overruled by an edit", "that edit removed"): overruled_and_removed,
    ("removed again", "restored"): removed_again_and_restored,
}


# -- fields ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Values:
    """A field's values: at the beginning, changed, changed otherwise, and what becomes of both (None: a conflict)."""

    base: Any
    one: Any
    other: Any
    both: Any = None


SEE = [{"type": "see", "to": letter * 26} for letter in "abc"]
HALF = "x" * 600_000
SIXTY, FORTY = [f"t{n}" for n in range(10, 70)], [f"tt{n}" for n in range(10, 50)]
FIELDS: dict[str, list[Values]] = {
    "content": [
        Values("a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n", "A\nb\nC\n"),
        Values("a\nb\nc\n", "A\nb\nc\n", "AA\nb\nc\n"),
        Values("a\nb\nc\n", "A\nb\nc\n", "a\nB\nc\n"),
        Values("a\n" * 20_001, "b\n" + "a\n" * 20_000, "a\n" * 20_000 + "b\n"),
        Values(
            "x\n" + "a\n" * 300 + "y\n",
            "X\n" + "a\n" * 300 + "Y\n",
            "x\n" + "a\n" * 150 + "m\n" + "a\n" * 150 + "y\n",
        ),
        Values("a\nb\nc\n", f"{HALF}\na\nb\nc\n", f"a\nb\nc\n{HALF}\n"),
    ],
    "tags": [
        Values(["a", "b"], ["a", "b", "c"], ["b", "d"], ["b", "c", "d"]),
        Values(SIXTY, [*SIXTY, *FORTY], [*SIXTY, *(f"u{n}" for n in range(40))]),
        Values(SIXTY, [*SIXTY, *FORTY], ["u"], [*FORTY, "u"]),
    ],
    "links": [Values([SEE[0]], [SEE[0], SEE[1]], [SEE[2]], [SEE[1], SEE[2]])],
    **{
        name: [
            Values({"k": "0"}, {"k": "1"}, {"k": "0", "l": "2"}, {"k": "1", "l": "2"}),
            Values({"k": "0"}, {"k": "1"}, {"k": "2"}),
        ]
        for name in ("context", "scope", "anchor", "source")
    },
    "timestamp": [Values(*(f"2025-06-{day}T14:30:00.000Z" for day in (28, 29, 30, 29)))],
    "device_id": [Values("ann", "bob", "cyd", "bob")],
    "category": [Values("a", "b", "c")],
    "kind": [Values("note", "task", "event")],
    "status": [Values("active", "inbox", "archived")],
    "privacy": [Values("sync", "local", "local", "local")],  # there are only two
    "any other": [Values({"n": 0}, {"n": 1}, {"n": 2})],
}


def fields() -> Iterator[tuple[str, str, Case]]:
    """Yield (name of the field, column, case)."""
    for name, cases in FIELDS.items():
        member = "future" if name == "any other" else name
        for values in cases:
            yield name, "changed on one side", _changed(member, values.base, values.one, values.base, values.one)
            yield name, "changed on both, alike", _changed(member, values.base, values.one, values.one, values.one)
            differently = _changed(member, values.base, values.one, values.other, values.both)
            yield name, "changed on both, differently", differently


def _changed(name: str, base: Any, one: Any, other: Any, both: Any) -> Case:
    def case(past: Past) -> Outcome:
        start = past.begin(**{"content": "words", name: base})
        # and each side changes something of its own, so that neither is the other
        left, right = past.edit(start, **{name: one, "left": 1}), past.edit(start, **{name: other, "right": 1})
        return conflict(left, right) if both is None else _merged(name, both)

    return case


def _merged(name: str, both: Any) -> Outcome:
    def look(heads: list[Version]) -> None:
        (head,) = heads
        assert (head.field(name), head.record["left"], head.record["right"]) == (both, 1, 1)

    return look


# -- the document and the cases --------------------------------------------------------------------------------------


def table(heading: str) -> list[list[str]]:
    """Return the rows of the first table below *heading*, the row of column names first."""
    lines = iter(DOCUMENT.read_text(encoding="utf-8").splitlines())
    for line in lines:
        if line == heading:
            break
    rows = []
    for line in lines:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        elif rows:
            break
    assert len(rows) > 2, heading
    return [rows[0], *rows[2:]]


def test_each_row_of_the_document_has_a_case_and_each_case_a_row() -> None:
    heads = [cells[0] for cells in table("### Which versions are compared")[1:]]
    assert len(heads) == len(HEADS)
    assert all(row.startswith(name) for row, name in zip(heads, HEADS, strict=True))
    assert [(one, other) for one, other, _ in table("### Removal and edit")[1:]] == list(REMOVALS)
    columns, *rows = table("### Fields")
    named = [name.strip("` ") for cells in rows for name in cells[0].split(",")]
    assert named == list(FIELDS)
    assert {column for _, column, _ in fields()} == set(columns[1:])


CASES: list[tuple[str, Case]] = [
    *HEADS.items(),
    *((" | ".join(row), case) for row, case in REMOVALS.items()),
    *((f"{name} {column}", case) for name, column, case in fields()),
]


def orders(versions: list[Version]) -> Iterator[tuple[Version, ...]]:
    """Yield every order, or, where there are too many, as many as there is time for."""
    if len(versions) <= 5:
        yield from permutations(versions)
        return
    dice = random.Random(len(versions))
    for _ in range(MOST_ORDERS):
        yield tuple(dice.sample(versions, len(versions)))


@pytest.mark.parametrize("merged", [False, True], ids=["at first", "after an earlier merge"])
@pytest.mark.parametrize(("row", "case"), CASES, ids=[f"{at}-{row[:40]}" for at, (row, _) in enumerate(CASES)])
def test_a_row_of_the_table_holds_in_every_order_of_arrival(row: str, case: Case, merged: bool) -> None:
    past = Past(merged)
    look = case(past)
    heavy = sum(len(version.raw) for version in past.versions) > 100_000
    for order in islice(orders(past.versions), 4 if heavy else None):
        there, here = Peer("there"), Peer("here")
        for version in order:
            there.take([version])  # one by one, and merged after each
        here.take(past.versions)
        for peer in (here, there):
            peer.take({**here.all(), **there.all()}.values())
        assert here.heads() == there.heads()
        look([here.families[ID][head] for head in here.heads_of(ID)])
