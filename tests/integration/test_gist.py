"""Gists as a store: the four promises, how little it asks for, and what stands where."""

from __future__ import annotations

import base64
import json
import secrets

import pytest

from ghostie.backends.gist import MARKER, GistStore, armour, armoured_size
from ghostie.backends.store import ObjectStore, open_store
from ghostie.errors import AuthFailed, NotFound, QuotaExceeded, StoreRefused, Unreachable, UsageError
from tests.conformance.objectstore import ObjectStoreContract

from .gists import OTHER, WRITER, Clock, a_store, segment
from .gistserver import TOKEN, GistServer

pytestmark = pytest.mark.versions

KEY = "ghostie/global/keys/0123456789abcdef0123456789abcdef.key"


class TestGistStore(ObjectStoreContract):
    @pytest.fixture
    def store(self, server: GistServer, gists: GistStore) -> ObjectStore:
        self.server = server
        return gists

    def vanish(self, store: ObjectStore) -> None:
        self.server.api.stop()
        self.server.raw.stop()


# -- how little it asks for -------------------------------------------------------------------------------------------


def test_a_push_is_one_request_beside_the_listing(server: GistServer, gists: GistStore) -> None:
    gists.list("ghostie/")
    gists.write({segment(1): b"one"})
    assert server.asked() == ["GET 200", "POST 201"]
    gists.list("ghostie/")
    gists.write({segment(2): b"two", segment(3): b"three"}, [segment(1)])
    assert server.asked() == ["GET 200", "PATCH 200"]
    assert [info.key for info in gists.list("")] == [segment(2), segment(3)]


def test_a_poll_with_nothing_new_is_one_request_that_is_answered_304(server: GistServer, gists: GistStore) -> None:
    a_store(server).write({segment(1): b"one"})
    before = gists.list("ghostie/")
    server.asked()
    for _ in range(3):
        assert gists.list("ghostie/") == before
    assert server.asked() == ["GET 304"] * 3


def test_the_next_run_polls_with_one_request_too(server: GistServer, gists: GistStore) -> None:
    gists.write({segment(1): b"one", KEY: b"key"})
    before = gists.list("")
    server.asked()
    after = a_store(server)
    after.restore(gists.state())
    assert after.list("") == before
    assert server.asked() == ["GET 304"]
    assert after.get(segment(1)) == b"one"


@pytest.mark.parametrize("state", [b"", b"{}", b"[]", b'{"format":1}', b"\xff", b'{"format":1,"at":[],"pages":[{}]}'])
def test_a_state_that_is_none_is_as_good_as_nothing(server: GistServer, gists: GistStore, state: bytes) -> None:
    gists.write({segment(1): b"one"})
    after = a_store(server)
    after.restore(state)
    assert [info.key for info in after.list("")] == [segment(1)]


def test_a_state_of_another_prefix_is_not_taken_up(server: GistServer, gists: GistStore) -> None:
    gists.write({segment(1): b"one"})
    other = a_store(server, prefix="work")
    other.restore(gists.state())
    assert other.list("") == []


def test_the_first_pull_of_a_writer_is_one_request_for_all_its_segments(server: GistServer, gists: GistStore) -> None:
    bodies = {segment(number): secrets.token_bytes(2000) for number in range(1, 40)}
    gists.write(bodies)
    reader = a_store(server)
    server.asked()
    assert {info.key: reader.get(info.key) for info in reader.list("")} == bodies
    assert server.asked() == ["GET 200", "GET 200"]


def test_what_is_new_of_a_large_log_comes_alone_and_from_its_own_address(server: GistServer, gists: GistStore) -> None:
    gists.write({segment(1, 900): secrets.token_bytes(600_000), segment(901, 999): secrets.token_bytes(300_000)})
    gists.write({segment(1000): b"new"})
    reader = a_store(server)
    reader.list("")
    server.asked()
    assert reader.get(segment(1000)) == b"new"
    assert sum(request.sent for request in server.raw.requests) < 100
    assert server.asked() == ["GET raw 200"]


def test_a_change_to_a_large_gist_does_not_fetch_it(server: GistServer, gists: GistStore) -> None:
    gists.write({segment(number): secrets.token_bytes(600_000) for number in range(1, 4)})
    gists.list("")
    server.asked()
    gists.write({segment(4): b"new"}, [segment(1)])
    assert server.asked() == ["PATCH 200", "GET 200"]
    assert [info.key for info in gists.list("")] == [segment(2), segment(3), segment(4)]


def test_the_making_of_a_large_gist_does_not_fetch_it_and_waits_for_the_listing_to_show_it(
    server: GistServer, gists: GistStore, clock: Clock
) -> None:
    body = secrets.token_bytes(600_000)
    gists.list("")
    server.switches.lag = 2
    gists.write({segment(1): body})
    assert server.asked() == ["GET 200", "POST 201", "GET 304", "GET 304", "GET 200"]
    assert clock.slept() == [1.0, 2.0]
    assert gists.get(segment(1)) == body
    server.switches.drops_new = True
    with pytest.raises(Unreachable, match="did not keep"):
        gists.write({segment(2): b"small"})
    server.switches.drops_new = False
    gists.write({segment(2): b"small"})
    assert len(server.gists) == 1


def test_writes_are_a_second_apart(gists: GistStore, clock: Clock) -> None:
    gists.write({segment(1): b"1"})
    assert clock.slept() == []
    gists.write({segment(2): b"2"})
    clock.now += 0.25
    gists.write({segment(3): b"3"})
    assert clock.slept() == [1.0, 0.75]


def test_what_does_not_fit_into_one_request_goes_in_several_and_deletes_last(
    server: GistServer, gists: GistStore
) -> None:
    gists.write({segment(1): b"old"})
    large = {segment(number): secrets.token_bytes(3 << 20) for number in (2, 3)}
    server.asked()
    gists.write(large, [segment(1)])
    assert server.asked() == ["PATCH 200", "GET 200", "PATCH 200", "GET 200"]
    (gist,) = server.of(f"ghostie {WRITER}")
    assert [len(version.files) for version in gist.versions] == [2, 3, 3]
    assert {info.key: gists.get(info.key) for info in gists.list("")} == large


# -- what stands where ------------------------------------------------------------------------------------------------


def test_each_writer_has_a_secret_gist_and_what_is_everybodys_another(server: GistServer, gists: GistStore) -> None:
    gists.write({KEY: b"key", segment(1): b"mine", segment(1, writer=OTHER): b"theirs"})
    assert sorted((gist.description, gist.public, sorted(gist.files)) for gist in server.gists.values()) == [
        (f"ghostie {WRITER}", False, [MARKER, f"gho~memories~1-1.{1:016x}.seg.txt"]),
        (f"ghostie {OTHER}", False, [MARKER, f"gho~memories~1-1.{1:016x}.seg.txt"]),
        ("ghostie global", False, [MARKER, "gho~keys~0123456789abcdef0123456789abcdef.key.txt"]),
    ]


def test_a_gist_says_nothing_of_what_is_sealed_but_its_size(server: GistServer, gists: GistStore) -> None:
    gists.write({segment(1): b"\x00\xff sealed"})
    (gist,) = server.of(f"ghostie {WRITER}")
    assert gist.files[f"gho~memories~1-1.{1:016x}.seg.txt"] == "ghostie armour 1\nAP8gc2VhbGVk\n"


def test_two_vaults_of_one_account_are_kept_apart_by_their_prefix(server: GistServer, gists: GistStore) -> None:
    work = a_store(server, prefix="work")
    gists.write({segment(1): b"home"})
    work.write({segment(2): b"work"})
    assert [info.key for info in gists.list("")] == [segment(1)]
    assert [info.key for info in work.list("")] == [segment(2)]
    assert [gist.description for gist in server.gists.values()] == [f"ghostie {WRITER}", f"ghostie work {WRITER}"]


def test_other_gists_of_the_account_and_files_that_a_person_put_there_are_no_objects(
    server: GistServer, gists: GistStore
) -> None:
    gists.write({segment(1): b"one"})
    (gist,) = server.of(f"ghostie {WRITER}")
    server.put("shopping list", {"gho~memories~1-1.txt": "milk"})
    server.put("ghostie is a fine program", {"gho~memories~1-1.txt": "yes"})
    server.put("ghostie", {"gho~memories~1-1.txt": "yes"})
    server.change(gist, {"notes.md": "mine", "gho~.hidden.txt": "x", "gho~a~~b.txt": "x", "gho.txt": "x"})
    assert [info.key for info in gists.list("")] == [segment(1)]


def test_deleting_the_last_object_leaves_the_gist_and_never_one_without_files(
    server: GistServer, gists: GistStore
) -> None:
    gists.write({segment(1): b"one"})
    (gist,) = server.of(f"ghostie {WRITER}")
    server.change(gist, {MARKER: None})
    gists.list("")
    gists.write({}, [segment(1)])
    assert gists.list("") == []
    assert list(gist.files) == [MARKER]
    gists.write({segment(2): b"two"})
    assert list(server.gists) == [gist.id]


def test_a_gist_takes_no_more_files_than_it_lists(server: GistServer, gists: GistStore) -> None:
    most = gists.capabilities.most_objects
    gists.write({segment(number): b"x" for number in range(1, most + 1)})
    with pytest.raises(QuotaExceeded):
        gists.write({segment(1000): b"x"})
    gists.write({segment(1000): b"x"}, [segment(1)])
    assert len(gists.list("")) == most


def test_objects_of_the_best_size_are_shown_in_the_gist_itself(server: GistServer, gists: GistStore) -> None:
    assert armoured_size(gists.capabilities.best_size) < server.switches.inline
    body = secrets.token_bytes(gists.capabilities.best_size)
    gists.write({segment(1): body})
    assert a_store(server).get(segment(1)) == body
    assert server.raw.requests == []


def test_what_is_too_large_or_too_long_is_refused_before_anything_is_asked(
    server: GistServer, gists: GistStore
) -> None:
    with pytest.raises(StoreRefused, match="too large"):
        gists.write({segment(1): bytes(gists.capabilities.largest_size + 1)})
    with pytest.raises(StoreRefused, match="too long"):
        gists.write({"/".join(["x" * 100] * 4): b"1"})
    assert server.asked() == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        armour(b"sealed bytes").rstrip("\n"),
        armour(b"sealed bytes") + "\n",
        armour(b"sealed bytes").replace("\n", "\r\n"),
        armour(b"sealed bytes").replace("c", "\u0441", 1),
        "ghostie armour 1\n" + base64.b64encode(b"sealed").decode() + "==\n",
    ],
)
def test_a_text_that_was_changed_is_refused_and_not_repaired(server: GistServer, gists: GistStore, text: str) -> None:
    gists.write({segment(1): b"sealed bytes"})
    (gist,) = server.of(f"ghostie {WRITER}")
    server.change(gist, {f"gho~memories~1-1.{1:016x}.seg.txt": text or "\n"})
    assert [info.key for info in gists.list("")] == [segment(1)]
    with pytest.raises(StoreRefused, match="was changed"):
        gists.get(segment(1))


# -- options and tokens -----------------------------------------------------------------------------------------------


def test_it_is_opened_by_its_options_and_its_token(server: GistServer) -> None:
    store = open_store("gist", {"api_url": server.api.url, "raw_url": server.raw.url}, {"token": f" {TOKEN}\n"})
    store.write({segment(1): b"one"})
    assert store.get(segment(1)) == b"one"


@pytest.mark.parametrize(
    ("options", "token"),
    [
        ({}, ""),
        ({}, "to ken"),
        ({}, "töken"),
        ({}, "to\nken"),
        ({"prefix": "two words"}, TOKEN),
        ({"prefix": "+"}, TOKEN),
        ({"api_url": "http://gist.example.com"}, TOKEN),
        ({"api_url": "https://someone:secret@gist.example.com"}, TOKEN),
        ({"api_url": "gist.example.com"}, TOKEN),
        ({"raw_url": "ftp://gist.example.com"}, TOKEN),
    ],
)
def test_options_that_cannot_be_meant_are_a_usage_error(options: dict[str, str], token: str) -> None:
    with pytest.raises(UsageError):
        GistStore.from_options(options, {"token": token})


def test_a_token_that_is_not_valid_is_refused_and_named_nowhere(server: GistServer) -> None:
    store = a_store(server, token="ghp_wrong")
    for refused in (lambda: store.list(""), lambda: store.get("a"), lambda: store.write({"a": b"1"})):
        with pytest.raises(AuthFailed) as failed:
            refused()
        assert "ghp_wrong" not in f"{failed.value} {failed.value!r} {failed.value.facts} {failed.value.way_out()}"


def test_a_token_without_the_scope_is_refused_and_its_listing_never_taken_for_an_empty_store(
    server: GistServer, gists: GistStore
) -> None:
    gists.write({segment(1): b"one"})
    server.tokens["ghp_scopeless"] = "repo, read:user"
    store = a_store(server, token="ghp_scopeless")
    with pytest.raises(AuthFailed, match="scope gist"):
        store.list("")
    store.restore(gists.state())
    with pytest.raises(AuthFailed):
        store.write({segment(2): b"two"})


def test_a_fine_grained_token_names_no_scopes_and_works(server: GistServer) -> None:
    server.tokens["github_pat_1"] = None
    store = a_store(server, token="github_pat_1")
    store.write({segment(1): b"one"})
    assert store.get(segment(1)) == b"one"


def test_the_token_goes_to_the_service_and_to_no_other_origin(server: GistServer, gists: GistStore) -> None:
    gists.write({segment(1): secrets.token_bytes(1_200_000)})
    gists.get(segment(1))
    assert server.raw.requests
    assert all(TOKEN not in json.dumps(dict(request.headers)) for request in server.raw.requests)
    assert all("authorization" not in request.headers for request in server.raw.requests)
    assert all(request.headers["authorization"] == f"Bearer {TOKEN}" for request in server.api.requests)


def test_a_service_without_gists_is_not_an_empty_store(server: GistServer) -> None:
    server.fault("404", "GET")
    with pytest.raises(StoreRefused, match="no Gist service"):
        a_store(server).list("")
    with pytest.raises(NotFound):
        a_store(server).get("a")
