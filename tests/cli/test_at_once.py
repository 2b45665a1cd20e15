"""Several processes at once: what each of them was told is done is there."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from .device import GHOSTIE, Device, Scene


def adding(device: Device, who: int, count: int) -> list[str]:
    """Add *count* memories, one command each; return the ids that were printed."""
    return [device.add(f"number {number} of {who}", "-t", f"w{who}") for number in range(count)]


def test_four_processes_add_fifty_each_while_others_read(laptop: Device) -> None:
    with ThreadPoolExecutor(5) as threads:
        writers = [threads.submit(adding, laptop, who, 50) for who in range(4)]
        reads = itertools.cycle(("list", "search number", "undo --list", "stats", "list --json"))
        while not all(writer.done() for writer in writers):
            laptop.ok(*next(reads).split())
            time.sleep(0.1)
        printed = [memory_id for writer in writers for memory_id in writer.result()]
    assert len(set(printed)) == 200
    assert laptop.ids() == set(printed)
    assert len(laptop.ok("undo", "--list", "--json").json()) == 200
    assert "! " not in laptop.ok("doctor").out


def test_changes_at_once_to_the_same_memory_lose_nothing(laptop: Device) -> None:
    memory_id = laptop.add("shared")

    def tag(who: int) -> None:
        for number in range(8):
            laptop.ok("edit", memory_id, "-t", f"+t{who}-{number}")

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(tag, range(3)))
    assert len(laptop.ok("show", memory_id, "--json").json()["tags"]) == 24


def test_syncs_and_adds_at_once_leave_both_devices_the_same(pair: Scene) -> None:
    laptop, phone = pair.device("laptop"), pair.device("phone")

    def work(device: Device) -> None:
        for number in range(6):
            device.add(f"{device.name} {number}")
            assert device("sync", "run").code == 0

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(work, (laptop, phone)))
    for device in (laptop, phone, laptop):
        device.ok("sync", "run")
    assert laptop.ids() == phone.ids()
    assert len(laptop.ids()) == 14
    laptop.ok("sync", "verify")


def test_a_holder_that_was_killed_holds_up_nobody(laptop: Device) -> None:
    lock = laptop.vault / "lock"
    laptop.add("first")
    holding = f"import fcntl, time; f = open({str(lock)!r}); fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", holding], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    with holder.stdout:
        holder.stdout.readline()
        waiting = subprocess.Popen(
            [*GHOSTIE, "add", "second"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=laptop.environment()
        )
        holder.kill()
        holder.wait()
        assert waiting.wait(timeout=10) == 0
    assert len(laptop.ids()) == 2
