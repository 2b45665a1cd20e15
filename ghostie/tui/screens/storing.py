"""The questions on a store, from its kind to the try-out, and the way back from whatever it refuses."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

from ghostie import text
from ghostie.errors import (
    AuthFailed,
    BadWords,
    ForeignVault,
    GhostieError,
    NoVault,
    StoreChanged,
    StoreError,
    WeakPassphrase,
    WrongKey,
)
from ghostie.tui.explain import explained
from ghostie.tui.screens.asking import AskingPlace, Choice, Question
from ghostie.tui.screens.stores import (
    CLIENT,
    FURTHER,
    KEPT_SEALED,
    PLAIN,
    SECRET,
    SERVER,
    STORE,
    TOKEN,
    WHERE,
    question_of,
)

PASSPHRASE: Final = Question(
    "passphrase",
    "The vault's passphrase",
    "If there is a vault on that store already, it is the one of that vault. Leave it empty to open that one by its 24"
    " recovery words instead.",
    "secret",
    needed=False,
)
RECOVERY: Final = Question(
    "recovery",
    "The 24 recovery words",
    "In their order, with spaces between them. They open the vault on that store without its passphrase, and are not"
    " shown while you type.",
    "words",
)
NEW_PASSPHRASE: Final = Question(
    "new_passphrase",
    "A new passphrase",
    "It opens the vault on this device from now on, and on the store for devices that join. Your other devices keep"
    " theirs.",
    "twice",
)
OWN: Final = Question(
    "own",
    "The passphrase of the vault that is here",
    "It is another than the one that was typed. Where the store has a vault, the memories that are here come along.",
    "secret",
)
CLIENT_ID: Final = "GHOSTIE_GIST_CLIENT_ID"


class StoringPlace(AskingPlace):
    """Asks for a store and ties the vault to it. A subclass says what comes first and what after it."""

    def __init__(self) -> None:
        super().__init__()
        self.made = False  # whether there is a vault here
        self.own = ""  # its passphrase, where it was typed a moment ago
        self._needs: Mapping[str, list[dict[str, Any]]] = {}  # the credentials of each kind of store
        self._before: Mapping[str, Any] | None = None  # the store that this vault is tied to
        self._again = False  # whether the person said that the store was moved or emptied
        self._mending = ""  # what is asked once more because it was refused: no other page follows it
        self._as_before = False  # whether what was answered on the store holds for the next time it is chosen
        self._attempt: Callable[[], None] = self._tie

    # -- for subclasses ----------------------------------------------------------------------------------------------

    def tied(self, done: Mapping[str, Any]) -> None:
        """Go on when the vault is tied to its store."""
        raise NotImplementedError

    def named(self) -> bool:
        """Tell whether this device's name is known; ask for it if not."""
        return True

    def kinds(self) -> tuple[Choice, ...]:
        """Return the stores to choose from."""
        return tuple(each for each in STORE.choices if each.value in WHERE)

    def make_one(self) -> None:
        """Go on to make a vault: there is none on the store."""

    # -- what is asked -----------------------------------------------------------------------------------------------

    def store_question(self) -> Question:
        default = self._before["backend"] if self._before else ""
        return replace(STORE, default=default, choices=self.kinds())

    def question_of(self, name: str) -> Question | None:
        """Return the question *name* as it is asked now, or None where there is no such."""
        if name == "store":
            return self.store_question()
        store = self.answers.get("store", "")
        if store not in WHERE:
            return None
        if name in ("token_by", "client_id"):
            return (TOKEN if name == "token_by" else self._client()) if store == "gist" else None
        if name.startswith(SECRET):
            found = (each for each in self._needs[store] if each["name"] == name.removeprefix(SECRET))
            return next((self._hidden(each) for each in found), None)
        if name == "more":
            return self._more(store)
        secrets = {each.name: each for each in (PASSPHRASE, RECOVERY, NEW_PASSPHRASE)}
        return secrets.get(name) or question_of(store, name)

    def _client(self) -> Question:
        return replace(CLIENT, default=os.environ.get(CLIENT_ID, ""))

    def _hidden(self, secret: Mapping[str, Any]) -> Question:
        kept = self._kept(secret["name"])
        says = f"{KEPT_SEALED} Leave it empty to keep the one of before." if kept else KEPT_SEALED
        needed = secret["needed"] and not kept
        return Question(SECRET + secret["name"], f"The {secret['words']}", says, "secret", needed=needed)

    def _kept(self, secret: str) -> bool:
        before = self._before
        return bool(before and before["backend"] == self.answers.get("store") and secret in before["secrets"])

    def _more(self, store: str) -> Question:
        """Return the page from which all the rest is asked, each with a sound default."""
        choices = [Choice("", "That is all", "go on")]
        for each in FURTHER[store]:
            now = text.one_line(self.answers.get(each.name, ""))
            choices.append(Choice(each.name, each.asked.rstrip("?"), text.fit(now, 60) if now else "as is usual"))
        for secret in self._needs[store]:
            if not secret["needed"]:
                given = self.answers.get(SECRET + secret["name"]) or self._kept(secret["name"])
                words = secret["words"][:1].upper() + secret["words"][1:]
                choices.append(Choice(SECRET + secret["name"], words, "given" if given else "none"))
        return Question(
            "more",
            "Anything else about the way there?",
            "All of this has a sound default; choose what is other with you.",
            "choice",
            choices=tuple(choices),
        )

    def _wanted(self) -> Iterator[Question]:
        """Yield the questions on the store that was chosen, in their order."""
        store = self.answers["store"]
        yield from WHERE[store]
        if self._in_the_clear():
            yield PLAIN
        if FURTHER[store]:
            yield self._more(store)
        for secret in self._needs[store]:
            if secret["needed"]:
                if secret["name"] == "token":
                    yield TOKEN
                    if self.answers.get(TOKEN.name) == "code":
                        yield self._client()
                yield self._hidden(secret)
        yield PASSPHRASE
        if not self.answers.get("passphrase"):
            yield RECOVERY
            yield NEW_PASSPHRASE

    def _in_the_clear(self) -> list[str]:
        """Return the addresses that were given and lead over a network without encryption."""
        from ghostie.backends.http import is_loopback

        found = []
        for name in ("endpoint", "api_url", "raw_url"):
            if question_of(self.answers["store"], name) is not None:
                try:
                    parts = urlsplit(self.answers.get(name, "").lower())
                    clear = parts.scheme == "http" and not is_loopback(parts.hostname or "")
                except ValueError:
                    continue  # it is refused by itself
                found += [name] if clear else []
        return found

    # -- from one to the next ----------------------------------------------------------------------------------------

    def take(self, name: str, value: str) -> None:
        own = getattr(self, f"_take_{name}", None)
        if own is not None:
            own(value)
        else:
            self._take_field(name)

    def store_next(self) -> None:
        """Ask what is still to be asked, or try the store out."""
        missing = next((each for each in self._wanted() if each.name not in self.answers), None)
        if missing is None:
            if self.named():
                self._tie()
        elif missing.name == f"{SECRET}token" and self.answers.get(TOKEN.name) == "code":
            self._sign_in()
        else:
            self.put(missing)

    def choose_store(self, store: str) -> None:
        """Begin with the questions on *store*; what was typed before stands there again."""
        if not self._as_before:
            names = [*(each.name for each in WHERE[store]), "more", PLAIN.name, TOKEN.name, CLIENT.name]
            for name in (*names, *(SECRET + each["name"] for each in self._needs[store])):
                self.answers.pop(name, None)
        self._as_before = False
        before = self._before
        if before and before["backend"] == store:
            for name, value in before["options"].items():
                self._typed.setdefault(name, value)
                if any(each.name == name for each in FURTHER[store]):
                    self.answers.setdefault(name, value)
        self.store_next()

    def _take_more(self, name: str) -> None:
        question = self.question_of(name) if name else None
        if question is not None:
            self.put(question)
        else:
            self.store_next()

    def _take_field(self, name: str) -> None:
        """Look at once whether an answer can be one, and go on."""

        def fits(_: None) -> None:
            if self.answers.get("more") == name:
                del self.answers["more"]
            if self._mending == name:
                self.answers["more"], self._mending = "", ""
            self.store_next()

        def refused(error: GhostieError) -> None:
            self.answers.pop(name, None)
            self.ask_again(name)
            self.failed(error)

        given: dict[str, Any] = {"options": self._options(), "credentials": self._credentials()}
        self.ask("beginning.fits", fits, failed=refused, backend=self.answers["store"], **given)

    def ask_again(self, name: str) -> None:
        """Put the question that was just answered back, with the answer in it."""
        if self.question is not None and self.question.name == name:
            self._ask(self.question)

    def _take_plain_http(self, answer: str) -> None:
        if answer:
            self.store_next()
            return
        del self.answers[PLAIN.name]
        name = next(iter(self._in_the_clear()), SERVER[self.answers["store"]])
        self._ask_for(name)

    def _ask_for(self, name: str) -> None:
        """Ask for *name* once more, from wherever it is asked."""
        store = self.answers.get("store", "")
        optional = [each.name for each in FURTHER.get(store, ())]
        optional += [SECRET + each["name"] for each in self._needs.get(store, ()) if not each["needed"]]
        if name in optional:
            self.answers["more"] = self._mending = name
        self.answers.pop(name, None)
        question = self.question_of(name)
        if question is not None:
            self.put(question)

    def _take_token_by(self, way: str) -> None:
        self.answers.pop(f"{SECRET}token", None)
        self.store_next()

    _take_client_id = _take_token_by

    def _take_passphrase(self, _: str) -> None:
        self.store_next()

    def _take_new_passphrase(self, _: str) -> None:
        self.store_next()

    def _take_recovery(self, words: str) -> None:
        def refused(error: GhostieError) -> None:
            self.answers.pop("recovery", None)
            self.ask_again("recovery")
            self.failed(error)

        self.ask("beginning.check_words", lambda _: self.store_next(), failed=refused, words=words)

    def _take_own(self, _: str) -> None:
        self._attempt()

    # -- the try-out -------------------------------------------------------------------------------------------------

    def _options(self) -> dict[str, str]:
        """Return where the store is and how to get there, as far as that is known."""
        store = self.answers["store"]
        names = [each.name for each in (*WHERE[store], *FURTHER[store])]
        options = {name: self.answers[name] for name in names if self.answers.get(name)}
        if self._in_the_clear():
            options[PLAIN.name] = "yes"  # asked for by itself
        return options

    def _credentials(self) -> dict[str, str]:
        given = {each["name"]: self.answers.get(SECRET + each["name"]) for each in self._needs[self.answers["store"]]}
        return {name: value for name, value in given.items() if value}

    def _sign_in(self) -> None:
        self._attempt = self._sign_in

        def signed_in(token: str) -> None:
            self.answers[f"{SECRET}token"] = token
            self.store_next()

        self.work(
            "asking for a code",
            "beginning.sign_in",
            signed_in,
            long=True,
            keys=False,
            client=self.answers[CLIENT.name],
            options=self._options(),
            credentials=self._credentials(),
        )

    def _tie(self) -> None:
        self._attempt = self._tie
        self.work(
            "trying the store out",
            "beginning.tie",
            self.tied,
            backend=self.answers["store"],
            options=self._options(),
            credentials=self._credentials(),
            passphrase=self.answers["passphrase"],
            own=self.answers.get("own") or self.own,
            device=self.answers.get("name", ""),
            again=self._again,
            words=self.answers.get("recovery", ""),
            new=self.answers.get("new_passphrase", ""),
        )

    # -- what was refused --------------------------------------------------------------------------------------------

    def refused(self, error: GhostieError) -> None:
        """Say what is wrong, and lead to what can be answered differently."""
        if isinstance(error, WrongKey) and not isinstance(error, ForeignVault) and self.made and not self.own:
            self.back_to(OWN, error)
            return
        at_fault = self.at_fault(error)
        if at_fault is not None:
            self.stand_at(at_fault)
        means = explained(error)
        words = means.means if means is not None else error.way_out() or ""
        choices = tuple(self.ways_on(error, at_fault))
        self.put(Question("refused", f"! {text.one_line(str(error))}", words, "choice", choices=choices))

    def back_to(self, question: Question, error: GhostieError) -> None:
        """Ask *question* once more, and say what was wrong."""
        self.stand_at(question)
        self._ask(question)
        self.failed(error)

    def stand_at(self, question: Question) -> None:
        """Let *question* be the page that one comes back to."""
        names = [each.name for each in self._trail]
        if self.question is not None and question.name not in (*names, self.question.name):
            self._trail.append(self.question)
        elif question.name in names:
            del self._trail[names.index(question.name) :]
        self.question = question

    def at_fault(self, error: GhostieError) -> Question | None:
        """Return the question whose answer seems to be wrong."""
        store = self.answers.get("store", "")
        if isinstance(error, ForeignVault | WrongKey):
            return self.question_of("passphrase")
        if isinstance(error, BadWords):
            return self.question_of("recovery")
        if isinstance(error, WeakPassphrase):
            return self.question_of("new_passphrase")
        if store not in WHERE or not isinstance(error, StoreError):
            return None
        about = error.about
        if self._attempt == self._sign_in:
            return self._client() if isinstance(error, AuthFailed) or about is None else self._named(store, about)
        if store == "folder":
            return question_of(store, "path")
        if about is None and isinstance(error, AuthFailed):
            about = next((each["name"] for each in self._needs[store] if each["needed"]), None)
        if about == "token" and self.answers.get(TOKEN.name) == "code":
            return TOKEN
        return self._named(store, about)

    def _named(self, store: str, about: str | None) -> Question | None:
        if about == "proxy" and self.answers.get(f"{SECRET}proxy"):
            about = f"{SECRET}proxy"
        name = SERVER[store] if about == "address" else about or ""
        return question_of(store, name) or self.question_of(SECRET + name)

    def ways_on(self, error: GhostieError, at_fault: Question | None) -> Iterator[Choice]:
        """Yield what can be done now, the likeliest first."""
        about = error.about if isinstance(error, StoreError) else None
        if about == "clock":
            yield Choice("retry", "Try again", "after this device's clock was set right")
        if isinstance(error, NoVault):
            yield Choice("make", "Make a new vault", "and put it on that store")
        if at_fault is not None:
            yield Choice("mend", at_fault.asked.rstrip("?"), "answer it differently")
        if at_fault is not None and at_fault.name == "passphrase":
            yield Choice("words", "The 24 words instead", "they open it without the passphrase")
        if isinstance(error, BadWords):
            yield Choice("passphrase", "The passphrase instead", "it opens the newest key")
        if isinstance(error, StoreChanged) and self.made:
            yield Choice(
                "again", "It was moved or emptied on purpose", "this vault goes there anew, and nothing is lost"
            )
        if about != "clock":
            yield Choice("retry", "Try again", "as it is")
        if FURTHER.get(self.answers.get("store", "")):
            yield Choice("further", "What else there is to the way", "proxy, certificates, and what has a default")
        yield Choice("other", "Another store", "choose it anew")

    def _take_refused(self, way: str) -> None:
        self.answers.pop("refused", None)
        self._typed.pop("refused", None)
        if way == "mend":
            question = self._trail[-1]
            self._trail.pop()
            self.question = self._trail.pop() if self._trail else None
            self._ask_for(question.name)
            return
        self.question = self._trail.pop() if self._trail else None
        if way == "words":
            self.answers["passphrase"] = ""
            self.answers.pop("recovery", None)
            self.store_next()
        elif way == "passphrase":
            self._ask_for("passphrase")
        elif way == "again":
            self._again = True
            self._attempt()
        elif way == "retry":
            self._attempt()
        elif way == "further":
            self.answers.pop("more", None)
            self.store_next()
        elif way == "make":
            self._as_before = True
            self.make_one()
        elif way == "other":
            self.put(self.store_question())
