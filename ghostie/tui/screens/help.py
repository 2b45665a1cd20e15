"""What can be done here, and by which key: made from the registry."""

from __future__ import annotations

from collections.abc import Sequence

from ghostie.tui import words
from ghostie.tui.actions import Action, shown_key
from ghostie.tui.bases import Reading
from ghostie.tui.facts import MARK_WORDS
from ghostie.tui.place import Place
from ghostie.tui.sheets import Line, beside

GROUPS = {"list": "in the list", "page": "in the text", "everywhere": "everywhere"}


class HelpPlace(Reading):
    NAME = "help"

    def __init__(self, of: Place) -> None:
        super().__init__()
        self._of = of
        self._actions = of.actions()
        self._title = of.TITLE_WORDS or of.NAME
        self._own = 0  # groups that are of that place alone

    def heading(self) -> str:
        return f"Help · {self._title}"

    def can(self, action: Action) -> bool:
        return action.name not in ("help", "undo", "redo", "refresh", "lock", "palette")

    def resized(self) -> None:
        width = self.size.width
        half = width // 2 - 2
        groups = self._groups(half if self.wide else width)
        own, others = groups[: self._own], groups[self._own :]
        lines = beside(_joined(own), _joined(others), half) if self.wide else _joined(groups)
        self.page.show(lines, "", top=False)

    def _groups(self, width: int) -> list[list[Line]]:
        """Return the lines of each group: its title, and what is in it."""
        styled, keymap = self.ghostie.painted, self.ghostie.settings.keymap
        groups: list[list[Line]] = []

        def title(said: str) -> None:
            groups.append([[(said, styled["strong"])]])

        def told(lead: str, said: str) -> None:
            shown = f"  {words.line(lead, 12):<12}  "
            for at, line in enumerate(words.lines(said, max(width - len(shown) - 2, 10))):
                groups[-1].append([(shown if at == 0 else " " * len(shown), styled["name"]), (line, None)])

        where, self._own = "", 0
        for action in self._actions:
            if action.where != where:
                where = action.where
                title(GROUPS.get(where, self._title))
                self._own += where not in GROUPS
            told(" ".join(shown_key(key) for key in keymap.keys(action)) or "(no key)", action.said)
        title("signs")
        signs = {**MARK_WORDS, "↑": "not sent yet", "*": "marked", "›": "where the cursor is", "^s": "ctrl and s"}
        for sign, said in signs.items():
            told(sign, said)
        if wrong := self.ghostie.settings.wrong:
            title("in the settings file")
            for each in wrong:
                groups[-1] += [[(f"  {line}", styled["bad"])] for line in words.lines(each, max(width - 4, 10))]
        return groups


def _joined(groups: Sequence[Sequence[Line]]) -> list[Line]:
    """Return the groups' lines, a gap between two."""
    return [line for at, group in enumerate(groups) for line in ([[], *group] if at else group)]
