"""The list of memories and what is done in it."""

from __future__ import annotations

from typing import Any

import pytest

from ghostie.tui.rows import Rows
from ghostie.tui.screens.finding import FilterPlace
from ghostie.tui.screens.memories import MemoriesPlace
from ghostie.tui.screens.prompts import LinePlace
from tests.tui.house import SIZES, House, Screen
from tests.tui.pressing import presses

pytestmark = pytest.mark.versions


@pytest.mark.parametrize("size", SIZES)
def test_memories_are_listed_at_every_size(house: House, size: tuple[int, int]) -> None:
    house.add("the router is at 10.0.0.1", category="network")

    async def story(screen: Screen) -> None:
        await screen.sees("network", "the router")

    house.run(story, size=size)


def test_a_terminal_of_no_size_is_waited_for(house: House) -> None:
    house.add("buy oat milk")

    async def story(screen: Screen) -> None:
        await screen.settled()
        await screen.press("j", "question_mark", "q")
        await screen.resize(45, 24)
        await screen.sees("buy oat milk")

    house.run(story, size=(0, 0))


def test_the_cursor_goes_where_keys_send_it(house: House) -> None:
    house.add(*(f"memory {number:03}" for number in range(100)))

    async def story(screen: Screen) -> None:
        await screen.sees("› ", "memory 099")
        await screen.press("G")
        await screen.sees("memory 000")
        await screen.press("g", "j", "j", "k", "pagedown")
        await screen.sees("memory 098")
        await screen.press("home")
        await screen.until(lambda: screen.here() == "memory 099")

    house.run(story, size=(45, 30))


@presses(MemoriesPlace, "search")
def test_search_shows_the_best_first_while_one_types(house: House) -> None:
    house.add("the router is at 10.0.0.1", "buy oat milk", "oats are routed by the router's brother")

    async def story(screen: Screen) -> None:
        await screen.sees("buy oat milk")
        await screen.press("slash")
        await screen.type("mil")
        await screen.no_longer_sees("the router is")
        await screen.sees("buy oat milk", "1 found")
        await screen.press("escape", "escape")
        await screen.sees("the router is")

    house.run(story)


def test_what_was_found_is_seen_however_far_behind_it_stands(house: House) -> None:
    house.add("the garden gate sticks in the wet, and the key turns only when it is lifted by the marmalade handle")

    async def story(screen: Screen) -> None:
        await screen.sees("the garden gate")
        await screen.press("slash")
        await screen.type("marmalade")
        await screen.at_every_size("1 found", "marmalade handle")

    house.run(story)


def test_in_a_field_the_footer_tells_only_keys_that_work_there(house: House) -> None:
    house.add("buy oat milk")

    async def story(screen: Screen) -> None:
        await screen.sees("buy oat milk", "q back", "e edit")
        await screen.press("slash")
        await screen.sees("esc back", "^p commands")
        await screen.no_longer_sees("q back", "e edit")
        await screen.press("escape")
        await screen.sees("q back", "e edit")

    house.run(story)


def test_what_is_typed_ahead_goes_into_the_field_and_does_nothing_else(house: House) -> None:
    house.add("x-ray of the axle", "other")

    async def story(screen: Screen) -> None:
        await screen.sees("other")
        screen.write("/xA")
        await screen.sees("xA")
        await screen.settled()

    house.run(story)
    assert house.contents() == {"x-ray of the axle", "other"}
    assert all(entry.row.get("status", "active") == "active" for entry in house.fresh().select())


@presses(MemoriesPlace, "forget")
def test_a_memory_is_forgotten_and_taken_back(house: House) -> None:
    house.add("first", "second")

    async def story(screen: Screen) -> None:
        await screen.sees("second")
        await screen.press("x")
        await screen.sees("removed 1 memory")
        await screen.until(lambda: len(screen.place.pane("list").names) == 1)  # type: ignore[union-attr]
        await screen.press("u")
        await screen.sees("took back", "second")

    house.run(story)
    assert house.contents() == {"first", "second"}


@presses(MemoriesPlace, "archive")
def test_marked_memories_are_archived_together(house: House) -> None:
    house.add("first", "second", "third")

    async def story(screen: Screen) -> None:
        await screen.sees("third")
        await screen.press("space", "space")
        await screen.sees("2 marked")
        await screen.press("A")
        await screen.sees("archived 2 memories")

    house.run(story)
    assert sorted(entry.row.get("status", "active") for entry in house.fresh().select()) == [
        "active",
        "archived",
        "archived",
    ]


def test_another_process_changes_the_vault_and_the_cursor_stays_on_its_memory(house: House) -> None:
    house.add(*(f"memory {number}" for number in range(5)))

    async def story(screen: Screen) -> None:
        await screen.sees("memory 4")
        await screen.press("j", "j")
        await screen.elsewhere(lambda: house.add("from elsewhere"))
        await screen.sees("from elsewhere")
        await screen.until(lambda: screen.here() == "memory 2")

    house.run(story, size=(80, 24))


@presses(MemoriesPlace, "trash restore")
def test_the_trash_gives_back(house: House) -> None:
    (memory,) = house.add("thrown away")
    house.vault.remove([memory])

    async def story(screen: Screen) -> None:
        await screen.sees("no memories yet")
        await screen.press("X")
        await screen.sees("x", "thrown away")
        await screen.press("R")
        await screen.sees("brought back 1 memory")

    house.run(story)
    assert house.contents() == {"thrown away"}


@presses(MemoriesPlace, "filter save clear")
@presses(FilterPlace, "toggle show")
@presses(LinePlace, "take")
def test_a_filter_is_put_together_and_kept_under_a_digit(house: House) -> None:
    house.add("the router", category="network", tags=["lan"])
    house.add("the heating", category="home")

    async def story(screen: Screen) -> None:
        await screen.sees("the heating")
        await screen.press("F")
        await screen.at("filter")
        await screen.sees("cat:network", "tag:lan", "status:inbox")
        await screen.type("netw")
        await screen.no_longer_sees("tag:lan")
        await screen.press("enter")
        await screen.sees("[x]     1  cat:network")
        await screen.press("ctrl+s")
        await screen.sees("1 found")
        await screen.no_longer_sees("the heating")
        await screen.press("W")
        await screen.at("line")
        await screen.type("3")
        await screen.press("enter")
        await screen.sees("3 now shows cat:network")
        await screen.press("0")
        await screen.sees("the heating")
        await screen.press("3")
        await screen.no_longer_sees("the heating")

    house.run(story)

    async def later(screen: Screen) -> None:
        await screen.sees("the heating")
        await screen.settled()
        await screen.press("3")
        await screen.no_longer_sees("the heating")

    house.run(later, size=(45, 30))
    assert b"network" not in house.vault.layout.filters.read_bytes()


def test_a_list_that_grew_under_another_screen_is_laid_out_when_one_is_back(house: House) -> None:
    house.add("one", "two")

    async def story(screen: Screen) -> None:
        await screen.sees("one", "two")
        await screen.press("enter")
        await screen.at("detail")
        await screen.resize(120, 40)
        await screen.press("escape")
        await screen.at("memories")
        await screen.until(lambda: screen.place.query_one("#preview").display, "the preview")
        await screen.until(lambda: screen.text().count("two") == 2, "what the memory says, beside the list")
        assert screen.place.query_one(Rows).size.height == 38

    house.run(story, size=(45, 30))


def test_the_first_rows_come_with_the_list(house: House) -> None:
    house.bring(300)
    asked: list[str] = []

    async def story(screen: Screen) -> None:
        await screen.sees("memory 00299")
        ask = screen.app.ask

        def noted(task: str, *given: Any, **more: Any) -> Any:
            asked.append(task)
            return ask(task, *given, **more)

        screen.app.ask = noted  # type: ignore[method-assign]
        await screen.press("slash")
        await screen.type("00007")
        await screen.sees("memory 00007")
        await screen.settled()
        assert set(asked) == {"memories.listing"}

    house.run(story, size=(45, 30))
