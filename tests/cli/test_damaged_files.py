"""A file that is not whole is named, and all others are listed and shown."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from . import hurting
from .device import Device, Scene, flip
from .hurting import Hurt
from .story import fight
from .test_exit_codes import failed


def ids(records: list[dict[str, str]]) -> set[str]:
    return {record["id"] for record in records}


@pytest.mark.parametrize("hurt", [hurt for hurt in hurting.ALL if hurt is not hurting.delete])
def test_a_damaged_version_file_is_named_and_the_others_are_shown(hurt: Hurt, pair: Scene) -> None:
    laptop = pair.device("laptop")
    memory_id = laptop.add("the one that is hurt")
    whole = laptop.add("the one that stays whole")
    (path,) = laptop.versions(memory_id)
    stem = path.name.removesuffix(".json.enc")
    hurt(path)
    assert "the one that stays whole" in laptop.ok("list").out
    assert "the one that stays whole" in laptop.ok("show", whole).out
    assert "the one that stays whole" in laptop.ok("search", "whole").out
    listed = laptop("list", "--json", code=4)
    assert stem in listed.err
    exported = laptop("export", code=4)
    assert stem in exported.err
    for told in (listed.out, exported.out):
        assert (whole in told, memory_id in told) == (True, False)
    for argv in (("show", memory_id), ("history", memory_id), ("sync", "verify")):
        assert stem in failed(laptop(*argv), 4).err
    assert f"!  version file {stem} is damaged or was tampered with" in laptop("doctor", code=4).out
    assert "set 1 file aside" in laptop("doctor", "--fix", code=4).out
    assert not path.is_symlink() and not path.exists()
    assert os.path.lexists(laptop.vault / "sync" / "quarantine" / path.name)
    assert "! " not in laptop.ok("doctor").out
    assert ids(laptop.ok("list", "--json").json()) == ids(listed.json())


@pytest.mark.parametrize("hurt", [hurting.flip_late, hurting.empty, hurting.replace_by_folder])
def test_a_file_that_was_damaged_before_the_index_was_made_is_named_too(hurt: Hurt, pair: Scene) -> None:
    laptop = pair.device("laptop")
    memory_id, whole = laptop.add("hurt"), laptop.add("whole")
    (path,) = laptop.versions(memory_id)
    hurt(path)
    shutil.rmtree(laptop.vault / "index")
    assert whole in laptop.ids()
    assert memory_id not in laptop.ids()
    failed(laptop("show", memory_id), 1)
    assert path.name[:59] in failed(laptop("sync", "verify"), 4).err
    assert path.name[:59] in laptop("doctor", code=4).out


def test_one_damaged_version_leaves_the_rest_of_its_memory(laptop: Device) -> None:
    memory_id = laptop.add("one")
    laptop.ok("edit", memory_id, "--content", "two")
    laptop.ok("edit", memory_id, "--content", "three")
    numbers = {
        record["sync_metadata"]["version"]: record for record in laptop.ok("history", memory_id, "--json").json()
    }
    digest = numbers[2]["sync_metadata"]["sync_hash"].removeprefix("sha256:")[:32]
    flip(laptop.vault / "memories" / f"{memory_id}.{digest}.json.enc")
    assert laptop.ok("show", memory_id, "--json").json()["content"] == "three"
    assert digest in failed(laptop("history", memory_id), 4).err
    assert digest in failed(laptop("diff", memory_id), 4).err
    assert laptop.ok("diff", memory_id, "1", "3").out != ""
    laptop.ok("restore", memory_id, "--at", "1")
    assert laptop.ok("show", memory_id, "--json").json()["content"] == "one"


def test_what_the_store_has_comes_back_after_a_damaged_file_was_set_aside(pair: Scene) -> None:
    laptop = pair.device("laptop")
    before = laptop.ids()
    for path in laptop.versions():
        flip(path)
    laptop("doctor", "--fix", code=4)
    assert laptop.ids() == set()
    laptop.ok("sync", "run")
    assert laptop.ids() <= before, "nothing is made of nothing"
    phone = pair.device("phone")
    phone.ok("sync", "run")
    assert phone.ids() == before, "what is missing here is not deleted there"


def test_two_files_that_changed_places_are_both_named(laptop: Device) -> None:
    whole = laptop.add("whole")
    one, two = (laptop.versions(laptop.add(words))[0] for words in ("one", "two"))
    aside = one.with_name("aside")
    one.rename(aside)
    two.rename(one)
    aside.rename(two)
    doctor = laptop("doctor", code=4).out
    assert doctor.count("is damaged or was tampered with") == 2
    assert all(path.name.removesuffix(".json.enc") in doctor for path in (one, two))
    done = laptop("list", "--json", code=4)
    assert ids(done.json()) == {whole}
    assert done.err.count("is damaged or was tampered with") == 2


def test_a_file_under_another_name_is_named(laptop: Device) -> None:
    whole = laptop.add("whole")
    (path,) = laptop.versions(laptop.add("hurt"))
    other = path.with_name(f"{'a' * 26}.{path.name.split('.', 1)[1]}")
    path.rename(other)
    assert other.name.removesuffix(".json.enc") in laptop("doctor", code=4).out
    assert laptop.ids() == {whole}
    copy = laptop.versions(whole)[0]
    shutil.copy(copy, copy.with_name(f"{whole}.{'0' * 32}.json.enc"))
    assert laptop("doctor", code=4).out.count("is damaged or was tampered with") == 2
    laptop("doctor", "--fix", code=4)
    assert laptop.ids() == {whole}


STRAYS = [
    "notes.txt",
    "a.json.enc",
    f"{'a' * 26}.json.enc",
    f"{'A' * 26}.{'0' * 32}.json.enc",
    "\x1b[2J\u202e" * 5 + f"a.{'0' * 32}.json.enc",
    "x\x1b[31m\u202e",
    "[bold]",
    "--help",
]


@pytest.mark.parametrize("kind", ["file", "folder", "link", "pipe"])
def test_what_is_no_version_file_is_told_and_otherwise_left_alone(kind: str, laptop: Device) -> None:
    memory_id = laptop.add("whole")
    strays = [laptop.vault / "memories" / name for name in STRAYS]
    for stray in strays:
        if kind == "file":
            stray.write_bytes(b"x")
        elif kind == "folder":
            stray.mkdir()
        elif kind == "pipe":
            os.mkfifo(stray)
        else:
            stray.symlink_to("/nowhere")
    for argv in (("list",), ("stats",), ("search", "whole"), ("gc",), ("list", "--json"), ("export",)):
        assert laptop.ok(*argv).err.count("error") == 0
    for argv in (("doctor",), ("doctor", "--fix")):
        done = laptop(*argv, code=1)
        assert done.out.count("in memories/ is no file of ghostie's") == len(STRAYS)
        assert done.out.replace("\n", "").isprintable()
    assert laptop.ids() == {memory_id}
    assert all(os.path.lexists(stray) for stray in strays)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_conflict_one_side_of_which_is_damaged_is_told_and_others_are_shown(which: int, pair: Scene) -> None:
    laptop = pair.device("laptop")
    memory_id = fight(pair)
    path = laptop.versions(memory_id)[which]
    flip(path)
    stem = path.name.removesuffix(".json.enc")
    listed = laptop("sync", "conflict", code=3)
    assert memory_id[:6] in listed.out
    is_head = laptop("sync", "conflict", memory_id).code == 4
    everything = laptop("sync", "conflict", "--json", code=4 if is_head else 3)
    assert ids(everything.json()) == (set() if is_head else {memory_id})
    for command in ("sync run", "sync status", "list", "stats"):
        assert "fault" not in laptop(*command.split()).err
    for argv in (("sync", "conflict", memory_id), ("sync", "conflict", memory_id, "--keep", "both")):
        done = laptop(*argv)
        assert done.code == 4 if is_head else done.code in (0, 3)
        assert (stem in done.err) is is_head


@pytest.mark.parametrize("hurt", [hurting.delete, hurting.empty, hurting.flip_late])
@pytest.mark.parametrize(
    "name", ["operations.enc", "sync/sync_state.json", "sync/device_id", "sync/config.json", "keys/master.key", "lock"]
)
def test_other_files_that_are_damaged_are_told_and_lose_no_memory(name: str, hurt: Hurt, pair: Scene) -> None:
    laptop = pair.device("laptop")
    before = laptop.ids()
    path: Path = laptop.vault / name
    if name == "lock" and hurt is hurting.flip_late:
        path.write_bytes(b"x")
    kept = path.read_bytes()
    hurt(path)
    for argv in (("list",), ("undo", "--list"), ("sync", "status"), ("sync", "run"), ("add", "more"), ("doctor",)):
        done = laptop(*argv)
        assert "fault" not in done.err, (argv, done.err)
        assert done.code in (0, 1, 2, 4, 10, 12), (argv, done)
    if name == "keys/master.key":
        path.write_bytes(kept)
    assert before <= laptop.ids()
