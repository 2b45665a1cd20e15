"""Other people's programs, asked with patience and without ghostie's own settings, and never left running."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class NoAnswer(Exception):
    """Why a program did not answer, in words that follow its name."""


@dataclass(frozen=True, slots=True)
class Answer:
    returncode: int
    stdout: bytes
    stderr: bytes


def environment(given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment for another program: nothing of ghostie's own, and so no passphrase."""
    return {name: value for name, value in given.items() if not name.startswith("GHOSTIE_")}


def output(child: subprocess.Popen[bytes], longest: int, patience: float) -> tuple[bytes, int]:
    """Return what *child* writes to its standard output, and its exit code; at most *longest* bytes and one more.

    One that says more, or takes longer than *patience* seconds (TimeoutExpired), is left to the caller to end.
    """
    assert child.stdout is not None
    end = time.monotonic() + patience
    said = b""
    while len(said) <= longest:
        left = end - time.monotonic()
        if left <= 0 or not select.select([child.stdout], [], [], left)[0]:
            raise subprocess.TimeoutExpired(child.args, patience)
        if not (chunk := os.read(child.stdout.fileno(), longest + 1 - len(said))):
            return said, child.wait(max(0.1, end - time.monotonic()))
        said += chunk
    return said, 0


def ask(argv: Sequence[str], patience: float, stdin: bytes = b"", more: Mapping[str, str] | None = None) -> Answer:
    """Run *argv* for *patience* seconds at the most, with *more* in its environment. Raises NoAnswer."""
    try:
        child = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**environment(), **(more or {})},
            start_new_session=True,
        )
    except OSError as error:
        raise NoAnswer(f"did not start: {(error.strerror or str(error)).lower()}") from None
    try:
        stdout, stderr = child.communicate(stdin, timeout=patience)
    except subprocess.TimeoutExpired:
        raise NoAnswer(f"did not answer within {patience:.0f} s") from None
    finally:
        if child.returncode is None:
            with contextlib.suppress(OSError):
                os.killpg(child.pid, signal.SIGKILL)  # and what it started, which holds our pipes
            child.wait()
            for pipe in (child.stdin, child.stdout, child.stderr):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
    return Answer(child.returncode, stdout, stderr)
