"""Files that a living process holds: its end, whatever ends it, lets them go.

A *claim* (a POSIX lock) also tells which process holds a file; a *hold* (flock) only that one does.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import sys
import time
from pathlib import Path

_A_MOMENT = 60.0  # seconds

# the system's struct flock: type, whence, start, length, process; the BSDs and macOS put the first two last
if sys.platform in ("linux", "android"):
    _FLOCK, _ANY_LOCK, _KIND_AND_PID = struct.Struct("hhqqi4x"), (fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0), (0, 4)
else:
    _FLOCK, _ANY_LOCK, _KIND_AND_PID = struct.Struct("qqihh"), (0, 0, 0, fcntl.F_RDLCK, os.SEEK_SET), (3, 2)


def take(fd: int) -> bool:
    """Claim the file that is open for writing at *fd*, until the process ends; return whether no other has.

    Nothing else in this process may open that file meanwhile: closing it would give up the lock.
    """
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except (BlockingIOError, PermissionError):
        return False


def claimant(path: Path) -> tuple[int, bytes] | None:
    """Return the process that holds *path* by `take`, and what the file says; None if none does. Raises OSError.

    The kernel names the process, so that it is never another one with the same number. One on another machine, or in a
    container that cannot be seen from here, has no positive number.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            told = fcntl.fcntl(fd, fcntl.F_GETLK, _FLOCK.pack(*_ANY_LOCK))
            kind, pid = (_FLOCK.unpack(told)[at] for at in _KIND_AND_PID)
            return None if kind == fcntl.F_UNLCK else (pid, os.read(fd, 1 << 13))
        finally:
            os.close(fd)
    except FileNotFoundError:
        return None


def hold(fd: int) -> None:
    """Hold the file that is open at *fd*, until it is closed."""
    with contextlib.suppress(OSError):  # a file system without locks: then nothing is taken for abandoned
        fcntl.flock(fd, fcntl.LOCK_EX)


def abandoned(path: Path, age: float = 0) -> bool:
    """Tell whether no process holds the file *path*, nor is just about to. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        status = os.fstat(fd)
        quiet = time.time() - status.st_mtime
        # its writer takes hold of it before anything is in it
        return quiet >= age and (status.st_size > 0 or quiet > _A_MOMENT)
    finally:
        os.close(fd)
