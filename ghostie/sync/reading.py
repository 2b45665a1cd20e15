"""Reading the store's segments: what follows a known tip first, and of what is not ours or not whole only so much.

Anybody who can write to the store can put objects there. What was refused twice is not read again (`refused.py`), and
one look reads at most so many that do not open: the logs that are known come first, each with a share of its own, so
that no log holds up another. What was left unread is read on later, a part at every few pulls.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from ghostie import text
from ghostie.backends.store import ObjectInfo
from ghostie.crypto.sealing import fits_whole, is_cut
from ghostie.errors import NewerFormat, NotFound, StoreRefused
from ghostie.memory import Version
from ghostie.sync.link import Link, Listing
from ghostie.sync.log import Alarm, WriterLog
from ghostie.sync.notices import KEY_WAITS, Notice
from ghostie.sync.refused import UNREAD, Refused, Verdict, keep_copy
from ghostie.sync.segment import BadSegment, Segment, SegmentName, open_segment

MOST_READ: Final = 80  # objects that do not open, in one look
MOST_BYTES: Final = 64 << 20  # of them
SHARE: Final = 8  # of them for each log, before any log gets more
FEW: Final = 3  # objects of one log that are named one by one

_WHYS: Final = {
    Verdict.UNREADABLE: "it does not open",
    Verdict.FOREIGN: "another vault sealed it",
    Verdict.HALF: "it is not whole",
    Verdict.UNSHOWN: "it is sealed under a key that this device was not shown",
    Verdict.UNREAD: "it was not read yet",
    Verdict.BEHIND: "it was not read yet",
}
_KINDS: Final = {
    Verdict.UNREADABLE: "unreadable",
    Verdict.FOREIGN: "foreign",
    Verdict.HALF: "unreadable",
    Verdict.UNSHOWN: "foreign",
    Verdict.UNREAD: "unread",
    Verdict.BEHIND: "unread",
}

Got = Callable[[SegmentName], None]
Group = tuple[str, str, bool]  # kind of alarm, writer, whether it may be on its way


class Refusals:
    """The objects that one look refused, by log and kind of alarm: how many, and the first few with the reason."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._accepted = frozenset(link.ledger.state.accepted)
        self._known: dict[str, bool] = {}
        self._counts: Counter[Group] = Counter()
        self._few: dict[Group, list[tuple[SegmentName, str]]] = {}

    def add(self, verdict: Verdict, name: SegmentName, why: str) -> bool:
        """Count the object *name* in, unless a person has given it up; return whether it counts."""
        if self._accepted and name.key in self._accepted:
            return False  # it is tried again when it changes: its writer may mend it
        known = self._known.get(name.writer)
        if known is None:
            known = self._known[name.writer] = is_known(self._link, name.writer)
        group = _group(verdict, name.writer if known else "")
        self._counts[group] += 1
        if self._counts[group] <= FEW:
            self._few.setdefault(group, []).append((name, why))
        return True

    def add_known(self, verdict: Verdict, writer: str, first: int, last: int, tip: str) -> bool:
        """Count in what was refused before in the log of *writer*; return whether it counts."""
        group = _KINDS[verdict], writer, verdict is Verdict.HALF or verdict is Verdict.UNSHOWN
        if not self._accepted and self._counts[group] >= FEW:
            self._counts[group] += 1
            return True
        return self.add(verdict, SegmentName(writer, first, last, tip), _WHYS[verdict])

    def add_passed_over(self, passed_over: Iterable[tuple[Verdict, ObjectInfo]]) -> None:
        """Count in what a listing passed over: it is in logs that nobody here has heard of."""
        for verdict, info in passed_over:
            if self._accepted and info.key in self._accepted:
                continue
            group = _group(verdict, "")
            self._counts[group] += 1
            if self._counts[group] <= FEW and (name := SegmentName.parse(info.key)) is not None:
                self._few.setdefault(group, []).append((name, _WHYS[verdict]))

    def alarms(self) -> list[Alarm]:
        """Return the alarms that they come to: a few are named one by one, of many there is one for each log, and one
        for all logs that nobody has heard of."""
        alarms = []
        for (kind, writer, may_come), found in self._few.items():
            count = self._counts[kind, writer, may_come]
            if count <= FEW and kind != "unread":
                for name, why in found:
                    detail = f"{_positions(name)}: {why}"
                    alarms.append(alarm(self._link, kind, name.writer, name.first, detail, may_come=may_come))
            else:
                name, why = found[0]
                detail = f"one of them at {_positions(name)}: {why}"
                alarms.append(alarm(self._link, kind, writer, name.first, detail, count, may_come=may_come))
        return sorted(alarms, key=lambda each: (each.writer, each.position, each.kind))


@dataclass
class Fetched:
    """New segments, each behind what it follows; what cannot be trusted; what a person should hear of.

    *waiting* has the alarms that are not one yet: see `arriving`.
    """

    segments: list[Segment] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    waiting: list[Alarm] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


class Unfit(Exception):
    """An object of which nothing is taken in: the verdict, and why."""

    def __init__(self, verdict: Verdict, why: str) -> None:
        super().__init__(verdict, why)
        self.verdict = verdict
        self.why = why


class Held(Exception):
    """An object under a key that another device opened at the same time: that is told, and `sync setup` reads it."""


class Spent(Exception):
    """Enough was read that did not open: what is left is read another time."""


class Reading:
    """What one pull reads, of what it may. With *keep*, what is refused is remembered, and copied to quarantine."""

    def __init__(self, link: Link, *, keep: bool, again: bool = False) -> None:
        self._link = link
        self._keep = keep
        self._accepted = frozenset(link.ledger.state.accepted)
        self.refused: Refused = link.refused
        if again:
            self.refused.begin()
        self.unsure = False  # something was refused that is to be read once more
        self._left, self._bytes = MOST_READ, MOST_BYTES

    def begin_look(self) -> None:
        """Begin a look at the store: what it may read counts anew."""
        self.unsure = False
        self._left, self._bytes = MOST_READ, MOST_BYTES

    def known(self, name: SegmentName, listing: Listing) -> Verdict | None:
        """Return why the object *name* is not to be read, or None."""
        verdict = self.refused.verdict(listing.info(name))
        if verdict in (Verdict.FOREIGN, Verdict.UNSHOWN) and self._link.standing.rivals:
            return None  # another device opened a key: what it wrote is no other vault's
        return None if self.refused.reads_on and verdict in UNREAD else verdict

    def segment(self, name: SegmentName, listing: Listing) -> tuple[Segment, list[Version]]:
        """Return the segment *name* and its versions.

        Raises Unfit, Held, Spent, NewerFormat, NotFound or StoreError.
        """
        if self._left <= 0 or self._bytes <= 0:
            raise Spent
        info = listing.info(name)
        content = b""
        try:
            content = self._link.store.get(name.key)
            segment = open_segment(self._link.vault.keys, self._link.ledger.tips, name, content)
            versions = segment.versions()
        except NotFound:
            self._left -= 1
            raise
        except StoreRefused as error:
            self._spend(info.size)
            self.unsure = True
            raise Unfit(Verdict.UNREADABLE, str(error)) from error
        except BadSegment as error:
            self._spend(len(content))
            if error.facts["foreign"] and self._link.standing.is_rivals(content):
                self.refused.forget(info)  # it was refused before the key was known
                if self._link.standing.notice is None:
                    self._link.tell(KEY_WAITS)
                raise Held from None
            verdict = _verdict(error, content)
            self.unsure = self.refused.refuse(info, content, verdict) or self.unsure
            if self._keep and name.key not in self._accepted:
                keep_copy(self._link.vault.layout.quarantine, name.file, content)
            raise Unfit(verdict, str(error.facts["why"])) from error
        self.refused.forget(info)
        return segment, versions

    def skip(self, name: SegmentName, listing: Listing, *, behind: bool) -> None:
        """Leave *name* unread until there is time; *behind*: until it follows something that is known."""
        self.refused.note(listing.info(name), Verdict.BEHIND if behind else Verdict.UNREAD)

    def _spend(self, size: int) -> None:
        self._left -= 1
        self._bytes -= size


def _verdict(error: BadSegment, content: bytes) -> Verdict:
    if error.facts.get("foreign"):
        return Verdict.UNSHOWN if error.facts.get("unshown") else Verdict.FOREIGN
    return Verdict.HALF if is_cut(content) else Verdict.UNREADABLE


def alarm(
    link: Link, kind: str, writer: str, position: int, detail: str, count: int = 1, *, may_come: bool = False
) -> Alarm:
    """Return an alarm about *writer*, by its device's name where that is known."""
    words = link.ledger.state.devices.get(writer)
    return Alarm(kind, writer, words.name if words else "", position, detail, count, may_come)


def is_known(link: Link, writer: str) -> bool:
    """Tell whether there is a word of *writer*, its own or another's, that somebody with the keys has written."""
    ledger = link.ledger
    return writer in ledger.state.vouched or writer in ledger.state.devices or ledger.log(writer).position > 0


def _group(verdict: Verdict, writer: str) -> Group:
    # a key object that is on its way brings what is in the logs that are known
    may_come = verdict is Verdict.HALF or (verdict is Verdict.UNSHOWN and writer != "")
    return _KINDS[verdict], writer, may_come


def _from_both_ends(names: Iterable[SegmentName]) -> list[SegmentName]:
    """Return *names*, the best last: the longest, for it may hold the others; then the shortest, the next longest…"""
    left = deque(sorted(names, key=lambda name: name.last))
    best: list[SegmentName] = []
    while left:
        best.append(left.pop())
        if left:
            best.append(left.popleft())
    return best[::-1]


def _positions(name: SegmentName) -> str:
    return f"positions {name.first:,} to {name.last:,}"


class LogReader:
    """Reads one writer's new stretches. The log is a copy to think with: what is known, and what was just read."""

    def __init__(
        self,
        link: Link,
        writer: str,
        names: list[SegmentName],
        listing: Listing,
        reading: Reading,
        fetched: Fetched,
        refused: Refusals,
    ) -> None:
        self._link = link
        self._refused = refused
        self.writer = writer
        self._listing = listing
        self._reading = reading
        self._fetched = fetched
        self._log = WriterLog(writer, link.ledger.tips)
        self._log.stretches = list(link.ledger.log(writer).stretches)
        self._opened: dict[SegmentName, tuple[Segment, list[Version]]] = {}
        self._behind: set[SegmentName] = set()
        self._refusals = 0
        self._share = 0
        self._held = False
        self._sound: SegmentName | None = None
        self._last = False
        self._got: Got = lambda name: None
        self._pending: dict[int, list[SegmentName]] = {}  # by where they begin, the best last
        vouched = link.ledger.state.vouched.get(writer)
        behind_others = vouched is not None and self._log.position < vouched[0]
        by_first: dict[int, list[SegmentName]] = {}
        for name in names:
            verdict = reading.known(name, listing)
            if self._log.has(name):
                continue
            if verdict in (None, Verdict.BEHIND) or (verdict is Verdict.UNREAD and behind_others):
                by_first.setdefault(name.first, []).append(name)
                if verdict is Verdict.BEHIND:
                    self._behind.add(name)
            else:
                self._refuse(name, verdict, _WHYS[verdict])
        goes_on = bool(by_first)
        for verdict, first, last, tip, info in listing.known_of(writer):
            if self._log.knows(last, tip) and self._log.has(SegmentName(writer, first, last, tip)):
                continue
            # what followed nothing that was known may follow what is new
            may_follow = verdict is Verdict.BEHIND and (goes_on or self._log.tips_at(first - 1))
            if may_follow or (verdict is Verdict.UNREAD and behind_others):
                name = SegmentName(writer, first, last, tip)
                listing.admit(name, info)
                by_first.setdefault(first, []).append(name)
                if verdict is Verdict.BEHIND:
                    self._behind.add(name)
            else:
                self._refusals += self._refused.add_known(verdict, writer, first, last, tip)
        # what another device vouches for is genuine, and what has a size that no seal has is not
        for first, found in by_first.items():
            self._pending[first] = sorted(
                _from_both_ends(found), key=lambda name: ((name.last, name.tip) == vouched, self._fits(name))
            )
        self._ready = [first for first in self._pending if self._log.tips_at(first - 1)]
        heapq.heapify(self._ready)

    @property
    def todo(self) -> list[SegmentName]:
        """What was neither taken in nor refused yet."""
        return [name for names in self._pending.values() for name in names if not self._log.has(name)]

    @property
    def is_likely(self) -> bool:
        """Whether something of that may be genuine by its size."""
        return any(self._fits(name) for name in self.todo)

    def _fits(self, name: SegmentName) -> bool:
        return fits_whole(self._listing.info(name).size)

    def read(self, share: int, got: Got, *, last: bool) -> None:
        """Read what follows what is known, until *share* objects did not open. *got* hears of each that was fetched.

        Raises NotFound for an object that is listed and not there; with *last* that is a refusal.
        """
        self._share, self._got, self._last = share, got, last
        try:
            while (found := self._next()) is not None:
                self._take(*found)
        except Spent:
            pass

    def probe(self, share: int) -> None:
        """Look in what follows nothing that is known for something genuine, until *share* more did not open."""
        self._share = share
        try:
            for name in sorted(name for name in self.todo if name not in self._behind):
                if self._sound is not None:
                    return
                if self._open(name) is not None:
                    self._sound = name
                elif self._held:
                    return
                else:
                    self._pending[name.first].remove(name)
        except Spent:
            pass

    def finish(self) -> None:
        """Say what is left: it follows nothing that is known, or there was too much before it that did not open."""
        if self._held:
            return
        left, ready = self.todo, set(self._ready)
        if self._sound is None:
            for name in left:
                self._reading.skip(name, self._listing, behind=name.first not in ready)
        for name in left:
            if self._sound is None or name in self._behind:
                self._refuse(name, Verdict.UNREAD, _WHYS[Verdict.UNREAD])
        if self._sound is not None and not self._refusals:
            # it is genuine, and what comes before it is missing
            first = self._sound.first
            found = alarm(self._link, "gap", self.writer, first, f"before position {first:,}", may_come=True)
            self._fetched.alarms.append(found)

    def _next(self) -> tuple[Segment, list[Version]] | None:
        """Return the next stretch that follows what is known. Raises Spent."""
        while self._ready:
            first = self._ready[0]
            names, aside = self._pending.get(first, []), []
            try:
                while names:
                    name = names[-1]
                    opened = None if self._log.has(name) else self._open(name)
                    names.pop()
                    if opened is None:
                        continue
                    if self._log.knows(first - 1, opened[0].before):
                        return opened
                    aside.append(name)  # it follows another log than the one that is known
            finally:
                if aside:
                    self._pending[first] = aside + names
            if self._ready:
                heapq.heappop(self._ready)
        return None

    def _take(self, segment: Segment, versions: list[Version]) -> None:
        name = segment.name
        if self._forks(segment):
            self._fetched.notices.append(Notice("forked", segment.device))
        self._log.add(name.first, segment.before, segment.hashes)
        self._fetched.segments.append(segment)
        self._fetched.versions += versions
        for position in range(name.first, name.last + 1):
            if position + 1 in self._pending:
                heapq.heappush(self._ready, position + 1)

    def _open(self, name: SegmentName) -> tuple[Segment, list[Version]] | None:
        """Return the segment *name*, read once; or None, and it is refused. Raises Spent."""
        if name in self._opened:
            return self._opened[name]
        if self._held:
            return None
        if self._share <= 0:
            raise Spent
        try:
            opened = self._reading.segment(name, self._listing)
        except NotFound:
            if not self._last:
                raise
            self._reading.unsure = True
            self._refuse(name, Verdict.UNREADABLE, "it is listed and cannot be had")
        except NewerFormat:
            # nothing is wrong with it: this log goes on when this device has a ghostie that can read it
            self._fetched.notices.append(Notice("newer", self._device()))
            self._hold()
        except Held:
            self._hold()
        except Unfit as unfit:
            self._refuse(name, unfit.verdict, unfit.why)
        else:
            self._got(name)
            self._opened[name] = opened
            return opened
        self._share -= 1
        return None

    def _hold(self) -> None:
        """Read no more of this log: what comes next is sound, and not for this device yet."""
        self._held = True
        self._pending.clear()
        self._ready.clear()

    def _device(self) -> str:
        words = self._link.ledger.state.devices.get(self.writer)
        return words.name if words else self.writer

    def _refuse(self, name: SegmentName, verdict: Verdict, why: str) -> None:
        self._refusals += self._refused.add(verdict, name, why)

    def _forks(self, segment: Segment) -> bool:
        """Tell whether *segment* says another thing about a position than what is known."""
        tips = self._link.ledger.tips.along(self.writer, segment.before, segment.hashes)
        return any(
            (known := self._log.tips_at(segment.name.first + at)) and tip not in known for at, tip in enumerate(tips)
        )


def sentences(alarms: Iterable[Alarm]) -> list[str]:
    """Return *alarms* in words for people: those about very many objects as one sentence."""
    alarms = list(alarms)
    found = [each for each in alarms if each.is_of_objects]
    count = sum(each.count for each in found)
    if count <= FEW:
        return [each.sentence() for each in alarms]
    logs = sorted({each.device or each.writer for each in found} - {""})
    shown = ", ".join(logs[:FEW]) + (f" and {len(logs) - FEW:,} more" if len(logs) > FEW else "")
    whose = [f"in the logs of {shown}"] if logs else []
    whose += ["under names that nobody here has heard of"] if any(not each.writer for each in found) else []
    unread = sum(each.count for each in found if each.kind == "unread")
    rest = f"; {unread:,} were not read yet, and `ghostie sync verify` reads all" if unread else ""
    one = f"{text.plural(count, 'object')} on the store are not this vault's or not whole, {' and '.join(whose)}{rest}"
    return [one, *(each.sentence() for each in alarms if not each.is_of_objects)]
