"""The first run: a vault is made, or one is joined. One question a page, each with a sound default.

What was done stays done: who leaves in the middle is asked the rest the next time.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ghostie import text
from ghostie.errors import ForeignVault, GhostieError, InvitationPassphrase, StoreError, UsageError, WrongKey
from ghostie.tui.actions import Action
from ghostie.tui.screens.asking import AskingPlace, Choice, Question
from ghostie.tui.sheets import Sheet

HOW: Final = Question(
    "how",
    "A vault for what you and your agents remember",
    "It is encrypted on this device, and opens with your passphrase only. There is none here yet.",
    "choice",
    choices=(
        Choice("make", "Make a new vault", "start here, on your first device"),
        Choice("code", "Join by a code", "`ghostie sync invite` on another device shows one"),
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
OWN: Final = Question(
    "own",
    "The passphrase of the vault that is here",
    "Its memories come along into the vault that you join. Leave it empty if it is the same.",
    "secret",
    needed=False,
)
STORE: Final = Question(
    "store",
    "Where do your devices meet?",
    "What goes there is sealed on this device first. It can be chosen or changed later, too.",
    "choice",
    choices=(
        Choice("none", "Nowhere for now", "the vault stays on this device"),
        Choice("folder", "A folder", "a disk, a network drive, a folder that is synced"),
        Choice("s3", "An S3 bucket", "of any provider, or your own server"),
        Choice("gist", "Gists", "secret gists of a GitHub account"),
        Choice("code", "Join by a code", "another device has a vault already"),
    ),
)
EXAMPLES: Final = Question(
    "examples",
    "A few memories to play with?",
    "Ten examples can go to the inbox. One undo takes them all back.",
    "choice",
    choices=(
        Choice("no", "Start empty", "n writes the first memory"),
        Choice("yes", "With examples", "to try search, tags and the inbox on"),
    ),
)
PLAIN: Final = Question(
    "plain_http",
    "That address is not encrypted on the way",
    "What is stored is sealed all the same, but the credentials could be read by whoever is in between.",
    "choice",
    choices=(
        Choice("", "Give another address", "one that begins with https://"),
        Choice("yes", "Go on with it", "for a server in your own network"),
    ),
)
PLACES: Final[Mapping[str, tuple[Question, ...]]] = {
    "folder": (
        Question("path", "Which folder?", "It may be empty, or hold the vault already. It has to be there.", "line"),
    ),
    "s3": (
        Question("bucket", "The bucket's name", "It has to be there already."),
        Question(
            "endpoint",
            "The server's address",
            "As the provider says it: https://… Leave it empty for Amazon.",
            needed=False,
        ),
        Question("region", "The region", "Leave it empty where none is known.", needed=False),
    ),
    "gist": (),
}


class BeginningPlace(AskingPlace):
    """The first run; with *left*, the rest of it; with *how* "code" or "store", only that, on a vault that is here."""

    LOCKED = True

    def __init__(self, *, left: Sequence[str] = (), how: str = "") -> None:
        super().__init__()
        self._left = list(left)
        self._only = how
        self._needs: dict[str, list[dict[str, Any]]] = {}
        self._device = ""
        self._words: list[str] = []
        self._prove: list[int] = []
        self._made = bool(left or how)
        self._own = ""  # the passphrase of the vault that was just made

    def heading(self) -> str:
        return {"code": "Join", "store": "A store"}.get(self._only, "First run")

    # -- the way through ---------------------------------------------------------------------------------------------

    def opened(self) -> None:
        self.ask("beginning.stores", self._known)

    def _known(self, needs: dict[str, list[dict[str, Any]]]) -> None:
        self._needs = needs
        if self._only == "code":
            self.put(CODE)
        elif self._only == "store":
            self._store_question()
        elif self._left:
            self._go_on(self._left)
        else:
            self.ask("beginning.begin", self._begun)

    def _begun(self, found: Mapping[str, str]) -> None:
        self._device = found["device"]
        self.put(HOW)

    def take(self, name: str, value: str) -> None:
        own = getattr(self, f"_take_{name}", None)
        if own is not None:
            own(value)
        else:
            self._take_place()

    def _take_how(self, how: str) -> None:
        if how == "code":
            self.put(CODE)
        elif how == "store":
            self._store_question()
        else:
            self._name_question()

    def _name_question(self) -> None:
        self.put(
            Question(
                "name",
                "What is this device called?",
                "Your other devices show it beside what was written here.",
                default=text.fit(self._device, 64),
            )
        )

    def _take_name(self, name: str) -> None:
        if len(name) > 64:
            self.tell("a device's name is one line of 1 to 64 characters", bad=True)
            self._ask_again("name")
        elif self.answers.get("how", "make") == "make":
            self.put(
                Question(
                    "passphrase",
                    "The passphrase",
                    "It opens the vault, on every device. Nobody can reset it; 24 words, which come next, are the"
                    " only other way in.",
                    "twice",
                )
            )
        elif self.answers["how"] == "code":
            self._join()
        else:
            self._tie()

    def _ask_again(self, name: str) -> None:
        """Put the question that was just answered back, with the answer in it."""
        if self.question is not None and self.question.name == name:
            self._ask(self.question)

    # -- a new vault -------------------------------------------------------------------------------------------------

    def _take_passphrase(self, passphrase: str) -> None:
        if self.answers.get("how", "make") == "make" and not self._made:
            self._own = passphrase
            self.work(
                "making the vault: its key is derived slowly on purpose, which takes a few seconds",
                "beginning.make",
                self._is_made,
                passphrase=passphrase,
                device=self.answers["name"],
            )
        elif self._made:
            self._tie()
        else:
            self._name_question()

    def _is_made(self, left: list[str]) -> None:
        self._made = True
        self.ghostie.locked = False
        self._go_on(left)

    def _go_on(self, left: Sequence[str]) -> None:
        self._left = list(left)
        if not left:
            self._finish("the vault is ready · ? says what can be done")
        elif left[0] == "words":
            self.ask("beginning.words", self._show_words)
        elif left[0] == "store":
            self._store_question(fresh=True)
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
        sheet.say("enter goes on · ^l asks again another time", "dim")

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

    def _take_proof_0(self, word: str) -> None:
        if self._is_right(0, word):
            self._proof(1)

    def _take_proof_1(self, word: str) -> None:
        if self._is_right(1, word):
            self._words, self._prove = [], []
            self._answered("words")

    def _is_right(self, which: int, word: str) -> bool:
        right = word.casefold() == self._words[self._prove[which]]
        self.answers.pop(f"proof_{which}", None)
        self._typed.pop(f"proof_{which}", None)
        if not right:
            self._ask_again(f"proof_{which}")
            self.tell(
                f"that is not word {self._prove[which] + 1}; look at the paper, or go back to the words", bad=True
            )
        return right

    # -- a store -----------------------------------------------------------------------------------------------------

    def _store_question(self, *, fresh: bool = False) -> None:
        wanted = {"none": self._left and self._made, "code": self._made}
        self.put(
            Question(
                STORE.name,
                STORE.asked,
                STORE.says,
                STORE.kind,
                choices=tuple(each for each in STORE.choices if wanted.get(each.value, True)),
            ),
            fresh=fresh,
        )

    def _take_store(self, store: str) -> None:
        if store == "none":
            self._answered("store")
        elif store == "code":
            self.put(CODE)
        else:
            self._next_of_store()

    def _of_store(self) -> list[Question]:
        """Return the questions on the store that was chosen: where it is, then its credentials."""
        store = self.answers["store"]
        hidden = [
            Question(each["name"], f"The {each['words']}", "It is kept sealed, and is not shown.", "secret")
            for each in self._needs[store]
        ]
        return [*PLACES[store], *hidden]

    def _next_of_store(self) -> None:
        missing = next((each for each in self._of_store() if each.name not in self.answers), None)
        if missing is not None:
            self.put(missing)
        elif "passphrase" not in self.answers:
            self.put(
                Question(
                    "passphrase",
                    "The vault's passphrase",
                    "If there is a vault on that store already, it is the one of that vault.",
                    "secret",
                )
            )
        elif self._made:
            self._tie()
        else:
            self._name_question()

    def _take_place(self) -> None:
        store = self.answers.get("store", "")
        if not store:
            self._join()  # the folder of an invitation lies elsewhere on this device
        elif self._unencrypted() and "plain_http" not in self.answers:
            self.put(PLAIN)
        else:
            self._next_of_store()

    def _unencrypted(self) -> bool:
        return self.answers.get("endpoint", "").startswith("http://")

    def _take_plain_http(self, answer: str) -> None:
        if answer:
            self._next_of_store()
        else:
            del self.answers["plain_http"], self.answers["endpoint"]
            self._next_of_store()

    def _tie(self) -> None:
        hidden = {each["name"] for each in self._needs[self.answers["store"]]}
        asked = {each.name for each in self._of_store()} - hidden
        options = {name: self.answers[name] for name in asked}
        if self._unencrypted():
            options["plain_http"] = self.answers.get("plain_http", "")
        self.work(
            "trying the store out",
            "beginning.tie",
            self._tied,
            backend=self.answers["store"],
            options=options,
            credentials={name: self.answers[name] for name in hidden},
            passphrase=self.answers["passphrase"],
            own=self._own,
            device=self.answers.get("name", ""),
            again=self._only == "store",
        )

    def _tied(self, done: Mapping[str, Any]) -> None:
        self._made = True
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
        if "store" in self._left or done["left"]:
            self._left = done["left"] or ["store"]
            self.ask("beginning.answered", self._go_on, step="store")
        else:
            self._finish(said)

    # -- a code ------------------------------------------------------------------------------------------------------

    def _take_code(self, code: str) -> None:
        self.answers["how" if not self._made else "store_by"] = "code"
        self.answers.pop("store", None)
        self.work("reading the code", "beginning.check_code", self._code_is_good, code=code)

    def _code_is_good(self, _: None) -> None:
        self.put(
            Question(
                "joined",
                "The passphrase of that vault",
                "The code alone opens nothing: the passphrase of the vault that you join is needed as well.",
                "secret",
            )
        )

    def _take_joined(self, _: str) -> None:
        if self._made and not self._own:
            self.put(OWN)
        elif self._made:
            self._join()
        else:
            self._name_question()

    def _take_own(self, _: str) -> None:
        self._join()

    def _join(self) -> None:
        self.work(
            "opening the code and looking for the vault",
            "beginning.join",
            self._tied,
            code=self.answers["code"],
            passphrase=self.answers["joined"],
            own=self.answers.get("own") or self._own,
            device=self.answers.get("name", ""),
            path=self.answers.get("path", ""),
        )

    # -- examples, and leaving ---------------------------------------------------------------------------------------

    def _take_examples(self, answer: str) -> None:
        if answer == "yes":
            self.work("bringing them in", "beginning.examples", lambda count: self._answered("examples"))
        else:
            self._answered("examples")

    def refused(self, error: GhostieError) -> None:
        """Go back to what can be answered differently, and say what was wrong with it."""
        asked = self.question.name if self.question is not None else ""
        by_code = "joined" in self.answers and "store" not in self.answers
        if by_code and isinstance(error, StoreError) and asked != "code":
            self.put(
                Question(
                    "path",
                    "Where is the folder on this device?",
                    "If the store is a folder, it may lie elsewhere here. Leave it empty to try again as it was.",
                    needed=False,
                )
            )
        elif isinstance(error, StoreError | UsageError) and self.answers.get("store") in PLACES:
            for name in ("plain_http", *(question.name for question in self._of_store())):
                self.answers.pop(name, None)
            self._store_question()
        elif isinstance(error, WrongKey | ForeignVault | InvitationPassphrase) and by_code:
            self._code_is_good(None)
        elif isinstance(error, WrongKey | ForeignVault) and self.answers.get("store") in PLACES:
            del self.answers["passphrase"]
            self._next_of_store()
        elif self.question is not None:
            self._ask(self.question)
        self.failed(error)

    def can(self, action: Action) -> bool:
        if action.name == "later":
            return self._made and bool(self._left) and not self._busy
        return super().can(action)

    def do_later(self) -> None:
        """Skip this question for now."""
        self._words = []
        self._finish("the rest is asked the next time")

    def leave(self) -> None:
        if self._made:
            self._finish("the rest is asked the next time" if self._left else "")
        else:
            self.ghostie.exit()

    def on_unmount(self) -> None:
        self._words, self._own = [], ""
