"""Runs one operation again and again, cut off at its first durable call, its second, … until it comes through whole.

A program of its own, so that it can fork: `python -m tests.crash.points OPERATION MODE FOLDER` prints one line of JSON
for every point, with all that was wrong there.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from ghostie.memory import Version, derived_id
from ghostie.paths import Layout
from ghostie.vault import conflicts
from ghostie.vault.device import Device
from ghostie.vault.vault import Vault

from ..vault.house import KEYS, Clock, every_version, made, new_vault, picture, rebuilt, salts, temporaries
from .cutting import Report, attempt, every_point
from .wires import Wires

NOW = 1_760_000_000_000
IDS = [derived_id(b"%d" % number) for number in range(12)]
NEW, BYSTANDER = derived_id(b"new"), derived_id(b"bystander")
ARRIVING = [derived_id(b"arriving %d" % number) for number in range(9)]

State = dict[str, list[tuple[str, bool]]]


def arrivals() -> list[Version]:
    """Return twenty versions: nine new memories, edits of theirs, a merge to be made, a removal and a purge."""
    firsts = [made(memory_id, content=f"arriving {memory_id}", at=NOW) for memory_id in ARRIVING]
    edits = [made(first.id, [first], content=f"edited {first.id}") for first in firsts[:6]]
    root = made(IDS[6], content="a\nb\nc\n")
    return [
        *firsts,
        *edits,
        made(IDS[6], [root], content="a\nb\nC\n", at=NOW),
        made(IDS[7], [made(IDS[7], content="seven")], deleted=True, at=NOW),
        made(
            IDS[8],
            [made(IDS[8], content="eight")],
            deleted=True,
            at=NOW,
            sync={"purges": [made(IDS[8], content="eight").hash]},
        ),
        made(IDS[9], [made(IDS[9], content="nine")], content="theirs", at=NOW),
        made(IDS[10], [made(IDS[10], content="ten")], content="ten, newer", at=NOW),
    ]


def furnish(vault: Vault) -> None:
    """Fill a vault with what every operation starts from."""
    for number in range(6):
        vault.add(f"memory {number}", tags=["kept"])
    vault.edit(IDS[0], {"content": "memory 0, edited"})
    vault.remove([IDS[1]])
    vault.take_in(
        [
            made(BYSTANDER, content="looks on"),
            made(IDS[6], content="a\nb\nc\n"),
            *(
                made(IDS[number], content=word)
                for number, word in ((7, "seven"), (8, "eight"), (9, "nine"), (10, "ten"))
            ),
        ],
        "pull",
    )
    vault.edit(IDS[6], {"content": "A\nb\nc\n"})
    vault.edit(IDS[9], {"content": "mine"})
    vault.refresh()
    vault.search("memory")
    vault.edit(IDS[2], {"content": "memory 2, edited last"})
    vault.close()


def base_of(vault: Vault, memory_id: str) -> str:
    rows = vault.find(memory_id).versions.values()
    return str(next(row["hash"] for row in rows if row["number"] == 1))


def stale_edit(vault: Vault) -> object:
    vault.refresh()
    return vault.edit(IDS[0], {"tags": ["kept", "new"]}, base=base_of(vault, IDS[0]))


def resolve(vault: Vault) -> object:
    return conflicts.resolve(vault, IDS[11], "both")


def conflicted(vault: Vault) -> None:
    root = made(IDS[11], content="p")
    vault.take_in([root, *(made(IDS[11], [root], content=word) for word in "ab")], "pull")


@dataclass(frozen=True)
class Operation:
    """What is done, what it may change, and whether doing it again after a cut ends where it would have ended."""

    act: Callable[[Vault], object]
    touches: tuple[str, ...]
    repeatable: bool = True
    prepare: Callable[[Vault], None] = lambda vault: None


OPERATIONS = {
    "add": Operation(lambda vault: vault.add("new words"), (NEW,), repeatable=False),
    "edit": Operation(lambda vault: vault.edit(IDS[0], {"content": "again"}), (IDS[0],)),
    "stale edit": Operation(stale_edit, (IDS[0],)),
    "edit_all": Operation(lambda vault: vault.edit_all(IDS[3:6], lambda each: {"content": "all"}), tuple(IDS[3:6])),
    "remove": Operation(lambda vault: vault.remove(IDS[2:4]), tuple(IDS[2:4])),
    "purge": Operation(lambda vault: vault.purge([IDS[0], IDS[2]]), (IDS[0], IDS[2])),
    "undo": Operation(lambda vault: vault.undo(), (IDS[2],), repeatable=False),
    "take_in": Operation(lambda vault: vault.take_in(arrivals(), "import"), (*ARRIVING, *IDS[6:11])),
    "resolve": Operation(resolve, (IDS[11],), repeatable=False, prepare=conflicted),
}


def opened(home: Path, ids: Iterator[str] | None = None) -> Vault:
    ids = ids or (derived_id(b"later %d" % number) for number in count())
    device = Device("0" * 16, "laptop")
    return Vault(
        Layout(home), KEYS, device, clock=Clock(NOW), new_id=lambda: next(ids), salt=salts("later"), patience=0.2
    )


def state(vault: Vault) -> State:
    """Return what every memory says, side by side where it is in conflict."""
    vault.refresh()
    found = {}
    for entry in vault.index.entries():
        heads = [vault.files.read(entry.stem(head)) for head in entry.heads]
        found[entry.id] = sorted((str(head.field("content")), head.deleted) for head in heads)
    return found


def template(home: Path, operation: Operation) -> None:
    vault = new_vault(home, clock=Clock(NOW - 1_000_000))
    ids = iter(IDS)
    vault._new_id = lambda: next(ids)
    furnish(vault)
    operation.prepare(vault)


@dataclass
class Ends:
    """What a whole run begins and ends with."""

    before: State
    after: State
    known: dict[str, Version]
    final: dict[str, Version]
    operations: list[str]


def ends_of(source: Path, work: Path, operation: Operation) -> Ends:
    vault = opened(source)
    before, known = state(vault), every_version(vault)
    operations = [each.id for each in vault.operations.all()]
    shutil.copytree(source, work)
    whole = opened(work, iter([NEW]))
    operation.act(whole)
    return Ends(before, state(whole), known, every_version(whole), operations)


def problems_after(home: Path, operation: Operation, ends: Ends, report: Report) -> Iterator[str]:
    """Yield all that is wrong with the vault that an attempt left, as its next user would meet it."""
    vault = opened(home)
    there = every_version(vault)
    now = state(vault)
    destroyed = {digest for version in there.values() for digest in version.purges}
    if lost := ends.known.keys() - there.keys() - destroyed:
        yield f"{len(lost)} versions that were there are lost"
    if strange := there.keys() - ends.final.keys() - ends.known.keys():
        yield f"{len(strange)} versions are there that no whole run makes"
    unfinished = report.get("unfinished", [])
    if report["done"] and "Unfinished" not in unfinished and now != ends.after:
        yield f"it said that it was done, but {now} is not {ends.after}"
    if report.get("error") in ("CannotWrite", "CannotRead", "CannotRemove") and now != ends.before:
        yield f"it said that nothing was done, but {now} is not {ends.before}"
    for memory_id in ends.before.keys() | ends.after.keys() | now.keys():
        if memory_id not in operation.touches and now.get(memory_id) != ends.before.get(memory_id):
            if operation.prepare is conflicted and now.get(memory_id) == ends.after.get(memory_id):
                continue  # the memory that the other side of a conflict becomes
            yield f"{memory_id} was not touched, but says {now.get(memory_id)}"
    if vault.index.damaged:
        yield f"damaged: {sorted(vault.index.damaged)}"
    if picture(vault) != rebuilt(vault):
        yield "the index does not agree with the files"
    noted = [each.id for each in vault.operations.all()]
    to_be_noted = report["done"] and "NotNoted" not in unfinished
    if noted[: len(ends.operations)] != ends.operations or (to_be_noted and len(noted) != len(ends.operations) + 1):
        yield f"of {len(ends.operations)} operations and this one {len(noted)} are noted"
    vault.search("memory")
    yield from problems_with_the_next_change(vault)
    if operation.repeatable:
        operation.act(vault)
        again = state(vault)
        if wrong := {
            each: again.get(each) for each in ends.after if each != BYSTANDER and again[each] != ends.after[each]
        }:
            yield f"done again, it ends in {wrong}, not in {ends.after}"
    last = opened(home)
    state(last)
    if picture(last) != rebuilt(last):
        yield "after all that the index does not agree with the files"
    open_now = {entry.id for entry in last.index.entries() if entry.in_conflict}
    sheets = {path.name[:26] for path in last.layout.conflicts.iterdir()}
    if not sheets - open_now <= set(operation.touches) or (operation.repeatable and sheets != open_now):
        yield f"worksheets {sheets} for conflicts {open_now}"
    last.close()


def problems_with_the_next_change(vault: Vault) -> Iterator[str]:
    """Go on with the vault: whatever was left behind is tidied up, and what is new is there."""
    added = vault.add("life goes on")
    vault.edit(BYSTANDER, {"content": "joins in"})
    with vault.writing():
        vault.index.load()
        vault.index.save()
    if left := temporaries(vault):
        yield f"temporary files remain: {left}"
    now = state(vault)
    if now.get(added.id) != [("life goes on", False)] or now[BYSTANDER] != [("joins in", False)]:
        yield "what was written after it is not there"
    if [each.what for each in vault.operations.all()][-2:] != ["add", "edit"]:
        yield "what was done after it is not noted"
    present = every_version(vault)
    if present.keys() & {digest for version in present.values() for digest in version.purges}:
        yield "what a purge destroys is still there after the next change"
    if picture(vault) != rebuilt(vault):
        yield "after the next change the index does not agree with the files"


def run(name: str, mode: str, folder: Path) -> Iterator[Report]:
    operation = OPERATIONS[name]
    source = folder / "template"
    template(source, operation)
    ends = ends_of(source, folder / "whole", operation)

    def cut(home: Path, wires: Wires) -> Report:
        def read(report: Report) -> None:
            if wires.mode == "full for good":
                report["reads"] = state(opened(home))
                opened(home).search("memory")

        report = attempt(wires, lambda: opened(home, iter([NEW])), operation.act, read)
        problems = report["problems"] or list(problems_after(home, operation, ends, report))
        if "reads" in report:
            seen = {memory_id: [tuple(side) for side in sides] for memory_id, sides in report["reads"].items()}
            if any(seen.get(each) != ends.before[each] for each in ends.before if each not in operation.touches):
                problems.append("reading on a full disk shows something else")
        return {**report, "problems": problems}

    yield from every_point(source, mode, folder, cut)


if __name__ == "__main__":
    for line in run(sys.argv[1], sys.argv[2], Path(sys.argv[3])):
        print(json.dumps(line), flush=True)
