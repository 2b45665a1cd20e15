"""An invitation: a code, as a picture where it fits and as text, by which another device joins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from rich.color import Color
from rich.style import Style
from textual.containers import Vertical
from textual.strip import Strip
from textual.widget import Widget

from ghostie.memory import local
from ghostie.tui import words
from ghostie.tui.actions import PAGE
from ghostie.tui.bars import Painted
from ghostie.tui.pages import Page
from ghostie.tui.place import Place
from ghostie.tui.screens.asking import AskingPlace, Choice, Question
from ghostie.tui.sheets import Sheet

VALID: Final = Question(
    "valid",
    "How long is the invitation good?",
    "After that the code is of no use to anybody.",
    "choice",
    choices=(
        Choice("3600", "An hour", "the other device is at hand"),
        Choice("86400", "A day", "you come to it today"),
        Choice("604800", "A week", "it is somewhere else"),
    ),
)
PASSPHRASE: Final = Question(
    "passphrase",
    "The vault's passphrase",
    "Asked for although the vault is open: who finds an open device must not let another one in.",
    "secret",
)
LIGHT: Final = Style(color=Color.parse("#ffffff"), bgcolor=Color.parse("#000000"))


class InvitePlace(AskingPlace):
    def heading(self) -> str:
        return "Invite a device"

    def opened(self) -> None:
        self.put(VALID)

    def take(self, name: str, value: str) -> None:
        if name == "valid":
            self.put(PASSPHRASE)
        else:
            self.work(
                "sealing the invitation, and looking that the store is as it should be",
                "sync.invite",
                self._made,
                long=True,
                passphrase=value,
                seconds=int(self.answers["valid"]),
            )

    def _made(self, made: Mapping[str, Any]) -> None:
        ghostie = self.ghostie
        ghostie.pop_screen()
        ghostie.push_screen(InvitationPlace(made))


class Picture(Painted):
    """A QR code: light on dark, whatever the colours are."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def render_line(self, y: int) -> Strip:
        line = self.lines[y] if y < len(self.lines) else ""
        return words.strip([(line, LIGHT)], self.size.width, self.styled["text"])


class InvitationPlace(Place):
    """Shows the code. It is kept nowhere, and goes with the place."""

    NAME = "invitation"
    TITLE_WORDS = "Invitation"

    def __init__(self, made: Mapping[str, Any]) -> None:
        super().__init__()
        self._made = made

    def body(self) -> Iterable[Widget]:
        with Vertical():
            yield Picture()
            yield Page()

    def shared(self) -> tuple[str, ...]:
        return (PAGE,)

    def resized(self) -> None:
        page, picture, made = self.query_one(Page), self.query_one(Picture), self._made
        lines: list[str] = made["picture"]
        wide, high = len(lines[0]), len(lines)
        width, height = self.size.width, self.size.height - (3 if self.narrow and not self.low else 2)
        fits = wide <= width and high <= height - 1
        picture.lines = lines
        picture.display = fits
        picture.styles.height = high
        sheet = Sheet(width - 1, self.ghostie.painted)
        sheet.say(f"the code, good until {local(made['until'])}", "strong")
        code = made["code"]
        for at in range(0, len(code), sheet.width):
            sheet.lines.append([(code[at : at + sheet.width], None)])
        sheet.gap()
        sheet.fact("to join", "`ghostie` on the other device, or `ghostie sync join`: this code, then the passphrase")
        what = (
            "the store's credentials and all memories" if made["credentials"] else "the memories that the store holds"
        )
        sheet.fact("take care", f"who photographs it has nothing yet; who knows the passphrase as well has {what}")
        if not fits:
            sheet.gap()
            sheet.say(
                f"A picture for a camera takes {wide} columns and {high + 1} lines; there are {width} and {height}."
                " Make the letters smaller (pinch, or ctrl and minus) or the window larger, and it appears. The code"
                " says the same.",
                "dim",
            )
        page.show(sheet.lines, "", top=False)

    def on_unmount(self) -> None:
        self._made = {"picture": [""], "code": "", "until": 0, "credentials": False}
