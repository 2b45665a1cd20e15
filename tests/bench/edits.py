"""What it costs to edit one memory again and again in one open vault: the CPU of the last hundred edits of a thousand,
as a ratio to that of the first hundred, each begun after twenty that warm up. The median of the rounds."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from ghostie import open_vault
from ghostie.crypto.keys import FLOOR, wrap
from ghostie.paths import Layout
from tests.vault.house import KEYS, new_vault

PASSPHRASE = "a passphrase for measuring"
EDITS, HUNDRED, WARM = 1000, 100, 20
BAR = 1.3


def measure(rounds: int) -> None:
    """Measure, and print one line."""
    figures = [_round() for _ in range(rounds)]
    first, last = (statistics.median(each) for each in zip(*figures, strict=True))
    ratio = statistics.median(end / start for start, end in figures)
    mark = "" if ratio <= BAR else " (over)"
    print(f"{EDITS:,} edits of one memory: {first * 10:.2f} ms CPU each at first, {last * 10:.2f} ms at last")
    print(f"last hundred / first hundred: {ratio:.2f}{mark}, bar {BAR:g}\n")


def _round() -> tuple[float, float]:
    """Return the seconds of CPU that the first and the last hundred edits took."""
    with tempfile.TemporaryDirectory(prefix="gb") as folder:
        home = Path(folder) / "home"
        new_vault(home).close()
        layout = Layout(home)
        layout.master_key.write_bytes(wrap(KEYS, PASSPHRASE, FLOOR).spelt())
        vault = open_vault(home, passphrase=PASSPHRASE)
        memory = vault.add("first words")
        costs = []
        for number in range(WARM + EDITS):
            start = time.process_time()
            vault.edit(memory.id, {"content": f"what it says at edit {number}\n" * 20})
            costs.append(time.process_time() - start)
        vault.close()
        return sum(costs[WARM : WARM + HUNDRED]), sum(costs[-HUNDRED:])
