"""The header, the action bar (footer where it is wide), and the line in which the program speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from rich.cells import cell_len
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.strip import Strip

from ghostie import text
from ghostie.tui import words
from ghostie.tui.actions import EVERYWHERE, Action
from ghostie.tui.painting import Lines
from ghostie.tui.words import Piece

if TYPE_CHECKING:
    from ghostie.tui.app import GhostieApp
    from ghostie.tui.place import Place

MORE = "everywhere.palette"
BACK = "everywhere.back"


class Painted(Lines):
    """A line of a place that paints itself."""

    @property
    def ghostie(self) -> GhostieApp:
        return self.place.ghostie

    @property
    def place(self) -> Place:
        return cast("Place", self.screen)

    def again(self) -> None:
        """Find out anew what is to be shown, and paint it where that is another."""


class Head(Painted):
    """One line: where one is, and what waits: conflicts, unsynced changes, the inbox."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: tuple[object, ...] = ()

    def again(self) -> None:
        shown = self.place.heading(), *self.ghostie.standing.items()
        if shown != self._shown:
            self._shown = shown
            self.refresh()

    def render_line(self, y: int) -> Strip:
        styled, width = self.styled, self.size.width
        right = self._standing(width)
        taken = sum(cell_len(piece) for piece, _ in right)
        title = words.line(self.place.heading(), max(width - taken - 2, 8))
        gap = max(width - taken - cell_len(title) - 1, 1)
        return words.strip([(" ", None), (title, styled["strong"]), (" " * gap, None), *right], width, styled["bar"])

    def _standing(self, width: int) -> list[Piece]:
        """Return the counts; words where there is room, else signs that the help explains."""
        standing, styled = self.ghostie.standing, self.styled
        wide = width >= 80
        pieces: list[Piece] = []

        def put(count: int | None, sign: str, said: str, style: Style | None) -> None:
            if count:
                pieces.append((f"{said if wide else f'{sign}{count:,}'} ", style))

        conflicts, unsynced, inbox = (standing.get(name) or 0 for name in ("conflicts", "unsynced", "inbox"))
        put(conflicts, "!", f"! {text.plural(conflicts, 'conflict')} ·", styled["bad"])
        put(unsynced, "↑", f"↑ {unsynced:,} unsynced ·", styled["warn"])
        put(inbox, "+", f"+ {inbox:,} in the inbox ·", None)
        total = standing.get("memories")
        if total is not None:
            pieces.append((f"{text.plural(total, 'memory')} " if wide else f"{total:,} ", styled["dim"]))
        return pieces


class Bar(Painted):
    """What can be done here: keys and words where it is wide; where it is narrow, buttons for a finger."""

    def __init__(self) -> None:
        super().__init__()
        self._spots: list[tuple[int, int, Action]] = []
        self._likely: list[Action] | None = None
        self._typing = False

    def again(self) -> None:
        likely, typing = self.place.likely(), self.place.typing
        if (likely, typing) != (self._likely, self._typing):
            self._likely, self._typing = likely, typing
            self.refresh()

    def _actions(self) -> list[Action]:
        if self._likely is None:
            self._likely, self._typing = self.place.likely(), self.place.typing
        return self._likely

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return 2 if self.place.narrow and not self.place.low else 1

    def render_line(self, y: int) -> Strip:
        return self._buttons(y) if self.place.narrow else self._footer()

    def _footer(self) -> Strip:
        styled, width = self.styled, self.size.width
        keymap = self.ghostie.settings.keymap
        pieces: list[Piece] = []
        self._spots, at = [], 0
        for action in self._actions():
            key = keymap.shown(action, typing=self._typing)
            spelt = f" {key} {action.words} "
            if at + cell_len(spelt) > width:
                continue
            pieces += [(f" {key} ", styled["key"]), (f"{action.words} ", None)]
            self._spots.append((at, at + cell_len(spelt), action))
            at += cell_len(spelt)
        return words.strip(pieces, width, styled["bar"])

    def _buttons(self, y: int) -> Strip:
        """Return a line of up to four buttons: the three likeliest actions, and all of them."""
        styled, width = self.styled, self.size.width
        keymap = self.ghostie.settings.keymap
        shown = [action for action in self._actions() if action.where != EVERYWHERE][:3]
        if len(shown) < 3:
            shown.insert(0, keymap.get(BACK if self._typing else "everywhere.leave"))
        shown.append(keymap.get(MORE))
        tall = self.size.height > 1
        pieces: list[Piece] = []
        self._spots = []
        for at, action in enumerate(shown):
            left, right = width * at // len(shown), width * (at + 1) // len(shown)
            word = "more" if action.id == MORE else action.words
            key, room = keymap.shown(action, typing=self._typing), right - left - 1
            both = f"{key} {word}"
            label = (word, key)[y] if tall else both if cell_len(both) <= room else word
            pieces += [
                (words.line(label, room).center(room), styled["key"] if y else styled["button"]),
                ("│" if right < width else " ", styled["dim"]),
            ]
            self._spots.append((left, right, action))
        return words.strip(pieces, width, styled["bar"])

    def on_click(self, event: events.Click) -> None:
        event.stop()
        for left, right, action in self._spots:
            if left <= event.x < right:
                self.place.run_action_of(action)
                return


class Tell(Painted):
    """What the program has to say, in words, until the next key; nothing where it has nothing to say."""

    def __init__(self) -> None:
        super().__init__()
        self.said = ""
        self._bad = False

    def tell(self, said: str, *, bad: bool = False) -> None:
        self.said, self._bad = said, bad
        self.set_class(bool(said), "-on")
        self.refresh(layout=True)

    def _lines(self, width: int) -> list[str]:
        return list(words.lines(("! " if self._bad else "") + self.said, max(width - 2, 1)))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return min(max(1, len(self._lines(width))), max(3, viewport.height // 3))

    def render_line(self, y: int) -> Strip:
        styled, lines = self.styled, self._lines(self.size.width)
        said = lines[y] if y < len(lines) else ""
        if y + 1 == self.size.height < len(lines):
            said = said[: self.size.width - 3] + "…"
        return words.strip(
            [(" ", None), (said, styled["bad"] if self._bad else None)], self.size.width, styled["faint"]
        )
