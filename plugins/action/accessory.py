# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives the accessory module its entry of the plan and the secret values that it names."""

from __future__ import annotations

import json

from ..module_utils._data import from_data, to_data
from ..module_utils._shares import AccessoryShare
from ..plugin_utils.plan import handover
from ..plugin_utils.plan.action import Arguments, PlannedAction, Supply, left_out


class ActionModule(PlannedAction):
    module = "caravan.kamal.accessory"

    def filled(self, arguments: Arguments, supply: Supply) -> Arguments:
        name, is_wanted = str(arguments.get("name")), arguments.get("state", "present") == "present"
        if left_out(arguments, "plan"):
            share = handover.accessory_share(supply.plan, name, supply.host)
            if is_wanted:
                handover.require_supported(supply.plan, name)
        else:
            share = from_data(AccessoryShare, arguments["plan"])
        filled = {**arguments, "plan": to_data(share)}
        if is_wanted and left_out(arguments, "secrets"):
            filled["secrets"] = handover.values(supply.secrets, [share.secrets])
        if is_wanted and left_out(arguments, "registry"):
            accessory = supply.plan.accessories.get(name)
            filled["registry"] = json.dumps(supply.login(accessory.registry if accessory else None))
        return filled
