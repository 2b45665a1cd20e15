"""On the screens, a lost vault comes back by the 24 words: chosen at once or after a wrong passphrase, and never shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events

from ghostie.backends.folder import FolderStore
from ghostie.crypto.keys import new_keys, next_epoch, parse, to_words, unwrap, wrap
from ghostie.crypto.unlock import read_key_file
from ghostie.paths import Layout
from ghostie.sync.segment import key_name
from ghostie.tui.keeper import Keeper
from ghostie.tui.screens.beginning import BeginningPlace
from ghostie.vault import open_vault
from tests.tui.house import MASTER, PASSPHRASE, House, Screen, show
from tests.tui.meeting import Meeting
from tests.tui.pressing import presses

NEW = "velvet anchor mosaic thimble"
WORDS = to_words(MASTER)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Keeper, "PROGRAM", "tests.tui.hurried")
    monkeypatch.setenv("PATH", str(tmp_path))  # no scheduler of this machine is asked


@pytest.fixture
def store(house: House, tmp_path: Path) -> Path:
    """A folder that holds the house's vault, with one memory."""
    meeting = Meeting(house)
    house.add("what was remembered")
    meeting.sync(house.vault)
    return meeting.folder


async def reads(screen: Screen, *words: str) -> None:
    """Wait until all of *words* are on the screen, wherever its lines end."""
    await screen.until(lambda: all(map(" ".join(screen.text().split()).__contains__, words)), f"{words}")


async def paste(screen: Screen, said: str) -> None:
    await screen.settled()
    await screen.press("ctrl+u")
    assert screen.place.focused is not None
    screen.place.focused.post_message(events.Paste(said))


async def as_far_as_the_passphrase(screen: Screen, store: Path) -> None:
    await reads(screen, "Join on a store")
    await screen.tap_on("Join on a store")
    await screen.tap_on("A folder")
    await reads(screen, "Which folder?")
    await paste(screen, str(store))
    await screen.press("enter")
    await reads(screen, "The vault's passphrase", "Leave it empty")


async def by_words(screen: Screen) -> None:
    """Give the words with a slip first, and the new passphrase."""
    await reads(screen, "The 24 recovery words", "0 of 24 words")
    await screen.type("abandon nosuchword ")
    await reads(screen, "2 of 24 words", "not on the list: word 2")
    await screen.press("enter")
    await reads(screen, "these are not this vault's 24 recovery words")
    await paste(screen, "\n".join(WORDS))
    await reads(screen, "24 of 24 words")
    assert not any(word in screen.text() for word in WORDS if len(word) > 6), "they are not shown"
    await screen.press("enter")
    await reads(screen, "A new passphrase")
    await screen.type("password")
    await screen.press("enter")
    await reads(screen, "too weak: it is among the first million")
    await screen.press("ctrl+u")
    await a_better_passphrase(screen)


async def a_better_passphrase(screen: Screen) -> None:
    await screen.type(NEW)
    await reads(screen, "strong: nobody guesses this")
    await screen.press("enter")
    await screen.type(NEW)
    await reads(screen, "the two are the same")
    assert NEW not in screen.text()
    await screen.press("enter")


@presses(BeginningPlace, "next")
@pytest.mark.parametrize(
    "wrong_first",
    [pytest.param(False, id="at once", marks=pytest.mark.slow), pytest.param(True, id="after a wrong passphrase")],
)
def test_a_vault_is_joined_by_the_words(house: House, store: Path, tmp_path: Path, wrong_first: bool) -> None:
    layout = Layout(tmp_path / "tablet")

    async def story(screen: Screen) -> None:
        await as_far_as_the_passphrase(screen, store)
        if wrong_first:
            await screen.type("this one is wrong")
            await screen.press("enter")
            await reads(screen, "What is this device called?")
            await screen.press("enter")
            await reads(screen, "this passphrase does not open the vault on the store", "The 24 words instead")
            await screen.tap_on("The 24 words instead")
        else:
            await screen.press("enter")
        await by_words(screen)
        if not wrong_first:
            await reads(screen, "What is this device called?")
            await screen.press("enter")
        await reads(screen, "Which passphrase opens what", "opens this device and the store")
        await screen.press("enter")
        await screen.at("memories")
        await screen.press("S")
        await reads(screen, "+ 1 new")

    show(layout, None, story, size=(45, 30))
    vault = open_vault(layout.home, passphrase=NEW)
    assert vault.keys == MASTER
    vault.close()
    (slot,) = FolderStore(store).list("ghostie/global")
    assert unwrap(parse(FolderStore(store).get(slot.key)), NEW) == MASTER
    kept = b"\n".join(path.read_bytes() for path in layout.home.rglob("*") if path.is_file())
    assert NEW.encode() not in kept and " ".join(WORDS[:2]).encode() not in kept


def test_words_of_an_older_key_lead_to_the_passphrase(house: House, store: Path, tmp_path: Path) -> None:
    there = FolderStore(store)
    (old,) = there.list("ghostie/global")
    newer = wrap(next_epoch(MASTER), PASSPHRASE, read_key_file(house.vault.layout).cost)
    there.write({key_name(newer.digest): newer.spelt()}, [old.key])
    layout = Layout(tmp_path / "tablet")

    async def story(screen: Screen) -> None:
        await as_far_as_the_passphrase(screen, store)
        await screen.press("enter")
        await reads(screen, "The 24 recovery words")
        await paste(screen, " ".join(WORDS))
        await screen.press("enter")
        await reads(screen, "A new passphrase")
        await a_better_passphrase(screen)
        await reads(screen, "What is this device called?")
        await screen.press("enter")
        await reads(screen, "epoch 1, and the newest", "The passphrase instead", "24 recovery words")
        await screen.tap_on("The passphrase instead")
        await reads(screen, "The vault's passphrase")
        await screen.type(PASSPHRASE)
        await screen.press("enter")
        await screen.at("memories")

    show(layout, None, story, size=(60, 34))
    assert open_vault(layout.home, passphrase=PASSPHRASE).keys.current == 2


@pytest.mark.slow
def test_words_of_another_vault_can_be_given_again(house: House, store: Path, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "tablet")

    async def story(screen: Screen) -> None:
        await as_far_as_the_passphrase(screen, store)
        await screen.press("enter")
        await reads(screen, "The 24 recovery words")
        await paste(screen, " ".join(to_words(new_keys())))
        await screen.press("enter")
        await reads(screen, "A new passphrase")
        await a_better_passphrase(screen)
        await reads(screen, "What is this device called?")
        await screen.press("enter")
        await reads(screen, "they open no vault on this store")
        await screen.press("enter")
        await reads(screen, "The 24 recovery words", "0 of 24 words")
        await paste(screen, " ".join(WORDS))
        await screen.press("enter")
        await reads(screen, "Which passphrase opens what")
        await screen.press("enter")
        await screen.at("memories")

    show(layout, None, story, size=(60, 34))
    assert open_vault(layout.home, passphrase=NEW).keys == MASTER
