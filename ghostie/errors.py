"""One family of errors: each class owns its text, its way out and its exit code.

The facts of a case are keyword arguments; they fill the class's templates and stay readable as attributes::

    raise UnknownMemory(prefix="k3v9")
"""

from __future__ import annotations

from typing import ClassVar


class GhostieError(Exception):
    """What a person can be told in one line, with a way out where there is one."""

    exit_code: ClassVar[int] = 1
    message: ClassVar[str] = "something went wrong"
    hint: ClassVar[str | None] = None

    def __init__(self, **facts: object) -> None:
        super().__init__()
        self.facts = facts

    def __str__(self) -> str:
        return self.message.format(**self.facts)

    def way_out(self) -> str | None:
        """Return the hint of this case, or None."""
        return self.hint.format(**self.facts) if self.hint else None


# -- what came in is not usable --------------------------------------------------------------------------------------


class UsageError(GhostieError):
    exit_code = 2
    message = "{why}"

    def __init__(self, why: str, way_out: str | None = None) -> None:
        super().__init__(why=why)
        self._way_out = way_out

    def way_out(self) -> str | None:
        return self._way_out


class BadFilter(UsageError):
    """A filter that cannot be followed; *word* is the one at fault."""

    def __init__(self, word: str, why: str, way_out: str | None = None) -> None:
        super().__init__(f"{word[:60]!r} {why}", way_out)
        self.word = word


class BadJson(GhostieError):
    """Text that is not JSON, or that not every reader would take the same way."""

    message = "not valid JSON: {why}"


class BadMemory(GhostieError):
    """A record that breaks the memory format; *why* names the field."""

    message = "not a memory: {why}"


class TooLarge(GhostieError):
    message = "{what} has {size} bytes; the most is {limit}"
    hint = "split it, or bring it in with `ghostie import FILE`, which splits long texts into linked parts"


class UnknownMemory(GhostieError):
    message = "no memory's id starts with {prefix!r}"
    hint = "`ghostie list` shows the ids; `ghostie list --deleted` those of removed memories"


class UnknownVersion(GhostieError):
    message = "memory {id} has no version {version!r}"
    hint = "`ghostie history {id}` lists them"


class AmbiguousId(GhostieError):
    exit_code = 2
    message = "{prefix!r} could be {count} memories"
    hint = "give more of the id: {examples}"


class NothingToUndo(GhostieError):
    message = "there is nothing to {verb}"
    hint = "`ghostie undo --list` shows what was done"


class ChangedSince(GhostieError):
    message = "memory {id} has changed since then, so this cannot be put back as it was"
    hint = "`ghostie history {id}` shows its versions; `ghostie restore {id} --at VERSION` brings one back"


class NotRemoved(GhostieError):
    message = "memory {id} is not removed"
    hint = "to bring back an older version: `ghostie restore {id} --at VERSION` (see `ghostie history {id}`)"


class IsRemoved(GhostieError):
    message = "memory {id} is removed"
    hint = "`ghostie restore {id}` brings it back"


class PrivacyDiffers(GhostieError):
    message = "memory {local} stays on this device and memory {synced} does not, so they cannot be made one"
    hint = "`ghostie edit {local} --synced` lets it go to the others; with --local-only {synced} stays too"


class InConflict(GhostieError):
    exit_code = 3
    message = "memory {id} has a conflict: {count} versions stand side by side"
    hint = "`ghostie sync conflict {id}` shows them; `--keep mine|theirs|both|merged|edit` resolves it"


class NoConflict(GhostieError):
    message = "memory {id} has no conflict"
    hint = "`ghostie sync conflict` lists the open ones"


class AnotherSide(GhostieError):
    exit_code = 3
    message = "memory {id} has other sides than those that were shown"
    hint = "nothing was changed; look again"


class ImportIncomplete(GhostieError):
    message = "{bad} of {total} records were left out; the rest went in"
    hint = "each is named above with its file, line and reason"


# -- the vault on this device ----------------------------------------------------------------------------------------


class NoVault(GhostieError):
    exit_code = 10
    message = "there is no vault at {home}"
    hint = "`ghostie init` creates one; `ghostie sync setup` joins one that is on a store"


class NoVaultThere(NoVault):
    message = "there is no vault on this store, and none at {home}"
    hint = "look whether it is the right folder, bucket, account or prefix; `ghostie init` creates a new vault"


class NothingToRestore(NoVault):
    hint = "say on which store it is: --path DIR for a folder, --bucket NAME, or --backend gist; a terminal is asked"


class VaultExists(GhostieError):
    message = "there is a vault at {home} already"
    hint = "use it as it is, or give another place with --home DIR"


class VaultBusy(GhostieError):
    exit_code = 11
    message = "another ghostie process is writing to this vault"
    hint = "wait a moment and try again"


class BadHome(GhostieError):
    message = "{home} cannot hold a vault: {why}"
    hint = "give a folder of your own with --home DIR"


class CannotWrite(GhostieError):
    """A file that the system did not take. The fact *way_out*, where there is one, stands in the place of the hint."""

    message = "could not write {path}: {why}"
    hint = "what was there before is unchanged"

    def way_out(self) -> str | None:
        return str(self.facts["way_out"]) if "way_out" in self.facts else super().way_out()


class NotConfirmed(CannotWrite):
    """What was to be written, moved or removed is so, and the system does not say that it is on the disk."""

    message = "{path} was changed, but the disk does not confirm it: {why}"
    hint = "the change holds unless the power fails; see to the disk"


class WrittenInPart(CannotWrite):
    """Some of several files were replaced when the disk failed; each is whole."""

    message = "could not write {path}: {why}"
    hint = "{done} of {total} files were written; run the command again"


class CannotRemove(CannotWrite):
    """Of several files *done* were removed when the system refused."""

    message = "could not remove {path}: {why}"

    hint = "{done} others were removed before; run the command again"


class Unfinished(GhostieError):
    """A change was made, and something that follows it was not: told as a warning, for nobody has to repeat it."""

    exit_code = 0
    message = "the change was made, but {what}: {why}"
    hint = "the next edit, push or pull goes on with it"


class NotNoted(Unfinished):
    """The versions of a change are on the disk, and the operation is not."""

    message = "the change was made, but `undo` does not know it: {why}"
    hint = "`ghostie history {id}` has the versions; make room on the disk"


class NotDestroyed(Unfinished):
    """A purge is marked, and files that it destroys are still there."""

    exit_code = 1
    message = "the purge was made, but what it destroys is still on the disk: {why}"
    hint = "the next edit, push or pull destroys it; see to the disk"


class CannotRead(GhostieError):
    """A file that the system does not give just now: whether anything is wrong with what it holds is not known."""

    message = "could not read {path}: {why}"


class NotPlain(CannotRead):
    """A link, a folder, a pipe or something far too large in the place of a file: no later try will read it."""


class VersionUnreadable(CannotRead):
    hint = "nothing is lost by that: see to its permissions and the disk, then run the command again"


class SystemFailed(GhostieError):
    message = "the system does not do what is asked of it: {why}"
    hint = "nothing is lost by that: see to the disk, permissions and open files, then run the command again"


class CannotPrint(GhostieError):
    message = "could not write to standard output: {why}"


class Damaged(GhostieError):
    exit_code = 4
    message = "{what} is damaged or was tampered with"
    hint = "`ghostie doctor` checks the whole vault, and sets aside what cannot be opened"


class Missing(Damaged):
    message = "{what} is missing"
    hint = "`ghostie sync repair` brings back what the store has"


Unopened = Damaged | CannotRead  # why a file gave nothing


class NewerFormat(GhostieError):
    message = "{what} was written by a newer ghostie (format {format})"
    hint = "install the newest ghostie on this device"


# -- keys ------------------------------------------------------------------------------------------------------------


class WrongKey(GhostieError):
    exit_code = 12
    message = "the passphrase does not open this vault"
    hint = (
        "each device has a passphrase of its own: one that was changed elsewhere does not hold here;"
        " `ghostie keys restore` takes the 24 recovery words"
    )


class KeysChanged(GhostieError):
    exit_code = 11
    message = "the vault's keys were changed by another command meanwhile"
    hint = "nothing was written; run the command again"


class KeysRotated(GhostieError):
    exit_code = 12
    message = "another device opened a new key for this vault"
    hint = "`ghostie sync setup` takes it over; it asks for the passphrase of the device that opened it"


class NoPassphrase(GhostieError):
    exit_code = 12
    message = "no passphrase was given and there is no terminal to ask on"
    hint = "run `ghostie unlock` first, or set GHOSTIE_PASSPHRASE_COMMAND, or give --passphrase-file FILE"


class NoNewPassphrase(NoPassphrase):
    message = "no new passphrase was given and there is no terminal to ask on"
    hint = "give --new-passphrase-file FILE, or set GHOSTIE_NEW_PASSPHRASE"


class PassphraseSource(GhostieError):
    exit_code = 12
    message = "{source} gave no passphrase: {why}"


class WeakPassphrase(GhostieError):
    exit_code = 2
    message = "a passphrase needs at least {least} characters"
    hint = "four or five words drawn at random are easy to type and hard to guess"


class GuessablePassphrase(WeakPassphrase):
    message = "this passphrase is among the first million that anybody would try"
    hint = "four or five words drawn at random are easy to type and hard to guess"


class BadWords(GhostieError):
    exit_code = 12
    message = "these are not this vault's 24 recovery words: {why}"
    hint = "check each word against your note; the order counts"


class OlderWords(BadWords):
    """The words of a key that `keys rotate` has since replaced; they open no newer one."""

    message = "these 24 words are of an older key of the vault: epoch {epoch}, and the newest is epoch {newest}"
    hint = (
        "take the words that were written down after the last `ghostie keys rotate`; the passphrase opens the newest"
        " key too: `ghostie sync setup` asks for it"
    )


class WordsNeedKeyFile(BadWords):
    message = "these 24 words are of epoch {epoch} of the vault, and without its key file they open epoch 1 alone"
    hint = (
        "`ghostie sync setup` brings the key file back from the store, also by the words; else put back a backup of it"
    )


class RefusedKeyFile(GhostieError):
    """A key file that ghostie never wrote; refused before any work is done."""

    exit_code = 4
    message = "the key file is refused: {why}"
    hint = "it was not written by ghostie; if this is your only copy, use `ghostie keys restore` with the 24 words"


class AgentFailed(GhostieError):
    message = "the agent did not start: {why}"
    hint = "without it, each command asks for the passphrase"


class AgentSilent(GhostieError):
    message = "the agent that holds the key ({agent}) does not answer"
    hint = "`ghostie lock` ends it"


class StillUnlocked(GhostieError):
    message = "the vault may still be unlocked: the agent that holds the key ({agent}) cannot be ended from here"
    hint = "run `ghostie lock` where it was unlocked, or restart that machine"


class NoMemory(GhostieError):
    message = "there is not enough free memory to work out the key"
    hint = "it takes as much as the vault was set up with on its strongest device: close other programs and try again"


class NoSodium(GhostieError):
    message = "libsodium was not found"
    hint = "install PyNaCl (`pip install pynacl`), or libsodium: on Termux `pkg install libsodium`"


# -- this installation, and the phone it may be on ------------------------------------------------------------------


class NotOurs(GhostieError):
    exit_code = 2
    message = "this ghostie was not installed by its install.sh"
    hint = "what installed it can also update it: `pipx upgrade ghostie`, or pip in its environment"


class NotTermux(GhostieError):
    exit_code = 2
    message = "this is not Termux"
    hint = "`--dry-run` shows what would be made on an Android phone"


class ApiSilent(GhostieError):
    message = "{tool} {why}"
    hint = "install the Termux:API app from where Termux came from, open it once, and `pkg install termux-api`"


# -- stores and sync -------------------------------------------------------------------------------------------------


class NoStore(GhostieError):
    exit_code = 2
    message = "this vault has no store to sync with yet"
    hint = "`ghostie sync setup --path DIR` takes a folder; `ghostie sync setup --help` shows S3 and gists"


class StoreError(GhostieError):
    """What an object store may raise; the retry wrapper and the engine know no other."""

    exit_code = 20
    message = "the store failed: {why}"

    @property
    def put(self) -> frozenset[str]:
        """The keys that a write had put, and the store had confirmed, when it failed."""
        done = self.facts.get("put")
        return done if isinstance(done, frozenset) else frozenset()

    @property
    def about(self) -> str | None:
        """What seems at fault: an option, a credential, the server's "address" or this device's "clock"."""
        about = self.facts.get("about")
        return about if isinstance(about, str) else None


class NotFound(StoreError):
    message = "the store has no object {key}"


class Unreachable(StoreError):
    message = "the store cannot be reached: {why}"
    hint = "nothing is lost: what is not yet pushed stays here and goes out with the next push"

    @property
    def lasting(self) -> bool:
        """Whether asking again soon is of no use: an untrusted certificate, a missing bucket."""
        return self.facts.get("lasting") is True


class AuthFailed(StoreError):
    exit_code = 21
    message = "the store refused the credentials: {why}"
    hint = "`ghostie sync setup --new-credentials` takes others"


class Throttled(StoreError):
    exit_code = 22
    message = "the store asks to wait: {why}"

    @property
    def retry_after(self) -> float | None:
        """The seconds that the store asks for, where it says so."""
        seconds = self.facts.get("retry_after")
        return float(seconds) if isinstance(seconds, int | float) else None


class QuotaExceeded(StoreError):
    exit_code = 22
    message = "the store is full: {why}"
    hint = "make room there and push again; nothing is lost here"


class StoreRefused(StoreError):
    message = "the store refused: {why}"


class StoreChanged(GhostieError):
    exit_code = 4
    message = "the store is not the one this vault was set up with: {why}"
    hint = "if the store was moved or emptied on purpose, say so: `ghostie sync setup --again`"


class EmptyFolder(StoreChanged):
    """The folder of a store is there and has nothing of a vault: the drive that belongs there may not be mounted."""

    hint = (
        "is the drive mounted? Where it is not, its folder is empty. Only if the store was moved or emptied on purpose,"
        " say so: `ghostie sync setup --again`"
    )


class KeyAltered(StoreChanged):
    message = "the vault's key object on the store was altered or damaged: {why}"
    hint = "`ghostie sync repair` puts it back"


class KeyMayCome(StoreChanged):
    """In a folder that another program keeps, the new key object may come later than the removal of the old one."""

    message = "the vault's key object is not in the store's folder now: {why}"
    hint = (
        "if a sync program keeps the folder, wait until it has brought all and try again; if the key object stays away,"
        " `ghostie sync repair`; only if the store was moved or emptied on purpose, `ghostie sync setup --again`"
    )


class KeyObjectGone(StoreChanged):
    """The store has an older key object of this vault in the place of the newest."""

    hint = "`ghostie sync repair` puts the newest back"


class ForeignVault(GhostieError):
    exit_code = 12
    message = "the store holds another vault, and this passphrase does not open it"
    hint = "give that vault's passphrase, or choose another folder or prefix for this one"


class StoreNotOpened(ForeignVault):
    message = "this passphrase does not open the vault on the store"
    hint = "check the keyboard's layout and Caps Lock; the 24 recovery words open it, too: `ghostie keys restore`"


class NewKeyNotOpened(ForeignVault):
    message = "this passphrase does not open the new key of this vault on the store"
    hint = "give the passphrase of the device that ran `ghostie keys rotate`"


class BadInvitation(GhostieError):
    exit_code = 2
    message = "this is not an invitation that can be read: {why}"
    hint = "copy all of what `ghostie sync invite` showed, or make a new one"


class InvitationExpired(GhostieError):
    exit_code = 2
    message = "this invitation was good until {until}"
    hint = "make a new one with `ghostie sync invite`; if it is new, look at the clock of this device"


class InvitationPassphrase(GhostieError):
    exit_code = 12
    message = "the passphrase does not open this invitation"
    hint = "it takes the vault's passphrase of the time when it was made"


class NotTheStores(GhostieError):
    exit_code = 12
    message = "this passphrase does not open the vault's key object on the store"
    hint = "it was changed on another device: give that one, or run `ghostie keys passwd` here with it and sync"


class InvitationOutdated(GhostieError):
    exit_code = 12
    message = "this invitation no longer fits the vault: {why}"
    hint = "make a new one with `ghostie sync invite` on a device of the vault, after a `ghostie sync run` there"


class InvitationElsewhere(GhostieError):
    exit_code = 4
    message = "the store is not what this invitation was made for: {why}"
    hint = (
        "if it is another folder here, say so with --path DIR; else look at it from the device that made the invitation"
    )


class Brake(GhostieError):
    message = "this pull would remove {count} of {total} memories"
    hint = "look with `ghostie sync pull --dry-run`; if that is meant, `ghostie sync pull --yes`"


class NotRetired(GhostieError):
    exit_code = 4
    message = "that device is not retired: {why}"
    hint = (
        "nothing of it was removed; `ghostie sync repair` on a device that has taken it in puts back what is missing,"
        " then try again"
    )


class VerifyFailed(GhostieError):
    exit_code = 4
    message = "{count} problems were found"
