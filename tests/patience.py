"""A bound on what might hang."""

from __future__ import annotations

import contextlib
import signal
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
