#!/usr/bin/env bash
# Makes .venv hold what requirements-dev.txt asks for. Silent when it already does.
set -euo pipefail
cd "$(dirname "$0")/.."

want="$(cat requirements.txt requirements-dev.txt)"
have="$(cat .venv/requirements 2>/dev/null || true)"
if [ "$want" = "$have" ] && .venv/bin/python -c '' 2>/dev/null; then
    exit 0
fi

find_python() {
    local candidate
    for candidate in "${PYTHON:-python3.11}" python3.11 python3.12 python3.13 python3; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    echo "Python 3.11, 3.12 or 3.13 is needed to make .venv: install one, or name it with PYTHON=/path/to/python." >&2
    return 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Debian and Ubuntu ship Python without what venv needs.
install_venv_module() {
    local package
    package="python$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    echo "Installing $package"
    as_root apt-get -qq update
    DEBIAN_FRONTEND=noninteractive as_root apt-get -qq -y install "$package"
}

if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python="$(find_python)"
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        log="$(mktemp)"
        if ! install_venv_module "$python" >"$log" 2>&1; then
            cat "$log" >&2
            exit 1
        fi
        rm "$log"
    fi
    echo "Making .venv with $python"
    rm -rf .venv
    "$python" -m venv .venv
fi

echo "Installing requirements-dev.txt into .venv"
.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
echo "$want" >.venv/requirements
