"""Taking in: which stretches are new, whether each is authentic and follows what is known, and what alarms.

Nothing here changes the vault: it decides, and the engine acts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ghostie import files
from ghostie.errors import GhostieError, NewerFormat, NotFound, StoreRefused
from ghostie.memory import Version
from ghostie.sync.link import Link, Listing, Progress
from ghostie.sync.log import Alarm, WriterLog
from ghostie.sync.notices import REBORN, RETIRED, Notice
from ghostie.sync.segment import BadSegment, Segment, SegmentName, open_segment
from ghostie.vault.vault import TakenIn

RELISTINGS = 3
RECALLED = 3  # objects of a log that are tried for what a lost state knew


@dataclass
class Fetched:
    """New segments, each behind what it follows; what cannot be trusted; what a person should hear of."""

    segments: list[Segment] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


def fetch(link: Link, *, dry_run: bool = False) -> Fetched:
    """Return what is new on the store. An alarm stands only if a second look, after a pause, raises it too.

    Raises StoreChanged, StoreError or NewerFormat.
    """
    fetched = _look_and_fetch(link, dry_run)
    if fetched.alarms:
        link.wait()
        notices = fetched.notices
        fetched = _look_and_fetch(link, dry_run)
        fetched.notices = list(dict.fromkeys(notices + fetched.notices))
    return fetched


def _look_and_fetch(link: Link, dry_run: bool) -> Fetched:
    attempt = 0
    notices: list[Notice] = []
    while True:
        attempt += 1
        listing = link.look()
        link.check_vault(listing)
        recall(link, listing)
        if notice := check_self(link, listing, dry_run=dry_run):
            notices.append(notice)
        try:
            fetched = new_segments(link, listing, keep=not dry_run, last=attempt == RELISTINGS)
        except NotFound:
            # its writer may just have merged it into a bigger one: look again
            continue
        fetched.alarms += rollbacks(link, listing, fetched.segments)
        gone = retired(link, fetched.segments)
        # what a retired writer has left behind follows a log that is not there for everybody
        fetched.alarms = [each for each in fetched.alarms if each.kind != "gap" or each.writer not in gone]
        fetched.notices += notices
        return fetched


def recall(link: Link, listing: Listing) -> None:
    """Find again what a lost state knew, from the newest object of each known log that opens; else do nothing."""
    if not link.ledger.state.lost:
        return
    found = []
    for writer in link.ledger.writers():
        log = link.ledger.log(writer)
        names = [name for name in listing.of(writer) if log.knows(name.last, name.tip)]
        for name in sorted(names, key=lambda name: -name.last)[:RECALLED]:
            with contextlib.suppress(BadSegment, NotFound, StoreRefused):
                sealed = link.store.get(name.key)
                found.append(open_segment(link.vault.keys, link.ledger.tips, name, sealed))
                break
    link.ledger.recall(found, link.vault.device.writer)


def strangers(link: Link, listing: Listing) -> list[SegmentName]:
    """Return the objects in this device's own log that it does not know to be its own."""
    from ghostie.sync.outbox import Outbox

    writer = link.vault.device.writer
    log = link.ledger.log(writer)
    found = [name for name in listing.of(writer) if not log.knows(name.last, name.tip)]
    waiting = set(Outbox(link).names()) if found else set()
    return [name for name in found if name not in waiting]


def retired(link: Link, segments: Iterable[Segment] = ()) -> set[str]:
    """Return the writers that are known to be retired, or that *segments* say are."""
    return {*link.ledger.state.retired, *(writer for segment in segments for writer in segment.retired)}


def check_self(link: Link, listing: Listing, *, dry_run: bool = False) -> Notice | None:
    """Become a new writer if this one was retired, or if there are positions of it that it does not know; return a
    notice of that, or None.

    Either the store holds such positions, authentic, or another device has taken them in and vouches for them, or what
    was known of them here is damaged.
    """
    from ghostie.sync.outbox import Outbox

    device = link.vault.device
    foreign = [name for name in strangers(link, listing) if _is_authentic(link, name)]
    position = link.ledger.log(device.writer).position
    vouched = link.ledger.state.vouched.get(device.writer, (0, ""))[0]
    beyond = vouched > max([position, *(name.last for name in Outbox(link).names())])
    disputed = bool(foreign) or beyond or not link.ledger.log(device.writer).is_whole()
    if not disputed and device.writer not in link.ledger.state.retired:
        return None
    notice = REBORN if disputed else RETIRED
    if dry_run:
        return notice
    # in this order: if a crash cuts it here, the next look finds the same and goes on
    if disputed:
        link.ledger.forget_after(device.writer, min([position, *(name.first - 1 for name in foreign)]))
    link.vault.device = device.reborn(link.random)
    link.vault.device.save(link.vault.layout)
    Outbox(link).names()  # drops what the older self had sealed
    return notice


def _is_authentic(link: Link, name: SegmentName) -> bool:
    """Tell whether the store's object *name* is what it says: only somebody with the keys can have made it."""
    try:
        open_segment(link.vault.keys, link.ledger.tips, name, link.store.get(name.key))
    except (BadSegment, NotFound, StoreRefused):
        return False  # planted or damaged; what was merged a moment ago shows in the next listing under its new name
    return True


def new_segments(link: Link, listing: Listing, *, keep: bool = True, last: bool = False) -> Fetched:
    """Return the stretches that are not yet taken in, in an order in which each follows what came before it.

    With *keep*, what is refused is kept in quarantine. Raises NotFound for an object that is listed and not there; with
    *last* that is an alarm.
    """
    fetched = Fetched()
    mine = link.vault.device.writer
    readers = []
    for writer in sorted({name.writer for name in listing.names}):
        names = strangers(link, listing) if writer == mine else listing.of(writer)
        readers.append(_Reader(link, writer, names, fetched, keep, last))
    todo = [name for reader in readers for name in reader.todo]
    total, done = sum(listing.sizes[name] for name in todo), 0

    def got(name: SegmentName) -> None:
        nonlocal done
        done += listing.sizes[name]
        link.watch(Progress("fetching", done, total, in_bytes=True))

    for reader in readers:
        reader.read(got)
    return fetched


def lost(link: Link, listing: Listing) -> list[tuple[int, int]]:
    """Return the stretches (first, last) of this device's own log that the store does not list."""
    log = link.ledger.log(link.vault.device.writer)
    missing, position = [], 0
    for name in listing.of(link.vault.device.writer):
        if not log.knows(name.last, name.tip):
            continue
        if name.first > position + 1:
            missing.append((position + 1, name.first - 1))
        position = max(position, name.last)
    if position < log.position:
        missing.append((position + 1, log.position))
    return missing


def rollbacks(link: Link, listing: Listing, fresh: Iterable[Segment] = ()) -> list[Alarm]:
    """Return an alarm for every log that ends on the store before what is known or vouched for, in *fresh* ones too."""
    mine, fresh = link.vault.device.writer, list(fresh)
    gone = retired(link, fresh)
    alarms = [
        alarm(link, "own-rollback", mine, first - 1, f"positions {first:,} to {last:,}")
        for first, last in lost(link, listing)
        if mine not in gone
    ]
    vouched, accepted = dict(link.ledger.state.vouched), link.ledger.state.accepted
    for segment in fresh:
        for writer, (position, tip) in segment.seen.items():
            vouched[writer] = max(vouched.get(writer, (0, "")), (position, tip))
    for writer in sorted({*link.ledger.writers(), *vouched} - {mine} - gone):
        known = max(link.ledger.log(writer).position, vouched.get(writer, (0, ""))[0])
        # what a person gave up counts as far as it was known; a name that claims more proves nothing
        held = (name.last for name in listing.of(writer) if name.last <= known or name.key not in accepted)
        top = max(held, default=0)
        if top < known:
            alarms.append(alarm(link, "rollback", writer, top, f"position {top:,} on the store, {known:,} known"))
    return alarms


def alarm(link: Link, kind: str, writer: str, position: int, detail: str) -> Alarm:
    """Return an alarm about *writer*, by its device's name where that is known."""
    words = link.ledger.state.devices.get(writer)
    return Alarm(kind, writer, words.name if words else "", position, detail)


def removals(link: Link, versions: Iterable[Version]) -> int:
    """Return how many memories that stand here *versions* would remove. The index is loaded."""
    index = link.vault.index
    gone: set[str] = set()
    kept: set[str] = set()
    for version in versions:
        if not index.has(version):
            (gone if version.deleted else kept).add(version.id)
    return sum((entry := index.get(memory_id)) is not None and not entry.deleted for memory_id in gone - kept)


def foreseen(link: Link, versions: Iterable[Version]) -> TakenIn:
    """Return what would come of taking *versions* in; *conflicts* are all that were edited here, too, merged or not.

    The index is loaded, and nothing is changed.
    """
    index = link.vault.index
    fresh: dict[str, dict[str, Version]] = {}
    for version in versions:
        if not index.has(version):
            fresh.setdefault(version.id, {})[version.hash] = version
    kinds: dict[str, list[str]] = {name: [] for name in ("added", "changed", "removed", "conflicts")}
    for memory_id, arrived in fresh.items():
        entry = index.get(memory_id)
        followed = {parent for version in arrived.values() for parent in version.parents}
        heads = [each for each in arrived.values() if each.hash not in followed]
        apart = [each for each in entry.heads if each not in followed] if entry is not None else []
        if len(heads) + len(apart) > 1:
            kinds["conflicts"].append(memory_id)
        elif entry is None or entry.deleted:
            kinds["added"] += [memory_id] if any(not each.deleted for each in heads) else []
        else:
            kinds["removed" if any(each.deleted for each in heads) else "changed"].append(memory_id)
    added, changed, removed, conflicts = (tuple(ids) for ids in kinds.values())
    return TakenIn(added=added, changed=changed, removed=removed, conflicts=conflicts)


class _Reader:
    """Reads one writer's new stretches. The log is a copy to think with: what is known, and what was just read."""

    def __init__(
        self, link: Link, writer: str, names: list[SegmentName], fetched: Fetched, keep: bool, last: bool
    ) -> None:
        self._link = link
        self._writer = writer
        self._fetched = fetched
        self._keep = keep
        self._last = last
        self._log = WriterLog(writer, link.ledger.tips)
        self._log.stretches = list(link.ledger.log(writer).stretches)
        self.todo = [name for name in names if not self._log.has(name)]
        self._opened: dict[SegmentName, Segment] = {}
        self._got: Callable[[SegmentName], None] = lambda name: None

    def read(self, got: Callable[[SegmentName], None]) -> None:
        """Read what is to do. *got* hears of each object that the store gave."""
        self._got = got
        while (segment := self._next()) is not None:
            try:
                versions = segment.versions()
            except BadSegment as error:
                self._refuse(segment.name, "unreadable", str(error.facts["why"]))
                continue
            if self._forks(segment):
                self._fetched.notices.append(Notice("forked", segment.device))
            self._log.add(segment.name.first, segment.before, segment.hashes)
            self._fetched.segments.append(segment)
            self._fetched.versions += versions
            self.todo = [name for name in self.todo if name != segment.name and not self._log.has(name)]
        # what is left follows nothing that is known: there is a hole before it, or it was never a segment
        while self.todo and self._open(min(self.todo)) is None:
            pass
        if self.todo and not any(each.writer == self._writer for each in self._fetched.alarms):
            first = min(self.todo).first
            self._fetched.alarms.append(alarm(self._link, "gap", self._writer, first, f"before position {first:,}"))

    def _next(self) -> Segment | None:
        """Return the next stretch that follows what is known, the longest first."""
        for name in sorted(self.todo, key=lambda name: (name.first, -name.last)):
            if not self._log.tips_at(name.first - 1):
                continue
            opened = self._open(name)
            if opened is not None and self._log.knows(name.first - 1, opened.before):
                return opened
        return None

    def _open(self, name: SegmentName) -> Segment | None:
        """Return the segment *name*, read once; or None, and it is refused."""
        if name not in self._opened and (segment := self._get(name)) is not None:
            self._opened[name] = segment
        return self._opened.get(name)

    def _get(self, name: SegmentName) -> Segment | None:
        try:
            sealed = self._link.store.get(name.key)
        except NotFound:
            if not self._last:
                raise
            self._refuse(name, "unreadable", "it is listed and cannot be had")
            return None
        except StoreRefused as error:
            self._refuse(name, "unreadable", str(error))
            return None
        self._got(name)
        try:
            return open_segment(self._link.vault.keys, self._link.ledger.tips, name, sealed)
        except NewerFormat:
            # nothing is wrong with it: this log goes on when this device has a ghostie that can read it
            self._fetched.notices.append(Notice("newer", self._device()))
            self.todo = []
            return None
        except BadSegment as error:
            with contextlib.suppress(GhostieError):
                if self._keep and name.key not in self._link.ledger.state.accepted:
                    files.write_durably(self._link.vault.layout.quarantine / name.file, sealed)
            self._refuse(name, "foreign" if error.facts["foreign"] else "unreadable", str(error.facts["why"]))
            return None

    def _device(self) -> str:
        words = self._link.ledger.state.devices.get(self._writer)
        return words.name if words else self._writer

    def _refuse(self, name: SegmentName, kind: str, why: str) -> None:
        self.todo = [each for each in self.todo if each != name]
        if name.key in self._link.ledger.state.accepted:
            return  # it is tried again each time, in case its writer mends it
        detail = f"positions {name.first:,} to {name.last:,}: {why}"
        self._fetched.alarms.append(alarm(self._link, kind, self._writer, name.first, detail))

    def _forks(self, segment: Segment) -> bool:
        """Tell whether *segment* says another thing about a position than what is known."""
        tips = self._link.ledger.tips.along(self._writer, segment.before, segment.hashes)
        return any(
            (known := self._log.tips_at(segment.name.first + at)) and tip not in known for at, tip in enumerate(tips)
        )
