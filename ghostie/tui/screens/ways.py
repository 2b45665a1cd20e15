"""The ways from a memory, or a list of them, to the screens that look at it otherwise."""

from __future__ import annotations

from ghostie.tui.place import Place
from ghostie.tui.rows import Row


class Ways(Place):
    """Mixed into a place that has memories chosen."""

    def chosen_rows(self) -> list[Row]:
        """Return what is known of the memories that are chosen."""
        raise NotImplementedError

    def do_inbox(self) -> None:
        from ghostie.tui.screens.inbox import InboxPlace

        self.open(InboxPlace())

    def do_past(self) -> None:
        from ghostie.tui.screens.past import PastPlace

        self.open(PastPlace())

    def do_conflicts(self) -> None:
        """Show all conflicts; where one memory is looked at that is in conflict, that one."""
        from ghostie.tui.screens.conflict import ConflictPlace
        from ghostie.tui.screens.conflicts import ConflictsPlace

        rows = self.chosen_rows()
        one = rows[0]["id"] if self.NAME == "detail" and rows and rows[0]["conflict"] else None
        self.open(ConflictPlace(one, [one]) if one is not None else ConflictsPlace())

    def do_history(self) -> None:
        from ghostie.tui.screens.history import HistoryPlace

        rows = self.chosen_rows()
        if rows:
            self.open(HistoryPlace(rows[0]["id"]))
