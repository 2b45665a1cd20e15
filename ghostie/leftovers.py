"""What every command looks after: what killed processes left is removed, and room is kept for deleting.

A killed process leaves files half written, and perhaps a text that was being edited, in the clear.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from ghostie import claims, files
from ghostie.errors import CannotWrite, VaultBusy
from ghostie.paths import Layout, runtime_folder

_SCRATCH = "edit-"
_LOCK = "lock"


SMALLEST_RESERVE = 256 << 10
LARGEST_RESERVE = 4 << 20


def keep_reserve(layout: Layout) -> None:
    """Keep room for what deleting writes, if the disk has much more: tombstones, markers, notes, and the index."""
    try:
        snapshot = os.stat(layout.index_snapshot).st_size
    except OSError:  # not there; and what cannot be looked at is no reason to fail here
        snapshot = 0
    files.keep_reserve(layout.reserve, min(SMALLEST_RESERVE + snapshot, LARGEST_RESERVE))


def tend(layout: Layout) -> None:
    sweep(layout)
    keep_reserve(layout)


def sweep(layout: Layout) -> None:
    """Remove what killed processes left in the vault, and the text of an editor wherever it lies.

    What a living process is writing stays. `memories/` is looked at where it is listed anyway.
    """
    for folder in filter(None, (runtime_folder(), layout.editing)):
        for name in _names(folder):
            own = folder / name
            if name.startswith(_SCRATCH) and not own.is_symlink():
                with contextlib.suppress(OSError):
                    if claims.abandoned(own / _LOCK):
                        files.wipe_folder(own)
    folders = [folder for folder in layout.folders() if folder != layout.memories]
    littered = [folder for folder in folders if any(map(files.is_temporary, _names(folder)))]
    if littered:
        with contextlib.suppress(VaultBusy, CannotWrite), files.locked(layout.lock, patience=0):
            for folder in littered:
                files.sweep_temporaries(folder, alone=False)


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


@contextlib.contextmanager
def scratch(layout: Layout, suffix: str, content: bytes) -> Iterator[Path]:
    """Hold a private file with *content* for another program to edit; it is wiped at the end, or by `sweep`.

    It lies in the runtime folder, which a restart empties, or in the vault: nowhere that others share. It has a folder
    of its own, so that what the program puts beside it is wiped as well.
    """
    folder = runtime_folder() or layout.editing
    files.make_private_folder(folder)
    own = folder / f"{_SCRATCH}{secrets.token_hex(8)}"
    files.make_private_folder(own)
    with files.holding(own / _LOCK):
        try:
            path = own / f"memory{suffix}"
            files.write_durably(path, content)
            yield path
        finally:
            files.wipe_folder(own)
