"""The only code that opens a file for writing: durable, private, and never through a link.

Folders are 0700 and files 0600 whatever the umask. A write is a temporary file in the same folder, fsync, rename,
fsync of the folder: after a crash the old bytes are there or the new ones, never a mixture.
"""

from __future__ import annotations

import contextlib
import contextvars
import errno
import fcntl
import os
import secrets
import stat
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, BinaryIO

from ghostie import claims
from ghostie.errors import (
    BadHome,
    CannotRead,
    CannotRemove,
    CannotWrite,
    NotConfirmed,
    NotPlain,
    VaultBusy,
    WrittenInPart,
)

_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_TEMPORARY = ".tmp-"
_ZEROS = bytes(1 << 16)
_MOST_HELD = 64  # descriptors: a process may have as few as 256

READ_LIMIT = 1 << 31


class Simulated:
    """The module `os` with a simulated disk: *before* hears the name of each call that changes it or waits for it, and
    may raise instead; with *waits* false nothing waits for the real disk.
    """

    CALLS = ("write", "fsync", "syncfs", "replace", "unlink", "ftruncate", "fchmod")

    def __init__(self, before: Callable[[str], None], *, waits: bool) -> None:
        self._os = os
        self._before = before
        self._calls: dict[str, Any] = {name: getattr(os, name, None) or _syncfs() for name in self.CALLS}
        if not waits:
            self._calls |= {"fsync": lambda fd: None, "syncfs": lambda fd: 0}

    def __getattr__(self, name: str) -> Any:
        if (call := self._calls.get(name)) is None:
            return getattr(self._os, name)

        def gated(*args: Any, **named: Any) -> Any:
            self._before(name)
            return call(*args, **named)

        return gated


@contextlib.contextmanager
def simulated(before: Callable[[str], None], *, waits: bool = True) -> Iterator[None]:
    """Let a simulation see, and fail, what this process does to the disk meanwhile: see Simulated."""
    real = globals()["os"]
    globals()["os"] = Simulated(before, waits=waits)
    try:
        yield
    finally:
        globals()["os"] = real


def make_private_folder(path: Path) -> None:
    """Make *path* a folder of this user's with mode 0700, parents included. Raises BadHome."""
    try:
        missing = list(takewhile(lambda folder: not folder.exists(), (path, *path.parents)))
        for folder in reversed(missing):
            with contextlib.suppress(FileExistsError):
                folder.mkdir(mode=0o700)  # one by one: mkdir(parents=True) would leave the parents to the umask
        fd = os.open(path, _FOLDER)
        try:
            status = os.fstat(fd)
            if status.st_uid != os.geteuid():
                raise BadHome(home=path, why="it belongs to somebody else")
            if stat.S_IMODE(status.st_mode) != 0o700:
                os.fchmod(fd, 0o700)
        finally:
            os.close(fd)
    except OSError as error:
        raise BadHome(home=path, why=_why(error)) from error


def open_to_others(home: Path, programs: Collection[Path] = (), *, close: bool = False) -> list[Path]:
    """Return what in the folder *home*, and it itself, has another mode than is given to it; with *close* give it that.

    Folders and *programs* are 0700, files 0600. Raises CannotWrite.
    """
    found = []

    def look(path: Path) -> None:
        status = path.lstat()
        mode = stat.S_IMODE(status.st_mode)
        if not stat.S_ISDIR(status.st_mode) and not stat.S_ISREG(status.st_mode):
            return
        wanted = 0o700 if stat.S_ISDIR(status.st_mode) or path in programs else 0o600
        if mode != wanted:
            found.append(path)
            if close:
                os.chmod(path, wanted)

    path = home
    try:
        look(home)
        for below, folders, names in os.walk(home):  # folders before what is in them: one may not even be entered yet
            for name in (*folders, *names):
                path = Path(below, name)
                with contextlib.suppress(FileNotFoundError):  # another process has just replaced it
                    look(path)
    except OSError as error:
        raise CannotWrite(path=path, why=_why(error)) from error
    return found


def try_to_write(folder: Path) -> None:
    """Write a small file in *folder* and take it away again. Raises CannotWrite."""
    name = f"{_TEMPORARY}{secrets.token_hex(8)}"
    try:
        fd = os.open(folder / name, _WRITE, 0o600)
        try:
            claims.hold(fd)
            _write_whole(fd, os.urandom(4096))
            os.fsync(fd)
        finally:
            os.close(fd)
            os.unlink(folder / name)
    except OSError as error:
        raise CannotWrite(path=folder, why=_why(error)) from error


def check_owner(path: Path) -> None:
    """Raise BadHome if *path* is somebody else's folder, who could not read what we write there."""
    try:
        owner = path.stat().st_uid
    except OSError as error:
        raise BadHome(home=path, why=_why(error)) from error
    if owner != os.geteuid():
        raise BadHome(home=path, why="it belongs to somebody else")


def make_folder(path: Path) -> None:
    """Make *path* a folder, parents included, where others may look too. Raises CannotWrite."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(path=path, why=_why(error)) from error


def write_durably(path: Path, content: bytes) -> None:
    """Replace *path* by *content*, which is then on the disk.

    Raises CannotWrite, nothing changed; or NotConfirmed where the new bytes are there and may be lost with the power.
    """
    write_all_durably(((path, content),))


def write_all_durably(writes: Iterable[tuple[Path | str, bytes]]) -> int:
    """Write many files for the price of a few fsyncs; return how many.

    All are on the disk under temporary names before the first takes its own, so that after a crash each is whole or
    absent. What a failure leaves behind is removed, and files that are new are taken back: CannotWrite says that
    nothing changed. Where files were replaced, WrittenInPart or NotConfirmed say how far it came.
    """
    pending: list[tuple[int, str, str]] = []
    held: list[int] = []
    folders: dict[str, int] = {}
    path: Path | str | None = None
    written = replaced = 0
    try:
        for path, content in writes:
            folder, name = os.path.split(os.fspath(path))
            folder = folder or os.curdir  # a bare name is one in the current folder
            if (fd := folders.get(folder)) is None:
                fd = folders[folder] = os.open(folder, _FOLDER)
            temporary = f"{_TEMPORARY}{secrets.token_hex(8)}"
            pending.append((fd, temporary, name))
            out = _with_room(os.open, temporary, _WRITE, 0o600, dir_fd=fd)
            held.append(out)
            claims.hold(out)
            _write_whole(out, content)
            if len(pending) == 1:
                os.fsync(out)
            if len(held) > _MOST_HELD:  # so many are written under the vault's lock only, or where others share
                os.close(held.pop())
        if len(pending) > 1:
            _flush([(fd, temporary) for fd, temporary, _ in pending], list(folders.values()))
        is_new = [_is_new(fd, name) for fd, _, name in pending]
        for fd, temporary, name in pending:
            _with_room(os.replace, temporary, name, src_dir_fd=fd, dst_dir_fd=fd)
            replaced += not is_new[written]
            written += 1
        for fd in folders.values():
            os.fsync(fd)  # without it the renames may not survive a power cut
        return len(pending)
    except BaseException as error:
        written = _left_after_taking_back(pending[:written], replaced)
        if not isinstance(error, OSError):
            raise
        kind = NotConfirmed if 0 < written == len(pending) else WrittenInPart if written else CannotWrite
        raise kind(path=path, why=_why(error), done=written, total=len(pending)) from error
    finally:
        try:
            if sys.exc_info()[0] is not None:
                for fd, temporary, _ in pending:
                    with contextlib.suppress(OSError):
                        os.unlink(temporary, dir_fd=fd)
        finally:
            for fd in (*held, *folders.values()):
                _close(fd)


def _is_new(folder: int, name: str) -> bool:
    try:
        os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return True
    return False


def _left_after_taking_back(written: list[tuple[int, str, str]], replaced: int) -> int:
    """Remove the files *written*, none of which was there before; return how many stay.

    Where some *replaced* others, none can be taken back.
    """
    if replaced:
        return len(written)
    left = len(written)
    for folder, _, name in reversed(written):
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=folder)
            left -= 1
    return left


def _close(fd: int) -> None:
    """Close what nothing is waiting for: what an error here says has been said by fsync, or is of no matter."""
    with contextlib.suppress(OSError):
        os.close(fd)


def _write_whole(fd: int, content: bytes) -> None:
    written: int = _with_room(os.write, fd, content)
    while written < len(content):
        written += _with_room(os.write, fd, memoryview(content)[written:])


# -- room that is kept for deleting ----------------------------------------------------------------------------------

_FULL = (errno.ENOSPC, errno.EDQUOT)
_spendable: contextvars.ContextVar[Path | None] = contextvars.ContextVar("_spendable", default=None)


def keep_reserve(path: Path, size: int) -> None:
    """Let *path* take *size* bytes of the disk, if much more is free; what fails is tried again another time."""
    try:
        if path.exists() and path.lstat().st_size >= size // 2:
            return
        free = os.statvfs(path.parent)
        if free.f_bavail * free.f_frsize > 4 * size:
            write_durably(path, os.urandom(size))  # what could be compressed would keep no room
    except (OSError, CannotWrite):
        return


@contextlib.contextmanager
def spending(reserve: Path) -> Iterator[None]:
    """Where the disk is full meanwhile, give up *reserve* and go on: for what is to make room, or must be forgotten."""
    before = _spendable.set(reserve)
    try:
        yield
    finally:
        _spendable.reset(before)


def _with_room(call: Callable[..., Any], *args: Any, **named: Any) -> Any:
    try:
        return call(*args, **named)
    except OSError as error:
        reserve = _spendable.get()
        if error.errno not in _FULL or reserve is None:
            raise
        _spendable.set(None)
        try:
            os.unlink(reserve)
            sync_folder(reserve.parent)  # some file systems give the room back only then
        except OSError:
            raise error from None
        return call(*args, **named)


def _flush(names: list[tuple[int, str]], folders: list[int]) -> None:
    """Bring files to the disk: one syncfs a folder where the system has it, else one fsync a file."""
    if syncfs := _syncfs():
        for fd in folders:
            if syncfs(fd) != 0:
                break
        else:
            return
    for folder, name in names:
        fd = os.open(name, _READ, dir_fd=folder)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _syncfs() -> Callable[[int], int] | None:
    """Return libc's syncfs, which Python does not show; None where there is none."""
    import ctypes

    if simulated_call := getattr(os, "syncfs", None):  # Python's own os has none
        return simulated_call  # type: ignore[no-any-return]
    try:
        return ctypes.CDLL(None, use_errno=True).syncfs if sys.platform in ("linux", "android") else None
    except (AttributeError, OSError):
        return None


def append_durably(path: Path, content: bytes, *, expected_size: int | None = None, durable: bool = True) -> None:
    """Append *content* to *path*, made if absent. A failed append is cut off again. Raises CannotWrite.

    With *expected_size* the file must have that many bytes. The lock is held.
    """
    try:
        fd = _with_room(
            os.open, path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600
        )
        try:
            status = os.fstat(fd)
            before = status.st_size
            if not stat.S_ISREG(status.st_mode):
                raise CannotWrite(path=path, why="not a plain file")
            if expected_size is not None and before != expected_size:
                raise CannotWrite(path=path, why="it changed underneath")
            if status.st_nlink > 1:  # somebody's copy by hard links, which must not grow with ours
                write_durably(path, read(path) + content)
                return
            try:
                _write_whole(fd, content)
                if durable:
                    os.fsync(fd)
                    if before == 0:
                        sync_folder(path.parent)
            except BaseException:
                with contextlib.suppress(OSError):  # a torn end is passed over by whoever reads it
                    os.ftruncate(fd, before)
                    if before == 0:
                        os.unlink(path)
                raise
        finally:
            _close(fd)
    except OSError as error:
        raise CannotWrite(path=path, why=_why(error)) from error


def sync_folder(path: Path) -> None:
    """Bring the names in the folder *path* to the disk."""
    fd = os.open(path, _FOLDER)
    try:
        os.fsync(fd)
    finally:
        _close(fd)


def remove_durably(paths: Iterable[Path]) -> int:
    """Delete files, absent ones included; return how many were there.

    Raises CannotRemove, or NotConfirmed where all are gone and may be back when the power fails.
    """
    folders: set[Path] = set()
    count = 0
    for path in paths:
        try:
            os.unlink(path)
            count += 1
            folders.add(path.parent)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise CannotRemove(path=path, why=_why(error), done=count) from error
    for folder in folders:
        _confirm(folder)
    return count


def move_durably(source: Path, target: Path) -> None:
    """Move *source* to *target* within one file system. Raises CannotWrite, nothing changed, or NotConfirmed."""
    try:
        os.replace(source, target)
    except OSError as error:
        raise CannotWrite(path=target, why=_why(error)) from error
    _confirm(target.parent)
    _confirm(source.parent)


def _confirm(folder: Path) -> None:
    try:
        sync_folder(folder)
    except OSError as error:
        raise NotConfirmed(path=folder, why=_why(error)) from error


def read(path: Path, limit: int = READ_LIMIT) -> bytes:
    """Return the bytes of the plain file *path*, at most *limit*. Raises FileNotFoundError or CannotRead."""
    try:
        return read_at(None, os.fspath(path), limit)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise cannot_read(path, error) from error


class NoPlainFile(OSError):
    """What stands under a name is a link, a folder, a pipe or far too large."""


def cannot_read(path: Path, error: OSError) -> CannotRead:
    """Return what *error* of `read_at` says about *path*: NotPlain, or CannotRead, which may pass."""
    return (NotPlain if isinstance(error, NoPlainFile) else CannotRead)(path=path, why=_why(error))


def read_at(folder: int | None, name: str, limit: int = READ_LIMIT) -> bytes:
    """Return the bytes of the plain file *name* in the open *folder*: the quick way for many.

    Raises OSError: NoPlainFile for a link, a pipe or a file above *limit*.
    """
    try:
        fd = os.open(name, _READ, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link; a socket
            raise NoPlainFile(error.errno, error.strerror) from error
        raise
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise NoPlainFile(errno.EINVAL, "not a plain file")
        if status.st_size > limit:
            raise NoPlainFile(errno.EFBIG, "too large")
        content = os.read(fd, status.st_size + 1)
        if len(content) == status.st_size:
            return content
        chunks, total = [content], len(content)  # it grew just now, or is more than one read gives
        while total <= limit and (chunk := os.read(fd, 1 << 20)):
            total += len(chunk)
            chunks.append(chunk)
        if total > limit:
            raise NoPlainFile(errno.EFBIG, "too large")
        return b"".join(chunks)
    finally:
        _close(fd)


def is_folder(path: Path) -> bool:
    """Tell whether *path* is a folder, by a link too. Raises CannotRead where the system does not say."""
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise CannotRead(path=path, why=_why(error)) from error


def is_there(path: Path) -> bool:
    """Tell whether there is anything at *path*. Raises CannotRead where the system does not say."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise CannotRead(path=path, why=_why(error)) from error
    return True


def modified(path: Path) -> int:
    """Return when what stands at *path* was last changed, in Unix ms. Raises CannotRead."""
    try:
        return os.lstat(path).st_mtime_ns // 1_000_000
    except OSError as error:
        raise CannotRead(path=path, why=_why(error)) from error


def read_named(path: Path, limit: int = READ_LIMIT) -> bytes:
    """Return what the person's own *path* holds: links are followed and pipes read. Raises CannotRead."""
    try:
        with open(path, "rb") as source:
            content = up_to(source.read, limit + 1)
    except OSError as error:
        raise CannotRead(path=path, why=_why(error)) from error
    if len(content) > limit:
        raise CannotRead(path=path, why="it is too large")
    return content


@contextlib.contextmanager
def opened_named(path: Path) -> Iterator[BinaryIO]:
    """Hold the person's own *path* open for reading: links are followed and pipes read. Raises CannotRead."""
    try:
        source = open(path, "rb")  # noqa: SIM115
    except OSError as error:
        raise CannotRead(path=path, why=_why(error)) from error
    with source:
        yield source


def up_to(read: Callable[[int], bytes], size: int) -> bytes:
    """Return what *read* gives, at most *size* bytes, without room for more than comes."""
    chunks: list[bytes] = []
    while size > 0 and (chunk := read(min(size, 1 << 20))):
        size -= len(chunk)
        chunks.append(chunk)
    return b"".join(chunks)


@contextlib.contextmanager
def opened_folder(path: Path) -> Iterator[int]:
    """Hold the folder *path* open, for `read_at`. Raises CannotRead."""
    try:
        fd = os.open(path, _FOLDER)
    except OSError as error:
        raise CannotRead(path=path, why=_why(error)) from error
    try:
        yield fd
    finally:
        _close(fd)


def names_in(path: Path) -> list[str]:
    """Return the names in the folder *path*, if it is there, without temporary ones. Raises CannotRead."""
    return [name for name in all_names_in(path) if not name.startswith(_TEMPORARY)]


def all_names_in(path: Path) -> list[str]:
    """Return the names in the folder *path*, if it is there. Raises CannotRead."""
    try:
        return os.listdir(path)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CannotRead(path=path, why=_why(error)) from error


def wipe_folder(folder: Path) -> None:
    """Overwrite and remove all that is in *folder*, and it."""
    for below, folders, names in os.walk(folder, topdown=False):
        for name in names:
            with contextlib.suppress(OSError):
                fd = os.open(os.path.join(below, name), os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
                try:
                    for _ in range(0, max(1, os.fstat(fd).st_size), len(_ZEROS)):
                        _write_whole(fd, _ZEROS)
                    os.fsync(fd)
                finally:
                    os.close(fd)
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(below, name))
        for name in folders:
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(below, name))  # a link to a folder
        with contextlib.suppress(OSError):
            os.rmdir(below)


@contextlib.contextmanager
def throwaway_folder(where: Path | None = None) -> Iterator[Path]:
    """Hold a private folder in *where*, by default the system's for temporary things."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="ghostie-", dir=where) as made:
        yield Path(made)


def remove_socket(path: Path) -> None:
    """Remove the socket *path*, if it is one and can be removed."""
    with contextlib.suppress(OSError):
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()


def sweep_temporaries(path: Path, *, alone: bool = True, age: float = 0) -> None:
    """Remove what a crash left half written in *path*: all of it where this process is *alone*, under a lock.

    Else what no living process holds, and has not been touched for *age* seconds.
    """
    with contextlib.suppress(OSError):
        for name in os.listdir(path):
            if is_temporary(name):
                with contextlib.suppress(OSError):
                    if alone or claims.abandoned(path / name, age):
                        os.unlink(path / name)


def is_temporary(name: str) -> bool:
    """Tell whether *name* is that of a file that is being written, or was when its writer was killed."""
    return name.startswith(_TEMPORARY)


@contextlib.contextmanager
def holding(path: Path) -> Iterator[None]:
    """Make *path* and hold it, so that it is not taken for abandoned."""
    fd = os.open(path, _WRITE, 0o600)
    try:
        claims.hold(fd)
        _write_whole(fd, b"\n")
        yield
    finally:
        os.close(fd)


@contextlib.contextmanager
def locked(path: Path, patience: float = 5.0) -> Iterator[None]:
    """Hold the lock *path*, waiting up to *patience* seconds. Raises VaultBusy; the file stays."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CannotWrite(path=path, why=_why(error)) from error
    try:
        give_up = time.monotonic() + patience
        pause = 0.001
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= give_up:
                    raise VaultBusy() from None
                time.sleep(pause)
                pause = min(pause * 1.5, 0.02)
            except OSError as error:  # a file system without locks
                raise CannotWrite(path=path, why=_why(error)) from error
        yield
    finally:
        _close(fd)  # closing gives the lock back


@dataclass(frozen=True, slots=True)
class Claim:
    """A file that this process holds: see `claim`."""

    path: Path
    fd: int

    def write(self, content: bytes) -> None:
        """Let the file say *content*. Raises CannotWrite."""
        try:
            os.ftruncate(self.fd, 0)
            os.lseek(self.fd, 0, os.SEEK_SET)
            _write_whole(self.fd, content)
        except OSError as error:
            raise CannotWrite(path=self.path, why=_why(error)) from error

    def in_place(self) -> bool:
        """Tell whether the file is still the one that its path names."""
        try:
            return os.path.samestat(os.lstat(self.path), os.fstat(self.fd))
        except OSError:
            return False


def claim(path: Path) -> Claim:
    """Hold *path* as this process's own until the process ends: see `claims`.

    Raises VaultBusy where another process holds it, or CannotWrite.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        if claims.take(fd):
            return Claim(path, fd)
        os.close(fd)
    except OSError as error:  # a file system without locks is one
        raise CannotWrite(path=path, why=_why(error)) from error
    raise VaultBusy()


def _why(error: OSError) -> str:
    """Return the system's reason in plain lower-case words."""
    if error.errno in _FULL:
        return "the disk is full"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "permission denied"
    return (error.strerror or str(error)).lower()
