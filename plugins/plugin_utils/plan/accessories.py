# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is told about accessories before any host is reached: which there are, what cannot go together, open ports."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

from ...module_utils._body import Body
from ...module_utils._errors import ConfigError, Problem
from ...module_utils._names import NETWORK
from ..config.load import Config
from ..config.topology import Accessory as Section
from ..config.topology import Topology
from .model import Accessory

START_FIRST = "start_first"
ALL = "all"
EVERY_ADDRESS = ("", "0.0.0.0", "::", "[::]")


def named(topology: Topology, name: Optional[str]) -> List[Section]:
    """The accessories that the operator asks for."""
    names = [accessory.name for accessory in topology.accessories]
    if names and name in (ALL, *names):
        return [accessory for accessory in topology.accessories if name in (ALL, accessory.name)]
    there = f"name one of {', '.join(names)}, or all" if names else "the configuration has none"
    absent = f"there is no accessory {'at all' if name == ALL else name}"
    found = absent if name else "say which accessory it is about with -e kamal_accessory=NAME"
    raise ConfigError([Problem(f"{found}; {there}", where="kamal_accessory")])


def refuse(config: Config, accessories: Sequence[Accessory]) -> None:
    """Raises a ConfigError that names everything about them that cannot work."""
    problems = [problem for accessory in accessories for problem in _problems(config, accessory)]
    if problems:
        raise ConfigError(problems)


def notices(config: Config, accessories: Sequence[Accessory]) -> List[str]:
    """Docker lets packets to a published port in before the host's firewall sees them."""
    return [
        f"accessories/{accessory.name} publishes port {', '.join(ports)} on every address of its host, and a firewall "
        f"such as ufw does not keep anybody out, for Docker's rules come first. Bind it to the address that needs it, "
        f"as in port: 127.0.0.1:{ports[0]}:{ports[0]}, or leave the port out: what is on the network "
        f"{accessory.network} reaches it as {accessory.service} ({config.where('accessories', accessory.name, 'port')})"
        for accessory in accessories
        for ports in [_open_ports(accessory.body)]
        if ports
    ]


def _open_ports(body: Body) -> List[str]:
    return [each.get("HostPort") or port.partition("/")[0] for port, each in _bindings(body) if _is_open(each)]


def _is_open(binding: Mapping[str, Any]) -> bool:
    return binding.get("HostIp", "") in EVERY_ADDRESS


def _bindings(body: Body) -> Iterator[Any]:
    bindings: Dict[str, Any] = _host_config(body).get("PortBindings") or {}
    return ((port, each) for port, several in bindings.items() for each in several or ())


def _host_config(body: Body) -> Dict[str, Any]:
    return dict(body.get("HostConfig") or {})


def _problems(config: Config, accessory: Accessory) -> Iterator[Problem]:
    path = ("accessories", accessory.name)
    if accessory.update == START_FIRST:
        for what in _conflicts(accessory.body):
            yield Problem(
                f"found {START_FIRST}, but {what}. Remove that, or use stop_first",
                "/".join((*path, "update")),
                config.where(*path, "update"),
            )
    network = _host_config(accessory.body).get("NetworkMode")
    if accessory.route is not None and network != NETWORK:
        yield Problem(
            f"kamal-proxy is on the network {NETWORK} and cannot reach it on {network}. Leave out one or the other",
            "/".join((*path, "proxy")),
            config.where(*path, "proxy"),
        )


def _conflicts(body: Body) -> Iterator[str]:
    """What two containers cannot have at the same time."""
    host_config = _host_config(body)
    if host_config.get("PortBindings") or host_config.get("NetworkMode") == "host":
        yield "two containers cannot publish the same port"
    binds = [bind.split(":") for bind in host_config.get("Binds") or ()]
    written = [parts[1] for parts in binds if "ro" not in (parts[2].split(",") if len(parts) > 2 else ())]
    mounts = [mount for mount in host_config.get("Mounts") or () if mount.get("Type") != "tmpfs"]
    written += [str(mount.get("Target")) for mount in mounts if not mount.get("ReadOnly")]
    if written:
        yield f"two containers would write to {', '.join(written)} (files and folders that are only read have :ro)"
