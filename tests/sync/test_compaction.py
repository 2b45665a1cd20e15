"""Joining segments: few objects however many pushes, no reader disturbed, no crash harmful, nothing lost."""

from __future__ import annotations

import base64
import math
import random
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghostie.backends.store import MemoryStore
from ghostie.errors import Unreachable
from ghostie.paths import Layout
from ghostie.sync import compaction, engine, survey
from ghostie.sync.link import Link
from ghostie.sync.segment import SegmentName

from .world import Wire, World, add, contents, hashes, in_step, settle

WRITER = "0123456789abcdef"


def named(first: int, last: int) -> SegmentName:
    return SegmentName(WRITER, first, last, f"{last:016x}")


def chained(sizes: list[int]) -> list[SegmentName]:
    names, first = [], 1
    for size in sizes:
        names.append(named(first, first + size - 1))
        first += size
    return names


def plan(names: list[SegmentName], most: int) -> list[list[SegmentName]]:
    """Plan as if every position took one byte."""
    return compaction.plan({name: name.last - name.first + 1 for name in names}, most)


# -- the plan ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 40), max_size=30), st.integers(1, 300))
def test_what_a_plan_joins_are_whole_neighbours_within_the_limit(sizes: list[int], most: int) -> None:
    names = chained(sizes)
    runs = plan(names, most)
    joined = [name for run in runs for name in run]
    assert len(joined) == len(set(joined))
    for run in runs:
        assert len(run) > 1
        assert all(one.last + 1 == other.first for one, other in pairwise(run))
        assert run[-1].last - run[0].first + 1 <= most


@given(st.lists(st.integers(1, 40), max_size=30))
def test_what_remains_grows_by_powers_of_two_from_the_newest_to_the_oldest(sizes: list[int]) -> None:
    names = chained(sizes)
    runs = {run[0].first: run[-1].last for run in plan(names, 1 << 40)}
    left, first = [], 1
    while first <= sum(sizes):
        last = runs.get(first) or next(name.last for name in names if name.first == first)
        left.append(last - first + 1)
        first = last + 1
    assert all(older.bit_length() > newer.bit_length() for older, newer in pairwise(left))


def test_a_plan_takes_the_longest_of_what_overlaps_and_stops_at_a_hole() -> None:
    names = [*chained([1, 1, 1, 1]), named(1, 3), named(6, 6), named(7, 7)]
    assert plan(names, 100) == []
    assert compaction.covered(names, [named(1, 3), named(4, 4)]) == chained([1, 1, 1])
    assert plan([*names, named(5, 5)], 100) == [
        [named(1, 3), named(4, 4), named(5, 5)],
        [named(6, 6), named(7, 7)],
    ]


def test_equal_neighbours_are_joined_like_the_bits_of_a_counter() -> None:
    assert plan(chained([4, 2, 1]), 100) == []
    assert plan(chained([4, 2, 1, 1]), 100) == [chained([4, 2, 1, 1])]
    assert plan(chained([8, 2, 1, 1]), 100) == [chained([8, 2, 1, 1])[1:]]
    assert plan(chained([4, 2, 1, 1]), 5) == [chained([4, 2, 1, 1])[1:]]


# -- in the store -----------------------------------------------------------------------------------------------------


def test_two_hundred_pushes_of_one_memory_leave_few_objects_and_every_reader_goes_on(
    world: World, phone: Link, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    early = world.device("reader")
    stopped: list[Path] = []
    phone.store = wire = Wire(world.store)
    most = added = 0
    for number in range(200):
        add(phone, f"memory {number}")
        pushed = engine.push(phone)
        assert pushed.versions == 1
        added += pushed.size
        most = max(most, len(world.names()))
        if number % 9 == 0:
            engine.pull(early)
            stopped.append(tmp_path / f"stopped{number}")
            shutil.copytree(early.vault.layout.home, stopped[-1])
    record_property("most objects", most)
    assert most <= 8 + math.log2(200)
    again = sum(len(sealed) for put in wire.written for sealed in put.values()) - added
    record_property("bytes written again for each byte added", again / added)
    assert again <= 8 * added
    for home in [*stopped, early.vault.layout.home]:
        reader = world.at(Layout(home))
        done = engine.pull(reader)
        assert (done.alarms, done.notices) == ((), ())
        assert len(contents(reader)) == 200
    late = world.device("late")
    assert engine.pull(late).alarms == ()
    assert hashes(late) == hashes(phone)
    assert survey.verify(late) == []


def test_joined_segments_stay_about_as_large_as_suits_the_store(tmp_path: Path) -> None:
    store = MemoryStore(best_size=6000, largest_size=20_000)
    world = World(tmp_path, store)
    phone, laptop = world.device("phone"), world.device("laptop")
    for number in range(120):
        add(phone, f"{number} " + "".join(map(chr, range(300 + number, 700 + number))))
        engine.push(phone)
        assert all(len(body) <= 12_000 for body in store.objects.values())
    assert len(world.names()) < 60
    engine.pull(laptop)
    assert in_step(phone, laptop)


def noise(size: int) -> str:
    """Return text of *size* that hardly gets smaller when it is compressed."""
    return base64.b64encode(random.Random(size).randbytes(size)).decode()[:size]


def test_a_large_memory_is_not_written_again_for_every_small_one(tmp_path: Path) -> None:
    world = World(tmp_path, MemoryStore(best_size=400_000, largest_size=800_000))
    wire = Wire(world.store)
    phone = world.device("phone", store=wire)
    add(phone, noise(200_000))
    engine.push(phone)
    added = len(wire.written[0].popitem()[1])
    for number in range(60):
        add(phone, f"memory {number}")
        added += engine.push(phone).size
    assert sum(len(sealed) for put in wire.written for sealed in put.values()) < added
    assert len(world.names()) < 16


def test_what_is_joined_is_never_more_than_the_store_takes(tmp_path: Path) -> None:
    store = MemoryStore(best_size=8000, largest_size=12_000)
    world = World(tmp_path, store)
    phone, laptop = world.device("phone"), world.device("laptop")
    for number in range(40):  # a few large ones in a row among many small ones
        add(phone, noise(4000 + number) if 10 <= number < 20 else f"memory {number}")
        assert engine.push(phone).versions == 1
    assert max(map(len, store.objects.values())) <= 12_000
    engine.pull(laptop)
    assert in_step(phone, laptop)


def test_what_is_packed_tightly_is_not_joined_beyond_what_a_reader_opens(
    world: World, phone: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "MOST_PLAIN", 100_000)
    for number in range(9):
        add(phone, f"{number} " + "x" * 20_000)
        engine.push(phone)
    assert all(sum(len(raw or b"") for raw in segment.raw) <= 100_000 for segment in world.segments())
    assert len(world.stored()) == 9


def test_a_writer_joins_its_own_segments_only(world: World, phone: Link, laptop: Link) -> None:
    for number in range(7):
        for link in (phone, laptop):
            add(link, f"{number}")
            engine.push(link)
    theirs = {name.key: world.store.get(name.key) for name in world.names(laptop.vault.device.writer)}
    joined, into = survey.compact(phone)
    assert (joined, into) == (6, 2)
    assert {name.key: world.store.get(name.key) for name in world.names(laptop.vault.device.writer)} == theirs
    survey.compact(phone)  # what was joined is smaller than its parts were together
    assert survey.compact(phone) == (0, 0)
    settle(phone, laptop)
    assert in_step(phone, laptop)


def test_a_cut_between_putting_and_deleting_is_harmless_and_tidied_up_later(world: World, laptop: Link) -> None:
    wire = Wire(world.store)
    phone = world.device("phone", store=wire)
    for number in range(5):
        add(phone, f"memory {number}")
        engine.push(phone)
    wire.no_deletes = 1
    with pytest.raises(Unreachable):
        survey.compact(phone)
    assert len(world.names()) == 6
    assert engine.pull(laptop).alarms == ()
    assert in_step(phone, laptop)
    assert engine.pull(phone).alarms == ()
    add(phone, "and on")
    engine.push(phone)
    survey.compact(world.again(phone))
    assert len(world.names()) <= 2
    settle(phone, laptop)
    assert in_step(phone, laptop)
    assert survey.verify(laptop) == []


@pytest.mark.parametrize("fault", ["lose_before", "lose_after", "no_deletes"])
def test_a_push_whose_compaction_fails_has_pushed(world: World, laptop: Link, fault: str) -> None:
    wire = Wire(world.store)
    phone = world.device("phone", store=wire)
    for number in range(8):
        add(phone, f"memory {number}")
        if number == 7:

            class FailsSecond(Wire):
                def write(self, put, delete=()):  # type: ignore[no-untyped-def]
                    if len(self.written) == 1:
                        setattr(self, fault, 1)
                    super().write(put, delete)

            phone.store = FailsSecond(world.store)
            with pytest.raises(Unreachable):
                engine.push(phone)
        else:
            engine.push(phone)
    engine.pull(laptop)
    assert len(contents(laptop)) == 8
    phone.store = wire
    settle(phone, laptop)
    assert in_step(phone, laptop)
    assert engine.push(phone).segments == 0


def test_a_version_whose_local_file_is_damaged_is_not_lost_from_the_store(world: World, phone: Link) -> None:
    for number in range(6):
        add(phone, f"memory {number}")
        engine.push(phone)
    stored = world.stored()
    damaged = sorted(phone.vault.layout.memories.iterdir())[:3]
    damaged[0].write_bytes(damaged[0].read_bytes()[:-1])
    damaged[1].write_bytes(b"")
    damaged[2].unlink()
    phone = world.again(phone)
    assert survey.compact(phone) == (6, 2)
    assert world.stored() == stored
    new = world.device("new")
    engine.pull(new)
    assert len(contents(new)) == 6


def test_when_neither_the_file_nor_the_object_opens_nothing_is_joined_over_it(world: World, phone: Link) -> None:
    for number in range(3):
        add(phone, f"memory {number}")
        engine.push(phone)
    names = world.names()
    before = world.objects()
    world.store.write({names[1].key: before[names[1].key][:-1]})
    digest = world_hash(before, names[1], world)
    for path in phone.vault.layout.memories.iterdir():
        if digest[:32] in path.name:
            path.unlink()
    phone = world.again(phone)
    there = world.objects()
    survey.compact(phone)
    assert world.objects() == there
    add(phone, "and on")
    assert engine.push(phone).versions == 1


def world_hash(before: dict[str, bytes], name: SegmentName, world: World) -> str:
    from ghostie.sync.segment import Tips, open_segment

    return open_segment(world.keys, Tips(world.keys), name, before[name.key]).hashes[0].hex()


def test_an_old_listing_does_not_make_compaction_lose_anything(world: World, laptop: Link) -> None:
    wire = Wire(world.store)
    phone = world.device("phone", store=wire)
    listings = []
    for number in range(12):
        add(phone, f"memory {number}")
        engine.push(phone)
        listings.append(world.store.list("ghostie/"))
    for listing in listings:
        wire.stale = [listing]
        survey.compact(phone)
        late = world.device(f"late{len(listing)}-{id(listing)}")
        assert engine.pull(late).alarms == ()
        assert len(contents(late)) == 12
    settle(phone, laptop)
    assert in_step(phone, laptop)


def test_a_copy_joins_its_segments_without_losing_the_others_branch(world: World, phone: Link, laptop: Link) -> None:
    for number in range(4):
        add(phone, f"memory {number}")
        engine.push(phone)
    copy = world.copied(phone, "copy")
    stale = world.store.list("ghostie/")
    wire = Wire(world.store)
    copy.store = wire
    for number in range(4):
        add(phone, f"phone {number}")
        engine.push(phone)
        add(copy, f"copy {number}")
        wire.stale = [stale]
        engine.push(copy)
        wire.stale = [stale]
        survey.compact(copy)
        survey.compact(phone)
    engine.pull(laptop)
    assert len(contents(laptop)) == 12
    settle(phone, copy, laptop)
    assert in_step(phone, copy, laptop)
    late = world.device("late")
    settle(late)
    assert in_step(late, laptop)
