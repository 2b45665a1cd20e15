"""Commands on keys."""

from __future__ import annotations

import argparse
import contextlib
from typing import TYPE_CHECKING

from ghostie import files, text
from ghostie.cli.output import Output
from ghostie.cli.session import can_ask, layout_of, read_words, seconds_in, sources_of
from ghostie.errors import (
    BadWords,
    CannotRead,
    Damaged,
    GhostieError,
    NothingToRestore,
    NoVault,
    RefusedKeyFile,
    VaultExists,
    WordsNeedKeyFile,
)

if TYPE_CHECKING:
    from ghostie.crypto.keys import Cost, KeyFile
    from ghostie.crypto.sealing import Keys
    from ghostie.paths import Layout


def init(args: argparse.Namespace, out: Output) -> None:
    from ghostie.crypto.unlock import read_key_file, remember_in_keyring
    from ghostie.vault import create_vault

    layout = layout_of(args)
    if files.is_there(layout.master_key):
        raise VaultExists(home=layout.home)
    passphrase = sources_of(args).first_passphrase()
    vault = create_vault(layout.home, passphrase=passphrase, device_name=args.device_name, cost=_cost(args.kdf))
    kept = args.keyring and remember_in_keyring(read_key_file(layout), passphrase)
    words = [f"made a vault at {layout.home} for the device {text.one_line(vault.device.name)}"]
    if args.keyring:
        words.append("the passphrase is in the desktop keyring" if kept else "no desktop keyring took the passphrase")
    out.done(
        {"home": str(layout.home), "device": vault.device.name, "vault": vault.keys.vault.hex()},
        *words,
        "if the passphrase is forgotten, only 24 words open the vault:"
        " `ghostie keys recovery` shows them to write down",
    )


def _cost(kdf: str) -> Cost:
    from ghostie.crypto import keys

    return keys.STRONG if kdf == "strong" else keys.calibrate()


def unlock(args: argparse.Namespace, out: Output) -> None:
    from ghostie.crypto import agent
    from ghostie.crypto.unlock import read_key_file, unwrap_with

    seconds = seconds_in(args.duration)
    layout = layout_of(args)
    keys = unwrap_with(read_key_file(layout), sources_of(args))
    agent.start(layout, keys, seconds)
    out.done(
        {"unlocked": True, "seconds": min(seconds, agent.LONGEST)},
        f"unlocked for {args.duration} · `ghostie lock` ends it sooner",
    )


def lock(args: argparse.Namespace, out: Output) -> None:
    from ghostie.crypto import agent

    layout = layout_of(args)
    was = agent.stop(layout)
    words = "locked" if was else "it was locked already"
    if not was and not layout.master_key.exists():
        words = f"there is no vault at {layout.home}, and none is unlocked there"  # perhaps another one was meant
    out.done({"unlocked": False, "was": was}, words)


def passwd(args: argparse.Namespace, out: Output) -> None:
    from ghostie.crypto.unlock import read_key_file, unwrap_with

    file = read_key_file(layout_of(args))
    # asked for even while the agent holds the key: who finds an open device must not change the passphrase
    opens = _rewrap(args, unwrap_with(file, sources_of(args)), file)
    out.done({"changed": True, "passphrase": opens}, f"changed the passphrase: {opens}")


def recovery(args: argparse.Namespace, out: Output) -> None:
    from ghostie.crypto import keys as keyring
    from ghostie.crypto.unlock import read_key_file, unwrap_with

    words = keyring.to_words(unwrap_with(read_key_file(layout_of(args)), sources_of(args)))
    if out.json:
        out.document(words)
        return
    for start in range(0, 24, 3):
        out.line(
            "  ".join(f"{start + at + 1:2} {word:<8}" for at, word in enumerate(words[start : start + 3])).rstrip()
        )
    out.note("write them down, in this order, on paper: whoever has them can open the vault")


def restore(args: argparse.Namespace, out: Output) -> None:
    from ghostie.crypto import keys as keyring
    from ghostie.crypto.unlock import read_key_file

    layout = layout_of(args)
    if not files.is_there(layout.master_key) and not files.is_there(layout.memories):
        _restore_from_store(args, out)
        return
    master = read_words(args.words_file or "-")
    file: KeyFile | None
    try:
        file = read_key_file(layout)
        keys = keyring.open_by(file, master)
    except (NothingToRestore, NoVault, RefusedKeyFile):
        # the key file is lost: the words alone lead back to a vault whose keys were never rotated
        file, keys = None, keyring.first_epoch(master)
        _check_opens(layout, keys)
    opens = _rewrap(args, keys, file)
    out.done({"restored": True, "passphrase": opens}, f"the vault is open again: {opens}")


def _restore_from_store(args: argparse.Namespace, out: Output) -> None:
    """Join the vault on a store by the words: there is nothing here to open."""
    from ghostie.cli import stores
    from ghostie.crypto import keys as keyring

    if not stores.is_meant(args) and not can_ask():
        raise NothingToRestore(home=layout_of(args).home)
    sources_of(args).words = read_words(args.words_file or "-")
    stores.setup(args, out, cost=keyring.STRONG if args.kdf == "strong" else keyring.FLOOR)


def _check_opens(layout: Layout, keys: Keys) -> None:
    """Raise BadWords unless *keys*, of a first epoch, open what is there."""
    from ghostie.crypto.sealing import Purpose, SealError, key_id, named_key, parse_header
    from ghostie.vault.versions import VersionFiles

    store = VersionFiles(layout, keys)
    stems = sorted(store.stems())[:50]
    if not stems or any(not isinstance(version, Damaged) for _, version in store.read_many(stems)):
        return
    ours = key_id(keys.epochs[1])
    for stem in stems:
        with contextlib.suppress(OSError, CannotRead, SealError):
            sealed = files.read(layout.version(stem))
            epoch = parse_header(sealed, Purpose.VERSION)
            if named_key(sealed) == ours:
                raise WordsNeedKeyFile(epoch=epoch)
    raise BadWords(why="they do not open the memories here")


def rotate(args: argparse.Namespace, out: Output) -> None:
    from ghostie.crypto import agent
    from ghostie.crypto import keys as keyring
    from ghostie.crypto.unlock import read_key_file
    from ghostie.sync import moving

    layout = layout_of(args)
    sources = sources_of(args)
    cut_off = moving.is_rotating(layout)  # then finishing it is what is asked for, and not one more
    aside = set(files.names_in(layout.quarantine))
    count = len(files.names_in(layout.memories))
    moving.finish_move(layout, sources)
    file = read_key_file(layout)
    epoch = file.epoch
    if not cut_off:
        keys = sources.open_own(lambda passphrase: keyring.unwrap(file, passphrase))
        count = moving.rotate(layout, keys, sources.passphrase(), file.cost)
        epoch += 1
    try:
        aside = set(files.names_in(layout.quarantine)) - aside
    except CannotRead:
        aside = set()  # the key is a new one, whatever lies there
    try:
        agent.stop(layout)  # what it holds is the old key
    except GhostieError as error:  # the key is a new one all the same
        out.warn(str(error))
    out.done(
        {"epoch": epoch, "versions": count - len(aside), "damaged": len(aside)},
        f"opened a new key and sealed {text.plural(count - len(aside), 'version')} again under it",
        *(
            [f"set {text.plural(len(aside), 'damaged file')} aside · `ghostie sync repair` may bring it back"]
            * bool(aside)
        ),
        "write the new 24 words down (`ghostie keys recovery`) · the next push renews what is on the store",
    )


def _rewrap(args: argparse.Namespace, keys: Keys, file: KeyFile | None) -> str:
    """Wrap *keys* under a new passphrase, which costs no less than that of *file* to guess; say what it opens."""
    from ghostie.crypto import keys as keyring
    from ghostie.sync import slots
    from ghostie.sync.notices import which_opens
    from ghostie.vault import make_home

    layout = layout_of(args)
    passphrase = sources_of(args).new_passphrase()
    cost = _cost(args.kdf)
    fresh = keyring.wrap(keys, passphrase, cost.most(file.cost) if file is not None else cost)
    make_home(layout)
    # the store's copy first: if this is cut, the old passphrase still opens this device, and passwd runs again
    slot = keyring.wrap(keys, passphrase, fresh.cost)
    with files.locked(layout.lock), slots.new_key_noted(layout, slot) as goes_out:
        files.write_durably(layout.master_key, fresh.spelt())
    return which_opens("changed" if goes_out else "here")
