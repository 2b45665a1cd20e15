"""A memory to be chosen, found as one types."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from textual.containers import Vertical
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input

from ghostie.errors import GhostieError
from ghostie.tui import facts
from ghostie.tui.actions import Action
from ghostie.tui.place import Place
from ghostie.tui.rows import Ids, Row, Rows
from ghostie.tui.words import Piece

DEBOUNCE = 0.06


class PickPlace(Place):
    """Dismissed with the id of a memory, or with None."""

    NAME = "pick"

    def __init__(self, what: str, *, but: Collection[str] = ()) -> None:
        super().__init__()
        self._what = what
        self._but = frozenset(but)
        self._soon: Timer | None = None
        self._sought: str | None = None
        self._finding = False

    def heading(self) -> str:
        return self._what

    def body(self) -> Iterable[Widget]:
        with Vertical():
            yield Input(placeholder="words · cat: tag: since:7d", compact=True)
            yield Rows(self._paint, empty="…")

    @property
    def rows(self) -> Rows:
        return self.query_one(Rows)

    def can(self, action: Action) -> bool:
        return action.where == self.NAME or action.name in ("back", "quit", "leave")

    @property
    def _typed(self) -> str:
        return self.query_one(Input).value

    def waits(self, action: Action | None) -> bool:
        """What is chosen from is what was typed: that is looked for first, now."""
        if action is None or action.where != self.NAME:
            return False
        self._find()
        return self._finding or self.rows.awaited

    def opened(self) -> None:
        self.set_focus(self.query_one(Input))
        self._find()

    def resized(self) -> None:
        self.rows.set_lines(2 if self.narrow else 1)

    def on_input_changed(self, message: Input.Changed) -> None:
        message.stop()
        if self._soon is not None:
            self._soon.stop()
        self._soon = self.set_timer(DEBOUNCE, self._find)

    def _find(self) -> None:
        if self._typed != self._sought:
            self._sought, self._finding = self._typed, True
            self.ask("memories.listing", self._got, failed=self._refused, latest="pick", query=self._sought)

    def _got(self, found: Mapping[str, Any]) -> None:
        names = [name for name in Ids(found["ids"]) if name not in self._but]
        self.rows.empty = "nothing is like that"
        self.rows.show(names, top=True)
        self._finding = False
        self.tell("")

    def _refused(self, error: GhostieError) -> None:
        self.rows.empty = ""
        self._finding = False
        self.failed(error)

    def on_rows_wanted(self, message: Rows.Wanted) -> None:
        self.fetch("memories.rows", message)

    def on_rows_opened(self, message: Rows.Opened) -> None:
        self.do_take()

    def _paint(self, row: Row, width: int, lines: int) -> list[list[Piece]]:
        return facts.row_lines(row, width, lines, styled=self.ghostie.painted, now=facts.now())

    def do_down(self) -> None:
        self.rows.do_down()

    def do_up(self) -> None:
        self.rows.do_up()

    def do_take(self) -> None:
        chosen = self.rows.current
        # what is not shown yet is not taken
        if chosen is not None and self.rows.row(chosen) is not None:
            self.dismiss(chosen)

    def do_back(self) -> None:
        self.dismiss(None)
