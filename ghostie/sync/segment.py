"""The wire format: a segment is a stretch of one writer's log, sealed; its name says which, and where the log then is.

    plaintext = header length, 4 bytes | header, canonical JSON | entry for each position
    entry     = length, 4 bytes | canonical bytes of a version          (length 0: 32 bytes, the hash alone, follow)

The running hash (tip) goes over the versions' hashes, keyed, so a listing tells a reader what it has and an outsider
nothing. A reader recomputes it at every position and so knows every boundary, however segments are merged.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ghostie import codec
from ghostie.crypto.sealing import Keys, Purpose, Sealed, SealError, seal, subkey, unseal
from ghostie.errors import BadJson, BadMemory, GhostieError, NewerFormat, TooLarge
from ghostie.memory import Version, parse_version

FORMAT: Final = 1
ROOT: Final = "ghostie/"
KEYS: Final = "ghostie/global/keys/"
GENESIS: Final = "0" * 16
FURTHEST: Final = 1 << 48

_NAME = re.compile(r"ghostie/([0-9a-f]{16})/memories/([1-9][0-9]{0,14})-([1-9][0-9]{0,14})\.([0-9a-f]{16})\.seg")
_KEY_NAME = re.compile(r"ghostie/global/keys/([0-9a-f]{32})\.key")
_TIP = re.compile(r"[0-9a-f]{16}")
_WRITER = re.compile(r"[0-9a-f]{16}")

Seen = Mapping[str, tuple[int, str]]
Entry = bytes | tuple[bytes, None]  # canonical bytes of a version, or the hash of one that was purged


class BadSegment(GhostieError):
    """An object that is not what its name says: nothing of it is taken in.

    *foreign*: it is sealed under a key that this vault does not have; *unshown*: of an epoch that it does not know.
    """

    exit_code = 4
    message = "segment {key} is refused: {why}"

    def __init__(self, key: str, why: str, *, foreign: bool = False, unshown: bool = False) -> None:
        super().__init__(key=key, why=why, foreign=foreign, unshown=unshown)


@dataclass(frozen=True, slots=True, order=True)
class SegmentName:
    """A writer's stretch, *first* to *last*, and the tip of its log after it."""

    writer: str
    first: int
    last: int
    tip: str

    @property
    def key(self) -> str:
        return f"{ROOT}{self.writer}/memories/{self.first}-{self.last}.{self.tip}.seg"

    @property
    def file(self) -> str:
        """The name of this segment's file in the outbox."""
        return f"{self.writer}.{self.first}-{self.last}.{self.tip}.seg"

    @classmethod
    def parse(cls, key: str) -> SegmentName | None:
        """Return the name that *key* spells, or None if it is no segment's."""
        parts = name_parts(key)
        return None if parts is None else cls(*parts)


def name_parts(key: str) -> tuple[str, int, int, str] | None:
    """Return writer, first, last and tip of the segment that *key* names, or None if it names none."""
    found = _NAME.fullmatch(key)
    if found is None:
        return None
    writer, spelt_first, spelt_last, tip = found.groups()
    first, last = int(spelt_first), int(spelt_last)
    return (writer, first, last, tip) if first <= last < FURTHEST else None


def key_digest(key: str) -> str | None:
    """Return the digest in a key object's name, or None if it is no key object's."""
    found = _KEY_NAME.fullmatch(key)
    return found[1] if found else None


def key_name(digest: str) -> str:
    return f"{KEYS}{digest}.key"


class Tips:
    """The running hash of one vault's logs."""

    def __init__(self, keys: Keys) -> None:
        # the first epoch's key: a log's tips stay what they are when keys are rotated
        self._key = subkey(keys.epochs[min(keys.epochs)], Purpose.SEGMENT, b"tip", keys.vault)

    def along(self, writer: str, before: str, hashes: Iterable[bytes]) -> list[str]:
        """Return the tip after each of *hashes* (32 bytes each), from the tip *before* them on."""
        tips, tip, name = [], bytes.fromhex(before), bytes.fromhex(writer)
        for digest in hashes:
            tip = hashlib.blake2b(name + tip + digest, key=self._key, digest_size=8).digest()
            tips.append(tip.hex())
        return tips


@dataclass(frozen=True, slots=True)
class Segment:
    """An authenticated segment: who wrote it and when, what came before, and what stands at each position.

    *raw* has the canonical bytes of the versions, or None where a purge left only the hash.
    """

    name: SegmentName
    before: str
    device: str
    time: int
    seen: Seen
    hashes: tuple[bytes, ...]
    raw: tuple[bytes | None, ...]
    retired: tuple[str, ...] = ()

    def versions(self) -> list[Version]:
        """Return the versions, checked one by one. Raises BadSegment if any is not one."""
        try:
            return [parse_version(raw) for raw in self.raw if raw is not None]
        except (BadMemory, BadJson, TooLarge) as error:
            raise BadSegment(key=self.name.key, why=str(error)) from error


def seal_segment(
    keys: Keys,
    tips: Tips,
    *,
    writer: str,
    first: int,
    before: str,
    device: str,
    time: int,
    seen: Seen,
    entries: Sequence[Entry],
    retired: Sequence[str] = (),
) -> tuple[Segment, Sealed]:
    """Return the segment of *entries* that *writer* publishes from position *first* on, and its sealed bytes."""
    hashes = [entry[0] if isinstance(entry, tuple) else hashlib.sha256(entry).digest() for entry in entries]
    tip = tips.along(writer, before, hashes)[-1]
    name = SegmentName(writer, first, first + len(entries) - 1, tip)
    header = codec.dumps(
        {
            "format": FORMAT,
            "vault": keys.vault.hex(),
            "writer": writer,
            "device": device,
            "first": name.first,
            "last": name.last,
            "before": before,
            "tip": tip,
            "time": time,
            "seen": {other: [position, at] for other, (position, at) in seen.items()},
            **({"retired": list(retired)} if retired else {}),
        }
    )
    parts = [len(header).to_bytes(4, "big"), header]
    for entry in entries:
        if isinstance(entry, tuple):
            parts += (bytes(4), entry[0])
        else:
            parts += (len(entry).to_bytes(4, "big"), entry)
    raw = tuple(None if isinstance(entry, tuple) else entry for entry in entries)
    segment = Segment(name, before, device, time, seen, tuple(hashes), raw, tuple(retired))
    return segment, seal(keys, Purpose.SEGMENT, (name.key.encode(),), b"".join(parts))


def open_segment(keys: Keys, tips: Tips, name: SegmentName, sealed: bytes) -> Segment:
    """Return what *sealed* holds, if it is the segment that *name* says. Raises BadSegment or NewerFormat."""
    try:
        plaintext = unseal(keys, Purpose.SEGMENT, (name.key.encode(),), sealed)
        size = int.from_bytes(plaintext[:4], "big")
        header = codec.loads(plaintext[4 : 4 + size])
        if not isinstance(header, dict):
            raise BadJson(why="the header is not an object")
        if type(header["format"]) is not int or header["format"] < FORMAT:
            raise ValueError("format")
        if header["format"] > FORMAT:
            raise NewerFormat(what="a segment", format=header["format"])
        hashes, raw = _entries(plaintext, 4 + size)
        return _checked(keys, tips, name, header, hashes, raw)
    except SealError as error:
        foreign, unshown = error.facts["why"] in ("key", "epoch"), error.facts["why"] == "epoch"
        why = "another vault sealed it" if foreign else "it does not open"
        raise BadSegment(name.key, why, foreign=foreign, unshown=unshown) from error
    except BadJson as error:
        raise BadSegment(name.key, str(error)) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadSegment(key=name.key, why="its header is malformed") from error


def _entries(plaintext: bytes, offset: int) -> tuple[list[bytes], list[bytes | None]]:
    hashes: list[bytes] = []
    raw: list[bytes | None] = []
    end = len(plaintext)
    while offset < end:
        size = int.from_bytes(plaintext[offset : offset + 4], "big")
        offset += 4
        entry = plaintext[offset : offset + (size or 32)]
        if len(entry) != (size or 32):
            raise ValueError("an entry is cut")
        offset += len(entry)
        hashes.append(hashlib.sha256(entry).digest() if size else entry)
        raw.append(entry if size else None)
    return hashes, raw


def _checked(
    keys: Keys, tips: Tips, name: SegmentName, header: Mapping[str, Any], hashes: list[bytes], raw: list[bytes | None]
) -> Segment:
    said = (header["vault"], header["writer"], header["first"], header["last"], header["tip"])
    if said != (keys.vault.hex(), name.writer, name.first, name.last, name.tip):
        raise BadSegment(key=name.key, why="its header says something else than its name")
    before = header["before"]
    if not _TIP.fullmatch(before) or (name.first == 1) != (before == GENESIS):
        raise BadSegment(key=name.key, why="it does not begin where it says")
    if len(hashes) != name.last - name.first + 1 or tips.along(name.writer, before, hashes)[-1] != name.tip:
        raise BadSegment(key=name.key, why="its versions do not add up to its tip")
    seen: dict[str, tuple[int, str]] = {}
    for writer, (position, tip) in header["seen"].items():
        if not (
            _WRITER.fullmatch(writer) and type(position) is int and 0 < position < FURTHEST and _TIP.fullmatch(tip)
        ):
            raise ValueError("seen")
        seen[writer] = (position, tip)
    device, moment = header["device"], header["time"]
    if not isinstance(device, str) or type(moment) is not int:
        raise TypeError("device or time")
    retired = header.get("retired", [])
    if not isinstance(retired, list) or not all(_WRITER.fullmatch(writer) for writer in retired):
        raise ValueError("retired")
    return Segment(name, before, device[:64], moment, seen, tuple(hashes), tuple(raw), tuple(retired))
