"""What is on its way: in a folder that a sync program keeps, files come in any order, late, and in pieces.

There, what has not been seen yet, or is half, is no alarm at once: it is noted when it was first missed, and becomes
one a day and three looks later. Only the word waits for that: what follows the missing part is held up from the first
look on, everywhere. Without the vault's key object nothing is sent and nothing is taken in. A folder that has nothing
of this vault any more, or another vault, is an alarm at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ghostie.errors import KeyMayCome
from ghostie.sync.link import Link
from ghostie.sync.log import KEY_OBJECT, Alarm

A_DAY: Final = 86_400_000
LOOKS: Final = 3


def sorted_out(link: Link, alarms: Iterable[Alarm], *, keep: bool) -> tuple[list[Alarm], list[Alarm]]:
    """Return those of *alarms* that stand, and those that are about something that may be on its way.

    With *keep* this counts as a look, and is noted for `Ledger.save`.
    """
    stand: list[Alarm] = []
    waiting: list[Alarm] = []
    missed: dict[str, tuple[int, int]] = {}
    now = link.vault.clock()
    for each in alarms:
        if not (link.replicated and each.may_come):
            stand.append(each)
            continue
        since, looks = link.ledger.state.missed.get(_what(each), (now, 0))
        since = min(since, now)  # a clock that was set back
        missed[_what(each)] = (since, looks + 1)
        (stand if looks >= LOOKS and now - since >= A_DAY else waiting).append(each)
    if keep:
        link.ledger.state.missed = missed
        link.ledger.state.waiting = waiting
    return stand, waiting


def key_object(link: Link, error: KeyMayCome, *, keep: bool) -> Alarm:
    """Return the vault's key object, which *error* misses, as something that is on its way; once it no longer may be,
    raise *error*.

    With *keep* this counts as a look, and is noted durably.
    """
    state = link.ledger.state
    missed, waiting = state.missed, [each for each in state.waiting if each.kind != KEY_OBJECT]
    alarm = Alarm(KEY_OBJECT, "", "", 0, str(error.facts["why"]), may_come=True)
    stand, coming = sorted_out(link, [alarm], keep=keep)
    if keep:
        state.missed, state.waiting = missed | state.missed, waiting + coming
        link.ledger.save()
    if stand:
        raise error
    return alarm


def key_object_is_there(link: Link) -> None:
    """Note for `Ledger.save` that the vault's key object is not missed any more."""
    state = link.ledger.state
    state.missed.pop(_what(Alarm(KEY_OBJECT, "", "", 0, "")), None)
    state.waiting = [each for each in state.waiting if each.kind != KEY_OBJECT]


def since(link: Link, alarm: Alarm) -> int | None:
    """Return when what *alarm* is about was first missed (Unix ms), or None."""
    return link.ledger.state.missed.get(_what(alarm), (None, 0))[0]


def _what(alarm: Alarm) -> str:
    # many objects come and go one by one: they are one thing that is on its way
    return f"{alarm.kind} {alarm.writer} {alarm.position if alarm.count == 1 else '*'}"
