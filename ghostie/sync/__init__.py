"""Sync: versions out, versions in. Set union over stores that are never trusted; `docs/sync.md` tells how and why."""
