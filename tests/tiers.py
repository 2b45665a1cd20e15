"""The two tiers that have to agree: here, with what is installed, and in a Python of its own without orjson and PyNaCl.

A whole list of cases costs one process.
"""

from __future__ import annotations

import ctypes.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.tasks import TASKS

ROOT = Path(__file__).resolve().parents[1]

needs_sodium = pytest.mark.skipif(
    ctypes.util.find_library("sodium") is None,
    reason="libsodium's shared library is not here (Debian or Ubuntu: apt-get install -y libsodium23)",
)


def here(name: str, cases: list[Any]) -> list[Any]:
    """Return what task *name* says of each of *cases* in this process."""
    said: list[Any] = json.loads(json.dumps([TASKS[name](case) for case in cases]))
    return said


def in_pure_tier(name: str, cases: list[Any]) -> list[Any]:
    """Return what task *name* says of each of *cases* with the standard json and libsodium by ctypes, as on Android."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.tasks", name],
        input=json.dumps(cases).encode(),
        stdout=subprocess.PIPE,
        env={**os.environ, "GHOSTIE_PURE": "1", "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        check=True,
    )
    said: list[Any] = json.loads(done.stdout)
    return said
