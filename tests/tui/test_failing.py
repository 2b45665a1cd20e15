"""What goes wrong: said in words, nothing lost, the program stays; and a fault of ours shows nothing of the vault."""

from __future__ import annotations

import http.server
import os
import shutil
import signal
import threading
from contextlib import nullcontext
from pathlib import Path

import pytest

from ghostie import files
from ghostie.sync.config import Config
from ghostie.tui.actions import Action
from ghostie.tui.app import GhostieApp
from ghostie.tui.screens.memories import MemoriesPlace
from tests.cli.device import Device

from .house import MASTER, PASSPHRASE, House, Screen

CANARY = "canary-4f1d"


def review(laptop: Device, before: str, debug: str | None) -> tuple[int, str]:
    """Run *before*, then the screens on a terminal; return the exit code and what was written there."""
    env = {"TERM": "xterm-256color", **({"GHOSTIE_DEBUG": debug} if debug else {})}
    code, seen = laptop.on_terminal("review", env=env, before=before)
    return code, seen.decode(errors="replace")


@pytest.mark.parametrize("debug", [None, "1"])
@pytest.mark.parametrize("where", ["key", "answer", "timer"])
def test_a_fault_ends_in_one_line_and_shows_no_value(laptop: Device, debug: str | None, where: str) -> None:
    at = {
        "key": "self.app.call_later(boom)",
        "answer": 'self.ask("memories.in_use", boom)',
        "timer": "self.set_timer(0.01, boom)",
    }[where]
    before = f"""
from ghostie.tui.screens import memories
def boom(_=None):
    passphrase = "{CANARY}-local"
    raise ValueError("{CANARY}-words " + passphrase)
opened = memories.MemoriesPlace.opened
def breaks(self):
    opened(self)
    {at}
memories.MemoriesPlace.opened = breaks
"""
    code, said = review(laptop, before, debug)
    assert code == 1
    assert CANARY not in said
    assert "ghostie: error: a fault in ghostie (ValueError)" in said
    assert ("in boom" in said) == bool(debug)


@pytest.mark.parametrize("debug", [None, "1"])
def test_where_a_fault_in_the_keeper_was_is_shown_when_ghostie_ends(laptop: Device, debug: str | None) -> None:
    before = f"""
from ghostie.tui.screens import memories
def breaks(self):
    self.ask("memories.rows", print, failed=lambda error: self.app.exit(), ids=[{{"x": "{CANARY}"}}])
memories.MemoriesPlace.opened = breaks
"""
    code, said = review(laptop, before, debug)
    assert code == 0
    assert CANARY not in said
    assert ("in rows" in said) == bool(debug)


def test_a_fault_in_the_keeper_is_told_without_its_words(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.add("one")

    async def story(screen: Screen) -> None:
        await screen.sees("one")
        screen.place.ask("memories.rows", ids=[7, {"x": CANARY}])
        await screen.sees("a fault in ghostie (TypeError)")
        assert CANARY not in screen.text()
        await screen.press("j")

    house.run(story)


def test_a_keeper_that_dies_is_said_and_the_vault_opens_again(house: House) -> None:
    house.add("one")

    async def story(screen: Screen) -> None:
        await screen.sees("one")
        assert screen.app.keeper is not None
        os.kill(screen.app.keeper._process.pid, signal.SIGKILL)
        await screen.at("unlock")
        await screen.sees("the process that holds the vault has ended")
        await screen.type(PASSPHRASE)
        await screen.press("enter")
        await screen.sees("one")

    house.run(story)


def test_a_vault_that_vanishes_is_said_and_comes_back(house: House, tmp_path: Path) -> None:
    house.add("one", "two")
    home, away = house.vault.layout.home, tmp_path / "away"

    async def story(screen: Screen) -> None:
        await screen.sees("two")
        await screen.elsewhere(lambda: home.rename(away))
        await screen.press("x")
        await screen.sees("the vault is not there", "two")
        shutil.rmtree(home, ignore_errors=True)
        away.rename(home)
        await screen.press("r")
        await screen.sees("two")
        await screen.press("x")
        await screen.sees("removed 1 memory")

    house.run(story)
    assert house.contents() == {"one"}


@pytest.mark.parametrize("large", [False, True])
def test_a_full_disk_loses_nothing_that_was_written(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    more = "more " * 20_000 if large else ""
    script = tmp_path / "editor"
    script.write_text(f'#!/bin/sh\nprintf "from the editor {more}" > "$1"\n')
    script.chmod(0o700)
    monkeypatch.setenv("EDITOR", str(script))
    monkeypatch.setattr(GhostieApp, "suspend", lambda self: nullcontext())
    house.add("first", "second")

    async def story(screen: Screen) -> None:
        async def refused_then_done(*keys: str, place: str = "memories", sees: str = "") -> None:
            """Press keys on a full disk, and the last of them once more when there is room."""
            screen.disk_full(True)
            await screen.press(*keys)
            await screen.at(place)
            await screen.sees("could not write", sees)
            screen.disk_full(False)
            await screen.press(keys[-1])
            await screen.at("memories")

        await screen.sees("second")
        await screen.press("n")
        await screen.at("form")
        await screen.type("written on a full disk")
        await refused_then_done("ctrl+s", place="form", sees="written on a full disk")
        await screen.sees("saved")
        await screen.settled()
        await screen.press("e")
        await screen.at("form")
        await screen.type("to be ")
        await refused_then_done("ctrl+s", place="form", sees="to be second")
        await screen.sees("saved")
        await screen.settled()
        await screen.press("g")
        screen.disk_full(True)
        await screen.press("E")
        await screen.at("form")
        await screen.sees("could not write", *([] if large else ["from the editor"]))
        screen.disk_full(False)
        await screen.press("ctrl+s")
        await screen.at("memories")
        await screen.sees("saved", "from the editor")

    house.run(story, size=(60, 30))
    assert house.contents() == {f"from the editor {more}", "to be second", "first"}


def test_a_full_disk_is_said_by_every_change_which_can_then_be_made_again(house: House) -> None:
    ids = house.add("first", "second", "third")
    memory = house.conflict("base", "mine", "theirs")

    async def story(screen: Screen) -> None:
        async def twice(*keys: str, sees: str, place: str = "memories") -> None:
            """Press keys on a full disk, and the last of them once more when there is room."""
            screen.disk_full(True)
            await screen.press(*keys)
            await screen.at(place)
            await screen.sees("could not write")
            screen.disk_full(False)
            await screen.press(keys[-1])
            await screen.at("memories")
            await screen.sees(sees)
            await screen.settled()

        await screen.sees("third", "1 conflict")
        await screen.press("slash")
        await screen.type("-is:conflict ")
        await screen.press("enter")
        await screen.sees("3 found", "-is:conflict")
        await screen.settled()
        await twice("A", sees="archived 1 memory")
        await twice("y", sees="kept 1 memory")
        await screen.press("a")
        await screen.press("c")
        await screen.at("line")
        await screen.type("odd")
        await twice("enter", sees="categorised 3 memories", place="line")
        await screen.press("a")
        await screen.press("t")
        await screen.at("line")
        await screen.type("one two")
        await twice("enter", sees="tagged 3 memories", place="line")
        await screen.press("W")
        await screen.at("line")
        await screen.type("7")
        await twice("enter", sees="7 now shows -is:conflict", place="line")
        await screen.press("a")
        await twice("A", sees="archived 3 memories")
        await twice("u", sees="took back: archive of 3 memories")
        await twice("U", sees="did again: undo of 3 memories")
        await screen.press("a")
        await twice("x", sees="removed 3 memories")
        await screen.press("X")
        await screen.sees("Trash · 3")
        await screen.settled()
        await screen.press("a")
        await twice("R", sees="brought back 3 memories")
        await screen.press("u")
        await screen.sees("took back: restore of 3 memories")
        await screen.press("U")
        await screen.sees("did again: ")
        await screen.press("0", "C")
        await screen.at("conflicts")
        await screen.until(screen.here, "the conflict")
        await screen.press("enter")
        await screen.sees("○ 1 mine")
        screen.disk_full(True)
        await screen.press("t")
        await screen.sees("could not write")
        await screen.settled()
        screen.disk_full(False)
        await screen.press("t")
        await screen.sees("1  settled")

    house.run(story)
    vault = house.fresh()
    assert house.contents() == {"first", "second", "third", "theirs"}
    assert not vault.find(memory).in_conflict
    rows = [vault.find(each).row for each in ids]
    assert [(row["category"], row["tags"], row["status"]) for row in rows] == [("odd", ["one", "two"], "archived")] * 3


def test_every_screen_outlives_a_vault_that_vanishes_for_a_while(house: House, tmp_path: Path) -> None:
    house.conflict("base", "mine", "theirs")
    house.add("for the inbox", status="inbox")
    (newest,) = house.add("the newest")
    house.vault.edit(newest, {"content": "the newest of all"})
    home, away = house.vault.layout.home, tmp_path / "away"

    def back() -> None:
        shutil.rmtree(home, ignore_errors=True)
        away.rename(home)

    async def story(screen: Screen) -> None:
        await screen.sees("the newest of all")
        ways = (("memories", (), "the newest of all"), ("detail", ("enter",), "the newest of all"))
        more = (("inbox", ("i",), "1 of 1"), ("history", ("H",), "2 versions"), ("past", ("P",), "as it is now"))
        rest = (("conflicts", ("C",), "1 conflict"), ("stats", ("N",), "versions"))
        for place, keys, words in (*ways, *more, *rest):
            await screen.press(*keys)
            await screen.at(place)
            await screen.sees(words)
            await screen.settled()
            await screen.elsewhere(lambda: home.rename(away))
            await screen.press("r")
            await screen.settled()
            await screen.sees("the vault is not there")
            await screen.at(place)
            await screen.elsewhere(back)
            await screen.press("r")
            await screen.settled()
            await screen.at(place)
            await screen.sees(words)
            if keys:
                await screen.press("q")
                await screen.at("memories")
        await screen.press("n")
        await screen.at("form")
        await screen.type("written meanwhile")
        await screen.elsewhere(lambda: home.rename(away))
        await screen.press("ctrl+s")
        await screen.sees("the vault is not there", "written meanwhile")
        await screen.at("form")
        await screen.elsewhere(back)
        await screen.press("ctrl+s")
        await screen.sees("saved", "written meanwhile")

    house.run(story)
    assert {"written meanwhile", "the newest of all", "for the inbox"} < house.contents()


class Refusing(http.server.BaseHTTPRequestHandler):
    """A store that lets nobody in."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        said = b"<Error><Code>AccessDenied</Code><Message>[bold]no\x1b[31m</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_PUT = do_HEAD = do_GET

    def log_message(self, *said: object) -> None:
        pass


def test_a_store_that_refuses_is_said_and_the_vault_is_as_usable_as_before(house: House) -> None:
    house.add("stays here")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    options = {"bucket": "memories", "endpoint": f"http://127.0.0.1:{server.server_port}", "plain_http": "yes"}
    config = Config("s3", options, MASTER.vault.hex(), "0" * 32)
    secrets = {"access_key": "AKIAXXXXXXXXXXXXXXXX", "secret_key": f"{CANARY}-key"}
    config.with_credentials(MASTER, secrets).save(house.vault.layout)

    async def story(screen: Screen) -> None:
        await screen.sees("stays here")
        await screen.press("S")
        await screen.sees("! the store refused the credentials")
        await screen.press("enter")
        await screen.sees("! the store refused the credentials", "failing", "1 version to send")
        assert CANARY not in screen.text()
        await screen.press("escape")
        await screen.at("memories")
        await screen.press("A")
        await screen.sees("archived 1 memory")
        await screen.press("S")
        await screen.sees("! the store refused the credentials", "2 versions to send")

    try:
        house.run(story)
    finally:
        server.shutdown()
        server.server_close()
    assert house.contents() == {"stays here"}


def test_a_busy_vault_is_said_and_the_change_can_be_made_again(house: House) -> None:
    house.add("one")

    async def story(screen: Screen) -> None:
        await screen.sees("one")
        with files.locked(house.vault.layout.lock):
            await screen.press("x")
            await screen.sees("another ghostie process is writing")
        await screen.press("x")
        await screen.sees("removed 1 memory")

    house.run(story)


def test_a_wrong_filter_is_said_while_one_types_and_the_list_stays(house: House) -> None:
    house.add("one")

    async def story(screen: Screen) -> None:
        await screen.sees("one")
        await screen.press("slash")
        await screen.type("colour:red")
        await screen.sees("is no condition")
        await screen.press("escape", "escape")
        await screen.sees("one")

    house.run(story)


def test_an_action_that_has_no_hand_is_left_out(house: House) -> None:
    async def story(screen: Screen) -> None:
        await screen.at("memories")
        nothing = Action("memories.nothing", "Z", "nothing")
        assert not screen.place.applies(nothing)

    assert MemoriesPlace.NAME == "memories"
    house.run(story)
