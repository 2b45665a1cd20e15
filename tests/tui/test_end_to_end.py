"""From nothing to two devices that agree: in a real terminal of a phone's size, by keys alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.device import PASSPHRASE, Scene
from tests.tui.test_terminal import Terminal, needs_tmux

pytestmark = [needs_tmux, pytest.mark.slow]


@pytest.fixture
def alone() -> Iterator[Scene]:
    """Two devices with nothing on them, and an empty folder where they may meet."""
    made = Scene()
    made.store.mkdir()
    yield made
    made.end()


@pytest.fixture
def screen(alone: Scene, short_folder: Path) -> Iterator[Terminal]:
    made = Terminal(short_folder, alone.device("laptop"))
    yield made
    made.end()


def recovery_words(screen: Terminal) -> dict[int, str]:
    """Return the words that stand on the screen, by their number."""
    screen.sees("Write these 24 words down", "24 ")
    found = {int(number): word for number, word in re.findall(r"\b(\d{1,2}) ([a-z]{3,})", screen.text())}
    assert set(found) >= set(range(1, 25)), screen.text()
    return found


def answer(screen: Terminal, question: str, said: str) -> None:
    screen.sees(question)
    screen.type(said)
    screen.keys("Enter")


def first_run(screen: Terminal, store: Path) -> None:
    """Make a vault, prove the recovery words, take a folder for a store, and the examples."""
    screen.sees("Make a new vault")
    screen.keys("Enter")
    screen.sees("What is this device called?")
    screen.keys("C-a", "C-k")
    answer(screen, "What is this device called?", "laptop")
    answer(screen, "The passphrase", PASSPHRASE)
    screen.type(PASSPHRASE)
    screen.sees("the two are the same")
    screen.keys("Enter")
    words = recovery_words(screen)
    screen.keys("Enter")
    first = proof(screen, words)
    proof(screen, words, but=first)
    screen.sees("Where do your devices meet?")
    screen.keys("j", "Enter")
    answer(screen, "Which folder?", str(store))
    screen.sees("A few memories to play with?")
    screen.keys("j", "Enter")
    screen.sees("Memories", "10", "A restored backup")


def proof(screen: Terminal, words: dict[int, str], but: int = 0) -> int:
    """Give the word that is asked for, and is not number *but*; return its number."""
    screen.until(lambda seen: (asked := re.search(r"Word (\d+)\?", seen)) is not None and int(asked[1]) != but)
    found = re.search(r"Word (\d+)\?", screen.text())
    assert found is not None
    screen.type(words[int(found[1])])
    screen.keys("Enter")
    return int(found[1])


def test_from_the_first_run_to_a_settled_conflict(alone: Scene, screen: Terminal) -> None:
    laptop, phone = alone.device("laptop"), alone.device("phone")
    screen.start()
    first_run(screen, alone.store)

    screen.keys("n")
    screen.sees("New memory")
    screen.type("the router is at 10.0.0.1")
    screen.keys("C-s")
    screen.sees("the router is at 10.0.0.1", "11")
    screen.keys("S")
    screen.sees("a sync would", "to send")
    screen.keys("Enter")
    screen.sees("Sent 11 versions")

    setup = ("sync", "setup", "--backend", "folder", "--path", str(alone.store), "--device-name", "phone")
    phone.ok(*setup, passphrase=PASSPHRASE)
    phone.unlock()
    phone.ok("sync", "pull")
    (router,) = (each for each in phone.ok("list", "--json", "-n", "0").json() if "router" in each["content"])
    phone.ok("edit", router["id"], "--content", "the router is at 10.0.0.2, says the phone")
    phone.ok("sync", "push")

    screen.keys("Escape")
    screen.sees("Memories", "search")
    screen.keys("g", "e")  # it is the newest
    screen.sees("save")
    screen.keys("C-End")
    screen.type(", says the laptop")
    screen.keys("C-s")
    screen.sees("says the laptop", "search")
    screen.keys("S")
    screen.sees("edited here as well")
    screen.keys("Enter")
    screen.sees("Took in", "1 conflict to look at", "Sent ")
    screen.keys("Escape")
    screen.sees("search")
    screen.keys("C")
    screen.sees("1 conflict", "laptop and phone")
    screen.keys("Enter")
    screen.sees("1 mine", "not chosen yet")
    screen.keys("2")
    screen.sees("theirs")
    screen.keys("Enter")
    screen.sees("No conflicts are left")
    screen.keys("S")
    screen.sees("a sync would", "to send")
    screen.keys("Enter")
    screen.sees("Sent ")
    screen.keys("Q")
    screen.sees("ended 0")

    phone.ok("sync", "pull")
    laptop.unlock()
    both = [device.ok("list", "--json", "-n", "0").json() for device in (laptop, phone)]
    said = [sorted((record["id"], record["content"]) for record in records) for records in both]
    assert said[0] == said[1]
    assert len(said[0]) == 11
    assert (router["id"], "the router is at 10.0.0.2, says the phone") in said[0]
