"""Changes to one memory or many, and the ways on from them, for every place that has some chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial, partialmethod
from typing import Any

from ghostie import text
from ghostie.errors import GhostieError
from ghostie.tui.actions import Action
from ghostie.tui.keeper import Failed
from ghostie.tui.place import Place
from ghostie.tui.rows import Row

VERBS = {
    "kept": "Keep",
    "archived": "Archive",
    "removed": "Remove",
    "brought back": "Bring back",
    "categorised": "Categorise",
    "tagged": "Tag",
}


class Changing(Place):
    """Mixed into a place that has memories chosen."""

    def chosen(self) -> list[str]:
        """Return the ids of the memories that a change is for."""
        raise NotImplementedError

    def chosen_rows(self) -> list[Row]:
        """Return what is known of them."""
        raise NotImplementedError

    def can(self, action: Action) -> bool:
        """Tell whether *action* would change anything of what is chosen."""
        if action.name == "history":
            return len(self.chosen_rows()) == 1
        if action.name not in ("keep", "archive", "forget", "restore", "category", "tag", "edit", "editor"):
            return super().can(action)
        rows = self.chosen_rows()
        if action.name in ("edit", "editor"):
            return len(rows) == 1 and not rows[0]["deleted"] and not rows[0]["conflict"]
        if action.name == "restore":
            return any(row["deleted"] for row in rows)
        if not rows or all(row["deleted"] for row in rows):
            return False
        if action.name == "keep":
            return any(row["status"] != "active" for row in rows)
        if action.name == "archive":
            return any(row["status"] != "archived" for row in rows)
        return True

    def _change(
        self, task: str, did: str, ids: list[str] | None = None, failed: Failed | None = None, **given: Any
    ) -> None:
        """Let *task* change the memories *ids*, by default those that are chosen; of many after a question."""
        from ghostie.memory import LARGE_CHANGE

        ids = self.chosen() if ids is None else ids

        def go_on() -> None:
            self.ask(task, lambda rows: self.done(_said(did, rows)), failed=failed, ids=ids, **given)

        if len(ids) > LARGE_CHANGE:
            from ghostie.tui.screens.prompts import confirm

            verb = VERBS[did]
            confirm(self, f"{verb} {text.plural(len(ids), 'memory')}?", "u takes it back.", go_on, bad=False)
        elif ids:
            go_on()

    do_keep = partialmethod(_change, "memories.set_status", "kept", status="active")
    do_archive = partialmethod(_change, "memories.set_status", "archived", status="archived")
    do_forget = partialmethod(_change, "memories.remove", "removed")
    do_restore = partialmethod(_change, "memories.restore", "brought back")

    def _with_one(self, then: Callable[[Mapping[str, Any]], None]) -> None:
        """Get all of the one memory that is chosen, as it is now."""
        ids = self.chosen()
        if len(ids) == 1:
            self.ask("memories.memory", then, id=ids[0])

    def do_edit(self) -> None:
        self._with_one(self._write)

    def _write(
        self, found: Mapping[str, Any] | None, content: str | None = None, wrong: GhostieError | None = None
    ) -> None:
        from ghostie.tui.screens.writing import WritingPlace

        self.open(WritingPlace(found, content, wrong), lambda said: self.done(said) if said else None)

    def do_editor(self) -> None:
        self._with_one(self._in_editor)

    def _in_editor(self, found: Mapping[str, Any]) -> None:
        from ghostie.tui.screens.writing import in_editor

        if (changes := in_editor(self, found)) is not None:
            memory_id = found["row"]["id"]
            # what was written and cannot be saved is not lost: it stands in the form
            self.ask(
                "memories.edit",
                lambda _: self.done("saved · u takes it back"),
                failed=lambda error: self._write(found, changes["content"], error),
                id=memory_id,
                changes=changes,
                base=found["hash"],
            )

    def do_category(self) -> None:
        rows = self.chosen_rows()
        now = rows[0]["category"] if rows and len({row["category"] for row in rows}) == 1 else ""
        change = partial(self._change, "memories.set_category", "categorised", self.chosen())
        self._line(
            "Category",
            now,
            lambda said, failed: change(failed, category=said.strip()),
            example="house",
            says="One for each memory; nothing takes it off.",
            suggest="categories",
        )

    def do_tag(self) -> None:
        ids = self.chosen()

        def tag(said: str, failed: Failed) -> None:
            asked = said.replace("#", " ").split()
            add = [word.removeprefix("+") for word in asked if not word.startswith("-")]
            remove = [word[1:] for word in asked if word.startswith("-") and len(word) > 1]
            if add or remove:
                self._change("memories.tag", "tagged", ids, failed, add=add, remove=remove)

        says = "Words are added as tags; one with a minus before it is taken off."
        self._line("Tags", "", tag, example="garage power -old", says=says, suggest="tags", words=True)

    def _line(self, what: str, value: str, then: Callable[[str, Failed], None], **more: Any) -> None:
        """Ask for a line. *then* gets it, and what to do where it cannot be saved: it is asked for again, as typed."""
        from ghostie.tui.screens.prompts import LinePlace

        def typed(said: str | None) -> None:
            if said is not None:
                then(said, lambda error: self._line(what, said, then, **{**more, "wrong": error}))

        self.open(LinePlace(what, value, **more), typed)

    # -- ways --------------------------------------------------------------------------------------------------------

    def do_inbox(self) -> None:
        from ghostie.tui.screens.inbox import InboxPlace

        self.open(InboxPlace())

    def do_past(self) -> None:
        from ghostie.tui.screens.past import PastPlace

        self.open(PastPlace())

    def do_conflicts(self) -> None:
        """Show all conflicts; where one memory is looked at that is in conflict, that one."""
        from ghostie.tui.screens.conflicts import ConflictPlace, ConflictsPlace

        rows = self.chosen_rows()
        one = rows[0]["id"] if self.NAME == "detail" and rows and rows[0]["conflict"] else None
        self.open(ConflictPlace(one, [one]) if one is not None else ConflictsPlace())

    def do_history(self) -> None:
        from ghostie.tui.screens.history import HistoryPlace

        rows = self.chosen_rows()
        if rows:
            self.open(HistoryPlace(rows[0]["id"]))


def _said(did: str, rows: Sequence[Any]) -> str:
    return f"{did} {text.plural(len(rows), 'memory')} · u takes it back"
