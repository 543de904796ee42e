# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The containers of a configuration, as bodies for Docker's API: roles, accessories and kamal-proxy."""

from __future__ import annotations

import contextlib
import re
import shlex
from dataclasses import dataclass
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional

from ...module_utils import _body
from ...module_utils._body import Body
from ...module_utils._docker_run import options
from ...module_utils._errors import ConfigError, Problem
from ...module_utils._names import NETWORK, VERSION_LABEL, Names
from ...module_utils._shares import CertificateShare
from ..config.lines import merge
from ..config.load import Config
from ..config.topology import Accessory, Role
from . import assets, mounts
from .env import Env, text


@dataclass(frozen=True)
class Times:
    """Seconds that a role's containers get. `stop` None leaves it to Docker."""

    stop: Optional[int]
    deploy: int
    drain: int
    readiness: int


def times(data: Mapping[str, Any], role: Role) -> Times:
    """A worker has the drain timeout to stop; what is behind kamal-proxy is drained before."""
    drain = data["drain_timeout"]
    stop = role.settings.get("stop_timeout", data.get("stop_timeout", None if role.proxied else drain))
    return Times(
        stop=stop,
        deploy=data["deploy_timeout"],
        drain=drain,
        readiness=data["readiness_delay"],
    )


def role_body(config: Config, role: Role, host: str, image: str, version: str, env: Env) -> Body:
    """The container of a role on a host; `image` is the reference of the version's image."""
    names = Names(config.data["service"], config.destination)
    given = {
        "KAMAL_CONTAINER_NAME": names.container(role.name, version),
        "KAMAL_VERSION": version,
        "KAMAL_HOST": host,
        **({"KAMAL_DESTINATION": config.destination} if config.destination else {}),
    }
    labels = {
        **names.labels(role.name),
        VERSION_LABEL: version,
        **_texts(config.data.get("labels") or {}),
        **_texts(role.settings.get("labels") or {}),
    }
    body = _body.body(
        image=image,
        env={**given, **env.clear},
        labels=labels,
        network=NETWORK,
        cmd=words(role.settings.get("cmd")),
        logging=merge(config.data.get("logging") or {}, role.settings.get("logging") or {}),
    )
    _add_volumes(config, body, config.data, "volumes")
    options.add_volumes(assets.binds(config, role, version), body)
    options.apply(options.keep_network(role.settings.get("options") or {}, body), body)
    return body


def accessory_body(config: Config, accessory: Accessory, service: str, env: Env) -> Body:
    """The container of an accessory; `service` is its name."""
    section, path = accessory.settings, ("accessories", accessory.name)
    server = (section.get("registry") or {}).get("server")
    body = _body.body(
        image=f"{server}/{section['image']}" if server else str(section["image"]),
        env=env.clear,
        labels={"service": service, **_texts(section.get("labels") or {})},
        network=section["network"],
        cmd=words(section.get("cmd")),
        logging=config.data.get("logging"),
    )
    _add_volumes(config, body, section, *path, "volumes")
    for key, binds in (("files", mounts.file_binds), ("directories", mounts.directory_binds)):
        with _at(config, *path, key):
            options.add_volumes(binds(section, service), body)
    _add_port(config, body, section, *path, "port")
    options.apply(section.get("options") or {}, body)
    return body


def proxy_run(config: Config, roles: Iterable[Role], accessories: Iterable[Accessory]) -> Dict[str, Any]:
    """How the kamal-proxy of one host is run; empty where nobody says. Where several say it, they say the same."""
    sections = [config.data["proxy"], *(role.settings.get("proxy") for role in roles)]
    sections += [accessory.settings.get("proxy") for accessory in accessories]
    run: Dict[str, Any] = {}
    for section in sections:
        run = merge(run, (section.get("run") or {}) if isinstance(section, Mapping) else {})
    return run


def route_settings(config: Config, role: Role) -> Dict[str, Any]:
    """How kamal-proxy routes to a role: its own `proxy` section over that of the root."""
    own = role.settings.get("proxy")
    merged = merge(config.data["proxy"], own if isinstance(own, dict) else {})
    return {key: value for key, value in merged.items() if key != "run"}


def certificate(settings: Optional[Mapping[str, Any]], directory: str) -> Optional[CertificateShare]:
    """That of a route that has one of its own; `settings` are those of the route."""
    ssl = (settings or {}).get("ssl")
    if not isinstance(ssl, Mapping) or not ssl:
        return None
    return CertificateShare(str(ssl["certificate_pem"]), str(ssl["private_key_pem"]), directory)


def accessory_route(section: Mapping[str, Any]) -> Optional[Dict[str, Any]]:
    """How kamal-proxy routes to an accessory: its own `proxy` section alone."""
    if "proxy" not in section:
        return None
    return {key: value for key, value in section["proxy"].items() if key != "run"}


def words(command: Any) -> Optional[List[str]]:
    return shlex.split(text(command)) or None


def _texts(values: Mapping[str, Any]) -> Dict[str, str]:
    return {str(key): text(value) for key, value in values.items()}


def _add_volumes(config: Config, body: Body, section: Mapping[str, Any], *keys: str) -> None:
    with _at(config, *keys):
        options.add_volumes([below_home(mounts.volume(volume)) for volume in section.get("volumes") or ()], body)


def _add_port(config: Config, body: Body, section: Mapping[str, Any], *keys: str) -> None:
    port = str(section.get("port", ""))
    if port:
        with _at(config, *keys):
            options.add_ports([port if ":" in port else f"{port}:{port}"], body)


@contextlib.contextmanager
def _at(config: Config, *keys: str) -> Iterator[None]:
    """What is wrong in here is wrong with this key."""
    try:
        yield
    except ConfigError as error:
        place = config.where(*keys)
        raise ConfigError([Problem(each.message, "/".join(keys), place) for each in error.problems]) from error


def below_home(volume: str) -> str:
    """Kamal hands volumes to the shell of the SSH user, so there are several ways to say its home."""
    source = re.sub(r"^(~|\$(PWD|HOME)|\$\{(PWD|HOME)\})(?=/)", ".", volume)
    relative = ":" in source and re.match(r"[^/:]+/", source) and not re.match(r"\.{1,2}/", source)
    return f"./{source}" if relative else source
