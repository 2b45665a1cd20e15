"""Where things are: the layout of ~/.ghostie, and this user's runtime folder."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from ghostie.errors import Damaged

VERSION_SUFFIX = ".json.enc"
_STEM = re.compile(r"[a-z2-7]{26}\.[0-9a-f]{32}")


def default_home() -> Path:
    """Return the vault's folder: GHOSTIE_HOME, or ~/.ghostie."""
    named = os.environ.get("GHOSTIE_HOME")
    return Path(named).expanduser() if named else Path.home() / ".ghostie"


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of one vault. Nothing here touches the disk."""

    home: Path

    @property
    def lock(self) -> Path:
        return self.home / "lock"

    @property
    def memories(self) -> Path:
        return self.home / "memories"

    @property
    def index(self) -> Path:
        return self.home / "index"

    @property
    def index_snapshot(self) -> Path:
        return self.index / "snapshot.enc"

    @property
    def index_journal(self) -> Path:
        return self.index / "journal.enc"

    @property
    def search(self) -> Path:
        return self.index / "search.enc"

    @property
    def operations(self) -> Path:
        return self.home / "operations.enc"

    @property
    def filters(self) -> Path:
        return self.home / "filters.enc"

    @property
    def first_run(self) -> Path:
        """What of the first run is still to be asked."""
        return self.home / "first_run.json"

    @property
    def keys(self) -> Path:
        return self.home / "keys"

    @property
    def master_key(self) -> Path:
        return self.keys / "master.key"

    @property
    def next_key(self) -> Path:
        """The key file of a vault that this device is moving into: the next `master_key`."""
        return self.keys / "next.key"

    @property
    def left_keys(self) -> Path:
        """Keys of this vault that gave way to others of the same epoch."""
        return self.keys / "left.key"

    @property
    def sync(self) -> Path:
        return self.home / "sync"

    @property
    def sync_lock(self) -> Path:
        return self.sync / "lock"

    @property
    def sync_config(self) -> Path:
        return self.sync / "config.json"

    @property
    def store_state(self) -> Path:
        """What a store has said of itself: the next look is cheaper."""
        return self.sync / "store_state.enc"

    @property
    def device(self) -> Path:
        return self.sync / "device_id"

    @property
    def sync_state(self) -> Path:
        return self.sync / "sync_state.json"

    @property
    def runs(self) -> Path:
        """How the syncs went since the last good one; `runs_log` has a line for each."""
        return self.sync / "runs.json"

    @property
    def runs_log(self) -> Path:
        return self.sync / "runs.log"

    @property
    def runs_lock(self) -> Path:
        return self.sync / "runs.lock"

    @property
    def job(self) -> Path:
        """What Android runs, where syncs are scheduled there."""
        return self.sync / "job.sh"

    @property
    def logs(self) -> Path:
        return self.sync / "logs"

    @property
    def outbox(self) -> Path:
        return self.sync / "outbox"

    @property
    def pending_key(self) -> Path:
        """The key object that the store gets with the next push."""
        return self.outbox / "slot.key"

    @property
    def quarantine(self) -> Path:
        return self.sync / "quarantine"

    @property
    def conflicts(self) -> Path:
        return self.sync / "conflicts"

    def folders(self) -> tuple[Path, ...]:
        """Return every folder of a vault, parents first."""
        below = (self.logs, self.outbox, self.quarantine, self.conflicts)
        return (self.home, self.memories, self.index, self.keys, self.sync, *below)

    def version(self, stem: str) -> Path:
        """Return the path of the version file *stem* (`<id>.<hash32>`). Raises Damaged for anything else."""
        if not _STEM.fullmatch(stem):
            raise Damaged(what="the name of a version file")
        return self.memories / (stem + VERSION_SUFFIX)

    def worksheet(self, memory_id: str) -> Path:
        return self.conflicts / f"{memory_id}{VERSION_SUFFIX}"

    @property
    def name(self) -> str:
        """A name for this vault among this user's, from where it is: 16 hex digits."""
        return hashlib.blake2b(os.fsencode(self.home.absolute()), digest_size=8).hexdigest()

    @property
    def reserve(self) -> Path:
        """Room on the disk that is given up when it is full, so that deleting still works."""
        return self.home / "reserve"

    @property
    def editing(self) -> Path:
        """Where a text that is in the person's editor lies, if there is no runtime folder."""
        return self.home / "editing"

    @property
    def agent(self) -> Path:
        """What the agent holds while it lives; it names the agent's process and socket."""
        return self.home / "agent"

    def agent_sockets(self) -> list[Path]:
        """Return where the agent's socket may be, the best place first: the kernel takes 107 bytes of path."""
        runtime = runtime_folder()
        return [*([runtime / f"{self.name}.sock"] if runtime is not None else []), self.home / "agent.sock"]


def is_stem(name: str) -> bool:
    """Tell whether *name* is a version file's name without its suffix."""
    return _STEM.fullmatch(name) is not None


def runtime_folder() -> Path | None:
    """Return this user's own folder for what must not outlive a login, where the system has one."""
    for base in (os.environ.get("XDG_RUNTIME_DIR"), f"/run/user/{os.geteuid()}"):
        if base and os.path.isabs(base):
            with contextlib.suppress(OSError):
                status = os.stat(base)
                # the variable may name any folder: one where others may look is not taken
                if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077:
                    return Path(base) / "ghostie"
    return None
