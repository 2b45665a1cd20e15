"""A purge destroys: here, on the other devices, and in the objects on the store."""

from __future__ import annotations

import pytest

from ghostie.errors import Unreachable
from ghostie.sync import engine, survey
from ghostie.sync.link import Link

from .world import Wire, World, add, contents, entry, everything, hashes, in_step, ledger, settle, sync

SECRET = "the combination is 17-4-23"


def stored_versions(world: World, digests: set[str]) -> set[str]:
    return world.stored() & digests


def test_a_purge_reaches_the_other_devices_and_the_store(world: World, phone: Link, laptop: Link) -> None:
    memory = add(phone, SECRET)
    edited = phone.vault.edit(memory.id, {"content": SECRET + ", no, 24"})
    kept = add(phone, "nothing special")
    settle(phone, laptop)
    assert SECRET.encode() in world.stored_bytes()
    phone.vault.purge([memory.id])
    settle(phone, laptop)
    assert SECRET.encode() not in world.stored_bytes()
    assert stored_versions(world, {memory.hash, edited.hash}) == set()
    for link in (phone, laptop):
        assert hashes(link) & {memory.hash, edited.hash} == set()
        assert contents(link) == ["nothing special"]
    assert kept.hash in world.stored()
    assert in_step(phone, laptop)


def test_an_edit_that_another_device_published_is_destroyed_too(world: World, phone: Link, laptop: Link) -> None:
    memory = add(phone, SECRET)
    settle(phone, laptop)
    laptop.vault.edit(memory.id, {"content": SECRET + " and a half"})
    settle(phone, laptop)
    phone.vault.purge([memory.id])
    settle(phone, laptop)
    assert SECRET.encode() not in world.stored_bytes()
    assert contents(phone) == contents(laptop) == []


def test_a_device_that_joins_after_a_purge_never_hears_of_it_and_sees_no_hole(
    world: World, phone: Link, laptop: Link
) -> None:
    memory = add(phone, SECRET)
    for number in range(3):
        add(phone, f"memory {number}")
        sync(phone, laptop)
    phone.vault.purge([memory.id])
    settle(phone, laptop)
    late = world.device("late")
    settle(late, phone, laptop)
    assert memory.hash not in hashes(late)
    assert len(contents(late)) == 3
    assert survey.verify(late) == []
    assert in_step(phone, laptop, late)


def test_pushes_go_on_after_a_purge(world: World, phone: Link, laptop: Link) -> None:
    memory = add(phone, SECRET)
    settle(phone, laptop)
    phone.vault.purge([memory.id])
    engine.push(phone)
    for number in range(12):
        add(phone, f"memory {number}")
        engine.push(phone)
    settle(phone, laptop)
    assert len(contents(laptop)) == 12
    assert SECRET.encode() not in world.stored_bytes()
    assert in_step(phone, laptop)


def test_once_purged_from_the_store_there_is_nothing_more_to_push(world: World) -> None:
    wire = Wire(world.store)
    phone, laptop = world.device("phone", store=wire), world.device("laptop")
    memory = add(phone, SECRET)
    settle(phone, laptop)
    phone.vault.purge([memory.id])
    settle(phone, laptop)
    wire.since()
    assert engine.push(phone).segments == 0
    assert wire.since() == []


def test_a_purge_before_anything_was_pushed_sends_the_marker_alone(world: World, phone: Link, laptop: Link) -> None:
    memory = add(phone, SECRET)
    phone.vault.purge([memory.id])
    settle(phone, laptop)
    assert stored_versions(world, {memory.hash}) == set()
    assert memory.hash not in hashes(laptop)
    assert entry(laptop, memory.id).deleted


def test_what_waited_in_the_outbox_when_it_was_purged_is_not_sent_any_more(world: World, laptop: Link) -> None:
    wire = Wire(world.store)
    phone = world.device("phone", store=wire)
    memory = add(phone, SECRET)
    add(phone, "nothing special")
    wire.lose_before = 1
    with pytest.raises(Unreachable):
        engine.push(phone)
    phone.vault.purge([memory.id])
    wire.written.clear()
    engine.push(phone)
    settle(phone, laptop)
    assert SECRET.encode() not in world.stored_bytes()
    assert contents(laptop) == ["nothing special"]
    assert engine.pull(world.device("late")).alarms == ()


def test_what_had_arrived_although_the_reply_was_lost_is_purged_there(world: World, laptop: Link) -> None:
    wire = Wire(world.store)
    phone = world.device("phone", store=wire)
    memory = add(phone, SECRET)
    wire.lose_after = 1
    with pytest.raises(Unreachable):
        engine.push(phone)
    assert SECRET.encode() in world.stored_bytes()
    phone.vault.purge([memory.id])
    settle(phone, laptop)
    assert SECRET.encode() not in world.stored_bytes()


def test_an_old_listing_does_not_make_the_store_keep_what_was_purged(world: World, laptop: Link) -> None:
    wire = Wire(world.store)
    phone = world.device("phone", store=wire)
    stale = world.store.list("ghostie/")
    memory = add(phone, SECRET)
    settle(phone, laptop)
    phone.vault.purge([memory.id])
    wire.stale = [stale]
    engine.push(phone)
    settle(phone, laptop)
    assert SECRET.encode() not in world.stored_bytes()


def test_purged_words_do_not_come_back_when_segments_are_joined(world: World, phone: Link, laptop: Link) -> None:
    memory = add(phone, SECRET)
    for number in range(9):
        add(phone, f"memory {number}")
        engine.push(phone)
    phone.vault.purge([memory.id])
    engine.push(phone)
    survey.compact(phone)
    settle(phone, laptop)
    assert SECRET.encode() not in world.stored_bytes()
    assert len(contents(laptop)) == 9


def test_a_purge_that_is_interrupted_on_the_way_to_the_store_is_finished_by_the_next_push(world: World) -> None:
    wire = Wire(world.store)
    phone, laptop = world.device("phone", store=wire), world.device("laptop")
    memory = add(phone, SECRET)
    settle(phone, laptop)
    phone.vault.purge([memory.id])

    class Breaks(Wire):
        """The marker gets through; what rewrites the old segment does not."""

        def write(self, put, delete=()):  # type: ignore[no-untyped-def]
            if any(key in world.objects() for key in put):
                raise Unreachable(why="cut")
            super().write(put, delete)

    phone.store = Breaks(world.store)
    with pytest.raises(Unreachable):
        engine.push(phone)
    assert SECRET.encode() in world.stored_bytes()
    phone.store = wire
    engine.push(world.again(phone))
    assert SECRET.encode() not in world.stored_bytes()
    settle(world.again(phone), laptop)
    assert SECRET not in contents(laptop)


def test_an_edit_that_was_made_elsewhere_meanwhile_survives_a_purge_flagged(phone: Link, laptop: Link) -> None:
    memory = add(phone, SECRET)
    settle(phone, laptop)
    laptop.vault.edit(memory.id, {"content": "something harmless that I want to keep"})
    phone.vault.purge([memory.id])
    settle(phone, laptop)
    assert contents(phone) == contents(laptop) == ["something harmless that I want to keep"]
    assert in_step(phone, laptop)


def test_no_file_of_either_device_says_a_purged_word_any_more(world: World, phone: Link, laptop: Link) -> None:
    memory = add(phone, SECRET)
    settle(phone, laptop)
    phone.vault.purge([memory.id])
    settle(phone, laptop)
    for link in (phone, laptop):
        assert not any(memory.hash[:32] in name for name in everything(link))
        assert memory.hash.encode() not in b"".join(everything(link).values())
        log = ledger(link).log(phone.vault.device.writer)
        assert bytes.fromhex(memory.hash) in set(log.hashes())  # its hash stays, so that positions add up
