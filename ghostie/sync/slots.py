"""The key object on the store: a new passphrase or key reaches it with the next push, and the old one goes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from ghostie import files
from ghostie.crypto import keys as keyring
from ghostie.crypto.keys import KeyFile
from ghostie.errors import CannotWrite, KeysRotated, NewerFormat, NotConfirmed, NotFound, RefusedKeyFile
from ghostie.paths import Layout
from ghostie.sync.link import Link, Listing
from ghostie.sync.segment import key_name

PENDING = "slot.key"


def note_new_key(layout: Layout, slot: KeyFile, *, joining: bool = False) -> bool:
    """Keep *slot*, new keys or the keys under a new passphrase, for the next push; return whether there is a store.

    *joining*: the store is about to be the vault's.
    """
    there = joining or files.is_there(layout.sync_config) or is_pending(layout)
    if there:
        files.write_durably(layout.outbox / PENDING, slot.spelt())
    return there


def read_pending(layout: Layout) -> KeyFile | None:
    """Return the key object that the next push sends, or None. Raises RefusedKeyFile or NewerFormat."""
    try:
        return keyring.parse(files.read(layout.outbox / PENDING, keyring.MAX_KEY_FILE))
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def new_key_noted(layout: Layout, slot: KeyFile) -> Iterator[bool]:
    """Keep *slot* for the next push, unless what is done meanwhile fails. The lock is held. Raises as that does."""
    path = layout.outbox / PENDING
    before = files.read(path) if is_pending(layout) else None
    there = note_new_key(layout, slot)
    try:
        yield there
    except NotConfirmed:
        raise
    except CannotWrite as error:
        error.facts["way_out"] = "the passphrase is as it was, but the next push changes it on the store: run it again"
        with contextlib.suppress(CannotWrite):
            if before is not None:
                files.write_durably(path, before)
            else:
                files.remove_durably([path])
            del error.facts["way_out"]
        raise


def is_pending(layout: Layout) -> bool:
    return files.is_there(layout.outbox / PENDING)


def send(link: Link, listing: Listing) -> bool:
    """Put a waiting key object on the store, then delete this vault's others; return whether there was one."""
    slot = read_pending(link.vault.layout)
    if slot is None:
        return False
    digest = slot.digest
    old = []
    # who opens an epoch removes the key object of before: beside that one, anybody may have put another
    unmoved = link.config.slot in listing.slots
    for other in sorted(listing.slots - {digest}):
        file = _read(link, other)
        if other == link.config.slot or (file is not None and file.vault == slot.vault):
            rotated = file is not None and file.epoch >= slot.epoch and file.commitment != slot.commitment
            if rotated and not unmoved:
                raise KeysRotated()  # another device opened an epoch at the same time, and was first
            old.append(key_name(other))
    link.store.write({key_name(digest): slot.spelt()}, old)
    link.config = replace(link.config, slot=digest)
    link.config.save(link.vault.layout)
    files.remove_durably([link.vault.layout.outbox / PENDING])
    return True


def _read(link: Link, digest: str) -> KeyFile | None:
    """Return the key object *digest* on the store, or None if it is none; another vault's is not ours to touch."""
    try:
        return keyring.parse(link.store.get(key_name(digest)))
    except (NotFound, RefusedKeyFile, NewerFormat):
        return None
