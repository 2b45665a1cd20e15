"""Repair: put back what the store lost and this device knows, bring back what was lost here, accept the rest."""

from __future__ import annotations

from dataclasses import replace

from ghostie import files, text
from ghostie.crypto import keys as keyring
from ghostie.errors import EmptyFolder, KeyMayCome, KeyObjectGone, NotFound, RefusedKeyFile, StoreChanged
from ghostie.memory import Version
from ghostie.sync import intake
from ghostie.sync.link import Link, Listing
from ghostie.sync.outbox import Outbox
from ghostie.sync.reading import alarm
from ghostie.sync.segment import Segment, SegmentName, key_name, open_segment
from ghostie.sync.survey import holes, is_under_a_rival, read_all

NAMED = 3  # objects that are given up by name


def repair(link: Link, *, dry_run: bool = False) -> list[str]:
    """Put back what the store lost and this device knows; accept what cannot be had. Return what was done, in words.

    Every object is read. Raises StoreChanged if the store holds another vault and nothing of this one, and StoreError.
    """
    with link.session():
        link.vault.refresh()
        done: list[str] = []
        listing, sound, bad = read_all(link)
        _mend_slot(link, listing, done, dry_run, is_ours=bool(sound))
        if link.config.slot in listing.slots:
            link.check_vault(listing)
        if notice := intake.check_self(link, listing, dry_run=dry_run):
            done.append(notice.sentence())
        waits = {name for name in bad if not _is_own(link, name) and is_under_a_rival(link, name)}
        for writer in sorted({name.writer for name in waits}):
            who = alarm(link, "foreign", writer, 0, "").device or writer
            done.append(f"left what {who} sealed under another key as it is: `ghostie sync setup` brings it together")
        lost = [name.key for name in sorted(bad) if not _is_own(link, name) and name not in waits]
        given_up = [key for key in lost if key not in link.ledger.state.accepted]
        done += [f"accepted that {key} cannot be read" for key in given_up[:NAMED]]
        if len(given_up) > NAMED:
            done.append(f"accepted that {len(given_up) - NAMED:,} more objects cannot be read")
        link.ledger.state.accepted = lost
        whole = listing.only(segment.name for segment in sound)
        ends = {each.writer: each for each in intake.rollbacks(link, listing) if each.kind == "rollback"}
        for writer, end in ends.items():
            who = end.device or writer
            done.append(f"what {who} wrote after position {end.position:,} goes out with the next push")
            if not dry_run:
                link.ledger.accept(writer, end.position)
        _claim(link, whole, {writer: end.position for writer, end in ends.items()}, done, dry_run)
        _accept_holes(link, sound, done, dry_run)
        _bring_back(link, whole, done, dry_run)
        _mend_own(link, whole, bad, done, dry_run)  # last: it vouches only for what was not just given up
        if not dry_run:
            link.ledger.state.alarms, link.ledger.state.waiting = [], []
            link.refused.save()
            link.ledger.save()
        return done


def _mend_slot(link: Link, listing: Listing, done: list[str], dry_run: bool, *, is_ours: bool) -> None:
    """Put this vault's key object back where it is gone, or is not what it was.

    Where another vault's is there, too, only if the store *is_ours*, for it holds segments that open under our keys:
    anybody may have put that other one there in the place of ours.
    """
    old = link.config.slot
    try:
        link.own_slot(listing)
        return
    except NotFound:
        try:
            link.check_vault(listing)
            return
        except StoreChanged as error:
            older = isinstance(error, KeyObjectGone) or (isinstance(error, KeyMayCome) and error.facts.get("older"))
            is_there = listing.slots if not link.replicated else not isinstance(error, EmptyFolder | KeyMayCome)
            if (is_there or listing.slots) and not is_ours and not older:
                raise  # another vault's: not ours to touch
        done.append("put this vault's key object back")
    except RefusedKeyFile:
        done.append("put this vault's key object back in the place of one that was altered or damaged")
    if not dry_run:
        raw = files.read(link.vault.layout.master_key)
        digest = keyring.parse(raw).digest
        link.store.write({key_name(digest): raw}, [] if digest == old else [key_name(old)])
        link.config = replace(link.config, slot=digest)
        link.config.save(link.vault.layout)


def _is_own(link: Link, name: SegmentName) -> bool:
    writer = link.vault.device.writer
    return name.writer == writer and link.ledger.log(writer).knows(name.last, name.tip)


def _mend_own(link: Link, whole: Listing, bad: dict[SegmentName, str], done: list[str], dry_run: bool) -> None:
    """Publish the stretches of this device's own log again that the store lost or that do not open there."""
    outbox, put = Outbox(link), set()
    for first, last in intake.lost(link, whole):
        done.append(f"published positions {first:,} to {last:,} of this device's log again")
        if not dry_run:
            put |= outbox.send_again(first, last)
    damaged = sorted(name.key for name in bad if _is_own(link, name) and name.key not in put)
    if damaged and not dry_run:
        link.store.write({}, damaged)  # what they held stands under other names now


def _bring_back(link: Link, whole: Listing, done: list[str], dry_run: bool) -> None:
    """Take in again what was here once, is in no file any more (a damaged one was set aside), and the store holds."""
    index = link.vault.index
    here = {digest for entry in index.entries() for digest in entry.versions} | index.destroyed()
    missing = {digest for digest in link.ledger.published() if digest.hex() not in here}
    found: list[Version] = []
    for name in whole.names:
        log = link.ledger.log(name.writer)
        if not missing or not log.knows(name.last, name.tip):
            continue
        try:
            _, hashes = log.stretch(name.first, name.last)
        except KeyError:
            continue
        if not missing.isdisjoint(hashes):
            segment = open_segment(link.vault.keys, link.ledger.tips, name, link.store.get(name.key))
            back = [version for version in segment.versions() if bytes.fromhex(version.hash) in missing]
            missing -= {bytes.fromhex(version.hash) for version in back}
            found += back
    if found:
        done.append(f"brought back {text.plural(len(found), 'version')} from the store, missing here")
        if not dry_run:
            link.vault.take_in(found, "repair")


def _claim(link: Link, whole: Listing, ends: dict[str, int], done: list[str], dry_run: bool) -> None:
    """Let go out again what other devices wrote, the store does not hold whole any more, and is known here."""
    for writer in link.ledger.writers():
        if writer == link.vault.device.writer or writer in link.ledger.state.retired:
            continue
        log = link.ledger.log(writer)
        held = [name for name in whole.of(writer) if log.knows(name.last, name.tip)]
        known = {at for first, _, hashes in log.stretches for at in range(first, first + len(hashes))}
        missing = known.difference(*(range(name.first, name.last + 1) for name in held))
        for first, last in _runs({at for at in missing if at <= ends.get(writer, at)}):
            who = alarm(link, "gap", writer, first, "").device or writer
            done.append(f"what {who} wrote at positions {first:,} to {last:,} goes out with the next push")
            if not dry_run:
                link.ledger.forget(writer, first, last)


def _runs(positions: set[int]) -> list[tuple[int, int]]:
    """Return *positions* as stretches (first, last)."""
    runs: list[tuple[int, int]] = []
    for position in sorted(positions):
        if runs and runs[-1][1] == position - 1:
            runs[-1] = (runs[-1][0], position)
        else:
            runs.append((position, position))
    return runs


def _accept_holes(link: Link, sound: list[Segment], done: list[str], dry_run: bool) -> None:
    """Let logs go on behind what cannot be had."""
    before = {segment.name: segment.before for segment in sound}
    for name in holes(link, sound):
        if link.ledger.log(name.writer).knows(name.first - 1, before[name]):
            continue  # what is missing there is known here
        who = alarm(link, "gap", name.writer, name.first, "").device or name.writer
        done.append(f"accepted the hole in the log of {who} before position {name.first:,}")
        if not dry_run:
            link.ledger.anchor(name, before[name])
