"""What people and programs see: standard output is data, standard error is words."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence

from ghostie import text
from ghostie.cli.grammar import columns
from ghostie.errors import CannotPrint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ghostie.backends.retry import Pause
    from ghostie.sync.link import Progress

BAR = 12
STYLES = {"id": "33", "dim": "2", "category": "36", "good": "32", "bad": "31", "strong": "1", "hit": "1;4"}


class Output:
    """Writes what a command has to say, in the form that its flags and the terminal ask for."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.json = bool(getattr(args, "json", False))
        self.quiet = bool(getattr(args, "quiet", False))
        self.terminal = sys.stdout.isatty()
        self.dumb = os.environ.get("TERM") == "dumb"  # nothing is known of it but that it prints ASCII
        self._styles = self.terminal and not self.dumb
        self._colours = self._styles and not os.environ.get("NO_COLOR")
        self._progress = False
        # lines are cut to a terminal's width; what goes into a file or a pipe is whole, unless COLUMNS says otherwise
        self.width = columns() if self.terminal or os.environ.get("COLUMNS") else 0

    def unstyled(self) -> None:
        """From now on, write no escape sequence at all."""
        self._styles = self._colours = False

    # -- data --------------------------------------------------------------------------------------------------------

    def line(self, words: str = "") -> None:
        self._write(words + "\n")

    def prose(self, words: str) -> None:
        """Print text, on a terminal broken between words; elsewhere as it is."""
        for line in text.wrap(words, self.width if self.terminal else 0):
            self.line(line)

    def fact(self, name: str, value: str) -> None:
        """Print one fact, "name: value", on a terminal broken between words."""
        first, *rest = text.wrap(f"{name}: {value}", self.width if self.terminal else 0)
        self.line(self.style("dim", first[: len(name) + 1]) + first[len(name) + 1 :])
        for line in rest:
            self.line(line)

    def document(self, value: Any) -> None:
        from ghostie import codec

        self._write(text.safe_json(codec.dumps(value).decode()) + "\n")

    def done(self, record: Any, *words: str) -> None:
        """Say what a command did: *record* to a program, sentences to a person."""
        if self.json:
            self.document(record)
        else:
            for sentence in words:
                self.note(sentence)

    def style(self, name: str | None, words: str) -> str:
        """Return *words* in a style, on a terminal. Colour is never the only thing that tells two things apart."""
        if name is None or not (self._colours or (name == "hit" and self._styles)):
            return words  # a hit is set off by weight and a line: there is no colour in it
        return f"\x1b[{STYLES[name]}m{words}\x1b[0m"

    def fit(self, words: str, used: int = 0) -> str:
        """Return *words* cut to what is left of the line, where there is a width."""
        return text.fit(words, max(8, self.width - used)) if self.width else words

    def table(self, rows: Iterable[Sequence[str]], styles: Sequence[str | None]) -> None:
        """Print rows of columns, aligned; the last column takes what is left of the line."""
        rows = [list(row) for row in rows]
        widths = [max((text.width(row[at]) for row in rows), default=0) for at in range(len(styles) - 1)]
        for row in rows:
            cells = [text.fit(cell, width, pad=True) for cell, width in zip(row, widths, strict=False)]
            cells.append(self.fit(row[-1], sum(widths) + len(widths)))
            self.line(" ".join(map(self.style, styles, cells)).rstrip())

    # -- words -------------------------------------------------------------------------------------------------------

    def note(self, words: str) -> None:
        """Tell a person something that is no data."""
        if not self.quiet:
            self._tell(words)

    def say(self, words: str) -> None:
        """Tell a person what they must know to go on, quiet or not."""
        self._tell(text.safe(words))

    def picture(self, lines: Sequence[str]) -> None:
        """Show *lines* of blocks as they are: light on dark, whatever colours the terminal has."""
        self.flush()
        coloured = sys.stderr.isatty() and not self.dumb and not os.environ.get("NO_COLOR")
        for line in lines:
            sys.stderr.write(f"\x1b[97;40m{line}\x1b[0m\n" if coloured else f"{line}\n")

    def watch(self, news: Progress | Pause) -> None:
        """Show how far a sync is, or why it waits."""
        from ghostie.backends.retry import Pause

        if isinstance(news, Pause):
            tries = text.plural(news.tries_left, "try")
            self.progress(f"{text.one_line(str(news.error))}: trying again in {news.seconds:.0f} s, {tries} left")
        elif news.total:
            done, total = (text.size(news.done), text.size(news.total)) if news.in_bytes else (news.done, news.total)
            self.progress(f"{news.doing} {text.bar(news.done, news.total, BAR)} {done} of {total}")

    def warn(self, words: str) -> None:
        self._tell(f"ghostie: warning: {text.safe(words)}")

    def error(self, words: str, hint: str | None) -> None:
        self._tell(f"ghostie: error: {text.safe(words)}")
        if hint:
            self.hint(hint)

    def hint(self, words: str) -> None:
        self._tell(f"ghostie: hint: {text.safe(words)}")

    def progress(self, words: str) -> None:
        """Show how far a long command is, on one line of a terminal."""
        if sys.stderr.isatty() and not self.quiet:
            self._progress = True
            sys.stderr.write(f"\r\x1b[K{text.fit(words, max(8, columns() - 1))}")
            sys.stderr.flush()

    def flush(self) -> None:
        """Bring all data out. Raises BrokenPipeError, or CannotPrint where standard output takes no more."""
        self._end_progress()
        try:
            sys.stdout.flush()
        except OSError as error:
            raise _given_up(error) from None

    def _tell(self, words: str) -> None:
        self.flush()
        width = columns() if sys.stderr.isatty() else 0
        sys.stderr.write("".join(line + "\n" for line in text.wrap(words, width)))

    def _end_progress(self) -> None:
        if self._progress:
            self._progress = False
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def _write(self, words: str) -> None:
        try:
            sys.stdout.buffer.write(words.encode(errors="replace"))
        except OSError as error:
            raise _given_up(error) from None


def _given_up(error: OSError) -> Exception:
    """Give standard output up; return what to raise for *error*, which it gave."""
    from ghostie.cli import give_up_stdout

    give_up_stdout()
    return error if isinstance(error, BrokenPipeError) else CannotPrint(why=(error.strerror or str(error)).lower())
