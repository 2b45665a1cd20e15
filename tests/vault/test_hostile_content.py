"""Whatever a memory says goes in and comes out word for word, or is refused with a clean error and nothing written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ghostie.errors import BadJson, BadMemory, GhostieError, TooLarge
from ghostie.memory import MAX_CONTENT
from ghostie.vault.vault import Vault

from .house import made, picture, rebuilt, reopened, shown

pytestmark = pytest.mark.versions

STRANGE = [
    "NUL \0 in the middle",
    "\0",
    "\x1b[2J\x1b]0;title\x07 escapes",
    "\x9b31m C1",
    "[red]markup[/red] [/] [link=file:///etc/passwd]x[/link]",
    "${HOME} `id` $(id) ; rm -rf / | cat && true",
    "../../../../etc/passwd",
    "%s %n {0} {prefix} {self.__class__}",
    "\u202eright to left\u202c \u200bzero width\ufeff",
    "\r\n\r line ends \x85 \u2028 \u2029",
    "🙂 e\u0301 \U0010ffff \uffff \ufffe",
    '{"sync_metadata": {"version": 99}}',
    "'; DROP TABLE doc; --",
    "GHO1GHOL" * 100,
    " leading and trailing \n\n",
    "\\u0000 \\ud800 \\n",
]


@pytest.mark.parametrize("text", STRANGE, ids=range(len(STRANGE)))
def test_strange_words_come_out_as_they_went_in(vault: Vault, text: str) -> None:
    memory = vault.add(text, context={text: [text, {"k": text}]})
    again = reopened(vault)
    assert shown(again, memory.id).field("content") == text
    assert shown(again, memory.id).field("context") == {text: [text, {"k": text}]}
    assert again.edit(memory.id, {"content": text + "!"}).field("content") == text + "!"
    assert picture(again) == rebuilt(again)
    again.search("words")
    again.purge([memory.id])
    assert [path.name for path in vault.layout.home.parent.iterdir() if path.is_dir()] == ["home"]


@pytest.mark.parametrize("name", ["category", "kind", "device_id"])
@pytest.mark.parametrize("word", ["", "two\nlines", "\0", "\x1b[2J", "\x9b", "x" * 201, "\u2028", 7, ["a"]])
def test_a_word_that_is_no_word_is_refused(vault: Vault, name: str, word: object) -> None:
    with pytest.raises(BadMemory):
        vault.add("x", **{name: word})
    with pytest.raises(BadMemory):
        vault.add("x", tags=[word])
    assert vault.files.stems() == set()


HALF: list[dict[str, Any]] = [
    {"content": "half a character \ud800"},
    {"content": "\udfff"},
    {"content": "x" * (MAX_CONTENT // 2) + "\ud800"},
    {"content": "x", "category": "\ud800"},
    {"content": "x", "tags": ["\udc00"]},
    {"content": "x", "context": {"k": "\ud800"}},
    {"content": "x", "context": {"\ud800": 1}},
    {"content": "x", "context": {"deep": [[{"k": "\udfff"}]]}},
    {"content": "x", "links": [{"type": "\ud800", "to": "x"}]},
    {"content": "x", "source": {"tool": "\ud800"}},
]


@pytest.mark.parametrize("fields", HALF, ids=range(len(HALF)))
def test_half_a_character_is_refused_cleanly_wherever_it_is(vault: Vault, fields: dict[str, Any]) -> None:
    with pytest.raises((BadMemory, BadJson)) as refusal:
        vault.add(fields["content"], **{name: value for name, value in fields.items() if name != "content"})
    str(refusal.value).encode()
    memory = vault.add("good")
    with pytest.raises((BadMemory, BadJson)):
        vault.edit(memory.id, fields)
    assert shown(vault, memory.id) == memory
    assert len(vault.files.stems()) == 1


@pytest.mark.parametrize("letter", ["a", "é", "日", "🙂", "\0", '"', "!\n"])
def test_a_mebibyte_goes_in_and_one_byte_more_does_not(vault: Vault, letter: str) -> None:
    size = len(letter.encode())
    whole = letter * (MAX_CONTENT // size) + "a" * (MAX_CONTENT % size)
    memory = vault.add(whole)
    assert shown(reopened(vault), memory.id).field("content") == whole
    for too_much in (whole + "a", whole * 2):
        with pytest.raises(TooLarge) as refusal:
            vault.add(too_much)
        assert refusal.value.facts["limit"] == MAX_CONTENT
        with pytest.raises(TooLarge):
            vault.edit(memory.id, {"content": too_much})
    assert len(vault.files.stems()) == 1


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth - 1):
        value = {"k": value}
    return value


def test_deep_context_goes_in_and_what_is_deeper_is_refused_cleanly(vault: Vault) -> None:
    memory = vault.add("deep", context=nested(90))
    assert shown(reopened(vault), memory.id).field("context") == nested(90)
    vault.search("deep")
    for depth in (101, 250, 900, 1100, 5000, 100_000):
        with pytest.raises((BadMemory, BadJson)):
            vault.add("too deep", context=nested(depth))
    assert len(vault.files.stems()) == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), b"bytes", {1, 2}, object(), 1j])
def test_what_json_cannot_hold_is_refused_cleanly(vault: Vault, value: object) -> None:
    for context in ({"k": value}, {"k": [1, {"deep": value}]}):
        with pytest.raises((BadMemory, BadJson)):
            vault.add("x", context=context)
    assert vault.files.stems() == set()


def test_numbers_come_out_as_they_went_in(vault: Vault) -> None:
    numbers = [0, -1, 2**53, 2**53 + 1, -(2**63), 2**64, 10**40, 0.1, 1e300, -0.0, 1.0, 5e-324]
    memory = vault.add("numbers", context={"n": numbers})
    back = shown(reopened(vault), memory.id).field("context")["n"]
    assert [(type(number), repr(number)) for number in back] == [(type(number), repr(number)) for number in numbers]


def test_a_context_of_megabytes_is_refused_cleanly(vault: Vault) -> None:
    with pytest.raises(TooLarge):
        vault.add("x", context={"k": "v" * (9 << 20)})
    assert vault.files.stems() == set()


def test_many_tags_are_refused_and_a_hundred_are_not(vault: Vault) -> None:
    vault.add("x", tags=[f"t{number}" for number in range(100)])
    with pytest.raises(BadMemory):
        vault.add("x", tags=[f"t{number}" for number in range(101)])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(
    max_examples=100,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    text=st.text(), context=st.dictionaries(st.text(max_size=8), JSON, max_size=4), tags=st.lists(st.text(max_size=8))
)
def test_any_words_come_out_as_they_went_in_or_are_refused(
    vault: Vault, text: str, context: dict[str, Any], tags: list[str]
) -> None:
    before = vault.files.stems()
    try:
        memory = vault.add(text, context=context, tags=tags)
    except GhostieError:
        assert vault.files.stems() == before
        return
    back = vault.files.read(memory.stem)
    assert back == memory
    assert back.field("content") == text
    # spelt out: Python takes 1, 1.0 and True for equal
    assert json.dumps(back.field("context"), sort_keys=True) == json.dumps(context, sort_keys=True)
    assert back.field("tags") == sorted({tag.strip() for tag in tags})


@pytest.mark.once
def test_ten_thousand_records_make_the_round_trip(vault: Vault) -> None:
    from ghostie.memory import derived_id

    many = {
        derived_id(b"%d" % number): made(
            derived_id(b"%d" % number), content=f"{number}: {STRANGE[number % len(STRANGE)]}", context={"n": number}
        )
        for number in range(10_000)
    }
    vault.take_in(many.values(), "import")
    again = reopened(vault)
    assert len(again.index) == 10_000
    for _, version in again.files.read_many(sorted(again.files.stems())):
        assert version == many[version.id]  # type: ignore[union-attr]
