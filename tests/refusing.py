"""A disk that does not give a file: opening it or reading it fails, as on a bad sector or without permission."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from ghostie import files
from ghostie.vault import sealedlog

REASONS = {"EIO": errno.EIO, "EACCES": errno.EACCES, "EMFILE": errno.EMFILE}


class _Refusing:
    """The module `os`, but for what is refused of files that are opened to be read."""

    def __init__(self, refuses: Callable[[str], bool], code: int, call: str) -> None:
        self._refuses = refuses
        self._code = code
        self._call = call
        self._refused: set[int] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: Any, flags: int, *more: Any, **named: Any) -> int:
        reading = flags & os.O_ACCMODE == os.O_RDONLY and not flags & os.O_DIRECTORY
        refused = reading and self._refuses(os.fspath(path))
        if refused and self._call == "open":
            raise OSError(self._code, os.strerror(self._code))
        fd = os.open(path, flags, *more, **named)
        self._refused.discard(fd)
        if refused:
            self._refused.add(fd)
        return fd

    def read(self, fd: int, size: int) -> bytes:
        if fd in self._refused:
            raise OSError(self._code, os.strerror(self._code))
        return os.read(fd, size)


@contextlib.contextmanager
def refusing(refuses: Callable[[str], bool] | str, reason: str = "EIO", call: str = "read") -> Iterator[None]:
    """Refuse, to this process, the files whose path *refuses* holds for, or has in it; *call* is "open" or "read"."""
    named = refuses if callable(refuses) else lambda path: refuses in path
    refused = _Refusing(named, REASONS[reason], call)
    with mock.patch.object(files, "os", refused), mock.patch.object(sealedlog, "os", refused):
        yield
