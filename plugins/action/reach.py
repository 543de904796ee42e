# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Opens the connection to a host, so that a host that is gone is named before anything is begun."""

from __future__ import annotations

from typing import Any, Dict

from ansible.plugins.action import ActionBase

from ..module_utils._errors import CaravanError
from ..plugin_utils import shell


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> Dict[str, Any]:
        result = super().run(tmp, task_vars)
        self.validate_argument_spec({})
        host = str(self._task.delegate_to or task_vars["inventory_hostname"])
        try:
            shell.run(self, "true", f"{host} cannot be reached", "See that it is up and its SSH settings are right.")
        except CaravanError as error:
            return {**result, "failed": True, "msg": error.message}
        return {**result, "changed": False, "msg": f"{host} can be reached"}
