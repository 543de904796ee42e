# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keys that are understood and checked but not acted on yet: refused where that changes what runs, else a notice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, List, Mapping, Sequence, Tuple

from ...module_utils._docker_run.options import is_mode
from ...module_utils._errors import ConfigError, Problem
from ...module_utils._names import NETWORK
from ..config.load import Config
from ..config.topology import Role

IN_BUILDER = ("remote", "secrets", "ssh", "pack")
LATER = "is understood, but this version of caravan.kamal does not act on it yet. Remove it to deploy without it."
OUR_DRIVER = "docker"

Place = Tuple[str, Mapping[str, Any]]


def refuse(config: Config, roles: Sequence[Role], command: str, builds: bool, remote_hosts: Sequence[str]) -> None:
    """Raises a ConfigError that names every key this run would have to pass over."""
    problems = _networks(config, roles)
    if command != "rollback":
        problems += _registry(config, remote_hosts)
    if builds:
        problems += _builder(config)
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


def _registry(config: Config, remote_hosts: Sequence[str]) -> List[Problem]:
    server = str(_map(config.written.get("registry")).get("server") or "")
    if not server.startswith("localhost:") or not remote_hosts:
        return []
    message = (
        f"a registry on this machine cannot be reached from {', '.join(remote_hosts)}: to start one and give the hosts "
        "a tunnel to it is not supported yet. Name a registry that the hosts can reach."
    )
    return [Problem(message, "registry/server", config.where("registry", "server"))]


def _builder(config: Config) -> List[Problem]:
    builder = config.written.get("builder") or {}
    problems = [_later(config, f"builder/{key}") for key in IN_BUILDER if key in builder]
    if str(builder.get("driver", "")).startswith("cloud"):
        problems.append(_later(config, "builder/driver"))
    if len(builder.get("arch") or []) > 1 and isinstance(builder["arch"], list):
        problems.append(_later(config, "builder/arch"))
    return problems


def _later(config: Config, key_path: str) -> Problem:
    return Problem(LATER, key_path, config.where(*key_path.split("/")))


# Notices: what runs is the same without these keys


@dataclass(frozen=True)
class Notice:
    """A key that is passed over, in the cases that `when` tells from its value and the configuration."""

    keys: Tuple[str, ...]
    text: str = "has no effect yet"
    when: Callable[[Any, Config], bool] = lambda _value, _config: True


NOTICES = (
    Notice(("output",)),
    Notice(
        ("builder", "driver"),
        "has no effect yet; the build host's own builder is used",
        lambda value, _config: value != OUR_DRIVER and not str(value).startswith("cloud"),
    ),
    Notice(("builder", "cache"), "has no effect yet; only the build host's own cache is used"),
    Notice(("builder", "provenance")),
    Notice(("builder", "sbom")),
)
OWN_NETWORK = f"takes the container off the network {NETWORK}, where the others find it by name"


def notices(config: Config, roles: Sequence[Role], builds: bool) -> List[str]:
    """What a run that starts containers passes over; what is about building only if it builds."""
    about = [notice for notice in NOTICES if builds or notice.keys[0] != "builder"]
    return _told(config, roles, about)


def all_notices(config: Config, roles: Sequence[Role]) -> List[str]:
    """Everything that is passed over, whatever is run."""
    return _told(config, roles, NOTICES)


def _told(config: Config, roles: Sequence[Role], about: Sequence[Notice]) -> List[str]:
    passed_over = [(notice.keys, notice.text) for notice in about if _applies(notice, config)]
    places = [("servers", role.name) for role in roles if not role.proxied and _leaves(role.settings)]
    accessories = _map(config.written.get("accessories"))
    places += [("accessories", name) for name, section in accessories.items() if _moves(section)]
    passed_over += [((*keys, "options", "network"), OWN_NETWORK) for keys in places]
    return [f"{'/'.join(keys)} {text} ({config.where(*keys)})" for keys, text in passed_over]


def _applies(notice: Notice, config: Config) -> bool:
    data: Any = config.written
    for key in notice.keys:
        if not isinstance(data, Mapping) or key not in data:
            return False
        data = data[key]
    return notice.when(data, config)


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
