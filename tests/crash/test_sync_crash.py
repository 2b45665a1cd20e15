"""Sync cut off wherever it reaches the disk, here or in the store's folder: all devices come to one state, nothing is lost."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .cutting import reports_of
from .sync_points import OPERATIONS


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory, where there is one: every point needs a copy of everybody's home."""
    shared = Path("/dev/shm")
    made = Path(tempfile.mkdtemp(prefix="ghostie-", dir=shared if shared.is_dir() else None))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_sync_killed_anywhere_goes_on_the_next_time_as_if_nothing_had_been(operation: str, folder: Path) -> None:
    reports_of("sync_points", operation, "killed", folder)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["torn", "power", "full", "broken"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_torn_writes_power_cuts_full_disks_and_errors_do_no_more_harm(operation: str, mode: str, folder: Path) -> None:
    reports_of("sync_points", operation, mode, folder)
