# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the controller hands to a host: its share of the plan, and just the secret values that this share names."""

from __future__ import annotations

import json
import os
from dataclasses import fields, replace
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Union

from ...module_utils._data import from_data, look_up_types
from ...module_utils._errors import ConfigError, Problem, SecretError
from ...module_utils._names import Names
from ...module_utils._shares import AccessoryBase, AccessoryShare, HostShare
from ..config import source
from ..secrets import sources
from ..secrets.sources import Secrets
from .model import ConfigValue, Plan, Registry, SecretName

FACT = "kamal_plan"
LOCK = "_kamal_lock"
NO_PLAN = (
    "There is no plan in this run. In a play of your own, add the role caravan.kamal.plan before this one; with "
    "--start-at-task it is passed over, so run the playbook from its beginning."
)
# Ansible's main process loads this before it forks for each task and host, each of which reads the plan.
look_up_types(Plan)


def plan_of(task_vars: Mapping[str, Any], whole: bool = False) -> Plan:
    """The plan of this run, wherever it was delegated to, as the host of the task needs it.

    Unless the `whole` of it is wanted, the shares of other hosts are left out: a hundred hosts would each read a
    hundred of them. Raises ConfigError where there is none, PlanError where it is none of this version's.
    """
    fact = data_of(task_vars)
    if not fact:
        raise ConfigError([Problem(NO_PLAN)])
    return from_data(Plan, fact if whole else _as_seen_by(task_vars.get("inventory_hostname"), fact), FACT)


def data_of(task_vars: Mapping[str, Any]) -> Any:
    """The same as plain data; None where there is none."""
    hostvars, host = task_vars["hostvars"], task_vars.get("inventory_hostname")
    # A plan has nothing to be templated, which takes longer than all of the rest.
    raw = getattr(hostvars, "raw_get", hostvars.__getitem__)
    facts = (raw(name).get(FACT) for name in (host, "localhost") if name in hostvars)
    return next(filter(None, facts), None)


def _as_seen_by(host: Optional[str], fact: Any) -> Any:
    if not isinstance(fact, Mapping) or not isinstance(fact.get("hosts"), Mapping):
        return fact
    hosts = fact["hosts"]
    return {**dict(fact.items()), "hosts": {host: hosts[host]} if host in hosts else {}}


def holder(task_vars: Mapping[str, Any]) -> Mapping[str, Any]:
    """This run as the lock knows it, from what the role app registered when it took the lock; empty without one.

    A run still has what it was answered for a service before.
    """
    taken = task_vars.get(LOCK)
    if not isinstance(taken, Mapping):
        return {}
    plan = data_of(task_vars)
    is_ours = not plan or taken.get("name") in (None, Names(plan["service"], plan["destination"]).qualified)
    return dict(taken.get("run") or {}) if is_ours else {}


def host_share(plan: Plan, host: str) -> HostShare:
    if host not in plan.hosts:
        message = f"{host} has no role in this plan; it covers {', '.join(plan.order)}."
        raise ConfigError([Problem(message, "servers")])
    return plan.hosts[host]


def accessory_share(plan: Plan, name: str, host: str) -> AccessoryShare:
    """What a host needs to know of an accessory."""
    if name not in plan.accessories:
        known = ", ".join(plan.accessories) or "none"
        raise ConfigError([Problem(f"There is no accessory {name}; the configuration has {known}.", "accessories")])
    accessory, names = plan.accessories[name], Names(plan.service, plan.destination)
    proxy = accessory.proxies.get(host)
    if proxy and accessory.registry != plan.registry:
        proxy = replace(proxy, login=False)  # the login that the host is handed is that of another registry
    base = {field.name: getattr(accessory, field.name) for field in fields(AccessoryBase)}
    return AccessoryShare(
        **base,
        app=plan.service,
        destination=plan.destination,
        host=host,
        proxy=proxy,
        performer=plan.performer,
        audit_log=names.audit_log,
        turn_file=names.turn_file,
    )


def wanted_secrets(plan: Plan, host: str, role: Optional[str], accessory: Optional[str]) -> Mapping[str, str]:
    """The secret variables of a role of a host or of an accessory, each with the name of its secret."""
    if accessory:
        return accessory_share(plan, accessory, host).secrets
    roles = {share.name: share.secrets for share in host_share(plan, host).roles}
    if role not in roles:
        raise ConfigError([Problem(f"{host} has no role {role} in this plan; it has {', '.join(roles)}.", "servers")])
    return roles[role]


def secrets(plan: Plan, value: Callable[[str], Any], tell: Callable[[str], None]) -> Secrets:
    """The secrets of the plan's project; `value` gives a variable's value, `tell` shows a line for the person."""
    return sources.of_project(plan.project_root, plan.secrets_path, plan.destination, value, tell)


def values(known: Secrets, wanted: Iterable[Mapping[str, str]]) -> str:
    """The values by secret name, as the JSON string that a module's `secrets` option takes.

    `wanted` are the `secrets` of shares: maps of variables to the names of secrets.
    """
    names = {secret: secret for variables in wanted for secret in variables.values()}
    return json.dumps(known.values(names))


def unknown_login(plan: Plan, registry: Optional[Registry], known: Secrets) -> Optional[str]:
    """Why the controller cannot log in to a registry, where it need not: hosts have their secrets themselves."""
    names = [name for name in registry.secret_names if name not in plan.secrets] if registry else []
    try:
        known.require(names)
    except SecretError as error:
        return error.message
    return None


def notices(plan: Plan, known: Secrets) -> List[str]:
    """What the operator should know of the secrets of a run that pulls images."""
    reason = unknown_login(plan, plan.registry, known) if plan.command in ("deploy", "redeploy", "setup") else None
    if plan.registry is None or reason is None:
        return []
    server = plan.registry.server or "Docker Hub"
    return [
        f"{reason} So hosts are not logged in to {server} for this run. One that lacks the image needs a login of its "
        f"own there: docker login {plan.registry.server or ''}, as the user that Ansible connects as".replace(" ,", ",")
    ]


def login(registry: Optional[Registry], known: Secrets, written: Callable[[str], str]) -> Optional[Dict[str, str]]:
    """Username and password for a registry, if there is one to log in to.

    `written` gives what the configuration has at a key path: where no secret holds the password.
    """
    if registry is None or registry.username is None or registry.password is None:
        return None

    def plain(credential: Union[str, SecretName, ConfigValue]) -> str:
        if isinstance(credential, SecretName):
            return known[credential.secret]
        return written(credential.config) if isinstance(credential, ConfigValue) else credential

    return {"username": plain(registry.username), "password": plain(registry.password)}


def written(plan: Plan, task_vars: Mapping[str, Any], template: Callable[[Any], Any], path: str) -> str:
    """What the configuration of the plan has at a key path, read again; `template` templates a variable's value.

    A host of an accessory may not see the configuration; then it is looked up for the first app host.
    """
    places = [task_vars, *(task_vars["hostvars"].get(host) or {} for host in plan.order[:1])]
    task_vars = next((each for each in places if each.get("kamal_config") or each.get("kamal_config_file")), task_vars)
    try:
        config = source.from_task_vars(task_vars, lambda name: template(task_vars.get(name)), os.getcwd())
    except ConfigError as error:
        raise _no_password(path, task_vars, error.message) from error
    value: Any = config.data
    for key in path.split("/"):
        value = value.get(key) if isinstance(value, Mapping) else None
    if config.data["service"] != plan.service or not isinstance(value, (str, int)):
        raise _no_password(path, task_vars, "It is not there in the configuration that this host's variables lead to.")
    return str(value)


def _no_password(path: str, task_vars: Mapping[str, Any], reason: str) -> ConfigError:
    message = (
        f"The registry's password could not be read again for {task_vars.get('inventory_hostname')}. {reason} "
        "Make it a secret (password: [NAME], and NAME in .kamal/secrets), or set the configuration's variables for all "
        "hosts."
    )
    return ConfigError([Problem(message, path)])
