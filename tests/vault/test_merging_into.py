"""One memory out of two: nothing of either is lost, and one undo brings both back."""

from __future__ import annotations

import pytest

from ghostie.errors import InConflict, IsRemoved, PrivacyDiffers, UnknownMemory, UsageError
from ghostie.memory import id_from
from ghostie.vault.likeness import joined_text
from ghostie.vault.vault import Vault

from .house import contents, made, reopened, shown

ONE = id_from(bytes(16))


def test_the_other_goes_into_it_and_is_removed(vault: Vault) -> None:
    kept = vault.add("the router is at 10.0.0.1", tags=["lan"], context={"room": "hall"}, status="inbox")
    gone = vault.add(
        "the router is at 10.0.0.1\n\nits label is below",
        category="network",
        tags=["home", "lan"],
        context={"room": "attic", "ports": 4},
        links=[{"type": "see", "to": "x"}, {"type": "supersedes", "to": kept.id}],
        source={"tool": "an agent"},
    )
    vault.refresh()
    before = contents(vault)
    version = vault.merge_into(gone.id, kept.id)
    assert version.id == kept.id
    assert version.field("content") == "the router is at 10.0.0.1\n\nits label is below"
    assert version.field("tags") == ["home", "lan"]
    assert version.field("category") == "network"
    assert version.field("context") == {"ports": 4, "room": "hall"}
    assert version.field("links") == [{"type": "see", "to": "x"}, {"type": "supersedes", "to": gone.id}]
    assert version.field("source") == {"tool": "an agent"}
    assert version.field("status") == "active"
    assert vault.find(gone.id).deleted
    assert contents(reopened(vault)) == {kept.id: version.field("content")}
    operation = vault.undo()
    assert operation.what == "merge"
    assert contents(vault) == before
    assert shown(vault, kept.id).say() == kept.say()
    assert shown(vault, gone.id).say() == gone.say()
    vault.undo(redo=True)
    assert shown(vault, kept.id).say() == version.say()
    assert vault.find(gone.id).deleted


@pytest.mark.parametrize(
    ("kept", "added", "joined"),
    [
        ("a b", "A  b", "a b"),
        ("a", "a\nb", "a\nb"),
        ("a\n\nb\n", "b\n\nc", "a\n\nb\n\nc"),
        ("a", "b", "a\n\nb"),
        ("a", "", "a"),
        ("", "b", "b"),
    ],
)
def test_only_what_is_not_there_is_added(kept: str, added: str, joined: str) -> None:
    assert joined_text(kept, added) == joined


def test_what_stays_here_is_not_merged_with_what_goes_out(vault: Vault) -> None:
    local, synced = vault.add("secret", privacy="local").id, vault.add("open").id
    vault.refresh()
    for one, other in ((local, synced), (synced, local)):
        with pytest.raises(PrivacyDiffers) as caught:
            vault.merge_into(one, other)
        assert f"memory {local[:8]} stays" in str(caught.value)
    assert len(contents(vault)) == 2
    other = vault.add("too", privacy="local").id
    vault.refresh()
    assert vault.merge_into(local, other).field("privacy") == "local"


def test_what_cannot_be_merged_is_left_as_it_is(vault: Vault) -> None:
    one, gone = vault.add("one").id, vault.add("gone").id
    first = made(ONE, content="a")
    vault.take_in([first, made(ONE, [first], content="b"), made(ONE, [first], content="c")], "import")
    vault.remove([gone])
    files = vault.files.stems()
    with pytest.raises(UsageError, match="into itself"):
        vault.merge_into(one, one)
    with pytest.raises(UnknownMemory):
        vault.merge_into("nosuch", one)
    for pair in ((gone, one), (one, gone)):
        with pytest.raises(IsRemoved):
            vault.merge_into(*pair)
    for pair in ((ONE, one), (one, ONE)):
        with pytest.raises(InConflict):
            vault.merge_into(*pair)
    assert vault.files.stems() == files
