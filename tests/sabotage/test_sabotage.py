"""Sabotage: each patch drops one check from a copy of ghostie, and a test that is named with it has to fail there.

So a check that somebody removes, or that a change makes useless, does not go unnoticed. A patch whose text is no longer
found exactly once is stale, and says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

import ghostie

HERE = Path(ghostie.__file__).parent.parent
TESTS_FAILED = 1


@dataclass(frozen=True)
class Patch:
    """One check taken out: in which file, which text by which, and the tests that notice."""

    name: str
    file: str
    old: str
    new: str
    tests: str


PATCHES = (
    Patch(
        "the tip is not checked",
        "sync/segment.py",
        "or tips.along(name.writer, before, hashes)[-1] != name.tip:",
        "or False:",
        "tests/sync/test_segments.py::test_versions_that_do_not_add_up_to_the_tip_are_refused",
    ),
    Patch(
        "the header may say something else than the name",
        "sync/segment.py",
        "if said != (keys.vault.hex(), name.writer, name.first, name.last, name.tip):",
        "if False:",
        "tests/sync/test_segments.py::test_a_header_that_says_something_wrong_is_refused",
    ),
    Patch(
        "a stretch need not follow what is known",
        "sync/reading.py",
        "if self._log.knows(first - 1, opened[0].before):",
        "if True:",
        "tests/sync/test_copies.py::test_half_of_one_of_two_ways_is_not_taken_for_the_rest_of_the_other",
    ),
    Patch(
        "a key that gave way and waits for the store is sent",
        "sync/slots.py",
        "if gave_way(link.vault.keys, slot):",
        "if False:",
        "tests/sync/test_keys_at_once.py::test_a_key_that_gave_way_and_still_waits_for_the_store_is_not_sent",
    ),
    Patch(
        "a device goes back to a key that gave way",
        "sync/moving.py",
        "if gave_way(with_left(layout, older), slot):",
        "if False:",
        "tests/sync/test_keys_at_once.py::test_nobody_goes_back_to_a_key_that_gave_way",
    ),
    Patch(
        "a key is forgotten with its object",
        "sync/standing.py",
        "for file in (*seen, *others.values())",
        "for file in others.values()",
        "tests/sync/test_keys_at_once.py::test_what_is_under_a_key_that_gave_way_is_no_alarm_though_its_object_is_gone",
    ),
    Patch(
        "the vault is not pinned",
        "sync/link.py",
        'raise StoreChanged(why="it holds another vault" if listing.slots else "its key object is gone")',
        "return",
        "tests/sync/test_evil_store.py::test_another_store_in_the_place_of_this_one_changes_nothing",
    ),
    Patch(
        "a copy of this device is not noticed",
        "sync/intake.py",
        "disputed = bool(foreign) or beyond or not link.ledger.log(device.writer).is_whole()",
        "disputed = False",
        "tests/sync/test_copies.py::test_a_copied_home_that_pushes_second_becomes_a_new_writer_before_it_writes",
    ),
    Patch(
        "there is no second look",
        "sync/intake.py",
        "    if not sure:\n        link.wait()",
        "    if False:\n        link.wait()",
        "tests/property/test_simulator.py::test_every_history_keeps_every_promise",
    ),
    Patch(
        "the brake is off",
        "sync/engine.py",
        "if gone > BRAKE_COUNT or (gone * BRAKE_SHARE > total >= BRAKE_SHARE):",
        "if False:",
        "tests/sync/test_exchange.py::test_the_brake_holds_above_twenty_or_a_fifth",
    ),
    Patch(
        "padding may hold anything",
        "crypto/sealing.py",
        "if packed.count(0, end) != len(packed) - end:",
        "if False:",
        "tests/unit/test_sealing.py",
    ),
    Patch(
        "the key's commitment is not checked",
        "crypto/keys.py",
        "or not hmac.compare_digest(key_id(master), file.commitment):",
        "or False:",
        "tests/unit/test_keys.py::test_another_key_under_the_right_passphrase_does_not_match_the_commitment",
    ),
    Patch(
        "a device does not miss the end of its own log",
        "sync/intake.py",
        "    if position < log.position:\n",
        "    if False:\n",
        "tests/sync/test_alarms.py::test_a_device_notices_that_its_own_log_lost_its_end",
    ),
    Patch(
        "what a version file holds need not have the hash in its name",
        "vault/versions.py",
        "if not hmac.compare_digest(digest[:32], stem[27:]):",
        "if False:",
        "tests/unit/test_versions.py",
    ),
    Patch(
        "nobody minds what others vouch for",
        "sync/intake.py",
        'known = max(link.ledger.log(writer).position, vouched.get(writer, (0, ""))[0])',
        "known = link.ledger.log(writer).position",
        "tests/sync/test_alarms.py::test_what_a_third_device_vouches_for_cannot_be_hidden_from_a_new_one",
    ),
    Patch(
        "what the store never confirmed counts as published",
        "sync/outbox.py",
        "        self._link.store.write({each.name.key: each.sealed for each in batch})\n",
        "        try:\n"
        "            self._link.store.write({each.name.key: each.sealed for each in batch})\n"
        "        except Exception:\n"
        "            pass\n",
        "tests/property/test_simulator.py::test_every_history_keeps_every_promise",
    ),
    Patch(
        "others' logs may end early",
        "sync/intake.py",
        "        if top < known:\n",
        "        if False:\n",
        "tests/property/test_simulator.py::test_every_history_keeps_every_promise",
    ),
    Patch(
        "retiring removes what nobody has adopted",
        "sync/retiring.py",
        "if _is_adopted(link, writer, listing):",
        "if True:",
        "tests/sync/test_order_of_writing.py"
        "::test_what_a_device_publishes_while_it_is_retired_is_adopted_before_its_objects_go",
    ),
    Patch(
        "the second of two rotations does not give way",
        "sync/standing.py",
        "return file.epoch in keys.epochs and file.commitment == keys.id_of(file.epoch)",
        "return file.epoch in keys.epochs",
        "tests/sync/test_order_of_writing.py::test_of_two_rotations_the_one_that_reached_the_store_stays",
    ),
    Patch(
        "the agent serves any user",
        "crypto/agent.py",
        "            if _peer(client) not in (None, os.geteuid()):\n                return False",
        "            pass",
        "tests/unit/test_agent.py::test_an_agent_looks_who_asks",
    ),
    Patch(
        "the outbox is emptied before the own log is noted",
        "sync/outbox.py",
        "        self._link.ledger.record((s.name.writer, s.name.first, s.before, s.hashes) for s in segments)\n",
        "        files.remove_durably(self._vault.layout.outbox / each.name.file for each in batch)\n"
        "        self._link.ledger.record((s.name.writer, s.name.first, s.before, s.hashes) for s in segments)\n",
        "tests/sync/test_order_of_writing.py::test_a_push_that_is_cut_off_anywhere_goes_on_as_the_same_writer",
    ),
    Patch(
        "logs are saved before what was vouched for",
        "sync/log.py",
        "        self.save()  # before the logs: a pull that is cut here must not forget what was vouched for\n"
        "        self.record((s.name.writer, s.name.first, s.before, s.hashes) for s in segments)\n",
        "        self.record((s.name.writer, s.name.first, s.before, s.hashes) for s in segments)\n"
        "        self.save()\n",
        "tests/sync/test_order_of_writing.py::test_a_pull_that_is_cut_off_anywhere_forgets_nothing_that_was_vouched_for",
    ),
    Patch(
        "a writer does not look whether the key changed meanwhile",
        "vault/vault.py",
        "if read_key_file(self.layout).commitment != self.keys.id_of(self.keys.current):",
        "if False:",
        "tests/sync/test_order_of_writing.py"
        "::test_a_vault_that_is_open_while_another_process_rotates_writes_nothing_under_the_old_key",
    ),
    Patch(
        "a writer does not look whether a move is unfinished",
        "vault/vault.py",
        "            if files.is_there(self.layout.next_key):\n",
        "            if False:\n",
        "tests/sync/test_order_of_writing.py"
        "::test_while_a_move_to_another_key_is_unfinished_nothing_is_written_under_the_old_one",
    ),
    Patch(
        "a new passphrase is written to the device before the store's copy",
        "cli/keys.py",
        "    with files.locked(layout.lock), slots.new_key_noted(layout, slot) as goes_out:\n"
        "        files.write_durably(layout.master_key, fresh.spelt())\n",
        "    with files.locked(layout.lock):\n"
        "        files.write_durably(layout.master_key, fresh.spelt())\n"
        "        with slots.new_key_noted(layout, slot) as goes_out:\n"
        "            pass\n",
        "tests/cli/test_keys.py::test_passwd_that_is_cut_off_leaves_the_old_passphrase_which_can_change_it_again",
    ),
    Patch(
        "device and store share a salt",
        "cli/keys.py",
        "    slot = keyring.wrap(keys, passphrase, fresh.cost)\n",
        "    slot = fresh\n",
        "tests/cli/test_keys.py::test_passwd_that_is_cut_off_leaves_the_old_passphrase_which_can_change_it_again",
    ),
    Patch(
        "a move may start from keys that were left",
        "sync/moving.py",
        "if files.is_there(layout.next_key) or read_key_file(layout).commitment != older.id_of(older.current):",
        "if files.is_there(layout.next_key):",
        "tests/sync/test_order_of_writing.py::test_a_move_that_starts_from_keys_that_were_left_meanwhile_is_refused",
    ),
    Patch(
        "a folder deletes before it puts",
        "backends/folder.py",
        "            files.write_all_durably(targets)\n            files.remove_durably(doomed)\n",
        "            files.remove_durably(doomed)\n            files.write_all_durably(targets)\n",
        "tests/sync/test_order_of_writing.py::test_a_folder_loses_nothing_where_a_write_that_replaces_objects_is_cut_off",
    ),
    Patch(
        "what an older self had sealed is sent",
        "sync/outbox.py",
        "if name is None or writer != self._vault.device.writer:",
        "if name is None:",
        "tests/sync/test_order_of_writing.py::test_what_an_older_self_had_sealed_goes_out_under_the_new_name_alone",
    ),
    Patch(
        "compaction believes any name of the own log",
        "sync/compaction.py",
        "names = [name for name in names if log.knows(name.last, name.tip)]",
        "names = list(names)",
        "tests/sync/test_order_of_writing.py::test_a_false_object_that_claims_a_whole_log_makes_nobody_remove_the_true_ones",
    ),
    Patch(
        "a key object may stand under any name",
        "sync/keyobjects.py",
        "if file.digest != digest:",
        "if False:",
        "tests/sync/test_order_of_writing.py::test_a_key_object_under_a_name_that_is_not_its_own_is_not_this_vaults",
    ),
    Patch(
        "retiring does not look whose store it is",
        "sync/retiring.py",
        "            link.check_vault(listing)\n            names =",
        "            names =",
        "tests/sync/test_order_of_writing.py::test_a_store_that_becomes_another_vaults_while_a_device_is_retired_loses_no_object",
    ),
    Patch(
        "a new key leaves the old index",
        "sync/moving.py",
        "    files.remove_durably([layout.index_snapshot, layout.index_journal, layout.search])\n",
        "",
        "tests/sync/test_order_of_writing.py::test_a_new_key_leaves_no_index_under_the_old_one",
    ),
    Patch(
        "a device that lost its key file joins any vault",
        "sync/setup.py",
        "here is None and file.vault.hex() == before.vault",
        "here is None",
        "tests/sync/test_order_of_writing.py::test_a_device_that_lost_its_key_file_joins_its_own_vault_and_no_other",
    ),
    Patch(
        "the key id is compared by ==",
        "crypto/sealing.py",
        "if key is not None and hmac.compare_digest(named, key_id(key)):",
        "if key is not None and named == key_id(key):",
        "tests/unit/test_sources.py::test_keys_and_tags_are_compared_in_constant_time",
    ),
)


def copied(folder: Path) -> Path:
    """Return a copy of the package and its tests."""
    leave = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in ("ghostie", "tests"):
        shutil.copytree(HERE / name, folder / name, ignore=leave)
    shutil.copy(HERE / "pyproject.toml", folder)
    return folder


def tried(folder: Path, tests: Iterable[str]) -> subprocess.CompletedProcess[str]:
    """Run *tests* against the copy of ghostie in *folder*."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    where = subprocess.run(
        [sys.executable, "-c", "import ghostie; print(ghostie.__file__)"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert where.stdout.startswith(str(folder)), "it is not the copy that is tried"
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *tests],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize("patch", PATCHES, ids=[patch.name for patch in PATCHES])
def test_a_patch_still_finds_the_check_that_it_drops(patch: Patch) -> None:
    """Every day: whoever moves a check moves its sabotage too."""
    text = (HERE / "ghostie" / patch.file).read_text()
    assert text.count(patch.old) == 1, f"this patch is stale: {patch.name}"


@pytest.mark.slow
def test_without_sabotage_all_of_these_tests_pass(tmp_path: Path) -> None:
    done = tried(copied(tmp_path), dict.fromkeys(patch.tests for patch in PATCHES))
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.slow
@pytest.mark.parametrize("patch", PATCHES, ids=[patch.name for patch in PATCHES])
def test_a_check_that_is_dropped_is_missed(patch: Patch, tmp_path: Path) -> None:
    folder = copied(tmp_path)
    path = folder / "ghostie" / patch.file
    path.write_text(path.read_text().replace(patch.old, patch.new))
    done = tried(folder, [patch.tests])
    assert done.returncode == TESTS_FAILED, f"nobody noticed that {patch.name}\n{done.stdout[-3000:]}"
    assert "= FAILURES =" in done.stdout
