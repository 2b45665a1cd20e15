"""Back in by the 24 words: from every key object, cut off anywhere, and whatever else lies on the store."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from ghostie.backends.folder import FolderStore
from ghostie.backends.store import MemoryStore, ObjectStore
from ghostie.crypto import keys as keyring
from ghostie.crypto.sealing import Keys
from ghostie.crypto.unlock import Sources
from ghostie.errors import AuthFailed, BadWords, ForeignVault, NoNewPassphrase, OlderWords, WeakPassphrase, WrongKey
from ghostie.paths import Layout
from ghostie.sync import engine
from ghostie.sync.link import look
from ghostie.sync.moving import rotate
from ghostie.sync.notices import PASSPHRASES, which_opens
from ghostie.sync.segment import key_name
from ghostie.sync.setup import SetUp
from ghostie.sync.slots import is_pending, note_new_key
from ghostie.vault import open_vault

from .joining import MINE, THEIRS, join, link_of, linked, new, sources
from .power import PowerCut, at_every_cut, cut_before
from .world import contents

NEW = "a third one that is new"

pytestmark = pytest.mark.usefixtures("quick_kdf")


def by_words(words: Iterable[str], own: str | None = None, passphrase: str | None = NEW) -> Sources:
    """Return sources with 24 *words*, the passphrase that is to be set, and that of a vault that is here."""
    environ = {"GHOSTIE_PASSPHRASE": own, "GHOSTIE_NEW_PASSPHRASE": passphrase}
    given = {name: value for name, value in environ.items() if value is not None}
    return Sources(words=keyring.from_words(" ".join(words)), environ=given)


def words_of(keys: Keys) -> list[str]:
    return keyring.to_words(keys)


@pytest.fixture
def lost(tmp_path: Path, store: FolderStore) -> SetUp:
    """A device with one memory, which it has pushed."""
    done = join(new(tmp_path / "lost", "what was remembered"), store)
    engine.push(link_of(done, store))
    return done


def opening(store: ObjectStore, passphrase: str) -> list[int]:
    """Return the epochs of the key objects on *store* that *passphrase* opens."""
    found = []
    for digest in look(store).slots:
        file = keyring.parse(store.get(key_name(digest)))
        try:
            found.append(keyring.unwrap(file, passphrase).current)
        except WrongKey:
            continue
    return sorted(found)


def test_the_words_alone_bring_the_vault_back_and_set_a_passphrase_here_and_there(
    tmp_path: Path, store: FolderStore, lost: SetUp
) -> None:
    layout = Layout(tmp_path / "fresh")
    done = join(layout, store, by_words(words_of(lost.vault.keys)), name="fresh")
    assert (done.joined, done.change) == (True, "recovered")
    assert done.vault.keys == lost.vault.keys
    fresh = linked(layout, store, NEW)
    engine.pull(fresh)
    assert contents(fresh) == ["what was remembered"]
    assert (opening(store, NEW), opening(store, MINE)) == ([1], [])
    join(Layout(tmp_path / "third"), store, sources(NEW))
    with pytest.raises(ForeignVault):
        join(Layout(tmp_path / "fourth"), store, sources(MINE))
    # a device that is not lost goes on with its own passphrase
    assert [notice.kind for notice in engine.pull(linked(lost.vault.layout, store)).notices] == ["new-passphrase"]


@pytest.mark.parametrize("rotations", [1, 2, 4])
def test_the_newest_words_open_every_epoch_and_older_ones_say_of_which_they_are(
    tmp_path: Path, store: FolderStore, lost: SetUp, rotations: int
) -> None:
    layout, noted = lost.vault.layout, [words_of(lost.vault.keys)]
    for number in range(rotations):
        open_vault(layout.home, passphrase=MINE).add(f"under key {number + 1}")
        rotate(layout, open_vault(layout.home, passphrase=MINE).keys, MINE, keyring.FLOOR)
        engine.push(linked(layout, store))
        noted.append(words_of(open_vault(layout.home, passphrase=MINE).keys))
    before = everything(store)
    for epoch, words in enumerate(noted[:-1], 1):
        with pytest.raises(OlderWords) as refused:
            join(Layout(tmp_path / "fresh"), store, by_words(words))
        assert refused.value.facts == {"epoch": epoch, "newest": rotations + 1}
        assert not (tmp_path / "fresh").exists()
    assert everything(store) == before
    done = join(Layout(tmp_path / "fresh"), store, by_words(noted[-1]))
    fresh = link_of(done, store)
    engine.pull(fresh)
    assert len(contents(fresh)) == rotations + 1
    assert opening(store, NEW) == [rotations + 1]


def everything(store: ObjectStore) -> dict[str, bytes]:
    return {info.key: store.get(info.key) for info in store.list("")}


@pytest.mark.parametrize("here", [False, True], ids=["an empty device", "a device with memories"])
def test_words_of_another_vault_and_a_weak_passphrase_change_nothing(
    tmp_path: Path, store: FolderStore, lost: SetUp, here: bool
) -> None:
    layout = new(tmp_path / "fresh", "mine", passphrase=THEIRS) if here else Layout(tmp_path / "fresh")
    before, there = tree(layout.home), everything(store)
    for with_, refused in (
        (by_words(words_of(keyring.new_keys()), THEIRS), BadWords),
        (by_words(words_of(lost.vault.keys), THEIRS, "short"), WeakPassphrase),
        (by_words(words_of(lost.vault.keys), THEIRS if here else None, None), NoNewPassphrase),
    ):
        with pytest.raises(refused):
            join(layout, store, with_)
        assert (tree(layout.home), everything(store)) == (before, there)


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below *folder* but the sync lock, which is empty and stays."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != "lock"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_a_device_with_memories_of_its_own_brings_them_along_by_the_words(
    tmp_path: Path, store: FolderStore, lost: SetUp
) -> None:
    layout = new(tmp_path / "laptop", "mine", passphrase=THEIRS)
    done = join(layout, store, by_words(words_of(lost.vault.keys), THEIRS))
    assert (done.brought, done.change) == (1, "recovered")
    laptop = linked(layout, store, NEW)
    engine.pull(laptop)
    assert contents(laptop) == ["mine", "what was remembered"]
    assert opening(store, NEW) == [1]


@pytest.mark.parametrize("here", [False, True], ids=["an empty device", "a device with memories"])
def test_a_recovery_that_is_cut_off_anywhere_is_finished_by_running_it_again(
    tmp_path: Path, store: FolderStore, lost: SetUp, here: bool
) -> None:
    words, at_first = words_of(lost.vault.keys), everything(store)
    template = new(tmp_path / "template", "mine", passphrase=THEIRS) if here else None

    def attempt(number: int) -> bool:
        for key in set(everything(store)) - set(at_first):
            store.write({}, [key])
        store.write(at_first)
        layout = Layout(tmp_path / f"fresh{number}")
        if template is not None:
            shutil.copytree(template.home, layout.home)
        cut = False
        try:
            with cut_before(number):
                join(layout, store, by_words(words, THEIRS))
        except PowerCut:
            cut = True
        # a person who has set a passphrase goes on with that; who has not, with the words
        try:
            open_vault(layout.home, passphrase=NEW)
        except Exception:
            done = join(layout, store, by_words(words, THEIRS))
        else:
            done = join(layout, store, sources(NEW))
        fresh = link_of(done, store)
        engine.pull(fresh)
        engine.push(fresh)
        assert contents(linked(layout, store, NEW)) == sorted(["what was remembered", *(["mine"] if here else [])])
        assert (opening(store, NEW), opening(store, MINE)) == ([1], []), "the new passphrase reached the store"
        shutil.rmtree(layout.home)
        return cut

    assert at_every_cut(attempt) >= 10


class ReadOnly(MemoryStore):
    """A store with credentials that may only read."""

    allowed = True

    def write(self, puts: Mapping[str, bytes], deletes: Iterable[str] = ()) -> None:
        if not self.allowed:
            raise AuthFailed(why="it may only be read")
        super().write(puts, deletes)


def test_a_store_that_may_only_be_read_gives_the_vault_back_and_gets_the_passphrase_later(tmp_path: Path) -> None:
    store = ReadOnly()
    lost = join(new(tmp_path / "lost", "what was remembered"), store)
    engine.push(link_of(lost, store))
    store.allowed = False
    done = join(Layout(tmp_path / "fresh"), store, by_words(words_of(lost.vault.keys)))
    assert done.change == "recovered-waits"
    engine.pull(link_of(done, store))
    assert (opening(store, NEW), opening(store, MINE)) == ([], [1])
    store.allowed = True
    engine.push(linked(done.vault.layout, store, NEW))
    assert (opening(store, NEW), opening(store, MINE)) == ([1], [])


def test_a_newer_key_object_that_the_words_do_not_open_stays_as_it_is_and_holds_nothing_up(
    tmp_path: Path, store: FolderStore, lost: SetUp
) -> None:
    # it may be of a rotation that was cut off, or of anybody: without its key nobody can tell
    newer = keyring.wrap(keyring.next_epoch(lost.vault.keys), MINE, keyring.FLOOR)
    store.write({key_name(newer.digest): newer.spelt()})
    done = join(Layout(tmp_path / "fresh"), store, by_words(words_of(lost.vault.keys)))
    assert done.change == "recovered-older"
    fresh = link_of(done, store)
    engine.pull(fresh)
    assert contents(fresh) == ["what was remembered"]
    assert newer.digest in look(store).slots and opening(store, MINE) == [1, 2]
    assert not is_pending(done.vault.layout)


def test_false_key_objects_of_the_vault_cost_the_words_nothing(tmp_path: Path, store: FolderStore, lost: SetUp) -> None:
    (digest,) = look(store).slots
    genuine = keyring.parse(store.get(key_name(digest)))
    # what stands in the open can be copied: the first ones open by the words as well as the genuine one does
    costly = [replace(genuine, salt=secrets.token_bytes(16), cost=keyring.CEILING) for _ in range(4)]
    false = [replace(genuine, vault=bytes(16), commitment=secrets.token_bytes(16)) for _ in range(20)]
    store.write({key_name(file.digest): file.spelt() for file in (*costly, *false)})
    done = join(Layout(tmp_path / "fresh"), store, by_words(words_of(lost.vault.keys)))
    assert done.vault.keys == lost.vault.keys
    assert keyring.parse(done.vault.layout.master_key.read_bytes()).cost == genuine.cost
    assert opening(store, NEW) == [1]
    # only a costly one is left: what it asks for is spent neither here nor on the store
    for key in [info.key for info in store.list("ghostie/global")]:
        store.write({}, [key])
    store.write({key_name(costly[0].digest): costly[0].spelt()})
    done = join(Layout(tmp_path / "second"), store, by_words(words_of(lost.vault.keys)))
    assert keyring.parse(done.vault.layout.master_key.read_bytes()).cost.memory == keyring.STRONG.memory


def test_the_words_bring_a_lost_key_file_back_from_the_store_and_the_memories_here_stay(
    tmp_path: Path, store: FolderStore, lost: SetUp
) -> None:
    layout = lost.vault.layout
    rotate(layout, lost.vault.keys, MINE, keyring.FLOOR)
    engine.push(linked(layout, store))
    vault = open_vault(layout.home, passphrase=MINE)
    vault.add("not yet pushed")
    words = words_of(vault.keys)
    layout.master_key.unlink()
    join(layout, store, by_words(words))
    link = linked(layout, store, NEW)
    engine.pull(link)
    engine.push(link)
    assert contents(link) == ["not yet pushed", "what was remembered"]


def test_a_new_passphrase_that_waits_for_a_push_reaches_the_store_that_is_set_up_next(
    tmp_path: Path, store: FolderStore, lost: SetUp
) -> None:
    other = FolderStore(tmp_path / "moved")
    other.root.mkdir()
    other.write(everything(store))
    layout, keys = lost.vault.layout, lost.vault.keys
    note_new_key(layout, keyring.wrap(keys, NEW, keyring.FLOOR))
    done = join(layout, other, options={"path": "elsewhere"})
    engine.push(link_of(done, other))
    assert (opening(other, NEW), opening(other, MINE)) == ([1], [])


@pytest.mark.parametrize("change", sorted(PASSPHRASES))
def test_what_is_said_of_a_changed_passphrase_names_this_device(change: str) -> None:
    assert "this device" in which_opens(change)
