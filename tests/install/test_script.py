"""install.sh itself: what it says, what it refuses, and that a cut anywhere leaves what was there."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.cli.device import ROOT
from tests.install.place import PATIENCE, SCRIPT, Place, copied, pretended

pytestmark = pytest.mark.python


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return pretended(tmp_path / "home")


def test_a_script_that_was_cut_short_at_any_line_does_nothing(place: Place) -> None:
    lines = SCRIPT.read_text(encoding="utf-8").splitlines(keepends=True)
    cut = place.home.parent / "cut"
    cut.mkdir()
    (cut / "ghostie").symlink_to(ROOT / "ghostie")
    (cut / "lock").symlink_to(ROOT / "lock")
    (cut / "pyproject.toml").symlink_to(ROOT / "pyproject.toml")
    before = place.tree()
    # one process for all of them; whatever a cut script would have done, it would have done in this home
    loop = 'for cut in "$@"; do sh "$cut" --yes </dev/null >/dev/null 2>&1; done; :'
    # the last line is cut at every character too
    last = [[*lines[:-1], lines[-1][:end]] for end in range(len(lines[-1]) - 2)]
    parts = [lines[:count] for count in range(1, len(lines))] + last
    for number, part in enumerate(parts):
        (cut / f"{number}-install.sh").write_text("".join(part), encoding="utf-8")
    names = [str(cut / f"{number}-install.sh") for number in range(len(parts))]
    done = place.run(["sh", "-c", loop, "sh", *names])
    assert done.returncode == 0
    assert place.tree() == before
    (cut / "install.sh").write_text("".join(lines), encoding="utf-8")
    assert "is installed." in place.install("--yes", script=cut / "install.sh"), "whole, it does"


def test_it_says_first_what_it_would_do_and_a_dry_run_does_nothing(place: Place) -> None:
    said = place.install("--dry-run")
    for word in ("downloads", str(place.root), str(place.command), "hash", "nothing touches it now"):
        assert word in said
    assert said.splitlines()[-1] == "Nothing was done (--dry-run)."
    assert place.tree() == {}


def test_without_a_terminal_it_asks_nobody_and_does_nothing(place: Place) -> None:
    assert "there is no terminal to ask on" in place.refused()
    assert place.tree() == {}


def test_a_second_run_changes_nothing(place: Place) -> None:
    place.install("--yes")
    before = place.tree()
    assert "is installed already" in place.install("--yes")
    assert place.tree() == before


def test_it_installs_when_it_comes_through_a_pipe_in_a_checkout(place: Place) -> None:
    script = SCRIPT.read_text(encoding="utf-8")
    done = place.run(["sh", "-s", "--", "--yes"], given=script, cwd=ROOT)
    assert "is installed." in done.stdout, done.stderr
    alone = place.run(["sh", "-s", "--", "--yes"], given=script, cwd=place.home)
    assert (alone.returncode, "the sources are not beside this script" in alone.stderr) == (2, True)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--nonsense"], "there is no option --nonsense"),
        (["--prefix"], "--prefix needs a value"),
        (["--prefix="], "there is no option --prefix="),
        (["--purge"], "--purge goes with --uninstall"),
        (["--offline", "/nowhere"], "is no folder that --download filled"),
        (["--version", "9.9.9", "--yes"], "version 9.9.9 is not here"),
        (["--version", "../9", "--yes"], "../9 is no version"),
        (["--prefix", "/", "--yes"], "is no place for --prefix"),
    ],
)
def test_what_cannot_be_meant_is_refused(place: Place, argv: list[str], said: str) -> None:
    assert said in place.refused(*argv)
    assert place.tree() == {}


def test_it_goes_to_a_tag_of_the_clone_and_back_to_what_was_installed_before(place: Place, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    (clone / "ghostie").mkdir(parents=True)
    shutil.copytree(ROOT / "lock", clone / "lock")
    for name in ("pyproject.toml", "install.sh"):
        shutil.copy(ROOT / name, clone)
    for version in ("0.0.8", "0.0.9"):
        (clone / "ghostie" / "version.py").write_text(f'__version__ = "{version}"\n')
        git = ("git", "-C", clone, "-c", "user.name=nobody", "-c", "user.email=nobody@example.org")
        for said in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", version), ("tag", f"v{version}")):
            done = place.run([*git, *said])
            assert done.returncode == 0, done.stderr
    script = clone / "install.sh"
    assert "ghostie 0.0.9 is installed." in place.install("--yes", script=script)
    assert "ghostie 0.0.8 is installed." in place.install(
        "--yes", "--version", "0.0.8", script=script, env={"DIGEST": "eight"}
    )
    # without tags: from what was kept
    shutil.rmtree(clone / ".git")
    (clone / "ghostie" / "version.py").write_text('__version__ = "0.1.0"\n')
    back = place.install("--yes", "--version=0.0.9", script=script)
    assert "downloads   nothing" in back
    assert "ghostie 0.0.9 is installed." in back
    assert "version 0.0.7 is not here" in place.refused("--yes", "--version", "0.0.7", script=script)
    (place.root / "current").resolve().relative_to(place.root / "venvs")
    assert (place.root / "current" / "kit" / "version").read_text() == "0.0.9\n"


def test_a_command_that_is_somebody_elses_is_left_alone(place: Place) -> None:
    place.command.parent.mkdir(parents=True)
    place.command.write_text("mine")
    assert "was not made by this script" in place.refused("--yes")
    assert place.tree() == {".local/bin/ghostie": b"mine"}


def test_uninstalling_leaves_the_vault_and_nothing_else(place: Place) -> None:
    (place.home / ".ghostie").mkdir()
    (place.home / ".ghostie" / "memory").write_text("mine")
    place.install("--yes")
    place.install("--uninstall", "--yes")
    assert [path.name for path in place.home.iterdir()] == [".ghostie"]
    assert "There is no ghostie in" in place.install("--uninstall", "--yes")


def test_only_a_typed_word_destroys_the_vault(place: Place) -> None:
    (place.home / ".ghostie").mkdir()
    (place.home / ".ghostie" / "memory").write_text("mine")
    place.install("--yes")
    before = place.tree()
    assert "at a terminal only" in place.refused("--uninstall", "--purge", "--yes")
    assert place.tree() == before
    for word, left in (("yes", before), ("destroy", {})):
        answered = _at_a_terminal(place, word, "--uninstall", "--purge")
        assert ("The vault is destroyed." in answered) is (word == "destroy")
        assert place.tree() == left


def _at_a_terminal(place: Place, typed: str, *argv: str) -> str:
    child, screen = pty.fork()
    if child == 0:
        os.chdir(place.home)
        os.execvpe("sh", ["sh", str(SCRIPT), *argv], place.environment())
    os.write(screen, f"{typed}\n".encode())
    said = b""
    try:
        while piece := os.read(screen, 4096):
            said += piece
    except OSError:
        pass  # the terminal is gone with the last process that had it
    os.waitpid(child, 0)
    os.close(screen)
    return said.decode()


# `$$` is the whole script, also where a part of it runs in a shell of its own
_CUTTER = """
set -T
at=0
trap 'at=$((at + 1)); if [ -n "$CUT" ] && [ "$at" -ge "$CUT" ]; then kill -9 $$ $BASHPID; fi; echo "$at $LINENO" >>"$STEPS"' DEBUG
"""


needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here, whose traps cut a script")


def cutting(place: Place, *argv: str, env: Mapping[str, str]) -> Iterator[Place]:
    """Yield copies of a home in which the script was cut: at none of its commands, and then at the first of each line."""
    cutter = place.home.parent / "cutter"
    cutter.write_text(_CUTTER)
    steps = place.home.parent / "steps"
    trial = copied(place, place.home.parent / "trial")

    def cut(at: str) -> None:
        subprocess.run(
            ["bash", SCRIPT, *argv],
            env=trial.environment({"BASH_ENV": str(cutter), "CUT": at, "STEPS": str(steps), **env}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
        )

    cut("")
    yield trial
    first: dict[str, str] = {}
    for taken in steps.read_text().splitlines():
        step, line = taken.split()
        first.setdefault(line, step)
    assert len(first) > 100
    for step in first.values():
        shutil.rmtree(trial.home)
        copied(place, trial.home)
        cut(step)
        yield trial


@pytest.mark.once
@pytest.mark.slow
@needs_bash
def test_cut_at_each_of_its_commands_it_leaves_a_ghostie_that_works(place: Place) -> None:
    place.install("--yes")
    assert place.ghostie("--version") == "one\n"
    seen = []
    for number, trial in enumerate(cutting(place, "--yes", env={"DIGEST": "two"})):
        seen.append(trial.ghostie("--version"))
        if number % 20 == 1:
            trial.install("--yes", env={"DIGEST": "two"})
            assert trial.ghostie("--version") == "two\n"
            assert len(list((trial.root / "venvs").iterdir())) <= 2, "what a cut left is tidied up"
            trial.install("--uninstall", "--yes")
            assert trial.tree() == {}
    assert seen[0] == "two\n"
    assert set(seen) == {"one\n", "two\n"}


@pytest.mark.once
@pytest.mark.slow
@needs_bash
def test_cut_at_each_of_its_commands_accelerating_leaves_a_ghostie_that_works(place: Place, tmp_path: Path) -> None:
    prefix = tmp_path / "com.termux" / "files" / "usr"
    for folder in ("bin", "lib"):
        (prefix / folder).mkdir(parents=True)
    (prefix / "lib" / "libsodium.so").touch()
    (prefix / "bin" / "sh").symlink_to("/bin/sh")
    (prefix / "bin" / "pkg").write_text("#!/bin/sh\n")
    (prefix / "bin" / "pkg").chmod(0o700)
    phone = Place(place.home, {**place.more, "PREFIX": str(prefix), "PATH": f"{prefix}/bin:{place.more['PATH']}"})
    phone.install("--yes")
    seen = []
    for trial in cutting(phone, "--accelerate", "--yes", env={}):
        assert trial.ghostie("--version") == "one\n"
        seen.append((trial.root / "current" / ".tier").read_text())
    assert seen[0] == "native\n"
    assert set(seen) == {"pure\n", "native\n"}


def test_the_list_of_packages_is_what_the_script_asks_for() -> None:
    lines = (ROOT / "termux" / "packages.txt").read_text(encoding="utf-8").splitlines()
    listed = [line.split(maxsplit=2) for line in lines if line and not line.startswith("#")]
    asked = SCRIPT.read_text(encoding="utf-8").partition("missing_packages() {")[2].partition("\n}")[0]
    needed = {name for name, need, _ in listed if need == "needed"}
    assert needed == {"python", "libsodium"}
    assert all(f"'{name} '" in asked for name in needed) and asked.count("printf") == len(needed)
