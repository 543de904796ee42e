# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The networks of containers, also of one on several, which Docker before 25 cannot create at once."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping

from .changes import Changes
from .engine import Engine, Inspected

CONFIG, ENDPOINTS = "NetworkingConfig", "EndpointsConfig"


def ensure(engine: Engine, changes: Changes, network: str) -> None:
    """The network is there."""
    if not engine.has_network(network):
        changes.do(f"create network {network}", lambda: engine.create_network(network))


def create(engine: Engine, name: str, body: Mapping[str, Any]) -> str:
    """Create a container, on all the networks that its body names. Returns the ID."""
    endpoints: Dict[str, Any] = dict(body.get(CONFIG, {}).get(ENDPOINTS) or {})
    main = body.get("HostConfig", {}).get("NetworkMode")
    others = [network for network in endpoints if network != main]
    if not others:
        return engine.create(name, body)
    first = {network: settings for network, settings in endpoints.items() if network == main}
    container = engine.create(name, {**body, CONFIG: {ENDPOINTS: first}})
    try:
        for network in others:
            engine.attach(network, container)
    except BaseException:
        engine.remove(container, volumes=True)
        raise
    return container


def missing(container: Inspected, body: Mapping[str, Any]) -> List[str]:
    """The networks beside the first that a body names and a container is not on."""
    wanted = body.get(CONFIG, {}).get(ENDPOINTS) or {}
    main, there = body.get("HostConfig", {}).get("NetworkMode"), container["NetworkSettings"]["Networks"] or {}
    return [network for network in wanted if network != main and network not in there]
