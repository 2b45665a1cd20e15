"""Operations: what each command changes, noted in one sealed entry a command, and put back by new versions."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ghostie import codec
from ghostie.crypto.sealing import Keys, Purpose
from ghostie.errors import ChangedSince, NothingToUndo
from ghostie.memory import LARGE_CHANGE, Version, make_version, mended, moment_after, number_after, said
from ghostie.paths import Layout
from ghostie.vault.row import Entry
from ghostie.vault.sealedlog import SealedLog

if TYPE_CHECKING:
    from ghostie.vault.vault import Vault

FROM_ELSEWHERE = ("pull", "repair")  # what other devices made, and sync brought: taken back only by name

Progress = Callable[[int, int], None]


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
        """Whether anything is left to put back: a purge destroys."""
        return self.what != "purge"

    @property
    def is_large(self) -> bool:
        """Whether a person is asked before it is taken back or done again."""
        return len(self.changes) > LARGE_CHANGE


class Operations:
    """The operations of one vault on this device, oldest first."""

    def __init__(self, layout: Layout, keys: Keys) -> None:
        self._log = SealedLog(layout.operations, keys, Purpose.OPERATION, "operations")

    def append(self, what: str, changes: list[Change], time: int, undoes: str | None = None) -> None:
        """Note an operation durably. The lock is held."""
        entry: dict[str, Any] = {
            "id": secrets.token_hex(4),
            "time": time,
            "what": what,
            "changes": [[change.id, list(change.before), list(change.after)] for change in changes],
        }
        if undoes:
            entry["undoes"] = undoes
        self._log.append([codec.dumps_own(entry)])

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

    def find(self, operation_id: str | None = None, *, redo: bool = False) -> Operation:
        """Return the operation that an undo puts back, or with *redo* a redo; without an id, the next.

        To redo, an undo can be named, or what it took back. Raises NothingToUndo.
        """
        if operation_id is None:
            found = self._next_to_redo() if redo else self._next_to_undo()
        else:
            operations = self.all()
            found = next((each for each in operations if each.id == operation_id), None)
            if redo and found is not None and found.undoes is None:
                undone = _undone(operations)
                undos = [each for each in operations if each.undoes == found.id and each.id not in undone]
                found = undos[-1] if undos else None
        if found is None or not found.can_undo:
            raise NothingToUndo(verb="redo" if redo else "undo")
        return found

    def _next_to_undo(self) -> Operation | None:
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
                and operation.what not in FROM_ELSEWHERE
                and not ids <= purged
            ):
                return operation
        return None

    def _next_to_redo(self) -> Operation | None:
        """Return the newest undo that nothing of this person's has followed, or None.

        An undo of many memories counts although something has: so much work is not given up for one new memory.
        """
        operations = self.all()
        undone = _undone(operations)
        by_id = {operation.id: operation for operation in operations}
        followed = False
        for operation in reversed(operations):
            if operation.what in FROM_ELSEWHERE or operation.id in undone:
                continue
            if operation.undoes is None:
                followed = True
            elif followed and not operation.is_large:
                continue
            elif by_id.get(operation.undoes) is None or by_id[operation.undoes].undoes is None:
                return operation
        return None


def _undone(operations: list[Operation]) -> set[str]:
    """Return the ids of the operations that are undone at present: an undo may itself be undone."""
    undone: set[str] = set()
    for operation in reversed(operations):
        if operation.undoes is not None and operation.id not in undone:
            undone.add(operation.undoes)
    return undone


# -- while it happens ------------------------------------------------------------------------------------------------


class Changing:
    """A change of the vault that is under way; called with a memory's id before that changes."""

    def __init__(self, vault: Vault) -> None:
        self.undoes: str | None = None  # the id of the operation that this one puts back
        self._vault = vault
        self._before: dict[str, tuple[str, ...]] = {}

    def __call__(self, memory_id: str, before: tuple[str, ...] | None = None) -> None:
        """Note the heads of a memory *before* the change: as they are now, or as given where it is made already."""
        if memory_id not in self._before:
            self._before[memory_id] = self._heads(memory_id) if before is None else before

    def changes(self) -> list[Change]:
        return [
            Change(memory_id, before, after)
            for memory_id, before in self._before.items()
            if (after := self._heads(memory_id)) != before
        ]

    def _heads(self, memory_id: str) -> tuple[str, ...]:
        entry = self._vault.index.get(memory_id)
        return tuple(head[:32] for head in entry.heads) if entry is not None else ()


@contextlib.contextmanager
def changing(vault: Vault, what: str) -> Iterator[Changing]:
    """Hold the lock and a fresh index for a change named *what*; leave one operation, if anything changed."""
    with vault.writing():
        vault.index.update()
        vault.go_on()
        change = Changing(vault)
        try:
            yield change
        finally:
            # what a failure has already written durably is noted too: it happened
            if changes := change.changes():
                vault.note_operation(what, changes, change.undoes)


# -- putting it back -------------------------------------------------------------------------------------------------


def undo(
    vault: Vault, operation_id: str | None = None, *, redo: bool = False, progress: Progress | None = None
) -> Operation:
    """Put back what an operation changed: see `Vault.undo`."""
    from ghostie.vault import conflicts

    with changing(vault, "undo") as change:
        operation = vault.operations.find(operation_id, redo=redo)
        versions: list[Version] = []
        for number, item in enumerate(operation.changes, 1):
            if progress is not None and number % 100 == 0:
                progress(number, len(operation.changes))
            entry = vault.index.get(item.id)
            if entry is not None and _stands(vault, entry, item.after):
                change(item.id)
                versions += _put_back(vault, entry, item.before)
            elif entry is not None and _is_put_back(vault, entry, item.before):
                change(item.id, item.after)
            else:
                raise ChangedSince(id=item.id[:8])
        change.undoes = operation.id
        vault.commit(versions)
        with vault.after_the_change("its worksheets are not up to date"):
            conflicts.note(vault, [item.id for item in operation.changes])
        return operation


def _is_put_back(vault: Vault, entry: Entry, before: tuple[str, ...]) -> bool:
    """Tell whether *entry* says what it did *before*, by an undo that could not be noted: only that is left to do."""
    noted = {digest for each in vault.operations.all() for item in each.changes for digest in item.after}
    if any(head[:32] in noted for head in entry.heads):
        return False
    return _stands(vault, entry, before) if before else entry.deleted and not entry.in_conflict


def _stands(vault: Vault, entry: Entry, after: tuple[str, ...]) -> bool:
    """Tell whether *entry* is as an operation left it: the same heads, or others that say the same."""
    if sorted(head[:32] for head in entry.heads) == sorted(after):
        return True
    if len(entry.heads) != len(after):
        return False
    now = sorted(vault.files.read(entry.stem(head)).say() for head in entry.heads)
    return now == sorted(_version(vault, entry, head).say() for head in after)


def _put_back(vault: Vault, entry: Entry, before: tuple[str, ...]) -> list[Version]:
    """Return the versions after which *entry* says what the heads *before* said."""
    from ghostie.vault.conflicts import common_ground

    if not before:
        return [vault.tombstone(entry)]
    olds = [_version(vault, entry, digest) for digest in before]
    if len(olds) == 1:
        return [vault.successor(entry, olds[0])]
    # two heads stood side by side: their common ground again, and both sides upon it
    base = common_ground(vault, entry, olds[0], olds[1])
    local = base is not None and base.field("privacy") == "local"
    ground = make_version(
        {**(mended(said(base)) if base is not None else {}), "id": entry.id},
        {**vault.sync_after(entry, local=local), "deleted": base is None or base.deleted},
    )
    sides = [
        make_version(
            {**mended(said(old)), "id": entry.id},
            {
                "version": number_after(ground.number),
                "parents": [ground.hash],
                "last_modified": moment_after(ground.modified),
                "deleted": old.deleted,
                "device": old.device if "device" in old.sync else None,
                "salt": vault.salt(),
            },
        )
        for old in olds
    ]
    return [ground, *sides]


def _version(vault: Vault, entry: Entry, hash32: str) -> Version:
    found = next((digest for digest in entry.versions if digest.startswith(hash32)), None)
    if found is None:
        raise ChangedSince(id=entry.id[:8])
    return vault.files.read(entry.stem(found))
