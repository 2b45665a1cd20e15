"""GitHub's gists as a store: one secret gist for each writer and one for what is everybody's, found by description.

A key `ghostie/<owner>/a/b` is the file `gho~a~b.txt` of the gist "ghostie <owner>", text-armoured; any other key is a
file of the gist "ghostie +". A change is one request, and a poll with nothing new is one that is answered 304. One file
of each gist is no object: so deleting the last object does not leave a gist without files, which the service refuses.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ghostie.backends.gistapi import (
    OVERHEAD,
    Clash,
    Gist,
    GistApi,
    GistFile,
    NoSuchGist,
    Rejected,
    Unconfirmed,
    blob,
    origin,
)
from ghostie.backends.gistview import FILES_LISTED, GistView, Time
from ghostie.backends.http import Http, check_url
from ghostie.backends.store import Capabilities, ObjectInfo, check_key
from ghostie.errors import AuthFailed, NotFound, QuotaExceeded, StoreError, StoreRefused, Unreachable, UsageError

API: Final = "https://api.github.com"
RAW: Final = {"https://api.github.com": frozenset({"https://gist.githubusercontent.com"})}

LARGEST: Final = 4 << 20  # its text stays below the 10 MB that can be read back
MOST_AT_ONCE: Final = 6_000_000  # of text in one request
MOST_KEPT: Final = 12 << 20
LONGEST_NAME: Final = 255
BETWEEN_WRITES: Final = 1.0
FRESH: Final = 60.0
FEW: Final = 4
RETRIES: Final = 3

ROOT: Final = "ghostie"
REST: Final = "+"
HEADER: Final = "ghostie armour 1\n"
WIDTH: Final = 76
MARKER: Final = "ghostie.txt"
MARKED: Final = "Sealed by ghostie. Nothing here can be read or changed by hand.\n"

_PREFIX = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
_NAME = re.compile(r"gho((?:~[A-Za-z0-9_-][A-Za-z0-9._-]{0,127})+)\.txt")


@dataclass
class Change:
    """What one owner's files are to become: texts by file name, and the names that go."""

    puts: dict[str, str] = field(default_factory=dict)
    deletes: set[str] = field(default_factory=set)


class _Outdated(Exception):
    """The gist is not what the last listing showed; *cause* stands if a new listing does not help."""

    def __init__(self, cause: StoreError) -> None:
        super().__init__()
        self.cause = cause


class GistStore:
    """Objects in the gists of one account. *prefix* keeps several vaults of one account apart.

    One request at a time, and writes at least a second apart, as the service asks.
    """

    capabilities = Capabilities(
        best_size=680_000, largest_size=LARGEST, most_objects=FILES_LISTED - 1, create_only="ignored"
    )

    def __init__(self, api: GistApi, prefix: str = "", time: Time | None = None) -> None:
        self._api = api
        self._words = f"{ROOT} {prefix} " if prefix else f"{ROOT} "
        self._time = time or Time()
        self._view = GistView(api, self._words, self._time)
        self._lock = threading.RLock()
        self._texts: dict[tuple[str, str, str], str] = {}  # came along with another file, and not asked for yet
        self._wanted: dict[str, list[int]] = {}  # the sizes of what was read of each gist since the last listing
        self._wrote_at: float | None = None

    @classmethod
    def from_options(cls, options: Mapping[str, str], secrets: Mapping[str, str]) -> GistStore:
        """Return the store at the option `api_url` (GitHub by default), which shows raw contents there or at `raw_url`.

        Raises UsageError.
        """
        prefix, token = options.get("prefix", ""), secrets.get("token", "").strip()
        if prefix and not _PREFIX.fullmatch(prefix):
            raise UsageError("a prefix is one word of letters, digits, dot, dash and underscore, 64 at most")
        if not token:
            raise UsageError("a gist store needs a token", "give one that may read and write gists: GHOSTIE_GIST_TOKEN")
        if not re.fullmatch(r"[!-~]+", token):
            raise UsageError("this is not a token: it has characters that no token has")
        url = options.get("api_url") or API
        raw = set(RAW.get(origin(url), ()))
        if options.get("raw_url"):
            raw.add(origin(options["raw_url"]))
        for address in (url, *raw):
            check_url(address, plain_http=options.get("plain_http") == "yes")
        return cls(GistApi(Http.of_store(options, secrets), url, token, frozenset(raw)), prefix)

    # -- the four promises -------------------------------------------------------------------------------------------

    def list(self, prefix: str) -> list[ObjectInfo]:
        with self._lock:
            self._refresh()
            found: dict[str, ObjectInfo] = {}
            for gist in self._view.gists():
                for name, file in gist.files.items():
                    key = _key(self._view.owner(gist), name)
                    if key is not None and key.startswith(prefix) and key not in found:
                        size = plain_size(file.size)
                        # a text that is no object's is listed all the same: reading it says what is wrong with it
                        found[key] = ObjectInfo(key, file.size if size is None else size, file.tag)
            return [found[key] for key in sorted(found)]

    def get(self, key: str) -> bytes:
        owner, name = _place(check_key(key))
        with self._lock:
            gist = self._view.find(owner, name)
            if gist is None:
                self._refresh()
                gist = self._view.find(owner, name)
            text = self._text(gist, name) if gist is not None else None
        if text is None:
            raise NotFound(key=key)
        try:
            return unarmour(text)
        except BadArmour as error:
            raise StoreRefused(why=f"an object there was changed: {error}") from None

    def write(self, put: Mapping[str, bytes], delete: Iterable[str] = ()) -> None:
        changes: dict[str, Change] = {}
        doomed = [_place(check_key(key)) for key in delete]
        for key, content in put.items():
            owner, name = _place(check_key(key))
            if len(content) > LARGEST:
                raise StoreRefused(why="an object is too large for it")
            changes.setdefault(owner, Change()).puts[name] = armour(content)
        for owner, name in doomed:
            change = changes.setdefault(owner, Change())
            change.puts.pop(name, None)
            change.deletes.add(name)
        done: set[tuple[str, str]] = set()
        with self._lock:
            try:
                if not self._knows(changes):
                    self._refresh()
                for owner, change in _steps(changes):
                    self._carry_out(owner, change, done)
            except StoreError as error:
                self._view.doubt()  # whatever was carried out of it
                error.facts["put"] = frozenset(key for key in put if _place(key) in done)
                raise

    def state(self) -> bytes:
        with self._lock:
            return self._view.state()

    def restore(self, state: bytes) -> None:
        with self._lock:
            self._view.restore(state)

    # -- reading -----------------------------------------------------------------------------------------------------

    def _refresh(self) -> None:
        self._texts.clear()
        self._wanted.clear()
        self._view.refresh()

    def _text(self, gist: Gist, name: str) -> str | None:
        """Return a file's text, from the gist as a whole or from its own address, whichever is less to carry."""
        file = gist.files[name]
        kept = self._texts.pop((gist.id, name, file.tag), None)
        if kept is not None:
            return kept
        wanted = self._wanted.setdefault(gist.id, [])
        wanted.append(file.size)
        total = gist.inline
        if total > MOST_KEPT:
            return self._read_raw(file)
        if total > OVERHEAD and sum(wanted) * 4 < total and (len(wanted) <= FEW or total > MOST_AT_ONCE):
            with contextlib.suppress(StoreError):
                return _ascii(self._api.raw(file))
        return self._read_whole(gist, name)

    def _read_whole(self, gist: Gist, name: str) -> str | None:
        """Return a file's text out of the whole gist, and keep what else came; None if the gist has it no more."""
        for _ in self._time.tries():
            try:
                found = self._api.read(gist.id, 2 * gist.inline + 4 * OVERHEAD)
                break
            except NoSuchGist:
                if not self._view.is_new(gist.id):
                    return None
        else:
            raise Unreachable(why="a gist that was just made is not there yet")
        if name not in found.files:
            if found.truncated:
                raise StoreRefused(why=f"a gist there has more than the {FILES_LISTED} files that it shows")
            return None
        for other, text in found.contents.items():
            if other != name and _NAME.fullmatch(other):
                self._texts[gist.id, other, found.files[other].tag] = text
        text_here = found.contents.get(name)
        return text_here if text_here is not None else self._read_raw(found.files[name])

    def _read_raw(self, file: GistFile) -> str:
        failed: StoreError = Unreachable(why="a file there cannot be read")
        for _ in self._time.tries():
            try:
                return _ascii(self._api.raw(file))
            except NoSuchGist:
                failed = Unreachable(why="a file that it lists is not there")
            except Unreachable as error:
                failed = error
        raise failed

    # -- writing -----------------------------------------------------------------------------------------------------

    def _knows(self, changes: Mapping[str, Change]) -> bool:
        """Tell whether the last listing is enough for *changes*: it may be old where it does not show something."""
        for owner, change in changes.items():
            names = {name for gist in self._view.of(owner) for name in gist.files}
            if not change.deletes <= names or not self._view.is_younger_than(FRESH):
                return False
        return True

    def _carry_out(self, owner: str, change: Change, done: set[tuple[str, str]]) -> None:
        """Make *change*, and add to *done* what was put."""
        for _ in range(RETRIES):
            try:
                self._attempt(owner, change, done)
                return
            except _Outdated as outdated:
                cause = outdated.cause
                self._refresh()
        raise cause

    def _attempt(self, owner: str, change: Change, done: set[tuple[str, str]]) -> None:
        gists, batches = self._view.of(owner), _batches(change.puts)
        if not gists:
            if not batches:
                return
            puts = batches.pop(0)
            gists = [self._create(owner, puts)]
            done |= {(owner, name) for name in puts}
        first, others = gists[0], gists[1:]
        deletes = change.deletes & first.files.keys()
        while batches or deletes:
            puts = batches.pop(0) if batches else {}
            first = self._change(first, puts, set() if batches else deletes)
            done |= {(owner, name) for name in puts}
            deletes = deletes & first.files.keys()
        for other in others:  # made twice, because a reply was lost: what goes has to go from all
            if deletes := change.deletes & other.files.keys():
                self._change(other, {}, deletes)

    def _create(self, owner: str, puts: Mapping[str, str]) -> Gist:
        self._keep_apart()
        files = {MARKER: MARKED, **puts}
        try:
            gist = self._api.create(self._words + owner, files)
        except NoSuchGist:
            raise AuthFailed(why="the token may not make gists: it needs the scope gist") from None
        except Unconfirmed:
            return self._listed_with(owner, "", files, set())
        finally:
            self._wrote_at = self._time.clock()
        if not _shows(gist, files, set()):
            raise Unreachable(why="it did not keep what was sent")
        return self._view.note(gist, made=True)

    def _change(self, gist: Gist, puts: Mapping[str, str], deletes: set[str]) -> Gist:
        files: dict[str, str | None] = {**puts, **dict.fromkeys(sorted(deletes))}
        if MARKER not in gist.files:
            files[MARKER] = MARKED
        if len((gist.files.keys() | files.keys()) - deletes) > FILES_LISTED:
            raise QuotaExceeded(why=f"a gist shows no more than {FILES_LISTED} files")
        failed: StoreError
        for _ in self._time.tries():
            self._keep_apart()
            try:
                changed = self._api.change(gist, files)
            except NoSuchGist:
                if not self._view.is_new(gist.id):
                    raise _Outdated(AuthFailed(why="the token may not change gists: it needs the scope gist")) from None
                failed = Unreachable(why="a gist that was just made is not there yet")
            except Rejected as error:
                raise _Outdated(error) from None
            except Clash as error:
                failed = error
            except Unconfirmed:
                return self._listed_with(self._view.owner(gist), gist.id, puts, deletes)
            else:
                if not _shows(changed, puts, deletes):
                    raise Unreachable(why="it did not keep what was sent")
                return self._view.note(changed)
            finally:
                self._wrote_at = self._time.clock()
        raise failed

    def _listed_with(self, owner: str, gist_id: str, puts: Mapping[str, str], deletes: set[str]) -> Gist:
        """Return the gist (or the one that was just made) as a listing shows it, once that has the change."""
        for _ in self._time.tries():
            self._refresh()
            for gist in self._view.of(owner):
                if gist_id in ("", gist.id) and _shows(gist, puts, deletes):
                    return gist
        raise Unreachable(why="it did not keep what was sent")

    def _keep_apart(self) -> None:
        if self._wrote_at is not None:
            wait = self._wrote_at + BETWEEN_WRITES - self._time.clock()
            if wait > 0:
                self._time.sleep(wait)


def _shows(gist: Gist, puts: Mapping[str, str], deletes: set[str]) -> bool:
    """Tell whether *gist* is as it was asked to be."""
    for name, text in puts.items():
        file = gist.files.get(name)
        if file is None or file.size != len(text) or file.blob not in ("", blob(text.encode())):
            return False
    return not deletes & gist.files.keys()


# -- names, batches, order --------------------------------------------------------------------------------------------


def _place(key: str) -> tuple[str, str]:
    """Return the owner of the gist that holds *key*, and its file's name there. Raises StoreRefused."""
    parts = key.split("/")
    owner, rest = (parts[1], parts[2:]) if parts[0] == ROOT and len(parts) > 2 else (REST, parts)
    name = f"gho~{'~'.join(rest)}.txt"
    if len(name) > LONGEST_NAME:
        raise StoreRefused(why="a key is too long for it")
    return owner, name


def _key(owner: str, name: str) -> str | None:
    """Return the key that *owner*'s file *name* spells, or None: the marker, or something that a person put there."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    rest = found[1].replace("~", "/")
    key = rest[1:] if owner == REST else f"{ROOT}/{owner}{rest}"
    try:
        return key if _place(check_key(key)) == (owner, name) else None
    except StoreRefused:
        return None


def _steps(changes: Mapping[str, Change]) -> list[tuple[str, Change]]:
    """Return the changes gist by gist, in an order in which everything is put before anything is deleted."""
    both = [owner for owner, change in changes.items() if change.puts and change.deletes]
    steps = [(owner, change) for owner, change in changes.items() if not change.deletes]
    steps += [(owner, Change(puts=changes[owner].puts)) for owner in both[:-1]]
    steps += [(owner, changes[owner]) for owner in both[-1:]]
    steps += [(owner, Change(deletes=changes[owner].deletes)) for owner in both[:-1]]
    return steps + [(owner, change) for owner, change in changes.items() if not change.puts]


def _batches(puts: Mapping[str, str]) -> list[dict[str, str]]:
    """Return *puts*, in their order, in as few requests as they fit into."""
    batches: list[dict[str, str]] = []
    size = 0
    for name, text in puts.items():
        if not batches or size + len(text) > MOST_AT_ONCE:
            batches.append({})
            size = 0
        batches[-1][name] = text
        size += len(text)
    return batches


def _ascii(text: bytes) -> str:
    try:
        return text.decode("ascii")
    except UnicodeDecodeError:
        raise StoreRefused(why="an object there was changed: it is not text armour") from None


# -- text armour -----------------------------------------------------------------------------------------------------
#
#     ghostie armour 1
#     <base64 without padding, 76 characters a line>
#
# Every object has one spelling and no other, and the size of the text tells the size of the object. Reading is strict:
# what a service re-wrapped, trimmed, re-encoded or cut is refused, never repaired.


class BadArmour(ValueError):
    """Text that is not what `armour` writes; says why."""


def armour(content: bytes) -> str:
    """Return *content* as text: a header line, then lines of base64. Never empty."""
    packed = base64.b64encode(content).rstrip(b"=").decode()
    lines = [packed[at : at + WIDTH] for at in range(0, len(packed), WIDTH)]
    return HEADER + "".join(f"{line}\n" for line in lines)


def unarmour(text: str) -> bytes:
    """Return the bytes that *text* spells. Raises BadArmour for anything that `armour` would not write."""
    if not text.startswith(HEADER):
        raise BadArmour("it has no armour header")
    packed = text[len(HEADER) :].replace("\n", "")
    try:
        content = base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadArmour("it is not base64") from None
    if armour(content) != text:
        raise BadArmour("it is not spelt the one way that it can be")
    return content


def armoured_size(size: int) -> int:
    """Return how many bytes of text an object of *size* bytes takes."""
    packed = (size * 4 + 2) // 3
    return len(HEADER) + packed + -(-packed // WIDTH)


def plain_size(size: int) -> int | None:
    """Return how many bytes the object has whose text has *size*, or None if no object's text is that long."""
    body = size - len(HEADER)
    packed = body - -(-body // (WIDTH + 1))
    plain = packed * 3 // 4
    return plain if body >= 0 and armoured_size(plain) == size else None
