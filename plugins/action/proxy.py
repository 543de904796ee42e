# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives the proxy module the registry's credentials where the proxy's image lies in the app's registry."""

from __future__ import annotations

import json
from typing import Any, Mapping

from ..module_utils._errors import ConfigError
from ..plugin_utils.plan import handover
from ..plugin_utils.plan.action import Arguments, PlannedAction


class ActionModule(PlannedAction):
    module = "caravan.kamal.proxy"
    takes_turns = False

    def filled(self, arguments: Arguments, task_vars: Mapping[str, Any]) -> Arguments:
        if not arguments.get("plan") or arguments.get("registry"):
            return arguments
        try:
            plan = handover.plan_of(task_vars)
            share = handover.host_share(plan, task_vars["inventory_hostname"])
        except ConfigError:
            return arguments  # The container was planned elsewhere.
        if not share.proxy_login:
            return arguments
        return {**arguments, "registry": json.dumps(self.login(plan, plan.registry, task_vars))}
