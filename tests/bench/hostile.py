"""What a hostile store costs: a pull beside 10,000 junk objects, and a join beside key objects that others put there.

Pull: whole commands on a folder, the key held by `ghostie unlock`; the first pull beside junk in seconds of CPU more than
one without, the second as a ratio of wall time to one without, in the same round. Fetches are counted in this process,
at the store of a pull over S3, which is one request for each. Join: whole commands with the passphrase, wall time as a
ratio to a join without other key objects in the same round; what each of its own cost adds, in CPU, as a ratio to bare
Argon2id.
"""

from __future__ import annotations

import contextlib
import os
import random
import resource
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ghostie.backends.store import ObjectStore
from ghostie.crypto import keys as keyring
from ghostie.crypto import sodium
from ghostie.crypto.keys import Cost, KeyFile
from ghostie.crypto.sealing import OVERHEAD, SMALLEST
from ghostie.sync import engine
from ghostie.sync.segment import SegmentName, key_name
from tests import peak
from tests.bench.memories import ROOT
from tests.integration import s3servers
from tests.integration.line import s3_service
from tests.sync.world import Wire, World, add

PASSPHRASE = "a passphrase for measuring"
JUNK = 10_000
EIGHT = 8
DEAR = tuple(Cost(memory << 20, passes) for memory in (65, 128, 192, 256) for passes in (5, 10))


@dataclass(frozen=True)
class Ran:
    """One command: wall seconds, seconds of CPU, and what it said on standard error."""

    wall: float
    cpu: float
    words: str


class Devices:
    """Devices of one vault around a folder, as commands."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = root / "store"
        self.store.mkdir()
        (root / "run").mkdir(mode=0o700)
        self.run("here", "init", "-q", key=True)
        for number in range(3):
            self.run("here", "add", "-q", f"memory {number}", key=True)
        self.join("here")
        self.run("here", "sync", "push", key=True)

    def run(self, home: str, *argv: str, key: bool = False, code: int = 0) -> Ran:
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(
            self._command(home, *argv),
            env=self._environment(key),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode != code:
            raise SystemExit(f"{argv} ended with {done.returncode}: {done.stderr}")
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Ran(wall, spent, done.stderr)

    def join(self, home: str) -> Ran:
        return self.run(home, *self._joining, key=True)

    def peak_of_join(self, home: str) -> int:
        """Return the memory in bytes that a join takes at its peak."""
        done = peak.run(self._command(home, *self._joining), env=self._environment(key=True))
        if done.code != 0:
            raise SystemExit(f"a join ended with {done.code}: {done.err}")
        return done.peak * 1024

    @property
    def _joining(self) -> tuple[str, ...]:
        return "sync", "setup", "-q", "--path", str(self.store)

    def _command(self, home: str, *argv: str) -> list[str]:
        return [sys.executable, "-m", "ghostie", *argv, "--home", str(self.root / home)]

    def _environment(self, key: bool) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root),
            "XDG_RUNTIME_DIR": str(self.root / "run"),
            "PYTHONPATH": str(ROOT),
            "LANG": "C.UTF-8",
        } | ({"GHOSTIE_PASSPHRASE": PASSPHRASE} if key else {})


def junk(writer: str) -> dict[str, bytes]:
    """Return 10,000 objects of a size that segments have: half in a log that is known, half in such as nobody knows."""
    rnd = random.Random(1)
    made: dict[str, bytes] = {}
    while len(made) < JUNK:
        strange = len(made) % 2
        name = SegmentName(
            f"{rnd.randint(0, 3):016x}" if strange else writer,
            rnd.choice((1, 2, 4, 9)),
            rnd.randint(9, 1 << 40),
            f"{rnd.getrandbits(64):016x}",
        )
        made[name.key] = rnd.randbytes(OVERHEAD + SMALLEST)
    return made


# -- pull --------------------------------------------------------------------------------------------------------------


def pulls(root: Path) -> tuple[float, float, int]:
    """Return the CPU of the first pull beyond one without junk, the ratio of the second, and the lines of alarm."""
    devices = Devices(root)
    devices.join("there")
    devices.run("there", "unlock", key=True)
    try:
        devices.run("there", "sync", "pull")
        without = [devices.run("there", "sync", "pull") for _ in range(3)]
        writer = next(path.name for path in (devices.store / "ghostie").iterdir() if path.name != "global")
        for key, content in junk(writer).items():
            path = devices.store / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        first = devices.run("there", "sync", "pull", code=4)
        second = [devices.run("there", "sync", "pull", code=4) for _ in range(3)]
    finally:
        devices.run("there", "lock")
    more = first.cpu - statistics.median(each.cpu for each in without)
    ratio = statistics.median(each.wall for each in second) / statistics.median(each.wall for each in without)
    return more, ratio, first.words.count("alarm: ")


def fetches(store: ObjectStore, root: Path) -> tuple[int, int]:
    """Return how many objects the first and the second pull beside junk fetch from *store*."""
    world = World(root, store)
    wire = Wire(store)
    phone, laptop = world.device("phone"), world.device("laptop", store=wire)
    for number in range(3):
        add(phone, f"memory {number}")
        engine.push(phone)
    engine.pull(laptop)
    made = list(junk(phone.vault.device.writer).items())
    for at in range(0, JUNK, 1000):
        store.write(dict(made[at : at + 1000]))
    add(phone, "said beside junk")
    engine.push(phone)
    wire.since()
    taken = engine.pull(laptop).taken.new
    first = wire.since().count("get")
    if taken != 1:
        raise SystemExit("what is genuine was not taken in")
    engine.pull(world.at(laptop.vault.layout, store=wire))
    return first, wire.since().count("get")


# -- join --------------------------------------------------------------------------------------------------------------


def joins(root: Path) -> tuple[float, float, int]:
    """Return the ratio of a join beside costlier key objects, the derivations that each of its own cost adds, and the
    peak memory of the former in bytes."""
    devices = Devices(root)
    (path,) = (devices.store / "ghostie" / "global" / "keys").iterdir()
    genuine = keyring.parse(path.read_bytes())
    began = time.process_time()
    sodium.argon2id(b"passphrase", bytes(sodium.SALT_BYTES), genuine.cost.memory, genuine.cost.passes)
    bare = time.process_time() - began
    alone = [devices.join(f"alone{number}") for number in range(3)]
    with put(path.parent, [forged(genuine, genuine.cost.most(cost)) for cost in DEAR]):
        beside = [devices.join(f"beside{number}").wall for number in range(3)]
        most = devices.peak_of_join("peak")
    with put(path.parent, [forged(genuine, genuine.cost) for _ in range(EIGHT)]):
        among = [devices.join(f"among{number}").cpu for number in range(3)]
    more = (max(among) - statistics.median(each.cpu for each in alone)) / bare / EIGHT
    return statistics.median(beside) / statistics.median(each.wall for each in alone), more, most


def forged(file: KeyFile, cost: Cost) -> KeyFile:
    return replace(file, cost=cost, salt=secrets.token_bytes(16))


@contextlib.contextmanager
def put(folder: Path, files: list[KeyFile]) -> Iterator[None]:
    """Keep *files* among the key objects meanwhile."""
    paths = [folder / Path(key_name(file.digest)).name for file in files]
    for path, file in zip(paths, files, strict=True):
        path.write_bytes(file.spelt())
    try:
        yield
    finally:
        for path in paths:
            path.unlink()


# -- all of it ---------------------------------------------------------------------------------------------------------


def measure(rounds: int) -> None:
    """Measure, and print the table."""
    print("| a hostile store | figure | bar |\n|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="gh") as folder:
        root = Path(folder)
        found = [pulls(made(root / f"pull{number}")) for number in range(rounds)]
        _row("first pull beside 10,000 junk objects: CPU more", statistics.median(each[0] for each in found), 1.0, "s")
        _row("second: wall time", statistics.median(each[1] for each in found), 1.8, "x one without")
        _row("lines of alarm", max(each[2] for each in found), 1)
        server = s3servers.start("rclone", made(root / "rclone"))
        if isinstance(server, str):
            print(f"fetches are not measured: {server}")
        else:
            with contextlib.ExitStack() as running:
                running.callback(server.stop)
                service = running.enter_context(s3_service(server))
                first, second = fetches(service.opened(), made(root / "fetched"))
            _row("first pull beside them over S3: fetches", first, 200)
            _row("second: fetches", second, 0)
        came = [joins(made(root / f"join{number}")) for number in range(rounds)]
        _row("join beside 8 costlier key objects", statistics.median(each[0] for each in came), 1.2, "x one without")
        _row("peak memory of it", max(each[2] for each in came) / 1e6, 300, "MB")
        _row(
            "join beside 8 of its cost: each", statistics.median(each[1] for each in came), 1.2, "Argon2id more at most"
        )


def made(path: Path) -> Path:
    path.mkdir()
    return path


def _row(what: str, figure: float, bar: float, unit: str = "") -> None:
    shown = f"{figure:,}" if isinstance(figure, int) else f"{figure:.2f}"
    print(f"| {what} | {shown} {unit}{' (over)' if figure > bar else ''} | {bar:g} {unit} |", flush=True)
