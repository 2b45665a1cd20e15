"""The vault: the one write path. Versions on disk, heads, merge, index, search."""

from ghostie.vault.opening import create_vault, open_vault
from ghostie.vault.vault import Vault

__all__ = ["Vault", "create_vault", "open_vault"]
