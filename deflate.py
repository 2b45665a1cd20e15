"""Packs the wheel: deflate (RFC 1951) that is smaller than zlib's, and the same bytes with every zlib and Python.

zlib decides at each place by what it sees next; here the cheapest way through a whole file is taken, by what the codes
of the try before cost. It takes some 15 µs for each byte, so it is for what is packed once and carried often.
"""

from __future__ import annotations

import heapq
import os
import struct
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

_WINDOW = 1 << 15
_LONGEST = 258
_TRIES = 2
# the order in which a block gives the lengths of the code that its other lengths are written in
_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)


def _steps(first: int, last: int, each: int, bits: Iterable[int]) -> list[tuple[int, int, int]]:
    """Return for every number from *first* to *last* its symbol, how many bits follow that, and what they hold."""
    made: list[tuple[int, int, int]] = []
    symbol = each
    for extra in bits:
        made += [(symbol, extra, rest) for rest in range(1 << extra)]
        symbol += 1
    return made[: last - first + 1]


_LENGTHS = [
    *[(0, 0, 0)] * 3,
    *_steps(3, 257, 257, [0] * 8 + [bits for bits in range(1, 6) for _ in range(4)]),
    (285, 0, 0),
]
_DISTANCES = [(0, 0, 0), *_steps(1, _WINDOW, 0, [0, 0, *(number // 2 for number in range(28))])]

Token = tuple[int, int]  # a literal and 0, or a length and how far back it began


def deflate(content: bytes) -> bytes:
    """Return *content* as one raw deflate stream."""
    ways = _matches(content)
    made = []
    letters, distances = [8] * 286, [5] * 30
    for _ in range(_TRIES):
        packed, used, reached = _block(_cheapest(content, ways, letters, distances))
        made.append(packed)
        # what was not used has no code yet; if it is worth one, then one that is long
        letters, distances = [bits or 13 for bits in used], [bits or 8 for bits in reached]
    return min(made, key=len)


def _matches(content: bytes) -> list[list[Token]]:
    """Return for each place the repetitions that begin there: ever longer ones, each from as near as there is one."""
    seen: dict[bytes, int] = {}
    found = []
    size = len(content)
    for at in range(size):
        here: list[Token] = []
        start = at - _WINDOW if at > _WINDOW else 0
        key = content[at : at + 3]
        place = seen.get(key, -1)
        seen[key] = at
        most = min(_LONGEST, size - at)
        while place >= start and most >= 3:
            length = here[-1][0] + 1 if here else 3
            while length < most and content[place + length] == content[at + length]:
                length += 1
            here.append((length, at - place))
            if length >= most:
                break
            place = content.rfind(content[at : at + length + 1], start, place + length)
        found.append(here)
    return found


def _cheapest(
    content: bytes, ways: Sequence[Sequence[Token]], letters: Sequence[int], distances: Sequence[int]
) -> list[Token]:
    """Return the way through *content* that takes the fewest bits, if the codes are as long as said."""
    by_length = [letters[symbol] + extra for symbol, extra, _ in _LENGTHS]
    by_distance = [distances[symbol] + extra for symbol, extra, _ in _DISTANCES]
    size = len(content)
    cost = [0] + [1 << 60] * size
    came: list[Token] = [(0, 0)] * (size + 1)
    for at in range(size):
        here = cost[at]
        letter = content[at]
        there = here + letters[letter]
        if there < cost[at + 1]:
            cost[at + 1] = there
            came[at + 1] = (letter, 0)
        shortest = 3
        for length, distance in ways[at]:
            base = here + by_distance[distance]
            for reach in range(shortest, length + 1):
                there = base + by_length[reach]
                if there < cost[at + reach]:
                    cost[at + reach] = there
                    came[at + reach] = (reach, distance)
            shortest = length + 1
    tokens = []
    at = size
    while at:
        token = came[at]
        tokens.append(token)
        at -= token[0] if token[1] else 1
    return tokens[::-1]


def _block(tokens: Sequence[Token]) -> tuple[bytes, list[int], list[int]]:
    """Return a last block with codes of its own, and the lengths of its two codes."""
    letters, distances = [0] * 286, [0] * 30
    letters[256] = 1
    for value, distance in tokens:
        letters[_LENGTHS[value][0] if distance else value] += 1
        if distance:
            distances[_DISTANCES[distance][0]] += 1
    letter_lengths, distance_lengths = _code(letters, 15), _code(distances, 15)
    if not any(distance_lengths):
        distance_lengths[0] = 1
    out = _Bits()
    out.put(0b101, 3)
    _head(out, letter_lengths, distance_lengths)
    letter_codes, distance_codes = _codes(letter_lengths), _codes(distance_lengths)
    for value, distance in tokens:
        if not distance:
            out.put(letter_codes[value], letter_lengths[value])
            continue
        symbol, extra, rest = _LENGTHS[value]
        out.put(letter_codes[symbol] | rest << letter_lengths[symbol], letter_lengths[symbol] + extra)
        symbol, extra, rest = _DISTANCES[distance]
        out.put(distance_codes[symbol] | rest << distance_lengths[symbol], distance_lengths[symbol] + extra)
    out.put(letter_codes[256], letter_lengths[256])
    return out.bytes(), letter_lengths, distance_lengths


class _Bits:
    """Bits one after the other, from the lowest of each byte on."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.held = 0
        self.count = 0

    def put(self, value: int, count: int) -> None:
        self.held |= value << self.count
        self.count += count
        if self.count >= 4096:
            whole = self.count // 8
            self.parts.append((self.held & (1 << 8 * whole) - 1).to_bytes(whole, "little"))
            self.held >>= 8 * whole
            self.count -= 8 * whole

    def bytes(self) -> bytes:
        return b"".join(self.parts) + self.held.to_bytes((self.count + 7) // 8, "little")


def _head(out: _Bits, letters: Sequence[int], distances: Sequence[int]) -> None:
    """Write both codes' lengths, themselves shortened and coded."""
    letters = _trimmed(letters, 257)
    distances = _trimmed(distances, 1)
    parts = list(_runs([*letters, *distances]))
    counts = [0] * 19
    for symbol, _, _ in parts:
        counts[symbol] += 1
    lengths = _code(counts, 7)
    codes = _codes(lengths)
    shown = _trimmed([lengths[symbol] for symbol in _ORDER], 4)
    out.put(len(letters) - 257, 5)
    out.put(len(distances) - 1, 5)
    out.put(len(shown) - 4, 4)
    for length in shown:
        out.put(length, 3)
    for symbol, rest, extra in parts:
        out.put(codes[symbol] | rest << lengths[symbol], lengths[symbol] + extra)


def _trimmed(lengths: Sequence[int], least: int) -> Sequence[int]:
    end = len(lengths)
    while end > least and not lengths[end - 1]:
        end -= 1
    return lengths[:end]


def _runs(lengths: Sequence[int]) -> Iterable[tuple[int, int, int]]:
    """Yield symbols for lengths and their repetitions, with the bits that follow each and how many those are."""
    at = 0
    while at < len(lengths):
        length = lengths[at]
        count = 1
        while at + count < len(lengths) and lengths[at + count] == length:
            count += 1
        at += count
        if length:
            yield length, 0, 0
            count -= 1
        while count >= 3:
            if length:
                run = min(count, 6)
                yield 16, run - 3, 2
            elif count > 10:
                run = min(count, 138)
                yield 18, run - 11, 7
            else:
                run = count
                yield 17, run - 3, 3
            count -= run
        for _ in range(count):
            yield length, 0, 0


def _code(counts: Sequence[int], most: int) -> list[int]:
    """Return the lengths of the best prefix code with none longer than *most*, by package-merge."""
    used = sorted((count, symbol) for symbol, count in enumerate(counts) if count)
    lengths = [0] * len(counts)
    if len(used) == 1:
        lengths[used[0][1]] = 1
        return lengths
    leaves = [(count, (symbol,)) for count, symbol in used]
    row = leaves
    for _ in range(most - 1):
        pairs = [(row[n][0] + row[n + 1][0], row[n][1] + row[n + 1][1]) for n in range(0, len(row) - 1, 2)]
        row = list(heapq.merge(leaves, pairs, key=lambda item: item[0]))
    for _, symbols in row[: 2 * len(used) - 2]:
        for symbol in symbols:
            lengths[symbol] += 1
    return lengths


def _codes(lengths: Sequence[int]) -> list[int]:
    """Return the canonical code of these lengths, each turned round, as it is written."""
    codes = [0] * len(lengths)
    code = 0
    for length in range(1, max(lengths, default=0) + 1):
        for symbol, other in enumerate(lengths):
            if other == length:
                codes[symbol] = int(f"{code:0{length}b}"[::-1], 2)
                code += 1
        code <<= 1
    return codes


def write(archive: Path, entries: Iterable[tuple[zipfile.ZipInfo, bytes]], *, quick: bool = False) -> None:
    """Write a zip archive of *entries*: their names, times and modes, and what is in them. *quick*: by zlib."""
    body, directory = [], []
    offset = 0
    for info, content in entries:
        packed = zlib.compress(content, 9, wbits=-15) if quick else deflate(content)
        name = info.filename.encode()
        year, month, day, hour, minute, second = info.date_time
        time, date = hour << 11 | minute << 5 | second // 2, year - 1980 << 9 | month << 5 | day
        sizes = (zlib.crc32(content), len(packed), len(content), len(name), 0)
        common = struct.pack("<5H3I2H", 20, 0x800, zipfile.ZIP_DEFLATED, time, date, *sizes)
        body += [b"PK\3\4", common, name, packed]
        directory += [b"PK\1\2\x14\3", common, struct.pack("<3H2I", 0, 0, 0, info.external_attr, offset), name]
        offset += 4 + len(common) + len(name) + len(packed)
    listed = b"".join(directory)
    count = len(directory) // 4
    made = archive.with_name(f"{archive.name}.new")
    made.write_bytes(
        b"".join([*body, listed, struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, len(listed), offset, 0)])
    )
    os.replace(made, archive)
