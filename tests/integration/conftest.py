"""The stand-in for gists, held against the published description where that is at hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ghostie.backends.gist import GistStore
from tests import tried

from .gistcontract import GistContract
from .gists import Clock, a_store
from .gistserver import GistServer


@pytest.fixture(scope="session")
def contract() -> GistContract | None:
    return GistContract.find()


@pytest.fixture
def server(contract: GistContract | None) -> Iterator[GistServer]:
    server = GistServer(contract)
    tried.note("gist stand-in", "held against its contract" if contract else "without its contract")
    yield server
    server.stop()
    assert server.violations + server.api.crashes + server.raw.crashes == []


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gists(server: GistServer, clock: Clock) -> GistStore:
    return a_store(server, clock)
