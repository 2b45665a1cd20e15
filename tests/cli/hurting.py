"""Ways in which a file comes to harm between two commands."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from .device import flip

Hurt = Callable[[Path], None]


def delete(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0" * 7)


def flip_early(path: Path) -> None:
    flip(path, 6)


def flip_late(path: Path) -> None:
    flip(path, -1)


def replace_by_noise(path: Path) -> None:
    path.write_bytes(os.urandom(500))


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def replace_by_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/hostname")


ALL: list[Hurt] = [
    delete,
    empty,
    cut,
    grow,
    flip_early,
    flip_late,
    replace_by_noise,
    replace_by_folder,
    replace_by_pipe,
    replace_by_link,
]
