"""Every message that ghostie can end with has an entry where a person looks it up."""

from __future__ import annotations

import inspect
import pkgutil
import re
from importlib import import_module

import pytest

import ghostie.sync
from ghostie import errors
from tests.cli.device import ROOT

SYNC = [import_module(f"ghostie.sync.{each.name}") for each in pkgutil.iter_modules(ghostie.sync.__path__)]
CLASSES = [
    found
    for module in (errors, *SYNC)
    for _, found in inspect.getmembers(module, inspect.isclass)
    if issubclass(found, errors.GhostieError) and found.__module__ == module.__name__
]
# whose words are all of the case's own
GENERIC = {
    errors.UsageError: "any other message that ends with code 2",
    errors.BadFilter: "any other message that ends with code 2",
    errors.ApiSilent: "`termux-… is not here`",
}
PAGE = " ".join((ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8").split())


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_an_error_has_its_entry(error: type[errors.GhostieError]) -> None:
    if error in GENERIC:
        assert f"**{GENERIC[error]}**" in PAGE
        return
    message = re.sub(r"\{[^}]*\}", "…", error.message).replace("`", "")
    assert f"**`{message}`** ({error.exit_code})" in PAGE


def test_no_entry_is_of_a_message_that_is_no_more() -> None:
    messages = {re.sub(r"\{[^}]*\}", "…", error.message).replace("`", "") for error in CLASSES}
    listed = set(re.findall(r"\*\*`([^`]*)`\*\* \(\d+\)", PAGE))
    assert listed - messages == {"a fault in ghostie (…)", "termux-… is not here"}
