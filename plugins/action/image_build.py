# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives the image_build module what the plan says about the image, and the registry's credentials."""

from __future__ import annotations

from typing import Any, Mapping

from ..module_utils._data import to_data
from ..plugin_utils.plan import handover
from ..plugin_utils.plan.action import Arguments, PlannedAction


class ActionModule(PlannedAction):
    module = "caravan.kamal.image_build"
    takes_turns = False

    def filled(self, arguments: Arguments, task_vars: Mapping[str, Any]) -> Arguments:
        if arguments.get("service"):
            return arguments
        plan = handover.plan_of(task_vars)
        credentials = self.login(plan, plan.registry, task_vars) or {}
        server = plan.registry.server if plan.registry else None
        return {**(to_data(plan.build) or {}), "registry": {"server": server, **credentials}, **arguments}
