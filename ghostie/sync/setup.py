"""First contact: a vault on an empty store, or this device joining the vault that is there.

Join, check, only then write. A key is never made beside an existing vault, and nothing is pushed with a key that does
not open what is there. A device that has memories of its own brings them along: each is sealed again under the joined
vault's keys, and a crash in the middle is taken up where it was.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ghostie import files
from ghostie.backends.retry import Retrying
from ghostie.backends.store import ObjectStore, Probing, backend_of, open_store, same_place
from ghostie.crypto import keys as keyring
from ghostie.crypto.keys import Cost, KeyFile, Secret
from ghostie.crypto.sealing import Keys
from ghostie.crypto.unlock import Sources, keep_left, read_key_file, unlock
from ghostie.errors import (
    BadWords,
    EmptyFolder,
    ForeignVault,
    GhostieError,
    InvitationElsewhere,
    InvitationOutdated,
    KeysRotated,
    NewerFormat,
    NewKeyNotOpened,
    NoMemory,
    NoPassphrase,
    NoVaultThere,
    OlderWords,
    RefusedKeyFile,
    StoreChanged,
    StoreError,
    StoreNotOpened,
    StoreRefused,
    VaultBusy,
    WrongKey,
)
from ghostie.paths import Layout
from ghostie.sync import keyobjects
from ghostie.sync.config import Config, known_config
from ghostie.sync.link import MOST_OURS, MOST_TRIED, Link, Watcher, alone, ignore, look, reach
from ghostie.sync.log import Ledger, State
from ghostie.sync.moving import finish_move, move, start_over, take_over
from ghostie.sync.segment import Seen, key_name
from ghostie.sync.slots import note_new_key, read_pending, send
from ghostie.sync.standing import NamedKey, best, is_held, is_left, rank
from ghostie.vault import Vault, make_home
from ghostie.vault.device import Device, load_device, new_device

SECOND_LOOK = 1.0  # seconds
MOST_STRANGE = 64  # key objects that the passphrase did not open and that are remembered


@dataclass(frozen=True, slots=True)
class SetUp:
    """What setup came to: the vault, its configuration, whether it was joined, and how many memories came along.

    *change* is one of PASSPHRASES if another passphrase opens this device now, else empty.
    """

    vault: Vault
    config: Config
    joined: bool
    brought: int = 0
    change: str = ""


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
        found |= probe.tried_out(Retrying(probe, notice=watch).tried)
    return Place(backend, found, reach(backend, found, credentials, watch), credentials)


def set_up(
    layout: Layout,
    place: Place,
    sources: Sources,
    *,
    device_name: str | None = None,
    again: bool = False,
    expected: Expected | None = None,
    cost: Cost | None = None,
) -> SetUp:
    """Tie the vault at *layout* to the store at *place*: create it there, or join what is there.

    A key file that is made costs no less than *cost* to guess. With *expected* only that vault is joined, and where its
    logs were counts as vouched for. Raises NoVaultThere (nothing here either), ForeignVault, StoreError,
    VaultBusy, StoreChanged for another store than the vault was set up with (*again* says that this is meant),
    InvitationElsewhere or InvitationOutdated, and BadWords or OlderWords.
    """
    with contextlib.ExitStack() as held:
        there = files.is_folder(layout.sync)
        if there:
            held.enter_context(alone(layout))
        finish_move(layout, sources)
        meant = _Meant(layout, place, sources, device_name, again, expected, cost or keyring.FLOOR, fresh=not there)
        listing = look(place.store)
        slots = keyobjects.read_all(place.store, listing)
        if not slots and (listing.names or known_config(layout) is not None):
            time.sleep(SECOND_LOOK)  # a listing may be old
            listing = look(place.store)
            slots = keyobjects.read_all(place.store, listing)
        if expected is not None:
            return _join(meant, _named(expected, slots, empty=not listing.names and not listing.slots))
        if not slots and (listing.names or (listing.slots and not files.is_there(layout.master_key))):
            what = "segments but no key object" if listing.names else "no key object that is whole"
            wait = "" if backend_of(place.backend).remote else "; where a sync program brings the folder, wait for it"
            raise StoreRefused(why=f"it holds {what}; run `ghostie sync repair` on a device that knows it{wait}")
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
    cost: Cost
    fresh: bool


def _named(expected: Expected, slots: Mapping[str, KeyFile], *, empty: bool) -> dict[str, KeyFile]:
    """Return the key objects of the vault that an invitation names: no other counts."""
    named = {digest: file for digest, file in slots.items() if file.vault == expected.vault}
    if not named:
        raise InvitationElsewhere(why="it is empty" if empty else "the vault is not there")
    return named


def _create(meant: _Meant) -> SetUp:
    layout, store = meant.layout, meant.place.store
    if not files.is_there(layout.master_key):
        raise NoVaultThere(home=layout.home)
    before = known_config(layout)
    if before is not None and not meant.again and meant.place.is_of(before):
        raise (StoreChanged if backend_of(meant.place.backend).remote else EmptyFolder)(why="it is empty")
    key_file = read_key_file(layout)
    vault = _opened(layout, unlock(layout, meant.sources), meant.device_name)
    store.write({key_name(key_file.digest): key_file.spelt()})
    # two devices may do this at the same moment: the smaller vault id stays, the other joins it
    smaller = {
        digest: file for digest, file in keyobjects.read_all(store, look(store)).items() if file.vault < key_file.vault
    }
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
            vault, digest = _caught_up(meant, here, ours)
            taken_over = read_key_file(layout).commitment != here.commitment
            return _tied(meant, vault, digest, change="taken-over" if taken_over else "")
    else:
        before = known_config(layout)
        if before is not None and not meant.again and place.is_of(before):
            # only the key file was lost here: then the vault that is pinned counts, and no other
            slots = {
                digest: file for digest, file in slots.items() if here is None and file.vault.hex() == before.vault
            }
            if not slots:
                raise StoreChanged(why="it holds another vault")
        refusal = StoreNotOpened if here is None else ForeignVault
        found = _first_that_opens(slots, sources, must=True, again=meant.expected is None, refusal=refusal)
    if found is None:
        if meant.expected is not None:
            raise InvitationOutdated(why="the passphrase was changed since it was made")
        raise (StoreNotOpened if here is None else ForeignVault)()
    digest, keys = found
    _check_expected(meant.expected, keys)
    # checked: from here on things are written
    secret = sources.store_secret()
    passphrase = sources.passphrase_after(secret, fresh=here is None)
    # nothing but the passphrase proves a key object's cost: by words, anybody may have written it
    cost = keyobjects.bounded(slots[digest].cost).most(meant.cost)
    file = keyring.wrap(keys, passphrase, cost)
    change, slot = "" if here is None else "joined", None
    if not isinstance(secret, str):
        # a newer key that the words do not open stays as it is on the store: this device must not replace it
        newer = any(other.vault == keys.vault and other.epoch > keys.current for other in slots.values())
        change, slot = ("recovered-older", None) if newer else ("recovered", keyring.wrap(keys, passphrase, cost))
    if here is None:
        make_home(layout)
        with alone(layout) if meant.fresh else contextlib.nullcontext():
            if files.is_there(layout.master_key):
                raise VaultBusy()  # another setup was quicker
            device = _device(layout, meant.device_name)
            Vault(layout, keys, device).index.save()
            # before the key file: if this is cut, setup begins anew, and what it sets reaches the store or is replaced
            files.remove_durably([layout.pending_key])
            if slot is not None:
                note_new_key(layout, slot, joining=True)
            files.write_durably(layout.master_key, file.spelt())
            return _tied(meant, Vault(layout, keys, device), digest, change=change)
    older = unlock(layout, sources)  # a wrong passphrase for this device's own vault stops here, before any change
    writer = load_device(layout).writer
    brought = move(layout, older, keys, file, slot)
    done = _tied(meant, _opened(layout, keys, meant.device_name), digest, brought, change)
    # set up here at the same moment as another device: what only the vault that was left could read
    doomed = [name.key for name in look(place.store).of(writer)]
    doomed += [key_name(left) for left in ours]
    if doomed:
        place.store.write({}, doomed)
    return done


def _first_that_opens(
    slots: Mapping[str, KeyFile],
    sources: Sources,
    *,
    must: bool = False,
    again: bool = True,
    refusal: type[ForeignVault] = ForeignVault,
) -> tuple[str, Keys] | None:
    """Return the key object that the passphrase or the words open, by vault, then the newest epoch first; or None.

    With *again* a person may type another passphrase. Raises NoPassphrase or BadWords if there *must* be one, and
    NoMemory if that is why none opened.
    """
    if not slots:
        return None
    try:
        return sources.open_store(lambda secret: _opened_by(slots, secret, refusal), again=must and again)
    except ForeignVault:
        return None
    except (NoPassphrase, BadWords):
        if must:
            raise
        return None


def _opened_by(
    slots: Mapping[str, KeyFile], secret: Secret, refusal: type[ForeignVault] = ForeignVault
) -> tuple[str, Keys]:
    """Return the first of *slots* that *secret* opens. Raises *refusal*; for words OlderWords or BadWords; NoMemory.

    What nobody who knows the passphrase made is passed over, however many of them there are: the cheapest are tried
    first. Words cost nothing to try. That one asks for too much is the answer only where there is no other to try.
    """
    refused: GhostieError = BadWords(why="they open no vault on this store")
    if isinstance(secret, str):
        refused = refusal()
    tried, costly = False, None
    for digest, file in keyobjects.cheapest_first(slots.items()):
        try:
            if isinstance(secret, str):
                keyobjects.check_affordable(digest, file)
            tried = True
            return digest, keyring.open_by(file, secret)
        except keyobjects.TooCostly as error:
            costly = costly or error
        except (OlderWords, NoMemory) as error:
            refused = error
        except (WrongKey, BadWords):
            continue
    raise refused if tried or costly is None else costly


def _in_order(slots: Iterable[tuple[str, KeyFile]]) -> list[tuple[str, KeyFile]]:
    return sorted(slots, key=lambda item: (item[1].vault, rank(item[1].epoch, item[1].commitment), item[0]))


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
    """Return this device's vault, which is the store's, and its key object there; the key that stays is taken over."""
    mine = rank(here.epoch, here.commitment)
    ranks = {digest: rank(file.epoch, file.commitment) for digest, file in ours.items()}
    held = {digest: file for digest, file in ours.items() if ranks[digest] == mine or file.epoch < here.epoch}
    settled = mine in (ranks[digest] for digest in held)
    unheld = {digest: file for digest, file in ours.items() if digest not in held}
    stays = {digest: file for digest, file in unheld.items() if not settled or ranks[digest] < mine}
    strange: list[str] = []

    def take_over_first(_: Secret) -> str:
        refused: GhostieError = NewKeyNotOpened()
        strange.clear()
        ordered = keyobjects.cheapest_first(stays.items())
        for digest, file in ordered[:MOST_TRIED] if held else ordered:
            try:
                keyobjects.check_affordable(digest, file)
                take_over(meant.layout, file, meant.sources)
            except (ForeignVault, BadWords, NoMemory) as error:
                refused = error  # made by nobody who knows the passphrase, it may be
                strange.append(digest)
            else:
                return digest
        raise refused

    taken: str | None = None
    if stays or not held:
        try:
            taken = meant.sources.open_store(take_over_first, again=not held)
        except (ForeignVault, BadWords, NoMemory):
            if not held:
                raise
    vault = _opened(meant.layout, _keys_here(meant.layout, meant.sources), meant.device_name)
    _check_expected(meant.expected, vault.keys)
    gave_way = {digest: file for digest, file in ours.items() if not is_held(vault.keys, file)}
    known = len(vault.keys.left)
    if taken is None:
        strange += _kept_beside(meant, vault, {each: gave_way[each] for each in gave_way if each not in stays})
    left = [each for each in gave_way if ranks[each] == mine]
    state = _note_keys(meant.layout, vault, left, strange, gave_way, more=len(vault.keys.left) > known)
    return vault, taken or best(held, put=state.put, replaced=state.replaced)


def _kept_beside(meant: _Meant, vault: Vault, losing: Mapping[str, KeyFile]) -> list[str]:
    """Keep the keys of *losing* objects, which other devices opened at the same time as this one's, to read what they
    wrote under them; return the digests of those that the passphrase does not open.
    """
    unopened: list[str] = []
    for digest, file in keyobjects.cheapest_first(losing.items())[:MOST_TRIED]:
        if is_left(vault.keys, file):
            continue
        try:
            keyobjects.check_affordable(digest, file)
            theirs = keyring.open_by(file, meant.sources.store_secret())
        except (WrongKey, BadWords):
            unopened.append(digest)
        except (NoMemory, NoPassphrase):
            continue
        else:
            vault.keys = vault.keys.beside(theirs)
            keep_left(meant.layout, vault.keys)
    return unopened


def _note_keys(
    layout: Layout,
    vault: Vault,
    left: Iterable[str],
    strange: Iterable[str],
    unheld: Mapping[str, KeyFile],
    *,
    more: bool,
) -> State:
    """Note which key objects this device *left* for another's, which nobody of the vault made (*strange*), and the keys
    of those that it does not go by; return the state."""
    ledger = Ledger(layout, vault.keys)
    state = ledger.state
    before = (state.replaced, state.strange, len(state.ours))
    state.replaced = sorted({*state.replaced, *left})
    for digest, file in [*unheld.items()][: max(MOST_OURS - len(state.ours), 0)]:
        state.ours[digest] = NamedKey(file.epoch, file.commitment).to_text()
    state.strange = sorted({*state.strange, *strange})[:MOST_STRANGE]
    if before != (state.replaced, state.strange, len(state.ours)) or more:
        state.refused = ""  # what did not open may open now
        ledger.save()
    return state


def _keys_here(layout: Layout, sources: Sources) -> Keys:
    try:
        return unlock(layout, sources)
    except WrongKey:
        # moved here a moment ago, by a run that was cut off: by now the passphrase is the one of the store's vault
        file = read_key_file(layout)
        return sources.open_store(lambda secret: keyring.open_by(file, secret))


def _tied(meant: _Meant, vault: Vault, digest: str, brought: int = 0, change: str = "") -> SetUp:
    layout = meant.layout
    before = known_config(layout)
    if files.is_there(layout.sync_config) and (before is None or not meant.place.is_of(before)):
        waiting = None
        with contextlib.suppress(RefusedKeyFile, NewerFormat):
            waiting = read_pending(layout)
        start_over(layout)
        if waiting is not None and waiting.commitment == vault.keys.id_of(vault.keys.current):
            note_new_key(layout, waiting)  # a passphrase that was changed here is to reach this store, too
        vault.device = load_device(layout)
    if meant.expected is not None:
        ledger = Ledger(layout, vault.keys)
        ledger.vouch(meant.expected.logs)
        ledger.save()  # before the configuration: from the first pull on, nothing older is believed
    config = meant.place.config(vault, digest)
    config.save(layout)
    if change == "recovered":
        link = Link(vault, meant.place.store, config)
        try:
            send(link, look(meant.place.store))
        except (StoreError, KeysRotated):
            change = "recovered-waits"  # setup is done all the same: this device has what it came for
        config = link.config
    return SetUp(vault, config, joined=True, brought=brought, change=change)


def _opened(layout: Layout, keys: Keys, device_name: str | None) -> Vault:
    return Vault(layout, keys, _device(layout, device_name))


def _device(layout: Layout, name: str | None) -> Device:
    """Return this device, under *name* if that is given; it is made where there is none."""
    known = files.is_there(layout.device)
    device = load_device(layout) if known else new_device(name)
    if name and name != device.name:
        device = device.renamed(name)
    elif known:
        return device
    device.save(layout)
    return device
