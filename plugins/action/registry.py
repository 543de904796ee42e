# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives the registry module the server and the login of the plan."""

from __future__ import annotations

import json

from ..plugin_utils.plan.action import Arguments, PlannedAction, Supply, left_out


class ActionModule(PlannedAction):
    module = "caravan.kamal.registry"
    takes_turns = False

    def filled(self, arguments: Arguments, supply: Supply) -> Arguments:
        registry = supply.plan.registry
        filled = {**arguments}
        if left_out(arguments, "server"):
            filled["server"] = registry.server if registry else None
        if arguments.get("image") and left_out(arguments, "tag"):
            filled["tag"] = supply.plan.version
        if arguments.get("state") != "absent" and left_out(arguments, "registry"):
            filled["registry"] = json.dumps(supply.login(registry))
        return filled
