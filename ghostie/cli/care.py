"""Commands that look after the vault, and what `ghostie` alone shows."""

from __future__ import annotations

import argparse
import os
import stat
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ghostie import __version__, files, text
from ghostie.cli.output import Output
from ghostie.cli.session import can_ask, confirm, layout_of, open_
from ghostie.errors import CannotRead, CannotWrite, GhostieError, NoVault, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ghostie.paths import Layout
    from ghostie.vault import Vault

ALARM = 4


def overview(args: argparse.Namespace, out: Output) -> int:
    """Show where a person stands and what to type next."""
    if args.version:
        out.line(f"ghostie {__version__}")
        return 0
    if group := getattr(args, "group", None):
        raise UsageError(f"`ghostie {group}` needs an action", f"`ghostie {group} --help` lists them")
    if not out.json and not out.quiet and on_terminal():
        args.plain = False
        review(args, out)
        return 0
    layout = layout_of(args)
    if not files.is_there(layout.master_key):
        if out.json:
            raise NoVault(home=layout.home)
        out.prose("ghostie keeps what you and your agents learn: encrypted, on this device, in step with your others.")
        out.line()
        out.line("  ghostie init        make a vault here")
        out.line("  ghostie sync setup  join one on a store")
        out.line("  ghostie --help      all commands")
        return 0
    from ghostie.vault.statistics import numbers

    found = numbers(open_(args))
    inbox = found.by_status.get("inbox", 0)
    if out.json:
        out.document(asdict(found))
        return 0
    out.line(
        f"{text.plural(found.memories, 'memory')}, {inbox:,} in the inbox, {text.plural(found.conflicts, 'conflict')}"
    )
    out.line()
    out.line("  ghostie add TEXT      remember something")
    out.line("  ghostie list          what is newest")
    if inbox:
        out.line("       --status inbox   what waits for a look")
    out.line("  ghostie search WORDS  find something again")
    out.line("  ghostie sync run      keep devices in step")
    out.line("  ghostie --help        all commands")
    return 0


def on_terminal() -> bool:
    return can_ask() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb")


def review(args: argparse.Namespace, out: Output) -> None:
    if out.json:
        from ghostie.cli.memories import print_shown
        from ghostie.vault.query import Filter

        vault = open_(args)
        print_shown(out, vault, vault.select(Filter(status="inbox")))
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


def stats(args: argparse.Namespace, out: Output) -> None:
    from ghostie.vault.statistics import months, numbers, weeks

    vault = open_(args)
    found = numbers(vault)
    if out.json:
        out.document(asdict(found))
        return
    now = vault.clock()
    counted = f"{text.plural(found.memories, 'memory')}, {text.plural(found.versions, 'version')}"
    out.line(f"{counted}, {text.size(found.size)} sealed")
    out.line(f"{text.size(found.size_with_indexes)} on the disk with the indexes")
    out.line(f"{found.removed:,} removed, {text.plural(found.conflicts, 'conflict')}")
    if found.inbox_oldest is not None:
        out.line(f"the oldest in the inbox is {text.ago(found.inbox_oldest, now)} old")
    recent = weeks(found, now)
    out.line()
    out.line(out.style("strong", f"the last {len(recent)} weeks"))
    out.line(f"  {out.style('category', text.sparkline(list(recent.values()), plain=out.dumb))}|")
    out.line(f"  {sum(recent.values()):,} in all, at most {max(recent.values()):,} a week")
    for title, counts in (
        ("by status", found.by_status),
        ("by category", found.by_category),
        ("by device", found.by_device),
        ("by kind", found.by_kind),
        ("in the inbox for up to", found.inbox_ages),
    ):
        _bars(out, title, dict(list(counts.items())[:12]))
    by_month = months(found, now)
    _bars(out, "by month", by_month if any(by_month.values()) else dict(list(found.by_month.items())[-12:]))


def _bars(out: Output, title: str, counts: dict[str, int]) -> None:
    if not counts:
        return
    out.line()
    out.line(out.style("strong", title))
    most = max(1, *counts.values())
    names = {name: text.fit(text.one_line(name) or "(none)", 18) for name in counts}
    wide = max(text.width(name) for name in names.values())
    digits = max(len(f"{count:,}") for count in counts.values())
    room = max(6, min(40, (out.width or 80) - wide - digits - 4))
    for name, count in counts.items():
        bar = text.stripe(count, most, room, plain=out.dumb)
        out.line(f"  {text.fit(names[name], wide, pad=True)} {count:>{digits},} {out.style('category', bar)}".rstrip())


def doctor(args: argparse.Namespace, out: Output) -> int:
    """Check what can be checked here; `!` marks what is wrong, with the way out."""
    if args.simulate is not None:
        kind, seed = args.simulate
        return _simulate(kind, seed, out)
    from ghostie import codec
    from ghostie.crypto import agent, sodium
    from ghostie.crypto.unlock import read_key_file
    from ghostie.sync.config import load_config
    from ghostie.vault import upkeep

    if args.accelerate:
        from ghostie.cli.own import accelerate

        accelerate(args)
    findings: list[tuple[bool, str, str]] = []

    def found(what: str, good: bool = True, way: str = "") -> None:
        findings.append((good, what, way))

    layout = layout_of(args)
    vault = open_(args, load=False)
    found(f"secretbox and Argon2id from {sodium.TIER}, JSON from {codec.tier()}")
    _look_at_disk(layout, found, fix=args.fix)
    checked = upkeep.check(vault, progress=lambda done, total: out.progress(f"checked {done:,} of {total:,}"))
    found(f"{text.plural(checked.good, 'version')} open and say what their names say")
    way = "`ghostie doctor --fix` sets them aside; `ghostie sync repair` brings back what the store has"
    for stem in checked.damaged:
        found(f"version file {stem} is damaged or was tampered with", False, way)
    if checked.odd:
        forms = f"{text.plural(checked.odd, 'version')} of a form that is read but not written any more"
        found(f"{forms}: what follows them has the new one")
    for error in checked.unread:
        found(str(error), False, error.way_out() or "")
    for name in checked.strays:
        found(f"{text.one_line(name)} in memories/ is no file of ghostie's", False, "move it away")
    if args.fix and checked.damaged:
        upkeep.set_aside(vault, checked.damaged)
        found(f"set {text.plural(len(checked.damaged), 'file')} aside in {layout.quarantine}")
    try:
        vault.refresh()
    except CannotRead as error:  # it is among those above
        found(f"the index cannot be brought up to date: {error}", False, error.way_out() or "")
    else:
        found(f"the index knows {text.plural(len(vault.index), 'memory')}")
        _look_at_quarantine(vault, found, fix=args.fix)
    try:
        left = agent.seconds_left(layout)
        if left is not None and agent.fetch(layout, read_key_file(layout)) is None:
            way = "`ghostie lock` ends it, `ghostie unlock` holds the key of now"
            found("an agent holds a key that does not open this vault any more", False, way)
        else:
            found("locked" if left is None else f"unlocked for another {left // 60} min")
    except GhostieError as error:
        found(str(error), False, error.way_out() or "")
    try:
        config = load_config(layout)
        found(f"syncs with a {config.backend} store")
    except GhostieError as error:
        found(str(error), not files.is_there(layout.sync_config), error.way_out() or "")
    bad = sum(not good for good, _, _ in findings)
    if out.json:
        out.document([{"ok": good, "what": what, "hint": hint or None} for good, what, hint in findings])
    else:
        for good, what, hint in findings:
            out.line(f"{'ok' if good else '! '} {what}")
            if hint and not good:
                out.line(f"   {hint}")
    return ALARM if checked.damaged else 1 if bad else 0


def _look_at_quarantine(vault: Vault, found: Callable[..., None], *, fix: bool) -> None:
    from ghostie.vault import upkeep

    aside = upkeep.quarantine(vault)
    if len(aside):
        counts = [
            f"{text.plural(count, 'file')} {what}"
            for count, what in (
                (len(aside.whole), "of versions that open"),
                (aside.damaged, "of versions that do not open"),
                (aside.unread, "of versions that cannot be read"),
                (aside.objects, "from the store"),
            )
            if count
        ]
        way = "`ghostie doctor --fix` puts back what opens"
        found(f"in quarantine: {', '.join(counts)}", not aside.whole, way)
    if fix and aside.whole:
        upkeep.put_back(vault, aside.whole)
        found(f"put {text.plural(len(aside.whole), 'version')} back from the quarantine")


def _look_at_disk(layout: Layout, found: Callable[..., None], *, fix: bool) -> None:
    """Look whether folders and files are private, and whether everything can be written."""
    try:
        loose = files.open_to_others(layout.home, {layout.job}, close=fix)
        many = text.plural(len(loose), "file or folder", "files and folders")
        if loose and fix:
            found(f"closed {many} that others could look into, or this user not write")
        elif loose:
            way = "`ghostie doctor --fix` gives them the modes that they should have"
            found(f"{many} can be looked into by others, or not written by this user", False, way)
            for path in loose[:3]:
                found(f"{text.one_line(str(path))} has the mode {stat.S_IMODE(path.lstat().st_mode):o}", False)
        else:
            found("folders and files are private")
        for folder in layout.folders():
            if folder.exists():
                files.try_to_write(folder)
        found("what changes can be written to the disk")
    except CannotWrite as error:
        found(str(error), False, "make room on the disk, or see whose it is and whether it is read-only")
    if not layout.reserve.exists():
        way = "make room on the disk: the next command then keeps some"
        found("no room is kept for deleting on a full disk", False, way)


def _simulate(kind: str, seed: int, out: Output) -> int:
    """Show one simulated history, step by step, and whether everything that sync promises held in it."""
    from ghostie.simulator import simulate

    report = simulate(seed, kind)
    if out.json:
        out.document(report.record())
    else:
        for line in report.lines():
            out.prose(line)
    return 0 if report.broken is None else 1


def gc(args: argparse.Namespace, out: Output) -> None:
    from ghostie.vault import upkeep

    if args.history == 0:
        raise UsageError("at least one version of each memory stays", "give --history 1 or more")
    vault = open_(args)
    if args.history is not None and not args.dry_run and not args.yes:
        would = upkeep.tidy(vault, history=args.history, dry_run=True)
        if would.versions:
            confirm(f"drop {text.plural(would.versions, 'old version')} for good?", "--yes")
    done = upkeep.tidy(vault, history=args.history, dry_run=args.dry_run)
    dropped = "would drop" if args.dry_run else "dropped"
    old, files = text.plural(done.versions, "old version"), text.plural(done.quarantined, "file")
    record = {"versions": done.versions, "quarantined": done.quarantined, "dry_run": args.dry_run}
    out.done(record, f"{dropped} {old} and {files} of old quarantine")
