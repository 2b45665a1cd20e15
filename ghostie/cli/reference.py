"""What is made from the parser: `docs/cli.md`, and out of that the man page.

`python -m ghostie.cli.reference > docs/cli.md`; `--check`: is it stale? `--man`: the man page, which packages carry.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path

from ghostie.cli import parser


def text() -> str:
    """Return the reference as Markdown."""
    os.environ["COLUMNS"] = "100"
    top = parser.build()
    parts = [
        "# Commands\n",
        "Made from the parser; do not edit. `ghostie --sync ACTION` and `ghostie sync ACTION` are the same.\n",
        "Data goes to standard output and words to standard error. `ID` is a memory's id or enough of its beginning.\n",
    ]
    leaves = [(name, leaf) for name, leaf in _leaves(top, "ghostie")]
    parts.append(
        "\n".join(f"- [`{name}`](#{name.replace(' ', '-')}): {leaf.description}" for name, leaf in leaves) + "\n"
    )
    parts.append("## Everywhere\n")
    parts.append(_table([a for a in top._actions if a.option_strings and not isinstance(a, argparse._HelpAction)]))
    for name, leaf in leaves:
        usage = " ".join(leaf.format_usage().removeprefix("usage: ").split())
        parts.append(f"## {name}\n\n{leaf.description}\n\n    {_short(usage)}\n")
        own = [a for a in leaf._actions if a.dest not in ("help", "home", "passphrase_file", "json", "quiet")]
        if own:
            parts.append(_table(own))
    parts.append("## Exit codes\n")
    parts.append(" ".join(parser.EPILOG.split()).replace("exit codes: ", "").replace(", ", "\n- ").join(["- ", "\n"]))
    parts.append(
        "## Environment\n\n"
        "| variable | meaning |\n|---|---|\n"
        "| `GHOSTIE_HOME` | the vault's folder, where `--home` is not given |\n"
        "| `GHOSTIE_PASSPHRASE_COMMAND` | a program that prints the passphrase; run without a shell |\n"
        "| `GHOSTIE_PASSPHRASE` | the passphrase itself; for scripts that have no better way |\n"
        "| `GHOSTIE_NEW_PASSPHRASE` | the passphrase to set, for `init`, `keys passwd` and `keys restore` |\n"
        "| `GHOSTIE_STORE_PASSPHRASE` | for `sync setup`: that of the vault on the store, where it is another |\n"
        "| `GHOSTIE_PURE` | if set: libsodium by ctypes and the standard json, as on Android |\n"
        "| `GHOSTIE_DEBUG` | if set: an error shows where in the code it came from, without values |\n"
        "| `NO_COLOR` | if set: no colour |\n"
        "| `VISUAL`, `EDITOR` | the editor that `edit` and `conflict --keep edit` open |\n"
    )
    return "\n".join(parts)


def _leaves(node: argparse.ArgumentParser, name: str) -> list[tuple[str, argparse.ArgumentParser]]:
    below = [action for action in node._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        return [(name, node)]
    return [leaf for word, child in below[0].choices.items() for leaf in _leaves(child, f"{name} {word}")]


def _short(usage: str) -> str:
    for part in (" [-h]", " [--home DIR]", " [--passphrase-file FILE]", " [--json]", " [-q]"):
        usage = usage.replace(part, "")
    return usage


def _table(actions: list[argparse.Action]) -> str:
    rows = ["| | |", "|---|---|"]
    for action in actions:
        name = ", ".join(action.option_strings) or str(action.metavar or action.dest)
        if action.option_strings and action.nargs != 0:
            shown = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
            name += f" {shown}"
        elif not action.option_strings and action.choices:
            name = "|".join(map(str, action.choices))
        rows.append(f"| `{name.replace('|', chr(92) + '|')}` | {(action.help or '').replace('|', chr(92) + '|')} |")
    return "\n".join(rows) + "\n"


def man() -> str:
    """Return the reference as a man page."""
    from ghostie.version import __version__

    out = [
        f'.TH GHOSTIE 1 "" "ghostie {__version__}" "Commands"',
        ".SH NAME",
        "ghostie \\- an encrypted memory vault for people and their agents, in the terminal",
        ".SH SYNOPSIS",
        ".B ghostie",
        "[COMMAND] [ARGUMENT ...]",
        ".SH DESCRIPTION",
    ]
    for line in text().splitlines()[3:]:
        if line.startswith("## "):
            out.append(f'.SH "{_roff(line[3:]).upper() if " " not in line[3:] else _roff(line[3:])}"')
        elif line.startswith("    "):
            out += [".PP", f"\\fB{_roff(_operands(line.strip()))}\\fR"]
        elif line.startswith("| `"):
            name, said = re.split(r"(?<!\\\\) \| ", line[2:].removesuffix(" |"), maxsplit=1)
            out += [".TP", f"\\fB{_roff(name)}\\fR", _roff(said)]
        elif line.startswith("- ["):
            continue  # a list of the sections that follow, to be clicked
        elif line.startswith("- "):
            out += [".IP \\(bu 2", _roff(line[2:])]
        elif line and not line.startswith("|"):
            out += [".PP", _roff(line)]
    return "\n".join(out) + "\n"


def _operands(usage: str) -> str:
    """Return *usage* without its options, which are listed below it."""
    operands, left_out = re.subn(r" \[-[^][]*(\[[^]]*\])?\]", "", usage)
    return f"{operands} [OPTION ...]" if left_out else operands


def _roff(line: str) -> str:
    plain = line.replace("`", "").replace("\\|", "|").replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{plain}" if plain.startswith((".", "'")) else plain


def main() -> int:
    if sys.argv[1:] == ["--man"]:
        sys.stdout.write(man())
        return 0
    made = text()
    if sys.argv[1:] == ["--check"]:
        path = Path("docs/cli.md")
        if not path.exists() or path.read_text(encoding="utf-8") != made:
            sys.stderr.write("docs/cli.md is stale: python -m ghostie.cli.reference > docs/cli.md\n")
            return 1
        return 0
    sys.stdout.write(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
