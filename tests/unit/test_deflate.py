"""What packs the wheel: anybody can unpack it, it is smaller than zlib's, and what a zip archive says of its files stays."""

from __future__ import annotations

import random
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


@pytest.mark.parametrize("quick", [False, True])
def test_an_archive_has_its_files_and_what_was_said_of_them(tmp_path: Path, quick: bool) -> None:
    archive = tmp_path / "made.zip"
    entries = []
    for name, content in (("text.py", SOURCE), ("a folder/nothing", b""), ("späces/noise", NOISE)):
        info = zipfile.ZipInfo(name, (2020, 2, 2, 10, 20, 30))
        info.external_attr = 0o100644 << 16
        entries.append((info, content))
    deflate.write(archive, entries, quick=quick)
    with zipfile.ZipFile(archive) as held:
        assert held.testzip() is None
        for was, (info, content) in zip(held.infolist(), entries, strict=True):
            assert (was.filename, was.date_time, was.create_system) == (info.filename, info.date_time, 3)
            assert (was.external_attr, held.read(was)) == (info.external_attr, content)
    assert list(tmp_path.iterdir()) == [archive]
