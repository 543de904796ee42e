# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives the release module this host's share of the plan and the secret values that it names."""

from __future__ import annotations

import json
from typing import Any, Dict, Mapping, Optional

from ..module_utils._data import from_data, to_data
from ..module_utils._shares import HostShare, ImageShare
from ..plugin_utils.plan import handover
from ..plugin_utils.plan.action import Arguments, PlannedAction

NEEDS_SECRETS = ("staged", "live")


class ActionModule(PlannedAction):
    module = "caravan.kamal.release"

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Mapping[str, Any]] = None) -> Dict[str, Any]:
        if self._task.args.get("roles") == []:
            return {"skipped": True, "changed": False, "skip_reason": "no role of this host is asked for"}
        return super().run(tmp, task_vars)

    def filled(self, arguments: Arguments, task_vars: Mapping[str, Any]) -> Arguments:
        plan, host = handover.plan_of(task_vars), task_vars["inventory_hostname"]
        own = arguments.get("plan")
        share = handover.host_share(plan, host) if own is None else from_data(HostShare, own)
        filled = {**arguments, "plan": to_data(share), "built": _built(arguments.get("built"), share.image)}
        if arguments.get("state") in NEEDS_SECRETS:
            known = self.known_secrets(plan, task_vars)
            filled["secrets"] = handover.values(known, [role.secrets for role in share.roles])
            filled["registry"] = json.dumps(self.login(plan, plan.registry, task_vars))
        return filled


def _built(answer: Optional[Mapping[str, Any]], image: ImageShare) -> Mapping[str, Any]:
    """What a build answered, unless that was another one of this run: a rollback or a second service reads it too."""
    ours = answer and (answer.get("repository"), answer.get("tag")) == (image.repository, image.tag)
    return answer if answer and ours else {}
