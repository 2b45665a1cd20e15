"""Adds to the wheel the man page and what loads the completions, where each looks for them.

The man page is made from the parser. A shell asks the command itself for its completions, when it first needs them.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MAN = "share/man/man1/ghostie.1"
LOADERS = {
    "share/bash-completion/completions/ghostie": 'eval "$(ghostie completion bash)"\n',
    "share/zsh/site-functions/_ghostie": '#compdef ghostie\neval "$(ghostie completion zsh)"\n_ghostie "$@"\n',
    "share/fish/vendor_completions.d/ghostie.fish": "ghostie completion fish | source\n",
}


class Shared(BuildHookInterface[Any]):
    """Makes the files in a temporary folder, which goes when the build is done."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        try:
            from ghostie.cli import reference
        finally:
            sys.path.remove(self.root)
        self.folder = tempfile.TemporaryDirectory()
        for number, (target, made) in enumerate({MAN: reference.man(), **LOADERS}.items()):
            path = Path(self.folder.name, str(number))
            path.write_text(made, encoding="utf-8")
            path.chmod(0o644)
            build_data["shared_data"][str(path)] = target

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if version != "editable":
            self.folder.cleanup()
