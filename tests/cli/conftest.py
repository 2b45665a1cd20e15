"""A vault that is made once and copied, unlocked once a module; two devices that share a store."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .device import PASSPHRASE, Device, Scene


@pytest.fixture(scope="session")
def template() -> Iterator[Path]:
    """A vault with nothing in it: making one costs a key derivation, copying it nothing."""
    scene = Scene()
    device = scene.device("template")
    device.ok("init", "--device-name", "laptop", passphrase=PASSPHRASE)
    yield device.vault
    scene.end()


@pytest.fixture(scope="module")
def scene(template: Path) -> Iterator[Scene]:
    """One device, unlocked for as long as the module runs."""
    made = Scene()
    laptop = made.device("laptop")
    shutil.copytree(template, laptop.vault)
    made.keep()
    laptop.unlock()
    yield made
    made.end()


@pytest.fixture
def laptop(scene: Scene) -> Device:
    """A device with an empty vault, unlocked."""
    scene.reset()
    return scene.device("laptop")


@pytest.fixture(scope="module")
def shared(template: Path) -> Iterator[Scene]:
    """Two devices that share a folder store, both unlocked, both with the same two memories."""
    made = Scene()
    made.store.mkdir()
    laptop, phone = made.device("laptop"), made.device("phone")
    shutil.copytree(template, laptop.vault)
    laptop.unlock()
    laptop.add("the router is at 10.0.0.1", "-c", "network", "-t", "lan")
    laptop.add("buy oat milk")
    laptop.ok("sync", "setup", "--backend", "folder", "--path", str(made.store))
    laptop.ok("sync", "push")
    phone.ok(
        "sync",
        "setup",
        "--backend",
        "folder",
        "--path",
        str(made.store),
        "--device-name",
        "phone",
        passphrase=PASSPHRASE,
    )
    phone.unlock()
    phone.ok("sync", "pull")
    made.keep()
    yield made
    made.end()


@pytest.fixture
def pair(shared: Scene) -> Scene:
    """Two devices in step, as they were when the module began."""
    shared.reset()
    return shared


@pytest.fixture
def fresh(template: Path) -> Iterator[Callable[[], Device]]:
    """Makes devices with a vault of their own each, locked: for what has to do with keys."""
    scene = Scene()

    def make() -> Device:
        device = scene.device(f"d{len(scene.devices)}")
        shutil.copytree(template, device.vault)
        return device

    yield make
    scene.end()
