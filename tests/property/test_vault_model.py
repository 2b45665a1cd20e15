"""A vault against a dictionary: whatever is done to it, and to its caches, it shows what the dictionary holds."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ghostie.errors import ChangedSince, NothingToUndo, NotRemoved, UnknownVersion
from ghostie.memory import derived_id
from ghostie.vault.vault import Vault

from ..vault.house import KEYS, Clock, contents, new_vault, picture, rebuilt, salts
from .peers import laws

WORDS = st.sampled_from(["alpha", "beta", "gamma", "delta", "NUL \0", "two\nlines", "émigré", "\x1b[31m"])
WHICH = st.integers(0, 1000)
PLACES = st.integers(0, 100_000)
CACHES = st.sampled_from(["index_snapshot", "index_journal", "search"])

Saying = str | None  # what a memory says; None: it is not there


@dataclass
class Operation:
    """What one command did: memory → what it said before and after; and what of these was purged since."""

    changes: Mapping[str, tuple[Saying, Saying]]
    purged: set[str] = field(default_factory=set)


class VaultAgainstDictionary(RuleBasedStateMachine):
    """Two openings of one vault, used in turn, and the dictionary that says what both must show."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = Clock()
        self.vaults: list[Vault] = []
        self.lines: dict[str, list[Saying]] = {}  # every memory's versions, oldest first
        self.done: list[Operation] = []
        self.undone: list[Operation] = []
        self.salt = salts("model")
        self.ids = (derived_id(b"%d" % number) for number in count())

    def teardown(self) -> None:
        for vault in self.vaults:
            vault.close()
        shutil.rmtree(self.folder)

    @initialize()
    def make(self) -> None:
        self.vaults.append(new_vault(self.folder / "home", clock=self.clock))
        self.vaults = [self.opened(), self.opened()]

    def opened(self) -> Vault:
        first = self.vaults[0]
        return Vault(first.layout, KEYS, first.device, clock=self.clock, new_id=lambda: next(self.ids), salt=self.salt)

    @property
    def vault(self) -> Vault:
        self.vaults.reverse()
        return self.vaults[0]

    def pick(self, which: int, removed: bool = False) -> str | None:
        ids = [each for each, line in sorted(self.lines.items()) if (line[-1] is None) == removed]
        return ids[which % len(ids)] if ids else None

    def did(self, changes: Mapping[str, tuple[Saying, Saying]]) -> None:
        for memory_id, (_, after) in changes.items():
            self.lines.setdefault(memory_id, []).append(after)
        self.done.append(Operation(changes))
        self.undone.clear()

    # -- what a person does ------------------------------------------------------------------------------------------

    @rule(word=WORDS)
    def add(self, word: str) -> None:
        self.did({self.vault.add(word).id: (None, word)})

    @rule(which=WHICH, word=WORDS)
    def edit(self, which: int, word: str) -> None:
        if memory_id := self.pick(which):
            before = self.lines[memory_id][-1]
            self.vault.edit(memory_id, {"content": word})
            if word != before:
                self.did({memory_id: (before, word)})

    @rule(which=WHICH, word=WORDS)
    def edit_what_is_removed(self, which: int, word: str) -> None:
        if memory_id := self.pick(which, removed=True):
            self.vault.edit(memory_id, {"content": word})
            self.did({memory_id: (None, word)})

    @rule(word=WORDS)
    def edit_everything(self, word: str) -> None:
        ids = [memory_id for memory_id, line in self.lines.items() if line[-1] is not None]
        self.vault.edit_all(ids, lambda version: {"content": word})
        if changed := {each: (self.lines[each][-1], word) for each in ids if self.lines[each][-1] != word}:
            self.did(changed)

    @rule(one=WHICH, other=WHICH)
    def remove(self, one: int, other: int) -> None:
        ids = {memory_id for which in (one, other) if (memory_id := self.pick(which))}
        self.vault.remove(sorted(ids))
        if ids:
            self.did({memory_id: (self.lines[memory_id][-1], None) for memory_id in ids})

    @rule(which=WHICH)
    def restore(self, which: int) -> None:
        memory_id = self.pick(which, removed=True)
        if memory_id is None:
            return
        said = [word for word in self.lines[memory_id] if word is not None]
        if not said:
            with pytest.raises(UnknownVersion):
                self.vault.restore(memory_id)
            return
        self.vault.restore(memory_id)
        self.did({memory_id: (None, said[-1])})

    @rule(which=WHICH)
    def restore_what_is_there(self, which: int) -> None:
        if memory_id := self.pick(which):
            with pytest.raises(NotRemoved):
                self.vault.restore(memory_id)

    @rule(which=WHICH)
    def purge(self, which: int) -> None:
        if memory_id := self.pick(which):
            self.vault.purge([memory_id])
            self.lines[memory_id] = [None]
            for operation in self.done:
                operation.purged |= {memory_id} & operation.changes.keys()
            self.done = [each for each in self.done if each.purged != each.changes.keys()]
            self.undone.clear()

    @rule()
    def undo(self) -> None:
        self._put_back(self.done, self.undone, redo=False)

    @rule()
    def redo(self) -> None:
        self._put_back(self.undone, self.done, redo=True)

    def _put_back(self, source: list[Operation], target: list[Operation], redo: bool) -> None:
        if not source:
            with pytest.raises(NothingToUndo):
                self.vault.undo(redo=redo)
            return
        if source[-1].purged:
            with pytest.raises(ChangedSince):
                self.vault.undo(redo=redo)
            return
        self.vault.undo(redo=redo)
        operation = source.pop()
        target.append(operation)
        for memory_id, (before, after) in operation.changes.items():
            self.lines[memory_id].append(after if redo else before)

    # -- what happens to it ------------------------------------------------------------------------------------------

    @rule()
    def reopen(self) -> None:
        self.vaults[1].close()
        self.vaults[1] = self.opened()

    @rule()
    def delete_the_index(self) -> None:
        for path in self.vaults[0].layout.index.iterdir():
            path.unlink()

    @rule(cache=CACHES, place=PLACES, bit=st.integers(0, 7))
    def flip_a_bit(self, cache: str, place: int, bit: int) -> None:
        path: Path = getattr(self.vaults[0].layout, cache)
        with contextlib.suppress(FileNotFoundError):
            raw = bytearray(path.read_bytes())
            if raw:
                raw[place % len(raw)] ^= 1 << bit
                path.write_bytes(bytes(raw))

    @rule(cache=CACHES, length=PLACES)
    def cut_short(self, cache: str, length: int) -> None:
        path: Path = getattr(self.vaults[0].layout, cache)
        with contextlib.suppress(FileNotFoundError):
            raw = path.read_bytes()
            path.write_bytes(raw[: length % (len(raw) + 1)])

    @rule()
    def fold(self) -> None:
        vault = self.vault
        with vault.writing():
            vault.index.load()
            vault.index.save()

    @precondition(lambda self: len(self.lines) > 0)
    @rule(word=WORDS)
    def search(self, word: str) -> None:
        vault = self.vault
        vault.refresh()
        first = word.split(maxsplit=1)[0].strip("\x1b[")
        found = {hit.id for hit in vault.search(f'"{first}"', limit=1000)}
        assert {each for each, line in self.lines.items() if line[-1] == word} <= found
        assert found <= {each for each, line in self.lines.items() if line[-1] is not None}

    # -- what always holds -------------------------------------------------------------------------------------------

    @invariant()
    def both_show_what_the_dictionary_holds(self) -> None:
        expected = {memory_id: line[-1] for memory_id, line in self.lines.items() if line[-1] is not None}
        for vault in self.vaults:
            assert contents(vault) == expected
            assert not vault.index.damaged
        if self.vaults:
            assert picture(self.vaults[0]) == rebuilt(self.vaults[0])

    @invariant()
    def every_version_is_still_there(self) -> None:
        if self.vaults:
            index = self.vaults[0].index
            counted = {entry.id: len(entry.versions) for entry in index.entries()}
            assert counted == {memory_id: len(line) for memory_id, line in self.lines.items()}


def test_a_vault_shows_what_a_dictionary_would_whatever_happens_to_its_caches() -> None:
    run_state_machine_as_test(VaultAgainstDictionary, settings=laws(60, stateful_step_count=30))
