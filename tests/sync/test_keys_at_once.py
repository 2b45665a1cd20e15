"""Two devices change the vault's key or passphrase at once: they end under one key, nothing is lost, and each is told."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ghostie.backends.folder import FolderStore
from ghostie.backends.store import MemoryStore, ObjectStore
from ghostie.crypto import keys as keyring
from ghostie.errors import KeyObjectGone, KeysRotated, NotRetired, StoreRefused, Unreachable, WrongKey
from ghostie.paths import Layout
from ghostie.sync import engine, moving, repair, survey
from ghostie.sync.link import Link, look
from ghostie.sync.moving import rotate
from ghostie.sync.notices import (
    KEY_GIVES_WAY,
    KEY_STAYS,
    KEY_WAITS,
    NEW_PASSPHRASE_GAVE_WAY,
    REBORN,
    TWO_PASSPHRASES,
    Notice,
)
from ghostie.sync.retiring import retire
from ghostie.sync.segment import key_name
from ghostie.sync.slots import is_pending, note_new_key
from ghostie.vault.upkeep import tidy

from .joining import MINE, join, link_of, linked, new, sources
from .world import Wire, add, contents, in_step, ledger, settle

pytestmark = pytest.mark.usefixtures("quick_kdf")

NEW = "a whole new passphrase"
NEWER = "another whole new passphrase"


def two(tmp_path: Path, store: ObjectStore) -> list[Layout]:
    """Return two devices in step, each of which has published something, and added something since."""
    phone = link_of(join(new(tmp_path / "phone", "a"), store), store)
    laptop = link_of(join(Layout(tmp_path / "laptop"), store), store)
    add(laptop, "b")
    settle(phone, laptop)
    add(phone, "c")
    add(laptop, "d")
    return [phone.vault.layout, laptop.vault.layout]


def rotated(layout: Layout) -> None:
    link = linked(layout, MemoryStore())
    rotate(layout, link.vault.keys, MINE, keyring.FLOOR)


def passphrase_changed(layout: Layout, passphrase: str = NEW) -> None:
    """Change the passphrase as `keys passwd` does."""
    keys = linked(layout, MemoryStore()).vault.keys
    note_new_key(layout, keyring.wrap(keys, passphrase, keyring.FLOOR))
    layout.master_key.write_bytes(keyring.wrap(keys, passphrase, keyring.FLOOR).spelt())


class Interleaved(Wire):
    """A wire on which another device does something before the first write of a key object arrives."""

    def __init__(self, store: ObjectStore, then: Callable[[], object]) -> None:
        super().__init__(store)
        self._then: Callable[[], object] | None = then

    def write(self, put, delete=()):  # type: ignore[no-untyped-def]
        if self._then is not None and any(key.startswith("ghostie/global/keys/") for key in put):
            then, self._then = self._then, None
            then()
        super().write(put, delete)


def pushed(layout: Layout, store: ObjectStore, passphrase: str = MINE) -> engine.Pushed:
    return engine.push(linked(layout, store, passphrase))


def at_once(layouts: list[Layout], store: ObjectStore, passphrases: tuple[str, str] = (MINE, MINE)) -> None:
    """Let both push so that both have looked before either has put its key object."""
    wire = Interleaved(store, lambda: pushed(layouts[1], store, passphrases[1]))
    engine.push(linked(layouts[0], wire, passphrases[0]))


def kinds(link: Link) -> tuple[Notice, ...]:
    return engine.pull(link, yes=True).notices


def ranked(layouts: list[Layout]) -> list[Layout]:
    """Return the device whose key stays, then the other one."""
    return sorted(layouts, key=lambda layout: keyring.parse(layout.master_key.read_bytes()).commitment)


def one_vault(layouts: list[Layout], store: ObjectStore, *contents_of: str, objects: int = 1) -> list[Link]:
    links = [linked(layout, store) for layout in layouts]
    settle(*links)
    assert links[0].vault.keys == links[1].vault.keys
    assert in_step(*links)
    assert contents(links[0]) == sorted(contents_of)
    assert survey.verify(links[0]) == []
    assert len(look(store).slots) == objects
    for link in links:
        assert list(link.vault.layout.quarantine.glob("*.json.enc")) == []
        assert engine.pull(link).notices == ()
    return links


def test_two_rotations_at_once_end_under_the_smaller_key(tmp_path: Path, store: FolderStore) -> None:
    layouts = two(tmp_path, store)
    for layout in layouts:
        rotated(layout)
    at_once(layouts, store)
    stays, gives_way = ranked(layouts)
    assert len(look(store).slots) == 2, "neither deletes what holds a key that it does not have"
    assert KEY_STAYS in kinds(linked(gives_way, store))
    assert KEY_GIVES_WAY in kinds(linked(stays, store))
    key = linked(stays, store).vault.keys
    done = join(gives_way, store)
    assert (done.vault.keys, done.change) == (key, "taken-over")
    operations = linked(gives_way, store).vault.operations.all()
    assert operations, "what can be undone is not forgotten"
    first = engine.push(linked(gives_way, store))
    assert REBORN not in first.notices
    one_vault(layouts, store, "a", "b", "c", "d")
    late = link_of(join(Layout(tmp_path / "late"), store), store)
    settle(late)
    assert contents(late) == ["a", "b", "c", "d"]


def test_a_device_whose_own_rotation_gave_way_goes_on_as_the_same_writer(tmp_path: Path, store: FolderStore) -> None:
    layouts = two(tmp_path, store)
    for layout in layouts:
        rotated(layout)
    at_once(layouts, store)
    _, gives_way = ranked(layouts)
    before = linked(gives_way, store).vault.device
    join(gives_way, store)
    notices: list[Notice] = []
    for act in (engine.pull, engine.push, engine.pull):
        notices += act(linked(gives_way, store)).notices
    assert not {"reborn", "forked"} & {notice.kind for notice in notices}
    assert linked(gives_way, store).vault.device == before


def test_what_is_nowhere_but_under_the_key_that_gave_way_is_kept(tmp_path: Path, store: FolderStore) -> None:
    """An old version that `gc` dropped here stands in the own log alone, under the key that gives way."""
    layouts = two(tmp_path, store)
    for layout in layouts:
        link = linked(layout, store)
        memory = add(link, f"first draft of the {layout.home.name}")
        link.vault.refresh()
        link.vault.edit(memory.id, {"content": f"second draft of the {layout.home.name}"})
        rotated(layout)
    at_once(layouts, store)
    stays, gives_way = ranked(layouts)
    link = linked(gives_way, store)
    assert tidy(link.vault, history=1).versions == 1
    join(gives_way, store)
    pushed(gives_way, store)
    late = link_of(join(Layout(tmp_path / "late"), store), store)
    assert engine.pull(late).alarms == ()
    found = {str(version.field("content")) for _, version in late.vault.files.read_many(late.vault.files.stems())}  # type: ignore[union-attr]
    assert {f"first draft of the {layout.home.name}" for layout in layouts} <= found


def test_what_the_other_wrote_under_its_own_key_is_read_without_it(tmp_path: Path, store: FolderStore) -> None:
    """The device whose key gives way is lost before it has taken the other one over."""
    layouts = two(tmp_path, store)
    for layout in layouts:
        rotated(layout)
    at_once(layouts, store)
    stays, gives_way = ranked(layouts)
    gone = linked(gives_way, store).vault.device.writer
    shutil.rmtree(gives_way.home)
    link = linked(stays, store)
    assert engine.pull(link).notices == (KEY_GIVES_WAY,)
    with pytest.raises(NotRetired):
        retire(link, gone)
    join(stays, store)
    link = linked(stays, store)
    assert engine.pull(link).alarms == ()
    assert contents(link) == ["a", "b", "c", "d"]
    retire(link, gone)
    late = link_of(join(Layout(tmp_path / "late"), store), store)
    assert engine.pull(late).alarms == ()
    assert contents(late) == ["a", "b", "c", "d"]


def test_repair_does_not_make_a_split_silent(tmp_path: Path, store: FolderStore) -> None:
    layouts = two(tmp_path, store)
    for layout in layouts:
        rotated(layout)
    at_once(layouts, store)
    for layout in layouts:
        done = repair.repair(linked(layout, store))
        assert any("under another key" in line for line in done)
        assert not any("accepted" in line for line in done)
        pulled = engine.pull(linked(layout, store))
        assert {*pulled.notices} & {KEY_STAYS, KEY_GIVES_WAY}, "it is still said"
    join(ranked(layouts)[1], store)
    pushed(ranked(layouts)[1], store)
    one_vault(layouts, store, "a", "b", "c", "d")


def test_a_take_over_that_is_cut_off_never_sends_the_key_that_gave_way(
    tmp_path: Path, store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    layouts = two(tmp_path, store)
    for layout in layouts:
        rotated(layout)
    stays, gives_way = ranked(layouts)
    pushed(stays, store)
    key, there = linked(stays, store).vault.keys, look(store).slots
    with monkeypatch.context() as cut:
        cut.setattr(moving, "_reseal", cut_off)
        with pytest.raises(KeyboardInterrupt):
            join(gives_way, store)
    assert gives_way.next_key.exists()
    assert is_pending(gives_way)
    join(gives_way, store)
    assert not is_pending(gives_way)
    pushed(gives_way, store)
    assert look(store).slots == there, "the key that gave way never reaches the store"
    assert [link.vault.keys for link in one_vault(layouts, store, "a", "b", "c", "d")] == [key, key]


def cut_off(*_: object) -> int:
    raise KeyboardInterrupt


def test_a_key_that_gave_way_and_still_waits_for_the_store_is_not_sent(tmp_path: Path, store: FolderStore) -> None:
    """An earlier ghostie left it waiting where its take-over was cut off."""
    layouts = two(tmp_path, store)
    for layout in layouts:
        rotated(layout)
    stays, gives_way = ranked(layouts)
    pushed(stays, store)
    waiting, there = gives_way.pending_key.read_bytes(), look(store).slots
    join(gives_way, store)
    gives_way.pending_key.write_bytes(waiting)
    pushed(gives_way, store)
    assert look(store).slots == there
    one_vault(layouts, store, "a", "b", "c", "d")


def test_nobody_goes_back_to_a_key_that_gave_way(tmp_path: Path, store: FolderStore) -> None:
    layouts = two(tmp_path, store)
    for layout in layouts:
        rotated(layout)
    at_once(layouts, store)
    stays, gives_way = ranked(layouts)
    join(gives_way, store)
    link = linked(gives_way, store)
    kept = linked(stays, store).config.slot
    assert link.config.slot == kept, "it goes by the object of the key that it took over"
    store.write({}, [key_name(kept)])
    with pytest.raises(KeyObjectGone):
        engine.pull(link)
    with pytest.raises(KeyObjectGone):
        join(gives_way, store)
    assert "put this vault's key object back" in repair.repair(linked(gives_way, store))
    pushed(gives_way, store)
    one_vault(layouts, store, "a", "b", "c", "d")


def test_what_is_under_a_key_that_gave_way_is_no_alarm_though_its_object_is_gone(
    tmp_path: Path, store: FolderStore
) -> None:
    """A device that never held that key waits for its writer, and says so at each sync."""
    layouts = two(tmp_path, store)
    third = link_of(join(Layout(tmp_path / "tablet"), store), store).vault.layout
    for layout in layouts:
        rotated(layout)
    at_once(layouts, store)
    stays, gives_way = ranked(layouts)
    join(third, store)
    assert KEY_GIVES_WAY in kinds(linked(third, store))
    store.write({}, [key_name(linked(gives_way, store).config.slot)])
    for _ in range(2):
        link = linked(third, store)
        pulled = engine.pull(link, yes=True)
        assert (pulled.alarms, KEY_WAITS in pulled.notices) == ((), True)
    assert survey.verify(link) == []
    assert "accepted" not in " ".join(repair.repair(linked(third, store)))
    join(gives_way, store)
    pushed(gives_way, store)
    link = linked(third, store)
    pulled = engine.pull(link, yes=True)
    assert (pulled.alarms, pulled.notices) == ((), ())
    one_vault(layouts, store, "a", "b", "c", "d")
    engine.pull(linked(third, store), yes=True)
    assert contents(linked(third, store)) == ["a", "b", "c", "d"]


def test_a_higher_epoch_stays(tmp_path: Path, store: FolderStore) -> None:
    layouts = two(tmp_path, store)
    rotated(layouts[0])
    rotated(layouts[0])
    rotated(layouts[1])
    at_once(layouts, store)
    assert KEY_STAYS in kinds(linked(layouts[1], store))
    assert KEY_GIVES_WAY in kinds(linked(layouts[0], store))
    join(layouts[1], store)
    pushed(layouts[1], store)
    links = one_vault(layouts, store, "a", "b", "c", "d")
    assert links[0].vault.keys.current == 3


def test_a_third_device_goes_with_the_key_that_stays(tmp_path: Path, store: FolderStore) -> None:
    layouts = two(tmp_path, store)
    third = link_of(join(Layout(tmp_path / "tablet"), store), store)
    engine.pull(third)
    add(third, "e")
    for layout in layouts:
        rotated(layout)
    at_once(layouts, store)
    with pytest.raises(KeysRotated):
        engine.pull(third)
    done = join(third.vault.layout, store)
    stays, gives_way = ranked(layouts)
    assert done.vault.keys == linked(stays, store).vault.keys
    pushed(third.vault.layout, store)
    join(gives_way, store)
    pushed(gives_way, store)
    one_vault([stays, gives_way], store, "a", "b", "c", "d", "e")


# -- a new key here, a new passphrase there ---------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["rotation", "passphrase"])
def test_a_rotation_and_a_new_passphrase_at_once_end_under_the_new_key(
    tmp_path: Path, store: FolderStore, first: str
) -> None:
    layouts = two(tmp_path, store)
    rotated(layouts[0])
    passphrase_changed(layouts[1])
    if first == "rotation":
        at_once(layouts, store, (MINE, NEW))
    else:
        at_once(layouts[::-1], store, (NEW, MINE))
    engine.pull(linked(layouts[0], store))
    assert [keyring.parse(store.get(key_name(each))).epoch for each in look(store).slots] == [2]
    with pytest.raises(KeysRotated):
        engine.pull(linked(layouts[1], store, NEW))
    done = join(layouts[1], store, sources(NEW, of_the_store=MINE))
    assert done.change == "taken-over", "and which passphrase opens what is said"
    pushed(layouts[1], store)
    one_vault(layouts, store, "a", "b", "c", "d")
    late = link_of(join(Layout(tmp_path / "late"), store), store)
    settle(late)
    assert contents(late) == ["a", "b", "c", "d"]


def test_a_passphrase_that_was_changed_before_a_rotation_arrives_is_said_to_have_given_way(
    tmp_path: Path, store: FolderStore
) -> None:
    layouts = two(tmp_path, store)
    passphrase_changed(layouts[1])
    pushed(layouts[1], store, NEW)
    rotated(layouts[0])
    assert NEW_PASSPHRASE_GAVE_WAY in pushed(layouts[0], store).notices
    assert len(look(store).slots) == 1
    join(layouts[1], store, sources(NEW, of_the_store=MINE))
    one_vault(layouts, store, "a", "b", "c", "d")


def test_two_new_passphrases_at_once_both_open_the_store_and_it_is_said_once(
    tmp_path: Path, store: FolderStore
) -> None:
    """What names a key is easily copied: to delete one's own object for another's would lock devices out."""
    layouts = two(tmp_path, store)
    passphrases = (NEW, NEWER)
    for layout, passphrase in zip(layouts, passphrases, strict=True):
        passphrase_changed(layout, passphrase)
    at_once(layouts, store, passphrases)
    told: list[Notice] = []
    for _ in range(2):
        for layout, each in zip(layouts, passphrases, strict=True):
            told += kinds(linked(layout, store, each))
    assert set(told) <= {TWO_PASSPHRASES}
    assert len(told) <= 2
    links = [linked(layout, store, each) for layout, each in zip(layouts, passphrases, strict=True)]
    settle(*links)
    assert in_step(*links)
    for passphrase in passphrases:
        assert sum(opens(store, slot, passphrase) for slot in look(store).slots) == 1
    rotate(layouts[0], links[0].vault.keys, NEW, keyring.FLOOR)
    pushed(layouts[0], store, NEW)
    (slot,) = look(store).slots
    assert (opens(store, slot, NEW), opens(store, slot, NEWER)) == (True, False)


def opens(store: ObjectStore, slot: str, passphrase: str) -> bool:
    try:
        keyring.unwrap(keyring.parse(store.get(key_name(slot))), passphrase)
    except WrongKey:
        return False
    return True


# -- replicas, slow stores, cuts --------------------------------------------------------------------------------------


def joined_by_a_program(*stores: FolderStore) -> None:
    """Make the folders alike, as a sync program does: what is in either is in both, and what both had is not missed."""
    everything: dict[str, bytes] = {}
    for store in stores:
        everything |= {info.key: store.get(info.key) for info in store.list("") if info.key not in everything}
    for store in stores:
        store.write(everything)


@pytest.mark.parametrize("other", ["rotation", "passphrase"])
def test_replicas_of_a_folder_that_are_joined_later_end_in_one_vault(tmp_path: Path, other: str) -> None:
    """Each device has a copy of the folder; both change the key, and only then a program brings the copies together."""
    shared = FolderStore(tmp_path / "shared")
    shared.root.mkdir()
    layouts = two(tmp_path, shared)
    replicas = []
    for layout in layouts:
        shutil.copytree(shared.root, tmp_path / f"replica of {layout.home.name}")
        replicas.append(FolderStore(tmp_path / f"replica of {layout.home.name}"))
    rotated(layouts[0])
    passphrase = MINE
    if other == "rotation":
        rotated(layouts[1])
    else:
        passphrase_changed(layouts[1])
        passphrase = NEW
    old = look(shared).slots
    pushed(layouts[0], replicas[0])
    pushed(layouts[1], replicas[1], passphrase)
    for replica in replicas:
        assert not old & look(replica).slots
    joined_by_a_program(*replicas)
    told = [kinds(linked(layouts[0], replicas[0])), kinds(linked(layouts[1], replicas[1], passphrase))]
    if other == "rotation":
        assert {each for notices in told for each in notices} >= {KEY_STAYS, KEY_GIVES_WAY}
        behind = layouts.index(ranked(layouts)[1])
    else:
        assert KEY_STAYS in told[1]
        behind = 1
    join(layouts[behind], replicas[behind], sources(passphrase, of_the_store=MINE))
    for _ in range(3):
        for layout, replica in zip(layouts, replicas, strict=True):
            engine.pull(linked(layout, replica))
            pushed(layout, replica)
        kept = look(replicas[0]).slots & look(replicas[1]).slots
        for replica in replicas:
            replica.write({}, [key_name(each) for each in look(replica).slots - kept])
        newest(replicas, layouts)
    links = [linked(layout, replica) for layout, replica in zip(layouts, replicas, strict=True)]
    for link in links:
        assert engine.pull(link).alarms == ()
    assert links[0].vault.keys == links[1].vault.keys
    assert in_step(*links)
    assert contents(links[0]) == ["a", "b", "c", "d"]
    assert len(look(replicas[0]).slots) == 1


def newest(replicas: list[FolderStore], layouts: list[Layout]) -> None:
    """Carry each device's own segments, which only it writes, over to the other's folder."""
    for at, layout in enumerate(layouts):
        writer = linked(layout, replicas[at]).vault.device.writer
        names = look(replicas[at]).of(writer)
        there = replicas[1 - at]
        there.write(
            {name.key: replicas[at].get(name.key) for name in names},
            [name.key for name in look(there).of(writer) if name not in names],
        )


def test_a_new_key_counts_as_sent_only_when_the_store_shows_it(tmp_path: Path) -> None:
    store = MemoryStore()
    layouts = two(tmp_path, store)
    rotated(layouts[0])
    link = linked(layouts[0], store)
    link.store = wire = Wire(store)
    wire.stale = [store.list("") for _ in range(20)]
    before = look(store).slots
    with pytest.raises(StoreRefused, match="does not show it"):
        engine.push(link)
    assert before < look(store).slots, "the old one is there until the new one was seen"
    assert layouts[0].pending_key.exists()
    pushed(layouts[0], store)
    assert not layouts[0].pending_key.exists()
    assert len(look(store).slots) == 1
    with pytest.raises(KeysRotated):
        engine.pull(linked(layouts[1], store))
    join(layouts[1], store)
    one_vault(layouts, store, "a", "b", "c", "d")


def test_a_store_that_shows_it_a_moment_later_is_waited_for(tmp_path: Path) -> None:
    store = MemoryStore()
    layouts = two(tmp_path, store)
    rotated(layouts[0])
    link = linked(layouts[0], store)
    link.store = wire = Wire(store)
    wire.stale = [store.list("") for _ in range(3)]
    engine.push(link)
    assert len(look(store).slots) == 1


@pytest.mark.parametrize("number", range(1, 12))
@pytest.mark.parametrize("lost", ["before", "after", "between"])
def test_any_request_of_either_that_is_lost_changes_nothing_in_the_end(tmp_path: Path, number: int, lost: str) -> None:
    store = MemoryStore()
    layouts = two(tmp_path, store)
    for layout in layouts:
        rotated(layout)

    class Losing(Interleaved):
        def write(self, put, delete=()):  # type: ignore[no-untyped-def]
            nonlocal number
            number -= 1
            if number == 0:
                self.lose_before, self.lose_after, self.no_deletes = (
                    lost == each for each in ("before", "after", "between")
                )
            super().write(put, delete)  # type: ignore[no-untyped-call]

    def attempt(layout: Layout, wire: ObjectStore) -> None:
        try:
            engine.push(linked(layout, wire))
        except Unreachable:
            engine.push(linked(layout, store))

    def other() -> None:
        with contextlib.suppress(KeysRotated):
            attempt(layouts[1], Losing(store, lambda: None))

    with contextlib.suppress(KeysRotated):
        attempt(layouts[0], Losing(store, other))
    for _ in range(3):
        for layout in layouts:
            try:
                notices = engine.pull(linked(layout, store)).notices
                pushed(layout, store)
            except KeysRotated:
                notices = (KEY_STAYS,)
            if KEY_STAYS in notices:
                join(layout, store)
                pushed(layout, store)
    one_vault(layouts, store, "a", "b", "c", "d")


def test_a_newest_key_object_that_the_store_lost_for_an_older_one_is_put_back(
    tmp_path: Path, store: FolderStore
) -> None:
    layouts = two(tmp_path, store)
    (old,) = look(store).slots
    raw = store.get(key_name(old))
    rotated(layouts[0])
    pushed(layouts[0], store)
    (slot,) = look(store).slots
    store.write({key_name(old): raw}, [key_name(slot)])
    with pytest.raises(KeyObjectGone):
        engine.pull(linked(layouts[0], store))
    assert "put this vault's key object back" in repair.repair(linked(layouts[0], store))
    engine.pull(linked(layouts[0], store))
    assert [keyring.parse(store.get(key_name(each))).epoch for each in look(store).slots] == [2]


def test_what_a_device_has_replaced_goes_though_its_push_was_cut_off(tmp_path: Path) -> None:
    store = MemoryStore()
    layouts = two(tmp_path, store)
    rotated(layouts[0])
    link = linked(layouts[0], store)
    link.store = wire = Wire(store)
    wire.lose_after = 1
    with pytest.raises(Unreachable):
        engine.push(link)
    assert len(look(store).slots) == 2
    pushed(layouts[0], store)
    assert len(look(store).slots) == 1
    assert ledger(linked(layouts[0], store)).state.replaced == []
