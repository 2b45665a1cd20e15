"""A power cut before the n-th durable call: after it nothing reaches the disk, until the machine is started again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ghostie import files

# what changes the disk, or says that a change has reached it
DURABLE = ("write", "fsync", "replace", "unlink", "ftruncate", "fchmod")


class PowerCut(BaseException):
    """Not an Exception: nothing may catch it and go on."""


class Os:
    """The module `os` as `ghostie.files` sees it, with something that happens before every durable call."""

    def __init__(self, before: Callable[[str], None]) -> None:
        self._before = before

    def __getattr__(self, name: str) -> Any:
        function = getattr(os, name)
        if name not in DURABLE:
            return function

        def call(*args: Any, **named: Any) -> Any:
            self._before(name)
            return function(*args, **named)

        return call


@contextmanager
def cut_before(number: int) -> Iterator[list[str]]:
    """Cut the power before the durable call *number* (from 1 on); yields the calls that came through."""
    done: list[str] = []

    def before(name: str) -> None:
        if len(done) >= number - 1:
            raise PowerCut
        done.append(name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "os", Os(before))
        yield done


def at_every_cut(attempt: Callable[[int], bool], least: int = 3, most: int = 2000) -> int:
    """Call *attempt* with 1, 2, 3 … until it says that no cut happened any more; return how many there were."""
    for number in range(1, most):
        if not attempt(number):
            assert number > least, "the cuts never came where they were meant to"
            return number - 1
    raise AssertionError("it never came to an end")
