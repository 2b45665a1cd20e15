"""Commands that keep devices in step."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ghostie import text
from ghostie.cli.automatic import ALARM, failing, stamped, tell_failing
from ghostie.cli.memories import device_of, print_diff, print_each, rows, sides
from ghostie.cli.output import Output
from ghostie.cli.session import agree_to_large, confirm, edited, open_
from ghostie.errors import StoreError, UsageError, VerifyFailed

if TYPE_CHECKING:
    from ghostie.sync.engine import Pulled, Pushed
    from ghostie.sync.link import Link
    from ghostie.sync.log import Alarm
    from ghostie.sync.survey import DeviceLine, Status
    from ghostie.vault import Vault
    from ghostie.vault.conflicts import Conflict

CONFLICTS = 3


# -- push and pull ---------------------------------------------------------------------------------------------------


def push(args: argparse.Namespace, out: Output) -> None:
    from ghostie.sync import engine
    from ghostie.sync.runs import recorded

    link = _link(args, out)
    with recorded(link.vault.layout, dry_run=args.dry_run) as moved:
        done = moved.pushed(engine.push(link, dry_run=args.dry_run))
    if out.json:
        out.document(_pushed(done, args.dry_run))
    else:
        _tell_pushed(out, done, args.dry_run)


def pull(args: argparse.Namespace, out: Output) -> int:
    from ghostie.sync import engine
    from ghostie.sync.runs import recorded

    link = _link(args, out)
    with recorded(link.vault.layout, dry_run=args.dry_run) as moved:
        done = moved.pulled(engine.pull(link, dry_run=args.dry_run, yes=args.yes))
    if out.json:
        out.document(_pulled(done, args.dry_run))
    else:
        _tell_pulled(out, done, args.dry_run)
    return _outcome(out, link, done)


def run(args: argparse.Namespace, out: Output) -> int:
    from ghostie.sync import engine
    from ghostie.sync.runs import recorded

    if args.scheduled is not None:
        from ghostie.cli.automatic import scheduled

        return scheduled(args, out)
    link = _link(args, out)
    with recorded(link.vault.layout, dry_run=args.dry_run) as moved:
        pulled = moved.pulled(engine.pull(link, dry_run=args.dry_run, yes=args.yes))
        pushed = moved.pushed(engine.push(link, dry_run=args.dry_run))
    if out.json:
        out.document({"pulled": _pulled(pulled, args.dry_run), "pushed": _pushed(pushed, args.dry_run)})
    else:
        _tell_pulled(out, pulled, args.dry_run)
        _tell_pushed(out, pushed, args.dry_run, said=pulled.waiting)
    return _outcome(out, link, pulled)


def _link(args: argparse.Namespace, out: Output) -> Link:
    from ghostie.sync.link import connect

    return connect(open_(args, load=False), out.watch)


def _outcome(out: Output, link: Link, pulled: Pulled) -> int:
    """Tell what waits for the person, and return the exit code that says so."""
    from ghostie.sync.reading import sentences
    from ghostie.vault.conflicts import open_conflicts

    for each in pulled.waiting:
        out.note(f"on its way: {each.waits()}")
    for sentence in sentences(pulled.alarms):
        out.warn(f"alarm: {sentence}")
    if pulled.alarms:
        out.note("what the alarms are not about was taken in · `ghostie sync repair` puts back what is known here")
        return ALARM
    conflicts = open_conflicts(link.vault)
    if conflicts:
        out.note(f"{text.plural(len(conflicts), 'conflict')} to look at · `ghostie sync conflict`")
        return CONFLICTS
    return 0


def _tell_pushed(out: Output, done: Pushed, dry_run: bool, said: tuple[Alarm, ...] = ()) -> None:
    for notice in done.notices:
        out.note(notice.sentence())
    if done.waiting:
        out.note("pushed nothing yet")
        for each in set(done.waiting) - {*said}:
            out.note(f"on its way: {each.waits()}")
        return
    for stem in done.unreadable:
        out.warn(f"version file {stem} does not open and was not sent; see `ghostie doctor`")
    if done.new_key:
        out.note(f"{'would put' if dry_run else 'put'} this vault's key on the store, sealed under the passphrase")
    if done.renewed:
        out.note(f"wrote {text.plural(done.renewed, 'object')} on the store anew")
    if not done.versions and not done.segments:
        if not done.new_key and not done.renewed:
            out.note("nothing to push")
    elif dry_run:
        out.note(f"would push {text.plural(done.versions, 'version')} of {text.plural(done.memories, 'memory')}")
    elif not done.versions:
        out.note(f"told the other devices how far this one is, {text.size(done.size)}")
    else:
        objects = text.plural(done.segments, "object")
        out.note(f"pushed {text.plural(done.versions, 'version')} in {objects}, {text.size(done.size)}")


def _tell_pulled(out: Output, done: Pulled, dry_run: bool) -> None:
    from ghostie.sync.log import is_held_up

    for notice in done.notices:
        out.note(notice.sentence())
    if dry_run:
        if not done.versions:
            out.note("nothing to pull yet" if is_held_up(done.waiting) else "nothing to pull")
        else:
            gone = f", of which {done.removals:,} would be removed" if done.removals else ""
            out.note(f"would pull {text.plural(done.versions, 'version')}{gone}")
        return
    taken = done.taken
    if not taken.new:
        out.note("pulled nothing yet" if is_held_up(done.waiting) else "nothing to pull")
        return
    words = [f"pulled {text.plural(taken.new, 'version')}"]
    changed = set(taken.changed) - set(taken.conflicts)
    for count, what in (
        (len(taken.added), "new"),
        (len(changed), "changed"),
        (len(taken.removed), "removed"),
        (len(taken.merged), "merged"),
        (len(taken.conflicts), "in conflict"),
    ):
        if count:
            words.append(f"{count:,} {what}")
    out.note(", ".join(words))
    if taken.flagged:
        flagged = text.plural(len(taken.flagged), "memory")
        out.note(f"{flagged} edited on one side and removed on the other: the edit was kept")


def _pushed(done: Pushed, dry_run: bool) -> dict[str, Any]:
    return {
        "versions": done.versions,
        "memories": done.memories,
        "objects": done.segments,
        "bytes": done.size,
        "new_key": done.new_key,
        "renewed": done.renewed,
        "unreadable": done.unreadable,
        **({"on_their_way": [each.spelt() for each in done.waiting]} if done.waiting else {}),
        "notices": [notice.sentence() for notice in done.notices],
        "dry_run": dry_run,
    }


def _pulled(done: Pulled, dry_run: bool) -> dict[str, Any]:
    taken = done.taken
    return {
        "versions": done.versions if dry_run else taken.new,
        "added": taken.added,
        "changed": taken.changed,
        "removed": taken.removed,
        "merged": taken.merged,
        "conflicts": taken.conflicts,
        "flagged": taken.flagged,
        "removals": done.removals,
        "alarms": [alarm.spelt() for alarm in done.alarms],
        **({"on_their_way": [each.spelt() for each in done.waiting]} if done.waiting else {}),
        "notices": [notice.sentence() for notice in done.notices],
        "dry_run": dry_run,
    }


# -- status and devices ----------------------------------------------------------------------------------------------


def status(args: argparse.Namespace, out: Output) -> int:
    link, found, unreached = _status(args, out)
    if out.json:
        out.document(
            {
                "store": {"backend": link.config.backend, **link.config.options},
                "reached": None if args.offline else unreached is None,
                "ahead": found.to_push,
                "waiting": found.waiting,
                "behind": found.behind,
                "conflicts": [entry.id for entry in found.conflicts],
                "alarms": [alarm.spelt() for alarm in found.alarms],
                **_besides(found),
                "devices": [_device(line) for line in found.devices],
                "objects": found.objects,
                "bytes": found.size,
                "last_pull": stamped(found.pulled),
                "last_push": stamped(found.pushed),
                **failing(link.vault.layout),
            }
        )
    else:
        _tell_status(out, link, found, unreached)
    if found.alarms:
        return ALARM
    return unreached.exit_code if unreached else CONFLICTS if found.conflicts else 0


def _besides(found: Status) -> dict[str, Any]:
    """Return what JSON output says only where there is some: what is on its way, and what other programs left."""
    coming = [{**each.spelt(), "since": stamped(since)} for each, since in found.arriving]
    return ({"on_their_way": coming} if coming else {}) | ({"litter": found.litter} if found.litter else {})


def _status(args: argparse.Namespace, out: Output) -> tuple[Link, Status, StoreError | None]:
    from ghostie.sync import survey

    link = _link(args, out)
    try:
        return link, survey.status(link, look=not args.offline), None
    except StoreError as error:
        return link, survey.status(link), error


def _tell_status(out: Output, link: Link, found: Status, unreached: StoreError | None) -> None:
    from ghostie.backends.store import backend_of
    from ghostie.sync.litter import in_words
    from ghostie.sync.reading import sentences

    now = link.vault.clock()
    place = " ".join(link.config.options.get(name, "") for name in backend_of(link.config.backend).place)
    out.line(f"store      {link.config.backend} {text.one_line(place)}".rstrip())
    if unreached:
        out.line(f"           not reached: {text.one_line(str(unreached))}")
    ahead = text.plural(found.to_push, "version") + " to push" if found.to_push else "nothing to push"
    out.line(f"this side  {ahead}" + (f", {text.plural(found.waiting, 'object')} half sent" if found.waiting else ""))
    if found.behind is not None:
        out.line(
            "the store  "
            + (f"{text.plural(found.behind, 'version')} to pull" if found.behind else "nothing to pull")
            + f", {text.plural(found.objects or 0, 'object')}, {text.size(found.size or 0)}"
        )
    out.line(f"last sync  pulled {_ago(found.pulled, now)}, pushed {_ago(found.pushed, now)}")
    tell_failing(out, link.vault.layout, now)
    if found.conflicts:
        out.line(f"conflicts  {len(found.conflicts)} · `ghostie sync conflict`")
    for each, since in found.arriving:
        out.line(f"on its way {text.one_line(each.waits())}, missed {_ago(since, now).replace('never', 'just now')}")
    for sentence in sentences(found.alarms):
        out.line(out.style("bad", f"alarm      {text.one_line(sentence)}"))
    if found.litter:
        out.line(f"litter     {text.one_line(in_words(found.litter))}: of other programs, and no matter")
    out.line()
    _tell_devices(out, found.devices, now)


def _ago(moment: int | None, now: int) -> str:
    return "never" if moment is None else f"{text.ago(moment, now)} ago"


def _tell_devices(out: Output, lines: tuple[DeviceLine, ...], now: int) -> None:
    table = []
    for line in lines:
        said = f"{_ago(line.last_word, now)}, {text.plural(line.position, 'version')}"
        if line.behind:
            said += f", {line.behind:,} to pull"
        name = text.one_line(line.name) or "(not yet heard of)"
        table.append(("*" if line.this else " ", line.writer[:6], name, said))
    out.table(table, (None, "id", "category", "dim"))


def _device(line: DeviceLine) -> dict[str, Any]:
    return {**asdict(line), "last_word": stamped(line.last_word), "behind": line.behind}


def devices(args: argparse.Namespace, out: Output) -> None:
    if args.retire:
        return _retire(args, out)
    if args.rename:
        vault = open_(args, load=False)
        vault.device = vault.device.renamed(args.rename)
        vault.device.save(vault.layout)
        out.note(f"this device is now called {text.one_line(args.rename)}; others see it with the next push")
    link, found, unreached = _status(args, out)
    if unreached:
        out.warn(str(unreached))
    if out.json:
        out.document([_device(line) for line in found.devices])
    else:
        _tell_devices(out, found.devices, link.vault.clock())


def _retire(args: argparse.Namespace, out: Output) -> None:
    from ghostie.sync import retiring

    if args.rename or args.offline:
        raise UsageError("--retire goes with neither --rename nor --offline", "give it alone")
    link = _link(args, out)
    writer, name = retiring.find(link, args.retire)
    name = text.one_line(name) or writer
    if not args.yes:
        confirm(f"retire {name}, writer {writer}? Its objects on the store are removed.", "--yes")
    done = retiring.retire(link, writer)
    adopted = text.plural(done.adopted, "version")
    out.done(
        {"retired": done.writer, "name": done.name, "adopted": done.adopted, "objects": done.objects},
        f"retired {name}: {adopted} went out from here anew, {text.plural(done.objects, 'object')} removed",
        "it still has what it had, the key and the store's credentials too: if it is lost, give the store others,",
        "then `ghostie keys passwd`, `ghostie keys rotate` and `ghostie sync push`",
    )


# -- conflicts -------------------------------------------------------------------------------------------------------


def conflict(args: argparse.Namespace, out: Output) -> int:
    from ghostie.vault import conflicts

    vault = open_(args)
    if args.keep:
        return _resolve(args, out, vault)
    if args.all:
        raise UsageError("--all needs to know how", "give --keep mine, theirs, both or merged")
    if args.id:
        entry = vault.find(args.id)
        found = conflicts.look(vault, entry)
        if out.json:
            out.document(_conflict(found))
        else:
            _tell_conflict(out, vault, found)
        return CONFLICTS
    entries = conflicts.open_conflicts(vault)
    if out.json:
        print_each(out, entries, lambda entry: _conflict(conflicts.look(vault, entry)))
    elif entries:
        rows(out, vault, entries)
        out.note("`ghostie sync conflict ID` shows one · `--keep mine|theirs|both|merged|edit` resolves it")
    else:
        out.note("no conflicts")
    return CONFLICTS if entries else 0


def _resolve(args: argparse.Namespace, out: Output, vault: Vault) -> int:
    from ghostie.vault import conflicts

    if args.id and args.all:
        raise UsageError("give one id, or --all, not both")
    if not args.id and not args.all:
        raise UsageError("which conflict is meant?", "give its id, or --all for every one")
    prefixes = [entry.id for entry in conflicts.open_conflicts(vault)] if args.all else [args.id]
    agree_to_large(args, f"resolve {text.plural(len(prefixes), 'conflict')}?", len(prefixes))

    def by_hand(found: Conflict) -> str:
        return conflicts.by_hand(edited(found.marked(), vault.layout))

    ids = [conflicts.resolve(vault, prefix, args.keep, edited=by_hand)[0].id for prefix in prefixes]
    left = conflicts.open_conflicts(vault)
    out.done(
        {"resolved": ids, "left": [entry.id for entry in left]},
        f"resolved {text.plural(len(ids), 'conflict')}, {len(left):,} left · `ghostie undo` opens it again",
    )
    return CONFLICTS if left else 0


def _conflict(found: Conflict) -> dict[str, Any]:
    return {
        "id": found.id,
        "fields": found.disputes,
        "base": found.base.shown() if found.base is not None else None,
        "mine": found.mine.shown("open"),
        "theirs": [other.shown("open") for other in found.others],
    }


def _tell_conflict(out: Output, vault: Vault, found: Conflict) -> None:
    now = vault.clock()
    for name, version in sides(found):
        out.line(
            out.style("strong", f"{name} · {text.one_line(device_of(version))} · {text.ago(version.modified, now)}")
        )
        print_diff(out, found.base, version)
        out.line()
    way = f"`ghostie sync conflict {found.id[:8]} --keep mine|theirs|both|merged|edit`"
    out.note(f"in dispute: {', '.join(found.disputes)} · {way}")


# -- checking and mending --------------------------------------------------------------------------------------------


def verify(args: argparse.Namespace, out: Output) -> None:
    from ghostie.sync import survey
    from ghostie.vault import upkeep

    link = _link(args, out)
    here = upkeep.check(link.vault, progress=lambda done, total: out.progress(f"checked {done:,} of {total:,} here"))
    problems = [f"version file {stem} does not open" for stem in here.damaged]
    problems += survey.verify(link)
    for notice in link.told(keep=False):
        out.note(notice.sentence())
    if out.json:
        out.document(problems)
    for problem in problems:
        out.warn(problem)
    if problems:
        raise VerifyFailed(count=len(problems))
    out.note(f"{text.plural(here.good, 'version')} here and every object on the store are whole")


def repair(args: argparse.Namespace, out: Output) -> None:
    from ghostie.sync.repair import repair as mend

    done = mend(_link(args, out), dry_run=args.dry_run)
    if out.json:
        out.document(done)
    for line in done:
        out.note(f"would have {line}" if args.dry_run and line.startswith("p") else line)
    if not done:
        out.note("nothing to repair")


def compact(args: argparse.Namespace, out: Output) -> None:
    from ghostie.sync import survey

    joined, into = survey.compact(_link(args, out))
    said = f"joined {text.plural(joined, 'object')} into {into:,}" if joined else "nothing to join"
    out.done({"joined": joined, "into": into}, said)
