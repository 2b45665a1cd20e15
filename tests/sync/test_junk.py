"""Objects that are not ours or not whole: read twice, copied within bounds, told in one line, and read no more."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable

import pytest

from ghostie.backends.store import MemoryStore
from ghostie.crypto.keys import new_keys
from ghostie.crypto.sealing import OVERHEAD, SMALLEST
from ghostie.errors import StoreRefused
from ghostie.sync import engine, reading, refused, repair, survey
from ghostie.sync.link import Link
from ghostie.sync.reading import MOST_READ, SHARE, sentences
from ghostie.sync.segment import SegmentName

from .world import Wire, World, add, contents, hashes, in_step, ledger, settle, sync

MANY = 300
ONE_LOOK = MOST_READ
A_PULL = 2 * MOST_READ


def spoken(world: World, link: Link, count: int) -> list[SegmentName]:
    """Let *link* publish *count* memories, one a segment; return the segments."""
    before = set(world.names(link.vault.device.writer))
    own = [each for each in contents(link) if each.startswith(link.vault.device.name)]
    for number in range(len(own), len(own) + count):
        add(link, f"{link.vault.device.name} {number}")
        engine.push(link)
    return sorted(set(world.names(link.vault.device.writer)) - before)


def junk(name: SegmentName, size: int = OVERHEAD + SMALLEST) -> tuple[str, bytes]:
    """Return an object of a size that a segment may have: only reading it tells that it is none."""
    return name.key, hashlib.shake_128(name.key.encode()).digest(size)


def anywhere(rnd: random.Random, known: str) -> SegmentName:
    """Return a name in a log that nobody has heard of."""
    return SegmentName(f"{rnd.getrandbits(64):016x}", 1, rnd.randint(1, 9), f"{rnd.getrandbits(64):016x}")


def in_one_strange_log(rnd: random.Random, known: str) -> SegmentName:
    first = rnd.randint(1, 40)
    return SegmentName("0" * 16, first, first + rnd.randint(0, 40), f"{rnd.getrandbits(64):016x}")


def next_in_a_known_log(rnd: random.Random, known: str) -> SegmentName:
    return SegmentName(known, 2, rnd.randint(2, 10**6), f"{rnd.getrandbits(64):016x}")


def far_in_a_known_log(rnd: random.Random, known: str) -> SegmentName:
    first = rnd.randint(100, 10**6)
    return SegmentName(known, first, first + 3, f"{rnd.getrandbits(64):016x}")


PLACES = [anywhere, in_one_strange_log, next_in_a_known_log, far_in_a_known_log]
Where = Callable[[random.Random, str], SegmentName]


def strewn(world: World, where: Where, known: str, count: int = MANY) -> list[str]:
    rnd = random.Random(7)
    put = dict(junk(where(rnd, known)) for _ in range(count))
    world.store.write(put)
    return sorted(put)


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("w"), MemoryStore())


@pytest.mark.parametrize("where", PLACES)
def test_very_many_junk_objects_cost_a_bounded_number_of_fetches_one_line_and_nothing_more(
    world: World, where: Where
) -> None:
    wire = Wire(world.store)
    laptop, phone = world.device("laptop"), world.device("phone", store=wire)
    spoken(world, laptop, 1)
    engine.pull(phone)
    strewn(world, where, laptop.vault.device.writer)
    spoken(world, laptop, 2)
    wire.since()
    done = engine.pull(phone)
    assert wire.since().count("get") <= A_PULL + 4
    assert contents(phone) == ["laptop 0", "laptop 1", "laptop 2"], "what follows a known tip comes first"
    assert len(sentences(done.alarms)) == 1
    assert sum(alarm.count for alarm in done.alarms) == MANY
    assert len(done.alarms) <= 2
    for _ in range(refused.ROUNDS):
        phone = world.again(phone)
        again = engine.pull(phone)
        assert wire.since().count("get") == 0
        assert sum(alarm.count for alarm in again.alarms) == MANY
    spoken(world, laptop, 1)
    assert engine.pull(phone).taken.new == 1
    assert wire.since().count("get") <= A_PULL + 2


@pytest.mark.parametrize("looks", [3, pytest.param(5, marks=pytest.mark.slow)])
@pytest.mark.parametrize("where", PLACES)
def test_what_was_not_read_is_read_in_the_end_and_then_known(world: World, where: Where, looks: int) -> None:
    wire = Wire(world.store)
    laptop, phone = world.device("laptop"), world.device("phone", store=wire)
    spoken(world, laptop, 1)
    engine.pull(phone)
    strewn(world, where, laptop.vault.device.writer, looks * ONE_LOOK)
    for _ in range(3 * looks * (1 + refused.ROUNDS)):
        done = engine.pull(phone)
    assert {alarm.kind for alarm in done.alarms} == {"unreadable"}
    wire.since()
    for _ in range(2 * refused.ROUNDS):
        engine.pull(phone)
    assert set(wire.since()) == {"list"}


def test_a_new_writer_among_very_many_strange_names_is_found_in_the_end(world: World) -> None:
    phone = world.device("phone")
    engine.pull(phone)
    strewn(world, anywhere, "", 4 * ONE_LOOK)
    new = world.device("new")
    spoken(world, new, 2)
    for _ in range(10 * (1 + refused.ROUNDS)):
        engine.pull(phone)
    assert contents(phone) == ["new 0", "new 1"]


def test_what_has_a_size_that_no_segment_has_comes_last(world: World) -> None:
    phone, laptop, new = world.device("phone"), world.device("laptop"), world.device("new")
    spoken(world, laptop, 1)
    engine.pull(phone)
    rnd = random.Random(3)
    for where in PLACES:
        world.store.write(dict(junk(where(rnd, laptop.vault.device.writer), 322) for _ in range(MANY)))
    spoken(world, laptop, 1)
    spoken(world, new, 1)
    engine.pull(phone)
    assert contents(phone) == ["laptop 0", "laptop 1", "new 0"]


def test_a_new_writer_that_comes_after_the_junk_is_found_at_once(world: World) -> None:
    phone = world.device("phone")
    strewn(world, anywhere, "")
    engine.pull(phone)
    spoken(world, world.device("new"), 1)
    assert engine.pull(phone).taken.new == 1


def test_a_new_writer_that_another_device_vouches_for_is_found_at_once(world: World) -> None:
    phone, laptop, new = (world.device(name) for name in ("phone", "laptop", "new"))
    spoken(world, laptop, 1)
    engine.pull(phone)
    spoken(world, new, 1)
    engine.pull(laptop)
    spoken(world, laptop, 1)
    strewn(world, anywhere, "")
    strewn(world, next_in_a_known_log, laptop.vault.device.writer)
    for _ in range(2):  # the first hears of it
        engine.pull(phone)
    assert contents(phone) == ["laptop 0", "laptop 1", "new 0"]


def test_junk_in_one_log_takes_nothing_from_the_share_of_the_others(world: World) -> None:
    phone = world.device("phone")
    others = [world.device(f"d{number}") for number in range(5)]
    for link in others:
        spoken(world, link, 1)
    engine.pull(phone)
    for link in others[:4]:
        strewn(world, next_in_a_known_log, link.vault.device.writer, 3 * ONE_LOOK)
    for link in others:
        spoken(world, link, 1)
    engine.pull(phone)
    assert "d4 1" in contents(phone)
    assert SHARE * len(others) < MOST_READ


def test_junk_in_a_devices_own_log_costs_it_no_name_and_is_known_too(world: World) -> None:
    wire = Wire(world.store)
    phone = world.device("phone", store=wire)
    spoken(world, phone, 1)
    writer = phone.vault.device.writer
    strewn(world, next_in_a_known_log, writer)
    engine.pull(phone)
    assert wire.since().count("get") <= A_PULL + 2 * SHARE
    spoken(world, phone, 1)
    engine.pull(phone)
    assert wire.since().count("get") <= SHARE
    assert phone.vault.device.writer == writer


def test_what_changes_its_tag_is_read_again(world: World) -> None:
    laptop, phone = world.device("laptop"), world.device("phone")
    name = spoken(world, laptop, 1)[0]
    whole = world.store.get(name.key)
    world.store.write({name.key: bytes(reversed(whole))})
    assert [alarm.kind for alarm in engine.pull(phone).alarms] == ["unreadable"]
    world.store.write({name.key: whole})
    assert engine.pull(world.again(phone)).alarms == ()
    assert contents(phone) == ["laptop 0"]


class Garbles(Wire):
    """A wire that gives every object differently wrong, for so many reads."""

    wrong = 0

    def get(self, key: str) -> bytes:
        content = super().get(key)
        if key.endswith(".seg") and self.wrong:
            self.wrong -= 1
            at = 60 + self.wrong
            return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        return content


def test_what_came_damaged_on_its_way_is_read_again(world: World) -> None:
    """The store lists it as it was: it is the same name, size and tag."""
    wire = Garbles(world.store)
    laptop, phone = world.device("laptop"), world.device("phone", store=wire)
    spoken(world, laptop, 1)
    wire.wrong = 4
    assert [alarm.kind for alarm in engine.pull(phone).alarms] == ["unreadable"]
    assert [alarm.kind for alarm in engine.pull(phone).alarms] == ["unreadable"]
    assert engine.pull(phone).alarms == ()
    assert contents(phone) == ["laptop 0"]


@pytest.mark.parametrize("look", [survey.verify, repair.repair])
def test_who_reads_everything_finds_out_that_what_was_refused_is_sound(
    world: World, look: Callable[[Link], object]
) -> None:
    wire = Garbles(world.store)
    laptop, phone = world.device("laptop"), world.device("phone", store=wire)
    name = spoken(world, laptop, 1)[0]

    def get(key: str) -> bytes:
        return b"x" * len(world.store.get(key)) if key == name.key else world.store.get(key)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wire, "get", get)
        engine.pull(phone)
    assert [alarm.kind for alarm in engine.pull(phone).alarms] == ["unreadable"], "it looks as it did"
    look(phone)
    assert engine.pull(world.again(phone)).alarms == ()
    assert contents(phone) == ["laptop 0"]


def test_an_object_that_the_store_will_not_give_is_asked_for_each_time(world: World) -> None:
    class Refuses(Wire):
        refuses = True

        def get(self, key: str) -> bytes:
            if self.refuses and key.endswith(".seg"):
                raise StoreRefused(why="451")
            return super().get(key)

    wire = Refuses(world.store)
    laptop, phone = world.device("laptop"), world.device("phone", store=wire)
    spoken(world, laptop, 1)
    for _ in range(3):
        assert engine.pull(phone).alarms
    wire.refuses = False
    assert engine.pull(phone).alarms == ()


def test_quarantine_is_bounded_in_count_and_bytes_and_never_takes_the_place_of_a_version(world: World) -> None:
    laptop, phone = world.device("laptop"), world.device("phone")
    spoken(world, laptop, 1)
    engine.pull(phone)
    folder = phone.vault.layout.quarantine
    aside = folder / f"{'a' * 26}.{'0' * 32}.json.enc"
    aside.write_bytes(b"a version that was set aside")
    strewn(world, anywhere, "", 3 * refused.MOST_COPIES)
    for _ in range(20):
        engine.pull(phone)
    copies = [path for path in folder.iterdir() if path.suffix == ".seg"]
    assert len(copies) == refused.MOST_COPIES
    assert aside.read_bytes() == b"a version that was set aside"
    for path in copies:
        path.unlink()
    large = refused.MOST_COPIED // 4
    world.store.write(dict(junk(anywhere(random.Random(seed), ""), large) for seed in range(8)))
    engine.pull(phone)
    held = [path.stat().st_size for path in folder.iterdir() if path.suffix == ".seg"]
    assert sum(held) <= refused.MOST_COPIED


def test_what_is_remembered_is_bounded_and_forgotten_when_it_is_gone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = world.device("phone")
    keys = strewn(world, anywhere, "")
    engine.pull(phone)
    size = phone.vault.layout.sync_state.stat().st_size
    assert size < 20 * MANY
    world.store.write({}, keys)
    engine.pull(phone)
    assert phone.vault.layout.sync_state.stat().st_size < size // 10
    assert ledger(phone).state.refused == ""
    monkeypatch.setattr(refused, "MOST_KNOWN", 100)
    wire = Wire(world.store)
    phone = world.at(phone.vault.layout, store=wire)
    strewn(world, anywhere, "")
    for _ in range(4):
        wire.since()
        engine.pull(phone)
        assert wire.since().count("get") <= A_PULL


@pytest.mark.parametrize("damaged", ["", "not base64", "AAAA", "AQAA", "/////w=="])
def test_a_damaged_note_costs_a_second_reading(world: World, damaged: str) -> None:
    laptop, phone = world.device("laptop"), world.device("phone")
    spoken(world, laptop, 1)
    strewn(world, anywhere, "", 3)
    engine.pull(phone)
    phone.ledger.state.refused = damaged
    phone.ledger.save()
    assert len(engine.pull(world.again(phone)).alarms) == 3
    assert contents(phone) == ["laptop 0"]


def test_devices_and_numbers_do_not_listen_to_junk(world: World) -> None:
    laptop, phone = world.device("laptop"), world.device("phone")
    spoken(world, laptop, 1)
    engine.pull(phone)
    strewn(world, anywhere, "")
    strewn(world, far_in_a_known_log, laptop.vault.device.writer, 10)
    for _ in range(9):
        engine.pull(phone)
    found = survey.status(phone, look=True)
    assert sorted(line.name for line in found.devices) == ["laptop", "phone"]
    assert found.behind == 0


def test_another_vault_in_the_same_place_is_one_line(world: World, tmp_path_factory: pytest.TempPathFactory) -> None:
    phone = world.device("phone")
    spoken(world, phone, 1)
    elsewhere = World(tmp_path_factory.mktemp("other"), MemoryStore(), new_keys())
    strangers = [elsewhere.device(f"s{number}") for number in range(4)]
    for link in strangers:
        spoken(elsewhere, link, 2)
    world.store.write({key: body for key, body in elsewhere.objects().items() if key.endswith(".seg")})
    done = engine.pull(phone)
    assert {alarm.kind for alarm in done.alarms} == {"foreign"}
    assert len(sentences(done.alarms)) == 1


def test_accepted_junk_is_neither_told_nor_read(world: World) -> None:
    wire = Wire(world.store)
    laptop, phone = world.device("laptop"), world.device("phone", store=wire)
    spoken(world, laptop, 1)
    strewn(world, next_in_a_known_log, laptop.vault.device.writer, 20)
    engine.pull(phone)
    said = repair.repair(phone)
    assert len([line for line in said if "cannot be read" in line]) <= 4
    assert engine.pull(phone).alarms == ()
    wire.since()
    assert engine.pull(world.again(phone)).alarms == ()
    assert set(wire.since()) == {"list"}


def test_everything_goes_on_beside_junk(world: World) -> None:
    laptop, phone = world.device("laptop"), world.device("phone")
    for link in (laptop, phone):
        spoken(world, link, 1)
    settle(laptop, phone)
    for where in PLACES:
        strewn(world, where, laptop.vault.device.writer, 300)
    for _ in range(4):
        spoken(world, laptop, 1)
        spoken(world, phone, 2)
        sync(laptop, phone)
    sync(laptop, phone, laptop)
    assert len(contents(phone)) == 14
    assert in_step(laptop, phone)
    world.store.write({}, [key for key in world.objects() if key.endswith(".seg") and not _sound(world, key)])
    settle(laptop, phone)
    assert hashes(laptop) == hashes(phone)


def _sound(world: World, key: str) -> bool:
    name = SegmentName.parse(key)
    assert name is not None
    try:
        world.segment(name)
    except Exception:
        return False
    return True


def test_the_parts_of_the_words_add_up() -> None:
    from ghostie.sync.log import Alarm

    one = Alarm("unreadable", "a" * 16, "phone", 1, "positions 1 to 1: it does not open")
    assert sentences([one] * reading.FEW) == [one.sentence()] * reading.FEW
    many = Alarm("unreadable", "", "", 1, "one of them at …", 900)
    unread = Alarm("unread", "b" * 16, "desk", 1, "…", 100)
    gap = Alarm("gap", "c" * 16, "tablet", 5, "before position 5")
    said = sentences([gap, one, many, unread])
    assert len(said) == 2
    assert "1,001 objects" in said[0]
    assert "100 were not read yet" in said[0]
    assert said[1] == gap.sentence()
