"""What either tier is asked to do: plain JSON in, plain JSON out, bytes as hex.

`python -m tests.tasks NAME` does one task for a list of cases from standard input; see `tiers.py`, which starts it.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from typing import Any

TASKS: dict[str, Callable[[Any], Any]] = {}


def task(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    TASKS[function.__name__] = function
    return function


def _tried(attempt: Callable[[], Any]) -> list[Any]:
    """Return ["ok", what *attempt* gave], or the name of its error and why."""
    from ghostie.errors import GhostieError

    try:
        return ["ok", attempt()]
    except GhostieError as error:
        return [type(error).__name__, error.facts.get("why")]


@task
def tiers(_: Any) -> list[str]:
    from ghostie import codec
    from ghostie.crypto import sodium

    return [sodium.TIER, "json" if codec._fast_loads is None else "orjson"]


@task
def read_json(text: str) -> list[Any]:
    """Read the JSON *text* (hex); say what it holds, to the type and the last digit, and its canonical bytes."""
    from ghostie import codec

    return _tried(lambda: _exactly(codec.loads(bytes.fromhex(text))))


def _exactly(value: Any) -> list[Any]:
    from ghostie import codec

    return [repr(value), _tried(lambda: codec.dumps(value).hex())]


@task
def write_json(text: str) -> list[Any]:
    """Write the value that *text* spells for the standard json, which also knows NaN and half characters."""
    from ghostie import codec

    return _tried(lambda: codec.dumps(json.loads(text)).hex())


@task
def seal(case: dict[str, Any]) -> str:
    from ghostie.crypto import sealing

    return sealing.seal(
        _keys(case), sealing.Purpose[case["purpose"]], _context(case), bytes.fromhex(case["plaintext"])
    ).hex()


@task
def unseal(case: dict[str, Any]) -> list[Any]:
    from ghostie.crypto import sealing

    purpose, sealed = sealing.Purpose[case["purpose"]], bytes.fromhex(case["sealed"])
    return _tried(lambda: sealing.unseal(_keys(case), purpose, _context(case), sealed).hex())


def _keys(case: dict[str, Any]) -> Any:
    from ghostie.crypto.sealing import Keys

    epochs = {int(epoch): bytes.fromhex(key) for epoch, key in case["epochs"].items()}
    return Keys(bytes.fromhex(case["vault"]), epochs)


def _context(case: dict[str, Any]) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(part) for part in case["context"])


@task
def unwrap(case: dict[str, str]) -> list[Any]:
    """Open the key file *file* (hex) with *passphrase*, or only read it where there is none."""
    from ghostie.crypto import keys

    def attempt() -> Any:
        file = keys.parse(bytes.fromhex(case["file"]))
        if "passphrase" not in case:
            return None
        opened = keys.unwrap(file, case["passphrase"])
        return {str(epoch): key.hex() for epoch, key in sorted(opened.epochs.items())}

    return _tried(attempt)


@task
def wrap(case: dict[str, Any]) -> str:
    from ghostie.crypto import keys

    return keys.wrap(_keys(case), case["passphrase"], keys.FLOOR).spelt().hex()


@task
def primitives(_: Any) -> list[Any]:
    """Say what both tiers of libsodium answer to the same questions, lengths that do not fit among them."""
    from ghostie.crypto import sodium

    box = sodium.secretbox(b"message", bytes(24), bytes(range(32)))
    said: list[Any] = [box.hex(), sodium.argon2id(b"pass\0word", bytes(range(16)), 64 << 20, 3).hex()]
    for question in (
        lambda: sodium.secretbox_open(box, bytes(24), bytes(range(32))).hex(),
        lambda: sodium.secretbox_open(sodium.secretbox(b"", bytes(24), bytes(32)), bytes(24), bytes(32)).hex(),
        lambda: sodium.secretbox_open(box, bytes(24), bytes(32)),
        lambda: sodium.secretbox_open(box[:15], bytes(24), bytes(32)),
        lambda: sodium.secretbox_open(b"", bytes(24), bytes(32)),
    ):
        try:
            said.append(question())
        except sodium.BoxError:
            said.append("refused")
    for nonce, key in ((23, 32), (24, 31)):
        with contextlib.suppress(ValueError):
            said.append(sodium.secretbox(b"message", bytes(nonce), bytes(key)).hex())
    with contextlib.suppress(ValueError):
        said.append(sodium.argon2id(b"passphrase", bytes(15), 64 << 20, 3).hex())
    return said


@task
def record(text: str) -> list[Any]:
    """Read the version whose bytes are *text* (hex); say its hash."""
    from ghostie import memory

    return _tried(lambda: memory.parse_version(bytes.fromhex(text)).hash)


@task
def written(text: str) -> list[Any]:
    """Write the version that the JSON *text* (hex) says; say its hash."""
    from ghostie import codec, memory

    def attempt() -> str:
        record = codec.loads(bytes.fromhex(text))
        return memory.make_version(record, record["sync_metadata"]).hash

    return _tried(attempt)


if __name__ == "__main__":
    json.dump([TASKS[sys.argv[1]](case) for case in json.load(sys.stdin)], sys.stdout)
