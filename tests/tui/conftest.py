from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import laptop, scene, template
from tests.tui.house import House

__all__ = ["house", "laptop", "scene", "template"]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house with an empty vault."""
    made = House(tmp_path)
    yield made
    made.vault.close()
