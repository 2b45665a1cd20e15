"""This installation itself: brought up to date, or given compiled packages, both by the install.sh that made it."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from ghostie.cli.output import Output
from ghostie.errors import NotOurs, UsageError
from ghostie.tools import environment


def update(args: argparse.Namespace, out: Output) -> None:
    """Bring the checkout that ghostie was installed from up to date, and let its install.sh do the rest."""
    kit = _kit()
    origin = Path(args.source) if args.source else _origin(kit)
    if args.dry_run:
        otherwise = "ghostie was not installed by its install.sh, so what installed it updates it"
        said = f"would run install.sh in {origin}" if kit else otherwise
        out.done({"by_script": kit is not None, "sources": str(origin) if origin else None}, said)
        return
    if kit is None:
        raise NotOurs
    if origin is None or not (origin / "install.sh").is_file():
        raise UsageError("the sources that ghostie was installed from are gone", "give a new clone with --from DIR")
    if (origin / ".git").exists() and not args.no_fetch:
        _pull(origin, out)
    _install(kit, origin, args)


def accelerate(args: argparse.Namespace) -> NoReturn:
    """Build PyNaCl and orjson; what there is stays if that fails. Raises NotOurs."""
    if (kit := _kit()) is None:
        raise NotOurs
    _install(kit, kit, args, "--accelerate")


def _kit() -> Path | None:
    """Return the folder of what this installation was made from, or None if install.sh did not make it."""
    kit = Path(sys.prefix).resolve() / "kit"
    return kit if (kit / "install.sh").is_file() and kit.parent.parent.name == "venvs" else None


def _origin(kit: Path | None) -> Path | None:
    try:
        return Path((kit / "origin").read_text(encoding="utf-8").rstrip("\n")) if kit else None
    except OSError:
        return None


def _pull(origin: Path, out: Output) -> None:
    out.note(f"fetching what is new in {origin} …")
    try:
        done = subprocess.run(
            ["git", "-C", str(origin), "pull", "--ff-only", "--quiet"], check=False, env=environment()
        )
    except OSError:
        raise UsageError("git is not here", "install it, or give --no-fetch to take the sources as they are") from None
    if done.returncode != 0:
        raise UsageError("the sources could not be brought up to date", "--no-fetch takes them as they are")


def _install(kit: Path, sources: Path, args: argparse.Namespace, *wishes: str) -> NoReturn:
    """Let the install.sh of *sources* take this process over."""
    sys.stdout.flush()
    sys.stderr.flush()
    said = [*wishes, "--prefix", str(kit.parent.parent.parent), *(["--yes"] if args.yes else [])]
    os.execvpe("sh", ["sh", str(sources / "install.sh"), *said], environment())
