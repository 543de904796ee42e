#!/usr/bin/env bash
# The unit tests. What Ruby makes of a configuration is compared with what the collection makes of it, so they bring Ruby.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v ruby >/dev/null; then
    tools/packages.sh ruby >/dev/null 2>&1 || true
fi

exec .venv/bin/python -m pytest tests/unit -q -rs -n auto
