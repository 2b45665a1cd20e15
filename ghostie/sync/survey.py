"""Looking and mending: where this device stands, whether all on the store is what it says, what can be put back."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace

from ghostie import text
from ghostie.errors import KeyMayCome, NotFound, RefusedKeyFile, StoreChanged, StoreRefused
from ghostie.sync import arriving, compaction, intake
from ghostie.sync.link import Link, Listing
from ghostie.sync.litter import in_words, sorted_out
from ghostie.sync.log import KEY_OBJECT, Alarm
from ghostie.sync.notices import KEY_WAITS, Notice
from ghostie.sync.outbox import Outbox
from ghostie.sync.reading import alarm
from ghostie.sync.segment import BadSegment, Segment, SegmentName, key_name, open_segment
from ghostie.vault.conflicts import open_conflicts
from ghostie.vault.row import Entry


@dataclass(frozen=True, slots=True)
class DeviceLine:
    """One writer of this vault: its name, whether it is this device, its last word (Unix ms), and positions."""

    writer: str
    name: str
    this: bool
    last_word: int | None
    position: int
    on_store: int | None = None

    @property
    def behind(self) -> int:
        """How many of its versions are on the store and not here."""
        return 0 if self.this else max(0, (self.on_store or 0) - self.position)


@dataclass(frozen=True, slots=True)
class Status:
    """Where this device stands. What needs a look at the store is None or empty without one.

    *arriving* is what is on its way, and since when it is missed (Unix ms); *litter* are the names of other programs'
    files.
    """

    to_push: int
    waiting: int
    conflicts: tuple[Entry, ...]
    alarms: tuple[Alarm, ...]
    arriving: tuple[tuple[Alarm, int | None], ...]
    litter: tuple[str, ...]
    devices: tuple[DeviceLine, ...]
    pulled: int | None
    pushed: int | None
    behind: int | None = None
    objects: int | None = None
    size: int | None = None


def status(link: Link, *, look: bool = False) -> Status:
    """Return where this device stands; with *look*, after a listing of the store. Raises StoreError, StoreChanged.

    With *look*, logs that end there too early are among the alarms, as far as a second listing shows that, too.
    """
    link.vault.refresh()
    state = link.ledger.state
    alarms, waiting = list(state.alarms), list(state.waiting)
    listing = link.look() if look else None
    if listing is not None:
        try:
            link.check_vault(listing)
            intake.recall(link, listing)  # not kept: that is for who holds the lock
            if cut := intake.rollbacks(link, listing):
                link.wait()
                listing = link.look()
                link.check_vault(listing)
                cut = intake.rollbacks(link, listing)
        except KeyMayCome as error:
            waiting = [each for each in waiting if each.kind != KEY_OBJECT]
            waiting.append(arriving.key_object(link, error, keep=False))
        else:
            stand, coming = arriving.sorted_out(link, cut, keep=False)
            alarms = [each for each in alarms if each.kind not in intake.CUT] + stand
            waiting = [each for each in waiting if each.kind not in (*intake.CUT, KEY_OBJECT)] + coming
        link.remember()
    lines = tuple(_devices(link, listing))
    return Status(
        to_push=len(Outbox(link).unpublished()),
        waiting=len(Outbox(link).names()),
        conflicts=tuple(open_conflicts(link.vault)),
        alarms=tuple(alarms),
        arriving=tuple((each, arriving.since(link, each)) for each in waiting),
        litter=tuple(sorted_out(listing.strays)[0]) if listing is not None else (),
        devices=lines,
        pulled=state.pulled,
        pushed=state.pushed,
        behind=sum(line.behind for line in lines) if listing is not None else None,
        objects=listing.count if listing is not None else None,
        size=listing.size if listing is not None else None,
    )


def _devices(link: Link, listing: Listing | None) -> list[DeviceLine]:
    state, device, ledger = link.ledger.state, link.vault.device, link.ledger
    writers = {device.writer, *({*ledger.writers(), *state.vouched} - {*state.retired})}
    shown: dict[str, int] = {}
    if listing is not None:
        # what was refused says nothing: anybody may have put it there, under any name
        for each in listing.names:
            if link.refused.verdict(listing.info(each)) is None:
                shown[each.writer] = max(shown.get(each.writer, 0), each.last)
        writers |= shown.keys()
    lines = []
    for writer in sorted(writers):
        words = state.devices.get(writer)
        this = writer == device.writer
        name = device.name if this else words.name if words else ""
        last_word = state.pushed if this else words.time if words else None
        on_store = shown.get(writer, 0) if listing is not None else None
        lines.append(DeviceLine(writer, name, this, last_word, ledger.log(writer).position, on_store))
    return sorted(lines, key=lambda line: (not line.this, line.name, line.writer))


def verify(link: Link) -> list[str]:
    """Read and check every object on the store against its name, its seal and its log; return the problems."""
    with link.session():
        listing, sound, bad = read_all(link)
        if link.refused.save():
            link.ledger.save()
        problems: list[str] = []
        try:
            link.check_vault(listing)
            link.own_slot(listing)
        except StoreChanged as error:
            problems.append(str(error))
        except (RefusedKeyFile, NotFound) as error:
            problems.append(f"the vault's key object {key_name(link.config.slot)} was altered or damaged: {error}")
        waits = {name for name in bad if is_under_a_rival(link, name)}
        if waits and link.standing.notice is None:
            link.tell(KEY_WAITS)
        problems += [why for name, why in bad.items() if name not in waits]
        litter, strays = sorted_out(listing.strays)
        if litter:
            link.tell(Notice("litter", in_words(litter)))
        problems += [f"{text.one_line(key)} is no object of ghostie's" for key in strays]
        problems += [each.sentence() for each in intake.rollbacks(link, listing)]
        problems += [
            alarm(link, "gap", name.writer, name.first, f"before position {name.first:,}").sentence()
            for name in holes(link, sound)
            if name.writer not in {each.writer for each in waits}
        ]
        return problems


def read_all(link: Link) -> tuple[Listing, list[Segment], dict[SegmentName, str]]:
    """Return a listing, the segments in it that are what they say (not their versions), and what ails the others."""
    for attempt in range(1, intake.RELISTINGS + 1):
        listing = link.look(all_of_it=True)
        sound: list[Segment] = []
        bad: dict[SegmentName, str] = {}
        gone = False
        for name in sorted(listing.names):
            try:
                segment = open_segment(link.vault.keys, link.ledger.tips, name, link.store.get(name.key))
                segment.versions()
                sound.append(replace(segment, raw=()))
                link.refused.forget(listing.info(name))
            except (BadSegment, NotFound, StoreRefused) as error:
                bad[name] = str(error)
                gone = gone or isinstance(error, NotFound)
        if not gone or attempt == intake.RELISTINGS:
            break  # else its writer may just have merged it into a bigger one: look again
    intake.recall(link, listing)
    return listing, sound, bad


def is_under_a_rival(link: Link, name: SegmentName) -> bool:
    """Tell whether the segment *name* was sealed under a key that another device opened at the same time."""
    if not link.standing.known:
        return False
    with contextlib.suppress(NotFound, StoreRefused):
        return link.standing.is_rivals(link.store.get(name.key))
    return False


def holes(link: Link, sound: list[Segment]) -> list[SegmentName]:
    """Return the segments of other writers that follow nothing on the store and were not accepted as they are."""
    apart = {link.vault.device.writer, *intake.retired(link, sound)}
    ends: set[tuple[str, int, str]] = set()
    for segment in sound:
        tips = link.ledger.tips.along(segment.name.writer, segment.before, segment.hashes)
        ends |= {(segment.name.writer, segment.name.first + at, tip) for at, tip in enumerate(tips)}
    for writer in link.ledger.writers():
        ends |= {(writer, first - 1, tip) for first, tip, hashes in link.ledger.log(writer).stretches if not hashes}
    return [
        segment.name
        for segment in sound
        if segment.name.first > 1
        and segment.name.writer not in apart
        and (segment.name.writer, segment.name.first - 1, segment.before) not in ends
    ]


def compact(link: Link) -> tuple[int, int]:
    """Join this device's small segments on the store now; return how many were joined into how many."""
    with link.session():
        link.vault.refresh()
        listing = link.look()
        link.check_vault(listing)
        return compaction.compact(link, Outbox(link), listing, {}, least=2)
