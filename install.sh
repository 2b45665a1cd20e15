#!/bin/sh
# Installs ghostie for this user, in a private environment. It needs no root and edits no start-up file.
#
# Everything stands in functions and the last line calls main, so that half a script does nothing. A new environment is
# built beside the old one and becomes the current one by one rename, so that a cut at any moment leaves what was there.

usage() {
    cat <<'EOF'
usage: ./install.sh [--yes] [--dry-run] [--prefix DIR] [--version VERSION] [--offline DIR] [--pure]
       ./install.sh --download DIR
       ./install.sh --uninstall [--purge] [--yes] [--dry-run] [--prefix DIR]
       ./install.sh --demo

  --demo             show ghostie's main job with two throw-away devices; all of it stays in .demo/ here
  --prefix DIR       where the program's own files go (default: ~/.local/share/ghostie)
  --version VERSION  this version and no other: these sources', one that was installed before, or a tag of this clone
  --download DIR     fetch all that an installation needs into DIR, and install nothing
  --offline DIR      install from such a DIR, without a network
  --pure             without compiled packages, as on Android: libsodium has to be on this system
  --yes              do not ask
  --dry-run          say what would be done, and do nothing
  --uninstall        remove what this script installed; your vault in ~/.ghostie stays
  --purge            with --uninstall: the vault too, once you have typed a word
  --help             show this
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

is_checkout() {
    [ -f "$1/pyproject.toml" ] && [ -f "$1/lock/base.txt" ] && [ -f "$1/ghostie/version.py" ]
}

# A kit is a folder with all that an installation needs: wheels, the pinned hashes of each, and this script.
is_kit() {
    [ -f "$1/source" ] && [ -f "$1/version" ] && [ -f "$1/base.txt" ] && [ -f "$1/native.txt" ] && [ -f "$1/ghostie.txt" ]
}

# Sets kit or checkout, and version.
find_sources() {
    case $0 in
    *install.sh) beside=$(cd -- "$(dirname -- "$0")" && pwd -P) ;;
    *) beside=$(pwd -P) ;; # this script came through a pipe
    esac
    checkout='' kit=''
    if [ -n "$offline" ]; then
        if [ ! -d "$offline" ] || ! is_kit "$offline"; then
            fail "$offline is no folder that --download filled" './install.sh --download DIR makes one, on any machine of this kind' 2
        fi
        kit=$(cd -- "$offline" && pwd -P)
    elif is_checkout "$beside"; then
        checkout=$beside
    elif is_kit "$beside"; then
        kit=$beside
    else
        fail 'the sources are not beside this script' 'run the install.sh that is in a checkout of ghostie' 2
    fi
    read_version
}

read_version() {
    if [ -n "$kit" ]; then
        version=$(cat "$kit/version")
    else
        version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$checkout/ghostie/version.py")
    fi
    case $version in
    '' | *[!0-9A-Za-z.+]*) fail 'these sources do not say which version they are' ;;
    esac
}

# --version: what is here already, else what an earlier installation kept, else a tag of this clone.
pick_version() {
    if [ -z "$wanted" ] || [ "$wanted" = "$version" ]; then return; fi
    case $wanted in
    *[!0-9A-Za-z.+]*) fail "$wanted is no version" 'a version looks like 0.1.0' 2 ;;
    esac
    for kept in "$root/venvs/$wanted"-*/kit; do
        if is_kit "$kept"; then
            kit=$kept version=$wanted
            return
        fi
    done
    if [ -n "$checkout" ] && git -C "$checkout" rev-parse -q --verify "refs/tags/v$wanted^{commit}" >/dev/null 2>&1; then
        extracted=$(mktemp -d)
        git -C "$checkout" archive "refs/tags/v$wanted" | tar -x -f - -C "$extracted"
        is_checkout "$extracted" || fail "the sources of $wanted are too old for this script" 'check that tag out, and run its own install.sh'
        checkout=$extracted
        read_version
        [ "$wanted" = "$version" ] || fail "the tag v$wanted holds version $version"
        return
    fi
    fail "version $wanted is not here; these sources are $version" 'in a clone: git fetch --tags, then try again'
}

# find_key [SALT]: sets digest, of everything that goes into the package, and key, which also tells Python and tier.
find_key() {
    if [ -n "$kit" ]; then
        digest=$(cat "$kit/source")
    else
        digest=$(
            "$python" -I - "$checkout" <<'EOF'
import hashlib, pathlib, sys

root = pathlib.Path(sys.argv[1])
package = (path for path in (root / "ghostie").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
single = ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "install.sh")
digest = hashlib.sha256()
for path in [*map(root.joinpath, single), *sorted((root / "lock").glob("*.txt")), *sorted(package)]:
    digest.update(hashlib.sha256(path.relative_to(root).as_posix().encode()).digest())
    digest.update(hashlib.sha256(path.read_bytes()).digest())
print(digest.hexdigest())
EOF
        )
    fi
    key="$digest $tier $("$python" -I -c 'import sys; print(" ".join(sys.version.split()))') ${1:-}"
}

# Asks on the terminal, never on standard input: that may be this script itself, or nothing.
ask() {
    (: </dev/tty) 2>/dev/null || fail 'there is no terminal to ask on' "${2:-read the above, then add --yes}" 2
    printf '%s ' "$1" >/dev/tty
    answer=''
    IFS= read -r answer </dev/tty || true
}

confirm() {
    [ "$yes" = no ] || return 0
    ask "$1 [y/N]"
    case $answer in
    [Yy] | [Yy][Ee][Ss]) ;;
    *) fail 'nothing was changed' ;;
    esac
}

# -- a private environment --------------------------------------------------------------------------------------------

# smoke DIR TIER: does the ghostie in this environment start, does its box hold, and is it of this tier?
smoke() {
    "$1/bin/python" -I -c '
import sys
import ghostie.cli
from ghostie import codec
from ghostie.crypto import sodium

key, nonce = bytes(range(32)), bytes(range(24))
box = bytes.fromhex("9317e6687a34562d909b17725afae4953997573cb3a3c7")
if not callable(ghostie.cli.main) or sodium.secretbox(b"ghostie", nonce, key) != box:
    raise SystemExit("the secretbox on this machine does not match its test vector")
if sodium.secretbox_open(box, nonce, key) != b"ghostie":
    raise SystemExit("the secretbox on this machine does not open its test vector")
if sys.argv[1] == "native" and (sodium.TIER, codec.tier()) != ("PyNaCl", "orjson"):
    raise SystemExit("PyNaCl and orjson are there, and do not load")
' "$2" </dev/null && "$1/bin/python" "$1/bin/ghostie" --help </dev/null >/dev/null
}

# open_work DIR: a place for what is needed only while building, and a pip of its own there.
open_work() {
    work=$1
    mkdir -p -- "$work/tmp"
    export TMPDIR="$work/tmp"
    # pip asks a rustc that it finds for its version, and rustup's one would write to the home folder
    if [ ! -d "${RUSTUP_HOME:-${HOME:-}/.rustup}" ]; then export RUSTUP_HOME="$work/rustup"; fi
    "$python" -I -m venv "$work/tools" >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        fail "no private environment could be made in $work" 'on Debian or Ubuntu: apt install python3-venv'
    }
}

pip() {
    "$work/tools/bin/python" -I -m pip "$@" </dev/null
}

# fetch DIR ARGUMENT…: fetch wheels, and take none whose hash is not pinned. $known is where some may be already.
fetch() {
    into=$1
    shift
    pip download -qq --no-input --require-hashes --no-deps --only-binary :all: --dest "$into" \
        ${known:+--find-links} ${known:+"$known"} "$@" ||
        fail 'pip could not fetch what ghostie needs, or it was not what it has to be' \
            'see what it said above; is the network there?'
}

# collect DIR: make DIR a kit, from the checkout or from another kit.
collect() {
    mkdir -p -- "$1"
    if [ -n "$kit" ]; then
        [ "$kit" = "$1" ] || cp -- "$kit"/* "$1/"
        return
    fi
    cp -- "$checkout/install.sh" "$checkout/lock/base.txt" "$checkout/lock/native.txt" "$1/"
    # what is not compiled fits every Python, so that a later one can be served from these same files
    fetch "$1" --platform any --implementation py --abi none -r "$checkout/lock/base.txt"
    if [ "$tier" = native ]; then fetch "$1" -r "$checkout/lock/native.txt"; fi

    pip install -qq --no-input --require-hashes --no-deps --only-binary :all: --no-compile --target "$work/build" \
        ${known:+--find-links} ${known:+"$known"} -r "$checkout/lock/build.txt" ||
        fail 'pip could not fetch what ghostie is built with' 'see what it said above; is the network there?'
    (
        cd -- "$checkout"
        unset SOURCE_DATE_EPOCH
        PYTHONPATH=$work/build PYTHONDONTWRITEBYTECODE=1 "$work/tools/bin/python" -P -m hatchling build -t wheel -d "$1"
    ) </dev/null >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        fail 'ghostie could not be packed'
    }
    printf '%s\n' "$checkout" >"$1/origin"
    printf '%s\n' "$version" >"$1/version"
    "$python" -I - "$1" "$version" >"$1/ghostie.txt" <<'EOF'
import hashlib, pathlib, sys

(wheel,) = pathlib.Path(sys.argv[1]).glob("ghostie-*.whl")
print(f"ghostie=={sys.argv[2]} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}")
EOF
    printf '%s\n' "$digest" >"$1/source"
}

# make_environment DIR TIER: from the kit in DIR/kit and nothing else, every file checked against its pinned hash.
make_environment() {
    native=''
    if [ "$2" = native ]; then native=$1/kit/native.txt; fi
    "$python" -I -m venv --without-pip "$1" &&
        pip --python "$1/bin/python" install -qq --no-input --require-hashes --no-deps --no-index \
            --only-binary :all: --find-links "$1/kit" -r "$1/kit/base.txt" ${native:+-r} ${native:+"$native"} \
            -r "$1/kit/ghostie.txt" &&
        write_boot "$1" &&
        smoke "$1" "$2"
}

# What the command starts: it notices when the Python beneath an environment has become another one.
write_boot() {
    cat >"$1/boot.py" <<EOF
import os
import sys

launcher = sys.argv[0] = sys.argv.pop(1)
try:
    from ghostie.cli import run
except ImportError:
    if not os.path.isfile(launcher):
        raise
    os.environ["GHOSTIE_REBUILD"] = "yes"
    os.execv("$(shell)", ["sh", launcher, *sys.argv[1:]])
run()
EOF
}

# mark_complete DIR KEY TIER: mark it; only what was tried out gets here.
mark_complete() {
    rm -rf -- "$1/.work" "$1/.building"
    printf '%s\n' "$3" >"$1/.tier"
    printf '%s\n' "$2" >"$1/.complete.new"
    mv -f "$1/.complete.new" "$1/.complete"
}

is_complete() {
    [ -f "$1/.complete" ] && [ "$(cat "$1/.complete")" = "$2" ] && smoke "$1" "$3" 2>/dev/null
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
    printf 'root=%s\n' "$(quoted "$root")"
    cat <<'EOF'
if [ ! -x "$here/bin/python" ] || [ -n "${GHOSTIE_REBUILD:-}" ]; then
    # the Python that this was made with is gone, as after an upgrade: make it anew from the files that were kept
    unset GHOSTIE_REBUILD
    sh "$here/kit/install.sh" --rebuild --prefix "$root" </dev/null >&2 || exit 1
fi
# by its own Python: the first line of an installed command cannot hold every path
exec "$here/bin/python" "$here/boot.py" "$0" "$@"
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
    if [ -n "$unfinished" ]; then rm -rf -- "$unfinished"; fi
    if [ -n "$extracted" ]; then rm -rf -- "$extracted"; fi
}

# Sets venv, to a new folder with a name of its own: no environment is ever changed or moved once it is in use.
new_environment() {
    number=0
    while [ -e "$root/venvs/$version-$abi.$$-$number" ]; do number=$((number + 1)); done
    venv=$root/venvs/$version-$abi.$$-$number
    note tree "$venv"
    mkdir -- "$venv"
    unfinished=$venv
    printf '%s\n' $$ >"$venv/.building"
    open_work "$venv/.work"
}

# put_in_place TIER: the finished environment becomes the current one.
put_in_place() {
    mark_complete "$venv" "$key" "$1"
    previous=$(readlink "$root/current" 2>/dev/null || true)
    switch_current "$venv"
    unfinished=''
    write_launcher
    tidy "$venv" "$root/${previous:-none}"
}

missing_packages() {
    on_termux || return 0
    find_python || printf 'python '
    [ -e "$PREFIX/lib/libsodium.so" ] || printf 'libsodium '
}

# Sets tier: compiled packages, or none. What is installed already keeps its tier, until it is told otherwise.
find_tier() {
    tier=native
    if on_termux || [ "$pure" = yes ]; then tier=pure; fi
    if [ "$pure" = no ] && [ -f "$root/current/.tier" ]; then tier=$(cat "$root/current/.tier"); fi
    # on Android compiled packages are built there: they serve until their versions or Python change
    if on_termux && [ "$tier" = native ]; then
        built=$root/current/kit/built
        pins=$kit/native.txt
        if [ -n "$checkout" ]; then pins=$checkout/lock/native.txt; fi
        if [ ! -f "$built" ] || ! cmp -s "$built" "$pins" || [ "$(cat "$root/current/kit/built-by" 2>/dev/null)" != "$abi" ]; then
            tier=pure
            say 'The compiled packages have to be built anew for this; until then ghostie runs without them.'
            say '  ghostie doctor --accelerate builds them.'
        fi
    fi
}

# keep_built KIT: bring along what was compiled on this device.
keep_built() {
    if ! on_termux || [ "$tier" = pure ]; then return 0; fi
    for name in PyNaCl pynacl orjson cffi pycparser native built; do
        for file in "$root/current/kit/$name"*; do
            if [ -f "$file" ]; then cp -- "$file" "$1/"; fi
        done
    done
}

install() {
    set_places
    find_sources
    pick_version
    if { [ -e "$launcher" ] || [ -L "$launcher" ]; } && ! is_launcher "$launcher"; then
        fail "$launcher is there already and was not made by this script" 'move it away, then try again'
    fi
    if [ -e "$root/current" ] && [ ! -L "$root/current" ]; then
        fail "$root/current is there already and was not made by this script" 'give another folder with --prefix DIR' 2
    fi
    packages=$(missing_packages)
    if [ -z "$packages" ]; then
        need_python
        find_tier
        find_key
        if is_complete "$root/current" "$key" "$tier" && is_launcher "$launcher" && [ "$(launcher_text)" = "$(cat "$launcher")" ]; then
            say "ghostie $version is installed already, from these same sources."
            return
        fi
    fi

    say "ghostie $version will be installed for this user only."
    [ -z "$packages" ] || say "  packages    ${packages% }, by pkg (a few MB, more where Python itself is missing)"
    if [ -n "$kit" ]; then
        say "  downloads   nothing: all it needs is in $kit"
    elif on_termux; then
        say '  downloads   about 4 MB by pip, which takes it from where pip is set up to; every file has a pinned hash'
    else
        say '  downloads   about 6 MB by pip, which takes it from where pip is set up to; every file has a pinned hash'
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
        find_tier
        find_key
    fi

    make_folder "$root"
    make_folder "$root/venvs"
    make_folder "$commands"

    say 'Building …'
    new_environment
    if [ -d "$root/current/kit" ]; then known=$root/current/kit; fi
    collect "$venv/kit"
    keep_built "$venv/kit"
    make_environment "$venv" "$tier" ||
        fail 'ghostie was built but does not run here, so nothing was switched to it' 'see what was said above'
    put_in_place "$tier"

    say "ghostie $version is installed."
    case :$PATH: in
    *:"$commands":*) say 'Next: ghostie init' ;;
    *) say "Next: $launcher init   ($commands is not on your PATH; adding it is up to you)" ;;
    esac
}

# Called by the command when the Python beneath it is gone. It asks nothing, fetches nothing, and says one line.
rebuild() {
    set_places
    offline=$root/current/kit
    find_sources
    find_python || fail 'the Python that ghostie was installed with is gone, and no other of 3.11 or newer was found' \
        'on Termux: pkg install python; on Debian or Ubuntu: apt install python3 python3-venv; your memories are untouched'
    tier=$(cat "$root/current/.tier")
    find_key
    new_environment
    collect "$venv/kit"
    if make_environment "$venv" "$tier" 2>"$venv/.work/said"; then
        put_in_place "$tier"
        say "ghostie: Python has changed here, so ghostie was set up again for it, from files that were kept"
        return
    fi
    if [ "$tier" = native ]; then
        # what is compiled fits one Python only; without it ghostie does the same, a little slower
        for part in bin lib lib64 include share; do rm -rf -- "${venv:?}/$part"; done
        tier=pure
        find_key
        if make_environment "$venv" pure 2>>"$venv/.work/said"; then
            put_in_place pure
            say 'ghostie: Python has changed here, so ghostie was set up again for it, without the compiled packages (ghostie doctor --accelerate brings them back)'
            return
        fi
    fi
    cat "$venv/.work/said" >&2
    fail 'Python has changed here, and the files that were kept do not serve the new one' \
        "run $(cat "$kit/origin" 2>/dev/null || printf .)/install.sh again; your memories are untouched"
}

# Called by `ghostie doctor --accelerate`: PyNaCl and orjson, compiled here where nobody offers them ready.
accelerate() {
    set_places
    offline=$root/current/kit
    find_sources
    need_python
    tier=native
    find_key
    if is_complete "$root/current" "$key" native; then
        say 'ghostie runs with PyNaCl and orjson already.'
        return
    fi
    if on_termux; then
        compilers='clang make libffi rust binutils'
        say 'PyNaCl and orjson will be compiled on this device, which takes a while.'
        say "  packages    $compilers, by pkg (about 150 MB to download, 700 MB on the disk)"
        say '  downloads   about 4 MB by pip; their sources have pinned hashes, the tools that build them do not'
    else
        say 'PyNaCl and orjson will be fetched by pip: about 2 MB, every file with a pinned hash.'
    fi
    if [ "$dry_run" = yes ]; then
        say 'Nothing was done (--dry-run).'
        return
    fi
    confirm 'Go ahead?'
    new_environment
    collect "$venv/kit"
    if on_termux; then
        # shellcheck disable=SC2086 # each word is a package
        pkg install -y $compilers </dev/null || fail 'pkg could not install the compilers; ghostie stays as it was'
        ANDROID_API_LEVEL=$("$python" -I -c 'import sysconfig; print(sysconfig.get_config_var("ANDROID_API_LEVEL") or 24)')
        export ANDROID_API_LEVEL SODIUM_INSTALL=system MAKEFLAGS=-j1 CARGO_BUILD_JOBS=1
        if [ ! -f "$venv/kit/built" ]; then cp -- "$venv/kit/native.txt" "$venv/kit/built"; fi
        mkdir "$venv/.work/built"
        say 'Compiling …'
        pip wheel -q --no-input --require-hashes --no-deps --wheel-dir "$venv/.work/built" -r "$venv/kit/built" ||
            fail 'they could not be compiled here; ghostie stays as it was'
        printf '%s\n' "$abi" >"$venv/kit/built-by"
        cp -- "$venv/.work/built"/*.whl "$venv/kit/"
        "$python" -I - "$venv/.work/built" >"$venv/kit/native.txt" <<'EOF'
import hashlib, pathlib, sys

for wheel in sorted(pathlib.Path(sys.argv[1]).glob("*.whl")):
    name, version = wheel.name.split("-")[:2]
    print(f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}")
EOF
    else
        fetch "$venv/kit" -r "$venv/kit/native.txt"
    fi
    make_environment "$venv" native || fail 'they were built and do not load, so ghostie stays as it was'
    put_in_place native
    say 'ghostie runs with PyNaCl and orjson now.'
}

# -- download ---------------------------------------------------------------------------------------------------------

download() {
    find_sources
    [ -n "$checkout" ] || fail 'these files are such a folder already' "copy $kit as it is"
    need_python
    case $target in
    /*) ;;
    *) target=$(pwd)/$target ;;
    esac
    [ ! -e "$target" ] || fail "$target is there already" 'name a folder that is to be made'
    tier=native
    if on_termux || [ "$pure" = yes ]; then tier=pure; fi
    find_key
    say "All that ghostie $version needs goes into $target (about 6 MB by pip)."
    if [ "$dry_run" = yes ]; then
        say 'Nothing was done (--dry-run).'
        return
    fi
    unfinished=$target.new
    rm -rf -- "$unfinished"
    mkdir -- "$unfinished"
    open_work "$unfinished/.work"
    collect "$unfinished"
    rm -rf -- "$unfinished/.work"
    mv -- "$unfinished" "$target"
    unfinished=''
    say "Next, where it is to be installed: sh $target/install.sh"
}

# -- uninstall --------------------------------------------------------------------------------------------------------

# Removes PATH if it is of the KIND that the manifest says and of this installation; anything else stays.
remove_noted() {
    case $1 in
    launcher)
        if [ "$2" = "$commands/.ghostie.new" ]; then
            rm -f -- "$2"
        elif is_launcher "$2" && grep -Fqx -- "here=$(quoted "$root/current")" "$2"; then
            rm -f -- "$2"
        fi
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
    if [ -f "$manifest" ]; then
        say "ghostie's program files in $root and its command will be removed."
    elif [ "$purge" = no ]; then
        say "There is no ghostie in $root."
        return
    fi
    if [ "$purge" = yes ]; then
        say "Your vault in $HOME/.ghostie will be destroyed, with every memory that no other device or store holds."
    else
        say "Your vault in $HOME/.ghostie stays."
    fi
    if [ "$dry_run" = yes ]; then
        say 'Nothing was done (--dry-run).'
        return
    fi
    if [ "$purge" = yes ]; then
        # never by --yes: a word that nobody types by mistake, at a terminal
        ask 'Type destroy to go ahead:' 'a vault is destroyed by a person at a terminal only; without --purge it stays'
        [ "$answer" = destroy ] || fail 'nothing was changed'
    else
        confirm 'Go ahead?'
    fi
    if [ -f "$manifest" ]; then remove_program; fi
    if [ "$purge" = yes ] && [ -d "$HOME/.ghostie" ] && [ ! -L "$HOME/.ghostie" ]; then
        rm -rf -- "${HOME:?}/.ghostie"
        say 'The vault is destroyed.'
    fi
    say 'ghostie is removed.'
}

remove_program() {
    # what it set up elsewhere for a phone; best effort, for it may not run any more
    if [ -x "$root/current/bin/python" ] && on_termux; then
        "$root/current/bin/python" "$root/current/bin/ghostie" --quiet termux setup --remove </dev/null >/dev/null 2>&1 || true
    fi
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
}

# -- demo -------------------------------------------------------------------------------------------------------------

demo() {
    find_sources
    [ -n "$checkout" ] || fail 'the demo needs a checkout of ghostie' '' 2
    place=$checkout/.demo
    need_python
    if [ "$dry_run" = yes ]; then
        say "The demo would build ghostie in $place and run docs/demo.sh there. Nothing was done (--dry-run)."
        return
    fi
    mkdir -p -- "$place/home" "$place/run" "$place/bin"
    tier=native
    if on_termux || [ "$pure" = yes ]; then tier=pure; fi
    find_key "$checkout"
    if is_complete "$place/venv" "$key" "$tier"; then
        say 'Using the private environment that an earlier run built in .demo/.'
    else
        say 'Building a private environment in .demo/ (pip downloads about 6 MB the first time) …'
        if [ -d "$place/venv/kit" ]; then
            rm -rf -- "$place/kit"
            mv -- "$place/venv/kit" "$place/kit"
        fi
        if [ -d "$place/kit" ]; then known=$place/kit; fi
        rm -rf -- "$place/venv"
        mkdir -- "$place/venv"
        unfinished=$place/venv
        open_work "$place/venv/.work"
        collect "$place/venv/kit"
        make_environment "$place/venv" "$tier" || fail 'ghostie was built but does not run here' 'see what was said above'
        mark_complete "$place/venv" "$key" "$tier"
        unfinished=''
    fi
    mkdir -p -- "$place/tmp"
    printf '#!%s\nexec %s %s "$@"\n' "$(shell)" "$(quoted "$place/venv/bin/python")" \
        "$(quoted "$place/venv/bin/ghostie")" >"$place/bin/ghostie"
    chmod 700 "$place/bin/ghostie"
    cd -- "$checkout"
    env HOME="$place/home" TMPDIR="$place/tmp" XDG_RUNTIME_DIR="$place/run" XDG_CONFIG_HOME="$place/home/.config" \
        XDG_DATA_HOME="$place/home/.local/share" XDG_STATE_HOME="$place/home/.local/state" \
        XDG_CACHE_HOME="$place/home/.cache" PATH="$place/bin:$place/venv/bin:$PATH" \
        sh docs/demo.sh "$place"
}

# ---------------------------------------------------------------------------------------------------------------------

# value OPTION VALUE: an option that needs a value has one.
value() {
    [ -n "${2:-}" ] || fail "$1 needs a value" './install.sh --help shows them' 2
}

main() {
    set -eu
    umask 077
    # what would send Python or pip elsewhere
    unset PYTHONHOME PYTHONPATH PYTHONSTARTUP CDPATH PIP_TARGET PIP_PREFIX PIP_ROOT PIP_EDITABLE PIP_CONSTRAINT \
        PIP_REQUIREMENT PIP_NO_BINARY PIP_ONLY_BINARY PIP_PLATFORM PIP_ABI PIP_IMPLEMENTATION PIP_PYTHON PIP_DRY_RUN
    # the wheels are kept beside the environment, so pip needs no cache outside it
    export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_USER=0 PIP_NO_CACHE_DIR=1

    action=install yes=no dry_run=no pure=no purge=no root='' wanted='' offline='' target='' known='' unfinished='' extracted=''
    while [ $# -gt 0 ]; do
        case $1 in
        --*=?*)
            option=${1%%=*}
            given=${1#*=}
            shift
            set -- "$option" "$given" "$@"
            ;;
        esac
        case $1 in
        --demo) action=demo ;;
        --uninstall) action=uninstall ;;
        --rebuild) action=rebuild ;;
        --accelerate) action=accelerate ;;
        --purge) purge=yes ;;
        --pure) pure=yes ;;
        --yes | -y) yes=yes ;;
        --dry-run) dry_run=yes ;;
        --prefix | --version | --offline | --download)
            value "$@"
            case $1 in
            --prefix) root=$2 ;;
            --version) wanted=$2 ;;
            --offline) offline=$2 ;;
            --download) action=download target=$2 ;;
            esac
            shift
            ;;
        --help | -h)
            usage
            return
            ;;
        *) fail "there is no option $1" './install.sh --help shows them' 2 ;;
        esac
        shift
    done
    [ "$purge" = no ] || [ "$action" = uninstall ] || fail '--purge goes with --uninstall' '' 2

    trap remove_unfinished EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    "$action"
}

# on one line and in braces: a line that was cut short is no command
{ main "$@"; }
