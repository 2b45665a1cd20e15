"""What can be done here, and by which key: made from the registry."""

from __future__ import annotations

from collections.abc import Iterable

from textual.widget import Widget

from ghostie.tui import words
from ghostie.tui.actions import PAGE, Action, shown_key
from ghostie.tui.facts import MARK_WORDS
from ghostie.tui.pages import Page
from ghostie.tui.place import Place
from ghostie.tui.words import Piece

GROUPS = {"list": "in the list", "page": "in the text", "everywhere": "everywhere"}


class HelpPlace(Place):
    NAME = "help"

    def __init__(self, of: Place) -> None:
        super().__init__()
        self._of = of
        self._actions = of.actions()
        self._title = of.TITLE_WORDS or of.NAME

    def heading(self) -> str:
        return f"Help · {self._title}"

    def body(self) -> Iterable[Widget]:
        yield Page()

    def shared(self) -> tuple[str, ...]:
        return (PAGE,)

    def can(self, action: Action) -> bool:
        return action.name not in ("help", "undo", "redo", "refresh", "lock", "palette")

    def opened(self) -> None:
        self.resized()

    def resized(self) -> None:
        styled, width = self.ghostie.painted, self.size.width
        keymap = self.ghostie.settings.keymap
        lines: list[list[Piece]] = []
        group = ""
        for action in self._actions:
            if action.where != group:
                group = action.where
                lines += [[], [(GROUPS.get(group, self._title), styled["strong"])]]
            keys = " ".join(shown_key(key) for key in keymap.keys(action)) or "(no key)"
            wrapped = list(words.lines(action.said, max(width - 18, 10)))
            lines.append([(f"  {words.line(keys, 12):<12}  ", styled["name"]), (wrapped[0], None)])
            lines += [[(" " * 16 + rest, None)] for rest in wrapped[1:]]
        lines += [[], [("signs", styled["strong"])]]
        signs = {**MARK_WORDS, "↑": "not pushed yet", "*": "marked", "›": "where the cursor is"}
        lines += [[(f"  {sign:<12}  ", styled["name"]), (said, None)] for sign, said in signs.items()]
        if wrong := self.ghostie.settings.wrong:
            lines += [[], [("in the settings file", styled["strong"])]]
            for each in wrong:
                lines += [[(f"  {line}", styled["bad"])] for line in words.lines(each, max(width - 4, 10))]
        self.query_one(Page).show(lines[1:], "", top=False)
