"""Gist stores over the stand-in, with a clock of their own: no test waits."""

from __future__ import annotations

from ghostie.backends.gist import GistStore
from ghostie.backends.gistapi import GistApi
from ghostie.backends.gistview import Time
from ghostie.backends.http import Http, Patience

from .gistserver import TOKEN, GistServer

WRITER = "00112233aabbccdd"
OTHER = "ffeeddcc99887766"


class Clock:
    """Seconds that go by only while somebody sleeps; *naps* has what was slept."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.naps: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds

    def slept(self) -> list[float]:
        naps, self.naps = self.naps, []
        return naps

    def time(self) -> Time:
        return Time(self.sleep, self, lambda: 0.0)


def a_store(server: GistServer, clock: Clock | None = None, *, token: str = TOKEN, prefix: str = "") -> GistStore:
    http = Http(patience=Patience(connect=2.0, silence=2.0, answer=5.0))
    api = GistApi(http, server.api.url, token, frozenset({server.raw.url}))
    return GistStore(api, prefix, (clock or Clock()).time())


def segment(first: int, last: int | None = None, *, writer: str = WRITER) -> str:
    """Return the key of a segment, as sync makes them."""
    return f"ghostie/{writer}/memories/{first}-{last or first}.{first:016x}.seg"
