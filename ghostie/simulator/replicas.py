"""A folder that every device has a copy of, and the program that keeps the copies alike: later, in any order, in parts.

It works as Syncthing, Nextcloud and their like do. It looks at a copy, counts for each name how often each device
changed it, and brings what is newer to the other copies. A file arrives under a name of its own and takes the right one
when it is whole; some programs write it in its place at once. Where two sides changed one name, the one stays and the
other is kept under a name that says so. A deletion travels like a change, and as late.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ghostie import files

LONGEST: Final = 12 * 3_600_000  # milliseconds that a file is on its way between two devices that are both there
LITTER: Final = ("Thumbs.db", ".DS_Store", "desktop.ini", "@eaDir/SYNO@.fileindexdb", ".stfolder/marker")
CONFLICTS: Final = (
    "{stem}.sync-conflict-20250615-101530-ABCDEFG{suffix}",
    "{stem} (conflicted copy 2025-06-15 101530){suffix}",
    "{stem} 2{suffix}",
)
PARTS: Final = (".syncthing.{name}.tmp", "{name}.part", "{name}.tmp", "~{name}.{suffix}")

Count = dict[str, int]


@dataclass(frozen=True, slots=True)
class File:
    """A name as some device had it last: what it held (None: it was deleted), and how often each device changed it."""

    content: bytes | None
    changes: Count

    def follows(self, other: File | None) -> bool:
        """Tell whether this was made knowing of *other*."""
        return other is None or all(self.changes.get(who, 0) >= count for who, count in other.changes.items())


@dataclass(slots=True)
class Transfer:
    """A file on its way to *device*'s copy, since when, and what stands there of it so far, under which name."""

    device: str
    name: str
    file: File
    since: int
    part: str = ""
    half: bytes = b""


@dataclass(slots=True)
class _Copy:
    """One device's copy: where it is, what the program saw there last, and whether the device is switched on."""

    root: Path
    seen: dict[str, File] = field(default_factory=dict)
    away: bool = False

    def files(self) -> dict[str, bytes]:
        """Return every file that is there, by name; what ghostie itself has not finished is not there yet."""
        return {name: content for name in _names(self.root) if (content := self.file(name)) is not None}

    def file(self, name: str) -> bytes | None:
        """Return what the file *name* holds, or None if there is none."""
        try:
            return files.read_at(None, f"{self.root}/{name}")
        except FileNotFoundError:
            return None


class Replicas:
    """The copies of one folder. *now* gives the time; *noted* hears, in words, of whatever goes wrong."""

    def __init__(self, rnd: random.Random, root: Path, noted: Callable[[str], None], now: Callable[[], int]) -> None:
        self._rnd = rnd
        self._root = root
        self._noted = noted
        self._now = now
        self._copies: dict[str, _Copy] = {}
        self._under_way: list[Transfer] = []
        self._conflicts = 0
        self._made = 0

    # -- the devices -------------------------------------------------------------------------------------------------

    def root(self, device: str) -> Path:
        """Return the folder that *device* has, made empty where it had none."""
        if device not in self._copies:
            self._made += 1
            root = self._root / f"copy{self._made}"
            files.make_private_folder(root)
            self._copies[device] = _Copy(root)
        return self._copies[device].root

    def switch(self, device: str, *, on: bool) -> None:
        """Switch *device* off, when what it had to give is given; or on."""
        if not on:
            self._join(lambda source, target: source == device)
        self._copies[device].away = not on
        for transfer in self._under_way:
            transfer.since = self._now()

    def leave(self, device: str) -> None:
        """Let *device* never come back."""
        self.switch(device, on=False)
        del self._copies[device]
        self._under_way = [transfer for transfer in self._under_way if transfer.device != device]

    def contents(self) -> list[tuple[str, bytes]]:
        """Return every file of every copy, by name: a file may be there in more than one form."""
        found = {(name, content) for copy in self._copies.values() for name, content in copy.files().items()}
        return sorted(found)

    def under_way(self) -> bool:
        return bool(self._under_way)

    # -- what the program does ---------------------------------------------------------------------------------------

    def pass_time(self) -> None:
        """Let the program do some of what is to be done; what has waited long is done."""
        for device in self._copies:
            if self._rnd.random() < 0.7:
                self._scan(device)
        for source in self._copies:
            for target in self._copies:
                if self._rnd.random() < 0.5:
                    self._plan(source, target)
        late = [transfer for transfer in self._under_way if self._now() - transfer.since > LONGEST]
        for transfer in self._rnd.sample(self._under_way, len(self._under_way)):
            if self._copies[transfer.device].away:
                continue
            if transfer in late:
                self._finish(transfer)
            elif self._rnd.random() < 0.4:
                self._step(transfer)
        if self._rnd.random() < 0.05:
            self._drop_litter()

    def join(self) -> None:
        """Let the program finish: all copies of devices that are there are alike."""
        self._join(lambda source, target: True)

    def _join(self, wanted: Callable[[str, str], bool]) -> None:
        while True:
            for device in self._copies:
                self._scan(device)
            for source in self._copies:
                for target in self._copies:
                    if wanted(source, target):
                        self._plan(source, target)
            todo = [each for each in self._under_way if not self._copies[each.device].away]
            if not todo:
                return
            for transfer in self._rnd.sample(todo, len(todo)):
                self._finish(transfer)

    def _scan(self, device: str, *names: str) -> None:
        """See what was changed in the copy of *device* since the last time; of *names* alone, if there are any."""
        copy = self._copies[device]
        if copy.away:
            return
        parts = {
            each.part
            for each in self._under_way
            if each.part and each.device == device and copy.file(each.part) == each.half
        }
        for name in sorted({*(names or (*_names(copy.root), *copy.seen))} - parts):
            known, content = copy.seen.get(name), copy.file(name)
            if content != (known.content if known is not None else None):
                before = known.changes if known is not None else {}
                copy.seen[name] = File(content, {**before, device: before.get(device, 0) + 1})

    def _plan(self, source: str, target: str) -> None:
        """Let what *source* has and *target* lacks be on its way."""
        ours, theirs = self._copies[source], self._copies[target]
        if source == target or ours.away or theirs.away:
            return
        for name, file in sorted(ours.seen.items()):
            known = theirs.seen.get(name)
            if known is not None and known.follows(file):
                continue
            coming = [each for each in self._under_way if each.device == target and each.name == name]
            if any(each.file.follows(file) for each in coming):
                continue
            for each in coming:
                self._drop(each)
            self._under_way.append(Transfer(target, name, file, min([self._now(), *(each.since for each in coming)])))

    def _step(self, transfer: Transfer) -> None:
        """Bring a transfer further: to a part of it, or to its end."""
        content = transfer.file.content
        if not transfer.part and content and self._rnd.random() < 0.5:
            folder, _, name = transfer.name.rpartition("/")
            part = self._rnd.choice((*PARTS, "{name}")).format(name=name, suffix=self._rnd.randbytes(2).hex())
            part = f"{folder}/{part}" if folder else part
            if part == transfer.name and self._copies[transfer.device].seen.get(part) is not None:
                return  # what is there already is exchanged at once
            transfer.part, transfer.half = part, content[: self._rnd.randrange(len(content))]
            self._noted("half a file arrives" if part == transfer.name else "a file begins to arrive")
            self._put(transfer.device, part, transfer.half)
        else:
            self._finish(transfer)

    def _finish(self, transfer: Transfer) -> None:
        """Let what is on its way arrive, whole."""
        copy, name, file = self._copies[transfer.device], transfer.name, transfer.file
        self._scan(transfer.device, name)
        known = copy.seen.get(name)
        self._drop(transfer)
        if known is not None and known.follows(file):
            return
        if not file.follows(known) and known is not None:
            both = {**known.changes, **file.changes}
            changes = {who: max(known.changes.get(who, 0), file.changes.get(who, 0)) for who in both}
            if known.content == file.content or file.content is None:
                copy.seen[name] = File(known.content, changes)
                return
            if known.content is not None:
                file = self._conflict(transfer.device, name, known, file, changes)
            else:
                file = File(file.content, changes)
        elif known is not None and known.content and self._rnd.random() < 0.05 and self._conflicts < 3:
            self._keep_beside(transfer.device, name, known.content)  # it is not always as clever as it might be
        copy.seen[name] = file
        if file.content is None:
            self._remove(transfer.device, name)
        else:
            self._put(transfer.device, name, file.content)

    def _conflict(self, device: str, name: str, here: File, there: File, changes: Count) -> File:
        """Return which of two files stays that were changed side by side; the other is kept under another name."""
        assert here.content is not None and there.content is not None
        stays, goes = sorted((here.content, there.content), key=lambda content: hashlib.sha256(content).digest())
        self._keep_beside(device, name, goes)
        return File(stays, changes)

    def _keep_beside(self, device: str, name: str, content: bytes) -> None:
        self._conflicts += 1
        stem, dot, suffix = name.rpartition(".")
        other = self._rnd.choice(CONFLICTS).format(stem=stem, suffix=dot + suffix)
        self._noted("two sides changed a file: one is kept under another name")
        self._put(device, other, content)

    def _drop_litter(self) -> None:
        device = self._rnd.choice(list(self._copies))
        folders = sorted({name.rpartition("/")[0] for name in self._copies[device].seen})
        if folders:
            self._noted("a program leaves a file of its own in the folder")
            self._put(device, f"{self._rnd.choice(folders)}/{self._rnd.choice(LITTER)}", self._rnd.randbytes(40))

    # -- on the disk -------------------------------------------------------------------------------------------------

    def _drop(self, transfer: Transfer) -> None:
        self._under_way = [each for each in self._under_way if each is not transfer]
        if transfer.part and self._copies[transfer.device].file(transfer.part) == transfer.half:
            self._remove(transfer.device, transfer.part)
        transfer.part = ""

    def _put(self, device: str, name: str, content: bytes) -> None:
        path = self._copies[device].root / name
        files.make_folder(path.parent)
        files.write_durably(path, content)

    def _remove(self, device: str, name: str) -> None:
        files.remove_durably([self._copies[device].root / name])


def _names(root: Path) -> list[str]:
    """Return the name of every file below *root*, in order; hidden ones are nobody's to carry."""
    found: list[str] = []
    folders = [""]
    while folders:
        below = folders.pop()
        with os.scandir(f"{root}/{below}") as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(f"{below}{entry.name}/")
                elif not entry.name.startswith("."):
                    found.append(f"{below}{entry.name}")
    return sorted(found)
