"""What a command works with: the open vault, its store, and the person at the terminal."""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ghostie import files
from ghostie.errors import BadWords, TooLarge, UsageError
from ghostie.paths import Layout, default_home

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ghostie.crypto.unlock import Sources
    from ghostie.vault import Vault

WORD_TRIES = 3  # for 24 words of the list whose checksum does not fit
LARGEST_WORDS = 1 << 16


def layout_of(args: argparse.Namespace) -> Layout:
    try:
        return Layout(Path(args.home).expanduser() if args.home else default_home())
    except RuntimeError:  # ~ of somebody who is not known here
        raise UsageError("the folder that --home or GHOSTIE_HOME names has no place on this device") from None


def sources_of(args: argparse.Namespace) -> Sources:
    """Return where a passphrase may come from: the same in all of a command, so that nobody is asked twice."""
    from ghostie.crypto.unlock import TRIES, Sources
    from ghostie.hardening import forbid_core

    if not hasattr(args, "sources"):
        forbid_core()
        asking = can_ask()
        args.sources = Sources(
            file=_path(args, "passphrase_file"),
            store_file=_path(args, "store_passphrase_file"),
            new_file=_path(args, "new_passphrase_file"),
            ask=ask_hidden if asking else None,
            ask_words=ask_words if asking else None,
            tries=TRIES,
        )
    sources: Sources = args.sources
    return sources


def _path(args: argparse.Namespace, name: str) -> Path | None:
    named = getattr(args, name, None)
    return Path(named) if named else None


def open_(args: argparse.Namespace, *, load: bool = True) -> Vault:
    """Return the vault, open, with its index loaded unless *load* is false. Raises what `open_vault` does."""
    import gc

    from ghostie import leftovers
    from ghostie.vault import open_vault

    # thousands of rows are made at once and none is garbage: looking for some would cost more than the loading
    gc.disable()
    layout = layout_of(args)
    sources = sources_of(args)
    if files.is_there(layout.next_key):
        from ghostie.sync.moving import finish_move

        finish_move(layout, sources)
    vault = args.vault = open_vault(layout.home, sources=sources)
    leftovers.tend(layout)
    if load:
        vault.refresh()
    return vault


SPANS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}


def seconds_in(duration: str, spans: Mapping[str, int] = SPANS, examples: str = "30min, 8h or 2d") -> int:
    """Return the seconds in a length of time as people write it. Raises UsageError."""
    found = re.fullmatch(rf"(\d{{1,6}})\s*({'|'.join(spans)})", duration.strip(), re.ASCII)
    if not found or int(found[1]) == 0:
        raise UsageError(f"{duration[:20]!r} is not a length of time", f"say it as {examples}")
    return int(found[1]) * spans[found[2]]


# -- the person at the terminal --------------------------------------------------------------------------------------


def can_ask() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def prompt(words: str) -> None:
    sys.stderr.write(words)
    sys.stderr.flush()


def ask_hidden(question: str) -> str:
    import getpass

    try:
        return getpass.getpass(question)
    except EOFError:
        raise KeyboardInterrupt from None


def ask_words() -> bytes:
    """Return the master key that 24 typed words stand for. Raises BadWords.

    They are as secret as the passphrase, so nothing of them is shown but how many there are. That is hard to type
    without a slip, so every line is checked when it ends: one with a word that is not on the list is not taken.
    """
    from ghostie.crypto import keys

    said = "the 24 recovery words, in order, one or more a line; what you type is not shown\n"
    for left in reversed(range(WORD_TRIES)):
        words: list[str] = []
        with _unechoed():
            while len(words) < keys.WORDS:
                prompt(f"{said}{len(words)} of {keys.WORDS} words: ")
                line = sys.stdin.readline()
                prompt("\n")
                if not line:
                    raise KeyboardInterrupt
                typed = keys.words_in(line)
                wrong = [str(len(words) + place) for place in keys.unknown_words(typed)]
                if wrong:
                    said = f"word {', '.join(wrong)} is not on the list: this line was not taken\n"
                elif len(words) + len(typed) > keys.WORDS:
                    said = "those are too many: this line was not taken\n"
                else:
                    words += typed
                    said = ""
        try:
            return keys.from_words(" ".join(words))
        except BadWords as error:
            if not left:
                raise
            said = f"{error}: from the first word on, once more\n"
    raise AssertionError("no try was allowed")


@contextlib.contextmanager
def _unechoed() -> Iterator[None]:
    """Let the terminal show nothing that is typed. Unlike getpass, this keeps the lines that were pasted together."""
    import termios

    terminal = sys.stdin.fileno()
    shown = termios.tcgetattr(terminal)
    hidden = [*shown[:3], shown[3] & ~termios.ECHO, *shown[4:]]
    try:
        termios.tcsetattr(terminal, termios.TCSADRAIN, hidden)
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, shown)


def read_words(path: str) -> bytes:
    """Return the master key that the 24 words in the file *path* stand for, "-" for standard input or its terminal.

    On standard input an empty line ends them. Raises BadWords or CannotRead.
    """
    from ghostie.crypto import keys

    if path == "-" and can_ask():
        return ask_words()
    if path != "-":
        spelt = files.read_named(Path(path), LARGEST_WORDS)
    else:
        lines = sys.stdin.buffer if sys.stdin is not None else io.BytesIO()
        spelt = b""
        while len(spelt) < LARGEST_WORDS and (line := lines.readline(LARGEST_WORDS)).strip():
            spelt += line
    return keys.from_words(spelt.decode(errors="replace"))


def confirm(question: str, flag: str) -> None:
    """Ask for a typed yes. Raises UsageError where it is not given, or nobody can be asked."""
    if not can_ask():
        raise UsageError("this needs a yes", f"{flag} gives it")
    prompt(f"{question} type yes: ")
    if sys.stdin.readline().strip().lower() != "yes":
        raise UsageError("nothing was done")


def agree_to_large(args: argparse.Namespace, question: str, count: int) -> None:
    """Ask before a change of *count* memories where these are many, unless --yes was given. Raises as `confirm`."""
    from ghostie.memory import LARGE_CHANGE

    if count > LARGE_CHANGE and not args.yes:
        confirm(question, "--yes")


def read_stdin(what: str) -> str:
    """Return standard input as text. Raises TooLarge, or UsageError where it is a terminal that nobody types at."""
    from ghostie.memory import MAX_CONTENT

    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError(f"no {what} was given", "give it as an argument, or on standard input")
    try:
        given = files.up_to(sys.stdin.buffer.read, MAX_CONTENT + 2)  # a newline at the end may be cut off yet
        if len(given) > MAX_CONTENT + 1:
            raise TooLarge(what=f"the {what} on standard input", size=f"more than {MAX_CONTENT}", limit=MAX_CONTENT)
        return given.decode()
    except UnicodeDecodeError:
        raise UsageError("standard input is not UTF-8 text") from None


def edited(content: str, layout: Layout) -> str:
    """Return *content* as the person leaves it in $EDITOR. Raises UsageError, also where there is no terminal."""
    from ghostie import editor
    from ghostie.hardening import harden

    harden()  # the text is here for as long as a person takes
    if not can_ask() and not editor.named():
        raise UsageError("there is no terminal to edit on", "give --content TEXT, or - for standard input")
    return editor.edited(content, layout)
