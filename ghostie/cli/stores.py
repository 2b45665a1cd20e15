"""What `sync setup` is told of a store: the options that flags name, and credentials from wherever they may come."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ghostie.cli.output import Output
from ghostie.cli.session import ask_hidden, can_ask, layout_of, open_
from ghostie.errors import CannotRead, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ghostie.backends.store import Backend

LARGEST = 1 << 16


def described(args: argparse.Namespace, out: Output) -> tuple[str, dict[str, str], dict[str, str]]:
    """Return backend, options and credentials as the flags say, or as they were set up before. Raises UsageError."""
    from ghostie.backends.store import REGISTRY, backend_of, same_place
    from ghostie.sync.config import known_config

    before = known_config(layout_of(args))
    given = _given(args)
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


def _given(args: argparse.Namespace) -> dict[str, str]:
    """Return the options that flags name."""
    names = ("bucket", "endpoint", "prefix", "api_url", "region", "style", "raw_url", "proxy")
    given = {name: value for name in names if (value := getattr(args, name)) is not None}
    if args.path is not None:
        given["path"] = str(Path(args.path).expanduser().absolute())
    if args.authorities is not None:
        given["authorities"] = str(Path(args.authorities).expanduser().absolute())
    if args.plain_http:
        given["plain_http"] = "yes"
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
    from ghostie import files

    names = {spelt: secret.name for secret in backend.secrets for spelt in (secret.name, secret.variable)}
    try:
        text = files.read_named(path, LARGEST).decode()
    except CannotRead:
        raise UsageError(f"the credentials file {path} cannot be read") from None
    except UnicodeDecodeError:
        raise UsageError(f"the credentials file {path} is not UTF-8 text") from None
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    needed = [secret.name for secret in backend.secrets if secret.needed]
    if len(lines) == 1 and len(needed) == 1 and lines[0].partition("=")[0].strip() not in names:
        return {needed[0]: lines[0]}
    found = {}
    for number, line in enumerate(lines, 1):
        name, _, value = line.partition("=")
        if name.strip() not in names:
            spelt = ", ".join(secret.variable for secret in backend.secrets)
            raise UsageError(f"line {number} of the credentials file names none of the store's", f"it may name {spelt}")
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
