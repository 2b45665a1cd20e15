"""How the vault is opened: by the first run, step by step, from then on by a passphrase, and by keys handed over."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ghostie import codec, files
from ghostie.errors import BadJson, CannotRead, Damaged, GhostieError
from ghostie.tui.tasks import task
from ghostie.vault import check_home, create_vault, make_home

if TYPE_CHECKING:
    from ghostie.crypto.unlock import Sources
    from ghostie.sync.setup import Place, SetUp
    from ghostie.tui.desk import Desk

LEFT = ("words", "store", "examples")  # what is still to be asked once there is a vault, in this order
NEEDED = ("bucket", "path")  # options that a store is not without
PATHS = ("path", "authorities")
LARGEST = 1 << 16
EXAMPLES = Path(__file__).resolve().parents[1] / "examples.jsonl"


@task
def begin(desk: Desk) -> dict[str, Any]:
    """Return what the questions need: the credentials of each kind of store, what this device may be called, the store
    that the vault has, where a first run was left, and what is wrong with the place of a vault that is to be."""
    from ghostie.backends.store import REGISTRY
    from ghostie.sync.config import known_config
    from ghostie.vault.device import default_name

    wrong = ""
    if not desk.layout.master_key.exists():
        try:
            check_home(desk.layout)
        except GhostieError as error:
            wrong = f"{error} · leave, and give another with --home DIR"
    before = known_config(desk.layout)
    return {
        "needs": {
            name: [{"name": each.name, "words": each.words, "needed": each.needed} for each in backend.secrets]
            for name, backend in REGISTRY.items()
        },
        "device": default_name(),
        "store": before
        and {"backend": before.backend, "options": dict(before.options), "secrets": list(before.secrets)},
        "draft": _kept(desk).get("draft"),
        "wrong": wrong,
    }


# -- where it was left -----------------------------------------------------------------------------------------------


@task
def left(desk: Desk) -> list[str]:
    """Return what of a first run is still to be asked; nothing where there was none, or it is over."""
    steps = _kept(desk).get("left")
    return [each for each in LEFT if isinstance(steps, list) and each in steps]


@task
def answered(desk: Desk, step: str) -> list[str]:
    """Note that *step* was answered; return what is left."""
    return _note(desk, [each for each in left(desk) if each != step])


@task
def keep(desk: Desk, draft: dict[str, Any]) -> None:
    """Note where the questions are, and what was answered in the open. A place where that cannot be is no matter."""
    with contextlib.suppress(GhostieError):
        if not desk.layout.master_key.exists():
            check_home(desk.layout)
            files.make_private_folder(desk.layout.home)
        _note(desk, left(desk), draft)


@task
def drop(desk: Desk) -> None:
    """Forget where the questions were; what is still to be asked is asked from its first page on."""
    there = desk.layout.master_key.exists()
    with contextlib.suppress(GhostieError):
        _note(desk, left(desk) if there else [])
    if not there:
        with contextlib.suppress(OSError):
            desk.layout.home.rmdir()  # if it is empty: nothing was made


def _kept(desk: Desk) -> dict[str, Any]:
    with contextlib.suppress(FileNotFoundError, CannotRead, BadJson):
        found = codec.loads(files.read(desk.layout.first_run, LARGEST))
        if isinstance(found, dict):
            return found
    return {}


def _note(desk: Desk, steps: list[str], draft: Any = None) -> list[str]:
    if steps or draft:
        spelt = {"left": steps} | ({"draft": draft} if draft else {})
        files.write_durably(desk.layout.first_run, codec.dumps(spelt) + b"\n")
    else:
        files.remove_durably([desk.layout.first_run])
    return steps


# -- the vault and its store -----------------------------------------------------------------------------------------


@task
def make(desk: Desk, passphrase: str, device: str) -> list[str]:
    """Make the vault and keep it open; return what is left to be asked.

    Raises VaultExists, BadHome, WeakPassphrase, CannotWrite or UsageError.
    """
    make_home(desk.layout)
    _note(desk, list(LEFT), _kept(desk).get("draft"))  # first: a vault whose words were never shown must not be
    vault = create_vault(desk.layout.home, passphrase=passphrase, device_name=device or None)
    desk.open_with(vault.keys)
    return _note(desk, list(LEFT))


@task
def words(desk: Desk) -> list[str]:
    """Return the 24 words that open the vault without the passphrase."""
    from ghostie.crypto.keys import to_words

    return to_words(desk.vault.keys)


@task
def fits(desk: Desk, backend: str, options: dict[str, str], credentials: dict[str, str]) -> None:
    """Raise UsageError for what cannot be right, whatever else is still to be answered."""
    from ghostie.backends.store import REGISTRY, open_store

    stand_ins = {name: "nothing" for name in REGISTRY[backend].place if name in NEEDED}
    needed = {each.name: "nothing" for each in REGISTRY[backend].secrets if each.needed}
    open_store(backend, stand_ins | _meant(options), needed | credentials)


@task
def sign_in(desk: Desk, client: str, options: dict[str, str], credentials: dict[str, str]) -> str:
    """Say what is to be typed where, and return the token that comes of it. Raises as `DeviceFlow`."""
    from ghostie.backends import deviceflow

    flow = deviceflow.of_store(client, _meant(options), credentials)
    pending = flow.begin()
    desk.say({"code": pending.code, "address": pending.address, "seconds": pending.expires_in})
    return flow.wait(pending)


@task
def tie(
    desk: Desk,
    backend: str,
    options: dict[str, str],
    credentials: dict[str, str],
    passphrase: str,
    own: str = "",
    device: str = "",
    again: bool = False,
    words: str = "",
    new: str = "",
) -> dict[str, Any]:
    """Try a store out and tie this vault to it, or join the one that is there; *own* is this vault's passphrase.

    Without a *passphrase*, the 24 *words* open the vault on the store, and *new* is the passphrase that is set.
    Credentials that are not given are those of before, if it is the same store. Raises as `try_out` and `set_up`, and
    BadWords.
    """
    from ghostie.backends.store import same_place
    from ghostie.sync.config import known_config
    from ghostie.sync.setup import set_up, try_out
    from ghostie.tui.tasks.sync import Watch

    given = _meant(options)
    before = known_config(desk.layout)
    if before is not None and same_place(backend, given, before.backend, before.options):
        with contextlib.suppress(Damaged):  # then all of them have to be given
            credentials = before.credentials(desk.vault.keys) | credentials
    place = try_out(backend, given, credentials, Watch(desk))
    _begun(desk)
    sources = _sources(own or passphrase, passphrase, words, new)
    done = set_up(desk.layout, place, sources, device_name=device or None, again=again)
    return _tied(desk, place, done)


@task
def join(
    desk: Desk, code: str, passphrase: str, own: str = "", device: str = "", ways: dict[str, str] | None = None
) -> dict[str, Any]:
    """Join the vault that *code* invites to, by *ways* of this device; *own* is the passphrase of the vault that is
    here. Raises as `pairing.join`."""
    from ghostie.sync import pairing
    from ghostie.tui.tasks.sync import Watch

    _begun(desk)
    place, done = pairing.join(
        desk.layout,
        code,
        _sources(own or passphrase, passphrase),
        ways=_meant(ways or {}),
        device_name=device or None,
        watch=Watch(desk),
    )
    return _tied(desk, place, done)


def _meant(options: dict[str, str]) -> dict[str, str]:
    """Return *options* with whole paths, and without what is not set."""
    whole = {name: str(Path(options[name]).expanduser().absolute()) for name in PATHS if options.get(name)}
    return {name: value for name, value in options.items() if value} | whole


def _begun(desk: Desk) -> None:
    """Note before a vault is joined that its store is still to be tied: it may be cut off in between."""
    if not desk.layout.master_key.exists() and (draft := _kept(desk).get("draft")):
        _note(desk, ["store"], draft)


@task
def check_code(desk: Desk, code: str) -> None:
    """Raise BadInvitation, NewerFormat or InvitationExpired for a code that cannot be used."""
    from ghostie.sync import pairing

    pairing.read_valid(code)


@task
def strength(desk: Desk, passphrase: str) -> dict[str, Any]:
    """Return how hard *passphrase* is to guess: a level and a sentence."""
    from ghostie.crypto.strength import strength_of

    found = strength_of(passphrase)
    return {"level": found.level, "sentence": found.sentence}


@task
def count_words(desk: Desk, words: str) -> dict[str, Any]:
    """Return how many of the 24 recovery words there are, and the places of those that are not on the list."""
    from ghostie.crypto.keys import unknown_words, words_in

    spelt = words_in(words)
    return {"count": len(spelt), "unknown": unknown_words(spelt if words[-1:].isspace() else spelt[:-1])}


@task
def check_words(desk: Desk, words: str) -> None:
    """Raise BadWords for what cannot be the 24 words of any vault."""
    from ghostie.crypto.keys import from_words

    from_words(words)


def _sources(passphrase: str, of_store: str, words: str = "", new: str = "") -> Sources:
    from ghostie.crypto.keys import from_words
    from ghostie.crypto.unlock import Sources

    return Sources(
        ask=lambda prompt: passphrase,
        environ={"GHOSTIE_STORE_PASSPHRASE": of_store, "GHOSTIE_NEW_PASSPHRASE": new},
        words=from_words(words) if words and not of_store else None,
    )


def _tied(desk: Desk, place: Place, done: SetUp) -> dict[str, Any]:
    desk.open_with(done.vault.keys)  # another vault's, where it joined one
    over = ("store", "words") if done.joined else ("store",)
    from ghostie.sync.notices import which_opens

    return {
        "backend": place.backend,
        "joined": done.joined,
        "brought": done.brought,
        "passphrase": which_opens(done.change) if done.change else "",
        "left": _note(desk, [each for each in left(desk) if each not in over]),
    }


@task
def examples(desk: Desk) -> int:
    """Bring in a handful of memories to play with, into the inbox; one undo takes them back. Return how many."""
    from ghostie.vault.exchange import import_paths

    return len(import_paths(desk.vault, [EXAMPLES]).taken.added)


# -- later on --------------------------------------------------------------------------------------------------------


@task
def unlock(desk: Desk, passphrase: str) -> None:
    """Open the vault. Raises WrongKey, NoVault, or as `finish_move`."""
    from ghostie.crypto import keys
    from ghostie.crypto.unlock import Sources, read_key_file
    from ghostie.sync.moving import finish_move

    if desk.layout.next_key.exists():
        finish_move(desk.layout, Sources(ask=lambda prompt: passphrase, environ={}))
    desk.open_with(keys.unwrap(read_key_file(desk.layout), passphrase))


@task
def keys(desk: Desk) -> dict[str, Any]:
    """Return the open vault's keys, for a keeper that is started for one long task."""
    held = desk.vault.keys
    return {"vault": held.vault.hex(), "epochs": {str(epoch): key.hex() for epoch, key in held.epochs.items()}}
