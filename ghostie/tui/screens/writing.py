"""Writing: a memory's text, category and tags, or what a conflict is settled with; in place or in $EDITOR."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Label

from ghostie import editor
from ghostie.errors import GhostieError
from ghostie.tui.actions import Action
from ghostie.tui.fields import IN_PLACE, Area, Begun, Line
from ghostie.tui.place import Place


class _Form(Place):
    """Something to write in; what was written is not dropped at the first Esc."""

    NAME = "form"
    KEEPS: ClassVar[str]  # what ctrl+s does with it

    def __init__(self) -> None:
        super().__init__()
        self._warned = False

    @property
    def area(self) -> Area:
        return self.query_one(Area)

    def unsaved(self) -> bool:
        """Tell whether something was written."""
        raise NotImplementedError

    def do_back(self) -> None:
        if self.unsaved() and not self._warned:
            self._warned = True
            self.tell(f"not saved yet: Esc once more drops what you wrote, ctrl+s {self.KEEPS} it")
        else:
            self.dismiss(None)


class SettlingPlace(_Form):
    """Both sides of a conflict between markers; dismissed with what the person made of it, or with None."""

    TITLE_WORDS = "Both sides, between markers"
    KEEPS = "keeps"

    def __init__(self, content: str) -> None:
        super().__init__()
        self._was = content

    def body(self) -> Iterable[Widget]:
        yield Area(self._was if len(self._was) <= IN_PLACE else "")

    def opened(self) -> None:
        if len(self._was) > IN_PLACE:
            self.area.disabled = True
            self.tell("this text is too long to edit here: Esc, then E opens it in your editor")
        else:
            self.set_focus(self.area)
            self.tell("keep what you want, take the marker lines out, then ctrl+s")

    def do_accept(self) -> None:
        if not self.area.disabled:
            self.ask("conflicts.check", self._checked, content=self.area.text)

    def _checked(self, content: str) -> None:
        self.dismiss(content)

    def waits(self, action: Action | None) -> bool:
        return self.asking

    def unsaved(self) -> bool:
        return not self.area.disabled and self.area.text != self._was


class WritingPlace(_Form):
    """A form on one memory, or on a new one; dismissed with the words that say what was done, or with None.

    *content* was written elsewhere and not saved, for what was *wrong*.
    """

    KEEPS = "saves"

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
        self._in_use: dict[str, Sequence[str]] = {}
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
            yield Area("" if self._large else self._text)

    def opened(self) -> None:
        self.ask("memories.in_use", self._in_use.update)
        if self._large:
            self.area.disabled = True
            self.set_focus(self.query_one("#tags"))
            self.tell("this text is too long to edit here: E in the list opens it in your editor")
        else:
            self.set_focus(self.area)
        if self._wrong is not None:
            self.failed(self._wrong)

    @property
    def _large(self) -> bool:
        return len(self._text) > IN_PLACE

    def _now(self) -> tuple[str, str, str]:
        content = self._text if self._large else self.area.text
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

    def unsaved(self) -> bool:
        return bool(self._changes())

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
            after = editor.edited(content, app.layout)
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
