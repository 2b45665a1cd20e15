"""What was sealed once opens for ever, and what was refused once stays refused: with PyNaCl and orjson, and without.

Each file holds one case, and each bad one a single fault. They are written once, by `make.py`, and never again.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

import pytest

from ghostie.crypto.sealing import PAYS_FROM, Keys, Purpose, SealError, seal, unseal
from tests.tiers import here, in_pure_tier, needs_sodium
from tests.vectors import make

pytestmark = pytest.mark.versions

HERE = Path(__file__).resolve().parent
TASKS = {"sealed": "unseal", "keys": "unwrap", "records": "record", "written": "written"}
VECTORS: dict[str, dict[str, dict[str, Any]]] = {
    folder: {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((HERE / folder).glob("*.json"))}
    for folder in TASKS
}
ALL = [(folder, name) for folder, vectors in VECTORS.items() for name in vectors]


def question(folder: str, vector: dict[str, Any]) -> Any:
    return vector.get("record", vector)


def expected(folder: str, vector: dict[str, Any]) -> list[Any]:
    if folder != "sealed":
        return list(vector["expect"])
    return ["ok", vector["plaintext"]] if vector["expect"] == "ok" else ["SealError", vector["expect"]]


def agrees(said: list[Any], wanted: list[Any]) -> bool:
    """Tell whether the outcome is the wanted one; where no reason is named, any will do, being the JSON reader's."""
    return said == wanted or (wanted[0] != "ok" and wanted[1] is None and said[0] == wanted[0])


@pytest.mark.parametrize(("folder", "name"), ALL, ids=[f"{folder}-{name}" for folder, name in ALL])
def test_it_means_what_it_always_meant(folder: str, name: str) -> None:
    vector = VECTORS[folder][name]
    [said] = here(TASKS[folder], [question(folder, vector)])
    assert agrees(said, expected(folder, vector)), (said, expected(folder, vector))


@needs_sodium
@pytest.mark.parametrize("folder", TASKS)
def test_they_mean_the_same_without_pynacl_and_orjson(folder: str) -> None:
    vectors = VECTORS[folder]
    said = in_pure_tier(TASKS[folder], [question(folder, vector) for vector in vectors.values()])
    wanted = [expected(folder, vector) for vector in vectors.values()]
    wrong = {name: each for name, *each in zip(vectors, said, wanted, strict=True) if not agrees(*each)}
    assert wrong == {}


@pytest.mark.parametrize(
    ("folder", "good", "bad"),
    [("sealed", 15, 60), ("keys", 2, 20), ("records", 10, 15), ("written", 5, 10)],
    ids=list(TASKS),
)
def test_there_are_enough_of_them(folder: str, good: int, bad: int) -> None:
    names = VECTORS[folder]
    assert sum(name.startswith("good-") for name in names) >= good
    assert sum(name.startswith("bad-") for name in names) >= bad


def test_every_purpose_and_every_reason_has_one() -> None:
    vectors = VECTORS["sealed"].values()
    assert {vector["purpose"] for vector in vectors if vector["expect"] == "ok"} == {
        purpose.name for purpose in Purpose
    }
    reasons = {"ok", "magic", "purpose", "epoch", "key", "length", "box", "frame", "padding", "size"}
    assert {vector["expect"] for vector in vectors} == reasons


def test_what_is_sealed_today_is_sealed_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given the same nonce, the same bytes; compressed ones aside, for which each zlib has its own."""
    again = 0
    for name, vector in VECTORS["sealed"].items():
        keys = Keys(
            bytes.fromhex(vector["vault"]), {int(epoch): bytes.fromhex(key) for epoch, key in vector["epochs"].items()}
        )
        sealed = bytes.fromhex(vector["sealed"])
        if vector["expect"] != "ok" or int.from_bytes(sealed[5:9], "big") != keys.current or "zlib" in name:
            continue
        purpose, plaintext = Purpose[vector["purpose"]], bytes.fromhex(vector["plaintext"])
        context = tuple(bytes.fromhex(part) for part in vector["context"])
        with monkeypatch.context() as patch:
            patch.setattr(secrets, "token_bytes", lambda count, nonce=sealed[25:49]: nonce[:count])
            patch.setattr(os, "urandom", lambda count, nonce=sealed[25:49]: nonce[:count])
            made = seal(keys, purpose, context, plaintext, compress=len(plaintext) < PAYS_FROM)
        assert made == sealed, name
        again += 1
    assert again >= 30


def test_no_vector_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sealed" / "good.json"
    monkeypatch.setattr(make, "everything", lambda: [(path, {"expect": "ok"})])
    make.main()
    before = path.read_bytes()
    monkeypatch.setattr(make, "everything", lambda: [(path, {"expect": "box"})])
    make.main()
    assert path.read_bytes() == before


def test_the_frozen_files_are_those_that_their_maker_describes() -> None:
    """A later hand may add vectors, but what stands in a file is what was put there first."""
    described = {(path.parent.name, path.stem): vector for path, vector in make.everything() if "zlib" not in path.stem}
    frozen = {(folder, name): VECTORS[folder][name] for folder, name in ALL}
    missing = described.keys() - frozen.keys()
    assert missing == set()
    changed = {
        place
        for place, vector in described.items()
        if frozen[place] != json.loads(json.dumps(vector)) and "bomb" not in place[1]
    }
    assert changed == set()


def test_one_flipped_bit_in_a_good_one_is_refused() -> None:
    for vector in VECTORS["sealed"].values():
        if vector["expect"] == "ok":
            keys = Keys(
                bytes.fromhex(vector["vault"]),
                {int(epoch): bytes.fromhex(key) for epoch, key in vector["epochs"].items()},
            )
            sealed = bytearray.fromhex(vector["sealed"])
            sealed[len(sealed) // 2] ^= 1
            with pytest.raises(SealError):
                unseal(keys, Purpose[vector["purpose"]], tuple(map(bytes.fromhex, vector["context"])), bytes(sealed))
