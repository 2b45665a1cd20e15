"""Histories of several devices around a store that fails and lies, run against the real code: `simulate(seed)`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ghostie import files, text
from ghostie.simulator.history import Event, History
from ghostie.simulator.verdict import Broken

__all__ = ["Event", "Report", "simulate"]


@dataclass(frozen=True, slots=True)
class Report:
    """What came of the history *seed*. *broken* is the promise that did not hold, and how that shows; or None."""

    seed: int
    devices: int
    malicious: bool
    events: tuple[Event, ...]
    noticed: int
    broken: str | None
    fault: BaseException | None = None

    def record(self) -> dict[str, Any]:
        """Return the history as JSON has it."""
        return {
            "seed": self.seed,
            "devices": self.devices,
            "store": "malicious" if self.malicious else "faulty",
            "events": [asdict(event) for event in self.events],
            "alarms": self.noticed,
            "held": self.broken is None,
            "broken": self.broken,
        }

    def lines(self) -> list[str]:
        """Return the history in plain words, one line a step, and the verdict."""
        kind = "a store that also lies on purpose" if self.malicious else "a store behind a bad connection"
        lines = [f"history {self.seed}: {self.devices} devices, {kind}", ""]
        for event in self.events:
            lines.append(f"{event.step:3}  {event.who:<14} {event.what}{': ' if event.outcome else ''}{event.outcome}")
            lines += [f"{'':20}the store: {note}" for note in event.store]
        lines.append("")
        lines.append(f"{text.plural(self.noticed, 'alarm')} raised")
        lines.append(f"broken: {self.broken}" if self.broken else "every promise held")
        return lines


def simulate(seed: int) -> Report:
    """Live through the history *seed* in a folder that is thrown away afterwards. The same seed is the same history."""
    memory = Path("/dev/shm")
    broken: str | None = None
    fault: BaseException | None = None
    with files.throwaway_folder(memory if memory.is_dir() else None) as folder:
        history = History(seed, folder)
        devices = len(history.machines)
        try:
            history.run()
        except Broken as error:
            broken, fault = str(error), error
        except Exception as error:
            broken, fault = f"ghostie failed: {type(error).__name__}: {error}", error
    return Report(seed, devices, history.malicious, tuple(history.events), history.noticed, broken, fault)
