"""Text armour: sealed bytes as lines of text, for services that keep text only.

    ghostie armour 1
    <base64 without padding, 76 characters a line>

Every object has one spelling and no other, and the size of the text tells the size of the object. Reading is strict:
what a service re-wrapped, trimmed, re-encoded or cut is refused, never repaired.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

HEADER: Final = "ghostie armour 1\n"
WIDTH: Final = 76


class BadArmour(ValueError):
    """Text that is not what `armour` writes; says why."""


def armour(content: bytes) -> str:
    """Return *content* as text: a header line, then lines of base64. Never empty."""
    packed = base64.b64encode(content).rstrip(b"=").decode()
    lines = [packed[at : at + WIDTH] for at in range(0, len(packed), WIDTH)]
    return HEADER + "".join(f"{line}\n" for line in lines)


def unarmour(text: str) -> bytes:
    """Return the bytes that *text* spells. Raises BadArmour for anything that `armour` would not write."""
    if not text.startswith(HEADER):
        raise BadArmour("it has no armour header")
    packed = text[len(HEADER) :].replace("\n", "")
    try:
        content = base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadArmour("it is not base64") from None
    if armour(content) != text:
        raise BadArmour("it is not spelt the one way that it can be")
    return content


def armoured_size(size: int) -> int:
    """Return how many bytes of text an object of *size* bytes takes."""
    packed = (size * 4 + 2) // 3
    return len(HEADER) + packed + -(-packed // WIDTH)


def plain_size(size: int) -> int | None:
    """Return how many bytes the object has whose text has *size*, or None if no object's text is that long."""
    body = size - len(HEADER)
    packed = body - -(-body // (WIDTH + 1))
    plain = packed * 3 // 4
    return plain if body >= 0 and armoured_size(plain) == size else None
