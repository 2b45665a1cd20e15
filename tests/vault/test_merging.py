"""What merging comes to, case by case; `tests/property/test_merge.py` has the laws."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from ghostie.memory import Version, said
from ghostie.vault import merge
from tests.patience import little_time

from .house import START, family, made

pytestmark = pytest.mark.versions

ID = "m" * 26


def root(**fields: Any) -> Version:
    return made(ID, **{"content": "base", **fields})


def edit(parent: Version, later: int = 1000, **fields: Any) -> Version:
    """Return an edit of *parent*: its fields, but for *fields*."""
    return made(ID, [parent], **{**said(parent), "at": parent.modified + later, **fields})


def settled(*versions: Version) -> merge.Settled:
    """Settle these versions, and see that their order changes nothing."""
    outcome = merge.settle(family(*versions))
    for order in permutations(versions):
        assert merge.settle(family(*order)) == outcome
    return outcome


def shown(*versions: Version) -> Version:
    """Return the one head that these versions settle to."""
    outcome = settled(*versions)
    (head,) = outcome.heads
    return family(*versions, *outcome.added)[head]


# -- one field -------------------------------------------------------------------------------------------------------


def test_a_field_changed_on_one_side_is_taken() -> None:
    base = root(category="a", tags=["t"])
    merged = shown(base, edit(base, content="new words"), edit(base, category="b"))
    assert (merged.field("content"), merged.field("category"), merged.field("tags")) == ("new words", "b", ["t"])


def test_equal_changes_collapse_to_the_smaller_hash_without_a_new_version() -> None:
    base = root()
    one, other = edit(base, content="same"), edit(base, 2000, content="same")
    outcome = settled(base, one, other)
    assert outcome.added == ()
    assert outcome.heads == (min(one.hash, other.hash),)


@pytest.mark.parametrize(
    ("field", "one", "other"), [("category", "a", "b"), ("kind", "a", "b"), ("status", "inbox", "archived")]
)
def test_different_changes_of_one_word_wait_for_the_person(field: str, one: str, other: str) -> None:
    base = root()
    sides: list[dict[str, Any]] = [{field: one}, {field: other}]
    outcome = settled(base, *(edit(base, **side) for side in sides))
    assert outcome.disputes == (field,)
    assert len(outcome.heads) == 2


def test_tags_merge_as_sets() -> None:
    base = root(tags=["a", "b"])
    merged = shown(base, edit(base, tags=["a", "b", "c"]), edit(base, tags=["b", "d"]))
    assert merged.field("tags") == ["b", "c", "d"]


def test_the_same_tag_added_and_removed_twice_is_no_dispute() -> None:
    base = root(tags=["a"])
    merged = shown(base, edit(base, tags=[]), edit(base, tags=["b"]))
    assert merged.field("tags") == ["b"]


def test_links_merge_as_sets() -> None:
    first, second, third = ({"type": "see", "to": letter * 26} for letter in "abc")
    base = root(links=[first])
    merged = shown(base, edit(base, links=[first, second]), edit(base, links=[third]))
    assert merged.field("links") == [second, third]


def test_context_merges_by_key() -> None:
    base = root(context={"a": 1, "b": 2, "c": 3})
    merged = shown(base, edit(base, context={"a": 9, "b": 2, "c": 3}), edit(base, context={"a": 1, "c": 3, "d": 4}))
    assert merged.field("context") == {"a": 9, "c": 3, "d": 4}


def test_one_key_changed_to_two_values_waits_for_the_person() -> None:
    base = root(context={"a": 1, "b": 1})
    outcome = settled(base, edit(base, context={"a": 2, "b": 1}), edit(base, context={"a": 3, "b": 1}))
    assert outcome.disputes == ("context",)


@pytest.mark.parametrize(("before", "after"), [(1, True), (0, False), (1, 1.0), (True, 1), (0.0, 0)])
def test_values_that_only_python_takes_for_equal_are_a_change(before: object, after: object) -> None:
    base = root(context={"k": before})
    for later in range(20):  # whichever of the two has the smaller hash
        merged = shown(base, edit(base, later, context={"k": after}), edit(base, later, content=f"words {later}"))
        value = merged.field("context")["k"]
        assert type(value) is type(after)


def test_fields_that_nobody_here_knows_are_merged_like_words() -> None:
    base = root(future={"a": 1})
    merged = shown(base, edit(base, future={"a": 2}), edit(base, content="words"))
    assert merged.record["future"] == {"a": 2}
    assert settled(base, edit(base, future={"a": 2}), edit(base, future={"b": 1})).disputes == ("future",)


def test_a_merge_larger_than_a_version_may_be_waits_for_the_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ghostie.memory.MAX_VERSION", 2000)
    base = root()
    one, other = edit(base, context={"here": "x" * 1000}), edit(base, future="y" * 1000)
    outcome = settled(base, one, other)
    assert set(outcome.heads) == {one.hash, other.hash}
    assert outcome.disputes == ("context", "future")


# -- text by lines ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "left", "right", "merged"),
    [
        ("a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n", "A\nb\nC\n"),
        ("a\nb\nc\n", "a\nb\nc\nd\n", "z\na\nb\nc\n", "z\na\nb\nc\nd\n"),
        ("a\nb\nc\nd\ne\n", "a\nc\nd\ne\n", "a\nb\nc\nd\nE\n", "a\nc\nd\nE\n"),
        ("a\nb\nc\n", "a\nX\nc\n", "a\nX\nc\n", "a\nX\nc\n"),
        ("a\nb\nc\nd\n", "a\nX\nc\nd\n", "a\nX\nc\nD\n", "a\nX\nc\nD\n"),
        ("a\r\nb\r\nc\r\n", "A\r\nb\r\nc\r\n", "a\r\nb\r\nC\r\n", "A\r\nb\r\nC\r\n"),
        ("a\n\n\nb", "a!\n\n\nb", "a\n\n\nb!", "a!\n\n\nb!"),
        ("", "x", "", "x"),
        ("a\nb\nc\n", "", "a\nb\nc\n", ""),
        ("a\nb\n", "b\n", "b\n", "b\n"),
    ],
)
def test_changes_in_different_lines_come_together(base: str, left: str, right: str, merged: str) -> None:
    assert merge.merge_lines(base, left, right) == merged
    assert merge.merge_lines(base, right, left) == merged


@pytest.mark.parametrize(
    ("base", "left", "right"),
    [
        ("a", "b", "c"),
        ("a\nb\nc\n", "a\nX\nc\n", "a\nY\nc\n"),
        ("a\nb\n", "A\nb\n", "a\nB\n"),
        ("a\nb\n", "a\nx\nb\n", "a\ny\nb\n"),
        ("a\nb\n", "a\n", "a\nB\n"),
        ("", "x", "y"),
        ("a\n", "a\nx\n", "a\ny\n"),
    ],
)
def test_changes_of_the_same_or_neighbouring_lines_do_not(base: str, left: str, right: str) -> None:
    assert merge.merge_lines(base, left, right) is None
    assert merge.merge_lines(base, right, left) is None


def test_very_long_texts_wait_for_the_person_unless_one_side_is_as_it_was() -> None:
    long = "line\n" * (merge.MOST_LINES + 1)
    base = root(content=long)
    one, other = edit(base, content="first\n" + long), edit(base, content=long + "last\n")
    assert settled(base, one, other).disputes == ("content",)
    assert shown(base, one, edit(base, tags=["t"])).field("content") == "first\n" + long


@pytest.mark.once
@pytest.mark.parametrize("line", ["", "same", "- [ ] task"])
def test_texts_of_lines_that_repeat_are_merged_or_left_in_seconds(line: str) -> None:
    lines = [line] * 20_000
    left, right = list(lines), list(lines)
    for place in range(100, 20_000, 400):
        left[place] = f"left {place}"
        right[place + 200] = f"right {place}"
    with little_time(10):
        merged = merge.merge_lines("\n".join(lines), "\n".join(left), "\n".join(right))
    assert merged is None or merged.count("left") + merged.count("right") == 2 * 50


def test_the_editor_is_shown_both_sides_between_markers() -> None:
    base = root(content="top\nmiddle\nbottom\n")
    mine, theirs = edit(base, content="top\nMINE\nbottom\n"), edit(base, content="top\nTHEIRS\nbottom\n")
    assert merge.marked(base, mine, theirs) == ("top\n<<<<<<< mine\nMINE\n=======\nTHEIRS\n>>>>>>> theirs\nbottom\n")


def test_joining_keeps_both_texts_and_all_that_agrees() -> None:
    base = root(content="top\nmiddle", tags=["t"])
    mine = edit(base, content="top\nMINE", tags=["a", "t"])
    theirs = edit(base, content="top\nTHEIRS", category="c")
    fields = merge.joined(base, mine, theirs)
    assert fields["content"] == "top\nMINE\nTHEIRS"
    assert (fields["tags"], fields["category"]) == (["a", "t"], "c")


# -- deletions -------------------------------------------------------------------------------------------------------


def gone(parent: Version, later: int = 1000) -> Version:
    return made(ID, [parent], deleted=True, at=parent.modified + later)


def test_a_removal_against_an_edit_keeps_the_edit_and_flags_it() -> None:
    base = root()
    merged = shown(base, gone(base), edit(base, content="y"))
    assert (merged.field("content"), merged.deleted) == ("y", False)
    assert merged.sync["merge"] == {"rules": merge.RULES, "flag": merge.EDIT_OVER_DELETE}


def test_a_removal_against_nothing_is_a_removal() -> None:
    base = root()
    assert shown(base, gone(base)).deleted


def test_a_removal_against_a_change_that_was_taken_back_is_a_removal() -> None:
    base = root()
    changed = edit(base, content="y")
    back = edit(changed, content="base")
    assert shown(base, changed, back, gone(base)).deleted


def test_two_removals_are_one() -> None:
    base = root()
    outcome = settled(base, gone(base), gone(base, 2000))
    assert outcome.added == ()
    assert len(outcome.heads) == 1


def test_a_removal_on_both_sides_and_a_restoration_on_one_is_a_restoration() -> None:
    base = root()
    here, there = gone(base), gone(base, 2000)
    back = made(ID, [there], content="back")
    assert shown(base, here, there, back).field("content") == "back"


def test_a_restoration_on_both_sides_with_different_words_waits_for_the_person() -> None:
    base = root()
    removed = gone(base)
    one, other = made(ID, [removed], content="one"), made(ID, [removed], content="other")
    assert settled(base, removed, one, other).disputes == ("content",)


# -- histories -------------------------------------------------------------------------------------------------------


def test_without_a_common_past_nothing_is_merged() -> None:
    one, other = made(ID, content="same", tags=["a"]), made(ID, content="same", tags=["b"])
    outcome = settled(one, other)
    assert outcome.added == ()
    assert outcome.disputes == ("tags",)


def test_without_a_common_past_heads_that_say_the_same_collapse_to_the_smaller_hash() -> None:
    one, other = made(ID, content="same", device="a"), made(ID, content="same", device="b", at=START + 5)
    outcome = settled(one, other)
    assert outcome.heads == (min(one.hash, other.hash),)
    assert outcome.added == ()


def test_a_removal_and_words_without_a_common_past_keep_the_words() -> None:
    one, other = made(ID, content="words"), made(ID, deleted=True)
    merged = shown(one, other)
    assert merged.field("content") == "words"
    assert merged.sync["merge"]["flag"] == merge.EDIT_OVER_DELETE


def test_a_head_whose_past_has_not_arrived_is_not_merged_with_anything_yet() -> None:
    base = root()
    between = edit(base, content="between")
    removed = gone(between)
    early = settled(base, removed)
    assert early.added == ()
    late = settled(base, between, removed)
    assert (late.added, late.heads) == ((), (removed.hash,))


def test_an_edit_whose_base_has_not_arrived_waits_for_it() -> None:
    base = root(content="a\nb\nc\n")
    one, other = edit(base, content="A\nb\nc\n"), edit(base, content="a\nb\nC\n")
    early = settled(one, other)
    assert early.added == ()
    assert len(early.heads) == 2
    assert shown(base, one, other).field("content") == "A\nb\nC\n"


def test_history_that_was_tidied_away_below_the_common_past_does_not_matter() -> None:
    lost = root()
    base = edit(lost, content="a\nb\nc\n")
    merged = shown(base, edit(base, content="A\nb\nc\n"), edit(base, content="a\nb\nC\n"))
    assert merged.field("content") == "A\nb\nC\n"


def test_words_beside_a_purge_survive_it_whether_or_not_the_purged_is_still_there() -> None:
    base = root()
    removed = made(ID, [base], deleted=True, sync={"purges": [base.hash]})
    words = edit(base, content="words")
    with_it, without_it = settled(base, removed, words), settled(removed, words)
    assert with_it == without_it
    (merged,) = with_it.added
    assert merged.field("content") == "words"
    assert merged.sync["merge"]["flag"] == merge.EDIT_OVER_DELETE


def test_a_change_taken_back_beside_a_purge_comes_out_the_same_with_and_without_the_purged() -> None:
    base = root()
    changed = edit(base, content="y")
    back = edit(changed, content="base")
    removed = made(ID, [base], deleted=True, sync={"purges": [base.hash]})
    assert settled(base, changed, back, removed).added == settled(changed, back, removed).added


def test_a_change_taken_back_on_one_side_leaves_the_others_edit() -> None:
    base = root(content="p")
    away = edit(base, content="a")
    back = edit(away, content="p")
    assert shown(base, away, back, edit(base, 5000, content="b")).field("content") == "b"


def test_a_change_made_on_both_sides_and_taken_back_on_one_is_taken_back() -> None:
    base = root(content="p")
    here, there = edit(base, content="a"), edit(base, 5000, content="a")
    back = edit(here, content="p")
    assert shown(base, here, back, there).field("content") == "p"


def test_three_heads_that_touch_different_fields_become_one() -> None:
    base = root(content="a\nb\nc\nd\ne\n")
    sides = [edit(base, content="A\nb\nc\nd\ne\n"), edit(base, content="a\nb\nc\nd\nE\n"), edit(base, tags=["t"])]
    merged = shown(base, *sides)
    assert (merged.field("content"), merged.field("tags")) == ("A\nb\nc\nd\nE\n", ["t"])


def test_of_three_heads_two_merge_and_the_third_waits() -> None:
    base = root(content="a\nb\nc\n")
    sides = [edit(base, content="A\nb\nc\n"), edit(base, content="AA\nb\nc\n"), edit(base, content="a\nb\nC\n")]
    outcome = settled(base, *sides)
    assert len(outcome.heads) == 2
    known = family(base, *sides, *outcome.added)
    texts = {known[head].field("content") for head in outcome.heads}
    assert {text[:2] for text in texts} == {"A\n", "AA"}


def test_a_criss_cross_comes_to_one_head() -> None:
    base = root(content="a\nb\nc\nd\ne\n")
    one, other = edit(base, content="A\nb\nc\nd\ne\n"), edit(base, content="a\nb\nc\nd\nE\n")
    left = made(ID, [one, other], content="A\nb\nc\nd\nE\n", tags=["left"], at=START + 9000)
    right = made(ID, [one, other], content="A\nb\nX\nd\nE\n", at=START + 9500)
    merged = shown(base, one, other, left, right)
    assert (merged.field("content"), merged.field("tags")) == ("A\nb\nX\nd\nE\n", ["left"])


def test_different_resolutions_made_at_once_wait_for_the_person() -> None:
    base = root(content="p")
    one, other = edit(base, content="a"), edit(base, content="b")
    here = made(ID, [one, other], content="a", device="here", at=START + 9000)
    there = made(ID, [one, other], content="b", device="there", at=START + 9999)
    outcome = settled(base, one, other, here, there)
    assert set(outcome.heads) == {here.hash, there.hash}
    assert outcome.disputes == ("content",)


def test_equal_resolutions_made_at_once_on_two_devices_collapse() -> None:
    base = root(content="p")
    one, other = edit(base, content="a"), edit(base, content="b")
    here = made(ID, [one, other], content="b", device="here", at=START + 9000)
    there = made(ID, [one, other], content="b", device="there", at=START + 9999)
    outcome = settled(base, one, other, here, there)
    assert outcome.heads == (min(here.hash, there.hash),)
    assert outcome.added == ()


def test_a_merge_names_no_device_and_takes_its_time_from_its_parents() -> None:
    base = root()
    one, other = edit(base, content="words", device="here"), edit(base, 7000, tags=["t"], device="there")
    merged = shown(base, one, other)
    assert "device" not in merged.sync
    assert merged.modified == other.modified + 1
    assert merged.parents == tuple(sorted((one.hash, other.hash)))
    assert merged.sync["merge"] == {"rules": merge.RULES}


def test_a_merge_of_what_was_known_gives_way_to_a_removal_that_knew_it_all() -> None:
    base = root(content="a\nb\nc\n")
    here, there = edit(base, content="A\nb\nc\n"), edit(base, content="a\nb\nC\n")
    early = merge.settle(family(base, here, there)).added[0]  # one device merged this far
    later = edit(here, 9000, tags=["t"])
    late = merge.settle(family(base, here, there, later)).added[0]  # another went on, merged, and removed
    removed = gone(late)
    merged = shown(base, here, there, early, later, late, removed)
    assert merged.deleted
    assert "flag" not in merged.sync.get("merge", {})


def test_an_edit_upon_a_merge_is_no_mere_merge() -> None:
    base = root(content="a\nb\nc\n")
    here, there = edit(base, content="A\nb\nc\n"), edit(base, content="a\nb\nC\n")
    early = merge.settle(family(base, here, there)).added[0]
    words = edit(early, content="words")
    removed = gone(early)
    assert shown(base, here, there, early, words, removed).field("content") == "words"


def test_merging_two_heads_does_not_ask_which_came_first() -> None:
    base = root(content="p")
    x_here, y_there = edit(base, content="x"), edit(base, content="y")
    y_here, x_there = edit(x_here, content="y"), edit(y_there, content="x")
    known = family(base, x_here, y_there, y_here, x_there)
    assert merge.merge_heads(known, y_here.hash, x_there.hash) == merge.merge_heads(known, x_there.hash, y_here.hash)
