# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives the image_build module what the plan says about the image, and the registry's credentials."""

from __future__ import annotations

from ..plugin_utils.plan import handover
from ..plugin_utils.plan.action import PlannedAction


class ActionModule(PlannedAction):
    module = "caravan.kamal.image_build"

    def filled(self, arguments, task_vars):
        if arguments.get("service"):
            return arguments
        plan = handover.plan_of(task_vars)
        credentials = handover.registry(plan, self.known_secrets(plan, task_vars)) or {}
        server = (plan["registry"] or {}).get("server")
        return {**plan["build"], "registry": {"server": server, **credentials}, **arguments}
