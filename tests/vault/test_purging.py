from __future__ import annotations

import pytest

from ghostie.errors import ChangedSince, NothingToUndo, UnknownVersion
from ghostie.memory import Version
from ghostie.vault.query import Filter
from ghostie.vault.vault import Vault

from .house import content, contents, entry_of, every_version, heads, made, plaintexts, reopened, versions_of

WORD = "xylophone"
STEM = b"xyloph"


def long_lived(vault: Vault) -> str:
    """Add a memory with a history: four versions that all say WORD."""
    memory = vault.add(f"{WORD} first", tags=[WORD], category=WORD)
    for word in ("second", "third"):
        vault.edit(memory.id, {"content": f"{WORD} {word}\n" * 50})
    vault.remove([memory.id])
    return memory.id


def test_of_a_purged_memory_nothing_but_a_marker_is_left(vault: Vault) -> None:
    kept = vault.add("kept")
    memory_id = long_lived(vault)
    assert vault.purge([memory_id]) == [memory_id]
    (stem,) = [stem for stem in vault.files.stems() if stem.startswith(memory_id)]
    marker = vault.files.read(stem)
    assert marker.deleted
    assert len(marker.purges) == 4
    assert marker.record.keys() == {"id", "sync_metadata"}
    assert contents(vault) == {kept.id: "kept"}
    assert [entry.id for entry in vault.select(Filter(deleted=True))] == [memory_id]


def test_of_a_purged_memory_no_word_stays_in_any_file_of_the_vault(vault: Vault) -> None:
    for number in range(70):
        vault.add(f"filler {number}")
    memory_id = long_lived(vault)
    vault.restore(memory_id)
    vault.refresh()
    assert vault.search(WORD)
    assert vault.layout.search.exists()
    assert any(STEM in plaintext for plaintext in plaintexts(vault).values())
    vault.purge([memory_id])
    vault.refresh()
    assert vault.search(WORD) == []
    vault.search("filler")
    for name, plaintext in plaintexts(vault).items():
        assert STEM not in plaintext.lower(), name
    assert all(WORD not in version.raw.decode() for version in every_version(vault).values())


def test_a_search_left_open_elsewhere_writes_no_purged_word_back(vault: Vault) -> None:
    memory_id = long_lived(vault)
    vault.restore(memory_id)
    for number in range(70):
        vault.add(f"filler {number}")
    other = reopened(vault)
    assert other.search(WORD)
    assert vault.layout.search.exists()
    vault.purge([memory_id])
    for number in range(70):
        vault.add(f"more {number}")
    other.refresh()
    assert other.search(WORD) == []
    assert other.search("more")
    assert vault.layout.search.exists()
    assert STEM not in plaintexts(vault)["search"].lower()
    other.close()


def test_a_search_left_open_over_a_purge_and_another_save_writes_no_purged_word_back(vault: Vault) -> None:
    memory_id = long_lived(vault)
    vault.restore(memory_id)
    other = reopened(vault)
    assert other.search(WORD)
    vault.purge([memory_id])
    vault.add("later")
    vault.refresh()
    assert vault.search("later")
    for number in range(70):
        vault.add(f"more {number}")
    other.refresh()
    assert other.search("more")
    assert STEM not in plaintexts(vault)["search"].lower()
    other.close()


def test_a_purge_cannot_be_undone(vault: Vault) -> None:
    memory = vault.add("x")
    vault.purge([memory.id])
    with pytest.raises(UnknownVersion):
        vault.restore(memory.id)
    with pytest.raises(NothingToUndo):
        vault.undo()
    assert contents(vault) == {}


def test_a_change_of_which_a_part_was_purged_cannot_be_undone(vault: Vault) -> None:
    kept, doomed = vault.add("kept"), vault.add("doomed")
    vault.remove([kept.id, doomed.id])
    vault.purge([doomed.id])
    with pytest.raises(ChangedSince):
        vault.undo()
    assert contents(vault) == {}


def test_what_was_done_before_a_purge_of_something_else_can_still_be_undone(vault: Vault) -> None:
    kept = vault.add("kept")
    doomed = vault.add("doomed")
    vault.edit(kept.id, {"content": "changed"})
    vault.purge([doomed.id])
    vault.undo()
    assert contents(vault) == {kept.id: "kept"}
    vault.undo()  # past the purged memory's own add, of which nothing can be put back
    assert contents(vault) == {}
    with pytest.raises(NothingToUndo):
        vault.undo()
    vault.undo(redo=True)
    assert contents(vault) == {kept.id: "kept"}


def test_purging_twice_still_names_all_that_was_destroyed(vault: Vault) -> None:
    memory = vault.add("x")
    vault.purge([memory.id])
    vault.purge([memory.id])
    (marker,) = versions_of(vault, memory.id)
    assert memory.hash in marker.purges
    taken = vault.take_in([memory], "pull")
    assert taken.new == 0
    assert contents(vault) == {}


def test_a_purge_reaches_another_device_and_destroys_there_too(vault: Vault, phone: Vault) -> None:
    memory_id = long_lived(vault)
    vault.restore(memory_id)
    phone.take_in(versions_of(vault, memory_id), "pull")
    assert phone.search(WORD)
    vault.purge([memory_id])
    taken = phone.take_in(versions_of(vault, memory_id), "pull")
    phone.refresh()
    assert taken.removed == (memory_id,)
    assert heads(phone) == heads(vault)
    assert len(phone.files.stems()) == 1
    assert phone.search(WORD) == []
    for name, plaintext in plaintexts(phone).items():
        assert STEM not in plaintext.lower(), name


def test_what_was_purged_does_not_come_back_with_an_old_log(vault: Vault) -> None:
    memory_id = long_lived(vault)
    olds = versions_of(vault, memory_id)
    vault.purge([memory_id])
    for old in (olds, olds[::-1], olds[:1]):
        taken = vault.take_in(old, "pull")
        assert taken.new == 0
        assert contents(vault) == {}
    assert len(vault.files.stems()) == 1


@pytest.mark.parametrize("purge_first", [True, False])
def test_an_edit_made_beside_a_purge_survives_it(vault: Vault, phone: Vault, purge_first: bool) -> None:
    memory = vault.add("x")
    phone.take_in([memory], "pull")
    vault.purge([memory.id])
    (marker,) = versions_of(vault, memory.id)
    edit = phone.edit(memory.id, {"content": "y"})
    vault.take_in([edit], "pull")
    phone.take_in([marker], "pull")
    third = [marker, edit] if purge_first else [edit, marker]
    assert contents(vault) == contents(phone) == {memory.id: "y"}
    assert heads(vault) == heads(phone)
    assert entry_of(vault, memory.id).row["flag"] == "edit-over-delete"
    other = reopened(vault)
    other.take_in(third, "pull")
    assert contents(other) == {memory.id: "y"}


def test_an_edit_beside_a_purge_that_says_what_was_purged_is_the_same_on_both(vault: Vault, phone: Vault) -> None:
    memory = vault.add("x")
    there_and_back = made(memory.id, [memory], content="z", at=memory.modified + 10)
    reverted = made(
        memory.id, [there_and_back], content="x", timestamp=memory.field("timestamp"), at=memory.modified + 20
    )
    phone.take_in([memory, there_and_back, reverted], "pull")
    vault.purge([memory.id])
    (marker,) = versions_of(vault, memory.id)
    phone.take_in([marker], "pull")
    vault.take_in([there_and_back, reverted], "pull")
    assert contents(vault) == contents(phone)
    assert heads(vault) == heads(phone)


def test_a_marker_that_comes_before_what_it_destroys_keeps_it_out(vault: Vault, phone: Vault) -> None:
    memory = vault.add("x")
    edit = vault.edit(memory.id, {"content": "y"})
    vault.purge([memory.id])
    (marker,) = versions_of(vault, memory.id)
    for order in ([marker, edit, memory], [memory, marker, edit], [edit, memory, marker]):
        phone.take_in(order, "pull")
        assert contents(phone) == {}
        assert set(every_version(phone)) == {marker.hash}


def test_a_marker_of_one_memory_destroys_nothing_of_another(vault: Vault) -> None:
    victim = vault.add("stay")
    hostile = made("b" * 26, content="", deleted=True, sync={"purges": [victim.hash]})
    vault.take_in([hostile], "pull")
    assert contents(reopened(vault)) == {victim.id: "stay"}


def test_a_private_memory_stays_private_in_its_marker(vault: Vault) -> None:
    memory = vault.add("x", privacy="local")
    vault.purge([memory.id])
    (marker,) = versions_of(vault, memory.id)
    assert marker.field("privacy") == "local"


def test_a_purged_id_can_be_used_again_by_an_edit_from_elsewhere(vault: Vault) -> None:
    memory = vault.add("x")
    vault.purge([memory.id])
    (marker,) = versions_of(vault, memory.id)
    follows: Version = made(memory.id, [marker], content="again", at=marker.modified + 5)
    vault.take_in([follows], "pull")
    assert content(vault, memory.id) == "again"


def test_a_purge_that_was_cut_off_is_finished_by_the_next_change(vault: Vault) -> None:
    memory_id = long_lived(vault)
    before = {stem: (vault.layout.memories / f"{stem}.json.enc").read_bytes() for stem in vault.files.stems()}
    vault.purge([memory_id])
    for stem, sealed in before.items():  # as if the power had gone between the marker and the deletions
        (vault.layout.memories / f"{stem}.json.enc").write_bytes(sealed)
    vault.layout.index_snapshot.unlink()
    again = reopened(vault)
    assert contents(again) == {}
    other = again.add("anything")
    again.edit(other.id, {"content": "anything else"})
    assert len([stem for stem in again.files.stems() if stem.startswith(memory_id)]) == 1
