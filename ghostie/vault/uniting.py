"""One memory out of two: what it says when another is merged into it; pure."""

from __future__ import annotations

from ghostie.errors import IsRemoved, PrivacyDiffers, UsageError
from ghostie.memory import Record, Version

SUPERSEDES = "supersedes"
_RANK = ("inbox", "archived", "active")


def united(kept: Version, gone: Version) -> Record:
    """Return the fields that *kept* takes on when *gone* is merged into it.

    Its content gets the paragraphs of the other that it has not, its tags and links are those of both, and what it
    does not say itself it takes over; where both say something, its own stands. A link tells what it supersedes.
    Raises UsageError, IsRemoved or PrivacyDiffers.
    """
    if kept.id == gone.id:
        raise UsageError("a memory cannot be merged into itself", "name two memories")
    for version in (kept, gone):
        if version.deleted:
            raise IsRemoved(id=version.id[:8])
    local = [version.field("privacy") == "local" for version in (kept, gone)]
    if local[0] != local[1]:
        # together they would leave the device, or the others would lose what they have
        one, other = (kept, gone) if local[0] else (gone, kept)
        raise PrivacyDiffers(local=one.id[:8], synced=other.id[:8])
    fields: Record = {
        "content": joined_text(str(kept.field("content")), str(gone.field("content"))),
        "tags": sorted({*kept.field("tags"), *gone.field("tags")}),
        "category": kept.field("category") or gone.field("category"),
        "status": max(kept.field("status"), gone.field("status"), key=_RANK.index),
        "context": {**gone.field("context"), **kept.field("context")},
    }
    for name in ("scope", "anchor", "source"):
        fields[name] = kept.field(name) or gone.field(name)
    links = [*kept.field("links"), *gone.field("links"), {"type": SUPERSEDES, "to": gone.id}]
    fields["links"] = [link for at, link in enumerate(links) if link not in links[:at] and link.get("to") != kept.id]
    return fields


def joined_text(kept: str, added: str) -> str:
    """Return *kept* with the paragraphs of *added* that it has not, after an empty line."""
    there, adding = _plain(kept), _plain(added)
    if adding in there:
        return kept
    if there in adding:
        return added
    paragraphs = [part.strip("\n") for part in added.split("\n\n")]
    fresh = [part for part in paragraphs if _plain(part) and _plain(part) not in there]
    return "\n\n".join([kept.rstrip("\n"), *fresh])


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
