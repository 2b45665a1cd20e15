"""Commands on memories."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ghostie import codec, text
from ghostie.cli.output import Output
from ghostie.cli.session import agree_to_large, can_ask, confirm, edited, open_, read_stdin
from ghostie.errors import BadJson, CannotRead, Damaged, ImportIncomplete, UnknownVersion, UsageError
from ghostie.memory import local, millis, stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ghostie.errors import Unopened
    from ghostie.memory import Record, Version
    from ghostie.vault import Vault
    from ghostie.vault.conflicts import Conflict
    from ghostie.vault.query import Filter
    from ghostie.vault.row import Entry


T = TypeVar("T")


def add(args: argparse.Namespace, out: Output) -> None:
    if args.text is not None:
        content = args.text
    else:
        content = read_stdin("text")
        content = content[:-1] if content.endswith("\n") else content
    fields: dict[str, Any] = {"category": args.category, "kind": args.kind, "context": _object(args.context)}
    fields["tags"] = args.tag or None
    fields["status"] = "inbox" if args.inbox else None
    fields["privacy"] = "local" if args.local_only else None
    tell_added(out, open_(args, load=False).add(content, **fields))


def tell_added(out: Output, version: Version) -> None:
    if out.json:
        out.document(version.shown())
    else:
        out.line(version.id)


def list_(args: argparse.Namespace, out: Output) -> None:
    from ghostie.vault.query import answer, parse

    vault = open_(args)
    at = moment_of(args.at, vault)
    entries = answer(vault, parse(" ".join(args.filter)), args.limit or None, base=filter_of(args, vault, at), at=at)
    if out.json:
        print_shown(out, vault, entries)
        return
    rows(out, vault, entries, at)
    if not entries and not len(vault.index):
        out.note("no memories yet · `ghostie add TEXT` adds one, `ghostie import PATH` brings some in")


def moment_of(spelt: str | None, vault: Vault) -> int | None:
    """Return the moment that `--at` names, in Unix ms, or None where it was not given. Raises UsageError."""
    from ghostie.vault.query import moment

    return moment(spelt, vault.clock()) if spelt else None


def filter_of(args: argparse.Namespace, vault: Vault, at: int | None = None) -> Filter:
    """Return the filter that the shared options spell, as of *at* or now."""
    from ghostie.vault.query import Filter, moment

    now = vault.clock() if at is None else at
    return Filter(
        category=args.category,
        tags=tuple(args.tag),
        kind=args.kind,
        status=args.status,
        device=args.device,
        since=moment(args.since, now) if args.since else None,
        until=moment(args.until, now) if args.until else None,
        deleted=getattr(args, "deleted", False),
    )


MARKS = {"inbox": "+", "archived": "-", "active": " "}


def rows(out: Output, vault: Vault, entries: list[Entry], at: int | None = None) -> None:
    """Print one line a memory: mark, short id, age, category, text, tags. `!` marks a conflict, `+` the inbox.

    Ages are as of *at*, or now.
    """
    length = text.shortest_prefix(vault.index.ids())
    now = vault.clock() if at is None else at
    lines = []
    for entry in entries:
        row = entry.row
        mark = "!" if entry.in_conflict else "x" if entry.deleted else MARKS[row.get("status", "active")]
        excerpt = entry.excerpt or ("(purged)" if entry.deleted else "")
        tags = "".join(f" #{tag}" for tag in row.get("tags", ()))
        category = row.get("category") or ""
        said = text.one_line(f"{category}: {excerpt}{tags}" if category else excerpt + tags)
        lines.append((mark, entry.id[:length], text.ago(entry.timestamp, now), said))
    out.table(lines, (None, "id", "dim", None))


def print_each(out: Output, items: Iterable[T], said: Callable[[T], Any]) -> None:
    """Print what is *said* of each of *items*, as one document. Raises, after it, what kept a file from being shown."""
    values: list[Any] = []
    unopened: list[Unopened] = []
    for item in items:
        try:
            values.append(said(item))
        except (Damaged, CannotRead) as error:
            unopened.append(error)
    out.document(values)
    tell_unopened(out, unopened)


def tell_unopened(out: Output, unopened: Sequence[Unopened]) -> None:
    """Raise the worst of *unopened*, if there are any, after a warning for each other: all else was told already."""
    worst_last = sorted(unopened, key=lambda error: isinstance(error, Damaged))
    for error in worst_last[:-1]:
        out.warn(str(error))
    if worst_last:
        raise worst_last[-1]


def print_shown(out: Output, vault: Vault, entries: Iterable[Entry]) -> None:
    print_each(out, entries, lambda entry: _shown(vault, entry))


def _shown(vault: Vault, entry: Entry) -> Record:
    return vault.shown(entry).shown("open" if entry.in_conflict else None)


def show(args: argparse.Namespace, out: Output) -> None:
    vault = open_(args)
    entry = vault.find(args.id)
    if args.at:
        version = version_at(vault, entry, args.at)
        out.document(version.shown()) if out.json else print_version(out, version, vault.clock())
        return
    version = vault.shown(entry)
    if out.json:
        out.document(version.shown("open" if entry.in_conflict else None))
        return
    print_version(out, version, vault.clock())
    if entry.in_conflict:
        out.note(f"this memory has a conflict · `ghostie sync conflict {entry.id[:8]}` shows it")
    flag = version.sync.get("merge")
    if isinstance(flag, dict) and flag.get("flag"):
        out.note("another device removed it while it was edited here: the edit was kept")


def version_at(vault: Vault, entry: Entry, name: str) -> Version:
    """Return the version that *name* says: its number, its hash's beginning, or a moment. Raises UnknownVersion."""
    try:
        return vault.version(entry, name)
    except UnknownVersion:
        try:
            then = moment_of(name, vault)
        except UsageError:
            then = None
        if then is None:
            raise
    return vault.as_of(entry, then)


def print_version(out: Output, version: Version, now: int) -> None:
    """Print a version for a person: what is known about it, then what it says."""
    record = version.shown()
    source = " ".join(str(value) for value in record["source"].values() if value)
    facts = [
        ("id", record["id"]),
        ("kind", record["kind"] if record["kind"] != "memory" else ""),
        ("category", record["category"] or ""),
        ("tags", " ".join(record["tags"])),
        ("status", "removed" if version.deleted else record["status"]),
        ("when", _when(record.get("timestamp"), now)),
        ("device", record["device_id"] or ""),
        ("privacy", "stays on this device" if record["privacy"] == "local" else ""),
        ("version", f"{version.number} · {version.hash[:8]} · {_when(version.sync['last_modified'], now)}"),
        ("source", source),
    ]
    facts += [(name, codec.dumps(record[name]).decode()) for name in ("scope", "anchor") if any(record[name].values())]
    facts += [("link", f"{link['type']} {link['to']}") for link in record["links"]]
    facts += [(f"context.{key}", _plain(value)) for key, value in sorted(record["context"].items())]
    for name, value in facts:
        if value:
            out.fact(text.one_line(name), text.one_line(value))
    if record["content"]:
        out.line()
        out.prose(text.safe(record["content"].rstrip("\n")))


def _when(time: str | None, now: int) -> str:
    return f"{local(at := millis(time))} ({text.ago(at, now)})" if time else ""


def _plain(value: object) -> str:
    return value if isinstance(value, str) else codec.dumps(value).decode()


def history(args: argparse.Namespace, out: Output) -> None:
    vault = open_(args)
    entry = vault.find(args.id)
    versions = vault.history(entry)
    if out.json:
        out.document([version.shown() for version in versions])
        return
    now = vault.clock()
    lines = []
    for version in versions:
        mark = "*" if version.hash in entry.heads else " "
        device = device_of(version) or ("merged" if "merge" in version.sync else "")
        said = "(removed)" if version.deleted else text.excerpt(version.field("content"))
        lines.append(
            (
                mark,
                str(version.number),
                version.hash[:8],
                text.ago(version.modified, now),
                text.one_line(f"{device}: {said}"),
            )
        )
    out.table(lines, (None, None, "id", "dim", None))


def device_of(version: Version) -> str:
    """Return the name of the device that made a version; empty where it has none."""
    return version.device


def sides(found: Conflict) -> list[tuple[str, Version]]:
    return [("mine", found.mine), *(("theirs", other) for other in found.others)]


def diff(args: argparse.Namespace, out: Output) -> None:
    vault = open_(args)
    entry = vault.find(args.id)
    after = vault.version(entry, args.b) if args.b else vault.shown(entry)
    if args.a:
        before: Version | None = vault.version(entry, args.a)
    else:
        here = [digest for digest in after.parents if digest in entry.versions]
        before = vault.files.read(entry.stem(here[0])) if here else None
    if out.json:
        out.document({"before": before.shown() if before is not None else None, "after": after.shown()})
        return
    print_diff(out, before, after)


def print_diff(out: Output, before: Version | None, after: Version) -> None:
    """Print what changed, field by field; the content line by line."""
    from ghostie.vault.differences import differences

    for changed in differences(before, after):
        if changed.name == "content":
            for line in changed.lines:
                out.line(_diff_line(out, text.flat(line)))
        elif changed.name == "removed":
            out.line(_diff_line(out, "+removed" if changed.after else "-removed"))
        else:
            for sign, value in (("-", changed.before), ("+", changed.after)):
                if value:
                    out.line(_diff_line(out, f"{sign}{text.one_line(changed.name)}: {text.one_line(_plain(value))}"))


def _diff_line(out: Output, line: str) -> str:
    return out.style({"+": "good", "-": "bad", "@": "dim"}.get(line[:1]), line)


def edit(args: argparse.Namespace, out: Output) -> None:
    vault = open_(args)
    entry = vault.find(args.id)
    shown = vault.shown(entry)
    changes: dict[str, Any] = {}
    for name in ("category", "kind", "status"):
        if getattr(args, name) is not None:
            changes[name] = getattr(args, name) or None
    if args.context is not None:
        changes["context"] = _object(args.context)
    if args.local_only or args.synced:
        changes["privacy"] = "local" if args.local_only else "sync"
    if args.tag:
        changes["tags"] = _tags(shown.field("tags"), args.tag)
    if args.content is not None:
        changes["content"] = read_stdin("content") if args.content == "-" else args.content
    elif not changes:
        changes["content"] = edited(str(shown.field("content")), vault.layout)
    if not str(changes.get("content", "x")).strip():
        raise UsageError("the content would be empty", f"`ghostie rm {entry.id[:8]}` removes the memory")
    version = vault.edit(entry.id, changes, base=shown.hash)
    changed = f"changed {entry.id[:8]}, version {version.number}"
    was, now = shown.field("privacy"), version.field("privacy")
    if was == now or shown.deleted:
        changed += " · `ghostie undo` takes it back" + text.staying(now == "local", 1)
    elif now == "local":
        changed += ": it stays on this device from now on; what was sent of it before stays where it is"
    else:
        changed += (
            ": it goes to the other devices with the next sync, as it is now; its versions that stayed here do not"
        )
    out.done(version.shown(), changed if version.hash != shown.hash else "nothing was changed")


def _tags(tags: list[str], changes: list[str]) -> list[str]:
    kept = set(tags)
    for change in changes:
        if change.startswith("-"):
            kept.discard(change[1:])
        else:
            kept.add(change.removeprefix("+"))
    return sorted(kept)


def _object(spelt: str | None) -> Any:
    if spelt is None:
        return None
    try:
        value = codec.loads(spelt)
    except BadJson as error:
        raise UsageError(f"--context is {error}") from None
    if not isinstance(value, dict):
        raise UsageError("--context is not a JSON object", 'like --context \'{"host": "nas"}\'')
    return value


def remove(args: argparse.Namespace, out: Output) -> None:
    vault = open_(args)
    entries = [vault.find(prefix) for prefix in args.ids]
    ids = [entry.id for entry in entries]
    agree_to_large(args, f"remove {text.plural(len(ids), 'memory')}?", len(ids))
    kept = any(vault.stays_here(entry) and vault.was_synced(entry) for entry in entries)
    versions = vault.remove(ids)
    them = "it" if len(versions) == 1 else "them"
    out.done(
        [version.shown() for version in versions],
        f"removed {text.plural(len(versions), 'memory')} · `ghostie undo` brings {them} back",
    )
    if kept:
        out.note(
            "what was kept on this device comes back on this device only: elsewhere, what was sent of it is removed"
        )


def restore(args: argparse.Namespace, out: Output) -> None:
    vault = open_(args)
    entry = vault.find(args.id)
    at = version_at(vault, entry, args.at) if args.at else None
    version = vault.restore(entry.id, at)
    stays = text.staying(version.field("privacy") == "local", 1)
    out.done(version.shown(), f"restored {entry.id[:8]}, as version {version.number}{stays}")


def purge(args: argparse.Namespace, out: Output) -> None:
    vault = open_(args)
    entries = [vault.find(prefix) for prefix in args.ids]
    if not args.yes:
        if can_ask() and not out.json:
            rows(out, vault, entries)
        confirm(f"destroy {text.plural(len(entries), 'memory')} with all versions, here and on every device?", "--yes")
    others = any(vault.was_synced(entry) for entry in entries)
    ids = vault.purge([entry.id for entry in entries])
    follow = "other devices follow when they pull" if others else "no other device ever had anything of it"
    out.done(ids, f"destroyed {text.plural(len(ids), 'memory')} · {follow}")


def undo(args: argparse.Namespace, out: Output) -> None:
    vault = open_(args)
    if args.list:
        _operations(out, vault)
        return
    operation = vault.operations.find(args.operation, redo=args.redo)
    count = text.plural(len(operation.changes), "memory")
    verb = "do again" if args.redo else "take back"
    agree_to_large(args, f"{verb}: {operation.what} of {count}?", len(operation.changes))
    vault.undo(
        operation.id, redo=args.redo, progress=lambda done, total: out.progress(f"put back {done:,} of {total:,}")
    )
    entries = list(vault.index.entries(change.id for change in operation.changes))
    stays = text.staying(sum(not each.deleted and vault.stays_here(each) for each in entries), len(entries))
    if args.redo:
        said = f"did again what the last undo took back: {count}{stays}"
    else:
        said = f"took back: {operation.what} of {count}{stays} · `ghostie undo --redo` does it again"
    out.done({"operation": operation.id, "what": operation.what, "memories": [c.id for c in operation.changes]}, said)


def _operations(out: Output, vault: Vault) -> None:
    operations = list(reversed(vault.operations.all()))
    if out.json:
        out.document(
            [
                {
                    "operation": o.id,
                    "time": stamp(o.time),
                    "what": o.what,
                    "undoes": o.undoes,
                    "memories": [c.id for c in o.changes],
                }
                for o in operations
            ]
        )
        return
    now = vault.clock()
    out.table(
        [(o.id, text.ago(o.time, now), f"{o.what} of {text.plural(len(o.changes), 'memory')}") for o in operations],
        ("id", "dim", None),
    )


def search(args: argparse.Namespace, out: Output) -> None:
    vault = open_(args)
    query = " ".join(args.query)
    hits = vault.search(query, args.limit or len(vault.index))
    every = bool(hits)
    if not every:
        hits = vault.search(query, args.limit or len(vault.index), every=False)
    entries = [(hit, entry) for hit in hits if (entry := vault.index.get(hit.id)) is not None]
    if out.json:
        print_each(out, entries, lambda found: {**_shown(vault, found[1]), "rank": round(-found[0].rank, 6)})
        return
    if hits and not every:
        out.note("no memory has all of these words; these have some")
    length = text.shortest_prefix(vault.index.ids())
    now = vault.clock()
    for hit, entry in entries:
        name, age = entry.id[:length], text.ago(entry.timestamp, now)
        category = out.fit(text.one_line(entry.row.get("category") or ""), len(name) + len(age) + 2)
        out.line(f"{out.style('id', name)} {out.style('dim', age)} {out.style('category', category)}".rstrip())
        out.line(f"  {_marked(out, hit.snippet)}")
    if not hits:
        out.note("nothing found")


def _marked(out: Output, snippet: str) -> str:
    """Return *snippet* safe, with its hits set off, cut to the line's width."""
    from ghostie.vault.search import spans

    left = max(8, out.width - 2) if out.width else len(snippet) * 2
    shown = []
    for words, hit in spans(snippet):
        cut = text.fit(text.flat(words), left)
        left -= text.width(cut)
        shown.append(out.style("hit", cut) if hit and cut else cut)
    return "".join(shown)


# -- in and out ------------------------------------------------------------------------------------------------------


def import_(args: argparse.Namespace, out: Output) -> None:
    from ghostie.vault.exchange import import_paths

    vault = open_(args, load=False)
    done = import_paths(
        vault,
        [Path(path) for path in args.paths],
        status=None if args.keep_status else args.status,
        dry_run=args.dry_run,
        progress=lambda count: out.progress(f"read {count:,}"),
    )
    for bad in done.bad:
        out.warn(f"{bad.place()}: {bad.problem}")
    if done.left_out > len(done.bad):
        out.warn(f"{done.left_out - len(done.bad):,} more were left out")
    taken = done.taken
    words = [f"{'would import' if args.dry_run else 'imported'} {text.plural(len(taken.added), 'memory')}"]
    if taken.changed:
        words.append(f"{len(taken.changed):,} changed")
    if done.known - len(done.removed) > 0:
        words.append(f"{done.known - len(done.removed):,} here already")
    if done.removed:
        words.append(f"{len(done.removed):,} removed here")
    if taken.conflicts:
        words.append(text.plural(len(taken.conflicts), "conflict"))
    record = {
        "read": done.read,
        "added": taken.added,
        "changed": taken.changed,
        "known": done.known,
        "bad": [{"file": str(bad.path), "line": bad.line, "why": bad.problem} for bad in done.bad],
        "dry_run": args.dry_run,
    }
    if done.removed:
        record["removed"] = done.removed
    out.done(record, ", ".join(words))
    if done.removed:
        first = done.removed[0][:8] if len(done.removed) == 1 else "ID"
        out.note(
            f"what was removed stays so · `ghostie restore {first}` brings it back, `ghostie list --deleted` shows all"
        )
    if done.bad:
        raise ImportIncomplete(bad=done.left_out, total=done.read)


def export(args: argparse.Namespace, out: Output) -> None:
    from ghostie.vault.exchange import export_to, exported

    vault = open_(args)
    unopened: list[Unopened] = []
    records = exported(vault, vault.select(filter_of(args, vault)), unopened)
    if args.path is not None:
        count = export_to(Path(args.path), records, force=args.force)
        said = f"wrote {text.plural(count, 'memory')} to {args.path}, in the clear"
        out.done({"path": args.path, "memories": count}, said)
    elif out.json:
        out.document(list(records))
    else:
        for record in records:
            out.document(record)
    tell_unopened(out, unopened)
