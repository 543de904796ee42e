# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A raw configuration seen as roles, hosts, tags and accessories, whatever form it was written in.

Values of a wrong type count as absent: the schema has already reported them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from .lines import KeyPath, merge

DEFAULT_ROLE = "web"


def as_map(value: Any) -> Dict[str, Any]:
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> List[Any]:
    return value if isinstance(value, list) else []


def strings(value: Any) -> List[str]:
    """A string, or the strings of a list."""
    if isinstance(value, str):
        return [value]
    return [item for item in as_list(value) if isinstance(item, str)]


def split_commas(value: Any) -> List[str]:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else []


@dataclass(frozen=True)
class Host:
    name: str
    tags: Tuple[str, ...]
    path: KeyPath


@dataclass(frozen=True)
class Role:
    name: str
    path: KeyPath
    settings: Mapping[str, Any]
    hosts: Tuple[Host, ...]
    is_empty: bool

    @property
    def host_names(self) -> List[str]:
        return list(dict.fromkeys(host.name for host in self.hosts))


@dataclass(frozen=True)
class ProxyUse:
    """Something that stands behind the proxy: a role or an accessory."""

    name: str
    path: KeyPath
    settings: Mapping[str, Any]
    hosts: Tuple[str, ...]
    run: Mapping[str, Any]


def _hosts(value: Any, path: KeyPath) -> Tuple[Host, ...]:
    found = []
    for index, entry in enumerate(as_list(value)):
        if isinstance(entry, str):
            found.append(Host(entry, (), path + (index,)))
        for name, tags in as_map(entry).items():
            found.append(Host(name, tuple(strings(tags)), path + (index,)))
    return tuple(found)


class View:
    def __init__(self, data: Mapping[str, Any], destination: Optional[str]) -> None:
        self.data = data
        self.destination = destination
        self.roles = list(self._roles())
        self.accessories: Dict[str, Dict[str, Any]] = {
            name: settings for name, settings in as_map(data.get("accessories")).items() if isinstance(settings, dict)
        }

    def _roles(self) -> Iterator[Role]:
        servers = self.data.get("servers")
        if isinstance(servers, list):
            yield Role(DEFAULT_ROLE, ("servers",), {}, _hosts(servers, ("servers",)), not servers)
        for name, value in as_map(servers).items():
            path: KeyPath = ("servers", name)
            if isinstance(value, list):
                yield Role(name, path, {}, _hosts(value, path), not value)
            else:
                settings = as_map(value)
                is_empty = isinstance(value, dict) and settings.get("hosts", []) == []
                yield Role(name, path, settings, _hosts(settings.get("hosts"), path + ("hosts",)), is_empty)

    @property
    def primary_role(self) -> str:
        name = self.data.get("primary_role", DEFAULT_ROLE)
        return name if isinstance(name, str) else DEFAULT_ROLE

    def role(self, name: str) -> Optional[Role]:
        return next((role for role in self.roles if role.name == name), None)

    @property
    def all_hosts(self) -> List[Host]:
        return [host for role in self.roles for host in role.hosts]

    @property
    def host_tags(self) -> List[str]:
        return list(dict.fromkeys(tag for host in self.all_hosts for tag in host.tags))

    @property
    def registry_is_local(self) -> bool:
        server = as_map(self.data.get("registry")).get("server")
        return isinstance(server, str) and server.startswith("localhost:")

    def accessory_hosts(self, settings: Mapping[str, Any]) -> List[str]:
        names = strings(settings.get("host")) + strings(settings.get("hosts"))
        for name in strings(settings.get("role")) + strings(settings.get("roles")):
            role = self.role(name)
            names += role.host_names if role else []
        wanted = set(strings(settings.get("tag")) + strings(settings.get("tags")))
        names += [host.name for host in self.all_hosts if wanted.intersection(host.tags)]
        return list(dict.fromkeys(names))

    def sections(self, name: str) -> Iterator[Tuple[KeyPath, Any]]:
        """Every place where a section such as `env` or `labels` is written: root, roles, accessories."""
        if name in self.data:
            yield (name,), self.data[name]
        for role in self.roles:
            if name in role.settings:
                yield role.path + (name,), role.settings[name]
        for accessory, settings in self.accessories.items():
            if name in settings:
                yield ("accessories", accessory, name), settings[name]

    def proxies(self) -> Iterator[Tuple[KeyPath, Dict[str, Any]]]:
        """Every `proxy` map as it is written."""
        for path, value in self.sections("proxy"):
            if isinstance(value, dict):
                yield path, value

    def proxied_roles(self) -> Iterator[ProxyUse]:
        root = as_map(self.data.get("proxy"))
        for role in self.roles:
            own = role.settings.get("proxy", role.name == self.primary_role)
            if own is True or isinstance(own, dict):
                settings = as_map(merge(root, own)) if isinstance(own, dict) else root
                path = role.path + ("proxy",) if isinstance(own, dict) else ("proxy",)
                yield ProxyUse(role.name, path, settings, tuple(role.host_names), as_map(settings.get("run")))

    def proxied_accessories(self) -> Iterator[ProxyUse]:
        for name, settings in self.accessories.items():
            proxy = settings.get("proxy")
            if isinstance(proxy, dict):
                hosts = tuple(self.accessory_hosts(settings))
                yield ProxyUse(name, ("accessories", name, "proxy"), proxy, hosts, as_map(proxy.get("run")))
