"""A store in a folder where a house's laptop and a phone meet."""

from __future__ import annotations

from pathlib import Path

from ghostie.backends.folder import FolderStore
from ghostie.backends.store import ObjectStore
from ghostie.crypto.unlock import read_key_file
from ghostie.sync import engine
from ghostie.sync.config import Config
from ghostie.sync.link import Link, connect
from ghostie.sync.segment import key_name
from ghostie.vault.vault import Vault
from tests.tui.house import MASTER, House
from tests.vault.house import new_vault


class Meeting:
    def __init__(self, house: House) -> None:
        self.house = house
        self.folder: Path = house.folder / "store"
        self.folder.mkdir()
        slot = read_key_file(house.vault.layout)
        self.store: ObjectStore = FolderStore(self.folder)
        self.store.write({key_name(slot.digest): slot.spelt()})
        self.config = Config("folder", {"path": str(self.folder)}, MASTER.vault.hex(), slot.digest)
        self.phone: Vault = new_vault(house.folder / "phone", "phone", keys=MASTER, clock=house.clock)
        for vault in (house.vault, self.phone):
            self.config.save(vault.layout)

    def link(self, vault: Vault) -> Link:
        return connect(vault)

    def sync(self, vault: Vault) -> None:
        """Let *vault*'s device sync as a command would."""
        link = connect(vault)
        engine.pull(link, yes=True)
        engine.push(link)

    def rename_phone(self, name: str) -> None:
        self.phone.device = self.phone.device.renamed(name)
        self.phone.device.save(self.phone.layout)
