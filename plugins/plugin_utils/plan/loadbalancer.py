# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The load balancer of a configuration: what its kamal-proxy is told of each role, and where it finds the hosts."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, List, Mapping, Set

from ...module_utils._balancing import BalancedRoute, LoadBalancerShare
from ...module_utils._names import Names
from ...module_utils._proxy import settings
from ...module_utils._shares import ProxyShare
from ..config.lines import merge
from ..config.load import Config
from ..config.rules_loadbalancer import prefixes_of
from ..config.rules_proxy import names_of
from ..config.topology import Role, Topology, as_map
from ..config.view import balanced
from . import containers
from .run import BOOTING, CONTROLLER, Run

CERTIFICATE = "loadbalancer"


def own_proxy(config: Config) -> Mapping[str, Any]:
    """Its `proxy` section as it is written: a default there would hide what the role says."""
    return as_map(as_map(config.written.get("loadbalancer")).get("proxy"))


def shares(
    config: Config, topology: Topology, run: Run, proxy: Callable[[str], ProxyShare]
) -> Dict[str, LoadBalancerShare]:
    """It on each of its hosts, whatever part this run covers; `proxy` gives the kamal-proxy of a host."""
    names = Names(config.data["service"], config.destination)
    certificate = containers.certificate(own_proxy(config), f"{names.certificates}/{CERTIFICATE}")
    routes = _routes(config, topology, names, run.addresses)
    return {
        host: LoadBalancerShare(
            host=host,
            service=names.service,
            destination=names.destination,
            command=run.command,
            performer=run.performer,
            routes=routes,
            certificate=certificate,
            is_given_secrets=run.secrets_from == CONTROLLER,
            proxy=proxy(host),
            deploy_timeout=config.data["deploy_timeout"],
            drain_timeout=config.data["drain_timeout"],
        )
        for host in topology.balancers
    }


def secret_names(run: Run, balancers: Iterable[LoadBalancerShare]) -> Set[str]:
    """Those of its certificate, where a run tells it of them."""
    given = [secrets for each in balancers if run.command in BOOTING for secrets in each.needed_secrets]
    return {name for secrets in given for name in secrets.values()}


def _routes(config: Config, topology: Topology, names: Names, addresses: Mapping[str, str]) -> List[BalancedRoute]:
    """One for each role behind kamal-proxy; `addresses` are those that Ansible reaches hosts at."""
    return [
        BalancedRoute(
            name=names.role(role.name),
            proxy=_settings(config, role),
            targets=_targets(config, topology, role, addresses),
        )
        for role in topology.roles
        if role.proxied
    ]


def _settings(config: Config, role: Role) -> Dict[str, Any]:
    own, behind = own_proxy(config), containers.route_settings(config, role)
    whole = {key: value for key, value in balanced(behind, own).items() if key != "run"}
    prefixes = prefixes_of(whole)
    if prefixes:
        whole.setdefault("strip_path_prefix", False)
    check = {**_checked(whole, behind, prefixes), **as_map(own.get("healthcheck"))}
    return {**whole, "healthcheck": {**as_map(whole.get("healthcheck")), **check}}


def _checked(whole: Mapping[str, Any], behind: Mapping[str, Any], prefixes: List[str]) -> Dict[str, Any]:
    """The hosts' kamal-proxy is asked for what it routes: by a name, and below the prefix that it cuts off."""
    names = [name for name in names_of(whole) if "*" not in name]
    name = whole.get("canonical_host") or next(iter(names), None)
    check: Dict[str, Any] = {"host": name} if name else {}
    if prefixes and behind.get("strip_path_prefix", True):
        check["path"] = prefixes[0] + str(as_map(behind.get("healthcheck")).get("path", "/up"))
    return check


def _targets(config: Config, topology: Topology, role: Role, addresses: Mapping[str, str]) -> Dict[str, str]:
    given = as_map(as_map(config.data.get("loadbalancer")).get("targets"))
    found: Dict[str, str] = {}
    for host in role.hosts:
        run = containers.proxy_run(config, topology.on_host(host), topology.accessories_on(host))
        port = run.get("http_port", settings.DEFAULTS["http_port"])
        found[host] = _with_port(str(given.get(host) or addresses.get(host) or host), port)
    return found


def _with_port(address: str, port: int) -> str:
    bare = address.strip("[]")
    if ":" in bare and "]:" not in address:
        return address if bare.count(":") == 1 else f"[{bare}]:{port}"
    return address if "]:" in address else f"{address}:{port}"


def proxy_run(config: Config, run: Mapping[str, Any]) -> Dict[str, Any]:
    """How its kamal-proxy is run; `run` is what all kamal-proxies of the app have."""
    return as_map(merge(dict(run), as_map(own_proxy(config).get("run"))))
