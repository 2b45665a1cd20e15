"""Conflicts between devices: both sides are kept, one resolution settles it everywhere, merging is the same anywhere."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from ghostie.sync import engine
from ghostie.sync.link import Link
from ghostie.vault import conflicts

from .world import World, add, content, contents, entry, every_version, heads, in_conflict, in_step, settle, sync


def torn(phone: Link, laptop: Link) -> str:
    """Return the id of a memory that two devices changed in the same place."""
    memory = add(phone, "the door is shut")
    settle(phone, laptop)
    phone.vault.edit(memory.id, {"content": "the door is open"})
    laptop.vault.edit(memory.id, {"content": "the door is locked"})
    return memory.id


def test_two_edits_of_the_same_line_are_both_kept_on_both_devices(phone: Link, laptop: Link) -> None:
    memory = torn(phone, laptop)
    settle(phone, laptop)
    assert in_conflict(phone) == in_conflict(laptop) == [memory]
    for link in (phone, laptop):
        found = conflicts.look(link.vault, entry(link, memory))
        sides = {str(found.mine.field("content")), str(found.theirs.field("content"))}
        assert sides == {"the door is open", "the door is locked"}
        assert found.base is not None
        assert found.base.field("content") == "the door is shut"
    assert conflicts.look(phone.vault, entry(phone, memory)).mine.field("content") == "the door is open"
    assert conflicts.look(laptop.vault, entry(laptop, memory)).mine.field("content") == "the door is locked"


@pytest.mark.parametrize(
    ("keep", "said"),
    [
        ("mine", ["the door is open"]),
        ("theirs", ["the door is locked"]),
        ("both", ["the door is locked", "the door is open"]),
        ("merged", ["the door is open\nthe door is locked\n"]),
    ],
)
def test_a_conflict_that_is_resolved_on_one_device_is_settled_on_all(
    phone: Link, laptop: Link, tablet: Link, keep: str, said: list[str]
) -> None:
    memory = torn(phone, laptop)
    settle(phone, laptop, tablet)
    conflicts.resolve(phone.vault, memory, keep)
    settle(phone, laptop, tablet)
    assert in_conflict(phone) == in_conflict(laptop) == in_conflict(tablet) == []
    assert [line.strip() for line in contents(phone)] == [line.strip() for line in said]
    assert contents(laptop) == contents(tablet) == contents(phone)
    assert in_step(phone, laptop, tablet)


def test_conflicts_on_both_sides_resolved_on_different_devices_come_to_one_state(phone: Link, laptop: Link) -> None:
    one, other = torn(phone, laptop), torn(phone, laptop)
    settle(phone, laptop)
    conflicts.resolve(phone.vault, one, "mine")
    conflicts.resolve(laptop.vault, other, "mine")
    settle(phone, laptop)
    assert in_conflict(phone) == in_conflict(laptop) == []
    assert in_step(phone, laptop)
    assert content(laptop, one) == "the door is open"
    assert content(phone, other) == "the door is locked"


def test_two_devices_that_resolve_it_the_same_way_at_once_are_not_asked_again(phone: Link, laptop: Link) -> None:
    memory = torn(phone, laptop)
    settle(phone, laptop)
    conflicts.resolve(phone.vault, memory, "mine")
    conflicts.resolve(laptop.vault, memory, "theirs")
    settle(phone, laptop)
    assert in_conflict(phone) == in_conflict(laptop) == []
    assert contents(phone) == contents(laptop) == ["the door is open"]


def test_two_devices_that_resolve_it_differently_at_once_are_asked_once_more(phone: Link, laptop: Link) -> None:
    memory = torn(phone, laptop)
    settle(phone, laptop)
    conflicts.resolve(phone.vault, memory, "mine")
    conflicts.resolve(laptop.vault, memory, "mine")
    settle(phone, laptop)
    assert in_conflict(phone) == in_conflict(laptop) == [memory]
    conflicts.resolve(laptop.vault, memory, "theirs")
    settle(phone, laptop)
    assert in_conflict(phone) == in_conflict(laptop) == []
    assert in_step(phone, laptop)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_conflict_of_three_is_settled_by_one_of_them(world: World, order: tuple[int, ...]) -> None:
    links = [world.device(name) for name in ("phone", "laptop", "tablet")]
    memory = add(links[0], "shut")
    settle(*links)
    for link, word in zip(links, ("open", "locked", "gone"), strict=True):
        link.vault.edit(memory.id, {"content": word})
    sync(*(links[place] for place in order), *links)
    settle(*links)
    assert all(len(heads(link)[memory.id]) == 3 for link in links)
    conflicts.resolve(links[1].vault, memory.id, "mine")
    settle(*links)
    assert all(contents(link) == ["locked"] and in_conflict(link) == [] for link in links)
    assert in_step(*links)


def test_the_same_merge_on_both_sides_is_the_same_bytes(phone: Link, laptop: Link) -> None:
    memory = add(phone, "one\ntwo\nthree\n", tags=["a"], context={"k": 1})
    settle(phone, laptop)
    phone.vault.edit(memory.id, {"content": "ONE\ntwo\nthree\n", "tags": ["a", "b"], "context": {"k": 1, "p": 1}})
    laptop.vault.edit(memory.id, {"content": "one\ntwo\nTHREE\n", "tags": ["c"], "context": {"k": 1, "l": 2}})
    engine.push(phone)
    engine.push(laptop)
    engine.pull(phone)
    engine.pull(laptop)
    mine, theirs = (
        {version.hash: version.raw for version in every_version(link) if len(version.parents) == 2}
        for link in (phone, laptop)
    )
    assert mine == theirs
    assert len(mine) == 1
    shown = phone.vault.shown(entry(phone, memory.id))
    assert shown.field("content") == "ONE\ntwo\nTHREE\n"
    assert shown.field("tags") == ["b", "c"]
    assert shown.field("context") == {"k": 1, "p": 1, "l": 2}
    settle(phone, laptop)
    assert in_step(phone, laptop)


def test_equal_edits_on_two_devices_are_no_conflict(phone: Link, laptop: Link) -> None:
    memory = add(phone, "teh door")
    settle(phone, laptop)
    for link in (phone, laptop):
        link.vault.edit(memory.id, {"content": "the door"})
    settle(phone, laptop)
    assert in_conflict(phone) == in_conflict(laptop) == []
    assert contents(phone) == contents(laptop) == ["the door"]
    laptop.vault.edit(memory.id, {"content": "the doors"})
    settle(phone, laptop)
    assert contents(phone) == ["the doors"]
    assert in_step(phone, laptop)


def test_what_is_removed_here_and_edited_there_survives_flagged(phone: Link, laptop: Link) -> None:
    memory = add(phone, "worth keeping?")
    settle(phone, laptop)
    phone.vault.remove([memory.id])
    laptop.vault.edit(memory.id, {"content": "worth keeping!"})
    engine.push(phone)
    done = sync(laptop, phone, laptop)
    assert done[0].taken.flagged == (memory.id,)
    assert contents(phone) == contents(laptop) == ["worth keeping!"]
    for link in (phone, laptop):
        assert entry(link, memory.id).row["flag"] == "edit-over-delete"
    settle(phone, laptop)
    assert in_step(phone, laptop)


def test_what_both_removed_stays_removed(phone: Link, laptop: Link) -> None:
    memory = add(phone, "not wanted")
    settle(phone, laptop)
    phone.vault.remove([memory.id])
    laptop.vault.remove([memory.id])
    settle(phone, laptop)
    assert contents(phone) == contents(laptop) == []
    assert in_conflict(phone) == in_conflict(laptop) == []
    assert in_step(phone, laptop)


def test_a_removal_reaches_a_device_that_was_away_for_long_and_it_brings_nothing_back(
    world: World, phone: Link, laptop: Link, tablet: Link
) -> None:
    memory = add(phone, "old news")
    settle(phone, laptop, tablet)
    phone.vault.remove([memory.id])
    for number in range(12):
        add(phone, f"later {number}")
        settle(phone, laptop)
        world.clock.now += 100 * 86_400_000
    add(tablet, "I am back")
    engine.push(tablet)
    settle(tablet, phone, laptop)
    assert "old news" not in contents(tablet)
    assert in_step(phone, laptop, tablet)


def test_one_sync_can_be_undone_and_the_undoing_travels(phone: Link, laptop: Link) -> None:
    memory = add(phone, "first")
    settle(phone, laptop)
    phone.vault.edit(memory.id, {"content": "second"})
    settle(phone, laptop)
    pulled = next(operation for operation in reversed(laptop.vault.operations.all()) if operation.what == "pull")
    laptop.vault.undo(pulled.id)
    settle(phone, laptop)
    assert contents(phone) == contents(laptop) == ["first"]
    assert in_step(phone, laptop)


def test_what_one_removed_before_and_the_other_after_the_edit_that_overruled_it_is_removed_everywhere(
    phone: Link, laptop: Link, tablet: Link
) -> None:
    memory = add(phone, "v1")
    settle(phone, laptop, tablet)
    laptop.vault.remove([memory.id])
    phone.vault.edit(memory.id, {"content": "v2"})
    engine.push(phone)
    sync(laptop)  # the edit stays there, flagged
    assert contents(laptop) == ["v2"]
    phone.vault.remove([memory.id])
    settle(phone, laptop, tablet)
    for link in (phone, laptop, tablet):
        assert contents(link) == []
        assert entry(link, memory.id).deleted
        assert in_conflict(link) == []
    assert in_step(phone, laptop, tablet)


@pytest.mark.parametrize(
    ("before", "here", "there", "field"),
    [
        (
            {"tags": [f"t{n}" for n in range(60)]},
            {"tags": [f"t{n}" for n in range(100)]},
            {"tags": [*(f"t{n}" for n in range(60)), *(f"u{n}" for n in range(40))]},
            "tags",
        ),
        (
            {"content": "a\nb\nc\n"},
            {"content": "x" * 600_000 + "\na\nb\nc\n"},
            {"content": "a\nb\nc\n" + "y" * 600_000},
            "content",
        ),
    ],
    ids=["100 tags", "1 MiB of content"],
)
def test_a_merge_that_is_larger_than_the_format_allows_is_a_conflict_and_not_the_end_of_every_pull(
    phone: Link, laptop: Link, before: dict[str, Any], here: dict[str, Any], there: dict[str, Any], field: str
) -> None:
    memory = add(phone, **{"content": "words", **before})
    settle(phone, laptop)
    phone.vault.edit(memory.id, here)
    laptop.vault.edit(memory.id, there)
    settle(phone, laptop)
    late = add(phone, "what comes later arrives")
    settle(phone, laptop)
    for link in (phone, laptop):
        assert in_conflict(link) == [memory.id]
        assert conflicts.look(link.vault, entry(link, memory.id)).disputes == (field,)
        assert entry(link, late.id)
    conflicts.resolve(phone.vault, memory.id, "theirs")
    settle(phone, laptop)
    assert in_conflict(laptop) == []
    assert in_step(phone, laptop)
