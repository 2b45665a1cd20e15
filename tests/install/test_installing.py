"""Real installations, from files that were fetched before: what they promise, and that each hash is looked at."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.device import ROOT
from tests.install.place import VERSION, Place

pytestmark = [pytest.mark.slow, pytest.mark.python]
# bytes, of the wheel: 467,877 when this was last raised, of which most came with keys that rotate, devices that retire,
# and the histories of both
MOST = 520_000


@pytest.fixture
def place(home: Path, tmp_path: Path) -> Place:
    """A home, and a PATH with no more programs than a small system has: no curl, no wget, no git."""
    programs = tmp_path / "programs"
    programs.mkdir()
    wanted = "sh cat cp rm rmdir mv ln ls mkdir mktemp chmod dirname basename grep sed readlink tr env python3 cmp"
    for name in wanted.split():
        found = shutil.which(name)
        assert found is not None, name
        (programs / name).symlink_to(os.path.realpath(found) if name != "python3" else _real_python())
    # nowhere to fetch from: whatever tries to will fail
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_FIND_LINKS": "", "PIP_RETRIES": "0"}
    return Place(home, {"PATH": str(programs), **nowhere})


def _real_python() -> str:
    return subprocess.run(
        ["python3", "-c", "import sys; print(sys._base_executable)"], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_kit_installs_offline_and_its_ghostie_lives_through_a_lost_python(place: Place, kit: Path) -> None:
    script = kit / "install.sh"
    said = place.install("--yes", script=script)
    assert "downloads   nothing" in said
    assert place.ghostie("--version") == f"ghostie {VERSION}\n"
    assert "every promise held" in place.ghostie("doctor", "--simulate", "7")
    assert {path.name for path in place.home.iterdir()} == {".local"}, "nothing outside its folder and its command"
    before = place.tree()
    assert "is installed already" in place.install("--yes", script=script)
    assert place.tree() == before

    current = place.root / "current"
    # as after an upgrade of Python: the program that the environment points at is gone
    for name in ("python", "python3"):
        (current / "bin" / name).unlink(missing_ok=True)
    done = place.run([place.command, "--version"])
    assert (done.returncode, done.stdout) == (0, f"ghostie {VERSION}\n"), done.stderr
    assert done.stderr.count("\n") == 1, "one line"
    assert "Python has changed here" in done.stderr
    assert place.run([place.command, "--version"]).stderr == ""
    # or one that is there, and is not the one that it was made with
    shutil.rmtree(next((current / "lib").glob("python*")) / "site-packages" / "ghostie")
    done = place.run([place.command, "--version"])
    assert (done.returncode, done.stdout) == (0, f"ghostie {VERSION}\n"), done.stderr

    man = current / "share" / "man" / "man1" / "ghostie.1"
    assert ".SH NAME" in man.read_text(encoding="utf-8")
    for shell in ("zsh/site-functions/_ghostie", "fish/vendor_completions.d/ghostie.fish"):
        assert "ghostie completion" in (current / "share" / shell).read_text(encoding="utf-8")
    loader = current / "share" / "bash-completion" / "completions" / "ghostie"
    loads = 'PATH="$1:$PATH"; source "$2"; COMP_WORDS=(ghostie sync st); COMP_CWORD=2; _ghostie; echo "${COMPREPLY[@]}"'
    if bash := shutil.which("bash"):
        assert place.run([bash, "--norc", "-euc", loads, "bash", place.command.parent, loader]).stdout == "status\n"

    updated = place.run([place.command, "self", "update", "--from", kit, "--yes"])
    assert "is installed already" in updated.stdout, updated.stderr
    accelerated = place.run([place.command, "doctor", "--accelerate", "--yes"])
    assert "with PyNaCl and orjson already" in accelerated.stdout, accelerated.stderr

    place.install("--uninstall", "--yes", script=script)
    assert place.tree() == {}


def test_without_compiled_packages_it_is_the_same_ghostie(place: Place, kit: Path) -> None:
    slim = place.home.parent / "slim"
    slim.mkdir()
    compiled = ("cffi", "orjson", "pynacl", "pycparser")
    for path in kit.iterdir():
        if not path.name.lower().startswith(compiled):
            shutil.copy(path, slim)
    place.refused("--yes", script=slim / "install.sh")
    assert not place.command.exists(), "what it could not build it did not switch to"
    done = place.run(["sh", slim / "install.sh", "--pure", "--yes"])
    if "libsodium was not found" in done.stderr:
        pytest.skip("there is no libsodium here")
    assert done.returncode == 0, done.stderr
    passphrase = {"GHOSTIE_PASSPHRASE": "four plain words here"}
    assert place.run([place.command, "init"], passphrase).returncode == 0
    said = place.run([place.command, "doctor"], passphrase).stdout
    assert "secretbox and Argon2id from libsodium, JSON from the standard library" in said


@pytest.mark.parametrize("which", ["tinydb-*.whl", "ghostie-*.whl"])
def test_a_file_that_is_not_what_was_pinned_is_refused(place: Place, kit: Path, which: str) -> None:
    bad = place.home.parent / "bad"
    shutil.copytree(kit, bad)
    (wheel,) = bad.glob(which)
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    said = place.refused("--yes", script=bad / "install.sh")
    assert "DO NOT MATCH THE HASHES" in said
    assert "nothing was switched to it" in said
    assert not place.command.exists()
    assert not (place.root / "current").exists()
    assert list((place.root / "venvs").iterdir()) == []


def test_an_index_that_gives_another_file_under_a_pinned_name_is_refused(place: Place, kit: Path) -> None:
    planted = place.home.parent / "planted"
    planted.mkdir()
    for path in kit.glob("*.whl"):
        content = path.read_bytes()
        (planted / path.name).write_bytes(content + b"\0" if path.name.startswith("segno") else content)
    said = place.refused("--yes", env={"PIP_FIND_LINKS": str(planted), "PIP_NO_INDEX": "1"})
    assert "it was not what it has to be" in said
    assert not place.command.exists()


def test_packages_are_the_same_bytes_whenever_they_are_made(tmp_path: Path) -> None:
    """Twice from one source, with other clocks, masks and places; small; and with nothing in them that is not source."""
    if shutil.which("advzip") is None:
        pytest.skip("advzip is not here (Debian or Ubuntu: apt install advancecomp)")
    made = []
    for name, epoch, mask in (("one", "1700000000", 0o022), ("two", "1800000000", 0o077)):
        source = tmp_path / name / "ghostie"
        skip = shutil.ignore_patterns(
            ".git", ".venv*", ".wheels", ".demo", "__pycache__", "dist", ".*_cache", ".hypothesis", "tests"
        )
        shutil.copytree(ROOT, source, ignore=skip)
        (source / "tests").mkdir()
        out = tmp_path / name / "out"
        before = os.umask(mask)
        try:
            done = subprocess.run(
                [source / ".ci" / "release", out],
                env={**os.environ, "SOURCE_DATE_EPOCH": epoch},
                capture_output=True,
                text=True,
            )
        finally:
            os.umask(before)
        assert done.returncode == 0, done.stderr
        made.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert made[0] == made[1]
    packages = {f"ghostie-{VERSION}-py3-none-any.whl", f"ghostie-{VERSION}.tar.gz"}
    assert set(made[0]) == {*packages, "sbom.cdx.json", "SHA256SUMS"}
    for line in made[0]["SHA256SUMS"].decode().splitlines():
        digest, _, name = line.partition("  ")
        assert hashlib.sha256(made[0][name]).hexdigest() == digest
    wheel = tmp_path / "one" / "out" / f"ghostie-{VERSION}-py3-none-any.whl"
    assert wheel.stat().st_size <= MOST
    pip = ["python3", "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(tmp_path / "installed")]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
