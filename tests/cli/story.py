"""One command line for every command, so that what holds for all of them is asked of all of them."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ghostie.cli import parser

from .device import PASSPHRASE, Scene

COMMANDS = [command.name for command in parser.COMMANDS]

RECORD = {
    "id",
    "kind",
    "timestamp",
    "device_id",
    "category",
    "content",
    "context",
    "tags",
    "status",
    "privacy",
    "scope",
    "anchor",
    "links",
    "source",
    "sync_metadata",
}
PUSHED = {"versions", "memories", "objects", "bytes", "new_key", "renewed", "unreadable", "notices", "dry_run"}
PULLED = {
    "versions",
    "added",
    "changed",
    "removed",
    "merged",
    "conflicts",
    "flagged",
    "removals",
    "alarms",
    "notices",
    "dry_run",
}
SET_UP = {"backend", "create_only", "joined", "brought", "vault", "device", "writer", "passphrase"}
DEVICE = {"writer", "name", "this", "last_word", "position", "on_store", "behind"}
FAILING = {"last_good", "failures", "failing_since", "failure"}
CONFLICT = {"id", "fields", "base", "mine", "theirs"}
NUMBERS = {
    "memories",
    "versions",
    "removed",
    "conflicts",
    "size",
    "size_with_indexes",
    "by_status",
    "by_category",
    "by_tag",
    "by_device",
    "by_kind",
    "by_week",
    "by_month",
    "inbox_oldest",
    "inbox_ages",
}


@dataclass(frozen=True)
class Line:
    """A command line, the exit code that it ends with, and the JSON document that it prints.

    *keys* are the keys of the document, or of each element where it is a list (*many*); None where it is a list of words.
    """

    argv: tuple[str, ...]
    keys: set[str] | None
    many: bool = False
    code: int = 0


def lines(pair: Scene) -> dict[str, Line]:
    """Set the scene (memories, a removed one, a conflict, files) and return a command line for each command."""
    laptop = pair.device("laptop")
    folder = pair.folder / "files"
    folder.mkdir(exist_ok=True)
    one, gone, doomed = laptop.add("one"), laptop.add("gone"), laptop.add("doomed")
    laptop.ok("edit", one, "--content", "one, edited")
    laptop.ok("rm", gone)
    laptop.add("not looked at yet", "--inbox")
    fought = fight(pair)
    (folder / "in.jsonl").write_text(json.dumps({"content": "imported"}) + "\n")
    (folder / "passphrase").write_text(PASSPHRASE + "\n")
    words = laptop.ok("keys", "recovery", "--json", passphrase=PASSPHRASE).json()
    (folder / "words").write_text(" ".join(words))
    secret = ("--passphrase-file", str(folder / "passphrase"))
    new = ("--new-passphrase-file", str(folder / "passphrase"))
    code = laptop.ok("sync", "invite", *secret).out.strip()
    empty = laptop.scratch / "another"
    return {
        "init": Line(("init", "--home", str(empty), *secret), {"home", "device", "vault"}),
        "add": Line(("add", "text"), RECORD),
        "list": Line(("list",), RECORD, many=True),
        "show": Line(("show", one), RECORD),
        "history": Line(("history", one), RECORD, many=True),
        "diff": Line(("diff", one), {"before", "after"}),
        "edit": Line(("edit", one, "-c", "odd"), RECORD),
        "rm": Line(("rm", one), RECORD, many=True),
        "restore": Line(("restore", gone), RECORD),
        "purge": Line(("purge", doomed, "--yes"), None, many=True),
        "undo": Line(("undo", "--list"), {"operation", "time", "what", "undoes", "memories"}, many=True),
        "review": Line(("review", "--plain"), RECORD, many=True),
        "search": Line(("search", "one"), RECORD | {"rank"}, many=True),
        "import": Line(("import", str(folder / "in.jsonl")), {"read", "added", "changed", "known", "bad", "dry_run"}),
        "export": Line(("export",), RECORD, many=True),
        "sync setup": Line(
            ("sync", "setup", "--backend", "folder", "--path", str(pair.store)),
            SET_UP,
        ),
        "sync invite": Line(("sync", "invite", *secret), {"code", "until", "logs", "credentials"}),
        "sync join": Line(("sync", "join", code, *secret), SET_UP),
        "sync push": Line(("sync", "push"), PUSHED),
        "sync pull": Line(("sync", "pull"), PULLED, code=3),
        "sync run": Line(("sync", "run"), {"pulled", "pushed"}, code=3),
        "sync status": Line(
            ("sync", "status"),
            {
                "store",
                "reached",
                "ahead",
                "waiting",
                "behind",
                "conflicts",
                "alarms",
                "devices",
                "objects",
                "bytes",
                "last_pull",
                "last_push",
                *FAILING,
            },
            code=3,
        ),
        "sync auto": Line(
            ("sync", "auto"),
            {"installed", "active", "every", "key", "network", "power", "last_run", "log", *FAILING},
        ),
        "sync conflict": Line(("sync", "conflict"), CONFLICT, many=True, code=3),
        "sync devices": Line(("sync", "devices"), DEVICE, many=True),
        "sync verify": Line(("sync", "verify"), None, many=True),
        "sync repair": Line(("sync", "repair"), None, many=True),
        "sync compact": Line(("sync", "compact"), {"joined", "into"}),
        "unlock": Line(("unlock", "--for", "20min", *secret), {"unlocked", "seconds"}),
        "lock": Line(("lock", "--home", str(empty)), {"unlocked", "was"}),
        "keys passwd": Line(("keys", "passwd", *secret, *new), {"changed", "passphrase"}),
        "keys rotate": Line(("keys", "rotate", *secret), {"epoch", "versions", "damaged"}),
        "keys recovery": Line(("keys", "recovery", *secret), None, many=True),
        "keys restore": Line(
            ("keys", "restore", "--words-file", str(folder / "words"), *new), {"restored", "passphrase"}
        ),
        "stats": Line(("stats",), NUMBERS),
        "doctor": Line(("doctor",), {"ok", "what", "hint"}, many=True),
        "gc": Line(("gc",), {"versions", "quarantined", "dry_run"}),
        "completion": Line(("completion", "bash"), None),
        "self update": Line(("self", "update", "--dry-run"), {"by_script", "sources"}),
        "termux setup": Line(("termux", "setup", "--dry-run"), {"path", "what", "done"}, many=True),
        "termux capture": Line(("termux", "capture", "--url", "https://example.org/"), RECORD),
        "termux notify": Line(("termux", "notify", "--dry-run"), {"conflicts", "inbox", "dry_run"}),
        "fought": Line(("sync", "conflict", fought), CONFLICT, code=3),
    }


def fight(pair: Scene, mine: str = "buy soy milk", theirs: str = "buy almond milk") -> str:
    """Let both devices change the same memory, and the laptop hear of it; return the id of what is now in conflict."""
    laptop, phone = pair.device("laptop"), pair.device("phone")
    memory_id: str = laptop.ok("search", "milk", "--json").json()[0]["id"]
    laptop.ok("edit", memory_id, "--content", mine)
    phone.ok("edit", memory_id, "--content", theirs)
    phone.ok("sync", "push")
    laptop("sync", "pull", code=3)
    return memory_id
