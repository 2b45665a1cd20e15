"""The command that prints completion scripts for bash, zsh and fish, made from the parser."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from ghostie.cli import parser
from ghostie.cli.output import Output


@dataclass(frozen=True, slots=True)
class Words:
    """What may follow a command: sub-commands or choices, and options, each with a word of help."""

    words: tuple[tuple[str, str], ...]
    options: tuple[tuple[str, str], ...]


def tree() -> dict[str, Words]:
    """Return what may follow each command, by its words; "" is the top."""
    found: dict[str, Words] = {}
    _walk(parser.build(), "", found)
    return found


def _walk(node: argparse.ArgumentParser, name: str, found: dict[str, Words]) -> None:
    words: list[tuple[str, str]] = []
    options: list[tuple[str, str]] = []
    for action in node._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for word, below in action.choices.items():
                words.append((word, helps.get(word, "")))
                _walk(below, f"{name} {word}".strip(), found)
        elif action.option_strings:
            options += [(option, action.help or "") for option in action.option_strings if option.startswith("--")]
        elif action.choices:
            words += [(str(choice), "") for choice in action.choices]
    found[name] = Words(tuple(words), tuple(options))


def completion(args: argparse.Namespace, out: Output) -> None:
    out.line(script(args.shell).removesuffix("\n"))


def script(shell: str) -> str:
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell]()


def _bash() -> str:
    cases = "\n".join(
        f'    "{name}") words="{" ".join([w for w, _ in at.words] + [o for o, _ in at.options])}" ;;'
        for name, at in sorted(tree().items())
    )
    known = " | ".join(f'"{name}"' for name in sorted(tree()) if name)
    return f"""# bash completion for ghostie: eval "$(ghostie completion bash)"
_ghostie() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" path="" word words="" index
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="${{COMP_WORDS[index]}}"
    case "$word" in --sync) word=sync ;; -*) continue ;; esac
    case "${{path:+$path }}$word" in {known}) path="${{path:+$path }}$word" ;; esac
  done
  case "$path" in
{cases}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  if [ ${{#COMPREPLY[@]}} -eq 0 ]; then mapfile -t COMPREPLY < <(compgen -f -- "$current"); fi
}}
complete -F _ghostie ghostie
"""


def _zsh() -> str:
    cases = "\n".join(
        f"    {_quoted(name)})\n      offered=({' '.join(_described(w, h) for w, h in (*at.words, *at.options))}) ;;"
        for name, at in sorted(tree().items())
    )
    known = " | ".join(_quoted(name) for name in sorted(tree()) if name)
    return f"""#compdef ghostie
# zsh completion for ghostie: eval "$(ghostie completion zsh)"
_ghostie() {{
  local place="" word index
  local -a offered
  for word in "${{(@)words[2,CURRENT-1]}}"; do
    case "$word" in --sync) word=sync ;; -*) continue ;; esac
    case "${{place:+$place }}$word" in {known}) place="${{place:+$place }}$word" ;; esac
  done
  case "$place" in
{cases}
  esac
  _describe 'ghostie' offered || _files
}}
compdef _ghostie ghostie
"""


def _described(word: str, help_: str) -> str:
    return _quoted(f"{word}:{help_}" if help_ else word)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _fish() -> str:
    lines = ["# fish completion for ghostie: ghostie completion fish | source", "complete -c ghostie -f"]
    everything = tree()
    for name, at in sorted(everything.items()):
        parts = name.split()
        if not parts:
            condition = "__fish_use_subcommand"
        elif any(other.startswith(f"{name} ") for other in everything):
            seconds = " ".join(word for word, _ in at.words)
            condition = f"__fish_seen_subcommand_from {parts[0]}; and not __fish_seen_subcommand_from {seconds}"
        else:
            condition = "; and ".join(f"__fish_seen_subcommand_from {part}" for part in parts)
        for word, help_ in at.words:
            lines.append(f"complete -c ghostie -n {_quoted(condition)} -a {_quoted(word)} -d {_quoted(help_)}")
        for option, help_ in at.options:
            if parts or option != "--help":
                place = _quoted(condition) if parts else _quoted("true")
                lines.append(f"complete -c ghostie -n {place} -l {option[2:]} -d {_quoted(help_)}")
        if parts and parts[0] in ("import", "export"):
            lines.append(f"complete -c ghostie -n {_quoted(condition)} -F")
    return "\n".join(dict.fromkeys(lines)) + "\n"
