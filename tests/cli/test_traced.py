"""Calls that fail in the system itself, under strace: the truth behind tests/faults, which fails them in Python."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from .device import Device, Done

STRACE = shutil.which("strace")
A_FEW = 6
# a call that takes room also fails for want of it; all fail with EIO
ERRORS = {
    "openat": ("EIO", "EACCES", "EMFILE", "ENOSPC"),
    "write": ("EIO", "ENOSPC"),
    "fsync": ("EIO", "ENOSPC"),
    "rename": ("EIO", "ENOSPC", "EACCES"),
    "renameat": ("EIO", "ENOSPC", "EACCES"),
    "renameat2": ("EIO", "ENOSPC", "EACCES"),
    "unlink": ("EIO", "EACCES"),
    "unlinkat": ("EIO", "EACCES"),
    "getdents64": ("EIO",),
    **dict.fromkeys(("read", "newfstatat", "fstat", "lstat", "stat", "statx", "ftruncate", "flock", "close"), ("EIO",)),
}
LINE = re.compile(r"(?:\d+ +)?(\w+)\(")


@pytest.fixture(scope="module", autouse=True)
def traceable() -> None:
    """Skip where there is no strace, or the system lets nobody trace."""
    if STRACE is None:
        pytest.skip("strace is not here (apt install strace)")
    if subprocess.run([STRACE, "-qq", "-o", "/dev/null", "true"], capture_output=True).returncode != 0:
        pytest.skip("tracing is refused here")


def traced(laptop: Device, argv: list[str], *options: str) -> Done:
    return laptop(*argv, within=[str(STRACE), "-qq", *options, "--"])


def points(laptop: Device, argv: list[str], note: Path) -> list[tuple[str, int, str]]:
    """Return the calls that touch the vault: each by its name, its number among those of that name, and an error."""
    names = ",".join(f"?{name}" for name in ERRORS)
    assert traced(laptop, argv, "-y", "-o", str(note), "-e", f"trace={names}").code == 0
    found: list[tuple[str, int, str]] = []
    seen: Counter[str] = Counter()
    for line in note.read_text(errors="replace").splitlines():
        if (called := LINE.match(line)) is None:
            continue
        name = called[1]
        seen[name] += 1
        if str(laptop.vault) in line:
            found += [(name, seen[name], error) for error in ERRORS[name]]
    return found


def problem(laptop: Device, text: str, name: str, number: int, error: str) -> str | None:
    """Add a memory while a call fails; return what is wrong with what was then said."""
    done = traced(
        laptop,
        ["add", text],
        "-e",
        f"trace={name}",
        "-o",
        "/dev/null",
        "-e",
        f"inject={name}:error={error}:when={number}",
    )
    there = said(laptop).count(text)
    if "a fault in ghostie" in done.err or "damaged" in done.err or text in done.err:
        return f"it says {done.err}"
    if done.code == 0 or "was made, but" in done.err or "was changed, but" in done.err:
        return None if there == 1 else f"it says that it is in, and {there} are: {done}"
    if there:
        return f"it says that it is not in, and {there} are: {done}"
    laptop.ok("add", text)
    if said(laptop).count(text) != 1:
        return f"added again, it is there {said(laptop).count(text)} times"
    return None


def said(laptop: Device) -> list[str]:
    return [record["content"] for record in laptop.ok("list", "--json", "-n", "0").json()]


def tried(laptop: Device, chosen: list[tuple[str, int, str]]) -> list[tuple[str, int, str, str]]:
    found = []
    for at, (name, number, error) in enumerate(chosen):
        if wrong := problem(laptop, f"canary-{at}-{name}", name, number, error):
            found.append((name, number, error, wrong))
    assert laptop("doctor").code == 0
    assert not list((laptop.vault / "sync" / "quarantine").iterdir())
    return found


def test_an_add_says_what_came_of_it_when_the_system_fails_a_call(
    laptop: Device, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Some calls, which the commit chooses; `--seed` repeats them."""
    seed = request.config.option.seed
    laptop.add("before")
    chosen = random.Random(seed).sample(points(laptop, ["add", "traced"], tmp_path / "trace"), A_FEW)
    assert tried(laptop, chosen) == [], f"again: --seed {seed}"


@pytest.mark.slow
def test_an_add_says_what_came_of_it_whichever_call_the_system_fails(laptop: Device, tmp_path: Path) -> None:
    laptop.add("before")
    every = points(laptop, ["add", "traced"], tmp_path / "trace")
    assert len(every) >= 60
    assert tried(laptop, every) == []
