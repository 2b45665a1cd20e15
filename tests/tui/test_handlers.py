"""Textual calls a message's handler in every class of a place that has one: two of them would do the work twice."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module

import pytest

from ghostie.tui import screens
from ghostie.tui.place import Place

OWN = ("on_rows_", "on_input_")  # what is told once; a place being mounted concerns all of its classes


def places(of: type[Place] = Place) -> Iterator[type[Place]]:
    for each in of.__subclasses__():
        yield each
        yield from places(each)


for found in pkgutil.iter_modules(screens.__path__):
    import_module(f"{screens.__name__}.{found.name}")


@pytest.mark.parametrize("place", sorted(set(places()), key=repr))
def test_a_place_handles_a_message_once(place: type[Place]) -> None:
    handlers = [name for each in place.__mro__ for name in vars(each) if name.startswith(OWN)]
    assert len(handlers) == len(set(handlers)), handlers


def test_there_are_places_and_handlers() -> None:
    assert len({place for place in places() if any(hasattr(place, f"{name}moved") for name in OWN)}) > 5
