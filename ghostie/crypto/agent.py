"""The agent: a small process that holds an unlocked vault's keys for a while, behind a socket of this user's.

It gets the keys on its standard input, writes nothing to disk, and ends when its time is up or `ghostie lock` says so.
Clients believe it only if the keys it hands out are those of the key file.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
import time
from pathlib import Path

from ghostie import codec
from ghostie.crypto.keys import KeyFile, unchain
from ghostie.crypto.sealing import Keys
from ghostie.errors import GhostieError

PATIENCE = 2.0
LONGEST = 7 * 86_400


class AgentFailed(GhostieError):
    message = "the agent did not start: {why}"
    hint = "without it, each command asks for the passphrase"


def start(path: Path, keys: Keys, seconds: int) -> None:
    """Start an agent at the socket *path* that holds *keys* for *seconds*, in place of any other. Or AgentFailed."""
    import subprocess

    from ghostie.tools import environment

    stop(path)
    # -P: the folder that the person stands in is not searched for modules
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "ghostie.crypto.agent", str(path), str(min(seconds, LONGEST))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**environment(), "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        cwd="/",
    )
    assert child.stdin is not None and child.stdout is not None
    with child.stdin, child.stdout:
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(_spelt(keys))
            child.stdin.close()
        answer = child.stdout.readline()
    child.returncode = 0  # it outlives this process on purpose: there is nothing to wait for
    if answer != b"ready\n":
        raise AgentFailed(why=answer.decode(errors="replace").strip() or "it ended at once")


def fetch(path: Path, file: KeyFile) -> Keys | None:
    """Return the keys from the agent at *path* if one answers and holds those of *file*."""
    answer = _ask(path, b"keys")
    if not answer:
        return None
    try:
        epochs = {int(epoch): bytes.fromhex(key) for epoch, key in codec.loads(answer)["epochs"].items()}
        # what it says is checked against the key file: a stranger's agent cannot slip us its own key
        return unchain(file, epochs[file.epoch])
    except (GhostieError, KeyError, TypeError, ValueError, AttributeError):
        return None


def seconds_left(path: Path) -> int | None:
    """Return for how long the agent at *path* still holds its keys, or None if there is none."""
    answer = _ask(path, b"left")
    return int(answer) if answer and answer.strip().isdigit() else None


def stop(path: Path) -> bool:
    """Tell the agent at *path* to forget its keys and end; return whether there was one."""
    return _ask(path, b"lock") is not None


def _ask(path: Path, request: bytes) -> bytes | None:
    try:
        if path.lstat().st_uid != os.geteuid():
            return None
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(PATIENCE)
            client.connect(str(path))
            if _peer(client) not in (None, os.geteuid()):
                return None
            client.sendall(request + b"\n")
            chunks = []
            while chunk := client.recv(1 << 16):
                chunks.append(chunk)
            return b"".join(chunks)
    except OSError:
        return None


def _peer(connection: socket.socket) -> int | None:
    """Return the user at the other end, where the system tells."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(user)


def _spelt(keys: Keys) -> bytes:
    return codec.dumps({"epochs": {str(epoch): key.hex() for epoch, key in keys.epochs.items()}}) + b"\n"


# -- the agent's own process -----------------------------------------------------------------------------------------


def _now() -> float:
    """Return a clock that goes on while the machine sleeps, where there is one."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def harden() -> None:
    """Keep the keys out of core files and other processes' reach, as far as the system lets us."""
    import ctypes
    import resource

    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE


def _serve(path: Path, spelt: bytes, seconds: int) -> None:
    import selectors

    from ghostie.files import make_private_folder

    make_private_folder(path.parent)
    os.umask(0o177)  # the socket comes into being as 0600
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server, selectors.DefaultSelector() as selector:
        server.bind(str(path))
        mine = path.lstat().st_ino
        server.listen(16)
        server.setblocking(False)
        selector.register(server, selectors.EVENT_READ)
        os.write(1, b"ready\n")
        os.close(1)
        end = _now() + seconds
        try:
            while (left := end - _now()) > 0:
                # another agent's socket in our place ends us too
                if not path.exists() or path.lstat().st_ino != mine:
                    return
                if selector.select(min(left, 60)) and _answer(server, spelt, int(end - _now())):
                    return
        finally:
            with contextlib.suppress(OSError):
                if path.lstat().st_ino == mine:
                    path.unlink()


def _answer(server: socket.socket, spelt: bytes, left: int) -> bool:
    """Answer one client; return whether it said to end."""
    try:
        connection, _ = server.accept()
        with connection:
            connection.settimeout(PATIENCE)
            if _peer(connection) not in (None, os.geteuid()):
                return False
            request = connection.recv(64).strip()
            if request == b"keys":
                connection.sendall(spelt)
            elif request == b"left":
                connection.sendall(b"%d\n" % max(left, 0))
            return request == b"lock"
    except OSError:
        return False


def _main() -> None:
    harden()
    try:
        _serve(Path(sys.argv[1]), sys.stdin.buffer.readline(), int(sys.argv[2]))
    except (GhostieError, OSError) as error:
        with contextlib.suppress(OSError):
            os.write(1, f"{error}\n".encode(errors="replace"))


if __name__ == "__main__":
    _main()
