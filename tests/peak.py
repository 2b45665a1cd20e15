"""The memory that a command takes at its peak, whoever starts it.

Until a new process runs its program it has the memory of the one that starts it, which Linux counts in its ru_maxrss, too. So
a small process stands between: it starts the command, waits for it, and tells what the kernel says of it.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_BETWEEN = """
import os, sys
tell = int(sys.argv[1])
os.set_inheritable(tell, False)
_, status, used = os.wait4(os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ), 0)
os.write(tell, b"%d %d" % (os.waitstatus_to_exitcode(status), used.ru_maxrss))
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command came to: exit code (negative: the signal), output, and resident memory at its peak in KiB."""

    code: int
    out: str
    err: str
    peak: int


def run(argv: Sequence[str], *, env: Mapping[str, str], folder: Path | None = None, feed: Iterable[bytes] = ()) -> Ran:
    """Run *argv*, whose first is a path, to its end in *folder*, fed with *feed*."""
    with contextlib.ExitStack() as held:
        out, err = (held.enter_context(tempfile.TemporaryFile()) for _ in range(2))
        ours, theirs = os.pipe()
        told = held.enter_context(open(ours, "rb"))
        with open(theirs, "wb"):
            child = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _BETWEEN, str(theirs), *argv],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                env=env,
                cwd=folder,
                pass_fds=[theirs],
            )
        assert child.stdin is not None
        _pour(child.stdin, feed)
        child.wait()
        code, peak = map(int, told.read().split())
        for stream in (out, err):
            stream.seek(0)
        return Ran(code, out.read().decode(), err.read().decode(), peak)


def _pour(into: IO[bytes], feed: Iterable[bytes]) -> None:
    with contextlib.suppress(BrokenPipeError):
        for piece in feed:
            into.write(piece)
    with contextlib.suppress(BrokenPipeError):
        into.close()
