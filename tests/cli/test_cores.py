"""No process that holds plaintext or keys leaves a core file: the screens, the worker and the agent are killed and looked at."""

from __future__ import annotations

import os
import pty
import select
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ghostie.crypto import agent
from ghostie.crypto.keys import first_epoch
from ghostie.paths import Layout
from ghostie.tui.keeper import LENGTH, Opening, frame
from tests.cli.device import GHOSTIE, ROOT, Device, wait_until

linux = pytest.mark.skipif(
    not Path("/proc/self/limits").exists(), reason="this system does not show a process's limits"
)
WITH_CORES = (
    "import os, resource, sys; resource.setrlimit(resource.RLIMIT_CORE, (-1, -1)); os.execv(sys.argv[1], sys.argv[1:])"
)


# what is left where the limit counts for nothing, as where the system hands cores to a program
WITHOUT_LIMIT = """
import runpy, sys
from ghostie import hardening

hardening.forbid_core = lambda: None
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
BOTH = pytest.mark.parametrize("limited", [True, False], ids=["by its limit", "without one"])


def begun(folder: Path, *argv: str, limited: bool = True, **how: Any) -> subprocess.Popen[bytes]:
    """Start a Python program where core files are written without a limit."""
    if not limited:
        argv = ("-c", WITHOUT_LIMIT, *argv[1:])
    return subprocess.Popen([sys.executable, "-c", WITH_CORES, sys.executable, *argv], cwd=folder, **how)


def dumped(process: subprocess.Popen[bytes]) -> bool:
    """Kill a process by a signal that asks for a core file; return whether the system wrote one."""
    os.kill(process.pid, signal.SIGABRT)
    _, status = os.waitpid(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == -signal.SIGABRT
    return os.WCOREDUMP(status)


def limit(pid: int) -> list[str]:
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next(line.split()[4:6] for line in lines if line.startswith("Max core file size"))


def check(process: subprocess.Popen[bytes], folder: Path, *, limited: bool) -> None:
    assert limit(process.pid) == (["0", "0"] if limited else ["unlimited", "unlimited"])
    assert not dumped(process)
    assert not [path for path in folder.iterdir() if path.name.startswith("core")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "cwd"
    made.mkdir()
    return made


@linux
def test_a_process_that_asks_for_nothing_leaves_a_core(folder: Path) -> None:
    """Else the tests below would show nothing."""
    if not Path("/proc/sys/kernel/core_pattern").read_text().startswith(("core", "|")):
        pytest.skip("this system writes cores to another place")
    process = begun(folder, "-c", "print('x', flush=True); import time; time.sleep(60)", stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
        assert dumped(process)


@linux
@BOTH
def test_the_agent_leaves_none(folder: Path, short_folder: Path, limited: bool) -> None:
    layout = Layout(short_folder / "home")
    layout.home.mkdir(mode=0o700)
    process = begun(
        folder,
        *("-m", "ghostie.crypto.agent", str(layout.home), "60"),
        limited=limited,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        process.stdin.write(agent._spelt(first_epoch(bytes(32))))
        process.stdin.close()
        assert process.stdout.readline() == b"ready\n"
        check(process, folder, limited=limited)


@linux
@BOTH
def test_the_worker_leaves_none(folder: Path, laptop: Device, limited: bool) -> None:
    laptop.add("what nobody else should read")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = begun(
            folder, "-m", "ghostie.tui.desk", limited=limited, stdin=theirs, stdout=theirs, env=laptop.environment()
        )
        ours.sendall(frame(Opening(laptop.vault).spelt()))
        ours.sendall(frame({"id": 1, "task": "standing", "given": {}}))
        assert ours.recv(LENGTH, socket.MSG_WAITALL)
        check(process, folder, limited=limited)


@pytest.fixture
def screens(laptop: Device, folder: Path) -> Iterator[Callable[[bool], subprocess.Popen[bytes]]]:
    """Starts the screens in a terminal, and returns them when the memory is on it."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(ours, (30, 80))
    laptop.add("what nobody else should read")
    started: list[subprocess.Popen[bytes]] = []

    def start(limited: bool) -> subprocess.Popen[bytes]:
        process = begun(
            folder,
            *GHOSTIE[1:],
            limited=limited,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env=laptop.environment({"TERM": "xterm-256color"}),
        )
        started.append(process)
        seen, end = b"", time.monotonic() + 60
        while b"nobody else" not in seen:
            assert time.monotonic() < end, seen[-500:]
            if select.select([ours], [], [], 0.2)[0]:
                seen += os.read(ours, 1 << 16)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
            process.wait()
    os.close(ours)
    os.close(theirs)


@linux
@BOTH
def test_the_screens_leave_none_nor_does_their_worker(
    screens: Callable[[bool], subprocess.Popen[bytes]], folder: Path, limited: bool
) -> None:
    process = screens(limited)
    workers = [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    assert b"ghostie.tui.desk" in b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in workers)
    assert {tuple(limit(pid)) for pid in workers} == {("0", "0")}, "of the worker itself, whatever the screens have"
    check(process, folder, limited=limited)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


@linux
def test_a_command_and_the_editor_that_it_starts_leave_none(laptop: Device) -> None:
    memory_id = laptop.add("what nobody else should read")
    noting = f'{sys.executable} -c "import resource; print(resource.getrlimit(resource.RLIMIT_CORE))"'
    done = laptop("edit", memory_id, env={"EDITOR": noting}, code=0)
    assert done.out == "(0, 0)\n"
