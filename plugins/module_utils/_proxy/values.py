# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a value of kamal-proxy is read from the configuration and from its state file, and written as a flag."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Callable, Mapping, Optional, Tuple

from .._durations import duration

SECOND = 10**9
_NO_HEADER = re.compile(r"[^A-Za-z0-9!#$%&'*+.^_`|~-]")


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {value!r}")
    return value


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"must be a whole number, not {value!r}")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be text, not {value!r}")
    return value.strip()


def _words(value: Any) -> Tuple[str, ...]:
    """A list, or one text with commas."""
    words = value.split(",") if isinstance(value, str) else value
    if not isinstance(words, (list, tuple)) or not all(isinstance(word, str) for word in words):
        raise ValueError(f"must be a list of texts, not {value!r}")
    return tuple(word.strip() for word in words if word.strip())


def nanoseconds(value: Any) -> int:
    """Seconds in the configuration; kamal-proxy counts nanoseconds."""
    if isinstance(value, str):
        return duration(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
        raise ValueError(f"must be a number of seconds, not {value!r}")
    return round(value * SECOND)


def _path_prefixes(value: Any) -> Tuple[str, ...]:
    return tuple("/" + prefix.strip("/") for prefix in _words(value)) or ("/",)


def _header_names(value: Any) -> Tuple[str, ...]:
    """As Go writes them: a name with a character that no header has stays as it is."""
    return tuple(
        name if _NO_HEADER.search(name) else "-".join(part.capitalize() for part in name.split("-"))
        for name in _words(value)
    )


def _has_tls(value: Any) -> bool:
    return bool(value) if isinstance(value, Mapping) else _boolean(value)


def _is_staging(value: Any) -> bool:
    return bool(value)


def _stored_nanoseconds(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"must be a number of nanoseconds, not {value!r}")
    return value


def show_duration(value: int) -> str:
    """Nanoseconds as Go writes a duration."""
    for unit, size in (("s", SECOND), ("ms", 10**6)):
        if value % size == 0:
            return f"{value // size}{unit}"
    return f"{value}ns"


def _show_boolean(value: bool) -> str:
    return "true" if value else "false"


@dataclass(frozen=True)
class Kind:
    """How a value is read from the configuration, shown as a flag, and read from the state file if that differs."""

    read: Callable[[Any], Any]
    show: Callable[[Any], str] = str
    stored: Optional[Callable[[Any], Any]] = None

    def load(self, value: Any) -> Any:
        return (self.stored or self.read)(value)


BOOLEAN = Kind(_boolean, _show_boolean)
DURATION = Kind(nanoseconds, show_duration, _stored_nanoseconds)
HEADERS = Kind(_header_names)
HOSTS = Kind(_words)
INTEGER = Kind(_integer)
PREFIXES = Kind(_path_prefixes)
STAGING = Kind(_boolean, _show_boolean, _is_staging)
TEXT = Kind(_text)
TLS = Kind(_has_tls, _show_boolean)
