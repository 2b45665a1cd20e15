"""What the system does not give is not damaged: whoever needs it stops and names it, and nothing is lost for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ghostie.errors import CannotRead, Damaged, Missing, VersionUnreadable
from ghostie.memory import Version
from ghostie.paths import VERSION_SUFFIX
from ghostie.vault import exchange, query, upkeep
from ghostie.vault.vault import Vault
from tests.refusing import REASONS, refusing

from .house import reopened

CALLS = ["open", "read"]


@pytest.fixture
def two(vault: Vault) -> tuple[Version, Version]:
    one, other = vault.add("the one"), vault.add("the other")
    vault.refresh()
    return one, other


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("reason", REASONS)
def test_a_file_that_is_not_given_is_neither_damaged_nor_missing(
    vault: Vault, two: tuple[Version, Version], reason: str, call: str
) -> None:
    one, other = two
    with refusing(one.stem, reason, call):
        with pytest.raises(VersionUnreadable, match=one.stem) as error:
            vault.files.read(one.stem)
        assert (error.value.exit_code, "could not read" in str(error.value)) == (1, True)
        for many in (vault.files.read_many, vault.files.raw_many):
            with pytest.raises(CannotRead):
                list(many([one.stem, other.stem]))
            unread: list[CannotRead] = []
            assert [stem for stem, _ in many([one.stem, other.stem], unread)] == [other.stem]
            assert len(unread) == 1
        with pytest.raises(CannotRead):
            vault.files.check_readable([other.stem, one.stem])
    vault.files.check_readable([one.stem, other.stem])
    vault.layout.version(one.stem).unlink()
    with pytest.raises(Missing):
        vault.files.read(one.stem)


def everything_about(vault: Vault, version: Version) -> dict[str, Callable[[], object]]:
    entry = vault.find(version.id)
    return {
        "show": lambda: vault.shown(entry),
        "history": lambda: vault.history(entry),
        "edit": lambda: vault.edit(version.id, {"content": "changed"}),
        "search": lambda: vault.search("one"),
        "export": lambda: list(exchange.exported(vault, [entry])),
        "a new index": lambda: reopened(vault),
        "doctor --fix": lambda: upkeep.set_aside(vault, (version.stem,)),
    }


@pytest.mark.parametrize("what", ["show", "history", "edit", "search", "export", "a new index", "doctor --fix"])
def test_whoever_needs_it_stops_and_names_it_and_goes_on_when_it_is_given(
    vault: Vault, two: tuple[Version, Version], what: str
) -> None:
    one, other = two
    for path in (vault.layout.index_snapshot, vault.layout.index_journal):
        path.unlink(missing_ok=True)
    act = everything_about(vault, one)[what]
    with refusing(one.stem), pytest.raises(CannotRead, match=one.stem):
        act()
    assert vault.files.stems() == {one.stem, other.stem}
    assert list(vault.layout.quarantine.iterdir()) == []
    if what != "doctor --fix":
        act()


def test_an_export_goes_on_without_what_is_not_given_and_tells(vault: Vault, two: tuple[Version, Version]) -> None:
    unopened: list[Damaged | CannotRead] = []
    with refusing(two[0].stem):
        records = list(exchange.exported(vault, vault.select(), unopened))
    assert [record["content"] for record in records] == ["the other"]
    assert [type(error) for error in unopened] == [VersionUnreadable]


def test_a_check_tells_what_is_not_given_from_what_is_damaged(vault: Vault, two: tuple[Version, Version]) -> None:
    third = vault.add("broken")
    vault.layout.version(third.stem).write_bytes(b"junk")
    with refusing(two[0].stem):
        checked = upkeep.check(vault)
    assert (checked.good, checked.damaged, len(checked.unread)) == (1, (third.stem,), 1)


def test_saved_filters_that_are_not_given_are_not_replaced(vault: Vault) -> None:
    query.save_filter(vault, 1, "tag:one")
    with refusing("filters.enc"), pytest.raises(CannotRead):
        query.save_filter(vault, 2, "tag:two")
    assert query.load_filters(vault) == {1: "tag:one"}


# -- the quarantine ---------------------------------------------------------------------------------------------------


def set_aside(vault: Vault, version: Version) -> Path:
    """Set the file of *version* aside, years ago."""
    path = vault.files.quarantine(version.stem)
    os.utime(path, (0, 0))
    return path


def test_gc_keeps_what_may_be_the_last_copy_of_a_version(vault: Vault, two: tuple[Version, Version]) -> None:
    one, other = two
    whole, broken = set_aside(vault, one), set_aside(vault, other)
    broken.write_bytes(b"junk")
    os.utime(broken, (0, 0))
    refused = vault.layout.quarantine / "0123456789abcdef.1-1.0123456789abcdef.seg"
    refused.write_bytes(b"an object of the store")
    os.utime(refused, (0, 0))
    assert upkeep.tidy(vault).quarantined == 1
    assert (whole.exists(), broken.exists(), refused.exists()) == (True, True, False)
    vault.files.write([one])
    assert upkeep.tidy(vault).quarantined == 1, "there is another copy of it, which opens"
    assert (whole.exists(), broken.exists()) == (False, True)


def test_gc_drops_from_quarantine_what_a_purge_destroyed(vault: Vault, two: tuple[Version, Version]) -> None:
    vault.purge([two[0].id])
    path = vault.layout.quarantine / (two[0].stem + VERSION_SUFFIX)
    path.write_bytes(b"set aside before the purge")
    os.utime(path, (0, 0))
    assert upkeep.quarantine(vault).whole == ()
    assert upkeep.tidy(vault).quarantined == 1
    assert not path.exists()


def test_gc_drops_old_versions_that_open_as_before(vault: Vault, two: tuple[Version, Version]) -> None:
    vault.edit(two[0].id, {"content": "changed"})
    set_aside(vault, two[1])
    assert upkeep.tidy(vault, history=1).versions == 1
    assert two[0].stem not in vault.files.stems()


def test_what_was_set_aside_and_opens_is_counted_and_put_back(vault: Vault, two: tuple[Version, Version]) -> None:
    one, other = two
    set_aside(vault, one)
    set_aside(vault, other).write_bytes(b"junk")
    (vault.layout.quarantine / "0123456789abcdef.1-1.0123456789abcdef.seg").write_bytes(b"an object of the store")
    vault.refresh()
    aside = upkeep.quarantine(vault)
    assert (aside.whole, aside.damaged, aside.unread, aside.objects) == ((one.stem,), 1, 0, 1)
    with refusing(one.stem):
        assert (upkeep.quarantine(vault).whole, upkeep.quarantine(vault).unread) == ((), 1)
    upkeep.put_back(vault, aside.whole)
    assert vault.shown(vault.find(one.id)) == one
    assert len(upkeep.quarantine(vault)) == 2
