"""A change of many memories is asked about first, wherever it is made."""

from __future__ import annotations

import pytest

from ghostie.memory import LARGE_CHANGE, derived_id
from tests.vault.house import contents, made

from .house import House, Screen

COUNT = 2 * LARGE_CHANGE + 1


@pytest.fixture
def filled(house: House) -> House:
    house.vault.take_in(
        [made(derived_id(b"%d" % number), content=f"number {number}") for number in range(COUNT)], "import"
    )
    return house


def test_undo_and_redo_of_many_memories_are_asked_about(filled: House) -> None:
    async def story(screen: Screen) -> None:
        await screen.sees("Memories", "number 1")
        await screen.press("u")
        await screen.sees(f"Take back: import of {COUNT} memories?")
        await screen.press("n")
        await screen.at("memories")
        assert len(contents(filled.vault)) == COUNT
        await screen.press("u")
        await screen.sees(f"Take back: import of {COUNT} memories?")
        await screen.press("y")
        await screen.sees(f"took back: import of {COUNT} memories")
        assert contents(filled.vault) == {}
        await screen.press("U")
        await screen.sees(f"Do again: undo of {COUNT} memories?")
        await screen.press("y")
        await screen.sees(f"did again: undo of {COUNT} memories")

    filled.run(story, size=(45, 30))
    assert len(contents(filled.vault)) == COUNT


@pytest.mark.parametrize(("key", "question", "said"), [("A", "Archive", "archived"), ("x", "Remove", "removed")])
def test_a_change_of_all_that_is_marked_is_asked_about(filled: House, key: str, question: str, said: str) -> None:
    async def story(screen: Screen) -> None:
        await screen.sees("Memories", "number 1")
        await screen.press("a", key)
        await screen.sees(f"{question} {COUNT} memories?", "u takes it back")
        await screen.press("n")
        await screen.at("memories")
        await screen.press(key)
        await screen.sees(f"{question} {COUNT} memories?")
        await screen.press("y")
        await screen.sees(f"{said} {COUNT} memories")

    filled.run(story, size=(45, 30))
    assert filled.vault.operations.all()[-1].is_large
