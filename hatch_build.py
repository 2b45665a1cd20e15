"""Adds to the wheel what is made from the parser: the man page and the completions, where each shell looks for them."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FILES = {
    "ghostie.1": "share/man/man1/ghostie.1",
    "bash": "share/bash-completion/completions/ghostie",
    "zsh": "share/zsh/site-functions/_ghostie",
    "fish": "share/fish/vendor_completions.d/ghostie.fish",
}


class Shared(BuildHookInterface[Any]):
    """Makes the files in a temporary folder, which goes when the build is done."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        try:
            from ghostie.cli import completion, reference
        finally:
            sys.path.remove(self.root)
        self.folder = tempfile.TemporaryDirectory()
        for name, target in FILES.items():
            made = reference.man() if name == "ghostie.1" else completion.script(name)
            path = Path(self.folder.name, name)
            path.write_text(made, encoding="utf-8")
            path.chmod(0o644)
            build_data["shared_data"][str(path)] = target

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if version != "editable":
            self.folder.cleanup()
