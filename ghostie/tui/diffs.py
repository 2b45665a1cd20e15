"""Differences as lines to paint: one under the other, side by side, in columns. Lazy, and safe whatever the texts say.

A difference has its sign (`-` before, `+` after); what changed within a line is underlined: colour only helps.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any, Final

from rich.cells import cell_len, set_cell_size
from rich.style import Style

from ghostie import text
from ghostie.tui import words
from ghostie.tui.words import Piece

Line = list[Piece]
Styles = Mapping[str, Style]

SIDE_BY_SIDE: Final = 76  # from this width on
LONGEST: Final = 2000  # characters of a line within which words are compared
MOST_WORDS: Final = 300
MOST_TEXT: Final = 1 << 16
_WORD = re.compile(r"\s+|\w+|[^\w\s]")
_SPOKEN = re.compile(r"\w+")


def fields(changes: Sequence[Mapping[str, Any]], width: int, *, styled: Styles) -> Iterator[Line]:
    """Yield the lines of changes as `history.spelt` spells them, for a page *width* cells wide."""
    paint = _beside if width >= SIDE_BY_SIDE else _under
    for change in changes:
        yield [(words.line(change["name"], width), styled["strong"])]
        yield from paint(change["lines"], width, styled)
        yield []


def _runs(lines: Sequence[str]) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield ("@", head, []), (" ", line, []), and ("-", what was, what is) for lines that stand in for each other."""
    olds: list[str] = []
    news: list[str] = []
    for line in [*lines, ""]:
        sign, said = line[:1], line[1:]
        if sign == "-" and not news:
            olds.append(said)
            continue
        if sign == "+":
            news.append(said)
            continue
        if olds or news:
            yield "-", olds, news
            olds, news = [], []
        if sign == "-":
            olds.append(said)
        elif line and not said.startswith(("@ -0,", "@ -1,", "@ -1 ")):  # nothing is left out before the first line
            yield sign, [said], []


def _under(lines: Sequence[str], width: int, styled: Styles) -> Iterator[Line]:
    for sign, olds, news in _runs(lines):
        if sign == "@":
            yield [("  ···", styled["dim"])]
        elif sign == " ":
            yield from ([("  ", None), (line, styled["dim"])] for line in words.lines(olds[0], width - 2))
        else:
            changed = _changed(olds, news)
            for signed, texts, style in (("-", olds, styled["bad"]), ("+", news, styled["good"])):
                for at, said in enumerate(texts):
                    spots = changed[signed].get(at, ())
                    yield from _signed(signed, said, spots, width, style)


def _beside(lines: Sequence[str], width: int, styled: Styles) -> Iterator[Line]:
    room = (width - 3) // 2
    bar: Piece = (" │ ", styled["dim"])
    for sign, olds, news in _runs(lines):
        if sign == "@":
            yield [("···".ljust(room), styled["dim"]), bar, ("···", styled["dim"])]
        elif sign == " ":
            for line in words.lines(olds[0], room - 2):
                shown = (f"  {filled(line, room - 2)}", styled["dim"])
                yield [shown, bar, shown]
        else:
            changed = _changed(olds, news)
            for at in range(max(len(olds), len(news))):
                left = _signed("-", olds[at], changed["-"].get(at, ()), room, styled["bad"]) if at < len(olds) else ()
                right = _signed("+", news[at], changed["+"].get(at, ()), room, styled["good"]) if at < len(news) else ()
                for one, other in zip_longest(left, right):
                    yield [*padded(one or [], room), bar, *(other or [])]


def _signed(sign: str, said: str, spots: Sequence[tuple[int, int]], width: int, style: Style) -> Iterator[Line]:
    """Yield one line's wrapped lines behind its sign, underlined at *spots*."""
    plain = Style(color=style.color)
    mark = Style(color=style.color, bold=True, underline=True)
    for at, (start, line) in enumerate(_wrapped(said, width - 2)):
        yield [(f"{sign} " if at == 0 else "  ", style), *_marked(line, start, spots, plain, mark)]


def _wrapped(said: str, width: int) -> Iterator[tuple[int, str]]:
    """Yield the wrapped lines of *said*, made safe, each with where it starts."""
    shown = words.shown(said)
    start = 0
    for line in text.wrapped(shown, max(width, 1)):
        found = shown.find(line, start) if len(shown) <= LONGEST else start
        start = found if found >= 0 else start
        yield start, line
        start += len(line)


def _marked(line: str, start: int, spots: Sequence[tuple[int, int]], plain: Style | None, mark: Style) -> Line:
    pieces: Line = []
    at = 0
    for low, high in spots:
        first, last = max(low - start, at), min(high - start, len(line))
        if first >= last:
            continue
        pieces += [(line[at:first], plain), (line[first:last], mark)]
        at = last
    return [*pieces, (line[at:], plain)]


def _changed(olds: Sequence[str], news: Sequence[str]) -> dict[str, dict[int, list[tuple[int, int]]]]:
    """Return, for lines that stand in for each other, where each changed: sign → line → (start, end) pairs."""
    found: dict[str, dict[int, list[tuple[int, int]]]] = {"-": {}, "+": {}}
    if len(olds) != len(news):
        return found
    for at, (old, new) in enumerate(zip(olds, news, strict=True)):
        if max(len(old), len(new)) > LONGEST:
            continue
        was, now = (_WORD.findall(words.shown(each)) for each in (old, new))
        if max(len(was), len(now)) > MOST_WORDS:
            continue
        matcher: SequenceMatcher[str] = SequenceMatcher(None, was, now, autojunk=False)
        if matcher.ratio() < 0.4:
            continue  # another line altogether: marking nearly all of it would say nothing
        codes = [code[1:] for code in matcher.get_opcodes() if code[0] != "equal"]
        found["-"][at] = _spots(was, [(low, high) for low, high, _, _ in codes])
        found["+"][at] = _spots(now, [(low, high) for _, _, low, high in codes])
    return found


def plain(said: str, width: int) -> Iterator[Line]:
    """Yield the lines of a text as it is."""
    for line in words.lines(said, width):
        yield [(line, None)]


def _spots(said: Sequence[str], spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return where in the text the words from one to the other of each pair stand."""
    ends = [0]
    for word in said:
        ends.append(ends[-1] + len(word))
    return [(ends[low], ends[high]) for low, high in spans if low < high]


# -- columns ---------------------------------------------------------------------------------------------------------


def filled(line: str, width: int) -> str:
    """Return *line*, which is safe, on exactly *width* cells."""
    return set_cell_size(line, max(width, 0))


def padded(pieces: Sequence[Piece], width: int) -> Line:
    """Return *pieces* on exactly *width* cells."""
    shown: Line = []
    left = width
    for said, style in pieces:
        taken = cell_len(said)
        cut = said if taken <= left else set_cell_size(said, left)
        left -= min(taken, left)
        shown.append((cut, style))
    return [*shown, (" " * left, None)]


def columns(texts: Sequence[str], width: int, *, styled: Styles, styles: Sequence[Style | None]) -> Iterator[Line]:
    """Yield *texts* side by side, each in its column and style."""
    room = (width - 3 * (len(texts) - 1)) // len(texts)
    for row in zip_longest(*(words.lines(said, room) for said in texts), fillvalue=""):
        pieces: Line = []
        for at, (line, style) in enumerate(zip(row, styles, strict=True)):
            if at:
                pieces.append((" │ ", styled["dim"]))
            pieces.append((filled(line, room), style))
        yield pieces


# -- two texts that are alike ----------------------------------------------------------------------------------------


def own_words(said: str, other: str, width: int) -> Iterator[Line]:
    """Yield the lines of *said* with the words underlined that *other* has not; of long texts, without."""
    short = len(said) <= MOST_TEXT and len(other) <= MOST_TEXT
    known = {word.casefold() for word in _SPOKEN.findall(other)} if short else set()
    mark = Style(bold=True, underline=True)
    for line in words.lines(said, width):
        spots = [found.span() for found in _SPOKEN.finditer(line) if found[0].casefold() not in known] if short else ()
        yield _marked(line, 0, spots, None, mark)
