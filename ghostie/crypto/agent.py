"""The agent: a small process that holds an unlocked vault's keys for a while, behind a socket of this user's.

It gets the keys on its standard input and ends when its time is up, when `ghostie lock` says so, or when the vault is
gone. It holds the file `agent` in the vault, which says where its socket is: so every process that finds the vault
finds the agent, whatever its environment, and the kernel tells whether the agent lives, and as which process. Clients
believe it only if the keys it hands out are those of the key file.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import struct
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from ghostie import claims, codec, files
from ghostie.crypto.keys import KeyFile, unchain
from ghostie.crypto.sealing import Keys
from ghostie.errors import AgentFailed, AgentSilent, BadHome, CannotRead, GhostieError, StillUnlocked, VaultBusy
from ghostie.paths import Layout

PATIENCE = 2.0
LONGEST = 7 * 86_400
LOOK_EVERY = 5.0  # seconds after which an agent looks whether its vault and its socket are still there
MOST_CLIENTS = 64


@dataclass(frozen=True, slots=True)
class Agent:
    """A living agent: its process, 0 or less where that is out of reach, the machine it runs on, and its socket.

    Whether it says itself that it is this process tells it from another program that has locked the file.
    """

    pid: int
    says_so: bool
    host: str
    socket: Path

    def __str__(self) -> str:
        return f"process {self.pid}" if self.pid > 0 else f"on {self.host or 'another machine'}"


def find(layout: Layout) -> Agent | None:
    """Return the agent that holds this vault's keys, or None if none lives. Raises CannotRead or BadHome."""
    found = _claimant(layout)
    if found is None:
        return None
    files.check_owner(layout.home)
    pid, said = found
    own, host, path = (*said.split(b"\n", 2), b"", b"")[:3]
    return Agent(pid, own == b"%d" % pid, host.decode(errors="replace"), Path(os.fsdecode(path.removesuffix(b"\n"))))


def _claimant(layout: Layout) -> tuple[int, bytes] | None:
    try:
        return claims.claimant(layout.agent)
    except OSError as error:
        raise files.cannot_read(layout.agent, error) from error


def start(layout: Layout, keys: Keys, seconds: int) -> None:
    """Start an agent that holds *keys* for *seconds*, in place of any other. Raises AgentFailed or as `stop`."""
    import subprocess

    from ghostie.tools import environment

    stop(layout)
    # -P: the folder that the person stands in is not searched for modules
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "ghostie.crypto.agent", str(layout.home.absolute()), str(min(seconds, LONGEST))],
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


def fetch(layout: Layout, file: KeyFile) -> Keys | None:
    """Return the keys from the vault's agent if one answers and holds those of *file*."""
    with contextlib.suppress(CannotRead):
        if (agent := find(layout)) is None or not (answer := _ask(agent.socket, b"keys")):
            return None
        with contextlib.suppress(GhostieError, KeyError, TypeError, ValueError, AttributeError):
            epochs = {int(epoch): bytes.fromhex(key) for epoch, key in codec.loads(answer)["epochs"].items()}
            # what it says is checked against the key file: a stranger's agent cannot slip us its own key
            return unchain(file, epochs[file.epoch])
    return None


def seconds_left(layout: Layout) -> int | None:
    """Return for how long the vault's agent still holds its keys, or None if there is none. Raises AgentSilent."""
    agent = find(layout)
    if agent is None:
        return None
    answer = _ask(agent.socket, b"left")
    if not answer or not answer.strip().isdigit():
        if _gone(layout, agent):
            return None  # its time was up just now
        raise AgentSilent(agent=agent)
    return int(answer)


def stop(layout: Layout) -> bool:
    """End the vault's agent, and with it its keys; return whether there was one.

    One that does not answer is killed. Raises StillUnlocked where it may still hold the keys, or CannotRead.
    """
    agent = find(layout)
    if agent is not None and (_ask(agent.socket, b"lock") is None or not _gone(layout, agent)):
        _kill(layout)
        if not _gone(layout, agent):
            raise StillUnlocked(agent=agent)
        files.remove_socket(agent.socket)
    # one whose file in the vault was lost, or of a version that had none, still answers at a usual place
    strays = [path for path in layout.agent_sockets() if _ask(path, b"lock") is not None]
    return agent is not None or bool(strays)


def _gone(layout: Layout, agent: Agent) -> bool:
    """Wait for the process of *agent* to be gone; return whether it is."""
    end = time.monotonic() + PATIENCE
    while (found := _claimant(layout)) is not None and found[0] == agent.pid:
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def _kill(layout: Layout) -> None:
    """Kill the agent: one that is stopped heeds nothing less, and it has nothing to save."""
    agent = find(layout)
    if agent is None or agent.pid <= 0 or not agent.says_so:
        return
    handle = None
    with contextlib.suppress(OSError):  # it is gone
        # a handle, then another look at who holds the vault's file: the signal then reaches no later process of that
        # number. Old Androids end a program that asks for a handle.
        if hasattr(os, "pidfd_open") and "ANDROID_ROOT" not in os.environ:
            handle = os.pidfd_open(agent.pid)
        if find(layout) == agent:
            if handle is None:
                os.kill(agent.pid, signal.SIGKILL)
            else:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
    if handle is not None:
        os.close(handle)


def _ask(path: Path, request: bytes) -> bytes | None:
    """Return what whoever listens at the socket *path* answers, or None if nobody of this user's does in time."""
    end = time.monotonic() + PATIENCE
    try:
        if path.lstat().st_uid != os.geteuid():
            return None
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(PATIENCE)
            while True:
                try:
                    client.connect(str(path))
                    break
                except BlockingIOError:  # its queue is full
                    if time.monotonic() > end:
                        return None
                    time.sleep(0.02)
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


def _serve(layout: Layout, spelt: bytes, seconds: int) -> None:
    claim = files.claim(layout.agent)  # held to the very end of the process: until then, the keys may be in its memory
    with contextlib.ExitStack() as ends:
        server, path = _listen(layout, ends)
        mine = _inode(path)
        claim.write(b"%d\n%s\n%s\n" % (os.getpid(), socket.gethostname().encode(), os.fsencode(path)))
        clients = _Clients(server, spelt, _now() + seconds)
        os.write(1, b"ready\n")
        os.close(1)
        look = _now() + LOOK_EVERY
        while clients.serve():
            if _now() >= look:
                look = _now() + LOOK_EVERY
                # a vault or a socket that is taken away, or something in its place, ends us too
                if not claim.in_place() or _inode(path) != mine:
                    break


def _inode(path: Path) -> int | None:
    try:
        return path.lstat().st_ino
    except OSError:
        return None


def _listen(layout: Layout, ends: contextlib.ExitStack) -> tuple[socket.socket, Path]:
    """Return a listening socket and its path, at the first place that takes one; *ends* removes it. Raises OSError."""
    first: Exception | None = None
    # the last resort is for a path that is too long and a file system without sockets
    for place in (*layout.agent_sockets(), None):
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            path = place or ends.enter_context(files.throwaway_folder()) / "agent.sock"
            files.make_private_folder(path.parent)
            files.remove_socket(path)
            before = os.umask(0o177)  # the socket comes into being as 0600
            try:
                server.bind(str(path))
            finally:
                os.umask(before)
            server.listen(MOST_CLIENTS)
        except (OSError, BadHome) as error:
            server.close()
            first = first or error
            continue
        ends.callback(files.remove_socket, path)
        ends.callback(server.close)
        return server, path
    assert first is not None
    raise first


class _Clients:
    """Those who are connected: each says one word, in its own time, and holds up nobody else."""

    def __init__(self, server: socket.socket, spelt: bytes, end: float) -> None:
        self._selector = selectors.DefaultSelector()
        self._server = server
        self._spelt = spelt
        self._end = end
        self._since: dict[socket.socket, float] = {}
        server.setblocking(False)
        self._selector.register(server, selectors.EVENT_READ)

    def serve(self) -> bool:
        """Answer whoever is there within a few seconds; return whether to go on."""
        left = self._end - _now()
        if left <= 0:
            return False
        for key, _ in self._selector.select(min(left, LOOK_EVERY)):
            if key.fileobj is self._server:
                self._accept()
            elif isinstance(key.fileobj, socket.socket) and self._answer(key.fileobj):
                return False
        late = time.monotonic() - PATIENCE
        for client in [client for client, since in self._since.items() if since < late]:
            self._drop(client)
        return True

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            client, _ = self._server.accept()
            if len(self._since) >= MOST_CLIENTS:
                self._drop(next(iter(self._since)))
            client.settimeout(PATIENCE)
            self._since[client] = time.monotonic()
            self._selector.register(client, selectors.EVENT_READ)

    def _answer(self, client: socket.socket) -> bool:
        """Answer one client; return whether it said to end."""
        try:
            if _peer(client) not in (None, os.geteuid()):
                return False
            request = client.recv(64).strip()
            if request == b"keys":
                client.sendall(self._spelt)
            elif request == b"left":
                client.sendall(b"%d\n" % max(int(self._end - _now()), 0))
            return request == b"lock"
        except OSError:
            return False
        finally:
            self._drop(client)

    def _drop(self, client: socket.socket) -> None:
        self._selector.unregister(client)
        del self._since[client]
        client.close()


def _main() -> None:
    from ghostie.hardening import harden

    harden()
    try:
        _serve(Layout(Path(sys.argv[1])), sys.stdin.buffer.readline(), int(sys.argv[2]))
    except VaultBusy:
        with contextlib.suppress(OSError):
            os.write(1, b"another one has just started\n")
    except (GhostieError, OSError) as error:
        with contextlib.suppress(OSError):
            os.write(1, f"{error}\n".encode(errors="replace"))


if __name__ == "__main__":
    _main()
