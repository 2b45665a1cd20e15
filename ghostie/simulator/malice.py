"""What a malicious store does in a simulated history: hide, roll back, fork, replay, plant, swap, alter, exchange."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ghostie.simulator.cloud import Cloud, turned
from ghostie.sync.segment import KEYS, SegmentName

JUNK: Final = (b"", b"junk", bytes(5000), b"<html>502 Bad Gateway</html>")


class Malice:
    """The acts. Each returns what it did, in words, or None where there was nothing to do it to."""

    def __init__(self, cloud: Cloud, foreign: dict[str, bytes]) -> None:
        self._cloud = cloud
        self._rnd = cloud.rnd
        self._foreign = foreign  # another vault's objects
        self.who: Callable[[str], str] = lambda writer: writer

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
        return "the store hides " + what.format(self.who(names[0].writer))

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
        return f"the store shows an object of {self.who(one.writer)}'s as one of {self.who(other.writer)}'s"

    def swap(self) -> str | None:
        names = self._names()
        if len(names) < 2:
            return None
        one, other = self._rnd.sample(names, 2)
        now = self._cloud.objects()
        self._cloud.instead |= {one.key: now[other.key], other.key: now[one.key]}
        return f"the store swaps an object of {self.who(one.writer)}'s and one of {self.who(other.writer)}'s"

    def alter(self) -> str | None:
        names = self._names()
        if not names:
            return None
        name = self._rnd.choice(names)
        content = self._cloud.objects()[name.key]
        bit, end = self._rnd.randrange(8 * len(content)), self._rnd.randrange(len(content))
        altered = self._rnd.choice((turned(content, bit), content[:end], content + b"\0", *JUNK))
        self._cloud.instead[name.key] = altered
        return f"the store alters an object of {self.who(name.writer)}'s"

    def plant(self) -> str | None:
        names = self._names()
        if not names:
            return None
        beside = self._rnd.choice(names)
        first = beside.first + self._rnd.randrange(20)
        planted = SegmentName(beside.writer, first, first + self._rnd.randrange(3), self._rnd.randbytes(8).hex())
        self._cloud.instead[planted.key] = self._rnd.choice((*JUNK, self._rnd.randbytes(700)))
        return f"the store plants an object in {self.who(beside.writer)}'s log"

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
