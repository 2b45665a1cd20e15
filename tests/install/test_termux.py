"""ghostie on a phone: installed, shown, synced with a desktop, and reached by the phone's own ways."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import shutil
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest

from tests.cli.device import PASSPHRASE, Device
from tests.install.lookalike import HOME, MEMORY, PREFIX, Phone
from tests.integration.s3servers import Server, moto

__all__ = ["moto"]
pytestmark = [pytest.mark.slow, pytest.mark.python]

SECRET = {"GHOSTIE_PASSPHRASE": PASSPHRASE}


def test_it_is_a_phone_as_far_as_a_program_can_tell(phone: Phone) -> None:
    asks = (
        "import os, sys; print(sys.platform, hasattr(os, 'link'), *map(os.path.exists, ('/tmp', '/bin', '/usr/bin')))"
    )
    assert phone.ok("python3", "-c", asks) == "android False False False False\n"


def test_it_installs_without_a_compiler_and_within_its_numbers(installed: Phone) -> None:
    assert installed.called()[0] == "pkg install -y libsodium"
    assert installed.ok("ghostie", "--version", memory=MEMORY).startswith("ghostie ")
    root = installed.home / ".local" / "share" / "ghostie" / "current"
    wheels = list((root / "kit").glob("*.whl"))
    assert wheels and all(wheel.name.endswith("-none-any.whl") for wheel in wheels)
    fetched = sum(wheel.stat().st_size for wheel in (installed.prefix / "wheels").iterdir())
    assert fetched <= 5_000_000
    kept = [path for path in root.resolve().rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert sum(path.lstat().st_size for path in kept) <= 18_500_000, "with the wheels that are kept"
    program = [path for path in kept if "kit" not in path.relative_to(root.resolve()).parts]
    assert sum(path.lstat().st_size for path in program) <= 16_000_000
    again = installed.ok("sh", f"{HOME}/ghostie/install.sh", "--yes", memory=MEMORY)
    assert "is installed already" in again


@pytest.mark.once
def test_the_demo_runs_there(phone: Phone, installed: Phone) -> None:
    said = phone.ok("sh", f"{HOME}/ghostie/install.sh", "--demo", memory=MEMORY)
    assert "The demo is done and everything held." in said.splitlines()
    shutil.rmtree(phone.home / "ghostie" / ".demo")


def test_a_phone_and_a_desktop_hold_the_same_bytes_over_s3(installed: Phone, moto: Server, tmp_path: Path) -> None:
    more = {**SECRET, "GHOSTIE_S3_ACCESS_KEY": moto.access_key, "GHOSTIE_S3_SECRET_KEY": moto.secret_key}
    bucket = moto.new_bucket()
    store = ("--backend", "s3", "--endpoint", moto.address, "--bucket", bucket, "--region", "us-east-1")
    installed.ok("ghostie", "init", "--device-name", "phone", more=more, memory=MEMORY)
    examples = f"{HOME}/ghostie/docs/examples"
    installed.ok("ghostie", "import", examples, more=more, memory=MEMORY)
    installed.ok("ghostie", "add", "café ☕ at 10.0.0.7 🎈 and 12345678901234567890", "-t", "lan", more=more)
    installed.ok("ghostie", "sync", "setup", *store, more=more, memory=MEMORY)
    installed.ok("ghostie", "sync", "push", more=more, memory=MEMORY)
    said = installed.ok("ghostie", "doctor", more=more)
    assert "secretbox and Argon2id from libsodium, JSON from the standard library" in said
    assert "unlocked" not in said

    desktop = Device(tmp_path, "desktop")
    desktop("sync", "setup", *store, "--device-name", "desktop", env=more, code=0)
    desktop("sync", "pull", env=more, code=0)
    assert "from PyNaCl, JSON from orjson" in desktop("doctor", passphrase=PASSPHRASE, code=0).out
    exported = desktop("export", passphrase=PASSPHRASE, code=0).out
    assert exported == installed.ok("ghostie", "export", more=more, memory=MEMORY)
    assert len(exported.splitlines()) > 10
    desktop("add", "from the desktop", passphrase=PASSPHRASE, code=0)
    desktop("sync", "push", env=more, code=0)
    installed.ok("ghostie", "sync", "run", more=more, memory=MEMORY)
    assert desktop("export", passphrase=PASSPHRASE, code=0).out == installed.ok("ghostie", "export", more=more)


def test_the_screens_paint_on_a_phones_terminal(installed: Phone) -> None:
    installed.run("ghostie", "init", "--home", f"{HOME}/screens", more=SECRET)
    installed.ok("ghostie", "--home", f"{HOME}/screens", "add", "painted on a phone", more=SECRET)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 45, 0, 0))
    child = subprocess.Popen(
        installed.command(["ghostie", "--home", f"{HOME}/screens", "review"], SECRET, MEMORY),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={"PATH": os.environ["PATH"]},
        start_new_session=True,
    )
    os.close(theirs)
    try:
        seen = _until(ours, b"painted on a phone")
        assert b"painted on a phone" in seen, seen[-2000:]
        assert b"Traceback" not in seen
    finally:
        child.kill()
        child.wait()
        os.close(ours)


def _until(terminal: int, wanted: bytes, patience: float = 60.0) -> bytes:
    seen = b""
    end = time.monotonic() + patience
    while wanted not in seen and time.monotonic() < end:
        if select.select([terminal], [], [], 1.0)[0]:
            try:
                seen += os.read(terminal, 65536)
            except OSError:
                break
    return seen


def test_it_is_reached_by_the_phones_own_ways(installed: Phone) -> None:
    here = ("ghostie", "--home", f"{HOME}/hooked")
    installed.ok(*here, "init", more=SECRET)
    (installed.home / "bin").mkdir()
    (installed.home / "bin" / "termux-url-opener").write_text("mine")
    said = installed.ok(*here, "termux", "setup")
    assert "foreign  ~/bin/termux-url-opener" in said
    assert (installed.home / "bin" / "termux-url-opener").read_text() == "mine"
    made = {path.relative_to(installed.home) for path in installed.home.glob(".shortcuts/*")}
    assert len(made) == 5
    for path in made:
        text = (installed.home / path).read_text()
        assert text.startswith(f"#!{PREFIX}/bin/sh\n")
        assert PASSPHRASE not in text

    installed.ok(f"{HOME}/.shortcuts/ghostie-add", more=SECRET)
    note = installed.home / "note.txt"
    note.write_text("a note that was shared\n")
    installed.run(f"{HOME}/bin/termux-file-editor", f"{HOME}/note.txt", more=SECRET)
    listed = installed.ok(*here, "list", "--status", "inbox", more=SECRET)
    assert "dictated on the way" in listed
    assert "a note that was shared" in listed

    silent = installed.run(*here, "termux", "capture", "--clipboard", more=SECRET)
    assert (silent.returncode, "termux-clipboard-get did not answer within 5 s" in silent.stderr) == (1, True)
    absent = installed.run(*here, "termux", "notify", more=SECRET)
    assert "termux-notification-remove is not here" in absent.stderr
    installed.ok(*here, "termux", "notify", "--inbox", more=SECRET)
    (shown,) = [line for line in installed.called() if line.startswith("termux-notification ")]
    assert "--title 2 in the inbox" in shown
    assert "dictated" not in shown

    installed.ok(*here, "termux", "setup", "--remove")
    assert not list(installed.home.glob(".shortcuts/*"))
    assert (installed.home / "bin" / "termux-url-opener").read_text() == "mine"
