"""The screens. Importing this loads nothing heavy; `launch` starts the keeper first, it opens the vault meanwhile."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from ghostie.paths import Layout


def launch(layout: Layout, *, passphrase_file: Path | None = None, mouse: bool = True) -> None:
    """Open the screens on the vault at *layout* until the person leaves. Raises what went wrong, of whatever class."""
    from ghostie.hardening import harden
    from ghostie.tui.keeper import Keeper, Opening, traces

    harden()  # what is on the screen, and what is typed, is in this process
    # nothing moves on the screens: frames that only animate cost a phone its battery
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    opening = Opening.here(layout, passphrase_file)
    keeper = Keeper(opening) if layout.master_key.exists() else None
    from ghostie.tui.app import GhostieApp
    from ghostie.tui.settings import load_settings

    app = GhostieApp(opening, keeper, load_settings(layout), layout=layout)
    try:
        app.run(mouse=mouse and app.settings.mouse)
    finally:
        app.close()
        sys.stderr.writelines(traces)
    if app.fault is not None:
        raise app.fault
