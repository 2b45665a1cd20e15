"""Syncs without a person: scheduled, run as the scheduler runs them, counted and told."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.schedulers import stand_in

from .device import PASSPHRASE, PATIENCE, Device, Done, Scene

CANARY = "Zyzzyva-Quokka-48"


@pytest.fixture
def cron(pair: Scene) -> dict[str, str]:
    """An environment in which the only scheduler is a crontab, an empty one."""
    folder = pair.folder / "tools"
    shutil.rmtree(folder, ignore_errors=True)
    return {"PATH": stand_in(folder, "crontab")}


def passphrase_file(device: Device, passphrase: str = PASSPHRASE) -> str:
    path = device.scratch / "pass word's"
    path.write_text(passphrase + "\n")
    path.chmod(0o600)
    return str(path)


def crontab(pair: Scene) -> list[str]:
    kept = pair.folder / "tools" / "crontab.kept"
    return kept.read_text().splitlines() if kept.exists() else []


def as_cron_runs_it(device: Device, line: str) -> Done:
    """Run a line of the crontab at once: by /bin/sh, with cron's environment, no terminal and nothing to read."""
    command = re.sub(r"--scheduled \d+", "--scheduled 0", line.split(" ", 5)[5].replace("\\%", "%"))
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={"HOME": str(device.folder), "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh", "LOGNAME": "somebody"},
        cwd=device.folder,
        start_new_session=True,
        timeout=PATIENCE,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def test_the_lines_that_were_installed_bring_two_devices_into_step(pair: Scene, cron: dict[str, str]) -> None:
    """One has its passphrase from a file and no agent; the other has an agent alone, and the person insisted."""
    laptop, phone = pair.device("laptop"), pair.device("phone")
    phone.end_agent()
    phone("sync", "auto", "--every", "15m", "--passphrase-file", passphrase_file(phone), env=cron, code=0)
    laptop("--sync", "auto", "--every", "1h", "--anyway", env=cron, code=0)
    (on_laptop, on_phone) = crontab(pair)
    memory_id = laptop.add(f"said on the laptop {CANARY}")
    for device, line in ((laptop, on_laptop), (phone, on_phone)):
        assert as_cron_runs_it(device, line) == Done(0, "", ""), "nothing is said where all is well"
    assert laptop.vault.joinpath("sync/runs.log").read_text().splitlines()[-1].endswith("s  pushed 1")
    assert phone.vault.joinpath("sync/runs.log").read_text().splitlines()[-1].endswith("s  pulled 1")
    shown = phone.ok("show", memory_id, passphrase=PASSPHRASE)
    assert CANARY in shown.out
    record = phone("sync", "auto", "--json", env=cron, code=0).json()
    assert (record["installed"], record["every"], record["key"], record["active"]) == ("cron", 900, "file", True)
    assert (record["last_run"]["outcome"], record["failures"], record["failure"]) == ("ok", 0, None)
    kept = "".join([on_laptop, on_phone])
    for device in (laptop, phone):
        kept += "".join(path.read_text() for path in device.vault.joinpath("sync").glob("runs.*"))
    assert CANARY not in kept and PASSPHRASE not in kept


def test_a_schedule_is_replaced_shown_and_ended_for_its_vault_alone(pair: Scene, cron: dict[str, str]) -> None:
    laptop, phone = pair.device("laptop"), pair.device("phone")
    (pair.folder / "tools" / "crontab.kept").write_text("# mine\n1 2 * * * x\n")
    for every, device in (("15m", laptop), ("30m", phone), ("20min", laptop)):
        device("sync", "auto", "--every", every, "--anyway", env=cron, code=0)
    assert len(crontab(pair)) == 4
    shown = laptop("sync", "auto", "status", env=cron, code=0).out
    assert "every 20 min, by a line in the crontab\nkey        only while `ghostie unlock` holds the key\n" in shown
    assert "none yet" in shown
    assert laptop("sync", "auto", "off", "--json", env=cron, code=0).json() == {"removed": ["cron"]}
    assert "schedule   none" in laptop("sync", "auto", env=cron, code=0).out
    assert phone("sync", "auto", "--json", env=cron, code=0).json()["every"] == 1800
    shutil.rmtree(phone.vault)
    assert phone("sync", "auto", "off", env=cron, code=0).err == "removed a line in the crontab\n"
    assert crontab(pair) == ["# mine", "1 2 * * * x"]
    assert laptop("sync", "auto", "off", env=cron, code=0).err == "there was no schedule\n"


def test_another_scheduler_takes_the_place_of_the_one_before(pair: Scene, cron: dict[str, str]) -> None:
    laptop = pair.device("laptop")
    laptop("sync", "auto", "--every", "15m", "--anyway", env=cron, code=0)
    stand_in(pair.folder / "tools", "systemctl", "termux-job-scheduler")
    for kind in ("systemd", "android", "cron"):
        laptop("sync", "auto", "--every", "30m", "--with", kind, "--anyway", env=cron, code=0)
        assert laptop("sync", "auto", "--json", env=cron, code=0).json()["installed"] == kind
        units = len(list((laptop.folder / ".config/systemd/user").glob("ghostie-sync-*")))
        there = (len(crontab(pair)), units, (laptop.vault / "sync/job.sh").exists())
        assert there == (kind == "cron", 2 * (kind == "systemd"), kind == "android")
    laptop("sync", "auto", "--every", "30m", "--anyway", env=cron, code=0)
    record = laptop("sync", "auto", "--json", env=cron, code=0).json()
    assert (record["installed"], record["network"], record["power"]) == ("android", "unmetered", "not-low")
    wants = ("--network", "any", "--power", "any")
    laptop("sync", "auto", "--every", "30m", "--anyway", *wants, env=cron, code=0)
    record = laptop("sync", "auto", "--json", env=cron, code=0).json()
    assert (record["network"], record["power"]) == ("any", "any")
    laptop("sync", "auto", "off", env=cron, code=0)


# -- what opens the vault --------------------------------------------------------------------------------------------


def test_without_anything_that_opens_the_vault_there_is_no_schedule(pair: Scene, cron: dict[str, str]) -> None:
    """An agent forgets, and what stands in this shell's environment does not stand in the schedule's."""
    done = pair.device("laptop")("sync", "auto", "--every", "15m", env=cron, passphrase=PASSPHRASE, code=12)
    assert "nothing would open this vault" in done.err
    assert "--passphrase-file" in done.err and "--anyway" in done.err
    assert crontab(pair) == []


def test_what_does_not_open_the_vault_is_refused_at_once(pair: Scene, cron: dict[str, str]) -> None:
    laptop = pair.device("laptop")
    every = ("sync", "auto", "--every", "15m", "--anyway")
    wrong = laptop(*every, "--passphrase-file", passphrase_file(laptop, "wrong"), env=cron, code=12)
    assert "does not open this vault" in wrong.err
    absent = laptop(*every, "--passphrase-file", str(laptop.scratch / "nowhere"), env=cron, code=12)
    assert "cannot be read" in absent.err
    shows = {"GHOSTIE_PASSPHRASE_COMMAND": f"printf '{PASSPHRASE}'"}
    assert "the command itself shows it" in laptop(*every, env={**cron, **shows}, code=12).err
    assert crontab(pair) == []


def test_a_passphrase_command_goes_into_the_job_and_opens_the_vault_there(pair: Scene, cron: dict[str, str]) -> None:
    laptop = pair.device("laptop")
    command = {"GHOSTIE_PASSPHRASE_COMMAND": f'cat "{passphrase_file(laptop)}"'}
    laptop("sync", "auto", "--every", "15m", env={**cron, **command}, code=0)
    (line,) = crontab(pair)
    assert PASSPHRASE not in line
    laptop.end_agent()
    assert as_cron_runs_it(laptop, line) == Done(0, "", "")
    assert laptop("sync", "auto", "--json", env=cron, code=0).json()["key"] == "command"


def test_a_passphrase_file_that_others_may_read_is_named(pair: Scene, cron: dict[str, str]) -> None:
    laptop = pair.device("laptop")
    path = passphrase_file(laptop)
    os.chmod(path, 0o644)
    done = laptop("sync", "auto", "--every", "15m", "--passphrase-file", path, env=cron, code=0)
    assert f"warning: other users may read {path}" in done.err


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("--every", "soon"), "not a length of time"),
        (("--every", "0m"), "not a length of time"),
        (("--every", "30s"), "as short as 1 min"),
        (("--every", "8d"), "as long as 7 d"),
        (("--every", "45m"), "cron cannot do that"),
        (("--every", "15m", "--network", "unmetered"), "cron knows nothing"),
        (("--every", "15m", "--with", "systemd"), "no systemctl"),
        (("--every", "15m", "off"), "do not go together"),
        (("--with", "cron"), "how often?"),
    ],
)
def test_what_cannot_be_is_refused(argv: tuple[str, ...], says: str, pair: Scene, cron: dict[str, str]) -> None:
    done = pair.device("laptop")("sync", "auto", *argv, "--anyway", env=cron)
    assert done.code in (1, 2) and says in done.err
    assert crontab(pair) == []


def test_a_vault_without_a_store_cannot_be_scheduled(laptop: Device, tmp_path: Path) -> None:
    path = stand_in(tmp_path / "tools", "crontab")
    done = laptop("sync", "auto", "--every", "15m", "--anyway", env={"PATH": path}, code=2)
    assert "no store" in done.err


# -- a scheduled run -------------------------------------------------------------------------------------------------


def test_failures_are_counted_shown_and_said_once(pair: Scene) -> None:
    laptop = pair.device("laptop")
    laptop.ok("sync", "run", "--scheduled")
    away = pair.folder / "away"
    pair.store.rename(away)
    first, *more = [laptop("sync", "run", "--scheduled", code=20) for _ in range(3)]
    assert first.err.startswith("ghostie: error: the store cannot be reached")
    assert [done.err for done in more] == ["", ""]
    assert laptop("sync", "pull", code=20).err != "", "a person is always told"
    for code, status in ((20, ("sync", "status")), (0, ("sync", "status", "--offline")), (0, ("sync", "auto"))):
        shown = laptop(*status, code=code).out
        assert re.search(r"failing    last good sync \d+ \w+ ago, 4 failures: the store cannot be reached", shown)
    record = laptop.ok("sync", "status", "--json", "--offline").json()
    assert (record["failures"], record["last_good"] is not None) == (4, True)
    away.rename(pair.store)
    assert laptop.ok("sync", "status", "--json").json()["failures"] == 4, "looking is not syncing"
    laptop.ok("sync", "run")
    assert laptop.ok("sync", "status", "--json").json()["failures"] == 0
    assert "failing" not in laptop.ok("sync", "status").out


def test_a_vault_that_is_being_synced_is_skipped(pair: Scene) -> None:
    laptop = pair.device("laptop")
    with (laptop.vault / "sync" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        hasty = "from ghostie.sync.link import Link; Link.__init__.__kwdefaults__['patience'] = 0.1"
        assert laptop("sync", "run", "--scheduled", before=hasty, code=0) == Done(0, "", "")
    said = laptop.vault.joinpath("sync/runs.log").read_text().splitlines()[-1]
    assert "  scheduled  skipped  " in said and said.endswith("  another ghostie process is syncing this vault")
    assert laptop.ok("sync", "status", "--json").json()["failures"] == 0


def test_a_run_that_hangs_is_ended_and_counted(pair: Scene) -> None:
    """The passphrase is to come from a pipe into which nobody writes."""
    laptop = pair.device("laptop")
    laptop.end_agent()
    pipe = laptop.scratch / "pipe"
    os.mkfifo(pipe)
    soon = "import ghostie.cli.automatic; ghostie.cli.automatic.DEADLINE = 0.5"
    done = laptop("sync", "run", "--scheduled", "--passphrase-file", str(pipe), before=soon, code=20)
    assert "was not done after 1 min and was given up" in done.err
    record = laptop.ok("sync", "auto", "--json").json()
    assert (record["failures"], record["last_run"]["outcome"]) == (1, "failed")


def test_a_scheduled_run_asks_nobody_not_even_at_a_terminal(pair: Scene) -> None:
    laptop = pair.device("laptop")
    laptop.end_agent()
    code, seen = laptop.on_terminal("sync", "run", "--scheduled")
    assert code == 12
    assert b"no passphrase was given" in seen and b"passphrase:" not in seen


def test_a_conflict_is_no_failure_and_an_alarm_is_one(pair: Scene) -> None:
    laptop, phone = pair.device("laptop"), pair.device("phone")
    memory_id = laptop.ok("search", "milk", "--json").json()[0]["id"]
    laptop.ok("edit", memory_id, "--content", "buy soy milk")
    phone.ok("edit", memory_id, "--content", "buy almond milk")
    phone.ok("sync", "push")
    assert laptop("sync", "run", "--scheduled", code=0) == Done(0, "", "")
    assert laptop.vault.joinpath("sync/runs.log").read_text().endswith("pulled 1, pushed 1, 1 conflict\n")
    for segment in pair.store.rglob("*.seg"):
        segment.unlink()
    first, second = [laptop("sync", "run", "--scheduled", code=4) for _ in range(2)]
    assert first.err.startswith("ghostie: warning: alarm: ") and second.err == ""
    assert laptop("sync", "status", "--json", "--offline").json()["failures"] == 2
