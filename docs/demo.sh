#!/bin/sh
# Shows ghostie's main job with two throw-away devices and a folder as the store: ./install.sh --demo runs it.
#
# usage: docs/demo.sh [DIR]     everything that it makes is made anew in DIR (without DIR: a temporary folder)

say() {
    printf '%s\n' "$*"
}

heading() {
    printf '\n%s%s%s\n' "$bold" "$*" "$plain"
}

fail() {
    printf 'demo: error: %s\n' "$1" >&2
    exit 1
}

# Prints one word of a command as one would type it.
word() {
    # shellcheck disable=SC2016 # one would type the variable's name
    case $1 in
    "$store") printf '"$STORE"' ;;
    '' | *[!A-Za-z0-9_./=,:+-]*) printf '"%s"' "$1" ;;
    *) printf '%s' "$1" ;;
    esac
}

# show DEVICE WORD…: print the command that is about to run.
show() {
    printf '%s%s $ ghostie' "$dim" "$1"
    shift
    for argument in "$@"; do printf ' %s' "$(word "$argument")"; done
    printf '%s\n' "$plain"
}

# on DEVICE WORD…: run ghostie there. Standard input is closed, for nothing here may ask.
on() {
    device=$1
    shift
    GHOSTIE_HOME=$place/$device ghostie "$@" </dev/null
}

# expect CODES DEVICE WORD…: show a command, run it, and stop unless it ends with one of CODES.
expect() {
    allowed=$1
    shift
    show "$@"
    code=0
    on "$@" 2>&1 || code=$?
    case " $allowed " in
    *" $code "*) ;;
    *) fail "the command above ended with code $code" ;;
    esac
}

run() {
    expect 0 "$@"
}

count_files() {
    find "$1" -type f | wc -l | tr -d ' '
}

# compare FILE FILE: do two listings hold the same memories in the same versions?
compare() {
    python3 -I - "$@" <<'EOF'
import hashlib, json, sys

devices = {}
for name, path in zip(("laptop", "phone"), sys.argv[1:], strict=True):
    with open(path, encoding="utf-8") as listing:
        held = sorted((memory["id"], memory["sync_metadata"]["sync_hash"]) for memory in json.load(listing))
    devices[name] = held
    print(f"  {name:<8}{len(held)} memories, fingerprint {hashlib.sha256(repr(held).encode()).hexdigest()[:16]}")
if not devices["laptop"] or devices["laptop"] != devices["phone"]:
    sys.exit("the two devices differ")
EOF
}

start() {
    set -eu
    umask 077
    bold='' dim='' plain=''
    if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
        bold=$(printf '\033[1m') dim=$(printf '\033[2m') plain=$(printf '\033[0m')
    fi
    # a vault or an agent of yours has no part in this
    for name in $(env | sed -n 's/^\(GHOSTIE_[A-Z0-9_]*\)=.*/\1/p'); do unset "$name"; done
    unset PYTHONHOME PYTHONPATH
    command -v ghostie >/dev/null || fail 'there is no ghostie on PATH; ./install.sh --demo brings its own'

    cd -- "$(dirname -- "$0")/.."
    [ -d docs/examples ] || fail 'docs/examples is not here'
    if [ -n "${1:-}" ]; then
        mkdir -p -- "$1"
        place=$(cd -- "$1" && pwd -P)
    else
        place=$(mktemp -d)
    fi
    mark=$place/.made-by-ghostie-demo
    store=$place/store
    for name in laptop phone store; do
        if [ -e "$place/$name" ]; then
            [ -f "$mark" ] || fail "$place/$name is there already and is not an earlier demo's"
            rm -rf -- "${place:?}/$name"
        fi
    done
    : >"$mark"
    mkdir "$store"
    export GHOSTIE_PASSPHRASE='demo: four plain words'
}

story() {
    say "This is ghostie: your memories, sealed on this device, in step with your other devices."
    say "Two devices, a laptop and a phone, are folders here; a third folder plays the store between them."
    say "Their passphrase is in GHOSTIE_PASSPHRASE, so that nothing needs to ask."

    heading '1. The laptop gets a vault.'
    run laptop init --device-name laptop

    heading '2. It takes in notes as people have them: JSON, JSON lines, Markdown, and what an agent kept.'
    run laptop import docs/examples
    run laptop list -n 5

    heading '3. Search works offline. The index is sealed too.'
    run laptop search termux

    heading '4. The laptop sends sealed versions to the store.'
    run laptop sync setup --backend folder --path "$store"
    run laptop --sync push

    heading '5. The phone joins with the passphrase alone. There is no second vault to make.'
    run phone sync setup --backend folder --path "$store" --device-name phone
    run phone --sync pull
    run phone list -n 3

    heading '6. The phone notes something on the way; the laptop has it one pull later.'
    show phone add 'the NAS answers on 10.0.0.7 since the router was changed' -c network -t lan
    id=$(on phone add 'the NAS answers on 10.0.0.7 since the router was changed' -c network -t lan) ||
        fail 'the command above failed'
    say "$id"
    case $id in
    '' | *[!a-z2-7]*) fail 'add did not print the id of the new memory' ;;
    esac
    run phone --sync push
    run laptop --sync pull
    run laptop show "$id"

    heading '7. Both change that line before they hear of each other.'
    run laptop edit "$id" --content 'the NAS answers on 10.0.0.7, and over IPv6 as nas.lan'
    run phone edit "$id" --content 'the NAS moved to 10.0.0.9'
    run phone --sync run
    say
    say 'The phone was first. Now the laptop finds a version that it cannot merge with its own.'
    say 'Exit code 3 says so to a script: conflicts remain. Nothing is lost, both versions are kept.'
    expect 3 laptop --sync run
    expect '0 3' laptop --sync conflict

    heading '8. A person decides, once. The phone takes the decision over and is not asked again.'
    run laptop --sync conflict "$id" --keep mine
    run laptop --sync run
    run phone --sync run

    heading '9. Do both hold the same, version for version?'
    for device in laptop phone; do
        show "$device" list --json -n 100000
        on "$device" list --json -n 100000 >"$place/$device.json" || fail 'the command above failed'
    done
    compare "$place/laptop.json" "$place/phone.json" || fail 'the two devices do not hold the same'
    rm -f -- "$place/laptop.json" "$place/phone.json"
    say '  They do.'

    heading '10. What does the store see?'
    files=$(count_files "$store")
    [ "$files" -gt 0 ] || fail 'the store is empty'
    plain_lines=$(grep -rih -e termux docs/examples | wc -l | tr -d ' ')
    [ "$plain_lines" -gt 0 ] || fail 'the examples do not say "termux"'
    # shellcheck disable=SC2016 # shown as one would type it
    printf '%s$ grep -ril -e termux -e laptop "$STORE"%s\n' "$dim" "$plain"
    found=$(grep -ril -e termux -e laptop "$store" || true)
    named=$(cd -- "$store" && find . | { grep -i -e termux -e laptop || true; })
    [ -z "$found$named" ] || fail "the store holds plain text: $found $named"
    say "  Nothing, in $files files. In the examples $plain_lines lines say \"termux\"; in the store not even a device's name shows."
}

finish() {
    here=$(pwd -P)
    program=$(command -v ghostie)
    say
    say 'The demo is done and everything held.'
    say "Next: GHOSTIE_PASSPHRASE='$GHOSTIE_PASSPHRASE' $(word "${program#"$here/"}") --home $(word "${place#"$here/"}/laptop") list   (./install.sh installs ghostie)"
}

main() {
    start "$@"
    story
    finish
}

main "$@"
