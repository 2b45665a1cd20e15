"""NO_COLOR: no cell of any screen has a colour, and what stands out does so by a sign, by weight or reversed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from rich.segment import Segment

from ghostie.tui.themes import THEMES
from tests.tui.house import House, Screen


def cells(screen: Screen) -> Iterator[Segment]:
    for strip in screen.app.screen._compositor.render_strips():
        yield from strip


def reversed_text(screen: Screen) -> str:
    return "".join(each.text for each in cells(screen) if each.style is not None and each.style.reverse)


def bold_text(screen: Screen) -> str:
    return "".join(each.text for each in cells(screen) if each.style is not None and each.style.bold)


def test_nothing_is_coloured_and_all_that_matters_stands_out(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    house.conflict("the base", "as mine says", "as theirs says")
    house.add("for the inbox", status="inbox")
    house.add("the newest", category="plain", tags=["grey"])

    def plain(screen: Screen) -> None:
        assert screen.app.no_color
        coloured = [each for each in cells(screen) if each.style and (each.style.color or each.style.bgcolor)]
        assert coloured == []

    async def story(screen: Screen) -> None:
        await screen.sees("the newest", "! 1 conflict")
        for _ in THEMES:
            await screen.until(lambda: "the newest" in reversed_text(screen), "the cursor")
            assert "for the inbox" not in reversed_text(screen)
            plain(screen)
            await screen.press("T")
        await screen.press("space")
        await screen.sees("*")
        for key, place in (("n", "form"), ("colon", "palette"), ("F", "filter"), ("question_mark", "help")):
            await screen.press(key)
            await screen.at(place)
            await screen.settled()
            plain(screen)
            if place != "help":
                await screen.until(lambda: reversed_text(screen), "the cursor")
            await screen.press("escape")
            await screen.at("memories")
        await screen.press("C")
        await screen.at("conflicts")
        await screen.until(screen.here, "the conflict")
        await screen.press("enter")
        await screen.sees("○ 1 mine", "○ 2 theirs")
        await screen.press("1")
        await screen.sees("● 1 mine", "○ 2 theirs")
        assert "content · mine" in bold_text(screen)
        plain(screen)

    house.run(story)
