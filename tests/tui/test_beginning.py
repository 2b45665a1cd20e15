"""The first run: a vault is made or joined, one question a page, and nothing that was done is lost."""

from __future__ import annotations

from pathlib import Path

from textual import events

from ghostie.paths import Layout
from ghostie.sync import pairing
from ghostie.tui.screens.beginning import BeginningPlace
from ghostie.tui.tasks.beginning import EXAMPLES
from ghostie.vault import open_vault
from ghostie.vault.formats import read_paths
from ghostie.vault.vault import wall_clock
from tests.tui.house import PASSPHRASE, House, Screen, show
from tests.tui.meeting import Meeting
from tests.tui.pressing import presses

DOCS = Path(__file__).resolve().parents[2] / "docs" / "examples"


async def make(screen: Screen) -> None:
    """Go as far as the recovery words of a new vault."""
    await screen.sees("Make a new vault")
    await screen.press("enter")
    await screen.sees("What is this device called?")
    await screen.press("enter")
    await screen.sees("The passphrase")
    await screen.type("short")
    await screen.sees("too short: 3 more")
    await screen.press("enter")
    await screen.sees("a passphrase has 8 characters")
    await screen.press("backspace", "backspace", "backspace", "backspace", "backspace")
    await screen.type(PASSPHRASE)
    await screen.press("enter")
    await screen.type(PASSPHRASE)
    await screen.sees("weak: somebody", "the two are the same")
    assert PASSPHRASE not in screen.text()
    await screen.press("ctrl+r")
    await screen.sees(PASSPHRASE)
    await screen.press("ctrl+r", "enter")
    await screen.sees("Write these 24 words down")


@presses(BeginningPlace, "next show")
def test_a_vault_is_made_its_words_are_proved_and_there_is_something_to_play_with(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "home")
    (tmp_path / "store").mkdir()

    async def story(screen: Screen) -> None:
        await make(screen)
        place = screen.place
        assert isinstance(place, BeginningPlace)
        words = list(place._words)
        await screen.sees(*(f"{number:>2} {word}" for number, word in enumerate(words, 1)))
        await screen.press("enter")
        await screen.sees("Word ")
        await screen.type("wrong")
        await screen.press("enter")
        await screen.sees("that is not word")
        for at in place._prove:
            await screen.sees(f"Word {at + 1}?")
            await screen.type(words[at])
            await screen.press("enter")
        await screen.sees("Where do your devices meet?")
        await screen.press("j", "enter")
        await screen.sees("Which folder?")
        await screen.type(str(tmp_path / "not there"))
        await screen.press("enter")
        await screen.sees("cannot be reached")
        await screen.press("enter")
        await screen.sees("Which folder?", "not there")
        await screen.type(str(tmp_path / "store"))
        await screen.press("enter")
        await screen.sees("A few memories to play with?")
        await screen.press("j", "enter")
        await screen.at("memories")
        await screen.sees("A restored backup")

    show(layout, None, story, size=(60, 34))
    vault = open_vault(layout.home, passphrase=PASSPHRASE)
    vault.refresh()
    assert len(vault.select()) == 10
    assert layout.sync_config.exists() and not layout.first_run.exists()
    vault.close()


@presses(BeginningPlace, "later")
def test_who_leaves_in_the_middle_is_asked_the_rest_the_next_time(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "home")

    async def begun(screen: Screen) -> None:
        await make(screen)
        await screen.press("ctrl+l")
        await screen.at("memories")
        await screen.press("L")
        await screen.at("unlock")
        await screen.type(PASSPHRASE)
        await screen.press("enter")
        await screen.sees("Write these 24 words down")
        for size in ((54, 25), (50, 14), (112, 6), (0, 0), (45, 24)):
            await screen.resize(*size)
        await screen.sees("Write these 24 words down")
        await screen.press("escape")
        await screen.at("memories")

    show(layout, None, begun, size=(45, 30))
    assert layout.first_run.exists()


def test_leaving_before_there_is_a_vault_leaves_nothing(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "home")

    async def story(screen: Screen) -> None:
        await screen.sees("Make a new vault")
        await screen.press("enter")
        await screen.sees("What is this device called?")
        await screen.press("escape")
        await screen.sees("Make a new vault")
        await screen.press("escape")

    show(layout, None, story, size=(45, 30))
    assert not layout.home.exists()


def test_a_vault_is_joined_by_a_code_and_the_passphrase(house: House, tmp_path: Path) -> None:
    meeting = Meeting(house)
    house.add("from the laptop")
    meeting.sync(house.vault)
    # the keeper has no clock but the system's
    house.vault.clock = wall_clock
    code = pairing.invite(meeting.link(house.vault), PASSPHRASE, seconds=3600).code
    layout = Layout(tmp_path / "tablet")

    async def story(screen: Screen) -> None:
        await screen.sees("Join by a code")
        await screen.press("j", "enter")
        await screen.sees("The code that the other device shows")
        await screen.type("GH1AAAA")
        await screen.press("enter")
        await screen.sees("it is cut")
        await screen.press(*["backspace"] * 7)
        lines = "\n".join(code[at : at + 40] for at in range(0, len(code), 40))
        assert screen.place.focused is not None
        screen.place.focused.post_message(events.Paste(lines))
        await screen.until(lambda: code[-20:] in screen.text())
        await screen.press("enter")
        await screen.sees("The passphrase of that vault")
        await screen.type("another passphrase")
        await screen.press("enter")
        await screen.sees("What is this device called?")
        await screen.press("enter")
        await screen.sees("The passphrase of that vault", "! ")
        await screen.type(PASSPHRASE)
        await screen.press("enter")
        await screen.at("memories")
        await screen.press("S")
        await screen.sees("+ 1 new")
        await screen.press("enter")
        await screen.sees("Took in 1 version")

    show(layout, None, story, size=(60, 34))


def test_the_examples_are_those_of_the_docs() -> None:
    documented = [found.record for found in read_paths([DOCS])]
    shipped = [found.record for found in read_paths([EXAMPLES])]
    assert len(shipped) == 10
    assert all(each is not None and each in documented for each in shipped)
