"""What is pinned: that it serves pyproject.toml, and that nothing of it is compiled where no compiler is."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.cli.device import ROOT

COMPILED = {"pynacl", "orjson", "cffi", "pycparser"}


def test_the_locks_and_the_bill_of_materials_fit_the_project_and_each_other() -> None:
    done = subprocess.run([sys.executable, ROOT / "lock" / "make.py", "--check"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_every_device_gets_has_nothing_compiled_in_it() -> None:
    bill = json.loads((ROOT / "lock" / "sbom.cdx.json").read_text(encoding="utf-8"))
    required = {part["name"] for part in bill["components"] if part["scope"] == "required"}
    optional = {part["name"] for part in bill["components"] if part["scope"] == "optional"}
    assert optional == COMPILED
    assert not required & COMPILED
    assert {"tinydb", "requests", "textual"} <= required
