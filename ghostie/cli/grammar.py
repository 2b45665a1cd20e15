"""How a command line reads: what a command is, argparse in ghostie's voice, and the forms that it would not take."""

from __future__ import annotations

import argparse
import os
import sys

TYPE_CHECKING = False  # as typing's; this module is loaded by every command, so it imports next to nothing
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, NoReturn

    Adding = Callable[[argparse._ActionsContainer], object]


class Command:
    """One command: its name (two words for a sub-command), what it does, the function that runs it, its arguments."""

    __slots__ = ("arguments", "help", "name", "target")

    def __init__(self, name: str, help: str, target: str, *arguments: Adding) -> None:
        self.name = name
        self.help = help
        self.target = target
        self.arguments = arguments


class Formatter(argparse.HelpFormatter):
    """argparse's, told the terminal's width rather than loading a module to find it out."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=max(40, min(columns(), 100) - 2))


def columns() -> int:
    """Return the terminal's width: COLUMNS, or what the terminal says, or 80."""
    spelt = os.environ.get("COLUMNS", "")
    if spelt.isdecimal() and int(spelt) > 0:
        return int(spelt)
    try:
        return os.get_terminal_size().columns or 80
    except OSError:
        return 80


class Parser(argparse.ArgumentParser):
    """argparse, with errors in ghostie's voice, and options only in full: what a script says keeps its meaning."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(formatter_class=Formatter, allow_abbrev=False, **settings)

    def print_help(self, file: Any = None) -> None:
        """Write the help. Raises OSError, of which argparse says nothing."""
        (file or sys.stdout).write(self.format_help())

    def error(self, message: str) -> NoReturn:
        from ghostie import text

        said = text.fit(text.one_line(message), 400)
        sys.stderr.write(f"ghostie: error: {said}\nghostie: hint: `{self.prog} --help` shows what it takes\n")
        raise SystemExit(2)


_FLAGS = ("--json", "--quiet", "--no-mouse", "--")
_VALUES = ("--home", "--passphrase-file")


def first_word(argv: Sequence[str]) -> str | None:
    """Return the command's first word in *argv*, or None where there is none (or help is asked for before it)."""
    skip = False
    for token in argv:
        if skip:
            skip = False
        elif token in _VALUES:
            skip = True
        elif not token.startswith("-"):
            return token
        elif (
            token.strip("q") != "-"
            and token not in _FLAGS
            and not token.startswith(tuple(f"{name}=" for name in _VALUES))
        ):
            return None
    return None


def normalised(argv: Sequence[str]) -> list[str]:
    """Return *argv* with `--sync ACTION` as `sync ACTION`, and in a form in which argparse does not take a word for an
    option: `-t -x` as one word, and `-tag:x` of a filter with a space before it.
    """
    words: list[str] = []
    for at, token in enumerate(argv):
        if token == "--":
            return words + list(argv[at:])
        if token == "--sync" and first_word(words) is None:
            words.append("sync")
        elif token.startswith("--sync=") and first_word(words) is None:
            words += ["sync", token.removeprefix("--sync=")]
        elif words and words[-1] in ("-t", "--tag") and token.startswith("-"):
            words[-1] = f"-t{token}" if words[-1] == "-t" else f"--tag={token}"
        elif _is_condition(token) and first_word(words) == "list":
            words.append(f" {token}")
        else:
            words.append(token)
    return words


def _is_condition(token: str) -> bool:
    """Tell whether *token* is a filter's `-key:value`, and no option."""
    key, colon, _ = token.partition(":")
    return bool(colon) and key[:1] == "-" and len(key) > 2 and key[1:].isalpha()


# -- arguments, as functions that add them to a parser ---------------------------------------------------------------


def argument(*names: str, **settings: Any) -> Adding:
    return lambda parser: parser.add_argument(*names, **settings)


def flag(names: str, help: str, **settings: Any) -> Adding:
    return argument(*names.split(), action="store_true", help=help, **settings)


def option(names: str, value: str | tuple[str, ...], help: str, **settings: Any) -> Adding:
    """Return an option that takes a value: what that is called, or those that there are."""
    form = {"metavar": value} if isinstance(value, str) else {"choices": value}
    return argument(*names.split(), help=help, **form, **settings)


def group(title: str, *arguments: Adding) -> Adding:
    return lambda parser: fill(parser.add_argument_group(title), arguments)


def one_of(*arguments: Adding) -> Adding:
    return lambda parser: fill(parser.add_mutually_exclusive_group(), arguments)


def fill(parser: argparse._ActionsContainer, arguments: Iterable[Adding]) -> None:
    for add in arguments:
        add(parser)


def history(text: str) -> tuple[str, int]:
    """Return kind and seed of a simulated history: `7` or `keys-7`."""
    kind, dash, seed = text.rpartition("-")
    if dash and kind not in ("keys", "folders"):
        raise argparse.ArgumentTypeError("it must be a whole number, or keys- or folders- and one")
    return kind or "memories", count(seed)


def count(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError("it must be a whole number") from None
    if number < 0:
        raise argparse.ArgumentTypeError("it must not be negative")
    return number
