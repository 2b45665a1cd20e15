"""The text of a memory in conflict, written by hand from both sides."""

from __future__ import annotations

from collections.abc import Iterable

from textual.widget import Widget

from ghostie.errors import GhostieError
from ghostie.tui.actions import Action
from ghostie.tui.fields import IN_PLACE, Area
from ghostie.tui.place import Place


class SettlingPlace(Place):
    """Both sides between markers; dismissed with what the person made of it, or with None."""

    NAME = "form"
    TITLE_WORDS = "Both sides, between markers"

    def __init__(self, content: str) -> None:
        super().__init__()
        self._was = content
        self._warned = False
        self._checking = False

    def body(self) -> Iterable[Widget]:
        yield Area(self._was if len(self._was) <= IN_PLACE else "", id="content")

    @property
    def area(self) -> Area:
        return self.query_one(Area)

    def opened(self) -> None:
        if len(self._was) > IN_PLACE:
            self.area.disabled = True
            self.tell("this text is too long to edit here: Esc, then E opens it in your editor")
        else:
            self.set_focus(self.area)
            self.tell("keep what you want, take the marker lines out, then ctrl+s")

    def do_accept(self) -> None:
        if not self.area.disabled:
            self._checking = True
            self.ask("conflicts.check", self._done, failed=self._refused, content=self.area.text)

    def waits(self, action: Action | None) -> bool:
        return self._checking

    def _refused(self, error: GhostieError) -> None:
        self._checking = False
        self.failed(error)

    def _done(self, content: str) -> None:
        self.dismiss(content)

    def do_back(self) -> None:
        if not self.area.disabled and self.area.text != self._was and not self._warned:
            self._warned = True
            self.tell("not saved yet: Esc once more drops what you wrote, ctrl+s keeps it")
        else:
            self.dismiss(None)
