"""How the syncs of a vault went: a log of a line each, bounded in size, and what stands since the last good one.

Both hold times, counts and ghostie's own words for errors: nothing of a memory, and no secret.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from ghostie import codec, files, text
from ghostie.errors import (
    AuthFailed,
    BadJson,
    Brake,
    CannotRead,
    Damaged,
    ForeignVault,
    GhostieError,
    KeysRotated,
    NewerFormat,
    NoStore,
    PassphraseSource,
    RefusedKeyFile,
    StoreChanged,
    StoreRefused,
    Unreachable,
    UsageError,
    VaultBusy,
    WrongKey,
)
from ghostie.memory import stamp
from ghostie.paths import Layout
from ghostie.sync.engine import Pulled, Pushed
from ghostie.sync.reading import sentences
from ghostie.vault.vault import wall_clock

FORMAT: Final = 1
LOG_LIMIT: Final = 64 * 1024
ALARM: Final = 4
WORDS: Final = 300
GRACE: Final = 30

# a failure that only a person can mend: asking again soon is of no use, and a store may take it for an attack
STUBBORN = (
    AuthFailed,
    Brake,
    Damaged,
    ForeignVault,
    KeysRotated,
    NewerFormat,
    NoStore,
    PassphraseSource,
    RefusedKeyFile,
    StoreChanged,
    StoreRefused,
    WrongKey,
)
TRIES: Final = 3  # so many of them in a row before a pause
FIRST_PAUSE: Final = 30 * 60_000
LONGEST_PAUSE: Final = 24 * 3_600_000


class TookTooLong(GhostieError):
    exit_code = 20
    message = "the sync was not done after {minutes} min and was given up"
    hint = "nothing is lost; `ghostie sync run` goes on without a limit"


@dataclass(frozen=True, slots=True)
class Run:
    """One sync: when it began (Unix ms), how long it took (ms), and how it ended: ok, skipped or failed; *code* is 0
    or an exit code."""

    time: int
    took: int
    scheduled: bool
    outcome: str
    words: str
    code: int = 0

    def line(self) -> str:
        """Return the run as the log has it."""
        who = "scheduled" if self.scheduled else "by hand"
        return f"{stamp(self.time)}  {who:<9}  {self.outcome:<7}  {self.took / 1000:.1f} s  {self.words}"


@dataclass(frozen=True, slots=True)
class Record:
    """What stands now. *failures* counts from the last good sync on, which was at *good*; *since* is the first of them.

    *error* and *hint* are the last failure's words; before *pause* (Unix ms) no scheduled run tries again.
    """

    last: Run | None = None
    scheduled: Run | None = None
    good: int | None = None
    failures: int = 0
    stubborn: int = 0
    since: int | None = None
    error: str | None = None
    hint: str | None = None
    code: int = 0
    pause: int | None = None

    def sentence(self, now: int) -> str | None:
        """Return what a person should know where syncs fail: "last good sync 3 h ago, 12 failures: …"; else None."""
        if not self.failures:
            return None
        good = "no good sync yet" if self.good is None else f"last good sync {text.ago(self.good, now)} ago"
        return f"{good}, {text.plural(self.failures, 'failure')}: {self.error}"

    def holds_back(self, layout: Layout, now: int) -> bool:
        """Tell whether a scheduled run should wait: refused several times, and nothing was changed here since."""
        if self.pause is None or self.last is None or not 0 < self.pause - now <= LONGEST_PAUSE:
            return False
        return all(_changed(path) <= self.pause - self._length() for path in (layout.sync_config, layout.master_key))

    def _length(self) -> int:
        return min(LONGEST_PAUSE, FIRST_PAUSE << max(0, min(self.stubborn - TRIES, 16)))


def _changed(path: os.PathLike[str]) -> int:
    try:
        return os.stat(path).st_mtime_ns // 1_000_000
    except OSError:
        return 0


@dataclass(slots=True)
class Moved:
    """What a sync that is under way has moved; its parts are noted as they are done."""

    incoming: int = 0
    outgoing: int = 0
    new_key: bool = False
    renewed: int = 0
    conflicts: int = 0
    alarm: str | None = None
    reached: bool = field(default=False)

    def pulled(self, done: Pulled) -> Pulled:
        self.incoming = done.taken.new
        self.reached = True
        if done.alarms:
            # the record is in the clear, names are not
            self.alarm = sentences(replace(each, device="") for each in done.alarms)[0]
        return done

    def pushed(self, done: Pushed) -> Pushed:
        self.outgoing, self.new_key, self.renewed = done.versions, done.new_key, done.renewed
        # with nothing to push there was no request
        self.reached = self.reached or bool(done.segments or done.new_key or done.renewed)
        return done

    def words(self) -> str:
        parts = [f"pulled {self.incoming:,}"] if self.incoming else []
        parts += [f"pushed {self.outgoing:,}"] if self.outgoing else []
        parts += ["pushed a new key object"] if self.new_key else []
        parts += [f"renewed {text.plural(self.renewed, 'object')}"] if self.renewed else []
        parts += [text.plural(self.conflicts, "conflict")] if self.conflicts else []
        return ", ".join(parts) or "nothing new"


@contextlib.contextmanager
def recorded(
    layout: Layout,
    *,
    scheduled: bool = False,
    dry_run: bool = False,
    clock: Callable[[], int] = wall_clock,
) -> Iterator[Moved]:
    """Record how the sync within ends; what it raises goes on. A dry run leaves no trace, nor does a usage error.

    A vault that another process is syncing counts as skipped. Only what reached the store counts as good.
    """
    moved = Moved()
    began, started = clock(), time.monotonic()

    def note(outcome: str, words: str, error: GhostieError | None = None, code: int = 0) -> None:
        took = int((time.monotonic() - started) * 1000)
        code = error.exit_code if error is not None else code
        run = Run(began, took, scheduled, outcome, _said(words), code)
        if not dry_run:
            _note(layout, run, error, reached=moved.reached)

    try:
        yield moved
    except VaultBusy as error:
        note("skipped", str(error))
        raise
    except UsageError:
        raise
    except GhostieError as error:
        note("failed", str(error), error)
        raise
    except Exception as error:
        note("failed", f"a fault in ghostie ({type(error).__name__})", code=1)
        raise
    if moved.alarm:
        note("failed", f"alarm: {moved.alarm}", code=ALARM)
    else:
        note("ok", moved.words())


@contextlib.contextmanager
def bounded(
    layout: Layout, seconds: float, tell: Callable[[GhostieError], None], *, clock: Callable[[], int] = wall_clock
) -> Iterator[None]:
    """End this process if what is within takes longer than *seconds*: recorded, told, and with an exit code of its own.

    No exception could do it: one does not reach a system call that hangs, as on a network drive that is gone. Whatever
    a sync was at, a cut there loses nothing.
    """
    began = clock()

    def give_up() -> None:
        error = TookTooLong(minutes=max(1, round(seconds / 60)))
        run = Run(began, int(seconds * 1000), True, "failed", str(error), error.exit_code)
        try:
            _note(layout, run, error)
            tell(error)
        finally:
            os._exit(error.exit_code)

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    # should the disk that the record is on hang as well, the system ends the process
    before = signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(int(seconds) + GRACE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        timer.cancel()


def skip(layout: Layout, words: str, *, clock: Callable[[], int] = wall_clock) -> None:
    """Note that a scheduled run did nothing, and why."""
    _note(layout, Run(clock(), 0, True, "skipped", _said(words)), None)


def load(layout: Layout) -> Record:
    """Return what stands now; an empty record where there is none, or it is damaged."""
    try:
        spelt = codec.loads(files.read(layout.runs, 1 << 16))
        if spelt.pop("format") != FORMAT:
            return Record()
        last, scheduled = _run(spelt.pop("last")), _run(spelt.pop("scheduled"))
        record = Record(last=last, scheduled=scheduled, **spelt)
        numbers = (record.good, record.since, record.pause)
        fits = all(isinstance(number, int | None) for number in numbers)
        return record if fits and isinstance(record.failures, int) and isinstance(record.stubborn, int) else Record()
    except (FileNotFoundError, CannotRead, BadJson, KeyError, TypeError, AttributeError):
        return Record()


def tail(layout: Layout, count: int = 20) -> list[str]:
    """Return the newest *count* lines of the log, oldest first."""
    try:
        lines = files.read(layout.runs_log, 2 * LOG_LIMIT).decode(errors="replace").splitlines()
    except (FileNotFoundError, CannotRead):
        return []
    return [text.one_line(line) for line in lines[-count:]] if count else []


def _run(spelt: Mapping[str, Any] | None) -> Run | None:
    return None if spelt is None else Run(**spelt)


def _said(words: str) -> str:
    return text.fit(text.one_line(words), WORDS)


def _note(layout: Layout, run: Run, error: GhostieError | None, *, reached: bool = False) -> None:
    """Add *run* to the record and the log. What cannot be written is let go: the sync itself says what is wrong."""
    with contextlib.suppress(GhostieError), files.locked(layout.runs_lock):
        record = _after(load(layout), run, error, reached)
        files.write_durably(layout.runs, codec.dumps({"format": FORMAT, **asdict(record)}) + b"\n")
        _log(layout, run)


def _after(record: Record, run: Run, error: GhostieError | None, reached: bool) -> Record:
    record = replace(record, last=run, scheduled=run if run.scheduled else record.scheduled)
    if run.outcome == "skipped" or (run.outcome == "ok" and not reached):
        return record
    if run.outcome == "ok":
        return Record(last=record.last, scheduled=record.scheduled, good=run.time)
    lasting = isinstance(error, STUBBORN) or (isinstance(error, Unreachable) and error.lasting)
    record = replace(
        record,
        failures=record.failures + 1,
        stubborn=record.stubborn + 1 if lasting else 0,
        since=run.time if record.since is None else record.since,
        error=run.words,
        hint=_said(error.way_out() or "") or None if error is not None else None,
        code=run.code,
        pause=None,
    )
    if record.stubborn >= TRIES:
        record = replace(record, pause=run.time + run.took + record._length())
    return record


def _log(layout: Layout, run: Run) -> None:
    line = f"{run.line()}\n".encode()
    try:
        held = files.read(layout.runs_log, 2 * LOG_LIMIT)
    except FileNotFoundError:
        held = b""
    except CannotRead:  # far too large, or no plain file: begun anew
        files.remove_durably([layout.runs_log])
        held = b""
    if len(held) + len(line) <= LOG_LIMIT:
        files.append_durably(layout.runs_log, line, durable=False)
        return
    kept = held[-LOG_LIMIT // 2 :].partition(b"\n")[2]
    files.write_durably(layout.runs_log, kept + line)
