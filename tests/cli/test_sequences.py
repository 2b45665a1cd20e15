"""Sequences over two devices, as people type them: what leaves, what goes and what comes is what was said."""

from __future__ import annotations

import pytest

from .device import Device, Scene

STAYS = "it stays on this device from now on; what was sent of it before stays where it is"
GOES = "it goes to the other devices with the next sync, as it is now; its versions that stayed here do not"


@pytest.fixture
def both(pair: Scene) -> tuple[Device, Device]:
    return pair.device("laptop"), pair.device("phone")


def synced(*devices: Device) -> None:
    """Sync twice round; no device has a conflict or an alarm."""
    for _ in range(2):
        for device in devices:
            device.ok("sync", "run")


def texts(device: Device) -> set[str]:
    return {str(record["content"]) for record in device.ok("list", "--json").json()}


def test_what_both_removed_in_the_end_is_removed_on_both(both: tuple[Device, Device]) -> None:
    laptop, phone = both
    memory = laptop.add("version 1")
    synced(laptop, phone)
    phone.ok("rm", memory)
    laptop.ok("edit", memory, "--content", "version 2")
    laptop.ok("sync", "push")
    phone.ok("sync", "run")
    assert "version 2" in texts(phone)
    laptop.ok("rm", memory)
    synced(laptop, phone)
    for device in both:
        assert memory not in device.ids()
        assert "version 2" in device.ok("list", "--deleted").out


def test_tags_of_both_beyond_a_hundred_are_a_conflict_and_all_else_arrives(both: tuple[Device, Device]) -> None:
    laptop, phone = both
    memory = laptop.add("tagged", *(word for number in range(60) for word in ("-t", f"t{number}")))
    synced(laptop, phone)
    for device, letter in ((laptop, "a"), (phone, "b")):
        device.ok("edit", memory, *(word for number in range(40) for word in ("-t", f"{letter}{number}")))
        device.ok("sync", "push")
    late = laptop.add("later")
    laptop.ok("sync", "push")
    assert phone("sync", "run", code=3)
    assert late in phone.ids()
    assert "in dispute: tags" in phone("sync", "conflict", memory, code=3).err
    phone.ok("sync", "conflict", memory, "--keep", "mine")
    synced(phone, laptop)


@pytest.mark.parametrize("command", [("rm",), ("purge", "--yes")], ids=["rm", "purge"])
def test_removing_what_was_sent_and_then_kept_here_removes_it_elsewhere(
    both: tuple[Device, Device], command: tuple[str, ...]
) -> None:
    laptop, phone = both
    memory = laptop.add("sent, then kept")
    synced(laptop, phone)
    assert STAYS in laptop.ok("edit", memory, "--local-only").err
    done = laptop.ok(*command, memory)
    if command == ("rm",):
        assert "comes back on this device only: elsewhere, what was sent of it is removed" in done.err
    else:
        assert "other devices follow when they pull" in done.err
    synced(laptop, phone)
    assert memory not in laptop.ids() | phone.ids()
    if command == ("rm",):
        phone.ok("edit", memory, "-t", "x")  # of what is removed there, as of any
        synced(phone, laptop)
    assert "sent, then kept" not in texts(laptop)


def test_what_is_kept_here_before_it_was_sent_is_never_sent(both: tuple[Device, Device]) -> None:
    laptop, phone = both
    memory = laptop.add("kept before the first push")
    assert STAYS in laptop.ok("edit", memory, "--local-only").err
    assert "nothing to push" in laptop.ok("sync", "run").err
    assert "took back: edit of 1 memory · it stays on this device" in laptop.ok("undo").err
    assert "as version 4 · it stays on this device" in laptop.ok("restore", memory, "--at", "1").err
    laptop.ok("edit", memory, "--content", "kept still")
    assert "· it stays on this device" in laptop.ok("undo").err
    assert "nothing to push" in laptop.ok("sync", "run").err
    laptop.ok("rm", memory)
    assert "· it stays on this device" in laptop.ok("undo").err
    assert "nothing to push" in laptop.ok("sync", "run").err
    phone.ok("sync", "run")
    assert memory not in phone.ids()


def test_what_never_left_is_purged_here_and_says_so(both: tuple[Device, Device]) -> None:
    laptop, _ = both
    memory = laptop.add("here only", "--local-only")
    assert "no other device ever had anything of it" in laptop.ok("purge", "--yes", memory).err
    assert "nothing to push" in laptop.ok("sync", "run").err


def test_synced_again_it_is_no_conflict_and_only_what_it_says_now_is_sent(both: tuple[Device, Device]) -> None:
    laptop, phone = both
    memory = laptop.add("first sent")
    synced(laptop, phone)
    laptop.ok("edit", memory, "--local-only", "--content", "kept between")
    laptop.ok("sync", "run")
    assert GOES in laptop.ok("edit", memory, "--synced", "--content", "sent again").err
    synced(laptop, phone)
    assert "sent again" in texts(phone)
    assert "kept between" not in phone.ok("history", memory).out
    phone.ok("edit", memory, "--content", "changed elsewhere")
    synced(phone, laptop)
    assert "changed elsewhere" in texts(laptop)


def test_what_was_removed_is_named_by_an_import_and_what_was_purged_comes_in_anew(laptop: Device) -> None:
    file = laptop.scratch / "notes.jsonl"
    file.write_text('{"content": "kept"}\n{"content": "to be removed"}\n{"content": "to be purged"}\n')
    laptop.ok("import", str(file))
    gone, purged = (
        next(each["id"] for each in laptop.ok("list", "--json").json() if each["content"] == f"to be {word}")
        for word in ("removed", "purged")
    )
    laptop.ok("rm", gone)
    again = laptop.ok("import", str(file), "--dry-run")
    assert "would import 0 memories, 2 here already, 1 removed here" in again.err
    again = laptop.ok("import", str(file), "--json").json()
    assert (again["added"], again["known"], again["removed"]) == ([], 3, [gone])
    assert texts(laptop) == {"kept", "to be purged"}
    laptop.ok("purge", "--yes", purged)
    again = laptop.ok("import", str(file))
    assert "imported 1 memory, 1 here already, 1 removed here" in again.err
    assert f"`ghostie restore {gone[:8]}` brings it back" in again.err
    assert "imported 0 memories, 2 here already, 1 removed here" in laptop.ok("import", str(file)).err
    laptop.ok("restore", gone)
    assert texts(laptop) == {"kept", "to be removed", "to be purged"}
    assert "imported 0 memories, 3 here already" in laptop.ok("import", str(file)).err
