"""What a store is: four small promises that the dumbest service can keep. `tests/conformance` holds it to them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Final, Literal, Protocol, runtime_checkable

from ghostie.errors import NotFound, StoreRefused, Unreachable, UsageError

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


@runtime_checkable
class Remembering(Protocol):
    """A store whose next run is cheaper for what this one learnt. It may name what is secret: to be kept sealed."""

    def state(self) -> bytes: ...

    def restore(self, state: bytes) -> None:
        """Take up what `state` returned; anything else is as good as nothing."""
        ...


@runtime_checkable
class Probing(Protocol):
    """A store that can find out, by an object of its own, what the service behind it does."""

    def tried_out(self, request: Callable[[Callable[[], None]], None]) -> dict[str, str]:
        """Put, get and delete an object; return what that taught, as options. Raises StoreError.

        Each request is made by *request*, which may make it again.
        """
        ...


@dataclass(frozen=True, slots=True)
class Secret:
    """One credential: its name, the variable that it may come in, and the words that a person is asked for it."""

    name: str
    variable: str
    words: str
    needed: bool = True


@dataclass(frozen=True, slots=True)
class Backend:
    """One kind of store: its class, the options that say where it is and those that say how to get there, its
    credentials, and whether a network lies between."""

    target: str
    place: tuple[str, ...]
    way: tuple[str, ...] = ()
    secrets: tuple[Secret, ...] = ()
    remote: bool = True


_PROXY: Final = Secret("proxy", "GHOSTIE_PROXY", "proxy with its password", needed=False)

# A new store is a new file and an entry here; it is imported only when it is used.
REGISTRY: Final[Mapping[str, Backend]] = {
    "folder": Backend("ghostie.backends.folder:FolderStore", ("path",), remote=False),
    "s3": Backend(
        "ghostie.backends.s3:S3Store",
        ("bucket", "endpoint", "prefix"),
        ("region", "style", "proxy", "authorities", "plain_http", "create_only"),
        (
            Secret("access_key", "GHOSTIE_S3_ACCESS_KEY", "access key"),
            Secret("secret_key", "GHOSTIE_S3_SECRET_KEY", "secret key"),
            Secret("session_token", "GHOSTIE_S3_SESSION_TOKEN", "session token", needed=False),
            _PROXY,
        ),
    ),
    "gist": Backend(
        "ghostie.backends.gist:GistStore",
        ("api_url", "prefix"),
        ("raw_url", "proxy", "authorities", "plain_http"),
        (Secret("token", "GHOSTIE_GIST_TOKEN", "token that may read and write gists"), _PROXY),
    ),
}


def backend_of(name: str) -> Backend:
    """Return the kind of store *name*. Raises UsageError."""
    if name not in REGISTRY:
        raise UsageError(f"there is no backend {name[:40]!r}", f"choose one of: {', '.join(REGISTRY)}")
    return REGISTRY[name]


def open_store(backend: str, options: Mapping[str, str], secrets: Mapping[str, str] = {}) -> ObjectStore:
    """Return the store that *backend*, its *options* and its credentials describe. Raises UsageError."""
    module, name = backend_of(backend).target.split(":")
    store: ObjectStore = getattr(import_module(module), name).from_options(options, secrets)
    return store


def same_place(backend: str, options: Mapping[str, str], other: str, others: Mapping[str, str]) -> bool:
    """Tell whether two configurations lead to one store, by whatever way."""
    return backend == other and all(options.get(name, "") == others.get(name, "") for name in backend_of(backend).place)


def check_key(key: str) -> str:
    """Return *key* if it is one. Raises StoreRefused: a hostile name never becomes a path."""
    if not _KEY.fullmatch(key):
        raise StoreRefused(why="a key has other characters than letters, digits, dot, dash, underscore and slash")
    return key


class MemoryStore:
    """The smallest store: a dictionary, which a test or a simulation may change behind everybody's back."""

    def __init__(self, *, best_size: int = 1 << 20, largest_size: int = 8 << 20) -> None:
        self.capabilities = Capabilities(best_size, largest_size, most_objects=100_000, create_only="ignored")
        self.objects: dict[str, bytes] = {}
        self.unplugged = False

    def list(self, prefix: str) -> list[ObjectInfo]:
        self._reach()
        return [
            ObjectInfo(key, len(content), hashlib.sha256(content).hexdigest()[:16])
            for key, content in sorted(self.objects.items())
            if key.startswith(prefix)
        ]

    def get(self, key: str) -> bytes:
        self._reach()
        check_key(key)
        if key not in self.objects:
            raise NotFound(key=key)
        return self.objects[key]

    def write(self, put: Mapping[str, bytes], delete: Iterable[str] = ()) -> None:
        self._reach()
        doomed = [check_key(key) for key in delete]
        for key, content in put.items():
            check_key(key)
            if len(content) > self.capabilities.largest_size:
                raise StoreRefused(why="an object is too large for it")
        self.objects.update(put)
        for key in doomed:
            self.objects.pop(key, None)

    def _reach(self) -> None:
        if self.unplugged:
            raise Unreachable(why="nobody answers")
