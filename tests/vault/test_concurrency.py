"""Real processes on one vault at once."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import ghostie
from ghostie import files
from ghostie.crypto.sealing import Keys
from ghostie.errors import VaultBusy
from ghostie.vault.vault import Vault
from tests.patience import without_waiting

from .house import picture, rebuilt, reopened

pytestmark = pytest.mark.versions

OPENING = """
import sys
from pathlib import Path
from ghostie.crypto.sealing import Keys
from ghostie.paths import Layout
from ghostie.vault.device import Device
from ghostie.vault.vault import Vault

home, name, number = sys.argv[1:4]
vault_id, master = (bytes.fromhex(word) for word in sys.stdin.readline().split())
vault = Vault(Layout(Path(home)), Keys(vault_id, {1: master}), Device("0" * 16, name), patience=60.0)
"""

ADDER = """
for count in range(int(number)):
    vault.add(f"{name} {count}")
"""

EDITOR = """
for count in range(int(number)):
    vault.refresh()
    for entry in vault.select()[:1]:
        vault.edit(entry.id, {"content": f"{name} {count}"})
"""

READER = """
print("ready", flush=True)
import select
least = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    vault.refresh()
    assert len(vault.index) >= least, "a memory vanished"
    least = len(vault.index)
    assert not vault.index.damaged, vault.index.damaged
    for entry in vault.select(limit=3):
        vault.shown(entry)
    vault.search("0")
print(least)
"""

HOLDER = """
with vault.writing():
    print("held", flush=True)
    sys.stdin.read()
"""


def start(vault: Vault, script: str, name: str, number: int = 0) -> subprocess.Popen[str]:
    """Start a process of its own on *vault*; the keys go in by standard input."""
    process = subprocess.Popen(
        [sys.executable, "-c", OPENING + script, str(vault.layout.home), name, str(number)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(ghostie.__file__).parent.parent,
    )
    keys: Keys = vault.keys
    assert process.stdin is not None
    process.stdin.write(f"{keys.vault.hex()} {keys.epochs[1].hex()}\n")
    process.stdin.flush()
    return process


def finished(process: subprocess.Popen[str]) -> str:
    """Let a process come to its end, and see that nothing went wrong in it."""
    out, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")
    return out


def test_of_a_thousand_memories_that_four_processes_add_at_once_a_thousand_are_there(vault: Vault) -> None:
    reader = start(vault, READER, "reader")
    assert reader.stdout is not None
    assert reader.stdout.readline() == "ready\n"
    for adder in [start(vault, ADDER, f"adder{number}", 250) for number in range(4)]:
        finished(adder)
    finished(reader)
    again = reopened(vault)
    texts = {str(again.shown(entry).field("content")) for entry in again.select()}
    assert texts == {f"adder{number} {count}" for number in range(4) for count in range(250)}
    assert len(again.index) == 1000
    assert not again.index.damaged
    assert picture(again) == rebuilt(again)
    assert [operation.what for operation in again.operations.all()] == ["add"] * 1000


def test_edits_of_one_memory_by_several_processes_make_one_line_of_versions(vault: Vault) -> None:
    memory = vault.add("start")
    for editor in [start(vault, EDITOR, f"editor{number}", 25) for number in range(3)]:
        finished(editor)
    again = reopened(vault)
    entry = again.find(memory.id)
    assert not entry.in_conflict
    assert [version.number for version in again.history(entry)] == list(range(76, 0, -1))


def test_a_dead_holders_lock_is_free_at_once(vault: Vault) -> None:
    holder = start(vault, HOLDER, "holder")
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    impatient = Vault(vault.layout, vault.keys, vault.device, patience=0.05)
    with pytest.raises(VaultBusy):
        impatient.add("too early")
    impatient.refresh()
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    with without_waiting():
        impatient.add("now")
    assert vault.layout.lock.exists()


def test_while_one_writes_others_read_without_waiting(vault: Vault) -> None:
    vault.add("there")
    with files.locked(vault.layout.lock), without_waiting():
        other = reopened(vault)
        assert len(other.select()) == 1
        assert len(other.search("there")) == 1
        other.close()
