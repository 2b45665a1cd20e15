"""What every test may ask for: keys without a key derivation, a home that is made, an open vault, and a quiet place."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from ghostie.crypto.keys import new_keys
from ghostie.crypto.sealing import Keys
from ghostie.paths import Layout
from ghostie.vault import make_home
from ghostie.vault.device import new_device
from ghostie.vault.vault import Vault
from tests import seeds, tried
from tests.cli.device import short_folder

# everyday runs are the same every time; HYPOTHESIS_PROFILE=search looks further, and prints how to repeat what it finds
settings.register_profile(
    "everyday", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("search", deadline=None, max_examples=2000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "everyday"))


def pytest_addoption(parser: pytest.Parser) -> None:
    seeds.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    seeds.draw(config)  # before pytest-xdist starts its workers, which are handed this process's options


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two workers for each processor: many tests wait for a screen, a server or another process, and use none meanwhile."""
    return 2 * len(os.sched_getaffinity(0))


def pytest_sessionfinish(session: pytest.Session) -> None:
    output = getattr(session.config, "workeroutput", None)  # in one of several processes, that of pytest-xdist
    if output is not None:
        output["stores tried"] = tried.met()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    tried.add(getattr(node, "workeroutput", {}).get("stores tried", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if line := seeds.sentence(terminalreporter):
        terminalreporter.write_line(line)
    if line := tried.sentence():
        terminalreporter.write_line(line)


@pytest.fixture(name="short_folder")
def a_short_folder() -> Iterator[Path]:
    folder = short_folder()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def nobody_is_at_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep every test away from the vault, the agent and the keyring of whoever runs it."""
    for name in list(os.environ):
        if name.startswith("GHOSTIE_") or name == "DBUS_SESSION_BUS_ADDRESS":
            monkeypatch.delenv(name)
    nowhere = tmp_path_factory.getbasetemp() / "nobody"
    nowhere.mkdir(mode=0o700, exist_ok=True)
    monkeypatch.setenv("HOME", str(nowhere))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(nowhere))


@pytest.fixture
def keys() -> Keys:
    return new_keys()


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """The places of a vault whose folders are there, and nothing in them."""
    made = Layout(tmp_path / "home")
    make_home(made)
    return made


@pytest.fixture
def vault(layout: Layout, keys: Keys) -> Iterator[Vault]:
    """An open, empty vault that no passphrase was spent on."""
    device = new_device("laptop")
    device.save(layout)
    made = Vault(layout, keys, device)
    made.refresh()
    yield made
    made.close()
