#!/usr/bin/env bash
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
#
# base.sh IMAGE: makes IMAGE, a Debian trixie with the lab's packages, where no registry is in reach.
set -euo pipefail

image="$1"
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
packages="$here/../../tools/packages.sh"
suite=trixie

fail() {
    printf 'lab base: %s\n' "$1" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

# The mirror this machine itself uses, whatever the format of its sources.
debian_mirror() {
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
        awk -F'|' '$1 == "Debian" && $2 == "Debian" && !seen { print $3; seen = 1 }'
}

command -v apt-get >/dev/null || fail "debian:trixie-slim cannot be pulled and this is no Debian; let this machine reach Docker Hub"
as_root true 2>/dev/null || fail "debootstrap needs root; run as root or allow sudo without a password"
mirror="$(debian_mirror)"
if [ -z "$mirror" ]; then
    "$packages" >/dev/null
    mirror="$(debian_mirror)"
fi
[ -n "$mirror" ] || fail "apt here knows no Debian mirror; let this machine reach Docker Hub for debian:trixie-slim"
command -v debootstrap >/dev/null || "$packages" debootstrap >/dev/null 2>&1 ||
    fail "the package debootstrap could not be installed; install it and run this again"

printf 'lab: no registry in reach; making Debian %s with debootstrap (about 90 s)\n' "$suite"
work="$(mktemp -d)"
log="$(mktemp)"
trap 'as_root rm -rf "$work"' EXIT
include="$(paste -sd, "$here/image/packages")"
if ! as_root debootstrap --variant=minbase --include="$include" "$suite" "$work/root" "$mirror" >"$log" 2>&1; then
    tail -n 3 "$log" >&2
    fail "debootstrap failed; its log is $log"
fi
as_root tar -C "$work/root" --exclude=./var/cache/apt --exclude=./var/lib/apt/lists \
    --exclude='./usr/share/doc/*' --exclude='./usr/share/locale/*' --exclude='./usr/share/man/*' -c . |
    docker import - "$image" >/dev/null
rm -f "$log"
