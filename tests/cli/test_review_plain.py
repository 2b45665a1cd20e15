"""The review by numbered prompts: driven by a script, and by a person at a terminal that can do little."""

from __future__ import annotations

import os
import re
import signal
from typing import Any

import pytest

from .device import HOSTILE, Device, Done, Scene, wait_until
from .story import fight


def typed(device: Device, *lines: str, code: int = 0) -> Done:
    done = device("review", "--plain", stdin="".join(f"{line}\n" for line in lines), code=code)
    assert "\x1b" not in done.out + done.err
    return done


def record(device: Device, memory_id: str) -> dict[str, Any]:
    found: dict[str, Any] = device.ok("show", memory_id, "--json").json()
    return found


@pytest.fixture
def waiting(laptop: Device) -> tuple[Device, list[str]]:
    """A device with five memories in the inbox, as the review goes through them."""
    ids = [laptop.add(f"thought number {word}", "--inbox") for word in ("one", "two", "three", "four", "five")]
    return laptop, ids[::-1]


def test_each_memory_is_decided_on(waiting: tuple[Device, list[str]]) -> None:
    laptop, ids = waiting
    done = typed(laptop, "1", "1", "archive", "for", "6", "k", "5")
    assert "review: 5 in the inbox, 0 conflicts" in done.out
    for number in range(1, 6):
        assert f"\n{number} of 5\n" in done.out
    assert "that was all" in done.out
    assert done.out.endswith("4 decisions made, all kept\n")
    assert [record(laptop, each)["status"] for each in ids[:2]] == ["active", "archived"]
    assert record(laptop, ids[2])["sync_metadata"]["deleted"] is True
    assert [record(laptop, each)["status"] for each in ids[3:]] == ["inbox", "active"]


def test_back_takes_the_decision_before_back(waiting: tuple[Device, list[str]]) -> None:
    laptop, ids = waiting
    done = typed(laptop, "inbox", "back", "forget", "keep", "skip", "back", "back", "back", "archive", "quit", "quit")
    assert "there is nothing to go back to" in done.out
    assert "took back: keep" in done.out
    assert "took back: rm" in done.out
    assert [record(laptop, each)["status"] for each in ids] == ["archived", "inbox", "inbox", "inbox", "inbox"]
    assert done.out.endswith("1 decision made, all kept\n")


def test_a_memory_is_edited_in_lines(waiting: tuple[Device, list[str]]) -> None:
    laptop, ids = waiting
    typed(laptop, "inbox", "edit", "text", "first line", "..", "last", ".", "edit", "category", "odd things")
    edited = record(laptop, ids[0])
    assert (edited["content"], edited["status"]) == ("first line\n.\nlast", "active")
    assert (record(laptop, ids[1])["category"], record(laptop, ids[1])["status"]) == ("odd things", "active")
    typed(laptop, "inbox", "edit", "cancel", "edit", "text", ".", "edit", "tags", "lan, my list,lan")
    assert record(laptop, ids[2])["tags"] == ["lan", "my list"]
    assert record(laptop, ids[2])["content"] == "thought number three"


def test_the_like_are_shown_and_one_is_merged_into_another(laptop: Device) -> None:
    kept = laptop.add("the router in the hall answers on 10.0.0.1 and is slow", "-t", "lan")
    near = laptop.add("the router in the hall answers on 10.0.0.1 and is fast", "--inbox", "-t", "new")
    done = typed(laptop, "inbox", "merge", "", "merge", "nosuch", "again", "merge", "1", "quit")
    assert f"like it, 1: {kept[:8]}, " in done.out
    assert "% alike: the router in the hall" in done.out
    assert "that did not work: no memory's id starts with 'nosuch'" in done.out
    merged = record(laptop, kept)
    assert merged["content"].splitlines()[::2] == [
        "the router in the hall answers on 10.0.0.1 and is slow",
        "the router in the hall answers on 10.0.0.1 and is fast",
    ]
    assert merged["tags"] == ["lan", "new"]
    assert merged["links"] == [{"type": "supersedes", "to": near}]
    assert record(laptop, near)["sync_metadata"]["deleted"] is True
    laptop.ok("undo")
    assert record(laptop, near)["sync_metadata"]["deleted"] is False
    assert record(laptop, kept)["links"] == []


def test_conflicts_are_settled(pair: Scene) -> None:
    laptop = pair.device("laptop")
    milk = fight(pair)
    done = typed(laptop, "conflicts", "theirs", "conflicts", "quit")
    assert "review: 0 in the inbox, 1 conflict" in done.out
    assert "mine, from laptop" in done.out
    assert "theirs, from phone" in done.out
    assert "+buy soy milk" in done.out
    assert "in dispute: content" in done.out
    assert "there is no conflict" in done.out
    assert record(laptop, milk)["content"] == "buy almond milk"
    laptop.ok("undo")
    typed(laptop, "2", "edit", "any milk", ".", "quit")
    assert record(laptop, milk)["content"] == "any milk"


def test_things_are_found_and_shown(laptop: Device) -> None:
    router = laptop.add("the router answers", "-c", "network")
    laptop.add("buy oat milk")
    done = typed(
        laptop, "search", "cat:network", "1", "search", "oat", "", "show", router[:8], "show", "nosuch", "quit"
    )
    assert f"\n1 {router[:8]}, 0 s, network: the router answers\n" in re.sub(r"\d+ s,", "0 s,", done.out)
    assert done.out.count("category: network") == 2
    assert "buy oat milk" in done.out
    assert "no memory's id starts with 'nosuch'" in done.out
    done = typed(laptop, "search", "colour:red", "search", "nothing", "search", "oat", "7", "nonsense", "9", "", "quit")
    assert "'colour:red' is no condition that there is" in done.out
    assert "nothing found" in done.out
    assert "'7' is none of the numbers" in done.out
    assert done.out.count("a number from 1 to 5, or a word") == 2
    assert "please choose one" in done.out


def test_what_a_memory_says_steers_nothing(laptop: Device) -> None:
    for words in HOSTILE:
        laptop.add(words, "--inbox", "-c", "".join(c for c in words if c.isprintable())[:20] or "x")
    done = typed(laptop, "inbox", *["skip"] * len(HOSTILE), "search", "is:conflict", "quit")
    assert f"{len(HOSTILE)} of {len(HOSTILE)}" in done.out
    for character in "\x1b\x07\x08\x9b\u202e\u2066\u200b":
        assert character not in done.out


def test_input_that_ends_or_is_no_text_loses_nothing(waiting: tuple[Device, list[str]]) -> None:
    laptop, ids = waiting
    done = laptop("review", "--plain", stdin=b"inbox\nkeep\n\xff\xfe\nedit\ntext\nhalf a te", code=0)
    assert done.out.endswith("1 decision made, all kept\n")
    assert [record(laptop, each)["status"] for each in ids[:2]] == ["active", "inbox"]
    assert record(laptop, ids[1])["content"] == "thought number four"


def test_an_interrupt_leaves_what_was_decided(waiting: tuple[Device, list[str]]) -> None:
    laptop, ids = waiting
    process = laptop.start("review", "--plain")
    assert process.stdin is not None
    assert process.stdout is not None
    seen = bytearray()
    try:
        process.stdin.write(b"inbox\nkeep\n")
        process.stdin.flush()

        def second() -> bool:
            assert process.stdout is not None
            seen.extend(os.read(process.stdout.fileno(), 4096))
            return b"2 of 5" in seen and seen.endswith(b"what: ")

        wait_until(second)
        process.send_signal(signal.SIGINT)
        _, words = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert words == b"ghostie: error: interrupted\n"
    assert [record(laptop, each)["status"] for each in ids[:2]] == ["active", "inbox"]


@pytest.mark.parametrize("argv", [("review", "--plain"), ("review",)])
def test_at_a_dumb_terminal_it_is_plain_by_itself(argv: tuple[str, ...], waiting: tuple[Device, list[str]]) -> None:
    laptop, ids = waiting
    code, seen = laptop.on_terminal(*argv, keys="inbox\nkeep\nquit\nquit\n", columns=45, env={"TERM": "dumb"})
    assert code == 0
    assert b"\x1b" not in seen
    assert b"1 of 5" in seen
    assert record(laptop, ids[0])["status"] == "active"


def test_plain_is_plain_at_any_terminal(waiting: tuple[Device, list[str]]) -> None:
    laptop, _ = waiting
    code, seen = laptop.on_terminal("review", "--plain", keys="inbox\nskip\nquit\nquit\n", columns=45)
    assert code == 0
    assert b"\x1b" not in seen
    assert b"2 of 5" in seen
    said = [line for line in seen.decode().splitlines() if ": " not in line]
    assert max(map(len, said)) <= 45


def test_what_waits_is_a_document_too(waiting: tuple[Device, list[str]]) -> None:
    laptop, ids = waiting
    assert [each["id"] for each in laptop.ok("review", "--json").json()] == ids


def test_without_a_terminal_the_screens_say_what_to_do(laptop: Device) -> None:
    assert "`ghostie review --plain`" in laptop("review", code=2).err
