"""Debian's swift with its S3 interface: the strictest of the servers on clock, digest and region. Only where asked for.

It comes from the packages swift-proxy, swift-account, swift-container and swift-object, installed by hand; nothing of
`/etc/swift` is changed. Four processes under one temporary folder: a ring of one device, and users of their own.
"""

from __future__ import annotations

import getpass
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

PROGRAMS = ("swift-proxy-server", "swift-account-server", "swift-container-server", "swift-object-server")
ACCESS_KEY, SECRET_KEY = "test:tester", "testing-key-of-swift"

COMMON = """
[swift-hash]
swift_hash_path_suffix = of-the-tests
[storage-policy:0]
name = one
default = yes
"""

STORAGE = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
user = {user}
devices = {home}/devices
swift_dir = {home}
mount_check = false
fallocate_reserve = 0
workers = 0
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""

PROXY = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
user = {user}
swift_dir = {home}
workers = 0
[pipeline:main]
pipeline = catch_errors cache s3api tempauth proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{nobody}
[filter:s3api]
use = egg:swift#s3api
s3_acl = false
auth_pipeline_check = false
allow_multipart_uploads = false
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = {secret} .admin
"""


def missing() -> str:
    """Return why it cannot be started here; empty if it can."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"Debian's swift is not here: no {', no '.join(absent)}" if absent else ""


def release() -> str:
    said = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "swift-proxy"], capture_output=True, text=True)
    return said.stdout.strip()


def lay_out(home: Path, free_port: Callable[[], int]) -> Iterator[tuple[list[str], int]]:
    """Write rings and configurations below *home*; yield the commands to run, each with its port, the proxy last."""
    (home / "devices" / "one").mkdir(parents=True)
    (home / "swift.conf").write_text(COMMON)
    named: dict[str, object] = {"home": home, "user": getpass.getuser(), "secret": SECRET_KEY}
    for kind in ("account", "container", "object"):
        port = free_port()
        for words in (["create", "4", "1", "1"], ["add", f"r1z1-127.0.0.1:{port}/one", "1"], ["rebalance"]):
            argv = ["swift-ring-builder", f"{kind}.builder", *words]
            done = subprocess.run(argv, capture_output=True, cwd=home, text=True)
            assert done.returncode < 2, done.stdout  # 1 is a warning
        yield _server(home / f"{kind}-server.conf", STORAGE.format(kind=kind, port=port, **named)), port
    port = free_port()
    yield _server(home / "proxy-server.conf", PROXY.format(port=port, nobody=free_port(), **named)), port


def _server(path: Path, said: str) -> list[str]:
    path.write_text(said)
    return [f"swift-{path.stem}", str(path)]
