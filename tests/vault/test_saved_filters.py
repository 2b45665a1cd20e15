"""Saved filters: kept under the digits, sealed, and still there after a new key."""

from __future__ import annotations

import pytest

from ghostie.crypto.sealing import Keys
from ghostie.errors import BadFilter, Damaged, UsageError
from ghostie.vault.query import load_filters, reseal_filters, save_filter
from ghostie.vault.vault import Vault
from tests.cli.device import flip

from .house import KEYS, reopened


def test_a_filter_is_kept_as_it_was_said(vault: Vault) -> None:
    assert load_filters(vault) == {}
    save_filter(vault, 3, 'since:7d   category:"my words" oat')
    assert save_filter(vault, 1, "is:conflict") == {1: "is:conflict", 3: 'since:7d cat:"my words" oat'}
    assert load_filters(reopened(vault)) == {1: "is:conflict", 3: 'since:7d cat:"my words" oat'}
    assert save_filter(vault, 3, None) == {1: "is:conflict"}
    assert load_filters(reopened(vault)) == {1: "is:conflict"}


def test_nothing_of_it_is_on_the_disk_in_the_clear(vault: Vault) -> None:
    save_filter(vault, 9, "cat:salamander")
    path = vault.layout.filters
    assert b"salamander" not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_no_filter_is_not_kept(vault: Vault) -> None:
    with pytest.raises(BadFilter):
        save_filter(vault, 1, "colour:red")
    for digit in (0, 10, -1):
        with pytest.raises(UsageError):
            save_filter(vault, digit, "x")
    assert not vault.layout.filters.exists()


def test_a_damaged_file_is_told_and_replaced_by_the_next(vault: Vault) -> None:
    save_filter(vault, 1, "x")
    path = vault.layout.filters
    flip(path)
    with pytest.raises(Damaged):
        load_filters(vault)
    assert save_filter(vault, 2, "y") == {2: "y"}
    assert load_filters(vault) == {2: "y"}


@pytest.mark.parametrize(
    "newer",
    [
        Keys(KEYS.vault, {**KEYS.epochs, 2: bytes(32)}),
        Keys(bytes(16), {1: bytes(32)}),
    ],
)
def test_they_go_along_to_a_new_key(newer: Keys, vault: Vault) -> None:
    save_filter(vault, 1, "tag:lan")
    for _ in range(2):  # as a move that was cut off does it again
        reseal_filters(vault.layout, vault.keys, newer)
    moved = Vault(vault.layout, newer, vault.device)
    assert load_filters(moved) == {1: "tag:lan"}
    with pytest.raises(Damaged):
        load_filters(Vault(vault.layout, Keys(bytes(16), {1: bytes(range(32))}), vault.device))
