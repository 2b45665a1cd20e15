"""What a change leaves to be done when the disk fails behind it, or the process is killed: the next one does it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import pytest

from ghostie import files
from ghostie.errors import CannotRemove, CannotWrite, NotDestroyed, NotNoted, Unfinished
from ghostie.memory import Version
from ghostie.vault import upkeep
from ghostie.vault.operations import Operations
from ghostie.vault.vault import Vault

from .house import contents, entry_of, made, new_vault, reopened, versions_of


class Killed(BaseException):
    """A process ends here, whatever it was about to do."""


@dataclass
class FailsAt:
    """Lets the *at*-th *call* end with *error*; counts how many were *made*."""

    call: str
    at: int
    error: BaseException
    made: int = 0

    def __call__(self, call: str) -> None:
        if call == self.call:
            self.made += 1
            if self.made == self.at:
                raise self.error


# -- undo ------------------------------------------------------------------------------------------------------------


def unable_to_note(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: object) -> None:
        raise CannotWrite(path="operations.enc", why="the disk is full")

    monkeypatch.setattr(Operations, "append", refuse)


def test_a_change_that_cannot_be_noted_stands_and_is_told_once(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = vault.add("kept")
    with monkeypatch.context() as patch:
        unable_to_note(patch)
        vault.add("added")
        vault.edit(kept.id, {"content": "edited"})
    assert sorted(contents(vault).values()) == ["added", "edited"]
    told = vault.told()
    assert [type(each) for each in told] == [NotNoted, NotNoted]
    assert "the change was made, but `undo` does not know it" in str(told[0])
    assert vault.told() == []


def test_an_undo_that_could_not_be_noted_does_not_bar_the_one_before_it(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = vault.add("one")
    vault.edit(memory.id, {"content": "two"})
    with monkeypatch.context() as patch:
        unable_to_note(patch)
        vault.undo()
    assert contents(vault) == {memory.id: "one"}
    before = len(versions_of(vault, memory.id))
    assert vault.undo().what == "edit"
    assert (contents(vault), len(versions_of(vault, memory.id))) == ({memory.id: "one"}, before)
    assert vault.undo().what == "add"
    assert contents(vault) == {}
    vault.undo(redo=True)
    vault.undo(redo=True)
    assert contents(vault) == {memory.id: "two"}


# -- merging ---------------------------------------------------------------------------------------------------------


def apart(vault: Vault) -> list[Version]:
    """Return a memory's first version, and two that were made of it and can be merged."""
    root = made("m" * 26, content="a\nb\nc\nd\n")
    return [root, made(root.id, [root], content="A\nb\nc\nd\n"), made(root.id, [root], content="a\nb\nc\nD\n")]


@pytest.mark.parametrize("next_change", ["an edit of another", "an edit of it", "a sync"])
def test_a_merge_that_fails_is_told_and_made_by_the_next_change(
    vault: Vault, next_change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = vault.add("another")
    root, *sides = apart(vault)
    with files.simulated(FailsAt("replace", 4, OSError(5, "Input/output error")), waits=False):  # after the three
        taken = vault.take_in([root, *sides], "pull")
    assert taken.conflicts == (root.id,)
    assert str(vault.told()[0]).startswith("the change was made, but it was not merged: ")
    vault = reopened(vault)
    if next_change == "a sync":
        vault.finish()
    else:
        changed = other.id if next_change == "an edit of another" else root.id
        vault.edit(changed, {"tags": ["new"]})
    assert contents(vault)[root.id] == "A\nb\nc\nD\n"
    assert not entry_of(vault, root.id).in_conflict
    assert vault.told() == []
    assert vault.left_unfinished() == []


# -- deleting --------------------------------------------------------------------------------------------------------


def with_history(vault: Vault) -> str:
    memory = vault.add("first")
    for number in range(5):
        vault.edit(memory.id, {"content": f"edit {number}"})
    return memory.id


@pytest.mark.parametrize("way", ["gc", "purge"])
@pytest.mark.parametrize("end", [Killed(), OSError(5, "Input/output error")], ids=["killed", "EIO"])
def test_deleting_that_is_cut_off_anywhere_leaves_no_old_version_beside_the_newest(
    way: str, end: BaseException, tmp_path_factory: pytest.TempPathFactory
) -> None:
    reached = 0
    for at in count(1):
        vault = new_vault(tmp_path_factory.mktemp("cut") / "home")
        memory_id = with_history(vault)
        fails = FailsAt("unlink", at, end)
        try:
            with files.simulated(fails, waits=False):
                upkeep.tidy(vault, history=1) if way == "gc" else vault.purge([memory_id])
        except (Killed, CannotRemove, NotDestroyed):
            reached += 1
        shown = entry_of(reopened(vault), memory_id)
        assert not shown.in_conflict
        assert shown.deleted == (way == "purge")
        again = reopened(vault)
        again.edit(again.add("next").id, {"tags": ["x"]})
        if way == "purge":
            assert len(versions_of(again, memory_id)) == 1
        else:
            upkeep.tidy(again, history=1)
            assert [version.field("content") for version in versions_of(again, memory_id)] == ["edit 4"]
        if fails.made < at:
            break
    assert reached >= 5


def test_a_purge_whose_files_cannot_be_deleted_says_so(vault: Vault) -> None:
    memory_id = with_history(vault)

    def fail(call: str) -> None:
        if call == "unlink":
            raise OSError(5, "Input/output error")

    with files.simulated(fail, waits=False), pytest.raises(NotDestroyed, match="still on the disk"):
        vault.purge([memory_id])
    assert entry_of(vault, memory_id).deleted
    assert issubclass(NotDestroyed, Unfinished)
    assert (NotDestroyed.exit_code, NotNoted.exit_code) == (1, 0)
