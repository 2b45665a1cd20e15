"""What is asked in passing: a line to type, or yes or no before something that cannot be taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from textual.containers import Vertical
from textual.widget import Widget

from ghostie.errors import GhostieError
from ghostie.tui.actions import Action
from ghostie.tui.bases import Telling
from ghostie.tui.fields import Begun, Line
from ghostie.tui.pages import Page
from ghostie.tui.place import Place
from ghostie.tui.sheets import Sheet


class LinePlace(Place):
    """Asks for a line; dismissed with it, or with None. *suggest* names what in use may complete it.

    *example* stands in the field while it is empty; what it *says* stands below.
    """

    NAME = "line"

    def __init__(
        self,
        what: str,
        value: str = "",
        *,
        example: str = "",
        says: str = "",
        suggest: str | None = None,
        words: bool = False,
        wrong: GhostieError | None = None,
    ) -> None:
        super().__init__()
        self._example = example
        self._says = says
        self._what = what
        self._value = value
        self._wrong = wrong  # why it is asked for once more
        self._in_use: dict[str, Sequence[str]] = {}
        self._suggest = Begun(lambda: self._in_use.get(suggest, ()), words=words) if suggest else None

    def heading(self) -> str:
        return self._what

    def body(self) -> Iterable[Widget]:
        with Vertical():
            yield Line(self._value, label=self._example, suggest=self._suggest)
            yield Page()

    def opened(self) -> None:
        more = " → takes what is suggested." if self._suggest is not None else ""
        self.page.show([[]], f"{self._says}{more}".strip())
        self.set_focus(self.field)
        if self._suggest is not None:
            self.ask("memories.in_use", self._in_use.update)
        if self._wrong is not None:
            self.failed(self._wrong)

    def do_take(self) -> None:
        self.dismiss(self.field.value)

    def do_back(self) -> None:
        self.dismiss(None)


class QuestionPlace(Telling):
    """Dismissed with whether it was answered with yes. Enter answers nothing."""

    NAME = "question"

    def __init__(self, asked: str, more: str, *, bad: bool = True) -> None:
        super().__init__()
        self._said = asked
        self._more = more
        self._bad = bad

    def heading(self) -> str:
        return "One question"

    def can(self, action: Action) -> bool:
        return action.name not in ("sync", "stats", "undo", "redo")  # first the answer

    def put_down(self, sheet: Sheet) -> None:
        sheet.say(self._said, "warn" if self._bad else "strong", sign="!" if self._bad else "?")
        sheet.gap()
        sheet.say(self._more)
        sheet.gap()
        sheet.say(f"{self.key_of('question.yes')} yes · {self.key_of('question.no')} no", "dim")

    def do_yes(self) -> None:
        self.dismiss(True)

    def do_no(self) -> None:
        self.dismiss(False)

    def do_back(self) -> None:
        self.dismiss(False)


def confirm(place: Place, asked: str, more: str, go_on: Callable[[], None], *, bad: bool = True) -> None:
    """Ask over *place*, and go on where the answer is yes."""
    place.open(QuestionPlace(asked, more, bad=bad), lambda said: go_on() if said else None)
