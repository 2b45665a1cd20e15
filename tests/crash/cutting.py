"""What both programs of cut-off operations are built on: one attempt in a process of its own, and all of its points."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import ghostie
from ghostie.errors import GhostieError

from .wires import Wires

Report = dict[str, Any]


def attempt(
    wires: Wires, prepare: Callable[[], Any], act: Callable[[Any], object], after: Callable[[Report], None]
) -> Report:
    """Do *act* to what *prepare* returns in a process of its own, with *wires* in place from then on.

    Return what that process had to say before it ended; *after* may add to that.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        report: Report = {"done": False, "problems": []}
        try:
            subject = prepare()
            wires.install()
            try:
                act(subject)
                report["done"] = True
            except GhostieError as error:
                report["error"] = type(error).__name__
            report["unfinished"] = [type(error).__name__ for error in getattr(subject, "unfinished", ())]
            after(report)
            if wires.mode == "power":
                wires.lose()
        except BaseException:
            report["problems"].append(traceback.format_exc())
        report["tripped"] = wires.tripped
        os.write(writing, json.dumps(report).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return {"done": False, "tripped": True, "problems": []}
    found: Report = json.loads(said)
    return found


def every_point(source: Path, mode: str, folder: Path, cut: Callable[[Path, Wires], Report]) -> Iterator[Report]:
    """Yield what *cut* reports of a copy of *source* that is cut off at its first durable call, its second, …"""
    for point in count(1):
        copy, stash = folder / str(point), folder / f"{point}.stash"
        shutil.copytree(source, copy)
        stash.mkdir()
        report = cut(copy, Wires(mode, point, stash))
        yield {**report, "point": point}
        shutil.rmtree(copy)
        shutil.rmtree(stash)
        if not report["tripped"]:
            return


def reports_of(program: str, operation: str, mode: str, folder: Path) -> list[Report]:
    """Return a report of every point at which *operation* was cut off, after a look at what all of them must show."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.crash.{program}", operation, mode, str(folder)],
        cwd=Path(ghostie.__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.stderr == ""
    reports: list[Report] = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(report["point"], report["problems"]) for report in reports if report["problems"]] == []
    assert len(reports) >= 8
    assert [report["tripped"] for report in reports] == [True] * (len(reports) - 1) + [False]
    assert reports[-1]["done"]
    return reports
