"""Devices: which there are, when each had its last word, and an end for one that is gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from textual.widget import Widget

from ghostie import text
from ghostie.errors import GhostieError
from ghostie.tui import words
from ghostie.tui.actions import LIST, PAGE, Action
from ghostie.tui.pages import Page
from ghostie.tui.place import Place
from ghostie.tui.rows import Row, Rows
from ghostie.tui.screens.line import LinePlace
from ghostie.tui.screens.question import QuestionPlace
from ghostie.tui.sheets import Sheet
from ghostie.tui.words import Piece
from ghostie.tui.working import Working

SAYS = "Your other devices show it beside what was written here; they hear of it with the next sync."


class DevicesPlace(Working):
    NAME = "devices"
    TITLE_WORDS = "Devices"

    def __init__(self) -> None:
        super().__init__()
        self._now = 0

    def body(self) -> Iterable[Widget]:
        yield Rows(self._paint, empty="…")

    def shared(self) -> tuple[str, ...]:
        return (LIST,)

    @property
    def rows(self) -> Rows:
        return self.query_one(Rows)

    @property
    def chosen(self) -> Row | None:
        return self.rows.row(self.rows.current)

    def opened(self) -> None:
        self.ask("sync.standing", self._got, latest="standing")

    def changed(self) -> None:
        if not self.ghostie.locked:
            self.opened()

    def _got(self, found: Mapping[str, Any]) -> None:
        self._now = found.get("now", 0)
        devices = found.get("devices", [])
        self.rows.empty = "this vault has no store, and so no other devices"
        self.rows.fill(devices, "writer")
        self.rows.show([each["writer"] for each in devices])
        self.repaint()

    def resized(self) -> None:
        self.rows.set_lines(2 if self.narrow else 1)

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
        if action.name in ("mark", "range", "mark_all"):
            return False
        if action.where != self.NAME:
            return True
        row = self.chosen
        if row is None or self.busy:
            return False
        return bool(row["this"]) if action.name == "rename" else action.name == "invite" or not row["this"]

    def on_rows_moved(self, message: Rows.Moved) -> None:
        self.repaint()

    def do_rename(self) -> None:
        row = self.chosen
        if row is not None:
            self.open(LinePlace("This device's name", text.one_line(row["name"]), says=SAYS), self._rename)

    def _rename(self, name: str | None) -> None:
        if name is not None:
            self.ask("sync.rename", lambda _: self._renamed(name.strip()), name=name.strip())

    def _renamed(self, name: str) -> None:
        self.opened()
        self.tell(f"this device is now called {words.line(name, 40)}; the others see it after the next sync")

    def do_retire(self) -> None:
        row = self.chosen
        if row is None:
            return
        name = words.line(row["name"], 40) or row["writer"][:6]
        question = QuestionPlace(
            f"Retire {name}?",
            "Do that for a device that is lost, sold or gone for good. What it sent stays, and goes out from here"
            " anew; its own objects on the store are removed. It still has what it had, and the key: what to do about"
            " that comes next.",
        )
        self.open(question, lambda said: self._retire(row["writer"], name) if said else None)

    def _retire(self, writer: str, name: str) -> None:
        def done(answer: Mapping[str, Any]) -> None:
            self.ghostie.changed()
            self.open(RetiredPlace(name, answer["adopted"], answer["objects"]))

        self.start(f"retiring {name}", "sync.retire", done, writer=writer)

    def failed(self, error: GhostieError) -> None:
        super().failed(error)
        self.repaint()

    def do_invite(self) -> None:
        from ghostie.tui.screens.invite import InvitePlace

        self.open(InvitePlace())


class RetiredPlace(Place):
    """Says that a device is retired, and what that does not do: it still has the key."""

    NAME = "retired"
    TITLE_WORDS = "Retired"

    def __init__(self, name: str, adopted: int, objects: int) -> None:
        super().__init__()
        self._device = name
        self._adopted = adopted
        self._objects = objects

    def body(self) -> Iterable[Widget]:
        yield Page()

    def shared(self) -> tuple[str, ...]:
        return (PAGE,)

    def resized(self) -> None:
        page = self.query_one(Page)
        sheet = Sheet(min(page.size.width, 78), self.ghostie.painted)
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
        keymap = self.ghostie.settings.keymap
        setup = keymap.shown(keymap.get("sync.setup"))
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
        page.show(sheet.lines, "", top=False)
