"""secretbox and Argon2id, from PyNaCl where it is installed, else from libsodium itself by ctypes (Android)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ghostie.errors import NoMemory, NoSodium

if TYPE_CHECKING:
    import ctypes

KEY_BYTES = 32
NONCE_BYTES = 24
BOX_OVERHEAD = 16
SALT_BYTES = 16
ARGON2ID = 2  # crypto_pwhash_ALG_ARGON2ID13


class BoxError(Exception):
    """A box that does not open under this key and nonce."""


def _load_pynacl() -> bool:
    if os.environ.get("GHOSTIE_PURE"):
        return False
    try:
        import nacl.bindings  # noqa: F401
    except ImportError:
        return False
    return True


if _load_pynacl():
    from nacl import bindings as _nacl
    from nacl.exceptions import CryptoError as _CryptoError

    TIER = "PyNaCl"

    def secretbox(message: bytes, nonce: bytes, key: bytes) -> bytes:
        """Return *message* encrypted and authenticated: 16 bytes longer than it was."""
        return bytes(_nacl.crypto_secretbox(message, nonce, key))

    def secretbox_open(box: bytes, nonce: bytes, key: bytes) -> bytes:
        """Return the message in *box*. Raises BoxError."""
        try:
            return bytes(_nacl.crypto_secretbox_open(box, nonce, key))
        except (_CryptoError, ValueError):
            raise BoxError from None

    def argon2id(passphrase: bytes, salt: bytes, memory: int, passes: int) -> bytes:
        """Return 32 bytes of Argon2id (one lane) over *memory* bytes and *passes* passes. Raises NoMemory."""
        try:
            return bytes(_nacl.crypto_pwhash_alg(KEY_BYTES, passphrase, salt, passes, memory, ARGON2ID))
        except RuntimeError:
            raise NoMemory() from None

else:
    TIER = "libsodium"
    _loaded: ctypes.CDLL | None = None

    def _sodium() -> ctypes.CDLL:
        global _loaded  # noqa: PLW0603
        if _loaded is None:
            import ctypes
            import ctypes.util

            for name in (ctypes.util.find_library("sodium"), "libsodium.so", "libsodium.so.26", "libsodium.so.23"):
                try:
                    library = ctypes.CDLL(name) if name else None
                except OSError:
                    continue
                if library is not None and library.sodium_init() >= 0:
                    break
            else:
                raise NoSodium()
            size, text = ctypes.c_ulonglong, ctypes.c_char_p
            for function in (library.crypto_secretbox_easy, library.crypto_secretbox_open_easy):
                function.argtypes = (text, text, size, text, text)
            library.crypto_pwhash.argtypes = (text, size, text, size, text, size, ctypes.c_size_t, ctypes.c_int)
            _loaded = library
        return _loaded

    def secretbox(message: bytes, nonce: bytes, key: bytes) -> bytes:
        """Return *message* encrypted and authenticated: 16 bytes longer than it was."""
        import ctypes

        _lengths(nonce, key)
        out = ctypes.create_string_buffer(len(message) + BOX_OVERHEAD)
        _sodium().crypto_secretbox_easy(out, message, len(message), nonce, key)
        return out.raw

    def secretbox_open(box: bytes, nonce: bytes, key: bytes) -> bytes:
        """Return the message in *box*. Raises BoxError."""
        import ctypes

        _lengths(nonce, key)
        if len(box) < BOX_OVERHEAD:
            raise BoxError
        out = ctypes.create_string_buffer(max(1, len(box) - BOX_OVERHEAD))
        if _sodium().crypto_secretbox_open_easy(out, box, len(box), nonce, key) != 0:
            raise BoxError
        return out.raw[: len(box) - BOX_OVERHEAD]

    def argon2id(passphrase: bytes, salt: bytes, memory: int, passes: int) -> bytes:
        """Return 32 bytes of Argon2id (one lane) over *memory* bytes and *passes* passes. Raises NoMemory."""
        import ctypes

        if len(salt) != SALT_BYTES:
            raise ValueError("a salt has 16 bytes")
        out = ctypes.create_string_buffer(KEY_BYTES)
        failed = _sodium().crypto_pwhash(out, KEY_BYTES, passphrase, len(passphrase), salt, passes, memory, ARGON2ID)
        if failed:
            raise NoMemory()
        return out.raw

    def _lengths(nonce: bytes, key: bytes) -> None:
        if len(nonce) != NONCE_BYTES or len(key) != KEY_BYTES:
            raise ValueError("a nonce has 24 bytes and a key 32")
