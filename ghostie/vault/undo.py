"""Undoing: what an operation changed is put back by new versions, so that an undo can itself be undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ghostie.errors import ChangedSince, NothingToUndo
from ghostie.memory import Version, make_version, said, stamp
from ghostie.vault import conflicts
from ghostie.vault.operations import Operation
from ghostie.vault.row import Entry

if TYPE_CHECKING:
    from ghostie.vault.vault import Vault


def undo(vault: Vault, operation_id: str | None = None, *, redo: bool = False) -> Operation:
    """Put back what the last command changed, or the operation named; with *redo*, what the last undo did.

    It is done by new versions, so it can itself be undone. Raises NothingToUndo or ChangedSince.
    """
    with vault.changing("undo") as change:
        operation = _operation(vault, operation_id, redo)
        versions: list[Version] = []
        for item in operation.changes:
            entry = vault.index.get(item.id)
            if entry is None or not _stands(vault, entry, item.after):
                raise ChangedSince(id=item.id[:8])
            change(item.id)
            versions += _put_back(vault, entry, item.before)
        change.undoes = operation.id
        vault.commit(versions)
        conflicts.note(vault, [item.id for item in operation.changes])
        return operation


def _operation(vault: Vault, operation_id: str | None, redo: bool) -> Operation:
    verb = "redo" if redo else "undo"
    if operation_id is None:
        operation = vault.operations.next_to_redo() if redo else vault.operations.next_to_undo()
    else:
        operation = next((each for each in vault.operations.all() if each.id == operation_id), None)
    if operation is None or not operation.can_undo:
        raise NothingToUndo(verb=verb)
    return operation


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
    if not before:
        return [vault.tombstone(entry)]
    olds = [_version(vault, entry, digest) for digest in before]
    if len(olds) == 1:
        return [vault.successor(entry, olds[0])]
    # two heads stood side by side: their common ground again, and both sides upon it
    base = conflicts.common_ground(vault, entry, olds[0], olds[1])
    ground = make_version(
        {**(said(base) if base is not None else {}), "id": entry.id},
        {**vault.sync_after(entry), "deleted": base is None or base.deleted},
    )
    sides = [
        make_version(
            {**said(old), "id": entry.id},
            {
                "version": ground.number + 1,
                "parents": [ground.hash],
                "last_modified": stamp(ground.modified + 1),
                "deleted": old.deleted,
                "device": old.sync.get("device"),
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
