"""Every operation cut off wherever it reaches the disk: nothing acknowledged is lost, nothing is half there."""

from __future__ import annotations

from pathlib import Path

import pytest

from .cutting import reports_of
from .points import OPERATIONS
from .wires import MODES


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_cut_off_anywhere_is_whole_or_was_never_begun(operation: str, mode: str, tmp_path: Path) -> None:
    reports = reports_of("points", operation, mode, tmp_path)
    if mode in ("killed", "torn", "power"):
        assert not any(report["done"] for report in reports[:-1])
    if mode == "full for good":
        assert not reports[0]["done"]
