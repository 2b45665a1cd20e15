"""Saved filters: up to nine that a person keeps under the digits, sealed, for they hold the person's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ghostie import codec, files
from ghostie.crypto.sealing import Keys, Purpose, SealError, seal, unseal
from ghostie.errors import BadJson, CannotRead, Damaged, UsageError
from ghostie.paths import Layout
from ghostie.vault.query import parse
from ghostie.vault.vault import Vault

DIGITS: Final = range(1, 10)
_PLACE: Final = (b"filters",)


def load_filters(vault: Vault) -> dict[int, str]:
    """Return the saved filters by their digit, as they are spelt. Raises Damaged."""
    try:
        kept = codec.loads(unseal(vault.keys, Purpose.FILTERS, _PLACE, files.read(vault.layout.filters)))
        return {int(digit): str(spelt) for digit, spelt in sorted(kept.items()) if int(digit) in DIGITS}
    except FileNotFoundError:
        return {}
    except (SealError, BadJson, CannotRead, ValueError, AttributeError):
        raise Damaged(what="filters.enc") from None


def save_filter(vault: Vault, digit: int, spelt: str | None) -> dict[int, str]:
    """Keep a filter under *digit*, or with None nothing; return all that are kept. What is damaged is replaced.

    Raises UsageError for another digit, BadFilter, VaultBusy or CannotWrite.
    """
    if digit not in DIGITS:
        raise UsageError("a saved filter has a number from 1 to 9")
    clean = parse(spelt).spelt() if spelt is not None else None
    with vault.writing():
        try:
            kept = load_filters(vault)
        except Damaged:
            kept = {}
        kept.pop(digit, None)
        if clean is not None:
            kept[digit] = clean
        kept = dict(sorted(kept.items()))
        files.write_durably(vault.layout.filters, _sealed(vault.keys, kept))
    return kept


def reseal_filters(layout: Layout, older: Keys, newer: Keys) -> None:
    """Seal the saved filters again under the newest of *newer*; what does not open stays as it is. The lock is held."""
    for keys in (older, newer):
        try:
            kept = codec.loads(unseal(keys, Purpose.FILTERS, _PLACE, files.read(layout.filters)))
        except (FileNotFoundError, CannotRead, SealError, BadJson):
            continue
        files.write_durably(layout.filters, _sealed(newer, kept))
        return


def _sealed(keys: Keys, kept: Mapping[int, str] | Mapping[str, str]) -> bytes:
    return seal(keys, Purpose.FILTERS, _PLACE, codec.dumps({str(digit): spelt for digit, spelt in kept.items()}))
