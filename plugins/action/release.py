# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives the release module this host's share of the plan and the secret values that it names."""

from __future__ import annotations

import json
from typing import Any, Dict, Mapping, Optional

from ..module_utils._data import from_data, to_data
from ..module_utils._shares import HostShare, ImageShare, needed_secrets
from ..plugin_utils.kept.way import BRIEFLY
from ..plugin_utils.live_line import NO_ROLE_YET
from ..plugin_utils.plan import handover, pages
from ..plugin_utils.plan.action import Arguments, PlannedAction, Supply, left_out

PULLED = "pulled"
NEEDS_SECRETS = ("staged", "live")


class ActionModule(PlannedAction):
    module = "caravan.kamal.release"

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Mapping[str, Any]] = None) -> Dict[str, Any]:
        if self._task.args.get("roles") == []:
            return {"skipped": True, "changed": False, "skip_reason": NO_ROLE_YET}
        return super().run(tmp, task_vars)

    def filled(self, arguments: Arguments, supply: Supply) -> Arguments:
        if left_out(arguments, "plan"):
            share = handover.host_share(supply.plan, supply.host)
        else:
            share = from_data(HostShare, arguments["plan"])
        if _is_the_last(arguments, share):
            self.stays = BRIEFLY
        filled = {**arguments, "plan": to_data(share), "built": _built(arguments.get("built"), share.image)}
        if arguments.get("state") == PULLED and left_out(arguments, "registry"):
            filled["registry"] = json.dumps(supply.login(supply.plan.registry))
        if arguments.get("state") in NEEDS_SECRETS:
            if left_out(arguments, "secrets"):
                handed = needed_secrets(share.roles)
                filled["secrets"] = handover.values(supply.secrets, handed) if any(handed) else "{}"
            if left_out(arguments, "registry"):
                filled["registry"] = json.dumps(supply.login(supply.plan.registry))
            if share.error_pages and left_out(arguments, "error_pages"):
                filled["error_pages"] = pages.planned(supply.plan.error_pages_path or "", share.error_pages)
        return filled


def _is_the_last(arguments: Arguments, share: HostShare) -> bool:
    """Whether a rollout has no more for this host to do than to look at it once again."""
    rest = set(share.other_roles) - set(arguments.get("roles") or share.other_roles)
    return arguments.get("state") == "live" and not rest


def _built(answer: Optional[Mapping[str, Any]], image: ImageShare) -> Mapping[str, Any]:
    """What a build answered, unless that was another one of this run: a rollback or a second service reads it too."""
    ours = answer and (answer.get("repository"), answer.get("tag")) == (image.repository, image.tag)
    return answer if answer and ours else {}
