from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import laptop, scene, template
from tests.tui import pressing
from tests.tui.house import House

__all__ = ["house", "laptop", "scene", "template"]


@pytest.fixture(autouse=True)
def it_presses_what_it_says(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that says which keys it presses has pressed them, each where it did something."""
    pressing.pressed.clear()
    yield
    missing = pressing.said(request.node.iter_markers()) - pressing.pressed
    assert not missing, f"said to be pressed, and was not: {sorted(missing)}"


@pytest.fixture
def tmp_path(short_folder: Path) -> Path:
    """A folder whose name takes no second line on a screen, wherever the tests run."""
    return short_folder


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house with an empty vault."""
    made = House(tmp_path)
    yield made
    made.vault.close()
