"""Each call to the system fails, of each command that writes: what the command says is what is then there.

It says that the change was made, and it was, once; or that it was not, and nothing of it is there, and the command
repeated makes it. Nothing that could not be read is set aside or called damaged, and the words show no memory's text.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import ghostie

from .commands import COMMANDS

A_FEW = 3  # tries of each command in the everyday run
GROUPS = 2


def tried(folder: Path, seed: int, most: int, names: list[str]) -> list[dict[str, Any]]:
    """Return what program.py found."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.program", str(folder), str(seed), str(most), *names],
        cwd=Path(ghostie.__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("group", range(GROUPS))
def test_a_call_that_fails_changes_nothing_or_is_told_beside_what_was_done(
    group: int, memory_folder: Path, request: pytest.FixtureRequest
) -> None:
    """Some calls of every command, which the commit chooses; `--seed` repeats them."""
    seed = request.config.option.seed
    reports = tried(memory_folder, seed, A_FEW, list(COMMANDS)[group::GROUPS])
    assert [report["tried"] for report in reports] == [A_FEW] * len(reports)
    assert [wrong for report in reports for wrong in report["wrong"]] == [], f"again: --seed {seed}"


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_every_call_that_fails_changes_nothing_or_is_told_beside_what_was_done(name: str, memory_folder: Path) -> None:
    (report,) = tried(memory_folder, 0, 0, [name])
    assert report["calls"] >= 40
    assert report["tried"] > report["calls"]
    assert report["wrong"] == []
