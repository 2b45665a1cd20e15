"""Fields to type in. What stands in them is painted safely too: a memory may hold anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.segment import Segment
from textual import events
from textual.strip import Strip
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets import Input, TextArea

from ghostie import text

IN_PLACE = 64_000  # characters beyond which typing in a text area would be slow


def safely(strip: Strip) -> Strip:
    """Return *strip* with every character that could steer a terminal shown as a replacement mark."""
    if all(text.safe(segment.text) == segment.text for segment in strip):
        return strip
    return Strip([Segment(text.flat(each.text), each.style, each.control) for each in strip])


class Begun(Suggester):
    """Suggests how the word that is being typed may go on, from words that are in use, the commonest first."""

    def __init__(self, known: Callable[[], Sequence[str]], *, words: bool = False) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._known = known
        self._words = words  # whether the line is words, of which the last is being typed

    async def get_suggestion(self, value: str) -> str | None:
        head, begun = "", value
        if self._words:
            at = value.rfind(" ") + 1
            head, begun = value[:at], value[at:]
            sign = begun[:1] if begun[:1] in ("-", "+", "#") else ""
            head, begun = head + sign, begun[len(sign) :]
        if not begun:
            return None
        wanted = begun.casefold()
        found = next((each for each in self._known() if each.casefold().startswith(wanted)), None)
        return head + begun + found[len(begun) :] if found is not None else None


async def _edit(field: Widget, event: events.Key) -> None:
    """Let an editing key of *field* take effect here and now.

    Textual lets it bubble up to the application and back, where letters that were typed after it overtake it.
    """
    for binding in field._bindings.key_to_bindings.get(event.key, ()):
        if await field.app.run_action(binding.action, field):
            event.stop()
            event.prevent_default()
            return


class Line(Input):
    """A line to type in. → at its end takes the suggestion."""

    DEFAULT_CSS = ""

    def __init__(
        self,
        value: str = "",
        *,
        label: str = "",
        suggest: Suggester | None = None,
        password: bool = False,
        id: str | None = None,
    ) -> None:
        super().__init__(value, placeholder=label, suggester=suggest, password=password, id=id, compact=True)
        self.cursor_blink = False

    async def on_key(self, event: events.Key) -> None:
        await _edit(self, event)

    def render_line(self, y: int) -> Strip:
        return safely(super().render_line(y))


class Area(TextArea):
    """Lines to type in. Tab goes on to the next field."""

    def __init__(self, value: str = "", *, id: str | None = None) -> None:
        super().__init__(value, id=id, soft_wrap=True, tab_behavior="focus", compact=True)
        self.cursor_blink = False

    async def on_key(self, event: events.Key) -> None:
        await _edit(self, event)

    def render_line(self, y: int) -> Strip:
        return safely(super().render_line(y))
