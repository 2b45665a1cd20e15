"""Files of other programs in a store's folder: conflict copies, half transfers, thumbnails. They are passed over.

A name decides, and it decides only what is said: nothing that is litter by its name is ever read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from ghostie import text

# folders of file managers, file servers and disks, anywhere in a path
_FOLDERS: Final = re.compile(
    r"(?:@eaDir|@Recycle|@Recently-Snapshot|#recycle|#snapshot|lost\+found|\$RECYCLE\.BIN|RECYCLER|__MACOSX"
    r"|System Volume Information|_gsdata_)",
    re.IGNORECASE,
)
# files of file managers, and whatever ends or begins like a transfer that is under way
_FILES: Final = re.compile(
    r"(?:Thumbs\.db|ehthumbs(?:_vista)?\.db|desktop\.ini|Icon\r?|folder\.jpg|Network Trash Folder"
    r"|Copy of .*|~syncthing~.*|~\$.*|\..*"
    r"|.*\.(?:part|partial|filepart|tmp|temp|crdownload|download|icloud|!sync|bts|swp|bak|old|lnk)|.*~)",
    re.IGNORECASE,
)
# a copy of one of ours under a longer name: `.sync-conflict-…`, ` (1)`, ` (conflicted copy …)`, `-HOST`
_COPY: Final = re.compile(
    r"(?:[1-9][0-9]{0,14}-[1-9][0-9]{0,14}\.[0-9a-f]{16}|[0-9a-f]{32})(?!\.(?:seg|key)$)[ ._~(\[-].+",
    re.IGNORECASE | re.DOTALL,
)
NAMED: Final = 3


def is_litter(key: str) -> bool:
    """Tell whether *key*, which is no object of ghostie's, is what other programs leave in a folder."""
    *folders, name = key.split("/")
    if any(_FOLDERS.fullmatch(folder) for folder in folders):
        return True
    return _FILES.fullmatch(name) is not None or _COPY.fullmatch(name) is not None


def sorted_out(strays: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return those of *strays* that are litter, and those that are not."""
    litter: list[str] = []
    others: list[str] = []
    for key in strays:
        (litter if is_litter(key) else others).append(key)
    return litter, others


def in_words(litter: Sequence[str]) -> str:
    """Return *litter* as a few names: "Thumbs.db, x.part and 3 more"."""
    names = list(dict.fromkeys(text.one_line(key.rpartition("/")[2]) for key in litter))
    more = f" and {len(litter) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
