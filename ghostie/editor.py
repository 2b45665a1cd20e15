"""Text in the person's own editor: a private file that is wiped afterwards, by the next command if not by this one."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator

from ghostie import files
from ghostie.errors import UsageError
from ghostie.leftovers import scratch
from ghostie.paths import Layout
from ghostie.tools import environment

MAX_EDITED = 8 << 20  # bytes; a memory has far fewer, but the two sides of a conflict come here as one text


def named() -> str | None:
    return os.environ.get("VISUAL") or os.environ.get("EDITOR")


def edited(content: str, layout: Layout) -> str:
    """Return *content* as the person leaves it in $VISUAL, $EDITOR or vi. Raises UsageError, with nothing changed."""
    command = named() or "vi"
    with _ending_tidily(), scratch(layout, ".txt", content.encode()) as path:
        try:
            done = subprocess.run([*shlex.split(command), str(path)], check=False, env=environment())
        except (OSError, ValueError) as error:
            raise UsageError(f"the editor {command!r} did not start", "set EDITOR to one that is installed") from error
        if done.returncode != 0:
            raise UsageError(f"the editor ended with exit code {done.returncode}; nothing was changed")
        try:
            after = files.read(path, MAX_EDITED).decode()
        except FileNotFoundError:
            raise UsageError("the editor left no file; nothing was changed") from None
        except UnicodeDecodeError:
            raise UsageError("what the editor left is not UTF-8 text; nothing was changed") from None
    # editors end a file with a newline that nobody typed
    return after[:-1] if after.endswith("\n") and not content.endswith("\n") else after


@contextlib.contextmanager
def _ending_tidily() -> Iterator[None]:
    """Take being told to end, and a terminal that is closed, as Ctrl-C: what lies in the clear is wiped."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
