"""What is right in a simulated history: whose logs a device may accuse, and at the end every promise, one by one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ghostie.crypto import keys as keyring
from ghostie.crypto.keys import KeyFile
from ghostie.crypto.sealing import Keys
from ghostie.errors import RefusedKeyFile, StoreChanged
from ghostie.memory import Version
from ghostie.sync import engine, survey
from ghostie.sync.log import Ledger, WriterLog
from ghostie.sync.repair import repair
from ghostie.sync.segment import BadSegment, Segment, SegmentName, Tips, key_digest, open_segment
from ghostie.vault import conflicts

if TYPE_CHECKING:
    from ghostie.simulator.history import History, Machine

QUIET_ROUNDS = 3
REPAIRS = 4

Picture = tuple[frozenset[str], dict[str, tuple[str, ...]]]


class Broken(Exception):
    """One of the promises does not hold: which one, and how that shows."""

    def __init__(self, promise: str, how: str) -> None:
        super().__init__(f"{promise}: {how}")


# -- what there is ---------------------------------------------------------------------------------------------------


def versions_of(machine: Machine) -> dict[str, Version]:
    """Return every version on the disk of *machine*. Raises Broken if one does not open."""
    files = machine.link.vault.files
    found: dict[str, Version] = {}
    for stem, version in files.read_many(sorted(files.stems())):
        if not isinstance(version, Version):
            raise Broken("no acknowledged version is lost", f"{stem} of {machine.name} does not open")
        found[version.hash] = version
    return found


def left(history: History) -> set[str]:
    """Return the hashes of the versions that are on any device, or authentic on the store."""
    found = {digest for machine in history.machines for digest in versions_of(machine)}
    for key, content in history.stored():
        found |= {version.hash for version in history.read(key, content)}
    return found


# -- what a device may accuse the store of; written apart from `intake` ------------------------------------------------


@dataclass
class Evidence:
    """The writers about whom a pull must alarm, those about whom it may, and whether the store is not this vault's.

    Of those that the device has not *heard* of, one alarm may stand for all.
    """

    must: set[str] = field(default_factory=set)
    may: set[str] = field(default_factory=set)
    another: bool = False
    heard: Callable[[str], bool] = lambda writer: True

    def named_by(self, writers: set[str]) -> set[str]:
        """Return those whom alarms about *writers* name; an empty one is for all that were not heard of."""
        unheard = {each for each in self.must | self.may if not self.heard(each)} if "" in writers else set()
        return (writers - {""} if unheard else writers) | unheard


def evidence(keys: Keys, ledger: Ledger, me: str, waiting: set[str], shown: dict[str, bytes]) -> Evidence:
    """Return what the device with this *ledger* and writer id (*me*) has evidence of in the objects *shown* to it,
    which are of its vault.

    *waiting* are the keys of what it sealed and could not confirm. Of what is sealed under a key whose object is shown
    it may wait, instead, for the person to take the key over.
    """
    found = Evidence(heard=lambda writer: writer in known or ledger.log(writer).position > 0)
    known = {*ledger.state.vouched, *ledger.state.devices}  # before the pull
    files = key_files(shown.items())
    opened = {file.epoch.to_bytes(4, "big") + file.commitment for file in files if file.vault == keys.vault}
    tips, accepted = Tips(keys), set(ledger.state.accepted)
    gone, apart = set(ledger.state.retired), set[str]()
    names = sorted(name for name in map(SegmentName.parse, shown) if name is not None)
    vouched = {writer: position for writer, (position, _) in ledger.state.vouched.items()}
    for writer in sorted({name.writer for name in names}):
        log = WriterLog(writer, tips)
        log.stretches = list(ledger.log(writer).stretches)
        mine = [name for name in names if name.writer == writer]
        if writer == me:
            todo = [name for name in mine if not log.knows(name.last, name.tip) and name.key not in waiting]
            # what was refused before the device put the same there is known by its bytes, and is as good as gone
            if any(not _opens(keys, tips, name, shown[name.key]) for name in mine if name not in todo):
                found.may.add(me)
        else:
            todo = [name for name in mine if not log.has(name)]
        sound: dict[SegmentName, Segment] = {}
        for name in todo:
            try:
                segment = open_segment(keys, tips, name, shown[name.key])
                segment.versions()
                sound[name] = segment
            except BadSegment:
                pass
        heard = _hear(log, sound)
        for name in heard:
            gone |= set(sound[name].retired)
            for other, (position, _) in sound[name].seen.items():
                vouched[other] = max(vouched.get(other, 0), position)
        for name in todo:
            if name in sound and not log.has(name):
                apart.add(writer)  # it follows nothing that is known
            elif name not in sound and name.key not in accepted:
                (found.may if log.has(name) or shown[name.key][5:25] in opened else found.must).add(writer)
    # a retired log may end anywhere, and what is left of it follows nothing
    found.must |= apart - gone
    _ends(found, ledger, me, names, vouched, gone)
    return found


def _opens(keys: Keys, tips: Tips, name: SegmentName, content: bytes) -> bool:
    try:
        open_segment(keys, tips, name, content).versions()
    except BadSegment:
        return False
    return True


def key_files(objects: Iterable[tuple[str, bytes]]) -> list[KeyFile]:
    """Return the key objects among *objects*, those that are what their names say."""
    found = []
    for key, content in objects:
        with contextlib.suppress(RefusedKeyFile):
            if (digest := key_digest(key)) is not None and (file := keyring.parse(content)).digest == digest:
                found.append(file)
    return found


def _hear(log: WriterLog, sound: dict[SegmentName, Segment]) -> list[SegmentName]:
    """Add to *log* all of *sound* that follows what is known of it, in whatever order; return which."""
    heard: list[SegmentName] = []
    while True:
        # the longest first, so that what lies within a bigger one is not read
        follows = sorted(
            (
                name
                for name, segment in sound.items()
                if name not in heard and not log.has(name) and log.knows(name.first - 1, segment.before)
            ),
            key=lambda name: (name.first, -name.last),
        )
        if not follows:
            return heard
        log.add(follows[0].first, sound[follows[0]].before, sound[follows[0]].hashes)
        heard.append(follows[0])


def _ends(
    found: Evidence, ledger: Ledger, me: str, names: list[SegmentName], vouched: dict[str, int], gone: set[str]
) -> None:
    """Find the logs that are shown shorter than what is known or vouched for, and the holes in the device's own."""
    accepted = set(ledger.state.accepted)
    for writer in {*ledger.writers(), *vouched} - {me} - gone:
        known = max(ledger.log(writer).position, vouched.get(writer, 0))
        tops = [n.last for n in names if n.writer == writer and (n.last <= known or n.key not in accepted)]
        if max(tops, default=0) < known:
            found.must.add(writer)
    own = ledger.log(me)
    held: set[int] = set()
    for name in names:
        if name.writer == me and own.knows(name.last, name.tip):
            held |= set(range(name.first, name.last + 1))
    if me not in gone and not set(range(1, own.position + 1)) <= held:
        found.must.add(me)


# -- the end ---------------------------------------------------------------------------------------------------------


def come_to_rest(history: History) -> None:
    """Let the weather clear and everybody sync, three rounds at the most. Raises Broken."""
    cloud = history.cloud
    cloud.calm, cloud.lied = True, False
    cloud.pass_time()
    history.step += 1
    kept = history.evil and history.rnd.random() < 0.5
    if history.evil and not kept:
        history.malice.undo()
        history.tell("the store", "shows everything again, as it was put")
    elif kept:
        history.malice.keep()
        history.mended = True
        history.tell("the store", "is honest from here on, and what it did stays")
        history.acknowledged &= left(history)  # nobody is held to what the store alone had, and destroyed
        _repair(history)
    history.evil = False
    _meet(history)


def _meet(history: History) -> None:
    """Let everybody sync, three rounds at the most. Raises Broken if they do not come to one state."""
    for number in range(1, QUIET_ROUNDS + 1):
        history.step += 1
        for machine in history.machines:
            told = [history.pull(machine, yes=True), history.push(machine)]
            history.tell(machine.name, f"quiet round {number}", "; ".join(told))
        first, *others = (picture(history, machine) for machine in history.machines)
        alike = all(other == first for other in others)
        # a picture leaves some memories out, and what is new of those may still be on its way
        if alike and not lost(history, versions_of(history.machines[0])):
            return
    if alike:
        return
    names, heads = first
    apart = sorted({str(each) for other in others for each in (names ^ other[0]) | (heads.items() ^ other[1].items())})
    raise Broken("all devices come to one state in three quiet rounds", ", ".join(apart)[:400])


def _repair(history: History) -> None:
    """Where any device alarms let everybody repair, as the manual says, until none alarms. Raises Broken."""
    for _ in range(REPAIRS):
        history.step += 1
        alarms: list[str] = []
        for machine in history.machines:
            try:
                done = engine.pull(machine.link, yes=True)
                heard = [alarm.sentence() for alarm in done.alarms]
            except StoreChanged as error:
                heard = [str(error)]
            history.tell(machine.name, "pulls", "; ".join(f"ALARM, {each}" for each in heard) or "no alarm")
            alarms += heard
        if not alarms:
            return
        for machine in history.machines:
            mended = "; ".join(repair(machine.link)) or "nothing to repair"
            history.tell(machine.name, "repairs", mended)
            engine.push(machine.link)
    raise Broken("repair mends what can be mended", f"{alarms[0]}, again and again")


def picture(history: History, machine: Machine) -> Picture:
    """Return the names of all versions and all heads, save of memories whose purge was lost with all who knew of it."""
    vault, spoilt = machine.link.vault, history.spoilt
    vault.refresh()
    versions = frozenset(stem for stem in vault.files.stems() if stem[:26] not in spoilt)
    heads = {entry.id: tuple(sorted(entry.heads)) for entry in vault.index.entries() if entry.id not in spoilt}
    return versions, heads


def lost(history: History, versions: dict[str, Version]) -> set[str]:
    """Return the hashes of what was acknowledged, not purged, and is not among *versions*."""
    destroyed = {digest for version in versions.values() for digest in version.purges}
    return history.acknowledged - destroyed - versions.keys()


def judge(history: History) -> None:
    """Look at what everybody has, and at the store. Raises Broken."""
    for machine in history.machines[1:]:
        versions_of(machine)  # all of them open
    versions = versions_of(history.machines[0])
    destroyed = {digest for version in versions.values() for digest in version.purges}
    if missing := lost(history, versions):
        raise Broken("no acknowledged version is lost", f"{len(missing)} are: {sorted(missing)[0]}")
    if destroyed & versions.keys():
        raise Broken("what was purged is gone", "it is still here")
    if history.cloud.written_elsewhere:
        raise Broken("nothing is written to another vault's store", "something was")
    _removed_stays_removed(history, versions)
    _conflicts_keep_both_sides(history, versions, destroyed)
    _store_is_whole(history, destroyed)


def _removed_stays_removed(history: History, versions: dict[str, Version]) -> None:
    """What was removed and what no edit was made beside stays removed."""
    for tombstone in versions.values():
        if not tombstone.deleted:
            continue
        older = below(tombstone, versions)
        others = [each for each in versions.values() if each.id == tombstone.id and each.hash not in older]
        if all(each.deleted for each in others) and not history.machines[0].link.vault.find(tombstone.id).deleted:
            raise Broken("what was removed stays removed", f"{tombstone.id[:6]} came back")


def below(version: Version, versions: dict[str, Version]) -> set[str]:
    found: set[str] = set()
    todo = [version.hash]
    while todo:
        digest = todo.pop()
        if digest not in found:
            found.add(digest)
            todo += versions[digest].parents if digest in versions else ()
    return found


def _conflicts_keep_both_sides(history: History, versions: dict[str, Version], destroyed: set[str]) -> None:
    """Whatever nobody has built upon is a head, or says what a head says; and a conflict shows its sides."""
    vault = history.machines[0].link.vault
    older = {parent for version in versions.values() for parent in version.parents}
    for version in versions.values():
        if lost := [parent for parent in version.parents if parent not in versions and parent not in destroyed]:
            raise Broken("every conflict keeps both sides", f"{lost[0][:8]}, which {version.hash[:8]} follows, is gone")
        if version.hash in older:
            continue
        heads = [versions[head] for head in vault.find(version.id).heads]
        if not any(head.say() == version.say() for head in heads):
            raise Broken("every conflict keeps both sides", f"{version.hash[:8]} of {version.id[:6]} is no head")
    for entry in conflicts.open_conflicts(vault):
        found = conflicts.look(vault, entry)
        if {found.mine.hash, *(other.hash for other in found.others)} != set(entry.heads):
            raise Broken("every conflict keeps both sides", f"{entry.id[:6]} does not show all of them")


def _store_is_whole(history: History, destroyed: set[str]) -> None:
    """The store holds no purged version in a log that is somebody's, and a new device sees what all see."""
    first, objects = history.machines[0], history.cloud.objects()
    tips = Tips(history.keys)
    # homes with one writer id may write over each other's work until one notices; a request may arrive late; and the
    # log of a writer that is no more is nobody's to write anew
    mine = {machine.link.vault.device.writer for machine in history.machines}
    for key in [] if history.copied or history.mended else sorted(objects.keys() - history.cloud.came_late):
        name = SegmentName.parse(key)
        if name is not None and name.writer in mine:
            held = {version.hash for version in open_segment(history.keys, tips, name, objects[key]).versions()}
            if held & destroyed:
                raise Broken("what was purged is gone", "the store still opens to it")
    newcomer = history.new_machine("newcomer")
    done = engine.pull(newcomer.link, yes=True)
    if history.mended:
        if done.alarms:
            # what everybody had before it was spoilt alarms nobody but who is new: whoever knows it puts it back, and
            # what the new device merged without it is a version like any other
            history.machines.append(newcomer)
            _repair(history)
            _meet(history)
    elif done.alarms:
        raise Broken("an honest store raises no alarm", done.alarms[0].sentence())
    elif problems := survey.verify(first.link):
        raise Broken("an honest store raises no alarm", problems[0])
    if picture(history, newcomer)[1] != picture(history, first)[1]:
        raise Broken("all devices come to one state in three quiet rounds", "a new device sees another")
