# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an example cannot say about the load balancer: where it may run, what it finds, and what belongs to it alone."""

from __future__ import annotations

import re
from typing import Any, Iterator, List, Mapping, Sequence

from .findings import Finding, listed, near_miss, shown
from .rules_proxy import names_of
from .topology import as_map, split_commas, strings
from .view import View

SECTION = "loadbalancer"
_TARGET = re.compile(r"(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?\Z")


def _section(view: View) -> Mapping[str, Any]:
    return as_map(view.data.get(SECTION))


def place(view: View) -> Iterator[Finding]:
    section = view.data.get(SECTION)
    if not isinstance(section, dict):
        return
    keys = [key for key in ("host", "hosts") if key in section]
    if len(keys) != 1:
        yield (SECTION,), f"exactly one of `host` and `hosts` says where it runs; found {listed(keys) or 'none'}"
    elif section[keys[0]] in ("", []):
        yield (SECTION, keys[0]), f"found {shown(section[keys[0]])}, so it would run nowhere"


def something_behind_it(view: View) -> Iterator[Finding]:
    if SECTION in view.data and not list(view.proxied_roles()):
        yield (SECTION,), "no role is behind kamal-proxy, so there is nothing to send requests to"


def hosts_of_its_own(view: View) -> Iterator[Finding]:
    for use, balancer in view.balanced_roles():
        for host in balancer.hosts:
            if host in use.hosts:
                yield (
                    (SECTION,),
                    f"{host} is a host of the role `{use.name}`, whose kamal-proxy has the ports there; name "
                    "another host",
                )


def tls_ends_here(view: View) -> Iterator[Finding]:
    for use, _balancer in view.balanced_roles():
        if use.settings.get("ssl"):
            yield (
                (*use.path, "ssl"),
                "TLS ends at the load balancer, which asks the hosts behind it in plain HTTP; move this to "
                "loadbalancer/proxy",
            )


def targets(view: View) -> Iterator[Finding]:
    known = list(dict.fromkeys(host for use in view.proxied_roles() for host in use.hosts))
    for host, target in as_map(_section(view).get("targets")).items():
        if host not in known:
            yield (SECTION, "targets", host), f"no role behind kamal-proxy has this host{near_miss(host, known)}"
        elif isinstance(target, str) and not _TARGET.match(target):
            yield (SECTION, "targets", host), f"found {shown(target)}, expected an address or ADDRESS:PORT"


def found_by_a_port(view: View) -> Iterator[Finding]:
    given = as_map(_section(view).get("targets"))
    for use, _balancer in view.balanced_roles():
        if use.run.get("publish") is False and not all(_names_port(given.get(host)) for host in use.hosts):
            yield (
                (SECTION,),
                f"kamal-proxy of `{use.name}` publishes no port; give loadbalancer/targets as ADDRESS:PORT",
            )


def _names_port(target: Any) -> bool:
    return isinstance(target, str) and bool(re.search(r":[0-9]+\Z", target))


def own_port(view: View) -> Iterator[Finding]:
    if "app_port" in as_map(_section(view).get("proxy")):
        message = "its targets are kamal-proxy on the hosts, by the http_port of proxy/run; remove this"
        yield (SECTION, "proxy", "app_port"), message


def checked_name(view: View) -> Iterator[Finding]:
    """The hosts' kamal-proxy answers a check for a name that it routes."""
    for _use, balancer in view.balanced_roles():
        names = names_of(balancer.settings)
        if names and all("*" in name for name in names) and not _healthcheck(balancer.settings).get("host"):
            yield (
                (SECTION,),
                f"no request can be sent for {names[0]}; give loadbalancer/proxy/healthcheck/host a name of it",
            )


def checked_path(view: View) -> Iterator[Finding]:
    """With a prefix that is cut off, the app's path lies below it; else it is the prefix that has to hold it."""
    own = _healthcheck(as_map(_section(view).get("proxy")))
    for use, _balancer in view.balanced_roles():
        prefixes = prefixes_of(use.settings)
        if prefixes and use.settings.get("strip_path_prefix") is False and "path" not in own:
            path = str(_healthcheck(use.settings).get("path", "/up"))
            if not path.startswith(tuple(prefixes)):
                yield (
                    (SECTION,),
                    f"{path} is not below {prefixes[0]}, which is all that the hosts answer to; give "
                    "loadbalancer/proxy/healthcheck/path one that is",
                )


def prefixes_of(settings: Mapping[str, Any]) -> List[str]:
    words = strings(settings.get("path_prefixes")) or split_commas(settings.get("path_prefix"))
    return [prefix for prefix in ("/" + word.strip("/") for word in words) if prefix != "/"]


def _healthcheck(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    return as_map(settings.get("healthcheck"))


RULES: Sequence[Any] = (
    place,
    something_behind_it,
    hosts_of_its_own,
    tls_ends_here,
    targets,
    found_by_a_port,
    own_port,
    checked_name,
    checked_path,
)
