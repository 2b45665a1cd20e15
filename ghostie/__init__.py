"""ghostie: an encrypted memory vault for people and their agents.

The public API is small and loads nothing until it is used::

    from ghostie import open_vault

    vault = open_vault(passphrase="…")
    vault.add("the NAS answers on 10.0.0.7", category="network")
"""

from __future__ import annotations

from ghostie.version import __version__

TYPE_CHECKING = False  # as typing's, which would cost `ghostie --version` more than all the rest
if TYPE_CHECKING:
    from typing import Any

    from ghostie.memory import Version as Version
    from ghostie.vault import Vault as Vault
    from ghostie.vault import open_vault as open_vault

__all__ = ["Vault", "Version", "__version__", "open_vault"]


def __getattr__(name: str) -> Any:
    if name in ("Vault", "open_vault"):
        from ghostie import vault

        return getattr(vault, name)
    if name == "Version":
        from ghostie.memory import Version

        return Version
    raise AttributeError(name)
