"""One question a page: a choice, a line, something secret, or something to read. What follows is the subclass's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from textual import events
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Input

from ghostie import text
from ghostie.errors import GhostieError
from ghostie.tui import words
from ghostie.tui.actions import LIST, PAGE, Action
from ghostie.tui.fields import Line
from ghostie.tui.keeper import Cancelled, Failed, KeeperGone, Then
from ghostie.tui.pages import Page
from ghostie.tui.place import Long, Place
from ghostie.tui.rows import Row, Rows
from ghostie.tui.sheets import Sheet
from ghostie.tui.words import Piece

Kind = Literal["choice", "line", "secret", "twice", "code", "words", "read"]
LEAST: Final = 8
ADVICE: Final = "at least 8 characters; four or five words drawn at random are easy to keep and hard to guess"
STYLES: Final[Mapping[str, str | None]] = {"strong": "good", "fair": None}  # any other strength is a warning
HIDDEN: Final = ("secret", "twice", "words")


@dataclass(frozen=True)
class Choice:
    """One answer to choose: its value, its words, and what it means."""

    value: str
    words: str
    more: str = ""


@dataclass(frozen=True)
class Question:
    """One page. Where *needed* is false, nothing is an answer, too; what is *shown* comes last."""

    name: str
    asked: str
    says: str = ""
    kind: Kind = "line"
    default: str = ""
    choices: tuple[Choice, ...] = ()
    needed: bool = True
    shown: Callable[[Sheet], None] | None = None


class CodeLine(Line):
    """A line that takes a code of several lines when it is pasted."""

    BETWEEN = ""

    def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self.insert_text_at_cursor(self.BETWEEN.join(event.text.split()))


class WordsLine(CodeLine):
    """A line that takes words that stand on several lines when they are pasted."""

    BETWEEN = " "


class AskingPlace(Place):
    """A row of questions. A subclass puts the first one in `opened`, and the next in `take`."""

    NAME = "asking"

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, str] = {}
        self._typed: dict[str, str] = {}  # what was answered in the open: it stands there again
        self.question: Question | None = None
        self._trail: list[Question] = []
        self._busy = ""
        self._heard: Mapping[str, Any] = {}  # how far what is under way has come
        self._long: Long | None = None
        self._judgement: Mapping[str, Any] = {}  # of what is typed in secret

    # -- for subclasses ----------------------------------------------------------------------------------------------

    def take(self, name: str, value: str) -> None:
        """Go on after the question *name* was answered."""
        raise NotImplementedError

    def leave(self) -> None:
        """Called for going back before the first question."""
        self.ghostie.back()

    def refused(self, error: GhostieError) -> None:
        """Called when work failed: the question that it followed stays."""
        self.failed(error)

    def asked(self) -> None:
        """Called when a question is on the screen."""

    def put(self, question: Question, *, fresh: bool = False) -> None:
        """Ask *question* now; *fresh*: there is no way back to the one before. Asked again, the way back is that of the
        first time."""
        if fresh:
            self._trail.clear()
        elif self.question is not None:
            self._trail.append(self.question)
        names = [each.name for each in self._trail]
        if question.name in names:
            del self._trail[names.index(question.name) :]
        self._ask(question)

    def work(
        self,
        said: str,
        task: str,
        then: Then,
        *,
        failed: Failed | None = None,
        long: bool = False,
        keys: bool = True,
        **given: Any,
    ) -> None:
        """Ask the keeper for *task*, and say meanwhile that something is being done, and how far it is. *failed* takes
        the place of `refused`; *long* and *keys* are as for `ask_long`."""
        self._busy, self._heard = said, {}
        self._show()
        self.repaint()

        def done(answer: Any) -> None:
            self._rest()
            then(answer)

        def not_done(error: GhostieError) -> None:
            self._rest()
            if isinstance(error, KeeperGone) and self.ghostie.locked:
                self.ghostie.begin()
            if isinstance(error, Cancelled) and self.question is not None:
                self._ask(self.question)
                self.tell("stopped; nothing was changed")
            else:
                (failed or self.refused)(error)

        def heard(news: Mapping[str, Any]) -> None:
            self._heard = news
            if self._busy:
                self._show()

        if long:
            self._long = self.ask_long(task, done, failed=not_done, progress=heard, keys=keys, **given)
        else:
            self.ask(task, done, failed=not_done, progress=heard, **given)

    def _rest(self) -> None:
        self._busy, self._heard, self._long = "", {}, None
        self._show()
        self.repaint()

    # -- what is shown -----------------------------------------------------------------------------------------------

    def body(self) -> Iterable[Widget]:
        with Vertical(id="asking"):
            yield Page(id="says")
            for answer in (
                Line(id="first"),
                CodeLine(id="code"),
                WordsLine(id="words"),
                Line(id="second", label="the same once more"),
                Page(id="note"),
                Rows(self._paint, id="choices"),
            ):
                answer.display = False
                yield answer

    @property
    def _field(self) -> Input:
        kind = self.question.kind if self.question is not None else ""
        return self.query_one(f"#{kind}" if kind in ("code", "words") else "#first", Input)

    @property
    def _second(self) -> Input:
        return self.query_one("#second", Input)

    @property
    def _kind(self) -> str:
        return self.question.kind if self.question is not None and not self._busy else "read"

    def shared(self) -> tuple[str, ...]:
        return {"choice": (LIST,), "read": (PAGE,)}.get(self._kind, ())

    def _ask(self, question: Question) -> None:
        self.question = question
        self._judgement = {}
        for field in self.query(Input):
            field.value = ""
            field.password = question.kind in HIDDEN
        kept = self._typed.get(question.name, question.default)
        if question.kind in ("line", "code"):
            self._field.value = kept
            self._field.cursor_position = len(kept)
        values = [each.value for each in question.choices]
        self.rows.fill([{"id": each.value, "choice": each} for each in question.choices])
        self.rows.show(values, top=True)
        if kept in values:
            self.rows.go(values.index(kept))
        self._show()
        self.repaint()
        self.asked()

    def resized(self) -> None:
        self._show()

    def _show(self) -> None:
        """Lay out what there is to read and what there is to answer with."""
        page, question, kind = self.page, self.question, self._kind
        sheet = Sheet(min(self.size.width, 78), self.ghostie.painted)
        if self._busy:
            self._say_busy(sheet)
        elif question is not None:
            sheet.say(question.asked, "strong")
            if question.says:
                if not self.low:
                    sheet.gap()
                sheet.say(question.says)
            if question.shown is not None:
                question.shown(sheet)
            if not self.low:
                sheet.gap()
        shown = {
            "#first": kind in ("line", "secret", "twice"),
            "#code": kind == "code",
            "#words": kind == "words",
            "#second": kind == "twice",
            "#note": kind in ("twice", "words") and not self.low,
            "#choices": kind == "choice",
        }
        for name, wanted in shown.items():
            self.query_one(name).display = wanted
        room = max(self.size.height - (2 if self.low or not self.narrow else 3), 1)
        taken = {"choice": 3, "twice": 2, "read": 0}.get(kind, 1)
        page.styles.height = max(1, min(len(sheet.lines), room - taken)) if kind != "read" else "1fr"
        self.query_one("#note").styles.height = 3
        more = [list(words.lines(each.more, self.size.width - 4)) for each in question.choices] if question else []
        self.rows.set_lines(1 if self.low else 1 + max(map(len, more), default=1))
        page.show(sheet.lines, "", top=kind != "read")
        if kind in ("choice", "read"):
            self.set_focus(None)
        elif self.focused is None or not self.focused.display:
            self.set_focus(self._field)
        self._judge()

    def _say_busy(self, sheet: Sheet) -> None:
        heard = self._heard
        if "code" in heard:
            sheet.say(f"Type this code: {text.one_line(heard['code'])}", "strong")
            sheet.say(f"at {text.one_line(heard['address'])}", "strong")
            sheet.say(
                f"On any device, within {heard['seconds'] // 60:.0f} minutes. This page goes on by itself.", "dim"
            )
            sheet.say("esc stops it", "dim")
            return
        sheet.say(self._busy, sign="…")
        if "pause" in heard:
            tries = text.plural(heard["left"], "try")
            sheet.say(f"{text.one_line(heard['pause'])}: again in {heard['seconds']:.0f} s, {tries} left", "warn")
        sheet.say("esc stops it", "dim")

    def _paint(self, row: Row, width: int, lines: int) -> list[list[Piece]]:
        choice: Choice = row["choice"]
        if lines == 1:
            return [[(words.line(f"{choice.words}  {choice.more}", width), None)]]
        styled = self.ghostie.painted
        painted: list[list[Piece]] = [[(words.line(choice.words, width), styled["strong"])]]
        for line in words.lines(choice.more, width):
            painted.append([(line, styled["dim"])])
        return painted

    # -- what is typed -----------------------------------------------------------------------------------------------

    def on_input_changed(self, message: Input.Changed) -> None:
        message.stop()
        if message.input is self._second:
            self._note()
        else:
            self._judge()

    def _judge(self) -> None:
        """Let the keeper look at what is typed in secret: how strong it is, or how many words there are."""
        value = self._field.value
        if self._kind == "twice" and value:
            self.ask("beginning.strength", self._judged, latest="judge", passphrase=value)
        elif self._kind == "words" and value:
            self.ask("beginning.count_words", self._judged, latest="judge", words=value)
        else:
            self._judgement = {}
            self._note()

    def _judged(self, found: Mapping[str, Any]) -> None:
        self._judgement = found
        self._note()

    def _note(self) -> None:
        if self._kind not in ("twice", "words"):
            return
        found = self._judgement
        sheet = Sheet(min(self.size.width, 78), self.ghostie.painted)
        if self._kind == "words":
            sheet.say(f"{found.get('count', 0)} of 24 words", None if found.get("count") == 24 else "dim")
            if unknown := found.get("unknown"):
                sheet.say(f"not on the list: word {', '.join(map(str, unknown[:6]))}", "warn")
        elif "level" in found:
            sheet.say(found["sentence"], STYLES.get(found["level"], "warn"))
        else:
            sheet.say(ADVICE, "dim")
        if self._kind == "twice" and self._second.value:
            same = self._second.value == self._field.value
            sheet.say("the two are the same" if same else "the two are not the same yet", None if same else "warn")
        self.query_one("#note", Page).show(sheet.lines, "")

    def on_rows_opened(self, message: Rows.Opened) -> None:
        self.do_next()

    # -- actions -----------------------------------------------------------------------------------------------------

    def can(self, action: Action) -> bool:
        if action.name == "show":
            return self._kind in HIDDEN
        if action.name == "field":
            return self._kind == "twice"
        if action.name == "previous":
            return bool(self._trail) and not self._busy
        if action.name == "next":
            return self.question is not None and not self._busy
        return action.id != "page.back" and action.name not in ("sync", "stats", "undo", "redo", "later")

    def waits(self, action: Action | None) -> bool:
        """What is typed ahead is meant for the question that comes next; not while that hangs on another device."""
        return "code" not in self._heard and (bool(self._busy) or self.asking)

    def do_show(self) -> None:
        for field in (self._field, self._second):
            field.password = not field.password

    def do_field(self) -> None:
        self.set_focus(self._second if self.focused is self._field else self._field)

    def do_next(self) -> None:
        question = self.question
        if question is None or self._busy:
            return
        value = self._answer(question)
        if value is None:
            return
        if question.kind != "read":
            self.answers[question.name] = value
        if question.kind in ("choice", "line", "code"):
            self._typed[question.name] = value
        for field in self.query(Input):
            field.value = ""
        self.take(question.name, value)

    def _answer(self, question: Question) -> str | None:
        """Return what was answered, or None after saying what is missing."""
        if question.kind == "choice":
            return self.rows.current
        if question.kind == "read":
            return ""
        value = self._field.value if question.kind in HIDDEN else self._field.value.strip()
        if not value and question.needed:
            self.tell("nothing was typed")
            return None
        if question.kind == "twice":
            if len(value) < LEAST:
                self.tell(f"a passphrase has {LEAST} characters at the least", bad=True)
                return None
            if self._judgement.get("level") == "refused":
                self.tell(self._judgement["sentence"], bad=True)
                return None
            if self.focused is self._field and not self._second.value:
                self.set_focus(self._second)
                return None
            if self._second.value != value:
                self.tell("the two are not the same", bad=True)
                return None
        return value

    def do_previous(self) -> None:
        if self._trail:
            self._ask(self._trail.pop())

    def do_back(self) -> None:
        if self._busy:
            self.tell("stopping …")
            if self._long is not None:
                self._long.cancel()
            elif self.ghostie.keeper is not None:
                self.ghostie.keeper.interrupt()
        elif self._trail:
            self.do_previous()
        else:
            self.leave()

    def on_unmount(self) -> None:
        self.answers.clear()
        self._typed.clear()
        self.question = None
        self._trail.clear()
