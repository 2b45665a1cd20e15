"""Text from memories made safe and fit for a person's screen: nothing in it is ever interpreted."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

# C0 and C1 controls but newline and tab; bidi controls; zero-width characters that hide text; tags and the BOM.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]"
)
_LINE_BREAKS = re.compile(r"[\n\t\u2028\u2029]+ *")


def safe(text: str) -> str:
    """Return *text* with a replacement mark for each character that could steer a terminal; newlines stay."""
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def flat(text: str) -> str:
    """Return *text* safe, each break of a line a space."""
    return _LINE_BREAKS.sub(" ", safe(text))


def safe_json(spelt: str) -> str:
    """Return the JSON text *spelt* with every such character as an escape: the same values."""
    return _UNSAFE.sub(lambda found: _escaped(found[0].encode("utf-16-be")), spelt)


def _escaped(units: bytes) -> str:
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def one_line(text: str) -> str:
    """Return *text* safe and on one line, without the space around it."""
    return flat(text).strip()


def excerpt(text: str, length: int = 120) -> str:
    """Return the first *length* characters of *text*'s first line with something on it."""
    for line in text[: 16 * length].splitlines():
        if stripped := line.strip():
            return stripped[:length]
    return ""


def width(text: str) -> int:
    """Return how many terminal columns *text* takes."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def fit(text: str, columns: int, *, pad: bool = False) -> str:
    """Return *text* cut to at most *columns*, with an ellipsis where it was cut; *pad* fills up."""
    if columns <= 0:
        return ""
    if width(text) > columns:
        kept, used = [], 0
        for character in text:
            used += _columns(character)
            if used > columns - 1:
                break
            kept.append(character)
        text = "".join(kept) + "…"
    return text + " " * (columns - width(text)) if pad else text


def wrap(text: str, columns: int) -> list[str]:
    """Return *text* in lines of at most *columns*, broken between words where that can be."""
    return list(wrapped(text, columns))


def wrapped(text: str, columns: int) -> Iterator[str]:
    """Yield what `wrap` returns, as it is asked for: a megabyte on one line costs no more than it must."""
    for line in text.split("\n"):
        start = 0
        while len(line) - start > columns // 2 and columns > 0:
            end = _reach(line, start, columns)
            if end == len(line):
                break
            cut = line.rfind(" ", start, end) + 1
            if not line[start:cut].strip():
                cut = end  # one word longer than the line
            yield line[start:cut].rstrip()
            start = cut
        if start < len(line) or not line:
            yield line[start:]


def _reach(text: str, start: int, columns: int) -> int:
    """Return where the longest piece from *start* ends, at least a character, that takes at most *columns*."""
    if text[start : start + columns + 1].isascii():
        return min(start + columns, len(text))
    used = 0
    for at in range(start, len(text)):
        used += _columns(text[at])
        if used > columns and at > start:
            return at
    return len(text)


_STEPS = ((60, 1, "s"), (3600, 60, "min"), (86400, 3600, "h"), (7 * 86400, 86400, "d"), (60 * 86400, 7 * 86400, "w"))


def ago(milliseconds: int, now: int) -> str:
    """Return how long before *now* a moment was (both Unix ms): "12 min", "3 d", "2 y"."""
    seconds = (now - milliseconds) // 1000
    if seconds < 0:
        return "ahead"
    for limit, unit, name in _STEPS:
        if seconds < limit:
            return f"{seconds // unit} {name}"
    if seconds < 365 * 86400:
        return f"{seconds // (30 * 86400)} mo"
    return f"{seconds // (365 * 86400)} y"


def size(count: int) -> str:
    """Return a byte *count* as people read it: "812 B", "1.4 MB"."""
    if count < 1000:
        return f"{count} B"
    value = float(count)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if value < 999.5 or unit == "TB":
            break
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"


def bar(done: int, total: int, cells: int) -> str:
    """Return how much of *total* is *done*, drawn on so many *cells*."""
    full = 0 if total <= 0 else min(cells, done * cells // total)
    return "█" * full + "░" * (cells - full)


def sparkline(counts: Sequence[int], *, plain: bool = False) -> str:
    """Return *counts* as bars, one column each, a space for nothing; *plain* is in ASCII."""
    bars, most = ".:-=+*%#" if plain else "▁▂▃▄▅▆▇█", max(counts, default=0)
    return "".join(bars[(count * len(bars) - 1) // most] if count > 0 else " " for count in counts)


def stripe(count: int, most: int, room: int, *, plain: bool = False) -> str:
    """Return a stripe for *count* where *most* fills *room* columns; more than nothing can be seen."""
    return ("#" if plain else "█") * (max(1, round(room * count / most)) if count > 0 else 0)


def staying(count: int, of: int) -> str:
    """Return what follows a message about *of* memories of which *count* stay on this device; "" if none does."""
    if not count:
        return ""
    if of == 1:
        return " · it stays on this device"
    return f" · {count:,} of them {'stays' if count == 1 else 'stay'} on this device"


def plural(count: int, singular: str, several: str | None = None) -> str:
    """Return "1 memory", "2 memories"."""
    if count != 1:
        in_ies = singular.endswith("y") and singular[-2:-1] not in "aeiou"
        singular = several or (singular[:-1] + "ies" if in_ies else singular + "s")
    return f"{count:,} {singular}"


def shortest_prefix(ids: Iterable[str], least: int = 6) -> int:
    """Return the smallest length, *least* or more, at which the prefixes of *ids* all differ."""
    ordered = sorted(ids)
    longest = 0
    for left, right in pairwise(ordered):
        if left[:least] == right[:least]:
            shared = next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), len(left))
            longest = max(longest, shared)
    return max(least, longest + 1)
