"""In which order things reach the disk and the store: whatever comes in between, or cuts it off, nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from ghostie.backends.folder import FolderStore
from ghostie.crypto import keys as keyring
from ghostie.crypto.sealing import Purpose, parse_header
from ghostie.errors import KeysChanged, KeysRotated
from ghostie.sync import engine
from ghostie.sync.link import Link, look
from ghostie.sync.moving import rotate
from ghostie.sync.retiring import retire
from ghostie.vault import open_vault

from .joining import MINE, join, link_of, linked, new
from .power import PowerCut, at_every_cut, cut_before
from .world import World, add, contents, settle


def writer_of(link: Link) -> str:
    return link.vault.device.writer


def test_a_push_that_is_cut_off_anywhere_goes_on_as_the_same_writer(world: World, phone: Link) -> None:
    """What the store has and the own log does not still waits in the outbox: it is no copy of this device that sent it."""
    add(phone, "first")
    engine.push(phone)
    writer = writer_of(phone)
    add(phone, "second")
    backup = world.back_up(phone)

    def attempt(number: int) -> bool:
        link = world.restore(phone, backup)
        for name in world.names(writer)[1:]:
            world.store.write({}, [name.key])
        try:
            with cut_before(number):
                engine.push(link)
        except PowerCut:
            cut = True
        else:
            cut = False
        link = world.again(link)
        assert engine.push(link).notices == ()
        assert writer_of(world.again(link)) == writer
        assert [name.last for name in world.names(writer)] == [1, 2]
        return cut

    assert at_every_cut(attempt) >= 5


def test_a_pull_that_is_cut_off_anywhere_forgets_nothing_that_was_vouched_for(
    world: World, phone: Link, laptop: Link, tablet: Link
) -> None:
    """A device takes in a log whose segment says how far another log went; the store then hides that other log."""
    add(laptop, "known to all")
    settle(laptop, phone)
    add(tablet, "what is hidden")
    settle(tablet, laptop)
    add(laptop, "what vouches for it")
    engine.push(laptop)
    world.store.write({}, [name.key for name in world.names(writer_of(tablet))])
    backup = world.back_up(phone)

    def attempt(number: int) -> bool:
        link = world.restore(phone, backup)
        try:
            with cut_before(number):
                engine.pull(link)
        except PowerCut:
            cut = True
        else:
            cut = False
        alarms = engine.pull(world.again(link)).alarms
        assert {alarm.writer for alarm in alarms} == {writer_of(tablet)}
        return cut

    assert at_every_cut(attempt) >= 5


def test_what_a_device_publishes_while_it_is_retired_is_adopted_before_its_objects_go(
    world: World, phone: Link, laptop: Link, tablet: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(tablet, "known")
    settle(phone, laptop, tablet)
    gone = writer_of(tablet)
    push = engine.push
    late = ["late"]

    def pushed(link: Link, **named: bool) -> engine.Pushed:
        if late:
            add(tablet, late.pop())
            push(tablet)
        return push(link, **named)

    monkeypatch.setattr(engine, "push", pushed)
    assert retire(phone, gone).adopted == 2
    monkeypatch.undo()
    assert world.names(gone) == []
    settle(phone, laptop)
    assert contents(laptop) == ["known", "late"]


@pytest.mark.usefixtures("quick_kdf")
def test_of_two_rotations_the_one_that_reached_the_store_stays(tmp_path: Path, store: FolderStore) -> None:
    first = link_of(join(new(tmp_path / "phone", "a"), store), store)
    second = link_of(join(new(tmp_path / "laptop"), store), store)
    settle(first, second)
    for link in (first, second):
        rotate(link.vault.layout, link.vault.keys, MINE, keyring.FLOOR)
    engine.push(linked(first.vault.layout, store))
    there = look(store).slots
    add(behind := linked(second.vault.layout, store), "under the key that gives way")
    objects = {info.key for info in store.list("")}
    with pytest.raises(KeysRotated):
        engine.push(behind)
    assert look(store).slots == there
    assert {info.key for info in store.list("")} == objects, "and nothing went out under its key"


@pytest.mark.usefixtures("quick_kdf")
def test_a_vault_that_is_open_while_another_process_rotates_writes_nothing_under_the_old_key(tmp_path: Path) -> None:
    layout = new(tmp_path / "phone", "a")
    open_before = open_vault(layout.home, passphrase=MINE)
    rotate(layout, open_before.keys, MINE, keyring.FLOOR)
    with pytest.raises(KeysChanged):
        open_before.add("under the key that was left")
    assert {parse_header(path.read_bytes(), Purpose.VERSION) for path in layout.memories.iterdir()} == {2}
    again = open_vault(layout.home, passphrase=MINE)
    again.refresh()
    assert len(again.select()) == 1


@pytest.mark.usefixtures("quick_kdf")
def test_while_a_move_to_another_key_is_unfinished_nothing_is_written_under_the_old_one(tmp_path: Path) -> None:
    layout = new(tmp_path / "phone", "a")
    vault = open_vault(layout.home, passphrase=MINE)
    before = set(layout.memories.iterdir())
    layout.next_key.write_bytes(b"a move that was cut off")
    with pytest.raises(KeysChanged):
        vault.add("under the key that is being left")
    assert set(layout.memories.iterdir()) == before
