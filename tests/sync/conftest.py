"""A folder as the store, and two or three devices of one vault that meet there."""

from __future__ import annotations

import hashlib
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


@pytest.fixture
def quick_kdf(monkeypatch: pytest.MonkeyPatch) -> None:
    """Derive keys at once: what is tested here is the order of things, and Argon2id has tests of its own."""

    def quick(passphrase: bytes, salt: bytes, memory: int, passes: int) -> bytes:
        return hashlib.blake2b(passphrase, salt=salt[:16], digest_size=32).digest()

    monkeypatch.setattr("ghostie.crypto.sodium.argon2id", quick)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    (tmp_path / "store").mkdir()
    return FolderStore(tmp_path / "store")
