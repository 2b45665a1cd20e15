"""The one place where anything is encrypted or opened. `docs/format.md` is its specification.

secretbox has no associated data, so meaning is bound by the key: every seal has a subkey of its own, made from the
master key, the purpose, the vault and the context (a name, a position).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NewType

from ghostie.crypto import sodium
from ghostie.errors import GhostieError

Sealed = NewType("Sealed", bytes)

MAGIC: Final = b"GHO1"
HEADER: Final = 49  # magic 4, purpose 1, epoch 4, key id 16, nonce 24
OVERHEAD: Final = HEADER + sodium.BOX_OVERHEAD
FRAME: Final = 9  # method 1, stored length 4, plain length 4
SMALLEST: Final = 256
LARGE: Final = 1 << 20  # from here on, hard compression costs more time than its few percent are worth
PAYS_FROM: Final = 2048  # below half a disk block, compression saves no space
_HOLE: Final = bytes(64)
ONCE: Final = b"ghostie-once"  # in the place of a purpose's person

_RAW, _ZLIB = 0, 1


class Purpose(Enum):
    """What a seal is for: its byte in the header, and the most bytes of plaintext."""

    VERSION = (1, 8 << 20)
    INDEX = (2, 1 << 30)
    JOURNAL = (3, 64 << 20)
    SEARCH = (4, 1 << 31)
    OPERATION = (5, 64 << 20)
    SEGMENT = (6, 64 << 20)
    KEY = (7, 4096)
    CHAIN = (8, 4096)
    CREDENTIAL = (9, 1 << 16)
    SYNC_STATE = (10, 64 << 20)
    CONFLICT = (11, 64 << 20)
    LOG = (12, 64 << 20)
    FILTERS = (13, 1 << 20)

    def __init__(self, code: int, limit: int) -> None:
        self.code = code
        self.limit = limit
        self.person = b"ghostie-%d" % code


class SealError(GhostieError):
    """Bytes that do not open. *why* is one of: magic, purpose, epoch, key, length, box, frame, padding, size."""

    exit_code = 4
    message = "sealed bytes do not open ({why})"


@dataclass(frozen=True, slots=True)
class Keys:
    """A vault's master keys by epoch, and the vault's id (16 bytes), to which every seal is bound.

    *left* are (epoch, key) that gave way where two devices opened an epoch at once: they open, and seal nothing.
    """

    vault: bytes
    epochs: Mapping[int, bytes] = field(repr=False)
    left: tuple[tuple[int, bytes], ...] = field(default=(), repr=False, compare=False)

    @property
    def current(self) -> int:
        return max(self.epochs)

    def id_of(self, epoch: int) -> bytes:
        """Return the 16 bytes that name (and commit to) the master key of *epoch*."""
        return key_id(self.epochs[epoch])

    def beside(self, other: Keys) -> Keys:
        """Return these keys, which open what *other* keys of the same vault open, too."""
        theirs = {item for item in other.epochs.items() if self.epochs.get(item[0]) != item[1]}
        return Keys(self.vault, self.epochs, tuple(sorted({*self.left, *other.left, *theirs})))

    def find(self, epoch: int, named: bytes) -> bytes | None:
        """Return the key of *epoch* with the id *named*, or None."""
        key = self.epochs.get(epoch)
        if key is not None and hmac.compare_digest(named, key_id(key)):
            return key
        left = (key for each, key in self.left if each == epoch)
        return next((key for key in left if hmac.compare_digest(named, key_id(key))), None)


_key_ids: dict[bytes, bytes] = {}


def key_id(key: bytes) -> bytes:
    """Return a key's commitment: 16 bytes that tell nothing about it, and are no other's."""
    known = _key_ids.get(key)
    if known is None:
        known = _key_ids[key] = hashlib.blake2b(key=key, digest_size=16, person=b"ghostie-keyid").digest()
    return known


def subkey(key: bytes, purpose: Purpose, *parts: bytes) -> bytes:
    """Return the 32-byte subkey of *key* for *purpose* and context *parts*, each length-prefixed."""
    return _subkey(key, purpose.person, parts)


def _subkey(key: bytes, person: bytes, parts: tuple[bytes, ...]) -> bytes:
    spelt = b"".join([len(part).to_bytes(8, "big") + part for part in parts])
    return hashlib.blake2b(spelt, key=key, digest_size=32, person=person).digest()


def seal(
    keys: Keys, purpose: Purpose, context: tuple[bytes, ...], plaintext: bytes, *, compress: bool = True
) -> Sealed:
    """Return *plaintext* sealed under the newest epoch for this *purpose* and *context*, compressed where it pays.

    Raises SealError above the purpose's limit.
    """
    if len(plaintext) > purpose.limit:
        raise SealError(why="size")
    epoch = keys.current
    key = keys.epochs[epoch]
    header = MAGIC + bytes((purpose.code,)) + epoch.to_bytes(4, "big") + key_id(key)
    nonce = secrets.token_bytes(sodium.NONCE_BYTES)
    box = sodium.secretbox(_pack(plaintext, compress), nonce, subkey(key, purpose, header, keys.vault, *context))
    return Sealed(header + nonce + box)


def unseal(keys: Keys, purpose: Purpose, context: tuple[bytes, ...], sealed: bytes) -> bytes:
    """Return the plaintext of *sealed*. Raises SealError; nothing is repaired."""
    epoch = parse_header(sealed, purpose)
    key = keys.find(epoch, named_key(sealed))
    if key is None:
        raise SealError(why="key" if epoch in keys.epochs else "epoch")
    bound = subkey(key, purpose, sealed[:25], keys.vault, *context)
    try:
        packed = sodium.secretbox_open(sealed[HEADER:], sealed[25:HEADER], bound)
    except sodium.BoxError:
        raise SealError(why="box") from None
    return _unpack(packed, purpose.limit)


def seal_once(key: bytes, context: tuple[bytes, ...], plaintext: bytes) -> bytes:
    """Return *plaintext* sealed under *key* for this *context*, 16 bytes longer: for what has to be short.

    Without a nonce, padding or header: *key* must be made for this one seal and be used for nothing else.
    """
    return sodium.secretbox(plaintext, bytes(sodium.NONCE_BYTES), _subkey(key, ONCE, context))


def unseal_once(key: bytes, context: tuple[bytes, ...], box: bytes) -> bytes:
    """Return the plaintext that `seal_once` sealed. Raises SealError."""
    try:
        return sodium.secretbox_open(box, bytes(sodium.NONCE_BYTES), _subkey(key, ONCE, context))
    except sodium.BoxError:
        raise SealError(why="box") from None


def parse_header(sealed: bytes, purpose: Purpose) -> int:
    """Return the epoch that *sealed* names. Raises SealError for bytes that are not sealed for *purpose*."""
    if len(sealed) < OVERHEAD + SMALLEST:
        raise SealError(why="length")
    if sealed[:4] != MAGIC:
        raise SealError(why="magic")
    if sealed[4] != purpose.code:
        raise SealError(why="purpose")
    return int.from_bytes(sealed[5:9], "big")


def named_key(sealed: bytes) -> bytes:
    """Return the key id in the header of *sealed*, unchecked."""
    return bytes(sealed[9:25])


def fits_whole(size: int) -> bool:
    """Tell whether sealed bytes can have *size* bytes: padding leaves few sizes."""
    return size >= OVERHEAD + SMALLEST and padded(size - OVERHEAD) == size - OVERHEAD


def is_cut(content: bytes) -> bool:
    """Tell whether *content* looks like sealed bytes that are not all there: of another size, or with a hole in it.

    What is whole has nowhere many zeros. A cut that leaves a size that fits is not told.
    """
    return _HOLE in content or (MAGIC.startswith(content[:4]) and not fits_whole(len(content)))


def padded(length: int) -> int:
    """Return the Padmé size for *length* bytes (Nikitin et al., PURBs, 2019): at most 12 % more, at least 256."""
    if length <= SMALLEST:
        return SMALLEST
    exponent = length.bit_length() - 1
    low_bits = exponent - exponent.bit_length()
    mask = (1 << low_bits) - 1
    return (length + mask) & ~mask


def _pack(plaintext: bytes, compress: bool) -> bytes:
    method, stored = _RAW, plaintext
    if compress and len(plaintext) >= PAYS_FROM:
        smaller = zlib.compress(plaintext, 6 if len(plaintext) < LARGE else 4)
        if len(smaller) < len(plaintext) - len(plaintext) // 16:
            method, stored = _ZLIB, smaller
    frame = bytes((method,)) + len(stored).to_bytes(4, "big") + len(plaintext).to_bytes(4, "big")
    return b"".join((frame, stored, bytes(padded(FRAME + len(stored)) - FRAME - len(stored))))


def _unpack(packed: bytes, limit: int) -> bytes:
    method = packed[0]
    stored, plain = int.from_bytes(packed[1:5], "big"), int.from_bytes(packed[5:9], "big")
    end = FRAME + stored
    if len(packed) != padded(end):
        raise SealError(why="frame")
    if packed.count(0, end) != len(packed) - end:
        raise SealError(why="padding")
    if plain > limit:
        raise SealError(why="size")
    if method == _RAW:
        if stored != plain:
            raise SealError(why="frame")
        return packed[FRAME:end]
    if method != _ZLIB:
        raise SealError(why="frame")
    inflater = zlib.decompressobj()
    try:
        plaintext = inflater.decompress(memoryview(packed)[FRAME:end], plain + 1)
    except zlib.error:
        raise SealError(why="frame") from None
    if len(plaintext) != plain or not inflater.eof or inflater.unused_data or inflater.unconsumed_tail:
        raise SealError(why="frame")
    return plaintext
