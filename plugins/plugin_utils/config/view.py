# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A raw configuration as the rules look at it: its topology, and every place where a section may be written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from .lines import KeyPath, merge
from .topology import Host, Topology, as_map

ALTERNATIVES = (("host", "hosts"), ("path_prefix", "path_prefixes"))
# Of a role's `proxy`, what holds for a load balancer before it too.
SHARED = ("host", "hosts", "path_prefix", "path_prefixes", "canonical_host", "response_timeout", "healthcheck")


@dataclass(frozen=True)
class ProxyUse:
    """Something that stands behind the proxy: a role or an accessory."""

    name: str
    path: KeyPath
    settings: Mapping[str, Any]
    hosts: Tuple[str, ...]
    run: Mapping[str, Any]


class View(Topology):
    def __init__(self, data: Mapping[str, Any], destination: Optional[str]) -> None:
        super().__init__(data)
        self.destination = destination

    @property
    def entries(self) -> List[Host]:
        """Every entry of a list of hosts of a role."""
        return [entry for role in self.all_roles for entry in role.entries]

    @property
    def registry_is_local(self) -> bool:
        server = as_map(self.data.get("registry")).get("server")
        return isinstance(server, str) and server.startswith("localhost:")

    def sections(self, name: str) -> Iterator[Tuple[KeyPath, Any]]:
        """Every place where a section such as `env` or `labels` is written: root, roles, accessories."""
        if name in self.data:
            yield (name,), self.data[name]
        places = [(role.path, role.settings) for role in self.all_roles]
        places += [(accessory.path, accessory.settings) for accessory in self.accessories]
        for path, settings in places:
            if name in settings:
                yield (*path, name), settings[name]

    def proxies(self) -> Iterator[Tuple[KeyPath, Dict[str, Any]]]:
        """Every `proxy` map as it is written."""
        for path, value in [*self.sections("proxy"), *self._balancing()]:
            if isinstance(value, dict):
                yield path, value

    def proxied_roles(self) -> Iterator[ProxyUse]:
        root = as_map(self.data.get("proxy"))
        for role in self.all_roles:
            if role.proxied:
                own = role.settings.get("proxy")
                settings = as_map(merge(root, own)) if isinstance(own, dict) else root
                path = (*role.path, "proxy") if isinstance(own, dict) else ("proxy",)
                yield ProxyUse(role.name, path, settings, tuple(role.hosts), as_map(settings.get("run")))

    def proxied_accessories(self) -> Iterator[ProxyUse]:
        for accessory in self.accessories:
            proxy = accessory.settings.get("proxy")
            if isinstance(proxy, dict):
                path = (*accessory.path, "proxy")
                yield ProxyUse(accessory.name, path, proxy, accessory.hosts, as_map(proxy.get("run")))

    def balanced_roles(self) -> Iterator[Tuple[ProxyUse, ProxyUse]]:
        """Each role behind kamal-proxy and the load balancer before it."""
        own = as_map(next((value for _path, value in self._balancing()), {}))
        run = as_map(merge(as_map(as_map(self.data.get("proxy")).get("run")), as_map(own.get("run"))))
        for use in self.proxied_roles() if "loadbalancer" in self.data else ():
            path = ("loadbalancer", "proxy")
            yield use, ProxyUse("loadbalancer", path, balanced(use.settings, own), tuple(self.balancers), run)

    def _balancing(self) -> Iterator[Tuple[KeyPath, Any]]:
        section = as_map(self.data.get("loadbalancer"))
        if "proxy" in section:
            yield ("loadbalancer", "proxy"), section["proxy"]


def balanced(role: Mapping[str, Any], own: Mapping[str, Any]) -> Dict[str, Any]:
    """What a load balancer is told of a role: its `own` section over what is the same before and behind it."""
    given = {key for one in ALTERNATIVES if set(one) & set(own) for key in one}
    return as_map(merge({key: value for key, value in role.items() if key in SHARED and key not in given}, dict(own)))
