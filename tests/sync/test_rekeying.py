"""Sealing everything again (a new key, taking one over, joining another vault): cut off anywhere, whatever a read
answers, nothing is lost, nothing is set aside that could not be read, and the next run goes on where it was.
"""

from __future__ import annotations

import contextlib
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ghostie.backends.folder import FolderStore
from ghostie.backends.store import MemoryStore
from ghostie.crypto import keys as keyring
from ghostie.crypto.sealing import Purpose, parse_header
from ghostie.errors import CannotRead, Unreachable
from ghostie.paths import Layout
from ghostie.sync import engine
from ghostie.sync.link import look
from ghostie.sync.moving import finish_move, rotate
from ghostie.sync.segment import SegmentName, Tips, open_segment
from ghostie.vault import open_vault, query
from tests.refusing import REASONS, refusing

from .joining import MINE, THEIRS, join, link_of, linked, new, sources
from .power import PowerCut, at_every_cut, cut_before
from .world import Wire, add, contents, in_step, settle

pytestmark = pytest.mark.usefixtures("quick_kdf")


@dataclass
class Move:
    """A vault that is about to be sealed again, and what begins that or goes on with it."""

    template: Path
    run: Callable[[Layout], object]

    def copy(self, home: Path) -> Layout:
        shutil.copytree(self.template, home)
        return Layout(home)


def lived_in(layout: Layout, passphrase: str) -> None:
    """Give the vault at *layout* all kinds of files that are sealed."""
    vault = open_vault(layout.home, passphrase=passphrase)
    for number in range(3):
        vault.add(f"memory {number}")
    vault.refresh()
    vault.remove([vault.add("removed").id])
    vault.edit(vault.select()[0].id, {"tags": ["edited"]})
    query.save_filter(vault, 1, "tag:edited")


@pytest.fixture(params=["rotate", "take over", "join"])
def move(request: pytest.FixtureRequest, tmp_path: Path, store: FolderStore) -> Move:
    laptop = Layout(tmp_path / "laptop")
    if request.param == "join":
        engine.push(link_of(join(new(tmp_path / "phone", "from the phone"), store), store))
        lived_in(new(laptop.home, passphrase=THEIRS), THEIRS)
        return Move(laptop.home, lambda layout: join(layout, store, sources(THEIRS, of_the_store=MINE)))
    lived_in(new(laptop.home), MINE)
    link = link_of(join(laptop, store), store)
    engine.push(link)
    add(link, "never pushed")
    if request.param == "rotate":
        return Move(laptop.home, rotated)
    phone = link_of(join(Layout(tmp_path / "phone"), store), store)
    engine.pull(phone)
    rotate(phone.vault.layout, phone.vault.keys, MINE, keyring.FLOOR)
    engine.push(linked(phone.vault.layout, store))
    return Move(laptop.home, lambda layout: join(layout, store))


def rotated(layout: Layout) -> object:
    """Rotate, as the command does: what was cut off is finished first."""
    finish_move(layout, sources())
    return rotate(layout, open_vault(layout.home, passphrase=MINE).keys, MINE, keyring.FLOOR)


class Nth:
    """Says yes to the file number *number*, from 1 on, of those in *home* that are opened to be read."""

    def __init__(self, home: Path, number: int) -> None:
        self.count = 0
        self._home = str(home)
        self._number = number

    def __call__(self, path: str) -> bool:
        if "/" in path and not path.startswith(self._home):  # the store's
            return False
        self.count += 1
        return self.count == self._number


def version_files(layout: Layout) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in layout.memories.iterdir() if not path.name.startswith(".tmp-")}


def assert_whole(layout: Layout, names: set[str]) -> None:
    """Everything is there, opens, and is under the newest key."""
    assert not layout.next_key.exists()
    assert list(layout.quarantine.iterdir()) == []
    vault = open_vault(layout.home, passphrase=MINE)
    files = version_files(layout)
    assert set(files) == names
    assert {parse_header(sealed, Purpose.VERSION) for sealed in files.values()} == {vault.keys.current}
    assert all(raw is not None for _, raw in vault.files.raw_many(vault.files.stems()))
    vault.refresh()
    assert query.load_filters(vault) == {1: "tag:edited"}


def unreadable_once(move: Move, layout: Layout, number: int, reason: str, call: str) -> bool:
    """Run *move* while the read *number* fails, then again; return whether there were so many reads."""
    before = version_files(layout)
    refuses = Nth(layout.home, number)
    with refusing(refuses, reason, call), contextlib.suppress(CannotRead):
        move.run(layout)
    after = version_files(layout)
    assert set(after) == set(before)
    changed = {name for name in before if before[name] != after[name]}
    assert layout.next_key.exists() or changed in (set(), set(before)), "it stopped before anything was moved"
    assert list(layout.quarantine.iterdir()) == []
    move.run(layout)
    assert_whole(layout, set(before))
    return refuses.count >= number


def test_any_read_that_fails_stops_it_and_the_next_run_loses_nothing(move: Move, tmp_path: Path) -> None:
    ways = [(reason, call) for reason in REASONS for call in ("open", "read") if (reason, call) != ("EMFILE", "read")]

    def attempt(number: int) -> bool:
        layout = move.copy(tmp_path / f"copy{number}")
        reached = unreadable_once(move, layout, number, *ways[number % len(ways)])
        shutil.rmtree(layout.home)
        return reached

    assert at_every_cut(attempt) >= 20


@pytest.mark.slow
def test_any_read_that_fails_after_any_cut_loses_nothing(move: Move, tmp_path: Path) -> None:
    for seed in range(400):
        chance = random.Random(seed)
        layout = move.copy(tmp_path / f"copy{seed}")
        names = set(version_files(layout))
        with contextlib.suppress(PowerCut), cut_before(chance.randint(1, 60)):
            move.run(layout)
        with contextlib.suppress(PowerCut, CannotRead):
            reason = chance.choice(list(REASONS))
            call = "open" if reason == "EMFILE" else chance.choice(["open", "read"])
            with refusing(Nth(layout.home, chance.randint(1, 40)), reason, call), cut_before(chance.randint(1, 200)):
                move.run(layout)
        move.run(layout)
        assert_whole(layout, names)
        shutil.rmtree(layout.home)


def test_a_file_that_stays_unreadable_is_named_and_everything_stays_as_it_was(move: Move, tmp_path: Path) -> None:
    for name in sorted(version_files(Layout(move.template))):
        layout = move.copy(tmp_path / name)
        before = version_files(layout)
        with refusing(name), pytest.raises(CannotRead, match=name):
            move.run(layout)
        assert version_files(layout) == before
        assert not layout.next_key.exists()
        move.run(layout)
        assert_whole(layout, set(before))


# -- the store follows ------------------------------------------------------------------------------------------------


class Counting(Wire):
    """A wire that loses the write number *lose*, from 1 on, and counts what is written to each segment."""

    def __init__(self, store: MemoryStore, lose: int) -> None:
        super().__init__(store)
        self._left = lose
        self.count: dict[SegmentName, int] = {}

    def write(self, put, delete=()):  # type: ignore[no-untyped-def]
        self._left -= 1
        if self._left == 0:
            raise Unreachable(why="the request was lost")
        super().write(put, delete)
        for key in put:
            if (name := SegmentName.parse(key)) is not None:
                self.count[name] = self.count.get(name, 0) + 1


def test_a_renewal_on_the_store_that_is_cut_off_goes_on_where_it_was(tmp_path: Path) -> None:
    store = MemoryStore()
    phone = link_of(join(new(tmp_path / "phone"), store), store)
    for number in range(5):
        add(phone, f"memory {number}")
        engine.push(phone)
    segments = len(look(store).names)
    assert segments == 5
    layout = phone.vault.layout
    rotate(layout, phone.vault.keys, MINE, keyring.FLOOR)
    wire = Counting(store, 0)
    for lose in (1, 3, 4, 3, 0):
        link = linked(layout, store)
        link.store = wire
        wire._left = lose
        with contextlib.suppress(Unreachable):
            engine.push(link)
    assert set(wire.count.values()) == {1}, "none is written twice"
    assert len(wire.count) == segments
    assert {parse_header(store.get(name.key), Purpose.SEGMENT) for name in look(store).names} == {2}
    late = link_of(join(Layout(tmp_path / "late"), store), store)
    settle(late, linked(layout, store))
    assert contents(late) == [f"memory {number}" for number in range(5)]


def test_a_purge_in_the_middle_of_a_renewal_reaches_what_was_renewed(tmp_path: Path) -> None:
    store = MemoryStore()
    phone = link_of(join(new(tmp_path / "phone"), store), store)
    made = []
    for number in range(3):
        made.append(add(phone, f"memory {number}"))
        engine.push(phone)
    layout = phone.vault.layout
    rotate(layout, phone.vault.keys, MINE, keyring.FLOOR)
    link = linked(layout, store)
    link.store = Counting(store, 4)
    with pytest.raises(Unreachable):
        engine.push(link)
    again = linked(layout, store)
    again.vault.purge([version.id for version in made])
    engine.push(again)
    engine.push(linked(layout, store))
    late = link_of(join(Layout(tmp_path / "late"), store), store)
    engine.pull(late)
    assert contents(late) == []
    keys, tips = late.vault.keys, Tips(late.vault.keys)
    left = [raw for name in look(store).names for raw in open_segment(keys, tips, name, store.get(name.key)).raw]
    assert not any(b"content" in raw for raw in left if raw is not None)
    assert in_step(late, linked(layout, store))


def test_a_device_that_lost_its_state_renews_what_may_be_under_an_older_key(tmp_path: Path) -> None:
    store = MemoryStore()
    phone = link_of(join(new(tmp_path / "phone", "a"), store), store)
    engine.push(phone)
    layout = phone.vault.layout
    rotate(layout, phone.vault.keys, MINE, keyring.FLOOR)
    layout.sync_state.unlink()
    engine.push(linked(layout, store))
    assert {parse_header(store.get(name.key), Purpose.SEGMENT) for name in look(store).names} == {2}
