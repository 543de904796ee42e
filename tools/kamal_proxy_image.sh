#!/usr/bin/env bash
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
#
# Makes the kamal-proxy image present in the local engine: pulled where Docker Hub is in reach, else built from its Go module.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cache="$here/../.cache/kamal_proxy"
module="$here/kamal_proxy"
version="$(awk '$1 == "github.com/basecamp/kamal-proxy" { print $2 }' "$module/go.mod")"
image="basecamp/kamal-proxy:$version"
user=1001

fail() {
    printf 'kamal-proxy image: %s\n' "$1" >&2
    exit 1
}

say() {
    printf 'kamal-proxy image: %s\n' "$1"
}

present() {
    docker image inspect "$image" >/dev/null 2>&1
}

load_from_cache() {
    [ -s "$cache/image-$version.tar" ] && docker load -q -i "$cache/image-$version.tar" >/dev/null 2>&1
}

pull() {
    timeout 300 docker pull -q "$image" >/dev/null 2>&1
}

compile() {
    command -v go >/dev/null ||
        fail "$image cannot be pulled and Go is not installed; install Go 1.21 or newer (it fetches the toolchain it needs) or let this machine reach Docker Hub"
    say "$image cannot be pulled; compiling it (about 30 s)"
    local log="$cache/build.log"
    mkdir -p "$cache/bin"
    if ! (cd "$module" && CGO_ENABLED=0 GOBIN="$cache/bin" GOTOOLCHAIN=auto \
        go install -trimpath -ldflags='-s -w' tool) >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        fail "go could not build kamal-proxy; the log is $log (kamal-proxy wants Go 1.25.5 or newer; Go 1.21 and later fetch it by themselves)"
    fi
}

lay_out() {
    local root="$cache/root"
    rm -rf "$root"
    mkdir -p "$root"/{tmp,etc/ssl/certs,usr/local/bin,home/kamal-proxy/.config/kamal-proxy}
    cp "$cache/bin/kamal-proxy" "$root/usr/local/bin/"
    cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/" 2>/dev/null || true
    printf 'root:x:0:0::/:\nkamal-proxy:x:%s:%s::/home/kamal-proxy:\n' "$user" "$user" >"$root/etc/passwd"
    printf 'root:x:0:\nkamal-proxy:x:%s:\n' "$user" >"$root/etc/group"
    chmod 1777 "$root/tmp"
}

import() {
    local root="$cache/root" archive="$cache/root.tar"
    tar -C "$root" --owner=0 --group=0 --exclude=./home/kamal-proxy -cf "$archive" .
    tar -C "$root" --owner="$user" --group="$user" -rf "$archive" ./home/kamal-proxy
    docker import \
        --change 'LABEL org.opencontainers.image.title=kamal-proxy' \
        --change 'ENV PATH=/usr/local/bin' \
        --change 'USER kamal-proxy:kamal-proxy' \
        --change 'EXPOSE 80 443' \
        --change 'CMD ["kamal-proxy", "run"]' \
        "$archive" "$image" >/dev/null
    rm -rf "$root" "$archive"
}

main() {
    [ -n "$version" ] || fail "no version of kamal-proxy in $module/go.mod"
    if ! present && ! load_from_cache && ! pull; then
        compile
        lay_out
        import
        say "$image built"
    fi
    if [ ! -s "$cache/image-$version.tar" ]; then
        mkdir -p "$cache"
        docker save -o "$cache/image-$version.tar" "$image"
    fi
}

main "$@"
