"""What did not follow a change that was made is said on the screen, and the change is shown."""

from __future__ import annotations

from .house import House, Screen


def test_a_change_that_undo_will_not_know_is_made_and_told(house: House) -> None:
    house.add("first", "second")

    async def story(screen: Screen) -> None:
        await screen.sees("first", "second")
        house.vault.layout.operations.unlink()
        house.vault.layout.operations.mkdir()
        await screen.press("x")
        await screen.sees("the change was made, but `undo` does not know it", "Memories")

    house.run(story, size=(120, 40))
    house.vault.refresh()
    assert sum(entry.deleted for entry in house.vault.index.entries()) == 1
