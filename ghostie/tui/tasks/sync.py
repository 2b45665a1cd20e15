"""Sync: where this device stands, what would move, moving it, and care for devices and the store."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING, Any

from ghostie.tui.tasks import task

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ghostie.backends.retry import Pause
    from ghostie.sync.link import Link, Progress
    from ghostie.sync.log import Alarm
    from ghostie.sync.notices import Notice
    from ghostie.sync.survey import Status
    from ghostie.tui.desk import Desk

RUNS = 8
BREATH = 0.1  # seconds between two words on how far a transfer is


@task
def standing(desk: Desk) -> dict[str, Any]:
    """Return where this device stands as far as it knows by itself: the store is not asked."""
    if not desk.layout.sync_config.exists():
        return {"store": None}
    from ghostie.sync import survey

    link = _link(desk)
    return _standing(desk, link, survey.status(link))


@task
def unsynced(desk: Desk) -> int | None:
    """Return how many versions wait to be pushed, or None where there is no store. The store is not asked."""
    if not desk.layout.sync_config.exists():
        return None
    from ghostie.sync.outbox import Outbox

    desk.fresh()
    return len(Outbox(_link(desk)).unpublished())


@task
def look(desk: Desk) -> dict[str, Any]:
    """Return the same after a look at the store, with what a sync would move. Nothing is changed.

    An unreachable store is said at once: who looks does not wait for a new try.
    """
    from ghostie.backends.retry import Pause
    from ghostie.sync import engine, survey

    def watch(news: Progress | Pause) -> None:
        if isinstance(news, Pause):
            raise news.error
        _say(desk, news)

    link = _link(desk, watch)
    found = survey.status(link, look=True)
    pulled = engine.pull(link, dry_run=True)
    pushed = engine.push(link, dry_run=True)
    taken = pulled.taken
    return _standing(desk, link, found) | {
        "alarms": _alarms(pulled.alarms or found.alarms),
        "arriving": _arriving(link, pulled.waiting),
        "incoming": {
            "versions": pulled.versions,
            "new": len(taken.added),
            "changed": len(taken.changed),
            "removed": len(taken.removed),
            "both": len(taken.conflicts),
            "removals": pulled.removals,
        },
        "outgoing": {"versions": pushed.versions, "memories": pushed.memories, "new_key": pushed.new_key},
        "notices": _noticed(pulled.notices, pushed.notices),
    }


@task
def move(desk: Desk, pull: bool, push: bool, yes: bool = False) -> dict[str, Any]:
    """Pull, push or both; return what came of it. *yes*: also where the brake would stop it. Raises Brake."""
    from ghostie.sync import engine
    from ghostie.sync.runs import recorded
    from ghostie.vault.conflicts import open_conflicts

    link = _link(desk, Watch(desk))
    pulled, pushed = engine.Pulled(), engine.Pushed()
    with recorded(desk.layout) as moved:
        if pull:
            pulled = moved.pulled(engine.pull(link, yes=yes))
        if push:
            pushed = moved.pushed(engine.push(link))
        moved.conflicts = len(open_conflicts(link.vault))
    taken = pulled.taken
    return {
        "pulled": taken.new,
        "new": len(taken.added),
        "changed": len(set(taken.changed) - set(taken.conflicts)),
        "removed": len(taken.removed),
        "merged": len(taken.merged),
        "conflicts": len(taken.conflicts),
        "flagged": len(taken.flagged),
        "pushed": pushed.versions,
        "objects": pushed.segments,
        "size": pushed.size,
        "new_key": pushed.new_key,
        "renewed": pushed.renewed,
        "unreadable": len(pushed.unreadable),
        "alarms": _alarms(pulled.alarms),
        "arriving": _arriving(link, dict.fromkeys((*pulled.waiting, *pushed.waiting))),
        "notices": _noticed(pulled.notices, pushed.notices),
    }


@task
def repair(desk: Desk, dry_run: bool) -> list[str]:
    """Put back what the store lost, accept what cannot be had; return what was or would be done, in words."""
    from ghostie.sync.repair import repair as mend

    return mend(_link(desk, Watch(desk)), dry_run=dry_run)


@task
def verify(desk: Desk) -> dict[str, Any]:
    """Read and check every version here and every object on the store; return the problems, in words."""
    from ghostie.sync import survey
    from ghostie.vault import upkeep

    def here(done: int, total: int) -> None:
        desk.say({"doing": "checking what is here", "done": done, "total": total, "bytes": False})

    link = _link(desk, Watch(desk))
    checked = upkeep.check(link.vault, progress=here)
    desk.say({"doing": "checking the store", "done": 0, "total": 0, "bytes": False})
    problems = [f"version file {stem} does not open" for stem in checked.damaged]
    return {"good": checked.good, "problems": problems + survey.verify(link)}


# -- devices ---------------------------------------------------------------------------------------------------------


@task
def rename(desk: Desk, name: str) -> None:
    """Call this device *name*; the others hear of it with the next push. Raises UsageError."""
    vault = desk.vault
    vault.device = vault.device.renamed(name)
    vault.device.save(vault.layout)


@task
def retire(desk: Desk, writer: str) -> dict[str, Any]:
    """Retire another device. Raises NotRetired, and as a sync does."""
    from ghostie.sync import retiring

    done = retiring.retire(_link(desk, Watch(desk)), writer)
    return {"name": done.name, "adopted": done.adopted, "objects": done.objects}


@task
def invite(desk: Desk, passphrase: str, seconds: int) -> dict[str, Any]:
    """Return a code for another device, as text and as a picture. Raises as `pairing.invite`."""
    from ghostie.sync import pairing

    made = pairing.invite(_link(desk, Watch(desk)), passphrase, seconds=seconds)
    return {
        "code": made.code,
        "picture": pairing.qr(made.code),
        "until": made.until,
        "credentials": made.credentials,
    }


# -- syncs without a person ------------------------------------------------------------------------------------------


@task
def automatic(desk: Desk) -> dict[str, Any]:
    """Return the schedule of this vault, if it has one; the system's scheduler is asked."""
    from ghostie.sync import schedule

    found = schedule.find(desk.layout)
    if found is None:
        return {"kind": None}
    return {"kind": found.kind, "every": found.plan.every, "key": found.plan.key, "active": found.active}


@task
def schedule(desk: Desk, every: int, program: str, anyway: bool = False) -> dict[str, Any] | None:
    """Let this vault sync every so many seconds, by *program* where that is ghostie's launcher.

    Returns None, and makes nothing, where nothing would open the vault then, unless *anyway*. Raises NoScheduler or
    SchedulerFailed.
    """
    from ghostie.sync.schedule import NothingOpens
    from ghostie.sync.schedule import schedule as make

    sys.argv[0] = program
    if desk.passphrase_command:
        os.environ["GHOSTIE_PASSPHRASE_COMMAND"] = desk.passphrase_command
    try:
        made = make(desk.layout, every, passphrase_file=desk.passphrase_file, anyway=anyway)
    except NothingOpens:
        return None
    return {"kind": made.kind, "every": made.plan.every, "key": made.plan.key, "active": made.active}


@task
def unschedule(desk: Desk) -> list[str]:
    """End that; return the schedulers that had something."""
    from ghostie.sync.schedule import unschedule as end

    return end(desk.layout)


# -- how it is said --------------------------------------------------------------------------------------------------


def _link(desk: Desk, watch: Any = None) -> Link:
    from ghostie.sync.link import connect, ignore

    return connect(desk.vault, watch or ignore)


class Watch:
    """Tells the interface how far a transfer is, not oftener than a person sees."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._last = 0.0

    def __call__(self, news: Progress | Pause) -> None:
        from ghostie.backends.retry import Pause

        now = time.monotonic()
        last = isinstance(news, Pause) or news.done >= news.total
        if last or now - self._last >= BREATH:
            self._last = now
            _say(self._desk, news)


def _say(desk: Desk, news: Progress | Pause) -> None:
    from ghostie.backends.retry import Pause

    if isinstance(news, Pause):
        desk.say({"pause": str(news.error), "seconds": news.seconds, "left": news.tries_left})
    else:
        desk.say({"doing": news.doing, "done": news.done, "total": news.total, "bytes": news.in_bytes})


def _standing(desk: Desk, link: Link, found: Status) -> dict[str, Any]:
    from ghostie.backends.store import backend_of
    from ghostie.sync import runs
    from ghostie.sync.litter import in_words

    config, now = link.config, link.vault.clock()
    record = runs.load(desk.layout)
    options = [config.options.get(name, "") for name in backend_of(config.backend).place]
    return {
        "store": {"backend": config.backend, "place": " ".join(each for each in options if each)},
        "looked": found.behind is not None,
        "now": now,
        "ahead": found.to_push,
        "waiting": found.waiting,
        "behind": found.behind,
        "objects": found.objects,
        "size": found.size,
        "conflicts": len(found.conflicts),
        "pulled": found.pulled,
        "pushed": found.pushed,
        "alarms": _alarms(found.alarms),
        "arriving": _arriving(link, [each for each, _ in found.arriving]),
        "litter": in_words(found.litter),
        "devices": [{**asdict(line), "behind": line.behind} for line in found.devices],
        "failing": record.sentence(now),
        "hint": record.hint,
        "good": record.good,
        "runs": runs.tail(desk.layout, RUNS),
    }


def _noticed(*notices: Iterable[Notice]) -> list[dict[str, str]]:
    return [{"kind": each.kind, "sentence": each.sentence()} for each in dict.fromkeys(chain(*notices))]


def _alarms(alarms: Iterable[Alarm]) -> list[dict[str, str]]:
    """Return *alarms* in words; those about very many objects are one, of the kind "many"."""
    from ghostie.sync.reading import sentences

    alarms = list(alarms)
    spelt = [(each.kind, each.sentence()) for each in alarms]
    if (said := sentences(alarms)) != [sentence for _, sentence in spelt]:
        spelt = [("many", said[0]), *((each.kind, each.sentence()) for each in alarms if not each.is_of_objects)]
    return [{"kind": kind, "sentence": sentence} for kind, sentence in spelt]


def _arriving(link: Link, waiting: Iterable[Alarm]) -> list[dict[str, Any]]:
    from ghostie.sync import arriving

    return [{"sentence": each.waits(), "since": arriving.since(link, each)} for each in waiting]
