from __future__ import annotations

import stat

import pytest

from ghostie.errors import BadMemory, InConflict, UnknownMemory
from ghostie.memory import Version, said, stamp
from ghostie.vault.vault import Vault

from .house import START, Clock, content, contents, entry_of, made, reopened, shown, versions_of

pytestmark = pytest.mark.versions


def test_what_was_added_is_there_for_the_next_process(vault: Vault) -> None:
    version = vault.add("the NAS answers on 10.0.0.7", category="network", tags=["lan"], context={"port": 22})
    again = shown(reopened(vault), version.id)
    assert again == version
    assert (again.field("category"), again.field("tags"), again.field("context")) == ("network", ["lan"], {"port": 22})
    assert again.field("device_id") == "laptop"
    assert (again.number, again.parents, again.deleted) == (1, (), False)


def test_a_person_is_shown_every_field_with_its_default(vault: Vault) -> None:
    version = vault.add("bare")
    record = version.shown()
    assert record["kind"] == "memory"
    assert (record["status"], record["privacy"], record["tags"], record["context"]) == ("active", "sync", [], {})
    assert record["scope"] == {"repo": None, "branch": None, "agent": None}
    assert record["sync_metadata"]["sync_hash"] == f"sha256:{version.hash}"


def test_adding_neither_loads_the_index_nor_changes_what_is_loaded(vault: Vault) -> None:
    before = len(vault.index)
    vault.add("quick")
    assert len(vault.index) == before
    vault.refresh()
    assert len(vault.index) == before + 1


def test_tags_come_out_sorted_each_once_and_times_in_utc(vault: Vault) -> None:
    version = vault.add("x", tags=["b", " a", "b"], timestamp="2025-06-28T16:30:00+02:00")
    assert version.field("tags") == ["a", "b"]
    assert version.field("timestamp") == "2025-06-28T14:30:00.000Z"


@pytest.mark.parametrize(
    "fields",
    [
        {"colour": "red"},
        {"id": "a" * 26},
        {"status": "lost"},
        {"tags": "lan"},
        {"category": "two\nlines"},
        {"context": []},
    ],
)
def test_a_field_that_the_format_does_not_have_is_refused_and_nothing_is_written(
    vault: Vault, fields: dict[str, object]
) -> None:
    with pytest.raises(BadMemory):
        vault.add("x", **fields)
    assert vault.files.stems() == set()


def test_every_file_and_folder_is_private_whatever_the_umask(vault: Vault) -> None:
    vault.add("secret")
    vault.refresh()
    vault.search("secret")
    for path in [vault.layout.home, *vault.layout.home.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


# -- editing ---------------------------------------------------------------------------------------------------------


def test_an_edit_is_shown_and_the_older_version_stays(vault: Vault) -> None:
    first = vault.add("draft", tags=["a"])
    second = vault.edit(first.id, {"content": "final"})
    assert shown(vault, first.id) == second
    assert [version.field("content") for version in versions_of(vault, first.id)] == ["final", "draft"]
    assert (second.number, second.parents) == (2, (first.hash,))
    assert second.field("tags") == ["a"]
    assert second.field("timestamp") == first.field("timestamp")


def test_an_edit_that_changes_nothing_makes_no_version(vault: Vault) -> None:
    first = vault.add("same", tags=["a"])
    assert vault.edit(first.id, {"content": "same", "tags": ["a"]}) == first
    assert len(versions_of(vault, first.id)) == 1


def test_a_field_given_as_none_goes_back_to_its_default(vault: Vault) -> None:
    first = vault.add("x", category="network", context={"a": 1})
    after = vault.edit(first.id, {"category": None, "context": None})
    assert (after.field("category"), after.field("context")) == (None, {})


def test_an_edit_names_the_memory_by_any_unambiguous_beginning_of_its_id(vault: Vault) -> None:
    first = vault.add("x")
    vault.edit(first.id[:5].upper(), {"content": "y"})
    assert content(vault, first.id) == "y"


def test_a_bad_edit_changes_nothing(vault: Vault) -> None:
    first = vault.add("x")
    with pytest.raises(BadMemory):
        vault.edit(first.id, {"status": "lost"})
    with pytest.raises(BadMemory):
        vault.edit(first.id, {"content": None})
    assert shown(vault, first.id) == first


@pytest.mark.parametrize("words", ["", " \n\t "])
def test_a_memory_that_says_nothing_is_refused(vault: Vault, words: str) -> None:
    with pytest.raises(BadMemory):
        vault.add(words)


def test_a_memory_without_words_that_came_from_elsewhere_can_be_edited(vault: Vault) -> None:
    first = made("a" * 26, category="marker")
    vault.take_in([first], "pull")
    after = vault.edit(first.id, {"tags": ["a"]})
    assert (after.field("content"), after.field("tags")) == ("", ["a"])


def test_editing_a_removed_memory_brings_it_back_with_the_new_words(vault: Vault) -> None:
    first = vault.add("x")
    vault.remove([first.id])
    vault.edit(first.id, {"content": "y"})
    assert contents(vault) == {first.id: "y"}


def test_editing_only_the_tags_of_a_removed_memory_works_too(vault: Vault) -> None:
    first = vault.add("x")
    vault.remove([first.id])
    after = vault.edit(first.id, {"tags": ["a"]})
    assert not after.deleted
    assert after.field("tags") == ["a"]


def test_times_never_go_backwards_along_a_line_of_versions(vault: Vault, clock: Clock) -> None:
    first = vault.add("x")
    clock.now = START - 10 * 365 * 86_400_000
    second = vault.edit(first.id, {"content": "y"})
    vault.remove([first.id])
    third = vault.restore(first.id)
    assert second.modified == first.modified + 1
    assert third.modified == first.modified + 3
    assert content(vault, first.id) == "y"


@pytest.mark.parametrize("years", [-10, 10])
def test_a_clock_that_is_years_off_loses_nothing(vault: Vault, clock: Clock, years: int) -> None:
    first = vault.add("one")
    clock.now += years * 365 * 86_400_000
    second = vault.add("two")
    vault.edit(first.id, {"content": "one, later"})
    assert contents(vault) == {first.id: "one, later", second.id: "two"}


def test_memories_of_the_same_moment_stand_in_the_same_order_every_time(vault: Vault) -> None:
    moment = stamp(START)
    for number in range(5):
        vault.add(str(number), timestamp=moment)
    vault.refresh()
    order = [entry.id for entry in vault.select()]
    assert [entry.id for entry in reopened(vault).select()] == order == sorted(order)


# -- editing what has changed meanwhile ------------------------------------------------------------------------------


def test_an_edit_of_an_older_version_is_merged_with_what_came_between(vault: Vault) -> None:
    looked_at = vault.add("one\ntwo\nthree\nfour\n", tags=["a"])
    vault.edit(looked_at.id, {"content": "ONE\ntwo\nthree\nfour\n"})
    merged = vault.edit(looked_at.id, {"content": "one\ntwo\nthree\nFOUR\n"}, base=looked_at.hash)
    assert merged.field("content") == "ONE\ntwo\nthree\nFOUR\n"
    assert shown(vault, looked_at.id) == merged
    assert not entry_of(vault, looked_at.id).in_conflict
    assert len(versions_of(vault, looked_at.id)) == 4


def test_an_edit_of_the_same_line_as_what_came_between_keeps_both_as_a_conflict(vault: Vault) -> None:
    looked_at = vault.add("draft")
    vault.edit(looked_at.id, {"content": "theirs"})
    vault.edit(looked_at.id, {"content": "mine"}, base=looked_at.hash)
    entry = entry_of(vault, looked_at.id)
    assert {vault.files.read(entry.stem(head)).field("content") for head in entry.heads} == {"mine", "theirs"}
    with pytest.raises(InConflict):
        vault.edit(looked_at.id, {"content": "third"})


def test_the_same_edit_made_twice_from_one_base_is_no_conflict(vault: Vault) -> None:
    looked_at = vault.add("draft")
    vault.edit(looked_at.id, {"content": "final"})
    vault.edit(looked_at.id, {"content": "final"}, base=looked_at.hash)
    entry = entry_of(vault, looked_at.id)
    assert not entry.in_conflict
    assert content(vault, looked_at.id) == "final"


def test_an_edit_of_what_was_removed_meanwhile_survives_the_removal(vault: Vault) -> None:
    looked_at = vault.add("draft")
    vault.remove([looked_at.id])
    vault.edit(looked_at.id, {"content": "still wanted"}, base=looked_at.hash)
    entry = entry_of(vault, looked_at.id)
    assert contents(vault) == {looked_at.id: "still wanted"}
    assert entry.row["flag"] == "edit-over-delete"


def test_an_edit_upon_what_is_still_the_newest_version_is_a_plain_edit(vault: Vault) -> None:
    first = vault.add("x")
    second = vault.edit(first.id, {"content": "y"}, base=first.hash)
    assert second.parents == (first.hash,)


# -- many at once ----------------------------------------------------------------------------------------------------


def test_many_memories_change_together_and_are_put_back_together(vault: Vault) -> None:
    ids = [vault.add(word).id for word in ("a", "b", "c")]

    def shout(version: Version) -> dict[str, str]:
        return {"content": str(version.field("content")).upper()}

    changed = vault.edit_all(ids, shout)
    assert [version.field("content") for version in changed] == ["A", "B", "C"]
    vault.undo()
    assert sorted(contents(vault).values()) == ["a", "b", "c"]


def test_if_one_of_many_is_unknown_none_changes(vault: Vault) -> None:
    first = vault.add("a")
    with pytest.raises(UnknownMemory):
        vault.edit_all([first.id, "77777777"], lambda version: {"content": "changed"})
    with pytest.raises(UnknownMemory):
        vault.remove([first.id, "77777777"])
    with pytest.raises(UnknownMemory):
        vault.purge([first.id, "77777777"])
    assert contents(vault) == {first.id: "a"}


def test_a_memory_named_twice_changes_once(vault: Vault) -> None:
    first = vault.add("a")
    counted = iter(range(10))
    vault.edit_all([first.id, first.id[:8], first.id[:12]], lambda version: {"content": f"change {next(counted)}"})
    assert not entry_of(vault, first.id).in_conflict
    assert len(versions_of(vault, first.id)) == 2
    assert len(vault.remove([first.id, first.id[:9]])) == 1
    assert len(vault.purge([first.id, first.id[:9]])) == 1


def test_fields_that_this_ghostie_does_not_know_are_kept_through_an_edit(vault: Vault) -> None:
    strange = made("k" * 26, content="x", future={"nested": [1, 2]})
    vault.take_in([strange], "import")
    after = vault.edit(strange.id, {"content": "y"})
    assert said(after)["future"] == {"nested": [1, 2]}
