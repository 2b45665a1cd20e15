"""A look-alike of Termux: a root that has only `/data/data/com.termux/files/{usr,home}` and `/system/bin/sh`.

Its Python is this one's, copied, that says it is on Android: no `os.link`, no PyNaCl, no orjson, no `/tmp`, `/bin` or
`/usr/bin`. `pkg` and the tools of Termux:API are scripts that write down how they were called. What is there and would
not be on a phone is what Linux needs to start a program at all: its loader and libraries, `/dev` and `/proc`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cli.device import ROOT

PREFIX = "/data/data/com.termux/files/usr"
HOME = "/data/data/com.termux/files/home"
PATIENCE = 300.0
MEMORY = 300_000  # KiB of addresses
PROGRAMS = (
    "sh cat cp rm rmdir mv ln ls mkdir mktemp chmod dirname basename grep sed readlink tr env find wc cmp head id"
)

# what makes this Python an Android's, as far as a program can tell
SITE = """
import os, sys
sys.platform = "android"
sys.getandroidapilevel = lambda: 24
if hasattr(os, "link"):
    del os.link
"""
# From 3.13 on Python knows Android, and loads libraries that only a phone has: its own and the system's libc.
LOADED = (
    ("ctypes/__init__.py", '"android"', '"android with a libpython"'),
    ("platform.py", "from ctypes import CDLL, c_char_p, create_string_buffer", "raise ImportError"),
    ("platform.py", "api_level=0", "api_level=24"),
)
PKG = f"""#!{PREFIX}/bin/sh
echo "pkg $*" >>{HOME}/called
for name in "$@"; do
    if [ "$name" = libsodium ]; then cp {PREFIX}/kept/libsodium.so {PREFIX}/lib/libsodium.so; fi
done
"""
TOOL = f"""#!{PREFIX}/bin/sh
echo "${{0##*/}} $*" >>{HOME}/called
"""
DIALOG = TOOL + """echo '{"code": -1, "text": "dictated on the way"}'\n"""
HANGING = TOOL + "exec sleep 1000\n"


def unsharing() -> list[str] | None:
    """Return the command that gives a process mounts of its own, or None where that is refused."""
    if shutil.which("unshare") is None or shutil.which("chroot", path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
        return None
    command = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-r", "-m"]
    allowed = subprocess.run([*command, "sh", "-c", "mount --bind /proc /proc"], capture_output=True)
    return command if allowed.returncode == 0 else None


class Phone:
    """The look-alike, and commands run in it."""

    def __init__(self, folder: Path, unshare: Sequence[str]) -> None:
        self.root = folder
        self.unshare = unshare
        self.prefix = folder / PREFIX[1:]
        self.home = folder / HOME[1:]
        for each in (self.prefix / "bin", self.prefix / "lib", self.prefix / "tmp", self.prefix / "kept", self.home):
            each.mkdir(parents=True)
        for each in (folder / "dev", folder / "proc", folder / "system" / "bin"):
            each.mkdir(parents=True)
        self._python()
        for name in [*PROGRAMS.split(), "sleep"]:
            self._program(name)
        shutil.copy(self.prefix / "bin" / "sh", folder / "system" / "bin" / "sh")
        scripts = {"pkg": PKG, "termux-dialog": DIALOG, "termux-clipboard-get": HANGING, "termux-notification": TOOL}
        for name, text in scripts.items():
            self.script(name, text)

    def script(self, name: str, text: str) -> None:
        path = self.prefix / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def _program(self, name: str) -> None:
        found = shutil.which(name)
        assert found is not None, name
        shutil.copy(os.path.realpath(found), self.prefix / "bin" / name)
        self.libraries(Path(found))

    def libraries(self, program: Path) -> None:
        """Bring along what a program is linked with: the loader where it is looked for, the rest into usr/lib."""
        said = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
        for path in map(Path, re.findall(r"(/\S+\.so\S*)", said)):
            target = self.root / str(path)[1:] if path.name.startswith("ld-") else self.prefix / "lib" / path.name
            if path.exists() and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)

    def _python(self) -> None:
        real = Path(sys._base_executable)  # type: ignore[attr-defined]
        name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        shutil.copy(os.path.realpath(real), self.prefix / "bin" / name)
        (self.prefix / "bin" / "python3").symlink_to(name)
        library = self.prefix / "lib" / name
        skip: tuple[str, ...] = (
            "test",
            "tests",
            "idlelib",
            "tkinter",
            "turtledemo",
            "site-packages",
            "dist-packages",
            "__pycache__",
        )
        skip = (*skip, "config-*", "sitecustomize.py", "lib2to3", "pydoc_data")
        shutil.copytree(sysconfig.get_path("stdlib"), library, ignore=shutil.ignore_patterns(*skip))
        (library / "sitecustomize.py").write_text(SITE)
        for module, loads, instead in LOADED if sys.version_info >= (3, 13) else ():
            text = (library / module).read_text()
            assert loads in text, (module, loads)
            (library / module).write_text(text.replace(loads, instead))
        for built in library.glob("_sysconfigdata_*_linux_*.py"):
            text = built.read_text().replace("'ANDROID_API_LEVEL': 0", "'ANDROID_API_LEVEL': 24")
            (library / built.name.replace("_linux_", "_android_")).write_text(text)
        self.libraries(Path(os.path.realpath(real)))
        for extension in (library / "lib-dynload").glob("*.so"):
            self.libraries(extension)
        wheels = sysconfig.get_config_var("WHEEL_PKG_DIR")  # where Debian keeps the pip that venv brings
        if wheels and Path(wheels).is_dir():
            shutil.copytree(wheels, self.root / wheels[1:])
            certificates = Path("/etc/ssl/certs/ca-certificates.crt")  # and it has none of its own
            if certificates.exists():
                (target := self.root / str(certificates)[1:]).parent.mkdir(parents=True)
                shutil.copy(certificates, target)

    def keep_sodium(self) -> bool:
        """Let `pkg install libsodium` have something to install; tell whether there is."""
        from ctypes.util import find_library

        name = find_library("sodium")
        for folder in ("/usr/lib", "/lib", "/usr/local/lib"):
            for path in Path(folder).rglob(name) if name else ():
                shutil.copy(path, self.prefix / "kept" / "libsodium.so")
                return True
        return False

    def compiled_for(self) -> str:
        """Return what ends the name of a wheel with compiled code that its pip takes."""
        ask = "import sysconfig; print(sysconfig.get_platform().replace('-', '_').replace('.', '_'))"
        return self.ok("python3", "-I", "-c", ask).strip()

    def checkout(self) -> str:
        """Copy the sources in; return where they are, seen from inside."""
        skip = shutil.ignore_patterns("__pycache__", "*.pyc")
        target = self.home / "ghostie"
        target.mkdir()
        for name in ("ghostie", "docs", "lock"):
            shutil.copytree(ROOT / name, target / name, ignore=skip)
        for name in ("install.sh", "pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "CHANGELOG.md"):
            shutil.copy(ROOT / name, target / name)
        return f"{HOME}/ghostie"

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        return {
            "PREFIX": PREFIX,
            "HOME": HOME,
            "PATH": f"{PREFIX}/bin",
            "LD_LIBRARY_PATH": f"{PREFIX}/lib",
            "TMPDIR": f"{PREFIX}/tmp",
            "SHELL": f"{PREFIX}/bin/sh",
            "ANDROID_DATA": "/data",
            "ANDROID_ROOT": "/system",
            "LANG": "en_US.UTF-8",
            "TERM": "xterm-256color",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": f"{PREFIX}/wheels",
            "PIP_CONFIG_FILE": "/dev/null",
            **(more or {}),
        }

    def command(
        self, argv: Sequence[str], more: Mapping[str, str] | None = None, memory: int | None = None
    ) -> list[str]:
        """Return the command that runs *argv* inside, with at most *memory* KiB of addresses."""
        settings = [f"{name}={value}" for name, value in self.environment(more).items()]
        limit = f"ulimit -v {memory}; " if memory else ""
        inside = f'root=$1; shift; mount --rbind /dev "$root/dev"; mount --rbind /proc "$root/proc"; {limit}'
        inside += 'PATH="$PATH:/usr/sbin:/sbin"; export LD_LIBRARY_PATH=' + f'{PREFIX}/lib; exec chroot "$root" "$@"'
        begin = f'cd {HOME} && exec "$@"'
        # by `sh`, and not by `env`: env would need its libraries before it has set where they are
        export = "; ".join(f"export {name}='{value}'" for name, value in (part.split("=", 1) for part in settings))
        loader = f"PATH={PREFIX}/bin; {export}; {begin}"
        return [*self.unshare, "sh", "-c", inside, "sh", str(self.root), "/system/bin/sh", "-c", loader, "sh", *argv]

    def run(
        self, *argv: str, more: Mapping[str, str] | None = None, memory: int | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside to its end; nobody is there to ask."""
        return subprocess.run(
            self.command(argv, more, memory),
            env={"PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            start_new_session=True,
        )

    def ok(self, *argv: str, more: Mapping[str, str] | None = None, memory: int | None = None) -> str:
        """Run a command inside that must end well; return what it printed."""
        done = self.run(*argv, more=more, memory=memory)
        assert done.returncode == 0, (argv, done.stdout[-3000:], done.stderr[-3000:])
        return done.stdout

    def called(self) -> list[str]:
        """Return how the scripts that stand in for Android were called."""
        path = self.home / "called"
        return path.read_text().splitlines() if path.exists() else []
