"""Every action on every screen: those that places share are pressed here at each; all others by some test that says so."""

from __future__ import annotations

import pkgutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest

import tests.tui
from ghostie.paths import Layout
from ghostie.tui.actions import ACTIONS, EVERYWHERE, LIST, PAGE, Action
from ghostie.tui.app import GhostieApp
from ghostie.tui.place import Place
from ghostie.tui.rows import Rows
from ghostie.tui.screens.beginning import BeginningPlace
from ghostie.tui.screens.conflicts import ConflictPlace, ConflictsPlace
from ghostie.tui.screens.devices import DevicesPlace, InvitationPlace, InvitePlace, RetiredPlace
from ghostie.tui.screens.finding import FilterPlace, PalettePlace, PickPlace
from ghostie.tui.screens.help import HelpPlace
from ghostie.tui.screens.history import DifferencePlace, HistoryPlace, VersionPlace
from ghostie.tui.screens.inbox import InboxPlace
from ghostie.tui.screens.memories import DetailPlace, MemoriesPlace
from ghostie.tui.screens.past import PastPlace, ThenPlace
from ghostie.tui.screens.prompts import LinePlace, QuestionPlace
from ghostie.tui.screens.stats import StatsPlace
from ghostie.tui.screens.sync import SyncPlace
from ghostie.tui.screens.unlock import UnlockPlace
from ghostie.tui.screens.writing import SettlingPlace, WritingPlace
from tests.schedulers import stand_in
from tests.tui.house import PASSPHRASE, House, Screen, show
from tests.tui.meeting import Meeting
from tests.tui.pressing import SHARED, Press, own, places, presses, said

SIZE = (112, 6)  # low, so that whatever is read does not fit; wide, so that there are two panes where there can be
LONG = "\n".join(f"line {number}" for number in range(60))
TAKEN_BACK = "given and taken back"

ALL = " ".join(action.id for action in ACTIONS if action.where == "everywhere")
ASIDE = ("undo", "redo", "sync", "stats")  # what leads away from a question
FIELD = "everywhere.back everywhere.palette everywhere.quit"
ROWS = "list.down list.up list.page_down list.page_up list.first list.last"
MARKS = "list.mark list.range list.mark_all"
TEXT = "page.down page.up page.page_down page.page_up page.first page.last"


def but(names: str, *without: str) -> str:
    return " ".join(name for name in names.split() if name not in {f"everywhere.{each}" for each in without})


@dataclass(frozen=True)
class Room:
    """A place: the one below it, what is pressed or typed there to come to it, what is seen then, what works there."""

    below: type[Place] | None
    way: tuple[str, ...]
    sees: str
    works: str
    make: Callable[[], Place] | None = None  # where the way there can be gone once only


ROOMS: dict[type[Place], Room] = {
    MemoriesPlace: Room(None, (), "line 0", f"{ALL} {ROWS} {MARKS} {TEXT} page.back"),
    DetailPlace: Room(MemoriesPlace, ("enter",), "line 0", f"{ALL} {TEXT} page.back"),
    InboxPlace: Room(MemoriesPlace, ("i",), "1 of 1", f"{ALL} {TEXT} page.back"),
    HistoryPlace: Room(MemoriesPlace, ("H",), "3 versions", f"{ALL} {ROWS} {TEXT} page.back"),
    DifferencePlace: Room(HistoryPlace, ("enter",), "Version 3 against 2", f"{ALL} {TEXT} page.back"),
    VersionPlace: Room(HistoryPlace, ("w",), "line 0", f"{ALL} {TEXT} page.back"),
    PastPlace: Room(MemoriesPlace, ("P",), "as it is now", f"{ALL} {ROWS} {TEXT} page.back"),
    ThenPlace: Room(PastPlace, ("enter",), "line 0", f"{ALL} {TEXT} page.back"),
    ConflictsPlace: Room(MemoriesPlace, ("C",), "2 conflicts", f"{ALL} {ROWS}"),
    ConflictPlace: Room(ConflictsPlace, ("enter",), "mine", f"{ALL} {TEXT} page.back"),
    SettlingPlace: Room(ConflictPlace, ("e",), "<<<<<<<", FIELD),
    PickPlace: Room(InboxPlace, ("M",), "theirs", but(FIELD, "palette")),
    LinePlace: Room(MemoriesPlace, ("c",), "Category", FIELD),
    WritingPlace: Room(MemoriesPlace, ("n",), "New memory", FIELD),
    FilterPlace: Room(MemoriesPlace, ("F",), "status:inbox", FIELD),
    PalettePlace: Room(MemoriesPlace, ("colon",), "search", but(FIELD, "palette")),
    HelpPlace: Room(
        MemoriesPlace,
        ("question_mark",),
        "Help",
        f"{but(ALL, 'help', 'undo', 'redo', 'refresh', 'lock', 'palette')} {TEXT} page.back",
    ),
    StatsPlace: Room(MemoriesPlace, ("N",), "memories ", f"{ALL} {TEXT} page.back"),
    SyncPlace: Room(MemoriesPlace, ("S",), "nothing to take in", f"{but(ALL, 'refresh', 'sync')} {TEXT} page.back"),
    DevicesPlace: Room(SyncPlace, ("d",), "phone", f"{ALL} {ROWS}"),
    QuestionPlace: Room(DevicesPlace, ("end", "x"), "Retire phone?", f"{but(ALL, *ASIDE)} {TEXT} page.back"),
    RetiredPlace: Room(
        MemoriesPlace, (), "Retired phone.", f"{ALL} {TEXT} page.back", lambda: RetiredPlace("phone", 3, 1)
    ),
    InvitePlace: Room(SyncPlace, ("i",), "How long", f"{but(ALL, *ASIDE)} {ROWS}"),
    InvitationPlace: Room(
        SyncPlace, ("i", "enter", PASSPHRASE, "enter"), "the code, good until", f"{ALL} {TEXT} page.back"
    ),
    UnlockPlace: Room(None, (), "ghostie · locked", FIELD),
    BeginningPlace: Room(
        None, (), "Make a new vault", f"{but(ALL, 'undo', 'redo', 'lock', 'refresh', 'sync', 'stats')} {ROWS}"
    ),
}
SYNCED = (SyncPlace, DevicesPlace, QuestionPlace, InvitePlace, InvitationPlace)


class Visit:
    """A test at one place."""

    def __init__(self, house: House, screen: Screen, place: type[Place], exits: list[str]) -> None:
        self.house, self.screen, self.kind, self.exits = house, screen, place, exits
        self.room = ROOMS[place]

    @property
    def place(self) -> Place:
        return self.screen.place

    async def at(self, kind: type[Place]) -> None:
        await self.screen.until(lambda: type(self.place) is kind and self.place._ready, kind.__name__)
        await self.screen.sees(ROOMS[kind].sees)
        await self.screen.settled()

    async def enter(self, kind: type[Place], *, only: bool = False) -> None:
        """Come to the place *kind*, by all that are below it or, with *only*, from the one below."""
        room = ROOMS[kind]
        if room.below is not None and not only:
            await self.enter(room.below)
        if room.make is not None:
            self.place.open(room.make())
        for key in room.way:
            await (self.screen.type(key) if key == PASSPHRASE else self.screen.press(key))
            await self.screen.settled()
        await self.at(kind)

    async def come_back(self) -> None:
        """Come back from where a key has led to: up to what is still open of the way, and from there down again."""
        way = [self.kind]
        while way[0] not in map(type, self.screen.app.screen_stack):
            below = ROOMS[way[0]].below
            assert below is not None
            way.insert(0, below)
        while type(self.place) is not way[0]:
            depth = len(self.screen.app.screen_stack)
            await self.screen.press("escape")
            await self.screen.until(partial(self.is_less_than, depth), "the place below")
        await self.at(way[0])
        for place in way[1:]:
            await self.enter(place, only=True)

    def is_less_than(self, depth: int) -> bool:
        return len(self.screen.app.screen_stack) < depth

    def key(self, action: Action) -> str | None:
        """Return a key that means *action* here, or None where there is none."""
        place = self.place
        if not place.applies(action):
            return None
        find = self.screen.app.settings.keymap.find
        keys = (key for key in action.keys if find(key, place.scopes()) is action)
        return next(
            (key for key in keys if not place.typing or (action.typing and len(key) > 1 and key != "colon")), None
        )

    async def all_of(self, *where: str) -> set[str]:
        """Press the key of each shared action of *where* that works here, LAST last; return which these are."""
        pressed = set()
        for action in sorted(ACTIONS, key=lambda action: action.id == LAST):
            if action.where in where and (key := self.key(action)) is not None:
                await CHECKS[action.id](self, key)
                pressed.add(action.id)
        return pressed

    # -- lists and pages ---------------------------------------------------------------------------------------------

    async def moves(self, key: str, name: str) -> None:
        """Press a key that moves the cursor, from where it can."""
        rows = self.place.pane(LIST)
        assert isinstance(rows, Rows)
        last = len(rows.names) - 1
        assert last > 0
        down = name in ("down", "page_down", "last")
        rows.go(0 if down else last)
        goal = {"down": 1, "up": last - 1, "page_down": rows._seen(), "page_up": last - rows._seen()}
        await self.screen.press(key)
        to = min(max(goal.get(name, last if down else 0), 0), last)
        await self.screen.until(lambda: rows.cursor == to, f"row {to}")
        rows.go(0)

    async def marks(self, key: str, name: str) -> None:
        rows = self.place.pane(LIST)
        assert isinstance(rows, Rows)
        await self.screen.press(key, *(["j"] if name == "range" else []))
        count = {"mark": 1, "range": 2, "mark_all": len(rows.names)}[name]
        await self.screen.until(lambda: len(rows.marks) == count, f"{count} marked")
        rows.unmark()
        rows.go(0)

    async def scrolls(self, key: str, name: str) -> None:
        page = self.place.pane(PAGE)
        assert page is not None
        await self.screen.until(lambda: page.max_scroll_y > 0, "more than fits")
        down = name in ("down", "page_down", "last")
        page.scroll_to(y=0 if down else page.max_scroll_y, animate=False, force=True)
        before = page.scroll_offset.y
        await self.screen.press(key)
        if name in ("down", "up"):
            await self.screen.until(lambda: page.scroll_offset.y == before + (1 if down else -1), "the next line")
        elif name in ("first", "last"):
            await self.screen.until(lambda: page.scroll_offset.y == (page.max_scroll_y if down else 0), "the end")
        else:
            await self.screen.until(lambda: (page.scroll_offset.y > before) == down != (page.scroll_offset.y < before))
        page.scroll_to(y=0, animate=False, force=True)

    # -- everywhere --------------------------------------------------------------------------------------------------

    async def leads_to(self, key: str, kind: type[Place]) -> None:
        await self.screen.press(key)
        await self.screen.until(lambda: type(self.place) is kind and self.place._ready, kind.__name__)
        await self.screen.settled()
        await self.come_back()

    async def leaves(self, key: str) -> None:
        below, exits = self.room.below, len(self.exits)
        await self.screen.press(key)
        if below is not None:
            await self.screen.until(lambda: type(self.place) is below, below.__name__)
            await self.come_back()
        elif self.kind is MemoriesPlace and key != "q":
            await self.screen.sees("q leaves ghostie")
        else:
            await self.screen.until(lambda: len(self.exits) > exits, "the end")

    async def quits(self, key: str) -> None:
        before = len(self.exits)
        await self.screen.press(key)
        await self.screen.until(lambda: len(self.exits) > before, "the end")

    async def paints_otherwise(self, key: str) -> None:
        before = self.screen.app.theme
        await self.screen.press(key)
        await self.screen.sees("colours: ")
        assert self.screen.app.theme != before

    async def reads_again(self, key: str) -> None:
        count = self.screen.app.standing["memories"]
        assert count is not None
        await self.screen.elsewhere(lambda: self.house.add("from elsewhere", category="z"))
        await self.screen.settled()
        await self.screen.press(key)
        await self.screen.sees(f"{count + 1} memories")
        await self.screen.settled()

    async def category(self) -> str | None:
        found: list[str | None] = []
        await self.screen.elsewhere(lambda: found.append(self.house.fresh().select()[-1].row.get("category")))
        return found[0]

    async def takes_back(self, key: str) -> None:
        assert await self.category() == TAKEN_BACK
        await self.screen.press(key)
        await self.screen.sees("took back: edit of 1 memory")
        assert await self.category() is None
        await self.screen.settled()

    async def does_again(self, key: str) -> None:
        assert await self.category() is None
        await self.screen.press(key)
        await self.screen.sees("did again: ")
        assert await self.category() == TAKEN_BACK
        await self.screen.settled()

    async def locks(self, key: str) -> None:
        await self.screen.press(key)
        await self.screen.at("unlock")
        await self.screen.sees("ghostie · locked")
        assert "line" not in self.screen.text()


WAYS = ("down", "up", "page_down", "page_up", "first", "last")
CHECKS: dict[str, Callable[[Visit, str], Awaitable[None]]] = {
    **{f"list.{name}": partial(Visit.moves, name=name) for name in WAYS},
    **{f"list.{name}": partial(Visit.marks, name=name) for name in ("mark", "range", "mark_all")},
    **{f"page.{name}": partial(Visit.scrolls, name=name) for name in WAYS},
    "page.back": Visit.leaves,
    "everywhere.help": partial(Visit.leads_to, kind=HelpPlace),
    "everywhere.palette": partial(Visit.leads_to, kind=PalettePlace),
    "everywhere.sync": partial(Visit.leads_to, kind=SyncPlace),
    "everywhere.stats": partial(Visit.leads_to, kind=StatsPlace),
    "everywhere.leave": Visit.leaves,
    "everywhere.back": Visit.leaves,
    "everywhere.undo": Visit.takes_back,
    "everywhere.redo": Visit.does_again,
    "everywhere.theme": Visit.paints_otherwise,
    "everywhere.refresh": Visit.reads_again,
    "everywhere.quit": Visit.quits,
    "everywhere.lock": Visit.locks,
}
LAST = "everywhere.lock"


def furnish(house: House, place: type[Place]) -> None:
    (old,) = house.add("an old one")
    house.conflict("one base", "one mine", f"one theirs\n{LONG}")
    house.conflict("another base", "another mine", f"another theirs\n{LONG}")
    house.add(LONG, status="inbox")
    (newest,) = house.add(LONG)
    house.vault.edit(newest, {"content": LONG.upper()})
    house.vault.edit(newest, {"content": LONG})
    if place in SYNCED:
        meeting = Meeting(house)
        meeting.phone.add("from the phone")
        meeting.sync(meeting.phone)
        meeting.sync(house.vault)
    house.vault.edit(old, {"category": TAKEN_BACK})


def pressed_in(place: type[Place]) -> str:
    return ROOMS[place].works + (" next_pane" if hasattr(place, "do_next_pane") else "")


@pytest.mark.slow
@pytest.mark.parametrize(
    "place", [pytest.param(place, marks=presses(place, pressed_in(place)), id=place.__name__) for place in ROOMS]
)
def test_what_is_shared_works_wherever_it_is_said_to(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: type[Place]
) -> None:
    exits: list[str] = []
    event = GhostieApp._event
    monkeypatch.setattr(GhostieApp, "exit", lambda app: exits.append("exit"))
    monkeypatch.setattr(  # what another process has changed is seen by a key only
        GhostieApp, "_event", lambda app, keeper, told: told["event"] == "changed" or event(app, keeper, told)
    )
    monkeypatch.setenv("PATH", stand_in(tmp_path / "tools", "crontab"))
    worked = set()

    async def story(screen: Screen) -> None:
        visit = Visit(house, screen, place, exits)
        await visit.enter(place)
        worked.update(await visit.all_of(LIST, PAGE))
        if hasattr(place, "do_next_pane"):
            await screen.press("tab")
            worked.update(await visit.all_of(PAGE))
            await screen.press("tab")
        worked.update(await visit.all_of(EVERYWHERE))

    if place is BeginningPlace:
        show(Layout(tmp_path / "new"), None, story, size=SIZE)
    else:
        furnish(house, place)
        house.run(story, size=SIZE, locked=place is UnlockPlace)
    assert worked == set(ROOMS[place].works.split())


def test_every_place_is_visited_and_every_shared_action_is_tried() -> None:
    assert set(ROOMS) == set(places())
    assert set(CHECKS) == {action.id for action in ACTIONS if action.where in SHARED}


# what a place inherits and never shows
NEVER: set[Press] = {("InvitePlace", "asking.field")}


def test_every_action_of_a_place_is_pressed_by_a_test() -> None:
    declared = said(presses(place, pressed_in(place)).mark for place in ROOMS)
    for module in pkgutil.iter_modules(tests.tui.__path__):
        if module.name.startswith("test_"):
            for each in vars(import_module(f"tests.tui.{module.name}")).values():
                declared |= said(getattr(each, "pytestmark", ()))
    wanted = {(place.__name__, action.id) for place in places() for action in own(place)} - NEVER
    assert sorted(wanted - declared) == []
    shared = {action.id for action in ACTIONS if action.where in SHARED}
    assert sorted(press for press in declared - wanted if press[1] not in shared) == []
