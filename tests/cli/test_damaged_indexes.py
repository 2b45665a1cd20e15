"""An index that was damaged between two commands is made anew without a word."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from . import hurting
from .device import Device, Scene, ageless
from .hurting import Hurt

NAMES = ("journal.enc", "search.enc", "snapshot.enc")


@pytest.fixture(scope="module")
def full(scene: Scene) -> Scene:
    """A device with memories, versions, a removed one, and every file that an index may have."""
    laptop = scene.device("laptop")
    first = laptop.add("first words", "-c", "odd", "-t", "x")
    second = laptop.add("second words")
    laptop.ok("edit", first, "--content", "first words, edited")
    laptop.ok("rm", laptop.add("gone"))
    laptop.ok("edit", second, "-t", "+y")
    laptop.ok("gc")
    laptop.ok("search", "words")
    laptop.add("third words")
    assert sorted(path.name for path in (laptop.vault / "index").iterdir()) == sorted(NAMES)
    scene.keep()
    return scene


@pytest.fixture
def filled(full: Scene) -> Device:
    full.reset()
    return full.device("laptop")


def shown(device: Device) -> tuple[str, ...]:
    """Return what a person sees of everything."""
    searched, listed = ("search", "words", "--json"), ("list", "--json", "-n", "0")
    return tuple(ageless(device.ok(*argv).out) for argv in (searched, ("list",), listed, ("list", "--deleted")))


@pytest.mark.parametrize("hurt", hurting.ALL)
def test_a_damaged_index_is_made_anew_without_a_word(hurt: Hurt, filled: Device) -> None:
    before = shown(filled)
    for name in NAMES:
        path = filled.vault / "index" / name
        hurt(path)
        assert filled.ok("list").err == ""
        assert shown(filled) == before
        if hurt is hurting.replace_by_folder:
            path.rmdir()
    filled.add("and it goes on")
    assert len(filled.ids()) == 4


def test_all_of_it_damaged_at_once_is_made_anew_too(filled: Device) -> None:
    before = shown(filled)
    for hurt in (hurting.delete, hurting.flip_early, hurting.cut, hurting.empty):
        for name in NAMES:
            path = filled.vault / "index" / name
            if path.exists() and path.stat().st_size > 8:
                hurt(path)
        filled.add("while it is damaged")
        filled.ok("undo")
        assert shown(filled)[:-1] == before[:-1]


def test_an_index_whose_folder_is_gone_is_made_anew(filled: Device) -> None:
    before = shown(filled)
    shutil.rmtree(filled.vault / "index")
    assert filled.ok("list").err == ""
    assert shown(filled) == before


def test_an_index_of_another_vault_or_of_an_older_day_is_not_believed(filled: Device, template: Path) -> None:
    before = shown(filled)
    older = filled.scratch / "older"
    shutil.copytree(filled.vault / "index", older)
    for name in ("snapshot.enc", "journal.enc"):
        shutil.copy(template / "index" / "snapshot.enc", filled.vault / "index" / name)
    assert shown(filled) == before
    for name in NAMES:  # each file of the older day beside newer ones
        memory_id = filled.add("newer words")
        filled.ok("search", "newer")
        shutil.copy(older / name, filled.vault / "index" / name)
        assert memory_id in filled.ids()
        assert filled.ok("search", "newer", "--json").json()[0]["id"] == memory_id
        filled.ok("purge", memory_id, "--yes")
        shutil.copy(older / name, filled.vault / "index" / name)
        assert shown(filled)[:-1] == before[:-1]
