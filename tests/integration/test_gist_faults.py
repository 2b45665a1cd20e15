"""What a network or a hostile server may do to a gist store: a typed error in time, and nothing is believed."""

from __future__ import annotations

import gzip
import json
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ghostie.backends.gist import GistStore, armour
from ghostie.backends.gistapi import GistApi, blob, origin
from ghostie.backends.http import Http, Patience
from ghostie.errors import NotFound, StoreError, StoreRefused, Unreachable
from tests.patience import little_memory, within

from .faultproxy import Asked, FaultProxy, Play, http
from .gists import WRITER, Clock, segment
from .gistserver import TOKEN

pytestmark = pytest.mark.versions

HASTE = Patience(connect=0.3, silence=0.4, answer=0.6, least_rate=1e6, longest=3.0)
PATIENCE = Patience(connect=10.0, silence=10.0, answer=20.0)
IN_TIME = 120.0  # what is read from its own address is asked for four times
JSON = {"Content-Type": "application/json; charset=utf-8"}
BODY = b"hello world"
TEXT = armour(BODY)
NAME = f"gho~memories~1-1.{1:016x}.seg.txt"
BLOB = blob(TEXT.encode())
ACTIONS = ("list", "get", "raw", "create", "change")


class Service:
    """A gist service of few words, whose answer to one kind of request may be replaced by *fault*."""

    def __init__(self) -> None:
        self.faulty = ""
        self.fault: Callable[[Play], Play] = lambda honest: honest
        self.line = FaultProxy(self._answer)

    def store(self, patience: Patience = PATIENCE) -> GistStore:
        address = self.line.address
        api = GistApi(Http(patience=patience), address, TOKEN, frozenset({origin(address)}))
        return GistStore(api, time=Clock().time())

    def act(self, what: str, patience: Patience = PATIENCE) -> object:
        """Do *what*, which the fault is put in the way of; return what came of it, in plain values."""
        store = self.store(patience)
        self.faulty = ""
        if what != "list":
            self.here = what != "create"
            store.list("")
        self.faulty, self.here = what, what != "create"
        if what == "list":
            return [info.key for info in store.list("")]
        if what in ("get", "raw"):
            return store.get(segment(1))
        store.write({segment(2): BODY})
        return None

    here = True

    def _answer(self, asked: Asked) -> Play:
        kind, play = self._honest(asked)
        return self.fault(play) if kind == self.faulty else play

    def _honest(self, asked: Asked) -> tuple[str, Play]:
        path = asked.target.partition("?")[0]
        if asked.method == "GET" and path == "/gists":
            return "list", http(200, json.dumps([self._gist()] if self.here else []).encode(), JSON)
        if path.startswith("/me/"):
            return "raw", http(200, TEXT.encode(), {"Content-Type": "text/plain"})
        if asked.method == "GET":
            cut = self.faulty == "raw"
            shown = {"truncated": cut, "content": "" if cut else TEXT, "encoding": "utf-8"}
            return "get", http(200, json.dumps(self._gist(shown)).encode(), JSON)
        added = json.loads(asked.body)["files"]
        files = {name: self._file(name, file["content"]) for name, file in added.items()}
        if asked.method == "POST":
            return "create", http(201, json.dumps({**self._gist(), "files": files}).encode(), JSON)
        gist = self._gist()
        return "change", http(200, json.dumps({**gist, "files": {**gist["files"], **files}}).encode(), JSON)

    def _gist(self, shown: dict[str, Any] | None = None) -> dict[str, Any]:
        return {
            "id": "aa11",
            "description": f"ghostie {WRITER}",
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z",
            "truncated": False,
            "files": {NAME: {**self._file(NAME, TEXT), **(shown or {})}, "ghostie.txt": self._file("ghostie.txt", "x")},
        }

    def _file(self, name: str, text: str) -> dict[str, Any]:
        at = f"{self.line.address}/me/aa11/raw/{blob(text.encode())}/{name}"
        return {"size": len(text), "raw_url": at}


OUTCOMES: dict[str, object] = {"list": [segment(1)], "get": BODY, "raw": BODY, "create": None, "change": None}


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    with made.line:
        yield made


def fails(attempt: Callable[[], object], *kinds: type[StoreError]) -> StoreError:
    """Do what has to fail in time, with one of *kinds*, and with no token in what a person or a log would see of it."""
    with within(IN_TIME), pytest.raises(kinds or StoreError) as failed:
        attempt()
    shown = "".join(traceback.format_exception(failed.value)) + str(failed.value) + repr(failed.value.facts)
    assert TOKEN not in shown and "Bearer" not in shown
    assert not isinstance(failed.value, NotFound)
    return failed.value


@pytest.mark.parametrize("what", ACTIONS)
def test_an_honest_answer_is_believed(service: Service, what: str) -> None:
    assert service.act(what) == OUTCOMES[what]


@pytest.mark.once
@pytest.mark.parametrize("what", ACTIONS)
def test_an_answer_that_is_cut_at_any_byte_is_never_believed(service: Service, what: str) -> None:
    whole: list[int] = []

    def measured(play: Play) -> Play:
        whole.append(len(play.reply))
        return play

    service.fault = measured
    service.act(what)
    step = 4 if what == "raw" else 1  # it is asked for again and again
    for length in range(0, whole[0], step):
        service.fault = lambda play, length=length: play.cut(length)  # type: ignore[misc]
        fails(lambda: service.act(what), Unreachable)


@pytest.mark.parametrize("what", ACTIONS)
@pytest.mark.parametrize("how", ["hang", "trickle"])
def test_a_service_that_hangs_or_trickles_is_given_up(service: Service, what: str, how: str) -> None:
    def slow(play: Play) -> Play:
        half = play.cut(len(play.reply) // 2, "hang")
        return half if how == "hang" else Play(play.reply, piece=2, pause=0.03)

    service.fault = slow
    fails(lambda: service.act(what, HASTE), Unreachable)


@pytest.mark.parametrize("status", [301, 302, 307])
@pytest.mark.parametrize("what", ACTIONS)
def test_no_redirect_is_followed(service: Service, what: str, status: int) -> None:
    with FaultProxy(lambda asked: http(200, b"[]", JSON)) as elsewhere:
        service.fault = lambda play: http(status, b"", {"Location": f"{elsewhere.address}/gists"})
        fails(lambda: service.act(what), Unreachable)
        assert elsewhere.asked == []


@pytest.mark.parametrize("what", ACTIONS)
def test_a_compressed_answer_is_refused_unopened(service: Service, what: str) -> None:
    bomb = gzip.compress(bytes(64 << 20), 9)
    service.fault = lambda play: http(201 if what == "create" else 200, bomb, {**JSON, "Content-Encoding": "gzip"})
    with little_memory():
        fails(lambda: service.act(what))


@pytest.mark.once
@pytest.mark.parametrize(
    "body",
    [
        b"[" + b",".join([b"{}"] * 100_000) + b"]",
        b"[" + b",".join([b"{}"] * 2_000_000) + b"]",
        b"[" + b"[]," * 2_000_000 + b"[]]",
        b"[" * 1_000_000,
        b'[{"a":' * 100_000,
        b"[" + b"9" * 1_000_000 + b"]",
    ],
    ids=["100,000 rows", "more rows", "lists", "deep", "deep objects", "a number"],
)
def test_a_listing_that_is_made_to_swell_costs_little(service: Service, body: bytes) -> None:
    service.fault = lambda play: http(200, body, JSON)
    with little_memory(64 << 20):
        fails(lambda: service.act("list"), StoreRefused, Unreachable)


def test_hostile_names_in_a_listing_are_no_objects(service: Service) -> None:
    names = ["../up", "/etc/passwd", "gho~..~..~up.txt", "gho~.hidden.txt", "gho~a b.txt", "gho~a\nb.txt", "gho~.txt"]
    names += ["gho~~a.txt", "gho~a~.txt", "gho~a/b.txt", "gho~a\x00.txt", "gho~" + "x" * 300 + ".txt", "GHO~a.txt"]

    def named(play: Play) -> Play:
        gist = service._gist()
        gist["files"] |= {name: service._file("x", "text") for name in names}
        strangers = [{**gist, "id": f"b{at}", "description": told} for at, told in enumerate(hostile)]
        return http(200, json.dumps([gist, *strangers]).encode(), JSON)

    hostile = ["ghostie ../up", "ghostie a/b", "ghostie ", "ghostie .x", "ghostie \n", "xghostie a", None]
    service.fault = named
    assert service.act("list") == [segment(1)]


def test_the_environment_neither_replaces_the_token_nor_leads_elsewhere(
    service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login evil password evil\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    with FaultProxy(lambda asked: http(200, b"[]", JSON)) as trap:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, trap.address)
        assert service.act("get") == BODY
        assert trap.asked == []
    assert {asked.headers["authorization"] for asked in service.line.asked} == {f"Bearer {TOKEN}"}
