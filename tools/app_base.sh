#!/usr/bin/env bash
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
#
# Makes the base image of examples/hello present in the local engine: pulled where Docker Hub is in reach,
# else made under the same name from this machine's static busybox.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
image="$(awk '$1 == "FROM" { print $2; exit }' "$here/../examples/hello/Dockerfile")"

fail() {
    printf 'app base: %s\n' "$1" >&2
    exit 1
}

static_busybox() {
    local busybox
    busybox="$(command -v busybox)" && ! ldd "$busybox" >/dev/null 2>&1 && printf '%s' "$busybox"
}

import() {
    local busybox="$1" root
    root="$(mktemp -d)"
    mkdir -p "$root"/{bin,etc,tmp,usr/bin}
    chmod 755 "$root"
    chmod 1777 "$root/tmp"
    cp "$busybox" "$root/bin/busybox"
    for applet in $("$busybox" --list); do
        [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
    done
    ln -s /bin/env "$root/usr/bin/env"
    printf 'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$root/etc/passwd"
    printf 'root:x:0:\nnobody:x:65534:\n' >"$root/etc/group"
    tar -C "$root" --owner=0 --group=0 -c . | docker import --change 'CMD ["sh"]' - "$image" >/dev/null
    rm -rf "$root"
}

main() {
    docker image inspect "$image" >/dev/null 2>&1 && return
    timeout 120 docker pull -q "$image" >/dev/null 2>&1 && return
    static_busybox >/dev/null || "$here/packages.sh" busybox-static >/dev/null 2>&1 || true
    local busybox
    busybox="$(static_busybox)" ||
        fail "$image cannot be pulled and there is no static busybox; install the package busybox-static or let this machine reach Docker Hub"
    import "$busybox"
    printf 'app base: %s made from %s\n' "$image" "$busybox"
}

main "$@"
