"""A store is chosen on the screens: every kind of it with all its fields, every refusal with a way on, and what is cut off."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from textual import events

from ghostie.backends.folder import FolderStore
from ghostie.backends.store import REGISTRY, ObjectStore, open_store
from ghostie.crypto import keys as keyring
from ghostie.crypto.keys import first_epoch
from ghostie.crypto.unlock import read_key_file
from ghostie.paths import Layout
from ghostie.sync import pairing
from ghostie.sync.config import Config, load_config
from ghostie.sync.link import connect
from ghostie.sync.segment import key_name
from ghostie.tui.keeper import Keeper
from ghostie.tui.screens.stores import FURTHER, PLAIN, SERVER, WHERE, question_of
from ghostie.tui.tasks import beginning
from ghostie.vault.vault import wall_clock
from tests.integration.faultproxy import FaultProxy, http
from tests.integration.gists import a_store
from tests.integration.gistserver import TOKEN, GistServer
from tests.integration.s3servers import Server, moto
from tests.integration.test_deviceflow import GIVEN, SignIn
from tests.integration.test_http_faults import Certificates, certificates
from tests.tui.house import MASTER, PASSPHRASE, House, Screen, show

__all__ = ["certificates", "moto"]

WRONG = "wrong-and-secret-0123456789"


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Keeper, "PROGRAM", "tests.tui.hurried")
    monkeypatch.setenv("PATH", str(tmp_path))  # no scheduler of this machine is asked


@pytest.fixture
def gists() -> Iterator[GistServer]:
    server = GistServer()
    yield server
    server.stop()
    assert server.api.crashes + server.raw.crashes == []


async def fill(screen: Screen, asked: str, said: str) -> None:
    """Answer the question *asked* with *said*, whatever stands there."""
    await screen.sees(asked)
    await screen.until(lambda: screen.place.focused is not None, "a field")
    await screen.settled()  # else the key is held for the answer, and what is pasted overtakes it
    await screen.press("ctrl+u")
    assert screen.place.focused is not None
    screen.place.focused.post_message(events.Paste(said))
    await screen.press("enter")


async def set_up(screen: Screen, kind: str) -> None:
    await screen.press("S")
    await screen.sees("Sync", "o ")
    await screen.until(lambda: screen.place.NAME == "sync" and "…" not in screen.text(), "where it stands")
    await screen.press("o")
    await screen.sees("Where do your devices meet?")
    await screen.tap_on(kind)


def everything(home: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file())


def put_vault(house: House, store: ObjectStore) -> str:
    """Put the house's key object on *store*; return its digest."""
    slot = read_key_file(house.vault.layout)
    store.write({key_name(slot.digest): slot.spelt()})
    return slot.digest


# -- all that there is to ask ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", sorted(REGISTRY))
def test_every_option_of_a_store_has_its_question(backend: str) -> None:
    known = REGISTRY[backend]
    learnt = {"create_only"}  # the try-out finds it
    for name in {*known.place, *known.way} - learnt:
        assert question_of(backend, name) is not None, name
    asked = {each.name for each in (*WHERE[backend], *FURTHER[backend])}
    assert asked <= {*known.place, *known.way}
    assert SERVER[backend] in asked and PLAIN.name not in asked


def test_a_bucket_with_all_its_fields_is_set_up_and_synced_with(house: House, moto: Server) -> None:
    house.add("to the bucket")
    bucket = moto.new_bucket()

    async def story(screen: Screen) -> None:
        await set_up(screen, "An S3 bucket")
        await fill(screen, "The bucket's name", "no bucket's name!")
        await screen.sees("that is no bucket's name", "The bucket's name")
        await fill(screen, "The bucket's name", bucket)
        await fill(screen, "The server's address", "http://10.0.0.7:9000")
        await screen.sees("not encrypted on the way")
        await screen.press("enter")
        await fill(screen, "The server's address", moto.address)
        await screen.sees("Anything else")
        await screen.tap_on("A prefix")
        await fill(screen, "One word that keeps", "two words")
        await screen.sees("the prefix has other characters")
        await fill(screen, "One word that keeps", "vault1")
        await screen.sees("Anything else", "vault1")
        await screen.tap_on("The region")
        await fill(screen, "As eu-central-1", "us-east-1")
        await screen.sees("Anything else", "us-east-1")
        await screen.tap_on("Where does the bucket's name")
        await screen.tap_on("In the path")
        await screen.sees("Anything else", "path")
        await screen.tap_on("Proxy with its password")
        await fill(screen, "The proxy with its password", "nonsense")
        await screen.sees("the proxy's address is no URL")
        await fill(screen, "The proxy with its password", "")
        await screen.tap_on("The proxy's address")
        await fill(screen, "http://host:port", f"http://me:{WRONG}@host:1")
        await screen.sees("there is a password in the proxy's address")
        await fill(screen, "http://host:port", "")
        await screen.sees("Anything else")
        await screen.press("g", "enter")
        await fill(screen, "The access key", moto.access_key)
        assert moto.access_key not in screen.text()
        await fill(screen, "The secret key", moto.secret_key)
        await fill(screen, "The vault's passphrase", PASSPHRASE)
        await screen.at("sync")
        await screen.sees(f"s3 {bucket}", "1 version to send")
        await screen.press("enter")
        await screen.sees("Sent 1 version")

    house.run(story, size=(100, 44))
    config = load_config(house.vault.layout)
    wanted = {"bucket": bucket, "endpoint": moto.address, "prefix": "vault1", "region": "us-east-1", "style": "path"}
    assert wanted.items() <= config.options.items() and config.options["create_only"] == "works"
    assert config.credentials(MASTER) == moto.secrets
    kept = everything(house.vault.layout.home)
    assert not any(value.encode() in kept for value in (*moto.secrets.values(), WRONG, PASSPHRASE))
    assert not house.vault.layout.first_run.exists()


def test_what_a_bucket_refuses_leads_to_the_page_to_correct(house: House, moto: Server) -> None:
    bucket = moto.new_bucket()

    async def story(screen: Screen) -> None:
        await set_up(screen, "An S3 bucket")
        await fill(screen, "The bucket's name", "not-there-0")
        await fill(screen, "The server's address", moto.address)
        await screen.sees("Anything else")
        await screen.press("enter")
        await fill(screen, "The access key", moto.access_key)
        await fill(screen, "The secret key", moto.secret_key)
        await fill(screen, "The vault's passphrase", PASSPHRASE)
        await screen.sees("there is no such bucket", "The bucket's name", "Another store")
        assert not house.vault.layout.sync_config.exists()
        await screen.press("escape")
        await screen.sees("It has to be there already.", "not-there-0")
        await fill(screen, "The bucket's name", bucket)
        await screen.at("sync")
        await screen.sees(f"s3 {bucket}")

    house.run(story, size=(80, 40))


def test_a_wrong_key_is_told_and_another_is_taken_before_and_after_it_was_set_up(house: House, moto: Server) -> None:
    house.add("sent with the new key")
    bucket = moto.new_bucket()

    async def story(screen: Screen) -> None:
        await set_up(screen, "An S3 bucket")
        await fill(screen, "The bucket's name", bucket)
        await fill(screen, "The server's address", moto.address)
        await screen.sees("Anything else")
        await screen.press("enter")
        await fill(screen, "The access key", "AKIAWRONGWRONGWRONG1")
        await fill(screen, "The secret key", WRONG)
        await fill(screen, "The vault's passphrase", PASSPHRASE)
        await screen.sees("it does not know the access key", "Another store")
        await screen.press("enter")
        await fill(screen, "It is kept sealed", moto.access_key)
        await screen.sees("the secret key does not fit", "The secret key")
        await screen.press("enter")
        await fill(screen, "It is kept sealed", moto.secret_key)
        await screen.at("sync")
        await screen.sees(f"s3 {bucket}", "1 version to send")
        assert WRONG not in screen.text()

    house.run(story, size=(80, 40))
    config = load_config(house.vault.layout)
    config.with_credentials(MASTER, {**moto.secrets, "secret_key": WRONG}).save(house.vault.layout)

    async def later(screen: Screen) -> None:
        await screen.press("S")
        await screen.sees("the store refused the credentials", "o takes others")
        await screen.press("o")
        await screen.sees("Where do your devices meet?")
        await screen.press("enter")
        await screen.sees("The bucket's name", bucket)
        await screen.press("enter")
        await screen.sees("The server's address")
        await screen.press("enter")
        await screen.sees("Anything else")
        await screen.press("enter")
        await screen.sees("The access key", "Leave it empty to keep")
        await screen.press("enter")
        await fill(screen, "The secret key", moto.secret_key)
        await fill(screen, "The vault's passphrase", PASSPHRASE)
        await screen.at("sync")
        await screen.sees("1 version to send", "a sync would")
        await screen.press("enter")
        await screen.sees("Sent 1 version")

    house.run(later, size=(80, 40))


def test_no_network_an_unknown_certificate_and_a_wrong_clock_are_each_told_with_a_way_on(
    house: House, certificates: Certificates
) -> None:
    skewed = b"<Error><Code>RequestTimeTooSkewed</Code><Message>no</Message></Error>"
    shown, context = certificates("127.0.0.1")
    with FaultProxy(lambda asked: http(403, skewed, {"Content-Type": "application/xml"}), tls=context) as server:
        with FaultProxy() as gone:
            nobody = gone.address

        async def story(screen: Screen) -> None:
            await set_up(screen, "An S3 bucket")
            await fill(screen, "The bucket's name", "memories")
            await fill(screen, "The server's address", nobody)
            await screen.sees("Anything else")
            await screen.press("enter")
            await fill(screen, "The access key", "AKIAXXXXXXXXXXXXXXXX")
            await fill(screen, "The secret key", WRONG)
            await fill(screen, "The vault's passphrase", PASSPHRASE)
            await screen.sees("nobody listens at", "The server's address", "Try again")
            await screen.tap_on("Try again")
            await screen.sees("nobody listens at")
            await screen.tap_on("What else there is to the way")
            await screen.sees("Anything else about the way there?")
            await screen.press("enter")
            await screen.sees("nobody listens at")
            await screen.tap_on("The server's address")
            await fill(screen, "As the provider says it", server.address)
            await screen.sees("the certificate of", "A file of certificates")
            await screen.press("enter")
            await fill(screen, "They are trusted in place", str(shown.with_name("none.pem")))
            await screen.sees("there are no certificates at")
            await fill(screen, "They are trusted in place", str(shown))
            await screen.sees("this device's clock and", "after this device's clock was set right")
            await screen.tap_on("Another store")
            await screen.sees("Where do your devices meet?")
            await screen.press("escape")
            await screen.at("sync")

        house.run(story, size=(80, 40))
    assert not house.vault.layout.sync_config.exists() and not house.vault.layout.first_run.exists()


def test_another_vaults_folder_a_wrong_passphrase_and_an_emptied_folder_are_told(house: House, tmp_path: Path) -> None:
    theirs, ours, aside = tmp_path / "theirs", tmp_path / "ours", tmp_path / "aside"
    for folder in (theirs, ours):
        folder.mkdir()
    foreign = keyring.wrap(first_epoch(bytes(32)), "another passphrase", keyring.FLOOR)
    FolderStore(theirs).write({key_name(foreign.digest): foreign.spelt()})

    async def story(screen: Screen) -> None:
        await set_up(screen, "A folder")
        await fill(screen, "Which folder?", str(theirs))
        await fill(screen, "The vault's passphrase", PASSPHRASE)
        await screen.sees("the store holds another vault", "There is a vault already", "The vault's passphrase")
        await screen.tap_on("Another store")
        await screen.sees("Where do your devices meet?")
        await screen.press("enter")
        await fill(screen, "Which folder?", str(ours))
        await screen.at("sync")
        await screen.sees(f"folder {ours}")
        await screen.elsewhere(lambda: ours.rename(aside))
        await screen.elsewhere(ours.mkdir)
        await screen.press("r")
        await screen.sees("the store is not the one", "A drive that is not mounted", "Mount it, then enter")
        await screen.sees("emptied on purpose, o and say so")
        await set_up_again(screen)
        await fill(screen, "The vault's passphrase", "not the passphrase")
        await screen.sees("It was moved or emptied on purpose")
        await screen.press("enter")
        await fill(screen, "The passphrase of the vault that is here", PASSPHRASE)
        await screen.at("sync")
        await screen.no_longer_sees("the store is not the one")

    async def set_up_again(screen: Screen) -> None:
        await screen.press("o")
        await screen.sees("Where do your devices meet?")
        await screen.press("enter")
        await screen.sees("Which folder?", str(ours))
        await screen.press("enter")

    house.run(story, size=(90, 40))
    assert any(path.is_file() for path in ours.rglob("*"))


# -- gists -------------------------------------------------------------------------------------------------------------


async def at_the_stand_in(screen: Screen, gists: GistServer) -> None:
    await set_up(screen, "Gists")
    await screen.sees("Anything else")
    for item, asked, said in (
        ("The address of the service", "Empty: GitHub.", gists.api.url),
        ("Where such a service shows", "Empty: at the same", gists.raw.url),
    ):
        await screen.tap_on(item)
        await fill(screen, asked, said)
        await screen.sees("Anything else", said)
    await screen.press("g", "enter")
    await screen.sees("How does this device get its token?")


def test_gists_are_set_up_with_a_token_after_one_that_is_not_valid(house: House, gists: GistServer) -> None:
    house.add("to the gist")

    async def story(screen: Screen) -> None:
        await at_the_stand_in(screen, gists)
        await screen.press("enter")
        await fill(screen, "The token that may", WRONG)
        await fill(screen, "The vault's passphrase", PASSPHRASE)
        await screen.sees("the token is not valid", "The token that may")
        await screen.press("enter")
        await fill(screen, "The token that may", TOKEN)
        await screen.at("sync")
        await screen.sees("store      gist", "1 version to send")

    house.run(story, size=(90, 40))
    assert load_config(house.vault.layout).credentials(MASTER) == {"token": TOKEN}
    assert TOKEN.encode() not in everything(house.vault.layout.home)


def test_a_sign_in_shows_what_to_type_waits_beside_everything_else_and_can_be_stopped(
    house: House, gists: GistServer
) -> None:
    sign_in = SignIn()
    sign_in.server.stop()
    sign_in.code["interval"] = 0.01
    given, sign_in.answers = sign_in.answers, [{"error": "authorization_pending"}]
    gists.tokens[GIVEN] = "gist"
    service = gists.api._service
    gists.api._service = lambda asked: sign_in._answer(asked) if "/login/" in asked.path else service(asked)

    async def story(screen: Screen) -> None:
        await at_the_stand_in(screen, gists)
        await screen.tap_on("Sign in by a code")
        await fill(screen, "The client id of the app", "Iv1.app")
        await screen.sees("https://github.example/login/device", "WDJB-MJHT", "15 minutes")
        await screen.at_every_size("WDJB-MJHT")
        # the keeper of everything else is free meanwhile
        answers: list[object] = []
        screen.place.ask("memories.in_use", answers.append)
        await screen.until(lambda: answers, "an answer")
        await screen.press("escape")
        await screen.sees("stopped", "The client id of the app")
        sign_in.answers = [{"error": "access_denied"}]
        await screen.press("enter")
        await screen.sees("was denied", "Try again")
        sign_in.answers = given
        await screen.tap_on("Try again")
        await fill(screen, "The vault's passphrase", PASSPHRASE)
        await screen.at("sync")
        await screen.sees("store      gist")
        assert GIVEN not in screen.text()

    house.run(story, size=(90, 40))
    assert load_config(house.vault.layout).credentials(MASTER) == {"token": GIVEN}


# -- another device ----------------------------------------------------------------------------------------------------


def invitation(house: House, backend: str, options: dict[str, str], secrets: dict[str, str]) -> str:
    """Tie the house's vault to a store, and return the code that invites to it."""
    config = Config(backend, options, MASTER.vault.hex(), put_vault(house, open_store(backend, options, secrets)))
    config.with_credentials(MASTER, secrets).save(house.vault.layout)
    house.vault.clock = wall_clock  # the keeper has no clock but the system's
    return pairing.invite(connect(house.vault), PASSPHRASE, seconds=3600).code


async def join(screen: Screen, code: str) -> None:
    await screen.tap_on("Join by a code")
    await fill(screen, "The code that the other device shows", code)


def test_another_device_joins_a_bucket_by_a_code(house: House, moto: Server, tmp_path: Path) -> None:
    options = {"bucket": moto.new_bucket(), "endpoint": moto.address}
    code = invitation(house, "s3", options, moto.secrets)
    layout = Layout(tmp_path / "tablet")

    async def story(screen: Screen) -> None:
        await join(screen, code[:60] + ("A" if code[60] != "A" else "B") + code[61:])
        await screen.sees("this is not an invitation")
        await fill(screen, "The code that the other device shows", code)
        await fill(screen, "The passphrase of that vault", PASSPHRASE)
        await fill(screen, "What is this device called?", "tablet")
        await screen.at("memories")

    show(layout, None, story, size=(60, 34), quick=False)  # it first loads what all places need
    config = load_config(layout)
    assert (config.backend, config.credentials(MASTER)) == ("s3", moto.secrets)
    assert not layout.first_run.exists()


def test_another_device_joins_gists_by_a_code_once_they_let_it_in(
    house: House, gists: GistServer, tmp_path: Path
) -> None:
    slot = put_vault(house, a_store(gists))
    config = Config("gist", {"api_url": gists.api.url, "raw_url": gists.raw.url}, MASTER.vault.hex(), slot)
    config.with_credentials(MASTER, {"token": TOKEN}).save(house.vault.layout)
    old = pairing.invite(connect(house.vault), PASSPHRASE, seconds=3600).code  # by a clock that is behind
    house.vault.clock = wall_clock
    code = pairing.invite(connect(house.vault), PASSPHRASE, seconds=3600).code
    layout = Layout(tmp_path / "tablet")
    del gists.tokens[TOKEN]

    async def story(screen: Screen) -> None:
        await join(screen, old)
        await screen.sees("this invitation was good until")
        await fill(screen, "The code that the other device shows", code)
        await fill(screen, "The passphrase of that vault", "not the passphrase")
        await fill(screen, "What is this device called?", "tablet")
        await screen.sees("does not open this invitation", "The passphrase of that vault")
        await screen.press("escape")
        await screen.sees("The code that the other device shows")
        await fill(screen, "The code that the other device shows", code)
        await fill(screen, "The passphrase of that vault", PASSPHRASE)
        await screen.sees("the store refused the credentials", "The proxy's address", "Another code")
        gists.tokens[TOKEN] = "gist"
        await screen.tap_on("Try again")
        await screen.at("memories")

    show(layout, None, story, size=(60, 34), quick=False)
    assert load_config(layout).credentials(MASTER) == {"token": TOKEN}


# -- cut off -----------------------------------------------------------------------------------------------------------


def cut_off(layout: Layout, story: Callable[[Screen], object]) -> None:
    """Run the screens through *story*, and kill them."""

    async def killed(screen: Screen) -> None:
        await story(screen)  # type: ignore[misc]
        await screen.settled()
        assert screen.app.keeper is not None
        os.kill(screen.app.keeper._process.pid, signal.SIGKILL)

    show(layout, None, killed, size=(80, 34), quick=False)
    if layout.first_run.exists():
        kept = layout.first_run.read_text()
        assert WRONG not in kept and PASSPHRASE not in kept
        assert layout.first_run.stat().st_mode & 0o777 == 0o600


def test_joining_on_a_store_goes_on_from_the_page_where_it_was_killed(
    house: House, moto: Server, tmp_path: Path
) -> None:
    bucket = moto.new_bucket()
    put_vault(house, moto.store(bucket=bucket, prefix="vault1"))
    layout = Layout(tmp_path / "tablet")

    async def choosing(screen: Screen) -> None:
        await screen.tap_on("Join on a store")
        await screen.sees("Where do your devices meet?")

    async def chosen(screen: Screen) -> None:
        await screen.tap_on("An S3 bucket")
        await screen.sees("The bucket's name")

    async def named(screen: Screen) -> None:
        await fill(screen, "The bucket's name", bucket)
        await screen.sees("The server's address")

    async def addressed(screen: Screen) -> None:
        await fill(screen, "The server's address", moto.address)
        await screen.sees("Anything else")

    async def further(screen: Screen) -> None:
        await screen.tap_on("A prefix")
        await screen.sees("One word that keeps")

    async def prefixed(screen: Screen) -> None:
        await fill(screen, "One word that keeps", "vault1")
        await screen.sees("Anything else", "vault1")

    async def secret(screen: Screen) -> None:
        await screen.sees("Anything else", "vault1")
        await screen.press("enter")
        await fill(screen, "The access key", moto.access_key)
        await fill(screen, "The secret key", WRONG)
        await screen.sees("The vault's passphrase")

    async def again(screen: Screen) -> None:
        await fill(screen, "The access key", moto.access_key)
        await fill(screen, "The secret key", moto.secret_key)
        await fill(screen, "The vault's passphrase", PASSPHRASE)
        await screen.sees("What is this device called?")

    for story in (choosing, chosen, named, addressed, further, prefixed, secret, again):
        cut_off(layout, story)
        assert json.loads(layout.first_run.read_text())["left"] == []

    async def last(screen: Screen) -> None:
        await screen.sees("The access key")
        await screen.press("escape")
        await screen.sees("Anything else", "vault1")
        await screen.press("enter")
        await again(screen)
        await fill(screen, "What is this device called?", "tablet")
        await screen.at("memories")

    show(layout, None, last, size=(80, 34), quick=False)
    assert load_config(layout).options["prefix"] == "vault1"
    assert not layout.first_run.exists()


def test_making_a_vault_goes_on_where_it_was_killed_and_who_goes_back_leaves_nothing(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "home")

    async def naming(screen: Screen) -> None:
        await screen.tap_on("Make a new vault")
        await fill(screen, "What is this device called?", "my tablet")
        await screen.sees("It opens the vault, on every device.")

    cut_off(layout, naming)

    async def back(screen: Screen) -> None:
        await screen.sees("It opens the vault, on every device.")
        await screen.press("escape")
        await screen.sees("What is this device called?", "my tablet")
        await screen.press("escape")
        await screen.sees("Make a new vault")
        await screen.press("escape")

    show(layout, None, back, size=(60, 34), quick=False)
    assert not layout.home.exists()


def test_a_vault_that_was_made_a_moment_before_a_cut_still_shows_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class At:
        layout = Layout(tmp_path / "home")

        def open_with(self, keys: object) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(keyring, "calibrate", lambda: keyring.FLOOR)
    with pytest.raises(KeyboardInterrupt):
        beginning.make(At(), PASSPHRASE, "tablet")  # type: ignore[arg-type]
    assert At.layout.master_key.exists()
    assert beginning.left(At()) == list(beginning.LEFT)  # type: ignore[arg-type]


@pytest.mark.parametrize("spelt", ["", "[]", '{"draft": 7}', '{"draft": {"answers": [], "trail": 1, "at": 2}}'])
def test_a_note_of_where_it_was_that_makes_no_sense_is_no_matter(tmp_path: Path, spelt: str) -> None:
    layout = Layout(tmp_path / "home")
    layout.home.mkdir(mode=0o700)
    layout.first_run.write_text(spelt)

    async def story(screen: Screen) -> None:
        await screen.sees("Make a new vault")

    show(layout, None, story, size=(45, 30), quick=False)


def test_a_note_with_answers_that_no_page_has_goes_to_the_first_page_that_is_known(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "home")
    layout.home.mkdir(mode=0o700)
    answers = {"how": "store", "store": "../etc", "bucket": "x" * 9000, "more": "nothing", "secret:token": "t"}
    draft = {"only": "", "at": "secret:token", "trail": ["how", "store", "more"], "answers": answers}
    layout.first_run.write_text(json.dumps({"left": [], "draft": draft}))

    async def story(screen: Screen) -> None:
        await screen.sees("Where do your devices meet?")
        await screen.press("escape")
        await screen.sees("Make a new vault")

    show(layout, None, story, size=(45, 30), quick=False)
