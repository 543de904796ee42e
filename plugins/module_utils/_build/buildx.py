# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command line of `docker buildx build`: one table. No value of a build argument or a secret is on it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

# Variables that steer docker itself. As a build argument such a name cannot be handed over by the environment.
STEERING = re.compile(
    "PATH|HOME|USER|TMPDIR|SHELL|SSH_AUTH_SOCK|GODEBUG|GOMAXPROCS|(LD|DYLD|DOCKER|BUILDX|BUILDKIT|COMPOSE|XDG|OTEL)_.*"
)


def _each(value: Any) -> List[str]:
    return [str(item) for item in value]


def _text(value: Any) -> List[str]:
    return [str(value)]


def _joined(value: Any) -> List[str]:
    return [",".join(map(str, value))]


def _pairs(value: Any) -> List[str]:
    return [f"{name}={item}" for name, item in value.items()]


def _arguments(value: Any) -> List[str]:
    """An argument without a value has the one that the environment gives it."""
    return [f"{name}={item}" if STEERING.fullmatch(name) and item is not None else name for name, item in value.items()]


def _secrets(value: Any) -> List[str]:
    """By name the file that holds it."""
    return [f"id={name},src={path}" for name, path in value.items()]


def _true_or_false(value: Any) -> List[str]:
    return [str(value).lower() if isinstance(value, bool) else str(value)]


@dataclass(frozen=True)
class Flag:
    key: str
    flag: str
    words: Callable[[Any], List[str]]


# In Kamal's order.
FLAGS: Tuple[Flag, ...] = (
    Flag("output", "--output", _text),
    Flag("platforms", "--platform", _joined),
    Flag("builder", "--builder", _text),
    Flag("tags", "--tag", _each),
    Flag("cache_to", "--cache-to", _each),
    Flag("cache_from", "--cache-from", _each),
    Flag("labels", "--label", _pairs),
    Flag("args", "--build-arg", _arguments),
    Flag("secrets", "--secret", _secrets),
    Flag("dockerfile", "--file", _text),
    Flag("target", "--target", _text),
    Flag("ssh", "--ssh", _text),
    Flag("provenance", "--provenance", _true_or_false),
    Flag("sbom", "--sbom", _true_or_false),
    Flag("metadata_file", "--metadata-file", _text),
    Flag("progress", "--progress", _text),
)
SWITCHES = (("no_cache", "--no-cache"), ("pull", "--pull"), ("load", "--load"))


def argv(build: Mapping[str, Any], command: Sequence[str] = ("docker", "buildx", "build")) -> List[str]:
    """The command for a build. A key that is missing, null or empty adds nothing; false is a value."""
    words = list(command)
    for flag in FLAGS:
        value = build.get(flag.key)
        if value is not None and value not in ([], {}, ()):
            words += [f"{flag.flag}={word}" for word in flag.words(value)]
    words += [switch for key, switch in SWITCHES if build.get(key)]
    return [*words, str(build["context"])]


def environment(build: Mapping[str, Any]) -> Dict[str, str]:
    """What the command finds the values of build arguments by."""
    arguments = {name: value for name, value in (build.get("args") or {}).items() if value is not None}
    return {name: str(value) for name, value in arguments.items() if not STEERING.fullmatch(name)}
