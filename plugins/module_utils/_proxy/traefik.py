# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""kamal-proxy in the place of Traefik, as Kamal 1 has it: first beside it without its ports, then with them."""

from __future__ import annotations

import copy
import time
from functools import partial
from typing import Any, Dict, List, Mapping, Optional

from .. import _references
from .._errors import CaravanError, ProxyError
from .._host.changes import Changes
from .._host.engine import RUNNING, Engine, Inspected
from .._host.steps import attempt
from .._names import BESIDE_LABEL, DEST_LABEL, FORMER_PROXY, PROXY_CONTAINER, SERVICE_LABEL
from . import container as _container
from .commands import look
from .replacement import Ports, recreate, take_turns

# Traefik gives requests under way ten seconds when it is told to stop.
STOPS_WITHIN = 15
# A port that was lost to a short-lived process may be free again a moment later.
COMES_BACK_WITHIN = 10.0  # seconds
POLL = 0.2  # seconds
# What Kamal 1 always starts it with, and what it finds containers by.
PROVIDER = "--providers.docker"
ROUTER_LABEL = "traefik.http.routers."

Credentials = Optional[Mapping[str, str]]


def find(engine: Engine) -> Optional[Inspected]:
    """Traefik as Kamal 1 started it; a container of that name which is somebody else's is left alone."""
    container = engine.inspect(FORMER_PROXY)
    if container is None:
        return None
    config = container["Config"]
    is_kamals = PROVIDER in (config.get("Cmd") or ()) and SERVICE_LABEL not in (config.get("Labels") or {})
    return container if is_kamals else None


def boot_beside(engine: Engine, changes: Changes, wanted: Mapping[str, Any], credentials: Credentials) -> None:
    """kamal-proxy runs and can be told routes. Where Traefik runs it has all of its ports but those of Traefik."""
    traefik, container = find(engine), engine.inspect(PROXY_CONTAINER)
    if traefik is None or not _runs(traefik):
        boot = recreate if _container.is_beside(container) else _container.ensure
        return boot(engine, changes, wanted, credentials)
    if _runs(container) and not _container.is_beside(container):
        return _container.ensure(engine, changes, wanted, credentials)
    return recreate(engine, changes, _without_ports_of(traefik, wanted), credentials)


def take_over(engine: Engine, changes: Changes, wanted: Mapping[str, Any], credentials: Credentials) -> None:
    """kamal-proxy has its ports, and Traefik is gone. Where it does not come up, Traefik serves as before.

    In check mode nothing is said of what `boot_beside` would do.
    """
    traefik = find(engine)
    if traefik is None or not changes.check_mode:
        boot_beside(engine, changes, wanted, credentials)
    if traefik is None:
        return
    container = engine.inspect(PROXY_CONTAINER)
    if _runs(traefik):
        _tell_of_others(engine, changes)
        if container is None or _container.is_beside(container):
            changes.do(f"put {PROXY_CONTAINER} in the place of {FORMER_PROXY}", partial(_take, engine, changes, wanted))
        else:
            changes.do(f"stop container {FORMER_PROXY}", partial(engine.stop, FORMER_PROXY, STOPS_WITHIN))
    changes.do(f"remove container {FORMER_PROXY}", partial(_remove, engine, traefik))


def _runs(container: Optional[Mapping[str, Any]]) -> bool:
    return container is not None and container["State"]["Status"] in RUNNING


def _without_ports_of(traefik: Inspected, wanted: Mapping[str, Any]) -> Dict[str, Any]:
    """The container that is wanted, without the ports that Traefik has, and marked for that."""
    body = copy.deepcopy(dict(wanted))
    body["Labels"] = {**body["Labels"], BESIDE_LABEL: FORMER_PROXY}
    host_config, theirs = body["HostConfig"], traefik["HostConfig"]
    has_all = theirs.get("NetworkMode") == "host"
    taken = {binding["HostPort"] for each in (theirs.get("PortBindings") or {}).values() for binding in each or ()}
    left = {
        port: [binding for binding in bindings if not has_all and binding["HostPort"] not in taken]
        for port, bindings in (host_config.get("PortBindings") or {}).items()
    }
    host_config["PortBindings"] = {port: bindings for port, bindings in left.items() if bindings}
    return body


# Taking its place


class _PortsOfTraefik(Ports):
    def __init__(self, engine: Engine) -> None:
        self.engine, self.trouble = engine, ""

    def free(self) -> None:
        self.engine.stop(FORMER_PROXY, STOPS_WITHIN)

    def give_back(self) -> None:
        deadline = time.monotonic() + COMES_BACK_WITHIN
        while True:
            try:
                return self.engine.start(FORMER_PROXY)
            except CaravanError as error:
                self.trouble = error.message
                if time.monotonic() > deadline:
                    return None
            time.sleep(POLL)

    def are_back(self) -> bool:
        """Whether Traefik has them. Where nobody can say, that is the trouble."""
        seen: List[Optional[Inspected]] = []
        troubles = attempt(lambda: seen.append(self.engine.inspect(FORMER_PROXY)))
        self.trouble = self.trouble or "; ".join(troubles)
        return any(map(_runs, seen))


def _take(engine: Engine, changes: Changes, wanted: Mapping[str, Any]) -> None:
    routes, ports = look(engine, changes), _PortsOfTraefik(engine)
    try:
        take_turns(engine, changes, _container.require_there(engine), wanted, routes, ports)
    except CaravanError as error:
        raise ProxyError(_story(error.message, ports)) from error
    lost = sorted(set(routes) - set(look(engine, changes)))
    if lost:
        raise ProxyError(
            f"{PROXY_CONTAINER} has taken the place of {FORMER_PROXY}, but has lost the routes {', '.join(lost)}. "
            "Run caravan.kamal.upgrade again, which tells it those of this service."
        )


def _story(reason: str, ports: _PortsOfTraefik) -> str:
    what = f"{PROXY_CONTAINER} could not take the place of {FORMER_PROXY} on this host"
    if ports.are_back():
        return f"{what}, so {FORMER_PROXY} serves as before: {reason} Then run caravan.kamal.upgrade again."
    return (
        f"{what}, and {FORMER_PROXY} could not be started again either ({ports.trouble}): nobody is served here. "
        f"The first reason was: {reason} Then run caravan.kamal.upgrade again, or docker start {FORMER_PROXY}."
    )


def _tell_of_others(engine: Engine, changes: Changes) -> None:
    """Apps that share it with this one are served again once they are upgraded too."""
    routed = [each for each in engine.containers() if each.running and _is_routed(each.labels)]
    apps = {_app(each.labels) or each.name for each in routed if each.name != FORMER_PROXY}
    if len(apps) > 1:
        changes.notice(
            f"{FORMER_PROXY} routes {', '.join(sorted(apps))} here: each of them is served again once it is upgraded "
            "too"
        )


def _is_routed(labels: Mapping[str, str]) -> bool:
    return any(name.startswith(ROUTER_LABEL) for name in labels)


def _app(labels: Mapping[str, str]) -> str:
    return "-".join(part for part in (labels.get(SERVICE_LABEL), labels.get(DEST_LABEL)) if part)


def _remove(engine: Engine, traefik: Inspected) -> None:
    """With what an interruption has left, and its image where nothing else was made from it."""
    _container.clear_away(engine)
    engine.remove(FORMER_PROXY)
    image = engine.image(traefik["Image"])
    if image and image.id not in [each.image_id for each in engine.containers()]:
        for reference in [tag for tag in image.tags if tag != _references.UNTAGGED] or [image.id]:
            engine.remove_image(reference)
