"""One memory, over the list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from textual.widget import Widget

from ghostie.tui import facts
from ghostie.tui.actions import PAGE, Action
from ghostie.tui.diffs import Line
from ghostie.tui.pages import Page
from ghostie.tui.place import Place
from ghostie.tui.rows import Row, Rows, where
from ghostie.tui.screens.changing import Changing


class DetailPlace(Changing, Place):
    NAME = "detail"

    def __init__(self, rows: Rows, name: str) -> None:
        super().__init__()
        self._list = rows
        self.memory_id = name
        self._found: Mapping[str, Any] | None = None

    def heading(self) -> str:
        at = where(self._list.names, self.memory_id)
        return f"Memory {at + 1:,} of {len(self._list.names):,}" if at >= 0 else "Memory"

    def body(self) -> Iterable[Widget]:
        yield Page()

    def shared(self) -> tuple[str, ...]:
        return (PAGE,)

    def opened(self) -> None:
        self.load()

    def changed(self) -> None:
        if self.alive:
            self.load()

    def load(self) -> None:
        self.ask("memories.memory", self._got, latest="memory", id=self.memory_id)

    def _got(self, found: Mapping[str, Any]) -> None:
        same = self._found is not None and self._found["row"]["id"] == found["row"]["id"]
        self._found = found
        self._show(top=not same)
        self.repaint()

    def _show(self, *, top: bool) -> None:
        if self._found is not None:
            self.query_one(Page).flow(self._lines, top=top)

    def _lines(self, width: int) -> Iterator[Line]:
        if self._found is not None:
            yield from facts.page(self._found, width, styled=self.ghostie.painted, now=facts.now(), low=self.low)

    def resized(self) -> None:
        self._show(top=False)

    def chosen(self) -> list[str]:
        return [self.memory_id]

    def chosen_rows(self) -> list[Row]:
        return [self._found["row"]] if self._found is not None else []

    def can(self, action: Action) -> bool:
        if action.name in ("next", "previous"):
            return len(self._list.names) > 1
        return super().can(action)

    def done(self, said: str) -> None:
        self.ghostie.changed()
        self.tell(said)

    def do_next(self) -> None:
        self._step(1)

    def do_previous(self) -> None:
        self._step(-1)

    def _step(self, by: int) -> None:
        self._list.go(self._list.cursor + by)
        if (name := self._list.current) is not None:
            self.memory_id = name
            self.load()
