"""A sheet: facts, sentences and plots in lines of one width. What is put on it is made safe here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest

from rich.cells import cell_len
from rich.style import Style

from ghostie import text
from ghostie.tui import words
from ghostie.tui.words import Piece

LABEL = 11
Styles = Mapping[str, Style]
Line = list[Piece]


class Sheet:
    """Lines for a Page, one after the other; *width* is all that there is."""

    def __init__(self, width: int, styled: Styles) -> None:
        self.width = max(width - 2, 12)
        self.styled = styled
        self.lines: list[list[Piece]] = []

    def gap(self) -> None:
        if self.lines and self.lines[-1]:
            self.lines.append([])

    def title(self, said: str) -> None:
        self.gap()
        self.say(said, "strong")

    def say(self, said: str, style: str | None = None, *, indent: int = 0, sign: str = "") -> None:
        """Put a sentence down, wrapped; *sign* stands before its first line."""
        lead = " " * indent + (f"{sign} " if sign else "")
        rest = " " * cell_len(lead)
        for number, line in enumerate(words.lines(said, self.width - len(lead))):
            self.lines.append([(lead if number == 0 else rest, self._style(style)), (line, self._style(style))])

    def fact(self, label: str, said: str, style: str | None = None) -> None:
        """Put *said* down beside its label."""
        for number, line in enumerate(words.lines(text.one_line(said), self.width - LABEL)):
            shown = label if number == 0 else ""
            self.lines.append([(f"{shown:<{LABEL}}", self.styled["dim"]), (line, self._style(style))])

    def bars(self, counts: Mapping[str, int], *, most: int = 8, other: str = "more") -> None:
        """Put a bar down for each count, the first *most* of them; the others are one line."""
        shown = list(counts.items())[:most]
        if not shown:
            return
        top = max(count for _, count in shown)
        room = min(max(cell_len(words.line(name, 16)) for name, _ in shown), 16)
        numbers = max(len(f"{count:,}") for _, count in shown)
        for name, count in shown:
            label = text.fit(words.line(name, room), room, pad=True)
            stripe = text.stripe(count, top, min(self.width - room - numbers - 2, 60))
            self.lines.append(
                [(f"{label} ", self.styled["dim"]), (f"{count:>{numbers},} ", None), (stripe, self.styled["name"])]
            )
        if len(counts) > most:
            rest = sum(list(counts.values())[most:])
            self.say(f"and {rest:,} in {len(counts) - most:,} {other}", "dim")

    def _style(self, name: str | None) -> Style | None:
        return self.styled[name] if name else None


def beside(left: Sequence[Line], right: Sequence[Line], width: int) -> list[Line]:
    """Return two rows of lines next to each other, the left one's at most *width* cells wide."""
    lines: list[Line] = []
    nothing: Line = []
    for here, there in zip_longest(left, right, fillvalue=nothing):
        gap = width + 1 - sum(cell_len(said) for said, _ in here)
        lines.append([*here, (" " * gap, None), *there])
    return lines
