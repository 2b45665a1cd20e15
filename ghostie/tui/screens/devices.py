"""Devices: which there are, an end for one that is gone, and an invitation for a new one.

An invitation is a code, as a picture where it fits and as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from rich.color import Color
from rich.style import Style
from textual.containers import Vertical
from textual.strip import Strip
from textual.widget import Widget

from ghostie import text
from ghostie.errors import GhostieError
from ghostie.memory import local
from ghostie.tui import words
from ghostie.tui.actions import Action
from ghostie.tui.bars import Painted
from ghostie.tui.bases import Listing, Reading, Telling, Working
from ghostie.tui.pages import Page
from ghostie.tui.rows import Row
from ghostie.tui.screens.asking import AskingPlace, Choice, Question
from ghostie.tui.screens.prompts import LinePlace, confirm
from ghostie.tui.sheets import Sheet
from ghostie.tui.words import Piece

SAYS = "Your other devices show it beside what was written here; they hear of it with the next sync."


class DevicesPlace(Working, Listing):
    NAME = "devices"
    TITLE_WORDS = "Devices"

    def __init__(self) -> None:
        super().__init__()
        self._now = 0

    def changed(self) -> None:
        self.ask("sync.standing", self._got, latest="standing")

    def _got(self, found: Mapping[str, Any]) -> None:
        self._now = found.get("now", 0)
        devices = found.get("devices", [])
        self.rows.empty = "this vault has no store, and so no other devices"
        self.rows.fill(devices, "writer")
        self.rows.show([each["writer"] for each in devices])
        self.repaint()

    def show(self) -> None:
        if self.under_way is not None:
            sheet = Sheet(self.size.width, self.ghostie.painted)
            self.progress(sheet)
            self.tell(" ".join("".join(said for said, _ in line).strip() for line in sheet.lines))

    def _paint(self, row: Row, width: int, lines: int) -> list[list[Piece]]:
        styled = self.ghostie.painted
        name = words.line(row["name"], 40) or "(not yet heard of)"
        word = "never" if row["last_word"] is None else f"{text.ago(row['last_word'], self._now)} ago"
        this = "this device" if row["this"] else ""
        known = f"last word {word} · {text.plural(row['position'], 'version')} · {row['writer'][:6]}"
        if lines > 1:
            named = words.line(name, width - len(this) - 3)
            return [
                [(named, styled["strong"]), (f" · {this}" if this else "", styled["dim"])],
                [(words.line(known, width), styled["dim"])],
            ]
        room = min(28, width // 3)
        known = f"{this} · {known}" if this else known
        return [
            [(text.fit(name, room, pad=True) + "  ", styled["strong"]), (words.line(known, width - room - 2), None)]
        ]

    # -- actions -----------------------------------------------------------------------------------------------------

    def can(self, action: Action) -> bool:
        if action.where != self.NAME:
            return True
        row = self.rows.here
        if row is None or self.busy:
            return False
        return bool(row["this"]) if action.name == "rename" else action.name == "invite" or not row["this"]

    def do_rename(self) -> None:
        row = self.rows.here
        if row is not None:
            self.open(LinePlace("This device's name", text.one_line(row["name"]), says=SAYS), self._rename)

    def _rename(self, name: str | None) -> None:
        if name is not None:
            self.ask("sync.rename", lambda _: self._renamed(name.strip()), name=name.strip())

    def _renamed(self, name: str) -> None:
        self.changed()
        self.tell(f"this device is now called {words.line(name, 40)}; the others see it after the next sync")

    def do_retire(self) -> None:
        row = self.rows.here
        if row is None:
            return
        name = words.line(row["name"], 40) or row["writer"][:6]
        confirm(
            self,
            f"Retire {name}?",
            "Do that for a device that is lost, sold or gone for good. What it sent stays, and goes out from here"
            " anew; its own objects on the store are removed. It still has what it had, and the key: what to do about"
            " that comes next.",
            lambda: self._retire(row["writer"], name),
        )

    def _retire(self, writer: str, name: str) -> None:
        def done(answer: Mapping[str, Any]) -> None:
            self.ghostie.changed()
            self.open(RetiredPlace(name, answer["adopted"], answer["objects"]))

        self.start(f"retiring {name}", "sync.retire", done, writer=writer)

    def failed(self, error: GhostieError) -> None:
        super().failed(error)
        self.repaint()

    def do_invite(self) -> None:
        self.open(InvitePlace())


class RetiredPlace(Telling):
    """Says that a device is retired, and what that does not do: it still has the key."""

    NAME = "retired"
    TITLE_WORDS = "Retired"
    WIDEST = 78

    def __init__(self, name: str, adopted: int, objects: int) -> None:
        super().__init__()
        self._device = name
        self._adopted = adopted
        self._objects = objects

    def put_down(self, sheet: Sheet) -> None:
        sheet.say(f"Retired {self._device}.", "good")
        went = text.plural(self._adopted, "version")
        sheet.say(
            f"{went} of it went out from here anew, and {text.plural(self._objects, 'object')} of it left the store."
        )
        sheet.gap()
        sheet.say(
            "Retiring takes no key away: it still opens what it has, and with the store's credentials what is there."
        )
        sheet.title("if it is in other hands")
        setup = self.key_of("sync.setup")
        for number, said in enumerate(
            (
                "Let the store's provider make new credentials, and withdraw the old ones.",
                f"{setup} on the screen Sync gives the new ones to this device.",
                "`ghostie keys passwd` sets another passphrase, for the old one may be known.",
                "`ghostie keys rotate` opens a new key: what is written from then on, the lost device cannot read.",
                f"Sync here. Then {setup} on each other device takes credentials, key and passphrase over.",
            ),
            1,
        ):
            sheet.say(said, sign=f"{number}.")
        sheet.gap()
        sheet.say("What it has read by now stays known to whoever has it.", "dim")


# -- an invitation -----------------------------------------------------------------------------------------------------

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


class InvitationPlace(Reading):
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

    def resized(self) -> None:
        picture, made = self.query_one(Picture), self._made
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
        self.page.show(sheet.lines, "", top=False)

    def on_unmount(self) -> None:
        self._made = {"picture": [""], "code": "", "until": 0, "credentials": False}
