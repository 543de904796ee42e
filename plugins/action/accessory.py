# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives the accessory module its entry of the plan and the secret values that it names."""

from __future__ import annotations

import json
from typing import Any, Mapping

from ..module_utils._data import from_data, to_data
from ..module_utils._shares import AccessoryShare
from ..plugin_utils.plan import handover
from ..plugin_utils.plan.action import Arguments, PlannedAction


class ActionModule(PlannedAction):
    module = "caravan.kamal.accessory"

    def filled(self, arguments: Arguments, task_vars: Mapping[str, Any]) -> Arguments:
        plan, name = handover.plan_of(task_vars), str(arguments.get("name"))
        own = arguments.get("plan")
        if own is None:
            share = handover.accessory_share(plan, name, task_vars["inventory_hostname"])
        else:
            share = from_data(AccessoryShare, own)
        filled = {**arguments, "plan": to_data(share)}
        if arguments.get("state", "present") == "present":
            handover.require_supported(plan, name)
            known = self.known_secrets(plan, task_vars)
            registry = plan.accessories[name].registry if name in plan.accessories else None
            filled["secrets"] = handover.values(known, [share.secrets])
            filled["registry"] = json.dumps(self.login(plan, registry, task_vars))
        return filled
