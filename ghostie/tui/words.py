"""Text from memories made fit to paint: safe, cut and wrapped by cells. What comes out is never markup."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from ghostie import text

Piece = tuple[str, Style | None]


def line(words: str, width: int) -> str:
    """Return *words* safe, on one line, at most *width* cells; an ellipsis says where it was cut."""
    # no character but a few takes less than a cell: what is far beyond the width need not be looked at
    shown = text.flat(words[: 8 * max(width, 1) + 64]).strip()
    if cell_len(shown) <= width:
        return shown
    return set_cell_size(shown, width - 1).rstrip() + "…" if width > 0 else ""


def lines(words: str, width: int) -> Iterator[str]:
    """Yield *words* safe, in lines of at most *width* cells, broken between words where that can be; lazily."""
    return text.wrapped(shown(words), max(width, 1))


def shown(words: str) -> str:
    return text.safe(words).replace("\t", "    ")


def strip(pieces: Iterable[Piece], width: int, style: Style) -> Strip:
    """Return one painted line of exactly *width* cells: pieces that are safe already, each in its style or *style*."""
    segments = [Segment(words, style + own if own is not None else style) for words, own in pieces if words]
    return Strip(segments).adjust_cell_length(max(width, 0), style)
