"""The vault in numbers."""

from __future__ import annotations

import pytest

from tests.tui.house import SIZES, House, Screen


@pytest.mark.parametrize("size", [(45, 60), (120, 40)])
def test_counts_are_bars_with_their_numbers(house: House, size: tuple[int, int]) -> None:
    house.add(*"abcdef", category="network", tags=["wifi"])
    house.add("g", "h", category="[red]home\u202e", status="inbox")

    async def story(screen: Screen) -> None:
        await screen.press("N")
        await screen.sees("memories   8", "6 kept · 2 in the inbox", "by category", "by device", "the inbox")
        lines = [line for line in screen.text().split("\n") if "network" in line or "[red]home" in line]
        assert [line.count("█") > 0 for line in lines] == [True, True]
        assert lines[0].count("█") == pytest.approx(3 * lines[1].count("█"), abs=2)

    house.run(story, size=size)


def test_at_every_size_and_in_an_empty_vault(house: House) -> None:
    async def story(screen: Screen) -> None:
        await screen.press("N")
        await screen.resize(45, 24)
        await screen.sees("memories   0", "nothing in the last 26 weeks")
        for size in SIZES:
            await screen.resize(*size)
            await screen.sees("memories   0")
        await screen.press("N", "S")
        await screen.at("sync")
        await screen.press("N")
        await screen.at("stats")
        assert len(screen.app.screen_stack) == 3  # the one that was open already

    house.run(story, size=(0, 0))
