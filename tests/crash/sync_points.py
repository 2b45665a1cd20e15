"""Runs one sync operation again and again, cut off at its first durable call, its second, … until it comes through whole.

A program of its own, so that it can fork: `python -m tests.crash.sync_points OPERATION MODE FOLDER` prints one line of
JSON for every point, with all that was wrong there. What a folder store writes is cut off like the rest.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ghostie.backends.folder import FolderStore
from ghostie.crypto import keys as keyring
from ghostie.crypto import sodium
from ghostie.crypto.keys import first_epoch
from ghostie.crypto.unlock import Sources
from ghostie.errors import GhostieError, Unreachable
from ghostie.paths import Layout
from ghostie.sync import engine, survey
from ghostie.sync.link import Link
from ghostie.sync.repair import repair
from ghostie.sync.segment import key_name
from ghostie.sync.setup import Place, set_up
from ghostie.vault import make_home
from ghostie.vault.device import new_device
from ghostie.vault.vault import Vault

from ..sync.world import Wire, World, add, every_version, picture, settle, sync
from .cutting import Report, attempt, every_point
from .wires import Wires

KEYS, OTHERS = first_epoch(bytes(range(32))), first_epoch(bytes(range(32, 64)))
MINE, THEIRS = "correct horse battery", "staple of another kind"


def world_at(root: Path) -> World:
    return World(root, FolderStore(root / "store"), KEYS)


def device(world: World, name: str) -> Link:
    return world.at(Layout(world.root / name))


# -- where each operation starts --------------------------------------------------------------------------------------


def two_that_met(world: World) -> tuple[Link, Link]:
    """Return phone and laptop, in step, with a few memories and a few segments each."""
    phone, laptop = world.device("phone"), world.device("laptop")
    for number in range(3):
        for link in (phone, laptop):
            add(link, f"{link.vault.device.name}\n{number}\n", tags=[str(number)])
            engine.push(link)
    settle(phone, laptop)
    return phone, laptop


def much_to_say(world: World) -> None:
    """Leave the phone with a segment that waits, additions, an edit, a removal, a purge, and segments to be joined."""
    phone, _ = two_that_met(world)
    for number in range(3):
        add(phone, f"more {number}")
        engine.push(phone)
    phone.vault.refresh()
    entries = sorted(phone.vault.index.entries(), key=lambda entry: entry.timestamp)
    add(phone, "waits")
    phone.store = Wire(world.store)
    phone.store.lose_before = 1
    with contextlib.suppress(Unreachable):
        engine.push(phone)
    add(phone, "new")
    phone.vault.edit(entries[0].id, {"content": "edited"})
    phone.vault.remove([entries[1].id])
    phone.vault.purge([entries[2].id])


def much_to_hear(world: World) -> None:
    """Leave the laptop ahead: additions, a merge to be made, a conflict, a removal beside an edit, a purge."""
    phone, laptop = two_that_met(world)
    ids = [entry.id for entry in sorted(phone.vault.index.entries(), key=lambda entry: entry.timestamp)]
    laptop.vault.edit(ids[0], {"tags": ["theirs"]})
    phone.vault.edit(ids[0], {"content": "mine"})
    laptop.vault.edit(ids[1], {"content": "theirs"})
    phone.vault.edit(ids[1], {"content": "mine"})
    laptop.vault.remove([ids[2]])
    phone.vault.edit(ids[2], {"content": "edited beside"})
    laptop.vault.purge([ids[3]])
    for number in range(3):
        add(laptop, f"new {number}")
        engine.push(laptop)


def much_to_join(world: World) -> None:
    phone, _ = two_that_met(world)
    for number in range(3):
        add(phone, f"more {number}")
        engine.push(phone)


def a_copied_home(world: World) -> None:
    """Leave the phone as a copy of a home that has gone on: both wrote at the same positions."""
    phone, _ = two_that_met(world)
    add(phone, "waits in both")
    twin = world.copied(phone, "twin")
    add(twin, "from the twin")
    engine.push(twin)
    add(phone, "from the phone")


def a_store_that_lost_some(world: World) -> None:
    phone, laptop = two_that_met(world)
    add(laptop, "the last")
    sync(laptop, phone)
    mine, theirs = (world.names(link.vault.device.writer) for link in (phone, laptop))
    body = world.store.get(mine[2].key)
    world.store.write({mine[2].key: body[:-1]}, [mine[0].key, theirs[-1].key])


def a_vault_to_join(world: World) -> None:
    two_that_met(world)
    real = keyring.wrap(KEYS, MINE, keyring.FLOOR)
    world.store.write({key_name(real.digest): real.spelt()})


def memories_to_bring_along(world: World) -> None:
    a_vault_to_join(world)
    layout = Layout(world.root / "tablet")
    make_home(layout)
    mine = new_device("tablet")
    mine.save(layout)
    vault = Vault(layout, OTHERS, mine, clock=world.clock)
    for number in range(3):
        vault.add(f"brought {number}")
    vault.edit(vault.add("brought and edited").id, {"content": "edited before it was brought"})
    vault.refresh()
    layout.master_key.write_bytes(keyring.wrap(OTHERS, THEIRS, keyring.FLOOR).spelt())


def join(world: World) -> None:
    environ = {"GHOSTIE_PASSPHRASE": THEIRS, "GHOSTIE_STORE_PASSPHRASE": MINE}
    layout = Layout(world.root / "tablet")
    set_up(layout, Place("folder", {"path": "store"}, world.store), Sources(environ=environ), device_name="tablet")


@dataclass(frozen=True)
class Operation:
    """What is done in which place, and by which devices the world is then left."""

    prepare: Callable[[World], None]
    act: Callable[[World], object]
    devices: tuple[str, ...] = ("phone", "laptop")
    sets_up: bool = False


OPERATIONS = {
    "push": Operation(much_to_say, lambda world: engine.push(device(world, "phone"))),
    "pull": Operation(much_to_hear, lambda world: engine.pull(device(world, "phone"), yes=True)),
    "compact": Operation(much_to_join, lambda world: survey.compact(device(world, "phone"))),
    "push of a copy": Operation(
        a_copied_home, lambda world: engine.push(device(world, "phone")), ("phone", "laptop", "twin")
    ),
    "pull of a copy": Operation(
        a_copied_home, lambda world: engine.pull(device(world, "phone")), ("phone", "laptop", "twin")
    ),
    "repair": Operation(a_store_that_lost_some, lambda world: repair(device(world, "phone"))),
    "join": Operation(a_vault_to_join, join, ("phone", "laptop", "tablet"), sets_up=True),
    "join with memories": Operation(memories_to_bring_along, join, ("phone", "laptop", "tablet"), sets_up=True),
}


# -- cutting off, and looking ---------------------------------------------------------------------------------------


def acknowledged(world: World, operation: Operation) -> set[str]:
    """Return the hashes of all versions that are on a device or on the store."""
    known = {version.hash for name in operation.devices[:2] for version in every_version(device(world, name))}
    if operation.sets_up and (world.root / "tablet").exists():
        known |= {stem[27:] for stem in Vault(Layout(world.root / "tablet"), OTHERS, new_device("t")).files.stems()}
    return known


Picture = tuple[set[str], dict[str, list[str]]]


def in_the_end(world: World, operation: Operation) -> Picture:
    """Let everybody meet until there is nothing new, and return what all of them have then. Raises AssertionError."""
    if operation.act is OPERATIONS["repair"].act:
        for name in operation.devices:
            repair(device(world, name))
    links = [device(world, name) for name in operation.devices]
    settle(*links)
    first = picture(links[0])
    assert all(picture(link) == first for link in links[1:]), "they are not in step"
    assert survey.verify(links[0]) == [], "the store is not whole"
    newcomer = world.device("newcomer")
    settle(newcomer)
    assert picture(newcomer) == first, "a newcomer sees something else"
    for link in links:
        assert not list(link.vault.layout.outbox.iterdir()), "something still waits"
    return first


def problems_after(world: World, operation: Operation, before: set[str], whole: Picture) -> Iterator[str]:
    """Yield all that is wrong with what a cut left behind, when everybody just goes on."""
    try:
        if operation.sets_up:
            operation.act(world)
        end = in_the_end(world, operation)
    except (AssertionError, GhostieError) as error:
        yield f"{type(error).__name__}: {error}"
        return
    destroyed = {digest for version in every_version(device(world, "phone")) for digest in version.purges}
    if lost := [digest for digest in before - destroyed if not any(each.startswith(digest) for each in end[0])]:
        yield f"{len(lost)} versions that were acknowledged are lost"
    if end != whole:
        yield f"it ends otherwise than when nothing is cut: {sorted(end[0] ^ whole[0])}"


def run(name: str, mode: str, folder: Path) -> Iterator[Report]:
    operation = OPERATIONS[name]
    source = folder / "template"
    (source / "store").mkdir(parents=True)
    operation.prepare(world_at(source))
    before = acknowledged(world_at(source), operation)
    shutil.copytree(source, folder / "whole")
    world = world_at(folder / "whole")
    operation.act(world)
    whole = in_the_end(world, operation)

    def cut(root: Path, wires: Wires) -> Report:
        report = attempt(wires, lambda: world_at(root), operation.act, lambda report: None)
        problems = report["problems"] or list(problems_after(world_at(root), operation, before, whole))
        return {**report, "problems": problems}

    yield from every_point(source, mode, folder, cut)


def quick(passphrase: bytes, salt: bytes, memory: int, passes: int) -> bytes:
    """Derive a key at once: Argon2id has tests of its own, and here it would be run a thousand times."""
    return hashlib.blake2b(passphrase, salt=salt[:16], digest_size=32).digest()


if __name__ == "__main__":
    vars(sodium)["argon2id"] = quick
    for line in run(sys.argv[1], sys.argv[2], Path(sys.argv[3])):
        print(json.dumps(line), flush=True)
