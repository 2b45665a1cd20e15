"""The demo that people are shown holds, with the ghostie of this checkout."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys

import pytest

from tests.cli.device import ROOT, Device, Scene, tree

DEMO = ROOT / "docs" / "demo.sh"


@pytest.fixture
def watcher(request: pytest.FixtureRequest) -> Device:
    """Somebody who tries ghostie out: `ghostie` on PATH is this checkout's, run by this Python."""
    scene = Scene()
    request.addfinalizer(scene.end)
    device = scene.device("watcher")
    shims = device.folder / "bin"
    shims.mkdir()
    shim = shims / "ghostie"
    shim.write_text(
        f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(sys.executable)} -m ghostie "$@"\n'
    )
    shim.chmod(0o755)
    (shims / "python3").symlink_to(sys.executable)
    return device


def demo(device: Device, *argv: str) -> subprocess.CompletedProcess[str]:
    path = f"{device.folder / 'bin'}:{device.environment()['PATH']}"
    # what a person has set for a vault of their own plays no part in it
    env = device.environment({"PATH": path, "GHOSTIE_HOME": "/nowhere", "GHOSTIE_PASSPHRASE": "of another vault"})
    return subprocess.run(
        ["sh", str(DEMO), *argv],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=env,
        cwd=device.folder,
        timeout=240,
    )


@pytest.mark.skipif(shutil.which("sh") is None, reason="there is no sh here")
def test_the_demo_holds_and_can_be_shown_again(watcher: Device) -> None:
    place = watcher.folder / "place"
    before = tree(ROOT / "docs")
    for _ in range(2):
        done = demo(watcher, str(place))
        assert (done.returncode, done.stderr) == (0, ""), done.stdout[-2000:]
        assert "The demo is done and everything held." in done.stdout.splitlines()
        assert done.stdout.splitlines()[-1].startswith("Next: GHOSTIE_PASSPHRASE=")
        assert "\x1b" not in done.stdout, "no colours where there is no terminal"
    assert {path.name for path in place.iterdir()} == {".made-by-ghostie-demo", "laptop", "phone", "store"}
    assert tree(ROOT / "docs") == before
    # the line that it ends with can be typed as it stands
    said = done.stdout.splitlines()[-1].removeprefix("Next: ").partition("   (")[0]
    path = f"{watcher.folder / 'bin'}:{watcher.environment()['PATH']}"
    typed = subprocess.run(
        ["sh", "-c", said],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=watcher.environment({"PATH": path}),
        cwd=ROOT,
    )
    assert (typed.returncode, typed.stderr) == (0, "")
    assert "NAS" in typed.stdout


def test_the_demo_touches_nothing_that_is_not_its_own(watcher: Device) -> None:
    mine = watcher.folder / "mine" / "laptop"
    mine.mkdir(parents=True)
    (mine / "precious").write_text("mine")
    done = demo(watcher, str(mine.parent))
    assert done.returncode == 1
    assert "is there already and is not an earlier demo's" in done.stderr
    assert tree(mine.parent).keys() == {"laptop", "laptop/precious"}
