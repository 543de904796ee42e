# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What runs on a host, seen with a handful of calls: containers, routes, the proxy, accessories and the history."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from .. import _records, _references
from .._host import files
from .._host.engine import Container, Engine, Image
from .._names import PROXY_CONTAINER, SERVICE_LABEL, Names, is_staged, role_of, short_id, version_of
from .._proxy import commands
from .._proxy.state import Service
from . import images as _images

_HEALTH = re.compile(r"\((?:health: )?(healthy|unhealthy|starting)\)")


@dataclass(frozen=True)
class Wanted:
    """What is looked at. `roles` empty means every role that has a container; `accessories` are names of containers;
    `balanced` has by route the target of each host."""

    roles: Sequence[str] = ()
    accessories: Sequence[str] = ()
    balanced: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def look(engine: Engine, names: Names, wanted: Wanted, notice: Callable[[str], None]) -> Dict[str, Any]:
    """`notice` hears of what could not be looked at."""
    everything = engine.containers(SERVICE_LABEL)
    own = of_roles(everything, names, wanted.roles)
    services = commands.services_if_readable(engine, notice)
    records = _records.parse(files.read(names.history_file) or "")
    images = _images.of(engine, names, own, records)
    latest = _latest(images, names)
    return {
        "running": {role: version(names, container) for role, container in current(own, latest).items()},
        "containers": [_shown(names, container) for container in own],
        "routes": _routes(services, names, own, wanted.roles),
        "balanced": {
            name: _balanced(services[name], targets) if name in services else {}
            for name, targets in wanted.balanced.items()
        },
        "proxy": _proxy_container(engine),
        "accessories": {name: _accessory(everything, name) for name in wanted.accessories},
        "images": [_image(image, everything) for image in images],
        "latest": latest,
        "history": [record.to_data() for record in records],
    }


def of_roles(containers: Sequence[Container], names: Names, roles: Sequence[str] = ()) -> List[Container]:
    """The containers of a service's roles at its destination, newest first; no `roles` means all."""
    own = [(role_of(container.labels), container) for container in containers if names.owns(container.labels)]
    return [container for role, container in own if (role in roles if roles else role)]


def current(containers: Sequence[Container], latest: Optional[Mapping[str, str]]) -> Dict[str, Container]:
    """By role the container that counts as running: the newest of the latest image, else the newest at all.

    One under the name that containers wait under, left by a run that was interrupted, counts where no other runs.
    """
    chosen: Dict[str, Container] = {}
    for container in sorted(containers, key=lambda container: is_staged(container.name)):
        role = role_of(container.labels)
        if not container.running or (is_staged(container.name) and role in chosen):
            continue
        if role not in chosen or (_is_of(container, latest) and not _is_of(chosen[role], latest)):
            chosen[role] = container
    return dict(sorted(chosen.items()))


def _is_of(container: Container, latest: Optional[Mapping[str, str]]) -> bool:
    return latest is not None and container.image_id == latest["id"]


def version(names: Names, container: Container) -> str:
    return version_of(container.name, names.role(role_of(container.labels)), container.labels)


def _shown(names: Names, container: Container) -> Dict[str, Any]:
    return {
        "name": container.name,
        "role": role_of(container.labels),
        "version": version(names, container),
        **_state(container),
        "created": datetime.fromtimestamp(container.created, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _state(container: Container) -> Dict[str, Any]:
    health = _HEALTH.search(container.status)
    return {
        "state": container.state,
        "status": container.status,
        "health": health[1] if health else None,
        "image": container.image,
        "image_id": container.image_id,
    }


def _accessory(containers: Sequence[Container], name: str) -> Optional[Dict[str, Any]]:
    return next((_state(container) for container in containers if container.name == name), None)


def _image(image: Image, containers: Sequence[Container]) -> Dict[str, Any]:
    return {
        "id": image.id,
        "tags": [tag for tag in image.tags if tag != _references.UNTAGGED],
        "containers": [container.name for container in containers if container.image_id == image.id],
    }


def _latest(images: Sequence[Image], names: Names) -> Optional[Dict[str, str]]:
    for image in images:
        for tag in image.tags:
            if _references.tag_of(tag) == names.latest_tag:
                return {"id": image.id, "tag": tag}
    return None


def _proxy_container(engine: Engine) -> Dict[str, Any]:
    container = engine.inspect(PROXY_CONTAINER)
    if container is None:
        return {"running": False, "state": "absent", "image": None}
    state = container["State"]["Status"]
    return {"running": state == "running", "state": state, "image": container["Config"]["Image"]}


def _routes(
    services: Mapping[str, Service], names: Names, own: Sequence[Container], roles: Sequence[str]
) -> Dict[str, Any]:
    by_id = {short_id(container.id): container.name for container in own}
    wanted = {names.role(role) for role in (*roles, *(role_of(container.labels) for container in own))}
    return {name: each.shown(lambda host: by_id.get(host, host)) for name, each in services.items() if name in wanted}


def _balanced(service: Service, targets: Mapping[str, str]) -> Dict[str, Any]:
    return {
        "hosts": list(service.options.values["host"]),
        "state": service.state,
        "serving": [host for host, target in targets.items() if target in service.targets],
        "drained": [host for host, target in targets.items() if target not in service.targets],
    }
