"""The store of a simulated history: on good days a bad connection, on others a liar.

What it says wrongly of its own accord it says for a moment only: after a pause it tells the truth. What it does out of
malice stays until it is undone, or for good.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NoReturn

from ghostie.backends.memory import MemoryStore
from ghostie.backends.store import Capabilities, ObjectInfo
from ghostie.errors import AuthFailed, NotFound, QuotaExceeded, StoreRefused, Throttled, Unreachable

BEST_SIZE: Final = 1 << 14

Objects = dict[str, bytes]


class Cloud:
    """Everything that devices put, and what each of them is shown of it.

    *noted* hears, in words, of whatever goes wrong; *before* of each request before it is looked at, and may raise.
    """

    def __init__(self, rnd: random.Random, noted: Callable[[str], None], before: Callable[[str], None]) -> None:
        self.rnd = rnd
        self.noted = noted
        self.before = before
        self.calm = False  # no bad weather
        self.paused = False  # what it said wrongly of its own accord it says no more
        self.lied = False  # it said something wrong of its own accord
        self.sides: list[Objects] = [{}]
        self.side: dict[str, int] = {}  # the side that a device is on, after a fork
        self.past: list[Objects] = []
        self.older: dict[str, list[bytes]] = {}  # what was once under a key and is no more
        self.late: list[tuple[int, Objects, list[str]]] = []  # requests that are still on their way
        self.came_late: set[str] = set()
        # what it does out of malice
        self.hidden: set[str] = set()
        self.instead: Objects = {}  # other bytes under a key that is there, or under one that nobody put
        self.elsewhere: Objects | None = None  # something else altogether
        self.written_elsewhere = False

    # -- what is there, and what is shown ----------------------------------------------------------------------------

    def objects(self) -> Objects:
        """Return everything that was put and not deleted, on whatever side."""
        return {key: content for side in self.sides for key, content in side.items()}

    def shown(self, device: str) -> Objects:
        """Return what the store shows to *device*, in good weather."""
        if self.elsewhere is not None:
            return dict(self.elsewhere)
        there = {key: content for key, content in self._side(device).items() if key not in self.hidden}
        return there | self.instead

    def port(self, device: str) -> Port:
        return Port(self, device)

    def _side(self, device: str) -> Objects:
        return self.sides[self.side.get(device, 0) % len(self.sides)]

    # -- weather -----------------------------------------------------------------------------------------------------

    def pass_time(self) -> None:
        """Let requests arrive that were on their way, in any order; then the truth is told for a while."""
        self.rnd.shuffle(self.late)
        for request in [each for each in self.late if self.calm or self.rnd.random() < 0.5]:
            self.late.remove(request)
            side, put, doomed = request
            self.noted("a request that was thought lost arrives")
            self.came_late |= put.keys()
            self._carry_out(self.sides[side % len(self.sides)], put, doomed)
        self.paused = True

    def chance(self, share: float) -> bool:
        return not self.calm and self.rnd.random() < share

    def lie(self, words: str, share: float) -> bool:
        """Tell whether to say something wrong this time."""
        if self.paused or self.elsewhere is not None or not self.chance(share):
            return False
        self.lied = True
        self.noted(words)
        return True

    def fail(self, *, writing: bool = False) -> NoReturn:
        """Raise one of the errors that a store may give."""
        errors = [
            Unreachable(why="no answer"),
            Unreachable(why="the reply was cut"),
            Unreachable(why="500 internal error"),
            Unreachable(why="503 slow down"),
            Throttled(why="429 too many requests", retry_after=self.rnd.choice((None, 1, 3600))),
            AuthFailed(why="403 forbidden"),
        ]
        if writing:
            errors += [
                StoreRefused(why="409 conflict"),
                StoreRefused(why="412 precondition failed"),
                QuotaExceeded(why="507 no space left"),
            ]
        error = self.rnd.choice(errors)
        self.noted(str(error).partition(": ")[2])
        raise error

    def carry_out(self, device: str, put: Objects, doomed: Sequence[str]) -> None:
        if self.elsewhere is not None:
            self.written_elsewhere = True
            return
        self._carry_out(self._side(device), put, doomed)

    def _carry_out(self, side: Objects, put: Objects, doomed: Sequence[str]) -> None:
        for key in (*put, *doomed):
            if key in side and side[key] != put.get(key):
                self.older.setdefault(key, []).append(side[key])
        side.update(put)
        for key in doomed:
            side.pop(key, None)
        self.past.append(dict(side))


class Port:
    """One device's connection to the store."""

    def __init__(self, cloud: Cloud, device: str) -> None:
        self._cloud = cloud
        self._device = device
        self.capabilities: Capabilities = MemoryStore(best_size=BEST_SIZE).capabilities

    def list(self, prefix: str) -> list[ObjectInfo]:
        cloud = self._cloud
        cloud.before("list")
        if cloud.chance(0.06):
            cloud.fail()
        objects = cloud.shown(self._device)
        if cloud.past and cloud.lie("an old listing", 0.07):
            objects = cloud.rnd.choice(cloud.past[-4:])
        elif cloud.lie("a listing that is cut short", 0.04):
            objects = dict(sorted(objects.items())[: cloud.rnd.randint(0, len(objects))])
        return _plain(objects).list(prefix)

    def get(self, key: str) -> bytes:
        cloud = self._cloud
        cloud.before("get")
        if cloud.chance(0.03):
            cloud.fail()
        content = _plain(cloud.shown(self._device)).get(key)
        if cloud.lie("an object that was just listed is not found", 0.01):
            raise NotFound(key=key)
        if cloud.lie("an object is refused", 0.005):
            raise StoreRefused(why="451")
        if not content:
            return content
        if cloud.lie("an object comes with a bit turned", 0.01):
            return turned(content, cloud.rnd.randrange(8 * len(content)))
        if cloud.lie("an object comes cut short", 0.01):
            return content[: cloud.rnd.randrange(len(content))]
        if cloud.older.get(key) and cloud.lie("an object comes as it was before", 0.2):
            return cloud.rnd.choice(cloud.older[key])
        return content

    def write(self, put: Mapping[str, bytes], delete: Iterable[str] = ()) -> None:
        cloud, objects, doomed = self._cloud, dict(put), list(delete)
        cloud.before("put")
        fate = 1.0 if cloud.calm else cloud.rnd.random()
        if fate < 0.06:
            cloud.fail(writing=True)
        if fate < 0.09:
            cloud.late.append((cloud.side.get(self._device, 0), objects, doomed))
            cloud.noted("the request is held up")
            raise Unreachable(why="no answer")
        if fate < 0.13:
            self._cut(objects, doomed)
        cloud.carry_out(self._device, objects, doomed)
        cloud.before("written")
        if fate < 0.15:
            cloud.late.append((cloud.side.get(self._device, 0), objects, doomed))
            cloud.noted("the request is sent a second time, later")
        elif fate < 0.22:
            cloud.noted("the reply is lost")
            raise Unreachable(why="the reply was lost")

    def _cut(self, objects: Objects, doomed: Sequence[str]) -> NoReturn:
        """Carry out the beginning of a request: puts before deletions."""
        cloud = self._cloud
        some = dict(list(objects.items())[: cloud.rnd.randint(0, len(objects))])
        whole = len(some) == len(objects)
        cloud.carry_out(self._device, some, doomed[: cloud.rnd.randint(0, len(doomed))] if whole else [])
        cloud.noted("the request is cut in the middle")
        if cloud.rnd.random() < 0.5:
            raise Unreachable(why="cut in the middle", put=frozenset(some))
        raise Unreachable(why="cut in the middle")


def _plain(objects: Objects) -> MemoryStore:
    """Return a store that has *objects* and no weather."""
    plain = MemoryStore(best_size=BEST_SIZE)
    plain.objects = objects
    return plain


def turned(content: bytes, bit: int) -> bytes:
    """Return *content* with one bit turned."""
    spelt = bytearray(content)
    spelt[bit // 8] ^= 1 << bit % 8
    return bytes(spelt)
