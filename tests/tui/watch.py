"""A watchdog on the interface's thread: how much it worked at one stretch without coming back for the next event."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

LONGEST = 0.1
NOISE = 1.5  # what a shared machine adds to CPU time: caches and cores that others use too
WORK = 200_000
USUAL = 0.025  # seconds that an ordinary machine spends on WORK


def allowed() -> float:
    """Return how long a stretch may take here: LONGEST on an ordinary machine, longer on a slow one."""
    start = time.thread_time()
    for number in range(WORK):
        str(number)
    return LONGEST * max(1.0, (time.thread_time() - start) / USUAL)


@dataclass
class Watch:
    """The stretches that took longest: CPU seconds of this thread, and what ran."""

    longest: float
    worst: float = 0.0
    what: str = ""
    over: list[tuple[float, str]] = field(default_factory=list)


@contextlib.contextmanager
def watched() -> Iterator[Watch]:
    """Measure every callback of the event loop. CPU time, so that a busy machine proves nothing against the program."""
    watch = Watch(longest=allowed())
    gc.collect()
    gc.freeze()  # what the test run has piled up is no burden of the program's
    run = asyncio.events.Handle._run

    def measured(handle: Any) -> Any:
        start = time.thread_time()
        try:
            return run(handle)
        finally:
            took = time.thread_time() - start
            if took > watch.worst:
                watch.worst, watch.what = took, repr(handle)[:300]
            if took > watch.longest and took > NOISE * allowed():  # asked again: it may be busier by now
                watch.over.append((took, repr(handle)[:300]))

    setattr(asyncio.events.Handle, "_run", measured)  # noqa: B010
    try:
        yield watch
    finally:
        gc.unfreeze()
        setattr(asyncio.events.Handle, "_run", run)  # noqa: B010
