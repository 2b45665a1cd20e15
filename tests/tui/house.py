"""The real screens on a real vault with a real keeper, headless: what a person presses, and what they see."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from textual._xterm_parser import XTermParser
from textual.pilot import Pilot

from ghostie.crypto import keys as keyring
from ghostie.crypto.keys import first_epoch
from ghostie.files import write_durably
from ghostie.memory import new_id
from ghostie.paths import Layout
from ghostie.tui.app import GhostieApp
from ghostie.tui.keeper import Keeper, Opening
from ghostie.tui.place import Place
from ghostie.tui.rows import Rows
from ghostie.tui.settings import Settings
from ghostie.vault.vault import Vault
from tests.tui.pressing import noted
from tests.tui.watch import watched
from tests.vault.house import Clock, made, new_vault

PATIENCE = 60.0
STEP = 0.01
PASSPHRASE = "four plain words here"
SIZES = ((45, 30), (54, 25), (50, 14), (112, 6), (120, 40))
MASTER = first_epoch(bytes(range(32)))


class Screen:
    """What a test does at the screens. Nothing here waits for a length of time: only for something to come true."""

    def __init__(self, app: GhostieApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def place(self) -> Place:
        return self.app.place

    def text(self) -> str:
        """Return what a person sees, line by line."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)

    async def elsewhere(self, change: Callable[[], object]) -> None:
        """Let something happen that is none of the interface's doing: another process changes the vault."""
        await asyncio.to_thread(change)

    async def until(self, holds: Callable[[], object], what: str = "") -> None:
        """Wait until *holds*."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while not holds():
            assert asyncio.get_running_loop().time() < deadline, f"{what or 'it'} never came\n{self.text()}"
            assert self.app.fault is None, self.app.fault
            await self.pilot.pause(STEP)

    async def sees(self, *words: str) -> None:
        """Wait until all of *words* are on the screen."""
        await self.until(lambda: all(map(self.text().__contains__, words)), f"{words}")

    async def no_longer_sees(self, *words: str) -> None:
        await self.until(lambda: not any(map(self.text().__contains__, words)), f"the end of {words}")

    async def at(self, name: str) -> None:
        """Wait until the place *name* is on top and ready."""
        await self.until(lambda: name == self.place.NAME and self.place._ready, f"the place {name}")

    def here(self) -> str:
        """Return what the memory under the cursor says, as its row has it."""
        rows = self.place.query_one(Rows)
        row = rows.row(rows.current)
        return str(row["text"]) if row is not None else ""

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def type(self, words: str) -> None:
        await self.pilot.press(*words)

    def write(self, typed: str) -> None:
        """Type ahead: all of it in one write, as a terminal sends it, with nothing waited for in between."""
        for event in XTermParser().feed(typed):
            self.app.post_message(event)

    async def tap(self, x: int, y: int) -> None:
        await self.pilot.click(offset=(x, y))

    async def tap_on(self, words: str) -> None:
        """Tap where *words* stand."""
        await self.sees(words)
        for y, line in enumerate(self.text().split("\n")):
            if words in line:
                await self.tap(line.index(words), y)
                return

    def disk_full(self, full: bool) -> None:
        """Let the keeper write nothing more, or again."""
        assert self.app.keeper is not None
        _, most = resource.prlimit(self.app.keeper._process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.app.keeper._process.pid, resource.RLIMIT_FSIZE, (0 if full else most, most))

    async def settled(self) -> None:
        """Wait until nothing that was asked is under way."""
        await self.until(lambda: self.app.keeper is None or not self.app.keeper._pending, "all answers")
        await self.pilot.pause()

    async def at_every_size(self, *words: str) -> None:
        """See *words* at every size in turn, the odd one of no size among them; end at the first of SIZES."""
        for size in (*SIZES, (0, 0), SIZES[0]):
            await self.resize(*size)
            if all(size):
                await self.sees(*words)

    async def resize(self, width: int, height: int) -> None:
        await self.pilot.resize_terminal(width, height)
        await self.settled()


Story = Callable[[Screen], Awaitable[None]]


@cache
def wrapped() -> bytes:
    """Return MASTER's key file under PASSPHRASE; the derivation is paid once a session."""
    return keyring.wrap(MASTER, PASSPHRASE, keyring.FLOOR).spelt()


class House:
    """A vault, and the screens on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.vault: Vault = new_vault(folder / "home", "laptop", keys=MASTER, clock=self.clock)
        self.vault.index.save()
        write_durably(self.vault.layout.master_key, wrapped())

    def add(self, *contents: str, **fields: object) -> list[str]:
        """Add memories; return their ids, in the order given."""
        return [self.vault.add(content, **fields).id for content in contents]

    def conflict(
        self,
        base: str,
        mine: str,
        theirs: str,
        there: Mapping[str, Any] | None = None,
        here: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> str:
        """Add a memory that was changed here and on a phone, in other fields too where these are given; return its id."""
        first = made(new_id(), content=base, at=self.clock(), **fields)
        self.vault.take_in([first], "pull")
        ours = self.vault.edit(first.id, {"content": mine, **(here or {})})
        other = {**fields, **(there or {})}
        self.vault.take_in(
            [made(first.id, [first], content=theirs, device="phone", at=ours.modified + 5, **other)], "pull"
        )
        return first.id

    def bring(self, count: int, **fields: Any) -> None:
        """Add *count* memories at once, numbered."""
        at = self.clock()
        self.vault.take_in(
            [made(new_id(), content=f"memory {n:05}", at=at + n, **fields) for n in range(count)], "import"
        )

    def fresh(self) -> Vault:
        """Return the vault as its files are now."""
        self.vault.refresh()
        return self.vault

    def contents(self) -> set[str]:
        vault = self.fresh()
        return {str(vault.shown(entry).field("content")) for entry in vault.select()}

    def run(
        self,
        story: Story,
        *,
        size: tuple[int, int] = (120, 40),
        settings: Settings | None = None,
        locked: bool = False,
        keeper: bool = True,
        quick: bool = True,
    ) -> GhostieApp:
        """Run the screens through *story*; with *quick*, nothing may hold the interface's thread up meanwhile."""
        opening = Opening(self.vault.layout.home)
        started = Keeper(opening, None if locked else HELD, ask=locked) if keeper else None
        return show(self.vault.layout, started, story, size=size, settings=settings, quick=quick)


HELD = {"vault": MASTER.vault.hex(), "epochs": {str(e): key.hex() for e, key in MASTER.epochs.items()}}


def show(
    layout: Layout,
    keeper: Keeper | None,
    story: Story,
    *,
    size: tuple[int, int] = (120, 40),
    settings: Settings | None = None,
    quick: bool = True,
) -> GhostieApp:
    """Run the screens on *layout* through *story*; see `House.run`."""
    app = GhostieApp(Opening(layout.home), keeper, settings or Settings(), layout=layout)

    async def main() -> None:
        async with app.run_test(size=size) as pilot:
            await story(Screen(app, pilot))

    with watched() as watch, noted():
        try:
            asyncio.run(main())
        finally:
            app.close()
    assert app.fault is None
    if quick:
        assert not watch.over, f"the interface's thread was held up more than {watch.longest:.2f} s: {watch.over}"
    return app
