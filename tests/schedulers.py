"""Stand-ins for the programs that schedule jobs: they note what they are asked, and behave as the real ones do."""

from __future__ import annotations

import os
from pathlib import Path

# as Debian's: lists what it was given, refuses a file whose last line is not ended, knows a user without one
CRONTAB = """#!/bin/sh
kept="${0%/*}/crontab.kept"
case "$1" in
-l) if [ -e "$kept" ]; then cat "$kept"; else echo "no crontab for you" >&2; exit 1; fi ;;
-r) rm "$kept" ;;
-) cat >"$kept.new"
    if [ -n "$(tail -c 1 "$kept.new")" ]; then echo "missing newline before EOF, can't install." >&2; exit 1; fi
    mv "$kept.new" "$kept" ;;
*) exit 2 ;;
esac
"""

SYSTEMCTL = """#!/bin/sh
echo "$*" >>"${0%/*}/systemctl.asked"
if [ -e "${0%/*}/systemctl.fails" ] && [ "$3" = enable ]; then echo "Failed to connect to bus" >&2; exit 1; fi
if [ "$3" = is-active ]; then echo active; fi
"""

# it ends with 0 whatever comes of it, and says in words what did
TERMUX = """#!/bin/sh
here="${0%/*}"
printf '%s\\n' "$*" >>"$here/termux.asked"
if [ -e "$here/termux.hangs" ]; then sleep 600; fi
if [ -e "$here/termux.refuses" ]; then echo "Cannot execute file: /storage/x"; exit 0; fi
id= script= cancel=
while [ $# -gt 0 ]; do
    case "$1" in
    --job-id) id=$2; shift ;;
    --script) script=$2; shift ;;
    --cancel) cancel=1 ;;
    --pending) if [ -s "$here/termux.jobs" ]; then cat "$here/termux.jobs"; else echo "No jobs found"; fi; exit 0 ;;
    esac
    shift
done
touch "$here/termux.jobs"
grep -v "Job $id:" "$here/termux.jobs" >"$here/termux.left"
mv "$here/termux.left" "$here/termux.jobs"
if [ -n "$cancel" ]; then echo "Cancelling Job $id: "; exit 0; fi
if [ ! -x "$script" ]; then echo "Cannot execute file: $script"; exit 0; fi
echo "Pending Job $id: $script    (periodic)" >>"$here/termux.jobs"
echo "Scheduling Job $id: $script    (periodic) - response 1"
echo "Pending Job $id: $script    (periodic)"
"""

TOOLS = {"crontab": CRONTAB, "systemctl": SYSTEMCTL, "termux-job-scheduler": TERMUX}


def stand_in(folder: Path, *tools: str) -> str:
    """Put stand-ins for *tools* into *folder*; return a PATH that has them and, of the real ones, none."""
    folder.mkdir(exist_ok=True)
    for name in tools:
        program = folder / name
        program.write_text(TOOLS[name])
        program.chmod(0o755)
    rest = folder / "rest"
    if not rest.exists():
        rest.mkdir()
        for name in ("sh", "cat", "rm", "mv", "tail", "grep", "touch", "sleep", "printf"):
            for place in ("/usr/bin", "/bin"):
                if os.path.exists(f"{place}/{name}") and not (rest / name).is_symlink():
                    (rest / name).symlink_to(f"{place}/{name}")
    return f"{folder}:{rest}"
