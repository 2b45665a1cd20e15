"""Evidence: whose logs a device could accuse, by what a store shows it. Written apart from `intake`."""

from __future__ import annotations

from dataclasses import dataclass, field

from ghostie.crypto.sealing import Keys
from ghostie.sync.log import Ledger, WriterLog
from ghostie.sync.segment import BadSegment, Segment, SegmentName, Tips, key_name, open_segment


@dataclass
class Evidence:
    """The writers about whom a pull must alarm, those about whom it may, and whether the store is not this vault's."""

    must: set[str] = field(default_factory=set)
    may: set[str] = field(default_factory=set)
    another: bool = False


def evidence(keys: Keys, ledger: Ledger, me: str, waiting: set[str], slot: str, shown: dict[str, bytes]) -> Evidence:
    """Return what the device with this *ledger* and writer id (*me*) has evidence of in the objects *shown* to it.

    *waiting* are the keys of what it sealed and could not confirm; *slot* is the digest of the vault's key object.
    """
    found = Evidence(another=key_name(slot) not in shown)
    if found.another:
        return found
    tips, accepted = Tips(keys), set(ledger.state.accepted)
    names = sorted(name for name in map(SegmentName.parse, shown) if name is not None)
    vouched = {writer: position for writer, (position, _) in ledger.state.vouched.items()}
    for writer in sorted({name.writer for name in names}):
        log = WriterLog(writer, tips)
        log.stretches = list(ledger.log(writer).stretches)
        mine = [name for name in names if name.writer == writer and not _known(log, name, own=writer == me)]
        todo = [name for name in mine if name.key not in waiting or writer != me]
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
            for other, (position, _) in sound[name].seen.items():
                vouched[other] = max(vouched.get(other, 0), position)
        for name in todo:
            if name in sound and not log.has(name):
                found.must.add(writer)  # it follows nothing that is known
            elif name not in sound and name.key not in accepted:
                (found.may if log.has(name) else found.must).add(writer)
    _ends(found, ledger, me, names, vouched)
    return found


def _known(log: WriterLog, name: SegmentName, *, own: bool) -> bool:
    return log.knows(name.last, name.tip) if own else log.has(name)


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


def _ends(found: Evidence, ledger: Ledger, me: str, names: list[SegmentName], vouched: dict[str, int]) -> None:
    """Find the logs that are shown shorter than what is known or vouched for, and the holes in the device's own."""
    accepted = set(ledger.state.accepted)
    for writer in {*ledger.writers(), *vouched} - {me}:
        known = max(ledger.log(writer).position, vouched.get(writer, 0))
        tops = [n.last for n in names if n.writer == writer and (n.last <= known or n.key not in accepted)]
        if max(tops, default=0) < known:
            found.must.add(writer)
    own = ledger.log(me)
    held: set[int] = set()
    for name in names:
        if name.writer == me and own.knows(name.last, name.tip):
            held |= set(range(name.first, name.last + 1))
    if not set(range(1, own.position + 1)) <= held:
        found.must.add(me)
