"""Widgets that paint whole lines in the application's own styles."""

from __future__ import annotations

from rich.style import Style
from textual.app import App
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from ghostie.tui import themes


class Lines(Widget):
    """Mixed into a widget without border and padding whose `render_line` gives finished lines.

    They go out as they are: no box is drawn round them, so nothing is worked out for one, at each line of each frame.
    """

    can_focus = False

    @property
    def styled(self) -> dict[str, Style]:
        app: App[object] = self.app
        return themes.styles(app.current_theme)

    def render_lines(self, crop: Region) -> list[Strip]:
        ground = self.styled["text"]
        strips = [self.render_line(y).crop_extend(crop.x, crop.right, ground) for y in crop.line_range]
        if filters := self.get_line_filters():
            behind = self.background_colors[1]
            for each in filters:
                strips = [strip.apply_filter(each, behind) for strip in strips]
        return strips
