"""One immutable sealed file per version: it opens under its own name alone, and nothing else is taken for it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ghostie.crypto.keys import new_keys, next_epoch
from ghostie.crypto.sealing import Keys, Purpose, seal
from ghostie.errors import CannotRead, CannotWrite, Damaged
from ghostie.memory import Version, make_version, memory, new_id
from ghostie.paths import VERSION_SUFFIX, Layout, is_stem
from ghostie.vault.versions import VersionFiles
from tests.patience import within

pytestmark = pytest.mark.versions


def a_version(content: str, memory_id: str | None = None) -> Version:
    return make_version(
        {**memory(content), "id": memory_id or new_id()}, {"version": 1, "last_modified": "2025-06-28T14:30:00.000Z"}
    )


@pytest.fixture
def versions(layout: Layout, keys: Keys) -> VersionFiles:
    return VersionFiles(layout, keys)


@pytest.fixture
def two(versions: VersionFiles) -> tuple[Version, Version]:
    one, other = a_version("the one"), a_version("the other")
    versions.write([one, other])
    return one, other


def refused(versions: VersionFiles, stem: str) -> bool:
    """Tell whether *stem* is refused as damaged, in all three ways of reading."""
    with pytest.raises(Damaged) as error:
        versions.read(stem)
    assert error.value.exit_code == 4
    [(_, many)] = versions.read_many([stem])
    [(_, raw)] = versions.raw_many([stem])
    return isinstance(many, Damaged) and raw is None


# -- writing and reading ---------------------------------------------------------------------------------------------


def test_what_is_written_is_read_back(versions: VersionFiles, two: tuple[Version, Version]) -> None:
    stems = [version.stem for version in two]
    assert [versions.read(stem) for stem in stems] == list(two)
    assert dict(versions.read_many(stems)) == dict(zip(stems, two, strict=True))
    assert dict(versions.raw_many(stems)) == {version.stem: version.raw for version in two}
    assert versions.stems() == set(stems)


def test_names_say_nothing_but_the_id_and_the_hash(layout: Layout, two: tuple[Version, Version]) -> None:
    names = os.listdir(layout.memories)
    assert all(re.fullmatch(r"[a-z2-7]{26}\.[0-9a-f]{32}\.json\.enc", name) for name in names)
    contents = b"".join((layout.memories / name).read_bytes() for name in names)
    assert b"the one" not in contents
    assert b"content" not in contents


def test_writing_again_changes_nothing_that_is_read(versions: VersionFiles, two: tuple[Version, Version]) -> None:
    assert versions.write(two) == 2
    assert versions.read(two[0].stem) == two[0]
    assert len(versions.stems()) == 2


def test_a_batch_is_counted_and_leaves_no_temporaries(versions: VersionFiles, layout: Layout) -> None:
    assert versions.write(a_version(str(n)) for n in range(50)) == 50
    assert len(os.listdir(layout.memories)) == len(versions.stems()) == 50
    assert versions.write([]) == 0


def test_a_version_of_a_mebibyte_makes_the_round_trip(versions: VersionFiles) -> None:
    large = a_version("\x00" * (1 << 20))
    versions.write([large])
    assert versions.read(large.stem) == large


def test_a_failed_write_leaves_what_was_there(
    versions: VersionFiles, layout: Layout, two: tuple[Version, Version], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in layout.memories.iterdir()}

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    for call in ("write", "fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail)
            with pytest.raises(CannotWrite, match="full"):
                versions.write([a_version("new")])
        assert {path.name: path.read_bytes() for path in layout.memories.iterdir()} == before


# -- tampered with ---------------------------------------------------------------------------------------------------


def test_any_flipped_byte_is_damage(versions: VersionFiles, layout: Layout, two: tuple[Version, Version]) -> None:
    path = layout.version(two[0].stem)
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        assert refused(versions, two[0].stem)
    path.write_bytes(whole)
    assert versions.read(two[0].stem) == two[0]


def test_any_truncation_and_anything_appended_is_damage(
    versions: VersionFiles, layout: Layout, two: tuple[Version, Version]
) -> None:
    path = layout.version(two[0].stem)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert refused(versions, two[0].stem)
    for more in (b"\0", b"x" * 64, whole):
        path.write_bytes(whole + more)
        assert refused(versions, two[0].stem)


def test_a_missing_file_is_damage(versions: VersionFiles, layout: Layout, two: tuple[Version, Version]) -> None:
    layout.version(two[0].stem).unlink()
    assert refused(versions, two[0].stem)
    assert versions.read(two[1].stem) == two[1]


def test_swapped_files_are_damage_both(versions: VersionFiles, layout: Layout, two: tuple[Version, Version]) -> None:
    one, other = (layout.version(version.stem) for version in two)
    one.rename(one.with_name("aside"))
    other.rename(one)
    one.with_name("aside").rename(other)
    assert refused(versions, two[0].stem)
    assert refused(versions, two[1].stem)


@pytest.mark.parametrize(
    "renamed",
    [
        lambda one, other: f"{other.id}.{one.hash[:32]}",
        lambda one, other: f"{one.id}.{other.hash[:32]}",
        lambda one, other: f"{one.id}.{one.hash[32:]}",
        lambda one, other: f"{one.id[1:]}a.{one.hash[:32]}",
        lambda one, other: f"{one.id}.{'0' * 32}",
    ],
    ids=["to another memory", "to another version", "to the rest of its hash", "to another id", "to another hash"],
)
def test_a_renamed_file_is_damage(
    versions: VersionFiles,
    layout: Layout,
    two: tuple[Version, Version],
    renamed: Callable[[Version, Version], str],
) -> None:
    stem = renamed(*two)
    shutil.copy(layout.version(two[0].stem), layout.version(stem))
    assert refused(versions, stem)
    assert versions.read(two[0].stem) == two[0]


def test_a_version_sealed_under_another_name_than_it_says_is_damage(
    versions: VersionFiles, layout: Layout, keys: Keys, two: tuple[Version, Version]
) -> None:
    """Even one who holds the key cannot put a version under another's name, or under a hash that is not its own."""
    one, other = two
    for stem, raw in (
        (f"{other.id}.{one.hash[:32]}", one.raw),
        (f"{one.id}.{other.hash[:32]}", one.raw),
        (one.stem, one.raw + b" "),
        (one.stem, one.raw.replace(b"the one", b"The one")),
    ):
        path = layout.version(stem)
        path.write_bytes(seal(keys, Purpose.VERSION, (stem.encode(),), raw))
        with pytest.raises(Damaged):
            versions.read(stem)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"7", b'"text"', b"null", b"{}", b'{"id":7}', b"\xff"])
def test_what_is_sealed_and_no_version_is_damage(
    versions: VersionFiles, layout: Layout, keys: Keys, raw: bytes
) -> None:
    stem = f"{'a' * 26}.{hashlib.sha256(raw).hexdigest()[:32]}"
    layout.version(stem).write_bytes(seal(keys, Purpose.VERSION, (stem.encode(),), raw))
    with pytest.raises(Damaged):
        versions.read(stem)
    [(_, many)] = versions.read_many([stem])
    assert isinstance(many, Damaged)


def test_files_of_another_vault_purpose_or_later_epoch_are_damage(
    versions: VersionFiles, layout: Layout, keys: Keys, two: tuple[Version, Version]
) -> None:
    one = two[0]
    context = (one.stem.encode(),)
    for sealed in (
        seal(new_keys(), Purpose.VERSION, context, one.raw),
        seal(keys, Purpose.CONFLICT, context, one.raw),
        seal(keys, Purpose.VERSION, (), one.raw),
        seal(next_epoch(keys), Purpose.VERSION, context, one.raw),
        one.raw,
    ):
        layout.version(one.stem).write_bytes(sealed)
        assert refused(versions, one.stem)


@pytest.mark.parametrize("plant", ["symlink", "fifo", "folder"])
def test_what_is_planted_under_a_versions_name_is_damage(
    versions: VersionFiles, layout: Layout, two: tuple[Version, Version], plant: str
) -> None:
    path = layout.version(two[0].stem)
    path.rename(layout.home / "aside")
    if plant == "symlink":
        path.symlink_to(layout.home / "aside")
    elif plant == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    with within(5):
        assert refused(versions, two[0].stem)


def test_one_bad_file_among_many_does_not_hide_the_others(
    versions: VersionFiles, layout: Layout, two: tuple[Version, Version]
) -> None:
    layout.version(two[0].stem).write_bytes(b"junk")
    found = dict(versions.read_many([version.stem for version in two]))
    assert isinstance(found[two[0].stem], Damaged)
    assert found[two[1].stem] == two[1]


def test_a_memories_folder_that_is_gone_is_said_to_be(
    versions: VersionFiles, layout: Layout, two: tuple[Version, Version]
) -> None:
    shutil.rmtree(layout.memories)
    assert versions.stems() == set()
    with pytest.raises(CannotRead):
        list(versions.read_many([two[0].stem]))


# -- names -----------------------------------------------------------------------------------------------------------

HOSTILE = [
    "",
    "..",
    "../../../etc/passwd",
    "a" * 26,
    f"{'a' * 26}.{'0' * 31}",
    f"{'a' * 26}.{'0' * 33}",
    f"{'a' * 26}.{'0' * 32}\n",
    f"{'A' * 26}.{'0' * 32}",
    f"{'a' * 26}.{'G' * 32}",
    f"../{'a' * 23}.{'0' * 32}",
    f"{'a' * 26}.{'0' * 32}/..",
    f"{'a' * 26}\0.{'0' * 31}",
    f"{'é' * 26}.{'0' * 32}",
]


@pytest.mark.parametrize("stem", HOSTILE, ids=ascii)
def test_what_is_no_versions_name_names_no_file(layout: Layout, versions: VersionFiles, stem: str) -> None:
    assert not is_stem(stem)
    for attempt in (layout.version, versions.read, versions.quarantine, lambda stem: versions.remove([stem])):
        with pytest.raises(Damaged):
            attempt(stem)


def test_strays_are_told_apart_and_left_alone(
    versions: VersionFiles, layout: Layout, two: tuple[Version, Version]
) -> None:
    for name in ("README", f"{two[0].stem}.json", f"{two[0].stem}.json.enc.bak", f"x{VERSION_SUFFIX}", ".tmp-half"):
        (layout.memories / name).write_bytes(b"mine")
    assert versions.stems() == {version.stem for version in two}
    assert versions.strays() == sorted(
        ["README", f"{two[0].stem}.json", f"{two[0].stem}.json.enc.bak", f"x{VERSION_SUFFIX}"]
    )


# -- removing, setting aside, sealing anew ---------------------------------------------------------------------------


def test_removed_versions_are_gone(versions: VersionFiles, layout: Layout, two: tuple[Version, Version]) -> None:
    assert versions.remove([two[0].stem, a_version("never written").stem]) == 1
    assert versions.stems() == {two[1].stem}


def test_a_version_set_aside_keeps_its_bytes(
    versions: VersionFiles, layout: Layout, two: tuple[Version, Version]
) -> None:
    before = layout.version(two[0].stem).read_bytes()
    target = versions.quarantine(two[0].stem)
    assert (target.parent, target.read_bytes()) == (layout.quarantine, before)
    assert versions.stems() == {two[1].stem}


def test_sealing_anew_moves_versions_to_the_newest_epoch_once(
    versions: VersionFiles, layout: Layout, keys: Keys, two: tuple[Version, Version]
) -> None:
    renewed = VersionFiles(layout, next_epoch(keys))
    stems = [version.stem for version in two]
    assert renewed.reseal(stems, keys) == []
    contents = [layout.version(stem).read_bytes() for stem in stems]
    assert {content[5:9] for content in contents} == {bytes([0, 0, 0, 2])}
    assert [renewed.read(stem) for stem in stems] == list(two)
    assert all(refused(versions, stem) for stem in stems)
    assert renewed.reseal(stems, keys) == []
    assert [layout.version(stem).read_bytes() for stem in stems] == contents


def test_sealing_anew_moves_versions_to_another_vault(layout: Layout, keys: Keys, two: tuple[Version, Version]) -> None:
    moved = VersionFiles(layout, new_keys())
    assert moved.reseal([version.stem for version in two], keys) == []
    assert [moved.read(version.stem) for version in two] == list(two)


def test_sealing_anew_names_what_does_not_open_and_leaves_it(
    layout: Layout, keys: Keys, two: tuple[Version, Version]
) -> None:
    renewed = VersionFiles(layout, next_epoch(keys))
    path = layout.version(two[0].stem)
    for content in (path.read_bytes()[:-1], b"junk", b"", layout.version(two[1].stem).read_bytes()):
        path.write_bytes(content)
        assert renewed.reseal([two[0].stem, two[1].stem], keys) == [two[0].stem]
        assert path.read_bytes() == content
    path.unlink()
    assert renewed.reseal([two[0].stem], keys) == [two[0].stem]
    assert renewed.read(two[1].stem) == two[1]


def test_sealing_anew_goes_on_where_it_was_broken_off(versions: VersionFiles, layout: Layout, keys: Keys) -> None:
    many = [a_version(str(n)) for n in range(20)]
    versions.write(many)
    renewed = VersionFiles(layout, next_epoch(keys))
    renewed.reseal([version.stem for version in many[:7]], keys)
    assert renewed.reseal([version.stem for version in many], keys) == []
    assert [renewed.read(version.stem) for version in many] == many


def test_every_version_is_private(versions: VersionFiles, layout: Layout, two: tuple[Version, Version]) -> None:
    paths: list[Path] = [layout.version(version.stem) for version in two]
    assert {oct(path.stat().st_mode & 0o777) for path in paths} == {"0o600"}
