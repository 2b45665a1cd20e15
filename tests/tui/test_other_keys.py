"""The keys of each place that no other story presses: one story a place."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest

from ghostie.paths import Layout
from ghostie.tui.app import GhostieApp
from ghostie.tui.screens.beginning import BeginningPlace
from ghostie.tui.screens.conflicts import ConflictPlace
from ghostie.tui.screens.devices import DevicesPlace, InvitePlace
from ghostie.tui.screens.finding import FilterPlace, PalettePlace
from ghostie.tui.screens.inbox import InboxPlace
from ghostie.tui.screens.memories import DetailPlace, MemoriesPlace
from ghostie.tui.screens.sync import SyncPlace
from ghostie.tui.screens.unlock import UnlockPlace
from ghostie.vault.query import DIGITS, save_filter
from tests.schedulers import stand_in
from tests.tui.house import PASSPHRASE, House, Screen, show
from tests.tui.meeting import Meeting
from tests.tui.pressing import presses


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An editor that writes a line of its own instead of what it is given; there is no terminal to hand over."""
    script = tmp_path / "editor"
    script.write_text('#!/bin/sh\nprintf "from the editor\\n" > "$1"\n')
    script.chmod(0o700)
    monkeypatch.setenv("EDITOR", str(script))
    monkeypatch.setattr(GhostieApp, "suspend", lambda self: nullcontext())


def is_at(screen: Screen, memory: str) -> bool:
    return screen.here() == memory


@presses(MemoriesPlace, "keep")
@presses(MemoriesPlace, " ".join(f"saved_{digit}" for digit in DIGITS))
@presses(FilterPlace, "down up")
@presses(PalettePlace, "down up")
def test_each_digit_shows_its_filter_and_what_is_shown_is_kept(house: House) -> None:
    for digit in DIGITS:
        house.add(f"number {digit}", category=f"c{digit}", status="archived")
        save_filter(house.vault, digit, f"cat:c{digit}")

    async def story(screen: Screen) -> None:
        await screen.sees("number 9")
        await screen.settled()
        for digit in DIGITS:
            await screen.press(str(digit))
            await screen.sees("1 found", f"cat:c{digit}")
            await screen.until(partial(is_at, screen, f"number {digit}"), "what it holds for")
        await screen.press("y")
        await screen.sees("kept 1 memory")
        await screen.press("0", "F")
        await screen.at("filter")
        await screen.sees("status:active")
        await screen.type("c")
        await screen.no_longer_sees("is:deleted")
        await screen.press("down", "down", "up", "enter")
        await screen.sees("[x] ")
        await screen.press("escape", "colon")
        await screen.at("palette")
        await screen.type("filter ")
        await screen.press("down", "down", "up", "enter")
        await screen.sees("1 found", "cat:c")

    house.run(story)
    kept = [entry.excerpt for entry in house.fresh().select() if entry.row.get("status", "active") == "active"]
    assert kept == ["number 9"]


@presses(DetailPlace, "edit editor keep archive forget restore category tag history next previous")
def test_one_memory_that_is_looked_at_is_changed_by_every_key(house: House, editor: None) -> None:
    first, second = house.add("the first", "the second")

    async def story(screen: Screen) -> None:
        await screen.sees("the second")
        await screen.press("enter")
        await screen.at("detail")
        await screen.sees("1 of 2", "the second")
        await screen.press("n")
        await screen.sees("2 of 2", "the first")
        await screen.press("p")
        await screen.sees("1 of 2", "the second")
        await screen.press("A")
        await screen.sees("archived 1 memory")
        await screen.settled()
        await screen.press("y")
        await screen.sees("kept 1 memory")
        await screen.settled()
        await screen.press("c")
        await screen.at("line")
        await screen.type("odd")
        await screen.press("enter")
        await screen.sees("categorised 1 memory", "odd")
        await screen.settled()
        await screen.press("t")
        await screen.at("line")
        await screen.type("one two")
        await screen.press("enter")
        await screen.sees("tagged 1 memory", "#one #two")
        await screen.settled()
        await screen.press("e")
        await screen.at("form")
        await screen.type("edited: ")
        await screen.press("ctrl+s")
        await screen.sees("saved", "edited: the second")
        await screen.press("H")
        await screen.at("history")
        await screen.sees("6 versions")
        await screen.press("q")
        await screen.at("detail")
        await screen.press("E")
        await screen.sees("saved", "from the editor")
        await screen.settled()
        await screen.press("x")
        await screen.sees("removed 1 memory")
        await screen.settled()
        await screen.press("R")
        await screen.sees("brought back 1 memory")

    house.run(story, size=(60, 30))
    assert house.contents() == {"the first", "from the editor"}
    row = house.vault.find(second).row
    assert (row["category"], row["tags"], row.get("status", "active")) == ("odd", ["one", "two"], "active")
    assert len(house.vault.find(first).versions) == 1


@presses(InboxPlace, "edit editor history")
def test_what_waits_is_edited_before_it_is_kept(house: House, editor: None) -> None:
    house.add("for the editor", "for the form", status="inbox")

    async def story(screen: Screen) -> None:
        await screen.sees("for the form")
        await screen.press("i")
        await screen.sees("1 of 2", "for the form")
        await screen.press("e")
        await screen.at("form")
        await screen.type("edited ")
        await screen.press("ctrl+s")
        await screen.sees("saved", "edited for the form", "1 of 2")
        await screen.press("H")
        await screen.at("history")
        await screen.sees("2 versions")
        await screen.press("q")
        await screen.at("inbox")
        await screen.press("y")
        await screen.sees("2 of 2", "for the editor")
        await screen.settled()
        await screen.press("E")
        await screen.sees("saved", "from the editor")
        await screen.settled()
        await screen.press("y")
        await screen.sees("2  kept", "2  edited")

    house.run(story)
    assert house.contents() == {"edited for the form", "from the editor"}


@presses(ConflictPlace, "editor previous_conflict")
def test_a_conflict_is_written_in_the_editor(house: House, editor: None) -> None:
    first = house.conflict("one", "one, mine", "one, theirs")
    house.conflict("two", "two, mine", "two, theirs")

    async def story(screen: Screen) -> None:
        await screen.sees("2 conflicts")
        await screen.press("C")
        await screen.at("conflicts")
        await screen.until(screen.here, "a conflict")
        await screen.press("enter")
        await screen.at("conflict")
        await screen.sees("Conflict 1 of 2", "two, mine")
        await screen.press("left_square_bracket")
        await screen.sees("Conflict 2 of 2", "one, mine")
        await screen.press("E")
        await screen.sees("as you wrote it", "from the editor")
        await screen.press("enter")
        await screen.sees("settled, 1 left", "two, mine")

    house.run(story)
    assert house.vault.shown(house.fresh().find(first)).field("content") == "from the editor\n"
    assert not house.vault.find(first).in_conflict


@presses(SyncPlace, "pull push join")
@presses(DevicesPlace, "invite")
@presses(InvitePlace, "previous show")
def test_one_way_is_synced_and_the_questions_lead_back(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", stand_in(tmp_path / "tools", "crontab"))
    meeting = Meeting(house)
    meeting.phone.add("from the phone")
    meeting.sync(meeting.phone)
    house.add("from the laptop")

    async def story(screen: Screen) -> None:
        await screen.sees("from the laptop")
        await screen.press("S")
        await screen.sees("1 version to take in")
        await screen.press("P")
        await screen.sees("Sent 1 version")
        assert "Took in" not in screen.text()
        await screen.press("p")
        await screen.sees("Took in 1 version")
        assert "Sent" not in screen.text()
        await screen.press("d")
        await screen.at("devices")
        await screen.sees("phone")
        await screen.press("i")
        await screen.sees("How long")
        await screen.press("j", "enter")
        await screen.sees("Asked for although")
        await screen.type("seen by nobody")
        assert "seen by" not in screen.text()
        await screen.press("ctrl+r")
        await screen.sees("seen by nobody")
        await screen.press("ctrl+b")
        await screen.sees("How long", "› A day")
        await screen.press("escape")
        await screen.at("devices")
        await screen.press("q", "J")
        await screen.sees("The code that the other device shows")
        await screen.press("escape")
        await screen.at("sync")

    house.run(story, size=(60, 40))
    meeting.sync(meeting.phone)
    assert {str(meeting.phone.shown(each).field("content")) for each in meeting.phone.select()} == house.contents()
    assert house.contents() == {"from the laptop", "from the phone"}


@presses(BeginningPlace, "previous field")
def test_the_first_run_goes_back_and_between_its_fields(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "home")

    async def story(screen: Screen) -> None:
        await screen.sees("Make a new vault")
        await screen.press("enter")
        await screen.sees("What is this device called?")
        await screen.press(*["backspace"] * 64)
        await screen.type("desk")
        await screen.press("enter")
        await screen.sees("The passphrase")
        await screen.press("tab")
        await screen.type(PASSPHRASE)
        await screen.press("shift+tab")
        await screen.type(PASSPHRASE)
        await screen.sees("the two are the same")
        await screen.press("ctrl+b")
        await screen.sees("What is this device called?", "desk")
        await screen.press("ctrl+b")
        await screen.sees("Make a new vault")

    show(layout, None, story, size=(60, 34))
    assert not layout.home.exists()


@presses(UnlockPlace, "show")
def test_a_passphrase_is_shown_when_one_asks_for_it(house: House) -> None:
    async def story(screen: Screen) -> None:
        await screen.at("unlock")
        await screen.type("four plain")
        assert "four" not in screen.text()
        await screen.press("ctrl+r")
        await screen.sees("four plain")
        await screen.press("ctrl+r")
        await screen.no_longer_sees("four plain")

    house.run(story, locked=True)
