# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a configuration file may reach: the environment, files of the project, dotenv files, commands."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Callable, Dict, Mapping, Sequence, Tuple

from . import dotenv
from .ruby_tokens import Failed
from .ruby_values import to_text

KAMAL_VERSION = "2.12.0"
FORBIDDEN = "SecurityError"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass
class Scope:
    """What an expression can see: variables of the environment, of the file, and the project folder."""

    environ: Dict[str, str]
    project_root: str
    commands: bool = False
    variables: Dict[str, Any] = field(default_factory=dict)


def run_command(scope: Scope, command: str, written: str) -> str:
    """The output of a shell command, where that is allowed. Messages have it as it is written, without any value."""
    if not scope.commands:
        message = f"running the command `{written}` is switched off; -e kamal_erb_commands=true allows it"
        raise Failed(message, FORBIDDEN)
    try:
        process = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=scope.project_root,
            env=scope.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except (OSError, ValueError) as error:
        raise Failed(f"the command `{written}` cannot be run: {error}", "Errno::ENOENT") from error
    if process.returncode:
        raise Failed(f"the command `{written}` failed with exit code {process.returncode}: {process.stderr.strip()}")
    return process.stdout


# Files


def expanded(scope: Scope, path: Any, folder: Any = None) -> str:
    """An absolute path; relative ones are below the folder, or below the project's."""
    base = os.path.join(scope.project_root, os.path.expanduser(to_text(folder)))
    return os.path.normpath(os.path.join(base, os.path.expanduser(to_text(path))))


def read(scope: Scope, path: Any) -> str:
    whole = expanded(scope, path)
    try:
        with open(whole, encoding="utf-8", newline="") as stream:
            return stream.read()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Failed(f"the file {whole} cannot be read: {reason}", "Errno::ENOENT") from error


def exists(scope: Scope, path: Any) -> bool:
    try:
        return os.path.exists(expanded(scope, path))
    except ValueError:
        return False


def joined(_scope: Scope, *parts: Any) -> str:
    return re.sub(r"/{2,}", "/", "/".join(to_text(part) for part in parts))


def load_dotenv(scope: Scope, names: Sequence[Any], must_exist: bool = False) -> None:
    """Variables of dotenv files; what is set already stays, as with Ruby's Dotenv.load."""
    for name in names or (".env",):
        if not exists(scope, name) and not must_exist:
            continue
        try:
            parsed = dotenv.parse(read(scope, name), scope.environ, partial(_output, scope), True)
        except dotenv.DotenvError as error:
            raise Failed(f"{to_text(name)}:{error.line}: {error.message}") from error
        for key, entry in parsed.entries.items():
            set_variable(scope, key, entry.text, keep=True)


def _output(scope: Scope, command: str, _line: int, _known: dotenv.Known) -> dotenv.Output:
    return dotenv.Output(run_command(scope, command, command).rstrip("\n"))


# The environment


def variable(scope: Scope, name: Any) -> Any:
    return scope.environ.get(to_text(name))


def set_variable(scope: Scope, name: Any, value: Any, keep: bool = False) -> Any:
    key, text = to_text(name), to_text(value)
    if not key or "=" in key or "\0" in key:
        raise Failed(f"{key!r} cannot be the name of a variable of the environment")
    if "\0" in text:
        raise Failed(f"the value of {key} has a character that no variable of the environment may have (\\0)")
    if value is None:
        scope.environ.pop(key, None)
    elif not (keep and key in scope.environ):
        scope.environ[key] = text
    return value


def fetch(scope: Scope, name: Any, *default: Any) -> Any:
    value = variable(scope, name)
    if value is None and not default:
        raise Failed(
            f"the environment variable {to_text(name)} is not set; export it, or give a default: "
            f'ENV.fetch("{to_text(name)}", "value")',
            "KeyError",
        )
    return default[0] if value is None else value


def docker_arch(_scope: Scope) -> str:
    """The architecture of this machine as Docker names it. Kamal asks the Docker engine of this machine."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


# Functions by the constant and the name they are called with, each with the least and the most number of arguments.
FUNCTIONS: Mapping[str, Tuple[Callable[..., Any], int, int]] = {
    "Dir.pwd": (lambda scope: scope.project_root, 0, 0),
    "Dotenv.load": (lambda scope, *names: load_dotenv(scope, names), 0, 99),
    "Dotenv.load!": (lambda scope, *names: load_dotenv(scope, names, must_exist=True), 0, 99),
    "ENV.[]": (variable, 1, 1),
    "ENV.fetch": (fetch, 1, 2),
    "ENV.has_key?": (lambda scope, name: variable(scope, name) is not None, 1, 1),
    "ENV.include?": (lambda scope, name: variable(scope, name) is not None, 1, 1),
    "ENV.key?": (lambda scope, name: variable(scope, name) is not None, 1, 1),
    "File.basename": (lambda scope, path: os.path.basename(to_text(path).rstrip("/")), 1, 1),
    "File.dirname": (lambda scope, path: os.path.dirname(to_text(path).rstrip("/")) or ".", 1, 1),
    "File.exist?": (exists, 1, 1),
    "File.expand_path": (expanded, 1, 2),
    "File.file?": (lambda scope, path: exists(scope, path) and os.path.isfile(expanded(scope, path)), 1, 1),
    "File.join": (joined, 1, 99),
    "File.read": (read, 1, 1),
    "IO.read": (read, 1, 1),
    "Kamal::Utils.docker_arch": (docker_arch, 0, 0),
}
CONSTANTS: Mapping[str, Any] = {"true": True, "false": False, "nil": None, "Kamal::VERSION": KAMAL_VERSION}
