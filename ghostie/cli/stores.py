"""Commands that tie a vault to a store: setup, invite, join."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ghostie import files, text
from ghostie.cli.grammar import columns
from ghostie.cli.output import Output
from ghostie.cli.session import (
    ask_hidden,
    can_ask,
    layout_of,
    open_,
    prompt,
    read_stdin,
    read_words,
    seconds_in,
    sources_of,
)
from ghostie.errors import BadInvitation, CannotRead, UsageError
from ghostie.memory import stamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ghostie.backends.store import Backend
    from ghostie.crypto.keys import Cost
    from ghostie.sync.setup import Place, SetUp

LARGEST = 1 << 16
CREATE_ONLY = {
    "works": "it can refuse to write over an object",
    "ignored": "asked not to write over an object, it does so all the same, which sync does not depend on",
    "refused": "it does not take the wish not to write over an object, which sync does not depend on",
}


def setup(args: argparse.Namespace, out: Output, cost: Cost | None = None) -> None:
    """Set a store up; a new passphrase costs no less than *cost* to guess."""
    from ghostie.sync.setup import set_up, try_out

    sources = sources_of(args)
    if args.words_file and sources.words is None:
        sources.words = read_words(args.words_file)
    place = try_out(*described(args, out), out.watch)
    again = getattr(args, "again", False)
    done = set_up(layout_of(args), place, sources, device_name=args.device_name, again=again, cost=cost)
    _tell_set_up(out, place, done)


def _tell_set_up(out: Output, place: Place, done: SetUp) -> None:
    from ghostie.sync.notices import which_opens

    opens = which_opens(done.change) if done.change else None
    record = {
        "backend": place.backend,
        "create_only": place.options.get("create_only"),
        "joined": done.joined,
        "brought": done.brought,
        "vault": done.vault.keys.vault.hex(),
        "device": done.vault.device.name,
        "writer": done.vault.device.writer,
        "passphrase": opens,
    }
    own = "put this vault's key on the store, sealed under the passphrase"
    words = ["joined the vault on the store" if done.joined else own]
    if done.brought:
        brought = text.plural(done.brought, "version")
        words.append(f"{brought} of this device's own came along, sealed again under the joined vault's key")
    if opens:
        words.append(opens)
    if tried := place.options.get("create_only"):
        words.append(f"the store was tried out and keeps what it is given; {CREATE_ONLY[tried]}")
    out.done(record, *words, "`ghostie sync run` takes in what is there and sends what is new")


# -- the store that is meant, and its credentials from wherever they may come ----------------------------------------


def described(args: argparse.Namespace, out: Output) -> tuple[str, dict[str, str], dict[str, str]]:
    """Return backend, options and credentials as the flags say, or as they were set up before. Raises UsageError."""
    from ghostie.backends.store import REGISTRY, backend_of, same_place
    from ghostie.sync.config import known_config

    before = known_config(layout_of(args))
    if before is None and not is_meant(args) and can_ask():
        _ask_which(args)
    names = ("bucket", "endpoint", "prefix", "api_url", "region", "style", "raw_url", "proxy", "path", "authorities")
    given = _given(args, *names) | ({"plain_http": "yes"} if args.plain_http else {})
    meant = [each for each, other in REGISTRY.items() if given.keys() & {"path", "bucket", "api_url"} & {*other.place}]
    name = args.backend or (meant[0] if meant else before.backend if before is not None else None)
    if name is None:
        raise UsageError(
            "which store is meant?", "give --path DIR for a folder, or --backend s3 --bucket NAME, or --backend gist"
        )
    backend = backend_of(name)
    for option in given:
        if option not in (*backend.place, *backend.way):
            theirs = " or ".join(each for each, other in REGISTRY.items() if option in (*other.place, *other.way))
            raise UsageError(f"--{option.replace('_', '-')} says nothing about a {name} store", f"it is for {theirs}")
    moved = before is None or before.backend != name or any(option in given for option in backend.place)
    options = given if moved or before is None else {**before.options, **given}
    if not moved and given:
        options.pop("create_only", None)
    known = before is not None and same_place(name, options, before.backend, before.options)
    return name, options, _credentials(args, out, backend, options, keep=known and not args.new_credentials)


def is_meant(args: argparse.Namespace) -> bool:
    """Tell whether the flags say what kind of store is meant."""
    return any(getattr(args, name) is not None for name in ("backend", "path", "bucket", "api_url"))


def _ask_which(args: argparse.Namespace) -> None:
    """Ask a person which store is meant, and where it is. Raises UsageError for what is none of the answers."""
    answer = _asked("which store: 1 a folder, 2 an S3 bucket, 3 gists: ")
    args.backend = {"1": "folder", "2": "s3", "3": "gist"}.get(answer, answer)
    if args.backend == "folder":
        args.path = _asked("the folder: ") or None
    elif args.backend == "s3":
        args.bucket = _asked("the bucket's name: ") or None
        args.endpoint = _asked("the server's address (Enter: Amazon's): ") or None
    elif args.backend != "gist":
        raise UsageError("no such store", "1, 2 or 3 chooses one; or give --path DIR, --bucket NAME or --backend gist")


def _asked(question: str) -> str:
    prompt(question)
    return sys.stdin.readline().strip()


def _given(args: argparse.Namespace, *names: str) -> dict[str, str]:
    """Return those of the options *names* that flags give."""
    given = {name: value for name in names if (value := getattr(args, name)) is not None}
    for name in given.keys() & {"path", "authorities"}:
        given[name] = str(Path(given[name]).expanduser().absolute())
    return given


def _credentials(
    args: argparse.Namespace, out: Output, backend: Backend, options: Mapping[str, str], *, keep: bool
) -> dict[str, str]:
    """Return the credentials: from the file, the environment, the ones of before, the device flow, or a prompt."""
    if not backend.secrets:
        return {}
    # taken out of the environment at once: a child process of ours must not find them
    found = {secret.name: value for secret in backend.secrets if (value := os.environ.pop(secret.variable, ""))}
    if args.credentials_file:
        found = _from_file(Path(args.credentials_file), backend)
    needed = [secret for secret in backend.secrets if secret.needed]
    if keep and not all(secret.name in found for secret in needed):
        found = _kept(args) | found
    for secret in needed:
        if found.get(secret.name):
            continue
        client = args.client_id or os.environ.get("GHOSTIE_GIST_CLIENT_ID")
        if secret.name == "token" and client:
            found[secret.name] = _signed_in(out, client, options, found)
        elif can_ask():
            found[secret.name] = ask_hidden(f"{secret.words}: ").strip()
        else:
            raise UsageError(
                f"the store's {secret.words} is not given", f"set {secret.variable}, or give --credentials-file FILE"
            )
    return found


def _kept(args: argparse.Namespace) -> dict[str, str]:
    from ghostie.sync.config import load_config

    config = load_config(layout_of(args))
    return config.credentials(open_(args, load=False).keys) if config.secrets else {}


def _from_file(path: Path, backend: Backend) -> dict[str, str]:
    """Return the credentials in *path*: lines NAME=VALUE, or a lone value where the store needs but one."""
    names = {spelt: secret.name for secret in backend.secrets for spelt in (secret.name, secret.variable)}
    try:
        spelt = files.read_named(path, LARGEST).decode()
    except CannotRead:
        raise UsageError(f"the credentials file {path} cannot be read") from None
    except UnicodeDecodeError:
        raise UsageError(f"the credentials file {path} is not UTF-8 text") from None
    lines = [line.strip() for line in spelt.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    needed = [secret.name for secret in backend.secrets if secret.needed]
    if len(lines) == 1 and len(needed) == 1 and lines[0].partition("=")[0].strip() not in names:
        return {needed[0]: lines[0]}
    found = {}
    for number, line in enumerate(lines, 1):
        name, _, value = line.partition("=")
        if name.strip() not in names:
            known = ", ".join(secret.variable for secret in backend.secrets)
            raise UsageError(f"line {number} of the credentials file names none of the store's", f"it may name {known}")
        found[names[name.strip()]] = value.strip()
    return found


def _signed_in(out: Output, client: str, options: Mapping[str, str], credentials: Mapping[str, str]) -> str:
    """Return a token that the person allows by typing a code, on whatever device is at hand."""
    from ghostie.backends import deviceflow

    flow = deviceflow.of_store(client, options, credentials)
    pending = flow.begin()
    out.say(f"open {pending.address} on any device and type this code: {pending.code}")
    out.progress("waiting until it is typed")
    return flow.wait(pending)


# -- pairing ---------------------------------------------------------------------------------------------------------


def invite(args: argparse.Namespace, out: Output) -> None:
    from ghostie.crypto.unlock import OWN_PROMPT
    from ghostie.sync import pairing
    from ghostie.sync.link import connect

    seconds = seconds_in(args.valid)
    vault = open_(args, load=False)
    # asked for even while the agent holds the key: who finds an open device must not let another one in
    link = connect(vault, out.watch)
    made = sources_of(args).open_with_store_passphrase(
        lambda passphrase: pairing.invite(link, passphrase, seconds=seconds), OWN_PROMPT
    )
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
    ways = _given(args, "path", "authorities", "proxy")
    place, done = pairing.join(
        layout_of(args), code, sources_of(args), ways=ways, device_name=args.device_name, watch=out.watch
    )
    _tell_set_up(out, place, done)


def _code(given: str | None) -> str:
    """Return the code: as it was given, from standard input, or from a person, who may paste it in several lines."""
    from ghostie.sync import pairing

    if given is not None and given != "-":
        return given
    if given == "-" or not can_ask():
        return read_stdin("invitation")
    prompt("the code that `ghostie sync invite` showed: ")
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
