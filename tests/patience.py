"""Bounds on what might hang, or swell."""

from __future__ import annotations

import contextlib
import signal
import tracemalloc
from collections.abc import Iterator


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
def little_memory(most: int = 16 << 20) -> Iterator[None]:
    """Hold what is allocated meanwhile below *most* bytes, whatever a server sends."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < most
