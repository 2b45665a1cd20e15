"""What S3 servers answer that the two real ones do not: regions, clocks, addresses, and refusals of every kind."""

from __future__ import annotations

import calendar
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from ghostie.backends.http import Http, Patience
from ghostie.backends.retry import BUDGET, Retrying
from ghostie.backends.s3 import S3Store
from ghostie.errors import AuthFailed, NotFound, QuotaExceeded, StoreError, StoreRefused, Throttled, Unreachable
from ghostie.sync.setup import try_out

from .faultproxy import Asked, FaultProxy, Play, Script, http

pytestmark = pytest.mark.versions

SECRETS = {"access_key": "AKIAGHOSTIE000000001", "secret_key": "canary/secret+key", "session_token": "canary/token+="}
XML = {"Content-Type": "application/xml"}
OBJECT = {"ETag": '"x"', "Content-Type": "application/octet-stream"}
GOOD = http(200, b"body", OBJECT)
STORED = http(200, b"", OBJECT)

THEN = calendar.timegm((2013, 5, 24, 0, 0, 0))  # what the stand-in's clock shows
DAY = 86_400


def error(status: int, code: str, more: str = "", headers: dict[str, str] | None = None) -> Play:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>canary</Message>{more}</Error>"
    return http(status, body.encode(), {**XML, **(headers or {})})


@pytest.fixture
def serve() -> Iterator[Callable[[Script], FaultProxy]]:
    running: list[FaultProxy] = []

    def start(script: Script) -> FaultProxy:
        running.append(FaultProxy(script).__enter__())
        return running[-1]

    yield start
    for server in running:
        server.stop()


Serve = Callable[[Script], FaultProxy]


def store_at(server: FaultProxy, *, now: float = THEN, **options: str) -> S3Store:
    store = S3Store.from_options({"endpoint": server.address, "bucket": "bkt", **options}, SECRETS)
    store._http = Http(patience=Patience(connect=3.0, silence=4.0, answer=5.0), plain_http=True)
    store._clock = lambda: now
    return store


def scope_of(asked: Asked) -> list[str]:
    """Return what a request was signed for: key, day, region, service."""
    return asked.headers["authorization"].partition("Credential=")[2].partition(",")[0].split("/")


# -- signed as it is sent ----------------------------------------------------------------------------------------------


def check_signature(asked: Asked) -> None:
    """Sign what arrived with botocore; it has to come to the same."""
    auth = pytest.importorskip("botocore.auth", reason="botocore, the oracle, is not here (it comes with moto)")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    value = asked.headers["authorization"]
    names = value.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    computed = ("x-amz-date", "x-amz-security-token")
    headers = {name: asked.headers[name] for name in names if name not in computed}
    request = AWSRequest(asked.method, f"http://{asked.headers['host']}{asked.target}", headers, asked.body)
    signer: Any = auth.S3SigV4Auth(Credentials(*SECRETS.values()), "s3", scope_of(asked)[2])
    now = time.strptime(asked.headers["x-amz-date"], "%Y%m%dT%H%M%SZ")
    before = auth.get_current_datetime
    auth.get_current_datetime = lambda remove_tzinfo=True: __import__("datetime").datetime(*now[:6])
    try:
        signer.add_auth(request)
    finally:
        auth.get_current_datetime = before
    assert request.headers["Authorization"] == value


def page(rows: str = "", more: str = "") -> Play:
    truncated = "true" if more else "false"
    token = f"<NextContinuationToken>{more}</NextContinuationToken>" if more else ""
    body = f"<ListBucketResult><IsTruncated>{truncated}</IsTruncated>{token}{rows}</ListBucketResult>"
    return http(200, body.encode(), XML)


@pytest.mark.parametrize("style", ["path", "virtual"])
@pytest.mark.parametrize("base", ["", "/gate/way"])
def test_every_request_carries_a_signature_that_botocore_comes_to_as_well(serve: Serve, style: str, base: str) -> None:
    proxy = serve(lambda asked: {"GET": GOOD, "PUT": STORED, "DELETE": http(204)}[asked.method])
    options = {
        "endpoint": f"http://s3.example.test:9000{base}",
        "style": style,
        "prefix": "a.b/c_d",
        "plain_http": "yes",
    }
    store = S3Store.from_options({**options, "bucket": "bkt", "proxy": proxy.address}, SECRETS)
    store.get("k/-_.~"[:5])
    store.write({"k": b"\x00\xff", "empty": b""}, ["gone"])
    with pytest.raises(Unreachable):
        store.list("k/")
    host = "bkt.s3.example.test:9000" if style == "virtual" else "s3.example.test:9000"
    assert len(proxy.asked) == 5
    for asked in proxy.asked:
        parts = urlsplit(asked.target)  # a proxy is shown the whole address
        assert (parts.netloc, asked.headers["host"]) == (host, host)
        bucket = f"{base}/" if style == "virtual" else f"{base}/bkt"
        assert parts.path.startswith(bucket if parts.query else f"{bucket.rstrip('/')}/a.b/c_d/")
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        check_signature(Asked(asked.method, target, asked.headers, asked.body, 0, 0))
        assert {"host", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"} <= set(
            asked.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
        )


@pytest.mark.parametrize(
    "token", ["a+b/=~", "%2F%zz", "\N{LATIN SMALL LETTER U WITH DIAERESIS}?#:@!$'()*,;", "a b", "&amp;&lt;x"]
)
def test_a_continuation_token_goes_back_byte_for_byte_and_signed(serve: Serve, token: str) -> None:
    first = page("<Contents><Key>a</Key><Size>1</Size><ETag>x</ETag></Contents>", token)
    server = serve(lambda asked: page() if "continuation-token" in asked.target else first)
    assert [info.key for info in store_at(server).list("")] == ["a"]
    for asked in server.asked:
        check_signature(asked)
    query = dict(parse_qsl(urlsplit(server.asked[1].target).query, keep_blank_values=True))
    assert query["continuation-token"] == token.replace("&amp;", "&").replace("&lt;", "<")


def test_amazons_own_address_goes_by_the_region() -> None:
    def address(**options: str) -> str:
        store = S3Store.from_options({"bucket": "bkt", **options}, SECRETS)
        return store._place.url(store.region, "k", "")

    assert address() == "https://bkt.s3.us-east-1.amazonaws.com/k"
    assert address(region="eu-west-3") == "https://bkt.s3.eu-west-3.amazonaws.com/k"
    assert address(region="cn-north-1") == "https://bkt.s3.cn-north-1.amazonaws.com.cn/k"
    assert address(bucket="dotted.name") == "https://s3.us-east-1.amazonaws.com/dotted.name/k"
    assert address(endpoint="s3.amazonaws.com", style="path") == "https://s3.us-east-1.amazonaws.com/bkt/k"
    assert address(endpoint="https://Host.Example/") == "https://host.example/bkt/k"
    assert address(endpoint="host.example:9000", style="virtual") == "https://bkt.host.example:9000/k"


@pytest.mark.parametrize(
    ("endpoint", "region"),
    [
        ("https://0123456789abcdef.r2.cloudflarestorage.com", "auto"),
        ("https://s3.us-west-004.backblazeb2.com", "us-west-004"),
        ("https://s3.fr-par.scw.cloud", "fr-par"),
        ("https://s3.eu-central-1.wasabisys.com", "eu-central-1"),
        ("https://s3-eu-west-1.amazonaws.com", "eu-west-1"),
        ("https://s3.my-company.com", "us-east-1"),
        ("https://nas.local:9000", "us-east-1"),
        ("", "us-east-1"),
    ],
)
def test_a_region_that_was_not_given_is_guessed_from_the_host(endpoint: str, region: str) -> None:
    assert S3Store.from_options({"bucket": "bkt", "endpoint": endpoint}, SECRETS).region == region


# -- region --------------------------------------------------------------------------------------------------------------


def in_region(region: str, refusal: Play, good: Play) -> Script:
    return lambda asked: good if scope_of(asked)[2] == region else refusal


@pytest.mark.parametrize(
    "refusal",
    [
        error(400, "AuthorizationHeaderMalformed", "<Region>eu-west-3</Region>"),
        error(301, "PermanentRedirect", "<Endpoint>x</Endpoint>", {"x-amz-bucket-region": "eu-west-3"}),
        error(400, "IncorrectEndpoint", "", {"x-amz-bucket-region": "eu-west-3"}),
        error(403, "SignatureDoesNotMatch", "<Region>eu-west-3</Region>"),
        error(307, "TemporaryRedirect", "", {"x-amz-bucket-region": "eu-west-3", "Location": "http://127.0.0.1:9/"}),
    ],
    ids=["malformed", "moved", "endpoint", "signature", "temporary"],
)
def test_the_right_region_is_taken_from_the_answer_and_remembered(serve: Serve, refusal: Play) -> None:
    server = serve(in_region("eu-west-3", refusal, GOOD))
    store = store_at(server)
    assert store.get("a") == store.get("b") == b"body"
    assert [scope_of(asked)[2] for asked in server.asked] == ["us-east-1", "eu-west-3", "eu-west-3"]
    assert store.region == "eu-west-3"


def test_many_threads_learn_the_region_together(serve: Serve) -> None:
    refusal = error(400, "AuthorizationHeaderMalformed", "<Region>eu-west-3</Region>")
    store = store_at(serve(in_region("eu-west-3", refusal, GOOD)))
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(store.get, [f"k{number}" for number in range(40)])) == {b"body"}


@pytest.mark.parametrize("named", ["", "us-east-1", "eu/../west", "x" * 200, "r\u00e9gion"])
def test_a_region_that_is_none_or_no_other_is_not_tried(serve: Serve, named: str) -> None:
    refusal = error(400, "AuthorizationHeaderMalformed", f"<Region>{named}</Region>")
    server = serve(lambda asked: refusal)
    with pytest.raises(Unreachable) as failed:
        store_at(server).get("k")
    assert failed.value.lasting
    assert len(server.asked) == 1


def test_a_server_that_sends_us_from_region_to_region_is_left(serve: Serve) -> None:
    server = serve(
        lambda asked: error(400, "AuthorizationHeaderMalformed", f"<Region>region-{len(server.asked)}</Region>")
    )
    with pytest.raises(Unreachable):
        store_at(server).get("k")
    assert len(server.asked) == 3


# -- clock ---------------------------------------------------------------------------------------------------------------


def by_the_clock(refusal: Play, good: Play = GOOD) -> Script:
    """A server that takes what was signed within a quarter of an hour of its own time."""

    def script(asked: Asked) -> Play:
        signed = calendar.timegm(time.strptime(asked.headers["x-amz-date"], "%Y%m%dT%H%M%SZ"))
        return good if abs(signed - THEN) < 900 else refusal

    return script


@pytest.mark.parametrize(
    "refusal",
    [
        error(403, "RequestTimeTooSkewed", "<ServerTime>2013-05-24T00:00:00Z</ServerTime>"),
        error(403, "RequestTimeTooSkewed"),
        error(400, "AccessDenied"),
        error(403, "RequestExpired"),
        error(403, "SignatureDoesNotMatch"),
        Play(
            error(403, "RequestTimeTooSkewed", "<ServerTime>2013-05-24T00:00:00Z</ServerTime>").reply.replace(
                b"\r\nDate: ", b"\r\nX-Date: "
            )
        ),
    ],
    ids=["both", "date", "denied", "expired", "signature", "server time"],
)
@pytest.mark.parametrize("off", [-10 * 365 * DAY, -DAY, 1000, 10 * 365 * DAY])
def test_a_wrong_clock_is_put_right_by_the_answer_and_remembered(serve: Serve, refusal: Play, off: int) -> None:
    server = serve(by_the_clock(refusal))
    store = store_at(server, now=THEN + off)
    assert store.get("a") == store.get("b") == b"body"
    assert len(server.asked) == 3
    assert store.skew == -off


def test_a_clock_that_is_put_right_meanwhile_is_believed_again(serve: Serve) -> None:
    server = serve(by_the_clock(error(403, "RequestTimeTooSkewed")))
    store = store_at(server, now=THEN + DAY)
    store.get("a")
    store._clock = lambda: THEN
    assert store.get("b") == b"body"
    assert store.skew == 0


def test_a_refusal_for_another_reason_does_not_move_a_clock_that_is_right(serve: Serve) -> None:
    server = serve(lambda asked: error(403, "AccessDenied"))
    store = store_at(server, now=THEN + 100)
    with pytest.raises(AuthFailed):
        store.get("k")
    assert (store.skew, len(server.asked)) == (0, 1)


def test_a_login_page_with_a_strange_date_does_not_move_the_clock(serve: Serve) -> None:
    server = serve(lambda asked: http(403, b"<html>", {"Content-Type": "text/html"}))
    store = store_at(server, now=THEN + DAY)
    with pytest.raises(Unreachable):
        store.get("k")
    assert (store.skew, len(server.asked)) == (0, 1)


def test_a_clock_that_no_correction_suits_is_said(serve: Serve) -> None:
    server = serve(lambda asked: error(403, "RequestTimeTooSkewed"))
    with pytest.raises(AuthFailed, match="clock"):
        store_at(server, now=THEN + DAY).get("k")
    assert len(server.asked) == 2


# -- refusals ------------------------------------------------------------------------------------------------------------

ACTIONS: dict[str, Callable[[S3Store], object]] = {
    "list": lambda store: store.list(""),
    "get": lambda store: store.get("k"),
    "put": lambda store: store.write({"k": b"1"}),
    "delete": lambda store: store.write({}, ["k"]),
}


@pytest.mark.parametrize("what", sorted(ACTIONS))
@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "AccessDenied", AuthFailed),
        (403, "InvalidAccessKeyId", AuthFailed),
        (403, "SignatureDoesNotMatch", AuthFailed),
        (400, "ExpiredToken", AuthFailed),
        (400, "InvalidToken", AuthFailed),
        (401, "Whatever", AuthFailed),
        (403, "Whatever", AuthFailed),
        (503, "SlowDown", Throttled),
        (503, "ServiceUnavailable", Throttled),
        (429, "TooManyRequests", Throttled),
        (429, "Whatever", Throttled),
        (409, "OperationAborted", Throttled),
        (500, "InternalError", Unreachable),
        (502, "Whatever", Unreachable),
        (400, "RequestTimeout", Unreachable),
        (400, "BadDigest", Unreachable),
        (400, "IncompleteBody", Unreachable),
        (404, "NoSuchBucket", Unreachable),
        (403, "QuotaExceeded", QuotaExceeded),
        (507, "XMinioStorageFull", QuotaExceeded),
        (400, "EntityTooLarge", StoreRefused),
        (403, "InvalidObjectState", StoreRefused),
        (405, "MethodNotAllowed", StoreRefused),
        (501, "NotImplemented", StoreRefused),
        (400, "InvalidRequest", StoreRefused),
        (412, "PreconditionFailed", StoreRefused),
    ],
)
def test_a_refusal_is_what_its_code_says(
    serve: Serve, what: str, status: int, code: str, kind: type[StoreError]
) -> None:
    server = serve(lambda asked: error(status, code))
    with pytest.raises(kind) as failed:
        ACTIONS[what](store_at(server))
    assert type(failed.value) is kind
    assert "canary" not in str(failed.value), "what a server writes is not shown"
    assert len(server.asked) == 1


def test_a_full_account_is_told_from_wrong_keys_by_its_words(serve: Serve) -> None:
    body = b"<Error><Code>AccessDenied</Code><Message>Cannot upload files, storage cap exceeded.</Message></Error>"
    with pytest.raises(QuotaExceeded):
        store_at(serve(lambda asked: http(403, body, XML))).write({"k": b"1"})


def test_slow_down_says_for_how_long(serve: Serve) -> None:
    server = serve(lambda asked: error(503, "SlowDown", "", {"Retry-After": "Fri, 24 May 2013 00:00:45 GMT"}))
    with pytest.raises(Throttled) as failed:
        store_at(server).get("k")
    assert failed.value.retry_after == 45


def test_only_s3_itself_may_say_that_an_object_is_not_there(serve: Serve) -> None:
    with pytest.raises(NotFound):
        store_at(serve(lambda asked: error(404, "NoSuchKey"))).get("k")
    for play in (
        http(404),
        http(404, b"404 page not found"),
        http(404, b"<Error/>"),
        http(410),
        error(404, "NoSuchUpload"),
    ):
        with pytest.raises(StoreError) as failed:
            store_at(serve(partial(lambda play, asked: play, play))).get("k")
        assert not isinstance(failed.value, NotFound)


def test_deleting_what_is_absent_is_no_error_however_it_is_said(serve: Serve) -> None:
    for play in (http(204), error(404, "NoSuchKey"), http(200, b"", {"x-amz-request-id": "1"})):
        store_at(serve(partial(lambda play, asked: play, play))).write({}, ["k"])


# -- order and parts of a write --------------------------------------------------------------------------------------------


def test_the_objects_of_a_folder_are_put_in_order_and_none_after_one_that_failed(serve: Serve) -> None:
    server = serve(lambda asked: http(500) if asked.target.endswith("/w/3") else STORED)
    put = {f"w/{number}": b"%d" % number for number in range(1, 7)}
    with pytest.raises(Unreachable) as failed:
        store_at(server).write(put, ["old"])
    assert [asked.target for asked in server.asked] == ["/bkt/w/1", "/bkt/w/2", "/bkt/w/3"]
    assert failed.value.put == {"w/1", "w/2"}


def test_folders_are_put_side_by_side_and_deletions_wait_for_all_of_them(serve: Serve) -> None:
    guard, under_way, most = threading.Lock(), 0, 0

    def slow(asked: Asked) -> Play:
        nonlocal under_way, most
        with guard:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.05)
        with guard:
            under_way -= 1
        return http(204) if asked.method == "DELETE" else STORED

    server = serve(slow)
    store_at(server).write(
        {f"{folder}/{n}": b"x" for folder in "abcd" for n in range(5)}, [f"old/{n}" for n in range(8)]
    )
    assert most > 1
    methods = [asked.method for asked in server.asked]
    assert methods == ["PUT"] * 20 + ["DELETE"] * 8
    for folder in "abcd":
        own = [asked.target for asked in server.asked if f"/{folder}/" in asked.target]
        assert own == sorted(own)


def test_a_write_that_is_cut_short_tells_the_gravest_reason(serve: Serve) -> None:
    def script(asked: Asked) -> Play:
        if "/b/" in asked.target:
            return error(403, "AccessDenied")
        time.sleep(0.5)  # so that what is refused has been asked before anything else fails
        return http(500)

    with pytest.raises(AuthFailed):
        store_at(serve(script)).write({f"{folder}/1": b"x" for folder in "abcd"})


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        (STORED, http(412), "works"),
        (STORED, error(412, "PreconditionFailed"), "works"),
        (STORED, STORED, "ignored"),
        (STORED, error(501, "NotImplemented"), "refused"),
        (error(501, "NotImplemented"), STORED, "refused"),
        (error(400, "InvalidArgument"), STORED, "refused"),
    ],
)
def test_the_probe_tells_how_a_store_creates(serve: Serve, first: Play, second: Play, outcome: str) -> None:
    kept: dict[str, bytes] = {}

    def script(asked: Asked) -> Play:
        if asked.method == "PUT":
            kept[asked.target] = asked.body
            if "if-none-match" in asked.headers:
                return second if sum("if-none-match" in each.headers for each in server.asked) > 1 else first
            return STORED
        if asked.method == "DELETE":
            del kept[asked.target]
            return http(204)
        return http(200, kept[asked.target], OBJECT)

    server = serve(script)
    store = store_at(server)
    assert store.probe() == store.capabilities.create_only == outcome
    assert kept == {}


def test_the_probe_finds_a_store_that_gives_back_something_else(serve: Serve) -> None:
    server = serve(lambda asked: {"GET": GOOD, "PUT": STORED, "DELETE": http(204)}[asked.method])
    with pytest.raises(StoreRefused):
        store_at(server).probe()
    assert server.asked[-1].method == "DELETE"


def test_a_store_that_asks_to_wait_at_every_third_request_is_set_up_all_the_same(serve: Serve) -> None:
    """Each request is made again by itself: were the whole try made again, it would never come through."""
    kept: dict[str, bytes] = {}

    def script(asked: Asked) -> Play:
        if len(server.asked) % 3 == 1:
            return error(503, "SlowDown")
        if asked.method == "PUT":
            kept[asked.target] = asked.body
            return STORED
        if asked.method == "DELETE":
            del kept[asked.target]
            return http(204)
        return http(200, kept[asked.target], OBJECT)

    server = serve(script)
    store = store_at(server)
    paused: list[float] = []
    assert store.tried_out(Retrying(store, sleep=paused.append).tried)["create_only"] == "ignored"
    assert len(paused) == 3
    assert kept == {}
    with pytest.raises(Throttled):
        store.tried_out(lambda request: request())


def test_setup_makes_a_request_again_as_a_sync_does(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[str] = []

    def script(asked: Asked) -> Play:
        tries.append(asked.method)
        return error(503, "SlowDown")

    server = serve(script)
    monkeypatch.setattr(Retrying, "_pause", lambda self, error, tries: 0.0)
    with pytest.raises(Throttled):
        try_out("s3", {"endpoint": server.address, "bucket": "bkt"}, SECRETS)
    assert tries[: BUDGET.tries] == ["PUT"] * BUDGET.tries
