"""What of a vault stands in some writer's log: the logs themselves are kept by sync, which is above the vault."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ghostie import files
from ghostie.crypto.sealing import Keys, Purpose
from ghostie.paths import Layout
from ghostie.vault.sealedlog import SealedLog

_LOG_FILE = re.compile(r"([0-9a-f]{16})\.log\.enc")

Stretch = tuple[int, str, tuple[bytes, ...]]  # its first position, the tip before it, and the hashes


def writers(layout: Layout) -> list[str]:
    """Return the writers of whom there is a log."""
    return [found[1] for name in sorted(files.names_in(layout.logs)) if (found := _LOG_FILE.fullmatch(name))]


def log_of(layout: Layout, keys: Keys, writer: str) -> SealedLog:
    return SealedLog(layout.logs / f"{writer}.log.enc", keys, Purpose.LOG, f"log/{writer}")


def stretches(log: SealedLog) -> Iterator[Stretch]:
    for entry in log.read():
        hashes = tuple(entry[at : at + 32] for at in range(16, len(entry), 32))
        yield int.from_bytes(entry[:8], "big"), entry[8:16].hex(), hashes


def sent(layout: Layout, keys: Keys) -> set[str]:
    """Return the hashes of all that stands in any log. Raises CannotRead."""
    logs = (log_of(layout, keys, writer) for writer in writers(layout))
    return {digest.hex() for log in logs for _, _, hashes in stretches(log) for digest in hashes}
