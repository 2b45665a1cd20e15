"""`sync devices`: a device is renamed here, and another one that is gone is retired."""

from __future__ import annotations

import json

import pytest

from .device import Device, Scene


@pytest.fixture
def heard(pair: Scene) -> Scene:
    """Two devices, each of which has heard of the other."""
    pair.device("phone").add("published by the phone alone")
    pair.device("phone").ok("sync", "push")
    pair.device("laptop").ok("sync", "pull")
    return pair


def listed(device: Device) -> set[str]:
    return {line["name"] for line in device.ok("sync", "devices", "--json").json()}


def test_a_device_that_is_gone_is_retired_and_comes_back_as_a_new_one(heard: Scene) -> None:
    laptop, phone = heard.device("laptop"), heard.device("phone")
    late = phone.add("never sent")
    done = laptop.ok("sync", "devices", "--retire", "phone", "--yes")
    assert done.out == ""
    assert "retired phone: 1 version went out from here anew" in done.err
    assert "keys rotate" in done.err
    assert listed(laptop) == {"laptop"}
    assert laptop.ok("sync", "run").code == 0
    back = phone.ok("sync", "run")
    assert "retired by another one" in back.err
    assert laptop.ok("sync", "run").code == 0
    assert laptop.ids() == phone.ids() >= {late}
    assert listed(laptop) == {"laptop", "phone"}


def test_retiring_wants_a_typed_yes(heard: Scene) -> None:
    laptop = heard.device("laptop")
    refused = laptop("sync", "devices", "--retire", "phone", code=2)
    assert "this needs a yes" in refused.err
    status, seen = laptop.on_terminal("sync", "devices", "--retire", "phone", keys="no\n")
    assert (status, b"nothing was done" in seen) == (2, True)
    assert listed(laptop) == {"laptop", "phone"}
    writer = json.loads((heard.device("phone").vault / "sync" / "device_id").read_text())["writer"]
    status, seen = laptop.on_terminal("sync", "devices", "--retire", writer[:8], keys="yes\n")
    assert status == 0, seen
    assert writer.encode() in seen
    assert listed(laptop) == {"laptop"}


def test_what_was_done_is_one_document(heard: Scene) -> None:
    laptop = heard.device("laptop")
    done = laptop.ok("sync", "devices", "--retire", "phone", "--yes", "--json").json()
    assert done.keys() == {"retired", "name", "adopted", "objects"}
    assert done["name"] == "phone"


def test_a_device_does_not_retire_itself_and_one_that_nobody_knows_is_named(heard: Scene) -> None:
    laptop = heard.device("laptop")
    assert "does not retire itself" in laptop("sync", "devices", "--retire", "laptop", "--yes", code=2).err
    assert "no device is called" in laptop("sync", "devices", "--retire", "nobody", "--yes", code=2).err
    assert laptop("sync", "devices", "--retire", "phone", "--rename", "x", code=2).err
    assert listed(laptop) == {"laptop", "phone"}
