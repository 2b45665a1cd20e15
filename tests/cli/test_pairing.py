"""`sync invite` and `sync join`, as two people use them: two processes, two homes, one folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ghostie import text

from .device import PASSPHRASE, Device, Scene


@pytest.fixture
def secret(pair: Scene) -> tuple[str, str]:
    """The passphrase, as an option; the agent is not enough to let another device in."""
    path = pair.folder / "passphrase"
    path.write_text(PASSPHRASE + "\n")
    return "--passphrase-file", str(path)


@pytest.fixture
def tablet(pair: Scene) -> Device:
    """A device that has no vault."""
    return pair.device("tablet")


def invited(pair: Scene, secret: tuple[str, str], *argv: str) -> str:
    done = pair.device("laptop").ok("sync", "invite", *argv, *secret)
    assert done.out.count("\n") == 1
    return done.out.strip()


def test_a_device_joins_by_the_code_and_has_everything(pair: Scene, secret: tuple[str, str], tablet: Device) -> None:
    code = invited(pair, secret)
    assert re.fullmatch("GH1[A-Z2-7]+", code)
    done = tablet.ok("sync", "join", "-", "--device-name", "tablet", *secret, stdin=code)
    assert done.out == ""
    assert "joined the vault" in done.err
    tablet.ok("sync", "run", *secret)
    listed = tablet.ok("list", "--json", *secret).json()
    assert {record["id"] for record in listed} == pair.device("laptop").ids()
    assert pair.device("laptop").ok("sync", "run").code == 0
    names = {line["name"] for line in pair.device("laptop").ok("sync", "devices", "--json").json()}
    assert "tablet" in names


def test_the_code_may_stand_in_the_command_line_and_be_broken_in_lines_on_standard_input(
    pair: Scene, secret: tuple[str, str], tablet: Device
) -> None:
    code = invited(pair, secret, "--valid", "30min")
    lines = "\n".join(code[at : at + 40] for at in range(0, len(code), 40))
    assert tablet.ok("sync", "join", *secret, "--json", stdin=lines).json()["joined"] is True
    assert tablet.ok("sync", "join", code, *secret, "--json").json()["brought"] == 0


def test_a_person_pastes_the_code_and_types_the_passphrase(
    pair: Scene, secret: tuple[str, str], tablet: Device
) -> None:
    code = invited(pair, secret)
    status, seen = tablet.on_terminal("sync", "join", keys=f"{code}\n{PASSPHRASE}\n")
    assert status == 0, seen
    assert PASSPHRASE.encode() not in seen


def test_what_a_terminal_shows_is_the_code_the_picture_and_the_words(pair: Scene) -> None:
    laptop = pair.device("laptop")
    status, seen = laptop.on_terminal("sync", "invite", keys=f"{PASSPHRASE}\n", columns=100)
    assert status == 0, seen
    shown = seen.decode()
    assert re.search("GH1[A-Z2-7]{100}", shown)
    assert "█▀▀▀▀▀█" in shown or "▄▄▄▄▄" in shown
    assert "ghostie sync join" in shown
    status, seen = laptop.on_terminal("sync", "invite", keys=f"{PASSPHRASE}\n", columns=40)
    assert status == 0, seen
    assert "--qr" in seen.decode() and "█" not in seen.decode()


def test_without_a_terminal_the_picture_comes_when_it_is_asked_for(pair: Scene, secret: tuple[str, str]) -> None:
    laptop = pair.device("laptop")
    plain = laptop.ok("sync", "invite", *secret)
    assert "█" not in plain.out + plain.err
    shown = laptop.ok("sync", "invite", "--qr", *secret)
    assert shown.out.startswith("GH1") and shown.out.count("\n") == 1
    picture = [line for line in shown.err.splitlines() if "█" in line]
    assert len(picture) > 20 and len(set(map(text.width, picture))) == 1
    told = laptop.ok("sync", "invite", "--qr", "--json", *secret).json()
    assert told.keys() == {"code", "until", "logs", "credentials", "qr"}
    assert len(told["qr"]) == len(picture)


def test_the_agent_is_not_enough_to_let_another_device_in(pair: Scene) -> None:
    done = pair.device("laptop")("sync", "invite", code=12)
    assert done.out == ""


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        ("", 2, "nothing was given"),
        ("hello", 2, "does not begin with GH1"),
        ("GH1ABC", 2, "it is cut"),
        ("GH2ABC", 1, "newer ghostie"),
        ("\x1b[31mGH1", 2, "GH1"),
    ],
)
def test_what_is_no_code_is_told_and_nothing_is_made(
    pair: Scene, secret: tuple[str, str], tablet: Device, given: str, code: int, words: str
) -> None:
    done = tablet("sync", "join", *secret, stdin=given, code=code)
    assert words in done.err and "hint" in done.err
    assert "\x1b" not in done.err
    assert not tablet.vault.exists()


def test_errors_have_a_code_and_a_way_out(pair: Scene, secret: tuple[str, str], tablet: Device, tmp_path: Path) -> None:
    code = invited(pair, secret)
    wrong = tablet("sync", "join", code, passphrase="not the passphrase", code=12)
    assert "does not open this invitation" in wrong.err
    (pair.folder / "empty").mkdir(exist_ok=True)
    elsewhere = tablet("sync", "join", code, "--path", str(pair.folder / "empty"), *secret, code=4)
    assert "--path DIR" in elsewhere.err
    late = tablet("sync", "join", code, *secret, before="import time; time.time_ns = lambda: 4 * 10**18", code=2)
    assert "this invitation was good until" in late.err
    for done in (wrong, elsewhere, late):
        assert done.out == "" and "hint" in done.err
        assert code[:40] not in done.err
    assert not tablet.vault.exists()


def test_how_long_it_is_good_is_at_most_thirty_days(pair: Scene, secret: tuple[str, str]) -> None:
    laptop = pair.device("laptop")
    for spelt in ("31d", "soon", "0d", "-1d"):
        assert laptop("sync", "invite", f"--valid={spelt}", *secret).code == 2
    assert laptop.ok("sync", "invite", "--valid", "30d", *secret).out.startswith("GH1")
