"""Writing is durable, private and whole; nothing planted under a name is followed; one writer at a time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ghostie import files
from ghostie.backends.folder import FolderStore
from ghostie.errors import BadHome, CannotRead, CannotWrite, NotConfirmed, VaultBusy, WrittenInPart
from tests.patience import within, without_waiting
from tests.tiers import ROOT

pytestmark = pytest.mark.versions

OLD, NEW = b"old" * 100, b"new" * 200


@contextlib.contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def temporaries(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if name.startswith(".tmp-")]


# -- private ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077], ids=oct)
def test_files_are_0600_and_folders_0700_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    home = tmp_path / "one" / "two" / "home"
    with umask(mask):
        files.make_private_folder(home)
        files.write_durably(home / "written", NEW)
        files.write_all_durably([(home / "batch-1", NEW), (home / "batch-2", NEW)])
        files.append_durably(home / "appended", NEW)
        with files.locked(home / "lock"):
            pass
    assert {path.name: oct(mode(path)) for path in home.iterdir()} == dict.fromkeys(
        ("written", "batch-1", "batch-2", "appended", "lock"), "0o600"
    )
    assert [oct(mode(folder)) for folder in (home, home.parent, home.parent.parent)] == ["0o700"] * 3


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077], ids=oct)
def test_a_replaced_file_becomes_private(tmp_path: Path, mask: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    path.chmod(0o666)
    with umask(mask):
        files.write_durably(path, NEW)
    assert mode(path) == 0o600


def test_a_folder_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    files.make_private_folder(home)
    assert mode(home) == 0o700


def test_a_file_in_the_place_of_the_home_is_said_to_be_one(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_bytes(OLD)
    for place in (home, home / "deeper"):
        with pytest.raises(BadHome):
            files.make_private_folder(place)
    assert home.read_bytes() == OLD


def test_a_home_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(BadHome, match="somebody else"):
        files.make_private_folder(home)
    assert mode(home) == 0o755


def test_a_home_behind_a_broken_link_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.symlink_to(tmp_path / "nowhere")
    with pytest.raises(BadHome):
        files.make_private_folder(home)
    assert not (tmp_path / "nowhere").exists()


# -- whole -----------------------------------------------------------------------------------------------------------


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"", b"x", NEW, bytes(1 << 16), bytes((1 << 16) + 1), os.urandom(3_000_000)):
        files.write_durably(path, content)
        assert files.read(path) == content
        with files.opened_folder(tmp_path) as folder:
            assert files.read_at(folder, "file") == content
    assert os.listdir(tmp_path) == ["file"]


def test_a_batch_spans_folders_and_counts_its_files(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    writes = [(tmp_path / folder / str(n), b"%d" % n) for n in range(20) for folder in "ab"]
    assert files.write_all_durably(iter(writes)) == 40
    assert {path: path.read_bytes() for path, _ in writes} == dict(writes)
    assert not temporaries(tmp_path / "a") + temporaries(tmp_path / "b")


def test_an_empty_batch_writes_nothing(tmp_path: Path) -> None:
    assert files.write_all_durably([]) == 0
    assert os.listdir(tmp_path) == []


def test_a_batch_whose_files_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    def writes() -> Iterator[tuple[Path, bytes]]:
        yield tmp_path / "first", NEW
        raise KeyError("the third party failed")

    with pytest.raises(KeyError):
        files.write_all_durably(writes())
    assert os.listdir(tmp_path) == []


def test_writing_into_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    for write in (files.write_durably, files.append_durably):
        with pytest.raises(CannotWrite, match="no such file"):
            write(tmp_path / "nowhere" / "file", NEW)


def test_a_write_within_an_except_clause_is_as_good(tmp_path: Path) -> None:
    try:
        raise ValueError
    except ValueError:
        files.write_durably(tmp_path / "file", NEW)
    assert os.listdir(tmp_path) == ["file"]


def test_a_short_write_is_carried_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.write
    monkeypatch.setattr(os, "write", lambda fd, content: whole(fd, bytes(content)[:7]))
    files.write_durably(tmp_path / "written", NEW)
    files.append_durably(tmp_path / "appended", OLD)
    files.append_durably(tmp_path / "appended", NEW)
    monkeypatch.undo()
    assert ((tmp_path / "written").read_bytes(), (tmp_path / "appended").read_bytes()) == (NEW, OLD + NEW)


class Fault:
    """Let the system calls *names* fail, all counted together, at the call *at*."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], at: int, error: BaseException) -> None:
        self.calls: list[str] = []
        self.fired = False
        for name in names:
            monkeypatch.setattr(os, name, self._failing(name, getattr(os, name), at, error))

    def _failing(self, name: str, call: Callable[..., Any], at: int, error: BaseException) -> Callable[..., Any]:
        def instead(*arguments: Any, **named: Any) -> Any:
            self.calls.append(name)
            if len(self.calls) == at:
                self.fired = True
                raise error
            if name == "write":  # in two halves, so that one can fail between them
                return call(arguments[0], bytes(arguments[1])[: max(1, len(arguments[1]) // 2)])
            return call(*arguments, **named)

        return instead


def every_fault(monkeypatch: pytest.MonkeyPatch, attempt: Callable[[], object]) -> Iterator[tuple[list[str], bool]]:
    """Run *attempt* with a fault at call 1, 2, … until none fires; yield the calls made, and whether one fired."""
    for error in (OSError(errno.ENOSPC, "No space"), OSError(errno.EIO, "I/O error"), KeyboardInterrupt()):
        for at in range(1, 500):
            with monkeypatch.context() as patch:
                fault = Fault(patch, ("write", "fsync", "replace"), at, error)
                if isinstance(error, OSError):
                    with contextlib.suppress(CannotWrite):
                        attempt()
                        assert not fault.fired, "a fault was swallowed"
                else:
                    with contextlib.suppress(KeyboardInterrupt):
                        attempt()
                        assert not fault.fired, "an interrupt was swallowed"
            yield fault.calls, fault.fired
            if not fault.fired:
                break
        else:
            pytest.fail("the faults do not end")


@pytest.mark.parametrize("before", [OLD, None], ids=["over an old one", "new"])
def test_a_write_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bytes | None
) -> None:
    path = tmp_path / "file"
    failed = 0

    raised: list[CannotWrite] = []

    def attempt() -> None:
        path.unlink(missing_ok=True)
        if before is not None:
            path.write_bytes(before)
        try:
            files.write_durably(path, NEW)
        except CannotWrite as error:
            raised.append(error)
            raise

    for calls, fired in every_fault(monkeypatch, attempt):
        failed += fired
        renamed = calls.count("replace") == 1 and calls[-1] != "replace"
        stays = renamed and not (fired and before is None)  # what is new is taken back, what was replaced is gone
        assert (path.read_bytes() if path.exists() else None) == (NEW if stays else before)
        assert all(isinstance(error, NotConfirmed) == stays for error in raised)
        raised.clear()
        assert not temporaries(tmp_path)
    assert failed >= 3 * 5


@pytest.mark.parametrize("flush", ["syncfs", "no syncfs", "syncfs that fails"])
def test_a_batch_that_fails_leaves_every_file_whole_old_or_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flush: str
) -> None:
    paths = [tmp_path / str(n) for n in range(4)]
    failed = 0
    raised: list[CannotWrite] = []
    if flush != "syncfs":
        monkeypatch.setattr(files, "_syncfs", lambda: (lambda fd: -1) if flush == "syncfs that fails" else None)

    def attempt() -> None:
        for path in paths[:2]:
            path.write_bytes(OLD)
        for path in paths[2:]:
            path.unlink(missing_ok=True)
        try:
            files.write_all_durably([(path, NEW) for path in paths])
        except CannotWrite as error:
            raised.append(error)
            raise

    for calls, fired in every_fault(monkeypatch, attempt):
        failed += fired
        renamed = calls.count("replace") - (calls[-1] == "replace" and fired)
        assert [error.facts["done"] for error in raised] == [renamed] * len(raised)
        assert all(isinstance(error, WrittenInPart) == (0 < renamed < 4) for error in raised)
        assert all(isinstance(error, NotConfirmed) == (renamed == 4) for error in raised)
        raised.clear()
        expected = [NEW if n < renamed else OLD if n < 2 else None for n in range(4)]
        assert [path.read_bytes() if path.exists() else None for path in paths] == expected
        assert not temporaries(tmp_path)
    assert failed >= 3 * 14


def test_a_batch_of_new_files_that_fails_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / str(n) for n in range(4)]

    def attempt() -> None:
        for path in paths:
            path.unlink(missing_ok=True)
        files.write_all_durably([(path, NEW) for path in paths])

    for _, fired in every_fault(monkeypatch, attempt):
        assert [path.exists() for path in paths] == [not fired] * 4
        assert not temporaries(tmp_path)


def test_no_file_of_a_batch_takes_its_name_before_all_are_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_syncfs", lambda: None)
    with monkeypatch.context() as patch:
        fault = Fault(patch, ("open", "fsync", "replace"), 0, OSError())
        files.write_all_durably([(tmp_path / str(n), NEW) for n in range(3)])
    last_content_sync = len(fault.calls) - 1 - fault.calls[::-1].index("replace") - 2
    assert fault.calls[last_content_sync:] == ["replace", "replace", "replace", "fsync"]
    assert fault.calls[:last_content_sync].count("fsync") >= 3


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What reaches the disk, and what is renamed, in order."""
    order: list[str] = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(fd: int) -> None:
        order.append("folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file")
        fsync(fd)

    def noted_replace(*names: Any, **folders: Any) -> None:
        order.append("rename")
        replace(*names, **folders)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    return order


def test_a_single_write_syncs_the_file_renames_it_and_syncs_the_folder(tmp_path: Path, noted: list[str]) -> None:
    files.write_durably(tmp_path / "file", NEW)
    assert noted == ["file", "rename", "folder"]


def test_an_append_syncs_the_file_and_where_it_is_new_its_folder(tmp_path: Path, noted: list[str]) -> None:
    files.append_durably(tmp_path / "log", NEW)
    assert noted == ["file", "folder"]
    files.append_durably(tmp_path / "log", NEW)
    assert noted == ["file", "folder", "file"]


def test_removing_and_moving_sync_the_folders(tmp_path: Path, noted: list[str]) -> None:
    for name in ("one", "two", "three"):
        (tmp_path / name).write_bytes(OLD)
    (tmp_path / "other").mkdir()
    files.remove_durably([tmp_path / "one", tmp_path / "two"])
    assert noted == ["folder"]
    files.move_durably(tmp_path / "three", tmp_path / "other" / "three")
    assert noted == ["folder", "rename", "folder", "folder"]


@pytest.mark.parametrize("before", [OLD, None], ids=["to an old one", "new"])
def test_an_append_that_fails_is_cut_off_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bytes | None
) -> None:
    path = tmp_path / "log"
    failed = 0

    def attempt() -> None:
        path.unlink(missing_ok=True)
        if before is not None:
            path.write_bytes(before)
        files.append_durably(path, NEW)

    for _, fired in every_fault(monkeypatch, attempt):
        failed += fired
        expected = before if fired else (before or b"") + NEW
        assert (path.read_bytes() if path.exists() else None) == expected
    assert failed >= 3 * 5


def test_an_append_is_refused_where_the_file_has_another_size_than_expected(tmp_path: Path) -> None:
    path = tmp_path / "log"
    files.append_durably(path, OLD, expected_size=0)
    with pytest.raises(CannotWrite, match="changed underneath"):
        files.append_durably(path, NEW, expected_size=len(OLD) - 1)
    assert path.read_bytes() == OLD
    files.append_durably(path, NEW, expected_size=len(OLD))
    assert path.read_bytes() == OLD + NEW


def test_an_append_that_need_not_last_syncs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda fd: pytest.fail("it was synced"))
    files.append_durably(tmp_path / "log", NEW, durable=False)
    assert (tmp_path / "log").read_bytes() == NEW


def test_a_full_disk_is_called_one_and_costs_nothing_that_was_there(tmp_path: Path) -> None:
    script = """
import resource, signal, sys
from pathlib import Path
from ghostie import files
from ghostie.errors import CannotWrite, NotConfirmed, WrittenInPart

folder = Path(sys.argv[1])
files.write_durably(folder / "file", b"old" * 100)
files.append_durably(folder / "log", b"old" * 100)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for attempt in (
    lambda: files.write_durably(folder / "file", bytes(1 << 20)),
    lambda: files.append_durably(folder / "log", bytes(1 << 20)),
    lambda: files.write_all_durably([(folder / "a", b"a"), (folder / "b", bytes(1 << 20))]),
):
    try:
        attempt()
    except CannotWrite:
        print("refused")
"""
    assert run(script, str(tmp_path)).split() == ["refused"] * 3
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": OLD, "log": OLD}


def test_the_reason_is_in_plain_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for code, words in (
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "the disk is full"),
        (errno.EROFS, "permission denied"),
        (errno.EACCES, "permission denied"),
        (errno.EIO, "input/output error"),
    ):
        with monkeypatch.context() as patch:
            Fault(patch, ("fsync",), 1, OSError(code, os.strerror(code)))
            with pytest.raises(CannotWrite, match=words):
                files.write_durably(tmp_path / "file", NEW)


# -- moving and removing ---------------------------------------------------------------------------------------------


def test_removing_counts_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(OLD)
    (tmp_path / "b").write_bytes(OLD)
    assert files.remove_durably([tmp_path / "a", tmp_path / "b", tmp_path / "c"]) == 2
    assert os.listdir(tmp_path) == []


def test_removing_a_link_leaves_what_it_points_at(tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(OLD)
    (tmp_path / "link").symlink_to("kept")
    files.remove_durably([tmp_path / "link"])
    assert os.listdir(tmp_path) == ["kept"]


def test_removing_and_moving_say_what_went_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(CannotWrite):
        files.remove_durably([tmp_path / "folder"])
    with pytest.raises(CannotWrite):
        files.move_durably(tmp_path / "absent", tmp_path / "target")
    (tmp_path / "file").write_bytes(OLD)
    Fault(monkeypatch, ("fsync",), 1, OSError(errno.EIO, "I/O error"))
    with pytest.raises(CannotWrite):
        files.remove_durably([tmp_path / "file"])


def test_moving_replaces_what_has_the_name_and_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(NEW)
    (tmp_path / "kept").write_bytes(OLD)
    (tmp_path / "target").symlink_to("kept")
    files.move_durably(tmp_path / "source", tmp_path / "target")
    assert not (tmp_path / "target").is_symlink()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"kept": OLD, "target": NEW}


# -- nothing planted is followed -------------------------------------------------------------------------------------


def plant_symlink(place: Path, outside: Path) -> None:
    place.symlink_to(outside)


def plant_dangling_symlink(place: Path, outside: Path) -> None:
    place.symlink_to(outside.parent / "made-through-the-link")


def plant_hardlink(place: Path, outside: Path) -> None:
    os.link(outside, place)


def plant_fifo(place: Path, _: Path) -> None:
    os.mkfifo(place)


PLANTS = [plant_symlink, plant_dangling_symlink, plant_hardlink, plant_fifo]
Plant = Callable[[Path, Path], None]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file of the person's, which no command may touch."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "precious").write_bytes(OLD)
    return folder / "precious"


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    folder = tmp_path / "inside"
    folder.mkdir()
    return folder


def untouched(outside: Path) -> bool:
    return os.listdir(outside.parent) == ["precious"] and outside.read_bytes() == OLD


@pytest.mark.parametrize("plant", PLANTS)
def test_writing_replaces_what_was_planted_and_leaves_its_target(inside: Path, outside: Path, plant: Plant) -> None:
    plant(inside / "one", outside)
    plant(inside / "two", outside)
    with within(5):
        files.write_durably(inside / "one", NEW)
        files.write_all_durably([(inside / "two", NEW), (inside / "three", NEW)])
    assert untouched(outside)
    assert [files.read(inside / name) for name in ("one", "two", "three")] == [NEW] * 3


@pytest.mark.parametrize("plant", PLANTS)
def test_appending_never_reaches_the_target_of_what_was_planted(inside: Path, outside: Path, plant: Plant) -> None:
    plant(inside / "log", outside)
    with within(5), contextlib.suppress(CannotWrite):
        files.append_durably(inside / "log", NEW)
        # only a copy by hard links is taken for what it is, and made a file of its own
        assert files.read(inside / "log") == OLD + NEW
    assert untouched(outside)


def test_appending_to_a_pipe_that_is_read_is_refused(inside: Path) -> None:
    os.mkfifo(inside / "log")
    reader = os.open(inside / "log", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with within(5), pytest.raises(CannotWrite):
            files.append_durably(inside / "log", NEW)
        with contextlib.suppress(BlockingIOError):
            assert os.read(reader, 100) == b""
    finally:
        os.close(reader)


@pytest.mark.parametrize("plant", [plant_symlink, plant_dangling_symlink])
def test_a_lock_is_not_taken_through_a_link(inside: Path, outside: Path, plant: Plant) -> None:
    plant(inside / "lock", outside)
    with within(5), pytest.raises(CannotWrite), files.locked(inside / "lock"):
        pytest.fail("it was taken")
    assert untouched(outside)


@pytest.mark.parametrize("plant", [plant_symlink, plant_fifo])
def test_reading_follows_nothing(inside: Path, outside: Path, plant: Plant) -> None:
    plant(inside / "name", outside)
    with within(5), pytest.raises(CannotRead):
        files.read(inside / "name")
    with within(5), files.opened_folder(inside) as folder, pytest.raises(OSError):
        files.read_at(folder, "name")


def test_a_pipe_that_is_fed_is_not_read(inside: Path) -> None:
    os.mkfifo(inside / "name")
    pipe = os.open(inside / "name", os.O_RDWR | os.O_NONBLOCK)
    try:
        os.write(pipe, NEW)
        with within(5), pytest.raises(CannotRead):
            files.read(inside / "name")
        assert os.read(pipe, 1000) == NEW
    finally:
        os.close(pipe)


def test_a_folder_a_device_and_what_is_absent_are_not_read(tmp_path: Path) -> None:
    for place in (tmp_path, Path("/dev/null"), Path("/dev/zero")):
        with within(5), pytest.raises(CannotRead):
            files.read(place)
    with pytest.raises(FileNotFoundError):
        files.read(tmp_path / "absent")


@pytest.mark.parametrize("size", [101, 70_000])
def test_no_more_is_read_than_was_asked_for(tmp_path: Path, size: int) -> None:
    (tmp_path / "file").write_bytes(bytes(size))
    assert files.read(tmp_path / "file", size) == bytes(size)
    with pytest.raises(CannotRead, match="too large"):
        files.read(tmp_path / "file", size - 1)
    with pytest.raises(CannotRead, match="too large"):
        files.read_named(tmp_path / "file", size - 1)


def test_a_file_that_grows_while_it_is_read_is_still_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    before = path.stat()
    path.write_bytes(OLD + NEW)
    monkeypatch.setattr(os, "fstat", lambda fd: before)
    assert files.read(path) == OLD + NEW
    with pytest.raises(CannotRead, match="too large"):
        files.read(path, len(OLD) + 10)


def test_what_a_person_names_is_read_through_links_and_pipes(inside: Path, outside: Path) -> None:
    (inside / "link").symlink_to(outside)
    assert files.read_named(inside / "link") == OLD
    reading, writing = os.pipe()
    os.write(writing, NEW)
    os.close(writing)
    try:
        assert files.read_named(Path(f"/dev/fd/{reading}")) == NEW
    finally:
        os.close(reading)
    for place in (inside, inside / "absent"):
        with pytest.raises(CannotRead):
            files.read_named(place)


# -- temporaries -----------------------------------------------------------------------------------------------------


def test_temporary_names_are_not_listed_and_are_swept(tmp_path: Path) -> None:
    files.write_durably(tmp_path / "kept", NEW)
    for name in (".tmp-1", ".tmp-2", ".tmp-3"):
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / ".tmp-folder").mkdir()
    assert files.names_in(tmp_path) == ["kept"]
    files.sweep_temporaries(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [".tmp-folder", "kept"]


def test_names_in_a_folder_that_is_absent_or_none(tmp_path: Path) -> None:
    assert files.names_in(tmp_path / "absent") == []
    (tmp_path / "file").write_bytes(b"")
    for attempt in (
        lambda: files.names_in(tmp_path / "file"),
        lambda: files.opened_folder(tmp_path / "file").__enter__(),
    ):
        with pytest.raises(CannotRead):
            attempt()


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    open_before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else pytest.skip("no /proc here")
    files.write_all_durably([(tmp_path / str(n), NEW) for n in range(5)])
    files.append_durably(tmp_path / "log", NEW)
    files.read(tmp_path / "log")
    (tmp_path / "link").symlink_to("log")
    for attempt in (
        lambda: files.read(tmp_path / "link"),
        lambda: files.append_durably(tmp_path / "link", NEW),
        lambda: files.write_all_durably([(tmp_path / "a", NEW), (tmp_path / "nowhere" / "b", NEW)]),
        lambda: files.read(tmp_path / "log", 1),
    ):
        with pytest.raises((CannotRead, CannotWrite)):
            attempt()
    with contextlib.suppress(ZeroDivisionError), files.locked(tmp_path / "lock"):
        raise ZeroDivisionError
    assert len(os.listdir("/proc/self/fd")) == open_before


# -- one writer ------------------------------------------------------------------------------------------------------


def run(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


@contextlib.contextmanager
def holder(lock: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds *lock* until it is told or killed."""
    script = """
import sys
from pathlib import Path
from ghostie import files

with files.locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script, str(lock)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        try:
            yield child
        finally:
            child.kill()


def test_a_lock_that_another_process_holds_is_waited_for_and_then_called_busy(tmp_path: Path) -> None:
    with holder(tmp_path / "lock"):
        started = time.monotonic()
        with within(60), pytest.raises(VaultBusy), files.locked(tmp_path / "lock", patience=0.3):
            pytest.fail("two hold it")
        assert time.monotonic() - started >= 0.3
        with without_waiting(), pytest.raises(VaultBusy), files.locked(tmp_path / "lock", patience=0):
            pytest.fail("two hold it")


def test_a_lock_is_taken_as_soon_as_it_is_given_back(tmp_path: Path) -> None:
    with holder(tmp_path / "lock") as child:
        assert child.stdin is not None
        child.stdin.close()
        with files.locked(tmp_path / "lock", patience=10):
            pass


def test_the_lock_of_a_dead_process_is_free(tmp_path: Path) -> None:
    with holder(tmp_path / "lock") as child:
        child.kill()
        child.wait()
        with without_waiting(), files.locked(tmp_path / "lock", patience=5):
            pass
    assert (tmp_path / "lock").exists()


def test_a_lock_is_given_back_when_its_holder_fails(tmp_path: Path) -> None:
    with contextlib.suppress(ZeroDivisionError), files.locked(tmp_path / "lock"):
        raise ZeroDivisionError
    with files.locked(tmp_path / "lock", patience=0):
        pass


def test_a_child_process_does_not_inherit_the_lock(tmp_path: Path) -> None:
    with files.locked(tmp_path / "lock"):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with child:
        with files.locked(tmp_path / "lock", patience=0.5):
            pass
        child.kill()


def test_a_file_system_without_locks_is_named_as_the_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(CannotWrite, match="no locks"), files.locked(tmp_path / "lock"):
        pytest.fail("it was taken")


def test_two_processes_lose_none_of_each_others_writes(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from ghostie import files

folder = Path(sys.argv[1])
for _ in range(100):
    with files.locked(folder / "lock", patience=30):
        files.write_durably(folder / "count", b"%d" % (int(files.read(folder / "count")) + 1))
        size = (folder / "log").stat().st_size if (folder / "log").exists() else 0
        files.append_durably(folder / "log", b"x", expected_size=size)
"""
    files.write_durably(tmp_path / "count", b"0")
    command = [sys.executable, "-c", script, str(tmp_path)]
    children = [subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}) for _ in range(2)]
    assert [child.wait(60) for child in children] == [0, 0]
    assert (files.read(tmp_path / "count"), files.read(tmp_path / "log")) == (b"200", b"x" * 200)


# -- room for deleting, and what kills leave --------------------------------------------------------------------------


def test_a_full_disk_takes_what_may_spend_the_reserve_once(tmp_path: Path) -> None:
    reserve = tmp_path / "reserve"
    files.keep_reserve(reserve, 4096)
    assert reserve.stat().st_size == 4096

    def full(call: str) -> None:
        if call in ("write", "replace") and reserve.exists():
            raise OSError(errno.ENOSPC, "no space left on device")

    with files.simulated(full):
        for write in (files.write_durably, files.append_durably):
            with pytest.raises(CannotWrite, match="the disk is full"):
                write(tmp_path / "other", b"x")
            assert reserve.exists()
            with files.spending(reserve):
                write(tmp_path / write.__name__, b"more")
            assert (tmp_path / write.__name__).read_bytes() == b"more"
            assert not reserve.exists()
            reserve.write_bytes(b"kept")

    def bad(call: str) -> None:
        raise OSError(errno.EIO, "bad")

    with files.spending(reserve), files.simulated(bad), pytest.raises(CannotWrite, match="bad"):
        files.write_durably(tmp_path / "other", b"x")
    assert reserve.exists(), "only for want of room"


def test_a_reserve_is_made_anew_when_much_more_is_to_be_kept_and_never_on_a_disk_without_room(tmp_path: Path) -> None:
    reserve = tmp_path / "reserve"
    for size, now in ((1000, 1000), (1500, 1000), (2500, 2500), (100, 2500)):
        files.keep_reserve(reserve, size)
        assert reserve.stat().st_size == now
    reserve.unlink()
    files.keep_reserve(reserve, 1 << 60)
    assert not reserve.exists()


def test_only_what_nobody_holds_is_taken_for_left_behind(tmp_path: Path) -> None:
    held, left, new, fresh = (tmp_path / f".tmp-{number:016x}" for number in range(4))
    for path in (held, left, new, fresh):
        path.write_bytes(b"" if path == new else b"half")
    os.utime(left, (1, 1))
    with held.open("rb") as holding:
        fcntl.flock(holding, fcntl.LOCK_EX)
        files.sweep_temporaries(tmp_path, alone=False, age=100)
        assert set(tmp_path.iterdir()) == {held, new, fresh}
        files.sweep_temporaries(tmp_path, alone=False)
        assert set(tmp_path.iterdir()) == {held, new}, "an empty one is perhaps just being made"
    files.sweep_temporaries(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_store_sweeps_what_a_killed_push_left(tmp_path: Path) -> None:
    folder = tmp_path / "ghostie" / "writer"
    folder.mkdir(parents=True)
    old, new = folder / ".tmp-0000000000000001", folder / ".tmp-0000000000000002"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    FolderStore(tmp_path).write({"ghostie/writer/a.seg": b"whole"})
    assert not old.exists()
    assert new.exists(), "another device may be at it"
