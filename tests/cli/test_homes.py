"""Homes that are full, read-only, somebody else's, or no folders: a clean error, and all that was there is there."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .device import PASSPHRASE, Device, Done, Scene, flip, tree
from .test_exit_codes import failed

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount and change owners")
LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))"


@contextmanager
def mounted(*commands: str) -> Iterator[list[str]]:
    """Run shell *commands* in a mount namespace of their own; give the command that runs others there."""
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        pytest.skip("unshare and nsenter are not installed")
    holder = subprocess.Popen(
        ["unshare", "-m", "sh", "-ec", f"{'; '.join(commands)}; echo ready; exec cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin is not None and holder.stdout is not None
    try:
        if holder.stdout.readline() != "ready\n":
            pytest.skip("mounting is refused here")
        yield ["nsenter", "-t", str(holder.pid), "-m", "-r", "--"]  # -r: where this root is not the machine's
    finally:
        holder.communicate()


# -- full ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0, 100, 1000, 4000])
def test_a_write_that_does_not_fit_leaves_what_was_there(limit: int, laptop: Device) -> None:
    """Files may only grow so far: whichever write is the first not to fit, nothing is half there afterwards."""
    memory_id = laptop.add("precious", "-t", "kept")
    for number in range(8):
        laptop.add(f"number {number}")
    laptop.ok("search", "precious")
    (laptop.folder / "pass").write_text(PASSPHRASE + "\n")
    half = LIMITED.format(limit)
    for argv, stdin in (
        (("add",), os.urandom(1500).hex()),
        (("edit", memory_id, "--content", "-"), os.urandom(1500).hex()),
        (("rm", memory_id), None),
        (("undo",), None),
        (("keys", "passwd", "--passphrase-file", "pass", "--new-passphrase-file", "pass"), None),
    ):
        before = {path.name: path.read_bytes() for path in laptop.versions()}
        done = laptop(*argv, stdin=stdin, before=half)
        assert done.code in (0, 1), argv
        after = {path.name: path.read_bytes() for path in laptop.versions()}
        assert before.items() <= after.items(), argv
        if done.code == 1:
            made = len(after) > len(before)
            said = "the change was made, but `undo` does not know it" if made else "could not write"
            assert (done.out, done.err.count(f"ghostie: error: {said}")) == ("", 1), argv
            assert not list(laptop.vault.rglob(".tmp-*")), argv
        assert len(after) - len(before) <= 1, argv
        assert "! " not in laptop("doctor").out, argv
        # reading does not need to write
        assert laptop("list", before=half, code=0).out != ""
    assert laptop("search", "number", before=half, code=0).out != ""
    laptop.add("and it goes on")


@root_only
def test_a_full_disk_can_be_read_and_deleted_from_and_later_it_goes_on(laptop: Device) -> None:
    memory_id = laptop.add("precious")
    doomed, purged = laptop.add("to be removed"), laptop.add("to be destroyed")
    laptop.ok("search", "precious")
    notes = laptop.scratch / "in.md"
    notes.write_text("more")
    vault = laptop.vault
    copied = f"cp -a {vault} {vault}.copy && mount -t tmpfs -o size=2m,mode=700 tmpfs {vault} && cp -a {vault}.copy/. {vault}"
    with mounted(copied, f"rm -r {vault}.copy") as there:

        def run(*argv: str, code: int) -> Done:
            return laptop(*argv, within=there, passphrase=PASSPHRASE, code=code)

        def ids(*argv: str) -> set[str]:
            return {record["id"] for record in run("list", "--json", *argv, code=0).json()}

        subprocess.run([*there, "sh", "-c", f"head -c 4M /dev/zero >{vault}/filler 2>/dev/null"], check=False)
        for argv in (("add", "more"), ("edit", memory_id, "-c", "x"), ("import", str(notes))):
            assert "the disk is full" in failed(run(*argv, code=1), 1).err, argv
        run("rm", doomed, code=0)
        run("purge", "--yes", purged, code=0)
        assert ids() == {memory_id}
        assert doomed in ids("--deleted")
        assert not laptop("show", purged, within=there, passphrase=PASSPHRASE).out.count("destroyed")
        assert [path.name for path in laptop.versions(purged)] != [], "outside, the copy's original is as it was"
        for looking in (("list",), ("show", memory_id), ("search", "precious"), ("export",)):
            assert "precious" in run(*looking, code=0).out
        run("stats", code=0)
        again = f"umask 077; head -c 4M /dev/zero >{vault}/editing 2>/dev/null"
        subprocess.run([*there, "sh", "-c", f"chmod 600 {vault}/filler; {again}"], check=False)
        said = run("doctor", code=1).out
        assert "could not write" in said
        assert "no room is kept for deleting" in said
        subprocess.run([*there, "sh", "-c", f"rm -r {vault}/index/*"], check=True)
        assert "precious" in run("list", code=0).out, "also without an index that it cannot write"
        subprocess.run([*there, "rm", f"{vault}/filler", f"{vault}/editing"], check=True)
        other = run("add", "more", code=0).out.strip()
        assert ids() == {memory_id, other}
        assert "! " not in run("doctor", code=0).out


@root_only
def test_a_store_that_is_full_says_so_and_what_waits_goes_out_later(pair: Scene) -> None:
    laptop, phone = pair.device("laptop"), pair.device("phone")
    store = pair.store
    copied = f"cp -a {store} {store}.copy; mount -t tmpfs -o size=128k tmpfs {store}; cp -a {store}.copy/. {store}"
    laptop.ok("add", stdin=os.urandom(200_000).hex())
    with mounted(copied, f"rm -r {store}.copy") as there:
        assert "the store is full" in failed(laptop("sync", "push", within=there), 22).err
        assert "half sent" in laptop("sync", "status", within=there, code=0).out
    laptop.ok("sync", "push")
    phone.ok("sync", "pull")
    assert phone.ids() == laptop.ids()


# -- read-only -------------------------------------------------------------------------------------------------------


@root_only
@pytest.mark.parametrize("stale", [False, True])
def test_a_home_where_nobody_can_write_is_read(stale: bool, laptop: Device) -> None:
    """A backup on a read-only disk, say; also where its index is missing or behind."""
    memory_id = laptop.add("precious")
    if stale:
        shutil.rmtree(laptop.vault / "index")
    else:
        laptop.ok("search", "precious")
    before = tree(laptop.vault)
    with mounted(f"mount --bind {laptop.vault} {laptop.vault}", f"mount -o remount,ro,bind {laptop.vault}") as there:
        for looking in (("list",), ("show", memory_id), ("search", "precious"), ("history", memory_id), ("export",)):
            assert "precious" in laptop(*looking, within=there, code=0).out
        for command in ("stats", "undo --list", "list --json", "list --deleted"):
            laptop(*command.split(), within=there, code=0)
        for argv in (("add", "more"), ("edit", memory_id, "-c", "x"), ("rm", memory_id), ("undo",), ("gc",)):
            assert "permission denied" in failed(laptop(*argv, within=there), 1).err
    assert tree(laptop.vault) == before


@pytest.mark.parametrize("home", ["/proc/ghostie", "/sys/ghostie", "/proc/1/ghostie", "/dev/null", "/dev/null/ghostie"])
def test_a_home_that_cannot_be_made_is_a_clean_error(home: str, laptop: Device) -> None:
    if not Path(home).parent.exists():
        pytest.skip(f"there is no {Path(home).parent} here")
    done = failed(laptop("init", "--home", home, passphrase=PASSPHRASE), 1)
    assert f"{home} cannot hold a vault: " in done.err
    assert laptop("list", "--home", home, passphrase=PASSPHRASE).code in (1, 10)


def test_a_home_that_is_a_plain_file_is_a_clean_error_and_stays(laptop: Device) -> None:
    home = laptop.scratch / "home"
    home.write_text("mine")
    failed(laptop("init", "--home", str(home), passphrase=PASSPHRASE), 1)
    assert laptop("list", "--home", str(home), passphrase=PASSPHRASE).code in (1, 10)
    assert laptop("sync", "setup", "--path", str(laptop.folder), "--home", str(home), passphrase=PASSPHRASE).code in (
        1,
        10,
    )
    assert home.read_text() == "mine"


def test_a_home_may_be_a_link_and_lie_deep(laptop: Device) -> None:
    link = laptop.scratch / "link"
    link.symlink_to(laptop.vault)
    memory_id = laptop("add", "by the link", "--home", str(link), passphrase=PASSPHRASE, code=0).out.strip()
    assert laptop.ids() == {memory_id}
    deep = laptop.scratch / "a" / "b" / "c"
    laptop("init", "--home", str(deep), passphrase=PASSPHRASE, code=0)
    assert all(stat.S_IMODE(folder.stat().st_mode) == 0o700 for folder in (deep, deep.parent, deep.parent.parent))


# -- somebody else's -------------------------------------------------------------------------------------------------


@root_only
def test_a_home_of_somebody_else_is_left_alone(laptop: Device) -> None:
    """What root would write there its owner could not read any more."""
    laptop.add("theirs")
    for path in (laptop.vault, *laptop.vault.rglob("*")):
        os.chown(path, 65534, 65534)
    before = tree(laptop.vault)
    for argv in (("list",), ("add", "x"), ("unlock",), ("lock",), ("doctor",), ("keys", "passwd"), ("sync", "run")):
        done = failed(laptop(*argv, passphrase=PASSPHRASE), 1)
        assert "it belongs to somebody else" in done.err
    theirs = laptop.scratch / "theirs"
    theirs.mkdir()
    os.chown(theirs, 65534, 65534)
    failed(laptop("init", "--home", str(theirs), passphrase=PASSPHRASE), 1)
    assert list(theirs.iterdir()) == []
    assert tree(laptop.vault) == before
    for path in (laptop.vault, *laptop.vault.rglob("*")):
        os.chown(path, os.geteuid(), os.getegid())


# -- private ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_everything_is_private_whatever_the_umask(umask: int, pair: Scene) -> None:
    laptop = pair.device("laptop")
    loose = f"import os; os.umask({umask})"
    made = laptop.scratch / "made"
    laptop("init", "--home", str(made), passphrase=PASSPHRASE, before=loose, code=0)
    memory_id = laptop("add", "x", before=loose, code=0).out.strip()
    for argv in (
        ("search", "x"),
        ("edit", memory_id, "-c", "y"),
        ("rm", memory_id),
        ("undo",),
        ("gc",),
        ("sync", "run"),
    ):
        laptop(*argv, before=loose, code=0)
    flip(laptop.versions(memory_id)[0])
    laptop("doctor", "--fix", before=loose, code=4)
    for path in (*made.rglob("*"), *laptop.vault.rglob("*")):
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path
    for path in pair.store.rglob("*.seg"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_doctor_closes_what_a_restored_backup_left_open(laptop: Device) -> None:
    laptop.add("x")
    job = laptop.vault / "sync" / "job.sh"
    job.write_text("#!/bin/sh\n")
    for path in (laptop.vault, *laptop.vault.rglob("*")):
        path.chmod(0o777)
    (laptop.vault / "index").chmod(0o500)
    seen = laptop("doctor", code=1).out
    assert "can be looked into by others" in seen
    assert f"{laptop.vault} has the mode 777" in seen
    assert "closed" in laptop("doctor", "--fix", code=0).out
    for path in (laptop.vault, *laptop.vault.rglob("*")):
        if not path.is_socket():
            wanted = 0o700 if path.is_dir() or path == job else 0o600
            assert stat.S_IMODE(path.stat().st_mode) == wanted, path
    assert "ok folders and files are private" in laptop("doctor", code=0).out
    job.unlink()


@root_only
def test_doctor_says_when_nothing_can_be_written(laptop: Device) -> None:
    vault = laptop.vault
    with mounted(f"mount --bind {vault} {vault} && mount -o remount,ro,bind {vault}", "true") as there:
        done = laptop("doctor", within=there, passphrase=PASSPHRASE, code=1)
    assert f"!  could not write {vault}: " in done.out


def test_an_export_to_a_bare_name_lands_in_the_current_folder(laptop: Device) -> None:
    laptop.add("keep me")
    for name in ("out.jsonl", "out.json", "out.jsonl.gz", "./out2.json", "out"):
        laptop.ok("export", name)
        made = laptop.folder / name
        assert made.is_dir() or made.stat().st_size > 0
    assert "is there already" in laptop("export", "out.json", code=2).err
    laptop.ok("export", "--force", "out.json")
    assert len(json.loads((laptop.folder / "out.json").read_text())) == 1


def test_every_file_may_be_named_from_the_current_folder(fresh: Callable[[], Device]) -> None:
    device = fresh()
    (device.folder / "pass").write_text(PASSPHRASE)
    (device.folder / "new").write_text("another one with words")
    (device.folder / "in.md").write_text("brought in")
    given = ("--passphrase-file", "pass")
    (device.folder / "store").mkdir()
    device("init", *given, "--home", "other", code=0)
    device("unlock", *given, "--home", "other", code=0)
    device("import", "in.md", "--home", "other", code=0)
    device("sync", "setup", "--backend", "folder", "--path", "store", *given, "--home", "other", code=0)
    device("export", "out.json", "--home", "other", code=0)
    device("keys", "passwd", *given, "--new-passphrase-file", "new", "--home", "other", code=0)
    device("lock", "--home", "other", code=0)
    assert "brought in" in device("list", "--passphrase-file", "new", "--home", "other", code=0).out


def test_an_export_into_a_folder_that_is_there_leaves_the_folder_as_it_is(laptop: Device) -> None:
    laptop.add("x")
    target = laptop.scratch / "shared"
    target.mkdir()
    target.chmod(0o755)
    laptop.ok("export", str(target))
    assert stat.S_IMODE(target.stat().st_mode) == 0o755
    assert [stat.S_IMODE(path.stat().st_mode) for path in target.iterdir()] == [0o600], "it is in the clear: private"
    laptop.ok("export", str(laptop.scratch / "new"))
    assert stat.S_IMODE((laptop.scratch / "new").stat().st_mode) == 0o700


# -- other people's folders ------------------------------------------------------------------------------------------


def test_a_folder_that_holds_other_things_is_not_taken_over(laptop: Device) -> None:
    folder = laptop.scratch / "letters"
    folder.mkdir(mode=0o755)
    (folder / "to-anna.txt").write_text("dear Anna")
    before = tree(folder)
    done = failed(laptop("init", "--home", str(folder), passphrase=PASSPHRASE), 1)
    assert "it holds other things" in done.err
    assert tree(folder) == before
    (folder / "to-anna.txt").unlink()
    laptop("init", "--home", str(folder), passphrase=PASSPHRASE, code=0)
