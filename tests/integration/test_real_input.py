"""Ten thousand real memories: in, out to a store, and into another device."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tests.cli.device import PASSPHRASE, ROOT, Device, Scene

MEMORIES = ROOT.parent / "shared" / "data" / "memories.jsonl.gz"

pytestmark = pytest.mark.skipif(not MEMORIES.exists(), reason="the real input is not next to this checkout")


@pytest.fixture
def scene(request: pytest.FixtureRequest) -> Scene:
    made = Scene()
    request.addfinalizer(made.end)
    made.store.mkdir()
    return made


def held(device: Device) -> dict[str, str]:
    """Return every memory's id with the identity of what is shown of it."""
    records = device.ok("list", "--json", "-n", "0").json()
    return {record["id"]: record["sync_metadata"]["sync_hash"] for record in records}


def test_ten_thousand_memories_reach_another_device_whole(scene: Scene) -> None:
    laptop, phone = scene.device("laptop"), scene.device("phone")
    laptop("init", "--device-name", "laptop", passphrase=PASSPHRASE, code=0)
    laptop.unlock()
    first = laptop.ok("import", str(MEMORIES), "--json").json()
    assert (first["read"], len(first["added"]), first["bad"]) == (10_000, 10_000, [])
    again = laptop.ok("import", str(MEMORIES), "--json").json()
    assert (again["read"], again["added"], again["changed"], again["known"]) == (10_000, [], [], 10_000)
    assert laptop.ok("stats", "--json").json()["versions"] == 10_000

    laptop.ok("sync", "setup", "--path", str(scene.store))
    pushed = laptop.ok("sync", "push", "--json").json()
    assert pushed["versions"] == 10_000
    objects = [path for path in scene.store.rglob("*") if path.is_file()]
    assert len(objects) <= 10
    plaintext = gzip.decompress(Path(MEMORIES).read_bytes())
    assert sum(path.stat().st_size for path in objects) <= 0.5 * len(plaintext)

    phone("sync", "setup", "--path", str(scene.store), "--device-name", "phone", passphrase=PASSPHRASE, code=0)
    phone.unlock()
    pulled = phone.ok("sync", "pull", "--json").json()
    assert len(pulled["added"]) == 10_000
    assert phone.ok("sync", "pull", "--json").json()["versions"] == 0
    both = held(laptop)
    assert len(both) == 10_000
    assert held(phone) == both

    said = {json.loads(line)["content"] for line in plaintext.splitlines()}
    assert {record["content"] for record in phone.ok("list", "--json", "-n", "0").json()} == said
    found = phone.ok("search", "memory", "-n", "5", "--json").json()
    assert len(found) == 5
    assert "! " not in phone.ok("doctor").out
