"""What is right in a history in which keys, passphrases, membership and privacy change: at the end, promise by promise.

What stays on one device is compared with nobody's; of everything else, all devices that belong to the vault have the
same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ghostie.crypto import keys as keyring
from ghostie.crypto.keys import KeyFile
from ghostie.errors import WrongKey
from ghostie.memory import Version
from ghostie.simulator.verdict import Broken, below, key_files, versions_of
from ghostie.sync import survey
from ghostie.sync.log import Ledger
from ghostie.vault import conflicts

if TYPE_CHECKING:
    from ghostie.simulator.history import Machine
    from ghostie.simulator.keyed import KeyHistory

QUIET_ROUNDS = 6
SOFT = ("an honest store raises no alarm", "all devices come to one state")  # where these fail, a person has to act

Versions = dict[str, Version]
Shared = tuple[set[str], set[tuple[str, tuple[str, ...]]]]


def come_to_rest(history: KeyHistory) -> None:
    """Let everything arrive and everybody sync, and do what a command asks for, until all have the same; or Broken."""
    history.resting = history.cloud.calm = True
    history.pass_time()
    apart = ["nobody has synced"]
    for number in range(1, QUIET_ROUNDS + 1):
        history.step += 1
        history.everybody_joins()
        for machine in list(history.machines):
            history.everything_arrives()
            history.tell(machine.name, f"quiet round {number}", history.quiet(machine))
        history.everything_arrives()
        if not (apart := _apart(history)):
            return
    raise Broken("all devices come to one state in quiet rounds", ", ".join(apart)[:400])


def _apart(history: KeyHistory) -> list[str]:
    """Return in what the devices differ."""
    first, *others = history.machines
    keys = first.link.vault.keys
    found = [f"{each.name} has another key" for each in others if each.link.vault.keys != keys]
    if found:
        return found
    here = _shared(history)
    for each in others:
        (versions, heads), (others_versions, others_heads) = here[first.name], here[each.name]
        apart = [*(versions ^ others_versions), *map(str, heads ^ others_heads)]
        found += sorted(f"{each.name}: {item}"[:80] for item in apart)
    return found


def _shared(history: KeyHistory) -> dict[str, Shared]:
    """Return, for each device, the published versions that it has, and the heads of what is not one device's alone.

    Of what one device keeps to itself, too, the others have what is published, and not what was purged.
    """
    alone: set[str] = set()
    for machine in history.machines:
        vault = machine.link.vault
        vault.refresh()
        for entry in vault.index.entries():
            rows = [entry.versions[head] for head in entry.heads]
            if any(row.get("privacy") == "local" and not row.get("deleted") for row in rows):
                alone.add(entry.id)
    published = history.stored_versions()  # what was made before it was kept here, and was never sent, stays here, too
    there = {version.id for version in published.values()} - history.spoilt
    shared = {}
    for machine in history.machines:
        entries = [entry for entry in machine.link.vault.index.entries() if entry.id in there]
        versions = {
            f"{entry.id[:6]}.{digest[:8]}"
            for entry in entries
            for digest, row in entry.versions.items()
            if digest in published and (row.get("privacy") != "local" or row.get("deleted"))
        }
        heads = {(entry.id, tuple(sorted(entry.heads))) for entry in entries if entry.id not in alone}
        shared[machine.name] = (versions, heads)
    return shared


def judge(history: KeyHistory) -> None:
    """Look at what everybody has, and at the store. Raises Broken."""
    everywhere = _all_versions(history.machines)
    destroyed = {digest for version in everywhere.values() for digest in version.purges}
    _nothing_is_lost(history, everywhere)
    for machine in history.machines:
        if destroyed & versions_of(machine).keys():
            raise Broken("what was purged is gone", f"it is still on {machine.name}")
        _keeps_its_own_promises(machine, everywhere)
        if machine.link.vault.device.writer in Ledger(machine.layout, machine.link.vault.keys).state.retired:
            raise Broken("a retired writer that returns becomes a new one", f"{machine.name} did not")
    _store_is_whole(history)


def judge_apart(history: KeyHistory, machines: list[Machine]) -> None:
    """Look at what *machines* have where a history ended before they were in one state. Raises Broken.

    Nothing is lost: it is on one of them, or on the store; and each has done what it knows of purges and removals.
    """
    everywhere = history.stored_versions() | _all_versions(machines)
    _nothing_is_lost(history, everywhere)
    for machine in machines:
        vault = machine.link.vault
        vault.refresh()
        vault.finish()  # as the next command does
        versions = versions_of(machine)
        if {digest for version in versions.values() for digest in version.purges} & versions.keys():
            raise Broken("what was purged is gone", f"it is still on {machine.name}, which has the marker")
        _keeps_its_own_promises(machine, everywhere)


def _all_versions(machines: list[Machine]) -> Versions:
    everywhere: Versions = {}
    for machine in machines:
        everywhere |= versions_of(machine)
    return everywhere


def _nothing_is_lost(history: KeyHistory, everywhere: Versions) -> None:
    destroyed = {digest for version in everywhere.values() for digest in version.purges}
    if missing := sorted(history.acknowledged - destroyed - everywhere.keys()):
        raise Broken("no acknowledged version is lost", f"{len(missing)} are: {missing[0]}")


def _keeps_its_own_promises(machine: Machine, everywhere: Versions) -> None:
    versions = versions_of(machine)
    shown = {entry.id for entry in machine.link.vault.index.entries()}
    _removed_stays_removed(machine, versions, everywhere, shown)
    _conflicts_show_both_sides(machine, versions)


def _removed_stays_removed(machine: Machine, versions: Versions, everywhere: Versions, ids: set[str]) -> None:
    """What was removed stays removed, save where a person said something beside it or later: a merge says nothing."""
    for tombstone in versions.values():
        if not tombstone.deleted or tombstone.id not in ids or _is_merge(tombstone):
            continue
        said = [each for each in everywhere.values() if each.id == tombstone.id and not _is_merge(each)]
        older = below(tombstone, everywhere)
        beside = [each for each in said if each.hash not in older]
        if all(each.deleted for each in beside) and not machine.link.vault.find(tombstone.id).deleted:
            raise Broken("what was removed stays removed", f"{tombstone.id[:6]} came back on {machine.name}")


def _is_merge(version: Version) -> bool:
    """Tell whether the rules made *version*, and no person."""
    return len(version.parents) > 1 and "device" not in version.sync


def _conflicts_show_both_sides(machine: Machine, versions: Versions) -> None:
    """Whatever nobody has built upon is a head, or says what a head says; and a conflict shows its sides."""
    vault = machine.link.vault
    older = {parent for version in versions.values() for parent in version.parents}
    for version in versions.values():
        if version.hash not in older:
            heads = [versions[head] for head in vault.find(version.id).heads]
            if not any(head.say() == version.say() for head in heads):
                raise Broken("every conflict keeps both sides", f"{version.hash[:8]} of {version.id[:6]} is no head")
    for entry in conflicts.open_conflicts(vault):
        found = conflicts.look(vault, entry)
        if {found.mine.hash, *(other.hash for other in found.others)} != set(entry.heads):
            raise Broken("every conflict keeps both sides", f"{entry.id[:6]} does not show all of them")


def _store_is_whole(history: KeyHistory) -> None:
    """The store holds one vault under one key, which a passphrase that was set opens; who is new sees what all see."""
    first = history.machines[0]
    keys = first.link.vault.keys
    slots = key_files(history.stored())
    newest = [file for file in slots if file.vault == keys.vault and file.epoch == keys.current]
    if not any(file.commitment == keys.id_of(keys.current) and _opens(history, file) for file in newest):
        raise Broken("devices end in one vault", "the store has no key object of it that opens")
    for machine in [] if history.met_another(keys) else history.machines:
        left = [name.key for name in history.under_left_keys(machine)]
        excused = tuple(f"segment {key} " for key in left)
        problems = [each for each in survey.verify(machine.link) if not each.endswith("is no object of ghostie's")]
        if problems := [each for each in problems if not each.startswith(excused)]:
            raise Broken("an honest store raises no alarm", problems[0])
    newcomer = history.newcomer()
    if apart := _apart(history):
        raise Broken("all devices come to one state in quiet rounds", f"{newcomer.name}, which is new: {apart[0]}")


def _opens(history: KeyHistory, file: KeyFile) -> bool:
    for passphrase in history.person.passphrases:
        try:
            keyring.unwrap(file, passphrase)
        except WrongKey:
            continue
        return True
    return False
