"""First contact: creating on an empty store, joining what is there, bringing memories along, nothing by accident."""

from __future__ import annotations

import contextlib
import itertools
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ghostie.backends.folder import FolderStore
from ghostie.backends.store import MemoryStore, ObjectStore
from ghostie.crypto import keys as keyring
from ghostie.crypto import sodium
from ghostie.crypto.sealing import Keys
from ghostie.crypto.unlock import Sources
from ghostie.errors import (
    ForeignVault,
    KeysRotated,
    NoMemory,
    NoPassphrase,
    NoVault,
    RefusedKeyFile,
    StoreChanged,
    StoreRefused,
    Unreachable,
    VaultBusy,
    WrongKey,
)
from ghostie.memory import Version
from ghostie.paths import Layout
from ghostie.sync import engine, repair, survey
from ghostie.sync.config import load_config
from ghostie.sync.link import Link, SyncBusy, alone, look
from ghostie.sync.moving import rotate
from ghostie.sync.notices import NEW_PASSPHRASE, RIVAL
from ghostie.sync.segment import key_name
from ghostie.sync.setup import SetUp
from ghostie.sync.slots import note_new_key
from ghostie.vault import open_vault
from ghostie.vault.device import load_device
from ghostie.vault.vault import Vault

from .joining import MINE, THEIRS, join, link_of, linked, new, sources
from .power import PowerCut, at_every_cut, cut_before
from .world import Wire, add, contents, every_version, everything, hashes, in_conflict, in_step, settle

# -- creating ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick_kdf")
def test_an_empty_store_gets_the_vaults_key_object_and_nothing_else(tmp_path: Path, store: FolderStore) -> None:
    done = join(new(tmp_path / "phone", "a"), store)
    assert not done.joined
    (key,) = (info.key for info in store.list(""))
    assert key == key_name(done.config.slot)
    assert keyring.unwrap(keyring.parse(store.get(key)), MINE) == done.vault.keys
    assert load_config(done.vault.layout) == done.config
    assert done.vault.device == load_device(done.vault.layout)
    assert engine.push(link_of(done, store)).versions == 1


def test_create_and_join_with_the_real_key_derivation(tmp_path: Path, store: FolderStore) -> None:
    phone = link_of(join(new(tmp_path / "phone", "from the phone"), store), store)
    engine.push(phone)
    laptop = link_of(join(Layout(tmp_path / "laptop"), store, name="laptop"), store)
    engine.pull(laptop)
    assert contents(laptop) == ["from the phone"]
    assert keyring.parse(laptop.vault.layout.master_key.read_bytes()).cost == keyring.FLOOR
    assert contents(linked(laptop.vault.layout, store)) == ["from the phone"]


@pytest.mark.usefixtures("quick_kdf")
def test_with_nothing_here_and_nothing_there_there_is_nothing_to_set_up(tmp_path: Path, store: FolderStore) -> None:
    with pytest.raises(NoVault):
        join(Layout(tmp_path / "nobody"), store)
    assert not (tmp_path / "nobody").exists()
    assert store.list("") == []


@pytest.mark.usefixtures("quick_kdf")
def test_setting_up_twice_changes_nothing(tmp_path: Path, store: FolderStore) -> None:
    layout = new(tmp_path / "phone", "a")
    first = join(layout, store)
    engine.push(link_of(first, store))
    there = {info.key for info in store.list("")}
    second = join(layout, store)
    assert (second.config, second.vault.device) == (first.config, first.vault.device)
    assert engine.push(link_of(second, store)).segments == 0
    assert {info.key for info in store.list("")} == there


# -- joining ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick_kdf")
def test_a_device_without_a_vault_joins_with_the_passphrase_alone(tmp_path: Path, store: FolderStore) -> None:
    phone = link_of(join(new(tmp_path / "phone", "from the phone"), store), store)
    engine.push(phone)
    done = join(Layout(tmp_path / "laptop"), store, name="laptop")
    assert (done.joined, done.brought, done.vault.device.name) == (True, 0, "laptop")
    laptop = link_of(done, store)
    add(laptop, "from the laptop")
    settle(laptop, phone)
    assert in_step(phone, laptop)
    assert laptop.vault.device.writer != phone.vault.device.writer
    assert contents(linked(laptop.vault.layout, store)) == ["from the laptop", "from the phone"]


@pytest.mark.usefixtures("quick_kdf")
def test_a_device_with_memories_of_its_own_brings_them_along(tmp_path: Path, store: FolderStore) -> None:
    phone = link_of(join(new(tmp_path / "phone", "from the phone"), store), store)
    engine.push(phone)
    layout = new(tmp_path / "laptop", "mine", "mine too", passphrase=THEIRS)
    older = open_vault(layout.home, passphrase=THEIRS)
    edited = older.edit(older.add("edited").id, {"content": "edited twice"})
    older.remove([older.add("removed").id])
    brought = {
        version.hash for _, version in older.files.read_many(older.files.stems()) if isinstance(version, Version)
    }
    done = join(layout, store, sources(THEIRS, of_the_store=MINE))
    assert (done.joined, done.brought) == (True, 6)
    laptop = link_of(done, store)
    assert laptop.vault.keys == phone.vault.keys
    assert hashes(laptop) == brought
    settle(laptop, phone)
    assert in_step(phone, laptop)
    assert contents(phone) == ["edited twice", "from the phone", "mine", "mine too"]
    assert edited.hash in hashes(phone)
    # the passphrase of the joined vault opens the device from now on, the old one no more
    assert contents(linked(layout, store)) == contents(phone)
    with pytest.raises(WrongKey):
        open_vault(layout.home, passphrase=THEIRS)


@pytest.mark.usefixtures("quick_kdf")
@pytest.mark.parametrize("with_memories", [False, True])
def test_a_wrong_passphrase_is_a_foreign_vault_and_nothing_is_written_anywhere(
    tmp_path: Path, store: FolderStore, with_memories: bool
) -> None:
    engine.push(link_of(join(new(tmp_path / "phone", "a"), store), store))
    layout = new(tmp_path / "laptop", "mine", passphrase=THEIRS) if with_memories else Layout(tmp_path / "laptop")
    here = snapshot(layout.home)
    there = snapshot(store.root)
    with pytest.raises(ForeignVault):
        join(layout, store, sources(THEIRS))
    assert snapshot(layout.home) == here
    assert snapshot(store.root) == there
    assert with_memories or not layout.home.exists()


@pytest.mark.usefixtures("quick_kdf")
def test_a_wrong_passphrase_for_the_devices_own_vault_stops_before_any_change_too(
    tmp_path: Path, store: FolderStore
) -> None:
    engine.push(link_of(join(new(tmp_path / "phone", "a"), store), store))
    layout = new(tmp_path / "laptop", "mine", passphrase=THEIRS)
    here = snapshot(layout.home)
    for with_ in (sources(MINE), sources("not any of them", of_the_store=MINE)):
        with pytest.raises(WrongKey):
            join(layout, store, with_)
        assert snapshot(layout.home) == here
    with pytest.raises(NoPassphrase):
        join(layout, store, sources(None))
    assert snapshot(layout.home) == here


def snapshot(folder: Path) -> dict[str, bytes]:
    """Return every file below *folder* but the sync lock, which is empty and stays."""
    paths = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: path.read_bytes() for name, path in paths.items() if name != "sync/lock"}


@pytest.mark.usefixtures("quick_kdf")
def test_a_join_that_is_cut_off_anywhere_is_finished_by_running_it_again(tmp_path: Path, store: FolderStore) -> None:
    phone = link_of(join(new(tmp_path / "phone", "from the phone"), store), store)
    engine.push(phone)

    def attempt(number: int) -> bool:
        layout = Layout(tmp_path / f"laptop{number}")
        try:
            with cut_before(number):
                join(layout, store, name="laptop")
        except PowerCut:
            cut = True
        else:
            cut = False
        laptop = link_of(join(layout, store, name="laptop"), store)
        engine.pull(laptop)
        assert contents(laptop) == ["from the phone"]
        assert contents(linked(layout, store)) == ["from the phone"]
        shutil.rmtree(layout.home)
        return cut

    assert at_every_cut(attempt) >= 10


@pytest.mark.usefixtures("quick_kdf")
@pytest.mark.parametrize("theirs", [MINE, THEIRS], ids=["one passphrase", "two passphrases"])
def test_bringing_memories_along_that_is_cut_off_anywhere_is_finished_by_running_it_again(
    tmp_path: Path, store: FolderStore, theirs: str
) -> None:
    phone = link_of(join(new(tmp_path / "phone", "from the phone"), store), store)
    engine.push(phone)
    template = new(tmp_path / "template", "one", "two", "three", passphrase=theirs)
    older = open_vault(template.home, passphrase=theirs)
    older.remove([older.add("gone").id])
    brought = older.files.stems()

    def attempt(number: int) -> bool:
        layout = Layout(tmp_path / f"laptop{number}")
        shutil.copytree(template.home, layout.home)
        cut = False
        try:
            with cut_before(number):
                join(layout, store, sources(theirs, of_the_store=MINE))
        except PowerCut:
            cut = True
        done = join(layout, store, sources(theirs, of_the_store=MINE))
        assert done.joined
        assert done.vault.files.stems() == brought
        every_version(link_of(done, store))
        assert not layout.next_key.exists()
        assert not list(layout.quarantine.iterdir())
        assert contents(linked(layout, store)) == ["one", "three", "two"]
        if number % 10 == 0:
            laptop = link_of(done, store)
            engine.pull(laptop)
            assert engine.push(laptop).versions + hashes_known(phone, brought) == len(brought)
            settle(phone, laptop)
            assert in_step(phone, laptop)
        shutil.rmtree(layout.home)
        return cut

    assert at_every_cut(attempt) >= 30


def hashes_known(link: Link, stems: set[str]) -> int:
    return len(stems & link.vault.files.stems())


@pytest.mark.usefixtures("quick_kdf")
def test_a_damaged_file_is_set_aside_and_the_rest_comes_along(tmp_path: Path, store: FolderStore) -> None:
    join(new(tmp_path / "phone"), store)
    layout = new(tmp_path / "laptop", "whole", "broken", passphrase=THEIRS)
    older = open_vault(layout.home, passphrase=THEIRS)
    older.refresh()
    broken = next(entry for entry in older.select() if older.shown(entry).field("content") == "broken")
    path = layout.version(broken.stems()[0])
    path.write_bytes(path.read_bytes()[:-1])
    done = join(layout, store, sources(THEIRS, of_the_store=MINE))
    assert contents(link_of(done, store)) == ["whole"]
    assert [kept.name for kept in layout.quarantine.iterdir()] == [path.name]


@pytest.mark.usefixtures("quick_kdf")
def test_open_conflicts_come_along_when_a_device_joins(tmp_path: Path, store: FolderStore) -> None:
    phone = link_of(join(new(tmp_path / "phone"), store), store)
    layout = new(tmp_path / "laptop", passphrase=THEIRS)
    older = open_vault(layout.home, passphrase=THEIRS)
    memory = older.add("shut")
    twin = open_vault(layout.home, passphrase=THEIRS)
    older.edit(memory.id, {"content": "open"})
    twin.refresh()
    twin.edit(memory.id, {"content": "locked"}, base=memory.hash)
    laptop = link_of(join(layout, store, sources(THEIRS, of_the_store=MINE)), store)
    settle(laptop, phone)
    assert in_conflict(phone) == in_conflict(laptop) == [memory.id]


# -- key objects ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick_kdf")
def test_a_new_passphrase_reaches_the_store_and_the_other_devices_go_on(tmp_path: Path, store: FolderStore) -> None:
    layout = new(tmp_path / "phone", "a")
    phone = link_of(join(layout, store), store)
    laptop = link_of(join(Layout(tmp_path / "laptop"), store), store)
    settle(phone, laptop)
    note_new_key(layout, keyring.wrap(phone.vault.keys, "a whole new passphrase", keyring.FLOOR))
    engine.push(phone)
    assert len(look(store).slots) == 1
    with pytest.raises(ForeignVault):
        join(Layout(tmp_path / "late"), store)
    late = link_of(join(Layout(tmp_path / "late"), store, sources("a whole new passphrase")), store)
    add(laptop, "b")
    settle(laptop, phone, late)
    assert in_step(phone, laptop, late)


@pytest.mark.usefixtures("quick_kdf")
def test_while_an_old_key_object_is_still_there_either_passphrase_joins(tmp_path: Path, store: FolderStore) -> None:
    phone = link_of(join(new(tmp_path / "phone", "a"), store), store)
    engine.push(phone)
    for number in range(4):
        file = keyring.wrap(phone.vault.keys, f"another passphrase {number}", keyring.FLOOR)
        store.write({key_name(file.digest): file.spelt()})
    for number in range(4):
        done = join(Layout(tmp_path / f"laptop{number}"), store, sources(f"another passphrase {number}"))
        assert done.vault.keys == phone.vault.keys
    assert join(Layout(tmp_path / "laptop"), store).vault.keys == phone.vault.keys


@pytest.mark.usefixtures("quick_kdf")
def test_changing_the_passphrase_leaves_another_vaults_key_object_alone(tmp_path: Path, store: FolderStore) -> None:
    layout = new(tmp_path / "phone", "a")
    phone = link_of(join(layout, store), store)
    strange = key_file_after(phone.vault.keys.vault)
    store.write({key_name(strange.digest): strange.spelt()})
    note_new_key(layout, keyring.wrap(phone.vault.keys, "a whole new passphrase", keyring.FLOOR))
    engine.push(phone)
    assert look(store).slots == {phone.config.slot, strange.digest}


def key_file_after(vault: bytes, *, before: bool = False) -> keyring.KeyFile:
    """Return the key file of another vault, whose id is greater than *vault* (or smaller)."""
    while True:
        keys = keyring.new_keys()
        if (keys.vault < vault) == before:
            return keyring.wrap(keys, THEIRS, keyring.FLOOR)


@pytest.mark.usefixtures("quick_kdf")
@pytest.mark.parametrize("body", [b"", b"junk", b"{}", b'{"format":"ghostie-key-1"}'])
def test_junk_among_the_key_objects_is_passed_over(tmp_path: Path, store: FolderStore, body: bytes) -> None:
    store.write({key_name("0" * 32): body})
    phone = link_of(join(new(tmp_path / "phone", "a"), store), store)
    engine.push(phone)
    laptop = link_of(join(Layout(tmp_path / "laptop"), store), store)
    settle(laptop, phone)
    assert in_step(phone, laptop)


@pytest.mark.usefixtures("quick_kdf")
def test_a_key_object_whose_derivation_is_too_easy_is_never_used(
    tmp_path: Path, store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = join(new(tmp_path / "phone", "a"), store)
    file = keyring.parse(store.get(key_name(phone.config.slot)))
    weak = keyring.KeyFile(
        file.vault, 1, keyring.Cost(1 << 20, 1), file.salt, file.wrapped, file.commitment, file.chain
    )
    with pytest.raises(RefusedKeyFile):
        keyring.parse(weak.spelt())
    store.write({key_name(weak.digest): weak.spelt()}, [key_name(file.digest)])
    spent: list[int] = []
    monkeypatch.setattr("ghostie.crypto.sodium.argon2id", lambda *_: spent.append(1))
    with pytest.raises((NoVault, StoreRefused)):
        join(Layout(tmp_path / "laptop"), store)
    assert spent == []


# -- another store later ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick_kdf")
def test_a_store_that_is_empty_later_is_not_set_up_anew_by_accident(tmp_path: Path, store: FolderStore) -> None:
    layout = new(tmp_path / "phone", "a")
    phone = link_of(join(layout, store), store)
    engine.push(phone)
    store.write({}, [info.key for info in store.list("")])
    with pytest.raises(StoreChanged):
        join(layout, store)
    with pytest.raises(StoreChanged):
        engine.pull(phone)
    assert store.list("") == []
    done = join(layout, store, again=True)
    assert not done.joined
    assert engine.push(link_of(done, store)).versions == 1
    late = link_of(join(Layout(tmp_path / "late"), store), store)
    settle(late)
    assert contents(late) == ["a"]


@pytest.mark.usefixtures("quick_kdf")
def test_devices_come_back_together_after_one_set_an_emptied_store_up_again(tmp_path: Path, store: FolderStore) -> None:
    phone = link_of(join(new(tmp_path / "phone", "a"), store), store)
    laptop = link_of(join(Layout(tmp_path / "laptop"), store), store)
    add(laptop, "b")
    settle(phone, laptop)
    store.write({}, [info.key for info in store.list("")])
    add(laptop, "c")
    phone = link_of(join(phone.vault.layout, store, again=True), store)
    engine.push(phone)
    assert engine.pull(laptop).alarms
    repair.repair(laptop)
    settle(laptop, phone)
    assert contents(phone) == contents(laptop) == ["a", "b", "c"]


@pytest.mark.usefixtures("quick_kdf")
def test_a_store_that_vanished_is_unreachable_and_never_taken_for_empty(tmp_path: Path, store: FolderStore) -> None:
    layout = new(tmp_path / "phone", "a")
    join(layout, store)
    shutil.rmtree(store.root)
    for again in (False, True):
        with pytest.raises(Unreachable):
            join(layout, store, again=again)
    assert not store.root.exists()


@pytest.mark.usefixtures("quick_kdf")
def test_another_vault_in_the_same_place_is_not_joined_by_accident(tmp_path: Path, store: FolderStore) -> None:
    layout = new(tmp_path / "phone", "mine")
    engine.push(link_of(join(layout, store), store))
    store.write({}, [info.key for info in store.list("")])
    other = link_of(join(new(tmp_path / "other", "theirs", passphrase=THEIRS), store, sources(THEIRS)), store)
    engine.push(other)
    here = snapshot(layout.home)
    with pytest.raises(StoreChanged):
        join(layout, store, sources(MINE, of_the_store=THEIRS))
    assert snapshot(layout.home) == here
    done = join(layout, store, sources(MINE, of_the_store=THEIRS), again=True)
    assert (done.joined, done.brought) == (True, 1)
    settle(link_of(done, store), other)
    assert contents(other) == ["mine", "theirs"]


@pytest.mark.usefixtures("quick_kdf")
def test_moving_to_another_store_publishes_everything_there_and_leaves_the_old_one_as_it_is(
    tmp_path: Path, store: FolderStore
) -> None:
    phone = link_of(join(new(tmp_path / "phone", "a", "b"), store), store)
    laptop = link_of(join(Layout(tmp_path / "laptop"), store), store)
    add(laptop, "c")
    settle(phone, laptop)
    old = snapshot(store.root)
    elsewhere = MemoryStore()
    moved = {"path": "elsewhere"}
    done = join(phone.vault.layout, elsewhere, options=moved)
    phone = link_of(done, elsewhere)
    assert done.vault.device == load_device(done.vault.layout)
    assert engine.push(phone).versions == 3
    assert snapshot(store.root) == old
    follows = join(laptop.vault.layout, elsewhere, options=moved)
    assert (follows.joined, follows.brought) == (True, 0)
    assert follows.vault.device == load_device(follows.vault.layout)
    settle(link_of(follows, elsewhere), phone)
    assert in_step(link_of(follows, elsewhere), phone)


@pytest.mark.usefixtures("quick_kdf")
def test_segments_without_any_key_object_are_not_built_upon(tmp_path: Path, store: FolderStore) -> None:
    phone = link_of(join(new(tmp_path / "phone", "a"), store), store)
    engine.push(phone)
    store.write({}, [key_name(phone.config.slot)])
    with pytest.raises(StoreRefused):
        join(new(tmp_path / "laptop", "b"), store)
    repair.repair(phone)
    assert join(Layout(tmp_path / "late"), store).joined


# -- two at once ------------------------------------------------------------------------------------------------------


class Meanwhile(Wire):
    """A wire on which somebody else does something before the call *number*, counted from 1."""

    def __init__(self, store: ObjectStore, number: int, then: Callable[[], None]) -> None:
        super().__init__(store)
        self._number = number
        self._then = then

    def _turn(self) -> None:
        self._number -= 1
        if self._number == 0:
            self._then()

    def list(self, prefix: str):  # type: ignore[no-untyped-def]
        self._turn()
        return super().list(prefix)

    def get(self, key: str) -> bytes:
        self._turn()
        return super().get(key)

    def write(self, put, delete=()):  # type: ignore[no-untyped-def]
        self._turn()
        super().write(put, delete)


@pytest.mark.usefixtures("quick_kdf")
@pytest.mark.parametrize("pushes", [False, True], ids=["before they push", "after they pushed"])
@pytest.mark.parametrize("smaller_first", [False, True])
@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6])
def test_two_devices_that_set_up_an_empty_store_at_once_end_in_one_vault(
    tmp_path: Path, number: int, smaller_first: bool, pushes: bool
) -> None:
    store = MemoryStore()
    layouts = [new(tmp_path / name, f"from the {name}") for name in ("phone", "laptop")]
    layouts.sort(key=lambda layout: keyring.parse(layout.master_key.read_bytes()).vault, reverse=not smaller_first)
    smaller = min(keyring.parse(layout.master_key.read_bytes()).vault for layout in layouts)
    inner: list[SetUp] = []

    def other() -> None:
        inner.append(join(layouts[1], store))
        if pushes:
            engine.push(link_of(inner[0], store))

    outer = join(layouts[0], Meanwhile(store, number, other))
    if not inner:
        other()
    links = []
    for layout, done in ((layouts[0], outer), (layouts[1], inner[0])):
        link = link_of(done, store)
        if RIVAL in engine.pull(link, dry_run=True).notices:
            link = link_of(join(layout, store, again=True), store)
        links.append(link)
    settle(*links)
    assert {link.vault.keys.vault for link in links} == {slot_vault(store)}
    assert number > 3 or slot_vault(store) == smaller or len(inner) == 1
    assert contents(links[0]) == contents(links[1]) == ["from the laptop", "from the phone"]
    assert in_step(*links)
    assert survey.verify(links[0]) == []
    late = link_of(join(Layout(tmp_path / "late"), store), store)
    settle(late)
    assert in_step(late, links[0])


def slot_vault(store: ObjectStore) -> bytes:
    (vault,) = {keyring.parse(store.get(key_name(slot))).vault for slot in look(store).slots}
    return vault


@pytest.mark.usefixtures("quick_kdf")
def test_another_vault_that_is_set_up_beside_ours_does_not_disturb_us(tmp_path: Path, store: FolderStore) -> None:
    phone = link_of(join(new(tmp_path / "phone", "a"), store), store)
    later = key_file_after(phone.vault.keys.vault)
    store.write({key_name(later.digest): later.spelt()})
    pushed = engine.push(phone)
    assert (pushed.versions, pushed.notices) == (1, ())
    earlier = key_file_after(phone.vault.keys.vault, before=True)
    store.write({key_name(earlier.digest): earlier.spelt()})
    add(phone, "b")
    pushed = engine.push(phone)
    assert (pushed.versions, pushed.notices) == (1, (RIVAL,))
    assert engine.pull(phone).notices == (RIVAL,)
    for again in (False, True):  # the passphrase does not open it: it is not ours
        done = join(phone.vault.layout, store, again=again)
        assert (done.joined, done.vault.keys) == (True, phone.vault.keys)
    late = link_of(join(Layout(tmp_path / "late"), store), store)
    settle(late, phone)
    assert in_step(late, phone)


def planted(vault: bytes, epoch: int, number: int) -> keyring.KeyFile:
    """Return a key file that says it is *vault*'s, made by somebody who has no key of it."""
    keys = Keys(vault, {each: bytes([each, number]) * 16 for each in range(1, epoch + 1)})
    return keyring.wrap(keys, THEIRS, keyring.FLOOR)


@pytest.mark.usefixtures("quick_kdf")
def test_key_objects_that_nobody_of_the_vault_made_hold_nothing_up(tmp_path: Path, store: FolderStore) -> None:
    phone = link_of(join(new(tmp_path / "phone", "a"), store), store)
    engine.push(phone)
    vault = phone.vault.keys.vault
    false = [key_file_after(vault, before=True) for _ in range(3)]
    false += [planted(vault, epoch, number) for epoch in (1, 2, 9) for number in (1, 2)][:4]
    store.write({key_name(file.digest): file.spelt() for file in false})
    store.write({key_name("f" * 32): b'{"format":"ghostie-key-2"}'})
    laptop = link_of(join(Layout(tmp_path / "laptop"), store), store)
    brings = link_of(
        join(new(tmp_path / "brings", "b", passphrase=THEIRS), store, sources(THEIRS, of_the_store=MINE)), store
    )
    assert join(phone.vault.layout, store).vault.keys == phone.vault.keys
    settle(phone, laptop, brings)
    assert in_step(phone, laptop, brings)


@pytest.mark.usefixtures("quick_kdf")
def test_a_false_key_object_does_not_keep_a_new_passphrase_or_key_from_the_store(
    tmp_path: Path, store: FolderStore
) -> None:
    phone = link_of(join(new(tmp_path / "phone", "a"), store), store)
    laptop = link_of(join(Layout(tmp_path / "laptop"), store), store)
    settle(phone, laptop)
    false = planted(phone.vault.keys.vault, 9, 1)
    store.write({key_name(false.digest): false.spelt()})
    note_new_key(phone.vault.layout, keyring.wrap(phone.vault.keys, THEIRS, keyring.FLOOR))
    add(phone, "b")
    assert engine.push(phone).versions == 1
    # nobody but its maker deletes what may hold a key that nobody else has
    assert look(store).slots == {load_config(phone.vault.layout).slot, false.digest}
    settle(laptop, phone)
    assert in_step(phone, laptop)
    rotate(phone.vault.layout, phone.vault.keys, THEIRS, keyring.FLOOR)
    with pytest.raises(KeysRotated):  # without the passphrase it looks like another device's new key
        engine.push(linked(phone.vault.layout, store, THEIRS))
    join(phone.vault.layout, store, sources(THEIRS), options=load_config(phone.vault.layout).options)
    phone = linked(phone.vault.layout, store, THEIRS)
    engine.push(phone)
    assert look(store).slots == {phone.config.slot, false.digest}
    assert keyring.parse(store.get(key_name(phone.config.slot))).epoch == 2


@pytest.mark.usefixtures("quick_kdf")
@pytest.mark.parametrize("half_sent", [False, True], ids=["sent", "half sent"])
def test_two_devices_that_open_a_new_key_at_once_end_under_one(
    tmp_path: Path, store: FolderStore, half_sent: bool
) -> None:
    """Also where the first one's request put its key object and was cut before it deleted the old one."""
    links = [link_of(join(new(tmp_path / "phone", "a"), store), store)]
    links.append(link_of(join(Layout(tmp_path / "laptop"), store), store))
    settle(*links)
    for link in links:
        rotate(link.vault.layout, link.vault.keys, MINE, keyring.FLOOR)
    layouts = [link.vault.layout for link in links]
    wire = Wire(store)
    wire.no_deletes = int(half_sent)
    first = linked(layouts[0], store)
    first.store = wire
    with contextlib.suppress(Unreachable):
        engine.push(first)
    for layout in (layouts[1], layouts[0]):
        try:
            engine.push(linked(layout, store))
        except KeysRotated:
            join(layout, store, options=load_config(layout).options)
    links = [linked(layout, store) for layout in layouts]
    settle(*links)
    assert links[0].vault.keys == links[1].vault.keys
    assert links[0].vault.keys.current == 2
    assert in_step(*links)
    assert len(look(store).slots) == 1
    late = link_of(join(Layout(tmp_path / "late"), store), store)
    settle(late, *links)
    assert in_step(late, *links)


@pytest.mark.usefixtures("quick_kdf")
def test_a_smaller_vault_that_appears_while_one_is_set_up_is_joined_only_if_the_passphrase_opens_it(
    tmp_path: Path,
) -> None:
    store = MemoryStore()
    layout = new(tmp_path / "phone", "a")
    mine = keyring.parse(layout.master_key.read_bytes())
    false = key_file_after(mine.vault, before=True)
    wire = Meanwhile(store, 2, lambda: store.write({key_name(false.digest): false.spelt()}))
    done = join(layout, wire)
    assert (done.joined, done.vault.keys.vault) == (False, mine.vault)
    assert engine.push(link_of(done, store)).versions == 1


@pytest.mark.usefixtures("quick_kdf")
def test_of_very_many_key_objects_all_are_tried_before_the_passphrase_is_said_to_open_none(
    tmp_path: Path, store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = keyring.parse(new(tmp_path / "phone", "a").master_key.read_bytes())
    for _ in range(20):
        false = key_file_after(file.vault)
        store.write({key_name(false.digest): false.spelt()})
    spent: list[bytes] = []
    derive = sodium.argon2id

    def counted(passphrase: bytes, salt: bytes, memory: int, passes: int) -> bytes:
        spent.append(salt)
        return derive(passphrase, salt, memory, passes)

    monkeypatch.setattr(sodium, "argon2id", counted)
    with pytest.raises(ForeignVault):
        join(Layout(tmp_path / "laptop"), store)
    assert len(spent) == 20
    assert not (tmp_path / "laptop").exists()


@pytest.mark.usefixtures("quick_kdf")
def test_a_key_object_that_asks_for_more_memory_than_there_is_is_passed_over(
    tmp_path: Path, store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = link_of(join(new(tmp_path / "phone", "a"), store), store)
    greedy = key_file_after(phone.vault.keys.vault, before=True)
    greedy = replace(greedy, cost=keyring.CEILING)
    store.write({key_name(greedy.digest): greedy.spelt()})
    derive = sodium.argon2id

    def small(passphrase: bytes, salt: bytes, memory: int, passes: int) -> bytes:
        if memory > keyring.FLOOR.memory:
            raise NoMemory()
        return derive(passphrase, salt, memory, passes)

    monkeypatch.setattr(sodium, "argon2id", small)
    assert join(Layout(tmp_path / "laptop"), store).joined
    store.write({}, [key_name(phone.config.slot)])
    with pytest.raises(NoMemory):
        join(Layout(tmp_path / "late"), store)


@pytest.mark.usefixtures("quick_kdf")
def test_setting_up_waits_for_a_sync_and_a_sync_for_setting_up(tmp_path: Path, store: FolderStore) -> None:
    layout = new(tmp_path / "phone", "a")
    link = link_of(join(layout, store), store)
    with pytest.MonkeyPatch.context() as patience:
        patience.setattr("ghostie.sync.setup.alone", lambda layout: alone(layout, patience=0.05))
        with link.session(), pytest.raises(SyncBusy):
            join(layout, store)
    met: list[str] = []

    def sync() -> None:
        with pytest.raises(SyncBusy), alone(layout, patience=0.05):
            raise AssertionError("it was free")
        met.append("busy")

    assert join(layout, Meanwhile(store, 1, sync)).joined
    fresh = Layout(tmp_path / "fresh")

    def slowly(prompt: str) -> str:
        join(fresh, store, name="quicker")
        return MINE

    with pytest.raises(VaultBusy):
        join(fresh, store, Sources(environ={}, ask=slowly), name="slower")
    assert load_device(fresh).name == "quicker"
    assert met == ["busy"]


@pytest.mark.usefixtures("quick_kdf")
def test_the_other_devices_are_told_of_a_new_passphrase_once_and_by_a_sync(tmp_path: Path, store: FolderStore) -> None:
    phone = link_of(join(new(tmp_path / "phone", "a"), store), store)
    laptop = link_of(join(Layout(tmp_path / "laptop"), store), store)
    tablet = link_of(join(Layout(tmp_path / "tablet"), store), store)
    settle(phone, laptop, tablet)
    note_new_key(phone.vault.layout, keyring.wrap(phone.vault.keys, "another passphrase", keyring.FLOOR))
    assert engine.push(phone).notices == ()
    survey.status(laptop, look=True)  # a look does not use it up
    assert survey.verify(laptop) == []
    laptop = linked(laptop.vault.layout, store)
    assert engine.pull(laptop, dry_run=True).notices == (NEW_PASSPHRASE,)
    assert engine.pull(linked(laptop.vault.layout, store)).notices == (NEW_PASSPHRASE,)
    assert engine.pull(linked(laptop.vault.layout, store)).notices == ()
    add(tablet, "b")
    assert engine.push(tablet).notices == (NEW_PASSPHRASE,)
    assert engine.pull(tablet).notices == ()
    assert engine.pull(phone).notices == ()


@pytest.mark.usefixtures("quick_kdf")
def test_setting_up_is_cut_off_at_any_request_and_goes_through_the_next_time(tmp_path: Path) -> None:
    for number in itertools.count(1):
        store = MemoryStore()
        layout = new(tmp_path / f"phone{number}", "a")

        def cut() -> None:
            raise Unreachable(why="cut")

        wire = Meanwhile(store, number, cut)
        try:
            join(layout, wire)
        except Unreachable:
            done = join(layout, store)
            link = link_of(done, store)
            engine.push(link)
            late = link_of(join(Layout(tmp_path / f"late{number}"), store), store)
            settle(late, link)
            assert contents(late) == ["a"]
        else:
            assert number > 3
            return


@pytest.mark.usefixtures("quick_kdf")
def test_a_vault_without_its_device_file_joins_all_the_same(tmp_path: Path, store: FolderStore) -> None:
    join(new(tmp_path / "phone", "a"), store)
    layout = new(tmp_path / "laptop", "b", passphrase=THEIRS)
    layout.device.unlink()
    done = join(layout, store, sources(THEIRS, of_the_store=MINE))
    assert contents(link_of(done, store)) == ["b"]
    assert isinstance(done.vault, Vault)
    assert everything(link_of(done, store))
