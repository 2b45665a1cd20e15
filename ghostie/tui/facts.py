"""A memory as lines to paint: its row in a list, and what is known of it above its text."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from rich.cells import cell_len, set_cell_size
from rich.style import Style

from ghostie import codec, text
from ghostie.memory import local, millis
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

LABEL: Final = 12
ROOMY: Final = 54  # cells from which on what a memory is takes one line, where it fits

Row = Mapping[str, Any]
Styles = Mapping[str, Style]


def now() -> int:
    """Return the time in Unix milliseconds."""
    return time.time_ns() // 1_000_000


def mark(row: Row) -> str:
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
    head: list[Piece] = [(f"{sign} ", sign_style(sign, styled)), (f"{age:>6}  ", styled["dim"])]
    left = width - 10
    tags = " ".join(f"#{tag}" for tag in row["tags"])
    category = row["category"]
    if lines > 1:
        kind = row["kind"] if row["kind"] != "memory" else ""
        named = words.line(category or kind, min(left, 24))
        head.append((named, styled["name"]))
        left -= cell_len(named)
        more = " ".join(part for part in (tags, "(here only)" if row["local"] else "") if part)
        if more and left > 4:
            head.append((("  " if named else "") + words.line(more, left - 2), styled["dim"]))
        return [head, [("  ", None), *_said(row, width - 2, styled, snippet)]]
    room = max(min(left // 4, 14), 4)
    head.append((text.fit(words.line(category, room), room, pad=True) + "  ", styled["name"]))
    left -= room + 2
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
    for said, hit in _from_hit(snippet, width):
        style = styled["hit"] if hit else None
        if cell_len(said) > left:
            pieces.append((set_cell_size(said, left - 1).rstrip() + "…" if left > 0 else "", style))
            break
        left -= cell_len(said)
        pieces.append((said, style))
    return pieces


def _from_hit(snippet: list[list[Any]], width: int) -> list[tuple[str, bool]]:
    """Return the pieces of *snippet*; where *width* would not reach the first hit, from a little before it on."""
    pieces = [(text.flat(said), bool(hit)) for said, hit in snippet]
    at = next((at for at, (_, hit) in enumerate(pieces) if hit), 0)
    before = "".join(said for said, _ in pieces[:at])
    if cell_len(before) + cell_len(pieces[at][0]) < width:
        return pieces
    kept = before[-(width // 3) :].lstrip("…")
    return [("…" + (kept.partition(" ")[2] or kept), False), *pieces[at:]]


def page(
    found: Mapping[str, Any],
    width: int,
    *,
    styled: Styles,
    now: int,
    content: Iterable[list[Piece]] | None = None,
    low: bool = False,
    known: bool = True,
) -> Iterator[list[Piece]]:
    """Yield a memory for a page: what it is in a line or two, what it says, and under a rule all that is *known* of it.

    *content* stands in for the plain lines of what it says; *low*: a line is dear.
    """
    yield from brief(found, width, styled=styled, now=now)
    if not low:
        yield []
    yield from content or ([(line, None)] for line in words.lines(found["record"]["content"], width))
    if not known:
        return
    yield []
    yield [("─" * min(width, 20), styled["dim"])]
    yield from _all(found, width, styled=styled, now=now)


def brief(found: Mapping[str, Any], width: int, *, styled: Styles, now: int) -> Iterator[list[Piece]]:
    """Yield in a line or two what a memory is: its state, age, where it is from, category, tags."""
    row, record = found["row"], found["record"]
    sign = mark(row)
    age = past(millis(record["timestamp"]), now) if record.get("timestamp") else ""
    told = (age, MARK_WORDS.get(sign, "kept"), record["source"].get("tool"), record["device_id"])
    said = " · ".join(str(part) for part in told if part)
    lead: list[Piece] = [(f"{sign} ", sign_style(sign, styled))] if sign != " " else []
    first: list[Piece] = [*lead, (words.line(said, width - 2 * len(lead)), styled["dim"])]
    category = text.one_line(record["category"] or "")
    tags = text.one_line(" ".join(f"#{tag}" for tag in record["tags"]))
    taken = sum(cell_len(piece) for piece, _ in first) + cell_len(category) + cell_len(tags) + 4
    if width >= ROOMY and taken <= width:
        yield [*first, (f"  {category}", styled["name"]), (f"  {tags}", styled["dim"])]
        return
    yield first
    if category or tags:
        named = words.line(category, width)
        beside = bool(named) and cell_len(named) + cell_len(tags) + 2 <= width
        if named:
            yield [(named, styled["name"]), (f"  {tags}" if beside else "", styled["dim"])]
        if tags and not beside:
            for line in words.lines(tags, width):
                yield [(line, styled["dim"])]


def sign_style(sign: str, styled: Styles) -> Style | None:
    return styled["bad"] if sign == "!" else styled["warn"] if sign.strip() else None


def _all(found: Mapping[str, Any], width: int, *, styled: Styles, now: int) -> Iterator[list[Piece]]:
    """Yield what is known of a memory beside its text, each fact after its label."""
    record = found["record"]
    source = " ".join(str(value) for value in record["source"].values() if value)
    sync = record["sync_metadata"]
    version = f"{sync['version']} of {found['versions']} · {when(sync['last_modified'], now)}"
    known: list[tuple[str, str]] = [
        ("kind", record["kind"] if record["kind"] != "memory" else ""),
        ("when", when(record.get("timestamp"), now)),
        ("device", record["device_id"] or ""),
        ("privacy", "stays on this device" if record["privacy"] == "local" else ""),
        ("version", version if found["versions"] > 1 else ""),
        ("source", source),
        ("id", record["id"]),
    ]
    for name in ("scope", "anchor"):
        known += [(name, " ".join(f"{key} {value}" for key, value in record[name].items() if value))]
    known += [("link", f"{link['type']} {link['to']}") for link in record["links"]]
    known += [(key, _plain(value)) for key, value in sorted(record["context"].items())]
    told = [(words.line(name, LABEL), value) for name, value in known if value]
    room = max(cell_len(label) for label, _ in told) + 2
    for label, value in told:
        for at, line in enumerate(words.lines(text.one_line(value), width - room)):
            shown = label if at == 0 else ""
            yield [(shown + " " * (room - cell_len(shown)), styled["dim"]), (line, None)]


def _plain(value: object) -> str:
    return value if isinstance(value, str) else codec.dumps(value).decode()


def past(milliseconds: int, now: int) -> str:
    """Return how long ago a moment was: "3 d ago"."""
    return f"{text.ago(milliseconds, now)} ago" if milliseconds <= now else "ahead of this clock"


def moment(milliseconds: int, now: int) -> str:
    """Return a moment as a person reads it: by their own clock, and how long ago."""
    return f"{local(milliseconds)} ({past(milliseconds, now)})"


def when(stamp: str | None, now: int) -> str:
    return moment(millis(stamp), now) if stamp else ""
