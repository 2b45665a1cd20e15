"""Commands on pairing: invite another device, join by the code that it showed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ghostie import text
from ghostie.cli.grammar import columns
from ghostie.cli.keys import seconds_in
from ghostie.cli.output import Output
from ghostie.cli.session import can_ask, layout_of, open_, read_stdin, sources_of
from ghostie.cli.sync import tell_set_up
from ghostie.errors import BadInvitation, UsageError


def invite(args: argparse.Namespace, out: Output) -> None:
    from ghostie.memory import stamp
    from ghostie.sync import pairing
    from ghostie.sync.link import connect

    seconds = seconds_in(args.valid)
    vault = open_(args, load=False)
    # asked for even while the agent holds the key: who finds an open device must not let another one in
    passphrase = sources_of(args).store_passphrase("passphrase: ")
    made = pairing.invite(connect(vault, out.watch), passphrase, seconds=seconds)
    picture = pairing.qr(made.code) if args.qr or (sys.stderr.isatty() and not out.quiet and not out.json) else []
    if out.json:
        document = {
            "code": made.code,
            "until": stamp(made.until),
            "logs": made.logs,
            "credentials": made.credentials,
        }
        out.document(document | ({"qr": picture} if args.qr else {}))
        return
    if picture and (args.qr or len(picture[0]) <= columns()):
        out.picture(picture)
    elif picture:
        out.note(f"as a QR code it takes {len(picture[0])} columns, and this terminal has {columns()}: --qr shows it")
    out.line(made.code)
    out.note(f"on the other device: `ghostie sync join`, this code, and the passphrase · good for {args.valid}")
    what = "the store's credentials and all memories" if made.credentials else "the memories that the store holds"
    out.note(f"whoever has both the code and the passphrase has {what}; the code alone opens nothing")


def join(args: argparse.Namespace, out: Output) -> None:
    from ghostie.sync import pairing

    code = _code(args.code)
    ways = {}
    if args.path is not None:
        ways["path"] = str(Path(args.path).expanduser().absolute())
    if args.authorities is not None:
        ways["authorities"] = str(Path(args.authorities).expanduser().absolute())
    if args.proxy is not None:
        ways["proxy"] = args.proxy
    place, done = pairing.join(
        layout_of(args), code, sources_of(args), ways=ways, device_name=args.device_name, watch=out.watch
    )
    tell_set_up(out, place, done)


def _code(given: str | None) -> str:
    """Return the code: as it was given, from standard input, or from a person, who may paste it in several lines."""
    from ghostie.sync import pairing

    if given is not None and given != "-":
        return given
    if given == "-" or not can_ask():
        return read_stdin("invitation")
    sys.stderr.write("the code that `ghostie sync invite` showed: ")
    sys.stderr.flush()
    typed = ""
    while line := sys.stdin.readline():
        typed += line
        if not line.strip():
            break
        try:
            pairing.read(typed)
        except BadInvitation as error:
            if not error.facts.get("cut"):
                raise
        else:
            return typed
    if not text.one_line(typed):
        raise UsageError("no code was given", "`ghostie sync invite` on a device of the vault shows one")
    return typed
