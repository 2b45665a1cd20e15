"""Invitations: one code and the passphrase bring a device to the vault, to no other, and to no older state of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import segno

from ghostie import text
from ghostie.backends.folder import FolderStore
from ghostie.crypto import keys as keyring
from ghostie.crypto.keys import Cost
from ghostie.errors import (
    BadInvitation,
    GhostieError,
    InvitationElsewhere,
    InvitationExpired,
    InvitationOutdated,
    InvitationPassphrase,
    NewerFormat,
    NotTheStores,
    StoreChanged,
    Unreachable,
    UsageError,
    WrongKey,
)
from ghostie.memory import local
from ghostie.paths import Layout
from ghostie.sync import engine, moving, pairing
from ghostie.sync.config import load_config
from ghostie.sync.link import Link, look
from ghostie.sync.pairing import Invitation, Invited, invite, opened, positions, qr, read, write
from ghostie.sync.segment import key_name
from ghostie.sync.setup import Expected, SetUp
from ghostie.sync.slots import note_new_key

from . import joining
from .joining import MINE, THEIRS, link_of, linked, new, sources
from .power import PowerCut, at_every_cut, cut_before
from .world import START, add, contents, in_step, ledger, settle

pytestmark = [pytest.mark.versions, pytest.mark.usefixtures("quick_kdf")]

ANYWHERE = Expected(bytes(range(16)), 3, b"key's id", {})
S3 = Invitation(
    "s3",
    {"bucket": "memories", "endpoint": "https://s3.eu-central-1.amazonaws.com", "region": "eu-central-1"},
    {"access_key": "AKIAIOSFODNN7EXAMPLE", "secret_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"},
    Expected(bytes(range(16)), 1, b"the key.", {"00a1b2c3d4e5f607": (1200, "fcdc2a9a4362c99d")}),
)
SOON = 35_000_000  # minutes since 1970: in 2036


@pytest.fixture
def phone(tmp_path: Path, store: FolderStore) -> Link:
    """A device of a vault on the folder store, with a memory that is pushed."""
    done = joining.join(new(tmp_path / "phone", "from the phone"), store, options={"path": str(store.root)})
    link = link_of(done, store)
    engine.push(link)
    return link


def come(home: Path, invited: Invited, passphrase: str | None = MINE, *, path: Path | None = None) -> Link:
    """Join by the code as a device at *home*; return its link."""
    ways = {"path": str(path)} if path is not None else {}
    _, done = pairing.join(Layout(home), invited.code, sources(passphrase), ways=ways, device_name=home.name)
    return link_to(done)


def link_to(done: SetUp) -> Link:
    return link_of(done, FolderStore(Path(done.config.options["path"])))


# -- two devices ------------------------------------------------------------------------------------------------------


def test_the_code_and_the_passphrase_are_all_that_a_new_device_needs(phone: Link, tmp_path: Path) -> None:
    laptop = come(tmp_path / "laptop", invite(phone, MINE))
    assert laptop.vault.device.name == "laptop"
    assert load_config(laptop.vault.layout) == phone.config
    settle(laptop, phone)
    assert contents(laptop) == ["from the phone"]
    assert in_step(laptop, phone)


def test_a_device_with_memories_of_its_own_brings_them_along(phone: Link, tmp_path: Path) -> None:
    layout = new(tmp_path / "laptop", "mine", passphrase=THEIRS)
    _, done = pairing.join(layout, invite(phone, MINE).code, sources(THEIRS, of_the_store=MINE))
    assert (done.joined, done.brought) == (True, 1)
    laptop = link_to(done)
    settle(laptop, phone)
    assert contents(phone) == contents(laptop) == ["from the phone", "mine"]


def test_a_device_that_is_one_of_the_vaults_already_stays_what_it_is(phone: Link, tmp_path: Path) -> None:
    laptop = come(tmp_path / "laptop", invite(phone, MINE))
    add(laptop, "more")
    settle(laptop, phone)
    writer = laptop.vault.device.writer
    again = come(tmp_path / "laptop", invite(laptop, MINE))
    assert again.vault.device.writer == writer
    assert engine.pull(again).alarms == ()
    assert engine.push(again).segments == 0


def test_the_folder_may_be_somewhere_else_on_the_other_device(phone: Link, tmp_path: Path, store: FolderStore) -> None:
    invited = invite(phone, MINE)
    shutil.copytree(store.root, tmp_path / "mounted here")
    shutil.rmtree(store.root)
    with pytest.raises(Unreachable):
        come(tmp_path / "laptop", invited)
    assert not (tmp_path / "laptop").exists()
    laptop = come(tmp_path / "laptop", invited, path=tmp_path / "mounted here")
    engine.pull(laptop)
    assert contents(laptop) == ["from the phone"]
    with pytest.raises(UsageError, match="proxy says nothing about a folder"):
        pairing.join(laptop.vault.layout, invited.code, sources(), ways={"proxy": "http://localhost:1"})


def test_joining_that_is_cut_off_anywhere_is_finished_by_joining_again_and_nothing_older_is_believed(
    phone: Link, tmp_path: Path, store: FolderStore
) -> None:
    invited = invite(phone, MINE)

    def attempt(number: int) -> bool:
        home = tmp_path / f"laptop{number}"
        try:
            with cut_before(number):
                come(home, invited)
        except PowerCut:
            cut = True
        else:
            cut = False
        if Layout(home).sync_config.exists():
            assert positions(phone).items() <= ledger(linked(Layout(home), store)).state.vouched.items()
        laptop = come(home, invited)
        assert engine.pull(laptop).alarms == ()
        assert contents(laptop) == ["from the phone"]
        shutil.rmtree(home)
        return cut

    assert at_every_cut(attempt) >= 10


# -- an older state ---------------------------------------------------------------------------------------------------


def old_state(store: FolderStore, into: Path) -> FolderStore:
    """Return a store that shows what this one shows now, for ever."""
    shutil.copytree(store.root, into)
    return FolderStore(into)


def test_a_store_that_shows_an_old_state_to_the_new_device_raises_the_alarm(
    phone: Link, tmp_path: Path, store: FolderStore
) -> None:
    old = old_state(store, tmp_path / "old")
    add(phone, "news")
    engine.push(phone)
    laptop = come(tmp_path / "laptop", invite(phone, MINE), path=old.root)
    (alarm,) = engine.pull(laptop).alarms
    assert (alarm.kind, alarm.writer, alarm.position) == ("rollback", phone.vault.device.writer, 1)
    assert contents(laptop) == ["from the phone"]


def test_without_the_invitation_the_same_old_state_is_believed(phone: Link, tmp_path: Path, store: FolderStore) -> None:
    old = old_state(store, tmp_path / "old")
    add(phone, "news")
    engine.push(phone)
    done = joining.join(Layout(tmp_path / "laptop"), old, options={"path": str(old.root)})
    assert engine.pull(link_to(done)).alarms == ()


def test_a_log_that_is_hidden_altogether_raises_the_alarm(phone: Link, tmp_path: Path, store: FolderStore) -> None:
    laptop = come(tmp_path / "laptop", invite(phone, MINE))
    add(laptop, "from the laptop")
    settle(laptop, phone)
    invited = invite(phone, MINE)
    assert invited.logs == 2
    store.write({}, [name.key for name in look(store).of(laptop.vault.device.writer)])
    tablet = come(tmp_path / "tablet", invited)
    (alarm,) = engine.pull(tablet).alarms
    assert (alarm.kind, alarm.writer) == ("rollback", laptop.vault.device.writer)


def test_an_invitation_names_what_others_vouch_for_beyond_what_was_taken_in(
    phone: Link, tmp_path: Path, store: FolderStore
) -> None:
    laptop = come(tmp_path / "laptop", invite(phone, MINE))
    add(laptop, "seen by the phone")
    engine.push(laptop)
    settle(phone)
    tablet = come(tmp_path / "tablet", invite(phone, MINE))
    store.write({}, [name.key for name in look(store).of(laptop.vault.device.writer)])
    assert [alarm.kind for alarm in engine.pull(tablet).alarms] == ["rollback"]
    assert positions(tablet)[laptop.vault.device.writer] == positions(phone)[laptop.vault.device.writer]


def test_of_very_many_logs_those_are_named_that_nothing_else_vouches_for(phone: Link) -> None:
    seen = {f"{number:016x}": (number + 1, "ab" * 8) for number in range(300)}
    for number in range(250):
        phone.ledger.state.published_seen[f"{number:016x}"] = (number + 1, "ab" * 8)
    phone.ledger.vouch(seen)
    named = positions(phone)
    assert len(named) == pairing.MOST_LOGS
    assert phone.vault.device.writer in named
    assert {f"{number:016x}" for number in range(250, 300)} <= named.keys()
    code = write(
        Invitation("folder", {"path": "/"}, {}, Expected(bytes(16), 1, bytes(8), named)), MINE, SOON, keyring.FLOOR
    )
    assert opened(read(code), MINE).expected.logs == named


# -- what is refused --------------------------------------------------------------------------------------------------


def refused(tmp_path: Path, invited: Invited, error: type[GhostieError], passphrase: str | None = MINE) -> GhostieError:
    with pytest.raises(error) as found:
        come(tmp_path / "laptop", invited, passphrase)
    assert not (tmp_path / "laptop").exists(), "nothing was written"
    assert found.value.way_out()
    return found.value


def test_a_wrong_passphrase_is_told_before_the_store_is_asked(phone: Link, tmp_path: Path, store: FolderStore) -> None:
    invited = invite(phone, MINE)
    shutil.rmtree(store.root)
    assert refused(tmp_path, invited, InvitationPassphrase, THEIRS).exit_code == WrongKey.exit_code


def test_an_invitation_ends_when_its_time_is_up(phone: Link, tmp_path: Path) -> None:
    phone.vault.clock = lambda: START
    invited = invite(phone, MINE, seconds=3600)
    assert 0 <= invited.until - START - 3_600_000 < 60_000
    error = refused(tmp_path, invited, InvitationExpired)  # long ago, by this machine's clock
    assert local(invited.until) in str(error)
    layout = Layout(tmp_path / "laptop")
    with pytest.raises(InvitationExpired):
        pairing.join(layout, invited.code, sources(), clock=lambda: invited.until + 1)
    assert pairing.join(layout, invited.code, sources(), clock=lambda: invited.until)[1].joined
    for seconds in (0, 31 * 86_400):
        with pytest.raises(UsageError):
            invite(phone, MINE, seconds=seconds)


def test_a_store_that_was_emptied_is_named(phone: Link, tmp_path: Path, store: FolderStore) -> None:
    invited = invite(phone, MINE)
    store.write({}, [info.key for info in store.list("")])
    assert "it is empty" in str(refused(tmp_path, invited, InvitationElsewhere))
    layout = new(tmp_path / "with memories", "mine")
    with pytest.raises(InvitationElsewhere):
        pairing.join(layout, invited.code, sources())
    assert store.list("") == [], "no vault is made where one was promised"


def test_another_vault_on_the_store_is_not_joined_even_if_the_passphrase_opens_it(
    phone: Link, tmp_path: Path, store: FolderStore
) -> None:
    invited = invite(phone, MINE)
    store.write({}, [info.key for info in store.list("")])
    other = link_of(joining.join(new(tmp_path / "other", "theirs"), store), store)
    engine.push(other)
    assert "the vault is not there" in str(refused(tmp_path, invited, InvitationElsewhere))


def test_beside_the_vault_another_one_of_the_same_passphrase_does_not_count(
    phone: Link, tmp_path: Path, store: FolderStore
) -> None:
    while (keys := keyring.new_keys()).vault > phone.vault.keys.vault:
        pass
    rival = keyring.wrap(keys, MINE, keyring.FLOOR)
    store.write({key_name(rival.digest): rival.spelt()})
    laptop = come(tmp_path / "laptop", invite(phone, MINE))
    assert laptop.vault.keys == phone.vault.keys


def test_after_a_new_passphrase_or_a_new_key_the_invitation_no_longer_fits(
    phone: Link, tmp_path: Path, store: FolderStore
) -> None:
    before = invite(phone, MINE)
    note_new_key(phone.vault.layout, keyring.wrap(phone.vault.keys, THEIRS, keyring.FLOOR))
    engine.push(phone)
    assert "passphrase was changed" in str(refused(tmp_path, before, InvitationOutdated))
    with pytest.raises(NotTheStores):
        invite(phone, MINE)
    between = invite(phone, THEIRS)
    moving.rotate(phone.vault.layout, phone.vault.keys, THEIRS, keyring.FLOOR)
    phone = linked(phone.vault.layout, store, THEIRS)
    engine.push(phone)
    assert "new key" in str(refused(tmp_path, between, InvitationOutdated, THEIRS))
    after = invite(phone, THEIRS)
    laptop = come(tmp_path / "tablet", after, THEIRS)
    engine.pull(laptop)
    assert contents(laptop) == ["from the phone"]


def test_an_older_key_than_the_invitation_names_is_an_older_state(
    phone: Link, tmp_path: Path, store: FolderStore
) -> None:
    old = old_state(store, tmp_path / "old")
    moving.rotate(phone.vault.layout, phone.vault.keys, MINE, keyring.FLOOR)
    phone = linked(phone.vault.layout, store)
    engine.push(phone)
    invited = invite(phone, MINE)
    with pytest.raises(InvitationElsewhere, match="older key"):
        come(tmp_path / "laptop", invited, path=old.root)
    assert not (tmp_path / "laptop").exists()


def test_a_vault_whose_store_is_gone_invites_nobody(phone: Link, store: FolderStore) -> None:
    store.write({}, [info.key for info in store.list("")])
    with pytest.raises(StoreChanged):
        invite(phone, MINE)


# -- the code ---------------------------------------------------------------------------------------------------------


def test_a_code_says_what_was_put_into_it() -> None:
    code = write(S3, MINE, SOON, keyring.FLOOR)
    whole = read(code)
    assert (whole.until, whole.cost) == (SOON, keyring.FLOOR)
    assert opened(whole, MINE) == S3
    assert "wJalr" not in repr(S3) and "wJalr" not in repr(opened(whole, MINE))
    for passphrase in (THEIRS, MINE.upper(), ""):
        with pytest.raises(InvitationPassphrase):
            opened(whole, passphrase)


def test_a_code_costs_no_less_to_guess_at_than_the_stores_key_object() -> None:
    for asked, given in (
        (keyring.FLOOR, keyring.FLOOR),
        (Cost((64 << 20) + 1, 4), Cost(128 << 20, 4)),
        (keyring.STRONG, keyring.STRONG),
        (keyring.CEILING, keyring.CEILING),
    ):
        whole = read(write(S3, MINE, SOON, asked))
        assert whole.cost == given
        assert opened(whole, MINE) == S3


def test_no_two_codes_are_alike_and_nothing_shows_in_one() -> None:
    codes = {write(S3, MINE, SOON, keyring.FLOOR) for _ in range(20)}
    assert len({code[:20] for code in codes}) == 20
    whole = read(codes.pop())
    for secret in (*S3.credentials.values(), *S3.options.values()):
        assert secret.encode() not in whole.sealed


def test_a_code_may_be_typed_and_broken_as_people_and_phones_do() -> None:
    code = write(S3, MINE, SOON, keyring.FLOOR)
    groups = " ".join(code[at : at + 4] for at in range(0, len(code), 4))
    lines = "\r\n".join(code[at : at + 45] for at in range(0, len(code), 45))
    for spelt in (code.lower(), groups, lines, f"\n\t {code}\n\n", groups.replace(" ", "-")):
        assert read(spelt) == read(code)


def test_every_other_character_in_any_place_is_noticed_without_the_passphrase() -> None:
    code = write(Invitation("folder", {"path": "/home/me/Sync"}, {}, ANYWHERE), MINE, SOON, keyring.FLOOR)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    for at in range(len(code)):
        for other in (*letters, "0", "1", "8", "9", "!", "ß", "\x1b"):
            if other != code[at]:
                with pytest.raises((BadInvitation, NewerFormat)):
                    read(code[:at] + other + code[at + 1 :])


def test_what_is_missing_twice_or_exchanged_is_noticed() -> None:
    code = write(S3, MINE, SOON, keyring.FLOOR)
    for at in range(len(code)):
        with pytest.raises(BadInvitation, match="cut|begin|nothing"):
            read(code[:at])
        with pytest.raises((BadInvitation, NewerFormat)):
            read(code[:at] + code[at + 1 :])
        with pytest.raises((BadInvitation, NewerFormat)):
            read(code[:at] + code[at : at + 1] + code[at:])
        if code[at : at + 1] != code[at + 1 : at + 2] and at + 1 < len(code):
            with pytest.raises((BadInvitation, NewerFormat)):
                read(code[:at] + code[at + 1] + code[at] + code[at + 2 :])
    with pytest.raises(BadInvitation, match="something follows"):
        read(code + "AAAA")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("", "nothing was given"),
        (" \n", "nothing was given"),
        ("hello", "does not begin with GH1"),
        ("GH0AAAA", "does not begin with GH1"),
        ("GH1", "it is cut"),
        ("GH1ABCD", "it is cut"),
        ("GH1ABC1", "character 7 is none"),
        ("GH1" + "A" * 41_000, "far too long"),
        ("GH1" * 40_000, "far too long"),
    ],
)
def test_what_is_no_invitation_is_told_apart(given: str, why: str) -> None:
    with pytest.raises(BadInvitation, match=why) as found:
        read(given)
    assert len(str(found.value)) < 200


def test_a_newer_form_is_named_as_that() -> None:
    with pytest.raises(NewerFormat, match="format 2"):
        read("GH2WHATEVER")


def test_a_code_that_would_be_too_easy_or_too_costly_to_open_is_refused_before_anything_is_spent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = bytearray(31) + b"box" * 9
    raw[21:23] = (27).to_bytes(2, "big")
    monkeypatch.setattr("ghostie.crypto.sodium.argon2id", lambda *_: pytest.fail("it was spent"))
    for cost, why in ((0x02, "weaker"), (0x0F, "asks for more"), (0xFF, "asks for more")):
        raw[16] = cost
        with pytest.raises(BadInvitation, match=why):
            read(pairing._spelt(bytes(raw)))


@pytest.mark.parametrize("cut", range(60))
def test_what_opens_and_makes_no_sense_is_refused(cut: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only who knows the passphrase can have made it; and still it is not believed."""
    plain = pairing._packed(S3)
    monkeypatch.setattr(pairing, "_packed", lambda _: plain[:cut])
    with pytest.raises(BadInvitation, match="no sense"):
        opened(read(write(S3, MINE, SOON, keyring.FLOOR)), MINE)


def test_the_qr_code_says_the_code() -> None:
    code = write(S3, MINE, SOON, keyring.FLOOR)
    lines = qr(code)
    assert len(set(map(text.width, lines))) == 1
    matrix = segno.make(code, error="l", boost_error=False, micro=False).matrix
    side = len(matrix) + 2 * pairing.QUIET
    assert text.width(lines[0]) == side
    assert len(lines) == -(-side // 2)
    read_back = []
    for line in lines:
        read_back.append([block not in "█▀" for block in line])
        read_back.append([block not in "█▄" for block in line])
    inner = [row[pairing.QUIET : -pairing.QUIET] for row in read_back[pairing.QUIET : pairing.QUIET + len(matrix)]]
    assert inner == [[bool(module) for module in row] for row in matrix]
    assert not any(map(any, read_back[: pairing.QUIET] + read_back[pairing.QUIET + len(matrix) :]))


def test_how_large_the_codes_and_their_pictures_are() -> None:
    """What the documentation says of them."""
    logs = {f"{number:016x}": (1000 * number + 1, f"{number:016x}") for number in range(3)}
    expected = Expected(bytes(range(16)), 1, bytes(8), logs)
    shared = Invitation("folder", {"path": "/storage/emulated/0/Sync/ghostie"}, {}, expected)
    code = write(shared, MINE, SOON, keyring.FLOOR)
    assert len(code) <= 275
    assert len(qr(code)[0]) <= 53
    bucket = Invitation(S3.backend, S3.options, S3.credentials, expected)
    code = write(bucket, MINE, SOON, keyring.FLOOR)
    assert len(code) <= 410
    assert len(qr(code)[0]) <= 65
