"""Commands without the cost of starting Python: one process has ghostie loaded, and forks for each.

What the command sees is what a new process would: its arguments, environment, folder and streams are its own, and it
ends as `python -m ghostie` does. Whoever needs a process from its very start does not come here.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 100_000  # bytes of a request
# what is settled before a command is run: how Python starts, how text is encoded, which packages seal and read JSON
_AT_START = ("PYTHON", "LANG", "LC_", "LD_", "GHOSTIE_PURE")
_COLD = ("ghostie.__main__", "ghostie.tui", "ghostie.simulator", "ghostie.cli.reference")
_busy = threading.Lock()
_line: list[socket.socket] = []


def run(
    argv: Sequence[str | bytes], environment: Mapping[str, str], folder: Path, given: bytes | None, patience: float
) -> tuple[int, bytes, bytes] | None:
    """Run `ghostie` to its end: its exit code and what it wrote. None: it needs a process of its own, or somebody waits.

    Raises TimeoutExpired.
    """
    usual = {"PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}
    at_start = {name: value for name, value in environment.items() if name.startswith(_AT_START)}
    # who starts an agent: it must not keep the command's streams open, which only a pipe's end shows
    if at_start != usual or "unlock" in argv or not _busy.acquire(blocking=False):
        return None
    try:
        asked = json.dumps([list(map(os.fsdecode, argv)), dict(environment), str(folder)]).encode()
        return _run(asked, given, patience) if len(asked) < LONGEST else None
    finally:
        _busy.release()


def _run(asked: bytes, given: bytes | None, patience: float) -> tuple[int, bytes, bytes]:
    with contextlib.ExitStack() as held:
        streams = [held.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
        streams[0].write(given or b"")
        streams[0].seek(0)
        line = _line[0] if _line else _started()
        socket.send_fds(line, [asked], [stream.fileno() for stream in streams])
        child = int(line.recv(64))
        answer = select.poll()  # select itself knows no descriptor above 1,023
        answer.register(line, select.POLLIN)
        if not answer.poll(None if patience is None else patience * 1000):
            os.kill(child, signal.SIGKILL)
            line.recv(64)
            raise subprocess.TimeoutExpired("ghostie", patience)
        code = int(line.recv(64))
        for stream in streams:
            stream.seek(0)
        return code, streams[1].read(), streams[2].read()


def _started() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.warm", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TZ": "UTC", "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
        )
    _line.append(ours)

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def load() -> None:
    """Load all of ghostie that a command may need."""
    import ghostie

    for found in pkgutil.walk_packages(ghostie.__path__, "ghostie.", onerror=lambda name: None):
        if not found.name.startswith(_COLD):
            __import__(found.name)


def _serve(line: socket.socket) -> None:
    """Fork for each request; return in the child that is to run a command, and nowhere else."""
    load()
    from ghostie.crypto import keys

    # what a derivation may cost at most here is measured in tests/unit/test_keys.py; one at the floor is as real
    keys.calibrate = lambda target=0.25: keys.FLOOR
    while True:
        asked, streams, _, _ = socket.recv_fds(line, LONGEST, 3)
        if not asked:
            os._exit(0)
        child = os.fork()
        if child == 0:
            line.close()
            argv, environment, folder = json.loads(asked)
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
                os.close(stream)
            os.environ.clear()
            os.environ.update(environment)
            os.chdir(folder)
            time.tzset()
            tempfile.tempdir = None
            sys.argv[1:] = argv
            return
        for stream in streams:
            os.close(stream)
        line.send(str(child).encode())
        line.send(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module("ghostie", run_name="__main__", alter_sys=True)
