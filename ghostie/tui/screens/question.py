"""A question that is answered with yes or no, before something that cannot be taken back."""

from __future__ import annotations

from collections.abc import Iterable

from textual.widget import Widget

from ghostie.tui.actions import PAGE, Action
from ghostie.tui.pages import Page
from ghostie.tui.place import Place
from ghostie.tui.sheets import Sheet


class QuestionPlace(Place):
    """Dismissed with whether it was answered with yes. Enter answers nothing."""

    NAME = "question"

    def __init__(self, asked: str, more: str = "", *, bad: bool = True) -> None:
        super().__init__()
        self._said = asked
        self._more = more
        self._bad = bad

    def heading(self) -> str:
        return "One question"

    def body(self) -> Iterable[Widget]:
        yield Page()

    def shared(self) -> tuple[str, ...]:
        return (PAGE,)

    def can(self, action: Action) -> bool:
        return action.name not in ("sync", "stats", "undo", "redo")  # first the answer

    def resized(self) -> None:
        page = self.query_one(Page)
        sheet = Sheet(page.size.width, self.ghostie.painted)
        sheet.say(self._said, "warn" if self._bad else "strong", sign="!" if self._bad else "?")
        sheet.gap()
        if self._more:
            sheet.say(self._more)
            sheet.gap()
        keymap = self.ghostie.settings.keymap
        yes, no = (keymap.shown(keymap.get(f"question.{name}")) for name in ("yes", "no"))
        sheet.say(f"{yes} yes · {no} no", "dim")
        page.show(sheet.lines, "", top=False)

    def do_yes(self) -> None:
        self.dismiss(True)

    def do_no(self) -> None:
        self.dismiss(False)

    def do_back(self) -> None:
        self.dismiss(False)
