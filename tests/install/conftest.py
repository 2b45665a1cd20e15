"""A kit that is made once for all tests, whichever worker is first, and homes to install it into."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from tests.install.place import Place


@pytest.fixture(scope="session")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that `install.sh --download` filled from where pip is set up to take packages."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base  # a worker's folder stands in the run's
    with (shared / "kit.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = shared / "kit"
        if not made.exists():
            home = shared / "kit-home"
            home.mkdir(exist_ok=True)
            Place(home, {}).install("--download", str(made))
            assert list(home.iterdir()) == []
        return made


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "a home, with späces"
    made.mkdir()
    return made
