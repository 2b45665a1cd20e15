"""Devices that meet at gists: pushed, pulled, merged and compacted, and how few requests that takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from ghostie.errors import GhostieError
from ghostie.sync import engine, survey
from ghostie.sync.link import Link
from ghostie.sync.retiring import retire
from ghostie.vault import conflicts
from tests.sync.world import World, add, contents, entry, in_conflict, in_step, settle, sync

from .gists import a_store
from .gistserver import TOKEN, GistServer

pytestmark = pytest.mark.versions


@pytest.fixture
def world(server: GistServer, tmp_path: Path) -> World:
    return World(tmp_path, a_store(server))


def device(world: World, server: GistServer, name: str) -> Link:
    return world.device(name, store=a_store(server))


def test_two_devices_come_to_the_same_and_a_conflict_keeps_both_sides(world: World, server: GistServer) -> None:
    phone, laptop = device(world, server, "phone"), device(world, server, "laptop")
    shared = add(phone, "the router is in the hall")
    add(laptop, "the printer is upstairs")
    settle(phone, laptop)
    assert contents(phone) == contents(laptop) == ["the printer is upstairs", "the router is in the hall"]
    phone.vault.edit(shared.id, {"content": "the router is in the kitchen"})
    laptop.vault.edit(shared.id, {"content": "the router is in the cellar"})
    settle(phone, laptop)
    assert in_step(phone, laptop)
    assert in_conflict(phone) == in_conflict(laptop) == [shared.id]
    found = conflicts.look(phone.vault, entry(phone, shared.id))
    sides = {str(found.mine.field("content")), str(found.theirs.field("content"))}
    assert sides == {"the router is in the kitchen", "the router is in the cellar"}
    conflicts.resolve(laptop.vault, shared.id, "mine")
    settle(phone, laptop)
    assert contents(phone) == contents(laptop) == ["the printer is upstairs", "the router is in the cellar"]
    assert survey.verify(phone) == survey.verify(laptop) == []


def test_a_device_is_retired_and_its_gist_is_emptied_or_gone(world: World, server: GistServer) -> None:
    phone, laptop = device(world, server, "phone"), device(world, server, "laptop")
    add(phone, "from the phone")
    add(laptop, "from the laptop")
    settle(phone, laptop)
    writer = laptop.vault.device.writer
    assert retire(phone, writer).adopted == 1
    assert world.names(writer) == []
    fresh = device(world, server, "fresh")
    assert engine.pull(fresh).alarms == ()
    assert contents(fresh) == ["from the laptop", "from the phone"]
    settle(laptop, phone, fresh)
    assert laptop.vault.device.writer != writer
    assert in_step(phone, laptop, fresh)


def test_a_push_is_one_write_and_a_poll_with_nothing_new_one_request_for_nothing(
    world: World, server: GistServer
) -> None:
    phone, laptop = device(world, server, "phone"), device(world, server, "laptop")
    sync(phone, laptop)
    add(phone, "first")
    engine.push(phone)
    engine.pull(laptop)
    for number in range(10):
        add(phone, f"more {number}")
    server.asked()
    engine.push(phone)
    assert server.asked() == ["GET 200", "PATCH 200"]
    engine.pull(laptop)
    assert server.asked() == ["GET 200", "GET 200"]
    for _ in range(3):
        engine.pull(laptop)
    assert server.asked() == ["GET 304"] * 3
    assert contents(phone) == contents(laptop)
    engine.push(phone)
    assert server.asked() == []


def test_a_log_of_many_pushes_stays_small_and_a_new_device_reads_it_in_few_requests(
    world: World, server: GistServer
) -> None:
    phone = device(world, server, "phone")
    for number in range(60):
        add(phone, f"memory {number}")
        engine.push(phone)
    (gist,) = server.of(f"ghostie {phone.vault.device.writer}")
    assert len(gist.files) < 20
    server.asked()
    tablet = device(world, server, "tablet")
    engine.pull(tablet)
    assert len(server.asked()) <= 3
    assert contents(tablet) == contents(phone)


def test_lost_replies_and_limits_on_the_way_lose_nothing(world: World, server: GistServer) -> None:
    phone, laptop = device(world, server, "phone"), device(world, server, "laptop")
    for number, kind in enumerate(("lost after", "lost before", "cut", "409", "429", "403", "page", "cut head")):
        add(phone, f"from the phone {number}")
        add(laptop, f"from the laptop {number}")
        server.fault(kind, "GET" if number % 3 == 2 else "")
        for link in (phone, laptop):
            for step in (engine.push, engine.pull):
                try:
                    step(link)
                except GhostieError as error:
                    assert TOKEN not in str(error)
    settle(phone, laptop)
    assert in_step(phone, laptop)
    assert len(contents(phone)) == 16


def test_what_a_gist_says_of_a_vault_holds_no_word_of_it(world: World, server: GistServer) -> None:
    phone = device(world, server, "the-phone")
    add(phone, "a secret word", category="hidden-category", tags=["unseen-tag"])
    engine.push(phone)
    told = repr(list(server.gists.values()))
    assert phone.vault.device.writer in told
    assert not any(word in told for word in ("secret word", "hidden-category", "unseen-tag", "the-phone"))
