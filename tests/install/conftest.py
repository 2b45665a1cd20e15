"""A kit that is made once for all tests, whichever worker is first, homes to install it into, and a phone."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.device import ROOT
from tests.install.lookalike import HOME, MEMORY, Phone, unsharing
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


@pytest.fixture(scope="session")
def phone(tmp_path_factory: pytest.TempPathFactory, kit: Path) -> Iterator[Phone]:
    """A phone with the wheels that its pip would fetch."""
    if (unshare := unsharing()) is None:
        pytest.skip("namespaces are refused here, so there is no look-alike of Termux")
    folder = tmp_path_factory.mktemp("phone")
    made = Phone(folder, unshare)
    if not made.keep_sodium():
        pytest.skip("there is no libsodium here")
    wheels = made.prefix / "wheels"
    wheels.mkdir()
    for wheel in kit.glob("*-none-any.whl"):
        if not wheel.name.startswith(("ghostie", "pycparser")):
            shutil.copy(wheel, wheels)
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    subprocess.run([*pip, "-d", wheels, "-r", ROOT / "lock" / "build.txt"], check=True, capture_output=True)
    made.checkout()
    yield made
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def installed(phone: Phone) -> Phone:
    """The phone, with ghostie on it."""
    said = phone.ok("sh", f"{HOME}/ghostie/install.sh", "--yes", memory=MEMORY)
    assert "packages    libsodium, by pkg" in said
    assert "is installed." in said
    return phone
