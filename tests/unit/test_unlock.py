"""Where the key comes from: a fixed order of sources, each of which leaves nothing behind."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ghostie import files
from ghostie.crypto import agent, sodium, unlock
from ghostie.crypto import keys as keyring
from ghostie.crypto.keys import Secret
from ghostie.crypto.sealing import Keys
from ghostie.crypto.unlock import Sources
from ghostie.errors import (
    NewerFormat,
    NoNewPassphrase,
    NoPassphrase,
    NoVault,
    PassphraseSource,
    RefusedKeyFile,
    WeakPassphrase,
    WrongKey,
)
from ghostie.paths import Layout
from tests.tiers import ROOT

pytestmark = pytest.mark.versions

PASSPHRASE = "correct horse battery"


def says(text: str) -> str:
    """Return a command, for GHOSTIE_PASSPHRASE_COMMAND, that prints *text*."""
    return shlex.join([sys.executable, "-c", f"import sys; sys.stdout.write({text!r})"])


def runs(script: str, *arguments: str) -> str:
    return shlex.join([sys.executable, "-c", script, *arguments])


def never(_: str) -> str:
    pytest.fail("a person was asked")


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_text("from the file\n")
    return path


@pytest.fixture
def cheap_kdf(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Key derivations that cost nothing, and the passphrases that they were asked for."""
    asked: list[bytes] = []

    def argon2id(passphrase: bytes, salt: bytes, memory: int, passes: int) -> bytes:
        asked.append(passphrase)
        return (passphrase + salt).ljust(64, b"\0")[:32]

    monkeypatch.setattr(sodium, "argon2id", argon2id)
    return asked


@pytest.fixture
def locked_vault(layout: Layout, keys: Keys, cheap_kdf: list[bytes]) -> Layout:
    """A home with a key file under PASSPHRASE."""
    files.write_durably(layout.master_key, keyring.wrap(keys, PASSPHRASE, keyring.FLOOR).spelt())
    cheap_kdf.clear()
    return layout


# -- the order -------------------------------------------------------------------------------------------------------


def test_the_sources_are_asked_in_their_order(secret_file: Path) -> None:
    environ = {"GHOSTIE_PASSPHRASE_COMMAND": says("from the command"), "GHOSTIE_PASSPHRASE": "from the environment"}
    sources = Sources(file=secret_file, ask=lambda _: "from the prompt", environ=environ)
    assert sources.passphrase() == "from the command"
    del environ["GHOSTIE_PASSPHRASE_COMMAND"]
    assert sources.passphrase() == "from the file"
    sources.file = None
    assert sources.passphrase() == "from the environment"
    assert Sources(ask=lambda _: "from the prompt", environ={}).passphrase() == "from the prompt"


def test_a_source_that_fails_is_not_passed_over(secret_file: Path) -> None:
    environ = {"GHOSTIE_PASSPHRASE_COMMAND": runs("raise SystemExit(3)"), "GHOSTIE_PASSPHRASE": "from the environment"}
    with pytest.raises(PassphraseSource, match="exit code 3"):
        Sources(file=secret_file, ask=never, environ=environ).passphrase()


def test_nobody_is_asked_where_another_source_has_it(secret_file: Path) -> None:
    assert Sources(file=secret_file, ask=never, environ={}).passphrase() == "from the file"
    assert Sources(ask=never, environ={"GHOSTIE_PASSPHRASE": "x" * 9}).passphrase() == "x" * 9


def test_where_nobody_can_be_asked_there_is_no_passphrase() -> None:
    with pytest.raises(NoPassphrase):
        Sources(environ={}).passphrase()
    with pytest.raises(NoPassphrase):
        Sources(environ={}).new_passphrase()
    with pytest.raises(NoPassphrase):
        Sources(environ={}).first_passphrase()


def test_an_empty_variable_is_none() -> None:
    with pytest.raises(NoPassphrase):
        Sources(environ={"GHOSTIE_PASSPHRASE": "", "GHOSTIE_PASSPHRASE_COMMAND": ""}).passphrase()


def test_the_prompt_is_the_one_that_was_given() -> None:
    assert Sources(ask=lambda prompt: prompt[::-1], environ={}).passphrase("of the store: ") == " :erots eht fo"


# -- the environment -------------------------------------------------------------------------------------------------


def test_passphrases_are_taken_out_of_the_environment() -> None:
    environ = {
        "GHOSTIE_PASSPHRASE": PASSPHRASE,
        "GHOSTIE_NEW_PASSPHRASE": "another one",
        "GHOSTIE_STORE_PASSPHRASE": "a third",
        "GHOSTIE_HOME": "/home",
        "PATH": "/bin",
    }
    sources = Sources(environ=environ)
    assert environ == {"GHOSTIE_HOME": "/home", "PATH": "/bin"}
    assert (sources.passphrase(), sources.new_passphrase()) == (PASSPHRASE, "another one")
    assert sources.store_passphrase() == "a third"


def test_the_processs_own_environment_is_the_one_that_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GHOSTIE_PASSPHRASE", PASSPHRASE)
    sources = Sources()
    assert "GHOSTIE_PASSPHRASE" not in os.environ
    child = subprocess.run([sys.executable, "-c", "import os; print(sorted(os.environ))"], stdout=subprocess.PIPE)
    assert b"GHOSTIE_PASSPHRASE" not in child.stdout
    assert sources.passphrase() == PASSPHRASE


def test_no_passphrase_shows_in_the_sources_own_spelling(secret_file: Path) -> None:
    environ = {
        name: PASSPHRASE for name in ("GHOSTIE_PASSPHRASE", "GHOSTIE_NEW_PASSPHRASE", "GHOSTIE_STORE_PASSPHRASE")
    }
    sources = Sources(file=secret_file, environ=environ)
    assert PASSPHRASE not in repr(sources)


# -- a command -------------------------------------------------------------------------------------------------------


def test_the_command_runs_without_a_shell(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    script = "import json, sys; print(json.dumps(sys.argv[1:]))"
    hostile = [
        ";",
        f"touch {trap}",
        f"$(touch {trap})",
        f"`touch {trap}`",
        "|",
        "*",
        "~",
        "$HOME",
        "&&",
        ">",
        str(trap),
    ]
    given = Sources(environ={"GHOSTIE_PASSPHRASE_COMMAND": runs(script, *hostile)}).passphrase()
    assert json.loads(given) == hostile
    assert not trap.exists()


@pytest.mark.parametrize("command", ["exit 0", "echo; true", "cd / && pwd", "pass show x | head -1"])
def test_shell_syntax_is_nothing_special(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[object] = []

    begin = subprocess.Popen

    def run(argv: object, **named: Any) -> subprocess.Popen[bytes]:
        assert not named.get("shell")
        ran.append(argv)
        return begin(["echo", "given"], **named)

    monkeypatch.setattr(subprocess, "Popen", run)
    assert Sources(environ={"GHOSTIE_PASSPHRASE_COMMAND": command}).passphrase() == "given"
    assert ran == [shlex.split(command)]


def test_a_command_that_goes_on_for_ever_is_cut_short() -> None:
    sources = Sources(environ={**os.environ, "GHOSTIE_PASSPHRASE_COMMAND": runs("while True: print('x' * 1000)")})
    with pytest.raises(PassphraseSource, match="more than 64 KiB"):
        sources.passphrase()


def test_the_command_sees_none_of_ghosties_variables() -> None:
    environ = {
        **os.environ,
        "GHOSTIE_PASSPHRASE_COMMAND": runs("import os; print(' '.join(sorted(os.environ)))"),
        "GHOSTIE_PASSPHRASE": PASSPHRASE,
        "GHOSTIE_S3_SECRET_KEY": "secret",
        "GHOSTIE_GIST_TOKEN": "secret",
        "GHOSTIE_HOME": "/home",
        "KEPT": "yes",
    }
    names = Sources(environ=environ).passphrase().split()
    assert "KEPT" in names
    assert not [name for name in names if name.startswith("GHOSTIE_")]


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (runs("raise SystemExit(1)"), "exit code 1"),
        (runs("print('half'); raise SystemExit(2)"), "exit code 2"),
        (runs("import os; os.kill(os.getpid(), 9)"), "exit code -9"),
        (runs("pass"), "empty"),
        (runs("print()"), "empty"),
        (runs("import sys; sys.stdout.buffer.write(b'\\xff\\xfe')"), "UTF-8"),
        ("/no/such/program", "FileNotFoundError"),
        ("   ", "IndexError"),
        ("'unclosed", "ValueError"),
        ("nul\0byte", "ValueError"),
        ("/", "PermissionError"),
    ],
)
def test_a_command_that_fails_says_how_and_shows_nothing(command: str, why: str) -> None:
    with pytest.raises(PassphraseSource, match=why) as refused:
        Sources(environ={"GHOSTIE_PASSPHRASE_COMMAND": command}).passphrase()
    assert "half" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_command_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unlock, "COMMAND_PATIENCE", 0.2)
    with pytest.raises(PassphraseSource, match="TimeoutExpired"):
        Sources(environ={"GHOSTIE_PASSPHRASE_COMMAND": runs("import time; time.sleep(60)")}).passphrase()


@pytest.mark.parametrize(
    ("printed", "taken"),
    [
        ("one\n", "one"),
        ("one", "one"),
        ("one\r\n", "one"),
        ("one\nlogin: me\n", "one"),
        (" with spaces \n", " with spaces "),
        ("stäple\n", "stäple"),
        ("a\tb\n", "a\tb"),
    ],
)
def test_the_first_line_is_the_passphrase(tmp_path: Path, printed: str, taken: str) -> None:
    path = tmp_path / "passphrase"
    path.write_bytes(printed.encode())
    assert Sources(file=path, environ={}).passphrase() == taken
    command = runs("import sys; sys.stdout.buffer.write(open(sys.argv[1], 'rb').read())", str(path))
    assert Sources(environ={"GHOSTIE_PASSPHRASE_COMMAND": command}).passphrase() == taken


# -- a file ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "why"), [(None, "cannot be read"), (b"", "empty"), (b"\nsecond", "empty"), (b"\xff", "UTF-8")]
)
def test_a_file_that_has_none_says_so(tmp_path: Path, content: bytes | None, why: str) -> None:
    path = tmp_path / "passphrase"
    if content is not None:
        path.write_bytes(content)
    attempts: list[Callable[[], str]] = [
        lambda: Sources(file=path, environ={}).passphrase(),
        lambda: Sources(store_file=path, environ={}).store_passphrase(),
        lambda: Sources(environ={}).new_passphrase(path),
    ]
    for attempt in attempts:
        with pytest.raises(PassphraseSource, match=why) as refused:
            attempt()
        assert str(path) in str(refused.value)


def test_a_file_may_be_a_pipe_or_behind_a_link(tmp_path: Path, secret_file: Path) -> None:
    (tmp_path / "link").symlink_to(secret_file)
    assert Sources(file=tmp_path / "link", environ={}).passphrase() == "from the file"
    reading, writing = os.pipe()
    os.write(writing, b"from a pipe\n")
    os.close(writing)
    try:
        assert Sources(file=Path(f"/dev/fd/{reading}"), environ={}).passphrase() == "from a pipe"
    finally:
        os.close(reading)


# -- a new one -------------------------------------------------------------------------------------------------------


def answers(*given: str) -> Callable[[str], str]:
    left: Iterator[str] = iter(given)
    return lambda _: next(left)


def test_a_new_passphrase_is_asked_for_twice() -> None:
    assert Sources(ask=answers(PASSPHRASE, PASSPHRASE), environ={}).new_passphrase() == PASSPHRASE
    with pytest.raises(PassphraseSource, match="not the same"):
        Sources(ask=answers(PASSPHRASE, PASSPHRASE + "x"), environ={}).new_passphrase()


def test_a_person_has_three_tries_and_hears_how_many_are_left() -> None:
    asked = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return f"answer {len(asked)}"

    def opens(passphrase: str) -> str:
        if passphrase != "answer 3":
            raise WrongKey()
        return "open"

    sources = Sources(ask=ask, environ={}, tries=unlock.TRIES)
    assert sources.open_own(opens) == "open"
    assert sources.passphrase() == "answer 3", "what opened is not asked for again"
    refused = "the passphrase does not open this vault"
    assert asked == ["passphrase: ", *(f"{refused}: {left} left\npassphrase: " for left in ("2 tries", "1 try"))]
    with pytest.raises(WrongKey):
        Sources(ask=answers("a", "b", "c"), environ={}, tries=unlock.TRIES).open_own(opens)


@pytest.mark.parametrize("source", ["file", "environment", "command"])
def test_what_no_person_typed_is_taken_once(source: str, secret_file: Path) -> None:
    environ = {
        "environment": {"GHOSTIE_PASSPHRASE": "wrong"},
        "command": {"GHOSTIE_PASSPHRASE_COMMAND": f"cat {secret_file}"},
    }.get(source, {})
    sources = Sources(file=secret_file if source == "file" else None, ask=never, environ=environ, tries=unlock.TRIES)
    tried = []

    def refuses(secret: Secret) -> None:
        tried.append(secret)
        raise WrongKey()

    for opens in (sources.open_own, sources.open_store, sources.open_with_store_passphrase):
        with pytest.raises(WrongKey):
            opens(refuses)
    assert len(tried) == 3


def test_nothing_at_the_prompt_of_the_store_asks_for_the_words() -> None:
    sources = Sources(ask=answers(""), ask_words=lambda: bytes(32), environ={})
    assert sources.open_store(lambda secret: secret) == bytes(32)
    assert sources.store_secret() == bytes(32), "they are asked for once"
    sources = Sources(ask=answers(""), ask_words=lambda: pytest.fail("words are of no use here"), environ={})
    assert sources.open_with_store_passphrase(str.upper) == ""


def test_a_passphrase_follows_the_words_from_where_it_may_be_set(secret_file: Path) -> None:
    words = bytes(32)
    assert Sources(environ={}).passphrase_after("typed", fresh=False) == "typed"
    both = {"GHOSTIE_PASSPHRASE": PASSPHRASE, "GHOSTIE_NEW_PASSPHRASE": "a new one to set"}
    assert Sources(environ=dict(both)).passphrase_after(words, fresh=True) == "a new one to set"
    assert Sources(new_file=secret_file, environ=dict(both)).passphrase_after(words, fresh=True) == "from the file"
    assert Sources(environ={"GHOSTIE_PASSPHRASE": PASSPHRASE}).passphrase_after(words, fresh=True) == PASSPHRASE
    with pytest.raises(NoNewPassphrase):  # that of the vault that is here is not asked to open another
        Sources(environ={"GHOSTIE_PASSPHRASE": PASSPHRASE}).passphrase_after(words, fresh=False)


def test_a_short_new_passphrase_is_refused_before_it_is_asked_for_again(tmp_path: Path) -> None:
    with pytest.raises(WeakPassphrase):
        Sources(ask=answers("short"), environ={}).new_passphrase()
    with pytest.raises(WeakPassphrase):
        Sources(environ={"GHOSTIE_NEW_PASSPHRASE": "short"}).new_passphrase()
    (tmp_path / "file").write_text("short\n")
    with pytest.raises(WeakPassphrase):
        Sources(environ={}).new_passphrase(tmp_path / "file")


def test_the_first_passphrase_comes_from_any_source_and_is_checked(secret_file: Path) -> None:
    assert Sources(file=secret_file, environ={}).first_passphrase() == "from the file"
    assert Sources(environ={"GHOSTIE_PASSPHRASE": PASSPHRASE}).first_passphrase() == PASSPHRASE
    assert Sources(ask=answers(PASSPHRASE, PASSPHRASE), environ={}).first_passphrase() == PASSPHRASE
    with pytest.raises(WeakPassphrase):
        Sources(environ={"GHOSTIE_PASSPHRASE": "short"}).first_passphrase()


def test_the_stores_passphrase_is_this_vaults_unless_another_is_given(secret_file: Path) -> None:
    assert Sources(store_file=secret_file, ask=never, environ={}).store_passphrase() == "from the file"
    assert Sources(environ={"GHOSTIE_PASSPHRASE": PASSPHRASE}).store_passphrase() == PASSPHRASE


# -- opening a vault -------------------------------------------------------------------------------------------------


def test_a_home_without_a_key_file_holds_no_vault(layout: Layout) -> None:
    with pytest.raises(NoVault):
        unlock.unlock(layout, Sources(environ={}))


def test_a_bad_key_file_is_refused_before_anybody_is_asked(locked_vault: Layout, cheap_kdf: list[bytes]) -> None:
    good = locked_vault.master_key.read_bytes()
    for raw, error in (
        (b"", RefusedKeyFile),
        (good[:-1], RefusedKeyFile),
        (good.replace(b'"passes":3', b'"passes":1'), RefusedKeyFile),
        (good.replace(b"ghostie-key-1", b"ghostie-key-2"), NewerFormat),
    ):
        locked_vault.master_key.write_bytes(raw)
        with pytest.raises(error):
            unlock.unlock(locked_vault, Sources(ask=never, environ={}))
    assert cheap_kdf == []


def test_the_right_passphrase_opens_and_a_wrong_one_does_not(locked_vault: Layout, keys: Keys) -> None:
    assert unlock.unlock(locked_vault, Sources(environ={"GHOSTIE_PASSPHRASE": PASSPHRASE})) == keys
    with pytest.raises(WrongKey):
        unlock.unlock(locked_vault, Sources(environ={"GHOSTIE_PASSPHRASE": PASSPHRASE + "x"}))


@pytest.fixture
def running_agent(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch, locked_vault: Layout, keys: Keys
) -> Iterator[Layout]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_folder))
    agent.start(locked_vault, keys, 60)
    yield locked_vault
    agent.stop(locked_vault)


def test_a_running_agent_comes_first_and_nobody_is_asked(
    running_agent: Layout, keys: Keys, cheap_kdf: list[bytes]
) -> None:
    sources = Sources(ask=never, environ={"GHOSTIE_PASSPHRASE_COMMAND": "/no/such/program"})
    assert unlock.unlock(running_agent, sources) == keys
    assert cheap_kdf == []


def test_an_agent_that_holds_an_older_vaults_keys_is_passed_over(running_agent: Layout) -> None:
    other = keyring.new_keys()
    files.write_durably(running_agent.master_key, keyring.wrap(other, PASSPHRASE, keyring.FLOOR).spelt())
    assert unlock.unlock(running_agent, Sources(environ={"GHOSTIE_PASSPHRASE": PASSPHRASE})) == other


# -- the desktop keyring ---------------------------------------------------------------------------------------------


class _NoKeyring(Exception):
    pass


@pytest.fixture
def desktop(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], str]:
    """A desktop session with a keyring; return what is kept in it."""
    kept: dict[tuple[str, str], str] = {}

    def get_password(service: str, name: str) -> str | None:
        if ("broken", "") in kept:
            raise _NoKeyring
        return kept.get((service, name))

    def set_password(service: str, name: str, secret: str) -> None:
        if ("broken", "") in kept:
            raise _NoKeyring
        kept[service, name] = secret

    module, errors = types.ModuleType("keyring"), types.ModuleType("keyring.errors")
    for name, value in (("get_password", get_password), ("set_password", set_password), ("errors", errors)):
        setattr(module, name, value)
    vars(errors)["KeyringError"] = _NoKeyring
    monkeypatch.setitem(sys.modules, "keyring", module)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
    return kept


def test_the_keyring_comes_before_every_other_passphrase(
    locked_vault: Layout, keys: Keys, desktop: dict[tuple[str, str], str]
) -> None:
    assert unlock.remember_in_keyring(unlock.read_key_file(locked_vault), PASSPHRASE)
    assert desktop == {("ghostie", keys.vault.hex()): PASSPHRASE}
    sources = Sources(ask=never, environ={"GHOSTIE_PASSPHRASE_COMMAND": "/no/such/program"})
    assert unlock.unlock(locked_vault, sources) == keys


def test_a_stale_keyring_entry_is_passed_over(
    locked_vault: Layout, keys: Keys, desktop: dict[tuple[str, str], str]
) -> None:
    desktop["ghostie", keys.vault.hex()] = "as it was before"
    assert unlock.unlock(locked_vault, Sources(environ={"GHOSTIE_PASSPHRASE": PASSPHRASE})) == keys


def test_a_keyring_that_fails_or_has_nothing_is_passed_over(
    locked_vault: Layout, keys: Keys, desktop: dict[tuple[str, str], str]
) -> None:
    assert unlock.unlock(locked_vault, Sources(environ={"GHOSTIE_PASSPHRASE": PASSPHRASE})) == keys
    desktop["broken", ""] = ""
    assert unlock.unlock(locked_vault, Sources(environ={"GHOSTIE_PASSPHRASE": PASSPHRASE})) == keys
    assert not unlock.remember_in_keyring(unlock.read_key_file(locked_vault), PASSPHRASE)


def test_without_a_desktop_session_the_keyring_is_not_even_loaded() -> None:
    script = """
import sys
from ghostie.crypto.unlock import Sources
Sources(environ={"GHOSTIE_PASSPHRASE": "x"}).passphrase(keyring_name="00")
print("keyring" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, check=True
    )
    assert done.stdout.strip() == b"False"
