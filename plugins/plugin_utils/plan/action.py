# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An action that fills in a module's options from the plan of the run and then runs the module on the host."""

from __future__ import annotations

import json
import os
import time
from functools import cached_property, partial
from typing import Any, Callable, Dict, Mapping, Optional, Sequence

from ansible.errors import AnsibleConnectionFailure
from ansible.utils.display import Display

from ...module_utils._data import from_data
from ...module_utils._errors import CaravanError, ConfigError, Problem
from ...module_utils._shares import HostShare
from ..config.load import boolean
from ..kept.action import KeptAction
from ..secrets import docker_login
from ..secrets.sources import Secrets
from . import handover
from .model import Plan, Registry

Arguments = Dict[str, Any]
NETWORK_IPV6 = "kamal_network_ipv6"
# Seconds before a registry is asked again.
PAUSES = (1, 3, 9)


class PassedOver(Exception):
    """There is nothing to do on this host, and why."""


class Supply:
    """What the controller has for one task: the plan of the run and the secret values, each read once, when asked for.

    `template` templates the value of a variable. Raises ConfigError where there is no plan.
    """

    def __init__(self, task_vars: Mapping[str, Any], template: Callable[[Any], Any]) -> None:
        self._task_vars, self._template = task_vars, template
        self.host: str = task_vars["inventory_hostname"]

    @cached_property
    def plan(self) -> Plan:
        return handover.plan_of(self._task_vars)

    @cached_property
    def secrets(self) -> Secrets:
        return handover.secrets(self.plan, self.value, Display().display)

    def value(self, name: str) -> Any:
        """A variable, templated; None where it is not set."""
        return self._template(self._task_vars.get(name))

    def registered(self, name: str) -> Optional[Mapping[str, Any]]:
        """What a task of this run answered here. There is nothing in it to be templated."""
        answer = self._task_vars.get(name)
        return answer if isinstance(answer, Mapping) else None

    def handed(self, wanted: Sequence[Mapping[str, str]]) -> str:
        """The secret values that shares name, as the option `secrets` takes them. None is read where none is named."""
        return handover.values(self.secrets, wanted) if any(wanted) else "{}"

    @property
    def app_login(self) -> str:
        """The login to the app's registry, as the option `registry` takes it."""
        return json.dumps(self.login(self.plan.registry))

    def host_share(self, arguments: Mapping[str, Any]) -> HostShare:
        """What the task was given as its `plan`, else the share of its host."""
        if left_out(arguments, "plan"):
            return handover.host_share(self.plan, self.host)
        return from_data(HostShare, arguments["plan"])

    def login(self, registry: Optional[Registry]) -> Optional[Dict[str, str]]:
        """Username and password for a registry of the plan, if there is one to log in to.

        Where hosts have their secrets themselves none is needed, and a login that is not known is none. Where the
        configuration names nobody, it is the login that the docker command of this machine has.
        """
        if registry and registry.username is None:
            return docker_login.of_this_run(registry.server, os.environ)
        if registry is None or handover.unknown_login(self.plan, registry, self.secrets) is not None:
            return None
        written = partial(handover.written, self.plan, self._task_vars, self._template)
        return handover.login(registry, self.secrets, written)


class PlannedAction(KeptAction):
    """`module` is the full name of the module."""

    module = ""
    # Whether it changes a service, and says to the host on whose behalf.
    takes_turns = True
    makes_networks = False
    begun = "What was begun there may be half done. "
    again = ": it finds out what is left to do"

    def filled(self, arguments: Arguments, supply: Supply) -> Arguments:
        """`arguments` with what the task left out; what it has is kept."""
        raise NotImplementedError

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Mapping[str, Any]] = None) -> Dict[str, Any]:
        variables = task_vars or {}
        result: Dict[str, Any] = super().run(tmp, variables)
        try:
            supply = Supply(variables, self._templar.template)
            arguments = self.filled(dict(self._task.args), supply)
            if self.makes_networks and left_out(arguments, "ipv6") and supply.value(NETWORK_IPV6) is not None:
                arguments["ipv6"] = supply.value(NETWORK_IPV6)
            if self.takes_turns and not arguments.get("run"):
                arguments["run"] = handover.holder(variables)
        except PassedOver as reason:
            return {**result, "skipped": True, "changed": False, "skip_reason": str(reason)}
        except CaravanError as error:
            return {**result, "failed": True, "msg": error.message}
        try:
            return {**result, **self._patiently(arguments, variables)}
        except CaravanError as error:
            return {**result, **error.details, "failed": True, "msg": error.message}
        except AnsibleConnectionFailure as error:
            return {**result, **self.lost(variables, error)}

    def _patiently(self, arguments: Arguments, variables: Mapping[str, Any]) -> Dict[str, Any]:
        """A registry that does not answer is asked again, after longer and longer pauses; that can be seen."""
        for seconds in PAUSES:
            result = self.execute(self.module, arguments, variables)
            if not result.get("registry_silent"):
                return result
            self.tell(variables, f"waits for {seconds} s, since the registry does not answer")
            time.sleep(seconds)
        return self.execute(self.module, arguments, variables)


def left_out(arguments: Mapping[str, Any], name: str) -> bool:
    return arguments.get(name) is None


# An action reads its arguments before the module makes them what they are to be: what came from -e is text, and so is
# a number that a variable has from another one, before ansible-core 2.19.


def flag(arguments: Mapping[str, Any], name: str, default: bool = False) -> bool:
    return default if left_out(arguments, name) else boolean(name, arguments[name])


def number(arguments: Mapping[str, Any], name: str) -> Optional[float]:
    value = arguments.get(name)
    try:
        return None if value is None else float(value)
    except ValueError as error:
        raise ConfigError([Problem(f"expected a number, not {value!r}", where=name)]) from error
