"""Where the key comes from, in this order: a running agent, the desktop keyring, or a passphrase.

That comes from GHOSTIE_PASSPHRASE_COMMAND, --passphrase-file, GHOSTIE_PASSPHRASE or a prompt; never from argv.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from ghostie import files, text
from ghostie.crypto import agent, keys
from ghostie.crypto.keys import KeyFile, Secret
from ghostie.crypto.sealing import Keys, Purpose, SealError, seal, unseal
from ghostie.errors import (
    CannotRead,
    ForeignVault,
    GhostieError,
    InvitationPassphrase,
    NoNewPassphrase,
    NoPassphrase,
    NotPlain,
    NotTheStores,
    NoVault,
    PassphraseSource,
    WeakPassphrase,
    WrongKey,
)
from ghostie.paths import Layout

KEYRING_SERVICE = "ghostie"
COMMAND_PATIENCE = 60.0
_LONGEST = 1 << 16  # bytes of what a file or a program says, of which the first line counts
TRIES = 3  # for a passphrase that a person types
OWN_PROMPT = "passphrase: "
STORE_PROMPT = "passphrase of the vault on the store: "
WORDS_TOO = "passphrase of the vault on the store (or Enter, for its 24 words): "
MOST_LEFT = 100  # keys that gave way and are kept

_LEFT = (b"left",)

T = TypeVar("T")


@dataclass
class Sources:
    """Where a passphrase may come from in this run. *ask* prompts a person; None where nobody can be asked.

    A person has so many *tries*; what comes from elsewhere is taken once. *words* is the master key that 24 words stand
    for, in place of the passphrase of the vault on the store; *ask_words* prompts for them.
    """

    file: Path | None = None
    store_file: Path | None = None
    new_file: Path | None = None
    ask: Callable[[str], str] | None = None
    ask_words: Callable[[], bytes] | None = None
    words: bytes | None = field(default=None, repr=False)
    tries: int = 1
    environ: MutableMapping[str, str] = field(default_factory=lambda: os.environ)

    def __post_init__(self) -> None:
        # taken out at once: a child process of ours must not find them
        self._passphrase = self.environ.pop("GHOSTIE_PASSPHRASE", None)
        self._new = self.environ.pop("GHOSTIE_NEW_PASSPHRASE", None)
        self._store = self.environ.pop("GHOSTIE_STORE_PASSPHRASE", None)
        self._answers: dict[str, str] = {}
        self._refusal = ""  # what is said before the next prompt

    # -- what opens the vault here -----------------------------------------------------------------------------------

    def passphrase(self, prompt: str = OWN_PROMPT, *, keyring_name: str | None = None) -> str:
        """Return the passphrase from the first source that has one. Raises NoPassphrase or PassphraseSource."""
        if keyring_name and (kept := _from_keyring(keyring_name)):
            return kept
        if command := self.environ.get("GHOSTIE_PASSPHRASE_COMMAND"):
            return _from_command(command, self.environ)
        if self.file is not None:
            return _from_file(self.file)
        if self._passphrase:
            return self._passphrase
        if self.ask is not None:
            if prompt not in self._answers:
                self._answers[prompt] = self._asked(prompt)
            return self._answers[prompt]
        raise NoPassphrase()

    def open_own(self, opens: Callable[[str], T]) -> T:
        """Return what *opens* makes of the passphrase; what it refuses, a person may type again.

        Raises as `passphrase`, and what *opens* raises.
        """
        return self._tried(lambda: opens(self.passphrase()), OWN_PROMPT, self.tries)

    # -- what opens the vault on the store ---------------------------------------------------------------------------

    def store_passphrase(self, prompt: str = STORE_PROMPT) -> str:
        """Return the passphrase of the vault on the store, which may be another. Raises as `passphrase`."""
        if self.store_file is not None:
            return _from_file(self.store_file)
        return self._store or self.passphrase(prompt)

    def store_secret(self) -> Secret:
        """Return what opens the vault on the store: the 24 words that were given, or a passphrase.

        A person may answer with nothing, and is then asked for the words. Raises as `passphrase`, and BadWords.
        """
        if self.words is not None:
            return self.words
        passphrase = self.store_passphrase(self._store_prompt)
        if passphrase or self.ask_words is None:
            return passphrase
        self.words = self.ask_words()
        return self.words

    def open_store(self, opens: Callable[[Secret], T], *, again: bool = True) -> T:
        """Return what *opens* makes of `store_secret`; what it refuses, a person may type *again*.

        Raises as `store_secret`, and what *opens* raises.
        """
        return self._tried(lambda: opens(self.store_secret()), self._store_prompt, self.tries if again else 1)

    def open_with_store_passphrase(self, opens: Callable[[str], T], prompt: str = STORE_PROMPT) -> T:
        """Return what *opens* makes of the passphrase of the vault on the store, where words are of no use."""
        return self._tried(lambda: opens(self.store_passphrase(prompt)), prompt, self.tries)

    # -- a passphrase to set -----------------------------------------------------------------------------------------

    def new_passphrase(self, file: Path | None = None) -> str:
        """Return a passphrase to set, asked twice of a person. Raises as `passphrase`, and WeakPassphrase."""
        if file is None:
            file = self.new_file
        if file is not None:
            passphrase = _from_file(file)
        elif self._new:
            passphrase = self._new
        elif self.ask is not None:
            return self._tried(self._chosen, "", self.tries)
        else:
            raise NoNewPassphrase()
        keys.check_passphrase(passphrase)
        return passphrase

    def first_passphrase(self) -> str:
        """Return the passphrase for a vault that is new on this device. Raises as `new_passphrase`."""
        if self.environ.get("GHOSTIE_PASSPHRASE_COMMAND") or self.file is not None or self._passphrase:
            passphrase = self.passphrase()
            keys.check_passphrase(passphrase)
            return passphrase
        return self.new_passphrase()

    def passphrase_after(self, secret: Secret, *, fresh: bool) -> str:
        """Return the passphrase that is to open this device once *secret* has opened the vault on the store.

        That is the passphrase itself; after the 24 words it is a new one, which on a *fresh* device, without a vault of
        its own, may come from where its passphrase comes from. Raises as `new_passphrase`.
        """
        if isinstance(secret, str):
            return secret
        given = self.new_file is not None or self._new
        return self.first_passphrase() if fresh and not given else self.new_passphrase()

    @property
    def _store_prompt(self) -> str:
        known = STORE_PROMPT in self._answers  # it opened an invitation a moment ago
        return STORE_PROMPT if known or self.ask_words is None else WORDS_TOO

    # -- asking ------------------------------------------------------------------------------------------------------

    def _chosen(self) -> str:
        assert self.ask is not None
        passphrase = self._asked("new passphrase: ")
        keys.check_passphrase(passphrase)
        from ghostie.crypto.strength import strength_of

        if self.ask(f"{strength_of(passphrase).sentence}\nthe same once more: ") != passphrase:
            raise PassphraseSource(source="the prompt", why="the two were not the same")
        return passphrase

    def _asked(self, prompt: str) -> str:
        assert self.ask is not None
        refusal, self._refusal = self._refusal, ""
        return self.ask(refusal + prompt)

    def _tried(self, attempt: Callable[[], T], prompt: str, tries: int) -> T:
        """Return what *attempt* does; after a refusal, if the answer to *prompt* was typed, try again with another."""
        for left in reversed(range(tries)):
            try:
                return attempt()
            except (WrongKey, ForeignVault, InvitationPassphrase, NotTheStores, WeakPassphrase) as error:
                refused: GhostieError = error
            except PassphraseSource as error:
                if prompt:  # it was not typed
                    raise
                refused = error
            typed = self._answers.pop(prompt, None) is not None or not prompt
            if not typed or not left:
                raise refused
            self._refusal = f"{refused}: {text.plural(left, 'try')} left\n"
        raise AssertionError("no try was allowed")


def read_key_file(layout: Layout) -> KeyFile:
    """Return this vault's key file. Raises NoVault, BadHome, RefusedKeyFile or NewerFormat."""
    try:
        raw = files.read(layout.master_key, keys.MAX_KEY_FILE)
    except FileNotFoundError:
        raise NoVault(home=layout.home) from None
    files.check_owner(layout.home)
    return keys.parse(raw)


def with_left(layout: Layout, keys: Keys) -> Keys:
    """Return *keys* with those that gave way in this vault, which still open what was sealed under them.

    Raises CannotRead.
    """
    try:
        spelt = unseal(keys, Purpose.CHAIN, _LEFT, files.read(layout.left_keys))
    except (FileNotFoundError, NotPlain, SealError):
        return keys
    left = {(int.from_bytes(spelt[at : at + 4], "big"), spelt[at + 4 : at + 36]) for at in range(0, len(spelt), 36)}
    return Keys(keys.vault, keys.epochs, tuple(sorted({*keys.left, *left})))


def keep_left(layout: Layout, keys: Keys) -> None:
    """Keep those of *keys* that gave way, sealed under the newest. Raises CannotWrite."""
    if keys.left:
        spelt = b"".join(epoch.to_bytes(4, "big") + key for epoch, key in keys.left[-MOST_LEFT:])
        files.write_durably(layout.left_keys, seal(keys, Purpose.CHAIN, _LEFT, spelt))


def unlock(layout: Layout, sources: Sources) -> Keys:
    """Return the vault's keys from the first source that has them. Raises NoVault, WrongKey or NoPassphrase."""
    file = read_key_file(layout)
    held = agent.fetch(layout, file)
    return held if held is not None else unwrap_with(file, sources)


def unwrap_with(file: KeyFile, sources: Sources) -> Keys:
    """Return the keys in *file*, by a passphrase from *sources*, past a stale keyring entry. Raises WrongKey."""
    if kept := _from_keyring(file.vault.hex()):
        with contextlib.suppress(WrongKey):
            return keys.unwrap(file, kept)
    if sources.words is not None:
        with contextlib.suppress(WrongKey):
            return keys.unchain(file, sources.words)
    return sources.open_own(lambda passphrase: keys.unwrap(file, passphrase))


def unattended(file: KeyFile, sources: Sources) -> str | None:
    """Return the source that opens *file* where nobody is there: "file", "keyring" or "command"; None if none is set.

    The agent does not count, for it forgets, nor GHOSTIE_PASSPHRASE, which a scheduled run has not. Raises WrongKey or
    PassphraseSource if what is set does not open it, or shows the passphrase.
    """
    if sources.file is not None:
        keys.unwrap(file, _from_file(sources.file))
        return "file"
    if kept := _from_keyring(file.vault.hex()):
        with contextlib.suppress(WrongKey):
            keys.unwrap(file, kept)
            return "keyring"
    if command := sources.environ.get("GHOSTIE_PASSPHRASE_COMMAND"):
        passphrase = _from_command(command, sources.environ)
        keys.unwrap(file, passphrase)
        if passphrase in command:
            raise PassphraseSource(source="GHOSTIE_PASSPHRASE_COMMAND", why="the command itself shows it")
        return "command"
    return None


def remember_in_keyring(file: KeyFile, passphrase: str) -> bool:
    """Keep *passphrase* in the desktop keyring, if the extra `keyring` is there; return whether it was kept."""
    try:
        import keyring
        import keyring.errors
    except ImportError:
        return False
    try:
        keyring.set_password(KEYRING_SERVICE, file.vault.hex(), passphrase)
    except keyring.errors.KeyringError:
        return False
    return True


def _from_keyring(name: str) -> str | None:
    # only where a desktop session runs: elsewhere, loading its backends would cost every command much time
    if not os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
        return None
    try:
        import keyring
        import keyring.errors
    except ImportError:
        return None
    try:
        kept: str | None = keyring.get_password(KEYRING_SERVICE, name)
    except keyring.errors.KeyringError:
        return None
    return kept


def _from_command(command: str, environ: MutableMapping[str, str]) -> str:
    import shlex
    import subprocess

    from ghostie.tools import environment, output

    source = "GHOSTIE_PASSPHRASE_COMMAND"
    try:
        argv = shlex.split(command)
        # an argument list, no shell: nothing in it is interpreted twice
        child = subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment(environ))
    except (OSError, ValueError, IndexError) as error:
        raise PassphraseSource(source=source, why=type(error).__name__) from None
    with child:
        try:
            said, code = output(child, _LONGEST, COMMAND_PATIENCE)
        except subprocess.TimeoutExpired as error:
            raise PassphraseSource(source=source, why=type(error).__name__) from None
        finally:
            child.kill()
    if len(said) > _LONGEST:
        raise PassphraseSource(source=source, why=f"it said more than {_LONGEST >> 10} KiB")
    if code != 0:
        raise PassphraseSource(source=source, why=f"it ended with exit code {code}")
    return _first_line(said, source)


def _from_file(path: Path) -> str:
    source = f"the file {path}"
    try:
        return _first_line(files.read_named(path, _LONGEST), source)
    except CannotRead:
        raise PassphraseSource(source=source, why="it cannot be read") from None


def _first_line(raw: bytes, source: str) -> str:
    try:
        line = raw.decode().split("\n", 1)[0].rstrip("\r")
    except UnicodeDecodeError:
        raise PassphraseSource(source=source, why="it is not UTF-8 text") from None
    if not line:
        raise PassphraseSource(source=source, why="it is empty")
    return line
