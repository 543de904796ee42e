#!/usr/bin/env bash
# ansible-test sanity, in the copied collection that it insists on. No ignore files: what it finds is to be mended.
set -euo pipefail
cd "$(dirname "$0")/.."

root="$PWD"
ansible_test="$root/.venv/bin/ansible-test"
skipped=()

skip() {
    skipped+=(--skip-test "$1")
    echo "skipped: $1 ($2)"
}

# ansible-test fills its environments with a pip that it downloads. Where that address is out of reach, the pip that
# comes with Python does as well.
provide_pip() {
    local requirements version script
    requirements="$("$root/.venv/bin/python" -c 'import ansible_test._internal as it; print(it.__path__[0])')/python_requirements.py"
    version="$(sed -n "s/^ *pip='\(.*\)',$/\1/p" "$requirements" | head -n 1)"
    script="$HOME/.ansible/test/cache/get_pip_${version//./_}.py"
    if [ -e "$script" ] || can_download "https://ci-files.testing.ansible.com/ansible-test/get-pip-$version.py"; then
        return
    fi
    mkdir -p "$(dirname "$script")"
    cp tests/sanity_pip.py "$script"
}

can_download() {
    "$root/.venv/bin/python" - "$1" <<'PYTHON' 2>/dev/null
import sys
import urllib.request

urllib.request.urlopen(urllib.request.Request(sys.argv[1], method="HEAD"), timeout=5)
PYTHON
}

provide_shellcheck() {
    if ! command -v shellcheck >/dev/null; then
        tools/packages.sh shellcheck
    fi >/dev/null 2>&1 || skip shellcheck "not installed, and apt could not install it"
}

# The folder of a Python that may be here beside the one of .venv.
other_python() {
    local path
    for path in "$HOME/.pyenv/versions/$1".*/bin /usr/local/bin /usr/bin; do
        if [ -x "$path/python$1" ]; then
            echo "$path"
            return
        fi
    done
    return 1
}

sanity() {
    "$ansible_test" sanity --color no "${skipped[@]}" "$@"
}

provide_pip
provide_shellcheck
command -v pwsh >/dev/null || skip pslint "needs PowerShell, and there is none; the collection has no PowerShell either"

.venv/bin/python tools/collection.py
own="$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
cd .cache/collections/ansible_collections/caravan/kamal
sanity --python "$own" --skip-test pylint "$@"
# pylint takes as long as all the others. What Galaxy does not get is left to ruff, and to mypy where mypy.ini names it.
sanity --python "$own" --test pylint --exclude molecule/ --exclude tests/ --exclude tools/ "$@"
# On hosts there may be others; what the oldest and the newest one take, those between them do too.
for version in 3.8 3.13; do
    if [ "$version" = "$own" ]; then
        continue
    elif folder="$(other_python "$version")"; then
        PATH="$folder:$PATH" sanity --python "$version" --test compile --test import "$@"
    else
        echo "skipped: compile and import with Python $version (not installed)"
    fi
done
