# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where secret values come from: the `kamal_secrets` variable, then the `.kamal/secrets` files of the project.

The files are written in dotenv's grammar. Stricter than there: a secret that the plan needs has a value, and so has
every variable that it is made of; a quote is closed; no command is run.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple

from ...module_utils._errors import SecretError
from ..config import dotenv

VARIABLE = "kamal_secrets"


def files(project_root: str, secrets_path: str, destination: Optional[str]) -> List[str]:
    """The files that count, in the order in which they are read. With a destination the plain one does not."""
    base = os.path.join(project_root, secrets_path)
    return [f"{base}-common", f"{base}.{destination}" if destination else base]


@dataclass(frozen=True)
class _Secret:
    """A value, where it is written (`file:line`, or the variable), and which variables it refers to are not set."""

    value: str
    where: str
    unset: Tuple[str, ...] = ()


class Secrets:
    """Secret values by name. `variable` is kamal_secrets, `environ` what `$NAME` in a file may refer to."""

    def __init__(self, variable: Mapping[str, Any], paths: Iterable[str], environ: Mapping[str, str]) -> None:
        self._paths = list(paths)
        self._secrets: Dict[str, _Secret] = {}
        self._ignored: List[str] = []
        for path in self._paths:
            if os.path.exists(path):
                self._read(path, environ)
        self._secrets.update(_of_variable(variable))

    def _read(self, path: str, environ: Mapping[str, str]) -> None:
        try:
            with open(path, encoding="utf-8-sig", newline="") as stream:
                parsed = dotenv.parse(stream.read(), environ, _no_command)
        except (OSError, UnicodeDecodeError) as error:
            raise SecretError(f"Cannot read the secrets file {path}: {error}") from error
        except dotenv.DotenvError as error:
            raise SecretError(f"{path}:{error.line}: {error.message}.") from error
        for name, entry in parsed.entries.items():
            self._secrets[name] = _Secret(entry.value, f"{path}:{entry.line}", entry.unset)
            _refuse_nul(f"{path}:{entry.line}: {name}", entry.value)
        self._ignored += [f"{path}:{line}" for line in parsed.ignored]

    def require(self, names: Iterable[str]) -> None:
        """All of `names` have a value, or one error that lists those that have not, and why."""
        wanted = sorted(set(names))
        reasons = list(self._reasons(name for name in wanted if name in self._secrets))
        missing = [name for name in wanted if name not in self._secrets]
        if missing:
            reasons.append(
                f"No value for the secret{'s' if len(missing) > 1 else ''} {', '.join(missing)}. "
                f"Add NAME=value to {' or '.join(self._paths)}, or set it in the variable {VARIABLE}."
            )
            if self._ignored:
                reasons.append(f"Not of the form NAME=value, and passed over: {', '.join(self._ignored)}.")
        if reasons:
            raise SecretError("\n".join(reasons))

    def _reasons(self, names: Iterable[str]) -> Iterator[str]:
        for name in names:
            secret = self._secrets[name]
            if secret.unset:
                yield f"{secret.where}: {name} refers to {', '.join(secret.unset)}, which is not set here."
            elif not secret.value:
                yield (
                    f"{secret.where}: the secret {name} is empty. Give it a value; a variable that is meant "
                    "to be empty belongs below env/clear."
                )

    def values(self, wanted: Mapping[str, str]) -> Dict[str, str]:
        """The value of each variable of `wanted` (variable name to secret name)."""
        self.require(wanted.values())
        return {name: self._secrets[source].value for name, source in wanted.items()}

    def __getitem__(self, name: str) -> str:
        self.require([name])
        return self._secrets[name].value


def _of_variable(variable: Mapping[str, Any]) -> Iterator[Tuple[str, _Secret]]:
    for name, value in variable.items():
        if not isinstance(name, str) or not name or re.search(r"[\0\n]", name):
            raise SecretError(f"{VARIABLE}: {name!r} cannot be the name of a secret.")
        if isinstance(value, (Mapping, list, tuple)):
            raise SecretError(f"{VARIABLE}: the secret {name} is a map or a list, expected text.")
        text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        _refuse_nul(f"{VARIABLE}: {name}", text)
        yield name, _Secret(text, VARIABLE)


def _refuse_nul(where: str, value: str) -> None:
    if "\0" in value:
        raise SecretError(f"{where} has a NUL character, which no environment variable can hold.")


def _no_command(_command: str) -> str:
    message = (
        "command substitution $(…) in a secrets file is not run. Set this secret in the variable "
        f"{VARIABLE}, for example with a lookup or from Ansible Vault"
    )
    raise dotenv.DotenvError(message, 0)
