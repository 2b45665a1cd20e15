"""A phone's own ways to ghostie, with scripts in the place of Termux:API. The look-alike of Termux has the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from .device import PASSPHRASE, Device, Scene
from .story import fight


class Api:
    """Scripts that stand in for Termux:API, and write down how they were called."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "api"
        self.bin.mkdir(exist_ok=True)
        self.log = self.bin / "called"
        self.prefix = folder / "com.termux" / "files" / "usr"

    def script(self, name: str, body: str) -> None:
        (self.bin / name).write_text(f'#!/bin/sh\necho "${{0##*/}} $*" >>"{self.log}"\n{body}\n')
        (self.bin / name).chmod(0o755)

    def environment(self, device: Device) -> dict[str, str]:
        return {"PATH": f"{self.bin}:{device.environment()['PATH']}", "PREFIX": str(self.prefix)}

    def called(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def api(tmp_path: Path) -> Api:
    return Api(tmp_path)


def test_a_sync_that_nobody_watches_tells_of_conflicts_and_of_nothing_else(pair: Scene, api: Api) -> None:
    laptop = pair.device("laptop")
    fight(pair, mine="a secret of mine", theirs="a secret of theirs")
    api.script("termux-notification", ":")
    laptop("sync", "run", "--scheduled", env=api.environment(laptop), passphrase=PASSPHRASE, code=0)
    (shown,) = api.called()
    assert "--title 1 conflict " in shown
    assert "ghostie-review" in shown
    assert "secret" not in shown


@pytest.mark.parametrize("body", ["exit 1", "sleep 600 & wait"], ids=["it fails", "it hangs"])
def test_a_phone_that_does_not_answer_is_no_failure_of_a_sync(body: str, pair: Scene, api: Api) -> None:
    laptop = pair.device("laptop")
    api.script("termux-notification-remove", body)
    done = laptop("sync", "run", "--scheduled", env=api.environment(laptop), passphrase=PASSPHRASE, code=0)
    assert done.err == ""
    assert api.called() == ["termux-notification-remove ghostie"]


def test_a_tool_that_hangs_is_ended_with_all_that_it_started(laptop: Device, api: Api) -> None:
    api.script("termux-clipboard-get", "sleep 600 & wait")
    done = laptop("termux", "capture", "--clipboard", env=api.environment(laptop), passphrase=PASSPHRASE, code=1)
    assert "termux-clipboard-get did not answer within 5 s" in done.err


@pytest.mark.parametrize(
    ("answer", "kept"), [('{"code": -1, "text": "said"}', "said"), ('{"code": -2, "text": ""}', None)]
)
def test_what_is_said_is_kept_and_what_is_not_said_is_not(
    answer: str, kept: str | None, laptop: Device, api: Api
) -> None:
    api.script("termux-dialog", f"echo '{answer}'")
    before = len(laptop.ok("list", "--json", "-n", "0").json())
    done = laptop("termux", "capture", "--voice", "--json", env=api.environment(laptop), passphrase=PASSPHRASE, code=0)
    after = laptop.ok("list", "--json", "-n", "0").json()
    assert len(after) - before == (kept is not None)
    if kept is not None:
        assert done.json()["content"] == kept
        assert done.json()["status"] == "inbox"


def test_an_answer_that_is_none_is_an_error_with_a_name(laptop: Device, api: Api) -> None:
    api.script("termux-dialog", "echo '<html>'")
    done = laptop("termux", "capture", "--voice", env=api.environment(laptop), passphrase=PASSPHRASE, code=1)
    assert "termux-dialog gave no answer that can be read" in done.err


def test_what_is_shared_and_is_no_text_is_refused(laptop: Device) -> None:
    picture = laptop.scratch / "picture"
    picture.write_bytes(b"\xff\xd8\xff\xe0")
    assert "only text can be kept" in laptop("termux", "capture", "--file", str(picture), code=2).err
    assert "could not read" in laptop("termux", "capture", "--file", "/nowhere/at/all", code=1).err


def test_away_from_a_phone_nothing_is_made(laptop: Device) -> None:
    assert "this is not Termux" in laptop("termux", "setup", code=2).err
    laptop("termux", "setup", "--dry-run", code=0)
    assert not (laptop.folder / ".shortcuts").exists()
