# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a new container is well: proven by Docker, watched while kamal-proxy proves it, explained when it is not."""

from __future__ import annotations

import calendar
import socket
import time
from typing import Any, Dict, Mapping, Optional

from .._errors import HealthError
from .engine import Engine, Inspected

POLL = 0.2
LISTENING_WITHIN = 1.0
LOG_LINES = 20
UNKNOWN: Mapping[str, Any] = {"state": "unknown", "exit_code": None, "health_log": [], "log": []}
WITHOUT_NETWORK = ("default", "bridge", "host", "none")


def prove(engine: Engine, container: str, deploy_timeout: int, readiness_delay: int) -> None:
    """Wait for Docker's health check to pass or, without one, for the container to still run after the delay."""
    deadline = time.monotonic() + deploy_timeout
    while True:
        state = alive(engine, container)
        health = (state.get("Health") or {}).get("Status", "none")
        if health == "healthy":
            return
        if health == "unhealthy":
            raise HealthError("its health check fails")
        if health == "none":
            return _outlast(engine, container, readiness_delay)
        if time.monotonic() > deadline:
            raise HealthError(f"its health check was still {health} after deploy_timeout ({deploy_timeout} s)")
        time.sleep(POLL)


def _outlast(engine: Engine, container: str, delay: int) -> None:
    ready = time.monotonic() + delay
    while time.monotonic() < ready:
        time.sleep(min(POLL, max(0.0, ready - time.monotonic())))
        alive(engine, container)
    alive(engine, container)


def alive(engine: Engine, container: str, since: Optional[float] = None) -> Mapping[str, Any]:
    """Docker's state of a container that must be running and must not have been restarted.

    Without `since` (Unix seconds by the clock of this host) it must never have been, else not after that moment.
    """
    inspected = engine.inspect(container)
    if inspected is None:
        raise HealthError("the container is gone")
    state: Mapping[str, Any] = inspected["State"]
    restarted = inspected.get("RestartCount") if since is None else started_at(state) > since
    if state["Status"] != "running" or restarted:
        code = exit_code(engine, container, inspected)
        reason = " (out of memory)" if state.get("OOMKilled") else ""
        raise HealthError(f"it exited with code {code}{reason}" if code is not None else "it exited and was restarted")
    return state


def started_at(state: Mapping[str, Any]) -> float:
    """Unix seconds of the last start; Docker writes 2026-01-31T12:00:00.123456789Z."""
    seconds = calendar.timegm(time.strptime(state["StartedAt"][:19], "%Y-%m-%dT%H:%M:%S"))
    return seconds + float("0" + (state["StartedAt"][19:].rstrip("Z") or ".0"))


def exit_code(engine: Engine, container: str, inspected: Inspected) -> Optional[int]:
    """With which code a container exited last, also if its restart policy has started it again; None if unknown."""
    state = inspected["State"]
    if state["Status"] != "running":
        return int(state["ExitCode"])
    codes = engine.exit_codes(container) if inspected.get("RestartCount") else []
    return codes[-1] if codes else None


def is_connected(container: Inspected) -> bool:
    """Whether a container is on the network that it was made for: disconnected from it, it runs and serves nobody."""
    mode = container["HostConfig"]["NetworkMode"]
    networks = container["NetworkSettings"]["Networks"] or {}
    if mode in WITHOUT_NETWORK or mode.startswith("container:"):
        return True
    return any(mode in (name, endpoint.get("NetworkID")) for name, endpoint in networks.items())


def wait_for_port(engine: Engine, container: str, port: int, since: Optional[float] = None) -> None:
    """Give a quick app the moment that it needs to listen: kamal-proxy's first check would miss it by a whole interval.

    Only a short wait for speed. Whether the app is healthy is for kamal-proxy to say; `since` is as for `alive`.
    """
    deadline = time.monotonic() + LISTENING_WITHIN
    while time.monotonic() < deadline:
        alive(engine, container, since)
        address = _address(engine, container)
        if address and _listens(address, port):
            return
        time.sleep(POLL / 10)


def _address(engine: Engine, container: str) -> str:
    networks = (engine.inspect(container) or {}).get("NetworkSettings", {}).get("Networks") or {}
    return next((network["IPAddress"] for network in networks.values() if network.get("IPAddress")), "")


def _listens(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=POLL):
            return True
    except OSError:
        return False


def _shown(container: Inspected) -> str:
    restarts = container.get("RestartCount")
    often = "once" if restarts == 1 else f"{restarts} times"
    return str(container["State"]["Status"]) + (f", restarted {often}" if restarts else "")


def report(engine: Engine, container: str) -> Dict[str, Any]:
    """What a failed container left behind: state, exit code, health log and last log lines."""
    inspected = engine.inspect(container) or {}
    state = inspected.get("State") or {}
    checks = (state.get("Health") or {}).get("Log") or []
    return {
        "state": _shown(inspected) if state else "gone",
        "exit_code": exit_code(engine, container, inspected) if state else None,
        "health_log": [f"exit {check['ExitCode']}: {check['Output'].strip()}" for check in checks[-3:]],
        "log": engine.logs(container, LOG_LINES).splitlines() if state else [],
    }
