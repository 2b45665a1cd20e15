from __future__ import annotations

from itertools import pairwise

import pytest

from ghostie.errors import NotRemoved, UnknownVersion
from ghostie.vault import conflicts
from ghostie.vault.query import Filter
from ghostie.vault.vault import Vault

from .house import content, contents, entry_of, heads, made, reopened, shown, versions_of


def test_a_removed_memory_is_not_listed_but_among_the_removed(vault: Vault) -> None:
    kept, gone = vault.add("kept"), vault.add("gone", kind="event", privacy="local")
    vault.remove([gone.id])
    assert contents(vault) == {kept.id: "kept"}
    (removed,) = vault.select(Filter(deleted=True))
    assert removed.id == gone.id
    tombstone = vault.shown(removed)
    assert (tombstone.field("kind"), tombstone.field("privacy")) == ("event", "local")
    assert tombstone.field("content") == ""


def test_removing_twice_is_removing_once(vault: Vault) -> None:
    memory = vault.add("x")
    assert len(vault.remove([memory.id])) == 1
    assert vault.remove([memory.id]) == []
    assert len(versions_of(vault, memory.id)) == 2


def test_restoring_brings_back_what_was_removed(vault: Vault) -> None:
    memory = vault.add("x", tags=["a"])
    vault.edit(memory.id, {"content": "y"})
    vault.remove([memory.id])
    back = vault.restore(memory.id)
    assert (back.field("content"), back.field("tags"), back.deleted) == ("y", ["a"], False)
    assert contents(reopened(vault)) == {memory.id: "y"}


def test_restoring_what_is_not_removed_is_refused(vault: Vault) -> None:
    memory = vault.add("x")
    with pytest.raises(NotRemoved):
        vault.restore(memory.id)


def test_every_version_can_be_restored_by_number_or_hash(vault: Vault) -> None:
    words = ["one", "two", "three", "four"]
    memory = vault.add(words[0], category="first")
    for word in words[1:]:
        vault.edit(memory.id, {"content": word, "category": None})
    for number, word in enumerate(words, 1):
        entry = entry_of(vault, memory.id)
        by_number = vault.version(entry, str(number))
        assert (
            by_number == vault.version(entry, f"sha256:{by_number.hash}") == vault.version(entry, by_number.hash[:12])
        )
        vault.restore(memory.id, by_number)
        assert content(vault, memory.id) == word
    assert len(versions_of(vault, memory.id)) == 8


def test_what_stood_at_a_moment_can_be_restored(vault: Vault) -> None:
    memory = vault.add("before")
    vault.edit(memory.id, {"content": "after"})
    vault.remove([memory.id])
    entry = entry_of(vault, memory.id)
    assert vault.as_of(entry, memory.modified).field("content") == "before"
    assert vault.as_of(entry, memory.modified + 1).field("content") == "before"
    vault.restore(memory.id, vault.as_of(entry, memory.modified + 1))
    assert contents(vault) == {memory.id: "before"}
    with pytest.raises(UnknownVersion):
        vault.as_of(entry, memory.modified - 1)


def test_the_history_is_newest_first_with_children_before_parents(vault: Vault) -> None:
    memory = vault.add("a")
    for word in ("b", "c"):
        vault.edit(memory.id, {"content": word})
    vault.remove([memory.id])
    vault.restore(memory.id)
    history = versions_of(vault, memory.id)
    assert [version.number for version in history] == [5, 4, 3, 2, 1]
    assert [version.deleted for version in history] == [False, True, False, False, False]
    assert all(child.parents == (parent.hash,) for child, parent in pairwise(history))


@pytest.mark.parametrize("name", ["0", "99", "", "abc", "sha256:", "../../etc", "9" * 5000, "\0", "٣٣"])
def test_a_version_that_is_not_there_is_named_so(vault: Vault, name: str) -> None:
    memory = vault.add("x")
    with pytest.raises(UnknownVersion):
        vault.version(entry_of(vault, memory.id), name)


def test_a_number_that_two_sides_share_names_neither(vault: Vault) -> None:
    memory = vault.add("x")
    vault.edit(memory.id, {"content": "a"})
    vault.edit(memory.id, {"content": "b"}, base=memory.hash)
    with pytest.raises(UnknownVersion):
        vault.version(entry_of(vault, memory.id), "2")


# -- memories in conflict --------------------------------------------------------------------------------------------


def in_conflict(vault: Vault) -> str:
    memory = vault.add("draft")
    vault.edit(memory.id, {"content": "mine"})
    vault.edit(memory.id, {"content": "theirs"}, base=memory.hash)
    assert entry_of(vault, memory.id).in_conflict
    assert vault.layout.worksheet(memory.id).exists()
    return memory.id


def test_removing_a_memory_in_conflict_removes_both_sides_and_its_worksheet(vault: Vault) -> None:
    memory_id = in_conflict(vault)
    vault.remove([memory_id])
    assert contents(vault) == {}
    assert not vault.layout.worksheet(memory_id).exists()
    vault.refresh()
    assert conflicts.open_conflicts(vault) == []


def test_restoring_a_version_of_a_memory_in_conflict_settles_it(vault: Vault) -> None:
    memory_id = in_conflict(vault)
    vault.restore(memory_id, vault.version(entry_of(vault, memory_id), "1"))
    assert contents(vault) == {memory_id: "draft"}
    assert not entry_of(vault, memory_id).in_conflict
    assert not vault.layout.worksheet(memory_id).exists()


def test_a_removal_and_an_edit_elsewhere_leave_the_edit(vault: Vault, phone: Vault) -> None:
    memory = vault.add("x")
    phone.take_in([memory], "pull")
    removal = vault.remove([memory.id])
    edit = phone.edit(memory.id, {"content": "y"})
    taken = vault.take_in([edit], "pull")
    phone.take_in(removal, "pull")
    assert taken.flagged == taken.added == (memory.id,)
    assert contents(vault) == contents(phone) == {memory.id: "y"}
    assert heads(vault) == heads(phone)


def test_a_removal_on_two_devices_is_one_removal(vault: Vault, phone: Vault) -> None:
    memory = vault.add("x")
    phone.take_in([memory], "pull")
    here, there = vault.remove([memory.id]), phone.remove([memory.id])
    vault.take_in(there, "pull")
    phone.take_in(here, "pull")
    assert contents(vault) == contents(phone) == {}
    assert heads(vault) == heads(phone)
    assert not entry_of(vault, memory.id).in_conflict


def test_several_are_brought_back_at_once_and_one_undo_removes_them_again(vault: Vault) -> None:
    ids = [vault.add(content).id for content in ("one", "two", "three")]
    vault.remove(ids)
    with pytest.raises(NotRemoved):
        vault.restore_all([*ids, vault.add("never removed").id])
    assert set(contents(vault).values()) == {"never removed"}
    assert len(vault.restore_all(ids)) == 3
    assert set(contents(vault).values()) == {"one", "two", "three", "never removed"}
    assert len(vault.undo().changes) == 3
    assert set(contents(vault).values()) == {"never removed"}


def test_a_memory_restored_here_and_removed_there_again_follows_its_line(vault: Vault, phone: Vault) -> None:
    memory = made("a" * 26, content="x")
    for device in (vault, phone):
        device.take_in([memory], "pull")
    vault.remove([memory.id])
    back = vault.restore(memory.id)
    phone.take_in([*versions_of(vault, memory.id)], "pull")
    assert shown(phone, memory.id) == back
    gone = phone.remove([memory.id])
    vault.take_in(gone, "pull")
    assert contents(vault) == contents(phone) == {}
