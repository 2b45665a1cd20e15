"""Push and pull: what is not published goes out, what is not known comes in, what cannot be trusted is named.

The rules of `docs/sync.md`, in code: every object has one writer and is written once; a stretch is authenticated whole,
and must follow a tip that is known, before anything of it is applied; absence never means deletion; an alarm stops the
log that it is about, and no other.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ghostie.errors import Brake, KeyMayCome
from ghostie.sync import arriving, compaction, slots
from ghostie.sync.intake import check_self, fetch, foreseen, recall, removals, retired
from ghostie.sync.link import Link
from ghostie.sync.log import Alarm
from ghostie.sync.notices import RETIRED, Notice
from ghostie.sync.outbox import Outbox
from ghostie.vault.vault import TakenIn

BRAKE_COUNT = 20
BRAKE_SHARE = 5


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push sent, or (in a dry run) would send; *waiting*: why it sent nothing yet.

    A dry run does not count what would be *renewed*.
    """

    versions: int = 0
    memories: int = 0
    segments: int = 0
    size: int = 0
    unreadable: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()
    new_key: bool = False  # whether the vault's key object was put there anew
    renewed: int = 0  # how many own objects were written there anew
    waiting: tuple[Alarm, ...] = ()


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull took in, or (in a dry run) would take in."""

    taken: TakenIn = field(default_factory=TakenIn)
    segments: int = 0
    versions: int = 0
    removals: int = 0
    alarms: tuple[Alarm, ...] = ()
    waiting: tuple[Alarm, ...] = ()
    notices: tuple[Notice, ...] = ()


def push(link: Link, *, dry_run: bool = False) -> Pushed:
    """Publish what no log holds yet. With nothing new there is no request.

    Raises StoreChanged, StoreError or CannotWrite; what was packed stays in the outbox and goes out next time. Raises
    CannotRead, after all else was sent, for a version file that the system did not give. Where the vault's key object
    may be on its way, all that is left to send waits for it.
    """
    with link.session():
        try:
            return _push(link, dry_run=dry_run)
        except KeyMayCome as error:
            return Pushed(waiting=(arriving.key_object(link, error, keep=not dry_run),))


def _push(link: Link, *, dry_run: bool) -> Pushed:
    link.vault.refresh()
    if not dry_run:
        link.vault.finish()
    outbox = Outbox(link)
    versions = outbox.unpublished()
    memories = len({memory_id for memory_id, _ in versions})
    new_slot = slots.is_pending(link.vault.layout)
    if dry_run:
        return Pushed(len(versions), memories, len(outbox.names()), new_key=new_slot)
    if not (versions or new_slot or outbox.stale() or outbox.names() or outbox.word_is_due()):
        return Pushed()
    looked = link.begin_look()
    entries, unreadable = outbox.read(versions)
    listing = looked()
    link.check_vault(listing)
    arriving.key_object_is_there(link)
    recall(link, listing)
    notices: tuple[Notice, ...] = ()
    waiting = outbox.waiting()
    mine = link.vault.device.writer
    if link.ledger.log(mine).position and not listing.of(mine):
        # the store lost all of this device's log, or another device retired it, and says so there
        link.ledger.retire(retired(link, fetch(link, dry_run=True).segments))
    if notice := check_self(link, listing):
        notices, waiting = (notice,), []
    sent_key = slots.send(link, listing)
    if not waiting and not link.ledger.log(link.vault.device.writer).position:
        outbox.note_renewed()  # there is nothing yet that could be under an older key
    outbox.send(waiting)
    if waiting or notices:  # what waited stands in the log by now, or the log is a new one
        versions = outbox.unpublished()
        entries, unreadable = outbox.read(versions)
        memories = max(memories, len({memory_id for memory_id, _ in versions}))
    packed = outbox.pack(entries)
    outbox.send(packed)
    renewed = 0
    if stale := outbox.stale():  # of what waited, too
        renewed = outbox.renew(listing, stale)
    outbox.note_renewed()
    slots.tidy(link)
    compaction.compact(link, outbox, listing, {each.name: len(each.sealed) for each in packed})
    link.ledger.state.pushed = link.vault.clock()
    link.ledger.save()
    if outbox.unread:
        raise outbox.unread[0]
    sent = waiting + packed
    return Pushed(
        sum(raw is not None for each in sent for raw in each.segment.raw),
        memories,
        len(sent),
        sum(len(each.sealed) for each in sent),
        tuple(unreadable),
        notices + link.told(),
        sent_key,
        renewed,
    )


def pull(link: Link, *, dry_run: bool = False, yes: bool = False) -> Pulled:
    """Take in what other writers published. With nothing new there is one listing and nothing else.

    Alarms, and what waits for something that is on its way, are in the result and in the state, and all that they are
    not about was taken in. Raises Brake, StoreChanged, StoreError or CannotWrite: then nothing was.
    """
    with link.session():
        link.vault.refresh()
        if not dry_run:
            link.vault.finish()
        try:
            fetched = fetch(link, dry_run=dry_run)
        except KeyMayCome as error:
            return Pulled(waiting=(arriving.key_object(link, error, keep=not dry_run),))
        gone = removals(link, fetched.versions)
        alarms, notices = tuple(fetched.alarms), (*fetched.notices, *link.told(keep=not dry_run))
        if dry_run and link.vault.device.writer in retired(link, fetched.segments):
            notices += (RETIRED,)
        if dry_run:
            fresh = sum(not link.vault.index.has(version) for version in fetched.versions)
            taken = foreseen(link, fetched.versions)
            return Pulled(taken, len(fetched.segments), fresh, gone, alarms, tuple(fetched.waiting), notices)
        if not yes:
            _brake(link, gone)
        taken = link.vault.take_in(fetched.versions, "pull") if fetched.versions else TakenIn()
        link.ledger.state.alarms = fetched.alarms
        link.ledger.state.pulled = link.vault.clock()
        link.ledger.take(fetched.segments)
        slots.tidy(link)
        if link.vault.device.writer in link.ledger.state.retired:
            notices += (check_self(link, link.look()) or RETIRED,)
        moved = (taken, len(fetched.segments), len(fetched.versions), gone)
        return Pulled(*moved, alarms, tuple(fetched.waiting), notices)


def _brake(link: Link, gone: int) -> None:
    if not gone:
        return
    total = sum(not entry.deleted for entry in link.vault.index.entries())
    if gone > BRAKE_COUNT or (gone * BRAKE_SHARE > total >= BRAKE_SHARE):
        raise Brake(count=gone, total=total)
