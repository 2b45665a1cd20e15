"""What a store is: four small promises that the dumbest service can keep. `tests/conformance` holds it to them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Final, Literal, Protocol

from ghostie.errors import StoreRefused, UsageError

CreateOnly = Literal["works", "ignored", "refused"]

_KEY = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]{0,127})(?:/[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}){0,7}")


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object of a listing: its key, its size in bytes, and a tag that changes when its bytes do."""

    key: str
    size: int
    tag: str


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a store is good at: the object size that suits it best, its limits (bytes), whether it can create only."""

    best_size: int
    largest_size: int
    most_objects: int
    create_only: CreateOnly


class ObjectStore(Protocol):
    """Sealed objects under keys of `[A-Za-z0-9._-]` and slashes. Every method raises StoreError, and nothing else."""

    @property
    def capabilities(self) -> Capabilities: ...

    def list(self, prefix: str) -> list[ObjectInfo]:
        """Return every object whose key begins with *prefix*, by key; complete, or an error."""
        ...

    def get(self, key: str) -> bytes:
        """Return the bytes under *key*. Raises NotFound."""
        ...

    def write(self, put: Mapping[str, bytes], delete: Iterable[str] = ()) -> None:
        """Store *put*, then remove *delete*. Doing it twice is doing it once; deleting what is absent is no error.

        The objects of one folder appear in the order of *put*: who lists meanwhile never sees a later one alone.
        """
        ...


# A new store is a new file and a line here; it is imported only when it is used.
REGISTRY: Final[Mapping[str, str]] = {
    "folder": "ghostie.backends.folder:FolderStore",
    "s3": "ghostie.backends.s3:S3Store",
    "gist": "ghostie.backends.gist:GistStore",
}


def open_store(backend: str, options: Mapping[str, str], secrets: Mapping[str, str] = {}) -> ObjectStore:
    """Return the store that *backend*, its *options* and its credentials describe. Raises UsageError."""
    if backend not in REGISTRY:
        raise UsageError(f"there is no backend {backend[:40]!r}", f"choose one of: {', '.join(REGISTRY)}")
    module, name = REGISTRY[backend].split(":")
    store: ObjectStore = getattr(import_module(module), name).from_options(options, secrets)
    return store


def check_key(key: str) -> str:
    """Return *key* if it is one. Raises StoreRefused: a hostile name never becomes a path."""
    if not _KEY.fullmatch(key):
        raise StoreRefused(why="a key has other characters than letters, digits, dot, dash, underscore and slash")
    return key
