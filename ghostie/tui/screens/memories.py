"""Memories: the list, what one says beside it where there is room, search as one types; and one, over the list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partialmethod
from typing import Any, Final

from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input

from ghostie.errors import GhostieError
from ghostie.tui import facts, words
from ghostie.tui.actions import MARKING, Action
from ghostie.tui.bases import Beside, Reading
from ghostie.tui.fields import Line
from ghostie.tui.keeper import Failed
from ghostie.tui.pages import Flow
from ghostie.tui.place import Place
from ghostie.tui.rows import Ids, Row, Rows, where
from ghostie.tui.screens.changing import Changing
from ghostie.tui.words import Piece

DEBOUNCE: Final = 0.06
FIRST: Final = 60  # rows that come with a list: what a screen shows, so that it is painted once
TRASH: Final = "is:deleted"
EMPTY: Final = (
    "no memories yet · n writes one\n\nAgents and scripts bring theirs by `ghostie add`, and `ghostie import` takes in"
    " what you have."
)
EXAMPLE: Final = "words · cat: tag: device: since:7d is:conflict"


class MemoriesPlace(Changing, Beside):
    NAME = "memories"
    TITLE_WORDS = "Memories"
    MARKS = True
    WAITING = "opening …"
    BESIDE = "preview"

    def __init__(self) -> None:
        super().__init__()
        self.query_words = ""
        self._snippets: Mapping[str, list[list[Any]]] = {}
        self._more = False
        self._listed = False
        self._seen: str | None = None  # the id of the memory that the preview shows
        self._typed: Timer | None = None
        self._finding = False
        self._saved: Mapping[str, str] = {}

    # -- what is shown -----------------------------------------------------------------------------------------------

    def above(self) -> Iterable[Widget]:
        field = Line(label=EXAMPLE, id="search")
        field.display = False
        yield field

    def heading(self) -> str:
        if not self._listed:
            return "Memories"
        marked = f" · {len(self.rows.marks):,} marked" if self.rows.marks else ""
        if not self.query_words:
            return f"Memories{marked}"
        count = f"{len(self.rows.names):,}{' or more' if self._more else ''}"
        return f"Trash · {count}{marked}" if self.query_words == TRASH else f"Memories · {count} found{marked}"

    def scopes(self) -> tuple[str, ...]:
        return ("search", *super().scopes()) if self.typing else super().scopes()

    def waits(self, action: Action | None) -> bool:
        """A key that comes after a search is meant for what it finds, not for what was shown before."""
        if self.typing:
            return False
        return self._finding or (action is not None and action.where == self.NAME and self.rows.awaited)

    def opened(self) -> None:
        self.load()
        self.ask("memories.filters", self._remembered)
        if wrong := self.ghostie.settings.wrong:
            self.tell(f"{wrong[0]}" + (f" · and {len(wrong) - 1} more: ? tells" if len(wrong) > 1 else ""), bad=True)

    def resumed(self) -> None:
        if self._listed:
            self.ghostie.cursor = self.rows.current

    def changed(self) -> None:
        self.load()

    def load(self, *, top: bool = False) -> None:
        """Ask which memories there are."""
        self.ask(
            "memories.listing",
            lambda found: self._got(found, top),
            failed=self._refused,
            latest="listing",
            query=self.query_words,
            first=FIRST if top or not self._listed else 0,
        )

    def _got(self, found: Mapping[str, Any], top: bool) -> None:
        self._finding = False
        first = not self._listed
        self._listed = True
        self._snippets, self._more = found["snippets"], found["more"]
        rows = self.rows
        said = "the trash is empty" if self.query_words == TRASH else "nothing is like that"
        rows.empty = f"{said} · Esc shows all" if self.query_words else EMPTY
        names = Ids(found["ids"])
        rows.show(names, top=top, first=found["rows"])
        if first and self.ghostie.cursor is not None and (at := names.find(self.ghostie.cursor)) >= 0:
            rows.go(at)
        self.ghostie.stand(found["standing"])
        if not top:  # else only what is asked for is another
            self.ask(
                "sync.unsynced",
                lambda count: self.ghostie.stand({"unsynced": count}),
                failed=lambda error: None,  # it is left out of the header then: the sync screen says why
                latest="unsynced",
            )

    def _refused(self, error: GhostieError) -> None:
        self._finding = False
        self.drop_keys()
        self.rows.empty = ""
        self.rows.refresh()
        self.failed(error)

    def on_rows_wanted(self, message: Rows.Wanted) -> None:
        self.fetch("memories.rows", message)

    def moved(self) -> None:
        if not self.alive:
            return
        if self.rows.current is not None:
            self.ghostie.cursor = self.rows.current
        self.look()
        self.repaint_soon()

    def look_at(self, name: str) -> None:
        self.ask("memories.memory", self._looked, failed=self.not_seen, latest="preview", id=name)

    def _looked(self, found: Mapping[str, Any]) -> None:
        before, self._seen = self._seen, found["row"]["id"]
        self.page.flow(_flow(self, found), top=self._seen != before)

    def not_seen(self, error: GhostieError) -> None:
        self._seen = None
        self.page.show([[(words.line(str(error), self.page.size.width - 2), self.ghostie.painted["bad"])]], "")

    def _paint(self, row: Row, width: int, lines: int) -> list[list[Piece]]:
        return facts.row_lines(
            row,
            width,
            lines,
            styled=self.ghostie.painted,
            now=facts.now(),
            snippet=self._snippets.get(row["id"]) if self._snippets else None,
        )

    # -- which are shown ---------------------------------------------------------------------------------------------

    def do_search(self) -> None:
        self.field.display = True
        self.set_focus(self.field)

    def on_input_changed(self, message: Input.Changed) -> None:
        if self._typed is not None:
            self._typed.stop()
        self._typed = self.set_timer(DEBOUNCE, lambda: self.find(message.value))

    def do_show(self) -> None:
        self.find(self.field.value)
        self._leave_field()

    def find(self, query: str) -> None:
        """Show what *query* asks for."""
        query = query.strip()
        if query != self.query_words:
            self.query_words, self._finding = query, True
            if not self.typing:
                self.field.value = query
                self.field.display = bool(query)
            self.load(top=True)

    def _leave_field(self) -> None:
        if self._typed is not None:
            self._typed.stop()
        self.set_focus(None)
        self.field.display = bool(self.query_words)

    def do_clear(self) -> None:
        self.set_focus(None)
        self.field.display = False
        self.field.value = ""
        self.find("")

    def do_trash(self) -> None:
        self.find("" if self.query_words == TRASH else TRASH)

    def do_back(self) -> None:
        if self.typing:
            self._leave_field()
        elif self.rows.unmark():
            self.repaint()
        elif self.query_words:
            self.do_clear()
        else:
            self.tell("q leaves ghostie, ? helps")

    # -- what is done ------------------------------------------------------------------------------------------------

    def chosen(self) -> list[str]:
        return self.rows.chosen()

    def chosen_rows(self) -> list[Row]:
        return [row for name in self.chosen()[:200] if (row := self.rows.row(name)) is not None]

    def done(self, said: str) -> None:
        self.rows.unmark()
        self.load()
        self.tell(said)

    def can(self, action: Action) -> bool:
        if action.name.startswith("saved_"):
            return action.name[-1] in self._saved
        if action.name in ("save", "clear"):
            return bool(self.query_words)
        if action.name in ("open", *MARKING):
            return self.rows.current is not None
        return super().can(action)

    def do_open(self) -> None:
        if self.rows.current is not None:
            self.open(DetailPlace(self.rows, self.rows.current))

    def do_filter(self) -> None:
        from ghostie.tui.screens.finding import FilterPlace

        def chosen(query: str | None) -> None:
            if query is not None:
                self.find(query)

        self.open(FilterPlace(self.query_words), chosen)

    def do_save(self) -> None:
        query = self.query_words

        def named(said: str, failed: Failed) -> None:
            digit = said.strip()

            def kept(filters: Mapping[str, str]) -> None:
                self._remembered(filters)
                self.tell(f"{digit} now shows {filters[digit]}")

            self.ask("memories.save_filter", kept, failed=failed, digit=digit, query=query)

        self._line("Keep this filter", "", named, example="1 to 9", says=f"The digit that is to show: {query}")

    def _remembered(self, filters: Mapping[str, str]) -> None:
        self._saved = filters
        self.repaint()

    def _show_saved(self, digit: str) -> None:
        self.find(self._saved[digit])

    def do_new(self) -> None:
        self._write(None)


class DetailPlace(Changing, Reading):
    """One memory, over the list."""

    NAME = "detail"

    def __init__(self, rows: Rows, name: str) -> None:
        super().__init__()
        self._list = rows
        self.memory_id = name
        self._found: Mapping[str, Any] | None = None

    def heading(self) -> str:
        at = where(self._list.names, self.memory_id)
        return f"Memory {at + 1:,} of {len(self._list.names):,}" if at >= 0 else "Memory"

    def changed(self) -> None:
        self.ask("memories.memory", self._got, latest="memory", id=self.memory_id)

    def _got(self, found: Mapping[str, Any]) -> None:
        same = self._found is not None and self._found["row"]["id"] == found["row"]["id"]
        self._found = found
        self._show(top=not same)
        self.repaint()

    def _show(self, *, top: bool) -> None:
        if self._found is not None:
            self.page.flow(_flow(self, self._found), top=top)

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

    def _step(self, by: int) -> None:
        self._list.go(self._list.cursor + by)
        if (name := self._list.current) is not None:
            self.memory_id = name
            self.changed()

    do_next = partialmethod(_step, 1)
    do_previous = partialmethod(_step, -1)


def _flow(place: Place, found: Mapping[str, Any]) -> Flow:
    """Return what makes the lines of a memory's page at *place*."""
    return lambda width: facts.page(found, width, styled=place.ghostie.painted, now=facts.now(), low=place.low)


for _digit in "123456789":
    setattr(MemoriesPlace, f"do_saved_{_digit}", partialmethod(MemoriesPlace._show_saved, _digit))
