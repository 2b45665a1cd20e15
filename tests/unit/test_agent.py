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

from ghostie import claims, codec, files
from ghostie.crypto import agent
from ghostie.crypto import keys as keyring
from ghostie.crypto.keys import FLOOR, KeyFile
from ghostie.crypto.sealing import Keys, Purpose, seal
from ghostie.errors import AgentFailed, AgentSilent, BadHome, StillUnlocked, VaultBusy
from ghostie.paths import Layout

pytestmark = pytest.mark.versions

MINUTE = 60
ROOT = Path(agent.__file__).resolve().parents[2]

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
def home(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Layout]:
    """The vault of this test's agent, which is ended afterwards."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_folder))
    layout = Layout(short_folder / "home")
    layout.home.mkdir(mode=0o700)
    yield layout
    agent.stop(layout)


@pytest.fixture
def path(home: Layout) -> Path:
    """Where this test's agent listens."""
    return home.agent_sockets()[0]


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


def test_an_agent_gives_back_the_keys_it_was_given(home: Layout, keys: Keys) -> None:
    keys = keyring.next_epoch(keyring.next_epoch(keys))
    agent.start(home, keys, MINUTE)
    for _ in range(3):
        assert agent.fetch(home, file_for(keys)) == keys


def test_an_agent_says_how_long_it_will_stay(home: Layout, keys: Keys) -> None:
    agent.start(home, keys, MINUTE)
    left = agent.seconds_left(home)
    assert left is not None
    assert MINUTE - 10 <= left <= MINUTE


def test_an_agent_stays_a_week_at_the_most(home: Layout, keys: Keys) -> None:
    agent.start(home, keys, 365 * 86_400)
    assert (agent.seconds_left(home) or 0) <= agent.LONGEST


def test_a_stopped_agent_is_gone_with_its_socket(home: Layout, path: Path, keys: Keys) -> None:
    agent.start(home, keys, MINUTE)
    assert agent.stop(home)
    assert eventually(lambda: not path.exists())
    assert agent.fetch(home, file_for(keys)) is None
    assert agent.seconds_left(home) is None
    assert not agent.stop(home)


def test_an_agent_whose_time_is_up_is_gone_with_its_socket(home: Layout, path: Path, keys: Keys) -> None:
    agent.start(home, keys, 1)
    assert agent.fetch(home, file_for(keys)) == keys
    assert eventually(lambda: not path.exists(), 60)
    assert agent.fetch(home, file_for(keys)) is None


def test_questions_do_not_lengthen_its_time(home: Layout, keys: Keys) -> None:
    agent.start(home, keys, 1)
    end = time.monotonic() + 60
    while agent.fetch(home, file_for(keys)) is not None:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_new_agent_takes_the_place_of_the_old_one(home: Layout, keys: Keys) -> None:
    other = keyring.new_keys()
    agent.start(home, keys, MINUTE)
    agent.start(home, other, MINUTE)
    assert agent.fetch(home, file_for(other)) == other
    assert agent.fetch(home, file_for(keys)) is None


def test_an_agent_whose_socket_was_taken_away_is_none_and_another_can_start(
    home: Layout, path: Path, keys: Keys
) -> None:
    agent.start(home, keys, 3)
    path.unlink()
    assert agent.fetch(home, file_for(keys)) is None
    agent.start(home, keys, MINUTE)
    assert agent.fetch(home, file_for(keys)) == keys


def test_a_leftover_socket_is_no_agent_and_no_hindrance(home: Layout, path: Path, keys: Keys) -> None:
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    assert agent.fetch(home, file_for(keys)) is None
    assert not agent.stop(home)
    agent.start(home, keys, MINUTE)
    assert agent.fetch(home, file_for(keys)) == keys


def test_a_plain_file_in_its_place_is_no_agent(home: Layout, path: Path, keys: Keys) -> None:
    path.parent.mkdir(mode=0o700)
    path.write_bytes(b"keys")
    assert agent.fetch(home, file_for(keys)) is None
    assert not agent.stop(home)


@pytest.mark.parametrize("request_bytes", [b"", b"\n", b"nonsense\n", b"keys please\n", b"\xff" * 1000, b"KEYS\n"])
def test_an_odd_question_gets_no_answer_and_does_no_harm(
    home: Layout, path: Path, keys: Keys, request_bytes: bytes
) -> None:
    agent.start(home, keys, MINUTE)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(10)
        client.connect(str(path))
        client.sendall(request_bytes)
        client.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):  # it need not read all of a long question
            assert client.recv(1000) == b""
    assert agent.fetch(home, file_for(keys)) == keys


def test_a_client_that_says_nothing_holds_nobody_up_for_long(home: Layout, path: Path, keys: Keys) -> None:
    agent.start(home, keys, MINUTE)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.connect(str(path))
        assert eventually(lambda: agent.fetch(home, file_for(keys)) == keys, 3 * agent.PATIENCE)


def test_an_agent_that_cannot_start_says_why(home: Layout, keys: Keys) -> None:
    home.agent.mkdir()
    with pytest.raises(AgentFailed, match=r"did not start: could not write .*agent: is a directory"):
        agent.start(home, keys, MINUTE)
    with pytest.raises(AgentFailed, match="no such file"):
        agent.start(Layout(home.home / "gone"), keys, MINUTE)


# -- how it is found -------------------------------------------------------------------------------------------------


def test_an_agent_is_found_by_its_vault_wherever_the_vault_is_named_from(
    home: Layout, keys: Keys, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent.start(home, keys, MINUTE)
    for name in ("XDG_RUNTIME_DIR", "TMPDIR", "HOME"):
        monkeypatch.delenv(name, raising=False)
    (short_folder / "link").symlink_to(home.home)
    monkeypatch.chdir(short_folder)
    for other in (home, Layout(short_folder / "link"), Layout(Path("home"))):
        assert agent.fetch(other, file_for(keys)) == keys
    home.home.rename(short_folder / "moved")
    assert agent.stop(Layout(short_folder / "moved"))


@pytest.mark.parametrize("taken", ["too long", "no folder", "a file in its place", "open to others", "none"])
def test_without_a_runtime_folder_that_will_do_the_socket_is_in_the_vault(
    home: Layout, keys: Keys, short_folder: Path, monkeypatch: pytest.MonkeyPatch, taken: str
) -> None:
    runtime = short_folder / ("r" * 120 if taken == "too long" else "run")
    if taken != "no folder":
        runtime.mkdir(mode=0o700)
    if taken == "a file in its place":
        (runtime / "ghostie").write_bytes(b"")
    if taken == "open to others":
        runtime.chmod(0o755)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "" if taken == "none" else str(runtime))
    agent.start(home, keys, MINUTE)
    assert agent.fetch(home, file_for(keys)) == keys
    found = agent.find(home)
    assert found is not None
    usual = Path(f"/run/user/{os.geteuid()}/ghostie/{home.name}.sock")
    assert found.socket in (home.home / "agent.sock", usual)
    assert oct(stat.S_IMODE(found.socket.lstat().st_mode)) == "0o600"
    assert agent.stop(home)
    assert not found.socket.exists()


def test_where_no_usual_place_takes_a_socket_a_private_folder_of_its_own_does(
    short_folder: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = Layout(short_folder / ("d" * 100) / "home")
    deep.home.mkdir(mode=0o700, parents=True)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep.home))
    monkeypatch.setenv("TMPDIR", str(short_folder))
    agent.start(deep, keys, MINUTE)
    found = agent.find(deep)
    assert found is not None
    assert oct(stat.S_IMODE(found.socket.parent.lstat().st_mode)) == "0o700"
    assert agent.fetch(deep, file_for(keys)) == keys
    assert agent.stop(deep)
    assert not found.socket.parent.exists()


@pytest.mark.slow
def test_an_agent_ends_by_itself_when_its_vault_is_taken_away(home: Layout, keys: Keys, short_folder: Path) -> None:
    agent.start(home, keys, MINUTE)
    found = agent.find(home)
    assert found is not None
    home.home.rename(short_folder / "moved")
    assert eventually(lambda: agent.find(Layout(short_folder / "moved")) is None, 3 * agent.LOOK_EVERY)
    assert not found.socket.exists()


# -- how it is ended -------------------------------------------------------------------------------------------------


def waiting(path: Path) -> list[socket.socket]:
    """Return connections that fill the queue of the socket *path*."""
    clients = []
    with contextlib.suppress(BlockingIOError):
        while True:
            client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            clients.append(client)
            client.setblocking(False)
            client.connect(str(path))
    return clients


def test_an_agent_that_is_stopped_and_has_a_full_queue_is_ended(
    home: Layout, path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent.start(home, keys, MINUTE)
    found = agent.find(home)
    assert found is not None
    monkeypatch.setattr(agent, "PATIENCE", 0.3)
    os.kill(found.pid, signal.SIGSTOP)
    clients = waiting(path)
    assert len(clients) > agent.MOST_CLIENTS
    with pytest.raises(AgentSilent, match=str(found.pid)):
        agent.seconds_left(home)
    assert agent.fetch(home, file_for(keys)) is None
    assert agent.stop(home)
    assert agent.find(home) is None
    assert not path.exists()
    for client in clients:
        client.close()


def test_many_silent_clients_hold_nobody_up(home: Layout, path: Path, keys: Keys) -> None:
    agent.start(home, keys, MINUTE)
    clients = []
    for _ in range(3 * agent.MOST_CLIENTS):
        clients.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        clients[-1].connect(str(path))
    assert agent.fetch(home, file_for(keys)) == keys
    assert agent.stop(home)
    for client in clients:
        client.close()


def test_an_agent_without_its_socket_is_ended(home: Layout, path: Path, keys: Keys) -> None:
    agent.start(home, keys, MINUTE)
    path.unlink()
    assert agent.find(home) is not None
    assert agent.stop(home)
    assert agent.find(home) is None


def test_an_agent_that_lost_its_file_is_ended_at_its_usual_place(home: Layout, path: Path, keys: Keys) -> None:
    agent.start(home, keys, MINUTE)
    home.agent.unlink()
    assert agent.find(home) is None
    assert agent.stop(home)
    assert eventually(lambda: not path.exists())


def test_a_process_that_only_holds_the_file_is_not_ended_for_an_agent(
    home: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "PATIENCE", 0.1)
    for said in ("", "1\n", f"{os.getpid()}\nhere\n/none\n", "no number\n"):
        with holding(home, said) as other:
            with pytest.raises(StillUnlocked, match="may still be unlocked"):
                agent.stop(home)
            os.kill(other, 0)


def test_a_number_that_is_left_in_the_file_is_nobodys(home: Layout) -> None:
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    home.agent.write_text(f"{sleeper.pid}\nhere\n/none\n")
    assert agent.find(home) is None
    assert not agent.stop(home)
    assert sleeper.poll() is None
    sleeper.kill()
    sleeper.wait()


def test_where_an_agent_cannot_be_ended_that_is_said(home: Layout, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    agent.start(home, keys, MINUTE)
    found = agent.find(home)
    assert found is not None
    os.kill(found.pid, signal.SIGSTOP)
    with monkeypatch.context() as patch:
        patch.setattr(agent, "PATIENCE", 0.1)
        # as where the file is on a disk that machines share, or the agent in a container: the kernel gives no number
        real = claims.claimant
        patch.setattr(claims, "claimant", lambda path: None if (told := real(path)) is None else (0, told[1]))
        with pytest.raises(StillUnlocked, match=f"on {socket.gethostname()}"):
            agent.stop(home)
    os.kill(found.pid, signal.SIGCONT)
    assert agent.stop(home)


def test_a_file_is_held_by_one_process_and_its_end_lets_it_go(home: Layout) -> None:
    with holding(home, "{pid} says this") as other:
        with pytest.raises(VaultBusy):
            files.claim(home.agent)
        assert claims.claimant(home.agent) == (other, b"%d says this" % other)
    assert claims.claimant(home.agent) is None


# -- whom it is believed ---------------------------------------------------------------------------------------------


def test_the_keys_of_another_vault_are_not_believed(home: Layout, keys: Keys) -> None:
    agent.start(home, keyring.new_keys(), MINUTE)
    assert agent.fetch(home, file_for(keys)) is None


def test_keys_of_an_older_epoch_are_not_believed(home: Layout, keys: Keys) -> None:
    agent.start(home, keys, MINUTE)
    assert agent.fetch(home, file_for(keyring.next_epoch(keys))) is None


def test_a_key_slipped_in_beside_the_right_one_is_not_taken(home: Layout, keys: Keys) -> None:
    newer = keyring.next_epoch(keys)
    agent.start(home, Keys(newer.vault, {**newer.epochs, 1: bytes(32), 7: bytes(32)}), MINUTE)
    assert agent.fetch(home, file_for(newer)) == newer


HOLDING = """
import sys
from pathlib import Path
from ghostie import files

claim = files.claim(Path(sys.argv[1]))
claim.write(sys.argv[2].format(pid=__import__("os").getpid()).encode())
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def holding(home: Layout, said: str) -> Iterator[int]:
    """Another process that holds the agent's file, which says *said* (`{pid}`: its own number)."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(home.agent), said],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"held\n"
    try:
        yield child.pid
    finally:
        child.communicate(timeout=20)


@contextlib.contextmanager
def impostor(home: Layout, path: Path, answer: bytes) -> Iterator[None]:
    """Something else that holds the agent's file, listens at *path* and gives one *answer* to all."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with holding(home, f"{{pid}}\nhere\n{path}\n"), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
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
def test_an_impostor_is_not_believed(home: Layout, path: Path, keys: Keys, name: str) -> None:
    with impostor(home, path, ANSWERS[name]):
        assert agent.fetch(home, file_for(keys)) is None


def test_an_answer_that_is_right_is_believed_whoever_gives_it(home: Layout, path: Path, keys: Keys) -> None:
    with impostor(home, path, codec.dumps({"epochs": {"1": keys.epochs[1].hex()}})):
        assert agent.fetch(home, file_for(keys)) == keys


@pytest.mark.parametrize("answer", [b"", b"soon", b"-5", b"1e9", b"\xff"])
def test_a_time_that_is_no_number_is_no_time(home: Layout, path: Path, answer: bytes) -> None:
    with impostor(home, path, answer), pytest.raises(AgentSilent, match="process"):
        agent.seconds_left(home)


def test_somebody_elses_socket_is_not_asked(
    home: Layout, path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent.start(home, keys, MINUTE)
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        patch.setattr(agent, "_peer", lambda connection: None)  # a system that does not say who is there
        assert agent._ask(path, b"keys") is None
        with pytest.raises(BadHome, match="somebody else"):
            agent.fetch(home, file_for(keys))
        with pytest.raises(BadHome, match="somebody else"):
            agent.stop(home)
    assert agent.fetch(home, file_for(keys)) == keys


@peers_are_told
def test_another_user_behind_ones_own_socket_is_not_asked(
    home: Layout, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent.start(home, keys, MINUTE)
    monkeypatch.setattr(agent, "_peer", lambda connection: os.geteuid() + 1)
    assert agent.fetch(home, file_for(keys)) is None
    monkeypatch.undo()


@peers_are_told
@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can become somebody else")
def test_another_user_who_reaches_the_socket_gets_nothing_from_it(home: Layout, path: Path, keys: Keys) -> None:
    agent.start(home, keys, MINUTE)
    path.parent.chmod(0o711)
    path.chmod(0o666)
    asking = """
import os, socket, sys
os.chdir(os.path.dirname(sys.argv[1]))
os.setgid(65534); os.setuid(65534)
for word in (b"keys\\n", b"left\\n", b"lock\\n"):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(os.path.basename(sys.argv[1]))
        try:
            client.sendall(word)
            print(len(client.recv(100)))
        except ConnectionResetError:
            print(0)
"""
    done = subprocess.run([sys.executable, "-c", asking, str(path)], capture_output=True, check=True, timeout=20)
    assert done.stdout == b"0\n0\n0\n"
    assert agent.fetch(home, file_for(keys)) == keys


@peers_are_told
def test_an_agent_looks_who_asks(home: Layout, path: Path, keys: Keys) -> None:
    script = "import os; from ghostie.crypto import agent; agent._peer = lambda _: os.geteuid() + 1; agent._main()"
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(home.home), "60"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(agent._spelt(keys))
        child.stdin.close()
        assert child.stdout.readline() == b"ready\n"
        try:
            for word in (b"keys", b"left", b"lock"):
                assert not agent._ask(path, word)
            assert child.poll() is None
        finally:
            child.kill()


# -- what it leaves --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077], ids=oct)
def test_its_socket_is_private_whatever_the_umask(home: Layout, path: Path, keys: Keys, mask: int) -> None:
    before = os.umask(mask)
    try:
        agent.start(home, keys, MINUTE)
    finally:
        os.umask(before)
    assert oct(stat.S_IMODE(path.lstat().st_mode)) == "0o600"
    assert oct(stat.S_IMODE(path.parent.lstat().st_mode)) == "0o700"


@peers_are_told
@has_proc
def test_no_secret_is_in_its_command_line_environment_or_files(
    home: Layout, path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GHOSTIE_PASSPHRASE", "correct horse battery")
    monkeypatch.setenv("GHOSTIE_S3_SECRET_KEY", "the store's own secret")
    agent.start(home, keys, MINUTE)
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
def test_it_leaves_no_core_and_stands_apart_from_its_terminal(home: Layout, path: Path, keys: Keys) -> None:
    agent.start(home, keys, MINUTE)
    pid = process_of(path)
    limits = Path(f"/proc/{pid}/limits").read_text()
    core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]
    assert os.getsid(pid) == pid
    with contextlib.suppress(PermissionError):
        assert os.readlink(f"/proc/{pid}/cwd") == "/"


@peers_are_told
def test_a_killed_agent_takes_the_keys_with_it(home: Layout, path: Path, keys: Keys) -> None:
    agent.start(home, keys, MINUTE)
    os.kill(process_of(path), signal.SIGKILL)
    assert eventually(lambda: agent.fetch(home, file_for(keys)) is None)
    agent.start(home, keys, MINUTE)
    assert agent.fetch(home, file_for(keys)) == keys


def test_it_runs_where_the_current_folder_holds_modules_of_the_same_name(
    home: Layout, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json.py", "socket.py", "ghostie.py"):
        (tmp_path / name).write_text("raise SystemExit('a stranger ran')\n")
    monkeypatch.chdir(tmp_path)
    agent.start(home, keys, MINUTE)
    assert agent.fetch(home, file_for(keys)) == keys


def test_its_parent_may_end_at_once(home: Layout, path: Path, keys: Keys) -> None:
    script = """
import sys
from pathlib import Path
from ghostie.crypto import agent
from ghostie.crypto.keys import first_epoch
from ghostie.paths import Layout

agent.start(Layout(Path(sys.argv[1])), first_epoch(bytes(32)), 60)
"""
    # were the agent to hold on to the pipe of its parent's output, this would wait for it
    subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(home.home)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
        timeout=20,
    )
    keys = keyring.first_epoch(bytes(32))
    assert agent.fetch(home, file_for(keys)) == keys
