"""A keeper in a hurry: keys are derived as cheaply as may be, and neither a sign-in nor gists are waited for."""

from __future__ import annotations

from ghostie.backends import deviceflow, gist
from ghostie.crypto import keys
from ghostie.tui import desk

if __name__ == "__main__":
    for module, name, value in (
        (keys, "calibrate", lambda: keys.FLOOR),
        (deviceflow, "LEAST_INTERVAL", 0.05),
        (gist, "BETWEEN_WRITES", 0.0),
    ):
        setattr(module, name, value)
    desk._main()
