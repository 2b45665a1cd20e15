"""Conflicts: memories with heads that the rules could not merge, and what a person can do about them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from ghostie import codec, files
from ghostie.crypto.sealing import Purpose, seal
from ghostie.errors import AnotherSide, CannotRead, Damaged, NoConflict, UsageError
from ghostie.memory import Record, Version, derived_id, keyed_digest, make_version, mended, said
from ghostie.paths import VERSION_SUFFIX
from ghostie.vault import merge
from ghostie.vault.row import Entry

if TYPE_CHECKING:
    from ghostie.vault.vault import Vault

CHOICES: Final = ("mine", "theirs", "both", "merged", "edit")


@dataclass(frozen=True, slots=True)
class Conflict:
    """An open conflict: what the sides began at, this device's side, the others, and the fields in dispute."""

    id: str
    base: Version | None
    mine: Version
    others: tuple[Version, ...]
    disputes: tuple[str, ...]

    @property
    def theirs(self) -> Version:
        return self.others[0]

    def marked(self) -> str:
        """Return the content for an editor, with markers."""
        return merge.marked(self.base, self.mine, *self.others)


def open_conflicts(vault: Vault) -> list[Entry]:
    """Return the memories in conflict, newest first. The index is loaded."""
    found = vault.index.entries(vault.index.in_conflict())
    return sorted(found, key=lambda entry: (-entry.timestamp, entry.id))


def look(vault: Vault, entry: Entry) -> Conflict:
    """Return the conflict of *entry*. Raises NoConflict, or Damaged where fewer than two of its heads open."""
    if not entry.in_conflict:
        raise NoConflict(id=entry.id[:8])
    known = vault.files.opened(entry)
    heads = [known[digest] for digest in entry.heads if digest in known]
    if len(heads) < 2:
        raise Damaged(what=f"version file {next(entry.stem(digest) for digest in entry.heads if digest not in known)}")
    mine = max(heads, key=lambda head: (_is_ours(vault, known, head), -entry.heads.index(head.hash)))
    others = tuple(head for head in heads if head.hash != mine.hash)
    known = {**merge.taking_part(known), **{head.hash: head for head in heads}}
    base = merge.common_ancestor(known, mine.hash, others[0].hash)
    disputes: dict[str, None] = {}
    for other in others:
        disputes |= dict.fromkeys(merge.merge_pair(known, mine.hash, other.hash)[1])
    return Conflict(entry.id, base, mine, others, tuple(disputes))


def common_ground(vault: Vault, entry: Entry, one: Version, other: Version) -> Version | None:
    return merge.common_ancestor(vault.files.opened(entry), one.hash, other.hash)


def _is_ours(vault: Vault, known: dict[str, Version], head: Version) -> bool:
    """Tell whether *head* has work of this device in it that no other head has."""
    others = {
        digest for other in merge.raw_heads(known) if other != head.hash for digest in merge.ancestry(known, other)
    }
    line = merge.ancestry(known, head.hash) - others
    return any(known[digest].device == vault.device.name for digest in line)


def by_hand(content: str) -> str:
    """Return *content*, which a person made of `Conflict.marked`. Raises UsageError where they are not done."""
    if any(line.startswith(("<<<<<<< mine", ">>>>>>> theirs")) for line in content.splitlines()):
        raise UsageError("the markers are still in the text; nothing was changed")
    if not content.strip():
        raise UsageError("the content would be empty; nothing was changed")
    return content


def merged(vault: Vault, entry: Entry, conflict: Conflict) -> Record:
    """Return the fields of the choice "merged"; see `merge.joined`."""
    fields: Record = said(conflict.mine)
    for other in conflict.others:
        base = common_ground(vault, entry, conflict.mine, other)
        fields = merge.joined(base, replace(conflict.mine, record=fields), other)
    return fields


def resolve(
    vault: Vault,
    prefix: str,
    keep: str,
    *,
    edited: Callable[[Conflict], str] | None = None,
    fields: Mapping[str, Any] | None = None,
    seen: Collection[str] | None = None,
    other: int = 0,
) -> tuple[Conflict, list[Version]]:
    """Settle a conflict as the person says; return it and the versions that were made.

    *keep* is one of CHOICES; for "edit", *edited* returns the content that the person made of it, and *fields* are
    values of their choice; all others are those of "merged". *seen* are the hashes of the heads that they were shown,
    *other* is which of several sides "theirs" means. Raises NoConflict, AnotherSide where there are other heads by now,
    or as `Vault.edit`.
    """
    content = None
    if keep == "edit" and edited is not None:
        # the person takes their time: not under the lock
        content = edited(look(vault, vault.find(prefix)))
    with vault.changing("resolve") as change:
        entry = vault.find(prefix)
        conflict = look(vault, entry)
        if seen is not None and set(entry.heads) != set(seen):
            raise AnotherSide(id=entry.id[:8])
        change(entry.id)
        own = {**(fields or {}), **({"content": content} if content is not None else {})}
        versions = [_resolution(vault, entry, conflict, keep, own, conflict.others[other])]
        if keep == "both":
            for side in conflict.others:
                split = _split(vault, conflict, side)
                if split is not None:
                    change(split.id)
                    versions.append(split)
        vault.commit(versions)
        with vault.after_the_change("its worksheet was not removed"):
            note(vault, [entry.id])
        return conflict, versions


def _resolution(
    vault: Vault, entry: Entry, conflict: Conflict, keep: str, own: Mapping[str, Any], theirs: Version
) -> Version:
    chosen = theirs if keep == "theirs" else conflict.mine
    deleted = chosen.deleted
    record: Record = mended(said(chosen))
    if keep in ("merged", "edit"):
        record, deleted = mended({**merged(vault, entry, conflict), **own}), False
    if not deleted and "privacy" not in own and vault.stays_here(entry):
        record["privacy"] = "local"  # what stays here does so until the person says otherwise
    local = record.get("privacy") == "local"
    return make_version({**record, "id": entry.id}, {**vault.sync_after(entry, local=local), "deleted": deleted})


def _split(vault: Vault, conflict: Conflict, other: Version) -> Version | None:
    """Return the other side as a memory of its own: the same wherever it is made."""
    if other.deleted:
        return None
    fields = mended(said(other))
    link = {"type": "split-from", "to": conflict.id}
    fields["links"] = [*fields.get("links", []), link]
    origin = (b"split", other.hash.encode())
    return make_version(
        {**fields, "id": derived_id(*origin, key=vault.naming_key)},
        {
            "version": 1,
            "last_modified": other.sync["last_modified"],
            "salt": keyed_digest(vault.naming_key, *origin).hex(),
        },
    )


# -- worksheets ------------------------------------------------------------------------------------------------------


def noted(vault: Vault) -> set[str]:
    """Return the ids of the memories that have a worksheet."""
    return {name.removesuffix(VERSION_SUFFIX) for name in files.names_in(vault.layout.conflicts)}


def note(vault: Vault, ids: Iterable[str]) -> None:
    """Keep a sealed worksheet for each open conflict among memories *ids*, and none for the others."""
    sheets, settled = [], []
    for memory_id in ids:
        path = vault.layout.worksheet(memory_id)
        entry = vault.index.get(memory_id)
        if entry is None or not entry.in_conflict:
            settled.append(path)
            continue
        try:
            conflict = look(vault, entry)
        except (Damaged, CannotRead):
            continue  # the person hears of it where it is looked at
        sheet = {
            "id": memory_id,
            "heads": [conflict.mine.hash, *(other.hash for other in conflict.others)],
            "base": conflict.base.hash if conflict.base is not None else None,
            "fields": list(conflict.disputes),
        }
        sheets.append((path, seal(vault.keys, Purpose.CONFLICT, (memory_id.encode(),), codec.dumps(sheet))))
    if sheets:
        files.write_all_durably(sheets)
    files.remove_durably(settled)
