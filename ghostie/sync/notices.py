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
    "new-passphrase-gave-way": (
        "the vault's passphrase was changed on another device while this one opened a new key: a device that joins"
        " needs the passphrase of this one, until `ghostie keys passwd` changes that"
    ),
    "two-passphrases": (
        "the vault's passphrase was changed on another device, too, at the same time: a device that joins may give"
        " either, until `ghostie keys rotate` leaves one"
    ),
    "key-stays": (
        "another device opened a new key for this vault, and that one stays: `ghostie sync setup` takes it over; it"
        " asks for the passphrase of that device, and nothing is lost"
    ),
    "key-gives-way": (
        "another device opened a new key for this vault, too, and this device's stays: the other one is told, and takes"
        " it over; until then `ghostie sync setup` here reads what it wrote under its own"
    ),
    "key-waits": (
        "another device goes on under a key for this vault that gave way: what it writes is read when it has taken the"
        " key that stays over, by `ghostie sync setup` there"
    ),
    "reborn": "this device was copied or restored from a backup: it goes on as a new writer, and nothing is lost",
    "retired": "this device was retired by another one: it starts over as a new writer, and nothing is lost",
    "forked": ("the log of {device!r} goes on in two ways, as after a copied or restored device; both were taken in"),
    "litter": "other programs left files in the store's folder, which is no matter: {device}",
    "newer": "the log of {device!r} has objects of a newer ghostie: install that here too, then pull again",
}


# which passphrase opens what, after it changed somewhere: each device has a key file of its own
_OTHERS: Final = "your other devices keep the passphrase that each has until `ghostie keys passwd` is run there"
PASSPHRASES: Final[Mapping[str, str]] = {
    "changed": (
        f"the new passphrase opens this device; with the next push it opens the store, for devices that join; {_OTHERS}"
    ),
    "here": f"the new passphrase opens this device, and nothing else: there is no store; {_OTHERS}",
    "joined": (
        "this device opens with the passphrase of the vault that it joined from now on; the one of before opens nothing"
    ),
    "taken-over": (
        "this device opens from now on with the passphrase that you gave for the new key; if its own was another, that"
        " one opens nothing any more; the 24 words are other ones, too: write them down (`ghostie keys recovery`)"
    ),
    "recovered": f"the new passphrase opens this device and the store, for devices that join; {_OTHERS}",
    "recovered-waits": (
        "the new passphrase opens this device; the store did not take it now, and gets it with the next push; until"
        " then a device that joins needs the one of before, or the 24 words"
    ),
    "recovered-older": (
        "the new passphrase opens this device alone: the store also shows a newer key, which these words do not open;"
        " where a sync finds what it cannot open, `ghostie sync setup` takes that key over, by its passphrase or words"
    ),
}


def which_opens(change: str) -> str:
    """Return, in words for people, which passphrase opens what after a *change* of PASSPHRASES."""
    return PASSPHRASES[change]


@dataclass(frozen=True, slots=True)
class Notice:
    """One of NOTICES, and the device that it is about; of litter, its names."""

    kind: str
    device: str = ""

    def sentence(self) -> str:
        """Return the notice in words for people."""
        return NOTICES[self.kind].format(device=self.device)


NEW_PASSPHRASE: Final = Notice("new-passphrase")
NEW_PASSPHRASE_GAVE_WAY: Final = Notice("new-passphrase-gave-way")
RIVAL: Final = Notice("rival")
TWO_PASSPHRASES: Final = Notice("two-passphrases")
KEY_STAYS: Final = Notice("key-stays")
KEY_GIVES_WAY: Final = Notice("key-gives-way")
KEY_WAITS: Final = Notice("key-waits")
REBORN: Final = Notice("reborn")
RETIRED: Final = Notice("retired")
