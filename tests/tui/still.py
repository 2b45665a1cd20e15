"""A keeper for pictures: its clock stands, and its store has a name that is the same everywhere."""

from __future__ import annotations

from typing import Any, Final

from ghostie.sync.link import Link
from ghostie.sync.survey import Status
from ghostie.tui import desk
from ghostie.tui.tasks import sync
from ghostie.vault.vault import Vault

NOW: Final = 1_774_000_000_000
STORE: Final = "/mnt/share/ghostie"
_standing = sync._standing


def clock() -> int:
    return NOW


def standing(at: desk.Desk, link: Link, found: Status) -> dict[str, Any]:
    told = _standing(at, link, found)
    told["store"]["place"] = STORE
    return told


if __name__ == "__main__":
    assert Vault.__init__.__kwdefaults__ is not None
    Vault.__init__.__kwdefaults__["clock"] = clock
    setattr(sync, "_standing", standing)  # noqa: B010
    desk._main()
