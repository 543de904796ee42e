# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who has which role, tag and accessory: the one answer for the rules, the inventory, `config` and the plan.

It is made from raw data in any of the forms that `servers` and `accessories` have. Values of a wrong type count as
absent: the schema reports them.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Collection, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ...module_utils._names import accessory_service
from .lines import KeyPath

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
    """One entry of a list of hosts, as it is written."""

    name: str
    tags: Tuple[str, ...]
    path: KeyPath


@dataclass(frozen=True)
class Role:
    """One role: the entries of its list of hosts, and what it specialises (`settings` has no `hosts`)."""

    name: str
    path: KeyPath
    settings: Mapping[str, Any]
    entries: Tuple[Host, ...]
    primary: bool
    is_empty: bool = False

    @cached_property
    def tags(self) -> Dict[str, Tuple[str, ...]]:
        """The tags of each host. A host that is named again keeps its place and takes the later tags, as with Kamal."""
        return {entry.name: entry.tags for entry in self.entries}

    @property
    def hosts(self) -> List[str]:
        return list(self.tags)

    @property
    def proxied(self) -> bool:
        """The primary role is, unless it says no; the others only if they say so."""
        wish = self.settings.get("proxy", self.primary)
        return wish is True or isinstance(wish, dict)


@dataclass(frozen=True)
class Accessory:
    """One accessory and the hosts it runs on."""

    name: str
    settings: Mapping[str, Any]
    hosts: Tuple[str, ...]

    @property
    def path(self) -> KeyPath:
        return ("accessories", self.name)

    def service(self, app: str) -> str:
        """Its name on hosts; `app` is the service that it belongs to."""
        return str(self.settings.get("service") or accessory_service(app, self.name))


class Topology:
    """The roles, hosts, tags and accessories of one configuration.

    `all_roles` are those that are written, in that order. `roles` have hosts and stand in boot order: the primary one
    first, then by name.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data
        name = data.get("primary_role", DEFAULT_ROLE)
        self.primary_role = name if isinstance(name, str) else DEFAULT_ROLE
        self.all_roles = list(self._roles())
        self.roles = sorted(
            (role for role in self.all_roles if role.entries), key=lambda role: (not role.primary, role.name)
        )
        self.accessories = list(self._accessories())

    def _roles(self) -> Iterator[Role]:
        servers = self.data.get("servers")
        if isinstance(servers, list):
            entries = tuple(_entries(servers, ("servers",)))
            yield Role(DEFAULT_ROLE, ("servers",), {}, entries, self.primary_role == DEFAULT_ROLE, not servers)
        for name, value in as_map(servers).items():
            yield _role(name, value, name == self.primary_role)

    def _accessories(self) -> Iterator[Accessory]:
        for name, settings in as_map(self.data.get("accessories")).items():
            if isinstance(settings, dict):
                yield Accessory(name, settings, tuple(self._accessory_hosts(settings)))

    def _accessory_hosts(self, settings: Mapping[str, Any]) -> List[str]:
        """Named ones, or those of roles or of tags, wherever a tag stands."""
        names = _several(settings, "host")
        by_role, by_tag = _several(settings, "role"), set(_several(settings, "tag"))
        names += [host for role in self.roles if role.name in by_role for host in role.hosts]
        names += [host for role in self.roles for host, tags in role.tags.items() if by_tag.intersection(tags)]
        return list(dict.fromkeys(names))

    def of_roles(self, names: Collection[str]) -> Topology:
        """The same with only the roles of these names; accessories keep their hosts. No name means all roles."""
        part = copy.copy(self)
        part.roles = [role for role in self.roles if not names or role.name in names]
        return part

    def role(self, name: str) -> Optional[Role]:
        return next((role for role in self.all_roles if role.name == name), None)

    def accessory(self, name: str) -> Optional[Accessory]:
        return next((accessory for accessory in self.accessories if accessory.name == name), None)

    @property
    def boot_order(self) -> List[str]:
        """Every host of the app once: those of the primary role first, then those of the others."""
        return list(dict.fromkeys(host for role in self.roles for host in role.hosts))

    @property
    def balancers(self) -> List[str]:
        """The hosts of the load balancer."""
        return list(dict.fromkeys(_several(as_map(self.data.get("loadbalancer")), "host")))

    @property
    def all_hosts(self) -> List[str]:
        """Every host once: those of the app, then those of accessories and of the load balancer."""
        beside = [host for each in self.accessories for host in each.hosts]
        return list(dict.fromkeys([*self.boot_order, *beside, *self.balancers]))

    @property
    def proxied_hosts(self) -> List[str]:
        """Every host with a kamal-proxy once."""
        roles = [host for role in self.roles if role.proxied for host in role.hosts]
        beside = [host for each in self.accessories if "proxy" in each.settings for host in each.hosts]
        return list(dict.fromkeys([*roles, *beside, *self.balancers]))

    @property
    def tags(self) -> Dict[str, List[str]]:
        """The hosts that carry each tag."""
        hosts: Dict[str, List[str]] = {}
        for role in self.roles:
            for host, tags in role.tags.items():
                for tag in tags:
                    hosts.setdefault(tag, []).append(host)
        return {tag: list(dict.fromkeys(names)) for tag, names in hosts.items()}

    def gate(self, hosts: Sequence[str]) -> Optional[Role]:
        """The role whose healthy containers let the others start: the first in boot order with one of these hosts."""
        taking_part = set(hosts)
        return next((role for role in self.roles if taking_part.intersection(role.hosts)), None)

    def on_host(self, host: str) -> List[Role]:
        return [role for role in self.roles if host in role.tags]

    def accessories_on(self, host: str) -> List[Accessory]:
        return [accessory for accessory in self.accessories if host in accessory.hosts]


def _role(name: str, value: Any, primary: bool) -> Role:
    path: KeyPath = ("servers", name)
    if isinstance(value, list):
        return Role(name, path, {}, tuple(_entries(value, path)), primary, not value)
    section = as_map(value)
    settings = {key: inner for key, inner in section.items() if key != "hosts"}
    entries = tuple(_entries(section.get("hosts"), (*path, "hosts")))
    return Role(name, path, settings, entries, primary, isinstance(value, dict) and section.get("hosts", []) == [])


def _entries(value: Any, path: KeyPath) -> Iterator[Host]:
    for index, entry in enumerate(as_list(value)):
        if isinstance(entry, str):
            yield Host(entry, (), (*path, index))
        for name, tags in as_map(entry).items():
            yield Host(name, tuple(strings(tags)), (*path, index))


def _several(section: Mapping[str, Any], one: str) -> List[str]:
    """What stands below `host` and `hosts`, `role` and `roles`, `tag` and `tags`."""
    return [name for key in (one, f"{one}s") for name in strings(section.get(key)) if name]
