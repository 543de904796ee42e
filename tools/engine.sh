#!/usr/bin/env bash
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
#
# Makes a Docker engine answer on this machine. One that already answers is used as it is.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cache="$(dirname "$here")/.cache/engine"
patience=60
socket=/var/run/docker.sock
PATH="$PATH:/usr/sbin:/sbin"

fail() {
    printf 'engine: %s\n' "$1" >&2
    exit 1
}

say() {
    printf 'engine: %s\n' "$1"
}

engine_answers() {
    docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif sudo -n true 2>/dev/null; then
        sudo -n "$@"
    else
        fail "no Docker engine answers and this user can neither become root nor use sudo without a password; start Docker and run this again"
    fi
}

may_not_use_it() {
    if [ -S "$socket" ] && [ ! -w "$socket" ]; then
        fail "this user may not use the engine at $socket; add the user to the group docker and log in again"
    fi
}

install_packages() {
    command -v apt-get >/dev/null || fail "no Docker engine here and no apt-get to install one with; install Docker and run this again"
    say "installing docker.io and iptables"
    local log packages=(docker.io iptables)
    log="$(mktemp)"
    "$here/packages.sh" >"$log" 2>&1 || true
    # Newer Debian has the client in a package of its own.
    [ -z "$(apt-cache show docker-cli 2>/dev/null)" ] || packages+=(docker-cli)
    if ! "$here/packages.sh" "${packages[@]}" >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        fail "apt-get could not install docker.io; the full log is $log"
    fi
    rm -f "$log"
}

start_with_systemd() {
    [ -d /run/systemd/system ] && as_root systemctl start docker 2>/dev/null
}

start_by_hand() {
    mkdir -p "$cache"
    rm -f "$cache/pid"
    # setsid and the closed input let the engine outlive this shell, its terminal and its pipes.
    as_root setsid dockerd --pidfile "$cache/pid" </dev/null >"$cache/log" 2>&1 &
    disown
}

wait_for_engine() {
    local deadline=$((SECONDS + patience))
    until engine_answers; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            [ -f "$cache/log" ] && grep -E 'level=(error|fatal)|^failed' "$cache/log" | tail -n 3 >&2
            may_not_use_it
            fail "no engine after ${patience} s; its log is $cache/log (or journalctl -u docker)"
        fi
        sleep 0.3
    done
}

main() {
    engine_answers && return
    may_not_use_it
    if ! command -v dockerd >/dev/null || ! command -v iptables >/dev/null; then
        install_packages
    fi
    say "starting dockerd"
    start_with_systemd || start_by_hand
    wait_for_engine
    say "Docker $(docker version --format '{{.Server.Version}}') answers"
}

main "$@"
