# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an example cannot say about the whole file, servers, variables and labels; and the table of all rules."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence

from ...module_utils._names import OWN_LABELS
from . import rules_accessories as accessories
from . import rules_env as env
from . import rules_loadbalancer as loadbalancer
from . import rules_proxy as proxy
from . import rules_sections as parts
from .findings import Finding, listed, near_miss, shown
from .lines import KeyPath
from .topology import as_list, as_map, strings
from .view import View

KNOWN_VERSION = (2, 12)
_SERVICE = re.compile(r"[A-Za-z0-9_-]+\Z")
_ROLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")
_DESTINATION = _ROLE
# As Gem::Version has it, such as 2.12.1.rc1.
_VERSION = re.compile(r"v?([0-9]{1,9})(?:\.([0-9]{1,9})(?![0-9A-Za-z]))?(?:\.[0-9A-Za-z]+)*(?:-[0-9A-Za-z.-]+)?\Z")

Rule = Callable[[View], Iterator[Finding]]


def service_name(view: View) -> Iterator[Finding]:
    name = view.data.get("service")
    if isinstance(name, str) and not _SERVICE.match(name):
        yield ("service",), f"found {shown(name)}, allowed are letters, digits, - and _"


def destination_name(view: View) -> Iterator[Finding]:
    if view.destination is None:
        if view.data.get("require_destination") is True:
            yield ("require_destination",), "this configuration needs a destination; give -e kamal_destination=NAME"
    elif not _DESTINATION.match(view.destination):
        yield (), f"the destination {shown(view.destination)} may only have letters, digits, ., - and _"


def image_name(view: View) -> Iterator[Finding]:
    image = view.data.get("image")
    if isinstance(image, str) and not image.strip():
        yield ("image",), "the name is empty; remove the key or name the repository, such as acme/app"
    registry = as_map(view.data.get("registry"))
    if registry and "image" not in view.data and not view.registry_is_local:
        yield (
            ("image",),
            "this key is missing; with a registry it says which repository the image is in, such as acme/app",
        )


def minimum_version(view: View) -> Iterator[Finding]:
    wanted = view.data.get("minimum_version")
    if wanted is None or isinstance(wanted, (dict, list, bool)):
        return
    match = _VERSION.match(str(wanted))
    if not match:
        yield ("minimum_version",), f"found {shown(wanted)}, expected a version such as 2.12.0"
    elif (int(match.group(1)), int(match.group(2) or 0)) > KNOWN_VERSION:
        yield (
            ("minimum_version",),
            f"found {wanted}, but only the keys of Kamal 2.12 are known here; update caravan.kamal",
        )


def some_hosts(view: View) -> Iterator[Finding]:
    if "servers" not in view.data and not view.accessories:
        yield (
            ("servers",),
            (
                "this key is missing; list the hosts, or name inventory groups in kamal_role_groups (a file with only "
                "accessories needs neither)"
            ),
        )


def primary_role(view: View) -> Iterator[Finding]:
    name, is_written = view.primary_role, "primary_role" in view.data
    if not view.all_roles:
        if view.data.get("servers") == {}:
            yield ("servers",), "there are no roles in it"
        return
    role = view.role(name)
    if role is None:
        others = [other.name for other in view.all_roles]
        message = f"there is no role `{name}`, the primary role{near_miss(name, others)} (roles: {listed(others)})"
        yield ("primary_role",) if is_written else ("servers",), message
    elif role.is_empty:
        yield role.path, f"the primary role `{name}` needs at least one host"


def empty_roles(view: View) -> Iterator[Finding]:
    if view.data.get("allow_empty_roles") is True:
        return
    for role in view.all_roles:
        if role.is_empty and role.name != view.primary_role:
            yield role.path, "the role has no hosts; add some, remove it, or set allow_empty_roles: true"


def role_names(view: View) -> Iterator[Finding]:
    for role in view.all_roles:
        if not _ROLE.match(role.name):
            yield role.path, "a role's name begins with a letter or digit and has only letters, digits, ., - and _"


def host_names(view: View) -> Iterator[Finding]:
    for entry in view.entries:
        problem = host_problem(entry.name)
        if problem:
            yield entry.path, problem
    for accessory in view.accessories:
        for key in ("host", "hosts"):
            for name in strings(accessory.settings.get(key)):
                problem = host_problem(name)
                if problem:
                    yield (*accessory.path, key), problem


def host_problem(name: str) -> Optional[str]:
    if not name or re.search(r"[\s,]", name):
        return f"found {shown(name)}, expected one host name or IP address"
    if "@" in name:
        return f"found {shown(name)}; write the host alone and its user as ssh/user or in the inventory"
    if re.match(r"[^:]+:\d+\Z", name):
        return f"found {shown(name)}; write the host alone and its port as ssh/port or in the inventory"
    return None


def host_tags(view: View) -> Iterator[Finding]:
    defined = list(as_map(as_map(view.data.get("env")).get("tags")))
    used = [tag for each in view.accessories for key in ("tag", "tags") for tag in strings(each.settings.get(key))]
    known = list(dict.fromkeys(defined + used))
    places: Dict[str, Dict[str, KeyPath]] = {}
    for entry in view.entries:
        for tag in entry.tags:
            if tag not in known:
                places.setdefault(tag, {}).setdefault(entry.name, entry.path)
    for tag, paths in places.items():
        hosts = f"host{'s' if len(paths) > 1 else ''} {', '.join(paths)}"
        there = f"tags: {listed(known)}" if known else "env/tags defines none"
        yield list(paths.values())[0], f"unknown tag `{tag}` on {hosts}{near_miss(tag, known)} ({there})"


def own_labels(view: View) -> Iterator[Finding]:
    for path, labels in view.sections("labels"):
        for name in OWN_LABELS:
            if name in as_map(labels):
                yield path + (name,), f"the label {name} is set by the deploy itself; choose another name"


def volumes(view: View) -> Iterator[Finding]:
    for path, value in view.sections("volumes"):
        for index, volume in enumerate(as_list(value)):
            yield from accessories.modes((*path, index), volume)
            if not isinstance(volume, str):
                continue
            if not volume.strip() or re.search(r"[\0\n]", volume):
                yield path + (index,), f"found {shown(volume)}, expected a volume such as data:/data"
            elif "$" in re.sub(r"^\$(HOME|PWD|\{(HOME|PWD)\})(?=/)", "", volume):
                yield path + (index,), accessories.not_expanded(volume)


def unknown_hooks(view: View) -> Iterator[Finding]:
    for name in as_map(view.data.get("hooks_output")):
        if name not in parts.HOOKS:
            yield ("hooks_output", name), f"is no hook's name{near_miss(name, parts.HOOKS)} and has no effect"


RULES: Sequence[Rule] = (
    service_name,
    destination_name,
    image_name,
    minimum_version,
    some_hosts,
    primary_role,
    empty_roles,
    role_names,
    host_names,
    host_tags,
    *env.RULES,
    own_labels,
    volumes,
    *accessories.RULES,
    *parts.RULES,
    *proxy.RULES,
    *loadbalancer.RULES,
)
NOTICES: Sequence[Rule] = (unknown_hooks, *parts.NOTICES)


@dataclass(frozen=True)
class Checked:
    problems: List[Finding]
    notices: List[Finding]


def check_rules(data: Any, destination: Optional[str]) -> Checked:
    view = View(as_map(data), destination)
    return Checked(
        [finding for rule in RULES for finding in rule(view)],
        [finding for rule in NOTICES for finding in rule(view)],
    )
