"""Moving a vault's files under other keys: into the vault that this device joins, or into a new epoch of its own.

What is moving stands in `keys/next.key` until the last file is sealed again, so a crash in the middle is taken up where
it was, by any command: every file opens under the old keys or the new ones.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from ghostie import codec, files
from ghostie.crypto import keys as keyring
from ghostie.crypto.keys import KeyFile
from ghostie.crypto.sealing import Keys, Purpose, SealError, seal, unseal
from ghostie.crypto.unlock import Sources, keep_left, read_key_file, unlock, unwrap_with, with_left
from ghostie.errors import (
    BadJson,
    CannotWrite,
    Damaged,
    KeyObjectGone,
    KeysChanged,
    NewKeyNotOpened,
    NotConfirmed,
    NotPlain,
    WrongKey,
)
from ghostie.memory import Version
from ghostie.paths import Layout
from ghostie.sync.config import known_config, reseal_credentials
from ghostie.sync.log import Ledger
from ghostie.sync.slots import note_new_key
from ghostie.sync.standing import GAVE_WAY, gave_way
from ghostie.vault.device import load_device
from ghostie.vault.query import reseal_filters
from ghostie.vault.sealedlog import SealedLog
from ghostie.vault.versions import VersionFiles


def rotate(layout: Layout, keys: Keys, passphrase: str, cost: keyring.Cost) -> int:
    """Open a new epoch, and seal every file again under its key; return how many. The old key then seals nothing.

    The store follows with the next push: its key object, and this device's segments. Raises as `move`.
    """
    newer = keyring.next_epoch(keys)
    slot = keyring.wrap(newer, passphrase, cost)
    return move(layout, keys, newer, keyring.wrap(newer, passphrase, cost), slot)


def take_over(layout: Layout, slot: KeyFile, sources: Sources) -> int:
    """Take over the epoch that another device opened, from the store's key object *slot*; also in place of an own one.

    Raises NewKeyNotOpened if the passphrase does not open it, BadWords if the words do not, WrongKey if nothing opens
    what is here, and KeyObjectGone for a key that this device has left for its own.
    """
    here = read_key_file(layout)
    secret = sources.store_secret()
    try:
        newer = keyring.open_by(slot, secret)
    except WrongKey:
        raise NewKeyNotOpened() from None
    if here.epoch in newer.epochs and newer.id_of(here.epoch) == here.commitment:
        older = Keys(newer.vault, {epoch: key for epoch, key in newer.epochs.items() if epoch <= here.epoch})
    else:
        older = unlock(layout, sources)  # two devices opened an epoch at once: what is here is under the other one
        if gave_way(with_left(layout, older), slot):
            raise KeyObjectGone(why=GAVE_WAY)
    passphrase = sources.passphrase_after(secret, fresh=False)
    return move(layout, older, newer, keyring.wrap(newer, passphrase, here.cost), goes_by=slot.digest)


def move(
    layout: Layout,
    older: Keys,
    newer: Keys,
    file: KeyFile,
    slot: KeyFile | None = None,
    *,
    goes_by: str | None = None,
) -> int:
    """Seal everything again under *newer* keys, which *file* wraps; return how many version files there were.

    *slot* is the key object that the store gets with the next push; without it nothing that waited for that is sent any
    more. *goes_by* is the digest of the store's key object that was taken over.

    Raises VaultBusy, KeysChanged, or CannotRead for a file that the system does not give: then nothing was moved. What
    is raised in the middle (CannotRead, CannotWrite) leaves the rest of the move to the next command.
    """
    carried = b"".join(epoch.to_bytes(4, "big") + key for epoch, key in sorted(older.epochs.items()))
    link = seal(newer, Purpose.CHAIN, (b"move", older.vault), carried)
    note = {
        "from": older.vault.hex(),
        "keys": link.hex(),
        "file": file.spelt().decode(),
        "slot": slot.spelt().decode() if slot is not None else None,
        "goes_by": goes_by,
    }
    with files.locked(layout.lock):
        if files.is_there(layout.next_key) or read_key_file(layout).commitment != older.id_of(older.current):
            raise KeysChanged()
        _check_readable(layout, older)
        files.write_durably(layout.next_key, codec.dumps(note))
        with _under_way():
            return _reseal(layout, older, newer, file, slot, goes_by)


def finish_move(layout: Layout, sources: Sources) -> bool:
    """Finish a move that was cut off; return whether there was one. Raises as `unlock` and `move`, or Damaged."""
    try:
        note = codec.loads(files.read(layout.next_key))
        vault, link = bytes.fromhex(note["from"]), bytes.fromhex(note["keys"])
        file = keyring.parse(note["file"].encode())
        slot = keyring.parse(note["slot"].encode()) if note["slot"] is not None else None
        goes_by: str | None = note.get("goes_by")  # an earlier ghostie did not note it
    except FileNotFoundError:
        return False
    except (BadJson, KeyError, TypeError, ValueError, AttributeError):
        raise Damaged(what="keys/next.key") from None
    if read_key_file(layout).spelt() == file.spelt():
        _end(layout)  # all was done but this
        return True
    if vault == file.vault:
        newer = unwrap_with(file, sources)
    else:
        newer = sources.open_store(lambda secret: keyring.open_by(file, secret))
    try:
        carried = unseal(newer, Purpose.CHAIN, (b"move", vault), link)
    except SealError:
        raise Damaged(what="keys/next.key") from None
    epochs = {
        int.from_bytes(carried[at : at + 4], "big"): carried[at + 4 : at + 36] for at in range(0, len(carried), 36)
    }
    with files.locked(layout.lock):
        if files.is_there(layout.next_key):  # else another process has finished it meanwhile
            with _under_way():
                _reseal(layout, Keys(vault, epochs), newer, file, slot, goes_by)
    return True


def is_rotating(layout: Layout) -> bool:
    """Tell whether a rotation of this device's own was cut off. Raises CannotRead."""
    try:
        return codec.loads(files.read(layout.next_key))["slot"] is not None
    except (FileNotFoundError, BadJson, KeyError, TypeError):
        return False


@contextlib.contextmanager
def _under_way() -> Iterator[None]:
    """Say of a file that cannot be written that the move is not over."""
    try:
        yield
    except CannotWrite as error:
        error.facts["way_out"] = "the vault is moving to other keys; the next command goes on with that"
        raise


def _check_readable(layout: Layout, older: Keys) -> None:
    """Read all that a move seals again. Raises CannotRead for a file that the system does not give."""
    store = VersionFiles(layout, older)
    store.check_readable(sorted(store.stems()))
    others = [layout.operations, layout.filters, layout.sync_config, layout.sync_state, layout.device, layout.left_keys]
    others += [
        folder / name for folder in (layout.logs, layout.outbox, layout.quarantine) for name in files.names_in(folder)
    ]
    for path in others:
        with contextlib.suppress(FileNotFoundError, NotPlain):
            files.read(path)


def _reseal(layout: Layout, older: Keys, newer: Keys, file: KeyFile, slot: KeyFile | None, goes_by: str | None) -> int:
    """Do what a move does, from where it is. The lock is held."""
    if newer.vault == older.vault:
        newer = newer.beside(with_left(layout, older)).beside(with_left(layout, newer))
        keep_left(layout, newer)  # first: what is under a key that gives way here is on the store, too
    store = VersionFiles(layout, newer)
    if newer.vault != older.vault:
        # under the newer keys what was set aside would open for nobody
        aside, here = VersionFiles(layout, older).aside(), store.stems()
        store.put_back([stem for stem, version in aside if isinstance(version, Version) and stem not in here])
    stems = sorted(store.stems())
    for stem in store.reseal(stems, older):
        store.quarantine(stem)  # it was read, and opens under no key
    files.remove_durably([layout.index_snapshot, layout.index_journal, layout.search])
    files.remove_durably(layout.conflicts / name for name in files.names_in(layout.conflicts))
    reseal_credentials(layout, older, newer)
    reseal_filters(layout, older, newer)
    if newer.vault == older.vault:
        _reseal_logs(layout, newer)
        if goes_by is not None:
            _go_by(layout, newer, goes_by)
    else:
        # what was done, and what was known of a store, was under the vault that this device leaves
        files.remove_durably([layout.operations, layout.left_keys])
        start_over(layout)
    if slot is not None:
        note_new_key(layout, slot, joining=newer.vault != older.vault)
    else:
        files.remove_durably([layout.pending_key])  # it holds a key that gave way, or a passphrase of one
    files.write_durably(layout.master_key, file.spelt())
    _end(layout)
    return len(stems)


def _go_by(layout: Layout, newer: Keys, digest: str) -> None:
    """Let the key object *digest* be the one that the device goes by, in place of one whose key it leaves."""
    config = known_config(layout)
    if config is None or config.vault != newer.vault.hex() or config.slot == digest:
        return
    ledger = Ledger(layout, newer)
    ledger.state.replaced = sorted({*ledger.state.replaced, config.slot} - {digest})
    ledger.save()
    replace(config, slot=digest).save(layout)


def _end(layout: Layout) -> None:
    """Let the move be over: all is done, and if the note comes back with a power cut, it is removed again."""
    with contextlib.suppress(NotConfirmed):
        files.remove_durably([layout.next_key])


def _reseal_logs(layout: Layout, newer: Keys) -> None:
    """Seal the logs and the state again under the newest of *newer*, which open what was sealed before."""
    logs = [SealedLog(layout.operations, newer, Purpose.OPERATION, "operations")]
    for name in files.names_in(layout.logs):
        writer = name.partition(".")[0]
        logs.append(SealedLog(layout.logs / name, newer, Purpose.LOG, f"log/{writer}"))
    for log in logs:
        if files.is_there(log.path):
            log.replace(log.read())
    with contextlib.suppress(FileNotFoundError, NotPlain, SealError, BadJson, TypeError):
        state = codec.loads(unseal(newer, Purpose.SYNC_STATE, (b"state",), files.read(layout.sync_state)))
        state["refused"] = ""  # what did not open may open now
        files.write_durably(layout.sync_state, seal(newer, Purpose.SYNC_STATE, (b"state",), codec.dumps(state)))


def start_over(layout: Layout) -> None:
    """Forget what is known of a store's logs and become a new writer: on the next, everything is to be published."""
    doomed = [layout.logs / name for name in files.names_in(layout.logs)]
    doomed += [layout.outbox / name for name in files.names_in(layout.outbox)]
    files.remove_durably([*doomed, layout.sync_state, layout.store_state])
    load_device(layout).reborn().save(layout)
