"""What most screens are made of: a page to read, a list, a page beside a list, something long under way."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from textual.containers import Vertical
from textual.widget import Widget

from ghostie import text
from ghostie.errors import GhostieError
from ghostie.tui.actions import LIST, PAGE, Action
from ghostie.tui.keeper import Cancelled, Failed, Then
from ghostie.tui.pages import Page
from ghostie.tui.place import Long, Place
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
        self.moved()

    def moved(self) -> None:
        """Follow the cursor, which stands on another row. (Textual calls a handler in every class that has one.)"""
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

    def moved(self) -> None:
        self.look()
        super().moved()

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


@dataclass
class _Work:
    words: str
    long: Long | None = None
    said: Mapping[str, Any] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    first: int | None = None
    stopping: bool = False
    gentle: bool = False  # whether whatever else is asked for may take its place

    def heard(self, said: Mapping[str, Any]) -> None:
        if said.get("doing") != self.said.get("doing"):
            self.began, self.first = time.monotonic(), int(said.get("done", 0))
        self.said = said

    def rate(self) -> float:
        """Return the bytes a second."""
        done = int(self.said.get("done", 0)) - (self.first or 0)
        spent = time.monotonic() - self.began
        return done / spent if spent > 0.2 else 0.0


class Working(Place):
    def __init__(self) -> None:
        super().__init__()
        self.under_way: _Work | None = None

    @property
    def busy(self) -> bool:
        return self.under_way is not None and not self.under_way.gentle

    def show(self) -> None:
        """Paint what there is to say, `progress` with it."""
        raise NotImplementedError

    def start(
        self,
        said: str,
        task: str,
        then: Then,
        *,
        failed: Failed | None = None,
        gentle: bool = False,
        **given: Any,
    ) -> None:
        if self.busy:
            return
        if self.under_way is not None and self.under_way.long is not None:
            self.under_way.long.cancel()
        work = self.under_way = _Work(said, gentle=gentle)

        def ended(result: Any, deliver: Then) -> None:
            if self.under_way is not work:
                return
            self.under_way = None
            deliver(result)
            self.show()
            self.repaint()

        def heard(news: Mapping[str, Any]) -> None:
            work.heard(news)
            if self.under_way is work:
                self.show()

        work.long = self.ask_long(
            task,
            lambda answer: ended(answer, then),
            failed=lambda error: ended(error, failed or self.failed),
            progress=heard,
            **given,
        )
        self.show()
        self.repaint()

    def progress(self, sheet: Sheet) -> None:
        """Put down how far it is."""
        work = self.under_way
        if work is None:
            return
        sheet.say("stopping …" if work.stopping else work.words, "strong", sign="…")
        said = work.said
        if "pause" in said:
            sheet.say(
                f"{text.one_line(said['pause'])}: trying again in {said['seconds']:.0f} s,"
                f" {text.plural(said['left'], 'try')} left",
                "warn",
                indent=2,
            )
        elif said.get("total"):
            done, total = said["done"], said["total"]
            sheet.lines.append(
                [
                    ("  ", None),
                    (text.bar(done, total, min(sheet.width - 12, 40)), sheet.styled["name"]),
                    (f" {100 * done // total} %", None),
                ]
            )
            if said["bytes"]:
                rate = f" · {text.size(int(work.rate()))}/s" if work.rate() else ""
                sheet.say(f"{said['doing']} {text.size(done)} of {text.size(total)}{rate}", indent=2)
            else:
                sheet.say(f"{said['doing']} {done:,} of {total:,}", indent=2)
        elif said.get("doing"):
            sheet.say(str(said["doing"]), indent=2)

    def do_stop(self) -> None:
        if self.under_way is not None and self.under_way.long is not None:
            self.under_way.stopping = True
            self.under_way.long.cancel()
            self.show()

    def do_back(self) -> None:
        if self.under_way is not None and not self.under_way.stopping:
            self.do_stop()
        else:
            super().do_back()

    def failed(self, error: GhostieError) -> None:
        if isinstance(error, Cancelled):
            self.tell("stopped; what was done until then is kept, and nothing is lost")
        else:
            super().failed(error)
