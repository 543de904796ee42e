# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives the app_exec module this host's share of the plan and the secret values that it names."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional

from ..module_utils._data import to_data
from ..module_utils._errors import ConfigError, Problem
from ..module_utils._shares import HostShare, needed_secrets
from ..plugin_utils import answers
from ..plugin_utils.plan import command_places
from ..plugin_utils.plan.action import Arguments, PlannedAction, Supply, flag, left_out
from ..plugin_utils.progress import stream

ONE_PLACE = (
    "the command would run in {} places, and a file takes what is written in one: choose that with "
    "-e kamal_primary=true and -e kamal_roles=ROLE"
)


class ActionModule(PlannedAction):
    module = "caravan.kamal.app_exec"
    makes_networks = True
    takes_turns = False
    begun = answers.GOES_ON
    again = ""

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Mapping[str, Any]] = None) -> Dict[str, Any]:
        return answers.finished(self, super().run(tmp, task_vars))

    def execute(self, module: str, arguments: Dict[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        names = command_places.of_roles(task_vars, arguments.get("roles"))
        return stream.execute(self, super().execute, module, arguments, task_vars, names)

    def filled(self, arguments: Arguments, supply: Supply) -> Arguments:
        share = supply.host_share(arguments)
        self._require_one_place(arguments, share, supply)
        filled = {**arguments, "plan": to_data(share)}
        if not flag(arguments, "reuse"):
            if left_out(arguments, "secrets"):
                filled["secrets"] = supply.handed(needed_secrets(share.roles))
            if left_out(arguments, "registry"):
                filled["registry"] = supply.app_login
        return filled

    def _require_one_place(self, arguments: Arguments, share: HostShare, supply: Supply) -> None:
        wanted = arguments.get("roles")
        roles = [role for role in share.roles if wanted is None or role.name in wanted]
        places = len(roles) * (len(supply.plan.order) if left_out(arguments, "plan") else 1)
        if arguments.get("raw") and places > 1:
            raise ConfigError([Problem(ONE_PLACE.format(places), "raw")])
