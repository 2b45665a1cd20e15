"""What is installed to sync without a person: as each scheduler reads it, found again by its mark, and removed alone."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ghostie.errors import UsageError
from ghostie.paths import Layout
from ghostie.sync import schedule, schedulers
from ghostie.sync.schedule import NoScheduler
from ghostie.sync.schedulers import Android, Cron, Job, Plan, SchedulerFailed, Systemd, moments
from tests.schedulers import stand_in

pytestmark = pytest.mark.versions

ODD = [
    "/home/plain/.ghostie",
    "/home/a b/.ghostie",
    "/home/é 世界/100%/%h",
    '/home/it\'s "quoted"',
    "/home/back\\slash\\\\two\\%mixed\\",
    "/home/$HOME/`id`/$(id)/#x;&|<>*?~!",
    "-n",
]
PLAN = Plan(900, "file")


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on PATH for stand-ins; none of the machine's own schedulers is there, and the home is another one."""
    folder = tmp_path / "tools"
    monkeypatch.setenv("PATH", stand_in(folder))
    monkeypatch.setenv("HOME", str(tmp_path / "person"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    (tmp_path / "person").mkdir()
    return folder


def job(*words: str) -> Job:
    return Job(("printf", "%s\\0", *words), {"PYTHONPATH": "/a b%'\\"})


def through_sh(line: str) -> list[str]:
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=True, env={"PATH": "/usr/bin:/bin"})
    return [os.fsdecode(word) for word in done.stdout.split(b"\0")[:-1]]


# -- how a line is read ----------------------------------------------------------------------------------------------


def as_cron_takes_it(command: str, *, backslashes: bool) -> str:
    r"""Return what cron hands to the shell: up to a bare %, with \% as %; some (*backslashes*) also take \\ as \."""
    out, escaped = "", False
    for character in command:
        if escaped:
            plain = character == "%" or (backslashes and character == "\\")
            out = out[:-1] + character if plain else out + character
            escaped = False
        elif character == "%":
            return out
        else:
            escaped = character == "\\"
            out += character
    return out


@pytest.mark.parametrize("backslashes", [True, False], ids=["vixie", "cronie"])
def test_a_line_of_cron_brings_every_word_over_whole(backslashes: bool, tools: Path, layout: Layout) -> None:
    stand_in(tools, "crontab")
    Cron().make(layout, PLAN, job(*ODD))
    line = (tools / "crontab.kept").read_text().rstrip("\n")
    *when, command = line.split(" ", 5)
    assert len(when) == 5
    assert through_sh(as_cron_takes_it(command, backslashes=backslashes)) == ODD


def test_a_script_of_android_brings_every_word_over_whole(tools: Path, layout: Layout) -> None:
    stand_in(tools, "termux-job-scheduler")
    Android().make(layout, PLAN, job(*ODD))
    done = subprocess.run([layout.job], capture_output=True, check=True)
    assert [os.fsdecode(word) for word in done.stdout.split(b"\0")[:-1]] == ODD


def as_systemd_takes_it(line: str) -> list[str]:
    r"""Return the words of a command in a unit: in quotes, with \\ and \" and %% (see systemd.syntax(7))."""
    words = re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', line)
    return [re.sub(r"\\(.)", r"\1", quoted).replace("%%", "%") if quoted else bare for quoted, bare in words]


def test_a_unit_of_systemd_brings_every_word_over_whole(layout: Layout) -> None:
    text = Systemd().service(layout, PLAN, job(*ODD))
    (line,) = [line.removeprefix("ExecStart=") for line in text.split("\n") if line.startswith("ExecStart=")]
    shell, flag, command = as_systemd_takes_it(line)
    assert (shell, flag) == (":/bin/sh", "-c"), "the colon leaves every $ alone"
    assert "%" not in line.replace("%%", "")
    assert through_sh(command) == ODD


@pytest.mark.parametrize("home", ODD[:-1])
def test_systemd_finds_no_fault_with_the_units(home: str, tmp_path: Path) -> None:
    if (verify := shutil.which("systemd-analyze")) is None:
        pytest.skip("systemd-analyze is not here")
    layout = Layout(Path(home))
    units = {".service": Systemd().service(layout, Plan(900, "file", "any", "charging"), job(home))}
    units[".timer"] = Systemd().timer(layout, PLAN)
    for suffix, text in units.items():
        (tmp_path / f"ghostie-sync-{layout.name}{suffix}").write_text(text)
    (tmp_path / "run").mkdir(mode=0o700)
    done = subprocess.run(
        [verify, "verify", "--user", "--man=no", *map(str, tmp_path.glob("ghostie*"))],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")},
    )
    about_ours = [line for line in done.stderr.splitlines() if "ghostie" in line]
    assert (done.returncode, about_ours) == (0, [])


def test_a_path_of_two_lines_is_refused() -> None:
    for word in ("/a\nb", "/a\x1bb", "/a\x7f"):
        with pytest.raises(UsageError, match="line break"):
            Job(("ghostie", "--home", word))


# -- how often -------------------------------------------------------------------------------------------------------


def taken(field: str, most: int) -> list[int]:
    """Return the numbers that a field of a cron line stands for."""
    if field == "*":
        return list(range(most + 1))
    found = re.fullmatch(r"(\d+)(?:-(\d+)/(\d+))?", field)
    assert found is not None
    return list(range(int(found[1]), int(found[2]) + 1, int(found[3]))) if found[2] else [int(found[1])]


@pytest.mark.parametrize("offset", [0, 7, 12345678901234567])
@pytest.mark.parametrize(
    "minutes", [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60, 120, 180, 240, 360, 480, 720, 1440], ids=str
)
def test_cron_comes_round_as_often_as_it_should_all_day(minutes: int, offset: int) -> None:
    minute, hour, *rest = moments(minutes * 60, offset).split(" ")
    assert rest == ["*", "*", "*"]
    day = sorted(h * 60 + m for h in taken(hour, 23) for m in taken(minute, 59))
    assert all(moment < 1440 for moment in day)
    gaps = {after - before for before, after in zip(day, [*day[1:], day[0] + 1440], strict=True)}
    assert gaps == {minutes}


@pytest.mark.parametrize("every", [61, 7 * 60, 45 * 60, 90 * 60, 5 * 3600, 2 * 86_400])
def test_what_cron_cannot_say_is_refused_with_what_it_can(every: int) -> None:
    with pytest.raises(UsageError) as refused:
        moments(every, 0)
    assert "20 or 30 min" in str(refused.value.way_out())


# -- the crontab -----------------------------------------------------------------------------------------------------

# runs with the crontab that PATH has, the stand-in or the real one: what is there stays as it is, byte for byte
CRONTAB_STORY = r"""
import subprocess, sys
from pathlib import Path
from ghostie.paths import Layout
from ghostie.sync.schedulers import Cron, Job, Plan
one, two = Layout(Path("/home/a b%\\x/é")), Layout(Path("/home/two"))
job = Job(("ghostie", "--home", str(one.home), "sync", "run"))
cron = Cron()
def kept():
    done = subprocess.run(["crontab", "-l"], capture_output=True)
    return done.stdout if done.returncode == 0 else None
theirs = [
    b"MAILTO=\"\"\nSHELL=/bin/false\n\n# mine, 100%\n5 4 * * * x \\% y % z\n\n",
    b"# ghostie sync of my own\n@daily ghostie sync run\n",
    b"# not UTF-8: \xff\xfe\n1 1 * * * x\n",
    None,
]
for before in theirs:
    if before is not None:
        subprocess.run(["crontab", "-"], input=before, check=True)
    assert cron.find(one) is None and not cron.remove(one)
    cron.make(one, Plan(900, "file"), job)
    cron.make(two, Plan(3600, "unlock"), job)
    cron.make(one, Plan(1800, "keyring"), job)
    found = cron.find(one), cron.find(two)
    assert [(each.plan.every, each.plan.key, each.active) for each in found] == [(1800, "keyring", True), (3600, "unlock", True)], found
    now = kept()
    assert now.count(b"# ghostie sync " + one.name.encode()) == 1, now
    assert now.endswith(before or b"")
    assert now.count(b"\n") == 2 + (before or b"").count(b"\n")
    assert cron.remove(one) and cron.find(one) is None and cron.find(two) is not None
    assert cron.remove(two)
    assert kept() == before, (kept(), before)
    if before is not None:
        subprocess.run(["crontab", "-r"], check=True)
print("kept", len(theirs))
"""


def story(*within: str) -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).resolve().parents[2])
    return subprocess.run(
        [*within, sys.executable, "-c", CRONTAB_STORY],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": root, "HOME": os.environ["HOME"], "LANG": "C.UTF-8"},
    )


def test_everything_else_in_the_crontab_stays_byte_for_byte(tools: Path) -> None:
    stand_in(tools, "crontab")
    done = story()
    assert (done.stdout, done.stderr) == ("kept 4\n", "")


def test_the_real_crontab_takes_it_all_the_same() -> None:
    """In a namespace of its own, where the place of the crontabs is an empty one: nobody's is touched."""
    spool = "/var/spool/cron"
    if shutil.which("crontab") is None or not os.path.isdir(f"{spool}/crontabs"):
        pytest.skip("Debian's crontab is not here (apt-get install -y cron)")
    setting = f"mount -t tmpfs tmpfs {spool} && mkdir -m 1730 {spool}/crontabs"
    alone = ("unshare", "-m") if os.geteuid() == 0 else ("unshare", "-rm")
    if shutil.which("unshare") is None or subprocess.run([*alone, "sh", "-c", setting], capture_output=True).returncode:
        pytest.skip("no namespace can be made here, and the person's own crontab is not to be touched")
    done = story(*alone, "sh", "-c", f'{setting} && exec "$@"', "sh")
    assert (done.stdout, done.stderr) == ("kept 4\n", "")


def test_a_crontab_without_a_last_line_break_or_with_others_stays_as_it_is(tools: Path, layout: Layout) -> None:
    stand_in(tools, "crontab")
    kept = tools / "crontab.kept"
    for theirs in (b"1 1 * * * x\r\n# y\r\n", b"a\x0bb\x0cc\n", b"\n\n"):
        kept.write_bytes(theirs)
        Cron().make(layout, PLAN, job())
        assert kept.read_bytes().endswith(theirs) and kept.read_bytes() != theirs
        assert Cron().remove(layout)
        assert kept.read_bytes() == theirs


def test_a_line_that_the_person_put_to_rest_is_shown_so_and_replaced(tools: Path, layout: Layout) -> None:
    stand_in(tools, "crontab")
    kept = tools / "crontab.kept"
    Cron().make(layout, PLAN, job())
    kept.write_bytes(b"#" + kept.read_bytes())
    found = Cron().find(layout)
    assert found is not None and found.active is False
    Cron().make(layout, PLAN, job())
    assert kept.read_bytes().count(b"\n") == 1
    found = Cron().find(layout)
    assert found is not None and found.active is True


def test_a_crontab_that_cannot_be_read_is_not_written(tools: Path, layout: Layout) -> None:
    stand_in(tools, "crontab")
    (tools / "crontab").write_text(
        '#!/bin/sh\n[ "$1" = -l ] || touch "${0%/*}/written"\necho "not allowed" >&2\nexit 1\n'
    )
    for refused in (lambda: Cron().make(layout, PLAN, job()), lambda: schedule.unschedule(layout)):
        with pytest.raises(SchedulerFailed, match="crontab -l failed: not allowed"):
            refused()
    assert schedule.find(layout) is None
    assert not (tools / "written").exists()


def test_a_line_that_is_too_long_for_cron_is_refused(tools: Path, layout: Layout) -> None:
    stand_in(tools, "crontab")
    with pytest.raises(UsageError, match="too long"):
        Cron().make(layout, PLAN, job("x" * 990))
    assert not (tools / "crontab.kept").exists()


# -- systemd ---------------------------------------------------------------------------------------------------------


def units(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "person").rglob("ghostie*"))


def test_a_timer_is_made_started_anew_and_removed_alone(tools: Path, tmp_path: Path, layout: Layout) -> None:
    stand_in(tools, "systemctl")
    other = Layout(tmp_path / "other")
    Systemd().make(other, PLAN, job())
    theirs = units(tmp_path)
    for plan in (PLAN, Plan(3600, "keyring", "any", "charging")):
        Systemd().make(layout, plan, job())
        assert Systemd().find(layout) == schedulers.Scheduled("systemd", plan, True)
    ours = f"ghostie-sync-{layout.name}"
    assert sorted({*units(tmp_path)} - {*theirs}) == [f"{ours}.service", f"{ours}.timer"]
    assert (tools / "systemctl.asked").read_text().count(f"restart {ours}.timer") == 2
    assert schedule.unschedule(layout) == ["systemd"]
    assert units(tmp_path) == theirs
    assert f"disable --now {ours}.timer" in (tools / "systemctl.asked").read_text()
    assert schedule.unschedule(layout) == []


def test_a_timer_that_systemd_does_not_take_is_not_left_behind(tools: Path, tmp_path: Path, layout: Layout) -> None:
    stand_in(tools, "systemctl")
    (tools / "systemctl.fails").touch()
    with pytest.raises(SchedulerFailed, match="Failed to connect to bus") as failed:
        Systemd().make(layout, PLAN, job())
    assert "--with cron" in str(failed.value.way_out())
    assert units(tmp_path) == []


def test_a_timer_can_be_removed_where_systemd_is_gone(tools: Path, tmp_path: Path, layout: Layout) -> None:
    stand_in(tools, "systemctl")
    Systemd().make(layout, PLAN, job())
    (tools / "systemctl").unlink()
    found = schedule.find(layout)
    assert found is not None and found.active is None
    assert schedule.unschedule(layout) == ["systemd"]
    assert units(tmp_path) == []


# -- Android ---------------------------------------------------------------------------------------------------------


def test_a_job_of_android_is_asked_for_with_its_conditions(tools: Path, layout: Layout) -> None:
    stand_in(tools, "termux-job-scheduler")
    for plan in (Plan(900, "file", "unmetered", "not-low"), Plan(3600, "file", "any", "charging")):
        Android().make(layout, plan, job())
        assert schedule.find(layout) == schedulers.Scheduled("android", plan, True)
    first, second = [
        shlex.split(line) for line in (tools / "termux.asked").read_text().splitlines() if "--script" in line
    ]
    for asked, expected in (
        (first, {"period-ms": "900000", "network": "unmetered", "battery-not-low": "true", "charging": "false"}),
        (second, {"period-ms": "3600000", "network": "any", "battery-not-low": "true", "charging": "true"}),
    ):
        options = dict(zip((word.removeprefix("--") for word in asked[::2]), asked[1::2], strict=True))
        assert options.items() >= {"persisted": "true", "script": str(layout.job), **expected}.items()
        assert 0 < int(options["job-id"]) < 1 << 31
    assert (tools / "termux.jobs").read_text().count("\n") == 1, "replaced, not doubled"
    assert layout.job.stat().st_mode & 0o777 == 0o700
    assert schedule.unschedule(layout) == ["android"]
    assert (tools / "termux.jobs").read_text() == ""
    assert not layout.job.exists()


def test_android_is_asked_no_more_often_than_it_comes() -> None:
    with pytest.raises(UsageError, match="every 15 min"):
        Android().check(Plan(840, "file"))


def test_a_scheduler_that_hangs_is_given_up(tools: Path, layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program hangs in a child of its own, which holds our pipes: as Termux:API does where the app is missing."""
    stand_in(tools, "termux-job-scheduler")
    (tools / "termux.hangs").touch()
    assert schedulers.PATIENCE["termux-job-scheduler"] == 5.0
    monkeypatch.setitem(schedulers.PATIENCE, "termux-job-scheduler", 1.0)
    with pytest.raises(SchedulerFailed, match="did not answer within 1 s") as failed:
        Android().make(layout, PLAN, job())
    assert "Termux:API app" in str(failed.value.way_out())
    assert not layout.job.exists()


def test_what_android_refuses_in_words_is_an_error(tools: Path, layout: Layout) -> None:
    stand_in(tools, "termux-job-scheduler")
    (tools / "termux.refuses").touch()
    with pytest.raises(SchedulerFailed, match="Cannot execute file"):
        Android().make(layout, PLAN, job())
    assert schedule.find(layout) is None


# -- which one -------------------------------------------------------------------------------------------------------


def test_where_there_is_no_scheduler_it_says_what_was_looked_for(tools: Path) -> None:
    with pytest.raises(NoScheduler, match="no termux-job-scheduler and no systemctl and no crontab"):
        schedule._choose(None)
    with pytest.raises(NoScheduler, match="no systemctl$"):
        schedule._choose("systemd")
    for tool, kind in (("crontab", "cron"), ("systemctl", "systemd"), ("termux-job-scheduler", "android")):
        stand_in(tools, tool)
        assert schedule._choose(None).kind == kind
    assert schedule._choose("cron").kind == "cron"


@pytest.mark.parametrize(
    ("scheduler", "plan"),
    [
        (Cron(), Plan(900, "file", "unmetered")),
        (Cron(), Plan(900, "file", "any", "charging")),
        (Systemd(), Plan(900, "file", "unmetered")),
        (Systemd(), Plan(900, "file", "any", "not-low")),
    ],
)
def test_a_condition_that_a_scheduler_does_not_know_is_refused(scheduler: schedulers.Scheduler, plan: Plan) -> None:
    with pytest.raises(UsageError) as refused:
        scheduler.check(plan)
    assert "leave" in str(refused.value.way_out())


def test_a_job_starts_the_command_that_was_started(
    tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher = tmp_path / "ghostie"
    launcher.write_text("#!/bin/sh\n")
    launcher.chmod(0o700)
    monkeypatch.chdir(tmp_path)
    for started in (str(launcher), "./ghostie"):
        monkeypatch.setattr(sys, "argv", [started])
        assert schedule._program() == ([str(launcher)], {})
    root = str(Path(__file__).resolve().parents[2])
    for paths, needed in (("", {}), ("/elsewhere", {}), (f"/elsewhere:{root}", {"PYTHONPATH": root})):
        monkeypatch.setenv("PYTHONPATH", paths)
        for started in (f"{root}/ghostie/__main__.py", "/nowhere/ghostie", "-c"):
            monkeypatch.setattr(sys, "argv", [started])
            assert schedule._program() == ([sys.executable, "-P", "-m", "ghostie"], needed)
