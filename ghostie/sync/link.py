"""A vault, its store, and what is known of it: what every part of sync works on."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from ghostie import files
from ghostie.backends.parallel import at_once, meanwhile
from ghostie.backends.retry import Pause, Retrying
from ghostie.backends.store import ObjectInfo, ObjectStore, Remembering, backend_of, open_store
from ghostie.crypto.keys import KeyFile
from ghostie.crypto.sealing import Purpose, SealError, seal, unseal
from ghostie.errors import (
    CannotRead,
    CannotWrite,
    EmptyFolder,
    KeyMayCome,
    KeyObjectGone,
    KeysRotated,
    NewerFormat,
    NotFound,
    RefusedKeyFile,
    StoreChanged,
    StoreRefused,
    VaultBusy,
)
from ghostie.paths import Layout
from ghostie.sync import keyobjects
from ghostie.sync.config import Config, load_config
from ghostie.sync.log import Ledger
from ghostie.sync.notices import NEW_PASSPHRASE, NEW_PASSPHRASE_GAVE_WAY, RIVAL, Notice
from ghostie.sync.refused import WRITER, Refused, Verdict
from ghostie.sync.segment import ROOT, BadSegment, SegmentName, key_digest, key_name, name_parts, open_segment
from ghostie.sync.standing import GAVE_WAY, NamedKey, Standing, best, gave_way, is_held, judge
from ghostie.vault import Vault
from ghostie.vault.device import load_device

GOES_ON = "what was done until then stays; run the command again, and it goes on from there"
MOST_TRIED = 8  # key objects that are looked at beyond this vault's own: anybody may have put them there
MOST_OURS = 256  # of this vault, of which it is remembered what key they hold
MOST_LOOKED_AT = 64  # where this vault's own is gone
_NOT_OURS = (Verdict.NO_KEY, Verdict.RIVAL)


class SyncBusy(VaultBusy):
    message = "another ghostie process is syncing this vault"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a long transfer is: what is done, and how much of it, in bytes or pieces."""

    doing: str
    done: int
    total: int
    in_bytes: bool = False


Watcher = Callable[[Progress | Pause], None]


def ignore(news: Progress | Pause) -> None:
    """Watch nothing."""


Known = tuple[Verdict, int, int, str, ObjectInfo]  # why, first, last, tip, and how it is listed


class Listing:
    """What one look at the store showed: the segments, the digests of the key objects, the keys of all else, and the
    bytes of it all.

    Segments of which *known* knows why they are not to be read are apart from the rest, which says nothing of them:
    *passed_over* in logs that are not *heard_of*, and by their logs `known_of`.
    """

    def __init__(
        self,
        infos: Iterable[ObjectInfo],
        known: Callable[[ObjectInfo], Verdict | None] = lambda info: None,
        heard_of: Collection[str] = (),
    ) -> None:
        self._segments: dict[SegmentName, ObjectInfo] = {}
        self._slots: dict[str, ObjectInfo] = {}
        self._of: dict[str, list[SegmentName]] = {}
        self._known_of: dict[str, list[Known]] = {}
        self._known = 0
        self.passed_over: list[tuple[Verdict, ObjectInfo]] = []
        strays: list[str] = []
        self.size = 0
        for info in infos:
            self.size += info.size
            if (verdict := known(info)) is not None:
                if info.key[WRITER] not in heard_of:
                    self.passed_over.append((verdict, info))
                elif (parts := name_parts(info.key)) is not None:
                    self._known_of.setdefault(parts[0], []).append((verdict, *parts[1:], info))
                    self._known += 1
            elif (name := SegmentName.parse(info.key)) is not None:
                self._segments[name] = info
                self._of.setdefault(name.writer, []).append(name)
            elif (digest := key_digest(info.key)) is not None:
                self._slots[digest] = info
            else:
                strays.append(info.key)
        self.names = tuple(self._segments)
        self.slots = frozenset(self._slots)
        self.strays = tuple(strays)

    @property
    def count(self) -> int:
        """How many objects there are that look like ghostie's."""
        return len(self.names) + len(self.slots) + len(self.passed_over) + self._known

    @property
    def writers(self) -> list[str]:
        return list(self._of.keys() | self._known_of.keys())

    def known_of(self, writer: str) -> list[Known]:
        """Return the segments of *writer* of which is known why they are not to be read."""
        return self._known_of.get(writer, [])

    def admit(self, name: SegmentName, info: ObjectInfo) -> None:
        """Count the segment *name*, which is listed as *info*, among those that are to be read after all."""
        self._segments[name] = info

    def info(self, name: SegmentName) -> ObjectInfo:
        """Return how the store lists the segment *name*."""
        return self._segments[name]

    def slot_info(self, digest: str) -> ObjectInfo:
        """Return how the store lists the key object *digest*."""
        return self._slots[digest]

    def top(self, writer: str) -> int:
        """Return the last position of *writer*'s log on the store, 0 for none."""
        return max((name.last for name in self._of.get(writer, ())), default=0)

    def of(self, writer: str) -> list[SegmentName]:
        return sorted(self._of.get(writer, ()))

    def only(self, names: Iterable[SegmentName]) -> Listing:
        """Return the same without the segments that are not among *names*."""
        kept = [self._segments[name] for name in names]
        return Listing([*kept, *self._slots.values()])


def look(store: ObjectStore) -> Listing:
    """Return one listing of *store*. Raises StoreError."""
    return Listing(store.list(ROOT))


@contextlib.contextmanager
def alone(layout: Layout, patience: float = 5.0) -> Iterator[None]:
    """Hold the sync lock, waiting up to *patience* seconds. Raises SyncBusy."""
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(files.locked(layout.sync_lock, patience))
        except VaultBusy:
            raise SyncBusy() from None
        yield


def reach(
    backend: str, options: Mapping[str, str], credentials: Mapping[str, str], watch: Watcher = ignore
) -> ObjectStore:
    """Return the store that these describe, tried again where a network lies between. Raises UsageError."""
    store = open_store(backend, options, credentials)
    return Retrying(store, notice=watch) if backend_of(backend).remote else store


def connect(vault: Vault, watch: Watcher = ignore) -> Link:
    """Return the vault's tie to the store that it was set up with. Raises NoStore, NewerFormat, Damaged or UsageError.

    *watch* hears how far a transfer is and of every pause before a new try; what it raises ends the sync, and nothing
    is lost.
    """
    config = load_config(vault.layout)
    store = reach(config.backend, config.options, config.credentials(vault.keys), watch)
    remote = backend_of(config.backend).remote
    return Link(vault, store, config, watch=watch, beside=remote, replicated=not remote)


class Link:
    """One vault's tie to one store. *sleep* waits seconds and *random* gives n bytes; both may be replaced, as the
    vault's clock may. With *beside*, what the store is asked early is asked while files are read. *replicated*: the
    store may be a copy that another program keeps, where things come in any order, and late.
    """

    def __init__(
        self,
        vault: Vault,
        store: ObjectStore,
        config: Config,
        *,
        watch: Watcher = ignore,
        sleep: Callable[[float], None] = time.sleep,
        random: Callable[[int], bytes] = secrets.token_bytes,
        pause: float = 1.0,
        patience: float = 5.0,
        beside: bool = False,
        replicated: bool = False,
    ) -> None:
        self.vault = vault
        self.store = store
        self.config = config
        self.watch = watch
        self.random = random
        self.replicated = replicated
        self.ledger = Ledger(vault.layout, vault.keys)
        self.refused = Refused(self.ledger.state)
        self.standing = Standing()
        self._told: list[Notice] = []
        self._remembered = self._recalled()
        self._sleep = sleep
        self._pause = pause
        self._patience = patience
        self._begin = meanwhile if beside else at_once

    @contextlib.contextmanager
    def session(self) -> Iterator[None]:
        """Hold the sync lock: one sync of a vault at a time; the writers' lock stays free meanwhile."""
        with alone(self.vault.layout, self._patience):
            # another process may have synced since this one was opened
            self.ledger = Ledger(self.vault.layout, self.vault.keys)
            self.refused = Refused(self.ledger.state)
            self.vault.device = load_device(self.vault.layout)
            self._sweep()
            self._told = []
            try:
                yield
            except CannotWrite as error:
                error.facts["way_out"] = GOES_ON
                raise
            finally:
                self.remember()

    def _recalled(self) -> bytes:
        """Give the store what it had to say the last time; return that."""
        if isinstance(self.store, Remembering):
            with contextlib.suppress(FileNotFoundError, CannotRead, SealError):
                state = unseal(
                    self.vault.keys, Purpose.SYNC_STATE, (b"store",), files.read(self.vault.layout.store_state)
                )
                self.store.restore(state)
                return state
        return b""

    def remember(self) -> None:
        """Keep what the store has to say for the next time; it only saves work, so a full disk is no matter."""
        if isinstance(self.store, Remembering) and (state := self.store.state()) != self._remembered:
            with contextlib.suppress(CannotWrite):
                sealed = seal(self.vault.keys, Purpose.SYNC_STATE, (b"store",), state)
                files.write_durably(self.vault.layout.store_state, sealed)
                self._remembered = state

    def _sweep(self) -> None:
        """Remove what a crash left half written; a new passphrase comes into the outbox under the writers' lock."""
        layout = self.vault.layout
        with contextlib.suppress(VaultBusy), files.locked(layout.lock, patience=0):
            for folder in (layout.outbox, layout.logs, layout.quarantine):
                files.sweep_temporaries(folder)

    def wait(self) -> None:
        """Pause before a second look: a store may have answered stale."""
        self._sleep(self._pause)

    def look(self, *, all_of_it: bool = False) -> Listing:
        """Return one listing of the store. Raises StoreError.

        Unless *all_of_it*, the segments that were refused before are apart.
        """
        infos = self.store.list(ROOT)
        if all_of_it or not self.refused:
            return Listing(infos)
        return Listing(infos, self.refused.known_segment, self._heard_of())

    def _heard_of(self) -> frozenset[str]:
        """Return the writers of whom there is a word that somebody with the keys has written."""
        state = self.ledger.state
        return frozenset((self.vault.device.writer, *self.ledger.writers(), *state.vouched, *state.devices))

    def begin_look(self) -> Callable[[], Listing]:
        """Ask for one listing of the store; return what gives it, or raises StoreError."""
        return self._begin(self.look)

    def check_vault(self, listing: Listing) -> None:
        """Raise StoreChanged unless the store holds the vault that this one was set up with, and KeysRotated if a new
        key was opened for it. What else is to be said of its key objects, `told` returns.

        StoreChanged stands only if a second look, after a pause, says so, too: a listing may be old. It is KeyMayCome
        where a sync program keeps the folder, and nothing there is another vault's.
        """
        try:
            self._check_vault(listing)
        except StoreChanged:
            self.wait()
            self._check_vault(self.look(), anew=True)  # what is known of key objects may come of one bad read

    def _check_vault(self, listing: Listing, *, anew: bool = False) -> None:
        self.standing = Standing()
        if self.config.slot in listing.slots:
            self._check_rivals(listing)
            return
        if not listing.names and not listing.slots:
            raise (EmptyFolder if self.replicated else StoreChanged)(why="it is empty")
        keys = self.vault.keys
        problem: KeysRotated | NewerFormat | StoreChanged | None = None
        held: dict[str, KeyFile] = {}
        others = 0
        smallest = sorted(listing.slots, key=lambda digest: (listing.slot_info(digest).size, digest))
        likely = [digest for digest in smallest if anew or self._slot_verdict(listing, digest) not in _NOT_OURS]
        for digest in likely[:MOST_LOOKED_AT]:
            try:
                slot = keyobjects.read(self.store, listing, digest)
            except (NotFound, RefusedKeyFile):
                continue
            except NewerFormat as error:
                problem = problem or error
                continue
            if slot.vault.hex() != self.config.vault:
                others += 1
                continue
            if is_held(keys, slot):
                held[digest] = slot
            elif gave_way(keys, slot):
                problem = problem or self._older_alone(GAVE_WAY)
            else:
                problem = KeysRotated()
        if held:
            digest = best(held, put=self.ledger.state.put, replaced=self.ledger.state.replaced)
            is_older = held[digest].epoch < keys.current
            if is_older and not files.is_there(self.vault.layout.pending_key):
                raise self._older_alone("its newest key object is gone, and an older one is there")
            self.config = replace(self.config, slot=digest)
            if is_older:
                self.tell(NEW_PASSPHRASE_GAVE_WAY)  # the key that was opened here is yet to be sent
            elif digest != self.ledger.state.put:
                self.tell(NEW_PASSPHRASE)
            self._check_rivals(listing)
            return
        if problem is not None:
            raise problem
        if self.replicated and not others:
            if not self._is_anothers(listing):
                raise KeyMayCome(why="what is there of it is not whole" if listing.slots else "its key object is gone")
            raise StoreChanged(why="it holds another vault")
        raise StoreChanged(why="it holds another vault" if listing.slots else "its key object is gone")

    def _older_alone(self, why: str) -> StoreChanged:
        """Return what to raise where none is left but objects of keys that are not the newest."""
        return KeyMayCome(why=why, older=True) if self.replicated else KeyObjectGone(why=why)

    def _is_anothers(self, listing: Listing) -> bool:
        """Tell whether another vault sealed the segments that are there, as far as a few of them show."""
        ledger = self.ledger
        if any(ledger.log(name.writer).knows(name.last, name.tip) for name in listing.names):
            return False
        is_anothers = False
        for name in sorted(listing.names)[:MOST_TRIED]:
            try:
                open_segment(self.vault.keys, ledger.tips, name, self.store.get(name.key))
            except BadSegment as error:
                is_anothers = is_anothers or (bool(error.facts.get("foreign")) and not error.facts.get("unshown"))
            except (NotFound, StoreRefused):
                continue
            except NewerFormat:
                return False
            else:
                return False
        return is_anothers

    def _slot_verdict(self, listing: Listing, digest: str) -> Verdict | None:
        return self.refused.verdict(listing.slot_info(digest))

    def _check_rivals(self, listing: Listing) -> None:
        """Look at the other key objects: tell of another vault that was set up there at the same moment and would be
        the one that stays, and of a key of this one that another device opened at the same moment; see `standing`.

        That is no reason to stop: without the passphrase, a key object that anybody may have put there looks the same.
        Each is read once, a few at a time.
        """
        state = self.ledger.state
        others = sorted(listing.slots - {self.config.slot}, key=lambda digest: (digest not in state.replaced, digest))
        verdicts = {digest: self._slot_verdict(listing, digest) for digest in others}
        for digest in [each for each in others if verdicts[each] is None][:MOST_TRIED]:
            with contextlib.suppress(NotFound):
                verdict = verdicts[digest] = self._verdict_on(listing, digest)
                self.refused.note(listing.slot_info(digest), verdict)
        seen = {digest: NamedKey.parse(spelt) for digest, spelt in state.ours.items()}
        ours = {digest: seen[digest] for digest in others if digest in seen}
        if Verdict.RIVAL in verdicts.values():
            self.tell(RIVAL)
        self.standing = judge(
            self.vault.keys,
            self.config.slot,
            ours,
            replaced=state.replaced,
            strange=state.strange,
            seen=seen.values(),
        )
        if (notice := self.standing.notice) is not None:
            self.tell(notice)

    def _verdict_on(self, listing: Listing, digest: str) -> Verdict:
        try:
            other = keyobjects.read(self.store, listing, digest)
        except (RefusedKeyFile, NewerFormat):
            return Verdict.NO_KEY
        if other.vault.hex() == self.config.vault:
            if len(self.ledger.state.ours) < MOST_OURS:
                self.ledger.state.ours[digest] = NamedKey(other.epoch, other.commitment).to_text()
            return Verdict.OURS
        return Verdict.RIVAL if other.vault.hex() < self.config.vault else Verdict.NO_KEY

    def own_slot(self, listing: Listing) -> KeyFile:
        """Return the vault's key object. Raises RefusedKeyFile or NotFound where it was altered or is gone."""
        if self.config.slot not in listing.slots:
            raise NotFound(key=key_name(self.config.slot))
        try:
            return keyobjects.read(self.store, listing, self.config.slot)
        except NewerFormat:  # this device has read it once
            raise RefusedKeyFile(why="it is not the one that its name says") from None

    def tell(self, notice: Notice) -> None:
        """Let `told` return *notice*, once."""
        if notice not in self._told:
            self._told.append(notice)

    def told(self, *, keep: bool = True) -> tuple[Notice, ...]:
        """Return what a person should hear of the store's key objects, and after `verify` of what lies beside them.

        With *keep* a new passphrase is then known and not said again: only a push or a pull asks for that.
        """
        if keep and load_config(self.vault.layout).slot != self.config.slot:
            self.config.save(self.vault.layout)
        return tuple(self._told)
