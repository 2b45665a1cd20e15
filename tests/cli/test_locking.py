"""`ghostie lock` ends what `ghostie unlock` began, from whatever shell it is run, or says that it could not."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterator, Mapping

import pytest

from ghostie import claims
from tests.cli.device import PASSPHRASE, Device, alive, wait_until
from tests.unit.test_agent import waiting

HASTY = "from ghostie.crypto import agent; agent.PATIENCE = 0.5; "  # before a command that waits for no answer


@pytest.fixture
def device(fresh: Callable[[], Device]) -> Iterator[Device]:
    """A device with a vault, unlocked."""
    made = fresh()
    made("unlock", "--for", "20min", passphrase=PASSPHRASE, code=0)
    yield made
    made("lock")


def process(device: Device) -> int:
    found = claims.claimant(device.vault / "agent")
    assert found is not None
    return found[0]


def check_locks(device: Device, env: Mapping[str, str]) -> None:
    """Check that a shell with *env* sees the vault unlocked, and locks it for all."""
    pid = process(device)
    assert "unlocked for another" in device("doctor", env=env, code=0).out
    assert device("list", env=env, code=0).out == ""
    assert device("lock", env=env, code=0).err == "locked\n"
    wait_until(lambda: not alive(pid), patience=5)
    assert device("list", code=12).out == ""
    assert "ok locked" in device("doctor", passphrase=PASSPHRASE).out
    assert device("lock", env=env, code=0).err == "it was locked already\n"


def test_from_a_shell_with_another_runtime_folder(device: Device) -> None:
    other = device.folder / "other"
    other.mkdir(mode=0o700)
    check_locks(device, {"XDG_RUNTIME_DIR": str(other)})


@pytest.mark.parametrize(
    "runtime",
    ["", *(pytest.param(other, marks=pytest.mark.slow) for other in ("/nowhere/to/be/found", "relative", "/"))],
)
def test_from_a_login_without_a_runtime_folder(device: Device, runtime: str) -> None:
    check_locks(device, {"XDG_RUNTIME_DIR": runtime})


def test_from_a_shell_with_another_folder_for_temporary_files(device: Device) -> None:
    other = device.folder / "other"
    other.mkdir()
    check_locks(device, {"XDG_RUNTIME_DIR": "", "TMPDIR": str(other)})


def test_from_a_home_that_is_reached_by_a_link(device: Device) -> None:
    link = device.folder.parent / "link"
    link.symlink_to(device.folder)
    check_locks(device, {"HOME": str(link)})
    link.unlink()


def test_with_the_vault_named_in_another_way(device: Device) -> None:
    check_locks(device, {"GHOSTIE_HOME": str(device.folder / "run" / ".." / ".ghostie"), "HOME": "/"})


def test_an_agent_that_was_unlocked_without_a_runtime_folder(fresh: Callable[[], Device]) -> None:
    device = fresh()
    device("unlock", passphrase=PASSPHRASE, env={"XDG_RUNTIME_DIR": ""}, code=0)
    check_locks(device, {})


def test_an_agent_whose_runtime_folder_has_a_long_name(fresh: Callable[[], Device]) -> None:
    device = fresh()
    deep = device.folder / ("d" * 110)
    deep.mkdir(mode=0o700)
    device("unlock", passphrase=PASSPHRASE, env={"XDG_RUNTIME_DIR": str(deep)}, code=0)
    device.add("kept without a passphrase")
    assert device("lock", code=0).err == "locked\n"


def test_an_agent_whose_socket_was_removed(device: Device) -> None:
    pid = process(device)
    for path in device.agents():
        path.unlink()
    seen = device("doctor", passphrase=PASSPHRASE, code=1).out
    if alive(pid):  # it ends by itself within seconds, as soon as it looks
        assert f"!  the agent that holds the key (process {pid}) does not answer" in seen
        assert device("lock", code=0).err in ("locked\n", "it was locked already\n")
    wait_until(lambda: not alive(pid), patience=5)
    assert device("list").code == 12


def test_an_agent_that_is_stopped_and_has_a_full_queue(device: Device) -> None:
    pid = process(device)
    os.kill(pid, signal.SIGSTOP)
    clients = waiting(device.agents()[0])
    assert f"process {pid}) does not answer" in device("doctor", passphrase=PASSPHRASE, code=1, before=HASTY).out
    assert device("lock", code=0).err == "locked\n"
    wait_until(lambda: not alive(pid), patience=5)
    assert device("list").code == 12
    for client in clients:
        client.close()


def test_what_cannot_be_ended_from_here_is_not_called_locked(device: Device) -> None:
    pid = process(device)
    os.kill(pid, signal.SIGSTOP)
    # as on a disk that two machines share: the kernel gives the number of no process here
    far = "from ghostie import claims; real = claims.claimant; " + (
        "claims.claimant = lambda path: None if (told := real(path)) is None else (0, told[1])"
    )
    done = device("lock", before=HASTY + far, code=1)
    assert done.err.startswith(
        f"ghostie: error: the vault may still be unlocked: the agent that holds the key (on {socket.gethostname()})"
    )
    assert "locked\n" not in done.err.splitlines()
    assert alive(pid)
    os.kill(pid, signal.SIGCONT)


def test_a_file_of_the_agents_that_cannot_be_looked_at_is_not_called_locked(device: Device) -> None:
    unreadable = "import os; real = os.open; " + (
        "os.open = lambda path, *a, **k: (_ for _ in ()).throw(PermissionError(13, 'no')) "
        "if str(path).endswith('/agent') else real(path, *a, **k)"
    )
    assert "could not read" in device("lock", before=unreadable, code=1).err


def test_the_key_that_a_rotation_replaced_is_forgotten(device: Device) -> None:
    pid = process(device)
    device("keys", "rotate", passphrase=PASSPHRASE, env={"XDG_RUNTIME_DIR": ""}, code=0)
    wait_until(lambda: not alive(pid))


def test_a_key_that_is_of_no_use_any_more_is_not_called_unlocked(device: Device, fresh: Callable[[], Device]) -> None:
    other = fresh()
    shutil.rmtree(other.vault)
    other("init", passphrase=PASSPHRASE, code=0)
    shutil.copy(other.vault / "keys" / "master.key", device.vault / "keys" / "master.key")
    seen = device("doctor", passphrase=PASSPHRASE, code=1).out
    assert "!  an agent holds a key that does not open this vault any more" in seen
    assert "unlocked for another" not in seen
    assert device("lock", code=0).err == "locked\n"
    assert "ok locked" in device("doctor", passphrase=PASSPHRASE).out


def test_where_there_is_no_vault_that_is_said(device: Device) -> None:
    done = device("lock", "--home", str(device.folder / "elsewhere"), code=0)
    assert done.err == f"there is no vault at {device.folder / 'elsewhere'}, and none is unlocked there\n"
