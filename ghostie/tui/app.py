"""The application: the keeper, what every screen's header tells, locking, and how it ends."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from rich.style import Style
from textual import events
from textual.app import App
from textual.screen import Screen

from ghostie import text
from ghostie.errors import NoPassphrase
from ghostie.paths import Layout
from ghostie.tui import themes
from ghostie.tui.keeper import Asked, Cancelled, Failed, Keeper, KeeperGone, Opening, Then, told
from ghostie.tui.place import Long, Place, spoken
from ghostie.tui.settings import Settings

WATCH = 5.0
LAST_WAIT = 20.0


def _now() -> float:
    """Return a clock that goes on while the machine sleeps, where there is one."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class GhostieApp(App[None]):
    CSS = themes.CSS
    ENABLE_COMMAND_PALETTE = False
    INLINE_PADDING = 0
    ESCAPE_TO_MINIMIZE = False
    ALLOW_SELECT = False
    BINDINGS: ClassVar = []
    TITLE = "ghostie"

    def __init__(self, opening: Opening, keeper: Keeper | None, settings: Settings, *, layout: Layout) -> None:
        super().__init__()
        if self.no_color:
            # Textual's own way is greys, which are colours to a terminal
            self._filters = [themes.Colourless()]
        self.layout = layout
        self.opening = opening
        self.keeper = keeper
        self.settings = settings
        self.standing: dict[str, int | None] = {}
        self.fault: BaseException | None = None
        self.locked = False
        self.ending = False
        self.cursor: str | None = None  # the id of the memory that one stood on: it is found again after a lock
        self._touched = _now()
        self._long: set[Keeper] = set()
        self._ended: list[Keeper] = []
        self._listening: set[asyncio.Task[None]] = set()

    # -- colours -----------------------------------------------------------------------------------------------------

    @property
    def painted(self) -> dict[str, Style]:
        return themes.styles(self.current_theme)

    def do_theme(self) -> None:
        names = [theme.name for theme in themes.THEMES]
        self.use_theme(names[(names.index(self.theme) + 1) % len(names)] if self.theme in names else names[0])
        self.place.tell(f'colours: {self.theme} · theme = "{self.theme}" in screens.toml keeps them')

    def use_theme(self, name: str) -> None:
        """Paint in the colours *name*, where there are such."""
        if name in self.available_themes and name != self.theme:
            self.theme = name
            for place in self.screen_stack:
                if isinstance(place, Place):
                    place.recolour()

    # -- beginning and end -------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        for theme in themes.THEMES:
            self.register_theme(theme)
        self.theme = self.settings.theme if self.settings.theme in self.available_themes else themes.DARK.name
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._loop_fault)
        if self.keeper is None:
            from ghostie.tui.screens.beginning import BeginningPlace

            self.begin()
            self.push_screen(BeginningPlace())
        else:
            from ghostie.tui.screens.memories import MemoriesPlace

            self.push_screen(MemoriesPlace())
            self._listen(self.keeper)
            self._finish_beginning()
        self.set_interval(WATCH, self._look_at_the_clock)

    def _loop_fault(self, loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, Exception):
            self._handle_exception(error)

    def _fatal_error(self) -> None:
        """End without a traceback: Textual's would print every local variable, passphrases and memories among them."""
        self.fault = self._exception
        self._close_messages_no_wait()

    def panic(self, *renderables: Any) -> None:
        self._close_messages_no_wait()

    @property
    def _background_screens(self) -> list[Screen[Any]]:
        """Return none: a place hides what is under it, which is laid out when it is on top again."""
        return []

    @property
    def place(self) -> Place:
        place = self.screen
        assert isinstance(place, Place)
        return place

    async def on_event(self, event: events.Event) -> None:
        # a key is carried out before the next is looked at: what is typed ahead must not go to a field not yet there
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded and self.screen_stack:
            place = self.screen
            if isinstance(place, Place) and place.take_typed(event):
                return
        await super().on_event(event)

    def do_quit(self) -> None:
        self.exit()

    def back(self) -> None:
        """Leave the place on top; the last one for good."""
        if len(self.screen_stack) > 2:
            self.pop_screen()
        else:
            self.exit()

    async def _shutdown(self) -> None:
        self.ending = True
        await super()._shutdown()

    def do_leave(self) -> None:
        if len(self.screen_stack) > 2:
            self.place.do_back()
        else:
            self.exit()

    def close(self) -> None:
        """End every keeper, once the screens are gone; what one is writing is finished first."""
        keepers = [*self._ended, *self._long, *([self.keeper] if self.keeper is not None else [])]
        for keeper in keepers:
            keeper.end()
        for keeper in keepers:
            keeper.wait(LAST_WAIT)

    def _let_go(self, keeper: Keeper) -> None:
        """End *keeper*; `close` waits for it."""
        keeper.end()
        self._ended = [each for each in self._ended if not each.gone]
        self._ended.append(keeper)

    # -- the keeper --------------------------------------------------------------------------------------------------

    def _listen(self, keeper: Keeper) -> None:
        task = asyncio.get_running_loop().create_task(self._hear(keeper))
        self._listening.add(task)
        task.add_done_callback(self._heard)

    def _heard(self, task: asyncio.Task[None]) -> None:
        self._listening.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._handle_exception(error)

    async def _hear(self, keeper: Keeper) -> None:
        with self._context():
            await keeper.listen(lambda said: self._event(keeper, said))
            if keeper is self.keeper and not self.locked and self.is_running:
                self.lock(str(KeeperGone()))

    def _event(self, keeper: Keeper, said: Mapping[str, Any]) -> None:
        if said["event"] == "unfinished":
            self.place.failed(told(said["error"]))
        elif keeper is not self.keeper:
            return
        elif said["event"] == "locked":
            error = told(said["error"])
            self.lock("" if isinstance(error, NoPassphrase) else spoken(error))
        elif said["event"] == "changed":
            self.changed()

    def changed(self) -> None:
        """Let every place know that the vault is another than it was."""
        for place in self.screen_stack:
            if isinstance(place, Place) and place.alive:
                place.changed()

    def ask(
        self, task: str, given: Mapping[str, Any], then: Then, failed: Failed, progress: Then | None = None
    ) -> Asked:
        """Ask the keeper; places use their own `ask`."""
        assert self.keeper is not None
        return self.keeper.ask(task, given, then, failed, progress)

    def ask_long(
        self,
        place: Place,
        task: str,
        given: Mapping[str, Any],
        then: Then,
        failed: Failed,
        progress: Then | None,
        *,
        keys: bool = True,
    ) -> Long:
        """Ask a keeper that is started for this task alone, and ended with it; see `Place.ask_long`."""
        long = Long()

        def answered(result: Any, deliver: Then) -> None:
            if place.alive:
                deliver(result)
                place.release()

        def start(held: Any) -> None:
            keeper = Keeper(self.opening, held, ask=held is None)
            self._long.add(keeper)

            def over(result: Any, deliver: Then) -> None:
                self._long.discard(keeper)
                self._let_go(keeper)
                # a keeper that is stopped while it starts just ends
                result = Cancelled() if long.cancelled and isinstance(result, KeeperGone) else result
                answered(result, deliver)

            def say(value: Any) -> None:
                if progress is not None and place.alive:
                    progress(value)

            long.asked = keeper.ask(
                task, given, lambda answer: over(answer, then), lambda error: over(error, failed), say
            )
            self._listen(keeper)
            if long.cancelled:
                long.asked.cancel()

        if keys:
            self.ask("beginning.keys", {}, start, lambda error: answered(error, failed))
        else:
            start(None)
        return long

    def stand(self, standing: Mapping[str, int | None]) -> None:
        """Take in counts for the header."""
        self.standing = {**self.standing, **standing}
        self.place.repaint()

    # -- locking -----------------------------------------------------------------------------------------------------

    def touched(self) -> None:
        """Note that the person is there."""
        self._touched = _now()

    def _look_at_the_clock(self) -> None:
        minutes = self.settings.lock_after
        if minutes and not self.locked and self.keeper is not None and _now() - self._touched > minutes * 60:
            self.lock(f"locked after {minutes} min without a key")

    def do_lock(self) -> None:
        self.lock("locked")

    def lock(self, why: str = "") -> None:
        """Let go of the keys and of all text, and ask for the passphrase."""
        from ghostie.tui.screens.unlock import UnlockPlace

        if self.locked or self.keeper is None:
            return
        for place in self.screen_stack:
            if isinstance(place, Place):
                place.locking()
        self.locked = True
        # a keeper that only the person can open: the agent that once opened the vault does not open this screen
        before, self.keeper = self.keeper, Keeper(self.opening, ask=True)
        for keeper in (before, *self._long):
            self._let_go(keeper)
        self._long.clear()
        self.standing = {}
        self._listen(self.keeper)
        while len(self.screen_stack) > 1:
            self.pop_screen()
        self.push_screen(UnlockPlace(why))
        self.clear_notifications()
        gc.collect()

    def unlocked(self) -> None:
        """Go on after the passphrase was right."""
        self.begun()
        self._finish_beginning()

    # -- the first run -----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start a keeper for a vault that is still to be made: as long as there is none, it counts as locked."""
        self.locked = True
        self.keeper = Keeper(self.opening, ask=True)
        self._listen(self.keeper)

    def begun(self) -> None:
        """Show the vault, which is open now, instead of the place that opened or made it."""
        from ghostie.tui.screens.memories import MemoriesPlace

        self.locked = False
        self.touched()
        self.pop_screen()
        self.push_screen(MemoriesPlace())

    def _finish_beginning(self) -> None:
        """Go on with the first run, where it was left in the middle."""

        def left(steps: list[str]) -> None:
            from ghostie.tui.screens.beginning import BeginningPlace

            if steps and not self.locked:
                self.push_screen(BeginningPlace(left=tuple(steps)))

        self.ask("beginning.left", {}, left, lambda error: None)

    # -- everywhere --------------------------------------------------------------------------------------------------

    def do_help(self) -> None:
        from ghostie.tui.screens.help import HelpPlace

        self.push_screen(HelpPlace(self.place))

    def do_palette(self) -> None:
        from ghostie.tui.screens.finding import PalettePlace

        self.push_screen(PalettePlace(self.place))

    def do_refresh(self) -> None:
        self.changed()

    def do_sync(self) -> None:
        from ghostie.tui.screens.sync import SyncPlace

        self._go(SyncPlace)

    def do_stats(self) -> None:
        from ghostie.tui.screens.stats import StatsPlace

        self._go(StatsPlace)

    def _go(self, kind: type[Place]) -> None:
        """Show the place of *kind*: the one that is open already, or a new one."""
        if not any(isinstance(place, kind) for place in self.screen_stack):
            self.push_screen(kind())
            return
        while not isinstance(self.screen, kind):
            self.pop_screen()

    def do_undo(self) -> None:
        self.undo(redo=False)

    def do_redo(self) -> None:
        self.undo(redo=True)

    def undo(self, *, redo: bool, what: str = "", agreed: str = "") -> None:
        """Take the last change back, or do it again, after a question where it touches many memories; *what* names it.

        *agreed* is the operation to which the answer was yes.
        """
        place, how = self.place, "did again" if redo else "took back"

        def answered(answer: Mapping[str, Any]) -> None:
            if "asks" not in answer:
                rows = answer["rows"]
                stays = text.staying(sum(row["local"] and not row["deleted"] for row in rows), len(rows))
                place.undone(answer, f"{how}: {what or answer['what']}{stays}")
                return
            from ghostie.tui.screens.prompts import confirm

            verb, count = "Do again" if redo else "Take back", text.plural(answer["count"], "memory")
            confirm(
                place,
                f"{verb}: {answer['what']} of {count}?",
                f"{'u takes it back' if redo else 'U does it again'}, as long as nothing else changes them.",
                lambda: self.undo(redo=redo, what=what, agreed=answer["asks"]),
            )

        def heard(said: Mapping[str, int]) -> None:
            place.tell(f"{how} {said['done']:,} of {said['total']:,} …")

        place.ask("memories.undo", answered, progress=heard, redo=redo, agreed=agreed)
