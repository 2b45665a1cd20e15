"""Other people's programs, asked with patience and without ghostie's own settings, and never left running."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
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
