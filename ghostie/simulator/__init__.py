"""Histories of several devices around a store that fails and lies, run against the real code: `simulate(seed)`.

There are three kinds, each with seeds of its own: of memories that change around a store behind a bad connection, which
in every second history also lies on purpose; of keys, devices and privacy that change around such a store ("keys"), and
around a folder that each device has a copy of ("folders").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ghostie import files, text
from ghostie.simulator.history import Event, History
from ghostie.simulator.keyed import KeyHistory
from ghostie.simulator.verdict import Broken

__all__ = ["KINDS", "Event", "Report", "simulate"]

KINDS: Final[Mapping[str, Callable[[int, Path], History]]] = {
    "memories": History,
    "keys": KeyHistory,
    "folders": lambda seed, folder: KeyHistory(seed, folder, replicated=True),
}


@dataclass(frozen=True, slots=True)
class Report:
    """What came of the history *seed* of a *kind*. *broken* is the promise that did not hold, and how that shows."""

    seed: int
    devices: int
    store: str
    events: tuple[Event, ...]
    noticed: int
    broken: str | None
    fault: BaseException | None = None
    kind: str = "memories"

    @property
    def malicious(self) -> bool:
        return self.store == "malicious"

    @property
    def name(self) -> str:
        """The word by which `--simulate` tells this history again."""
        return str(self.seed) if self.kind == "memories" else f"{self.kind}-{self.seed}"

    def record(self) -> dict[str, Any]:
        """Return the history as JSON has it."""
        return {
            "kind": self.kind,
            "seed": self.seed,
            "devices": self.devices,
            "store": self.store,
            "events": [asdict(event) for event in self.events],
            "alarms": self.noticed,
            "held": self.broken is None,
            "broken": self.broken,
        }

    def lines(self) -> list[str]:
        """Return the history in plain words, one line a step, and the verdict."""
        lines = [f"history {self.name}: {self.devices} devices, {_STORES[self.store]}", ""]
        for event in self.events:
            lines.append(f"{event.step:3}  {event.who:<14} {event.what}{': ' if event.outcome else ''}{event.outcome}")
            lines += [f"{'':20}the store: {note}" for note in event.store]
        lines.append("")
        lines.append(f"{text.plural(self.noticed, 'alarm')} raised")
        lines.append(f"broken: {self.broken}" if self.broken else "every promise held")
        return lines


_STORES: Final = {
    "faulty": "a store behind a bad connection",
    "malicious": "a store that also lies on purpose",
    "replicated": "a folder that each has a copy of, which a program keeps alike",
}


def simulate(seed: int, kind: str = "memories") -> Report:
    """Live through the history *seed* of a *kind* (one of KINDS) in a folder that is thrown away afterwards.

    The same seed is the same history.
    """
    memory = Path("/dev/shm")
    broken: str | None = None
    fault: BaseException | None = None
    with files.throwaway_folder(memory if memory.is_dir() else None) as folder:
        history = KINDS[kind](seed, folder)
        try:
            history.run()
        except Broken as error:
            broken, fault = str(error), error
        except Exception as error:
            broken, fault = f"ghostie failed: {type(error).__name__}: {error}", error
    return Report(
        seed, history.devices, history.store, tuple(history.events), history.noticed, broken, fault, kind=kind
    )
