"""Devices for tests of the real command: a home, a runtime folder and an environment of their own, and eyes for both.

Everything runs as a person runs it, in a process of its own: `python -m ghostie …`, or what is as good (warm.py). A short folder holds a scene, for
the agent's socket takes 107 bytes of path; what stood there when it was kept can be put back before each test, at the
same paths, so that one unlocked agent serves a whole module.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pty
import re
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli import warm

ROOT = Path(__file__).resolve().parents[2]
PASSPHRASE = "four plain words here"
GHOSTIE = (sys.executable, "-m", "ghostie")
PATIENCE = 60.0
AGENT = "agent"  # the file in a vault that its agent holds

# what a hostile memory may try: colours, a clipboard, a title, C1 controls, bidi, hidden text, markup of other tools
HOSTILE = (
    "\x1b[31mred\x1b[0m",
    "\x1b]52;c;aGFoYQ==\x07",
    "\x1b]0;title\x1b\\",
    "\x9b31m\x90q\x9c",
    "\u202egnp.exe\u202c",
    "\u2066iso\u2069",
    "a\u200bb\ufeffc\U000e0041",
    "bell\x07 back\x08 tear\x0c return\rover",
    "\x7f\x85",
    "[/] [bold]loud[/bold] {0} %s $(id) `id` <b>",
)


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Return the one JSON document that standard output is."""
        assert self.out.endswith("\n") and self.out.count("\n") == 1, self.out[:400]
        return json.loads(self.out)


class Device:
    """One installation. Its folder is HOME, so its vault is `.ghostie` there."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.folder = folder
        self.vault = folder / ".ghostie"
        self.run = folder / "run"
        self.scratch = folder / "tmp"
        self.unlocked = False
        for each in (folder, self.run, self.scratch):
            each.mkdir(mode=0o700, exist_ok=True)

    # -- running -----------------------------------------------------------------------------------------------------

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return an environment in which nothing of the person who runs the tests is left."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "XDG_RUNTIME_DIR": str(self.run),
            "TMPDIR": str(self.scratch),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONPATH": str(ROOT),
            **(more or {}),
        }

    def __call__(
        self,
        *argv: str | bytes,
        stdin: str | bytes | None = None,
        passphrase: str | None = None,
        env: Mapping[str, str] | None = None,
        code: int | None = None,
        before: str | None = None,
        within: Sequence[str] = (),
        timeout: float = PATIENCE,
    ) -> Done:
        """Run one command to its end; standard input is closed unless *stdin* is given, so nothing can wait for it.

        *code* is the exit code that it must have; *before* is Python that runs in its process before it does; *within*
        is a command that runs it.
        """
        given = {"GHOSTIE_PASSPHRASE": passphrase} if passphrase is not None else {}
        surroundings = self.environment({**given, **(env or {})})
        fed = stdin.encode() if isinstance(stdin, str) else stdin
        ended = None
        if before is None and not within:
            ended = warm.run(argv, surroundings, self.folder, fed, timeout)
        if ended is None:
            command = GHOSTIE if before is None else (sys.executable, "-c", f"{before}\n{_AS_COMMAND}")
            done = subprocess.run(
                [*within, *command, *argv],
                input=fed,
                stdin=subprocess.DEVNULL if fed is None else None,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=surroundings,
                cwd=self.folder,
                timeout=timeout,
            )
            ended = done.returncode, done.stdout, done.stderr
        made = Done(ended[0], ended[1].decode(), ended[2].decode())
        assert "Traceback" not in made.err, made.err
        assert code is None or made.code == code, (argv[:4], made)
        return made

    def ok(self, *argv: str, stdin: str | bytes | None = None, passphrase: str | None = None) -> Done:
        """Run one command that must end with 0."""
        return self(*argv, stdin=stdin, passphrase=passphrase, code=0)

    def add(self, *argv: str) -> str:
        """Add a memory; return its id."""
        return self.ok("add", *argv).out.strip()

    def start(self, *argv: str, env: Mapping[str, str] | None = None, **pipes: Any) -> subprocess.Popen[bytes]:
        """Start a command and return its process; all three streams are pipes unless *pipes* says otherwise."""
        streams: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE) | pipes
        process: subprocess.Popen[bytes] = subprocess.Popen(
            [*GHOSTIE, *argv], env=self.environment(env), cwd=self.folder, **streams
        )
        return process

    def on_terminal(
        self,
        *argv: str,
        keys: str = "",
        columns: int = 80,
        env: Mapping[str, str] | None = None,
        before: str | None = None,
    ) -> tuple[int, bytes]:
        """Run a command at a terminal where a person types *keys*; return its exit code and all that the screen got.

        *before* is Python that runs in its process before it does.
        """
        command = GHOSTIE if before is None else (sys.executable, "-c", f"{before}\n{_AS_COMMAND}")
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(ours, (24, columns))
        child = subprocess.Popen(
            [sys.executable, "-c", _AT_TERMINAL, *command, *argv],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env=self.environment({"TERM": "xterm-256color", **(env or {})}),
            cwd=self.folder,
        )
        os.close(theirs)
        try:
            seen = _watched(ours, keys)
            return child.wait(PATIENCE), seen
        finally:
            child.kill()
            child.wait()
            os.close(ours)

    # -- the agent ---------------------------------------------------------------------------------------------------

    def unlock(self, *, passphrase: str = PASSPHRASE) -> None:
        """Start an agent, so that the commands that follow cost no key derivation. It ends by itself if all else fails."""
        self.ok("unlock", "--for", "20min", passphrase=passphrase)
        self.unlocked = True

    def lock(self) -> None:
        """End the agent for good; `end_agent` only until the scene is put back."""
        self.end_agent()
        self.unlocked = False

    def end_agent(self) -> None:
        self.ok("lock")
        wait_until(lambda: not self.agents())  # it answers before it is gone

    def agents(self) -> list[Path]:
        return sorted(self.run.rglob("*.sock"))

    # -- eyes and hands ----------------------------------------------------------------------------------------------

    def versions(self, memory_id: str = "") -> list[Path]:
        """Return the version files of a memory, by default of all."""
        return sorted((self.vault / "memories").glob(f"{memory_id}*.json.enc"))

    def ids(self) -> set[str]:
        return {record["id"] for record in self.ok("list", "--json", "-n", "0").json()}


def short_folder() -> Path:
    """Make a folder with a short name, for sockets: the kernel takes 107 bytes of path."""
    usual = tempfile.gettempdir()
    return Path(tempfile.mkdtemp(prefix="gh-", dir="/tmp" if len(usual) > 20 and os.access("/tmp", os.W_OK) else usual))


class Scene:
    """Devices and a store in one short folder; what stood there when it was kept can be put back."""

    def __init__(self) -> None:
        self.folder = short_folder()
        self.store = self.folder / "store"
        self.devices: dict[str, Device] = {}

    def device(self, name: str) -> Device:
        """Return the device *name*; a new one has no vault."""
        if name not in self.devices:
            self.devices[name] = Device(self.folder / name, name)
        return self.devices[name]

    def keep(self) -> None:
        """Remember how the vaults and the store are now."""
        kept = self.folder / "kept"
        shutil.rmtree(kept, ignore_errors=True)
        for place in self._places():
            if place.exists():
                shutil.copytree(place, kept / place.relative_to(self.folder), symlinks=True)

    def reset(self) -> None:
        """Put the vaults and the store back as they were kept. Agents stay; one that a test has ended is started again."""
        unheld = []
        for place in self._places():
            held, aside = place / AGENT, self.folder / "aside"
            if not held.exists():
                unheld.append(place)
            else:
                held.rename(aside)  # an agent ends when the file that it holds in its vault is taken away for long
            _vanish(place)
            kept = self.folder / "kept" / place.relative_to(self.folder)
            if kept.exists():
                shutil.copytree(kept, place, symlinks=True)
                if aside.exists():
                    aside.rename(held)
            elif aside.exists():
                aside.unlink()
        for device in self.devices.values():
            for left in device.scratch.iterdir():
                _vanish(left)
            if device.vault in unheld and device.agents():
                device.end_agent()  # a test took its vault away: it would end by itself, in the middle of a later one
            if device.unlocked and not device.agents():
                device.unlock()

    def end(self) -> None:
        """Lock what is unlocked and leave nothing behind."""
        try:
            for device in self.devices.values():
                if device.agents():
                    device.lock()
        finally:
            shutil.rmtree(self.folder)

    def _places(self) -> list[Path]:
        return [self.store, *(device.vault for device in self.devices.values())]


def _vanish(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.is_symlink() or path.exists():
        path.unlink()


# the command itself, in a process that something was done to before
_AS_COMMAND = "import sys; from ghostie.cli import main; sys.exit(main(sys.argv[1:]))"

# a process cannot be given a terminal from outside: it takes it, and becomes the command
_AT_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def _watched(terminal: int, keys: str) -> bytes:
    """Return all that comes out of *terminal* until its other end is closed; *keys* are typed when it is asked for."""
    seen = b""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        try:
            got = os.read(terminal, 1 << 16)
        except OSError:  # nobody is there any more
            return seen
        if not got:
            return seen
        seen += got
        if keys and seen.endswith(b": "):
            line, _, keys = keys.partition("\n")
            os.write(terminal, f"{line}\n".encode())
    raise AssertionError(f"it did not end: {seen[-400:]!r}")


# -- what a test looks at --------------------------------------------------------------------------------------------


def tree(folder: Path) -> dict[str, tuple[int, str]]:
    """Return every path below *folder* with its mode and a digest of what it holds."""
    found = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        held = path.read_bytes() if stat.S_ISREG(mode) else b""
        found[str(path.relative_to(folder))] = (mode, hashlib.sha256(held).hexdigest())
    return found


def ageless(shown: str) -> str:
    """Return *shown* without how long ago anything was, which another second changes."""
    return re.sub(r"\b\d+ (?:s|min)( *)", "", shown)


def flip(path: Path, at: int = -1) -> None:
    """Change one bit of a file."""
    held = bytearray(path.read_bytes())
    held[at] ^= 1
    path.write_bytes(held)


def wait_until(true: Any, patience: float = 20.0) -> None:
    """Wait until *true()* is."""
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


def is_waiting(pid: int) -> bool:
    """Tell whether a process sleeps and has used no time for a little while: it waits for something."""

    def look() -> tuple[str, ...]:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (fields[0], fields[11], fields[12])

    first = look()
    time.sleep(0.25)
    return first[0] == "S" and look() == first


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        os.kill(pid, 0)
        return not Path(f"/proc/{pid}/stat").exists() or " Z " not in Path(f"/proc/{pid}/stat").read_text()
    return False


def interrupt(process: subprocess.Popen[bytes]) -> Done:
    """Press Ctrl-C on a process; return what it came to."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    return Done(process.returncode, out.decode(), err.decode())
