"""Bounds on what might hang, or swell."""

from __future__ import annotations

import contextlib
import signal
import time
import tracemalloc
from collections.abc import Iterator

import pytest


class Hangs(BaseException):
    """Nothing in the package catches this, as it would a TimeoutError, which is an OSError."""


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Break off what takes longer than *seconds*. Raises Hangs."""

    def ring(*_: object) -> None:
        raise Hangs

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def little_time(most: float) -> Iterator[None]:
    """Hold the CPU time of this process below *most* seconds meanwhile; that other processes are busy counts for nothing."""
    started = time.process_time()
    yield
    assert time.process_time() - started < most


@contextlib.contextmanager
def without_waiting() -> Iterator[None]:
    """Fail at the first sleep."""

    def sleep(seconds: float) -> None:
        raise AssertionError(f"it waits: {seconds} s")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "sleep", sleep)
        yield


@contextlib.contextmanager
def little_memory(most: int = 16 << 20) -> Iterator[None]:
    """Hold what is allocated meanwhile below *most* bytes, whatever a server sends."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < most
