# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What kamal-proxy is told instead of Traefik: for keys of the section `traefik`, and for labels of an app."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional

from .yaml_edit import Entry

LETS_ENCRYPT = "proxy/ssl: true with proxy/host, for which kamal-proxy gets a certificate from Let's Encrypt by itself"
SEE_PROXY = "what of it is needed, under proxy (ansible-playbook caravan.kamal.docs -e kamal_docs_section=proxy)"
LOGS = "nothing: kamal-proxy logs every request"
LISTENS = "nothing: kamal-proxy listens for HTTP and HTTPS, on proxy/run/http_port and https_port"

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
    is_label: bool = False

    @property
    def is_host(self) -> bool:
        return bool({"host", "hosts"} & set(self.added.get("proxy") or {}))


def of_label(entry: Entry, has_hosts: bool) -> Part:
    """Of a label of a role, or of all. `has_hosts`: another one says for which hosts it serves."""
    name, text = entry.path[-1], entry.text.strip("\"'")
    if _RULE.match(name):
        routed = _routed(text)
        return Part(by_hand=True, is_label=True, said=f"{SEE_PROXY}: {text}") if routed is None else _proxy(routed)
    if _TLS.search(name):
        return _proxy({"ssl": "true"}) if has_hosts else Part(LETS_ENCRYPT, by_hand=True, is_label=True)
    if _PORT.search(name):
        return _proxy({"app_port": text})
    if _OF_NO_USE.search(name):
        return Part("nothing: kamal-proxy needs none")
    return Part(SEE_PROXY, by_hand=True, is_label=True)


def _proxy(settings: Mapping[str, Any]) -> Part:
    return Part(added={"proxy": settings}) if settings else Part("nothing: that is what kamal-proxy does by itself")


def _routed(rule: str) -> Optional[Mapping[str, Any]]:
    """What a rule says, if it is about whole hosts and the beginning of paths alone."""
    settings: Dict[str, Any] = {}
    for part in re.split(r"\s*&&\s*", rule.strip()):
        inner = part[1:-1] if part.startswith("(") else part
        hosts = [_HOST.match(each.strip()) for each in inner.split("||")]
        prefix = _PREFIX.match(part)
        if prefix and prefix[1] != "/":
            settings.update(path_prefix=prefix[1], strip_path_prefix="false")
        elif all(hosts):
            names = [name for match in hosts if match for name in _NAMES.findall(match[1])]
            settings.update({"host": names[0]} if len(names) == 1 else {"hosts": names})
        elif not prefix:
            return None
    return settings


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
        return _argument(name.lower(), has_hosts)
    if kind == "labels" and _OF_KAMAL.match(name):
        return Part("nothing")
    if kind == "options" and name in ("publish", "p") and "443" in str(value):
        return Part(LISTENS)
    if kind == "options" and name in ("volume", "v") and re.search("acme|letsencrypt", str(value)):
        return Part("nothing: kamal-proxy keeps its certificates in a volume of its own")
    return Part("proxy/run/options" if kind == "options" else SEE_PROXY, by_hand=True)


def _argument(name: str, has_hosts: bool) -> Part:
    if name.startswith(("log", "accesslog")):
        return Part(LOGS)
    if name.startswith("certificatesresolvers.") or ".http.redirections." in name or ".http.tls" in name:
        return Part(added={"proxy": {"ssl": "true"}}) if has_hosts else Part(LETS_ENCRYPT, by_hand=True)
    if re.match(r"entrypoints\.[^.]+\.forwardedheaders\.", name):
        return Part(added={"proxy": {"forward_headers": "true"}})
    if re.match(r"entrypoints\.[^.]+\.address$", name):
        return Part(LISTENS)
    return Part(SEE_PROXY, by_hand=True)
