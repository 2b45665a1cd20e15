"""What the interface can ask of the keeper: functions on a desk, plain JSON values in and out.

A task is named by its module and its function, `memories.listing`; its module is loaded when it is first asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

Task = TypeVar("Task", bound=Callable[..., Any])
_TASKS: dict[str, Callable[..., Any]] = {}


def task(function: Task) -> Task:
    """Let the interface ask for *function*, by the name of its module and its own."""
    _TASKS[f"{function.__module__.rpartition('.')[2]}.{function.__name__}"] = function
    return function


def find(name: str) -> Callable[..., Any]:
    """Return the task *name*. Raises LookupError."""
    if name not in _TASKS:
        import_module(f"{__name__}.{name.partition('.')[0]}")
    return _TASKS[name]
