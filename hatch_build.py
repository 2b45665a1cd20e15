"""Adds to the wheel the man page and what loads the completions, where each looks for them; packs it tight.

The man page is made from the parser. A shell asks the command itself for its completions, when it first needs them.
The simulator goes into a wheel of its own beside the other: nobody needs it to keep memories.
"""

from __future__ import annotations

import base64
import hashlib
import os
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SIMULATOR = "ghostie/simulator/"
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
        if version == "editable":
            return
        self.folder.cleanup()
        sys.path.insert(0, self.root)
        try:
            import deflate
        finally:
            sys.path.remove(self.root)
        wheel = Path(artifact_path)
        # for one device alone, which may be a phone, the time that packing takes is worth more
        quick = bool(os.environ.get("GHOSTIE_QUICK_BUILD"))
        for name, entries in self.parted(wheel).items():
            deflate.write(wheel.with_name(f"{name}-{self.metadata.version}-py3-none-any.whl"), entries, quick=quick)

    def parted(self, wheel: Path) -> dict[str, list[tuple[zipfile.ZipInfo, bytes]]]:
        """Return what goes into each of the two wheels."""
        with zipfile.ZipFile(wheel) as held:
            whole = [(info, held.read(info)) for info in held.infolist()]
        record, listed = whole.pop()
        lines = listed.splitlines(keepends=True)
        theirs = [line for line in lines if line.startswith(SIMULATOR.encode())]
        apart = [entry for entry in whole if entry[0].filename.startswith(SIMULATOR)]
        folder = f"ghostie_simulator-{self.metadata.version}.dist-info"
        said = f"Metadata-Version: 2.1\nName: ghostie-simulator\nVersion: {self.metadata.version}\n"
        said += f"License: MIT\nRequires-Dist: ghostie=={self.metadata.version}\n"
        (spelt,) = [content for info, content in whole if info.filename.endswith(".dist-info/WHEEL")]
        for name, content in (("METADATA", said.encode()), ("WHEEL", spelt)):
            apart.append((self.like(record, f"{folder}/{name}"), content))
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            theirs.append(f"{folder}/{name},sha256={digest},{len(content)}\n".encode())
        theirs.append(f"{folder}/RECORD,,\n".encode())
        apart.append((self.like(record, f"{folder}/RECORD"), b"".join(theirs)))
        rest = [entry for entry in whole if not entry[0].filename.startswith(SIMULATOR)]
        rest.append((record, b"".join(line for line in lines if not line.startswith(SIMULATOR.encode()))))
        return {"ghostie": rest, "ghostie_simulator": apart}

    @staticmethod
    def like(other: zipfile.ZipInfo, name: str) -> zipfile.ZipInfo:
        made = zipfile.ZipInfo(name, other.date_time)
        made.external_attr = other.external_attr
        return made
