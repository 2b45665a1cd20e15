"""What every object store has to keep. A new store is held to it by a class that says how to make one.

class TestNewStore(ObjectStoreContract):
    @pytest.fixture
    def store(self) -> NewStore: ...
    def vanish(self, store: ObjectStore) -> None: ...
"""

from __future__ import annotations

import secrets

import pytest

from ghostie.backends.store import ObjectStore
from ghostie.errors import NotFound, StoreError, StoreRefused, Unreachable

HOSTILE = (
    "",
    "/",
    "/absolute",
    "trailing/",
    "two//slashes",
    ".",
    "..",
    "../above",
    "a/../b",
    "a/./b",
    "a/..",
    ".hidden",
    "a/.hidden",
    ".tmp-0123456789abcdef",
    "a b",
    "a\nb",
    "a\n",
    "a\x00b",
    "a\\b",
    "C:evil",
    "~root",
    "$HOME",
    "a;b",
    "%2e%2e/b",
    "ключ",
    "a\udc80b",
    "x" * 129,
    "/".join("abcdefghi"),
)


class ObjectStoreContract:
    """The promises of `ObjectStore`, as tests. A subclass has the fixture `store`: one that is reachable and empty."""

    @pytest.fixture
    def store(self) -> ObjectStore:
        raise NotImplementedError

    def vanish(self, store: ObjectStore) -> None:
        """Make what *store* stands on go away: the drive is pulled out, the server does not answer."""
        raise NotImplementedError

    # -- listing ------------------------------------------------------------------------------------------------------

    def test_an_empty_store_lists_nothing(self, store: ObjectStore) -> None:
        assert store.list("") == []
        assert store.list("ghostie/") == []

    def test_a_listing_is_complete_and_in_the_order_of_the_keys(self, store: ObjectStore) -> None:
        keys = [f"ghostie/{number % 7:x}/memories/{number}-{number}.seg" for number in range(120)]
        store.write({key: key.encode() for key in keys})
        assert [info.key for info in store.list("ghostie/")] == sorted(keys)
        assert [info.size for info in store.list("ghostie/")] == [len(key) for key in sorted(keys)]

    def test_a_listing_has_what_begins_with_the_prefix_and_nothing_else(self, store: ObjectStore) -> None:
        keys = ["a/b/1", "a/b/2", "a/bc", "a/c/1", "ab", "b/a/b/1", "a/b-c", "a/b.c"]
        store.write(dict.fromkeys(keys, b"x"))
        for prefix in ("", "a", "a/", "a/b", "a/b/", "a/b/1", "a/b/12", "b", "c", "a/c/"):
            assert [info.key for info in store.list(prefix)] == sorted(key for key in keys if key.startswith(prefix))

    def test_a_tag_changes_when_the_bytes_do(self, store: ObjectStore) -> None:
        store.write({"k": b"one"})
        (before,) = store.list("")
        assert store.list("") == [before]
        store.write({"k": b"another"})
        (after,) = store.list("")
        assert before.tag != after.tag

    # -- reading ------------------------------------------------------------------------------------------------------

    def test_what_was_put_is_got_back_byte_for_byte(self, store: ObjectStore) -> None:
        bodies = {
            "every/byte": bytes(range(256)) * 3,
            "text": "grün\r\n\x00".encode(),
            "gzip": b"\x1f\x8b\x08 not really",
        }
        store.write(bodies)
        assert {key: store.get(key) for key in bodies} == bodies

    def test_a_missing_object_is_not_found(self, store: ObjectStore) -> None:
        store.write({"a/b": b"x"})
        for key in ("absent", "a", "a/c", "a/b/c", "absent/too"):
            with pytest.raises(NotFound):
                store.get(key)

    def test_an_empty_body_is_an_object(self, store: ObjectStore) -> None:
        store.write({"empty": b""})
        assert [(info.key, info.size) for info in store.list("")] == [("empty", 0)]
        assert store.get("empty") == b""

    def test_a_mebibyte_comes_back_whole(self, store: ObjectStore) -> None:
        body = secrets.token_bytes(1 << 20)
        store.write({"large": body})
        assert store.get("large") == body
        assert [info.size for info in store.list("large")] == [1 << 20]

    def test_a_key_may_be_eight_deep_and_128_long(self, store: ObjectStore) -> None:
        keys = ["a/b/c/d/e/f/g/h", "x" * 128, "-/_-/A.b", "0.0-0_0"]
        store.write({key: key.encode() for key in keys})
        assert [info.key for info in store.list("")] == sorted(keys)
        assert all(store.get(key) == key.encode() for key in keys)

    # -- writing ------------------------------------------------------------------------------------------------------

    def test_one_write_puts_and_then_deletes(self, store: ObjectStore) -> None:
        store.write({"old/1": b"1", "old/2": b"2", "kept": b"k"})
        store.write({"new/1-2": b"12"}, ["old/1", "old/2"])
        assert {info.key: store.get(info.key) for info in store.list("")} == {"kept": b"k", "new/1-2": b"12"}

    def test_writing_twice_is_writing_once(self, store: ObjectStore) -> None:
        store.write({"a": b"1", "b": b"2"})
        for _ in range(2):
            store.write({"c": b"3"}, ["a"])
        assert {info.key: store.get(info.key) for info in store.list("")} == {"b": b"2", "c": b"3"}

    def test_a_put_replaces_the_whole_object(self, store: ObjectStore) -> None:
        store.write({"k": b"a long body that was there before"})
        store.write({"k": b"short"})
        assert store.get("k") == b"short"
        assert [info.size for info in store.list("")] == [5]

    def test_deleting_what_is_absent_is_no_error(self, store: ObjectStore) -> None:
        store.write({}, ["never/was", "nor-was-this"])
        store.write({"a": b"1"}, ["never/was"])
        store.write({}, ["a"])
        store.write({}, ["a", "a/b"])
        assert store.list("") == []

    def test_writing_nothing_changes_nothing(self, store: ObjectStore) -> None:
        store.write({"a": b"1"})
        before = store.list("")
        store.write({})
        assert store.list("") == before

    def test_deletions_may_come_as_any_iterable(self, store: ObjectStore) -> None:
        store.write({"a": b"1", "b": b"2"})
        store.write({}, (key for key in ("a", "b")))
        assert store.list("") == []

    # -- limits -------------------------------------------------------------------------------------------------------

    def test_the_best_size_fits_below_the_largest(self, store: ObjectStore) -> None:
        capabilities = store.capabilities
        assert 0 < capabilities.best_size <= capabilities.largest_size
        assert capabilities.most_objects > 0
        assert capabilities.create_only in ("works", "ignored", "refused")

    @pytest.mark.parametrize("key", HOSTILE)
    def test_a_hostile_key_is_refused_and_nothing_is_touched(self, store: ObjectStore, key: str) -> None:
        store.write({"ghostie/a": b"1"})
        with pytest.raises((StoreRefused, NotFound)):
            store.get(key)
        with pytest.raises(StoreRefused):
            store.write({"ghostie/b": b"2", key: b"evil"})
        with pytest.raises(StoreRefused):
            store.write({"ghostie/c": b"3"}, ["ghostie/a", key])
        assert {info.key: store.get(info.key) for info in store.list("")} == {"ghostie/a": b"1"}

    def test_a_store_that_vanished_is_unreachable_and_never_empty(self, store: ObjectStore) -> None:
        store.write({"a": b"1"})
        self.vanish(store)
        with pytest.raises(Unreachable):
            store.list("")
        with pytest.raises(StoreError) as failed:
            store.get("a")
        assert not isinstance(failed.value, NotFound)
        with pytest.raises(Unreachable):
            store.write({"b": b"2"})
        with pytest.raises(Unreachable):
            store.write({}, ["a"])
