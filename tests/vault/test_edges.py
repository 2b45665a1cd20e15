"""Values at the edges of the format, and forms that are read and not written any more: each can be followed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghostie.errors import BadJson, BadMemory
from ghostie.memory import LAST_MOMENT, MAX_NUMBER, Version, is_as_written, millis, parse_version, stamp
from ghostie.vault import upkeep
from ghostie.vault.exchange import import_paths
from ghostie.vault.merge import merge_pair
from ghostie.vault.vault import Vault

from ..property.peers import laws
from ..vectors import make
from .house import entry_of, family, new_vault, picture, rebuilt, shown, versions_of

ID = make.ID
LAST = "9999-12-31T23:59:59.999Z"
ODD = {name: parse_version(raw) for name, raw in make._odd_records()}


def version(sync: dict[str, Any] | None = None, **fields: Any) -> Version:
    return parse_version(make.canonical(make.a_record(sync, **fields)))


def followed(vault: Vault, first: Version) -> None:
    """Do all that a person can do with the memory that *first* is the only version of; what comes of it is sound."""
    vault.take_in([first], "import")
    words = shown(vault, ID).field("content")
    if shown(vault, ID).deleted:
        vault.edit(ID, {"content": "back"})
    vault.edit(ID, {"content": "second", "category": "c"})
    assert shown(vault, ID).field("content") == "second"
    vault.remove([ID])
    assert entry_of(vault, ID).deleted
    assert vault.restore(ID).field("content") == "second"
    vault.undo()
    vault.undo()
    assert shown(vault, ID).field("content") == "second"
    vault.restore(ID, first)
    if not first.deleted:
        assert shown(vault, ID).field("content") == words
    made_here = [each for each in versions_of(vault, ID) if each.hash != first.hash]
    for each in made_here:
        assert is_as_written(each)
        assert each.modified >= first.modified
        assert each.number >= first.number
    history = [each.hash for each in versions_of(vault, ID)]
    for each in made_here:
        assert all(history.index(parent) > history.index(each.hash) for parent in each.parents if parent in history)
    assert picture(vault) == rebuilt(vault)
    vault.purge([ID])
    assert {each.deleted for each in versions_of(vault, ID)} == {True}


PARENT = {"parents": [make.HASH]}
EDGES = {
    "the last moment": {"sync": {"last_modified": LAST}, "timestamp": LAST},
    "the first moment": {
        "sync": {"last_modified": "0001-01-01T00:00:00.000Z"},
        "timestamp": "0001-01-01T00:00:00.000Z",
    },
    "the last number": {"sync": {"version": MAX_NUMBER, **PARENT}},
    "the last of both": {"sync": {"version": MAX_NUMBER, "last_modified": LAST, **PARENT}},
    "the most tags": {"tags": [f"t{n:03}" for n in range(100)]},
    "the longest word": {"category": "x" * 200},
    "the longest content": {"content": "x" * (1 << 20)},
    "the deepest": {"context": {"a": json.loads("[" * 98 + "]" * 98)}},
    "the longest integer": {"context": {"n": 10**4299}},
}


@pytest.mark.parametrize("edge", EDGES.values(), ids=list(EDGES))
def test_every_value_that_the_format_admits_can_be_followed(vault: Vault, edge: dict[str, Any]) -> None:
    followed(vault, version(**edge))


@pytest.mark.parametrize("odd", ODD.values(), ids=list(ODD))
def test_a_form_that_is_not_written_any_more_opens_is_counted_and_followed_by_one_that_is(
    vault: Vault, odd: Version
) -> None:
    assert not is_as_written(odd)
    vault.take_in([odd], "pull")
    assert upkeep.check(vault).odd == 1
    assert vault.index[ID].versions[odd.hash]["hash"] == odd.hash
    vault.purge([ID])
    assert upkeep.check(vault).odd == 0
    followed(new_vault(vault.layout.home / "another"), odd)


@laws(40)
@given(
    moment=st.sampled_from([LAST_MOMENT, LAST_MOMENT - 1, LAST_MOMENT - 2]),
    number=st.sampled_from([MAX_NUMBER, MAX_NUMBER - 1, MAX_NUMBER - 2]),
    edits=st.lists(st.booleans(), min_size=2, max_size=5).filter(lambda edits: len(set(edits)) == 2),
)
def test_two_lines_at_the_end_of_time_and_numbers_are_merged(moment: int, number: int, edits: list[bool]) -> None:
    base = version({"last_modified": stamp(moment), "version": number, **PARENT}, content="a\nb\nc\n")
    heads, versions = {False: base, True: base}, [base]
    for at, side in enumerate(edits):
        sync = {
            "version": min(heads[side].number + 1, MAX_NUMBER),
            "last_modified": stamp(min(heads[side].modified + 1, LAST_MOMENT)),
            "parents": [heads[side].hash],
        }
        heads[side] = version(sync, content=f"a\nb\n{at}\n" if side else f"{at}\nb\nc\n")
        versions.append(heads[side])
    merged, disputes = merge_pair(family(*versions), heads[False].hash, heads[True].hash)
    assert disputes == ()
    assert merged is not None
    assert merged.modified <= LAST_MOMENT
    assert merged.number <= MAX_NUMBER


def test_odd_sides_are_merged_as_they_were_merged_before(vault: Vault) -> None:
    base = version(scope={"repo": 7}, tags=["b", "a"], content="a\nb\nc\n")
    sides = [
        version({"version": 2, "parents": [base.hash], "device": 7}, scope={"repo": 7}, tags=["b", "a"], content=text)
        for text in ("A\nb\nc\n", "a\nb\nC\n")
    ]
    merged, _ = merge_pair(family(base, *sides), *(side.hash for side in sides))
    assert merged is not None
    assert (merged.field("scope"), merged.field("tags")) == ({"repo": 7}, ["b", "a"])
    vault.take_in([base, *sides], "pull")
    assert shown(vault, ID).hash == merged.hash
    edited = vault.edit(ID, {"category": "c"})
    assert (edited.field("scope"), edited.field("tags")) == ({"repo": "7"}, ["a", "b"])
    assert is_as_written(edited)


# -- where new ones come in ------------------------------------------------------------------------------------------

REFUSED = {
    "scope.repo is not text": {"scope": {"repo": 7}},
    "anchor.commit is not text": {"anchor": {"commit": ["c"]}},
    "source.entry is not text": {"source": {"entry": {"n": 1}}},
    "tags are not a list of at most 100 words": {"tags": [f"t{n}" for n in range(101)]},
}


@pytest.mark.parametrize(("why", "fields"), REFUSED.items(), ids=list(REFUSED))
def test_new_ones_are_refused_where_they_come_in(
    vault: Vault, tmp_path: Path, why: str, fields: dict[str, Any]
) -> None:
    with pytest.raises(BadMemory, match=why):
        vault.add("words", **fields)
    memory = vault.add("words")
    with pytest.raises(BadMemory, match=why):
        vault.edit(memory.id, fields)
    (tmp_path / "one.json").write_text(json.dumps({"content": "imported", **fields}), encoding="utf-8")
    imported = import_paths(vault, [tmp_path / "one.json"])
    assert [found.problem for found in imported.bad] == [why]
    assert shown(vault, memory.id).hash == memory.hash


def test_tags_in_disorder_are_put_in_order_where_they_come_in(vault: Vault) -> None:
    memory = vault.add("words", tags=["b", "a", "b"])
    assert memory.field("tags") == ["a", "b"]
    assert vault.edit(memory.id, {"tags": ["d", "c", "d"]}).field("tags") == ["c", "d"]


@pytest.mark.parametrize("digits", [4301, 5000])
def test_an_integer_of_more_than_4300_digits_is_refused_whatever_python_is_told(
    vault: Vault, tmp_path: Path, digits: int
) -> None:
    before = sys.get_int_max_str_digits()
    try:
        for allowed in (before, 0):
            sys.set_int_max_str_digits(allowed)
            with pytest.raises(BadJson, match="digits"):
                vault.add("words", context={"n": 10 ** (digits - 1)})
            with pytest.raises(BadJson, match="digits"):
                parse_version(make.canonical(make.a_record()).replace(b'"hello"', b"1" * digits))
    finally:
        sys.set_int_max_str_digits(before)


def test_the_last_moment_can_be_imported_and_then_changed(vault: Vault, tmp_path: Path) -> None:
    record = {"id": ID, "content": "from the end of time", "timestamp": LAST, "sync_metadata": {"last_modified": LAST}}
    (tmp_path / "one.json").write_text(json.dumps(record), encoding="utf-8")
    assert import_paths(vault, [tmp_path / "one.json"]).bad == ()
    edited = vault.edit(ID, {"content": "changed"})
    assert millis(edited.sync["last_modified"]) == LAST_MOMENT
    assert shown(vault, ID).field("content") == "changed"
