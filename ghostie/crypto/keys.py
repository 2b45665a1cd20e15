"""Master keys: made once, wrapped under a passphrase, chained from epoch to epoch, spelt as 24 words.

A key file wraps the newest master key; each epoch's key seals the one before it, so the newest opens everything. Its
Argon2id cost is checked against a floor and a ceiling before any of it is spent.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
import unicodedata
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from ghostie import codec
from ghostie.crypto import sodium
from ghostie.crypto.sealing import Keys, Purpose, SealError, key_id, named_key, seal, unseal
from ghostie.errors import (
    BadJson,
    BadWords,
    GuessablePassphrase,
    NewerFormat,
    OlderWords,
    PassphraseSource,
    RefusedKeyFile,
    WeakPassphrase,
    WrongKey,
)

FORMAT: Final = "ghostie-key-1"
LEAST_PASSPHRASE: Final = 8
MAX_KEY_FILE: Final = 1 << 20
MAX_EPOCHS: Final = 10_000
WORDS: Final = 24
Secret: TypeAlias = str | bytes  # what opens a key file: a passphrase, or the master key that 24 words stand for


@dataclass(frozen=True, slots=True)
class Cost:
    """What Argon2id spends: bytes of memory, and passes over them."""

    memory: int
    passes: int

    def most(self, other: Cost) -> Cost:
        """Return the cost that is below neither: a cost is never lowered."""
        return Cost(max(self.memory, other.memory), max(self.passes, other.passes))


FLOOR: Final = Cost(64 << 20, 3)
CEILING: Final = Cost(1 << 30, 10)
STRONG: Final = Cost(256 << 20, 3)


@dataclass(frozen=True, slots=True)
class KeyFile:
    """What stands in `keys/master.key`, and on the store under `global/keys/`: nothing in it is secret."""

    vault: bytes
    epoch: int
    cost: Cost
    salt: bytes
    wrapped: bytes
    commitment: bytes
    chain: tuple[bytes, ...]

    def spelt(self) -> bytes:
        """Return it as canonical JSON."""
        return codec.dumps(
            {
                "format": FORMAT,
                "vault": self.vault.hex(),
                "epoch": self.epoch,
                "kdf": {
                    "algorithm": "argon2id",
                    "memory": self.cost.memory,
                    "passes": self.cost.passes,
                    "salt": self.salt.hex(),
                },
                "wrapped": self.wrapped.hex(),
                "commitment": self.commitment.hex(),
                "chain": [link.hex() for link in self.chain],
            }
        )

    @property
    def digest(self) -> str:
        """The name of these bytes on a store: 32 hex digits."""
        return hashlib.blake2b(self.spelt(), digest_size=16).hexdigest()


def parse(raw: bytes) -> KeyFile:
    """Return the key file that *raw* spells. Raises RefusedKeyFile or NewerFormat."""
    if len(raw) > MAX_KEY_FILE:
        raise RefusedKeyFile(why="it is too long")
    try:
        record = codec.loads(raw)
    except BadJson:
        raise RefusedKeyFile(why="it is not JSON") from None
    named = record.get("format") if isinstance(record, dict) else None
    if named != FORMAT:
        if isinstance(named, str) and named.startswith("ghostie-key-") and named[12:].isdecimal():
            raise NewerFormat(what="the key file", format=named[12:][:8])
        raise RefusedKeyFile(why="it does not say that it is one")
    try:
        file = _fields(record)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise RefusedKeyFile(why="a field is missing or malformed") from None
    if file.spelt() != raw:
        raise RefusedKeyFile(why="it is not in its one canonical spelling")
    if len(file.vault) != 16 or len(file.salt) != sodium.SALT_BYTES or len(file.commitment) != 16:
        raise RefusedKeyFile(why="a field has the wrong length")
    if not 1 <= file.epoch <= MAX_EPOCHS or len(file.chain) != file.epoch - 1:
        raise RefusedKeyFile(why="its epochs do not add up")
    check_cost(file.cost)
    return file


def _fields(record: dict[str, Any]) -> KeyFile:
    kdf = record["kdf"]
    if kdf["algorithm"] != "argon2id":
        raise RefusedKeyFile(why="its key derivation is not argon2id")
    numbers = (record["epoch"], kdf["memory"], kdf["passes"])
    if any(type(number) is not int for number in numbers):
        raise ValueError
    return KeyFile(
        vault=bytes.fromhex(record["vault"]),
        epoch=record["epoch"],
        cost=Cost(kdf["memory"], kdf["passes"]),
        salt=bytes.fromhex(kdf["salt"]),
        wrapped=bytes.fromhex(record["wrapped"]),
        commitment=bytes.fromhex(record["commitment"]),
        chain=tuple(bytes.fromhex(link) for link in record["chain"]),
    )


def check_cost(cost: Cost) -> None:
    """Raise RefusedKeyFile for a cost below the floor (too easy to guess) or above the ceiling (a trap)."""
    if cost.memory < FLOOR.memory or cost.passes < FLOOR.passes:
        raise RefusedKeyFile(why="its key derivation is weaker than ghostie allows")
    if cost.memory > CEILING.memory or cost.passes > CEILING.passes:
        raise RefusedKeyFile(why="its key derivation asks for more than ghostie will spend")


def calibrate(target: float = 0.25) -> Cost:
    """Return the cost for this device: 64 MiB, and as many passes, 3 to 10, as take about *target* seconds."""
    started = time.perf_counter()
    sodium.argon2id(b"calibration", bytes(sodium.SALT_BYTES), FLOOR.memory, FLOOR.passes)
    spent = max(time.perf_counter() - started, 1e-3)
    return Cost(FLOOR.memory, max(FLOOR.passes, min(CEILING.passes, int(FLOOR.passes * target / spent))))


# -- making, wrapping, opening ---------------------------------------------------------------------------------------


def new_keys() -> Keys:
    """Return the keys of a new vault."""
    return first_epoch(secrets.token_bytes(sodium.KEY_BYTES))


def first_epoch(master: bytes) -> Keys:
    """Return the keys of the vault whose first master key is *master*: its id follows from it."""
    vault = hashlib.blake2b(key=master, digest_size=16, person=b"ghostie-vault").digest()
    return Keys(vault, {1: master})


def next_epoch(keys: Keys) -> Keys:
    """Return *keys* with a fresh master key as the newest epoch."""
    return Keys(keys.vault, {**keys.epochs, keys.current + 1: secrets.token_bytes(sodium.KEY_BYTES)})


def check_passphrase(passphrase: str) -> None:
    """Raise WeakPassphrase for one that is too short, or GuessablePassphrase."""
    if len(passphrase) < LEAST_PASSPHRASE:
        raise WeakPassphrase(least=LEAST_PASSPHRASE)
    from ghostie.crypto.strength import strength_of

    if strength_of(passphrase).level == "refused":
        raise GuessablePassphrase()


def wrap(keys: Keys, passphrase: str, cost: Cost) -> KeyFile:
    """Return a key file for *keys* under *passphrase*, with a fresh salt: no two devices share one."""
    salt = secrets.token_bytes(sodium.SALT_BYTES)
    newest = keys.current
    wrapping = Keys(keys.vault, {newest: derive(passphrase, salt, cost)})
    wrapped = seal(wrapping, Purpose.KEY, _terms(cost, salt), keys.epochs[newest])
    chain = tuple(
        seal(Keys(keys.vault, {epoch + 1: keys.epochs[epoch + 1]}), Purpose.CHAIN, (), keys.epochs[epoch])
        for epoch in range(1, newest)
    )
    return KeyFile(keys.vault, newest, cost, salt, wrapped, keys.id_of(newest), chain)


def unwrap(file: KeyFile, passphrase: str) -> Keys:
    """Return the keys in *file*. Raises WrongKey, the same for a wrong passphrase and for a tampered wrap."""
    wrapping = Keys(file.vault, {file.epoch: derive(passphrase, file.salt, file.cost)})
    try:
        master = unseal(wrapping, Purpose.KEY, _terms(file.cost, file.salt), file.wrapped)
    except SealError:
        raise WrongKey() from None
    return unchain(file, master)


def unchain(file: KeyFile, master: bytes) -> Keys:
    """Return the keys of *file*, given its newest *master* key. Raises WrongKey."""
    if len(master) != sodium.KEY_BYTES or not hmac.compare_digest(key_id(master), file.commitment):
        raise WrongKey()
    epochs = {file.epoch: master}
    for epoch in range(file.epoch - 1, 0, -1):
        try:
            older = unseal(Keys(file.vault, {epoch + 1: epochs[epoch + 1]}), Purpose.CHAIN, (), file.chain[epoch - 1])
        except SealError:
            raise WrongKey() from None
        if len(older) != sodium.KEY_BYTES:
            raise WrongKey()
        epochs[epoch] = older
    if first_epoch(epochs[1]).vault != file.vault:
        raise WrongKey()
    return Keys(file.vault, epochs)


def open_by(file: KeyFile, secret: Secret) -> Keys:
    """Return the keys in *file*, by a passphrase or by the master key that 24 words stand for.

    Raises WrongKey for a passphrase; for words OlderWords, which names their epoch, or BadWords.
    """
    if isinstance(secret, str):
        return unwrap(file, secret)
    try:
        return unchain(file, secret)
    except WrongKey:
        pass
    epoch = epoch_of(file, secret)
    if epoch is not None and epoch < file.epoch:
        raise OlderWords(epoch=epoch, newest=file.epoch)
    raise BadWords(why="they open another vault, or a newer key of it that is not here yet")


def epoch_of(file: KeyFile, master: bytes) -> int | None:
    """Return the epoch of the vault of *file* whose key *master* is, or None if it is none of them.

    The file tells it without being opened: the id of every key but the first stands in `commitment` or in the header of
    the chain's link that it seals, and the vault's id follows from the first.
    """
    ids = {named_key(link): epoch for epoch, link in enumerate(file.chain, 2)} | {file.commitment: file.epoch}
    if (epoch := ids.get(key_id(master))) is not None:
        return epoch
    return 1 if first_epoch(master).vault == file.vault else None


def derive(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    """Return the 32 bytes that *passphrase* comes to. Raises PassphraseSource, NoMemory, or RefusedKeyFile."""
    check_cost(cost)
    try:
        spelt = unicodedata.normalize("NFC", passphrase).encode()
    except UnicodeEncodeError:  # bytes that were no text, as Python shows what came in by the environment
        raise PassphraseSource(source="the terminal or the environment", why="it is not UTF-8 text") from None
    return sodium.argon2id(spelt, salt, cost.memory, cost.passes)


def _terms(cost: Cost, salt: bytes) -> tuple[bytes, ...]:
    return (cost.memory.to_bytes(8, "big"), cost.passes.to_bytes(8, "big"), salt)


# -- recovery words --------------------------------------------------------------------------------------------------


def to_words(keys: Keys) -> list[str]:
    """Return the newest master key as 24 words (BIP 39, English)."""
    from mnemonic import Mnemonic

    return str(Mnemonic("english").to_mnemonic(keys.epochs[keys.current])).split()


def words_in(text: str) -> list[str]:
    """Return the words in *text*. Left out is what a list has beside them: numbers, as `ghostie keys recovery` shows
    them, and a mark at the end of a word or number.
    """
    words = (word.strip("().,:;") for word in text.lower().split())
    return [word for word in words if word and not word.isdecimal()]


def unknown_words(words: list[str]) -> list[int]:
    """Return the places, counted from 1, of those *words* that are not on the list."""
    from mnemonic import Mnemonic

    known = set(Mnemonic("english").wordlist)
    return [place for place, word in enumerate(words, 1) if word not in known]


def from_words(text: str) -> bytes:
    """Return the master key that 24 words spell. Raises BadWords, which names what is wrong but no word."""
    from mnemonic import Mnemonic

    words = words_in(text)
    if len(words) != WORDS:
        raise BadWords(why=f"there are {len(words)}")
    if wrong := unknown_words(words):
        raise BadWords(why=f"word {', '.join(map(str, wrong))} is not on the list")
    try:
        return bytes(Mnemonic("english").to_entropy(words))
    except ValueError:
        raise BadWords(why="their checksum does not fit") from None
