"""Devices around one store, made without a passphrase; and a wire to the store that counts, cuts and answers stale."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ghostie.backends.store import Capabilities, ObjectInfo, ObjectStore
from ghostie.crypto import keys as keyring
from ghostie.crypto.sealing import Keys
from ghostie.errors import Unreachable
from ghostie.memory import Version
from ghostie.paths import Layout
from ghostie.sync import engine
from ghostie.sync.config import Config
from ghostie.sync.engine import Pulled
from ghostie.sync.link import Link, look
from ghostie.sync.log import Ledger
from ghostie.sync.segment import Segment, SegmentName, Tips, key_name, open_segment
from ghostie.vault import conflicts, make_home
from ghostie.vault.device import Device, load_device, new_device
from ghostie.vault.row import Entry
from ghostie.vault.vault import Vault

START = 1_750_000_000_000
Listings = list[list[ObjectInfo]]
Calls = list[str]
A_DAY = 86_400_000


class Clock:
    """A clock that goes on a second whenever it is read, and that a test can set."""

    def __init__(self, now: int = START) -> None:
        self.now = now

    def __call__(self) -> int:
        self.now += 1000
        return self.now


def key_file_of(keys: Keys) -> keyring.KeyFile:
    """Return a key file for *keys* that no passphrase opens: for devices that have the keys already."""
    return keyring.KeyFile(keys.vault, 1, keyring.FLOOR, bytes(16), b"not wrapped", keys.id_of(1), ())


class World:
    """One vault's devices and the store they meet at."""

    def __init__(self, root: Path, store: ObjectStore, keys: Keys | None = None) -> None:
        self.root = root
        self.store = store
        self.keys = keys or keyring.new_keys()
        self.clock = Clock()
        slot = key_file_of(self.keys)
        self.config = Config("folder", {}, self.keys.vault.hex(), slot.digest)
        store.write({key_name(slot.digest): slot.spelt()})

    def device(self, name: str, *, store: ObjectStore | None = None) -> Link:
        """Return a new device of this vault; *store* is its own wire to the store."""
        layout = Layout(self.root / name)
        make_home(layout)
        new_device(name).save(layout)
        self.config.save(layout)
        return self.at(layout, store=store)

    def at(self, layout: Layout, *, store: ObjectStore | None = None, beside: bool = False) -> Link:
        """Return the device whose home is at *layout*, as a process that starts would open it."""
        vault = Vault(layout, self.keys, load_device(layout), clock=self.clock, patience=0.2)
        vault.refresh()
        store = store or self.store
        return Link(vault, store, self.config, sleep=lambda _: None, patience=0.2, beside=beside)

    def again(self, link: Link) -> Link:
        """Return the same device as another process would open it."""
        return self.at(link.vault.layout, store=link.store)

    def again_kept(self, link: Link) -> Link:
        """Return the same device as another process would open it, over a folder that a sync program keeps."""
        link = self.again(link)
        link.replicated = True
        return link

    def copied(self, link: Link, name: str) -> Link:
        """Return a copy of the whole home, as a cloned disk or a restored backup is one."""
        shutil.copytree(link.vault.layout.home, self.root / name)
        return self.at(Layout(self.root / name), store=link.store)

    def back_up(self, link: Link) -> Path:
        """Copy the home of *link* and return where to."""
        target = self.root / f"{link.vault.layout.home.name}.backup"
        shutil.copytree(link.vault.layout.home, target)
        return target

    def restore(self, link: Link, backup: Path) -> Link:
        """Put a backup in the place of the home of *link*."""
        home = link.vault.layout.home
        shutil.rmtree(home)
        shutil.copytree(backup, home)
        return self.at(Layout(home), store=link.store)

    # -- the store, seen by somebody who has the keys -----------------------------------------------------------------

    def names(self, writer: str | None = None) -> list[SegmentName]:
        return sorted(name for name in look(self.store).names if writer in (None, name.writer))

    def segment(self, name: SegmentName) -> Segment:
        return open_segment(self.keys, Tips(self.keys), name, self.store.get(name.key))

    def segments(self, writer: str | None = None) -> list[Segment]:
        return [self.segment(name) for name in self.names(writer)]

    def stored(self) -> set[str]:
        """Return the hashes of all versions whose bytes the store holds."""
        return {version.hash for segment in self.segments() for version in segment.versions()}

    def stored_bytes(self) -> bytes:
        """Return all that the store's segments say, opened."""
        return b"\n".join(raw for segment in self.segments() for raw in segment.raw if raw is not None)

    def objects(self) -> dict[str, bytes]:
        return {info.key: self.store.get(info.key) for info in self.store.list("")}


class Wire:
    """A connection to a store: counts what goes over it, and does wrong what it is told to."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.calls: list[str] = []
        self.lose_before = 0  # so many writes fail before they reach the store
        self.lose_after = 0  # so many writes are carried out, and their reply is lost
        self.no_deletes = 0  # so many writes are cut between their puts and their deletions
        self.stale: Listings = []  # listings to be given once each, instead of the true one
        self.written: list[dict[str, bytes]] = []
        self.absent: set[str] = set()  # keys that are listed and cannot be had

    @property
    def capabilities(self) -> Capabilities:
        return self.store.capabilities

    def list(self, prefix: str) -> list[ObjectInfo]:
        self.calls.append("list")
        return self.stale.pop(0) if self.stale else self.store.list(prefix)

    def get(self, key: str) -> bytes:
        self.calls.append("get")
        return self.store.get(key + ".gone" if key in self.absent else key)

    def write(self, put: Mapping[str, bytes], delete: Iterable[str] = ()) -> None:
        self.calls.append("write")
        self.written.append(dict(put))
        if self.lose_before:
            self.lose_before -= 1
            raise Unreachable(why="the request was lost")
        if self.no_deletes:
            self.no_deletes -= 1
            self.store.write(put)
            raise Unreachable(why="it went away in the middle")
        self.store.write(put, delete)
        if self.lose_after:
            self.lose_after -= 1
            raise Unreachable(why="the reply was lost")

    def since(self) -> Calls:
        """Return the requests since the last time this was asked."""
        calls, self.calls = self.calls, []
        return calls


# -- what a device holds ----------------------------------------------------------------------------------------------


def add(link: Link, content: str, **fields: Any) -> Version:
    return link.vault.add(content, **fields)


def entry(link: Link, memory_id: str) -> Entry:
    link.vault.refresh()
    return link.vault.find(memory_id)


def content(link: Link, memory_id: str) -> str:
    return str(link.vault.shown(entry(link, memory_id)).field("content"))


def contents(link: Link) -> list[str]:
    """Return what every memory that is not removed says, sorted; a conflict with the side that is shown."""
    link.vault.refresh()
    return sorted(str(link.vault.shown(found).field("content")) for found in link.vault.select())


def hashes(link: Link) -> set[str]:
    """Return the hashes of all versions on the disk, each opened."""
    return {version.hash for version in every_version(link)}


def every_version(link: Link) -> list[Version]:
    found = []
    for stem, version in link.vault.files.read_many(sorted(link.vault.files.stems())):
        assert isinstance(version, Version), f"{stem} does not open"
        found.append(version)
    return found


def heads(link: Link) -> dict[str, list[str]]:
    link.vault.refresh()
    return {found.id: sorted(found.heads) for found in link.vault.index.entries()}


def in_conflict(link: Link) -> list[str]:
    link.vault.refresh()
    return [found.id for found in conflicts.open_conflicts(link.vault)]


def picture(link: Link) -> tuple[set[str], dict[str, list[str]]]:
    """Return all that devices in step agree on: the versions, and the heads of every memory."""
    return hashes(link), heads(link)


def everything(link: Link) -> dict[str, bytes]:
    """Return every file below the home, by its name: to be compared with what is there later."""
    home = link.vault.layout.home
    return {str(path.relative_to(home)): path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file()}


def ledger(link: Link) -> Ledger:
    """Return what is durably known of the logs."""
    return Ledger(link.vault.layout, link.vault.keys)


# -- going back and forth ---------------------------------------------------------------------------------------------


def sync(*links: Link) -> list[Pulled]:
    """Let each device pull and push once, in this order."""
    done = []
    for link in links:
        done.append(engine.pull(link, yes=True))
        engine.push(link)
    return done


def settle(*links: Link) -> None:
    """Sync until nobody has anything new for anybody; there must be an end to it, and no alarm."""
    for _ in range(8):
        quiet = True
        for link in links:
            pulled, pushed = engine.pull(link, yes=True), engine.push(link)
            assert pulled.alarms == ()
            quiet = quiet and not pulled.segments and not pushed.segments
        if quiet:
            return
    raise AssertionError("they never come to rest")


def in_step(*links: Link) -> bool:
    return all(picture(link) == picture(links[0]) for link in links)


def as_device(link: Link) -> Device:
    return load_device(link.vault.layout)


def spelt_out(world: World, writer: str) -> set[str]:
    """Return what the memories in *writer*'s log on the store say."""
    return {str(version.field("content")) for segment in world.segments(writer) for version in segment.versions()}
