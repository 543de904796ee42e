# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The last lines that a service logged on a host, role by role."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, Optional, Sequence, TypeVar

from .._durations import moment, pattern
from .._errors import ConfigError, Problem
from .._host.engine import Container, Engine
from .._names import Names, is_staged, role_of
from .info import current, of_roles

DEFAULT_LINES = 100
T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """Which lines are wanted: so many of the last ones, since a moment in Unix seconds, that match a pattern."""

    lines: Optional[int]
    start: Optional[int]
    pattern: Optional[re.Pattern[str]]

    @classmethod
    def of(cls, lines: Optional[int], since: Optional[str], grep: Optional[str]) -> Limits:
        """As an operator says it."""
        limit = lines or (None if since or grep else DEFAULT_LINES)
        start = _understood("since", since, lambda word: moment(word, time.time())) if since else None
        return cls(limit, start, _understood("grep", grep, pattern) if grep else None)


def read(
    engine: Engine, names: Names, roles: Sequence[str], lines: Optional[int], since: Optional[str], grep: Optional[str]
) -> Dict[str, Any]:
    """By role: the container that runs, or else the newest one, with its lines. Without any limit the last 100."""
    limits = Limits.of(lines, since, grep)
    chosen = _chosen(of_roles(engine.containers(*names.filters), names, roles))
    return {
        role: _read(engine, container.id, container.name, container.state, limits) for role, container in chosen.items()
    }


def read_named(
    engine: Engine, containers: Sequence[str], lines: Optional[int], since: Optional[str], grep: Optional[str]
) -> Dict[str, Any]:
    """By name, as far as they are there."""
    limits = Limits.of(lines, since, grep)
    found = {name: engine.inspect(name) for name in containers}
    return {
        name: _read(engine, name, name, container["State"]["Status"], limits)
        for name, container in found.items()
        if container
    }


def _read(engine: Engine, container: str, name: str, state: str, limits: Limits) -> Dict[str, Any]:
    wanted, limit = limits.pattern, limits.lines
    text = engine.logs(container, None if wanted else limit, limits.start, timestamps=True).splitlines()
    matching = [line for line in text if wanted is None or wanted.search(line)]
    return {"container": name, "state": state, "lines": matching[-limit:] if limit else matching}


def _chosen(containers: Sequence[Container]) -> Dict[str, Container]:
    """Newest first, so the last one that is written for a role is the newest; a running one wins."""
    ran = [container for container in containers if not is_staged(container.name)]
    newest = {role_of(container.labels): container for container in reversed(ran)}
    return dict(sorted({**newest, **current(ran, None)}.items()))


def _understood(option: str, word: str, read: Callable[[str], T]) -> T:
    try:
        return read(word)
    except ValueError as error:
        raise ConfigError([Problem(str(error), option)]) from error
