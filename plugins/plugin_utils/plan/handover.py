# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the controller hands to a host: its share of the plan, and just the secret values that this share names."""

from __future__ import annotations

import json
import os
from typing import Any, Callable, Dict, Iterable, Mapping, Optional

from ...module_utils._errors import ConfigError, Problem
from ...module_utils._names import Names
from .secrets import Secrets, files

FACT = "kamal_plan"
NO_PLAN = (
    "There is no plan in this run. The role caravan.kamal.plan makes it and has to run before; with --start-at-task "
    "it is passed over, so run the playbook from its beginning."
)


def plan_of(task_vars: Mapping[str, Any]) -> Mapping[str, Any]:
    """The plan that was made in this run, wherever it was delegated to."""
    hostvars = task_vars["hostvars"]
    for name in (task_vars.get("inventory_hostname"), "localhost"):
        if name in hostvars and hostvars[name].get(FACT):
            found: Mapping[str, Any] = hostvars[name][FACT]
            return found
    raise ConfigError([Problem(NO_PLAN)])


def host_share(plan: Mapping[str, Any], host: str) -> Mapping[str, Any]:
    if host not in plan["hosts"]:
        message = f"{host} has no role in this plan; it covers {', '.join(plan['order'])}."
        raise ConfigError([Problem(message, "servers")])
    share: Mapping[str, Any] = plan["hosts"][host]
    return share


def accessory_share(plan: Mapping[str, Any], name: str, host: str) -> Mapping[str, Any]:
    """An accessory's entry of the plan, and what its host is called."""
    if name not in plan["accessories"]:
        known = ", ".join(plan["accessories"]) or "none"
        raise ConfigError([Problem(f"There is no accessory {name}; the configuration has {known}.", "accessories")])
    names = Names(plan["service"], plan["destination"])
    return {**plan["accessories"][name], "host": host, "performer": plan["performer"], "audit_log": names.audit_log}


def wanted_secrets(
    plan: Mapping[str, Any], host: str, role: Optional[str], accessory: Optional[str]
) -> Mapping[str, str]:
    """The secret variables of a role of a host or of an accessory, each with the name of its secret."""
    if accessory:
        wanted: Mapping[str, str] = accessory_share(plan, accessory, host)["secrets"]
        return wanted
    roles = {found["name"]: found["secrets"] for found in host_share(plan, host)["roles"]}
    if role not in roles:
        raise ConfigError([Problem(f"{host} has no role {role} in this plan; it has {', '.join(roles)}.", "servers")])
    return dict(roles[role])


def secrets(plan: Mapping[str, Any], given: Optional[Mapping[str, Any]]) -> Secrets:
    """The secrets of the plan's project; `given` is the variable kamal_secrets."""
    paths = files(plan["project_root"], plan["secrets_path"], plan["destination"])
    return Secrets(given or {}, paths, os.environ)


def values(known: Secrets, things: Iterable[Mapping[str, Any]]) -> str:
    """The values by secret name, as the JSON string that a module's `secrets` option takes."""
    names = {source: source for thing in things for source in thing["secrets"].values()}
    return json.dumps(known.values(names))


def registry(plan: Mapping[str, Any], known: Secrets) -> Optional[Dict[str, str]]:
    """Username and password for the `registry` of a plan or an accessory, if there is one to log in to."""
    section = plan["registry"]
    if not section or section["username"] is None or section["password"] is None:
        return None
    return {part: _plain(section[part], known) for part in ("username", "password")}


def _plain(credential: Any, known: Secrets) -> str:
    return known[credential["secret"]] if isinstance(credential, Mapping) else str(credential)


def option(arguments: Mapping[str, Any], name: str, default: Callable[[], Any]) -> Any:
    """A task's own argument, or what the plan says."""
    return arguments[name] if arguments.get(name) is not None else default()
