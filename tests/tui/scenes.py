"""The vaults that pictures are taken of, and the way to every screen."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from base64 import b32encode
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final
from unittest.mock import patch

from ghostie import codec
from ghostie.files import write_durably
from ghostie.memory import millis
from ghostie.paths import Layout
from ghostie.sync.runs import recorded
from ghostie.tui import bases, facts
from ghostie.tui.keeper import Keeper
from ghostie.vault.formats import read_paths
from tests.schedulers import stand_in
from tests.tui import still
from tests.tui.house import PASSPHRASE, House, Screen, show
from tests.tui.meeting import Meeting
from tests.vault.house import made

HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR
ZONE: Final = "CET-1CEST,M3.5.0,M10.5.0/3"
RATE: Final = 640_000
FIELDS: Final = ("content", "timestamp", "device_id", "category", "tags", "context", "source")
EXAMPLES: Final = Path(__file__).resolve().parents[2] / "docs" / "examples"
BASE: Final = "the NAS answers on 10.0.0.5\nbackups run at 02:00\nthe key is with Anna\n"
MINE: Final = BASE.replace("10.0.0.5", "10.0.0.7")
THEIRS: Final = BASE.replace("10.0.0.5", "10.0.0.9 since the router was changed")

Way = Callable[[Screen], Awaitable[None]]


@dataclass(frozen=True)
class Shot:
    """How one screen is reached, and from what: a vault's name, see `Houses`; *busy*: something stays under way."""

    way: Way
    start: str = "open"
    busy: bool = False


# -- ways ------------------------------------------------------------------------------------------------------------


def keys(place: str, *pressed: str, sees: str = "") -> Way:
    """Press keys from the list on, each once the one before has had its effect."""

    async def way(screen: Screen) -> None:
        await screen.at("memories")
        await screen.settled()
        for key in pressed:
            await screen.press(key)
            await screen.settled()
        await screen.at(place)
        if sees:
            await screen.sees(sees)

    return way


def after(way: Way, *pressed: str, place: str, types: str = "", sees: str = "") -> Way:
    """Go on where *way* ends."""

    async def on(screen: Screen) -> None:
        await way(screen)
        for key in pressed:
            await screen.press(key)
            await screen.settled()
        await screen.at(place)
        if types:
            await screen.type(types)
        if sees:
            await screen.sees(sees)

    return on


def asked(question: str, *pressed: str, types: str = "", sees: str = "") -> Way:
    """Answer pages of a wizard until *question* stands there, then begin to answer it."""

    async def way(screen: Screen) -> None:
        await screen.at("asking")
        for key in pressed:
            await screen.settled()
            await screen.press(key)
        await screen.sees(question)
        if types:
            await screen.type(types)
        if sees:
            await screen.sees(sees)

    return way


async def search(screen: Screen) -> None:
    await keys("memories", "slash")(screen)
    await screen.type("phone")
    await screen.sees("4 found")


async def filtered(screen: Screen) -> None:
    await keys("filter", "F", sees="cat:")(screen)
    await screen.press("enter")
    await screen.sees("[x]")


async def scooter(screen: Screen) -> None:
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


async def chosen(screen: Screen) -> None:
    await conflict(screen)
    for _ in range(2):
        await screen.press("2")
        await screen.settled()
    await screen.sees("Enter settles it so")


async def by_hand(screen: Screen) -> None:
    await conflict(screen)
    await screen.press("e")
    await screen.at("form")
    await screen.sees("<<<<<<<")


async def skipped(screen: Screen) -> None:
    await keys("inbox", "i")(screen)
    while "That is all" not in screen.text():
        await screen.press("s")
        await screen.settled()


async def invitation(screen: Screen) -> None:
    await keys("sync", "S", sees="store")(screen)
    await screen.press("i")
    await screen.sees("How long")
    await screen.press("enter")
    await screen.sees("passphrase")
    await screen.type(PASSPHRASE)
    await screen.press("enter")
    await screen.at("invitation")


async def moving(screen: Screen) -> None:
    await keys("sync", "S", sees="take in")(screen)
    await screen.until(lambda: not screen.app._long, "the first look")
    await screen.press("enter")
    await screen.sees("640 kB/s")


async def unlock(screen: Screen) -> None:
    await screen.at("unlock")
    await screen.type("four plain")


async def refused(screen: Screen) -> None:
    await screen.at("unlock")
    await screen.type("four other words")
    await screen.press("enter")
    await screen.sees("does not open this vault")


async def started(screen: Screen) -> None:
    await screen.at("memories")
    await screen.settled()


async def full(screen: Screen) -> None:
    """A disk that is full."""
    await keys("form", "n")(screen)
    await screen.type("the meter is read on the first of the month")
    screen.disk_full(True)
    await screen.press("ctrl+s")
    await screen.sees("! ")


SYNC: Final = keys("sync", "S", sees="take in")
WORDS: Final = asked("Write these 24 words down")
SHOTS: Final[Mapping[str, Shot]] = {
    "memories": Shot(keys("memories")),
    "search": Shot(search),
    "marks": Shot(keys("memories", "space", "space", "j", "space", sees="3 marked")),
    "filter": Shot(filtered),
    "trash": Shot(keys("memories", "X", sees="is:deleted")),
    "detail": Shot(keys("detail", "j", "enter")),
    "edit": Shot(keys("form", "j", "e")),
    "new": Shot(keys("form", "n")),
    "tag": Shot(keys("line", "j", "t")),
    "inbox": Shot(keys("inbox", "i", sees="alike")),
    "inbox-end": Shot(skipped),
    "merge": Shot(keys("pick", "i", "M")),
    "history": Shot(scooter),
    "difference": Shot(after(scooter, "w", "q", "enter", place="difference", sees="against")),
    "version": Shot(after(scooter, "w", place="version")),
    "past": Shot(keys("past", "P", "left_square_bracket", sees="THE PAST")),
    "then": Shot(keys("then", "P", "left_square_bracket", "enter")),
    "conflicts": Shot(keys("conflicts", "C", sees="laptop")),
    "conflict": Shot(conflict),
    "conflict-chosen": Shot(chosen),
    "conflict-by-hand": Shot(by_hand),
    "sync": Shot(SYNC),
    "sync-under-way": Shot(moving, busy=True),
    "sync-alarm": Shot(keys("sync", "S", sees="alarm"), "alarm"),
    "sync-away": Shot(keys("sync", "S", sees="cannot be reached"), "away"),
    "sync-nowhere": Shot(keys("sync", "S", sees="this device only"), "empty"),
    "devices": Shot(keys("devices", "S", "d", sees="phone")),
    "question": Shot(after(keys("devices", "S", "d", "j", sees="phone"), "x", place="question")),
    "invite": Shot(after(keys("sync", "S", sees="store"), "i", place="asking", sees="How long")),
    "invitation": Shot(invitation),
    "join": Shot(after(keys("sync", "S", sees="store"), "J", place="asking", types="gh1 fvbr"), "empty"),
    "stats": Shot(keys("stats", "N", sees="memories")),
    "help": Shot(keys("help", "question_mark")),
    "palette": Shot(keys("palette", "colon")),
    "unlock": Shot(unlock, "locked"),
    "unlock-refused": Shot(refused, "locked"),
    "empty": Shot(started, "empty"),
    "inbox-empty": Shot(keys("inbox", "i"), "empty"),
    "disk-full": Shot(full, "empty"),
    "beginning": Shot(asked("Make a new vault"), "none"),
    "beginning-code": Shot(asked("The code", "j", "enter", types="gh1 fvbr riftze4q da"), "none"),
    "beginning-name": Shot(asked("What is this device called?", "enter"), "none"),
    "beginning-passphrase": Shot(asked("The passphrase", "enter", "enter", types="four plain words"), "none"),
    "beginning-words": Shot(WORDS, "left words store examples"),
    "beginning-proof": Shot(asked("Word ", "enter", types="wor"), "left words store examples"),
    "beginning-store": Shot(asked("Where do your devices meet?"), "left store examples"),
    "beginning-folder": Shot(asked("Which folder?", "j", "enter"), "left store examples"),
    "beginning-bucket": Shot(asked("The bucket", "j", "j", "enter"), "left store examples"),
    "beginning-examples": Shot(asked("A few memories to play with?"), "left examples"),
}


# -- vaults ----------------------------------------------------------------------------------------------------------


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
        found = [each.record for each in read_paths([EXAMPLES])]
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
        (gone,) = house.add("the bins go out on Thursdays", category="house")
        laptop.remove([gone])
    return house


def empty(folder: Path) -> House:
    house = House(folder)
    house.clock.now = still.NOW - DAY
    return house


def ruined(folder: Path) -> House:
    """Return a house whose store has lost what the phone had sent."""
    house = empty(folder)
    meeting = Meeting(house)
    for said in ("the tap in the cellar drips", "the ladder is lent to Ben"):
        meeting.phone.add(said)
        meeting.sync(meeting.phone)
    meeting.sync(house.vault)
    for path in meeting.folder.rglob(f"*{meeting.phone.device.writer}*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return house


def cut_off(folder: Path) -> House:
    """Return a house whose store is not there."""
    house = empty(folder)
    meeting = Meeting(house)
    house.add("the tap in the cellar drips")
    meeting.folder.rename(folder / "elsewhere")
    return house


class Houses:
    """Makes houses as they are asked for, by where a Shot starts: "open" and "locked" are the same, furnished one."""

    _MAKE: Final = {"open": furnished, "empty": empty, "alarm": ruined, "away": cut_off}

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str, House] = {}

    def at(self, start: str) -> House:
        word, *steps = start.split()
        name = {"locked": "open", "left": "empty"}.get(word, word)
        if name not in self._made:
            (self._folder / name).mkdir()
            self._made[name] = self._MAKE[name](self._folder / name)
        house = self._made[name]
        first_run = house.vault.layout.first_run
        if steps:
            write_durably(first_run, codec.dumps({"left": steps}))
        else:
            first_run.unlink(missing_ok=True)
        return house

    def close(self) -> None:
        for house in self._made.values():
            house.vault.close()

    def run(self, shot: Shot, story: Way) -> None:
        """Run the screens through *story*, from where *shot* starts."""
        if shot.start == "none":
            with tempfile.TemporaryDirectory() as nothing:
                show(Layout(Path(nothing) / "home"), None, story, quick=False)
        else:
            self.at(shot.start).run(story, locked=shot.start == "locked", quick=False)


@contextmanager
def standing_still(folder: Path, *, colour: bool = True) -> Iterator[None]:
    """Let the screens and their keepers be the same wherever and whenever they are painted."""
    tools = stand_in(folder / "tools", "crontab")
    with (
        patch.dict(os.environ, {"TZ": ZONE, "PATH": tools}),
        patch.dict(os.environ, {"NO_COLOR": "1"}) if not colour else nullcontext(),
        patch.object(Keeper, "PROGRAM", "tests.tui.still"),
        patch.object(facts, "now", still.clock),
        patch.object(bases._Work, "rate", lambda work: RATE),
    ):
        if colour:
            os.environ.pop("NO_COLOR", None)
        time.tzset()
        try:
            yield
        finally:
            os.environ.pop("TZ", None)
            time.tzset()
