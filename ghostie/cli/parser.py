"""The whole command tree, without importing anything heavy. Help, completion and `docs/cli.md` are made from it."""

from __future__ import annotations

import argparse
from importlib import import_module

from ghostie.cli.grammar import (
    Command,
    Parser,
    argument,
    count,
    fill,
    first_word,
    flag,
    group,
    history,
    normalised,
    one_of,
    option,
)

TYPE_CHECKING = False  # as typing's; this module is loaded by every command, so it imports next to nothing
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

EPILOG = """exit codes: 0 done, 1 failed, 2 usage, 3 conflicts remain, 4 alarm, 10 no vault, 11 vault busy, 12 wrong
passphrase or key, 20 store unreachable, 21 store refused the credentials, 22 throttled or full, 130 interrupted"""

GROUPS = {
    "sync": "keep devices in step through a store that is never trusted (also: ghostie --sync ACTION)",
    "keys": "passphrase and recovery words",
    "self": "this installation of ghostie",
    "termux": "what only an Android phone has",
}

# -- arguments that several commands share ---------------------------------------------------------------------------

STATUSES = ("inbox", "active", "archived")
REPEATED = {"action": "append", "default": []}

# a sub-command that is not told leaves what was said before it as it is
EVERYWHERE = group(
    "everywhere",
    option("--home", "DIR", "the vault's folder (default: GHOSTIE_HOME, else ~/.ghostie)", default=argparse.SUPPRESS),
    option("--passphrase-file", "FILE", "read the passphrase from FILE's first line", default=argparse.SUPPRESS),
    flag("--json", "print one JSON document", default=argparse.SUPPRESS),
    flag("-q --quiet", "print data and errors only", default=argparse.SUPPRESS),
)
NO_MOUSE = flag(
    "--no-mouse",
    "on the screens, leave the mouse to the terminal: on a phone, a tap then raises the keyboard",
    default=argparse.SUPPRESS,
)
DRY_RUN = flag("--dry-run", "say what would happen, and change nothing")
OFFLINE = flag("--offline", "do not look at the store")
ID = argument("id", metavar="ID", help="a memory's id, or enough of its beginning")
IDS = argument("ids", metavar="ID", nargs="+", help="a memory's id, or enough of its beginning")
AT = option("--at", "VERSION|TIME", "as it was: a version's number or hash, or a moment (7d, 2025-06-28)")
TAGS = option("-t --tag", "TAG", "a tag; may be repeated", **REPEATED)
FIELDS = (
    option("-c --category", "CATEGORY", "the category: one word or a few"),
    option("--context", "JSON", "a JSON object that is kept with it"),
    option("--kind", "KIND", "what it is (default: memory)"),
)
FILTERS = (
    option("-c --category", "CATEGORY", "only this category"),
    option("-t --tag", "TAG", "only with this tag; may be repeated", **REPEATED),
    option("--kind", "KIND", "only this kind (memory, task, …)"),
    option("--status", STATUSES, "only this status"),
    option("--since", "TIME", "only from then on: 7d, 12h, 2025-06-28, 2025-06-28T14:30"),
    option("--until", "TIME", "only before then"),
    option("--device", "NAME", "only from this device"),
)
NEW_PASSPHRASE = (
    option(
        "--new-passphrase-file", "FILE", "the new passphrase, first line (else GHOSTIE_NEW_PASSPHRASE, else a prompt)"
    ),
    option("--kdf", ("standard", "strong"), "never lowers what is set", default="standard"),
)
STORE_PASSPHRASE = option(
    "--store-passphrase-file",
    "FILE",
    "the passphrase of the vault on the store, where it is another than this device's",
)
PROXY = option("--proxy", "URL", "s3, gist: go through this proxy, and through no other")
AUTHORITIES = option("--authorities", "FILE", "s3, gist: certificates to trust in place of the usual ones")
CALLED = option("--device-name", "NAME", "what this device is called")
WORDS = option("--words-file", "FILE", "the 24 recovery words in place of the passphrase; - reads standard input")
STORE = (
    option("--backend", ("folder", "s3", "gist"), "what kind of store (default: as before, else folder)"),
    group(
        "where the store is",
        option("--path", "DIR", "folder: the folder"),
        option("--bucket", "NAME", "s3: the bucket; it must be there"),
        option("--endpoint", "URL", "s3: the server (default: Amazon's)"),
        option("--prefix", "WORD", "s3, gist: keeps several vaults apart in one bucket or account"),
        option("--api-url", "URL", "gist: a service that speaks as GitHub's does"),
    ),
    group(
        "how to get there",
        option("--region", "NAME", "s3: the region (default: the server says)"),
        option("--style", ("path", "virtual"), "s3: where the bucket's name stands in an address"),
        option("--raw-url", "URL", "gist: where such a service shows raw contents"),
        PROXY,
        AUTHORITIES,
        flag("--plain-http", "s3, gist: allow an http:// address", default=None),
        option(
            "--credentials-file",
            "FILE",
            "the store's credentials: a token, or lines NAME=VALUE (else GHOSTIE_S3_ACCESS_KEY and"
            " GHOSTIE_S3_SECRET_KEY, or GHOSTIE_GIST_TOKEN, else as before, else a prompt)",
        ),
        flag("--new-credentials", "not the credentials of before"),
        option("--client-id", "ID", "gist: sign in by a code, with the app of this id (GHOSTIE_GIST_CLIENT_ID)"),
    ),
)
PULL = (DRY_RUN, flag("--yes", "also if it would remove many memories"))

# -- the tree --------------------------------------------------------------------------------------------------------

COMMANDS: tuple[Command, ...] = (
    Command(
        "init",
        "create the vault here",
        "keys:init",
        option("--device-name", "NAME", "what this device is called (default: its host name)"),
        option(
            "--kdf",
            ("standard", "strong"),
            "cost of guessing the passphrase: standard 64 MiB, strong 256 MiB",
            default="standard",
        ),
        flag("--keyring", "keep the passphrase in the desktop keyring (needs ghostie[keyring])"),
    ),
    Command(
        "add",
        "add a memory; prints its id",
        "memories:add",
        argument("text", metavar="TEXT", nargs="?", help="what to remember; without it, standard input"),
        *FIELDS,
        TAGS,
        flag("--inbox", "put it into the inbox, to be looked at later"),
        flag("--local-only", "never let it leave this device"),
    ),
    Command(
        "list",
        "list memories, newest first",
        "memories:list_",
        argument(
            "filter",
            metavar="FILTER",
            nargs="*",
            help="conditions and words: cat:network tag:lan -tag:old device:pixel since:7d status:inbox is:conflict",
        ),
        *FILTERS,
        option("--at", "TIME", "as the vault was then: 7d, 2025-06-28, 2025-06-28T14:30"),
        flag("--deleted", "removed memories, which `restore` brings back"),
        option("-n --limit", "N", "at most N (default: 20; 0: all)", type=count, default=20),
    ),
    Command("show", "show a memory", "memories:show", ID, AT),
    Command("history", "show a memory's versions, newest first", "memories:history", ID),
    Command(
        "diff",
        "show what changed between two versions",
        "memories:diff",
        ID,
        argument(
            "a",
            metavar="A",
            nargs="?",
            help="a version's number or the beginning of its hash (default: the one before)",
        ),
        argument("b", metavar="B", nargs="?", help="the other version (default: the one that is shown)"),
    ),
    Command(
        "edit",
        "change a memory; without options, its content in $EDITOR",
        "memories:edit",
        ID,
        option("--content", "TEXT", "the new content; - reads standard input"),
        *FIELDS,
        option("-t --tag", "±TAG", "+TAG adds a tag, -TAG takes it off; may be repeated", **REPEATED),
        option("--status", STATUSES, "inbox, active (kept) or archived"),
        one_of(
            flag("--local-only", "from now on, keep it on this device"),
            flag("--synced", "from now on, let it go to the other devices"),
        ),
    ),
    Command(
        "rm",
        "remove memories; `restore` or `undo` brings them back",
        "memories:remove",
        IDS,
        flag("--yes", "do not ask: more than 50 memories are removed only with a yes"),
    ),
    Command("restore", "bring back a removed memory, or an older version of one", "memories:restore", ID, AT),
    Command(
        "purge",
        "destroy memories and all their versions, everywhere",
        "memories:purge",
        IDS,
        flag("--yes", "do not ask: this destroys them, here and everywhere"),
    ),
    Command(
        "undo",
        "take back the last change; again, the one before it",
        "memories:undo",
        argument(
            "operation",
            metavar="OPERATION",
            nargs="?",
            help="one of `undo --list` (default: the last; what sync brought only by name)",
        ),
        flag("--redo", "do again what the last undo took back, or the one named"),
        flag("--yes", "do not ask: more than 50 memories are changed only with a yes"),
        flag("--list", "show what was done, newest first"),
    ),
    Command(
        "search",
        "find memories by their words, best first",
        "memories:search",
        argument(
            "query", metavar="QUERY", nargs="+", help='words; "several words" as a phrase; begin* for a beginning'
        ),
        option("-n --limit", "N", "at most N (default: 20)", type=count, default=20),
    ),
    Command(
        "review",
        "go through the inbox and the conflicts, and find things",
        "care:review",
        flag("--plain", "numbered prompts instead: for screen readers, simple terminals and scripts"),
        NO_MOUSE,
    ),
    Command(
        "import",
        "bring in memories from files; importing twice adds nothing",
        "memories:import_",
        argument("paths", metavar="PATH", nargs="+", help="files (.json .jsonl .md, and .gz of these) or folders"),
        option("--status", STATUSES, "where they go (default: inbox, until someone has looked)", default="inbox"),
        flag("--keep-status", "as each record says: for an export of your own"),
        DRY_RUN,
    ),
    Command(
        "export",
        "write memories, in the clear, as `import` reads them",
        "memories:export",
        argument(
            "path",
            metavar="PATH",
            nargs="?",
            help="a folder, or a file .json .jsonl or .gz of these; without it, JSON lines on standard output",
        ),
        *FILTERS,
        flag("--force", "replace a file that is there"),
    ),
    Command(
        "sync setup",
        "tie this vault to a store, or join the vault that is there",
        "stores:setup",
        *STORE,
        CALLED,
        WORDS,
        *NEW_PASSPHRASE[:1],
        STORE_PASSPHRASE,
        flag("--again", "the store was moved or emptied on purpose"),
    ),
    Command(
        "sync invite",
        "show a code by which another device joins",
        "stores:invite",
        option("--valid", "TIME", "for how long: 30min, 8h, 2d; at most 30d (default: 1d)", default="1d"),
        flag("--qr", "a QR code, too, also where it may not fit"),
        STORE_PASSPHRASE,
    ),
    Command(
        "sync join",
        "join by the code that another device showed",
        "stores:join",
        argument(
            "code",
            metavar="CODE",
            nargs="?",
            help="what `sync invite` showed; - reads standard input; without it, a prompt. In a command line others who"
            " use this machine can see it, and the shell's history keeps it",
        ),
        CALLED,
        option("--path", "DIR", "folder: where the folder is on this device"),
        PROXY,
        AUTHORITIES,
        STORE_PASSPHRASE,
    ),
    Command("sync push", "send what the store does not have", "sync:push", DRY_RUN),
    Command("sync pull", "take in what other devices sent", "sync:pull", *PULL),
    Command(
        "sync run",
        "pull, then push",
        "sync:run",
        *PULL,
        option(
            "--scheduled",
            "SECONDS",
            "as `sync auto` does it: asks nothing, has a time limit, tells only of failures; waits up to SECONDS",
            type=count,
            nargs="?",
            const=0,
        ),
    ),
    Command(
        "sync auto",
        "sync by itself, every so often",
        "automatic:auto",
        argument("action", nargs="?", choices=("off", "status"), help="end it, or show how it goes (default)"),
        option("--every", "TIME", "sync so often from now on: 15m, 1h, 1d"),
        option(
            "--with",
            ("systemd", "cron", "android"),
            "by a systemd user timer, cron, or an Android job (default: what is here)",
            dest="with_",
        ),
        option("--network", ("any", "unmetered"), "on what network (default: unmetered on Android, else any)"),
        option(
            "--power",
            ("any", "not-low", "charging"),
            "on what power (default: not while the battery is low on Android, else any)",
        ),
        flag("--anyway", "also where only `ghostie unlock` opens the vault"),
    ),
    Command("sync status", "show where this device stands", "sync:status", OFFLINE),
    Command(
        "sync conflict",
        "list conflicts, show one, or resolve it",
        "sync:conflict",
        argument(
            "id",
            metavar="ID",
            nargs="?",
            help="a memory's id, or enough of its beginning; without it, all are listed",
        ),
        option("--keep", ("mine", "theirs", "both", "merged", "edit"), "resolve it so"),
        flag("--all", "resolve every open conflict so"),
        flag("--yes", "do not ask: more than 50 are resolved only with a yes"),
    ),
    Command(
        "sync devices",
        "list the devices of this vault",
        "sync:devices",
        OFFLINE,
        option("--rename", "NAME", "give this device another name"),
        option(
            "--retire",
            "WRITER",
            "end another device that is lost or sold: what only it published goes out from here, then its objects go",
        ),
        flag("--yes", "do not ask before a device is retired"),
    ),
    Command("sync verify", "check every object on the store and every file here", "sync:verify"),
    Command("sync repair", "put back what the store lost and this device knows", "sync:repair", DRY_RUN),
    Command("sync compact", "join this device's small objects on the store", "sync:compact"),
    Command(
        "unlock",
        "ask for the passphrase once, and hold the key for a while",
        "keys:unlock",
        option("--for", "TIME", "for how long: 30min, 8h, 2d (default: 8h)", dest="duration", default="8h"),
    ),
    Command("lock", "forget the key that `unlock` holds", "keys:lock"),
    Command("keys passwd", "change the passphrase", "keys:passwd", *NEW_PASSPHRASE),
    Command("keys rotate", "open a new key and seal everything again under it", "keys:rotate"),
    Command("keys recovery", "show the 24 recovery words", "keys:recovery"),
    Command(
        "keys restore",
        "open the vault by its 24 words and set a new passphrase; where there is none, join it on its store",
        "keys:restore",
        option("--words-file", "FILE", "the 24 words (else a prompt, or standard input)"),
        *NEW_PASSPHRASE,
        *STORE,
        CALLED,
    ),
    Command("stats", "show the vault in numbers", "care:stats"),
    Command(
        "doctor",
        "check that everything here is whole and in order",
        "care:doctor",
        flag("--fix", "set damaged files aside, put back what opens in quarantine, and make the index anew"),
        option(
            "--simulate",
            "SEED",
            "leave the vault alone: live through one random history of a few throw-away devices whose store fails"
            " and lies, and show what became of it; the same SEED, a whole number, is the same history; keys-SEED is"
            " one in which keys, devices and privacy change too, folders-SEED one around a folder that a program keeps"
            " in step",
            type=history,
        ),
        flag("--accelerate", "no check: get PyNaCl and orjson, compiled here where need be"),
        flag("--yes", "with --accelerate: do not ask"),
    ),
    Command(
        "gc",
        "tidy up; with --history, drop old versions",
        "care:gc",
        option("--history", "N", "keep only the newest N versions of each memory on this device; final", type=count),
        DRY_RUN,
        flag("--yes", "do not ask before old versions are dropped"),
    ),
    Command(
        "completion",
        "print a completion script for a shell",
        "completion:completion",
        argument("shell", choices=("bash", "zsh", "fish"), help="for which shell"),
    ),
    Command(
        "self update",
        "bring ghostie itself up to date, by the install.sh that made it",
        "own:update",
        option("--from", "DIR", "the clone to take it from (default: as before)", dest="source"),
        flag("--no-fetch", "take the sources as they are, without `git pull`"),
        flag("--yes", "do not ask"),
        DRY_RUN,
    ),
    Command(
        "termux setup",
        "make Termux's hooks: start-up, widgets, sharing",
        "phone:setup",
        flag("--remove", "take away what this command made"),
        DRY_RUN,
    ),
    Command(
        "termux capture",
        "put what is typed, said, copied or shared into the inbox",
        "phone:capture",
        one_of(
            flag("--voice", "say it"),
            flag("--clipboard", "what was copied"),
            option("--file", "FILE", "a text file that was shared"),
            option("--url", "URL", "a link that was shared"),
        ),
        TAGS,
    ),
    Command(
        "termux notify",
        "show on the phone's screen what waits for a person",
        "phone:notify",
        flag("--inbox", "also when there is no conflict, but something in the inbox"),
        DRY_RUN,
    ),
)


def build(only: str | None = None) -> Parser:
    """Return the parser; with *only* (a first word), the arguments of that command alone are filled in."""
    top = Parser(prog="ghostie", description="An encrypted memory vault for people and their agents.", epilog=EPILOG)
    fill(top, (flag("--version", "print the version"), NO_MOUSE, EVERYWHERE))
    top.set_defaults(command=None, no_mouse=False, home=None, passphrase_file=None, json=False, quiet=False)
    words = top.add_subparsers(metavar="COMMAND", title="commands", parser_class=Parser, prog="ghostie")
    groups: dict[str, Any] = {}
    for command in COMMANDS:
        first, _, second = command.name.partition(" ")
        if second and first not in groups:
            branch = words.add_parser(first, help=GROUPS[first], description=_sentence(GROUPS[first]))
            branch.set_defaults(command=None, group=first)
            EVERYWHERE(branch)
            groups[first] = branch.add_subparsers(
                metavar="ACTION", title="actions", parser_class=Parser, prog=f"ghostie {first}"
            )
        parent, name = (groups[first], second) if second else (words, first)
        if only is not None and only != first:
            if not second:
                parent.add_parser(name, help=command.help, add_help=False)
            continue
        leaf = parent.add_parser(name, help=command.help, description=_sentence(command.help))
        fill(leaf, (*command.arguments, EVERYWHERE))
        leaf.set_defaults(command=command)
    return top


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def parse(argv: Sequence[str]) -> argparse.Namespace | None:
    """Return the parsed arguments, or None after a usage error was told. Help and its exit code 0 raise SystemExit."""
    words = normalised(argv)
    try:
        return build(only=first_word(words) or "").parse_args(words)
    except SystemExit as done:
        if done.code:
            return None
        raise


def target(args: argparse.Namespace) -> Callable[[argparse.Namespace, Any], int | None]:
    """Return the function that carries out *args*, importing only its module."""
    spec = args.command.target if args.command is not None else "care:overview"
    module, name = spec.split(":")
    function: Callable[[argparse.Namespace, Any], int | None] = getattr(import_module(f"ghostie.cli.{module}"), name)
    return function
