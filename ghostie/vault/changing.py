"""One command's change of the vault: the lock, a fresh index, and at the end the operation that can be undone."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from ghostie.errors import CannotWrite, NotNoted
from ghostie.vault.operations import Change

if TYPE_CHECKING:
    from ghostie.vault.vault import Vault


class Changing:
    """Holds the writers' lock; called with a memory's id before it changes. Leaves one operation, if anything did."""

    def __init__(self, vault: Vault, what: str) -> None:
        self.undoes: str | None = None  # the id of the operation that this one puts back
        self._vault = vault
        self._what = what
        self._before: dict[str, tuple[str, ...]] = {}
        self._lock: Any = None

    def __enter__(self) -> Changing:
        self._lock = self._vault.writing()
        self._lock.__enter__()
        try:
            self._vault.index.load()
            with contextlib.suppress(CannotWrite):
                self._vault.obey_purges(self._vault.index.purged())  # one may have been cut off half way
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        return self

    def __call__(self, memory_id: str) -> None:
        if memory_id not in self._before:
            self._before[memory_id] = self._heads(memory_id)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            # what a failure has already written durably is noted too: it happened
            changes = [
                Change(memory_id, before, after)
                for memory_id, before in self._before.items()
                if (after := self._heads(memory_id)) != before
            ]
            if changes:
                self._note(changes, failed=error is not None)
        finally:
            self._lock.__exit__(None, None, None)

    def _note(self, changes: list[Change], *, failed: bool) -> None:
        try:
            self._vault.operations.append(self._what, changes, self._vault.clock(), self.undoes)
        except CannotWrite as error:
            if not failed:  # else the failure itself says more
                raise NotNoted(why=error.facts["why"], id=changes[0].id) from error

    def _heads(self, memory_id: str) -> tuple[str, ...]:
        entry = self._vault.index.get(memory_id)
        return tuple(head[:32] for head in entry.heads) if entry is not None else ()
