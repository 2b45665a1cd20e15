"""What alarms, notices and errors of a sync mean, and what a person can do about them at the screens.

`{setup}`, `{repair}`, `{run}` and the like in a text become the keys of these actions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from ghostie.errors import GhostieError


@dataclass(frozen=True, slots=True)
class Explained:
    means: str
    do: str

    def said(self, key: Callable[[str], str]) -> str:
        """Return both; *key* gives the key of an action of the screen Sync."""
        return re.sub(r"\{(\w+)\}", lambda found: key(found[1]), f"{self.means} {self.do}")


# by the kinds of `ghostie.sync.log.ALARMS`
ALARMS: Final[Mapping[str, Explained]] = {
    "rollback": Explained(
        "The store shows less than it once had. An old copy of it, or somebody with access, can do that.",
        "If the store was restored from a copy, {repair} sends what this device knows of it again. If not, first look"
        " who has access to it.",
    ),
    "own-rollback": Explained(
        "The store lost what this device sent. It is all still here.",
        "{repair} sends it again.",
    ),
    "gap": Explained(
        "Something in between is missing on the store. What comes after it waits until it is there.",
        "Sync on the device that wrote it, and repair there. If that device is gone for good, {repair} goes on without"
        " what is missing.",
    ),
    "unreadable": Explained(
        "An object was damaged, or put there by somebody who has no key. Nothing of it was taken in.",
        "Repair on the device that wrote it puts it back. If that device is gone, {repair} goes on without it.",
    ),
    "foreign": Explained(
        "An object of another vault was put there. Nothing of it was taken in.",
        "Look whether two vaults share this place: each needs a folder or a prefix of its own. {repair} goes on without"
        " the object.",
    ),
    "unread": Explained(
        "There were too many objects that do not open to read all at once. These are read on a few at a time.",
        "Look who has access to the store. {verify} reads all that is there.",
    ),
}

ALARMS_OF_MANY: Final = Explained(
    "Somebody who can write to the store put objects there that are none of this vault's, or it is damaged. Nothing of"
    " them was taken in; each is read once and then known.",
    "Look who has access to the store. {verify} reads all that is there, and {repair} goes on without what cannot be"
    " read.",
)
ARRIVING: Final = Explained(
    "Where another program keeps the folder in step, files come late and in any order. What follows waits for it; all"
    " else was taken in. Without the vault's key object nothing is sent or taken in. If it is still missing after a day"
    " and three more looks, that is an alarm.",
    "Look whether that program runs, here and on the device that wrote it; then {pull}.",
)
LITTER: Final = "Files of other programs, such as conflict copies and thumbnails: they are passed over."

# by the kinds of `ghostie.sync.notices.NOTICES`
NOTICES: Final[Mapping[str, Explained]] = {
    "new-passphrase": Explained(
        "This device opens with its old passphrase, and syncs as before.",
        "`ghostie keys passwd` gives it the new one; who invites or joins needs the new one, too.",
    ),
    "new-passphrase-gave-way": Explained(
        "This device's new key stays, and the store opens by the passphrase that is in use here. The other device has"
        " the new passphrase, and is told of the key.",
        "To have the new passphrase everywhere, `ghostie keys passwd` here, then {push}.",
    ),
    "two-passphrases": Explained(
        "Each device opens with its own, and a device that joins may give either. Nothing is lost.",
        "If one of the two is not to open the vault any more, `ghostie keys rotate` with the other, then {push}.",
    ),
    "key-stays": Explained(
        "Nothing is lost. What other devices seal under that key can be read here once this device has it.",
        "{setup}, with the same store and the passphrase of the device that opened the key. If no device of yours did,"
        " look who has access to the store.",
    ),
    "key-gives-way": Explained(
        "This device goes on with its own key. What the other one sealed under its key, and this one cannot read yet,"
        " is sealed again once it takes this one over.",
        "Sync on the other device, and follow what it says; or {setup} here, with the same store, reads it now.",
    ),
    "key-waits": Explained(
        "Nothing is lost. What that device writes waits on the store until it has the key that stays; all else was"
        " taken in.",
        "Set that device up with the same store once more, with the passphrase of the device whose key stays; then sync"
        " it, and {pull} here.",
    ),
    "rival": Explained(
        "Nothing is lost, and this device goes on with its own vault.",
        "If your devices miss each other's memories, {setup} and this store once more bring them together.",
    ),
    "reborn": Explained(
        "Two copies of one device must not write the same log, so this one writes its own from now on.",
        "Nothing is to be done.",
    ),
    "retired": Explained(
        "What it had sent stays with the others. What it has and they do not goes out with the next sync.",
        "If it was retired because it was lost, tell the others that it is back.",
    ),
    "forked": Explained(
        "Nothing is lost by it, and the device sorts itself out with its next sync.",
        "If you copied or restored none, somebody else has its files: look for them, then `ghostie keys rotate`.",
    ),
    "litter": Explained(
        "They are passed over, and this is said once.",
        "Conflict copies and half transfers may be removed; what ghostie wrote may not.",
    ),
    "newer": Explained(
        "What this device cannot read yet waits on the store; all else was taken in.",
        "Install the newest ghostie here, then {pull}.",
    ),
}

_AGAIN: Final = "{run} tries again."

# by the names of the classes that a sync can end with; of a class that is not here, the nearest above it holds
ERRORS: Final[Mapping[str, Explained]] = {
    "Unreachable": Explained(
        "What is not yet sent stays here, and goes out with the next sync.",
        "Look at the network, or whether the drive is there; {run} tries again. If the store is elsewhere now, or gone,"
        " {setup} sets up another.",
    ),
    "AuthFailed": Explained(
        "The key or token is wrong, has ended, or may do too little. Nothing is lost.",
        "{setup} takes others.",
    ),
    "Throttled": Explained("It was asked too much at once. Nothing is lost.", "Wait a while, then {run}."),
    "QuotaExceeded": Explained("Nothing is lost here: what did not fit stays.", "Make room there, then {run}."),
    "StoreRefused": Explained(
        "The store does not allow what was asked, or gave back something else than it was given. Nothing was changed.",
        "{verify} checks all that is there.",
    ),
    "NotFound": Explained("Another device tidied it up meanwhile, or the store lost it.", _AGAIN),
    "StoreError": Explained("Its answer was none of a store. Nothing was changed.", _AGAIN),
    "StoreChanged": Explained(
        "A drive that is not mounted looks like this, an emptied or another folder, and a store that somebody put in"
        " its place. Nothing was sent there, and nothing taken in.",
        "If it was moved or emptied on purpose, {setup} and say so. If not, look at the store first.",
    ),
    "EmptyFolder": Explained(
        "A drive that is not mounted looks like this: its folder is there, and empty. Nothing was sent there, and"
        " nothing taken in.",
        "Mount it, then {run}. Only if the folder was emptied on purpose, {setup} and say so.",
    ),
    "KeyMayCome": Explained(
        "After a new passphrase or key elsewhere, the old key object may go before the new one comes. Nothing was sent"
        " there, and nothing taken in.",
        "Look whether the program that keeps the folder runs, then {run}. If the key object stays away, {repair} puts"
        " it back.",
    ),
    "ForeignVault": Explained(
        "There is a vault already, and the passphrase that was given does not open it. Nothing was changed.",
        "Give that vault's passphrase, or take another folder or prefix: {setup}.",
    ),
    "StoreNotOpened": Explained("Nothing was changed.", "Type it once more; the 24 words are the other way in."),
    "NewKeyNotOpened": Explained(
        "Another device opened a new key for this vault, and it has another passphrase. Nothing was changed.",
        "Give that device's passphrase. If no device of yours did, look who has access to the store.",
    ),
    "KeyAltered": Explained(
        "Somebody who can write to the store changed it, or the store damaged it. Sync goes on; no device can join.",
        "{repair} puts it back; then look who has access to the store.",
    ),
    "OlderWords": Explained(
        "They were written down before a new key was opened for the vault, and open nothing newer.",
        "Take the words of that time, or the passphrase. A device that still opens shows the words that hold now.",
    ),
    "BadWords": Explained(
        "They are the words of another vault, or one of them is another. Nothing was changed.",
        "Look whether it is the right paper, and the right store.",
    ),
    "KeysChanged": Explained("Another command changed the keys meanwhile. Nothing was written.", _AGAIN),
    "KeysRotated": Explained(
        "What is new there is sealed under a key that this device does not have yet.",
        "{setup}, with the same store and the passphrase, takes the new key over.",
    ),
    "WrongKey": Explained("Nothing was changed.", "Type it once more; the 24 words are the other way in."),
    "NotTheStores": Explained(
        "The passphrase was changed on another device, and this one has the old one.",
        "Give the new one; `ghostie keys passwd` makes it this device's, too.",
    ),
    "NoVault": Explained("Neither this device nor the store has a vault.", "Make one here first."),
    "NoStore": Explained("This vault is on this device only.", "{setup} chooses a store."),
    "NewerFormat": Explained("This ghostie cannot read it.", "Install the newest ghostie on this device."),
    "BadInvitation": Explained("Nothing was changed.", "Copy all of the code, or let the other device make a new one."),
    "InvitationExpired": Explained(
        "A code is good for a while only.",
        "Make a new one on the other device. If it is new, the clock of this device is wrong.",
    ),
    "InvitationPassphrase": Explained(
        "It takes the vault's passphrase of the time when the code was made.", "Type it once more."
    ),
    "InvitationOutdated": Explained(
        "The vault has another key or passphrase since.", "Sync on the other device, and make a new code there."
    ),
    "InvitationElsewhere": Explained(
        "The vault that the code names is not there, or is an older one. Nothing was written.",
        "Where the store is a folder, it may lie elsewhere here. Else look at it from the device that made the code.",
    ),
    "Brake": Explained(
        "They were removed on another device. Nothing was changed yet.", "{run} asks whether that was meant."
    ),
    "NotRetired": Explained(
        "Something that only that device sent is missing on the store. Nothing of it was removed.",
        "{repair} puts back or gives up what is missing; then retire it again.",
    ),
    "VaultBusy": Explained(
        "Another ghostie is at work on this vault: a sync that runs by itself, perhaps.", "Wait a moment, then {run}."
    ),
    "CannotWrite": Explained(
        "The disk is full or cannot be written. Nothing is lost by that.", "Make room, then {run}."
    ),
    "CannotRead": Explained("The file is not there, or not yours to read.", "Look whether it is whole, then {run}."),
    "Damaged": Explained(
        "A file of this vault does not open. Nothing of it was used.",
        "`ghostie doctor --fix` sets it aside, and {repair} brings back what the store has.",
    ),
    "BadJson": Explained("What came is not what it should be. Nothing of it was taken in.", _AGAIN),
    "BadSegment": Explained(
        "It is not what its name says. Nothing of it was taken in.", "{verify} says what is there."
    ),
    "RefusedKeyFile": Explained(
        "It was not written by ghostie, or was changed.",
        "Bring keys/master.key back from a backup, or open the vault by the 24 words: `ghostie keys restore`.",
    ),
    "NoMemory": Explained("Working out the key takes much memory at once.", "Close other programs, then try again."),
    "NoPassphrase": Explained("The vault has to be opened for that.", "Lock, and unlock it with the passphrase."),
    "PassphraseSource": Explained(
        "What should give the passphrase did not.", "Look at that file, program or keyring; then {automatic}."
    ),
    "TookTooLong": Explained("A sync that runs by itself has a time limit.", "{run} goes on without one."),
    "TooLarge": Explained("It does not fit.", "Say less of the store, as without certificates of its own."),
    "UsageError": Explained("Nothing was changed.", "Answer it differently: {setup}."),
    "NoScheduler": Explained("Nothing here starts a sync by itself.", "Install cron, or go on with {run}."),
    "SchedulerFailed": Explained("This system's scheduler did not do it.", "Try again, or go on with {run}."),
    "NothingOpens": Explained(
        "Nobody would type the passphrase then.",
        "`ghostie sync auto --passphrase-file FILE` takes it from a file, and the desktop keyring serves, too.",
    ),
}


def explained(error: GhostieError) -> Explained | None:
    """Return what *error* means, or None where there is nothing to add to it."""
    names = [getattr(error, "kind", ""), *(each.__name__ for each in type(error).__mro__)]
    return next((ERRORS[name] for name in names if name in ERRORS), None)
