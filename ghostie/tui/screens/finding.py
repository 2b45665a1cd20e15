"""Places in which one types to find: a command of the place below, a condition for the filter, a memory."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, ClassVar, Final

from rich.cells import cell_len
from textual.containers import Vertical
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input

from ghostie.errors import GhostieError
from ghostie.tui import facts, words
from ghostie.tui.actions import Action
from ghostie.tui.fields import Line
from ghostie.tui.place import Place
from ghostie.tui.rows import Ids, Row, Rows
from ghostie.tui.words import Piece

AWAY: Final = ("back", "quit", "leave")
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
DEBOUNCE: Final = 0.06


class Finding(Place):
    """A line to type in, and below it the rows that go by what is typed."""

    LABEL: ClassVar[str]  # stands in the line while it is empty

    def __init__(self) -> None:
        super().__init__()
        self._sought: str | None = None

    def body(self) -> Iterable[Widget]:
        with Vertical():
            yield Line(label=self.LABEL)
            yield Rows(self._paint, empty="…")

    def opened(self) -> None:
        self.set_focus(self.field)
        self.look()

    def on_input_changed(self, message: Input.Changed) -> None:
        message.stop()
        self.typed()

    def typed(self) -> None:
        """Follow what is typed."""
        self.look()

    def look(self) -> None:
        """Show what goes by what is typed; a key may come before the news of the last letter does."""
        typed = self.field.value
        if typed != self._sought:
            self._sought = typed
            self.find(typed)

    def find(self, typed: str) -> None:
        """Show the rows that go by *typed*."""
        raise NotImplementedError

    def _paint(self, row: Row, width: int, lines: int) -> list[list[Piece]]:
        raise NotImplementedError

    def do_down(self) -> None:
        self.look()
        self.rows.do_down()

    def do_up(self) -> None:
        self.look()
        self.rows.do_up()

    def do_back(self) -> None:
        self.dismiss(None)


class PalettePlace(Finding):
    """Every command of the place below, found by its words."""

    NAME = "palette"
    TITLE_WORDS = "Commands"
    LABEL = "what to do"

    def __init__(self, of: Place) -> None:
        super().__init__()
        self._of = of
        skipped = ("palette", "back", "leave")
        self._actions = {action.id: action for action in of.actions() if action.name not in skipped}

    def can(self, action: Action) -> bool:
        return action.where == self.NAME or action.name in AWAY

    def find(self, typed: str) -> None:
        wanted, begun = typed.casefold().split(), typed.casefold().strip()
        found = [
            action
            for action in self._actions.values()
            if all(word in f"{action.words} {action.said} {action.id}".casefold() for word in wanted)
        ]
        found.sort(key=lambda action: (not action.words.casefold().startswith(begun), -action.weight))
        self.rows.empty = "no command is called that"
        self.rows.show([action.id for action in found], top=True, first=[{"id": action.id} for action in found])

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

    def do_run(self) -> None:
        self.look()
        chosen = self.rows.current
        if chosen is not None:
            self.app.pop_screen()
            self._of.run_action_of(self._actions[chosen])


class FilterPlace(Finding):
    """The filter, put together from what there is: each row is a condition, Enter puts it in or takes it out.

    Dismissed with the query that was put together, or with None.
    """

    NAME = "filter"
    LABEL = "find a condition"

    def __init__(self, query: str) -> None:
        super().__init__()
        self._wanted = query
        self._terms: list[Mapping[str, Any]] = []

    def heading(self) -> str:
        return f"Filter · {self._wanted or 'everything'}"

    def opened(self) -> None:
        super().opened()
        self._ask("memories.terms")

    def _ask(self, task: str, **given: Any) -> None:
        self.ask(task, self._got, query=self._wanted, **given)

    def waits(self, action: Action | None) -> bool:
        return self.asking and (action is None or action.where == self.NAME)

    def _got(self, found: Mapping[str, Any]) -> None:
        self._wanted, self._terms = found["query"], found["terms"]
        self.rows.empty = "no condition is like that"
        self._sought = None
        self.look()
        self.repaint()

    def find(self, typed: str) -> None:
        wanted = typed.casefold().split()
        found = [term for term in self._terms if all(word in term["spelt"].casefold() for word in wanted)]
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
        self.look()
        if self.rows.current is not None:
            self._ask("memories.toggled", term=self.rows.current)

    def do_show(self) -> None:
        self.dismiss(self._wanted)


class PickPlace(Finding):
    """A memory to be chosen. Dismissed with its id, or with None."""

    NAME = "pick"
    LABEL = "words · cat: tag: since:7d"

    def __init__(self, what: str, *, but: Collection[str] = ()) -> None:
        super().__init__()
        self._what = what
        self._but = frozenset(but)
        self._pause: Timer | None = None

    def heading(self) -> str:
        return self._what

    def can(self, action: Action) -> bool:
        return action.where == self.NAME or action.name in AWAY

    def waits(self, action: Action | None) -> bool:
        """What is chosen from is what was typed: that is looked for first, now."""
        if action is None or action.where != self.NAME:
            return False
        self.look()
        return "pick" in self._latest or self.rows.awaited

    def resized(self) -> None:
        self.rows.set_lines(2 if self.narrow else 1)

    def typed(self) -> None:
        if self._pause is not None:
            self._pause.stop()
        self._pause = self.set_timer(DEBOUNCE, self.look)

    def find(self, typed: str) -> None:
        self.ask("memories.listing", self._got, failed=self._refused, latest="pick", query=typed)

    def _got(self, found: Mapping[str, Any]) -> None:
        self.rows.empty = "nothing is like that"
        self.rows.show([name for name in Ids(found["ids"]) if name not in self._but], top=True)
        self.tell("")

    def _refused(self, error: GhostieError) -> None:
        self.rows.empty = ""
        self.failed(error)

    def on_rows_wanted(self, message: Rows.Wanted) -> None:
        self.fetch("memories.rows", message)

    def on_rows_opened(self, message: Rows.Opened) -> None:
        self.do_take()

    def _paint(self, row: Row, width: int, lines: int) -> list[list[Piece]]:
        return facts.row_lines(row, width, lines, styled=self.ghostie.painted, now=facts.now())

    def do_take(self) -> None:
        if self.rows.here is not None:  # what is not shown yet is not taken
            self.dismiss(self.rows.current)
