"""Push and pull between devices: what one says the others hear, in any order, once, and whatever the network does."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from itertools import permutations
from pathlib import Path

import pytest

from ghostie.backends.store import MemoryStore, ObjectInfo, ObjectStore
from ghostie.errors import Brake, CannotRead, NoStore, Unreachable
from ghostie.paths import Layout
from ghostie.sync import engine, repair, survey
from ghostie.sync.config import Config, load_config
from ghostie.sync.link import Link, SyncBusy
from ghostie.sync.segment import SegmentName

from .world import (
    A_DAY,
    Clock,
    Wire,
    World,
    add,
    contents,
    entry,
    everything,
    hashes,
    heads,
    in_step,
    ledger,
    picture,
    settle,
    sync,
)

pytestmark = pytest.mark.versions

# -- what one says, the other hears -----------------------------------------------------------------------------------


def test_what_one_device_adds_the_other_has_after_a_push_and_a_pull(phone: Link, laptop: Link) -> None:
    added = [add(phone, f"memory {number}", tags=["a"], category="c", context={"n": number}) for number in range(5)]
    assert engine.push(phone).versions == 5
    done = engine.pull(laptop)
    assert (done.taken.new, done.segments, done.alarms, done.notices) == (5, 1, (), ())
    assert sorted(done.taken.added) == sorted(version.id for version in added)
    assert hashes(laptop) == {version.hash for version in added}
    assert {version.raw for version in map(laptop.vault.shown, laptop.vault.select())} == {each.raw for each in added}


def test_two_devices_that_both_add_end_with_the_union(phone: Link, laptop: Link) -> None:
    mine = {add(phone, f"from the phone {number}").hash for number in range(3)}
    theirs = {add(laptop, f"from the laptop {number}").hash for number in range(4)}
    sync(phone, laptop, phone)
    assert hashes(phone) == hashes(laptop) == mine | theirs


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_three_devices_end_the_same_in_whatever_order_they_sync(world: World, order: tuple[int, ...]) -> None:
    links = [world.device(name) for name in ("phone", "laptop", "tablet")]
    for link in links:
        add(link, f"from {link.vault.device.name}")
    sync(*(links[place] for place in order), *(links[place] for place in order))
    assert all(len(hashes(link)) == 3 for link in links)
    assert in_step(*links)


def test_edits_and_removals_travel_like_everything_else(phone: Link, laptop: Link) -> None:
    kept, gone = add(phone, "first words"), add(phone, "soon gone")
    sync(phone, laptop)
    phone.vault.edit(kept.id, {"content": "better words"})
    phone.vault.remove([gone.id])
    sync(phone)
    done = engine.pull(laptop)
    assert (done.taken.changed, done.taken.removed, done.removals) == ((kept.id,), (gone.id,), 1)
    assert contents(laptop) == ["better words"]
    assert [version.number for version in laptop.vault.history(entry(laptop, kept.id))] == [2, 1]


def test_what_came_from_another_device_is_not_sent_on_as_ones_own(world: World, phone: Link, laptop: Link) -> None:
    add(phone, "once is enough")
    settle(phone, laptop)
    assert sum(raw is not None for segment in world.segments() for raw in segment.raw) == 1


def test_a_device_that_joins_late_hears_everything(world: World, phone: Link, laptop: Link) -> None:
    for number in range(6):
        add(phone, f"phone {number}")
        add(laptop, f"laptop {number}")
        sync(phone, laptop)
    late = world.device("late")
    sync(phone, laptop, late)
    assert picture(late) == picture(phone) == picture(laptop)


def test_pulling_again_changes_nothing(phone: Link, laptop: Link) -> None:
    add(phone, "said once")
    sync(phone, laptop)
    before = picture(laptop)
    for _ in range(3):
        done = engine.pull(laptop)
        assert (done.taken.new, done.segments, done.versions) == (0, 0, 0)
    assert picture(laptop) == before


def test_taking_the_same_stretch_in_again_from_nothing_changes_nothing(world: World, phone: Link, laptop: Link) -> None:
    add(phone, "said once")
    sync(phone, laptop)
    before = picture(laptop)
    (laptop.vault.layout.logs / f"{phone.vault.device.writer}.log.enc").unlink()
    done = engine.pull(world.again(laptop))
    assert (done.segments, done.taken.new) == (1, 0)
    assert picture(laptop) == before


def test_a_vault_that_has_no_store_yet_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoStore):
        load_config(Layout(tmp_path))


def test_the_configuration_is_read_back_as_it_was_saved(world: World, phone: Link) -> None:
    config = Config("folder", {"path": "/somewhere"}, world.keys.vault.hex(), "0" * 32, {"token": "ab"})
    config.save(phone.vault.layout)
    assert load_config(phone.vault.layout) == config


def test_only_one_process_syncs_a_vault_at_a_time(world: World, phone: Link) -> None:
    other = world.again(phone)
    with phone.session(), pytest.raises(SyncBusy):
        engine.pull(other)
    engine.pull(other)


def test_memories_can_be_added_while_a_sync_is_running(world: World, phone: Link) -> None:
    add(phone, "before")
    with phone.session():
        add(world.again(phone), "meanwhile")
    assert engine.push(phone).versions == 2


# -- privacy ----------------------------------------------------------------------------------------------------------


def test_what_is_private_to_a_device_never_leaves_it(world: World, phone: Link, laptop: Link) -> None:
    secret = add(phone, "the plan nobody may see", privacy="local")
    add(phone, "everybody may see this")
    phone.vault.edit(secret.id, {"content": "the new plan nobody may see"})
    settle(phone, laptop)
    phone.vault.remove([secret.id])
    settle(phone, laptop)
    assert contents(laptop) == ["everybody may see this"]
    assert b"nobody may see" not in world.stored_bytes()
    assert secret.id.encode() not in world.stored_bytes()


def test_what_is_made_private_later_stays_elsewhere_as_it_was(world: World, phone: Link, laptop: Link) -> None:
    memory = add(phone, "known to all")
    settle(phone, laptop)
    phone.vault.edit(memory.id, {"content": "known to me", "privacy": "local"})
    settle(phone, laptop)
    assert contents(phone) == ["known to me"]
    assert contents(laptop) == ["known to all"]
    assert b"known to me" not in world.stored_bytes()


# -- how many requests, how many objects ------------------------------------------------------------------------------


def test_with_nothing_new_a_push_makes_no_request_and_a_pull_one_listing(world: World) -> None:
    wire = Wire(world.store)
    phone, laptop = world.device("phone", store=wire), world.device("laptop")
    add(phone, "a")
    add(laptop, "b")
    settle(phone, laptop)
    wire.since()
    for _ in range(3):
        assert engine.push(phone) == engine.Pushed()
        assert wire.since() == []
        assert engine.pull(phone).segments == 0
        assert wire.since() == ["list"]


def test_an_unused_device_makes_no_request_when_it_pushes(world: World) -> None:
    wire = Wire(world.store)
    assert engine.push(world.device("new", store=wire)) == engine.Pushed()
    assert wire.since() == []


def test_a_usual_push_is_one_write_and_a_usual_pull_one_get(world: World) -> None:
    to_phone, to_laptop = Wire(world.store), Wire(world.store)
    phone, laptop = world.device("phone", store=to_phone), world.device("laptop", store=to_laptop)
    for number in range(5):
        add(phone, f"memory {number}")
        engine.push(phone)
        assert to_phone.since() == ["list", "write"]
        engine.pull(laptop)
        assert to_laptop.since() == ["list", "get"]


class Slow(Wire):
    """A store whose listing is on its way until somebody lets it arrive."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store)
        self.arrives = threading.Event()

    def list(self, prefix: str) -> list[ObjectInfo]:
        assert self.arrives.wait(60)
        return super().list(prefix)


def test_over_a_network_files_are_read_while_the_listing_is_on_its_way(
    world: World, phone: Link, laptop: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(phone, "read meanwhile")
    wire = Slow(world.store)
    link = world.at(phone.vault.layout, store=wire, beside=True)
    read = link.vault.files.raw_many

    def reading(stems: Iterable[str], unread: list[CannotRead]) -> Iterator[tuple[str, bytes | None]]:
        yield from read(stems, unread)
        wire.arrives.set()

    monkeypatch.setattr(link.vault.files, "raw_many", reading)
    assert engine.push(link).memories == 1
    assert wire.since() == ["list", "write"]
    engine.pull(laptop)
    assert contents(laptop) == ["read meanwhile"]


def test_a_listing_that_fails_beside_the_reading_fails_the_push(
    world: World, phone: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(phone, "not sent")
    wire = Wire(world.store)
    link = world.at(phone.vault.layout, store=wire, beside=True)

    def unreachable(prefix: str) -> list[ObjectInfo]:
        raise Unreachable(why="the network went away")

    with monkeypatch.context() as patch:
        patch.setattr(wire, "list", unreachable)
        with pytest.raises(Unreachable, match="the network went away"):
            engine.push(link)
    assert wire.since() == []
    assert engine.push(link).memories == 1


def test_a_push_of_many_memories_is_one_object(world: World, phone: Link, laptop: Link) -> None:
    for number in range(300):
        add(phone, f"memory {number}")
    done = engine.push(phone)
    assert (done.versions, done.memories, done.segments) == (300, 300, 1)
    assert len(world.names()) == 1
    engine.pull(laptop)
    assert in_step(phone, laptop)


def test_a_push_beyond_the_stores_best_size_is_a_few_objects_none_above_it(tmp_path: Path) -> None:
    store = MemoryStore(best_size=4000, largest_size=9000)
    world = World(tmp_path, store)
    phone, laptop = world.device("phone"), world.device("laptop")
    rough = "".join(map(chr, range(200, 1200)))
    for number in range(30):
        add(phone, f"{number} {rough[number * 20 :]}")
    done = engine.push(phone)
    segments = world.segments(phone.vault.device.writer)
    assert done.segments == len(segments) > 3
    assert all(len(body) <= 4000 for body in store.objects.values())
    assert len(segments) < 30
    engine.pull(laptop)
    assert in_step(phone, laptop)


# -- what the network does --------------------------------------------------------------------------------------------


def test_when_the_reply_is_lost_the_next_push_sends_the_very_same_bytes(world: World, laptop: Link) -> None:
    wire = Wire(world.store)
    phone = world.device("phone", store=wire)
    wire.lose_after = 2
    add(phone, "said once")
    for _ in range(2):
        with pytest.raises(Unreachable):
            engine.push(phone)
    add(phone, "said later")
    engine.push(world.again(phone))
    first, second, third, *_ = wire.written
    assert first == second == third
    assert len(world.names()) == 2
    done = engine.pull(laptop)
    assert (done.taken.new, done.notices, done.alarms) == (2, (), ())
    assert engine.pull(world.again(phone)).notices == ()
    assert in_step(phone, laptop)


def test_when_the_request_is_lost_the_next_push_delivers(world: World, laptop: Link) -> None:
    wire = Wire(world.store)
    phone = world.device("phone", store=wire)
    wire.lose_before = 1
    add(phone, "said once")
    with pytest.raises(Unreachable):
        engine.push(phone)
    assert world.names() == []
    assert engine.push(world.again(phone)).versions == 1
    engine.pull(laptop)
    assert in_step(phone, laptop)


def test_what_was_packed_before_a_crash_goes_out_after_it_and_before_what_is_new(world: World, laptop: Link) -> None:
    wire = Wire(world.store)
    phone = world.device("phone", store=wire)
    for number in range(3):
        add(phone, f"memory {number}")
        wire.lose_before = 1
        with pytest.raises(Unreachable):
            engine.push(phone)
        assert len(list(phone.vault.layout.outbox.iterdir())) == 1
        phone = world.again(phone)
    assert engine.push(phone).versions == 3
    assert list(phone.vault.layout.outbox.iterdir()) == []
    positions = [(name.first, name.last) for name in world.names()]
    assert positions == [(1, 1), (2, 3)]
    engine.pull(laptop)
    assert in_step(phone, laptop)


def test_a_sealed_segment_that_was_damaged_while_it_waited_is_packed_anew(world: World, laptop: Link) -> None:
    wire = Wire(world.store)
    phone = world.device("phone", store=wire)
    add(phone, "a")
    wire.lose_before = 1
    with pytest.raises(Unreachable):
        engine.push(phone)
    (waiting,) = phone.vault.layout.outbox.iterdir()
    waiting.write_bytes(waiting.read_bytes()[:-7])
    add(phone, "b")
    engine.push(phone)
    settle(phone, laptop)
    assert contents(laptop) == ["a", "b"]
    assert engine.pull(world.device("third")).alarms == ()


def test_a_damaged_segment_that_had_arrived_is_not_answered_by_another_history(world: World, laptop: Link) -> None:
    wire = Wire(world.store)
    phone = world.device("phone", store=wire)
    add(phone, "a")
    wire.lose_after = 1
    with pytest.raises(Unreachable):
        engine.push(phone)
    (waiting,) = phone.vault.layout.outbox.iterdir()
    waiting.write_bytes(b"")
    add(phone, "b")
    sync(phone, laptop)
    settle(phone, laptop)
    assert contents(laptop) == contents(phone) == ["a", "b"]
    assert engine.pull(world.device("third")).alarms == ()


def test_a_pull_whose_reads_fail_changes_nothing_and_goes_through_next_time(world: World, phone: Link) -> None:
    wire = Wire(world.store)
    laptop = world.device("laptop", store=wire)
    add(phone, "a")
    engine.push(phone)
    (name,) = world.names()

    class Cut(Wire):
        def get(self, key: str) -> bytes:
            raise Unreachable(why="cut")

    laptop.store = Cut(world.store)
    with pytest.raises(Unreachable):
        engine.pull(laptop)
    assert hashes(laptop) == set()
    assert ledger(laptop).log(name.writer).position == 0
    laptop.store = wire
    assert engine.pull(laptop).taken.new == 1


def test_a_store_that_answers_stale_once_raises_no_alarm(world: World, phone: Link) -> None:
    wire = Wire(world.store)
    laptop = world.device("laptop", store=wire)
    pauses: list[float] = []
    laptop._sleep = pauses.append
    listings: list[list[ObjectInfo]] = []
    for number in range(3):
        add(phone, f"memory {number}")
        engine.push(phone)
        listings.append(world.store.list("ghostie/"))
    engine.pull(laptop)
    for stale in listings[:2]:
        wire.stale = [stale]
        done = engine.pull(laptop)
        assert done.alarms == ()
    assert len(pauses) == 2
    assert in_step(phone, laptop)


def test_a_stale_listing_that_is_too_short_for_the_pusher_does_no_harm(world: World, laptop: Link) -> None:
    wire = Wire(world.store)
    phone = world.device("phone", store=wire)
    stale = world.store.list("ghostie/")
    for number in range(4):
        add(phone, f"memory {number}")
        wire.stale = [stale]
        engine.push(phone)
    engine.pull(laptop)
    assert in_step(phone, laptop)
    assert [(name.first, name.last) for name in world.names()] == [(number, number) for number in range(1, 5)]


def test_an_object_that_was_merged_while_it_was_being_read_is_looked_for_again(world: World, phone: Link) -> None:
    wire = Wire(world.store)
    laptop = world.device("laptop", store=wire)
    for number in range(3):
        add(phone, f"memory {number}")
        engine.push(phone)
    wire.stale = [world.store.list("ghostie/")]
    survey.compact(phone)
    assert len(world.names()) < 3
    done = engine.pull(laptop)
    assert (done.taken.new, done.alarms) == (3, ())


# -- clocks -----------------------------------------------------------------------------------------------------------


def test_a_device_whose_clock_is_ten_years_off_stays_in_step(world: World) -> None:
    phone, laptop, tablet = (world.device(name) for name in ("phone", "laptop", "tablet"))
    phone.vault.clock = Clock(world.clock.now + 3650 * A_DAY)
    tablet.vault.clock = Clock(world.clock.now - 3650 * A_DAY)
    memory = add(phone, "one\ntwo\nthree\n")
    settle(phone, laptop, tablet)
    laptop.vault.edit(memory.id, {"content": "one\ntwo\nTHREE\n"})
    tablet.vault.edit(memory.id, {"content": "ONE\ntwo\nthree\n"})
    settle(phone, laptop, tablet)
    assert in_step(phone, laptop, tablet)
    assert contents(phone) == ["ONE\ntwo\nTHREE\n"]
    phone.vault.remove([memory.id])
    settle(phone, laptop, tablet)
    assert contents(laptop) == contents(tablet) == []


def test_what_was_seen_is_published_when_nothing_else_was_for_a_day(world: World, phone: Link, laptop: Link) -> None:
    add(phone, "a")
    add(laptop, "b")
    settle(phone, laptop)
    add(phone, "c")
    sync(phone, laptop)
    assert engine.push(laptop).segments == 0
    world.clock.now += A_DAY
    assert engine.push(laptop).segments == 1
    said = world.segments(laptop.vault.device.writer)[-1]
    assert said.seen[phone.vault.device.writer] == ledger(laptop).log(phone.vault.device.writer).top()
    assert engine.push(laptop).segments == 0
    # the word itself is no news to pass on: a day later the phone says it has heard, and that is that
    engine.pull(phone)
    assert engine.push(phone).segments <= 1
    settle(phone, laptop)


def test_devices_that_have_nothing_to_say_speak_at_most_once_a_day(world: World, phone: Link, laptop: Link) -> None:
    add(phone, "a")
    add(laptop, "b")
    settle(phone, laptop)
    for _ in range(5):
        before = {name for link in (phone, laptop) for name in world.names(link.vault.device.writer)}
        world.clock.now += A_DAY // 4
        for _ in range(4):
            sync(phone, laptop)
        assert len({name for name in world.names()} - before) <= 2


def test_a_clock_that_was_far_ahead_and_is_set_right_does_not_silence_a_device(
    world: World, phone: Link, laptop: Link
) -> None:
    add(phone, "a")
    settle(phone, laptop)
    right = world.clock.now
    phone.vault.clock = Clock(right + 3650 * A_DAY)
    add(phone, "b")
    sync(phone, laptop)
    add(laptop, "c")
    sync(laptop)
    phone.vault.clock = Clock(right + 2 * A_DAY)
    engine.pull(phone)
    assert engine.push(phone).segments == 1


# -- the brake --------------------------------------------------------------------------------------------------------


def test_a_pull_that_would_remove_much_waits_for_a_yes(phone: Link, laptop: Link) -> None:
    memories = [add(phone, f"memory {number}") for number in range(30)]
    settle(phone, laptop)
    phone.vault.remove([memory.id for memory in memories[:22]])
    fresh = add(phone, "and a new one")
    engine.push(phone)
    before, known = picture(laptop), ledger(laptop).log(phone.vault.device.writer).position
    for _ in range(2):
        with pytest.raises(Brake) as held:
            engine.pull(laptop)
        assert (held.value.facts["count"], held.value.facts["total"]) == (22, 30)
    assert picture(laptop) == before
    assert ledger(laptop).log(phone.vault.device.writer).position == known
    done = engine.pull(laptop, yes=True)
    assert (len(done.taken.removed), done.taken.added) == (22, (fresh.id,))
    assert in_step(phone, laptop)


@pytest.mark.parametrize(
    ("there", "gone", "held"), [(200, 20, False), (200, 21, True), (10, 2, False), (10, 3, True), (4, 4, False)]
)
def test_the_brake_holds_above_twenty_or_a_fifth(phone: Link, laptop: Link, there: int, gone: int, held: bool) -> None:
    memories = [add(phone, f"memory {number}") for number in range(there)]
    sync(phone, laptop)
    phone.vault.remove([memory.id for memory in memories[:gone]])
    engine.push(phone)
    if held:
        with pytest.raises(Brake):
            engine.pull(laptop)
    else:
        assert engine.pull(laptop).removals == gone


def test_memories_that_were_removed_elsewhere_before_they_ever_came_do_not_pull_the_brake(
    phone: Link, laptop: Link
) -> None:
    memories = [add(phone, f"memory {number}") for number in range(40)]
    phone.vault.remove([memory.id for memory in memories])
    engine.push(phone)
    assert engine.pull(laptop).removals == 0
    assert contents(laptop) == []


# -- dry runs ---------------------------------------------------------------------------------------------------------


def test_dry_runs_change_nothing_here_and_nothing_there(world: World, phone: Link, laptop: Link) -> None:
    gone = add(phone, "soon gone")
    settle(phone, laptop)
    phone.vault.remove([gone.id])
    add(phone, "new")
    engine.push(phone)
    add(laptop, "unpublished")
    laptop.vault.refresh()
    here, there = everything(laptop), world.objects()
    pushed, pulled = engine.push(laptop, dry_run=True), engine.pull(laptop, dry_run=True)
    assert (pushed.versions, pushed.memories) == (1, 1)
    assert (pulled.versions, pulled.removals, pulled.segments) == (2, 1, 1)
    repair.repair(laptop, dry_run=True)
    assert everything(laptop) == here
    assert world.objects() == there


def test_a_dry_pull_in_a_copied_home_changes_nothing_either(world: World, phone: Link) -> None:
    add(phone, "a")
    engine.push(phone)
    copy = world.copied(phone, "copy")
    add(phone, "b")
    engine.push(phone)
    here, there = everything(copy), world.objects()
    assert engine.pull(copy, dry_run=True).notices
    assert everything(copy) == here
    assert world.objects() == there


def test_a_dry_run_of_a_mass_deletion_tells_and_does_not_brake(phone: Link, laptop: Link) -> None:
    memories = [add(phone, f"memory {number}") for number in range(30)]
    settle(phone, laptop)
    phone.vault.remove([memory.id for memory in memories])
    engine.push(phone)
    assert engine.pull(laptop, dry_run=True).removals == 30
    assert len(contents(laptop)) == 30


# -- status -----------------------------------------------------------------------------------------------------------


def test_status_without_a_look_asks_nobody(world: World) -> None:
    wire = Wire(world.store)
    phone = world.device("phone", store=wire)
    add(phone, "a")
    wire.since()
    found = survey.status(phone)
    assert wire.since() == []
    assert (found.to_push, found.waiting, found.behind, found.objects) == (1, 0, None, None)
    assert [line.name for line in found.devices if line.this] == ["phone"]


def test_status_with_a_look_tells_how_far_apart_the_devices_are(world: World, phone: Link) -> None:
    wire = Wire(world.store)
    laptop = world.device("laptop", store=wire)
    add(laptop, "mine")
    settle(laptop, phone)
    for number in range(3):
        add(phone, f"memory {number}")
    engine.push(phone)
    add(laptop, "unpublished")
    wire.since()
    found = survey.status(laptop, look=True)
    assert wire.since() == ["list"]
    assert (found.to_push, found.behind) == (1, 3)
    lines = {line.name: line for line in found.devices}
    assert (lines["phone"].behind, lines["laptop"].this, lines["laptop"].on_store) == (3, True, 1)
    assert lines["phone"].last_word is not None
    assert found.size == sum(len(body) for body in world.objects().values())
    assert found.objects == len(world.objects())


def test_segments_that_wait_show_in_status(world: World) -> None:
    wire = Wire(world.store)
    phone = world.device("phone", store=wire)
    add(phone, "a")
    wire.lose_before = 1
    with pytest.raises(Unreachable):
        engine.push(phone)
    assert survey.status(world.again(phone)).waiting == 1


def test_every_name_on_the_store_is_a_random_number(world: World) -> None:
    phone = world.device("agent-smiths-phone")
    add(phone, "a")
    engine.push(phone)
    for info in world.store.list(""):
        assert "smith" not in info.key
        assert SegmentName.parse(info.key) or info.key.startswith("ghostie/global/keys/")


def test_heads_agree_after_any_exchange(phone: Link, laptop: Link, tablet: Link) -> None:
    memory = add(phone, "shared")
    settle(phone, laptop, tablet)
    for number, link in enumerate((phone, laptop, tablet)):
        link.vault.edit(memory.id, {"tags": [f"t{number}"]})
    settle(phone, laptop, tablet)
    assert heads(phone) == heads(laptop) == heads(tablet)
    assert len(heads(phone)[memory.id]) == 1
    assert tablet.vault.shown(entry(tablet, memory.id)).field("tags") == ["t0", "t1", "t2"]
