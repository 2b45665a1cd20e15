"""The command line: parse, call, show. `main` turns errors into exit codes; nothing else exits."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from ghostie.cli.output import Output

INTERRUPTED = 130


def run() -> None:
    """Run the command that the process was started with, and end the process.

    Python's tidying up is left out: freeing a hundred thousand rows one by one would only cost time.
    """
    code = 2
    try:
        code = main()
    except SystemExit as done:  # argparse's way to end after --help
        code = done.code if isinstance(done.code, int) else 0 if done.code is None else 2
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError):
            pass
    os._exit(code)


def main(argv: list[str] | None = None) -> int:
    _ready_streams()
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        sys.stderr.write("ghostie: error: interrupted\n")
        return INTERRUPTED


def _run(argv: list[str]) -> int:
    if argv[:1] == ["--version"]:
        from ghostie import __version__

        return _printed(f"ghostie {__version__}\n")
    from ghostie.cli import parser

    try:
        args = parser.parse(argv)
    except SystemExit:  # help was asked for, and given
        return _printed("")
    except OSError as error:
        return _not_taken(error)
    if args is None:
        return 2
    from ghostie.cli.output import Output

    out = Output(args)
    from ghostie.errors import GhostieError, SystemFailed

    try:
        code = parser.target(args)(args, out)
        out.flush()
        _tell_unfinished(args, out)
        return int(code or 0)
    except GhostieError as error:
        out.error(str(error), error.way_out())
        _tell_unfinished(args, out)
        _debug()
        return error.exit_code
    except KeyboardInterrupt:
        out.error("interrupted", None)
        return INTERRUPTED
    except BrokenPipeError:
        return 0  # the reader has seen enough
    except OSError as error:
        failed = SystemFailed(why=(error.strerror or type(error).__name__).lower())
        out.error(str(failed), failed.way_out())
        _tell_unfinished(args, out)
        _debug()
        return failed.exit_code
    except Exception as error:
        # a fault of ours: say so in one line; a traceback could show what must not be shown
        out.error(f"a fault in ghostie ({type(error).__name__})", "GHOSTIE_DEBUG=1 shows where; please report it")
        _debug()
        return 1


def _tell_unfinished(args: argparse.Namespace, out: Output) -> None:
    """Say what did not follow the changes that the command made."""
    vault = getattr(args, "vault", None)
    for unfinished in vault.told() if vault is not None else ():
        out.warn(str(unfinished))
        if hint := unfinished.way_out():
            out.hint(hint)


def _printed(words: str) -> int:
    """Print *words* after what was printed before; return the exit code."""
    try:
        sys.stdout.write(words)
        sys.stdout.flush()
    except OSError as error:
        return _not_taken(error)
    return 0


def _not_taken(error: OSError) -> int:
    """Say what standard output did not take; return the exit code. A reader that has seen enough is no error."""
    give_up_stdout()
    if isinstance(error, BrokenPipeError):
        return 0
    sys.stderr.write(f"ghostie: error: could not write to standard output: {(error.strerror or '').lower()}\n")
    return 1


def give_up_stdout() -> None:
    """Let what standard output did not take go nowhere: Python would try again, and complain, when it closes it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _ready_streams() -> None:
    """Stand in for closed standard streams, lest the next file that is opened takes their place; speak UTF-8."""
    import io

    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, which is this stream's
            if name != "stdin":
                setattr(sys, name, io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")


def _debug() -> None:
    """Show where an error came from, without any value: file, line and function of each frame."""
    if not os.environ.get("GHOSTIE_DEBUG"):
        return
    import traceback

    error = sys.exc_info()[1]
    while error is not None:
        for frame in traceback.extract_tb(error.__traceback__):
            sys.stderr.write(f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}\n')
        sys.stderr.write(f"{type(error).__name__}\n")
        error = error.__cause__
