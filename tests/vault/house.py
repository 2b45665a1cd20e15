"""Vaults for tests: made without a passphrase, with a clock that a test can turn, and eyes for what is on the disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from ghostie.crypto import keys as keyring
from ghostie.crypto.sealing import Keys, Purpose, unseal
from ghostie.memory import Version, make_version, stamp
from ghostie.paths import Layout
from ghostie.vault import make_home
from ghostie.vault.device import Device
from ghostie.vault.row import Entry
from ghostie.vault.sealedlog import SealedLog
from ghostie.vault.vault import Vault

START = 1_750_000_000_000
KEYS = keyring.first_epoch(bytes(range(32)))


class Clock:
    """A clock that goes on a second whenever it is read, and that a test can set."""

    def __init__(self, now: int = START) -> None:
        self.now = now

    def __call__(self) -> int:
        self.now += 1000
        return self.now


def salts(of: str) -> Callable[[], str]:
    """Return a source of salts that gives the same ones every time."""
    numbers = count()
    return lambda: hashlib.sha256(f"{of} {next(numbers)}".encode()).hexdigest()[:32]


def new_vault(home: Path, name: str = "laptop", *, keys: Keys = KEYS, clock: Clock | None = None) -> Vault:
    """Return a new vault at *home*; devices that are to understand each other share *keys*."""
    layout = Layout(home)
    make_home(layout)
    device = Device(name.encode().hex().ljust(16, "0")[:16], name)
    device.save(layout)
    return Vault(layout, keys, device, clock=clock or Clock(), salt=salts(name))


def reopened(vault: Vault) -> Vault:
    """Return the same vault as another process would open it, its index up to date."""
    other = Vault(vault.layout, vault.keys, vault.device, clock=vault.clock, patience=0.2)
    other.refresh()
    return other


def entry_of(vault: Vault, memory_id: str) -> Entry:
    """Return a memory as the vault's files have it now."""
    vault.refresh()
    return vault.find(memory_id)


def shown(vault: Vault, memory_id: str) -> Version:
    return vault.shown(entry_of(vault, memory_id))


def content(vault: Vault, memory_id: str) -> str:
    return str(shown(vault, memory_id).field("content"))


def contents(vault: Vault) -> dict[str, str]:
    """Return what every memory that is not removed says."""
    vault.refresh()
    return {entry.id: str(vault.shown(entry).field("content")) for entry in vault.select()}


def versions_of(vault: Vault, memory_id: str) -> list[Version]:
    return vault.history(entry_of(vault, memory_id))


def every_version(vault: Vault) -> dict[str, Version]:
    """Return all versions that are on the disk, by hash."""
    found = {}
    for stem, version in vault.files.read_many(sorted(vault.files.stems())):
        assert isinstance(version, Version), f"{stem} does not open"
        found[version.hash] = version
    return found


def heads(vault: Vault) -> dict[str, list[str]]:
    vault.refresh()
    return {entry.id: list(entry.heads) for entry in vault.index.entries()}


def picture(vault: Vault) -> dict[str, tuple[list[str], list[str], dict[str, dict[str, Any]]]]:
    """Return all that the loaded index says; what a version says is kept there only once it was asked for."""
    return {
        entry.id: (
            list(entry.heads),
            list(entry.tips),
            {
                digest: {name: value for name, value in row.items() if name != "say"}
                for digest, row in sorted(entry.versions.items())
            },
        )
        for entry in sorted(vault.index.entries(), key=lambda entry: entry.id)
    }


def rebuilt(vault: Vault) -> dict[str, tuple[list[str], list[str], dict[str, dict[str, Any]]]]:
    """Return what an index says that is made from the version files alone."""
    from ghostie.vault.index import Index

    bare = Vault(vault.layout, vault.keys, vault.device)
    empty = Layout(vault.layout.home / "no-such-folder")
    bare.index = Index(empty, vault.keys, vault.files)
    bare.index.load()
    return picture(bare)


def plaintexts(vault: Vault) -> dict[str, bytes]:
    """Return what stands in the vault's own caches and logs, opened."""
    layout, keys = vault.layout, vault.keys
    found = {}
    for name, path, purpose, place in (
        ("snapshot", layout.index_snapshot, Purpose.INDEX, b"snapshot"),
        ("search", layout.search, Purpose.SEARCH, b"search"),
    ):
        if path.exists():
            found[name] = unseal(keys, purpose, (place,), path.read_bytes())
    found["journal"] = b"\n".join(SealedLog(layout.index_journal, keys, Purpose.JOURNAL, "index").read())
    found["operations"] = b"\n".join(SealedLog(layout.operations, keys, Purpose.OPERATION, "operations").read())
    for path in layout.conflicts.iterdir():
        found[path.name] = unseal(keys, Purpose.CONFLICT, (path.name[:26].encode(),), path.read_bytes())
    return found


def temporaries(vault: Vault) -> list[str]:
    """Return what a crash left behind, anywhere in the vault's folder."""
    return sorted(str(path.relative_to(vault.layout.home)) for path in vault.layout.home.rglob(".tmp-*"))


def made(
    memory_id: str,
    parents: Iterable[Version] = (),
    *,
    content: str = "",
    at: int = START,
    deleted: bool = False,
    device: str | None = None,
    sync: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Version:
    """Return a version as some other device would make it."""
    before = list(parents)
    return make_version(
        {"id": memory_id, "content": content, **fields},
        {
            "version": max((parent.number for parent in before), default=0) + 1,
            "parents": sorted(parent.hash for parent in before),
            "last_modified": stamp(max([at, *(parent.modified + 1 for parent in before)])),
            "deleted": deleted,
            "device": device,
            **(sync or {}),
        },
        as_is=True,  # another device may have another ghostie
    )


def family(*versions: Version) -> dict[str, Version]:
    """Return versions by their hash, as merging wants them."""
    return {version.hash: version for version in versions}
