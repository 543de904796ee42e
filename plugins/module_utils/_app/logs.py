# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The last lines that a service logged on a host, role by role."""

from __future__ import annotations

import shlex
import subprocess
import time
from dataclasses import dataclass
from functools import partial
from typing import Any, Callable, Dict, List, Optional, Sequence, TypeVar

from .._durations import moment, pattern
from .._errors import ConfigError, Problem
from .._host.engine import Container, Engine
from .._names import Names, is_staged, role_of
from .info import current, of_roles

DEFAULT_LINES = 100
T = TypeVar("T")
Choice = Callable[[Sequence[str]], List[str]]


@dataclass(frozen=True)
class Limits:
    """Which lines are wanted: so many of the last ones, since a moment in Unix seconds, chosen by what is in them; and
    whether with their times."""

    lines: Optional[int]
    start: Optional[int]
    chosen: Optional[Choice]
    timestamps: bool = True

    @classmethod
    def of(
        cls,
        lines: Optional[int] = None,
        since: Optional[str] = None,
        grep: Optional[str] = None,
        grep_options: str = "",
        timestamps: bool = True,
    ) -> Limits:
        """As an operator says it. Without any limit the last 100."""
        limit = lines or (None if since or grep else DEFAULT_LINES)
        start = _understood("since", since, lambda word: moment(word, time.time())) if since else None
        return cls(limit, start, _choice(grep, grep_options) if grep else None, timestamps)


def _choice(grep: str, options: str) -> Choice:
    if options:
        return partial(_by_grep, [*_understood("grep_options", options, shlex.split), "-e", grep])
    wanted = _understood("grep", grep, pattern)
    return lambda lines: [line for line in lines if wanted.search(line)]


def _by_grep(words: List[str], lines: Sequence[str]) -> List[str]:
    """What the host's grep makes of the lines. That none matches is its code 1."""
    text = "".join(f"{line}\n" for line in lines)
    done = subprocess.run(["grep", *words], input=text, capture_output=True, check=False, encoding="utf-8")
    if done.returncode > 1:
        raise ConfigError([Problem(done.stderr.strip(), "grep_options")])
    return done.stdout.splitlines()


def read(engine: Engine, names: Names, roles: Sequence[str], limits: Limits) -> Dict[str, Any]:
    """By role: the container that runs, or else the newest one, with its lines."""
    chosen = _chosen(of_roles(engine.containers(*names.filters), names, roles))
    return {
        role: _read(engine, container.id, container.name, container.state, limits) for role, container in chosen.items()
    }


def read_named(engine: Engine, containers: Sequence[str], limits: Limits) -> Dict[str, Any]:
    """By name; one that is not there is `absent`."""
    found = {name: engine.inspect(name) for name in containers}
    return {
        name: _read(engine, name, name, container["State"]["Status"], limits) if container else _absent(name)
        for name, container in found.items()
    }


def _absent(name: str) -> Dict[str, Any]:
    return {"container": name, "state": "absent", "lines": []}


def _read(engine: Engine, container: str, name: str, state: str, limits: Limits) -> Dict[str, Any]:
    chosen, limit = limits.chosen, limits.lines
    text = engine.logs(container, None if chosen else limit, limits.start, limits.timestamps).splitlines()
    matching = chosen(text) if chosen else text
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
