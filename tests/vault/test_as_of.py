"""The whole vault as of a moment, and what changed between two versions."""

from __future__ import annotations

import pytest

from ghostie.errors import UnknownVersion
from ghostie.memory import id_from
from ghostie.vault.differences import Difference, change_after, change_before, differences
from ghostie.vault.query import Filter
from ghostie.vault.vault import Vault

from .house import START, Clock, made

pytestmark = pytest.mark.versions

ONE, TWO = id_from(bytes(16)), id_from(bytes(15) + b"\1")


def at(vault: Vault, moment: int, wanted: Filter | None = None) -> dict[str, str]:
    return {entry.id: str(vault.shown(entry).field("content")) for entry in vault.select(wanted, at=moment)}


def test_the_vault_is_what_it_was(vault: Vault, clock: Clock) -> None:
    one = vault.add("one")
    vault.refresh()
    before = clock()
    vault.edit(one.id, {"content": "one, edited", "category": "odd"})
    two = vault.add("two")
    vault.refresh()
    between = clock()
    vault.remove([one.id])
    after = clock()

    assert at(vault, one.modified - 1) == {}
    assert at(vault, one.modified) == {one.id: "one"}
    assert at(vault, before) == {one.id: "one"}
    assert at(vault, between) == {one.id: "one, edited", two.id: "two"}
    assert at(vault, between, Filter(category="odd")) == {one.id: "one, edited"}
    assert at(vault, after) == {two.id: "two"}
    assert list(at(vault, after, Filter(deleted=True))) == [one.id]
    assert at(vault, after) == {entry.id: str(vault.shown(entry).field("content")) for entry in vault.select()}
    entry = vault.find(one.id)
    assert vault.as_of(entry, before).field("content") == "one"
    with pytest.raises(UnknownVersion):
        vault.as_of(entry, one.modified - 1)


def test_two_sides_that_stood_side_by_side_do_so_again(vault: Vault) -> None:
    first = made(ONE, content="a", at=START)
    mine = made(ONE, [first], content="b", at=START + 1000)
    theirs = made(ONE, [first], content="c", at=START + 2000)
    both = made(ONE, [mine, theirs], content="d", at=START + 3000)
    vault.take_in([both, theirs, mine, first], "import")
    entry = vault.find(ONE)
    assert not entry.in_conflict
    assert vault.entry_at(entry, START + 1000).heads == [mine.hash]
    then = vault.entry_at(entry, START + 2999)
    assert then.in_conflict
    assert set(then.heads) == {mine.hash, theirs.hash}
    assert [each.id for each in vault.select(Filter(conflict=True), at=START + 2999)] == [ONE]
    assert vault.select(Filter(conflict=True)) == []


def test_a_device_whose_clock_was_wrong_never_shows_a_version_before_what_it_was_made_of(vault: Vault) -> None:
    first = made(ONE, content="late", at=START + 5000)
    second = made(ONE, [first], content="made by a clock that is behind", at=START)
    other = made(TWO, content="in time", at=START + 100)
    vault.take_in([first, second, other], "import")
    assert at(vault, START + 200) == {TWO: "in time"}
    assert at(vault, START + 5000) == {ONE: "late", TWO: "in time"}
    assert at(vault, START + 5001)[ONE] == "made by a clock that is behind"


def test_nothing_is_opened_until_it_is_looked_at(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    one = vault.add("one")
    vault.refresh()
    vault.edit(one.id, {"content": "two"})
    monkeypatch.setattr(vault.files, "read", lambda stem: pytest.fail(f"{stem} was opened"))
    assert [entry.excerpt for entry in vault.select(at=one.modified)] == ["one"]
    assert next(vault.entries_at(one.modified)).id == one.id


def test_differences_are_named_by_field() -> None:
    before = made(ONE, content="a\nb\nc", tags=["x"], category="old")
    after = made(ONE, [before], content="a\nB\nc", tags=["x", "y"], context={"n": 1}, deleted=True)
    assert differences(before, after) == [
        Difference("category", "old", None),
        Difference("content", "a\nb\nc", "a\nB\nc", ("@@ -1,3 +1,3 @@", " a", "-b", "+B", " c")),
        Difference("context", {}, {"n": 1}),
        Difference("tags", ["x"], ["x", "y"]),
        Difference("removed", False, True),
    ]
    assert differences(after, after) == []
    assert [each.name for each in differences(None, before)] == ["category", "content", "tags"]
    assert differences(None, before)[1].lines[1:] == ("+a", "+b", "+c")


def test_a_number_that_python_takes_for_another_is_a_difference() -> None:
    before = made(ONE, content="x", context={"n": 1})
    after = made(ONE, [before], content="x", context={"n": True})
    assert [each.name for each in differences(before, after)] == ["context"]


def test_texts_too_long_to_compare_are_told_one_after_the_other() -> None:
    one = made(ONE, content="same\n" + "a\nb\n" * 500)
    two = made(ONE, [one], content="other\n" + "b\na\n" * 500)
    (changed,) = differences(one, two)
    assert changed.lines[0] == "@@ -1,1001 +1,1001 @@"
    assert list(changed.lines[1:]) == [f"-{line}" for line in str(changed.before).splitlines()] + [
        f"+{line}" for line in str(changed.after).splitlines()
    ]


def test_the_past_is_walked_change_by_change(vault: Vault, clock: Clock) -> None:
    one = vault.add("one")
    clock.now += 60_000
    vault.take_in([made(TWO, content="two", device="phone", at=clock.now)], "pull")
    clock.now += 60_000
    vault.edit_all([one.id, TWO], lambda version: {"category": "odd"})
    now = clock()

    last = change_before(vault, now)
    assert last is not None
    assert (set(last.ids), last.devices) == ({one.id, TWO}, ("laptop",))
    before = change_before(vault, last.first - 1)
    assert before is not None
    assert (before.ids, before.devices) == ((TWO,), ("phone",))
    first = change_before(vault, before.first - 1)
    assert first is not None
    assert first.ids == (one.id,)
    assert change_before(vault, first.first - 1) is None
    assert at(vault, last.first - 1) == {one.id: "one", TWO: "two"}
    assert change_after(vault, first.last) == before
    assert change_after(vault, last.last) is None
