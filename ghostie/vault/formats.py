"""The formats that memories are read from: ghostie's own records, JSON, JSON lines, Markdown, an agent's JSON file.

A reader yields records as they stand, or says why there is none.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ghostie import codec, files
from ghostie.errors import BadJson, BadMemory, CannotRead, UsageError
from ghostie.memory import FIELDS, Record

SUFFIXES: Final = (".json", ".jsonl", ".ndjson", ".md", ".markdown")
MAX_FILE: Final = 1 << 30
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
        raw = files.read_named(path, MAX_FILE)
        if path.suffix.lower() == ".gz":
            raw = _gunzipped(path, raw)
    except CannotRead as error:
        yield Found(path, None, problem=str(error.facts["why"]))
        return
    if suffix(path) in (".jsonl", ".ndjson"):
        yield from _json_lines(path, raw)
        return
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        yield Found(path, None, problem="it is not UTF-8 text")
        return
    if suffix(path) == ".json":
        yield from _json(path, text)
    else:
        yield _markdown(path, text)


def _gunzipped(path: Path, raw: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as packed:
            content = files.up_to(packed.read, MAX_FILE + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise CannotRead(path=path, why="it is not whole gzip data") from error
    if len(content) > MAX_FILE:
        raise CannotRead(path=path, why="it is too large")
    return content


def _json_lines(path: Path, raw: bytes) -> Iterator[Found]:
    for number, line in enumerate(raw.split(b"\n"), 1):
        if line.strip():
            try:
                yield _found(path, number, codec.loads(line))
            except BadJson as error:
                yield Found(path, number, problem=str(error))


def _json(path: Path, text: str) -> Iterator[Found]:
    start = len(text) - len(text.lstrip())
    if text[start : start + 1] == "[":
        yield from _array(path, text, start + 1)
        return
    try:
        value = codec.loads(text)
    except BadJson as error:
        yield Found(path, _line_of_fault(text), problem=str(error))
        return
    if isinstance(value, dict) and "content" not in value and not _is_ours(value):
        yield from _agent_file(path, value)
    else:
        yield _found(path, 1, value)


_DECODER = json.JSONDecoder()
_GAP = re.compile(r"[ \t\r\n]*")


def _array(path: Path, text: str, place: int) -> Iterator[Found]:
    """Yield the elements of a JSON array, each with its line, up to the first fault."""
    line, counted = 1, 0
    expects_more = False
    while True:
        place = _after_gap(text, place)
        line, counted = line + text.count("\n", counted, place), place
        if text[place : place + 1] == "]" and not expects_more:
            if _after_gap(text, place + 1) != len(text):
                yield Found(path, line, problem="not valid JSON: something follows the array")
            return
        try:
            _, end = _DECODER.raw_decode(text, place)
            value = codec.loads(text[place:end])
        except (ValueError, RecursionError) as error:
            why = getattr(error, "msg", "nested too deeply")
            yield Found(path, line, problem=f"not valid JSON: {why}; the rest of the file was not read")
            return
        except BadJson as error:
            yield Found(path, line, problem=str(error))
        else:
            yield _found(path, line, value)
        place = _after_gap(text, end)
        expects_more = text[place : place + 1] == ","
        if expects_more:
            place += 1
        elif text[place : place + 1] != "]":
            yield Found(
                path,
                line + text.count("\n", counted, place),
                problem="not valid JSON: the array is cut; the rest of the file was not read",
            )
            return


def _after_gap(text: str, place: int) -> int:
    found = _GAP.match(text, place)
    assert found is not None
    return found.end()


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
