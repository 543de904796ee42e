# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An action that fills in a module's options from the plan of the run and then runs the module on the host."""

from __future__ import annotations

from functools import partial
from typing import Any, Dict, Mapping, Optional

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ...module_utils._errors import CaravanError
from . import handover
from .model import Plan, Registry
from .secrets import Secrets

Arguments = Dict[str, Any]


class PlannedAction(ActionBase):
    """`module` is the full name of the module."""

    module = ""
    # Whether it changes a service, and says to the host on whose behalf.
    takes_turns = True

    def filled(self, arguments: Arguments, task_vars: Mapping[str, Any]) -> Arguments:
        """`arguments` with what the task left out."""
        raise NotImplementedError

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Mapping[str, Any]] = None) -> Dict[str, Any]:
        variables = task_vars or {}
        result: Dict[str, Any] = super().run(tmp, variables)
        try:
            arguments = self.filled(dict(self._task.args), variables)
            if self.takes_turns and not arguments.get("run"):
                arguments["run"] = handover.holder(variables)
        except CaravanError as error:
            return {**result, "failed": True, "msg": error.message}
        try:
            return {**result, **self._execute_module(self.module, arguments, task_vars=variables)}
        except AnsibleConnectionFailure as error:
            return {**result, "failed": True, "msg": _lost(variables["inventory_hostname"], error)}

    def known_secrets(self, plan: Plan, task_vars: Mapping[str, Any]) -> Secrets:
        return handover.secrets(plan, self._templar.template(task_vars.get("kamal_secrets")))

    def login(self, plan: Plan, registry: Optional[Registry], task_vars: Mapping[str, Any]) -> Optional[Dict[str, str]]:
        """Username and password for a registry of the plan, if there is one to log in to."""
        known = self.known_secrets(plan, task_vars)
        return handover.login(registry, known, partial(handover.written, plan, task_vars, self._templar.template))


def _lost(host: str, error: Exception) -> str:
    """A lost host is a failure here: an unreachable one would pass by `rescue`, and the next batch would go on."""
    return (
        f"The connection to {host} was lost: {str(error).strip()}. What was begun there may be half done. "
        "See that the host can be reached, then run the same command again: it finds out what is left to do."
    )
