"""Commands that bring memories in and write them out."""

from __future__ import annotations

import argparse
from pathlib import Path

from ghostie import text
from ghostie.cli.memories import filter_of, tell_damaged
from ghostie.cli.output import Output
from ghostie.cli.session import open_
from ghostie.errors import Damaged, ImportIncomplete


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
    taken = done.taken
    if out.json:
        out.document(
            {
                "read": done.read,
                "added": list(taken.added),
                "changed": list(taken.changed),
                "known": done.known,
                "bad": [{"file": str(bad.path), "line": bad.line, "why": bad.problem} for bad in done.bad],
                "dry_run": args.dry_run,
            }
        )
    else:
        would = "would import" if args.dry_run else "imported"
        words = [f"{would} {text.plural(len(taken.added), 'memory')}"]
        if taken.changed:
            words.append(f"{len(taken.changed):,} changed")
        if done.known > 0:
            words.append(f"{done.known:,} here already")
        if taken.conflicts:
            words.append(f"{text.plural(len(taken.conflicts), 'conflict')}")
        out.note(", ".join(words))
    if done.bad:
        raise ImportIncomplete(bad=len(done.bad), total=done.read)


def export(args: argparse.Namespace, out: Output) -> None:
    from ghostie.vault.exchange import export_to, exported

    vault = open_(args)
    damaged: list[Damaged] = []
    records = exported(vault, vault.select(filter_of(args, vault)), damaged)
    if args.path is not None:
        count = export_to(Path(args.path), records, force=args.force)
        if out.json:
            out.document({"path": args.path, "memories": count})
        else:
            out.note(f"wrote {text.plural(count, 'memory')} to {args.path}, in the clear")
    elif out.json:
        out.document(list(records))
    else:
        for record in records:
            out.document(record)
    tell_damaged(out, damaged)
