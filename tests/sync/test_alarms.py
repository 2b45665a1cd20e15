"""What a store does that an honest one would not: it is named, stops the log that it is about, and is never obeyed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ghostie.backends.folder import FolderStore
from ghostie.backends.store import MemoryStore
from ghostie.crypto.keys import new_keys
from ghostie.errors import StoreChanged, StoreRefused, Unreachable
from ghostie.sync import engine, repair, survey
from ghostie.sync.link import Link
from ghostie.sync.segment import BadSegment, SegmentName

from .world import Wire, World, add, contents, everything, hashes, in_step, ledger, picture, settle, sync


def kinds(done: engine.Pulled) -> list[str]:
    return [alarm.kind for alarm in done.alarms]


def spoken(world: World, link: Link, count: int) -> list[SegmentName]:
    """Let *link* publish *count* memories, one a segment; return the segments' names."""
    for number in range(count):
        add(link, f"{link.vault.device.name} {number}")
        engine.push(link)
    return world.names(link.vault.device.writer)


def lose(world: World, *names: SegmentName) -> None:
    world.store.write({}, [name.key for name in names])


def replace_body(world: World, name: SegmentName, change: Callable[[bytes], bytes]) -> None:
    world.store.write({name.key: change(world.store.get(name.key))})


def flipped(body: bytes) -> bytes:
    return body[:100] + bytes([body[100] ^ 1]) + body[101:]


# -- rollback ---------------------------------------------------------------------------------------------------------


def test_a_log_that_lost_its_end_is_a_rollback(world: World, phone: Link, laptop: Link) -> None:
    names = spoken(world, phone, 4)
    engine.pull(laptop)
    lose(world, *names[2:])
    done = engine.pull(laptop)
    (alarm,) = done.alarms
    assert (alarm.kind, alarm.writer, alarm.device, alarm.position) == (
        "rollback",
        phone.vault.device.writer,
        "phone",
        2,
    )
    assert len(contents(laptop)) == 4
    assert survey.status(laptop).alarms == done.alarms


def test_an_alarm_is_lifted_when_the_store_shows_everything_again(world: World, phone: Link, laptop: Link) -> None:
    names = spoken(world, phone, 3)
    engine.pull(laptop)
    body = world.store.get(names[2].key)
    lose(world, names[2])
    assert kinds(engine.pull(laptop)) == ["rollback"]
    world.store.write({names[2].key: body})
    assert engine.pull(laptop).alarms == ()
    assert survey.status(laptop).alarms == ()


def test_a_whole_log_that_vanished_is_a_rollback(world: World, phone: Link, laptop: Link) -> None:
    names = spoken(world, phone, 3)
    engine.pull(laptop)
    lose(world, *names)
    assert kinds(engine.pull(laptop)) == ["rollback"]


def test_what_a_third_device_vouches_for_cannot_be_hidden_from_a_new_one(
    world: World, phone: Link, laptop: Link
) -> None:
    names = spoken(world, phone, 3)
    engine.pull(laptop)
    spoken(world, laptop, 1)
    lose(world, names[2])
    new = world.device("new")
    done = engine.pull(new)
    assert kinds(done) == ["rollback"]
    assert done.alarms[0].position == 2
    assert contents(new) == ["laptop 0", "phone 0", "phone 1"]


def test_a_log_that_is_hidden_altogether_is_missed_when_another_device_vouches_for_it(
    world: World, phone: Link, laptop: Link
) -> None:
    names = spoken(world, phone, 3)
    engine.pull(laptop)
    spoken(world, laptop, 1)
    lose(world, *names)
    (alarm,) = engine.pull(world.device("new")).alarms
    assert (alarm.kind, alarm.writer, alarm.position) == ("rollback", phone.vault.device.writer, 0)


def test_what_was_vouched_for_is_remembered_when_the_pull_that_heard_it_is_long_past(
    world: World, phone: Link, laptop: Link
) -> None:
    names = spoken(world, phone, 3)
    engine.pull(laptop)
    theirs = spoken(world, laptop, 1)
    lose(world, names[2])
    new = world.device("new")
    engine.pull(new)
    lose(world, *theirs)
    assert sorted(kinds(engine.pull(world.again(new)))) == ["rollback", "rollback"]


def test_a_device_notices_that_its_own_log_lost_its_end(world: World, phone: Link) -> None:
    names = spoken(world, phone, 4)
    lose(world, *names[2:])
    (alarm,) = engine.pull(phone).alarms
    assert (alarm.kind, alarm.position) == ("own-rollback", 2)


def test_a_device_notices_that_its_own_log_lost_its_middle(world: World, phone: Link) -> None:
    names = spoken(world, phone, 5)
    lose(world, names[1], names[3])
    done = engine.pull(phone)
    assert [(alarm.kind, alarm.position) for alarm in done.alarms] == [("own-rollback", 1), ("own-rollback", 3)]


def test_an_own_rollback_that_was_pushed_over_is_noticed_all_the_same(world: World, phone: Link) -> None:
    names = spoken(world, phone, 4)
    lose(world, *names[2:])
    spoken(world, phone, 1)
    assert [(alarm.kind, alarm.position) for alarm in engine.pull(phone).alarms] == [("own-rollback", 2)]


def test_the_store_rolled_back_to_yesterday_loses_nobody_anything(
    world: World, phone: Link, laptop: Link, tablet: Link
) -> None:
    spoken(world, phone, 2)
    spoken(world, laptop, 2)
    settle(phone, laptop, tablet)
    yesterday = world.objects()
    spoken(world, phone, 2)
    spoken(world, laptop, 2)
    settle(phone, laptop, tablet)
    before = picture(tablet)
    world.store.write(yesterday, world.objects().keys() - yesterday.keys())
    assert set(kinds(engine.pull(phone))) == {"own-rollback", "rollback"}
    for link in (phone, laptop):
        assert repair.repair(link)
    assert repair.repair(tablet) == []
    settle(phone, laptop, tablet)
    assert picture(phone) == picture(laptop) == picture(tablet) == before
    new = world.device("new")
    settle(new)
    assert picture(new) == before


# -- a hole in the middle ---------------------------------------------------------------------------------------------


def test_a_stretch_that_is_missing_in_the_middle_is_a_gap_and_the_other_logs_go_on(
    world: World, phone: Link, laptop: Link
) -> None:
    names = spoken(world, phone, 4)
    spoken(world, laptop, 2)
    lose(world, names[1])
    new = world.device("new")
    done = engine.pull(new)
    (alarm,) = done.alarms
    assert (alarm.kind, alarm.writer, alarm.position) == ("gap", phone.vault.device.writer, 3)
    assert contents(new) == ["laptop 0", "laptop 1", "phone 0"]
    assert engine.push(phone).segments == 0


def test_a_device_that_knew_it_already_is_not_disturbed_by_a_hole(world: World, phone: Link, laptop: Link) -> None:
    names = spoken(world, phone, 4)
    engine.pull(laptop)
    lose(world, names[1])
    spoken(world, phone, 1)
    done = engine.pull(laptop)
    assert (done.alarms, done.taken.new) == ((), 1)


# -- objects that are not what they are called ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", [flipped, lambda body: body[:-1], lambda body: b"", lambda body: b"<html>502</html>"]
)
def test_an_object_that_does_not_open_is_unreadable_set_aside_and_the_other_logs_go_on(
    world: World, phone: Link, laptop: Link, change: Callable[[bytes], bytes]
) -> None:
    names = spoken(world, phone, 3)
    spoken(world, laptop, 2)
    replace_body(world, names[1], change)
    new = world.device("new")
    for _ in range(2):
        done = engine.pull(new)
        (alarm,) = done.alarms
        assert (alarm.kind, alarm.writer, alarm.position) == ("unreadable", phone.vault.device.writer, 2)
        assert contents(new) == ["laptop 0", "laptop 1", "phone 0"]
    kept = [path.read_bytes() for path in new.vault.layout.quarantine.iterdir()]
    assert kept == [world.store.get(names[1].key)]
    spoken(world, laptop, 1)
    assert engine.pull(new).taken.new == 1


def test_one_writers_object_served_as_anothers_is_refused(world: World, phone: Link, laptop: Link) -> None:
    mine, theirs = spoken(world, phone, 2), spoken(world, laptop, 2)
    replace_body(world, mine[1], lambda _: world.store.get(theirs[1].key))
    new = world.device("new")
    done = engine.pull(new)
    assert [(alarm.kind, alarm.writer) for alarm in done.alarms] == [("unreadable", phone.vault.device.writer)]
    assert contents(new) == ["laptop 0", "laptop 1", "phone 0"]


def test_two_segments_swapped_are_both_refused(world: World, phone: Link) -> None:
    names = spoken(world, phone, 3)
    one, other = (world.store.get(name.key) for name in names[1:])
    world.store.write({names[1].key: other, names[2].key: one})
    new = world.device("new")
    assert kinds(engine.pull(new)) == ["unreadable", "unreadable"]
    assert contents(new) == ["phone 0"]


def test_an_object_copied_to_a_later_place_adds_nothing(world: World, phone: Link, laptop: Link) -> None:
    names = spoken(world, phone, 3)
    engine.pull(laptop)
    later = SegmentName(names[0].writer, 4, 4, names[0].tip)
    world.store.write({later.key: world.store.get(names[0].key)})
    before = picture(laptop)
    assert kinds(engine.pull(laptop)) == ["unreadable"]
    assert picture(laptop) == before


def test_an_object_of_another_vault_is_foreign_and_the_other_logs_go_on(
    world: World, phone: Link, tmp_path: Path
) -> None:
    spoken(world, phone, 2)
    (tmp_path / "elsewhere").mkdir()
    elsewhere = World(tmp_path / "elsewhere", MemoryStore(), new_keys())
    stranger = elsewhere.device("stranger")
    planted = spoken(elsewhere, stranger, 1)[0]
    world.store.write({planted.key: elsewhere.store.get(planted.key)})
    new = world.device("new")
    done = engine.pull(new)
    assert [(alarm.kind, alarm.writer) for alarm in done.alarms] == [("foreign", stranger.vault.device.writer)]
    assert contents(new) == ["phone 0", "phone 1"]


@pytest.mark.parametrize("body", [b"", b"junk", bytes(5000)])
def test_an_object_planted_in_a_devices_own_log_does_not_make_it_give_up_its_name(
    world: World, phone: Link, laptop: Link, body: bytes
) -> None:
    spoken(world, phone, 2)
    writer = phone.vault.device.writer
    planted = [
        SegmentName(writer, 1, 3, "f" * 16),
        SegmentName(writer, 3, 3, "e" * 16),
        SegmentName(writer, 9, 9, "d" * 16),
    ]
    world.store.write({name.key: body for name in planted})
    done = engine.pull(phone)
    assert set(kinds(done)) == {"unreadable"}
    assert done.notices == ()
    assert spoken(world, phone, 1)
    assert phone.vault.device.writer == writer
    engine.pull(laptop)
    assert contents(laptop) == contents(phone)


def test_a_planted_name_far_ahead_does_not_hide_what_the_log_lost(world: World, phone: Link, laptop: Link) -> None:
    names = spoken(world, phone, 3)
    engine.pull(laptop)
    lose(world, names[2])
    world.store.write({SegmentName(phone.vault.device.writer, 900, 900, "f" * 16).key: b"junk"})
    assert kinds(engine.pull(laptop)) == ["unreadable"]
    assert set(kinds(engine.pull(phone))) == {"unreadable", "own-rollback"}
    repair.repair(laptop)
    assert kinds(engine.pull(world.again(laptop))) == []


@pytest.mark.parametrize("refuses", [False, True])
def test_an_object_that_is_listed_and_cannot_be_had_stops_its_own_log_alone(
    world: World, phone: Link, laptop: Link, refuses: bool
) -> None:
    names = spoken(world, phone, 3)
    spoken(world, laptop, 2)

    class Refuses(Wire):
        def get(self, key: str) -> bytes:
            if refuses and key in self.absent:
                raise StoreRefused(why="451")
            return super().get(key)

    wire = Refuses(world.store)
    wire.absent = {names[1].key}
    new = world.device("new", store=wire)
    done = engine.pull(new)
    assert [(alarm.kind, alarm.writer) for alarm in done.alarms] == [("unreadable", phone.vault.device.writer)]
    assert contents(new) == ["laptop 0", "laptop 1", "phone 0"]
    wire.absent.clear()
    assert engine.pull(new).alarms == ()
    assert len(contents(new)) == 5


def test_an_object_too_large_to_be_read_stops_its_own_log_alone(
    world: World, phone: Link, laptop: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = spoken(world, phone, 2)
    spoken(world, laptop, 1)
    replace_body(world, names[1], lambda body: bytes(100_000))
    monkeypatch.setattr("ghostie.backends.folder.LARGEST", 50_000)
    new = world.device("new")
    assert kinds(engine.pull(new)) == ["unreadable"]
    assert contents(new) == ["laptop 0", "phone 0"]


def test_things_in_the_store_that_are_nobodys_are_passed_over_and_verify_names_them(world: World, phone: Link) -> None:
    spoken(world, phone, 1)
    world.store.write({"ghostie/readme.txt": b"x", "ghostie/0123/memories/1-1.seg": b"x"})
    assert engine.pull(phone).alarms == ()
    assert len(survey.verify(phone)) == 2


# -- another store, an empty one, none --------------------------------------------------------------------------------


def test_a_store_that_was_emptied_is_refused_and_nothing_is_forgotten(world: World, phone: Link, laptop: Link) -> None:
    spoken(world, phone, 2)
    settle(phone, laptop)
    world.store.write({}, world.objects())
    add(laptop, "unpublished")
    before = everything(laptop)
    for act in (engine.pull, engine.push):
        with pytest.raises(StoreChanged, match="it is empty"):
            act(laptop)
    assert everything(laptop) == before
    assert world.objects() == {}


def test_a_store_that_vanished_is_unreachable(world: World, phone: Link) -> None:
    spoken(world, phone, 1)
    assert isinstance(world.store, FolderStore)
    world.store.root.rename(world.store.root.with_name("gone"))
    add(phone, "later")
    for act in (engine.pull, engine.push):
        with pytest.raises(Unreachable):
            act(phone)
    world.store.root.with_name("gone").rename(world.store.root)
    assert engine.push(phone).versions == 1


def test_another_vaults_store_in_its_place_is_refused(world: World, phone: Link, tmp_path: Path) -> None:
    spoken(world, phone, 2)
    elsewhere = World(tmp_path / "elsewhere", MemoryStore(), new_keys())
    spoken(elsewhere, elsewhere.device("stranger"), 2)
    phone.store = elsewhere.store
    add(phone, "not for them")
    theirs = elsewhere.objects()
    for act in (engine.pull, engine.push):
        with pytest.raises(StoreChanged, match="it holds another vault"):
            act(phone)
    with pytest.raises(StoreChanged):
        repair.repair(phone)
    assert elsewhere.objects() == theirs


def test_a_store_whose_key_object_is_gone_is_refused_and_repair_puts_it_back(world: World, phone: Link) -> None:
    spoken(world, phone, 2)
    slot = world.objects()[f"ghostie/global/keys/{world.config.slot}.key"]
    world.store.write({}, [f"ghostie/global/keys/{world.config.slot}.key"])
    with pytest.raises(StoreChanged, match="its key object is gone"):
        engine.pull(phone)
    phone.vault.layout.master_key.write_bytes(slot)
    assert repair.repair(phone)
    assert engine.pull(phone).alarms == ()


def test_a_store_that_looks_empty_for_a_moment_is_looked_at_twice(world: World, phone: Link) -> None:
    wire = Wire(world.store)
    laptop = world.device("laptop", store=wire)
    spoken(world, phone, 2)
    wire.stale = [[]]
    engine.pull(laptop)
    assert engine.pull(laptop).alarms == ()
    assert in_step(phone, laptop)


# -- repair and verify ------------------------------------------------------------------------------------------------


def damage_end(world: World, names: list[SegmentName]) -> None:
    lose(world, *names[3:])


def damage_middle(world: World, names: list[SegmentName]) -> None:
    lose(world, names[1], names[2])


def damage_start(world: World, names: list[SegmentName]) -> None:
    lose(world, names[0])


def damage_all(world: World, names: list[SegmentName]) -> None:
    lose(world, *names)


def damage_bits(world: World, names: list[SegmentName]) -> None:
    replace_body(world, names[1], flipped)
    replace_body(world, names[4], lambda body: body[:50])


def damage_much(world: World, names: list[SegmentName]) -> None:
    lose(world, names[0], names[5])
    replace_body(world, names[2], flipped)


DAMAGE = [damage_end, damage_middle, damage_start, damage_all, damage_bits, damage_much]


@pytest.mark.parametrize("damage", DAMAGE)
def test_the_writer_puts_back_what_the_store_lost_of_its_log(
    world: World, phone: Link, laptop: Link, damage: Callable[[World, list[SegmentName]], None]
) -> None:
    names = spoken(world, phone, 6)
    settle(phone, laptop)
    damage(world, names)
    assert survey.verify(phone)
    there = world.objects()
    assert repair.repair(phone, dry_run=True)
    assert world.objects() == there
    assert repair.repair(phone)
    assert survey.verify(phone) == survey.verify(laptop) == []
    assert repair.repair(phone) == []
    new = world.device("new")
    assert engine.pull(new).alarms == ()
    assert len(contents(new)) == 6
    assert engine.pull(laptop).alarms == engine.pull(phone).alarms == ()


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_device_that_knows_it_publishes_again_what_the_store_lost_of_anothers_log(
    world: World, phone: Link, laptop: Link, damage: Callable[[World, list[SegmentName]], None]
) -> None:
    names = spoken(world, phone, 6)
    settle(phone, laptop)
    damage(world, names)
    assert survey.verify(laptop)
    assert repair.repair(laptop)
    engine.push(laptop)
    assert engine.pull(laptop).alarms == ()
    assert repair.repair(laptop) == []
    new = world.device("new")
    engine.pull(new)
    repair.repair(new)
    assert engine.pull(new).alarms == ()
    assert hashes(new) == hashes(laptop)
    assert len(contents(new)) == 6


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_device_that_knows_nothing_of_it_accepts_what_cannot_be_had_and_hears_the_rest(
    world: World, phone: Link, laptop: Link, damage: Callable[[World, list[SegmentName]], None]
) -> None:
    names = spoken(world, phone, 6)
    spoken(world, laptop, 1)
    whole = {name: world.segment(name) for name in names}
    damage(world, names)
    left = [name for name in names if name in world.names() and readable(world, name)]
    new = world.device("new")
    engine.pull(new)
    repair.repair(new)
    done = engine.pull(new)
    assert done.alarms == ()
    heard = {version.hash for name in left for version in whole[name].versions()}
    assert hashes(new) == heard | said_by(world, laptop)
    # and when its writer mends it after all, it is heard
    repair.repair(phone)
    settle(phone, new)
    assert len([said for said in contents(new) if said.startswith("phone")]) == 6


def readable(world: World, name: SegmentName) -> bool:
    try:
        world.segment(name)
    except BadSegment:
        return False
    return True


def said_by(world: World, link: Link) -> set[str]:
    return {version.hash for segment in world.segments(link.vault.device.writer) for version in segment.versions()}


def test_repair_with_nothing_to_repair_says_so_and_changes_nothing(world: World, phone: Link, laptop: Link) -> None:
    spoken(world, phone, 3)
    settle(phone, laptop)
    there = world.objects()
    assert repair.repair(phone) == repair.repair(laptop) == []
    assert world.objects() == there


def test_repair_brings_an_emptied_store_back(world: World, phone: Link, laptop: Link) -> None:
    spoken(world, phone, 3)
    spoken(world, laptop, 3)
    settle(phone, laptop)
    slot = world.objects()[f"ghostie/global/keys/{world.config.slot}.key"]
    before = picture(phone)
    world.store.write({}, world.objects())
    phone.vault.layout.master_key.write_bytes(slot)
    repair.repair(phone)
    engine.push(phone)
    repair.repair(laptop)
    settle(phone, laptop)
    new = world.device("new")
    settle(new, phone, laptop)
    assert picture(new) == picture(phone) == picture(laptop)
    assert before[0] <= hashes(new)


def test_verify_names_every_kind_of_damage(world: World, phone: Link, laptop: Link) -> None:
    mine, theirs = spoken(world, phone, 5), spoken(world, laptop, 5)
    new = world.device("new")
    settle(phone, laptop, new)
    assert survey.verify(new) == []
    lose(world, mine[4], theirs[1])
    replace_body(world, mine[2], flipped)
    world.store.write({"ghostie/stray": b"x"})
    problems = "\n".join(survey.verify(new))
    assert mine[2].key in problems
    assert "ghostie/stray" in problems
    assert "the log of phone ends earlier" in problems
    assert "the log of laptop has a hole" in problems
    state = ledger(new).state
    assert state.alarms == []


def test_verify_changes_nothing(world: World, phone: Link, laptop: Link) -> None:
    names = spoken(world, phone, 3)
    settle(phone, laptop)
    replace_body(world, names[1], flipped)
    here, there = everything(laptop), world.objects()
    assert survey.verify(laptop)
    assert everything(laptop) == here
    assert world.objects() == there


@pytest.mark.parametrize("joined", [False, True])
def test_a_local_log_that_was_damaged_costs_a_new_name_and_nothing_else(
    world: World, phone: Link, laptop: Link, joined: bool
) -> None:
    spoken(world, phone, 6)
    if joined:
        survey.compact(phone)
    settle(phone, laptop)
    path = phone.vault.layout.logs / f"{phone.vault.device.writer}.log.enc"
    path.write_bytes(flipped(path.read_bytes()))
    phone = world.again(phone)
    add(phone, "and on it goes")
    memory = add(phone, "soon purged")
    engine.push(phone)
    phone.vault.purge([memory.id])
    engine.push(phone)
    survey.compact(phone)
    settle(phone, laptop)
    assert len(contents(laptop)) == 7
    assert in_step(phone, laptop)


def test_another_writers_local_log_that_was_damaged_is_heard_again(world: World, phone: Link, laptop: Link) -> None:
    spoken(world, phone, 6)
    settle(phone, laptop)
    path = laptop.vault.layout.logs / f"{phone.vault.device.writer}.log.enc"
    for damaged in (flipped(path.read_bytes()), path.read_bytes()[:-9], b"", b"junk"):
        path.write_bytes(damaged)
        laptop = world.again(laptop)
        settle(laptop, phone)
        assert in_step(phone, laptop)


@pytest.mark.parametrize("damaged", [b"", b"junk", None])
def test_a_lost_sync_state_is_found_again(world: World, phone: Link, laptop: Link, damaged: bytes | None) -> None:
    spoken(world, phone, 3)
    settle(phone, laptop)
    if damaged is None:
        laptop.vault.layout.sync_state.unlink()
    else:
        laptop.vault.layout.sync_state.write_bytes(damaged)
    laptop = world.again(laptop)
    spoken(world, phone, 1)
    settle(phone, laptop)
    assert in_step(phone, laptop)
    lose(world, *world.names(phone.vault.device.writer))
    assert "rollback" in kinds(engine.pull(laptop))


def test_sync_goes_on_after_any_alarm(world: World, phone: Link, laptop: Link) -> None:
    names = spoken(world, phone, 3)
    settle(phone, laptop)
    lose(world, names[2])
    add(laptop, "said in spite of it")
    sync(laptop)
    engine.pull(phone)
    assert "said in spite of it" in contents(phone)


# -- a newer ghostie --------------------------------------------------------------------------------------------------


def test_what_a_newer_ghostie_wrote_stops_its_log_only_and_is_no_alarm(
    world: World, phone: Link, laptop: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    tablet = world.device("tablet")
    spoken(world, phone, 1)
    engine.pull(laptop)
    with monkeypatch.context() as patch:
        patch.setattr("ghostie.sync.segment.FORMAT", 2)
        spoken(world, phone, 2)
    spoken(world, tablet, 1)
    done = engine.pull(laptop)
    assert not done.alarms
    assert [(each.kind, each.device) for each in done.notices] == [("newer", "phone")]
    assert contents(laptop) == ["phone 0", "tablet 0"]
