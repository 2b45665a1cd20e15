"""A memory as lines to paint: its row in a list, and what is known of it above its text."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from rich.cells import cell_len
from rich.style import Style

from ghostie import codec, text
from ghostie.memory import millis
from ghostie.tui import words
from ghostie.tui.words import Piece

MARKS: Final = {"inbox": "+", "archived": "-", "active": " "}
MARK_WORDS: Final = {
    "!": "in conflict",
    "+": "in the inbox",
    "-": "archived",
    "x": "removed",
    "~": "edited elsewhere while removed",
}

Row = Mapping[str, Any]
Styles = Mapping[str, Style]


def now() -> int:
    """Return the time in Unix milliseconds."""
    return time.time_ns() // 1_000_000


def mark(row: Row) -> str:
    """Return the sign of a row's state."""
    if row["conflict"]:
        return "!"
    if row["deleted"]:
        return "x"
    return "~" if row["flag"] else MARKS.get(row["status"], " ")


def row_lines(
    row: Row, width: int, lines: int, *, styled: Styles, now: int, snippet: list[list[Any]] | None = None
) -> list[list[Piece]]:
    """Return a row: on one line mark, age, category, text, tags; on two, the text on the second."""
    sign = mark(row)
    age = text.ago(row["at"], now)
    head: list[Piece] = [(f"{sign} ", styled["bad"] if sign == "!" else styled["warn"] if sign == "+" else None)]
    head.append((f"{age:>6}  ", styled["dim"]))
    tags = " ".join(f"#{tag}" for tag in row["tags"])
    category = row["category"]
    if lines > 1:
        left = width - 10
        named = words.line(category or row["kind"], min(left, 24))
        head.append((named, styled["name"]))
        left -= cell_len(named)
        more = " ".join(part for part in (tags, "(here only)" if row["local"] else "") if part)
        if more and left > 4:
            head.append(("  " + words.line(more, left - 2), styled["dim"]))
        return [head, [("  ", None), *_said(row, width - 2, styled, snippet)]]
    left = width - 10
    if category:
        named = words.line(category, min(18, max(left // 3, 4)))
        head.append((f"{named}  ", styled["name"]))
        left -= cell_len(named) + 2
    tagged = words.line(tags, left // 4) if tags and left >= 40 else ""
    if tagged:
        left -= cell_len(tagged) + 2
    said = _said(row, left, styled, snippet)
    if tagged:
        said += [(" " * max(left - sum(cell_len(piece) for piece, _ in said), 0) + "  ", None), (tagged, styled["dim"])]
    return [[*head, *said]]


def _said(row: Row, width: int, styled: Styles, snippet: list[list[Any]] | None) -> list[Piece]:
    if not snippet:
        return [(words.line(row["text"] or ("(purged)" if row["deleted"] else ""), width), None)]
    pieces: list[Piece] = []
    left = width
    for said, hit in snippet:
        cut = text.flat(said)
        if cell_len(cut) > left:
            cut = words.line(cut, left)
        left -= cell_len(cut)
        pieces.append((cut, styled["hit"] if hit else None))
        if left <= 0:
            break
    return pieces


def head_lines(found: Mapping[str, Any], width: int, *, styled: Styles, now: int) -> list[list[Piece]]:
    """Return what is known of a memory, a fact a line, and an empty line."""
    row, record = found["row"], found["record"]
    state = MARK_WORDS.get(mark(row), "kept")
    source = " ".join(str(value) for value in record["source"].values() if value)
    sync = record["sync_metadata"]
    version = f"{sync['version']} of {found['versions']} · {when(sync['last_modified'], now)}"
    facts: list[tuple[str, str]] = [
        ("state", state if row["status"] != "active" or state != "kept" else ""),
        ("category", record["category"] or ""),
        ("tags", " ".join(f"#{tag}" for tag in record["tags"])),
        ("kind", record["kind"] if record["kind"] != "memory" else ""),
        ("when", when(record.get("timestamp"), now)),
        ("device", record["device_id"] or ""),
        ("privacy", "stays on this device" if record["privacy"] == "local" else ""),
        ("version", version if found["versions"] > 1 else ""),
        ("source", source),
        ("id", record["id"]),
    ]
    for name in ("scope", "anchor"):
        facts += [(name, " ".join(f"{key} {value}" for key, value in record[name].items() if value))]
    facts += [("link", f"{link['type']} {link['to']}") for link in record["links"]]
    facts += [(key, _plain(value)) for key, value in sorted(record["context"].items())]
    lines: list[list[Piece]] = []
    for name, value in facts:
        if value:
            label = words.line(name, 12)
            lines.append(
                [(f"{label}  ", styled["dim"]), (words.line(value, max(width - cell_len(label) - 4, 8)), None)]
            )
    return [*lines, []]


def _plain(value: object) -> str:
    return value if isinstance(value, str) else codec.dumps(value).decode()


def local(milliseconds: int) -> str:
    """Return a moment by the clock on the wall: "2026-06-28 14:30", with seconds where they say something."""
    read = datetime.fromtimestamp(milliseconds / 1000)
    return f"{read:%Y-%m-%d %H:%M:%S}".removesuffix(":00")


def moment(milliseconds: int, now: int) -> str:
    return f"{local(milliseconds)} ({text.ago(milliseconds, now)})"


def when(stamp: str | None, now: int) -> str:
    """Return a moment as a person reads it."""
    return f"{stamp[:16].replace('T', ' ')} ({text.ago(millis(stamp), now)})" if stamp else ""
