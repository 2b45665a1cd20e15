"""What goes wrong: said in words, nothing lost, the program stays; and a fault of ours shows nothing of the vault."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from ghostie import files
from ghostie.tui.actions import Action
from ghostie.tui.screens.memories import MemoriesPlace
from tests.cli.device import Device

from .house import PASSPHRASE, House, Screen

CANARY = "canary-4f1d"


@pytest.mark.parametrize("debug", [None, "1"])
@pytest.mark.parametrize("where", ["key", "answer", "timer"])
def test_a_fault_ends_in_one_line_and_shows_no_value(laptop: Device, debug: str | None, where: str) -> None:
    at = {
        "key": "self.app.call_later(boom)",
        "answer": 'self.ask("memories.in_use", boom)',
        "timer": "self.set_timer(0.01, boom)",
    }[where]
    before = f"""
from ghostie.tui.screens import memories
def boom(_=None):
    passphrase = "{CANARY}-local"
    raise ValueError("{CANARY}-words " + passphrase)
opened = memories.MemoriesPlace.opened
def breaks(self):
    opened(self)
    {at}
memories.MemoriesPlace.opened = breaks
"""
    env = {"TERM": "xterm-256color", **({"GHOSTIE_DEBUG": debug} if debug else {})}
    code, seen = laptop.on_terminal("review", env=env, before=before)
    said = seen.decode(errors="replace")
    assert code == 1
    assert CANARY not in said
    assert "ghostie: error: a fault in ghostie (ValueError)" in said
    assert ("in boom" in said) == bool(debug)


def test_a_fault_in_the_keeper_is_told_without_its_words(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.add("one")

    async def story(screen: Screen) -> None:
        await screen.sees("one")
        screen.place.ask("memories.rows", ids=[7, {"x": CANARY}])
        await screen.sees("a fault in ghostie (TypeError)")
        assert CANARY not in screen.text()
        await screen.press("j")

    house.run(story)


def test_a_keeper_that_dies_is_said_and_the_vault_opens_again(house: House) -> None:
    house.add("one")

    async def story(screen: Screen) -> None:
        await screen.sees("one")
        assert screen.app.keeper is not None
        os.kill(screen.app.keeper.pid, signal.SIGKILL)
        await screen.at("unlock")
        await screen.sees("the process that holds the vault has ended")
        await screen.type(PASSPHRASE)
        await screen.press("enter")
        await screen.sees("one")

    house.run(story)


def test_a_vault_that_vanishes_is_said_and_comes_back(house: House, tmp_path: Path) -> None:
    house.add("one", "two")
    home, away = house.vault.layout.home, tmp_path / "away"

    async def story(screen: Screen) -> None:
        await screen.sees("two")
        await screen.elsewhere(lambda: home.rename(away))
        await screen.press("x")
        await screen.sees("could not")
        shutil.rmtree(home, ignore_errors=True)
        away.rename(home)
        await screen.press("r")
        await screen.sees("two")
        await screen.press("x")
        await screen.sees("removed 1 memory")

    house.run(story)
    assert house.contents() == {"one"}


def test_a_busy_vault_is_said_and_the_change_can_be_made_again(house: House) -> None:
    house.add("one")

    async def story(screen: Screen) -> None:
        await screen.sees("one")
        with files.locked(house.vault.layout.lock):
            await screen.press("x")
            await screen.sees("another ghostie process is writing")
        await screen.press("x")
        await screen.sees("removed 1 memory")

    house.run(story)


def test_a_wrong_filter_is_said_while_one_types_and_the_list_stays(house: House) -> None:
    house.add("one")

    async def story(screen: Screen) -> None:
        await screen.sees("one")
        await screen.press("slash")
        await screen.type("colour:red")
        await screen.sees("is no condition")
        await screen.press("escape", "escape")
        await screen.sees("one")

    house.run(story)


def test_an_action_that_has_no_hand_is_left_out(house: House) -> None:
    async def story(screen: Screen) -> None:
        await screen.at("memories")
        nothing = Action("memories.nothing", ("Z",), "nothing", "memories")
        assert not screen.place.applies(nothing)

    assert MemoriesPlace.NAME == "memories"
    house.run(story)
