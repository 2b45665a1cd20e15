"""A stand-in for `os` in ghostie's one writing module: counts what reaches the disk, and cuts it off at a call."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ghostie import files

MODES: Final = ("killed", "torn", "power", "full", "full for good", "broken")


@dataclass
class Effect:
    """Something done that a power cut would undo, until its file's data or its folder's names are synced."""

    undo: Callable[[], None]
    inode: int | None = None
    folder: str | None = None


@dataclass
class Wires:
    """Cuts off at the n-th durable call, in one of MODES.

    killed: SIGKILL before it. torn: the same, but of a write half is done. power: as killed, and what was not synced is
    lost (here without syncfs, which would sync more than was asked for). full, broken: it fails once, with ENOSPC or
    EIO. full for good: so does every later one.
    """

    mode: str
    cut_at: int
    stash: Path
    calls: list[str] = field(default_factory=list)
    unsynced: list[Effect] = field(default_factory=list)
    tripped: bool = False
    _folders: dict[int, str] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def install(self) -> None:
        syncfs = files._syncfs() if self.mode != "power" else None
        vars(files)["os"] = self
        vars(files)["_syncfs"] = lambda: None if syncfs is None else lambda fd: self._syncfs(syncfs, fd)

    # -- the calls ---------------------------------------------------------------------------------------------------

    def open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            fd = os.open(path, flags, mode, dir_fd=dir_fd)
            if flags & os.O_DIRECTORY:
                self._folders[fd] = os.path.realpath(path)
            else:
                self._folders.pop(fd, None)
            return fd
        self._call("open")
        whole = self._whole(path, dir_fd)
        new = not os.path.lexists(whole)
        fd = os.open(path, flags, mode, dir_fd=dir_fd)
        self._folders.pop(fd, None)
        if new:
            self._did(lambda: os.unlink(whole), folder=os.path.dirname(whole))
        return fd

    def write(self, fd: int, content: bytes) -> int:
        status = os.fstat(fd)
        twin = os.dup(fd)
        self._call("write", lambda: os.write(fd, bytes(content)[: len(content) // 2]))
        written = os.write(fd, content)
        self._did(lambda: os.ftruncate(twin, status.st_size), inode=status.st_ino)
        return written

    def fsync(self, fd: int) -> None:
        self._call("fsync")
        os.fsync(fd)
        folder, inode = self._folders.get(fd), os.fstat(fd).st_ino
        self.unsynced = [
            each for each in self.unsynced if not (each.inode == inode if folder is None else each.folder == folder)
        ]

    def _syncfs(self, syncfs: Callable[[int], int], fd: int) -> int:
        try:
            self._call("syncfs")
        except OSError:
            return -1
        return syncfs(fd)

    def replace(
        self, source: Any, target: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None
    ) -> None:
        self._call("replace")
        old, new = self._whole(source, src_dir_fd), self._whole(target, dst_dir_fd)
        kept = self._keep(new)
        os.replace(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

        def undo() -> None:
            os.rename(new, old)
            if kept is not None:
                os.rename(kept, new)

        self._did(undo, folder=os.path.dirname(new))

    def unlink(self, path: Any, *, dir_fd: int | None = None) -> None:
        self._call("unlink")
        whole = self._whole(path, dir_fd)
        kept = self._keep(whole)
        os.unlink(path, dir_fd=dir_fd)
        if kept is not None:
            self._did(lambda: os.rename(kept, whole), folder=os.path.dirname(whole))

    def ftruncate(self, fd: int, length: int) -> None:
        self._call("ftruncate")
        os.ftruncate(fd, length)

    # -- cutting off -------------------------------------------------------------------------------------------------

    def _whole(self, path: Any, folder: int | None) -> str:
        """Return the whole path of a name in an open *folder*; the last part may be a link."""
        above, name = os.path.split(os.fspath(path))
        return os.path.join(self._folders[folder] if folder is not None else os.path.realpath(above), name)

    def _keep(self, path: str) -> str | None:
        """Hold on to the file at *path*, for a power cut that undoes its end."""
        if self.mode != "power" or not os.path.lexists(path):
            return None
        kept = str(self.stash / f"{len(self.calls)}")
        os.link(path, kept)
        return kept

    def _did(self, undo: Callable[[], None], inode: int | None = None, folder: str | None = None) -> None:
        if self.mode == "power":
            self.unsynced.append(Effect(undo, inode, folder))

    def _call(self, name: str, half: Callable[[], object] | None = None) -> None:
        self.calls.append(name)
        if len(self.calls) < self.cut_at or (len(self.calls) > self.cut_at and self.mode != "full for good"):
            return
        self.tripped = True
        if self.mode in ("full", "full for good"):
            raise OSError(errno.ENOSPC, "No space left on device")
        if self.mode == "broken":
            raise OSError(errno.EIO, "Input/output error")
        if self.mode == "torn" and half is not None:
            half()
        if self.mode == "power":
            self.lose()
        os.kill(os.getpid(), signal.SIGKILL)

    def lose(self) -> None:
        """Lose what was not synced, the newest first."""
        while self.unsynced:
            self.unsynced.pop().undo()
