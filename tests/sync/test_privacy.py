"""What a person keeps on one device: nothing of it leaves that was not sent before, and its removal reaches everybody."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghostie.backends.store import MemoryStore
from ghostie.errors import ChangedSince, InConflict, NothingToUndo, NotRemoved, Unreachable
from ghostie.memory import make_version, stamp
from ghostie.sync import compaction, engine
from ghostie.sync.link import Link
from ghostie.sync.outbox import Outbox
from ghostie.vault import conflicts

from ..property.peers import laws
from .world import Wire, World, add, content, contents, entry, hashes, heads, in_conflict, settle, sync


def local(link: Link, memory_id: str, **changes: object) -> None:
    link.vault.edit(memory_id, {**changes, "privacy": "local"})


def synced(link: Link, memory_id: str, **changes: object) -> None:
    link.vault.edit(memory_id, {**changes, "privacy": "sync"})


# -- what leaves ------------------------------------------------------------------------------------------------------


def test_what_is_made_local_before_the_first_push_never_leaves(world: World, phone: Link, laptop: Link) -> None:
    memory = add(phone, "written before the decision")
    local(phone, memory.id)
    assert Outbox(phone).unpublished() == []
    assert engine.push(phone).versions == 0
    settle(phone, laptop)
    phone.vault.remove([memory.id])
    phone.vault.purge([add(phone, "another", privacy="local").id, memory.id])
    settle(phone, laptop)
    assert world.segments() == []
    assert heads(laptop) == {}


def test_what_is_made_local_while_it_waits_in_the_outbox_does_not_go_out(world: World, laptop: Link) -> None:
    wire = Wire(world.store)
    phone = world.device("phone", store=wire)
    memory, other = add(phone, "sealed already"), add(phone, "goes out")
    wire.lose_before = 1
    with pytest.raises(Unreachable):
        engine.push(phone)
    local(phone, memory.id)
    settle(phone, laptop)
    assert b"sealed already" not in world.stored_bytes()
    assert heads(laptop).keys() == {other.id}


def test_undoing_it_restoring_an_older_version_and_settling_a_conflict_do_not_make_it_leave(
    world: World, phone: Link, laptop: Link
) -> None:
    memory = add(phone, "v1")
    settle(phone, laptop)
    local(phone, memory.id, content="kept 2")
    phone.vault.edit(memory.id, {"content": "kept 3"})
    phone.vault.undo()
    phone.vault.undo()
    assert content(phone, memory.id) == "v1"
    phone.vault.restore(memory.id, phone.vault.version(entry(phone, memory.id), "1"))
    phone.vault.edit(memory.id, {"content": "kept 4"})
    phone.vault.remove([memory.id])
    phone.vault.edit(memory.id, {"content": "kept 5"})
    assert phone.vault.stays_here(entry(phone, memory.id))
    laptop.vault.edit(memory.id, {"content": "theirs"})
    settle(phone, laptop)
    for found in conflicts.open_conflicts(phone.vault):
        conflicts.resolve(phone.vault, found.id, "theirs")
    phone.vault.edit(memory.id, {"content": "kept 6"})
    settle(phone, laptop)
    assert phone.vault.stays_here(entry(phone, memory.id))
    assert b"kept" not in world.stored_bytes()


def test_what_was_published_is_neither_taken_back_nor_sent_again(world: World, phone: Link, laptop: Link) -> None:
    memories = [add(phone, f"published {number}") for number in range(3)]
    for number in range(9):
        add(phone, f"beside {number}")
        engine.push(phone)
    never = add(phone, "not yet published")
    for memory in (*memories, never):
        local(phone, memory.id, content="kept")
    settle(phone, laptop)
    compaction.compact(phone, Outbox(phone), phone.look(), {}, least=2)
    late = world.device("late")
    settle(phone, laptop, late)
    assert {"published 0", "published 1", "published 2"} <= set(contents(laptop))
    assert contents(late) == contents(laptop)
    assert b"kept" not in world.stored_bytes()
    assert b"not yet published" not in world.stored_bytes()


# -- its removal ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("purged", [False, True])
def test_the_removal_of_what_was_synced_and_then_local_reaches_every_device(
    world: World, phone: Link, laptop: Link, tablet: Link, purged: bool
) -> None:
    memory = add(phone, "v1")
    settle(phone, laptop, tablet)
    local(phone, memory.id, content="kept 2")
    local(phone, memory.id, content="kept 3", kind="secret")
    (phone.vault.purge if purged else phone.vault.remove)([memory.id])
    settle(phone, laptop, tablet)
    for link in (phone, laptop, tablet):
        assert contents(link) == []
        assert in_conflict(link) == []
    assert heads(phone) == heads(laptop) == heads(tablet)
    assert b"kept" not in world.stored_bytes()
    assert b"secret" not in world.stored_bytes()
    assert (b"v1" in world.stored_bytes()) is not purged


def test_a_purge_elsewhere_reaches_what_was_kept_here_since_and_leaves_what_was_said_here(
    world: World, phone: Link, laptop: Link, tablet: Link
) -> None:
    memory = add(phone, "v1")
    settle(phone, laptop, tablet)
    phone.vault.purge([memory.id])  # which is not sent yet
    local(tablet, memory.id, content="kept")
    sync(tablet)
    sync(phone)
    for link in (laptop, tablet):
        sync(link)
        assert memory.hash not in hashes(link)
    assert (contents(phone), contents(laptop), contents(tablet)) == ([], [], ["kept"])
    assert memory.hash not in hashes(world.device("late"))
    assert b"v1" not in world.stored_bytes()
    assert b"kept" not in world.stored_bytes()


def test_a_marker_that_version_0_1_kept_to_itself_goes_out(world: World, phone: Link, laptop: Link) -> None:
    memory = add(phone, "v1")
    settle(phone, laptop)
    local(phone, memory.id, content="kept")
    rows = entry(phone, memory.id).versions
    marker = make_version(
        {"id": memory.id, "privacy": "local"},
        {
            "version": 3,
            "parents": entry(phone, memory.id).tips,
            "last_modified": stamp(world.clock()),
            "deleted": True,
            "purges": sorted(rows),
        },
    )
    phone.vault.take_in([marker], "purge")
    settle(phone, laptop)
    assert contents(phone) == contents(laptop) == []
    assert b"v1" not in world.stored_bytes()


@pytest.mark.parametrize("purged", [False, True])
def test_its_removal_beside_a_removal_elsewhere_is_one_removal_on_every_device(
    phone: Link, laptop: Link, tablet: Link, purged: bool
) -> None:
    memory = add(phone, "v1")
    settle(phone, laptop, tablet)
    local(phone, memory.id, content="kept")
    (phone.vault.purge if purged else phone.vault.remove)([memory.id])
    laptop.vault.remove([memory.id])
    settle(phone, laptop, tablet)
    assert heads(phone) == heads(laptop) == heads(tablet)
    assert contents(tablet) == []
    laptop.vault.edit(memory.id, {"content": "anew"})
    settle(phone, laptop, tablet)
    assert contents(phone) == contents(tablet) == ["anew"]


def test_a_purge_elsewhere_of_what_was_synced_again_destroys_what_was_kept_before(
    world: World, phone: Link, laptop: Link
) -> None:
    memory = add(phone, "v1")
    settle(phone, laptop)
    local(phone, memory.id, content="kept 2")
    local(phone, memory.id, content="kept 3")
    synced(phone, memory.id, content="v4")
    settle(phone, laptop)
    laptop.vault.purge([memory.id])
    settle(phone, laptop)
    assert contents(phone) == []
    assert in_conflict(phone) == []
    assert len(entry(phone, memory.id).versions) == 1
    assert heads(phone) == heads(laptop)


# -- synced again ----------------------------------------------------------------------------------------------------


def test_synced_then_local_then_synced_again_is_no_conflict_anywhere(
    world: World, phone: Link, laptop: Link, tablet: Link
) -> None:
    memory = add(phone, "v1")
    settle(phone, laptop)
    for number in (2, 4):
        local(phone, memory.id, content=f"kept {number}")
        local(phone, memory.id, content=f"kept {number} more")
        settle(phone, laptop)
        synced(phone, memory.id, content=f"v{number + 1}")
        settle(phone, laptop)
        for link in (phone, laptop):
            assert in_conflict(link) == []
            assert contents(link) == [f"v{number + 1}"]
    settle(phone, laptop, tablet)
    assert heads(phone) == heads(laptop) == heads(tablet)
    assert b"kept" not in world.stored_bytes()


@pytest.mark.parametrize("edits", [1, 3])
@pytest.mark.parametrize("then", ["synced", "remove"])
def test_what_was_edited_and_not_sent_before_it_was_kept_stays_here_and_is_no_conflict_elsewhere(
    world: World, phone: Link, laptop: Link, edits: int, then: str
) -> None:
    memory = add(phone, "v1")
    settle(phone, laptop)
    for number in range(edits):
        phone.vault.edit(memory.id, {"content": f"not sent {number}"})
    local(phone, memory.id, content="kept")
    if then == "synced":
        synced(phone, memory.id, content="v4")
    else:
        phone.vault.remove([memory.id])
    late = world.device("late")
    settle(phone, laptop, late)
    assert heads(phone) == heads(laptop) == heads(late)
    assert in_conflict(phone) == in_conflict(laptop) == []
    assert contents(laptop) == (["v4"] if then == "synced" else [])
    assert b"kept" not in world.stored_bytes()
    assert b"not sent" not in world.stored_bytes()


def test_an_edit_elsewhere_beside_what_was_edited_kept_and_let_go_is_merged_to_the_same_bytes(
    world: World, phone: Link, laptop: Link
) -> None:
    memory = add(phone, "a\nb\nc\n")
    settle(phone, laptop)
    phone.vault.edit(memory.id, {"content": "a\nb\nnot sent\n"})
    local(phone, memory.id)
    synced(phone, memory.id, content="a\nb\nC\n")
    laptop.vault.edit(memory.id, {"content": "A\nb\nc\n"})
    settle(phone, laptop)
    assert contents(phone) == contents(laptop) == ["A\nb\nC\n"]
    assert heads(phone) == heads(laptop)
    assert b"not sent" not in world.stored_bytes()


def test_an_edit_elsewhere_beside_it_is_merged_on_every_device_to_the_same_bytes(
    world: World, phone: Link, laptop: Link
) -> None:
    memory = add(phone, "a\nb\nc\n")
    settle(phone, laptop)
    local(phone, memory.id, content="a\nb\nkept\n")
    synced(phone, memory.id, content="a\nb\nC\n")
    laptop.vault.edit(memory.id, {"content": "A\nb\nc\n"})
    engine.push(phone)
    engine.pull(laptop)  # merges there, without what the phone kept
    assert in_conflict(laptop) == []
    settle(phone, laptop)
    assert contents(phone) == contents(laptop) == ["A\nb\nC\n"]
    assert heads(phone) == heads(laptop)
    assert b"kept" not in world.stored_bytes()


def test_what_others_edit_meanwhile_is_merged_here_and_stays_here(world: World, phone: Link, laptop: Link) -> None:
    memory = add(phone, "a\nb\nc\n")
    settle(phone, laptop)
    local(phone, memory.id, content="a\nb\nkept\n")
    laptop.vault.edit(memory.id, {"content": "A\nb\nc\n"})
    settle(phone, laptop)
    assert contents(phone) == ["A\nb\nkept\n"]
    assert contents(laptop) == ["A\nb\nc\n"]
    synced(phone, memory.id, content="A\nb\nC\n")
    settle(phone, laptop)
    assert contents(phone) == contents(laptop) == ["A\nb\nC\n"]
    assert in_conflict(phone) == in_conflict(laptop) == []
    assert b"kept" not in world.stored_bytes()


# -- any sequence -----------------------------------------------------------------------------------------------------

DEEDS = ("edit", "local", "synced", "remove", "restore", "undo", "restore at 1", "sync", "sync")
STEPS = st.lists(st.tuples(st.integers(0, 1), st.sampled_from(DEEDS)), min_size=3, max_size=16)


def do(link: Link, memory_id: str, deed: str, number: int) -> None:
    """Do one thing that a person could do; what is written while a memory is kept here begins with `kept`."""
    vault, found = link.vault, link.vault.index.get(memory_id)
    if deed == "sync":
        sync(link)
        for open_conflict in conflicts.open_conflicts(vault):
            conflicts.resolve(vault, open_conflict.id, "theirs" if number % 2 else "mine")
    if found is None or deed == "sync":
        return
    stays = vault.stays_here(found)
    with contextlib.suppress(NotRemoved, NothingToUndo, ChangedSince, InConflict):
        if deed == "edit":
            vault.edit(memory_id, {"content": f"{'kept' if stays else 'sent'} {number}"})
        elif deed == "local":
            vault.edit(memory_id, {"content": f"kept {number}", "privacy": "local"})
        elif deed == "synced":
            vault.edit(memory_id, {"content": f"sent {number}", "privacy": "sync"})
        elif deed == "remove":
            vault.remove([memory_id])
        elif deed == "restore":
            vault.restore(memory_id)
        elif deed == "undo":
            vault.undo()
        else:
            vault.restore(memory_id, vault.version(entry(link, memory_id), "1"))


def come_to_the_same(history: list[tuple[int, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), MemoryStore())
        links = [world.device("phone"), world.device("laptop")]
        memory = add(links[0], "sent 0")
        for number, (who, deed) in enumerate(history, 1):
            do(links[who], memory.id, deed, number)
        settle(*links)
        assert b"kept" not in world.stored_bytes()
        there = [link.vault.index.get(memory.id) for link in links]
        if all(
            found is not None and not link.vault.stays_here(found) for link, found in zip(links, there, strict=True)
        ):
            assert heads(links[0]) == heads(links[1])
        for link in links:
            link.vault.close()


@laws(15)
@given(STEPS)
def test_whatever_is_done_nothing_that_was_kept_leaves_and_the_devices_come_to_the_same(
    history: list[tuple[int, str]],
) -> None:
    come_to_the_same(history)


@pytest.mark.slow
@laws(400)
@given(STEPS)
def test_the_same_for_many_more_histories(history: list[tuple[int, str]]) -> None:
    come_to_the_same(history)
