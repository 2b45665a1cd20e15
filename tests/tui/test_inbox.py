"""The inbox, one memory at a time."""

from __future__ import annotations

import pytest

from ghostie.tui.screens.finding import PickPlace
from ghostie.tui.screens.inbox import InboxPlace
from ghostie.tui.screens.memories import MemoriesPlace
from tests.tui.house import House, Screen
from tests.tui.pressing import presses

pytestmark = pytest.mark.versions

ROUTER = "the router in the hall is at 10.0.0.1 and answers on port 8443 only"
LIKE_IT = "the router in the hall is at 10.0.0.1 and answers on port 8443 only, from inside"
HOSTILE = "[bold red]x[/] \x1b[31m\x1b]0;title\x07 \u202eback\u202c 漢字 👩\u200d👩\u200d👧"


def statuses(house: House) -> dict[str, str]:
    """Return the status of every memory that is not removed, by what it says."""
    vault = house.fresh()
    return {entry.excerpt: entry.row.get("status", "active") for entry in vault.select()}


def inbox(screen: Screen) -> InboxPlace:
    place = screen.place
    assert isinstance(place, InboxPlace)
    return place


async def enter(screen: Screen, *words: str) -> InboxPlace:
    """Go into the inbox, and wait for what it shows first."""
    await screen.at("memories")
    await screen.press("i")
    await screen.at("inbox")
    await screen.sees(*words)
    return inbox(screen)


@presses(MemoriesPlace, "inbox")
@presses(InboxPlace, "keep archive forget")
def test_the_inbox_is_gone_through_at_every_size(house: House) -> None:
    house.add("first", "second", "third", status="inbox")
    house.add("kept long ago")

    async def story(screen: Screen) -> None:
        await enter(screen)
        await screen.at_every_size("1 of 3", "third")
        await screen.press("y")
        await screen.at_every_size("2 of 3", "second")
        await screen.press("a")
        await screen.sees("3 of 3", "first", "archived")
        await screen.press("x")
        await screen.at_every_size("The inbox is empty", "1  kept")

    house.run(story, size=(0, 0))
    assert statuses(house) == {"third": "active", "second": "archived", "kept long ago": "active"}


def test_an_empty_inbox_says_what_it_is_for(house: House) -> None:
    async def story(screen: Screen) -> None:
        await enter(screen, "The inbox is empty.", "What agents and imports bring")
        await screen.press("y", "x", "m", "s", "enter", "p")
        await screen.press("q")
        await screen.at("memories")

    house.run(story, size=(45, 30))


def test_undo_goes_back_to_the_memory(house: House) -> None:
    house.add("first", "second", "third", status="inbox")

    async def story(screen: Screen) -> None:
        await enter(screen, "1 of 3")
        await screen.press("y")
        await screen.sees("2 of 3")
        await screen.press("x")
        await screen.sees("3 of 3")
        await screen.press("u")
        await screen.sees("2 of 3", "second", "took back: rm of 1 memory")
        await screen.press("u")
        await screen.sees("1 of 3", "third", "took back: keep")
        await screen.press("U")
        await screen.sees("2 of 3", "did again: the change of 1 memory")

    house.run(story, size=(45, 30))
    assert statuses(house) == {"first": "inbox", "second": "inbox", "third": "active"}


@presses(InboxPlace, "skip previous again")
def test_what_was_skipped_stays_and_can_be_gone_through_again(house: House) -> None:
    house.add("first", "second", "third", status="inbox")

    async def story(screen: Screen) -> None:
        await enter(screen, "1 of 3")
        await screen.press("s")
        await screen.sees("2 of 3")
        await screen.press("p")
        await screen.sees("1 of 3", "third")
        await screen.press("s")
        await screen.sees("2 of 3", "second")
        await screen.press("y")
        await screen.sees("3 of 3")
        await screen.press("right")
        await screen.sees("That is all for now", "1  kept", "2  skipped")
        await screen.press("enter")
        await screen.sees("1 of 2", "third")
        await screen.press("left", "h")
        await screen.at("memories")

    house.run(story, size=(45, 30))
    assert statuses(house) == {"first": "inbox", "second": "active", "third": "inbox"}


@presses(InboxPlace, "merge")
def test_what_is_like_it_is_shown_and_it_is_merged_into_that(house: House) -> None:
    house.add(ROUTER, "nothing like it", tags=["net"])
    house.add(LIKE_IT, status="inbox", tags=["door"])

    async def story(screen: Screen) -> None:
        place = await enter(screen, "from inside")
        await screen.until(place.likes, "what it is like")
        await screen.until(lambda: place._like_found, "its text")
        await screen.sees("like it ·", "% alike", "kept")
        await screen.resize(45, 30)
        await screen.sees("like it ·", "% alike", "from inside")
        await screen.resize(50, 14)
        await screen.no_longer_sees("alike")
        await screen.press("tab")
        await screen.sees("like it ·", "% alike")
        await screen.press("m")
        await screen.sees("The inbox is empty", "1  merged")

    house.run(story)
    assert statuses(house) == {ROUTER: "active", "nothing like it": "active"} or statuses(house) == {
        LIKE_IT: "active",
        "nothing like it": "active",
    }
    merged = next(entry for entry in house.fresh().select() if "router" in entry.excerpt)
    assert merged.row["tags"] == ["door", "net"]


@presses(InboxPlace, "other other_side")
def test_of_several_that_are_like_it_each_can_be_seen(house: House) -> None:
    house.add(ROUTER, LIKE_IT.upper())
    house.add(LIKE_IT, status="inbox")

    async def story(screen: Screen) -> None:
        place = await enter(screen)
        await screen.sees("it says the same", "1 of 2")
        first = place.likes()[place._like]
        await screen.press("o")
        await screen.sees("2 of 2", "% alike")
        assert place.likes()[place._like] != first
        await screen.press("tab", "G", "g", "tab", "o")
        await screen.sees("1 of 2")

    house.run(story)


@presses(InboxPlace, "merge_other")
@presses(PickPlace, "take down up")
def test_a_memory_to_merge_into_can_be_looked_for(house: House) -> None:
    house.add("all about birds", "all about fish")
    house.add("herons are birds", status="inbox")

    async def story(screen: Screen) -> None:
        await enter(screen, "herons")
        await screen.press("M")
        await screen.at("pick")
        await screen.sees("Merge into which?", "birds", "fish")
        await screen.type("bird")
        await screen.no_longer_sees("fish")
        await screen.press("down", "up", "enter")
        await screen.at("inbox")
        await screen.sees("1  merged")
        await screen.press("u")
        await screen.sees("herons", "took back: merge")
        await screen.press("M")
        await screen.at("pick")
        await screen.press("escape")
        await screen.at("inbox")

    house.run(story, size=(45, 30))
    assert statuses(house) == {"all about birds": "active", "all about fish": "active", "herons are birds": "inbox"}


@presses(InboxPlace, "category tag")
def test_category_and_tags_are_given_on_the_way(house: House) -> None:
    (memory,) = house.add("first", status="inbox")

    async def story(screen: Screen) -> None:
        await enter(screen, "1 of 1")
        await screen.press("c")
        await screen.at("line")
        await screen.type("odd")
        await screen.press("enter")
        await screen.sees("odd", "categorised 1 memory")
        await screen.press("t")
        await screen.at("line")
        await screen.type("one two")
        await screen.press("enter")
        await screen.sees("#one #two")
        await screen.press("y")
        await screen.sees("1  kept", "1  edited")

    house.run(story)
    row = house.fresh().find(memory).row
    assert (row["category"], row["tags"], row.get("status", "active")) == ("odd", ["one", "two"], "active")


def test_another_process_brings_more_and_takes_some_away(house: House) -> None:
    ids = house.add("first", "second", status="inbox")

    async def story(screen: Screen) -> None:
        await enter(screen, "1 of 2", "second")
        await screen.elsewhere(lambda: house.add("third", status="inbox"))
        await screen.sees("1 of 3", "second")
        await screen.elsewhere(lambda: house.fresh().edit_all([ids[1]], lambda version: {"status": "active"}))
        await screen.sees("2 of 3", "first", "taken care of elsewhere")
        await screen.elsewhere(lambda: house.fresh().edit(ids[0], {"content": "first, said better"}))
        await screen.sees("first, said better")

    house.run(story)


@presses(InboxPlace, "conflicts")
def test_what_is_in_conflict_is_not_in_the_way(house: House) -> None:
    house.conflict("top", "mine", "theirs", status="inbox")
    house.add("first", status="inbox")

    async def story(screen: Screen) -> None:
        await enter(screen, "1 of 1", "first")
        await screen.press("y")
        await screen.sees("settles 1 conflict")
        await screen.press("C")
        await screen.at("conflicts")

    house.run(story)


def test_text_that_would_steer_the_terminal_or_is_without_end_is_only_shown(house: House) -> None:
    house.add(HOSTILE + " " + "long " * 200_000, HOSTILE + " other", status="inbox")

    async def story(screen: Screen) -> None:
        await enter(screen, "[bold red]x[/]")
        await screen.press("s")
        await screen.sees("2 of 2", "long long")
        await screen.press("pagedown", "G", "g")
        await screen.resize(120, 40)
        await screen.sees("2 of 2", "long long")
        assert not set(screen.text()) & {"\x1b", "\x07", "\u202e"}

    house.run(story, size=(45, 30))


def test_a_disk_that_is_full_is_said_and_nothing_is_lost(house: House) -> None:
    house.add("first", "second", status="inbox")

    async def story(screen: Screen) -> None:
        await enter(screen, "1 of 2")
        screen.disk_full(True)
        await screen.press("y")
        await screen.sees("could not write", "1 of 2", "second")
        screen.disk_full(False)
        await screen.press("y")
        await screen.sees("2 of 2")

    house.run(story)
    assert statuses(house) == {"first": "inbox", "second": "active"}


def test_a_vault_that_vanishes_is_said_and_the_screen_stays(house: House) -> None:
    house.add("first", "second", status="inbox")
    home = house.vault.layout.home

    async def story(screen: Screen) -> None:
        await enter(screen, "1 of 2", "second")
        await screen.settled()
        home.rename(home.with_name("away"))
        await screen.press("y")
        await screen.until(lambda: inbox(screen)._under_way == set(), "the answer")
        await screen.press("s", "p")
        home.with_name("away").rename(home)
        await screen.press("r")
        await screen.sees("1 of 2", "second")
        await screen.press("y")
        await screen.sees("2 of 2")

    house.run(story)
    assert statuses(house) == {"first": "inbox", "second": "active"}


@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_thousands_are_gone_through_without_their_texts(house: House, count: int) -> None:
    house.bring(count, status="inbox")

    async def story(screen: Screen) -> None:
        place = await enter(screen, f"1 of {count:,}")
        await screen.press("y")
        await screen.sees(f"2 of {count:,}")
        await screen.press("s")
        await screen.sees(f"3 of {count:,}")
        assert len(place._texts) < 10

    house.run(story)
