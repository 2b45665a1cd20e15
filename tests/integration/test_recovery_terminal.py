"""A lost vault comes back in a real terminal of a phone's size: at prompts and on the screens, over a bucket and gists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.device import PASSPHRASE
from tests.tui.test_terminal import Terminal, needs_tmux

from .s3servers import moto
from .test_recovery import NEW, OWN_SENTENCES, Lost, has_all, lost

__all__ = ["lost", "moto"]

pytestmark = needs_tmux


@pytest.fixture
def terminal(lost: Lost, short_folder: Path) -> Iterator[Terminal]:
    made = Terminal(short_folder, lost.fresh("phone"))
    yield made
    made.end()


def both(quick: str) -> pytest.MarkDecorator:
    """Run a test over both stores; over the one that is not *quick*, when there is time."""
    stores = [pytest.param(each, marks=() if each == quick else pytest.mark.slow) for each in ("s3", "gist")]
    return pytest.mark.parametrize("lost", stores, indirect=True)


def answer(terminal: Terminal, question: str, said: str) -> None:
    terminal.sees(question)
    terminal.type(said)
    terminal.keys("Enter")


def nothing_was_shown(terminal: Terminal, lost: Lost) -> None:
    """No word and no passphrase stood on the terminal, nor in what has scrolled away."""
    seen = terminal._tmux("capture-pane", "-p", "-S", "-")
    words = set(lost.words.split()) - set(re.findall(r"[a-z]+", OWN_SENTENCES))
    assert not {word for word in words if re.search(rf"\b{word}\b", seen)}
    assert NEW not in seen and PASSPHRASE not in seen
    assert not any(secret in seen for secret in lost.credentials.values())


@both(quick="gist")
def test_at_the_prompts_of_restore(lost: Lost, terminal: Terminal) -> None:
    terminal.start("keys", "restore", *lost.where, size=(120, 40), **lost.credentials)
    words = lost.words.split()
    answer(terminal, "0 of 24 words:", " ".join(words[:10]))
    answer(terminal, "10 of 24 words:", f"{words[10]} nosuchword")
    terminal.sees("word 12 is not on the list")
    answer(terminal, "10 of 24 words:", " ".join(words[10:]))
    answer(terminal, "new passphrase:", "password")
    terminal.sees("2 tries left")
    answer(terminal, "new passphrase:", NEW)
    terminal.sees("strong: nobody guesses this")
    answer(terminal, "the same once more:", NEW)
    terminal.sees("opens this device and the store", "ended 0")
    nothing_was_shown(terminal, lost)
    assert has_all(lost.scene.device("phone"), NEW, lost)


def to_the_store(terminal: Terminal, lost: Lost) -> None:
    """Answer the questions on the store, whichever it is."""
    options = dict(zip(lost.where[::2], lost.where[1::2], strict=True))
    terminal.sees("Join on a store")
    terminal.keys("j", "j", "Enter")
    terminal.sees("Where do your devices meet?")
    if "--bucket" in options:
        terminal.keys("j", "Enter")
        answer(terminal, "The bucket's name", options["--bucket"])
        answer(terminal, "The server's address", options["--endpoint"])
        terminal.sees("Anything else")
        terminal.keys("Enter")
        answer(terminal, "The access key", lost.credentials["GHOSTIE_S3_ACCESS_KEY"])
        answer(terminal, "The secret key", lost.credentials["GHOSTIE_S3_SECRET_KEY"])
        return
    terminal.keys("j", "j", "Enter")
    terminal.sees("Anything else")
    terminal.keys("j", "j", "Enter")
    answer(terminal, "Of one that speaks as GitHub's does", options["--api-url"])
    terminal.sees("Anything else", options["--api-url"])
    terminal.keys("j", "Enter")
    answer(terminal, "Empty: at the same address", options["--raw-url"])
    terminal.sees("Anything else", options["--raw-url"])
    terminal.keys("g", "Enter")
    terminal.sees("How does this device get its token?")
    terminal.keys("Enter")
    answer(terminal, "The token", lost.credentials["GHOSTIE_GIST_TOKEN"])


@both(quick="s3")
def test_on_the_screens_after_a_wrong_passphrase(lost: Lost, terminal: Terminal) -> None:
    terminal.start()
    to_the_store(terminal, lost)
    answer(terminal, "The vault's passphrase", "not the passphrase")
    answer(terminal, "What is this device called?", "")
    terminal.sees("does not open the vault", "The 24 words instead")
    terminal.keys("j", "Enter")
    terminal.sees("The 24 recovery words")
    terminal.type(lost.words)
    terminal.sees("24 of 24 words")
    terminal.keys("Enter")
    answer(terminal, "A new passphrase", NEW)
    terminal.type(NEW)
    terminal.sees("the two are the same")
    terminal.keys("Enter")
    terminal.sees("Which passphrase opens what")
    nothing_was_shown(terminal, lost)
    terminal.keys("Enter")
    terminal.sees("Memories")
    terminal.keys("q")
    terminal.sees("ended 0")
    assert has_all(lost.scene.device("phone"), NEW, lost)
