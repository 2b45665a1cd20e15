"""Devices that are set up, opened and synced as people do: with passphrases, by `sync setup`, and by invitations.

What only guessing makes costly is made cheap: a passphrase costs a hash.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

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
    KeyMayCome,
    KeysRotated,
    NoVault,
    StoreChanged,
    StoreError,
    WrongKey,
)
from ghostie.memory import Version
from ghostie.paths import Layout
from ghostie.simulator.cloud import Malice
from ghostie.simulator.history import A_DAY, NAMES, CutOff, History, Machine
from ghostie.simulator.replicas import Replicas
from ghostie.simulator.verdict import Broken, Evidence, key_files, versions_of
from ghostie.sync import arriving, moving, pairing
from ghostie.sync.config import Config, load_config
from ghostie.sync.log import KEY_OBJECT, Alarm, Ledger
from ghostie.sync.notices import RIVAL
from ghostie.sync.segment import BadSegment, SegmentName, Tips, open_segment
from ghostie.sync.setup import Expected, Place, SetUp, set_up
from ghostie.sync.standing import NamedKey
from ghostie.vault import create_vault


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


class JoiningHistory(History):
    """A history of devices with passphrases around a store behind a bad connection; with *replicated*, around copies of
    a folder."""

    def __init__(self, seed: int, folder: Path, *, replicated: bool = False) -> None:
        super().__init__(seed, folder)
        self.rnd = random.Random(f"{'folders' if replicated else 'keys'} {seed}")
        self.cloud.rnd = self.rnd
        self.malice = Malice(self.cloud, self._foreign_store(), self.who)
        self.malicious = self.malicious and not replicated
        self.seed = f"chance of {self.rnd.random()}"
        self.person = Person()
        self.keyrings: list[Keys] = []
        self.replicas: Replicas | None = None
        if replicated:
            self.replicas = Replicas(self.rnd, folder, self._notes.append, lambda: self.now)
            self.cloud.calm = True
        self._joining: list[Joining] = []
        self.resting = False
        self._vault_of: dict[tuple[str, bytes], bytes] = {}
        self._vaults: set[bytes] = set()  # whose objects are or were on the store
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
                    self._vaults.add(keys.vault)
                    break
        return known or []

    def stored_versions(self) -> dict[str, Version]:
        """Return every version that the store holds, opened with whatever key there ever was."""
        return {version.hash: version for key, content in self.stored() for version in self.read(key, content)}

    def under_left_keys(self, machine: Machine) -> list[SegmentName]:
        """Return the segments under keys of the vault that gave way, of which no object holds and *machine* never saw
        one.

        Whoever wrote them has yet to take over the key that stays; if it became a new writer since, nobody will.
        """
        keys, stored = machine.link.vault.keys, self.stored()
        shown = {(file.epoch, file.commitment) for file in key_files(stored)}
        opened = {
            (epoch, each.id_of(epoch)) for each in self.keyrings if each.vault == keys.vault for epoch in each.epochs
        }
        seen = map(NamedKey.parse, Ledger(machine.layout, keys).state.ours.values())
        known = {(named.epoch, named.commitment) for named in seen}
        left = opened - shown - known - {(epoch, keys.id_of(epoch)) for epoch in keys.epochs}
        found = []
        for key, content in stored if left else ():
            name = SegmentName.parse(key)
            if name is not None and (int.from_bytes(content[5:9], "big"), content[9:25]) in left:
                found.append(name)
        return found

    def met_another(self, keys: Keys) -> bool:
        """Tell whether objects of another vault than that of *keys* are or were on the store."""
        return bool(self._vaults - {keys.vault})

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

    def set_up(self, joining: Joining, *, again: bool = False, other: bool = False) -> SetUp:
        """Run `sync setup` as a person does who tries the passphrases they know, the newest first.

        With *again* or *other* there is another vault or key to be opened, which may have another passphrase: then the
        first that opens the own one is not the last that is tried. Raises as `set_up`, with what the last one came to.
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
            if moved or not (again or other):
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
        return self._answered(told, machine)

    def push(self, machine: Machine) -> str:
        try:
            told = super().push(self.current(machine))
        except KeysRotated as error:
            return self._rotated("pushes", machine, error)
        return self._answered(told, machine)

    def _answered(self, told: str, machine: Machine) -> str:
        """Let the person do what a message asks for, at once or another time; at the end, at once."""
        if not (self.resting or self.rnd.random() < 0.5):
            return told
        if not self.evil and (self.shows_another(machine) or RIVAL.sentence() in told):
            return f"{told}; {self.set_up_again(machine)}"
        if "`ghostie sync setup`" in told:
            return f"{told}; {self.set_up_here(machine, other=True)}"
        return told

    def compact(self, machine: Machine) -> str:
        try:
            return super().compact(self.current(machine))
        except KeysRotated as error:
            return self._rotated("compacts", machine, error)

    def may_say(self, machine: Machine, error: GhostieError) -> bool:
        # what cannot do without the key object says that it has not come; pull and push wait
        on_its_way = isinstance(error, KeyMayCome) and self.replicas is not None and not self.resting
        return on_its_way or self.shows_another(machine)

    def may_end_a_sync(self, machine: Machine, error: GhostieError) -> bool:
        # a home that was copied or restored may know of an earlier time at which the key object was missed
        since = arriving.since(machine.link, Alarm(KEY_OBJECT, "", "", 0, ""))
        late = since is not None and self.now - since >= A_DAY and not self.resting
        return (late and isinstance(error, KeyMayCome)) or self.shows_another(machine)

    def shows_another(self, machine: Machine) -> bool:
        """Tell whether *machine* may say that its vault is not there: somebody left it, or the store hides it."""
        left = machine.link.vault.keys.vault in self.left_vaults
        return left or (self.evil and super().shows_another(machine))

    def _evidence(self, machine: Machine) -> Callable[[], Evidence]:
        """Where the store is honest, two vaults may have been set up there before either had come to the other."""
        if self.evil:
            return super()._evidence(machine)

        def found() -> Evidence:
            vault = machine.link.vault.keys.vault
            foreign = {name.writer for name in self.under_left_keys(machine)}
            for key, content in self.stored() if self.met_another(machine.link.vault.keys) else ():
                name = SegmentName.parse(key)
                self.read(key, content)
                if name is not None and self._vault_of.get((key, content), vault) != vault:
                    foreign |= {name.writer, ""}  # of writers that nobody knows there is one word for all
            return Evidence(may=foreign)

        return found

    def _rotated(self, what: str, machine: Machine, error: KeysRotated) -> str:
        if not self.resting and self.rnd.random() < 0.4:
            return f"{what}: {error}"
        return f"{what}: {error}; {self.set_up_here(machine)}"

    def set_up_here(self, machine: Machine, *, again: bool = False, other: bool = False) -> str:
        joining = Joining(machine.name, machine.layout, own=self.own_passphrase(machine.layout))
        try:
            done = self.set_up(joining, again=again and not self.evil, other=other)
        except (StoreChanged, ForeignVault) as error:
            if not self.may_say(machine, error):
                raise Broken("an honest store raises no alarm", str(error)) from error
            if not self.shows_another(machine):
                return f"is set up: not done, {error}"
            if self.evil:
                self.noticed += 1
                return f"is set up: ALARM, {error}"
            return f"is set up: not done, {error}; {self.set_up_again(machine)}"
        self.reopen(machine)
        brought = f", {text.plural(done.brought, 'version')} came along" if done.brought else ""
        return f"is set up{brought}"

    def set_up_again(self, machine: Machine) -> str:
        return self.set_up_here(machine, again=True)


def _sources(own: str, stores: str) -> Sources:
    return Sources(environ={"GHOSTIE_PASSPHRASE": own, "GHOSTIE_STORE_PASSPHRASE": stores})
