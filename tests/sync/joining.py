"""Devices with a vault and a passphrase of their own, and how they come to a store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ghostie.backends.store import ObjectStore
from ghostie.crypto import keys as keyring
from ghostie.crypto.unlock import Sources
from ghostie.paths import Layout
from ghostie.sync.config import load_config
from ghostie.sync.link import Link
from ghostie.sync.setup import Place, SetUp, set_up
from ghostie.vault import create_vault, open_vault

MINE, THEIRS = "correct horse battery", "staple of another kind"


def sources(passphrase: str | None = MINE, of_the_store: str | None = None) -> Sources:
    environ = {"GHOSTIE_PASSPHRASE": passphrase, "GHOSTIE_STORE_PASSPHRASE": of_the_store}
    return Sources(environ={name: value for name, value in environ.items() if value is not None})


def new(home: Path, *said: str, passphrase: str = MINE) -> Layout:
    """Make a vault with memories that say *said*."""
    vault = create_vault(home, passphrase=passphrase, device_name=home.name, cost=keyring.FLOOR)
    for each in said:
        vault.add(each)
    return vault.layout


def join(
    layout: Layout,
    store: ObjectStore,
    with_: Sources | None = None,
    *,
    options: Mapping[str, str] | None = None,
    again: bool = False,
    name: str | None = None,
) -> SetUp:
    place = Place("folder", options or {"path": "the store"}, store)
    return set_up(layout, place, with_ or sources(), again=again, device_name=name)


def link_of(done: SetUp, store: ObjectStore) -> Link:
    return Link(done.vault, store, done.config, sleep=lambda _: None)


def linked(layout: Layout, store: ObjectStore, passphrase: str = MINE) -> Link:
    """Return the device at *layout* as a process that starts would open it."""
    vault = open_vault(layout.home, passphrase=passphrase)
    vault.refresh()
    return Link(vault, store, load_config(layout), sleep=lambda _: None)
