"""What only Android needs: Termux's hooks, made and removed here, and the tools of Termux:API, asked with patience.

A hook is a small script that Termux or an add-on of it looks for by name. What carries no mark is somebody else's and
stays as it is. No secret is in any of them, and no word of a memory leaves by a notification.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ghostie import files, tools
from ghostie.errors import ApiSilent, CannotRead, NotTermux

MARK: Final = "# made by `ghostie termux setup`; `ghostie termux setup --remove` takes it away"
PATIENCE: Final = 5.0
# a person talks, or types on a small keyboard
DIALOG_PATIENCE: Final = 300.0
_ANSWER_LIMIT: Final = 1 << 22


@dataclass(frozen=True, slots=True)
class Hook:
    """A script and what it is for. *done* is what came of it: made, kept (it was so already), foreign or removed."""

    path: Path
    what: str
    text: str
    done: str = ""


def prefix() -> Path:
    """Return where Termux keeps its programs. Raises NotTermux."""
    if not here():
        raise NotTermux()
    return Path(os.environ["PREFIX"])


def here() -> bool:
    """Tell whether this is Termux."""
    return os.environ.get("PREFIX", "").endswith("/com.termux/files/usr")


# -- hooks -----------------------------------------------------------------------------------------------------------


def hooks(program: Sequence[str], home: Path, shell: str) -> list[Hook]:
    """Return the scripts below *home* that start *program* (an argument list, with its --home)."""
    ghostie = " ".join(map(shlex.quote, program))
    linger = "printf 'Enter closes this: '\nread -r _\n"
    made = (
        (".termux/boot/ghostie", "syncs after the phone has started", f"exec {ghostie} --quiet sync run\n"),
        (".shortcuts/ghostie-add", "widget: type a memory", f"{ghostie} termux capture || {{ {linger}}}\n"),
        (".shortcuts/ghostie-say", "widget: say a memory", f"{ghostie} termux capture --voice || {{ {linger}}}\n"),
        (".shortcuts/ghostie-paste", "widget: keep the clipboard", f"{ghostie} termux capture --clipboard\n{linger}"),
        (".shortcuts/ghostie-review", "widget: review what is new", f"exec {ghostie} review\n"),
        (".shortcuts/ghostie-sync", "widget: sync now", f"{ghostie} sync run\n{ghostie} termux notify\n{linger}"),
        ("bin/termux-file-editor", "keeps a file that is shared", f'{ghostie} termux capture --file "$1"\n{linger}'),
        ("bin/termux-url-opener", "keeps a link that is shared", f'{ghostie} termux capture --url "$1"\n{linger}'),
    )
    return [Hook(home / name, what, f"#!{shell}\n{MARK}\n{body}") for name, what, body in made]


def make(wanted: Sequence[Hook], *, dry_run: bool = False) -> list[Hook]:
    """Make every hook that is not there or is an older one of ours; return what came of each. Raises CannotWrite."""
    return [replace(hook, done=_made(hook, dry_run)) for hook in wanted]


def _made(hook: Hook, dry_run: bool) -> str:
    there = _text(hook.path)
    if there == hook.text:
        return "kept"
    if there is not None and MARK not in there:
        return "foreign"
    if not dry_run:
        files.make_folder(hook.path.parent)
        files.write_durably(hook.path, hook.text.encode())
        hook.path.chmod(0o700)
    return "made"


def remove(wanted: Sequence[Hook], *, dry_run: bool = False) -> list[Hook]:
    """Remove every hook that is ours; return what came of each. Raises CannotWrite."""
    done = []
    for hook in wanted:
        there = _text(hook.path)
        if there is None:
            continue
        ours = MARK in there
        if ours and not dry_run:
            files.remove_durably([hook.path])
        done.append(replace(hook, done="removed" if ours else "foreign"))
    return done


def _text(path: Path) -> str | None:
    """Return what a script says, or None; what cannot be read is somebody else's."""
    if not os.path.lexists(path):
        return None
    try:
        return files.read_named(path, 1 << 16).decode(errors="replace")
    except CannotRead:
        return ""


# -- Termux:API ------------------------------------------------------------------------------------------------------


def ask(tool: str, *argv: str, patience: float = PATIENCE) -> str:
    """Run a tool of Termux:API; return what it printed. Raises ApiSilent."""
    if shutil.which(tool) is None:
        raise ApiSilent(tool=tool, why="is not here")
    try:
        answer = tools.ask([tool, *argv], patience)
    except tools.NoAnswer as error:
        raise ApiSilent(tool=tool, why=str(error)) from None
    if answer.returncode != 0:
        raise ApiSilent(tool=tool, why=f"ended with exit code {answer.returncode}")
    return answer.stdout[:_ANSWER_LIMIT].decode(errors="replace")


def dialog(kind: str, title: str) -> str | None:
    """Ask the person by a window of Android's, for text or speech. Return the answer, or None. Raises ApiSilent."""
    more = ("-m",) if kind == "text" else ()
    said = ask("termux-dialog", kind, "-t", title, *more, patience=DIALOG_PATIENCE)
    try:
        answer = json.loads(said)
    except ValueError:
        raise ApiSilent(tool="termux-dialog", why="gave no answer that can be read") from None
    words = answer.get("text") if isinstance(answer, dict) else None
    return words if isinstance(words, str) and words.strip() else None


def clipboard() -> str | None:
    """Return what is on the clipboard, or None. Raises ApiSilent."""
    said = ask("termux-clipboard-get")
    return said if said.strip() else None


def notify(name: str, title: str, review: Path) -> None:
    """Show one notification with a button that opens *review*; an earlier one of this *name* is replaced."""
    # the way in which Termux's own widgets start a script with a terminal
    action = (
        "am startservice --user 0 -n com.termux/com.termux.app.TermuxService -a com.termux.service_execute "
        f"-d {shlex.quote(f'com.termux.file:{review}')}"
    )
    ask(
        *("termux-notification", "--id", name, "--group", "ghostie", "--alert-once"),
        *("--title", title, "--content", "ghostie", "--action", action),
        *("--button1", "review", "--button1-action", action),
    )


def notify_no_more(name: str) -> None:
    """Take a notification away."""
    ask("termux-notification-remove", name)
