"""What is measured with: the file of 10,000 real memories beside the checkout, or, where that is absent, as many made ones."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "data" / "memories.jsonl.gz"
MANY = 10_000


def memories() -> bytes:
    """Return 10,000 memories as JSON lines."""
    return gzip.decompress(REAL.read_bytes()) if REAL.exists() else made(MANY)


def made(count: int) -> bytes:
    """Return JSON lines of *count* made memories, the same every time."""
    chance = random.Random(7)
    words = [f"word{number}" for number in range(3000)]
    lines = []
    for number in range(count):
        content = " ".join(chance.choices(words, k=80))
        lines.append(
            json.dumps(
                {
                    "timestamp": f"2025-01-01T00:{number // 60 % 60:02}:{number % 60:02}.{number % 1000:03}Z",
                    "device_id": "made",
                    "category": chance.choice(words[:12]),
                    "content": f"{number} {content}",
                }
            )
        )
    return ("\n".join(lines) + "\n").encode()
