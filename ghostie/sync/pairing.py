"""Pairing: one code that brings another device to the store, with the vault's passphrase and nothing else.

The code is complete in itself: where the store is, its credentials, which vault has to be there, and how far every log
was, so that nobody can show the new device an older state. It is sealed under a key that is made of a one-time secret
in the code and of the passphrase: who photographs it has to guess the passphrase before it says anything.

    GH1 | base32 of: secret 16 | cost 1 | until 4 | length 2 | key check 8 | sealed part | checksum 2
"""

from __future__ import annotations

import base64
import binascii
import secrets
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ghostie import codec
from ghostie.backends.store import backend_of
from ghostie.crypto import keys as keyring
from ghostie.crypto.keys import Cost
from ghostie.crypto.sealing import SealError, key_id, seal_once, unseal_once
from ghostie.crypto.unlock import Sources
from ghostie.errors import (
    BadInvitation,
    BadJson,
    GhostieError,
    InvitationExpired,
    InvitationPassphrase,
    KeyAltered,
    NewerFormat,
    NotFound,
    NotTheStores,
    RefusedKeyFile,
    StoreChanged,
    TooLarge,
    UsageError,
    WrongKey,
)
from ghostie.memory import local
from ghostie.paths import Layout
from ghostie.sync.link import Link, Watcher, ignore
from ghostie.sync.segment import FURTHEST, Seen
from ghostie.sync.setup import Expected, Place, SetUp, set_up, try_out
from ghostie.vault.vault import Clock, wall_clock

PREFIX: Final = "GH1"
MOST_LOGS: Final = 64
LONGEST: Final = 30 * 86_400
LONGEST_CODE: Final = 40_000
QUIET: Final = 2  # light modules around a QR code: the standard asks for 4, readers for less

# how this device gets there is not how another one does
_STAYS = ("proxy", "authorities", "create_only")
_UNIT = 64 << 20  # of memory, in the cost
_HEAD = 31
_LOG = 22
_MOST = 1 << 14
_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
# what stands in most invitations and so need not stand in any; part of the format, for ever
_COMMON = (
    b'"https://api.github.com"prefix"api_url"raw_url"plain_http":"yes"style":"virtual"path"session_token":"'
    b"/storage/emulated/0//data/data/com.termux/files/home//Users//mnt//media//home/Dropbox/Sync/ghostie"
    b'https://s3.eu-central-1.us-west-2.us-east-1.amazonaws.com"region":"auto","token":"github_pat_ghp_'
    b'"},"secrets":{"access_key":"AKIA","secret_key":"'
    b'{"backend":"gist","options":{{"backend":"s3","options":{"bucket":"","endpoint":"https://'
    b'{"backend":"folder","options":{"path":"/"},"secrets":{}}'
)


@dataclass(frozen=True, slots=True)
class Invited:
    """A code that was made: until when it is good (Unix ms), how many logs it names, whether it has credentials."""

    code: str = field(repr=False)
    until: int
    logs: int
    credentials: bool


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a code says once it is open."""

    backend: str
    options: Mapping[str, str]
    credentials: Mapping[str, str] = field(repr=False)
    expected: Expected


@dataclass(frozen=True, slots=True)
class Code:
    """A code that is whole and was not opened yet. *until* is in minutes since 1970."""

    secret: bytes = field(repr=False)
    cost: Cost
    until: int
    check: bytes
    sealed: bytes = field(repr=False)


def invite(link: Link, passphrase: str, *, seconds: int = 86_400) -> Invited:
    """Return a code by which a device that knows *passphrase* joins this vault on its store.

    Raises NotTheStores if the key object on the store has another passphrase, UsageError for a time beyond LONGEST,
    StoreChanged and StoreError.
    """
    if not 0 < seconds <= LONGEST:
        raise UsageError("an invitation is good for at most 30 days", "say it as 30min, 8h or 2d")
    with link.session():
        slot = _own_object(link)
        try:
            keys = keyring.unwrap(slot, passphrase)
        except WrongKey:
            raise NotTheStores() from None
        config = link.config
        credentials = config.credentials(link.vault.keys)
        invitation = Invitation(
            config.backend,
            {name: value for name, value in config.options.items() if name not in _STAYS},
            {name: value for name, value in credentials.items() if name not in _STAYS},
            Expected(keys.vault, keys.current, keys.id_of(keys.current)[:8], positions(link)),
        )
        until = -(-(link.vault.clock() + seconds * 1000) // 60_000)
        code = write(invitation, passphrase, until, slot.cost)
        return Invited(code, until * 60_000, len(invitation.expected.logs), bool(invitation.credentials))


def _own_object(link: Link) -> keyring.KeyFile:
    """Return the vault's key object on the store, which may come damaged once. Raises KeyAltered or StoreChanged."""
    for last in (False, True):
        listing = link.look()
        link.check_vault(listing)
        try:
            return link.own_slot(listing)
        except NotFound:
            pass  # joined or changed a moment ago
        except RefusedKeyFile as error:
            if last:
                raise KeyAltered(why=error.facts["why"]) from None
        link.wait()
    raise StoreChanged(why="its key object is gone")


def positions(link: Link) -> Seen:
    """Return how far every log is known or vouched for; of very many, those first that no other one vouches for."""
    ledger, mine = link.ledger, link.vault.device.writer
    known = ledger.seen("") | {
        writer: claim
        for writer, claim in ledger.state.vouched.items()
        if claim[0] > ledger.log(writer).position and writer not in ledger.state.retired
    }
    implied = ledger.state.published_seen
    ordered = sorted(known, key=lambda writer: (writer != mine, implied.get(writer) == known[writer], writer))
    return {writer: known[writer] for writer in ordered[:MOST_LOGS]}


def read_valid(code: str, clock: Clock = wall_clock) -> Code:
    """Return what `read` does, of a code that is still good. Raises BadInvitation, NewerFormat or InvitationExpired."""
    whole = read(code)
    if clock() > whole.until * 60_000:
        raise InvitationExpired(until=local(whole.until * 60_000))
    return whole


def join(
    layout: Layout,
    code: str,
    sources: Sources,
    *,
    ways: Mapping[str, str] | None = None,
    device_name: str | None = None,
    clock: Clock = wall_clock,
    watch: Watcher = ignore,
) -> tuple[Place, SetUp]:
    """Join the vault that *code* invites to; return its place and what setup came to.

    *ways* are options of this device: where the folder is here, its proxy. Raises BadInvitation, NewerFormat,
    InvitationExpired, InvitationPassphrase, and as `set_up`.
    """
    whole = read_valid(code, clock)
    invitation = sources.open_with_store_passphrase(lambda passphrase: opened(whole, passphrase))
    options = {**invitation.options, **(ways or {})}
    backend = backend_of(invitation.backend)
    for name in ways or {}:
        if name not in (*backend.place, *backend.way):
            raise UsageError(f"--{name} says nothing about a {invitation.backend} store", "leave it out")
    try:
        place = try_out(invitation.backend, options, invitation.credentials, watch)
        done = set_up(layout, place, sources, device_name=device_name, again=True, expected=invitation.expected)
    except GhostieError as error:
        error.facts["backend"] = invitation.backend  # who is asked for another way has to know
        raise
    return place, done


def qr(code: str) -> list[str]:
    """Return *code* as a QR code: lines of half blocks, two modules a line, the light ones drawn."""
    import segno

    made = segno.make(code, error="l", boost_error=False, micro=False)
    rows = [[not dark for dark in row] for row in made.matrix_iter(border=QUIET)]
    rows += [[True] * len(rows[0])] if len(rows) % 2 else []
    blocks = {(True, True): "█", (True, False): "▀", (False, True): "▄", (False, False): " "}
    return ["".join(blocks[pair] for pair in zip(*rows[at : at + 2], strict=True)) for at in range(0, len(rows), 2)]


# -- the code --------------------------------------------------------------------------------------------------------


def write(invitation: Invitation, passphrase: str, until: int, cost: Cost) -> str:
    """Return the code of *invitation*, sealed under *passphrase* and a fresh secret, at no less than *cost*."""
    secret = secrets.token_bytes(16)
    # the cost in the code is in whole units: never below what guessing at the store's key object costs
    units = -(-cost.memory // _UNIT)
    key = keyring.derive(passphrase, secret, Cost(units * _UNIT, cost.passes))
    plain = _packed(invitation)
    head = secret + bytes((((units - 1) << 4) | cost.passes,)) + until.to_bytes(4, "big")
    head += (len(plain) + 16).to_bytes(2, "big")
    spelt = head + key_id(key)[:8] + seal_once(key, (PREFIX.encode(), head), plain)
    return _spelt(spelt)


def _spelt(spelt: bytes) -> str:
    return PREFIX + base64.b32encode(spelt + _checksum(spelt)).decode().rstrip("=")


def read(text: str) -> Code:
    """Return the code that *text* spells, whole. Case, spaces and dashes do not matter. Raises BadInvitation or
    NewerFormat."""
    if len(text) > 2 * LONGEST_CODE:
        raise BadInvitation(why="it is far too long")
    code = "".join(text.split()).replace("-", "").upper()
    if not code:
        raise BadInvitation(why="nothing was given")
    if code[:2] == PREFIX[:2] and code[2:3].isascii() and code[2:3].isdecimal() and code[2] > PREFIX[2]:
        raise NewerFormat(what="the invitation", format=code[2])
    if not code.startswith(PREFIX) or len(code) > LONGEST_CODE:
        raise BadInvitation(why=f"it does not begin with {PREFIX}, or is far too long")
    for at, letter in enumerate(code[3:], 4):
        if letter not in _ALPHABET:
            raise BadInvitation(why=f"character {at} is none that it can have; there are A to Z and 2 to 7")
    spelt = code[3:]
    raw = base64.b32decode(spelt[: len(spelt) // 8 * 8] + _tail(spelt[len(spelt) // 8 * 8 :]))
    whole = _characters(raw)
    if whole is None or len(code) < whole:
        missing = "" if whole is None else f": {len(code)} of {whole} characters are there"
        raise BadInvitation(why=f"it is cut{missing}", cut=True)
    if len(code) > whole:
        raise BadInvitation(why=f"something follows it: it has {len(code)} characters and needs {whole}")
    if raw[-2:] != _checksum(raw[:-2]) or _spelt(raw[:-2]) != code:
        raise BadInvitation(why="a character is not what it was")
    cost = Cost(((raw[16] >> 4) + 1) * _UNIT, raw[16] & 15)
    try:
        keyring.check_cost(cost)
    except RefusedKeyFile as error:
        raise BadInvitation(why=str(error.facts["why"])) from None
    return Code(raw[:16], cost, int.from_bytes(raw[17:21], "big"), raw[23:_HEAD], raw[_HEAD:-2])


def _tail(rest: str) -> str:
    """Return the last, partial group of base32, filled up; what cannot be one is left out, and shows as a cut."""
    rest = rest[: {1: 0, 3: 2, 6: 5}.get(len(rest), len(rest))]
    return rest + "=" * (-len(rest) % 8)


def _characters(raw: bytes) -> int | None:
    """Return how many characters the code has that begins with *raw*, if it is there far enough to say."""
    if len(raw) < 23:
        return None
    size = _HEAD + int.from_bytes(raw[21:23], "big") + 2
    return len(PREFIX) + -(-size * 8 // 5)


def _checksum(spelt: bytes) -> bytes:
    # a CRC of 16 bits: it finds every change of a single character, and of three next to each other
    return binascii.crc_hqx(PREFIX.encode() + spelt, 0xFFFF).to_bytes(2, "big")


def opened(code: Code, passphrase: str) -> Invitation:
    """Return what *code* says. Raises InvitationPassphrase, or BadInvitation for what no ghostie wrote."""
    key = keyring.derive(passphrase, code.secret, code.cost)
    units = code.cost.memory // _UNIT
    head = code.secret + bytes((((units - 1) << 4) | code.cost.passes,)) + code.until.to_bytes(4, "big")
    head += len(code.sealed).to_bytes(2, "big")
    if key_id(key)[:8] != code.check:
        raise InvitationPassphrase()
    try:
        return _unpacked(unseal_once(key, (PREFIX.encode(), head), code.sealed))
    except SealError:
        raise InvitationPassphrase() from None
    except (BadJson, KeyError, TypeError, ValueError, IndexError, zlib.error):
        raise BadInvitation(why="what it says makes no sense") from None


def _packed(invitation: Invitation) -> bytes:
    expected = invitation.expected
    where = codec.dumps(
        {
            "backend": invitation.backend,
            "options": dict(invitation.options),
            "secrets": dict(invitation.credentials),
        }
    )
    smaller = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=_COMMON)
    parts = [expected.vault, expected.epoch.to_bytes(2, "big"), expected.key_id, bytes((len(expected.logs),))]
    for writer, (position, tip) in sorted(expected.logs.items()):
        parts += [bytes.fromhex(writer), bytes.fromhex(tip), position.to_bytes(6, "big")]
    if len(where) > _MOST:
        raise TooLarge(what="what an invitation says of the store", size=len(where), limit=_MOST)
    return b"".join([*parts, smaller.compress(where), smaller.flush()])


def _unpacked(plain: bytes) -> Invitation:
    count = plain[26]
    logs: dict[str, tuple[int, str]] = {}
    for at in range(27, 27 + count * _LOG, _LOG):
        one = plain[at : at + _LOG]
        position = int.from_bytes(one[16:], "big")
        if len(one) != _LOG or not 0 < position < FURTHEST:
            raise ValueError("position")
        logs[one[:8].hex()] = (position, one[8:16].hex())
    larger = zlib.decompressobj(-15, zdict=_COMMON)
    where = larger.decompress(plain[27 + count * _LOG :], _MOST + 1)
    if len(where) > _MOST or not larger.eof or larger.unused_data:
        raise ValueError("its end")
    record = codec.loads(where)
    for texts in (record["options"], record["secrets"]):
        if not all(isinstance(name, str) and isinstance(value, str) for name, value in texts.items()):
            raise TypeError("options")
    if not isinstance(record["backend"], str):
        raise TypeError("backend")
    expected = Expected(plain[:16], int.from_bytes(plain[16:18], "big"), plain[18:26], logs)
    return Invitation(record["backend"], record["options"], record["secrets"], expected)
