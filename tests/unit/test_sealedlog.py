"""A sealed log gives back what was appended; what a crash or a hand broke costs those entries and no others."""

from __future__ import annotations

import errno
import os
import secrets
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ghostie import files
from ghostie.crypto.keys import first_epoch, new_keys, next_epoch
from ghostie.crypto.sealing import FRAME, OVERHEAD, SMALLEST, Keys, Purpose, SealError, seal
from ghostie.errors import CannotRead, CannotWrite
from ghostie.vault.sealedlog import SealedLog
from tests.patience import within

pytestmark = pytest.mark.versions

HEAD = 20
LOG_KEYS = first_epoch(bytes(range(32)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.enc"


@pytest.fixture
def log(path: Path, keys: Keys) -> SealedLog:
    return SealedLog(path, keys, Purpose.JOURNAL, "index")


def entries(count: int, start: int = 0) -> list[bytes]:
    return [b"entry %d" % n for n in range(start, start + count)]


def frames(raw: bytes) -> list[tuple[int, int]]:
    """Return where each frame of a whole log begins and ends."""
    found, at = [], HEAD
    while at < len(raw):
        end = at + 4 + int.from_bytes(raw[at : at + 4], "big")
        found.append((at, end))
        at = end
    assert at == len(raw)
    return found


# -- appending and reading -------------------------------------------------------------------------------------------


def test_entries_are_read_in_the_order_in_which_they_were_appended(log: SealedLog) -> None:
    log.append(entries(3))
    log.append(entries(1, 3))
    log.append([])
    log.append(entries(2, 4))
    assert log.read() == entries(6)
    assert not log.damaged


def test_entries_of_every_size_make_the_round_trip(log: SealedLog) -> None:
    kept = [b"", b"\0", os.urandom(1000), bytes(100_000), b"GHO1" * 500, b"GHOL"]
    for entry in kept:
        log.append([entry])
    assert log.read() == kept


def test_an_absent_log_has_no_entries_and_is_not_damaged(log: SealedLog, path: Path) -> None:
    assert log.read() == []
    assert not log.damaged
    assert log.state() == (0, None)
    assert not path.exists()


def test_another_reader_sees_what_was_appended(log: SealedLog, path: Path, keys: Keys) -> None:
    log.append(entries(2))
    assert SealedLog(path, keys, Purpose.JOURNAL, "index").read() == entries(2)


def test_an_append_adds_to_the_file_and_touches_nothing_that_was_there(log: SealedLog, path: Path) -> None:
    log.append(entries(5))
    before = path.read_bytes()
    log.append(entries(1, 5))
    assert path.read_bytes().startswith(before)
    assert log.state() == (path.stat().st_size, before[4:HEAD])


def test_replacing_takes_the_place_of_all_and_begins_a_new_generation(log: SealedLog) -> None:
    log.append(entries(5))
    _, before = log.state()
    log.replace(entries(2, 100))
    assert log.read() == entries(2, 100)
    assert log.state()[1] != before
    log.replace()
    assert (log.read(), log.damaged) == ([], False)
    log.append(entries(1))
    assert log.read() == entries(1)


def test_a_generation_can_be_given(log: SealedLog) -> None:
    log.replace(entries(1), generation=b"g" * 16, durable=False)
    assert (log.state()[1], log.read()) == (b"g" * 16, entries(1))


def test_nothing_that_was_said_shows_in_the_file(log: SealedLog, path: Path) -> None:
    log.append([b"the NAS answers on 10.0.0.7"])
    assert b"NAS" not in path.read_bytes()
    assert b"index" not in path.read_bytes()


def test_entries_of_an_older_epoch_still_open(log: SealedLog, path: Path, keys: Keys) -> None:
    log.append(entries(2))
    newer = SealedLog(path, next_epoch(keys), Purpose.JOURNAL, "index")
    newer.append(entries(2, 2))
    assert newer.read() == entries(4)
    assert (log.read(), log.damaged) == (entries(2), True)


def test_an_entry_that_would_never_open_again_is_not_appended(log: SealedLog, path: Path, keys: Keys) -> None:
    small = SealedLog(path, keys, Purpose.CREDENTIAL, "small")
    small.append(entries(1))
    with pytest.raises(SealError):
        small.append([bytes(Purpose.CREDENTIAL.limit + 1)])
    assert (small.read(), small.damaged) == (entries(1), False)


# -- torn and broken -------------------------------------------------------------------------------------------------


def test_a_tail_torn_at_any_byte_costs_its_own_entry_alone(log: SealedLog, path: Path) -> None:
    log.append(entries(3))
    whole = path.read_bytes()
    start, end = frames(whole)[-1]
    for cut in range(start, end):
        path.write_bytes(whole[:cut])
        assert log.read() == entries(2)
        assert log.damaged == (cut > start)


def test_what_is_appended_after_a_torn_tail_is_found_again(log: SealedLog, path: Path) -> None:
    log.append(entries(3))
    whole = path.read_bytes()
    start, end = frames(whole)[-1]
    for cut in range(start + 1, end):
        path.write_bytes(whole[:cut])
        log.append(entries(1, 10))
        log.append(entries(2, 11))
        assert log.read() == entries(2) + entries(3, 10)
        assert log.damaged


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_a_torn_tail_that_the_next_entry_completes_costs_neither(
    log: SealedLog, path: Path, missing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.append(entries(1))
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(secrets, "token_bytes", lambda size: b"n" * size)  # so that the key stream is known
        trial = bytes(SMALLEST - FRAME)
        log.append([trial])
        key_stream = path.read_bytes()[-missing:]
        path.write_bytes(before)
        beginning = (OVERHEAD + SMALLEST).to_bytes(4, "big")[:missing]  # of the next frame: its length
        torn = trial[:-missing] + bytes(one ^ other for one, other in zip(key_stream, beginning, strict=True))
        log.append([torn])
    whole = path.read_bytes()
    assert whole[-missing:] == beginning
    path.write_bytes(whole[:-missing])
    log.append(entries(3, 1))
    assert (log.read(), log.damaged) == ([*entries(1), torn, *entries(3, 1)], True)


@given(data=st.data())
def test_what_is_acknowledged_is_read_whatever_was_torn_between(data: st.DataObject) -> None:
    """Append, tear the tail or add junk to it, append again, … : every entry appended whole is read, in order."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        path = Path(folder) / "log"
        log = SealedLog(path, LOG_KEYS, Purpose.OPERATION, "operations")
        log.append([b"first"], durable=False)
        kept = [b"first"]
        for number in range(data.draw(st.integers(1, 8))):
            before = path.read_bytes()
            entry = b"%d " % number + bytes(data.draw(st.sampled_from([0, 1, 230, 240, 3000])))
            log.append([entry], durable=False)
            whole = path.read_bytes()
            frame = whole[len(before) :]
            happening = data.draw(st.sampled_from(["whole", "torn", "torn late", "junk"]))
            if happening == "torn":
                path.write_bytes(before + frame[: data.draw(st.integers(0, len(frame) - 1))])
            elif happening == "torn late":
                zeroed = frame[:-3] + bytes(data.draw(st.integers(0, 2)))
                path.write_bytes(before + zeroed)
            else:
                kept.append(entry)
                if happening == "junk":
                    pieces = [b"GHO1", b"GHO", b"G", bytes(1), bytes(3), frame[:8], frame[:30], b"\xff", before[:24]]
                    tail = st.lists(st.sampled_from(pieces), min_size=1, max_size=6)
                    path.write_bytes(whole + b"".join(data.draw(tail)))
        log.append([b"last"], durable=False)
        found = log.read()
        assert [entry for entry in found if entry in kept] == kept
        assert found[-1] == b"last"


def test_a_tail_of_zeros_or_junk_is_passed_over(log: SealedLog, path: Path) -> None:
    log.append(entries(3))
    whole = path.read_bytes()
    for tail in (bytes(1), bytes(4), bytes(4096), b"\xff" * 100, os.urandom(500), b"GHO1", b"GHO1" * 50, whole[:HEAD]):
        path.write_bytes(whole + tail)
        assert (log.read(), log.damaged) == (entries(3), True)
        log.append(entries(1, 3))
        assert log.read() == entries(4)


def test_any_broken_byte_costs_one_entry_alone(log: SealedLog, path: Path) -> None:
    log.append(entries(3))
    whole = path.read_bytes()
    start, end = frames(whole)[1]
    for at in range(start, end):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :])
        assert log.read() == [b"entry 0", b"entry 2"]
        assert log.damaged


def test_garbage_in_the_middle_costs_what_it_covers(log: SealedLog, path: Path) -> None:
    log.append(entries(10))
    whole = path.read_bytes()
    places = frames(whole)
    for first, last in ((0, 0), (3, 6), (1, 8), (0, 8)):
        start, end = places[first][0], places[last][1]
        for garbage in (bytes, os.urandom, lambda size: (b"GHO1" * size)[:size], lambda size: b"\xff" * size):
            path.write_bytes(whole[:start] + garbage(end - start) + whole[end:])
            assert log.read() == entries(first) + entries(9 - last, last + 1)
            assert log.damaged


def test_bytes_put_in_or_taken_out_move_what_follows_and_so_cost_it(log: SealedLog, path: Path) -> None:
    log.append(entries(5))
    whole = path.read_bytes()
    start, end = frames(whole)[2]
    for changed in (
        whole[:start] + whole[end:],
        whole[:start] + b"x" + whole[start:],
        whole[:start] + whole[start + 1 :],
    ):
        path.write_bytes(changed)
        assert (log.read(), log.damaged) == (entries(2), True)


@pytest.mark.parametrize("size", range(HEAD))
def test_a_log_torn_in_its_head_is_damaged_and_can_be_begun_anew(log: SealedLog, path: Path, size: int) -> None:
    log.append(entries(2))
    path.write_bytes(path.read_bytes()[:size])
    assert (log.read(), log.damaged) == ([], True)
    log.append(entries(1))
    assert (log.read(), log.damaged) == (entries(1), False)


@pytest.mark.parametrize("junk", [b"", b"x", b"GHOL", b"GHOX" + bytes(100), bytes(1000), b"GHO1" * 100])
def test_what_is_no_log_is_damaged(log: SealedLog, path: Path, junk: bytes) -> None:
    path.write_bytes(junk)
    assert (log.read(), log.damaged) == ([], True)
    assert log.state()[1] is None


def test_a_head_that_was_changed_opens_nothing(log: SealedLog, path: Path) -> None:
    log.append(entries(3))
    whole = path.read_bytes()
    for at in range(4, HEAD):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert (log.read(), log.damaged) == ([], True)


def test_a_read_after_the_damage_is_gone_says_so(log: SealedLog, path: Path) -> None:
    log.append(entries(1))
    whole = path.read_bytes()
    path.write_bytes(whole + b"junk")
    log.read()
    assert log.damaged
    path.write_bytes(whole)
    log.read()
    assert not log.damaged


# -- moved and mixed -------------------------------------------------------------------------------------------------


def test_frames_cannot_be_swapped_repeated_or_dropped(log: SealedLog, path: Path) -> None:
    log.append(entries(4))
    whole = path.read_bytes()
    cut = [whole[start:end] for start, end in frames(whole)]
    assert len({len(frame) for frame in cut}) == 1
    for order, kept in (
        ((1, 0, 2, 3), entries(2, 2)),
        ((0, 1, 3, 2), entries(2)),
        ((0, 0, 2, 3), [b"entry 0", b"entry 2", b"entry 3"]),
        ((3, 2, 1, 0), []),
        ((1, 2, 3), []),
        ((0, 1, 2, 3, 3), entries(4)),
    ):
        path.write_bytes(whole[:HEAD] + b"".join(cut[n] for n in order))
        assert (log.read(), log.damaged) == (kept, True)


@pytest.mark.parametrize("name", ["operations", "inde", "indexx", "", "INDEX"])
def test_frames_of_another_log_do_not_open(log: SealedLog, path: Path, keys: Keys, name: str) -> None:
    SealedLog(path, keys, Purpose.JOURNAL, name).append(entries(2))
    assert (log.read(), log.damaged) == ([], True)


def test_frames_of_another_purpose_or_vault_do_not_open(path: Path, keys: Keys, log: SealedLog) -> None:
    for other in (
        SealedLog(path, keys, Purpose.OPERATION, "index"),
        SealedLog(path, new_keys(), Purpose.JOURNAL, "index"),
    ):
        other.replace(entries(2))
        assert (log.read(), log.damaged) == ([], True)


def test_frames_of_an_earlier_generation_do_not_open(log: SealedLog, path: Path) -> None:
    log.append(entries(2))
    old = path.read_bytes()
    log.replace(entries(2, 50))
    new = path.read_bytes()
    path.write_bytes(new[:HEAD] + old[HEAD:])
    assert (log.read(), log.damaged) == ([], True)
    start = frames(new)[1][0]
    path.write_bytes(new[:start] + old[start:])
    assert (log.read(), log.damaged) == (entries(1, 50), True)


def test_an_entry_sealed_without_its_place_does_not_open(log: SealedLog, path: Path, keys: Keys) -> None:
    log.append(entries(1))
    sealed = seal(keys, Purpose.JOURNAL, (b"index",), b"slipped in")
    path.write_bytes(path.read_bytes() + len(sealed).to_bytes(4, "big") + sealed)
    assert (log.read(), log.damaged) == (entries(1), True)


# -- the file itself -------------------------------------------------------------------------------------------------


def test_an_append_that_fails_appends_nothing(log: SealedLog, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log.append(entries(2))
    before = path.read_bytes()

    def fail(fd: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(CannotWrite, match="full"):
            log.append(entries(1, 2))
        with pytest.raises(CannotWrite, match="full"):
            log.replace(entries(1, 2))
    assert path.read_bytes() == before


def test_an_append_beside_one_that_nobody_locked_out_is_refused(
    log: SealedLog, path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.append(entries(1))
    seen = log.state()
    SealedLog(path, keys, Purpose.JOURNAL, "index").append(entries(1, 1))
    monkeypatch.setattr(log, "state", lambda: seen)
    with pytest.raises(CannotWrite, match="changed underneath"):
        log.append(entries(1, 2))
    assert (log.read(), log.damaged) == (entries(2), False)


def test_a_link_in_its_place_is_not_followed(log: SealedLog, path: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    path.symlink_to("precious")
    with pytest.raises(CannotRead):
        log.read()
    log.append(entries(1))
    assert not path.is_symlink()
    assert log.read() == entries(1)
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_a_dangling_link_in_its_place_makes_nothing_elsewhere(log: SealedLog, path: Path, tmp_path: Path) -> None:
    path.symlink_to("elsewhere")
    log.append(entries(1))
    assert log.read() == entries(1)
    assert os.listdir(tmp_path) == ["journal.enc"]


def test_a_pipe_in_its_place_holds_nobody_up(log: SealedLog, path: Path) -> None:
    os.mkfifo(path)
    feeder = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        with within(5):
            assert log.state() == (0, None)
            with pytest.raises(CannotRead):
                log.read()
            log.append(entries(1))
            assert log.read() == entries(1)
    finally:
        os.close(feeder)


def test_a_pipe_that_nobody_feeds_holds_nobody_up_either(log: SealedLog, path: Path) -> None:
    os.mkfifo(path)
    with within(5):
        assert log.state()[1] is None
        log.append(entries(1))
        assert log.read() == entries(1)


@pytest.mark.parametrize("code", [errno.EIO, errno.EMFILE, errno.EACCES])
def test_a_log_that_cannot_be_read_just_now_is_not_written_anew(
    log: SealedLog, path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    log.append(entries(3))
    whole = os.open

    def refuse(name: object, flags: int, *more: object, **named: object) -> int:
        if not flags & (os.O_WRONLY | os.O_DIRECTORY):
            raise OSError(code, os.strerror(code))
        return whole(name, flags, *more, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(CannotRead):
            log.append(entries(1, 3))
    assert (log.read(), log.damaged) == (entries(3), False)


def test_its_file_is_private(log: SealedLog, path: Path) -> None:
    before = os.umask(0)
    try:
        log.append(entries(1))
        log.append(entries(1))
    finally:
        os.umask(before)
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    files.remove_durably([path])
    assert log.read() == []
