"""Every command of the place below, found by its words."""

from __future__ import annotations

from collections.abc import Iterable

from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Input

from ghostie.tui import words
from ghostie.tui.actions import Action
from ghostie.tui.fields import Line
from ghostie.tui.place import Place
from ghostie.tui.rows import Row, Rows
from ghostie.tui.words import Piece


class PalettePlace(Place):
    NAME = "palette"
    TITLE_WORDS = "Commands"

    def __init__(self, of: Place) -> None:
        super().__init__()
        self._of = of
        self._shown_for: str | None = None
        skipped = ("palette", "back", "leave")
        self._actions = {action.id: action for action in of.actions() if action.name not in skipped}

    def body(self) -> Iterable[Widget]:
        with Vertical():
            yield Line(label="what to do")
            yield Rows(self._paint, empty="no command is called that")

    @property
    def rows(self) -> Rows:
        return self.query_one(Rows)

    def opened(self) -> None:
        self.set_focus(self.query_one(Input))
        self._narrow()

    def can(self, action: Action) -> bool:
        return action.where == self.NAME or action.name in ("back", "leave", "quit")

    def on_input_changed(self, message: Input.Changed) -> None:
        message.stop()
        self._narrow()

    def _narrow(self) -> None:
        """Show the commands that go by what is typed; a key may come before the news of the last letter does."""
        typed = self.query_one(Input).value
        if typed == self._shown_for:
            return
        self._shown_for = typed
        wanted = typed.casefold().split()
        found = [
            action
            for action in self._actions.values()
            if all(word in f"{action.words} {action.said} {action.id}".casefold() for word in wanted)
        ]
        begun = typed.casefold().strip()
        found.sort(key=lambda action: (not action.words.casefold().startswith(begun), -action.weight))
        self.rows.show([action.id for action in found], top=True)
        self.rows.fill({"id": action.id} for action in found)

    def _paint(self, row: Row, width: int, lines: int) -> list[list[Piece]]:
        action = self._actions[row["id"]]
        styled = self.ghostie.painted
        key = self.ghostie.settings.keymap.shown(action)
        more = action.help if action.help.casefold() != action.words else ""
        left = width - 8 - len(action.words)
        return [
            [
                (f"{key:<7} ", styled["name"]),
                (action.words, styled["strong"]),
                (f"  {words.line(more, left - 2)}" if more and left > 8 else "", styled["dim"]),
            ]
        ]

    def on_rows_opened(self, message: Rows.Opened) -> None:
        self.do_run()

    def do_down(self) -> None:
        self._narrow()
        self.rows.do_down()

    def do_up(self) -> None:
        self._narrow()
        self.rows.do_up()

    def do_run(self) -> None:
        self._narrow()
        chosen = self.rows.current
        if chosen is not None:
            self.app.pop_screen()
            self._of.run_action_of(self._actions[chosen])

    def do_back(self) -> None:
        self.app.pop_screen()
