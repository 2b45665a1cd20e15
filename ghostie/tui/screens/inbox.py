"""The inbox, one memory at a time: a key decides, the next one comes. What is like it stands beside it, or below."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from textual.containers import Container
from textual.widget import Widget

from ghostie import text
from ghostie.errors import GhostieError
from ghostie.tui import diffs, facts, words
from ghostie.tui.actions import Action
from ghostie.tui.bases import Reading
from ghostie.tui.diffs import Line
from ghostie.tui.pages import Page
from ghostie.tui.place import Long
from ghostie.tui.rows import Ids, Row
from ghostie.tui.screens.changing import Changing

NEAR: Final = 2  # memories that are fetched before they are come to
ELSEWHERE: Final = "taken care of elsewhere"
DID: Final = ("kept", "archived", "forgotten", "merged")
DECIDING: Final = ("keep", "archive", "forget", "merge", "merge_other", "edit", "editor", "category", "tag")


class InboxPlace(Changing, Reading):
    NAME = "inbox"
    TITLE_WORDS = "Inbox"

    def __init__(self) -> None:
        super().__init__()
        self._queue: list[str] = []
        self._at = 0
        self._listed = False
        self._done: dict[str, str] = {}  # id → what was done with it
        self._under_way: set[str] = set()
        self._touched_up: set[str] = set()
        self._texts: dict[str, Mapping[str, Any]] = {}
        self._asked_for: set[str] = set()
        self._stale: set[str] = set()
        self._alike: dict[str, list[list[Any]]] = {}
        self._looking: Long | None = None
        self._like = 0
        self._on_like = False  # whether keys scroll what is like it
        self._conflicts = 0

    def body(self) -> Iterator[Widget]:
        with Container(id="triage"):
            yield Page()
            like = Page(id="like")
            like.display = False
            yield like

    @property
    def beside(self) -> Page:
        return self.query_one("#like", Page)

    def pane(self, where: str) -> Page | None:
        return self.beside if self._on_like and self.beside.display else self.page

    def heading(self) -> str:
        if not self._listed or not self._queue:
            return "Inbox"
        if self.current is None:
            return "Inbox · done"
        did = self._done.get(self.current)
        return f"Inbox · {self._at + 1:,} of {len(self._queue):,}" + (f" · {did}" if did else "")

    # -- which there are ---------------------------------------------------------------------------------------------

    @property
    def current(self) -> str | None:
        return self._queue[self._at] if self._at < len(self._queue) else None

    @property
    def _found(self) -> Mapping[str, Any] | None:
        return self._texts.get(self.current) if self.current is not None else None

    def on_unmount(self) -> None:
        if self._looking is not None:
            self._looking.cancel()

    def changed(self) -> None:
        self.ask("memories.waiting", self._got, latest="waiting")

    def _got(self, found: Mapping[str, Any]) -> None:
        ids = list(Ids(found["ids"]))
        here, waiting, known = self.current, set(ids), set(self._queue)
        self._queue += [memory_id for memory_id in ids if memory_id not in known]
        for memory_id in known - self._under_way:
            if memory_id in waiting:
                self._done.pop(memory_id, None)  # it was taken back
            elif memory_id not in self._done:
                self._done[memory_id] = ELSEWHERE
        self._conflicts = found["standing"]["conflicts"]
        self.ghostie.stand(found["standing"])
        first, self._listed = not self._listed, True
        self._stale = set(self._texts)  # any of it may say something else by now: shown until that is known
        if here is not None and self._done.get(here) == ELSEWHERE:
            self._go_on()
            self.tell("that one was taken care of elsewhere")
        self._show(top=first)
        if known != known | waiting or first:
            self._look_for_likes()

    def _go_on(self) -> None:
        """Go to the next that nothing was done with."""
        while self._at < len(self._queue) and self._queue[self._at] in self._done:
            self._at += 1
        self._like = 0
        self._on_like = False

    def _go_to(self, memory_id: str) -> None:
        if memory_id not in self._queue:
            self._queue.insert(self._at, memory_id)
        self._at = self._queue.index(memory_id)
        self._texts.pop(memory_id, None)
        self._like = 0
        self._show()

    # -- what is shown -----------------------------------------------------------------------------------------------

    def resized(self) -> None:
        both = self.query_one("#triage")
        both.styles.layout = "horizontal" if self.wide else "vertical"
        both.styles.height = "1fr"
        self.beside.edge = self.wide
        self._show(top=False)

    def _show(self, *, top: bool = True) -> None:
        """Show where one stands; ask for what is not there yet."""
        if not self._listed:
            return
        self._fetch()
        if self.current is None:
            self.beside.display, self.page.display = False, True
            self.page.flow(self._end)
        elif self._found is not None:
            self._show_likes(top=top)
            found, other = self._found, self._like_found
            self.page.flow(lambda width: self._memory(found, other, width), top=top)
        else:
            self.page.show([[("…", self.ghostie.painted["dim"])]], "")
        self.repaint()

    def _fetch(self) -> None:
        """Ask for the memory that one stands on, the next ones, and the one that is like it; drop what is far."""
        near = self._queue[self._at : self._at + 1 + NEAR]
        likes = self.likes()
        wanted = [*near[:1], *likes[self._like : self._like + 1], *near[1:]]
        for name in set(self._texts) - set(wanted):
            del self._texts[name]
        for name in wanted:
            if (name not in self._texts or name in self._stale) and name not in self._asked_for:
                self._asked_for.add(name)
                self.ask("memories.memory", partial(self._fetched, name), failed=partial(self._lost, name), id=name)

    def _fetched(self, name: str, found: Mapping[str, Any]) -> None:
        self._asked_for.discard(name)
        self._stale.discard(name)
        before = self._texts.get(name)
        self._texts[name] = found
        if found == before:
            return
        likes = self.likes()
        if name == self.current or (likes and name == likes[self._like]):
            self._show(top=name == self.current and before is None)

    def _lost(self, name: str, error: GhostieError) -> None:
        self._asked_for.discard(name)
        if name == self.current:
            self.failed(error)

    def _memory(self, found: Mapping[str, Any], other: Mapping[str, Any] | None, width: int) -> Iterator[Line]:
        said = found["record"]["content"]
        own = diffs.own_words(said, other["record"]["content"], width) if other is not None else None
        yield from facts.page(
            found,
            width,
            styled=self.ghostie.painted,
            now=facts.now(),
            content=own,
            low=self.low,
            known=not self.beside.display or self.wide,
        )

    def _end(self, width: int) -> Iterator[Line]:
        styled = self.ghostie.painted
        left = [name for name in self._queue if name not in self._done]
        counts = Counter(self._done.values())
        gap: list[Line] = [] if self.low else [[]]
        yield from gap
        if not self._queue:
            said = "The inbox is empty."
        else:
            said = "That is all for now." if left else "The inbox is empty: all is looked at."
        yield [(said, styled["strong"])]
        yield from gap
        for what in (*DID, ELSEWHERE):
            if counts[what]:
                yield [(f"{counts[what]:>6,}  ", styled["name"]), (what, None)]
        if self._touched_up:
            yield [(f"{len(self._touched_up):>6,}  ", styled["name"]), ("edited", None)]
        if left:
            yield [(f"{len(left):>6,}  ", styled["name"]), ("skipped, still in the inbox", None)]
        if not self._queue:
            for line in words.lines("What agents and imports bring waits here until you have looked at it.", width):
                yield [(line, styled["dim"])]
        yield []
        for key, way in (
            ("enter", "goes through what was skipped" if left else ""),
            ("u", "takes the last one back" if counts else ""),
            ("C", f"settles {text.plural(self._conflicts, 'conflict')}" if self._conflicts else ""),
            ("q", "goes back"),
        ):
            if way:
                yield [(f"{key:>6}  ", styled["name"]), (way, styled["dim"])]

    # -- what it is like ---------------------------------------------------------------------------------------------

    def _look_for_likes(self) -> None:
        """Have the likenesses of what comes found, in a process of its own: it may take its time."""
        if self.current is None:
            return
        if self._looking is not None:
            self._looking.cancel()
        # whatever goes wrong with it, the inbox can be gone through without
        self._looking = self.ask_long(
            "memories.alike", self._looked, failed=lambda error: None, progress=self._saw, first=self.current
        )

    def _saw(self, found: Mapping[str, list[list[Any]]]) -> None:
        here = self.current
        self._alike.update(found)
        if here is not None and found.get(here):
            self._show(top=False)

    def _looked(self, answer: Mapping[str, Any]) -> None:
        self._looking = None
        self._saw(answer["alike"])

    def likes(self) -> list[str]:
        """Return the ids of the memories that are like the one that one stands on, most alike first."""
        gone = ("forgotten", "merged")
        return [name for name, _, _ in self._alike.get(self.current or "", ()) if self._done.get(name) not in gone]

    @property
    def _like_found(self) -> Mapping[str, Any] | None:
        likes = self.likes()
        self._like = min(self._like, max(len(likes) - 1, 0))
        found = self._texts.get(likes[self._like]) if likes else None
        return found if found is not None and not found["row"]["deleted"] else None

    def _show_likes(self, *, top: bool) -> None:
        """Show what it is like beside it, below it where that is narrow, and where it is low in its place."""
        found, here = self._like_found, self._found
        if found is None:
            self._on_like = False
        self.beside.display = found is not None and (not self.low or self.wide or self._on_like)
        self.page.display = not (self.beside.display and self.low and not self.wide)
        if found is None or here is None:
            return
        self.beside.flow(lambda width: self._like_lines(found, here, width), top=top)

    def _like_lines(self, found: Mapping[str, Any], here: Mapping[str, Any], width: int) -> Iterator[Line]:
        styled = self.ghostie.painted
        likes = self._alike[here["row"]["id"]]
        name = found["row"]["id"]
        share, exact = next(((share, exact) for other, share, exact in likes if other == name), (0, False))
        count = len(self.likes())
        said = "it says the same" if exact else f"{share:.0%} alike"
        many = f" · {self._like + 1} of {count}, o: others" if count > 1 else ""
        head = words.line(f"like it · {said}{many}", width)
        yield [(head, styled["warn"]), (f" {'─' * width}", styled["dim"])]
        yield from facts.brief(found, width, styled=styled, now=facts.now())
        if not self.low:
            yield []
        yield from diffs.own_words(found["record"]["content"], here["record"]["content"], width)

    def do_other(self) -> None:
        likes = self.likes()
        if likes:
            self._like = (self._like + 1) % len(likes)
            self._show(top=False)

    def do_other_side(self) -> None:
        self._on_like = not self._on_like
        self._show(top=False)
        self.tell("keys scroll what is like it · Tab goes back" if self._on_like else "")

    # -- what is done with it ----------------------------------------------------------------------------------------

    def chosen(self) -> list[str]:
        return [self.current] if self.current is not None else []

    def chosen_rows(self) -> list[Row]:
        return [self._found["row"]] if self._found is not None else []

    def can(self, action: Action) -> bool:
        if action.name in DECIDING and (self._found is None or self.current in self._under_way):
            return False  # nothing is decided about what was not shown
        if action.name == "merge":
            return self._like_found is not None
        if action.name in ("merge_other", "category", "tag"):
            return True
        if action.name == "skip":
            return self.current is not None
        if action.name == "previous":
            return self._before() is not None
        if action.name == "again":
            return self.current is None and any(name not in self._done for name in self._queue)
        if action.name == "other":
            return len(self.likes()) > 1
        if action.name == "other_side":
            return self._like_found is not None
        return super().can(action)

    def _decide(self, did: str, task: str, **given: Any) -> None:
        name = self.current
        assert name is not None
        self._done[name] = did
        self._under_way.add(name)
        self.ask(task, lambda _: self._decided(name), failed=partial(self._undecided, name), **given)
        self._go_on()
        self._show()
        self.tell(f"{did} · u takes it back")

    def _decided(self, name: str) -> None:
        self._under_way.discard(name)
        self.ghostie.stand({"inbox": max((self.ghostie.standing.get("inbox") or 0) - 1, 0)})

    def _undecided(self, name: str, error: GhostieError) -> None:
        """Go back to what could not be done, and say why."""
        self._under_way.discard(name)
        self._done.pop(name, None)
        self._go_to(name)
        self.failed(error)

    def do_keep(self) -> None:
        self._decide("kept", "memories.set_status", ids=self.chosen(), status="active")

    def do_archive(self) -> None:
        self._decide("archived", "memories.set_status", ids=self.chosen(), status="archived")

    def do_forget(self) -> None:
        self._decide("forgotten", "memories.remove", ids=self.chosen())

    def do_merge(self) -> None:
        found = self._like_found
        if found is not None:
            self._merge_into(found["row"]["id"])

    def do_merge_other(self) -> None:
        from ghostie.tui.screens.finding import PickPlace

        name = self.current

        def picked(into: str | None) -> None:
            if into is not None and self.current == name:
                self._merge_into(into)

        self.open(PickPlace("Merge into which?", but=self.chosen()), picked)

    def _merge_into(self, into: str) -> None:
        self._texts.pop(into, None)
        self._decide("merged", "memories.merge", id=self.current, into=into)

    def done(self, said: str) -> None:
        """It was edited, and waits still."""
        if self.current is not None:
            self._touched_up.add(self.current)
            self._texts.pop(self.current, None)
        self._show(top=False)
        self.tell(said)

    def do_skip(self) -> None:
        self._at += 1
        self._go_on()
        self._show()

    def _before(self) -> int | None:
        gone = ("forgotten", "merged", ELSEWHERE)
        return next((at for at in range(self._at - 1, -1, -1) if self._done.get(self._queue[at]) not in gone), None)

    def do_previous(self) -> None:
        before = self._before()
        if before is not None:
            self._at = before
            self._like = 0
            self._show()

    def do_again(self) -> None:
        self._queue = [name for name in self._queue if name not in self._done]
        self._at = 0
        self._show()
        self._look_for_likes()

    def do_redo(self) -> None:
        self.ghostie.undo(redo=True, what="the change")

    def undone(self, answer: Mapping[str, Any], how: str) -> None:
        """Go back to the memory that something was taken back of."""
        back = [row["id"] for row in answer["rows"] if row["status"] == "inbox" and not row["deleted"]]
        again = {row["id"]: _became(row) for row in answer["rows"] if row["id"] not in back}
        for name in back:
            self._done.pop(name, None)
        for name, became in again.items():
            self._done[name] = became
        here = [name for name in back if name in self._queue] or back
        self._texts.clear()
        self.changed()
        if here:
            self._go_to(here[0])
        else:
            self._go_on()
            self._show()
        self.tell(f"{how} of {text.plural(len(answer['rows']), 'memory')}")


def _became(row: Row) -> str:
    """Return what was done with a memory that is no longer in the inbox."""
    if row["deleted"]:
        return "forgotten"
    return "archived" if row["status"] == "archived" else "kept"
