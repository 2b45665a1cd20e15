from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ghostie.errors import AmbiguousId, GhostieError, UnknownMemory, UsageError
from ghostie.memory import stamp
from ghostie.vault.query import Filter, moment
from ghostie.vault.vault import Vault

from .house import KEYS, START, Clock, new_vault

pytestmark = pytest.mark.versions

HOSTILE = [
    "",
    " ",
    ".",
    "..",
    "../../etc",
    "/etc/passwd",
    "~",
    "a" * 1000,
    "a" * 27,
    "\0",
    "abc\0def",
    "*",
    "%s",
    "{prefix}",
    "\x1b[2J",
    "[red]",
    "\ud800",
    "ａ",
    "İ",
    "0189",
    "-rf",
]


@pytest.fixture
def numbered(tmp_path: Path) -> Iterator[Vault]:
    """A vault whose ids are known: two that begin alike, and one that does not."""
    vault = new_vault(tmp_path / "numbered")
    ids = iter(["abc" + "a" * 23, "abc" + "b" * 23, "xyz" + "c" * 23])
    vault._new_id = lambda: next(ids)
    for word in ("one", "two", "three"):
        vault.add(word)
    vault.refresh()
    yield vault
    vault.close()


def test_any_unambiguous_beginning_of_an_id_names_its_memory(numbered: Vault) -> None:
    assert numbered.shown(numbered.find("x")).field("content") == "three"
    assert numbered.shown(numbered.find("ABCB")).field("content") == "two"
    assert numbered.shown(numbered.find("abc" + "a" * 23)).field("content") == "one"


def test_a_beginning_that_two_ids_share_names_neither_and_says_how_to_go_on(numbered: Vault) -> None:
    with pytest.raises(AmbiguousId) as refusal:
        numbered.find("abc")
    assert refusal.value.facts["count"] == 2
    assert "abcaaaa" in str(refusal.value.way_out())


@pytest.mark.parametrize("prefix", HOSTILE)
def test_a_hostile_id_names_no_memory_and_touches_no_file(numbered: Vault, prefix: str) -> None:
    before = sorted(numbered.layout.home.rglob("*"))
    attempts: list[Callable[[], object]] = [
        lambda: numbered.find(prefix),
        lambda: numbered.edit(prefix, {"content": "x"}),
        lambda: numbered.remove([prefix]),
        lambda: numbered.restore(prefix),
        lambda: numbered.purge([prefix]),
    ]
    for attempt in attempts:
        with pytest.raises(UnknownMemory) as refusal:
            attempt()
        assert len(str(refusal.value)) < 300
    assert sorted(numbered.layout.home.rglob("*")) == before
    assert len(numbered.files.stems()) == 3


@pytest.mark.parametrize("base", ["", "0" * 64, "../../etc", "\0", "f" * 10_000])
def test_a_hostile_base_is_refused_cleanly(numbered: Vault, base: str) -> None:
    with pytest.raises(GhostieError):
        numbered.edit("xyz", {"content": "x"}, base=base)
    assert len(numbered.files.stems()) == 3


# -- filters ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def varied(vault: Vault) -> Vault:
    vault.add("a", category="network", tags=["lan", "nas"], timestamp=stamp(START))
    vault.add("b", category="network", tags=["lan"], kind="event", timestamp=stamp(START + 1000))
    vault.add("c", tags=["nas"], status="inbox", device_id="phone", timestamp=stamp(START + 2000))
    vault.remove([vault.add("d", category="network", timestamp=stamp(START + 3000)).id])
    vault.refresh()
    return vault


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(), "cba"),
        (Filter(category="network"), "ba"),
        (Filter(tags=("lan",)), "ba"),
        (Filter(tags=("lan", "nas")), "a"),
        (Filter(kind="event"), "b"),
        (Filter(kind="memory"), "ca"),
        (Filter(status="inbox"), "c"),
        (Filter(status="active"), "ba"),
        (Filter(device="phone"), "c"),
        (Filter(since=START + 1000), "cb"),
        (Filter(until=START + 1000), "a"),
        (Filter(since=START + 1000, until=START + 2000), "b"),
        (Filter(category="network", tags=("nas",), since=START), "a"),
        (Filter(category="none"), ""),
    ],
)
def test_a_filter_selects_what_meets_all_its_conditions_newest_first(varied: Vault, wanted: Filter, found: str) -> None:
    assert "".join(str(varied.shown(entry).field("content")) for entry in varied.select(wanted)) == found


def test_removed_memories_are_selected_on_their_own(varied: Vault) -> None:
    (gone,) = varied.select(Filter(deleted=True))
    assert gone.deleted
    assert varied.select(Filter(deleted=True, since=START + 4000)) == []


def test_a_limit_takes_the_newest(varied: Vault) -> None:
    assert [entry.id for entry in varied.select(limit=2)] == [entry.id for entry in varied.select()[:2]]
    assert len(varied.select(limit=2)) == 2


@pytest.mark.parametrize(
    ("text", "back"),
    [
        ("90min", 90 * 60),
        ("12h", 12 * 3600),
        ("7d", 7 * 86_400),
        ("2w", 14 * 86_400),
        ("1mo", 30 * 86_400),
        ("1y", 365 * 86_400),
    ],
)
def test_a_span_means_that_long_ago(text: str, back: int) -> None:
    assert moment(text, START) == START - back * 1000


def test_a_moment_is_read_as_iso_and_without_a_zone_as_local() -> None:
    assert moment("2025-06-28T14:30:00Z", START) == 1_751_121_000_000
    assert moment("2025-06-28T16:30:00+02:00", START) == 1_751_121_000_000
    assert moment("today", START) <= START
    assert START - moment("today", START) < 26 * 3_600_000


@pytest.mark.parametrize("text", ["2025-06-28T24:00", "2025-06-28 24:00:00", "20250628T24", "2025-W26-6T24:00"])
def test_an_hour_24_is_none_under_any_python(text: str) -> None:
    with pytest.raises(UsageError, match="is not a time"):
        moment(text, START)
    assert moment(text.replace("24", "23", 1), START)


@pytest.mark.parametrize(
    "text", ["", "soon", "7 parsecs", "-7d", "2025-13-01", "9" * 5000, "9" * 5000 + "d", "\0", "٧d٧", "0001-01-01"]
)
def test_what_is_no_moment_is_said_so_or_read_never_a_crash(text: str) -> None:
    try:
        assert isinstance(moment(text, START), int)
    except UsageError as refusal:
        assert len(str(refusal)) < 100


# -- who we are ------------------------------------------------------------------------------------------------------


def test_keys_of_another_vault_open_nothing_of_this_one(vault: Vault, tmp_path: Path) -> None:
    from ghostie.crypto import keys as keyring

    vault.add("secret")
    stranger = Vault(vault.layout, keyring.first_epoch(b"s" * 32), vault.device)
    stranger.index.load()
    assert len(stranger.index) == 0
    assert set(stranger.index.damaged) == vault.files.stems()


def test_a_lost_device_file_makes_a_new_writer(vault: Vault) -> None:
    from ghostie.vault.device import load_device

    assert load_device(vault.layout) == vault.device
    for ruin in (
        b"",
        b"{}",
        b'{"writer":"../../etc/passwd","name":"x"}',
        b'{"writer":"0011223344556677","name":"a\\nb"}',
        b"\xff",
    ):
        vault.layout.device.write_bytes(ruin)
        again = load_device(vault.layout)
        assert again.writer != vault.device.writer
        assert load_device(vault.layout) == again
    os.unlink(vault.layout.device)
    assert load_device(vault.layout).writer != vault.device.writer


def test_two_vaults_with_the_same_words_share_no_sealed_byte_stretch(tmp_path: Path) -> None:
    one = new_vault(tmp_path / "one", keys=KEYS, clock=Clock())
    other = new_vault(tmp_path / "other", keys=KEYS, clock=Clock())
    for vault in (one, other):
        vault._new_id = lambda: "a" * 26
        vault.add("the very same words")
    (mine,), (theirs,) = one.files.stems(), other.files.stems()
    assert mine.split(".")[0] == theirs.split(".")[0]
    left = (one.layout.memories / f"{mine}.json.enc").read_bytes()
    right = (other.layout.memories / f"{theirs}.json.enc").read_bytes()
    assert left[49:] != right[49:]
    assert left[25:49] != right[25:49]
