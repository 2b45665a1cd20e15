"""Whatever a sync can alarm, note or end with is explained on the screen, with what to do."""

from __future__ import annotations

import ast
import inspect
from functools import cache
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import ghostie
from ghostie import errors
from ghostie.errors import GhostieError
from ghostie.sync.log import ALARMS
from ghostie.sync.notices import NOTICES, Notice
from ghostie.tui import bases, explain
from ghostie.tui.actions import Keymap
from ghostie.tui.app import GhostieApp
from ghostie.tui.keeper import told
from ghostie.tui.pages import Page
from ghostie.tui.place import Long
from ghostie.tui.screens.sync import SyncPlace
from tests.tui.house import House, Screen
from tests.tui.meeting import Meeting

PACKAGE = Path(ghostie.__file__).parent
SOURCES = sorted(path for part in ("sync", "backends") for path in (PACKAGE / part).glob("*.py"))


@cache
def ends() -> dict[str, type[GhostieError]]:
    """Return the errors that a sync may end with: those that its modules and the stores' raise or have of their own."""
    found: dict[str, type[GhostieError]] = {}
    for path in SOURCES:
        module = import_module(f"ghostie.{path.parent.name}.{path.stem}")
        known = {
            name: each for name, each in inspect.getmembers(module, inspect.isclass) if issubclass(each, GhostieError)
        }
        for node in ast.walk(ast.parse(path.read_text())):
            made = node.exc if isinstance(node, ast.Raise) else node.value if isinstance(node, ast.Return) else None
            name = made.func.id if isinstance(made, ast.Call) and isinstance(made.func, ast.Name) else ""
            each = known.get(name) or getattr(errors, name, None)
            if inspect.isclass(each) and issubclass(each, GhostieError):
                found[name] = each
        found |= {name: each for name, each in known.items() if each.__module__ == module.__name__}
    return found


def test_the_errors_are_found_where_they_are_raised() -> None:
    assert {"StoreChanged", "AuthFailed", "Brake", "SyncBusy", "NothingOpens", "QuotaExceeded"} <= ends().keys()


@pytest.mark.parametrize("name", sorted(ends()))
def test_every_error_is_explained(name: str) -> None:
    above = [each.__name__ for each in ends()[name].__mro__]
    assert any(each in explain.ERRORS for each in above), name


def test_every_alarm_and_every_notice_is_explained_and_no_other() -> None:
    assert explain.ALARMS.keys() == ALARMS.keys()
    assert explain.NOTICES.keys() == NOTICES.keys()


@pytest.mark.parametrize("of", ["ALARMS", "NOTICES", "ERRORS"])
def test_an_explanation_says_what_to_do_by_keys_that_there_are(of: str) -> None:
    keymap = Keymap()
    for name, each in getattr(explain, of).items():
        said = each.said(lambda action: keymap.shown(keymap.get(f"sync.{action}")))
        assert each.means and each.do and "{" not in said, name


def test_the_screen_says_all_of_them(house: House) -> None:
    Meeting(house)

    async def story(screen: Screen) -> None:
        await screen.press("S")
        await screen.sees("nothing to send", "Nothing would move")
        place = screen.place
        assert isinstance(place, SyncPlace) and place._found is not None

        def says(*said: str) -> None:
            lines = place.query_one(Page)._lines  # painting forty pages whole would take a while
            words = " ".join(" ".join(piece for piece, _ in line) for line in lines)
            assert all(each in " ".join(words.split()) for each in said), (said, words)

        for kind in ALARMS:
            alarm = {"kind": kind, "writer": "0" * 16, "sentence": f"the alarm {kind}"}
            place._stands({**place._found, "alarms": [alarm]})
            says(f"the alarm {kind}", place_says(explain.ALARMS[kind]))
        noticed = [{"kind": kind, "sentence": Notice(kind, "phone").sentence()} for kind in NOTICES]
        place._stands({**place._found, "alarms": [], "notices": noticed})
        says(*(place_says(explain.NOTICES[kind]) for kind in NOTICES))
        for name in sorted(ends()):
            place._not_moved(told({"kind": name, "words": f"it was {name}", "way_out": None, "facts": {}}))
            place.show()
            # of a class that the interface does not know only the name is told
            names = [name, *(each.__name__ for each in ends()[name].__mro__ if hasattr(errors, name))]
            nearest = next((each for each in names if each in explain.ERRORS), "")
            expected = explain.ERRORS[nearest] if nearest else None
            says(f"it was {name}", *([place_says(expected)] if expected else ["nothing is lost"]))

    def place_says(each: explain.Explained) -> str:
        keymap = Keymap()
        return " ".join(each.said(lambda action: keymap.shown(keymap.get(f"sync.{action}"))).split())

    house.run(story, size=(100, 40), quick=False)  # forty pages at one stretch


def test_how_far_a_sync_is_how_quick_and_that_it_waits_are_said_until_it_is_stopped(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    Meeting(house)
    house.add("one")
    begun: dict[str, Any] = {}
    ask_long = GhostieApp.ask_long

    def held(
        self: GhostieApp, place: Any, task: str, given: Any, then: Any, failed: Any, progress: Any, **more: Any
    ) -> Long:
        if task != "sync.move":
            return ask_long(self, place, task, given, then, failed, progress, **more)
        begun.update(long=Long(), progress=progress)
        return begun["long"]  # type: ignore[no-any-return]

    monkeypatch.setattr(GhostieApp, "ask_long", held)
    now = [100.0]
    monkeypatch.setattr(bases, "time", SimpleNamespace(monotonic=lambda: now[0]))

    async def story(screen: Screen) -> None:
        await screen.press("S")
        await screen.sees("1 version to send", "a sync would")
        await screen.press("enter")
        await screen.sees("… syncing")
        begun["progress"]({"doing": "sending", "done": 0, "total": 40_000, "bytes": True})
        now[0] += 2.0
        begun["progress"]({"doing": "sending", "done": 10_000, "total": 40_000, "bytes": True})
        await screen.sees("sending 10 kB of 40 kB · 5.0 kB/s", " 25 %")
        begun["progress"]({"pause": "the store asks to wait: too many requests", "seconds": 7.0, "left": 2})
        await screen.sees("too many requests: trying again in 7 s, 2 tries left")
        await screen.press("c")
        await screen.sees("stopping …")
        assert begun["long"].cancelled

    house.run(story, size=(80, 40))


def test_what_is_on_its_way_and_what_other_programs_left_are_said_and_explained(house: House) -> None:
    meeting = Meeting(house)
    meeting.sync(house.vault)
    for content in ("first", "second", "third"):
        meeting.phone.add(content)
        meeting.sync(meeting.phone)
    (late,) = meeting.folder.glob("ghostie/*/memories/2-2.*.seg")
    (late.parent / "Thumbs.db").write_bytes(b"x")
    late.rename(meeting.folder.parent / "held")

    async def story(screen: Screen) -> None:
        await screen.press("S")
        await screen.sees("On its way", "a day and three", "litter     Thumbs.db")
        assert "the store is not as it should be" not in screen.text()
        (meeting.folder.parent / "held").rename(late)
        await screen.press("p")
        await screen.sees("Took in 3 versions")
        await screen.no_longer_sees("On its way")

    house.run(story, size=(100, 44))


def test_very_many_junk_objects_are_one_alarm_with_one_explanation(house: House) -> None:
    meeting = Meeting(house)
    meeting.phone.add("first")
    meeting.sync(meeting.phone)
    meeting.sync(house.vault)
    folder = meeting.folder / "ghostie" / meeting.phone.device.writer / "memories"
    for number in range(300):
        (folder / f"2-{number + 2}.{number:016x}.seg").write_bytes(b"junk")

    async def story(screen: Screen) -> None:
        await screen.press("S")
        await screen.sees("1 alarm:", "300 objects", "Look who has access")

    house.run(story, size=(100, 44))
