"""Which memories: the filter that lists, exports and screens share, and the words in which a person says it.

    cat:network device:pixel since:7d until:2025-06-28 tag:lan -tag:old kind:task status:inbox is:conflict words
    "a phrase"

All conditions must hold; a minus before one means that it must not. `cat:""` is having none. A value with a space in
it, and a word with a colon, stand in double quotes; within those a backslash takes the next character as it is. Words
go to the search.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from ghostie import codec, files
from ghostie.crypto.sealing import Keys, Purpose, SealError, seal, unseal
from ghostie.errors import BadFilter, BadJson, Damaged, NotPlain, UsageError
from ghostie.memory import STATUSES, millis, read_time
from ghostie.paths import Layout
from ghostie.vault.row import Entry, shown_row

if TYPE_CHECKING:
    from ghostie.vault.vault import Vault

EARLIEST = -62_135_596_800_000  # the year 1: no record says an earlier time
_SPAN = re.compile(r"(\d{1,12})\s*(min|h|d|w|mo|y)")
_UNITS = {"min": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "mo": 30 * 86_400, "y": 365 * 86_400}

# what a condition is called, the filter's name for it, the row's, and the value that a row leaves out
_FIELDS: Final = {
    "cat": ("category", "category", ""),
    "device": ("device", "device_id", ""),
    "kind": ("kind", "kind", "memory"),
    "status": ("status", "status", "active"),
    "repo": ("repo", "repo", ""),
}
_IS: Final = ("conflict", "deleted", "local")
KEYS: Final = (*_FIELDS, "tag", "since", "until", "is")
_ALIASES: Final = {"category": "cat"}
_KEY = re.compile(r"(-?)([A-Za-z]+):")


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that all must hold; None or empty means any. Times are Unix milliseconds.

    *excluded* are pairs of a condition's key (`cat`, `tag`, …) and a value that must not be there; "" is having none.
    """

    category: str | None = None
    tags: tuple[str, ...] = ()
    kind: str | None = None
    status: str | None = None
    device: str | None = None
    since: int | None = None
    until: int | None = None
    deleted: bool = False
    repo: str | None = None
    conflict: bool | None = None
    local: bool | None = None
    excluded: tuple[tuple[str, str], ...] = ()

    def test(self) -> Callable[[Mapping[str, Any]], bool]:
        """Return the predicate over the index's documents."""
        conditions = [(row, default, getattr(self, name)) for name, row, default in _FIELDS.values()]
        wanted = [condition for condition in conditions if condition[2] is not None]
        unwanted = [(*_FIELDS[key][1:], value) for key, value in self.excluded if key != "tag"]
        untagged = {value for key, value in self.excluded if key == "tag"}
        tags, since, until, deleted = set(self.tags), self.since, self.until, self.deleted
        conflict, local = self.conflict, self.local

        def holds(doc: Mapping[str, Any]) -> bool:
            row = shown_row(doc)
            if row.get("deleted", False) != deleted:
                return False
            for name, default, value in wanted:
                if row.get(name, default) != value:
                    return False
            for name, default, value in unwanted:
                if row.get(name, default) == value:
                    return False
            if tags and not tags.issubset(row.get("tags") or ("",)):
                return False
            if untagged and not untagged.isdisjoint(row.get("tags") or ("",)):
                return False
            if conflict is not None and (len(doc["heads"]) > 1) != conflict:
                return False
            if local is not None and (row.get("privacy") == "local") != local:
                return False
            if since is not None or until is not None:
                at: int = row["timestamp"] if "timestamp" in row else row["modified"]
                return (since is None or at >= since) and (until is None or at < until)
            return True

        return holds


# -- as a person says it ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Term:
    """One condition: `key:value`, or with *negated* `-key:value`."""

    key: str
    value: str
    negated: bool = False

    def spelt(self) -> str:
        value = self.value
        if not value or value.startswith('"') or any(character.isspace() for character in value):
            value = _quoted(value)
        return f"{'-' if self.negated else ''}{self.key}:{value}"


@dataclass(frozen=True, slots=True)
class Query:
    """What a person asks for. Times stay as they were said: "7d" is seven days before it is asked.

    *words* are each a word or, in double quotes, a phrase, as the search takes them.
    """

    terms: tuple[Term, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def search(self) -> str:
        return " ".join(self.words)

    def spelt(self) -> str:
        """Return the text that `parse` makes this query of."""
        words = (_quoted(word[1:-1]) if word.startswith('"') else word for word in self.words)
        return " ".join([*(term.spelt() for term in self.terms), *words])

    def filter(self, now: int, base: Filter | None = None) -> Filter:
        """Return the conditions as of *now* (Unix ms), on top of *base*. Raises BadFilter if they clash."""
        made = base or Filter()
        for term in self.terms:
            made = _with(made, term, now)
        return made


def parse(text: str) -> Query:
    """Return what *text* asks for. Raises BadFilter."""
    terms: list[Term] = []
    words: list[str] = []
    for token in _tokens(text):
        if token.key is None:
            words.append(token.value)
        else:
            terms.append(_term(token))
    query = Query(tuple(terms), tuple(words))
    query.filter(0)  # whether its times are times, and nothing is said twice
    return query


@dataclass(frozen=True, slots=True)
class _Token:
    spelt: str
    key: str | None
    value: str
    negated: bool = False


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        start = at
        found = _KEY.match(text, at)
        if found:
            at = found.end()
        quoted = text[at : at + 1] == '"'
        value, at = _unquoted(text, start, at) if quoted else _bare(text, at)
        spelt = text[start:at]
        if found:
            if not value and not quoted:
                raise BadFilter(spelt, "says nothing after the colon", f'{found[2]}:"" is having none')
            yield _Token(spelt, found[2].lower(), value, found[1] == "-")
        elif quoted:
            value = value.replace('"', " ")  # it has no meaning within a phrase
            if value.strip():
                yield _Token(spelt, None, f'"{value}"')
        elif value.startswith("-") and len(value) > 1:
            raise BadFilter(
                spelt, "leaves out a word, which the search cannot", f'-tag:TAG leaves out a tag; "{value}" is a word'
            )
        else:
            yield _Token(spelt, None, value)


def _bare(text: str, at: int) -> tuple[str, int]:
    start = at
    while at < len(text) and not text[at].isspace():
        at += 1
    return text[start:at], at


def _unquoted(text: str, start: int, at: int) -> tuple[str, int]:
    """Return what the quotes that open at *at* hold, in a word from *start*, and where the text goes on."""
    kept = []
    at += 1
    while at < len(text) and text[at] != '"':
        at += text[at] == "\\" and at + 1 < len(text)
        kept.append(text[at])
        at += 1
    if at >= len(text):
        raise BadFilter(text[start:], "has no closing quote", 'a phrase stands in two: "like this"')
    at += 1
    if at < len(text) and not text[at].isspace():
        raise BadFilter(text[start : _bare(text, at)[1]], "goes on after its closing quote", "put a space there")
    return "".join(kept), at


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _term(token: _Token) -> Term:
    assert token.key is not None
    key = _ALIASES.get(token.key, token.key)
    if key not in KEYS:
        known = ", ".join(f"{key}:" for key in KEYS)
        raise BadFilter(token.spelt, "is no condition that there is", f"known are {known}; a word is put in quotes")
    value = token.value
    if key in ("status", "is"):
        value, values = value.lower(), _IS if key == "is" else STATUSES
        if value not in values:
            raise BadFilter(token.spelt, f"has none of the values of {key}:", f"they are {', '.join(values)}")
    if key in ("since", "until") and token.negated:
        other = "until" if key == "since" else "since"
        raise BadFilter(token.spelt, "cannot be turned round", f"say {other}:{value}")
    return Term(key, value, token.negated)


def _with(made: Filter, term: Term, now: int) -> Filter:
    key, value = term.key, term.value
    if term.negated and key != "is":
        return replace(made, excluded=(*made.excluded, (key, value)))
    if key == "tag":
        return replace(made, tags=(*made.tags, value))
    name = value if key == "is" else _FIELDS[key][0] if key in _FIELDS else key
    before = getattr(made, name)
    if before is not None and (name != "deleted" or before):
        raise BadFilter(term.spelt(), f"says {key}: a second time", "a memory has one; tag: alone may be repeated")
    said: Any = value
    if key == "is":
        said = not term.negated
    elif key in ("since", "until"):
        try:
            said = moment(value, now)
        except UsageError as error:
            raise BadFilter(term.spelt(), "names no time", error.way_out()) from None
    return replace(made, **{name: said})


def answer(
    vault: Vault, query: Query, limit: int | None = None, *, base: Filter | None = None, at: int | None = None
) -> list[Entry]:
    """Return the memories that *query* asks for: with words best first, else newest first. The index is loaded.

    *base* holds other conditions; *at* is a moment (Unix ms) whose vault is meant. Raises BadFilter.
    """
    wanted = query.filter(vault.clock() if at is None else at, base)
    if not query.words:
        return vault.select(wanted, limit, at=at)
    if at is not None:
        raise BadFilter(query.search, "is for the search, which knows the present only", "leave the words or the time")
    if wanted.deleted:
        # the full text of what was removed is not kept: its beginning is
        words = [word.strip('"*').casefold() for word in query.words]
        removed = vault.select(wanted)
        return [each for each in removed if all(word in each.excerpt.casefold() for word in words)][:limit]
    holds = wanted.test()
    hits = vault.search(query.search, len(vault.index))
    found = [entry for hit in hits if (entry := vault.index.get(hit.id)) is not None and holds(entry.doc)]
    return found[:limit]


def moment(text: str, now: int) -> int:
    """Return the Unix ms of *text*: "7d" (ago), "today", or ISO 8601, local without a zone. Raises UsageError."""
    if found := _SPAN.fullmatch(text.strip()):
        return max(now - int(found[1]) * _UNITS[found[2]] * 1000, EARLIEST)
    try:
        if text == "today":
            read = datetime.fromtimestamp(now / 1000).replace(hour=0, minute=0, second=0, microsecond=0)
        else:
            read = read_time(text)
        return millis(read.astimezone().isoformat())
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"{text[:40]!r} is not a time", "say it as 7d, 12h, 2025-06-28 or 2025-06-28T14:30") from None


# -- saved filters: up to nine under the digits, sealed, for they hold the person's words ------------------------------

DIGITS: Final = range(1, 10)
_PLACE: Final = (b"filters",)


def load_filters(vault: Vault) -> dict[int, str]:
    """Return the saved filters by their digit, as they are spelt. Raises Damaged or CannotRead."""
    try:
        kept = codec.loads(unseal(vault.keys, Purpose.FILTERS, _PLACE, files.read(vault.layout.filters)))
        return {int(digit): str(spelt) for digit, spelt in sorted(kept.items()) if int(digit) in DIGITS}
    except FileNotFoundError:
        return {}
    except (SealError, BadJson, NotPlain, ValueError, AttributeError):
        raise Damaged(what="filters.enc") from None


def save_filter(vault: Vault, digit: int, spelt: str | None) -> dict[int, str]:
    """Keep a filter under *digit*, or with None nothing; return all that are kept. What is damaged is replaced.

    Raises UsageError, BadFilter, VaultBusy, CannotRead or CannotWrite.
    """
    if digit not in DIGITS:
        raise UsageError("a saved filter has a number from 1 to 9")
    clean = parse(spelt).spelt() if spelt is not None else None
    with vault.writing():
        try:
            kept = load_filters(vault)
        except Damaged:
            kept = {}
        kept.pop(digit, None)
        if clean is not None:
            kept[digit] = clean
        kept = dict(sorted(kept.items()))
        files.write_durably(vault.layout.filters, _sealed(vault.keys, kept))
    return kept


def reseal_filters(layout: Layout, older: Keys, newer: Keys) -> None:
    """Seal the saved filters under the newest of *newer*; what does not open stays. The lock is held.

    Raises CannotRead or CannotWrite.
    """
    for keys in (older, newer):
        try:
            kept = codec.loads(unseal(keys, Purpose.FILTERS, _PLACE, files.read(layout.filters)))
        except (FileNotFoundError, NotPlain, SealError, BadJson):
            continue
        files.write_durably(layout.filters, _sealed(newer, kept))
        return


def _sealed(keys: Keys, kept: Mapping[int, str] | Mapping[str, str]) -> bytes:
    return seal(keys, Purpose.FILTERS, _PLACE, codec.dumps({str(digit): spelt for digit, spelt in kept.items()}))
