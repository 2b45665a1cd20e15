"""The commands that the pages in `docs/` and the README show can be typed as they stand."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from ghostie.cli import parser

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))]

_SHOWN = re.compile(r"^ *(?:[a-z]+ )?\$ (ghostie .*)$", re.MULTILINE)


def shown(page: str) -> list[str]:
    """Return the commands of *page* that follow a prompt."""
    return [found.group(1) for found in _SHOWN.finditer((ROOT / page).read_text())]


@pytest.mark.parametrize("page", [page for page in PAGES if shown(page)])
def test_every_command_that_a_page_shows_is_one(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    for command in shown(page):
        args = parser.parse(shlex.split(command)[1:])
        assert args is not None, f"{command}\n{capsys.readouterr().err}"


def test_the_page_on_stores_shows_each_kind_of_store() -> None:
    setups = [command for command in shown("docs/backends.md") if " sync setup " in command]
    kinds = {found.group(1) for command in setups if (found := re.search(r"--backend (\w+)", command))}
    assert kinds == {"folder", "s3", "gist"}
    for host in ("r2.cloudflarestorage.com", "backblazeb2.com"):
        assert any(host in command for command in setups)
