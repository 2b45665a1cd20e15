"""Memories written and edited: in place, and in the person's editor."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ghostie.tui.screens.memories import MemoriesPlace
from ghostie.tui.screens.writing import WritingPlace
from tests.tui.house import House, Screen
from tests.tui.pressing import presses

pytestmark = pytest.mark.versions


@presses(MemoriesPlace, "new")
@presses(WritingPlace, "accept next previous")
def test_a_new_memory_is_written(house: House) -> None:
    async def story(screen: Screen) -> None:
        await screen.sees("no memories yet")
        await screen.press("n")
        await screen.at("form")
        await screen.type("the heating code is 4711")
        await screen.press("shift+tab", "shift+tab")
        await screen.type("home")
        await screen.press("tab")
        await screen.type("code #house")
        await screen.press("ctrl+s")
        await screen.sees("saved", "the heating code")

    house.run(story, size=(45, 30))
    (entry,) = house.fresh().select()
    version = house.vault.shown(entry)
    assert (version.field("content"), version.field("category"), version.field("tags")) == (
        "the heating code is 4711",
        "home",
        ["code", "house"],
    )


@presses(MemoriesPlace, "edit")
def test_a_memory_is_edited_on_the_version_that_was_looked_at(house: House) -> None:
    (memory,) = house.add("one\ntwo\nthree")

    async def story(screen: Screen) -> None:
        await screen.sees("one")
        await screen.press("e")
        await screen.at("form")
        await screen.type("first ")
        await screen.elsewhere(lambda: house.vault.edit(memory, {"content": "one\ntwo\nthird"}))
        await screen.press("ctrl+s")
        await screen.sees("saved")

    house.run(story)
    assert house.contents() == {"first one\ntwo\nthird"}


def test_what_was_written_is_not_dropped_by_one_key(house: House) -> None:
    house.add("kept")

    async def story(screen: Screen) -> None:
        await screen.sees("kept")
        await screen.press("e")
        await screen.at("form")
        await screen.type("not ")
        await screen.press("escape")
        await screen.sees("not saved yet")
        await screen.press("escape")
        await screen.at("memories")

    house.run(story)
    assert house.contents() == {"kept"}


def test_what_was_written_is_saved_when_the_vault_locks_itself(house: House) -> None:
    house.add("half")

    async def story(screen: Screen) -> None:
        await screen.sees("half")
        await screen.press("e")
        await screen.at("form")
        await screen.type("more than ")
        screen.app.lock("locked")
        await screen.at("unlock")

    house.run(story)
    assert house.contents() == {"more than half"}


@presses(MemoriesPlace, "category")
def test_a_category_is_completed_from_those_in_use(house: House) -> None:
    house.add("one", category="network")
    house.add("two")

    async def story(screen: Screen) -> None:
        await screen.sees("two")
        await screen.press("c")
        await screen.at("line")
        await screen.settled()
        await screen.type("net")
        await screen.sees("network")
        await screen.press("right", "enter")
        await screen.sees("categorised 1 memory")

    house.run(story)
    assert {entry.row.get("category") for entry in house.fresh().select()} == {"network"}


@presses(MemoriesPlace, "tag")
def test_tags_are_added_and_taken_off(house: House) -> None:
    house.add("one", tags=["old", "stays"])

    async def story(screen: Screen) -> None:
        await screen.sees("one")
        await screen.press("t")
        await screen.at("line")
        await screen.type("new -old")
        await screen.press("enter")
        await screen.sees("tagged 1 memory", "#new")

    house.run(story)
    assert [entry.row["tags"] for entry in house.fresh().select()] == [["new", "stays"]]


def test_text_that_would_steer_the_terminal_is_shown_and_kept_as_it_is(house: House) -> None:
    hostile = "a\x1b[31mred\x1b]0;title\x07 [bold]b[/bold] \u202egnp.exe"
    house.add(hostile)

    async def story(screen: Screen) -> None:
        await screen.sees("[bold]b[/bold]")
        assert "\x1b" not in screen.text() and "\u202e" not in screen.text()
        await screen.press("e")
        await screen.at("form")
        await screen.type("x")
        assert "\x1b" not in screen.text() and "\u202e" not in screen.text()
        await screen.press("ctrl+s")
        await screen.sees("saved")

    house.run(story)
    assert house.contents() == {"x" + hostile}


@presses(MemoriesPlace, "open")
def test_a_megabyte_on_one_line_opens_and_scrolls(house: House) -> None:
    house.add("long " * 209_000, "漢" * 300_000)

    async def story(screen: Screen) -> None:
        await screen.sees("long", "漢")
        await screen.press("enter")
        await screen.at("detail")
        await screen.sees("漢漢漢")
        await screen.press("pagedown", "G")
        await screen.resize(54, 25)
        await screen.press("escape")
        await screen.at("memories")
        await screen.press("e")
        await screen.sees("too long to edit here")

    house.run(story, size=(45, 30))


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An editor that notes the mode of what it is given and what is in it, and writes something else."""
    script = tmp_path / "editor"
    script.write_text(
        f'#!/bin/sh\nstat -c %a "$1" > {tmp_path}/mode\ncp "$1" {tmp_path}/given\necho "$1" > {tmp_path}/path\n'
        'printf "from the editor\\n" > "$1"\n'
    )
    script.chmod(0o700)
    monkeypatch.setenv("EDITOR", str(script))
    return script


@presses(MemoriesPlace, "editor")
def test_the_editor_gets_a_private_file_that_is_gone_afterwards(
    house: House, editor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contextlib import nullcontext

    from ghostie.tui.app import GhostieApp

    # a headless run has no terminal to hand over; the tests in a real terminal have
    monkeypatch.setattr(GhostieApp, "suspend", lambda self: nullcontext())
    house.add("before")

    async def story(screen: Screen) -> None:
        await screen.sees("before")
        await screen.press("E")
        await screen.sees("saved", "from the editor")

    house.run(story)
    assert (editor.parent / "given").read_text() == "before"
    assert (editor.parent / "mode").read_text().strip() == "600"
    assert not os.path.exists((editor.parent / "path").read_text().strip())
    assert house.contents() == {"from the editor"}
