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

    *keys* are Textual's names, the first is the one that is shown; *words* are a button's; *where* is the place it
    works in; the heaviest come first in footer and action bar (0: only in help and palette). *typing*: the key works in
    a text field too. *help* says more than the words where they are too short.
    """

    id: str
    keys: tuple[str, ...]
    words: str
    where: str
    weight: int = 0
    help: str = ""
    typing: bool = False

    @property
    def name(self) -> str:
        """The last part of the id: a place's method for it is `do_<name>`."""
        return self.id.rpartition(".")[2]

    @property
    def said(self) -> str:
        return self.help or self.words


ACTIONS: Final[tuple[Action, ...]] = (
    Action("everywhere.help", ("question_mark",), "help", EVERYWHERE, 100, "what can be done here, and by which key"),
    Action("everywhere.leave", ("q",), "back", EVERYWHERE, 99, "back; from the first screen, leave"),
    Action("everywhere.back", ("escape",), "back", EVERYWHERE, 0, "back: out of a field, marks, a screen", typing=True),
    Action(
        "everywhere.palette",
        ("colon", "ctrl+p"),
        "commands",
        EVERYWHERE,
        20,
        "find any command by its words",
        typing=True,
    ),
    Action("everywhere.undo", ("u",), "undo", EVERYWHERE, 30, "take the last change back; again, the one before"),
    Action("everywhere.redo", ("U",), "redo", EVERYWHERE, 0, "do again what the last undo took back"),
    Action("everywhere.lock", ("L",), "lock", EVERYWHERE, 0, "lock now: the passphrase opens it again"),
    Action("everywhere.theme", ("T",), "colours", EVERYWHERE, 0, "the next set of colours"),
    Action("everywhere.refresh", ("r",), "refresh", EVERYWHERE, 0, "read the vault again"),
    Action("everywhere.sync", ("S",), "sync", EVERYWHERE, 0, "the store: what would move, devices, invitations"),
    Action("everywhere.stats", ("N",), "numbers", EVERYWHERE, 0, "the vault in numbers"),
    Action("everywhere.quit", ("ctrl+q", "Q"), "leave", EVERYWHERE, 0, "leave ghostie", typing=True),
    # what every list knows
    Action("list.down", ("down", "j"), "down", LIST),
    Action("list.up", ("up", "k"), "up", LIST),
    Action("list.page_down", ("pagedown", "ctrl+d"), "page down", LIST),
    Action("list.page_up", ("pageup", "ctrl+u"), "page up", LIST),
    Action("list.first", ("home", "g"), "first", LIST),
    Action("list.last", ("end", "G"), "last", LIST),
    Action("list.mark", ("space",), "mark", LIST, 25, "mark it, for an action on several"),
    Action("list.range", ("v",), "range", LIST, 0, "mark from here to where you go; again to end"),
    Action("list.mark_all", ("a",), "mark all", LIST, 0, "mark all, or none if all are"),
    # what every page of text knows
    Action("page.down", ("down", "j"), "down", PAGE),
    Action("page.up", ("up", "k"), "up", PAGE),
    Action("page.page_down", ("pagedown", "ctrl+d", "space"), "page down", PAGE),
    Action("page.page_up", ("pageup", "ctrl+u"), "page up", PAGE),
    Action("page.first", ("home", "g"), "top", PAGE),
    Action("page.last", ("end", "G"), "end", PAGE),
    Action("page.back", ("left", "h"), "back", PAGE),
    # memories
    Action("memories.open", ("enter", "l", "right"), "open", "memories", 60),
    Action("memories.search", ("slash",), "search", "memories", 95, "search as you type; cat: tag: since: narrow it"),
    Action("search.show", ("enter",), "show", "search", 96, "go on with what was found", typing=True),
    Action("memories.filter", ("F",), "filter", "memories", 40, "choose what is shown, word by word"),
    Action("memories.clear", ("0",), "show all", "memories", 0, "drop search and filter"),
    Action("memories.save", ("W",), "save filter", "memories", 0, "keep this search under a digit"),
    *(
        Action(
            f"memories.saved_{digit}",
            (str(digit),),
            f"filter {digit}",
            "memories",
            0,
            f"the filter saved under {digit}",
        )
        for digit in range(1, 10)
    ),
    Action("memories.next_pane", ("tab",), "other side", "memories", 0, "list or preview"),
    Action("memories.new", ("n",), "new", "memories", 50, "write a new memory"),
    Action("memories.edit", ("e",), "edit", "memories", 90),
    Action("memories.editor", ("E",), "editor", "memories", 0, "edit in $EDITOR"),
    Action("memories.keep", ("y",), "keep", "memories", 45, "keep: out of the inbox or the archive"),
    Action("memories.archive", ("A",), "archive", "memories", 35),
    Action("memories.forget", ("x",), "forget", "memories", 85, "remove; undo or restore brings it back"),
    Action("memories.restore", ("R",), "restore", "memories", 86, "bring a removed memory back"),
    Action("memories.trash", ("X",), "trash", "memories", 0, "what was removed, and back"),
    Action("memories.category", ("c",), "category", "memories", 28),
    Action("memories.tag", ("t",), "tag", "memories", 27, "add tags, or take off with a minus"),
    Action("memories.inbox", ("i",), "inbox", "memories", 55, "go through the inbox, one at a time"),
    Action("memories.conflicts", ("C",), "conflicts", "memories", 0, "what was changed in two places at once"),
    Action("memories.history", ("H",), "history", "memories", 26, "its versions, and what changed"),
    Action("memories.past", ("P",), "the past", "memories", 0, "the whole vault as of a moment"),
    # one memory, where it is pushed over the list
    Action("detail.edit", ("e",), "edit", "detail", 90),
    Action("detail.editor", ("E",), "editor", "detail", 0, "edit in $EDITOR"),
    Action("detail.keep", ("y",), "keep", "detail", 45),
    Action("detail.archive", ("A",), "archive", "detail", 80),
    Action("detail.forget", ("x",), "forget", "detail", 85, "remove; undo or restore brings it back"),
    Action("detail.restore", ("R",), "restore", "detail", 86),
    Action("detail.category", ("c",), "category", "detail", 28),
    Action("detail.tag", ("t",), "tag", "detail", 27),
    Action("detail.history", ("H",), "history", "detail", 30, "its versions, and what changed"),
    Action("detail.conflicts", ("C",), "conflicts", "detail", 0, "what was changed in two places at once"),
    Action("detail.next", ("n", "right_square_bracket"), "next", "detail", 50, "the next memory of the list"),
    Action("detail.previous", ("p", "left_square_bracket"), "previous", "detail", 0, "the memory before it"),
    # the inbox, one at a time
    Action("inbox.keep", ("y",), "keep", "inbox", 95, "keep it, and go on"),
    Action("inbox.forget", ("x",), "forget", "inbox", 90, "remove it, and go on; undo brings it back"),
    Action("inbox.merge", ("m",), "merge", "inbox", 92, "merge it into the one beside it, and go on"),
    Action("inbox.archive", ("a", "A"), "archive", "inbox", 85, "archive it, and go on"),
    Action("inbox.skip", ("s", "n", "right"), "skip", "inbox", 80, "leave it in the inbox, and go on"),
    Action("inbox.previous", ("p", "left"), "previous", "inbox", 35, "the one before"),
    Action("inbox.again", ("enter",), "go on", "inbox", 95, "go through what was skipped"),
    Action("inbox.edit", ("e",), "edit", "inbox", 75, "edit it; then keep it"),
    Action("inbox.editor", ("E",), "editor", "inbox", 0, "edit in $EDITOR"),
    Action("inbox.merge_other", ("M",), "merge into …", "inbox", 40, "merge it into a memory that you look for"),
    Action("inbox.other", ("o",), "other", "inbox", 45, "the next one that is like it"),
    Action("inbox.other_side", ("tab",), "other side", "inbox", 0, "scroll what is like it, or it"),
    Action("inbox.category", ("c",), "category", "inbox", 28),
    Action("inbox.tag", ("t",), "tag", "inbox", 27, "add tags, or take off with a minus"),
    Action("inbox.history", ("H",), "history", "inbox", 0, "its versions"),
    Action("inbox.conflicts", ("C",), "conflicts", "inbox", 0, "what was changed in two places at once"),
    Action("pick.take", ("enter",), "take", "pick", 90, typing=True),
    Action("pick.down", ("down",), "down", "pick", 0, typing=True),
    Action("pick.up", ("up",), "up", "pick", 0, typing=True),
    # one memory's versions
    Action(
        "history.open",
        ("enter", "l", "right"),
        "changes",
        "history",
        90,
        "against the version before, or the marked one",
    ),
    Action("history.mark", ("space", "m"), "mark", "history", 80, "mark it, to hold another against it"),
    Action("history.restore", ("R",), "restore", "history", 85, "bring this version back"),
    Action("history.whole", ("w",), "whole text", "history", 40, "all that this version says"),
    Action("history.next_pane", ("tab",), "other side", "history", 0, "list or changes"),
    Action("difference.restore", ("R",), "restore", "difference", 90, "bring the newer one of the two back"),
    Action("difference.whole", ("w",), "whole text", "difference", 80, "all that the newer one says"),
    Action("version.restore", ("R",), "restore", "version", 90, "bring this version back"),
    # the whole vault as of a moment
    Action("past.moment", ("t",), "moment", "past", 95, "as of a moment: 7d, 2025-06-28, 2025-06-28T14:30"),
    Action("past.change_back", ("left_square_bracket", "left"), "earlier", "past", 90, "to before the last change"),
    Action("past.change_on", ("right_square_bracket", "right"), "later", "past", 85, "to after the next change"),
    Action("past.day_back", ("comma",), "day back", "past", 40, "a day earlier"),
    Action("past.day_on", ("full_stop",), "day on", "past", 35, "a day later"),
    Action("past.now", ("0",), "now", "past", 30, "back to the present"),
    Action("past.open", ("enter", "l"), "open", "past", 50, "what it said then, and what has changed since"),
    Action("past.restore", ("R",), "restore", "past", 88, "make it say now what it said then"),
    Action("past.filter", ("slash", "F"), "filter", "past", 25, "which are shown: cat: tag: device: kind:"),
    Action("past.next_pane", ("tab",), "other side", "past", 0, "list or text"),
    Action("then.restore", ("R",), "restore", "then", 90, "make it say now what it said then"),
    Action("then.history", ("H",), "history", "then", 50, "all its versions"),
    # conflicts
    Action("conflicts.open", ("enter", "l", "right"), "open", "conflicts", 90),
    Action("conflict.pick_mine", ("1",), "mine", "conflict", 95, "this field as this device has it"),
    Action("conflict.pick_theirs", ("2",), "theirs", "conflict", 94, "this field as the other side has it"),
    Action("conflict.pick_both", ("3",), "both", "conflict", 70, "this field with what both sides say"),
    Action("conflict.pick_base", ("0",), "before", "conflict", 30, "this field as it was before both"),
    Action("conflict.accept", ("enter", "y"), "settle", "conflict", 93, "settle it as chosen, and go on to the next"),
    Action("conflict.edit", ("e",), "edit", "conflict", 75, "write the content yourself, from both sides"),
    Action("conflict.editor", ("E",), "editor", "conflict", 0, "the same in $EDITOR"),
    Action("conflict.next", ("n", "tab", "right"), "next field", "conflict", 60),
    Action("conflict.previous", ("p", "left"), "field before", "conflict", 0),
    Action("conflict.mine", ("m",), "all mine", "conflict", 45, "settle it at once: all as this device has it"),
    Action("conflict.theirs", ("t",), "all theirs", "conflict", 44, "settle it at once: all as the other side has it"),
    Action("conflict.both", ("b",), "two memories", "conflict", 43, "settle it at once: keep both, as two memories"),
    Action("conflict.merged", ("a",), "merged", "conflict", 42, "settle it at once: both texts, else mine"),
    Action("conflict.other", ("o",), "other side", "conflict", 50, "of several other sides, the next"),
    Action("conflict.whole", ("w",), "whole text", "conflict", 20, "all that is alike too, or only around it"),
    Action("conflict.next_conflict", ("right_square_bracket",), "next", "conflict", 0, "the next conflict"),
    Action("conflict.previous_conflict", ("left_square_bracket",), "previous", "conflict", 0, "the conflict before"),
    # sync and its devices
    Action("sync.stop", ("c",), "stop", "sync", 100, "end what is under way; nothing is lost by it"),
    Action("sync.run", ("enter", "s"), "sync", "sync", 95, "take in what is there, and send what is new"),
    Action("sync.setup", ("o",), "set up", "sync", 75, "choose the store to sync with, or give it other credentials"),
    Action("sync.repair", ("R",), "repair", "sync", 92, "put back what the store lost, accept what cannot be had"),
    Action("sync.look", ("r",), "look", "sync", 85, "ask the store what would move, and move nothing"),
    Action("sync.devices", ("d",), "devices", "sync", 80, "which devices there are; rename, retire"),
    Action("sync.invite", ("i",), "invite", "sync", 70, "a code by which another device joins"),
    Action("sync.join", ("J",), "join", "sync", 60, "join the vault that a code invites to"),
    Action("sync.pull", ("p",), "pull", "sync", 50, "take in only"),
    Action("sync.push", ("P",), "push", "sync", 45, "send only"),
    Action("sync.automatic", ("a",), "automatic", "sync", 40, "let this device sync by itself, or end that"),
    Action("sync.verify", ("V",), "verify", "sync", 0, "read and check every object on the store"),
    Action("devices.rename", ("e", "enter"), "rename", "devices", 90, "call this device something else"),
    Action("devices.retire", ("x",), "retire", "devices", 80, "end a device that is lost, sold or gone for good"),
    Action("devices.invite", ("i",), "invite", "devices", 70, "a code by which another device joins"),
    # one question a page
    Action("asking.next", ("enter",), "next", "asking", 95, "take this answer and go on", typing=True),
    Action("asking.previous", ("ctrl+b",), "page back", "asking", 60, "the question before", typing=True),
    Action("asking.show", ("ctrl+r",), "show", "asking", 50, "show or hide what is typed", typing=True),
    Action("asking.field", ("tab", "shift+tab"), "other field", "asking", 0, typing=True),
    Action("asking.later", ("ctrl+l",), "later", "asking", 40, "leave this for another time", typing=True),
    Action("question.yes", ("y",), "yes", "question", 90),
    Action("question.no", ("n",), "no", "question", 95),
    # fields, palette, questions
    Action("line.take", ("enter", "ctrl+s"), "take", "line", 90, "take this line and go on", typing=True),
    Action("form.accept", ("ctrl+s",), "save", "form", 90, typing=True),
    Action("form.next", ("tab",), "next field", "form", 40, typing=True),
    Action("form.previous", ("shift+tab",), "field before", "form", 0, typing=True),
    Action("filter.toggle", ("enter",), "in or out", "filter", 90, "put the condition in, or take it out", typing=True),
    Action("filter.show", ("ctrl+s",), "show", "filter", 95, "show what the filter holds for", typing=True),
    Action("filter.down", ("down",), "down", "filter", 0, typing=True),
    Action("filter.up", ("up",), "up", "filter", 0, typing=True),
    Action("palette.run", ("enter",), "run", "palette", 90, typing=True),
    Action("palette.down", ("down",), "down", "palette", 0, typing=True),
    Action("palette.up", ("up",), "up", "palette", 0, typing=True),
    Action("unlock.open", ("enter",), "unlock", "unlock", 90, typing=True),
    Action("unlock.show", ("ctrl+r",), "show", "unlock", 50, "show what is typed", typing=True),
)

# what of `everywhere` works while the vault is locked
ALWAYS: Final = frozenset(f"everywhere.{name}" for name in ("help", "palette", "theme", "quit", "back", "leave"))

# what waits for nothing: it ends what one waits for, and what was typed ahead is dropped with it
AT_ONCE: Final = frozenset(("everywhere.back", "everywhere.quit"))

_SHOWN: Final[Mapping[str, str]] = {
    "question_mark": "?",
    "colon": ":",
    "slash": "/",
    "space": "space",
    "enter": "enter",
    "escape": "esc",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "full_stop": ".",
    "comma": ",",
    "minus": "-",
    "plus": "+",
    "equals_sign": "=",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "pageup": "pgup",
    "pagedown": "pgdn",
}


# keys that put a character into a text field, beside letters and digits
_TYPED: Final = ("space", *(key for key, shown in _SHOWN.items() if len(shown) == 1 and shown not in "↑↓←→"))


def shown_key(key: str) -> str:
    """Return a key as people are told it: "?", "esc", "^p"."""
    if key.startswith("ctrl+"):
        return "^" + shown_key(key.removeprefix("ctrl+"))
    return _SHOWN.get(key, key)


def types(key: str) -> bool:
    """Tell whether *key* puts a character into a text field."""
    return len(key) == 1 or key in _TYPED


class Keymap:
    """Which key does what, place by place; a person's own keys go over the registry's."""

    def __init__(self, own: Mapping[str, tuple[str, ...]] | None = None, actions: Iterable[Action] = ACTIONS) -> None:
        own = own or {}
        self._keys = {action.id: own.get(action.id, action.keys) for action in actions}
        self._actions = {action.id: action for action in actions}
        self._by_place: dict[str, dict[str, Action]] = {}
        for action in actions:
            place = self._by_place.setdefault(action.where, {})
            for key in self._keys[action.id]:
                place.setdefault(key, action)

    def keys(self, action: Action) -> tuple[str, ...]:
        return self._keys[action.id]

    def shown(self, action: Action, *, typing: bool = False) -> str:
        """Return the key that is told for *action*, or "" where it has none; *typing*: one that types nothing."""
        return next((shown_key(key) for key in self._keys[action.id] if not (typing and types(key))), "")

    def find(self, key: str, places: Iterable[str]) -> Action | None:
        """Return what *key* does, the first of *places* first."""
        for place in places:
            if (action := self._by_place.get(place, {}).get(key)) is not None:
                return action
        return None

    def get(self, action_id: str) -> Action:
        return self._actions[action_id]

    def of(self, places: Iterable[str]) -> list[Action]:
        """Return the actions of *places*, in their order."""
        wanted = list(places)
        return sorted(
            (action for action in self._actions.values() if action.where in wanted),
            key=lambda action: wanted.index(action.where),
        )
