# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an example cannot say about the proxy: host names, certificates, ports, and apps that meet on one host."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

from .findings import Finding, listed, shown
from .topology import as_list, split_commas, strings
from .view import ProxyUse, View


def names_of(settings: Mapping[str, Any]) -> List[str]:
    return [name for name in strings(settings.get("hosts")) + split_commas(settings.get("host")) if name]


def host_or_hosts(view: View) -> Iterator[Finding]:
    written = dict(view.proxies())
    for path, settings in written.items():
        if "host" in settings and "hosts" in settings:
            yield path + ("hosts",), "`host` and `hosts` are both given; keep one"
        for one, many in (("host", "hosts"), ("path_prefix", "path_prefixes")):
            if "" in split_commas(settings.get(one)) or "" in as_list(settings.get(many)):
                yield path + (one if one in settings else many,), "there is an empty name in it"
    for use in view.proxied_roles():
        own = written.get(use.path, {})
        if (
            use.path != ("proxy",)
            and "host" in use.settings
            and "hosts" in use.settings
            and len({"host", "hosts"} & set(own)) < 2
        ):
            yield use.path, "with the root proxy this gives both `host` and `hosts`; use the same key in both places"


def _is_custom(settings: Mapping[str, Any]) -> bool:
    """An empty map is no certificate, as with Kamal."""
    return isinstance(settings.get("ssl"), dict) and bool(settings["ssl"])


def certificate_names(view: View) -> Iterator[Finding]:
    for path, settings in view.proxies():
        ssl = settings.get("ssl")
        if not isinstance(ssl, dict) or not ssl:
            continue
        for key in ("certificate_pem", "private_key_pem"):
            if key not in ssl:
                yield path + ("ssl", key), "this key is missing; a certificate of your own needs both secrets"


def _uses(view: View) -> List[ProxyUse]:
    return [
        *view.proxied_roles(),
        *view.proxied_accessories(),
        *(balancer for _role, balancer in view.balanced_roles()),
    ]


def ssl_needs_host(view: View) -> Iterator[Finding]:
    for use in _uses(view):
        if (use.settings.get("ssl") is True or _is_custom(use.settings)) and not names_of(use.settings):
            yield use.path + ("ssl",), f"ssl needs `host` or `hosts`, and `{use.name}` has neither"


def automatic_ssl_on_one_server(view: View) -> Iterator[Finding]:
    for use in _uses(view):
        if use.settings.get("ssl") is True and len(use.hosts) > 1:
            yield (
                use.path + ("ssl",),
                (
                    f"automatic ssl works on one server only, and `{use.name}` runs on {len(use.hosts)}; "
                    "give certificate_pem and private_key_pem, or end TLS before the proxy, at a loadbalancer for "
                    "instance, and set ssl: false"
                ),
            )


def ssl_host_of_one_role(view: View) -> Iterator[Finding]:
    owners: Dict[str, str] = {}
    for use in view.proxied_roles():
        if use.settings.get("ssl") is not True and not _is_custom(use.settings):
            continue
        for name in dict.fromkeys(names_of(use.settings)):
            if name in owners:
                yield use.path + ("ssl",), f"the roles `{owners[name]}` and `{use.name}` both have ssl for {name}"
            owners.setdefault(name, use.name)


def canonical_host(view: View) -> Iterator[Finding]:
    for use in _uses(view):
        name = use.settings.get("canonical_host")
        if name and name not in names_of(use.settings):
            yield use.path + ("canonical_host",), f"{name} is not among the names in `host` or `hosts`; add it there"


def staging_of_automatic_ssl(view: View) -> Iterator[Finding]:
    for use in _uses(view):
        for key in ("ssl_staging", "ssl_cache_path"):
            if use.settings.get(key) and use.settings.get("ssl") is not True:
                yield use.path + (key,), "this is about certificates of Let's Encrypt, which `ssl: true` asks for"


def read_targets(view: View) -> Iterator[Finding]:
    for path, settings in view.proxies():
        for index, target in enumerate(as_list(settings.get("read_targets"))):
            if not re.fullmatch(r"\S+:[0-9]{1,5}", str(target)):
                yield path + ("read_targets", index), f"found {shown(target)}, expected HOST:PORT"


def _runs(view: View) -> Iterator[Tuple[Tuple[Any, ...], Dict[str, Any]]]:
    for path, settings in view.proxies():
        if isinstance(settings.get("run"), dict):
            yield path + ("run",), settings["run"]


def bind_ips(view: View) -> Iterator[Finding]:
    for path, run in _runs(view):
        for index, address in enumerate(as_list(run.get("bind_ips"))):
            if not isinstance(address, (dict, list)) and not _is_address(address):
                yield path + ("bind_ips", index), f"found {shown(address)}, expected an IP address"


def _is_address(value: Any) -> bool:
    try:
        ipaddress.ip_address(str(value))
    except ValueError:
        return False
    return True


def nothing_published(view: View) -> Iterator[Finding]:
    for path, run in _runs(view):
        if run.get("publish") is False:
            extra = [key for key in ("http_port", "https_port", "bind_ips") if key in run]
            if extra:
                yield (
                    path + ("publish",),
                    f"with publish: false there is nothing for {listed(extra)} to do; remove one or the other",
                )


def one_run_per_host(view: View) -> Iterator[Finding]:
    first: Dict[str, ProxyUse] = {}
    reported = set()
    for use in _uses(view):
        for host in use.hosts if use.run else ():
            other = first.setdefault(host, use)
            if other.run != use.run and (other.name, use.name) not in reported:
                reported.add((other.name, use.name))
                yield (
                    use.path + ("run",),
                    f"`{other.name}` and `{use.name}` share the proxy of host {host} and must have the same `run`",
                )


RULES: Sequence[Any] = (
    host_or_hosts,
    certificate_names,
    ssl_needs_host,
    automatic_ssl_on_one_server,
    ssl_host_of_one_role,
    canonical_host,
    staging_of_automatic_ssl,
    read_targets,
    bind_ips,
    nothing_published,
    one_run_per_host,
)
