"""A change of many memories is asked about first, and can be taken back like any other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .device import Device

MANY = 51


def bring_in(device: Device, folder: Path, count: int) -> None:
    records = [{"content": f"number {number}"} for number in range(count)]
    (folder / "many.json").write_text(json.dumps(records))
    device.ok("import", str(folder / "many.json"))


def test_an_undo_of_fifty_memories_needs_no_yes(laptop: Device, tmp_path: Path) -> None:
    bring_in(laptop, tmp_path, MANY - 1)
    laptop.ok("undo")
    laptop.ok("undo", "--redo")
    assert len(laptop.ids()) == MANY - 1


def test_an_undo_of_more_needs_a_yes_and_so_does_its_redo(laptop: Device, tmp_path: Path) -> None:
    bring_in(laptop, tmp_path, MANY)
    ids = laptop.ids()
    for argv in (("undo",), ("undo", "--json")):
        refused = laptop(*argv)
        assert (refused.code, refused.out) == (2, "")
        assert "this needs a yes" in refused.err
        assert "--yes" in refused.err
        assert laptop.ids() == ids
    laptop.ok("undo", "--yes")
    assert laptop.ids() == set()
    laptop.add("something new")
    assert laptop("undo", "--redo").code == 2
    laptop.ok("undo", "--redo", "--yes")
    assert laptop.ids() > ids


@pytest.mark.parametrize("answer", ["yes", "no"])
def test_on_a_terminal_it_is_asked_and_shows_how_far_it_is(laptop: Device, tmp_path: Path, answer: str) -> None:
    bring_in(laptop, tmp_path, 2 * MANY)
    ids = laptop.ids()
    code, seen = laptop.on_terminal("undo", keys=f"{answer}\r")
    assert "take back: import of 102 memories? type yes:" in seen.decode()
    assert (b"put back 100 of 102" in seen) == (answer == "yes")
    assert code == (0 if answer == "yes" else 2)
    assert laptop.ids() == (set() if answer == "yes" else ids)


def test_a_removal_of_many_memories_needs_a_yes(laptop: Device, tmp_path: Path) -> None:
    bring_in(laptop, tmp_path, MANY)
    ids = laptop.ids()
    assert laptop("rm", *ids).code == 2
    assert laptop.ids() == ids
    laptop.ok("rm", "--yes", *ids)
    assert laptop.ids() == set()
