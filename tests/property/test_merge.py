"""The laws of merging: whoever merges, in whichever order, comes to the same, and nothing is lost on the way."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from ghostie.memory import Version, said
from ghostie.vault import merge
from ghostie.vault.vault import Vault

from ..vault.house import every_version, family, heads, made, new_vault, picture, rebuilt
from . import rules_0_1
from .peers import ACTIONS, Peer, Step, destroyed, laws, lines_of, lived, made_last, newest_words, steps, union

ID = "l" * 26
WITH_PURGES = (*ACTIONS, "purge")
TEXTS = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "d\n", "\n", "x"]), max_size=8).map("".join)
VALUES = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from([0.0, 1.0, "a", "b"])
FIELDS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"content": TEXTS},
    optional={
        "tags": st.lists(st.sampled_from("abc"), unique=True).map(sorted),
        "context": st.dictionaries(st.sampled_from("xyz"), VALUES, max_size=3),
        "category": st.sampled_from(["c", "d"]),
        "status": st.sampled_from(["inbox", "archived"]),
        "links": st.lists(st.sampled_from([{"type": "see", "to": letter} for letter in "pq"]), max_size=2),
        "future": VALUES,
        "timestamp": st.sampled_from(["2025-06-28T14:30:00.000Z", "2025-06-29T14:30:00.000Z"]),
        "device_id": st.sampled_from(["ann", "bob"]),
    },
)


@st.composite
def three(draw: st.DrawFn) -> tuple[Version, Version, Version]:
    """Draw a base and two sides that began at it."""
    base = made(ID, **draw(FIELDS))
    sides = []
    for later in (1000, 2000):
        deleted = draw(st.integers(0, 5)) == 0
        fields = {} if deleted else draw(st.just(said(base)) | FIELDS)
        sides.append(made(ID, [base], deleted=deleted, **{**fields, "at": base.modified + later}))
    return base, sides[0], sides[1]


# -- two sides -------------------------------------------------------------------------------------------------------


@laws(400)
@given(three())
def test_swapping_the_sides_changes_not_one_byte(sides: tuple[Version, Version, Version]) -> None:
    base, left, right = sides
    one, other = merge.three_way(base, left, right), merge.three_way(base, right, left)
    assert one == other
    assert repr(one) == repr(other)
    assert merge.merge_version(left, right, one).raw == merge.merge_version(right, left, other).raw


@laws(300)
@given(three())
def test_a_side_that_changed_nothing_gives_way_to_the_other(sides: tuple[Version, Version, Version]) -> None:
    base, left, _ = sides
    same = made(
        ID,
        [base],
        **{**said(base), "at": base.modified + 7},
    )
    outcome = merge.three_way(base, left, same)
    assert outcome.disputes == ()
    assert outcome.flag is None
    merged = merge.merge_version(left, same, outcome)
    assert merged.say() == left.say()


@laws(300)
@given(three())
def test_what_both_sides_say_is_what_they_come_to(sides: tuple[Version, Version, Version]) -> None:
    base, left, _ = sides
    twin = made(
        ID,
        [base],
        deleted=left.deleted,
        **{**said(left), "at": left.modified + 7},
    )
    assert merge.settle(family(base, left, twin)) == merge.Settled((), (min(left.hash, twin.hash),))


@laws(300)
@given(three())
def test_every_field_that_one_side_alone_changed_is_in_the_outcome(sides: tuple[Version, Version, Version]) -> None:
    base, left, right = sides
    if left.deleted or right.deleted:
        return
    outcome = merge.three_way(base, left, right)
    for name in ("content", "category", "status", "future", "tags", "context"):
        for changed, unchanged in ((left, right), (right, left)):
            if repr(unchanged.field(name)) == repr(base.field(name)):
                assert name not in outcome.disputes
                assert repr(outcome.fields.get(name, base.field(name))) == repr(changed.field(name))


# -- lines -----------------------------------------------------------------------------------------------------------


@laws(500)
@given(TEXTS, TEXTS, TEXTS)
@example("a\nb\n", "a\n", "b\n")
def test_lines_merge_the_same_either_way_round(base: str, left: str, right: str) -> None:
    assert merge.merge_lines(base, left, right) == merge.merge_lines(base, right, left)


@laws(300)
@given(TEXTS, TEXTS)
def test_lines_that_only_one_side_changed_are_that_sides(base: str, side: str) -> None:
    assert merge.merge_lines(base, side, base) == side
    assert merge.merge_lines(base, side, side) == side


@laws(300)
@given(TEXTS, TEXTS, TEXTS)
def test_merged_lines_hold_every_line_that_a_side_brought_in(base: str, left: str, right: str) -> None:
    merged = merge.merge_lines(base, left, right)
    if merged is None:
        return
    lines = merged.splitlines()
    for side in (left, right):
        for line in {line for line in side.splitlines() if line not in base.splitlines()}:
            assert line in lines


@laws(200)
@given(TEXTS, TEXTS, TEXTS)
def test_the_parts_of_a_merge_put_together_are_each_side_where_the_other_changed_nothing(
    base: str, left: str, right: str
) -> None:
    parts = merge.diff3(base, left, right)
    assert parts is not None
    for place, whole in ((1, left), (2, right)):
        text = "".join(part if isinstance(part, str) else part[place] for part in parts)
        assert set(whole.splitlines()) - set(base.splitlines()) <= set(text.splitlines())


# -- whole histories, pure -------------------------------------------------------------------------------------------


@laws(300)
@given(steps(), st.randoms(use_true_random=False))
def test_settling_asks_for_no_order_and_is_done_when_it_is_done(history: list[Step], dice: random.Random) -> None:
    for peer in lived(history):
        for versions in peer.families.values():
            shuffled = list(versions.items())
            dice.shuffle(shuffled)
            once = merge.settle(versions)
            assert merge.settle(dict(shuffled)) == once
            again = merge.settle({**versions, **family(*once.added)})
            assert again.added == ()
            assert again.heads == once.heads


def arrivals(versions: Sequence[Version], dice: random.Random) -> list[list[Version]]:
    """Return *versions* in any order, in parcels of any size, some of them twice."""
    order = [*versions, *(version for version in versions if dice.random() < 0.3)]
    dice.shuffle(order)
    parcels = []
    while order:
        size = dice.choice([1, 1, 2, 3, len(order)])
        parcels.append(order[:size])
        order = order[size:]
    return parcels


def gossiped(peers: Sequence[Peer]) -> int:
    """Let all peers exchange everything until nobody has anything new; return how many rounds it took."""
    for rounds in range(20):
        everything = union(peers)
        gone = destroyed(everything.values())
        if all(peer.all().keys() == everything.keys() - gone for peer in peers):
            return rounds
        for peer in peers:
            peer.take(everything.values())
    raise AssertionError("they never come to rest")


@laws(500)
@given(steps(WITH_PURGES), st.randoms(use_true_random=False))
def test_whatever_the_order_of_arrival_all_devices_come_to_the_same(history: list[Step], dice: random.Random) -> None:
    made_by_all = union(lived(history))
    receivers = [Peer(str(number)) for number in range(3)]
    for receiver in receivers:
        for parcel in arrivals(list(made_by_all.values()), dice):
            receiver.take(parcel)
    assert gossiped(receivers) <= 4
    first, *others = receivers
    assert all(other.heads() == first.heads() for other in others)
    assert made_by_all.keys() - destroyed(first.all().values()) <= first.all().keys()


@laws(300)
@given(steps(WITH_PURGES))
def test_devices_that_lived_apart_come_to_the_same_once_they_talk(history: list[Step]) -> None:
    peers = lived(history)
    before = union(peers)
    assert gossiped(peers) <= 5
    assert all(peer.heads() == peers[0].heads() for peer in peers)
    assert before.keys() - destroyed(peers[0].all().values()) <= peers[0].all().keys()


@laws(300)
@given(
    st.lists(st.sampled_from(["line", "remove", "revert", "tag"]), min_size=1, max_size=8),
    st.randoms(use_true_random=False),
)
def test_one_line_of_versions_stays_one_line_however_it_arrives(actions: list[str], dice: random.Random) -> None:
    maker = Peer("maker")
    maker.act(ID, "begin", 0, 0)
    for now, action in enumerate(actions, 1):
        maker.act(ID, action, now * 3, now)
    versions = maker.all()
    receiver = Peer("receiver")
    for parcel in arrivals(list(versions.values()), dice):
        receiver.take(parcel)
    assert receiver.all() == versions
    assert receiver.heads() == maker.heads()


@laws(300)
@given(steps(), st.randoms(use_true_random=False))
def test_a_removal_is_undone_only_by_words_that_did_not_know_of_it(history: list[Step], dice: random.Random) -> None:
    peers = lived(history)
    gossiped(peers)
    for memory_id in peers[0].families:
        peers[0].act(memory_id, "remove", 0, 10_000)
    receiver = Peer("late")
    for parcel in arrivals(list(peers[0].all().values()), dice):
        receiver.take(parcel)
    gossiped([receiver, *peers])
    for memory_id, tips in receiver.heads().items():
        assert all(receiver.families[memory_id][tip].deleted for tip in tips)


@laws(500)
@given(steps(("line", "line", "tag", "remove", "purge", "send", "send")), st.randoms(use_true_random=False))
def test_what_somebody_wrote_last_is_merged_or_in_dispute_but_never_dropped(
    history: list[Step], dice: random.Random
) -> None:
    peers = lived(history)
    versions = union(peers)
    receiver = Peer("receiver")
    for parcel in arrivals(list(versions.values()), dice):
        receiver.take(parcel)
    gossiped([receiver, *peers])
    for memory_id, lines in newest_words(versions).items():
        there = {line for head in receiver.heads_of(memory_id) for line in lines_of(receiver.families[memory_id][head])}
        assert lines <= there


REMOVALS = ("line", "remove", "remove", "revert", "send", "send", "send")
HISTORIES = steps(REMOVALS, most=12)


def removed(peer: Peer) -> dict[str, bool]:
    """Return, by memory, whether it is removed."""
    return {
        memory_id: all(peer.families[memory_id][head].deleted for head in heads)
        for memory_id, heads in peer.heads().items()
    }


@laws(120)
@given(HISTORIES, st.randoms(use_true_random=False))
def test_what_everybody_removed_last_is_removed_whatever_the_rules_made_of_it_meanwhile(
    history: list[Step], dice: random.Random
) -> None:
    peers = lived(history)
    last = made_last(union(peers))
    receiver = Peer("receiver")
    for parcel in arrivals(list(union(peers).values()), dice):
        receiver.take(parcel)
    gossiped([receiver, *peers])
    for memory_id, gone in removed(receiver).items():
        if all(version.deleted for version in last if version.id == memory_id):
            assert gone


@laws(120)
@given(HISTORIES, st.randoms(use_true_random=False))
def test_whether_a_memory_is_removed_does_not_depend_on_the_order_of_arrival(
    history: list[Step], dice: random.Random
) -> None:
    versions = list(union(lived(history)).values())
    at_once, bit_by_bit = Peer("at once"), Peer("bit by bit")
    at_once.take(versions)
    for parcel in arrivals(versions, dice):
        bit_by_bit.take(parcel)
    assert removed(bit_by_bit) == removed(at_once)


@laws(120)
@given(
    steps((*REMOVALS, "tag", "word", "purge")), st.sets(st.sampled_from(["ann", "bob", "cyd"]), min_size=1, max_size=2)
)
def test_devices_with_version_0_1_among_them_come_to_the_same_too_and_lose_nothing(
    history: list[Step], old: set[str]
) -> None:
    peers = lived(history, old=old)
    before = union(peers)
    assert gossiped(peers) <= 6
    assert all(peer.heads() == peers[0].heads() for peer in peers)
    assert before.keys() - destroyed(peers[0].all().values()) <= peers[0].all().keys()


@laws(60)
@given(steps((*REMOVALS, "tag", "word")))
def test_what_version_0_1_merges_is_merged_to_the_same_bytes_unless_the_last_edits_say_otherwise(
    history: list[Step],
) -> None:
    versions = union(lived(history, memories=1, old={"ann", "bob", "cyd"}))
    behind = {digest: merge.ancestry(versions, digest) for digest in versions}
    for one, other in combinations(versions, 2):
        if one in behind[other] or other in behind[one]:
            continue
        line = behind[one] | behind[other]
        new, old = merge.merge_heads(versions, one, other), rules_0_1.merge_heads(versions, one, other)
        last = made_last({digest: versions[digest] for digest in line})
        if len({version.say() for version in last if not version.deleted}) > 1 or all(
            "merge" in versions[digest].sync for digest in behind[one] ^ behind[other]
        ):
            assert new == old


# -- whole histories, in vaults --------------------------------------------------------------------------------------


def exchanged(vaults: Sequence[Vault]) -> None:
    """Carry everything to everybody until nothing is new."""
    for _ in range(8):
        everything: dict[str, Version] = {}
        for vault in vaults:
            everything |= every_version(vault)
        if not sum([vault.take_in(everything.values(), "pull").new for vault in vaults]):
            return
    raise AssertionError("they never come to rest")


@laws(40)
@given(steps(WITH_PURGES, most=12), st.randoms(use_true_random=False))
def test_vaults_that_take_in_the_same_versions_in_any_order_show_the_same(
    history: list[Step], dice: random.Random
) -> None:
    made_by_all = union(lived(history))
    with tempfile.TemporaryDirectory() as folder:
        vaults = [new_vault(Path(folder) / name, name) for name in ("ann", "bob", "cyd")]
        for vault in vaults:
            for parcel in arrivals(list(made_by_all.values()), dice):
                vault.take_in(parcel, "pull")
        exchanged(vaults)
        first = vaults[0]
        for other in vaults[1:]:
            assert heads(other) == heads(first)
            assert every_version(other) == every_version(first)
            assert {e.id: other.shown(e).raw for e in other.select()} == {
                e.id: first.shown(e).raw for e in first.select()
            }
        assert made_by_all.keys() - destroyed(every_version(first).values()) <= every_version(first).keys()
        for vault in vaults:
            assert picture(vault) == rebuilt(vault)
            in_conflict = {entry.id for entry in vault.index.entries() if entry.in_conflict}
            assert {path.name[:26] for path in vault.layout.conflicts.iterdir()} == in_conflict
            vault.close()
