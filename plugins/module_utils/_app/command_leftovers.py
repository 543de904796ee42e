# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Containers of commands whose run was killed: none of those that another run is at work with, or a person sits in."""

from __future__ import annotations

import contextlib
import fcntl
import time
from functools import partial
from typing import Iterator, List

from .._host import files
from .._host.changes import Changes
from .._host.engine import RUNNING, Container, Engine
from .._names import exec_lock

# By this label they are found; its value is the name of the container that they are like.
LABEL = "caravan.exec"
# Until so many seconds after it was made a person may be about to start the one that waits for a terminal.
LEFT_AFTER = 3600


@contextlib.contextmanager
def none_of(engine: Engine, container: str) -> Iterator[None]:
    """The container is made in here, and gone afterwards. A run that is killed leaves it to the next."""
    with _held(container):
        try:
            yield
        finally:
            _remove(engine, container)


def remove(engine: Engine, changes: Changes, like: str, after: int = LEFT_AFTER) -> List[str]:
    """Also what still runs goes: nobody would read what it writes. `after`: how old one is that waits for a person.

    Returns the names of those that go.
    """
    left = [each.name for each in engine.containers(f"{LABEL}={like}") if _is_left(each, after)]
    for name in left:
        changes.do(f"remove container {name}", partial(_remove, engine, name))
    return left


def _is_left(container: Container, after: int) -> bool:
    if not files.exists(exec_lock(container.name)):
        return container.state not in RUNNING and time.time() - container.created > after
    try:
        with _held(container.name):
            return True
    except BlockingIOError:
        return False


def _remove(engine: Engine, container: str) -> None:
    engine.remove(container, volumes=True)
    files.remove(exec_lock(container))


@contextlib.contextmanager
def _held(container: str) -> Iterator[None]:
    """Its run is at work while this lasts, however that ends. BlockingIOError if another one is."""
    with files.kept_open(exec_lock(container)) as handle:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
