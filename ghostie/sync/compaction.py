"""Compaction: a writer joins its own small segments into bigger ones, so that a log of n pushes is O(log n) objects.

Only whole neighbours are joined, the joined one is put before the old ones are deleted, and a reader that has taken in
any part of it knows every position's tip; so it hurts neither readers nor crashes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ghostie.errors import NotFound, StoreRefused
from ghostie.sync.outbox import MOST_PLAIN
from ghostie.sync.segment import BadSegment, SegmentName

if TYPE_CHECKING:
    from ghostie.sync.link import Link, Listing
    from ghostie.sync.outbox import Outbox

LEAST = 8


def plan(sizes: Mapping[SegmentName, int], most: int) -> list[list[SegmentName]]:
    """Return the runs of neighbouring segments to join: from the newest back, while the next older is about as big.

    *sizes* has the bytes of one writer's segments; a run has at most *most* of them. What remains grows from the newest
    to the oldest by powers of two, as in a binary counter, so no byte is written anew more often than it doubles.
    """
    runs: list[list[SegmentName]] = []
    stack: list[tuple[int, list[SegmentName]]] = []
    for name in _chain(sizes):
        size, run = sizes[name], [name]
        while stack and stack[-1][0].bit_length() <= size.bit_length() and stack[-1][0] + size <= most:
            older, names_before = stack.pop()
            size, run = size + older, names_before + run
        stack.append((size, run))
    runs += [run for _, run in stack if len(run) > 1]
    return runs


def _chain(names: Iterable[SegmentName]) -> list[SegmentName]:
    """Return the segments from position 1 on, each the longest that follows the one before."""
    by_first: dict[int, SegmentName] = {}
    for name in names:
        known = by_first.get(name.first)
        if known is None or name.last > known.last:
            by_first[name.first] = name
    chain: list[SegmentName] = []
    first = 1
    while first in by_first:
        chain.append(by_first[first])
        first = by_first[first].last + 1
    return chain


def covered(names: Sequence[SegmentName], chain: Sequence[SegmentName]) -> list[SegmentName]:
    """Return the segments of *names* that lie within a bigger one of *chain*: left by a crash, of no use to anybody."""
    return [
        name
        for name in names
        if any(name != big and big.first <= name.first and name.last <= big.last for big in chain)
    ]


def compact(
    link: Link, outbox: Outbox, listing: Listing, fresh: Mapping[SegmentName, int], *, least: int = LEAST
) -> tuple[int, int]:
    """Join this device's segments where it pays, from *least* objects on; return how many were joined into how many.

    *fresh* has those, with their sizes, that are younger than the listing.
    """
    writer = link.vault.device.writer
    names = sorted({*listing.of(writer), *fresh})
    if len(names) < least:
        return 0, 0
    log = link.ledger.log(writer)
    # own names only: a tip that is not ours belongs to a copy of this device, whose log is not ours to tidy
    names = [name for name in names if log.knows(name.last, name.tip)]
    sizes = {name: fresh.get(name) or listing.info(name).size for name in names}
    capabilities = link.store.capabilities
    put: dict[str, bytes] = {}
    old = {name.key for name in covered(names, _chain(names))}
    for run in plan(sizes, capabilities.best_size):
        before, hashes = log.stretch(run[0].first, run[-1].last)
        try:
            entries = outbox.entries_of(hashes, run)
        except (BadSegment, NotFound, StoreRefused):
            continue  # something that is neither here nor there: `repair` looks after it, and nothing is joined over it
        if sum(len(entry) for entry in entries) > MOST_PLAIN:
            continue  # it is packed very tightly, and would be too much to open
        joined = outbox.seal_stretch(run[0].first, before, entries)
        if len(joined.sealed) > capabilities.largest_size:
            continue
        put[joined.name.key] = joined.sealed
        old |= {name.key for name in run}
    if put or old:
        link.store.write(put, sorted(old - put.keys()))
    return len(old), len(put)
