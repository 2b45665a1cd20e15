"""S3 as it speaks: how a request is signed, and the XML that it answers with.

AWS Signature Version 4, in the request's headers: what is signed is what is sent, byte for byte: a path as `spelt`
returns it, a query as `spelt_query` does. Replies are read strictly: no document type, no depth, no more than was asked
for. The standard library's parser expands what a document type defines; a reply that has one is refused before it does.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, unquote
from xml.parsers import expat

from ghostie.backends.store import ObjectInfo

ALGORITHM: Final = "AWS4-HMAC-SHA256"
UNRESERVED: Final = "-_.~"
DEEPEST: Final = 8
ROWS: Final = 1000
MOST_ELEMENTS: Final = 32 * ROWS

_WORD = re.compile(r"[A-Za-z0-9._-]{1,64}")

Pairs = Sequence[tuple[str, str]]


# -- a signature -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who signs. Nothing of it is ever shown."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a signature holds for: a moment (Unix time), a region and a service."""

    moment: float
    region: str
    service: str = "s3"

    @property
    def stamp(self) -> str:
        return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self.moment))

    def __str__(self) -> str:
        return f"{self.stamp[:8]}/{self.region}/{self.service}/aws4_request"


def spelt(path: str) -> str:
    """Return *path* as it is sent and signed: all but unreserved characters and slashes as UTF-8 in percent."""
    return quote(path, safe="/" + UNRESERVED)


def spelt_query(query: Iterable[tuple[str, str]]) -> str:
    """Return *query* as it is sent and signed: in order, all but unreserved characters in percent."""
    pairs = sorted((quote(name, safe=UNRESERVED), quote(value, safe=UNRESERVED)) for name, value in query)
    return "&".join(f"{name}={value}" for name, value in pairs)


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def canonical(method: str, path: str, query: str, headers: Pairs, payload: str) -> tuple[str, str]:
    """Return the request in the form that is signed, and the names of the headers that it covers.

    *path* and *query* are spelt already; *payload* is the body's digest; *headers* may repeat a name.
    """
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(" ".join(value.split()))
    names = ";".join(sorted(values))
    lines = [f"{name}:{','.join(values[name])}" for name in sorted(values)]
    return "\n".join([method, path, query, *lines, "", names, payload]), names


def to_sign(request: str, scope: Scope) -> str:
    """Return the text whose MAC is the signature of the canonical *request*."""
    return "\n".join([ALGORITHM, scope.stamp, str(scope), digest(request.encode())])


def signature(text: str, secret_key: str, scope: Scope) -> str:
    mac = f"AWS4{secret_key}".encode()
    for part in (*str(scope).split("/"), text):
        mac = hmac.digest(mac, part.encode(), "sha256")
    return mac.hex()


def authorization(
    method: str, path: str, query: str, headers: Pairs, payload: str, credentials: Credentials, scope: Scope
) -> str:
    """Return the value of the header `Authorization` for a request that is sent with *headers*, and signs them all."""
    request, names = canonical(method, path, query, headers, payload)
    proof = signature(to_sign(request, scope), credentials.secret_key, scope)
    return f"{ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={names}, Signature={proof}"


# -- an answer -------------------------------------------------------------------------------------------------------


class BadReply(ValueError):
    """A reply that is not what such a store answers; says why."""


@dataclass(slots=True)
class Element:
    """An element: its name without a namespace, the text in it, and the elements in it."""

    name: str
    text: str = ""
    inner: list[Element] = field(default_factory=list)

    def find(self, name: str) -> str | None:
        """Return the text of the first element *name* in it, or None."""
        return next((each.text for each in self.inner if each.name == name), None)

    def all(self, name: str) -> Iterator[Element]:
        return (each for each in self.inner if each.name == name)


def parse(body: bytes) -> Element:
    """Return the outermost element of *body*. Raises BadReply."""
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise BadReply("it is not UTF-8")  # expat would follow the mark, whatever encoding it is told
    parser = expat.ParserCreate("utf-8", None)
    top = Element("")
    open_: list[Element] = [top]
    texts: list[list[str]] = [[]]
    count = 0

    def refuse(*_: object) -> None:
        raise BadReply("it has a document type")

    def start(name: str, _: object) -> None:
        nonlocal count
        count += 1
        if len(open_) > DEEPEST or count > MOST_ELEMENTS:
            raise BadReply("it has too many elements, or too deep ones")
        element = Element(name.rpartition(":")[2])
        open_[-1].inner.append(element)
        open_.append(element)
        texts.append([])

    def text(piece: str) -> None:
        texts[-1].append(piece)

    def end(_: str) -> None:
        open_.pop().text = "".join(texts.pop())

    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    try:
        parser.Parse(body, True)
    except expat.ExpatError:
        raise BadReply("it is not XML") from None
    return top.inner[0]


# -- a complaint ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fault:
    """What an error reply says: its code, the region that it names, and the server's clock (Unix time)."""

    code: str = ""
    region: str = ""
    time: float | None = None
    message: str = field(default="", repr=False)


def fault(body: bytes) -> Fault | None:
    """Return what the error reply *body* says, or None if it is none of S3's."""
    try:
        element = parse(body)
    except BadReply:
        return None
    if element.name == "ErrorResponse":  # as other services of the same house say it
        element = next(element.all("Error"), element)
    code = element.find("Code") or ""
    if element.name != "Error" or not _WORD.fullmatch(code):
        return None
    region = element.find("Region") or ""
    try:
        moment = datetime.fromisoformat(element.find("ServerTime") or "")
        theirs = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        theirs = None
    message = (element.find("Message") or "")[:500]
    return Fault(code, region if _WORD.fullmatch(region) else "", theirs, message)


# -- a listing --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a listing, and the token under which the next one can be had, or None after the last."""

    rows: tuple[ObjectInfo, ...]
    next: str | None


def page(body: bytes, bucket: str, prefix: str) -> Page:
    """Return the page of *bucket*'s objects below *prefix* that *body* spells. Raises BadReply if it is another."""
    listing = parse(body)
    if listing.name != "ListBucketResult":
        raise BadReply("it is no listing")
    if listing.find("Name") not in (None, "", bucket):
        raise BadReply("it lists another bucket")
    url = listing.find("EncodingType") == "url"
    rows = tuple(_row(each, url) for each in listing.all("Contents"))
    if len(rows) > ROWS:
        raise BadReply("it lists more than was asked for")
    if any(not row.key.startswith(prefix) for row in rows):
        raise BadReply("it lists what was not asked for")
    truncated = listing.find("IsTruncated")
    count = listing.find("KeyCount")
    if truncated not in ("true", "false") or (count or str(len(rows))) != str(len(rows)):
        raise BadReply("its listing is cut")
    if truncated == "false":
        return Page(rows, None)
    token = listing.find("NextContinuationToken")
    if not token:
        raise BadReply("its listing ends early and does not say where it goes on")
    return Page(rows, token)


def _row(element: Element, url: bool) -> ObjectInfo:
    key, size = element.find("Key"), element.find("Size") or ""
    if key is None or not (size.isascii() and size.isdigit() and len(size) < 16):
        raise BadReply("a row of its listing is not whole")
    tag = (element.find("ETag") or "").strip('"') or (element.find("LastModified") or "")
    return ObjectInfo(unquote(key) if url else key, int(size), tag)
