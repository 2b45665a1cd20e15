"""What most screens are made of: a page to read, a list, or a list and beside it a page on the row under the cursor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.containers import Vertical
from textual.widget import Widget

from ghostie.errors import GhostieError
from ghostie.tui.actions import LIST, PAGE, Action
from ghostie.tui.pages import Page
from ghostie.tui.place import Place
from ghostie.tui.rows import Row, Rows
from ghostie.tui.sheets import Sheet
from ghostie.tui.words import Piece


class Reading(Place):
    """A place with a page to read."""

    def body(self) -> Iterable[Widget]:
        yield Page()

    def shared(self) -> tuple[str, ...]:
        return (PAGE,)


class Telling(Reading):
    """A place whose page is one sheet."""

    WIDEST: ClassVar[int] = 1000  # columns that it takes at the most

    def put_down(self, sheet: Sheet) -> None:
        """Put on *sheet* what there is to read."""
        raise NotImplementedError

    def resized(self) -> None:
        sheet = Sheet(min(self.page.size.width, self.WIDEST), self.ghostie.painted)
        self.put_down(sheet)
        self.page.show(sheet.lines, "", top=False)


class Listing(Place):
    """A place with a list."""

    WAITING: ClassVar[str] = "…"  # said until it is known what there is

    def body(self) -> Iterable[Widget]:
        yield Rows(self._paint, empty=self.WAITING)

    def shared(self) -> tuple[str, ...]:
        return (LIST,)

    def resized(self) -> None:
        lines = 2 if self.narrow else 1
        if lines != self.rows.lines:
            self.rows.set_lines(lines)

    def on_rows_moved(self, message: Rows.Moved) -> None:
        self.repaint()

    def _paint(self, row: Row, width: int, lines: int) -> list[list[Piece]]:
        """Return the lines of a row; see `Rows`."""
        raise NotImplementedError


class Beside(Listing):
    """A list and, where there is room beside it, a page on the row under the cursor."""

    BESIDE: ClassVar[str] = ""  # what the page has, in a word

    def __init__(self) -> None:
        super().__init__()
        self._pane = LIST

    def above(self) -> Iterable[Widget]:
        """Return what stands over the list."""
        return ()

    def body(self) -> Iterable[Widget]:
        with Vertical():
            yield from self.above()
            yield from super().body()
        page = Page(id="preview")
        page.display, page.edge = False, True
        yield page

    def shared(self) -> tuple[str, ...]:
        return (self._pane,)

    def resized(self) -> None:
        super().resized()
        if self.page.display != self.wide:
            self.page.display = self.wide
            if not self.wide:
                self._pane = LIST
                self.rows.active = True
            self.look()

    def look(self) -> None:
        """Show what there is on the row under the cursor, where there is room for it."""
        if not self.page.display:
            return
        if self.rows.current is None:
            self.page.forget()
        else:
            self.look_at(self.rows.current)

    def look_at(self, name: str) -> None:
        """Ask for what the page has on *name*."""
        raise NotImplementedError

    def not_seen(self, error: GhostieError) -> None:
        self.page.show([[("! ", self.ghostie.painted["bad"])]], f"{error}\n\n{error.way_out() or ''}")

    def on_rows_moved(self, message: Rows.Moved) -> None:
        self.look()
        super().on_rows_moved(message)

    def on_rows_opened(self, message: Rows.Opened) -> None:
        if not self.wide:
            self.do_open()

    def do_open(self) -> None:
        """Show all on the row under the cursor, in a place of its own."""
        raise NotImplementedError

    def can(self, action: Action) -> bool:
        return super().can(action) and (action.name != "next_pane" or self.wide)

    def do_next_pane(self) -> None:
        self._pane = PAGE if self._pane == LIST else LIST
        self.rows.active = self._pane == LIST
        self.rows.set_lines(self.rows.lines)
        self.tell(f"keys scroll the {self.BESIDE} · Tab goes back to the list" if self._pane == PAGE else "")
