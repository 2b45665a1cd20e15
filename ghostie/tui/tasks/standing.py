"""What the header counts that only sync knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ghostie.tui.tasks import task

if TYPE_CHECKING:
    from ghostie.tui.desk import Desk


@task
def unsynced(desk: Desk) -> int | None:
    """Return how many versions wait to be pushed, or None where there is no store. The store is not asked."""
    if not desk.layout.sync_config.exists():
        return None
    from ghostie.backends.store import open_store
    from ghostie.sync.config import load_config
    from ghostie.sync.link import Link
    from ghostie.sync.outbox import Outbox

    config = load_config(desk.layout)
    link = Link(desk.fresh(), open_store(config.backend, config.options), config)
    return len(Outbox(link).unpublished())
