# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives the env_file module the service of the plan and the secret values of the role or accessory."""

from __future__ import annotations

import json
from typing import Any, Mapping

from ..plugin_utils.plan import handover
from ..plugin_utils.plan.action import Arguments, PlannedAction


class ActionModule(PlannedAction):
    module = "caravan.kamal.env_file"

    def filled(self, arguments: Arguments, task_vars: Mapping[str, Any]) -> Arguments:
        if not arguments.get("service"):
            plan = handover.plan_of(task_vars)
            arguments = {**arguments, "service": plan.service, "destination": plan.destination}
        if arguments.get("secrets") or arguments.get("state") == "absent":
            return arguments
        plan = handover.plan_of(task_vars)
        wanted = handover.wanted_secrets(
            plan, task_vars["inventory_hostname"], arguments.get("role"), arguments.get("accessory")
        )
        return {**arguments, "secrets": json.dumps(self.known_secrets(plan, task_vars).values(wanted))}
