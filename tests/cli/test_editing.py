"""Editing in an editor: a private file that is wiped, whatever the editor does to it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from .device import PASSPHRASE, Device, Scene, wait_until
from .story import fight

pytestmark = pytest.mark.versions

NOTING = """
import json, os, stat, sys
from pathlib import Path
path = Path(sys.argv[-1])
Path(os.environ["HOME"], "edited.json").write_text(json.dumps({
    "path": str(path), "mode": stat.S_IMODE(path.stat().st_mode), "folder": stat.S_IMODE(path.parent.stat().st_mode),
    "content": path.read_bytes().decode(), "argv": sys.argv[1:-1]}))
"""


def editor(device: Device, then: str, *options: str) -> dict[str, str]:
    """Return the environment in which an editor notes what it was given, and does as *then* says with `path`."""
    program = device.folder / "an editor.py"
    program.write_text(f"{NOTING}\n{then}\n")
    return {"EDITOR": " ".join([sys.executable, f"'{program}'", *options])}


def given(device: Device) -> dict[str, object]:
    found: dict[str, object] = json.loads((device.folder / "edited.json").read_text())
    return found


def gone(device: Device) -> bool:
    """Tell whether nothing is left of the file that was edited, or of any other in its folder."""
    path = Path(str(given(device)["path"]))
    return not path.parent.exists() and not [each for each in path.parent.parent.iterdir() if each.suffix != ".sock"]


def test_an_editor_changes_the_content_in_a_private_file(laptop: Device) -> None:
    memory_id = laptop.add("first line\nsecond line", "-t", "kept")
    env = editor(laptop, "path.write_text(path.read_text().replace('second', '2nd') + '\\n')", "--wait", "'two words'")
    done = laptop("edit", memory_id, env=env, code=0)
    assert done.out == ""
    assert "version 2" in done.err
    record = laptop.ok("show", memory_id, "--json").json()
    assert record["content"] == "first line\n2nd line", "the newline at the end is the editor's, not the person's"
    assert record["tags"] == ["kept"]
    assert given(laptop)["content"] == "first line\nsecond line"
    assert (given(laptop)["mode"], given(laptop)["folder"]) == (0o600, 0o700)
    assert given(laptop)["argv"] == ["--wait", "two words"]
    assert gone(laptop)


def test_visual_comes_before_editor(laptop: Device) -> None:
    memory_id = laptop.add("x")
    env = editor(laptop, "path.write_text('by visual')")
    laptop("edit", memory_id, env={"VISUAL": env["EDITOR"], "EDITOR": "false"}, code=0)
    assert laptop.ok("show", memory_id, "--json").json()["content"] == "by visual"


@pytest.mark.parametrize(
    ("then", "code", "said"),
    [
        ("sys.exit(3)", 2, "exit code 3"),
        ("path.write_text('changed'); sys.exit(1)", 2, "exit code 1"),
        ("os.kill(os.getpid(), 9)", 2, "exit code -9"),
        ("path.write_bytes(b'\\xff\\xfe')", 2, "not UTF-8"),
        ("path.unlink()", 2, "left no file"),
        ("path.write_text('')", 2, "empty"),
        ("path.write_text(' \\n\\t\\n')", 2, "empty"),
        ("path.write_text('x' * (1 << 20) + 'y')", 1, "1048576"),
        ("path.unlink(); path.symlink_to('/etc/hostname')", 1, "could not read"),
        ("path.unlink(); path.mkdir()", 1, "could not read"),
        ("path.write_text('x' * (9 << 20))", 1, "too large"),
        ("path.with_name('.memory.txt.swp').write_text(path.read_text()); sys.exit(1)", 2, "exit code 1"),
        ("pass", 0, "nothing was changed"),
        ("path.write_text(path.read_text() + '\\n')", 0, "nothing was changed"),
    ],
)
def test_an_editor_that_fails_changes_nothing_and_leaves_nothing(
    then: str, code: int, said: str, laptop: Device
) -> None:
    memory_id = laptop.add("as it was")
    done = laptop("edit", memory_id, env=editor(laptop, then), code=code)
    assert said in done.err
    assert done.out == ""
    (record,) = laptop.ok("history", memory_id, "--json").json()
    assert record["content"] == "as it was"
    assert gone(laptop)


def test_an_editor_that_replaces_the_file_as_many_do(laptop: Device) -> None:
    memory_id = laptop.add("as it was")
    then = "other = path.with_name('other'); other.write_text('replaced'); os.replace(other, path)"
    laptop("edit", memory_id, env=editor(laptop, then), code=0)
    assert laptop.ok("show", memory_id, "--json").json()["content"] == "replaced"
    assert gone(laptop)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_person_who_leaves_in_the_middle_leaves_nothing_in_the_clear(number: signal.Signals, laptop: Device) -> None:
    memory_id = laptop.add("as it was")
    env = editor(laptop, "import time; time.sleep(30)")
    (laptop.folder / "edited.json").unlink(missing_ok=True)
    running = laptop.start("edit", memory_id, env=env, start_new_session=True)
    wait_until(lambda: (laptop.folder / "edited.json").exists())
    os.killpg(running.pid, number)
    _, err = running.communicate(timeout=20)
    assert running.returncode == 130
    assert err.endswith(b"ghostie: error: interrupted\n"), "what stands before it is the editor's own"
    assert gone(laptop)


@pytest.mark.parametrize("runtime", ["a runtime folder", "none"])
def test_what_a_killed_edit_leaves_in_the_clear_is_wiped_by_the_next_command(runtime: str, laptop: Device) -> None:
    memory_id = laptop.add("as it was")
    nowhere = {"XDG_RUNTIME_DIR": ""} if runtime == "none" else {}
    edits = []
    for _ in range(2):
        (laptop.folder / "edited.json").unlink(missing_ok=True)
        env = editor(laptop, "path.with_name('.swap').write_text('as it was'); import time; time.sleep(60)")
        edits.append(laptop.start("edit", memory_id, env={**env, **nowhere}, start_new_session=True))
        wait_until(lambda: (laptop.folder / "edited.json").exists() and (laptop.folder / "edited.json").read_text())
    # the second is still being edited
    kept = Path(str(given(laptop)["path"]))
    where = laptop.run / "ghostie" if runtime != "none" else laptop.vault / "editing"
    usual = Path(f"/run/user/{os.geteuid()}/ghostie")
    assert kept.parent.parent in (where, usual), "nowhere that others share"
    edits[0].kill()
    edits[0].wait()
    with os.scandir(kept.parent.parent) as found:
        assert len([each for each in found if each.name.startswith("edit-")]) == 2
    laptop.ok("list")
    assert [each for each in kept.parent.parent.iterdir() if each.name.startswith("edit-")] == [kept.parent]
    assert kept.read_text() == "as it was"
    for edit in edits:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(edit.pid, signal.SIGKILL)
        edit.communicate()
    laptop.ok("list")
    assert not kept.parent.exists()


KILLED = """
import os, signal
from ghostie import files
real = files.os.replace
def replace(source, target, **more):
    if {name!r} in str(target):
        os.kill(os.getpid(), signal.SIGKILL)
    real(source, target, **more)
files.os.replace = replace
"""


@pytest.mark.parametrize(
    ("argv", "name", "folder"),
    [
        (("add", "x"), ".json.enc", "memories"),
        (("keys", "passwd"), "master.key", "keys"),
        (("gc",), "snapshot.enc", "index"),
        (("sync", "setup", "--backend", "folder", "--path", "store"), "config.json", "sync"),
    ],
)
def test_what_a_kill_leaves_half_written_is_swept_by_the_next_command(
    argv: tuple[str, ...], name: str, folder: str, laptop: Device
) -> None:
    (laptop.folder / "store").mkdir(exist_ok=True)
    secrets = {"GHOSTIE_PASSPHRASE": PASSPHRASE, "GHOSTIE_NEW_PASSPHRASE": "another one with words"}
    done = laptop(*argv, env=secrets, before=KILLED.format(name=name))
    assert done.code == -9
    left = list((laptop.vault / folder).glob(".tmp-*"))
    assert left
    # of another process that is at it just now, all stays
    held = laptop.vault / folder / ".tmp-0123456789abcdef"
    with held.open("wb") as writing:
        fcntl.flock(writing, fcntl.LOCK_EX)
        writing.write(b"half")
        writing.flush()
        laptop("list", passphrase=PASSPHRASE, code=0)
        assert not [path for path in left if path.exists()]
        assert held.exists() is (folder != "memories"), "there, the lock tells that nobody writes"
    laptop("list", passphrase=PASSPHRASE, code=0)
    assert list(laptop.vault.rglob(".tmp-*")) == []


def test_without_a_terminal_and_without_an_editor_nothing_is_opened(laptop: Device) -> None:
    memory_id = laptop.add("x")
    assert "--content" in laptop("edit", memory_id, code=2).err
    assert "did not start" in laptop("edit", memory_id, env={"EDITOR": "/nowhere/editor"}, code=2).err
    assert laptop("edit", memory_id, env={"EDITOR": "'unbalanced"}, code=2).out == ""
    assert laptop("edit", memory_id, env={"EDITOR": " "}, code=2).out == ""


def test_content_comes_from_an_option_or_standard_input_without_an_editor(laptop: Device) -> None:
    memory_id = laptop.add("x")
    env = {"EDITOR": "false"}
    laptop("edit", memory_id, "--content", "from an option", env=env, code=0)
    assert laptop.ok("show", memory_id, "--json").json()["content"] == "from an option"
    laptop("edit", memory_id, "--content", "-", stdin="from\nstandard input\n", env=env, code=0)
    assert laptop.ok("show", memory_id, "--json").json()["content"].startswith("from\nstandard input")
    laptop("edit", memory_id, "--content", "", env=env, code=2)
    laptop("edit", memory_id, "-c", "only the category", env=env, code=0)


# -- conflicts -------------------------------------------------------------------------------------------------------


def test_a_conflict_is_resolved_in_an_editor(pair: Scene) -> None:
    laptop = pair.device("laptop")
    memory_id = fight(pair)
    env = editor(laptop, "path.write_text('buy oat milk again\\n')")
    laptop("sync", "conflict", memory_id, "--keep", "edit", env=env, code=0)
    offered = str(given(laptop)["content"]).splitlines()
    assert offered == ["<<<<<<< mine", "buy soy milk", "=======", "buy almond milk", ">>>>>>> theirs"]
    assert laptop.ok("show", memory_id, "--json").json()["content"].strip() == "buy oat milk again"
    assert gone(laptop)


@pytest.mark.parametrize(
    "then",
    [
        "pass",
        "path.write_text(path.read_text().replace('>>>>>>> theirs', ''))",
        "path.write_text(path.read_text().replace('<<<<<<< mine', ''))",
        "path.write_text('')",
        "path.unlink()",
        "sys.exit(1)",
    ],
)
def test_a_conflict_that_was_not_settled_in_the_editor_stays_open(then: str, pair: Scene) -> None:
    laptop = pair.device("laptop")
    memory_id = fight(pair)
    before = laptop("sync", "conflict", memory_id, "--json", code=3).json()
    done = laptop("sync", "conflict", memory_id, "--keep", "edit", env=editor(laptop, then), code=2)
    assert "nothing was changed" in done.err
    assert done.out == ""
    assert laptop("sync", "conflict", memory_id, "--json", code=3).json() == before
    assert gone(laptop)
