"""One line to type: a category, tags, a name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Input

from ghostie.errors import GhostieError
from ghostie.tui.fields import Begun, Line
from ghostie.tui.pages import Page
from ghostie.tui.place import Place


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
        self._of = suggest
        self._wrong = wrong  # why it is asked for once more
        self._in_use: Mapping[str, Sequence[str]] = {}
        self._suggest = Begun(lambda: self._in_use.get(suggest or "", ()), words=words) if suggest else None

    def heading(self) -> str:
        return self._what

    def body(self) -> Iterable[Widget]:
        with Vertical():
            yield Line(self._value, label=self._example, suggest=self._suggest)
            yield Page()

    def opened(self) -> None:
        more = " → takes what is suggested." if self._suggest is not None else ""
        self.query_one(Page).show([[]], f"{self._says}{more}".strip())
        self.set_focus(self.query_one(Input))
        if self._of is not None:
            self.ask("memories.in_use", self._known)
        if self._wrong is not None:
            self.failed(self._wrong)

    def _known(self, in_use: Mapping[str, Sequence[str]]) -> None:
        self._in_use = in_use

    def do_take(self) -> None:
        self.dismiss(self.query_one(Input).value)

    def do_back(self) -> None:
        self.dismiss(None)
