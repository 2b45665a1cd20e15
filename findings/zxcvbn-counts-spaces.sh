#!/usr/bin/env bash
# zxcvbn 4.5.0 gives its best score to common words with spaces between them.
#
# Valid input: passphrases of words, as many sites recommend them. Expected: about the product of the words' ranks, for
# all words are in its own lists; "to", "be", "or" and "not" are among the commonest of all, so six of them are far
# below 10^10. Seen: "to be or not to be" is said to take more than 10^17 guesses, and "correct horse battery" more than 10^14,
# score 4 of 4 ("very unguessable") both. Each space counts as a character that is guessed by brute force (a factor of
# ten and more), and every order of the parts counts (a factor of 11! for eleven parts). Without the spaces the same
# words take 10^12 and 10^10. Whoever shows the score to people has to count the words one by one as well.
#
# Exits 0 while that is so, 1 when it is not.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf -- "$place"' EXIT
python3 -m pip install -q --no-input --disable-pip-version-check --no-deps --target "$place" zxcvbn==4.5.0
PYTHONPATH=$place python3 - <<'PY'
import sys
from zxcvbn import zxcvbn

seen = True
for spaced, least in (("to be or not to be", 16), ("correct horse battery", 13)):
    joined = spaced.replace(" ", "")
    with_spaces, without = (zxcvbn(each) for each in (spaced, joined))
    print(
        f"{spaced!r}: 10^{float(with_spaces['guesses_log10']):.1f} guesses, score {with_spaces['score']};"
        f" {joined!r}: 10^{float(without['guesses_log10']):.1f}, score {without['score']}"
    )
    seen &= with_spaces["score"] == 4 and float(with_spaces["guesses_log10"]) > least
    seen &= float(with_spaces["guesses_log10"]) > float(without["guesses_log10"]) + 2
sys.exit(0 if seen else 1)
PY
