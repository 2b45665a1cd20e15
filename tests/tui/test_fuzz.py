"""Random keys, letters, pastes and sizes: nothing crashes, no version is lost, and the interface answers at the end."""

from __future__ import annotations

import asyncio
import os
import random
from contextlib import nullcontext
from pathlib import Path

import pytest
from textual import events
from textual.keys import _character_to_key

from ghostie.tui.actions import ACTIONS
from ghostie.tui.app import GhostieApp
from ghostie.vault import open_vault
from ghostie.vault.vault import wall_clock
from tests.cli.device import HOSTILE
from tests.schedulers import stand_in
from tests.tui.house import PASSPHRASE, SIZES, House, Screen
from tests.tui.meeting import Meeting
from tests.vault.house import every_version

LEAVING = ("ctrl+q", "Q", "q")
OF_THE_REGISTRY = sorted({key for action in ACTIONS for key in action.keys} - {*LEAVING})
OFTEN = ("enter", "escape", "tab", "up", "down", "left", "right", "y", "backspace")
LETTERS = tuple("abcdefghijklmnopqrstuvwxyz /:#-é")
PASTES = (*HOSTILE, "plain words", "one\ntwo\nthree", "x" * 5_000, "")


class Fingers:
    """What somebody presses who looks at nothing. One seed always presses the same; what it meets takes its own time."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.pressed: list[str] = []

    async def press(self, screen: Screen) -> None:
        """Do one thing, and now and then wait for what it brings; what is typed ahead is to hold, too."""
        kind = self.dice.random()
        if kind < 0.55:
            self._key(screen, self.dice.choice(OF_THE_REGISTRY))
        elif kind < 0.75:
            self._key(screen, self.dice.choice(OFTEN))
        elif kind < 0.93:
            self._key(screen, self.dice.choice(LETTERS))
        elif kind < 0.935:
            self._key(screen, self.dice.choice(LEAVING))
        elif kind < 0.96:
            self._send(screen, events.Paste(self.dice.choice(PASTES)), "a paste")
        else:
            size = self.dice.choice((*SIZES, (1, 1)))
            self.pressed.append(f"{size}")
            await screen.pilot.resize_terminal(*size)
        if self.dice.random() < 0.1:
            await settled(screen)
        while screen.app._message_queue.qsize() > 3:
            await asyncio.sleep(0)

    def _key(self, screen: Screen, key: str) -> None:
        letter = PUNCTUATION.get(key, key if len(key) == 1 else None)
        self._send(screen, events.Key(_character_to_key(key) if len(key) == 1 else key, letter), key)

    def _send(self, screen: Screen, event: events.Event, said: str) -> None:
        self.pressed.append(said)
        driver = screen.app._driver
        assert driver is not None
        driver.send_message(event)


PUNCTUATION = {
    "space": " ",
    "slash": "/",
    "colon": ":",
    "question_mark": "?",
    "comma": ",",
    "full_stop": ".",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
}


def over(screen: Screen) -> bool:
    return screen.app.ending or screen.app._exit


async def settled(screen: Screen) -> None:
    """Wait until nothing that was asked is under way, or the screens were left."""
    await screen.until(
        lambda: over(screen) or screen.app.keeper is None or not screen.app.keeper._pending, "all answers"
    )


async def unlock(screen: Screen) -> None:
    await screen.at("unlock")
    # what was typed ahead may be a passphrase, too, which is being looked at
    await screen.until(lambda: over(screen) or not (screen.place.asking or screen.place._held), "what was typed before")
    if over(screen) or screen.place.NAME != "unlock":
        return
    await screen.press("ctrl+a", "ctrl+k")
    await screen.type(PASSPHRASE)
    await screen.press("enter")
    await screen.until(lambda: screen.place.NAME != "unlock", "the end of the lock")


async def comes_back(screen: Screen) -> None:
    """See that the interface answers: from wherever it is to the list, to the help, and back."""
    await screen.resize(45, 30)
    await screen.until(lambda: screen.place._ready, "a place")
    if screen.place.NAME == "unlock":
        await unlock(screen)

    async def left() -> None:
        before = len(screen.app.screen_stack)
        await screen.press("escape", "escape")
        await settled(screen)
        assert len(screen.app.screen_stack) <= before

    for _ in range(30):
        if screen.place.NAME == "memories":
            break
        await left()
    await screen.at("memories")
    await screen.press("escape", "escape", "escape", "question_mark")
    await screen.at("help")
    await screen.press("escape")
    await screen.at("memories")


def furnish(house: House) -> None:
    """Put something of everything into the vault, and a store beside it."""
    meeting = Meeting(house)
    house.bring(30, category="net", tags=["lan", "old"])
    house.add(*HOSTILE, *(f"for the inbox {number}" for number in range(12)), status="inbox")
    house.add("\n".join(f"line {number}" for number in range(400)), "x" * 20_000)
    (changed,) = house.add("changed on the phone later")
    gone = house.add("removed one", "removed two")
    house.vault.remove(gone)
    for number in range(3):
        house.conflict(f"base {number}", f"mine {number}", f"theirs {number}", {"tags": ["there"]})
    meeting.sync(house.vault)
    meeting.sync(meeting.phone)
    meeting.phone.add("from the phone")
    meeting.phone.edit(changed, {"content": "changed on the phone"})
    meeting.sync(meeting.phone)
    house.vault.clock = wall_clock


def fuzz(house: House, seed: int, count: int) -> None:
    """Press *count* random keys, in as many sittings as they take."""
    furnish(house)
    before = set(house.vault.files.stems())
    fingers = Fingers(seed)
    left = count
    while left > 0:

        async def sitting(screen: Screen) -> None:
            nonlocal left
            await screen.at("memories")
            while left > 0 and not over(screen):
                left -= 1
                await fingers.press(screen)
                if not over(screen) and screen.place.NAME == "unlock" and screen.place._ready:
                    await unlock(screen)
            if not over(screen):
                await comes_back(screen)

        try:
            house.run(sitting, size=fingers.dice.choice(SIZES), quick=False)  # a paste of 5,000 letters is one event
        except BaseException:
            print(f"seed {seed}, after {len(fingers.pressed)}; the last: {' '.join(fingers.pressed[-60:])}")
            raise
    opened = open_vault(house.vault.layout.home, passphrase=PASSPHRASE)
    opened.refresh()
    assert before <= set(opened.files.stems()), f"seed {seed}: versions are gone"
    assert len(every_version(opened)) >= len(before)
    opened.close()


@pytest.fixture(autouse=True)
def harmless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No scheduler of this machine is asked, and the editor only adds a line."""
    script = tmp_path / "editor"
    script.write_text('#!/bin/sh\necho "from the editor" >> "$1"\n')
    script.chmod(0o700)
    monkeypatch.setenv("EDITOR", str(script))
    monkeypatch.setenv("PATH", stand_in(tmp_path / "tools", "crontab"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(GhostieApp, "suspend", lambda self: nullcontext())


def test_random_keys_break_nothing(house: House) -> None:
    fuzz(house, 1, 300)


@pytest.mark.slow
def test_many_random_keys_break_nothing(house: House) -> None:
    fuzz(house, int(os.environ.get("FUZZ_SEED", "2")), 5_000)
