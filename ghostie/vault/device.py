"""Who this installation is: its writer id, which names its log on the store, and the device's name for people."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

from ghostie import codec, files
from ghostie.errors import BadJson, UsageError
from ghostie.paths import Layout

WRITER_BYTES = 8
_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{1,64}")


@dataclass(frozen=True, slots=True)
class Device:
    """A writer id (16 random hex digits) and a name (for people, sealed wherever it travels)."""

    writer: str
    name: str

    def save(self, layout: Layout) -> None:
        files.write_durably(layout.device, codec.dumps({"writer": self.writer, "name": self.name}) + b"\n")

    def renamed(self, name: str) -> Device:
        return replace(self, name=checked_name(name))

    def reborn(self, random: Callable[[int], bytes] = secrets.token_bytes) -> Device:
        """Return this device as a new writer: its old log is somebody else's now, or an older self's."""
        return replace(self, writer=random(WRITER_BYTES).hex())


def new_device(name: str | None = None, random: Callable[[int], bytes] = secrets.token_bytes) -> Device:
    return Device(random(WRITER_BYTES).hex(), checked_name(name or default_name()))


def load_device(layout: Layout) -> Device:
    """Return this installation's identity; one that is lost becomes a new writer."""
    try:
        record = codec.loads(files.read(layout.device, 4096))
        writer, name = record["writer"], record["name"]
        if re.fullmatch(r"[0-9a-f]{16}", writer) and _NAME.fullmatch(name):
            return Device(writer, name)
    except (FileNotFoundError, BadJson, KeyError, TypeError):
        pass
    device = new_device()
    device.save(layout)
    return device


def default_name() -> str:
    import socket

    name = socket.gethostname().split(".")[0]
    return name if _NAME.fullmatch(name) else "device"


def checked_name(name: str) -> str:
    """Return *name* if it can name a device. Raises UsageError."""
    if not _NAME.fullmatch(name):
        raise UsageError("a device's name is one line of 1 to 64 characters")
    return name
