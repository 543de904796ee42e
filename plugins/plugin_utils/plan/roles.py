# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which roles there are, on which hosts, with which tags, and in which order they boot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

DEFAULT_PRIMARY = "web"

ServerList = Iterable[Union[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class Role:
    """One role: its hosts with their tags, in the order of the configuration, and what it specialises."""

    name: str
    tags: Mapping[str, Sequence[str]]
    settings: Mapping[str, Any]
    primary: bool

    @property
    def hosts(self) -> List[str]:
        return list(self.tags)

    @property
    def proxied(self) -> bool:
        """The primary role is, unless it says no; the others only if they say so."""
        asked = self.settings.get("proxy", self.primary)
        return asked is not False


def roles(config: Mapping[str, Any]) -> List[Role]:
    """All roles that have hosts, the primary one first, then by name."""
    servers = config.get("servers") or {}
    primary = config.get("primary_role", DEFAULT_PRIMARY)
    sections = servers if isinstance(servers, Mapping) else {DEFAULT_PRIMARY: servers}
    found = [_role(name, section, name == primary) for name, section in sections.items()]
    return sorted((role for role in found if role.tags), key=lambda role: (not role.primary, role.name))


def _role(name: str, section: Any, primary: bool) -> Role:
    if isinstance(section, Mapping):
        settings = {key: value for key, value in section.items() if key != "hosts"}
        return Role(name, host_tags(section.get("hosts") or ()), settings, primary)
    return Role(name, host_tags(section), {}, primary)


def host_tags(servers: ServerList) -> Dict[str, List[str]]:
    """Hosts with their tags. A host that is named again keeps its place and takes the later tags, as with Kamal."""
    return dict(map(_entry, servers))


def _entry(server: Union[str, Mapping[str, Any]]) -> Tuple[str, List[str]]:
    if isinstance(server, Mapping):
        host, tags = next(iter(server.items()))
        return str(host), [str(tag) for tag in (tags if isinstance(tags, list) else [tags])]
    return str(server), []


def boot_order(found: Iterable[Role]) -> List[str]:
    """Every host once: those of the primary role first, then those of the others."""
    return list(dict.fromkeys(host for role in found for host in role.hosts))


def gate(found: Sequence[Role], hosts: Sequence[str]) -> Optional[Role]:
    """The role whose first healthy container lets the others start: the first in boot order with a host in this run."""
    return next((role for role in found if any(host in hosts for host in role.hosts)), None)


def on_host(found: Iterable[Role], host: str) -> List[Role]:
    return [role for role in found if host in role.tags]


def accessory_hosts(accessory: Mapping[str, Any], found: Sequence[Role]) -> List[str]:
    """The hosts of an accessory: named, or those of roles or of tags, wherever a tag stands."""
    named = _several(accessory, "host", "hosts")
    by_role = _several(accessory, "role", "roles")
    by_tag = _several(accessory, "tag", "tags")
    hosts = [
        *named,
        *(host for role in found if role.name in by_role for host in role.hosts),
        *(host for role in found for host, tags in role.tags.items() if set(tags) & set(by_tag)),
    ]
    return list(dict.fromkeys(hosts))


def _several(section: Mapping[str, Any], one: str, many: str) -> List[str]:
    return [str(item) for item in section.get(many) or ([section[one]] if one in section else [])]
