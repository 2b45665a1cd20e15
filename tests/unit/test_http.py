"""What the HTTP policy decides without a network: addresses, dates, statuses, patience."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ghostie.backends.http import (
    Http,
    Patience,
    Reply,
    check_proxy,
    check_url,
    http_date,
    is_loopback,
    refusal,
)
from ghostie.backends.wire import Exchange
from ghostie.errors import AuthFailed, StoreRefused, Throttled, Unreachable, UsageError

pytestmark = pytest.mark.versions

THEN = 1369353600.0  # Fri, 24 May 2013 00:00:00 GMT


def test_nothing_heavy_is_loaded_before_the_first_request() -> None:
    program = (
        "import sys; from ghostie.backends.http import Http; from ghostie.backends.store import open_store;"
        "from ghostie.backends.retry import Retrying;"
        "options = {'bucket': 'bkt'}; keys = {'access_key': 'a', 'secret_key': 'b'};"
        "Retrying(open_store('s3', options, keys)); Http();"
        "print(sorted({'requests', 'urllib3', 'ssl', 'http.client', 'ghostie.backends.wire'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# -- addresses ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://s3.example",
        "https://s3.example:8443/base",
        "https://10.0.0.7:9000",
        "https://[2001:db8::1]:9000",
        "http://localhost:9000",
        "http://vault.localhost",
        "http://127.0.0.1",
        "http://127.8.9.10:1",
        "http://[::1]:9000",
    ],
)
def test_an_address_that_is_encrypted_or_stays_on_this_device_is_taken(url: str) -> None:
    assert check_url(url).hostname


@pytest.mark.parametrize(
    "url",
    [
        "",
        "s3.example",
        "ftp://s3.example",
        "file:///etc/passwd",
        "https://",
        "https://:443",
        "https://host:port",
        "https://host:99999",
        "https://[::1",
        "https://gr\N{LATIN SMALL LETTER U WITH DIAERESIS}n.example",
        "http://s3.example",
        "http://10.0.0.7:9000",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://0x7f000001",
        "http://[::ffff:10.0.0.7]",
    ],
)
def test_another_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        check_url(url)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    for url in ("https://me:canary@s3.example", "https://canary@s3.example"):
        with pytest.raises(UsageError) as refused:
            check_url(url)
        assert "canary" not in f"{refused.value} {refused.value.way_out()}"
    for proxy in (
        "ftp://me:canary@proxy",
        "http://me:canary@",
        "http://me:canary@h:99999",
        "socks5://me:canary@proxy:1",
    ):
        with pytest.raises(UsageError) as refused:
            check_proxy(proxy)
        assert "canary" not in f"{refused.value} {refused.value.way_out()}"
        with pytest.raises(UsageError):
            Http(proxy=proxy)
    assert check_proxy("http://me:canary@proxy.example:3128")


def test_plain_http_elsewhere_is_refused_unless_it_is_allowed() -> None:
    with pytest.raises(UsageError):
        Http().send("GET", "http://s3.example/", headers={})
    assert check_url("http://s3.example", plain_http=True).scheme == "http"
    with pytest.raises(UsageError):
        check_url("ftp://s3.example", plain_http=True)


def test_this_device_has_many_names() -> None:
    assert all(is_loopback(host) for host in ("localhost", "a.localhost", "127.0.0.1", "127.1.2.3", "::1"))
    assert not any(is_loopback(host) for host in ("", "localhost.example", "10.0.0.1", "0.0.0.0", "::", "example"))


# -- dates, and how long to wait ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spelt",
    [
        "Fri, 24 May 2013 00:00:00 GMT",
        "Fri, 24 May 2013 02:00:00 +0200",
        "Friday, 24-May-13 00:00:00 GMT",
        "Fri May 24 00:00:00 2013",
    ],
)
def test_a_date_is_read_in_every_form_that_http_knows(spelt: str) -> None:
    assert http_date(spelt) == THEN


@pytest.mark.parametrize(
    "spelt", ["", "soon", "24", "Fri, 99 May 2013 00:00:00 GMT", "Fri, 24 May 99999999999 00:00:00 GMT", "\x00"]
)
def test_what_is_no_date_is_none(spelt: str) -> None:
    assert http_date(spelt) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("30", 30),
        (" 30 ", 30),
        ("Fri, 24 May 2013 00:01:00 GMT", 60),
        ("Thu, 23 May 2013 00:00:00 GMT", 0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("\N{SUPERSCRIPT TWO}", None),
        ("\N{ARABIC-INDIC DIGIT THREE}", None),
        ("inf", None),
        ("1" * 5000, 111_111_111),
    ],
)
def test_how_long_to_wait(value: str, seconds: float | None) -> None:
    assert Reply(429, {"retry-after": value}, b"", THEN).retry_after() == seconds


def test_how_long_to_wait_goes_by_the_servers_clock_if_it_has_one() -> None:
    until = {"retry-after": "Fri, 24 May 2013 00:01:00 GMT", "date": "Fri, 24 May 2013 00:00:50 GMT"}
    assert Reply(503, until, b"", THEN - 10**6).retry_after() == 10


# -- refusals ----------------------------------------------------------------------------------------------------------


def test_a_refusal_says_how_long_it_asks_to_be_left_alone() -> None:
    error = refusal(Reply(429, {"retry-after": "3600"}, b""))
    assert isinstance(error, Throttled)
    assert error.retry_after == 3600
    assert "3,600 s" in str(error)


def test_what_is_broken_behind_a_web_page_is_still_what_its_status_says() -> None:
    page = {"content-type": "text/html; charset=utf-8"}
    assert isinstance(refusal(Reply(503, page, b"<html>")), Throttled)
    assert isinstance(refusal(Reply(502, page, b"<html>")), Unreachable)
    for status in (200, 302, 401, 403, 404, 511):
        assert "web page" in str(refusal(Reply(status, page, b"<html>"))) or status == 511
    assert isinstance(refusal(Reply(401, {}, b"")), AuthFailed)
    assert isinstance(refusal(Reply(404, {}, b"")), StoreRefused)


def test_what_will_not_mend_soon_says_so() -> None:
    for status, lasting in ((302, True), (407, True), (500, False), (408, False)):
        error = refusal(Reply(status, {}, b""))
        assert isinstance(error, Unreachable) and error.lasting is lasting


# -- patience -----------------------------------------------------------------------------------------------------------


def test_what_a_request_may_take_grows_with_what_it_moves_up_to_a_bound() -> None:
    patience = Patience(answer=30, least_rate=8192, longest=900)
    assert [patience.allows(size) for size in (0, 8192, 1 << 20, 1 << 40)] == [30, 31, 158, 900]


def test_an_exchange_is_over_when_its_time_is() -> None:
    now = [0.0]
    exchange = Exchange(Patience(connect=3, silence=5, answer=10, least_rate=100), lambda: now[0], b"x" * 1000, 10**6)
    assert (exchange.to_connect(), exchange.to_send(), exchange.to_hear()) == (3, 5, 10)
    now[0] = 8
    assert (exchange.to_connect(), exchange.to_send(), exchange.to_hear()) == (2, 2, 2)
    assert len(exchange.read(500)) == 500  # which may take five seconds more
    assert exchange.to_hear() == 7
    exchange.took(100)
    assert exchange.to_hear() == 5, "once it has begun to answer, it may not fall silent"
    now[0] = 16
    assert exchange.is_over()
    with pytest.raises(TimeoutError):
        exchange.to_hear()


def test_an_exchange_takes_no_more_than_there_is_room_for() -> None:
    exchange = Exchange(Patience(), lambda: 0.0, b"", 100)
    exchange.took(100)
    with pytest.raises(OSError):
        exchange.took(1)
    assert exchange.overflowed


def test_an_exchange_knows_whether_all_was_sent() -> None:
    exchange = Exchange(Patience(), lambda: 0.0, b"abc", 100)
    assert not exchange.all_sent
    assert (exchange.read(2), exchange.all_sent) == (b"ab", False)
    assert (exchange.read(2), exchange.all_sent) == (b"c", True)
    exchange.cut_off()
    assert not exchange.all_sent
    exchange.begins(reused=False)
    assert exchange.read(9) == b"abc" and exchange.all_sent, "it can be sent again from the start"
