"""The XML that S3 answers with, read strictly: no document type, no depth, no more than was asked for.

The standard library's parser expands what a document type defines; a reply that has one is refused before it does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import unquote
from xml.parsers import expat

from ghostie.backends.store import ObjectInfo

DEEPEST: Final = 8
ROWS: Final = 1000
MOST_ELEMENTS: Final = 32 * ROWS

_WORD = re.compile(r"[A-Za-z0-9._-]{1,64}")


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
        time = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        time = None
    message = (element.find("Message") or "")[:500]
    return Fault(code, region if _WORD.fullmatch(region) else "", time, message)


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
