# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives the registry module the server and the login of the plan, and tells why there is no registry here."""

from __future__ import annotations

import json
from typing import Any, Dict, Mapping

from ..plugin_utils.plan.action import Arguments, PassedOver, PlannedAction, Supply, left_out
from ..plugin_utils.tunnel import told


class ActionModule(PlannedAction):
    module = "caravan.kamal.registry"
    takes_turns = False

    def filled(self, arguments: Arguments, supply: Supply) -> Arguments:
        if arguments.get("state") == "present":
            return self._of_this_machine(arguments, supply)
        registry = supply.plan.registry
        filled = {**arguments}
        if left_out(arguments, "server"):
            filled["server"] = registry.server if registry else None
        if arguments.get("image") and left_out(arguments, "tag"):
            filled["tag"] = supply.plan.version
        if arguments.get("state") != "absent" and left_out(arguments, "registry"):
            filled["registry"] = json.dumps(supply.login(registry))
        return filled

    def _of_this_machine(self, arguments: Arguments, supply: Supply) -> Arguments:
        if left_out(arguments, "server") and supply.plan.registry_here is None:
            raise PassedOver("the configuration has no registry on this machine")
        return {"server": supply.plan.registry_here, **arguments} if left_out(arguments, "server") else arguments

    def execute(self, module: str, arguments: Dict[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        return told(super().execute(module, arguments, task_vars), str(arguments.get("server")))
