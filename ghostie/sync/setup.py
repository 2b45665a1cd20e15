"""First contact: a vault on an empty store, or this device joining the vault that is there.

Join, check, only then write. A key is never made beside an existing vault, and nothing is pushed with a key that does
not open what is there. A device that has memories of its own brings them along: each is sealed again under the joined
vault's keys, and a crash in the middle is taken up where it was.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from ghostie import files
from ghostie.backends.store import ObjectStore, Probing, open_store, same_place
from ghostie.crypto import keys as keyring
from ghostie.crypto.keys import KeyFile
from ghostie.crypto.sealing import Keys
from ghostie.crypto.unlock import Sources, read_key_file, unlock
from ghostie.errors import (
    ForeignVault,
    NotFound,
    NoVault,
    RefusedKeyFile,
    StoreChanged,
    StoreRefused,
    WrongKey,
)
from ghostie.paths import Layout
from ghostie.sync.config import Config, known_config
from ghostie.sync.link import Listing, Watcher, ignore, look, reach
from ghostie.sync.moving import finish_move, move, start_over, take_over
from ghostie.sync.segment import key_name
from ghostie.vault import Vault
from ghostie.vault.device import load_device, new_device
from ghostie.vault.opening import make_home


@dataclass(frozen=True, slots=True)
class SetUp:
    """What setup came to: the vault, its configuration, whether it was joined, and how many memories came along."""

    vault: Vault
    config: Config
    joined: bool
    brought: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """A store to be set up: how it is reached, and it itself."""

    backend: str
    options: Mapping[str, str]
    store: ObjectStore
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)

    def config(self, vault: Vault, slot: str) -> Config:
        """Return the configuration of *vault* here, whose key object is *slot*."""
        config = Config(self.backend, dict(self.options), vault.keys.vault.hex(), slot)
        return config.with_credentials(vault.keys, self.credentials)

    def is_of(self, config: Config) -> bool:
        """Tell whether *config* leads here, by whatever way."""
        return same_place(self.backend, self.options, config.backend, config.options)


def try_out(backend: str, options: Mapping[str, str], credentials: Mapping[str, str], watch: Watcher = ignore) -> Place:
    """Return the store that these describe, after a try where it has one; what that found stands in its options.

    Raises UsageError or StoreError.
    """
    found = dict(options)
    probe = open_store(backend, options, credentials)
    if isinstance(probe, Probing):
        found |= probe.tried_out()
    return Place(backend, found, reach(backend, found, credentials, watch), credentials)


def set_up(
    layout: Layout, place: Place, sources: Sources, *, device_name: str | None = None, again: bool = False
) -> SetUp:
    """Tie the vault at *layout* to the store at *place*: create it there, or join what is there.

    Raises NoVault (nothing here and nothing there), ForeignVault, StoreError, and StoreChanged for another store than
    the vault was set up with; *again* says that this is meant.
    """
    finish_move(layout, sources)
    listing = look(place.store)
    slots = key_files(place.store, listing)
    if not slots and listing.names:
        raise StoreRefused(
            why="it holds segments but no key object; run `ghostie sync repair` on a device that knows it"
        )
    if not slots:
        return _create(layout, place, sources, device_name, again)
    return _join(layout, place, slots, sources, device_name, again)


def key_files(store: ObjectStore, listing: Listing) -> dict[str, KeyFile]:
    """Return the key objects on the store by digest; what is no key file is passed over."""
    found = {}
    for digest in sorted(listing.slots):
        try:
            file = keyring.parse(store.get(key_name(digest)))
        except (NotFound, RefusedKeyFile):
            continue
        if file.digest == digest:
            found[digest] = file
    return found


def _create(
    layout: Layout,
    place: Place,
    sources: Sources,
    device_name: str | None,
    again: bool,
) -> SetUp:
    if not layout.master_key.exists():
        raise NoVault(home=layout.home)
    before = known_config(layout)
    if before is not None and not again and place.is_of(before):
        raise StoreChanged(why="it is empty")
    key_file = read_key_file(layout)
    vault = _opened(layout, unlock(layout, sources), device_name)
    place.store.write({key_name(key_file.digest): key_file.spelt()})
    # two devices may do this at the same moment: the smaller vault id stays, the other joins it
    slots = key_files(place.store, look(place.store))
    first = min((file.vault for file in slots.values()), default=key_file.vault)
    if first != vault.keys.vault:
        place.store.write({}, [key_name(key_file.digest)])
        others = {digest: file for digest, file in slots.items() if file.vault == first}
        return _join(layout, place, others, sources, device_name, again)
    start_over(layout)
    vault.device = load_device(layout)
    config = place.config(vault, key_file.digest)
    config.save(layout)
    return SetUp(vault, config, joined=False)


def _join(
    layout: Layout,
    place: Place,
    slots: Mapping[str, KeyFile],
    sources: Sources,
    device_name: str | None,
    again: bool,
) -> SetUp:
    digest, slot = min(slots.items(), key=lambda item: (item[1].vault, -item[1].epoch, item[0]))
    here = read_key_file(layout) if layout.master_key.exists() else None
    before = known_config(layout)
    if before is not None and not again and before.vault != slot.vault.hex() and place.is_of(before):
        raise StoreChanged(why="it holds another vault")
    if here is not None and here.vault == slot.vault:
        if slot.epoch > here.epoch or (slot.epoch == here.epoch and slot.commitment != here.commitment):
            take_over(layout, slot, sources)
        vault = _opened(layout, _keys_here(layout, sources), device_name)
        return _tied(layout, vault, place, digest, 0)
    passphrase = sources.store_passphrase()
    digest, keys = _unwrapped(slots, slot, passphrase)
    # checked: from here on things are written
    file = keyring.wrap(keys, passphrase, slot.cost.most(keyring.FLOOR))
    if here is None:
        make_home(layout)
        device = new_device(device_name)
        device.save(layout)
        Vault(layout, keys, device).index.save()
        files.write_durably(layout.master_key, file.spelt())
        return _tied(layout, Vault(layout, keys, device), place, digest, 0)
    older = unlock(layout, sources)  # a wrong passphrase for this device's own vault stops here, before any change
    writer = load_device(layout).writer
    brought = move(layout, older, keys, file)
    done = _tied(layout, _opened(layout, keys, device_name), place, digest, brought)
    # set up here at the same moment as another device: what only the vault that was left could read
    doomed = [name.key for name in look(place.store).of(writer)]
    doomed += [key_name(left) for left, file in slots.items() if file.vault == older.vault]
    if doomed:
        place.store.write({}, doomed)
    return done


def _unwrapped(slots: Mapping[str, KeyFile], slot: KeyFile, passphrase: str) -> tuple[str, Keys]:
    """Return the vault's keys, and the digest of the key object that they came from; an old one may not be gone yet."""
    for digest, file in slots.items():
        if (file.vault, file.epoch) == (slot.vault, slot.epoch):
            with contextlib.suppress(WrongKey):
                return digest, keyring.unwrap(file, passphrase)
    raise ForeignVault()


def _keys_here(layout: Layout, sources: Sources) -> Keys:
    try:
        return unlock(layout, sources)
    except WrongKey:
        # moved here a moment ago, by a run that was cut off: by now the passphrase is the one of the store's vault
        return keyring.unwrap(read_key_file(layout), sources.store_passphrase())


def _tied(layout: Layout, vault: Vault, place: Place, digest: str, brought: int) -> SetUp:
    before = known_config(layout)
    if layout.sync_config.exists() and (before is None or not place.is_of(before)):
        start_over(layout)
        vault.device = load_device(layout)
    config = place.config(vault, digest)
    config.save(layout)
    return SetUp(vault, config, joined=True, brought=brought)


def _opened(layout: Layout, keys: Keys, device_name: str | None) -> Vault:
    device = load_device(layout)
    if device_name and device_name != device.name:
        device = device.renamed(device_name)
        device.save(layout)
    return Vault(layout, keys, device)
