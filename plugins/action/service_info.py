# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks for what the plan of the run has on this host, and has the module run by the kept process."""

from __future__ import annotations

from typing import Any, Dict, Mapping

from ..plugin_utils.kept.action import AsAsked
from ..plugin_utils.plan import handover


class ActionModule(AsAsked):
    module = "caravan.kamal.service_info"

    def asked(self, arguments: Dict[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        if arguments.get("service"):
            return arguments
        plan, host = handover.plan_of(task_vars), task_vars["inventory_hostname"]
        routes = plan.balancers[host].routes if host in plan.balancers else ()
        return {
            "service": plan.service,
            "destination": plan.destination,
            "roles": list(plan.roles),
            "accessories": [each.service for each in plan.accessories.values() if host in each.hosts],
            "balanced": {route.name: dict(route.targets) for route in routes},
            **arguments,
        }
