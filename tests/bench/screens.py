"""How quick the screens are, beside a bare Textual app in the same run: `python -m tests.bench.screens [ROUNDS [MOST]]`.

Everything goes through a real terminal (a pty): the time from the start of the process to the first painted frame, and
until the list can be used; the interface's CPU per key and per resize, as the kernel counts it; the CPU of interface and
keeper together per key of a search; and the resident memory of both. The bare app paints one line, and takes keys and
resizes all the same.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.memories import ROOT, memories

PASSPHRASE = "a passphrase for measuring"

BARE = """
from textual.app import App
from textual.widgets import Static

class Bare(App):
    def compose(self):
        yield Static("painted")

    def on_key(self, event):
        self.query_one(Static).update(f"painted {event.key}")

Bare().run()
"""
SIZE = (30, 45)
PATIENCE = 120.0
TICKS = os.sysconf("SC_CLK_TCK")


class Run:
    """A program in a terminal of its own."""

    def __init__(self, argv: list[str], environment: dict[str, str]) -> None:
        self.terminal, theirs = pty.openpty()
        termios.tcsetwinsize(self.terminal, SIZE)
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            argv, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, env=environment
        )
        os.close(theirs)
        self.seen = b""

    def until(self, words: bytes) -> float:
        """Read until *words* were painted; return the seconds since the start."""
        give_up = time.perf_counter() + PATIENCE
        while words not in self.seen:
            over = time.perf_counter() > give_up
            if not self._read(1.0) and (over or self.process.poll() is not None):
                raise SystemExit(f"{words!r} was never painted: {self.seen[-400:]!r}")
        return time.perf_counter() - self.started

    def quiet(self, seconds: float = 0.3) -> None:
        """Read until nothing was painted for *seconds*."""
        while self._read(seconds):
            pass

    def _read(self, seconds: float) -> bool:
        if not select.select([self.terminal], [], [], seconds)[0]:
            return False
        try:
            self.seen += os.read(self.terminal, 1 << 16)
        except OSError:
            return False
        return True

    def family(self) -> list[int]:
        """Return the process and its children: the interface and its keeper."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [self.process.pid, *map(int, children)]

    def resident(self) -> int:
        """Return the resident bytes of the process and its children."""
        return sum(map(_resident, self.family()))

    def keys(self, keys: list[bytes], *, pause: float = 0.03) -> list[float]:
        """Type *keys*, each after nothing was painted for *pause* seconds; return CPU seconds a key: of the process, and
        of it and its children together."""
        self.quiet()
        family = self.family()
        before = [_cpu(pid) for pid in family]
        for key in keys:
            os.write(self.terminal, key)
            self._read(1.0)
            self.quiet(pause)
        self.quiet()
        spent = [_cpu(pid) - at for pid, at in zip(family, before, strict=True)]
        return [spent[0] / len(keys), sum(spent) / len(keys)]

    def resizes(self, sizes: list[tuple[int, int]]) -> float:
        """Give the terminal *sizes*, one after the other; return CPU seconds a resize."""
        self.quiet()
        before = _cpu(self.process.pid)
        for rows, columns in sizes:
            fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.kill(self.process.pid, signal.SIGWINCH)
            self._read(1.0)
            self.quiet(0.1)
        self.quiet()
        return (_cpu(self.process.pid) - before) / len(sizes)

    def end(self) -> None:
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)


def _cpu(pid: int) -> float:
    """Return the CPU seconds of the process, not of its children."""
    # by the scheduler's own count of each thread where there is one: a tick is 10 ms
    with contextlib.suppress(OSError):
        threads = Path(f"/proc/{pid}/task").iterdir()
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9
    spent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(int(ticks) for ticks in spent) / TICKS


def _resident(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):  # what two processes share is counted once
                return int(line.split()[1]) * 1024
    return 0


@contextlib.contextmanager
def running(argv: list[str], environment: dict[str, str]) -> Iterator[Run]:
    run = Run(argv, environment)
    try:
        yield run
    finally:
        run.end()


SEARCHED = 0.4
RESTED = 5.0
DOWN, UP = b"\x1b[B", b"\x1b[A"
KEYS = [DOWN] * 20 + [UP] * 20
SIZES = [(14, 50), (30, 45)] * 5


def bare(environment: dict[str, str], figures: dict[str, list[float]]) -> None:
    with running([sys.executable, "-c", BARE], environment) as run:
        figures["first"].append(run.until(b"painted"))
        figures["key"].append(run.keys(KEYS)[0])
        figures["resize"].append(run.resizes(SIZES))


def screens(home: Path, environment: dict[str, str], figures: dict[str, list[float]], searched: list[str]) -> None:
    argv = [sys.executable, "-m", "ghostie", "--home", str(home)]
    with running(argv, environment) as run:
        figures["first"].append(run.until(b"Memories"))
        figures["usable"].append(run.until("›".encode()))
        figures["key"].append(run.keys(KEYS)[0])
        figures["resize"].append(run.resizes(SIZES))
        figures["memory"].append(run.resident())
        run.keys([b"/"])
        # each key's search is waited for: typed at one go, several keys would share one
        keys = [letter.encode() for word in searched for letter in word]
        here, everywhere = run.keys(keys, pause=SEARCHED)
        figures["search"].append(here)
        figures["search whole"].append(everywhere)
        figures["searching"].append(run.resident())
        run.quiet(RESTED)
        figures["rested"].append(run.resident())


def prepare(folder: Path, environment: dict[str, str], most: int) -> list[tuple[int, Path]]:
    """Make vaults of 10,000 and, where *most* allows, 100,000 memories."""
    lines = memories().splitlines(keepends=True)
    homes = []
    for count in (10_000, 100_000):
        if count > most:
            continue
        path, home = folder / f"{count}.jsonl", folder / str(count)
        with path.open("wb") as file:
            for copy in range(count // len(lines) or 1):
                for line in lines[:count]:
                    record = json.loads(line)
                    record["content"] = f"{record['content']}\n{copy}"
                    file.write(json.dumps(record).encode() + b"\n")
        for argv in (["init"], ["import", "--status", "active", str(path)], ["list"], ["search", "index"]):
            subprocess.run(
                [sys.executable, "-m", "ghostie", *argv, "--home", str(home)],
                env={**environment, "GHOSTIE_PASSPHRASE": PASSPHRASE},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=True,
            )
        subprocess.run(
            [sys.executable, "-m", "ghostie", "unlock", "--home", str(home)],
            env={**environment, "GHOSTIE_PASSPHRASE": PASSPHRASE},
            capture_output=True,
            check=True,
        )
        homes.append((count, home))
    return homes


def measure(rounds: int, most: int = 100_000) -> None:
    """Measure all of it and print the table; vaults above *most* memories are left out."""
    with tempfile.TemporaryDirectory(prefix="gb") as name:
        folder = Path(name)
        (folder / "run").mkdir(mode=0o700)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder / "run"),
            "PYTHONPATH": str(ROOT),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "TEXTUAL_ANIMATIONS": "none",
        }
        homes = prepare(folder, environment, most)
        names = ("first", "usable", "key", "resize", "memory", "search", "search whole", "searching", "rested")
        figures: dict[int, dict[str, list[float]]] = {
            count: {each: [] for each in names} for count in [0, *(count for count, _ in homes)]
        }
        try:
            for _ in range(rounds):
                bare(environment, figures[0])
                for count, home in homes:
                    screens(home, environment, figures[count], ["rebuild", "index"])
        finally:
            for _, home in homes:
                subprocess.run(
                    [sys.executable, "-m", "ghostie", "lock", "--home", str(home)], env=environment, check=False
                )
        report(figures)


def report(figures: dict[int, dict[str, list[float]]]) -> None:
    """Print the table."""
    base = {name: statistics.median(seconds) for name, seconds in figures[0].items() if seconds}
    print(f"a bare Textual app: {', '.join(f'{name} {seconds * 1000:.1f} ms' for name, seconds in base.items())}\n")
    print("| what | median | against the bare app | bar |\n|---|---|---|---|")
    for count, found in figures.items():
        if not count:
            continue
        bars = {"first": 1.8, "usable": 3.0 if count == 10_000 else 8.0, "key": 3.0, "resize": 3.0}
        for name, bar in bars.items():
            value = statistics.median(found[name])
            ratio = value / base["first" if name == "usable" else name]
            over = " (over)" if ratio > bar else ""
            print(f"| {name}, at {count:,} | {value * 1000:.1f} ms | {ratio:.2f}{over} | {bar:g} |")
        resident = statistics.median(found["memory"]) / 1e6
        print(f"| resident, at {count:,} | {resident:.0f} MB | | {80 if count == 10_000 else 160} MB |")
        alone, whole = (statistics.median(found[name]) * 1000 for name in ("search", "search whole"))
        limit = "50 ms" if count == 10_000 else ""
        over = " (over)" if limit and whole > 50 else ""
        print(
            f"| CPU a key while searching, at {count:,} | {whole:.1f} ms{over}, the interface {alone:.1f} | | {limit} |"
        )
        for name, said in (("searching", "while searching"), ("rested", "some seconds later")):
            print(f"| resident {said}, at {count:,} | {statistics.median(found[name]) / 1e6:.0f} MB | | |")


if __name__ == "__main__":
    given = [int(number) for number in sys.argv[1:3]]
    measure(*(given or [5]))
