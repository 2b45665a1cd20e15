"""`ghostie doctor --accelerate` on a phone: compiled packages when that works, and what there was whenever it does not.

Nothing can be compiled in the look-alike; ready wheels, of this Python's kind, stand for what a compiler would make.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.cli.device import PASSPHRASE, wait_until
from tests.install.lookalike import HANGING, HOME, MEMORY, PKG, PREFIX, TOOL, Phone

pytestmark = [pytest.mark.slow, pytest.mark.python]

SECRET = {"GHOSTIE_PASSPHRASE": PASSPHRASE}
ACCELERATE = ("ghostie", "doctor", "--accelerate", "--yes")
COMPILED = ("cffi", "orjson", "pycparser", "pynacl")
SLOW = "secretbox and Argon2id from libsodium, JSON from the standard library"
FAST = "secretbox and Argon2id from PyNaCl, JSON from orjson"
# PyNaCl as it would be if a compiler had got it wrong: it loads, and its boxes are none
WRONG_NACL = {
    "nacl/__init__.py": "",
    "nacl/exceptions.py": "class CryptoError(Exception): ...\n",
    "nacl/bindings.py": "def crypto_secretbox(message, nonce, key): return b'no box'\n",
}
BROKEN_NACL = {"nacl/__init__.py": "raise ImportError('cannot locate symbol')\n"}


@pytest.fixture
def slow(installed: Phone) -> Iterator[Phone]:
    """The phone, as it was installed; and so again afterwards."""
    root = installed.home / ".local" / "share" / "ghostie"
    kept = installed.home / "kept"
    shutil.copytree(root, kept, symlinks=True)
    yield installed
    shutil.rmtree(root)
    kept.rename(root)
    installed.script("pkg", PKG)
    for wheel in (installed.prefix / "wheels").iterdir():
        if wheel.name.lower().startswith(COMPILED):
            wheel.unlink()


@pytest.fixture
def compiled(kit: Path, slow: Phone) -> Phone:
    """The phone, where pip finds what a compiler would make."""
    for wheel in kit.glob("*.whl"):
        if wheel.name.lower().startswith(COMPILED):
            platform = "any" if wheel.stem.endswith("-any") else slow.compiled_for()
            shutil.copy(wheel, slow.prefix / "wheels" / f"{wheel.stem.rpartition('-')[0]}-{platform}.whl")
    for name in ("_cffi_backend", "nacl._sodium", "orjson.orjson"):
        module = find_spec(name)
        assert module is not None and module.origin is not None
        slow.libraries(Path(module.origin))
    return slow


def tier(phone: Phone) -> str:
    """Return what seals and reads JSON there, as a vault's doctor says."""
    home = f"{HOME}/quick"
    if not (phone.home / "quick").exists():
        phone.ok("ghostie", "--home", home, "init", more=SECRET)
    said = phone.ok("ghostie", "--home", home, "doctor", more=SECRET, memory=MEMORY)
    return next(kind for kind in (SLOW, FAST) if kind in said)


def venvs(phone: Phone) -> list[str]:
    return sorted(path.name for path in (phone.home / ".local" / "share" / "ghostie" / "venvs").iterdir())


def plant(phone: Phone, name: str, files: dict[str, str]) -> None:
    """Let the kit ask for a package *name* of these files, by its hash, and pip find it."""
    pins = phone.home / ".local" / "share" / "ghostie" / "current" / "kit" / "native.txt"
    wheel = phone.prefix / "wheels" / f"{name}-9-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as made:
        for path, text in files.items():
            made.writestr(path, text)
        made.writestr(f"{name}-9.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 9\n")
        made.writestr(f"{name}-9.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        made.writestr(f"{name}-9.dist-info/RECORD", "")
    others = re.sub(rf"(?m)^{name}==(?:.*\\\n)*.*\n", "", pins.read_text())
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    pins.write_text(f"{others}{name}==9 --hash=sha256:{digest}\n")


def test_what_was_compiled_is_used_and_lives_through_an_update_and_another_python(compiled: Phone) -> None:
    assert tier(compiled) == SLOW
    said = compiled.ok(*ACCELERATE)
    assert "700 MB on the disk" in said
    assert said.splitlines()[-1] == "ghostie runs with PyNaCl and orjson now."
    assert compiled.called()[-1] == "pkg install -y clang make libffi rust binutils"
    assert tier(compiled) == FAST
    assert "with PyNaCl and orjson already" in compiled.ok(*ACCELERATE)
    assert "is installed already" in compiled.ok("sh", f"{HOME}/ghostie/install.sh", "--yes")

    current = compiled.home / ".local" / "share" / "ghostie" / "current"
    for name in ("python", "python3"):
        (current / "bin" / name).unlink()
    done = compiled.run("ghostie", "--version")
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert tier(compiled) == FAST, "the files that were compiled are kept, and serve"


@pytest.mark.parametrize(
    ("pkg", "said"),
    [
        (f"#!{PREFIX}/bin/sh\nexit 100\n", "pkg could not install the compilers; ghostie stays as it was"),
        (PKG, "they could not be compiled here; ghostie stays as it was"),
    ],
    ids=["no compiler", "nothing that compiles"],
)
def test_what_cannot_be_compiled_leaves_what_there_was(slow: Phone, pkg: str, said: str) -> None:
    slow.script("pkg", pkg)
    before = venvs(slow)
    done = slow.run(*ACCELERATE)
    assert (done.returncode, said in done.stderr) == (1, True), done.stderr
    assert venvs(slow) == before
    assert tier(slow) == SLOW


@pytest.mark.parametrize(
    ("files", "why"),
    [(BROKEN_NACL, "PyNaCl and orjson are there, and do not load"), (WRONG_NACL, "does not match its test vector")],
    ids=["it does not load", "it loads and is wrong"],
)
def test_what_was_compiled_and_does_not_hold_is_not_switched_to(
    compiled: Phone, files: dict[str, str], why: str
) -> None:
    plant(compiled, "pynacl", files)
    before = venvs(compiled)
    done = compiled.run(*ACCELERATE)
    assert done.returncode == 1
    assert why in done.stderr
    assert "they were built and do not load, so ghostie stays as it was" in done.stderr
    assert venvs(compiled) == before
    assert tier(compiled) == SLOW


def test_cut_while_it_compiles_it_leaves_what_there_was_and_the_next_try_tidies_up(compiled: Phone) -> None:
    compiled.script("pkg", HANGING)
    before = len(compiled.called())
    child = subprocess.Popen(
        compiled.command(ACCELERATE),
        env={"PATH": os.environ["PATH"]},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_until(lambda: len(compiled.called()) > before, patience=60)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    assert len(venvs(compiled)) == 2, "what was begun"
    assert tier(compiled) == SLOW

    compiled.script("pkg", TOOL)
    compiled.ok(*ACCELERATE)
    assert tier(compiled) == FAST
    assert len(venvs(compiled)) == 2, "this one and the last one that worked"
