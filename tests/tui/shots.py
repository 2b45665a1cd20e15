"""Pictures of every screen, from the real application on a made vault: `python -m tests.tui.shots [FOLDER]`.

`--renew` makes those anew that the tests hold the screens against, and those of the README.
"""

from __future__ import annotations

import argparse
import hashlib
import html
import os
import re
import tempfile
import time
from base64 import b32encode
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Final
from unittest.mock import patch

from textual.widgets import Input

from ghostie.memory import millis
from ghostie.paths import Layout
from ghostie.sync.runs import recorded
from ghostie.tui import facts
from ghostie.tui.keeper import Keeper
from ghostie.vault.formats import read_paths
from tests.schedulers import stand_in
from tests.tui import still
from tests.tui.house import SIZES, House, Screen, show
from tests.tui.meeting import Meeting
from tests.vault.house import made

HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR
CALM: Final = 2
PAUSE: Final = 0.03
FIELDS: Final = ("content", "timestamp", "device_id", "category", "tags", "context", "source")
TREE: Final = Path(__file__).resolve().parents[2]
GOLDEN: Final = TREE / "tests" / "tui" / "golden"
IMAGES: Final = TREE / "docs" / "images"
MADE_WITH: Final = GOLDEN / "textual.txt"
BASE: Final = "the NAS answers on 10.0.0.5\nbackups run at 02:00\nthe key is with Anna\n"
MINE: Final = BASE.replace("10.0.0.5", "10.0.0.7")
THEIRS: Final = BASE.replace("10.0.0.5", "10.0.0.9 since the router was changed")

Way = Callable[[Screen], Awaitable[None]]
Size = tuple[int, int]


@dataclass(frozen=True)
class Shot:
    """How one screen is reached, and where from: an open vault, a locked one, or none."""

    way: Way
    start: str = "open"


def keys(place: str, *pressed: str, sees: str = "") -> Way:
    async def way(screen: Screen) -> None:
        await screen.at("memories")
        await screen.until(screen.here, "a memory")
        await screen.settled()
        for key in pressed:
            await screen.press(key)
            await screen.settled()
        await screen.at(place)
        if sees:
            await screen.sees(sees)

    return way


async def history(screen: Screen) -> None:
    await keys("memories", "slash")(screen)
    await screen.type("scooter")
    await screen.sees("grey plug")
    await screen.press("enter", "H")
    await screen.at("history")
    await screen.sees("3 versions")


async def conflict(screen: Screen) -> None:
    await keys("conflicts", "C")(screen)
    await screen.until(screen.here, "a conflict")
    await screen.press("enter")
    await screen.at("conflict")
    await screen.sees("mine")


async def invitation(screen: Screen) -> None:
    await keys("sync", "S")(screen)
    await screen.press("i")
    await screen.at("asking")


async def unlock(screen: Screen) -> None:
    await screen.at("unlock")
    await screen.type("four plain")


async def beginning(screen: Screen) -> None:
    await screen.sees("Make a new vault")


SHOTS: Final[Mapping[str, Shot]] = {
    "memories": Shot(keys("memories")),
    "detail": Shot(keys("detail", "j", "enter")),
    "inbox": Shot(keys("inbox", "i", sees="alike")),
    "history": Shot(history),
    "past": Shot(keys("past", "P")),
    "conflict": Shot(conflict),
    "sync": Shot(keys("sync", "S", sees="take in")),
    "invite": Shot(invitation),
    "devices": Shot(keys("devices", "S", "d", sees="phone")),
    "stats": Shot(keys("stats", "N", sees="memories")),
    "help": Shot(keys("help", "question_mark")),
    "palette": Shot(keys("palette", "colon")),
    "unlock": Shot(unlock, "locked"),
    "beginning": Shot(beginning, "none"),
}
HELD_AGAINST: Final = ("memories", "detail", "inbox", "conflict", "sync", "stats", "help")
IN_README: Final = {"memories": (100, 24), "inbox": (45, 30), "conflict": (100, 24)}


def ids(of: str) -> Callable[[], str]:
    """Return a source of ids that gives the same ones every time."""
    numbers = count()
    return lambda: b32encode(hashlib.sha256(f"{of} {next(numbers)}".encode()).digest()[:16]).decode()[:26].lower()


def furnished(folder: Path) -> House:
    """Return a house with a vault that is the same every time, and a store that a phone has written to."""
    house = House(folder)
    laptop, clock = house.vault, house.clock
    clock.now = still.NOW - 60 * DAY
    new_id = ids("picture")
    with patch("tests.tui.house.new_id", new_id), patch.object(laptop, "_new_id", new_id):
        meeting = Meeting(house)
        phone = meeting.phone
        found = [each.record for each in read_paths([TREE / "docs" / "examples"])]
        dated = [(millis(str(record["timestamp"])), record) for record in found if record and record.get("timestamp")]
        laptop.take_in(
            [
                made(new_id(), at=at, **{name: record[name] for name in FIELDS if record.get(name)})
                for at, record in sorted(dated, key=lambda each: each[0])
                if at < still.NOW
            ],
            "import",
        )
        clock.now = still.NOW - 9 * DAY
        (scooter,) = house.add("the scooter is charged by the blue plug", category="house", tags=["garage"])
        laptop.edit(scooter, {"content": "the scooter is charged by the blue plug, in four hours"})
        clock.now = still.NOW - 5 * DAY
        laptop.edit(scooter, {"content": "the scooter is charged by the grey plug, in five hours"})
        clock.now = still.NOW - DAY
        house.conflict(BASE, MINE, THEIRS, {"tags": ["network", "nas"]}, category="house", tags=["network"])
        clock.now = still.NOW - 3 * HOUR
        with patch.object(phone, "_new_id", new_id):
            phone.add("the spare key hangs behind the meter", category="house")
        meeting.sync(phone)
        meeting.sync(laptop)
        with (
            patch("ghostie.sync.runs.time.monotonic", lambda: 0.0),
            recorded(laptop.layout, clock=clock) as moved,
        ):
            moved.reached = True
            moved.outgoing = 3
        meeting.sync(phone)
        with patch.object(phone, "_new_id", new_id):
            phone.add("the window on the stairs needs a new seal", category="house")
            phone.edit(scooter, {"tags": ["garage", "power"]})
        meeting.sync(phone)
        clock.now = still.NOW - HOUR
        house.add("the boiler engineer comes on 3 October", category="house", status="inbox")
        again = next(str(record["content"]) for _, record in dated if "Static(" in str(record["content"]))
        house.add(
            again + " The phone saw it too.", category="terminal", status="inbox", device_id="phone", tags=["textual"]
        )
    return house


@contextmanager
def standing_still(folder: Path, *, colour: bool = True) -> Iterator[None]:
    """Let the screens and their keepers be the same wherever and whenever they are painted."""
    tools = stand_in(folder / "tools", "crontab")
    with (
        patch.dict(os.environ, {"TZ": "UTC", "PATH": tools, "NO_COLOR": "" if colour else "1"}),
        patch.object(Keeper, "PROGRAM", "tests.tui.still"),
        patch.object(facts, "now", still.clock),
    ):
        if colour:
            os.environ.pop("NO_COLOR", None)
        time.tzset()
        try:
            yield
        finally:
            os.environ.pop("TZ", None)
            time.tzset()


Look = Callable[[Screen, Size], Awaitable[None]]


def visit(house: House, shot: Shot, sizes: Sequence[Size], look: Look) -> None:
    """Run the screens on *house* to *shot*, and let *look* see it at each of *sizes*."""

    async def story(screen: Screen) -> None:
        await shot.way(screen)
        for field in screen.place.query(Input):
            field.cursor_blink = False
        for size in sizes:
            await screen.resize(*size)
            await look(screen, size)

    if shot.start == "none":
        with tempfile.TemporaryDirectory() as empty:
            show(Layout(Path(empty) / "home"), None, story, quick=False)
    else:
        house.run(story, locked=shot.start == "locked", quick=False)


def painted(screen: Screen) -> str:
    """Return what is on the screen as SVG."""
    screen.place.repaint()
    drawn = screen.app.export_screenshot(title="ghostie", simplify=True)
    return "\n".join(line.rstrip() for line in drawn.splitlines()) + "\n"


def plain(svg: str) -> list[str]:
    """Return the words of a picture alone, in their order."""
    return [html.unescape(said) for said in re.findall(r"<text[^>]*>([^<]*)</text>", svg)]


async def settled(screen: Screen) -> str:
    """Return the picture once it changes no more."""
    last, same = "", 0
    while same < CALM:
        await screen.settled()
        await screen.until(lambda: not screen.app._long, "what takes long")
        now = painted(screen)
        same = same + 1 if now == last else 0
        last = now
        await screen.pilot.pause(PAUSE)
    return last


def named(name: str, size: Size) -> str:
    return f"{name}-{size[0]}x{size[1]}.svg"


def paint(folder: Path, wanted: Mapping[str, Sequence[Size]], *, colour: bool = True, bare: bool = False) -> None:
    """Paint the screens *wanted* into *folder*; *bare*: under their names alone."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made_in, standing_still(Path(made_in), colour=colour):
        house = furnished(Path(made_in))
        try:
            for name, sizes in wanted.items():

                async def look(screen: Screen, size: Size, name: str = name) -> None:
                    title = f"{name}.svg" if bare else named(name if colour else f"{name}-no-color", size)
                    (folder / title).write_text(await settled(screen), encoding="utf-8")

                visit(house, SHOTS[name], sizes, look)
        finally:
            house.vault.close()


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
    reads.add_argument("--renew", action="store_true", help="make the tests' and the README's pictures anew")
    said = reads.parse_args()
    if said.renew:
        renew()
        print(f"made anew: {GOLDEN} and {IMAGES}")
    else:
        paint(said.folder, dict.fromkeys(SHOTS, SIZES))
        paint(said.folder, {"memories": SIZES[:1]}, colour=False)
        print(f"painted into {said.folder}")


if __name__ == "__main__":
    main()
