"""Which store this vault syncs with, and which vault is expected there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ghostie import codec, files
from ghostie.errors import BadJson, CannotRead, Damaged, NewerFormat, NoStore
from ghostie.paths import Layout

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Config:
    """The backend and its options, the vault's id (hex) that the store must hold, and the digest of its key object."""

    backend: str
    options: Mapping[str, str]
    vault: str
    slot: str
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)  # sealed values, in hex

    def save(self, layout: Layout) -> None:
        spelt = codec.dumps(
            {
                "format": FORMAT,
                "backend": self.backend,
                "options": dict(self.options),
                "vault": self.vault,
                "slot": self.slot,
                "secrets": dict(self.secrets),
            }
        )
        files.write_durably(layout.sync_config, spelt + b"\n")


def load_config(layout: Layout) -> Config:
    """Return the store's configuration. Raises NoStore, NewerFormat or Damaged."""
    try:
        record = codec.loads(files.read(layout.sync_config, 1 << 20))
        if record["format"] > FORMAT:
            raise NewerFormat(what="the sync configuration", format=record["format"])
        return Config(record["backend"], record["options"], record["vault"], record["slot"], record["secrets"])
    except FileNotFoundError:
        raise NoStore() from None
    except (BadJson, CannotRead, KeyError, TypeError):
        raise Damaged(what="sync/config.json") from None
