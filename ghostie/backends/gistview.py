"""What is known of one vault's gists: the listing, page by page, and where more is known than it shows.

A listing may lag behind what was written, leave out a gist that was just made, show one in part, or move while its
pages are read. None of that is ever taken for absence.
"""

from __future__ import annotations

import contextlib
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from ghostie import codec
from ghostie.backends.gistapi import MOST_PAGES, OVERHEAD, Gist, GistApi, GistFile, NoSuchGist, Page
from ghostie.errors import BadJson, StoreRefused, Unreachable

FORMAT: Final = 1
FILES_LISTED: Final = 300
PASSES: Final = 4
PAUSES: Final = (1.0, 2.0, 4.0)
JUST_MADE: Final = 120.0

_OWNER = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}|\+")


@dataclass(frozen=True, slots=True)
class Time:
    """Seconds that go by and the waiting for them; *chance* gives 0 to 1."""

    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random

    def tries(self) -> Iterator[None]:
        """Give a few tries, with a wait before each but the first: two devices that met shall not meet again."""
        yield
        for seconds in PAUSES:
            self.sleep(seconds * (1 + self.chance() / 2))
            yield


class GistView:
    """The gists whose description is *words* and then an owner."""

    def __init__(self, api: GistApi, words: str, time: Time) -> None:
        self._api = api
        self._words = words
        self._time = time
        self._pages: list[Page] = []
        self._known: dict[str, Gist] = {}  # as the pages show them, save where more is known
        self._made: dict[str, float] = {}
        self._listed_at: float | None = None

    # -- what is known -----------------------------------------------------------------------------------------------

    def gists(self) -> list[Gist]:
        """Return all gists, the oldest first."""
        return sorted(self._known.values(), key=lambda gist: (gist.created, gist.id))

    def of(self, owner: str) -> list[Gist]:
        """Return *owner*'s gists, the oldest first: one, unless the reply to its making was lost."""
        return [gist for gist in self.gists() if gist.description == self._words + owner]

    def find(self, owner: str, name: str) -> Gist | None:
        return next((gist for gist in self.of(owner) if name in gist.files), None)

    def owner(self, gist: Gist) -> str:
        return gist.description[len(self._words) :]

    def is_younger_than(self, seconds: float) -> bool:
        """Tell whether the listing was asked for so recently, and nothing went wrong since."""
        return self._listed_at is not None and self._time.clock() - self._listed_at <= seconds

    def is_new(self, gist: str) -> bool:
        """Tell whether this store made the gist a moment ago: then it may not be everywhere yet."""
        return gist in self._made and self._time.clock() - self._made[gist] < JUST_MADE

    # -- what becomes known ------------------------------------------------------------------------------------------

    def note(self, gist: Gist, *, made: bool = False) -> Gist:
        """Take in what the service said of a gist when it was written: no later listing may fall behind it."""
        kept = replace(gist, contents={})
        self._known[gist.id] = kept
        if made:
            self._made[gist.id] = self._time.clock()
        return kept

    def doubt(self) -> None:
        """Look again before the next step: something went wrong in the middle of one."""
        self._listed_at = None

    def refresh(self) -> None:
        """Ask for the listing; what it leaves out, or shows older or shorter than it is, is asked for by itself."""
        self._listed_at = None
        before = self._listed().keys()
        for _ in range(PASSES):
            if not self._turn_pages() or len(self._pages) == 1:
                break  # of several pages one pass may miss what moves from one to the other: it counts if nothing did
        else:
            raise Unreachable(why="its listing changes while it is read")
        listed = self._listed()
        shown: list[Gist | None] = [
            gist
            if gist is not None and not _is_doubtful(gist, self._known.get(name))
            else self._look_at(name, listed=gist, was_listed=name in before)
            for name, gist in ((name, listed.get(name)) for name in sorted(self._known.keys() | listed.keys()))
        ]
        self._known = {gist.id: gist for gist in shown if gist is not None}
        self._listed_at = self._time.clock()

    def _listed(self) -> dict[str, Gist]:
        return {gist.id: gist for page in self._pages for gist in page.gists}

    def _turn_pages(self) -> bool:
        """Ask for every page; return whether any has changed."""
        changed, number = False, 0
        while number == 0 or self._pages[number - 1].more:
            if number >= MOST_PAGES:
                raise StoreRefused(why="the account has too many gists to find ours among them")
            known = self._pages[number] if number < len(self._pages) else None
            page = self._api.page(number + 1, known, self._is_ours)
            changed = changed or page is not known
            self._pages[number : number + 1] = [page]
            number += 1
        del self._pages[number:]
        return changed

    def _look_at(self, name: str, *, listed: Gist | None, was_listed: bool) -> Gist | None:
        """Read one gist by itself; None if it is gone. What lags is given some time to catch up."""
        known, found = self._known.get(name), None
        most = 2 * max(gist.inline for gist in (known, listed) if gist is not None) + 4 * OVERHEAD
        for _ in self._time.tries():
            try:
                found = replace(self._api.read(name, most), contents={})
            except NoSuchGist:
                if listed is not None:
                    raise Unreachable(why="it lists a gist that it says is not there") from None
                if not self.is_new(name):
                    return None  # somebody deleted it
            else:
                if found.truncated:
                    raise StoreRefused(why=f"a gist there has more than the {FILES_LISTED} files that it shows")
                if known is None or found.updated >= known.updated:
                    return found
        if found is None and not was_listed:
            raise Unreachable(why="a gist that was just made is not there yet")
        return found  # older than it was, and the service stands by it: what to think of that is for others to say

    def _is_ours(self, description: object) -> bool:
        return (
            isinstance(description, str)
            and description.startswith(self._words)
            and _OWNER.fullmatch(description[len(self._words) :]) is not None
        )

    # -- what is kept between runs -----------------------------------------------------------------------------------

    def state(self) -> bytes:
        pages = [
            {"etag": page.etag, "more": page.more, "gists": [_spelt(gist) for gist in page.gists]}
            for page in self._pages
        ]
        listed = self._listed()
        newer = [_spelt(gist) for gist in self._known.values() if listed.get(gist.id) != gist]
        return codec.dumps({"format": FORMAT, "at": [self._api.url, self._words], "pages": pages, "newer": newer})

    def restore(self, state: bytes) -> None:
        with contextlib.suppress(BadJson, KeyError, TypeError, ValueError, AttributeError):
            record = codec.loads(state)
            if record["format"] != FORMAT or record["at"] != [self._api.url, self._words]:
                return
            pages = [
                Page(str(page["etag"]), bool(page["more"]), tuple(_read(gist) for gist in page["gists"]))
                for page in record["pages"]
            ]
            newer = {gist.id: gist for gist in map(_read, record["newer"])}
            self._pages, self._listed_at = pages, None
            self._known = {**self._listed(), **newer}


def _is_doubtful(listed: Gist, known: Gist | None) -> bool:
    """Tell whether *listed* may be shorter than the gist is, or older than what is *known*, in whole seconds."""
    if listed.truncated or not listed.files:
        return True
    if known is None or listed.updated != known.updated:
        return known is not None and listed.updated < known.updated
    return {name: file.tag for name, file in listed.files.items()} != {
        name: file.tag for name, file in known.files.items()
    }


def _spelt(gist: Gist) -> dict[str, Any]:
    return {
        "id": gist.id,
        "description": gist.description,
        "created": gist.created,
        "updated": gist.updated,
        "truncated": gist.truncated,
        "files": {name: [file.size, file.url] for name, file in gist.files.items()},
    }


def _read(record: Mapping[str, Any]) -> Gist:
    return Gist(
        id=str(record["id"]),
        description=str(record["description"]),
        created=str(record["created"]),
        updated=str(record["updated"]),
        truncated=bool(record["truncated"]),
        files={name: GistFile(int(size), str(url)) for name, (size, url) in record["files"].items()},
    )
