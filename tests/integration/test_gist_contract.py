"""The stand-in and the store against GitHub's published description: neither asks or answers what is not in it.

What is shown here is that both keep to the description; the service itself was not asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ghostie.backends.gist import GistStore
from ghostie.backends.gistapi import GistApi
from ghostie.backends.http import Http
from ghostie.errors import NotFound, QuotaExceeded

from .gistcontract import GistContract
from .gists import WRITER, a_store, segment
from .gistserver import TOKEN, GistServer
from .loopback import Loopback


@pytest.fixture
def description(contract: GistContract | None) -> GistContract:
    if contract is None:
        pytest.skip("the published description of gists is not at hand (../shared/contracts)")
    return contract


@pytest.fixture
def described(description: GistContract) -> Iterator[GistServer]:
    """A stand-in of which a test expects that something is not as described."""
    server = GistServer(description)
    yield server
    server.stop()


def asked(server: GistServer, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    reply = Http().send(
        method,
        f"{server.api.url}{path}",
        headers={"Authorization": f"Bearer {TOKEN}", **named},
        body=None if body is None else json.dumps(body).encode(),
        most=1 << 20,
    )
    return reply.status, json.loads(reply.body) if reply.body else None


def example(description: GistContract, name: str) -> Any:
    return description.document["components"]["examples"][name]["value"]


# -- the description --------------------------------------------------------------------------------------------------


def test_the_services_own_examples_are_as_it_describes_them(description: GistContract) -> None:
    assert description.answer("GET", "/gists", 200, example(description, "base-gist-items")) == []
    assert description.answer("GET", "/gists/x", 200, example(description, "gist")) == []
    assert description.answer("POST", "/gists", 201, example(description, "gist")) == []
    assert description.answer("PATCH", "/gists/x", 200, example(description, "rename-gist-file")) == []
    # of a gist whose last file was deleted its example says "files": null, and its schema does not allow for that
    (wrong,) = description.answer("PATCH", "/gists/x", 200, example(description, "delete-gist-file"))
    assert "files: None" in wrong


def test_the_services_own_examples_are_read_as_gists(description: GistContract) -> None:
    shown: list[Any] = []
    service = Loopback(lambda _: (200, {}, json.dumps(shown[0]).encode()), lambda: 0)
    api = GistApi(Http(), service.url, TOKEN, frozenset())
    try:
        shown[:] = [example(description, "gist")]
        read = api.read("2decf6c462d9b4418f2", 1 << 20)
        assert (read.contents, read.truncated) == ({"README.md": "Hello world from GitHub"}, False)
        assert read.files["README.md"].blob == "ac3e6daf176fafe73609fd000cd188e4472010fb"
        shown[:] = [example(description, "delete-gist-file")]
        assert api.read("x", 1 << 20).files == {}
        shown[:] = [example(description, "base-gist-items")]
        (listed,) = api.page(1, None, lambda _: True).gists
        assert listed.files["hello_world.rb"].size == 167
    finally:
        service.stop()


@pytest.mark.parametrize(
    ("method", "path", "query", "body"),
    [
        ("PUT", "/gists", {}, {}),
        ("GET", "/gist", {}, None),
        ("GET", "/gists", {"perpage": "9"}, None),
        ("GET", "/gists", {"page": "one"}, None),
        ("GET", "/gists", {}, {"files": {}}),
        ("POST", "/gists", {}, None),
        ("POST", "/gists", {}, {"public": False}),
        ("POST", "/gists", {}, {"files": {"a": {}}}),
        ("POST", "/gists", {}, {"files": {"a": {"content": 1}}}),
        ("POST", "/gists", {}, {"files": {}, "public": "no"}),
        ("POST", "/gists", {}, {"files": {}, "secret": True}),
        ("PATCH", "/gists/x", {}, {"files": {"a": "text"}}),
        ("PATCH", "/gists/x", {}, {"files": {"a": {"content": None}}}),
    ],
)
def test_a_request_that_is_not_described_is_noticed(
    description: GistContract, method: str, path: str, query: dict[str, str], body: Any
) -> None:
    assert description.request(method, path, query, body)


def test_an_answer_that_is_not_described_is_noticed(description: GistContract) -> None:
    good = example(description, "gist")
    changes: list[dict[str, Any]] = [
        {"id": 7},
        {"files": {"a": {"size": "7"}}},
        {"files": {"a": {"colour": "red"}}},
        {"colour": "red"},
        {"truncated": "no"},
        {"history": [{"committed_at": "yesterday"}]},
    ]
    for change in changes:
        assert description.answer("GET", "/gists/x", 200, {**good, **change}), change
    assert description.answer("GET", "/gists/x", 200, [good])
    assert description.answer("GET", "/gists/x", 418, {"message": "teapot"})
    assert description.answer("GET", "/gists/x", 404, {"detail": "no"})
    assert description.answer("DELETE", "/gists/x", 204, {})
    without_id = {name: value for name, value in example(description, "base-gist-items")[0].items() if name != "id"}
    assert description.answer("GET", "/gists", 200, [without_id])


# -- the stand-in -----------------------------------------------------------------------------------------------------


def test_the_stand_in_holds_what_it_is_asked_against_the_description(described: GistServer) -> None:
    asked(described, "GET", "/gists?sort=name")
    asked(described, "POST", "/gists", {"files": {"a": {"content": "x", "colour": "red"}}})
    assert len(described.violations) == 2


def test_the_stand_in_keeps_versions_and_history(server: GistServer, description: GistContract) -> None:
    status, made = asked(server, "POST", "/gists", {"description": "d", "files": {"a": {"content": "1"}}})
    assert (status, made["files"]["a"]["content"], made["public"]) == (201, "1", False)
    at = f"/gists/{made['id']}"
    status, changed = asked(server, "PATCH", at, {"files": {"a": {"content": "22"}, "b": {"content": "3"}}})
    assert (status, sorted(changed["files"]), changed["files"]["a"]["size"]) == (200, ["a", "b"], 2)
    assert changed["updated_at"] > made["updated_at"]
    _, renamed = asked(server, "PATCH", at, {"files": {"b": {"filename": "c"}}})
    assert {name: file["content"] for name, file in renamed["files"].items()} == {"a": "22", "c": "3"}
    _, line = asked(server, "GET", f"{at}/commits")
    assert len(line) == 3
    _, first = asked(server, "GET", f"{at}/{line[-1]['version']}")
    assert {name: file["content"] for name, file in first["files"].items()} == {"a": "1"}
    assert asked(server, "GET", f"{at}/{'0' * 40}")[0] == 404
    assert asked(server, "DELETE", at) == (204, None)
    assert asked(server, "GET", at)[0] == 404


def test_the_stand_in_refuses_what_the_service_refuses(server: GistServer, description: GistContract) -> None:
    _, made = asked(server, "POST", "/gists", {"files": {"a": {"content": "1"}}})
    at = f"/gists/{made['id']}"
    assert asked(server, "PATCH", at, {"files": {"b": {"content": "2"}}}, If_Match='"x"')[0] == 400
    assert asked(server, "PATCH", at, {"files": {"b": {"content": ""}}})[0] == 422
    assert asked(server, "PATCH", at, {"files": {"b/c": {"content": "2"}}})[0] == 422
    assert asked(server, "PATCH", at, {"files": {"absent": None}})[0] == 422
    assert asked(server, "PATCH", at, {"files": {"a": None}})[0] == 422
    assert asked(server, "POST", "/gists", {"files": {}})[0] == 422
    assert asked(server, "GET", at, Authorization="Bearer other")[0] == 401
    assert asked(server, "GET", at, X_GitHub_Api_Version="1999-01-01")[0] == 400
    server.switches.last_file, server.switches.null_absent = "emptied", "ignored"
    assert asked(server, "PATCH", at, {"files": {"absent": None}})[0] == 200
    assert asked(server, "PATCH", at, {"files": {"a": None}})[1]["files"] == {}


def test_a_listing_is_asked_for_again_under_its_mark(server: GistServer, description: GistContract) -> None:
    asked(server, "POST", "/gists", {"files": {"a": {"content": "1"}}})
    reply = Http().send("GET", f"{server.api.url}/gists", headers={"Authorization": f"Bearer {TOKEN}"})
    mark = reply.headers["etag"]
    assert asked(server, "GET", "/gists", If_None_Match=mark) == (304, None)
    asked(server, "POST", "/gists", {"files": {"a": {"content": "2"}}})
    assert asked(server, "GET", "/gists", If_None_Match=mark)[0] == 200
    assert asked(server, "GET", "/gists?since=2020-01-01T00:00:00Z&page=2")[1] == []


# -- the store --------------------------------------------------------------------------------------------------------


def test_all_that_the_store_asks_is_described(server: GistServer, gists: GistStore, description: GistContract) -> None:
    gists.write({"ghostie/global/keys/1.key": b"k", segment(1): b"one", "elsewhere": b"x"})
    gists.write({segment(2): b"two"}, [segment(1)])
    gists.write({}, [segment(2), "elsewhere"])
    assert a_store(server).get("ghostie/global/keys/1.key") == b"k"
    with pytest.raises(NotFound):
        a_store(server).get("absent")
    with pytest.raises(QuotaExceeded):
        gists.write({segment(number): b"x" for number in range(3, 400)})
    used = {(request.method, description.template(request.path)) for request in server.api.requests}
    assert used == {
        ("GET", "/gists"),
        ("POST", "/gists"),
        ("GET", "/gists/{gist_id}"),
        ("PATCH", "/gists/{gist_id}"),
    }
    assert len(server.of(f"ghostie {WRITER}")) == 1
    assert server.violations == []
