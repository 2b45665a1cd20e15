"""The vault: memories in, memories out. Nobody outside knows that there are files.

Every change is new versions, written durably under one lock that is held briefly, and an operation that can be undone.
Readers need no lock.
"""

from __future__ import annotations

import contextlib
import heapq
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ghostie import files
from ghostie.crypto.sealing import Keys, Purpose, subkey
from ghostie.crypto.unlock import read_key_file, with_left
from ghostie.errors import (
    AmbiguousId,
    CannotRead,
    CannotWrite,
    InConflict,
    KeysChanged,
    NotConfirmed,
    NotDestroyed,
    NotNoted,
    NotRemoved,
    NoVault,
    Unfinished,
    UnknownMemory,
    UnknownVersion,
    VaultBusy,
    WrittenInPart,
)
from ghostie.memory import (
    Record,
    Version,
    check_fields,
    make_version,
    memory,
    mended,
    moment_after,
    new_id,
    new_salt,
    normal,
    number_after,
    said,
    stamp,
)
from ghostie.paths import Layout
from ghostie.vault.device import Device
from ghostie.vault.operations import Change, Changing, Operation, Operations, changing, undo
from ghostie.vault.row import Entry, Journal, Row, row_of
from ghostie.vault.versions import VersionFiles

if TYPE_CHECKING:
    from ghostie.vault.index import Index
    from ghostie.vault.query import Filter
    from ghostie.vault.search import Hit, SearchIndex

Clock = Callable[[], int]


def wall_clock() -> int:
    """Return the time in Unix milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What came of taking versions in: how many were new, and which memories (ids) it happened to."""

    new: int = 0
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    merged: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    flagged: tuple[str, ...] = ()


class Vault:
    """An open vault, made by `open_vault` or `create_vault`.

    *clock* gives Unix milliseconds; a simulation replaces it, and where ids and salts come from.
    """

    def __init__(
        self,
        layout: Layout,
        keys: Keys,
        device: Device,
        *,
        clock: Clock = wall_clock,
        new_id: Callable[[], str] = new_id,
        salt: Callable[[], str] = new_salt,
        patience: float = 5.0,
    ) -> None:
        self.layout = layout
        self.keys = keys = with_left(layout, keys)
        self.device = device
        self.clock = clock
        self._new_id = new_id
        self.salt = salt  # without it, a version's hash could be used to try out what it says
        self._patience = patience
        self.files = VersionFiles(layout, keys)
        self.operations = Operations(layout, keys)
        self.unfinished: list[Unfinished] = []  # what did not follow a change that was made: to be told, once

    @cached_property
    def index(self) -> Index:
        """The index; adding a memory does not need it."""
        from ghostie.vault.index import Index

        return Index(self.layout, self.keys, self.files)

    @cached_property
    def _search(self) -> SearchIndex:
        from ghostie.vault.search import SearchIndex

        return SearchIndex(self.layout, self.keys)

    # -- adding and changing -----------------------------------------------------------------------------------------

    def add(self, content: str, **fields: Any) -> Version:
        """Add a memory with this *content* and any of the record's fields; return its first version.

        Raises BadMemory, TooLarge, VaultBusy or CannotWrite.
        """
        now = stamp(self.clock())
        fields = {"timestamp": now, "device_id": self.device.name, **fields}
        version = make_version(
            {**memory(content, **fields), "id": self._new_id()},
            {"version": 1, "last_modified": now, "salt": self.salt()},
        )
        with self.writing():
            self.files.write([version])
            with contextlib.suppress(CannotWrite, CannotRead):  # the next load finds it by its file
                Journal(self.layout, self.keys).note([row_of(version)])
            self.note_operation("add", [Change(version.id, (), (version.hash[:32],))])
        return version

    def edit(self, prefix: str, changes: Mapping[str, Any], *, base: str | None = None, what: str = "edit") -> Version:
        """Give a memory's fields new values; return what is then shown.

        *base* is the hash of the version that the person was looking at: if another change came between, the two are
        merged like those of two devices. Raises UnknownMemory, AmbiguousId, InConflict, BadMemory and as `add`.
        """
        with self.changing(what) as change:
            entry = self.find(prefix)
            if base is None or base in entry.tips:
                version = self._next(self._shown(entry), entry.tips, changes)
            else:
                version = self._next(self.files.read(entry.stem(base)), [base], changes)
            if version is None:
                return self._shown(entry)
            change(entry.id)
            self.commit([version])
            self._settle([entry.id])
            if self.index[entry.id].heads[0] == version.hash:
                return version
            with self.after_the_change("what it says now could not be read"):
                return self.shown(self.index[entry.id])
            return version

    def edit_all(
        self, prefixes: Iterable[str], changes: Callable[[Version], Mapping[str, Any]], *, what: str = "edit"
    ) -> list[Version]:
        """Change several memories at once, each by what *changes* says of its shown version; all or none."""
        with self.changing(what) as change:
            versions = []
            for entry in self._find_all(prefixes):
                shown = self._shown(entry)
                version = self._next(shown, entry.tips, changes(shown))
                if version is not None:
                    change(entry.id)
                    versions.append(version)
            self.commit(versions)
            return versions

    def remove(self, prefixes: Iterable[str]) -> list[Version]:
        """Remove memories: each gets a tombstone, and can be restored. Removed ones stay as they are."""
        with files.spending(self.layout.reserve), self.changing("rm") as change:
            tombstones = []
            for entry in self._find_all(prefixes):
                if not entry.deleted or entry.in_conflict:
                    change(entry.id)
                    tombstones.append(self.tombstone(entry))
            self.commit(tombstones)
            self._settle([version.id for version in tombstones])
            return tombstones

    def merge_into(self, prefix: str, into: str) -> Version:
        """Merge the memory *prefix* into the memory *into*, and remove it: one operation. Return what *into* then says.

        Raises as `edit` and `united`.
        """
        from ghostie.vault.likeness import united

        with self.changing("merge") as change:
            gone, kept = self.find(prefix), self.find(into)
            shown = self._shown(kept)
            version = self._next(shown, kept.tips, united(shown, self._shown(gone)))
            change(kept.id)
            change(gone.id)
            self.commit([*([version] if version is not None else []), self.tombstone(gone)])
            return version or shown

    def restore(self, prefix: str, at: Version | None = None) -> Version:
        """Bring back a removed memory, or the fields of an older version *at* of one. Raises NotRemoved."""
        return self.restore_all([prefix], at)[0]

    def restore_all(self, prefixes: Iterable[str], at: Version | None = None) -> list[Version]:
        """Bring several memories back at once, all or none; as `restore`."""
        with self.changing("restore") as change:
            versions = []
            for entry in self._find_all(prefixes):
                if at is None and not entry.deleted:
                    raise NotRemoved(id=entry.id[:8])
                versions.append(self.successor(entry, self._before_removal(entry) if at is None else at))
                change(entry.id)
            self.commit(versions)
            self._settle([version.id for version in versions])
            return versions

    def purge(self, prefixes: Iterable[str]) -> list[str]:
        """Destroy memories: all their versions, here at once and on other devices when they pull. Return their ids.

        This cannot be undone: a small marker stays, so that no device brings them back.
        """
        from ghostie.vault import conflicts

        with files.spending(self.layout.reserve), self.changing("purge") as change:
            markers = []
            for entry in self._find_all(prefixes):
                change(entry.id)
                local = self._never_synced(entry)
                markers.append(
                    make_version(
                        {"id": entry.id, "privacy": "local" if local else None},
                        {
                            **self.sync_after(entry, local=local),
                            "withheld": [] if local else sorted(entry.withheld()),
                            "deleted": True,
                            "purges": sorted(entry.purged() | set(entry.versions) | entry.withheld()),
                        },
                    )
                )
            self.commit(markers)
            ids = [marker.id for marker in markers]
            try:
                self.obey_purges(ids)
            except (CannotWrite, CannotRead) as error:
                raise NotDestroyed(why=error) from error
            with self.after_the_change("its worksheets were not removed"):
                conflicts.note(self, ids)
            return ids

    def take_in(self, versions: Iterable[Version], what: str) -> TakenIn:
        """Add versions that were made elsewhere, in whatever order they come, and merge the heads that can be merged.

        Raises VaultBusy, CannotRead or CannotWrite, with nothing taken in.
        """
        with self.changing(what) as change:
            arrived = {version.hash: version for version in versions}
            fresh = [version for version in arrived.values() if not self.index.has(version)]
            # of what is known already too: repeating a take-in that was cut off finishes it
            touched = list(dict.fromkeys(version.id for version in arrived.values()))
            was = {entry.id: entry.deleted for entry in self.index.entries(touched)}
            for memory_id in touched:
                change(memory_id)
            self.commit(fresh)
            merged = self._settle(touched)
            with self.after_the_change("what a purge destroys is still on the disk"):
                self.obey_purges(touched)
            now = list(self.index.entries(dict.fromkeys(version.id for version in (*fresh, *merged))))
            return TakenIn(
                new=len(fresh),
                added=tuple(entry.id for entry in now if not entry.deleted and was.get(entry.id, True)),
                changed=tuple(entry.id for entry in now if not entry.deleted and was.get(entry.id) is False),
                removed=tuple(entry.id for entry in now if entry.deleted and was.get(entry.id) is False),
                merged=tuple(dict.fromkeys(version.id for version in merged)),
                conflicts=tuple(entry.id for entry in now if entry.in_conflict),
                flagged=tuple(entry.id for entry in now if entry.row.get("flag")),
            )

    def undo(
        self, operation_id: str | None = None, *, redo: bool = False, progress: Callable[[int, int], None] | None = None
    ) -> Operation:
        """Put back what this person's last command changed, or the operation named; with *redo*, what an undo did.

        *progress* hears how many memories are done, of how many. Raises NothingToUndo or ChangedSince.
        """
        return undo(self, operation_id, redo=redo, progress=progress)

    # -- finding -----------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Load the index as the files are now; fold its journal when that pays and nobody is writing."""
        self.index.load()
        if self.index.worth_saving():
            try:
                with files.locked(self.layout.lock, patience=0):
                    self.index.save_if_worth()
            except (VaultBusy, CannotWrite):
                pass  # a reader's vault may lie where nobody can write

    def select(self, wanted: Filter | None = None, limit: int | None = None, *, at: int | None = None) -> list[Entry]:
        """Return the memories that *wanted* holds for, newest first; with *at* (Unix ms), as `entries_at` has them."""
        from ghostie.vault.query import Filter

        holds = (wanted or Filter()).test()
        found = self.index.find(holds) if at is None else [each for each in self.entries_at(at) if holds(each.doc)]
        if limit is None:
            return sorted(found, key=_newest_first)
        return heapq.nsmallest(limit, found, key=_newest_first)

    def find(self, prefix: str) -> Entry:
        """Return the memory whose id begins with *prefix*. Raises UnknownMemory or AmbiguousId."""
        wanted = prefix.lower()
        entry = self.index.get(wanted)
        if entry is not None:
            return entry
        found = sorted(memory_id for memory_id in self.index.ids() if memory_id.startswith(wanted)) if wanted else []
        if not found:
            raise UnknownMemory(prefix=prefix[:40])
        if len(found) > 1:
            examples = ", ".join(memory_id[: len(wanted) + 4] for memory_id in found[:3])
            raise AmbiguousId(prefix=prefix[:40], count=len(found), examples=examples)
        return self.index[found[0]]

    def _find_all(self, prefixes: Iterable[str]) -> list[Entry]:
        return list({entry.id: entry for entry in map(self.find, prefixes)}.values())

    def shown(self, entry: Entry) -> Version:
        """Return the version of *entry* that is shown. Raises Damaged."""
        return self.files.read(entry.stem(entry.heads[0]))

    def history(self, entry: Entry) -> list[Version]:
        """Return every version of a memory, children before parents. Raises Damaged."""
        left = {version.hash: version for version in map(self.files.read, entry.stems())}
        rank = {digest: (-version.number, -version.modified, digest) for digest, version in left.items()}
        children = Counter(parent for version in left.values() for parent in version.parents)
        heads = [rank[digest] for digest in left if not children[digest]]
        heapq.heapify(heads)
        found: list[Version] = []
        while heads:
            version = left[heapq.heappop(heads)[2]]
            found.append(version)
            for parent in version.parents:
                children[parent] -= 1
                if parent in left and not children[parent]:
                    heapq.heappush(heads, rank[parent])
        return found

    def version(self, entry: Entry, name: str) -> Version:
        """Return the version of *entry* that *name* says: the beginning of its hash, or its number. UnknownVersion."""
        digits = name.removeprefix("sha256:").lower()
        found = [digest for digest in entry.versions if len(digits) >= 4 and digest.startswith(digits)]
        if not found and name.isdecimal() and len(name) < 20:
            found = [digest for digest, row in entry.versions.items() if row["number"] == int(name)]
        if len(found) != 1:
            raise UnknownVersion(id=entry.id[:8], version=name[:40])
        return self.files.read(entry.stem(found[0]))

    def as_of(self, entry: Entry, moment: int) -> Version:
        """Return the version of *entry* that was shown at *moment* (Unix ms). Raises UnknownVersion."""
        return self.shown(self.entry_at(entry, moment))

    def entry_at(self, entry: Entry, moment: int) -> Entry:
        """Return *entry* as `entries_at` has it. Raises UnknownVersion where it was not there yet."""
        then = self.index.entry_at(entry, moment)
        if then is None:
            raise UnknownVersion(id=entry.id[:8], version=stamp(moment))
        return then

    def entries_at(self, moment: int) -> Iterator[Entry]:
        """Yield the memories as they were at *moment* (Unix ms), removed ones among them.

        What counts is when each version was made, by the clock of the device that made it: it is what all devices
        together knew then. Where a clock was wrong, changes stand at the wrong moment, but never before what they were
        made of. Purged versions and those that `gc` dropped were never there.
        """
        for entry in self.index.entries():
            if (then := self.index.entry_at(entry, moment)) is not None:
                yield then

    def search(self, query: str, limit: int = 20, *, every: bool = True, prefix: bool = False) -> list[Hit]:
        """Return the best *limit* memories for *query*: see `SearchIndex.search`."""
        self.catch_up_search()
        return self._search.search(query, limit, every=every, prefix=prefix)

    def catch_up_search(self) -> None:
        """Bring the full-text index up to date with the loaded index, and keep it where that pays."""
        self._search.catch_up(self.index.edition, self.shown_heads, self.files.read_many)
        if self._search.worth_saving():
            with contextlib.suppress(VaultBusy, CannotWrite), files.locked(self.layout.lock, patience=0):
                self._search.save()

    def shown_heads(self) -> dict[str, str]:
        """Return the hash of the version that is shown, by id, of each memory that is not removed."""
        return {entry.id: entry.heads[0] for entry in self.index.entries() if not entry.deleted}

    def texts(self, ids: Collection[str]) -> Iterator[tuple[str, str]]:
        """Yield each of memories *ids* with its content, as the full-text index had it when it last caught up."""
        return self._search.texts(ids)

    # -- the write path ----------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the writers' lock. Raises VaultBusy, or KeysChanged: nothing may be sealed under a key that is left."""
        with files.locked(self.layout.lock, self._patience):
            if files.is_there(self.layout.next_key):
                raise KeysChanged()
            with contextlib.suppress(NoVault):
                if read_key_file(self.layout).commitment != self.keys.id_of(self.keys.current):
                    raise KeysChanged()
            yield

    def changing(self, what: str) -> contextlib.AbstractContextManager[Changing]:
        """Hold the lock with the index loaded, for a change named *what*."""
        return changing(self, what)

    def commit(self, versions: list[Version]) -> None:
        """Write *versions* durably, and note them in the loaded index: the one point at which a change is made.

        Raises CannotWrite: of all of them nothing is there, unless it is NotConfirmed or WrittenInPart.
        """
        if not versions:
            return
        try:
            self.files.write(versions)
        except (NotConfirmed, WrittenInPart):
            self.index.add([version for version in versions if self.files.is_there(version.stem)])
            raise
        self.index.add(versions)

    @contextlib.contextmanager
    def after_the_change(self, what: str) -> Iterator[None]:
        """Do what follows a change that is made: where that fails, *what* tells it, and the change stands."""
        try:
            yield
        except (CannotWrite, CannotRead, OSError) as error:
            self.unfinished.append(Unfinished(what=what, why=error))

    def note_operation(self, what: str, changes: list[Change], undoes: str | None = None) -> None:
        """Note what was done, for `undo`. The lock is held."""
        try:
            self.operations.append(what, changes, self.clock(), undoes)
        except (CannotWrite, CannotRead) as error:
            self.unfinished.append(NotNoted(why=error, id=changes[0].id))

    def told(self) -> list[Unfinished]:
        """Return what did not follow the changes that were made, and forget it."""
        unfinished, self.unfinished = self.unfinished, []
        return unfinished

    def _settle(self, ids: Collection[str]) -> list[Version]:
        """Merge what the rules can among the heads of memories *ids*; return the merge versions."""
        from ghostie.vault import conflicts, merge

        added: list[Version] = []
        with self.after_the_change("it was not merged"):
            apart = [entry for entry in self.index.entries(ids) if entry.in_conflict]
            merges: list[Version] = []
            for entry in apart:
                merges += merge.settle(self.files.opened(entry)).added
            self.commit(merges)
            added = merges
            if noted := {*(entry.id for entry in apart), *conflicts.noted(self).intersection(ids)}:
                conflicts.note(self, sorted(noted))
        return added

    def left_unfinished(self) -> list[str]:
        """Return the ids of memories with a merge or a purge that was cut off. The index is loaded."""
        from ghostie.vault import conflicts

        purged = (entry.id for entry in self.index.entries(self.index.purged()) if entry.doomed())
        return sorted({*purged, *(self.index.in_conflict() ^ conflicts.noted(self))})

    def finish(self) -> None:
        """Finish merges and purges that were cut off. The index is loaded. Raises VaultBusy or KeysChanged."""
        if self.left_unfinished():
            with self.changing("merge"):
                pass  # every change begins with that

    def go_on(self) -> None:
        """Do what `left_unfinished` names, as far as the disk lets it be done. The lock is held."""
        told = list(self.unfinished)  # of what an earlier change left, this one has nothing to tell
        with contextlib.suppress(CannotWrite, CannotRead):
            if ids := self.left_unfinished():
                self._settle(ids)
                self.obey_purges(ids)
        self.unfinished = told

    def obey_purges(self, ids: Iterable[str]) -> None:
        """Destroy what is still here though a marker of memories *ids* names it. The lock is held."""
        stems = [stem for entry in self.index.entries(ids) for stem in entry.doomed()]
        if stems:
            # the files before the index: what is cut off here is found again by them, and finished
            self._search.forget()
            self.files.remove(stems)
            self.index.drop(stems)

    # -- versions from versions --------------------------------------------------------------------------------------

    def _shown(self, entry: Entry) -> Version:
        if entry.in_conflict:
            raise InConflict(id=entry.id[:8], count=len(entry.heads))
        return self.shown(entry)

    def _before_removal(self, entry: Entry) -> Version:
        if all(row.get("deleted") for row in entry.versions.values()):
            raise UnknownVersion(id=entry.id[:8], version="before its removal")
        return self.files.read(entry.stem(self._row_before_removal(entry)["hash"]))

    def _row_before_removal(self, entry: Entry) -> Row:
        live = {digest: row for digest, row in entry.versions.items() if not row.get("deleted")}
        older = {parent for row in live.values() for parent in row.get("parents", ())}
        # where numbers have come to their end, what follows has the same as what it follows
        candidates = [row for digest, row in live.items() if digest not in older]
        return max(candidates, key=lambda row: (row["number"], row["modified"], row["hash"]))

    def sync_after(self, entry: Entry, parents: list[str] | None = None, *, local: bool) -> Record:
        """Return the sync metadata of a version that follows *parents*, by default all tips. *local*: it stays here.

        One that does not, upon versions that do, names as parents, too, what other devices may have of what came before
        these: else they would miss that it follows it. What no log has of it stays here with these.
        """
        parents = sorted(entry.tips if parents is None else parents)
        rows = [entry.versions[digest] for digest in parents]
        kept = [] if local else [row["hash"] for row in rows if row.get("privacy") == "local"]
        before, withheld = entry.before_local(kept)
        if before:
            from ghostie.vault.sent import sent

            older = entry.before_local(kept, sent(self.layout, self.keys))
            before, withheld = older if older[0] else (before, withheld)  # nobody else has anything of it
        parents = sorted({*parents, *before})
        return {
            "withheld": sorted(withheld),
            "version": number_after(*(row["number"] for row in rows)),
            "parents": parents,
            "last_modified": moment_after(*(row["modified"] for row in rows), now=self.clock()),
            "device": self.device.name,
            "salt": self.salt(),
        }

    @cached_property
    def naming_key(self) -> bytes:
        """The key under which ids and salts follow from what is imported: the same in every epoch."""
        keys = self.keys
        return subkey(keys.epochs[min(keys.epochs)], Purpose.VERSION, b"names", keys.vault)

    def _next(self, shown: Version, parents: list[str], changes: Mapping[str, Any]) -> Version | None:
        """Return the version that *changes* make of *shown*, or None if they change nothing."""
        changes = normal(dict(changes))
        check_fields(changes)
        fields: Record = {**mended(said(shown)), **changes}
        entry = self.index[shown.id]
        if shown.deleted and "privacy" not in changes and self.stays_here(entry):
            fields["privacy"] = "local"
        local = fields.get("privacy") == "local"
        version = make_version({**fields, "id": shown.id}, self.sync_after(entry, parents, local=local))
        return None if version.say() == shown.say() and not shown.deleted else version

    def tombstone(self, entry: Entry) -> Version:
        """Return the version that removes *entry*: it says only what lists need, and of what stayed here nothing.

        It leaves this device unless all of the memory is local: other devices may have what was there before.
        """
        row, local = entry.row, self._never_synced(entry)
        if not local and row.get("privacy") == "local":
            known = [entry.versions[each] for each in entry.before_local([row["hash"]])[0] if each in entry.versions]
            row = known[0] if known else {"modified": 0}
        moment = row.get("timestamp", row["modified"])
        return make_version(
            {
                "id": entry.id,
                "kind": row.get("kind"),
                "timestamp": stamp(moment) if moment else None,
                "device_id": row.get("device_id"),
                "privacy": "local" if local else None,
            },
            {**self.sync_after(entry, local=local), "deleted": True},
        )

    def successor(self, entry: Entry, old: Version) -> Version:
        """Return the version that says what *old* said, on top of all tips. What stays here does so after it, too."""
        fields = mended(said(old))
        if not old.deleted and self.stays_here(entry):
            fields["privacy"] = "local"
        local = fields.get("privacy") == "local" and (not old.deleted or self._never_synced(entry))
        if old.deleted and not local:
            fields.pop("privacy", None)
        return make_version({**fields, "id": entry.id}, {**self.sync_after(entry, local=local), "deleted": old.deleted})

    def stays_here(self, entry: Entry) -> bool:
        """Tell whether a memory is not to leave this device; of a removed one, whether it was not."""
        rows = [entry.versions[head] for head in entry.heads if not entry.versions[head].get("deleted")]
        if not rows and any(not row.get("deleted") for row in entry.versions.values()):
            rows = [self._row_before_removal(entry)]
        return any(row.get("privacy") == "local" for row in rows)

    def was_synced(self, entry: Entry) -> bool:
        """Tell whether other devices may have something of a memory."""
        return not self._never_synced(entry)

    def _never_synced(self, entry: Entry) -> bool:
        """Tell whether all versions that a memory ever had are local."""
        rows = entry.versions
        return all(
            row.get("privacy") == "local" and all(parent in rows for parent in row.get("parents", ()))
            for row in rows.values()
        )

    def close(self) -> None:
        self._search.close()


def _newest_first(entry: Entry) -> tuple[int, str]:
    return -entry.timestamp, entry.id
