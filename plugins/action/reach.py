# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Opens the connection to a host, so that a host that is gone is named before anything is begun."""

from __future__ import annotations

from typing import Any, Dict, Mapping

from ..plugin_utils import shell
from ..plugin_utils.controller import ControllerAction


class ActionModule(ControllerAction):
    def answer(self, arguments: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        host = str(self._task.delegate_to or task_vars["inventory_hostname"])
        shell.run(self, "true", f"{host} cannot be reached", "See that it is up and its SSH settings are right.")
        return {"msg": f"{host} can be reached"}
