"""Syncs without a person: `sync auto`, which schedules them, and what the schedule runs."""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ghostie import files, text
from ghostie.cli.output import Output
from ghostie.cli.session import SPANS, layout_of, open_, seconds_in
from ghostie.errors import ApiSilent, GhostieError, NoVault, UsageError, VaultBusy
from ghostie.memory import stamp

if TYPE_CHECKING:
    from ghostie.paths import Layout
    from ghostie.sync.schedulers import Scheduled

ALARM = 4
DEADLINE = 30 * 60.0
LONGEST_WAIT = 600
_KINDS = {"systemd": "a systemd user timer", "cron": "a line in the crontab", "android": "an Android job"}
_KEYS = {
    "file": "the passphrase is in a file",
    "keyring": "the passphrase is in the desktop keyring",
    "command": "the passphrase comes from GHOSTIE_PASSPHRASE_COMMAND",
    "unlock": "only while `ghostie unlock` holds the key",
}
_NETWORKS = {"any": "", "unmetered": ", only on a network that is not metered"}
_POWERS = {"any": "", "not-low": ", not while the battery is low", "charging": ", only while charging"}


def auto(args: argparse.Namespace, out: Output) -> None:
    from ghostie.sync import schedule

    layout = layout_of(args)
    if args.action == "off":
        if args.every is not None:
            raise UsageError("--every and off do not go together")
        kinds = schedule.unschedule(layout)
        gone = f"removed {' and '.join(_KINDS[kind] for kind in kinds)}"
        out.done({"removed": kinds}, gone if kinds else "there was no schedule")
        return
    if not files.is_there(layout.master_key):
        raise NoVault(home=layout.home)
    if args.every is None:
        if args.action is None and (args.with_ or args.network or args.power or args.anyway):
            raise UsageError("how often?", "give --every 15m, or another time")
        _show(out, layout, schedule.find(layout))
        return
    if args.action is not None:
        raise UsageError("--every and status do not go together")
    file = Path(args.passphrase_file).expanduser() if args.passphrase_file else None
    made = schedule.schedule(
        layout,
        seconds_in(args.every, {**SPANS, "m": 60}, "15m, 1h or 1d"),
        kind=args.with_,
        network=args.network,
        power=args.power,
        passphrase_file=file,
        anyway=args.anyway,
    )
    if out.json:
        out.document(_document(layout, made))
        return
    out.note(f"from now on this vault syncs {_often(made)} · `ghostie sync auto status` shows how it goes")
    if made.plan.key == "unlock":
        out.warn("nothing but `ghostie unlock` opens this vault: syncs fail whenever that has run out")
    if file and file.stat().st_mode & 0o077:
        out.warn(f"other users may read {args.passphrase_file}: `chmod 600` keeps it yours")
    if made.kind == "systemd" and not schedule.outlives_logout():
        out.note("while you are logged in; `loginctl enable-linger` lets it run at all times")


def _often(found: Scheduled) -> str:
    plan = found.plan
    span = next(f"{plan.every // size:,} {name}" for name, size in reversed(SPANS.items()) if plan.every % size == 0)
    return f"every {span}, by {_KINDS[found.kind]}{_NETWORKS.get(plan.network, '')}{_POWERS.get(plan.power, '')}"


def _show(out: Output, layout: Layout, found: Scheduled | None) -> None:
    from ghostie.sync import runs

    if out.json:
        out.document(_document(layout, found))
        return
    record = runs.load(layout)
    now = time.time_ns() // 1_000_000
    if found is None:
        out.line("schedule   none")
        out.note("`ghostie sync auto --every 15m` makes one")
    else:
        out.line(f"schedule   {_often(found)}")
        out.line(f"key        {_KEYS[found.plan.key]}")
        if found.active is False:
            out.line(out.style("bad", "           it is switched off there"))
            out.note("`ghostie sync auto --every TIME` makes it anew")
    if (last := record.scheduled) is not None:
        late = found is not None and now - last.time > 2000 * found.plan.every
        overdue = ", overdue" if late else ""
        out.line(f"last run   {text.ago(last.time, now)} ago{overdue}: {last.outcome}, {text.one_line(last.words)}")
    elif found is not None:
        out.line("last run   none yet")
    tell_failing(out, layout, now)
    if files.is_there(layout.runs_log):
        out.line(f"log        {text.one_line(str(layout.runs_log))}")


def tell_failing(out: Output, layout: Layout, now: int) -> None:
    """Say how many syncs failed since the last good one, and the way out; nothing where none did."""
    from ghostie.sync import runs

    record = runs.load(layout)
    if (sentence := record.sentence(now)) is None:
        return
    out.line(out.style("bad", f"failing    {text.one_line(sentence)}"))
    if record.hint:
        out.line(f"           {text.one_line(record.hint)}")
    if record.holds_back(layout, now) and record.pause is not None:
        minutes = max(1, (record.pause - now) // 60_000)
        out.line(f"           the schedule waits {minutes:,} min more · `ghostie sync run` tries now")


def failing(layout: Layout) -> dict[str, Any]:
    """Return what JSON output says of the syncs since the last good one."""
    from ghostie.sync import runs

    record = runs.load(layout)
    return {
        "last_good": stamped(record.good),
        "failures": record.failures,
        "failing_since": stamped(record.since),
        "failure": record.error,
    }


def stamped(moment: int | None) -> str | None:
    return None if moment is None else stamp(moment)


def _document(layout: Layout, found: Scheduled | None) -> dict[str, Any]:
    from ghostie.sync import runs

    last = runs.load(layout).scheduled
    return {
        "installed": found and found.kind,
        "active": found and found.active,
        **{name: found and getattr(found.plan, name) for name in ("every", "key", "network", "power")},
        "last_run": last and {"time": stamp(last.time), "outcome": last.outcome, "words": last.words, "ms": last.took},
        **failing(layout),
        "log": str(layout.runs_log),
    }


# -- what the schedule runs ------------------------------------------------------------------------------------------


def scheduled(args: argparse.Namespace, out: Output) -> int:
    """Sync once as nobody watches: asks nothing, ends in time, and says only what was not said before.

    What fails is counted for `sync status`; another sync that is under way is no failure, and a conflict is none.
    """
    from ghostie.sync import runs

    layout = layout_of(args)
    if args.dry_run:
        raise UsageError("--scheduled and --dry-run do not go together")
    if not files.is_there(layout.master_key):
        raise NoVault(home=layout.home)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # from here on there is nobody to ask, whatever wants to
    time.sleep(secrets.SystemRandom().uniform(0, min(args.scheduled, LONGEST_WAIT)))
    before = runs.load(layout)
    if before.holds_back(layout, time.time_ns() // 1_000_000):
        runs.skip(layout, f"waiting after {text.plural(before.failures, 'failure')}: {before.error}")
        return 0
    from ghostie.sync import engine
    from ghostie.sync.link import connect
    from ghostie.vault.conflicts import open_conflicts

    try:
        with (
            runs.bounded(layout, DEADLINE, lambda error: out.error(str(error), error.way_out())),
            runs.recorded(layout, scheduled=True) as moved,
        ):
            link = connect(open_(args, load=False))
            moved.pulled(engine.pull(link, yes=args.yes))
            moved.pushed(engine.push(link))
            moved.conflicts = len(open_conflicts(link.vault))
    except VaultBusy:
        return 0
    except GhostieError as error:
        if before.failures and before.code == error.exit_code:
            return error.exit_code
        raise
    _tell_the_phone(moved.conflicts)
    if moved.alarm:
        if before.code != ALARM:
            out.warn(f"alarm: {moved.alarm}")
        return ALARM
    return 0


def _tell_the_phone(conflicts: int) -> None:
    """Show on a phone's screen what waits for a person; a phone that does not answer is no failure of a sync."""
    from ghostie import termux

    if termux.here():
        from ghostie.cli.phone import tell

        with contextlib.suppress(ApiSilent):
            tell(conflicts)
