"""`ghostie review --plain`: the review by numbered prompts, for screen readers, dumb terminals and scripts.

Every line that is printed stays; nothing moves, is coloured or is drawn over. Each decision is on the disk before the
next question, so that whoever ends it in the middle loses nothing.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ghostie import text
from ghostie.cli.memories import device_of, print_diff, print_version, sides
from ghostie.cli.output import Output
from ghostie.cli.session import can_ask, open_
from ghostie.errors import GhostieError, UsageError
from ghostie.vault import conflicts
from ghostie.vault.likeness import Alike, Likeness
from ghostie.vault.query import Filter, answer, parse
from ghostie.vault.row import Entry

TRIAGE = ("keep", "edit", "merge into another", "archive", "forget", "skip", "back", "quit")
CONFLICT = ("mine", "theirs", "both", "merged", "edit", "skip", "back", "quit")
EDIT = ("text", "category", "tags", "cancel")
FOUND = 20

T = TypeVar("T")


class Ended(Exception):
    """There is nothing more to read, or the person has had enough."""


@dataclass(frozen=True, slots=True)
class Step:
    """One decision: the place in the queue that it was made at, and the operation to undo (None: nothing changed)."""

    at: int
    operation: str | None


def numbered(offered: Sequence[T], asked: str) -> T | None:
    """Return which of *offered* a number says, from 1 on."""
    return offered[int(asked) - 1] if asked.isdecimal() and 0 < int(asked) <= len(offered) else None


class Plain:
    """One review. It reads standard input and writes standard output."""

    def __init__(self, args: argparse.Namespace, out: Output) -> None:
        self.out = out
        out.unstyled()
        self.vault = open_(args)
        gc.enable()  # other commands end before garbage matters
        self._likeness: Likeness | None = None
        self._done = 0

    def run(self) -> None:
        """Ask until the person quits, or the input ends."""
        ways: dict[str, Callable[[], None]] = {
            "inbox": self.inbox,
            "conflicts": self.conflicts,
            "search": self.search,
            "show": self.show,
        }
        try:
            while True:
                self.vault.refresh()
                waiting = len(self.vault.select(Filter(status="inbox")))
                open_ = len(conflicts.open_conflicts(self.vault))
                self.out.line(f"review: {waiting:,} in the inbox, {text.plural(open_, 'conflict')}")
                chosen = self.choose((*ways, "quit"), "what")
                if chosen == "quit":
                    break
                try:
                    ways[chosen]()
                except GhostieError as error:
                    self.tell(error)
        except Ended:
            self.out.line()
        finally:
            if self._likeness is not None:
                self._likeness.close()
            self.vault.close()
        self.out.line(f"{text.plural(self._done, 'decision')} made, all kept")

    # -- the inbox ---------------------------------------------------------------------------------------------------

    def inbox(self) -> None:
        """Go through the inbox, newest first, one memory at a time."""
        self.queue(
            [entry.id for entry in self.vault.select(Filter(status="inbox"))],
            "the inbox is empty",
            lambda entry: not entry.deleted and not entry.in_conflict and entry.row.get("status") == "inbox",
            self.triage,
        )

    def triage(self, entry: Entry) -> str:
        shown = self.vault.shown(entry)
        print_version(self.out, shown, self.vault.clock())
        alike = self.alike(entry)
        self.out.line()
        while True:
            chosen = self.choose(TRIAGE, "what")
            if chosen in ("keep", "archive"):
                status = "active" if chosen == "keep" else "archived"
                self.vault.edit(entry.id, {"status": status}, base=shown.hash, what=chosen)
            elif chosen == "edit":
                changes = self.edited(str(shown.field("content")), list(shown.field("tags")))
                if changes is None:
                    continue
                # what was worth the work is worth keeping
                self.vault.edit(entry.id, {**changes, "status": "active"}, base=shown.hash)
            elif chosen.startswith("merge"):
                into = self.other(entry, alike)
                if into is None:
                    continue
                self.vault.merge_into(entry.id, into)
            elif chosen == "forget":
                self.vault.remove([entry.id])
            return chosen

    def alike(self, entry: Entry) -> list[Alike]:
        if self._likeness is None:
            self._likeness = Likeness(self.vault)
        self._likeness.catch_up()
        alike = self._likeness.duplicates_of(entry.id, 5)
        for number, other in enumerate(alike, 1):
            found = self.vault.find(other.id)
            how = "says the same" if other.exact else f"{other.share:.0%} alike"
            self.line(f"like it, {number}: {other.id[:8]}, {how}: {found.excerpt}")
        return alike

    def other(self, entry: Entry, alike: Sequence[Alike]) -> str | None:
        """Return the id of the memory that *entry* is to be merged into, or None."""
        asked = self.ask("into which (its number above, or its id; nothing: none)")
        if not asked:
            return None
        chosen = numbered(alike, asked)
        return (chosen or self.vault.find(asked)).id

    def edited(self, content: str, tags: list[str]) -> dict[str, object] | None:
        chosen = self.choose(EDIT, "edit what")
        if chosen == "text":
            written = self.written()
            return {"content": written} if written.strip() and written != content else None
        if chosen == "category":
            return {"category": self.ask("category (nothing: none)") or None}
        if chosen == "tags":
            self.line(f"tags now: {' '.join(tags) or '(none)'}")
            asked = self.ask("all tags, with commas between (nothing: none)")
            return {"tags": sorted({tag.strip() for tag in asked.split(",") if tag.strip()})}
        return None

    def written(self) -> str:
        self.out.line("type the text; a line with only a dot ends it, two dots stand for one; nothing: no change")
        lines: list[str] = []
        while (line := self.read()) != ".":
            lines.append("." if line == ".." else line)
        return "\n".join(lines)

    # -- conflicts ---------------------------------------------------------------------------------------------------

    def conflicts(self) -> None:
        """Go through the open conflicts, newest first."""
        self.queue(
            [entry.id for entry in conflicts.open_conflicts(self.vault)],
            "there is no conflict",
            lambda entry: entry.in_conflict,
            self.settle,
        )

    def settle(self, entry: Entry) -> str:
        found = conflicts.look(self.vault, entry)
        for name, version in sides(found):
            age = text.ago(version.modified, self.vault.clock())
            self.line(f"{name}, from {device_of(version) or 'a device'}, {age} ago:")
            print_diff(self.out, found.base, version)
        self.line(f"in dispute: {', '.join(found.disputes)}")
        while True:
            chosen = self.choose(CONFLICT, "which")
            if chosen == "edit":
                for line in found.marked().splitlines():
                    self.line(line)
                written = self.written()
                if not written.strip():
                    continue
                conflicts.resolve(self.vault, entry.id, chosen, edited=lambda _, written=written: written)  # type: ignore[misc]
            elif chosen in conflicts.CHOICES:
                conflicts.resolve(self.vault, entry.id, chosen)
            return chosen

    # -- one after the other -----------------------------------------------------------------------------------------

    def queue(self, ids: list[str], empty: str, waits: Callable[[Entry], bool], decide: Callable[[Entry], str]) -> None:
        """Let *decide* decide on each of memories *ids* that still waits; `back` undoes the decision before."""
        if not ids:
            self.out.line(empty)
        steps: list[Step] = []
        at = 0
        while at < len(ids):
            self.vault.refresh()
            entry = self.vault.index.get(ids[at])
            self.out.line()
            self.out.line(f"{at + 1} of {len(ids)}")
            if entry is None or not waits(entry):
                self.line(f"{ids[at][:8]} was seen to elsewhere")
                at += 1
                continue
            try:
                chosen = decide(entry)
                if chosen == "back":
                    at = self.back(steps, at)
                    continue
                if chosen == "quit":
                    return
            except GhostieError as error:
                self.tell(error)
                if self.choose(("again", "skip", "quit"), "now what") == "again":
                    continue
                chosen = "skip"
            steps.append(Step(at, self.operation_on(entry.id) if chosen != "skip" else None))
            if chosen != "skip":
                self._done += 1
                self.out.line(f"done: {chosen}")
            at += 1
        if ids:
            self.out.line()
            self.out.line("that was all")

    def back(self, steps: list[Step], at: int) -> int:
        """Take back the last step; return where to go on."""
        if not steps:
            self.out.line("there is nothing to go back to")
            return at
        step = steps.pop()
        if step.operation is not None:
            operation = self.vault.undo(step.operation)
            self._done -= 1
            self.out.line(f"took back: {operation.what}")
        return step.at

    def operation_on(self, memory_id: str) -> str | None:
        for operation in reversed(self.vault.operations.all()):
            if any(change.id == memory_id for change in operation.changes):
                return operation.id
        return None

    # -- finding -----------------------------------------------------------------------------------------------------

    def search(self) -> None:
        asked = self.ask("words, or a filter")
        if not asked:
            return
        found = answer(self.vault, parse(asked), FOUND)
        for number, entry in enumerate(found, 1):
            category = f"{entry.row['category']}: " if entry.row.get("category") else ""
            self.line(
                f"{number} {entry.id[:8]}, {text.ago(entry.timestamp, self.vault.clock())}, {category}{entry.excerpt}"
            )
        if not found:
            self.out.line("nothing found")
            return
        asked = self.ask("show which (its number; nothing: none)")
        if chosen := numbered(found, asked):
            print_version(self.out, self.vault.shown(chosen), self.vault.clock())
        elif asked:
            raise UsageError(f"{asked[:40]!r} is none of the numbers")
        self.out.line()

    def show(self) -> None:
        if asked := self.ask("id"):
            print_version(self.out, self.vault.shown(self.vault.find(asked)), self.vault.clock())
            self.out.line()

    # -- asking and telling ------------------------------------------------------------------------------------------

    def choose(self, words: Sequence[str], question: str) -> str:
        """Return which of *words* the person chooses, by its number or the beginning of it."""
        self.line(", ".join(f"{number} {word}" for number, word in enumerate(words, 1)))
        while True:
            asked = self.ask(question).lower()
            if chosen := numbered(words, asked):
                return chosen
            fitting = [word for word in words if word.startswith(asked)] if asked else []
            if len(fitting) == 1:
                return fitting[0]
            self.line(f"a number from 1 to {len(words)}, or a word" if asked else "please choose one")

    def ask(self, question: str) -> str:
        """Return the line that the person answers with. Raises Ended."""
        sys.stdout.buffer.write(f"{question}: ".encode())
        answered = self.read().strip()
        if not can_ask():
            self.out.line()  # at a terminal the person's own key has ended the line
        return answered

    def read(self) -> str:
        self.out.flush()
        line = sys.stdin.buffer.readline() if sys.stdin is not None else b""
        if not line:
            raise Ended
        return line.decode(errors="replace").rstrip("\r\n")

    def line(self, words: str) -> None:
        """Print what may come from a memory, made safe, on one line or broken between words."""
        self.out.prose(text.one_line(words))

    def tell(self, error: GhostieError) -> None:
        self.line(f"that did not work: {error}")
        if hint := error.way_out():
            self.line(f"hint: {hint}")
