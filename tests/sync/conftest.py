"""A folder as the store, and two or three devices of one vault that meet there."""

from __future__ import annotations

from pathlib import Path

import pytest

from ghostie.backends.folder import FolderStore
from ghostie.sync.link import Link

from .world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    (tmp_path / "store").mkdir()
    return World(tmp_path, FolderStore(tmp_path / "store"))


@pytest.fixture
def phone(world: World) -> Link:
    return world.device("phone")


@pytest.fixture
def laptop(world: World) -> Link:
    return world.device("laptop")


@pytest.fixture
def tablet(world: World) -> Link:
    return world.device("tablet")
