"""The keeper, from the interface's side: a child process that holds the open vault, and is asked for things.

Frames go both ways over a socket pair: four bytes of length, then JSON. A request is {"id", "task", "given"}; to it
come any number of {"id", "said"} and one {"id", "answer"} or {"id", "error"}, which may have "unfinished" errors: what
did not follow a change that was made. {"event"} comes unasked: the vault is locked, or has changed.
The passphrase and the keys go through the socket, never by argv or environment.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from ghostie import codec, errors, tools
from ghostie.errors import GhostieError
from ghostie.paths import Layout

LENGTH = 4
LONGEST = 256 << 20
traces: list[str] = []  # with GHOSTIE_DEBUG, where the errors of keepers came from: shown when ghostie ends
_SECRETS = ("GHOSTIE_PASSPHRASE", "GHOSTIE_NEW_PASSPHRASE", "GHOSTIE_STORE_PASSPHRASE")


class KeeperGone(GhostieError):
    message = "the process that holds the vault has ended"
    hint = "unlock the vault again; what was saved is safe"


class Cancelled(GhostieError):
    exit_code = 130
    message = "cancelled"
    hint = "what was done until then is kept"


class Fault(GhostieError):
    message = "a fault in ghostie ({kind})"
    hint = "GHOSTIE_DEBUG=1 shows where when ghostie ends; please report it"


@dataclass(frozen=True)
class Opening:
    """Where the vault is and where its passphrase may come from: what a keeper is told first."""

    home: Path
    file: Path | None = None
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def here(cls, layout: Layout, file: Path | None = None) -> Opening:
        """Return the opening of this process. Secrets in its environment are taken out of it."""
        taken = {name: value for name in _SECRETS if (value := os.environ.pop(name, None))}
        if command := os.environ.get("GHOSTIE_PASSPHRASE_COMMAND"):
            taken["GHOSTIE_PASSPHRASE_COMMAND"] = command
        return cls(layout.home.absolute(), file.absolute() if file is not None else None, taken)

    def spelt(self, keys: Any = None, *, ask: bool = False) -> dict[str, Any]:
        """Return the first frame; with *keys*, the vault is opened by them; with *ask*, only the person can open it."""
        return {
            "home": os.fsdecode(self.home),
            "file": os.fsdecode(self.file) if self.file is not None and not ask else None,
            "environ": {} if ask else dict(self.environ),
            "keys": keys,
            "ask": ask,
            "debug": bool(os.environ.get("GHOSTIE_DEBUG")),
        }


def frame(value: Any) -> bytes:
    try:
        spelt = codec.dumps_own(value)
    except (TypeError, ValueError, GhostieError):
        # what an error tells of may be none of JSON's kinds, and file names have bytes in them that are no text
        spelt = json.dumps(value, default=str, ensure_ascii=False).encode(errors="replace")
    return len(spelt).to_bytes(LENGTH, "big") + spelt


def told(error: Mapping[str, Any]) -> GhostieError:
    """Return the error that a keeper tells of: of the class that was raised there, with the same words and way out."""
    traces.extend(error.get("where", ()))
    kind = error["kind"]
    known = {"Cancelled": Cancelled, "Fault": Fault}.get(kind) or getattr(errors, kind, None)
    family = known if isinstance(known, type) and issubclass(known, GhostieError) else GhostieError
    made = type(family.__name__, (_Told, family), {"__module__": family.__module__})(error)
    assert isinstance(made, GhostieError)
    return made


class _Told(GhostieError):
    """Mixed into the class of an error that was raised in the keeper."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super(GhostieError, self).__init__()
        self.facts = error["facts"]
        self._words = str(error["words"])
        self._hint: str | None = error["way_out"]
        self.kind = error["kind"]  # the name of its class there, which may be none of `errors`

    def __str__(self) -> str:
        return self._words

    def way_out(self) -> str | None:
        return self._hint


Then = Callable[[Any], None]
Failed = Callable[[GhostieError], None]


@dataclass
class Asked:
    keeper: Keeper
    then: Then
    failed: Failed
    progress: Then | None = None
    over: bool = False

    def cancel(self) -> None:
        """Break the task off, as Ctrl-C would. Its keeper must be at nothing else."""
        if not self.over:
            self.keeper.interrupt()

    def drop(self) -> None:
        """Take no more interest in what comes of it."""
        self.over = True


class Keeper:
    """One keeper process. `listen` runs in the interface's loop; everything else returns at once."""

    PROGRAM: ClassVar = "ghostie.tui.desk"  # the module that the process runs

    def __init__(self, opening: Opening, keys: Any = None, *, ask: bool = False) -> None:
        ours, theirs = socket.socketpair()
        package = Path(__file__).resolve().parents[2]
        environment = tools.environment()
        if pure := os.environ.get("GHOSTIE_PURE"):
            environment["GHOSTIE_PURE"] = pure
        environment["PYTHONPATH"] = str(package)
        with theirs:
            # -P: the folder that the person stands in is not searched for modules
            self._process: subprocess.Popen[bytes] = subprocess.Popen(
                [sys.executable, "-P", "-m", self.PROGRAM],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env=environment,
                cwd="/",
            )
        self._socket = ours
        self._socket.sendall(frame(opening.spelt(keys, ask=ask)))
        self._writer: asyncio.StreamWriter | None = None
        self._early: list[bytes] = []
        self._pending: dict[int, Asked] = {}
        self._number = 0
        self.ended = False

    def ask(
        self, task: str, given: Mapping[str, Any], then: Then, failed: Failed, progress: Then | None = None
    ) -> Asked:
        """Ask for *task*; exactly one of *then* and *failed* is called later, unless the request is dropped."""
        self._number += 1
        asked = Asked(self, then, failed, progress)
        if self.ended:
            asked.over = True
            failed(KeeperGone())
            return asked
        self._pending[self._number] = asked
        request = frame({"id": self._number, "task": task, "given": given})
        if self._writer is None:
            self._early.append(request)
        else:
            self._writer.write(request)
        return asked

    async def listen(self, event: Callable[[Mapping[str, Any]], None]) -> None:
        """Hand out what the keeper says until it ends; then fail what is still asked for."""
        try:
            reader, self._writer = await asyncio.open_connection(sock=self._socket, limit=1 << 22)
            self._writer.writelines(self._early)
            self._early.clear()
            while True:
                length = int.from_bytes(await reader.readexactly(LENGTH), "big")
                self._take(codec.loads_own(await reader.readexactly(min(length, LONGEST))), event)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self.end()

    def _take(self, said: Mapping[str, Any], event: Callable[[Mapping[str, Any]], None]) -> None:
        if "event" in said:
            event(said)
            return
        asked = self._pending.get(said["id"])
        if asked is None:
            return
        if "said" in said:
            if asked.progress is not None and not asked.over:
                asked.progress(said["said"])
            return
        del self._pending[said["id"]]
        if asked.over:
            return
        asked.over = True
        if "error" in said:
            asked.failed(told(said["error"]))
        else:
            asked.then(said["answer"])
        for unfinished in said.get("unfinished", ()):
            event({"event": "unfinished", "error": unfinished})

    def interrupt(self) -> None:
        with contextlib.suppress(OSError):
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGINT)

    def end(self) -> None:
        """End the process, which forgets the keys and all that it read. A change that is being written is finished."""
        if self.ended:
            return
        self.ended = True
        # the keeper reads the end of it when it has done what was asked before, and leaves
        if self._writer is not None:
            self._writer.close()  # what is not yet through goes out first
        else:
            self._socket.close()
        pending, self._pending = list(self._pending.values()), {}
        for asked in pending:
            if not asked.over:
                asked.over = True
                asked.failed(KeeperGone())

    @property
    def gone(self) -> bool:
        return self._process.poll() is not None

    def wait(self, seconds: float) -> None:
        """Wait for the process to be gone, and see to it that it is."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
