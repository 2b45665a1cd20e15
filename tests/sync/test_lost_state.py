"""A lost `sync_state.json`: what it knew of the others is in their logs, and is found there again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ghostie.errors import CannotRead
from ghostie.sync import engine, repair, survey
from ghostie.sync.link import Link
from ghostie.sync.retiring import retire
from tests.refusing import refusing

from .power import PowerCut, at_every_cut, cut_before
from .world import Wire, World, add, in_step, ledger, settle

HURT: dict[str, Callable[[Path], object]] = {
    "deleted": lambda path: path.unlink(),
    "emptied": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "junk": lambda path: path.write_bytes(b"{}"),
}


@pytest.fixture
def retired(world: World, phone: Link, laptop: Link, tablet: Link) -> str:
    """Three devices that were in step, and the tablet's writer, which the phone has retired."""
    for number in range(2):
        for link in (phone, laptop, tablet):
            add(link, f"{link.vault.device.name} {number}")
        settle(phone, laptop, tablet)
    writer = tablet.vault.device.writer
    retire(phone, writer)
    settle(phone, laptop)
    return writer


def hurt(world: World, link: Link, how: str = "deleted") -> Link:
    HURT[how](link.vault.layout.sync_state)
    return world.again(link)


@pytest.mark.parametrize("how", HURT)
def test_retirements_names_and_what_was_witnessed_are_found_again(
    world: World, phone: Link, laptop: Link, retired: str, how: str
) -> None:
    for link in (laptop, phone):
        before = ledger(link).state
        again = hurt(world, link, how)
        assert engine.pull(again).alarms == ()
        after = ledger(again).state
        assert (after.retired, before.retired, after.lost) == ([retired], [retired], False)
        for writer in before.vouched.keys() - {retired}:
            assert after.vouched[writer][0] >= before.vouched[writer][0]
        for writer in before.devices.keys() - {retired}:
            assert after.devices[writer].name == before.devices[writer].name
        assert after.published_seen == before.published_seen
    settle(phone, laptop)
    assert in_step(phone, laptop)


def test_it_is_found_again_by_a_push_a_check_and_a_repair_as_well(
    world: World, phone: Link, laptop: Link, retired: str
) -> None:
    again = hurt(world, laptop)
    add(again, "first of all a push")
    engine.push(again)
    assert ledger(again).state.retired == [retired]
    assert retired in max(world.segments(again.vault.device.writer), key=lambda each: each.name.last).retired
    again = hurt(world, laptop)
    assert survey.verify(again) == []
    assert not again.vault.layout.sync_state.exists()
    assert repair.repair(again) == []
    assert ledger(laptop).state.retired == [retired]
    settle(phone, world.again(laptop))


def test_a_look_at_the_store_neither_misses_who_was_retired_nor_forgets_names(
    world: World, phone: Link, laptop: Link, retired: str
) -> None:
    before = {line.name for line in survey.status(laptop, look=True).devices}
    again = hurt(world, laptop)
    seen = survey.status(again, look=True)
    assert (seen.alarms, seen.arriving) == ((), ())
    assert {line.name for line in seen.devices} == before
    assert retired not in {line.writer for line in seen.devices}
    assert not again.vault.layout.sync_state.exists(), "a look writes nothing"


def test_it_costs_one_object_a_log_once(world: World, phone: Link, laptop: Link, retired: str) -> None:
    again = hurt(world, laptop)
    again.store = wire = Wire(world.store)
    engine.pull(again)
    assert wire.since() == ["list", "get", "get"]
    engine.pull(again)
    assert wire.since() == ["list"]


def test_a_damaged_newest_object_leaves_it_to_the_one_before(
    world: World, phone: Link, laptop: Link, retired: str
) -> None:
    add(phone, "one more")
    engine.push(phone)
    engine.pull(laptop)
    name = max(world.names(phone.vault.device.writer))
    world.store.write({name.key: world.store.get(name.key)[:-1]})
    again = hurt(world, laptop)
    assert engine.pull(again).alarms == ()
    assert ledger(again).state.retired == [retired]


def test_what_the_system_does_not_give_is_not_forgotten(world: World, phone: Link, laptop: Link, retired: str) -> None:
    before = laptop.vault.layout.sync_state.read_bytes()
    for act in (engine.pull, engine.push, survey.verify, repair.repair):
        again = world.again(laptop)
        add(phone, "something new")
        engine.push(phone)
        with refusing("sync_state.json"), pytest.raises(CannotRead, match="sync_state"):
            act(again)
    assert laptop.vault.layout.sync_state.read_bytes() == before
    for name in laptop.vault.layout.logs.iterdir():
        with refusing(name.name), pytest.raises(CannotRead, match=name.name):
            engine.pull(world.again(laptop))
    assert engine.pull(world.again(laptop)).alarms == ()


def test_finding_it_again_that_is_cut_off_is_done_again(world: World, phone: Link, laptop: Link, retired: str) -> None:
    add(phone, "something new")
    engine.push(phone)
    backup = world.back_up(laptop)

    def attempt(number: int) -> bool:
        again = hurt(world, world.restore(laptop, backup))
        cut = False
        try:
            with cut_before(number):
                engine.pull(again)
        except PowerCut:
            cut = True
        again = world.again(again)
        assert engine.pull(again).alarms == ()
        state = ledger(again).state
        assert (state.retired, state.lost) == ([retired], False)
        return cut

    assert at_every_cut(attempt) >= 3
