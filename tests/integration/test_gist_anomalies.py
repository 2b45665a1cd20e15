"""What the Gist service and the way to it are known to do wrong: nothing is lost, and nothing is taken for absence."""

from __future__ import annotations

import secrets
import threading

import pytest

from ghostie.backends.gist import MARKER, GistStore
from ghostie.backends.retry import Retrying
from ghostie.errors import AuthFailed, NotFound, StoreError, StoreRefused, Throttled, Unreachable

from .gists import OTHER, WRITER, Clock, a_store, segment
from .gistserver import TOKEN, GistServer, StoredGist

DESCRIPTION = f"ghostie {WRITER}"


def file_of(number: int) -> str:
    return f"gho~memories~{number}-{number}.{number:016x}.seg.txt"


def the_gist(server: GistServer) -> StoredGist:
    (gist,) = server.of(DESCRIPTION)
    return gist


def contents(store: GistStore) -> dict[str, bytes]:
    return {info.key: store.get(info.key) for info in store.list("")}


# -- what is shown only in part ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("empties_others", [False, True])
def test_what_a_gist_shows_in_part_is_read_from_its_own_address(
    server: GistServer, gists: GistStore, empties_others: bool, silent: bool
) -> None:
    server.switches.inline = 1000
    server.switches.silent = silent
    server.switches.empties_others = empties_others
    bodies = {segment(1): secrets.token_bytes(5000), segment(2): secrets.token_bytes(100), segment(3): b""}
    gists.write(bodies)
    reader = a_store(server)
    assert contents(reader) == bodies
    assert [info.size for info in reader.list("")] == [5000, 100, 0]
    assert contents(gists) == bodies


def test_a_part_whose_address_is_another_origin_is_an_error_and_that_origin_is_never_asked(
    server: GistServer, gists: GistStore
) -> None:
    elsewhere = GistServer()
    try:
        server.switches.inline = 10
        server.switches.raw_origin = elsewhere.raw.url
        gists.write({segment(1): b"sealed bytes"})
        with pytest.raises(StoreRefused, match="elsewhere"):
            gists.get(segment(1))
        assert elsewhere.asked() == []
    finally:
        elsewhere.stop()


def test_a_part_whose_address_is_not_that_of_its_content_is_an_error(server: GistServer, gists: GistStore) -> None:
    server.switches.inline = 10
    server.switches.raw_without_blob = True
    gists.write({segment(1): b"sealed bytes"})
    with pytest.raises(StoreRefused):
        gists.get(segment(1))


def test_stale_raw_contents_are_never_used(server: GistServer, gists: GistStore, clock: Clock) -> None:
    server.switches.inline = 10
    server.switches.stale_raw = True
    gists.write({segment(1): b"older bytes"})
    gists.write({segment(1): b"newer bytes"})
    with pytest.raises(Unreachable, match="older"):
        gists.get(segment(1))
    assert clock.slept() == [1.0, 1.0, 2.0, 4.0]
    server.switches.stale_raw = False
    assert gists.get(segment(1)) == b"newer bytes"


def test_where_a_single_file_cannot_be_had_the_whole_gist_is_asked(server: GistServer, gists: GistStore) -> None:
    gists.write({segment(1): secrets.token_bytes(600_000), segment(2): b"small"})
    server.switches.stale_raw = True
    reader = a_store(server)
    reader.list("")
    server.asked()
    assert reader.get(segment(2)) == b"small"
    assert server.asked() == ["GET 200", "GET raw 200"]


@pytest.mark.parametrize("by", ["too many files", "it says so"])
def test_a_gist_whose_files_are_not_all_listed_is_an_error(server: GistServer, gists: GistStore, by: str) -> None:
    gists.write({segment(number): b"x" for number in range(1, 20)})
    if by == "too many files":
        server.switches.listed = 10
    else:
        server.switches.truncates = True
    with pytest.raises(StoreRefused, match="more than"):
        gists.list("")
    server.switches.listed, server.switches.truncates = 300, False
    assert len(gists.list("")) == 19


def test_several_pages_of_gists_are_one_listing_and_a_poll_is_free_on_each(
    server: GistServer, gists: GistStore
) -> None:
    server.switches.page = 10
    for number in range(25):
        server.put(f"a person's own {number}", {"a.txt": "x"})
    writers = [f"{number:016x}" for number in range(15)]
    for writer in writers:
        gists.write({segment(1, writer=writer): writer.encode()})
    assert contents(a_store(server)) == {segment(1, writer=writer): writer.encode() for writer in writers}
    assert len(gists.list("")) == 15
    server.asked()
    assert len(gists.list("")) == 15
    assert server.asked() == ["GET 304"] * 4


def test_a_full_page_is_never_taken_for_the_last(server: GistServer, gists: GistStore) -> None:
    server.switches.links = False
    gists.write({segment(1): b"one"})
    for number in range(100):
        server.put(f"a person's own {number}", {"a.txt": "x"})
    assert [info.key for info in a_store(server).list("")] == [segment(1)]


def test_a_listing_that_moves_while_it_is_read_is_read_again_and_never_believed_half(
    server: GistServer, gists: GistStore
) -> None:
    server.switches.page = 10
    for number in range(25):
        gists.write({segment(1, writer=f"{number:016x}"): b"x"})
    reader = a_store(server)
    server.switches.moves = True
    with pytest.raises(Unreachable, match="changes while"):
        reader.list("")
    server.switches.moves = False
    assert len(reader.list("")) == 25


# -- what is not there yet, or not shown yet --------------------------------------------------------------------------


def test_a_gist_that_is_not_there_just_after_it_was_made_is_asked_for_again(
    server: GistServer, gists: GistStore, clock: Clock
) -> None:
    server.switches.hidden = 2
    gists.write({segment(1): b"one"})
    gists.write({segment(2): b"two"})
    assert server.asked() == ["GET 200", "POST 201", "PATCH 404", "PATCH 404", "PATCH 200"]
    assert clock.slept() == [1.0, 1.0, 2.0]
    the_gist(server).hidden = 1
    assert contents(gists) == {segment(1): b"one", segment(2): b"two"}
    the_gist(server).hidden = 99
    with pytest.raises(Unreachable, match="not there yet"):
        gists.write({segment(3): b"three"})


def test_a_listing_that_lags_behind_a_write_is_not_believed(server: GistServer, gists: GistStore) -> None:
    gists.write({segment(1): b"one"})
    server.switches.lag = 1
    assert [info.key for info in gists.list("")] == [segment(1)]
    gists.write({segment(2): b"two"})
    server.switches.lag = 2
    assert [info.key for info in gists.list("")] == [segment(1), segment(2)]
    gists.write({}, [segment(1)])
    server.switches.lag = 1
    assert [info.key for info in gists.list("")] == [segment(2)]


def test_a_listing_that_lags_within_the_same_second_is_not_believed(server: GistServer, gists: GistStore) -> None:
    gists.write({segment(1): b"one"})
    server.now -= 1
    gists.write({segment(2): b"two"})
    server.switches.lag = 1
    assert [info.key for info in gists.list("")] == [segment(1), segment(2)]


def test_a_gist_that_was_just_made_and_is_shown_nowhere_is_not_taken_for_gone(
    server: GistServer, gists: GistStore
) -> None:
    server.switches.hidden = 99
    gists.write({segment(1): b"one"})
    server.switches.lag = 1
    with pytest.raises(Unreachable, match="not there yet"):
        gists.list("")
    assert [info.key for info in gists.list("")] == [segment(1)]


def test_a_gist_that_is_listed_and_said_not_to_be_there_is_not_taken_for_gone(
    server: GistServer, gists: GistStore
) -> None:
    gists.write({segment(1): b"one"})
    server.switches.truncates = True
    the_gist(server).hidden = 99
    with pytest.raises(Unreachable, match="says is not there"):
        a_store(server).list("")


def test_a_listing_that_goes_back_is_not_believed_at_once_but_an_older_gist_is_passed_on_in_the_end(
    server: GistServer, gists: GistStore, clock: Clock
) -> None:
    gists.write({segment(1): b"one"})
    gists.write({segment(2): b"two"})
    reader = a_store(server, clock)
    both = [info.key for info in reader.list("")]
    server.switches.lag = 1
    assert [info.key for info in reader.list("")] == both == [segment(1), segment(2)]
    the_gist(server).versions.pop()
    clock.slept()
    assert [info.key for info in reader.list("")] == [segment(1)]
    assert clock.slept() == [1.0, 2.0, 4.0]
    assert [info.key for info in reader.list("")] == [segment(1)]
    assert clock.slept() == []


def test_a_lagging_listing_is_not_believed_by_the_next_run_either(server: GistServer, gists: GistStore) -> None:
    gists.write({segment(1): b"one"})
    after = a_store(server)
    after.restore(gists.state())
    server.switches.lag = 1
    assert [info.key for info in after.list("")] == [segment(1)]


def test_a_gist_that_somebody_deleted_is_gone_and_the_next_write_makes_another(
    server: GistServer, gists: GistStore, clock: Clock
) -> None:
    gists.write({segment(1): b"one", segment(1, writer=OTHER): b"other"})
    gists.list("")
    del server.gists[the_gist(server).id]
    assert [info.key for info in gists.list("")] == [segment(1, writer=OTHER)]
    with pytest.raises(NotFound):
        gists.get(segment(1))
    gists.write({segment(2): b"two"})
    clock.now += 1000
    del server.gists[the_gist(server).id]
    gists.write({segment(3): b"three"})
    assert [info.key for info in gists.list("")] == [segment(3), segment(1, writer=OTHER)]


def test_an_object_that_goes_between_listing_and_reading_is_not_found(server: GistServer, gists: GistStore) -> None:
    gists.write({segment(1): b"one", segment(2): b"two"})
    reader = a_store(server)
    reader.list("")
    gists.write({segment(3): b"three"}, [segment(1)])
    with pytest.raises(NotFound):
        reader.get(segment(1))
    assert reader.get(segment(3)) == b"three"


def test_a_deletion_that_the_gist_no_longer_fits_is_made_to_fit(server: GistServer, gists: GistStore) -> None:
    gists.write({segment(1): b"one", segment(2): b"two"})
    gists.list("")
    a_store(server).write({}, [segment(1)])
    server.asked()
    gists.write({segment(3): b"three"}, [segment(1), segment(2)])
    assert server.asked() == ["PATCH 422", "GET 200", "PATCH 200"]
    assert [info.key for info in gists.list("")] == [segment(3)]


def test_what_another_process_of_this_device_put_is_deleted_too(server: GistServer, gists: GistStore) -> None:
    gists.list("")
    a_store(server).write({segment(1): b"one"})
    gists.write({}, [segment(1)])
    assert gists.list("") == []


def test_a_change_that_is_accepted_and_not_kept_is_an_error(server: GistServer, gists: GistStore) -> None:
    gists.write({segment(1): b"one"})
    server.switches.drops_new = True
    with pytest.raises(Unreachable, match="did not keep"):
        gists.write({segment(2): b"two"})


# -- what is made twice -----------------------------------------------------------------------------------------------


def test_a_lost_reply_to_the_making_of_a_gist_does_not_make_two(server: GistServer, gists: GistStore) -> None:
    server.fault("lost after", "POST")
    with pytest.raises(Unreachable):
        gists.write({segment(1): b"one"})
    gists.write({segment(1): b"one"})
    assert the_gist(server).files.keys() == {MARKER, file_of(1)}


def test_gists_that_were_made_twice_are_read_as_one_and_the_oldest_is_written(
    server: GistServer, gists: GistStore
) -> None:
    server.fault("lost after", "POST")
    with pytest.raises(Unreachable):
        gists.write({segment(1): b"one", segment(2): b"two"})
    server.switches.lag = 1
    gists.write({segment(1): b"one", segment(2): b"two", segment(3): b"three"})
    older, newer = server.of(DESCRIPTION)
    gists.write({segment(4): b"four"})
    assert [file_of(4) in gist.files for gist in (older, newer)] == [False, True]  # it did not know of the other yet
    everything = {segment(1): b"one", segment(2): b"two", segment(3): b"three", segment(4): b"four"}
    assert contents(gists) == everything == contents(a_store(server))
    gists.write({segment(5): b"five"}, [segment(2), segment(4)])
    assert older.files.keys() == {MARKER, file_of(1), file_of(5)}
    assert newer.files.keys() == {MARKER, file_of(1), file_of(3)}
    left = {segment(1): b"one", segment(3): b"three", segment(5): b"five"}
    assert contents(gists) == left == contents(a_store(server))


def test_two_devices_that_make_the_common_gist_at_once_read_each_others(server: GistServer) -> None:
    one, two = a_store(server), a_store(server)
    assert one.list("") == two.list("") == []
    one.write({"ghostie/global/keys/1.key": b"1"})
    two.write({"ghostie/global/keys/2.key": b"2"})
    assert len(server.of("ghostie global")) == 2
    both = {"ghostie/global/keys/1.key": b"1", "ghostie/global/keys/2.key": b"2"}
    assert contents(one) == contents(two) == contents(a_store(server)) == both
    two.write({}, ["ghostie/global/keys/2.key"])
    assert contents(one) == {"ghostie/global/keys/1.key": b"1"}


def test_two_writers_at_once_lose_nothing(server: GistServer) -> None:
    failed: list[BaseException] = []

    def work(store: GistStore, writer: str) -> None:
        try:
            for number in range(1, 15):
                store.list("ghostie/")
                store.write({segment(number, writer=writer): f"{writer} {number}".encode()})
                store.write({f"ghostie/global/keys/{writer}-{number}.key": b"k"})
        except BaseException as error:
            failed.append(error)

    stores = {writer: a_store(server) for writer in (WRITER, OTHER)}
    stores[WRITER].write({"ghostie/global/keys/0.key": b"k"})
    server.fault("409", "PATCH", times=3)
    threads = [threading.Thread(target=work, args=(store, writer)) for writer, store in stores.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    expected = {segment(number, writer=writer) for writer in stores for number in range(1, 15)}
    expected |= {f"ghostie/global/keys/{writer}-{number}.key" for writer in stores for number in range(1, 15)}
    for store in (*stores.values(), a_store(server)):
        assert {info.key for info in store.list("")} == expected | {"ghostie/global/keys/0.key"}


# -- refusals that pass, and those that do not ------------------------------------------------------------------------


def test_a_clash_is_tried_again_and_then_reported(server: GistServer, gists: GistStore, clock: Clock) -> None:
    gists.write({segment(1): b"one"})
    clock.slept()
    server.fault("409", "PATCH", times=3)
    gists.write({segment(2): b"two"})
    assert clock.slept() == [1.0, 1.0, 2.0, 4.0]
    server.fault("409", "PATCH", times=4)
    with pytest.raises(Unreachable, match="busy"):
        gists.write({segment(3): b"three"})


def test_limits_are_told_apart_from_a_refused_token(server: GistServer, gists: GistStore) -> None:
    gists.write({segment(1): b"one"})
    reset = {"x_ratelimit_remaining": "0", "x_ratelimit_reset": str(server.now + 90)}
    secondary = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
    for status in (403, 429):
        for method in ("GET", "PATCH"):

            def refused(method: str = method) -> StoreError:
                gists.list("") if method == "PATCH" else None
                with pytest.raises(StoreError) as failed:
                    gists.list("") if method == "GET" else gists.write({segment(2): b"two"})
                return failed.value

            server.limit(status, method, said=secondary, retry_after="7")
            assert isinstance(error := refused(), Throttled) and error.retry_after == 7
            server.limit(status, method, said="API rate limit exceeded for user ID 1.", **reset)
            assert isinstance(error := refused(), Throttled) and error.retry_after == 90
            server.limit(status, method, said=secondary)
            assert isinstance(error := refused(), Throttled) and error.retry_after == 60
    server.limit(403, "GET", said="Resource not accessible by personal access token", x_ratelimit_remaining="4999")
    with pytest.raises(AuthFailed):
        gists.list("")
    server.fault("403", "GET", body=b'{"block": {"reason": "tos"}, "message": "Repository access blocked"}')
    with pytest.raises(StoreRefused, match="blocked"):
        gists.list("")
    server.fault("403", "GET", body=b"<!DOCTYPE html><title>Sign in to the network</title>")
    with pytest.raises(Unreachable, match="web page"):
        gists.list("")


def test_the_service_is_never_asked_for_a_conditional_write(server: GistServer, gists: GistStore) -> None:
    for number in range(1, 4):
        gists.list("")
        gists.write({segment(number): b"x"}, [segment(number - 1)])
    writes = [request for request in server.api.requests if request.method != "GET"]
    assert len(writes) == 3
    assert not any(name.startswith("if-") for request in writes for name in request.headers)


# -- the way to it ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["lost before", "lost after", "cut", "cut head", "page", "500", "502", "503"])
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
def test_whatever_happens_to_one_request_a_second_try_sets_it_right(
    server: GistServer, gists: GistStore, clock: Clock, kind: str, method: str
) -> None:
    store = Retrying(gists, sleep=clock.sleep, clock=clock)
    if method == "PATCH":
        store.write({segment(1): b"one"})
    server.fault(kind, method)
    store.write({segment(1): b"one", segment(2): b"two"})
    assert contents(a_store(server)) == contents(gists) == {segment(1): b"one", segment(2): b"two"}
    assert len(server.of(DESCRIPTION)) == 1
    assert all(TOKEN not in file for gist in server.gists.values() for file in gist.files.values())


@pytest.mark.parametrize("kind", ["lost before", "lost after", "cut", "cut head", "page", "500", "301"])
def test_a_reply_that_is_not_whole_or_not_the_services_is_never_an_empty_store(
    server: GistServer, gists: GistStore, kind: str
) -> None:
    gists.write({segment(1): b"one"})
    reader = a_store(server)
    server.fault(kind, "GET", times=9, headers={"Location": "https://elsewhere.invalid/"})
    with pytest.raises(Unreachable):
        reader.list("")
    with pytest.raises(StoreError) as failed:
        reader.get(segment(1))
    assert not isinstance(failed.value, NotFound)
    with pytest.raises(StoreError):
        reader.write({segment(2): b"two"})
    assert TOKEN not in str(failed.value)


def test_a_listing_cut_anywhere_is_an_error(server: GistServer, gists: GistStore) -> None:
    gists.write({segment(1): b"one"})
    gists.list("")
    size = server.api.requests[-1].sent
    for keep in range(0, size, size // 40):
        server.fault("cut", "GET", keep=keep)
        with pytest.raises(Unreachable):
            a_store(server).list("")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"{}",
        b'"gists"',
        b"[" * 500,
        b'[{"description": "ghostie %s"}]' % WRITER.encode(),
        b'[{"description": "ghostie %s", "id": "../x", "files": {}}]' % WRITER.encode(),
        b'[{"description": "ghostie %s", "id": "a", "created_at": "", "updated_at": "", "files": {"a": null}}]'
        % WRITER.encode(),
        b'[{"description": "ghostie %s", "id": "a", "created_at": "", "updated_at": "", "files": {"a": '
        b'{"size": -1, "raw_url": ""}}}]' % WRITER.encode(),
    ],
)
def test_an_answer_that_is_no_listing_is_an_error(server: GistServer, gists: GistStore, body: bytes) -> None:
    server.fault("200", "GET", body=body)
    with pytest.raises(Unreachable):
        gists.list("")
    assert gists.list("") == []


def test_a_file_said_to_be_enormous_is_refused_and_not_fetched(server: GistServer, gists: GistStore) -> None:
    gists.write({segment(1): b"one"})
    body = (
        b'[{"description": "ghostie %s", "id": "a", "created_at": "1", "updated_at": "9", "files": '
        b'{"%s": {"size": 99000000000, "raw_url": "%s/a/b/raw/%s/x"}}}]'
        % (WRITER.encode(), file_of(1).encode(), server.raw.url.encode(), b"0" * 40)
    )
    server.fault("200", "GET", body=body)
    reader = a_store(server)
    reader.list("")
    server.asked()
    with pytest.raises(StoreRefused, match="larger"):
        reader.get(segment(1))
    assert server.asked() == []
