"""The key object on the store: a new passphrase or key reaches it with the next push, and the old one goes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from ghostie import files
from ghostie.crypto import keys as keyring
from ghostie.crypto.keys import KeyFile
from ghostie.errors import (
    CannotWrite,
    KeysRotated,
    NewerFormat,
    NotConfirmed,
    NotFound,
    RefusedKeyFile,
    StoreRefused,
)
from ghostie.paths import Layout
from ghostie.sync.link import Link, Listing
from ghostie.sync.notices import TWO_PASSPHRASES
from ghostie.sync.segment import key_name
from ghostie.sync.standing import gave_way

LOOKS = 4  # at a store that does not show at once what it took


def note_new_key(layout: Layout, slot: KeyFile, *, joining: bool = False) -> bool:
    """Keep *slot*, new keys or the keys under a new passphrase, for the next push; return whether there is a store.

    *joining*: the store is about to be the vault's.
    """
    there = joining or files.is_there(layout.sync_config) or is_pending(layout)
    if there:
        files.write_durably(layout.pending_key, slot.spelt())
    return there


def read_pending(layout: Layout) -> KeyFile | None:
    """Return the key object that the next push sends, or None. Raises RefusedKeyFile or NewerFormat."""
    try:
        return keyring.parse(files.read(layout.pending_key, keyring.MAX_KEY_FILE))
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def new_key_noted(layout: Layout, slot: KeyFile) -> Iterator[bool]:
    """Keep *slot* for the next push, unless what is done meanwhile fails. The lock is held. Raises as that does."""
    path = layout.pending_key
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
    return files.is_there(layout.pending_key)


def send(link: Link, listing: Listing) -> bool:
    """Put a waiting key object on the store; return whether there was one. It is done when the store shows it.

    Raises KeysRotated where another device's new key is there already, and StoreRefused where the store does not show
    what it took: what is sealed under a new key must not come before that. The next push tries again.
    """
    slot, state = read_pending(link.vault.layout), link.ledger.state
    if slot is None:
        return False
    if gave_way(link.vault.keys, slot):
        files.remove_durably([link.vault.layout.pending_key])  # a take-over that an earlier ghostie did not finish
        return False
    before = link.config.slot
    rival = link.standing.rival
    if state.put != slot.digest and rival is not None and rival.epoch >= slot.epoch:
        there = _read(link, before)
        if there is None or there.commitment != slot.commitment:
            raise KeysRotated()  # its device was first, and nothing is under this one's on the store
    state.put = slot.digest
    state.replaced = sorted({*state.replaced, before} - {slot.digest})
    link.ledger.save()  # first: whatever is cut off here, what this device has replaced goes
    link.store.write({key_name(slot.digest): slot.spelt()})
    for look in range(LOOKS):
        if look:
            link.wait()
        listing = link.look()
        if slot.digest in listing.slots:
            break
    else:
        raise StoreRefused(why="it took the vault's new key object and does not show it")
    link.config = replace(link.config, slot=slot.digest)
    link.config.save(link.vault.layout)
    files.remove_durably([link.vault.layout.pending_key])
    link.check_vault(listing)  # another device may have done the same meanwhile
    tidy(link)
    return True


def _read(link: Link, digest: str) -> KeyFile | None:
    """Return the key object *digest* on the store, or None if it is none."""
    try:
        return keyring.parse(link.store.get(key_name(digest)))
    except (NotFound, RefusedKeyFile, NewerFormat):
        return None


def tidy(link: Link) -> None:
    """Delete the key objects that this device has replaced, as far as its last look at the store goes."""
    standing, state, keys = link.standing, link.ledger.state, link.vault.keys
    if is_pending(link.vault.layout):
        return  # what is to take their place is not there yet
    doomed = list(standing.superseded)
    if state.key == keys.id_of(keys.current).hex():
        doomed += standing.left  # nothing of this device is under these any more
    if standing.twins and state.put == link.config.slot:
        link.tell(TWO_PASSPHRASES)
        state.strange = sorted({*state.strange, *standing.twins})  # said once
    if doomed:
        link.store.write({}, [key_name(digest) for digest in doomed])
        state.replaced = sorted({*state.replaced} - {*doomed})
        link.ledger.save()
        link.standing = replace(standing, superseded=(), left=(), twins=())
