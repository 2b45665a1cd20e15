"""What is said of a passphrase is no flattery: common ones are refused, common words count little, chance counts."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from ghostie.crypto.strength import strength_of
from tests.tiers import ROOT


@pytest.mark.parametrize(
    ("passphrase", "level"),
    [
        ("", "short"),
        ("seven77", "short"),
        ("password", "refused"),
        ("Password1!", "refused"),
        ("P@ssw0rd2024", "refused"),
        ("qwertyuiop123", "refused"),
        ("12345678", "refused"),
        ("iloveyou", "refused"),
        ("ghostie1", "refused"),
        ("passphrase", "refused"),
        ("aaaaaaaaaa", "refused"),
        ("a" * 1000, "refused"),
        ("hunter2hunter", "refused"),
        ("december 2026", "weak"),
        ("to be or not to be", "weak"),
        ("letmein letmein letmein letmein", "weak"),
        ("a b c d e f g h", "weak"),
        ("my dog is called rex", "weak"),
        ("four plain words here", "weak"),
        ("correct horse battery", "weak"),
        ("correct-horse-battery", "weak"),
        ("correcthorsebattery", "weak"),
        ("aZ3$kd9!", "weak"),
        ("x7Gk2mQp9Lw4", "fair"),
        ("plum antler dwelling", "fair"),
        ("velvet anchor mosaic thimble", "strong"),
        ("velvet-anchor-mosaic-thimble", "strong"),
        ("vigorous plum antler dwelling", "strong"),
        ("x7Gk2mQp9Lw4-Zt8r", "strong"),
    ],
)
def test_a_passphrase_is_as_strong_as_it_is(passphrase: str, level: str) -> None:
    found = strength_of(passphrase)
    assert found.level == level, found
    assert found.sentence.startswith({"short": "too short", "refused": "too weak"}.get(level, level))


def test_a_word_more_is_never_worse_and_a_word_twice_is_no_word_more() -> None:
    words = ["velvet", "anchor", "mosaic", "thimble", "gravel"]
    guesses = [strength_of(" ".join(words[:count])).guesses for count in range(2, 6)]
    assert guesses == sorted(guesses) and guesses[0] < guesses[-1]
    assert strength_of("velvet anchor velvet anchor").guesses <= strength_of("velvet anchor").guesses + 1


@pytest.mark.parametrize(
    "passphrase", ["a" * 100_000, "ab" * 50_000, "\x00" * 9, "\u202e" * 20, "🦊" * 20, "ß" * 8, "\ud800" * 9]
)
def test_whatever_is_typed_is_judged_in_little_time(passphrase: str) -> None:
    started = time.process_time()
    strength_of(passphrase)
    assert time.process_time() - started < 2


def test_no_command_that_chooses_no_passphrase_loads_the_estimator() -> None:
    script = (
        "import sys\nfrom ghostie.crypto import keys, unlock\nimport ghostie.vault, ghostie.sync.setup\n"
        "keys.unwrap\nprint('zxcvbn' in sys.modules, 'ghostie.crypto.strength' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "False False\n"
