"""The record: what a memory is, the canonical bytes of one version of it, and the hash that is its identity.

The bytes are canonical JSON without `sync_hash` and `conflict_state`, which are derived; the hash is their SHA-256, and
part of the file's name: a salt keeps anyone from trying out guesses against it. What comes from outside is hashed as it
came, and fields that this ghostie does not know are kept.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from ghostie import codec
from ghostie.errors import BadMemory, GhostieError, TooLarge

Record = dict[str, Any]

LARGE_CHANGE: Final = 50  # a change of more memories than this is asked about first
MAX_CONTENT: Final = 1 << 20
MAX_VERSION: Final = 8 << 20
MAX_DEPTH: Final = 100
MAX_WORD: Final = 200
MAX_TAGS: Final = 100
MAX_NUMBER: Final = (1 << 40) - 1
LAST_MOMENT: Final = 253_402_300_799_999  # of the year 9999, in Unix milliseconds

STATUSES: Final = ("inbox", "active", "archived")
PRIVACIES: Final = ("sync", "local")
SCOPE: Final = ("repo", "branch", "agent")
ANCHOR: Final = ("commit", "patch_id", "path", "blob")
SOURCE: Final = ("tool", "session", "entry")

DEFAULTS: Final[Mapping[str, Any]] = {
    "kind": "memory",
    "device_id": None,
    "category": None,
    "content": "",
    "context": {},
    "tags": [],
    "status": "active",
    "privacy": "sync",
    "scope": {},
    "anchor": {},
    "links": [],
    "source": {},
}
_TEXTS: Final = {"scope": SCOPE, "anchor": ANCHOR, "source": SOURCE}
# what a person can say in a record; the rest of it is derived or kept by ghostie
FIELDS: Final = ("timestamp", *DEFAULTS)

_BASE32: Final = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS: Final = [first + second for first in _BASE32 for second in _BASE32]
_ID = re.compile(r"[a-z2-7]{26}")
_HASH = re.compile(r"[0-9a-f]{64}")
_SALT = re.compile(r"(?:[0-9a-f]{32})?")
_WORD = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]*")
_MILLIS = re.compile(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z")


# -- ids and times ---------------------------------------------------------------------------------------------------


def new_id(random: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """Return a fresh id: 128 random bits as 26 lower-case base32 characters."""
    return id_from(random(16))


def new_salt(random: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """Return a fresh salt: 32 random hex digits."""
    return random(16).hex()


def id_from(sixteen: bytes) -> str:
    """Return the id that spells these 16 bytes."""
    bits = int.from_bytes(sixteen, "big") << 2
    return "".join([_PAIRS[bits >> shift & 1023] for shift in range(120, -1, -10)])


def derived_id(*parts: bytes, key: bytes = b"") -> str:
    """Return the id that follows from *parts* under *key*; without that, it tells nothing."""
    return id_from(keyed_digest(key, *parts))


def keyed_digest(key: bytes, *parts: bytes) -> bytes:
    """Return 16 bytes that follow from *parts* under *key*."""
    state = hashlib.blake2b(key=key, digest_size=16, person=b"ghostie-id")
    for part in parts:
        state.update(len(part).to_bytes(8, "big"))
        state.update(part)
    return state.digest()


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def stamp(milliseconds: int) -> str:
    """Return a moment, in Unix milliseconds, as RFC 3339 in UTC: `2025-06-28T14:30:00.000Z`."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z".zfill(24)


def moment_after(*before: int, now: int = 0) -> str:
    """Return the moment of a version that follows versions of the moments *before*, all in Unix milliseconds.

    After the last moment that there is comes that moment again.
    """
    return stamp(min(max(now, *(moment + 1 for moment in before)), LAST_MOMENT))


def number_after(*before: int) -> int:
    """Return the number of a version that follows versions of these numbers: after the last one, the same again."""
    return min(max(before) + 1, MAX_NUMBER)


def local(milliseconds: int) -> str:
    """Return the same by the person's own clock, to the minute: `2025-06-28 16:30`."""
    try:
        return f"{datetime.fromtimestamp(milliseconds // 1000):%Y-%m-%d %H:%M}".zfill(16)
    except (ValueError, OverflowError, OSError):  # the first and the last day that there is, and small machines
        return f"{stamp(milliseconds)[:16].replace('T', ' ')} UTC"


def read_time(text: str) -> datetime:
    """Return an ISO 8601 moment, the same under every Python: newer ones know an hour 24. Raises ValueError."""
    if _HOUR_24.match(text):
        raise ValueError("a day ends before its hour 24")
    return datetime.fromisoformat(text)


def millis(text: str) -> int:
    """Return the Unix milliseconds of an ISO 8601 moment; without a zone it is UTC. Raises BadMemory."""
    try:
        moment = read_time(text)
        # in UTC it may lie outside the years 1 to 9999
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadMemory(why=f"{text[:40]!r} is not a time") from None
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR_24 = re.compile(r"[\dW-]{7,10}[^\dW-]24")


# -- a version -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Version:
    """One immutable version of a memory: its canonical bytes, their hash, and their record."""

    raw: bytes
    hash: str
    record: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.record["id"])

    @property
    def stem(self) -> str:
        """The name of its file, without the suffix."""
        return f"{self.record['id']}.{self.hash[:32]}"

    @property
    def sync(self) -> Mapping[str, Any]:
        metadata: Mapping[str, Any] = self.record["sync_metadata"]
        return metadata

    @property
    def parents(self) -> tuple[str, ...]:
        return tuple(self.sync.get("parents", ()))

    @property
    def device(self) -> str:
        """The name of the device that made it, or that wrote the memory first; or ""."""
        made_by = self.sync.get("device")
        return made_by if isinstance(made_by, str) else str(self.field("device_id") or "")

    @property
    def number(self) -> int:
        return int(self.sync["version"])

    @property
    def deleted(self) -> bool:
        return bool(self.sync.get("deleted", False))

    @property
    def purges(self) -> tuple[str, ...]:
        """Hashes of the versions that this marker destroys everywhere."""
        return tuple(self.sync.get("purges", ()))

    @property
    def withheld(self) -> tuple[str, ...]:
        """Hashes of what came before it and stays on the device that made it."""
        return tuple(self.sync.get("withheld", ()))

    @property
    def modified(self) -> int:
        """When it was made, in Unix milliseconds; decides nothing."""
        return millis(self.sync["last_modified"])

    def field(self, name: str) -> Any:
        """Return a field's value, or its default."""
        value = self.record.get(name)
        return DEFAULTS.get(name) if value is None else value

    def say(self) -> str:
        """Return a digest of what it says, whenever and wherever it was made."""
        said = {
            name: value
            for name, value in self.record.items()
            if name not in ("sync_metadata", "timestamp", "device_id")
        }
        said["deleted"] = self.deleted
        return hashlib.sha256(codec.dumps(said)).hexdigest()

    def shown(self, conflict_state: str | None = None) -> Record:
        """Return the record as it is shown: every field there, derived ones filled in."""
        record = {
            "id": self.id,
            **DEFAULTS,
            **{name: value for name, value in self.record.items() if value is not None},
        }
        for name, keys in (("scope", SCOPE), ("anchor", ANCHOR), ("source", SOURCE)):
            record[name] = {**dict.fromkeys(keys), **record[name]}
        record["sync_metadata"] = {
            "parents": [],
            "deleted": False,
            **self.sync,
            "sync_hash": f"sha256:{self.hash}",
            "conflict_state": conflict_state,
        }
        return record


def said(version: Version) -> Record:
    """Return what *version* says: its record without id and sync metadata."""
    return {name: value for name, value in version.record.items() if name not in ("id", "sync_metadata")}


def mended(fields: Record) -> Record:
    """Return *fields* of a version that was read in the form in which they are written.

    What an older ghostie or another program wrote may have tags in disorder, and values that are no text where there
    should be one: these become their JSON.
    """
    fields = normal(fields)
    for name, keys in _TEXTS.items():
        if (value := fields.get(name)) is not None:
            fields[name] = {
                key: codec.dumps(item).decode() if key in keys and not isinstance(item, str | None) else item
                for key, item in value.items()
            }
    return fields


def is_as_written(version: Version) -> bool:
    """Tell whether *version* has the form that ghostie writes; one that only a reader takes has not."""
    try:
        return make_version(version.record, version.sync).raw == version.raw
    except GhostieError:
        return False


def make_version(fields: Mapping[str, Any], sync: Mapping[str, Any], *, as_is: bool = False) -> Version:
    """Return the version that says *fields* with this *sync* metadata; what is at its default is left out.

    A merge repeats what its parents say *as is*, in whatever form they were read. Raises BadMemory, BadJson or
    TooLarge.
    """
    record: Record = {}
    for name, given in fields.items():
        value = given
        if name in ("scope", "anchor", "source") and isinstance(given, dict):
            value = {key: item for key, item in given.items() if item is not None}
        if value is not None and name != "sync_metadata" and not (name in DEFAULTS and value == DEFAULTS[name]):
            record[name] = value
    record["sync_metadata"] = {name: value for name, value in sync.items() if value not in (None, [], False)}
    raw = codec.dumps(record)
    version = Version(raw, hashlib.sha256(raw).hexdigest(), record)
    _check(version)
    if not as_is:
        check_fields(record)
        _check_sync(record["sync_metadata"])
    return version


def parse_version(raw: bytes) -> Version:
    """Return the version that arrived as *raw*. Raises BadMemory, BadJson or TooLarge; nothing is repaired."""
    if len(raw) > MAX_VERSION:
        raise TooLarge(what="this version", size=len(raw), limit=MAX_VERSION)
    record = codec.loads(raw)
    if not isinstance(record, dict):
        raise BadMemory(why="it is not an object")
    version = Version(raw, hashlib.sha256(raw).hexdigest(), record)
    _check(version)
    return version


def trusted_version(raw: bytes, digest: str) -> Version:
    """Return the version of *raw* bytes that ghostie itself checked, sealed and just opened."""
    return Version(raw, digest, codec.loads(raw))


def _check(version: Version) -> None:
    record, raw = version.record, version.raw
    if len(raw) > MAX_VERSION:
        raise TooLarge(what="this memory", size=len(raw), limit=MAX_VERSION)
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and codec.depth(raw) > MAX_DEPTH:
        raise BadMemory(why=f"nested more than {MAX_DEPTH} deep")
    identity = record.get("id")
    if not isinstance(identity, str) or not _ID.fullmatch(identity):
        raise BadMemory(why="its id is not 26 base32 characters")
    sync = record.get("sync_metadata")
    if not isinstance(sync, dict):
        raise BadMemory(why="it has no sync_metadata")
    number, parents = sync.get("version"), sync.get("parents", [])
    if type(number) is not int or not 1 <= number <= MAX_NUMBER:
        raise BadMemory(why="its version is not a whole number from 1 on")
    _check_time("its last_modified", sync.get("last_modified"))
    for name, hashes in (
        ("parents", parents),
        ("purges", sync.get("purges", [])),
        ("withheld", sync.get("withheld", [])),
    ):
        if not isinstance(hashes, list) or not all(isinstance(item, str) and _HASH.fullmatch(item) for item in hashes):
            raise BadMemory(why=f"its {name} are not hashes")
    if len(set(parents)) != len(parents) or (number == 1) != (not parents):
        raise BadMemory(why="its parents do not fit its version")
    salt = sync.get("salt", "")
    if not isinstance(salt, str) or not _SALT.fullmatch(salt):
        raise BadMemory(why="its salt is not 32 hex digits")
    if type(sync.get("deleted", False)) is not bool:
        raise BadMemory(why="its deleted is neither true nor false")
    _check_read(record)


def check_fields(record: Mapping[str, Any]) -> None:
    """Raise BadMemory or TooLarge unless every known field has the type, the bounds and the form that are written."""
    _check_read(record)
    tags = record.get("tags") or []
    if sorted(set(tags)) != tags:
        raise BadMemory(why="tags are not sorted, each once")
    for name, keys in _TEXTS.items():
        for key, item in (record.get(name) or {}).items():
            if key in keys and not isinstance(item, str | None):
                raise BadMemory(why=f"{name}.{key} is not text")


def _check_sync(sync: Mapping[str, Any]) -> None:
    """Raise BadMemory unless what a reader takes in *sync* metadata has the form that is written, too."""
    for name in ("parents", "purges", "withheld"):
        hashes = sync.get(name, [])
        if sorted(set(hashes)) != hashes:
            raise BadMemory(why=f"its {name} are not sorted, each once")
    if "device" in sync:
        _check_word("its device", sync["device"])
    merged = sync.get("merge")
    if "merge" in sync and not (isinstance(merged, dict) and type(merged.get("rules")) is int):
        raise BadMemory(why="its merge does not say by which rules")
    if "salt" in sync and (not sync["salt"] or merged is not None):
        raise BadMemory(why="its salt is empty, or in a merge")


def _check_read(record: Mapping[str, Any]) -> None:
    """Raise BadMemory or TooLarge unless every known field has its type and keeps its bounds: what a reader asks."""
    content = record.get("content", "")
    if not isinstance(content, str):
        raise BadMemory(why="content is not text")
    if len(content) > MAX_CONTENT // 4 and (size := len(_utf8(content))) > MAX_CONTENT:
        raise TooLarge(what="the content", size=size, limit=MAX_CONTENT)
    for name in ("kind", "category", "device_id", "status", "privacy"):
        if (value := record.get(name)) is not None:
            _check_word(name, value)
    if record.get("status", "active") not in STATUSES:
        raise BadMemory(why=f"status is not one of {', '.join(STATUSES)}")
    if record.get("privacy", "sync") not in PRIVACIES:
        raise BadMemory(why=f"privacy is not one of {', '.join(PRIVACIES)}")
    if (timestamp := record.get("timestamp")) is not None:
        _check_time("timestamp", timestamp)
    if (tags := record.get("tags")) is not None:
        if not isinstance(tags, list) or len(tags) > MAX_TAGS:
            raise BadMemory(why=f"tags are not a list of at most {MAX_TAGS} words")
        for tag in tags:
            _check_word("a tag", tag)
    for name in ("context", "scope", "anchor", "source"):
        if (value := record.get(name)) is not None and not isinstance(value, dict):
            raise BadMemory(why=f"{name} is not an object")
    links = record.get("links")
    if links is not None and not (
        isinstance(links, list)
        and all(
            isinstance(link, dict) and isinstance(link.get("type"), str) and isinstance(link.get("to"), str)
            for link in links
        )
    ):
        raise BadMemory(why="links are not a list of objects with type and to")


def _utf8(content: str) -> bytes:
    try:
        return content.encode()
    except UnicodeEncodeError:
        raise BadMemory(why="the content has half a character (a lone surrogate)") from None


def _check_time(name: str, value: object) -> None:
    if not isinstance(value, str) or not _MILLIS.fullmatch(value):
        raise BadMemory(why=f"{name} is not a time in UTC with milliseconds")
    millis(value)


def _check_word(name: str, value: object) -> None:
    if not isinstance(value, str) or not value or len(value) > MAX_WORD or not _WORD.fullmatch(value):
        raise BadMemory(why=f"{name} is not one line of 1 to {MAX_WORD} characters")


# -- what a caller hands in ------------------------------------------------------------------------------------------


def memory(content: str, **fields: Any) -> Record:
    """Return the fields of a new memory, checked: *content* and any of FIELDS, by name.

    Raises BadMemory, or TooLarge for content above 1 MiB of UTF-8.
    """
    unknown = fields.keys() - set(FIELDS)
    if unknown:
        raise BadMemory(why=f"there is no field {min(unknown)!r}")
    if isinstance(content, str) and not content.strip():
        raise BadMemory(why="the content is empty")
    record = normal({"content": content, **{name: value for name, value in fields.items() if value is not None}})
    check_fields(record)
    _utf8(content)
    return record


def normal(record: Record) -> Record:
    """Return *record* in its one spelling: time in UTC with milliseconds, tags sorted, each once.

    Raises BadMemory for a time that is none; all else is unchecked.
    """
    record = dict(record)
    timestamp = record.get("timestamp")
    if timestamp is not None and not (isinstance(timestamp, str) and _MILLIS.fullmatch(timestamp)):
        record["timestamp"] = stamp(_moment(timestamp))
    tags = record.get("tags")
    if isinstance(tags, list) and len(tags) > 0 and all(isinstance(tag, str) for tag in tags):
        record["tags"] = sorted({tag.strip() for tag in tags})
    return record


def _moment(value: object) -> int:
    """Return the Unix milliseconds of ISO 8601, or of a number of seconds or milliseconds."""
    if isinstance(value, str):
        return millis(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e14:
        return int(value if value > 1e11 else value * 1000)
    raise BadMemory(why="timestamp is not a time")
