"""A store that vanishes, is emptied, or is another vault's all at once: it is said, and nothing is lost here."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from .device import PASSPHRASE, Device, Scene, tree
from .test_exit_codes import failed

ACTIONS = ("push", "pull", "run", "compact")


def vanish(pair: Scene) -> None:
    shutil.rmtree(pair.store)


def become_a_file(pair: Scene) -> None:
    shutil.rmtree(pair.store)
    pair.store.write_text("a file")


def be_emptied(pair: Scene) -> None:
    shutil.rmtree(pair.store)
    pair.store.mkdir()


def lose_its_key(pair: Scene) -> None:
    shutil.rmtree(pair.store / "ghostie" / "global")


def become_another_vaults(pair: Scene) -> None:
    be_emptied(pair)
    stranger = Device(pair.device("laptop").scratch / "stranger", "stranger")
    stranger("init", passphrase=PASSPHRASE, code=0)
    stranger("add", "of another vault", passphrase=PASSPHRASE, code=0)
    stranger("sync", "setup", "--path", str(pair.store), passphrase=PASSPHRASE, code=0)
    stranger("sync", "push", passphrase=PASSPHRASE, code=0)


@pytest.mark.parametrize(
    ("change", "code"),
    [(vanish, 20), (become_a_file, 20), (be_emptied, 4), (become_another_vaults, 4)],
)
def test_a_store_that_changed_is_refused_and_nothing_is_lost(
    change: Callable[[Scene], None], code: int, pair: Scene
) -> None:
    laptop = pair.device("laptop")
    memory_id = laptop.add("not yet pushed")
    before, memories = laptop.ids(), tree(laptop.vault / "memories")
    change(pair)
    store = tree(pair.store) if pair.store.is_dir() else {}
    for action in ACTIONS:
        failed(laptop("sync", action), code)
    assert laptop("sync", "status").code == code
    assert laptop("sync", "verify").code == code
    assert (tree(pair.store) if pair.store.is_dir() else {}) == store, "nothing was written to it"
    assert laptop.ids() == before
    assert tree(laptop.vault / "memories") == memories
    assert laptop.ok("show", memory_id, "--json").json()["content"] == "not yet pushed"
    assert laptop.ok("doctor").code == 0


def test_a_store_that_came_back_is_taken_up_again(pair: Scene) -> None:
    laptop, phone = pair.device("laptop"), pair.device("phone")
    away = pair.folder / "away"
    pair.store.rename(away)
    laptop.add("while it was away")
    failed(laptop("sync", "run"), 20)
    away.rename(pair.store)
    laptop.ok("sync", "run")
    phone.ok("sync", "run")
    assert phone.ids() == laptop.ids()


def test_an_emptied_store_is_filled_again_when_a_person_says_so(pair: Scene) -> None:
    laptop, phone = pair.device("laptop"), pair.device("phone")
    phone.add("of the phone's, pushed", "-t", "x")
    phone.ok("sync", "push")
    laptop.ok("sync", "pull")
    be_emptied(pair)
    setup = ("sync", "setup", "--backend", "folder", "--path", str(pair.store))
    failed(laptop(*setup), 4)
    failed(laptop("sync", "pull"), 4)
    laptop.ok(*setup, "--again")
    laptop.ok("sync", "run")
    late = phone("sync", "run")
    assert late.code in (0, 4)
    phone.ok("sync", "repair")
    phone.ok("sync", "run")
    laptop.ok("sync", "run")
    assert laptop.ids() == phone.ids()
    assert len(laptop.ids()) == 3
    laptop.ok("sync", "verify")


def test_a_folder_whose_key_object_is_gone_is_waited_for_and_refused_a_day_later(pair: Scene) -> None:
    laptop = pair.device("laptop")
    laptop.add("not yet pushed")
    before = laptop.ids()
    lose_its_key(pair)
    store = tree(pair.store)
    for action in ("pull", "push", "run"):
        said = laptop.ok("sync", action).err
        assert said.count("on its way: this device waits for the vault's key object") == 1
        assert "nothing to pu" not in said
    assert "on its way this device waits for the vault's key object" in laptop.ok("sync", "status").out
    (coming,) = laptop.ok("sync", "status", "--json").json()["on_their_way"]
    assert coming["kind"] == "key-object"
    (coming,) = laptop.ok("sync", "push", "--json").json()["on_their_way"]
    assert coming["detail"] == "its key object is gone"
    assert "wait until it has brought all" in failed(laptop("sync", "compact"), 4).err
    assert laptop("sync", "verify").code == 4
    tomorrow = "import time; now = time.time_ns; time.time_ns = lambda: now() + 86_400_000_000_000"
    for action in ("pull", "push", "run"):
        assert "its key object is gone" in failed(laptop("sync", action, before=tomorrow), 4).err
    assert laptop("sync", "status", before=tomorrow).code == 4
    assert tree(pair.store) == store, "nothing was written to it"
    assert laptop.ids() == before


def test_a_key_object_that_is_gone_is_put_back_by_repair(pair: Scene) -> None:
    laptop = pair.device("laptop")
    lose_its_key(pair)
    laptop.ok("sync", "pull")
    said = laptop.ok("sync", "repair", "--dry-run").err
    assert "put this vault's key object back" in said
    assert not (pair.store / "ghostie" / "global").exists()
    laptop.ok("sync", "repair")
    laptop.ok("sync", "run")
    pair.device("phone").ok("sync", "run")
    newcomer = Device(pair.device("laptop").scratch / "newcomer", "newcomer")
    newcomer("sync", "setup", "--path", str(pair.store), passphrase=PASSPHRASE, code=0)
    newcomer("sync", "pull", passphrase=PASSPHRASE, code=0)
    assert len(newcomer("list", passphrase=PASSPHRASE).out.splitlines()) == 2


def test_segments_that_are_gone_are_an_alarm_and_come_back_by_repair(pair: Scene) -> None:
    laptop, phone = pair.device("laptop"), pair.device("phone")
    for path in pair.store.rglob("*.seg"):
        path.unlink()
    done = phone("sync", "pull", code=4)
    assert "ghostie: warning: alarm: the log of laptop ends earlier" in done.err
    assert "alarm      the log of laptop" in phone("sync", "status", code=4).out
    assert len(phone.ids()) == 2
    assert "of this device lost its end" in laptop("sync", "run", code=4).err
    laptop.ok("sync", "repair")
    laptop.ok("sync", "run")
    phone.ok("sync", "run")
    phone.ok("sync", "verify")


def test_hostile_names_on_the_store_are_told_and_lead_nowhere(pair: Scene) -> None:
    laptop = pair.device("laptop")
    writer = next(path.name for path in (pair.store / "ghostie").iterdir() if path.name != "global")
    for name in (
        f"{writer}/memories/1-1.{'0' * 16}.seg",
        f"{writer}/memories/9-9.{'f' * 16}.seg",
        f"{writer}/memories/1-99999999999999999999.{'0' * 16}.seg",
        f"{writer}/memories/\x1b[2J.seg",
        "\u202eetirw/memories/x.seg",
        f"{'0' * 16}/memories/1-1.{'0' * 16}.seg",
        f"global/keys/{'0' * 32}.key",
        "global/keys/..key",
        "notes.txt",
    ):
        path = pair.store / "ghostie" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"nonsense")
    before = {path for path in laptop.folder.rglob("*") if "quarantine" not in path.parts}
    for argv in (("sync", "pull"), ("sync", "verify"), ("sync", "status"), ("sync", "devices"), ("sync", "repair")):
        done = laptop(*argv)
        assert "fault" not in done.err, argv
        assert all(character.isprintable() or character == "\n" for character in done.out + done.err), argv
    after = {path for path in laptop.folder.rglob("*") if "quarantine" not in path.parts}
    assert {path.name for path in after - before} <= {f"{writer}.log.enc", f"{'0' * 16}.log.enc", "sync_state.json"}
    assert len(laptop.ids()) == 2
    assert laptop("sync", "verify", code=4).err.count("ghostie: warning: ") >= 5


def test_a_store_folder_is_named_however_a_person_spells_it(fresh: Callable[[], Device]) -> None:
    device = fresh()
    (device.folder / "store").mkdir()
    device.unlock()
    device.ok("sync", "setup", "--path", "store")
    done = device.ok("sync", "status", "--json").json()
    assert done["store"]["path"] == str(device.folder / "store"), "it holds wherever a later command is run"
    device.ok("sync", "setup", "--path", "~/store")
    assert device.ok("sync", "status", "--json").json()["store"]["path"] == str(device.folder / "store")
