"""Hostile memories: nothing in them steers a terminal, whatever shows them, and nothing falls over."""

from __future__ import annotations

import json
import re

import pytest

from .device import HOSTILE, PASSPHRASE, Device, Scene
from .story import fight

# C0 but newline, DEL and C1; bidi controls; what hides text; tags
STEERING = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]"
)
OURS = re.compile(rb"\x1b\[(?:\d+(?:;\d+)*)?m")
ERASE = b"\r\x1b[K"  # ends a line of progress


def harmless(shown: str) -> None:
    """Hold what was printed to this: lines of characters that steer nothing."""
    found = STEERING.search(shown)
    assert found is None, f"{found!r} in {shown[max(0, found.start() - 40) : found.end() + 40]!r}"


def hostile_record() -> dict[str, object]:
    """Return a record that is hostile wherever a record can be, in fields that ghostie does not know too."""
    everything = " ".join(HOSTILE)
    word = "".join(character for character in everything if character.isprintable() or ord(character) > 0x9F)
    return {
        "content": f"first {everything}\nid: forged\n{everything}",
        "category": f"[/] {word[:80]}",
        "tags": ["[bold]x[/bold]", "\u202etag", f"t{word[:50]}"],
        "device_id": f"dev\u202eice {word[:60]}",
        "kind": f"ki{word[:40]}",
        "context": {f"key {everything}\nid: forged": {"deep": everything}, "plain": everything},
        "scope": {"repo": everything, everything: "x"},
        "links": [{"type": everything, "to": everything}],
        "source": {"tool": everything, "session": "\x1b]52;c;aGE=\x07"},
        "anchor": {"path": f"../../{everything}"},
        f"unknown {everything}": {everything: [everything]},
        "sync_metadata": {},
    }


@pytest.fixture
def hostile(pair: Scene) -> tuple[Scene, str]:
    """Two devices that fight over a memory, hostile on both sides and in every field."""
    laptop, phone = pair.device("laptop"), pair.device("phone")
    laptop.ok("sync", "devices", "--rename", "lap\u202etop [/]")
    source = laptop.scratch / "in.jsonl"
    source.write_text(json.dumps(hostile_record()) + "\n")
    (memory_id,) = laptop.ok("import", str(source), "--json").json()["added"]
    laptop.ok("add", stdin="buy \x1b]0;milk\x07 milk")
    laptop.ok("edit", memory_id, "--content", "-", stdin="\x00\x1bc second\x9b2J\n" + "\n".join(HOSTILE))
    laptop.ok("sync", "push")
    phone.ok("sync", "pull")
    phone.ok("edit", memory_id, "--content", "theirs \x1b[2J" + HOSTILE[2], "-c", "theirs \u202e")
    laptop.ok("edit", memory_id, "--content", "mine \x1b[2J" + HOSTILE[3], "-c", "mine \u2066")
    phone.ok("sync", "push")
    laptop("sync", "pull", code=3)
    return pair, memory_id


def shows(memory_id: str) -> list[tuple[str, ...]]:
    return [
        ("list",),
        ("show", memory_id),
        ("history", memory_id),
        ("diff", memory_id),
        ("diff", memory_id, "1", "2"),
        ("search", "milk"),
        ("search", "mine"),
        ("stats",),
        ("undo", "--list"),
        ("sync", "status"),
        ("sync", "devices"),
        ("sync", "conflict"),
        ("sync", "conflict", memory_id),
        ("doctor",),
        ("list", "--json"),
        ("show", memory_id, "--json"),
        ("history", memory_id, "--json"),
        ("diff", memory_id, "--json"),
        ("search", "mine", "--json"),
        ("sync", "conflict", "--json"),
        ("stats", "--json"),
        ("export",),
        ("export", "--json"),
    ]


def test_no_command_prints_what_could_steer_a_terminal(hostile: tuple[Scene, str]) -> None:
    pair, memory_id = hostile
    laptop = pair.device("laptop")
    for argv in shows(memory_id):
        for columns in ({}, {"COLUMNS": "45"}):
            done = laptop(*argv, env=columns)
            assert done.code in (0, 3), (argv, done.err)
            harmless(done.out)
            harmless(done.err)
            assert done.out, argv


def test_what_is_hidden_is_marked_and_what_is_markup_elsewhere_is_text_here(hostile: tuple[Scene, str]) -> None:
    pair, memory_id = hostile
    shown = pair.device("phone").ok("show", memory_id).out
    assert "\N{REPLACEMENT CHARACTER}[2J" in shown
    assert "[bold]x[/bold]" in shown
    assert shown.count("\nid: forged") == 0
    assert [line for line in shown.splitlines() if line.startswith("id: ")] == [f"id: {memory_id}"]


@pytest.mark.parametrize("columns", [20, 45, 100])
def test_at_a_terminal_the_only_sequences_are_our_own_styles(columns: int, hostile: tuple[Scene, str]) -> None:
    pair, memory_id = hostile
    laptop = pair.device("laptop")
    styled = 0
    for argv in shows(memory_id):
        code, seen = laptop.on_terminal(*argv, columns=columns)
        assert code in (0, 3), argv
        styled += len(OURS.findall(seen))
        plain = OURS.sub(b"", seen.replace(ERASE, b""))
        harmless(plain.decode().replace("\r\n", "\n"))
        assert seen.count(b"\x1b[0m") * 2 == len(OURS.findall(seen)), "each style ends before the next begins"
    assert styled > 10


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_without_colour_there_is_no_colour(env: dict[str, str], hostile: tuple[Scene, str]) -> None:
    pair, memory_id = hostile
    for argv in shows(memory_id):
        _, seen = pair.device("laptop").on_terminal(*argv, env=env)
        for style in OURS.findall(seen):
            assert style in (b"\x1b[1;4m", b"\x1b[0m"), "bold and underlined, for a hit: no colour"
            assert "TERM" not in env
        harmless(OURS.sub(b"", seen.replace(ERASE, b"")).decode().replace("\r\n", "\n"))


def test_a_hit_is_set_off_at_a_terminal_only(laptop: Device) -> None:
    laptop.add("needle in hay")
    assert b"\x1b[1;4mneedle\x1b[0m in hay" in laptop.on_terminal("search", "needle")[1]
    assert b"\x1b[1;4mneedle\x1b[0m in hay" in laptop.on_terminal("search", "needle", env={"NO_COLOR": "1"})[1]
    assert laptop.ok("search", "needle").out.splitlines()[1] == "  needle in hay"


def test_forged_marks_of_hits_are_no_marks(laptop: Device) -> None:
    laptop.ok("add", stdin="needle \x02forged\x03 \ue000forged\ue001 \x00forged")
    seen = laptop.on_terminal("search", "needle")[1]
    assert set(OURS.findall(seen)) <= {b"\x1b[1;4m", b"\x1b[0m", b"\x1b[2m", b"\x1b[33m", b"\x1b[36m"}
    harmless(OURS.sub(b"", seen).decode().replace("\r\n", "\n"))


@pytest.mark.parametrize("command", [("list",), ("search", "wide"), ("show",), ("stats",), ("sync", "status")])
@pytest.mark.parametrize("columns", [1, 8, 20, 45, 100])
def test_lines_keep_to_the_width_of_the_terminal(command: tuple[str, ...], columns: int, pair: Scene) -> None:
    laptop = pair.device("laptop")
    memory_id = laptop.add("wide 世界世界世界世界世界 é" + "é" * 40 + " 👩‍👩‍👧‍👦" * 9, "-c", "世界" * 20)
    argv = (*command, memory_id) if command == ("show",) else command
    code, seen = laptop.on_terminal(*argv, columns=columns)
    assert code == 0
    if columns >= 45 and command[0] in ("list", "search"):
        from ghostie import text

        for line in OURS.sub(b"", seen).decode().replace("\r", "").splitlines():
            assert text.width(line) <= columns, line


def test_standard_input_takes_any_text_and_refuses_what_is_none(laptop: Device) -> None:
    for content in ("\x00", "a\x00b", "x" * 1_000_000, "\r\n".join("ab"), "\ufeffbom", "\U0010ffff", "e\u0301" * 100):
        memory_id = laptop.ok("add", stdin=content).out.strip()
        assert laptop.ok("show", memory_id, "--json").json()["content"] == content
        harmless(laptop.ok("show", memory_id).out)
    for refused in (b"\xff", b"\xed\xa0\x80", b"half \xc3", b"\xf8\x88\x80\x80\x80", b"\xc0\xaf"):
        done = laptop("add", stdin=refused, code=2)
        assert (done.out, done.err) == ("", "ghostie: error: standard input is not UTF-8 text\n")
    harmless(laptop.ok("list", "-n", "0").out)


def test_arguments_that_are_no_text_are_refused(laptop: Device) -> None:
    bad = b"half \xff"
    for argv in (
        (b"add", bad),
        (b"add", b"x", b"-c", bad),
        (b"add", b"x", b"-t", bad),
        (b"add", b"x", b"--kind", bad),
        (b"add", b"x", b"--context", b'{"k": "' + bad + b'"}'),
        (b"sync", b"devices", b"--rename", bad),
        (b"init", b"--home", b"new", b"--device-name", bad),
    ):
        done = laptop(*argv, passphrase=PASSPHRASE)
        assert (done.code in (1, 2), done.out) == (True, ""), argv
        assert "fault" not in done.err, argv
    assert laptop.versions() == []
    assert not (laptop.folder / "new").exists()
    for looked_for in ((b"list", b"-c"), (b"list", b"-t"), (b"list", b"--device"), (b"search",)):
        assert laptop(*looked_for, bad, code=0).out == ""


def test_a_line_of_one_mebibyte_is_shown_and_one_byte_more_is_refused(laptop: Device) -> None:
    memory_id = laptop.ok("add", stdin="x" * (1 << 20)).out.strip()
    assert len(laptop.ok("show", memory_id).out) > 1 << 20
    assert len(laptop.ok("list").out) < 200
    assert len(laptop.ok("search", "x" * 100).out) == 0
    laptop.ok("edit", memory_id, "--content", "-", stdin="y" * (1 << 20))
    assert len(laptop.ok("diff", memory_id).out) > 2 << 20
    for stdin in ("x" * ((1 << 20) + 1), "é" * (1 << 19) + "x", "\n" * (2 << 20)):
        done = laptop("add", stdin=stdin)
        assert (done.code, done.out) == (1, "")
    done = laptop("add", stdin="x" * ((1 << 20) + 1), code=1)
    assert "1048577 bytes" in done.err
    assert "ghostie: hint: split it, or bring it in with `ghostie import FILE`" in done.err
    assert laptop.ids() == {memory_id}


def test_many_lines_are_compared_in_no_time(laptop: Device) -> None:
    memory_id = laptop.ok("add", stdin="".join(f"line {number}\n" for number in range(60_000))).out.strip()
    laptop.ok("edit", memory_id, "--content", "-", stdin="".join(f"line {number}\n" for number in range(60_000, 0, -1)))
    assert laptop("diff", memory_id, timeout=20, code=0).out


def test_a_person_at_a_terminal_is_asked_and_believed(laptop: Device) -> None:
    memory_id = laptop.add("precious \x1b[2J")
    code, seen = laptop.on_terminal("purge", memory_id, keys="no\n")
    assert code == 2
    assert b"precious" in seen
    assert len(laptop.versions(memory_id)) == 1
    code, seen = laptop.on_terminal("purge", memory_id, keys="yes\n")
    assert code == 0
    assert laptop.ids() == set()


def test_a_passphrase_is_asked_for_at_a_terminal_unseen(pair: Scene) -> None:
    phone = pair.device("phone")
    phone.end_agent()
    code, seen = phone.on_terminal("list", keys=f"{PASSPHRASE}\n")
    assert code == 0
    assert PASSPHRASE.encode() not in seen
    assert b"passphrase: " in seen


def test_a_conflict_is_shown_and_settled_at_a_narrow_terminal(pair: Scene) -> None:
    laptop = pair.device("laptop")
    memory_id = fight(pair, "mine " * 50, "theirs " * 50)
    code, seen = laptop.on_terminal("sync", "conflict", memory_id, columns=45)
    assert code == 3
    assert b"mine" in seen and b"theirs" in seen
