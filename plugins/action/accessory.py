# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives the accessory module its entry of the plan and the secret values that it names."""

from __future__ import annotations

import json

from ..plugin_utils.plan import handover
from ..plugin_utils.plan.action import PlannedAction


class ActionModule(PlannedAction):
    module = "caravan.kamal.accessory"

    def filled(self, arguments, task_vars):
        plan, host = handover.plan_of(task_vars), task_vars["inventory_hostname"]
        share = handover.option(arguments, "plan", lambda: handover.accessory_share(plan, arguments.get("name"), host))
        filled = {**arguments, "plan": share}
        if arguments.get("state", "present") == "present":
            known = self.known_secrets(plan, task_vars)
            filled["secrets"] = handover.values(known, [share])
            filled["registry"] = json.dumps(handover.registry(share, known))
        return filled
