"""Opening the vault with what a person types, and handing its keys to another keeper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ghostie.tui.tasks import task

if TYPE_CHECKING:
    from ghostie.tui.desk import Desk


@task
def unlock(desk: Desk, passphrase: str) -> None:
    """Open the vault. Raises WrongKey, NoVault, or as `finish_move`."""
    from ghostie.crypto import keys
    from ghostie.crypto.unlock import Sources, read_key_file
    from ghostie.sync.moving import finish_move

    if desk.layout.next_key.exists():
        finish_move(desk.layout, Sources(ask=lambda prompt: passphrase, environ={}))
    desk.open_with(keys.unwrap(read_key_file(desk.layout), passphrase))


@task
def keys(desk: Desk) -> dict[str, Any]:
    """Return the open vault's keys, for a keeper that is started for one long task."""
    held = desk.vault.keys
    return {"vault": held.vault.hex(), "epochs": {str(epoch): key.hex() for epoch, key in held.epochs.items()}}
