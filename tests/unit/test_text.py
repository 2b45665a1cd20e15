"""What memories say reaches a screen as plain, harmless text of the right width."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghostie.text import ago, excerpt, fit, one_line, plural, safe, shortest_prefix, size, width

pytestmark = pytest.mark.versions

MARK = "\N{REPLACEMENT CHARACTER}"
DAY = 86_400_000

HOSTILE = {
    "clear the screen": "\x1b[2J",
    "a title": "\x1b]0;root\x07",
    "a hyperlink": "\x1b]8;;http://evil\x1b\\here\x1b]8;;\x1b\\",
    "a C1 control sequence": "\x9b31m",
    "a C1 string": "\x90q\x9c",
    "NEL": "\x85",
    "backspace": "safe\x08\x08\x08\x08evil",
    "carriage return": "safe\revil",
    "vertical tab and form feed": "\x0b\x0c",
    "NUL": "\x00",
    "delete": "\x7f",
    "bell": "\x07",
    "right-to-left override": "\u202etxt.exe",
    "isolates": "\u2066\u2067\u2068\u2069",
    "marks of direction": "\u200e\u200f\u061c",
    "zero width": "pass\u200bword\u2060\ufeff",
    "tags": "\U000e0041\U000e007f",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_that_steers_a_terminal_comes_through(name: str) -> None:
    for made in (safe(HOSTILE[name]), one_line(HOSTILE[name])):
        assert MARK in made
        assert not [character for character in made if unicodedata.category(character) in ("Cc", "Cf")]


@given(st.text())
def test_safe_text_has_no_control_but_newline_and_tab(text: str) -> None:
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", safe(text))


@given(st.text())
def test_one_line_is_one_line_and_stays_as_it_is(text: str) -> None:
    made = one_line(text)
    assert len(made.splitlines()) <= 1
    assert one_line(made) == made


def test_plain_text_is_left_alone() -> None:
    text = "line one\n\tline two: é, e\u0301, 漢字, \U0001f47b, [bold]not markup[/], family \U0001f468\u200d\U0001f469"
    assert safe(text) == text
    assert safe("a\r\nb") == "a\nb"


def test_one_line_joins_lines_with_one_space() -> None:
    assert one_line("  a\n\n  b\tc\u2028d\u2029\n") == "a b c d"


def test_an_excerpt_is_the_first_line_with_something_on_it() -> None:
    assert excerpt("\n   \n  hello  \nworld") == "hello"
    assert excerpt("x" * 500) == "x" * 120
    assert excerpt("x" * 500, 10) == "x" * 10
    assert excerpt("") == excerpt(" \n\t\n") == ""


@pytest.mark.parametrize(
    ("text", "columns"),
    [("", 0), ("abc", 3), ("é", 1), ("e\u0301", 1), ("漢字", 4), ("\U0001f47b", 2), ("a\u200db", 2)],
)
def test_width_counts_columns(text: str, columns: int) -> None:
    assert width(text) == columns


@pytest.mark.parametrize(
    ("text", "columns", "kept"),
    [
        ("hello", 5, "hello"),
        ("hello", 4, "hel…"),
        ("hello", 1, "…"),
        ("hello", 0, ""),
        ("hello", -3, ""),
        ("漢字漢字", 5, "漢字…"),
        ("漢字漢字", 4, "漢…"),
        ("", 3, ""),
    ],
)
def test_text_is_cut_to_fit(text: str, columns: int, kept: str) -> None:
    assert fit(text, columns) == kept


@given(st.text(), st.integers(0, 40))
def test_fitted_text_is_never_too_wide_and_padded_text_never_too_narrow(text: str, columns: int) -> None:
    assert width(fit(text, columns)) <= columns
    assert width(fit(text, columns, pad=True)) == columns


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (-1000, "ahead"),
        (0, "0 s"),
        (59_999, "59 s"),
        (60_000, "1 min"),
        (3_599_000, "59 min"),
        (3_600_000, "1 h"),
        (DAY - 1, "23 h"),
        (DAY, "1 d"),
        (7 * DAY, "1 w"),
        (60 * DAY, "2 mo"),
        (365 * DAY, "1 y"),
        (3650 * DAY, "10 y"),
    ],
)
def test_how_long_ago_in_few_characters(before: int, said: str) -> None:
    now = 1_751_121_000_000
    assert ago(now - before, now) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9949, "9.9 kB"),
        (9950, "10 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (1_400_000, "1.4 MB"),
        (999_600_000, "1.0 GB"),
        (5 * 10**12, "5.0 TB"),
        (5 * 10**15, "5000 TB"),
    ],
)
def test_sizes_as_people_read_them(count: int, said: str) -> None:
    assert size(count) == said


@pytest.mark.parametrize(
    ("count", "word", "said"),
    [
        (1, "memory", "1 memory"),
        (2, "memory", "2 memories"),
        (0, "version", "0 versions"),
        (3, "key", "3 keys"),
        (2, "day", "2 days"),
        (1234, "version", "1,234 versions"),
    ],
)
def test_words_agree_with_their_number(count: int, word: str, said: str) -> None:
    assert plural(count, word) == said


def test_an_odd_plural_can_be_given() -> None:
    assert plural(2, "index", "indices") == "2 indices"


def test_prefixes_are_as_long_as_they_must_be_to_differ() -> None:
    assert shortest_prefix([]) == shortest_prefix(["abcdefgh"]) == shortest_prefix(["abcdefgh", "bbcdefgh"]) == 6
    assert shortest_prefix(["abcdefgh", "abcdefgi"]) == 8
    assert shortest_prefix(["abc", "abd"], least=1) == 3


@given(st.sets(st.text("ab", min_size=12, max_size=12), min_size=1, max_size=20))
def test_the_shortest_prefix_tells_all_ids_apart(ids: set[str]) -> None:
    length = shortest_prefix(ids, least=2)
    assert len({name[:length] for name in ids}) == len(ids)
    assert length == 2 or len({name[: length - 1] for name in ids}) < len(ids)
