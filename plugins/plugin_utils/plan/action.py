# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An action that fills in a module's options from the plan of the run and then runs the module on the host."""

from __future__ import annotations

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ...module_utils._errors import CaravanError
from . import handover


class PlannedAction(ActionBase):
    module = ""

    def filled(self, arguments, task_vars):
        """`arguments` with what the task left out."""
        raise NotImplementedError

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        try:
            arguments = self.filled(dict(self._task.args), task_vars)
        except CaravanError as error:
            return {**result, "failed": True, "msg": error.message}
        try:
            return {**result, **self._execute_module(self.module, arguments, task_vars=task_vars)}
        except AnsibleConnectionFailure as error:
            return {**result, "failed": True, "msg": _lost(task_vars["inventory_hostname"], error)}

    def known_secrets(self, plan, task_vars):
        return handover.secrets(plan, self._templar.template(task_vars.get("kamal_secrets")))


def _lost(host, error):
    """A lost host is a failure here: an unreachable one would pass by `rescue`, and the next batch would go on."""
    return (
        f"The connection to {host} was lost: {str(error).strip()}. What was begun there may be half done. "
        "See that the host can be reached, then run the same command again: it finds out what is left to do."
    )
