"""A segment opens under its own name, whole and unchanged, or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import pairwise, permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghostie import codec
from ghostie.crypto.keys import first_epoch, next_epoch
from ghostie.crypto.sealing import Keys, Purpose, Sealed, seal
from ghostie.errors import GhostieError, NewerFormat
from ghostie.memory import id_from, make_version, stamp
from ghostie.sync.segment import (
    FURTHEST,
    GENESIS,
    BadSegment,
    Entry,
    Segment,
    SegmentName,
    Tips,
    key_digest,
    key_name,
    open_segment,
    seal_segment,
)

from .world import START

pytestmark = pytest.mark.versions

KEYS = first_epoch(bytes(range(32)))
OTHERS = first_epoch(bytes(32))
TIPS = Tips(KEYS)
WRITER, OTHER = "00112233aabbccdd", "ffeeddccbbaa9988"
SEEN = {OTHER: (7, "0123456789abcdef")}


def raw(number: int) -> bytes:
    record = {"id": id_from(number.to_bytes(16, "big")), "content": f"memory {number}"}
    return make_version(record, {"version": 1, "last_modified": stamp(START + number)}).raw


def sealed(
    entries: Sequence[Entry], first: int = 1, before: str = GENESIS, *, keys: Keys = KEYS, writer: str = WRITER
) -> tuple[Segment, Sealed]:
    return seal_segment(
        keys,
        Tips(keys),
        writer=writer,
        first=first,
        before=before,
        device="phone",
        time=START,
        seen=SEEN,
        entries=entries,
    )


def opened(name: SegmentName, spelt: bytes, keys: Keys = KEYS) -> Segment:
    return open_segment(keys, Tips(keys), name, spelt)


# -- there and back ---------------------------------------------------------------------------------------------------


def test_what_was_sealed_is_opened_again() -> None:
    entries = [raw(number) for number in range(5)]
    segment, spelt = sealed(entries)
    again = opened(segment.name, spelt)
    assert again == segment
    assert again.raw == tuple(entries)
    assert [version.field("content") for version in again.versions()] == [f"memory {number}" for number in range(5)]
    assert (again.device, again.time, again.seen, again.before) == ("phone", START, SEEN, GENESIS)
    assert (again.name.writer, again.name.first, again.name.last) == (WRITER, 1, 5)


def test_a_name_is_read_back_from_the_key_that_it_spells() -> None:
    name = sealed([raw(1)], 42, "0123456789abcdef")[0].name
    assert SegmentName.parse(name.key) == name
    assert name.key == f"ghostie/{WRITER}/memories/42-42.{name.tip}.seg"


@pytest.mark.parametrize(
    "key",
    [
        f"ghostie/{WRITER}/memories/0-1.{'0' * 16}.seg",
        f"ghostie/{WRITER}/memories/01-1.{'0' * 16}.seg",
        f"ghostie/{WRITER}/memories/2-1.{'0' * 16}.seg",
        f"ghostie/{WRITER}/memories/1-{FURTHEST}.{'0' * 16}.seg",
        f"ghostie/{WRITER}/memories/1-1.{'0' * 15}.seg",
        f"ghostie/{WRITER}/memories/1-1.{'G' * 16}.seg",
        f"ghostie/{WRITER}/memories/1-1.{'0' * 16}.seg\n",
        f"ghostie/{WRITER}/memories/1-1.{'0' * 16}.seg.part",
        f"ghostie/{WRITER.upper()}/memories/1-1.{'0' * 16}.seg",
        f"ghostie/{WRITER}/1-1.{'0' * 16}.seg",
        f"elsewhere/{WRITER}/memories/1-1.{'0' * 16}.seg",
        "ghostie/global/keys/0123.key",
        "",
    ],
)
def test_what_is_no_segments_name_is_not_taken_for_one(key: str) -> None:
    assert SegmentName.parse(key) is None
    assert key_digest(key) is None


def test_a_key_objects_name_has_its_digest() -> None:
    digest = "0123456789abcdef" * 2
    assert key_digest(key_name(digest)) == digest


def test_a_purged_version_leaves_its_hash_and_the_tip_stays_what_it_was() -> None:
    entries: list[Entry] = [raw(1), raw(2), raw(3)]
    whole, _ = sealed(entries)
    entries[1] = (hashlib.sha256(raw(2)).digest(), None)
    scrubbed, spelt = sealed(entries)
    assert scrubbed.name == whole.name
    again = opened(scrubbed.name, spelt)
    assert again.raw == (raw(1), None, raw(3))
    assert again.hashes == whole.hashes
    assert [version.field("content") for version in again.versions()] == ["memory 1", "memory 3"]


def test_a_segment_may_hold_nothing_but_hashes() -> None:
    entries: list[Entry] = [(hashlib.sha256(bytes([number])).digest(), None) for number in range(3)]
    segment, spelt = sealed(entries)
    again = opened(segment.name, spelt)
    assert again.versions() == []
    assert again.hashes == tuple(entry[0] for entry in entries if isinstance(entry, tuple))


def test_what_was_sealed_before_the_keys_were_rotated_opens_after_it_and_tips_go_on() -> None:
    newer = next_epoch(KEYS)
    old, old_spelt = sealed([raw(1)])
    new, new_spelt = sealed([raw(2)], 2, old.name.tip, keys=newer)
    assert opened(old.name, old_spelt, newer).raw == (raw(1),)
    assert opened(new.name, new_spelt, newer).before == old.name.tip
    assert TIPS.along(WRITER, GENESIS, [*old.hashes, *new.hashes])[-1] == new.name.tip
    with pytest.raises(BadSegment):
        opened(new.name, new_spelt, KEYS)


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_every_flipped_byte_is_refused() -> None:
    segment, spelt = sealed([raw(number) for number in range(4)])
    assert opened(segment.name, spelt) == segment
    for place in range(len(spelt)):
        flipped = bytearray(spelt)
        flipped[place] ^= 1 << (place % 8)
        with pytest.raises(BadSegment):
            opened(segment.name, bytes(flipped))


def test_every_truncation_and_every_addition_is_refused() -> None:
    segment, spelt = sealed([raw(number) for number in range(4)])
    for length in range(len(spelt)):
        with pytest.raises(BadSegment):
            opened(segment.name, spelt[:length])
    for more in (b"\0", b"x" * 16, bytes(64), spelt):
        with pytest.raises(BadSegment):
            opened(segment.name, spelt + more)
    for junk in (b"", b"<html><body>502 Bad Gateway</body></html>", bytes(4096)):
        with pytest.raises(BadSegment):
            opened(segment.name, junk)


def test_bodies_swapped_between_names_are_refused() -> None:
    made = [sealed([raw(9)], 1, GENESIS, writer=OTHER)]
    before = GENESIS
    for number in range(1, 8):
        made.append(sealed([raw(number)], number, before))
        before = made[-1][0].name.tip
    for (one, _), (_, body) in permutations(made, 2):
        with pytest.raises(BadSegment):
            opened(one.name, body)


@pytest.mark.parametrize(
    "change", [{"writer": OTHER}, {"first": 2}, {"last": 4}, {"tip": "f" * 16}, {"first": 2, "last": 4}]
)
def test_a_relabelled_segment_is_refused(change: dict[str, str | int]) -> None:
    segment, spelt = sealed([raw(number) for number in range(3)])
    right: dict[str, Any] = {"writer": WRITER, "first": 1, "last": 3, "tip": segment.name.tip}
    with pytest.raises(BadSegment):
        opened(SegmentName(**right | change), spelt)


def test_a_segment_of_another_vault_is_refused_as_foreign() -> None:
    segment, spelt = sealed([raw(1)], keys=OTHERS)
    with pytest.raises(BadSegment) as refused:
        opened(segment.name, spelt)
    assert refused.value.facts["foreign"] is True


def test_a_segment_that_does_not_open_is_not_called_foreign() -> None:
    segment, spelt = sealed([raw(1)])
    with pytest.raises(BadSegment) as refused:
        opened(segment.name, spelt[:-1])
    assert refused.value.facts["foreign"] is False


def test_the_same_keys_under_another_vaults_id_do_not_open_it() -> None:
    segment, spelt = sealed([raw(1)])
    with pytest.raises(BadSegment):
        opened(segment.name, spelt, Keys(OTHERS.vault, KEYS.epochs))


def spelt_by_hand(name: SegmentName, header: object, entries: Sequence[bytes]) -> Sealed:
    """Seal whatever *header* says: only somebody who has the keys can, so it is a fault, not a lie."""
    head = header if isinstance(header, bytes) else codec.dumps(header)
    parts = [len(head).to_bytes(4, "big"), head]
    parts += [len(entry).to_bytes(4, "big") + entry for entry in entries]
    return seal(KEYS, Purpose.SEGMENT, (name.key.encode(),), b"".join(parts))


def good_header(name: SegmentName) -> dict[str, object]:
    return {
        "format": 1,
        "vault": KEYS.vault.hex(),
        "writer": name.writer,
        "device": "phone",
        "first": name.first,
        "last": name.last,
        "before": GENESIS,
        "tip": name.tip,
        "time": START,
        "seen": {},
    }


def test_a_header_made_by_hand_opens_if_it_is_right() -> None:
    name = sealed([raw(1)])[0].name
    assert opened(name, spelt_by_hand(name, good_header(name), [raw(1)])).raw == (raw(1),)


@pytest.mark.parametrize(
    "change",
    [
        {"vault": OTHERS.vault.hex()},
        {"writer": OTHER},
        {"first": 2},
        {"last": 2},
        {"tip": "f" * 16},
        {"before": "f" * 16},
        {"before": "short"},
        {"before": None},
        {"seen": {"not a writer": [1, "0" * 16]}},
        {"seen": {OTHER: [0, "0" * 16]}},
        {"seen": {OTHER: [FURTHEST, "0" * 16]}},
        {"seen": {OTHER: [True, "0" * 16]}},
        {"seen": {OTHER: [1, "short"]}},
        {"seen": {OTHER: [1]}},
        {"seen": []},
        {"seen": None},
        {"device": None},
        {"device": 5},
        {"time": "now"},
        {"time": 1.5},
        {"time": True},
        {"format": "1"},
        {"format": 0},
    ],
)
def test_a_header_that_says_something_wrong_is_refused(change: dict[str, object]) -> None:
    name = sealed([raw(1)])[0].name
    with pytest.raises(BadSegment):
        opened(name, spelt_by_hand(name, good_header(name) | change, [raw(1)]))


@pytest.mark.parametrize(
    "field", ["format", "vault", "writer", "device", "first", "last", "before", "tip", "time", "seen"]
)
def test_a_header_that_lacks_a_field_is_refused(field: str) -> None:
    name = sealed([raw(1)])[0].name
    header = good_header(name)
    del header[field]
    with pytest.raises(BadSegment):
        opened(name, spelt_by_hand(name, header, [raw(1)]))


@pytest.mark.parametrize("header", [b"", b"[]", b"null", b"not json", b"[" * 10_000, b'{"a":1,"a":1}'])
def test_a_header_that_is_no_object_is_refused(header: bytes) -> None:
    name = sealed([raw(1)])[0].name
    with pytest.raises(BadSegment):
        opened(name, spelt_by_hand(name, header, [raw(1)]))


def test_a_newer_format_is_named_and_not_called_damage() -> None:
    name = sealed([raw(1)])[0].name
    with pytest.raises(NewerFormat):
        opened(name, spelt_by_hand(name, good_header(name) | {"format": 2, "what": "is new"}, [raw(1)]))


@pytest.mark.parametrize("entries", [[], [raw(1), raw(2)], [raw(2)], [raw(1), b""]])
def test_versions_that_do_not_add_up_to_the_tip_are_refused(entries: list[bytes]) -> None:
    name = sealed([raw(1)])[0].name
    with pytest.raises(BadSegment):
        opened(name, spelt_by_hand(name, good_header(name), entries))


def test_an_entry_that_is_cut_is_refused() -> None:
    name = sealed([raw(1)])[0].name
    head = codec.dumps(good_header(name))
    whole = len(head).to_bytes(4, "big") + head + len(raw(1)).to_bytes(4, "big") + raw(1)
    for length in (len(whole) - 1, len(whole) - len(raw(1)), len(whole) - len(raw(1)) - 2, 2, 0):
        with pytest.raises(BadSegment):
            opened(name, seal(KEYS, Purpose.SEGMENT, (name.key.encode(),), whole[:length]))


def test_an_entry_that_is_no_version_is_refused_when_the_versions_are_asked_for() -> None:
    for nonsense in (b"not json", b"{}", b'{"id":"short"}'):
        name = sealed([nonsense])[0].name
        segment = opened(name, spelt_by_hand(name, good_header(name), [nonsense]))
        with pytest.raises(BadSegment):
            segment.versions()


@given(st.binary(max_size=400))
def test_no_bytes_at_all_do_more_than_be_refused(junk: bytes) -> None:
    name = sealed([raw(1)])[0].name
    with pytest.raises(GhostieError):
        opened(name, junk)
    with pytest.raises(GhostieError):
        opened(name, seal(KEYS, Purpose.SEGMENT, (name.key.encode(),), junk))


# -- tips -------------------------------------------------------------------------------------------------------------


@given(st.integers(1, 24), st.sets(st.integers(1, 23)), st.sets(st.integers(1, 23)))
def test_the_tips_are_the_same_however_a_log_is_split_into_segments(
    length: int, cuts: set[int], other_cuts: set[int]
) -> None:
    entries = [raw(number) for number in range(length)]
    all_tips = TIPS.along(WRITER, GENESIS, [hashlib.sha256(entry).digest() for entry in entries])
    for places in (cuts, other_cuts):
        before = GENESIS
        for start, end in pairwise([0, *sorted(place for place in places if place < length), length]):
            segment, spelt = sealed(entries[start:end], start + 1, before)
            again = opened(segment.name, spelt)
            assert TIPS.along(WRITER, again.before, again.hashes) == all_tips[start:end]
            before = again.name.tip
        assert before == all_tips[-1]


@given(
    st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=12),
    st.integers(0, 11),
    st.binary(min_size=32, max_size=32),
)
def test_another_hash_at_any_position_changes_every_tip_from_there_on(
    hashes: list[bytes], place: int, other: bytes
) -> None:
    place %= len(hashes)
    if hashes[place] == other:
        return
    changed = [*hashes[:place], other, *hashes[place + 1 :]]
    before, after = TIPS.along(WRITER, GENESIS, hashes), TIPS.along(WRITER, GENESIS, changed)
    assert before[:place] == after[:place]
    assert all(one != two for one, two in zip(before[place:], after[place:], strict=True))


def test_tips_tell_nothing_to_who_has_no_key_and_differ_between_writers_and_vaults() -> None:
    digest = hashlib.sha256(b"x").digest()
    assert (
        len({Tips(keys).along(writer, GENESIS, [digest])[0] for keys in (KEYS, OTHERS) for writer in (WRITER, OTHER)})
        == 4
    )
