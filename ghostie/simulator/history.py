"""One simulated history: a few devices of one vault, a store, and whatever may happen to them; all of it from a seed.

The vault, the sealing and the sync are the real ones. Simulated are the store, the clocks, the chance, and the moments
at which a device is cut off or its disk is full.
"""

from __future__ import annotations

import contextlib
import errno
import random
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ghostie import files, text
from ghostie.backends.retry import Budget, Retrying
from ghostie.backends.store import ObjectStore
from ghostie.crypto import keys as keyring
from ghostie.crypto.sealing import Keys
from ghostie.errors import (
    Brake,
    CannotWrite,
    GhostieError,
    NoConflict,
    NotNoted,
    StoreChanged,
    StoreError,
    UnknownVersion,
)
from ghostie.memory import Version, new_id, new_salt
from ghostie.paths import Layout
from ghostie.simulator.cloud import Cloud, Malice, Port
from ghostie.simulator.verdict import (
    Broken,
    Evidence,
    come_to_rest,
    evidence,
    judge,
    key_files,
    left,
    versions_of,
)
from ghostie.sync import engine, survey
from ghostie.sync.config import Config
from ghostie.sync.link import Link
from ghostie.sync.log import Ledger
from ghostie.sync.notices import REBORN
from ghostie.sync.outbox import Outbox
from ghostie.sync.segment import BadSegment, SegmentName, Tips, key_name, open_segment, seal_segment
from ghostie.vault import conflicts, make_home
from ghostie.vault.device import load_device, new_device
from ghostie.vault.row import Entry
from ghostie.vault.vault import Vault

STEPS: Final = 40
MOST_HOMES: Final = 6
A_DAY: Final = 86_400_000
TEN_YEARS: Final = 3653 * A_DAY
START: Final = 1_750_000_000_000
NAMES: Final = ("phone", "laptop", "tablet", "desktop", "watch")


Action = Callable[[Any, "Machine"], str]  # a method of the history, and the device that it happens to


class CutOff(BaseException):
    """The process ends here, as by a power cut. Not an Exception: nothing may catch it and go on."""


@dataclass(frozen=True, slots=True)
class Event:
    """A step of a history: who did what, what the store did to it, and what came of it."""

    step: int
    who: str
    what: str
    store: tuple[str, ...] = ()
    outcome: str = ""


@dataclass
class Machine:
    """A device: its name in the trace, its home, how far its clock is off, and its vault as one process has it open."""

    name: str
    layout: Layout
    link: Link
    ahead: int = 0


@dataclass
class Doom:
    """What is to happen to the running process: after so many calls it is cut off, or the disk is full."""

    left: int
    full: bool
    happened: bool = False


class History:
    """A history in the making. `run` lives through it; what it cannot keep, it raises as Broken."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.rnd = random.Random(seed)
        self.malicious = seed % 2 == 1
        self.events: list[Event] = []
        self.step = 0
        self.folder = folder
        self.now = START
        self._notes: list[str] = []
        self._doom: Doom | None = None
        self.cloud = Cloud(self.rnd, self._notes.append, self._before)
        self.keys = keyring.first_epoch(self.rnd.randbytes(32))
        self.slot = _key_file_of(self.keys)
        self.config = Config("folder", {}, self.keys.vault.hex(), self.slot.digest)
        self.malice = Malice(self.cloud, self._foreign_store(), self.who)
        self.evil = False  # something malicious was done and stands
        self.acknowledged: set[str] = set()
        self.spoilt: set[str] = set()  # memories whose purge was lost with all who knew of it
        self.copied = False
        self.mended = False  # what was done stayed, and was repaired
        self.noticed = 0
        self._backups: list[tuple[int, Path]] = []
        self._homes = 0
        self._writers: dict[str, str] = {}
        self.devices = 3 + seed % 3
        self.machines: list[Machine] = []

    # -- devices -----------------------------------------------------------------------------------------------------

    @property
    def store(self) -> str:
        return "malicious" if self.malicious else "faulty"

    def new_machine(self, name: str) -> Machine:
        layout = Layout(self._home())
        make_home(layout)
        new_device(name, self.rnd.randbytes).save(layout)
        self.config.save(layout)
        files.write_durably(layout.master_key, self.slot.spelt())
        self.cloud.side[name] = 0
        return self.open(name, layout)

    def open(self, name: str, layout: Layout, ahead: int = 0) -> Machine:
        """Return a device as a process that starts opens it."""
        machine: Machine

        def clock() -> int:
            self.now += self.rnd.randrange(1, 5000)
            return self.now + machine.ahead

        keys, config = self._unlocked(layout)
        vault = Vault(
            layout,
            keys,
            load_device(layout),
            clock=clock,
            new_id=lambda: new_id(self.rnd.randbytes),
            salt=lambda: new_salt(self.rnd.randbytes),
        )
        store = self.reach(name)
        link = Link(
            vault,
            store,
            config,
            sleep=lambda _: self.pass_time(),
            random=self.rnd.randbytes,
            replicated=self.store == "replicated",
        )
        machine = Machine(name, layout, link, ahead)
        return machine

    def _unlocked(self, layout: Layout) -> tuple[Keys, Config]:
        """Return the keys of the home at *layout*, and the store that it is tied to."""
        return self.keys, self.config

    def reach(self, name: str) -> ObjectStore:
        """Return the connection of the device *name* to the store, which is tried again on some days."""
        store: ObjectStore = Port(self.cloud, name)
        if self.rnd.random() >= 0.5:
            return store
        return Retrying(
            store,
            budget=Budget(tries=3),
            sleep=lambda _: None,
            clock=lambda: self.now / 1000,
            dice=self.rnd.random,
        )

    def pass_time(self) -> None:
        self.cloud.pass_time()

    def stored(self) -> list[tuple[str, bytes]]:
        """Return what the store holds, by key."""
        return sorted(self.cloud.objects().items())

    def read(self, key: str, content: bytes) -> list[Version]:
        """Return the versions in what is stored as *key*, to somebody who has every key; none if it does not open."""
        name = SegmentName.parse(key)
        with contextlib.suppress(BadSegment):
            return open_segment(self.keys, Tips(self.keys), name, content).versions() if name is not None else []
        return []

    def reopen(self, machine: Machine) -> None:
        self.machines[self.machines.index(machine)] = self.open(machine.name, machine.layout, machine.ahead)

    def _home(self) -> Path:
        self._homes += 1
        return self.folder / f"home{self._homes}"

    def _foreign_store(self) -> dict[str, bytes]:
        """Return the objects of another vault: its key object, and one segment of a writer of its own."""
        keys = keyring.first_epoch(self.rnd.randbytes(32))
        slot = _key_file_of(keys)
        segment, sealed = seal_segment(
            keys,
            Tips(keys),
            writer=self.rnd.randbytes(8).hex(),
            first=1,
            before="0" * 16,
            device="stranger",
            time=START,
            seen={},
            entries=[(self.rnd.randbytes(32), None)],
        )
        return {key_name(slot.digest): slot.spelt(), segment.name.key: sealed}

    def who(self, writer: str) -> str:
        """Return the name of the device that was, or is, *writer*."""
        for machine in self.machines:
            self._writers.setdefault(machine.link.vault.device.writer, machine.name)
        return self._writers.get(writer, "a stranger")

    # -- a step ------------------------------------------------------------------------------------------------------

    def _before(self, call: str) -> None:
        """Hear of each call that changes the disk, and of each request; the process may end here."""
        doom = self._doom
        if doom is None:
            return
        doom.left -= 1
        if doom.left < 0 and (call == "write" or not doom.full):
            doom.happened = True
            raise OSError(errno.ENOSPC, "No space left on device") if doom.full else CutOff

    def run(self) -> None:
        """Live through the history, bring it to rest, and look at what came of it. Raises Broken."""
        with files.simulated(self._before, waits=False):
            self._begin()
            for _ in range(STEPS):
                self.step += 1
                self.cloud.pass_time()
                if self.malicious and self.rnd.random() < 0.1 and (done := self.malice.act()):
                    self.evil = True
                    self.tell("the store", done)
                self._live()
            self._come_to_rest()

    def _live(self) -> None:
        """Let one device do something."""
        actions, weights = zip(*self.MAY, strict=True)
        machine, action = self.rnd.choice(self.machines), self.rnd.choices(actions, weights)[0]
        self._act(self._in_conflict() or machine if action is History.resolve else machine, action)

    def _come_to_rest(self) -> None:
        come_to_rest(self)
        judge(self)

    def _begin(self) -> None:
        """Give everybody something in common to fall out over."""
        self.cloud.carry_out("", {key_name(self.slot.digest): self.slot.spelt()}, [])
        self.machines += [self.new_machine(name) for name in NAMES[: self.devices]]
        self.cloud.calm = True
        for _ in range(3):
            self.add(self.machines[0])
        for machine in self.machines:
            self.pull(machine)
            self.push(machine)
        self.cloud.calm = False
        self.tell(self.machines[0].name, "adds three memories", "everybody has them")

    def _in_conflict(self) -> Machine | None:
        """Return a device on which there is something to settle."""
        found = [machine for machine in self.machines if conflicts.open_conflicts(machine.link.vault)]
        return self.rnd.choice(found) if found else None

    def _act(self, machine: Machine, action: Action) -> None:
        what, outcome = action.__name__.replace("_", " "), ""
        self.cloud.paused = self.cloud.lied = False
        chance = self.rnd.random()
        if chance < 0.07 and action not in self.WHOLE:
            self._doom = Doom(self.rnd.randrange(25), chance < 0.02)
        try:
            what, _, outcome = action(self, machine).partition(": ")
        except StoreError as error:
            outcome = f"not done, {error}"
        except Brake as error:
            outcome = str(error)
        except (CannotWrite, NotNoted):
            if self._doom is None or not self._doom.happened:
                raise
            outcome = "not done, the disk is full"
        except CutOff:
            outcome = "it is cut off in the middle, and starts again"
            self._doom = None
            self.reopen(machine)
        except Exception:
            self.tell(machine.name, what, "here a promise is broken")
            raise
        finally:
            self._doom = None
        self.tell(machine.name, what, outcome)
        self.who("")

    def tell(self, who: str, what: str, outcome: str = "") -> None:
        outcome = outcome.replace(str(self.folder), "")
        outcome = re.sub(r"writer ([0-9a-f]{16})", lambda found: self.who(found[1]), outcome)
        self.events.append(Event(self.step, who, what, tuple(dict.fromkeys(self._notes)), outcome))
        self._notes.clear()

    # -- what a person does ------------------------------------------------------------------------------------------

    def acknowledge(self, *versions: Version) -> None:
        self.acknowledged |= {version.hash for version in versions}

    def some(self, machine: Machine, wanted: Callable[[Entry], bool]) -> Entry | None:
        machine.link.vault.refresh()
        found = (entry for entry in machine.link.vault.index.entries() if wanted(entry))
        entries = sorted(found, key=lambda entry: entry.id)
        return self.rnd.choice(entries) if entries else None

    def add(self, machine: Machine) -> str:
        lines = "".join(f"{self.rnd.choice('abc')}{number}\n" for number in range(4))
        version = machine.link.vault.add(lines, tags=[self.rnd.choice("xyz")])
        self.acknowledge(version)
        return f"adds memory {version.id[:6]}"

    def edit(self, machine: Machine) -> str:
        vault = machine.link.vault
        entry = self.some(machine, lambda entry: not entry.deleted and not entry.in_conflict)
        if entry is None:
            return self.add(machine)
        lines = str(vault.shown(entry).field("content")).splitlines(keepends=True)
        if self.rnd.random() < 0.7:
            lines[self.rnd.randrange(len(lines))] = f"{self.rnd.choice('ABCDEFG')}\n"
            self.acknowledge(vault.edit(entry.id, {"content": "".join(lines)}))
            return f"edits a line of {entry.id[:6]}"
        self.acknowledge(vault.edit(entry.id, {"tags": self.rnd.sample("uvwxyz", 2)}))
        return f"edits the tags of {entry.id[:6]}"

    def remove(self, machine: Machine) -> str:
        entry = self.some(machine, lambda entry: not entry.deleted)
        if entry is None:
            return "has nothing to remove"
        self.acknowledge(*machine.link.vault.remove([entry.id]))
        return f"removes {entry.id[:6]}"

    def bring_back(self, machine: Machine) -> str:
        entry = self.some(
            machine,
            lambda entry: (
                entry.deleted
                and not entry.in_conflict
                and any(not row.get("deleted") for row in entry.versions.values())
            ),
        )
        if entry is None:
            return "has nothing to bring back"
        try:
            self.acknowledge(machine.link.vault.restore(entry.id))
        except UnknownVersion:
            # what stood here still was of a purge that was cut off, and any next change finishes that first
            return f"finds {entry.id[:6]} purged"
        return f"brings back {entry.id[:6]}"

    def purge(self, machine: Machine) -> str:
        entry = self.some(machine, lambda entry: not entry.deleted)
        if entry is None:
            return "has nothing to purge"
        machine.link.vault.purge([entry.id])
        marker = machine.link.vault.shown(machine.link.vault.find(entry.id))
        self.acknowledged -= set(marker.purges)
        self.acknowledge(marker)
        return f"purges {entry.id[:6]}"

    def resolve(self, machine: Machine) -> str:
        entry = self.some(machine, lambda entry: entry.in_conflict)
        if entry is None:
            return "has no conflict"
        keep = self.rnd.choice(("mine", "theirs", "both", "merged"))
        try:
            self.acknowledge(*conflicts.resolve(machine.link.vault, entry.id, keep)[1])
        except NoConflict:
            if machine.link.vault.index[entry.id].in_conflict:
                raise
            # what stood here still was of a merge that was cut off, and any next change finishes that first
            return f"finds {entry.id[:6]} merged"
        return f"settles the conflict of {entry.id[:6]}: keeps {keep}"

    # -- sync --------------------------------------------------------------------------------------------------------

    def pull(self, machine: Machine, *, yes: bool | None = None) -> str:
        link = machine.link
        before = self._evidence(machine)
        try:
            done = engine.pull(link, yes=self.rnd.random() < 0.8 if yes is None else yes)
        except StoreChanged as error:
            if not self.may_end_a_sync(machine, error):
                raise Broken("an honest store raises no alarm", str(error)) from error
            self.noticed += 1
            return f"pulls: ALARM, {error}"
        # who has just become a new writer sees its old log with other eyes
        if REBORN not in done.notices or not self.evil:
            self._judge_alarms(before(), done)
        told = [text.plural(done.versions, "version") + " taken in" if done.versions else "nothing new"]
        told += [f"{text.plural(len(done.taken.conflicts), 'memory')} in conflict"] if done.taken.conflicts else []
        told += [f"on its way, {each.waits()}" for each in done.waiting]
        told += [f"ALARM, {alarm.sentence()}" for alarm in done.alarms]
        told += [notice.sentence() for notice in done.notices]
        self.noticed += len(done.alarms)
        return f"pulls: {'; '.join(told)}"

    def _evidence(self, machine: Machine) -> Callable[[], Evidence]:
        """Return what gives the evidence against the store, on what the device knows now, when the pull is done."""
        if not self.evil:
            return Evidence
        link = machine.link
        ledger = Ledger(machine.layout, link.vault.keys)
        me = load_device(machine.layout).writer
        waiting = {name.key for name in Outbox(link).names()}

        def found() -> Evidence:
            shown = self.cloud.shown(machine.name)
            if not any(file.vault == link.vault.keys.vault for file in key_files(shown.items())):
                return Evidence(another=True)
            return evidence(link.vault.keys, ledger, me, waiting, shown)

        return found

    def may_say(self, machine: Machine, error: GhostieError) -> bool:
        """Tell whether *machine* has a reason to say that the store is another: *error*."""
        return self.shows_another(machine)

    def may_end_a_sync(self, machine: Machine, error: GhostieError) -> bool:
        """Tell whether a pull or a push of *machine*, which wait for what is on its way, may end with *error*."""
        return self.shows_another(machine)

    def shows_another(self, machine: Machine) -> bool:
        """Tell whether the store shows *machine* something else than its vault."""
        return key_name(machine.link.config.slot) not in self.cloud.shown(machine.name)

    def _judge_alarms(self, against: Evidence, done: engine.Pulled) -> None:
        named = against.named_by({alarm.writer for alarm in done.alarms})
        if wrong := named - against.must - against.may:
            first = next(alarm for alarm in done.alarms if alarm.writer in wrong)
            raise Broken("an honest store raises no alarm", first.sentence())
        if self.cloud.lied and not done.alarms:
            return  # what it was shown was not what it would be shown now
        if against.another:
            raise Broken("every tampering raises an alarm", "a store without this vault's key object passed")
        if missed := sorted(against.must - named):
            raise Broken("every tampering raises an alarm", f"nothing was said of {self.who(missed[0])}'s log")

    def push(self, machine: Machine) -> str:
        try:
            done = engine.push(machine.link)
        except StoreChanged as error:
            if not self.may_end_a_sync(machine, error):
                raise Broken("an honest store raises no alarm", str(error)) from error
            self.noticed += 1
            return f"pushes: ALARM, {error}"
        told = [text.plural(done.versions, "version") + " sent" if done.segments else "nothing new"]
        told += [f"on its way, {each.waits()}" for each in done.waiting]
        told += [notice.sentence() for notice in done.notices]
        return f"pushes: {'; '.join(told)}"

    def sync(self, machine: Machine) -> str:
        pulled = self.pull(machine)
        return f"{pulled}; then {self.push(machine)}"

    def compact(self, machine: Machine) -> str:
        try:
            old, joined = survey.compact(machine.link)
        except StoreChanged as error:
            if not self.may_say(machine, error):
                raise Broken("an honest store raises no alarm", str(error)) from error
            return f"compacts: ALARM, {error}"
        return f"compacts: {text.plural(old, 'object')} joined into {joined}"

    # -- what may happen to a device ---------------------------------------------------------------------------------

    def start_again(self, machine: Machine) -> str:
        self.reopen(machine)
        return "starts again"

    def set_the_clock(self, machine: Machine) -> str:
        machine.ahead = self.rnd.choice((-1, 0, 1)) * self.rnd.randrange(TEN_YEARS)
        days = machine.ahead // A_DAY
        return f"has its clock set: {days:+,} days" if days else "has its clock set: right"

    def wait(self, machine: Machine) -> str:
        self.now += self.rnd.randrange(3 * A_DAY)
        return "is left alone for a while"

    def back_up(self, machine: Machine) -> str:
        target = self._home()
        copy_home(machine.layout.home, target)
        self._backups.append((self.machines.index(machine), target))
        return "has its home backed up"

    def restore(self, machine: Machine) -> str:
        """Put a backup in the place of its home; what only that home had is lost, and nobody's fault."""
        place = self.machines.index(machine)
        backups = [home for owner, home in self._backups if owner == place]
        if not backups:
            return "has no backup"
        self.copied = True
        had = versions_of(machine)
        markers = {digest: version for digest, version in had.items() if version.purges}
        shutil.rmtree(machine.layout.home)
        copy_home(self.rnd.choice(backups), machine.layout.home)
        self.reopen(machine)
        self._forget_what_is_gone(set(had), markers)
        return "gets a backup in the place of its home"

    def _forget_what_is_gone(self, had: set[str], markers: dict[str, Version]) -> None:
        """Hold nobody to versions of *had* that are on no device and not on the store any more."""
        elsewhere = left(self)
        self.acknowledged -= had - elsewhere
        for digest, marker in markers.items():
            if digest not in elsewhere:
                self.acknowledged -= set(marker.purges)
                self.spoilt.add(marker.id)

    def copy(self, machine: Machine) -> str:
        if len(self.machines) >= MOST_HOMES:
            return "is not copied"
        name = f"{machine.name.split()[0]} copy {len(self.machines)}"
        target = Layout(self._home())
        copy_home(machine.layout.home, target.home)
        self.cloud.side[name] = self.cloud.side[machine.name]
        self.machines.append(self.open(name, target, machine.ahead))
        self.copied = True
        return f"has its home copied: as {name}"

    WHOLE: tuple[Action, ...] = (back_up, restore, copy)  # these are not cut off
    MAY: tuple[tuple[Action, int], ...] = (
        (add, 8),
        (edit, 26),
        (remove, 6),
        (bring_back, 3),
        (purge, 2),
        (resolve, 9),
        (sync, 30),
        (push, 14),
        (pull, 14),
        (compact, 4),
        (start_again, 3),
        (set_the_clock, 2),
        (wait, 2),
        (back_up, 4),
        (restore, 5),
        (copy, 2),
    )


def copy_home(source: Path, target: Path) -> None:
    files.make_private_folder(target)
    for name in sorted(files.names_in(source)):
        if (source / name).is_dir():
            copy_home(source / name, target / name)
        else:
            files.write_durably(target / name, files.read(source / name))


def _key_file_of(keys: Keys) -> keyring.KeyFile:
    """Return a key file for *keys* that no passphrase opens: these devices have the keys already."""
    return keyring.KeyFile(keys.vault, 1, keyring.FLOOR, bytes(16), b"not wrapped", keys.id_of(1), ())
