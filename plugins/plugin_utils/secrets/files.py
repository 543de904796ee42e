# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A file of secrets: what it says once the commands in it have run.

The files are written in dotenv's grammar. Stricter than there: a quote is closed, a command succeeds, and a secret that
is needed has a value, as has every variable that it is made of.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Dict, Mapping, Tuple

from ...module_utils._errors import SecretError
from ..config import dotenv
from .commands import Commands


@dataclass(frozen=True)
class Secret:
    """A value, where it is written (`file:line`, or the variable), and what keeps it from being of use."""

    value: str
    where: str
    unset: Tuple[str, ...] = ()
    failures: Tuple[str, ...] = ()


@dataclass(frozen=True)
class File:
    """`ignored` are the places of lines that are not of the form NAME=value."""

    secrets: Mapping[str, Secret]
    ignored: Tuple[str, ...]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> File:
        secrets = {
            name: Secret(each["value"], each["where"], tuple(each["unset"]), tuple(each["failures"]))
            for name, each in data["secrets"].items()
        }
        return cls(secrets, tuple(data["ignored"]))


def read(path: str, commands: Commands, environ_wins: bool) -> Dict[str, Any]:
    """The file as plain data. `environ_wins` where a variable of the environment comes before the file's."""

    def run(command: str, line: int, known: dotenv.Known) -> dotenv.Output:
        return commands.run(command, f"{path}:{line}", known)

    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            parsed = dotenv.parse(stream.read(), commands.environ, run, environ_wins)
    except (OSError, UnicodeDecodeError) as error:
        raise SecretError(f"Cannot read the secrets file {path}: {error}") from error
    except dotenv.DotenvError as error:
        raise SecretError(f"{path}:{error.line}: {error.message}.") from error
    secrets = {
        name: Secret(entry.text, f"{path}:{entry.line}", entry.unset, entry.failures)
        for name, entry in parsed.entries.items()
    }
    return asdict(File(secrets, tuple(f"{path}:{line}" for line in parsed.ignored)))
