"""Copied homes and restored backups: noticed before anything is written over, and nothing is lost on either side."""

from __future__ import annotations

import pytest

from ghostie.errors import Unreachable
from ghostie.sync import engine, repair, survey
from ghostie.sync.link import Link
from ghostie.sync.notices import REBORN
from ghostie.vault.device import load_device

from .world import (
    Wire,
    World,
    add,
    as_device,
    contents,
    hashes,
    in_step,
    ledger,
    picture,
    settle,
    spelt_out,
    sync,
)


def beginning(world: World, link: Link, count: int = 3) -> None:
    for number in range(count):
        add(link, f"before {number}")
        engine.push(link)


def test_a_copied_home_that_pushes_second_becomes_a_new_writer_before_it_writes(world: World, phone: Link) -> None:
    beginning(world, phone)
    copy = world.copied(phone, "copy")
    writer = phone.vault.device.writer
    assert as_device(copy).writer == writer
    add(phone, "from the phone")
    engine.push(phone)
    there = world.objects()
    add(copy, "from the copy")
    done = engine.push(copy)
    assert done.notices == (REBORN,)
    assert as_device(copy).writer == copy.vault.device.writer != writer
    assert as_device(phone).writer == writer
    after = world.objects()
    assert {key: after[key] for key in there} == there
    settle(phone, copy)
    assert in_step(phone, copy)
    assert contents(phone) == ["before 0", "before 1", "before 2", "from the copy", "from the phone"]


def test_a_copied_home_that_pulls_first_notices_there(world: World, phone: Link) -> None:
    beginning(world, phone)
    copy = world.copied(phone, "copy")
    add(phone, "from the phone")
    engine.push(phone)
    done = engine.pull(copy)
    assert REBORN in done.notices
    assert done.taken.new == 1
    assert as_device(copy).writer != phone.vault.device.writer
    assert engine.pull(copy).notices == ()
    settle(phone, copy)
    assert in_step(phone, copy)


def test_both_copies_push_in_the_same_moment_and_nothing_is_lost(world: World, phone: Link, laptop: Link) -> None:
    beginning(world, phone)
    engine.pull(laptop)
    copy = world.copied(phone, "copy")
    wire = Wire(world.store)
    copy.store = wire
    wire.stale = [world.store.list("ghostie/")]
    add(phone, "from the phone")
    add(copy, "from the copy")
    engine.push(phone)
    there = world.objects()
    engine.push(copy)  # it looked at the store before the other one wrote
    assert {key: world.objects()[key] for key in there} == there
    third = engine.pull(laptop)
    assert third.taken.new == 2
    assert third.alarms == ()
    assert len(third.notices) == 1
    assert third.notices[0].kind == "forked" and "goes on in two ways" in third.notices[0].sentence()
    settle(phone, copy, laptop)
    assert in_step(phone, copy, laptop)
    assert contents(laptop) == ["before 0", "before 1", "before 2", "from the copy", "from the phone"]
    assert len({as_device(link).writer for link in (phone, copy, laptop)}) == 3
    late = world.device("late")
    settle(late)
    assert picture(late) == picture(phone)


def test_what_was_said_at_the_disputed_positions_is_said_again_under_the_new_name(
    world: World, phone: Link, laptop: Link
) -> None:
    beginning(world, phone)
    copy = world.copied(phone, "copy")
    wire = Wire(world.store)
    copy.store = wire
    wire.stale = [world.store.list("ghostie/")]
    add(phone, "from the phone")
    add(copy, "from the copy")
    engine.push(phone)
    engine.push(copy)
    add(phone, "later")
    assert engine.push(phone).notices == (REBORN,)
    assert spelt_out(world, as_device(phone).writer) == {"from the phone", "later"}
    settle(phone, copy, laptop)
    assert in_step(phone, copy, laptop)


def test_half_of_one_of_two_ways_is_not_taken_for_the_rest_of_the_other(
    world: World, phone: Link, laptop: Link
) -> None:
    beginning(world, phone)
    copy = world.copied(phone, "copy")
    writer, stale = phone.vault.device.writer, world.store.list("ghostie/")
    wire = Wire(world.store)
    copy.store = wire
    for number in range(2):
        add(phone, f"phone {number}")
        engine.push(phone)
        add(copy, f"copy {number}")
        wire.stale = [stale]
        engine.push(copy)
    (hidden,) = (
        name for name in world.names(writer) if name.first == 4 and b"copy" in (world.segment(name).raw[0] or b"")
    )
    world.store.write({}, [hidden.key])
    done = engine.pull(laptop)
    assert [(alarm.kind, alarm.position) for alarm in done.alarms] == [("gap", 5)]
    assert contents(laptop) == ["before 0", "before 1", "before 2", "phone 0", "phone 1"]


def test_copies_of_copies_all_end_the_same(world: World, phone: Link, laptop: Link) -> None:
    beginning(world, phone)
    links = [phone, laptop]
    for number in range(4):
        links.append(world.copied(links[-2], f"copy{number}"))
        for place, link in enumerate(links):
            add(link, f"round {number}, device {place}")
        sync(*links[::-1])
    settle(*links)
    assert in_step(*links)
    assert len({as_device(link).writer for link in links}) == len(links)
    assert len(contents(laptop)) == 3 + sum(range(3, 7))


def test_a_copy_made_while_a_segment_was_waiting_sends_the_same_segment_once(world: World, laptop: Link) -> None:
    wire = Wire(world.store)
    phone = world.device("phone", store=wire)
    beginning(world, phone)
    add(phone, "waiting")
    wire.lose_before = 1
    with pytest.raises(Unreachable):
        engine.push(phone)
    copy = world.copied(phone, "copy")
    engine.push(phone)
    engine.push(copy)
    assert len(world.names()) == 4
    add(phone, "from the phone")
    engine.push(phone)
    add(copy, "from the copy")
    assert engine.push(copy).notices == (REBORN,)
    settle(phone, copy, laptop)
    assert in_step(phone, copy, laptop)


def test_yesterdays_backup_in_the_place_of_the_home_takes_in_what_it_had_written_since(
    world: World, phone: Link, laptop: Link
) -> None:
    beginning(world, phone)
    backup = world.back_up(phone)
    memory = add(phone, "written after the backup")
    engine.push(phone)
    add(phone, "never pushed, so it is gone")
    settle(laptop)
    phone = world.restore(phone, backup)
    add(phone, "written after the restore")
    there = world.objects()
    done = engine.push(phone)
    assert done.notices == (REBORN,)
    assert {key: world.objects()[key] for key in there} == there
    settle(phone, laptop)
    assert memory.hash in hashes(phone)
    assert in_step(phone, laptop)
    assert len(contents(laptop)) == 5


def test_a_backup_from_before_the_segments_were_joined_brings_everything_along(world: World, laptop: Link) -> None:
    phone = world.device("phone")
    beginning(world, phone, 3)
    backup = world.back_up(phone)
    beginning(world, phone, 9)
    assert len(world.names(phone.vault.device.writer)) < 12
    phone = world.restore(phone, backup)
    add(phone, "after the restore")
    sync(phone)
    settle(phone, laptop)
    assert in_step(phone, laptop)
    assert len(contents(laptop)) == 13
    assert survey.verify(laptop) == []


def test_a_restored_backup_is_told_by_what_others_vouch_for_though_the_store_was_rolled_back_too(
    world: World, phone: Link, laptop: Link
) -> None:
    beginning(world, phone)
    settle(laptop, phone)
    backup, yesterday = world.back_up(phone), world.names()
    lost = add(phone, "pushed after the backup")
    engine.push(phone)
    engine.pull(laptop)
    add(laptop, "the laptop has seen it")
    engine.push(laptop)
    writer = phone.vault.device.writer
    world.store.write({}, [name.key for name in world.names(writer) if name not in yesterday])
    phone = world.restore(phone, backup)
    add(phone, "after the restore")
    engine.pull(phone)
    engine.push(phone)
    assert as_device(phone).writer != writer
    # so the hole stays visible, and whoever knows what was there puts it back
    assert [alarm.kind for alarm in engine.pull(laptop).alarms] == ["rollback"]
    repair.repair(laptop)
    engine.push(laptop)
    repair.repair(phone)
    settle(phone, laptop)
    assert lost.hash in hashes(phone)
    assert in_step(phone, laptop)


def test_restoring_again_and_again_loses_nothing(world: World, phone: Link, laptop: Link) -> None:
    beginning(world, phone)
    backup = world.back_up(phone)
    for number in range(5):
        add(phone, f"life {number}")
        sync(phone, laptop)
        phone = world.restore(phone, backup)
    settle(phone, laptop)
    assert in_step(phone, laptop)
    assert len(contents(phone)) == 8


def test_a_new_writer_keeps_its_name_and_readers_see_both_of_its_logs(world: World, phone: Link, laptop: Link) -> None:
    beginning(world, phone)
    copy = world.copied(phone, "copy")
    for link in (phone, copy):
        add(link, "x")
        sync(link)
    settle(phone, copy, laptop)
    names = [line.name for line in survey.status(laptop).devices if not line.this]
    assert names == ["phone", "phone"]


def test_a_process_that_was_open_when_another_became_a_new_writer_goes_on_as_that_one(
    world: World, phone: Link
) -> None:
    beginning(world, phone)
    copy = world.copied(phone, "copy")
    add(phone, "from the phone")
    engine.push(phone)
    open_all_along = world.again(copy)
    add(copy, "from the copy")
    engine.push(copy)
    add(open_all_along, "from the open window")
    assert engine.push(open_all_along).notices == ()
    assert open_all_along.vault.device == load_device(copy.vault.layout)
    settle(phone, copy)
    assert in_step(phone, copy)


def test_what_one_log_says_in_two_ways_stays_known_both_ways(world: World, phone: Link, laptop: Link) -> None:
    beginning(world, phone)
    copy = world.copied(phone, "copy")
    wire = Wire(world.store)
    copy.store = wire
    wire.stale = [world.store.list("ghostie/")]
    writer = phone.vault.device.writer
    add(phone, "one way")
    add(copy, "the other way")
    engine.push(phone)
    engine.push(copy)
    engine.pull(laptop)
    assert len(ledger(laptop).log(writer).tips_at(4)) == 2
    again = world.again(laptop)
    assert engine.pull(again).segments == 0
    assert spelt_out(world, writer) == {"before 0", "before 1", "before 2", "one way", "the other way"}
