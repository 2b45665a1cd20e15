"""What a small machine pays: sizes of an installation, and the tier without compiled packages against the one with them.

`add` and `list` are measured in turn with and without GHOSTIE_PURE, which takes libsodium by ctypes and the standard
json as on Android; the ratio is of medians. Memory is a command's high-water mark, without compiled packages.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests import peak

ROOT = Path(__file__).resolve().parents[2]
PASSPHRASE = "a passphrase for measuring"
MB = 1_000_000


def measure(rounds: int) -> None:
    """Print both tables."""
    with tempfile.TemporaryDirectory(prefix="gs") as folder:
        print("| installed | size | bar |\n|---|---|---|")
        sizes(Path(folder))
        print("\n| without compiled packages | figure | bar |\n|---|---|---|")
        tiers(Path(folder), rounds)


def sizes(folder: Path) -> None:
    """Install twice from what --download fetched, with and without compiled packages, and weigh both."""
    kit = folder / "kit"
    _script(folder, ROOT, "--download", str(kit))
    wheels = {path.name.lower(): path.stat().st_size for path in kit.glob("*.whl")}
    pure = sum(size for name, size in wheels.items() if not name.startswith(("pynacl", "orjson", "cffi", "pycparser")))
    ours = next(size for name, size in wheels.items() if name.startswith("ghostie-"))
    _row("ghostie's wheel, as it is made on a device", ours / 1000, None, "kB")
    subprocess.run([ROOT / ".ci" / "release", folder / "release"], check=True, stdout=subprocess.DEVNULL)
    (released,) = (folder / "release").glob("*.whl")
    _row("ghostie's wheel, as it is published", released.stat().st_size / 1000, 400, "kB")
    _row("download without compiled packages", (pure - ours) / MB, 5)
    _row("download with them", (sum(wheels.values()) - ours) / MB, 40)
    for name, argv, bar in (("without compiled packages", ["--pure"], 16), ("with them", [], 40)):
        home = folder / name
        _script(home, kit, "--yes", *argv)
        current = (home / ".local/share/ghostie/current").resolve()
        files = [path for path in current.rglob("*") if path.is_file() and not path.is_symlink()]
        program = [path for path in files if path.relative_to(current).parts[0] != "kit"]
        plain = [path for path in program if path.suffix != ".pyc"]
        _row(f"on the disk {name}, before bytecode", sum(path.stat().st_size for path in plain) / MB, bar)
        _row(f"on the disk {name}, all, with what is kept", sum(path.stat().st_size for path in files) / MB, None)


def tiers(folder: Path, rounds: int) -> None:
    """Measure `add` and `list` with and without compiled packages, and the memory of three commands without."""
    seconds: dict[tuple[str, str], list[float]] = {}
    _ghostie(folder, "init")
    _ghostie(folder, "unlock")
    (folder / "store").mkdir()
    _ghostie(folder, "sync", "setup", "--path", str(folder / "store"))
    try:
        for number in range(100):
            _ghostie(folder, "add", f"memory number {number} of a hundred, of a usual length for a note that one keeps")
        for _ in range(6 * rounds):
            for words in (("add", "one more"), ("list",)):
                for pure in ("", "yes"):
                    start = time.perf_counter()
                    _ghostie(folder, *words, GHOSTIE_PURE=pure)
                    seconds.setdefault((words[0], pure), []).append(time.perf_counter() - start)
        for name in ("add", "list"):
            fast, slow = (statistics.median(seconds[name, pure]) for pure in ("", "yes"))
            print(f"| {name}, against with them | {slow / fast:.2f} ({slow * 1000:.0f} ms) | 1.3 |")
        for name, words in (("add", ("add", "x")), ("list", ("list",)), ("push of 100", ("sync", "push"))):
            done = peak.run([sys.executable, "-m", "ghostie", *words], env=_environment(folder, GHOSTIE_PURE="yes"))
            if done.code != 0:
                raise SystemExit(f"{words} ended with {done.code}: {done.err}")
            _row(f"peak memory of {name}", done.peak * 1024 / MB, 40)
    finally:
        _ghostie(folder, "lock")


def _row(name: str, value: float, bar: float | None, unit: str = "MB") -> None:
    over = " (over)" if bar is not None and value > bar else ""
    print(f"| {name} | {value:.1f} {unit}{over} | {'' if bar is None else f'{bar:g} {unit}'} |", flush=True)


def _environment(folder: Path, **more: str) -> dict[str, str]:
    (folder / "run").mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if name == "PATH" or name.startswith("PIP_")}
    return {
        **kept,
        "HOME": str(folder),
        "XDG_RUNTIME_DIR": str(folder / "run"),
        "PYTHONPATH": str(ROOT),
        "LANG": "C.UTF-8",
        **more,
    }


def _script(home: Path, beside: Path, *argv: str) -> None:
    subprocess.run(["sh", beside / "install.sh", *argv], env=_environment(home), check=True, capture_output=True)


def _ghostie(folder: Path, *argv: str, **more: str) -> None:
    env = _environment(folder, GHOSTIE_PASSPHRASE=PASSPHRASE if argv[0] in ("init", "unlock", "sync") else "", **more)
    env = {name: value for name, value in env.items() if value}
    subprocess.run([sys.executable, "-m", "ghostie", *argv], env=env, check=True, capture_output=True)


if __name__ == "__main__":
    measure(int(sys.argv[1]) if sys.argv[1:] else 5)
