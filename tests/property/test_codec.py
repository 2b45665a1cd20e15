"""Any value and any bytes: one canonical spelling, the same answer in both tiers, and no error but BadJson."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ghostie import codec
from ghostie.errors import BadJson
from tests.tiers import here, in_pure_tier

pytestmark = pytest.mark.versions

texts = st.text(st.characters(codec="utf-8"), max_size=20)
numbers = st.one_of(
    st.integers(),
    st.integers(-(1 << 70), 1 << 70),
    st.integers(-(10**400), 10**400),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0, -0.0, 0.0, 1.0, 1 << 53, (1 << 53) - 1, 1e16, 1e-5, 5e-324, 1.7976931348623157e308]),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(texts, inner, max_size=5)),
    max_leaves=30,
)

# pieces of JSON put together any old way: what is nearly JSON finds more than what is not
marks = b'{ } [ ] , : " \\ \\u \\ud83d \\udc7b 0 - 1 . e E+ 1e400 null true NaN Infinity "a": {"a":'.split(b" ")
odd = (
    b" ",
    b"\n",
    b"\x00",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    "\u2028\U0001f47b".encode(),
    b"9" * 20,
    b"9" * 400,
)
scraps = st.one_of(st.sampled_from([*marks, *odd]), st.binary(max_size=4))
near_json = st.lists(scraps, max_size=12).map(b"".join)


def exactly(value: Any) -> str:
    """Spell *value* so that 1 and 1.0 differ, and 0.0 and -0.0."""
    return repr(value)


def ordered(value: Any) -> Any:
    """Return *value* with the names in its objects in order."""
    if isinstance(value, dict):
        return {name: ordered(value[name]) for name in sorted(value)}
    return [ordered(item) for item in value] if isinstance(value, list) else value


@given(values)
@example([-0.0, 0, 10**308, 10**309])
def test_what_is_written_reads_back_to_the_last_digit(value: Any) -> None:
    assert exactly(codec.loads(codec.dumps(value))) == exactly(ordered(value))


@given(values)
def test_the_canonical_spelling_is_the_standard_librarys(value: Any) -> None:
    spelt = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    assert codec.dumps(value) == spelt.encode()


@given(values)
def test_a_canonical_spelling_is_canonical(value: Any) -> None:
    once = codec.dumps(value)
    assert codec.dumps(codec.loads(once)) == once


@given(values, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_how_a_value_was_laid_out_does_not_matter(value: Any, indent: Any, ascii_only: bool) -> None:
    assert codec.dumps(codec.loads(json.dumps(value, indent=indent, ensure_ascii=ascii_only))) == codec.dumps(value)


@given(near_json)
@settings(max_examples=500)
def test_any_bytes_are_read_or_refused_and_what_is_read_can_be_written(data: bytes) -> None:
    try:
        value = codec.loads(data)
    except BadJson:
        return
    codec.dumps(value)


@given(st.text(max_size=20))
def test_text_is_written_unless_it_holds_half_a_character(text: str) -> None:
    if any(0xD800 <= ord(character) < 0xE000 for character in text):
        with pytest.raises(BadJson, match="half a character"):
            codec.dumps({"a": text})
    else:
        assert codec.loads(codec.dumps({text: text})) == {text: text}


@given(st.floats())
def test_a_float_is_written_unless_it_is_no_number(number: float) -> None:
    if math.isfinite(number):
        assert exactly(codec.loads(codec.dumps([number]))) == exactly([number])
    else:
        with pytest.raises(BadJson):
            codec.dumps([number])


def collected(strategy: st.SearchStrategy[Any], count: int) -> list[Any]:
    """Return *count* examples of *strategy*, the same every time."""
    found: list[Any] = []

    @settings(max_examples=count, derandomize=True, database=None)
    @given(strategy)
    def collect(value: Any) -> None:
        found.append(value)

    collect()
    return found


def test_both_tiers_say_the_same_of_any_bytes() -> None:
    cases = [data.hex() for data in collected(near_json, 1500)]
    assert here("read_json", cases) == in_pure_tier("read_json", cases)


def test_both_tiers_write_any_value_alike() -> None:
    cases = [json.dumps(value) for value in collected(values, 600)]
    assert here("write_json", cases) == in_pure_tier("write_json", cases)
