"""Locking and unlocking."""

from __future__ import annotations

from textual import events

from tests.tui.house import PASSPHRASE, House, Screen


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
        for letter in PASSPHRASE:
            screen.app.post_message(events.Key("space" if letter == " " else letter, letter))
        screen.app.post_message(events.Key("enter", "\r"))
        await screen.sees("behind the lock")

    house.run(story, locked=True)
