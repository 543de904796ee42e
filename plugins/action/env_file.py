# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives the env_file module the service of the plan and the secret values of the role or accessory."""

from __future__ import annotations

import json

from ..plugin_utils.plan import handover
from ..plugin_utils.plan.action import Arguments, PlannedAction, Supply, left_out


class ActionModule(PlannedAction):
    module = "caravan.kamal.env_file"

    def filled(self, arguments: Arguments, supply: Supply) -> Arguments:
        if not arguments.get("service"):
            plan = supply.plan
            arguments = {"destination": plan.destination, **arguments, "service": plan.service}
        if arguments.get("state") == "absent" or not left_out(arguments, "secrets"):
            return arguments
        wanted = handover.wanted_secrets(supply.plan, supply.host, arguments.get("role"), arguments.get("accessory"))
        return {**arguments, "secrets": json.dumps(supply.secrets.values(wanted))}
