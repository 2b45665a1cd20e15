"""Commands for a phone: the hooks of Termux, quick capture, and the notification."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from ghostie import files, termux, text
from ghostie.cli.memories import tell_added
from ghostie.cli.output import Output
from ghostie.cli.session import can_ask, layout_of, open_, prompt
from ghostie.errors import ApiSilent, UsageError
from ghostie.memory import MAX_CONTENT

NOTIFICATION = "ghostie"
REVIEW = Path(".shortcuts/ghostie-review")


def setup(args: argparse.Namespace, out: Output) -> None:
    """Make the hooks, or take them away. Away from Termux only --dry-run has a meaning: it shows what they would be."""
    if not args.dry_run or termux.here():
        shell = str(termux.prefix() / "bin" / "sh")
    else:
        shell = "/data/data/com.termux/files/usr/bin/sh"
    wanted = termux.hooks(_program(args), Path.home(), shell)
    done = (termux.remove if args.remove else termux.make)(wanted, dry_run=args.dry_run)
    if out.json:
        out.document([{"path": str(hook.path), "what": hook.what, "done": hook.done} for hook in done])
        return
    for hook in done:
        out.line(f"{hook.done:<8} ~/{hook.path.relative_to(Path.home())}  {hook.what}")
    if any(hook.done == "foreign" for hook in done):
        out.note("what is marked foreign was not made by ghostie and stays as it is")
    if args.remove or args.dry_run:
        return
    out.note("widgets: add the Termux:Widget app to the home screen; sharing: choose Termux in Android's share menu")
    out.note("`ghostie sync auto --every 1h` lets Android start a sync by itself")


def _program(args: argparse.Namespace) -> list[str]:
    """Return how a hook starts ghostie: by its full path, for a hook's PATH may be bare."""
    found = shutil.which("ghostie") or sys.argv[0]
    named = ["--home", str(layout_of(args).home.absolute())] if args.home else []
    return [str(Path(found).absolute()), *named]


def capture(args: argparse.Namespace, out: Output) -> None:
    vault = open_(args, load=False)  # first, lest what was said is lost for a forgotten passphrase
    content, source = _captured(args)
    if content is None:
        out.note("nothing was given, so nothing was kept")
        return
    tell_added(out, vault.add(content, status="inbox", context={"captured": source}, tags=args.tag or None))
    if not out.json:
        out.note("it waits in the inbox")


def _captured(args: argparse.Namespace) -> tuple[str | None, str]:
    if args.file is not None:
        return _file(Path(args.file)), f"file {Path(args.file).name}"
    if args.url is not None:
        return args.url.strip() or None, "link"
    if args.voice:
        return termux.dialog("speech", "Say it"), "voice"
    if args.clipboard:
        return termux.clipboard(), "clipboard"
    try:
        return termux.dialog("text", "Remember"), "widget"
    except ApiSilent:
        if not can_ask():
            raise
    prompt("Remember: ")
    return sys.stdin.readline().strip() or None, "widget"


def _file(path: Path) -> str | None:
    try:
        content = files.read_named(path, MAX_CONTENT).decode()
    except UnicodeDecodeError:
        raise UsageError("only text can be kept, and this file holds something else") from None
    return content if content.strip() else None


def notify(args: argparse.Namespace, out: Output) -> None:
    """Show on the phone's screen what waits for a person: counts, and no word of any memory."""
    from ghostie.vault.statistics import numbers

    found = numbers(open_(args))
    conflicts, inbox = found.conflicts, found.by_status.get("inbox", 0)
    if not args.dry_run:
        tell(conflicts, inbox if args.inbox else 0)
    record = {"conflicts": conflicts, "inbox": inbox, "dry_run": args.dry_run}
    out.done(record, f"{text.plural(conflicts, 'conflict')}, {inbox:,} in the inbox")


def tell(conflicts: int, inbox: int = 0) -> None:
    """Show the notification, or take it away where nothing waits. Raises ApiSilent."""
    waiting = [text.plural(conflicts, "conflict")] if conflicts else []
    waiting += [f"{inbox:,} in the inbox"] if inbox else []
    if waiting:
        termux.notify(NOTIFICATION, ", ".join(waiting), Path.home() / REVIEW)
    else:
        termux.notify_no_more(NOTIFICATION)
