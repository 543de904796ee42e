# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keys that are understood and checked but not acted on: refused where that changes what runs, else a notice."""

from __future__ import annotations

from typing import Any, List, Mapping, Sequence, Tuple

from ...module_utils._docker_run.options import is_mode
from ...module_utils._errors import ConfigError, Problem
from ...module_utils._names import NETWORK
from ..config.load import Config
from ..config.topology import Role
from .images import LOCAL

Place = Tuple[str, Mapping[str, Any]]


def refuse(config: Config, roles: Sequence[Role]) -> None:
    """Raises a ConfigError that names every key this run would have to pass over."""
    problems = _networks(config, roles)
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))


def _networks(config: Config, roles: Sequence[Role]) -> List[Problem]:
    """kamal-proxy and what it routes to find each other by name on one network."""
    places: List[Place] = [(f"servers/{role.name}/options/network", role.settings) for role in roles if role.proxied]
    runs = [("", config.written), *((f"servers/{role.name}/", role.settings) for role in roles)]
    places += [(f"{prefix}proxy/run/options/network", _map(_map(at.get("proxy")).get("run"))) for prefix, at in runs]
    return [
        Problem(
            f"found {section['options']['network']}, which takes the container off the network {NETWORK}, where "
            "kamal-proxy and the roles behind it find each other. Name a network of Docker that it is to join as well.",
            key_path,
            config.where(*key_path.split("/")),
        )
        for key_path, section in places
        if _leaves(section)
    ]


def _leaves(section: Mapping[str, Any]) -> bool:
    """Whether a role or kamal-proxy is on no network beside others; a named one it joins as a second one."""
    return is_mode(str(_map(section.get("options")).get("network", NETWORK)))


def _moves(section: Mapping[str, Any]) -> bool:
    """Whether an accessory is on another network instead."""
    return _map(section.get("options")).get("network", False) not in (False, NETWORK)


# Notices: what runs is the same without these keys


NO_CACHE = "has no effect: with a registry on this machine none is started that could keep it"
OWN_NETWORK = f"takes the container off the network {NETWORK}, where the others find it by name"


def notices(config: Config, roles: Sequence[Role]) -> List[str]:
    """What is passed over."""
    places = [("servers", role.name) for role in roles if not role.proxied and _leaves(role.settings)]
    accessories = _map(config.written.get("accessories"))
    places += [("accessories", name) for name, section in accessories.items() if _moves(section)]
    passed_over = [(*keys, "options", "network") for keys in places]
    return [*_cache(config), *(f"{'/'.join(keys)} {OWN_NETWORK} ({config.where(*keys)})" for keys in passed_over)]


def _cache(config: Config) -> List[str]:
    """A registry that nobody starts keeps no cache."""
    server = str(_map(config.written.get("registry")).get("server"))
    cache = _map(_map(config.written.get("builder")).get("cache"))
    if not server.startswith(LOCAL) or cache.get("type") != "registry":
        return []
    return [f"builder/cache {NO_CACHE} ({config.where('builder', 'cache')})"]


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
