"""Runs commands with a failing call each, in children of a process that has ghostie loaded.

`python -m tests.faults.program FOLDER SEED MOST COMMAND…` prints one line of JSON for each command that it tried: how
many calls it makes, at how many of them it was tried with which errors, and all that was wrong. MOST bounds the tries of
one command, which SEED then chooses; 0 tries all.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ghostie import cli
from ghostie.crypto import keys as keyring
from ghostie.crypto import sodium
from ghostie.sync.link import Link

from .calls import Calls, errors_of
from .commands import CANARY, COMMANDS, FILTER, PASSPHRASE, Command, State, keep_a_filter, named, opened, state

TO_GO_ON = ("push or pull destroys it", "push or pull goes on with it")
MADE = ("the change was made, but", "the purge was made, but", "was changed, but the disk does not confirm it")
IN_PART = ("others were removed before", "files were written; run", "goes on", "wrote ")


@dataclass(frozen=True)
class Ran:
    """What a command came to, and the calls that it made."""

    code: int
    out: str
    err: str
    calls: list[tuple[str, str]]


def run(command: Command, argv: list[str], place: Path, *, fails_at: int = 0, error: str = "EIO") -> Ran:
    """Run `ghostie` in a child; the call at *fails_at* fails with *error*."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(command.stdin.encode())
        given.seek(0)
        with tempfile.TemporaryFile() as made:
            child = os.fork()
            if child == 0:
                for number, stream in enumerate((given, out, err)):
                    os.dup2(stream.fileno(), number)
                _become(command, argv, place, Calls(str(place), fails_at, error), made.fileno())
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            made.seek(0)
            calls = json.loads(made.read() or b"[]")
        out.seek(0)
        err.seek(0)
        return Ran(code, out.read().decode(), err.read().decode(), [tuple(each) for each in calls])


def _become(command: Command, argv: list[str], place: Path, calls: Calls, report: int) -> None:
    write, leave = os.write, os._exit

    def done(code: int) -> None:
        write(report, json.dumps(calls.made).encode())
        leave(code)

    os.environ.clear()
    os.environ.update(
        {
            "PATH": "/nowhere",
            "HOME": str(place),
            "GHOSTIE_HOME": str(place / "home"),
            "XDG_RUNTIME_DIR": str(place),
            "GHOSTIE_PASSPHRASE": PASSPHRASE,
            **command.environ,
        }
    )
    os.chdir(place)
    sys.argv[1:] = argv
    vars(os)["_exit"] = done
    calls.install()
    if argv == [FILTER]:
        code = keep_a_filter(place / "home")
        sys.stderr.flush()
        done(code)
    cli.run()


# -- the judge -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ends:
    """How a command finds its place and leaves it when nothing fails."""

    before: State
    after: State
    whole: Ran


def problems(command: Command, argv: list[str], place: Path, ran: Ran, ends: Ends, path: str) -> Iterator[str]:
    """Yield all that is wrong with what a command said and left of which a call failed that touched *path*."""
    if "Traceback" in ran.err or "a fault in ghostie" in ran.err:
        yield f"a fault of ghostie's own: {ran.err}"
    if CANARY in ran.err or (ran.code != ends.whole.code and CANARY in ran.out):
        yield "what a memory says stands among the words"
    # what a store lists and does not give is one thing with what does not open: see docs/sync.md, "Alarms"
    at_home = not path.startswith("store/")
    if at_home and "damaged" in ran.out + ran.err and "damaged" not in ends.whole.out + ends.whole.err:
        yield "it takes what could not be read for damaged"
    if ran.code not in (0, 1, 10, 12, 20, 22, ends.whole.code):
        yield f"it ended with {ran.code}"
    done = ran.code == ends.whole.code
    made = not command.goes_on and any(words in ran.err for words in MADE)
    now = state(place)
    if now and (aside := [each for each in now["quarantine"] if each not in ends.after["quarantine"]]):
        yield f"set aside: {aside}"
    if any(words in ran.err for words in TO_GO_ON):
        run(Command(command.prepare), ["edit", named(opened(place), "three"), "-c", "later"], place)
        now, after = but_for_three(state(place)), but_for_three(ends.after)
        after["versions"] += 1
        if now != after:
            yield f"the next edit left {difference(now, after)}"
    elif done or made:
        if now != ends.after:
            yield f"it said that it was done, and there is {difference(now, ends.after)}"
    elif not command.goes_on and not any(words in ran.err for words in IN_PART):
        if now != ends.before:
            yield f"it said that nothing was done, and there is {difference(now, ends.before)}"
    elif now not in (ends.before, ends.after) and command.goes_on and "what was there before is unchanged" in ran.err:
        yield "it said that nothing was changed, and something was"
    if not (done or made):
        again = run(command, argv, place)
        if again.code != ends.whole.code:
            yield f"done again, it ended with {again.code}: {again.err}"
        if (now := state(place)) != ends.after:
            yield f"done again, there is {difference(now, ends.after)}"
    opening = {"GHOSTIE_PASSPHRASE": now.get("passphrase", PASSPHRASE)} if now else {}
    looked = run(Command(command.prepare, environ=opening), ["doctor"], place) if now else Ran(0, "", "", [])
    if looked.code != 0 and (done or made or "doctor" not in argv):
        yield f"doctor: {looked.out}{looked.err}"


def but_for_three(found: State) -> State:
    return {**found, "memories": [each for each in found["memories"] if "three" not in each[0]]}


def difference(now: State, wanted: State) -> str:
    """Return in what two states differ."""
    found = []
    for name in sorted(now.keys() | wanted.keys()):
        here, there = now.get(name), wanted.get(name)
        if isinstance(here, list) and isinstance(there, list):
            here, there = [each for each in here if each not in there], [each for each in there if each not in here]
        if here != there:
            found.append(f"{name}: {here} instead of {there}")
    return "; ".join(found) or "the same in another number"


def try_out(name: str, folder: Path, rnd: random.Random, most: int) -> dict[str, object]:
    command = COMMANDS[name]
    template = folder / "template"
    place = folder / "place"  # paths are the same in every copy
    place.mkdir(parents=True)
    argv = list(command.prepare(place))
    before = state(place)
    place.rename(template)
    shutil.copytree(template, place, symlinks=True)
    whole = run(command, argv, place)
    ends = Ends(before, state(place), whole)
    points = [(at, error) for at, (call, _) in enumerate(whole.calls, 1) for error in errors_of(call)]
    if most and len(points) > most:
        points = sorted(rnd.sample(points, most))
    wrong = []
    if whole.err.count("error"):
        wrong.append(f"without any fault: {whole.code} {whole.err}")
    for at, error in points:
        shutil.rmtree(place)
        shutil.copytree(template, place, symlinks=True)
        ran = run(command, argv, place, fails_at=at, error=error)
        call, path = whole.calls[at - 1]
        said = " / ".join(ran.err.splitlines())
        wrong += [
            f"{error} at call {at}, {call} {path} → {ran.code} {said!r}: {each}"
            for each in problems(command, argv, place, ran, ends, path)
        ]
    shutil.rmtree(folder)
    return {"command": name, "calls": len(whole.calls), "tried": len(points), "wrong": wrong}


def quick(passphrase: bytes, salt: bytes, memory: int, passes: int) -> bytes:
    """Derive a key at once: Argon2id has tests of its own, and here it would be run thousands of times."""
    return hashlib.blake2b(passphrase, salt=salt[:16], digest_size=32).digest()


def main(folder: Path, seed: str, most: int, names: list[str]) -> None:
    from ..cli.warm import load

    load()
    vars(sodium)["argon2id"] = quick
    keyring.calibrate = lambda target=0.25: keyring.FLOOR
    # a second look at the store has none to wait for here: nobody else writes there
    assert Link.__init__.__kwdefaults__
    Link.__init__.__kwdefaults__["pause"] = 0.0
    for name in names:
        print(json.dumps(try_out(name, folder / "faults", random.Random(f"{seed} {name}"), most)), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:])
