"""Which store this vault syncs with, which vault is expected there, and the credentials, sealed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ghostie import codec, files
from ghostie.crypto.sealing import Keys, Purpose, SealError, seal, unseal
from ghostie.errors import BadJson, Damaged, NewerFormat, NoStore, NotPlain
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

    def credentials(self, keys: Keys) -> dict[str, str]:
        """Return the store's credentials, opened. Raises Damaged."""
        try:
            return {
                name: unseal(keys, Purpose.CREDENTIAL, (b"store", name.encode()), bytes.fromhex(sealed)).decode()
                for name, sealed in self.secrets.items()
            }
        except (SealError, ValueError, TypeError):
            raise Damaged(what="sync/config.json") from None

    def with_credentials(self, keys: Keys, credentials: Mapping[str, str]) -> Config:
        """Return this configuration with *credentials*, sealed under *keys*."""
        sealed = {
            name: seal(keys, Purpose.CREDENTIAL, (b"store", name.encode()), value.encode()).hex()
            for name, value in credentials.items()
            if value
        }
        return replace(self, secrets=sealed)

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
    """Return the store's configuration. Raises NoStore, NewerFormat, Damaged or CannotRead."""
    try:
        record = codec.loads(files.read(layout.sync_config, 1 << 20))
        if record["format"] > FORMAT:
            raise NewerFormat(what="the sync configuration", format=record["format"])
        return Config(record["backend"], record["options"], record["vault"], record["slot"], record["secrets"])
    except FileNotFoundError:
        raise NoStore() from None
    except (BadJson, NotPlain, KeyError, TypeError):
        raise Damaged(what="sync/config.json") from None


def known_config(layout: Layout) -> Config | None:
    """Return the store's configuration, or None where there is none, or none that opens. Raises CannotRead."""
    try:
        return load_config(layout)
    except (NoStore, Damaged):
        return None


def reseal_credentials(layout: Layout, older: Keys, newer: Keys) -> None:
    """Seal the credentials again under *newer* keys, where a store is configured. Raises Damaged or CannotWrite."""
    try:
        config = load_config(layout)
    except NoStore:
        return
    if not config.secrets:
        return
    try:
        credentials = config.credentials(older)
    except Damaged:
        config.credentials(newer)  # done already, by a run that was cut off
        return
    config.with_credentials(newer, credentials).save(layout)
