"""The base of every screen: header, action bar, keys from the registry, and work that leaves the interface's thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.containers import Horizontal
from textual.geometry import Size
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input

from ghostie import text
from ghostie.errors import GhostieError
from ghostie.tui.actions import ALWAYS, AT_ONCE, EVERYWHERE, LIST, MARKING, PAGE, Action
from ghostie.tui.bars import BACK, Bar, Head, Painted, Tell
from ghostie.tui.keeper import Asked, Failed, Then
from ghostie.tui.pages import Page
from ghostie.tui.rows import Row, Rows

if TYPE_CHECKING:
    from ghostie.tui.app import GhostieApp

NARROW = 60
WIDE = 100
LOW = 20
SOON = 0.12


_Wanted = tuple[str, Then, Failed | None, dict[str, Any]]


class Place(Screen[Any]):
    """A screen. A subclass has a NAME, a `body`, and a `do_<name>` for each action of its place in the registry."""

    NAME: ClassVar[str] = "place"
    TITLE_WORDS: ClassVar[str] = ""
    LOCKED: ClassVar[bool] = False  # whether it works while the vault is locked
    MARKS: ClassVar[bool] = False  # whether the rows of its list can be marked for an action on several
    AUTO_FOCUS = ""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (NARROW, "-mid"), (WIDE, "-wide")]  # noqa: RUF012
    # low or not is no class: each time a phone's keyboard comes or goes, everything would be styled once more
    VERTICAL_BREAKPOINTS = []  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self._asked: list[Asked] = []
        self._latest: dict[str, _Wanted | None] = {}  # by kind, what is asked when the answer under way has come
        self._gone = False
        self._ready = False
        self._held: list[events.Key | events.Paste] = []
        self._then: Then | None = None  # gets what it is dismissed with
        self._soon: Timer | None = None
        self._filling: Widget | None = None  # a field that has not yet taken in all that was typed

    # -- for subclasses ----------------------------------------------------------------------------------------------

    def body(self) -> Iterable[Widget]:
        """Return what stands between header and action bar."""
        return ()

    def opened(self) -> None:
        """Called when it was first painted: ask for what it shows."""
        self.changed()

    def resumed(self) -> None:
        """Called when it is on top again."""

    def changed(self) -> None:
        """Called when the vault was changed by another process, or by a place that was on top: ask again."""

    def locking(self) -> None:
        """Called before the vault is locked: ask for what must not be lost to be saved. Nothing is shown any more."""

    def resized(self) -> None:
        """Called when its size has changed; see `narrow`, `wide` and `low`."""

    def heading(self) -> str:
        return self.TITLE_WORDS or self.NAME

    def shared(self) -> tuple[str, ...]:
        """Return whose shared actions work now: LIST's or PAGE's."""
        return ()

    def pane(self, where: str) -> Rows | Page | None:
        """Return the widget that carries out the shared actions *where*."""
        if where == LIST:
            return next(iter(self.query(Rows)), None)
        return next(iter(self.query(Page)), None)

    def can(self, action: Action) -> bool:
        """Tell whether *action* applies now."""
        return True

    def waits(self, action: Action | None) -> bool:
        """Tell whether the key for *action*, or for a text field, waits: what it is meant for was asked and is to come.

        It is taken when an answer has come, before any key that was typed after it.
        """
        return False

    # -- what there is -----------------------------------------------------------------------------------------------

    @property
    def ghostie(self) -> GhostieApp:
        return cast("GhostieApp", self.app)

    @property
    def rows(self) -> Rows:
        """The list, or the first of them."""
        return self.query_one(Rows)

    @property
    def page(self) -> Page:
        """The page of text, or the first of them."""
        return self.query_one(Page)

    @property
    def field(self) -> Input:
        """The line to type in, or the first of them."""
        return self.query_one(Input)

    @property
    def alive(self) -> bool:
        """Whether its widgets are there: what comes later than that comes to nobody."""
        return self._ready and self._placed

    @property
    def _placed(self) -> bool:
        # a place that was left loses its widgets before it is told so
        ghostie = self.ghostie
        return not (self._gone or ghostie.ending or ghostie._exit) and self in ghostie.screen_stack

    def key_of(self, action_id: str) -> str:
        """Return the key for an action, as people are told it."""
        keymap = self.ghostie.settings.keymap
        return keymap.shown(keymap.get(action_id))

    @property
    def narrow(self) -> bool:
        return 0 <= self.size.width < NARROW

    @property
    def wide(self) -> bool:
        return self.size.width >= WIDE

    @property
    def low(self) -> bool:
        return self.size.height < LOW

    def compose(self) -> ComposeResult:
        yield Head()
        with Horizontal(id="body"):
            yield from self.body()
        yield Tell()
        yield Bar()

    def on_mount(self) -> None:
        self.call_after_refresh(self._first)

    def _first(self) -> None:
        if not self._placed:
            return
        self._ready = True
        self.resized()
        self.opened()
        self.repaint()
        self.release()

    def release(self) -> None:
        """Take what was held, in order, wherever one is by now."""
        held, self._held = self._held, []
        for event in held if self.app.is_running else ():
            top = self.app.screen
            if not (isinstance(top, Place) and top.take_typed(event, late=True)) and top.focused is not None:
                top.focused.post_message(event)

    def drop_keys(self) -> None:
        """Forget what was held: what it was meant for will not come."""
        self._held.clear()

    def on_unmount(self) -> None:
        self._gone = True
        for asked in self._asked:
            asked.drop()
        self._asked.clear()
        self._latest.clear()

    def on_screen_resume(self) -> None:
        if self.alive:
            self.resumed()

    def on_resize(self) -> None:
        self.call_after_refresh(self._resized)

    def _screen_resized(self, size: Size) -> None:
        # Textual tells a screen of each resize twice, and would lay it out as often
        if size != self._size:
            super()._screen_resized(size)

    def _resized(self) -> None:
        if self.alive:
            self.resized()

    # -- actions -----------------------------------------------------------------------------------------------------

    def scopes(self) -> tuple[str, ...]:
        return (self.NAME, *self.shared(), EVERYWHERE)

    def actions(self) -> list[Action]:
        """Return what can be done here and now, this place's own first."""
        return [action for action in self.ghostie.settings.keymap.of(self.scopes()) if self.applies(action)]

    def likely(self) -> list[Action]:
        """Return the actions of footer and action bar, the likeliest first; in a field, those that it leaves a key."""
        if not self.typing:
            return sorted((each for each in self.actions() if each.weight), key=lambda each: -each.weight)
        keymap, back = self.ghostie.settings.keymap, self.ghostie.settings.keymap.get(BACK)
        found = [each for each in self.actions() if each.typing and keymap.shown(each, typing=True)]
        return sorted(
            (each for each in found if each.weight or each is back),
            key=lambda each: (each.where == EVERYWHERE and each is not back, each is not back, -each.weight),
        )

    def applies(self, action: Action) -> bool:
        if self._doer(action) is None:
            return False
        if action.where == EVERYWHERE:
            return (not self.LOCKED or action.id in ALWAYS) and self.can(action)
        if action.where == LIST and action.name in MARKING and not self.MARKS:
            return False
        return self.can(action)

    @property
    def asking(self) -> bool:
        """Whether an answer is still to come."""
        return any(not asked.over for asked in self._asked)

    @property
    def typing(self) -> bool:
        """Whether a text field has the keys."""
        return self.focused is not None

    def take_typed(self, event: events.Key | events.Paste, *, late: bool = False) -> bool:
        """Carry out what was typed; return False for what a text field or Textual itself is to have.

        It is taken in order. What was typed before the place was painted waits until it is; what an action does with a
        text field, until the field has taken in what was typed into it; what `waits`, for its answer. *late*: it was
        held, and what the answer said stays to be read.
        """
        self.ghostie.touched()
        if not self._ready or (self._filling is not None and self._filling is self.focused):
            self._held.append(event)
            return True
        action = self._meant(event) if isinstance(event, events.Key) else None
        of_field = action is not None and self.focused is not None  # it waits for the field first
        if action is not None and action.id in AT_ONCE:
            self._held.clear()
        elif self._held or (not of_field and self.waits(action)):
            self._held.append(event)
            return True
        if not late:
            self.tell("")
        if action is None:
            return False
        if of_field and self.focused is not None:
            self._filling = self.focused
            self._filling.call_later(self._filled, event, action)
        else:
            self.obey(action)
        return True

    def _meant(self, event: events.Key) -> Action | None:
        """Return what a key means here; None where it is a text field's, or nobody's."""
        for name in (event.key, *([event.character] if event.character and len(event.character) == 1 else [])):
            action = self.ghostie.settings.keymap.find(name, self.scopes())
            if action is not None:
                return None if self.typing and (event.is_printable or not action.typing) else action
        return None

    def _filled(self, event: events.Key, action: Action) -> None:
        self._filling = None
        if self.alive and self is self.app.screen:
            if self.waits(action):
                self._held.insert(0, event)
                return
            self.obey(action)
        self.release()

    def obey(self, action: Action) -> None:
        """Carry out what a key means, where it applies."""
        if self.applies(action):
            self.run_action_of(action)

    def on_click(self) -> None:
        self.ghostie.touched()

    def run_action_of(self, action: Action) -> None:
        """Carry *action* out: here, by the pane that it is for, or by the application."""
        doer = self._doer(action)
        if doer is not None:
            doer()
            if action.where in (LIST, PAGE):
                self.repaint_soon()
            else:
                self.repaint()

    def _doer(self, action: Action) -> Callable[[], None] | None:
        """Return what carries *action* out: this place's method, its pane's, or the application's."""
        name = f"do_{action.name}"
        places: list[object] = [self]
        if action.where in (LIST, PAGE):
            places.append(self.pane(action.where))
        elif action.where == EVERYWHERE:
            places.append(self.ghostie)
        return next((getattr(each, name) for each in places if hasattr(each, name)), None)

    def do_back(self) -> None:
        """Leave this place; the first one is left for good."""
        self.ghostie.back()

    def open(self, place: Place, then: Then | None = None) -> None:
        """Show *place* over this one; *then* gets what it is dismissed with, before any key typed after that."""
        place._then = then
        self.app.push_screen(place)

    def dismiss(self, result: Any = None) -> AwaitComplete:
        """Leave this place with *result*; what was opened over it goes with it."""
        if not self._placed:
            return AwaitComplete()
        while self.app.screen is not self:
            self.app.pop_screen()
        then, self._then = self._then, None
        left = super().dismiss(result)
        if then is not None:
            then(result)
        return left

    # -- words -------------------------------------------------------------------------------------------------------

    def tell(self, said: str, *, bad: bool = False) -> None:
        """Say something in the line above the action bar, until the next key."""
        line = next(iter(self.query(Tell)), None)
        if line is not None and (said or line.said):
            line.tell(said, bad=bad)

    def failed(self, error: GhostieError) -> None:
        """Say what went wrong, and what can be done."""
        self.tell(spoken(error), bad=True)

    def done(self, said: str) -> None:
        """Let every place know that the vault is another now, and say what was done."""
        self.ghostie.changed()
        self.tell(said)

    def undone(self, answer: Mapping[str, Any], how: str) -> None:
        """Show what was taken back or done again, and say *how*."""
        self.ghostie.changed()
        self.ghostie.place.tell(f"{how} of {text.plural(len(answer['rows']), 'memory')}")

    def repaint(self) -> None:
        """Paint header and action bar again: counts or what can be done may have changed."""
        if self._soon is not None:
            self._soon.stop()
            self._soon = None
        if self.alive:
            for bar in self.query(Painted):
                bar.again()

    def repaint_soon(self) -> None:
        """Paint them when the keys have stopped for a moment: they may wait, the list may not."""
        if self._soon is not None:
            self._soon.reset()
        else:
            self._soon = self.set_timer(SOON, self.repaint)

    def recolour(self) -> None:
        """Paint everything again: the colours are others."""
        for rows in self.query(Rows):
            rows.set_lines(rows.lines)
        for page in self.query(Page):
            page.again()
        self.resized()
        self.refresh(layout=True)

    # -- work --------------------------------------------------------------------------------------------------------

    def ask(
        self,
        task: str,
        then: Then | None = None,
        *,
        failed: Failed | None = None,
        progress: Then | None = None,
        latest: str = "",
        **given: Any,
    ) -> None:
        """Ask the keeper for *task*. *then* gets its answer, or *failed* a GhostieError, on the interface's thread.

        *latest* names a kind of asking of which only the newest counts.
        """
        wanted = (task, then or _ignore, failed, given)
        if latest in self._latest:
            self._latest[latest] = wanted
        else:
            self._start(wanted, progress, latest)

    def _start(self, wanted: _Wanted, progress: Then | None, latest: str) -> None:
        task, then, failed, given = wanted
        if latest:
            self._latest[latest] = None

        def over(result: Any, deliver: Then) -> None:
            self._asked = [asked for asked in self._asked if not asked.over]
            newer = self._latest.pop(latest, None)
            if newer is not None:
                self._start(newer, None, latest)
            elif self.alive:
                deliver(result)
                self.release()

        asked = self.ghostie.ask(
            task, given, lambda answer: over(answer, then), lambda error: over(error, failed or self.failed), progress
        )
        self._asked.append(asked)

    def fetch(self, task: str, wanted: Rows.Wanted, **given: Any) -> None:
        """Ask for the rows that a list wants."""

        def came(rows: list[Row]) -> None:
            self.rows.fill(rows)
            self.rows.settle(wanted.names)

        def failed(error: GhostieError) -> None:
            self.rows.settle(wanted.names)
            self.failed(error)

        self.ask(task, came, failed=failed, ids=wanted.names, **given)

    def ask_long(
        self,
        task: str,
        then: Then,
        *,
        failed: Failed | None = None,
        progress: Then | None = None,
        keys: bool = True,
        **given: Any,
    ) -> Long:
        """Ask a keeper of its own for *task*, so that it holds up nothing; the result can cancel it. Without *keys*,
        the vault is not open there."""
        return self.ghostie.ask_long(self, task, given, then, failed or self.failed, progress, keys=keys)


class Long:
    """A long task under way in a keeper of its own."""

    def __init__(self) -> None:
        self.asked: Asked | None = None
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True
        if self.asked is not None:
            self.asked.cancel()


def spoken(error: GhostieError) -> str:
    """Return in a line what went wrong, and what can be done."""
    way_out = error.way_out()
    return f"{error}" + (f" · {way_out}" if way_out else "")


def _ignore(_: Any) -> None:
    pass
