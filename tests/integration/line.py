"""A line to a store that counts what goes over it, and may take its time; and services at the end of such a line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from ghostie.backends.store import ObjectStore
from ghostie.sync.link import reach

from .faultproxy import Asked, FaultProxy, Play
from .gistserver import TOKEN, GistServer
from .s3servers import Server


@dataclass(frozen=True)
class Trip:
    """One request and what it was answered."""

    asked: Asked
    status: int

    @property
    def writes(self) -> bool:
        return self.asked.method not in ("GET", "HEAD")

    @property
    def sent(self) -> int:
        return len(self.asked.body)

    def __str__(self) -> str:
        return f"{self.asked.method} {self.status}"


class Line:
    """A proxy to the server at *port*. Every round trip, and so every new connection, takes *delay* seconds longer."""

    def __init__(self, port: int, delay: float = 0.0) -> None:
        self._delay = delay
        self._trips: list[Trip] = []
        self._proxy = FaultProxy(self._carry, upstream=("127.0.0.1", port), welcome=self._welcome).__enter__()
        self.address = self._proxy.address

    def stop(self) -> None:
        self._proxy.stop()

    def since(self) -> list[Trip]:
        """Return what went over it since the last time this was asked."""
        trips, self._trips = self._trips, []
        self._proxy.asked.clear()
        return trips

    def _welcome(self, number: int) -> Play:
        time.sleep(self._delay)
        return Play()

    def _carry(self, asked: Asked) -> Play:
        time.sleep(self._delay)
        head, _, body = self._proxy.forward(asked).reply.partition(b"\r\n\r\n")
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
        self._trips.append(Trip(asked, int(lines[0].split()[1])))
        return Play(b"\r\n".join(lines) + b"\r\n\r\n" + body)


@dataclass
class Service:
    """A store at the end of a line. `opened` is it as one run of ghostie has it."""

    name: str
    lines: tuple[Line, ...]
    opened: Callable[[], ObjectStore]

    def since(self) -> list[Trip]:
        return [trip for line in self.lines for trip in line.since()]


@contextmanager
def s3_service(server: Server, delay: float = 0.0) -> Iterator[Service]:
    """Give a new bucket on *server*."""
    line = Line(server.port, delay)
    options = {"endpoint": line.address, "bucket": server.new_bucket()}
    try:
        yield Service(server.name, (line,), lambda: reach("s3", options, server.secrets))
    finally:
        line.stop()


@contextmanager
def gist_service(server: GistServer, delay: float = 0.0) -> Iterator[Service]:
    """Give the account on the stand-in *server*, whose raw contents go over a line too."""
    api, raw = (Line(urlsplit(each.url).port or 0, delay) for each in (server.api, server.raw))
    server.switches.raw_origin = raw.address
    options = {"api_url": api.address, "raw_url": raw.address}
    try:
        yield Service("gist", (api, raw), lambda: reach("gist", options, {"token": TOKEN}))
    finally:
        for line in (api, raw):
            line.stop()
