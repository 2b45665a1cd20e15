"""`ghostie doctor --simulate`: a history for the curious, which needs no vault and touches none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .device import Device, Scene, tree


@pytest.fixture
def bare() -> Iterator[Device]:
    """A device with no vault."""
    scene = Scene()
    yield scene.device("bare")
    scene.end()


def test_a_history_is_told_step_by_step_without_a_vault(bare: Device) -> None:
    done = bare.ok("doctor", "--simulate", "7")
    lines = done.out.splitlines()
    assert lines[0] == "history 7: 4 devices, a store that also lies on purpose"
    assert lines[-1] == "every promise held"
    assert any(line.startswith(" 40  ") for line in lines)
    assert done.err == ""
    assert not bare.vault.exists()


def test_the_same_seed_tells_the_same_history(bare: Device) -> None:
    one, same, other = (bare.ok("doctor", "--simulate", seed).out for seed in ("8", "8", "9"))
    assert one == same != other


def test_as_json_it_is_one_document(bare: Device) -> None:
    told = bare.ok("doctor", "--simulate", "7", "--json").json()
    assert told.keys() == {"kind", "seed", "devices", "store", "events", "alarms", "held", "broken"}
    assert (told["kind"], told["seed"], told["devices"], told["store"]) == ("memories", 7, 4, "malicious")
    assert (told["held"], told["broken"]) == (True, None)
    assert {frozenset(event) for event in told["events"]} == {frozenset({"step", "who", "what", "store", "outcome"})}
    assert {event["step"] for event in told["events"]} >= set(range(1, 41))


def test_the_persons_own_vault_is_left_alone(laptop: Device) -> None:
    before = tree(laptop.vault)
    laptop.ok("doctor", "--simulate", "11")
    assert tree(laptop.vault) == before


@pytest.mark.parametrize(
    ("name", "store"),
    [
        ("keys-8", "5 devices, a store behind a bad connection"),
        ("folders-9", "3 devices, a folder that each has a copy of, which a program keeps alike"),
    ],
)
def test_other_kinds_of_histories_are_named_with_their_seeds(bare: Device, name: str, store: str) -> None:
    done = bare("doctor", "--simulate", name, code=None)
    assert done.out.splitlines()[0] == f"history {name}: {store}"


@pytest.mark.parametrize("seed", ["", "x", "-1", "1.5", "memory-7", "keys-", "keys--1", "folders-x"])
def test_a_seed_is_a_whole_number(bare: Device, seed: str) -> None:
    assert bare("doctor", f"--simulate={seed}", code=2).out == ""
