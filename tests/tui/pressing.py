"""Which test presses which key where: said by a mark, found true when the test runs, and complete over all tests."""

from __future__ import annotations

import contextlib
import inspect
import pkgutil
from collections.abc import Iterable, Iterator
from importlib import import_module

import pytest

from ghostie.tui import screens
from ghostie.tui.actions import ACTIONS, EVERYWHERE, LIST, PAGE, Action
from ghostie.tui.place import Place
from ghostie.tui.screens.memories import MemoriesPlace

Press = tuple[str, str]  # a place's class, and an action's id

SHARED = (EVERYWHERE, LIST, PAGE)
pressed: set[Press] = set()  # by the test that is running


def places() -> list[type[Place]]:
    """Return all places that a person can be at."""
    found = []
    for module in pkgutil.iter_modules(screens.__path__):
        loaded = import_module(f"{screens.__name__}.{module.name}")
        for _, each in inspect.getmembers(loaded, inspect.isclass):
            if each.__module__ == loaded.__name__ and issubclass(each, Place) and each.NAME != Place.NAME:
                found.append(each)
    return [each for each in found if not any(other is not each and issubclass(other, each) for other in found)]


def own(place: type[Place]) -> list[Action]:
    """Return the actions that are *place*'s alone and that it can carry out."""
    names = (place.NAME, "search") if place is MemoriesPlace else (place.NAME,)
    return [action for action in ACTIONS if action.where in names and hasattr(place, f"do_{action.name}")]


def presses(place: type[Place], names: str) -> pytest.MarkDecorator:
    """Say that a test presses a key for each of *names* at *place*: its own actions by name, others by their id."""
    ids = {action.name: action.id for action in own(place)}
    return pytest.mark.presses(*((place.__name__, ids.get(name, name)) for name in names.split()))


def said(marks: Iterable[pytest.Mark]) -> set[Press]:
    """Return what is said to be pressed."""
    return {press for mark in marks if mark.name == "presses" for press in mark.args}


@contextlib.contextmanager
def noted() -> Iterator[None]:
    """Note what is carried out by a key."""
    obey = Place.obey

    def note(place: Place, action: Action) -> None:
        if place.applies(action):
            pressed.add((type(place).__name__, action.id))
        obey(place, action)

    setattr(Place, "obey", note)  # noqa: B010
    try:
        yield
    finally:
        setattr(Place, "obey", obey)  # noqa: B010
