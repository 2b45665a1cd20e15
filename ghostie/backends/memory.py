"""A store in memory: the smallest thing that keeps the four promises."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from ghostie.backends.store import Capabilities, ObjectInfo, check_key
from ghostie.errors import NotFound, StoreRefused, Unreachable


class MemoryStore:
    """Objects in a dictionary, which a test or a simulation may look into and change behind everybody's back."""

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
