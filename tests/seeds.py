"""Which random histories the full run lives through: each commit draws others, and the printed seed repeats them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ghostie.version import __version__

HISTORIES = 5_000
LONG = "test_every_history_that_the_commit_draws_keeps_every_promise"
TOLD = "what is told of a part"  # the property under which a part of them leaves a sentence for the end of the run


def add_options(parser: pytest.Parser) -> None:
    parser.addoption("--histories", type=int, default=HISTORIES, help="how many histories the full run simulates")
    parser.addoption("--seed", type=int, help="the first of them (default: drawn from the commit)")


def draw(config: pytest.Config) -> None:
    """Set the first seed, unless it was named."""
    if config.option.seed is None:
        config.option.seed = _from_commit()


def chosen(config: pytest.Config) -> range:
    return range(config.option.seed, config.option.seed + config.option.histories)


def sentence(reporter: pytest.TerminalReporter) -> str:
    """Return what repeats the histories of this run, and what was told of them, a line each; empty if it had none."""
    reports = [
        report for key in ("passed", "failed") for report in reporter.stats.get(key, []) if LONG in report.nodeid
    ]
    if not reports:
        return ""
    seeds = chosen(reporter.config)
    again = (
        f"simulated histories: {seeds.start} to {seeds.stop - 1}"
        f" (again: ./test.sh full --histories {len(seeds)} --seed {seeds.start} -k {LONG})"
    )
    told = {str(what) for report in reports for name, what in report.user_properties if name == TOLD}
    return "\n".join([again, *sorted(told)])


def _from_commit() -> int:
    """Return a number below 2**28 from the commit that is checked out, or from the version where there is no git."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return int.from_bytes(__version__.encode()[:3])
    return int(done.stdout[:7], 16)
