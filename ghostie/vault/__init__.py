"""The vault: the one write path. Versions on disk, heads, merge, index, search. Here it is made, and opened."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ghostie import files
from ghostie.crypto import keys as keyring
from ghostie.crypto.unlock import Sources, read_key_file, unlock
from ghostie.errors import BadHome, VaultExists
from ghostie.leftovers import keep_reserve
from ghostie.paths import Layout, default_home
from ghostie.vault.device import load_device, new_device
from ghostie.vault.vault import Vault as Vault


def check_home(layout: Layout) -> None:
    """Raise BadHome for a folder that holds other things than a vault's."""
    beside = (layout.lock, layout.operations, layout.first_run, layout.agent, layout.reserve, layout.editing)
    own = {path.name for path in (*layout.folders(), *beside)}
    with contextlib.suppress(OSError):  # it is not there, or the next step says what is wrong with it
        if not files.is_folder(layout.sync) and set(os.listdir(layout.home)) - own:
            raise BadHome(home=layout.home, why="it holds other things")


def make_home(layout: Layout) -> None:
    """Make a vault's folders, private to this user. Raises BadHome."""
    check_home(layout)
    for folder in layout.folders():
        files.make_private_folder(folder)


def create_vault(
    home: Path | None = None,
    *,
    passphrase: str,
    device_name: str | None = None,
    cost: keyring.Cost | None = None,
) -> Vault:
    """Create a vault at *home* (by default `default_home`) and return it open.

    Raises VaultExists, BadHome, WeakPassphrase, CannotWrite or UsageError (for the device's name).
    """
    layout = Layout(home or default_home())
    keyring.check_passphrase(passphrase)
    device = new_device(device_name)
    if files.is_there(layout.master_key):
        raise VaultExists(home=layout.home)
    make_home(layout)
    with files.locked(layout.lock):
        if files.is_there(layout.master_key):
            raise VaultExists(home=layout.home)
        keys = keyring.new_keys()
        key_file = keyring.wrap(keys, passphrase, cost or keyring.calibrate())
        device.save(layout)
        vault = Vault(layout, keys, device)
        vault.index.save()
        # last: with the key file the vault is there
        files.write_durably(layout.master_key, key_file.spelt())
    keep_reserve(layout)
    return vault


def open_vault(home: Path | None = None, *, passphrase: str | None = None, sources: Sources | None = None) -> Vault:
    """Open the vault at *home* with a *passphrase*, or with whatever *sources* have.

    Raises NoVault, WrongKey, NoPassphrase, RefusedKeyFile or BadHome.
    """
    layout = Layout(home or default_home())
    if passphrase is not None:
        keys = keyring.unwrap(read_key_file(layout), passphrase)
    else:
        keys = unlock(layout, sources or Sources())
    return Vault(layout, keys, load_device(layout))
