"""What other programs leave in a folder is known by its name; what is ours, or nobody's, is not taken for it."""

from __future__ import annotations

import pytest

from ghostie.sync.litter import in_words, is_litter, sorted_out
from ghostie.sync.segment import SegmentName, key_name

SEGMENT = SegmentName("0123456789abcdef", 1, 2, "fedcba9876543210").key
KEY = key_name("0123456789abcdef" * 2)
FOLDER = "ghostie/0123456789abcdef/memories"

LITTER = [
    f"{FOLDER}/Thumbs.db",
    f"{FOLDER}/desktop.ini",
    f"{FOLDER}/Icon\r",
    f"{FOLDER}/~syncthing~1-2.fedcba9876543210.seg.tmp",
    f"{SEGMENT}.part",
    f"{SEGMENT}.filepart",
    f"{SEGMENT}.icloud",
    f"{SEGMENT}.crdownload",
    f"{SEGMENT}.!sync",
    f"{SEGMENT}~",
    f"{FOLDER}/1-2.fedcba9876543210.sync-conflict-20260407-143912-ABCDEFG.seg",
    f"{FOLDER}/1-2.fedcba9876543210 (1).seg",
    f"{FOLDER}/1-2.fedcba9876543210 (Anna's conflicted copy 2026-04-07).seg",
    f"{FOLDER}/1-2.fedcba9876543210_conflict-20260407-120000.seg",
    f"{FOLDER}/1-2.fedcba9876543210-DESKTOP.seg",
    f"{FOLDER}/1-2.fedcba9876543210.seg.conflict1",
    f"{FOLDER}/Copy of 1-2.fedcba9876543210.seg",
    f"{KEY[:-4]}.sync-conflict-20260407-143912-ABCDEFG.key",
    f"{KEY[:-4]} (1).key",
    "ghostie/@eaDir/x",
    f"{FOLDER}/@eaDir/1-2.fedcba9876543210.seg/SYNO@.fileindexdb",
    "ghostie/#recycle/a",
    "ghostie/lost+found/1",
]
OTHERS = [
    "ghostie/readme.txt",
    f"{FOLDER}/1-2.seg",
    f"{FOLDER}/2-1.fedcba9876543210.seg",
    f"{FOLDER}/1-2.FEDCBA.seg",
    "ghostie/global/keys/master.key",
    "ghostie/eaDir/x",
]


@pytest.mark.parametrize("key", LITTER)
def test_what_other_programs_leave_is_litter(key: str) -> None:
    assert is_litter(key)
    assert SegmentName.parse(key) is None


@pytest.mark.parametrize("key", OTHERS)
def test_what_nobody_is_known_to_leave_is_not(key: str) -> None:
    assert not is_litter(key)


def test_it_is_said_in_a_few_names() -> None:
    litter, others = sorted_out([*LITTER, *OTHERS])
    assert (litter, others) == (LITTER, OTHERS)
    assert in_words(["a/Thumbs.db", "b/Thumbs.db"]) == "Thumbs.db"
    assert in_words([f"{n}.part" for n in range(5)]) == "0.part, 1.part, 2.part and 2 more"
