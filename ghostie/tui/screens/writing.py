"""Writing a memory: its text, category and tags, in place or in $EDITOR."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Label

from ghostie import editor
from ghostie.errors import GhostieError
from ghostie.tui.actions import Action
from ghostie.tui.fields import IN_PLACE, Area, Begun, Line
from ghostie.tui.place import Place


class WritingPlace(Place):
    """A form on one memory, or on a new one; dismissed with the words that say what was done, or with None.

    *content* was written elsewhere and not saved, for what was *wrong*.
    """

    NAME = "form"

    def __init__(
        self, found: Mapping[str, Any] | None = None, content: str | None = None, wrong: GhostieError | None = None
    ) -> None:
        super().__init__()
        self._found = found
        record = found["record"] if found is not None else {"content": "", "category": None, "tags": []}
        self._was = (record["content"], record["category"] or "", " ".join(record["tags"]))
        self._text: str = content if content is not None else self._was[0]
        self._wrong = wrong
        self._spaced = any(" " in tag for tag in record["tags"])
        self._in_use: Mapping[str, Sequence[str]] = {}
        self._warned = False
        self._saving = False

    def heading(self) -> str:
        return "Edit" if self._found is not None else "New memory"

    def body(self) -> Iterable[Widget]:
        _, category, tags = self._was
        with Vertical():
            with Horizontal(classes="labelled"):
                yield Label("category")
                known = Begun(lambda: self._in_use.get("categories", ()))
                yield Line(category, label="one, or none", suggest=known, id="category")
            with Horizontal(classes="labelled"):
                yield Label("tags")
                known = Begun(lambda: self._in_use.get("tags", ()), words=True)
                yield Line(tags, label="words, spaces between", suggest=known, id="tags")
            yield Area("" if self._large else self._text, id="content")

    def opened(self) -> None:
        self.ask("memories.in_use", self._known)
        content = self.query_one("#content", Area)
        if self._large:
            content.disabled = True
            self.set_focus(self.query_one("#tags"))
            self.tell("this text is too long to edit here: E in the list opens it in your editor")
        else:
            self.set_focus(content)
        if self._wrong is not None:
            self.failed(self._wrong)

    def _known(self, in_use: Mapping[str, Sequence[str]]) -> None:
        self._in_use = in_use

    @property
    def _large(self) -> bool:
        return len(self._text) > IN_PLACE

    def _now(self) -> tuple[str, str, str]:
        content = self._text if self._large else self.query_one("#content", Area).text
        return content, self.query_one("#category", Line).value.strip(), self.query_one("#tags", Line).value.strip()

    def _changes(self) -> dict[str, Any]:
        (content, category, tags), was = self._now(), self._was
        changes: dict[str, Any] = {}
        if content != was[0]:
            changes["content"] = content
        if category != was[1]:
            changes["category"] = category or None
        if tags != was[2]:
            changes["tags"] = sorted({tag.lstrip("#") for tag in tags.split()} - {""})
        return changes

    def do_next(self) -> None:
        self.focus_next()

    def do_previous(self) -> None:
        self.focus_previous()

    def can(self, action: Action) -> bool:
        return not (action.name == "accept" and self._saving)

    def waits(self, action: Action | None) -> bool:
        return self._saving

    def do_accept(self) -> None:
        changes = self._changes()
        if not changes:
            self.dismiss(None)
        elif not self._now()[0].strip():
            self.tell("a memory needs some text · Esc leaves without saving", bad=True)
        else:
            self._saving = True
            self._save(changes, self._saved)

    def _save(self, changes: Mapping[str, Any], then: Any) -> None:
        if self._found is None:
            fields = {name: value for name, value in changes.items() if name != "content" and value}
            self.ask("memories.add", then, failed=self._refused, content=changes.get("content", ""), fields=fields)
        else:
            row = self._found["row"]
            self.ask(
                "memories.edit", then, failed=self._refused, id=row["id"], changes=changes, base=self._found["hash"]
            )

    def _saved(self, _: Any) -> None:
        self.dismiss("saved · u takes it back")

    def _refused(self, error: GhostieError) -> None:
        self._saving = False
        self.failed(error)

    def do_back(self) -> None:
        if self._changes() and not self._warned:
            self._warned = True
            self.tell("not saved yet: Esc once more drops what you wrote, ctrl+s saves it")
        else:
            self.dismiss(None)

    def locking(self) -> None:
        """Save what is written before the vault is locked: nobody is there to be asked."""
        changes = self._changes()
        if changes and self._now()[0].strip() and not self._saving:
            self._save(changes, lambda _: None)


def in_editor(place: Place, found: Mapping[str, Any]) -> dict[str, Any] | None:
    """Let the person change a memory's text in their editor; return the changes, or None where there are none."""
    content = found["record"]["content"]
    app = place.ghostie
    try:
        with app.suspend():
            after = editor.edited(content)
    except GhostieError as error:
        place.failed(error)
        return None
    finally:
        app.touched()
    if after == content:
        place.tell("nothing was changed")
        return None
    if not after.strip():
        place.tell("the text would be empty: nothing was changed · x removes the memory", bad=True)
        return None
    return {"content": after}
