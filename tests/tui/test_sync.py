"""Sync on the screens: what would move, moving it, what stops it, and the devices."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest

from ghostie.crypto import keys as keyring
from ghostie.sync import engine
from ghostie.sync.arriving import A_DAY, LOOKS
from ghostie.sync.config import Config
from ghostie.sync.slots import note_new_key
from ghostie.tui.screens.devices import DevicesPlace, InvitePlace
from ghostie.tui.screens.prompts import QuestionPlace
from ghostie.tui.screens.sync import SyncPlace
from ghostie.vault.vault import wall_clock
from tests.schedulers import stand_in
from tests.tui.house import MASTER, PASSPHRASE, SIZES, House, Screen
from tests.tui.meeting import Meeting
from tests.tui.pressing import presses


@pytest.fixture(autouse=True)
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No scheduler of this machine is asked."""
    monkeypatch.setenv("PATH", stand_in(tmp_path / "tools", "crontab"))
    return tmp_path / "tools"


@pytest.fixture
def meeting(house: House) -> Meeting:
    return Meeting(house)


@presses(SyncPlace, "setup")
def test_without_a_store_the_screen_says_what_one_is_and_leads_to_it(house: House) -> None:
    async def story(screen: Screen) -> None:
        await screen.press("S")
        await screen.sees("on this device only", "choose a store")
        await screen.press("s", "p", "d", "i")  # nothing of that applies yet
        await screen.at("sync")
        await screen.press("o")
        await screen.sees("Where do your devices meet?", "An S3 bucket")
        await screen.press("escape")
        await screen.at("sync")

    house.run(story, size=(45, 30))


@presses(SyncPlace, "run look")
def test_what_would_move_is_said_before_it_moves(house: House, meeting: Meeting) -> None:
    kept, gone, both = house.add("to be changed", "to be removed", "to be edited on both sides")
    meeting.sync(house.vault)
    meeting.sync(meeting.phone)
    phone = meeting.phone
    phone.edit(kept, {"content": "changed on the phone"})
    phone.remove([gone])
    phone.edit(both, {"content": "as the phone has it"})
    phone.add("new from the phone")
    phone.add("another new one")
    meeting.sync(phone)
    house.vault.edit(both, {"content": "as the laptop has it"})
    house.add("from the laptop")

    async def story(screen: Screen) -> None:
        await screen.sees("from the laptop")
        await screen.press("S")
        await screen.sees("take in", "+ 2 new", "~ 1 changed", "x 1 removed", "! 1 edited here as well", "send")
        assert "new from the phone" not in house.contents()
        await screen.press("enter")
        await screen.sees("Took in 5 versions", "1 conflict to look at", "Sent 2 versions")
        await screen.press("r")
        await screen.sees("Nothing would move")
        await screen.press("escape")
        await screen.at("memories")
        await screen.sees("new from the phone", "changed on the phone")

    house.run(story, size=(60, 40))
    meeting.sync(phone)
    assert "from the laptop" in {phone.shown(entry).field("content") for entry in phone.select()}


def test_at_every_size_it_says_where_this_device_stands(house: House, meeting: Meeting) -> None:
    house.add("not sent yet")

    async def story(screen: Screen) -> None:
        await screen.press("S")
        await screen.resize(45, 24)
        await screen.sees("store      folder", "1 version to send", "a sync would")
        for size in SIZES:
            await screen.resize(*size)
            await screen.sees("store      folder")
        await screen.press("d")
        await screen.sees("this device")
        for size in SIZES:
            await screen.resize(*size)
            await screen.sees("laptop")

    house.run(story, size=(0, 0))


@presses(QuestionPlace, "yes no")
def test_a_sync_that_would_remove_much_asks_in_words_first(house: House, meeting: Meeting) -> None:
    ids = house.add(*(f"memory {number}" for number in range(30)))
    meeting.sync(house.vault)
    meeting.sync(meeting.phone)
    meeting.phone.remove(ids[:25])
    meeting.sync(meeting.phone)

    async def story(screen: Screen) -> None:
        await screen.press("S")
        await screen.sees("x 25 removed")
        await screen.press("s")
        await screen.sees("would remove 25 of your 30")
        await screen.press("enter", "n")
        await screen.sees("nothing was changed")
        assert len(house.contents()) == 30
        await screen.press("s")
        await screen.sees("would remove 25 of your 30")
        await screen.press("y")
        await screen.sees("Took in", "25 removed")

    house.run(story, size=(45, 30))
    assert len(house.contents()) == 5


def test_a_store_that_vanishes_is_said_in_words_and_is_taken_up_again(house: House, meeting: Meeting) -> None:
    house.add("still here")
    away = house.folder / "away"
    meeting.folder.rename(away)

    async def story(screen: Screen) -> None:
        await screen.press("S")
        await screen.sees("cannot be reached", "1 version to send")
        await screen.press("enter")
        await screen.sees("cannot be reached", "failing")
        await screen.elsewhere(lambda: away.rename(meeting.folder))
        await screen.press("enter")
        await screen.sees("Sent 1 version")
        await screen.no_longer_sees("cannot be reached: the folder", "failing")

    house.run(story, size=(60, 40))


def test_a_vault_that_cannot_be_written_is_said_and_the_sync_is_done_later(house: House, meeting: Meeting) -> None:
    meeting.phone.add("from the phone")
    meeting.sync(meeting.phone)

    async def story(screen: Screen) -> None:
        await screen.press("S")
        await screen.sees("+ 1 new")
        memories = house.vault.layout.memories
        await screen.elsewhere(lambda: memories.rename(memories.with_name("aside")))
        await screen.press("enter")
        await screen.sees("! ")
        await screen.no_longer_sees("… syncing")
        assert "Took in" not in screen.text()
        await screen.elsewhere(lambda: memories.with_name("aside").rename(memories))
        await screen.press("enter")
        await screen.sees("Took in 1 version")
        await screen.at("sync")

    house.run(story)


@presses(SyncPlace, "stop")
def test_a_store_that_never_answers_is_left_by_a_key(house: House) -> None:
    house.add("stays here")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        options = {"bucket": "memories", "endpoint": endpoint, "plain_http": "yes"}
        config = Config("s3", options, MASTER.vault.hex(), "0" * 32)
        secrets = {"access_key": "AKIAXXXXXXXXXXXXXXXX", "secret_key": "a-secret-that-nobody-sees"}
        config.with_credentials(MASTER, secrets).save(house.vault.layout)

        async def story(screen: Screen) -> None:
            await screen.sees("↑1")  # what waits is counted without asking the store
            await screen.press("S")
            await screen.sees("looking at the store", "s3 memories")
            asked: list[socket.socket] = []
            await screen.elsewhere(lambda: asked.append(silent.accept()[0]))
            await screen.press("c")
            await screen.sees("nothing is lost")
            asked[0].close()
            assert "a-secret" not in screen.text()
            await screen.press("escape")
            await screen.sees("stays here")

        house.run(story, size=(45, 30))


@presses(SyncPlace, "repair verify")
def test_an_alarm_is_explained_and_repaired_after_a_yes(house: House, meeting: Meeting) -> None:
    meeting.phone.add("one")
    meeting.sync(meeting.phone)
    meeting.phone.add("two")
    meeting.sync(meeting.phone)
    meeting.sync(house.vault)
    for path in meeting.folder.rglob(f"*{meeting.phone.device.writer}*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert house.clock.now + A_DAY < wall_clock()
    for _ in range(LOOKS):  # long before the screens look: their clock is this machine's
        assert not engine.pull(meeting.link(house.vault)).alarms, "it may be on its way"

    async def story(screen: Screen) -> None:
        await screen.press("S")
        await screen.sees("1 alarm", "the log of phone", "The store shows less than it once had")
        await screen.press("R")
        await screen.sees("Repair the store?", "It would:")
        await screen.press("n")
        await screen.at("sync")
        await screen.press("R")
        await screen.sees("Repair the store?")
        await screen.press("y")
        await screen.sees("Repaired.")
        await screen.press("V")
        await screen.sees("are whole")

    house.run(story, size=(80, 50))


def test_a_sync_that_brings_a_new_key_to_the_store_says_so(house: House, meeting: Meeting) -> None:
    house.add("under the old key")
    meeting.sync(house.vault)
    note_new_key(house.vault.layout, keyring.wrap(MASTER, "a whole new passphrase", keyring.FLOOR))

    async def story(screen: Screen) -> None:
        await screen.press("S")
        await screen.sees("a sync would", "the vault's new key object")
        assert "Nothing would move" not in screen.text()
        await screen.press("enter")
        await screen.sees("The store has the vault's new key object.")
        assert "Nothing new" not in screen.text()

    house.run(story)


@presses(SyncPlace, "devices")
@presses(DevicesPlace, "rename retire")
def test_devices_are_renamed_and_retired_and_their_names_are_only_painted(house: House, meeting: Meeting) -> None:
    meeting.rename_phone("[bold]pho\u202ene[/] \u2066x")
    meeting.phone.add("from the phone")
    meeting.sync(meeting.phone)
    meeting.sync(house.vault)

    async def story(screen: Screen) -> None:
        await screen.press("S")
        await screen.sees("store      folder")
        await screen.press("d")
        await screen.sees("laptop", "[bold]pho\N{REPLACEMENT CHARACTER}ne[/]")
        await screen.press("e")
        await screen.at("line")
        await screen.press(*["backspace"] * 6)
        await screen.type("desk")
        await screen.press("enter")
        await screen.sees("now called desk")
        await screen.press("j")
        await screen.until(lambda: screen.place.pane("list").cursor == 1)  # type: ignore[union-attr]
        await screen.press("x")
        await screen.sees("Retire [bold]")
        await screen.press("n")
        await screen.at("devices")
        await screen.press("x", "y")
        await screen.at("retired")
        await screen.sees("Retired [bold]", "Retiring takes no key away", "`ghostie keys rotate`")
        await screen.at_every_size("Retired [bold]")
        await screen.press("escape")
        await screen.at("devices")
        await screen.until(lambda: len(screen.place.pane("list").names) == 1)  # type: ignore[union-attr]

    house.run(story, size=(60, 30))
    assert "from the phone" in house.contents()


@presses(SyncPlace, "automatic")
def test_automatic_sync_is_switched_on_and_off(house: House, meeting: Meeting, tools: Path) -> None:
    async def story(screen: Screen) -> None:
        await screen.press("S")
        await screen.sees("automatic  off", "a sync would")
        await screen.press("a")
        await screen.sees("once an hour?")
        await screen.press("y")
        await screen.sees("Nothing here opens the vault")
        await screen.press("y")
        await screen.sees("every 1 h, by cron; only while")
        assert "sync run --scheduled" in (tools / "crontab.kept").read_text()
        await screen.press("a")
        await screen.sees("no longer sync by itself?")
        await screen.press("y")
        await screen.sees("automatic  off")

    house.add("one")
    house.run(story)
    assert not (tools / "crontab.kept").exists()


@presses(SyncPlace, "invite")
@presses(InvitePlace, "next")
def test_an_invitation_is_a_picture_where_it_fits_and_always_a_code(house: House, meeting: Meeting) -> None:
    async def story(screen: Screen) -> None:
        await screen.press("S")
        await screen.sees("store      folder")
        await screen.press("i")
        await screen.sees("How long")
        await screen.press("enter")
        await screen.sees("passphrase")
        await screen.type("not the passphrase")
        assert "not the" not in screen.text()
        await screen.press("enter")
        await screen.sees("! ")
        await screen.type(PASSPHRASE)
        await screen.press("enter")
        await screen.at("invitation")
        await screen.sees("GH1", "▀", "good until")
        await screen.resize(40, 30)
        await screen.sees("GH1", "Make the letters smaller")
        await screen.press("escape")
        await screen.at("sync")
        assert "GH1" not in screen.text()

    house.run(story, size=(120, 60))
