# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What kamal-proxy is asked: to pause, stop, resume or remove a service, and what it routes."""

from __future__ import annotations

import time
from typing import Callable, Dict, List, Sequence

from .._errors import CutShortError, ProxyError, StateError
from .._host.changes import Changes
from .._host.engine import Engine, Executed
from .._names import PROXY_CONTAINER, PROXY_STATE
from . import errors
from .state import Service, broken, parse
from .values import nanoseconds, show_duration

# kamal-proxy truncates its state file and writes it anew: a reader that comes in between finds half of it.
WRITTEN_WITHIN = 0.5  # seconds
# It also writes the file, from what it serves, after a command that it refuses.
REWRITE = ("kamal-proxy", "resume", "caravan:rewrite-state")


def remove_argv(service: str) -> List[str]:
    return ["kamal-proxy", "remove", service]


def stop_argv(service: str, drain_timeout: float, message: str = "") -> List[str]:
    argv = ["kamal-proxy", "stop", service, _seconds("drain-timeout", drain_timeout)]
    return [*argv, f"--message={message}"] if message else argv


def pause_argv(service: str, drain_timeout: float, max_pause: float) -> List[str]:
    return ["kamal-proxy", "pause", service, _seconds("drain-timeout", drain_timeout), _seconds("max-pause", max_pause)]


def resume_argv(service: str) -> List[str]:
    return ["kamal-proxy", "resume", service]


def list_argv() -> List[str]:
    return ["kamal-proxy", "list"]


def _seconds(flag: str, value: float) -> str:
    return f"--{flag}={show_duration(nanoseconds(value))}"


def services(engine: Engine) -> Dict[str, Service]:
    """All services that kamal-proxy routes, by name. StateError if its state file stays unreadable."""
    try:
        return _read(engine)
    except StateError:
        time.sleep(WRITTEN_WITHIN)
        return _read(engine)


def services_if_readable(engine: Engine, notice: Callable[[str], None]) -> Dict[str, Service]:
    """`services`, or none and a notice where the state file stays unreadable."""
    try:
        return services(engine)
    except StateError as error:
        notice(error.message)
        return {}


def _read(engine: Engine) -> Dict[str, Service]:
    try:
        content = engine.read_file(PROXY_CONTAINER, PROXY_STATE)
    except CutShortError as error:  # it shrank while the engine read it
        raise broken(error) from error
    return {} if content is None else parse(content)


def look(engine: Engine, changes: Changes) -> Dict[str, Service]:
    """`services`, after kamal-proxy has written its state file anew where that was broken.

    Where it cannot be asked to (in check mode, or when it does not run) a notice says so, and no service is known.
    """
    try:
        return services(engine)
    except StateError as error:
        if changes.check_mode or not _runs(engine):
            changes.notice(f"{error.message} Until then no route of this host is known")
            return {}
        rewritten = _rewritten(engine)
        changes.notice(
            f"The state file of kamal-proxy was broken; it has written it anew, from what it routes: "
            f"{', '.join(sorted(rewritten)) or 'nothing'}. A service that is missing there has answered 404 since "
            "kamal-proxy was last started: deploy it again"
        )
        return rewritten


def _rewritten(engine: Engine) -> Dict[str, Service]:
    engine.execute(PROXY_CONTAINER, REWRITE)
    try:
        return services(engine)
    except StateError as error:
        raise StateError(
            f"{PROXY_STATE} in the container {PROXY_CONTAINER} is broken, and kamal-proxy could not write it anew. See "
            f"that its volume has room (df -h; docker logs {PROXY_CONTAINER} says more) and run this again."
        ) from error


def _runs(engine: Engine) -> bool:
    container = engine.inspect(PROXY_CONTAINER)
    return container is not None and container["State"]["Status"] == "running"


def command(engine: Engine, argv: Sequence[str]) -> None:
    """Run a command of kamal-proxy; ProxyError with the remedy if it refuses."""
    judge(engine.execute(PROXY_CONTAINER, argv))


def judge(executed: Executed) -> None:
    """ProxyError with the remedy if a command failed."""
    if executed.code:
        raise ProxyError(errors.explain(executed.output))
