"""Publishing: versions are sealed into segments, kept in the outbox, sent, confirmed. A retry sends the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ghostie import files
from ghostie.errors import CannotRead, NotFound, NotPlain
from ghostie.sync.link import Link, Listing, Progress
from ghostie.sync.log import newer
from ghostie.sync.segment import GENESIS, ROOT, BadSegment, Entry, Segment, SegmentName, open_segment, seal_segment
from ghostie.vault.row import Entry as MemoryEntry
from ghostie.vault.row import Row

A_DAY = 86_400_000
MOST_PLAIN = 48 << 20
PACKED = 3  # memories are mostly text, which packs about as tightly


@dataclass(frozen=True, slots=True)
class Packed:
    """A segment and the sealed bytes that spell it."""

    segment: Segment
    sealed: bytes

    @property
    def name(self) -> SegmentName:
        return self.segment.name


class Outbox:
    """What this device has to publish."""

    def __init__(self, link: Link) -> None:
        self.unread: list[CannotRead] = []  # what the system did not give of what `read` was asked for
        self._link = link
        self._vault = link.vault

    # -- what there is to send ---------------------------------------------------------------------------------------

    def unpublished(self) -> list[tuple[str, str]]:
        """Return (memory id, hash) of the versions that stand in no log and may leave the device, oldest first."""
        published = {digest.hex() for digest in self._link.ledger.published()}
        known = published | {digest.hex() for digest in self._link.ledger.known()}
        found = [
            (row["modified"], row["number"], digest, entry.id)
            for entry in self._vault.index.entries()
            for digest, row in self._may_leave(entry, known)
            if digest not in published
        ]
        return [(memory_id, digest) for _, _, digest, memory_id in sorted(found)]

    @staticmethod
    def _may_leave(entry: MemoryEntry, known: set[str]) -> Iterable[tuple[str, Row]]:
        """Yield what may leave this device of a memory. *known* are the hashes of all that ever stood in a log.

        Who keeps a memory here keeps all of it that was not published until then. What goes out of such a memory is
        that what was published of it is removed or purged.
        """
        held, rows = entry.held(), entry.versions.items()
        named = [each for digest, row in rows for each in (digest, *row.get("parents", ()), *row.get("purges", ()))]
        for digest, row in rows:
            kept = row.get("privacy") == "local"
            if row.get("purges") and not kept and not row.get("withheld"):
                leaves = True
            elif row.get("purges") or (held and row.get("deleted") and not kept and digest not in held):
                leaves = any(each in known for each in named)
            else:
                leaves = not kept and (digest not in held or digest in known)
            if leaves:
                yield digest, row

    def _held(self, wanted: Iterable[str]) -> set[str]:
        """Return those of *wanted* (hashes) that are kept on this device, also such as were published before that."""
        wanted = set(wanted)
        return {digest for entry in self._vault.index.entries() for digest in entry.held() & wanted}

    def names(self) -> list[SegmentName]:
        """Return the segments that were sealed and not confirmed, in order; those of an older self are dropped."""
        found = []
        for file in files.names_in(self._vault.layout.outbox):
            if not file.endswith(".seg"):
                continue
            writer, _, rest = file.partition(".")
            name = SegmentName.parse(f"{ROOT}{writer}/memories/{rest}")
            if name is None or writer != self._vault.device.writer:
                files.remove_durably([self._vault.layout.outbox / file])
            else:
                found.append(name)
        return sorted(found)

    def waiting(self) -> list[Packed]:
        """Return what was sealed and not confirmed, in order, opened and checked again.

        What a purge destroyed since, or a person made local, is taken out of it. Where one is damaged, it and what
        follows it are dropped and packed anew; if it did arrive, the store then shows positions that this device does
        not know to be its own.
        """
        folder, purged = self._vault.layout.outbox, self._vault.index.destroyed()
        known = {digest.hex() for digest in self._link.ledger.known()}
        packed: list[Packed] = []
        names = self.names()
        for name in names:
            try:
                sealed = files.read(folder / name.file)
                segment = open_segment(self._vault.keys, self._link.ledger.tips, name, sealed)
            except (BadSegment, NotPlain):
                files.remove_durably(folder / each.file for each in names[len(packed) :])
                break
            each = Packed(segment, sealed)
            gone = purged | (self._held(digest.hex() for digest in segment.hashes) - known)
            if any(raw and digest.hex() in gone for digest, raw in zip(segment.hashes, segment.raw, strict=True)):
                each = self.seal_stretch(
                    name.first,
                    segment.before,
                    [
                        raw if raw and digest.hex() not in gone else (digest, None)
                        for digest, raw in zip(segment.hashes, segment.raw, strict=True)
                    ],
                )
                files.write_durably(folder / name.file, each.sealed)
            packed.append(each)
        return packed

    def word_is_due(self) -> bool:
        """Tell whether to publish what was seen although nothing else is new: at most once a day, or a retirement."""
        state = self._link.ledger.state
        if not {*state.retired} <= {*state.announced}:
            return True
        since = self._vault.clock() - (state.pushed or 0)
        # a clock that was set back must not silence the device until it has caught up
        return not 0 <= since < A_DAY and newer(self._link.ledger.seen(self._vault.device.writer), state.published_seen)

    # -- packing -----------------------------------------------------------------------------------------------------

    def read(self, versions: Iterable[tuple[str, str]]) -> tuple[list[Entry], list[str]]:
        """Return the canonical bytes of *versions*, and the names of the files that do not open; see `unread`, too."""
        entries: list[Entry] = []
        unreadable: list[str] = []
        self.unread = []
        stems = [f"{memory_id}.{digest[:32]}" for memory_id, digest in versions]
        for stem, raw in self._vault.files.raw_many(stems, self.unread):
            if raw is None:
                unreadable.append(stem)
            else:
                entries.append(raw)
        return entries, unreadable

    def pack(self, entries: list[Entry]) -> list[Packed]:
        """Seal *entries* into segments and put these into the outbox."""
        if not entries and self.word_is_due():
            # nothing to say but what was seen: a position that holds the hash of nothing
            entries = [(self._link.random(32), None)]
        if not entries:
            return []
        log = self._link.ledger.log(self._vault.device.writer)
        position, before = log.top() if log.position else (0, GENESIS)
        packed = self.seal(position + 1, before, entries)
        files.write_all_durably((self._vault.layout.outbox / each.name.file, each.sealed) for each in packed)
        return packed

    def seal(self, first: int, before: str, entries: Sequence[Entry]) -> list[Packed]:
        """Return *entries* from position *first* on, as segments that each suit the store: few, and none above its best
        size but of a single entry."""
        best = self._link.store.capabilities.best_size
        most = min(PACKED * best, MOST_PLAIN)
        packed: list[Packed] = []
        start = 0
        while start < len(entries):
            while True:
                end, total = start, 0
                while end < len(entries) and (end == start or total + len(entries[end]) <= most):
                    total += len(entries[end]) + 4
                    end += 1
                stretch = self.seal_stretch(first + start, before, entries[start:end])
                if len(stretch.sealed) <= best or end == start + 1:
                    break
                # it is packed less tightly than was hoped, and what follows is likely to be as well
                most = min(most * 3 // 4, total * best // len(stretch.sealed))
            packed.append(stretch)
            before, start = stretch.name.tip, end
        return packed

    def seal_stretch(self, first: int, before: str, entries: Sequence[Entry]) -> Packed:
        """Return this device's segment of *entries* from position *first* on."""
        device, ledger = self._vault.device, self._link.ledger
        segment, sealed = seal_segment(
            self._vault.keys,
            ledger.tips,
            writer=device.writer,
            first=first,
            before=before,
            device=device.name,
            time=self._vault.clock(),
            seen=ledger.seen(device.writer),
            entries=entries,
            retired=ledger.state.retired,
        )
        return Packed(segment, sealed)

    def entries_of(self, hashes: Sequence[bytes], names: Iterable[SegmentName] = ()) -> list[Entry]:
        """Return what stands behind *hashes*: canonical bytes, or the hash alone where a purge left no more.

        What is not here (a damaged file, a dropped old version) is read from the segments *names* on the store, so that
        writing them anew never loses what they hold. So is what is kept here by now: nothing of it goes out again.
        Raises CannotRead: what is here and cannot be read is not gone.
        """
        wanted = {digest.hex() for digest in hashes}
        purged, held = self._destroyed() & wanted, self._held(wanted)
        stems = {
            digest: entry.stem(digest)
            for entry in self._vault.index.entries()
            for digest in entry.versions
            if digest in wanted - purged - held
        }
        raw = dict(self._vault.files.raw_many(stems.values()))
        known = {bytes.fromhex(digest): raw[stem] for digest, stem in stems.items()}
        if any(known.get(digest) is None and digest.hex() not in purged for digest in hashes):
            for name in names:
                segment = open_segment(self._vault.keys, self._link.ledger.tips, name, self._link.store.get(name.key))
                for digest, stored in zip(segment.hashes, segment.raw, strict=True):
                    if known.get(digest) is None and digest.hex() not in purged:
                        known[digest] = stored
        return [known.get(digest) or (digest, None) for digest in hashes]

    def _destroyed(self) -> set[str]:
        """Return the hashes that purges destroy whose markers are published, or never will be.

        While a marker is not, this device may be all that knows of the purge: were it lost, the others would keep the
        version, and a new one would never get it.
        """
        index, published = self._vault.index, self._link.ledger.published()
        return {
            doomed
            for memory_id in index.purged()
            if (entry := index.get(memory_id)) is not None
            for digest, row in entry.versions.items()
            if row.get("privacy") == "local" or bytes.fromhex(digest) in published
            for doomed in row.get("purges", ())
        }

    # -- sending -----------------------------------------------------------------------------------------------------

    def send(self, packed: Iterable[Packed]) -> None:
        """Upload segments from the outbox, as many at once as the store takes, and confirm each batch."""
        most = self._link.store.capabilities.largest_size
        packed = list(packed)
        total, sent = sum(len(each.sealed) for each in packed), 0
        batch: list[Packed] = []
        for each in packed:
            size = sum(len(other.sealed) for other in batch)
            if batch and size + len(each.sealed) > most:
                self._link.watch(Progress("sending", sent, total, in_bytes=True))
                self._send_batch(batch)
                batch, sent = [], sent + size
            batch.append(each)
        if batch:
            self._link.watch(Progress("sending", sent, total, in_bytes=True))
            self._send_batch(batch)
            self._link.watch(Progress("sending", total, total, in_bytes=True))

    def _send_batch(self, batch: Sequence[Packed]) -> None:
        self._link.store.write({each.name.key: each.sealed for each in batch})
        segments = [each.segment for each in batch]
        self._link.ledger.record((s.name.writer, s.name.first, s.before, s.hashes) for s in segments)
        self._link.ledger.state.published_seen = dict(segments[-1].seen)
        self._link.ledger.state.announced = list(segments[-1].retired)
        files.remove_durably(self._vault.layout.outbox / each.name.file for each in batch)

    def send_again(self, first: int, last: int) -> set[str]:
        """Publish positions *first* to *last* of this device's own log again, as they were; return the keys."""
        before, hashes = self._link.ledger.log(self._vault.device.writer).stretch(first, last)
        put = {each.name.key: each.sealed for each in self.seal(first, before, self.entries_of(hashes))}
        for key, sealed in put.items():
            self._link.store.write({key: sealed})
        return set(put)

    # -- writing own segments anew: the one exception to "written once" ----------------------------------------------

    def stale(self) -> set[str]:
        """Return the hashes of own published versions that must be written anew: purged ones, or all in a new epoch."""
        own = {digest.hex() for digest in self._link.ledger.log(self._vault.device.writer).hashes()}
        return own if self._is_rekeying() else self._purged(own)

    def _purged(self, own: set[str]) -> set[str]:
        return (self._destroyed() & own) - set(self._link.ledger.state.scrubbed)

    def _is_rekeying(self) -> bool:
        """Tell whether own segments may be under another key than the newest: also where it is not known."""
        state, keys = self._link.ledger.state, self._vault.keys
        if state.key is None and state.epoch is not None:  # written by an older ghostie
            return state.epoch < keys.current
        return state.key != self._key_id

    @property
    def _key_id(self) -> str:
        return self._vault.keys.id_of(self._vault.keys.current).hex()

    def note_renewed(self) -> None:
        """Note, for the state's next `save`, that all own segments are under the newest key."""
        state = self._link.ledger.state
        state.epoch, state.key, state.renewed = self._vault.keys.current, self._key_id, {}

    def renew(self, listing: Listing, stale: set[str]) -> int:
        """Write own segments that hold *stale* versions anew, under the same names: a hash for what was purged.

        Return how many were written.

        What the store does not show, or gives damaged, cannot be written anew: a purge of that stays to be done. Where
        all are written anew under a new key, those that are done are noted: what is cut off goes on there.
        """
        state, rekeying = self._link.ledger.state, self._is_rekeying()
        purged, written = self._purged(stale), 0
        log = self._link.ledger.log(self._vault.device.writer)
        looked: dict[SegmentName, bool] = {}  # and whether nothing stale is left in it
        for fresh in (False, True):
            if fresh:  # a listing may be old, and what it does not show would keep what has to go
                self._link.wait()
                listing = self._link.look()
            for name in listing.of(self._vault.device.writer):
                if name in looked or not log.knows(name.last, name.tip):
                    continue
                before, hashes = log.stretch(name.first, name.last)
                looked[name] = True
                done = rekeying and state.renewed.get(name.key) == self._key_id
                if any(digest.hex() in (purged if done else stale) for digest in hashes):
                    try:
                        renewed = self.seal_stretch(name.first, before, self.entries_of(hashes, [name]))
                    except (BadSegment, NotFound):
                        looked[name] = False  # it opens for nobody, or is gone
                        continue
                    self._link.store.write({name.key: renewed.sealed})
                    written += 1
                    if rekeying:
                        state.renewed[name.key] = self._key_id
                        self._link.ledger.save()
        there = [name for name in listing.of(self._vault.device.writer) if looked.get(name)]
        reached = {at for name in there for at in range(name.first, name.last + 1)}
        withheld = {
            digest.hex()
            for first, _, hashes in log.stretches
            for at, digest in enumerate(hashes, first)
            if at not in reached
        }
        state.scrubbed = sorted({*state.scrubbed, *((stale & self._destroyed()) - withheld)})
        return written
