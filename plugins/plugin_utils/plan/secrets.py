# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where secret values come from: the `kamal_secrets` variable, then the `.kamal/secrets` files of the project."""

from __future__ import annotations

import os
import re
from typing import Dict, Iterable, List, Mapping, Optional

from ...module_utils._errors import SecretError

DEFAULT_PATH = ".kamal/secrets"
_LINE = re.compile(r"^\s*(?:export\s+)?(?P<name>[A-Za-z0-9_.]+)\s*[=:]\s*(?P<value>.*)$", re.DOTALL)
_REFERENCE = re.compile(r"\\\$|\$(?:\{(\w+)\}|(\w+))")


def files(project_root: str, secrets_path: str, destination: Optional[str]) -> List[str]:
    """The files that count, in the order in which they are read. With a destination the plain one does not."""
    base = os.path.join(project_root, secrets_path)
    return [f"{base}-common", f"{base}.{destination}" if destination else base]


class Secrets:
    """Secret values by name."""

    def __init__(self, given: Mapping[str, str], paths: Iterable[str], environ: Mapping[str, str]) -> None:
        self._paths = list(paths)
        self._values: Dict[str, str] = {}
        for path in self._paths:
            if os.path.exists(path):
                self._values.update(_read(path, environ))
        self._values.update(given)

    def require(self, names: Iterable[str]) -> None:
        """All of `names` have a value, or one error that lists those that have not."""
        missing = sorted(set(names) - set(self._values))
        if missing:
            raise SecretError(
                f"No value for the secret{'s' if len(missing) > 1 else ''} {', '.join(missing)}. "
                f"Add NAME=value to {' or '.join(self._paths)}, or set it in the variable kamal_secrets."
            )

    def values(self, wanted: Mapping[str, str]) -> Dict[str, str]:
        """The value of each variable of `wanted` (variable name to secret name)."""
        self.require(wanted.values())
        return {name: self._values[source] for name, source in wanted.items()}

    def __getitem__(self, name: str) -> str:
        self.require([name])
        return self._values[name]


def _read(path: str, environ: Mapping[str, str]) -> Dict[str, str]:
    try:
        with open(path, encoding="utf-8") as source:
            lines = source.read().replace("\r\n", "\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SecretError(f"Cannot read the secrets file {path}: {error}") from error
    values: Dict[str, str] = {}
    number = 0
    while number < len(lines):
        number = _entry(lines, number, path, values, environ)
    return values


def _entry(lines: List[str], number: int, path: str, values: Dict[str, str], environ: Mapping[str, str]) -> int:
    """Read the entry at line index `number` into `values`; returns the index of the line after it."""
    line = lines[number]
    if not line.strip() or line.lstrip().startswith("#"):
        return number + 1
    matched = _LINE.match(line)
    if not matched:
        raise SecretError(f"{path}:{number + 1}: expected NAME=value.")
    raw, after = matched["value"].strip(), number + 1
    quote = raw[:1] if raw[:1] in ("'", '"') else ""
    if quote:
        while not _closing(raw, quote):
            if after == len(lines):
                raise SecretError(f"{path}:{number + 1}: the quote of {matched['name']} is never closed.")
            raw, after = f"{raw}\n{lines[after]}", after + 1
    values[matched["name"]] = _value(raw, quote, f"{path}:{number + 1}", {**environ, **values})
    return after


def _closing(raw: str, quote: str) -> int:
    """Where the quote that opens `raw` closes, or 0."""
    found = re.compile(r"(?<!\\)" + quote).search(raw, 1) if quote == '"' else re.compile(quote).search(raw, 1)
    return found.start() if found else 0


def _value(raw: str, quote: str, where: str, known: Mapping[str, str]) -> str:
    if quote == "'":
        return raw[1 : _closing(raw, quote)]
    value = raw[1 : _closing(raw, quote)] if quote else re.split(r"\s*#", raw, maxsplit=1)[0]
    if re.search(r"(?<!\\)\$\(", value):
        raise SecretError(
            f"{where}: command substitution $(…) in a secrets file is not run. "
            "Set this secret in the variable kamal_secrets, for example with a lookup or from Ansible Vault."
        )
    if quote:
        value = value.replace('\\"', '"')
    return _REFERENCE.sub(lambda found: known.get(found[1] or found[2], "") if found[0] != "\\$" else "$", value)
