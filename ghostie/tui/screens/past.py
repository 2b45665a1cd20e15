"""The whole vault as of a moment: a look into the past. Nothing can be changed there but one thing: to bring back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from rich.cells import cell_len
from textual.strip import Strip
from textual.widget import Widget

from ghostie import text
from ghostie.errors import GhostieError
from ghostie.memory import local
from ghostie.tui import diffs, facts, words
from ghostie.tui.actions import Action
from ghostie.tui.bars import Painted
from ghostie.tui.bases import Beside, Reading
from ghostie.tui.diffs import Line
from ghostie.tui.place import Place
from ghostie.tui.rows import Ids, Row, Rows
from ghostie.tui.screens.prompts import LinePlace
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


class PastPlace(Beside):
    NAME = "past"
    BESIDE = "text"

    def __init__(self) -> None:
        super().__init__()
        self.at: int | None = None  # None: now
        self.query_words = ""
        self._counts: Mapping[str, Any] | None = None
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

    def above(self) -> Iterable[Widget]:
        yield Banner()

    def resized(self) -> None:
        super().resized()
        self._banner()

    # -- what is shown -----------------------------------------------------------------------------------------------

    def changed(self) -> None:
        self.load()

    def load(self, *, top: bool = False) -> None:
        self.ask(
            "history.listing",
            lambda found: self._got(found, top),
            failed=self._refused,
            latest="past",
            at=self.at,
            query=self.query_words,
        )

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

    def _paint(self, row: Row, width: int, lines: int) -> list[list[Piece]]:
        styled = self.ghostie.painted
        painted = facts.row_lines(row, width, lines, styled=styled, now=self.moment)
        painted[0][0] = (f"{SINCE[row['since']]} ", styled["warn"])
        return painted

    def look_at(self, name: str) -> None:
        self.ask("history.memory", self._looked, failed=self.not_seen, latest="preview", id=name, at=self.moment)

    def _looked(self, found: Mapping[str, Any]) -> None:
        moment = self.moment
        self.page.flow(lambda width: as_it_was(found, width, self.ghostie.painted, moment))

    # -- through time ------------------------------------------------------------------------------------------------

    def go(self, at: int | None) -> None:
        self.at = at if at is not None and at < facts.now() else None
        self.load()

    def do_moment(self) -> None:
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
        row = self.rows.here
        if action.name in ("now", "day_on", "change_on"):
            return self.at is not None
        if action.name == "open":
            return row is not None
        if action.name == "restore":
            return can_restore(row)
        return super().can(action)

    def waits(self, action: Action | None) -> bool:
        """What is brought back is what is seen once the moment that was asked for is there."""
        return action is not None and action.name in ("open", "restore") and (self.asking or self.rows.awaited)

    def do_filter(self) -> None:
        def typed(said: str | None) -> None:
            if said is not None:
                self.query_words = said.strip()
                self.load(top=True)

        says = "Conditions alone: words are for the search, which knows the present only. Nothing shows all."
        place = LinePlace("Which are shown?", self.query_words, example="cat:house tag:nas device:phone", says=says)
        self.open(place, typed)

    def do_open(self) -> None:
        row = self.rows.here
        if row is not None:
            self.open(ThenPlace(row["id"], self.moment))

    def do_restore(self) -> None:
        row = self.rows.here
        if row is not None:
            bring_back(self, row, self.moment)

    def do_back(self) -> None:
        if self.query_words:
            self.query_words = ""
            self.load()
        else:
            super().do_back()


class ThenPlace(Reading):
    """One memory as it was at a moment, and what has become of it."""

    NAME = "then"

    def __init__(self, memory_id: str, at: int) -> None:
        super().__init__()
        self.memory_id = memory_id
        self.at = at
        self._found: Mapping[str, Any] | None = None

    def heading(self) -> str:
        return f"As of {local(self.at)}"

    def changed(self) -> None:
        self.ask("history.memory", self._got, latest="memory", id=self.memory_id, at=self.at)

    def _got(self, found: Mapping[str, Any]) -> None:
        top = self._found is None
        self._found = found
        self.page.flow(lambda width: as_it_was(found, width, self.ghostie.painted, self.at), top=top)
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
    said = f"now it says again what it said on {local(at)} · u takes it back"
    place.ask("history.restore", lambda found: place.done(said + text.staying(found["local"], 1)), id=row["id"], at=at)


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
