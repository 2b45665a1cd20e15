"""Trying again: which errors, how long the pauses are, what a person hears, and what is sent once more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import pytest

from ghostie.backends.retry import Budget, Pause, Retrying
from ghostie.backends.store import MemoryStore, ObjectInfo, ObjectStore
from ghostie.errors import (
    AuthFailed,
    NotFound,
    QuotaExceeded,
    StoreError,
    StoreRefused,
    Throttled,
    Unreachable,
)
from tests.conformance.objectstore import ObjectStoreContract

pytestmark = pytest.mark.versions


class Moody(MemoryStore):
    """A store that raises what it is told to, call by call, and then behaves; with *commits* it acts before it raises."""

    def __init__(self, *moods: StoreError, commits: bool = False) -> None:
        super().__init__()
        self.moods = list(moods)
        self.commits = commits
        self.writes: list[tuple[dict[str, bytes], list[str]]] = []
        self.calls = 0

    def _mood(self) -> None:
        self.calls += 1
        if self.moods:
            raise self.moods.pop(0)

    def list(self, prefix: str) -> list[ObjectInfo]:
        self._mood()
        return super().list(prefix)

    def get(self, key: str) -> bytes:
        self._mood()
        return super().get(key)

    def write(self, put: Mapping[str, bytes], delete: Iterable[str] = ()) -> None:
        doomed = list(delete)
        self.writes.append((dict(put), doomed))
        if self.commits:
            super().write(put, doomed)
        self._mood()
        super().write(put, doomed)


class Time:
    """A clock that only pauses move, each call a second long."""

    def __init__(self, *, a_call_takes: float = 0.0) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self.step = a_call_takes

    def clock(self) -> float:
        self.now += self.step
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def retrying(
    store: ObjectStore, time: Time, *, dice: float = 1.0, budget: Budget | None = None, told: list[Pause] | None = None
) -> Retrying:
    return Retrying(
        store,
        budget=budget or Budget(tries=6, seconds=120, first_pause=0.5, longest_pause=8),
        notice=(told if told is not None else []).append,
        sleep=time.sleep,
        clock=time.clock,
        dice=lambda: dice,
    )


def down() -> Unreachable:
    return Unreachable(why="nobody answers")


ACTIONS: dict[str, Callable[[ObjectStore], object]] = {
    "list": lambda store: store.list(""),
    "get": lambda store: store.get("k"),
    "write": lambda store: store.write({"k": b"1"}, ["old"]),
}


class TestRetryingStore(ObjectStoreContract):
    @pytest.fixture
    def store(self) -> ObjectStore:
        return retrying(MemoryStore(), Time())

    def vanish(self, store: ObjectStore) -> None:
        assert isinstance(store, Retrying) and isinstance(store.store, MemoryStore)
        store.store.unplugged = True


@pytest.mark.parametrize("what", sorted(ACTIONS))
@pytest.mark.parametrize("mood", [down(), Throttled(why="busy"), Throttled(why="busy", retry_after=3.0)])
def test_what_may_mend_is_tried_again(what: str, mood: StoreError) -> None:
    store = Moody(mood, mood, mood)
    store.objects["k"] = b"1"
    ACTIONS[what](retrying(store, Time()))
    assert store.calls == 4


@pytest.mark.parametrize("what", sorted(ACTIONS))
@pytest.mark.parametrize(
    "mood",
    [
        AuthFailed(why="x"),
        StoreRefused(why="x"),
        NotFound(key="k"),
        QuotaExceeded(why="x"),
        StoreError(why="x"),
        Unreachable(why="its certificate is not one to trust", lasting=True),
    ],
)
def test_what_will_not_mend_goes_through_at_once(what: str, mood: StoreError) -> None:
    store, time = Moody(mood), Time()
    with pytest.raises(type(mood)) as failed:
        ACTIONS[what](retrying(store, time))
    assert failed.value is mood
    assert (store.calls, time.pauses) == (1, [])


def test_another_kind_of_error_is_not_caught() -> None:
    class Broken(MemoryStore):
        def get(self, key: str) -> bytes:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retrying(Broken(), Time()).get("k")


# -- pauses -------------------------------------------------------------------------------------------------------------


def test_pauses_double_up_to_a_bound_and_the_dice_choose_below_it() -> None:
    for dice in (0.0, 0.25, 1.0):
        store, time = Moody(*[down() for _ in range(8)]), Time()
        budget = Budget(tries=9, seconds=1000, first_pause=0.5, longest_pause=8)
        retrying(store, time, dice=dice, budget=budget).list("")
        assert time.pauses == [dice * bound for bound in (0.5, 1, 2, 4, 8, 8, 8, 8)]


def test_the_store_is_left_alone_at_least_as_long_as_it_asks() -> None:
    for dice in (0.0, 1.0):
        store, time = Moody(Throttled(why="busy", retry_after=30.0)), Time()
        retrying(store, time, dice=dice).list("")
        assert time.pauses == [30 + dice * 0.5]


def test_tries_are_numbered() -> None:
    store, time = Moody(*[down() for _ in range(6)]), Time()
    with pytest.raises(Unreachable):
        retrying(store, time).list("")
    assert (store.calls, len(time.pauses)) == (6, 5)


def test_time_is_numbered_and_what_the_tries_themselves_take_counts() -> None:
    store, time = Moody(*[down() for _ in range(99)]), Time(a_call_takes=10)
    budget = Budget(tries=99, seconds=60, first_pause=1, longest_pause=1)
    with pytest.raises(Unreachable):
        retrying(store, time, budget=budget).list("")
    assert time.now <= 60 + 2 * 10


def test_a_store_that_asks_for_longer_than_there_is_time_is_not_waited_for() -> None:
    store, time = Moody(Throttled(why="busy", retry_after=3600.0)), Time()
    with pytest.raises(Throttled) as failed:
        retrying(store, time).list("")
    assert failed.value.retry_after == 3600
    assert (store.calls, time.pauses) == (1, [])


def test_a_person_hears_why_and_what_is_left() -> None:
    told: list[Pause] = []
    store = Moody(down(), Throttled(why="busy", retry_after=10.0))
    retrying(store, Time(), told=told).list("")
    assert [(pause.seconds, pause.tries_left) for pause in told] == [(0.5, 5), (11.0, 4)]
    assert [type(pause.error) for pause in told] == [Unreachable, Throttled]


def test_every_call_has_a_budget_of_its_own() -> None:
    store, time = Moody(*[down() for _ in range(10)]), Time()
    patient = retrying(store, time)
    for _ in range(2):
        store.moods = [down() for _ in range(5)]
        patient.list("")
    assert store.calls == 12


# -- sent again ---------------------------------------------------------------------------------------------------------


def test_a_write_goes_out_again_with_the_same_bytes_also_after_it_was_done() -> None:
    store = Moody(down(), down(), commits=True)
    store.objects = {"old": b"o", "kept": b"k"}
    retrying(store, Time()).write({"a": b"1", "b": b"2"}, (key for key in ["old"]))
    assert store.writes == [({"a": b"1", "b": b"2"}, ["old"])] * 3
    assert store.objects == {"a": b"1", "b": b"2", "kept": b"k"}


def test_what_the_store_confirmed_is_not_sent_again() -> None:
    store = Moody(Unreachable(why="x", put=frozenset({"a"})), Unreachable(why="x", put=frozenset({"b"})))
    retrying(store, Time()).write({"a": b"1", "b": b"2", "c": b"3"}, ["old"])
    assert [sorted(put) for put, _ in store.writes] == [["a", "b", "c"], ["b", "c"], ["c"]]
    assert all(doomed == ["old"] for _, doomed in store.writes)


def test_a_write_that_gets_on_is_given_time() -> None:
    keys = [f"w/{number:02}" for number in range(30)]
    store = Moody(*[Unreachable(why="x", put=frozenset({key})) for key in keys[:-1]])
    retrying(store, Time()).write(dict.fromkeys(keys, b"x"))
    assert store.calls == 30


def test_a_write_that_fails_for_good_tells_what_it_did_achieve() -> None:
    moods = [Unreachable(why="x", put=frozenset({"a"})), *[down() for _ in range(9)]]
    with pytest.raises(Unreachable) as failed:
        retrying(Moody(*moods), Time()).write({"a": b"1", "b": b"2"})
    assert failed.value.put == {"a"}


def test_what_the_store_can_do_is_what_the_wrapper_can_do() -> None:
    store = MemoryStore()
    assert retrying(store, Time()).capabilities is store.capabilities
