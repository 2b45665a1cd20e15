"""The store of a simulated history: on good days a bad connection, on others a liar.

What it says wrongly of its own accord it says for a moment only: after a pause it tells the truth. What it does out of
malice stays until it is undone, or for good.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NoReturn

from ghostie.backends.store import Capabilities, MemoryStore, ObjectInfo
from ghostie.errors import AuthFailed, NotFound, QuotaExceeded, StoreRefused, Throttled, Unreachable
from ghostie.sync.segment import KEYS, SegmentName

BEST_SIZE: Final = 1 << 14
JUNK: Final = (b"", b"junk", bytes(5000), b"<html>502 Bad Gateway</html>")

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
        self.put: Objects = {}  # what an honest store would hold now: what was put last, and not deleted since
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
        """Return everything that is on some side, as it was put last."""
        return {key: self.put.get(key, content) for side in self.sides for key, content in side.items()}

    def shown(self, device: str) -> Objects:
        """Return what the store shows to *device*, in good weather."""
        if self.elsewhere is not None:
            return dict(self.elsewhere)
        there = {key: content for key, content in self._side(device).items() if key not in self.hidden}
        return there | self.instead

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
        for objects in (side, self.put):
            objects.update(put)
            for key in doomed:
                objects.pop(key, None)
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
    spelt = bytearray(content)
    spelt[bit // 8] ^= 1 << bit % 8
    return bytes(spelt)


class Malice:
    """What a malicious store does: hide, roll back, fork, replay, plant, swap, alter, exchange.

    Each act returns what it did, in words, or None where there was nothing to do it to.
    """

    def __init__(self, cloud: Cloud, foreign: Objects, who: Callable[[str], str]) -> None:
        self._cloud = cloud
        self._rnd = cloud.rnd
        self._foreign = foreign  # another vault's objects
        self._who = who

    def act(self) -> str | None:
        acts = (
            self.hide_the_end,
            self.hide_the_middle,
            self.hide_a_writer,
            self.hide_some,
            self.roll_back,
            self.fork,
            self.cross,
            self.replay,
            self.serve_an_older_one,
            self.relabel,
            self.swap,
            self.alter,
            self.plant,
            self.plant_a_foreign_one,
            self.hide_the_key,
            self.exchange,
        )
        return self._rnd.choice(acts)()

    def undo(self) -> None:
        """Show everything again, as it was put."""
        cloud = self._cloud
        cloud.hidden.clear()
        cloud.instead.clear()
        cloud.elsewhere = None
        cloud.sides = [cloud.objects()]
        cloud.side.clear()

    def keep(self) -> None:
        """Let everything that was done stay for good; after this the store is honest."""
        cloud = self._cloud
        cloud.elsewhere = None
        kept = cloud.sides[self._rnd.randrange(len(cloud.sides))]
        cloud.sides, cloud.late = [kept], []
        cloud.side.clear()
        for key in cloud.hidden:
            kept.pop(key, None)
        kept.update(cloud.instead)
        cloud.put = dict(kept)
        cloud.hidden, cloud.instead = set(), {}

    # -- leaving out -------------------------------------------------------------------------------------------------

    def hide_the_end(self) -> str | None:
        names = self._log()
        return self._hide(names[self._rnd.randrange(len(names)) :], "the end of {}'s log") if names else None

    def hide_the_middle(self) -> str | None:
        names = self._log()
        return self._hide([self._rnd.choice(names[:-1])], "a piece of {}'s log") if len(names) > 1 else None

    def hide_a_writer(self) -> str | None:
        return self._hide(self._log(), "all of {}'s log")

    def hide_some(self) -> str | None:
        names = [name for name in self._names() if self._rnd.random() < 0.3]
        return self._hide(names, "objects here and there")

    def hide_the_key(self) -> str | None:
        slots = sorted(key for key in self._cloud.objects() if key.startswith(KEYS))
        self._cloud.hidden |= set(slots)
        return "the store hides the key object"

    def _hide(self, names: list[SegmentName], what: str) -> str | None:
        if not names:
            return None
        self._cloud.hidden |= {name.key for name in names}
        return "the store hides " + what.format(self._who(names[0].writer))

    def roll_back(self) -> str | None:
        cloud = self._cloud
        if len(cloud.past) < 3 or len(cloud.sides) > 1:
            return None
        old = self._rnd.choice(cloud.past[:-1])
        now = cloud.objects()
        cloud.hidden |= now.keys() - old.keys()
        cloud.instead |= {key: content for key, content in old.items() if now.get(key) != content}
        return "the store is rolled back to an older state"

    # -- showing different things to different devices ---------------------------------------------------------------

    def fork(self) -> str | None:
        cloud = self._cloud
        if len(cloud.sides) > 1:
            return None
        cloud.sides.append(dict(cloud.sides[0]))
        for device in sorted(cloud.side):
            cloud.side[device] = self._rnd.randrange(2)
        return "the store forks: from here on some devices do not see what others write"

    def cross(self) -> str | None:
        cloud = self._cloud
        if len(cloud.sides) == 1:
            return None
        device = self._rnd.choice(sorted(cloud.side))
        cloud.side[device] = 1 - cloud.side[device]
        return f"the store shows {device} the other side of the fork"

    # -- bringing back, exchanging, inventing ------------------------------------------------------------------------

    def replay(self) -> str | None:
        cloud = self._cloud
        now = cloud.objects()
        gone = sorted(key for key in cloud.older if key not in now)
        if not gone:
            return None
        key = self._rnd.choice(gone)
        cloud.instead[key] = cloud.older[key][0]
        return "the store brings back an object that was deleted"

    def serve_an_older_one(self) -> str | None:
        cloud = self._cloud
        now = cloud.objects()
        changed = sorted(key for key in cloud.older if key in now and not key.startswith(KEYS))
        if not changed:
            return None
        key = self._rnd.choice(changed)
        cloud.instead[key] = cloud.older[key][0]
        return "the store shows an object as it was before"

    def relabel(self) -> str | None:
        """Show an authentic object under another name: another writer's, another place in the log, another tip."""
        names = self._names()
        if not names:
            return None
        one, other = self._rnd.choice(names), self._rnd.choice(names)
        shift = self._rnd.randrange(4)
        tip = self._rnd.choice((one.tip, other.tip, self._rnd.randbytes(8).hex()))
        forged = SegmentName(other.writer, one.first + shift, one.last + shift, tip)
        if forged in names:
            return None
        self._cloud.instead[forged.key] = self._cloud.objects()[one.key]
        return f"the store shows an object of {self._who(one.writer)}'s as one of {self._who(other.writer)}'s"

    def swap(self) -> str | None:
        names = self._names()
        if len(names) < 2:
            return None
        one, other = self._rnd.sample(names, 2)
        now = self._cloud.objects()
        self._cloud.instead |= {one.key: now[other.key], other.key: now[one.key]}
        return f"the store swaps an object of {self._who(one.writer)}'s and one of {self._who(other.writer)}'s"

    def alter(self) -> str | None:
        names = self._names()
        if not names:
            return None
        name = self._rnd.choice(names)
        content = self._cloud.objects()[name.key]
        bit, end = self._rnd.randrange(8 * len(content)), self._rnd.randrange(len(content))
        altered = self._rnd.choice((turned(content, bit), content[:end], content + b"\0", *JUNK))
        self._cloud.instead[name.key] = altered
        return f"the store alters an object of {self._who(name.writer)}'s"

    def plant(self) -> str | None:
        names = self._names()
        if not names:
            return None
        beside = self._rnd.choice(names)
        first = beside.first + self._rnd.randrange(20)
        planted = SegmentName(beside.writer, first, first + self._rnd.randrange(3), self._rnd.randbytes(8).hex())
        self._cloud.instead[planted.key] = self._rnd.choice((*JUNK, self._rnd.randbytes(700)))
        return f"the store plants an object in {self._who(beside.writer)}'s log"

    def plant_a_foreign_one(self) -> str | None:
        self._cloud.instead |= {key: body for key, body in self._foreign.items() if not key.startswith(KEYS)}
        return "the store plants an object of another vault"

    def exchange(self) -> str | None:
        empty = self._rnd.random() < 0.5
        self._cloud.elsewhere = {} if empty else dict(self._foreign)
        return "the store shows nothing at all" if empty else "another vault's store is in its place"

    # -- what there is -----------------------------------------------------------------------------------------------

    def _names(self) -> list[SegmentName]:
        found = (SegmentName.parse(key) for key in self._cloud.objects())
        return sorted(name for name in found if name is not None)

    def _log(self) -> list[SegmentName]:
        """Return the objects of some writer, in order."""
        names = self._names()
        writers = sorted({name.writer for name in names})
        if not writers:
            return []
        writer = self._rnd.choice(writers)
        return [name for name in names if name.writer == writer]
