"""What is sealed opens under the same key, purpose and context, unchanged, and under nothing else."""

from __future__ import annotations

import hashlib
import os
import secrets
import subprocess
import sys
import tracemalloc
import zlib
from dataclasses import replace

import pytest

from ghostie.crypto import sodium
from ghostie.crypto.keys import new_keys, next_epoch
from ghostie.crypto.sealing import (
    FRAME,
    HEADER,
    MAGIC,
    OVERHEAD,
    PAYS_FROM,
    SMALLEST,
    Keys,
    Purpose,
    Sealed,
    SealError,
    key_id,
    named_key,
    padded,
    seal,
    subkey,
    unseal,
)
from tests.tiers import ROOT, here, in_pure_tier, needs_sodium

pytestmark = pytest.mark.versions

CONTEXT = (b"name", b"place")
TEXT = b"the NAS answers on 10.0.0.7\n"


def why(keys: Keys, purpose: Purpose, context: tuple[bytes, ...], sealed: bytes) -> str:
    """Return the reason for which *sealed* does not open."""
    with pytest.raises(SealError) as refused:
        unseal(keys, purpose, context, sealed)
    return str(refused.value.facts["why"])


def boxed(keys: Keys, purpose: Purpose, packed: bytes, context: tuple[bytes, ...] = CONTEXT) -> Sealed:
    """Return *packed* sealed as it is: a frame that `seal` itself would never make, under the right key."""
    epoch = keys.current
    header = MAGIC + bytes([purpose.code]) + epoch.to_bytes(4, "big") + key_id(keys.epochs[epoch])
    nonce = os.urandom(24)
    bound = subkey(keys.epochs[epoch], purpose, header, keys.vault, *context)
    return Sealed(header + nonce + sodium.secretbox(packed, nonce, bound))


def framed(method: int, stored: bytes, plain: int, *, length: int | None = None, pad: bytes | None = None) -> bytes:
    """Return a frame around *stored* that claims *plain* bytes, padded to the size it should have."""
    length = len(stored) if length is None else length
    size = padded(FRAME + len(stored)) - FRAME - len(stored)
    return bytes([method]) + length.to_bytes(4, "big") + plain.to_bytes(4, "big") + stored + (pad or bytes(size))


# -- opening ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("purpose", Purpose)
def test_what_is_sealed_opens_for_every_purpose(keys: Keys, purpose: Purpose) -> None:
    for plaintext in (b"", b"\0", TEXT, TEXT * 100):
        assert unseal(keys, purpose, CONTEXT, seal(keys, purpose, CONTEXT, plaintext)) == plaintext


@pytest.mark.parametrize("length", [0, 1, 246, 247, 248, 255, 256, 257, 2047, 2048, 2049, 65535, 65536, 1 << 20])
@pytest.mark.parametrize("compress", [True, False])
def test_every_length_makes_the_round_trip(keys: Keys, length: int, compress: bool) -> None:
    for plaintext in (bytes(length), os.urandom(length)):
        sealed = seal(keys, Purpose.VERSION, CONTEXT, plaintext, compress=compress)
        assert unseal(keys, Purpose.VERSION, CONTEXT, sealed) == plaintext


def test_the_header_says_what_the_format_says(keys: Keys) -> None:
    sealed = seal(keys, Purpose.SEGMENT, CONTEXT, TEXT)
    assert sealed[:4] == b"GHO1"
    assert sealed[4] == 6
    assert sealed[5:9] == bytes([0, 0, 0, 1])
    assert sealed[9:25] == keys.id_of(1) == named_key(sealed)
    assert len(sealed) == OVERHEAD + SMALLEST


def test_nothing_of_the_plaintext_or_the_keys_shows(keys: Keys) -> None:
    sealed = seal(keys, Purpose.VERSION, (b"secret name",), TEXT, compress=False)
    for hidden in (TEXT[:8], b"secret", keys.epochs[1], keys.vault):
        assert hidden not in bytes(sealed)
    assert keys.epochs[1].hex() not in repr(keys)


def test_the_same_text_never_looks_the_same_twice(keys: Keys) -> None:
    assert len({seal(keys, Purpose.VERSION, CONTEXT, TEXT) for _ in range(100)}) == 100


def test_an_older_epoch_opens_and_the_newest_seals(keys: Keys) -> None:
    old = seal(keys, Purpose.VERSION, CONTEXT, TEXT)
    keys = next_epoch(keys)
    new = seal(keys, Purpose.VERSION, CONTEXT, TEXT)
    assert (old[5:9], new[5:9]) == (bytes([0, 0, 0, 1]), bytes([0, 0, 0, 2]))
    assert unseal(keys, Purpose.VERSION, CONTEXT, old) == unseal(keys, Purpose.VERSION, CONTEXT, new) == TEXT


# -- refusing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plaintext", [b"", TEXT, TEXT * 100], ids=["empty", "raw", "compressed"])
def test_every_flipped_bit_is_refused(keys: Keys, plaintext: bytes) -> None:
    sealed = seal(keys, Purpose.VERSION, CONTEXT, plaintext)
    places = {"magic": range(4), "purpose": range(4, 5), "epoch": range(5, 9), "key": range(9, 25)}
    for at in range(len(sealed)):
        expected = next((reason for reason, place in places.items() if at in place), "box")
        for bit in range(8):
            flipped = sealed[:at] + bytes([sealed[at] ^ 1 << bit]) + sealed[at + 1 :]
            assert why(keys, Purpose.VERSION, CONTEXT, flipped) == expected


@pytest.mark.parametrize("plaintext", [b"", TEXT, TEXT * 100], ids=["empty", "raw", "compressed"])
def test_every_truncation_is_refused(keys: Keys, plaintext: bytes) -> None:
    sealed = seal(keys, Purpose.VERSION, CONTEXT, plaintext)
    for length in range(len(sealed)):
        expected = "length" if length < OVERHEAD + SMALLEST else "box"
        assert why(keys, Purpose.VERSION, CONTEXT, sealed[:length]) == expected
        assert why(keys, Purpose.VERSION, CONTEXT, sealed[len(sealed) - length :]) in ("length", "magic")


def test_appended_and_prepended_bytes_are_refused(keys: Keys) -> None:
    sealed = seal(keys, Purpose.VERSION, CONTEXT, TEXT)
    for count in range(1, 65):
        for more in (bytes(count), os.urandom(count), sealed[:count], sealed[-count:]):
            assert why(keys, Purpose.VERSION, CONTEXT, sealed + more) == "box"
            assert why(keys, Purpose.VERSION, CONTEXT, more + sealed) in ("magic", "purpose", "epoch", "key", "box")
    assert why(keys, Purpose.VERSION, CONTEXT, sealed + sealed) == "box"


def test_parts_of_two_seals_do_not_mix(keys: Keys) -> None:
    one = two = seal(keys, Purpose.VERSION, CONTEXT, b"two")
    while one[25] == two[25]:  # the first byte of the nonce: where it is the same, the first mixture is *two* itself
        one = seal(keys, Purpose.VERSION, CONTEXT, b"one")
    for cut in (26, HEADER - 1, HEADER, HEADER + 16, HEADER + 100):
        assert why(keys, Purpose.VERSION, CONTEXT, one[:cut] + two[cut:]) == "box"
    assert unseal(keys, Purpose.VERSION, CONTEXT, one[:25] + two[25:]) == b"two"  # their headers are alike


@pytest.mark.parametrize("junk", [b"", b"GHO1", b"\0" * 1000, b"GHO1" + b"\0" * 1000, b"x" * 321], ids=repr)
def test_junk_is_refused(keys: Keys, junk: bytes) -> None:
    assert why(keys, Purpose.VERSION, CONTEXT, junk) in ("length", "magic", "purpose")


@pytest.mark.parametrize("version", [byte for byte in range(256) if byte != ord("1")])
def test_other_format_versions_are_refused(keys: Keys, version: int) -> None:
    sealed = seal(keys, Purpose.VERSION, CONTEXT, TEXT)
    assert why(keys, Purpose.VERSION, CONTEXT, b"GHO" + bytes([version]) + sealed[4:]) == "magic"


def test_another_purpose_is_refused_and_so_is_one_that_was_written_over(keys: Keys) -> None:
    for purpose in Purpose:
        sealed = seal(keys, purpose, CONTEXT, TEXT)
        for other in Purpose:
            if other is not purpose:
                assert why(keys, other, CONTEXT, sealed) == "purpose"
                relabelled = sealed[:4] + bytes([other.code]) + sealed[5:]
                assert why(keys, other, CONTEXT, relabelled) == "box"


def test_another_vault_is_refused(keys: Keys) -> None:
    sealed = seal(keys, Purpose.VERSION, CONTEXT, TEXT)
    assert why(replace(keys, vault=bytes(16)), Purpose.VERSION, CONTEXT, sealed) == "box"
    assert why(new_keys(), Purpose.VERSION, CONTEXT, sealed) == "key"


def test_another_key_is_refused_and_so_is_one_whose_name_was_written_over(keys: Keys) -> None:
    other = Keys(keys.vault, {1: bytes(32)})
    sealed = seal(keys, Purpose.VERSION, CONTEXT, TEXT)
    assert why(other, Purpose.VERSION, CONTEXT, sealed) == "key"
    assert why(other, Purpose.VERSION, CONTEXT, sealed[:9] + other.id_of(1) + sealed[25:]) == "box"


def test_another_epoch_is_refused_and_so_is_one_that_was_written_over(keys: Keys) -> None:
    newer = next_epoch(keys)
    sealed = seal(newer, Purpose.VERSION, CONTEXT, TEXT)
    assert why(keys, Purpose.VERSION, CONTEXT, sealed) == "epoch"
    older = sealed[:5] + bytes([0, 0, 0, 1]) + sealed[9:]
    assert why(newer, Purpose.VERSION, CONTEXT, older) == "key"
    assert why(newer, Purpose.VERSION, CONTEXT, older[:9] + newer.id_of(1) + older[25:]) == "box"
    # one key under two epochs is two keys
    twice = Keys(keys.vault, {1: keys.epochs[1], 2: keys.epochs[1]})
    moved = seal(keys, Purpose.VERSION, CONTEXT, TEXT)
    assert why(twice, Purpose.VERSION, CONTEXT, moved[:5] + bytes([0, 0, 0, 2]) + moved[9:]) == "box"


@pytest.mark.parametrize(
    "context",
    [
        (),
        (b"name",),
        (b"place",),
        (b"place", b"name"),
        (b"name", b"place", b""),
        (b"", b"name", b"place"),
        (b"name", b"", b"place"),
        (b"namep", b"lace"),
        (b"nam", b"eplace"),
        (b"nameplace",),
        (b"nameplace", b""),
        (b"", b"nameplace"),
        (b"name\0place",),
        (b"Name", b"place"),
        (b"name", b"place "),
        (b"name" + (5).to_bytes(8, "big") + b"place",),
    ],
    ids=repr,
)
def test_parts_of_a_context_cannot_be_shifted_dropped_or_added(keys: Keys, context: tuple[bytes, ...]) -> None:
    assert why(keys, Purpose.VERSION, context, seal(keys, Purpose.VERSION, CONTEXT, TEXT)) == "box"
    assert why(keys, Purpose.VERSION, CONTEXT, seal(keys, Purpose.VERSION, context, TEXT)) == "box"


def test_names_cannot_be_swapped(keys: Keys) -> None:
    names = [b"%d" % n for n in range(40)]
    bodies = {name: seal(keys, Purpose.VERSION, (name,), b"under " + name) for name in names}
    for name in names:
        for other in names:
            if name != other:
                assert why(keys, Purpose.VERSION, (name,), bodies[other]) == "box"


def test_the_vaults_id_cannot_be_taken_for_a_part_of_the_context(keys: Keys) -> None:
    sealed = seal(Keys(b"", keys.epochs), Purpose.VERSION, (keys.vault, *CONTEXT), TEXT)
    assert why(keys, Purpose.VERSION, CONTEXT, sealed) == "box"


# -- frames that no ghostie makes, under the right key ---------------------------------------------------------------


SQUEEZED = zlib.compress(TEXT * 200)


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        (framed(0, TEXT, len(TEXT), length=0), "padding"),
        (framed(0, TEXT, len(TEXT), length=len(TEXT) + 1), "frame"),
        (framed(0, TEXT, len(TEXT), length=len(TEXT) - 1), "padding"),
        (framed(0, TEXT, len(TEXT), length=1 << 31), "frame"),
        (framed(0, TEXT, len(TEXT), length=(1 << 32) - 1), "frame"),
        (framed(0, TEXT, len(TEXT) + 1), "frame"),
        (framed(0, TEXT, len(TEXT) - 1), "frame"),
        (framed(0, TEXT, 0), "frame"),
        (framed(2, TEXT, len(TEXT)), "frame"),
        (framed(2, SQUEEZED, len(TEXT) * 200), "frame"),
        (framed(255, TEXT, len(TEXT)), "frame"),
        (framed(0, TEXT, len(TEXT)) + bytes(1), "frame"),
        (framed(0, TEXT, len(TEXT)) + bytes(256), "frame"),
        (framed(0, TEXT * 20, len(TEXT) * 20)[:-1], "frame"),
        (framed(0, TEXT, len(TEXT))[:-1] + b"\x01", "padding"),
        (framed(0, TEXT, len(TEXT), pad=b"\x01" + bytes(SMALLEST - FRAME - len(TEXT) - 1)), "padding"),
        (framed(0, TEXT, (8 << 20) + 1), "size"),
        (framed(0, TEXT, (1 << 32) - 1), "size"),
        (framed(1, TEXT, len(TEXT)), "frame"),
        (framed(1, b"", 0), "frame"),
        (framed(1, SQUEEZED, len(TEXT) * 200 - 1), "frame"),
        (framed(1, SQUEEZED, len(TEXT) * 200 + 1), "frame"),
        (framed(1, SQUEEZED, 0), "frame"),
        (framed(1, SQUEEZED, (8 << 20) + 1), "size"),
        (framed(1, SQUEEZED[:-1], len(TEXT) * 200), "frame"),
        (framed(1, SQUEEZED[:-4] + bytes(4), len(TEXT) * 200), "frame"),
        (framed(1, SQUEEZED + b"more", len(TEXT) * 200), "frame"),
        (framed(1, SQUEEZED + SQUEEZED, len(TEXT) * 200), "frame"),
    ],
)
def test_a_frame_that_does_not_add_up_is_refused(keys: Keys, packed: bytes, reason: str) -> None:
    packed = packed.ljust(SMALLEST, b"\0")
    assert why(keys, Purpose.VERSION, CONTEXT, boxed(keys, Purpose.VERSION, packed)) == reason


def test_a_right_frame_opens(keys: Keys) -> None:
    for packed in (framed(0, TEXT, len(TEXT)), framed(1, zlib.compress(TEXT), len(TEXT))):
        assert unseal(keys, Purpose.VERSION, CONTEXT, boxed(keys, Purpose.VERSION, packed)) == TEXT


@pytest.mark.parametrize("honest", [True, False], ids=["says what it yields", "says little"])
@pytest.mark.parametrize("purpose", [Purpose.VERSION, Purpose.CREDENTIAL, Purpose.KEY])
def test_a_bomb_is_refused_in_little_memory(keys: Keys, purpose: Purpose, honest: bool) -> None:
    squeezer = zlib.compressobj(9)
    bomb = b"".join(squeezer.compress(bytes(1 << 20)) for _ in range(64)) + squeezer.flush()
    sealed = boxed(keys, purpose, framed(1, bomb, 64 << 20 if honest else min(purpose.limit, 1000)))
    tracemalloc.start()
    reason = why(keys, purpose, CONTEXT, sealed)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert reason == ("size" if honest else "frame")
    assert most < 4 << 20


def test_a_bomb_that_claims_all_it_may_yields_no_more_than_that(keys: Keys) -> None:
    limit = Purpose.CREDENTIAL.limit
    bomb = zlib.compress(bytes(64 << 20), 9)
    tracemalloc.start()
    assert why(keys, Purpose.CREDENTIAL, CONTEXT, boxed(keys, Purpose.CREDENTIAL, framed(1, bomb, limit))) == "frame"
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2 << 20


@pytest.mark.parametrize("purpose", [Purpose.KEY, Purpose.CHAIN, Purpose.CREDENTIAL, Purpose.VERSION])
def test_what_would_never_open_again_is_not_sealed(keys: Keys, purpose: Purpose) -> None:
    most = bytes(purpose.limit)
    assert unseal(keys, purpose, CONTEXT, seal(keys, purpose, CONTEXT, most)) == most
    with pytest.raises(SealError, match="size"):
        seal(keys, purpose, CONTEXT, most + b"\0")


# -- sizes -----------------------------------------------------------------------------------------------------------


def test_padded_sizes_are_padmes() -> None:
    # Nikitin et al., PURBs, 2019, algorithm 1, spelt out
    for length in [*range(1, 5000), *range(1 << 20, (1 << 20) + 200), 10**6, 10**7, 10**8, (1 << 30) - 1]:
        exponent = length.bit_length() - 1
        zeros = exponent - (exponent.bit_length() if exponent else 0)
        expected = -(-length // (1 << zeros)) * (1 << zeros)
        assert padded(length) == max(256, expected)


def test_a_padded_size_is_no_smaller_little_larger_and_its_own() -> None:
    before = 0
    for length in range(1, 1 << 16):
        size = padded(length)
        assert length <= size
        assert size <= 256 or size <= length * 1.12
        assert padded(size) == size
        assert size >= before
        before = size


def test_few_sizes_leave_the_device() -> None:
    assert len({padded(FRAME + length) for length in range(1, 1 << 10)}) < 40
    assert len({padded(FRAME + length) for length in range(1, 1 << 13)}) < 100
    assert len({padded(FRAME + length) for length in range(1, 1 << 20)}) < 300


def test_everything_small_has_one_size(keys: Keys) -> None:
    sizes = {len(seal(keys, Purpose.VERSION, CONTEXT, bytes(length))) for length in range(SMALLEST - FRAME + 1)}
    assert sizes == {OVERHEAD + SMALLEST}
    assert len(seal(keys, Purpose.VERSION, CONTEXT, bytes(SMALLEST - FRAME + 1))) > OVERHEAD + SMALLEST


def test_compression_is_used_only_where_it_pays(keys: Keys) -> None:
    text, noise = bytes(1 << 16), os.urandom(1 << 16)
    assert len(seal(keys, Purpose.VERSION, CONTEXT, text)) < 1000
    assert len(seal(keys, Purpose.VERSION, CONTEXT, text, compress=False)) > 1 << 16
    assert len(seal(keys, Purpose.VERSION, CONTEXT, noise)) == OVERHEAD + padded(FRAME + (1 << 16))
    small = bytes(PAYS_FROM - 1)
    assert len(seal(keys, Purpose.VERSION, CONTEXT, small)) == OVERHEAD + padded(FRAME + len(small))


# -- keys and nonces -------------------------------------------------------------------------------------------------


def test_a_key_id_tells_keys_apart_and_is_no_part_of_the_key() -> None:
    ids = {key_id(bytes([n]) * 32) for n in range(256)}
    assert len(ids) == 256
    assert key_id(bytes(32)) == hashlib.blake2b(key=bytes(32), digest_size=16, person=b"ghostie-keyid").digest()
    assert not any(bytes([n]) * 16 in ids for n in range(256))


def test_every_purpose_has_a_code_and_a_subkey_of_its_own() -> None:
    assert len({purpose.code for purpose in Purpose}) == len(Purpose)
    assert len({subkey(bytes(32), purpose, b"same") for purpose in Purpose}) == len(Purpose)


def test_no_nonce_is_used_twice(keys: Keys) -> None:
    nonces = {seal(keys, Purpose.JOURNAL, CONTEXT, b"")[25:HEADER] for _ in range(20_000)}
    assert len(nonces) == 20_000


def test_a_nonce_comes_from_the_system_and_nowhere_else(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "token_bytes", lambda count: b"\x07" * count)
    monkeypatch.setattr(os, "urandom", lambda count: b"\x07" * count)
    assert seal(keys, Purpose.JOURNAL, CONTEXT, b"")[25:HEADER] == b"\x07" * 24


def test_forked_processes_share_no_nonce() -> None:
    script = """
import os, sys
from ghostie.crypto.keys import new_keys
from ghostie.crypto.sealing import HEADER, Purpose, seal

keys = new_keys()
seal(keys, Purpose.JOURNAL, (), b"")  # whatever state there is has been made
children = []
for _ in range(20):
    reading, writing = os.pipe()
    if os.fork() == 0:
        nonces = b"".join(seal(keys, Purpose.JOURNAL, (), b"")[25:HEADER] for _ in range(100))
        os.write(writing, nonces)
        os._exit(0)
    os.close(writing)
    children.append(reading)
for reading in children:
    with os.fdopen(reading, "rb") as pipe:
        sys.stdout.buffer.write(pipe.read())
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    said = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=True).stdout
    nonces = {said[at : at + 24] for at in range(0, len(said), 24)}
    assert (len(said), len(nonces)) == (2000 * 24, 2000)


# -- both tiers ------------------------------------------------------------------------------------------------------


@needs_sodium
def test_the_primitives_are_the_same_with_pynacl_and_with_libsodium() -> None:
    assert here("primitives", [None]) == in_pure_tier("primitives", [None])


@needs_sodium
def test_what_one_tier_seals_the_other_opens(keys: Keys) -> None:
    where = {"vault": keys.vault.hex(), "epochs": {"1": keys.epochs[1].hex()}}
    plaintexts = [b"", b"\0", TEXT, TEXT * 1000, os.urandom(70_000), bytes(1 << 20)]
    cases = [
        {**where, "purpose": purpose.name, "context": [part.hex() for part in CONTEXT], "plaintext": plaintext.hex()}
        for purpose in (Purpose.VERSION, Purpose.SEGMENT)
        for plaintext in plaintexts
    ]
    expected = [["ok", case["plaintext"]] for case in cases]
    for sealing_tier, opening_tier in ((here, in_pure_tier), (in_pure_tier, here)):
        sealed = [{**case, "sealed": made} for case, made in zip(cases, sealing_tier("seal", cases), strict=True)]
        assert opening_tier("unseal", sealed) == expected
        broken = [{**case, "sealed": case["sealed"][:-2] + "00"} for case in sealed if case["sealed"][-2:] != "00"]
        assert opening_tier("unseal", broken) == [["SealError", "box"]] * len(broken)
