"""Pictures of every screen, from the real application on a made vault: `python -m tests.tui.shots [FOLDER]`.

`--renew` makes those anew that the tests hold the screens against, and those of the README.
"""

from __future__ import annotations

import argparse
import html
import re
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from textual.widgets import Input, TextArea

from ghostie.tui.pages import Page
from ghostie.tui.rows import Rows
from ghostie.tui.themes import THEMES
from tests.tui.house import SIZES, Screen
from tests.tui.scenes import SHOTS, Houses, Shot, standing_still

TREE: Final = Path(__file__).resolve().parents[2]
GOLDEN: Final = TREE / "tests" / "tui" / "golden"
IMAGES: Final = TREE / "docs" / "images"
MADE_WITH: Final = GOLDEN / "textual.txt"
HELD_AGAINST: Final = ("memories", "detail", "inbox", "conflict", "sync", "stats", "help")
IN_README: Final = {"memories": (100, 24), "inbox": (45, 30), "conflict": (100, 24)}
COLOURED: Final = ("memories", "conflict", "conflict-by-hand", "edit", "past", "beginning-passphrase")

Size = tuple[int, int]
Look = Callable[[Screen, Size], Awaitable[None]]


def visit(houses: Houses, shot: Shot, sizes: Sequence[Size], look: Look) -> None:
    """Run the screens to *shot*, and let *look* see them at each of *sizes*, once there is nothing more to come."""

    async def story(screen: Screen) -> None:
        await shot.way(screen)
        for field in (*screen.place.query(Input), *screen.place.query(TextArea)):
            field.cursor_blink = False
        for size in sizes:
            await screen.resize(*size)
            await settled(screen, busy=shot.busy)
            await look(screen, size)

    houses.run(shot, story)


async def settled(screen: Screen, *, busy: bool = False) -> None:
    """Wait until nothing is under way, and nothing is put off, that would change the picture."""
    app = screen.app

    def at_rest() -> bool:
        place = screen.place
        return (
            place._ready
            and (app.keeper is None or not app.keeper._pending)
            and (busy or not app._long)
            and place._soon is None
            and not place._latest
            and all(page._width == page.scrollable_content_region.width for page in place.query(Page) if page.display)
            and all(there(rows) for rows in place.query(Rows) if rows.display)
        )

    while True:
        await screen.until(at_rest, "rest")
        await screen.settled()
        if at_rest():
            return


def there(rows: Rows) -> bool:
    """Tell whether all rows that are seen have come."""
    first = rows.scroll_offset.y // rows.lines
    return all(name in rows._rows for name in rows.names[first : first + rows._seen() + 1])


def painted(screen: Screen) -> str:
    """Return what is on the screen as SVG."""
    screen.place.repaint()
    drawn = screen.app.export_screenshot(title="ghostie", simplify=True)
    return "\n".join(line.rstrip() for line in drawn.splitlines()) + "\n"


def plain(svg: str) -> list[str]:
    """Return the words of a picture alone, in their order."""
    return [html.unescape(said) for said in re.findall(r"<text[^>]*>([^<]*)</text>", svg)]


def named(name: str, size: Size) -> str:
    return f"{name}-{size[0]}x{size[1]}.svg"


def paint(
    folder: Path, wanted: Mapping[str, Sequence[Size]], *, colour: bool = True, theme: str = "", bare: bool = False
) -> None:
    """Paint the screens *wanted* into *folder*, without colours or in those of *theme*; *bare*: under names alone."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made_in, standing_still(Path(made_in), colour=colour):
        houses = Houses(Path(made_in))
        try:
            for name, sizes in wanted.items():

                async def look(screen: Screen, size: Size, name: str = name) -> None:
                    if theme:
                        screen.app.use_theme(theme)
                        await settled(screen, busy=SHOTS[name].busy)
                    more = "-no-color" if not colour else f"-{theme}" if theme else ""
                    title = f"{name}.svg" if bare else named(name + more, size)
                    (folder / title).write_text(painted(screen), encoding="utf-8")

                visit(houses, SHOTS[name], sizes, look)
        finally:
            houses.close()


def renew() -> None:
    """Make anew what the tests hold the screens against, and the README's pictures."""
    for old in (*GOLDEN.glob("*.svg"), *IMAGES.glob("*.svg")):
        old.unlink()
    paint(GOLDEN, dict.fromkeys(HELD_AGAINST, SIZES))
    paint(GOLDEN, {"memories": SIZES[:1]}, colour=False)
    paint(IMAGES, {name: [size] for name, size in IN_README.items()}, bare=True)
    MADE_WITH.write_text(f"{version('textual')} {version('rich')}\n", encoding="utf-8")


def main() -> None:
    reads = argparse.ArgumentParser(prog="python -m tests.tui.shots", description=__doc__)
    reads.add_argument("folder", nargs="?", type=Path, default=Path("shots"), metavar="FOLDER")
    reads.add_argument("--only", nargs="+", choices=tuple(SHOTS), metavar="NAME", help="only these screens")
    reads.add_argument("--renew", action="store_true", help="make the tests' and the README's pictures anew")
    said = reads.parse_args()
    if said.renew:
        renew()
        print(f"made anew: {GOLDEN} and {IMAGES}")
        return
    names = said.only or tuple(SHOTS)
    paint(said.folder, dict.fromkeys(names, SIZES))
    paint(said.folder, dict.fromkeys(names, SIZES[:1]), colour=False)
    for theme in THEMES[1:]:
        paint(said.folder, {name: SIZES[:1] for name in names if name in COLOURED}, theme=theme.name)
    print(f"painted into {said.folder}")


if __name__ == "__main__":
    main()
