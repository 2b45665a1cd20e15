"""The three schedulers that may start a sync: systemd's user timers, cron, and Android's (by Termux:API).

What each makes carries a mark with the vault's name, by which it is found again: nothing else says that there is a
schedule. No secret is in it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from ghostie import files, text
from ghostie.errors import CannotRead, GhostieError, UsageError
from ghostie.paths import Layout
from ghostie.tools import Answer, NoAnswer, ask

MINUTE: Final = 60
ANDROID_LEAST: Final = 15 * MINUTE


class SchedulerFailed(GhostieError):
    message = "{tool} failed: {why}"
    hint = "{way_out}"


@dataclass(frozen=True, slots=True)
class Plan:
    """How often (seconds), what opens the vault then (file, keyring, command, unlock), on what network and power."""

    every: int
    key: str
    network: str = "any"
    power: str = "any"

    def mark(self, layout: Layout) -> str:
        """Return the words by which what was made for this vault is known again."""
        fields = f"every={self.every} key={self.key} network={self.network} power={self.power}"
        return f"{_mark(layout)} {fields}"


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A schedule that is there. *active* is whether its scheduler says that it has it; None if that cannot be told."""

    kind: str
    plan: Plan
    active: bool | None


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be run, as an argument list, and what its environment needs beyond the scheduler's bare one."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for word in (*self.argv, *self.environment.values()):
            if any(ord(character) < 32 or ord(character) == 127 for character in word):
                raise UsageError("a path with a line break or another control character cannot be scheduled")

    def shell(self) -> str:
        """Return the job as one line for /bin/sh."""
        settings = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        return " ".join([*settings, *map(shlex.quote, self.argv)])


class Scheduler(Protocol):
    """One of the three. All raise SchedulerFailed, and CannotWrite or CannotRead."""

    kind: str
    tool: str

    def here(self) -> bool: ...
    def check(self, plan: Plan) -> None: ...  # raises UsageError for what it cannot do
    def make(self, layout: Layout, plan: Plan, job: Job) -> None: ...  # in place of what was made before
    def find(self, layout: Layout) -> Scheduled | None: ...
    def remove(self, layout: Layout) -> bool: ...


# -- the mark --------------------------------------------------------------------------------------------------------

_FIELDS = re.compile(r"every=(\d{1,6}) key=(file|keyring|command|unlock) network=([a-z]+) power=([a-z-]+)")


def _mark(layout: Layout) -> str:
    return f"# ghostie sync {layout.name}"


def _plan(line: str, layout: Layout) -> Plan | None:
    """Return the plan that the mark of this vault's at the end of *line* has, or None if that is not one."""
    _, found, fields = line.rpartition(_mark(layout) + " ")
    fits = _FIELDS.fullmatch(fields) if found else None
    return Plan(int(fits[1]), fits[2], fits[3], fits[4]) if fits else None


# -- systemd ---------------------------------------------------------------------------------------------------------


class Systemd:
    """A service and a timer of this user's."""

    kind = "systemd"
    tool = "systemctl"

    def here(self) -> bool:
        if shutil.which(self.tool) is None:
            return False
        try:
            return _asked(self._command("show", "--property=Version")).returncode == 0
        except SchedulerFailed:
            return False

    def check(self, plan: Plan) -> None:
        if plan.network != "any":
            raise UsageError("systemd does not know whether a network is metered", "leave --network out")
        if plan.power == "not-low":
            raise UsageError("systemd does not know whether a battery is low", "give --power charging, or leave it out")

    def make(self, layout: Layout, plan: Plan, job: Job) -> None:
        service, timer = self._units(layout)
        files.make_folder(service.parent)
        was = self.find(layout) is not None
        files.write_all_durably(
            (
                (service, self.service(layout, plan, job).encode()),
                (timer, self.timer(layout, plan).encode()),
            )
        )
        try:
            self._do("daemon-reload")
            self._do("enable", timer.name)
            self._do("restart", timer.name)
        except SchedulerFailed:
            if not was:
                with contextlib.suppress(SchedulerFailed):
                    self.remove(layout)
            raise

    def service(self, layout: Layout, plan: Plan, job: Job) -> str:
        """Return the text of the service."""
        mains = "ConditionACPower=true\n" if plan.power == "charging" else ""
        return (
            f"{plan.mark(layout)}\n[Unit]\n{_description(layout)}\n{mains}"
            # a shell, because systemd itself takes no program whose path has a quote in it; ":" keeps it off the $
            f"\n[Service]\nType=oneshot\nExecStart=:/bin/sh -c {_unit_word(job.shell())}\n"
            "Nice=10\nIOSchedulingClass=idle\n"
        )

    def timer(self, layout: Layout, plan: Plan) -> str:
        """Return the text of the timer: soon after the start, then every so often, not in step with other devices."""
        spread = min(5 * MINUTE, plan.every // 4)
        return (
            f"{plan.mark(layout)}\n[Unit]\n{_description(layout)}\n"
            f"\n[Timer]\nOnActiveSec=1min\nOnUnitActiveSec={plan.every}s\n"
            f"RandomizedDelaySec={spread}s\nAccuracySec=30s\n\n[Install]\nWantedBy=timers.target\n"
        )

    def find(self, layout: Layout) -> Scheduled | None:
        _, timer = self._units(layout)
        try:
            first = files.read_named(timer, 1 << 16).decode(errors="replace").partition("\n")[0]
        except CannotRead:
            return None
        if (plan := _plan(first, layout)) is None:
            return None
        active: bool | None = None
        if shutil.which(self.tool) is not None:
            with contextlib.suppress(SchedulerFailed):
                said = _asked(self._command("is-active", timer.name)).stdout.strip()
                active = {b"active": True, b"inactive": False, b"failed": False}.get(said)
        return Scheduled(self.kind, plan, active)

    def remove(self, layout: Layout) -> bool:
        service, timer = self._units(layout)
        told = shutil.which(self.tool) is not None
        if told:
            with contextlib.suppress(SchedulerFailed):  # not loaded, or no user manager: the files are what counts
                self._do("disable", "--now", timer.name)
        wanted = timer.parent / "timers.target.wants" / timer.name
        gone = files.remove_durably((timer, service, *([wanted] if wanted.is_symlink() else [])))
        if told:
            with contextlib.suppress(SchedulerFailed):
                self._do("daemon-reload")
        return gone > 0

    def _units(self, layout: Layout) -> tuple[Path, Path]:
        named = os.environ.get("XDG_CONFIG_HOME")
        folder = (Path(named) if named and os.path.isabs(named) else Path.home() / ".config") / "systemd" / "user"
        return folder / f"ghostie-sync-{layout.name}.service", folder / f"ghostie-sync-{layout.name}.timer"

    def _command(self, *words: str) -> list[str]:
        return [self.tool, "--user", "--no-pager", *words]

    def _do(self, *words: str) -> None:
        _checked(
            self._command(*words), "`systemctl --user status` shows what is wrong; `--with cron` takes cron instead"
        )


def _description(layout: Layout) -> str:
    home = str(layout.home.absolute()).replace("%", "%%")
    return f'Description=ghostie: sync of "{home}"'  # in quotes, because a \\ at the end would join the next line


def _unit_word(word: str) -> str:
    """Return *word* as one word of a command in a unit file."""
    return '"' + word.replace("\\", "\\\\").replace("%", "%%").replace('"', '\\"') + '"'


# -- cron ------------------------------------------------------------------------------------------------------------


class Cron:
    """One marked line at the top of this user's crontab, before any setting that the person's own lines have."""

    kind = "cron"
    tool = "crontab"

    def here(self) -> bool:
        return shutil.which(self.tool) is not None

    def check(self, plan: Plan) -> None:
        if plan.network != "any" or plan.power != "any":
            raise UsageError("cron knows nothing of networks and batteries", "leave --network and --power out")
        moments(plan.every, 0)

    def make(self, layout: Layout, plan: Plan, job: Job) -> None:
        offset = int(layout.name, 16)  # of this vault's own, so that not all devices come at the same minute
        line = f"{moments(plan.every, offset)} {_cron_words(job.shell())} {plan.mark(layout)}\n"
        if len(os.fsencode(line)) > 998:
            raise UsageError(
                "the paths are too long for a line of cron's", "give a shorter --home or --passphrase-file"
            )
        self._write(os.fsencode(line) + _without(self._read(), layout))

    def find(self, layout: Layout) -> Scheduled | None:
        if not self.here():
            return None
        for line in self._read().split(b"\n"):
            if (plan := _plan(os.fsdecode(line), layout)) is not None:
                return Scheduled(self.kind, plan, not line.lstrip().startswith(b"#"))
        return None

    def remove(self, layout: Layout) -> bool:
        before = self._read()
        after = _without(before, layout)
        if after != before:
            self._write(after)
        return after != before

    def _read(self) -> bytes:
        done = _asked([self.tool, "-l"])
        if done.returncode == 0:
            return done.stdout
        if re.search(rb"no crontab|No such file", done.stderr):
            return b""
        raise SchedulerFailed(tool="crontab -l", why=_first_line(done), way_out="nothing was changed")

    def _write(self, content: bytes) -> None:
        way_out = "`crontab -l` shows what is there; `man 1 crontab` says who may use it"
        if not content:
            _checked([self.tool, "-r"], way_out)
            return
        _checked([self.tool, "-"], way_out, stdin=content)
        if self._read() != content:
            raise SchedulerFailed(tool="crontab", why="it did not keep what it was given", way_out=way_out)


def moments(every: int, offset: int) -> str:
    """Return the five fields of a cron line that comes round every so many seconds, moved by *offset*.

    Raises UsageError, naming what is possible, for what cron cannot say.
    """
    minutes, rest = divmod(every, MINUTE)
    hours = minutes // 60
    if not rest:
        if minutes < 60 and 60 % minutes == 0:
            return f"{_steps(offset % minutes, 59, minutes)} * * * *"
        minute = offset % 60
        if minutes % 60 == 0 and hours < 24 and 24 % hours == 0:
            return f"{minute} {_steps(offset // 60 % hours, 23, hours)} * * *"
        if minutes == 24 * 60:
            return f"{minute} {offset // 60 % 24} * * *"
    raise UsageError(
        "cron cannot do that so often",
        "it can every 1, 2, 3, 4, 5, 6, 10, 12, 15, 20 or 30 min, every 1, 2, 3, 4, 6, 8 or 12 h, and every 1 d",
    )


def _steps(first: int, last: int, step: int) -> str:
    return "*" if step == 1 else f"{first}-{last}/{step}"


def _cron_words(line: str) -> str:
    r"""Return a line for /bin/sh as cron takes it: there % is the end of it, \% is %, and some crons take \\ for \.

    Every \ stands within single quotes, so that these can be closed and opened again behind it.
    """
    return line.replace("\\", "\\''").replace("%", "\\%")


def _without(crontab: bytes, layout: Layout) -> bytes:
    lines = re.findall(rb"[^\n]*\n|[^\n]+", crontab)
    return b"".join(line for line in lines if _plan(os.fsdecode(line.rstrip(b"\n")), layout) is None)


# -- Android ---------------------------------------------------------------------------------------------------------


class Android:
    """A job of Android's own scheduler, by Termux:API, and the script that it runs."""

    kind = "android"
    tool = "termux-job-scheduler"
    way_out = (
        "install the Termux:API app from where Termux itself came from, and `pkg install termux-api`; "
        "open the app once, and try again"
    )

    def here(self) -> bool:
        return shutil.which(self.tool) is not None

    def check(self, plan: Plan) -> None:
        if plan.every < ANDROID_LEAST:
            raise UsageError("Android starts a job every 15 min at the most", "give --every 15m or longer")

    def make(self, layout: Layout, plan: Plan, job: Job) -> None:
        was = _read_script(layout)
        shell = shutil.which("sh") or "/system/bin/sh"
        files.write_durably(layout.job, f"#!{shell}\n{plan.mark(layout)}\n{job.shell()}\n".encode())
        layout.job.chmod(0o700)
        try:
            said = _checked(
                [
                    self.tool,
                    *("--script", str(layout.job.absolute()), "--job-id", str(self._number(layout))),
                    *("--period-ms", str(plan.every * 1000), "--persisted", "true"),
                    *("--network", plan.network),
                    *("--battery-not-low", _boolean(plan.power != "any")),
                    *("--charging", _boolean(plan.power == "charging")),
                ],
                self.way_out,
            )
            # it ends with 0 whatever comes of it
            if f"Pending Job {self._number(layout)}:".encode() not in said.stdout:
                raise SchedulerFailed(tool=self.tool, why=_first_line(said), way_out=self.way_out)
        except SchedulerFailed:
            if was is None:
                files.remove_durably([layout.job])
            raise

    def find(self, layout: Layout) -> Scheduled | None:
        if (script := _read_script(layout)) is None or (plan := _plan(script, layout)) is None:
            return None
        active: bool | None = None
        if self.here():
            with contextlib.suppress(SchedulerFailed):
                said = _asked([self.tool, "--pending"])
                active = f"Job {self._number(layout)}:".encode() in said.stdout
        return Scheduled(self.kind, plan, active)

    def remove(self, layout: Layout) -> bool:
        if self.here():
            _checked([self.tool, "--cancel", "--job-id", str(self._number(layout))], self.way_out)
        return files.remove_durably([layout.job]) > 0

    def _number(self, layout: Layout) -> int:
        return int(layout.name, 16) % (1 << 31)


def _read_script(layout: Layout) -> str | None:
    """Return the line of the script that has its mark; "" if there is none, None if there is no script."""
    try:
        lines = files.read(layout.job, 1 << 16).decode(errors="replace").split("\n")
    except (FileNotFoundError, CannotRead):
        return None
    return lines[1] if len(lines) > 1 else ""


def _boolean(truth: bool) -> str:
    return "true" if truth else "false"


SCHEDULERS: Final[tuple[Scheduler, ...]] = (Android(), Systemd(), Cron())


# -- asking the schedulers' tools ------------------------------------------------------------------------------------

PATIENCE: Final = {"termux-job-scheduler": 5.0, "systemctl": 20.0, "crontab": 20.0}


def _asked(argv: Sequence[str], stdin: bytes = b"") -> Answer:
    """Run a scheduler's tool. Raises SchedulerFailed if it does not start, or does not answer in time."""
    tool = argv[0]
    try:
        return ask(argv, PATIENCE[tool], stdin, {"LC_ALL": "C"})
    except NoAnswer as error:
        other = "another one can be taken: `--with systemd` or `--with cron`"
        way_out = Android.way_out if tool == Android.tool else other
        raise SchedulerFailed(tool=tool, why=f"it {error}", way_out=way_out) from None


def _checked(argv: Sequence[str], way_out: str, stdin: bytes = b"") -> Answer:
    done = _asked(argv, stdin)
    if done.returncode != 0:
        raise SchedulerFailed(tool=argv[0], why=_first_line(done), way_out=way_out)
    return done


def _first_line(done: Answer) -> str:
    said = text.excerpt((done.stderr.strip() or done.stdout.strip()).decode(errors="replace"), 200)
    return text.one_line(said) or f"it ended with exit code {done.returncode}"
