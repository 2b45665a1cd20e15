"""Rows: what the index knows of each version, and the journal in which new ones are noted without loading it."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any, Final

from ghostie import codec
from ghostie.crypto.sealing import Keys, Purpose
from ghostie.memory import Version, millis
from ghostie.paths import Layout
from ghostie.text import excerpt
from ghostie.vault.sealedlog import SealedLog

ROWS_A_FRAME: Final = 2000

Row = dict[str, Any]


def row_of(version: Version) -> Row:
    """Return what lists and filters need of a version; what is at its default is left out."""
    record, sync = version.record, version.sync
    row: Row = {
        "id": record["id"],
        "hash": version.hash,
        "number": sync["version"],
        "modified": version.modified,
        "excerpt": excerpt(record.get("content", "")),
    }
    for name in ("kind", "category", "tags", "status", "privacy", "device_id"):
        if (value := record.get(name)) is not None:
            row[name] = value
    if (timestamp := record.get("timestamp")) is not None:
        row["timestamp"] = millis(timestamp)
    for name in ("parents", "deleted", "purges", "withheld"):
        if value := sync.get(name):
            row[name] = value
    if isinstance(device := sync.get("device"), str) and device:
        row["device"] = device
    if isinstance(merged := sync.get("merge"), dict) and (flag := merged.get("flag")):
        row["flag"] = flag
    if isinstance(repo := (record.get("scope") or {}).get("repo"), str) and repo:
        row["repo"] = repo
    return row


class Entry:
    """One memory as the index knows it: TinyDB's document. Of its heads (hashes) the first is shown."""

    __slots__ = ("doc", "id")

    def __init__(self, doc: Mapping[str, Any], memory_id: str) -> None:
        self.doc = doc
        self.id = memory_id

    @property
    def heads(self) -> list[str]:
        heads: list[str] = self.doc["heads"]
        return heads

    @property
    def tips(self) -> list[str]:
        """What a next version names as parents: the heads, and those that say the same as one."""
        tips: list[str] = self.doc.get("tips", self.doc["heads"])
        return tips

    @property
    def versions(self) -> Mapping[str, Row]:
        rows: Mapping[str, Row] = self.doc["versions"]
        return rows

    @property
    def row(self) -> Row:
        return shown_row(self.doc)

    @property
    def in_conflict(self) -> bool:
        return len(self.heads) > 1

    @property
    def deleted(self) -> bool:
        return bool(self.row.get("deleted"))

    @property
    def timestamp(self) -> int:
        row = self.row
        return int(row["timestamp"] if "timestamp" in row else row["modified"])

    @property
    def excerpt(self) -> str:
        """What it says, in short; of a removed memory, what it said last. Empty where that was purged."""
        if excerpt := self.row.get("excerpt"):
            return str(excerpt)
        kept = [row for row in self.versions.values() if row.get("excerpt")]
        return str(max(kept, key=lambda row: (row["number"], row["modified"]))["excerpt"]) if kept else ""

    def stem(self, digest: str) -> str:
        return f"{self.id}.{digest[:32]}"

    def stems(self) -> list[str]:
        return [self.stem(digest) for digest in self.versions]

    def withheld(self) -> set[str]:
        """Return the hashes of what is or was local of it, and of what was kept with that."""
        rows = self.versions.items()
        return {
            each
            for digest, row in rows
            for each in (*row.get("withheld", ()), *((digest,) if row.get("privacy") == "local" else ()))
        }

    def held(self) -> set[str]:
        """Return the hashes of its local versions, and of all that these were made of.

        That a memory is removed holds nothing up: other devices may have what was there before.
        """
        found: set[str] = set()
        todo = [
            digest for digest, row in self.versions.items() if row.get("privacy") == "local" and not row.get("deleted")
        ]
        while todo:
            digest = todo.pop()
            if digest in self.versions and digest not in found:
                found.add(digest)
                todo.extend(self.versions[digest].get("parents", ()))
        return found

    def before_local(self, digests: Iterable[str], sent: Container[str] | None = None) -> tuple[set[str], set[str]]:
        """Return the nearest ancestors of the local versions *digests* that are not local, or not here any more; and
        all local ones down to these, *digests* among them.

        What came before a local one and is not *sent* stays here, too, and counts as local; None: all of it was sent.
        """
        found: set[str] = set()
        seen = set(digests)
        todo = list(seen)
        while todo:
            for parent in self.versions[todo.pop()].get("parents", ()):
                row = self.versions.get(parent)
                stays = row is not None and (row.get("privacy") == "local" or (sent is not None and parent not in sent))
                if not stays:
                    found.add(parent)
                elif parent not in seen:
                    seen.add(parent)
                    todo.append(parent)
        return found, seen

    def purged(self) -> set[str]:
        """Return the hashes of what its purge markers destroy."""
        return {digest for row in self.versions.values() for digest in row.get("purges", ())}

    def doomed(self) -> list[str]:
        """Return the stems of versions that are still here though a purge marker names them: see `oldest_first`."""
        purged = self.purged()
        return [self.stem(row["hash"]) for row in oldest_first(self.versions.values()) if row["hash"] in purged]


def oldest_first(rows: Iterable[Row]) -> list[Row]:
    """Return *rows* in the order in which they can be deleted one by one: each before those that were made of it.

    The other way round, a version whose successor is gone would count as a head until it is deleted, too.
    """
    return sorted(rows, key=lambda row: (row["number"], row["modified"], row["hash"]))


def entry_of(version: Version) -> Entry:
    """Return the entry of a memory that has this one *version*."""
    return Entry({"heads": [version.hash], "versions": {version.hash: row_of(version)}}, version.id)


def shown_row(doc: Mapping[str, Any]) -> Row:
    """Return the row of the version that a document shows."""
    row: Row = doc["versions"][doc["heads"][0]]
    return row


class Journal(SealedLog):
    """The sealed journal of rows since the index's last snapshot."""

    def __init__(self, layout: Layout, keys: Keys) -> None:
        super().__init__(layout.index_journal, keys, Purpose.JOURNAL, "index")

    def note(self, rows: list[Row]) -> None:
        """Append *rows*. The lock is held. Not fsynced: what a power cut takes is found again by the files' names."""
        frames = (codec.dumps_own(rows[start : start + ROWS_A_FRAME]) for start in range(0, len(rows), ROWS_A_FRAME))
        self.append(frames, durable=False)
