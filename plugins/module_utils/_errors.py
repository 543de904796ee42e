# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Everything that can go wrong, in words for the person who reads it.

CaravanError
├── ConfigError      the configuration is wrong; carries every problem that was found
├── PlanError        a part of the plan has not the shape that is expected here
├── SecretError      a secret is missing or a secrets file cannot be read
├── HookError        a hook of the project failed, cannot be started, or took too long
├── VersionError     no version could be found for the release
├── BuildError       the image could not be built or pushed
├── EngineError      the Docker engine cannot be reached, or refused a call
│   ├── ImageError   an image is missing, denied, or not one of this service
│   │   └── LoginError  a registry wants a login, or another one
│   ├── PortError    a port on the host is taken
│   └── CutShortError  what it gave out ends too early
├── FileError        a file on a host cannot be read or written
├── ProxyError       kamal-proxy refused a command
│   └── StateError   what it has written down of its routes cannot be read
├── HealthError      a new container did not become healthy; carries what it said
├── CommandError     a command in a container, or on a host, ended with an error
├── LockError        somebody else holds the deploy lock
└── RollbackError    there is nothing to go back to

A message says what happened, where (file and line, key path, or host) and what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Sequence


class CaravanError(Exception):
    """Base of all errors that are shown to people; `details` goes into the module's result."""

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a configuration, at one place."""

    message: str
    key_path: str = ""
    where: str = ""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.key_path, self.message) if part)


class ConfigError(CaravanError):
    """All the problems of a configuration at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class PlanError(CaravanError):
    pass


class SecretError(CaravanError):
    pass


class HookError(CaravanError):
    pass


class VersionError(CaravanError):
    pass


class BuildError(CaravanError):
    pass


class EngineError(CaravanError):
    pass


class ImageError(EngineError):
    pass


class LoginError(ImageError):
    pass


class PortError(EngineError):
    pass


class CutShortError(EngineError):
    pass


class FileError(CaravanError):
    pass


class ProxyError(CaravanError):
    pass


class StateError(ProxyError):
    pass


class HealthError(CaravanError):
    pass


class AccessoryError(CaravanError):
    pass


class CommandError(CaravanError):
    pass


class LockError(CaravanError):
    pass


class RollbackError(CaravanError):
    pass
