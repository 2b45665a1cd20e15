"""A home to install into, and a Python that only pretends, for what has to be done hundreds of times."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cli.device import ROOT

SCRIPT = ROOT / "install.sh"
PATIENCE = 240.0
VERSION = re.search(r'"(.+)"', (ROOT / "ghostie" / "version.py").read_text(encoding="utf-8").splitlines()[-1])[1]  # type: ignore[index]
# nothing of this machine's user but where packages come from
_KEPT = (
    "PATH",
    "PIP_FIND_LINKS",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_CERT",
    "PIP_CONFIG_FILE",
    "PIP_TRUSTED_HOST",
)

# Makes what install.sh asks Python and pip for out of nothing, in a few milliseconds.
_PRETENDER = r"""#!/bin/sh
case "$*" in
*"import ensurepip"*) echo "cp311 $PRETENDER" ;;
*"sys.version.split"*) echo "3.11 pretended" ;;
*os.replace*) shift 3; exec mv -fT "$1" "$2" ;;
"-I - "*) cat >/dev/null; echo "${DIGEST:-one}" ;;
*"-m venv "*)
    for last in "$@"; do :; done
    mkdir -p "$last/bin" "$last/lib/site-packages"
    cp "$PRETENDER" "$last/bin/python"
    ;;
*"pip download"*)
    while [ "$1" != --dest ]; do shift; done
    : >"$2/tinydb-4.9.0-py3-none-any.whl"
    ;;
*"pip wheel"*)
    while [ "$1" != --wheel-dir ]; do shift; done
    : >"$2/orjson-1-py3-none-any.whl"
    ;;
*"pip --python"*)
    while [ "$1" != --python ]; do shift; done
    echo "${DIGEST:-one}" >"${2%/*}/ghostie"
    ;;
*hatchling*) for last in "$@"; do :; done; : >"$last/ghostie-0.1.0-py3-none-any.whl" ;;
*boot.py*) cat "${1%/*}/bin/ghostie" ;;
esac
"""


@dataclass
class Place:
    """A home, and install.sh run in it."""

    home: Path
    more: Mapping[str, str]

    @property
    def root(self) -> Path:
        return self.home / ".local" / "share" / "ghostie"

    @property
    def command(self) -> Path:
        commands = Path(self.more["PREFIX"]) / "bin" if "PREFIX" in self.more else self.home / ".local" / "bin"
        return commands / "ghostie"

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return {**kept, "HOME": str(self.home), "LANG": "C.UTF-8", **self.more, **(more or {})}

    def run(
        self,
        argv: Sequence[str | Path],
        env: Mapping[str, str] | None = None,
        given: str | None = None,
        cwd: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command with no terminal to ask on, to its end."""
        return subprocess.run(
            [*map(str, argv)],
            env=self.environment(env),
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            text=True,
            cwd=cwd or self.home,
            timeout=PATIENCE,
            start_new_session=True,
        )

    def install(self, *argv: str, script: Path = SCRIPT, env: Mapping[str, str] | None = None) -> str:
        """Run the script, which must end well; return what it said."""
        done = self.run(["sh", script, *argv], env)
        assert done.returncode == 0, (argv, done.stdout, done.stderr)
        return done.stdout

    def refused(self, *argv: str, script: Path = SCRIPT, env: Mapping[str, str] | None = None) -> str:
        """Run the script, which must refuse; return what it said on standard error."""
        done = self.run(["sh", script, *argv], env)
        assert done.returncode != 0, done.stdout
        return done.stderr

    def tree(self) -> dict[str, bytes]:
        """Return every file of the home with its bytes, every link with its target."""
        return {
            str(path.relative_to(self.home)): os.fsencode(os.readlink(path)) if path.is_symlink() else path.read_bytes()
            for path in sorted(self.home.rglob("*"))
            if path.is_symlink() or path.is_file()
        }

    def ghostie(self, *argv: str) -> str:
        """Run the installed command, which must end well; return what it printed."""
        done = self.run([self.command, *argv])
        assert done.returncode == 0, (argv, done.stdout, done.stderr)
        return done.stdout


def pretended(home: Path) -> Place:
    """Return a home where Python is the pretender."""
    folder = home.parent / "pretender"
    if not folder.exists():
        folder.mkdir()
        (folder / "python3").write_text(_PRETENDER)
        (folder / "python3").chmod(0o755)
    home.mkdir(parents=True, exist_ok=True)
    return Place(home, {"PATH": f"{folder}:{os.environ['PATH']}", "PRETENDER": str(folder / "python3")})


def copied(place: Place, home: Path) -> Place:
    """Return a copy of a home that was installed into, as if it had been made there."""
    shutil.copytree(place.home, home, symlinks=True)
    made = Place(home, place.more)
    for path in (made.command, made.root / "manifest"):
        path.write_text(path.read_text().replace(str(place.home), str(home)))
    return made
