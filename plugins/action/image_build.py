# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives the image_build module what the plan says about the image, and the registry's credentials and secret values."""

from __future__ import annotations

import json

from ..module_utils._data import to_data
from ..plugin_utils.plan.action import Arguments, PlannedAction, Supply, left_out


class ActionModule(PlannedAction):
    module = "caravan.kamal.image_build"
    takes_turns = False

    def filled(self, arguments: Arguments, supply: Supply) -> Arguments:
        if arguments.get("service"):
            return arguments
        planned = to_data(supply.plan.build) or {}
        names = planned.pop("secrets", ())
        filled = {**planned, **arguments}
        if left_out(arguments, "secrets"):
            filled["secrets"] = json.dumps(supply.secrets.values({name: name for name in names}) if names else {})
        if left_out(arguments, "registry"):
            registry = supply.plan.registry
            server = registry.server if registry else None
            filled["registry"] = {"server": server, **(supply.login(registry) or {})}
        return filled
