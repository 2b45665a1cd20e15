from __future__ import annotations

import random

import pytest

from ghostie.errors import ChangedSince, NothingToUndo
from ghostie.memory import LARGE_CHANGE, Version, derived_id
from ghostie.vault import conflicts
from ghostie.vault.vault import Vault

from .house import content, contents, entry_of, made, reopened, versions_of

State = dict[str, str]


def test_undo_walks_back_over_every_kind_of_change_and_redo_forward_again(vault: Vault) -> None:
    states: list[State] = [contents(vault)]
    one = vault.add("one")
    states.append(contents(vault))
    two = vault.add("two")
    states.append(contents(vault))
    vault.edit(one.id, {"content": "ONE"})
    states.append(contents(vault))
    vault.remove([one.id, two.id])
    states.append(contents(vault))
    vault.restore(two.id)
    states.append(contents(vault))
    vault.edit_all([two.id], lambda version: {"content": "TWO"})
    states.append(contents(vault))
    vault.take_in([made("c" * 26, content="three")], "import")
    states.append(contents(vault))
    for state in states[-2::-1]:
        vault.undo()
        assert contents(vault) == state
    with pytest.raises(NothingToUndo):
        vault.undo()
    for state in states[1:]:
        vault.undo(redo=True)
        assert contents(vault) == state
    with pytest.raises(NothingToUndo):
        vault.undo(redo=True)
    for state in states[-2::-1]:
        vault.undo()
        assert contents(vault) == state


@pytest.mark.parametrize("seed", range(6))
def test_undo_and_redo_in_any_mixture_show_what_a_stack_would(vault: Vault, seed: int) -> None:
    dice = random.Random(seed)
    done: list[State] = [{}]
    undone: list[State] = []
    for step in range(60):
        ids = sorted(done[-1])
        choice = dice.choice(["add", "edit", "remove", "undo", "undo", "redo"])
        if choice == "undo" and len(done) > 1:
            vault.undo()
            undone.append(done.pop())
        elif choice == "undo":
            with pytest.raises(NothingToUndo):
                vault.undo()
        elif choice == "redo" and undone:
            vault.undo(redo=True)
            done.append(undone.pop())
        elif choice == "redo":
            with pytest.raises(NothingToUndo):
                vault.undo(redo=True)
        else:
            if choice == "edit" and ids:
                vault.edit(dice.choice(ids), {"content": f"edit {step}"})
            elif choice == "remove" and ids:
                vault.remove([dice.choice(ids)])
            else:
                vault.add(f"memory {step}")
            done.append(contents(vault))
            undone.clear()
        assert contents(vault) == done[-1]


def test_undo_of_an_edit_brings_back_every_field(vault: Vault) -> None:
    memory = vault.add("x", tags=["a"], context={"k": 1}, category="c")
    vault.edit(memory.id, {"content": "y", "tags": ["b"], "context": {}, "category": None})
    vault.undo()
    (back, *_) = versions_of(vault, memory.id)
    assert back.say() == memory.say()
    assert (back.number, len(back.parents)) == (3, 1)


def test_undo_of_an_added_memory_removes_it_and_undoing_that_brings_it_back(vault: Vault) -> None:
    memory = vault.add("x")
    first = vault.undo()
    assert first.what == "add"
    assert contents(vault) == {}
    vault.undo(redo=True)
    assert contents(vault) == {memory.id: "x"}


def test_undo_of_an_import_takes_out_all_that_came_and_puts_back_what_it_changed(vault: Vault) -> None:
    known = vault.add("known")
    newer = made(known.id, [known], content="known, newer", timestamp=known.field("timestamp"), at=known.modified + 5)
    fresh = [made(letter * 26, content=letter) for letter in "abcd"]
    vault.take_in([newer, *fresh], "import")
    assert len(contents(vault)) == 5
    vault.undo()
    assert contents(vault) == {known.id: "known"}
    vault.undo(redo=True)
    assert contents(vault)[known.id] == "known, newer"
    assert len(contents(vault)) == 5


def test_what_came_from_other_devices_is_not_what_undo_means(vault: Vault) -> None:
    mine = vault.add("mine")
    vault.take_in([made("d" * 26, content="theirs")], "pull")
    assert vault.undo().what == "add"
    assert contents(vault) == {"d" * 26: "theirs"}
    assert mine.id not in contents(vault)


def test_a_pull_can_be_undone_by_its_name(vault: Vault) -> None:
    vault.add("mine")
    vault.take_in([made("d" * 26, content="theirs")], "pull")
    pull = vault.operations.all()[-1]
    vault.undo(pull.id)
    assert list(contents(vault).values()) == ["mine"]


def test_an_older_operation_can_be_undone_by_its_name_if_nothing_came_upon_it(vault: Vault) -> None:
    one, two = vault.add("one"), vault.add("two")
    vault.edit(one.id, {"content": "ONE"})
    (add_two,) = [each for each in vault.operations.all() if each.changes[0].id == two.id]
    vault.undo(add_two.id)
    assert contents(vault) == {one.id: "ONE"}


def test_undo_of_what_has_changed_since_is_refused_and_changes_nothing(vault: Vault) -> None:
    memory = vault.add("x")
    other = vault.add("y")
    vault.remove([memory.id, other.id])
    newer = made(memory.id, versions_of(vault, memory.id)[:1], content="from elsewhere")
    vault.take_in([newer], "pull")
    with pytest.raises(ChangedSince):
        vault.undo()
    assert contents(vault) == {memory.id: "from elsewhere"}


def test_an_unknown_operation_is_nothing_to_undo(vault: Vault) -> None:
    vault.add("x")
    with pytest.raises(NothingToUndo):
        vault.undo("no such operation")
    with pytest.raises(NothingToUndo):
        vault.undo(redo=True)


def test_something_new_leaves_no_way_forward(vault: Vault) -> None:
    vault.add("a")
    vault.undo()
    vault.add("b")
    with pytest.raises(NothingToUndo):
        vault.undo(redo=True)


def test_an_undo_of_many_memories_can_be_redone_after_something_new(vault: Vault) -> None:
    vault.take_in(
        [made(derived_id(b"%d" % number), content=f"{number}") for number in range(LARGE_CHANGE + 1)], "import"
    )
    before = contents(vault)
    undone = vault.undo()
    assert undone.is_large
    new = vault.add("new")
    vault.undo(redo=True)
    assert contents(vault) == {**before, new.id: "new"}
    with pytest.raises(NothingToUndo):
        vault.undo(redo=True)


@pytest.mark.parametrize("by", ["the undo", "what it took back"])
def test_whatever_was_undone_is_redone_by_its_name_while_its_memories_have_not_changed(vault: Vault, by: str) -> None:
    one, two = vault.add("one"), vault.add("two")
    vault.remove([one.id])
    removal = vault.operations.all()[-1]
    vault.undo()
    undo = vault.operations.all()[-1]
    vault.edit(two.id, {"content": "TWO"})
    named = undo.id if by == "the undo" else removal.id
    vault.undo(named, redo=True)
    assert contents(vault) == {two.id: "TWO"}
    with pytest.raises((NothingToUndo, ChangedSince)):
        vault.undo(named, redo=True)


@pytest.mark.parametrize("brought_by", ["pull", "repair"])
def test_what_sync_brought_is_taken_back_only_by_its_name(vault: Vault, brought_by: str) -> None:
    vault.add("mine")
    vault.undo()
    vault.take_in([made("d" * 26, content="theirs")], brought_by)
    brought = vault.operations.all()[-1]
    with pytest.raises(NothingToUndo):
        vault.undo()
    vault.undo(redo=True)  # what came from elsewhere bars no way forward
    assert sorted(contents(vault).values()) == ["mine", "theirs"]
    vault.undo(brought.id)
    assert list(contents(vault).values()) == ["mine"]


def test_an_undo_of_many_memories_says_how_far_it_is(vault: Vault) -> None:
    vault.take_in([made(derived_id(b"%d" % number), content=f"{number}") for number in range(250)], "import")
    heard: list[tuple[int, int]] = []
    vault.undo(progress=lambda done, total: heard.append((done, total)))
    assert heard == [(100, 250), (200, 250)]


def test_undo_after_another_device_said_the_same_works(vault: Vault) -> None:
    memory = vault.add("x")
    edit = vault.edit(memory.id, {"content": "y"})
    twin = made(
        memory.id, [memory], content="y", timestamp=memory.field("timestamp"), device_id="phone", at=edit.modified + 7
    )
    vault.take_in([twin], "pull")
    assert not entry_of(vault, memory.id).in_conflict
    vault.undo()
    assert contents(vault) == {memory.id: "x"}


def test_operations_survive_the_process(vault: Vault) -> None:
    memory = vault.add("x")
    vault.edit(memory.id, {"content": "y"})
    other = reopened(vault)
    other.undo()
    reopened(vault).undo()
    assert contents(vault) == {}


def test_operations_damaged_in_one_place_still_undo_the_rest(vault: Vault) -> None:
    first = vault.add("first")
    size = vault.layout.operations.stat().st_size
    vault.take_in([made("p" * 26, content="pulled")], "pull")
    vault.add("third")
    raw = bytearray(vault.layout.operations.read_bytes())
    raw[size + 100] ^= 1
    vault.layout.operations.write_bytes(bytes(raw))
    assert [operation.what for operation in vault.operations.all()] == ["add", "add"]
    vault.undo()
    vault.undo()
    assert first.id not in contents(vault)


# -- undoing what settled a conflict ---------------------------------------------------------------------------------


def conflicted(vault: Vault, base: str = "draft", **fields: object) -> tuple[str, Version, Version]:
    memory = vault.add(base, **fields)
    mine = vault.edit(memory.id, {"content": "mine"})
    theirs = made(
        memory.id, [memory], content="theirs", device="phone", timestamp=memory.field("timestamp"), at=mine.modified + 9
    )
    vault.take_in([theirs], "pull")
    assert entry_of(vault, memory.id).in_conflict
    return memory.id, mine, theirs


@pytest.mark.parametrize("keep", conflicts.CHOICES)
def test_undo_of_a_resolution_opens_the_same_conflict_again(vault: Vault, keep: str) -> None:
    memory_id, mine, theirs = conflicted(vault)
    before = conflicts.look(vault, entry_of(vault, memory_id))
    conflicts.resolve(vault, memory_id, keep, edited=lambda conflict: "by hand")
    assert not entry_of(vault, memory_id).in_conflict
    vault.undo()
    again = conflicts.look(vault, entry_of(vault, memory_id))
    assert again.base is not None
    assert before.base is not None
    assert again.base.say() == before.base.say()
    assert (again.mine.say(), again.theirs.say()) == (mine.say(), theirs.say())
    assert again.disputes == before.disputes == ("content",)
    assert again.marked() == before.marked()
    assert vault.layout.worksheet(memory_id).exists()
    assert set(contents(vault)) == {memory_id}
    vault.undo(redo=True)
    assert not entry_of(vault, memory_id).in_conflict
    assert not vault.layout.worksheet(memory_id).exists()


def test_undo_of_a_removal_in_conflict_opens_the_same_conflict_again(vault: Vault) -> None:
    memory_id, mine, theirs = conflicted(vault)
    vault.remove([memory_id])
    vault.undo()
    again = conflicts.look(vault, entry_of(vault, memory_id))
    assert {again.mine.say(), again.theirs.say()} == {mine.say(), theirs.say()}


def test_a_conflict_opened_again_stays_open_on_every_device(vault: Vault, phone: Vault) -> None:
    memory_id, _, _ = conflicted(vault)
    conflicts.resolve(vault, memory_id, "mine")
    vault.undo()
    phone.take_in(versions_of(vault, memory_id), "pull")
    vault.take_in(versions_of(phone, memory_id), "pull")
    assert entry_of(phone, memory_id).heads == entry_of(vault, memory_id).heads
    assert entry_of(phone, memory_id).in_conflict


def test_undo_of_a_resolution_between_sides_without_a_common_past_opens_it_again(vault: Vault, phone: Vault) -> None:
    one, other = made("e" * 26, content="same", tags=["one"]), made("e" * 26, content="same", tags=["other"])
    vault.take_in([one, other], "import")
    assert entry_of(vault, one.id).in_conflict
    conflicts.resolve(vault, one.id, "mine")
    vault.undo()
    assert entry_of(vault, one.id).in_conflict
    phone.take_in(versions_of(vault, one.id), "pull")
    assert entry_of(phone, one.id).in_conflict
    assert entry_of(phone, one.id).heads == entry_of(vault, one.id).heads


def test_undo_of_a_resolution_between_three_sides_opens_all_three_again(vault: Vault) -> None:
    memory_id, mine, theirs = conflicted(vault)
    root = versions_of(vault, memory_id)[-1]
    third = made(
        memory_id, [root], content="third", device="tablet", timestamp=root.field("timestamp"), at=root.modified + 99
    )
    vault.take_in([third], "pull")
    conflicts.resolve(vault, memory_id, "mine")
    vault.undo()
    again = conflicts.look(vault, entry_of(vault, memory_id))
    assert {side.say() for side in (again.mine, *again.others)} == {mine.say(), theirs.say(), third.say()}


def test_undo_of_an_edit_that_was_merged_gives_back_what_stood_before_it(vault: Vault) -> None:
    memory = vault.add("one\ntwo\nthree\n")
    vault.edit(memory.id, {"content": "ONE\ntwo\nthree\n"})
    vault.edit(memory.id, {"content": "one\ntwo\nTHREE\n"}, base=memory.hash)
    assert content(vault, memory.id) == "ONE\ntwo\nTHREE\n"
    vault.undo()
    assert content(vault, memory.id) == "ONE\ntwo\nthree\n"
