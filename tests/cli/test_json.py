"""What the documents of `--json` hold beyond one for each command, which `test_every_command.py` asks for."""

from __future__ import annotations

import json
from typing import Any

from .device import Device, Scene
from .story import CONFLICT, DEVICE, PULLED, PUSHED, RECORD, fight


def test_a_stored_passphrase_that_is_missing_is_an_error_and_not_a_prompt(pair: Scene) -> None:
    phone = pair.device("phone")
    phone.end_agent()
    for argv in (("list",), ("add", "x"), ("sync", "run"), ("keys", "recovery"), ("unlock",)):
        done = phone(*argv, code=12, timeout=20)
        assert "no passphrase was given" in done.err
        assert done.out == ""


def test_the_parts_of_sync_documents_have_stable_names_too(pair: Scene) -> None:
    laptop, phone = pair.device("laptop"), pair.device("phone")
    memory_id = fight(pair)
    status = laptop("sync", "status", "--json", code=3).json()
    assert status["store"] == {"backend": "folder", "path": str(pair.store)}
    assert status["conflicts"] == [memory_id]
    assert status["reached"] is True
    assert {frozenset(device) for device in status["devices"]} == {frozenset(DEVICE)}
    offline = laptop("sync", "status", "--offline", "--json", code=3).json()
    assert (offline["reached"], offline["behind"], offline["objects"]) == (None, None, None)
    conflict = laptop("sync", "conflict", memory_id, "--json", code=3).json()
    assert conflict.keys() == CONFLICT
    assert conflict["mine"].keys() == conflict["base"].keys() == conflict["theirs"][0].keys() == RECORD
    resolved = laptop.ok("sync", "conflict", memory_id, "--keep", "both", "--json").json()
    assert resolved == {"resolved": [memory_id], "left": []}
    ran = laptop.ok("sync", "run", "--json").json()
    assert ran["pulled"].keys() == PULLED
    assert ran["pushed"].keys() == PUSHED
    next(iter((pair.store / "ghostie").rglob("*.seg"))).write_bytes(b"nonsense")
    phone("sync", "pull", "--json")
    for path in (pair.store / "ghostie").rglob("*.seg"):
        path.unlink()
    alarmed = phone("sync", "pull", "--json", code=4).json()
    assert {frozenset(alarm) for alarm in alarmed["alarms"]} == {
        frozenset({"kind", "writer", "device", "position", "detail"})
    }


def test_undo_and_export_and_devices_have_their_other_documents(pair: Scene) -> None:
    laptop = pair.device("laptop")
    memory_id = laptop.add("to take back")
    undone = laptop.ok("undo", "--json").json()
    assert undone.keys() == {"operation", "what", "memories"}
    assert undone["memories"] == [memory_id]
    target = laptop.scratch / "out.jsonl"
    assert laptop.ok("export", str(target), "--json").json() == {"path": str(target), "memories": 2}
    renamed = laptop.ok("sync", "devices", "--rename", "desk", "--json").json()
    assert [device["name"] for device in renamed if device["this"]] == ["desk"]


def test_an_import_with_bad_lines_names_them_in_its_document(laptop: Device) -> None:
    source = laptop.scratch / "in.jsonl"
    source.write_text('{"content": "good"}\n{"content": 5}\nnonsense\n')
    done = laptop("import", str(source), "--json", code=1)
    document: dict[str, Any] = done.json()
    assert (document["read"], len(document["added"])) == (3, 1)
    assert [bad.keys() for bad in document["bad"]] == [{"file", "line", "why"}] * 2
    assert [bad["line"] for bad in document["bad"]] == [2, 3]
    assert f"{source}:2:" in done.err


def test_ghostie_alone_prints_its_numbers_as_json_and_says_where_there_is_no_vault(laptop: Device) -> None:
    laptop.add("x")
    assert laptop.ok("--json").json()["memories"] == 1
    assert laptop("--json", "--home", str(laptop.folder / "nowhere"), code=10).out == ""


def test_json_keeps_what_plain_output_has_to_hide(laptop: Device) -> None:
    text = "a\x1b[31mb\x9bc\u202ed\x00e\U000e0041"
    laptop.ok("add", stdin=text)
    done = laptop.ok("list", "--json")
    assert json.loads(done.out)[0]["content"] == text
    assert done.out.isprintable() or set(done.out) - {"\n"} == set(filter(str.isprintable, done.out))
