"""Completion: the scripts parse in their shells, and bash completes what a person begins to type."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ghostie.cli import completion

from .device import Device
from .story import COMMANDS

pytestmark = pytest.mark.versions

CHECKS = {"bash": ["bash", "-n"], "zsh": ["zsh", "-n"], "fish": ["fish", "--no-execute"]}


@pytest.mark.parametrize("shell", CHECKS)
def test_the_script_parses_in_its_shell(shell: str, laptop: Device) -> None:
    script = laptop.ok("completion", shell).out
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    path = laptop.scratch / "script"
    path.write_text(script)
    done = subprocess.run([*CHECKS[shell], str(path)], capture_output=True, text=True, env=laptop.environment())
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("shell", CHECKS)
def test_the_script_names_every_command_and_option(shell: str, laptop: Device) -> None:
    script = laptop.ok("completion", shell).out
    for name in COMMANDS:
        assert name.split()[-1] in script
    for words in completion.tree().values():
        for option, _ in words.options:
            assert option in script or f"-l {option[2:]}" in script


def completed(laptop: Device, *words: str) -> list[str]:
    """Return what bash offers after these words, the last of which is begun."""
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    script = laptop.scratch / "completion.bash"
    script.write_text(laptop.ok("completion", "bash").out)
    run = (
        'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        '_ghostie; if [ ${#COMPREPLY[@]} -gt 0 ]; then printf "%s\\n" "${COMPREPLY[@]}"; fi'
    )
    done = subprocess.run(
        ["bash", "--norc", "-euc", run, "bash", str(script), *words],
        capture_output=True,
        text=True,
        env=laptop.environment(),
        cwd=laptop.scratch,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return sorted(done.stdout.split())


def test_bash_completes_commands_actions_and_options(laptop: Device) -> None:
    assert completed(laptop, "ghostie", "sync", "st") == ["status"]
    assert completed(laptop, "ghostie", "sync", "p") == ["pull", "push"]
    assert completed(laptop, "ghostie", "--sync", "p") == ["pull", "push"]
    assert completed(laptop, "ghostie", "s") == ["search", "self", "show", "stats", "sync"]
    assert completed(laptop, "ghostie", "keys", "re") == ["recovery", "restore"]
    assert completed(laptop, "ghostie", "list", "--de") == ["--deleted", "--device"]
    assert completed(laptop, "ghostie", "--json", "list", "--de") == ["--deleted", "--device"]
    assert completed(laptop, "ghostie", "sync", "setup", "--st") == ["--store-passphrase-file", "--style"]
    assert completed(laptop, "ghostie", "completion", "") == sorted(
        ["bash", "fish", "zsh", *(option for option, _ in completion.tree()["completion"].options)]
    )
    assert set(completed(laptop, "ghostie", "")) >= {name.split()[0] for name in COMMANDS}


def test_bash_completes_files_where_no_word_fits(laptop: Device) -> None:
    Path(laptop.scratch / "notes.jsonl").touch()
    assert completed(laptop, "ghostie", "import", "not") == ["notes.jsonl"]
    assert completed(laptop, "ghostie", "--home", "not") == ["notes.jsonl"]


def test_zsh_completes_too(laptop: Device) -> None:
    """zsh has no completion outside of its line editor; so what the function would offer is asked of it."""
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    script = laptop.scratch / "completion.zsh"
    script.write_text(laptop.ok("completion", "zsh").out)
    run = (
        'compdef() {}; _files() { print -l FILES }; _describe() { local name=$2; print -l "${(@P)name}" }; '
        'source "$1"; shift; words=("$@"); CURRENT=$#; _ghostie'
    )
    for words, offered in (
        (("ghostie", "sync", "st"), {"status:show where this device stands", "push:send what the store does not have"}),
        (("ghostie", "--sync", "st"), {"status:show where this device stands"}),
        (("ghostie", "li"), {"list:list memories, newest first"}),
    ):
        done = subprocess.run(
            ["zsh", "-fc", run, "zsh", str(script), *words], capture_output=True, text=True, env=laptop.environment()
        )
        assert done.stderr == ""
        assert offered <= set(done.stdout.splitlines()), words


def test_fish_completes_too(laptop: Device) -> None:
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    script = laptop.scratch / "completion.fish"
    script.write_text(laptop.ok("completion", "fish").out)
    for line, offered in (
        ("ghostie sync st", {"status"}),
        ("ghostie s", {"search", "show", "stats", "sync"}),
        ("ghostie keys re", {"recovery", "restore"}),
        ("ghostie list --de", {"--deleted", "--device"}),
    ):
        done = subprocess.run(
            ["fish", "--no-config", "-c", f'source {script}; complete -C "{line}"'],
            capture_output=True,
            text=True,
            env=laptop.environment(),
        )
        assert done.returncode == 0, done.stderr
        assert {word.split("\t")[0] for word in done.stdout.splitlines()} == offered, line
