"""What holds for all commands: one JSON document, no words with `--quiet`, no waiting for anybody, help."""

from __future__ import annotations

import pytest

from ghostie.cli import parser

from .device import Scene, ageless
from .story import COMMANDS, Line, lines

pytestmark = pytest.mark.versions


@pytest.fixture(scope="module")
def told(shared: Scene) -> dict[str, Line]:
    """The command lines; the scene that they need is what each test begins with."""
    made = lines(shared)
    shared.keep()
    return made


def test_every_command_has_its_line(told: dict[str, Line]) -> None:
    assert set(told) - {"fought"} == set(COMMANDS)
    assert len(set(COMMANDS)) == len(parser.COMMANDS)


@pytest.mark.parametrize("name", [*COMMANDS, "fought"])
def test_a_command_prints_one_json_document_with_its_fields(name: str, told: dict[str, Line], pair: Scene) -> None:
    line = told[name]
    done = pair.device("laptop")(*line.argv, "--json", code=line.code)
    if name == "completion":
        assert done.out.startswith("# bash completion")
        return
    document = done.json()
    assert isinstance(document, list) is line.many
    if line.keys is not None:
        for record in document if line.many else [document]:
            assert record.keys() == line.keys
    elif line.many:
        assert all(isinstance(word, str) for word in document)
    if name not in ("sync verify", "sync repair"):
        assert document, "there was something to print"


@pytest.mark.parametrize("name", COMMANDS)
def test_with_quiet_a_command_says_nothing_but_data(name: str, told: dict[str, Line], pair: Scene) -> None:
    line = told[name]
    done = pair.device("laptop")(*line.argv, "--quiet", code=line.code)
    assert done.err == ""
    if name in ("rm", "sync push", "unlock", "gc", "import", "keys passwd", "init", "lock"):
        assert done.out == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_words_go_to_standard_error_and_data_to_standard_output(name: str, told: dict[str, Line], pair: Scene) -> None:
    """What a command prints does not depend on whether it talks: the data are the same with `--quiet` and without."""
    line = told[name]
    laptop = pair.device("laptop")
    loud = laptop(*line.argv, code=line.code)
    assert "ghostie: " not in loud.out.replace("ghostie: eval", "")
    assert "· `ghostie" not in loud.out or name == "sync status"
    if name in ("list", "show", "history", "diff", "search", "export", "stats", "sync conflict", "completion", "undo"):
        quiet = laptop(*line.argv, "--quiet", code=line.code)
        assert ageless(quiet.out) == ageless(loud.out) != ""


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_with_nothing_to_go_on_never_waits(name: str, pair: Scene) -> None:
    """Neither with all that it needs (the tests above) nor with nothing at all: standard input is closed."""
    laptop = pair.device("laptop")
    assert laptop(*name.split(), timeout=20).code in (0, 1, 2, 3, 12)
    bare = laptop(*name.split(), "--home", str(laptop.scratch / "nowhere"), timeout=20)
    assert bare.code in (0, 2, 10, 12)
    assert bare.out == "" or bare.code == 0
    assert not (laptop.scratch / "nowhere").exists()


@pytest.mark.parametrize("name", [*COMMANDS, *parser.GROUPS])
def test_every_command_has_help_without_a_vault(name: str, pair: Scene) -> None:
    laptop = pair.device("laptop")
    done = laptop.ok(*name.split(), "--help")
    assert done.err == ""
    assert f"usage: ghostie {name}" in " ".join(done.out.split())
    assert max(map(len, done.out.splitlines())) <= 80
    assert laptop.ok("-h").out.startswith("usage: ghostie")
