"""How fast ghostie is, as ratios to bare programs measured in the same run: `./test.sh bench [PART] [ROUNDS]`.

F0 is `python -c pass`; F1 is `python -c "import nacl.secret, orjson, tinydb"`; L is a bare loop that seals and writes
the same 10,000 files, without fsync, timed inside its process. Every other figure is a whole command, its start
included, wall time, the median of the rounds; the rounds go through all commands in turn, so that a slow moment hits
all alike. Memory is resident memory at its peak, from a run of its own. What sync costs over a network is in
`network.py`, what a small machine pays in `small.py`, how quick the screens are in `screens.py`, and what the thousandth
edit of a memory costs in `edits.py`; PART is local, edits, hostile, network, small or screens.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests import peak
from tests.bench import edits, hostile, network, screens, small
from tests.bench.memories import ROOT, memories

PASSPHRASE = "a passphrase for measuring"

LOOP = """
import os, sys, time, pathlib
import nacl.secret
from ghostie.crypto.sealing import Keys, Purpose, unseal
folder, out = sys.argv[1:]
keys = Keys(bytes.fromhex(sys.stdin.readline()), {1: bytes.fromhex(sys.stdin.readline())})
plain = []
for name in os.listdir(folder):
    plain.append(unseal(keys, Purpose.VERSION, (name[:59].encode(),), pathlib.Path(folder, name).read_bytes()))
key = os.urandom(32)
box = nacl.secret.SecretBox(key)
start = time.perf_counter()
for at, content in enumerate(plain):
    with open(f"{out}/{at}", "wb") as file:
        file.write(box.encrypt(content))
print(time.perf_counter() - start)
"""


@dataclass
class Figure:
    """One line of the table: what was measured, against what, and the bar."""

    name: str
    base: str
    bar: float
    seconds: list[float] = field(default_factory=list)
    memory: int = 0


class Bench:
    """Homes, a store and an agent in a temporary folder, and the measurements."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base: dict[str, list[float]] = {"F0": [], "F1": [], "L": []}
        self.figures: dict[str, Figure] = {}
        self.notes: list[str] = []
        script = Path(sys.executable).parent / "ghostie"
        self.command = [str(script)] if script.exists() else [sys.executable, "-m", "ghostie"]
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder / "run"),
            "PYTHONPATH": str(ROOT),
            "LANG": "C.UTF-8",
        }
        (folder / "run").mkdir(mode=0o700)

    def run(self, *argv: str, home: str, key: bool = False) -> float:
        """Run one command; return its wall time in seconds."""
        environment = dict(self.environment)
        if key:
            environment["GHOSTIE_PASSPHRASE"] = PASSPHRASE
        return measured([*self.command, *argv, "--home", str(self.folder / home)], environment)

    def figure(self, name: str, base: str, bar: float, *argv: str, home: str) -> None:
        """Measure one more round of a command."""
        figure = self.figures.setdefault(name, Figure(name, base, bar))
        figure.seconds.append(self.run(*argv, home=home))

    def memory(self, name: str, *argv: str, home: str) -> None:
        """Measure a command's peak memory."""
        done = peak.run([*self.command, *argv, "--home", str(self.folder / home)], env=self.environment)
        if done.code != 0:
            raise SystemExit(f"{argv} ended with {done.code}: {done.err}")
        self.figures[name].memory = done.peak * 1024


def measured(argv: list[str], environment: dict[str, str]) -> float:
    """Run *argv*; return wall seconds."""
    start = time.perf_counter()
    done = subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        raise SystemExit(f"{argv} ended with {done.returncode}: {done.stderr.decode()}")
    return seconds


def prepare(bench: Bench) -> Path:
    """Make the homes that are only read: one with 1,000 memories, one with 10,000, one with 100,000."""
    source = bench.folder / "memories.jsonl"
    source.write_bytes(memories())
    lines = source.read_bytes().splitlines(keepends=True)
    (bench.folder / "thousand.jsonl").write_bytes(b"".join(lines[:1000]))
    big = bench.folder / "big.jsonl"
    with big.open("wb") as file:
        for copy in range(10):
            for line in lines:
                record = json.loads(line)
                record["content"] = f"{record['content']}\n{copy}"
                file.write(json.dumps(record).encode() + b"\n")
    for home, path in (("thousand", "thousand.jsonl"), ("many", "memories.jsonl"), ("big", "big.jsonl")):
        bench.run("init", "--device-name", home, home=home, key=True)
        bench.run("unlock", home=home, key=True)
        bench.run("import", str(bench.folder / path), home=home)
        bench.run("list", home=home)
    bench.run("search", "index", home="many")
    store = bench.folder / "quiet"
    store.mkdir()
    bench.run("sync", "setup", "--path", str(store), home="many", key=True)
    bench.run("sync", "push", home="many")
    bench.run("sync", "run", home="many")
    return source


def loop(bench: Bench, home: str) -> None:
    """Measure L once, on the files of *home*."""
    from ghostie.vault import open_vault

    keys = open_vault(bench.folder / home, passphrase=PASSPHRASE).keys
    out = Path(tempfile.mkdtemp(dir=bench.folder))
    done = subprocess.run(
        [sys.executable, "-c", LOOP, str(bench.folder / home / "memories"), str(out)],
        input=f"{keys.vault.hex()}\n{keys.epochs[1].hex()}\n".encode(),
        capture_output=True,
        check=True,
        env=bench.environment,
    )
    bench.base["L"].append(float(done.stdout))


def short_round(bench: Bench) -> None:
    """Measure every short command once, between the bare programs they are held against."""
    for name, code in (("F0", "pass"), ("F1", "import nacl.secret, orjson, tinydb")):
        bench.base[name].append(measured([sys.executable, "-c", code], bench.environment))
    version = bench.figures.setdefault("--version", Figure("--version", "F0", 3))
    version.seconds.append(measured([*bench.command, "--version"], bench.environment))
    bench.figure("--help", "F0", 3, "--help", home="many")
    bench.figure("add, at 1,000", "F1", 2, "add", "one more", home="thousand")
    bench.figure("add, at 100,000", "F1", 2, "add", "one more", home="big")
    bench.figure("list, at 10,000", "F1", 4, "list", home="many")
    bench.figure("sync status --offline, at 10,000", "F1", 4, "sync", "status", "--offline", home="many")
    bench.figure("search, cold, at 10,000", "F1", 6, "search", "index rebuild", home="many")


def long_round(bench: Bench, source: Path, number: int) -> None:
    """Measure import, push, first pull and rebuild once, each beside a fresh L.

    Nothing is deleted before the end: ext4 looks long for free inodes where many were deleted seconds ago.
    """
    here, there, store = f"here{number}", f"there{number}", bench.folder / f"store{number}"
    store.mkdir()
    bench.run("init", home=here, key=True)
    bench.run("unlock", home=here, key=True)
    os.sync()
    bench.figure("import of 10,000", "L", 3, "import", str(source), home=here)
    loop(bench, here)
    bench.run("sync", "setup", "--path", str(store), home=here, key=True)
    os.sync()
    bench.figure("push of 10,000 to a folder", "L", 1, "sync", "push", home=here)
    loop(bench, here)
    bench.run("sync", "setup", "--path", str(store), home=there, key=True)
    bench.run("unlock", home=there, key=True)
    os.sync()
    bench.figure("first pull of 10,000", "L", 3, "sync", "pull", home=there)
    loop(bench, there)
    for stale in (bench.folder / there / "index").iterdir():
        stale.unlink()
    os.sync()
    bench.figure("rebuild of the index at 10,000", "L", 2, "list", home=there)
    objects = [path for path in store.rglob("*.seg")]
    share = sum(path.stat().st_size for path in objects) / source.stat().st_size
    bench.notes = [f"on the store: {len(objects)} objects (bar 10), {share:.2f} x the plaintext's bytes (bar 0.5)"]
    for home in (here, there):
        bench.run("lock", home=home)


def report(bench: Bench, say: Callable[[str], None]) -> None:
    """Print the table."""
    base = {name: statistics.median(seconds) for name, seconds in bench.base.items()}
    for name, seconds in base.items():
        say(f"{name} = {seconds * 1000:.1f} ms (median of {len(bench.base[name])})")
    say("")
    say("| what | median | ratio | bar | peak memory |")
    say("|---|---|---|---|---|")
    for figure in bench.figures.values():
        seconds = statistics.median(figure.seconds)
        ratio = seconds / base[figure.base]
        mark = "" if ratio <= figure.bar else " (over)"
        memory = f"{figure.memory / 1e6:.0f} MB" if figure.memory else ""
        against = f"{ratio:.2f} {figure.base}{mark} | {figure.bar:g} {figure.base}"
        say(f"| {figure.name} | {seconds * 1000:.1f} ms | {against} | {memory} |")
    few, lots = (statistics.median(bench.figures[f"add, at {count}"].seconds) for count in ("1,000", "100,000"))
    say(f"| add, at 100,000 against at 1,000 | | {lots / few:.2f} | 1.3 | |")
    say("")
    for note in bench.notes:
        say(note)


def measure(rounds: int) -> None:
    """Measure the commands on this device, and print the table."""
    with tempfile.TemporaryDirectory(prefix="gb") as folder:
        bench = Bench(Path(folder))
        try:
            source = prepare(bench)
            for _ in range(4 * rounds):
                short_round(bench)
            for name, argv in (("list, at 10,000", ["list"]), ("search, cold, at 10,000", ["search", "index"])):
                bench.memory(name, *argv, home="many")
            bench.memory("sync status --offline, at 10,000", "sync", "status", "--offline", home="many")
            for number in range(rounds):
                long_round(bench, source, number)
            report(bench, print)
        finally:
            for home in ("thousand", "many", "big"):
                bench.run("lock", home=home)


def main() -> None:
    words = sys.argv[1:]
    part = words.pop(0) if words and words[0] in ("local", "edits", "hostile", "network", "small", "screens") else ""
    rounds = int(words[0]) if words else 5
    print(f"load: {' '.join(f'{load:.2f}' for load in os.getloadavg())} on {os.cpu_count()} cores\n", flush=True)
    if part in ("", "local"):
        measure(rounds)
    if part in ("", "edits"):
        edits.measure(rounds)
    if part in ("", "hostile"):
        hostile.measure(rounds)
    if part in ("", "network"):
        network.measure(rounds)
    if part in ("", "small"):
        small.measure(rounds)
    if part in ("", "screens"):
        screens.measure(rounds)


if __name__ == "__main__":
    main()
