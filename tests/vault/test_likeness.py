"""Duplicates and near-duplicates: found, told apart from what only looks alike, and kept up to date."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ghostie.memory import id_from
from ghostie.vault.likeness import Alike, Likeness, features, same, share, sketch
from ghostie.vault.vault import Vault

from .house import START, made

pytestmark = pytest.mark.versions

ROUTER = "the router in the hall answers on 10.0.0.1 and its passphrase is on the label"
OTHER = "the printer in the attic sleeps until somebody opens the lid and says hello"


@pytest.fixture
def likeness(vault: Vault) -> Iterator[Likeness]:
    made = Likeness(vault)
    yield made
    made.close()


def fresh(vault: Vault, likeness: Likeness) -> None:
    vault.refresh()
    likeness.catch_up()


def test_exact_and_near_duplicates_are_found_and_others_are_not(vault: Vault, likeness: Likeness) -> None:
    first = vault.add(ROUTER).id
    shouted = vault.add(f"  {ROUTER.upper()}\n").id
    near = vault.add(ROUTER.replace("hall", "cellar")).id
    other = vault.add(OTHER).id
    fresh(vault, likeness)
    exact, alike = likeness.duplicates_of(first)
    assert exact == Alike(shouted, 1.0, True)
    assert (alike.id, alike.exact) == (near, False)
    assert 0.6 <= alike.share < 1
    assert {each.id for each in likeness.duplicates_of(near)} == {first, shouted}
    assert likeness.duplicates_of(other) == []
    assert likeness.duplicates_of("nobody") == []
    assert likeness.groups() == [(first, shouted, near)]


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("buy oat milk", "buy oat milk today", True),
        ("buy oat milk", "sell the old car", False),
        ("dns", "DNS", True),
        ("世界にこんにちは、長いメモです", "世界にこんにちは、長いメモでした", True),
        ("世界にこんにちは、長いメモです", "電話の画面では途中で切れます", False),
        ("!!!", "!!!", True),
        ("!!!", "???", False),
        ("a\ud800b c", "a\ud800b c", True),
        ("caf\u00e9 au lait", "cafe\u0301 au lait", True),
    ],
)
def test_what_is_alike(one: str, other: str, alike: bool, vault: Vault, likeness: Likeness) -> None:
    ids = [id_from(bytes([number]) * 16) for number in (1, 2)]
    if "\ud800" not in one:
        vault.take_in([made(ids[0], content=one), made(ids[1], content=other)], "import")
        fresh(vault, likeness)
        assert [each.id for each in likeness.duplicates_of(ids[0])] == ([ids[1]] if alike else [])
        assert likeness.groups() == ([tuple(ids)] if alike else [])
    assert (same(one) == same(other) or share(features(one), features(other)) >= 0.6) is alike


def test_only_memories_of_one_kind_are_held_against_each_other(vault: Vault, likeness: Likeness) -> None:
    one = vault.add(ROUTER).id
    vault.add(ROUTER, kind="task")
    fresh(vault, likeness)
    assert likeness.duplicates_of(one) == []
    assert likeness.groups() == []


def test_it_keeps_up_with_the_vault(vault: Vault, likeness: Likeness) -> None:
    one, two = vault.add(ROUTER).id, vault.add(OTHER).id
    vault.refresh()
    assert likeness.catch_up() == 2
    assert likeness.catch_up() == 0
    assert likeness.groups() == []
    vault.edit(two, {"content": ROUTER + " since spring"})
    assert likeness.catch_up() == 1
    assert [each.id for each in likeness.duplicates_of(one)] == [two]
    vault.remove([two])
    assert likeness.catch_up() == 0
    assert likeness.duplicates_of(one) == []
    vault.purge([one])
    likeness.catch_up()
    assert likeness.duplicates_of(one) == []


def test_a_crowd_of_the_like_makes_one_group(vault: Vault, likeness: Likeness) -> None:
    """As a program's daily lines are: hundreds that differ in a word."""
    text = "the nightly backup of all the folders ran without any error and took {} minutes"
    ids = [id_from(number.to_bytes(16, "big")) for number in range(300)]
    vault.take_in(
        [made(each, content=text.format(number), at=START + number) for number, each in enumerate(ids)], "import"
    )
    fresh(vault, likeness)
    groups = likeness.groups()
    assert groups[0][0] == ids[0]
    assert sum(map(len, groups)) == 300
    assert len(groups) <= 40
    assert len(likeness.duplicates_of(ids[7])) == 10


def test_it_is_the_same_every_time(vault: Vault, likeness: Likeness) -> None:
    assert sketch("one two three") == [427531792, 1498733001]
    for number in range(30):
        vault.add(f"{ROUTER} {'and more ' * (number % 3)}{number % 5}")
    fresh(vault, likeness)
    again = Likeness(vault)
    again.catch_up()
    assert again.groups() == likeness.groups() != []
    again.close()


@pytest.mark.once
def test_a_text_of_a_mebibyte_is_held_against_others(vault: Vault, likeness: Likeness) -> None:
    long = vault.add("word " * 200_000).id
    also = vault.add("WORD " * 200_000).id
    vault.add("x" * (1 << 20))
    fresh(vault, likeness)
    assert [(each.id, each.exact) for each in likeness.duplicates_of(long)] == [(also, True)]
