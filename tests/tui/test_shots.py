"""The screens are painted as they were: the pictures in golden/, made by `python -m tests.tui.shots --renew`."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from rich.color import Color

from ghostie.tui.themes import CONTRAST, THEMES
from tests.tui.house import SIZES, Screen
from tests.tui.scenes import SHOTS, Houses, standing_still
from tests.tui.shots import (
    COLOURED,
    GOLDEN,
    HELD_AGAINST,
    IMAGES,
    IN_README,
    MADE_WITH,
    Size,
    named,
    painted,
    plain,
    settled,
    visit,
)

pytestmark = pytest.mark.versions

RENEW = "not as it was; if it is meant so, `python -m tests.tui.shots --renew` makes the pictures anew"
MOST = 1_500_000
AA, AAA, DRAWN = 4.5, 7.0, 3.0


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Houses]:
    folder = tmp_path_factory.mktemp("pictured")
    with standing_still(folder):
        made = Houses(folder)
        yield made
        made.close()


def same_program() -> bool:
    """Whether the pictures were made by the Textual and rich that are here; if not, only their words are compared."""
    return MADE_WITH.read_text(encoding="utf-8").split() == [version("textual"), version("rich")]


def held_against(houses: Houses, name: str, files: dict[Size, Path]) -> None:
    kept = {size: path.read_text(encoding="utf-8") for size, path in files.items()}

    async def look(screen: Screen, size: Size) -> None:
        now = painted(screen)
        if same_program():
            assert plain(now) == plain(kept[size]), f"{files[size].name}: words {RENEW}"
            assert now == kept[size], f"{files[size].name}: colours or places {RENEW}"
        else:
            assert "".join(plain(now)) == "".join(plain(kept[size])), (
                f"{files[size].name}: words {RENEW}"
                " (only words were compared: the pictures were made with another Textual)"
            )

    visit(houses, SHOTS[name], list(files), look)


@pytest.mark.parametrize("name", HELD_AGAINST)
def test_a_screen_is_painted_as_it_was(houses: Houses, name: str) -> None:
    files = {size: GOLDEN / named(name, size) for size in SIZES}
    if name in IN_README:
        files[IN_README[name]] = IMAGES / f"{name}.svg"
    held_against(houses, name, files)


def test_without_colours_it_is_painted_as_it_was(houses: Houses, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    held_against(houses, "memories", {SIZES[0]: GOLDEN / named("memories-no-color", SIZES[0])})


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SHOTS if name not in HELD_AGAINST])
def test_the_way_to_every_other_screen_leads_there(houses: Houses, name: str) -> None:
    async def look(screen: Screen, size: Size) -> None:
        assert any(line.strip() for line in screen.text().split("\n")[1:-1])

    visit(houses, SHOTS[name], SIZES[:1], look)


@pytest.mark.parametrize("name", COLOURED)
def test_all_that_is_written_can_be_read_in_every_theme(houses: Houses, name: str) -> None:
    async def look(screen: Screen, size: Size) -> None:
        for theme in THEMES:
            screen.app.use_theme(theme.name)
            await settled(screen)
            assert not list(faint(screen, AAA if theme is CONTRAST else AA)), f"{name} in {theme.name} at {size}"

    visit(houses, SHOTS[name], [SIZES[0], SIZES[-1]], look)


def faint(screen: Screen, least: float) -> Iterator[tuple[str, float]]:
    """Yield what is on the screen in less than WCAG's contrast *least*, lines and bars in less than their own."""
    for strip in screen.app.screen._compositor.render_strips():
        for said, style, _ in strip:
            if not said.strip() or style is None or style.color is None or style.bgcolor is None:
                continue
            found = contrast(style.color, style.bgcolor)
            if found < (DRAWN if all(each.isspace() or "\u2500" <= each <= "\u259f" for each in said) else least):
                yield said, found


def contrast(ink: Color, ground: Color) -> float:
    """Return the contrast of two colours as WCAG 2 works it out."""
    lower, higher = sorted(luminance(each) for each in (ink, ground))
    return (higher + 0.05) / (lower + 0.05)


def luminance(colour: Color) -> float:
    parts = (part / 255 for part in colour.get_truecolor())
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_pictures_are_small() -> None:
    assert sum(path.stat().st_size for path in (*GOLDEN.glob("*.svg"), *IMAGES.glob("*.svg"))) < MOST
