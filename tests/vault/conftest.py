"""A vault, and two devices that share its keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ghostie.vault.vault import Vault

from .house import Clock, new_vault


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vault(tmp_path: Path, clock: Clock) -> Iterator[Vault]:
    made = new_vault(tmp_path / "home", clock=clock)
    made.refresh()
    yield made
    made.close()


@pytest.fixture
def phone(tmp_path: Path) -> Iterator[Vault]:
    """Another device with the same keys; nothing passes between the two but what a test carries over."""
    made = new_vault(tmp_path / "phone", "phone")
    made.refresh()
    yield made
    made.close()
