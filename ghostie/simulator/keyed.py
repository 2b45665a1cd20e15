"""Histories in which more changes than memories: keys and passphrases, who belongs to the vault, and what may leave.

Devices open new keys, also two at once; set passphrases; are set up, invited, lost, switched off for a while and
retired; memories stay on their device, leave after all, or no longer.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from ghostie import files, text
from ghostie.crypto import keys as keyring
from ghostie.crypto.keys import FLOOR
from ghostie.crypto.unlock import read_key_file
from ghostie.errors import (
    Brake,
    ChangedSince,
    InConflict,
    KeysRotated,
    NothingToUndo,
    NotRetired,
    NotTheStores,
    StoreChanged,
    UnknownMemory,
    UnknownVersion,
    UsageError,
)
from ghostie.memory import Version
from ghostie.paths import Layout
from ghostie.simulator import keyverdict
from ghostie.simulator.history import NAMES, History, Machine, copy_home
from ghostie.simulator.joining import Joining, JoiningHistory, cheap
from ghostie.simulator.verdict import Broken, versions_of
from ghostie.sync import moving, pairing, retiring
from ghostie.sync.slots import note_new_key
from ghostie.vault.device import load_device

HOUR: Final = 3_600_000
MOST_HOMES: Final = 6


class KeyHistory(JoiningHistory):
    """A history in which keys, passphrases, devices and privacy change."""

    def __init__(self, seed: int, folder: Path, *, replicated: bool = False) -> None:
        super().__init__(seed, folder, replicated=replicated)
        self._away: dict[str, tuple[Machine, int]] = {}  # switched off, until which step
        self._kept: list[tuple[str, Path, str]] = []  # backups: of whose home, where, and what opens it
        self._lost: list[str] = []  # writers of devices that never come back
        self._codes: list[tuple[str, int]] = []  # invitations, and which passphrase opens each
        self._held: set[str] = set()
        self._there: dict[str, Version] = {}  # what the store held after the last step

    # -- a step ------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        with cheap(self.seed):
            try:
                super().run()
            except Broken as error:
                if str(error).startswith(keyverdict.SOFT):
                    self._judge_apart()
                raise

    def _judge_apart(self) -> None:
        """Look at what every device has, where a history has come to its end early. Raises Broken."""
        there = [*self.machines, *(machine for machine, _ in self._away.values())]
        keyverdict.judge_apart(self, [self.open(each.name, each.layout, each.ahead) for each in there])

    def _live(self) -> None:
        if self.replicas is not None:
            self.now += self.rnd.randrange(3 * HOUR)
            self.pass_time()
        for name, (machine, until) in list(self._away.items()):
            if until <= self.step:
                self._comes_back(name, machine)
        self._held = self._not_to_leave()
        super()._live()
        for machine in [each for each in self.machines if self._keys_changed(each)]:
            self.reopen(machine)  # a move was begun, or made by what failed later: the next command is a new process
        self._nothing_left()

    def _keys_changed(self, machine: Machine) -> bool:
        keys = machine.link.vault.keys
        if machine.layout.next_key.exists():
            return True
        return read_key_file(machine.layout).commitment != keys.id_of(keys.current)

    def _comes_back(self, name: str, machine: Machine) -> None:
        del self._away[name]
        if self.replicas is not None:
            self.replicas.switch(name, on=True)
        self.machines.append(machine)
        self.reopen(machine)
        self.tell(name, "is switched on again")

    def _not_to_leave(self) -> set[str]:
        """Return the hashes of what may not leave now: of memories that stay on their device, what never left it."""
        there = self._there
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
        self._there = self.stored_versions()
        for version in self._there.values():
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
                if not self.may_say(machine, error):
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
        vault = machine.link.vault.keys.vault
        if sum(each.link.vault.keys.vault == vault for each in self.machines) < 2 or len(self.machines) < 3:
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

    def retire(self, machine: Machine, writer: str = "") -> str:
        away = [load_device(each.layout).writer for each, _ in self._away.values()]
        writers = [*self._lost, *away]
        if self.rnd.random() < 0.2 or not writers:
            writers = [load_device(each.layout).writer for each in self.machines if each is not machine]
        try:
            writer, _ = retiring.find(machine.link, writer or self.rnd.choice(writers))
            done = retiring.retire(machine.link, writer)
        except UsageError:
            return "has nobody to retire"
        except StoreChanged as error:
            if not self.may_say(machine, error):
                raise Broken("an honest store raises no alarm", str(error)) from error
            return f"retires: not done, {error}"
        except KeysRotated as error:
            return self._rotated("retires", machine, error)
        except NotRetired as error:
            return f"retires {self.who(writer)}: not done, {error}"
        except Brake as error:
            if not self.resting:
                raise
            return f"retires {self.who(writer)}: not done, {error}; {self.pull(machine, yes=True)}"
        if writer in self._lost:
            self._lost.remove(writer)
        objects = text.plural(done.objects, "object")
        return f"retires {self.who(writer)}: {done.adopted} went out anew, {objects} removed"

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

    def take_back(self, machine: Machine) -> str:
        vault = machine.link.vault
        try:
            vault.refresh()
            operation = vault.undo()
        except (NothingToUndo, ChangedSince, InConflict, UnknownMemory, UnknownVersion) as error:
            return f"takes nothing back: {error}"
        return f"takes back: {operation.what}"

    # -- what may happen to a device ---------------------------------------------------------------------------------

    def set_the_clock(self, machine: Machine) -> str:
        # how long a file may be on its way is told by the clock of the device that waits for it
        return super().set_the_clock(machine) if self.replicas is None else "has its clock right"

    def copy(self, machine: Machine) -> str:
        if len(self.machines) + len(self._joining) + len(self._away) >= MOST_HOMES:
            return "is not copied"
        name, target = f"{machine.name.split()[0]} {self._homes}", Layout(self._home())
        self.place(name)
        self.everything_arrives()
        copy_home(machine.layout.home, target.home)
        self.cloud.side[name] = self.cloud.side[machine.name]
        self.person.opens[target.home] = list(self.person.opens[machine.layout.home])
        self.machines.append(self.open(name, target, machine.ahead))
        return f"has its home copied: as {name}"

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
        try:
            return f"{self.pull(machine, yes=True)}; {self.push(machine)}"
        except Exception:
            self.tell(machine.name, "syncs in quiet", "here a promise is broken")
            raise

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

    def _retire_the_lost(self) -> None:
        """Let the devices that never come back be retired, on one that can read what they wrote."""
        self.resting = self.cloud.calm = True
        self.pass_time()
        for writer in list(self._lost):
            for machine in list(self.machines):
                self.everything_arrives()
                self.tell(machine.name, "syncs", self.quiet(machine))
                told = self.retire(self.current(machine), writer)
                self.tell(machine.name, *told.split(": ", 1))
                if writer not in self._lost or told == "has nobody to retire":
                    break

    def _come_to_rest(self) -> None:
        for name, (machine, _) in list(self._away.items()):
            self._comes_back(name, machine)
        if self.evil:
            self.malice.undo()
            self.evil = False
            self.tell("the store", "shows everything again, as it was put")
        self._retire_the_lost()
        keyverdict.come_to_rest(self)
        keyverdict.judge(self)

    WHOLE = (back_up, restore, copy)

    MAY = (
        (History.add, 6),
        (History.edit, 20),
        (History.remove, 5),
        (History.bring_back, 2),
        (History.purge, 2),
        (History.resolve, 8),
        (History.sync, 30),
        (JoiningHistory.push, 14),
        (JoiningHistory.pull, 14),
        (JoiningHistory.compact, 3),
        (History.start_again, 2),
        (wait, 2),
        (rotate, 6),
        (set_passphrase, 3),
        (JoiningHistory.set_up_here, 4),
        (JoiningHistory.set_up_again, 2),
        (invite, 3),
        (another_joins, 5),
        (go_away, 3),
        (is_lost, 1),
        (retire, 4),
        (keep_here, 6),
        (let_leave, 4),
        (purge_local, 3),
        (take_back, 3),
        (set_the_clock, 2),
        (copy, 1),
        (back_up, 3),
        (restore, 3),
    )
