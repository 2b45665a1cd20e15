"""In which order things reach the disk and the store: whatever comes in between, or cuts it off, nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from ghostie.backends.folder import FolderStore
from ghostie.crypto import keys as keyring
from ghostie.crypto.sealing import Purpose, parse_header
from ghostie.errors import KeysChanged, KeysRotated, StoreChanged, Unreachable
from ghostie.sync import engine
from ghostie.sync.link import Link, look
from ghostie.sync.moving import rotate
from ghostie.sync.retiring import retire
from ghostie.sync.segment import SegmentName, key_name
from ghostie.vault import open_vault

from .joining import MINE, join, link_of, linked, new
from .power import PowerCut, at_every_cut, cut_before
from .world import Wire, World, add, contents, key_file_of, settle


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


@pytest.mark.usefixtures("quick_kdf")
def test_a_move_that_starts_from_keys_that_were_left_meanwhile_is_refused(tmp_path: Path) -> None:
    layout = new(tmp_path / "phone", "a")
    stale = open_vault(layout.home, passphrase=MINE).keys
    rotate(layout, stale, MINE, keyring.FLOOR)
    file = layout.master_key.read_bytes()
    with pytest.raises(KeysChanged):
        rotate(layout, stale, MINE, keyring.FLOOR)
    assert layout.master_key.read_bytes() == file
    assert not layout.next_key.exists()


def test_a_folder_loses_nothing_where_a_write_that_replaces_objects_is_cut_off(tmp_path: Path) -> None:
    """What takes the place of others is there before they go."""

    def attempt(number: int) -> bool:
        root = tmp_path / f"store {number}"
        root.mkdir()
        store = FolderStore(root)
        store.write({"old/1": b"x", "old/2": b"y"})
        try:
            with cut_before(number):
                store.write({"new/1-2": b"xy"}, ["old/1", "old/2"])
        except PowerCut:
            cut = True
        else:
            cut = False
        there = {info.key for info in FolderStore(root).list("")}
        assert "new/1-2" in there or {"old/1", "old/2"} <= there
        return cut

    assert at_every_cut(attempt) >= 4


def test_what_an_older_self_had_sealed_goes_out_under_the_new_name_alone(world: World, laptop: Link) -> None:
    wire = Wire(world.store)
    phone = world.device("phone", store=wire)
    add(phone, "sealed and not sent")
    wire.lose_before = 1
    with pytest.raises(Unreachable):
        engine.push(phone)
    before = writer_of(phone)
    phone.vault.device.reborn().save(phone.vault.layout)
    phone = world.again(phone)
    engine.push(phone)
    assert world.names(before) == []
    assert len(world.names(writer_of(phone))) == 1
    assert list(phone.vault.layout.outbox.iterdir()) == []
    engine.pull(laptop)
    assert contents(laptop) == ["sealed and not sent"]


def test_a_false_object_that_claims_a_whole_log_makes_nobody_remove_the_true_ones(world: World, phone: Link) -> None:
    """Compaction removes what lies within a bigger one of its own, and of its own alone."""
    for number in range(6):
        add(phone, f"memory {number}")
        engine.push(phone)
    writer = writer_of(phone)
    false = SegmentName(writer, 1, 1000, "0" * 16)
    world.store.write({false.key: b"no segment"})
    for number in range(6, 16):
        add(phone, f"memory {number}")
        engine.push(phone)
    own = [name for name in world.names(writer) if name != false]
    covered = {at for name in own for at in range(name.first, name.last + 1)}
    assert covered == set(range(1, 17))
    assert writer_of(phone) == writer


def test_a_key_object_under_a_name_that_is_not_its_own_is_not_this_vaults(world: World, phone: Link) -> None:
    add(phone, "a")
    engine.push(phone)
    name = key_name(world.config.slot)
    body = world.store.get(name)
    world.store.write({key_name("0" * 32): body}, [name])
    add(phone, "b")
    before = world.names()
    with pytest.raises(StoreChanged):
        engine.push(world.again(phone))
    assert world.names() == before


def test_a_store_that_becomes_another_vaults_while_a_device_is_retired_loses_no_object(
    world: World, phone: Link, tablet: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(tablet, "of the tablet")
    settle(phone, tablet)
    push = engine.push

    def pushed(link: Link, **named: bool) -> engine.Pushed:
        done = push(link, **named)
        foreign = key_file_of(keyring.new_keys())
        world.store.write({key_name(foreign.digest): foreign.spelt()}, [key_name(world.config.slot)])
        return done

    monkeypatch.setattr(engine, "push", pushed)
    with pytest.raises(StoreChanged):
        retire(phone, writer_of(tablet))
    assert world.names(writer_of(tablet))


@pytest.mark.usefixtures("quick_kdf")
def test_a_new_key_leaves_no_index_under_the_old_one(tmp_path: Path) -> None:
    layout = new(tmp_path / "phone", "a")
    vault = open_vault(layout.home, passphrase=MINE)
    vault.refresh()
    vault.index.save()
    assert layout.index_snapshot.exists()
    rotate(layout, vault.keys, MINE, keyring.FLOOR)
    assert not [path for path in (layout.index_snapshot, layout.index_journal, layout.search) if path.exists()]


@pytest.mark.usefixtures("quick_kdf")
def test_a_device_that_lost_its_key_file_joins_its_own_vault_and_no_other(tmp_path: Path, store: FolderStore) -> None:
    layout = new(tmp_path / "phone", "a")
    join(layout, store)
    layout.master_key.unlink()
    store.write({}, [info.key for info in store.list("")])
    join(new(tmp_path / "another's", "b"), store)
    with pytest.raises(StoreChanged):
        join(layout, store)
    assert not layout.master_key.exists()
