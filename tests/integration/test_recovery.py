"""A lost vault comes back on a new device with an empty HOME, from every kind of store, by passphrase or by words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from ghostie.crypto.keys import from_words
from ghostie.errors import BadWords
from tests.cli.device import PASSPHRASE, Device, Scene
from tests.cli.test_exit_codes import failed
from tests.tui.test_terminal import Terminal, needs_tmux

from .gistserver import TOKEN, GistServer
from .s3servers import Server, moto

__all__ = ["moto"]

NEW = "velvet anchor mosaic thimble"


@dataclass
class Lost:
    """A vault whose devices are gone: where its store is, how to get in, and what is on paper."""

    scene: Scene
    where: Sequence[str]
    credentials: dict[str, str]
    words: str
    ids: set[str]

    def fresh(self, name: str) -> Device:
        """Return a device with nothing on it."""
        device = self.scene.device(name)
        assert not device.vault.exists()
        return device

    def paper(self, device: Device, words: str | None = None) -> str:
        """Write the words down in a file; return its name."""
        path = device.scratch / "words"
        path.write_text(words or self.words)
        return str(path)


@pytest.fixture(params=["folder", "s3", "gist"])
def lost(request: pytest.FixtureRequest, server: GistServer) -> Iterator[Lost]:
    scene = Scene()
    scene.store.mkdir()
    laptop = scene.device("laptop")
    where, credentials = ["--path", str(scene.store)], {}
    if request.param == "s3":
        s3: Server = request.getfixturevalue("moto")
        where = ["--backend", "s3", "--bucket", s3.new_bucket(), "--endpoint", s3.address]
        credentials = {"GHOSTIE_S3_ACCESS_KEY": s3.access_key, "GHOSTIE_S3_SECRET_KEY": s3.secret_key}
    elif request.param == "gist":
        where = ["--backend", "gist", "--api-url", server.api.url, "--raw-url", server.raw.url]
        credentials = {"GHOSTIE_GIST_TOKEN": TOKEN}
    laptop.ok("init", "--device-name", "laptop", passphrase=PASSPHRASE)
    laptop.unlock()
    ids = {laptop.add("the router is at 10.0.0.1"), laptop.add("the heating engineer comes in October")}
    laptop("sync", "setup", *where, env=credentials, code=0)
    laptop.ok("sync", "push")
    words = " ".join(laptop.ok("keys", "recovery", "--json", passphrase=PASSPHRASE).json())
    yield Lost(scene, where, credentials, words, ids)
    scene.end()


def has_all(device: Device, passphrase: str, lost: Lost) -> bool:
    """Tell whether *passphrase* opens the device, and all that was on the store is there after a sync."""
    device("sync", "run", passphrase=passphrase, code=0)
    listed = device("list", "--json", "-n", "0", passphrase=passphrase, code=0).json()
    return {record["id"] for record in listed} == lost.ids


@pytest.mark.parametrize(
    "lost", ["folder", *(pytest.param(each, marks=pytest.mark.slow) for each in ("s3", "gist"))], indirect=True
)
def test_the_passphrase_alone_brings_the_vault_back(lost: Lost) -> None:
    phone = lost.fresh("phone")
    phone("sync", "setup", *lost.where, passphrase=PASSPHRASE, env=lost.credentials, code=0)
    assert has_all(phone, PASSPHRASE, lost)


Restoring = Callable[[Lost, Device], object]


def by_file(lost: Lost, device: Device) -> None:
    done = device(
        "sync", "setup", *lost.where, "--words-file", lost.paper(device),
        env={**lost.credentials, "GHOSTIE_NEW_PASSPHRASE": NEW}, code=0,
    )  # fmt: skip
    assert "the new passphrase opens this device and the store" in done.err


def by_standard_input(lost: Lost, device: Device) -> None:
    new = device.scratch / "new"
    new.write_text(f"{NEW}\n")
    argv = ("keys", "restore", *lost.where, "--new-passphrase-file", str(new), "--json")
    done = device(*argv, stdin=lost.words.replace(" ", "\n"), env=lost.credentials, code=0)
    assert done.json()["joined"] is True and "the store" in done.json()["passphrase"]


def at_a_prompt(lost: Lost, device: Device) -> None:
    """Press Enter for the words, type some lines of them with a slip in between, and choose a passphrase."""
    words = lost.words.split()
    keys = ["", " ".join(words[:5]), f"{words[5]} nosuchword", " ".join(words[5:23]), words[23], NEW, NEW]
    code, seen = device.on_terminal("sync", "setup", *lost.where, env=lost.credentials, keys="\n".join(keys) + "\n")
    assert code == 0, seen
    said = seen.decode()
    assert "5 of 24 words: " in said and "word 7 is not on the list" in said and "23 of 24 words: " in said
    nothing_shown(said, lost)


def nothing_shown(said: str, lost: Lost) -> None:
    """No word stood on the terminal but those that belong to ghostie's own sentences, and no passphrase."""
    spoken = set(re.findall(r"[a-z]+", OWN_SENTENCES))
    assert not {word for word in lost.words.split() if re.search(rf"\b{word}\b", said)} - spoken
    assert NEW not in said and PASSPHRASE not in said and "nosuchword" not in said


OWN_SENTENCES = """the recovery words in order one or more a line what you type is not shown of words word is not on the
list this line was not taken passphrase of the vault on the store or enter for its words new passphrase the same once
more from first once their checksum does fit there are these not vault s recovery error hint check each against your note counts ended
 joined the vault on the store the new passphrase opens this device and the store for devices that join your other
devices keep the passphrase that each has until ghostie keys passwd is run there the store was tried out and keeps what
it is given it can refuse to write over an object ghostie sync run takes in what is there and sends what is new which
folder bucket gists name server address the passphrase does not open this vault tries left try holds another and"""


QUICK = {("folder", by_standard_input), ("s3", at_a_prompt), ("gist", by_file)}  # each store and each way once


@pytest.mark.parametrize(
    ("lost", "restoring"),
    [
        pytest.param(store, way, id=f"{store}-{way.__name__}", marks=() if (store, way) in QUICK else pytest.mark.slow)
        for store in ("folder", "s3", "gist")
        for way in (by_file, by_standard_input, at_a_prompt)
    ],
    indirect=["lost"],
)
def test_the_words_alone_bring_the_vault_back_and_the_new_passphrase_reaches_the_store(
    lost: Lost, restoring: Restoring
) -> None:
    phone = lost.fresh("phone")
    restoring(lost, phone)
    assert has_all(phone, NEW, lost)
    tablet = lost.fresh("tablet")
    failed(tablet("sync", "setup", *lost.where, env=lost.credentials, passphrase=PASSPHRASE), 12)
    assert not tablet.vault.exists()
    tablet("sync", "setup", *lost.where, env=lost.credentials, passphrase=NEW, code=0)
    assert has_all(tablet, NEW, lost)


@pytest.mark.parametrize(
    "lost", ["gist", *(pytest.param(each, marks=pytest.mark.slow) for each in ("folder", "s3"))], indirect=True
)
def test_words_of_an_older_key_say_which_key_they_are_of_and_change_nothing(lost: Lost) -> None:
    laptop, phone = lost.scene.device("laptop"), lost.fresh("phone")
    laptop("keys", "rotate", passphrase=PASSPHRASE, code=0)
    laptop("sync", "push", passphrase=PASSPHRASE, code=0)
    new = {**lost.credentials, "GHOSTIE_NEW_PASSPHRASE": NEW}
    for argv in (("sync", "setup"), ("keys", "restore")):
        refused = phone(*argv, *lost.where, "--words-file", lost.paper(phone), env=new)
        said = failed(refused, 12).err
        assert (
            "of an older key of the vault: epoch 1, and the newest is epoch 2" in said
            and "`ghostie sync setup`" in said
        )
        assert not phone.vault.exists()
    newest = " ".join(laptop("keys", "recovery", "--json", passphrase=PASSPHRASE, code=0).json())
    phone("sync", "setup", *lost.where, "--words-file", lost.paper(phone, newest), env=new, code=0)
    assert has_all(phone, NEW, lost)


# -- what does not depend on the store ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kept() -> Iterator[Lost]:
    """A vault in a folder, made once."""
    scene = Scene()
    scene.store.mkdir()
    laptop = scene.device("laptop")
    laptop.ok("init", "--device-name", "laptop", passphrase=PASSPHRASE)
    laptop.unlock()
    ids = {laptop.add("the router is at 10.0.0.1")}
    laptop.ok("sync", "setup", "--path", str(scene.store))
    laptop.ok("sync", "push")
    words = " ".join(laptop.ok("keys", "recovery", "--json", passphrase=PASSPHRASE).json())
    scene.keep()
    yield Lost(scene, ["--path", str(scene.store)], {}, words, ids)
    scene.end()


@pytest.fixture
def in_a_folder(kept: Lost) -> Lost:
    kept.scene.reset()
    return kept


def test_restore_on_an_empty_home_asks_which_store_it_is(in_a_folder: Lost) -> None:
    lost, phone = in_a_folder, in_a_folder.fresh("phone")
    keys = [lost.words, "1", str(lost.scene.store), NEW, NEW]
    code, seen = phone.on_terminal("keys", "restore", keys="\n".join(keys) + "\n")
    assert code == 0, seen
    assert b"which store: 1 a folder, 2 an S3 bucket, 3 gists" in seen
    nothing_shown(seen.decode().replace(str(lost.scene.store), ""), lost)
    assert has_all(phone, NEW, lost)


@needs_tmux
def test_words_that_are_pasted_on_24_lines_are_all_taken_and_none_is_shown(
    in_a_folder: Lost, short_folder: Path
) -> None:
    lost, phone = in_a_folder, in_a_folder.fresh("phone")
    terminal = Terminal(short_folder, phone)
    try:
        terminal.start("keys", "restore", *lost.where, size=(120, 60))
        terminal.sees("0 of 24 words:")
        terminal.type(lost.words.replace(" ", "\n") + "\n")
        for question in ("new passphrase:", "the same once more:"):
            terminal.sees(question)
            terminal.type(NEW)
            terminal.keys("Enter")
        terminal.sees("23 of 24 words:", "ended 0")
        nothing_shown(terminal.text().replace(str(lost.scene.store), ""), lost)
    finally:
        terminal.end()
    assert has_all(phone, NEW, lost)


def swaps(words: list[str]) -> Iterator[str]:
    """Yield *words* with two neighbours exchanged."""
    for at in range(len(words) - 1):
        yield " ".join([*words[:at], words[at + 1], words[at], *words[at + 2 :]])


def fits(words: str) -> bool:
    try:
        return bool(from_words(words))
    except BadWords:
        return False


def test_words_whose_checksum_does_not_fit_are_asked_for_three_times(in_a_folder: Lost) -> None:
    phone = in_a_folder.fresh("phone")
    swapped = next(each for each in swaps(in_a_folder.words.split()) if not fits(each))
    code, seen = phone.on_terminal("keys", "restore", keys=f"{swapped}\n" * 3)
    assert code == 12 and seen.count(b"from the first word on, once more") == 2
    nothing_shown(seen.decode(), in_a_folder)
    assert not phone.vault.exists()


def test_restore_without_a_vault_a_store_or_a_terminal_says_what_to_give(in_a_folder: Lost) -> None:
    phone = in_a_folder.fresh("phone")
    said = failed(phone("keys", "restore", stdin=in_a_folder.words, env={"GHOSTIE_NEW_PASSPHRASE": NEW}), 10).err
    assert "--path DIR" in said and not phone.vault.exists()


def test_the_words_after_three_wrong_passphrases_or_one_from_the_environment(in_a_folder: Lost) -> None:
    lost, phone = in_a_folder, in_a_folder.fresh("phone")
    wrong = ["one that is wrong", "another that is wrong", "a third that is wrong"]
    code, seen = phone.on_terminal("sync", "setup", *lost.where, keys="\n".join(wrong) + "\n")
    assert code == 12 and seen.count(b"(or Enter, for its 24 words): ") == 3
    assert b"2 tries left" in seen and b"1 try left" in seen and not any(each.encode() in seen for each in wrong)
    assert not phone.vault.exists()
    code, seen = phone.on_terminal(
        "sync", "setup", *lost.where, keys="\n".join([*wrong[:2], "", lost.words, NEW, NEW, ""])
    )
    assert code == 0, seen
    nothing_shown(seen.decode(), lost)
    assert has_all(phone, NEW, lost)
    tablet = lost.fresh("tablet")
    code, seen = tablet.on_terminal("sync", "setup", *lost.where, env={"GHOSTIE_PASSPHRASE": wrong[0]})
    assert code == 12 and b"left" not in seen, "what is in the environment is tried once, and nobody is asked"


def test_a_passphrase_that_was_changed_elsewhere_is_explained_where_it_does_not_open(in_a_folder: Lost) -> None:
    lost, phone = in_a_folder, in_a_folder.fresh("phone")
    phone("sync", "setup", *lost.where, passphrase=PASSPHRASE, code=0)
    laptop = lost.scene.device("laptop")
    changed = laptop("keys", "passwd", passphrase=PASSPHRASE, env={"GHOSTIE_NEW_PASSPHRASE": NEW}, code=0).err
    assert "opens this device" in changed and "with the next push it opens the store" in changed
    assert "your other devices keep the passphrase that each has" in changed
    laptop.ok("sync", "push")
    refused = failed(phone("list", passphrase=NEW), 12).err
    assert "each device has a passphrase of its own" in refused
    assert "changed on another device" in phone("sync", "run", passphrase=PASSPHRASE, code=0).err


@pytest.mark.slow
def test_setup_that_changes_which_passphrase_opens_the_device_says_so(in_a_folder: Lost) -> None:
    lost, phone = in_a_folder, in_a_folder.fresh("phone")
    phone.ok("init", "--device-name", "phone", passphrase=NEW)
    phone("add", "its own", passphrase=NEW, code=0)
    store = {"GHOSTIE_STORE_PASSPHRASE": PASSPHRASE}
    said = phone("sync", "setup", *lost.where, passphrase=NEW, env=store, code=0).err
    assert "this device opens with the passphrase of the vault that it joined" in said
    failed(phone("list", passphrase=NEW), 12)
    # a new key under another passphrase than this device's own
    laptop = lost.scene.device("laptop")
    laptop("keys", "passwd", passphrase=PASSPHRASE, env={"GHOSTIE_NEW_PASSPHRASE": NEW}, code=0)
    laptop("keys", "rotate", passphrase=NEW, code=0)
    laptop("sync", "push", passphrase=NEW, code=0)
    store = {"GHOSTIE_STORE_PASSPHRASE": NEW}
    done = phone("sync", "setup", "--json", passphrase=PASSPHRASE, env=store, code=0).json()
    assert "the passphrase that you gave for the new key" in done["passphrase"]
    assert phone("list", passphrase=NEW).code == 0
    again = phone("sync", "setup", "--json", passphrase=NEW, code=0).json()
    assert again["passphrase"] is None, "nothing changed, and nothing is said"


@pytest.mark.slow
def test_words_for_a_lost_key_file_of_a_rotated_vault_say_what_is_missing(in_a_folder: Lost) -> None:
    lost = in_a_folder
    laptop = lost.scene.device("laptop")
    laptop("keys", "rotate", passphrase=PASSPHRASE, code=0)
    laptop("sync", "push", passphrase=PASSPHRASE, code=0)
    newest = " ".join(laptop("keys", "recovery", "--json", passphrase=PASSPHRASE, code=0).json())
    (laptop.vault / "keys" / "master.key").unlink()
    new = {"GHOSTIE_NEW_PASSPHRASE": NEW}
    said = failed(laptop("keys", "restore", stdin=newest, env=new), 12).err
    assert "of epoch 2 of the vault" in said and "`ghostie sync setup`" in said
    laptop("sync", "setup", "--words-file", lost.paper(laptop, newest), env=new, code=0)
    assert has_all(laptop, NEW, lost)


def test_no_secret_of_a_recovery_stays_on_the_disk(in_a_folder: Lost) -> None:
    lost, phone = in_a_folder, in_a_folder.fresh("phone")
    by_standard_input(lost, phone)
    kept = b"\n".join(path.read_bytes() for path in phone.vault.rglob("*") if path.is_file())
    first = " ".join(lost.words.split()[:2])
    assert NEW.encode() not in kept and first.encode() not in kept
    assert json.loads((phone.vault / "keys" / "master.key").read_text())["epoch"] == 1
