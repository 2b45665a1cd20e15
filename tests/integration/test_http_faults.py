"""What a network, a proxy or a hostile server may do to a request: a typed error in time, and nothing is believed."""

from __future__ import annotations

import datetime
import gc
import gzip
import socket
import ssl
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from ghostie.backends.http import Http, Patience, Reply
from ghostie.backends.s3 import S3Store
from ghostie.errors import (
    AuthFailed,
    NotFound,
    QuotaExceeded,
    StoreError,
    StoreRefused,
    Throttled,
    Unreachable,
    UsageError,
)
from tests.patience import little_memory, within

from .faultproxy import Asked, End, FaultProxy, Play, Script, http

pytestmark = pytest.mark.versions

SECRETS = {"access_key": "AKIAGHOSTIE000000001", "secret_key": "canary/secret+key", "session_token": "canary-token"}
PATIENCE = Patience(connect=3.0, silence=4.0, answer=5.0)
HASTE = Patience(connect=0.3, silence=0.4, answer=0.6, least_rate=1e6, longest=3.0)
IN_TIME = 60.0  # what no patience is set for here lasts longer

S3_XML = {"Content-Type": "application/xml"}
OBJECT = {"ETag": '"5eb63bbbe01eeed093cb22bb8f5acdc3"', "Content-Type": "application/octet-stream"}
BODY = b"hello world"
LISTING = (
    b'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    b"<Name>bkt</Name><Prefix></Prefix><KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>"
    b"<Contents><Key>k</Key><Size>11</Size><ETag>&quot;5eb6&quot;</ETag></Contents></ListBucketResult>"
)
NO_SUCH_KEY = b"<Error><Code>NoSuchKey</Code><Message>no</Message></Error>"
PORTAL = b"<!DOCTYPE html><html><body>Welcome to Hotel Wifi. <a href='/login'>Log in</a></body></html>"

HONEST = {
    "list": http(200, LISTING, S3_XML),
    "get": http(200, BODY, OBJECT),
    "get nothing": http(404, NO_SUCH_KEY, S3_XML),
    "put": http(200, b"", OBJECT),
    "delete": http(204),
}


def act(store: S3Store, what: str) -> object:
    """Do *what* with the store; return what came of it, in plain values."""
    if what == "list":
        return [info.key for info in store.list("")]
    if what in ("put", "delete"):
        store.write({"k": BODY} if what == "put" else {}, ["k"] if what == "delete" else [])
        return None
    try:
        return store.get("k")
    except NotFound:
        return "not found"


OUTCOMES: dict[str, object] = {
    "list": ["k"], "get": BODY, "get nothing": "not found", "put": None, "delete": None,
}  # fmt: skip
ACTIONS = sorted(HONEST)
FIN = Play(end="fin")


@pytest.fixture
def serve() -> Iterator[Callable[..., FaultProxy]]:
    """Start servers that are stopped when the test ends: `serve(script)`, or `serve(play)` for the same to everybody."""
    running: list[FaultProxy] = []

    def start(script: Script | Play | None = FIN, **named: Any) -> FaultProxy:
        play = script
        server = FaultProxy((lambda asked: play) if isinstance(play, Play) else play, **named)
        running.append(server.__enter__())
        return server

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def way() -> Iterator[Http]:
    made = Http(patience=PATIENCE)
    yield made
    made.close()


@pytest.fixture
def hasty() -> Iterator[Http]:
    """A way that soon gives up, for servers that let it wait."""
    made = Http(patience=HASTE)
    yield made
    made.close()


def store_at(address: str, way: Http | None = None, **options: str) -> S3Store:
    store = S3Store.from_options({"endpoint": address, "bucket": "bkt", **options}, SECRETS)
    store._http = way or Http(patience=PATIENCE)
    return store


def fails(attempt: Callable[[], object], *kinds: type[StoreError]) -> StoreError:
    """Do what has to fail in time, with one of *kinds*, and with no secret in what a person or a log would see of it."""
    with within(IN_TIME), pytest.raises(kinds) as failed:
        attempt()
    shown = "".join(traceback.format_exception(failed.value)) + str(failed.value) + repr(failed.value.facts)
    assert not any(secret in shown for secret in SECRETS.values())
    assert "Signature" not in shown and "Bearer" not in shown
    assert not isinstance(failed.value, NotFound)
    return failed.value


# -- cut -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ACTIONS)
def test_an_honest_reply_is_believed(serve: Callable[..., FaultProxy], way: Http, what: str) -> None:
    assert act(store_at(serve(HONEST[what]).address, way), what) == OUTCOMES[what]


@pytest.mark.parametrize("what", ACTIONS)
def test_a_reply_that_is_cut_at_any_byte_is_never_believed(
    serve: Callable[..., FaultProxy], way: Http, what: str
) -> None:
    lengths = iter(range(len(HONEST[what].reply)))
    server = serve(lambda asked: HONEST[what].cut(next(lengths)))
    store = store_at(server.address, way)
    for _ in range(len(HONEST[what].reply)):
        fails(lambda: act(store, what), Unreachable)
    assert next(lengths, None) is None, "each was asked for once"


@pytest.mark.parametrize("what", ACTIONS)
def test_a_reply_that_is_reset_at_any_tenth_byte_is_never_believed(
    serve: Callable[..., FaultProxy], way: Http, what: str
) -> None:
    lengths = list(range(0, len(HONEST[what].reply), 10))
    left = iter(lengths)
    store = store_at(serve(lambda asked: HONEST[what].cut(next(left), "rst")).address, way)
    for _ in lengths:
        fails(lambda: act(store, what), Unreachable)


def chunked(body: bytes, size: int = 7) -> Play:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    return http(200, framed, {**OBJECT, "Transfer-Encoding": "chunked"}, length=-1)


def test_a_reply_in_chunks_is_believed_when_the_last_one_came(serve: Callable[..., FaultProxy], way: Http) -> None:
    whole = chunked(BODY)
    assert act(store_at(serve(whole).address, way), "get") == BODY
    lengths = iter(range(len(whole.reply)))
    store = store_at(serve(lambda asked: whole.cut(next(lengths))).address, way)
    for _ in range(len(whole.reply)):
        fails(lambda: act(store, "get"), Unreachable)


def test_a_reply_without_a_length_is_not_believed_and_a_complaint_without_one_is(
    serve: Callable[..., FaultProxy], way: Http
) -> None:
    endless = http(200, BODY, OBJECT, length=-1).cut(10_000)
    fails(lambda: act(store_at(serve(endless).address, way), "get"), Unreachable)
    refused = http(403, b"<Error><Code>AccessDenied</Code></Error>", S3_XML, length=-1).cut(10_000)
    fails(lambda: act(store_at(serve(refused).address, way), "get"), AuthFailed)


@pytest.mark.parametrize("length", [0, 5, 10, 12, 100, 10**18])
def test_a_wrong_content_length_is_noticed(serve: Callable[..., FaultProxy], hasty: Http, length: int) -> None:
    fails(
        lambda: act(store_at(serve(http(200, BODY, OBJECT, length=length)).address, hasty), "get"),
        Unreachable,
        StoreRefused,
    )


@pytest.mark.parametrize("value", ["11, 12", "-11", "11x", "0x0b", "", "1" * 5000])
def test_a_senseless_content_length_is_not_believed(serve: Callable[..., FaultProxy], way: Http, value: str) -> None:
    play = http(200, BODY, {**OBJECT, "Content-Length": value}, length=-1)
    fails(lambda: act(store_at(serve(play).address, way), "get"), Unreachable, StoreRefused)


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\x00" * 100,
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x28",
    ],
)
def test_what_is_no_http_is_an_unreachable_store(serve: Callable[..., FaultProxy], way: Http, garbage: bytes) -> None:
    fails(lambda: act(store_at(serve(Play(garbage, "fin")).address, way), "get"), Unreachable)


# -- slow ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ACTIONS)
@pytest.mark.parametrize("share", [0.0, 0.2, 0.9])
def test_a_server_that_falls_silent_is_given_up(
    serve: Callable[..., FaultProxy], hasty: Http, what: str, share: float
) -> None:
    reply = HONEST[what].reply
    cut = int(len(reply) * share) if share else 0
    fails(lambda: act(store_at(serve(Play(reply[:cut], "hang")).address, hasty), what), Unreachable)


@pytest.mark.parametrize("what", ["list", "get", "put"])
def test_a_server_that_trickles_is_given_up_although_it_is_never_silent(
    serve: Callable[..., FaultProxy], hasty: Http, what: str
) -> None:
    honest = HONEST[what]
    fails(lambda: act(store_at(serve(Play(honest.reply, piece=2, pause=0.03)).address, hasty), what), Unreachable)


def test_a_body_that_trickles_is_given_up_and_a_slow_one_is_not(serve: Callable[..., FaultProxy]) -> None:
    patience = Patience(connect=0.3, silence=0.4, answer=0.5, least_rate=20_000, longest=5)
    body = bytes(30_000)
    way = Http(patience=patience)
    slow = serve(Play(http(200, body, OBJECT).reply, piece=1500, pause=0.04))  # 37 kB a second
    began = time.monotonic()
    assert store_at(slow.address, way).get("k") == body
    assert time.monotonic() - began > patience.answer, "it took longer than one without a body may"
    trickling = serve(Play(http(200, body, OBJECT).reply, piece=200, pause=0.04))  # 5 kB a second
    fails(lambda: store_at(trickling.address, way).get("k"), Unreachable)


def test_interim_replies_without_end_are_given_up(serve: Callable[..., FaultProxy], hasty: Http) -> None:
    forever = Play(b"HTTP/1.1 100 Continue\r\n\r\n" * 40_000, piece=25, pause=0.01)
    fails(lambda: act(store_at(serve(forever).address, hasty), "get"), Unreachable)


def test_a_server_that_does_not_take_what_it_is_sent_is_given_up(serve: Callable[..., FaultProxy], hasty: Http) -> None:
    server = serve(welcome=lambda number: Play(end="hang"))
    fails(lambda: store_at(server.address, hasty).write({"k": bytes(16 << 20)}), Unreachable)


@pytest.mark.parametrize("ends", ["hang", "rst", "fin"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_does_not_speak_at_all(
    serve: Callable[..., FaultProxy], hasty: Http, ends: End, scheme: str
) -> None:
    server = serve(welcome=lambda number: Play(end=ends))
    with warnings.catch_warnings():
        # the standard library forgets a socket that is reset just before it begins to encrypt
        warnings.simplefilter("ignore", ResourceWarning)
        fails(lambda: act(store_at(server.address.replace("http", scheme, 1), hasty), "get"), Unreachable)
        gc.collect()


def test_nobody_listens(way: Http) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert "nobody listens" in str(fails(lambda: act(store_at(f"http://127.0.0.1:{port}", way), "get"), Unreachable))


def test_a_name_with_many_addresses_has_one_deadline(hasty: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf:
        # the queue of those who wait to be let in is full: nobody else gets an answer
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(deaf.getsockname())
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", deaf.getsockname())] * 1200
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
        fails(lambda: act(store_at("https://many.example", hasty), "get"), Unreachable)
        for each in waiting:
            each.close()


def test_a_host_that_no_name_server_knows(way: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = fails(lambda: act(store_at("https://nowhere.example", way), "get"), Unreachable)
    assert "no network, or no host nowhere.example" in str(error)


# -- too much --------------------------------------------------------------------------------------------------------------


BOMB = gzip.compress(bytes(64 << 20), 9)


@pytest.mark.parametrize("encoding", ["gzip", "deflate, gzip", "br", "zstd"])
def test_a_compressed_reply_is_refused_unopened(serve: Callable[..., FaultProxy], way: Http, encoding: str) -> None:
    for what, headers in (("get", OBJECT), ("list", S3_XML)):
        play = http(200, BOMB, {**headers, "Content-Encoding": encoding})
        store = store_at(serve(play).address, way)
        with little_memory():
            fails(partial(act, store, what), Unreachable)


def test_a_bomb_in_a_redirect_or_a_complaint_is_not_opened_either(serve: Callable[..., FaultProxy], way: Http) -> None:
    for status in (301, 307, 403, 404, 500):
        play = http(status, BOMB, {"Content-Encoding": "gzip", "Location": "http://127.0.0.1:9/"})
        store = store_at(serve(play).address, way)
        with little_memory():
            fails(partial(act, store, "get"), StoreError)


def test_an_object_that_only_looks_compressed_comes_back_as_it_is(serve: Callable[..., FaultProxy], way: Http) -> None:
    assert store_at(serve(http(200, BOMB, OBJECT)).address, way).get("k") == BOMB


CHUNKED = b"HTTP/1.1 200 OK\r\nETag: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "again"),
    [
        (b"HTTP/1.1 200 OK\r\nETag: x\r\nContent-Length: 6000000\r\n\r\n", b"x"),
        (b"HTTP/1.1 403 No\r\n\r\n", b"x"),
        (CHUNKED, b"1\r\nx\r\n"),
        (CHUNKED + b"1;", b"x"),
        (CHUNKED + b"0\r\n", b"Trailer: x\r\n"),
        (b"HTTP/1.1 200 OK\r\n", b"X-Header: y\r\n"),
        (b"HTTP/1.1 200 OK\r\nX-Header: ", b"y"),
        (b"HTTP/1.1 200 ", b"O"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["declared", "complaint", "chunks", "chunk line", "trailers", "headers", "header", "status line", "interim"],
)
def test_a_reply_without_end_is_cut_off_early(
    serve: Callable[..., FaultProxy], way: Http, head: bytes, again: bytes
) -> None:
    server = serve(Play(head + again * ((6 << 20) // len(again)), "hang"))

    def ask() -> None:
        if way.send("GET", f"{server.address}/x", headers={}, most=1 << 18).status == 403:
            raise StoreRefused(why="it was refused, and the beginning of the complaint has been read")

    with little_memory():
        fails(ask, StoreRefused, Unreachable)


def rows(numbers: range) -> bytes:
    row = "<Contents><Key>{:08}</Key><LastModified>2026-01-01T00:00:00Z</LastModified><ETag>x</ETag><Size>1</Size></Contents>"
    return "".join(row.format(number) for number in numbers).encode()


def test_a_page_of_100000_rows_is_refused(serve: Callable[..., FaultProxy], way: Http) -> None:
    listing = b"<ListBucketResult><IsTruncated>false</IsTruncated>" + rows(range(100_000)) + b"</ListBucketResult>"
    store = store_at(serve(http(200, listing, S3_XML)).address, way)
    with little_memory():
        fails(lambda: act(store, "list"), StoreRefused)


def test_hostile_names_in_a_listing_are_no_objects(serve: Callable[..., FaultProxy], way: Http) -> None:
    names = [
        "../up",
        "/etc/passwd",
        "a/../b",
        ".hidden",
        "a//b",
        "a/",
        "~root",
        "a b",
        "a&#10;b",
        "a;b",
        "x" * 200,
        "k",
    ]
    found = b"".join(
        b"<Contents><Key>%s</Key><Size>1</Size><ETag>x</ETag></Contents>" % quote(name, safe="&#;").encode()
        for name in names
    )
    listing = b"<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>%s</ListBucketResult>"
    assert act(store_at(serve(http(200, listing % found, S3_XML)).address, way), "list") == ["k"]


def test_a_listing_without_end_is_refused(
    serve: Callable[..., FaultProxy], way: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ghostie.backends.s3.MOST_OBJECTS", 5_000)

    def forever(asked: Asked) -> Play:
        begin = asked.turn * 1000
        listing = (
            b"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>%d</NextContinuationToken>"
            % begin
        )
        return http(200, listing + rows(range(begin, begin + 1000)) + b"</ListBucketResult>", S3_XML)

    server = serve(forever)
    fails(lambda: act(store_at(server.address, way), "list"), StoreRefused)
    assert len(server.asked) == 6


# -- not ours --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ACTIONS)
@pytest.mark.parametrize(
    "play",
    [
        http(200, PORTAL, {"Content-Type": "text/html"}),
        http(200, PORTAL),
        http(200, PORTAL, {"Content-Type": "text/html", "ETag": '"x"'}),
        http(404, PORTAL, {"Content-Type": "text/html"}),
        http(403, PORTAL, {"Content-Type": "text/html"}),
        http(511, PORTAL, {"Content-Type": "text/html"}),
        http(200),
        http(200, b"OK"),
        http(404),
        http(404, b"not found"),
        http(203, b"", {"Content-Type": "text/plain"}),
        http(206, b"part", {"Content-Type": "text/plain"}),
    ],
    ids=lambda play: play.reply[9:12].decode() + f"-{len(play.reply)}",
)
def test_what_is_not_the_stores_own_answer_is_not_believed(
    serve: Callable[..., FaultProxy], way: Http, what: str, play: Play
) -> None:
    fails(lambda: act(store_at(serve(play).address, way), what), Unreachable)


def test_a_login_page_is_called_by_its_name(serve: Callable[..., FaultProxy], way: Http) -> None:
    server = serve(http(200, PORTAL, {"Content-Type": "text/html"}))
    assert "login page" in str(fails(lambda: act(store_at(server.address, way), "list"), Unreachable))


# -- credentials stay where they belong ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("what", ACTIONS)
def test_no_redirect_is_followed(serve: Callable[..., FaultProxy], way: Http, status: int, what: str) -> None:
    elsewhere = serve(HONEST[what])
    server = serve(http(status, b"", {"Location": f"{elsewhere.address}/bkt/k"}))
    fails(lambda: act(store_at(server.address, way), what), Unreachable)
    assert (len(server.asked), elsewhere.asked) == (1, [])


def test_a_netrc_that_lies_in_wait_changes_nothing(
    serve: Callable[..., FaultProxy], way: Http, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login evil password evil\ndefault login evil password evil\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    server = serve(HONEST["get"])
    assert act(store_at(server.address, way), "get") == BODY
    way.send("GET", f"{server.address}/x", headers={"Authorization": "Bearer ours"})
    way.send("GET", f"{server.address}/x", headers={})
    said = [asked.headers.get("authorization", "") for asked in server.asked]
    assert said[0].startswith("AWS4-HMAC-SHA256 ")
    assert said[1:] == ["Bearer ours", ""]


def test_what_the_environment_says_of_proxies_and_certificates_changes_nothing(
    serve: Callable[..., FaultProxy], way: Http, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trap, server = serve(HONEST["get"]), serve(HONEST["get"])
    for name in ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy"):
        monkeypatch.setenv(name, trap.address)
        monkeypatch.setenv(name.upper(), trap.address)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none.pem"))
    assert act(store_at(server.address, way), "get") == BODY
    assert trap.asked == []


def test_a_proxy_that_is_configured_is_used_and_its_password_shown_to_nobody_else(
    serve: Callable[..., FaultProxy],
) -> None:
    server = serve(HONEST["get"])
    proxy = serve(None, upstream=("127.0.0.1", server.port))
    with_password = proxy.address.replace("//", "//me:canary-token@")
    way = Http(proxy=with_password, patience=PATIENCE, plain_http=True)
    store = store_at("http://store.example", way, plain_http="yes")
    assert act(store, "get") == BODY
    assert proxy.asked[0].target == "http://store.example/bkt/k"
    assert proxy.asked[0].headers["proxy-authorization"].startswith("Basic ")
    assert "proxy-authorization" not in server.asked[0].headers
    proxy.stop()
    fails(lambda: act(store, "get"), Unreachable)


@pytest.mark.parametrize("status", [403, 407, 302])
def test_a_proxy_that_lets_nobody_through(serve: Callable[..., FaultProxy], status: int) -> None:
    proxy = serve(http(status, b"no", {"Proxy-Authenticate": "Basic"}))
    way = Http(proxy=proxy.address.replace("//", "//me:canary-token@"), patience=PATIENCE)
    error = fails(lambda: act(store_at("https://store.example", way), "get"), Unreachable)
    assert isinstance(error, Unreachable) and error.lasting
    assert [asked.method for asked in proxy.asked] == ["CONNECT"]
    assert "authorization" not in proxy.asked[0].headers, "what signs the request is not for the proxy"


def test_a_proxy_that_is_not_there(way: Http) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://me:canary-token@127.0.0.1:{listener.getsockname()[1]}"
    way = Http(proxy=address, patience=PATIENCE)
    assert "proxy" in str(fails(lambda: act(store_at("https://store.example", way), "get"), Unreachable))


def test_nothing_is_sent_in_the_clear_to_another_device_unless_that_is_allowed() -> None:
    for address in ("http://store.example", "http://10.0.0.7:9000", "http://[2001:db8::1]"):
        with pytest.raises(UsageError):
            S3Store.from_options({"endpoint": address, "bucket": "bkt"}, SECRETS)
        S3Store.from_options({"endpoint": address, "bucket": "bkt", "plain_http": "yes"}, SECRETS)
    for address in ("http://127.0.0.1", "http://localhost:9000", "http://[::1]:9000", "https://store.example"):
        S3Store.from_options({"endpoint": address, "bucket": "bkt"}, SECRETS)


def test_a_header_that_cannot_be_sent_is_not_shown(serve: Callable[..., FaultProxy], way: Http) -> None:
    server = serve(HONEST["get"])
    for value in ("Bearer canary-token\r\nX-Evil: 1", "Bearer canary-token\u20ac"):
        fails(partial(way.send, "GET", server.address, headers={"Authorization": value}), StoreError)
    assert server.asked == []


def test_cookies_are_neither_kept_nor_sent(serve: Callable[..., FaultProxy], way: Http) -> None:
    server = serve(http(200, BODY, {**OBJECT, "Set-Cookie": "track=1; Path=/"}))
    for _ in range(2):
        way.send("GET", f"{server.address}/x", headers={})
    assert all("cookie" not in asked.headers for asked in server.asked)


def test_a_request_says_honestly_who_it_is_and_wants_nothing_compressed(
    serve: Callable[..., FaultProxy], way: Http
) -> None:
    from ghostie import __version__

    server = serve(HONEST["get"])
    act(store_at(server.address, way), "get")
    assert server.asked[0].headers["user-agent"] == f"ghostie/{__version__}"
    assert server.asked[0].headers["accept-encoding"] == "identity"


# -- encrypted -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, ssl.SSLContext]]:
    """Make a certificate for a host that signs itself: the file of it, and a server's side that shows it."""
    x509 = pytest.importorskip("cryptography.x509", reason="cryptography, which makes certificates, is not here")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    folder = tmp_path_factory.mktemp("certificates")

    def make(host: str) -> tuple[Path, ssl.SSLContext]:
        import ipaddress

        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        try:
            known: Any = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            known = x509.DNSName(host)
        now = datetime.datetime.now(datetime.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([known]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        shown, secret = folder / f"{host}.pem", folder / f"{host}.key"
        shown.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(shown, secret)
        return shown, context

    return make


Certificates = Callable[[str], tuple[Path, ssl.SSLContext]]


def test_a_certificate_that_nobody_vouches_for_is_refused_before_anything_is_said(
    serve: Callable[..., FaultProxy], way: Http, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown, context = certificates("127.0.0.1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(shown))
    server = serve(HONEST["get"], tls=context)
    error = fails(lambda: act(store_at(server.address, way), "get"), Unreachable)
    assert isinstance(error, Unreachable) and error.lasting
    assert "certificate" in str(error)
    assert server.asked == []


def test_a_certificate_that_was_named_is_trusted_for_its_own_host_alone(
    serve: Callable[..., FaultProxy], certificates: Certificates
) -> None:
    shown, context = certificates("127.0.0.1")
    server = serve(HONEST["get"], tls=context)
    assert act(store_at(server.address, Http(authorities=str(shown), patience=PATIENCE)), "get") == BODY
    other, context = certificates("store.example")
    server = serve(HONEST["get"], tls=context)
    fails(lambda: act(store_at(server.address, Http(authorities=str(other), patience=PATIENCE)), "get"), Unreachable)
    assert server.asked == []


@pytest.mark.parametrize("what", ACTIONS)
def test_an_encrypted_reply_that_is_cut_is_not_believed_either(
    serve: Callable[..., FaultProxy], certificates: Certificates, what: str
) -> None:
    shown, context = certificates("127.0.0.1")
    lengths = list(range(0, len(HONEST[what].reply), 25))
    left = iter(lengths)
    server = serve(lambda asked: HONEST[what].cut(next(left)), tls=context)
    store = store_at(server.address, Http(authorities=str(shown), patience=PATIENCE))
    for _ in lengths:
        fails(lambda: act(store, what), Unreachable)


def test_certificates_that_are_not_there_are_said_at_once() -> None:
    with pytest.raises(UsageError):
        S3Store.from_options({"endpoint": "https://s.example", "bucket": "bkt", "authorities": "/nowhere.pem"}, SECRETS)


# -- refusals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "headers", "kind", "retry_after"),
    [
        (429, {"Retry-After": "7"}, Throttled, 7),
        (429, {"Retry-After": "Fri, 24 May 2013 00:01:30 GMT"}, Throttled, 90),
        (429, {"Retry-After": "Thursday, 23-May-13 23:59:00 GMT"}, Throttled, 0),
        (429, {"Retry-After": "soon"}, Throttled, None),
        (429, {"Retry-After": "-5"}, Throttled, None),
        (429, {"Retry-After": "9" * 400}, Throttled, 999_999_999),
        (429, {}, Throttled, None),
        (503, {"Retry-After": "120"}, Throttled, 120),
        (503, {}, Throttled, None),
        (500, {"Retry-After": "7"}, Unreachable, None),
        (502, {}, Unreachable, None),
        (504, {}, Unreachable, None),
        (599, {}, Unreachable, None),
        (408, {}, Unreachable, None),
        (507, {}, QuotaExceeded, None),
        (501, {}, StoreRefused, None),
        (400, {}, StoreRefused, None),
        (405, {}, StoreRefused, None),
        (413, {}, StoreRefused, None),
        (401, {}, AuthFailed, None),
        (403, {}, AuthFailed, None),
        (407, {}, Unreachable, None),
    ],
)
@pytest.mark.parametrize("what", ["list", "get", "put", "delete"])
def test_a_status_alone_says_what_kind_of_refusal_it_is(
    serve: Callable[..., FaultProxy], way: Http, what: str, status: int, headers: dict[str, str],
    kind: type[StoreError], retry_after: float | None,
) -> None:  # fmt: skip
    error = fails(lambda: act(store_at(serve(http(status, b"", headers)).address, way), what), kind)
    if isinstance(error, Throttled):
        assert error.retry_after == retry_after


# -- connections that are kept ---------------------------------------------------------------------------------------------


def test_one_connection_serves_many_requests(serve: Callable[..., FaultProxy], way: Http) -> None:
    server = serve(HONEST["get"])
    store = store_at(server.address, way)
    for _ in range(10):
        store.get("k")
    assert {asked.connection for asked in server.asked} == {0}


@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("what", ["list", "get", "put", "delete"])
def test_a_connection_that_was_closed_while_idle_is_replaced_unseen(
    serve: Callable[..., FaultProxy], way: Http, what: str, how: End
) -> None:
    server = serve(HONEST[what])
    store = store_at(server.address, way)
    for _ in range(5):
        assert act(store, what) == OUTCOMES[what]
        server.close_idle(how)


def test_a_connection_that_is_closed_when_it_is_used_again_is_replaced_unseen(
    serve: Callable[..., FaultProxy], way: Http
) -> None:
    # the server closes just as the second request arrives: it was read by nobody
    server = serve(lambda asked: HONEST["put"] if asked.turn == 0 else Play(end="rst"))
    store = store_at(server.address, way)
    for _ in range(3):
        store.write({"k": bytes(100_000)})
    assert [asked.turn for asked in server.asked] == [0, 1, 0, 1, 0]


def test_a_post_is_never_sent_twice(serve: Callable[..., FaultProxy], way: Http) -> None:
    server = serve(lambda asked: http(201) if asked.turn == 0 else Play(end="fin"))
    way.send("POST", server.address, headers={}, body=b"make")
    fails(lambda: way.send("POST", server.address, headers={}, body=b"make"), Unreachable)
    assert len(server.asked) == 2


def test_a_reply_that_is_lost_after_the_server_acted_is_an_error_and_sent_again_it_does_no_harm(
    serve: Callable[..., FaultProxy], way: Http
) -> None:
    server = serve(lambda asked: Play(end="fin") if asked.connection == 0 else HONEST["put"])
    store = store_at(server.address, way)
    fails(lambda: store.write({"k": BODY}), Unreachable)
    store.write({"k": BODY})
    assert [asked.body for asked in server.asked] == [BODY, BODY]


def test_what_one_reply_left_behind_is_not_taken_for_the_next(serve: Callable[..., FaultProxy], way: Http) -> None:
    planted = http(200, b"planted", OBJECT).reply
    server = serve(lambda asked: Play(HONEST["get"].reply + planted) if asked.turn == 0 else HONEST["get"])
    for _ in range(3):
        fails(lambda: way.send("GET", f"{server.address}/x", headers={}), Unreachable)
    assert {asked.turn for asked in server.asked} == {0}


def test_many_threads_share_the_way(serve: Callable[..., FaultProxy], way: Http) -> None:
    from concurrent.futures import ThreadPoolExecutor

    server = serve(lambda asked: http(200, asked.target.encode(), OBJECT))

    def ask(number: int) -> Reply:
        return way.send("GET", f"{server.address}/{number}", headers={})

    with ThreadPoolExecutor(6) as pool:
        said = list(pool.map(ask, range(200)))
    assert [reply.body for reply in said] == [b"/%d" % number for number in range(200)]
    assert len({asked.connection for asked in server.asked}) <= 6
