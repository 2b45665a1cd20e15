"""Retiring: a device that is lost, sold or gone for good ends as a writer, and nothing that it published ends with it.

What its log alone holds is published in this device's own, which names it as retired from then on; only then are its
objects removed. Every device that hears of it names it, too, in its own segments, so that the word outlives each of
them. Should the device come back it hears so, takes a new writer id, and publishes what nobody else has.
"""

from __future__ import annotations

from dataclasses import dataclass

from ghostie.errors import NotRetired, UsageError
from ghostie.sync import engine
from ghostie.sync.link import Link, Listing
from ghostie.sync.log import is_held_up
from ghostie.sync.outbox import Outbox
from ghostie.sync.reading import alarm

ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Retirement:
    """What came of retiring *writer*: how many versions of its log went out anew, how many objects were removed."""

    writer: str
    name: str
    adopted: int
    objects: int


def find(link: Link, word: str) -> tuple[str, str]:
    """Return writer id and name of the other device that *word* means: its name, or the beginning of its id.

    Raises UsageError, and StoreError for the look that it takes.
    """
    state, device = link.ledger.state, link.vault.device
    on_store = {name.writer for name in link.look().names}
    writers = {device.writer, *link.ledger.writers(), *state.vouched, *on_store}
    names = {writer: words.name for writer, words in state.devices.items()} | {device.writer: device.name}
    found = sorted(writer for writer in writers if names.get(writer) == word)
    # one that was retired counts only by its id: to finish what was cut off, or to remove what it sent since
    found = [writer for writer in found if writer not in state.retired]
    found = found or sorted(writer for writer in writers if word and writer.startswith(word.lower()))
    if not found:
        raise UsageError(
            f"no device is called {word[:64]!r}, and no writer begins like that", "`ghostie sync devices` lists them"
        )
    if len(found) > 1:
        raise UsageError(
            f"{word[:64]!r} could be {len(found)} devices", f"give more of the writer: {', '.join(found[:8])}"
        )
    if found[0] == device.writer:
        raise UsageError(
            "a device does not retire itself: what it has and did not send would stay with it",
            "run `ghostie sync run` here, and then `ghostie sync devices --retire` on another device",
        )
    return found[0], names.get(found[0], "")


def retire(link: Link, writer: str) -> Retirement:
    """Adopt the log of *writer*, tell the other devices, and remove its objects from the store. Done again, it goes on.

    Raises NotRetired while there is an alarm about that log, or where it has an object that nobody could read here; and
    Brake, StoreChanged, StoreError, CannotRead or CannotWrite.
    """
    adopted = 0
    for _ in range(ROUNDS):
        pulled = engine.pull(link)
        if is_held_up(pulled.waiting):
            raise NotRetired(why=pulled.waiting[0].waits())
        for found in (*pulled.alarms, *pulled.waiting):
            if found.writer == writer:
                raise NotRetired(why=found.sentence())
        with link.session():
            link.vault.refresh()
            if not _is_adopted(link, writer, link.look(all_of_it=True)):
                continue  # it has just published something
            link.ledger.retire([writer])
            link.ledger.save()
            log = {digest.hex() for digest in link.ledger.log(writer).hashes()}
            adopted += sum(digest in log for _, digest in Outbox(link).unpublished())
        engine.push(link)
        with link.session():
            listing = link.look(all_of_it=True)
            link.check_vault(listing)
            names = listing.of(writer)
            if _is_adopted(link, writer, listing):
                link.store.write({}, [name.key for name in names])
                return Retirement(writer, _name(link, writer), adopted, len(names))
        # it has just published something: that comes along, too
    raise NotRetired(why="it goes on publishing, or what it sent last does not follow what is known here")


def _is_adopted(link: Link, writer: str, listing: Listing) -> bool:
    """Tell whether all that the store lists of *writer* was taken in here.

    Raises NotRetired for an object that was accepted as unreadable: what it holds may stand nowhere else.
    """
    log, accepted = link.ledger.log(writer), link.ledger.state.accepted
    unread = [name for name in listing.of(writer) if not log.has(name)]
    for name in unread:
        if name.key in accepted:
            where = f"positions {name.first:,} to {name.last:,}"
            raise NotRetired(why=f"nobody could read its {where} here, which it alone may hold")
    return not unread


def _name(link: Link, writer: str) -> str:
    return alarm(link, "gap", writer, 0, "").device
