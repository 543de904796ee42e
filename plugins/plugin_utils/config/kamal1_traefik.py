# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What kamal-proxy is told instead of Traefik: for keys of the section `traefik`, and for labels of an app."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any, Dict, Iterator, Mapping, Optional, Sequence, Tuple

from .topology import split_commas, strings
from .yaml_edit import Entry

LETS_ENCRYPT = "proxy/ssl: true with proxy/host, for which kamal-proxy gets a certificate from Let's Encrypt by itself"
SEE_PROXY = "what of it is needed, under proxy (ansible-playbook caravan.kamal.docs -e kamal_docs_section=proxy)"
A_TRAEFIK_STAYS = "; for a Traefik that stays, the label as it is under options/label of the role"
ONE_PORT = "proxy/app_port, of which a role has one"
ONE_ROUTE = "; a role has one route, and another rule or proxy says something else"
FOR_ALL_CLIENTS = "proxy/forward_headers: true or false, for all clients alike"
BY_ITSELF = "nothing: that is what kamal-proxy does by itself"
LOGS = "nothing: kamal-proxy logs every request"
LISTENS = "nothing: kamal-proxy listens for HTTP and HTTPS, on proxy/run/http_port and https_port"

_ROUTING = re.compile(r"^traefik\.(http|tcp|udp)\.", re.IGNORECASE)
_RULE = re.compile(r"^traefik\.(?:http|tcp)\.routers\.[^.]+\.rule$", re.IGNORECASE)
_HOST = re.compile(r"^Host\(((?:\s*`[^`]+`\s*,?)+)\)$")
_PREFIX = re.compile(r"^PathPrefix\(\s*`([^`]+)`\s*\)$")
_NAMES = re.compile(r"`([^`]+)`")
_TLS = re.compile(r"\.routers\.[^.]+\.tls(\.|$)", re.IGNORECASE)
_PORT = re.compile(r"\.loadbalancer\.server\.port$", re.IGNORECASE)
_OF_NO_USE = re.compile(
    r"\.routers\.[^.]+\.(entrypoints|priority|service)$|\.loadbalancer\.server\.scheme$|^traefik\.enable$",
    re.IGNORECASE,
)
_OF_KAMAL = re.compile(r"^traefik\.http\.(routers\.catchall|services\.unavailable)\.")


@dataclass(frozen=True)
class Part:
    """What is `added` under the root or a role, else what is `said`."""

    said: str = ""
    added: Mapping[str, Any] = field(default_factory=dict)
    by_hand: bool = False
    harmless: bool = False

    @property
    def is_host(self) -> bool:
        return bool({"host", "hosts"} & set(self.added.get("proxy") or {}))


@dataclass(frozen=True)
class Route:
    """Which requests are for an app: to `hosts`, or to any, with paths that begin with `prefix`."""

    hosts: Tuple[str, ...] = ()
    prefix: str = ""

    def is_like(self, other: Optional[Route]) -> bool:
        return other is not None and (set(self.hosts), self.prefix) == (set(other.hosts), other.prefix)

    @property
    def settings(self) -> Mapping[str, Any]:
        settings: Dict[str, Any] = {}
        if self.hosts:
            settings.update({"host": self.hosts[0]} if len(self.hosts) == 1 else {"hosts": self.hosts})
        if self.prefix:
            settings.update(path_prefix=self.prefix, strip_path_prefix="false")
        return settings


def of_labels(labels: Sequence[Entry], elsewhere: Sequence[Optional[Route]]) -> Iterator[Tuple[Entry, Part]]:
    """Of those of a role, or of all. `elsewhere`: what else says which requests are for it."""
    route = route_of(labels)
    if route and not all(route.is_like(other) for other in elsewhere):
        route = None
    has_hosts = any(each and each.hosts for each in (route, *elsewhere))
    has_port = len({_text(entry) for entry in labels if _PORT.search(entry.path[-1])}) == 1
    for entry in labels:
        yield entry, _of_label(entry.path[-1], _text(entry), route, has_hosts, has_port)


def _of_label(name: str, text: str, route: Optional[Route], has_hosts: bool, has_port: bool) -> Part:
    if _RULE.match(name):
        if route and _routed(text):
            return _proxy(route.settings)
        return Part(f"{SEE_PROXY}{A_TRAEFIK_STAYS}{ONE_ROUTE if _routed(text) else ''}: {text}", by_hand=True)
    if _TLS.search(name):
        return _tls(name, text, has_hosts)
    if _PORT.search(name):
        return _proxy({"app_port": text}) if has_port else Part(f"{ONE_PORT}: {text}", by_hand=True)
    if _OF_NO_USE.search(name):
        return Part("nothing: kamal-proxy needs none")
    if _ROUTING.match(name):
        return Part(SEE_PROXY + A_TRAEFIK_STAYS, by_hand=True)
    return Part(SEE_PROXY, by_hand=True, harmless=True)


def _text(entry: Entry) -> str:
    return entry.text.strip("\"'")


def _proxy(settings: Mapping[str, Any]) -> Part:
    return Part(added={"proxy": settings}) if settings else Part(BY_ITSELF)


def _tls(name: str, text: str, has_hosts: bool) -> Part:
    """`tls` itself is on or off; what is below it tells how."""
    value = text.lower() if name.lower().endswith(".tls") else "true"
    if value == "false":
        return Part(BY_ITSELF)
    return _proxy({"ssl": "true"}) if has_hosts and value in ("true", "") else Part(LETS_ENCRYPT, by_hand=True)


# Which requests are for an app


def has_rule(labels: Sequence[Entry]) -> bool:
    return any(_RULE.match(entry.path[-1]) for entry in labels)


def route_of(labels: Sequence[Entry]) -> Optional[Route]:
    """One for what the rules that can be read say together. None where a role would need several."""
    read = (_routed(_text(entry)) for entry in labels if _RULE.match(entry.path[-1]))
    routes = [route for route in read if route]
    if len({(route.prefix, bool(route.hosts)) for route in routes}) != 1:
        return None
    return Route(tuple(dict.fromkeys(host for route in routes for host in route.hosts)), routes[0].prefix)


def route_in(proxy: Mapping[str, Any]) -> Route:
    """What a section `proxy` says."""
    hosts = [*strings(proxy.get("hosts")), *split_commas(proxy.get("host"))]
    prefixes = [*strings(proxy.get("path_prefixes")), *split_commas(proxy.get("path_prefix"))]
    return Route(tuple(hosts), ",".join(prefixes))


def _routed(rule: str) -> Optional[Route]:
    """What a rule says, if it is about whole hosts and the beginning of paths alone."""
    route, parts = Route(), re.split(r"\s*&&\s*", rule.strip())
    for part in parts:
        inner = part[1:-1] if part.startswith("(") else part
        is_whole = inner != part or len(parts) == 1  # && binds closer than ||
        hosts = [_HOST.match(each.strip()) for each in (inner.split("||") if is_whole else [inner])]
        prefix = _PREFIX.match(part)
        if prefix:
            route = replace(route, prefix=prefix[1] if prefix[1] != "/" else route.prefix)
        elif all(hosts):
            route = replace(route, hosts=tuple(name for match in hosts if match for name in _NAMES.findall(match[1])))
        else:
            return None
    return route


# Traefik itself


def of_container(entry: Entry, value: Any, has_hosts: bool) -> Part:
    """Of a key of the section `traefik`, or of one of its `args`, `labels` and `options`."""
    _section, kind, *rest = entry.path
    name = rest[0] if rest else ""
    if kind == "host_port" and str(value).isdecimal():
        return Part(added={"proxy": {"run": {"http_port": str(value)}}})
    if kind == "publish":
        is_published = str(value).lower() != "false"
        return Part("nothing") if is_published else Part(added={"proxy": {"run": {"publish": "false"}}})
    if kind == "image":
        return Part("nothing; another kamal-proxy is proxy/run/version")
    if kind == "args" and name:
        return _argument(name.lower(), str(value).lower(), has_hosts)
    if kind == "labels" and _OF_KAMAL.match(name):
        return Part("nothing")
    if kind == "options" and name in ("publish", "p") and "443" in str(value):
        return Part(LISTENS)
    if kind == "options" and name in ("volume", "v") and re.search("acme|letsencrypt", str(value)):
        return Part("nothing: kamal-proxy keeps its certificates in a volume of its own")
    return Part("proxy/run/options" if kind == "options" else SEE_PROXY, by_hand=True)


def _argument(name: str, value: str, has_hosts: bool) -> Part:
    if name.startswith(("log", "accesslog")):
        return Part(LOGS)
    if name.startswith("certificatesresolvers.") or ".http.redirections." in name or ".http.tls" in name:
        return _tls(name, value, has_hosts)
    if re.match(r"entrypoints\.[^.]+\.forwardedheaders\.", name):
        trusts_all = name.endswith(".insecure") and value == "true"
        return _proxy({"forward_headers": "true"}) if trusts_all else Part(FOR_ALL_CLIENTS, by_hand=True)
    if re.match(r"entrypoints\.[^.]+\.address$", name):
        return Part(LISTENS)
    return Part(SEE_PROXY, by_hand=True)
