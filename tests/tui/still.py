"""A keeper for pictures: its clock stands; the store's name, and sizes that hang on zlib, are the same everywhere.

A sync that it is asked for goes on for ever.
"""

from __future__ import annotations

import select
from dataclasses import replace
from typing import Any, Final

from ghostie.sync.link import Link
from ghostie.sync.survey import Status
from ghostie.tui import desk, tasks
from ghostie.tui.tasks import sync
from ghostie.vault import device, statistics
from ghostie.vault.vault import Vault

NOW: Final = 1_774_000_000_000
STORE: Final = "/mnt/share/ghostie"
_standing = sync._standing
_numbers = statistics.numbers


def clock() -> int:
    return NOW


def standing(at: desk.Desk, link: Link, found: Status) -> dict[str, Any]:
    told = _standing(at, link, found)
    told["store"]["place"] = STORE
    if told["looked"]:
        told["size"] = 8_500
    return told


def numbers(vault: Vault) -> statistics.Numbers:
    return replace(_numbers(vault), size=20_000, size_with_indexes=96_000)


def move(at: desk.Desk, **given: Any) -> None:
    at.say({"doing": "sending", "done": 1_900_000, "total": 4_700_000, "bytes": True})
    select.select([at._channel], [], [])  # until the interface is gone, or stops it


if __name__ == "__main__":
    assert Vault.__init__.__kwdefaults__ is not None
    Vault.__init__.__kwdefaults__["clock"] = clock
    setattr(sync, "_standing", standing)  # noqa: B010
    setattr(statistics, "numbers", numbers)  # noqa: B010
    setattr(device, "default_name", lambda: "pixel")  # noqa: B010
    tasks._TASKS["sync.move"] = move
    desk._main()
