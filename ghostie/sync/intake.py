"""Taking in: which stretches are new, whether each is authentic and follows what is known, and what alarms.

Nothing here changes the vault: it decides, and the engine acts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from itertools import chain

from ghostie.errors import NewerFormat, NotFound, StoreRefused
from ghostie.memory import Version
from ghostie.sync import arriving
from ghostie.sync.compaction import LEAST
from ghostie.sync.link import Link, Listing, Progress
from ghostie.sync.litter import in_words, sorted_out
from ghostie.sync.log import Alarm
from ghostie.sync.notices import REBORN, RETIRED, Notice
from ghostie.sync.reading import SHARE, Fetched, Held, LogReader, Reading, Refusals, Spent, Unfit, alarm, is_known
from ghostie.sync.segment import BadSegment, Segment, SegmentName, open_segment
from ghostie.vault.vault import TakenIn

RELISTINGS = 3
RECALLED = 3  # objects of a log that are tried for what a lost state knew
CUT = ("rollback", "own-rollback")  # the alarms that a listing alone raises


def fetch(link: Link, *, dry_run: bool = False) -> Fetched:
    """Return what is new on the store. An alarm stands only if a second look, after a pause, raises it too.

    What was refused before needs no second look. Raises StoreChanged, StoreError or NewerFormat.
    """
    reading = Reading(link, keep=not dry_run, again=True)
    fetched, sure = _look_and_fetch(link, reading, dry_run)
    if not sure:
        link.wait()
        notices = fetched.notices
        fetched, _ = _look_and_fetch(link, reading, dry_run)
        fetched.notices = list(dict.fromkeys(notices + fetched.notices))
    fetched.alarms, fetched.waiting = arriving.sorted_out(link, fetched.alarms, keep=not dry_run)
    if not dry_run:
        link.refused.save(whole=True)
    return fetched


def _look_and_fetch(link: Link, reading: Reading, dry_run: bool) -> tuple[Fetched, bool]:
    """Return what one look shows, and whether another would show the same for all that is known."""
    attempt = 0
    notices: list[Notice] = []
    while True:
        attempt += 1
        reading.begin_look()
        listing = link.look()
        link.check_vault(listing)
        recall(link, listing)
        if notice := check_self(link, listing, dry_run=dry_run, reading=reading):
            notices.append(notice)
        try:
            refused = Refusals(link)
            fetched = new_segments(link, listing, reading, refused, last=attempt == RELISTINGS)
        except NotFound:
            # its writer may just have merged it into a bigger one: look again
            continue
        missing = fetched.alarms + rollbacks(link, listing, fetched.segments)
        gone = retired(link, fetched.segments)
        # what a retired writer has left behind follows a log that is not there for everybody
        missing = [each for each in missing if each.kind != "gap" or each.writer not in gone]
        fetched.alarms = refused.alarms() + missing
        fetched.notices += notices + found_litter(link, listing, keep=not dry_run)
        return fetched, not missing and not reading.unsure


def found_litter(link: Link, listing: Listing, *, keep: bool) -> list[Notice]:
    """Return a notice of the files of other programs in the store, unless as many were told of before; with *keep* it
    is noted as told, for `Ledger.save`."""
    litter, _ = sorted_out(listing.strays)
    told = link.ledger.state.litter
    if keep:
        link.ledger.state.litter = max(told, len(litter))
    return [Notice("litter", in_words(litter))] if len(litter) > told else []


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


def check_self(link: Link, listing: Listing, *, dry_run: bool = False, reading: Reading | None = None) -> Notice | None:
    """Become a new writer if this one was retired, or if there are positions of it that it does not know; return a
    notice of that, or None.

    Either the store holds such positions, authentic, or another device has taken them in and vouches for them, or what
    was known of them here is damaged.
    """
    from ghostie.sync.outbox import Outbox

    device = link.vault.device
    foreign = _authentic(link, listing, reading or Reading(link, keep=False))
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


def _authentic(link: Link, listing: Listing, reading: Reading) -> list[SegmentName]:
    """Return the objects in this device's own log that it does not know and that are what they say: only somebody with
    the keys can have made them."""
    found, failed = [], 0
    for name in strangers(link, listing):
        if reading.known(name, listing) is not None:
            continue
        if failed == SHARE:
            break
        try:
            reading.segment(name, listing)
        except Spent:
            break
        except Held:
            continue  # under a key that this device has yet to take over: what it is shows then
        except (Unfit, NotFound, NewerFormat, StoreRefused):
            failed += 1  # planted or damaged; what was merged a moment ago shows in the next listing under its new name
        else:
            found.append(name)
    return found


def new_segments(link: Link, listing: Listing, reading: Reading, refused: Refusals, *, last: bool = False) -> Fetched:
    """Return the stretches that are not yet taken in, in an order in which each follows what came before it, and add
    what is refused to *refused*.

    Raises NotFound for an object that is listed and not there; with *last* that is an alarm.
    """
    fetched = Fetched()
    refused.add_passed_over(listing.passed_over)
    mine = link.vault.device.writer
    readers = []
    for writer in sorted(listing.writers):
        names = strangers(link, listing) if writer == mine else listing.of(writer)
        readers.append(LogReader(link, writer, names, listing, reading, fetched, refused))
    readers = [reader for reader in readers if reader.todo]
    readers.sort(key=lambda reader: (not is_known(link, reader.writer), not reader.is_likely))
    total, done = sum(listing.info(name).size for reader in readers for name in reader.todo), 0

    def got(name: SegmentName) -> None:
        nonlocal done
        done += listing.info(name).size
        link.watch(Progress("fetching", done, total, in_bytes=True))

    for share in (SHARE, len(listing.names)):  # before any log gets more
        for reader in readers:
            reader.read(share, got, last=last)
    for share in (SHARE, len(listing.names)):
        for reader in readers:
            reader.probe(share)
    for reader in readers:
        reader.finish()
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
    """Return an alarm for every log that ends on the store before what is known or vouched for, in *fresh* ones too.

    In a folder that a sync program keeps, a log may be short for a while: the writer joined its segments, and these
    were removed before the joined one came; or it was retired. Then something else is there.
    """
    mine, fresh = link.vault.device.writer, list(fresh)
    gone = retired(link, fresh)
    own = "own-rollback"
    alarms = [
        alarm(link, own, mine, first - 1, f"positions {first:,} to {last:,}", may_come=_may_come(link, listing, mine))
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
        refused_too = (
            last
            for _, _, last, _, info in listing.known_of(writer)
            if last <= known or not accepted or info.key not in accepted
        )
        top = max(chain(held, refused_too), default=0)
        if top < known:
            detail = f"position {top:,} on the store, {known:,} known"
            alarms.append(alarm(link, "rollback", writer, top, detail, may_come=_may_come(link, listing, writer)))
    return alarms


def _may_come(link: Link, listing: Listing, writer: str) -> bool:
    """Tell whether what is missing of the log of *writer* may be on its way: not where the folder has no log any more.

    This device's own is removed object by object where another one retires it, whose word of that may come later.
    """
    return bool(listing.names) or link.ledger.log(writer).position >= LEAST


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
