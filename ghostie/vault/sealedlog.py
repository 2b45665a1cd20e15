"""A sealed, append-only file of entries: adding one costs the same however many there are.

    "GHOL" | generation, 16 random bytes | frame | frame | …        frame = length, 4 bytes | sealed entry

Each frame is sealed under the log's name, generation and its own offset, so frames can be neither moved nor mixed. What
follows a torn one (a crash while appending) is found again by its magic. A torn frame that lacks 1 to 3 bytes may open
all the same, for the next one begins with zeros: then that one begins within it.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from ghostie import files
from ghostie.crypto.sealing import MAGIC, Keys, Purpose, SealError, seal, unseal
from ghostie.errors import CannotRead

_HEAD = b"GHOL"
_START = 20


class SealedLog:
    """Entries of bytes in one file. Writers hold the vault's lock; readers need none."""

    def __init__(self, path: Path, keys: Keys, purpose: Purpose, name: str) -> None:
        self.path = path
        self.damaged = False  # whether the last read met something that does not open
        self._keys = keys
        self._purpose = purpose
        self._name = name.encode()

    def append(self, entries: Iterable[bytes], *, durable: bool = True) -> None:
        """Append *entries*. Raises CannotWrite or CannotRead, with nothing appended."""
        size, generation = self.state()
        if generation is None:
            self.replace(entries, durable=durable)
            return
        files.append_durably(self.path, self._frames(entries, generation, size), expected_size=size, durable=durable)

    def replace(self, entries: Iterable[bytes] = (), *, generation: bytes | None = None, durable: bool = True) -> None:
        """Replace all by *entries*, at once. Raises CannotWrite, with the old log there."""
        generation = generation or secrets.token_bytes(16)
        frames = self._frames(entries, generation, _START)
        if durable or files.is_there(self.path):
            files.write_durably(self.path, _HEAD + generation + frames)
        else:
            files.append_durably(self.path, _HEAD + generation + frames, durable=False)

    def read(self, start: int = _START) -> list[bytes]:
        """Return the entries that open, in order, from offset *start* on; `damaged` tells whether any did not."""
        self.damaged = False
        try:
            raw = files.read(self.path)
        except FileNotFoundError:
            return []
        if len(raw) < _START or raw[:4] != _HEAD:
            self.damaged = True
            return []
        entries, offset, tried, generation = [], start, 0, raw[4:_START]
        while offset < len(raw):
            end = offset + 4 + int.from_bytes(raw[offset : offset + 4], "big")
            try:
                if end > len(raw):
                    raise SealError(why="length")
                entries.append(
                    unseal(self._keys, self._purpose, self._place(generation, offset), raw[offset + 4 : end])
                )
                offset = end
            except SealError:
                self.damaged = True
                found = raw.find(MAGIC, max(offset, tried) + 1)
                if found == offset + 4:  # the one that does not open
                    found = raw.find(MAGIC, found + 1)
                if found < 0:
                    break
                offset, tried = found - 4, found
        return entries

    def state(self) -> tuple[int, bytes | None]:
        """Return the file's size and its generation (None: no file, or damaged). Raises CannotRead."""
        try:
            # without blocking: a pipe in its place must not hold us up
            fd = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                head = os.read(fd, _START)
                size = os.fstat(fd).st_size
            finally:
                os.close(fd)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.EAGAIN):
                return 0, None
            # one that cannot be read just now must not be taken for one that is not there, and written anew
            raise CannotRead(path=self.path, why=(error.strerror or str(error)).lower()) from error
        return size, head[4:] if len(head) == _START and head[:4] == _HEAD else None

    def _frames(self, entries: Iterable[bytes], generation: bytes, offset: int) -> bytes:
        frames = bytearray()
        for entry in entries:
            sealed = seal(self._keys, self._purpose, self._place(generation, offset + len(frames)), entry)
            frames += len(sealed).to_bytes(4, "big") + sealed
        return bytes(frames)

    def _place(self, generation: bytes, offset: int) -> tuple[bytes, ...]:
        return (self._name, generation, offset.to_bytes(8, "big"))
