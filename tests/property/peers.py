"""Histories that devices could have made: pure, so that thousands of them take seconds."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st

from ghostie.memory import Version, derived_id, make_version, said, stamp
from ghostie.vault import merge

from ..vault.house import START
from . import rules_0_1

LINES = ("one", "two", "three", "four", "five")
MEMORIES = tuple(derived_id(b"memory %d" % number) for number in range(3))


def laws(examples: int, **more: Any) -> settings:
    """Return settings under which a run is the same every time."""
    return settings(max_examples=examples, derandomize=True, deadline=None, database=None, **more)


@dataclass
class Peer:
    """A device as far as merging goes: the versions that it has, by memory and hash."""

    name: str = "peer"
    families: dict[str, dict[str, Version]] = field(default_factory=dict)
    old: bool = False  # whether it merges by the rules of version 0.1

    def all(self) -> dict[str, Version]:
        return {digest: version for family in self.families.values() for digest, version in family.items()}

    def heads(self) -> dict[str, list[str]]:
        return {memory_id: self.heads_of(memory_id) for memory_id in self.families}

    def heads_of(self, memory_id: str) -> list[str]:
        family = self.families.get(memory_id, {})
        raw = merge.raw_heads(family)
        return merge.collapse((digest, family[digest].say()) for digest in raw)

    def tips_of(self, memory_id: str) -> list[Version]:
        family = self.families.get(memory_id, {})
        return [family[tip] for tip in merge.raw_heads(family)]

    def take(self, versions: Iterable[Version]) -> None:
        """Take versions in, as a vault does: settle what came, then destroy what markers name."""
        touched = set()
        for version in versions:
            family = self.families.setdefault(version.id, {})
            if not any(version.hash in each.purges for each in family.values()):
                family[version.hash] = version
                touched.add(version.id)
        for memory_id in touched:
            family = self.families[memory_id]
            family.update((version.hash, version) for version in self.settled(family).added)
            for doomed in {digest for version in family.values() for digest in version.purges}:
                family.pop(doomed, None)

    def settled(self, family: dict[str, Version]) -> merge.Settled:
        with pytest.MonkeyPatch.context() as patch:
            if self.old:
                patch.setattr(merge, "merge_heads", rules_0_1.merge_heads)
            return merge.settle(family)

    def make(self, memory_id: str, fields: dict[str, Any], now: int, **sync: Any) -> None:
        """Add a version upon all that this device knows of a memory."""
        tips = self.tips_of(memory_id)
        version = make_version(
            {**fields, "id": memory_id},
            {
                "version": max((tip.number for tip in tips), default=0) + 1,
                "parents": sorted(tip.hash for tip in tips),
                "last_modified": stamp(max([START + now, *(tip.modified + 1 for tip in tips)])),
                "device": self.name,
                **sync,
            },
        )
        self.take([version])

    def act(self, memory_id: str, action: str, detail: int, now: int) -> None:
        """Do one thing that a person could do."""
        family = self.families.get(memory_id, {})
        heads = self.heads_of(memory_id)
        shown = family[heads[0]] if heads else None
        if shown is None:
            if action != "absent":
                self.make(memory_id, {"content": "\n".join(LINES), "tags": ["t"], "context": {"k": 0}}, now)
            return
        fields: dict[str, Any] = {"content": "\n".join(LINES), **said(shown)}
        if action == "line":
            lines = fields["content"].split("\n")
            lines[detail % len(lines)] = f"{self.name} {now}"
            fields["content"] = "\n".join(lines)
        elif action == "tag":
            fields["tags"] = sorted(set(fields.get("tags", [])) ^ {f"t{detail % 3}"})
        elif action == "context":
            fields["context"] = {**fields.get("context", {}), f"k{detail % 2}": detail}
        elif action == "word":
            fields["category"] = f"c{detail % 3}"
        elif action == "revert":
            old = family[sorted(family)[detail % len(family)]]
            self.make(memory_id, said(old), now, deleted=old.deleted)
            return
        elif action == "remove":
            self.make(memory_id, {}, now, deleted=True)
            return
        elif action == "purge":
            doomed = {digest for version in family.values() for digest in version.purges} | family.keys()
            self.make(memory_id, {}, now, deleted=True, purges=sorted(doomed))
            return
        self.make(memory_id, fields, now)


Step = tuple[int, int, str, int]
ACTIONS = ("line", "line", "tag", "context", "word", "revert", "remove", "send", "send", "send")


def steps(actions: Iterable[str] = ACTIONS, most: int = 16) -> st.SearchStrategy[list[Step]]:
    """Return histories: who, which memory, what, and a number that says more."""
    return st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 2), st.sampled_from(tuple(actions)), st.integers(0, 30)),
        min_size=2,
        max_size=most,
    )


def lived(history: Iterable[Step], memories: int = 2, old: Container[str] = ()) -> list[Peer]:
    """Return three devices after a *history*; all begin with the same memories. Those named *old* have version 0.1."""
    peers = [Peer(name, old=name in old) for name in ("ann", "bob", "cyd")]
    for number in range(memories):
        peers[0].act(MEMORIES[number], "begin", 0, 0)
    for peer in peers[1:]:
        peer.take(peers[0].all().values())
    for now, (who, which, action, detail) in enumerate(history, 1):
        peer = peers[who]
        if action == "send":
            # not all of it: versions travel in the logs of whoever made them, and one log may be late
            parcel = [version for digest, version in peer.all().items() if int(digest[:2], 16) % 4 or detail % 2]
            peers[(who + 1 + detail // 2 % 2) % 3].take(parcel)
        else:
            peer.act(MEMORIES[which], action, detail, now)
    return peers


def union(peers: Iterable[Peer]) -> dict[str, Version]:
    found: dict[str, Version] = {}
    for peer in peers:
        found |= peer.all()
    return found


def made_last(versions: dict[str, Version]) -> list[Version]:
    """Return what people made last of all: nobody who knew of it made anything since."""
    by_people = {digest: version for digest, version in versions.items() if "merge" not in version.sync}
    known = {older for digest in by_people for older in merge.ancestry(versions, digest) - {digest}}
    return [versions[digest] for digest in sorted(by_people.keys() - known - destroyed(versions.values()))]


def newest_words(versions: dict[str, Version]) -> dict[str, set[str]]:
    """Return, by memory, the lines that somebody wrote last of all: nobody who knew of them wrote anything since."""
    found: dict[str, set[str]] = {}
    for version in made_last(versions):
        before = {line for parent in version.parents if parent in versions for line in lines_of(versions[parent])}
        found.setdefault(version.id, set()).update(lines_of(version) - before - {"", *LINES})
    return found


def lines_of(version: Version) -> set[str]:
    return set(str(version.field("content")).split("\n"))


def destroyed(versions: Iterable[Version]) -> set[str]:
    return {digest for version in versions for digest in version.purges}
