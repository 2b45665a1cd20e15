"""A folder that a sync program keeps: what comes late, in another order or in pieces waits, and is an alarm in the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ghostie.backends.folder import FolderStore
from ghostie.backends.store import MemoryStore
from ghostie.crypto import keys as keyring
from ghostie.crypto.keys import new_keys
from ghostie.errors import EmptyFolder, KeyMayCome, NotRetired, StoreChanged
from ghostie.sync import engine, pairing, repair, retiring, survey
from ghostie.sync.link import Link
from ghostie.sync.log import KEY_OBJECT
from ghostie.sync.notices import Notice
from ghostie.sync.segment import SegmentName, key_name

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


def test_a_device_whose_own_log_was_cut_says_so_after_a_day_and_three_looks(
    world: World, phone: Link, laptop: Link
) -> None:
    spoken(world, laptop, 1)
    names = spoken(world, phone, 3)
    world.store.write({}, [names[2].key])
    for _ in range(3):
        assert state_of(engine.pull(phone)) == ([], ["own-rollback"])
    assert survey.status(phone, look=True).alarms == ()
    world.clock.now += A_DAY
    assert [each.kind for each in survey.status(phone, look=True).alarms] == ["own-rollback"]
    assert state_of(engine.pull(phone)) == (["own-rollback"], [])


def test_a_device_that_is_retired_hears_it_when_the_word_comes_and_raises_no_alarm_until_then(
    world: World, phone: Link, laptop: Link
) -> None:
    spoken(world, phone, 3)
    settle(phone, laptop)
    before = set(world.names())
    first, *_ = world.names(phone.vault.device.writer)
    body = world.store.get(first.key)
    retiring.retire(laptop, phone.vault.device.writer)
    arrive = held_back(world, *(set(world.names()) - before))  # the word, and what went out anew
    world.store.write({first.key: body})
    assert state_of(engine.pull(phone)) == ([], ["own-rollback"])
    world.store.write({}, [first.key])
    arrive()
    done = engine.pull(phone)
    assert [each.kind for each in done.notices] == ["retired"]
    assert state_of(done) == ([], [])


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


# -- the key object ---------------------------------------------------------------------------------------------------


def key_objects(world: World) -> list[str]:
    return sorted(key for key in world.objects() if "/keys/" in key)


def passphrase_changed(world: World, link: Link) -> dict[str, bytes]:
    """Let another passphrase be set by *link*'s device; return the new key object, which is on its way while the
    removal of the old one has arrived."""
    old = key_objects(world)
    fresh = keyring.wrap(link.vault.keys, "another passphrase", keyring.FLOOR)
    world.store.write({}, old)
    return {key_name(fresh.digest): fresh.spelt()}


ARRIVED: dict[str, Callable[[bytes], bytes | None]] = {
    "nothing": lambda body: None,
    "an empty file": lambda body: b"",
    "half of it": lambda body: body[: len(body) // 2],
    "zeros": lambda body: bytes(len(body)),
}


@pytest.mark.parametrize("part", ARRIVED.values(), ids=ARRIVED)
def test_without_its_key_object_a_kept_folder_is_waited_for_and_nothing_is_sent(
    world: World, phone: Link, laptop: Link, part: Callable[[bytes], bytes | None]
) -> None:
    spoken(world, laptop, 1)
    engine.pull(phone)
    spoken(world, laptop, 1)
    add(phone, "not yet sent")
    late = passphrase_changed(world, laptop)
    world.store.write({key: there for key, body in late.items() if (there := part(body)) is not None})
    before = world.objects()
    for act in (engine.pull, engine.push, engine.pull):
        (waiting,) = act(phone).waiting
        assert waiting.kind == KEY_OBJECT
        assert "waits for the vault's key object" in waiting.waits()
    found = survey.status(world.again_kept(phone), look=True)
    assert [each.kind for each, since in found.arriving if since is not None] == [KEY_OBJECT]
    assert (found.alarms, found.to_push) == ((), 1)
    assert [each.kind for each, _ in survey.status(phone).arriving] == [KEY_OBJECT]
    with pytest.raises(KeyMayCome):
        pairing.invite(phone, "a passphrase")
    with pytest.raises(KeyMayCome):
        survey.compact(phone)
    with pytest.raises(NotRetired, match="waits for the vault's key object"):
        retiring.retire(phone, laptop.vault.device.writer)
    assert world.objects() == before
    assert contents(phone) == ["laptop 0", "not yet sent"]
    world.store.write(late)
    assert state_of(engine.pull(phone)) == ([], [])
    assert engine.push(phone).versions == 1
    assert contents(phone) == ["laptop 0", "laptop 1", "not yet sent"]
    assert survey.status(phone, look=True).arriving == ()
    assert ledger(phone).state.missed == {}


@pytest.mark.parametrize("act", [engine.pull, engine.push])
def test_a_key_object_that_stays_away_is_an_error_a_day_and_three_looks_later(
    world: World, phone: Link, laptop: Link, act: Callable[[Link], engine.Pulled | engine.Pushed]
) -> None:
    spoken(world, laptop, 2)
    add(phone, "not yet sent")
    late = passphrase_changed(world, laptop)
    for _ in range(5):
        assert act(world.again_kept(phone)).waiting
    world.clock.now += A_DAY
    for link in (phone, world.again_kept(phone)):
        for each in (act, lambda link: survey.status(link, look=True)):
            with pytest.raises(KeyMayCome, match="its key object is gone") as caught:
                each(link)
            assert caught.value.exit_code == 4
            assert "`ghostie sync repair`" in (caught.value.way_out() or "")
    world.store.write(late)
    assert not act(phone).waiting
    add(phone, "not yet sent either")
    world.store.write({}, list(late))
    world.clock.now += A_DAY
    assert act(phone).waiting, "it is missed anew"


def test_what_else_is_on_its_way_is_counted_on_while_the_key_object_is_missed(
    world: World, phone: Link, laptop: Link
) -> None:
    held_back(world, spoken(world, laptop, 3)[1])
    engine.pull(phone)
    since = dict(ledger(phone).state.missed)
    late = passphrase_changed(world, laptop)
    engine.pull(phone)
    assert since.items() <= ledger(phone).state.missed.items()
    assert [each.kind for each in ledger(phone).state.waiting] == ["gap", KEY_OBJECT]
    world.store.write(late)
    assert state_of(engine.pull(phone)) == ([], ["gap"])
    assert ledger(phone).state.missed.keys() == since.keys()


@pytest.mark.parametrize("there", ["key object", "segments", "both"])
def test_another_vault_in_a_kept_folder_is_an_error_at_once(
    world: World, phone: Link, there: str, tmp_path: Path
) -> None:
    spoken(world, phone, 1)
    elsewhere = World(tmp_path / "elsewhere", MemoryStore(), new_keys())
    spoken(elsewhere, elsewhere.device("stranger"), 2)
    theirs = {
        key: body
        for key, body in elsewhere.objects().items()
        if there == "both" or ("/keys/" in key) == (there == "key object")
    }
    world.store.write(theirs, set(world.objects()) - theirs.keys())
    add(phone, "not for them")
    for act in (engine.pull, engine.push, lambda link: survey.status(link, look=True)):
        with pytest.raises(StoreChanged, match="it holds another vault") as caught:
            act(phone)
        assert not isinstance(caught.value, KeyMayCome)
    with pytest.raises(StoreChanged):
        repair.repair(phone)
    assert world.objects() == theirs


def test_over_a_network_a_key_object_that_is_gone_is_an_error_at_once(world: World) -> None:
    link = world.device("phone")
    spoken(world, link, 1)
    add(link, "not yet sent")
    world.store.write({}, key_objects(world))
    for act in (engine.pull, engine.push):
        with pytest.raises(StoreChanged, match="its key object is gone"):
            act(link)


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
