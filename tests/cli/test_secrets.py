"""Secrets stay where they belong: not in messages, not in frames, not on a command line, not in a child's environment."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .device import PASSPHRASE, Device, Scene, flip, tree

CANARY = "Zyzzyva-Quokka-47"
SPY = """
import json, os, sys
from pathlib import Path
own = Path("/proc/self")
parent = Path(f"/proc/{os.getppid()}")

def ours(process):
    # other tests run beside this one, and what they say is not looked at
    try:
        return os.environ["HOME"].encode() in process.joinpath("environ").read_bytes()
    except OSError:
        return False

Path(os.environ["HOME"], "seen.json").write_text(json.dumps({
    "environ": dict(os.environ), "cmdline": own.joinpath("cmdline").read_bytes().decode(),
    "parent": parent.joinpath("cmdline").read_bytes().decode(),
    "others": [p.joinpath("cmdline").read_bytes().decode(errors="replace") for p in Path("/proc").glob("[0-9]*") if ours(p)]}))
"""


def spy(device: Device, then: str) -> Path:
    """Return a program that writes down what it can see of secrets, and then does as *then* says."""
    program = device.folder / "spy.py"
    program.write_text(f"{SPY}\n{then}\n")
    return program


def seen(device: Device) -> dict[str, object]:
    found: dict[str, object] = json.loads((device.folder / "seen.json").read_text())
    return found


SECRETS = {
    "GHOSTIE_PASSPHRASE": PASSPHRASE,
    "GHOSTIE_NEW_PASSPHRASE": f"new {CANARY}",
    "GHOSTIE_STORE_PASSPHRASE": f"store {CANARY}",
    "GHOSTIE_DEBUG": "1",
}


def test_the_passphrase_command_gets_no_secret_and_no_shell(fresh: Callable[[], Device]) -> None:
    device = fresh()
    program = spy(device, f"print({PASSPHRASE!r})")
    command = f"{sys.executable} {program} '$(touch {device.folder}/shell)' ; true"
    device("list", env={**SECRETS, "GHOSTIE_PASSPHRASE_COMMAND": command}, code=0)
    found = seen(device)
    environ = found["environ"]
    assert isinstance(environ, dict)
    assert not [name for name in environ if name.startswith("GHOSTIE_")]
    assert "$(touch" in str(found["cmdline"]), "it came as one word, as it was written"
    assert not (device.folder / "shell").exists()
    for said in json.dumps(found), str(found["others"]):
        assert CANARY not in said
        assert PASSPHRASE not in said


def test_the_editor_gets_no_secret(fresh: Callable[[], Device]) -> None:
    device = fresh()
    memory_id = device("add", stdin=f"before {CANARY}", passphrase=PASSPHRASE, code=0).out.strip()
    program = spy(device, "path = Path(sys.argv[1]); path.write_text(path.read_text() + 'after')")
    device("edit", memory_id, env={**SECRETS, "EDITOR": f"{sys.executable} {program}"}, code=0)
    found = json.dumps(seen(device))
    assert "GHOSTIE_" not in found
    assert CANARY not in found, "the content is in the file alone"
    assert PASSPHRASE not in found


def test_the_agent_has_no_secret_where_others_look(fresh: Callable[[], Device]) -> None:
    device = fresh()
    device("unlock", env=SECRETS, code=0)
    words = device("keys", "recovery", "--json", passphrase=PASSPHRASE, code=0).json()
    (socket,) = device.agents()
    assert stat.S_IMODE(socket.lstat().st_mode) == 0o600
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    agents = [path for path in Path("/proc").glob("[0-9]*") if str(device.vault) in _read(path / "cmdline")]
    assert len(agents) == 1
    shown = _read(agents[0] / "cmdline") + _read(agents[0] / "environ")
    assert PASSPHRASE not in shown
    assert CANARY not in shown
    assert "GHOSTIE_" not in shown
    assert words[0] and not [word for word in (" ".join(words), " ".join(words[:3])) if word in shown]
    limits = (agents[0] / "limits").read_text().splitlines()
    assert [line.split()[4:6] for line in limits if line.startswith("Max core file size")] == [["0", "0"]]


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""


@pytest.fixture
def failing(pair: Scene) -> Iterator[list[tuple[Device, tuple[str, ...], dict[str, str], str | None]]]:
    """Commands that end in errors of all kinds while they hold secrets and content."""
    laptop, phone = pair.device("laptop"), pair.device("phone")
    memory_id = laptop.add(f"content {CANARY}", "-c", f"category {CANARY}", "-t", f"tag-{CANARY}")
    phone.end_agent()
    broken = laptop.add(f"broken {CANARY}")
    flip(laptop.versions(broken)[0])
    bad = laptop.scratch / "bad.jsonl"
    bad.write_text(f'{{"content": "{CANARY}", "timestamp": "soon"}}\n{{"content": {CANARY}\n')
    secret = laptop.scratch / "secret"
    secret.write_text(f"wrong {CANARY}\n")
    words = laptop.scratch / "words"
    words.write_text(f"{CANARY} " * 24)
    odd = "GHOSTIE_PASSPHRASE_COMMAND"
    yield [
        (phone, ("list",), {"GHOSTIE_PASSPHRASE": f"wrong {CANARY}"}, None),
        (phone, ("list", "--passphrase-file", str(secret)), {}, None),
        (phone, ("list",), {odd: f"sh -c 'echo {CANARY}; exit 3'"}, None),
        (phone, ("list",), {odd: f"sh -c 'echo wrong {CANARY}'"}, None),
        (phone, ("keys", "passwd"), {"GHOSTIE_PASSPHRASE": PASSPHRASE, "GHOSTIE_NEW_PASSPHRASE": "short"}, None),
        (phone, ("keys", "restore", "--words-file", str(words)), {}, None),
        (laptop, ("show", broken), {}, None),
        (laptop, ("list", "--json"), {}, None),
        (laptop, ("sync", "verify"), {}, None),
        (laptop, ("add",), {}, f"{CANARY} " * 100_000),
        (laptop, ("add", "x", "-t", "y" * 300), {}, None),
        (laptop, ("edit", memory_id), {"EDITOR": "false"}, None),
        (laptop, ("import", str(bad)), {}, None),
        (laptop, ("restore", memory_id), {}, None),
    ]


def test_with_debug_an_error_shows_where_it_came_from_and_no_value(
    failing: list[tuple[Device, tuple[str, ...], dict[str, str], str | None]],
) -> None:
    for device, argv, env, stdin in failing:
        plain = device(*argv, env=env, stdin=stdin)
        done = device(*argv, env={**env, "GHOSTIE_DEBUG": "1"}, stdin=stdin)
        assert (done.code, plain.code != 0) == (plain.code, True), (argv, done)
        frames = [line for line in done.err.splitlines() if line.startswith("  File ")]
        assert frames, argv
        assert all(line.rpartition(", in ")[2].replace("<", "").replace(">", "").isidentifier() for line in frames)
        for said in (plain, done):
            assert CANARY not in said.err, argv
            assert CANARY not in said.out or argv[0] in ("list", "show")
            assert PASSPHRASE not in said.err + said.out


def test_a_fault_of_ours_shows_no_value_either(laptop: Device) -> None:
    """What nobody foresaw is told in one line; with debug on, where it was, and still no value."""
    fault = f"""
from ghostie.vault.vault import Vault
def add(self, content, **fields):
    secret = {CANARY!r} + content
    raise RuntimeError(secret) from ValueError(secret)
Vault.add = add
"""
    for env, frames in (({}, False), ({"GHOSTIE_DEBUG": "1"}, True)):
        done = laptop("add", CANARY, before=fault, env=env, code=1)
        assert done.err.startswith("ghostie: error: a fault in ghostie (RuntimeError)\nghostie: hint: ")
        assert ("in add" in done.err) is frames
        assert CANARY not in done.err
        assert done.out == ""


def test_nothing_secret_is_left_in_the_temporary_and_runtime_folders(pair: Scene) -> None:
    laptop = pair.device("laptop")
    memory_id = laptop.add(f"content {CANARY}")
    laptop("edit", memory_id, env={"EDITOR": "true"}, code=0)
    laptop("edit", memory_id, env={"EDITOR": "false"}, code=2)
    laptop.ok("search", CANARY)
    laptop.ok("sync", "run")
    assert tree(laptop.scratch) == {}
    assert [path.name for path in laptop.run.rglob("*") if not path.is_dir()] == [laptop.agents()[0].name]
