"""The filter, put together from what there is: each row is a condition, Enter puts it in or takes it out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from rich.cells import cell_len
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Input

from ghostie.errors import GhostieError
from ghostie.tui import words
from ghostie.tui.actions import Action
from ghostie.tui.fields import Line
from ghostie.tui.place import Place
from ghostie.tui.rows import Row, Rows
from ghostie.tui.words import Piece

MEANS: Final = {
    "status:inbox": "to be looked at",
    "status:active": "kept",
    "status:archived": "put away",
    "is:conflict": "in conflict",
    "is:deleted": "in the trash",
    "is:local": "stays here",
    "since:1d": "the last day",
    "since:7d": "the last week",
    "since:30d": "the last month",
}


class FilterPlace(Place):
    """Dismissed with the query that was put together, or with None."""

    NAME = "filter"

    def __init__(self, query: str) -> None:
        super().__init__()
        self._wanted = query
        self._terms: list[Mapping[str, Any]] = []
        self._shown_for: tuple[str, str] | None = None
        self._asking = False

    def heading(self) -> str:
        return f"Filter · {self.query_words or 'everything'}"

    @property
    def query_words(self) -> str:
        return self._wanted

    def body(self) -> Iterable[Widget]:
        with Vertical():
            yield Line(label="find a condition")
            yield Rows(self._paint, empty="…")

    @property
    def rows(self) -> Rows:
        return self.query_one(Rows)

    def opened(self) -> None:
        self.set_focus(self.query_one(Input))
        self._ask("memories.terms")

    def _ask(self, task: str, **given: Any) -> None:
        self._asking = True
        self.ask(task, self._got, failed=self._refused, query=self._wanted, **given)

    def waits(self, action: Action | None) -> bool:
        return self._asking and (action is None or action.where == self.NAME)

    def _refused(self, error: GhostieError) -> None:
        self._asking = False
        self.failed(error)

    def _got(self, found: Mapping[str, Any]) -> None:
        self._asking = False
        self._wanted = found["query"]
        self._terms = found["terms"]
        self._narrow()
        self.repaint()

    def on_input_changed(self, message: Input.Changed) -> None:
        message.stop()
        self._narrow()

    def _narrow(self) -> None:
        """Show the conditions that go by what is typed; a key may come before the news of the last letter does."""
        value = self.query_one(Input).value
        if self._shown_for == (value, self._wanted):
            return
        self._shown_for = value, self._wanted
        typed = value.casefold().split()
        found = [term for term in self._terms if all(word in term["spelt"].casefold() for word in typed)]
        self.rows.empty = "no condition is like that"
        self.rows.show([term["spelt"] for term in found])
        self.rows.fill(found, name="spelt")

    def _paint(self, row: Row, width: int, lines: int) -> list[list[Piece]]:
        styled = self.ghostie.painted
        box = "[x] " if row["on"] else "[ ] "
        count = f"{row['count']:,}" if row["count"] is not None else ""
        said = words.line(row["spelt"], width - len(box) - 7)
        more = words.line(MEANS.get(row["spelt"], ""), width - len(box) - 7 - cell_len(said) - 2)
        return [
            [
                (box, styled["strong"] if row["on"] else None),
                (f"{count:>5}  ", styled["dim"]),
                (said, None),
                (f"  {more}", styled["dim"]),
            ]
        ]

    def on_rows_opened(self, message: Rows.Opened) -> None:
        self.do_toggle()

    def do_toggle(self) -> None:
        self._narrow()
        if self.rows.current is not None:
            self._ask("memories.toggled", term=self.rows.current)

    def do_down(self) -> None:
        self._narrow()
        self.rows.do_down()

    def do_up(self) -> None:
        self._narrow()
        self.rows.do_up()

    def do_show(self) -> None:
        self.dismiss(self._wanted)

    def do_back(self) -> None:
        self.dismiss(None)
