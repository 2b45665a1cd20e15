"""Canaries: words that stand in every corner of a vault, and that nobody finds in any file of it or of its store."""

from __future__ import annotations

import base64
import contextlib
import gzip
import itertools
import json
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.device import PASSPHRASE, Device, Scene, flip

# every canary begins with it, so that one search finds them all
MARK = "kanarienvogel"
LONG = f"{MARK}{'x' * 4000}"


def forms(word: str) -> dict[str, bytes]:
    """Return the ways in which *word* may be spelt in a file."""
    plain = word.encode()
    found = {
        "raw": plain,
        "upper case": word.upper().encode(),
        "hex": plain.hex().encode(),
        "hex in upper case": plain.hex().upper().encode(),
        "UTF-16 LE": word.encode("utf-16-le"),
        "UTF-16 BE": word.encode("utf-16-be"),
        "UTF-32": word.encode("utf-32-le"),
    }
    for shift in range(3):
        # what of it does not depend on the bytes around it
        padded = base64.b64encode(b"\0" * shift + plain)
        start, end = (0, 2, 3)[shift], len(padded) - (4 if (shift + len(plain)) % 3 else 0)
        found[f"base64 at {shift}"] = padded[start:end]
        found[f"base64url at {shift}"] = base64.urlsafe_b64encode(b"\0" * shift + plain)[start:end]
    return found


PATTERNS = forms(MARK)


def spread(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield *content*, and what is merely packed in it."""
    yield "", content
    for magic, bits in ((b"\x1f\x8b\x08", 31), (b"\x78\x01", 15), (b"\x78\x9c", 15), (b"\x78\xda", 15)):
        at = content.find(magic)
        while at >= 0:
            with contextlib.suppress(zlib.error):
                yield "packed, ", zlib.decompressobj(bits).decompress(content[at:], 1 << 22)
            at = content.find(magic, at + 1)


def sightings(*folders: Path) -> list[str]:
    """Return where below *folders* a canary is seen, in a name or in what a file holds, and in which form."""
    found = []
    for path in itertools.chain.from_iterable(sorted(folder.rglob("*")) for folder in folders):
        content = path.read_bytes() if path.is_file() else b""
        for packed, held in itertools.chain([("named ", str(path).encode())], spread(content)):
            found += [f"{path}: {packed}{form}" for form, pattern in PATTERNS.items() if pattern in held]
    return found


def test_the_scanner_sees_a_canary_in_every_form(tmp_path: Path) -> None:
    """The control: what it could not see would be no proof."""
    word = f"{MARK}-content-12"
    (tmp_path / "clean").write_bytes(bytes(range(256)) * 100)
    assert sightings(tmp_path) == []
    planted = {
        "raw": f"before {word} after".encode(),
        "upper case": word.upper().encode(),
        "hex": word.encode().hex().encode(),
        "hex in upper case": word.encode().hex().upper().encode(),
        "UTF-16 LE": f"x{word}".encode("utf-16-le"),
        "UTF-16 BE": f"x{word}".encode("utf-16-be"),
        "UTF-32": f"x{word}".encode("utf-32-le"),
        "packed, raw": b"\0" * 5 + zlib.compress(word.encode()),
    }
    for form, held in planted.items():
        (tmp_path / "planted").write_bytes(held)
        assert f"{tmp_path / 'planted'}: {form}" in sightings(tmp_path)
    (tmp_path / "planted").write_bytes(b"\0" * 9 + gzip.compress(word.encode()))
    assert f"{tmp_path / 'planted'}: packed, raw" in sightings(tmp_path)
    for shift in range(6):
        (tmp_path / "planted").write_bytes(base64.b64encode(b"\xfb" * shift + word.encode() + b"\xfb" * shift))
        assert [each for each in sightings(tmp_path) if f"base64 at {shift % 3}" in each], shift
        (tmp_path / "planted").write_bytes(base64.urlsafe_b64encode(b"\xfb" * shift + word.encode()))
        assert [each for each in sightings(tmp_path) if f"base64url at {shift % 3}" in each], shift
    (tmp_path / "planted").unlink()
    (tmp_path / word).mkdir()
    assert sightings(tmp_path) == [f"{tmp_path / word}: named raw"]


def record(number: int) -> dict[str, object]:
    """Return a record with a canary in every place that a person can fill."""
    return {
        "content": f"{MARK}-content-{number} über\nsecond line {MARK}-line-{number}",
        "category": f"{MARK}-category-{number % 7}",
        "tags": [f"{MARK}-tag-{number}", f"tag {MARK}"],
        "device_id": f"{MARK}-device-{number % 3}",
        "kind": "memory" if number % 2 else f"{MARK}-kind",
        "context": {f"{MARK}-key-{number}": {"deep": [f"{MARK}-value-{number}"]}},
        "scope": {"repo": f"{MARK}-repo", "branch": f"{MARK}-branch", "agent": f"{MARK}-agent"},
        "anchor": {"path": f"{MARK}/path", "commit": f"{MARK}-commit"},
        "links": [{"type": f"{MARK}-link", "to": f"{MARK}-to"}],
        "source": {"tool": f"{MARK}-tool", "session": f"{MARK}-session", "entry": f"{MARK}-entry"},
        f"{MARK}-unknown-{number}": f"{MARK}-more-{number}",
    }


@pytest.fixture
def scene(request: pytest.FixtureRequest) -> Scene:
    made = Scene()
    request.addfinalizer(made.end)
    made.store.mkdir()
    return made


def test_no_canary_is_seen_outside_of_the_seal(scene: Scene, tmp_path: Path) -> None:
    laptop, phone = scene.device("laptop"), scene.device("phone")
    secret = f"{MARK} passphrase {PASSPHRASE}"
    live(laptop, phone, scene, secret, tmp_path)
    own_names = {f"{device.vault / 'sync' / 'device_id'}: raw" for device in (laptop, phone)}
    assert set(sightings(laptop.folder, phone.folder, scene.store)) == own_names
    for device in (laptop, phone):
        device.lock()
    assert set(sightings(laptop.folder, phone.folder, scene.store)) == own_names
    files = [path for path in scene.store.rglob("*") if path.is_file()]
    assert len(files) > 3
    assert sum(path.stat().st_size for path in files) > 5000, "there was something to be found"


def live(laptop: Device, phone: Device, scene: Scene, secret: str, outside: Path) -> None:
    """Let two devices do everything that there is to do."""
    laptop("init", "--device-name", f"{MARK}-laptop", passphrase=secret, code=0)
    laptop.unlock(passphrase=secret)
    batch = outside / f"{MARK}.jsonl"
    batch.write_text("".join(json.dumps(record(number)) + "\n" for number in range(48)))
    note = outside / f"{MARK}.md"
    note.write_text(f"---\ntitle: {MARK} title\ntags: [{MARK}-front]\n---\n# {MARK} heading\n{LONG}\n")
    kept = outside / f"{MARK}-agent.json"
    kept.write_text(json.dumps({f"{MARK}-list": [f"{MARK} fact", {"fact": f"{MARK} other"}], MARK: {MARK: MARK}}))
    laptop.ok("import", str(batch), str(note), str(kept))
    laptop.ok("import", str(batch), str(note), str(kept))
    ids = [
        laptop.add(
            f"{MARK} by hand {number}",
            "-c",
            f"{MARK} hand",
            "-t",
            f"{MARK}{number}",
            "--context",
            f'{{"{MARK}": "{MARK}"}}',
        )
        for number in range(6)
    ]
    laptop.add(f"{MARK} stays here", "--local-only")
    laptop.ok("edit", ids[0], "--content", f"{MARK} edited", "-t", f"+{MARK}-new", "--kind", f"{MARK}-kind")
    program = outside / "editor.py"
    program.write_text("import sys, pathlib; p = pathlib.Path(sys.argv[1]); p.write_text(p.read_text() + '!')")
    laptop("edit", ids[1], env={"EDITOR": f"{sys.executable} {program}"}, code=0)
    laptop.ok("rm", ids[2])
    laptop.ok("undo")
    laptop.ok("rm", ids[3])
    laptop.ok("purge", ids[4], "--yes")
    laptop.ok("search", MARK)
    laptop.ok("sync", "setup", "--path", str(scene.store))
    laptop.ok("sync", "push")
    phone("sync", "setup", "--path", str(scene.store), "--device-name", f"{MARK}-phone", passphrase=secret, code=0)
    phone.unlock(passphrase=secret)
    phone.ok("sync", "pull")
    phone.ok("search", f"{MARK}*")
    fights(laptop, phone, ids[5], ids[1])
    fail(laptop, phone, scene, ids[0], secret)
    laptop.ok("gc")
    laptop.ok(
        "keys", "passwd", "--new-passphrase-file", str(_file(outside, f"{MARK} new passphrase")), passphrase=secret
    )
    laptop.ok("sync", "push")
    assert (laptop.vault / "index" / "search.enc").exists()
    assert (phone.vault / "index" / "search.enc").exists()
    assert list((laptop.vault / "sync" / "conflicts").iterdir())
    assert list((phone.vault / "sync" / "quarantine").iterdir())
    assert len(laptop.ids()) > 55


def fights(laptop: Device, phone: Device, settled: str, left_open: str) -> None:
    """Let the devices change the same memories; one conflict is settled, the other stays."""
    for memory_id in (settled, left_open):
        laptop.ok("edit", memory_id, "--content", f"{MARK} of the laptop", "-c", f"{MARK} mine")
        phone.ok("edit", memory_id, "--content", f"{MARK} of the phone", "-c", f"{MARK} theirs")
    phone.ok("sync", "push")
    laptop("sync", "run", code=3)
    laptop("sync", "conflict", settled, "--keep", "both", code=3)
    laptop("sync", "push", code=0)
    phone("sync", "run", code=3)


def fail(laptop: Device, phone: Device, scene: Scene, memory_id: str, secret: str) -> None:
    """Let commands fail while they hold canaries."""
    debug = {"GHOSTIE_DEBUG": "1"}
    phone.lock()
    assert phone("list", env=debug, passphrase=f"{MARK} wrong").code == 12
    phone.unlock(passphrase=secret)
    assert laptop("add", f"{MARK} x", "--context", MARK, env=debug).code == 2
    assert laptop("add", stdin=LONG * 400, env=debug).code == 1
    assert laptop("edit", memory_id, env={**debug, "EDITOR": "false"}).code == 2
    assert laptop("show", MARK, env=debug).code == 1
    assert laptop("import", f"/nowhere/{MARK}", env=debug).code == 2
    assert laptop("keys", "restore", stdin=f"{MARK} " * 24, env=debug).code == 12
    away = scene.folder / "away"
    laptop.add(f"{MARK} while the store was away")
    scene.store.rename(away)
    assert laptop("sync", "run", env=debug).code == 20
    away.rename(scene.store)
    laptop("sync", "push", code=0)
    newest = max(scene.store.rglob("*.seg"), key=lambda path: path.stat().st_mtime_ns)
    flip(newest, 100)
    assert phone("sync", "pull", env=debug).code == 4
    flip(newest, 100)
    phone("sync", "pull", code=3)


def _file(folder: Path, line: str) -> Path:
    path = folder / "line"
    path.write_text(f"{line}\n")
    return path
