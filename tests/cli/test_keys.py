"""Passphrases, recovery words, and the agent that holds a key for a while."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from .device import PASSPHRASE, Device, Scene, alive, tree, wait_until
from .test_exit_codes import failed

NEW = "another four plain words"


@pytest.fixture
def device(fresh: Callable[[], Device]) -> Device:
    """A locked device with one memory."""
    made = fresh()
    made("add", "kept", passphrase=PASSPHRASE, code=0)
    return made


def held(device: Device, passphrase: str) -> int:
    """Return how many memories are listed with *passphrase*, or minus the exit code."""
    done = device("list", passphrase=passphrase)
    return len(done.out.splitlines()) if done.code == 0 else -done.code


def words_of(device: Device, passphrase: str = PASSPHRASE) -> str:
    return " ".join(device("keys", "recovery", "--json", passphrase=passphrase, code=0).json())


# -- where a passphrase comes from -----------------------------------------------------------------------------------


def test_each_source_opens_the_vault_and_their_order_is_fixed(device: Device) -> None:
    file = device.scratch / "pass"
    file.write_text(f"{PASSPHRASE}\nsecond line\n")
    wrong = device.scratch / "wrong"
    wrong.write_text("not the passphrase\n")
    windows = device.scratch / "windows"
    windows.write_bytes(f"{PASSPHRASE}\r\n".encode())
    command, wrong_command = f"cat {file}", f"cat {wrong}"
    for env, argv, code in (
        ({"GHOSTIE_PASSPHRASE": PASSPHRASE}, (), 0),
        ({"GHOSTIE_PASSPHRASE_COMMAND": command}, (), 0),
        ({}, ("--passphrase-file", str(file)), 0),
        ({}, ("--passphrase-file", str(windows)), 0),
        ({"GHOSTIE_PASSPHRASE": "not the passphrase"}, ("--passphrase-file", str(file)), 0),
        ({"GHOSTIE_PASSPHRASE": PASSPHRASE}, ("--passphrase-file", str(wrong)), 12),
        ({"GHOSTIE_PASSPHRASE_COMMAND": command}, ("--passphrase-file", str(wrong)), 0),
        ({"GHOSTIE_PASSPHRASE_COMMAND": wrong_command}, ("--passphrase-file", str(file)), 12),
    ):
        assert device("list", *argv, env=env).code == code, (env, argv)


def test_a_passphrase_is_the_same_however_its_letters_are_composed(fresh: Callable[[], Device]) -> None:
    device = fresh()
    home = ("--home", str(device.scratch / "home"))
    device("init", *home, passphrase="gr\u00fcne Stra\u00dfe", code=0)
    assert device("list", *home, passphrase="gru\u0308ne Stra\u00dfe").code == 0
    assert device("list", *home, passphrase="grune Strasse").code == 12
    assert device("list", *home, env={"GHOSTIE_PASSPHRASE": "\udcff" * 9}).code == 12


# -- the agent -------------------------------------------------------------------------------------------------------


def test_unlocked_a_command_needs_no_passphrase_and_locked_it_does(device: Device) -> None:
    failed(device("list"), 12)
    device("unlock", passphrase=PASSPHRASE, code=0)
    assert held(device, "not even the right one") == 1, "the agent comes first"
    assert "unlocked for another" in device.ok("doctor").out
    assert device.ok("lock").err == "locked\n"
    wait_until(lambda: not device.agents())
    failed(device("list"), 12)
    assert device.ok("lock").err == "it was locked already\n"
    assert device.ok("lock", "--json").json() == {"unlocked": False, "was": False}


def test_unlock_for_a_second_is_over_after_a_second(device: Device) -> None:
    device("unlock", "--for", "1s", passphrase=PASSPHRASE, code=0)
    wait_until(lambda: not device.agents(), patience=60)
    failed(device("list"), 12)


def test_unlocking_again_leaves_one_agent(device: Device) -> None:
    device("unlock", passphrase=PASSPHRASE, code=0)
    first = agents(device)
    device("unlock", "--for", "1h", passphrase=PASSPHRASE, code=0)
    wait_until(lambda: not alive(first[0]))
    assert len(agents(device)) == 1
    assert device.ok("unlock", "--json", "--for", "30d", passphrase=PASSPHRASE).json() == {
        "unlocked": True,
        "seconds": 7 * 86_400,
    }
    failed(device("unlock", passphrase="not the passphrase"), 12)
    assert device("list", code=0).out != "", "a wrong passphrase does not lock what is unlocked"
    last = agents(device)
    device.end_agent()
    wait_until(lambda: not alive(last[0]))


def agents(device: Device) -> list[int]:
    """Return the processes of the device's agents."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if str(device.vault) in (place / "cmdline").read_bytes().decode(errors="replace"):
                found.append(int(place.name))
        except OSError:
            continue
    return found


def test_an_agent_of_another_vault_is_of_no_use(fresh: Callable[[], Device]) -> None:
    one, other = fresh(), fresh()
    shutil.rmtree(other.vault)
    other("init", passphrase=PASSPHRASE, code=0)
    one("unlock", passphrase=PASSPHRASE, code=0)
    other("unlock", passphrase=PASSPHRASE, code=0)
    (theirs,), (ours,) = other.agents(), one.agents()
    ours.unlink()
    os.rename(theirs, ours)  # somebody else's agent answers in the place of ours
    failed(one("list"), 12)
    assert held(one, PASSPHRASE) == 0
    for pid in agents(one) + agents(other):
        os.kill(pid, 15)
    for socket in one.agents() + other.agents():
        socket.unlink()


def test_a_dead_agents_socket_holds_up_nobody(device: Device) -> None:
    device("unlock", passphrase=PASSPHRASE, code=0)
    os.kill(agents(device)[0], 9)
    wait_until(lambda: not agents(device))
    assert len(device.agents()) == 1
    failed(device("list"), 12)
    assert held(device, PASSPHRASE) == 1
    device("unlock", passphrase=PASSPHRASE, code=0)
    assert device("list").code == 0
    device.end_agent()


# -- another passphrase ----------------------------------------------------------------------------------------------


def test_after_passwd_the_old_passphrase_opens_nothing_and_the_new_one_all(device: Device) -> None:
    memories = tree(device.vault / "memories")
    device("keys", "passwd", env={"GHOSTIE_NEW_PASSPHRASE": NEW}, passphrase=PASSPHRASE, code=0)
    assert held(device, PASSPHRASE) == -12
    assert held(device, NEW) == 1
    assert tree(device.vault / "memories") == memories, "only the wrap is new"


@pytest.mark.parametrize("file", ["slot.key", "master.key"])
def test_passwd_that_is_cut_off_leaves_the_old_passphrase_which_can_change_it_again(pair: Scene, file: str) -> None:
    """The copy for the store is noted first: were the device's own changed alone, the store would never hear of it."""
    laptop = pair.device("laptop")
    cut = (
        "import os; from ghostie import files; write = files.write_durably\n"
        f"files.write_durably = lambda path, *rest: os._exit(9) if path.name == {file!r} else write(path, *rest)"
    )
    laptop("keys", "passwd", env={"GHOSTIE_NEW_PASSPHRASE": NEW}, passphrase=PASSPHRASE, before=cut, code=9)
    laptop("keys", "passwd", env={"GHOSTIE_NEW_PASSPHRASE": NEW}, passphrase=PASSPHRASE, code=0)
    waiting = laptop.vault / "sync" / "outbox" / "slot.key"
    assert waiting.exists()
    assert waiting.read_bytes() != (laptop.vault / "keys" / "master.key").read_bytes(), "each with a salt of its own"


def test_passwd_asks_for_the_passphrase_even_while_unlocked(device: Device) -> None:
    device("unlock", passphrase=PASSPHRASE, code=0)
    before = (device.vault / "keys" / "master.key").read_bytes()
    failed(device("keys", "passwd", env={"GHOSTIE_NEW_PASSPHRASE": NEW}), 12)
    failed(device("keys", "passwd", env={"GHOSTIE_NEW_PASSPHRASE": NEW}, passphrase="not the passphrase"), 12)
    failed(device("keys", "recovery"), 12)
    failed(device("keys", "passwd", env={"GHOSTIE_NEW_PASSPHRASE": "short"}, passphrase=PASSPHRASE), 2)
    failed(device("keys", "passwd", passphrase=PASSPHRASE), 12)
    assert (device.vault / "keys" / "master.key").read_bytes() == before
    device.end_agent()


def test_a_new_passphrase_reaches_the_store_with_the_next_push(pair: Scene) -> None:
    laptop, phone = pair.device("laptop"), pair.device("phone")
    laptop("keys", "passwd", env={"GHOSTIE_NEW_PASSPHRASE": NEW}, passphrase=PASSPHRASE, code=0)
    laptop.ok("sync", "push")
    assert len(list((pair.store / "ghostie" / "global" / "keys").iterdir())) == 1
    newcomer = Device(pair.device("laptop").scratch / "newcomer", "newcomer")
    setup = ("sync", "setup", "--path", str(pair.store))
    refused = failed(newcomer(*setup, passphrase=PASSPHRASE), 12)
    assert "does not open the vault on the store" in refused.err
    assert "another vault" not in refused.err, "there is none here that it could be another than"
    assert not newcomer.vault.exists()
    newcomer(*setup, passphrase=NEW, code=0)
    newcomer("sync", "pull", passphrase=NEW, code=0)
    assert held(newcomer, NEW) == 2
    assert held(newcomer, PASSPHRASE) == -12
    phone.add("the phone goes on with its own passphrase")
    phone.ok("sync", "run")
    assert held(phone, PASSPHRASE) == 3
    laptop.ok("sync", "run")
    assert laptop.ids() == phone.ids()


def test_a_new_key_under_another_passphrase_is_not_called_another_vault(pair: Scene) -> None:
    laptop, phone = pair.device("laptop"), pair.device("phone")
    phone("keys", "passwd", env={"GHOSTIE_NEW_PASSPHRASE": NEW}, passphrase=PASSPHRASE, code=0)
    laptop("keys", "rotate", passphrase=PASSPHRASE, code=0)
    laptop("sync", "push", passphrase=PASSPHRASE, code=0)
    refused = failed(phone("sync", "setup", "--path", str(pair.store), passphrase=NEW), 12)
    assert "the new key of this vault" in refused.err
    assert "another vault" not in refused.err
    assert held(phone, NEW) == 2


def test_who_takes_a_key_over_is_told_that_the_words_of_before_are_not_those_of_the_vault(pair: Scene) -> None:
    laptop, phone = pair.device("laptop"), pair.device("phone")
    words = {}
    for device in (phone, laptop):  # both before either had heard of the other; the laptop is the first on the store
        device("keys", "rotate", passphrase=PASSPHRASE, code=0)
        words[device.name] = device("keys", "recovery", passphrase=PASSPHRASE, code=0).out
    laptop("sync", "push", passphrase=PASSPHRASE, code=0)
    told = phone("sync", "setup", "--path", str(pair.store), passphrase=PASSPHRASE, code=0).err
    assert "the 24 words are other ones, too" in told
    assert phone("keys", "recovery", passphrase=PASSPHRASE, code=0).out == words["laptop"] != words["phone"]


def test_a_push_says_what_a_new_key_changed_on_the_store(pair: Scene) -> None:
    laptop = pair.device("laptop")
    laptop("keys", "rotate", passphrase=PASSPHRASE, code=0)
    sent = laptop("sync", "push", passphrase=PASSPHRASE, code=0).err
    assert "put this vault's key on the store" in sent
    assert "on the store anew" in sent
    assert "nothing to push" not in sent
    assert "nothing to push" in laptop("sync", "push", passphrase=PASSPHRASE, code=0).err


def test_a_store_without_a_vault_is_named_where_one_should_be_brought_back(device: Device) -> None:
    empty = device.scratch / "empty"
    empty.mkdir()
    newcomer = Device(device.scratch / "newcomer", "newcomer")
    refused = failed(newcomer("sync", "setup", "--path", str(empty), passphrase=PASSPHRASE), 10)
    assert "no vault on this store" in refused.err
    assert not newcomer.vault.exists()
    assert not list(empty.iterdir())


def test_a_passphrase_may_be_typed_at_a_terminal_twice(device: Device) -> None:
    code, seen = device.on_terminal("keys", "passwd", keys=f"{PASSPHRASE}\n{NEW}\n{NEW}\n")
    assert code == 0, seen
    assert held(device, NEW) == 1
    differing = f"{PASSPHRASE}\n{PASSPHRASE} not\n" * 3
    code, seen = device.on_terminal("keys", "passwd", keys=f"{NEW}\n{differing}")
    assert code == 12
    assert seen.count(b"not the same") == 3
    assert held(device, NEW) == 1
    assert NEW.encode() not in seen


# -- recovery words --------------------------------------------------------------------------------------------------


def test_the_words_are_printed_to_be_written_down(device: Device) -> None:
    done = device("keys", "recovery", passphrase=PASSPHRASE, code=0)
    words = words_of(device).split()
    assert len(words) == 24
    numbered = done.out.split()
    assert numbered[::2] == [str(number) for number in range(1, 25)]
    assert numbered[1::2] == words
    assert max(len(line) for line in done.out.splitlines()) <= 45, "they fit a phone"


@pytest.mark.parametrize("form", ["file", "lines on standard input", "one line", "upper case"])
def test_the_words_open_the_vault_and_set_a_new_passphrase(form: str, device: Device) -> None:
    words = words_of(device)
    argv, stdin = ["keys", "restore"], None
    if form == "file":
        path = device.scratch / "words"
        path.write_text("\n".join(words.split()))
        argv += ["--words-file", str(path)]
    elif form == "lines on standard input":
        stdin = "\n".join(" ".join(words.split()[at : at + 4]) for at in range(0, 24, 4)) + "\n\nnot read\n"
    else:
        stdin = words.upper() if form == "upper case" else words
    device(*argv, stdin=stdin, env={"GHOSTIE_NEW_PASSPHRASE": NEW}, code=0)
    assert held(device, NEW) == 1
    assert held(device, PASSPHRASE) == -12


@pytest.mark.parametrize("hurt", ["deleted", "emptied", "nonsense"])
def test_the_words_open_a_vault_whose_key_file_is_lost(hurt: str, device: Device) -> None:
    words = words_of(device)
    path = device.vault / "keys" / "master.key"
    if hurt == "deleted":
        path.unlink()
    else:
        path.write_text("" if hurt == "emptied" else "{}")
    assert held(device, PASSPHRASE) in (-4, -10)
    device("keys", "restore", stdin=words, env={"GHOSTIE_NEW_PASSPHRASE": NEW}, code=0)
    assert held(device, NEW) == 1
    assert "! " not in device("doctor", passphrase=NEW, code=0).out


def test_words_that_are_not_this_vaults_change_nothing(fresh: Callable[[], Device], device: Device) -> None:
    words = words_of(device)
    other = device.scratch / "other"
    device("init", "--home", str(other), passphrase=PASSPHRASE, code=0)
    theirs = " ".join(device("keys", "recovery", "--json", "--home", str(other), passphrase=PASSPHRASE, code=0).json())
    before = tree(device.vault)
    swapped = " ".join(reversed(words.split()))
    for wrong in (
        theirs,
        swapped,
        words.rsplit(" ", 1)[0],
        f"{words} abandon",
        "",
        "not words",
        words.replace(" ", ","),
    ):
        done = failed(device("keys", "restore", stdin=wrong, env={"GHOSTIE_NEW_PASSPHRASE": NEW}), 12)
        # some words of the list are words of the sentences themselves
        sentences = "these are not this vault 24 recovery words there is on the list word their checksum does fit"
        spoken = {
            *sentences.split(),
            *[
                "they",
                "open",
                "another",
                "check",
                "each",
                "against",
                "your",
                "note",
                "order",
                "counts",
                "error",
                "hint",
            ],
        }
        assert not {word for word in words.split() if f" {word} " in done.err} - spoken
    assert tree(device.vault) == before
    (device.vault / "keys" / "master.key").unlink()
    before = tree(device.vault)
    failed(device("keys", "restore", stdin=theirs, env={"GHOSTIE_NEW_PASSPHRASE": NEW}), 12)
    failed(device("keys", "restore", stdin=words, env={"GHOSTIE_NEW_PASSPHRASE": "short"}), 2)
    assert tree(device.vault) == before


# -- a new key -------------------------------------------------------------------------------------------------------


def test_a_new_key_seals_everything_again_and_the_old_words_are_void(pair: Scene) -> None:
    laptop, phone = pair.device("laptop"), pair.device("phone")
    words = words_of(laptop)
    before = laptop.ids()
    sealed = {path.name: path.read_bytes() for path in laptop.versions()}
    laptop("keys", "rotate", passphrase=PASSPHRASE, code=0)
    wait_until(lambda: not laptop.agents())
    failed(laptop("list"), 12)
    now = {path.name: path.read_bytes() for path in laptop.versions()}
    assert sealed.keys() == now.keys()
    assert not set(sealed.values()) & set(now.values())
    failed(laptop("keys", "restore", stdin=words, env={"GHOSTIE_NEW_PASSPHRASE": NEW}), 12)
    assert words_of(laptop) != words
    laptop("sync", "run", passphrase=PASSPHRASE, code=0)
    added = phone.add("under the old key")
    assert "another device opened a new key" in failed(phone("sync", "run"), 12).err
    phone("sync", "setup", "--path", str(pair.store), passphrase=PASSPHRASE, code=0)
    phone("sync", "run", passphrase=PASSPHRASE, code=0)
    laptop("sync", "run", passphrase=PASSPHRASE, code=0)
    for device in (laptop, phone):
        listed = device("list", "--json", passphrase=PASSPHRASE, code=0).json()
        assert {record["id"] for record in listed} == before | {added}
        device("sync", "verify", passphrase=PASSPHRASE, code=0)
        device.end_agent()


def test_a_push_says_what_it_did_for_a_new_key_and_another_device_hears_which_passphrase_opens_it(pair: Scene) -> None:
    laptop, phone = pair.device("laptop"), pair.device("phone")
    laptop("keys", "passwd", passphrase=PASSPHRASE, env={"GHOSTIE_NEW_PASSPHRASE": NEW}, code=0)
    done = laptop("sync", "push", "--dry-run", passphrase=NEW, code=0).err
    assert "would put this vault's key on the store" in done
    done = laptop("sync", "push", passphrase=NEW, code=0).err
    assert "put this vault's key on the store" in done
    assert "nothing to push" not in done and "anew" not in done, "a passphrase reseals nothing"
    assert "nothing to push" in laptop("sync", "push", passphrase=NEW, code=0).err
    laptop("keys", "rotate", passphrase=NEW, code=0)
    pushed = laptop("sync", "push", "--json", passphrase=NEW, code=0).json()
    assert (pushed["new_key"], pushed["versions"]) == (True, 0)
    assert pushed["renewed"] == len(list(pair.store.rglob("*.seg"))) - len(segments_of(phone, pair.store))
    laptop("keys", "rotate", passphrase=NEW, code=0)
    laptop("sync", "run", "--scheduled", passphrase=NEW, code=0)
    said = laptop.vault.joinpath("sync", "runs.log").read_text().splitlines()[-1]
    assert "pushed a new key object, renewed" in said
    before = tree(phone.vault / "keys")
    told = failed(phone("sync", "run"), 12).err
    assert "another device opened a new key for this vault" in told and "of the device that opened it" in told
    told = failed(phone("sync", "setup", passphrase=PASSPHRASE), 12).err
    assert "this passphrase does not open the new key of this vault" in told
    assert "give the passphrase of the device that ran `ghostie keys rotate`" in told
    assert tree(phone.vault / "keys") == before
    phone("sync", "setup", passphrase=NEW, code=0)
    phone("sync", "run", passphrase=NEW, code=0)
    phone("sync", "verify", passphrase=NEW, code=0)


def segments_of(device: Device, store: Path) -> list[Path]:
    writer = json.loads((device.vault / "sync" / "device_id").read_text())["writer"]
    return list(store.glob(f"ghostie/{writer}/memories/*.seg"))
