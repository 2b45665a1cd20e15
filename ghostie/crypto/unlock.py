"""Where the key comes from, in this order: a running agent, the desktop keyring, or a passphrase.

That comes from GHOSTIE_PASSPHRASE_COMMAND, --passphrase-file, GHOSTIE_PASSPHRASE or a prompt; never from argv.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path

from ghostie import files
from ghostie.crypto import agent, keys
from ghostie.crypto.keys import KeyFile
from ghostie.crypto.sealing import Keys
from ghostie.errors import CannotRead, NoPassphrase, NoVault, PassphraseSource, WrongKey
from ghostie.paths import Layout

KEYRING_SERVICE = "ghostie"
COMMAND_PATIENCE = 60.0


@dataclass
class Sources:
    """Where a passphrase may come from in this run. *ask* prompts a person; None where nobody can be asked."""

    file: Path | None = None
    store_file: Path | None = None
    ask: Callable[[str], str] | None = None
    environ: MutableMapping[str, str] = field(default_factory=lambda: os.environ)

    def __post_init__(self) -> None:
        # taken out at once: a child process of ours must not find them
        self._passphrase = self.environ.pop("GHOSTIE_PASSPHRASE", None)
        self._new = self.environ.pop("GHOSTIE_NEW_PASSPHRASE", None)
        self._store = self.environ.pop("GHOSTIE_STORE_PASSPHRASE", None)
        self._answers: dict[str, str] = {}

    def passphrase(self, prompt: str = "passphrase: ", *, keyring_name: str | None = None) -> str:
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
                self._answers[prompt] = self.ask(prompt)
            return self._answers[prompt]
        raise NoPassphrase()

    def new_passphrase(self, file: Path | None = None) -> str:
        """Return a passphrase to set, asked twice of a person. Raises as `passphrase`, and WeakPassphrase."""
        if file is not None:
            passphrase = _from_file(file)
        elif self._new:
            passphrase = self._new
        elif self.ask is not None:
            passphrase = self.ask("new passphrase: ")
            keys.check_passphrase(passphrase)
            if self.ask("the same once more: ") != passphrase:
                raise PassphraseSource(source="the prompt", why="the two were not the same")
        else:
            raise NoPassphrase()
        keys.check_passphrase(passphrase)
        return passphrase

    def store_passphrase(self, prompt: str = "passphrase of the vault on the store: ") -> str:
        """Return the passphrase of the vault on the store, which may be another. Raises as `passphrase`."""
        if self.store_file is not None:
            return _from_file(self.store_file)
        return self._store or self.passphrase(prompt)

    def first_passphrase(self) -> str:
        """Return the passphrase for a vault to be made. Raises as `new_passphrase`."""
        if self.environ.get("GHOSTIE_PASSPHRASE_COMMAND") or self.file is not None or self._passphrase:
            passphrase = self.passphrase()
            keys.check_passphrase(passphrase)
            return passphrase
        return self.new_passphrase()


def read_key_file(layout: Layout) -> KeyFile:
    """Return this vault's key file. Raises NoVault, BadHome, RefusedKeyFile or NewerFormat."""
    try:
        raw = files.read(layout.master_key, keys.MAX_KEY_FILE)
    except FileNotFoundError:
        raise NoVault(home=layout.home) from None
    files.check_owner(layout.home)
    return keys.parse(raw)


def unlock(layout: Layout, sources: Sources) -> Keys:
    """Return the vault's keys from the first source that has them. Raises NoVault, WrongKey or NoPassphrase."""
    file = read_key_file(layout)
    held = agent.fetch(layout.agent_socket(), file)
    return held if held is not None else unwrap_with(file, sources)


def unwrap_with(file: KeyFile, sources: Sources) -> Keys:
    """Return the keys in *file*, by a passphrase from *sources*, past a stale keyring entry. Raises WrongKey."""
    if kept := _from_keyring(file.vault.hex()):
        with contextlib.suppress(WrongKey):
            return keys.unwrap(file, kept)
    return keys.unwrap(file, sources.passphrase())


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

    from ghostie.tools import environment

    source = "GHOSTIE_PASSPHRASE_COMMAND"
    try:
        argv = shlex.split(command)
        # an argument list, no shell: nothing in it is interpreted twice
        done = subprocess.run(
            argv, stdout=subprocess.PIPE, timeout=COMMAND_PATIENCE, check=False, env=environment(environ)
        )
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as error:
        raise PassphraseSource(source=source, why=type(error).__name__) from None
    if done.returncode != 0:
        raise PassphraseSource(source=source, why=f"it ended with exit code {done.returncode}")
    return _first_line(done.stdout, source)


def _from_file(path: Path) -> str:
    source = f"the file {path}"
    try:
        return _first_line(files.read_named(path, 1 << 16), source)
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
