"""The record: one spelling, one hash, and a refusal with a reason for whatever else arrives."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from ghostie import codec
from ghostie.errors import BadJson, BadMemory, TooLarge
from ghostie.memory import (
    DEFAULTS,
    FIELDS,
    MAX_CONTENT,
    MAX_DEPTH,
    MAX_TAGS,
    MAX_VERSION,
    MAX_WORD,
    Version,
    derived_id,
    id_from,
    is_id,
    local,
    make_version,
    memory,
    millis,
    new_id,
    parse_version,
    stamp,
    trusted_version,
)

pytestmark = pytest.mark.versions

ID = "a2b3c4d5e6f7abcdefghijklmn"
TIME = "2025-06-28T14:30:00.000Z"
FIRST = {"version": 1, "last_modified": TIME}
PARENT = "0" * 64


def made(fields: dict[str, Any] | None = None, **sync: Any) -> Version:
    return make_version({"id": ID, "content": "hello", **(fields or {})}, {**FIRST, **sync})


def spelt(change: Callable[[dict[str, Any]], object] = lambda record: None) -> bytes:
    """Return the bytes of a good record after *change*."""
    record = json.loads(made().raw)
    change(record)
    return json.dumps(record).encode()


# -- ids -------------------------------------------------------------------------------------------------------------


def test_an_id_spells_sixteen_bytes_in_26_characters() -> None:
    assert id_from(bytes(16)) == "a" * 26
    assert len({id_from(bytes([bit]) + bytes(15)) for bit in range(256)}) == 256
    assert len({id_from(bytes(15) + bytes([bit])) for bit in range(256)}) == 256


def test_a_new_id_is_one_and_no_two_are_alike() -> None:
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(map(is_id, ids))


def test_a_new_id_takes_its_randomness_from_where_it_is_told() -> None:
    assert new_id(lambda count: b"\x07" * count) == id_from(b"\x07" * 16)


def test_a_derived_id_is_the_same_for_the_same_parts_only() -> None:
    assert derived_id(b"a", b"bc") == derived_id(b"a", b"bc")
    assert len({derived_id(b"a", b"bc"), derived_id(b"ab", b"c"), derived_id(b"abc"), derived_id(b"abc", b"")}) == 4


@pytest.mark.parametrize(
    "text", ["", "a" * 25, "a" * 27, "A" * 26, "a" * 25 + "1", "a" * 25 + "\n", "é" * 26, "../" * 9]
)
def test_what_is_no_id_is_not_taken_for_one(text: str) -> None:
    assert not is_id(text)


# -- times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (1_751_121_000_007, "2025-06-28T14:30:00.007Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_a_moment_is_spelt_and_read_back(milliseconds: int, text: str) -> None:
    assert stamp(milliseconds) == text
    assert millis(text) == milliseconds


CENTRAL_EUROPE = "CET-1CEST,M3.5.0,M10.5.0/3"


@pytest.mark.parametrize(
    ("zone", "text", "told"),
    [
        ("IST-5:30", "2025-06-28T23:30:59.000Z", "2025-06-29 05:00"),
        (CENTRAL_EUROPE, "2025-06-28T14:30:00.000Z", "2025-06-28 16:30"),
        (CENTRAL_EUROPE, "2025-12-28T14:30:00.000Z", "2025-12-28 15:30"),
        ("<-03>3", "0001-01-01T00:00:00.000Z", "0001-01-01 00:00 UTC"),
    ],
)
def test_a_moment_is_told_by_the_persons_own_clock(
    zone: str, text: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as changed:
        changed.setenv("TZ", zone)
        time.tzset()
        said = local(millis(text))
    time.tzset()
    assert said == told


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("2025-06-28", "2025-06-28T00:00:00.000Z"),
        ("2025-06-28 14:30", "2025-06-28T14:30:00.000Z"),
        ("2025-06-28T14:30:00+02:00", "2025-06-28T12:30:00.000Z"),
        ("2025-06-28T14:30:00.123999Z", "2025-06-28T14:30:00.123Z"),
        ("20250628T143000Z", "2025-06-28T14:30:00.000Z"),
        (1_751_121_000, "2025-06-28T14:30:00.000Z"),
        (1_751_121_000.5, "2025-06-28T14:30:00.500Z"),
        (1_751_121_000_500, "2025-06-28T14:30:00.500Z"),
    ],
)
def test_times_as_other_tools_write_them_get_the_one_spelling(said: object, kept: str) -> None:
    assert memory("x", timestamp=said)["timestamp"] == kept


@pytest.mark.parametrize(
    "said",
    [
        "yesterday",
        "",
        "2025-02-30",
        "2025-06-28T25:00:00Z",
        "2025-06-28T24:00:00.000Z",
        "2025-99-99T99:99:99.000Z",
        "0000-01-01T00:00:00.000Z",
        "0001-01-01T00:00:00+10:00",
        "9999-12-31T23:59:59-10:00",
        True,
        0,
        -5,
        1e15,
        float("nan"),
        float("inf"),
        [],
        {},
    ],
)
def test_what_is_no_time_is_refused(said: object) -> None:
    with pytest.raises(BadMemory, match="time"):
        memory("x", timestamp=said)


# -- canonical bytes -------------------------------------------------------------------------------------------------


def test_the_hash_is_that_of_the_canonical_bytes() -> None:
    version = made({"tags": ["a", "b"], "category": "network"})
    assert version.hash == hashlib.sha256(version.raw).hexdigest()
    assert version.raw == codec.dumps(json.loads(version.raw))
    assert version.stem == f"{ID}.{version.hash[:32]}"


def test_what_is_at_its_default_is_left_out() -> None:
    full = {**DEFAULTS, "content": "hello", "id": ID, "timestamp": None}
    assert make_version(full, {**FIRST, "parents": [], "deleted": False}).raw == made().raw


def test_scope_anchor_and_source_leave_out_what_is_null() -> None:
    with_nulls = made({"scope": {"repo": "r", "branch": None}, "anchor": {"commit": None}, "source": {}})
    assert with_nulls.raw == made({"scope": {"repo": "r"}}).raw


def test_the_order_in_which_fields_were_given_does_not_matter() -> None:
    one = make_version({"id": ID, "content": "x", "context": {"a": 1, "b": 2}}, FIRST)
    two = make_version({"context": {"b": 2, "a": 1}, "content": "x", "id": ID}, dict(reversed(FIRST.items())))
    assert (one.raw, one.hash) == (two.raw, two.hash)


def test_parsing_hashes_what_arrived_and_writes_nothing_anew() -> None:
    raw = spelt().replace(b": ", b" :\n ")
    version = parse_version(raw)
    assert version.raw == raw
    assert version.hash == hashlib.sha256(raw).hexdigest() != made().hash


def test_unknown_fields_are_kept_and_shown() -> None:
    version = parse_version(spelt(lambda record: record.update({"mood": {"is": "good"}})))
    assert version.record["mood"] == version.shown()["mood"] == {"is": "good"}


def test_a_version_that_was_made_is_taken_in_as_it_is() -> None:
    version = made({"context": {"n": 10**30, "f": 0.1}, "tags": ["lan"]}, version=2, parents=[PARENT], deleted=True)
    again = parse_version(version.raw)
    assert (again, again.record) == (version, version.record)
    assert trusted_version(version.raw, version.hash) == version


def test_text_of_every_kind_makes_the_round_trip() -> None:
    text = "NUL \x00, controls \x07\x1b[31m, \r\n, é e\u0301, \u2028, \ufeff, \U0001f47b" * 100
    assert parse_version(memory_version(text).raw).field("content") == text


def memory_version(content: str, **fields: Any) -> Version:
    return make_version({**memory(content, **fields), "id": ID}, FIRST)


def test_a_version_answers_for_what_it_holds() -> None:
    version = made({"category": "network"}, version=3, parents=[PARENT], deleted=True, purges=["f" * 64])
    assert (version.id, version.number, version.parents) == (ID, 3, (PARENT,))
    assert (version.deleted, version.purges, version.modified) == (True, ("f" * 64,), millis(TIME))
    assert version.field("category") == "network"
    assert {name: version.field(name) for name in ("kind", "status", "tags")} == {
        "kind": "memory",
        "status": "active",
        "tags": [],
    }


def test_what_is_shown_has_every_field_and_the_derived_ones() -> None:
    shown = made({"scope": {"repo": "r"}}).shown("open")
    assert shown.keys() >= {"id", "sync_metadata", *FIELDS} - {"timestamp"}
    assert shown["scope"] == {"repo": "r", "branch": None, "agent": None}
    assert shown["sync_metadata"]["sync_hash"] == f"sha256:{made({'scope': {'repo': 'r'}}).hash}"
    assert (shown["sync_metadata"]["conflict_state"], shown["sync_metadata"]["parents"]) == ("open", [])


def test_derived_fields_that_a_stranger_wrote_are_not_shown() -> None:
    def lie(record: dict[str, Any]) -> None:
        record["sync_metadata"].update({"sync_hash": "sha256:" + "f" * 64, "conflict_state": "none at all"})

    version = parse_version(spelt(lie))
    assert version.shown()["sync_metadata"]["sync_hash"] == f"sha256:{version.hash}"
    assert version.shown()["sync_metadata"]["conflict_state"] is None


def test_two_versions_say_the_same_whenever_and_wherever_they_were_made() -> None:
    one = made({"timestamp": TIME, "device_id": "laptop"})
    two = made({"device_id": "phone"}, version=2, parents=[PARENT], last_modified="2026-01-01T00:00:00.000Z")
    assert one.say() == two.say()
    assert one.say() != made({"content": "other"}).say() != made(version=2, parents=[PARENT], deleted=True).say()


# -- what is refused -------------------------------------------------------------------------------------------------


def _sync(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda record: record["sync_metadata"].update(changes)


def _with(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda record: record.update(changes)


REFUSED: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no id": (lambda record: record.pop("id"), "its id"),
    "a number for an id": (_with(id=7), "its id"),
    "an id with a path": (_with(id="../../../etc/passwd0000000"), "its id"),
    "an upper-case id": (_with(id=ID.upper()), "its id"),
    "an id with a newline": (_with(id=ID + "\n"), "its id"),
    "no sync_metadata": (lambda record: record.pop("sync_metadata"), "no sync_metadata"),
    "a list for sync_metadata": (_with(sync_metadata=[]), "no sync_metadata"),
    "no version": (lambda record: record["sync_metadata"].pop("version"), "its version"),
    "version 0": (_sync(version=0), "its version"),
    "a negative version": (_sync(version=-1), "its version"),
    "a version that is true": (_sync(version=True), "its version"),
    "a version with a point": (_sync(version=1.0), "its version"),
    "a version in quotes": (_sync(version="1"), "its version"),
    "a version beyond counting": (_sync(version=1 << 40), "its version"),
    "no last_modified": (lambda record: record["sync_metadata"].pop("last_modified"), "last_modified"),
    "a number for last_modified": (_sync(last_modified=5), "last_modified"),
    "a last_modified without milliseconds": (_sync(last_modified="2025-06-28T14:30:00Z"), "last_modified"),
    "a last_modified with an offset": (_sync(last_modified="2025-06-28T14:30:00.000+02:00"), "last_modified"),
    "a last_modified on no day": (_sync(last_modified="2025-02-30T14:30:00.000Z"), "not a time"),
    "a last_modified after midnight": (_sync(last_modified="2025-06-28T24:00:00.000Z"), "last_modified"),
    "a last_modified in other digits": (_sync(last_modified="２０２５-06-28T14:30:00.000Z"), "last_modified"),
    "parents that are a text": (_sync(version=2, parents=PARENT), "its parents"),
    "a parent that is no hash": (_sync(version=2, parents=["x"]), "its parents"),
    "a parent in upper case": (_sync(version=2, parents=["F" * 64]), "its parents"),
    "a parent that is a number": (_sync(version=2, parents=[7]), "its parents"),
    "a parent twice": (_sync(version=2, parents=[PARENT, PARENT]), "do not fit"),
    "a first version with a parent": (_sync(parents=[PARENT]), "do not fit"),
    "a second version without parents": (_sync(version=2), "do not fit"),
    "purges that are no hashes": (_sync(purges=["../x"]), "its purges"),
    "purges that are null": (_sync(purges=None), "its purges"),
    "deleted as a number": (_sync(deleted=1), "its deleted"),
    "deleted as null": (_sync(deleted=None), "its deleted"),
    "deleted as a text": (_sync(deleted="no"), "its deleted"),
    "content that is a number": (_with(content=7), "content is not text"),
    "content that is null": (_with(content=None), "content is not text"),
    "a category that is a list": (_with(category=["a"]), "category"),
    "an empty category": (_with(category=""), "category"),
    "a category of two lines": (_with(category="a\nb"), "category"),
    "a category with an escape": (_with(category="\x1b[2J"), "category"),
    "a category with a line separator": (_with(category="a\u2028b"), "category"),
    "a category that is too long": (_with(category="x" * (MAX_WORD + 1)), "category"),
    "a kind of two lines": (_with(kind="a\rb"), "kind"),
    "a device_id that is a number": (_with(device_id=7), "device_id"),
    "an unknown status": (_with(status="gone"), "status"),
    "a status that is a list": (_with(status=["active"]), "status"),
    "an unknown privacy": (_with(privacy="public"), "privacy"),
    "a timestamp that is a number": (_with(timestamp=5), "timestamp"),
    "a timestamp on no day": (_with(timestamp="2025-99-99T14:30:00.000Z"), "timestamp"),
    "a timestamp on the 30th of February": (_with(timestamp="2025-02-30T14:30:00.000Z"), "not a time"),
    "a timestamp in the year 0": (_with(timestamp="0000-01-01T00:00:00.000Z"), "not a time"),
    "tags that are a text": (_with(tags="lan"), "tags"),
    "too many tags": (_with(tags=[f"t{n}" for n in range(MAX_TAGS + 1)]), "tags"),
    "a tag that is a number": (_with(tags=[7]), "a tag"),
    "an empty tag": (_with(tags=[""]), "a tag"),
    "a tag with a NUL": (_with(tags=["a\x00b"]), "a tag"),
    "context that is a list": (_with(context=[]), "context"),
    "scope that is a text": (_with(scope="repo"), "scope"),
    "anchor that is a number": (_with(anchor=1), "anchor"),
    "source that is a list": (_with(source=["x"]), "source"),
    "links that are an object": (_with(links={"type": "a", "to": "b"}), "links"),
    "a link without its end": (_with(links=[{"type": "supersedes"}]), "links"),
    "a link whose type is a number": (_with(links=[{"type": 1, "to": "x"}]), "links"),
    "context that is too deep": (_with(context={"a": json.loads("[" * 99 + "]" * 99)}), "deep"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_refuses(name: str) -> None:
    change, why = REFUSED[name]
    with pytest.raises(BadMemory) as refused:
        parse_version(spelt(change))
    assert why in str(refused.value)


@pytest.mark.parametrize("raw", [b"[]", b'"memory"', b"7", b"null", b"true"])
def test_what_is_no_object_is_no_memory(raw: bytes) -> None:
    with pytest.raises(BadMemory, match="not an object"):
        parse_version(raw)


@pytest.mark.parametrize("raw", [b"", b"{", b'{"id":NaN}', b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_no_memory(raw: bytes) -> None:
    with pytest.raises(BadJson):
        parse_version(raw)


def test_nesting_is_taken_up_to_the_bound() -> None:
    # the record and its context are two levels themselves
    deepest = json.loads("[" * (MAX_DEPTH - 2) + "]" * (MAX_DEPTH - 2))
    assert memory_version("x", context={"a": deepest}).field("context") == {"a": deepest}
    with pytest.raises(BadMemory, match="deep"):
        memory_version("x", context={"a": [deepest]})


def test_brackets_in_a_text_are_no_nesting() -> None:
    assert parse_version(memory_version("[" * 100_000).raw).field("content") == "[" * 100_000


def test_content_of_a_mebibyte_is_taken_and_a_byte_more_is_not() -> None:
    assert len(memory_version("x" * MAX_CONTENT).field("content")) == MAX_CONTENT
    assert memory_version("\U0001f47b" * (MAX_CONTENT // 4)).field("content").startswith("\U0001f47b")
    for content in ("x" * (MAX_CONTENT + 1), "\U0001f47b" * (MAX_CONTENT // 4) + "x"):
        with pytest.raises(TooLarge):
            memory(content)
        with pytest.raises(TooLarge):
            parse_version(spelt(_with(content=content)))


def test_content_that_grows_in_json_still_fits_a_version() -> None:
    version = memory_version("\x00" * MAX_CONTENT)
    assert len(version.raw) < MAX_VERSION
    assert parse_version(version.raw).field("content") == "\x00" * MAX_CONTENT


def test_a_version_above_its_bound_is_refused_unread() -> None:
    with pytest.raises(TooLarge):
        parse_version(b"[" * (MAX_VERSION + 1))
    with pytest.raises(TooLarge):
        memory_version("x", context={"a": "y" * MAX_VERSION})


@pytest.mark.parametrize("content", ["a\ud800b", "\udfff" * 300_000], ids=["short", "long"])
def test_content_with_half_a_character_is_refused(content: str) -> None:
    with pytest.raises(BadMemory, match="half a character"):
        memory(content)


@pytest.mark.parametrize("fields", [{"category": "\ud800"}, {"tags": ["\ud800"]}, {"context": {"\ud800": 1}}])
def test_half_a_character_anywhere_else_is_refused_too(fields: dict[str, Any]) -> None:
    with pytest.raises(BadJson):
        memory_version("x", **fields)


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, float("nan"), float("inf")])
def test_context_that_is_no_json_is_refused(value: object) -> None:
    with pytest.raises(BadJson):
        memory_version("x", context={"a": value})


# -- what a caller hands in ------------------------------------------------------------------------------------------


def test_an_unknown_field_is_named() -> None:
    with pytest.raises(BadMemory, match="'mood'"):
        memory("x", mood="good")


@pytest.mark.parametrize("name", ["id", "sync_metadata"])
def test_nobody_sets_what_is_ghosties_own(name: str) -> None:
    with pytest.raises(BadMemory):
        memory("x", **{name: "y"})


def test_tags_are_trimmed_sorted_and_each_there_once() -> None:
    assert memory("x", tags=["lan", " dns ", "lan", "dns"])["tags"] == ["dns", "lan"]


def test_null_fields_are_as_if_not_given() -> None:
    assert memory("x", category=None, tags=None) == {"content": "x"}


@pytest.mark.parametrize(
    "fields",
    [{"tags": "lan"}, {"tags": [" "]}, {"tags": [7]}, {"scope": "repo"}, {"links": [1]}, {"status": "gone"}],
)
def test_what_a_caller_hands_in_is_checked(fields: dict[str, Any]) -> None:
    with pytest.raises(BadMemory):
        memory("x", **fields)


@pytest.mark.parametrize("name", ["scope", "anchor", "source"])
def test_a_version_is_not_made_from_what_is_no_object(name: str) -> None:
    with pytest.raises(BadMemory, match=name):
        made({name: "text"})
