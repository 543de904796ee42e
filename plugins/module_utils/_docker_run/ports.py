# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ports of a container, open to its networks or published on the host: the options `expose` and `publish`."""

from __future__ import annotations

import re
from typing import Dict, List, Tuple

from .tree import Body
from .values import any_address

PROTOCOLS = ("tcp", "udp", "sctp")


def _ports(word: str) -> List[int]:
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", word)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= first <= last <= 65535:
        raise ValueError(f"must have ports from 1 to 65535, alone or as a range like 8000-8010, not {word!r}")
    return list(range(first, last + 1))


def _container_ports(spec: str) -> Tuple[List[int], str]:
    ports, _rest, protocol = spec.partition("/")
    if (protocol or "tcp") not in PROTOCOLS:
        raise ValueError(f"must use one of {', '.join(PROTOCOLS)}, not {protocol!r}")
    return _ports(ports), protocol or "tcp"


def expose(word: str) -> Body:
    ports, protocol = _container_ports(word)
    return {"ExposedPorts": {f"{port}/{protocol}": {} for port in ports}}


def _split_publish(spec: str) -> Tuple[str, str, str]:
    rest, _rest, container = spec.rpartition(":")
    ip, _rest, host = rest.rpartition(":")
    ip = ip[1:-1] if ip.startswith("[") and ip.endswith("]") else ip
    return any_address(ip) if ip else "", host, container


def port_bindings(spec: str) -> Dict[str, List[Dict[str, str]]]:
    """`[[IP:]HOST:]CONTAINER[/PROTOCOL]`, ports alone or as ranges, as the API's PortBindings."""
    ip, host, container = _split_publish(spec)
    inside, protocol = _container_ports(container)
    outside = [str(port) for port in _ports(host)] if host else [""] * len(inside)
    if len(inside) == 1 and len(outside) > 1:
        outside = [host]
    if len(outside) != len(inside):
        raise ValueError(f"must have two ranges of the same length, not {spec!r}")
    return {f"{port}/{protocol}": [{"HostIp": ip, "HostPort": here}] for port, here in zip(inside, outside)}


def publish(spec: str) -> Body:
    """A published port as a fragment of the create body."""
    bindings = port_bindings(spec)
    return {"ExposedPorts": {port: {} for port in bindings}, "HostConfig": {"PortBindings": bindings}}
