from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def memory_folder() -> Iterator[Path]:
    """A folder in memory, where there is one: every try needs a copy of a vault."""
    shared = Path("/dev/shm")
    made = Path(tempfile.mkdtemp(prefix="ghostie-", dir=shared if shared.is_dir() else None))
    yield made
    shutil.rmtree(made, ignore_errors=True)
