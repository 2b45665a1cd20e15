"""Every operation cut off wherever it reaches the disk: nothing acknowledged is lost, nothing is half there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import ghostie

from .points import OPERATIONS
from .wires import MODES


def points(operation: str, mode: str, folder: Path) -> list[dict[str, Any]]:
    """Return a report of every point at which *operation* was cut off; the last one is of the run that came through."""
    program = subprocess.run(
        [sys.executable, "-m", "tests.crash.points", operation, mode, str(folder)],
        cwd=Path(ghostie.__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert program.stderr == ""
    return [json.loads(line) for line in program.stdout.splitlines()]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_cut_off_anywhere_is_whole_or_was_never_begun(operation: str, mode: str, tmp_path: Path) -> None:
    reports = points(operation, mode, tmp_path)
    assert [(report["point"], report["problems"]) for report in reports if report["problems"]] == []
    assert len(reports) >= 8
    assert [report["tripped"] for report in reports] == [True] * (len(reports) - 1) + [False]
    assert reports[-1]["done"]
    if mode in ("killed", "torn", "power"):
        assert not any(report["done"] for report in reports[:-1])
    if mode == "full for good":
        assert not reports[0]["done"]
