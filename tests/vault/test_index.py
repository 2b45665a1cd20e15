"""The index is a cache: whatever becomes of it, the files say what is there."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ghostie import codec, files
from ghostie.crypto.sealing import Purpose, seal
from ghostie.errors import Damaged
from ghostie.memory import Version
from ghostie.vault import index as index_module
from ghostie.vault.row import Journal
from ghostie.vault.vault import Vault
from tests.patience import little_time

from .house import contents, heads, made, picture, plaintexts, rebuilt, reopened, shown, temporaries

pytestmark = pytest.mark.versions


@pytest.fixture
def lived_in(vault: Vault) -> Vault:
    """A vault with a snapshot, a journal upon it, edits, a removal and a conflict."""
    memories = [vault.add(f"memory {number}", tags=[f"t{number % 3}"]) for number in range(30)]
    vault.edit(memories[3].id, {"content": "edited"})
    vault.refresh()
    with vault.writing():
        vault.index.save()
    for number in range(5):
        vault.add(f"later {number}")
    vault.remove([memories[7].id])
    vault.edit(memories[8].id, {"content": "mine"})
    vault.edit(memories[8].id, {"content": "theirs"}, base=memories[8].hash)
    vault.refresh()
    assert picture(vault) == rebuilt(vault)
    return vault


def flipped(raw: bytes, place: int) -> bytes:
    return raw[:place] + bytes([raw[place] ^ (1 << place % 8)]) + raw[place + 1 :]


def test_the_index_agrees_with_the_files(lived_in: Vault) -> None:
    assert picture(reopened(lived_in)) == rebuilt(lived_in)
    assert not reopened(lived_in).index.damaged


@pytest.mark.parametrize("names", [("snapshot",), ("journal",), ("snapshot", "journal"), ("everything",)])
def test_a_deleted_index_is_rebuilt_the_same(lived_in: Vault, names: tuple[str, ...]) -> None:
    before = picture(lived_in)
    layout = lived_in.layout
    paths = {
        "snapshot": [layout.index_snapshot],
        "journal": [layout.index_journal],
        "everything": list(layout.index.iterdir()),
    }
    for name in names:
        for path in paths[name]:
            path.unlink()
    again = reopened(lived_in)
    assert picture(again) == before
    assert layout.index_snapshot.exists()
    assert not reopened(lived_in).index.worth_saving()


@pytest.mark.parametrize("name", ["index_snapshot", "index_journal"])
def test_a_truncated_index_is_rebuilt_the_same_at_any_length(lived_in: Vault, name: str) -> None:
    before = picture(lived_in)
    path: Path = getattr(lived_in.layout, name)
    good = path.read_bytes()
    lengths = {*range(0, 60), *range(0, len(good), max(1, len(good) // 60)), len(good) - 1}
    keep = {each: each.read_bytes() for each in lived_in.layout.index.iterdir()}
    for length in sorted(lengths):
        for each, content in keep.items():
            each.write_bytes(content)
        path.write_bytes(good[:length])
        again = reopened(lived_in)
        assert picture(again) == before, length
        assert not again.index.damaged, length


@pytest.mark.parametrize("name", ["index_snapshot", "index_journal"])
def test_an_index_with_a_flipped_bit_is_rebuilt_the_same_wherever_it_is(lived_in: Vault, name: str) -> None:
    before = picture(lived_in)
    path: Path = getattr(lived_in.layout, name)
    good = path.read_bytes()
    keep = {each: each.read_bytes() for each in lived_in.layout.index.iterdir()}
    places = {*range(0, 80), *random.Random(1).sample(range(len(good)), 60)}
    for place in sorted(places):
        for each, content in keep.items():
            each.write_bytes(content)
        path.write_bytes(flipped(good, place))
        again = reopened(lived_in)
        assert picture(again) == before, place
        assert not again.index.damaged, place


@pytest.mark.parametrize("name", ["index_snapshot", "index_journal", "search"])
@pytest.mark.parametrize("ruin", ["folder", "link", "pipe", "zeros", "swapped"])
def test_whatever_stands_in_the_place_of_an_index_file_the_vault_opens(
    lived_in: Vault, name: str, ruin: str, tmp_path: Path
) -> None:
    before = picture(lived_in)
    path: Path = getattr(lived_in.layout, name)
    outside = tmp_path / "outside"
    outside.write_bytes(b"not ours")
    path.unlink(missing_ok=True)
    if ruin == "folder":
        path.mkdir()
    elif ruin == "link":
        path.symlink_to(outside)
    elif ruin == "pipe":
        os.mkfifo(path)
    elif ruin == "zeros":
        path.write_bytes(bytes(5000))
    else:
        shutil.copy(lived_in.layout.operations, path)
    again = reopened(lived_in)
    assert picture(again) == before
    assert len(again.search("memory", limit=50)) == len(lived_in.search("memory", limit=50)) == 27
    assert outside.read_bytes() == b"not ours"
    again.close()


def test_a_journal_of_another_generation_is_ignored(lived_in: Vault) -> None:
    journal = lived_in.layout.index_journal.read_bytes()
    with lived_in.writing():
        lived_in.index.save()
    stray = made("z" * 26, content="a row without a file")
    from ghostie.vault.row import Journal, row_of

    other = Journal(lived_in.layout, lived_in.keys)
    other.replace([codec.dumps_own([row_of(stray)])])  # as another snapshot's
    again = reopened(lived_in)
    assert "z" * 26 not in again.index
    assert picture(again) == rebuilt(lived_in)
    lived_in.layout.index_journal.write_bytes(journal)  # an older one, put back
    assert picture(reopened(lived_in)) == rebuilt(lived_in)


def test_rows_that_no_file_stands_behind_are_dropped(lived_in: Vault) -> None:
    from ghostie.vault.row import Journal, row_of

    Journal(lived_in.layout, lived_in.keys).note([row_of(made("z" * 26, content="a row without a file"))])
    again = reopened(lived_in)
    assert "z" * 26 not in again.index
    assert picture(again) == rebuilt(lived_in)


@pytest.mark.parametrize("entry", [b"not JSON", b"null", b"{}", b"[1]", b'[{"id":"x"}]', b'"text"', b"[[]]", b"\xff"])
def test_a_journal_entry_that_makes_no_sense_is_passed_over(lived_in: Vault, entry: bytes) -> None:
    from ghostie.vault.row import Journal

    before = picture(lived_in)
    Journal(lived_in.layout, lived_in.keys).append([entry])
    lived_in.add("after the nonsense")
    again = reopened(lived_in)
    assert picture(again) == rebuilt(lived_in)
    assert len(picture(again)) == len(before) + 1


@pytest.mark.parametrize(
    "tables", [b"null", b"[]", b"{}", b'{"meta":{}}', b'{"meta":{"1":{"format":99}},"memories":{"x":1}}', b"{", b"\xff"]
)
def test_a_snapshot_of_another_make_is_made_anew(lived_in: Vault, tables: bytes) -> None:
    before = picture(lived_in)
    sealed = seal(lived_in.keys, Purpose.INDEX, (b"snapshot",), tables)
    lived_in.layout.index_snapshot.write_bytes(sealed)
    assert picture(reopened(lived_in)) == before


def test_the_journal_is_folded_when_that_pays_and_only_then(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    with vault.writing():
        vault.index.load()
        vault.index.save()
    vault.add("small")
    vault.refresh()
    assert b"small" not in plaintexts(vault)["snapshot"]
    monkeypatch.setattr(index_module, "FOLD_BYTES", 2000)
    for number in range(10):
        vault.add(f"memory {number}")
    vault.refresh()
    assert b"small" in plaintexts(vault)["snapshot"]
    assert plaintexts(vault)["journal"] == b""
    assert picture(vault) == rebuilt(vault)


def test_nobody_folds_what_somebody_else_added_meanwhile(lived_in: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "FOLD_BYTES", 0)
    other = Vault(lived_in.layout, lived_in.keys, lived_in.device)
    other.index.load()
    late = lived_in.add("came between the load and the fold")
    with other.writing():
        other.index.save_if_worth()
    assert b"came between" in plaintexts(lived_in)["journal"]
    assert late.id in reopened(lived_in).index
    assert picture(reopened(lived_in)) == rebuilt(lived_in)


def test_an_up_to_date_index_opens_no_version_file(lived_in: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    reopened(lived_in)
    lived_in.add("one more")
    other = Vault(lived_in.layout, lived_in.keys, lived_in.device)
    read: list[str] = []
    inner = other.files.read_many

    def spy(stems: Iterable[str]) -> Iterator[tuple[str, Version | Damaged]]:
        wanted = list(stems)
        read.extend(wanted)
        return inner(wanted)

    monkeypatch.setattr(other.files, "read_many", spy)
    other.refresh()
    assert read == []
    assert len(other.select()) == len(contents(lived_in))


def test_a_file_that_the_journal_never_heard_of_is_found_by_its_name(lived_in: Vault) -> None:
    stray = made("y" * 26, content="written, then the power went")
    lived_in.files.write([stray])
    again = reopened(lived_in)
    assert again.shown(again.find("y" * 26)) == stray
    assert b"then the power went" in plaintexts(lived_in)["snapshot"]


def test_folding_sweeps_what_a_crash_left_half_written(lived_in: Vault) -> None:
    for folder in (lived_in.layout.memories, lived_in.layout.index, lived_in.layout.conflicts, lived_in.layout.home):
        (folder / ".tmp-0123456789abcdef").write_bytes(b"half")
    assert len(reopened(lived_in).index) == len(lived_in.index)
    with lived_in.writing():
        lived_in.index.save()
    assert temporaries(lived_in) == []


# -- version files that are not what they were -----------------------------------------------------------------------


def served(vault: Vault) -> dict[str, str]:
    """Return what can still be read, memory by memory."""
    found = {}
    for entry in vault.select():
        try:
            found[entry.id] = str(vault.shown(entry).field("content"))
        except Damaged:
            continue
    return found


@pytest.mark.parametrize("ruin", ["flipped", "short", "empty", "longer", "folder", "link", "pipe"])
@pytest.mark.parametrize("index_kept", [True, False])
def test_a_ruined_version_file_hides_nothing_but_itself(
    lived_in: Vault, ruin: str, index_kept: bool, tmp_path: Path
) -> None:
    victim = lived_in.add("the victim")
    before = contents(lived_in)
    path = lived_in.layout.version(victim.stem)
    good = path.read_bytes()
    path.unlink()
    if ruin == "flipped":
        path.write_bytes(flipped(good, len(good) // 2))
    elif ruin == "short":
        path.write_bytes(good[:-1])
    elif ruin == "empty":
        path.write_bytes(b"")
    elif ruin == "longer":
        path.write_bytes(good + b"\0")
    elif ruin == "folder":
        path.mkdir()
    elif ruin == "link":
        outside = tmp_path / "copy"
        outside.write_bytes(good)
        path.symlink_to(outside)
    else:
        os.mkfifo(path)
    if not index_kept:
        shutil.rmtree(lived_in.layout.index)
        lived_in.layout.index.mkdir(mode=0o700)
    again = reopened(lived_in)
    assert served(again) == {key: value for key, value in before.items() if key != victim.id}
    if index_kept:
        with pytest.raises(Damaged, match=victim.stem):
            again.shown(again.find(victim.id))
    else:
        assert set(again.index.damaged) == {victim.stem}
    assert len(again.search("later")) == 5
    again.add("and life goes on")
    again.close()


def test_every_flipped_bit_of_a_version_file_is_noticed(vault: Vault) -> None:
    victim = vault.add("short words")
    path = vault.layout.version(victim.stem)
    good = path.read_bytes()
    for place in range(len(good)):
        path.write_bytes(flipped(good, place))
        with pytest.raises(Damaged):
            vault.files.read(victim.stem)
    path.write_bytes(good)
    assert vault.files.read(victim.stem) == victim


def test_version_files_that_changed_places_open_neither(lived_in: Vault) -> None:
    one, other = lived_in.add("one"), lived_in.add("other")
    first, second = lived_in.layout.version(one.stem), lived_in.layout.version(other.stem)
    a, b = first.read_bytes(), second.read_bytes()
    first.write_bytes(b)
    second.write_bytes(a)
    lived_in.layout.index_snapshot.unlink()
    again = reopened(lived_in)
    assert set(again.index.damaged) == {one.stem, other.stem}
    assert one.id not in again.index
    assert other.id not in again.index


def test_a_renamed_version_file_is_no_other_memory(lived_in: Vault) -> None:
    victim = lived_in.add("the victim")
    before = contents(lived_in)
    path = lived_in.layout.version(victim.stem)
    alias = "b" * 26 + victim.stem[26:]
    path.rename(lived_in.layout.version(alias))
    again = reopened(lived_in)
    assert set(again.index.damaged) == {alias}
    assert contents(again) == {key: value for key, value in before.items() if key != victim.id}


@pytest.mark.parametrize(
    "name",
    [
        "notes.txt",
        ".json.enc",
        "a.json.enc",
        "A" * 26 + "." + "0" * 32 + ".json.enc",
        "a" * 26 + "." + "g" * 32 + ".json.enc",
        "\udcff",
    ],
)
def test_a_stray_file_among_the_versions_is_none(lived_in: Vault, name: str) -> None:
    before = picture(lived_in)
    (lived_in.layout.memories / name).write_bytes(b"stray")
    again = reopened(lived_in)
    assert picture(again) == before
    assert not again.index.damaged
    assert name in again.files.strays()


def test_a_damaged_newest_version_is_named_and_the_one_before_is_shown(vault: Vault) -> None:
    memory = vault.add("first")
    second = vault.edit(memory.id, {"content": "second"})
    vault.layout.version(second.stem).write_bytes(b"ruin")
    vault.layout.index_snapshot.unlink(missing_ok=True)
    vault.layout.index_journal.unlink()
    again = reopened(vault)
    assert contents(again) == {memory.id: "first"}
    assert set(again.index.damaged) == {second.stem}


def test_a_version_file_put_back_is_served_again(lived_in: Vault) -> None:
    victim = lived_in.add("the victim")
    path = lived_in.layout.version(victim.stem)
    good = path.read_bytes()
    path.unlink()
    assert victim.id not in contents(reopened(lived_in))
    path.write_bytes(good)
    assert contents(reopened(lived_in))[victim.id] == "the victim"


@pytest.mark.once
def test_five_thousand_memories_are_rebuilt_in_seconds(vault: Vault) -> None:
    from ghostie.memory import derived_id

    vault.take_in([made(derived_id(b"%d" % number), content=f"memory {number}") for number in range(5000)], "import")
    before = picture(vault)
    shutil.rmtree(vault.layout.index)
    vault.layout.index.mkdir(mode=0o700)
    with little_time(5):
        again = reopened(vault)
    assert picture(again) == before


def counted(function: Callable[..., Any], calls: list[Path]) -> Callable[..., Any]:
    """Return *function*, which adds each path that it is called with to *calls*."""

    def call(path: Path, *more: Any) -> Any:
        calls.append(path)
        return function(path, *more)

    return call


def test_the_hundredth_edit_of_a_memory_reads_no_more_than_the_second(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    listed: list[Path] = []
    for name, calls in (("read", opened), ("names_in", listed)):
        monkeypatch.setattr(files, name, counted(getattr(files, name), calls))
    memory = vault.add("first words")
    costs = []
    for number in range(100):
        opened.clear()
        listed.clear()
        vault.edit(memory.id, {"content": f"words {number}"})
        costs.append((len(opened), listed.count(vault.layout.memories)))
    assert costs[1] == costs[-1] == (len(opened), 0)
    assert len(opened) < 5
    assert picture(vault) == rebuilt(vault)


def test_an_edit_sees_what_another_process_did_since_the_last_one(vault: Vault) -> None:
    memory, beside = vault.add("first words"), vault.add("beside")
    vault.edit(memory.id, {"content": "mine"})
    other = reopened(vault)
    other.edit(memory.id, {"tags": ["theirs"]})
    other.purge([beside.id])
    late = other.add("late")
    vault.edit(memory.id, {"category": "mine again"})
    vault.remove([late.id])
    assert shown(vault, memory.id).field("tags") == ["theirs"]
    assert len(vault.find(memory.id).heads) == 1
    assert picture(vault) == rebuilt(vault)


def test_an_edit_sees_a_file_that_no_journal_notes(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = vault.add("first words")
    vault.edit(memory.id, {"content": "second words"})
    other = reopened(vault)
    monkeypatch.setattr(Journal, "note", lambda self, rows: None)  # cut off after its file was written
    other.edit(memory.id, {"content": "third words"})
    monkeypatch.undo()
    vault.edit(memory.id, {"tags": ["t"]})
    assert [version.field("content") for version in vault.history(vault.find(memory.id))][:2] == ["third words"] * 2


def test_a_version_that_comes_after_what_follows_it_is_no_head(vault: Vault) -> None:
    base = made("m" * 26, content="base")
    between = made("m" * 26, [base], content="between")
    last = made("m" * 26, [between], content="last")
    for version in (base, last, between):
        vault.take_in([version], "pull")
    assert heads(vault) == {"m" * 26: [last.hash]}
    assert picture(vault) == rebuilt(vault)
