#!/bin/sh
# Installs ghostie for this user, in a private environment. It needs no root and edits no start-up file.
#
# Everything stands in functions and the last line calls main, so that half a script does nothing. A new environment is
# built beside the old one and becomes the current one by one rename, so that a cut at any moment leaves what was there.

usage() {
    cat <<'EOF'
usage: ./install.sh [--yes] [--dry-run] [--prefix DIR]
       ./install.sh --uninstall [--yes] [--dry-run] [--prefix DIR]
       ./install.sh --demo

  --demo         show ghostie's main job with two throw-away devices; all of it stays in .demo/ here
  --prefix DIR   where the program's own files go (default: ~/.local/share/ghostie)
  --yes          do not ask
  --dry-run      say what would be done, and do nothing
  --uninstall    remove what this script installed; your vault in ~/.ghostie stays
  --help         show this
EOF
}

say() {
    printf '%s\n' "$*"
}

# fail MESSAGE [HINT [CODE]]
fail() {
    printf 'install.sh: error: %s\n' "$1" >&2
    [ -z "${2:-}" ] || printf 'install.sh: hint: %s\n' "$2" >&2
    exit "${3:-1}"
}

# -- what is here -----------------------------------------------------------------------------------------------------

on_termux() {
    case ${PREFIX:-} in
    */com.termux/files/usr) return 0 ;;
    *) return 1 ;;
    esac
}

# Sets python, to one that is new enough and really runs (a version manager's stand-in may not), and abi.
find_python() {
    probe='
import os, sys
if sys.version_info < (3, 11):
    sys.exit(1)
import ensurepip, venv
real = getattr(sys, "_base_executable", None) or sys.executable
# by its full version, so that an upgrade of python3 is noticed and not mistaken for this one
named = os.path.join(os.path.dirname(real), "python%d.%d" % sys.version_info[:2])
print("cp%d%d%s" % (*sys.version_info[:2], sys.abiflags), named if os.access(named, os.X_OK) else real)
'
    python='' abi='' found=''
    old_ifs=$IFS
    IFS=:
    set -f
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        for folder in $PATH; do
            [ -x "${folder:-.}/$name" ] || continue
            found=$("${folder:-.}/$name" -I -c "$probe" </dev/null 2>/dev/null) && break 2
            found=''
        done
    done
    set +f
    IFS=$old_ifs
    [ -n "$found" ] || return 1
    abi=${found%% *}
    python=${found#* }
}

need_python() {
    find_python || fail 'no Python 3.11 or newer with its venv module was found' \
        'on Debian or Ubuntu: apt install python3 python3-venv; on Termux: pkg install python'
}

# sources_key [SALT]: a checksum over everything that goes into the package, and the Python that it is built for.
sources_key() {
    "$python" -I - "$checkout" "$python" "$@" <<'EOF'
import hashlib, pathlib, sys

root = pathlib.Path(sys.argv[1])
package = (path for path in (root / "ghostie").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
digest = hashlib.sha256("\0".join([sys.version, *sys.argv[2:]]).encode())
for path in [root / "pyproject.toml", *sorted(package)]:
    digest.update(hashlib.sha256(path.relative_to(root).as_posix().encode()).digest())
    digest.update(hashlib.sha256(path.read_bytes()).digest())
print(digest.hexdigest())
EOF
}

# Asks on the terminal, never on standard input: that may be this script itself, or nothing.
confirm() {
    [ "$yes" = no ] || return 0
    (: </dev/tty) 2>/dev/null || fail 'there is no terminal to ask on' 'read the above, then add --yes' 2
    printf '%s [y/N] ' "$1" >/dev/tty
    answer=''
    IFS= read -r answer </dev/tty || true
    case $answer in
    [Yy] | [Yy][Ee][Ss]) ;;
    *) fail 'nothing was changed' ;;
    esac
}

# -- a private environment --------------------------------------------------------------------------------------------

# smoke DIR: does the ghostie in this environment start, and does its box hold?
smoke() {
    "$1/bin/python" -I -c '
import ghostie.cli
from ghostie.crypto import sodium

key, nonce = bytes(range(32)), bytes(range(24))
box = bytes.fromhex("9317e6687a34562d909b17725afae4953997573cb3a3c7")
if not callable(ghostie.cli.main) or sodium.secretbox(b"ghostie", nonce, key) != box:
    raise SystemExit("the secretbox on this machine does not match its test vector")
if sodium.secretbox_open(box, nonce, key) != b"ghostie":
    raise SystemExit("the secretbox on this machine does not open its test vector")
' </dev/null && "$1/bin/python" "$1/bin/ghostie" --help </dev/null >/dev/null
}

# build DIR KEY: make the environment, try it out, and only then mark it as complete.
build() {
    # pip asks a rustc that it finds for its version, and rustup's one would write to the home folder
    if [ ! -d "${RUSTUP_HOME:-${HOME:-}/.rustup}" ]; then export RUSTUP_HOME="$1/.rustup"; fi
    "$python" -I -m venv "$1" || fail "no private environment could be made in $1" \
        'on Debian or Ubuntu: apt install python3-venv'
    "$1/bin/python" -I -m pip install -qq --no-input "$checkout" </dev/null ||
        fail 'pip could not install ghostie' 'see what it said above; is the network there?'
    smoke "$1" || fail 'ghostie was built but does not run here, so nothing was switched to it'
    printf '%s\n' "$2" >"$1/.complete.new"
    mv -f "$1/.complete.new" "$1/.complete"
}

is_complete() {
    [ -f "$1/.complete" ] && [ "$(cat "$1/.complete")" = "$2" ] && smoke "$1" 2>/dev/null
}

# -- install ----------------------------------------------------------------------------------------------------------

set_places() {
    [ -n "${HOME:-}" ] || fail 'HOME is not set' 'set it to your home folder'
    [ -n "$root" ] || root=$HOME/.local/share/ghostie
    case $root in
    /*) ;;
    *) root=$(pwd)/$root ;;
    esac
    case $root$HOME in
    *'
'*) fail 'a folder whose name has a line break cannot be used' '' 2 ;;
    esac
    while [ "${root%/}" != "$root" ]; do root=${root%/}; done
    [ -n "$root" ] || fail 'the root of the file system is no place for --prefix' '' 2
    manifest=$root/manifest
    commands=$HOME/.local/bin
    if on_termux; then commands=$PREFIX/bin; fi
    launcher=$commands/ghostie
}

# note KIND PATH: write down what is about to be made, so that --uninstall finds it.
note() {
    grep -Fqx -- "$1 $2" "$manifest" 2>/dev/null || printf '%s %s\n' "$1" "$2" >>"$manifest"
}

# list_missing DIR: DIR and those of its parents that are not there, outermost first.
list_missing() {
    [ ! -d "$1" ] || return 0
    list_missing "$(dirname -- "$1")"
    printf '%s\n' "$1"
}

make_folder() {
    missing=$(list_missing "$1")
    mkdir -p -- "$1"
    [ -z "$missing" ] || printf '%s\n' "$missing" | while IFS= read -r folder; do note folder "$folder"; done
}

quoted() {
    printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"
}

shell() {
    if on_termux; then printf '%s' "$PREFIX/bin/sh"; else printf /bin/sh; fi
}

launcher_text() {
    printf '#!%s\n' "$(shell)"
    printf '# made by the install.sh of ghostie, which also removes it: install.sh --uninstall\n'
    printf 'here=%s\n' "$(quoted "$root/current")"
    printf 'installer=%s\n' "$(quoted "$checkout/install.sh")"
    cat <<'EOF'
if [ ! -x "$here/bin/python" ]; then
    echo "ghostie: error: the Python that ghostie was installed with is gone" >&2
    echo "ghostie: hint: run $installer again; your memories are untouched" >&2
    exit 1
fi
# by its own Python: the first line of an installed command cannot hold every path
exec "$here/bin/python" "$here/bin/ghostie" "$@"
EOF
}

is_launcher() {
    [ -f "$1" ] && grep -Fqx '# made by the install.sh of ghostie, which also removes it: install.sh --uninstall' "$1"
}

write_launcher() {
    note launcher "$launcher"
    note launcher "$commands/.ghostie.new"
    launcher_text >"$commands/.ghostie.new"
    chmod 700 "$commands/.ghostie.new"
    mv -f "$commands/.ghostie.new" "$launcher"
}

# One rename; `mv` would follow the old link and move the new one into the folder behind it.
switch_current() {
    note link "$root/current"
    note link "$root/current.new"
    rm -f -- "$root/current.new"
    ln -s "venvs/${1##*/}" "$root/current.new"
    "$python" -I -c 'import os, sys; os.replace(sys.argv[1], sys.argv[2])' "$root/current.new" "$root/current"
}

# tidy KEEP KEEP: remove our older environments; the last one stays, for a ghostie that still runs from it.
tidy() {
    for old in "$root"/venvs/*; do
        if [ "$old" = "$1" ] || [ "$old" = "$2" ] || ! grep -Fqx -- "tree $old" "$manifest"; then continue; fi
        if [ -f "$old/.building" ] && kill -0 "$(cat "$old/.building")" 2>/dev/null; then continue; fi
        rm -rf -- "$old"
    done
}

remove_unfinished() {
    [ -z "$unfinished" ] || rm -rf -- "$unfinished"
}

missing_packages() {
    on_termux || return 0
    find_python || printf 'python '
    [ -e "$PREFIX/lib/libsodium.so" ] || printf 'libsodium '
}

install() {
    set_places
    version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$checkout/ghostie/version.py")
    [ -n "$version" ] || fail 'this checkout has no ghostie/__init__.py with a version'
    if { [ -e "$launcher" ] || [ -L "$launcher" ]; } && ! is_launcher "$launcher"; then
        fail "$launcher is there already and was not made by this script" 'move it away, then try again'
    fi
    if [ -e "$root/current" ] && [ ! -L "$root/current" ]; then
        fail "$root/current is there already and was not made by this script" 'give another folder with --prefix DIR' 2
    fi
    packages=$(missing_packages)

    if [ -z "$packages" ]; then
        need_python
        key=$(sources_key)
        if is_complete "$root/current" "$key" && is_launcher "$launcher" && [ "$(launcher_text)" = "$(cat "$launcher")" ]; then
            say "ghostie $version is installed already, from these same sources."
            return
        fi
    fi

    say "ghostie $version will be installed for this user only."
    [ -z "$packages" ] || say "  packages    ${packages% }, by pkg (a few MB, more where Python itself is missing)"
    if on_termux; then
        say '  downloads   about 1 MB by pip, which takes it from where pip is set up to'
    else
        say '  downloads   about 3 MB by pip, which takes it from where pip is set up to'
    fi
    say "  program     $root (about 40 MB)"
    say "  command     $launcher"
    say "  vault       $HOME/.ghostie is made by \`ghostie init\`; nothing touches it now"
    if [ "$dry_run" = yes ]; then
        say 'Nothing was done (--dry-run).'
        return
    fi
    confirm 'Go ahead?'

    if [ -n "$packages" ]; then
        # shellcheck disable=SC2086 # two words are two packages
        pkg install -y $packages </dev/null || fail 'pkg could not install what is missing' "try: pkg install $packages"
        need_python
        key=$(sources_key)
    fi

    make_folder "$root"
    make_folder "$root/venvs"
    make_folder "$commands"

    say 'Building …'
    # a name of its own: no environment is ever changed or moved once it is in use
    venv=$(mktemp -d "$root/venvs/$version-$abi.XXXXXX")
    unfinished=$venv
    note tree "$venv"
    printf '%s\n' $$ >"$venv/.building"
    build "$venv" "$key"
    rm -f -- "$venv/.building"

    previous=$(readlink "$root/current" 2>/dev/null || true)
    switch_current "$venv"
    unfinished=''
    write_launcher
    tidy "$venv" "$root/${previous:-none}"

    say "ghostie $version is installed."
    case :$PATH: in
    *:"$commands":*) say 'Next: ghostie init' ;;
    *) say "Next: $launcher init   ($commands is not on your PATH; adding it is up to you)" ;;
    esac
}

# -- uninstall --------------------------------------------------------------------------------------------------------

# Removes PATH if it is of the KIND that the manifest says and of this installation; anything else stays.
remove_noted() {
    case $1 in
    launcher)
        if is_launcher "$2" && grep -Fqx -- "here=$(quoted "$root/current")" "$2"; then rm -f -- "$2"; fi
        ;;
    link)
        case $2 in
        "$root/current" | "$root/current.new") if [ -L "$2" ]; then rm -f -- "$2"; fi ;;
        esac
        ;;
    tree)
        case $2 in
        "$root"/venvs/*/* | "$root"/venvs/.* | "$root"/venvs/) ;;
        "$root"/venvs/*) if [ ! -L "$2" ]; then rm -rf -- "$2"; fi ;;
        esac
        ;;
    esac
}

uninstall() {
    set_places
    if [ ! -f "$manifest" ]; then
        say "There is no ghostie in $root."
        return
    fi
    say "ghostie's program files in $root and its command will be removed."
    say "Your vault in $HOME/.ghostie stays."
    if [ "$dry_run" = yes ]; then
        say 'Nothing was done (--dry-run).'
        return
    fi
    confirm 'Go ahead?'
    folders=''
    # the command first: at no moment does it point at something half removed
    for pass in launcher link tree folder; do
        while IFS= read -r line; do
            kind=${line%% *}
            path=${line#* }
            [ "$kind" = "$pass" ] || continue
            if [ "$kind" = folder ]; then
                folders="$path
$folders"
            else
                remove_noted "$kind" "$path"
            fi
        done <"$manifest"
    done
    rm -f -- "$manifest"
    # only folders that this script made, innermost first, and only where they are empty
    printf '%s' "$folders" | while IFS= read -r folder; do rmdir -- "$folder" 2>/dev/null || true; done
    say 'ghostie is removed.'
}

# -- demo -------------------------------------------------------------------------------------------------------------

demo() {
    place=$checkout/.demo
    need_python
    if [ "$dry_run" = yes ]; then
        say "The demo would build ghostie in $place and run docs/demo.sh there. Nothing was done (--dry-run)."
        return
    fi
    mkdir -p -- "$place/tmp" "$place/cache" "$place/home" "$place/run" "$place/bin"
    export TMPDIR="$place/tmp" PIP_CACHE_DIR="$place/cache"
    key=$(sources_key "$checkout")
    if is_complete "$place/venv" "$key"; then
        say 'Using the private environment that an earlier run built in .demo/.'
    else
        say 'Building a private environment in .demo/ (pip downloads about 3 MB the first time) …'
        rm -rf -- "$place/venv"
        unfinished=$place/venv
        build "$place/venv" "$key"
        unfinished=''
    fi
    printf '#!%s\nexec %s %s "$@"\n' "$(shell)" "$(quoted "$place/venv/bin/python")" \
        "$(quoted "$place/venv/bin/ghostie")" >"$place/bin/ghostie"
    chmod 700 "$place/bin/ghostie"
    cd -- "$checkout"
    env HOME="$place/home" XDG_RUNTIME_DIR="$place/run" XDG_CONFIG_HOME="$place/home/.config" \
        XDG_DATA_HOME="$place/home/.local/share" XDG_STATE_HOME="$place/home/.local/state" \
        XDG_CACHE_HOME="$place/home/.cache" PATH="$place/bin:$place/venv/bin:$PATH" \
        sh docs/demo.sh "$place"
}

# ---------------------------------------------------------------------------------------------------------------------

main() {
    set -eu
    umask 077
    # what would send Python or pip elsewhere
    unset PYTHONHOME PYTHONPATH PYTHONSTARTUP PIP_TARGET PIP_PREFIX PIP_ROOT PIP_EDITABLE CDPATH
    export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_USER=0

    action=install yes=no dry_run=no root='' unfinished=''
    while [ $# -gt 0 ]; do
        case $1 in
        --demo) action=demo ;;
        --uninstall) action=uninstall ;;
        --yes | -y) yes=yes ;;
        --dry-run) dry_run=yes ;;
        --prefix)
            [ -n "${2:-}" ] || fail '--prefix needs a folder' '' 2
            root=$2
            shift
            ;;
        --prefix=?*) root=${1#--prefix=} ;;
        --help | -h)
            usage
            return
            ;;
        *) fail "there is no option $1" './install.sh --help shows them' 2 ;;
        esac
        shift
    done

    checkout=$(cd -- "$(dirname -- "$0")" && pwd -P)
    if [ "$action" != uninstall ] && { [ ! -f "$checkout/pyproject.toml" ] || [ ! -d "$checkout/ghostie" ]; }; then
        fail 'the sources are not beside this script' 'run the install.sh that is in a checkout of ghostie'
    fi
    trap remove_unfinished EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    "$action"
}

main "$@"
