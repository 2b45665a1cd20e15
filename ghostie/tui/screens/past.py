"""The whole vault as of a moment: a look into the past. Nothing can be changed there but one thing: to bring back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from rich.cells import cell_len
from textual.containers import Vertical
from textual.strip import Strip
from textual.widget import Widget

from ghostie import text
from ghostie.errors import GhostieError
from ghostie.memory import local
from ghostie.tui import diffs, facts, words
from ghostie.tui.actions import LIST, PAGE, Action
from ghostie.tui.bars import Painted
from ghostie.tui.diffs import Line
from ghostie.tui.pages import Page
from ghostie.tui.place import Place
from ghostie.tui.rows import Ids, Row, Rows
from ghostie.tui.words import Piece

DAY: Final = 86_400_000
SINCE: Final = {"same": " ", "changed": "~", "removed": "x"}
SINCE_WORDS: Final = {"same": "", "changed": "changed since then", "removed": "removed since then"}


class Banner(Painted):
    """A line that says, whatever else is to be seen, that this is the past."""

    def __init__(self) -> None:
        super().__init__()
        self.styles.height = 1
        self.said = ""

    def tell(self, said: str) -> None:
        self.said = said
        self.refresh()

    def render_line(self, y: int) -> Strip:
        styled = self.styled
        said = words.line(self.said, self.size.width - 2)
        return words.strip([(" ", None), (said, styled["warn"])], self.size.width, styled["faint"])


class PastPlace(Place):
    NAME = "past"

    def __init__(self) -> None:
        super().__init__()
        self.at: int | None = None  # None: now
        self.query_words = ""
        self._counts: Mapping[str, Any] | None = None
        self._found: Mapping[str, Any] | None = None
        self._pane = LIST
        self._seek: list[str] = []

    @property
    def moment(self) -> int:
        """The moment that is looked at, in Unix ms."""
        return int(self._counts["at"]) if self._counts is not None else facts.now()

    def heading(self) -> str:
        if self._counts is None:
            return "The past"
        when = "now" if self.at is None else f"as of {local(self.at)}"
        if self.narrow:
            return when.capitalize()
        shown = f" · {self.query_words}" if self.query_words else ""
        return f"The vault {when} · {text.plural(len(self.rows.names), 'memory')}{shown}"

    def body(self) -> Iterable[Widget]:
        with Vertical():
            yield Banner()
            yield Rows(self._paint, empty="…", id="rows")
        page = Page(id="preview")
        page.display, page.edge = False, True
        yield page

    @property
    def rows(self) -> Rows:
        return self.query_one("#rows", Rows)

    @property
    def page(self) -> Page:
        return self.query_one("#preview", Page)

    def shared(self) -> tuple[str, ...]:
        return (self._pane,)

    def pane(self, where: str) -> Rows | Page | None:
        return self.rows if where == LIST else self.page

    def resized(self) -> None:
        self.rows.set_lines(2 if self.narrow else 1)
        self.page.display = self.wide
        if not self.wide:
            self._pane = LIST
            self.rows.active = True
        self._banner()
        self._look()

    # -- what is shown -----------------------------------------------------------------------------------------------

    def opened(self) -> None:
        self.changed()

    def changed(self) -> None:
        if not self.ghostie.locked:
            self.load()

    def load(self, *, top: bool = False) -> None:
        def got(found: Mapping[str, Any]) -> None:
            self._got(found, top)

        self.ask("history.listing", got, failed=self._refused, latest="past", at=self.at, query=self.query_words)

    def _got(self, found: Mapping[str, Any], top: bool) -> None:
        self._counts = found
        names = Ids(found["ids"])
        rows = self.rows
        rows.empty = "nothing is like that" if self.query_words else "there was nothing yet"
        rows.show(names, top=top)
        seek, self._seek = self._seek, []
        at = next((at for name in seek if (at := names.find(name)) >= 0), None)
        if at is not None:
            rows.go(at)
        self._banner()
        self.repaint()

    def _refused(self, error: GhostieError) -> None:
        if self.query_words:
            self.query_words = ""
            self.load()
        self.failed(error)

    def _banner(self) -> None:
        banner = self.query_one(Banner)
        counts = self._counts
        if counts is None:
            return
        if self.at is None:
            banner.tell("as it is now · t a moment · [ earlier")
            return
        since = " ".join(
            f"{sign}{counts[name]:,} {name}"
            for sign, name in (("+", "added"), ("~", "changed"), ("x", "removed"))
            if counts[name]
        )
        since = since or "nothing changed"
        said = f"THE PAST, to look at · since then {since}"
        if cell_len(said) > self.size.width - 2:
            said = f"THE PAST · since then {since}"
        if cell_len(said) > self.size.width - 2:
            said = said.replace(" added", "").replace(" changed", "").replace(" removed", "")
        banner.tell(said)

    def on_rows_wanted(self, message: Rows.Wanted) -> None:
        self.fetch("history.rows", message, at=self.moment)

    def on_rows_moved(self, message: Rows.Moved) -> None:
        self._look()
        self.repaint()

    def on_rows_opened(self, message: Rows.Opened) -> None:
        if not self.wide:
            self.do_open()

    def _paint(self, row: Row, width: int, lines: int) -> list[list[Piece]]:
        styled = self.ghostie.painted
        painted = facts.row_lines(row, width, lines, styled=styled, now=self.moment)
        painted[0][0] = (f"{SINCE[row['since']]} ", styled["warn"])
        return painted

    def _look(self) -> None:
        name = self.rows.current
        if not self.page.display or self._counts is None:
            return
        if name is None:
            self._found = None
            self.page.forget()
            return
        self.ask("history.memory", self._looked, failed=self._not_looked, latest="preview", id=name, at=self.moment)

    def _looked(self, found: Mapping[str, Any]) -> None:
        self._found = found
        moment = self.moment
        self.page.flow(lambda width: as_it_was(found, width, self.ghostie.painted, moment))

    def _not_looked(self, error: GhostieError) -> None:
        self.page.show([[("! ", self.ghostie.painted["bad"])]], f"{error}\n\n{error.way_out() or ''}")

    # -- through time ------------------------------------------------------------------------------------------------

    def go(self, at: int | None) -> None:
        self.at = at if at is not None and at < facts.now() else None
        self.load()

    def do_moment(self) -> None:
        from ghostie.tui.screens.line import LinePlace

        def typed(said: str | None) -> None:
            if said is not None and said.strip():
                self.ask("history.moment", self.go, said=said)

        says = "7d is a week ago. A date, or a date and a time, is by your own clock."
        self.open(LinePlace("As of when?", example="7d, 2025-06-28, 2025-06-28T14:30", says=says), typed)

    def do_now(self) -> None:
        self.go(None)

    def do_day_back(self) -> None:
        self.go(self.moment - DAY)

    def do_day_on(self) -> None:
        self.go(self.moment + DAY)

    def do_change_back(self) -> None:
        self.ask("history.step", lambda step: self._stepped(step, False), latest="step", at=self.at, forward=False)

    def do_change_on(self) -> None:
        self.ask("history.step", lambda step: self._stepped(step, True), latest="step", at=self.at, forward=True)

    def _stepped(self, step: Mapping[str, Any] | None, forward: bool) -> None:
        if step is None:
            if forward:
                self.go(None)
            end = "nothing was changed after that: this is how it is now"
            self.tell(end if forward else "there is nothing before that")
            return
        self._seek = step["ids"]
        self.go(step["at"])
        who = f" by {words.line(', '.join(step['devices']), 40)}" if step["devices"] else ""
        when = local(step["changed"])
        how = "after" if forward else "before"
        self.tell(f"{how} the change of {text.plural(step['count'], 'memory')}{who} on {when}")

    # -- actions -----------------------------------------------------------------------------------------------------

    def can(self, action: Action) -> bool:
        row = self.rows.row(self.rows.current)
        if action.name in ("now", "day_on", "change_on"):
            return self.at is not None
        if action.name == "next_pane":
            return self.wide
        if action.name == "open":
            return row is not None
        if action.name == "restore":
            return can_restore(row)
        # the past is only looked at: taking something back happens in the present
        return action.name not in ("mark", "range", "mark_all")

    def waits(self, action: Action | None) -> bool:
        """What is brought back is what is seen once the moment that was asked for is there."""
        return action is not None and action.name in ("open", "restore") and (self.asking or self.rows.awaited)

    def do_filter(self) -> None:
        from ghostie.tui.screens.line import LinePlace

        def typed(said: str | None) -> None:
            if said is not None:
                self.query_words = said.strip()
                self.load(top=True)

        says = "Conditions alone: words are for the search, which knows the present only. Nothing shows all."
        place = LinePlace("Which are shown?", self.query_words, example="cat:house tag:nas device:phone", says=says)
        self.open(place, typed)

    def do_open(self) -> None:
        row = self.rows.row(self.rows.current)
        if row is not None:
            self.open(ThenPlace(row["id"], self.moment))

    def do_restore(self) -> None:
        row = self.rows.row(self.rows.current)
        if row is not None:
            bring_back(self, row, self.moment)

    def do_next_pane(self) -> None:
        self._pane = PAGE if self._pane == LIST else LIST
        self.rows.active = self._pane == LIST
        self.rows.set_lines(self.rows.lines)
        self.tell("keys scroll the text · Tab goes back to the list" if self._pane == PAGE else "")

    def do_back(self) -> None:
        if self.query_words:
            self.query_words = ""
            self.load()
        else:
            super().do_back()


class ThenPlace(Place):
    """One memory as it was at a moment, and what has become of it."""

    NAME = "then"

    def __init__(self, memory_id: str, at: int) -> None:
        super().__init__()
        self.memory_id = memory_id
        self.at = at
        self._found: Mapping[str, Any] | None = None

    def heading(self) -> str:
        return f"As of {local(self.at)}"

    def body(self) -> Iterable[Widget]:
        yield Page()

    def shared(self) -> tuple[str, ...]:
        return (PAGE,)

    def opened(self) -> None:
        self.changed()

    def changed(self) -> None:
        if not self.ghostie.locked:
            self.ask("history.memory", self._got, latest="memory", id=self.memory_id, at=self.at)

    def _got(self, found: Mapping[str, Any]) -> None:
        top = self._found is None
        self._found = found
        self.query_one(Page).flow(lambda width: as_it_was(found, width, self.ghostie.painted, self.at), top=top)
        self.repaint()

    def can(self, action: Action) -> bool:
        return action.name != "restore" or can_restore(self._found["row"] if self._found is not None else None)

    def do_restore(self) -> None:
        if self._found is not None:
            bring_back(self, self._found["row"], self.at)

    def do_history(self) -> None:
        from ghostie.tui.screens.history import HistoryPlace

        self.open(HistoryPlace(self.memory_id))


def can_restore(row: Row | None) -> bool:
    """Tell whether bringing a memory back as it was would change anything."""
    return row is not None and row["since"] != "same" and not row["deleted"] and not row["conflict"]


def bring_back(place: Place, row: Row, at: int) -> None:
    def done(_: Any) -> None:
        place.ghostie.changed()
        place.tell(f"now it says again what it said on {local(at)} · u takes it back")

    place.ask("history.restore", done, id=row["id"], at=at)


def as_it_was(found: Mapping[str, Any], width: int, styled: Mapping[str, Any], at: int) -> Iterator[Line]:
    """Yield what a memory said, and what has changed since."""
    since = SINCE_WORDS[found["row"]["since"]]
    if since:
        yield [(f"{SINCE[found['row']['since']]} {since}", styled["warn"])]
        yield []
    yield from facts.page(found, width, styled=styled, now=at, content=_then_and_now(found, width, styled))


def _then_and_now(found: Mapping[str, Any], width: int, styled: Mapping[str, Any]) -> Iterator[Line]:
    yield from diffs.plain(found["record"]["content"], width)
    if found["changes"]:
        yield []
        head = "then (-) and now (+) "
        yield [(head, styled["strong"]), ("─" * max(width - len(head), 0), styled["dim"])]
        lines = list(diffs.fields(found["changes"], width, styled=styled))
        yield from lines[:-1] if lines and not lines[-1] else lines
