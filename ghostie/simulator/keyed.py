"""Histories in which more changes than memories: keys and passphrases, who belongs to the vault, and what may leave.

Devices open new keys, also two at once; set passphrases; are set up, invited, lost, switched off for a while and
retired; memories stay on their device, leave after all, or no longer. The store is one behind a bad connection, or a
folder that each device has a copy of. What only guessing makes costly is made cheap: a passphrase costs a hash.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ghostie import files, text
from ghostie.backends.folder import FolderStore
from ghostie.backends.store import ObjectStore
from ghostie.crypto import keys as keyring
from ghostie.crypto import sodium
from ghostie.crypto.keys import FLOOR
from ghostie.crypto.sealing import Keys
from ghostie.crypto.unlock import Sources, read_key_file
from ghostie.errors import (
    ForeignVault,
    GhostieError,
    InvitationElsewhere,
    InvitationOutdated,
    KeysRotated,
    NotRetired,
    NotTheStores,
    NoVault,
    StoreChanged,
    StoreError,
    UsageError,
    WrongKey,
)
from ghostie.memory import Version
from ghostie.paths import Layout
from ghostie.simulator import keyverdict
from ghostie.simulator.cloud import Malice
from ghostie.simulator.history import NAMES, CutOff, History, Machine, copy_home
from ghostie.simulator.replicas import Replicas
from ghostie.simulator.verdict import Broken, Evidence, versions_of
from ghostie.sync import moving, pairing, retiring
from ghostie.sync.config import Config, load_config
from ghostie.sync.notices import RIVAL
from ghostie.sync.segment import BadSegment, SegmentName, Tips, open_segment
from ghostie.sync.setup import Expected, Place, SetUp, set_up
from ghostie.sync.slots import note_new_key
from ghostie.vault import create_vault
from ghostie.vault.device import load_device

HOUR: Final = 3_600_000
MOST_HOMES: Final = 6


@contextlib.contextmanager
def cheap(seed: str) -> Iterator[None]:
    """Let a passphrase cost one hash, and let chance follow from *seed*, in this process and meanwhile."""

    def derived(passphrase: bytes, salt: bytes, memory: int, passes: int) -> bytes:
        return hashlib.blake2b(salt + passphrase, digest_size=sodium.KEY_BYTES, person=b"simulated").digest()

    # the source behind `secrets`, and not its functions, which are bound as defaults in many places
    kept = sodium.argon2id, vars(secrets)["_sysrand"]
    vars(sodium)["argon2id"], vars(secrets)["_sysrand"] = derived, random.Random(seed)
    try:
        yield
    finally:
        vars(sodium)["argon2id"], vars(secrets)["_sysrand"] = kept


@dataclass
class Joining:
    """A device that is to join: its home, the passphrase of a vault of its own, and the invitation that it has."""

    name: str
    layout: Layout
    own: str | None = None
    code: str | None = None
    typed: str = ""


@dataclass
class Person:
    """What the person knows: every passphrase that was set, the newest last; and which may open which home."""

    passphrases: list[str] = field(default_factory=list)
    opens: dict[Path, list[str]] = field(default_factory=dict)

    def new_passphrase(self) -> str:
        self.passphrases.append(f"passphrase number {len(self.passphrases) + 1}")
        return self.passphrases[-1]


class KeyHistory(History):
    """A history around a store behind a bad connection; with *replicated*, around copies of a folder."""

    def __init__(self, seed: int, folder: Path, *, replicated: bool = False) -> None:
        super().__init__(seed, folder)
        self.rnd = random.Random(f"{'folders' if replicated else 'keys'} {seed}")
        self.cloud.rnd = self.rnd
        self.malice = Malice(self.cloud, self._foreign_store(), self.who)
        self.malicious = self.malicious and not replicated
        self.seed = f"chance of {self.rnd.random()}"
        self.person = Person()
        self.keyrings: list[Keys] = []
        self.published: set[str] = set()  # ids of memories that were ever on the store
        self.moved_away: set[str] = set()  # writers that were retired
        self.replicas: Replicas | None = None
        if replicated:
            self.replicas = Replicas(self.rnd, folder, self._notes.append, lambda: self.now)
            self.cloud.calm = True
        self._joining: list[Joining] = []
        self._away: dict[str, tuple[Machine, int]] = {}
        self.resting = False
        self._kept: list[tuple[str, Path, str]] = []  # backups: of whose home, where, and what opens it
        self._lost: list[str] = []  # writers of devices that never come back
        self._codes: list[tuple[str, int]] = []
        self._held: set[str] = set()
        self._vault_of: dict[tuple[str, bytes], bytes] = {}
        self._belongs: dict[Path, bytes] = {}  # which vault the home was last seen to be
        self.left_vaults: set[bytes] = set()
        self._read: dict[tuple[str, bytes], list[Version]] = {}

    # -- the store ---------------------------------------------------------------------------------------------------

    @property
    def store(self) -> str:
        return super().store if self.replicas is None else "replicated"

    def reach(self, name: str) -> ObjectStore:
        return super().reach(name) if self.replicas is None else FolderStore(self.replicas.root(name))

    def place(self, name: str) -> Place:
        path = "/store" if self.replicas is None else str(self.replicas.root(name))
        return Place("folder", {"path": path}, self.reach(name))

    def stored(self) -> list[tuple[str, bytes]]:
        """Return what the store holds, by key: on every side, in every copy, and on its way."""
        if self.replicas is not None:
            return self.replicas.contents()
        late = [item for _, put, _ in self.cloud.late for item in put.items()]
        return sorted({*self.cloud.objects().items(), *late})

    def read(self, key: str, content: bytes) -> list[Version]:
        """Return the versions in what is stored as *key*, under any key that there ever was; none if none opens it."""
        name, known = SegmentName.parse(key), self._read.get((key, content))
        if known is None and name is not None:
            for keys in self.keyrings:
                with contextlib.suppress(BadSegment):
                    known = open_segment(keys, Tips(keys), name, content).versions()
                    self._read[key, content] = known
                    self._vault_of[key, content] = keys.vault
                    break
        return known or []

    def stored_versions(self) -> dict[str, Version]:
        """Return every version that the store holds, opened with whatever key there ever was."""
        return {version.hash: version for key, content in self.stored() for version in self.read(key, content)}

    # -- opening -----------------------------------------------------------------------------------------------------

    def _unlocked(self, layout: Layout) -> tuple[Keys, Config]:
        """Return the keys of the home at *layout* as a command that starts gets them: what was cut off is finished.

        Raises Broken unless a passphrase that the person may expect to open it does.
        """
        return self._open_keys(layout), load_config(layout)

    def _open_keys(self, layout: Layout) -> Keys:
        self._finish_move(layout)
        file = read_key_file(layout)
        for passphrase in self.person.opens[layout.home]:
            with contextlib.suppress(WrongKey):
                keys = keyring.unwrap(file, passphrase)
                self.person.opens[layout.home] = [passphrase]
                self.know(keys)
                if (before := self._belongs.get(layout.home, keys.vault)) != keys.vault:
                    self.left_vaults.add(before)
                self._belongs[layout.home] = keys.vault
                return keys
        raise Broken("a device opens with the passphrase that was said", "none that may be expected opens it")

    def know(self, keys: Keys) -> None:
        if keys not in self.keyrings:
            self.keyrings.append(keys)

    def _finish_move(self, layout: Layout) -> None:
        typed = self.person.opens[layout.home]
        for own in typed:
            for stores in reversed(typed):
                with contextlib.suppress(WrongKey):
                    moving.finish_move(layout, _sources(own, stores))
                    return
        raise Broken("a device opens with the passphrase that was said", "none finishes the move that was cut off")

    def own_passphrase(self, layout: Layout) -> str:
        return self.person.opens[layout.home][0]

    # -- setting up --------------------------------------------------------------------------------------------------

    def set_up(self, joining: Joining, *, again: bool = False) -> SetUp:
        """Run `sync setup` as a person does who tries the passphrases they know, the newest first.

        Raises as `set_up`, with what the last one came to.
        """
        layout = joining.layout
        expected: Expected | None = None
        refused: GhostieError = NoVault(home=layout.home)
        done: SetUp | None = None
        for typed in [joining.typed] if joining.typed else self.person.passphrases[::-1]:
            if joining.code is not None:
                expected = pairing.opened(pairing.read(joining.code), joining.typed).expected
            own, before = typed, None
            if layout.master_key.exists():
                self._open_keys(layout)
                own, before = self.own_passphrase(layout), files.read(layout.master_key)
            self.person.opens[layout.home] = list(dict.fromkeys((own, typed)))
            try:
                done = set_up(
                    layout,
                    self.place(joining.name),
                    _sources(own, typed),
                    device_name=joining.name,
                    again=again or expected is not None,
                    expected=expected,
                )
            except (ForeignVault, WrongKey) as error:
                refused = error
                self.person.opens[layout.home] = [own]
                continue
            moved = files.read(layout.master_key) != before
            self.person.opens[layout.home] = [typed if moved else own]
            self._open_keys(layout)
            if moved or not again:
                return done  # else this passphrase opened the own vault alone, and the other one has another
        if done is None:
            raise refused
        return done

    def _join(self, joining: Joining) -> str:
        """Let a device join, as often as it is cut off; a machine of this history from then on."""
        way = "by an invitation" if joining.code is not None else "with a vault of its own" if joining.own else "empty"
        self.cloud.side[joining.name] = 0
        try:
            try:
                self.set_up(joining)
            except CutOff:
                self._doom = None
                self.set_up(joining)
        except InvitationOutdated as error:
            return f"is to join {way}: {error}"
        except (GhostieError, CutOff) as error:
            self._joining.append(joining)
            if not isinstance(error, (StoreError, NoVault, StoreChanged, ForeignVault, InvitationElsewhere)):
                raise
            return f"is to join {way}: not done, {error}"
        machine = self.open(joining.name, joining.layout)
        self.machines.append(machine)
        self.acknowledged |= versions_of(machine).keys()
        return f"joins {way}"

    def _begin(self) -> None:
        self.person.new_passphrase()
        calm, self.cloud.calm = self.cloud.calm, True
        for at, name in enumerate(NAMES[: self.devices]):
            joining = Joining(name, Layout(self._home()))
            if at == 0 or self.rnd.random() < 0.3:
                self._own_vault(joining)
            self.place(name)
            self.everything_arrives()
            self.tell(name, *self._join(joining).split(": ", 1))
        for _ in range(3):
            self.add(self.machines[0])
        for _ in range(2):
            for machine in list(self.machines):
                self.pull(machine)
                self.push(machine)
                self.everything_arrives()
        self.cloud.calm = calm
        self.tell(self.machines[0].name, "adds three memories", "everybody has them")

    def _own_vault(self, joining: Joining) -> None:
        """Give a device a vault of its own, with something in it."""
        self._doom = None
        joining.own = self.person.passphrases[-1] if self.rnd.random() < 0.5 else self.person.new_passphrase()
        self.person.opens[joining.layout.home] = [joining.own]
        vault = create_vault(joining.layout.home, passphrase=joining.own, device_name=joining.name, cost=FLOOR)
        vault.clock = lambda: self.now
        self.know(vault.keys)
        vault.add(f"of {joining.name}'s own\n")

    def everything_arrives(self) -> None:
        """Let the program that keeps the copies alike finish."""
        if self.replicas is not None:
            with self._undisturbed():
                self.replicas.join()

    @contextlib.contextmanager
    def _undisturbed(self) -> Iterator[None]:
        """Let what is done meanwhile be another process's, which nothing cuts off."""
        doom, self._doom = self._doom, None
        yield
        self._doom = doom

    def pass_time(self) -> None:
        if self.replicas is None:
            super().pass_time()
        else:
            with self._undisturbed():
                self.replicas.pass_time()

    # -- a step ------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        with cheap(self.seed):
            super().run()

    def _live(self) -> None:
        if self.replicas is not None:
            self.now += self.rnd.randrange(3 * HOUR)
            self.pass_time()
        for name, (machine, until) in list(self._away.items()):
            if until <= self.step:
                self._comes_back(name, machine)
        self._held = self._not_to_leave()
        super()._live()
        for machine in [each for each in self.machines if each.layout.next_key.exists()]:
            self.reopen(machine)  # the disk was full in the middle of a move: the next command finishes it
        self._nothing_left()

    def _comes_back(self, name: str, machine: Machine) -> None:
        del self._away[name]
        if self.replicas is not None:
            self.replicas.switch(name, on=True)
        self.machines.append(machine)
        self.reopen(machine)
        self.tell(name, "is switched on again")

    def _not_to_leave(self) -> set[str]:
        """Return the hashes of what may not leave now: of memories that stay on their device, what never left it."""
        there = self.stored_versions()
        self.published |= {version.id for version in there.values()}
        held: set[str] = set()
        for machine in self.machines:
            vault = machine.link.vault
            vault.refresh()
            for entry in vault.index.entries():
                rows = [entry.versions[head] for head in entry.heads]
                if all(row.get("privacy") == "local" and not row.get("deleted") for row in rows):
                    held |= {digest for digest in entry.versions if digest not in there}
        return held

    def _nothing_left(self) -> None:
        """Raise Broken if something is on the store that was to stay on its device."""
        for version in self.stored_versions().values():
            self.published.add(version.id)
            if version.hash in self._held and self._is_local_still(version):
                raise Broken("local memories never leave the device", f"a version of {version.id[:6]} did")
            if version.field("privacy") == "local" and not version.deleted:
                raise Broken("local memories never leave the device", f"{version.id[:6]}, which is local, did")

    def _is_local_still(self, version: Version) -> bool:
        """Tell whether no device has *version* under a head that may leave."""
        for machine in self.machines:
            machine.link.vault.refresh()
            entry = machine.link.vault.index.get(version.id)
            if entry is not None and version.hash in entry.versions:
                rows = [entry.versions[head] for head in entry.heads]
                if any(row.get("privacy") != "local" or row.get("deleted") for row in rows):
                    return False
        return True

    # -- sync, where a key may have been opened ----------------------------------------------------------------------

    def reopen(self, machine: Machine) -> None:
        super().reopen(self.current(machine))

    def current(self, machine: Machine) -> Machine:
        """Return *machine* as it is open now: it may have been set up anew a moment ago."""
        return next(each for each in self.machines if each.layout == machine.layout)

    def pull(self, machine: Machine, *, yes: bool | None = None) -> str:
        try:
            told = super().pull(self.current(machine), yes=yes)
        except KeysRotated as error:
            return self._rotated("pulls", machine, error)
        asks = not self.evil and (self.shows_another(machine) or RIVAL.sentence() in told)
        if asks and (self.resting or self.rnd.random() < 0.5):
            return f"{told}; {self.set_up_again(machine)}"
        return told

    def push(self, machine: Machine) -> str:
        try:
            told = super().push(self.current(machine))
        except KeysRotated as error:
            return self._rotated("pushes", machine, error)
        if not self.evil and RIVAL.sentence() in told and (self.resting or self.rnd.random() < 0.5):
            return f"{told}; {self.set_up_again(machine)}"
        return told

    def compact(self, machine: Machine) -> str:
        try:
            return super().compact(self.current(machine))
        except KeysRotated as error:
            return self._rotated("compacts", machine, error)

    def shows_another(self, machine: Machine) -> bool:
        """Tell whether *machine* may say that its vault is not there: somebody left it, or the store hides it."""
        vault = machine.link.vault.keys.vault
        if vault in self.left_vaults or not self.evil:
            return vault in self.left_vaults
        shown = self.cloud.shown(machine.name)
        return not any(file.vault == vault for file in keyverdict.key_files(shown.items()))

    def _evidence(self, machine: Machine) -> Callable[[], Evidence]:
        """Where the store is honest, two vaults may have been set up there before either had come to the other."""
        if self.evil:
            return super()._evidence(machine)

        def found() -> Evidence:
            vault = machine.link.vault.keys.vault
            foreign = set()
            for key, content in self.stored():
                name = SegmentName.parse(key)
                self.read(key, content)
                if name is not None and self._vault_of.get((key, content), vault) != vault:
                    foreign.add(name.writer)
            return Evidence(may=foreign)

        return found

    def _rotated(self, what: str, machine: Machine, error: KeysRotated) -> str:
        if not self.resting and self.rnd.random() < 0.4:
            return f"{what}: {error}"
        return f"{what}: {error}; {self.set_up_here(machine)}"

    # -- keys --------------------------------------------------------------------------------------------------------

    def rotate(self, machine: Machine) -> str:
        layout, passphrase = machine.layout, self.own_passphrase(machine.layout)
        keys = keyring.unwrap(read_key_file(layout), passphrase)
        moving.rotate(layout, keys, passphrase, FLOOR)
        self.reopen(machine)
        return f"opens a new key: of epoch {keys.current + 1}"

    def set_passphrase(self, machine: Machine) -> str:
        layout, own = machine.layout, self.own_passphrase(machine.layout)
        fresh = self.person.new_passphrase()
        self.person.opens[layout.home] = [own, fresh]
        keys = keyring.unwrap(read_key_file(layout), own)
        with files.locked(layout.lock):
            note_new_key(layout, keyring.wrap(keys, fresh, FLOOR))
            files.write_durably(layout.master_key, keyring.wrap(keys, fresh, FLOOR).spelt())
        self.person.opens[layout.home] = [fresh]
        self.reopen(machine)
        return "sets another passphrase"

    def set_up_here(self, machine: Machine, *, again: bool = False) -> str:
        joining = Joining(machine.name, machine.layout, own=self.own_passphrase(machine.layout))
        try:
            done = self.set_up(joining, again=again and not self.evil)
        except (StoreChanged, ForeignVault) as error:
            if not self.shows_another(machine):
                raise Broken("an honest store raises no alarm", str(error)) from error
            if self.evil:
                self.noticed += 1
                return f"is set up: ALARM, {error}"
            return f"is set up: not done, {error}; {self.set_up_again(machine)}"
        self.reopen(machine)
        brought = f", {text.plural(done.brought, 'version')} came along" if done.brought else ""
        return f"is set up{brought}"

    def set_up_again(self, machine: Machine) -> str:
        return self.set_up_here(machine, again=True)

    # -- who belongs to it -------------------------------------------------------------------------------------------

    def invite(self, machine: Machine) -> str:
        for typed in reversed(self.person.passphrases):
            try:
                made = pairing.invite(machine.link, typed)
            except NotTheStores:
                continue
            except KeysRotated as error:
                return self._rotated("invites", machine, error)
            except StoreChanged as error:
                if not self.shows_another(machine):
                    raise Broken("an honest store raises no alarm", str(error)) from error
                return f"makes no invitation: {error}"
            self._codes.append((made.code, self.person.passphrases.index(typed)))
            return "makes an invitation"
        raise Broken("some passphrase that was set opens the store", "none does")

    def another_joins(self, machine: Machine) -> str:
        if self._joining and (self.rnd.random() < 0.5 or len(self.machines) >= MOST_HOMES):
            joining = self._joining.pop(self.rnd.randrange(len(self._joining)))
            return f"{joining.name} {self._join(joining)}"
        if len(self.machines) + len(self._joining) + len(self._away) >= MOST_HOMES:
            return "is not joined by another"
        joining = Joining(f"{self.rnd.choice(NAMES)} {self._homes}", Layout(self._home()))
        if self._codes and self.rnd.random() < 0.6:
            joining.code, typed = self.rnd.choice(self._codes)
            joining.typed = self.person.passphrases[typed]
        elif self.rnd.random() < 0.5 and not self.evil:
            self._own_vault(joining)
        if self.rnd.random() < 0.8:
            self.place(joining.name)
            self.everything_arrives()
        return f"{joining.name} {self._join(joining)}"

    def go_away(self, machine: Machine) -> str:
        if len(self.machines) < 3:
            return "stays"
        until = self.step + self.rnd.randrange(2, 15)
        self.machines.remove(machine)
        self._away[machine.name] = (machine, until)
        if self.replicas is not None:
            with self._undisturbed():
                self.replicas.switch(machine.name, on=False)
        return "is switched off for a while"

    def is_lost(self, machine: Machine) -> str:
        if len(self.machines) < 3:
            return "is nearly lost"
        had = versions_of(machine)
        writer = load_device(machine.layout).writer
        self.machines.remove(machine)
        self._lost.append(writer)
        if self.replicas is not None:
            with self._undisturbed():
                self.replicas.leave(machine.name)
        markers = {digest: version for digest, version in had.items() if version.purges}
        self._forget_what_is_gone(set(had), markers)
        return "is lost"

    def retire(self, machine: Machine) -> str:
        away = [load_device(each.layout).writer for each, _ in self._away.values()]
        writers = [*self._lost, *away]
        if self.rnd.random() < 0.2 or not writers:
            writers = [load_device(each.layout).writer for each in self.machines if each is not machine]
        try:
            writer, _ = retiring.find(machine.link, self.rnd.choice(writers))
            done = retiring.retire(machine.link, writer)
        except UsageError:
            return "has nobody to retire"
        except StoreChanged as error:
            if not self.shows_another(machine):
                raise Broken("an honest store raises no alarm", str(error)) from error
            return f"retires: not done, {error}"
        except KeysRotated as error:
            return self._rotated("retires", machine, error)
        except NotRetired as error:
            return f"retires {self.who(writer)}: not done, {error}"
        if writer in self._lost:
            self._lost.remove(writer)
        return f"retires {self.who(writer)}: {done.adopted} went out anew, {text.plural(done.objects, 'object')} removed"

    # -- what may leave ----------------------------------------------------------------------------------------------

    def keep_here(self, machine: Machine) -> str:
        vault = machine.link.vault
        entry = self.some(machine, lambda entry: not entry.deleted and not entry.in_conflict)
        if entry is None or entry.row.get("privacy") == "local":
            version = vault.add("this stays here\n", privacy="local")
            self.acknowledge(version)
            return f"adds memory {version.id[:6]}: which stays here"
        self.acknowledge(vault.edit(entry.id, {"privacy": "local"}))
        return f"keeps {entry.id[:6]} here from now on"

    def let_leave(self, machine: Machine) -> str:
        local = lambda entry: entry.row.get("privacy") == "local" and not entry.deleted and not entry.in_conflict  # noqa: E731
        entry = self.some(machine, local)
        if entry is None:
            return "has nothing to let leave"
        self.acknowledge(machine.link.vault.edit(entry.id, {"privacy": "sync"}))
        return f"lets {entry.id[:6]} leave"

    def purge_local(self, machine: Machine) -> str:
        entry = self.some(machine, lambda entry: entry.row.get("privacy") == "local" and not entry.deleted)
        if entry is None:
            return "has nothing local to purge"
        if self.rnd.random() < 0.5:
            self.acknowledge(*machine.link.vault.remove([entry.id]))
            return f"removes {entry.id[:6]}, which stayed here"
        machine.link.vault.purge([entry.id])
        marker = machine.link.vault.shown(machine.link.vault.find(entry.id))
        self.acknowledged -= set(marker.purges)
        self.acknowledge(marker)
        return f"purges {entry.id[:6]}, which stayed here"

    # -- what may happen to a device ---------------------------------------------------------------------------------

    def wait(self, machine: Machine) -> str:
        self.everything_arrives()
        return super().wait(machine)

    def back_up(self, machine: Machine) -> str:
        target = self._home()
        copy_home(machine.layout.home, target)
        self._kept.append((machine.name, target, self.own_passphrase(machine.layout)))
        return "has its home backed up"

    def restore(self, machine: Machine) -> str:
        backups = [(home, opens) for name, home, opens in self._kept if name == machine.name]
        if not backups:
            return "has no backup"
        self.copied = True
        had = versions_of(machine)
        markers = {digest: version for digest, version in had.items() if version.purges}
        backup, opens = self.rnd.choice(backups)
        shutil.rmtree(machine.layout.home)
        copy_home(backup, machine.layout.home)
        self.person.opens[machine.layout.home] = [opens]
        self.reopen(machine)
        self._forget_what_is_gone(set(had), markers)
        return "gets a backup in the place of its home"

    # -- the end -----------------------------------------------------------------------------------------------------

    def everybody_joins(self) -> None:
        """Let those join that were to and could not."""
        waiting, self._joining = self._joining, []
        for joining in waiting:
            if joining.code is None:
                self.tell(joining.name, *self._join(joining).split(": ", 1))

    def quiet(self, machine: Machine) -> str:
        """Let *machine* sync, and do what that asks for."""
        return f"{self.pull(machine, yes=True)}; {self.push(machine)}"

    def newcomer(self) -> Machine:
        """Return a device that joins now, and has pulled."""
        self.place("newcomer")
        self.everything_arrives()
        told = self._join(Joining("newcomer", Layout(self._home())))
        machine = self.machines[-1]
        if machine.name != "newcomer":
            raise Broken("some passphrase that was set opens the store", told)
        self.everything_arrives()
        self.pull(machine, yes=True)
        return machine

    def _come_to_rest(self) -> None:
        for name, (machine, _) in list(self._away.items()):
            self._comes_back(name, machine)
        if self.evil:
            self.malice.undo()
            self.evil = False
            self.tell("the store", "shows everything again, as it was put")
        keyverdict.come_to_rest(self)
        keyverdict.judge(self)

    WHOLE = (back_up, restore)

    MAY = (
        (History.add, 6),
        (History.edit, 20),
        (History.remove, 5),
        (History.bring_back, 2),
        (History.purge, 2),
        (History.resolve, 8),
        (History.sync, 30),
        (push, 14),
        (pull, 14),
        (compact, 3),
        (History.start_again, 2),
        (wait, 2),
        (rotate, 6),
        (set_passphrase, 3),
        (set_up_here, 4),
        (set_up_again, 2),
        (invite, 3),
        (another_joins, 5),
        (go_away, 3),
        (is_lost, 1),
        (retire, 4),
        (keep_here, 6),
        (let_leave, 4),
        (purge_local, 3),
        (back_up, 3),
        (restore, 3),
    )


def _sources(own: str, stores: str) -> Sources:
    return Sources(environ={"GHOSTIE_PASSPHRASE": own, "GHOSTIE_STORE_PASSPHRASE": stores})
