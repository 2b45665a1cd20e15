"""Full text over the memories: SQLite FTS5 in memory, kept between runs as one sealed file.

It is brought up to date by comparing, memory by memory, which version it has read: a search sees whatever happened.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from ghostie import files
from ghostie.crypto.sealing import Keys, Purpose, SealError, seal, unseal
from ghostie.errors import CannotRead, CannotWrite, Damaged
from ghostie.memory import Version
from ghostie.paths import Layout

FORMAT: Final = 1
SAVE_FROM: Final = 64
MANY: Final = 500  # from here on it is quicker to go through all texts than to look each up
OPENING, CLOSING = "\x02", "\x03"

_SCHEMA = """
CREATE TABLE doc (rowid INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, hash TEXT NOT NULL);
CREATE VIRTUAL TABLE text
    USING fts5(content, category, tags, context, tokenize = 'porter unicode61 remove_diacritics 2');
"""
_WORD = re.compile(r"\"[^\"]+\"|\S+")
_LETTERS = re.compile(r"\w", re.UNICODE)
_NO_TEXT = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")  # SQLite takes NUL for the end, and UTF-8 has no surrogates


@dataclass(frozen=True, slots=True)
class Hit:
    """A memory that matches: its id, its rank (smaller is better), and a snippet with OPENING and CLOSING marks."""

    id: str
    rank: float
    snippet: str


def spans(snippet: str) -> Iterator[tuple[str, bool]]:
    """Yield a snippet's pieces in order, each with whether it is a hit."""
    hit = False
    for piece in re.split(f"([{OPENING}{CLOSING}])", snippet):
        if piece in (OPENING, CLOSING):
            hit = piece == OPENING
        elif piece:
            yield piece, hit


def match_expression(query: str, *, every: bool = True, prefix: bool = False) -> str | None:
    """Return FTS5's expression for what a person typed, or None if there is no word in it.

    Words are matched by their stem, "quoted words" as a phrase, word* by its beginning, as with *prefix* the last word.
    """
    terms = []
    for token in _WORD.findall(_NO_TEXT.sub(" ", query)):
        starts = token.endswith("*")
        bare = token.strip('"').rstrip("*").replace('"', " ")
        if _LETTERS.search(bare):
            terms.append(f'"{bare}"' + ("*" if starts else ""))
    if not terms:
        return None
    if prefix and not terms[-1].endswith("*"):
        terms[-1] += "*"
    return (" AND " if every else " OR ").join(terms)


class SearchIndex:
    """The full-text index of one vault."""

    def __init__(self, layout: Layout, keys: Keys) -> None:
        self._path = layout.search
        self._keys = keys
        self._database: sqlite3.Connection | None = None
        self._origin: tuple[int, int] | None = None  # which file it was read from or kept in
        self._changes = 0
        self._edition: int | None = None  # of the vault's index, when this one last caught up

    def catch_up(
        self,
        edition: int,
        heads: Callable[[], dict[str, str]],
        read: Callable[[list[str]], Iterable[tuple[str, Version | Damaged]]],
    ) -> int:
        """Bring it to *heads* (id → hash), which are asked for if the *edition* is new; return how many it read anew.

        *read* yields (stem, version) for stems.
        """
        if self._edition == edition and self._origin == self._file():
            return 0
        self._edition = None
        if self._origin != self._file():
            # another process kept more, or purged: what a purge destroyed must not be kept again from here
            self.close()
        database = self._open()
        known = dict(database.execute("SELECT id, hash FROM doc").fetchall())
        wanted = heads()
        gone = known.keys() - wanted.keys()
        fresh = [f"{memory_id}.{digest[:32]}" for memory_id, digest in wanted.items() if known.get(memory_id) != digest]
        with database:
            for memory_id in [*gone, *(stem[:26] for stem in fresh if stem[:26] in known)]:
                database.execute("DELETE FROM text WHERE rowid = (SELECT rowid FROM doc WHERE id = ?)", (memory_id,))
                database.execute("DELETE FROM doc WHERE id = ?", (memory_id,))
            for stem, version in read(fresh):
                if isinstance(version, Damaged):
                    continue
                row = database.execute("INSERT INTO doc (id, hash) VALUES (?, ?)", (stem[:26], version.hash)).lastrowid
                database.execute(
                    "INSERT INTO text (rowid, content, category, tags, context) VALUES (?, ?, ?, ?, ?)",
                    (row, *_words(version)),
                )
        self._changes += len(gone) + len(fresh)
        self._edition = edition
        return len(fresh)

    def search(self, query: str, limit: int, *, every: bool = True, prefix: bool = False) -> list[Hit]:
        """Return the best *limit* memories for *query*, best first: those with *every* word, or with any.

        See `match_expression` for *prefix*.
        """
        expression = match_expression(query, every=every, prefix=prefix)
        if expression is None:
            return []
        rows = self._open().execute(
            "SELECT doc.id, bm25(text, 1.0, 2.0, 2.0, 0.5) AS rank, snippet(text, 0, ?, ?, '…', 24) FROM text"
            " JOIN doc ON doc.rowid = text.rowid WHERE text MATCH ? ORDER BY rank, doc.id LIMIT ?",
            (OPENING, CLOSING, expression, limit),
        )
        return [Hit(*row) for row in rows]

    def texts(self, ids: Collection[str]) -> Iterator[tuple[str, str]]:
        """Yield each of memories *ids* that is known with its content."""
        database = self._open()
        of_one = "SELECT doc.id, text.content FROM doc JOIN text ON text.rowid = doc.rowid"
        if len(ids) > MANY:
            wanted = set(ids)
            yield from (row for row in database.execute(of_one) if row[0] in wanted)
        else:
            for memory_id in ids:
                yield from database.execute(f"{of_one} WHERE doc.id = ?", (memory_id,))

    def worth_saving(self) -> bool:
        return self._changes >= SAVE_FROM or (self._changes > 0 and not files.is_there(self._path))

    def save(self) -> None:
        """Seal the index to its file. The lock is held; a full disk is not a searcher's error."""
        if self._database is not None and self._origin == self._file():
            sealed = seal(self._keys, Purpose.SEARCH, (b"search",), self._database.serialize(), compress=False)
            with contextlib.suppress(CannotWrite):
                files.write_durably(self._path, sealed)
                self._origin = self._file()
                self._changes = 0

    def forget(self) -> None:
        """Begin anew: after a purge, no word may linger in the pages, here or in another process.

        The empty file in the old one's place tells the others. The lock is held. Raises CannotWrite.
        """
        self.close()
        files.remove_durably([self._path])
        self._hold(_empty())
        self._origin = self._file()
        self.save()

    def close(self) -> None:
        if self._database is not None:
            self._let_go()
            self._database = None
        self._changes = 0
        self._edition = None

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            self._origin = self._file()
            return self._hold(self._kept() or _empty())
        return self._database

    def _hold(self, database: sqlite3.Connection) -> sqlite3.Connection:
        self._database, self._let_go = database, weakref.finalize(self, database.close)  # where nobody closes it
        return database

    def _file(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns

    def _kept(self) -> sqlite3.Connection | None:
        try:
            plaintext = unseal(self._keys, Purpose.SEARCH, (b"search",), files.read(self._path))
        except (FileNotFoundError, CannotRead, SealError):
            return None
        database = sqlite3.connect(":memory:", check_same_thread=False)
        try:
            database.deserialize(plaintext)
            (version,) = database.execute("PRAGMA user_version").fetchone()
        except sqlite3.Error:
            version = None
        if version == FORMAT:
            return database
        database.close()
        return None


def _empty() -> sqlite3.Connection:
    database = sqlite3.connect(":memory:", check_same_thread=False)
    database.executescript(_SCHEMA)
    database.execute(f"PRAGMA user_version = {FORMAT}")
    return database


def _words(version: Version) -> tuple[str, str, str, str]:
    leaves: list[str] = []
    todo: list[object] = [version.field("context"), version.field("source")]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            todo.extend(value.values())
            leaves.extend(value)
        elif isinstance(value, list):
            todo.extend(value)
        elif isinstance(value, str):
            leaves.append(value)
        elif value is not None:
            leaves.append(str(value))
    return version.field("content"), version.field("category") or "", " ".join(version.field("tags")), " ".join(leaves)
