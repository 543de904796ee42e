# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives the release module this host's share of the plan and the secret values that it names."""

from __future__ import annotations

import json

from ..plugin_utils.plan import handover
from ..plugin_utils.plan.action import PlannedAction

NEEDS_SECRETS = ("staged", "live")


class ActionModule(PlannedAction):
    module = "caravan.kamal.release"

    def run(self, tmp=None, task_vars=None):
        if self._task.args.get("roles") == []:
            return {"skipped": True, "changed": False, "skip_reason": "no role of this host is asked for"}
        return super().run(tmp, task_vars)

    def filled(self, arguments, task_vars):
        plan = handover.plan_of(task_vars)
        share = handover.option(arguments, "plan", lambda: handover.host_share(plan, task_vars["inventory_hostname"]))
        filled = {**arguments, "plan": share, "built": _built(arguments.get("built"), share["image"])}
        if arguments.get("state") in NEEDS_SECRETS:
            known = self.known_secrets(plan, task_vars)
            filled["secrets"] = handover.values(known, share["roles"])
            filled["registry"] = json.dumps(handover.registry(plan, known))
        return filled


def _built(built, image):
    """What a build answered, unless that was another one of this run: a rollback or a second service reads it too."""
    ours = built and (built.get("repository"), built.get("tag")) == (image["repository"], image["tag"])
    return built if ours else {}
