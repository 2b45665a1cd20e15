"""Every command that writes, in a place where it has something to do; what a vault and its store then hold.

A place is a folder with the home of this device, `home`, and of another, `other`, and the folder `store` that both sync
with. All runs in the process of program.py.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ghostie.crypto import keys as keyring
from ghostie.crypto.unlock import Sources
from ghostie.errors import Damaged, GhostieError
from ghostie.files import is_temporary
from ghostie.paths import Layout
from ghostie.sync import engine
from ghostie.sync.link import connect
from ghostie.sync.moving import rotate
from ghostie.sync.setup import set_up, try_out
from ghostie.vault import create_vault, open_vault
from ghostie.vault.query import load_filters, save_filter
from ghostie.vault.vault import Vault

PASSPHRASE, NEW = "four plain words here", "four other words here"
FILTER = "a filter"  # in the place of arguments: saved by the screens, which have no command for it
CANARY = "canary-7b1e"  # is in every memory

Prepare = Callable[[Path], Sequence[str]]


@dataclass(frozen=True)
class Command:
    """A command: *prepare* makes a place for it and returns its arguments.

    Of one that *goes_on*, what was done before a fault stays, and running it again ends where it would have ended.
    """

    prepare: Prepare
    goes_on: bool = False
    stdin: str = ""
    environ: dict[str, str] = field(default_factory=dict)


def opened(place: Path, name: str = "home") -> Vault:
    """Return the vault of a device, its index up to date."""
    for passphrase in (PASSPHRASE, NEW):
        try:
            vault = open_vault(place / name, passphrase=passphrase)
        except GhostieError:
            continue
        vault.refresh()
        return vault
    raise AssertionError("no passphrase opens the vault")


def filled(place: Path) -> Vault:
    """Return a new vault with some history; its memories are one to five, of which five is removed."""
    vault = create_vault(place / "home", passphrase=PASSPHRASE, device_name="laptop", cost=keyring.FLOOR)
    for number in ("one", "two", "three", "four", "five"):
        vault.add(f"{number} {CANARY}", tags=["kept"])
    vault.refresh()
    vault.edit(named(vault, "four"), {"tags": ["kept", "edited"]})
    vault.edit(named(vault, "four"), {"tags": ["edited"]})
    vault.remove([named(vault, "five")])
    vault.refresh()
    vault.search("one")
    return vault


def named(vault: Vault, content: str) -> str:
    """Return the id of the memory whose content begins so."""
    return next(entry.id for entry in vault.index.entries() if entry.excerpt.startswith(content))


def synced(place: Path) -> Vault:
    """Return a vault in step with another over a store; each has something new, and one memory is in conflict."""
    vault = filled(place)
    (place / "store").mkdir()
    tie(place, "home")
    engine.push(connect(opened(place)))
    tie(place, "other")
    other = opened(place, "other")
    engine.pull(connect(other))
    other.edit(named(other, "one"), {"content": f"one theirs {CANARY}"})
    other.edit(named(other, "two"), {"tags": ["theirs"]})
    other.add(f"from the other {CANARY}")
    engine.push(connect(opened(place, "other")))
    vault = opened(place)
    vault.edit(named(vault, "one"), {"content": f"one mine {CANARY}"})
    vault.edit(named(vault, "two"), {"content": f"two mine {CANARY}"})
    vault.purge([named(vault, "four")])
    return vault


def tie(place: Path, name: str) -> None:
    store = try_out("folder", {"path": str(place / "store")}, {})
    set_up(Layout(place / name), store, Sources(environ={"GHOSTIE_PASSPHRASE": PASSPHRASE}), device_name=name)


def in_conflict(place: Path) -> Vault:
    synced(place)
    engine.pull(connect(opened(place)))
    return opened(place)


def _on(prepare: Callable[[Path], Vault], argv: Callable[[Vault], Sequence[str]]) -> Prepare:
    return lambda place: argv(prepare(place))


def _undone(place: Path) -> Sequence[str]:
    filled(place).undo()
    return ("undo", "--redo")


def _importing(place: Path) -> Sequence[str]:
    filled(place)
    lines = [json.dumps({"content": f"brought {number} {CANARY}"}) for number in range(4)]
    (place / "in.jsonl").write_text("\n".join(lines))
    return ("import", str(place / "in.jsonl"))


def _setting_up(place: Path) -> Sequence[str]:
    filled(place)
    (place / "store").mkdir()
    return ("sync", "setup", "--path", str(place / "store"))


def _joining(place: Path) -> Sequence[str]:
    filled(place)
    (place / "store").mkdir()
    tie(place, "home")
    engine.push(connect(opened(place)))
    (place / "home").rename(place / "other")
    return ("sync", "setup", "--path", str(place / "store"))


def _moving_in(place: Path) -> Sequence[str]:
    """A vault of its own that joins another's store, and brings its memories along."""
    _joining(place)
    vault = create_vault(place / "home", passphrase=NEW, device_name="laptop", cost=keyring.FLOOR)
    vault.add(f"brought along {CANARY}")
    vault.refresh()
    vault.edit(named(vault, "brought"), {"tags": ["edited"]})
    return ("sync", "setup", "--path", str(place / "store"))


def _taking_over(place: Path) -> Sequence[str]:
    """Another device has opened a new key, and this one takes it over."""
    synced(place)
    other = opened(place, "other")
    rotate(other.layout, other.keys, PASSPHRASE, keyring.FLOOR)
    engine.push(connect(opened(place, "other")))
    return ("sync", "setup", "--path", str(place / "store"))


def _repairing(place: Path) -> Sequence[str]:
    """The store has lost an object of this device's, and holds one that does not open."""
    synced(place)
    engine.push(connect(opened(place)))
    mine = sorted((place / "store").rglob("*.seg"))
    mine[0].write_bytes(mine[0].read_bytes()[:-1])
    mine[-1].unlink()
    return ("sync", "repair")


def _restoring(place: Path) -> Sequence[str]:
    vault = filled(place)
    (place / "words").write_text(" ".join(keyring.to_words(vault.keys)))
    return ("keys", "restore", "--words-file", str(place / "words"))


def _with_many_segments(place: Path) -> Sequence[str]:
    filled(place)
    (place / "store").mkdir()
    tie(place, "home")
    for number in range(3):
        opened(place).add(f"more {number} {CANARY}")
        engine.push(connect(opened(place)))
    return ("sync", "compact")


def keep_a_filter(home: Path) -> int:
    """Save a filter as the screens do; return the exit code that the error would have."""
    try:
        vault = open_vault(home, passphrase=PASSPHRASE)
        vault.refresh()
        save_filter(vault, 3, "tag:new")
    except GhostieError as error:
        sys.stderr.write(f"{error}\n{error.way_out()}\n")
        return error.exit_code
    return 0


def _with_a_filter(place: Path) -> Sequence[str]:
    save_filter(filled(place), 3, "tag:old")
    return (FILTER,)


COMMANDS: dict[str, Command] = {
    "add": Command(_on(filled, lambda vault: ("add", f"six {CANARY}"))),
    "add from standard input": Command(_on(filled, lambda vault: ("add",)), stdin=f"seven {CANARY}"),
    "edit": Command(_on(filled, lambda vault: ("edit", named(vault, "one"), "-c", "network", "-t", "+new"))),
    "rm": Command(_on(filled, lambda vault: ("rm", named(vault, "one"), named(vault, "two")))),
    "restore": Command(_on(filled, lambda vault: ("restore", named(vault, "five")))),
    "purge": Command(_on(filled, lambda vault: ("purge", "--yes", named(vault, "one"), named(vault, "four")))),
    "undo": Command(_on(filled, lambda vault: ("undo",))),
    "redo": Command(_undone),
    "import": Command(_importing),
    "a filter": Command(_with_a_filter),
    "gc": Command(_on(filled, lambda vault: ("gc", "--history", "1", "--yes"))),
    "keep mine": Command(_on(in_conflict, lambda vault: ("sync", "conflict", named(vault, "one"), "--keep", "mine"))),
    "keep both": Command(_on(in_conflict, lambda vault: ("sync", "conflict", named(vault, "one"), "--keep", "both"))),
    "keys passwd": Command(_on(synced, lambda vault: ("keys", "passwd")), environ={"GHOSTIE_NEW_PASSPHRASE": NEW}),
    "keys restore": Command(_restoring, environ={"GHOSTIE_NEW_PASSPHRASE": NEW}),
    "init": Command(lambda place: ("init", "--device-name", "laptop")),
    "export": Command(_on(filled, lambda vault: ("export", "--force", str(vault.layout.home.parent / "out.jsonl")))),
    "doctor": Command(_on(in_conflict, lambda vault: ("doctor",))),
    "keys rotate": Command(_on(synced, lambda vault: ("keys", "rotate")), goes_on=True),
    "sync setup": Command(_setting_up, goes_on=True),
    "sync setup to join": Command(_joining, goes_on=True),
    "sync setup of a vault that moves": Command(
        _moving_in,
        goes_on=True,
        environ={"GHOSTIE_PASSPHRASE": NEW, "GHOSTIE_STORE_PASSPHRASE": PASSPHRASE},
    ),
    "sync setup to a new key": Command(_taking_over, goes_on=True),
    "sync repair": Command(_repairing, goes_on=True),
    "sync push": Command(_on(synced, lambda vault: ("sync", "push")), goes_on=True),
    "sync pull": Command(_on(synced, lambda vault: ("sync", "pull")), goes_on=True),
    "sync run": Command(_on(synced, lambda vault: ("sync", "run")), goes_on=True),
    "sync compact": Command(_with_many_segments, goes_on=True),
}


# -- what is there ---------------------------------------------------------------------------------------------------


State = dict[str, Any]


def state(place: Path) -> State:
    """Return what a person can find out about this device's vault, but for ids and times."""
    if not (place / "home" / "keys" / "master.key").exists():
        return {}
    if (place / "home" / "keys" / "next.key").exists():
        return {"quarantine": [], "moving": True}
    vault = opened(place)
    memories = sorted(sorted(_said(vault, entry.stem(head)) for head in entry.heads) for entry in vault.index.entries())
    versions = sum(len(entry.versions) for entry in vault.index.entries())
    return {
        "memories": memories,
        "versions": versions,
        "filters": load_filters(vault),
        "epoch": vault.keys.current,
        "passphrase": _opens(vault.layout.master_key),
        "the store's next passphrase": _opens(vault.layout.pending_key),
        # without what `doctor` wrote there to try it, and could not delete: nothing was set aside by that
        "quarantine": sorted(each.name for each in vault.layout.quarantine.iterdir() if not is_temporary(each.name)),
        "exported": sorted(line for file in place.glob("out.jsonl") for line in file.read_text().splitlines()),
    }


def _said(vault: Vault, stem: str) -> str:
    try:
        version = vault.files.read(stem)
    except Damaged:
        return "damaged"
    shown = version.shown()
    return json.dumps([shown["content"], shown["tags"], shown["category"], shown["status"], version.deleted])


def _opens(path: Path) -> str:
    """Return which passphrase opens a key file."""
    if not path.exists():
        return ""
    file = keyring.parse(path.read_bytes())
    for passphrase in (PASSPHRASE, NEW):
        try:
            keyring.unwrap(file, passphrase)
        except GhostieError:
            continue
        return passphrase
    return "none"
