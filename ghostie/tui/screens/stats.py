"""The vault in numbers, as plots that are read at a glance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ghostie import text
from ghostie.memory import local
from ghostie.tui.bases import Reading
from ghostie.tui.sheets import Sheet, beside

SIDE: Final = 58  # columns of each half, where there is room for two
AGES: Final = {
    "a day": "up to a day",
    "a week": "up to a week",
    "a month": "up to a month",
    "a year": "up to a year",
    "longer": "longer",
}


class StatsPlace(Reading):
    NAME = "stats"
    TITLE_WORDS = "Numbers"

    def __init__(self) -> None:
        super().__init__()
        self._found: Mapping[str, Any] | None = None

    def changed(self) -> None:
        self.ask("memories.numbers", self._got, latest="numbers")

    def _got(self, found: Mapping[str, Any]) -> None:
        self._found = found
        self.resized()

    def resized(self) -> None:
        page, found = self.page, self._found
        if found is None:
            page.show([[("counting …", self.ghostie.painted["dim"])]], "")
        elif self.wide:
            left, right = Sheet(SIDE, self.ghostie.painted), Sheet(SIDE, self.ghostie.painted)
            self._counts(left, found)
            self._shares(right, found)
            page.show(beside(left.lines, right.lines, SIDE), "", top=False)
        else:
            sheet = Sheet(page.size.width, self.ghostie.painted)
            self._counts(sheet, found)
            self._shares(sheet, found)
            page.show(sheet.lines, "", top=False)

    def _counts(self, sheet: Sheet, found: Mapping[str, Any]) -> None:
        sheet.fact("memories", f"{found['memories']:,}", "strong")
        status = dict(found["by_status"])
        parts = [f"{status[name]:,} {said}" for name, said in STATES.items() if status.get(name)]
        if parts:
            sheet.fact("", " · ".join(parts))
        sheet.fact("versions", f"{found['versions']:,}, all kept")
        if found["removed"]:
            sheet.fact("removed", f"{found['removed']:,}, in the trash")
        if found["conflicts"]:
            sheet.fact("conflicts", f"! {found['conflicts']:,} to look at", "warn")
        sheet.fact("size", f"{text.size(found['size'])} · {text.size(found['size_with_indexes'])} with its indexes")
        store = self.ghostie.standing.get("store_size")
        sheet.fact("at store", text.size(store) if store is not None else "not looked at yet; S looks")
        self._over_time(sheet, found, "weeks", "week", 26)
        self._over_time(sheet, found, "months", "month", 24)

    def _over_time(self, sheet: Sheet, found: Mapping[str, Any], name: str, each: str, most: int) -> None:
        shown = found[name][-min(most, sheet.width) :]
        counts = [count for _, count in shown]
        if not any(counts):
            sheet.title(f"by {each}")
            sheet.say(f"nothing in the last {len(counts)} {each}s", "dim")
            return
        sheet.title(f"by {each}: {sum(counts):,} in the last {len(counts)} {each}s")
        stretch = 2 if sheet.width >= 2 * len(counts) else 1
        line = "".join(bar * stretch for bar in text.sparkline(counts))
        sheet.lines.append([(line, sheet.styled["name"])])
        first, last = shown[0][0][:10], shown[-1][0][:10]
        gap = max(1, len(line) - len(first) - len(last))
        sheet.lines.append([(first + " " * gap + last, sheet.styled["dim"])])
        best = max(range(len(counts)), key=counts.__getitem__)
        sheet.say(f"most: {counts[best]:,} in the {each} of {shown[best][0]}", "dim")

    def _shares(self, sheet: Sheet, found: Mapping[str, Any]) -> None:
        for title, name, other in (
            ("by category", "by_category", "more categories"),
            ("by device", "by_device", "more devices"),
            ("by tag", "by_tag", "more tags"),
        ):
            counts = {label or "(none)": count for label, count in found[name]}
            if counts:
                sheet.title(title)
                sheet.bars(counts, most=8, other=other)
        kinds = dict(found["by_kind"])
        if len(kinds) > 1:
            sheet.title("by kind")
            sheet.bars(kinds, most=6, other="more kinds")
        sheet.title("the inbox")
        ages = {AGES.get(name, name): count for name, count in found["inbox_ages"]}
        if not any(ages.values()):
            sheet.say("empty: nothing waits to be looked at", "good")
            return
        sheet.bars(ages, most=len(ages))
        oldest = found["inbox_oldest"]
        if oldest is not None:
            sheet.say(f"the oldest waits since {local(oldest)[:10]} ({text.ago(oldest, found['now'])})", "dim")


STATES: Final = {"active": "kept", "inbox": "in the inbox", "archived": "archived"}
