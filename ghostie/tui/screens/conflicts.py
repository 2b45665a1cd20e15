"""Conflicts: which are open, and one of them, side by side where it is wide, else a field at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partialmethod
from typing import Any, Final

from rich.style import Style

from ghostie import text
from ghostie.errors import GhostieError, NoConflict
from ghostie.tui import diffs, facts, words
from ghostie.tui.actions import Action
from ghostie.tui.bases import Listing, Reading
from ghostie.tui.diffs import Line
from ghostie.tui.rows import Row, Rows
from ghostie.tui.words import Piece

SIDES: Final = ("mine", "theirs", "base")  # in the order that they are shown in
KEYS: Final = {"mine": "1", "theirs": "2", "both": "3", "base": "0"}
AROUND: Final = 2  # lines of what is agreed that stand around a dispute


class ConflictsPlace(Listing):
    """The open conflicts, one line each."""

    NAME = "conflicts"
    TITLE_WORDS = "Conflicts"

    def heading(self) -> str:
        return text.plural(len(self.rows.names), "conflict") if self.rows.names else "Conflicts"

    def resumed(self) -> None:
        self.changed()

    def changed(self) -> None:
        self.ask("conflicts.listing", self._got, latest="conflicts")

    def _got(self, found: Mapping[str, Any]) -> None:
        self.rows.empty = "no conflicts: all sides are one"
        self.rows.show(found["ids"])
        self.ghostie.stand(found["standing"])

    def on_rows_wanted(self, message: Rows.Wanted) -> None:
        self.fetch("conflicts.rows", message)

    def on_rows_opened(self, message: Rows.Opened) -> None:
        self.do_open()

    def _paint(self, row: Row, width: int, lines: int) -> list[list[Piece]]:
        styled = self.ghostie.painted
        said = row.get("wrong") or f"{', '.join(row['disputes'])} · {' and '.join(row['sides'])}"
        if lines > 1:
            return [
                [("! ", styled["bad"]), (words.line(row["text"], width - 2), None)],
                [("  ", None), (words.line(said, width - 2), styled["dim"])],
            ]
        left = width // 2
        excerpt = diffs.filled(words.line(row["text"], left), left)
        said = words.line(said, width - left - 4)
        return [[("! ", styled["bad"]), (excerpt, None), ("  ", None), (said, styled["dim"])]]

    def can(self, action: Action) -> bool:
        return action.name != "open" or self.rows.current is not None

    def do_open(self) -> None:
        if self.rows.current is not None:
            self.open(ConflictPlace(self.rows.current, list(self.rows.names)))


class ConflictPlace(Reading):
    """One conflict. A key picks a side for the field that one stands on; Enter settles it; then comes the next."""

    NAME = "conflict"

    def __init__(self, memory_id: str, among: list[str]) -> None:
        super().__init__()
        self.memory_id = memory_id
        self._among = among
        self._settled = 0
        self._busy = False
        self._clear()

    def _clear(self) -> None:
        self._found: Mapping[str, Any] = {}  # until it is there
        self._field = 0
        self._other = 0
        self._picks: dict[str, dict[str, Any]] = {}
        self._whole = False
        self._draft: str | None = None  # what was written in the editor and cannot be taken as it is

    def heading(self) -> str:
        at = "Conflict"
        if len(self._among) > 1 and self.memory_id in self._among:
            at += f" {self._among.index(self.memory_id) + 1} of {len(self._among)}"
        if not self._fields:
            return at
        which = f" {self._field + 1} of {len(self._fields)}" if len(self._fields) > 1 else ""
        return f"{at} · {self._on}{which}"

    @property
    def _fields(self) -> list[Mapping[str, Any]]:
        return list(self._found.get("fields", ()))

    @property
    def _on(self) -> str:
        return str(self._fields[self._field]["name"])

    # -- what is shown -----------------------------------------------------------------------------------------------

    def changed(self) -> None:
        if not self._busy:
            self.load()

    def load(self) -> None:
        self.ask("conflicts.look", self._got, failed=self._not_got, latest="look", id=self.memory_id, other=self._other)

    def _got(self, found: Mapping[str, Any]) -> None:
        if found["id"] != self.memory_id:
            return
        before, self._found = self._found, found
        if before and before["seen"] != found["seen"]:
            # other sides than those that were chosen among
            self._picks, self._field = {}, 0
            self.tell("it has other sides than before: look again")
        self._show(top=not before)

    def _not_got(self, error: GhostieError) -> None:
        if isinstance(error, NoConflict):
            self._found = {}
            head: list[Line] = [[("This conflict is settled.", self.ghostie.painted["strong"])], []]
            self.page.show(head, "q goes back · ] goes to the next")
            self.repaint()
        else:
            self.failed(error)

    def resized(self) -> None:
        self._show(top=False)

    def _show(self, *, top: bool) -> None:
        if self._found:
            self.page.flow(self._lines, top=top)
        self.repaint()

    def _lines(self, width: int) -> Iterator[Line]:
        found, styled = self._found, self.ghostie.painted
        if not found:
            return
        if not self.low:
            yield [("! ", styled["bad"]), (words.line(found["row"]["text"], width - 2), styled["strong"])]
            yield []
        for field in self._fields if self.wide else self._fields[self._field : self._field + 1]:
            yield from self._field_lines(field, width)
        yield from self._what_comes(width)

    def _field_lines(self, field: Mapping[str, Any], width: int) -> Iterator[Line]:
        styled, here = self.ghostie.painted, field["name"] == self._on
        pick = self._picks.get(field["name"])
        said = f"{field['name']} · {picked(pick)}"
        head = f"{'› ' if here else '  '}{words.line(said, width - 4)} "
        yield [(head, styled["strong"] if here else styled["dim"]), ("─" * max(width - len(head), 0), styled["dim"])]
        if pick is not None and "said" in pick:
            for line in words.lines(str(pick["said"]), width - 2):
                yield [("▏ ", styled["good"]), (line, None)]
        elif self.wide:
            yield from self._columns(field, pick, width)
        else:
            yield from self._stack(field, pick, width)
        yield []

    def _titles(self, pick: Mapping[str, Any] | None) -> dict[str, str]:
        """Return what stands over each side: the key, whose it is, and whether it was picked."""
        found, now = self._found, facts.now()
        titles = {}
        for side in SIDES:
            of = found[side]
            whose = f" · {of['device']} · {text.ago(of['at'], now)}" if of is not None and side != "base" else ""
            gone = " · removed" if of is not None and of["deleted"] else ""
            which = f" {found['other'] + 1} of {found['others']}" if side == "theirs" and found["others"] > 1 else ""
            name = "before" if side == "base" else side
            chosen = pick.get("side") if pick is not None else None
            mark = "●" if chosen == side or (chosen == "both" and side != "base") else "○"
            titles[side] = f"{mark} {KEYS[side]} {name}{which}{whose}{gone}"
        return titles

    def _styles(self, pick: Mapping[str, Any] | None) -> dict[str, Style | None]:
        chosen = pick.get("side") if pick is not None else None
        dim = self.ghostie.painted["dim"]
        styles: dict[str, Style | None] = {"base": None if chosen == "base" else dim}
        for side in ("mine", "theirs"):
            styles[side] = None if chosen in (None, side, "both") else dim
        return styles

    def _columns(self, field: Mapping[str, Any], pick: Mapping[str, Any] | None, width: int) -> Iterator[Line]:
        styled = self.ghostie.painted
        titles, styles = self._titles(pick), self._styles(pick)
        room = (width - 3 * (len(SIDES) - 1)) // len(SIDES)
        heads = [words.line(titles[side], room) for side in SIDES]
        yield from diffs.columns(heads, width, styled=styled, styles=[styled["name"]] * len(SIDES))
        for part in self._parts(field):
            if isinstance(part, str):
                yield from ([("    ", None), (line, styled["dim"])] for line in words.lines(part, width - 4))
            else:
                texts = [part[side].rstrip("\n") or self._nothing(side) for side in SIDES]
                yield from diffs.columns(texts, width, styled=styled, styles=[styles[side] for side in SIDES])

    def _stack(self, field: Mapping[str, Any], pick: Mapping[str, Any] | None, width: int) -> Iterator[Line]:
        styled = self.ghostie.painted
        titles, styles = self._titles(pick), self._styles(pick)
        for side in SIDES:
            yield [(words.line(titles[side], width), styled["name"])]
            for part in self._parts(field):
                if isinstance(part, str):
                    yield from ([("  ", None), (line, styled["dim"])] for line in words.lines(part, width - 2))
                else:
                    said = part[side].rstrip("\n") or self._nothing(side)
                    for line in words.lines(said, width - 2):
                        yield [("▏ ", styled["name"]), (line, styles[side])]

    def _nothing(self, side: str) -> str:
        of = self._found[side]
        if of is None:
            return "(no common beginning)"
        return "(removed)" if of["deleted"] else "(nothing)"

    def _parts(self, field: Mapping[str, Any]) -> Iterator[str | Mapping[str, str]]:
        """Yield a field's parts; of long text on which all agree only what stands around the disputes, unless asked."""
        parts = field["parts"]
        for at, part in enumerate(parts):
            if not isinstance(part, str) or self._whole:
                yield part
                continue
            lines = part.rstrip("\n").split("\n")
            before, after = (AROUND if at else 0), (AROUND if at + 1 < len(parts) else 0)
            if len(lines) <= before + after + 1:
                yield "\n".join(lines)
                continue
            kept = [*lines[:before], f"··· {len(lines) - before - after:,} lines alike", *lines[len(lines) - after :]]
            yield "\n".join(kept)

    def _what_comes(self, width: int) -> Iterator[Line]:
        found, styled = self._found, self.ghostie.painted
        open_ = [field["name"] for field in self._fields if field["name"] not in self._picks]
        if not open_:
            yield [("Enter settles it so. ", styled["good"])]
        elif len(self._fields) > 1:
            yield [(words.line(f"to be chosen: {', '.join(open_)}", width), styled["warn"])]
        if found["agreed"]:
            yield [("without dispute:", styled["dim"])]
            for name, value in found["agreed"]:
                yield [("  ", None), (words.line(f"{name}: {value or '(none)'}", width - 2), styled["dim"])]

    # -- choosing ----------------------------------------------------------------------------------------------------

    def can(self, action: Action) -> bool:
        name = action.name
        if name in ("next_conflict", "previous_conflict"):
            return len(self._among) > 1
        if name in ("undo", "redo") or action.where != self.NAME:
            return True
        if not self._found or self._busy:
            return False
        if name in ("next", "previous"):
            return len(self._fields) > 1
        if name == "accept":
            return True
        if name == "pick_both":
            return self._fields[self._field]["both"] is not None
        if name == "pick_base":
            return self._found["base"] is not None
        if name in ("edit", "editor"):
            return any(field["name"] == "content" for field in self._fields)
        if name == "other":
            return int(self._found["others"]) > 1
        return True

    def likely(self) -> list[Action]:
        """Settling comes first where all is chosen, and not at all where it is not."""
        ready = bool(self._found) and all(field["name"] in self._picks for field in self._fields)
        actions = [action for action in super().likely() if ready or action.name != "accept"]
        return sorted(actions, key=lambda action: action.name != "accept") if self.narrow else actions

    def _pick(self, pick: dict[str, Any]) -> None:
        self._picks[self._on] = pick
        left = [at for at, field in enumerate(self._fields) if field["name"] not in self._picks]
        if left:
            after = [at for at in left if at > self._field]
            self._field = (after or left)[0]
        self._show(top=bool(left) and not self.wide)
        self.tell("Enter settles it so" if not left else "")

    def _pick_side(self, side: str) -> None:
        self._pick({"side": side})

    do_pick_mine = partialmethod(_pick_side, "mine")
    do_pick_theirs = partialmethod(_pick_side, "theirs")
    do_pick_both = partialmethod(_pick_side, "both")
    do_pick_base = partialmethod(_pick_side, "base")

    def _step(self, by: int) -> None:
        self._field = (self._field + by) % len(self._fields)
        self._show(top=not self.wide)

    do_next = partialmethod(_step, 1)
    do_previous = partialmethod(_step, -1)

    def do_other(self) -> None:
        self._other = (self._found["other"] + 1) % self._found["others"]
        self._picks = {}
        self.load()

    def do_whole(self) -> None:
        self._whole = not self._whole
        self._show(top=False)

    def do_accept(self) -> None:
        left = [at for at, field in enumerate(self._fields) if field["name"] not in self._picks]
        if left:
            self._field = left[0]
            self._show(top=not self.wide)
            self.tell(f"first choose for {self._on}: 1 mine, 2 theirs, 3 both, 0 before")
            return
        self._settle("conflicts.settle", picks=self._picks)

    def _settle(self, task: str, **given: Any) -> None:
        self._busy = True
        given |= {"id": self.memory_id, "seen": self._found["seen"], "other": self._found["other"]}
        self.ask(task, self._done, failed=self._not_done, **given)

    do_mine = partialmethod(_settle, "conflicts.keep", side="mine")
    do_theirs = partialmethod(_settle, "conflicts.keep", side="theirs")
    do_both = partialmethod(_settle, "conflicts.keep", side="both")
    do_merged = partialmethod(_settle, "conflicts.keep", side="merged")

    def _done(self, answer: Mapping[str, Any]) -> None:
        """Go on to the next open conflict; back, where there is none."""
        self._busy = False
        self._settled += 1
        left = answer["left"]
        self._among += [name for name in left if name not in self._among]
        self.ghostie.stand({"conflicts": len(left)})
        at = self._among.index(self.memory_id)
        coming = [name for name in (*self._among[at + 1 :], *self._among[:at]) if name in left]
        if coming:
            self._go_to(coming[0])
            self.tell(f"settled, {len(left):,} left · u opens it again")
            return
        self._clear()
        self.page.flow(self._over)
        self.repaint()
        self.tell("settled · u opens it again")

    def _over(self, width: int) -> Iterator[Line]:
        styled = self.ghostie.painted
        yield []
        yield [("No conflicts are left.", styled["strong"])]
        yield []
        yield [(f"{self._settled:>6,}  ", styled["name"]), ("settled", None)]
        yield []
        for line in words.lines("The other devices follow when they sync · q goes back", width):
            yield [(line, styled["dim"])]

    def _not_done(self, error: GhostieError) -> None:
        self._busy = False
        self.failed(error)
        self.load()

    # -- by hand -----------------------------------------------------------------------------------------------------

    def do_edit(self) -> None:
        self._begun(self._write)

    def do_editor(self) -> None:
        self._begun(self._in_editor)

    def _begun(self, then: Callable[[str], None]) -> None:
        """Get what the editor begins with: both sides between markers, or what was written before."""
        pick = self._picks.get("content", {})
        if self._draft is not None:
            then(self._draft)
        elif "said" in pick:
            then(pick["said"])
        else:
            self.ask("conflicts.marked", then, id=self.memory_id)

    def _write(self, content: str) -> None:
        from ghostie.tui.screens.writing import SettlingPlace

        self.open(SettlingPlace(content), lambda said: self._said(said) if said is not None else None)

    def _in_editor(self, content: str) -> None:
        from ghostie.tui.screens.writing import in_editor

        if (changes := in_editor(self, {"record": {"content": content}})) is not None:
            self._draft = changes["content"]
            self.ask("conflicts.check", self._said, failed=self._not_said, content=self._draft)

    def _not_said(self, error: GhostieError) -> None:
        self.tell(f"{error} · E goes on with what you wrote", bad=True)

    def _said(self, content: str) -> None:
        self._draft = None
        self._field = next(at for at, field in enumerate(self._fields) if field["name"] == "content")
        self._pick({"said": content})

    # -- elsewhere ---------------------------------------------------------------------------------------------------

    def _go(self, by: int) -> None:
        at = self._among.index(self.memory_id) if self.memory_id in self._among else 0
        self._go_to(self._among[(at + by) % len(self._among)])

    def _go_to(self, memory_id: str) -> None:
        self.memory_id = memory_id
        self.page.rest()
        self._clear()
        self.load()

    do_next_conflict = partialmethod(_go, 1)
    do_previous_conflict = partialmethod(_go, -1)

    def undone(self, answer: Mapping[str, Any], how: str) -> None:
        back = [row["id"] for row in answer["rows"] if row["conflict"]]
        if back:
            self._settled = max(self._settled - 1, 0)
            if back[0] not in self._among:
                self._among.append(back[0])
        self._go_to(back[0] if back else self.memory_id)
        super().undone(answer, how)


def picked(pick: Mapping[str, Any] | None) -> str:
    """Return in words what was chosen for a field."""
    if pick is None:
        return "not chosen yet"
    if "said" in pick:
        return "as you wrote it"
    return {"mine": "mine", "theirs": "theirs", "both": "both", "base": "as it was before"}[pick["side"]]
