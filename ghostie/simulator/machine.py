"""What a history is made of: its devices, its steps, and the ways in which a step can end."""

from __future__ import annotations

from dataclasses import dataclass, field

from ghostie.paths import Layout
from ghostie.sync.link import Link


class Broken(Exception):
    """One of the promises does not hold: which one, and how that shows."""

    def __init__(self, promise: str, how: str) -> None:
        super().__init__(f"{promise}: {how}")
        self.promise = promise
        self.how = how


class CutOff(BaseException):
    """The process ends here, as by a power cut. Not an Exception: nothing may catch it and go on."""


@dataclass(frozen=True, slots=True)
class Event:
    """A step of a history: who did what, what the store did to it, and what came of it."""

    step: int
    who: str
    what: str
    store: tuple[str, ...] = ()
    outcome: str = ""


@dataclass
class Machine:
    """A device: its name in the trace, its home, how far its clock is off, and its vault as one process has it open."""

    name: str
    layout: Layout
    link: Link
    ahead: int = 0


@dataclass
class Doom:
    """What is to happen to the running process: after so many calls it is cut off, or the disk is full."""

    left: int
    full: bool
    happened: bool = field(default=False)
