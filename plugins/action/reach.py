# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Opens the connection to a host, so that a host that is gone is named before anything is begun."""

from __future__ import annotations

from typing import Any, Dict, Mapping

from ..plugin_utils import shell
from ..plugin_utils.controller import ControllerAction
from ..plugin_utils.kept.start import start

REMEDY = "See that it is up and its SSH settings are right."


class ActionModule(ControllerAction):
    def answer(self, arguments: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        host = str(self._task.delegate_to or task_vars["inventory_hostname"])
        failure = f"{host} cannot be reached"
        with shell.visit(failure, REMEDY):
            kept = start(self, task_vars)
        if not kept:
            shell.run(self, "true", failure, REMEDY)
        return {"msg": f"{host} can be reached", "kept": False, "why_not": None, **kept}
