"""A store that tries again: the same bytes, after a pause that grows and is never the same, within a budget.

What no second try will mend (wrong credentials, a refusal, an object that is not there)
goes through at once.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from ghostie.backends.store import Capabilities, ObjectInfo, ObjectStore, Remembering
from ghostie.errors import StoreError, Throttled, Unreachable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Budget:
    """What one call may cost: how many tries, how many seconds of them and of pauses, and how long a pause grows."""

    tries: int = 6
    seconds: float = 180.0
    first_pause: float = 0.5
    longest_pause: float = 20.0


BUDGET: Final = Budget()


@dataclass(frozen=True, slots=True)
class Pause:
    """What a person may be told while ghostie waits: why, for how long, and how many tries are left."""

    error: StoreError
    seconds: float
    tries_left: int


class Retrying:
    """*store*, asked again where that may help. *notice* hears of every pause; *sleep* and *clock* are in seconds."""

    def __init__(
        self,
        store: ObjectStore,
        *,
        budget: Budget = BUDGET,
        notice: Callable[[Pause], None] = lambda pause: None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self.store = store
        self._budget = budget
        self._notice = notice
        self._sleep = sleep
        self._clock = clock
        self._dice = dice

    @property
    def capabilities(self) -> Capabilities:
        return self.store.capabilities

    def list(self, prefix: str) -> list[ObjectInfo]:
        return self.tried(lambda: self.store.list(prefix))

    def get(self, key: str) -> bytes:
        return self.tried(lambda: self.store.get(key))

    def write(self, put: Mapping[str, bytes], delete: Iterable[str] = ()) -> None:
        left, doomed = dict(put), list(delete)

        def rest() -> None:
            try:
                self.store.write(left, doomed)
            except StoreError as error:
                for key in error.put:  # these the store has confirmed: they need not go out once more
                    left.pop(key, None)
                raise

        try:
            self.tried(rest, lambda: len(left))
        except StoreError as error:
            error.facts["put"] = frozenset(put.keys() - left.keys())
            raise

    def state(self) -> bytes:
        return self.store.state() if isinstance(self.store, Remembering) else b""

    def restore(self, state: bytes) -> None:
        if isinstance(self.store, Remembering):
            self.store.restore(state)

    def tried(self, attempt: Callable[[], T], left: Callable[[], int] = lambda: 0) -> T:
        """Return what *attempt*, a request to this store, does, tried within the budget; that starts anew whenever less
        is *left* to do. Raises StoreError."""
        tries, began, before = 0, self._clock(), left()
        while True:
            try:
                return attempt()
            except (Unreachable, Throttled) as error:
                if left() < before:
                    tries, began, before = 0, self._clock(), left()
                tries += 1
                pause = self._pause(error, tries)
                seconds_left = self._budget.seconds - (self._clock() - began) - pause
                lasting = isinstance(error, Unreachable) and error.lasting
                if lasting or tries >= self._budget.tries or seconds_left < 0:
                    raise
                self._notice(Pause(error, pause, self._budget.tries - tries))
            self._sleep(pause)

    def _pause(self, error: StoreError, tries: int) -> float:
        """Return how long to wait: anything up to a bound that doubles, but never less than the store asks for."""
        bound = min(self._budget.longest_pause, self._budget.first_pause * 2.0 ** (tries - 1))
        asked = error.retry_after if isinstance(error, Throttled) else None
        return (asked or 0.0) + self._dice() * bound
