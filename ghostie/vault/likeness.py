"""Duplicates and near-duplicates among the memories: found without comparing each with each, and made one.

The measure is what share of their words and pairs of neighbouring words two texts have in common. Candidates share some
of the few pairs whose hashes are smallest: alike texts nearly always do, others hardly ever. The texts come from the
full-text index: no file is opened for them.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
import unicodedata
import weakref
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Final
from zlib import crc32

from ghostie.errors import IsRemoved, PrivacyDiffers, UsageError
from ghostie.memory import Record, Version, mended

if TYPE_CHECKING:
    from ghostie.vault.vault import Vault

ALIKE: Final = 0.6  # two sentences of ten words that differ in one have 0.73
SKETCH: Final = 8
CROWD: Final = 16  # a pair of words that is in more sketches than this tells little about any two of them
MOST_TEXT: Final = 1 << 16

# where words are written without spaces, each character counts as one
_WORD = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]|[^\\W\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]+")

_SCHEMA = """
CREATE TABLE doc (number INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, hash TEXT NOT NULL, same BLOB NOT NULL);
CREATE INDEX doc_same ON doc (same);
CREATE TABLE sketch (value INTEGER NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (value, number)) WITHOUT ROWID;
CREATE INDEX sketch_number ON sketch (number);
"""


@dataclass(frozen=True, slots=True)
class Alike:
    """A memory that is like another: what share they have in common, and whether they say the same."""

    id: str
    share: float
    exact: bool


def words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text[:MOST_TEXT]).casefold())


def same(text: str) -> bytes:
    """Return a digest that does not change with case, space and form of characters."""
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return hashlib.blake2b(plain.encode(errors="surrogatepass"), digest_size=16).digest()


def features(text: str) -> frozenset[str]:
    found = words(text)
    return frozenset(found) | frozenset(f"{left} {right}" for left, right in pairwise(found))


def share(one: frozenset[str], other: frozenset[str]) -> float:
    """Return how much of their features two texts have in common, from 0 to 1."""
    if not one or not other:
        return 0.0
    common = len(one & other)
    return common / (len(one) + len(other) - common)


def sketch(text: str) -> list[int]:
    """Return the smallest hashes of the text's pairs of words; of a single word, its own."""
    found = words(text)
    hashes = [crc32(word.encode(errors="surrogatepass")) for word in found]
    if len(found) > 1:
        # multiplying mixes the hashes of both words, and tells their order
        hashes = [(left * 0x9E3779B1 + right) * 0x85EBCA77 >> 8 & 0xFFFFFFFF for left, right in pairwise(hashes)]
    return sorted(set(hashes))[:SKETCH]


class Likeness:
    """The likenesses among a vault's memories that are not removed, each with those of its own kind."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        weakref.finalize(self, self._database.close)
        self._database.executescript(_SCHEMA)
        self._features = lru_cache(maxsize=2048)(self._features_of)

    def catch_up(self) -> int:
        """Bring it up to date with the loaded index; return how many memories it read anew."""
        database = self._database
        heads = self._vault.shown_heads()
        known = dict(database.execute("SELECT id, hash FROM doc").fetchall())
        if known == heads:
            return 0
        stale = [memory_id for memory_id, digest in known.items() if heads.get(memory_id) != digest]
        fresh = [memory_id for memory_id, digest in heads.items() if known.get(memory_id) != digest]
        self._features.cache_clear()
        self._vault.catch_up_search()
        with database:
            for memory_id in stale:
                database.execute(
                    "DELETE FROM sketch WHERE number = (SELECT number FROM doc WHERE id = ?)", (memory_id,)
                )
                database.execute("DELETE FROM doc WHERE id = ?", (memory_id,))
            read = 0
            for memory_id, text in self._vault.texts(fresh):
                number = database.execute(
                    "INSERT INTO doc (id, hash, same) VALUES (?, ?, ?)", (memory_id, heads[memory_id], same(text))
                ).lastrowid
                database.executemany(
                    "INSERT INTO sketch (value, number) VALUES (?, ?)", [(value, number) for value in sketch(text)]
                )
                read += 1
        return read

    def duplicates_of(self, memory_id: str, limit: int = 10) -> list[Alike]:
        """Return the memories that are like *memory_id*, most alike first."""
        row = self._database.execute("SELECT number, same FROM doc WHERE id = ?", (memory_id,)).fetchone()
        if row is None:
            return []
        number, digest = row
        exact = {
            each for (each,) in self._database.execute("SELECT id FROM doc WHERE same = ? LIMIT ?", (digest, limit * 4))
        }
        size = self._database.execute("SELECT count(*) FROM sketch WHERE number = ?", (number,)).fetchone()[0]
        near = {
            each
            for (each,) in self._database.execute(
                "SELECT doc.id FROM sketch AS mine JOIN sketch AS theirs ON theirs.value = mine.value"
                " JOIN doc ON doc.number = theirs.number WHERE mine.number = ? GROUP BY theirs.number"
                " HAVING count(*) >= ? ORDER BY count(*) DESC, doc.id LIMIT ?",
                (number, _least(size), limit * 4),
            )
        }
        found = [self._alike(memory_id, other, other in exact) for other in exact | near if other != memory_id]
        found = [each for each in found if each.share >= ALIKE and self._kind(each.id) == self._kind(memory_id)]
        return sorted(found, key=lambda each: (not each.exact, -each.share, each.id))[:limit]

    def groups(self) -> list[tuple[str, ...]]:
        """Return the groups of memories that are alike, the largest first; all in one are like its oldest, the first.

        A memory is in one group at the most.
        """
        ids: dict[int, str] = dict(self._database.execute("SELECT number, id FROM doc"))
        alike: dict[str, set[str]] = defaultdict(set)
        for one, other in self._pairs(ids):
            alike[one].add(other)
            alike[other].add(one)
        entries = {memory_id: self._vault.index.get(memory_id) for memory_id in alike}
        ages = {memory_id: entry.timestamp for memory_id, entry in entries.items() if entry is not None}
        taken: set[str] = set()
        found = []
        for memory_id in sorted(ages, key=lambda each: (ages[each], each)):
            if memory_id in taken:
                continue
            others = [each for each in alike[memory_id] if each not in taken and each in ages]
            if others:
                found.append((memory_id, *sorted(others, key=lambda each: (ages[each], each))))
                taken.update(found[-1])
        return sorted(found, key=lambda group: (-len(group), ages[group[0]], group[0]))

    def close(self) -> None:
        self._features.cache_clear()
        self._database.close()

    def _pairs(self, ids: dict[int, str]) -> Iterator[tuple[str, str]]:
        first: dict[int, int] = {}  # a memory's number → that of the first that says the same
        by_same = self._database.execute("SELECT same, number FROM doc ORDER BY same, number")
        for _, rows in groupby(by_same, key=itemgetter(0)):
            numbers = [number for _, number in rows]
            firsts: dict[str, int] = {}
            for number in numbers:
                first[number] = firsts.setdefault(self._kind(ids[number]), number)
                if first[number] != number:
                    yield ids[first[number]], ids[number]
        shared: defaultdict[int, int] = defaultdict(int)  # two numbers in one → how many hashes both have
        sizes = dict(self._database.execute("SELECT number, count(*) FROM sketch GROUP BY number"))
        sketches = self._database.execute("SELECT value, number FROM sketch ORDER BY value, number")
        for _, rows in groupby(sketches, key=itemgetter(0)):
            bucket = [number for _, number in rows if first[number] == number]
            for at, number in enumerate(bucket):
                # in a crowd each is held against the first ones and those before it: all against all has no end
                others = bucket[:at] if at <= CROWD else [*bucket[: CROWD // 2], *bucket[at - CROWD // 2 : at]]
                for other in others:
                    shared[other << 32 | number] += 1
        close = []
        for both, count in shared.items():
            one, other = both >> 32, both & 0xFFFFFFFF
            if count > 1 or _least(min(sizes[one], sizes[other])) == 1:
                close.append((one, other))
        for one, other in sorted(close):
            if (
                self._kind(ids[one]) == self._kind(ids[other])
                and self._alike(ids[one], ids[other], False).share >= ALIKE
            ):
                yield ids[one], ids[other]

    def _alike(self, one: str, other: str, exact: bool) -> Alike:
        return Alike(other, 1.0 if exact else round(share(self._features(one), self._features(other)), 4), exact)

    def _kind(self, memory_id: str) -> str:
        entry = self._vault.index.get(memory_id)
        return str(entry.row.get("kind", "memory")) if entry is not None else ""

    def _features_of(self, memory_id: str) -> frozenset[str]:
        return next((features(text) for _, text in self._vault.texts([memory_id])), frozenset())


def _least(size: int) -> int:
    """Return how many hashes two sketches, the smaller of *size*, must share for a closer look."""
    return 2 if size >= SKETCH // 2 else 1


# -- one memory out of two -------------------------------------------------------------------------------------------

SUPERSEDES = "supersedes"
_RANK = ("inbox", "archived", "active")


def united(kept: Version, gone: Version) -> Record:
    """Return the fields that *kept* takes on when *gone* is merged into it, with a link that tells so.

    Its content gets the paragraphs that it has not; tags and links are those of both; of all else, its own stands where
    both say something. Raises UsageError, IsRemoved or PrivacyDiffers.
    """
    if kept.id == gone.id:
        raise UsageError("a memory cannot be merged into itself", "name two memories")
    for version in (kept, gone):
        if version.deleted:
            raise IsRemoved(id=version.id[:8])
    local = [version.field("privacy") == "local" for version in (kept, gone)]
    if local[0] != local[1]:
        # together they would leave the device, or the others would lose what they have
        one, other = (kept, gone) if local[0] else (gone, kept)
        raise PrivacyDiffers(local=one.id[:8], synced=other.id[:8])
    fields: Record = {
        "content": joined_text(str(kept.field("content")), str(gone.field("content"))),
        "tags": sorted({*kept.field("tags"), *gone.field("tags")}),
        "category": kept.field("category") or gone.field("category"),
        "status": max(kept.field("status"), gone.field("status"), key=_RANK.index),
        "context": {**gone.field("context"), **kept.field("context")},
    }
    for name in ("scope", "anchor", "source"):
        fields[name] = kept.field(name) or gone.field(name)
    fields = mended(fields)
    links = [*kept.field("links"), *gone.field("links"), {"type": SUPERSEDES, "to": gone.id}]
    fields["links"] = [link for at, link in enumerate(links) if link not in links[:at] and link.get("to") != kept.id]
    return fields


def joined_text(kept: str, added: str) -> str:
    """Return *kept* with the paragraphs of *added* that it has not, after an empty line."""
    there, adding = _plain(kept), _plain(added)
    if adding in there:
        return kept
    if there in adding:
        return added
    paragraphs = [part.strip("\n") for part in added.split("\n\n")]
    fresh = [part for part in paragraphs if _plain(part) and _plain(part) not in there]
    return "\n\n".join([kept.rstrip("\n"), *fresh])


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
