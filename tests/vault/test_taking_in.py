from __future__ import annotations

import random

import pytest

from ghostie.memory import Version
from ghostie.vault.vault import TakenIn, Vault

from .house import contents, entry_of, every_version, heads, made, plaintexts, reopened, shown, versions_of

ID = "t" * 26


def test_what_came_from_elsewhere_is_there_word_for_word(vault: Vault, phone: Vault) -> None:
    memory = phone.add("from the phone", tags=["a"], context={"deep": {"er": [1, 2.5, None, True]}})
    taken = vault.take_in([memory], "pull")
    assert taken == TakenIn(new=1, added=(memory.id,))
    assert shown(vault, memory.id) == memory


def test_taking_in_again_changes_nothing(vault: Vault, phone: Vault) -> None:
    memory = phone.add("x")
    phone.edit(memory.id, {"content": "y"})
    versions = versions_of(phone, memory.id)
    vault.take_in(versions, "pull")
    before = (heads(vault), vault.operations.all(), sorted(every_version(vault)))
    assert vault.take_in(versions * 3, "pull") == TakenIn()
    assert (heads(vault), vault.operations.all(), sorted(every_version(vault))) == before


def test_the_report_tells_added_changed_removed_merged_and_in_conflict_apart(vault: Vault) -> None:
    olds = {name: made(name * 26, content="a\nb\nc\n") for name in ("c", "r", "m", "x", "f")}
    vault.take_in(olds.values(), "pull")
    vault.edit("m" * 26, {"content": "A\nb\nc\n"})
    vault.edit("x" * 26, {"content": "mine"})
    vault.remove(["f" * 26])
    news = [
        made("n" * 26, content="new"),
        made("c" * 26, [olds["c"]], content="changed"),
        made("r" * 26, [olds["r"]], deleted=True),
        made("m" * 26, [olds["m"]], content="a\nb\nC\n"),
        made("x" * 26, [olds["x"]], content="theirs"),
        made("f" * 26, [olds["f"]], content="wanted"),
    ]
    taken = vault.take_in(news, "pull")
    assert taken.new == 6
    assert set(taken.added) == {"n" * 26, "f" * 26}
    assert set(taken.changed) == {"c" * 26, "m" * 26, "x" * 26}
    assert taken.removed == ("r" * 26,)
    assert set(taken.merged) == {"m" * 26, "f" * 26}
    assert taken.conflicts == ("x" * 26,)
    assert taken.flagged == ("f" * 26,)


def test_a_resolution_from_elsewhere_closes_the_conflict_here(vault: Vault, phone: Vault) -> None:
    base = made(ID, content="p")
    sides = [made(ID, [base], content="a"), made(ID, [base], content="b")]
    for device in (vault, phone):
        device.take_in([base, *sides], "pull")
        assert entry_of(device, ID).in_conflict
        assert device.layout.worksheet(ID).exists()
    resolution = made(ID, sides, content="both", at=sides[0].modified + 99)
    vault.take_in([resolution], "pull")
    assert contents(vault) == {ID: "both"}
    assert not vault.layout.worksheet(ID).exists()


def test_an_edit_follows_all_versions_that_say_the_same(vault: Vault, phone: Vault) -> None:
    base = made(ID, content="p")
    twins = [made(ID, [base], content="same", at=base.modified + later) for later in (10, 20)]
    vault.take_in([base, *twins], "pull")
    assert len(entry_of(vault, ID).heads) == 1
    edit = vault.edit(ID, {"content": "words"})
    assert set(edit.parents) == {twin.hash for twin in twins}
    phone.take_in([twins[0], edit, base, twins[1]], "pull")
    for device in (vault, phone):
        assert heads(device) == {ID: [edit.hash]}


def test_a_removal_that_comes_before_the_edit_it_followed_brings_nothing_back(vault: Vault) -> None:
    first = made(ID, content="first")
    second = made(ID, [first], content="second")
    removed = made(ID, [second], deleted=True)
    vault.take_in([first], "pull")
    vault.take_in([removed], "pull")
    vault.take_in([second], "pull")
    assert contents(vault) == {}
    assert heads(vault) == {ID: [removed.hash]}
    assert len(every_version(vault)) == 3


def test_a_restoration_that_comes_before_the_removal_it_followed_is_not_flagged(vault: Vault) -> None:
    first = made(ID, content="first")
    removed = made(ID, [first], deleted=True)
    restored = made(ID, [removed], content="first")
    edited = made(ID, [restored], content="later")
    for order in ([first, edited, removed, restored], [removed, edited, first, restored]):
        for version in order:
            vault.take_in([version], "pull")
    assert heads(vault) == {ID: [edited.hash]}
    assert "flag" not in entry_of(vault, ID).row


def test_twenty_versions_in_any_order_one_by_one_show_the_same_as_all_at_once(vault: Vault, phone: Vault) -> None:
    line = [made(ID, content="0")]
    for number in range(1, 20):
        line.append(made(ID, [line[-1]], content=str(number), deleted=number % 7 == 6))
    phone.take_in(line, "pull")
    order = list(line)
    random.Random(7).shuffle(order)
    for version in order:
        vault.take_in([version], "pull")
    assert heads(vault) == heads(phone) == {ID: [line[-1].hash]}
    assert every_version(vault) == every_version(phone)


def test_a_take_in_cut_off_before_it_merged_is_finished_when_it_is_repeated(
    vault: Vault, phone: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = made(ID, content="a\nb\nc\n")
    sides = [made(ID, [base], content="A\nb\nc\n"), made(ID, [base], content="a\nb\nC\n")]
    doomed = made("d" * 26, content="doomed")
    marker = made("d" * 26, [doomed], deleted=True, sync={"purges": [doomed.hash]})
    vault.files.write([base, *sides, doomed, marker])  # as far as a killed process came
    vault.refresh()
    vault.take_in([base, *sides, doomed, marker], "pull")
    phone.take_in([base, *sides, doomed, marker], "pull")
    assert heads(vault) == heads(phone)
    assert contents(vault) == {ID: "A\nb\nC\n"}
    assert every_version(vault) == every_version(phone)


def test_a_damaged_side_of_a_conflict_stops_nothing_else(vault: Vault) -> None:
    base = made(ID, content="p")
    sides = [made(ID, [base], content="a"), made(ID, [base], content="b")]
    vault.take_in([base, *sides], "pull")
    path = vault.layout.version(sides[0].stem)
    path.write_bytes(path.read_bytes()[:-1])
    third = made(ID, [base], content="c")
    other = made("o" * 26, content="other")
    vault.take_in([third, other], "pull")
    again = reopened(vault)
    assert again.find("o").deleted is False
    assert {sides[1].hash, third.hash} <= set(entry_of(again, ID).heads)


def test_nothing_of_a_memory_is_written_in_the_clear(vault: Vault) -> None:
    words = "canaryword"
    vault.take_in([made(ID, content=words, tags=[words], category=words, context={words: words})], "pull")
    vault.edit(ID, {"content": f"{words} again"})
    vault.refresh()
    vault.search(words)
    for path in vault.layout.home.rglob("*"):
        if path.is_file():
            assert words.encode() not in path.read_bytes(), path
    assert any(words.encode() in plaintext for plaintext in plaintexts(vault).values())


def test_five_thousand_versions_come_in_at_once_and_are_in_the_snapshot(vault: Vault) -> None:
    from ghostie.memory import derived_id

    many = [made(derived_id(b"%d" % number), content=f"memory {number}") for number in range(5000)]
    taken = vault.take_in(iter(many), "import")
    assert (taken.new, len(taken.added)) == (5000, 5000)
    again = reopened(vault)
    assert len(again.index) == 5000
    assert not again.index.worth_saving()
    first: Version = again.shown(again.find(many[4321].id))
    assert first == many[4321]
