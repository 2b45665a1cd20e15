"""JSON has one meaning on every device: the same bytes, values and refusals with orjson and without."""

from __future__ import annotations

import enum
import json
import math
import tracemalloc
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from ghostie import codec
from ghostie.errors import BadJson
from tests.patience import little_memory, little_time
from tests.tiers import here, in_pure_tier

pytestmark = pytest.mark.versions

LONG = "7" * 400

GOOD: dict[str, bytes] = {
    "nothing": b"null",
    "an empty object": b"{}",
    "an empty text": b'""',
    "spaces around": b" \t\r\n[ 1 , 2 ] \n",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a small integer": b"7",
    "the last exact integer": b"9007199254740991",
    "the first inexact integer": b"9007199254740992",
    "an integer of 16 digits": b"1234567890123456",
    "an integer of 17 digits": b"-12345678901234567",
    "the largest signed integer": b"9223372036854775807",
    "the smallest signed integer": b"-9223372036854775808",
    "the largest unsigned integer": b"18446744073709551615",
    "one more than 64 bits": b"18446744073709551616",
    "an integer of 30 digits": b"123456789012345678901234567890",
    "an integer of 308 digits": b"9" * 308,
    "an integer of 309 digits": b"9" * 309,
    "an integer of 400 digits": LONG.encode(),
    "a long integer deep inside": b'{"a":[{"b":[1,2,' + LONG.encode() + b"]}]}",
    "minus zero": b"-0",
    "minus zero as a float": b"-0.0",
    "a float that is whole": b"1.0",
    "a tenth": b"0.1",
    "a float with an exponent": b"1E5",
    "a float at which spellings part": b"1e16",
    "a float below which spellings part": b"0.00001",
    "a float that vanishes": b"1e-400",
    "the smallest float": b"5e-324",
    "the largest float": b"1.7976931348623157e308",
    "a float of many digits": b"123456789012345678901234567890.5",
    "a name twice": b'{"a":1,"b":2,"a":3}',
    "names out of order": '{"b":1,"a":2,"é":3,"\U0001f600":4,"\uffee":5,"Z":6}'.encode(),
    "NUL by its escape": b'"\\u0000"',
    "every control by its escape": b'"' + b"".join(b"\\u%04x" % code for code in range(32)) + b'"',
    "short escapes": b'"\\b\\f\\n\\r\\t\\"\\\\\\/"',
    "delete, raw": b'"\x7f"',
    "C1 controls, raw": '"\x80\x85\x9f"'.encode(),
    "line separators": '"\u2028\u2029"'.encode(),
    "a byte order mark inside": '"\ufeff"'.encode(),
    "noncharacters": '"\ufffe\uffff\U0010ffff"'.encode(),
    "an emoji": '"\U0001f47b"'.encode(),
    "an emoji by its escapes": b'"\\ud83d\\udc7b"',
    "an emoji by its escapes, upper-case": b'"\\uD83D\\uDC7B"',
    "combining marks kept apart": '["e\u0301","\u00e9"]'.encode(),
    "brackets in a text": b'"' + b"[" * 5000 + b'"',
    "brackets behind an escaped quote": b'"\\"' + b"[" * 5000 + b'"',
    "as deep as it goes": b"[" * 200 + b"]" * 200,
    "as deep as it goes, mixed": b'{"a":[' * 100 + b"]}" * 100,
    "as deep as it goes, with a float": b"[" * 200 + b"0.5" + b"]" * 200,
    "many side by side": b"[" + b",".join([b"[]"] * 5000) + b"]",
}

BAD: dict[str, bytes] = {
    "no bytes": b"",
    "only spaces": b"  ",
    "two values": b"1 2",
    "a trailing comma": b"[1,]",
    "a comment": b"[1] // one",
    "single quotes": b"{'a':1}",
    "a bare name": b"{a:1}",
    "a number as a name": b"{1:1}",
    "a leading zero": b"01",
    "a leading plus": b"+1",
    "a bare point": b"1.",
    "a leading point": b".5",
    "hex": b"0x10",
    "an underscore": b"1_0",
    "digits of another script": '"a":\u0661'.encode(),
    "NaN": b"NaN",
    "NaN inside": b'{"a":[1,NaN]}',
    "Infinity": b"Infinity",
    "minus Infinity": b"-Infinity",
    "a number beyond every float": b"1e400",
    "a negative number beyond every float": b"-1E+400",
    "a number beyond every float, inside": b'{"a":[0.5,1e309]}',
    "an integer of 5000 digits": b"1" * 5000,
    "half a character by its escape": b'"\\ud800"',
    "the other half by its escape": b'"\\udc00"',
    "two halves in the wrong order": b'"\\udc7b\\ud83d"',
    "half a character and then a letter": b'"\\ud83dx"',
    "half a character in a name": b'{"\\ud800":1}',
    "half a character, raw": b'"\xed\xa0\x80"',
    "a pair of halves, raw": b'"\xed\xa0\xbd\xed\xb1\xbb"',
    "a lone byte": b"\xff",
    "a lone byte in a text": b'"\xff"',
    "a lone byte in a name": b'{"\x80":1}',
    "an overlong slash": b'"\xc0\xaf"',
    "beyond the last character": b'"\xf4\x90\x80\x80"',
    "a cut character": b'"\xf0\x9f\x91"',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "UTF-32 without a mark": '{"a":1}'.encode("utf-32-le"),
    "two byte order marks": b"\xef\xbb\xbf\xef\xbb\xbf{}",
    "NUL, raw": b'"\x00"',
    "NUL behind": b"{}\x00",
    "a newline in a text": b'"a\nb"',
    "a tab in a text": b'"a\tb"',
    "an unknown escape": b'"\\x41"',
    "a cut escape": b'"\\u00"',
    "a cut text": b'"abc',
    "a text cut at an escape": b'"abc\\',
    "a cut list": b"[1,2",
    "one level too deep": b"[" * 201 + b"]" * 201,
    "one level too deep, mixed": b'{"a":[' * 100 + b"{}" + b"]}" * 100,
    "one level too deep, with a float": b"[0.5," * 201 + b"1" + b"]" * 201,
    "a thousand levels": b"[" * 1000 + b"]" * 1000,
    "a hundred thousand levels": b"[" * 100_000 + b"]" * 100_000,
    "a hundred thousand levels, never closed": b'{"a":' * 100_000,
    "a hundred thousand closed": b"]" * 100_000,
}

# for the standard json, which also reads NaN and half characters
WRITABLE: tuple[str, ...] = (
    '{"b":[1,2,{"d":1,"c":2}],"a":null}',
    '{"\U0001f600":1,"\uffee":2,"z":3,"é":4,"a":5,"A":6,"":7}',
    '["\\u0000\\b\\t\\n\\f\\r\\u001f\\"\\\\/\\u007f\u0080\u2028\u2029\ufeff\U0001f47b"]',
    "[true,false,null,0,-0,1,-1]",
    "[9007199254740991,9007199254740992,9007199254740993,-9007199254740993]",
    "[18446744073709551615,18446744073709551616," + LONG + "]",
    "[0.1,-0.0,1.0,1e5,1e15,1e16,1e17,1e21,1e22,1e-5,1e-7,5e-324,1.7976931348623157e308,123456789.123456789]",
    '{"a":0.5,"deep":{"b":[1.5,"x"]}}',
    "[" * 200 + "]" * 200,
)

UNWRITABLE: tuple[str, ...] = (
    "NaN",
    "[Infinity]",
    '{"a":-Infinity}',
    '"\\ud800"',
    '{"\\udfff":1}',
    '[0.5,"\\ud800"]',
    "[" * 201 + "]" * 201,
    "[0.5," * 201 + "1" + "]" * 201,
)


def test_both_tiers_are_what_they_say() -> None:
    assert in_pure_tier("tiers", [None]) == [["libsodium", "json"]]


def test_what_is_read_is_the_same_with_orjson_and_without() -> None:
    cases = {name: text.hex() for name, text in (GOOD | BAD).items()}
    fast, pure = here("read_json", list(cases.values())), in_pure_tier("read_json", list(cases.values()))
    assert dict(zip(cases, fast, strict=True)) == dict(zip(cases, pure, strict=True))


def test_what_is_written_is_the_same_with_orjson_and_without() -> None:
    cases = [*WRITABLE, *UNWRITABLE]
    fast, pure = here("write_json", cases), in_pure_tier("write_json", cases)
    assert fast == pure
    assert [outcome for outcome, _ in fast] == ["ok"] * len(WRITABLE) + ["BadJson"] * len(UNWRITABLE)


@pytest.mark.parametrize("name", GOOD)
def test_it_reads(name: str) -> None:
    text = GOOD[name]
    expected = json.loads(text.decode("utf-8-sig"))
    value = codec.loads(text)
    assert (repr(value), type(value)) == (repr(expected), type(expected))
    assert codec.loads(codec.dumps(value)) == value


@pytest.mark.parametrize("name", BAD)
def test_it_refuses(name: str) -> None:
    with pytest.raises(BadJson):
        codec.loads(BAD[name])


@pytest.mark.parametrize("text", UNWRITABLE)
def test_it_does_not_write(text: str) -> None:
    with pytest.raises(BadJson):
        codec.dumps(json.loads(text))


def test_text_is_read_like_its_bytes() -> None:
    assert codec.loads('\ufeff{"a":"é"}') == codec.loads('{"a":"é"}'.encode()) == {"a": "é"}


def test_text_with_half_a_character_is_refused() -> None:
    with pytest.raises(BadJson, match="half a character"):
        codec.loads('"\ud800"')


def test_the_canonical_spelling_has_sorted_names_no_spaces_and_raw_characters() -> None:
    assert codec.dumps({"b": [1, 2], "a": "é\u2028"}) == '{"a":"é\u2028","b":[1,2]}'.encode()


def test_names_are_sorted_by_character_and_not_by_half_characters() -> None:
    # UTF-16 would put the emoji before the last character of the basic plane
    assert codec.dumps({"\U0001f600": 1, "\uffee": 2}) == '{"\uffee":2,"\U0001f600":1}'.encode()


def test_the_last_of_two_values_under_one_name_holds() -> None:
    assert codec.loads(b'{"a":1,"a":2}') == {"a": 2}


def test_integers_keep_every_digit() -> None:
    for digits in range(16, 401):
        number = int("8" * digits)
        assert codec.dumps([number, -number]) == f"[{number},{-number}]".encode()
        assert codec.loads(b"[%d]" % number) == [number]


def test_minus_zero_keeps_its_sign_as_a_float_only() -> None:
    assert math.copysign(1, codec.loads(b"-0.0")) == -1
    assert codec.dumps(codec.loads(b"-0.0")) == b"-0.0"
    assert codec.dumps(codec.loads(b"-0")) == b"0"


class _Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    "value",
    [uuid.UUID(int=7), _Colour.RED, datetime(2025, 1, 1, tzinfo=UTC), b"bytes", {1, 2}, object(), {_Colour.RED: 1}],
    ids=lambda value: type(value).__name__,
)
def test_only_what_json_itself_knows_is_written(value: object) -> None:
    for put in (value, [value], {"a": {"b": value}}):
        with pytest.raises(BadJson):
            codec.dumps(put)


def test_what_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append([loop])
    with pytest.raises(BadJson):
        codec.dumps(loop)
    with pytest.raises(BadJson):
        codec.dumps({"a": 0.5, "b": loop})


def test_a_value_deeper_than_python_can_follow_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(BadJson, match="too deeply"):
        codec.dumps(deep)


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        (b"1", 0),
        (b"[]", 1),
        (b'{"a":[]}', 2),
        (b'"[[["', 0),
        (b'["\\"[[",[]]', 2),
        (b'["\\\\",[[]]]', 3),
        (b'[[],[[]],"]]]"]', 3),
        (b"]]][", 0),
    ],
)
def test_depth_counts_brackets_outside_texts(text: bytes, levels: int) -> None:
    assert codec.depth(text) == levels


@pytest.mark.once
@pytest.mark.parametrize(
    "text",
    [b'"' + b"a" * (1 << 20) + b'"', b'"\\', b'"' + b"\\" * (1 << 20), b'\\"', b'"', b'[""', b"["],
    ids=["one long text", "never closed", "backslashes", "escaped quotes", "quotes", "brackets and quotes", "brackets"],
)
def test_depth_of_hostile_text_costs_little(text: bytes) -> None:
    text *= -(-(1 << 20) // len(text))
    with little_time(10), little_memory():  # were it quadratic, an hour
        codec.depth(text)


def test_refusing_a_hundred_thousand_levels_takes_no_stack_and_little_memory() -> None:
    tracemalloc.start()
    for text in (b"[" * 100_000, b'{"a":' * 100_000, b"[0.5," * 100_000):
        with pytest.raises(BadJson, match="too deeply"):
            codec.loads(text)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8 << 20


def test_what_is_written_for_ourselves_is_read_back() -> None:
    value = {"rows": [{"id": "a", "n": 1 << 50}], "text": "é\u2028\x00"}
    assert codec.loads_own(codec.dumps_own(value)) == value
    assert codec.loads(codec.dumps_own(value)) == value
