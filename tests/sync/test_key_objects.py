"""Key objects that nobody of this vault made, or that were altered: named, put back, and no hindrance to anybody."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ghostie.backends.folder import FolderStore
from ghostie.crypto import keys as keyring
from ghostie.crypto import sodium
from ghostie.crypto.keys import Cost, KeyFile
from ghostie.errors import ForeignVault, KeyAltered, KeyMayCome, NoMemory, StoreChanged
from ghostie.paths import Layout
from ghostie.sync import engine, keyobjects, pairing, survey
from ghostie.sync.keyobjects import MOST_SPENT, TooCostly
from ghostie.sync.link import MOST_TRIED, Link, look
from ghostie.sync.notices import RIVAL
from ghostie.sync.repair import repair
from ghostie.sync.segment import key_name

from .joining import MINE, join, link_of, new, sources
from .world import Wire, contents, settle

Spent = list[Cost]


@pytest.fixture
def spent(monkeypatch: pytest.MonkeyPatch) -> Spent:
    """Derive keys at once, and note what each would have taken."""
    taken: Spent = []

    def quick(passphrase: bytes, salt: bytes, memory: int, passes: int) -> bytes:
        taken.append(Cost(memory, passes))
        return hashlib.blake2b(passphrase, salt=salt[:16], digest_size=32).digest()

    monkeypatch.setattr(sodium, "argon2id", quick)
    return taken


@pytest.fixture
def phone(tmp_path: Path, store: FolderStore, spent: Spent) -> Link:
    link = link_of(join(new(tmp_path / "phone", "from the phone"), store), store)
    engine.push(link)
    spent.clear()
    return link


def own(link: Link) -> KeyFile:
    return keyring.parse(link.store.get(key_name(link.config.slot)))


def forged(file: KeyFile, cost: Cost | None = None) -> KeyFile:
    """Return a key file that says of itself all that *file* does, and that no passphrase opens."""
    return replace(file, cost=cost or file.cost, salt=secrets.token_bytes(16))


def put(store: FolderStore, *files: KeyFile) -> None:
    store.write({key_name(file.digest): file.spelt() for file in files})


def late(tmp_path: Path, store: FolderStore) -> Link:
    """Let a new device join and take in what is there."""
    link = link_of(join(Layout(tmp_path / secrets.token_hex(4)), store), store)
    engine.pull(link)
    return link


# -- forged ones beside the genuine -----------------------------------------------------------------------------------


def test_beside_costlier_ones_a_join_tries_the_genuine_alone(
    phone: Link, tmp_path: Path, store: FolderStore, spent: Spent
) -> None:
    dear = [Cost(memory << 20, passes) for memory in (64, 65, 128, 256) for passes in (4, 10)]
    put(store, *(forged(own(phone), cost) for cost in dear))
    assert contents(late(tmp_path, store)) == ["from the phone"]
    assert set(spent) == {keyring.FLOOR}
    assert len(spent) == 2, "the store's key object is opened, and a key file of its own is made"


def test_beside_ones_of_its_cost_a_join_takes_at_most_one_derivation_more_for_each(
    phone: Link, tmp_path: Path, store: FolderStore, spent: Spent
) -> None:
    put(store, *(forged(own(phone)) for _ in range(8)))
    assert contents(late(tmp_path, store)) == ["from the phone"]
    assert len(spent) <= 2 + 8


def test_beside_any_number_the_genuine_is_found(phone: Link, tmp_path: Path, store: FolderStore, spent: Spent) -> None:
    put(store, *(forged(own(phone)) for _ in range(150)))
    put(store, *(keyring.wrap(keyring.new_keys(), "another's own", keyring.FLOOR) for _ in range(50)))
    assert contents(late(tmp_path, store)) == ["from the phone"]
    with pytest.raises(ForeignVault):
        join(Layout(tmp_path / "stranger"), store, sources("not the passphrase"))
    assert not (tmp_path / "stranger").exists()


def test_a_key_object_that_asks_for_more_than_any_key_takes_is_refused_by_name_and_nothing_is_spent(
    phone: Link, tmp_path: Path, store: FolderStore, spent: Spent
) -> None:
    assert keyring.STRONG.memory <= MOST_SPENT.memory
    greedy = forged(own(phone), keyring.CEILING)
    put(store, greedy)
    late(tmp_path, store)
    store.write({}, [key_name(phone.config.slot)])
    spent.clear()
    with pytest.raises(TooCostly, match=greedy.digest) as caught:
        join(Layout(tmp_path / "laptop"), store)
    assert isinstance(caught.value, NoMemory)
    assert "MB" in str(caught.value) or "GB" in str(caught.value)
    assert spent == []
    assert not (tmp_path / "laptop").exists()


def test_beside_one_that_asks_for_too_much_a_wrong_passphrase_is_called_that_and_can_be_typed_again(
    phone: Link, tmp_path: Path, store: FolderStore
) -> None:
    put(store, forged(own(phone), keyring.CEILING))
    with pytest.raises(ForeignVault):
        join(Layout(tmp_path / "laptop"), store, sources("not the passphrase"))


def test_a_key_object_that_was_exchanged_for_another_vaults_is_put_back_where_the_store_holds_what_is_ours(
    phone: Link, tmp_path: Path, store: FolderStore
) -> None:
    mine = phone.config.slot
    put(store, replace(forged(own(phone)), vault=bytes(16)))
    store.write({}, [key_name(mine)])
    with pytest.raises(StoreChanged):
        engine.pull(phone)
    assert repair(phone) == ["put this vault's key object back"]
    assert mine in look(store).slots
    engine.pull(phone)
    assert contents(late(tmp_path, store)) == ["from the phone"]


def test_a_store_that_holds_another_vault_and_nothing_of_this_one_gets_no_key_object_of_it(
    phone: Link, store: FolderStore
) -> None:
    put(store, replace(forged(own(phone)), vault=bytes(16)))
    store.write({}, [info.key for info in store.list("ghostie") if info.key.endswith(".seg")])
    store.write({}, [key_name(phone.config.slot)])
    with pytest.raises(StoreChanged):
        repair(phone)
    assert phone.config.slot not in look(store).slots


HUGE: list[Callable[[KeyFile], bytes]] = [
    lambda file: b"x" * (4 << 20),
    lambda file: file.spelt() + b" " * (2 << 20),
    lambda file: b"[" * 900_000,
    lambda file: b"",
    lambda file: b"\xff" * 500,
]


@pytest.mark.parametrize("body", HUGE)
def test_a_huge_or_senseless_key_object_holds_up_neither_pull_nor_push_nor_join_nor_an_invitation(
    phone: Link, tmp_path: Path, store: FolderStore, body: Callable[[KeyFile], bytes]
) -> None:
    for digest in ("0" * 32, "f" * 32):
        store.write({key_name(digest): body(own(phone))})
    other = late(tmp_path, store)
    settle(phone, other)
    invited = pairing.invite(phone, MINE)
    done = pairing.join(Layout(tmp_path / "by code"), invited.code, sources(), ways={"path": str(store.root)})[1]
    assert done.joined


def test_key_objects_of_others_are_read_once_and_a_few_at_a_time(phone: Link, store: FolderStore) -> None:
    put(store, *(keyring.wrap(keyring.new_keys(), "another's own", keyring.FLOOR) for _ in range(12)))
    store.write({key_name(f"{number:032x}"): b"junk" for number in range(12)})
    put(store, *(forged(own(phone)) for _ in range(4)))
    wire = Wire(store)
    phone.store = wire
    for _ in range(5):
        told = engine.pull(phone).notices
        assert wire.since().count("get") <= 2 * MOST_TRIED
    assert RIVAL in told
    assert RIVAL in engine.pull(phone).notices, "what was read once is told each time"
    assert set(wire.since()) == {"list"}


def test_a_new_passphrase_is_found_beside_forged_ones_that_were_read_before(
    phone: Link, tmp_path: Path, store: FolderStore
) -> None:
    laptop = late(tmp_path, store)
    put(store, *(forged(own(phone)) for _ in range(3)))
    engine.pull(laptop)
    fresh = keyring.wrap(phone.vault.keys, "another passphrase", keyring.FLOOR)
    store.write({key_name(fresh.digest): fresh.spelt()}, [key_name(phone.config.slot)])
    engine.pull(laptop)
    assert laptop.config.slot != phone.config.slot


# -- the genuine one, altered in place --------------------------------------------------------------------------------

ALTERED: list[Callable[[KeyFile], bytes]] = [
    lambda file: file.spelt().replace(b'"passes":3', b'"passes":9'),
    lambda file: forged(file, keyring.CEILING).spelt(),
    lambda file: file.spelt()[:-10],
    lambda file: b"",
    lambda file: b"x" * (2 << 20),
    lambda file: file.spelt().replace(b"ghostie-key-1", b"ghostie-key-2"),
]


@pytest.mark.parametrize("by", ["its maker", "another"])
@pytest.mark.parametrize("altered", ALTERED)
def test_a_key_object_altered_in_place_is_named_by_verify_and_put_back_by_repair(
    phone: Link, tmp_path: Path, store: FolderStore, altered: Callable[[KeyFile], bytes], by: str
) -> None:
    laptop = late(tmp_path, store)
    mender = phone if by == "its maker" else laptop
    store.write({key_name(phone.config.slot): altered(own(phone))})
    assert engine.pull(phone).alarms == engine.pull(laptop).alarms == ()
    (problem,) = survey.verify(mender)
    assert key_name(phone.config.slot) in problem
    with pytest.raises(KeyAltered) as caught:
        pairing.invite(phone, MINE)
    assert "sync repair" in (caught.value.way_out() or "")
    assert repair(mender, dry_run=True)
    assert survey.verify(mender) == [problem]
    assert repair(mender)
    assert survey.verify(mender) == repair(mender) == []
    assert contents(late(tmp_path, store)) == ["from the phone"]
    for link in (phone, laptop):
        assert engine.pull(link).alarms == ()
        assert survey.verify(link) == []
        assert pairing.invite(link, MINE).logs >= 1
    assert len(look(store).slots) == 1


def test_in_a_kept_folder_a_key_object_that_is_gone_may_come_and_nothing_is_done_without_it(
    phone: Link, store: FolderStore
) -> None:
    phone.replicated = True
    store.write({}, [key_name(phone.config.slot)])
    assert [each.detail for each in engine.pull(phone).waiting] == ["its key object is gone"]
    assert [each.detail for each, _ in survey.status(phone, look=True).arriving] == ["its key object is gone"]
    with pytest.raises(KeyMayCome, match="its key object is gone") as caught:
        pairing.invite(phone, MINE)
    assert isinstance(caught.value, StoreChanged)
    assert (caught.value.way_out() or "").startswith("if a sync program keeps the folder, wait")
    assert repair(phone), "who need not wait puts it back"
    assert engine.pull(phone).waiting == ()


def test_the_order_is_by_cost_then_by_vault_then_the_newest_epoch(phone: Link) -> None:
    file = own(phone)
    costs = [Cost(64 << 20, 3), Cost(64 << 20, 4), Cost(128 << 20, 3), Cost(64 << 20, 10)]
    slots = {cost: forged(file, cost) for cost in reversed(costs)}
    ordered = keyobjects.cheapest_first((each.digest, each) for each in slots.values())
    assert [each.cost for _, each in ordered] == sorted(costs, key=lambda cost: cost.memory * cost.passes)
