"""Retiring a device: nothing that it published is lost, nobody is alarmed, and if it comes back it starts over."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ghostie.errors import NotRetired, Unreachable, UsageError
from ghostie.sync import compaction, engine, repair, survey
from ghostie.sync.link import Link, look
from ghostie.sync.notices import RETIRED
from ghostie.sync.pairing import positions
from ghostie.sync.retiring import find, retire
from ghostie.sync.segment import BadSegment, open_segment, seal_segment

from .power import PowerCut, at_every_cut, cut_before
from .world import A_DAY, Wire, World, add, as_device, contents, in_step, ledger, settle, spelt_out


@pytest.fixture
def three(phone: Link, laptop: Link, tablet: Link) -> tuple[Link, Link, Link]:
    """Three devices in step, each with a memory that it published."""
    for link in (phone, laptop, tablet):
        add(link, f"from the {link.vault.device.name}")
    settle(phone, laptop, tablet)
    return phone, laptop, tablet


EVERYTHING = ["from the laptop", "from the phone", "from the tablet"]


def writer_of(link: Link) -> str:
    return link.vault.device.writer


def test_what_only_the_retired_device_published_goes_out_from_the_one_that_retires_it(
    world: World, three: tuple[Link, Link, Link]
) -> None:
    phone, laptop, tablet = three
    gone = writer_of(tablet)
    done = retire(phone, gone)
    assert (done.writer, done.name, done.adopted, done.objects > 0) == (gone, "tablet", 1, True)
    assert world.names(gone) == []
    assert "from the tablet" in spelt_out(world, writer_of(phone))
    fresh = world.device("fresh")
    assert engine.pull(fresh).alarms == ()
    assert contents(fresh) == EVERYTHING


def test_what_it_had_published_and_nobody_had_taken_in_comes_along(
    world: World, three: tuple[Link, Link, Link]
) -> None:
    phone, laptop, tablet = three
    for number in range(3):
        add(tablet, f"late {number}")
        engine.push(tablet)
    assert retire(phone, writer_of(tablet)).adopted == 4
    settle(phone, laptop)
    assert contents(laptop) == sorted([*EVERYTHING, "late 0", "late 1", "late 2"])


def test_no_device_is_alarmed_neither_an_old_one_nor_a_new_one_nor_a_check(
    world: World, three: tuple[Link, Link, Link]
) -> None:
    phone, laptop, tablet = three
    retire(phone, writer_of(tablet))
    for link in (laptop, world.device("fresh"), phone):
        pulled = engine.pull(link)
        assert (pulled.alarms, pulled.notices) == ((), ())
        assert survey.verify(link) == []
        assert repair.repair(link) == []
        assert "tablet" not in {line.name for line in survey.status(link, look=True).devices}
    settle(phone, laptop)
    assert in_step(phone, laptop)


def test_the_word_of_it_outlives_the_device_that_gave_it(world: World, three: tuple[Link, Link, Link]) -> None:
    phone, laptop, tablet = three
    gone = writer_of(tablet)
    retire(phone, gone)
    settle(laptop, phone)
    retire(laptop, writer_of(phone))
    fresh = world.device("fresh")
    assert engine.pull(fresh).alarms == ()
    assert contents(fresh) == EVERYTHING
    assert ledger(fresh).state.retired == sorted([gone, writer_of(phone)])
    assert {name.writer for name in world.names()} == {writer_of(laptop)}


def test_the_word_is_given_once_and_then_only_with_what_is_sent_anyway(
    world: World, three: tuple[Link, Link, Link]
) -> None:
    phone, laptop, tablet = three
    retire(phone, writer_of(tablet))
    engine.pull(laptop)
    assert engine.push(laptop).segments == 1
    assert engine.push(laptop).segments == 0
    add(laptop, "more")
    engine.push(laptop)
    assert all(segment.retired == (writer_of(tablet),) for segment in world.segments(writer_of(laptop))[-2:])


def test_a_retired_device_that_comes_back_starts_over_and_loses_nothing(
    world: World, three: tuple[Link, Link, Link]
) -> None:
    phone, laptop, tablet = three
    gone = writer_of(tablet)
    add(tablet, "never sent")
    retire(phone, gone)
    assert engine.pull(tablet, dry_run=True).notices == (RETIRED,)
    assert as_device(tablet).writer == gone
    pulled = engine.pull(tablet)
    assert (pulled.alarms, pulled.notices) == ((), (RETIRED,))
    assert as_device(tablet).writer == writer_of(tablet) != gone
    assert engine.push(tablet).versions == 1
    settle(phone, laptop, tablet)
    assert contents(phone) == contents(laptop) == contents(tablet) == sorted([*EVERYTHING, "never sent"])
    assert world.names(gone) == []


def test_one_that_comes_back_and_pushes_first_hears_of_it_before_anything_goes_out(
    world: World, three: tuple[Link, Link, Link]
) -> None:
    phone, laptop, tablet = three
    gone = writer_of(tablet)
    add(tablet, "never sent")
    retire(phone, gone)
    pushed = engine.push(tablet)
    assert pushed.notices == (RETIRED,)
    assert world.names(gone) == []
    settle(phone, laptop, tablet)
    assert contents(laptop) == sorted([*EVERYTHING, "never sent"])
    assert in_step(phone, laptop, tablet)


def test_a_copy_of_its_home_starts_over_as_well(world: World, three: tuple[Link, Link, Link]) -> None:
    phone, laptop, tablet = three
    copy = world.copied(tablet, "copy")
    add(copy, "in the copy")
    retire(phone, writer_of(tablet))
    settle(copy, tablet, phone, laptop)
    assert len({writer_of(link) for link in (copy, tablet, phone, laptop)}) == 4
    assert contents(laptop) == sorted([*EVERYTHING, "in the copy"])


def test_what_it_sends_at_the_very_moment_is_not_lost(world: World, three: tuple[Link, Link, Link]) -> None:
    """Its push goes over while it is being retired: whoever knows its log takes that in and publishes it."""
    phone, laptop, tablet = three
    gone = writer_of(tablet)
    add(tablet, "at the last moment")
    listing = world.store.list("")
    late = Wire(world.store)
    late.stale = [listing]
    retire(phone, gone)
    tablet.store = late  # it was shown the store as it was before
    assert engine.push(tablet).notices == ()
    assert world.names(gone)
    fresh = world.device("fresh")
    for link in (laptop, fresh, phone):
        assert engine.pull(link).alarms == ()
    assert contents(laptop) == sorted([*EVERYTHING, "at the last moment"])
    engine.push(laptop)
    settle(fresh, phone)
    assert contents(fresh) == contents(laptop)
    assert survey.verify(fresh) == []
    writer, name = find(laptop, gone[:8])  # by its id it can be done again
    assert (writer, name) == (gone, "tablet")
    retire(laptop, gone)
    assert world.names(gone) == []
    settle(fresh, phone, laptop)
    assert in_step(fresh, phone, laptop)


def test_retiring_that_is_cut_off_anywhere_is_finished_by_doing_it_again(
    world: World, three: tuple[Link, Link, Link], tmp_path: Path
) -> None:
    phone, laptop, tablet = three
    gone = writer_of(tablet)
    shutil.copytree(tmp_path / "store", tmp_path / "store before")
    backup = world.back_up(phone)

    def attempt(number: int) -> bool:
        shutil.rmtree(tmp_path / "store")
        shutil.copytree(tmp_path / "store before", tmp_path / "store")
        link = world.restore(phone, backup)
        try:
            with cut_before(number):
                retire(link, gone)
        except PowerCut:
            cut = True
        else:
            cut = False
        if number % 4 == 0:
            between = world.device(f"between {number}")
            assert engine.pull(between).alarms == ()
            assert contents(between) == EVERYTHING
        link = world.again(link)
        retire(link, gone)
        assert world.names(gone) == []
        if number % 4 == 0:
            after = world.device(f"after {number}")
            assert engine.pull(after).alarms == ()
            assert contents(after) == EVERYTHING
        return cut

    assert at_every_cut(attempt) >= 8


@pytest.mark.parametrize("lost", ["before", "after"])
def test_a_request_that_is_lost_leaves_nothing_half_done(
    world: World, three: tuple[Link, Link, Link], lost: str
) -> None:
    phone, laptop, tablet = three
    gone = writer_of(tablet)
    for _ in range(3):
        wire = Wire(world.store)
        setattr(wire, f"lose_{lost}", 1)
        phone.store = wire
        try:
            retire(phone, gone)
        except Unreachable:
            assert engine.pull(laptop).alarms == ()
    phone.store = world.store
    retire(phone, gone)
    assert world.names(gone) == []
    settle(phone, laptop)
    assert contents(laptop) == EVERYTHING


def test_while_something_of_its_log_is_missing_it_is_not_retired(world: World, three: tuple[Link, Link, Link]) -> None:
    phone, laptop, tablet = three
    for number in range(2):
        add(tablet, f"late {number}")
        engine.push(tablet)
    first, second = world.names(writer_of(tablet))[-2:]
    kept = world.store.get(first.key)
    world.store.write({}, [first.key])
    with pytest.raises(NotRetired, match="hole"):
        retire(phone, writer_of(tablet))
    assert second in world.names()
    assert ledger(phone).state.retired == []
    world.store.write({first.key: kept})
    assert retire(phone, writer_of(tablet)).adopted == 3


def test_what_nobody_could_read_here_keeps_its_writer_from_being_retired(
    world: World, three: tuple[Link, Link, Link]
) -> None:
    """Accepting that an object cannot be read is no word that what it holds stands elsewhere."""
    phone, laptop, tablet = three
    gone = writer_of(tablet)
    add(tablet, "nobody else has it")
    engine.push(tablet)
    name = max(world.names(gone))
    whole = world.store.get(name.key)
    world.store.write({name.key: whole[:-1]})
    assert engine.pull(phone).alarms
    repair.repair(phone)
    assert engine.pull(phone).alarms == ()
    with pytest.raises(NotRetired, match="positions 2 to 2"):
        retire(phone, gone)
    assert world.store.get(name.key) == whole[:-1]
    assert gone not in ledger(phone).state.retired, "and nobody is told that it was"
    world.store.write({name.key: whole})
    assert retire(phone, gone).adopted == 2
    settle(phone, laptop)
    assert "nobody else has it" in contents(laptop)


def test_a_purge_is_kept_and_destroyed_contents_do_not_come_back(world: World, three: tuple[Link, Link, Link]) -> None:
    phone, laptop, tablet = three
    doomed = add(tablet, "a secret that goes")
    settle(tablet, phone, laptop)
    phone.vault.purge([doomed.id])
    retire(phone, writer_of(tablet))
    settle(phone, laptop)
    assert b"a secret that goes" not in world.stored_bytes(), (
        "an old writer's segments are out of a purge's reach no more"
    )
    assert contents(laptop) == EVERYTHING


def test_a_device_is_meant_by_its_name_or_the_beginning_of_its_id(world: World, three: tuple[Link, Link, Link]) -> None:
    phone, laptop, tablet = three
    for word in ("tablet", writer_of(tablet), writer_of(tablet)[:6].upper()):
        assert find(phone, word) == (writer_of(tablet), "tablet")
    for word in ("phone", writer_of(phone)):
        with pytest.raises(UsageError, match="does not retire itself"):
            find(phone, word)
    for word in ("", "nobody", "zz"):
        with pytest.raises(UsageError, match="no device is called"):
            find(phone, word)
    other = world.device("another")
    other.vault.device = other.vault.device.renamed("tablet")
    other.vault.device.save(other.vault.layout)
    add(other, "by another tablet")
    settle(other, phone)
    with pytest.raises(UsageError, match="could be 2 devices"):
        find(phone, "tablet")


def test_retired_logs_are_named_by_no_invitation_and_vouched_for_by_nobody(
    world: World, three: tuple[Link, Link, Link]
) -> None:
    phone, laptop, tablet = three
    gone = writer_of(tablet)
    retire(phone, gone)
    engine.pull(laptop)
    assert gone not in positions(phone).keys() | positions(laptop).keys()
    world.clock.now += 2 * A_DAY
    settle(phone, laptop)
    assert gone not in world.segments(writer_of(phone))[-1].seen
    assert not any(name.writer == gone for name in look(world.store).names)


def test_a_header_that_retires_what_is_no_writer_is_refused(world: World, phone: Link) -> None:
    version = add(phone, "a")
    for wrong in (["not a writer"], ["ab" * 8 + "\n"]):
        segment, sealed = seal_segment(
            world.keys,
            phone.ledger.tips,
            writer="ab" * 8,
            first=1,
            before="0" * 16,
            device="x",
            time=1,
            seen={},
            entries=[version.raw],
            retired=wrong,
        )
        with pytest.raises(BadSegment, match="malformed"):
            open_segment(world.keys, phone.ledger.tips, segment.name, sealed)


def test_compaction_keeps_the_word(world: World, three: tuple[Link, Link, Link]) -> None:
    phone, laptop, tablet = three
    retire(phone, writer_of(tablet))
    for number in range(compaction.LEAST):
        add(phone, f"note {number}")
        engine.push(phone)
    survey.compact(phone)
    assert world.segments(writer_of(phone))[-1].retired == (writer_of(tablet),)
    fresh = world.device("fresh")
    assert engine.pull(fresh).alarms == ()
