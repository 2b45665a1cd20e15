"""The filter language and the past on the command line; the numbers on screens that can do little."""

from __future__ import annotations

import pytest

from .device import Device


@pytest.fixture
def filled(laptop: Device) -> Device:
    laptop.add("the router answers", "-c", "network", "-t", "lan", "-t", "home")
    laptop.add("the printer sleeps", "-c", "network", "-t", "lan", "-t", "old")
    laptop.add("buy oat milk", "-t", "two words")
    return laptop


def listed(device: Device, *argv: str) -> list[str]:
    return [record["content"] for record in device.ok("list", *argv, "--json").json()]


def test_a_filter_is_made_of_arguments_and_goes_with_options(filled: Device) -> None:
    assert listed(filled, "cat:network", "-tag:old") == ["the router answers"]
    assert listed(filled, "-tag:old -tag:home") == ["buy oat milk"]
    assert listed(filled, 'tag:"two words"') == ["buy oat milk"]
    assert listed(filled, "-t", "lan", "-n", "1", "printing OR sleeping") == []
    assert listed(filled, "sleeping", "-t", "lan") == ["the printer sleeps"]
    assert listed(filled, "-t", "-home") == []


def test_a_word_at_fault_is_named(filled: Device) -> None:
    done = filled("list", "cat:network", "colour:red", code=2)
    assert "'colour:red' is no condition that there is" in done.err
    assert "cat:, device:, kind:" in " ".join(done.err.split())
    assert "'cat:other' says cat: a second time" in filled("list", "-c", "network", "cat:other", code=2).err


def test_the_past_is_listed_and_shown(laptop: Device) -> None:
    one = laptop.add("one")
    edited = laptop.ok("edit", one, "--content", "two", "--json").json()
    then = edited["sync_metadata"]["last_modified"]
    before = laptop.ok("show", one, "--at", "1", "--json").json()["sync_metadata"]["last_modified"]
    laptop.ok("rm", one)
    assert listed(laptop) == []
    assert listed(laptop, "--at", then) == ["two"]
    assert listed(laptop, "--at", before) == ["one"]
    assert listed(laptop, "--at", "2001-01-01") == []
    assert " 0 s one" in laptop.ok("list", "--at", before).out
    assert laptop.ok("show", one, "--at", then).out.endswith("\ntwo\n")
    assert laptop.ok("show", one, "--at", "2", "--json").json()["content"] == "two"
    assert "has no version" in laptop("show", one, "--at", "2001-01-01", code=1).err
    assert "has no version 'soon'" in laptop("show", one, "--at", "soon", code=1).err
    assert "is not a time" in laptop("list", "--at", "soon", code=2).err
    assert "present only" in laptop("list", "two", "--at", then, code=2).err


def test_numbers_fit_a_phone_and_a_terminal_that_knows_ascii_only(filled: Device) -> None:
    code, seen = filled.on_terminal("stats", columns=45, env={"TERM": "dumb"})
    assert code == 0
    assert seen.isascii()
    assert b"\x1b" not in seen
    assert max(len(line) for line in seen.splitlines()) <= 45
    assert b"###" in seen
    code, seen = filled.on_terminal("stats", columns=45, env={"NO_COLOR": "1"})
    assert code == 0
    assert b"\x1b" not in seen
    assert "█".encode() in seen
