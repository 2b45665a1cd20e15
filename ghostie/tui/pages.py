"""A page of text to scroll: it is wrapped as far as it was read, so that a megabyte opens as fast as a line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Final

from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from ghostie.tui import words
from ghostie.tui.painting import Lines
from ghostie.tui.words import Piece

AHEAD: Final = 400  # lines that are wrapped beyond what is seen
PIECE: Final = 400  # lines that are wrapped at one stretch
BREATH: Final = 0.001  # seconds until the next piece, in which others have their turn

Line = Sequence[Piece]
Flow = Callable[[int], Iterable[Line]]


class Page(Lines, ScrollView):
    """A head of painted lines, then text."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._make: Flow = lambda width: ()
        self._width = 0
        self._lines: list[Line] = []
        self._more: Iterator[Line] | None = None
        self._ending = False  # whether it is on its way to the end, which is wrapped meanwhile
        self.edge = False  # whether a line parts it from what stands to its left

    def show(self, head: Sequence[Line], text: str, *, top: bool = True) -> None:
        """Show *head*, whose pieces are safe already, and *text*, which is made so."""

        def make(width: int) -> Iterable[Line]:
            return chain(head, ([(line, None)] for line in words.lines(text, width) if text))

        self.flow(make, top=top)

    def flow(self, make: Flow, *, top: bool = True) -> None:
        """Show the lines that *make* makes for a width, of pieces that are safe already; taken as one reads."""
        self._make = make
        self._wrap()
        if top:
            self._to(0)

    def again(self) -> None:
        """Make its lines once more: their colours are others."""
        self._wrap()

    def forget(self) -> None:
        self.show((), "")

    def rest(self) -> None:
        """Wrap no further: what its lines are made of is going."""
        self._more = None

    def on_resize(self) -> None:
        if self.scrollable_content_region.width != self._width:
            self._wrap()

    def _wrap(self) -> None:
        self._width = self.scrollable_content_region.width
        self._lines = []
        self._more = iter(self._make(max(self._width - (3 if self.edge else 2), 1)))
        self._grow(self.scroll_offset.y + self.size.height + AHEAD)

    def _grow(self, to: int) -> None:
        """Wrap up to line *to*, or to the end: piece by piece, so that keys are taken in between."""
        more, end = self._more, min(to, len(self._lines) + PIECE)
        while more is not None and len(self._lines) < end:
            line = next(more, None)
            if line is None:
                more = None
            else:
                self._lines.append(line)
        self._more = more
        height = max(1, len(self._lines))
        if more is not None and height < to:
            height = max(height, self.virtual_size.height)  # the place that one is at stays where it is meanwhile
            self.set_timer(BREATH, lambda: self._grow(to))
        self.virtual_size = Size(0, height)
        self.refresh()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if self._more is not None and new_value + self.size.height + AHEAD // 2 > len(self._lines):
            self._grow(int(new_value) + self.size.height + AHEAD)

    def render_line(self, y: int) -> Strip:
        styled = self.styled
        at = y + self.scroll_offset.y
        pieces = self._lines[at] if at < len(self._lines) else ()
        lead = ("│ ", styled["dim"]) if self.edge else (" ", None)
        return words.strip([lead, *pieces], self.scrollable_content_region.width, styled["text"])

    def _to(self, y: int, *, end: bool = False) -> None:
        self._ending = end
        self.scroll_to(y=y, animate=False, force=True)

    def _by(self, lines: int) -> None:
        self._to(self.scroll_offset.y + lines)

    def do_down(self) -> None:
        self._by(1)

    def do_up(self) -> None:
        self._by(-1)

    def do_page_down(self) -> None:
        self._by(max(1, self.size.height - 2))

    def do_page_up(self) -> None:
        self._by(-max(1, self.size.height - 2))

    def do_first(self) -> None:
        self._to(0)

    def do_last(self) -> None:
        self._grow(len(self._lines) + AHEAD)
        self._to(self.virtual_size.height, end=True)
        if self._more is not None:
            self.set_timer(BREATH, self._go_on)

    def _go_on(self) -> None:
        if self._ending:
            self.do_last()
