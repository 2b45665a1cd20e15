"""Operations: what each command changed, so that it can be undone. One sealed entry a command, appended."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from ghostie import codec
from ghostie.crypto.sealing import Keys, Purpose
from ghostie.paths import Layout
from ghostie.vault.sealedlog import SealedLog


@dataclass(frozen=True, slots=True)
class Change:
    """One memory's heads before and after an operation, as the first 32 hex digits of their hashes."""

    id: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """What one command did. *undoes* is the id of the operation that this one put back."""

    id: str
    time: int
    what: str
    changes: tuple[Change, ...]
    undoes: str | None = None

    @property
    def can_undo(self) -> bool:
        """A purge destroys; and what came from other devices is theirs, unless it is named."""
        return self.what != "purge"


class Operations:
    """The operations of one vault on this device, oldest first."""

    def __init__(self, layout: Layout, keys: Keys) -> None:
        self._log = SealedLog(layout.operations, keys, Purpose.OPERATION, "operations")

    def append(self, what: str, changes: list[Change], time: int, undoes: str | None = None) -> Operation:
        """Note an operation, durably. The lock is held."""
        operation = Operation(secrets.token_hex(4), time, what, tuple(changes), undoes)
        entry: dict[str, Any] = {
            "id": operation.id,
            "time": time,
            "what": what,
            "changes": [[change.id, list(change.before), list(change.after)] for change in changes],
        }
        if undoes:
            entry["undoes"] = undoes
        self._log.append([codec.dumps_own(entry)])
        return operation

    def all(self) -> list[Operation]:
        return [
            Operation(
                entry["id"],
                entry["time"],
                entry["what"],
                tuple(Change(memory_id, tuple(before), tuple(after)) for memory_id, before, after in entry["changes"]),
                entry.get("undoes"),
            )
            for entry in map(codec.loads_own, self._log.read())
        ]

    def next_to_undo(self) -> Operation | None:
        """Return the newest operation of this person that stands, or None. Undoing again goes further back.

        What a purge has destroyed altogether since is passed over: nothing of it can be put back.
        """
        operations = self.all()
        undone = _undone(operations)
        purged: set[str] = set()
        for operation in reversed(operations):
            ids = {change.id for change in operation.changes}
            if operation.what == "purge":
                purged |= ids
            if (
                operation.undoes is None
                and operation.id not in undone
                and operation.can_undo
                and operation.what != "pull"
                and not ids <= purged
            ):
                return operation
        return None

    def next_to_redo(self) -> Operation | None:
        """Return the newest undo that nothing of this person's has followed, or None."""
        operations = self.all()
        undone = _undone(operations)
        by_id = {operation.id: operation for operation in operations}
        for operation in reversed(operations):
            if operation.what == "pull" or operation.id in undone:
                continue
            if operation.undoes is None:
                return None  # something new was done since: there is no way forward
            if by_id.get(operation.undoes) is None or by_id[operation.undoes].undoes is None:
                return operation
        return None


def _undone(operations: list[Operation]) -> set[str]:
    """Return the ids of the operations that are undone at present; the undo of an undo makes it stand again."""
    undone: set[str] = set()
    for operation in reversed(operations):
        if operation.undoes is not None and operation.id not in undone:
            undone.add(operation.undoes)
    return undone
