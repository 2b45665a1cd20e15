"""What people see, on a phone's 45 columns and on a laptop's 100, as it was when somebody looked at it and liked it.

After a change that is meant, `GOLDEN=write pytest tests/cli/test_golden.py` writes the files anew: look at what changed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ghostie import text

from .device import PASSPHRASE, Device, Done, Scene

pytestmark = pytest.mark.versions

GOLDEN = Path(__file__).with_name("golden")
START = 1_750_000_000_000  # 2025-06-15 15:06:40 UTC
MINUTE, DAY = 60_000, 86_400_000
NOW = START + 90 * DAY

RECORDS = [
    {
        "id": f"{'router':a<26}",
        "timestamp": "2025-06-01T09:30:00.000Z",
        "category": "network",
        "content": "the router answers on 10.0.0.1\nits passphrase is on the label\nreboot: hold for 10 s",
        "tags": ["home", "lan"],
        "status": "active",
        "device_id": "laptop",
        "context": {"room": "hall", "ports": [1, 2, 4]},
        "links": [{"type": "supersedes", "to": f"{'modem':a<26}"}],
    },
    {
        "id": f"{'modem':a<26}",
        "timestamp": "2024-12-24T18:00:00.000Z",
        "category": "network",
        "content": "the modem blinks twice when the line is down, three times when it is up but the provider is asleep",
        "tags": ["home"],
        "status": "archived",
        "device_id": "laptop",
    },
    {
        "id": f"{'milk':a<26}",
        "timestamp": "2025-06-14T07:00:00.000Z",
        "content": "buy oat milk",
        "device_id": "phone",
        "status": "active",
    },
    {
        "id": f"{'shijie':a<26}",
        "timestamp": "2025-06-10T07:00:00.000Z",
        "category": "日本語",
        "content": "世界にこんにちは、とても長い一行のメモです。電話の画面では途中で切れます。",
        "tags": ["旅", "[bold]x[/bold]"],
        "device_id": "phone",
    },
    {
        "id": f"{'review':a<26}",
        "timestamp": "2025-06-13T12:00:00.000Z",
        "kind": "task",
        "category": "python",
        "content": "look at \x1b[31mwhat the agent\x1b[0m found about asyncio timeouts",
        "source": {"tool": "claude-code", "session": "s-1"},
        "scope": {"repo": "github.com/example/app", "branch": "main"},
        "device_id": "laptop",
    },
    {"id": f"{'gone':a<26}", "timestamp": "2025-05-01T00:00:00.000Z", "content": "removed later", "status": "active"},
]


def at(moment: int) -> str:
    """Return what stops a command's clock at *moment*, Unix ms."""
    return f"import time; time.time_ns = lambda: {moment} * 1_000_000"


@pytest.fixture(scope="module")
def stage(template: Path) -> Iterator[Scene]:
    """Two devices with a past in which every second is known."""
    scene = Scene()
    scene.store.mkdir()
    laptop, phone = scene.device("laptop"), scene.device("phone")
    shutil.copytree(template, laptop.vault)
    source = laptop.scratch / "in.jsonl"
    source.write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    setup = ("sync", "setup", "--backend", "folder", "--path", str(scene.store), "--device-name")

    def do(device: Device, minutes: int, *argv: str, code: int = 0) -> None:
        device(*argv, before=at(START + minutes * MINUTE), passphrase=PASSPHRASE, code=code)

    laptop.unlock()
    do(laptop, 1, "import", str(source), "--keep-status")
    do(
        laptop,
        2,
        "edit",
        "router",
        "--content",
        "the router answers on 10.0.0.7\nits passphrase is on the label\nlast: 10 s",
    )
    do(laptop, 63, "edit", "router", "-t", "-home", "-t", "+rack", "-c", "net")
    do(laptop, 64, "rm", "gone")
    do(laptop, 65, *setup, "laptop")
    do(laptop, 70, "sync", "push")
    do(phone, 75, *setup, "phone")
    phone.unlock()
    do(phone, 80, "sync", "pull")
    do(phone, 90, "edit", "milk", "--content", "buy almond milk\nand bread", "-t", "+shop")
    do(phone, 91, "sync", "push")
    do(laptop, 95, "edit", "milk", "--content", "buy soy milk", "-c", "errands")
    do(laptop, 100, "sync", "pull", code=3)
    scene.keep()
    yield scene
    scene.end()


SHOWN: dict[str, tuple[str, ...]] = {
    "list": ("list",),
    "list-removed": ("list", "--deleted"),
    "show": ("show", "router"),
    "show-task": ("show", "review"),
    "show-conflict": ("show", "milk"),
    "history": ("history", "router"),
    "diff": ("diff", "router", "1"),
    "search": ("search", "milk", "line"),
    "search-none": ("search", "nothing", "at", "all"),
    "stats": ("stats",),
    "status": ("sync", "status"),
    "devices": ("sync", "devices"),
    "conflicts": ("sync", "conflict"),
    "conflict": ("sync", "conflict", "milk"),
    "undo": ("undo", "--list"),
    "doctor": ("doctor",),
    "overview": (),
    "error": ("show", "nosuch"),
    "help": ("--help",),
}


@pytest.mark.parametrize("columns", [45, 100])
@pytest.mark.parametrize("name", SHOWN)
def test_what_is_shown_is_as_it_was(name: str, columns: int, stage: Scene) -> None:
    stage.reset()
    laptop = stage.device("laptop")
    done = laptop(*SHOWN[name], before=at(NOW), env={"COLUMNS": str(columns)})
    shown = written(done, stage)
    path = GOLDEN / f"{name}-{columns}.txt"
    if os.environ.get("GOLDEN") == "write":
        path.write_text(shown, encoding="utf-8")
    assert path.exists(), "there is no such file yet: GOLDEN=write makes it"
    assert shown == path.read_text(encoding="utf-8")


def written(done: Done, stage: Scene) -> str:
    """Return what a command came to, without what is another every time; what stays keeps its place."""
    shown = f"exit code {done.code}\n--- standard output\n{done.out}--- standard error\n{done.err}"
    shown = shown.replace(str(stage.folder), "/tmp/the-folder")
    for device in stage.devices.values():
        writer = json.loads((device.vault / "sync" / "device_id").read_text())["writer"]
        shown = shown.replace(writer[:6], device.name.ljust(6, "-")[:6])
    shown = re.sub(r"\b[0-9a-f]{8}\b", "hhhhhhhh", shown)
    shown = re.sub(r"\b\d+(?:\.\d)? k?B\b", "SIZE", shown)
    shown = re.sub(r"unlocked for another \d+ min", "unlocked for another TIME", shown)
    return re.sub(r"from \w+, JSON from .*", "from TIER", shown)


def test_there_is_no_golden_file_that_nobody_looks_at() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == {
        f"{name}-{columns}.txt" for name in SHOWN for columns in (45, 100)
    }


@pytest.mark.parametrize("name", ["list", "list-removed", "history", "search", "stats", "devices", "undo", "help"])
def test_on_a_phone_lines_of_tables_keep_to_the_screen(name: str) -> None:
    shown = (GOLDEN / f"{name}-45.txt").read_text(encoding="utf-8")
    data = shown.partition("--- standard output\n")[2].partition("--- standard error")[0]
    assert max(map(text.width, data.splitlines())) <= 45
