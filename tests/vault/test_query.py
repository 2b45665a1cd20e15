"""The filter language: what it means, what it refuses and names, and that a filter can be spelt back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghostie.errors import BadFilter
from ghostie.vault.query import KEYS, Filter, Query, Term, answer, parse
from ghostie.vault.vault import Vault

from .house import START

pytestmark = pytest.mark.versions

DAY = 86_400_000


def said(vault: Vault, text: str, at: int | None = None) -> list[str]:
    vault.refresh()
    return [entry.excerpt for entry in answer(vault, parse(text), at=at)]


@pytest.fixture
def full(vault: Vault) -> Vault:
    vault.add("the router answers on 10.0.0.1", category="network", tags=["lan", "home"])
    vault.add("the printer sleeps", category="network", tags=["lan", "old"], device_id="pixel")
    vault.add("buy oat milk", tags=["my list"], kind="task", status="inbox")
    vault.add("a secret", privacy="local", category="two words", scope={"repo": "github.com/example/app"})
    gone = vault.add("the old router")
    vault.refresh()
    vault.remove([gone.id])
    return vault


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["a secret", "buy oat milk", "the printer sleeps", "the router answers on 10.0.0.1"]),
        ("cat:network", ["the printer sleeps", "the router answers on 10.0.0.1"]),
        ("Cat:network -tag:old", ["the router answers on 10.0.0.1"]),
        ("category:network tag:lan tag:old", ["the printer sleeps"]),
        ("-cat:network", ["a secret", "buy oat milk"]),
        ('cat:""', ["buy oat milk"]),
        ('-cat:""', ["a secret", "the printer sleeps", "the router answers on 10.0.0.1"]),
        ('cat:"two words"', ["a secret"]),
        ('tag:"my list"', ["buy oat milk"]),
        ('tag:""', ["a secret"]),
        ('-tag:"" -tag:lan', ["buy oat milk"]),
        ("kind:task status:Inbox", ["buy oat milk"]),
        ("-kind:task -status:inbox device:laptop -is:local", ["the router answers on 10.0.0.1"]),
        ("device:pixel", ["the printer sleeps"]),
        ("is:local", ["a secret"]),
        ("repo:github.com/example/app", ["a secret"]),
        ("is:conflict", []),
        ("is:deleted", ["the old router"]),
        ("is:deleted Router", ["the old router"]),
        ("is:deleted printer", []),
        ("router", ["the router answers on 10.0.0.1"]),
        ("sleeping cat:network", ["the printer sleeps"]),
        ('"oat milk"', ["buy oat milk"]),
        ('"milk oat"', []),
        ("prin*", ["the printer sleeps"]),
        ('"10.0.0.1"', ["the router answers on 10.0.0.1"]),
        ("since:2030-01-01", []),
        ("until:2000-01-01", []),
        ("since:1d kind:task", ["buy oat milk"]),
    ],
)
def test_a_filter_finds_what_it_says(text: str, found: list[str], full: Vault) -> None:
    assert said(full, text) == found


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("cat:a http://example.com", "http://example.com"),
        ("status:done x", "status:done"),
        ("is:lost", "is:lost"),
        ("since:yesterday lan", "since:yesterday"),
        ('until:"the day before"', 'until:"the day before"'),
        ("tag:", "tag:"),
        ("cat:a cat:b", "cat:b"),
        ("since:7d since:8d", "since:8d"),
        ("is:conflict -is:conflict", "-is:conflict"),
        ("router -printer", "-printer"),
        ("-since:7d", "-since:7d"),
        ('router "oat milk', '"oat milk'),
        ('tag:"my list"s', 'tag:"my list"s'),
    ],
)
def test_what_it_cannot_follow_it_refuses_by_name(text: str, word: str) -> None:
    with pytest.raises(BadFilter) as caught:
        parse(text)
    assert caught.value.word == word
    assert repr(word) in str(caught.value)
    assert caught.value.way_out()
    assert caught.value.exit_code == 2


def test_a_condition_may_not_contradict_what_was_said_elsewhere(full: Vault) -> None:
    with pytest.raises(BadFilter, match="a second time"):
        answer(full, parse("cat:network"), base=Filter(category="other"))
    assert [e.excerpt for e in answer(full, parse("kind:task"), base=Filter(status="inbox"))] == ["buy oat milk"]


def test_times_stay_as_they_were_said_until_it_is_asked() -> None:
    query = parse("since:7d")
    assert query.spelt() == "since:7d"
    assert query.filter(START).since == START - 7 * DAY
    assert query.filter(START + DAY).since == START - 6 * DAY


def test_words_cannot_be_looked_for_in_the_past(full: Vault) -> None:
    with pytest.raises(BadFilter) as caught:
        said(full, "router", at=START)
    assert caught.value.word == "router"


VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
TERMS = st.one_of(
    st.builds(Term, st.just("tag"), VALUES, st.booleans()),
    st.builds(Term, st.sampled_from(["cat", "device", "kind", "repo"]), VALUES, st.just(True)),
)
ONCE = st.lists(
    st.one_of(
        st.builds(Term, st.sampled_from(["cat", "device", "kind", "repo"]), VALUES),
        st.builds(Term, st.just("status"), st.sampled_from(["inbox", "active", "archived"])),
        st.builds(Term, st.sampled_from(["since", "until"]), st.sampled_from(["7d", "12h", "2025-06-28 14:30"])),
        st.builds(Term, st.just("is"), st.sampled_from(["conflict", "deleted"]), st.booleans()),
    ),
    unique_by=lambda term: term.key,
    max_size=4,
)
PHRASES = VALUES.map(lambda text: '"' + text.replace('"', " ") + '"').filter(lambda phrase: bool(phrase[1:-1].strip()))
WORDS = st.lists(st.one_of(st.from_regex(r"[a-z0-9]{1,5}\*?", fullmatch=True), PHRASES), max_size=4)


@given(st.lists(TERMS, max_size=4), ONCE, WORDS)
def test_a_query_spelt_and_parsed_is_the_same(some: list[Term], others: list[Term], words: list[str]) -> None:
    query = Query((*some, *others), tuple(words))
    assert parse(query.spelt()) == query


@given(st.text(max_size=30) | st.lists(st.sampled_from([*KEYS, ":", '"', "\\", "-", " ", "x", "7d"])).map("".join))
def test_whatever_is_typed_is_followed_or_refused(text: str) -> None:
    try:
        query = parse(text)
    except BadFilter as error:
        assert error.word
    else:
        assert parse(query.spelt()) == query
