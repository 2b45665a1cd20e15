"""The registry of actions, and the keys that a person makes of it."""

from __future__ import annotations

import inspect
import pkgutil
import re
from importlib import import_module
from pathlib import Path

import pytest

from ghostie.paths import Layout
from ghostie.tui import screens
from ghostie.tui.actions import ACTIONS, EVERYWHERE, LIST, PAGE, Keymap, shown_key
from ghostie.tui.app import GhostieApp
from ghostie.tui.pages import Page
from ghostie.tui.place import Place
from ghostie.tui.rows import Rows
from ghostie.tui.screens.finding import PalettePlace
from ghostie.tui.screens.memories import MemoriesPlace
from ghostie.tui.settings import load_settings, read_settings
from tests.tui.pressing import presses

from .house import House, Screen

# what a phone's keyboard sends with Termux's default extra keys: ESC - HOME UP END PGUP TAB CTRL ARROWS PGDN
KEYS = re.compile(
    r"[a-zA-Z0-9]|ctrl\+[a-z]|shift\+tab|tab|enter|escape|space|up|down|left|right|home|end|pageup|pagedown|backspace"
    r"|question_mark|colon|slash|left_square_bracket|right_square_bracket|full_stop|comma|minus|plus|equals_sign|at"
)


def places() -> dict[str, list[type[Place]]]:
    """Return all places there are, by name."""
    found: dict[str, list[type[Place]]] = {}
    for module in pkgutil.iter_modules(screens.__path__):
        for _, each in inspect.getmembers(import_module(f"{screens.__name__}.{module.name}"), inspect.isclass):
            if issubclass(each, Place) and each.NAME != Place.NAME:
                found.setdefault(each.NAME, []).append(each)
    return found


def test_every_action_has_an_id_of_its_own_words_and_a_key() -> None:
    assert len({action.id for action in ACTIONS}) == len(ACTIONS)
    for action in ACTIONS:
        assert action.id == f"{action.where}.{action.name}"
        assert action.words and action.keys, action.id


def test_every_key_is_on_a_phone() -> None:
    assert [(action.id, key) for action in ACTIONS for key in action.keys if not KEYS.fullmatch(key)] == []


@pytest.mark.parametrize("where", sorted({action.where for action in ACTIONS}))
def test_no_two_actions_of_a_place_share_a_key(where: str) -> None:
    keys = [key for action in ACTIONS if action.where == where for key in action.keys]
    assert len(set(keys)) == len(keys), sorted(key for key in keys if keys.count(key) > 1)


def test_every_action_is_carried_out_by_something() -> None:
    shared: dict[str, list[type]] = {LIST: [Rows], PAGE: [Page, Place], EVERYWHERE: [GhostieApp, Place]}
    carriers: dict[str, list[type]] = {**shared, "search": [MemoriesPlace], **places()}
    for action in ACTIONS:
        assert any(hasattr(each, f"do_{action.name}") for each in carriers[action.where]), action.id


def test_nothing_of_a_place_shadows_how_to_leave_and_how_to_get_help() -> None:
    for action in ACTIONS:
        if action.where not in (EVERYWHERE, LIST, PAGE):
            assert not {"question_mark", "escape", "ctrl+q"} & set(action.keys), action.id


@pytest.mark.parametrize(("key", "shown"), [("question_mark", "?"), ("ctrl+p", "^p"), ("A", "A"), ("left", "←")])
def test_keys_are_told_as_people_write_them(key: str, shown: str) -> None:
    assert shown_key(key) == shown


# -- the person's own ------------------------------------------------------------------------------------------------


def test_own_keys_take_the_place_of_the_usual_ones() -> None:
    settings = read_settings({"keys": {"memories.archive": ["ctrl+k", "a"]}}, "screens.toml")
    assert settings.wrong == ()
    keymap = settings.keymap
    archive = keymap.get("memories.archive")
    assert keymap.find("ctrl+k", ("memories",)) is archive
    assert keymap.find("A", ("memories",)) is None
    assert keymap.shown(archive) == "^k"
    assert Keymap().shown(archive) == "A"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"keys": {"memories.nothing": "k"}}, "there is no action memories.nothing"),
        ({"keys": {"memories.archive": 7}}, "memories.archive is not given a list of keys"),
        ({"keys": {"memories.archive": "f5"}}, "f5 is not on every keyboard"),
        ({"keys": {"memories.archive": "alt+a"}}, "not given a list of keys"),
        ({"keys": {"memories.archive": "e"}}, "e is both memories.archive and memories.edit"),
        ({"keys": []}, "keys is not a table"),
        ({"colour": "red"}, "there is no setting colour"),
        ({"lock_after": -1}, "lock_after is not a number of minutes"),
        ({"lock_after": True}, "lock_after is not a number of minutes"),
        ({"mouse": "no"}, "mouse is neither true nor false"),
        ({"theme": 1}, "theme is not a name"),
        ({"keys": {"x\x1b[31m": "k"}}, "there is no action x"),
    ],
)
def test_what_is_wrong_in_the_settings_is_told_and_the_rest_holds(said: dict[str, object], told: str) -> None:
    settings = read_settings({**said, **({} if "lock_after" in said else {"lock_after": 3})}, "screens.toml")
    assert any(told in each for each in settings.wrong), settings.wrong
    assert not any("\x1b" in each for each in settings.wrong)
    assert settings.lock_after == (10 if "lock_after" in said else 3)


@pytest.mark.parametrize(
    ("name", "spelt", "minutes", "wrong"),
    [
        ("screens.toml", 'lock_after = 2\n[keys]\n"memories.new" = "N"\n', 2, 0),
        ("screens.json", '{"lock_after": 2}', 2, 0),
        ("screens.toml", "lock_after = = 2", 10, 1),
        ("screens.json", "[1, 2]", 10, 1),
        ("screens.json", "\x00", 10, 1),
    ],
)
def test_settings_are_read_from_the_vaults_folder(
    layout: Layout, name: str, spelt: str, minutes: int, wrong: int
) -> None:
    (layout.home / name).write_text(spelt)
    settings = load_settings(layout)
    assert (settings.lock_after, len(settings.wrong)) == (minutes, wrong)


def test_settings_are_read_from_the_configuration_folder(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "ghostie").mkdir()
    (tmp_path / "ghostie" / "screens.toml").write_text("mouse = false")
    assert load_settings(layout).mouse is False


@presses(PalettePlace, "run")
def test_help_and_palette_are_made_from_the_registry(house: House) -> None:
    house.add("one")
    settings = read_settings({"keys": {"memories.archive": "K"}, "colour": 1}, "screens.toml")

    async def story(screen: Screen) -> None:
        await screen.sees("one", "colour")
        await screen.press("question_mark")
        await screen.at("help")
        await screen.sees("K", "archive", "search as you type")
        await screen.press("G")
        await screen.sees("there is no setting colour")
        await screen.press("q", "colon")
        await screen.at("palette")
        await screen.type("arch")
        await screen.sees("K")
        await screen.press("enter")
        await screen.sees("archived 1 memory")

    house.run(story, settings=settings)


def test_a_finger_finds_the_likeliest_actions(house: House) -> None:
    house.add("one", "two")

    async def story(screen: Screen) -> None:
        await screen.sees("search", "edit", "forget", "more")
        await screen.tap_on("forget")
        await screen.sees("removed 1 memory")
        await screen.tap_on("one")
        await screen.at("detail")
        await screen.tap_on("more")
        await screen.at("palette")
        await screen.tap_on("archive")
        await screen.sees("archived 1 memory")

    house.run(story, size=(45, 30))
