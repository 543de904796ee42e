# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Environment variables: the forms of the `env` section of a configuration, and how sections merge."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, Mapping, Tuple

COMPLEX_KEYS = ("clear", "secret", "tags")


@dataclass(frozen=True)
class Env:
    """Clear values by name, and for each secret variable the name of the secret that it takes its value from."""

    clear: Mapping[str, str] = field(default_factory=dict)
    secret: Mapping[str, str] = field(default_factory=dict)

    def merged(self, other: Env) -> Env:
        """Both together; where they disagree `other` wins."""
        return Env({**self.clear, **other.clear}, {**self.secret, **other.secret})

    def needed(self) -> Dict[str, str]:
        """The secret variables that reach the container: a clear value of the same name beats a secret."""
        return {name: source for name, source in self.secret.items() if name not in self.clear}


def read(section: Mapping[str, Any]) -> Env:
    """An `env` section, flat (all clear) or with `clear` and `secret`."""
    if not any(key in section for key in COMPLEX_KEYS):
        return Env(clear=_texts(section))
    return Env(
        clear=_texts(section.get("clear") or {}),
        secret=dict(secret_source(entry) for entry in section.get("secret") or ()),
    )


def for_host(root: Mapping[str, Any], role: Mapping[str, Any], tags: Iterable[str]) -> Env:
    """What a role's container gets on a host: root, then role, then the host's tags in their order there."""
    env = read(root).merged(read(role))
    definitions = root.get("tags") or {}
    for tag in tags:
        env = env.merged(read(definitions.get(tag) or {}))
    return env


def secret_source(entry: str) -> Tuple[str, str]:
    """`NAME` or `NAME:SOURCE`, split at the first colon."""
    name, _colon, source = str(entry).partition(":")
    return name, source or name


def text(value: Any) -> str:
    """A YAML scalar as a container sees it."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _texts(values: Mapping[str, Any]) -> Dict[str, str]:
    return {str(name): text(value) for name, value in values.items()}
