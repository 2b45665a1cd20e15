"""A server on loopback that does whatever a network, a proxy or a hostile server may do to one request.

It has a script: a function that is given each request and says how to play the reply. `forward` has another server
answer, so that a script may damage an honest reply on its way.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import urlsplit

End = Literal["keep", "fin", "rst", "hang"]


@dataclass(frozen=True)
class Asked:
    """One request as it arrived: header names in lower case; the connection's number, and its place on it."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    connection: int
    turn: int


@dataclass(frozen=True)
class Play:
    """How to answer: the bytes, in pieces of *piece* with *pause* seconds before each, and how it ends."""

    reply: bytes = b""
    end: End = "keep"
    piece: int = 0
    pause: float = 0.0

    def cut(self, length: int, end: End = "fin") -> Play:
        return replace(self, reply=self.reply[:length], end=end)


Script = Callable[[Asked], Play]


def http(
    status: int, body: bytes = b"", headers: Mapping[str, str] | None = None, *, length: int | None = None
) -> Play:
    """Return an ordinary reply. *length* is what it claims to have; -1 leaves the claim out."""
    claimed = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status} As Said", "Date: Fri, 24 May 2013 00:00:00 GMT"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if claimed >= 0 and status != 204:
        lines.append(f"Content-Length: {claimed}")
    return Play("\r\n".join([*lines, "", ""]).encode() + body)


@dataclass
class FaultProxy:
    """The server. *welcome* is played to the n-th connection before anything is read; with *tls* it is encrypted."""

    script: Script | None = None  # None: as the server behind it says
    upstream: tuple[str, int] | None = None
    welcome: Callable[[int], Play] = lambda number: Play()
    tls: ssl.SSLContext | None = None
    asked: list[Asked] = field(default_factory=list)

    def __enter__(self) -> FaultProxy:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._open: set[socket.socket] = set()
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def address(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Go away: nobody listens any more, and what is open is reset."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for each in self._open:
                _reset(each)

    def close_idle(self, how: End = "fin") -> None:
        """Close the connections that are open, as servers do with those that nobody uses."""
        with self._lock:
            for each in self._open:
                if how == "rst":
                    _reset(each)
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def forward(self, asked: Asked) -> Play:
        """Return what *upstream* answers."""
        assert self.upstream is not None
        parts = urlsplit(asked.target)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        skipped = ("connection", "proxy-connection", "proxy-authorization")
        lines = [f"{asked.method} {target} HTTP/1.1", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in asked.headers.items() if name not in skipped]
        with socket.create_connection(self.upstream, timeout=30) as behind:
            behind.sendall("\r\n".join([*lines, "", ""]).encode() + asked.body)
            with behind.makefile("rb") as stream:
                head = b"".join(iter(stream.readline, b"\r\n")) + b"\r\n"
                length = re.search(rb"(?i)\ncontent-length: *(\d+)", head)
                # without a length it ends with the connection, unless it has no body at all
                body = stream.read(int(length[1])) if length else b"" if b" 204 " in head[:13] else stream.read()
        return Play(head + body, end="fin")

    # -- inside ------------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        number = 0
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(sock)
            threading.Thread(target=self._serve, args=(sock, number), daemon=True).start()
            number += 1

    def _serve(self, sock: socket.socket, number: int) -> None:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if not self._play(sock, self.welcome(number)):
                return
            if self.tls is not None:
                bare = sock
                sock = self.tls.wrap_socket(bare, server_side=True)
                with self._lock:
                    self._open = self._open - {bare} | {sock}
            with sock.makefile("rb") as stream:
                turn = 0
                while (asked := _read(stream, number, turn)) is not None:
                    turn += 1
                    self.asked.append(asked)
                    if not self._play(sock, (self.script or self.forward)(asked)):
                        return
        except (OSError, ValueError):
            pass
        finally:
            with self._lock:
                self._open.discard(sock)
            sock.close()

    def _play(self, sock: socket.socket, play: Play) -> bool:
        size = play.piece or max(1, len(play.reply))
        for at in range(0, len(play.reply), size):
            if play.pause and self._stopped.wait(play.pause):
                return False
            sock.sendall(play.reply[at : at + size])
        return self._finish(sock, play.end)

    def _finish(self, sock: socket.socket, end: End) -> bool:
        """Return whether the connection goes on."""
        if end == "hang":
            self._stopped.wait(60)
        elif end == "rst":
            _reset(sock)
        elif end == "fin":
            sock.shutdown(socket.SHUT_WR)
        return end == "keep"


def _reset(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.shutdown(socket.SHUT_RD)
    with contextlib.suppress(OSError):
        sock.close()


def _read(stream: object, number: int, turn: int) -> Asked | None:
    """Return the next request of a connection, or None when there is none."""
    read_line, read = stream.readline, stream.read  # type: ignore[attr-defined]
    first = read_line(65536).decode("latin-1").split()
    if len(first) != 3:
        return None
    headers: dict[str, str] = {}
    while (line := read_line(65536).decode("latin-1").rstrip("\r\n")) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = read(int(headers.get("content-length", "0")))
    return Asked(first[0], first[1], headers, body, number, turn)
