"""Import and export: ghostie's own records, JSON, JSON lines, Markdown, and what agents keep in a single JSON file.

An imported memory's id and first version follow from its record alone: importing twice adds nothing, and two devices
make the same memories of the same file. Nothing that was read is dropped: what has no place of its own goes into
`context`.
"""

from __future__ import annotations

import functools
import gzip
import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ghostie import codec, files
from ghostie.errors import BadJson, BadMemory, CannotRead, Damaged, GhostieError, Unopened, UsageError
from ghostie.memory import (
    MAX_CONTENT,
    Record,
    Version,
    check_fields,
    derived_id,
    is_id,
    keyed_digest,
    make_version,
    mended,
    millis,
    moment_after,
    normal,
    number_after,
    said,
    stamp,
)
from ghostie.vault.formats import Found, read_paths, suffix
from ghostie.vault.row import Entry
from ghostie.vault.vault import TakenIn, Vault

MOST_NAMED = 1000


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import came to."""

    read: int
    taken: TakenIn
    bad: tuple[Found, ...]  # the first of those that were left out, MOST_NAMED at the most
    left_out: int
    removed: tuple[str, ...] = ()  # the memories of good records that were removed here, and stay so

    @property
    def known(self) -> int:
        """How many of the good records were there already, those of removed memories too."""
        return self.read - self.left_out - len(self.taken.added) - len(self.taken.changed)


def import_paths(
    vault: Vault,
    paths: Iterable[Path],
    *,
    status: str | None = "inbox",
    dry_run: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Imported:
    """Bring in everything at *paths*: files by their suffix, folders with all that is below them.

    A bad record is named in the result and left out; the rest goes in, all at once. What was removed here stays so and
    is named; what was purged comes in anew, for a person asks for it. All get *status*, or with None what
    each says, else the inbox. Raises UsageError as `read_paths`, VaultBusy or CannotWrite.
    """
    vault.refresh()
    bad: list[Found] = []
    versions: dict[str, Version] = {}
    left_out = 0
    removed: dict[str, None] = {}
    last: Record | None = None
    total = 0
    modified = functools.cache(_modified)
    for found in read_paths(paths):
        total += 1
        if progress is not None and total % 500 == 0:
            progress(total)
        if found.record is None:
            left_out += 1
            if len(bad) < MOST_NAMED:
                bad.append(found)
            continue
        if found.record is last:
            continue  # a line like the one before it, which was read once
        last = found.record
        try:
            identity, made = versions_of(vault, found.record, status, fallback=modified(found.path))
        except GhostieError as error:
            left_out += 1
            if len(bad) < MOST_NAMED:
                bad.append(Found(found.path, found.line, problem=_reason(error)))
            last = None
        else:
            versions |= {version.hash: version for version in made}
            if not made and (entry := vault.index.get(identity)) is not None and entry.deleted:
                removed[identity] = None
    stay = tuple(removed)
    if dry_run:
        fresh = {version.id for version in versions.values() if not vault.index.has(version)}
        return Imported(total, TakenIn(len(fresh), tuple(fresh)), tuple(bad), left_out, stay)
    taken = vault.take_in(versions.values(), "import") if versions else TakenIn()
    return Imported(total, taken, tuple(bad), left_out, stay)


def _reason(error: GhostieError) -> str:
    return str(error.facts["why"]) if isinstance(error, BadMemory | BadJson) else str(error)


def _modified(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns // 1_000_000
    except OSError:
        return 0


# -- from records to versions ----------------------------------------------------------------------------------------


def versions_of(vault: Vault, record: Record, status: str | None, fallback: int) -> tuple[str, list[Version]]:
    """Return the memory that *record* is about and the versions that it stands for, none if the vault has what it says.

    The first is the memory itself; more only where its content is too long for one. *fallback* is the time, in Unix ms,
    of one that says none. The index is loaded. Raises BadMemory or TooLarge.
    """
    given = record.get("sync_metadata")
    sync: Mapping[str, Any] = given if isinstance(given, dict) else {}
    first, *rest = _pieces(record.get("content"))
    fields = {
        name: value for name, value in record.items() if name not in ("id", "sync_metadata") and value is not None
    }
    fields = normal({**fields, "content": first})
    identity, fields = _identity(vault, record.get("id"), fields, rest)
    own = fields.get("status")
    fields["status"] = status or own or "inbox"
    if "timestamp" not in fields:
        fields["timestamp"] = stamp(fallback)
    parts = []
    for number, piece in enumerate(rest, 2):
        part: Record = {
            name: fields[name]
            for name in ("timestamp", "device_id", "category", "tags", "status", "privacy")
            if name in fields
        }
        part |= {"kind": "part", "content": piece, "links": [{"type": "part-of", "to": identity}]}
        part["id"] = derived_id(b"part", identity.encode(), str(number).encode(), key=vault.naming_key)
        fields["links"] = [*fields.get("links", []), {"type": "part", "to": part["id"]}]
        parts.append(_first(vault, part, part["timestamp"]))
    head = _head(vault, {**fields, "id": identity}, sync, own)
    return identity, [version for version in (head, *parts) if version is not None and not vault.index.has(version)]


def _pieces(content: object) -> list[Any]:
    """Return *content* in pieces that fit a memory, cut at ends of lines where there are any."""
    if not isinstance(content, str) or len(content) * 4 <= MAX_CONTENT:
        return [content]
    rest = content.encode(errors="surrogatepass")
    pieces = []
    while len(rest) > MAX_CONTENT:
        end = rest.rfind(b"\n", MAX_CONTENT // 2, MAX_CONTENT) + 1
        if not end:
            end = MAX_CONTENT
            while rest[end] & 0xC0 == 0x80:  # not within a character
                end -= 1
        pieces.append(rest[:end])
        rest = rest[end:]
    return [piece.decode(errors="surrogatepass") for piece in (*pieces, rest)]


def _identity(vault: Vault, given: object, fields: Record, rest: list[str]) -> tuple[str, Record]:
    """Return the record's id, its own if that is ghostie's, else one that follows from what it says; and its fields."""
    if isinstance(given, str) and is_id(given):
        return given, fields
    if given is not None:
        check_fields(fields)
        entry = given if isinstance(given, str) else json.dumps(given)
        fields = {**fields, "source": {"entry": entry, **fields.get("source", {})}}
    said = {name: value for name, value in fields.items() if name != "status"}
    return derived_id(codec.dumps(said), *(piece.encode() for piece in rest), key=vault.naming_key), fields


def _first(vault: Vault, record: Record, modified: str) -> Version:
    version = _salted(vault, record, {"version": 1, "last_modified": modified})
    entry = vault.index.get(version.id)
    if entry is not None and version.hash in entry.purged():
        # a person brings in again what was purged: the same bytes are destroyed for ever, so it takes others
        return make_version(record, {**version.sync, "salt": secrets.token_hex(16)})
    return version


def _salted(vault: Vault, record: Record, sync: Record) -> Version:
    """Return the version with a salt that follows from all it says and the vault's key."""
    salt = keyed_digest(vault.naming_key, b"salt", codec.dumps(record), codec.dumps(sync)).hex()
    return make_version(record, {**sync, "salt": salt})


def _head(vault: Vault, record: Record, sync: Mapping[str, Any], own_status: str | None) -> Version | None:
    """Return the version that *record* adds to its memory, or None if one that is there says the same.

    Exported from a version that is known here, it keeps its status: it was looked at already.
    """
    changed = sync.get("last_modified")
    modified = stamp(millis(changed)) if isinstance(changed, str) else record["timestamp"]
    entry = vault.index.get(record["id"])
    if entry is None:
        return _first(vault, record, modified)
    digest = str(sync.get("sync_hash", "")).removeprefix("sha256:")
    if digest in entry.versions:
        base = vault.files.read(entry.stem(digest))
        edited = _salted(
            vault,
            {**record, "status": own_status or base.field("status")},
            {
                "version": number_after(base.number),
                "parents": [base.hash],
                "last_modified": moment_after(base.modified, now=millis(modified)),
            },
        )
        # what was exported of a form that is not written any more comes back mended, and is no change
        known = make_version({**mended(said(base)), "id": base.id}, {**base.sync, "merge": None, "salt": None})
        return None if edited.say() in (base.say(), known.say()) else edited
    fresh = _first(vault, record, modified)
    if fresh.hash in entry.versions:
        return None
    say = fresh.say()
    return None if any(version.say() == say for version in vault.files.opened(entry).values()) else fresh


# -- export ----------------------------------------------------------------------------------------------------------


def exported(vault: Vault, entries: Iterable[Entry], unopened: list[Unopened] | None = None) -> Iterator[Record]:
    """Yield *entries* as `import` reads them. Raises Damaged or CannotRead, or adds it to *unopened* and goes on."""
    for entry in entries:
        try:
            version = vault.shown(entry)
        except (Damaged, CannotRead) as error:
            if unopened is None:
                raise
            unopened.append(error)
        else:
            yield mended(version.shown("open" if entry.in_conflict else None))


def export_to(path: Path, records: Iterable[Record], *, force: bool = False) -> int:
    """Write *records* to *path*, by its suffix or as a folder; return how many. Raises UsageError."""
    if path.is_dir() or not suffix(path):
        if not path.is_dir():  # one that is there keeps the mode that its owner gave it
            files.make_private_folder(path)
        return files.write_all_durably((path / f"{record['id']}.json", _pretty(record)) for record in records)
    if path.exists() and not force:
        raise UsageError(f"{path} is there already", "give another name, or --force to replace it")
    spelt = [codec.dumps(record) for record in records]
    if suffix(path) in (".jsonl", ".ndjson"):
        content = b"".join(line + b"\n" for line in spelt)
    elif suffix(path) == ".json":
        content = b"[\n" + b",\n".join(spelt) + b"\n]\n"
    else:
        raise UsageError(
            f"{path} has no suffix that tells what to write", "known are .json, .jsonl, .gz of these, or a folder"
        )
    files.write_durably(path, gzip.compress(content, mtime=0) if path.suffix.lower() == ".gz" else content)
    return len(spelt)


def _pretty(record: Record) -> bytes:
    return json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"
