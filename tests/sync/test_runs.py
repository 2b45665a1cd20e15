"""What is kept of how syncs went: failures are counted until one is good, and the log stays small."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ghostie.errors import AuthFailed, GhostieError, StoreRefused, Throttled, Unreachable, UsageError
from ghostie.paths import Layout
from ghostie.sync import engine, runs
from ghostie.sync.link import Link, SyncBusy
from ghostie.sync.runs import FIRST_PAUSE, LOG_LIMIT, LONGEST_PAUSE, Record, load, recorded, tail

from .world import START, World

pytestmark = pytest.mark.versions

HOUR = 3_600_000


def fail(layout: Layout, error: Exception, *, scheduled: bool = False, at: int = START) -> None:
    """Let one sync end with *error*."""
    with pytest.raises(type(error)), recorded(layout, scheduled=scheduled, clock=lambda: at):
        raise error


def pull(link: Link) -> None:
    with recorded(link.vault.layout, clock=lambda: START) as moved:
        moved.pulled(engine.pull(link))


def test_failures_are_counted_until_a_sync_reaches_the_store(world: World, phone: Link) -> None:
    layout = phone.vault.layout
    assert load(layout) == Record()
    pull(phone)
    assert load(layout).sentence(START) is None
    for at in (1, 2):
        fail(layout, Unreachable(why="no route"), at=START + at * HOUR)
    fail(layout, Throttled(why="slow down"), scheduled=True, at=START + 3 * HOUR)
    record = load(layout)
    said = record.sentence(START + 3 * HOUR)
    assert said == "last good sync 3 h ago, 3 failures: the store asks to wait: slow down"
    assert (record.since, record.code) == (START + HOUR, 22)
    assert record.scheduled == record.last and record.last is not None and record.last.outcome == "failed"
    pull(phone)
    record = load(layout)
    assert (record.failures, record.sentence(START), record.good) == (0, None, START)
    assert record.scheduled is not None and record.scheduled.time == START + 3 * HOUR, "that one is still told"


def test_a_vault_that_never_synced_says_so(layout: Layout) -> None:
    fail(layout, Unreachable(why="no route"))
    assert load(layout).sentence(START) == "no good sync yet, 1 failure: the store cannot be reached: no route"


def test_a_push_that_had_nothing_to_send_proves_nothing(phone: Link) -> None:
    layout = phone.vault.layout
    fail(layout, Unreachable(why="no route"))
    for _ in range(2):
        with recorded(layout) as moved:
            moved.pushed(engine.push(phone))
    assert load(layout).failures == 1
    phone.vault.add("x")
    with recorded(layout) as moved:
        moved.pushed(engine.push(phone))
    assert load(layout).failures == 0


@pytest.mark.parametrize("error", [SyncBusy(), UsageError("no")])
def test_what_is_no_failure_is_not_counted(error: GhostieError, layout: Layout) -> None:
    fail(layout, error, scheduled=True)
    record = load(layout)
    assert record.failures == 0
    assert (record.last is not None) is isinstance(error, SyncBusy)
    assert [line.split()[2] for line in tail(layout)] == (["skipped"] if record.last else [])


def test_a_dry_run_leaves_no_trace(phone: Link) -> None:
    before = sorted(phone.vault.layout.sync.iterdir())
    with recorded(phone.vault.layout, dry_run=True) as moved:
        moved.pulled(engine.pull(phone, dry_run=True))
    assert not set(phone.vault.layout.sync.iterdir()) - {*before, phone.vault.layout.sync_lock}


def test_an_alarm_is_a_failure_and_so_is_a_fault_of_ours(world: World, phone: Link, laptop: Link) -> None:
    laptop.vault.add("one")
    engine.push(laptop)
    pull(phone)
    for name in world.names():
        world.store.write({}, [name.key])
    pull(phone)
    record = load(phone.vault.layout)
    assert (record.failures, record.code) == (1, 4)
    assert f"alarm: the log of writer {laptop.vault.device.writer} ends earlier" in str(record.error)
    assert b"laptop" not in phone.vault.layout.runs_log.read_bytes() + phone.vault.layout.runs.read_bytes()
    fail(phone.vault.layout, ZeroDivisionError("secret"))
    assert load(phone.vault.layout).error == "a fault in ghostie (ZeroDivisionError)"


def test_after_several_refusals_the_schedule_waits_longer_and_longer(layout: Layout) -> None:
    at, pauses = START, []
    for _ in range(12):
        fail(layout, AuthFailed(why="401"), scheduled=True, at=at)
        record = load(layout)
        if record.pause is not None:
            pauses.append(record.pause - at)
            assert record.holds_back(layout, at + 1000)
            assert not record.holds_back(layout, record.pause)
            at = record.pause
    assert pauses[0] == pytest.approx(FIRST_PAUSE, abs=60_000)
    assert pauses[1] == pytest.approx(2 * FIRST_PAUSE, abs=60_000)
    assert pauses[-1] == pytest.approx(LONGEST_PAUSE, abs=60_000)
    assert len(pauses) == 10, "the first two are tried again at once"


def test_what_was_changed_here_ends_the_wait(layout: Layout) -> None:
    layout.sync_config.write_bytes(b"{}")
    os.utime(layout.sync_config, (START / 1000 - 9, START / 1000 - 9))
    for _ in range(3):
        fail(layout, StoreRefused(why="no"), at=START)
    assert load(layout).holds_back(layout, START + 60_000)
    os.utime(layout.sync_config, (START / 1000 + 60, START / 1000 + 60))
    assert not load(layout).holds_back(layout, START + 120_000)


def test_a_store_that_is_only_away_is_tried_every_time(layout: Layout) -> None:
    for _ in range(20):
        fail(layout, Unreachable(why="no route"))
    assert not load(layout).holds_back(layout, START + 1000)
    for _ in range(3):
        fail(layout, Unreachable(why="certificate", lasting=True))
    assert load(layout).holds_back(layout, START + 1000)


def test_a_clock_that_was_far_ahead_holds_nothing_back(layout: Layout) -> None:
    for _ in range(3):
        fail(layout, AuthFailed(why="401"), at=START + 3650 * 24 * HOUR)
    assert not load(layout).holds_back(layout, START)


def test_the_log_is_bounded_and_keeps_the_newest(layout: Layout) -> None:
    line = "2025-01-01T00:00:00.000Z  scheduled  ok       0.1 s  " + "x" * 60 + "\n"
    layout.runs_log.write_text(line * (LOG_LIMIT // len(line)))
    for count in range(3):
        fail(layout, Unreachable(why=f"number {count}"))
    assert LOG_LIMIT // 4 < layout.runs_log.stat().st_size <= LOG_LIMIT
    kept = layout.runs_log.read_text().splitlines(keepends=True)
    assert set(kept[:-3]) == {line}, "each line is whole"
    assert [each.split()[-1] for each in tail(layout, 3)] == ["0", "1", "2"]
    layout.runs_log.write_bytes(b"x" * (3 * LOG_LIMIT))
    fail(layout, Unreachable(why="again"))
    assert len(tail(layout)) == 1


def test_what_a_store_says_is_one_line_and_not_long(layout: Layout) -> None:
    fail(layout, StoreRefused(why="no\n2025 ok \x1b[31m" + "long " * 500))
    (line,) = tail(layout)
    assert len(line) < 400 and "\x1b" not in line
    assert layout.runs_log.read_text().count("\n") == 1


def damaged() -> list[Callable[[Path], object]]:
    return [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\x00\xff"),
        lambda path: path.write_text("[]"),
        lambda path: path.write_text('{"format": 2, "last": null, "scheduled": null}'),
        lambda path: path.write_text('{"format": 1, "last": 3, "scheduled": null}'),
        lambda path: path.write_text('{"format": 1, "last": null, "scheduled": null, "good": "x"}'),
        lambda path: path.write_text('{"format": 1, "last": null, "scheduled": null, "failures": null}'),
        lambda path: path.write_text('{"format": 1, "last": null, "scheduled": null, "odd": 1}'),
        lambda path: path.symlink_to("/etc/hostname"),
    ]


@pytest.mark.parametrize("damage", damaged())
def test_a_damaged_record_is_begun_anew(damage: Callable[[Path], object], layout: Layout) -> None:
    damage(layout.runs)
    assert load(layout) == Record()
    fail(layout, Unreachable(why="no route"))
    assert load(layout).failures == 1


def test_what_cannot_be_written_does_not_hide_how_the_sync_went(layout: Layout) -> None:
    layout.runs_lock.mkdir()
    fail(layout, Unreachable(why="no route"))
    assert load(layout) == Record()


def test_a_sync_that_is_in_time_is_left_alone(layout: Layout) -> None:
    with runs.bounded(layout, 60, lambda error: pytest.fail(str(error))):
        pass
    assert load(layout) == Record()
