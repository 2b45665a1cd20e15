"""How hard a passphrase is to guess, for the moment when one is chosen. Nothing else imports this.

zxcvbn knows common passwords, words, names, dates, repeats and rows of keys. For several words it is too kind: it
counts the spaces between them and every order that they could have, which somebody who guesses by words need not try.
So words are also counted one by one, and the smaller number holds.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final, Literal

from ghostie.crypto.keys import LEAST_PASSPHRASE

Level = Literal["short", "refused", "weak", "fair", "strong"]

LONGEST: Final = 64  # characters that are looked at: what is strong so far is strong
DICTIONARY: Final = 5.0  # a word counts as one of 100,000 at the most, however rare
# powers of ten, of guesses: below the first a passphrase is refused; from the last on it is strong
REFUSED_BELOW: Final = 6.0
WEAK_BELOW: Final = 10.0
FAIR_BELOW: Final = 14.0
_BETWEEN_WORDS = re.compile(r"[\s\-_.,;:/+|]+")
_OUR_WORDS = ["ghostie", "vault", "memory", "passphrase"]


@dataclass(frozen=True, slots=True)
class Strength:
    """A level, and a sentence for people; *guesses* is the power of ten of the guesses that it takes."""

    level: Level
    sentence: str
    guesses: float


def strength_of(passphrase: str) -> Strength:
    """Return how hard *passphrase* is to guess for somebody who has the sealed files."""
    if len(passphrase) < LEAST_PASSPHRASE:
        return Strength("short", f"too short: {LEAST_PASSPHRASE - len(passphrase)} more at the least", 0.0)
    passphrase = passphrase[:LONGEST]
    whole = _by_patterns(passphrase)
    guesses = min(whole, _by_words(passphrase))
    if whole < REFUSED_BELOW:
        return Strength("refused", "too weak: it is among the first million that anybody would try", guesses)
    if guesses < WEAK_BELOW:
        return Strength("weak", "weak: somebody who has the files could try it out; add words", guesses)
    if guesses < FAIR_BELOW:
        return Strength("fair", "fair: one or two more words that nobody expects make it strong", guesses)
    return Strength("strong", "strong: nobody guesses this by trying", guesses)


def _by_words(passphrase: str) -> float:
    """Return the power of ten of the guesses by words, one by one; infinity where there are not several."""
    words = {word.casefold(): word for word in _BETWEEN_WORDS.split(passphrase) if word}  # a word twice is one word
    if sum(map(str.isalpha, words)) < 2:
        return math.inf
    return sum(min(_by_patterns(word), DICTIONARY if word.isalpha() else math.inf) for word in words.values())


def _by_patterns(text: str) -> float:
    from zxcvbn import zxcvbn

    found = zxcvbn(text, user_inputs=_OUR_WORDS)
    return sum(float(part["guesses_log10"]) for part in found["sequence"])
