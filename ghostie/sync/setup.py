"""First contact: a vault on an empty store, or this device joining the vault that is there.

Join, check, only then write. A key is never made beside an existing vault, and nothing is pushed with a key that does
not open what is there. A device that has memories of its own brings them along: each is sealed again under the joined
vault's keys, and a crash in the middle is taken up where it was.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ghostie import files
from ghostie.backends.store import ObjectStore, Probing, open_store, same_place
from ghostie.crypto import keys as keyring
from ghostie.crypto.keys import KeyFile
from ghostie.crypto.sealing import Keys
from ghostie.crypto.unlock import Sources, read_key_file, unlock
from ghostie.errors import (
    ForeignVault,
    InvitationElsewhere,
    InvitationOutdated,
    NewerFormat,
    NoMemory,
    NoPassphrase,
    NotFound,
    NoVault,
    RefusedKeyFile,
    StoreChanged,
    StoreRefused,
    VaultBusy,
    WrongKey,
)
from ghostie.paths import Layout
from ghostie.sync.config import Config, known_config
from ghostie.sync.link import MOST_TRIED, Listing, Watcher, alone, ignore, look, reach
from ghostie.sync.log import Ledger
from ghostie.sync.moving import finish_move, move, start_over, take_over
from ghostie.sync.segment import Seen, key_name
from ghostie.vault import Vault, make_home
from ghostie.vault.device import load_device, new_device


@dataclass(frozen=True, slots=True)
class SetUp:
    """What setup came to: the vault, its configuration, whether it was joined, and how many memories came along."""

    vault: Vault
    config: Config
    joined: bool
    brought: int = 0


@dataclass(frozen=True, slots=True)
class Expected:
    """What an invitation says of the vault: its id, its newest epoch, that key's id, and where the logs were."""

    vault: bytes
    epoch: int
    key_id: bytes
    logs: Seen


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
    layout: Layout,
    place: Place,
    sources: Sources,
    *,
    device_name: str | None = None,
    again: bool = False,
    expected: Expected | None = None,
) -> SetUp:
    """Tie the vault at *layout* to the store at *place*: create it there, or join what is there.

    With *expected* only that vault is joined, and where its logs were counts as vouched for. Raises NoVault (nothing
    here and nothing there), ForeignVault, StoreError, VaultBusy, StoreChanged for another store than the vault was set
    up with (*again* says that this is meant), and InvitationElsewhere or InvitationOutdated.
    """
    with contextlib.ExitStack() as held:
        there = layout.sync.is_dir()
        if there:
            held.enter_context(alone(layout))
        finish_move(layout, sources)
        meant = _Meant(layout, place, sources, device_name, again, expected, fresh=not there)
        listing = look(place.store)
        slots = key_files(place.store, listing)
        if expected is not None:
            return _join(meant, _named(expected, slots, empty=not listing.names and not listing.slots))
        if not slots and listing.names:
            raise StoreRefused(
                why="it holds segments but no key object; run `ghostie sync repair` on a device that knows it"
            )
        if not slots:
            return _create(meant)
        return _join(meant, slots)


@dataclass(frozen=True, slots=True)
class _Meant:
    """What a setup is asked to do. *fresh*: there was no vault's folder here, and so no lock to hold."""

    layout: Layout
    place: Place
    sources: Sources
    device_name: str | None
    again: bool
    expected: Expected | None
    fresh: bool


def key_files(store: ObjectStore, listing: Listing) -> dict[str, KeyFile]:
    """Return the key objects on the store by digest; what is no key file is passed over.

    Raises NewerFormat if there is none but of a newer format.
    """
    found = {}
    newer: NewerFormat | None = None
    for digest in sorted(listing.slots):
        try:
            file = keyring.parse(store.get(key_name(digest)))
        except (NotFound, RefusedKeyFile):
            continue
        except NewerFormat as error:
            newer = error
            continue
        if file.digest == digest:
            found[digest] = file
    if newer is not None and not found:
        raise newer
    return found


def _named(expected: Expected, slots: Mapping[str, KeyFile], *, empty: bool) -> dict[str, KeyFile]:
    """Return the key objects of the vault that an invitation names: no other counts."""
    named = {digest: file for digest, file in slots.items() if file.vault == expected.vault}
    if not named:
        raise InvitationElsewhere(why="it is empty" if empty else "the vault is not there")
    return named


def _create(meant: _Meant) -> SetUp:
    layout, store = meant.layout, meant.place.store
    if not files.is_there(layout.master_key):
        raise NoVault(home=layout.home)
    before = known_config(layout)
    if before is not None and not meant.again and meant.place.is_of(before):
        raise StoreChanged(why="it is empty")
    key_file = read_key_file(layout)
    vault = _opened(layout, unlock(layout, meant.sources), meant.device_name)
    store.write({key_name(key_file.digest): key_file.spelt()})
    # two devices may do this at the same moment: the smaller vault id stays, the other joins it
    smaller = {digest: file for digest, file in key_files(store, look(store)).items() if file.vault < key_file.vault}
    if found := _first_that_opens(smaller, meant.sources):
        store.write({}, [key_name(key_file.digest)])
        return _join(meant, {found[0]: smaller[found[0]]})
    start_over(layout)
    vault.device = load_device(layout)
    config = meant.place.config(vault, key_file.digest)
    config.save(layout)
    return SetUp(vault, config, joined=False)


def _join(meant: _Meant, slots: Mapping[str, KeyFile]) -> SetUp:
    layout, sources, place = meant.layout, meant.sources, meant.place
    here = read_key_file(layout) if files.is_there(layout.master_key) else None
    ours = {digest: file for digest, file in slots.items() if here is not None and file.vault == here.vault}
    if here is not None and ours:
        # two devices may have set an empty store up at the same moment: the smaller vault id stays
        rivals = {digest: file for digest, file in slots.items() if file.vault < here.vault} if meant.again else {}
        found = _first_that_opens(rivals, sources)
        if found is None:
            return _tied(meant, _caught_up(meant, here, ours), 0)
    else:
        before = known_config(layout)
        if before is not None and not meant.again and place.is_of(before):
            raise StoreChanged(why="it holds another vault")
        found = _first_that_opens(slots, sources, must=True)
    if found is None:
        if meant.expected is not None:
            raise InvitationOutdated(why="the passphrase was changed since it was made")
        raise ForeignVault()
    digest, keys = found
    _check_expected(meant.expected, keys)
    # checked: from here on things are written
    file = keyring.wrap(keys, sources.store_passphrase(), slots[digest].cost.most(keyring.FLOOR))
    if here is None:
        make_home(layout)
        with alone(layout) if meant.fresh else contextlib.nullcontext():
            if files.is_there(layout.master_key):
                raise VaultBusy()  # another setup was quicker
            device = new_device(meant.device_name)
            device.save(layout)
            Vault(layout, keys, device).index.save()
            files.write_durably(layout.master_key, file.spelt())
            return _tied(meant, (Vault(layout, keys, device), digest), 0)
    older = unlock(layout, sources)  # a wrong passphrase for this device's own vault stops here, before any change
    writer = load_device(layout).writer
    brought = move(layout, older, keys, file)
    done = _tied(meant, (_opened(layout, keys, meant.device_name), digest), brought)
    # set up here at the same moment as another device: what only the vault that was left could read
    doomed = [name.key for name in look(place.store).of(writer)]
    doomed += [key_name(left) for left in ours]
    if doomed:
        place.store.write({}, doomed)
    return done


def _first_that_opens(slots: Mapping[str, KeyFile], sources: Sources, *, must: bool = False) -> tuple[str, Keys] | None:
    """Return the first key object that the passphrase opens, by vault, then the newest epoch first; or None.

    What nobody who knows the passphrase made is passed over; of very many, the rest is not tried. Raises NoPassphrase
    if there *must* be one, and NoMemory if that is why none opened.
    """
    if not slots:
        return None
    try:
        passphrase = sources.store_passphrase()
    except NoPassphrase:
        if must:
            raise
        return None
    short: NoMemory | None = None
    for digest, file in _in_order(slots.items())[:MOST_TRIED]:
        try:
            return digest, keyring.unwrap(file, passphrase)
        except WrongKey:
            continue
        except NoMemory as error:
            short = error
    if short is not None:
        raise short
    return None


def _in_order(slots: Iterable[tuple[str, KeyFile]]) -> list[tuple[str, KeyFile]]:
    return sorted(slots, key=lambda item: (item[1].vault, -item[1].epoch, item[0]))


def _check_expected(expected: Expected | None, keys: Keys) -> None:
    """Raise unless *keys* are what the invitation names: not an older key, and no newer one."""
    if expected is None:
        return
    if keys.current < expected.epoch:
        raise InvitationElsewhere(why="it shows an older key of the vault than the invitation names")
    if keys.id_of(expected.epoch)[: len(expected.key_id)] != expected.key_id:
        raise InvitationElsewhere(why="its key is not the one that the invitation names")
    if keys.current > expected.epoch:
        raise InvitationOutdated(why="a new key was opened for the vault since it was made")


def _caught_up(meant: _Meant, here: KeyFile, ours: Mapping[str, KeyFile]) -> tuple[Vault, str]:
    """Return this device's vault, which is the store's, and its key object there; a newer epoch is taken over."""
    known = sorted(
        digest
        for digest, file in ours.items()
        if file.epoch < here.epoch or (file.epoch == here.epoch and file.commitment == here.commitment)
    )
    known.sort(key=lambda digest: -ours[digest].epoch)
    settled = bool(known) and ours[known[0]].epoch == here.epoch
    refused: ForeignVault | NoMemory = ForeignVault()
    others = {digest: file for digest, file in ours.items() if digest not in known}
    for digest, file in _in_order(others.items())[:MOST_TRIED]:
        if settled and file.epoch == here.epoch:
            continue
        try:
            take_over(meant.layout, file, meant.sources)
        except (ForeignVault, NoMemory) as error:
            refused = error  # made by nobody who knows the passphrase, it may be
        else:
            known.insert(0, digest)
            break
    if not known:
        raise refused
    vault = _opened(meant.layout, _keys_here(meant.layout, meant.sources), meant.device_name)
    _check_expected(meant.expected, vault.keys)
    return vault, known[0]


def _keys_here(layout: Layout, sources: Sources) -> Keys:
    try:
        return unlock(layout, sources)
    except WrongKey:
        # moved here a moment ago, by a run that was cut off: by now the passphrase is the one of the store's vault
        return keyring.unwrap(read_key_file(layout), sources.store_passphrase())


def _tied(meant: _Meant, tied: tuple[Vault, str], brought: int) -> SetUp:
    layout, (vault, digest) = meant.layout, tied
    before = known_config(layout)
    if files.is_there(layout.sync_config) and (before is None or not meant.place.is_of(before)):
        start_over(layout)
        vault.device = load_device(layout)
    if meant.expected is not None:
        ledger = Ledger(layout, vault.keys)
        ledger.vouch(meant.expected.logs)
        ledger.save()  # before the configuration: from the first pull on, nothing older is believed
    config = meant.place.config(vault, digest)
    config.save(layout)
    return SetUp(vault, config, joined=True, brought=brought)


def _opened(layout: Layout, keys: Keys, device_name: str | None) -> Vault:
    device = load_device(layout)
    if device_name and device_name != device.name:
        device = device.renamed(device_name)
        device.save(layout)
    return Vault(layout, keys, device)
