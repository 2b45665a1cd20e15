"""What a person should hear of a sync beside what it moved: nothing is wrong, and nothing was stopped by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

NOTICES: Final[Mapping[str, str]] = {
    "new-passphrase": (
        "the vault's passphrase was changed on another device: a device that joins needs the new one; this one keeps"
        " its own until `ghostie keys passwd` is run here, with the same new one"
    ),
    "rival": (
        "another vault was set up on the store, too: if a device of yours did that at the same moment as this one,"
        " `ghostie sync setup --again` brings them together; if none did, it is of no matter"
    ),
    "reborn": "this device was copied or restored from a backup: it goes on as a new writer, and nothing is lost",
    "retired": "this device was retired by another one: it starts over as a new writer, and nothing is lost",
    "forked": ("the log of {device!r} goes on in two ways, as after a copied or restored device; both were taken in"),
    "newer": "the log of {device!r} has objects of a newer ghostie: install that here too, then pull again",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """One of NOTICES, and the device that it is about."""

    kind: str
    device: str = ""

    def sentence(self) -> str:
        """Return the notice in words for people."""
        return NOTICES[self.kind].format(device=self.device)


NEW_PASSPHRASE: Final = Notice("new-passphrase")
RIVAL: Final = Notice("rival")
REBORN: Final = Notice("reborn")
RETIRED: Final = Notice("retired")
