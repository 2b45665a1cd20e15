"""One memory's versions: who made each, when, and what changed; two held against each other; one brought back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.cells import cell_len

from ghostie import text
from ghostie.memory import local
from ghostie.tui import diffs, facts, words
from ghostie.tui.actions import Action
from ghostie.tui.bases import Beside, Reading
from ghostie.tui.diffs import Line
from ghostie.tui.keeper import Failed
from ghostie.tui.place import Place
from ghostie.tui.rows import Row
from ghostie.tui.words import Piece

ROOMY: Final = 66  # cells of a row from which on the date is told, not only the age

Pair = tuple[Row | None, Row]  # two versions that are held against each other, the older first


class HistoryPlace(Beside):
    NAME = "history"
    BESIDE = "changes"

    def __init__(self, memory_id: str) -> None:
        super().__init__()
        self.memory_id = memory_id
        self._versions: list[Row] = []
        self._row: Row | None = None

    def heading(self) -> str:
        if self._row is None:
            return "History"
        return f"History · {text.plural(len(self._versions), 'version')} · {self._row['text']}"

    def changed(self) -> None:
        self.ask("history.versions", self._got, latest="versions", id=self.memory_id)

    def _got(self, found: Mapping[str, Any]) -> None:
        self._row, self._versions = found["row"], found["versions"]
        self.rows.show([version["id"] for version in self._versions])
        self.rows.fill(self._versions)
        self.repaint()

    def _paint(self, row: Row, width: int, lines: int) -> list[list[Piece]]:
        styled = self.ghostie.painted
        sign = "!" if row["damaged"] else "x" if row["deleted"] else "●" if row["head"] else " "
        roomy = width >= ROOMY
        when = local(row["at"]) if roomy else text.ago(row["at"], facts.now())
        head: list[Piece] = [
            (f"{sign} ", styled["bad"] if sign == "!" else styled["good"]),
            (f"{row['number']:>3}  ", styled["name"]),
            (f"{when:<19}  " if roomy else f"{when:>6}  ", styled["dim"]),
        ]
        did = what(row)
        left = width - 7 - len(head[-1][0])
        if lines > 1:
            head.append((words.line(" · ".join(part for part in (row["device"], did) if part), left), None))
            return [head, [("       ", None), (words.line(row["text"], width - 7), styled["dim"])]]
        room = max(left // 4, 6)
        device = diffs.filled(words.line(row["device"], room), room)
        did = did if cell_len(did) <= left - room - 2 else did.removeprefix("changed ")
        return [[*head, (device, styled["dim"]), ("  ", None), (words.line(did, left - room - 2), None)]]

    # -- two held against each other ---------------------------------------------------------------------------------

    def pair(self) -> Pair | None:
        """Return the versions that are held against each other, the older first: marked ones, else with the one before.

        None where that is no pair: nothing there, or more than two marked.
        """
        here = self._named(self.rows.current)
        marked = [version for version in self._versions if version["id"] in self.rows.marks]
        if here is None or len(marked) > 2:
            return None
        if len(marked) == 2:
            return marked[1], marked[0]
        if len(marked) == 1 and marked[0] is not here:
            older, newer = sorted((marked[0], here), key=self._versions.index, reverse=True)
            return older, newer
        return (self._named(here["parents"][0]) if here["parents"] else None), here

    def _named(self, name: str | None) -> Row | None:
        return next((version for version in self._versions if version["id"] == name), None)

    def look_at(self, name: str) -> None:
        pair = self.pair()
        if pair is None:
            self.page.flow(lambda width: [[("mark one version, or two", self.ghostie.painted["dim"])]])
        else:
            ask_difference(self, self.memory_id, pair, failed=self.not_seen)

    # -- actions -----------------------------------------------------------------------------------------------------

    def can(self, action: Action) -> bool:
        here = self._named(self.rows.current)
        if action.name == "open":
            return self.pair() is not None
        if action.name == "whole":
            return here is not None and not here["damaged"]
        if action.name == "restore":
            return can_restore(here, self._row)
        return super().can(action)

    def do_open(self) -> None:
        pair = self.pair()
        if pair is not None:
            self.open(DifferencePlace(self.memory_id, pair, self._row))

    def do_whole(self) -> None:
        here = self._named(self.rows.current)
        if here is not None:
            self.open(VersionPlace(self.memory_id, here, self._row))

    def do_mark(self) -> None:
        """Mark without going on: what is compared is the mark and where one goes then."""
        if self.rows.current is not None:
            self.rows.marks ^= {self.rows.current}
            self.rows.set_lines(self.rows.lines)
            self.look()

    def do_restore(self) -> None:
        here = self._named(self.rows.current)
        if here is not None:
            restore(self, self.memory_id, here)

    def do_back(self) -> None:
        if self.rows.unmark():
            self.look()
        else:
            super().do_back()


class _OneVersion(Reading):
    """A place on one version of the memory that *row* is of."""

    def __init__(self, memory_id: str, version: Row, row: Row | None) -> None:
        super().__init__()
        self.memory_id = memory_id
        self._version = version
        self._row = row

    def can(self, action: Action) -> bool:
        return action.name != "restore" or can_restore(self._version, self._row)

    def do_restore(self) -> None:
        restore(self, self.memory_id, self._version)


class DifferencePlace(_OneVersion):
    """What changed between two versions."""

    NAME = "difference"

    def __init__(self, memory_id: str, pair: Pair, row: Row | None) -> None:
        super().__init__(memory_id, pair[1], row)
        self._pair = pair

    def heading(self) -> str:
        older, newer = self._pair
        return f"Version {newer['number']}" + (f" against {older['number']}" if older is not None else ", the first")

    def opened(self) -> None:
        ask_difference(self, self.memory_id, self._pair)

    def do_whole(self) -> None:
        self.open(VersionPlace(self.memory_id, self._version, self._row))


class VersionPlace(_OneVersion):
    """All that one version says."""

    NAME = "version"

    def heading(self) -> str:
        return f"Version {self._version['number']} · {facts.past(self._version['at'], facts.now())} · as it was"

    def opened(self) -> None:
        self.ask("history.version", self._got, id=self.memory_id, version=self._version["id"])

    def _got(self, record: Mapping[str, Any]) -> None:
        deleted = record["sync_metadata"]["deleted"]
        row = {"status": record["status"], "conflict": False, "deleted": deleted, "flag": None}
        found = {"row": row, "record": record, "versions": 1}
        self.page.flow(lambda width: facts.page(found, width, styled=self.ghostie.painted, now=facts.now()))


def what(row: Row) -> str:
    """Return in words what a version did."""
    if row["damaged"]:
        return "does not open: damaged"
    if row["deleted"]:
        return "removed"
    if row["first"]:
        return "made"
    if row["changed"] is None:
        return "the version before it is not here"
    changed = ", ".join(row["changed"])
    if row["merge"]:
        return f"joined two sides: {changed}"
    return f"changed {changed}" if changed else "the same again"


def can_restore(version: Row | None, row: Row | None) -> bool:
    """Tell whether bringing *version* back would change anything; a conflict is settled first."""
    if version is None or row is None or row["conflict"] or version["damaged"] or version["deleted"]:
        return False
    return not version["head"]


def restore(place: Place, memory_id: str, version: Row) -> None:
    """Make the memory say again what *version* said."""
    said = f"it says again what version {version['number']} said · u takes it back"
    place.ask(
        "history.restore",
        lambda row: place.done(said + text.staying(row["local"], 1)),
        id=memory_id,
        version=version["id"],
    )


def ask_difference(place: Reading | Beside, memory_id: str, pair: Pair, failed: Failed | None = None) -> None:
    """Show on the page of *place* what changed from one version to the other."""
    older, newer = pair
    place.ask(
        "history.diff",
        lambda changes: place.page.flow(lambda width: difference(pair, changes, width, place.ghostie.painted)),
        failed=failed,
        latest="diff",
        id=memory_id,
        before=older["id"] if older is not None else None,
        after=newer["id"],
    )


def difference(
    pair: Pair, changes: Sequence[Mapping[str, Any]], width: int, styled: Mapping[str, Any]
) -> Iterator[Line]:
    """Yield what changed from one version to the other, and whose they are."""
    now = facts.now()
    for sign, version in (("-", pair[0]), ("+", pair[1])):
        if version is not None:
            who = f" · {version['device']}" if version["device"] else ""
            said = f"version {version['number']}{who} · {facts.moment(version['at'], now)}"
            if cell_len(said) > width - 2:
                said = f"version {version['number']}{who} · {facts.past(version['at'], now)}"
            yield [(f"{sign} ", None), (words.line(said, width - 2), styled["dim"])]
    yield []
    if not changes:
        yield [("they say the same", styled["dim"])]
    yield from diffs.fields(changes, width, styled=styled)
