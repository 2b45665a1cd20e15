"""A few things at once, where most of them wait for a server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

from ghostie.errors import StoreError, Throttled, Unreachable

WORKERS = 4

T = TypeVar("T")


def in_parallel(tasks: Iterable[Callable[[], None]], workers: int = WORKERS) -> None:
    """Run *tasks*. After a failure no other is begun; those under way end first, then the gravest failure is raised."""
    todo = list(tasks)[::-1]
    if len(todo) < 2:
        for task in todo:
            task()
        return
    failures: list[BaseException] = []

    def work() -> None:
        while not failures:
            try:
                task = todo.pop()
            except IndexError:
                return
            try:
                task()
            except BaseException as error:
                failures.append(error)

    running = [meanwhile(work) for _ in range(min(workers, len(todo)))]
    try:
        for ended in running:
            ended()
    except BaseException as error:
        failures.append(error)
        raise
    if failures:
        raise min(failures, key=_grace)


def at_once(task: Callable[[], T]) -> Callable[[], T]:
    """Run *task*; return what gives its result."""
    result = task()
    return lambda: result


def meanwhile(task: Callable[[], T]) -> Callable[[], T]:
    """Begin *task* beside what the caller does next; return what waits for it, and gives its result or raises."""
    results: list[T] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            results.append(task())
        except BaseException as error:
            failures.append(error)

    # of our own and not a pool's: a pool waits for its threads even when the person has pressed Ctrl-C
    thread = threading.Thread(target=work, daemon=True)
    thread.start()

    def result() -> T:
        thread.join()
        if failures:
            raise failures[0]
        return results[0]

    return result


def _grace(error: BaseException) -> int:
    """What no second try will mend comes before what one may."""
    if isinstance(error, Unreachable | Throttled):
        return 2
    return 1 if isinstance(error, StoreError) else 0
