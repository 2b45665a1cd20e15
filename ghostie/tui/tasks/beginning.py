"""The first run: a vault made or joined, its store, its recovery words, and something to play with; step by step."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ghostie.tui.tasks import task

if TYPE_CHECKING:
    from ghostie.crypto.unlock import Sources
    from ghostie.sync.setup import Place, SetUp
    from ghostie.tui.desk import Desk

LEFT = ("words", "store", "examples")  # what is still to be asked once there is a vault, in this order
EXAMPLES = Path(__file__).resolve().parents[1] / "examples.jsonl"


@task
def begin(desk: Desk) -> dict[str, Any]:
    """Return what the first questions need: where the vault will be, and what this device may be called."""
    from ghostie.vault.device import default_name

    return {"home": str(desk.layout.home), "device": default_name()}


@task
def left(desk: Desk) -> list[str]:
    """Return what of a first run is still to be asked; nothing where there was none, or it is over."""
    from ghostie import codec, files
    from ghostie.errors import BadJson, CannotRead

    with contextlib.suppress(FileNotFoundError, CannotRead, BadJson, TypeError, AttributeError):
        named = codec.loads(files.read(desk.layout.first_run, 1 << 12)).get("left")
        return [each for each in LEFT if each in named]
    return []


@task
def answered(desk: Desk, step: str) -> list[str]:
    """Note that *step* was answered; return what is left."""
    return _note(desk, [each for each in left(desk) if each != step])


@task
def over(desk: Desk) -> None:
    """Ask nothing more of a first run."""
    _note(desk, [])


def _note(desk: Desk, steps: list[str]) -> list[str]:
    from ghostie import codec, files

    if steps:
        files.write_durably(desk.layout.first_run, codec.dumps({"left": steps}) + b"\n")
    else:
        files.remove_durably([desk.layout.first_run])
    return steps


@task
def make(desk: Desk, passphrase: str, device: str) -> list[str]:
    """Make the vault and keep it open; return what is left to be asked.

    Raises VaultExists, BadHome, WeakPassphrase, CannotWrite or UsageError.
    """
    from ghostie.vault import create_vault

    vault = create_vault(desk.layout.home, passphrase=passphrase, device_name=device or None)
    desk.open_with(vault.keys)
    return _note(desk, list(LEFT))


@task
def words(desk: Desk) -> list[str]:
    """Return the 24 words that open the vault without the passphrase."""
    from ghostie.crypto.keys import to_words

    return to_words(desk.vault.keys)


@task
def stores(desk: Desk) -> dict[str, list[dict[str, Any]]]:
    """Return what each kind of store is asked for: its credentials, from the registry of stores."""
    from ghostie.backends.store import REGISTRY

    return {
        name: [{"name": secret.name, "words": secret.words} for secret in backend.secrets if secret.needed]
        for name, backend in REGISTRY.items()
    }


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
) -> dict[str, Any]:
    """Try a store out and tie this vault to it, or join the one that is there; *own* is this vault's passphrase.

    Raises as `try_out` and `set_up`.
    """
    from ghostie.sync.setup import set_up, try_out

    given = {name: value for name, value in options.items() if value}
    if "path" in given:
        given["path"] = str(Path(given["path"]).expanduser().absolute())
    place = try_out(backend, given, {name: value for name, value in credentials.items() if value})
    done = set_up(desk.layout, place, _sources(own or passphrase, passphrase), device_name=device or None, again=again)
    return _tied(desk, place, done)


@task
def join(desk: Desk, code: str, passphrase: str, own: str = "", device: str = "", path: str = "") -> dict[str, Any]:
    """Join the vault that *code* invites to; *own* is the passphrase of the vault that is here. As `pairing.join`."""
    from ghostie.sync import pairing

    ways = {"path": str(Path(path).expanduser().absolute())} if path else {}
    sources = _sources(own or passphrase, passphrase)
    place, done = pairing.join(desk.layout, code, sources, ways=ways, device_name=device or None)
    return _tied(desk, place, done)


@task
def check_code(desk: Desk, code: str) -> None:
    """Raise BadInvitation, NewerFormat or InvitationExpired for a code that cannot be used."""
    import time

    from ghostie.errors import InvitationExpired
    from ghostie.memory import local
    from ghostie.sync import pairing

    whole = pairing.read(code)
    if time.time() > whole.until * 60:
        raise InvitationExpired(until=local(whole.until * 60_000))


def _sources(passphrase: str, of_store: str) -> Sources:
    from ghostie.crypto.unlock import Sources

    return Sources(ask=lambda prompt: passphrase, environ={"GHOSTIE_STORE_PASSPHRASE": of_store})


def _tied(desk: Desk, place: Place, done: SetUp) -> dict[str, Any]:
    desk.open_with(done.vault.keys)  # another vault's, where it joined one
    if done.joined and "words" in (rest := left(desk)):
        _note(desk, [each for each in rest if each != "words"])
    return {
        "backend": place.backend,
        "joined": done.joined,
        "brought": done.brought,
        "device": done.vault.device.name,
        "left": left(desk),
    }


@task
def examples(desk: Desk) -> int:
    """Bring in a handful of memories to play with, into the inbox; one undo takes them back. Return how many."""
    from ghostie.vault.exchange import import_paths

    return len(import_paths(desk.vault, [EXAMPLES]).taken.added)
