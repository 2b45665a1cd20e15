"""What comes in takes no more memory than a phone has: it is read in pieces, or refused with the bound that it breaks."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable, Iterable, Iterator

import pytest

from tests.cli.device import GHOSTIE, PASSPHRASE, Device
from tests.cli.test_editing import editor
from tests.peak import Ran, run

MOST = 150 << 10  # KiB, of resident memory at the peak
MERGING = """
import sys
from ghostie.vault.merge import merge_lines

lines = 1 << 19
base, mine, theirs = ("x\\n" * (lines + more) for more in (0, -7, -9))
merge_lines(base, mine, theirs)
merge_lines(base, "y\\n" * lines, "z\\n" * lines)
"""


def peak(device: Device, *argv: str, env: dict[str, str] | None = None, feed: Iterable[bytes] = ()) -> tuple[Ran, int]:
    """Run one command that is fed *feed*; return what it came to, and the memory at its peak in KiB."""
    done = run([*GHOSTIE, *argv], env=device.environment(env), folder=device.folder, feed=feed)
    return done, done.peak


def repeated(piece: bytes, size: int) -> Iterator[bytes]:
    for _ in range(size // (1 << 16)):
        yield piece * ((1 << 16) // len(piece))


Sizes = tuple[int, int]


@pytest.fixture(params=["some", pytest.param("all", marks=pytest.mark.slow)])
def sizes(request: pytest.FixtureRequest) -> Sizes:
    """How many equal lines, and how many bytes in one line: enough to show every day, and all that is asked for."""
    return (100_000, 200 << 20) if request.param == "some" else (5_000_000, 1 << 30)


@pytest.mark.parametrize("form", ["lines.jsonl", "lines.jsonl.gz", "lines.json"])
def test_equal_lines_are_one_memory(form: str, sizes: Sizes, laptop: Device) -> None:
    lines, _ = sizes
    path = laptop.scratch / form
    before, line, after = (
        (b"[\n", b'"the same",\n', b'"the same"]\n') if form.endswith("json") else (b"", b'"the same"\n', b"")
    )
    with gzip.open(path, "wb", 1) if form.endswith("gz") else path.open("wb") as out:
        out.write(before)
        for _ in range(lines // 1000):
            out.write(line * 1000)
        out.write(after)
    done, most = peak(laptop, "import", str(path))
    assert (done.code, len(laptop.ids())) == (0, 1), done.err
    assert f"{lines - 1 + bool(after):,} here already" in done.err
    assert most <= MOST


@pytest.mark.parametrize("form", ["line.jsonl", "line.jsonl.gz", "line.json", "line.md", "array.json"])
def test_one_endless_line_is_refused_by_name(form: str, sizes: Sizes, laptop: Device) -> None:
    _, size = sizes
    path = laptop.scratch / form
    if form.endswith("gz"):
        with gzip.open(path, "wb", 1) as out:
            out.writelines(bytes(1 << 20) for _ in range(size >> 20))
    else:
        with path.open("wb") as plain:
            plain.write(b'["x' if form == "array.json" else b'"x')
            plain.truncate(size)
    done, most = peak(laptop, "import", str(path))
    assert done.code == 1
    assert "16 MiB" in done.err
    assert most <= MOST


def test_what_follows_a_line_that_is_too_long_is_read(laptop: Device) -> None:
    path = laptop.scratch / "mixed.jsonl"
    path.write_bytes(b'"before"\n"' + b"x" * (17 << 20) + b'"\n"after"\n')
    done, most = peak(laptop, "import", str(path))
    assert f"{path}:2: the line is longer than 16 MiB" in done.err
    assert {record["content"] for record in laptop.ok("list", "--json").json()} == {"before", "after"}
    assert most <= MOST


def test_a_record_of_many_parts_is_refused_and_a_long_text_is_not(laptop: Device) -> None:
    (laptop.scratch / "parts.jsonl").write_bytes(b"[" + b"[]," * 5_000_000 + b"0]\n")
    (laptop.scratch / "parts.json").write_bytes(
        b'[{"content": "x", "context": {"a": [' + b"{}," * 4_000_000 + b"0]}}]\n"
    )
    (laptop.scratch / "text.jsonl").write_bytes(json.dumps({"content": "one, two, [three]\t{" * 700_000}).encode())
    done, most = peak(laptop, "import", *(str(path) for path in sorted(laptop.scratch.glob("*.json*"))))
    assert done.err.count("a record has more than 800,000 parts") == 2
    assert len(laptop.ids()) > 10, "in parts that belong together"
    assert most <= MOST


def test_of_very_many_bad_records_the_first_are_named(laptop: Device) -> None:
    path = laptop.scratch / "bad.jsonl"
    path.write_bytes(b"{x}\n" * 100_000)
    done, most = peak(laptop, "import", str(path))
    assert "99,000 more were left out" in done.err
    assert "100000 of 100000 records were left out" in done.err
    assert most <= MOST


@pytest.mark.parametrize("piece", [b"x", b"the same\n"])
def test_what_comes_on_standard_input_is_bounded(piece: bytes, sizes: Sizes, laptop: Device) -> None:
    memory_id = laptop.add("as it was")
    for argv in (("add",), ("edit", memory_id, "--content", "-"), ("sync", "join", "-")):
        done, most = peak(laptop, *argv, feed=repeated(piece, sizes[1]))
        assert done.code != 0, argv
        if argv[0] != "sync":
            assert "on standard input has more than 1048576 bytes" in done.err
        assert most <= MOST, argv
    done, _ = peak(laptop, "add", feed=[b"y" * (1 << 20), b"\n"])
    assert done.code == 0, "the newline at the end is not counted"


def test_what_an_editor_leaves_is_bounded(laptop: Device) -> None:
    memory_id = laptop.add("as it was")
    done, most = peak(laptop, "edit", memory_id, env=editor(laptop, "path.open('wb').truncate(1 << 30)"))
    assert "too large" in done.err
    assert most <= MOST


def test_files_and_programs_that_give_secrets_are_bounded(fresh: Callable[[], Device]) -> None:
    device = fresh()
    long = device.scratch / "long"
    with long.open("wb") as out:
        out.truncate(1 << 30)
    spout = f"{sys.executable} -c \"while True: print('x' * 10000)\""
    for argv, env in (
        (("list", "--passphrase-file", str(long)), {}),
        (("list",), {"GHOSTIE_PASSPHRASE_COMMAND": spout}),
        (("keys", "restore", "--words-file", str(long)), {"GHOSTIE_NEW_PASSPHRASE": PASSPHRASE}),
        (("keys", "passwd", "--new-passphrase-file", str(long)), {"GHOSTIE_PASSPHRASE": PASSPHRASE}),
    ):
        done, most = peak(device, *argv, env=env)
        assert done.code != 0, argv
        assert most <= MOST, argv


def test_a_file_of_the_vaults_own_that_grew_is_bounded(laptop: Device) -> None:
    laptop.add("x")
    for name in ("sync/config.json", "sync/device_id", "sync/runs.json", "screens.toml"):
        path = laptop.vault / name
        with path.open("ab") as out:
            out.truncate(1 << 30)
        done, most = peak(laptop, "sync", "status")
        assert done.code != 0
        assert "Traceback" not in done.err
        assert most <= MOST, name
        path.unlink()


def test_two_texts_of_equal_lines_are_merged_within_bounds(laptop: Device) -> None:
    done = run([sys.executable, "-c", MERGING], env=laptop.environment())
    assert done.code == 0, done.err
    assert done.peak <= MOST


def test_what_the_process_that_starts_a_command_holds_is_not_counted(laptop: Device) -> None:
    held = b"x" * (2 * MOST << 10)
    assert peak(laptop, "--version")[1] <= MOST
    assert len(held) > MOST << 10
