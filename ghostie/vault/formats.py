"""The formats that memories are read from: ghostie's own records, JSON, JSON lines, Markdown, an agent's JSON file.

A reader yields records as they stand, or says why there is none.
"""

from __future__ import annotations

import codecs
import contextlib
import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from ghostie import codec, files
from ghostie.errors import BadJson, BadMemory, CannotRead, UsageError
from ghostie.memory import FIELDS, Record

SUFFIXES: Final = (".json", ".jsonl", ".ndjson", ".md", ".markdown")
MAX_FILE: Final = 1 << 30
MAX_RECORD: Final = 16 << 20  # bytes or characters of one line, one element of an array, or a file that is one record
READ_SIZE: Final = 1 << 19
MOST_PARTS: Final = 800_000  # of one record: each takes some hundred bytes of memory
TEXT_KEYS: Final = (
    "content",
    "text",
    "memory",
    "fact",
    "observation",
    "note",
    "summary",
    "value",
    "body",
    "description",
)
KNOWN: Final = frozenset({*FIELDS, "id", "sync_metadata"})


@dataclass(frozen=True, slots=True)
class Found:
    """One record as it was read, or why there is none."""

    path: Path
    line: int | None
    record: Record | None = None
    problem: str | None = None

    def place(self) -> str:
        return f"{self.path}:{self.line}" if self.line is not None else str(self.path)


# -- reading files ---------------------------------------------------------------------------------------------------


def read_paths(paths: Iterable[Path]) -> Iterator[Found]:
    """Yield every record below *paths*, in a fixed order. Raises UsageError for an absent one or another suffix."""
    for path in paths:
        if path.is_dir():
            for below in sorted(_files_below(path)):
                yield from _read_file(below)
        elif not path.exists():
            raise UsageError(f"there is no file or folder {path}")
        elif suffix(path) not in SUFFIXES:
            raise UsageError(
                f"{path} has no suffix that tells what it is", f"known are {', '.join(SUFFIXES)}, and .gz of these"
            )
        else:
            yield from _read_file(path)


def _files_below(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and suffix(path) in SUFFIXES and path.is_file() and not path.is_symlink():
            yield path


def suffix(path: Path) -> str:
    """Return the suffix that tells what a file is, `.gz` left out."""
    return (Path(path.stem) if path.suffix.lower() == ".gz" else path).suffix.lower()


def _read_file(path: Path) -> Iterator[Found]:
    try:
        with files.opened_named(path) as raw, _unpacked(path, raw) as source:
            if suffix(path) in (".jsonl", ".ndjson"):
                yield from _json_lines(path, source)
            elif suffix(path) == ".json":
                yield from _json(path, _Text(source))
            else:
                yield _markdown(path, _Text(source).whole())
    except CannotRead as error:
        yield Found(path, None, problem=str(error.facts["why"]))
    except BadJson as error:
        yield Found(path, None, problem=str(error))
    except UnicodeDecodeError:
        yield Found(path, None, problem="it is not UTF-8 text")
    except (EOFError, zlib.error, gzip.BadGzipFile):
        yield Found(path, None, problem="it is not whole gzip data")
    except OSError as error:
        yield Found(path, None, problem=(error.strerror or str(error)).lower())


def _unpacked(path: Path, raw: BinaryIO) -> contextlib.AbstractContextManager[BinaryIO]:
    if path.suffix.lower() != ".gz":
        return contextlib.nullcontext(raw)
    return cast("contextlib.AbstractContextManager[BinaryIO]", gzip.GzipFile(fileobj=raw))


def _checked(record: str | bytes) -> str | bytes:
    """Return *record*, the text of one, unless reading it would take more memory than a phone has. Raises BadJson."""
    if len(record) > MAX_RECORD:
        raise BadJson(why=f"a record is longer than {MAX_RECORD >> 20} MiB")
    if _marks(record) > MOST_PARTS and _marks(_STRINGS.sub("", _text(record))) > MOST_PARTS:
        raise BadJson(why=f"a record has more than {MOST_PARTS:,} parts")
    return record


_STRINGS = re.compile(r'(?s)"(?:[^"\\]++|\\.)*+"?')  # the last one may be cut


def _marks(record: str | bytes) -> int:
    """Return how many parts *record* has at the most: what its strings hold is counted, too."""
    if len(record) <= MOST_PARTS:
        return 0
    if isinstance(record, bytes):
        return sum(map(record.count, (b",", b"[", b"{")))
    return sum(map(record.count, (",", "[", "{")))


def _text(record: str | bytes) -> str:
    return record if isinstance(record, str) else record.decode("latin-1")


def _json_lines(path: Path, source: BinaryIO) -> Iterator[Found]:
    number = total = 0
    last, found = b"", None
    while line := source.readline(MAX_RECORD + 2):
        number += 1
        total += len(line)
        if len(line) > MAX_RECORD + 1:
            yield Found(path, number, problem=f"the line is longer than {MAX_RECORD >> 20} MiB")
            while line and not line.endswith(b"\n"):
                line = source.readline(1 << 20)
                total += len(line)
        elif found is not None and line == last:
            yield replace(found, line=number)  # what says the same is read once
        elif line.strip():
            last, found = line, _line(path, number, line)
            yield found
        if total > MAX_FILE:
            yield Found(path, number, problem=f"it is longer than {MAX_FILE >> 30} GiB; the rest was not read")
            return


def _line(path: Path, number: int, line: bytes) -> Found:
    try:
        return _found(path, number, codec.loads(_checked(line.rstrip(b"\n"))))
    except BadJson as error:
        return Found(path, number, problem=str(error))


class _Text:
    """The text of a file, read as it is needed: *held* from *place* on is what is not used yet."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._total = 0
        self.ended = False
        self.held = ""
        self.place = 0
        self._line = 1
        self._counted = 0  # up to where lines are

    def more(self, size: int) -> bool:
        """Read about *size* bytes more; return whether there were any. Raises UnicodeDecodeError or CannotRead."""
        if self.ended:
            return False
        raw = files.up_to(self._source.read, size)
        self._total += len(raw)
        if self._total > MAX_FILE:
            raise CannotRead(path="", why=f"it is longer than {MAX_FILE >> 30} GiB")
        self.ended = not raw
        self.lineno()
        self._counted = 0
        self.held = self.held[self.place :] + self._decoder.decode(raw, final=self.ended)
        self.place = 0
        return not self.ended

    def whole(self) -> str:
        """Return all of it. Raises CannotRead where that is too much for one text."""
        while len(self.held) <= MAX_RECORD:
            if not self.more(READ_SIZE):
                return self.held
        raise CannotRead(path="", why=f"it is longer than {MAX_RECORD >> 20} MiB: only JSON lines and arrays may be")

    def after_gap(self) -> str:
        """Go to the next character that is no white space, and return it; nothing at the end."""
        while True:
            found = _GAP.match(self.held, self.place)
            assert found is not None
            self.place = found.end()
            if self.place < len(self.held) or not self.more(READ_SIZE):
                return self.held[self.place : self.place + 1]

    def lineno(self) -> int:
        """Return the number of the line that *place* is in."""
        self._line += self.held.count("\n", self._counted, self.place)
        self._counted = self.place
        return self._line


def _json(path: Path, text: _Text) -> Iterator[Found]:
    if text.after_gap() == "[":
        text.place += 1
        yield from _array(path, text)
        return
    whole = "\n" * (text.lineno() - 1) + text.whole()[text.place :]
    try:
        value = codec.loads(_checked(whole))
    except BadJson as error:
        yield Found(path, _line_of_fault(whole), problem=str(error))
        return
    if isinstance(value, dict) and "content" not in value and not _is_ours(value):
        yield from _agent_file(path, value)
    else:
        yield _found(path, 1, value)


_DECODER = json.JSONDecoder()
_GAP = re.compile(r"[ \t\r\n]*")


def _array(path: Path, text: _Text) -> Iterator[Found]:
    """Yield the elements of a JSON array, each with its line, up to the first fault."""
    expects_more = False
    last, found = "", None
    while True:
        first = text.after_gap()
        line = text.lineno()
        if first == "]" and not expects_more:
            text.place += 1
            if text.after_gap():
                yield Found(path, line, problem="not valid JSON: something follows the array")
            return
        try:
            spelt = _element(text)
        except BadJson as error:
            yield Found(path, line, problem=f"{error}; the rest of the file was not read")
            return
        if found is not None and spelt == last:
            found = replace(found, line=line)  # what says the same is read once
        else:
            try:
                last, found = spelt, _found(path, line, codec.loads(spelt))
            except BadJson as error:
                last, found = spelt, Found(path, line, problem=str(error))
        yield found
        after = text.after_gap()
        expects_more = after == ","
        if expects_more:
            text.place += 1
        elif after != "]":
            yield Found(
                path, text.lineno(), problem="not valid JSON: the array is cut; the rest of the file was not read"
            )
            return


def _element(text: _Text) -> str:
    """Return the spelling of the element that begins here, and go behind it. Raises BadJson."""
    while True:
        fault = "nested too deeply"
        try:
            if len(text.held) - text.place > MOST_PARTS:  # it takes more than one reading
                _checked(text.held[text.place : text.place + MAX_RECORD])
            _, end = _DECODER.raw_decode(text.held, text.place)
            if end < len(text.held) or text.ended:  # a number may go on in what was not read yet
                spelt = text.held[text.place : end]
                _checked(spelt)
                text.place = end
                return spelt
        except json.JSONDecodeError as error:
            fault = error.msg
        except (ValueError, RecursionError):
            raise BadJson(why=fault) from None
        held = len(text.held) - text.place
        if held > MAX_RECORD:
            raise BadJson(why=f"a record is longer than {MAX_RECORD >> 20} MiB, or: {fault}")
        if text.ended or not text.more(max(READ_SIZE, held)):
            raise BadJson(why=fault)


def _line_of_fault(text: str) -> int | None:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return error.lineno
    except (ValueError, RecursionError):
        pass
    return None


# -- telling records apart -------------------------------------------------------------------------------------------


def _is_ours(value: Mapping[str, Any]) -> bool:
    return "sync_metadata" in value or ("timestamp" in value and "category" in value)


def _found(path: Path, line: int | None, value: object) -> Found:
    try:
        return Found(path, line, _record(value))
    except BadMemory as error:
        return Found(path, line, problem=str(error.facts["why"]))


def _record(value: object) -> Record:
    """Return the record that *value* stands for. Raises BadMemory."""
    if isinstance(value, str):
        value = {"content": value}
    if not isinstance(value, dict):
        raise BadMemory(why="it is neither an object nor text")
    if _is_ours(value) and "content" not in value:
        raise BadMemory(why="content is missing")
    text_key = next((key for key in TEXT_KEYS if isinstance(value.get(key), str)), None)
    if "content" in value:
        text_key = "content"  # ours: whatever else it has, its content is what it says
    content = value[text_key] if text_key else _title(value)
    if not isinstance(content, str):
        raise BadMemory(why="content is not text")
    if not content.strip():
        raise BadMemory(why="content is empty")
    if "sync_metadata" in value:
        return value
    record = {name: item for name, item in value.items() if name in KNOWN}
    others = {name: item for name, item in value.items() if name not in KNOWN and name != text_key}
    if others:
        context = record.get("context", {})
        if not isinstance(context, dict):
            raise BadMemory(why="context is not an object")
        record["context"] = {**others, **context}
    record["content"] = content
    return record


def _title(value: Mapping[str, Any]) -> str:
    """Return a line that names an object without any text."""
    for key in ("title", "name", "key", "subject", "id"):
        if isinstance(value.get(key), str) and value[key].strip():
            return str(value[key])
    return ", ".join(sorted(value))[:200] or "(an empty object)"


def _agent_file(path: Path, value: Mapping[str, Any]) -> Iterator[Found]:
    """Yield an agent's single-file memory: a record for each entry of its lists, one for all the rest."""
    rest: Record = {}
    for key, items in value.items():
        if not (isinstance(items, list) and items and all(_tells(item) for item in items)):
            rest[key] = items
            continue
        for item in items:
            found = _found(path, None, item)
            if found.record is not None and key.isprintable() and 0 < len(key) <= 40:
                found.record.setdefault("category", key)
            yield found
    if rest:
        content = f"{', '.join(rest)} (from {path.name})"
        yield Found(
            path, None, {"content": content[:1000], "context": rest, "source": {"tool": "file", "entry": path.name}}
        )


def _tells(item: object) -> bool:
    """Tell whether an element of a list stands for a memory of its own."""
    return isinstance(item, str) or (
        isinstance(item, dict) and any(isinstance(item.get(key), str) for key in TEXT_KEYS)
    )


# -- Markdown --------------------------------------------------------------------------------------------------------

_FRONT = re.compile(r"---[ \t]*\n(.*?)\n---[ \t]*(?:\n|$)", re.DOTALL)
_PAIR = re.compile(r"([A-Za-z][\w -]*):[ \t]*(.*)")


def _markdown(path: Path, text: str) -> Found:
    """Return the one memory that a Markdown file is."""
    text = text.replace("\r\n", "\n")
    front = _FRONT.match(text)
    body = text[front.end() :] if front else text
    record: Record = {"content": body.strip("\n"), "source": {"tool": "markdown", "entry": path.name}}
    pairs = _front_matter(front[1]) if front else {}
    if pairs is None:
        record["context"] = {"front_matter": front[1] if front else ""}
    else:
        for name, value in pairs.items():
            words = name.lower().strip()
            if words == "tags":
                record["tags"] = (
                    value if isinstance(value, list) else [tag.strip() for tag in value.split(",") if tag.strip()]
                )
            elif words in ("category", "kind", "device_id", "timestamp", "status") and isinstance(value, str) and value:
                record[words] = value
            else:
                record.setdefault("context", {})[name] = value
                if words in ("date", "created") and isinstance(value, str):
                    record.setdefault("timestamp", value)
    if not record["content"].strip():
        title = (pairs or {}).get("title")
        if not isinstance(title, str) or not title:
            return Found(path, 1, problem="content is empty")
        record["content"] = title
    return Found(path, 1, record)


def _front_matter(text: str) -> dict[str, Any] | None:
    """Return the pairs and lists that front matter holds, or None if it holds anything else."""
    pairs: dict[str, Any] = {}
    name = None
    for line in text.split("\n"):
        item = re.fullmatch(r"\s*-[ \t]+(.*)", line)
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if item and name and isinstance(pairs[name] or [], list):
            pairs[name] = [*pairs[name], _unquoted(item[1])]
            continue
        pair = _PAIR.fullmatch(line)
        if pair is None:
            return None
        name, value = pair[1].strip(), pair[2].strip()
        if value.startswith("[") and value.endswith("]"):
            pairs[name] = [_unquoted(each) for each in value[1:-1].split(",") if each.strip()]
        else:
            pairs[name] = _unquoted(value)
    return pairs


def _unquoted(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text
