"""`Working`, the base of places with something long under way: how far that is, and the way to stop it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ghostie import text
from ghostie.errors import GhostieError
from ghostie.tui.keeper import Cancelled, Failed, Then
from ghostie.tui.place import Long, Place
from ghostie.tui.sheets import Sheet


@dataclass
class _Work:
    """Something long that is under way."""

    words: str
    long: Long | None = None
    said: Mapping[str, Any] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    first: int | None = None
    stopping: bool = False
    gentle: bool = False  # whether whatever else is asked for may take its place

    def heard(self, said: Mapping[str, Any]) -> None:
        if said.get("doing") != self.said.get("doing"):
            self.began, self.first = time.monotonic(), int(said.get("done", 0))
        self.said = said

    def rate(self) -> float:
        """Return the bytes a second."""
        done = int(self.said.get("done", 0)) - (self.first or 0)
        spent = time.monotonic() - self.began
        return done / spent if spent > 0.2 else 0.0


class Working(Place):
    """A place with something long under way now and then: it says how far that is, and stops it."""

    def __init__(self) -> None:
        super().__init__()
        self.under_way: _Work | None = None

    @property
    def busy(self) -> bool:
        return self.under_way is not None and not self.under_way.gentle

    def show(self) -> None:
        """Paint what there is to say, `progress` with it."""
        raise NotImplementedError

    def start(
        self,
        said: str,
        task: str,
        then: Then,
        *,
        failed: Failed | None = None,
        gentle: bool = False,
        **given: Any,
    ) -> None:
        if self.busy:
            return
        if self.under_way is not None and self.under_way.long is not None:
            self.under_way.long.cancel()
        work = self.under_way = _Work(said, gentle=gentle)

        def ended(result: Any, deliver: Then) -> None:
            if self.under_way is not work:
                return
            self.under_way = None
            deliver(result)
            self.show()
            self.repaint()

        def heard(news: Mapping[str, Any]) -> None:
            work.heard(news)
            if self.under_way is work:
                self.show()

        work.long = self.ask_long(
            task,
            lambda answer: ended(answer, then),
            failed=lambda error: ended(error, failed or self.failed),
            progress=heard,
            **given,
        )
        self.show()
        self.repaint()

    def progress(self, sheet: Sheet) -> None:
        """Put down how far it is."""
        work = self.under_way
        if work is None:
            return
        sheet.say("stopping …" if work.stopping else work.words, "strong", sign="…")
        said = work.said
        if "pause" in said:
            sheet.say(
                f"{text.one_line(said['pause'])}: trying again in {said['seconds']:.0f} s,"
                f" {text.plural(said['left'], 'try')} left",
                "warn",
                indent=2,
            )
        elif said.get("total"):
            done, total = said["done"], said["total"]
            sheet.lines.append(
                [
                    ("  ", None),
                    (text.bar(done, total, min(sheet.width - 12, 40)), sheet.styled["name"]),
                    (f" {100 * done // total} %", None),
                ]
            )
            if said["bytes"]:
                rate = f" · {text.size(int(work.rate()))}/s" if work.rate() else ""
                sheet.say(f"{said['doing']} {text.size(done)} of {text.size(total)}{rate}", indent=2)
            else:
                sheet.say(f"{said['doing']} {done:,} of {total:,}", indent=2)
        elif said.get("doing"):
            sheet.say(str(said["doing"]), indent=2)

    def do_stop(self) -> None:
        if self.under_way is not None and self.under_way.long is not None:
            self.under_way.stopping = True
            self.under_way.long.cancel()
            self.show()

    def do_back(self) -> None:
        if self.under_way is not None and not self.under_way.stopping:
            self.do_stop()
        else:
            super().do_back()

    def failed(self, error: GhostieError) -> None:
        if isinstance(error, Cancelled):
            self.tell("stopped; what was done until then is kept, and nothing is lost")
        else:
            super().failed(error)
