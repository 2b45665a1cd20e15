"""The index: a disposable view of the version files, in TinyDB over a sealed snapshot and a sealed journal.

TinyDB holds one document a memory: a row for each of its versions, and its heads. The journal has what was added since
the snapshot, so that adding a memory never loads the index. On loading, both are compared with the names of the files:
damage of any kind costs a second.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from tinydb.storages import Storage
from tinydb.table import Table

from ghostie import codec, files
from ghostie.crypto.sealing import Keys, Purpose, SealError, seal, unseal
from ghostie.errors import CannotRead, CannotWrite, Damaged
from ghostie.memory import Version
from ghostie.paths import Layout, is_stem
from ghostie.vault.merge import collapse
from ghostie.vault.row import ROWS_A_FRAME, Entry, Journal, Row, row_of
from ghostie.vault.versions import VersionFiles

FORMAT: Final = 2
FOLD_BYTES: Final = 128 << 10
LISTED_FOR: Final = 10.0  # seconds for which an unchanged folder is not listed again

Doc = dict[str, Any]


class SealedStorage(Storage):
    """TinyDB's storage: reads one sealed snapshot; writes stay in memory until `save`."""

    def __init__(self, layout: Layout, keys: Keys) -> None:
        self._path = layout.index_snapshot
        self._keys = keys
        self._tables: dict[str, dict[str, Any]] | None = None

    def read(self) -> dict[str, dict[str, Any]] | None:
        if self._tables is None:
            try:
                sealed = files.read(self._path)
                self._tables = codec.loads_own(unseal(self._keys, Purpose.INDEX, (b"snapshot",), sealed))
            except (FileNotFoundError, CannotRead, SealError, ValueError):
                self._tables = {}  # a cache: whatever is wrong with it, it is made anew
        return self._tables

    def write(self, data: dict[str, dict[str, Any]]) -> None:
        self._tables = data

    def save(self) -> None:
        """Seal the tables and replace the snapshot. Raises CannotWrite."""
        plaintext = codec.dumps_own(self._tables or {})
        files.write_durably(self._path, seal(self._keys, Purpose.INDEX, (b"snapshot",), plaintext, compress=False))


class MemoryTable(Table):
    """A TinyDB table whose documents are entries and whose document ids are memory ids."""

    document_class = Entry  # type: ignore[assignment]
    document_id_class = str  # type: ignore[assignment]


class Index:
    """The index of one vault, as `load` found it."""

    def __init__(self, layout: Layout, keys: Keys, versions: VersionFiles) -> None:
        self._layout = layout
        self._keys = keys
        self._versions = versions
        self._journal = Journal(layout, keys)
        self._docs: dict[str, Doc] = {}
        self._purges: dict[str, list[str]] = {}  # memory id → hashes of what its purge markers destroy
        self._apart: set[str] = set()  # ids of the memories in conflict
        self._stems: set[str] = set()  # of all rows
        self._folder: tuple[int, ...] | None = None  # the versions' folder as it was when all in it was known
        self._listed = 0.0  # when it was last listed, by the monotonic clock
        self._named: dict[str, set[str]] = {}  # memory id → all that its rows name as parents, once that was asked for
        self._stale = False  # whether the snapshot, the journal or the files disagreed
        self._seen: tuple[int, bytes | None] = (0, None)  # the journal as it was when it was loaded
        self.edition = 0  # counts on whenever what is loaded changes
        self.damaged: dict[str, Damaged] = {}  # stems of files that did not open when they were met

    # -- writing -----------------------------------------------------------------------------------------------------

    def add(self, versions: Iterable[Version]) -> None:
        """Take in *versions*, just written. The lock is held.

        Where the disk fails, the next load finds them by their files.
        """
        rows = [row_of(version) for version in versions]
        self._place(rows, {version.hash: version for version in versions if version.parents})
        with contextlib.suppress(CannotWrite, CannotRead):
            if self._folder is not None:  # whoever holds the lock is the only one who writes there
                self._folder = self._versions.stamp()
            if len(rows) >= ROWS_A_FRAME:
                self.save()
            elif rows:
                self._journal.note(rows)
                self._seen = self._journal.state()

    def drop(self, stems: Iterable[str]) -> None:
        """Forget version files that were destroyed, and save, so that no excerpt of them stays."""
        self._forget(set(stems))
        self._folder = None
        try:
            self.save()
        except CannotWrite:  # without any, it is made anew from the files
            files.remove_durably([self._layout.index_snapshot, self._layout.index_journal])
            self._stale = True

    def save(self) -> None:
        """Replace the snapshot and start an empty journal. The lock is held. Raises CannotWrite."""
        generation = secrets.token_bytes(16)
        storage = SealedStorage(self._layout, self._keys)
        meta = {"format": FORMAT, "generation": generation.hex(), "purges": self._purges}
        storage.write({"memories": self._docs, "meta": {"1": meta}})
        storage.save()
        self._journal.replace(generation=generation, durable=False)
        for folder in (self._layout.memories, self._layout.index, self._layout.conflicts, self._layout.home):
            files.sweep_temporaries(folder)
        self._stale = False
        self._seen = self._journal.state()

    # -- reading -----------------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Load the index and bring it up to date with the files."""
        self.edition += 1
        for _ in range(2):
            tables = SealedStorage(self._layout, self._keys).read() or {}
            meta = tables.get("meta", {}).get("1", {})
            if meta.get("format") != FORMAT:
                tables, meta = {}, {}
            try:
                self._seen = self._journal.state()
                entries = self._journal.read()
            except CannotRead:
                self._seen, entries = (0, None), []
            generation = self._seen[1]
            fits = generation is not None and meta.get("generation") == generation.hex()
            if fits:
                break  # else another process may just have saved: look once more
        self._stale = not fits or self._journal.damaged
        self._docs = tables.get("memories", {})
        self._purges = meta.get("purges", {})
        self._apart = {memory_id for memory_id, doc in self._docs.items() if len(doc["heads"]) > 1}
        self._named.clear()
        self._stems = {
            f"{memory_id}.{digest[:32]}" for memory_id, doc in self._docs.items() for digest in doc["versions"]
        }
        self._place_entries(entries if fits else [])
        self._reconcile()

    def update(self) -> None:
        """Bring what is loaded up to date with the files, as `load`, without reading again what was read.

        The lock is held. A journal of the same generation was only appended to since. Files that stand neither in it
        nor in the snapshot are those of a writer that was cut off: the folder is listed only where it changed.
        """
        size, generation = self._seen
        try:
            now, same = self._journal.state()
            whole = generation is not None and same == generation and now >= size
            entries = self._journal.read(size) if whole and now > size else []
        except CannotRead:
            whole, entries = False, []
        if not whole or (entries and self._journal.damaged):
            self.load()
            return
        self._seen = (now, generation)
        self._place_entries(entries)
        # a stamp may be as coarse as 2 s, so it is not relied on for long
        fresh = self._listed < time.monotonic() < self._listed + LISTED_FOR
        if not fresh or self._folder is None or self._folder != self._versions.stamp():
            self._reconcile()

    def _place_entries(self, entries: Iterable[bytes]) -> None:
        rows: list[Row] = []
        for entry in entries:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                rows += [row for row in codec.loads_own(entry) if row["id"] and row["hash"]]
        self._place(rows)

    def seen(self) -> tuple[int, bytes | None]:
        """Return the journal's state when it was loaded or last written here; anything new changes it."""
        return self._seen

    def on_disk(self) -> tuple[int, bytes | None]:
        """Return the journal's state now. Raises CannotRead."""
        return self._journal.state()

    def worth_saving(self) -> bool:
        return self._stale or self._seen[0] > FOLD_BYTES

    def __len__(self) -> int:
        return len(self._docs)

    def __contains__(self, memory_id: object) -> bool:
        return memory_id in self._docs

    def __getitem__(self, memory_id: str) -> Entry:
        return Entry(self._docs[memory_id], memory_id)

    def get(self, memory_id: str) -> Entry | None:
        return self[memory_id] if memory_id in self._docs else None

    def ids(self) -> Iterator[str]:
        return iter(self._docs)

    def entries(self, ids: Iterable[str] | None = None) -> Iterator[Entry]:
        """Yield the memories, or those of *ids* that there are."""
        if ids is None:
            return (Entry(doc, memory_id) for memory_id, doc in self._docs.items())
        return (self[memory_id] for memory_id in ids if memory_id in self._docs)

    def purged(self) -> list[str]:
        """Return the ids of the memories that have a purge marker."""
        return list(self._purges)

    def in_conflict(self) -> set[str]:
        """Return the ids of the memories that have several heads."""
        return set(self._apart)

    def destroyed(self) -> set[str]:
        """Return the hashes of what they destroy."""
        return {digest for hashes in self._purges.values() for digest in hashes}

    def find(self, test: Callable[[Mapping[str, Any]], bool]) -> list[Entry]:
        """Return the memories whose document *test* holds for, in no order."""
        storage = SealedStorage(self._layout, self._keys)
        storage.write({"memories": self._docs})
        table = MemoryTable(storage, "memories", cache_size=0)
        return table.search(test)  # type: ignore[return-value, arg-type]

    def has(self, version: Version) -> bool:
        """Tell whether *version* is there, or destroyed by a purge."""
        doc = self._docs.get(version.id)
        if doc is None:
            return False
        return version.hash in doc["versions"] or version.hash in self._purges.get(version.id, ())

    # -- keeping up --------------------------------------------------------------------------------------------------

    def _reconcile(self) -> None:
        self.damaged = {}
        self._folder, self._listed = self._versions.stamp(), time.monotonic()
        on_disk, littered = self._versions.listing()
        missing = {stem for stem in on_disk - self._stems if is_stem(stem)}
        if gone := self._stems - on_disk:
            self._forget(gone)
        rows: list[Row] = []
        for stem, version in self._versions.read_many(sorted(missing)):
            if isinstance(version, Damaged):
                self.damaged[stem] = version
            else:
                rows.append(row_of(version))
        self._place(rows)
        if rows or gone or littered:  # saving sweeps what a killed process left
            self._stale = True

    def _place(self, rows: list[Row], opened: Mapping[str, Version] | None = None) -> None:
        if not rows:
            return
        self.edition += 1
        touched: dict[str, list[Row]] = {}
        docs = self._docs
        for row in rows:
            memory_id, digest = row["id"], row["hash"]
            doc = docs.get(memory_id)
            if doc is None:
                docs[memory_id] = {"heads": [digest], "versions": {digest: row}}
            elif digest not in doc["versions"]:
                doc["versions"][digest] = row
            else:
                continue
            self._stems.add(f"{memory_id}.{digest[:32]}")
            touched.setdefault(memory_id, []).append(row)
            if purges := row.get("purges"):
                self._purges[memory_id] = sorted({*self._purges.get(memory_id, ()), *purges})
        for memory_id, fresh in touched.items():
            if self._follows(memory_id, fresh):
                self._apart.discard(memory_id)
            else:
                self._find_heads(memory_id, opened or {})

    def _follows(self, memory_id: str, fresh: list[Row]) -> bool:
        """Make *fresh* the head of its memory if it is one row that follows all tips: then no other row matters."""
        doc, (row, *more) = self._docs[memory_id], fresh
        parents: list[str] = row.get("parents", [])
        tips: list[str] = doc["tips"] if "tips" in doc else doc["heads"]
        if more or not set(tips) <= set(parents):
            self._named.pop(memory_id, None)
            return False
        named = self._named.get(memory_id)
        if named is None:
            named = {parent for each in doc["versions"].values() for parent in each.get("parents", ())}
            self._named[memory_id] = named
        named.update(parents)
        if row["hash"] in named:  # what follows it was here before it
            return False
        doc.pop("tips", None)
        doc["heads"] = [row["hash"]]
        return True

    def _forget(self, stems: set[str]) -> None:
        self.edition += 1
        self._stems -= stems
        for memory_id in {stem[:26] for stem in stems}:
            self._named.pop(memory_id, None)
            doc = self._docs[memory_id]
            for digest in [digest for digest in doc["versions"] if f"{memory_id}.{digest[:32]}" in stems]:
                del doc["versions"][digest]
            if doc["versions"]:
                self._find_heads(memory_id, {})
            else:
                del self._docs[memory_id]
                self._apart.discard(memory_id)

    def entry_at(self, entry: Entry, moment: int) -> Entry | None:
        """Return *entry* with the versions that were made up to *moment* (Unix ms), or None where there were none.

        A version is never older than its parents, so what is left is whole.
        """
        if len(entry.versions) == 1:
            return entry if entry.row["modified"] <= moment else None
        rows = {digest: row for digest, row in entry.versions.items() if row["modified"] <= moment}
        if len(rows) == len(entry.versions):
            return entry
        return Entry({"versions": rows, **self._heads_of(entry.id, rows, {})}, entry.id) if rows else None

    def _find_heads(self, memory_id: str, opened: Mapping[str, Version]) -> None:
        doc = self._docs[memory_id]
        doc.pop("tips", None)
        doc.update(self._heads_of(memory_id, doc["versions"], opened))
        (self._apart.add if len(doc["heads"]) > 1 else self._apart.discard)(memory_id)

    def _heads_of(self, memory_id: str, rows: dict[str, Row], opened: Mapping[str, Version]) -> dict[str, list[str]]:
        if len(rows) == 1:
            return {"heads": list(rows)}
        named = {parent for row in rows.values() for parent in row.get("parents", ())}
        tips = sorted(digest for digest in rows if digest not in named)
        heads = tips
        if len(tips) > 1:
            heads = collapse((digest, self._say(memory_id, rows[digest], opened)) for digest in tips)
        heads = sorted(heads, key=lambda digest: (bool(rows[digest].get("deleted")), -rows[digest]["modified"], digest))
        return {"heads": heads, "tips": tips} if len(tips) > len(heads) else {"heads": heads}

    def _say(self, memory_id: str, row: Row, opened: Mapping[str, Version]) -> str:
        """Return what a version says: read once, then kept in its row."""
        if "say" not in row:
            version = opened.get(row["hash"])
            if version is None:
                try:
                    version = self._versions.read(f"{memory_id}.{row['hash'][:32]}")
                except (Damaged, CannotRead):
                    return str(row["hash"])  # looked at again when it can be read
            row["say"] = version.say()[:32]
        return str(row["say"])

    def save_if_worth(self) -> None:
        """Save if it pays and nobody added since. The lock is held; a full disk is not a reader's error."""
        with contextlib.suppress(CannotWrite, CannotRead):
            if self.worth_saving() and self._journal.state() == self._seen:
                self.save()
