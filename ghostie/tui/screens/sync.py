"""Sync: where this device stands, what would move before it moves, and moving it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partialmethod
from pathlib import Path
from typing import Any, Final

from ghostie import text
from ghostie.errors import BadMemory, Brake, GhostieError, Unreachable
from ghostie.memory import local, millis
from ghostie.tui.actions import Action
from ghostie.tui.bases import Telling, Working
from ghostie.tui.explain import ALARMS, ALARMS_OF_MANY, ARRIVING, LITTER, NOTICES, explained
from ghostie.tui.keeper import Cancelled
from ghostie.tui.screens.prompts import QuestionPlace, confirm
from ghostie.tui.sheets import Sheet

EVERY: Final = 3600
SPANS: Final = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
BY: Final = {"systemd": "a systemd timer", "cron": "cron", "android": "an Android job"}
WITH: Final = {
    "file": "a file has the passphrase",
    "keyring": "the desktop keyring has the passphrase",
    "command": "a command gives the passphrase",
    "unlock": "only while `ghostie unlock` holds the key",
}
ELSE: Final = "What the alarms are not about goes on as ever. A repair says what it would do before it does it."


class SyncPlace(Working, Telling):
    NAME = "sync"
    TITLE_WORDS = "Sync"
    WIDEST = 100

    def __init__(self) -> None:
        super().__init__()
        self._found: Mapping[str, Any] | None = None
        self._automatic: Mapping[str, Any] | None = None
        self._unscheduled = ""
        self._outcome: list[tuple[str, str | None]] = []
        self._problem: tuple[str, str] | None = None
        self._tying = False  # whether the questions on a store were opened from here
        self._away = False  # whether the problem is a store that does not answer: nothing there is to be repaired

    # -- asking ------------------------------------------------------------------------------------------------------

    def opened(self) -> None:
        self.ask("sync.standing", self._first_look)

    def _first_look(self, found: Mapping[str, Any]) -> None:
        self._stands(found)
        if found["store"] is not None:
            self.ask_long("sync.automatic", self._scheduled, failed=self._not_scheduled)
            self.do_look()

    def _stands(self, found: Mapping[str, Any]) -> None:
        self._found = found
        self.ghostie.stand({"unsynced": found.get("ahead")})
        if found.get("size") is not None:
            self.ghostie.stand({"store_size": found["size"]})
        self.show()
        self.repaint()

    def _scheduled(self, found: Mapping[str, Any]) -> None:
        self._automatic, self._unscheduled = found, ""
        self.show()

    def _not_scheduled(self, error: GhostieError) -> None:
        self._unscheduled = str(error)
        self.show()

    def changed(self) -> None:
        if self._tying:
            self._tying, self._problem, self._outcome = False, None, []
            self.ask("sync.standing", self._first_look)
        elif self.under_way is None:
            self.ask("sync.standing", self._again, latest="standing")

    def _again(self, found: Mapping[str, Any]) -> None:
        """Take in where this device stands now, and keep what the last look at the store showed."""
        before = self._found or {}
        if found["store"] is None or not before.get("looked"):
            self._stands(found)
            if found["store"] is not None and not before.get("store"):
                self.do_look()
        else:
            kept = ("looked", "behind", "objects", "size", "incoming", "outgoing", "notices", "litter")
            self._stands({**found, **{name: before[name] for name in kept if name in before}})

    # -- what is shown -----------------------------------------------------------------------------------------------

    def show(self) -> None:
        self.resized()

    def put_down(self, sheet: Sheet) -> None:
        self.progress(sheet)
        if self._outcome:
            sheet.gap()
            for said, style in self._outcome:
                sheet.say(said, style)
        if self._problem:
            sheet.gap()
            sheet.say(self._problem[0], "bad", sign="!")
            sheet.say(self._problem[1], indent=2)
        found = self._found
        if found is None:
            sheet.say("…", "dim")
        elif found["store"] is None:
            self._nowhere(sheet)
        else:
            self._alarms(sheet, found)
            self._arriving(sheet, found)
            sheet.gap()
            self._facts(sheet, found)
            self._moves(sheet, found)
            self._last(sheet, found)

    def _nowhere(self, sheet: Sheet) -> None:
        sheet.say("This vault is on this device only.", "strong")
        sheet.gap()
        sheet.say(
            "A store is where your devices meet: a folder, a bucket, or gists. What goes there is sealed here first, so"
            " that the store sees nothing but noise."
        )
        sheet.gap()
        sheet.say(f"{self._key('setup')}  choose a store")
        sheet.say(f"{self._key('join')}  join by a code that another device shows")

    def _alarms(self, sheet: Sheet, found: Mapping[str, Any]) -> None:
        if not found["alarms"]:
            return
        sheet.gap()
        sheet.say(f"{text.plural(len(found['alarms']), 'alarm')}: the store is not as it should be", "bad", sign="!")
        for alarm in found["alarms"]:
            sheet.say(text.one_line(alarm["sentence"]), "bad", indent=2)
            sheet.say(ALARMS.get(alarm["kind"], ALARMS_OF_MANY).said(self._key), indent=4)
        sheet.say(ELSE, indent=2)

    def _arriving(self, sheet: Sheet, found: Mapping[str, Any]) -> None:
        """Say what is on its way: no alarm, and nothing to be done but to wait."""
        if not (coming := found.get("arriving")):
            return
        sheet.gap()
        sheet.say("On its way", "warn", sign="…")
        for each in coming:
            missed = f", missed for {text.ago(each['since'], found['now'])}" if each["since"] is not None else ""
            sheet.say(text.one_line(each["sentence"]) + missed, indent=2)
        sheet.say(ARRIVING.said(self._key), indent=4)

    def _facts(self, sheet: Sheet, found: Mapping[str, Any]) -> None:
        now, store = found["now"], found["store"]
        sheet.fact("store", f"{store['backend']} {store['place']}".strip())
        ahead = f"{text.plural(found['ahead'], 'version')} to send" if found["ahead"] else "nothing to send"
        waiting = f", {text.plural(found['waiting'], 'object')} half sent" if found["waiting"] else ""
        sheet.fact("here", ahead + waiting)
        if found["behind"] is not None:
            behind = (
                f"{text.plural(found['behind'], 'version')} to take in" if found["behind"] else "nothing to take in"
            )
            sheet.fact("there", f"{behind} · {text.plural(found['objects'], 'object')}, {text.size(found['size'])}")
        good = "none yet" if found["good"] is None else f"{text.ago(found['good'], now)} ago"
        sheet.fact("last sync", good)
        if found["failing"]:
            sheet.fact("failing", found["failing"], "bad")
            if found["hint"]:
                sheet.fact("", found["hint"])
        if found["conflicts"]:
            sheet.fact("conflicts", f"! {found['conflicts']:,} to look at", "warn")
        if found.get("litter"):
            sheet.fact("litter", f"{text.one_line(found['litter'])} · {LITTER}")
        sheet.fact("automatic", self._said_of_schedule())
        sheet.fact("devices", ", ".join(text.one_line(each["name"]) or each["writer"][:6] for each in found["devices"]))

    def _said_of_schedule(self) -> str:
        if self._unscheduled:
            return self._unscheduled
        found = self._automatic
        if found is None:
            return "…"
        if found["kind"] is None:
            return f"off · {self._key('automatic')} lets this device sync by itself"
        span = next(f"{found['every'] // size:,} {name}" for size, name in SPANS if found["every"] % size == 0)
        off = ", but it is switched off there" if found["active"] is False else ""
        return f"every {span}, by {BY[found['kind']]}; {WITH[found['key']]}{off}"

    def _moves(self, sheet: Sheet, found: Mapping[str, Any]) -> None:
        incoming = found.get("incoming")
        if incoming is None:
            return
        for notice in found.get("notices", ()):
            sheet.gap()
            sheet.say(text.one_line(notice["sentence"]), "warn", sign="!")
            sheet.say(NOTICES[notice["kind"]].said(self._key), indent=2)
        outgoing = found.get("outgoing") or {}
        if not (incoming["versions"] or found["ahead"] or outgoing.get("new_key")):
            if found["alarms"]:
                return
            sheet.gap()
            sheet.say("Nothing would move: this device and the store have the same.", "good")
            return
        sheet.title("a sync would")
        if incoming["versions"]:
            sheet.fact("take in", f"{text.plural(incoming['versions'], 'version')}")
            for sign, count, what in (
                ("+", incoming["new"], "new"),
                ("~", incoming["changed"], "changed"),
                ("x", incoming["removed"], "removed"),
                ("!", incoming["both"], "edited here as well: merged, or a conflict to look at"),
            ):
                if count:
                    sheet.fact("", f"{sign} {count:,} {what}", "warn" if sign in "x!" else None)
        if found["ahead"]:
            memories = outgoing.get("memories")
            of = f" of {text.plural(memories, 'memory')}" if memories else ""
            sheet.fact("send", f"{text.plural(found['ahead'], 'version')}{of}")
        if outgoing.get("new_key"):
            sheet.fact("send" if not found["ahead"] else "", "the vault's new key object")

    def _last(self, sheet: Sheet, found: Mapping[str, Any]) -> None:
        if found["runs"]:
            sheet.title("the last runs")
            for line in reversed(found["runs"]):
                sheet.say(_short_run(text.one_line(line)), "dim")

    def _key(self, name: str) -> str:
        return self.key_of(f"sync.{name}")

    # -- actions -----------------------------------------------------------------------------------------------------

    def can(self, action: Action) -> bool:
        tied = bool(self._found and self._found["store"])
        if action.name in ("refresh", "sync"):
            return False
        if action.where != self.NAME:
            return True
        if action.name == "stop":
            return self.under_way is not None
        if self.busy or self._found is None:
            return False
        if action.name == "setup":
            return True
        if action.name == "repair":
            return bool(self._found.get("alarms") or (self._problem and not self._away))
        if action.name == "automatic":
            return tied and self._automatic is not None
        return tied or action.name == "join"

    def do_look(self) -> None:
        self._outcome = []
        self.start("looking at the store", "sync.look", self._looked, failed=self._not_looked, gentle=True)

    def _looked(self, found: Mapping[str, Any]) -> None:
        self._problem = None
        self._stands(found)

    def _not_looked(self, error: GhostieError) -> None:
        if isinstance(error, Cancelled):
            self.failed(error)
        else:
            self._problem = self._in_words(error)
            self._away = isinstance(error, Unreachable)

    def _move(self, said: str, *, pull: bool, push: bool, yes: bool = False) -> None:
        self._outcome, self._problem = [], None

        def failed(error: GhostieError) -> None:
            if isinstance(error, Brake):
                self._ask_brake(error, lambda: self._move(said, pull=pull, push=push, yes=True))
            else:
                self._not_moved(error)

        self.start(said, "sync.move", self._moved, failed=failed, pull=pull, push=push, yes=yes)

    do_run = partialmethod(_move, "syncing", pull=True, push=True)
    do_pull = partialmethod(_move, "taking in", pull=True, push=False)
    do_push = partialmethod(_move, "sending", pull=False, push=True)

    def _ask_brake(self, error: GhostieError, go_on: Callable[[], None]) -> None:
        count, total = error.facts.get("count", 0), error.facts.get("total", 0)
        question = QuestionPlace(
            f"This sync would remove {count:,} of your {total:,} memories here.",
            "They were removed on another device. If that was meant, go on: each can still be brought back from the"
            " trash. If it was not, say no: nothing was changed, and the other device may be asked why.",
        )
        self.open(question, lambda said: go_on() if said else self.tell("nothing was changed"))

    def _not_moved(self, error: GhostieError) -> None:
        self._not_looked(error)
        self._stale()

    def _in_words(self, error: GhostieError) -> tuple[str, str]:
        """Return what *error* says, and what it means and what can be done about it."""
        more = explained(error)
        return str(error), more.said(self._key) if more is not None else error.way_out() or "nothing is lost"

    def _moved(self, done: Mapping[str, Any]) -> None:
        self._outcome = [*_said(done), *self._noted(done)]
        self._stale()
        self.ghostie.changed()

    def _noted(self, done: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
        for notice in done["notices"]:
            yield f"! {text.one_line(notice['sentence'])}", "warn"
            yield NOTICES[notice["kind"]].said(self._key), None

    def _stale(self) -> None:
        """Ask again where this device stands: what the store was seen to have is no longer so."""
        self._found = {**self._found, "looked": False} if self._found else None
        self.ask("sync.standing", self._stands, latest="standing")

    def do_repair(self) -> None:
        self.start("looking what there is to repair", "sync.repair", self._would_repair, dry_run=True)

    def _would_repair(self, done: list[str]) -> None:
        if not done:
            self._outcome = [("there is nothing to repair", None)]
            return
        would = "\n".join(f"· {text.one_line(each)}" for each in done)
        confirm(self, "Repair the store?", f"It would:\n{would}", self._repair)

    def _repair(self) -> None:
        self.start("repairing", "sync.repair", self._repaired, dry_run=False)

    def _repaired(self, done: list[str]) -> None:
        self._problem = None
        self._outcome = [("Repaired.", "good"), *((f"· {text.one_line(each)}", None) for each in done)]
        self._stale()

    def do_verify(self) -> None:
        self._outcome = []
        self.start("checking", "sync.verify", self._verified)

    def _verified(self, done: Mapping[str, Any]) -> None:
        if done["problems"]:
            self._away = False
            self._problem = (
                f"{text.plural(len(done['problems']), 'problem')} found",
                "\n".join(text.one_line(each) for each in done["problems"][:20]),
            )
        else:
            good = text.plural(done["good"], "version")
            self._outcome = [(f"{good} here and every object on the store are whole", "good")]

    def do_automatic(self) -> None:
        found = self._automatic or {}
        if found.get("kind"):
            confirm(
                self,
                "Let this device no longer sync by itself?",
                "S and enter still sync when you say so.",
                lambda: self._schedule(0),
                bad=False,
            )
        else:
            confirm(
                self,
                "Let this device sync by itself, once an hour?",
                "This system's scheduler starts it. `ghostie sync auto` takes other times, and a word on batteries.",
                lambda: self._schedule(EVERY),
                bad=False,
            )

    def _schedule(self, every: int, *, anyway: bool = False) -> None:
        if every:
            self.start(
                "asking the scheduler",
                "sync.schedule",
                self._made_schedule,
                every=every,
                program=str(Path(sys.argv[0]).absolute()),
                anyway=anyway,
            )
        else:
            self.start("asking the scheduler", "sync.unschedule", lambda kinds: self._scheduled({"kind": None}))

    def _made_schedule(self, made: Mapping[str, Any] | None) -> None:
        if made is not None:
            self._scheduled(made)
            return
        confirm(
            self,
            "Nothing here opens the vault when nobody is there to type the passphrase. Sync by itself all the same?",
            "It then syncs only while `ghostie unlock` holds the key. `ghostie sync auto --passphrase-file FILE` takes"
            " the passphrase from a file, and the desktop keyring serves, too.",
            lambda: self._schedule(EVERY, anyway=True),
            bad=False,
        )

    def do_devices(self) -> None:
        from ghostie.tui.screens.devices import DevicesPlace

        self.open(DevicesPlace())

    def do_invite(self) -> None:
        from ghostie.tui.screens.devices import InvitePlace

        self.open(InvitePlace())

    def _begin(self, how: str) -> None:
        from ghostie.tui.screens.beginning import BeginningPlace

        self._tying = True
        self.open(BeginningPlace(how=how))

    do_setup = partialmethod(_begin, "store")
    do_join = partialmethod(_begin, "code")


def _short_run(line: str) -> str:
    """Return a line of the log of runs by the person's own clock, without the gaps of its columns."""
    moment, _, rest = line.partition("  ")
    try:
        return f"{local(millis(moment))}  {' '.join(rest.split())}"
    except BadMemory:  # the file was written to by somebody else
        return line


def _said(done: Mapping[str, Any]) -> Iterable[tuple[str, str | None]]:
    """Yield what a sync came to, in words."""
    if done["pulled"]:
        parts = [
            f"{done[name]:,} {what}"
            for name, what in (
                ("new", "new"),
                ("changed", "changed"),
                ("removed", "removed"),
                ("merged", "merged"),
                ("conflicts", "in conflict"),
            )
            if done[name]
        ]
        yield f"Took in {text.plural(done['pulled'], 'version')}: {', '.join(parts) or 'nothing to see'}.", "good"
    if done["pushed"]:
        yield f"Sent {text.plural(done['pushed'], 'version')}, {text.size(done['size'])}.", "good"
    if done["new_key"]:
        yield "The store has the vault's new key object.", "good"
    if done["renewed"]:
        yield f"Wrote {text.plural(done['renewed'], 'object')} of this device on the store anew.", "good"
    if not any(done[name] for name in ("pulled", "pushed", "new_key", "renewed", "arriving")):
        yield "Nothing new on either side.", "good"
    if done["conflicts"]:
        yield f"! {text.plural(done['conflicts'], 'conflict')} to look at", "warn"
    if done["flagged"]:
        yield f"{text.plural(done['flagged'], 'memory')} edited on one side and removed on the other: kept", None
    if done["unreadable"]:
        yield (
            f"{text.plural(done['unreadable'], 'version')} here do not open and were not sent; see `ghostie doctor`",
            "bad",
        )
    for alarm in done["alarms"]:
        yield f"! {text.one_line(alarm['sentence'])}", "bad"
    for each in done["arriving"]:
        yield f"on its way: {text.one_line(each['sentence'])}", None
