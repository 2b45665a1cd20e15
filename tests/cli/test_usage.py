"""How commands may be spelt, and what a wrong spelling is told."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ghostie.cli import parser
from ghostie.cli.grammar import Parser

from .device import ROOT, Device, Done, Scene, ageless
from .story import COMMANDS

pytestmark = pytest.mark.versions


def test_sync_may_be_spelt_in_three_ways(pair: Scene) -> None:
    laptop = pair.device("laptop")
    spellings = (
        ("sync", "status"),
        ("--sync", "status"),
        ("--sync=status",),
        ("-q", "--sync", "status"),
        ("--sync=status", "--quiet"),
        ("--home", str(laptop.vault), "--sync", "status"),
    )
    told = {(done.code, ageless(done.out)) for done in (laptop(*argv) for argv in spellings)}
    assert len(told) == 1
    assert told.pop()[0] == 0
    for argv in (("sync", "push"), ("--sync", "push"), ("--sync=push",)):
        laptop.add("something to send")
        assert "pushed 1 version" in laptop.ok(*argv).err


def test_options_for_all_commands_stand_before_or_after_the_command(laptop: Device) -> None:
    laptop.add("here")
    home = str(laptop.vault)
    same = [
        laptop.ok("--home", home, "--json", "list").out,
        laptop.ok("list", "--home", home, "--json").out,
        laptop.ok("--home", home, "list", "--json").out,
        laptop.ok(f"--home={home}", "--json", "list").out,
        laptop.ok("--json", "list", f"--home={home}").out,
        laptop.ok("-q", "list", "--json", "-n", "20").out,
    ]
    assert len(set(same)) == 1
    elsewhere = str(laptop.scratch / "nowhere")
    assert laptop("list", "--home", elsewhere, code=10).out == ""
    assert laptop("--home", elsewhere, "list", code=10).out == ""
    assert laptop("list", env={"GHOSTIE_HOME": elsewhere}, code=10).out == ""
    assert laptop("--home", home, "list", env={"GHOSTIE_HOME": elsewhere}, code=0).out != ""


def test_several_short_flags_and_a_flag_given_twice_do_not_hide_the_command(laptop: Device) -> None:
    memory_id = laptop.add("here")
    assert laptop.ok("-qq", "show", memory_id, "--json").json()["id"] == memory_id
    assert laptop.ok("-q", "-q", "--json", "--json", "show", memory_id).json()["id"] == memory_id


@pytest.mark.parametrize("argv", [("--js", "list"), ("list", "--js"), ("list", "--lim", "3"), ("--hom", "/", "list")])
def test_an_option_is_spelt_in_full_so_that_a_script_means_the_same_tomorrow(
    argv: tuple[str, ...], laptop: Device
) -> None:
    refused(laptop(*argv))


def test_tags_are_taken_off_with_a_dash_however_it_is_written(laptop: Device) -> None:
    memory_id = laptop.add("tagged", "-t", "a", "-t", "b", "-t", "c", "-t", "d")
    laptop.ok("edit", memory_id, "-t", "-a", "--tag", "-b", "-t-c", "--tag=+new", "-t", "plain")
    assert laptop.ok("show", memory_id, "--json").json()["tags"] == ["d", "new", "plain"]


def test_what_follows_two_dashes_is_no_option(laptop: Device) -> None:
    memory_id = laptop.ok("add", "-t", "x", "--", "--json").out.strip()
    assert laptop.ok("show", memory_id, "--json").json()["content"] == "--json"
    laptop.ok("edit", "-t", "-x", "-t", "+y", "--", memory_id)
    assert laptop.ok("show", memory_id, "--json").json()["tags"] == ["y"]
    assert [hit["id"] for hit in laptop.ok("search", "--json", "--", "--json").json()] == [memory_id]
    refused(laptop("--sync=push", "--", "x"))


@pytest.mark.parametrize(
    "argv",
    [
        ("nosuch",),
        ("",),
        ("\x1b[31mlist",),
        ("list", "colour:red"),
        ("list", "--nosuch"),
        ("list", "--\x1b]0;title\x07"),
        ("list", "--\u202enosuch\nnext line"),
        ("list", "-n", "-1"),
        ("list", "-n", "many"),
        ("list", "-n", "9" * 5000),
        ("list", "--status", "odd"),
        ("list", "--since", "soon"),
        ("list", "--since", "9" * 5000 + "d"),
        ("list", "--until", "2025-13-01"),
        ("show",),
        ("rm",),
        ("search",),
        ("import",),
        ("import", "/nowhere/at.all"),
        ("sync",),
        ("--sync",),
        ("keys",),
        ("sync", "nosuch"),
        ("--sync=nosuch",),
        ("sync", "setup"),
        ("sync", "setup", "--backend", "nosuch"),
        ("sync", "push"),
        ("sync", "conflict", "--keep", "odd"),
        ("unlock", "--for", "ever"),
        ("unlock", "--for", "0s"),
        ("completion",),
        ("completion", "cmd.exe"),
        ("gc", "--history", "0"),
        ("add", "x", "--context", "[1]"),
        ("add", "x", "--context", "{nonsense"),
        ("--home", "~nobody-by-this-name/x", "list"),
        ("sync", "devices", "--rename", "two\nlines"),
    ],
)
def test_a_wrong_command_line_is_told_so(argv: tuple[str, ...], laptop: Device) -> None:
    refused(laptop(*argv))


def refused(done: Done) -> None:
    assert (done.code, done.out) == (2, "")
    told(done)


def told(done: Done) -> None:
    """Hold what an error says to its form: one line, perhaps a hint, lower case, no full stop, nothing that steers.

    Warnings may stand before it, each in a line.
    """
    error, *hints = [line for line in done.err.splitlines() if not line.startswith("ghostie: warning: ")]
    assert error.startswith("ghostie: error: ")
    assert all(hint.startswith("ghostie: hint: ") for hint in hints)
    assert len(hints) <= 1
    assert not any(line.endswith(".") for line in (error, *hints))
    said = error.removeprefix("ghostie: error: ")
    assert not said[:1].isupper() or said.split()[0].isupper(), "no capital but a variable's name"
    assert len(error) <= 600
    assert all(character.isprintable() for character in done.err.replace("\n", ""))


@pytest.mark.parametrize(
    "bad",
    [
        "../../x",
        "..",
        "/etc/passwd",
        "a" * 10_000,
        "[/]",
        "[bold]x[/bold]",
        "\x1b[31m",
        "\u202e",
        "\udcff",
        " ",
        "",
        "*",
        "%s{0}",
    ],
)
def test_what_is_no_id_is_told_so_and_touches_nothing(bad: str, laptop: Device) -> None:
    laptop.add("here")
    for command in ("show", "history", "diff", "edit", "rm", "restore", "purge", "sync conflict"):
        extra = {"edit": ["-c", "x"], "purge": ["--yes"]}.get(command, [])
        done = laptop(*command.split(), os.fsencode(bad), *extra)
        if command == "sync conflict" and bad == "":
            continue  # no id: the list
        assert (done.code, done.out) == (1, ""), command
        told(done)
    assert len(laptop.versions()) == 1


def test_a_version_that_is_none_is_told_so(laptop: Device) -> None:
    memory_id = laptop.add("here")
    for version in ("2", "0", "zzzz", "../../x", "9" * 5000, "\x1b[31m", "[/]"):
        done = laptop("diff", memory_id, version, code=1)
        assert done.out == ""
        told(done)
    for at in ("7", "9999999d", "0001-01-01", "9" * 5000, "9" * 5000 + "d", "never"):
        done = laptop("restore", memory_id, "--at", at, code=1)
        assert done.out == ""
        told(done)


def test_a_beginning_that_several_ids_share_shows_some_of_them(laptop: Device) -> None:
    source = laptop.scratch / "in.jsonl"
    source.write_text("".join(f'{{"id": "aaaa{letter}{"a" * 21}", "content": "{letter}"}}\n' for letter in "abc"))
    laptop.ok("import", str(source))
    done = laptop("show", "aaaa", code=2)
    told(done)
    assert "3 memories" in done.err
    assert "aaaab" in done.err
    assert laptop.ok("show", "AAAAB", "--json").json()["content"] == "b"


def test_a_purge_shows_nothing_where_it_may_not_go_on(laptop: Device) -> None:
    memory_id = laptop.add("precious")
    for more in ((), ("--json",), ("--quiet",)):
        done = laptop("purge", memory_id, *more, code=2)
        assert done.out == ""
        assert "--yes" in done.err
    assert len(laptop.versions(memory_id)) == 1


def test_the_version_is_printed_wherever_it_is_asked_for(laptop: Device) -> None:
    from ghostie import __version__

    assert laptop.ok("--version").out == f"ghostie {__version__}\n"
    assert laptop.ok("-q", "--version", "--home", "/nowhere").out == f"ghostie {__version__}\n"


# -- the reference ---------------------------------------------------------------------------------------------------


def test_the_reference_is_what_the_parser_says() -> None:
    for columns in ("45", "100", "300"):
        done = subprocess.run(
            [sys.executable, "-m", "ghostie.cli.reference", "--check"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "COLUMNS": columns, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_the_reference_describes_every_command_and_every_option() -> None:
    written = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    for name, leaf in leaves():
        assert f"\n## ghostie {name}\n" in written
        assert leaf.description
        for action in leaf._actions:
            assert action.help, f"{name}: {action.dest} has no help"
            assert all(option in written for option in set(action.option_strings) - {"-h", "--help"})


def leaves() -> list[tuple[str, Parser]]:
    """Walk the parser itself, and hold what is found against the table of commands."""
    found: list[tuple[str, Parser]] = []
    todo: list[tuple[str, Parser]] = [("", parser.build())]
    while todo:
        name, node = todo.pop()
        below = [action for action in node._actions if isinstance(action.choices, dict)]
        for action in below:
            assert isinstance(action.choices, dict)
            todo += [(f"{name} {word}".strip(), child) for word, child in action.choices.items()]
        if not below:
            found.append((name, node))
    assert sorted(name for name, _ in found) == sorted(COMMANDS)
    return found
