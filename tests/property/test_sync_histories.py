"""Random histories of several devices around a store that loses, delays and forgets, run against the real code.

Replies are lost, writes are cut in the middle, listings are old, reads fail; devices are copied, restored from backups,
opened anew; memories are edited, removed, purged and torn apart. Afterwards everybody has everything that was ever
acknowledged, all in one state, what was removed stays removed, and nobody ever cried wolf.

A history is its seed: `Story(seed, folder).run()` does the same thing again.
"""

from __future__ import annotations

import hashlib
import random
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from ghostie.backends.memory import MemoryStore
from ghostie.backends.store import ObjectInfo
from ghostie.crypto.keys import first_epoch
from ghostie.errors import GhostieError, StoreError, Unreachable
from ghostie.memory import Version, new_id, new_salt
from ghostie.paths import Layout
from ghostie.sync import engine, survey
from ghostie.sync.config import Config
from ghostie.sync.link import Link, look
from ghostie.sync.segment import Tips, key_name, open_segment
from ghostie.vault import conflicts
from ghostie.vault.device import Device, load_device, new_device
from ghostie.vault.opening import make_home
from ghostie.vault.row import Entry
from ghostie.vault.vault import Vault
from tests.sync.world import A_DAY, START, key_file_of

BLOCKS, BLOCK = 8, 60
SLOW_BLOCKS, SLOW_BLOCK = 16, 250
STEPS = 30
MOST_DEVICES = 5


@pytest.fixture(autouse=True)
def nothing_waits_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No fsync here: nobody cuts the power in these histories, and waiting for the disk would take all of the time."""
    monkeypatch.setattr("ghostie.files.os.fsync", lambda _: None)
    monkeypatch.setattr("ghostie.files._syncfs", lambda: lambda _: 0)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory, where there is one."""
    shared = Path("/dev/shm")
    made = Path(tempfile.mkdtemp(prefix="ghostie-", dir=shared if shared.is_dir() else None))
    yield made
    shutil.rmtree(made, ignore_errors=True)


class Weather(MemoryStore):
    """An honest store behind a bad connection: what it says was true a moment ago, or it says nothing."""

    def __init__(self, rnd: random.Random) -> None:
        super().__init__(best_size=1 << 14)
        self.calm = False
        self._rnd = rnd
        self._past: list[dict[str, bytes]] = []
        self._was_stale = False

    def list(self, prefix: str) -> list[ObjectInfo]:
        if not self.calm and self._rnd.random() < 0.06:
            raise Unreachable(why="no answer")
        stale = not self.calm and not self._was_stale and bool(self._past) and self._rnd.random() < 0.1
        self._was_stale = stale
        if not stale:
            return super().list(prefix)
        now, self.objects = self.objects, self._rnd.choice(self._past)
        try:
            return super().list(prefix)
        finally:
            self.objects = now

    def get(self, key: str) -> bytes:
        if not self.calm and self._rnd.random() < 0.03:
            raise Unreachable(why="cut")
        return super().get(key)

    def write(self, put: Mapping[str, bytes], delete: Iterable[str] = ()) -> None:
        fate = 1.0 if self.calm else self._rnd.random()
        doomed = list(delete)
        if fate < 0.08:
            raise Unreachable(why="lost before")
        if fate < 0.14:  # cut in the middle, puts before deletions
            some = list(put.items())[: self._rnd.randint(0, len(put))]
            super().write(dict(some), doomed[: self._rnd.randint(0, len(doomed))] if len(some) == len(put) else ())
        else:
            super().write(put, doomed)
        self._past = [*self._past[-3:], dict(self.objects)]
        if fate < 0.22:
            raise Unreachable(why="lost after")


class Story:
    """One history of a few devices, and what has to be true of it at the end."""

    def __init__(self, seed: int, folder: Path, devices: int = 3) -> None:
        self.rnd = random.Random(seed)
        self.folder = folder
        self.store = Weather(self.rnd)
        self.keys = first_epoch(self.rnd.randbytes(32))
        slot = key_file_of(self.keys)
        self.config = Config("folder", {}, self.keys.vault.hex(), slot.digest)
        self.store.objects[key_name(slot.digest)] = slot.spelt()
        self.now = START
        self.acknowledged: set[str] = set()
        self.spoilt: set[str] = set()
        self.copied = False
        self.told: list[str] = []
        self.backups: list[tuple[int, Path]] = []
        self.made = 0
        self.links = [self.device() for _ in range(devices)]

    # -- devices ------------------------------------------------------------------------------------------------------

    def home(self) -> Path:
        self.made += 1
        return self.folder / f"home{self.made}"

    def device(self) -> Link:
        layout = Layout(self.home())
        make_home(layout)
        new_device(layout.home.name, self.rnd.randbytes).save(layout)
        self.config.save(layout)
        return self.open(layout)

    def open(self, layout: Layout) -> Link:
        ahead = self.rnd.choice((0, 0, 0, 1, -1)) * self.rnd.randrange(4000 * A_DAY)

        def clock() -> int:
            self.now += self.rnd.randrange(1, 5000)
            return self.now + ahead

        vault = Vault(
            layout,
            self.keys,
            load_device(layout),
            clock=clock,
            new_id=lambda: new_id(self.rnd.randbytes),
            salt=lambda: new_salt(self.rnd.randbytes),
        )
        vault.refresh()
        return Link(vault, self.store, self.config, sleep=lambda _: None)

    # -- what may happen ----------------------------------------------------------------------------------------------

    def acknowledge(self, *versions: Version) -> None:
        self.acknowledged |= {version.hash for version in versions}

    def some(self, link: Link, wanted: Callable[[Entry], bool]) -> Entry | None:
        link.vault.refresh()
        found = sorted((entry for entry in link.vault.index.entries() if wanted(entry)), key=lambda entry: entry.id)
        return self.rnd.choice(found) if found else None

    def add(self, link: Link) -> None:
        lines = "".join(f"{self.rnd.choice('abc')}{number}\n" for number in range(4))
        self.acknowledge(link.vault.add(lines, tags=[self.rnd.choice("xyz")]))

    def edit(self, link: Link) -> None:
        entry = self.some(link, lambda entry: not entry.deleted and not entry.in_conflict)
        if entry is None:
            return self.add(link)
        lines = str(link.vault.shown(entry).field("content")).splitlines(keepends=True)
        if self.rnd.random() < 0.7:
            lines[self.rnd.randrange(len(lines))] = f"{self.rnd.choice('ABCDEFG')}\n"
            self.acknowledge(link.vault.edit(entry.id, {"content": "".join(lines)}))
        else:
            self.acknowledge(link.vault.edit(entry.id, {"tags": self.rnd.sample("uvwxyz", 2)}))
        return None

    def remove(self, link: Link) -> None:
        entry = self.some(link, lambda entry: not entry.deleted)
        if entry is not None:
            self.acknowledge(*link.vault.remove([entry.id]))

    def bring_back(self, link: Link) -> None:
        entry = self.some(link, lambda entry: entry.deleted and not entry.in_conflict)
        if entry is not None and any(not row.get("deleted") for row in entry.versions.values()):
            self.acknowledge(link.vault.restore(entry.id))

    def purge(self, link: Link) -> None:
        entry = self.some(link, lambda entry: not entry.deleted)
        if entry is not None:
            link.vault.purge([entry.id])
            marker = link.vault.shown(link.vault.find(entry.id))
            self.acknowledged -= set(marker.purges)
            self.acknowledge(marker)

    def resolve(self, link: Link) -> None:
        entry = self.some(link, lambda entry: entry.in_conflict)
        if entry is not None:
            keep = self.rnd.choice(("mine", "theirs", "both", "merged"))
            self.acknowledge(*conflicts.resolve(link.vault, entry.id, keep)[1])

    def pull(self, link: Link) -> None:
        done = engine.pull(link, yes=True)
        assert done.alarms == (), f"an alarm although the store is honest: {done.alarms[0].sentence()}"

    def push(self, link: Link) -> None:
        engine.push(link)

    def compact(self, link: Link) -> None:
        survey.compact(link)

    def reopen(self, link: Link) -> None:
        self.links[self.links.index(link)] = self.open(link.vault.layout)

    def wait(self, link: Link) -> None:
        self.now += self.rnd.randrange(3 * A_DAY)

    def back_up(self, link: Link) -> None:
        target = self.home()
        shutil.copytree(link.vault.layout.home, target)
        self.backups.append((self.links.index(link), target))

    def restore(self, link: Link) -> None:
        """Put one of the backups in the place of its home; what only that home had is lost, and nobody's fault."""
        if not self.backups:
            return
        self.copied = True
        place, backup = self.rnd.choice(self.backups)
        layout = self.links[place].vault.layout
        had = self.hashes(self.links[place])
        markers = {version.hash: version.id for version in self.versions(self.links[place]) if version.purges}
        shutil.rmtree(layout.home)
        shutil.copytree(backup, layout.home)
        self.links[place] = self.open(layout)
        elsewhere = set().union(*(self.hashes(other) for other in self.links), self.stored())
        self.acknowledged -= had - elsewhere
        self.spoilt |= {memory_id for digest, memory_id in markers.items() if digest not in elsewhere}

    def copy(self, link: Link) -> None:
        if len(self.links) < MOST_DEVICES:
            target = self.home()
            shutil.copytree(link.vault.layout.home, target)
            self.links.append(self.open(Layout(target)))
            self.copied = True

    MAY = (
        (add, 20),
        (edit, 22),
        (remove, 6),
        (bring_back, 3),
        (purge, 2),
        (resolve, 5),
        (push, 24),
        (pull, 26),
        (compact, 4),
        (reopen, 3),
        (wait, 2),
        (back_up, 3),
        (restore, 3),
        (copy, 2),
    )

    # -- what is there ------------------------------------------------------------------------------------------------

    def hashes(self, link: Link) -> set[str]:
        return {version.hash for version in self.versions(link)}

    def versions(self, link: Link) -> list[Version]:
        found = []
        for _, version in link.vault.files.read_many(sorted(link.vault.files.stems())):
            assert isinstance(version, Version)
            found.append(version)
        return found

    def stored(self) -> set[str]:
        tips = Tips(self.keys)
        return {
            version.hash
            for name in look(_plain(self.store)).names
            for version in open_segment(self.keys, tips, name, self.store.objects[name.key]).versions()
        }

    def picture(self, link: Link) -> tuple[list[str], list[tuple[str, list[str]]]]:
        """Return all versions and all heads; but not of memories whose purge was lost with the home that it was made in."""
        link.vault.refresh()
        entries = [entry for entry in link.vault.index.entries() if entry.id not in self.spoilt]
        versions = [version.hash for version in self.versions(link) if version.id not in self.spoilt]
        return sorted(versions), sorted((entry.id, sorted(entry.heads)) for entry in entries)

    # -- running ------------------------------------------------------------------------------------------------------

    def run(self) -> str:
        """Live through the history and check its end; return a digest of all that came of it."""
        actions, weights = zip(*self.MAY, strict=True)
        for _ in range(STEPS):
            link, action = self.rnd.choice(self.links), self.rnd.choices(actions, weights)[0]
            self.told.append(f"{action.__name__} {link.vault.layout.home.name}")
            try:
                action(self, link)
            except StoreError as error:
                self.told[-1] += f": {error}"
        self.come_to_rest()
        self.check()
        spelt = repr((self.told, self.picture(self.links[0]), sorted(self.store.objects)))
        return hashlib.sha256(spelt.encode()).hexdigest()

    def come_to_rest(self) -> None:
        self.store.calm = True
        for _ in range(10):
            quiet = True
            for link in self.links:
                pulled, pushed = engine.pull(link, yes=True), engine.push(link)
                assert pulled.alarms == (), f"an alarm in the quiet: {pulled.alarms[0].sentence()}"
                quiet = quiet and not pulled.segments and not pushed.segments
            if quiet:
                return
        raise AssertionError("they never come to rest")

    def check(self) -> None:
        first = self.picture(self.links[0])
        for link in self.links[1:]:
            other = self.picture(link)
            apart = {*first[0], *map(str, first[1])} ^ {*other[0], *map(str, other[1])}
            assert not apart, f"not in one state: {sorted(apart)}"
        versions = {version.hash: version for version in self.versions(self.links[0])}
        destroyed = {digest for version in versions.values() for digest in version.purges}
        missing = self.acknowledged - destroyed - versions.keys()
        assert not missing, f"{len(missing)} acknowledged versions are lost"
        assert not destroyed & versions.keys(), "what was purged is still here"
        self.check_removals(versions)
        self.check_store(destroyed)

    def check_removals(self, versions: Mapping[str, Version]) -> None:
        """What was removed and what no edit was made beside stays removed."""
        for tombstone in versions.values():
            if not tombstone.deleted:
                continue
            below, todo = set(), [tombstone.hash]
            while todo:
                digest = todo.pop()
                below.add(digest)
                todo += versions[digest].parents if digest in versions else ()
            others = [
                version for version in versions.values() if version.id == tombstone.id and version.hash not in below
            ]
            if all(version.deleted for version in others):
                entry = self.links[0].vault.find(tombstone.id)
                assert entry.deleted, "what was removed came back"

    def check_store(self, destroyed: set[str]) -> None:
        # two homes with one writer id may write over each other's work until one of them notices; and the log of a
        # writer that is no more is nobody's to write anew
        mine = set() if self.copied else {link.vault.device.writer for link in self.links}
        tips = Tips(self.keys)
        for name in look(_plain(self.store)).names:
            segment = open_segment(self.keys, tips, name, self.store.objects[name.key])
            held = {version.hash for version in segment.versions()}
            assert name.writer not in mine or not held & destroyed, "the store still opens to what was purged"
        assert survey.verify(self.links[0]) == []
        newcomer = self.device()
        done = engine.pull(newcomer, yes=True)
        assert done.alarms == ()
        assert self.picture(newcomer)[1] == self.picture(self.links[0])[1], "a newcomer sees another state"


def _plain(store: MemoryStore) -> MemoryStore:
    """Return the same objects without the weather."""
    plain = MemoryStore()
    plain.objects = store.objects
    return plain


def live(seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the history *seed* and return its digest; all that is random in it comes from the seed."""
    home = folder / str(seed)
    home.mkdir()
    with monkeypatch.context() as patch:
        story = Story(seed, home, 2 + seed % 3)

        def reborn(device: Device, _: object = None) -> Device:
            return replace(device, writer=story.rnd.randbytes(8).hex())

        patch.setattr(Device, "reborn", reborn)
        patch.setattr(
            "ghostie.sync.outbox.secrets",
            SimpleNamespace(token_bytes=story.rnd.randbytes, token_hex=secrets.token_hex),
        )
        try:
            return story.run()
        except (AssertionError, GhostieError, LookupError, ValueError) as error:
            tale = "\n  ".join(story.told)
            raise AssertionError(f"history {seed}: {type(error).__name__}: {error}\n  {tale}") from error
        finally:
            shutil.rmtree(home)


@pytest.mark.parametrize("block", range(BLOCKS))
def test_every_history_ends_with_nothing_lost_in_one_state_and_without_an_alarm(
    block: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        live(seed, folder, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(SLOW_BLOCKS))
def test_many_more_histories_end_the_same_way(block: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(10_000 + block * SLOW_BLOCK, 10_000 + (block + 1) * SLOW_BLOCK):
        live(seed, folder, monkeypatch)


def test_a_history_is_its_seed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(3):
        assert len({live(seed, folder, monkeypatch) for _ in range(3)}) == 1
