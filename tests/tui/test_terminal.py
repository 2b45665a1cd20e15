"""The real command in a real terminal: keys sent, the screen captured."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.device import GHOSTIE, PASSPHRASE, Device

PATIENCE = 60.0

needs_tmux = pytest.mark.skipif(
    shutil.which("tmux") is None, reason="tmux is not here (Debian or Ubuntu: apt-get install -y tmux)"
)
pytestmark = [pytest.mark.versions, needs_tmux]


class Terminal:
    """A terminal of tmux's, with a server of its own."""

    def __init__(self, folder: Path, device: Device) -> None:
        self._socket = str(folder / "tmux")
        self._device = device

    def _tmux(self, *argv: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", self._socket, "-f", "/dev/null", *argv],
            env=self._device.environment({"TERM": "xterm-256color"}),
            cwd=self._device.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *argv: str, size: tuple[int, int] = (45, 30), **env: str) -> None:
        """Run a command; the terminal stays when it has ended, and then says its exit code."""
        spelt = [part for name, value in env.items() for part in ("-e", f"{name}={value}")]
        script = '"$@"; echo "ended $?"; exec sleep 600'
        size_of = ("-x", str(size[0]), "-y", str(size[1]))
        self._tmux("new-session", "-d", *size_of, *spelt, "sh", "-c", script, "sh", *GHOSTIE, *argv)

    def text(self) -> str:
        return self._tmux("capture-pane", "-p")

    def painted(self) -> str:
        """Return what is on the screen with the codes that colour it."""
        return self._tmux("capture-pane", "-p", "-e")

    def until(self, holds: Callable[[str], bool], what: str = "it") -> None:
        """Wait until what is on the screen is as *holds* says."""
        give_up = time.monotonic() + PATIENCE
        while not holds(seen := self.text()):
            assert time.monotonic() < give_up, f"{what} never came\n{seen}"
            time.sleep(0.05)

    def sees(self, *words: str) -> None:
        self.until(lambda seen: all(each in seen for each in words), f"{words}")

    def keys(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def type(self, words: str) -> None:
        self._tmux("send-keys", "-l", words)

    def asks_for_the_mouse(self) -> bool:
        """Tell whether the program has asked the terminal to report what the mouse does."""
        modes = ("any", "button", "standard", "sgr", "utf8")
        return "1" in self._tmux("display-message", "-p", "".join(f"#{{mouse_{mode}_flag}}" for mode in modes))

    def resize(self, width: int, height: int) -> None:
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    def end(self) -> None:
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], capture_output=True, check=False)


@pytest.fixture
def terminal(laptop: Device, short_folder: Path) -> Iterator[Terminal]:
    made = Terminal(short_folder, laptop)
    yield made
    made.end()


def test_ghostie_alone_opens_the_screens_on_a_terminal(laptop: Device, terminal: Terminal) -> None:
    laptop.add("the router is at 10.0.0.1", "-c", "network")
    laptop.add("buy oat milk")
    terminal.start()
    terminal.sees("buy oat milk", "search", "more")
    assert terminal.asks_for_the_mouse()
    terminal.type("/rout\rx")
    terminal.sees("removed 1 memory")
    terminal.resize(50, 14)
    terminal.keys("u")
    terminal.sees("took back")
    terminal.resize(120, 40)
    terminal.keys("0")
    terminal.sees("buy oat milk", "the router")
    terminal.keys("q")
    terminal.sees("ended 0")


def test_the_editor_has_the_terminal_while_it_runs(laptop: Device, terminal: Terminal, tmp_path: Path) -> None:
    laptop.add("before")
    script = tmp_path / "editor"
    script.write_text('#!/bin/sh\nprintf "write: "\nread line\nprintf "%s\\n" "$line" > "$1"\n')
    script.chmod(0o700)
    terminal.start("--no-mouse", EDITOR=str(script))
    terminal.sees("before")
    assert not terminal.asks_for_the_mouse()
    terminal.keys("E")
    terminal.sees("write:")
    terminal.type("from the editor")
    terminal.keys("Enter")
    terminal.sees("saved", "from the editor")
    assert not terminal.asks_for_the_mouse()
    terminal.keys("q")
    terminal.sees("ended 0")


def test_no_color_is_honoured(laptop: Device, terminal: Terminal) -> None:
    laptop.add("in black and white", "-c", "plain", "-t", "grey")
    laptop.add("the other one")
    terminal.start(NO_COLOR="1")
    terminal.sees("in black and white", "search")
    assert re.search(r"\x1b\[[\d;]*7m›", terminal.painted()), "the cursor is reversed"
    assert not colours(terminal.painted())
    terminal.keys("Space")
    terminal.until(lambda seen: "*" in seen and "1 marked" in seen, "the mark")
    terminal.type("/")
    terminal.sees("words · cat:")
    assert not colours(terminal.painted())
    terminal.keys("C-q")
    terminal.sees("ended 0")


def test_there_is_colour_where_nobody_forbids_it(laptop: Device, terminal: Terminal) -> None:
    laptop.add("in colour", "-c", "plain", "-t", "green")
    terminal.start("review")
    terminal.sees("in colour", "search")
    assert colours(terminal.painted())


def colours(painted: str) -> set[str]:
    """Return the codes that set a colour, of all that *painted* sets; not those that give back the terminal's own."""
    codes = {code for each in re.findall(r"\x1b\[([\d;:]*)m", painted) for code in re.split("[;:]", each)}
    return {code for code in codes if re.fullmatch(r"3[0-8]|4[0-8]|9[0-7]|10[0-7]", code)}


def test_a_locked_vault_asks_on_the_screen(laptop: Device, terminal: Terminal) -> None:
    laptop.add("behind the lock")
    terminal.start("review")
    terminal.sees("behind the lock")
    terminal.keys("L")
    terminal.sees("passphrase", "unlock")
    assert "behind" not in terminal.text()
    terminal.type("wrong words here")
    terminal.keys("Enter")
    terminal.sees("does not open")
    terminal.type(PASSPHRASE)
    terminal.keys("Enter")
    terminal.sees("behind the lock")
    terminal.keys("q")
    terminal.sees("ended 0")
    assert "behind" not in terminal.text()
