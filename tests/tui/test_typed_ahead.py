"""What is typed ahead, all of it in one write: each key does what it would have done had one waited for the screen."""

from __future__ import annotations

from pathlib import Path

from ghostie.paths import Layout
from ghostie.tui.fields import Area, Line
from ghostie.tui.screens.memories import MemoriesPlace
from ghostie.vault import open_vault
from tests.tui.house import PASSPHRASE, House, Screen, show
from tests.tui.pressing import presses
from tests.vault.house import START

SAVE = "\x13"  # ctrl+s
LATER = "\x0c"  # ctrl+l


@presses(MemoriesPlace, "show")
def test_the_key_after_a_search_is_for_the_first_that_is_found(house: House) -> None:
    house.add("all about birds", "a word about fish", "the newest")

    async def story(screen: Screen) -> None:
        await screen.sees("the newest")
        screen.write("/fish\rx")
        await screen.sees("removed 1 memory")
        screen.write("0u")
        await screen.sees("took back")
        screen.write("X0/birds\rcanimals\rtbig\r")
        await screen.sees("tagged 1 memory")

    house.run(story)
    assert house.contents() == {"all about birds", "a word about fish", "the newest"}
    (birds,) = (entry for entry in house.fresh().select() if entry.row.get("category"))
    assert (birds.excerpt, birds.row["category"], birds.row["tags"]) == ("all about birds", "animals", ["big"])


def test_the_key_after_a_search_that_cannot_be_done_does_nothing(house: House) -> None:
    house.add("one")

    async def story(screen: Screen) -> None:
        await screen.sees("one")
        screen.write("/colour:red\rx")
        await screen.sees("is no condition")
        await screen.settled()
        await screen.press("escape")
        await screen.sees("one")

    house.run(story)
    assert house.contents() == {"one"}


def test_a_command_that_is_found_by_its_words_comes_before_the_next_key(house: House) -> None:
    ids = house.add("first", "second", "third")

    async def story(screen: Screen) -> None:
        await screen.sees("third")
        screen.write(":archive\rjx")
        await screen.sees("removed 1 memory")
        await screen.press("g")
        screen.write(":category\rodd\r")
        await screen.sees("categorised 1 memory")

    house.run(story)
    vault = house.fresh()
    assert vault.find(ids[2]).row["status"] == "archived"
    assert vault.find(ids[2]).row["category"] == "odd"
    assert [vault.find(each).deleted for each in ids] == [False, True, False]


def test_a_filter_is_put_together_and_what_it_shows_is_acted_on(house: House) -> None:
    house.add("the router", category="network")
    house.add("the heating", category="home")

    async def story(screen: Screen) -> None:
        await screen.sees("the heating")
        screen.write(f"Fnetw\r{SAVE}W3\r0x")
        await screen.sees("removed 1 memory")
        await screen.press("u")
        await screen.sees("took back")
        screen.write("3A")
        await screen.sees("archived 1 memory")

    house.run(story)
    status = {entry.excerpt: entry.row.get("status", "active") for entry in house.fresh().select()}
    assert status == {"the router": "archived", "the heating": "active"}


def test_it_is_merged_into_what_was_typed_and_not_into_what_was_listed_before(house: House) -> None:
    house.add("all about birds", "all about trees", category="land")
    house.add("all about fish", category="sea")
    house.add("herons are birds", status="inbox")

    async def story(screen: Screen) -> None:
        await screen.sees("herons")
        await screen.press("i")
        await screen.sees("1 of 1", "herons")
        screen.write("Mabout cat:land\x1b[B\r")
        await screen.sees("1  merged")

    house.run(story)
    merged = {each for each in house.contents() if "herons" in each}
    assert len(merged) == 1 and not any("fish" in each for each in merged)


def test_what_comes_after_a_memory_was_written_is_not_written_into_it(house: House) -> None:
    house.add("was there before")

    async def story(screen: Screen) -> None:
        await screen.sees("was there before")
        screen.write(f"nx marks the spot\r{SAVE}/marks\rx")
        await screen.sees("removed 1 memory")

    house.run(story)
    assert house.contents() == {"was there before"}
    (gone,) = (entry for entry in house.fresh().index.entries() if entry.deleted)
    vault = house.vault
    assert vault.history(gone)[-1].field("content") == "x marks the spot\n"


def test_a_moment_is_gone_to_before_anything_is_brought_back(house: House) -> None:
    (memory,) = house.add("as it was")
    house.clock.now = START + 400 * 86_400_000
    house.fresh().edit(memory, {"content": "as it is"})

    async def story(screen: Screen) -> None:
        await screen.sees("as it is")
        await screen.press("P")
        await screen.at("past")
        await screen.sees("as it is")
        screen.write("t2025-12-24T12:00\rR")
        await screen.sees("now it says again what it said on")

    house.run(story)
    assert house.contents() == {"as it was"}


def test_the_passphrase_and_what_one_came_for_are_typed_at_once(house: House) -> None:
    house.add("behind the lock", "another thing")

    async def story(screen: Screen) -> None:
        await screen.at("unlock")
        screen.write(f"{PASSPHRASE}\r/behind\rx")
        await screen.sees("removed 1 memory")

    house.run(story, locked=True)
    assert house.contents() == {"another thing"}


def test_a_vault_is_made_by_answers_that_come_all_at_once(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "home")

    async def story(screen: Screen) -> None:
        screen.write(f"\r\r{PASSPHRASE}\r{PASSPHRASE}\r{LATER}nthe very first{SAVE}")
        await screen.at("memories")
        await screen.sees("the very first")

    show(layout, None, story, size=(60, 34))
    vault = open_vault(layout.home, passphrase=PASSPHRASE)
    vault.refresh()
    assert [entry.excerpt for entry in vault.select()] == ["the very first"]
    vault.close()


def test_a_field_takes_its_editing_keys_in_their_turn(house: House) -> None:
    house.add("one")

    async def story(screen: Screen) -> None:
        await screen.sees("one")
        screen.write("/onex\x7f two\x01a \x05\x17three")  # backspace, ctrl+a to the start, ctrl+e to the end, ctrl+w
        await screen.until(lambda: screen.place.query_one("#search", Line).value == "a one three", "what was typed")
        await screen.press("escape")
        await screen.press("n")
        await screen.at("form")
        screen.write("firsd\x7ft\rsecond\x1b[H0 ")
        area = screen.place.query_one(Area)
        await screen.until(lambda: area.text == "first\n0 second", "two lines")

    house.run(story)


def test_a_passphrase_that_was_corrected_before_the_screen_was_there_opens_the_vault(house: House) -> None:
    house.add("one")

    async def story(screen: Screen) -> None:
        screen.write(PASSPHRASE + "x\x7f\r")
        await screen.sees("one")

    house.run(story, locked=True)
