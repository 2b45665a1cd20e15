"""The agent: a real process that holds keys for a while, answers nobody else, and leaves no trace of them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ghostie import codec
from ghostie.crypto import agent
from ghostie.crypto import keys as keyring
from ghostie.crypto.keys import FLOOR, KeyFile
from ghostie.crypto.sealing import Keys, Purpose, seal
from ghostie.paths import Layout

pytestmark = pytest.mark.versions

MINUTE = 60

peers_are_told = pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="this system does not say who is there")
has_proc = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="there is no /proc here")


def file_for(keys: Keys) -> KeyFile:
    """Return a key file for *keys* that nobody could unwrap: an agent needs only its commitment and chain."""
    chain = tuple(
        seal(Keys(keys.vault, {epoch + 1: keys.epochs[epoch + 1]}), Purpose.CHAIN, (), keys.epochs[epoch])
        for epoch in range(1, keys.current)
    )
    return KeyFile(keys.vault, keys.current, FLOOR, bytes(16), b"", keys.id_of(keys.current), chain)


@pytest.fixture
def path(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where this test's agent listens; it is ended afterwards."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_folder))
    place = Layout(short_folder / "home").agent_socket()
    yield place
    agent.stop(place)


def process_of(path: Path) -> int:
    """Return the process id at the other end of the socket *path*."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(str(path))
        pid, _, _ = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        client.sendall(b"left\n")
        client.recv(64)
    return int(pid)


def eventually(holds: Callable[[], object], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


# -- holding and giving ----------------------------------------------------------------------------------------------


def test_an_agent_gives_back_the_keys_it_was_given(path: Path, keys: Keys) -> None:
    keys = keyring.next_epoch(keyring.next_epoch(keys))
    agent.start(path, keys, MINUTE)
    for _ in range(3):
        assert agent.fetch(path, file_for(keys)) == keys


def test_an_agent_says_how_long_it_will_stay(path: Path, keys: Keys) -> None:
    agent.start(path, keys, MINUTE)
    left = agent.seconds_left(path)
    assert left is not None
    assert MINUTE - 10 <= left <= MINUTE


def test_an_agent_stays_a_week_at_the_most(path: Path, keys: Keys) -> None:
    agent.start(path, keys, 365 * 86_400)
    assert (agent.seconds_left(path) or 0) <= agent.LONGEST


def test_a_stopped_agent_is_gone_with_its_socket(path: Path, keys: Keys) -> None:
    agent.start(path, keys, MINUTE)
    assert agent.stop(path)
    assert eventually(lambda: not path.exists())
    assert agent.fetch(path, file_for(keys)) is None
    assert agent.seconds_left(path) is None
    assert not agent.stop(path)


def test_an_agent_whose_time_is_up_is_gone_with_its_socket(path: Path, keys: Keys) -> None:
    agent.start(path, keys, 1)
    assert agent.fetch(path, file_for(keys)) == keys
    assert eventually(lambda: not path.exists(), 60)
    assert agent.fetch(path, file_for(keys)) is None


def test_questions_do_not_lengthen_its_time(path: Path, keys: Keys) -> None:
    agent.start(path, keys, 1)
    end = time.monotonic() + 60
    while agent.fetch(path, file_for(keys)) is not None:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_new_agent_takes_the_place_of_the_old_one(path: Path, keys: Keys) -> None:
    other = keyring.new_keys()
    agent.start(path, keys, MINUTE)
    agent.start(path, other, MINUTE)
    assert agent.fetch(path, file_for(other)) == other
    assert agent.fetch(path, file_for(keys)) is None


def test_an_agent_whose_socket_was_taken_away_is_none_and_another_can_start(path: Path, keys: Keys) -> None:
    agent.start(path, keys, 3)
    path.unlink()
    assert agent.fetch(path, file_for(keys)) is None
    agent.start(path, keys, MINUTE)
    assert agent.fetch(path, file_for(keys)) == keys


def test_a_leftover_socket_is_no_agent_and_no_hindrance(path: Path, keys: Keys) -> None:
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    assert agent.fetch(path, file_for(keys)) is None
    assert not agent.stop(path)
    agent.start(path, keys, MINUTE)
    assert agent.fetch(path, file_for(keys)) == keys


def test_a_plain_file_in_its_place_is_no_agent(path: Path, keys: Keys) -> None:
    path.parent.mkdir(mode=0o700)
    path.write_bytes(b"keys")
    assert agent.fetch(path, file_for(keys)) is None
    assert not agent.stop(path)


@pytest.mark.parametrize("request_bytes", [b"", b"\n", b"nonsense\n", b"keys please\n", b"\xff" * 1000, b"KEYS\n"])
def test_an_odd_question_gets_no_answer_and_does_no_harm(path: Path, keys: Keys, request_bytes: bytes) -> None:
    agent.start(path, keys, MINUTE)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(10)
        client.connect(str(path))
        client.sendall(request_bytes)
        client.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):  # it need not read all of a long question
            assert client.recv(1000) == b""
    assert agent.fetch(path, file_for(keys)) == keys


def test_a_client_that_says_nothing_holds_nobody_up_for_long(path: Path, keys: Keys) -> None:
    agent.start(path, keys, MINUTE)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.connect(str(path))
        assert eventually(lambda: agent.fetch(path, file_for(keys)) == keys, 3 * agent.PATIENCE)


def test_an_agent_that_cannot_start_says_why(path: Path, keys: Keys) -> None:
    path.parent.write_bytes(b"a file where the folder should be")
    with pytest.raises(agent.AgentFailed, match="did not start"):
        agent.start(path, keys, MINUTE)
    with pytest.raises(agent.AgentFailed, match="too long"):
        agent.start(path.parent.with_name("f" * 120) / "socket", keys, MINUTE)


# -- whom it is believed ---------------------------------------------------------------------------------------------


def test_the_keys_of_another_vault_are_not_believed(path: Path, keys: Keys) -> None:
    agent.start(path, keyring.new_keys(), MINUTE)
    assert agent.fetch(path, file_for(keys)) is None


def test_keys_of_an_older_epoch_are_not_believed(path: Path, keys: Keys) -> None:
    agent.start(path, keys, MINUTE)
    assert agent.fetch(path, file_for(keyring.next_epoch(keys))) is None


def test_a_key_slipped_in_beside_the_right_one_is_not_taken(path: Path, keys: Keys) -> None:
    newer = keyring.next_epoch(keys)
    agent.start(path, Keys(newer.vault, {**newer.epochs, 1: bytes(32), 7: bytes(32)}), MINUTE)
    assert agent.fetch(path, file_for(newer)) == newer


@contextlib.contextmanager
def impostor(path: Path, answer: bytes) -> Iterator[None]:
    """Something else that listens at *path* and gives one *answer* to all."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen(4)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.recv(64)
                        connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    path.unlink()


ANSWERS = {
    "nothing": b"",
    "no JSON": b"keys",
    "a list": b"[]",
    "a number": b"7",
    "no epochs": b"{}",
    "a list of epochs": b'{"epochs":[]}',
    "null": b'{"epochs":null}',
    "no key": b'{"epochs":{"1":null}}',
    "no hex": b'{"epochs":{"1":"zz"}}',
    "no number": b'{"epochs":{"one":"00"}}',
    "a short key": b'{"epochs":{"1":"00"}}',
    "another key": codec.dumps({"epochs": {"1": "00" * 32}}),
    "deep": b"[" * 100_000,
    "not UTF-8": b"\xff\xfe",
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_impostor_is_not_believed(path: Path, keys: Keys, name: str) -> None:
    with impostor(path, ANSWERS[name]):
        assert agent.fetch(path, file_for(keys)) is None


@pytest.mark.parametrize("answer", [b"", b"soon", b"-5", b"1e9", b"\xff"])
def test_a_time_that_is_no_number_is_no_time(path: Path, answer: bytes) -> None:
    with impostor(path, answer):
        assert agent.seconds_left(path) is None


def test_somebody_elses_socket_is_not_asked(path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    agent.start(path, keys, MINUTE)
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        patch.setattr(agent, "_peer", lambda connection: None)  # a system that does not say who is there
        assert agent.fetch(path, file_for(keys)) is None
    assert agent.fetch(path, file_for(keys)) == keys


@peers_are_told
def test_another_user_behind_ones_own_socket_is_not_asked(
    path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent.start(path, keys, MINUTE)
    monkeypatch.setattr(agent, "_peer", lambda connection: os.geteuid() + 1)
    assert agent.fetch(path, file_for(keys)) is None
    monkeypatch.undo()


# -- what it leaves --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077], ids=oct)
def test_its_socket_is_private_whatever_the_umask(path: Path, keys: Keys, mask: int) -> None:
    before = os.umask(mask)
    try:
        agent.start(path, keys, MINUTE)
    finally:
        os.umask(before)
    assert oct(stat.S_IMODE(path.lstat().st_mode)) == "0o600"
    assert oct(stat.S_IMODE(path.parent.lstat().st_mode)) == "0o700"


@peers_are_told
@has_proc
def test_no_secret_is_in_its_command_line_environment_or_files(
    path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GHOSTIE_PASSPHRASE", "correct horse battery")
    monkeypatch.setenv("GHOSTIE_S3_SECRET_KEY", "the store's own secret")
    agent.start(path, keys, MINUTE)
    process = Path("/proc") / str(process_of(path))
    secrets = [keys.epochs[1], keys.epochs[1].hex().encode(), b"correct horse", b"the store's own", b"GHOSTIE_PASS"]
    command = (process / "cmdline").read_bytes()
    assert b"ghostie.crypto.agent" in command
    with contextlib.suppress(PermissionError):  # then nobody sees it at all
        command += (process / "environ").read_bytes()
    assert [secret for secret in secrets if secret in command] == []
    assert os.listdir(path.parent) == [path.name]


@peers_are_told
@has_proc
def test_it_leaves_no_core_and_stands_apart_from_its_terminal(path: Path, keys: Keys) -> None:
    agent.start(path, keys, MINUTE)
    pid = process_of(path)
    limits = Path(f"/proc/{pid}/limits").read_text()
    core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]
    assert os.getsid(pid) == pid
    with contextlib.suppress(PermissionError):
        assert os.readlink(f"/proc/{pid}/cwd") == "/"


@peers_are_told
def test_a_killed_agent_takes_the_keys_with_it(path: Path, keys: Keys) -> None:
    agent.start(path, keys, MINUTE)
    os.kill(process_of(path), signal.SIGKILL)
    assert eventually(lambda: agent.fetch(path, file_for(keys)) is None)
    agent.start(path, keys, MINUTE)
    assert agent.fetch(path, file_for(keys)) == keys


def test_it_runs_where_the_current_folder_holds_modules_of_the_same_name(
    path: Path, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json.py", "socket.py", "ghostie.py"):
        (tmp_path / name).write_text("raise SystemExit('a stranger ran')\n")
    monkeypatch.chdir(tmp_path)
    agent.start(path, keys, MINUTE)
    assert agent.fetch(path, file_for(keys)) == keys


def test_its_parent_may_end_at_once(path: Path, keys: Keys) -> None:
    script = """
import sys
from pathlib import Path
from ghostie.crypto import agent
from ghostie.crypto.keys import first_epoch

agent.start(Path(sys.argv[1]), first_epoch(bytes(32)), 60)
"""
    root = Path(agent.__file__).resolve().parents[2]
    # were the agent to hold on to the pipe of its parent's output, this would wait for it
    subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(path)],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        check=True,
        timeout=20,
    )
    keys = keyring.first_epoch(bytes(32))
    assert agent.fetch(path, file_for(keys)) == keys
