"""Locking and unlocking."""

from __future__ import annotations

import pytest

from ghostie.tui import app
from ghostie.tui.screens.unlock import UnlockPlace
from ghostie.tui.settings import Settings
from tests.tui.house import PASSPHRASE, House, Screen
from tests.tui.pressing import presses


@presses(UnlockPlace, "open")
def test_the_passphrase_opens_the_vault_and_a_wrong_one_is_said(house: House) -> None:
    house.add("behind the lock")

    async def story(screen: Screen) -> None:
        await screen.at("unlock")
        await screen.type("not this one")
        await screen.press("enter")
        await screen.sees("the passphrase does not open this vault")
        await screen.type(PASSPHRASE)
        await screen.press("enter")
        await screen.sees("behind the lock")

    house.run(story, locked=True, size=(45, 30))


def test_the_field_is_seen_at_every_size(house: House) -> None:
    async def story(screen: Screen) -> None:
        await screen.at("unlock")
        await screen.type("four")
        await screen.at_every_size("••••")

    house.run(story, locked=True)


def test_locking_drops_what_was_read_and_asks_again(house: House) -> None:
    house.add("a secret that was seen")

    async def story(screen: Screen) -> None:
        await screen.sees("a secret that was seen")
        before = screen.app.keeper
        assert before is not None
        await screen.press("L")
        await screen.at("unlock")
        assert "a secret" not in screen.text()
        before.wait(60)
        await screen.type(PASSPHRASE)
        await screen.press("enter")
        await screen.sees("a secret that was seen")

    house.run(story)


def test_what_is_typed_in_one_go_is_taken_in_order(house: House) -> None:
    house.add("behind the lock")

    async def story(screen: Screen) -> None:
        await screen.at("unlock")
        screen.write(f"{PASSPHRASE}\r")
        await screen.sees("behind the lock")

    house.run(story, locked=True)


def test_after_minutes_without_a_key_it_locks_by_itself(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.add("left lying open")
    slept, clock = [0.0], app._now
    monkeypatch.setattr(app, "_now", lambda: clock() + slept[0])
    monkeypatch.setattr(app, "WATCH", 0.02)

    async def story(screen: Screen) -> None:
        await screen.sees("left lying open")
        slept[0] = 110.0
        await screen.press("j")  # somebody is there
        slept[0] = 170.0
        await screen.press("question_mark")
        await screen.at("help")
        slept[0] = 300.0
        await screen.at("unlock")
        await screen.sees("locked after 2 min without a key")
        assert "left lying" not in screen.text()

    house.run(story, settings=Settings(lock_after=2))


def test_it_never_locks_by_itself_where_the_settings_say_so(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.add("left lying open")
    looked, slept, clock = [0], [0.0], app._now
    monkeypatch.setattr(app, "_now", lambda: clock() + slept[0])
    monkeypatch.setattr(app, "WATCH", 0.02)
    look = app.GhostieApp._look_at_the_clock

    def counted(self: app.GhostieApp) -> None:
        looked[0] += 1
        look(self)

    monkeypatch.setattr(app.GhostieApp, "_look_at_the_clock", counted)

    async def story(screen: Screen) -> None:
        await screen.sees("left lying open")
        slept[0] = 1e6
        before = looked[0]
        await screen.until(lambda: looked[0] > before + 2, "the timer")
        await screen.sees("left lying open")

    house.run(story, settings=Settings(lock_after=0))
