"""Key objects on a store: anybody may have put one there, so a size, a name and a cost are looked at before any work.

The bytes of a key object have to come to its name, so one that was altered is none. What a forged one costs is bound:
no more memory than the strongest key that ghostie makes takes, and the cheapest are tried first.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from ghostie import text
from ghostie.backends.store import ObjectStore
from ghostie.crypto import keys as keyring
from ghostie.crypto.keys import Cost, KeyFile
from ghostie.errors import NewerFormat, NoMemory, NotFound, RefusedKeyFile, StoreRefused
from ghostie.sync.segment import key_name
from ghostie.sync.standing import rank

if TYPE_CHECKING:
    from ghostie.sync.link import Listing

MOST_SPENT: Final = Cost(keyring.STRONG.memory, keyring.CEILING.passes)
MOST_HELD: Final = 32 << 20  # bytes of key objects that are looked at: the smallest first


class TooCostly(NoMemory):
    """A key object that would take more memory to open than ghostie spends on one that anybody may have made."""

    message = "key object {digest} on the store is refused: it asks for {memory} of memory, and the most is {most}"
    hint = "no ghostie makes such a key: look who has access to the store"

    def __init__(self, digest: str, cost: Cost) -> None:
        sizes = (text.size(cost.memory), text.size(MOST_SPENT.memory))
        super().__init__(digest=digest, memory=sizes[0], most=sizes[1])


def read(store: ObjectStore, listing: Listing, digest: str) -> KeyFile:
    """Return the key object *digest*. Raises RefusedKeyFile for what is not what its name says, NotFound, NewerFormat
    or StoreError."""
    if listing.slot_info(digest).size > keyring.MAX_KEY_FILE:
        raise RefusedKeyFile(why="it is too long")
    try:
        file = keyring.parse(store.get(key_name(digest)))
    except StoreRefused as error:
        raise RefusedKeyFile(why=str(error)) from error
    if file.digest != digest:
        raise RefusedKeyFile(why="it is not the one that its name says")
    return file


def read_all(store: ObjectStore, listing: Listing) -> dict[str, KeyFile]:
    """Return the key objects on the store by digest, the smallest first; what is no key file is passed over.

    Raises NewerFormat if there is none but of a newer format, and StoreError.
    """
    found: dict[str, KeyFile] = {}
    newer: NewerFormat | None = None
    held = 0
    for digest in sorted(listing.slots, key=lambda digest: (listing.slot_info(digest).size, digest)):
        held += listing.slot_info(digest).size
        if held > MOST_HELD and found:
            break
        try:
            found[digest] = read(store, listing, digest)
        except (NotFound, RefusedKeyFile):
            continue
        except NewerFormat as error:
            newer = error
    if newer is not None and not found:
        raise newer
    return found


def cheapest_first(slots: Iterable[tuple[str, KeyFile]]) -> list[tuple[str, KeyFile]]:
    """Return *slots* in the order in which a passphrase is tried on them; of one cost by vault, then the key that stays
    first."""

    def order(slot: tuple[str, KeyFile]) -> tuple[object, ...]:
        digest, file = slot
        return spent(file), file.vault, rank(file.epoch, file.commitment), digest

    return sorted(slots, key=order)


def spent(file: KeyFile) -> tuple[int, int]:
    """Return what trying a passphrase on *file* takes: bytes written, and bytes held."""
    return file.cost.memory * file.cost.passes, file.cost.memory


def bounded(cost: Cost) -> Cost:
    """Return *cost*, and no more memory than the strongest key that ghostie makes takes."""
    return Cost(min(cost.memory, MOST_SPENT.memory), cost.passes)


def check_affordable(digest: str, file: KeyFile) -> None:
    """Raise TooCostly if opening *file* takes more than any that ghostie makes."""
    if file.cost.memory > MOST_SPENT.memory:
        raise TooCostly(digest, file.cost)
