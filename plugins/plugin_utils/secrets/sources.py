# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where secret values come from: the variable kamal_secrets, the project's `.kamal/secrets` files, at last its `.env`.

A file is read when the first secret is wanted that is not in the variable, and only once in a run: what it says, and
what the commands in it print, all processes of the run keep in their memory.
"""

from __future__ import annotations

import os
import re
from functools import cached_property
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from ...module_utils._errors import ConfigError, Problem, SecretError
from ..forks.memory import OF_THIS_RUN, Memory
from .commands import Commands
from .files import File, Secret, read

VARIABLE = "kamal_secrets"
SHOW = "kamal_secrets_show"
# What Linux hands to a process in one variable, less the room for a name.
LONGEST = 128 * 1024 - 512


def files(project_root: str, secrets_path: str, destination: Optional[str]) -> List[str]:
    """The files that count, in the order in which they are read. With a destination the plain one does not."""
    base = os.path.join(project_root, secrets_path)
    return [f"{base}-common", f"{base}.{destination}" if destination else base]


def last_resorts(project_root: str, destination: Optional[str]) -> List[str]:
    """The files that are asked for what no other source has, in the order in which they are read."""
    base = os.path.join(project_root, ".env")
    return [base, f"{base}.{destination}"] if destination else [base]


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


_FLAWS: Sequence[Tuple[Callable[[str], bool], str]] = (
    (lambda value: "\0" in value, "has a NUL character, which no environment variable can hold"),
    (lambda value: not _is_text(value), "is no UTF-8 text; give it as base64, for example"),
    (
        lambda value: len(value.encode("utf-8", "surrogateescape")) > LONGEST,
        "is longer than 127 KiB, more than an environment variable can hold",
    ),
)


class Secrets:
    """Secret values by name. `variable` is kamal_secrets, `commands` runs what stands in `$(…)`."""

    def __init__(
        self,
        variable: Mapping[str, Any],
        paths: Sequence[str],
        commands: Commands,
        env_files: Sequence[str] = (),
        memory: Memory = OF_THIS_RUN,
    ) -> None:
        self._paths, self._env_paths = list(paths), list(env_files)
        self._commands, self._memory = commands, memory
        self._variable = dict(_of_variable(variable))

    @cached_property
    def _files(self) -> List[File]:
        return self._read(self._paths, environ_wins=False)

    @cached_property
    def _env_files(self) -> List[File]:
        return self._read(self._env_paths, environ_wins=True)

    def _read(self, paths: Iterable[str], environ_wins: bool) -> List[File]:
        return [self._file(path, environ_wins) for path in paths if os.path.exists(path)]

    def _file(self, path: str, environ_wins: bool) -> File:
        return File.of(self._memory.once(f"secrets {path}", lambda: read(path, self._commands, environ_wins)))

    def _find(self, name: str) -> Optional[Secret]:
        if name in self._variable:
            return self._variable[name]
        found = next((file.secrets[name] for file in reversed(self._files) if name in file.secrets), None)
        return found or self._last_resort(name)

    def _last_resort(self, name: str) -> Optional[Secret]:
        return next((file.secrets[name] for file in reversed(self._env_files) if name in file.secrets), None)

    @property
    def places(self) -> Dict[str, str]:
        """Where each secret is written, by its name. What lies in an `.env` may be anything."""
        known = [*(file.secrets for file in self._files), self._variable]
        return {name: secret.where for secrets in known for name, secret in secrets.items()}

    @property
    def without_value(self) -> Dict[str, str]:
        """Those that have none of use, whatever commands print that did not run; and why, without a word of a value."""
        reasons = {name: _shown_reason(name, self._find(name)) for name in self.places}
        return {name: reason for name, reason in reasons.items() if reason}

    def require(self, names: Iterable[str]) -> None:
        """All of `names` have a value, or one error that lists those that have not, and why."""
        wanted = {name: self._find(name) for name in sorted(set(names))}
        reasons = [*_failures(wanted), *_reasons(wanted), *self._missing([name for name in wanted if not wanted[name]])]
        if reasons:
            raise SecretError("\n".join(reasons))

    def _missing(self, names: Sequence[str]) -> Iterator[str]:
        if not names:
            return
        yield (
            f"No value for the secret{_s(names)} {', '.join(names)}. "
            f"Add NAME=value to {' or '.join(self._paths)}, or set it in the variable {VARIABLE}."
        )
        ignored = [place for file in self._files for place in file.ignored]
        if ignored:
            yield f"Not of the form NAME=value, and passed over: {', '.join(ignored)}."

    def notices(self, names: Iterable[str]) -> List[str]:
        """What a person should know of where these come from."""
        found = {name: self._find(name) for name in sorted(set(names))}
        by_file: Dict[str, List[str]] = {}
        for name, secret in found.items():
            path = secret.where.rpartition(":")[0] if secret else ""
            if path in self._env_paths:
                by_file.setdefault(path, []).append(name)
        return [
            f"{', '.join(there)} come{'' if len(there) > 1 else 's'} from {path}, where secrets are looked for last. "
            f"Move {'them' if len(there) > 1 else 'it'} to {self._paths[-1]}, or set the variable {VARIABLE}."
            for path, there in by_file.items()
        ]

    def values(self, wanted: Mapping[str, str]) -> Dict[str, str]:
        """The value of each variable of `wanted` (variable name to secret name)."""
        self.require(wanted.values())
        return {name: self[source] for name, source in wanted.items()}

    def everything(self) -> Dict[str, str]:
        """All that the variable and the secrets files have a value for, needed or not."""
        found = {name: secret for file in self._files for name, secret in file.secrets.items()}
        found.update(self._variable)
        usable = {name: secret for name, secret in found.items() if not (secret.failures or secret.unset)}
        return {
            name: each.value for name, each in usable.items() if not any(flaw(each.value) for flaw, _what in _FLAWS)
        }

    def __getitem__(self, name: str) -> str:
        self.require([name])
        secret = self._find(name)
        return secret.value if secret else ""


def of_project(
    root: str,
    secrets_path: str,
    destination: Optional[str],
    value: Callable[[str], Any],
    tell: Callable[[str], None],
    memory: Memory = OF_THIS_RUN,
) -> Secrets:
    """The secrets of a project; `value` gives a variable's value, `tell` shows a line for the person."""
    variable = value(VARIABLE)
    if variable is not None and not isinstance(variable, Mapping):
        message = 'expected a map of names to values; as an extra variable: -e \'{"kamal_secrets": {"NAME": "…"}}\''
        raise ConfigError([Problem(message, where=VARIABLE)])
    paths, env_paths = files(root, secrets_path, destination), last_resorts(root, destination)
    return Secrets(variable or {}, paths, Commands.of(root, value, tell), env_paths, memory)


def _failures(wanted: Mapping[str, Optional[Secret]]) -> Iterator[str]:
    """Each command that went wrong once, with all that need it."""
    needs: Dict[str, List[str]] = {}
    for name, secret in wanted.items():
        for failure in secret.failures if secret else ():
            needs.setdefault(failure, []).append(name)
    for failure, names in needs.items():
        yield f"No value for the secret{_s(names)} {', '.join(names)}. {failure}"


def _reasons(wanted: Mapping[str, Optional[Secret]]) -> Iterator[str]:
    for name, secret in wanted.items():
        if not secret or secret.failures:
            continue
        if secret.unset:
            yield f"{secret.where}: {name} refers to {', '.join(secret.unset)}, which is not set here."
        elif not secret.value:
            yield (
                f"{secret.where}: the secret {name} is empty. Give it a value; a variable that is meant "
                "to be empty belongs below env/clear."
            )
        else:
            flaws = ((is_flawed(secret.value), flaw) for is_flawed, flaw in _FLAWS)
            yield from (f"{secret.where}: {name} {flaw}." for is_so, flaw in flaws if is_so)


def _shown_reason(name: str, secret: Optional[Secret]) -> str:
    """What follows a `$` in a password reads like a variable's name as well."""
    if secret and secret.unset and not secret.failures:
        return f"{secret.where}: {name} refers to a variable that is not set here; -e {SHOW}=true says to which."
    return "\n".join(_reasons({name: secret}))


def _of_variable(variable: Mapping[str, Any]) -> Iterator[Tuple[str, Secret]]:
    for name, value in variable.items():
        if not isinstance(name, str) or not name or re.search(r"[\0\n]", name):
            raise SecretError(f"{VARIABLE}: {name!r} cannot be the name of a secret.")
        if isinstance(value, (Mapping, list, tuple)):
            raise SecretError(f"{VARIABLE}: the secret {name} is a map or a list, expected text.")
        text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        yield name, Secret(text, VARIABLE)


def _s(names: Sequence[str]) -> str:
    return "s" if len(names) > 1 else ""
