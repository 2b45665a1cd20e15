"""What sync costs at each store, in requests and bytes: counted, never timed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ghostie.backends.store import MemoryStore
from ghostie.crypto.sealing import Keys
from ghostie.paths import Layout
from ghostie.sync import engine
from ghostie.sync.link import Link
from ghostie.vault.exchange import import_paths
from tests.bench.memories import memories
from tests.sync.world import World, add, heads

from .gistserver import GistServer
from .line import Service, gist_service, s3_service
from .s3servers import running


@pytest.fixture(scope="module")
def household(tmp_path_factory: pytest.TempPathFactory) -> tuple[Keys, Path]:
    """A home of 10,000 memories that no test changes, and its keys."""
    root = tmp_path_factory.mktemp("household")
    (root / "memories.jsonl").write_bytes(memories())
    world = World(root, MemoryStore())
    phone = world.device("phone")
    assert len(import_paths(phone.vault, [root / "memories.jsonl"]).taken.added) == 10_000
    phone.vault.close()
    return world.keys, root / "phone"


@pytest.fixture(params=["moto", "gist"])
def service(
    request: pytest.FixtureRequest, server: GistServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    if request.param == "gist":
        with gist_service(server) as gist:
            yield gist
    else:
        with s3_service(running(request.param, request.config, tmp_path_factory)) as s3:
            yield s3


def next_run(world: World, link: Link, service: Service) -> Link:
    """Return the device as its next run opens it: with a store that knows what the last one kept, and no more."""
    return world.at(link.vault.layout, store=service.opened())


def test_few_requests_do_for_10000_memories_and_one_write_for_a_days_changes(
    service: Service, household: tuple[Keys, Path], tmp_path: Path
) -> None:
    keys, home = household
    world = World(tmp_path, service.opened(), keys)
    shutil.copytree(home, tmp_path / "phone")
    phone = world.at(Layout(tmp_path / "phone"), store=service.opened())
    service.since()
    assert engine.push(phone).versions == 10_000
    assert len(service.since()) <= 8

    phone = next_run(world, phone, service)
    ids = [entry.id for entry in phone.vault.select()][:15]
    texts = [f"what the day brought, number {number}" for number in range(20)]
    phone.vault.edit_all(ids[:10], lambda shown: {"content": texts.pop()})
    for text in list(texts):
        add(phone, text)
    phone.vault.remove(ids[10:])
    said = sum(len(f"what the day brought, number {number}") for number in range(20))
    assert engine.push(phone).versions == 25
    writes = [trip for trip in service.since() if trip.writes]
    assert len(writes) == 1
    assert writes[0].sent <= 4096 + said

    laptop = world.device("laptop", store=service.opened())
    assert engine.pull(laptop, yes=True).versions == 10_025
    assert len(service.since()) <= 10
    assert heads(laptop) == heads(phone)

    laptop = next_run(world, laptop, service)
    assert engine.pull(laptop).segments == 0
    (poll,) = service.since()
    assert str(poll) == ("GET 304" if service.name == "gist" else "GET 200")
    assert engine.push(phone).segments == 0
    assert service.since() == [], "with nothing new there is no request"
