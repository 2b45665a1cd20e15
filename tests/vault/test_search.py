from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

import pytest

from ghostie.errors import CannotRead, Damaged
from ghostie.memory import Version
from ghostie.vault.search import CLOSING, OPENING, match_expression
from ghostie.vault.vault import Vault

from .house import made, plaintexts, reopened

pytestmark = pytest.mark.versions


def found(vault: Vault, query: str, **how: bool) -> list[str]:
    vault.refresh()
    return [str(vault.shown(vault.find(hit.id)).field("content")) for hit in vault.search(query, **how)]


def test_words_are_found_by_their_stem_whatever_their_case_and_accents(vault: Vault) -> None:
    vault.add("Routers were connecting to the café network")
    for query in ("router", "ROUTERS", "connected", "cafe", "CAFÉ", "networks connect"):
        assert len(found(vault, query)) == 1, query
    assert found(vault, "rout") == []


def test_quoted_words_are_a_phrase(vault: Vault) -> None:
    vault.add("the quick brown fox")
    vault.add("brown and quick")
    assert found(vault, '"quick brown"') == ["the quick brown fox"]
    assert len(found(vault, "quick brown")) == 2
    assert found(vault, '"brown fox" quick') == ["the quick brown fox"]


def test_a_star_finds_what_begins_so(vault: Vault) -> None:
    vault.add("topology of the network")
    assert found(vault, "topol*") == ["topology of the network"]
    assert found(vault, "topol") == []
    assert found(vault, "topol", prefix=True) == ["topology of the network"]
    assert found(vault, "network topol", prefix=True) == ["topology of the network"]


def test_all_words_must_be_there_unless_any_will_do(vault: Vault) -> None:
    vault.add("alpha beta")
    vault.add("beta gamma")
    assert found(vault, "alpha gamma") == []
    assert len(found(vault, "alpha gamma", every=False)) == 2


def test_what_fits_best_comes_first_with_its_words_marked(vault: Vault) -> None:
    vault.add("a long text that only mentions the router once among many other words about something else")
    best = vault.add("router router router")
    vault.refresh()
    hits = vault.search("router")
    assert hits[0].id == best.id
    assert hits[0].snippet.startswith(f"{OPENING}router{CLOSING}")
    assert len(vault.search("router", limit=1)) == 1


@pytest.mark.parametrize("query", ["networking", "lan", "10.0.0.7", "gateway", "vscode", "deepvalue", "42"])
def test_category_tags_context_and_source_are_searched(vault: Vault, query: str) -> None:
    vault.add(
        "plain words",
        category="networking",
        tags=["lan"],
        context={"gateway": {"address": "10.0.0.7", "list": ["deepvalue", 42, None]}},
        source={"tool": "vscode"},
    )
    vault.add("something else")
    assert found(vault, query) == ["plain words"]


def test_removed_memories_are_not_found_and_restored_ones_are(vault: Vault) -> None:
    memory = vault.add("fleeting")
    assert found(vault, "fleeting") == ["fleeting"]
    vault.remove([memory.id])
    assert found(vault, "fleeting") == []
    vault.restore(memory.id)
    assert found(vault, "fleeting") == ["fleeting"]


def test_only_the_newest_words_are_found(vault: Vault) -> None:
    memory = vault.add("before")
    assert found(vault, "before") == ["before"]
    vault.edit(memory.id, {"content": "after"})
    assert found(vault, "before") == []
    assert found(vault, "after") == ["after"]


HOSTILE = [
    "",
    " ",
    '"',
    '""',
    '"""',
    '"unfinished phrase',
    'a"b"c',
    "*",
    "**",
    "word**",
    "*word",
    "^word",
    "-word",
    "+word",
    "NOT word",
    "AND",
    "OR OR OR",
    "NEAR(word other, 5)",
    "NEAR/3",
    "content:word",
    "{content tags}: word",
    "(word",
    "word)",
    "((()))",
    "word AND (other OR",
    "'; DROP TABLE doc; --",
    "\0",
    "word\0other",
    '"word\0',
    "\0*",
    "\ud800",
    "word \udfff other",
    "wo\ud800rd",
    "\x1b[2J",
    "\x02word\x03",
    "_",
    "_ word",
    "٣",
    "日本語",
    "🙂",
    "e\u0301",
    "%",
    "\\",
    "word" * 10_000,
    "word " * 5_000,
    " ".join(f"w{number}" for number in range(3_000)),
    '"' + "word " * 3_000 + '"',
]


@pytest.mark.parametrize("query", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("every", [True, False])
@pytest.mark.parametrize("prefix", [True, False])
def test_nothing_that_a_person_types_is_syntax(vault: Vault, query: str, every: bool, prefix: bool) -> None:
    vault.add("one word and other things")
    vault.refresh()
    assert len(vault.search(query, every=every, prefix=prefix)) <= 1
    assert len(vault.search("word")) == 1


@pytest.mark.parametrize(
    "query", ["^word", "-word", "(word)", "content:word", "NEAR word", 'wo"rd', "word\0", "\x02word"]
)
def test_words_among_signs_are_still_found(vault: Vault, query: str) -> None:
    vault.add("near, content word; wo rd")
    vault.refresh()
    assert len(vault.search(query)) == 1


def test_without_a_word_there_is_nothing_to_look_for() -> None:
    assert match_expression(' * "" () - ') is None


# -- kept, caught up, made anew --------------------------------------------------------------------------------------


class Spy:
    """Counts what is read."""

    def __init__(self, vault: Vault) -> None:
        self.read: list[str] = []
        self._inner = vault.files.read_many
        vault.files.read_many = self  # type: ignore[method-assign]

    def __call__(
        self, stems: Iterable[str], unread: list[CannotRead] | None = None
    ) -> Iterator[tuple[str, Version | Damaged]]:
        wanted = list(stems)
        self.read += wanted
        return self._inner(wanted, unread)


def test_after_an_add_only_what_is_new_is_read(vault: Vault) -> None:
    for number in range(100):
        vault.add(f"memory {number}")
    assert len(found(vault, "memory")) == 20
    new = vault.add("memory of today")
    vault.refresh()
    spy = Spy(vault)
    assert len(vault.search("today")) == 1
    assert spy.read == [new.stem]
    assert len(vault.search("today")) == 1
    assert spy.read == [new.stem]


def test_the_next_process_reads_only_what_changed_since_the_index_was_kept(vault: Vault) -> None:
    memories = [vault.add(f"memory {number}") for number in range(100)]
    found(vault, "memory")
    assert vault.layout.search.exists()
    edit = vault.edit(memories[5].id, {"content": "changed"})
    vault.remove([memories[6].id])
    other = reopened(vault)
    spy = Spy(other)
    assert len(other.search("memory", limit=200)) == 98
    assert spy.read == [edit.stem]


@pytest.mark.parametrize("ruin", ["absent", "empty", "short", "flipped", "sealed elsewhere", "no database", "a folder"])
def test_a_ruined_search_file_is_made_anew_silently(vault: Vault, ruin: str) -> None:
    from ghostie.crypto.sealing import Purpose, seal

    vault.add("findable words")
    assert found(vault, "findable") == ["findable words"]
    path = vault.layout.search
    good = path.read_bytes()
    vault.close()
    path.unlink()
    if ruin == "empty":
        path.write_bytes(b"")
    elif ruin == "short":
        path.write_bytes(good[: len(good) // 2])
    elif ruin == "flipped":
        path.write_bytes(good[:-9] + bytes([good[-9] ^ 1]) + good[-8:])
    elif ruin == "sealed elsewhere":
        path.write_bytes(seal(vault.keys, Purpose.SEARCH, (b"elsewhere",), b"x"))
    elif ruin == "no database":
        path.write_bytes(seal(vault.keys, Purpose.SEARCH, (b"search",), b"these bytes are no database" * 400))
    elif ruin == "a folder":
        path.mkdir()
    other = reopened(vault)
    assert [hit.id for hit in other.search("findable")] == [hit.id for hit in vault.search("findable")]
    other.close()


def test_a_search_index_of_another_make_is_made_anew(vault: Vault) -> None:
    from ghostie.crypto.sealing import Purpose, seal

    vault.add("findable words")
    vault.refresh()
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE doc (whatever)")
    database.execute("PRAGMA user_version = 999")
    vault.layout.search.write_bytes(seal(vault.keys, Purpose.SEARCH, (b"search",), database.serialize()))
    database.close()
    assert len(vault.search("findable")) == 1


def test_a_damaged_version_is_left_out_and_the_others_are_found(vault: Vault) -> None:
    good, bad = vault.add("good words"), vault.add("bad words")
    vault.refresh()
    vault.layout.version(bad.stem).write_bytes(b"ruin")
    assert [hit.id for hit in vault.search("words")] == [good.id]


def test_words_with_signs_in_them_go_in_and_out_unharmed(vault: Vault) -> None:
    vault.take_in([made("s" * 26, content='NUL \0 and "quotes" and \x02marks\x03', context={"k\0": "v\0"})], "pull")
    vault.refresh()
    assert len(vault.search("quotes")) == 1
    assert "search" in plaintexts(vault)
