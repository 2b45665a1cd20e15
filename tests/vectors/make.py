"""Writes the frozen vectors: sealed bytes, key files and records that every ghostie has to open, or refuse, for ever.

Everything here is spelt out from the format once more, apart from the package, so that the two check each other; of the
package it uses only secretbox and Argon2id. A vector that exists is never written again: what was sealed once opens for
ever. To add some, add them here and run `python -m tests.vectors.make`.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
import unicodedata
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from ghostie.crypto.sodium import argon2id, secretbox

HERE = Path(__file__).resolve().parent

MASTER = bytes(range(32))
OLDER, OLDEST = bytes(range(32, 64)), bytes(range(64, 96))
VAULT = bytes(range(0xA0, 0xB0))
NONCE = bytes(range(0xC0, 0xD8))
CODES = (
    "VERSION",
    "INDEX",
    "JOURNAL",
    "SEARCH",
    "OPERATION",
    "SEGMENT",
    "KEY",
    "CHAIN",
    "CREDENTIAL",
    "SYNC_STATE",
    "CONFLICT",
    "LOG",
    "FILTERS",
)
CONTEXT = (b"k3v9q2m7a4b5c6d7e2f3g4h5i6.00112233445566778899aabbccddeeff",)
TEXT = b'{"content":"the NAS answers on 10.0.0.7"}'
LONG = TEXT * 100

Vector = dict[str, Any]


# -- the sealed form, from its specification -------------------------------------------------------------------------


def key_id(key: bytes) -> bytes:
    return hashlib.blake2b(key=key, digest_size=16, person=b"ghostie-keyid").digest()


def prefixed(part: bytes) -> bytes:
    return len(part).to_bytes(8, "big") + part


def padme(length: int) -> int:
    if length < 256:
        return 256
    exponent = length.bit_length() - 1
    zeros = exponent - exponent.bit_length()
    return -(-length >> zeros) << zeros


def frame(stored: bytes, plain: int, method: int = 0, length: int | None = None) -> bytes:
    """Return the frame without its padding."""
    return (
        bytes([method])
        + (len(stored) if length is None else length).to_bytes(4, "big")
        + plain.to_bytes(4, "big")
        + stored
    )


def padded(bare: bytes) -> bytes:
    return bare.ljust(padme(len(bare)), b"\0")


def sealed(
    purpose: str,
    packed: bytes,
    *,
    context: tuple[bytes, ...] = CONTEXT,
    key: bytes = MASTER,
    epoch: int = 1,
    vault: bytes = VAULT,
    nonce: bytes = NONCE,
) -> bytes:
    code = CODES.index(purpose) + 1
    header = b"GHO1" + bytes([code]) + epoch.to_bytes(4, "big") + key_id(key)
    meaning = b"".join(map(prefixed, (header, vault, *context)))
    subkey = hashlib.blake2b(meaning, key=key, digest_size=32, person=b"ghostie-%d" % code).digest()
    return header + nonce + secretbox(packed, nonce, subkey)


def sealed_raw(purpose: str, plaintext: bytes, **other: Any) -> bytes:
    return sealed(purpose, padded(frame(plaintext, len(plaintext))), **other)


def sealed_zlib(purpose: str, plaintext: bytes, level: int = 6, **other: Any) -> bytes:
    return sealed(purpose, padded(frame(zlib.compress(plaintext, level), len(plaintext), 1)), **other)


def vector(
    what: str,
    data: bytes,
    expect: str,
    plaintext: bytes | None = None,
    *,
    purpose: str = "VERSION",
    context: tuple[bytes, ...] = CONTEXT,
    epochs: dict[int, bytes] | None = None,
    vault: bytes = VAULT,
) -> Vector:
    """Return the vector: what is opened, with which keys, for what and where, and what comes of it."""
    made: Vector = {
        "what": what,
        "vault": vault.hex(),
        "epochs": {str(epoch): key.hex() for epoch, key in (epochs or {1: MASTER}).items()},
        "purpose": purpose,
        "context": [part.hex() for part in context],
        "sealed": data.hex(),
        "expect": expect,
    }
    if plaintext is not None:
        made["plaintext"] = plaintext.hex()
    return made


def good_sealed() -> Iterator[tuple[str, Vector]]:
    for purpose in CODES:
        name = purpose.lower().replace("_", "-")
        yield (
            f"good-{name}-raw",
            vector(f"a small {purpose}", sealed_raw(purpose, TEXT), "ok", TEXT, purpose=purpose),
        )
    yield "good-zlib", vector("a compressed text", sealed_zlib("VERSION", LONG), "ok", LONG)
    for level in (0, 1, 9):
        yield (
            f"good-zlib-level-{level}",
            vector(
                "compressed as another zlib might", sealed_zlib("SEGMENT", LONG, level), "ok", LONG, purpose="SEGMENT"
            ),
        )
    yield "good-zlib-small", vector("compressed though it was small", sealed_zlib("VERSION", TEXT), "ok", TEXT)
    yield "good-zlib-empty", vector("nothing, compressed", sealed_zlib("VERSION", b""), "ok", b"")
    yield "good-raw-long", vector("a long text, not compressed", sealed_raw("VERSION", LONG), "ok", LONG)
    for length, why in (
        (0, "nothing at all"),
        (1, "one byte"),
        (246, "a byte of padding"),
        (247, "no padding at the least size"),
        (248, "a byte above the least size"),
        (263, "no padding at the second size"),
        (4096 - 9, "no padding at a power of two"),
        (4096 - 8, "a byte above a power of two"),
    ):
        plaintext = bytes(n % 251 for n in range(length))
        yield f"good-length-{length}", vector(why, sealed_raw("VERSION", plaintext), "ok", plaintext)
    most = bytes(n % 251 for n in range(4096))
    yield "good-limit-raw", vector("all that a KEY may hold", sealed_raw("KEY", most), "ok", most, purpose="KEY")
    zeros = bytes(4096)
    yield "good-limit-zlib", vector("all that a KEY may yield", sealed_zlib("KEY", zeros), "ok", zeros, purpose="KEY")
    odd = b"GHO1\x01" + bytes(20) + b"\xff" * 20
    yield "good-plaintext-like-a-header", vector("a plaintext that looks sealed", sealed_raw("VERSION", odd), "ok", odd)
    yield "good-trailing-zeros", vector("zeros at the end are content", sealed_raw("VERSION", b"a\0\0"), "ok", b"a\0\0")
    for name, context in (
        ("none", ()),
        ("an-empty-part", (b"",)),
        ("two-parts", (b"journal", (20).to_bytes(8, "big"))),
        ("three-parts", (b"operations", bytes(range(16)), (1 << 40).to_bytes(8, "big"))),
        ("empty-parts-between", (b"", b"a", b"", b"b", b"")),
        ("any-bytes", (bytes(range(256)), b"\xff\xfe")),
        ("long", (b"x" * 5000,)),
    ):
        data = sealed_raw("LOG", TEXT, context=context)
        yield f"good-context-{name}", vector("a context of its own", data, "ok", TEXT, purpose="LOG", context=context)
    three = {1: OLDEST, 2: OLDER, 3: MASTER}
    for epoch, key in three.items():
        data = sealed_raw("VERSION", TEXT, epoch=epoch, key=key)
        yield f"good-epoch-{epoch}-of-3", vector("keys of three epochs", data, "ok", TEXT, epochs=three)
    data = sealed_raw("VERSION", TEXT, epoch=10_000)
    yield "good-epoch-10000", vector("a high epoch", data, "ok", TEXT, epochs={10_000: MASTER})
    for name, nonce in (("zeros", bytes(24)), ("ones", b"\xff" * 24)):
        yield f"good-nonce-{name}", vector("any nonce will do", sealed_raw("VERSION", TEXT, nonce=nonce), "ok", TEXT)


def flipped(data: bytes, at: int, bit: int = 0) -> bytes:
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def bad_sealed() -> Iterator[tuple[str, Vector]]:
    yield from _bad_headers()
    yield from _bad_lengths()
    yield from _bad_meanings()
    yield from _bad_derivations()
    yield from _bad_frames()
    yield from _bad_zlib()


def _bad_headers() -> Iterator[tuple[str, Vector]]:
    good = sealed_raw("VERSION", TEXT)
    for at in range(4):
        yield f"bad-magic-byte-{at}", vector("a bit of the magic", flipped(good, at), "magic")
    for name, magic in (("gho0", b"GHO0"), ("gho2", b"GHO2"), ("lower-case", b"gho1"), ("ghol", b"GHOL")):
        yield f"bad-magic-{name}", vector("another magic", magic + good[4:], "magic")
    for code in (0, 2, 7, 13, 255):
        yield f"bad-purpose-{code}", vector("another purpose", good[:4] + bytes([code]) + good[5:], "purpose")
    for epoch in (0, 2, 256, 0xFFFFFFFF):
        data = good[:5] + epoch.to_bytes(4, "big") + good[9:]
        yield f"bad-epoch-{epoch}", vector("an epoch without a key", data, "epoch")
    for at, bit in ((9, 0), (16, 4), (24, 7)):
        yield f"bad-key-id-byte-{at}", vector("a bit of the key id", flipped(good, at, bit), "key")
    for name, other in (("zeros", bytes(16)), ("another", key_id(OLDER)), ("reversed", key_id(MASTER)[::-1])):
        yield f"bad-key-id-{name}", vector("another key id", good[:9] + other + good[25:], "key")
    for at, bit in ((25, 0), (36, 3), (48, 7)):
        yield f"bad-nonce-byte-{at}", vector("a bit of the nonce", flipped(good, at, bit), "box")
    for at, bit in ((49, 0), (64, 7)):
        yield f"bad-tag-byte-{at}", vector("a bit of the tag", flipped(good, at, bit), "box")
    for at, bit in ((65, 0), (200, 5), (len(good) - 1, 7)):
        yield f"bad-box-byte-{at}", vector("a bit of the ciphertext", flipped(good, at, bit), "box")
    yield "bad-tag-zeros", vector("no tag", good[:49] + bytes(16) + good[65:], "box")


def _bad_lengths() -> Iterator[tuple[str, Vector]]:
    good = sealed_raw("VERSION", TEXT)
    for length in (0, 4, 5, 25, 49, 65, len(good) - 1):
        yield f"bad-cut-to-{length}", vector("cut off", good[:length], "length")
    long = sealed_raw("VERSION", LONG)
    for length in (321, 1000, len(long) - 16, len(long) - 1):
        yield f"bad-long-cut-to-{length}", vector("cut off, though still long enough to be one", long[:length], "box")
    for name, more in (("a-zero", b"\0"), ("a-tag", bytes(16)), ("itself", good)):
        yield f"bad-followed-by-{name}", vector("more behind it", good + more, "box")
    yield "bad-after-a-zero", vector("a byte before it", b"\0" + good, "magic")
    yield "bad-without-its-nonce", vector("the nonce left out", long[:25] + long[49:], "box")


def _bad_meanings() -> Iterator[tuple[str, Vector]]:
    """What is authentic, and is opened as something that it is not."""
    good = sealed_raw("VERSION", TEXT)
    for name, context in (
        ("none", ()),
        ("another-name", (CONTEXT[0][:-1] + b"0",)),
        ("cut-name", (CONTEXT[0][:-1],)),
        ("longer-name", (CONTEXT[0] + b"\0",)),
        ("an-empty-part-behind", (*CONTEXT, b"")),
        ("an-empty-part-before", (b"", *CONTEXT)),
        ("split", (CONTEXT[0][:26], CONTEXT[0][26:])),
    ):
        yield f"bad-context-{name}", vector("another context", good, "box", context=context)
    pair = sealed_raw("LOG", TEXT, context=(b"name", b"place"))
    for name, context in (
        ("swapped", (b"place", b"name")),
        ("shifted-right", (b"namep", b"lace")),
        ("shifted-left", (b"nam", b"eplace")),
        ("joined", (b"nameplace",)),
        ("spelt-in-one", (b"name" + prefixed(b"place"),)),
        ("without-the-first", (b"place",)),
        ("without-the-last", (b"name",)),
    ):
        yield f"bad-parts-{name}", vector("other parts of a context", pair, "box", purpose="LOG", context=context)
    yield "bad-vault", vector("another vault with the same key", good, "box", vault=flipped(VAULT, 0))
    yield "bad-key-of-the-epoch", vector("another key of the same epoch", good, "key", epochs={1: OLDER})
    as_index = good[:4] + b"\x02" + good[5:]
    yield "bad-purpose-written-over", vector("its purpose written over", as_index, "box", purpose="INDEX")
    named = sealed_raw("VERSION", TEXT, key=OLDER)
    data = named[:9] + key_id(MASTER) + named[25:]
    yield "bad-key-id-written-over", vector("its key id written over", data, "box")
    data = sealed_raw("VERSION", TEXT, epoch=2)
    yield "bad-epoch-written-over", vector("its epoch written over", data[:5] + bytes([0, 0, 0, 1]) + data[9:], "box")
    yield "bad-as-another-purpose", vector("asked for as something else", good, "purpose", purpose="CONFLICT")


def _bad_derivations() -> Iterator[tuple[str, Vector]]:
    """What a program would make that forgets one thing that meaning is bound by."""
    header = b"GHO1\x01" + (1).to_bytes(4, "big") + key_id(MASTER)
    packed = padded(frame(TEXT, len(TEXT)))

    def derived(meaning: bytes, person: bytes = b"ghostie-1", key: bytes = MASTER) -> bytes:
        return hashlib.blake2b(meaning, key=key, digest_size=32, person=person).digest()

    right = b"".join(map(prefixed, (header, VAULT, *CONTEXT)))
    little = b"".join(len(part).to_bytes(8, "little") + part for part in (header, VAULT, *CONTEXT))
    short = b"".join(len(part).to_bytes(4, "big") + part for part in (header, VAULT, *CONTEXT))
    for name, subkey in (
        ("the-master-key-itself", MASTER),
        ("no-meaning", derived(b"")),
        ("no-header", derived(b"".join(map(prefixed, (VAULT, *CONTEXT))))),
        ("no-vault", derived(b"".join(map(prefixed, (header, *CONTEXT))))),
        ("no-context", derived(b"".join(map(prefixed, (header, VAULT))))),
        ("no-lengths", derived(header + VAULT + CONTEXT[0])),
        ("little-endian-lengths", derived(little)),
        ("short-lengths", derived(short)),
        ("another-order", derived(b"".join(map(prefixed, (VAULT, header, *CONTEXT))))),
        ("no-person", derived(right, b"")),
        ("another-person", derived(right, b"ghostie-2")),
        ("another-key", derived(right, key=OLDER)),
        ("keyless", hashlib.blake2b(MASTER + right, digest_size=32, person=b"ghostie-1").digest()),
    ):
        data = header + NONCE + secretbox(packed, NONCE, subkey)
        yield f"bad-derivation-{name}", vector("sealed under a key that was made another way", data, "box")
    assert header + NONCE + secretbox(packed, NONCE, derived(right)) == sealed_raw("VERSION", TEXT)


def _bad_frames() -> Iterator[tuple[str, Vector]]:
    size, bare = len(TEXT), frame(TEXT, len(TEXT))
    for name, packed, expect in (
        ("method-2", padded(frame(TEXT, size, 2)), "frame"),
        ("method-255", padded(frame(TEXT, size, 255)), "frame"),
        ("stored-length-too-long-by-one", padded(frame(TEXT, size, length=size + 1)), "frame"),
        ("stored-length-too-short-by-one", padded(frame(TEXT, size, length=size - 1)), "padding"),
        ("stored-length-beyond-the-frame", padded(frame(TEXT, size, length=1000)), "frame"),
        ("stored-length-of-four-gigabytes", padded(frame(TEXT, size, length=0xFFFFFFFF)), "frame"),
        ("plain-length-too-long-by-one", padded(frame(TEXT, size + 1)), "frame"),
        ("plain-length-too-short-by-one", padded(frame(TEXT, size - 1)), "frame"),
        ("plain-length-zero", padded(frame(TEXT, 0)), "frame"),
        ("plain-length-of-four-gigabytes", padded(frame(TEXT, 0xFFFFFFFF)), "size"),
        ("padding-first-byte", padded(bare)[: len(bare)] + b"\x01" + bytes(255 - len(bare)), "padding"),
        ("padding-last-byte", padded(bare)[:-1] + b"\x80", "padding"),
        ("padding-of-ones", bare.ljust(256, b"\xff"), "padding"),
        ("padded-one-byte-more", padded(bare) + b"\0", "frame"),
        ("padded-one-size-more", padded(bare) + bytes(16), "frame"),
        ("padded-to-twice-the-size", padded(bare) + bytes(256), "frame"),
        ("long-not-padded", frame(LONG, len(LONG)), "frame"),
        ("long-padded-one-byte-less", padded(frame(LONG, len(LONG)))[:-1], "frame"),
        ("long-padded-to-a-power-of-two", frame(LONG, len(LONG)).ljust(8192, b"\0"), "frame"),
    ):
        yield (
            f"bad-frame-{name}",
            vector("a frame that does not add up, under the right key", sealed("VERSION", packed), expect),
        )
    over = bytes(n % 251 for n in range(4097))
    yield "bad-size-raw", vector("a byte more than a KEY may hold", sealed_raw("KEY", over), "size", purpose="KEY")


def _bad_zlib() -> Iterator[tuple[str, Vector]]:
    size, squeezed = len(LONG), zlib.compress(LONG)
    bare = zlib.compressobj(wbits=-15)
    deflated = bare.compress(LONG) + bare.flush()
    unfinished = zlib.compressobj()
    flushed = unfinished.compress(LONG) + unfinished.flush(zlib.Z_SYNC_FLUSH)
    primed = zlib.compressobj(zdict=TEXT)
    with_dictionary = primed.compress(LONG) + primed.flush()
    for name, stored, plain, expect in (
        ("not-compressed", TEXT, len(TEXT), "frame"),
        ("nothing", b"", 0, "frame"),
        ("claims-one-more", squeezed, size + 1, "frame"),
        ("claims-one-less", squeezed, size - 1, "frame"),
        ("claims-nothing", squeezed, 0, "frame"),
        ("claims-four-gigabytes", squeezed, 0xFFFFFFFF, "size"),
        ("cut-by-one", squeezed[:-1], size, "frame"),
        ("cut-to-its-head", squeezed[:2], size, "frame"),
        ("never-finished", flushed, size, "frame"),
        ("a-wrong-checksum", flipped(squeezed, -1), size, "frame"),
        ("a-wrong-head", flipped(squeezed, 0), size, "frame"),
        ("a-broken-body", squeezed[:4] + b"\xff\xff\xff\xff" + squeezed[8:], size, "frame"),
        ("more-behind", squeezed + b"\x01", size, "frame"),
        ("two-streams", squeezed + squeezed, 2 * size, "frame"),
        ("without-its-head", deflated, size, "frame"),
        ("gzip", gzip.compress(LONG, mtime=0), size, "frame"),
        ("with-a-dictionary", with_dictionary, size, "frame"),
    ):
        data = sealed("VERSION", padded(frame(stored, plain, 1)))
        yield f"bad-zlib-{name}", vector("a compressed frame that does not add up, under the right key", data, expect)
    data = sealed("VERSION", padded(frame(squeezed, size, 2)))
    yield "bad-zlib-under-another-method", vector("a good stream under an unknown method", data, "frame")
    for name, plain, expect in (("honest", 1 << 20, "size"), ("lying", 4096, "frame"), ("lying-small", 1, "frame")):
        data = sealed("KEY", padded(frame(zlib.compress(bytes(1 << 20), 9), plain, 1)))
        yield f"bad-bomb-{name}", vector("a mebibyte in a kilobyte", data, expect, purpose="KEY")
    data = sealed("KEY", padded(frame(zlib.compress(bytes(4097)), 4097, 1)))
    yield "bad-size-zlib", vector("a byte more than a KEY may yield", data, "size", purpose="KEY")


# -- key files -------------------------------------------------------------------------------------------------------

PASSPHRASE = "correct horse battery st\u00e4ple"
SALT = bytes(range(0x10, 0x20))
MEMORY, PASSES = 64 << 20, 3


def vault_of(first: bytes) -> bytes:
    return hashlib.blake2b(key=first, digest_size=16, person=b"ghostie-vault").digest()


def key_file(masters: list[bytes], passphrase: str, memory: int = MEMORY, passes: int = PASSES) -> dict[str, Any]:
    """Return the record of the key file that wraps *masters*, epoch 1 first."""
    vault, epoch, newest = vault_of(masters[0]), len(masters), masters[-1]
    wrapping = argon2id(unicodedata.normalize("NFC", passphrase).encode(), SALT, memory, passes)
    terms = (memory.to_bytes(8, "big"), passes.to_bytes(8, "big"), SALT)
    chain = [
        sealed_raw("CHAIN", older, context=(), key=newer, epoch=number + 1, vault=vault)
        for number, (older, newer) in enumerate(pairwise(masters), 1)
    ]
    return {
        "format": "ghostie-key-1",
        "vault": vault.hex(),
        "epoch": epoch,
        "kdf": {"algorithm": "argon2id", "memory": memory, "passes": passes, "salt": SALT.hex()},
        "wrapped": sealed_raw("KEY", newest, context=terms, key=wrapping, epoch=epoch, vault=vault).hex(),
        "commitment": key_id(newest).hex(),
        "chain": [link.hex() for link in chain],
    }


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def key_files() -> Iterator[tuple[str, Vector]]:
    masters = [OLDEST, OLDER, MASTER]
    one, three = key_file([MASTER], PASSPHRASE), key_file(masters, PASSPHRASE, 80 << 20, 4)

    def made(what: str, file: bytes, expect: list[Any], passphrase: str | None = None) -> Vector:
        vector = {"what": what, "file": file.hex(), "expect": expect}
        return vector if passphrase is None else {**vector, "passphrase": passphrase}

    epochs = {str(number): key.hex() for number, key in enumerate(masters, 1)}
    yield "good-one-epoch", made("one epoch", canonical(one), ["ok", {"1": MASTER.hex()}], PASSPHRASE)
    apart = unicodedata.normalize("NFD", PASSPHRASE)
    yield "good-three-epochs", made("three epochs, letters composed otherwise", canonical(three), ["ok", epochs], apart)

    # what costs a derivation to find out
    wrong = ["WrongKey", None]
    yield "bad-passphrase", made("another passphrase", canonical(one), wrong, PASSPHRASE + "x")
    for name, changes in (
        ("wrapped-bit", {"wrapped": flipped(bytes.fromhex(one["wrapped"]), -1).hex()}),
        ("wrapped-cut", {"wrapped": one["wrapped"][:-2]}),
        ("wrapped-empty", {"wrapped": ""}),
        ("commitment-of-another-key", {"commitment": key_id(OLDER).hex()}),
        ("salt-of-another-device", {"kdf": {**one["kdf"], "salt": bytes(16).hex()}}),
        ("passes-raised", {"kdf": {**one["kdf"], "passes": PASSES + 1}}),
        ("vault-of-another-key", {"vault": vault_of(OLDER).hex()}),
    ):
        yield f"bad-{name}", made("a change that only opening finds", canonical({**one, **changes}), wrong, PASSPHRASE)
    first, second = three["chain"]
    for name, chain in (
        ("link-bit", [flipped(bytes.fromhex(first), -1).hex(), second]),
        ("links-swapped", [second, first]),
        ("link-twice", [second, second]),
        ("link-empty", ["", second]),
    ):
        file = canonical({**three, "chain": chain})
        yield f"bad-chain-{name}", made("a chain that does not hold", file, wrong, PASSPHRASE)

    # what is refused before anything is spent
    malformed = ["RefusedKeyFile", "a field is missing or malformed"]
    for name, changes, expect in _malformed(one):
        file = canonical({key: value for key, value in {**one, **changes}.items() if value is not ...})
        yield f"bad-{name}", made("refused unopened", file, malformed if expect is None else ["RefusedKeyFile", expect])
    newer = canonical({**one, "format": "ghostie-key-2"})
    yield "bad-newer-format", made("from a ghostie to come", newer, ["NewerFormat", None])
    raw = canonical(one)
    spelling = ["RefusedKeyFile", "it is not in its one canonical spelling"]
    for name, respelt in (
        ("newline-behind", raw + b"\n"),
        ("space-before", b" " + raw),
        ("byte-order-mark", b"\xef\xbb\xbf" + raw),
        ("spaces-between", json.dumps(one, sort_keys=True).encode()),
        ("another-order", json.dumps(one, separators=(",", ":")).encode()),
        ("a-name-twice", raw.replace(b'"epoch":1', b'"epoch":1,"epoch":1')),
        ("an-escape", raw.replace(b'"argon2id"', b'"argon2i\\u0064"')),
        ("upper-case-hex", canonical({**one, "vault": one["vault"].upper()})),
        ("a-space-in-hex", canonical({**one, "vault": " " + one["vault"]})),
        ("one-field-more", canonical({**one, "comment": ""})),
        ("one-kdf-field-more", canonical({**one, "kdf": {**one["kdf"], "lanes": 1}})),
    ):
        yield f"bad-spelling-{name}", made("another spelling of the same", respelt, spelling)
    for name, file in (("empty", b""), ("cut", raw[:-1]), ("not-utf-8", b"\xff"), ("nan", b"NaN")):
        yield f"bad-json-{name}", made("no JSON", file, ["RefusedKeyFile", "it is not JSON"])
    for name, file in (("list", b"[]"), ("null", b"null"), ("text", b'"ghostie-key-1"')):
        yield f"bad-json-{name}", made("no object", file, ["RefusedKeyFile", "it does not say that it is one"])


def _malformed(one: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], str | None]]:
    """Yield a name, the fields that are changed (or, as ..., left out), and the reason for refusing."""
    says = "it does not say that it is one"
    length = "a field has the wrong length"
    epochs = "its epochs do not add up"
    weak = "its key derivation is weaker than ghostie allows"
    dear = "its key derivation asks for more than ghostie will spend"

    def kdf(**changes: Any) -> dict[str, Any]:
        return {"kdf": {name: value for name, value in {**one["kdf"], **changes}.items() if value is not ...}}

    yield "format-missing", {"format": ...}, says
    yield "format-another", {"format": "ghostie-key"}, says
    for name in ("vault", "epoch", "kdf", "wrapped", "commitment", "chain"):
        yield f"{name}-missing", {name: ...}, None
    for name in ("algorithm", "memory", "passes", "salt"):
        yield f"kdf-{name}-missing", kdf(**{name: ...}), None
    yield "vault-not-hex", {"vault": "zz" * 16}, None
    yield "vault-a-number", {"vault": 7}, None
    yield "vault-too-short", {"vault": one["vault"][2:]}, length
    yield "vault-too-long", {"vault": one["vault"] + "00"}, length
    yield "commitment-too-short", {"commitment": one["commitment"][2:]}, length
    yield "wrapped-not-hex", {"wrapped": one["wrapped"][:-1]}, None
    yield "wrapped-null", {"wrapped": None}, None
    yield "epoch-a-text", {"epoch": "1"}, None
    yield "epoch-a-float", {"epoch": 1.0}, None
    yield "epoch-true", {"epoch": True}, None
    yield "epoch-zero", {"epoch": 0}, epochs
    yield "epoch-negative", {"epoch": -1}, epochs
    yield "epoch-without-its-chain", {"epoch": 2}, epochs
    yield "epoch-too-high", {"epoch": 10_001}, epochs
    yield "chain-without-its-epoch", {"chain": [one["wrapped"]]}, epochs
    yield "chain-of-numbers", {"chain": [7]}, None
    yield "chain-null", {"chain": None}, None
    yield "kdf-a-text", {"kdf": "argon2id"}, None
    yield "kdf-argon2i", kdf(algorithm="argon2i"), "its key derivation is not argon2id"
    yield "kdf-pbkdf2", kdf(algorithm="pbkdf2-sha256"), "its key derivation is not argon2id"
    yield "kdf-memory-a-text", kdf(memory="67108864"), None
    yield "kdf-memory-below-the-floor", kdf(memory=MEMORY - 1), weak
    yield "kdf-memory-zero", kdf(memory=0), weak
    yield "kdf-memory-negative", kdf(memory=-MEMORY), weak
    yield "kdf-memory-above-the-ceiling", kdf(memory=(1 << 30) + 1), dear
    yield "kdf-memory-huge", kdf(memory=1 << 200), dear
    yield "kdf-passes-below-the-floor", kdf(passes=2), weak
    yield "kdf-passes-above-the-ceiling", kdf(passes=11), dear
    yield "kdf-passes-a-float", kdf(passes=3.0), None
    yield "kdf-salt-too-short", kdf(salt="00" * 15), length
    yield "kdf-salt-too-long", kdf(salt="00" * 17), length
    yield "kdf-salt-empty", kdf(salt=""), length


# -- records ---------------------------------------------------------------------------------------------------------

ID = "a2b3c4d5e6f7abcdefghijklmn"
TIME = "2025-06-28T14:30:00.000Z"
HASH = "0123456789abcdef" * 4


def a_record(sync: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    made = {
        "id": ID,
        "content": "hello",
        "sync_metadata": {"version": 1, "last_modified": TIME, **(sync or {})},
        **fields,
    }
    if sync:
        made["sync_metadata"] = {name: value for name, value in made["sync_metadata"].items() if value is not ...}
    return {name: value for name, value in made.items() if value is not ...}


def records() -> Iterator[tuple[str, Vector]]:
    for name, raw in _good_records():
        yield f"good-{name}", {"record": raw.hex(), "expect": ["ok", hashlib.sha256(raw).hexdigest()]}
    for name, raw, error, why in _bad_records():
        yield f"bad-{name}", {"record": raw.hex(), "expect": [error, why]}


def _good_records() -> Iterator[tuple[str, bytes]]:
    yield "least", canonical(a_record(content=...))
    yield "plain", canonical(a_record())
    yield (
        "every-field",
        canonical(
            a_record(
                {"parents": [HASH], "version": 2, "deleted": False},
                kind="task",
                timestamp=TIME,
                device_id="pixel9-pro-xl-termux",
                category="network",
                context={"any": ["JSON", 1, None, True, {"deep": {}}]},
                tags=["dns", "lan"],
                status="inbox",
                privacy="local",
                scope={"repo": "ghostie", "branch": None, "agent": "a"},
                anchor={"commit": "c", "patch_id": "p", "path": "x/y", "blob": "b"},
                links=[{"type": "supersedes", "to": ID}],
                source={"tool": "t", "session": "s", "entry": "e"},
            )
        ),
    )
    yield "unknown-fields", canonical(a_record({"mood": 1}, weather={"is": "fine"}, context={"sync_hash": "x"}))
    yield "deleted", canonical(a_record({"version": 2, "parents": [HASH], "deleted": True}, content=...))
    yield "merge", canonical(a_record({"version": 8, "parents": [HASH, "f" * 64]}))
    yield "purge", canonical(a_record({"version": 2, "parents": [HASH], "deleted": True, "purges": [HASH, "f" * 64]}))
    yield "last-version", canonical(a_record({"version": (1 << 40) - 1, "parents": [HASH]}))
    yield "composed", canonical(a_record(content="\u00e9"))
    yield "composed-otherwise", canonical(a_record(content="e\u0301"))
    yield "controls", canonical(a_record(content="\x00\x07\x1b[31m\x7f\x85\u2028\u2029\ufeff\u202e\r\n\t"))
    yield (
        "emoji",
        canonical(a_record(content="\U0001f47b \U0001f468\u200d\U0001f469\u200d\U0001f467", tags=["\U0001f47b"])),
    )
    yield "emoji-by-escapes", canonical(a_record()).replace(b"hello", b"\\ud83d\\udc7b")
    yield (
        "numbers",
        canonical(a_record(context={"float": 0.1, "exponent": 1e16, "tiny": 5e-324, "minus": -0.0, "one": 1.0})),
    )
    yield "long-integers", canonical(a_record(context={"n": [1 << 53, 1 << 64, 10**40, -(10**400)]}))
    yield "spaces", json.dumps(a_record(), indent=2).encode()
    yield "another-order", json.dumps(a_record(category="network"), separators=(",", ":")).encode()
    yield "longest-word", canonical(a_record(category="\u00e9" * 200))
    yield "most-tags", canonical(a_record(tags=[f"t{n:03}" for n in range(100)]))
    yield "deepest", canonical(a_record(context={"a": json.loads("[" * 98 + "]" * 98)}))
    yield "brackets-in-a-text", canonical(a_record(content='[{"\\' * 500))
    yield from _odd_records()
    yield "withheld", canonical(a_record({"version": 3, "parents": [HASH, "f" * 64], "withheld": ["f" * 64]}))
    yield "long-integer-of-4300-digits", canonical(a_record(n=10**4299))
    yield "first-moment", canonical(a_record({"last_modified": "0001-01-01T00:00:00.000Z"}))
    yield (
        "last-moment",
        canonical(a_record({"last_modified": "9999-12-31T23:59:59.999Z"}, timestamp="2024-02-29T00:00:00.000Z")),
    )


def _odd_records() -> Iterator[tuple[str, bytes]]:
    """Yield what a reader takes and no writer makes any more."""
    follows: dict[str, Any] = {"version": 2, "parents": [HASH]}
    for name, record in (
        ("tags-unsorted", a_record(tags=["lan", "dns"])),
        ("tags-twice", a_record(tags=["dns", "dns"])),
        ("salt-empty", a_record({"salt": ""})),
        ("salt-in-a-merge", a_record({**follows, "salt": "0" * 32, "merge": {"rules": 1}})),
        ("merge-a-text", a_record({**follows, "merge": "by hand"})),
        ("merge-without-rules", a_record({**follows, "merge": {}})),
        ("device-a-number", a_record({**follows, "device": 7})),
        ("device-of-two-lines", a_record({**follows, "device": "a\nb"})),
        ("scope-repo-a-number", a_record(scope={"repo": 7})),
        ("anchor-commit-a-list", a_record(anchor={"commit": ["c"]})),
        ("source-entry-an-object", a_record(source={"entry": {"n": 1}})),
        ("parents-unsorted", a_record({"version": 2, "parents": ["f" * 64, HASH]})),
        ("purges-twice", a_record({**follows, "deleted": True, "purges": [HASH, HASH]})),
    ):
        yield f"odd-{name}", canonical(record)


def written() -> Iterator[tuple[str, Vector]]:
    """Yield what a writer is given, and what it makes of it: the hash, or why not."""
    good = (
        ("plain", a_record()),
        ("tags", a_record(tags=["dns", "lan"])),
        ("texts", a_record(scope={"repo": "r", "more": 7}, anchor={"commit": "c"}, source={"entry": "e"})),
        ("merge", a_record({"version": 2, "parents": [HASH], "merge": {"rules": 1, "flag": "edit-over-delete"}})),
        ("last-version", a_record({"version": (1 << 40) - 1, "parents": [HASH]})),
        (
            "withheld",
            a_record({"version": 2, "parents": [HASH], "withheld": [HASH], "device": "pixel", "salt": "0" * 32}),
        ),
    )
    for name, record in good:
        raw = canonical(record)
        yield f"good-{name}", {"record": raw.hex(), "expect": ["ok", hashlib.sha256(raw).hexdigest()]}
    reasons = {
        "tags-unsorted": "tags are not sorted, each once",
        "tags-twice": "tags are not sorted, each once",
        "salt-empty": "its salt is empty, or in a merge",
        "salt-in-a-merge": "its salt is empty, or in a merge",
        "merge-a-text": "its merge does not say by which rules",
        "merge-without-rules": "its merge does not say by which rules",
        "device-a-number": "its device is not one line of 1 to 200 characters",
        "device-of-two-lines": "its device is not one line of 1 to 200 characters",
        "scope-repo-a-number": "scope.repo is not text",
        "anchor-commit-a-list": "anchor.commit is not text",
        "source-entry-an-object": "source.entry is not text",
        "parents-unsorted": "its parents are not sorted, each once",
        "purges-twice": "its purges are not sorted, each once",
    }
    for name, raw in _odd_records():
        yield f"bad-{name[4:]}", {"record": raw.hex(), "expect": ["BadMemory", reasons[name[4:]]]}


def _bad_records() -> Iterator[tuple[str, bytes, str, str | None]]:
    identity = "its id is not 26 base32 characters"
    number = "its version is not a whole number from 1 on"
    modified = "its last_modified is not a time in UTC with milliseconds"
    fit = "its parents do not fit its version"
    word = "is not one line of 1 to 200 characters"
    for name, record, why in (
        ("id-missing", a_record(id=...), identity),
        ("id-a-number", a_record(id=7), identity),
        ("id-too-short", a_record(id=ID[1:]), identity),
        ("id-too-long", a_record(id=ID + "a"), identity),
        ("id-upper-case", a_record(id=ID.upper()), identity),
        ("id-a-path", a_record(id="../../../../../etc/passwd/"), identity),
        ("id-with-a-newline", a_record(id=ID + "\n"), identity),
        ("sync-missing", a_record(sync_metadata=...), "it has no sync_metadata"),
        ("sync-a-list", a_record(sync_metadata=[]), "it has no sync_metadata"),
        ("version-missing", a_record({"version": ...}), number),
        ("version-zero", a_record({"version": 0}), number),
        ("version-true", a_record({"version": True}), number),
        ("version-a-float", a_record({"version": 1.0}), number),
        ("version-a-text", a_record({"version": "1"}), number),
        ("version-too-high", a_record({"version": 1 << 40, "parents": [HASH]}), number),
        ("last-modified-missing", a_record({"last_modified": ...}), modified),
        ("last-modified-a-number", a_record({"last_modified": 0}), modified),
        ("last-modified-without-milliseconds", a_record({"last_modified": "2025-06-28T14:30:00Z"}), modified),
        ("last-modified-with-an-offset", a_record({"last_modified": "2025-06-28T14:30:00.000+00:00"}), modified),
        ("last-modified-at-24-hours", a_record({"last_modified": "2025-06-28T24:00:00.000Z"}), modified),
        ("last-modified-in-other-digits", a_record({"last_modified": "\uff12025-06-28T14:30:00.000Z"}), modified),
        (
            "last-modified-on-no-day",
            a_record({"last_modified": "2025-02-30T14:30:00.000Z"}),
            "'2025-02-30T14:30:00.000Z' is not a time",
        ),
        ("parents-a-text", a_record({"version": 2, "parents": HASH}), "its parents are not hashes"),
        ("parents-null", a_record({"version": 2, "parents": None}), "its parents are not hashes"),
        ("parent-cut", a_record({"version": 2, "parents": [HASH[1:]]}), "its parents are not hashes"),
        ("parent-upper-case", a_record({"version": 2, "parents": [HASH.upper()]}), "its parents are not hashes"),
        ("parent-twice", a_record({"version": 2, "parents": [HASH, HASH]}), fit),
        ("parent-of-the-first", a_record({"parents": [HASH]}), fit),
        ("parents-missing", a_record({"version": 2}), fit),
        ("withheld-no-hashes", a_record({"withheld": "x"}), "its withheld are not hashes"),
        ("purges-no-hashes", a_record({"purges": ["../x"]}), "its purges are not hashes"),
        ("deleted-a-number", a_record({"deleted": 1}), "its deleted is neither true nor false"),
        ("deleted-null", a_record({"deleted": None}), "its deleted is neither true nor false"),
        ("content-a-number", a_record(content=7), "content is not text"),
        ("content-null", a_record(content=None), "content is not text"),
        ("kind-empty", a_record(kind=""), f"kind {word}"),
        ("category-of-two-lines", a_record(category="a\nb"), f"category {word}"),
        ("category-with-an-escape", a_record(category="\x1b[2J"), f"category {word}"),
        ("category-with-a-line-separator", a_record(category="a\u2028b"), f"category {word}"),
        ("category-too-long", a_record(category="x" * 201), f"category {word}"),
        ("device-a-number", a_record(device_id=7), f"device_id {word}"),
        ("status-unknown", a_record(status="gone"), None),
        ("privacy-unknown", a_record(privacy="public"), None),
        ("timestamp-a-number", a_record(timestamp=0), "timestamp is not a time in UTC with milliseconds"),
        (
            "timestamp-on-no-day",
            a_record(timestamp="2023-02-29T00:00:00.000Z"),
            "'2023-02-29T00:00:00.000Z' is not a time",
        ),
        ("tags-a-text", a_record(tags="lan"), "tags are not a list of at most 100 words"),
        ("tags-too-many", a_record(tags=["t"] * 101), "tags are not a list of at most 100 words"),
        ("tag-empty", a_record(tags=[""]), f"a tag {word}"),
        ("tag-with-nul", a_record(tags=["\x00"]), f"a tag {word}"),
        ("context-a-list", a_record(context=[]), "context is not an object"),
        ("scope-a-text", a_record(scope="repo"), "scope is not an object"),
        ("anchor-a-number", a_record(anchor=1), "anchor is not an object"),
        ("source-a-list", a_record(source=[]), "source is not an object"),
        ("links-an-object", a_record(links={}), "links are not a list of objects with type and to"),
        ("link-without-an-end", a_record(links=[{"type": "a"}]), "links are not a list of objects with type and to"),
        ("too-deep", a_record(context={"a": json.loads("[" * 99 + "]" * 99)}), "nested more than 100 deep"),
    ):
        yield name, canonical(record), "BadMemory", why
    for name, raw in (("list", b"[]"), ("text", b'"memory"'), ("null", b"null"), ("number", b"7")):
        yield f"no-object-{name}", raw, "BadMemory", "it is not an object"
    half = "not UTF-8 text, or half a character (a lone surrogate)"
    good = canonical(a_record())
    for name, raw, json_why in (
        ("nan", good.replace(b'"hello"', b"NaN"), "NaN is not JSON"),
        ("infinity", good.replace(b'"hello"', b"-Infinity"), "-Infinity is not JSON"),
        ("number-beyond-floats", good.replace(b'"hello"', b"1e400"), "a number is too large"),
        ("integer-of-5000-digits", good.replace(b'"hello"', b"1" * 5000), "an integer has too many digits"),
        ("half-a-character", good.replace(b"hello", b"\\ud83d"), half),
        ("half-a-character-raw", good.replace(b"hello", b"\xed\xa0\xbd"), half),
        ("not-utf-8", good.replace(b"hello", b"\xff"), half),
        ("utf-16", good.decode().encode("utf-16"), half),
        ("far-too-deep", good.replace(b'"hello"', b"[" * 1500 + b"]" * 1500), "nested too deeply"),
        ("empty", b"", None),
        ("cut", good[:-1], None),
        ("two", good + good, None),
        ("nul-behind", good + b"\0", None),
        ("nul-raw", good.replace(b"hello", b"\0"), None),
    ):
        yield f"json-{name}", raw, "BadJson", json_why


# -- writing ---------------------------------------------------------------------------------------------------------


def everything() -> Iterator[tuple[Path, Vector]]:
    for folder, vectors in (
        ("sealed", good_sealed()),
        ("sealed", bad_sealed()),
        ("keys", key_files()),
        ("records", records()),
        ("written", written()),
    ):
        for name, made in vectors:
            yield HERE / folder / f"{name}.json", made


def main() -> None:
    written = kept = 0
    for path, made in everything():
        path.parent.mkdir(exist_ok=True)
        try:
            with path.open("x", encoding="utf-8") as out:  # never over one that is there
                out.write(json.dumps(made, indent=1) + "\n")
        except FileExistsError:
            kept += 1
        else:
            written += 1
    sys.stdout.write(f"{written} vectors written, {kept} left as they are\n")


if __name__ == "__main__":
    main()
