"""Master keys: wrapped under a passphrase, chained from epoch to epoch, spelt as words; a bad file costs nothing."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from mnemonic import Mnemonic

from ghostie import codec
from ghostie.crypto import keys as keyring
from ghostie.crypto import sodium
from ghostie.crypto.keys import CEILING, FLOOR, Cost, KeyFile
from ghostie.crypto.sealing import Keys, Purpose, seal
from ghostie.errors import (
    BadWords,
    GuessablePassphrase,
    NewerFormat,
    NoMemory,
    OlderWords,
    PassphraseSource,
    RefusedKeyFile,
    WeakPassphrase,
    WrongKey,
)
from tests.tiers import here, in_pure_tier, needs_sodium

pytestmark = pytest.mark.versions

PASSPHRASE = "correct horse battery stäple"
MASTER = bytes(range(32))


@pytest.fixture
def derivations(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, bytes, int, int]]:
    """Note every key derivation, and let it cost nothing; the keys that come of it are still different."""
    asked: list[tuple[bytes, bytes, int, int]] = []

    def argon2id(passphrase: bytes, salt: bytes, memory: int, passes: int) -> bytes:
        asked.append((passphrase, salt, memory, passes))
        return hashlib.sha256(repr(asked[-1]).encode()).digest()

    monkeypatch.setattr(sodium, "argon2id", argon2id)
    return asked


@pytest.fixture(scope="module")
def written() -> KeyFile:
    """A key file that a real key derivation was spent on."""
    return keyring.wrap(keyring.first_epoch(MASTER), PASSPHRASE, FLOOR)


# -- wrapping and opening --------------------------------------------------------------------------------------------


def test_the_passphrase_opens_what_it_wrapped(written: KeyFile) -> None:
    opened = keyring.unwrap(keyring.parse(written.spelt()), PASSPHRASE)
    assert opened == keyring.first_epoch(MASTER)


def test_a_passphrase_is_the_same_however_its_letters_were_composed(written: KeyFile) -> None:
    composed, apart = (unicodedata.normalize(form, PASSPHRASE) for form in ("NFC", "NFD"))
    assert composed != apart
    assert keyring.unwrap(written, apart) == keyring.first_epoch(MASTER)


@pytest.mark.parametrize(
    "near",
    [
        PASSPHRASE[:-1],
        PASSPHRASE + " ",
        " " + PASSPHRASE,
        PASSPHRASE + "\0",
        PASSPHRASE + "\n",
        PASSPHRASE.upper(),
        PASSPHRASE.replace("ä", "a"),
        "",
    ],
    ids=["cut", "space behind", "space before", "NUL behind", "newline behind", "upper-case", "without marks", "empty"],
)
def test_nearly_the_passphrase_opens_nothing(written: KeyFile, near: str) -> None:
    with pytest.raises(WrongKey):
        keyring.unwrap(written, near)


def test_the_key_file_holds_no_secret(written: KeyFile) -> None:
    spelt = written.spelt()
    assert MASTER.hex().encode() not in spelt
    assert MASTER not in spelt
    assert PASSPHRASE.encode() not in spelt


def test_a_passphrase_that_is_no_text_is_named_as_such(derivations: list[Any], keys: Keys) -> None:
    with pytest.raises(PassphraseSource, match="UTF-8"):
        keyring.wrap(keys, "bytes \udcff that were none", FLOOR)
    assert not derivations


def test_no_two_wraps_share_a_salt(derivations: list[Any], keys: Keys) -> None:
    salts = {keyring.wrap(keys, PASSPHRASE, FLOOR).salt for _ in range(200)}
    assert len(salts) == 200
    assert all(len(salt) == 16 for salt in salts)


def test_the_derivation_gets_the_cost_and_the_salt_of_the_file(derivations: list[Any], keys: Keys) -> None:
    file = keyring.wrap(keys, PASSPHRASE, Cost(96 << 20, 4))
    assert keyring.unwrap(file, PASSPHRASE) == keys
    assert derivations == [(PASSPHRASE.encode(), file.salt, 96 << 20, 4)] * 2


def test_a_wrap_is_bound_to_its_vault_epoch_cost_and_salt(monkeypatch: pytest.MonkeyPatch, keys: Keys) -> None:
    monkeypatch.setattr(sodium, "argon2id", lambda *_: b"k" * 32)  # the very same wrapping key for all
    file = keyring.wrap(keys, PASSPHRASE, Cost(96 << 20, 4))
    assert keyring.unwrap(file, PASSPHRASE) == keys
    for change in (
        {"vault": bytes(16)},
        {"epoch": 2},
        {"cost": Cost(96 << 20, 5)},
        {"cost": Cost(97 << 20, 4)},
        {"salt": bytes(16)},
        {"commitment": bytes(16)},
    ):
        with pytest.raises(WrongKey):
            keyring.unwrap(KeyFile(**{**_fields(file), **change}), PASSPHRASE)


def _fields(file: KeyFile) -> dict[str, Any]:
    return {name: getattr(file, name) for name in KeyFile.__dataclass_fields__}


def test_another_key_under_the_right_passphrase_does_not_match_the_commitment(
    derivations: list[Any], keys: Keys
) -> None:
    file = keyring.wrap(keys, PASSPHRASE, FLOOR)
    other = keyring.wrap(keyring.first_epoch(MASTER), PASSPHRASE, FLOOR)
    mixed = KeyFile(**{**_fields(other), "commitment": file.commitment})
    with pytest.raises(WrongKey):
        keyring.unwrap(mixed, PASSPHRASE)


def test_a_wrong_passphrase_and_a_tampered_wrap_give_the_same_error(derivations: list[Any], keys: Keys) -> None:
    file = keyring.wrap(keys, PASSPHRASE, FLOOR)
    tampered = KeyFile(**{**_fields(file), "wrapped": file.wrapped[:-1] + bytes([file.wrapped[-1] ^ 1])})
    said = []
    for tried, passphrase in ((file, "wrong one"), (tampered, PASSPHRASE)):
        with pytest.raises(WrongKey) as refused:
            keyring.unwrap(tried, passphrase)
        said.append((str(refused.value), refused.value.way_out()))
    assert said[0] == said[1]


def test_too_little_memory_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch, written: KeyFile) -> None:
    def refuse(*_: object) -> bytes:
        raise NoMemory()

    monkeypatch.setattr(sodium, "argon2id", refuse)
    with pytest.raises(NoMemory, match="memory"):
        keyring.unwrap(written, PASSPHRASE)


# -- cost ------------------------------------------------------------------------------------------------------------


OUT_OF_BOUNDS = [
    Cost(FLOOR.memory - 1, FLOOR.passes),
    Cost(FLOOR.memory, FLOOR.passes - 1),
    Cost(8192, 1),
    Cost(0, 0),
    Cost(-1, -1),
    Cost(CEILING.memory + 1, FLOOR.passes),
    Cost(FLOOR.memory, CEILING.passes + 1),
    Cost(1 << 62, 3),
    Cost(FLOOR.memory, 1 << 62),
    Cost(10**400, 10**400),
]


@pytest.mark.parametrize("cost", OUT_OF_BOUNDS)
def test_a_cost_out_of_bounds_is_refused_before_anything_is_spent(
    derivations: list[Any], keys: Keys, cost: Cost
) -> None:
    with pytest.raises(RefusedKeyFile):
        keyring.wrap(keys, PASSPHRASE, cost)
    good = keyring.wrap(keys, PASSPHRASE, FLOOR)
    derivations.clear()
    bad = KeyFile(**{**_fields(good), "cost": cost})
    for attempt in (lambda: keyring.parse(bad.spelt()), lambda: keyring.unwrap(bad, PASSPHRASE)):
        with pytest.raises(RefusedKeyFile):
            attempt()
    assert derivations == []


@pytest.mark.parametrize("cost", [FLOOR, CEILING, keyring.STRONG])
def test_the_bounds_themselves_are_allowed(cost: Cost) -> None:
    keyring.check_cost(cost)


def test_a_cost_is_never_lowered() -> None:
    assert Cost(1, 9).most(Cost(5, 2)) == Cost(5, 9)


def test_calibrating_stays_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.0, 0.0, 100.0, 0.0, 0.125])
    with monkeypatch.context() as patch:
        patch.setattr(sodium, "argon2id", lambda *_: b"")
        patch.setattr(time, "perf_counter", lambda: next(clock))
        passes = [keyring.calibrate().passes for _ in range(3)]
    assert passes == [CEILING.passes, FLOOR.passes, 6]


# -- malformed files -------------------------------------------------------------------------------------------------


def _set(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda record: record.update(changes)


def _kdf(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda record: record["kdf"].update(changes)


def _drop(name: str, within: str | None = None) -> Callable[[dict[str, Any]], object]:
    return lambda record: (record[within] if within else record).pop(name)


def _each(name: str, *values: Any) -> dict[str, Callable[[dict[str, Any]], object]]:
    return {f"{name} is {value!r}": _set(**{name: value}) for value in values}


def _each_kdf(name: str, *values: Any) -> dict[str, Callable[[dict[str, Any]], object]]:
    return {f"{name} is {value!r}": _kdf(**{name: value}) for value in values}


MALFORMED: dict[str, Callable[[dict[str, Any]], object]] = {
    **{f"no {name}": _drop(name) for name in ("format", "vault", "epoch", "kdf", "wrapped", "commitment", "chain")},
    **{f"no {name} in kdf": _drop(name, "kdf") for name in ("algorithm", "memory", "passes", "salt")},
    **_each("format", None, 7, True, [], {}, "not hex"),
    **_each("vault", None, 7, True, [], {}, "not hex"),
    **_each("wrapped", None, 7, True, [], {}, "not hex"),
    **_each("commitment", None, 7, True, [], {}, "not hex"),
    **_each("epoch", None, "1", 1.0, True, [], 0, -1, 2, 10_001, 10**30),
    **_each("kdf", None, "argon2id", 7, [], ["memory"], {}),
    **_each("chain", None, "", "00", 7, {}, [7], ["zz"], ["00"], [[]]),
    **_each_kdf("memory", None, "67108864", 67108864.0, True, [], 0, -1),
    **_each_kdf("passes", None, "3", 3.0, True, [], 0, -1),
    **_each_kdf("salt", None, 7, "", "00", "00" * 15, "00" * 17, "zz" * 16),
    **_each_kdf("algorithm", None, 2, "argon2i", "Argon2id", "scrypt", ""),
    "vault of 15 bytes": _set(vault="00" * 15),
    "vault of 17 bytes": _set(vault="00" * 17),
    "commitment of 15 bytes": _set(commitment="00" * 15),
    "upper-case hex": lambda record: record.update(vault=record["vault"].upper()),
    "spaces in hex": lambda record: record.update(wrapped=" " + record["wrapped"]),
    "one more field": _set(comment="hello"),
    "one more field in kdf": _kdf(lanes=1),
    "another format": _set(format="keys-1"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_it_refuses_a_key_file_with(name: str, written: KeyFile, derivations: list[Any]) -> None:
    record = json.loads(written.spelt())
    MALFORMED[name](record)
    with pytest.raises(RefusedKeyFile):
        keyring.parse(codec.dumps(record))
    assert derivations == []


@pytest.mark.parametrize(
    "respell",
    [
        lambda raw: raw + b"\n",
        lambda raw: b" " + raw,
        lambda raw: b"\xef\xbb\xbf" + raw,
        lambda raw: json.dumps(json.loads(raw)).encode(),
        lambda raw: json.dumps(dict(reversed(json.loads(raw).items())), separators=(",", ":")).encode(),
        lambda raw: raw.replace(b'"epoch":1', b'"epoch":1,"epoch":1'),
        lambda raw: raw.replace(b'"argon2id"', b'"argon2i\\u0064"'),
        lambda raw: raw.replace(b'"passes":3', b'"passes":3e0'),
        lambda raw: raw.replace(b'"epoch":1', b'"epoch":-0'),
    ],
    ids=["newline", "space", "BOM", "spaces", "order", "a name twice", "an escape", "an exponent", "minus zero"],
)
def test_a_key_file_has_one_spelling(respell: Callable[[bytes], bytes], written: KeyFile) -> None:
    respelt = respell(written.spelt())
    assert respelt != written.spelt()
    with pytest.raises(RefusedKeyFile):
        keyring.parse(respelt)


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"null", b'"ghostie-key-1"', b"\xff", b"[" * 100_000, b"x" * (keyring.MAX_KEY_FILE + 1)],
    ids=["empty", "cut", "list", "null", "text", "not UTF-8", "deep", "long"],
)
def test_what_is_no_key_file_is_refused(raw: bytes) -> None:
    with pytest.raises(RefusedKeyFile):
        keyring.parse(raw)


def test_a_key_file_that_is_too_long_is_refused_unread(written: KeyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = KeyFile(**{**_fields(written), "wrapped": bytes(keyring.MAX_KEY_FILE // 2)}).spelt()
    monkeypatch.setattr(codec, "loads", lambda data: pytest.fail("it was read"))
    with pytest.raises(RefusedKeyFile, match="too long"):
        keyring.parse(raw)


@pytest.mark.parametrize("number", ["2", "10", "99999999999999999999"])
def test_a_newer_format_is_called_newer(number: str, written: KeyFile) -> None:
    record = {**json.loads(written.spelt()), "format": f"ghostie-key-{number}", "whatever": True}
    with pytest.raises(NewerFormat) as refused:
        keyring.parse(codec.dumps(record))
    assert refused.value.facts["format"] == number[:8]


def test_what_is_written_is_what_is_read(written: KeyFile) -> None:
    assert keyring.parse(written.spelt()) == written
    assert keyring.parse(written.spelt()).digest == written.digest
    assert len(bytes.fromhex(written.digest)) == 16


# -- epochs ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def aged(keys: Keys) -> Keys:
    """Keys of five epochs."""
    for _ in range(4):
        keys = keyring.next_epoch(keys)
    return keys


def test_each_epoch_has_a_key_of_its_own(aged: Keys) -> None:
    assert aged.current == 5
    assert len(set(aged.epochs.values())) == len({aged.id_of(epoch) for epoch in aged.epochs}) == 5


def test_the_newest_key_opens_all_epochs(derivations: list[Any], aged: Keys) -> None:
    file = keyring.parse(keyring.wrap(aged, PASSPHRASE, FLOOR).spelt())
    assert keyring.unwrap(file, PASSPHRASE) == aged
    assert keyring.unchain(file, aged.epochs[5]) == aged
    assert len(derivations) == 2


def test_the_newest_words_open_all_epochs(derivations: list[Any], aged: Keys) -> None:
    file = keyring.wrap(aged, PASSPHRASE, FLOOR)
    assert keyring.unchain(file, keyring.from_words(" ".join(keyring.to_words(aged)))) == aged


def test_a_key_file_tells_without_being_opened_of_which_epoch_a_key_is(derivations: list[Any], aged: Keys) -> None:
    file = keyring.wrap(aged, PASSPHRASE, FLOOR)
    derivations.clear()
    for epoch, key in aged.epochs.items():
        assert keyring.epoch_of(file, key) == epoch
        if epoch == aged.current:
            assert keyring.open_by(file, key) == aged
        else:
            with pytest.raises(OlderWords, match=f"epoch {epoch}, and the newest is epoch {aged.current}"):
                keyring.open_by(file, key)
    stranger = secrets.token_bytes(32)
    assert keyring.epoch_of(file, stranger) is None
    with pytest.raises(BadWords, match="another vault"):
        keyring.open_by(file, stranger)
    assert derivations == [], "words cost no derivation"


def test_an_older_key_opens_no_newer_file(derivations: list[Any], aged: Keys) -> None:
    file = keyring.wrap(aged, PASSPHRASE, FLOOR)
    for master in (*(aged.epochs[epoch] for epoch in range(1, 5)), MASTER, b"", bytes(31), bytes(33)):
        with pytest.raises(WrongKey):
            keyring.unchain(file, master)


def test_a_chain_that_is_cut_mixed_or_swapped_is_refused(derivations: list[Any], aged: Keys) -> None:
    file = keyring.wrap(aged, PASSPHRASE, FLOOR)
    other = keyring.wrap(Keys(aged.vault, {**aged.epochs, 1: MASTER}), PASSPHRASE, FLOOR)
    one, two, three, four = file.chain
    flipped = one[:-1] + bytes([one[-1] ^ 1])
    for chain in ((two, one, three, four), (one, two, two, four), (flipped, two, three, four), (b"", two, three, four)):
        with pytest.raises(WrongKey):
            keyring.unchain(KeyFile(**{**_fields(file), "chain": chain}), aged.epochs[5])
    # every link opens, but the first key is another vault's
    with pytest.raises(WrongKey):
        keyring.unchain(KeyFile(**{**_fields(file), "chain": (other.chain[0], two, three, four)}), aged.epochs[5])


def test_a_vaults_id_comes_from_its_first_key_and_stays(aged: Keys, keys: Keys) -> None:
    assert aged.vault == keys.vault == keyring.first_epoch(keys.epochs[1]).vault
    assert keyring.new_keys().vault != keyring.new_keys().vault


def test_an_old_epochs_key_cannot_be_slipped_in_as_the_newest(derivations: list[Any], aged: Keys) -> None:
    """A key file of an earlier epoch is authentic and opens; it is for the caller to keep the newest."""
    early = keyring.wrap(Keys(aged.vault, {1: aged.epochs[1]}), PASSPHRASE, FLOOR)
    file = keyring.wrap(aged, PASSPHRASE, FLOOR)
    mixed = KeyFile(**{**_fields(file), "wrapped": early.wrapped, "salt": early.salt})
    with pytest.raises(WrongKey):
        keyring.unwrap(mixed, PASSPHRASE)


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64, 65, 4096])
def test_a_link_that_holds_no_key_is_refused(aged: Keys, size: int) -> None:
    link = seal(Keys(aged.vault, {2: aged.epochs[2]}), Purpose.CHAIN, (), bytes(size))
    file = KeyFile(aged.vault, 2, FLOOR, bytes(16), b"", aged.id_of(2), (link,))
    with pytest.raises(WrongKey):
        keyring.unchain(file, aged.epochs[2])


# -- words -----------------------------------------------------------------------------------------------------------


def test_words_make_the_round_trip() -> None:
    for _ in range(20):
        keys = keyring.new_keys()
        words = keyring.to_words(keys)
        assert len(words) == 24
        assert keyring.from_words(" ".join(words)) == keys.epochs[1]


def test_words_are_those_of_bip_39() -> None:
    zeros = keyring.to_words(keyring.first_epoch(bytes(32)))
    assert zeros == ["abandon"] * 23 + ["art"]
    ones = keyring.to_words(keyring.first_epoch(b"\xff" * 32))
    assert ones == ["zoo"] * 23 + ["vote"]


def test_words_may_be_typed_as_they_come() -> None:
    keys = keyring.first_epoch(MASTER)
    words = keyring.to_words(keys)
    listed = "\r\n".join(f"{place}. {word}," for place, word in enumerate(words, 1))
    for typed in ("\n".join(words), "  " + "   ".join(words) + "\t\n", " ".join(words).upper(), listed):
        assert keyring.from_words(typed) == MASTER


@pytest.mark.parametrize("count", [0, 1, 12, 23, 25, 48])
def test_another_number_of_words_is_named(count: int) -> None:
    with pytest.raises(BadWords, match=f"there are {count}$"):
        keyring.from_words(" ".join(["abandon"] * count))


def test_a_word_that_is_not_on_the_list_is_named_by_its_place_and_not_shown() -> None:
    words = keyring.to_words(keyring.first_epoch(MASTER))
    words[2], words[20] = "hunter2", "zzzz"
    with pytest.raises(BadWords) as refused:
        keyring.from_words(" ".join(words))
    assert refused.value.facts == {"why": "word 3, 21 is not on the list"}


def test_a_wrong_word_or_order_does_not_fit_the_checksum() -> None:
    words = keyring.to_words(keyring.first_epoch(MASTER))
    swapped = [words[1], words[0], *words[2:]]
    other = [*words[:-1], next(word for word in Mnemonic("english").wordlist if word not in words)]
    refused = 0
    for typed in (swapped, other):
        try:
            assert keyring.from_words(" ".join(typed)) != MASTER
        except BadWords as error:
            refused += "checksum" in str(error)
    assert refused == 2


# -- passphrases -----------------------------------------------------------------------------------------------------


def test_a_short_passphrase_is_refused_and_one_of_eight_is_not() -> None:
    with pytest.raises(WeakPassphrase, match="8"):
        keyring.check_passphrase("x" * 7)
    keyring.check_passphrase("zq7 vhkw")
    for guessed in ("password", "x" * 8, "qwertyuiop", "Password1!", "iloveyou"):
        with pytest.raises(GuessablePassphrase):
            keyring.check_passphrase(guessed)


# -- both tiers ------------------------------------------------------------------------------------------------------


@needs_sodium
def test_a_key_file_of_one_tier_opens_in_the_other(written: KeyFile, keys: Keys) -> None:
    opened = in_pure_tier("unwrap", [{"file": written.spelt().hex(), "passphrase": PASSPHRASE}])
    assert opened == [["ok", {"1": MASTER.hex()}]]
    case = {
        "vault": keys.vault.hex(),
        "epochs": {"1": keys.epochs[1].hex()},
        "passphrase": "a nul \0 inside",
    }
    (file,) = in_pure_tier("wrap", [case])
    assert here(
        "unwrap", [{"file": file, "passphrase": "a nul \0 inside"}, {"file": file, "passphrase": "a nul "}]
    ) == [
        ["ok", case["epochs"]],
        ["WrongKey", None],
    ]
