"""What this device has published and taken in: every writer's log as it is known here, and what others vouch for.

Each writer has a sealed log of stretches under `sync/logs/`; a stretch is where it begins and the hashes of its
versions, from which the tip at every position follows. So nothing has to be believed twice, a fork is simply two
stretches at the same positions, and what is not yet published is what stands in no log.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from ghostie import codec, files
from ghostie.crypto.sealing import Keys, Purpose, SealError, seal, unseal
from ghostie.errors import BadJson, NotPlain
from ghostie.paths import Layout
from ghostie.sync.segment import GENESIS, Seen, Segment, SegmentName, Tips
from ghostie.vault import sent
from ghostie.vault.sealedlog import SealedLog

FORMAT: Final = 1

ALARMS: Final[Mapping[str, str]] = {
    "rollback": "ends earlier than what was taken in from it or vouched for by another device",
    "own-rollback": "of this device lost its end on the store",
    "gap": "has a hole: what comes after it does not follow what is known",
    "unreadable": "has an object that does not open",
    "foreign": "has an object of another vault",
    "unread": "has objects that were not read yet, because too many before them do not open",
}
KEY_OBJECT: Final = "key-object"  # no alarm: what waits for it, and in the end an error
_SEVERAL: Final[Mapping[str, str]] = {
    "unreadable": "has {count:,} objects that do not open",
    "foreign": "has {count:,} objects of another vault",
    "unread": "has {count:,} objects that were not read yet, because too many before them do not open",
}


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that a store did which an honest one would not: named, shown, and never obeyed.

    *kind* is one of ALARMS, or KEY_OBJECT for what waits. Where it is about *count* objects in the logs of several
    writers that nobody has heard of, *writer* is empty. *may_come*: in a folder that a sync program keeps, what is
    missing may be on its way.
    """

    kind: str
    writer: str
    device: str
    position: int
    detail: str
    count: int = 1
    may_come: bool = False

    @property
    def is_of_objects(self) -> bool:
        """Whether it is about objects by themselves, which anybody may have put there, and not about what is missing"""
        return self.kind in _SEVERAL

    @property
    def who(self) -> str:
        """The log that it is about, in words."""
        if self.device or self.writer:
            return f"the log of {self.device}" if self.device else f"the log of writer {self.writer}"
        return "what is of nobody known here"

    def waits(self) -> str:
        """Return what waits, in words, as long as what it is about may still be on its way."""
        if self.kind == KEY_OBJECT:
            return f"this device waits for the vault's key object, and syncs nothing until it is there ({self.detail})"
        return f"{self.who} waits for something that has not arrived whole ({self.detail})"

    def spelt(self) -> dict[str, Any]:
        """Return what JSON output says of it."""
        left_out = {"may_come"} if self.count > 1 else {"may_come", "count"}
        return {name: value for name, value in asdict(self).items() if name not in left_out}

    def sentence(self) -> str:
        """Return the alarm in words for people."""
        found = ALARMS[self.kind] if self.count == 1 else _SEVERAL[self.kind].format(count=self.count)
        return f"{self.who} {found} ({self.detail})"


def is_held_up(waiting: Iterable[Alarm]) -> bool:
    """Tell whether all of a sync waits for what is on its way."""
    return any(each.kind == KEY_OBJECT for each in waiting)


class WriterLog:
    """One writer's log as far as it is known here. Positions count from 1."""

    def __init__(self, writer: str, tips: Tips) -> None:
        self.writer = writer
        self.stretches: list[tuple[int, str, tuple[bytes, ...]]] = []
        self._tips = tips
        self._known: dict[int, set[str]] | None = None
        self._runs: list[tuple[int, int]] | None = None

    @property
    def position(self) -> int:
        """The last position that is known, 0 for none."""
        return max((first + len(hashes) - 1 for first, _, hashes in self.stretches), default=0)

    def is_whole(self) -> bool:
        """Tell whether every position up to the last is known; the file of a log may have been damaged."""
        return self.position == 0 or self._stretched() == [(1, self.position)]

    def _stretched(self) -> list[tuple[int, int]]:
        """Return the positions that are known, as the longest stretches (first, last)."""
        if self._runs is None:
            runs: list[tuple[int, int]] = []
            for first, _, hashes in sorted(self.stretches):
                last = first + len(hashes) - 1
                if runs and first <= runs[-1][1] + 1:
                    runs[-1] = (runs[-1][0], max(last, runs[-1][1]))
                elif hashes:
                    runs.append((first, last))
            self._runs = runs
        return self._runs

    def hashes(self) -> Iterable[bytes]:
        return (digest for _, _, hashes in self.stretches for digest in hashes)

    def knows(self, position: int, tip: str) -> bool:
        """Tell whether the log is known to have had *tip* at *position*; every log begins at GENESIS."""
        return (position == 0 and tip == GENESIS) or tip in self._tips_at().get(position, ())

    def has(self, name: SegmentName) -> bool:
        """Tell whether everything in the segment *name* was taken in; where a hole was accepted, not all of it was."""
        return self.knows(name.last, name.tip) and self._covers(name.first, name.last)

    def _covers(self, first: int, last: int) -> bool:
        return any(start <= first and last <= end for start, end in self._stretched())

    def tips_at(self, position: int) -> set[str]:
        """Return the tips known at *position*: none, one, or several after a fork."""
        return {GENESIS} if position == 0 else self._tips_at().get(position, set())

    def top(self) -> tuple[int, str]:
        """Return the last position and its tip (after a fork, the same one everywhere)."""
        position = self.position
        return position, min(self.tips_at(position))

    def add(self, first: int, before: str, hashes: Sequence[bytes]) -> bool:
        """Add a stretch; return whether anything in it was new."""
        known = self._tips_at()
        tips = self._tips.along(self.writer, before, hashes)
        old = all(tip in known.get(first + at, ()) for at, tip in enumerate(tips))
        if tips and old and self._covers(first, first + len(tips) - 1):
            return False
        if not tips:
            known.setdefault(first - 1, set()).add(before)
        for at, tip in enumerate(tips):
            known.setdefault(first + at, set()).add(tip)
        self.stretches.append((first, before, tuple(hashes)))
        self._runs = None
        return True

    def stretch(self, first: int, last: int) -> tuple[str, list[bytes]]:
        """Return the tip before *first* and the hashes from *first* to *last*. Raises KeyError where one is unknown."""
        at: dict[int, bytes] = {}
        before: dict[int, str] = {}
        for start, tip, hashes in self.stretches:
            tips = [tip, *self._tips.along(self.writer, tip, hashes)]
            for offset, digest in enumerate(hashes):
                at[start + offset] = digest
                before[start + offset] = tips[offset]
        return before[first], [at[position] for position in range(first, last + 1)]

    def lose(self, first: int, last: int) -> None:
        """Forget what stands at *first* to *last*, but not where the log goes on after it."""
        kept: list[tuple[int, str, tuple[bytes, ...]]] = []
        for start, before, hashes in self.stretches:
            low, high = max(0, first - start), min(len(hashes), last + 1 - start)
            if low >= high:
                kept.append((start, before, hashes))
                continue
            tip = self._tips.along(self.writer, before, hashes[:high])[-1]
            kept += [(start, before, hashes[:low])] if low else []
            kept.append((start + high, tip, ()))
            kept += [(start + high, tip, hashes[high:])] if high < len(hashes) else []
        self.stretches = kept
        self._known = self._runs = None

    def cut(self, position: int) -> None:
        """Forget everything after *position*."""
        kept = [
            (first, before, hashes[: max(0, position - first + 1)])
            for first, before, hashes in self.stretches
            if first <= position
        ]
        self.stretches = kept
        self._known = self._runs = None

    def _tips_at(self) -> dict[int, set[str]]:
        if self._known is None:
            self._known = {}
            for first, before, hashes in self.stretches:
                if not hashes:
                    self._known.setdefault(first - 1, set()).add(before)
                for at, tip in enumerate(self._tips.along(self.writer, before, hashes)):
                    self._known.setdefault(first + at, set()).add(tip)
        return self._known


@dataclass
class Words:
    """A device's last word: the name it gives itself and when it wrote (Unix ms), as its segments say."""

    name: str
    time: int


@dataclass
class State:
    """The small, often written part: what others vouch for, who they are, when we last met, what alarmed us."""

    vouched: dict[str, tuple[int, str]] = field(default_factory=dict)
    devices: dict[str, Words] = field(default_factory=dict)
    alarms: list[Alarm] = field(default_factory=list)
    pulled: int | None = None
    pushed: int | None = None
    published_seen: dict[str, tuple[int, str]] = field(default_factory=dict)
    scrubbed: list[str] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)  # keys of objects that a person knows to be lost
    epoch: int | None = None  # the newest under which all of this device's segments are sealed
    key: str | None = None  # the id of its key: two devices may have opened that epoch at once
    renewed: dict[str, str] = field(default_factory=dict)  # of own objects: the id of the newer key they are under
    retired: list[str] = field(default_factory=list)  # writers whose logs others have adopted: they end for ever
    announced: list[str] = field(default_factory=list)  # of these, the ones that this device's log names
    put: str | None = None  # the digest of the key object that this device put on the store
    replaced: list[str] = field(default_factory=list)  # digests of those that it has replaced
    ours: dict[str, str] = field(default_factory=dict)  # key objects of this vault by digest: epoch and id of their key
    strange: list[str] = field(default_factory=list)  # digests of those that the passphrase did not open
    lost: bool = False  # whether it was lost, and what the logs say of it is not yet found again
    waiting: list[Alarm] = field(default_factory=list)  # what is on its way, as far as is known
    missed: dict[str, tuple[int, int]] = field(default_factory=dict)  # since when (Unix ms), and for how many looks
    refused: str = ""  # what was read on the store and is not to be read again: see `refused.py`
    litter: int = 0  # files of other programs in the store's folder that a person was told of


class Ledger:
    """The logs and the state of one vault's sync. Changes are made under the sync lock.

    Raises CannotRead where the system does not give a log or the state: that is no word of what they hold.
    """

    def __init__(self, layout: Layout, keys: Keys) -> None:
        self.tips = Tips(keys)
        self.state = State()
        self._layout = layout
        self._keys = keys
        self._logs: dict[str, WriterLog] = {}
        self._read_logs()
        self._read_state()

    # -- logs --------------------------------------------------------------------------------------------------------

    def log(self, writer: str) -> WriterLog:
        """Return the log of *writer*, empty if nothing is known of it."""
        return self._logs.get(writer) or WriterLog(writer, self.tips)

    def writers(self) -> list[str]:
        return sorted(self._logs)

    def published(self) -> set[bytes]:
        """Return the hashes of all versions that stand in some log. A retired one does not count: it is going away."""
        logs = (log for writer, log in self._logs.items() if writer not in self.state.retired)
        return {digest for log in logs for digest in log.hashes()}

    def known(self) -> set[bytes]:
        """Return the hashes of all that stands in any log, retired ones among them."""
        return {digest for log in self._logs.values() for digest in log.hashes()}

    def seen(self, mine: str) -> dict[str, tuple[int, str]]:
        """Return, for every writer but *mine* and retired ones, the position and tip up to which it was taken in."""
        left_out = {mine, *self.state.retired}
        return {writer: log.top() for writer, log in self._logs.items() if writer not in left_out and log.position}

    def record(self, stretches: Iterable[tuple[str, int, str, Sequence[bytes]]]) -> None:
        """Note stretches (writer, first, before, hashes) as published or taken in, durably."""
        fresh: dict[str, list[bytes]] = {}
        for writer, first, before, hashes in stretches:
            log = self._logs.setdefault(writer, WriterLog(writer, self.tips))
            if log.add(first, before, hashes):
                entry = first.to_bytes(8, "big") + bytes.fromhex(before) + b"".join(hashes)
                fresh.setdefault(writer, []).append(entry)
        for writer, entries in fresh.items():
            self._file(writer).append(entries)

    def take(self, segments: Iterable[Segment]) -> None:
        """Note *segments* as taken in, with what they vouch for and who wrote them, durably."""
        segments = list(segments)
        self._hear(segments)
        self.save()  # before the logs: a pull that is cut here must not forget what was vouched for
        self.record((s.name.writer, s.name.first, s.before, s.hashes) for s in segments)

    def recall(self, segments: Iterable[Segment], mine: str) -> None:
        """Find again, for `save`, what a lost state had from the last *segments* of each log; *mine* is this writer's.

        Every segment says all that its writer had witnessed by then.
        """
        segments = list(segments)
        self._hear(segments)
        for segment in segments:
            if segment.name.writer == mine:
                self.state.published_seen = dict(segment.seen)
                self.state.announced = list(segment.retired)
        self.state.lost = False

    def _hear(self, segments: Iterable[Segment]) -> None:
        for segment in segments:
            self.vouch(segment.seen)
            self.retire(segment.retired)
            known = self.state.devices.get(segment.name.writer)
            if known is None or segment.time >= known.time:
                self.state.devices[segment.name.writer] = Words(segment.device, segment.time)

    def vouch(self, claims: Seen) -> None:
        """Note, for `save`, that somebody who is trusted has taken in that much of each log."""
        for writer, (position, tip) in claims.items():
            if position > self.state.vouched.get(writer, (0, ""))[0]:
                self.state.vouched[writer] = (position, tip)

    def retire(self, writers: Iterable[str]) -> None:
        """Note, for `save`, that the logs of *writers* were adopted and end."""
        self.state.retired = sorted({*self.state.retired, *writers})

    def forget_after(self, writer: str, position: int) -> None:
        """Drop what is known of the log of *writer* beyond *position*: those versions count as unpublished again."""
        self.log(writer).cut(position)
        self._rewrite(writer)

    def forget(self, writer: str, first: int, last: int) -> None:
        """Drop what is known to stand at *first* to *last* in the log of *writer*: it counts as unpublished again."""
        self.log(writer).lose(first, last)
        self._rewrite(writer)

    def _rewrite(self, writer: str) -> None:
        self._file(writer).replace(
            first.to_bytes(8, "big") + bytes.fromhex(before) + b"".join(hashes)
            for first, before, hashes in self.log(writer).stretches
        )

    def accept(self, writer: str, position: int) -> None:
        """Take the store's word that the log of *writer* ends at *position*; only a person may say so."""
        self.forget_after(writer, position)
        if self.state.vouched.get(writer, (0, ""))[0] > position:
            del self.state.vouched[writer]

    def anchor(self, name: SegmentName, before: str) -> None:
        """Accept a hole: let the stretch *name*, which begins at the tip *before*, follow what is known."""
        self.record([(name.writer, name.first, before, ())])

    def _file(self, writer: str) -> SealedLog:
        return sent.log_of(self._layout, self._keys, writer)

    def _read_logs(self) -> None:
        for writer in sent.writers(self._layout):
            log = self._logs[writer] = WriterLog(writer, self.tips)
            log.stretches.extend(sent.stretches(self._file(writer)))

    # -- state -------------------------------------------------------------------------------------------------------

    def save(self) -> None:
        """Write the state, durably."""
        spelt = codec.dumps({"format": FORMAT, **asdict(self.state)})
        packs = 2 * len(self.state.refused) < len(spelt)  # what is remembered of many objects is as good as random
        sealed = seal(self._keys, Purpose.SYNC_STATE, (b"state",), spelt, compress=packs)
        files.write_durably(self._layout.sync_state, sealed)

    def _read_state(self) -> None:
        try:
            sealed = files.read(self._layout.sync_state)
            record = codec.loads(unseal(self._keys, Purpose.SYNC_STATE, (b"state",), sealed))
            self.state = _state(record)
        except (FileNotFoundError, NotPlain, SealError, BadJson, KeyError, TypeError, ValueError, AttributeError):
            self.state = State(lost=bool(self._logs))  # the logs are what counts: see `recall`


def _state(record: Mapping[str, Any]) -> State:
    """Return the state that *record* spells; an older ghostie wrote fewer fields."""
    known = {each.name: record[each.name] for each in fields(State) if each.name in record}
    known |= {name: _marks(known[name]) for name in ("vouched", "published_seen")}
    known["devices"] = {writer: Words(**words) for writer, words in known["devices"].items()}
    for name in ("alarms", "waiting"):
        known[name] = [Alarm(**alarm) for alarm in known.get(name, ())]
    known["missed"] = {what: (since, looks) for what, (since, looks) in known.get("missed", {}).items()}
    return State(**known)


def _marks(record: Mapping[str, Sequence[Any]]) -> dict[str, tuple[int, str]]:
    return {writer: (position, tip) for writer, (position, tip) in record.items()}


def newer(seen: Seen, published: Seen) -> bool:
    """Tell whether *seen* says more than what was *published* of it."""
    return any(position > published.get(writer, (0, ""))[0] for writer, (position, _) in seen.items())
