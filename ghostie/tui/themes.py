"""Colours. They say nothing that a mark, a word or weight does not say too."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.color import Color as Mixed
from textual.filter import LineFilter
from textual.theme import Theme

DARK: Final = Theme(
    name="ghostie",
    primary="#8fb8de",
    secondary="#b5c99a",
    accent="#e6c384",
    warning="#e6c384",
    error="#ef8f8f",
    success="#b5c99a",
    foreground="#dcdcd6",
    background="#16181d",
    surface="#1c1f26",
    panel="#272b34",
    dark=True,
    variables={"dim": "#949aa5"},
)
LIGHT: Final = Theme(
    name="ghostie-light",
    primary="#1f5c99",
    secondary="#3f6b21",
    accent="#7d5200",
    warning="#7d5200",
    error="#a61b1b",
    success="#3f6b21",
    foreground="#1d1f22",
    background="#fbfaf7",
    surface="#f3f1ec",
    panel="#e3e0d8",
    dark=False,
    variables={"dim": "#5c6066"},
)
CONTRAST: Final = Theme(
    name="contrast",
    primary="#00ffff",
    secondary="#00ff00",
    accent="#ffff00",
    warning="#ffff00",
    error="#ff9a9a",
    success="#00ff00",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#202020",
    dark=True,
    variables={"dim": "#ffffff"},
)
THEMES: Final = (DARK, LIGHT, CONTRAST)
APART: Final = 0.3  # how much lighter or darker than the ground something is that means to stand out


_made: dict[str, dict[str, Style]] = {}


def styles(theme: Theme) -> dict[str, Style]:
    """Return the styles that lines are painted in, by what they mean."""
    if theme.name in _made:
        return _made[theme.name]

    def colour(value: str | None) -> Color | None:
        return Color.parse(value) if value else None

    ink, ground = colour(theme.foreground), colour(theme.background)
    panel = colour(theme.panel)
    made = _made[theme.name] = {
        "text": Style(color=ink, bgcolor=ground),
        "dim": Style(color=colour(theme.variables.get("dim"))),
        "name": Style(color=colour(theme.primary)),
        "good": Style(color=colour(theme.success)),
        "bad": Style(color=colour(theme.error), bold=True),
        "warn": Style(color=colour(theme.warning), bold=True),
        "strong": Style(bold=True),
        "hit": Style(bold=True, underline=True),
        "cursor": Style(color=ground, bgcolor=colour(theme.primary), bold=True),
        "faint": Style(color=ink, bgcolor=panel),
        "bar": Style(color=ink, bgcolor=panel),
        "key": Style(color=colour(theme.accent), bgcolor=panel, bold=True),
        "button": Style(color=ink, bgcolor=panel, bold=True),
    }
    return made


class Colourless(LineFilter):
    """Takes all colour off, for NO_COLOR. What stood on another ground, the cursor above all, is reversed instead."""

    def apply(self, segments: list[Segment], background: Mixed) -> list[Segment]:
        return [
            Segment(said, _colourless(style, background.rgb) if style is not None else None, control)
            for said, style, control in segments
        ]


@lru_cache(maxsize=1000)
def _colourless(style: Style, ground: tuple[int, int, int]) -> Style:
    behind = Mixed.from_rich_color(style.bgcolor) if style.bgcolor is not None else None
    apart = behind is not None and abs(behind.brightness - Mixed(*ground).brightness) > APART
    return Style(
        bold=style.bold,
        italic=style.italic,
        underline=style.underline,
        strike=style.strike,
        reverse=bool(style.reverse) or apart,
        meta=style.meta or None,
    )


CSS: Final = """
Screen { background: $background; color: $foreground; layers: base over; }
Head { height: 1; width: 100%; }
Bar { height: auto; width: 100%; }
Tell { height: auto; width: 100%; display: none; }
Tell.-on { display: block; }
#body { height: 1fr; width: 100%; }
Rows, Page { height: 1fr; width: 1fr; scrollbar-size-vertical: 1; overflow-x: hidden; background: $background; }
Rows, Page, TextArea {
    scrollbar-color: $foreground 50%; scrollbar-color-hover: $foreground 50%; scrollbar-color-active: $foreground;
    scrollbar-background: $background; scrollbar-background-hover: $background;
    scrollbar-background-active: $background;
}
Input, Input.-textual-compact { height: 1; padding: 0 1; background: $panel; color: $foreground; width: 1fr; }
Input:focus { background-tint: transparent; }
Input > .input--placeholder, Input > .input--suggestion { color: $foreground 70%; }
TextArea { background: $background; scrollbar-size-vertical: 1; }
TextArea .text-area--cursor-line { background: $background; }
.labelled { height: 1; width: 100%; }
.labelled Label { width: 10; padding: 0 0 0 1; background: $panel; color: $foreground 80%; }
"""
