# What stands around the commands of a page (tests/it/docs.rs): the layout of the Debian package under $ROOT, with stand-ins
# for the few programs that would reach past it. A page names the default ports and paths; here others take their place.
set -euo pipefail
PLACE=stage
BACKGROUND=()
SANDBOX=8090
trap 'status=$?; [ $status = 0 ] || { echo "$PLACE: failed with $status"; tail -n 30 "$ROOT"/stage/*.out; } >&2; strike; exit $status' EXIT

# The daemon listens on the sockets that the test holds open.
export RECEIPTD_CALLBACK__LISTEN=127.0.0.1:$PUBLIC RECEIPTD_API__LISTEN=127.0.0.1:$PRIVATE
receiptd() {
    case "$*" in
    serve*) LISTEN_FDS=2 LISTEN_PID=$BASHPID exec receiptd "$@" 3<&8 4<&9 ;;
    sandbox*) exec receiptd "$@" --listen 127.0.0.1:0 ;;
    *) command receiptd "$@" ;;
    esac
}
cargo() {
    [[ $* == 'run --release -- '* ]] || { echo "cargo $*: what is that?" >&2 && return 1; }
    receiptd "${@:4}"
}
sudo() { "$@"; }
adduser() { [ "$*" = 'alice receiptd' ]; }
newgrp() { [ "$*" = receiptd ]; }
# Nobody is called receiptd here.
install() {
    local words=()
    while [ $# -gt 0 ]; do
        case $1 in -o | -g) shift ;; *) words+=("$1") ;; esac
        shift
    done
    command install "${words[@]}"
}
systemctl() {
    local verb=$1
    case "$*" in
    'enable --now receiptd'* | 'start receiptd' | 'restart receiptd') verb=${verb/enable/start} ;;
    'stop receiptd.socket receiptd.service' | 'status receiptd') ;;
    'start receiptd-backup') bash "$REPOSITORY/deploy/backup" "$ROOT/var/backups/receiptd" && return ;;
    *) echo "systemctl $*: what is that?" >&2 && return 1 ;;
    esac
    case $verb in
    status) receiptd healthcheck ;;
    stop | restart) kill "$DAEMON" && wait "$DAEMON" && DAEMON= ;;&
    start | restart)
        [ -z "${DAEMON:-}" ] || return 0
        (receiptd serve) >>"$ROOT/stage/daemon.out" 2>&1 &
        DAEMON=$!
        ready $DAEMON
        ;;
    esac
}
journalctl() { cat "$ROOT/stage/daemon.out"; }

# Waits for what a command brings about.
await() { await_within 600 "$@" || { echo "it never came to that: $*" >&2 && return 1; }; }
await_within() { # so many looks, a command
    local looks
    for looks in $(seq "$1"); do
        ! "${@:2}" >/dev/null 2>&1 || return 0
        sleep 0.05
    done
    return 1
}
# Whether the daemon is ready, by its process id. Its sockets take callers before it does: they would wait.
ready() { await gone_or_ready "$1" && kill -0 "$1"; }
gone_or_ready() { ! kill -0 "$1" || timeout 1 receiptd healthcheck; }

# A block with this machine's ports and folders.
words_of() {
    # One in the folder goes before that of the package.
    [ ! -e receiptd.toml ] || unset RECEIPTD_CONFIG
    sed -E -e "s/\b(127\.0\.0\.1|localhost):8080\b/127.0.0.1:$PUBLIC/g" -e "s/\b(127\.0\.0\.1|localhost):8081\b/127.0.0.1:$PRIVATE/g" \
        -e "s/\b(127\.0\.0\.1|localhost):8090\b/127.0.0.1:$SANDBOX/g" -e "s#/(etc|var/lib|var/backups)/receiptd#$ROOT&#g" \
        "$ROOT/stage/$1.block" >"$ROOT/stage/$1.words"
    [ -s "$ROOT/stage/$1.words" ]
}
foreground() {
    PLACE=$2
    words_of "$1"
    source "$ROOT/stage/$1.words" >"$ROOT/stage/$1.out"
}
# A program in another language: its interpreter, number, place.
program() {
    local interpreter=(python3 -)
    [ "$1" = python3 ] || interpreter=("$NODE" --input-type=module -)
    PLACE=$3
    words_of "$2"
    "${interpreter[@]}" <"$ROOT/stage/$2.words" >"$ROOT/stage/$2.out" 2>&1
}
# Goes on by itself, as in a terminal of its own; it is awaited until it has begun, and must still run at the end.
background() {
    PLACE=$2
    words_of "$1"
    (source "$ROOT/stage/$1.words") >"$ROOT/stage/$1.out" 2>&1 &
    BACKGROUND+=($!)
    if grep -q 'receiptd sandbox' "$ROOT/stage/$1.words"; then
        await grep -q 'http://127' "$ROOT/stage/$1.out"
        SANDBOX=$(grep -oE -m1 'http://127.0.0.1:[0-9]+' "$ROOT/stage/$1.out" | head -1 | grep -oE '[0-9]+$')
    elif grep -q 'receiptd serve' "$ROOT/stage/$1.words"; then
        ready ${BACKGROUND[-1]}
    else
        await test -s "$ROOT/stage/$1.out"
    fi
}
# What a command before it has brought about may be on its way, so a query is repeated until it finds something.
query() { # number, place, may-be-empty
    PLACE=$2
    words_of "$1"
    ask "$1"
    [ "${3:-}" = may-be-empty ] || await_within 100 found "$1" || { echo "$PLACE: the query found nothing" >&2 && return 1; }
}
ask() { sqlite3 -readonly -bail "$ROOT/var/lib/receiptd/receiptd.db" <"$ROOT/stage/$1.words" >"$ROOT/stage/$1.out"; }
found() { ask "$1" && [ -s "$ROOT/stage/$1.out" ]; }

# What the package brings.
stage_empty() {
    mkdir -p "$ROOT/var/backups/receiptd" "$ROOT/var/lib/receiptd" "$ROOT/etc/receiptd" "$ROOT/work"
    cp "$REPOSITORY/deploy/debian/receiptd.toml" "$ROOT/stage/package.block"
    words_of package
    cp "$ROOT/stage/package.words" "$ROOT/etc/receiptd/receiptd.toml"
    export RECEIPTD_CONFIG=$ROOT/etc/receiptd/receiptd.toml
    cd "$ROOT/work"
}
# What docs/getting-started.md makes of it.
stage_running() {
    stage_empty
    echo 'receiptd sandbox --failing 30% --codes 22 --seed 3' >"$ROOT/stage/sandbox.block"
    background sandbox 'the sandbox'
    sed -i -e "s|^# public_url = .*|public_url = \"http://127.0.0.1:$PUBLIC\"|" \
        -e "s|^\[provider\]|&\nbase_url = \"http://127.0.0.1:$SANDBOX\"|" "$RECEIPTD_CONFIG"
    (umask 077 && echo sandbox-key >"$ROOT/etc/receiptd/provider.key")
    systemctl start receiptd
}

strike() {
    kill "${BACKGROUND[@]}" ${DAEMON:-} 2>/dev/null || true
    wait
}
curtain() {
    PLACE='the end'
    local running
    for running in "${BACKGROUND[@]}" ${DAEMON:-}; do
        kill -0 "$running" || { echo 'what runs in the background has ended' >&2 && return 1; }
    done
}
