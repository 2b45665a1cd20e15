"""The passphrase, asked for where nothing else opens the vault."""

from __future__ import annotations

from collections.abc import Iterable

from textual.containers import Vertical
from textual.widget import Widget

from ghostie.errors import GhostieError
from ghostie.tui.actions import Action
from ghostie.tui.fields import Line
from ghostie.tui.pages import Page
from ghostie.tui.place import Place
from ghostie.tui.sheets import Sheet

LEAST = 12  # lines from which on there is room for more than the field


class UnlockPlace(Place):
    NAME = "unlock"
    TITLE_WORDS = "ghostie · locked"
    LOCKED = True

    def __init__(self, why: str = "") -> None:
        super().__init__()
        self._why = why

    def body(self) -> Iterable[Widget]:
        with Vertical():
            yield Page()
            yield Line(label="passphrase", password=True, id="passphrase")

    def resized(self) -> None:
        page = self.page
        sheet = Sheet(self.size.width, self.ghostie.painted)
        if self.size.height < LEAST:  # the field is what must be seen
            sheet.say("Type the passphrase, then Enter.", "strong")
        else:
            sheet.say("The vault is locked.", "strong")
            sheet.gap()
            sheet.say(str(self.ghostie.layout.home), "dim")
            sheet.gap()
            sheet.say("Type the passphrase, then Enter. Esc leaves.")
            sheet.gap()
        page.styles.height = min(len(sheet.lines), max(self.size.height - 6, 1))
        page.show(sheet.lines, "", top=False)

    def opened(self) -> None:
        self.set_focus(self.field)
        if self._why:
            self.tell(self._why)

    def can(self, action: Action) -> bool:
        return not (self.asking and action.name == "open")

    def waits(self, action: Action | None) -> bool:
        return self.asking

    def do_show(self) -> None:
        self.field.password = not self.field.password

    def do_open(self) -> None:
        field = self.field
        if not field.value:
            self.tell("nothing was typed")
            return
        self.tell("opening …")
        passphrase, field.value = field.value, ""
        self.ask("beginning.unlock", self._opened, failed=self._refused, passphrase=passphrase)

    def _opened(self, _: object) -> None:
        self.ghostie.unlocked()

    def _refused(self, error: GhostieError) -> None:
        self.failed(error)
        self.repaint()

    def do_back(self) -> None:
        self.ghostie.exit()
