"""What a process that knows secrets asks of the system: no core file, and no look into its memory."""

from __future__ import annotations

import contextlib

_PR_SET_DUMPABLE = 4


def forbid_core() -> None:
    """Let no core file of this process be written, nor of those that it starts: an editor has the text, too."""
    import resource

    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def harden() -> None:
    """Keep what this process knows out of core files and other processes' reach, as far as the system lets us."""
    import ctypes

    forbid_core()
    with contextlib.suppress(AttributeError, OSError):
        # a core that the system hands to a program heeds no limit; and a debugger of the same user is kept out
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
