"""An evil store, act by act: every byte flipped, every length cut, every pair swapped, every label exchanged.

All of it is refused, and what is refused changes nothing on the device: no version, no row of the index, no log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from ghostie.backends.store import MemoryStore
from ghostie.crypto import keys as keyring
from ghostie.crypto import sodium
from ghostie.crypto.keys import first_epoch, next_epoch
from ghostie.crypto.sealing import Keys
from ghostie.crypto.unlock import Sources
from ghostie.errors import ForeignVault, GhostieError, NewerFormat, RefusedKeyFile, StoreChanged, StoreRefused, WrongKey
from ghostie.paths import Layout
from ghostie.sync import engine
from ghostie.sync.link import Link
from ghostie.sync.segment import GENESIS, BadSegment, SegmentName, Tips, key_name, open_segment, seal_segment
from ghostie.sync.setup import Place, set_up
from ghostie.vault.versions import VersionFiles

from .world import START, World, add, every_version, ledger, settle

KEYS = first_epoch(bytes(range(32)))
OTHERS = first_epoch(bytes(range(32, 64)))
WRITER, OTHER = "00112233aabbccdd", "ffeeddccbbaa9988"
PASSPHRASE = "correct horse battery"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, MemoryStore())


def body(count: int = 2, *, writer: str = WRITER, first: int = 1, keys: Keys = KEYS) -> tuple[SegmentName, bytes]:
    """Return a small segment: its name and its sealed bytes."""
    segment, sealed = seal_segment(
        keys,
        Tips(keys),
        writer=writer,
        first=first,
        before=GENESIS if first == 1 else "0123456789abcdef",
        device="phone",
        time=START,
        seen={OTHER: (3, "0123456789abcdef")},
        entries=[(hashlib.sha256(bytes([first, at])).digest(), None) for at in range(count)],
    )
    return segment.name, sealed


def refused(name: SegmentName, sealed: bytes, keys: Keys = KEYS) -> bool:
    try:
        open_segment(keys, Tips(keys), name, sealed)
    except BadSegment:
        return True
    return False


def flips(content: bytes) -> Iterator[bytes]:
    """Yield *content* with each of its bytes changed, in the lowest bit, the highest, and all of them."""
    for at in range(len(content)):
        for mask in (0x01, 0x80, 0xFF):
            yield content[:at] + bytes([content[at] ^ mask]) + content[at + 1 :]


def cuts(content: bytes) -> Iterator[bytes]:
    """Yield every beginning of *content*, and some that are longer than it."""
    yield from (content[:length] for length in range(len(content)))
    yield from (content + more for more in (b"\0", b"\0" * 16, content))


# -- one object -------------------------------------------------------------------------------------------------------


def test_a_segment_with_any_byte_changed_is_refused() -> None:
    name, sealed = body()
    assert not refused(name, sealed)
    assert all(refused(name, altered) for altered in flips(sealed))


def test_a_segment_of_any_other_length_is_refused() -> None:
    name, sealed = body()
    assert all(refused(name, altered) for altered in cuts(sealed))


def test_a_version_file_with_any_byte_changed_or_cut_is_refused(world: World) -> None:
    phone = world.device("phone")
    memory = add(phone, "x")
    path = phone.vault.layout.version(memory.stem)
    whole = path.read_bytes()
    files = VersionFiles(phone.vault.layout, world.keys)
    opened = 0
    for altered in (*flips(whole), *cuts(whole)):
        with pytest.raises(GhostieError, match="damaged or was tampered with"):
            files._opened(memory.stem, altered)
        opened += 1
    assert opened > 3 * len(whole)


def test_every_pair_of_segments_swapped_is_refused() -> None:
    """Across writers, positions, lengths, vaults and epochs: what was sealed under one name opens under no other."""
    newer = next_epoch(KEYS)
    segments = [
        (*body(count, writer=writer, first=first, keys=keys), keys)
        for keys in (KEYS, newer, OTHERS)
        for writer in (WRITER, OTHER)
        for first in (1, 2, 3)
        for count in (1, 2)
    ]
    assert all(not refused(name, sealed, keys) for name, sealed, keys in segments)
    for (name, _, keys), (other, sealed, _) in permutations(segments, 2):
        if name != other:
            assert refused(name, sealed, keys), (name, other)
    # the same name and the same text in another vault, and under a key that this device has not been shown
    for (name, _, keys), (other, sealed, sealing) in permutations(segments, 2):
        if name == other and keys.vault != sealing.vault:
            assert refused(name, sealed, keys)
    name, sealed = body(keys=newer)
    assert refused(name, sealed, KEYS)


def test_a_segment_with_another_label_is_refused() -> None:
    """Every part of the name, and every part of the seal's open header."""
    name, sealed = body()
    labels = [
        replace(name, writer=OTHER),
        replace(name, first=2, last=3),
        replace(name, last=3),
        replace(name, last=1),
        replace(name, tip="0" * 16),
        replace(name, tip=name.tip[:-1] + ("0" if name.tip[-1] != "0" else "1")),
    ]
    assert all(refused(label, sealed) for label in labels)
    newer = next_epoch(KEYS)
    for epoch in (0, 2, 3, 1 << 31):
        relabelled = sealed[:5] + epoch.to_bytes(4, "big") + sealed[9:]
        assert refused(name, relabelled, newer)
        assert refused(name, relabelled[:9] + newer.id_of(2) + relabelled[25:], newer)
    for purpose in range(1, 13):
        assert refused(name, sealed[:4] + bytes([purpose]) + sealed[5:]) == (purpose != 6)


# -- the key object ---------------------------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Derive keys at once: Argon2id has tests of its own, and here it would be run a thousand times."""

    def derive(passphrase: bytes, salt: bytes, memory: int, passes: int) -> bytes:
        spelt = passphrase + memory.to_bytes(8, "big") + passes.to_bytes(8, "big")
        return hashlib.blake2b(spelt, salt=salt[:16], digest_size=32).digest()

    monkeypatch.setattr(sodium, "argon2id", derive)


def test_a_key_object_with_any_byte_changed_or_cut_opens_for_nobody(quick: None) -> None:
    """Under its own name it is not what the name says; a store that also gives it the name that it then has is no wiser."""
    file = keyring.wrap(next_epoch(KEYS), PASSPHRASE, keyring.FLOOR)
    whole = file.spelt()
    assert keyring.unwrap(keyring.parse(whole), PASSPHRASE).vault == KEYS.vault
    read = 0
    for altered in (*flips(whole), *cuts(whole)):
        try:
            parsed = keyring.parse(altered)
        except (RefusedKeyFile, NewerFormat):
            continue
        read += 1
        assert parsed.digest != file.digest
        with pytest.raises((WrongKey, RefusedKeyFile)):
            keyring.unwrap(parsed, PASSPHRASE)
    assert read > 100  # hex digits that are others still spell a key file


@pytest.mark.parametrize("act", ["altered", "altered and renamed", "another vault's", "an older epoch's", "gone"])
def test_a_device_that_joins_takes_nothing_from_a_key_object_that_is_not_this_vaults(
    act: str, world: World, tmp_path: Path, quick: None
) -> None:
    phone = world.device("phone")
    add(phone, "x")
    engine.push(phone)
    store = world.store
    assert isinstance(store, MemoryStore)
    real = keyring.wrap(world.keys, PASSPHRASE, keyring.FLOOR)
    wrapped = bytearray(real.wrapped)
    wrapped[-1] ^= 1
    altered = replace(real, wrapped=bytes(wrapped))
    store.write({}, [key_name(world.config.slot)])
    name, spelt = {
        "altered": (real.digest, altered.spelt()),
        "altered and renamed": (altered.digest, altered.spelt()),
        "another vault's": (real.digest, keyring.wrap(OTHERS, PASSPHRASE, keyring.FLOOR).spelt()),
        "an older epoch's": (real.digest, replace(real, epoch=2, chain=(b"x",)).spelt()),
        "gone": (real.digest, b""),
    }[act]
    if act != "gone":
        store.write({key_name(name): spelt})
    home = Layout(tmp_path / "new")
    with pytest.raises((ForeignVault, StoreRefused, StoreChanged, WrongKey)):
        set_up(home, Place("folder", {}, store), Sources(environ={"GHOSTIE_STORE_PASSPHRASE": PASSPHRASE}))
    assert not home.master_key.exists()
    assert not list(home.home.rglob("*.enc")) if home.home.exists() else True


# -- a whole pull -----------------------------------------------------------------------------------------------------


def held(link: Link) -> dict[str, Any]:
    """Return all that a device holds and knows: versions, rows, logs, what others vouch for, who it is."""
    link.vault.refresh()
    known = ledger(link)
    return {
        "versions": {
            path.name: path.read_bytes() for path in link.vault.layout.memories.iterdir() if path.suffix == ".enc"
        },
        "rows": {entry.id: (entry.heads, entry.versions) for entry in link.vault.index.entries()},
        "logs": {writer: known.log(writer).stretches for writer in known.writers()},
        "vouched": known.state.vouched,
        "devices": known.state.devices,
        "published": known.state.published_seen,
        "accepted": known.state.accepted,
        "self": link.vault.layout.device.read_bytes(),
        "config": link.vault.layout.sync_config.read_bytes(),
        "operations": link.vault.operations.all(),
        "outbox": sorted(path.name for path in link.vault.layout.outbox.iterdir()),
        "worksheets": sorted(path.name for path in link.vault.layout.conflicts.iterdir()),
    }


class Scene:
    """A victim that has taken in all but the newest object, which the store may do with as it likes."""

    def __init__(self, world: World) -> None:
        self.world = world
        assert isinstance(world.store, MemoryStore)
        self.objects = world.store.objects
        self.phone, self.laptop, self.victim = (world.device(name) for name in ("phone", "laptop", "victim"))
        self.yesterday: list[dict[str, bytes]] = []
        for number in range(3):
            for link in (self.phone, self.laptop):
                add(link, f"{link.vault.device.name} {number}", tags=["t"])
                engine.push(link)
            self.yesterday.append(dict(self.objects))
        add(self.victim, "of the victim's own")
        settle(self.phone, self.laptop, self.victim)
        self.before = held(self.victim)
        known = set(self.objects)
        add(self.phone, "new")
        engine.push(self.phone)
        (key,) = set(self.objects) - known
        name = SegmentName.parse(key)
        assert name is not None
        self.new = name
        self.sealed = self.objects[key]

    def pull_changes_nothing(self, *kinds: str) -> None:
        """Pull, twice; assert that this alarms with *kinds*, and that the victim holds what it held."""
        for _ in range(2):
            done = engine.pull(self.victim, yes=True)
            assert {alarm.kind for alarm in done.alarms} == set(kinds)
            assert held(self.victim) == self.before
            assert done.taken.new == 0

    def put(self, content: bytes) -> None:
        self.objects[self.new.key] = content

    def still_opens(self) -> None:
        """Assert that the victim takes in the truth when it is shown again: nothing was spoilt."""
        self.put(self.sealed)
        assert engine.pull(self.victim).taken.new == 1
        assert {version.field("content") for version in every_version(self.victim)} >= {"new", "of the victim's own"}


@pytest.fixture
def scene(world: World) -> Scene:
    return Scene(world)


def test_a_new_object_flipped_or_cut_anywhere_changes_nothing(scene: Scene) -> None:
    spread = [*list(flips(scene.sealed))[::97], *list(cuts(scene.sealed))[::41], b"", scene.sealed + b"\0"]
    for altered in spread:
        scene.put(altered)
        scene.pull_changes_nothing("unreadable")
    kept = [path.read_bytes() for path in scene.victim.vault.layout.quarantine.iterdir()]
    assert kept == [spread[-1]]
    scene.still_opens()


def test_any_other_object_in_the_place_of_a_new_one_changes_nothing(scene: Scene) -> None:
    for key, content in sorted(scene.objects.items()):
        if key != scene.new.key:
            scene.put(content)
            scene.pull_changes_nothing("unreadable")
    scene.still_opens()


LABELS: dict[str, Callable[[Scene], SegmentName]] = {
    "another writer's": lambda scene: replace(scene.new, writer=scene.laptop.vault.device.writer),
    "a stranger's": lambda scene: replace(scene.new, writer="f" * 16),
    "the victim's own": lambda scene: replace(scene.new, writer=scene.victim.vault.device.writer),
    "a later place": lambda scene: replace(scene.new, first=scene.new.first + 1, last=scene.new.last + 1),
    "a place far ahead": lambda scene: replace(scene.new, first=900, last=900),
    "the first place": lambda scene: replace(scene.new, first=1, last=1),
    "a longer stretch": lambda scene: replace(scene.new, last=scene.new.last + 1),
    "another tip": lambda scene: replace(scene.new, tip="0" * 16),
}


@pytest.mark.parametrize("label", LABELS)
def test_a_new_object_under_any_other_name_changes_nothing(scene: Scene, label: str) -> None:
    forged = LABELS[label](scene)
    del scene.objects[scene.new.key]
    scene.objects[forged.key] = scene.sealed
    scene.pull_changes_nothing("unreadable")
    del scene.objects[forged.key]
    scene.still_opens()


def plant_foreign(scene: Scene) -> None:
    foreign, sealed = body(keys=OTHERS)
    scene.objects[foreign.key] = sealed


def plant_foreign_in_a_known_log(scene: Scene) -> None:
    at = scene.new.first
    foreign, sealed = body(keys=OTHERS, writer=scene.new.writer, first=at)
    scene.objects[foreign.key] = sealed


def plant_junk(scene: Scene) -> None:
    scene.objects[replace(scene.new, tip="e" * 16).key] = b"junk"


def hide_the_end(scene: Scene) -> None:
    for key in scene.objects.keys() - scene.yesterday[1].keys():
        del scene.objects[key]


def hide_a_log(scene: Scene) -> None:
    for key in [key for key in scene.objects if scene.new.writer in key]:
        del scene.objects[key]


def roll_back(scene: Scene) -> None:
    scene.objects.clear()
    scene.objects.update(scene.yesterday[0])


def hide_below_the_new(scene: Scene) -> None:
    """Leave out what the next object follows, and show that one."""
    add(scene.phone, "newer still")
    engine.push(scene.phone)
    del scene.objects[scene.new.key]


def replay(scene: Scene) -> None:
    del scene.objects[scene.new.key]
    scene.objects.update(scene.yesterday[0])


def say_nothing_new(scene: Scene) -> None:
    del scene.objects[scene.new.key]


ACTS: list[tuple[Callable[[Scene], None], tuple[str, ...]]] = [
    (plant_foreign, ("foreign",)),
    (plant_foreign_in_a_known_log, ("foreign",)),
    (plant_junk, ("unreadable",)),
    (hide_the_end, ("rollback", "own-rollback")),
    (hide_a_log, ("rollback",)),
    (roll_back, ("rollback", "own-rollback")),
    (hide_below_the_new, ("gap",)),
    (replay, ()),  # what is known changes nothing, and there is nothing wrong with it
    (say_nothing_new, ()),  # of this there is no evidence: docs/sync.md, "What a store can do"
]


@pytest.mark.parametrize(("act", "kinds"), ACTS, ids=[act.__name__ for act, _ in ACTS])
def test_what_is_planted_hidden_rolled_back_or_replayed_changes_nothing(
    scene: Scene, act: Callable[[Scene], None], kinds: tuple[str, ...]
) -> None:
    if act in (plant_foreign, plant_foreign_in_a_known_log, plant_junk):
        del scene.objects[scene.new.key]
    act(scene)
    scene.pull_changes_nothing(*kinds)


def test_two_views_of_one_store_are_noticed_as_soon_as_one_vouches_for_what_the_other_hides(world: World) -> None:
    """A fork: the victim is never shown the phone's news, the laptop is."""
    scene = Scene(world)
    assert engine.pull(scene.laptop).taken.new == 1
    del scene.objects[scene.new.key]
    scene.pull_changes_nothing()  # no evidence yet
    scene.objects[scene.new.key] = scene.sealed
    add(scene.laptop, "the laptop has seen it")
    engine.push(scene.laptop)
    del scene.objects[scene.new.key]
    done = engine.pull(scene.victim)
    assert [(alarm.kind, alarm.writer) for alarm in done.alarms] == [("rollback", scene.new.writer)]
    assert done.taken.new == 1


@pytest.mark.parametrize("act", ["emptied", "no key object", "another vault's"])
def test_another_store_in_the_place_of_this_one_changes_nothing(scene: Scene, act: str) -> None:
    slot = key_name(scene.world.config.slot)
    if act == "emptied":
        scene.objects.clear()
    else:
        del scene.objects[slot]
    if act == "another vault's":
        name, sealed = body(keys=OTHERS)
        theirs = keyring.KeyFile(OTHERS.vault, 1, keyring.FLOOR, bytes(16), b"x", OTHERS.id_of(1), ())
        scene.objects.clear()
        scene.objects.update({key_name(theirs.digest): theirs.spelt(), name.key: sealed})
    there = dict(scene.objects)
    add(scene.victim, "unpublished")
    before = held(scene.victim)
    for sync in (engine.pull, engine.push):
        with pytest.raises(StoreChanged):
            sync(scene.victim)
    assert held(scene.victim) == before
    assert scene.objects == there
