"""The open conflicts, one line each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from textual.widget import Widget

from ghostie import text
from ghostie.tui import diffs, words
from ghostie.tui.actions import LIST, Action
from ghostie.tui.place import Place
from ghostie.tui.rows import Row, Rows
from ghostie.tui.screens.conflict import ConflictPlace
from ghostie.tui.words import Piece


class ConflictsPlace(Place):
    NAME = "conflicts"
    TITLE_WORDS = "Conflicts"

    def __init__(self) -> None:
        super().__init__()
        self._listed = False

    def heading(self) -> str:
        return text.plural(len(self.rows.names), "conflict") if self._listed and self.rows.names else "Conflicts"

    def body(self) -> Iterable[Widget]:
        yield Rows(self._paint, empty="…")

    @property
    def rows(self) -> Rows:
        return self.query_one(Rows)

    def shared(self) -> tuple[str, ...]:
        return (LIST,)

    def opened(self) -> None:
        self.changed()

    def resized(self) -> None:
        self.rows.set_lines(2 if self.narrow else 1)

    def resumed(self) -> None:
        if self._listed:
            self.changed()

    def changed(self) -> None:
        if not self.ghostie.locked:
            self.ask("conflicts.listing", self._got, latest="conflicts")

    def _got(self, found: Mapping[str, Any]) -> None:
        self._listed = True
        self.rows.empty = "no conflicts: all sides are one"
        self.rows.show(found["ids"])
        self.ghostie.stand(found["standing"])

    def on_rows_wanted(self, message: Rows.Wanted) -> None:
        self.fetch("conflicts.rows", message)

    def on_rows_moved(self, message: Rows.Moved) -> None:
        self.repaint()

    def on_rows_opened(self, message: Rows.Opened) -> None:
        self.do_open()

    def _paint(self, row: Row, width: int, lines: int) -> list[list[Piece]]:
        styled = self.ghostie.painted
        said = row.get("wrong") or f"{', '.join(row['disputes'])} · {' and '.join(row['sides'])}"
        if lines > 1:
            return [
                [("! ", styled["bad"]), (words.line(row["text"], width - 2), None)],
                [("  ", None), (words.line(said, width - 2), styled["dim"])],
            ]
        left = width // 2
        excerpt = diffs.filled(words.line(row["text"], left), left)
        said = words.line(said, width - left - 4)
        return [[("! ", styled["bad"]), (excerpt, None), ("  ", None), (said, styled["dim"])]]

    def can(self, action: Action) -> bool:
        if action.name in ("mark", "range", "mark_all"):
            return False
        return action.name != "open" or self.rows.current is not None

    def do_open(self) -> None:
        if self.rows.current is not None:
            self.open(ConflictPlace(self.rows.current, list(self.rows.names)))
