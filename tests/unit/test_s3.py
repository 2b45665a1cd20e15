"""S3 without a server: how it is configured, and how strictly its XML is read."""

from __future__ import annotations

import contextlib
import threading

import pytest

from ghostie.backends.parallel import in_parallel
from ghostie.backends.s3 import S3Store
from ghostie.backends.s3api import BadReply, fault, page, parse
from ghostie.backends.store import ObjectInfo, open_store
from ghostie.errors import AuthFailed, StoreRefused, Unreachable, UsageError
from tests.patience import little_memory, little_time

pytestmark = pytest.mark.versions

KEYS = {"access_key": "AKIACANARY", "secret_key": "canary/secret"}


# -- options -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bucket": ""},
        {"bucket": "b"},
        {"bucket": "a/b"},
        {"bucket": "../up"},
        {"bucket": "with space"},
        {"bucket": "bkt", "style": "sideways"},
        {"bucket": "bkt", "region": "eu west"},
        {"bucket": "bkt", "region": "eu/west"},
        {"bucket": "bkt", "prefix": "a b"},
        {"bucket": "bkt", "prefix": "../up"},
        {"bucket": "bkt", "prefix": "a//b"},
        {"bucket": "bkt", "endpoint": "http://s3.example"},
        {"bucket": "bkt", "endpoint": "https://me:canary@s3.example"},
        {"bucket": "bkt", "endpoint": "https://s3.example/?x=1"},
        {"bucket": "bkt", "endpoint": "https://s3.example/#x"},
        {"bucket": "bkt", "endpoint": "https://s3.example/a b"},
        {"bucket": "bkt", "endpoint": "gopher://s3.example"},
        {"bucket": "bkt", "proxy": "http://me:canary@proxy.example:3128"},
        {"bucket": "bkt", "proxy": "proxy"},
        {"bucket": "bkt", "authorities": "/nowhere/at/all.pem"},
    ],
)
def test_options_that_make_no_store_are_said_and_show_no_secret(options: dict[str, str]) -> None:
    with pytest.raises(UsageError) as refused:
        open_store("s3", options, KEYS)
    assert "canary" not in f"{refused.value} {refused.value.way_out()}"


@pytest.mark.parametrize(
    "secrets",
    [
        {},
        {"access_key": "AKIACANARY"},
        {"secret_key": "canary"},
        {"access_key": "", "secret_key": "canary"},
        {"access_key": "AKIACANARY", "secret_key": "  "},
        {"access_key": "AKIACANARY", "secret_key": "canary canary"},
        {"access_key": "AKIACANARY", "secret_key": "canary\ncanary"},
        {"access_key": "AKIACANARY\x00", "secret_key": "canary"},
        {"access_key": "AKIACANARY", "secret_key": "canary\N{EURO SIGN}"},
        {**KEYS, "session_token": "canary canary"},
    ],
)
def test_credentials_that_are_none_are_said_and_not_shown(secrets: dict[str, str]) -> None:
    with pytest.raises(UsageError) as refused:
        open_store("s3", {"bucket": "bkt"}, secrets)
    assert "canary" not in f"{refused.value} {refused.value.way_out()}".lower()


def test_credentials_may_end_in_a_line_break_as_files_do() -> None:
    S3Store.from_options({"bucket": "bkt"}, {name: f"{value}\n" for name, value in KEYS.items()})


@pytest.mark.parametrize(
    ("said", "known"), [("works", "works"), ("refused", "refused"), ("", "ignored"), ("x", "ignored")]
)
def test_what_the_probe_found_is_taken_from_the_options(said: str, known: str) -> None:
    store = S3Store.from_options({"bucket": "bkt", "create_only": said}, KEYS)
    assert store.capabilities.create_only == known


def test_a_key_that_is_too_long_with_its_prefix_is_refused() -> None:
    store = S3Store.from_options({"bucket": "bkt", "prefix": "p" * 100}, KEYS)
    with pytest.raises(StoreRefused):
        store.get("/".join(["k" * 128] * 8))


# -- listings ------------------------------------------------------------------------------------------------------------

ROW = "<Contents><Key>p/a</Key><LastModified>x</LastModified><ETag>&quot;t&quot;</ETag><Size>3</Size></Contents>"


def listing(
    inner: str = ROW, *, truncated: str = "<IsTruncated>false</IsTruncated>", outer: str = "ListBucketResult"
) -> bytes:
    return f'<?xml version="1.0"?><{outer} xmlns="http://s3.amazonaws.com/doc/">{truncated}{inner}</{outer}>'.encode()


def test_a_listing_is_read() -> None:
    assert page(listing(), "bkt", "p/").rows == (ObjectInfo("p/a", 3, "t"),)
    assert page(listing(), "bkt", "p/").next is None
    more = "<IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b</NextContinuationToken>"
    assert page(listing(truncated=more), "bkt", "p/").next == "a&b"
    assert page(listing(""), "bkt", "p/").rows == ()


def test_a_listing_may_be_spelt_as_other_servers_do() -> None:
    spelt = (
        b"\xef\xbb\xbf<?xml version='1.0' encoding='UTF-8'?>\n<s3:ListBucketResult xmlns:s3='x'>\n <s3:Name>bkt</s3:Name>"
        b"<s3:EncodingType>url</s3:EncodingType><s3:KeyCount>1</s3:KeyCount><s3:IsTruncated>false</s3:IsTruncated>"
        b'<s3:Contents>\n<s3:Key>p%2Fa</s3:Key><s3:Size>3</s3:Size><s3:ETag><![CDATA["t"]]></s3:ETag></s3:Contents>'
        b"</s3:ListBucketResult>\n"
    )
    assert page(spelt, "bkt", "p/").rows == (ObjectInfo("p/a", 3, "t"),)


BOMB = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"not xml",
        b"\x00",
        b'{"json": true}',
        listing()[:-5],
        listing() + b"<more/>",
        listing(outer="Error"),
        listing(outer="ListAllMyBucketsResult"),
        listing(ROW + "<Name>other</Name>"),
        listing(truncated=""),
        listing(truncated="<IsTruncated>maybe</IsTruncated>"),
        listing(truncated="<IsTruncated>true</IsTruncated>"),
        listing(truncated="<IsTruncated>true</IsTruncated><NextMarker>p/a</NextMarker>"),
        listing(ROW + "<KeyCount>2</KeyCount>"),
        listing(ROW.replace("p/a", "q/a")),
        listing(ROW.replace("<Key>p/a</Key>", "")),
        listing(ROW.replace("<Size>3</Size>", "")),
        listing(ROW.replace("<Size>3", "<Size>-3")),
        listing(ROW.replace("<Size>3", "<Size>3e9")),
        listing(ROW.replace("<Size>3", "<Size>" + "9" * 5000)),
        listing(ROW.replace("<Size>3", "<Size>\N{ARABIC-INDIC DIGIT THREE}")),
        listing(ROW * 1001),
        listing("<x>" * 10 + "</x>" * 10),
        b"<x>" * 100_000,
        listing("<x/>" * 50_000),
        BOMB.encode() + b"<ListBucketResult>&b;</ListBucketResult>",
        BOMB.encode("utf-16"),
        b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><ListBucketResult/>',
        b'<?xml version="1.0" encoding="utf-7"?><ListBucketResult/>',
        listing("&undefined;"),
        listing('<x a1="" a2="" a1=""/>'),
        b"\xff\xfe" + listing().decode().encode("utf-16-le"),
    ],
    ids=lambda body: str(len(body)),
)
def test_what_is_no_listing_of_ours_is_refused(body: bytes) -> None:
    with pytest.raises(BadReply):
        page(body, "bkt", "p/")


def test_hostile_xml_costs_little() -> None:
    for body in (listing("<x/>" * 500_000), b"<x>" * 700_000, listing("&#10;" * 400_000), listing("\n" * 2_000_000)):
        with little_time(3), little_memory(24 << 20), contextlib.suppress(BadReply):
            parse(body)


def test_every_byte_of_a_listing_may_be_changed_or_cut_without_another_error() -> None:
    whole = listing(ROW * 2 + "<KeyCount>2</KeyCount>")
    for at in range(len(whole)):
        for body in (
            whole[:at],
            whole[:at] + bytes([whole[at] ^ 0x20]) + whole[at + 1 :],
            whole[:at] + b"\xff" + whole[at + 1 :],
        ):
            try:
                page(body, "bkt", "p/")
            except BadReply:
                continue
            assert len(body) == len(whole), "a listing that is cut is never a listing"


# -- complaints ----------------------------------------------------------------------------------------------------------


def test_a_complaint_is_read() -> None:
    said = fault(b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code><Region>eu-west-3</Region></Error>")
    assert said is not None
    assert (said.code, said.region, said.time) == ("NoSuchKey", "eu-west-3", None)
    said = fault(b"<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>")
    assert said is not None and said.code == "Throttling"
    said = fault(b"<Error><Code>RequestTimeTooSkewed</Code><ServerTime>2013-05-24T00:00:00Z</ServerTime></Error>")
    assert said is not None and said.time == 1369353600


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Not found</body></html>",
        b"<Error/>",
        b"<Error><Code/></Error>",
        b"<Error><Code>\x1b[2J</Code></Error>",
        "<Error><Code>No\N{RIGHT-TO-LEFT OVERRIDE}Such</Code></Error>".encode(),
        b"<Error><Code>" + b"x" * 65 + b"</Code></Error>",
        b"<!DOCTYPE Error><Error><Code>NoSuchKey</Code></Error>",
        b"<Fault><Code>NoSuchKey</Code></Fault>",
    ],
)
def test_what_is_no_complaint_of_s3_is_none(body: bytes) -> None:
    assert fault(body) is None


# -- a few things at once ------------------------------------------------------------------------------------------------


def test_things_happen_at_once_and_all_of_them() -> None:
    together, done = threading.Barrier(4), list[int]()

    def task(number: int) -> None:
        if number < 4:
            together.wait(5)
        done.append(number)

    in_parallel([lambda number=number: task(number) for number in range(20)])  # type: ignore[misc]
    assert sorted(done) == list(range(20))


def test_one_thing_is_done_where_it_was_asked_for() -> None:
    where = list[threading.Thread]()
    in_parallel([lambda: where.append(threading.current_thread())])
    in_parallel([])
    assert where == [threading.current_thread()]


def test_after_a_failure_nothing_new_begins_and_the_gravest_is_told() -> None:
    begun = list[int]()
    together = threading.Barrier(2)

    def task(number: int) -> None:
        begun.append(number)
        if number < 2:
            together.wait(5)
            raise (Unreachable(why="x"), AuthFailed(why="x"))[number]

    with pytest.raises(AuthFailed):
        in_parallel([lambda number=number: task(number) for number in range(50)], workers=2)  # type: ignore[misc]
    assert len(begun) < 5
