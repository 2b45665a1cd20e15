"""One memory's versions, and the whole vault as of a moment."""

from __future__ import annotations

from ghostie.tui.screens.history import DifferencePlace, HistoryPlace, VersionPlace
from ghostie.tui.screens.memories import MemoriesPlace
from ghostie.tui.screens.past import PastPlace, ThenPlace
from tests.cli.device import flip
from tests.tui.house import SIZES, House, Screen
from tests.tui.pressing import presses
from tests.vault.house import START

HOSTILE = "[bold red]x[/] \x1b[31m\x1b]0;title\x07 \u202eback\u202c 漢字"
DAY = 86_400_000


def edited(house: House, *contents: str, **fields: object) -> str:
    """Add a memory that said all of *contents*, a day after the other; return its id."""
    (memory,) = house.add(contents[0], **fields)
    for content in contents[1:]:
        house.clock.now += DAY
        house.fresh().edit(memory, {"content": content})
    return memory


def content(house: House, memory: str) -> str:
    vault = house.fresh()
    return str(vault.shown(vault.find(memory)).field("content"))


async def history(screen: Screen, *words: str) -> None:
    await screen.at("memories")
    await screen.until(screen.here, "a row")
    await screen.press("H")
    await screen.at("history")
    await screen.sees(*words)


async def past(screen: Screen, *words: str) -> None:
    await screen.at("memories")
    await screen.press("P")
    await screen.at("past")
    await screen.sees(*words)


# -- one memory ------------------------------------------------------------------------------------------------------


@presses(MemoriesPlace, "history")
@presses(HistoryPlace, "open")
@presses(DifferencePlace, "restore")
def test_versions_are_listed_held_against_each_other_and_brought_back(house: House) -> None:
    memory = edited(house, "one line", "two lines", "three lines")

    async def story(screen: Screen) -> None:
        await screen.resize(*SIZES[0])
        await history(screen)
        await screen.at_every_size("●", "3", "laptop", "content")
        await screen.press("G", "enter")
        await screen.at("difference")
        await screen.sees("Version 1, the first", "version 1")
        await screen.press("q", "k", "enter")
        await screen.at("difference")
        await screen.at_every_size("Version 2 against 1")
        await screen.sees("one line", "two lines")
        await screen.press("R")
        await screen.sees("it says again what version 2 said")
        await screen.press("q", "g")
        await screen.at("history")

    house.run(story, size=(0, 0))
    assert content(house, memory) == "two lines"


@presses(HistoryPlace, "mark whole next_pane")
@presses(VersionPlace, "restore")
def test_any_two_versions_are_held_against_each_other(house: House) -> None:
    edited(house, "alpha stays", "beta stays", "gamma stays", "delta stays")

    async def story(screen: Screen) -> None:
        await history(screen, "4 versions", "- gamma stays", "+ delta stays")
        await screen.press("space", "j", "j")
        await screen.sees("- beta stays", "+ delta stays")
        await screen.press("space")
        await screen.press("G")
        await screen.sees("- beta stays", "+ delta stays")
        await screen.press("m")
        await screen.sees("mark one version, or two")
        await screen.press("escape")
        await screen.sees("+ alpha stays")
        await screen.press("tab", "j", "k", "tab", "w")
        await screen.at("version")
        await screen.sees("as it was", "alpha stays")
        await screen.press("R")
        await screen.sees("it says again what version 1 said")

    house.run(story)
    assert house.contents() == {"alpha stays"}


def test_all_that_changed_is_shown_field_by_field(house: House) -> None:
    (memory,) = house.add("the same", category="one", tags=["a"])
    house.fresh().edit(memory, {"category": "two", "tags": ["a", "b"], "context": {"host": "nas"}})

    async def story(screen: Screen) -> None:
        await history(screen, "category, context, tags", "- one", "+ two", "+ host: nas", "- #a", "+ #a #b")

    house.run(story)


@presses(HistoryPlace, "restore")
def test_a_removed_memory_and_one_in_conflict_have_a_history_too(house: House) -> None:
    house.conflict("top", "mine", "theirs")
    (gone,) = house.add("to be removed")
    house.fresh().remove([gone])

    async def story(screen: Screen) -> None:
        await history(screen, "3 versions", "phone")
        await screen.press("G", "R")  # a conflict is settled first
        await screen.settled()
        await screen.press("q", "X")
        await screen.sees("to be removed")
        await history(screen, "removed", "made")
        await screen.press("G", "R")
        await screen.sees("it says again what version 1 said")

    house.run(story)
    vault = house.fresh()
    assert len([entry for entry in vault.index.entries() if entry.in_conflict]) == 1
    assert not vault.find(gone).deleted


def test_a_version_that_another_process_makes_is_listed_and_the_cursor_stays(house: House) -> None:
    memory = edited(house, "one", "two")

    async def story(screen: Screen) -> None:
        await history(screen, "2 versions")
        await screen.press("G")
        await screen.elsewhere(lambda: house.fresh().edit(memory, {"content": "three"}))
        await screen.sees("3 versions")
        await screen.sees("+ one")
        await screen.press("u")
        await screen.sees("took back", "4 versions")

    house.run(story)


def test_a_version_that_does_not_open_is_said_and_the_others_are_shown(house: House) -> None:
    memory = edited(house, "one", "two", "three")
    vault = house.fresh()
    first = vault.history(vault.find(memory))[-1]
    path = vault.layout.version(first.stem)
    flip(path)

    async def story(screen: Screen) -> None:
        await history(screen, "does not open: damaged", "- two", "+ three")
        await screen.press("G")
        await screen.sees("damaged or was tampered with")
        await screen.press("R", "w", "enter", "q")
        await screen.at("history")

    house.run(story)


def test_a_disk_that_is_full_is_said(house: House) -> None:
    memory = edited(house, "one", "two")

    async def story(screen: Screen) -> None:
        await history(screen, "2 versions")
        screen.disk_full(True)
        await screen.press("G", "R")
        await screen.sees("could not write")
        screen.disk_full(False)
        await screen.press("R")
        await screen.sees("it says again what version 1 said")

    house.run(story, size=(45, 30))
    assert content(house, memory) == "one"


@presses(DifferencePlace, "whole")
@presses(PastPlace, "open")
def test_text_that_would_steer_the_terminal_or_is_without_end_is_only_shown(house: House) -> None:
    edited(house, HOSTILE + " " + "word " * 200_000, HOSTILE + " " + "other " * 170_000, tags=["a b", "[u]c"])

    async def story(screen: Screen) -> None:
        await history(screen, "2")
        await screen.press("enter")
        await screen.at("difference")
        await screen.sees("- [bold red]x[/]", "word word")
        await screen.press("pagedown", "G", "g")
        await screen.resize(45, 30)
        await screen.press("w")
        await screen.at("version")
        await screen.sees("other other")
        await screen.press("q", "q", "q", "P")
        await screen.at("past")
        await screen.press("[")
        await screen.sees("THE PAST")
        await screen.press("enter")
        await screen.at("then")
        await screen.sees("[bold red]x[/]")
        assert not set(screen.text()) & {"\x1b", "\x07", "\u202e"}

    house.run(story)


# -- the whole vault -------------------------------------------------------------------------------------------------


@presses(MemoriesPlace, "past")
@presses(PastPlace, "change_back change_on restore now")
def test_the_vault_is_seen_as_it_was_change_by_change(house: House) -> None:
    house.add("the first")
    house.clock.now += DAY
    memory = edited(house, "the second", "the second, edited")

    async def story(screen: Screen) -> None:
        await past(screen)
        await screen.at_every_size("as it is now", "the second, edited")
        await screen.press("[")
        await screen.sees("THE PAST", "before the change of 1 memory by laptop")
        await screen.no_longer_sees("the second, edited")
        await screen.at_every_size("THE PAST")
        await screen.until(lambda: screen.here() == "the second", "the memory that was changed")
        await screen.press("[")
        await screen.until(lambda: screen.here() == "the first")
        await screen.press("[")
        await screen.sees("there was nothing yet")
        await screen.press("[")
        await screen.sees("there is nothing before that")
        await screen.press("]", "]")
        await screen.until(lambda: screen.here() == "the second")
        await screen.press("R")
        await screen.sees("now it says again what it said on")
        await screen.press("0")
        await screen.sees("as it is now")

    house.run(story, size=(0, 0))
    assert content(house, memory) == "the second"


@presses(PastPlace, "moment day_back day_on")
def test_a_moment_is_typed(house: House) -> None:
    house.add("long ago")
    house.clock.now = START + 400 * DAY
    house.add("of late")

    async def story(screen: Screen) -> None:
        await past(screen, "of late")
        await screen.press("t")
        await screen.at("line")
        await screen.type("2025-12-24T12:00")
        await screen.press("enter")
        await screen.at("past")
        await screen.sees("2025-12-24 12:00", "THE PAST", "+1 added", "long ago")
        await screen.no_longer_sees("of late")
        await screen.press("comma")
        await screen.sees("2025-12-23 12:00")
        await screen.press("full_stop", "full_stop")
        await screen.sees("2025-12-25 12:00")
        for said, told in (("tomorrow", "'tomorrow' is not a time"), ("2999-01-01", "that is yet to come")):
            await screen.press("t")
            await screen.at("line")
            await screen.type(said)
            await screen.press("enter")
            await screen.at("past")
            await screen.sees(told, "2025-12-25 12:00")
        await screen.press("q")
        await screen.at("memories")

    house.run(story)


def test_nothing_can_be_changed_in_the_past(house: House) -> None:
    memory = edited(house, "one", "two")

    async def story(screen: Screen) -> None:
        await past(screen, "two")
        await screen.press("[")
        await screen.sees("THE PAST")
        await screen.press("e", "E", "x", "A", "a", "y", "c", "m", "space", "n", "X")
        await screen.settled()
        await screen.at("past")

    house.run(story)
    assert len(house.fresh().find(memory).versions) == 2


@presses(PastPlace, "filter")
@presses(ThenPlace, "restore history")
def test_what_was_removed_since_is_brought_back(house: House) -> None:
    gone, _ = house.add("still there then", "another", category="odd")
    house.clock.now += DAY
    house.fresh().remove([gone])

    async def story(screen: Screen) -> None:
        await past(screen, "another")
        await screen.press("[")
        await screen.until(lambda: screen.here() == "still there then")
        await screen.sees("x removed since then")
        await screen.press("slash")
        await screen.at("line")
        await screen.type("cat:odd")
        await screen.press("enter")
        await screen.at("past")
        await screen.sees("2 memories · cat:odd")
        await screen.press("slash")
        await screen.at("line")
        await screen.type(" there")
        await screen.press("enter")
        await screen.sees("is for the search, which knows the present only")
        await screen.until(lambda: "cat:odd" not in screen.text())
        await screen.press("G", "enter")
        await screen.at("then")
        await screen.press("R")
        await screen.sees("now it says again what it said on")
        await screen.press("H")
        await screen.at("history")
        await screen.sees("3 versions")
        await screen.press("q", "q", "u")
        await screen.at("past")
        await screen.sees("took back")

    house.run(story)
    assert house.contents() == {"another"}


def test_the_past_follows_another_process(house: House) -> None:
    memory = edited(house, "one", "two")

    async def story(screen: Screen) -> None:
        await past(screen, "two")
        await screen.press("[")
        await screen.sees("~1 changed")
        await screen.elsewhere(lambda: house.fresh().remove([memory]))
        await screen.sees("x1 removed")

    house.run(story)
