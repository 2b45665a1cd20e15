"""The first run: a vault is made, or one is joined. One question a page, each with a sound default.

What was done stays done: who leaves in the middle is asked the rest the next time, from the page on where that was.
What was typed in secret is not kept for that.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partialmethod
from typing import Any, Final

from ghostie import text
from ghostie.errors import ForeignVault, GhostieError, InvitationPassphrase, StoreError, WrongKey
from ghostie.tui.actions import Action
from ghostie.tui.screens.asking import Choice, Question
from ghostie.tui.screens.stores import FURTHER, STORE
from ghostie.tui.screens.storing import StoringPlace
from ghostie.tui.sheets import Sheet

HOW: Final = Question(
    "how",
    "A vault for what you and your agents remember",
    "It is encrypted on this device, and opens with your passphrase only. There is none here yet.",
    "choice",
    choices=(
        Choice("make", "Make a new vault", "start here, on your first device"),
        Choice("code", "Join by a code", "from `ghostie sync invite` on another one"),
        Choice("store", "Join on a store", "you know where it is, and its credentials"),
    ),
)
CODE: Final = Question(
    "code",
    "The code that the other device shows",
    "Paste or type it: case, spaces and line breaks do not matter. `ghostie sync invite` makes one there, or `i` on its"
    " screen Sync.",
    "code",
)
JOINED: Final = Question(
    "joined",
    "The passphrase of that vault",
    "The code alone opens nothing: the passphrase of the vault that you join is needed as well.",
    "secret",
)
NEW_PASSPHRASE: Final = Question(
    "passphrase",
    "The passphrase",
    "It opens the vault, on every device. Nobody can reset it; 24 words, which come next, are the only other way in.",
    "twice",
)
EXAMPLES: Final = Question(
    "examples",
    "A few memories to play with?",
    "Ten examples can go to the inbox. One undo takes them all back.",
    "choice",
    choices=(
        Choice("no", "Start empty", "n writes the first memory"),
        Choice("yes", "With examples", "to try search and inbox on"),
    ),
)
# what may be other on this device than on the one that made the code
HERE: Final[Mapping[str, Question]] = {
    each.name: each
    for each in (
        Question(
            "path",
            "Where is the folder on this device?",
            "The store is a folder, and may lie elsewhere here. Leave it empty to try again as it was.",
            needed=False,
        ),
        *(each for each in FURTHER["s3"] if each.name in ("proxy", "authorities")),
    )
}
OWN_TOO: Final = Question(
    "own",
    "The passphrase of the vault that is here",
    "Its memories come along into the vault that you join. Leave it empty if it is the same.",
    "secret",
    needed=False,
)
LONGEST: Final = 4096  # of an answer that was kept


def _enter(sheet: Sheet) -> None:
    sheet.gap()
    sheet.say("enter goes on", "dim")


class BeginningPlace(StoringPlace):
    """The first run; with *left*, the rest of it; with *how* "code" or "store", only that, on a vault that is here."""

    LOCKED = True

    def __init__(self, *, left: Sequence[str] = (), how: str = "") -> None:
        super().__init__()
        self._left = list(left)
        self._only = how
        self._device = ""
        self._words: list[str] = []
        self._prove: list[int] = []
        self._draft: Mapping[str, Any] | None = None
        self.made = bool(left or how)
        self._after_opens: Callable[[], None] = lambda: None

    def heading(self) -> str:
        return {"code": "Join", "store": "A store"}.get(self._only, "First run")

    # -- the way through ---------------------------------------------------------------------------------------------

    def opened(self) -> None:
        self.ask("beginning.begin", self._begun)

    def _begun(self, found: Mapping[str, Any]) -> None:
        self._needs, self._device, self._before = found["needs"], found["device"], found["store"]
        draft = found["draft"]
        self._draft = draft if isinstance(draft, dict) and draft.get("only") == self._only else None
        if self._left:
            self._go_on(self._left)
        elif not self._restore():
            self.put({"code": CODE, "store": self.store_question()}.get(self._only, HOW))
        if found["wrong"]:
            self.tell(found["wrong"], bad=True)

    def _take_how(self, how: str) -> None:
        if how == "code":
            self.put(CODE)
        elif how == "store":
            self.put(self.store_question())
        else:
            self.put(self._naming())

    def _naming(self) -> Question:
        return Question(
            "name",
            "What is this device called?",
            "Your other devices show it beside what was written here.",
            default=text.fit(self._device, 64),
        )

    def named(self) -> bool:
        if self.made or "name" in self.answers:
            return True
        self.put(self._naming())
        return False

    def _take_name(self, name: str) -> None:
        if len(name) > 64:
            self.answers.pop("name", None)
            self.ask_again("name")
            self.tell("a device's name is one line of 1 to 64 characters", bad=True)
        elif self._how == "make":
            self.put(NEW_PASSPHRASE)
        elif self._how == "code":
            self._join()
        else:
            self.store_next()

    @property
    def _how(self) -> str:
        return self.answers.get("how", "make")

    # -- where it was left -------------------------------------------------------------------------------------------

    def question_of(self, name: str) -> Question | None:
        if name == "how":
            return None if self.made else HOW
        if name == "name":
            return None if self.made else self._naming()
        if name == "passphrase" and not self.made and self._how == "make":
            return NEW_PASSPHRASE
        own = {"code": CODE, "joined": JOINED, "own": OWN_TOO, "examples": EXAMPLES}.get(name)
        if own is None and self._by_code:
            return HERE.get(name)
        return own or super().question_of(name)

    def asked(self) -> None:
        """Note where one is, without what was typed in secret: the next time it goes on from here."""
        question = self.question
        if question is None or question.kind == "read" or question.name in ("how", "proof_0", "proof_1", "examples"):
            self.ask("beginning.drop", latest="draft")
            return
        names = [each.name for each in self._trail]
        answers = {name: value for name, value in self.answers.items() if self._typed.get(name) == value}
        answers = {name: value for name, value in answers.items() if name not in ("code", "refused")}
        self.ask(
            "beginning.keep",
            latest="draft",
            draft={"only": self._only, "at": question.name, "trail": names, "answers": answers},
        )

    def _restore(self) -> bool:
        """Go on from where it was left, if that is known: at the first page whose answer is not there."""
        draft, self._draft = self._draft, None
        if draft is None:
            return False
        trail: list[Question] = []
        last: Question | None = None
        try:
            kept = {str(name): str(value)[:LONGEST] for name, value in draft["answers"].items()}
            names = [str(name) for name in (*draft["trail"], draft["at"])]
        except (AttributeError, KeyError, TypeError):
            return False
        for name in sorted(kept, key=lambda name: name not in ("how", "store")):
            question = self.question_of(name)
            values = [each.value for each in question.choices] if question is not None else []
            if question is not None and question.kind in ("choice", "line") and kept[name] in (values or [kept[name]]):
                self.answers[name] = self._typed[name] = kept[name]
        for name in names:
            if (question := self.question_of(name)) is None:
                continue
            last = question
            if name not in self.answers or name == names[-1]:
                break
            trail.append(question)
        if last is None:
            return False
        self._trail = [each for each in trail if each is not last]
        self.question = None
        self._ask(last)
        return True

    # -- a new vault -------------------------------------------------------------------------------------------------

    def _take_passphrase(self, passphrase: str) -> None:
        if self.made or self._how != "make":
            super()._take_passphrase(passphrase)
            return
        self.own = passphrase
        self.work(
            "making the vault: its key is derived slowly on purpose, which takes a few seconds",
            "beginning.make",
            self._is_made,
            failed=lambda error: self.back_to(NEW_PASSPHRASE, error),
            passphrase=passphrase,
            device=self.answers["name"],
        )

    def _is_made(self, left: list[str]) -> None:
        self.made = True
        self.ghostie.locked = False
        self._go_on(left)

    def make_one(self) -> None:
        self.answers["how"] = "make"
        self.answers.pop("passphrase", None)
        if self.named():
            self.put(NEW_PASSPHRASE)

    def _go_on(self, left: Sequence[str]) -> None:
        self._left = list(left)
        if not left:
            self._finish("the vault is ready · ? says what can be done")
        elif left[0] == "words":
            self.ask("beginning.words", self._show_words)
        elif left[0] == "store":
            if not self._restore():
                self.put(self.store_question(), fresh=True)
        else:
            self.put(EXAMPLES, fresh=True)

    def _answered(self, step: str) -> None:
        if step in self._left:
            self.ask("beginning.answered", self._go_on, step=step)
        else:
            self._finish("done")

    def _finish(self, said: str) -> None:
        ghostie = self.ghostie
        if len(ghostie.screen_stack) > 2:
            ghostie.pop_screen()
            ghostie.changed()
        else:
            ghostie.begun()
        ghostie.call_after_refresh(lambda: ghostie.place.tell(said))

    # -- the recovery words ------------------------------------------------------------------------------------------

    def _show_words(self, found: list[str]) -> None:
        self._words = found
        self.put(
            Question(
                "words",
                "Write these 24 words down",
                "On paper, and not on a device. Whoever has them opens the vault, and they are the only way in when the"
                " passphrase is forgotten. They are shown this once; the next page asks for two of them.",
                "read",
                shown=self._lay_out,
            ),
            fresh=True,
        )

    def _lay_out(self, sheet: Sheet) -> None:
        sheet.gap()
        columns = 2 if sheet.width < 60 else 4
        rows = -(-len(self._words) // columns)
        style = self.ghostie.painted["strong"]
        for at in range(rows):
            numbers = range(at, len(self._words), rows)
            sheet.lines.append([(f" {number + 1:>2} {self._words[number]:<12}", style) for number in numbers])
        sheet.gap()
        sheet.say("enter goes on · ctrl+l asks another time", "dim")

    def _take_words(self, _: str) -> None:
        dice = secrets.SystemRandom()
        self._prove = sorted(dice.sample(range(len(self._words)), 2))
        self._proof(0)

    def _proof(self, which: int) -> None:
        self.put(
            Question(
                f"proof_{which}",
                f"Word {self._prove[which] + 1}?",
                "So that what is on the paper is right. Esc goes back to the words.",
            )
        )

    def _take_proof(self, which: int, word: str) -> None:
        name, at = f"proof_{which}", self._prove[which]
        self.answers.pop(name, None)
        self._typed.pop(name, None)
        if word.casefold() != self._words[at]:
            self.ask_again(name)
            self.tell(f"that is not word {at + 1}; look at the paper, or go back to the words", bad=True)
        elif which == 0:
            self._proof(1)
        else:
            self._words, self._prove = [], []
            self._answered("words")

    _take_proof_0 = partialmethod(_take_proof, 0)
    _take_proof_1 = partialmethod(_take_proof, 1)

    # -- a store -----------------------------------------------------------------------------------------------------

    def kinds(self) -> tuple[Choice, ...]:
        wanted = {"none": self.made and self._left, "code": self.made and not self._before}
        return tuple(each for each in STORE.choices if wanted.get(each.value, True))

    def _take_store(self, store: str) -> None:
        if store == "none":
            self._answered("store")
        elif store == "code":
            self.put(CODE)
        else:
            self.choose_store(store)

    def tied(self, done: Mapping[str, Any]) -> None:
        self.made = True
        self.ghostie.locked = False
        if done["joined"]:
            came = (
                f"; {text.plural(done['brought'], 'version')} of this device's own came along"
                if done["brought"]
                else ""
            )
            said = f"joined the vault on the store{came} · S syncs"
        else:
            said = "the store is taken, and this vault's key is on it · S syncs"
        if done["passphrase"]:
            self._after_opens = lambda: self._tied_on(done["left"], said)
            says = done["passphrase"][:1].upper() + done["passphrase"][1:] + "."
            self.put(Question("opens", "Which passphrase opens what", says, "read", shown=_enter), fresh=True)
        else:
            self._tied_on(done["left"], said)

    def _take_opens(self, _: str) -> None:
        self._after_opens()

    def _tied_on(self, left: Sequence[str], said: str) -> None:
        if left:
            self._go_on(left)
        else:
            self._finish(said)

    # -- a code ------------------------------------------------------------------------------------------------------

    @property
    def _by_code(self) -> bool:
        return "store" not in self.answers and ("code" in self.answers or self._only == "code")

    def _take_code(self, code: str) -> None:
        if not self.made:
            self.answers["how"] = "code"
        self.answers.pop("store", None)

        def refused(error: GhostieError) -> None:
            self.answers.pop("code", None)
            self.ask_again("code")
            self.failed(error)

        self.ask("beginning.check_code", lambda _: self.put(JOINED), failed=refused, code=code)

    def _take_joined(self, _: str) -> None:
        if self.made and not self.own:
            self.put(OWN_TOO)
        elif self.named():
            self._join()

    def _take_own(self, own: str) -> None:
        if self._by_code:
            self._join()
        else:
            super()._take_own(own)

    def _take_field(self, name: str) -> None:
        if self._by_code:
            self._join()
        else:
            super()._take_field(name)

    def _join(self) -> None:
        self._attempt = self._join
        self.work(
            "opening the code and looking for the vault",
            "beginning.join",
            self.tied,
            code=self.answers["code"],
            passphrase=self.answers["joined"],
            own=self.answers.get("own") or self.own,
            device=self.answers.get("name", ""),
            ways={name: self.answers[name] for name in HERE if self.answers.get(name)},
        )

    # -- what was refused --------------------------------------------------------------------------------------------

    def refused(self, error: GhostieError) -> None:
        if self._by_code and isinstance(error, ForeignVault | InvitationPassphrase):
            self.back_to(JOINED, error)
        elif self._by_code and isinstance(error, WrongKey):
            self.back_to(OWN_TOO if self.made and not self.own else JOINED, error)
        else:
            super().refused(error)

    def at_fault(self, error: GhostieError) -> Question | None:
        if not self._by_code:
            return super().at_fault(error)
        about = error.about if isinstance(error, StoreError) else None
        if error.facts.get("backend") == "folder":
            return HERE["path"]
        return HERE.get(about or "")

    def ways_on(self, error: GhostieError, at_fault: Question | None) -> Iterator[Choice]:
        if not self._by_code:
            yield from super().ways_on(error, at_fault)
            return
        if at_fault is not None:
            yield Choice("mend", at_fault.asked.rstrip("?"), "answer it differently")
        yield Choice("retry", "Try again", "as it is")
        if error.facts.get("backend") != "folder":
            for each in (HERE["proxy"], HERE["authorities"]):
                if each != at_fault:
                    yield Choice(each.name, each.asked, "of this device")
        yield Choice("code", "Another code", "that the other device makes anew")

    def _take_refused(self, way: str) -> None:
        if way in ("code", *HERE):
            self.answers.pop("refused", None)
            self.question = self._trail.pop() if self._trail else None
            self.put(CODE if way == "code" else HERE[way])
        else:
            super()._take_refused(way)

    # -- examples, and leaving ---------------------------------------------------------------------------------------

    def _take_examples(self, answer: str) -> None:
        if answer == "yes":
            self.work(
                "bringing them in",
                "beginning.examples",
                lambda count: self._answered("examples"),
                failed=lambda error: self.back_to(EXAMPLES, error),
            )
        else:
            self._answered("examples")

    def can(self, action: Action) -> bool:
        if action.name == "later":
            return self.made and bool(self._left) and not self._busy
        return super().can(action)

    def do_later(self) -> None:
        """Skip this question for now."""
        self._words = []
        self._finish("the rest is asked the next time")

    def leave(self) -> None:
        if self.made and self._left:
            self._finish("the rest is asked the next time")
            return
        self.ask("beginning.drop")
        if self.made:
            self._finish("")
        else:
            self.ghostie.exit()

    def on_unmount(self) -> None:
        self._words, self.own = [], ""
