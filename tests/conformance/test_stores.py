"""Every store keeps the same promises; the folder has some of its own besides."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from ghostie.backends.folder import FolderStore
from ghostie.backends.store import MemoryStore, ObjectStore, open_store
from ghostie.errors import NotFound, QuotaExceeded, StoreRefused, Unreachable, UsageError
from tests import tried

from .objectstore import ObjectStoreContract

pytestmark = pytest.mark.versions


class TestFolderStore(ObjectStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        (tmp_path / "store").mkdir()
        tried.note("folder")
        return FolderStore(tmp_path / "store")

    def vanish(self, store: ObjectStore) -> None:
        assert isinstance(store, FolderStore)
        shutil.rmtree(store.root)


class TestMemoryStore(ObjectStoreContract):
    @pytest.fixture
    def store(self) -> ObjectStore:
        return MemoryStore()

    def vanish(self, store: ObjectStore) -> None:
        assert isinstance(store, MemoryStore)
        store.unplugged = True


# -- the folder alone -------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> FolderStore:
    (tmp_path / "store").mkdir()
    return FolderStore(tmp_path / "store")


def test_the_folder_is_opened_by_its_path_and_never_made(tmp_path: Path) -> None:
    store = open_store("folder", {"path": str(tmp_path / "absent")})
    with pytest.raises(Unreachable):
        store.list("")
    assert not (tmp_path / "absent").exists()


def test_a_store_without_its_options_or_by_an_unknown_name_is_a_usage_error() -> None:
    with pytest.raises(UsageError):
        open_store("folder", {})
    with pytest.raises(UsageError, match="there is no backend"):
        open_store("carrier-pigeon", {})


def test_other_programs_hidden_files_and_our_temporary_ones_are_not_objects(folder: FolderStore) -> None:
    folder.write({"ghostie/a": b"1"})
    (folder.root / ".stfolder").mkdir()
    (folder.root / ".stfolder" / "inside").write_bytes(b"x")
    (folder.root / "ghostie" / ".tmp-0123456789abcdef").write_bytes(b"half")
    (folder.root / "ghostie" / ".syncthing.b.tmp").write_bytes(b"half")
    assert [info.key for info in folder.list("")] == ["ghostie/a"]


def test_links_and_pipes_are_neither_listed_nor_followed(folder: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "deep").write_bytes(b"deep")
    folder.write({"ghostie/a": b"1"})
    os.symlink(tmp_path / "secret", folder.root / "ghostie" / "link")
    os.symlink(tmp_path / "elsewhere", folder.root / "linked")
    os.mkfifo(folder.root / "ghostie" / "pipe")
    assert [info.key for info in folder.list("")] == ["ghostie/a"]
    for key in ("ghostie/link", "ghostie/pipe"):
        with pytest.raises((StoreRefused, NotFound)):
            folder.get(key)


def test_putting_over_a_planted_link_replaces_the_link_and_not_what_it_points_at(
    folder: FolderStore, tmp_path: Path
) -> None:
    (tmp_path / "victim").write_bytes(b"mine")
    os.symlink(tmp_path / "victim", folder.root / "a")
    folder.write({"a": b"object"})
    assert (tmp_path / "victim").read_bytes() == b"mine"
    assert folder.get("a") == b"object"


def test_objects_are_private_whatever_the_umask(folder: FolderStore) -> None:
    before = os.umask(0)
    try:
        folder.write({"ghostie/a": b"1"})
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder.root / "ghostie" / "a").stat().st_mode) == 0o600


class ScanThen:
    """A scan of a folder whose entries are all read before *then* happens, as the kernel may hand them out."""

    def __init__(self, path: Path, then: Callable[[], None]) -> None:
        with os.scandir(path) as entries:
            self.entries = list(entries)
        if any(entry.is_file() for entry in self.entries):
            then()

    def __enter__(self) -> list[os.DirEntry[str]]:
        return self.entries

    def __exit__(self, *_: object) -> None:
        return None


def meanwhile(monkeypatch: pytest.MonkeyPatch, then: Callable[[], None]) -> None:
    """Let *then* happen between reading a folder's entries and looking at each."""

    class Os:
        scandir = staticmethod(lambda path: ScanThen(path, then))

        def __getattr__(self, name: str) -> object:
            return getattr(os, name)

    monkeypatch.setattr("ghostie.backends.folder.os", Os())


def test_an_object_that_another_device_deletes_during_a_listing_is_simply_not_in_it(
    folder: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write({f"ghostie/{name}": b"x" for name in "abc"})
    meanwhile(monkeypatch, lambda: (folder.root / "ghostie" / "b").unlink(missing_ok=True))
    assert [info.key for info in folder.list("")] == ["ghostie/a", "ghostie/c"]


def test_a_root_that_vanishes_during_a_listing_is_unreachable_and_never_empty(
    folder: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write({f"ghostie/{name}": b"x" for name in "abc"})
    meanwhile(monkeypatch, lambda: shutil.rmtree(folder.root))
    with pytest.raises(Unreachable):
        folder.list("")


def test_a_folder_that_may_not_be_read_is_unreachable(folder: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(path: Path) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    folder.write({"ghostie/a": b"1"})
    with monkeypatch.context() as patch:
        patch.setattr("ghostie.backends.folder.os.scandir", forbidden)
        with pytest.raises(Unreachable, match="permission denied"):
            folder.list("")


def test_a_full_disk_is_a_full_store_and_leaves_nothing_behind(
    folder: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write({"a": b"before"})

    def full(fd: int, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("ghostie.files.os.write", full)
        with pytest.raises(QuotaExceeded):
            folder.write({"a": b"after", "b": b"new"})
    assert {info.key: folder.get(info.key) for info in folder.list("")} == {"a": b"before"}
    assert not list(folder.root.glob(".tmp-*"))


def test_an_object_above_the_largest_size_is_refused_before_anything_is_written(
    folder: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ghostie.backends.folder.LARGEST", 1000)
    with pytest.raises(StoreRefused):
        folder.write({"small": b"x", "large": bytes(1001)})
    assert folder.list("") == []
