"""Any bytes under any context: what was sealed opens unchanged, and whatever else is refused with a SealError."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from ghostie.crypto import sodium
from ghostie.crypto.keys import first_epoch
from ghostie.crypto.sealing import FRAME, HEADER, OVERHEAD, Keys, Purpose, SealError, padded, seal, subkey, unseal

pytestmark = pytest.mark.versions

KEYS = first_epoch(bytes(range(32)))
ONE = seal(KEYS, Purpose.VERSION, (b"name",), b"the one plaintext" * 10)

purposes = st.sampled_from(Purpose)
parts = st.binary(max_size=12)
contexts = st.lists(parts, max_size=4).map(tuple)
plaintexts = st.one_of(
    st.binary(max_size=4096),
    st.builds(lambda piece, count: piece * count, st.binary(max_size=40), st.integers(0, 2000)),
)


@given(purposes, contexts, plaintexts, st.booleans())
def test_any_bytes_make_the_round_trip(
    purpose: Purpose, context: tuple[bytes, ...], plaintext: bytes, compress: bool
) -> None:
    assume(len(plaintext) <= purpose.limit)
    sealed = seal(KEYS, purpose, context, plaintext, compress=compress)
    assert unseal(KEYS, purpose, context, sealed) == plaintext
    assert len(sealed) - OVERHEAD == padded(len(sealed) - OVERHEAD)


@given(contexts, contexts)
@example((b"a", b"b"), (b"ab",))
@example((b"",), ())
@example((b"", b"a"), (b"a", b""))
def test_no_two_contexts_are_one(one: tuple[bytes, ...], two: tuple[bytes, ...]) -> None:
    assert (subkey(bytes(32), Purpose.VERSION, *one) == subkey(bytes(32), Purpose.VERSION, *two)) == (one == two)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_no_key_opens_what_another_sealed(one: bytes, two: bytes) -> None:
    assume(one != two)
    sealed = seal(Keys(bytes(16), {1: one}), Purpose.VERSION, (), b"x")
    with pytest.raises(SealError):
        unseal(Keys(bytes(16), {1: two}), Purpose.VERSION, (), sealed)


@given(st.binary(max_size=600))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(SealError):
        unseal(KEYS, Purpose.VERSION, (b"name",), data)


@given(st.data())
def test_any_change_is_refused(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(ONE)))
    end = data.draw(st.integers(start, len(ONE)))
    changed = ONE[:start] + data.draw(st.binary(max_size=end - start + 8)) + ONE[end:]
    assume(changed != ONE)
    with pytest.raises(SealError):
        unseal(KEYS, Purpose.VERSION, (b"name",), changed)


claims = st.one_of(st.integers(0, 40), st.integers(0, (1 << 32) - 1))
bodies = st.one_of(st.binary(max_size=60), st.binary(max_size=60).map(zlib.compress))


@given(st.integers(0, 3), claims, claims, bodies, st.integers(-3, 3))
def test_any_frame_under_the_right_key_is_refused_or_yields_what_it_claims(
    method: int, stored: int, plain: int, body: bytes, more: int
) -> None:
    frame = bytes([method]) + stored.to_bytes(4, "big") + plain.to_bytes(4, "big") + body
    packed = frame.ljust(padded(FRAME + len(body)) + more, b"\0")
    bound = subkey(KEYS.epochs[1], Purpose.KEY, ONE[:4] + b"\x07" + ONE[5:25], KEYS.vault)
    box = sodium.secretbox(packed, bytes(24), bound)
    sealed = ONE[:4] + b"\x07" + ONE[5:25] + bytes(24) + box
    assert len(sealed) == HEADER + 16 + len(packed)
    try:
        plaintext = unseal(KEYS, Purpose.KEY, (), sealed)
    except SealError as refused:
        assert refused.facts["why"] in ("frame", "padding", "size", "length")
    else:
        assert len(plaintext) == plain <= Purpose.KEY.limit
        assert packed[FRAME + stored :].strip(b"\0") == b""


@given(st.integers(1, 1 << 40))
def test_a_padded_size_wastes_an_eighth_at_the_most(length: int) -> None:
    assert length <= padded(length) <= max(256, length + length // 8)
    assert padded(padded(length)) == padded(length)
