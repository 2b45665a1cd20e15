"""Which of several key objects of one vault stays, so that devices which changed the key at once end under one.

A higher epoch stays; of two keys of one epoch the one with the smaller id. Two objects of one key (two new passphrases)
both stay: either opens the vault, and what names a key is easily copied. A device deletes only objects that it has
itself replaced, or whose keys are in the chain of its own: what holds a key that nobody else may have is left alone.
Nobody goes back to a key that gave way; what is sealed under one, by a device that has yet to hear of it, is no other
vault's.

Without the passphrase a key object that anybody may have put there looks like a genuine one, so none of this stops a
sync: the person is told.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from ghostie.crypto.sealing import Keys, key_id, named_key
from ghostie.sync.notices import KEY_GIVES_WAY, KEY_STAYS, Notice

Rank = tuple[int, bytes]
GAVE_WAY = "its key object is gone, and one whose key gave way is there"


class OfKey(Protocol):
    """What holds a key: a key file, or what is remembered of one."""

    @property
    def epoch(self) -> int: ...

    @property
    def commitment(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class NamedKey:
    """The epoch and the id of a key."""

    epoch: int
    commitment: bytes

    @classmethod
    def parse(cls, text: str) -> NamedKey:
        epoch, _, commitment = text.partition(" ")
        return cls(int(epoch), bytes.fromhex(commitment))

    def to_text(self) -> str:
        return f"{self.epoch} {self.commitment.hex()}"


def rank(epoch: int, commitment: bytes) -> Rank:
    """Return what orders keys of one vault: the smallest stays."""
    return -epoch, commitment


def own_rank(keys: Keys) -> Rank:
    return rank(keys.current, keys.id_of(keys.current))


def is_held(keys: Keys, file: OfKey) -> bool:
    """Tell whether the key of *file* is in the chain of *keys*."""
    return file.epoch in keys.epochs and file.commitment == keys.id_of(file.epoch)


def is_left(keys: Keys, file: OfKey) -> bool:
    """Tell whether the key of *file* gave way, and is still held."""
    return any(epoch == file.epoch and key_id(key) == file.commitment for epoch, key in keys.left)


def gave_way(keys: Keys, file: OfKey) -> bool:
    """Tell whether the key of *file* is held, and the newest of *keys* stays in its place: nobody goes back to it."""
    return rank(file.epoch, file.commitment) > own_rank(keys) and (is_held(keys, file) or is_left(keys, file))


def best(files: Mapping[str, OfKey], *, put: str | None, replaced: Collection[str]) -> str:
    """Return the digest of the one of *files* that this device goes by: its own *put*, none that it has *replaced*."""

    def order(digest: str) -> tuple[Rank, bool, bool, str]:
        file = files[digest]
        return rank(file.epoch, file.commitment), digest in replaced, digest != put, digest

    return min(files, key=order)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is to become of the key objects beside this device's own, by their digests.

    *superseded* are to be deleted by this device; *left* hold a key that it has left, and are to be deleted when
    nothing of its own is under that any more; *twins* hold the own key under another passphrase, or say so; *rivals*
    are the objects of keys that this device does not hold, the one that stays first; *outranks* tells whether that
    stays in place of the own. *known* are the keys that this device has seen a key object of and does not hold.
    """

    superseded: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    twins: tuple[str, ...] = ()
    rivals: tuple[OfKey, ...] = ()
    outranks: bool = False
    known: frozenset[tuple[int, bytes]] = frozenset()

    @property
    def rival(self) -> OfKey | None:
        return self.rivals[0] if self.rivals else None

    def is_rivals(self, sealed: bytes) -> bool:
        """Tell whether *sealed* bytes name the key of a rival, also of one whose object is gone by now."""
        return (int.from_bytes(sealed[5:9], "big"), named_key(sealed)) in self.known

    @property
    def notice(self) -> Notice | None:
        return None if not self.rivals else KEY_STAYS if self.outranks else KEY_GIVES_WAY


def judge(
    keys: Keys,
    own: str,
    others: Mapping[str, OfKey],
    *,
    replaced: Collection[str],
    strange: Collection[str],
    seen: Collection[OfKey] = (),
) -> Standing:
    """Return what is to become of *others*, key objects of this vault by digest, beside this device's *own*.

    *replaced* are those that this device has replaced, *strange* those of which nothing more is to be said, *seen* the
    keys of all that were ever there.
    """
    superseded, left, twins, rivals = [], [], [], []
    for digest, file in sorted(others.items()):
        if digest == own:
            continue
        if is_held(keys, file):
            if digest in replaced or file.epoch < keys.current:
                superseded.append(digest)
            elif digest not in strange:
                twins.append(digest)
        elif rank(file.epoch, file.commitment) < own_rank(keys):
            if digest not in strange:
                rivals.append(file)  # also where it was left for another: all devices go by the same rule
        elif is_left(keys, file):
            if digest in replaced:
                left.append(digest)
        elif digest not in strange:
            rivals.append(file)
    rivals.sort(key=lambda file: rank(file.epoch, file.commitment))
    outranks = bool(rivals) and rank(rivals[0].epoch, rivals[0].commitment) < own_rank(keys)
    known = frozenset(
        (file.epoch, file.commitment)
        for file in (*seen, *others.values())
        if not is_held(keys, file) and not is_left(keys, file)
    )
    return Standing(tuple(superseded), tuple(left), tuple(twins), tuple(rivals), outranks, known)
