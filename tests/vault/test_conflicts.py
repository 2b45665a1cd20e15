from __future__ import annotations

from typing import Any

import pytest

from ghostie import codec
from ghostie.crypto.sealing import Purpose, unseal
from ghostie.errors import AnotherSide, BadMemory, Damaged, InConflict, NoConflict
from ghostie.memory import Version
from ghostie.vault import conflicts
from ghostie.vault.vault import Vault

from .house import contents, entry_of, every_version, heads, made, reopened, shown, versions_of

ID = "q" * 26


def open_conflict(
    vault: Vault, base: str = "top\nmiddle\n", mine: str = "top\nMINE\n", theirs: str = "top\nTHEIRS\n"
) -> tuple[Version, Version]:
    first = made(ID, content=base, tags=["t"])
    vault.take_in([first], "pull")
    here = vault.edit(ID, {"content": mine, "tags": ["t", "here"]})
    there = made(ID, [first], content=theirs, tags=["t", "there"], category="net", device="phone", at=here.modified + 5)
    vault.take_in([there], "pull")
    return here, there


def look(vault: Vault) -> conflicts.Conflict:
    return conflicts.look(vault, entry_of(vault, ID))


def test_a_conflict_shows_this_devices_side_as_mine(vault: Vault) -> None:
    here, there = open_conflict(vault)
    conflict = look(vault)
    assert (conflict.mine, conflict.theirs) == (here, there)
    assert conflict.disputes == ("content",)
    assert conflict.base is not None
    assert conflict.base.field("content") == "top\nmiddle\n"


def test_mine_is_mine_though_the_merge_of_something_else_stands_upon_it(vault: Vault) -> None:
    here, _ = open_conflict(vault)
    upon = made(ID, [here], content="top\nMINE\n", tags=["t", "here", "more"], at=here.modified + 50)
    vault.take_in([upon], "pull")
    assert look(vault).mine == upon


def test_a_memory_in_conflict_is_shown_by_one_side_and_can_be_found(vault: Vault) -> None:
    open_conflict(vault)
    assert list(contents(vault)) == [ID]
    assert vault.search("top")
    with pytest.raises(InConflict):
        vault.edit(ID, {"content": "x"})


@pytest.mark.parametrize(
    ("keep", "text"),
    [
        ("mine", "top\nMINE\n"),
        ("theirs", "top\nTHEIRS\n"),
        ("both", "top\nMINE\n"),
        ("merged", "top\nMINE\nTHEIRS\n"),
        ("edit", "by hand"),
    ],
)
def test_a_conflict_is_settled_as_the_person_says(vault: Vault, keep: str, text: str) -> None:
    open_conflict(vault)
    _, versions = conflicts.resolve(vault, ID, keep, edited=lambda conflict: "by hand")
    assert contents(vault)[ID] == text
    assert not entry_of(vault, ID).in_conflict
    assert set(versions[0].parents) == {version.hash for version in versions_of(vault, ID)[1:3]}
    assert len(versions_of(vault, ID)) == 4
    assert list(vault.layout.conflicts.iterdir()) == []


@pytest.mark.parametrize("keep", ["merged", "edit"])
def test_what_was_not_in_dispute_is_kept_of_both_sides(vault: Vault, keep: str) -> None:
    open_conflict(vault)
    conflicts.resolve(vault, ID, keep, edited=lambda conflict: "by hand")
    after = shown(vault, ID)
    assert (after.field("tags"), after.field("category")) == (["here", "t", "there"], "net")


def test_keeping_both_makes_the_other_side_a_memory_of_its_own_that_says_where_it_is_from(vault: Vault) -> None:
    _, there = open_conflict(vault)
    _, (_, split) = conflicts.resolve(vault, ID, "both")
    assert contents(vault) == {ID: "top\nMINE\n", split.id: "top\nTHEIRS\n"}
    assert split.field("links") == [{"type": "split-from", "to": ID}]
    assert split.field("category") == there.field("category")


def test_keeping_both_on_two_devices_at_once_makes_one_memory_of_the_other_side(vault: Vault, phone: Vault) -> None:
    base = made(ID, content="p")
    sides = [made(ID, [base], content="a", at=base.modified + 9), made(ID, [base], content="b", at=base.modified + 5)]
    for device in (vault, phone):
        device.take_in([base, *sides], "pull")
        conflicts.resolve(device, ID, "both")
    everything = [*every_version(vault).values(), *every_version(phone).values()]
    vault.take_in(everything, "pull")
    phone.take_in(everything, "pull")
    assert heads(vault) == heads(phone)
    assert sorted(contents(vault).values()) == ["a", "b"]


def test_the_editor_is_shown_both_sides(vault: Vault) -> None:
    open_conflict(vault)
    seen: list[str] = []

    def editor(conflict: conflicts.Conflict) -> str:
        seen.append(conflict.marked())
        return "settled"

    conflicts.resolve(vault, ID, "edit", edited=editor)
    assert seen == ["top\n<<<<<<< mine\nMINE\n=======\nTHEIRS\n>>>>>>> theirs\n"]


def test_single_fields_are_settled_as_the_person_says_and_the_others_are_merged(vault: Vault) -> None:
    open_conflict(vault)
    conflicts.resolve(vault, ID, "merged", fields={"content": "mine, and theirs", "tags": ["b", "a"]})
    after = shown(vault, ID)
    assert [after.field(name) for name in ("content", "tags", "category")] == ["mine, and theirs", ["a", "b"], "net"]
    assert not entry_of(vault, ID).in_conflict


def test_a_field_that_cannot_be_is_refused_and_the_conflict_stays(vault: Vault) -> None:
    open_conflict(vault)
    with pytest.raises(BadMemory):
        conflicts.resolve(vault, ID, "merged", fields={"category": "two\nlines"})
    assert entry_of(vault, ID).in_conflict


def test_a_side_that_the_person_has_not_seen_is_not_settled_with_the_others(vault: Vault) -> None:
    here, there = open_conflict(vault)
    seen = [here.hash, there.hash]
    first = next(version for version in versions_of(vault, ID) if not version.parents)
    third = made(ID, [first], content="top\nTHIRD\n", device="tablet", at=there.modified + 5)
    vault.take_in([third], "pull")
    with pytest.raises(AnotherSide):
        conflicts.resolve(vault, ID, "mine", seen=seen)
    assert set(entry_of(vault, ID).heads) == {*seen, third.hash}
    conflicts.resolve(vault, ID, "mine", seen=[*seen, third.hash])
    assert contents(vault)[ID] == "top\nMINE\n"


def test_a_memory_without_a_conflict_has_none_to_settle(vault: Vault) -> None:
    memory = vault.add("x")
    vault.refresh()
    with pytest.raises(NoConflict):
        conflicts.resolve(vault, memory.id, "mine")


def test_open_conflicts_are_listed(vault: Vault) -> None:
    vault.add("peace")
    open_conflict(vault)
    vault.refresh()
    assert [entry.id for entry in conflicts.open_conflicts(vault)] == [ID]


def test_the_worksheet_is_sealed_and_says_what_is_in_dispute(vault: Vault) -> None:
    here, there = open_conflict(vault)
    path = vault.layout.worksheet(ID)
    assert b"MINE" not in path.read_bytes()
    sheet: dict[str, Any] = codec.loads(unseal(vault.keys, Purpose.CONFLICT, (ID.encode(),), path.read_bytes()))
    assert sheet["heads"] == [here.hash, there.hash]
    assert sheet["fields"] == ["content"]


# -- three sides -----------------------------------------------------------------------------------------------------


def three_sides(vault: Vault) -> list[Version]:
    base = made(ID, content="top\nmiddle\n")
    sides = [
        made(ID, [base], content=f"top\n{word.upper()}\n", tags=[word], device=word, at=base.modified + later)
        for later, word in ((30, "laptop"), (20, "phone"), (10, "tablet"))
    ]
    vault.take_in([base, *sides], "pull")
    assert len(entry_of(vault, ID).heads) == 3
    return sides


def test_all_three_sides_are_named(vault: Vault) -> None:
    sides = three_sides(vault)
    conflict = look(vault)
    assert conflict.mine == sides[0]
    assert set(other.hash for other in conflict.others) == {side.hash for side in sides[1:]}


def test_merging_three_sides_keeps_what_each_of_them_says(vault: Vault) -> None:
    three_sides(vault)
    conflicts.resolve(vault, ID, "merged")
    after = shown(vault, ID)
    assert sorted(after.field("content").splitlines()) == ["LAPTOP", "PHONE", "TABLET", "top"]
    assert after.field("tags") == ["laptop", "phone", "tablet"]


def test_the_editor_is_shown_all_three_sides(vault: Vault) -> None:
    three_sides(vault)
    text = look(vault).marked()
    assert [text.count(word) for word in ("LAPTOP", "PHONE", "TABLET")] == [1, 1, 1]
    assert text.count("<<<<<<< mine\n") == text.count(">>>>>>> theirs\n") == 2


def test_keeping_both_of_three_keeps_all_three(vault: Vault) -> None:
    three_sides(vault)
    conflicts.resolve(vault, ID, "both")
    assert sorted(contents(vault).values()) == ["top\nLAPTOP\n", "top\nPHONE\n", "top\nTABLET\n"]


# -- when something is amiss -----------------------------------------------------------------------------------------


def test_a_conflict_whose_other_side_is_damaged_says_so_and_can_still_be_settled_by_removal(vault: Vault) -> None:
    _, there = open_conflict(vault)
    path = vault.layout.version(there.stem)
    path.write_bytes(b"\0" * path.stat().st_size)
    with pytest.raises(Damaged):
        look(vault)
    with pytest.raises(Damaged):
        conflicts.resolve(vault, ID, "mine")
    vault.remove([ID])
    assert contents(vault) == {}


def test_a_damaged_base_leaves_both_sides_to_choose_from(vault: Vault) -> None:
    here, there = open_conflict(vault)
    base = versions_of(vault, ID)[-1]
    vault.layout.version(base.stem).write_bytes(b"")
    again = reopened(vault)
    conflict = conflicts.look(again, again.find(ID))
    assert {conflict.mine.hash, conflict.theirs.hash} == {here.hash, there.hash}
    conflicts.resolve(again, ID, "theirs")
    assert contents(again) == {ID: "top\nTHEIRS\n"}
