"""The whole command tree, without importing anything heavy. Help, completion and `docs/cli.md` are made from it."""

from __future__ import annotations

import argparse
from importlib import import_module

from ghostie.cli import syncing
from ghostie.cli.grammar import Command, Formatter, Parser, count, dry_run, first_word, normalised

TYPE_CHECKING = False  # as typing's; this module is loaded by every command, so it imports next to nothing
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

EPILOG = """exit codes: 0 done, 1 failed, 2 usage, 3 conflicts remain, 4 alarm, 10 no vault, 11 vault busy, 12 wrong
passphrase or key, 20 store unreachable, 21 store refused the credentials, 22 throttled or full, 130 interrupted"""


# -- arguments that several commands share ---------------------------------------------------------------------------


def _ids(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", metavar="ID", nargs="+", help="a memory's id, or enough of its beginning")


def _id(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="a memory's id, or enough of its beginning")


def _filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--category", help="only this category")
    parser.add_argument(
        "-t", "--tag", action="append", default=[], metavar="TAG", help="only with this tag; may be repeated"
    )
    parser.add_argument("--kind", help="only this kind (memory, task, …)")
    parser.add_argument("--status", choices=("inbox", "active", "archived"), help="only this status")
    parser.add_argument("--since", metavar="TIME", help="only from then on: 7d, 12h, 2025-06-28, 2025-06-28T14:30")
    parser.add_argument("--until", metavar="TIME", help="only before then")
    parser.add_argument("--device", metavar="NAME", help="only from this device")


def _fields(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--category", help="the category: one word or a few")
    parser.add_argument("--context", metavar="JSON", help="a JSON object that is kept with it")
    parser.add_argument("--kind", help="what it is (default: memory)")


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", metavar="TEXT", nargs="?", help="what to remember; without it, standard input")
    _fields(parser)
    parser.add_argument("-t", "--tag", action="append", default=[], metavar="TAG", help="a tag; may be repeated")
    parser.add_argument("--inbox", action="store_true", help="put it into the inbox, to be looked at later")
    parser.add_argument("--local-only", action="store_true", help="never let it leave this device")


def _list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "filter",
        metavar="FILTER",
        nargs="*",
        help="conditions and words: cat:network tag:lan -tag:old device:pixel since:7d status:inbox is:conflict",
    )
    _filters(parser)
    parser.add_argument("--at", metavar="TIME", help="as the vault was then: 7d, 2025-06-28, 2025-06-28T14:30")
    parser.add_argument("--deleted", action="store_true", help="removed memories, which `restore` brings back")
    parser.add_argument("-n", "--limit", type=count, default=20, metavar="N", help="at most N (default: 20; 0: all)")


def _show(parser: argparse.ArgumentParser) -> None:
    _id(parser)
    _at(parser)


def _at(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--at", metavar="VERSION|TIME", help="as it was: a version's number or hash, or a moment (7d, 2025-06-28)"
    )


def _edit(parser: argparse.ArgumentParser) -> None:
    _id(parser)
    parser.add_argument("--content", metavar="TEXT", help="the new content; - reads standard input")
    _fields(parser)
    parser.add_argument(
        "-t",
        "--tag",
        action="append",
        default=[],
        metavar="±TAG",
        help="+TAG adds a tag, -TAG takes it off; may be repeated",
    )
    parser.add_argument("--status", choices=("inbox", "active", "archived"), help="inbox, active (kept) or archived")
    privacy = parser.add_mutually_exclusive_group()
    privacy.add_argument("--local-only", action="store_true", help="from now on, keep it on this device")
    privacy.add_argument("--synced", action="store_true", help="from now on, let it go to the other devices")


def _review(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--plain",
        action="store_true",
        help="numbered prompts instead: for screen readers, simple terminals and scripts",
    )
    _no_mouse(parser, default=argparse.SUPPRESS)


def _no_mouse(parser: argparse.ArgumentParser, *, default: Any) -> None:
    parser.add_argument(
        "--no-mouse",
        action="store_true",
        default=default,
        help="on the screens, leave the mouse to the terminal: on a phone, a tap then raises the keyboard",
    )


def _restore(parser: argparse.ArgumentParser) -> None:
    _id(parser)
    _at(parser)


def _purge(parser: argparse.ArgumentParser) -> None:
    _ids(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask: this destroys them, here and everywhere")


def _diff(parser: argparse.ArgumentParser) -> None:
    _id(parser)
    parser.add_argument(
        "a", metavar="A", nargs="?", help="a version's number or the beginning of its hash (default: the one before)"
    )
    parser.add_argument("b", metavar="B", nargs="?", help="the other version (default: the one that is shown)")


def _undo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "operation",
        metavar="OPERATION",
        nargs="?",
        help="one of `undo --list` (default: the last; a pull only by name)",
    )
    parser.add_argument("--redo", action="store_true", help="do again what the last undo took back")
    parser.add_argument("--list", action="store_true", help="show what was done, newest first")


def _search(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "query", metavar="QUERY", nargs="+", help='words; "several words" as a phrase; begin* for a beginning'
    )
    parser.add_argument("-n", "--limit", type=count, default=20, metavar="N", help="at most N (default: 20)")


def _import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths", metavar="PATH", nargs="+", help="files (.json .jsonl .md, and .gz of these) or folders"
    )
    parser.add_argument(
        "--status",
        choices=("inbox", "active", "archived"),
        default="inbox",
        help="where they go (default: inbox, until someone has looked)",
    )
    parser.add_argument("--keep-status", action="store_true", help="as each record says: for an export of your own")
    dry_run(parser)


def _export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "path",
        metavar="PATH",
        nargs="?",
        help="a folder, or a file .json .jsonl or .gz of these; without it, JSON lines on standard output",
    )
    _filters(parser)
    parser.add_argument("--force", action="store_true", help="replace a file that is there")


def _init(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device-name", metavar="NAME", help="what this device is called (default: its host name)")
    parser.add_argument(
        "--kdf",
        choices=("standard", "strong"),
        default="standard",
        help="cost of guessing the passphrase: standard 64 MiB, strong 256 MiB",
    )
    parser.add_argument(
        "--keyring", action="store_true", help="keep the passphrase in the desktop keyring (needs ghostie[keyring])"
    )


def _unlock(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--for", dest="duration", default="8h", metavar="TIME", help="for how long: 30min, 8h, 2d (default: 8h)"
    )


def _passwd(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--new-passphrase-file",
        metavar="FILE",
        help="the new passphrase, first line (else GHOSTIE_NEW_PASSPHRASE, else a prompt)",
    )
    parser.add_argument("--kdf", choices=("standard", "strong"), default="standard", help="never lowers what is set")


def _words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--words-file", metavar="FILE", help="the 24 words (else standard input, else a prompt)")
    _passwd(parser)


def _gc(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--history",
        type=count,
        metavar="N",
        help="keep only the newest N versions of each memory on this device; final",
    )
    dry_run(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask before old versions are dropped")


def _doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fix", action="store_true", help="set damaged files aside and make the index anew")
    parser.add_argument(
        "--simulate",
        type=count,
        metavar="SEED",
        help="leave the vault alone: live through one random history of a few throw-away devices whose store fails"
        " and lies, and show what became of it; the same SEED, a whole number, is the same history",
    )
    parser.add_argument(
        "--accelerate", action="store_true", help="no check: get PyNaCl and orjson, compiled here where need be"
    )
    parser.add_argument("--yes", action="store_true", help="with --accelerate: do not ask")


def _self_update(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="source", metavar="DIR", help="the clone to take it from (default: as before)")
    parser.add_argument("--no-fetch", action="store_true", help="take the sources as they are, without `git pull`")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    dry_run(parser)


def _termux_setup(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--remove", action="store_true", help="take away what this command made")
    dry_run(parser)


def _termux_capture(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--voice", action="store_true", help="say it")
    source.add_argument("--clipboard", action="store_true", help="what was copied")
    source.add_argument("--file", metavar="FILE", help="a text file that was shared")
    source.add_argument("--url", metavar="URL", help="a link that was shared")
    parser.add_argument("-t", "--tag", action="append", default=[], metavar="TAG", help="a tag; may be repeated")


def _termux_notify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--inbox", action="store_true", help="also when there is no conflict, but something in the inbox"
    )
    dry_run(parser)


def _completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="for which shell")


# -- the tree --------------------------------------------------------------------------------------------------------

GROUPS = {
    "sync": "keep devices in step through a store that is never trusted (also: ghostie --sync ACTION)",
    "keys": "passphrase and recovery words",
    "self": "this installation of ghostie",
    "termux": "what only an Android phone has",
}

COMMANDS: tuple[Command, ...] = (
    Command("init", "create the vault here", "keys:init", _init),
    Command("add", "add a memory; prints its id", "memories:add", _add),
    Command("list", "list memories, newest first", "memories:list_", _list),
    Command("show", "show a memory", "memories:show", _show),
    Command("history", "show a memory's versions, newest first", "memories:history", _id),
    Command("diff", "show what changed between two versions", "memories:diff", _diff),
    Command("edit", "change a memory; without options, its content in $EDITOR", "memories:edit", _edit),
    Command("rm", "remove memories; `restore` or `undo` brings them back", "memories:remove", _ids),
    Command("restore", "bring back a removed memory, or an older version of one", "memories:restore", _restore),
    Command("purge", "destroy memories and all their versions, everywhere", "memories:purge", _purge),
    Command("undo", "take back the last change; again, the one before it", "memories:undo", _undo),
    Command("search", "find memories by their words, best first", "memories:search", _search),
    Command("review", "go through the inbox and the conflicts, and find things", "review:review", _review),
    Command("import", "bring in memories from files; importing twice adds nothing", "exchange:import_", _import),
    Command("export", "write memories, in the clear, as `import` reads them", "exchange:export", _export),
    Command("sync setup", "tie this vault to a store, or join the vault that is there", "sync:setup", syncing.setup),
    Command("sync invite", "show a code by which another device joins", "pairing:invite", syncing.invite),
    Command("sync join", "join by the code that another device showed", "pairing:join", syncing.join),
    Command("sync push", "send what the store does not have", "sync:push", dry_run),
    Command("sync pull", "take in what other devices sent", "sync:pull", syncing.pull),
    Command("sync run", "pull, then push", "sync:run", syncing.run),
    Command("sync auto", "sync by itself, every so often", "automatic:auto", syncing.auto),
    Command("sync status", "show where this device stands", "sync:status", syncing.status),
    Command("sync conflict", "list conflicts, show one, or resolve it", "sync:conflict", syncing.conflict),
    Command("sync devices", "list the devices of this vault", "sync:devices", syncing.devices),
    Command("sync verify", "check every object on the store and every file here", "sync:verify"),
    Command("sync repair", "put back what the store lost and this device knows", "sync:repair", dry_run),
    Command("sync compact", "join this device's small objects on the store", "sync:compact"),
    Command("unlock", "ask for the passphrase once, and hold the key for a while", "keys:unlock", _unlock),
    Command("lock", "forget the key that `unlock` holds", "keys:lock"),
    Command("keys passwd", "change the passphrase", "keys:passwd", _passwd),
    Command("keys rotate", "open a new key and seal everything again under it", "keys:rotate"),
    Command("keys recovery", "show the 24 recovery words", "keys:recovery"),
    Command("keys restore", "open the vault by its 24 words and set a new passphrase", "keys:restore", _words),
    Command("stats", "show the vault in numbers", "care:stats"),
    Command("doctor", "check that everything here is whole and in order", "care:doctor", _doctor),
    Command("gc", "tidy up; with --history, drop old versions", "care:gc", _gc),
    Command("completion", "print a completion script for a shell", "care:completion", _completion),
    Command(
        "self update", "bring ghostie itself up to date, by the install.sh that made it", "own:update", _self_update
    ),
    Command("termux setup", "make Termux's hooks: start-up, widgets, sharing", "phone:setup", _termux_setup),
    Command(
        "termux capture", "put what is typed, said, copied or shared into the inbox", "phone:capture", _termux_capture
    ),
    Command("termux notify", "show on the phone's screen what waits for a person", "phone:notify", _termux_notify),
)


def _everywhere(parser: argparse.ArgumentParser, *, top: bool) -> None:
    default: Any = None if top else argparse.SUPPRESS
    false: Any = False if top else argparse.SUPPRESS
    group = parser.add_argument_group("everywhere")
    group.add_argument(
        "--home", metavar="DIR", default=default, help="the vault's folder (default: GHOSTIE_HOME, else ~/.ghostie)"
    )
    group.add_argument(
        "--passphrase-file", metavar="FILE", default=default, help="read the passphrase from FILE's first line"
    )
    group.add_argument("--json", action="store_true", default=false, help="print one JSON document")
    group.add_argument("-q", "--quiet", action="store_true", default=false, help="print data and errors only")


def build(only: str | None = None) -> Parser:
    """Return the parser; with *only* (a first word), the arguments of that command alone are filled in."""
    top = Parser(
        prog="ghostie",
        description="An encrypted memory vault for people and their agents.",
        epilog=EPILOG,
        formatter_class=Formatter,
    )
    top.add_argument("--version", action="store_true", help="print the version")
    _no_mouse(top, default=False)
    _everywhere(top, top=True)
    top.set_defaults(command=None)
    words = top.add_subparsers(metavar="COMMAND", title="commands", parser_class=Parser, prog="ghostie")
    groups: dict[str, Any] = {}
    for command in COMMANDS:
        first, _, second = command.name.partition(" ")
        if second and first not in groups:
            group = words.add_parser(
                first, help=GROUPS[first], description=_sentence(GROUPS[first]), formatter_class=Formatter
            )
            group.set_defaults(command=None, group=first)
            _everywhere(group, top=False)
            groups[first] = group.add_subparsers(
                metavar="ACTION", title="actions", parser_class=Parser, prog=f"ghostie {first}"
            )
        parent, name = (groups[first], second) if second else (words, first)
        if only is not None and only != first:
            if not second:
                parent.add_parser(name, help=command.help, add_help=False)
            continue
        leaf = parent.add_parser(
            name, help=command.help, description=_sentence(command.help), formatter_class=Formatter
        )
        command.configure(leaf)
        leaf.set_defaults(command=command)
        _everywhere(leaf, top=False)
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
