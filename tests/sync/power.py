"""A power cut before the n-th durable call: after it nothing reaches the disk, until the machine is started again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ghostie import files


class PowerCut(BaseException):
    """Not an Exception: nothing may catch it and go on."""


@contextmanager
def cut_before(number: int) -> Iterator[list[str]]:
    """Cut the power before the durable call *number* (from 1 on); yields the calls that came through."""
    done: list[str] = []

    def before(name: str) -> None:
        if len(done) >= number - 1:
            raise PowerCut
        done.append(name)

    with files.simulated(before):
        yield done


def at_every_cut(attempt: Callable[[int], bool], least: int = 3, most: int = 2000) -> int:
    """Call *attempt* with 1, 2, 3 … until it says that no cut happened any more; return how many there were."""
    for number in range(1, most):
        if not attempt(number):
            assert number > least, "the cuts never came where they were meant to"
            return number - 1
    raise AssertionError("it never came to an end")
