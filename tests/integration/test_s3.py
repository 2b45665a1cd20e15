"""S3 against two real servers: the promises of every store, and what S3 has besides."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from ghostie.backends.s3 import LARGEST, PROBE, S3Store
from ghostie.backends.store import ObjectStore, open_store
from ghostie.errors import AuthFailed, NotFound, StoreRefused, Unreachable
from tests.conformance.objectstore import ObjectStoreContract

from .faultproxy import FaultProxy
from .s3servers import Server, moto, rclone, s3_server

pytestmark = pytest.mark.versions

__all__ = ["moto", "rclone", "s3_server"]

HOUR = 3600.0


class TestS3Store(ObjectStoreContract):
    line: FaultProxy

    @pytest.fixture(name="line")
    def _line(self, s3_server: Server) -> Iterator[FaultProxy]:
        """The way to the server, which a test may cut."""
        with FaultProxy(upstream=("127.0.0.1", s3_server.port)) as line:
            self.line = line
            yield line

    @pytest.fixture
    def store(self, s3_server: Server, line: FaultProxy) -> ObjectStore:
        return s3_server.store(endpoint=line.address, prefix="someone/elses")

    def vanish(self, store: ObjectStore) -> None:
        self.line.stop()


@pytest.fixture
def store(s3_server: Server) -> Iterator[S3Store]:
    made = s3_server.store()
    yield made
    made.close()


# -- setup ------------------------------------------------------------------------------------------------------------


def test_it_is_opened_by_its_options_and_credentials(s3_server: Server) -> None:
    options = {"endpoint": s3_server.address, "bucket": s3_server.new_bucket(), "create_only": "works"}
    store = open_store("s3", options, s3_server.secrets)
    store.write({"ghostie/a": b"1"})
    assert store.get("ghostie/a") == b"1"
    assert store.capabilities.create_only == "works"


def test_the_probe_finds_out_whether_the_server_creates_only_and_leaves_nothing(
    store: S3Store, s3_server: Server
) -> None:
    assert store.capabilities.create_only == "ignored"
    assert store.probe() == s3_server.create_only
    assert store.capabilities.create_only == s3_server.create_only
    assert store.list("") == []


def test_the_probe_leaves_alone_what_is_there(store: S3Store) -> None:
    store.write({"ghostie/a": b"1"})
    store.probe()
    assert [info.key for info in store.list("")] == ["ghostie/a"]


def test_two_prefixes_of_one_bucket_know_nothing_of_each_other(s3_server: Server) -> None:
    bucket = s3_server.new_bucket()
    whole, one, two = (s3_server.store(bucket=bucket, prefix=prefix) for prefix in ("", "a", "a/b"))
    one.write({"k": b"one"})
    two.write({"k": b"two"})
    assert [info.key for info in whole.list("")] == ["a/b/k", "a/k"]
    assert [info.key for info in one.list("")] == ["b/k", "k"]
    assert [info.key for info in two.list("")] == ["k"]
    assert (one.get("k"), two.get("k")) == (b"one", b"two")


# -- who asks ---------------------------------------------------------------------------------------------------------


def test_a_wrong_secret_is_told_apart_from_a_server_that_is_not_there(s3_server: Server) -> None:
    bucket = s3_server.new_bucket()
    for wrong in ({"secret_key": "wrong" * 8}, {"access_key": "AKIANOBODY0000000000"}):
        store = S3Store.from_options({"endpoint": s3_server.address, "bucket": bucket}, {**s3_server.secrets, **wrong})
        attempts: list[Callable[[], object]] = [
            partial(store.list, ""),
            partial(store.get, "k"),
            partial(store.write, {"k": b"1"}),
            partial(store.write, {}, ["k"]),
            store.probe,
        ]
        for attempt in attempts:
            with pytest.raises(AuthFailed) as failed:
                attempt()
            assert not any(secret in str(failed.value) for secret in (*s3_server.secrets.values(), *wrong.values()))


def test_the_policy_that_the_page_on_stores_shows_is_enough_and_reaches_no_other_bucket(moto: Server) -> None:
    page = (Path(__file__).parents[2] / "docs" / "backends.md").read_text()
    (policy,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    bucket, other = moto.new_bucket(), moto.new_bucket()
    store = S3Store.from_options(
        {"endpoint": moto.address, "bucket": bucket, "prefix": "vault1"},
        moto.new_user(policy.replace("BUCKET", bucket)),
    )
    assert store.probe() == "works"
    store.write({"ghostie/a": b"1", "ghostie/b": b"2"}, ["ghostie/absent"])
    store.write({}, ["ghostie/a"])
    assert [info.key for info in store.list("ghostie/")] == ["ghostie/b"]
    assert store.get("ghostie/b") == b"2"
    with pytest.raises(NotFound):
        store.get("ghostie/a")
    store._place = replace(store._place, bucket=other)
    attempts: list[Callable[[], object]] = [partial(store.list, ""), partial(store.write, {"k": b"1"})]
    for attempt in attempts:
        with pytest.raises(AuthFailed):
            attempt()


def test_a_bucket_that_is_not_there_is_no_empty_store(s3_server: Server) -> None:
    store = s3_server.store(bucket="nobody-made-this-one")
    with pytest.raises(Unreachable) as failed:
        store.list("")
    assert failed.value.lasting
    with pytest.raises(Unreachable):
        store.get("k")
    with pytest.raises(Unreachable):
        store.write({"k": b"1"})


@pytest.mark.parametrize("off", [-26 * HOUR, -HOUR, HOUR, 26 * HOUR])
def test_a_wrong_clock_is_put_right_by_the_server_and_remembered(s3_server: Server, off: float) -> None:
    with FaultProxy(upstream=("127.0.0.1", s3_server.port)) as line:
        store = s3_server.store(endpoint=line.address)
        store._clock = lambda: time.time() + off
        store.write({"k": b"1"})
        first = len(line.asked)
        assert store.get("k") == b"1"
        assert [info.key for info in store.list("")] == ["k"]
        assert len(line.asked) == first + 2, "what was learnt once is not asked again"
        if s3_server.name == "rclone":  # the other one takes any time
            assert store.skew == pytest.approx(-off, abs=5)


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "auto"])
def test_any_region_may_be_configured(s3_server: Server, region: str) -> None:
    store = s3_server.store(region=region)
    store.write({"k": b"1"})
    assert store.get("k") == b"1"


# -- addresses --------------------------------------------------------------------------------------------------------


def test_the_bucket_may_stand_in_the_path_or_in_the_name_of_the_host(moto: Server) -> None:
    bucket = moto.new_bucket()
    with FaultProxy(upstream=("127.0.0.1", moto.port)) as proxy:
        # nobody can look this name up: the proxy is asked for it
        by = {"endpoint": "http://s3.local.test", "plain_http": "yes", "proxy": proxy.address, "bucket": bucket}
        in_host, in_path = moto.store(style="virtual", **by), moto.store(style="path", **by)
        in_host.write({"a/b": b"1"})
        assert in_path.get("a/b") == b"1"
        assert in_path.list("") == in_host.list("")
        assert {asked.headers["host"] for asked in proxy.asked} == {f"{bucket}.s3.local.test", "s3.local.test"}


# -- much, and large --------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_a_listing_of_2500_objects_is_put_together_from_three_pages(s3_server: Server) -> None:
    keys = sorted(f"ghostie/{number % 16:x}/{number:05}" for number in range(2500))
    with FaultProxy(upstream=("127.0.0.1", s3_server.port)) as line:
        bucket = s3_server.new_bucket()
        s3_server.store(bucket=bucket).write(dict.fromkeys(keys, b"x"))
        store = s3_server.store(bucket=bucket, endpoint=line.address)
        assert [info.key for info in store.list("ghostie/")] == keys
        assert len(line.asked) == 3
        assert len(store.list("ghostie/7/")) == 156


def test_large_objects_come_back_whole(store: S3Store) -> None:
    bodies = {f"{name}/large": secrets.token_bytes(store.capabilities.best_size) for name in "abc"}
    store.write(bodies)
    assert all(store.get(key) == body for key, body in bodies.items())


def test_an_object_above_the_largest_size_is_refused_before_anything_is_sent(store: S3Store) -> None:
    with pytest.raises(StoreRefused):
        store.write({"small": b"x", "large": bytes(LARGEST + 1)})
    assert store.list("") == []


def test_many_are_deleted_at_once(store: S3Store) -> None:
    keys = [f"{number % 3}/{number}" for number in range(60)]
    store.write(dict.fromkeys(keys, b"x"))
    store.write({"kept": b"k"}, keys)
    assert [info.key for info in store.list("")] == ["kept"]


def test_other_programs_objects_and_folder_marks_are_not_listed(s3_server: Server) -> None:
    bucket = s3_server.new_bucket()
    store = s3_server.store(bucket=bucket)
    store.write({"ghostie/a": b"1"})
    for key in ("ghostie/with space", "ghostie/gr\N{LATIN SMALL LETTER U WITH DIAERESIS}n", "ghostie/a+b&c"):
        assert store._call("PUT", key, body=b"x").good  # spelt and signed as any key may be
    assert [info.key for info in store.list("ghostie/")] == ["ghostie/a"]


def test_an_idle_connection_that_the_server_closed_is_replaced_unseen(s3_server: Server) -> None:
    with FaultProxy(upstream=("127.0.0.1", s3_server.port)) as line:
        store = s3_server.store(endpoint=line.address)
        for round_ in range(4):
            store.write({"k": b"%d" % round_})
            line.close_idle()
            assert store.get("k") == b"%d" % round_
            line.close_idle()


def test_a_missing_object_is_not_found_even_below_another(store: S3Store) -> None:
    store.write({"a": b"1"})
    for key in ("b", "a/b", "a/b/c"):
        with pytest.raises(NotFound):
            store.get(key)


def test_credentials_are_nowhere_in_what_a_store_shows_of_itself(s3_server: Server) -> None:
    store = s3_server.store()
    shown = repr(store) + repr(store.__dict__)
    assert not any(secret in shown for secret in s3_server.secrets.values())


def test_probe_objects_are_no_part_of_a_vault() -> None:
    assert not PROBE.startswith("ghostie/")
