"""What stands here before there is a vault."""

from __future__ import annotations

from collections.abc import Iterable

from textual.widget import Widget

from ghostie.tui.actions import PAGE
from ghostie.tui.pages import Page
from ghostie.tui.place import Place


class WelcomePlace(Place):
    NAME = "welcome"
    TITLE_WORDS = "ghostie"
    LOCKED = True

    def body(self) -> Iterable[Widget]:
        yield Page()

    def shared(self) -> tuple[str, ...]:
        return (PAGE,)

    def opened(self) -> None:
        self.query_one(Page).show(
            [[("There is no vault here yet.", self.ghostie.painted["strong"])], []],
            "ghostie keeps what you and your agents learn: encrypted, on this device, in step with your others.\n\n"
            "  ghostie init        makes a vault\n  ghostie sync setup  joins one on a store\n",
        )
