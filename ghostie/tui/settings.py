"""The person's settings: one TOML or JSON file, in the vault's folder or the configuration folder. Never fatal.

theme = "contrast"
lock_after = 10          # minutes without a key; 0: never
mouse = true

[keys]
"memories.archive" = ["A", "ctrl+k"]
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ghostie import files, text
from ghostie.errors import CannotRead
from ghostie.tui.actions import ACTIONS, Keymap

if TYPE_CHECKING:
    from ghostie.paths import Layout

NAMES: Final = ("screens.toml", "screens.json")
KNOWN: Final = ("theme", "lock_after", "mouse", "keys")
LOCK_AFTER: Final = 10
_KEY = re.compile(r"(ctrl\+|shift\+)?([a-z0-9_]+|[A-Z])")
_BEYOND = re.compile(r"(alt|meta|super)\+|f\d+$")


@dataclass(frozen=True)
class Settings:
    theme: str | None = None
    lock_after: int = LOCK_AFTER
    mouse: bool = True
    keymap: Keymap = field(default_factory=Keymap)
    wrong: tuple[str, ...] = ()  # what the file says that could not be taken, in words


def load_settings(layout: Layout) -> Settings:
    """Return the settings; what is wrong in the file is told in `wrong`, and everything else holds."""
    import platformdirs

    for folder in (layout.home, Path(platformdirs.user_config_dir("ghostie", appauthor=False))):
        for name in NAMES:
            path = folder / name
            try:
                spelt = files.read(path, 1 << 20)
            except FileNotFoundError:
                continue
            except CannotRead as error:
                return Settings(wrong=(str(error),))
            try:
                said = tomllib.loads(spelt.decode()) if name.endswith(".toml") else json.loads(spelt)
                if not isinstance(said, dict):
                    raise ValueError("it is not a table of settings")
            except (ValueError, RecursionError) as error:
                return Settings(wrong=(f"{name} is left out: {text.fit(text.one_line(str(error)), 120)}",))
            return read_settings(said, name)
    return Settings()


def read_settings(said: Mapping[str, Any], name: str) -> Settings:
    """Return what *said* sets; see `load_settings`."""
    wrong = [f"{name}: there is no setting {_short(key)}" for key in said if key not in KNOWN]
    theme, minutes = said.get("theme"), said.get("lock_after", LOCK_AFTER)
    mouse, keys = said.get("mouse", True), said.get("keys", {})
    if theme is not None and not isinstance(theme, str):
        wrong.append(f"{name}: theme is not a name")
        theme = None
    if type(minutes) is not int or not 0 <= minutes <= 24 * 60:
        wrong.append(f"{name}: lock_after is not a number of minutes, 0 to 1440")
        minutes = LOCK_AFTER
    if type(mouse) is not bool:
        wrong.append(f"{name}: mouse is neither true nor false")
        mouse = True
    own: dict[str, tuple[str, ...]] = {}
    if not isinstance(keys, dict):
        wrong.append(f"{name}: keys is not a table")
        keys = {}
    known = {action.id: action for action in ACTIONS}
    for action_id, given in keys.items():
        wanted = [given] if isinstance(given, str) else given
        if action_id not in known:
            wrong.append(f"{name}: there is no action {_short(action_id)}")
        elif not isinstance(wanted, list) or not all(isinstance(key, str) and _KEY.fullmatch(key) for key in wanted):
            wrong.append(f'{name}: {action_id} is not given a list of keys like "a", "ctrl+k", "slash"')
        elif beyond := next((key for key in wanted if _BEYOND.match(key)), None):
            wrong.append(f"{name}: {action_id}: {_short(beyond)} is not on every keyboard")
        else:
            own[action_id] = tuple(wanted)
    for action_id, taken in own.items():
        for other in ACTIONS:
            if other.id != action_id and other.where == known[action_id].where:
                both = set(taken) & set(own.get(other.id, other.keys))
                if both and (other.id not in own or other.id > action_id):
                    clash = f"{_short(min(both))} is both {action_id} and {other.id}"
                    wrong.append(f"{name}: {clash}; it does the one that the help lists first")
    return Settings(theme, minutes, mouse, Keymap(own), tuple(wrong))


def _short(value: object) -> str:
    return text.fit(text.one_line(str(value)), 40)
