"""One line to type: a category, tags, a name."""

from __future__ import annotations

from collections.abc import Iterable

from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Input

from ghostie.tui.place import Place


class LinePlace(Place):
    """Asks for a line; dismissed with it, or with None."""

    NAME = "form"

    def __init__(self, what: str, value: str = "") -> None:
        super().__init__()
        self._what = what
        self._value = value

    def heading(self) -> str:
        return self._what

    def body(self) -> Iterable[Widget]:
        with Vertical():
            yield Input(self._value, placeholder=self._what, compact=True)

    def opened(self) -> None:
        self.query_one(Input).focus()

    def on_input_submitted(self, message: Input.Submitted) -> None:
        message.stop()
        self.dismiss(message.value)

    def do_accept(self) -> None:
        self.dismiss(self.query_one(Input).value)

    def do_back(self) -> None:
        self.dismiss(None)
