"""`ghostie review`: the review screens, or the same by numbered prompts."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from ghostie.cli.output import Output
from ghostie.cli.session import layout_of, open_
from ghostie.errors import UsageError


def on_terminal() -> bool:
    """Tell whether there is a terminal that screens can be shown on."""
    return (
        sys.stdin is not None
        and sys.stdin.isatty()
        and sys.stdout.isatty()
        and os.environ.get("TERM", "dumb") not in ("", "dumb")
    )


def review(args: argparse.Namespace, out: Output) -> None:
    if out.json:
        _waiting(args, out)
    elif args.plain or out.dumb:
        from ghostie.cli.plain import Plain

        Plain(args, out).run()
    elif not on_terminal():
        raise UsageError(
            "there is no terminal to show the screens on", "`ghostie review --plain` asks line by line instead"
        )
    else:
        from ghostie.tui import launch

        file = Path(args.passphrase_file) if args.passphrase_file else None
        launch(layout_of(args), passphrase_file=file, mouse=not args.no_mouse)


def _waiting(args: argparse.Namespace, out: Output) -> None:
    """Print what waits in the inbox."""
    from ghostie.cli.memories import print_each
    from ghostie.vault.query import Filter

    vault = open_(args)
    entries = vault.select(Filter(status="inbox"))
    print_each(out, entries, lambda entry: vault.shown(entry).shown("open" if entry.in_conflict else None))
