"""Conflicts, settled field by field."""

from __future__ import annotations

from ghostie.tui.screens.conflicts import ConflictPlace, ConflictsPlace
from ghostie.tui.screens.memories import DetailPlace, MemoriesPlace
from ghostie.tui.screens.writing import SettlingPlace
from tests.cli.device import flip
from tests.tui.house import House, Screen
from tests.tui.pressing import presses
from tests.vault.house import made

HOSTILE = "[bold red]x[/] \x1b[31m\x1b]0;title\x07 \u202eback\u202c 漢字"
BASE, MINE, THEIRS = "top\nmiddle\nend\n", "top\nmine here\nend\n", "top\ntheirs there\nend\n"


def said(house: House, memory: str) -> str:
    vault = house.fresh()
    entry = vault.find(memory)
    assert not entry.in_conflict
    return str(vault.shown(entry).field("content"))


async def conflict(screen: Screen, *words: str) -> None:
    """Go to the first of the conflicts."""
    await screen.at("memories")
    await screen.press("C")
    await screen.at("conflicts")
    await screen.until(screen.here, "a conflict")
    await screen.press("enter")
    await screen.at("conflict")
    await screen.sees("mine", *words)


@presses(MemoriesPlace, "conflicts")
@presses(ConflictsPlace, "open")
@presses(ConflictPlace, "accept")
def test_a_conflict_is_settled_by_a_key_and_undone_by_another(house: House) -> None:
    memory = house.conflict(BASE, MINE, THEIRS)

    async def story(screen: Screen) -> None:
        await screen.at("memories")
        await screen.press("C")
        await screen.at("conflicts")
        await screen.at_every_size("1 conflict", "laptop and phone")
        await screen.press("enter")
        await screen.at("conflict")
        await screen.at_every_size("○ 1 mine · laptop", "not chosen yet")
        await screen.press("2")
        await screen.sees("content · theirs")
        await screen.press("enter")
        await screen.sees("No conflicts are left")
        await screen.press("u")
        await screen.sees("○ 1 mine", "took back: resolve")
        await screen.press("1", "enter")
        await screen.sees("No conflicts are left")
        await screen.press("q")
        await screen.at_every_size("no conflicts: all sides are one")

    house.run(story, size=(0, 0))
    assert said(house, memory) == MINE


BOTH = "top\nmine here\ntheirs there\nend\n"


@presses(ConflictPlace, "pick_mine pick_theirs pick_both pick_base")
def test_each_side_can_be_chosen_and_chosen_again(house: House) -> None:
    memory = house.conflict(BASE, MINE, THEIRS, {"tags": ["there"]}, tags=["t"])
    choices = {
        "1": ("● 1 mine", MINE),
        "2": ("● 2 theirs", THEIRS),
        "3": ("content · both", BOTH),
        "0": ("● 0 be", BASE),
    }

    async def story(screen: Screen) -> None:
        await conflict(screen, "tags: #there", "top", "theirs there", "middle")
        for key, (words, content) in choices.items():
            await screen.resize(*((45, 30) if key in "13" else (120, 40)))
            await screen.press("1", "2", key)
            await screen.sees(words)
            await screen.press("enter")
            await screen.sees("1  settled")
            assert said(house, memory) == content
            await screen.press("u")
            await screen.sees("not chosen yet", "took back")
        await screen.press("3", "enter")
        await screen.sees("1  settled")

    house.run(story, quick=False)  # the test itself reads the vault meanwhile
    assert house.fresh().find(memory).row["tags"] == ["there"]


@presses(ConflictPlace, "mine theirs both merged")
def test_a_whole_memory_is_settled_at_once(house: House) -> None:
    house.conflict(BASE, MINE, THEIRS)
    choices = {"m": {MINE}, "t": {THEIRS}, "b": {MINE, THEIRS}, "a": {BOTH}}

    async def story(screen: Screen) -> None:
        await conflict(screen)
        for key, contents in choices.items():
            await screen.press(key)
            await screen.sees("No conflicts are left")
            assert house.contents() == contents
            await screen.press("u")
            await screen.sees("not chosen yet", "took back")

    house.run(story, quick=False)


@presses(ConflictPlace, "next previous next_conflict")
def test_every_field_in_dispute_is_chosen_for_itself(house: House) -> None:
    memory = house.conflict(BASE, MINE, THEIRS, {"category": "net"}, {"category": "home"}, category="old")
    other = house.conflict("one", "one, mine", "one, theirs")

    async def story(screen: Screen) -> None:
        await conflict(screen, "1 of 2")
        await screen.press("right_square_bracket")
        await screen.sees("Conflict 2 of 2 · content 1 of 2", "to be chosen: content, category")
        await screen.press("enter")
        await screen.sees("first choose for content")
        await screen.press("2")
        await screen.at_every_size("category 2 of 2")
        await screen.sees("home", "net")
        await screen.press("p")
        await screen.sees("content 1 of 2")
        await screen.press("n", "1")
        await screen.sees("Enter settles it so")
        await screen.press("enter")
        await screen.sees("settled, 1 left", "one, theirs")
        await screen.press("m")
        await screen.sees("2  settled")

    house.run(story)
    assert said(house, memory) == THEIRS
    assert house.vault.find(memory).row["category"] == "home"
    assert said(house, other) == "one, mine"


@presses(ConflictPlace, "edit")
@presses(SettlingPlace, "accept")
def test_the_content_is_written_by_hand(house: House) -> None:
    memory = house.conflict(BASE, MINE, THEIRS)

    async def story(screen: Screen) -> None:
        await conflict(screen)
        await screen.press("e")
        await screen.at("form")
        await screen.sees("<<<<<<< mine", ">>>>>>> theirs")
        await screen.press("ctrl+s")
        await screen.sees("the markers are still in the text")
        await screen.type("x")
        await screen.press("escape")
        await screen.sees("not saved yet")
        await screen.press("escape")
        await screen.at("conflict")
        await screen.press("e")
        await screen.at("form")
        await screen.press(*["ctrl+k", "delete"] * 10)
        await screen.press("ctrl+s")
        await screen.sees("the content would be empty")
        await screen.type("by hand")
        await screen.press("ctrl+s")
        await screen.at("conflict")
        await screen.sees("content · as you wrote it", "by hand")
        await screen.press("enter")
        await screen.sees("1  settled")

    house.run(story, size=(45, 30))
    assert said(house, memory) == "by hand"


@presses(ConflictPlace, "other")
def test_a_third_side_is_seen_and_not_settled_away_unseen(house: House) -> None:
    memory = house.conflict(BASE, MINE, THEIRS)

    async def story(screen: Screen) -> None:
        await conflict(screen)
        await screen.press("1")
        await screen.sees("content · mine")
        await screen.elsewhere(lambda: third(house, memory))
        await screen.sees("it has other sides than before", "not chosen yet", "2 theirs 1 of 2")
        await screen.press("o")
        await screen.sees("2 theirs 2 of 2")
        await screen.press("2", "enter")
        await screen.sees("1  settled")

    house.run(story)
    assert said(house, memory) in (THEIRS, "top\nthird\nend\n")


def third(house: House, memory: str) -> None:
    """Let a tablet change the memory too."""
    vault = house.fresh()
    first = vault.history(vault.find(memory))[-1]
    vault.take_in([made(memory, [first], content="top\nthird\nend\n", device="tablet", at=first.modified + 9)], "pull")


def test_a_conflict_that_another_process_settles_is_said_to_be(house: House) -> None:
    from ghostie.vault import conflicts

    memory = house.conflict(BASE, MINE, THEIRS)

    async def story(screen: Screen) -> None:
        await conflict(screen)
        await screen.elsewhere(lambda: conflicts.resolve(house.fresh(), memory, "theirs"))
        await screen.sees("This conflict is settled")
        await screen.press("1", "enter", "m", "e")
        await screen.settled()
        await screen.press("q")
        await screen.at("conflicts")
        await screen.sees("no conflicts")

    house.run(story)
    assert said(house, memory) == THEIRS


@presses(DetailPlace, "conflicts")
def test_a_memory_that_is_looked_at_shows_its_own_conflict(house: House) -> None:
    house.conflict(BASE, MINE, THEIRS)

    async def story(screen: Screen) -> None:
        await screen.sees("top")
        await screen.press("enter")
        await screen.at("detail")
        await screen.until(lambda: screen.place.chosen_rows())  # type: ignore[attr-defined]
        await screen.press("C")
        await screen.at("conflict")
        await screen.sees("○ 1 mine")

    house.run(story, size=(45, 30))


@presses(ConflictPlace, "whole")
def test_long_text_on_which_all_agree_is_left_out_until_it_is_asked_for(house: House) -> None:
    many = [f"line {number}" for number in range(40)]
    house.conflict("\n".join([*many, "x"]), "\n".join([*many, "mine"]), "\n".join([*many, "theirs"]))

    async def story(screen: Screen) -> None:
        await conflict(screen, "··· 38 lines alike", "line 39")
        assert "line 20" not in screen.text()
        await screen.press("w")
        await screen.sees("line 20")

    house.run(story)


def test_text_that_would_steer_the_terminal_or_is_without_end_is_only_shown(house: House) -> None:
    house.conflict(HOSTILE, HOSTILE + " " + "word " * 200_000, HOSTILE + "theirs", category="c")

    async def story(screen: Screen) -> None:
        await conflict(screen, "[bold red]x[/]", "word word")
        await screen.press("pagedown", "G", "g", "1")
        await screen.resize(45, 30)
        await screen.sees("content · mine", "word word")
        await screen.press("e")
        await screen.at("form")
        await screen.sees("too long to edit here")
        await screen.press("escape")
        await screen.at("conflict")
        await screen.sees("[bold red]x[/]")
        assert not set(screen.text()) & {"\x1b", "\x07", "\u202e"}

    house.run(story)


def test_a_long_one_is_left_while_its_lines_are_still_made(house: House) -> None:
    house.conflict("short base", "short mine", "short theirs")
    house.conflict("long base", "long mine", "word " * 15_000)

    async def story(screen: Screen) -> None:
        await conflict(screen)
        if "long mine" not in screen.text():
            await screen.press("right_square_bracket")
            await screen.sees("long mine")
        screen.write("G]G]G]")
        await screen.sees("short theirs")
        await screen.settled()

    house.run(story)


def test_a_disk_that_is_full_is_said_and_the_conflict_stays(house: House) -> None:
    memory = house.conflict(BASE, MINE, THEIRS)

    async def story(screen: Screen) -> None:
        await conflict(screen)
        screen.disk_full(True)
        await screen.press("1", "enter")
        await screen.sees("could not write")
        place = screen.place
        assert isinstance(place, ConflictPlace)
        await screen.until(lambda: not place._busy)
        screen.disk_full(False)
        await screen.press("enter")
        await screen.sees("1  settled")

    house.run(story, size=(45, 30))
    assert said(house, memory) == MINE


def test_a_side_that_does_not_open_is_said(house: House) -> None:
    memory = house.conflict(BASE, MINE, THEIRS)
    vault = house.fresh()
    flip(vault.layout.version(vault.find(memory).stem(vault.find(memory).heads[0])))

    async def story(screen: Screen) -> None:
        await screen.at("memories")
        await screen.press("C")
        await screen.at("conflicts")
        await screen.sees("version file")
        await screen.press("enter")
        await screen.at("conflict")
        await screen.sees("damaged or was tampered with")
        await screen.press("1", "enter", "q")
        await screen.at("conflicts")

    house.run(story)
