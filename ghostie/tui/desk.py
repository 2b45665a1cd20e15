"""The keeper's own process: it holds the open vault, reads requests, runs tasks and answers. See keeper.py.

It has no terminal, writes no words anywhere, and ends when its socket closes.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import select
import signal
import socket
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ghostie import codec
from ghostie.errors import GhostieError, NoPassphrase
from ghostie.paths import Layout
from ghostie.tui import tasks
from ghostie.tui.keeper import LENGTH, Cancelled, Fault, frame

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ghostie.crypto.sealing import Keys
    from ghostie.vault import Vault

REST_AFTER = 3.0  # seconds without a request, after which memory is given back
LARGE = 30_000


class Locked(GhostieError):
    exit_code = 12
    message = "the vault is locked"
    hint = "unlock it with the passphrase"


class VaultAway(GhostieError):
    message = "the vault is not there: {home}"
    hint = "it is as it was when its folder is back: is a disk or a share to be mounted again?"


class Desk:
    """What a task works at: the vault, and a way to say how far it is."""

    def __init__(self, channel: socket.socket, opening: Mapping[str, Any]) -> None:
        self.layout = Layout(Path(opening["home"]))
        self.debug = bool(opening["debug"])
        # what a schedule may open the vault by when nobody is there
        self.passphrase_file = Path(opening["file"]) if opening["file"] else None
        self.passphrase_command: str | None = opening["environ"].get("GHOSTIE_PASSPHRASE_COMMAND")
        self._channel = channel
        self._vault: Vault | None = None
        self._loaded = False
        self._at = 0  # the request that is being answered
        self.told: Any = None  # the vault's state as the interface knows it
        self._kept: dict[str, tuple[int, Any]] = {}

    # -- for tasks ---------------------------------------------------------------------------------------------------

    @property
    def vault(self) -> Vault:
        """The vault, its index as it happens to be. Raises Locked or VaultAway."""
        if self._vault is None:
            raise Locked()
        if not self.layout.master_key.exists():
            raise VaultAway(home=self.layout.home)  # and no empty vault instead
        return self._vault

    def fresh(self) -> Vault:
        """Return the vault, its index as the files are now. Raises Locked, VaultAway, or as `Vault.refresh`."""
        vault = self.vault
        if not self._loaded or vault.index.seen() != vault.index.on_disk():
            gc.disable()  # as in every command: looking for garbage among new rows finds none and costs much
            try:
                vault.refresh()
            finally:
                gc.freeze()
                gc.enable()
            self._loaded = True
        return vault

    def once(self, name: str, make: Callable[[Vault], Any]) -> Any:
        """Return what *make* makes of the vault as the files are now; it is made again where the vault has changed."""
        vault = self.fresh()
        kept = self._kept.get(name)
        if kept is None or kept[0] != vault.index.edition:
            kept = self._kept[name] = vault.index.edition, make(vault)
        return kept[1]

    def say(self, value: Any) -> None:
        """Tell the interface how far the task is."""
        self._send({"id": self._at, "said": value})

    def seen(self) -> None:
        """Note that the interface now knows the vault as it is loaded: it hears of later changes only."""
        self.told = self._state()

    # -- opening -----------------------------------------------------------------------------------------------------

    def open_with(self, keys: Keys) -> None:
        from ghostie import leftovers
        from ghostie.vault.device import load_device
        from ghostie.vault.vault import Vault

        if self._vault is not None:
            self._vault.close()
        leftovers.tend(self.layout)
        self._vault = Vault(self.layout, keys, load_device(self.layout))
        self._loaded = False
        self._kept.clear()

    def _open(self, opening: Mapping[str, Any]) -> None:
        """Open the vault by what *opening* has. Raises NoPassphrase where a person must be asked."""
        from ghostie.crypto.sealing import Keys
        from ghostie.crypto.unlock import Sources, unlock

        if (given := opening["keys"]) is not None:
            epochs = {int(epoch): bytes.fromhex(key) for epoch, key in given["epochs"].items()}
            self.open_with(Keys(bytes.fromhex(given["vault"]), epochs))
            return
        if opening["ask"]:
            raise NoPassphrase()
        sources = Sources(file=self.passphrase_file, environ=dict(opening["environ"]))
        if self.layout.next_key.exists():
            from ghostie.sync.moving import finish_move

            finish_move(self.layout, sources)
        self.open_with(unlock(self.layout, sources))

    # -- answering ---------------------------------------------------------------------------------------------------

    def serve(self, opening: Mapping[str, Any]) -> None:
        """Open the vault if that needs nobody, then answer requests until the interface is gone."""
        try:
            self._open(opening)
        except Exception as error:
            self._send({"event": "locked", "error": self._spelt(error)})
        idle = 0.0
        while True:
            try:
                if not select.select([self._channel], [], [], 1.0)[0]:
                    idle += 1.0
                    self._look()
                    if idle == REST_AFTER:
                        self._rest()
                    continue
                idle = 0.0
                request = _receive(self._channel)
                if request is None:
                    return
                self._answer(request)
            except KeyboardInterrupt:
                continue  # meant for a task that was done by then

    def _answer(self, request: Mapping[str, Any]) -> None:
        self._at = request["id"]
        try:
            answer: dict[str, Any] = {"answer": tasks.find(request["task"])(self, **request["given"])}
        except KeyboardInterrupt:
            answer = {"error": self._spelt(Cancelled())}
        except Exception as error:
            answer = {"error": self._spelt(error)}
        if self._vault is not None and (unfinished := self._vault.told()):
            answer["unfinished"] = [self._spelt(each) for each in unfinished]
        self._send({"id": self._at, **answer})

    def _spelt(self, error: Exception) -> dict[str, Any]:
        # of a fault of ours the class is told, its words are not, for they may quote a memory
        told = error if isinstance(error, GhostieError) else Fault(kind=type(error).__name__)
        frames = traceback.extract_tb(error.__traceback__) if self.debug else ()
        return {
            "kind": type(told).__name__,
            "words": str(told),
            "way_out": told.way_out(),
            "facts": told.facts,
            "where": [f'  File "{each.filename}", line {each.lineno}, in {each.name}\n' for each in frames],
        }

    def _send(self, value: Any) -> None:
        try:
            self._channel.sendall(frame(value))
        except OSError:
            os._exit(0)  # the interface is gone: nobody waits for anything any more

    # -- between requests --------------------------------------------------------------------------------------------

    def _state(self) -> Any:
        return self._vault.index.seen() if self._vault is not None and self._loaded else None

    def _look(self) -> None:
        """Tell the interface when another process has changed the vault."""
        if self._vault is None or self.told is None:
            return
        with contextlib.suppress(GhostieError):
            state = self._vault.index.on_disk()
            if state != self.told:
                self.told = state
                self._send({"event": "changed"})

    def _rest(self) -> None:
        """Give back what is free, of a large vault its index and search too: nothing is asked of them just now."""
        if self._vault is not None and self._loaded and len(self._vault.index) >= LARGE:
            self.open_with(self._vault.keys)
            gc.unfreeze()
            gc.collect()
        with contextlib.suppress(AttributeError, OSError):
            ctypes.CDLL(None).malloc_trim(0)  # glibc's: gives what is free back to the system


def _receive(channel: socket.socket) -> Any:
    """Return what the next frame holds, or None where there is no whole one any more."""
    length = int.from_bytes(channel.recv(LENGTH, socket.MSG_WAITALL), "big")
    body = channel.recv(length, socket.MSG_WAITALL)
    return codec.loads_own(body) if body and len(body) == length else None


def _main() -> None:
    from ghostie.hardening import harden

    harden()
    channel = socket.socket(fileno=os.dup(0))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)  # whatever some library might print is no frame
    opening = _receive(channel)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if opening is not None:
        Desk(channel, opening).serve(opening)
    os._exit(0)


if __name__ == "__main__":
    _main()
