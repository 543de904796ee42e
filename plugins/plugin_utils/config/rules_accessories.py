# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an example cannot say about accessories."""

from __future__ import annotations

import re
from typing import Any, Iterator, Sequence

from ...module_utils._docker_run.options import problems as option_problems
from ...module_utils._names import Names
from .findings import Finding, listed, near_miss, shown
from .lines import KeyPath
from .topology import Accessory, as_list, as_map, strings
from .view import View

PLACES = ("host", "hosts", "role", "roles", "tag", "tags")
_NAME = re.compile(r"[A-Za-z0-9_-]+\Z")


def accessory_names(view: View) -> Iterator[Finding]:
    for accessory in view.accessories:
        if not _NAME.match(accessory.name):
            yield accessory.path, "an accessory's name has only letters, digits, - and _"
        service = accessory.settings.get("service")
        if isinstance(service, str) and not _NAME.match(service):
            yield (*accessory.path, "service"), f"found {shown(service)}, allowed are letters, digits, - and _"


def accessory_places(view: View) -> Iterator[Finding]:
    for accessory in view.accessories:
        findings = list(_places(view, accessory))
        if not findings and not accessory.hosts:
            place = [place for place in PLACES if place in accessory.settings][0]
            value = accessory.settings[place]
            if isinstance(value, str) or strings(value) == value:  # The schema reports what is neither.
                message = f"found {shown(value)}, so the accessory would run nowhere"
                findings = [((*accessory.path, place), message)]
        yield from findings


def _places(view: View, accessory: Accessory) -> Iterator[Finding]:
    keys = [place for place in PLACES if place in accessory.settings]
    if len(keys) != 1:
        there = f"found {listed(keys)}" if keys else "found none"
        yield accessory.path, f"exactly one of {listed(PLACES)} says where the accessory runs; {there}"
    roles = [role.name for role in view.all_roles]
    for word, known in (("role", roles), ("tag", list(view.tags))):
        for key in (word, f"{word}s"):
            for name in strings(accessory.settings.get(key)):
                if name and name not in known:
                    there = listed(known) if known else "none"
                    message = f"there is no {word} `{name}`{near_miss(name, known)} ({word}s: {there})"
                    yield (*accessory.path, key), message


def accessory_mounts(view: View) -> Iterator[Finding]:
    for accessory in view.accessories:
        for key in ("files", "directories"):
            for index, entry in enumerate(as_list(accessory.settings.get(key))):
                path = (*accessory.path, key, index)
                parts = entry.split(":") if isinstance(entry, str) else []
                if parts and (len(parts) not in (2, 3) or not all(parts)):
                    yield path, f"found {shown(entry)}, expected local:remote or local:remote:options"
                else:
                    yield from _mount_paths(path, key, entry)
                yield from modes(path, entry)


def _mount_paths(path: Any, key: str, entry: Any) -> Iterator[Finding]:
    local, remote = entry.split(":")[:2] if isinstance(entry, str) else map(as_map(entry).get, ("local", "remote"))
    if isinstance(remote, str) and not re.match(r"/[^/]", remote):
        yield path, f"found {shown(remote)}, expected an absolute path in the container"
    for name in (remote, local if key == "directories" else ""):
        if isinstance(name, str) and ".." in name.split("/"):
            yield path, f"found {shown(name)}; a path on the host has no `..` here"


def modes(path: KeyPath, entry: Any) -> Iterator[Finding]:
    """The mode of an entry in the long form."""
    mode = as_map(entry).get("mode")
    if mode is not None and not isinstance(mode, (dict, list)) and not _is_mode(mode):
        yield (*path, "mode"), f'found {shown(mode)}, expected octal digits in quotes such as "0640"'


def not_expanded(value: str) -> str:
    """What to do where Kamal leaves a variable to the shell of the host."""
    return (
        f"found {shown(value)}, but no shell on the host expands variables here. Write the value itself; it may come "
        "from ENV through ERB, or with kamal_config from what Ansible knows of the host, as in "
        "{{ hostvars['db1'].tailscale_ip }}"
    )


def accessory_ports(view: View) -> Iterator[Finding]:
    for accessory in view.accessories:
        port = accessory.settings.get("port")
        if port is None or isinstance(port, (dict, list, bool)):
            continue
        path, spec = (*accessory.path, "port"), str(port)
        if "$" in spec:
            yield path, not_expanded(spec)
        elif option_problems({"publish": spec if ":" in spec else f"{spec}:{spec}"}):
            yield path, f"found {shown(port)}, expected a port such as 3306, 127.0.0.1:3306:3306 or 8000-8010:80-90/udp"


def _is_mode(mode: Any) -> bool:
    return bool(re.match(r"[0-7]{3,4}\Z|[ugoa]*[-+=][rwxXst]*(,[ugoa]*[-+=][rwxXst]*)*\Z", str(mode)))


def accessory_routes(view: View) -> Iterator[Finding]:
    """In the kamal-proxy of a host an accessory and a role go by these names, and what removes one finds the other."""
    names = Names(str(view.data.get("service")), view.destination)
    routes = {names.role(role.name): role for role in view.all_roles if role.proxied}
    for accessory in view.accessories:
        service = accessory.service(names.service)
        role = routes.get(service)
        shared = set(accessory.hosts).intersection([*role.hosts, *view.balancers] if role else ())
        if role and shared:
            message = (
                f"its name on hosts, {service}, is that of the route of {'/'.join(map(str, role.path))} in kamal-proxy "
                f"on {', '.join(sorted(shared))}, which would go with the accessory. Give it another one as `service`"
            )
            yield accessory.path, message


RULES: Sequence[Any] = (accessory_names, accessory_places, accessory_mounts, accessory_ports, accessory_routes)
