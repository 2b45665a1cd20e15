"""Rules that a reader of one file cannot see broken: who writes, who prints, what crypto must not do."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import ghostie

PACKAGE = Path(ghostie.__file__).parent
SOURCES = {str(path.relative_to(PACKAGE)): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}

Finder = Callable[[ast.AST], Iterator[str]]


def name_of(node: ast.AST) -> str:
    """Return the dotted name that *node* spells, as far as it does: `os.open`, `path.write_text`, `open`."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    if isinstance(node, ast.Call | ast.Subscript):
        return name_of(node.func if isinstance(node, ast.Call) else node.value)
    return ""


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield name_of(node.func), node


def argument(call: ast.Call, place: int, name: str) -> ast.expr | None:
    """Return the argument of *call* at *place* or under *name*, if it is there."""
    if len(call.args) > place:
        return call.args[place]
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def reads_only(mode: ast.expr | None) -> bool:
    return mode is None or (
        isinstance(mode, ast.Constant) and isinstance(mode.value, str) and not set(mode.value) & set("wax+")
    )


# -- the rules -------------------------------------------------------------------------------------------------------

WRITERS = (".write_text", ".write_bytes", ".touch", ".symlink_to", ".hardlink_to", "os.mkfifo", "os.link", "os.symlink")
MOVERS = ("os.rename", "os.replace", "os.truncate", "os.ftruncate", "os.fdopen", "shutil.move")
COPIERS = ("shutil.copy", "shutil.copy2", "shutil.copyfile", "shutil.copytree", "shutil.copyfileobj")
OPENERS = ("open", "io.open", "gzip.open", "bz2.open", "lzma.open", "tarfile.open", "codecs.open", "zipfile.ZipFile")


def writing(tree: ast.AST) -> Iterator[str]:
    """Find what opens a file for writing, or makes one in another way."""
    for name, call in calls(tree):
        if name in OPENERS:
            if not reads_only(argument(call, 1, "mode")):
                yield name
        elif name == "os.open":
            flags = {node.attr for node in ast.walk(call) if isinstance(node, ast.Attribute)}
            named = isinstance(flag := argument(call, 1, "flags"), ast.Name) or flag is None
            nowhere = bool(call.args) and name_of(call.args[0]) == "os.devnull"
            if not nowhere and (named or flags & {"O_WRONLY", "O_RDWR", "O_CREAT", "O_APPEND", "O_TRUNC"}):
                yield name
        elif name.endswith(".open") and name not in OPENERS and not reads_only(argument(call, 0, "mode")):
            # Path.open takes its mode first
            if isinstance(call.args[0] if call.args else call.keywords[0].value, ast.Constant):
                yield name
        elif name == "sqlite3.connect":
            target = argument(call, 0, "database")
            if not (isinstance(target, ast.Constant) and target.value == ":memory:"):
                yield name
        elif name.endswith(WRITERS) or name in MOVERS + COPIERS or name.startswith("tempfile."):
            yield name


def shells(tree: ast.AST) -> Iterator[str]:
    """Find what hands text to a shell."""
    for name, call in calls(tree):
        shell = argument(call, 10**6, "shell")
        if shell is not None and not (isinstance(shell, ast.Constant) and shell.value is False):
            yield f"{name}(shell=…)"
        if name in ("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "pty.spawn"):
            yield name


def imports(tree: ast.AST) -> Iterator[str]:
    """Find the modules that are imported, anywhere in a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def evaluating(tree: ast.AST) -> Iterator[str]:
    """Find what turns text or bytes into code."""
    for name, _ in calls(tree):
        if name in ("eval", "exec", "__import__") or name.startswith(("pickle.", "marshal.", "shelve.")):
            yield name


def printing(tree: ast.AST) -> Iterator[str]:
    """Find what speaks to people or programs."""
    yield from (name for name, _ in calls(tree) if name in ("print", "input", "getpass.getpass", "sys.exit"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and name_of(node) in ("sys.stdout", "sys.stderr"):
            yield name_of(node)


SECRET = re.compile(r"(^|_|\.)(tag|tags|mac|key|keys|key_id|id_of|subkey|master|commitment|digest|hexdigest|tip)$")


def comparing(tree: ast.AST) -> Iterator[str]:
    """Find what compares keys or tags with == or !=, byte by byte until the first that differs."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and any(isinstance(operator, ast.Eq | ast.NotEq) for operator in node.ops):
            yield from (name for side in (node.left, *node.comparators) if SECRET.search(name := name_of(side)))


def trusting(tree: ast.AST) -> Iterator[str]:
    """Find what turns certificate checks off."""
    for name, call in calls(tree):
        verify = argument(call, 10**6, "verify")
        if isinstance(verify, ast.Constant) and not verify.value:
            yield f"{name}(verify=…)"
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(name_of(target).endswith(".verify") for target in node.targets):
            yield "verify = …"
        if isinstance(node, ast.Attribute) and node.attr in ("CERT_NONE", "_create_unverified_context"):
            yield node.attr


def found(finder: Finder, where: Callable[[str], bool] = lambda _: True) -> dict[str, set[str]]:
    """Return what *finder* finds, file by file, in the package's files that *where* picks."""
    everything = {name: set(finder(ast.parse(source))) for name, source in SOURCES.items() if where(name)}
    return {name: things for name, things in everything.items() if things}


def in_crypto(name: str) -> bool:
    return name.startswith("crypto/")


# -- kept ------------------------------------------------------------------------------------------------------------


def test_there_are_sources_to_look_at() -> None:
    assert {"files.py", "crypto/sealing.py", "vault/vault.py"} <= SOURCES.keys()


def test_only_files_opens_for_writing() -> None:
    assert found(writing, lambda name: name != "files.py") == {}
    assert found(writing, lambda name: name == "files.py") != {}


def test_nothing_is_handed_to_a_shell() -> None:
    assert found(shells) == {}


def test_nothing_turns_bytes_into_code() -> None:
    assert found(evaluating) == {}
    loaded = {name: set(imports(ast.parse(source))) for name, source in SOURCES.items()}
    assert {name for name, modules in loaded.items() if modules & {"pickle", "marshal", "shelve", "cPickle"}} == set()


def test_crypto_takes_its_randomness_from_the_system() -> None:
    assert {
        name: modules & {"random"} for name, modules in found(imports, in_crypto).items() if "random" in modules
    } == {}


def test_keys_and_tags_are_compared_in_constant_time() -> None:
    assert found(comparing, in_crypto) == {}


def test_certificates_are_always_checked() -> None:
    assert found(trusting) == {}


@pytest.mark.skipif(not any(name.startswith("cli/") for name in SOURCES), reason="there is no cli yet")
def test_only_the_faces_speak() -> None:
    assert found(printing, lambda name: not name.startswith(("cli/", "tui/")) and name != "__main__.py") == {}


def test_no_switch_for_tests_is_left_in_the_package() -> None:
    assert [name for name, source in SOURCES.items() if re.search(r"GHOSTIE_(TEST|INSECURE|CHEAP|FAST)", source)] == []


# -- the rules see what they are for ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("finder", "broken"),
    [
        (writing, "open(path, 'w')"),
        (writing, "open(path, mode='ab')"),
        (writing, "open(path, 'r+b')"),
        (writing, "open(path, 'x')"),
        (writing, "open(path, mode)"),
        (writing, "path.open('w')"),
        (writing, "path.open(mode='a')"),
        (writing, "gzip.open(path, 'wt')"),
        (writing, "os.open(path, os.O_WRONLY | os.O_CREAT)"),
        (writing, "os.open(path, os.O_RDWR)"),
        (writing, "os.open(path, flags)"),
        (writing, "path.write_text('x')"),
        (writing, "(folder / 'x').write_bytes(b'')"),
        (writing, "tempfile.mkstemp()"),
        (writing, "shutil.copyfile(a, b)"),
        (writing, "os.replace(a, b)"),
        (writing, "sqlite3.connect(path)"),
        (shells, "subprocess.run(command, shell=True)"),
        (shells, "subprocess.Popen(command, shell=how)"),
        (shells, "os.system('ls')"),
        (imports, "import random"),
        (imports, "from random import choice"),
        (imports, "def f():\n    import pickle"),
        (evaluating, "eval(text)"),
        (evaluating, "pickle.loads(data)"),
        (printing, "print('x')"),
        (printing, "sys.stderr.write('x')"),
        (comparing, "tag == expected"),
        (comparing, "keys.id_of(1) != other"),
        (comparing, "key_id(master) == file.commitment"),
        (comparing, "hashlib.sha256(x).hexdigest() == stem"),
        (trusting, "requests.get(url, verify=False)"),
        (trusting, "session.verify = False"),
    ],
)
def test_a_rule_finds_what_breaks_it(finder: Finder, broken: str) -> None:
    assert list(finder(ast.parse(broken)))


@pytest.mark.parametrize(
    ("finder", "kept"),
    [
        (writing, "open(path)"),
        (writing, "open(path, 'rb')"),
        (writing, "open(path, encoding='utf-8')"),
        (writing, "path.open()"),
        (writing, "path.open('r')"),
        (writing, "agent.open(layout)"),
        (writing, "os.open(path, os.O_RDONLY | os.O_NOFOLLOW)"),
        (writing, "os.open(os.devnull, os.O_WRONLY)"),
        (writing, "sqlite3.connect(':memory:')"),
        (writing, "text.replace('a', 'b')"),
        (shells, "subprocess.run(argv)"),
        (shells, "subprocess.run(argv, shell=False)"),
        (comparing, "hmac.compare_digest(tag, expected)"),
        (comparing, "len(key) != KEY_BYTES"),
        (comparing, "known is None"),
        (printing, "stdout=subprocess.PIPE"),
        (trusting, "requests.get(url, verify=bundle)"),
    ],
)
def test_a_rule_lets_pass_what_keeps_it(finder: Finder, kept: str) -> None:
    assert not list(finder(ast.parse(kept)))
