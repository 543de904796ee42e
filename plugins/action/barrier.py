# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Decides from what the hosts answered whether the roles that wait for the primary one may start."""

from __future__ import annotations

from typing import Any, Dict, Mapping

from ..plugin_utils import barrier
from ..plugin_utils.controller import ControllerAction
from ..plugin_utils.plan import handover
from ..plugin_utils.plan.model import Plan


class ActionModule(ControllerAction):
    options = {
        "live": {"type": "str", "required": True},
        "serving": {"type": "str"},
    }

    def answer(self, arguments: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        plan = handover.plan_of(task_vars, whole=True)
        hosts = barrier.Hosts(
            task_vars["ansible_play_hosts_all"], task_vars["ansible_play_hosts"], task_vars["ansible_play_batch"]
        )
        gate = [host for host in plan.order if plan.hosts[host].gate_roles]
        hostvars = task_vars["hostvars"]
        serving = barrier.by_host(task_vars.get(arguments["serving"]))
        missing = barrier.missing(gate, hosts, lambda host: hostvars[host].get(arguments["live"]), serving)
        is_open = not missing and any(host in gate for host in hosts.reached)
        answer = {"open": is_open, "missing": missing}
        return answer if is_open else {**answer, "failed": True, "msg": _closed(plan, missing)}


def _closed(plan: Plan, missing: Any) -> str:
    role = f"{plan.gate_role} of version {plan.short_version}"
    if not missing:
        return (
            f"No host with the role {role} was reached yet, and the other roles wait for it. "
            "Run over the hosts in the order of the plan (kamal_plan.order)."
        )
    return (
        f"The role {role} is not live on {', '.join(missing)}, so that the other roles are not started. "
        "Nothing more is changed. Mend what failed there, or go back with caravan.kamal.rollback."
    )
