"""A purge destroys: here, on the other devices, and in the objects on the store."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ghostie.errors import Unreachable
from ghostie.sync import engine, survey
from ghostie.sync.link import Link
from ghostie.vault.upkeep import tidy

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


def test_what_the_store_did_not_show_is_purged_once_it_does(world: World) -> None:
    wire = Wire(world.store)
    phone, laptop = world.device("phone", store=wire), world.device("laptop")
    memory = add(phone, SECRET)
    engine.push(phone)
    hidden = {name.key for name in world.names(phone.vault.device.writer)}
    add(phone, "nothing special")
    settle(phone, laptop)
    phone.vault.purge([memory.id])
    shown = [info for info in world.store.list("ghostie/") if info.key not in hidden]
    wire.stale = [shown, shown]
    engine.push(phone)
    assert wire.stale == []
    assert SECRET.encode() in world.stored_bytes()
    engine.push(phone)
    assert SECRET.encode() not in world.stored_bytes()
    wire.since()
    engine.push(phone)
    assert wire.since() == []


def test_a_segment_that_cannot_be_had_when_a_purge_is_to_reach_it_is_purged_later(world: World) -> None:
    wire = Wire(world.store)
    phone, laptop = world.device("phone", store=wire), world.device("laptop")
    memory, other = add(phone, SECRET), add(phone, "first")
    phone.vault.edit(other.id, {"content": "second"})
    settle(phone, laptop)
    assert tidy(phone.vault, history=1).versions == 1, "the store alone has it, and it must not be lost there"
    phone.vault.purge([memory.id])
    wire.absent = {name.key for name in world.names(phone.vault.device.writer)}
    engine.push(phone)
    assert SECRET.encode() in world.stored_bytes()
    wire.absent.clear()
    engine.push(phone)
    assert SECRET.encode() not in world.stored_bytes()
    assert other.hash in world.stored()


@pytest.mark.parametrize("meet", [engine.pull, engine.push])
def test_a_purge_that_is_cut_off_on_the_device_is_finished_by_the_next_sync(
    world: World, phone: Link, laptop: Link, meet: Callable[[Link], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    published = add(phone, SECRET)
    settle(phone, laptop)
    memory = add(phone, SECRET)
    with monkeypatch.context() as cut:
        cut.setattr(phone.vault, "obey_purges", lambda ids: None)
        phone.vault.purge([published.id, memory.id])
    phone = world.again(phone)
    assert {published.hash, memory.hash} <= hashes(phone)
    meet(phone)
    assert {published.hash, memory.hash}.isdisjoint(hashes(phone))
    settle(phone, laptop)
    assert SECRET.encode() not in world.stored_bytes()
    assert in_step(phone, laptop)


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
