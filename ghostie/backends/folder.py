"""A folder as a store: on this disk, a mounted drive, a USB stick, or one that another program keeps in step."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from ghostie import files
from ghostie.backends.store import Capabilities, ObjectInfo, check_key
from ghostie.errors import CannotRead, CannotWrite, NotFound, QuotaExceeded, StoreRefused, Unreachable, UsageError

LARGEST = 64 << 20
ABANDONED_AFTER = 600.0  # seconds


class FolderStore:
    """Objects as files below *root*, which must be there: a folder that vanished is not an empty store."""

    capabilities = Capabilities(best_size=4 << 20, largest_size=LARGEST, most_objects=1_000_000, create_only="works")

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def from_options(cls, options: Mapping[str, str], secrets: Mapping[str, str] = {}) -> FolderStore:
        """Return the store at the option `path`. Raises UsageError."""
        if not options.get("path"):
            raise UsageError("a folder store needs its folder", "give --path DIR")
        return cls(Path(options["path"]).expanduser().absolute())

    def list(self, prefix: str) -> list[ObjectInfo]:
        self._reach()
        try:
            found = sorted(_walk(str(self.root), prefix), key=lambda info: info.key)
        except OSError as error:
            raise Unreachable(why=f"{self.root}: {(error.strerror or 'it cannot be read').lower()}") from error
        self._reach()  # what vanished meanwhile was deleted, unless all of it did
        return found

    def get(self, key: str) -> bytes:
        self._reach()
        path = self.root / check_key(key)
        try:
            return files.read(path, LARGEST)
        except (FileNotFoundError, CannotRead) as error:
            self._reach()
            if isinstance(error, FileNotFoundError) or not os.path.isfile(path) or os.path.islink(path):
                raise NotFound(key=key) from None  # what a listing would not show is not an object
            raise StoreRefused(why=str(error)) from error

    def write(self, put: Mapping[str, bytes], delete: Iterable[str] = ()) -> None:
        self._reach()
        targets = [(self.root / check_key(key), content) for key, content in put.items()]
        doomed = [self.root / check_key(key) for key in delete]
        if any(len(content) > LARGEST for content in put.values()):
            raise StoreRefused(why="an object is too large for it")
        try:
            for folder in sorted({path.parent for path, _ in targets}):
                files.make_folder(folder)
                # of a push that was killed here or, where the folder is shared, elsewhere: hence the age
                files.sweep_temporaries(folder, alone=False, age=ABANDONED_AFTER)
            files.write_all_durably(targets)
            files.remove_durably(doomed)
        except CannotWrite as error:
            if error.facts["why"] == "the disk is full":
                raise QuotaExceeded(why=f"no room left at {self.root}") from error
            raise Unreachable(why=str(error)) from error

    def _reach(self) -> None:
        try:
            there = files.is_folder(self.root)
        except CannotRead as error:
            raise Unreachable(why=str(error)) from error
        if not there:
            raise Unreachable(why=f"the folder {self.root} is not there")


def _walk(root: str, prefix: str) -> list[ObjectInfo]:
    """Return the files below *root* whose key begins with *prefix*; a folder that is gone meanwhile has none."""
    found: list[ObjectInfo] = []
    folders = [""]
    while folders:
        below = folders.pop()
        try:
            scan = os.scandir(f"{root}/{below}")
        except FileNotFoundError:
            if not below:
                raise
            continue  # another device tidies up at this moment
        with scan as entries:
            for entry in entries:
                name = entry.name
                if name.startswith("."):
                    continue  # temporary files of ours, and other programs' own
                key = below + name
                if entry.is_dir(follow_symlinks=False):
                    if f"{key}/".startswith(prefix) or prefix.startswith(f"{key}/"):
                        folders.append(f"{key}/")
                elif key.startswith(prefix) and entry.is_file(follow_symlinks=False):
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    found.append(ObjectInfo(key, status.st_size, f"{status.st_mtime_ns:x}-{status.st_size:x}"))
    return found
