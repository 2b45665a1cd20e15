"""What packs the wheel: anybody can unpack it, it is smaller than zlib's, and what a zip archive says of its files stays."""

from __future__ import annotations

import random
import subprocess
import zipfile
import zlib
from pathlib import Path

import pytest

import deflate
from tests.cli.device import ROOT

SOURCE = (ROOT / "ghostie" / "text.py").read_bytes()
NOISE = random.Random(4).randbytes(3000)
CONTENTS = {
    "nothing": b"",
    "one byte": b"a",
    "one byte, often": b"a" * 2000,
    "two bytes, beyond the window": b"ab" * 20_000,
    "a repetition from just within the window": NOISE[:40] + bytes(32_728) + NOISE[:40],
    "a repetition from just outside of it": NOISE[:40] + bytes(32_729) + NOISE[:40],
    "noise": NOISE,
    "every byte": bytes(range(256)) * 3,
    "a source": SOURCE,
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_zlib_unpacks_what_was_packed(content: bytes) -> None:
    assert zlib.decompress(deflate.deflate(content), wbits=-15) == content


def test_it_packs_tighter_than_zlib() -> None:
    assert len(deflate.deflate(SOURCE)) < len(zlib.compress(SOURCE, 9, wbits=-15))


def test_an_archive_keeps_its_files_and_what_it_says_of_them(tmp_path: Path) -> None:
    archive = tmp_path / "made.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in (("text.py", SOURCE), ("a folder/nothing", b""), ("späces/noise", NOISE)):
            entry = zipfile.ZipInfo(name, (2020, 2, 2, 10, 20, 30))
            entry.external_attr = 0o100644 << 16
            made.writestr(entry, content, zipfile.ZIP_DEFLATED)
    archive.chmod(0o640)
    before, size = listed(archive), archive.stat().st_size
    deflate.repack(archive)
    assert listed(archive) == before
    assert archive.stat().st_size < size
    assert archive.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [archive]
    subprocess.run(["python3", "-m", "zipfile", "-t", archive], check=True, capture_output=True)


def listed(archive: Path) -> list[tuple[object, ...]]:
    """Return the files of a zip archive, with what it says of each."""
    with zipfile.ZipFile(archive) as held:
        return [
            (entry.filename, entry.date_time, entry.external_attr, entry.create_system, held.read(entry))
            for entry in held.infolist()
        ]
