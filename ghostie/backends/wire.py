"""Connections that are watched: every step of an exchange asks how long it may still take, and counts what moves.

Loaded with the first request only. Below `requests` is `urllib3`, and below that the standard library's client. Their
parsing is used as it is; what is replaced is how they wait for the socket, and what they take for the end of a reply.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from ghostie.backends.http import Patience

PIECE: Final = 64 << 10


class Exchange:
    """One request and its reply: what it may still cost, and what was seen of it. At most *room* bytes may come in."""

    def __init__(self, terms: Patience, clock: Callable[[], float], body: bytes, room: int) -> None:
        self.body = body
        self.overflowed = False
        self.left_over = False
        self.heard = False
        self.ended = False
        self._terms = terms
        self._clock = clock
        self._began = clock()
        self._room = room
        self._moved = 0
        self._reused = False
        self._read = 0
        self._cut_off = False
        self._reply: io.BufferedReader | None = None

    # -- time ----------------------------------------------------------------------------------------------------------

    def patience(self, most: float | None = None) -> float:
        """Return how long the next step may take. Raises TimeoutError when the whole has taken too long."""
        left = self._left()
        if left <= 0:
            raise TimeoutError
        return left if most is None else min(most, left)

    def is_over(self) -> bool:
        return self._left() <= 0

    def _left(self) -> float:
        return self._terms.allows(self._moved) - (self._clock() - self._began)

    def to_connect(self) -> float:
        return self.patience(self._terms.connect)

    def to_send(self) -> float:
        return self.patience(self._terms.silence)

    def to_hear(self) -> float:
        # what was sent may still wait in this device's buffers: until the first byte comes back, only the whole counts
        return self.patience(self._terms.silence if self.heard else None)

    # -- bytes ---------------------------------------------------------------------------------------------------------

    def read(self, size: int) -> bytes:
        """Return the next piece of the body that is to be sent: what a file would do."""
        piece = self.body[self._read : self._read + size]
        self._read += len(piece)
        self._moved += len(piece)
        return piece

    def begins(self, reused: bool) -> None:
        self._reused, self._read = reused, 0
        self.heard = self.ended = self.left_over = self._cut_off = False

    def cut_off(self) -> None:
        """Note that the server stopped listening before it had everything."""
        self._cut_off = True

    def hears(self, reply: io.BufferedReader) -> None:
        self._reply = reply

    def hang_up(self) -> None:
        """Let go of a reply that came to nothing."""
        if self._reply is not None:
            self._reply.close()

    def took(self, count: int) -> None:
        self.heard, self.ended = self.heard or count > 0, count == 0
        self._moved += count
        self._room -= count
        if self._room < 0:
            self.overflowed = True
            raise OSError("more than it may be")

    @property
    def all_sent(self) -> bool:
        return self._read == len(self.body) and not self._cut_off

    @property
    def met_a_stale_connection(self) -> bool:
        """Whether it failed on a kept connection that the server had closed meanwhile, as servers do."""
        return self._reused and not self.heard and not self.is_over()


_now = threading.local()


@contextlib.contextmanager
def watched_by(exchange: Exchange) -> Iterator[None]:
    """Let *exchange* watch whatever this thread sends and hears."""
    _now.exchange = exchange
    try:
        yield
    finally:
        _now.exchange = None


def _watching() -> Exchange:
    exchange: Exchange = _now.exchange
    return exchange


class _Hearing(io.RawIOBase):
    """The bytes of one reply as they come from the socket."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase, exchange: Exchange) -> None:
        self._sock = sock
        self._raw = raw
        self._exchange = exchange
        self.deaf = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        if self.deaf:
            return None
        self._sock.settimeout(self._exchange.to_hear())
        count = self._raw.readinto(buffer) or 0
        self._exchange.took(count)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()

    def never_again(self) -> None:
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)


class _Buffered(io.BufferedReader):
    """As usual, but when it is closed at the end of a reply it notices what lay there beyond that end."""

    def __init__(self, hearing: _Hearing, exchange: Exchange) -> None:
        super().__init__(hearing)
        self._hearing = hearing
        self._exchange = exchange

    def close(self) -> None:
        if not self.closed:
            self._hearing.deaf = True  # what is here already, and no more
            if self.peek(1):
                self._exchange.left_over = True
                self._hearing.never_again()
        super().close()


class _Answer(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **named: Any) -> None:
        super().__init__(sock, *args, **named)
        self._exchange = _watching()
        self.fp = _Buffered(_Hearing(sock, self.fp.detach(), self._exchange), self._exchange)
        self._exchange.hears(self.fp)

    def begin(self) -> None:
        super().begin()
        if self._exchange.ended:
            # the parser takes the end of the stream for the end of the headers, and a reply cut there for a good one
            raise http.client.IncompleteRead(b"")

    def flush(self) -> None:
        """Do nothing: nothing is written here, and what is closed beneath complains if it is asked to."""


class _Watched(HTTPConnection):
    """A connection that waits no longer than the exchange that it serves."""

    response_class = _Answer
    served = 0

    def _new_conn(self) -> socket.socket:
        exchange = _watching()
        try:
            found = socket.getaddrinfo(self._dns_host, self.port, 0, socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        failure: OSError = OSError("no address")
        for family, kind, protocol, _, address in found:
            sock = socket.socket(family, kind, protocol)
            try:
                for option in self.socket_options or ():
                    sock.setsockopt(*option)
                sock.settimeout(exchange.to_connect())
                sock.connect(address)
                return sock
            except OSError as error:
                sock.close()
                failure = error
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(self, "no answer") from failure
        raise NewConnectionError(self, "no connection") from failure

    def request(self, *args: Any, **named: Any) -> None:
        _watching().begins(reused=self.served > 0)
        self.served += 1
        super().request(*args, **named)

    def send(self, data: Any) -> None:
        try:
            if self.sock is not None:
                self.sock.settimeout(_watching().to_send())
            super().send(data)
        except OSError:
            _watching().cut_off()
            raise


class _WatchedTls(_Watched, HTTPSConnection):
    """The same with TLS on it."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Watched


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedTls


POOLS: Final = {"http": _Pool, "https": _TlsPool}
