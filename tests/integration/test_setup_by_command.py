"""`ghostie sync setup` with stores behind a network: credentials from everywhere they may come, sealed, and never shown."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ghostie.backends import deviceflow
from ghostie.cli import stores
from ghostie.cli.output import Output
from tests.cli.device import PASSPHRASE, Device, Scene

from .gistserver import TOKEN, GistServer
from .s3servers import Server, moto, rclone, s3_server
from .test_deviceflow import GIVEN, SignIn

pytestmark = pytest.mark.versions

__all__ = ["moto", "rclone", "s3_server"]

WRONG = "wrong-and-secret-0123456789"


@pytest.fixture(scope="module")
def made() -> Iterator[Scene]:
    """Two devices that are unlocked; one has a vault with a memory."""
    scene = Scene()
    laptop = scene.device("laptop")
    scene.device("phone")
    laptop.ok("init", "--device-name", "laptop", passphrase=PASSPHRASE)
    laptop.unlock()
    laptop.add("the router is at 10.0.0.1")
    scene.keep()
    yield scene
    scene.end()


@pytest.fixture
def scene(made: Scene) -> Scene:
    made.reset()
    return made


@pytest.fixture
def laptop(scene: Scene) -> Device:
    return scene.device("laptop")


@pytest.fixture
def phone(scene: Scene) -> Device:
    return scene.device("phone")


def at(server: Server) -> list[str]:
    return ["sync", "setup", "--backend", "s3", "--bucket", server.new_bucket(), "--endpoint", server.address]


def keys(server: Server) -> dict[str, str]:
    return {"GHOSTIE_S3_ACCESS_KEY": server.access_key, "GHOSTIE_S3_SECRET_KEY": server.secret_key}


def config(device: Device) -> str:
    return (device.vault / "sync" / "config.json").read_text()


def test_two_devices_meet_in_a_bucket(s3_server: Server, laptop: Device, phone: Device) -> None:
    setup = at(s3_server)
    done = laptop(*setup, env=keys(s3_server), code=0)
    assert "the store was tried out" in done.err
    phone(*setup, "--device-name", "phone", env=keys(s3_server), passphrase=PASSPHRASE, code=0)
    laptop.ok("sync", "push")
    pulled = phone("sync", "pull", passphrase=PASSPHRASE, code=0)
    assert "pulled 1 version, 1 new" in pulled.err
    status = phone("sync", "status", "--json", passphrase=PASSPHRASE, code=0).json()
    assert status["store"]["create_only"] == s3_server.create_only
    assert status["reached"] and status["behind"] == 0
    for device in (laptop, phone):
        for value in (s3_server.access_key, s3_server.secret_key):
            assert value not in config(device)
            assert value not in done.err + pulled.err


def test_an_invitation_brings_the_credentials_along_and_shows_them_to_nobody(
    moto: Server, laptop: Device, phone: Device
) -> None:
    laptop(*at(moto), env=keys(moto), code=0)
    laptop.ok("sync", "push")
    invited = laptop("sync", "invite", "--json", passphrase=PASSPHRASE, code=0)
    code = invited.json()["code"]
    assert invited.json()["credentials"] is True
    joined = phone("sync", "join", "-", "--device-name", "phone", stdin=code, passphrase=PASSPHRASE, code=0)
    pulled = phone("sync", "pull", passphrase=PASSPHRASE, code=0)
    assert "pulled 1 version, 1 new" in pulled.err
    for value in (moto.access_key, moto.secret_key):
        assert value not in config(phone) + invited.out + invited.err + joined.out + joined.err


def test_credentials_come_from_a_file_a_prompt_or_the_time_before(moto: Server, laptop: Device) -> None:
    setup = at(moto)
    unset = laptop(*setup, code=2)
    assert "access key is not given" in unset.err and "GHOSTIE_S3_ACCESS_KEY" in unset.err
    file = laptop.scratch / "keys"
    file.write_text(f"# of the bucket\naccess_key = {moto.access_key}\nGHOSTIE_S3_SECRET_KEY={moto.secret_key}\n")
    laptop(*setup, "--credentials-file", str(file), code=0)
    laptop.ok("sync", "setup")
    code, seen = laptop.on_terminal("sync", "push", columns=45)
    assert (code, "sending ████████████".encode() in seen) == (0, True), seen
    code, seen = laptop.on_terminal(
        "sync", "setup", "--new-credentials", keys=f"{moto.access_key}\n{moto.secret_key}\n"
    )
    assert code == 0, seen
    assert moto.access_key.encode() not in seen and moto.secret_key.encode() not in seen
    file.write_text(f"{WRONG}\n")
    refused = laptop(*setup, "--credentials-file", str(file), code=2)
    assert "line 1 of the credentials file" in refused.err and WRONG not in refused.err


def test_wrong_credentials_are_refused_and_change_nothing(moto: Server, laptop: Device) -> None:
    setup = at(moto)
    laptop(*setup, env=keys(moto), code=0)
    before = config(laptop)
    wrong = {"GHOSTIE_S3_ACCESS_KEY": "AKIAWRONGWRONGWRONG1", "GHOSTIE_S3_SECRET_KEY": WRONG}
    refused = laptop("sync", "setup", env={**wrong, "GHOSTIE_DEBUG": "1"}, code=21)
    assert "--new-credentials" in refused.err
    assert WRONG not in refused.err and "AKIAWRONG" not in refused.err
    assert config(laptop) == before
    laptop.ok("sync", "push")


def test_a_new_key_seals_the_credentials_too_and_the_other_device_follows(
    moto: Server, laptop: Device, phone: Device
) -> None:
    setup = at(moto)
    laptop(*setup, env=keys(moto), code=0)
    laptop.ok("sync", "push")
    phone(*setup, env=keys(moto), passphrase=PASSPHRASE, code=0)
    sealed = json.loads(config(laptop))["secrets"]
    laptop("keys", "rotate", passphrase=PASSPHRASE, code=0)
    again = json.loads(config(laptop))["secrets"]
    assert all(sealed[name] != again[name] for name in ("access_key", "secret_key"))
    assert all(value[10:18] == "00000002" for value in again.values()), "sealed under the new epoch"
    laptop("sync", "run", passphrase=PASSPHRASE, code=0)
    told = phone("sync", "run", passphrase=PASSPHRASE, code=12)
    assert "`ghostie sync setup` takes it over" in told.err
    phone("sync", "setup", passphrase=PASSPHRASE, code=0)
    phone("sync", "run", passphrase=PASSPHRASE, code=0)


def test_options_that_say_nothing_about_the_store_are_refused(moto: Server, laptop: Device) -> None:
    assert "which store is meant" in laptop("sync", "setup", code=2).err
    assert "--path" in laptop("sync", "setup", "--backend", "folder", code=2).err
    assert "it is for s3" in laptop("sync", "setup", "--path", "/x", "--bucket", "b-1", code=2).err
    assert "--bucket" in laptop("sync", "setup", "--backend", "s3", env=keys(moto), code=2).err
    missing = ["sync", "setup", "--bucket", "not-there-0", "--endpoint", moto.address]
    assert "no such bucket" in laptop(*missing, env=keys(moto), code=20).err


def test_another_way_to_the_same_place_keeps_the_writer(moto: Server, laptop: Device) -> None:
    laptop(*at(moto), env=keys(moto), code=0)
    laptop.ok("sync", "push")
    writer = json.loads((laptop.vault / "sync" / "device_id").read_text())["writer"]
    laptop.ok("sync", "setup", "--region", "eu-central-1", "--style", "path")
    assert json.loads((laptop.vault / "sync" / "device_id").read_text())["writer"] == writer
    assert "nothing to push" in laptop.ok("sync", "push").err


def test_two_devices_meet_in_gists_and_a_poll_with_nothing_new_is_one_request(
    server: GistServer, laptop: Device, phone: Device
) -> None:
    setup = ["sync", "setup", "--backend", "gist", "--api-url", server.api.url, "--raw-url", server.raw.url]
    laptop(*setup, env={"GHOSTIE_GIST_TOKEN": TOKEN}, code=0)
    laptop.ok("sync", "push")
    token = phone.scratch / "token"
    token.write_text(TOKEN)
    phone(*setup, "--credentials-file", str(token), passphrase=PASSPHRASE, code=0)
    phone("sync", "pull", passphrase=PASSPHRASE, code=0)
    server.asked()
    phone("sync", "pull", passphrase=PASSPHRASE, code=0)
    assert server.asked() == ["GET 304"]
    assert TOKEN not in config(laptop) + config(phone)
    state = (phone.vault / "sync" / "store_state.enc").read_bytes()
    assert state.startswith(b"GHO1") and server.api.url.encode() not in state
    state = state[:60] + bytes([state[60] ^ 1]) + state[61:]
    (phone.vault / "sync" / "store_state.enc").write_bytes(state)
    phone("sync", "pull", passphrase=PASSPHRASE, code=0)


def test_a_code_typed_elsewhere_gives_the_token(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    service = SignIn()
    service.code["interval"] = 0.01
    service.answers.insert(0, {"error": "authorization_pending"})
    monkeypatch.setattr(deviceflow, "LEAST_INTERVAL", 0.01)
    args = argparse.Namespace(
        home=str(tmp_path),
        backend="gist",
        path=None,
        bucket=None,
        endpoint=None,
        prefix=None,
        region=None,
        style=None,
        api_url=service.server.url,
        raw_url=None,
        proxy=None,
        authorities=None,
        plain_http=None,
        credentials_file=None,
        new_credentials=False,
        client_id="Iv1.app",
        json=False,
        quiet=True,
        passphrase_file=None,
    )
    try:
        backend, options, credentials = stores.described(args, Output(args))
    finally:
        service.server.stop()
    assert (backend, options, credentials) == ("gist", {"api_url": service.server.url}, {"token": GIVEN})
    said = capsys.readouterr().err
    assert "WDJB-MJHT" in said and "https://github.example/login/device" in said
    assert GIVEN not in said
