"""Text armour: one spelling for every object, and nothing else is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghostie.backends.gist import HEADER, BadArmour, armour, armoured_size, plain_size, unarmour


@given(st.binary(max_size=2000))
def test_what_was_armoured_is_read_back_and_its_size_is_known_from_the_text(content: bytes) -> None:
    text = armour(content)
    assert unarmour(text) == content
    assert text.isascii()
    assert armoured_size(len(content)) == len(text)
    assert plain_size(len(text)) == len(content)


def test_every_size_of_text_stands_for_one_size_of_object_or_for_none() -> None:
    sizes = {armoured_size(size): size for size in range(3000)}
    assert [plain_size(size) for size in range(max(sizes))] == [sizes.get(size) for size in range(max(sizes))]


def test_nothing_is_spelt_as_something() -> None:
    assert armour(b"") == HEADER
    assert unarmour(HEADER) == b""


def test_lines_are_short_enough_for_anything_that_takes_text() -> None:
    assert {len(line) for line in armour(bytes(5700)).splitlines()[1:]} == {76}


@given(st.binary(min_size=1, max_size=300), st.data())
def test_a_text_that_was_changed_anywhere_reads_otherwise_or_not_at_all(content: bytes, data: st.DataObject) -> None:
    text = armour(content)
    at = data.draw(st.integers(0, len(text) - 1))
    kind = data.draw(st.sampled_from(["cut", "drop", "double", "other", "line"]))
    other = data.draw(st.characters(exclude_characters=text[at]))
    changed = {
        "cut": text[:at],
        "drop": text[:at] + text[at + 1 :],
        "double": text[:at] + text[at] + text[at:],
        "other": text[:at] + other + text[at + 1 :],
        "line": text[:at] + "\n" + text[at:],
    }[kind]
    try:
        assert unarmour(changed) != content or changed == text
    except BadArmour:
        return


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEADER[:-1],
        HEADER.upper(),
        " " + HEADER,
        "\ufeff" + HEADER,
        HEADER + "\n",
        HEADER + "QQ",  # no end of line
        HEADER + "QQ==\n",  # padding
        HEADER + "QR\n",  # bits that mean nothing
        HEADER + "Q\n",
        HEADER + "Q Q\n",
        HEADER + "-_-_\n",  # the other alphabet
        HEADER + "QUJD\nREVG\n",  # broken early
        HEADER + "QUJD" * 20 + "\n",  # broken late
        HEADER + "QQ\r\n",
        HEADER + "Q\u0444\n",
        HEADER.replace("1", "2") + "QQ\n",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BadArmour):
        unarmour(text)
