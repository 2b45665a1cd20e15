"""Syncs without a person: a job that this system's scheduler starts every so often, made, found and removed here."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ghostie.crypto.unlock import Sources, read_key_file, unattended
from ghostie.errors import GhostieError, UsageError
from ghostie.paths import Layout
from ghostie.sync.config import load_config
from ghostie.sync.schedulers import MINUTE, SCHEDULERS, Job, Plan, Scheduled, Scheduler, SchedulerFailed

LONGEST: Final = 7 * 86_400
NETWORKS = ("any", "unmetered")
POWERS = ("any", "not-low", "charging")


class NoScheduler(GhostieError):
    message = "there is nothing here that could start a sync by itself: no {looked_for}"
    hint = (
        "install cron (on Termux: `pkg install termux-api` and the Termux:API app), or run `ghostie sync run` yourself"
    )


class NothingOpens(GhostieError):
    exit_code = 12
    message = "nothing would open this vault when nobody is there to type the passphrase"
    hint = (
        "give --passphrase-file FILE, set GHOSTIE_PASSPHRASE_COMMAND, or keep it in the desktop keyring; "
        "with --anyway it syncs only while `ghostie unlock` holds the key"
    )


# -- what the two faces and the installer call -----------------------------------------------------------------------


def schedule(
    layout: Layout,
    every: int,
    *,
    kind: str | None = None,
    network: str | None = None,
    power: str | None = None,
    passphrase_file: Path | None = None,
    anyway: bool = False,
) -> Scheduled:
    """Let this vault sync every so many seconds, in place of any schedule that it has; return what was made.

    *kind* is android, systemd or cron; by default the first of these that is here. Raises NoVault, NoStore,
    NothingOpens (unless *anyway*), WrongKey or PassphraseSource (from what would open it), NoScheduler,
    SchedulerFailed or UsageError.
    """
    if not MINUTE <= every <= LONGEST:
        raise UsageError("a schedule can be as short as 1 min and as long as 7 d")
    file = read_key_file(layout)
    load_config(layout)
    chosen = _choose(kind)
    thrifty = chosen.kind == "android"
    network = network or ("unmetered" if thrifty else "any")
    power = power or ("not-low" if thrifty else "any")
    chosen.check(Plan(every, "", network, power))
    # asked as the job will ask: the same sources, in an environment as bare as the job's
    sources = Sources(file=passphrase_file, environ={**_bare(), **_set_here(_COMMAND)})
    key = unattended(file, sources) or "unlock"
    if key == "unlock" and not anyway:
        raise NothingOpens()
    job = _job(layout, chosen.kind, every, key, passphrase_file)
    plan = Plan(every, key, network, power)
    chosen.make(layout, plan, job)
    for other in SCHEDULERS:
        if other is not chosen and _found(other, layout) is not None:
            other.remove(layout)
    return Scheduled(chosen.kind, plan, True)


def unschedule(layout: Layout) -> list[str]:
    """Remove whatever was made for this vault, and nothing else; return the kinds. Works without a vault, too."""
    removed: list[str] = []
    unasked: SchedulerFailed | None = None
    for each in SCHEDULERS:
        try:
            there = each.find(layout) is not None
        except SchedulerFailed as error:
            unasked = error
            continue
        if there and each.remove(layout):
            removed.append(each.kind)
    if unasked is not None and not removed:
        raise unasked
    return removed


def find(layout: Layout) -> Scheduled | None:
    """Return this vault's schedule, or None. A scheduler that does not answer has none."""
    return next((found for each in SCHEDULERS if (found := _found(each, layout)) is not None), None)


def _found(scheduler: Scheduler, layout: Layout) -> Scheduled | None:
    with contextlib.suppress(SchedulerFailed):
        return scheduler.find(layout)
    return None


def outlives_logout() -> bool:
    """Tell whether this user's systemd timers run while the user is not logged in."""
    import getpass

    with contextlib.suppress(OSError, KeyError):
        return Path("/var/lib/systemd/linger", getpass.getuser()).exists()
    return False


def _choose(kind: str | None) -> Scheduler:
    looked_for = [each for each in SCHEDULERS if kind in (None, each.kind)]
    for each in looked_for:
        if each.here():
            return each
    raise NoScheduler(looked_for=" and no ".join(each.tool for each in looked_for))


# -- the job ---------------------------------------------------------------------------------------------------------

_COMMAND: Final = ("GHOSTIE_PASSPHRASE_COMMAND", "PATH")
_ANDROID: Final = ("HOME", "PREFIX", "PATH", "TMPDIR", "LANG", "ANDROID_DATA", "ANDROID_ROOT")


def _bare() -> dict[str, str]:
    """Return what cron would give a job."""
    return {"HOME": str(Path.home()), "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh"}


def _set_here(names: Sequence[str]) -> dict[str, str]:
    return {name: os.environ[name] for name in names if os.environ.get(name)}


def _job(layout: Layout, kind: str, every: int, key: str, passphrase_file: Path | None) -> Job:
    program, environment = _program()
    if kind != "systemd":  # which says itself where the agent and the keyring are found
        environment |= _set_here(["XDG_RUNTIME_DIR"])
        environment |= _set_here(["DBUS_SESSION_BUS_ADDRESS"] if key == "keyring" else [])
    environment |= _set_here(_COMMAND if key == "command" else [])
    environment |= _set_here(_ANDROID if kind == "android" else [])
    argv = [*program, "--home", str(layout.home.absolute())]
    if passphrase_file is not None:
        argv += ["--passphrase-file", str(passphrase_file.absolute())]
    argv += ["sync", "run", "--scheduled"]
    if kind == "cron":
        argv.append(str(min(MINUTE, every // 4)))  # the other two spread their jobs themselves
    return Job(tuple(argv), environment)


def _program() -> tuple[list[str], dict[str, str]]:
    """Return how ghostie is started, so that it is still so after an upgrade, and what its environment needs."""
    started = sys.argv[0]  # the launcher that install.sh makes: it outlives upgrades of ghostie and of Python
    if os.path.basename(started) == "ghostie":
        found = shutil.which(started)
        if found is not None:
            return [os.path.abspath(found)], {}
    package = str(Path(__file__).resolve().parents[2])
    paths = [os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return [sys.executable, "-P", "-m", "ghostie"], ({"PYTHONPATH": package} if package in paths else {})
