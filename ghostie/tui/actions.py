"""The one registry of what a person can do. Keys, footer, action bar, help and palette are all made from it.

No key needs more than a phone's keyboard with Termux's default extra keys: no function keys, no Alt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

EVERYWHERE: Final = "everywhere"
LIST: Final = "list"
PAGE: Final = "page"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that can be done.

    *id* is the place that it works in and a name: the place's method for it is `do_<name>`. *pressed* are Textual's
    names of its keys, the first is the one that is shown; *words* are a button's; the heaviest come first in footer and
    action bar (0: only in help and palette). *help* says more than the words where they are too short. *typing*: the
    key works in a text field too.
    """

    id: str
    pressed: str
    words: str
    weight: int = 0
    help: str = ""
    typing: bool = False

    @property
    def where(self) -> str:
        return self.id.partition(".")[0]

    @property
    def name(self) -> str:
        return self.id.rpartition(".")[2]

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self.pressed.split())

    @property
    def said(self) -> str:
        return self.help or self.words


ACTIONS: Final[tuple[Action, ...]] = (
    Action("everywhere.help", "question_mark", "help", 100, "what can be done here, and by which key"),
    Action("everywhere.leave", "q", "back", 99, "back; from the first screen, leave"),
    Action("everywhere.back", "escape", "back", 0, "back: out of a field, marks, a screen", typing=True),
    Action("everywhere.palette", "colon ctrl+p", "commands", 20, "find any command by its words", typing=True),
    Action("everywhere.undo", "u", "undo", 30, "take the last change back; again, the one before"),
    Action("everywhere.redo", "U", "redo", 0, "do again what the last undo took back"),
    Action("everywhere.lock", "L", "lock", 0, "lock now: the passphrase opens it again"),
    Action("everywhere.theme", "T", "colours", 0, "the next set of colours"),
    Action("everywhere.refresh", "r", "refresh", 0, "read the vault again"),
    Action("everywhere.sync", "S", "sync", 0, "the store: what would move, devices, invitations"),
    Action("everywhere.stats", "N", "numbers", 0, "the vault in numbers"),
    Action("everywhere.quit", "ctrl+q Q", "leave", 0, "leave ghostie", typing=True),
    # what every list knows
    Action("list.down", "down j", "down"),
    Action("list.up", "up k", "up"),
    Action("list.page_down", "pagedown ctrl+d", "page down"),
    Action("list.page_up", "pageup ctrl+u", "page up"),
    Action("list.first", "home g", "first"),
    Action("list.last", "end G", "last"),
    Action("list.mark", "space", "mark", 25, "mark it, for an action on several"),
    Action("list.range", "v", "range", 0, "mark from here to where you go; again to end"),
    Action("list.mark_all", "a", "mark all", 0, "mark all, or none if all are"),
    # what every page of text knows
    Action("page.down", "down j", "down"),
    Action("page.up", "up k", "up"),
    Action("page.page_down", "pagedown ctrl+d space", "page down"),
    Action("page.page_up", "pageup ctrl+u", "page up"),
    Action("page.first", "home g", "top"),
    Action("page.last", "end G", "end"),
    Action("page.back", "left h", "back"),
    # memories
    Action("memories.open", "enter l right", "open", 60),
    Action("memories.search", "slash", "search", 95, "search as you type; cat: tag: since: narrow it"),
    Action("search.show", "enter", "show", 96, "go on with what was found", typing=True),
    Action("memories.filter", "F", "filter", 40, "choose what is shown, word by word"),
    Action("memories.clear", "0", "show all", 0, "drop search and filter"),
    Action("memories.save", "W", "save filter", 0, "keep this search under a digit"),
    *(
        Action(f"memories.saved_{digit}", f"{digit}", f"filter {digit}", 0, f"the filter saved under {digit}")
        for digit in range(1, 10)
    ),
    Action("memories.next_pane", "tab", "other side", 0, "list or preview"),
    Action("memories.new", "n", "new", 50, "write a new memory"),
    Action("memories.edit", "e", "edit", 90),
    Action("memories.editor", "E", "editor", 0, "edit in $EDITOR"),
    Action("memories.keep", "y", "keep", 45, "keep: out of the inbox or the archive"),
    Action("memories.archive", "A", "archive", 35),
    Action("memories.forget", "x", "forget", 85, "remove; undo or restore brings it back"),
    Action("memories.restore", "R", "restore", 86, "bring a removed memory back"),
    Action("memories.trash", "X", "trash", 0, "what was removed, and back"),
    Action("memories.category", "c", "category", 28),
    Action("memories.tag", "t", "tag", 27, "add tags, or take off with a minus"),
    Action("memories.inbox", "i", "inbox", 55, "go through the inbox, one at a time"),
    Action("memories.conflicts", "C", "conflicts", 0, "what was changed in two places at once"),
    Action("memories.history", "H", "history", 26, "its versions, and what changed"),
    Action("memories.past", "P", "the past", 0, "the whole vault as of a moment"),
    # one memory, where it is pushed over the list
    Action("detail.edit", "e", "edit", 90),
    Action("detail.editor", "E", "editor", 0, "edit in $EDITOR"),
    Action("detail.keep", "y", "keep", 45),
    Action("detail.archive", "A", "archive", 80),
    Action("detail.forget", "x", "forget", 85, "remove; undo or restore brings it back"),
    Action("detail.restore", "R", "restore", 86),
    Action("detail.category", "c", "category", 28),
    Action("detail.tag", "t", "tag", 27),
    Action("detail.history", "H", "history", 30, "its versions, and what changed"),
    Action("detail.conflicts", "C", "conflicts", 0, "what was changed in two places at once"),
    Action("detail.next", "n right_square_bracket", "next", 50, "the next memory of the list"),
    Action("detail.previous", "p left_square_bracket", "previous", 0, "the memory before it"),
    # the inbox, one at a time
    Action("inbox.keep", "y", "keep", 95, "keep it, and go on"),
    Action("inbox.forget", "x", "forget", 90, "remove it, and go on; undo brings it back"),
    Action("inbox.merge", "m", "merge", 92, "merge it into the one beside it, and go on"),
    Action("inbox.archive", "a A", "archive", 85, "archive it, and go on"),
    Action("inbox.skip", "s n right", "skip", 80, "leave it in the inbox, and go on"),
    Action("inbox.previous", "p left", "previous", 35, "the one before"),
    Action("inbox.again", "enter", "go on", 95, "go through what was skipped"),
    Action("inbox.edit", "e", "edit", 75, "edit it; then keep it"),
    Action("inbox.editor", "E", "editor", 0, "edit in $EDITOR"),
    Action("inbox.merge_other", "M", "merge into …", 40, "merge it into a memory that you look for"),
    Action("inbox.other", "o", "other", 45, "the next one that is like it"),
    Action("inbox.other_side", "tab", "other side", 0, "scroll what is like it, or it"),
    Action("inbox.category", "c", "category", 28),
    Action("inbox.tag", "t", "tag", 27, "add tags, or take off with a minus"),
    Action("inbox.history", "H", "history", 0, "its versions"),
    Action("inbox.conflicts", "C", "conflicts", 0, "what was changed in two places at once"),
    Action("pick.take", "enter", "take", 90, typing=True),
    Action("pick.down", "down", "down", typing=True),
    Action("pick.up", "up", "up", typing=True),
    # one memory's versions
    Action("history.open", "enter l right", "changes", 90, "against the version before, or the marked one"),
    Action("history.mark", "space m", "mark", 80, "mark it, to hold another against it"),
    Action("history.restore", "R", "restore", 85, "bring this version back"),
    Action("history.whole", "w", "whole text", 40, "all that this version says"),
    Action("history.next_pane", "tab", "other side", 0, "list or changes"),
    Action("difference.restore", "R", "restore", 90, "bring the newer one of the two back"),
    Action("difference.whole", "w", "whole text", 80, "all that the newer one says"),
    Action("version.restore", "R", "restore", 90, "bring this version back"),
    # the whole vault as of a moment
    Action("past.moment", "t", "moment", 95, "as of a moment: 7d, 2025-06-28, 2025-06-28T14:30"),
    Action("past.change_back", "left_square_bracket left", "earlier", 90, "to before the last change"),
    Action("past.change_on", "right_square_bracket right", "later", 85, "to after the next change"),
    Action("past.day_back", "comma", "day back", 40, "a day earlier"),
    Action("past.day_on", "full_stop", "day on", 35, "a day later"),
    Action("past.now", "0", "now", 30, "back to the present"),
    Action("past.open", "enter l", "open", 50, "what it said then, and what has changed since"),
    Action("past.restore", "R", "restore", 88, "make it say now what it said then"),
    Action("past.filter", "slash F", "filter", 25, "which are shown: cat: tag: device: kind:"),
    Action("past.next_pane", "tab", "other side", 0, "list or text"),
    Action("then.restore", "R", "restore", 90, "make it say now what it said then"),
    Action("then.history", "H", "history", 50, "all its versions"),
    # conflicts
    Action("conflicts.open", "enter l right", "open", 90),
    Action("conflict.pick_mine", "1", "mine", 95, "this field as this device has it"),
    Action("conflict.pick_theirs", "2", "theirs", 94, "this field as the other side has it"),
    Action("conflict.pick_both", "3", "both", 70, "this field with what both sides say"),
    Action("conflict.pick_base", "0", "before", 30, "this field as it was before both"),
    Action("conflict.accept", "enter y", "settle", 93, "settle it as chosen, and go on to the next"),
    Action("conflict.edit", "e", "edit", 75, "write the content yourself, from both sides"),
    Action("conflict.editor", "E", "editor", 0, "the same in $EDITOR"),
    Action("conflict.next", "n tab right", "next field", 60),
    Action("conflict.previous", "p left", "field before"),
    Action("conflict.mine", "m", "all mine", 45, "settle it at once: all as this device has it"),
    Action("conflict.theirs", "t", "all theirs", 44, "settle it at once: all as the other side has it"),
    Action("conflict.both", "b", "two memories", 43, "settle it at once: keep both, as two memories"),
    Action("conflict.merged", "a", "merged", 42, "settle it at once: both texts, else mine"),
    Action("conflict.other", "o", "other side", 50, "of several other sides, the next"),
    Action("conflict.whole", "w", "whole text", 20, "all that is alike too, or only around it"),
    Action("conflict.next_conflict", "right_square_bracket", "next", 0, "the next conflict"),
    Action("conflict.previous_conflict", "left_square_bracket", "previous", 0, "the conflict before"),
    # sync and its devices
    Action("sync.stop", "c", "stop", 100, "end what is under way; nothing is lost by it"),
    Action("sync.run", "enter s", "sync", 95, "take in what is there, and send what is new"),
    Action("sync.setup", "o", "set up", 75, "choose the store to sync with, or give it other credentials"),
    Action("sync.repair", "R", "repair", 92, "put back what the store lost, accept what cannot be had"),
    Action("sync.look", "r", "look", 85, "ask the store what would move, and move nothing"),
    Action("sync.devices", "d", "devices", 80, "which devices there are; rename, retire"),
    Action("sync.invite", "i", "invite", 70, "a code by which another device joins"),
    Action("sync.join", "J", "join", 60, "join the vault that a code invites to"),
    Action("sync.pull", "p", "pull", 50, "take in only"),
    Action("sync.push", "P", "push", 45, "send only"),
    Action("sync.automatic", "a", "automatic", 40, "let this device sync by itself, or end that"),
    Action("sync.verify", "V", "verify", 0, "read and check every object on the store"),
    Action("devices.rename", "e enter", "rename", 90, "call this device something else"),
    Action("devices.retire", "x", "retire", 80, "end a device that is lost, sold or gone for good"),
    Action("devices.invite", "i", "invite", 70, "a code by which another device joins"),
    # one question a page
    Action("asking.next", "enter", "next", 95, "take this answer and go on", typing=True),
    Action("asking.previous", "ctrl+b", "page back", 60, "the question before", typing=True),
    Action("asking.show", "ctrl+r", "show", 50, "show or hide what is typed", typing=True),
    Action("asking.field", "tab shift+tab", "other field", typing=True),
    Action("asking.later", "ctrl+l", "later", 40, "leave this for another time", typing=True),
    Action("question.yes", "y", "yes", 90),
    Action("question.no", "n", "no", 95),
    # fields, palette, questions
    Action("line.take", "enter ctrl+s", "take", 90, "take this line and go on", typing=True),
    Action("form.accept", "ctrl+s", "save", 90, typing=True),
    Action("form.next", "tab", "next field", 40, typing=True),
    Action("form.previous", "shift+tab", "field before", typing=True),
    Action("filter.toggle", "enter", "in or out", 90, "put the condition in, or take it out", typing=True),
    Action("filter.show", "ctrl+s", "show", 95, "show what the filter holds for", typing=True),
    Action("filter.down", "down", "down", typing=True),
    Action("filter.up", "up", "up", typing=True),
    Action("palette.run", "enter", "run", 90, typing=True),
    Action("palette.down", "down", "down", typing=True),
    Action("palette.up", "up", "up", typing=True),
    Action("unlock.open", "enter", "unlock", 90, typing=True),
    Action("unlock.show", "ctrl+r", "show", 50, "show what is typed", typing=True),
)

# what of `everywhere` works while the vault is locked
ALWAYS: Final = frozenset(f"everywhere.{name}" for name in ("help", "palette", "theme", "quit", "back", "leave"))

# the shared actions that a list has only where its rows can be marked
MARKING: Final = ("mark", "range", "mark_all")

# what waits for nothing: it ends what one waits for, and what was typed ahead is dropped with it
AT_ONCE: Final = frozenset(("everywhere.back", "everywhere.quit"))

# the keys that are told by another name than Textual's; the first put that character into a text field
_SIGNS: Final[Mapping[str, str]] = {
    "question_mark": "?",
    "colon": ":",
    "slash": "/",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "full_stop": ".",
    "comma": ",",
    "minus": "-",
    "plus": "+",
    "equals_sign": "=",
}
_SHOWN: Final[Mapping[str, str]] = {
    **_SIGNS,
    "escape": "esc",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "pageup": "pgup",
    "pagedown": "pgdn",
}


def shown_key(key: str) -> str:
    """Return a key as people are told it: "?", "esc", "^p"."""
    if key.startswith("ctrl+"):
        return "^" + shown_key(key.removeprefix("ctrl+"))
    return _SHOWN.get(key, key)


def types(key: str) -> bool:
    """Tell whether *key* puts a character into a text field."""
    return len(key) == 1 or key == "space" or key in _SIGNS


class Keymap:
    """Which key does what, place by place; a person's own keys go over the registry's."""

    def __init__(self, own: Mapping[str, tuple[str, ...]] | None = None) -> None:
        own = own or {}
        self._actions = {action.id: action for action in ACTIONS}
        self._keys = {action.id: own.get(action.id, action.keys) for action in ACTIONS}
        self._meant: dict[tuple[str, str], Action] = {}
        for action in ACTIONS:
            for key in self._keys[action.id]:
                self._meant.setdefault((action.where, key), action)

    def keys(self, action: Action) -> tuple[str, ...]:
        return self._keys[action.id]

    def shown(self, action: Action, *, typing: bool = False) -> str:
        """Return the key that is told for *action*, or "" where it has none; *typing*: one that types nothing."""
        return next((shown_key(key) for key in self._keys[action.id] if not (typing and types(key))), "")

    def find(self, key: str, places: Iterable[str]) -> Action | None:
        """Return what *key* does, the first of *places* first."""
        return next((self._meant[place, key] for place in places if (place, key) in self._meant), None)

    def get(self, action_id: str) -> Action:
        return self._actions[action_id]

    def of(self, places: Iterable[str]) -> list[Action]:
        return [action for place in places for action in ACTIONS if action.where == place]
