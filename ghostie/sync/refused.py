"""What the store shows that is not ours or not whole: read twice, then known by name, size and tag, and read no more.

Nothing here is evidence: if it is lost, the same objects are read and refused once more.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import secrets
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ghostie import files
from ghostie.backends.store import ObjectInfo
from ghostie.errors import CannotRead, CannotWrite

if TYPE_CHECKING:
    from ghostie.sync.log import State

FORMAT: Final = 1
MOST_KNOWN: Final = 1 << 17  # objects that are remembered: 9 bytes each
MOST_COPIES: Final = 64  # objects that are kept in quarantine
MOST_COPIED: Final = 16 << 20  # bytes of them
ROUNDS: Final = 3  # pulls between two that read on in what was not read
WRITER: Final = slice(len("ghostie/"), len("ghostie/") + 16)  # in a segment's key
_SALT: Final = 16
_MARK: Final = 8
_HEAD: Final = 2 + _SALT


class Verdict(IntEnum):
    """What is known of an object: its bytes stand for ever, so do the numbers in the file."""

    UNREAD = 0  # there were too many before it that did not open
    UNREADABLE = 1
    FOREIGN = 2
    NO_KEY = 3  # a key object that is none of this vault
    RIVAL = 4  # a key object of another vault, which would be the one that stays
    BEHIND = 5  # it was not read, and followed nothing that was known
    HALF = 6
    OURS = 8  # a key object of this vault that is not the one in use
    UNSHOWN = 7  # sealed under an epoch that this device does not know


UNREAD: Final = (Verdict.UNREAD, Verdict.BEHIND)
_VERDICTS: Final = {int(each): each for each in Verdict}


class Refused:
    """The objects of one store that were refused; they stand in the sync state, and are changed under the sync lock."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._salt = secrets.token_bytes(_SALT)
        self._known: dict[bytes, int] = {}
        self._seen: set[bytes] = set()
        self._first: dict[bytes, bytes] = {}
        self._rest = 0
        self.reads_on = False  # in what was not read
        self._read()
        self._behind = self._is_behind()

    def verdict(self, info: ObjectInfo) -> Verdict | None:
        """Return what is known of the object *info*, or None for one that is to be read."""
        mark = self._mark(info)
        self._seen.add(mark)
        return _VERDICTS.get(self._known.get(mark, -1))

    def __bool__(self) -> bool:
        return bool(self._known)

    def known_segment(self, info: ObjectInfo) -> Verdict | None:
        """Return why the segment *info* is not to be read, or None for what is to be."""
        if not info.key.endswith(".seg"):
            return None
        verdict = self.verdict(info)
        return None if self.reads_on and verdict in UNREAD else verdict

    def note(self, info: ObjectInfo, verdict: Verdict) -> None:
        """Remember *verdict* of *info*; where very many are remembered, not of one more."""
        mark = self._mark(info)
        if mark in self._known or len(self._known) < MOST_KNOWN:
            self._known[mark] = int(verdict)

    def refuse(self, info: ObjectInfo, content: bytes, verdict: Verdict) -> bool:
        """Note that *info* was read and refused; return whether it is to be read once more.

        What came damaged on its way is read differently the next time: only what comes the same twice, at the length
        that the listing names, is remembered.
        """
        mark, digest = self._mark(info), hashlib.blake2b(content, digest_size=16).digest()
        if len(content) == info.size and self._first.get(mark) == digest:
            self.note(info, verdict)
            return False
        self._first[mark] = digest
        return True

    def forget(self, info: ObjectInfo) -> None:
        """Let *info* be read again."""
        self._known.pop(self._mark(info), None)

    def begin(self) -> None:
        """Begin a pull: every few of them read on in what was not read."""
        self._seen.clear()
        self._behind = self._is_behind()
        self.reads_on = self._behind and not self._rest
        self._rest = 0 if not self._behind else ROUNDS if self.reads_on else self._rest - 1

    def save(self, *, whole: bool = False) -> bool:
        """Put what is known into the state, for `Ledger.save`, and return whether it is another than before; with
        *whole*, less what was not asked about since `begin`."""
        if whole:
            self._known = {mark: code for mark, code in self._known.items() if mark in self._seen}
            if self._is_behind() and not self._behind:
                self._rest = ROUNDS
        spelt = bytes((FORMAT, self._rest)) + self._salt
        spelt += b"".join(mark + bytes((code,)) for mark, code in self._known.items())
        before, self._state.refused = self._state.refused, base64.b64encode(spelt).decode() if self._known else ""
        return before != self._state.refused

    def _is_behind(self) -> bool:
        return not {int(each) for each in UNREAD}.isdisjoint(self._known.values())

    def _mark(self, info: ObjectInfo) -> bytes:
        spelt = f"{info.key}\n{info.size}\n{info.tag}".encode(errors="surrogateescape")
        return hashlib.blake2b(spelt, key=self._salt, digest_size=_MARK).digest()

    def _read(self) -> None:
        try:
            spelt = base64.b64decode(self._state.refused, validate=True)
        except (binascii.Error, ValueError):
            return
        step = _MARK + 1
        if len(spelt) < _HEAD or spelt[0] != FORMAT or (len(spelt) - _HEAD) % step:
            return
        self._rest, self._salt = min(spelt[1], ROUNDS), spelt[2:_HEAD]
        marks = (spelt[at : at + _MARK] for at in range(_HEAD, len(spelt), step))
        self._known = dict(zip(marks, spelt[_HEAD + _MARK :: step], strict=True))


def keep_copy(quarantine: Path, name: str, content: bytes) -> None:
    """Keep *content* as *name* in the folder *quarantine*, unless there is enough of that kind."""
    with contextlib.suppress(CannotWrite, CannotRead, OSError):
        others = (each for each in files.names_in(quarantine) if each.endswith(".seg") and each != name)
        held = [(quarantine / each).lstat().st_size for each in others]
        if len(held) < MOST_COPIES and sum(held) + len(content) <= MOST_COPIED:
            files.write_durably(quarantine / name, content)
