"""A folder that a sync program keeps: what comes late, in another order or in pieces waits, and is an alarm in the end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ghostie.backends.folder import FolderStore
from ghostie.errors import EmptyFolder, NotRetired
from ghostie.sync import engine, repair, retiring, survey
from ghostie.sync.link import Link
from ghostie.sync.notices import Notice
from ghostie.sync.segment import SegmentName

from .world import A_DAY, World, add, contents, in_step, ledger, settle


def kept_in_step(world: World, name: str) -> Link:
    """Return a new device whose store is a folder that another program keeps."""
    link = world.device(name)
    link.replicated = True
    return link


@pytest.fixture
def phone(world: World) -> Link:
    return kept_in_step(world, "phone")


@pytest.fixture
def laptop(world: World) -> Link:
    return kept_in_step(world, "laptop")


def spoken(world: World, link: Link, count: int) -> list[SegmentName]:
    before = set(world.names(link.vault.device.writer))
    for number in range(count):
        add(link, f"{link.vault.device.name} {len(before) + number}")
        engine.push(link)
    return sorted(set(world.names(link.vault.device.writer)) - before)


def held_back(world: World, *names: SegmentName) -> Callable[[], None]:
    """Take objects out of the folder; return what lets them arrive."""
    late = {name.key: world.store.get(name.key) for name in names}
    world.store.write({}, late)
    return lambda: world.store.write(late)


def changed(world: World, name: SegmentName, change: Callable[[bytes], bytes]) -> Callable[[], None]:
    whole = world.store.get(name.key)
    world.store.write({name.key: change(whole)})
    return lambda: world.store.write({name.key: whole})


def state_of(done: engine.Pulled) -> tuple[list[str], list[str]]:
    return [each.kind for each in done.alarms], [each.kind for each in done.waiting]


HALVES: list[Callable[[bytes], bytes]] = [
    lambda body: b"",
    lambda body: body[:1],
    lambda body: body[:-1],
    lambda body: body[:200],
    lambda body: body[:128] + bytes(len(body) - 128),
    lambda body: bytes(len(body)),
    lambda body: body + bytes(4096),
]


def middle(world: World, names: list[SegmentName]) -> Callable[[], None]:
    return held_back(world, names[1])


def half(world: World, names: list[SegmentName]) -> Callable[[], None]:
    return changed(world, names[1], lambda body: body[:-7])


@pytest.mark.parametrize("arrives_later", [middle, half])
def test_what_is_late_holds_up_its_own_log_and_is_taken_in_when_it_comes(
    world: World, phone: Link, laptop: Link, arrives_later: Callable[[World, list[SegmentName]], Callable[[], None]]
) -> None:
    spoken(world, laptop, 1)
    engine.pull(phone)
    arrive = arrives_later(world, spoken(world, laptop, 3))
    tablet = kept_in_step(world, "tablet")
    spoken(world, tablet, 1)
    done = engine.pull(phone)
    assert len(done.waiting) == 1
    assert done.alarms == ()
    assert contents(phone) == ["laptop 0", "laptop 1", "tablet 0"]
    found = survey.status(world.again(phone), look=True)
    assert [each.kind for each, _ in found.arriving] == [each.kind for each in done.waiting]
    assert found.alarms == ()
    arrive()
    assert state_of(engine.pull(phone)) == ([], [])
    assert len(contents(phone)) == 5
    assert ledger(phone).state.missed == {}


@pytest.mark.parametrize("change", HALVES)
def test_an_object_that_is_half_is_on_its_way(
    world: World, phone: Link, laptop: Link, change: Callable[[bytes], bytes]
) -> None:
    arrive = changed(world, spoken(world, laptop, 1)[0], change)
    for _ in range(6):
        assert state_of(engine.pull(phone)) == ([], ["unreadable"])
    arrive()
    assert state_of(engine.pull(phone)) == ([], [])
    assert contents(phone) == ["laptop 0"]


def test_an_object_that_was_altered_is_an_alarm_at_once(world: World, phone: Link, laptop: Link) -> None:
    name = spoken(world, laptop, 1)[0]
    changed(world, name, lambda body: body[:100] + bytes([body[100] ^ 1]) + body[101:])
    assert state_of(engine.pull(phone)) == (["unreadable"], [])


@pytest.mark.parametrize(("hours", "looks"), [(30 * 24, 2), (23, 50), (0, 50)])
def test_neither_a_day_alone_nor_three_looks_alone_make_it_an_alarm(
    world: World, phone: Link, laptop: Link, hours: int, looks: int
) -> None:
    held_back(world, spoken(world, laptop, 3)[1])
    engine.pull(phone)
    world.clock.now += hours * 3_600_000
    for _ in range(looks):
        assert state_of(engine.pull(world.again_kept(phone))) == ([], ["gap"])


def test_a_day_and_three_looks_after_it_was_first_missed_it_is_an_alarm(
    world: World, phone: Link, laptop: Link
) -> None:
    arrive = held_back(world, spoken(world, laptop, 3)[1])
    engine.pull(phone)
    world.clock.now += A_DAY
    for _ in range(2):
        assert state_of(engine.pull(world.again_kept(phone))) == ([], ["gap"])
    assert state_of(engine.pull(phone)) == (["gap"], [])
    assert state_of(engine.pull(phone)) == (["gap"], [])
    arrive()
    assert state_of(engine.pull(phone)) == ([], [])
    assert len(contents(phone)) == 3


def test_a_clock_that_is_set_back_makes_no_alarm_early_and_delays_it_by_a_day_only(
    world: World, phone: Link, laptop: Link
) -> None:
    held_back(world, spoken(world, laptop, 3)[1])
    engine.pull(phone)
    world.clock.now -= 4000 * A_DAY
    for _ in range(5):
        assert state_of(engine.pull(phone)) == ([], ["gap"])
    world.clock.now += A_DAY
    assert state_of(engine.pull(phone)) == (["gap"], [])


def test_a_dry_run_is_no_look(world: World, phone: Link, laptop: Link) -> None:
    held_back(world, spoken(world, laptop, 3)[1])
    engine.pull(phone)
    world.clock.now += A_DAY
    for _ in range(9):
        assert state_of(engine.pull(phone, dry_run=True)) == ([], ["gap"])


def test_what_another_device_vouches_for_may_come_later(world: World, phone: Link, laptop: Link) -> None:
    spoken(world, laptop, 2)
    tablet = kept_in_step(world, "tablet")
    engine.pull(tablet)
    spoken(world, tablet, 1)
    arrive = held_back(world, *world.names(laptop.vault.device.writer))
    assert state_of(engine.pull(phone)) == ([], ["rollback"])
    arrive()
    assert state_of(engine.pull(phone)) == ([], [])
    assert in_step(phone, tablet)


def test_segments_whose_joined_one_is_late_are_on_their_way_though_they_were_known(
    world: World, phone: Link, laptop: Link
) -> None:
    spoken(world, laptop, 7)
    settle(phone, laptop)
    spoken(world, phone, 1)
    joined = [name for name in spoken(world, laptop, 1) if name.last > name.first]
    assert joined, "the eighth push joins them"
    arrive = held_back(world, *world.names(laptop.vault.device.writer))
    assert state_of(engine.pull(phone)) == ([], ["rollback"])
    assert survey.status(phone, look=True).alarms == ()
    arrive()
    assert state_of(engine.pull(phone)) == ([], [])
    assert len(contents(phone)) == 9


def test_a_device_whose_own_log_was_cut_says_so_at_once(world: World, phone: Link, laptop: Link) -> None:
    spoken(world, laptop, 1)
    names = spoken(world, phone, 3)
    world.store.write({}, [names[2].key])
    found = survey.status(phone, look=True)
    assert [each.kind for each in found.alarms] == ["own-rollback"]
    assert state_of(engine.pull(phone)) == (["own-rollback"], [])


def test_a_folder_that_lost_every_log_is_rolled_back(world: World, phone: Link, laptop: Link) -> None:
    spoken(world, laptop, 3)
    engine.pull(phone)
    world.store.write({}, [name.key for name in world.names()])
    assert [each.kind for each in survey.status(phone, look=True).alarms] == ["rollback"]
    assert state_of(engine.pull(phone)) == (["rollback"], [])


def test_status_finds_a_rollback_that_no_pull_has_met_and_forgets_it_when_the_store_shows_all_again(
    world: World,
) -> None:
    there = world.device("there")
    here = world.device("here")
    names = spoken(world, there, 3)
    engine.pull(here)
    arrive = held_back(world, names[2])
    assert [each.kind for each in survey.status(here, look=True).alarms] == ["rollback"]
    assert survey.status(here).alarms == ()
    engine.pull(here)
    assert [each.kind for each in survey.status(here).alarms] == ["rollback"]
    arrive()
    assert survey.status(here, look=True).alarms == ()


def test_nobody_is_retired_while_something_of_it_is_on_its_way(world: World, phone: Link, laptop: Link) -> None:
    held_back(world, spoken(world, laptop, 3)[1])
    engine.pull(phone)
    with pytest.raises(NotRetired):
        retiring.retire(phone, laptop.vault.device.writer)
    assert len(world.names(laptop.vault.device.writer)) == 2


def test_repair_need_not_wait(world: World, phone: Link, laptop: Link) -> None:
    held_back(world, spoken(world, laptop, 3)[1])
    assert state_of(engine.pull(phone)) == ([], ["gap"])
    assert repair.repair(phone)
    assert state_of(engine.pull(phone)) == ([], [])
    assert contents(phone) == ["laptop 0", "laptop 2"]


def test_an_empty_folder_is_asked_about_before_anything_is_begun_again(world: World, phone: Link) -> None:
    spoken(world, phone, 1)
    world.store.write({}, world.objects())
    for act in (engine.pull, lambda link: survey.status(link, look=True)):
        with pytest.raises(EmptyFolder, match="it is empty") as caught:
            act(phone)
        words = caught.value.way_out() or ""
        assert words.index("is the drive mounted?") < words.index("--again")


# -- litter -----------------------------------------------------------------------------------------------------------

LITTER = (
    "Thumbs.db",
    "desktop.ini",
    "~syncthing~{name}.tmp",
    "{name}.part",
    "{stem}.sync-conflict-20260407-143912-ABCDEFG.seg",
    "{stem} (1).seg",
    "{stem} (conflicted copy 2026-04-07 120000).seg",
    "{stem} (Anna's conflicted copy 2026-04-07).seg",
    "{name}.icloud",
    "@eaDir/x/y",
    "lost+found/1",
)


def test_litter_is_told_once_and_read_never(world: World, phone: Link, laptop: Link) -> None:
    name = spoken(world, laptop, 1)[0]
    base = name.key.rpartition("/")[2]
    assert isinstance(world.store, FolderStore)
    for each in LITTER:
        path = world.store.root / "ghostie" / name.writer / "memories" / each.format(name=base, stem=base[:-4])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(world.store.get(name.key))
    first = engine.pull(phone)
    assert [each.kind for each in first.notices] == ["litter"]
    assert "and 8 more" in first.notices[0].sentence()
    assert (first.alarms, first.waiting) == ((), ())
    assert engine.pull(world.again_kept(phone)).notices == ()
    assert survey.verify(phone) == []
    assert [each.kind for each in phone.told(keep=False)] == ["litter"]
    assert len(survey.status(phone, look=True).litter) == len(LITTER)
    assert Notice("litter", "x").sentence().endswith(": x")
    (world.store.root / "ghostie" / "readme.txt").write_text("whose is this?")
    assert len(survey.verify(phone)) == 1


def test_a_name_that_another_program_chose_stays_on_one_line(world: World, phone: Link) -> None:
    spoken(world, phone, 1)
    assert isinstance(world.store, FolderStore)
    for name in ("stray\n1 version here is whole\x1b[31m", "x.part\nall is well.part"):
        (world.store.root / "ghostie" / name).write_bytes(b"x")
    said = "".join(survey.verify(phone)) + "".join(notice.sentence() for notice in phone.told())
    assert "1 version here is whole" in said and "all is well" in said
    assert "\n" not in said and "\x1b" not in said
