"""What sync costs over a network, in requests, bytes and time: each store behind a line that adds 50 ms to a round trip.

Time is a ratio to bare programs in the same round: P sends the very requests of the push that wrote something, byte for
byte over the same line, with `requests` and nothing else; S reads 10,000 sealed files, opens them, and packs and seals
what they hold, with PyNaCl and zlib and nothing else. Ghostie's own runs take place in this process, each with a vault
and a store that are opened anew, and are timed from there.
"""

from __future__ import annotations

import gc
import shutil
import statistics
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ghostie import codec
from ghostie.backends.store import MemoryStore, ObjectStore
from ghostie.crypto import sodium
from ghostie.paths import Layout
from ghostie.sync import engine
from ghostie.sync.link import Link
from ghostie.vault.exchange import import_paths
from tests.bench.memories import memories
from tests.integration import s3servers
from tests.integration.gistserver import GistServer
from tests.integration.line import Service, Trip, gist_service, s3_service
from tests.sync.world import Wire, World, add

DELAY = 0.05
PUSHES = 1000
LARGE = 1 << 20

Open = Callable[[], AbstractContextManager[Service]]


class Home:
    """A home of 10,000 memories that is only copied, and the same memories in bare boxes."""

    def __init__(self, root: Path) -> None:
        source = root / "memories.jsonl"
        source.write_bytes(memories())
        world = World(root / "made", MemoryStore())
        phone = world.device("phone")
        import_paths(phone.vault, [source])
        self.keys = world.keys
        self.folder = phone.vault.layout.home
        self.texts = [str(codec.loads(line)["content"]) for line in source.read_bytes().splitlines()]
        self._boxes = root / "boxes"
        self._boxes.mkdir()
        self._key, self._nonce = bytes(range(32)), bytes(24)
        stems = sorted(phone.vault.files.stems())
        for number, (_, raw) in enumerate(phone.vault.files.raw_many(stems)):
            (self._boxes / str(number)).write_bytes(sodium.secretbox(raw or b"", self._nonce, self._key))
        self._count = len(stems)
        phone.vault.close()

    def seal(self) -> float:
        """Measure S once; return seconds."""
        return timed(self._seal)

    def _seal(self) -> None:
        plain = []
        for number in range(self._count):
            with open(f"{self._boxes}/{number}", "rb") as file:
                plain.append(sodium.secretbox_open(file.read(), self._nonce, self._key))
        whole = b"".join(plain)
        for at in range(0, len(whole), LARGE):
            sodium.secretbox(zlib.compress(whole[at : at + LARGE], 4), self._nonce, self._key)


@dataclass
class Costs:
    """What one store's rounds came to: seconds of each, and the worst counts of all."""

    push: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    seal: list[float] = field(default_factory=list)
    pull: list[float] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    polled: str = ""

    def count(self, what: str, number: int) -> None:
        self.counts[what] = max(number, self.counts.get(what, 0))


# -- one round ---------------------------------------------------------------------------------------------------------


def one_round(home: Home, service: Service, costs: Costs, root: Path) -> None:
    """Push 10,000, push a day's changes, join with a second device, and poll."""
    world = World(root, service.opened(), home.keys)
    shutil.copytree(home.folder, root / "phone")
    phone = world.at(Layout(root / "phone"), store=service.opened(), beside=True)
    service.since()
    costs.seal.append(home.seal())
    costs.push.append(timed(lambda: engine.push(phone)))
    trips = service.since()
    costs.count("push requests", len(trips))
    costs.bare.append(bare(service, trips))
    service.since()

    phone = next_run(world, phone, service)
    said = changes(phone)
    engine.push(phone)
    writes = [trip for trip in service.since() if trip.writes]
    costs.count("small writes", len(writes))
    costs.count("small bytes", sum(trip.sent for trip in writes) - said)

    laptop = world.device("laptop", store=service.opened())
    costs.pull.append(timed(lambda: engine.pull(laptop, yes=True)))
    costs.count("pull requests", len(service.since()))
    laptop = next_run(world, laptop, service)
    engine.pull(laptop)
    trips = service.since()
    costs.count("poll requests", len(trips))
    costs.polled = ", ".join(str(trip.status) for trip in trips)
    for link in (phone, laptop):
        link.vault.close()


def next_run(world: World, link: Link, service: Service) -> Link:
    """Return the device as its next run opens it."""
    return world.at(link.vault.layout, store=service.opened(), beside=True)


def changes(link: Link) -> int:
    """Make 10 edits, 10 memories and 5 removals; return how many bytes were said."""
    texts = [f"what the day brought, number {number}" for number in range(20)]
    ids = [entry.id for entry in link.vault.select()][:15]
    for memory_id, text in zip(ids, texts[:10], strict=False):
        link.vault.edit(memory_id, {"content": text})
    for text in texts[10:]:
        add(link, text)
    link.vault.remove(ids[10:])
    return sum(map(len, texts))


def timed(act: Callable[[], object]) -> float:
    """Return the seconds that *act* takes, as in a command of its own: none looks for garbage."""
    gc.collect()
    gc.disable()
    try:
        began = time.perf_counter()
        act()
        return time.perf_counter() - began
    finally:
        gc.enable()


def bare(service: Service, trips: Sequence[Trip]) -> float:
    """Measure P: send what wrote something once more; return seconds. What that makes anew is deleted again."""
    import requests

    at = service.lines[0].address
    replies: list[requests.Response] = []

    def send() -> None:
        for trip in trips:
            if trip.writes:
                headers = {name: value for name, value in trip.asked.headers.items() if name != "content-length"}
                url = at + trip.asked.target
                replies.append(session.request(trip.asked.method, url, data=trip.asked.body, headers=headers))

    with requests.Session() as session:
        session.trust_env = False
        seconds = timed(send)
        for reply in replies:
            reply.raise_for_status()
            if reply.status_code == 201:
                headers = {"Authorization": str(reply.request.headers["authorization"]), "User-Agent": "bench"}
                session.delete(f"{at}/gists/{reply.json()['id']}", headers=headers).raise_for_status()
    return seconds


# -- many pushes -------------------------------------------------------------------------------------------------------


def many_pushes(store: ObjectStore, root: Path, texts: Sequence[str]) -> tuple[int, float, float]:
    """Push memories one by one; return the most objects there were, the bytes written again for each byte added, and
    how many writes a push took."""
    world = World(root, store)
    wire = Wire(store)
    phone = world.device("phone", store=wire)
    most = added = written = 0
    for text in texts:
        add(phone, text)
        added += engine.push(phone).size
        written += sum(len(sealed) for put in wire.written for sealed in put.values())
        wire.written.clear()
        most = max(most, len(world.names()))
    return most, (written - added) / added, wire.calls.count("write") / len(texts)


# -- the tables --------------------------------------------------------------------------------------------------------


def report(costs: dict[str, Costs], say: Callable[[str], None]) -> None:
    say("| store | what | figure | bar |")
    say("|---|---|---|---|")
    for name, cost in costs.items():
        push, pull, sent, sealed = map(statistics.median, (cost.push, cost.pull, cost.bare, cost.seal))
        ratio = statistics.median(
            seconds / (one + other) for seconds, one, other in zip(cost.push, cost.bare, cost.seal, strict=True)
        )
        number = cost.counts
        lines = [
            ("first push of 10,000: requests", number["push requests"], 8, ""),
            ("first push of 10,000: time", ratio, 1.3, f" x (P + S) = {push:.2f} s / ({sent:.2f} + {sealed:.2f})"),
            ("10 edits, 10 adds, 5 removals: write requests", number["small writes"], 1, ""),
            ("10 edits, 10 adds, 5 removals: bytes beyond content", number["small bytes"], 4096, ""),
            ("poll with nothing new: requests", number["poll requests"], 1, f" ({cost.polled})"),
            ("second device's first pull: requests", number["pull requests"], 10, f", {pull:.2f} s"),
        ]
        for what, figure, bar, more in lines:
            shown = f"{figure:.2f}" if isinstance(figure, float) else f"{figure:,}"
            say(f"| {name} | {what} | {shown}{more}{' (over)' if figure > bar else ''} | {bar:,} |")


def report_many(name: str, count: int, most: int, again: float, writes: float, say: Callable[[str], None]) -> None:
    over = {True: " (over)", False: ""}
    say(f"| {name} | {count:,} pushes of one: most objects | {most}{over[most > 64]} | 64 |")
    say(f"| {name} | {count:,} pushes of one: bytes written again | {again:.2f} x added{over[again > 8]} | 8 |")
    say(f"| {name} | {count:,} pushes of one: writes for each | {writes:.2f} | |")


# -- all of it ---------------------------------------------------------------------------------------------------------


@contextmanager
def s3_servers(root: Path) -> Iterator[list[s3servers.Server]]:
    with ExitStack() as running:
        servers = []
        for name in s3servers.NAMES:
            (root / name).mkdir()
            server = s3servers.start(name, root / name)
            if isinstance(server, str):
                print(f"{name} is not measured: {server}")
                continue
            running.callback(server.stop)
            servers.append(server)
        yield servers


@contextmanager
def gist() -> Iterator[Service]:
    server = GistServer()
    try:
        with gist_service(server, DELAY) as service:
            yield service
    finally:
        server.stop()


def measure(rounds: int) -> None:
    """Measure, and print the table."""

    def say(line: str) -> None:
        print(line, flush=True)

    with tempfile.TemporaryDirectory(prefix="gn") as folder:
        root = Path(folder)
        home = Home(root)
        costs: dict[str, Costs] = {}
        with s3_servers(root) as servers:
            ways: list[Open] = [*(partial(s3_service, server, DELAY) for server in servers), gist]
            for number in range(rounds):
                for open_service in ways:
                    with open_service() as service:
                        place = root / f"{number}-{service.name}"
                        one_round(home, service, costs.setdefault(service.name, Costs()), place)
                        shutil.rmtree(place)
            report(costs, say)
            texts = [text for text in home.texts if text][:PUSHES]
            stores: list[tuple[str, ObjectStore, int]] = [("memory", MemoryStore(best_size=4 << 20), PUSHES)]
            stores += [(f"{server.name}, no delay", server.store(), PUSHES // 4) for server in servers[:1]]
            for name, store, count in stores:
                report_many(name, count, *many_pushes(store, root / f"many{count}", texts[:count]), say)
