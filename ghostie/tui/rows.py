"""The virtual list: it paints the rows that are seen and knows the others by name. 100 or 100,000 cost it the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from ghostie.tui import words
from ghostie.tui.painting import Lines
from ghostie.tui.words import Piece

KEPT: Final = 600
ID_LENGTH: Final = 26

Row = Mapping[str, Any]
Painter = Callable[[Row, int, int], list[list[Piece]]]


class Ids(Sequence[str]):
    """The ids of memories, 26 characters each in one string."""

    def __init__(self, joined: str = "") -> None:
        self._joined = joined

    def __len__(self) -> int:
        return len(self._joined) // ID_LENGTH

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(len(self)))]
        if not -len(self) <= at < len(self):
            raise IndexError(at)
        start = (at % len(self)) * ID_LENGTH
        return self._joined[start : start + ID_LENGTH]

    def find(self, name: str) -> int:
        """Return where *name* is, or -1."""
        if len(name) != ID_LENGTH:
            return -1
        at = self._joined.find(name)
        while at >= 0 and at % ID_LENGTH:
            at = self._joined.find(name, at + 1)
        return at // ID_LENGTH if at >= 0 else -1


def where(names: Sequence[str], name: str | None) -> int:
    """Return where *name* is among *names*, or -1."""
    if name is None:
        return -1
    if isinstance(names, Ids):
        return names.find(name)
    try:
        return names.index(name)
    except ValueError:
        return -1


class Rows(Lines, ScrollView):
    """A list of rows by name, with a cursor and marks, both by name.

    *paint* makes the lines of one row: (row, width, lines) → lines of pieces. `show` sets the names; rows that are
    needed and not there are asked for by `Wanted`, and come by `fill`.
    """

    class Moved(Message):
        """The cursor stands on another row, on the same with other text, or on none."""

    class Opened(Message):
        """A row was tapped, and the cursor stands on it."""

    class Wanted(Message):
        """Rows that are about to be seen are not there yet."""

        def __init__(self, names: list[str]) -> None:
            super().__init__()
            self.names = names

    def __init__(self, paint: Painter, *, empty: str = "", id: str | None = None) -> None:
        super().__init__(id=id)
        self._paint = paint
        self.names: Sequence[str] = Ids()
        self.cursor = 0
        self.marks: set[str] = set()
        self.empty = empty  # said where there is no row
        self.lines = 1  # lines of a row
        self.active = True  # whether keys go here, where there are two panes
        self._anchor: int | None = None
        self._rows: dict[str, Row] = {}
        self._stale: set[str] = set()
        self._asked: set[str] = set()
        self._strips: dict[tuple[str, int, bool, bool], list[Strip]] = {}

    # -- what is shown -----------------------------------------------------------------------------------------------

    def show(self, names: Sequence[str], *, top: bool = False, first: Iterable[Row] = ()) -> None:
        """Show these rows, of which *first* are there already, by "id".

        The cursor stays on its memory; where that is gone, at its place; with *top*, at the top.
        """
        before = self.current
        self.names = names
        self._stale = set(self._rows)
        for row in first:
            self._take(row["id"], row)
        self._asked.clear()
        self._anchor = None
        at = -1 if top else where(names, before)
        if at < 0:
            at = 0 if top else min(self.cursor, len(names) - 1)
        if self.marks:
            self.marks = {name for name in self.marks if where(names, name) >= 0}
        self.cursor = max(at, 0)
        self._measure()
        self._reveal()
        self._strips.clear()
        self.refresh()
        self._want()
        self.post_message(self.Moved())

    def fill(self, rows: Iterable[Row], name: str = "id") -> None:
        """Take rows in; each is named by its field *name*."""
        here = self.current
        for row in rows:
            known = str(row[name])
            self._take(known, row)
            for key in [key for key in self._strips if key[0] == known]:
                del self._strips[key]
            if known == here:
                self.post_message(self.Moved())
        while len(self._rows) > KEPT:
            oldest = next(iter(self._rows))
            del self._rows[oldest]
        self.refresh()

    def _take(self, name: str, row: Row) -> None:
        self._rows.pop(name, None)
        self._rows[name] = row
        self._stale.discard(name)
        self._asked.discard(name)

    def settle(self, names: Iterable[str]) -> None:
        """Wait no longer for *names*: what is there of them has come."""
        self._asked.difference_update(names)

    def forget(self) -> None:
        """Drop all text."""
        self._rows.clear()
        self._strips.clear()
        self.names = Ids()
        self.marks.clear()

    @property
    def current(self) -> str | None:
        """The name of the row that the cursor is on."""
        return self.names[self.cursor] if self.cursor < len(self.names) else None

    @property
    def awaited(self) -> bool:
        """Whether the row under the cursor was asked for, and is still to come."""
        return self.current in self._asked

    @property
    def here(self) -> Row | None:
        """The row under the cursor, if it has come."""
        return self.row(self.current)

    def row(self, name: str | None) -> Row | None:
        return self._rows.get(name) if name is not None else None

    def chosen(self) -> list[str]:
        """Return the marked rows' names in their order, or that of the one under the cursor."""
        if self.marks:
            return [name for name in self.names if name in self.marks]
        return [self.current] if self.current is not None else []

    # -- moving ------------------------------------------------------------------------------------------------------

    def go(self, at: int) -> None:
        """Put the cursor on row *at*, or as near as there is one."""
        at = max(0, min(at, len(self.names) - 1))
        if at == self.cursor:
            return
        before, self.cursor = self.cursor, at
        if self._anchor is not None:
            first, last = sorted((self._anchor, at))
            self.marks |= set(self.names[first : last + 1])
            self._strips.clear()
            self.refresh()
        self._refresh_row(before)
        self._refresh_row(at)
        self._reveal()
        self._want()
        self.post_message(self.Moved())

    def do_down(self) -> None:
        self.go(self.cursor + 1)

    def do_up(self) -> None:
        self.go(self.cursor - 1)

    def do_page_down(self) -> None:
        self.go(self.cursor + self._seen())

    def do_page_up(self) -> None:
        self.go(self.cursor - self._seen())

    def do_first(self) -> None:
        self.go(0)

    def do_last(self) -> None:
        self.go(len(self.names) - 1)

    def do_mark(self) -> None:
        if self.current is not None:
            self.marks ^= {self.current}
            self._refresh_row(self.cursor)
            self.go(self.cursor + 1)

    def do_range(self) -> None:
        if self._anchor is None and self.current is not None:
            self._anchor = self.cursor
            self.marks.add(self.current)
            self._refresh_row(self.cursor)
        else:
            self._anchor = None

    def do_mark_all(self) -> None:
        self.marks = set() if len(self.marks) == len(self.names) else set(self.names)
        self._anchor = None
        self.refresh()

    def unmark(self) -> bool:
        """Take all marks off; return whether there were any."""
        had = bool(self.marks) or self._anchor is not None
        self.marks.clear()
        self._anchor = None
        if had:
            self.refresh()
        return had

    # -- painting ----------------------------------------------------------------------------------------------------

    def on_resize(self) -> None:
        self._reveal()
        self._want()

    def set_lines(self, lines: int) -> None:
        """Make rows so many lines high."""
        self.lines = lines
        self._strips.clear()
        self._measure()
        self._reveal()
        self._want()
        self.refresh()

    def _measure(self) -> None:
        # of no width: a width that followed the widget's would lay everything out once more at each resize
        self.virtual_size = Size(0, max(1, len(self.names)) * self.lines)

    def _seen(self) -> int:
        """Return how many rows fit."""
        return max(1, self.scrollable_content_region.height // self.lines)

    def _reveal(self) -> None:
        height, top = self.scrollable_content_region.height, self.cursor * self.lines
        if height <= 0:
            return
        offset = self.scroll_offset.y
        if top < offset:
            self.scroll_to(y=top, animate=False, force=True)
        elif top + self.lines > offset + height:
            self.scroll_to(y=top + self.lines - height, animate=False, force=True)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self._want()

    def _want(self) -> None:
        """Ask for rows where those that are seen, or soon may be, are not there: then for some pages at once."""
        seen = self._seen()
        first = self.scroll_offset.y // self.lines
        if self._missing(first - seen // 2, first + seen + seen // 2 + 1):
            names = self._missing(first - 2 * seen, first + 3 * seen)
            self._asked.update(names)
            self.post_message(self.Wanted(names))

    def _missing(self, first: int, last: int) -> list[str]:
        """Return the names from *first* to *last* whose rows are not there and not asked for."""
        near = self.names[max(first, 0) : max(last, 0)]
        return [name for name in near if (name not in self._rows or name in self._stale) and name not in self._asked]

    def _refresh_row(self, at: int) -> None:
        top = at * self.lines - self.scroll_offset.y
        if -self.lines < top < self.size.height:
            self.refresh(Region(0, top, self.size.width, self.lines))

    def render_line(self, y: int) -> Strip:
        styled = self.styled
        width = self.scrollable_content_region.width
        line = y + self.scroll_offset.y
        at, part = divmod(line, self.lines)
        if at >= len(self.names):
            said = list(words.lines(self.empty, width - 3))
            told = said[line] if line < len(said) and not self.names else ""
            return words.strip([("  ", None), (told, styled["dim"])], width, styled["text"])
        name = self.names[at]
        key = (name, width, at == self.cursor, name in self.marks)
        if key not in self._strips:
            if len(self._strips) > KEPT:
                self._strips.clear()
            self._strips[key] = self._strips_of(name, width, at == self.cursor, styled)
        return self._strips[key][part]

    def _strips_of(self, name: str, width: int, here: bool, styled: Mapping[str, Style]) -> list[Strip]:
        row = self._rows.get(name)
        lead = ("›" if here else " ") + ("*" if name in self.marks else " ")
        painted = self._paint(row, width - 3, self.lines) if row is not None else [[("…", None)]]
        base = styled["text"]
        if here:
            base = styled["text"] + (styled["cursor"] if self.active else styled["faint"])
        strips = []
        for part in range(self.lines):
            pieces = painted[part] if part < len(painted) else []
            if here:
                # one colour over the whole row; what is set off by weight or a line stays set off
                pieces = [(said, _plain(style)) for said, style in pieces]
            strips.append(words.strip([(lead if part == 0 else "  ", None), *pieces], width, base))
        return strips

    def on_click(self, event: events.Click) -> None:
        event.stop()
        at = (event.y + self.scroll_offset.y) // self.lines
        if 0 <= at < len(self.names):
            self.go(at)
            self.post_message(self.Opened())


def _plain(style: Style | None) -> Style | None:
    """Return *style* without its colours."""
    return Style(bold=style.bold, underline=style.underline) if style is not None else None
