"""Every exit code by a situation that leads to it, and how an error is told: one line, a hint, nothing on standard output."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .device import PASSPHRASE, Device, Done, Scene, flip, interrupt, is_waiting, tree, wait_until
from .story import fight
from .test_usage import told

# the patience of the writers' lock, cut short in the command's own process; the slow test below waits it out
IMPATIENT = """
from ghostie import files
_locked = files.locked
files.locked = lambda path, patience=1.0: _locked(path, min(patience, 0.2))
"""


def failed(done: Done, code: int) -> Done:
    assert (done.code, done.out) == (code, "")
    told(done)
    return done


def test_0_done(laptop: Device) -> None:
    done = laptop("add", "x", code=0)
    assert len(done.out.strip()) == 26
    assert done.err == ""


def test_1_failed(laptop: Device) -> None:
    failed(laptop("show", "zzzz"), 1)
    failed(laptop("undo"), 1)
    failed(laptop("add", ""), 1)
    failed(laptop("add"), 1)
    failed(laptop("init", passphrase=PASSPHRASE), 1)
    memory_id = laptop.add("x")
    failed(laptop("restore", memory_id), 1)
    failed(laptop("sync", "conflict", memory_id), 1)


def test_2_usage(laptop: Device) -> None:
    failed(laptop("nosuch"), 2)
    failed(laptop("sync", "push"), 2)
    failed(laptop("init", "--home", str(laptop.scratch / "new"), passphrase="short"), 2)
    assert not (laptop.scratch / "new").exists()


def test_3_conflicts_remain(pair: Scene) -> None:
    laptop = pair.device("laptop")
    memory_id = fight(pair)
    assert "1 conflict to look at" in laptop("sync", "run", code=3).err
    assert laptop("sync", "status", code=3).out != ""
    assert memory_id[:6] in laptop("sync", "conflict", code=3).out
    failed(laptop("edit", memory_id, "-c", "x"), 3)
    laptop("sync", "conflict", memory_id, "--keep", "mine", code=0)
    assert laptop("sync", "conflict", code=0).out == ""


def test_4_alarm(pair: Scene) -> None:
    laptop, phone = pair.device("laptop"), pair.device("phone")
    laptop.add("one more")
    laptop.ok("sync", "push")
    newest = max((pair.store / "ghostie").rglob("*.seg"), key=lambda path: path.stat().st_mtime_ns)
    flip(newest, 200)
    done = phone("sync", "pull", code=4)
    assert "ghostie: warning: alarm: the log of" in done.err
    assert "laptop" in done.err
    assert failed(laptop("sync", "verify"), 4).err.startswith("ghostie: warning: ")


def test_4_tampering(laptop: Device) -> None:
    memory_id = laptop.add("x")
    flip(laptop.versions()[0])
    assert memory_id in failed(laptop("show", memory_id), 4).err


def test_10_no_vault(laptop: Device) -> None:
    nowhere = str(laptop.scratch / "nowhere")
    for argv in (("list",), ("add", "x"), ("sync", "run"), ("unlock",), ("keys", "passwd"), ("stats",), ("doctor",)):
        done = failed(laptop(*argv, "--home", nowhere, passphrase=PASSPHRASE), 10)
        assert nowhere in done.err
        assert "ghostie init" in done.err
    empty = laptop.scratch / "empty"
    empty.mkdir()
    failed(laptop("sync", "setup", "--home", nowhere, "--path", str(empty), passphrase=PASSPHRASE), 10)
    assert not Path(nowhere).exists()
    assert list(empty.iterdir()) == []


def test_11_busy(laptop: Device) -> None:
    memory_id = laptop.add("x")
    before = tree(laptop.vault)
    with held(laptop.vault / "lock"):
        for argv in (("add", "y"), ("edit", memory_id, "-c", "z"), ("rm", memory_id), ("undo",), ("gc",)):
            failed(laptop(*argv, before=IMPATIENT), 11)
        assert laptop.ok("list", "--json").json()[0]["id"] == memory_id, "readers need no lock"
        assert laptop.ok("search", "x", "--json").json()[0]["id"] == memory_id
    after = tree(laptop.vault)
    assert {name: after[name] for name in before} == before
    laptop.add("y")


def test_11_busy_with_a_sync(pair: Scene) -> None:
    laptop = pair.device("laptop")
    laptop.add("to push")
    with held(laptop.vault / "sync" / "lock"):
        assert "syncing" in failed(laptop("sync", "run", before=IMPATIENT), 11).err
        laptop.add("adding goes on meanwhile")
    laptop.ok("sync", "run")


@pytest.mark.slow
def test_11_after_all_its_patience(laptop: Device) -> None:
    with held(laptop.vault / "lock"):
        failed(laptop("add", "y"), 11)


def test_a_command_waits_for_one_that_is_done_in_time(laptop: Device) -> None:
    with held(laptop.vault / "lock"):
        waiting = laptop.start("add", "patience")
        wait_until(lambda: is_waiting_or_naps(waiting.pid))
        assert waiting.poll() is None
    out, err = waiting.communicate(timeout=20)
    assert (waiting.returncode, err) == (0, b"")
    assert laptop.ids() == {out.decode().strip()}


def is_waiting_or_naps(pid: int) -> bool:
    """Tell whether a process has the lock's file open: it tries the lock again and again."""
    places = Path(f"/proc/{pid}/fd")
    return any(os.path.realpath(place).endswith("/lock") for place in places.iterdir())


@contextmanager
def held(lock: Path) -> Iterator[None]:
    """Hold a lock, as another process of ghostie's would."""
    with lock.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def test_12_wrong_passphrase(fresh: Callable[[], Device]) -> None:
    device = fresh()
    before = tree(device.vault)
    for argv in (("list",), ("add", "x"), ("unlock",), ("keys", "passwd"), ("keys", "recovery"), ("doctor",)):
        done = failed(device(*argv, passphrase="not the passphrase"), 12)
        assert "the passphrase does not open this vault" in done.err
    assert tree(device.vault) == before
    assert device.agents() == []


def test_12_says_the_same_of_a_wrong_passphrase_and_of_tampering(fresh: Callable[[], Device]) -> None:
    device = fresh()
    key_file = device.vault / "keys" / "master.key"
    whole = key_file.read_text()
    said = {device("list", passphrase="not the passphrase").err}
    for field in ("wrapped", "commitment", "salt", "vault"):
        at = whole.index(f'"{field}":"') + len(field) + 4 + 8
        key_file.write_text(whole[:at] + ("0" if whole[at] != "0" else "1") + whole[at + 1 :])
        before = tree(device.vault)
        done = failed(device("list", passphrase=PASSPHRASE), 12)
        said.add(done.err)
        assert tree(device.vault) == before
    assert len(said) == 1


def test_12_no_passphrase(fresh: Callable[[], Device]) -> None:
    device = fresh()
    failed(device("list"), 12)
    failed(device("list", "--passphrase-file", "/nowhere"), 12)
    failed(device("list", "--passphrase-file", os.devnull), 12)
    failed(device("list", env={"GHOSTIE_PASSPHRASE_COMMAND": "false"}), 12)
    failed(device("list", env={"GHOSTIE_PASSPHRASE_COMMAND": "/nowhere/program"}), 12)
    failed(device("list", env={"GHOSTIE_PASSPHRASE_COMMAND": "'unbalanced"}), 12)
    failed(device("list", env={"GHOSTIE_PASSPHRASE_COMMAND": " "}), 12)
    failed(device("list", env={"GHOSTIE_PASSPHRASE_COMMAND": "printf '\\377'"}), 12)


def test_12_another_vault_on_the_store(pair: Scene, template: Path) -> None:
    stranger = Device(pair.device("laptop").scratch / "stranger", "stranger")
    before = tree(pair.store)
    failed(stranger("sync", "setup", "--path", str(pair.store), passphrase="not the passphrase"), 12)
    assert not stranger.vault.exists()
    assert tree(pair.store) == before


def test_20_the_store_is_gone(pair: Scene) -> None:
    laptop = pair.device("laptop")
    laptop.add("to push")
    shutil.rmtree(pair.store)
    for action in ("push", "pull", "run", "verify", "repair", "compact"):
        failed(laptop("sync", action), 20)
    status = laptop("sync", "status", "--json", code=20).json()
    assert (status["reached"], status["ahead"]) == (False, 1)
    assert "not reached" in laptop("sync", "status", code=20).out
    assert laptop.ok("sync", "status", "--offline", "--json").json()["ahead"] == 1
    assert not pair.store.exists(), "a folder that vanished is not made anew"


def test_130_interrupted_while_it_reads_what_to_add(laptop: Device) -> None:
    before = tree(laptop.vault)
    waiting = laptop.start("add")
    assert waiting.stdin is not None
    waiting.stdin.write(b"half a thought")
    waiting.stdin.flush()
    wait_until(lambda: is_waiting(waiting.pid))
    done = interrupt(waiting)
    assert done == Done(130, "", "ghostie: error: interrupted\n")
    assert tree(laptop.vault) == before


def test_130_interrupted_while_it_waits_for_the_lock(laptop: Device) -> None:
    with held(laptop.vault / "lock"):
        waiting = laptop.start("add", "x")
        wait_until(lambda: is_waiting_or_naps(waiting.pid))
        assert interrupt(waiting) == Done(130, "", "ghostie: error: interrupted\n")
    assert laptop.ids() == set()


def test_130_interrupted_at_any_moment_leaves_a_whole_vault(laptop: Device) -> None:
    """Ctrl-C at moments spread over a command's life: it is done or it is not, and nothing half done is left."""
    laptop.add("first")
    codes = []
    for step in range(12):
        running = laptop.start("add", f"number {step}", stdin=None)
        try:
            running.wait(timeout=0.01 * step)
        except Exception:
            running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=20)
        codes.append(running.returncode)
        if running.returncode == 0:
            assert out.decode().strip() in laptop.ids()
    assert laptop("doctor", code=0).out.count("! ") == 0
    assert set(codes) <= {0, 1, 130, -signal.SIGINT}
    assert not list(laptop.vault.rglob(".tmp-*")) or laptop.ok("gc").code == 0
    assert not list(laptop.vault.rglob(".tmp-*"))
