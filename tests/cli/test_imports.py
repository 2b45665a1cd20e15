"""What a command does not need it does not load: looked at in the process that ran it."""

from __future__ import annotations

import json

import pytest

from .device import Device

pytestmark = pytest.mark.versions

HEAVY = {"textual", "rich", "requests", "nacl", "tinydb", "orjson", "sqlite3", "keyring", "mnemonic", "platformdirs"}

# prints what is loaded when the command is done, on a line of its own
LISTING = """
import atexit, json, sys
atexit.register(lambda: sys.stderr.write("\\nloaded " + json.dumps(sorted(sys.modules)) + "\\n"))
"""


def loaded(device: Device, *argv: str) -> set[str]:
    """Run a command that must succeed; return the names of all modules that were loaded in its process."""
    done = device(*argv, before=LISTING, code=0)
    line = done.err.splitlines()[-1]
    return set(json.loads(line.removeprefix("loaded ")))


@pytest.mark.parametrize(
    "argv", [("--version",), ("--help",), ("list", "--help"), ("sync", "--help"), ("completion", "bash")]
)
def test_what_needs_no_vault_loads_nothing_heavy(argv: tuple[str, ...], laptop: Device) -> None:
    modules = loaded(laptop, *argv)
    assert not modules & HEAVY
    assert not modules & {"ghostie.vault", "ghostie.crypto", "ghostie.sync", "subprocess", "socket", "ssl", "asyncio"}


def test_add_loads_neither_the_index_nor_the_search_nor_the_network(laptop: Device) -> None:
    modules = loaded(laptop, "add", "x")
    assert not modules & {"tinydb", "sqlite3", "requests", "textual", "rich", "ssl", "asyncio", "mnemonic", "keyring"}
    assert not modules & {"ghostie.vault.index", "ghostie.vault.search", "ghostie.vault.merge", "ghostie.sync"}
    assert {"ghostie.vault.vault", "ghostie.crypto.sealing"} <= modules


def test_list_loads_neither_the_search_nor_the_network(laptop: Device) -> None:
    laptop.add("x")
    modules = loaded(laptop, "list")
    assert not modules & {"sqlite3", "requests", "textual", "rich", "ssl", "asyncio", "mnemonic", "keyring"}
    assert "ghostie.sync" not in modules
    assert "tinydb" in modules, "the index is TinyDB's"


def test_search_loads_sqlite_and_no_network(laptop: Device) -> None:
    laptop.add("x")
    modules = loaded(laptop, "search", "x")
    assert "sqlite3" in modules
    assert not modules & {"requests", "textual", "rich", "ssl", "asyncio"}


def test_without_a_vault_a_command_ends_before_anything_heavy(laptop: Device) -> None:
    done = laptop("list", "--home", str(laptop.scratch / "nowhere"), before=LISTING, code=10)
    modules = set(json.loads(done.err.splitlines()[-1].removeprefix("loaded ")))
    assert not modules & {"sqlite3", "requests", "textual", "rich", "ssl"}
