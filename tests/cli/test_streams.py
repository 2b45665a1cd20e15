"""Standard streams that are closed, full, or read by somebody who has seen enough."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from .device import GHOSTIE, Device

pytestmark = pytest.mark.versions

WORDS = " ".join(shlex.quote(word) for word in GHOSTIE)


def shell(laptop: Device, command: str, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Run a line of shell, in which `ghostie` is the command; return its exit code, standard output and error."""
    done = subprocess.run(
        ["sh", "-c", f'ghostie() {{ {WORDS} "$@"; }}; {command}'],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=laptop.environment(env),
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "command", ["--version", "--help", "list", "list --json", "stats", "export", "completion bash"]
)
@pytest.mark.parametrize("unbuffered", [{}, {"PYTHONUNBUFFERED": "1"}])
def test_a_full_standard_output_is_an_error_and_a_closed_one_is_not(
    command: str, unbuffered: dict[str, str], laptop: Device
) -> None:
    laptop.add("x" * 20_000)
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    code, _, err = shell(laptop, f"ghostie {command} >/dev/full", unbuffered)
    assert code == 1
    assert err == "ghostie: error: could not write to standard output: no space left on device\n"
    assert shell(laptop, f"ghostie {command} >&-", unbuffered) == (0, "", "")


@pytest.mark.parametrize("command", ["--help", "list", "export", "completion zsh"])
@pytest.mark.parametrize("unbuffered", [{}, {"PYTHONUNBUFFERED": "1"}])
def test_a_reader_that_has_seen_enough_is_no_error(command: str, unbuffered: dict[str, str], laptop: Device) -> None:
    for _ in range(3):
        laptop.ok("add", stdin="x" * 200_000)
    code, out, err = shell(laptop, f"{{ ghostie {command}; echo $? >&2; }} | head -c 1", unbuffered)
    assert (code, len(out), err) == (0, 1, "0\n")
    code, _, err = shell(laptop, f"{{ sleep 0.1; ghostie {command}; echo $? >&2; }} | true", unbuffered)
    assert (code, err) == (0, "0\n")


def test_closed_streams_take_no_file_into_their_place(laptop: Device) -> None:
    """A descriptor that is free is given to the next file that is opened: words must not end up in the vault's files."""
    laptop.add("first")
    for closed in (">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"):
        assert shell(laptop, f"ghostie add second {closed}")[0] == 0
        assert shell(laptop, f"ghostie show nosuch {closed}")[0] == 1
        assert shell(laptop, f"ghostie search second {closed}")[0] == 0
    assert len(laptop.ids()) == 6
    assert "! " not in laptop("doctor", code=0).out


def test_nothing_is_read_from_a_closed_standard_input(laptop: Device) -> None:
    assert shell(laptop, "ghostie add <&-")[0] == 2
    assert shell(laptop, "ghostie keys restore <&-")[0] == 12


def test_output_is_utf_8_wherever_it_is_printed(laptop: Device) -> None:
    """Whatever the locale says: what one command prints another reads."""
    laptop.add("Grüße, 世界", "-c", "café")
    for locale in (
        {"LANG": "C"},
        {"LC_ALL": "POSIX"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONUTF8": "0", "LC_ALL": "C"},
    ):
        assert "café: Grüße, 世界" in laptop("list", env=locale, code=0).out
        assert laptop("show", "nosuch-é", env=locale, code=1).out == ""


def test_help_is_printed_in_a_locale_without_its_characters(laptop: Device) -> None:
    for locale in ({"PYTHONIOENCODING": "ascii"}, {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}):
        for command in ("--help", "list --help", "edit --help"):
            done = laptop(*command.split(), env=locale)
            assert (done.code, done.err) == (0, "")


def test_no_warning_of_python_reaches_a_person(laptop: Device) -> None:
    """Run as strictly as Python can, so that what a newer Python takes amiss shows here first."""
    laptop.add("x")
    for argv in (("list",), ("search", "x"), ("stats",), ("doctor",), ("undo", "--list"), ("add", "y"), ("--help",)):
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-W", "error", "-m", "ghostie", *argv],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=laptop.environment(),
            cwd=os.sep,
        )
        assert (done.returncode, done.stderr) == (0, ""), argv
