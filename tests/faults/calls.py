"""Calls to the system that fail: one chosen call of a process, among all that touch a given folder.

What a process asks of the system passes here by the functions of Python's `os`, `open`, `fcntl.flock` and libc's syncfs.
A call that fails is not carried out, as under `strace -e inject=…:error=…`.
"""

from __future__ import annotations

import builtins
import errno
import fcntl
import io
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from ghostie import files

_CREATES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_BY_NAME: Final = ("stat", "lstat", "listdir", "scandir", "mkdir", "rmdir", "unlink", "chmod")
_BY_NUMBER: Final = ("read", "write", "fsync", "fstat", "ftruncate", "fchmod")
# what each call can fail with; ENOSPC comes only of what takes room
_ROOM: Final = {"open to write", "write", "fsync", "syncfs", "mkdir", "replace"}
_DESCRIPTORS: Final = {"open", "open to write", "listdir", "scandir"}
_PERMISSION: Final = {"open", "open to write", "stat", "lstat", "listdir", "scandir", "mkdir", "unlink", "replace"}


def errors_of(call: str) -> list[str]:
    """Return the names of the errors with which *call* is made to fail."""
    limits = {"ENOSPC": _ROOM, "EMFILE": _DESCRIPTORS, "EACCES": _PERMISSION}
    return ["EIO", *(name for name, calls in limits.items() if call in calls)]


@dataclass
class Calls:
    """Notes the calls that touch something below *root*; the one at *fails_at* (from 1) fails with *error*."""

    root: str
    fails_at: int = 0
    error: str = "EIO"
    made: list[tuple[str, str]] = field(default_factory=list)  # each call, and the path that it touched below the root
    _paths: dict[int, str] = field(default_factory=dict)

    def install(self) -> None:
        """Let the rest of this process pass here."""
        real = {name: getattr(os, name) for name in (*_BY_NAME, *_BY_NUMBER, "open", "close", "replace", "rename")}
        for name in _BY_NAME:
            vars(os)[name] = self._by_name(name, real[name])
        for name in _BY_NUMBER:
            vars(os)[name] = self._by_number(name, real[name])
        vars(os)["remove"] = os.unlink
        vars(os)["replace"] = self._replace(real["replace"])
        vars(os)["rename"] = self._replace(real["rename"])
        vars(os)["open"] = self._open(real["open"])
        vars(os)["close"] = self._close(real["close"])
        opened = self._opened(builtins.open)
        vars(builtins)["open"] = vars(io)["open"] = opened
        vars(fcntl)["flock"] = self._by_number("flock", fcntl.flock)
        if (syncfs := files._syncfs()) is not None:
            vars(files)["_syncfs"] = lambda: self._sync(syncfs)

    # -- which call it is --------------------------------------------------------------------------------------------

    def _call(self, name: str, path: str | None) -> None:
        if path is None:
            return
        self.made.append((name, os.path.relpath(path, self.root)))
        if len(self.made) == self.fails_at:
            code = getattr(errno, self.error)
            raise OSError(code, os.strerror(code))

    def _below(self, path: Any, folder: int | None = None) -> str | None:
        """Return the whole of *path*, in the open *folder*, if it lies below the root."""
        if isinstance(path, int):
            return self._paths.get(path)
        whole = os.fsdecode(path)
        if folder is not None and not os.path.isabs(whole):
            above = self._paths.get(folder)
            return os.path.join(above, whole) if above is not None else None
        whole = os.path.abspath(whole)
        return whole if whole == self.root or whole.startswith(f"{self.root}/") else None

    # -- the calls ---------------------------------------------------------------------------------------------------

    def _by_name(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def instead(path: Any = ".", *more: Any, **named: Any) -> Any:
            self._call(name, self._below(path, named.get("dir_fd")))
            return call(path, *more, **named)

        return instead

    def _by_number(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def instead(fd: Any, *more: Any, **named: Any) -> Any:
            self._call(name, self._paths.get(fd))
            return call(fd, *more, **named)

        return instead

    def _open(self, call: Callable[..., int]) -> Callable[..., int]:
        def instead(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
            whole = self._below(path, dir_fd)
            self._call("open to write" if flags & _CREATES else "open", whole)
            fd = call(path, flags, mode, dir_fd=dir_fd)
            if whole is not None:
                self._paths[fd] = whole
            return fd

        return instead

    def _close(self, call: Callable[[int], None]) -> Callable[[int], None]:
        def instead(fd: int) -> None:
            path = self._paths.pop(fd, None)
            call(fd)  # Linux gives the number back whatever close says
            self._call("close", path)

        return instead

    def _opened(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def instead(path: Any, mode: str = "r", *more: Any, **named: Any) -> Any:
            writes = not {"w", "a", "x", "+"}.isdisjoint(mode)
            self._call("open to write" if writes else "open", self._below(path) if not isinstance(path, int) else None)
            return call(path, mode, *more, **named)

        return instead

    def _replace(self, call: Callable[..., None]) -> Callable[..., None]:
        def instead(source: Any, target: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
            self._call("replace", self._below(target, dst_dir_fd))
            call(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

        return instead

    def _sync(self, call: Callable[[int], int]) -> Callable[[int], int]:
        def instead(fd: int) -> int:
            try:
                self._call("syncfs", self._paths.get(fd))
            except OSError:
                return -1
            return call(fd)

        return instead
