#!/usr/bin/env bash
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
#
# packages.sh [PACKAGE...]: brings apt's lists up to date and installs packages. Calls wait for each other: checks run
# side by side, and apt gives up when it runs already.
set -euo pipefail

cache="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/.cache"

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

mkdir -p "$cache"
exec 9>"$cache/packages.lock"
flock 9
# Another source of this machine may be out of reach.
as_root apt-get update -q || true
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@"
