"""Sync cut off wherever it reaches the disk, here or in the store's folder: all devices come to one state, nothing is lost."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ghostie

from .sync_points import OPERATIONS


def points(operation: str, mode: str, folder: Path) -> list[dict[str, Any]]:
    """Return a report of every point at which *operation* was cut off; the last one is of the run that came through."""
    program = subprocess.run(
        [sys.executable, "-m", "tests.crash.sync_points", operation, mode, str(folder)],
        cwd=Path(ghostie.__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert program.stderr == ""
    return [json.loads(line) for line in program.stdout.splitlines()]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory, where there is one: every point needs a copy of everybody's home."""
    shared = Path("/dev/shm")
    made = Path(tempfile.mkdtemp(prefix="ghostie-", dir=shared if shared.is_dir() else None))
    yield made
    shutil.rmtree(made, ignore_errors=True)


def hold(operation: str, mode: str, folder: Path) -> None:
    reports = points(operation, mode, folder)
    assert [(report["point"], report["problems"]) for report in reports if report["problems"]] == []
    assert len(reports) >= 8
    assert [report["tripped"] for report in reports] == [True] * (len(reports) - 1) + [False]
    assert reports[-1]["done"]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_sync_killed_anywhere_goes_on_the_next_time_as_if_nothing_had_been(operation: str, folder: Path) -> None:
    hold(operation, "killed", folder)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["torn", "power", "full", "broken"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_torn_writes_power_cuts_full_disks_and_errors_do_no_more_harm(operation: str, mode: str, folder: Path) -> None:
    hold(operation, mode, folder)
