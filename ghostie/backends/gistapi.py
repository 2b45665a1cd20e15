"""The Gist service as it speaks: its requests, its replies as values, and its refusals as errors of the store.

Nothing that it says is believed for its status alone: a reply has to be JSON of the right shape. The token goes to the
service's own origin and to no other, and stands in no message.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from ghostie import codec
from ghostie.backends import http
from ghostie.backends.http import Http, Reply
from ghostie.errors import AuthFailed, BadJson, StoreError, StoreRefused, Throttled, Unreachable

PER_PAGE: Final = 100
MOST_PAGES: Final = 50
LARGEST_LISTING: Final = 32 << 20
LARGEST_RAW: Final = 10_000_000
LARGEST_ECHO: Final = 1 << 20
MOST_PARTS: Final = 250_000  # of one reply: read, a thing of few bytes takes many
A_WHILE: Final = 60.0  # what to wait where the service does not say, by its own advice
OVERHEAD: Final = 256 << 10  # what a reply holds besides contents: owner, history, a link for each file

_ID = re.compile(r"[0-9A-Za-z]{1,64}")
_BLOB = re.compile(r"/raw/([0-9a-f]{40})/[^/]*\Z")


@dataclass(frozen=True, slots=True)
class GistFile:
    """One file of a gist: its size in bytes, and where its text can be had raw."""

    size: int
    url: str

    @property
    def blob(self) -> str:
        """Git's name for the file's content, as the raw address has it; empty if it has none."""
        found = _BLOB.search(self.url)
        return found[1] if found else ""

    @property
    def tag(self) -> str:
        return self.blob or hashlib.sha256(self.url.encode()).hexdigest()[:40]


@dataclass(frozen=True, slots=True)
class Gist:
    """A gist: what it is called, its files, and of a full reply those contents that came whole."""

    id: str
    description: str
    created: str
    updated: str
    truncated: bool
    files: Mapping[str, GistFile]
    contents: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def inline(self) -> int:
        """How many bytes of text all its files have together."""
        return sum(file.size for file in self.files.values())


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the listing: the mark under which it can be asked for again, and whether another follows."""

    etag: str
    more: bool
    gists: tuple[Gist, ...]


class NoSuchGist(StoreError):
    message = "the store has no such gist"


class Unconfirmed(StoreError):
    message = "the store did not say what came of it"


class Clash(Unreachable):
    """Two changes at once, or one too soon after another: worth another try."""

    message = "the store cannot be reached: it is busy with another change"


class Rejected(StoreRefused):
    """A change that does not fit the gist as it is now, or that the service never takes."""

    message = "the store refused: it does not take what was sent"


class GistApi:
    """The service at *url*. *raw* has the origins, besides its own, that raw contents may come from."""

    def __init__(self, http: Http, url: str, token: str, raw: frozenset[str]) -> None:
        self.url = url.rstrip("/")
        self._http = http
        self._token = token
        self._own = origin(url)
        self._raw = raw | {self._own}

    def page(self, number: int, known: Page | None, ours: Callable[[object], bool]) -> Page:
        """Return those of a page's gists whose description is *ours*; *known* itself if the page has not changed."""
        ask = {"If-None-Match": known.etag} if known and known.etag else {}
        url = f"{self.url}/gists?per_page={PER_PAGE}&page={number}"
        reply = self._send("GET", url, ask, most=LARGEST_LISTING)
        if reply.status == 304 and known and ask:
            return known
        if reply.status == 404 and not reply.is_web_page:
            raise StoreRefused(why="there is no Gist service at its address", about="address")
        records = self._json(self._expect(reply, 200), list)
        scopes = reply.headers.get("x-oauth-scopes")
        if scopes is not None and "gist" not in re.split(r"[,\s]+", scopes):
            raise AuthFailed(why="the token lacks the scope gist")  # the listing would leave out secret gists
        if len(records) > PER_PAGE:
            raise StoreRefused(why=f"its listing has more than {PER_PAGE} gists on a page")
        more = 'rel="next"' in reply.headers.get("link", "") or len(records) >= PER_PAGE
        mine = [record for record in records if isinstance(record, dict) and ours(record.get("description"))]
        return Page(reply.headers.get("etag", ""), more, tuple(_gist(record) for record in mine))

    def read(self, gist: str, most: int) -> Gist:
        """Return the gist with its contents. Raises NoSuchGist."""
        return self._gist(self._send("GET", self._at(gist), {}, most=most))

    def create(self, description: str, files: Mapping[str, str]) -> Gist:
        """Make a secret gist. Raises NoSuchGist if the token may not, and Unconfirmed as `change` does."""
        body = {
            "description": description,
            "public": False,
            "files": {name: {"content": text} for name, text in files.items()},
        }
        reply = self._written("POST", f"{self.url}/gists", body, _most(files))
        return self._gist(reply, 201)

    def change(self, gist: Gist, files: Mapping[str, str | None]) -> Gist:
        """Put and remove (None) files of a gist in one step. Raises NoSuchGist, Clash or Rejected.

        The reply holds the whole gist. Where that is much, it is left unread: raises Unconfirmed.
        """
        body = {"files": {name: None if text is None else {"content": text} for name, text in files.items()}}
        reply = self._written("PATCH", self._at(gist.id), body, _most(files) + 2 * gist.inline)
        return self._gist(reply)

    def raw(self, file: GistFile) -> bytes:
        """Return the text of *file* from its raw address, if it is the very one. Raises StoreError."""
        if not file.blob or origin(file.url) not in self._raw:
            raise StoreRefused(why="it shows a file only in part, and elsewhere than at an address of its own")
        if file.size > LARGEST_RAW:
            raise StoreRefused(why="a file there is larger than it can show")
        headers = self._headers() if origin(file.url) == self._own else {}
        body = self._expect(self._http.send("GET", file.url, headers=headers, most=file.size + 1), 200).body
        if len(body) != file.size or blob(body) != file.blob:
            raise Unreachable(why="it shows an older or another content than it lists")
        return body

    def _written(self, method: str, url: str, body: Any, most: int) -> Reply:
        try:
            return self._send(method, url, {}, body, most=most if most <= LARGEST_ECHO else OVERHEAD)
        except StoreRefused:
            raise Unconfirmed() from None

    def _at(self, gist: str) -> str:
        return f"{self.url}/gists/{gist}"

    def _headers(self) -> dict[str, str]:
        return {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self._token}",
            "X-GitHub-Api-Version": "2022-11-28",
        }

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: Any = None, *, most: int) -> Reply:
        packed = None if body is None else codec.dumps(body)
        kind = {} if body is None else {"Content-Type": "application/json"}
        return self._http.send(method, url, headers={**self._headers(), **kind, **headers}, body=packed, most=most)

    def _expect(self, reply: Reply, status: int) -> Reply:
        if reply.status != status:
            raise refusal(reply)
        return reply

    def _gist(self, reply: Reply, status: int = 200) -> Gist:
        return _gist(self._json(self._expect(reply, status), dict))

    def _json(self, reply: Reply, kind: type) -> Any:
        if reply.body.count(b",") > MOST_PARTS:
            raise StoreRefused(why=f"its answer has more than {MOST_PARTS:,} parts")
        with contextlib.suppress(BadJson):
            record = codec.loads(reply.body)
            if isinstance(record, kind):
                return record
        raise http.refusal(reply)


def origin(url: str) -> str:
    """Return scheme, host and port of *url*."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".lower()


def blob(content: bytes) -> str:
    """Return git's name for *content*."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _most(files: Mapping[str, str | None]) -> int:
    return 2 * sum(len(text or "") for text in files.values()) + OVERHEAD


# -- replies as values ------------------------------------------------------------------------------------------------


def _gist(record: Any) -> Gist:
    try:
        if not _ID.fullmatch(record["id"]):
            raise ValueError("id")
        files, contents = {}, {}
        for name, entry in ({} if record["files"] is None else record["files"]).items():
            size, url = entry["size"], entry["raw_url"]
            if type(size) is not int or size < 0 or not isinstance(url, str):
                raise TypeError("file")
            files[name] = GistFile(size, url)
            text = _content(entry, size)
            if text is not None:
                contents[name] = text
        words = (record["id"], record["description"] or "", record["created_at"], record["updated_at"])
        if not all(isinstance(word, str) for word in words):
            raise TypeError("words")
        return Gist(*words, record.get("truncated", False) is not False, files, contents)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise Unreachable(why="what answers there is not a Gist service", about="address") from None


def _content(entry: Mapping[str, Any], size: int) -> str | None:
    """Return a file's text if it came whole and as text; None stands for: it must be read raw."""
    text = entry.get("content")
    if not isinstance(text, str) or entry.get("truncated") is not False or entry.get("encoding", "utf-8") != "utf-8":
        return None
    return text if len(text.encode()) == size else None


# -- refusals ---------------------------------------------------------------------------------------------------------


def refusal(reply: Reply) -> StoreError:
    """Return what a reply of another status than the one that was hoped for means."""
    status = reply.status
    if reply.is_web_page:
        return http.refusal(reply)
    if status == 401:
        return AuthFailed(why="the token is not valid")
    if status in (403, 429):
        wait = _wait(reply)
        if status == 429 or wait is not None or _speaks_of_limits(reply.body):
            why = "too many requests" if wait is None else f"too many requests; it says for {wait:,.0f} s"
            return Throttled(why=why, retry_after=A_WHILE if wait is None else wait)
        if b'"block"' in reply.body:
            return StoreRefused(why="this gist is blocked")
        return AuthFailed(why="the token may not do this")
    if status == 404:
        return NoSuchGist()
    if status == 409:
        return Clash()
    if status == 422:
        return Rejected()
    return http.refusal(reply)


def _wait(reply: Reply) -> float | None:
    """Return how many seconds the service asks to wait, by its own clock, or None if it does not say."""
    after = reply.retry_after()
    reset = reply.headers.get("x-ratelimit-reset", "")
    if after is None and reply.headers.get("x-ratelimit-remaining") == "0" and reset.isdecimal():
        return max(1.0, float(reset[:12]) - reply.now)
    return after


def _speaks_of_limits(body: bytes) -> bool:
    try:
        record = codec.loads(body)
    except BadJson:
        return False
    said = str(record.get("message", "")).lower() if isinstance(record, dict) else ""
    return "rate limit" in said or "abuse" in said
