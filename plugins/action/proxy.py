# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives the proxy module the registry's credentials where the proxy's image lies in the app's registry."""

from __future__ import annotations

import json

from ..module_utils._errors import ConfigError
from ..plugin_utils.plan import handover
from ..plugin_utils.plan.action import Arguments, PlannedAction, Supply, left_out


class ActionModule(PlannedAction):
    module = "caravan.kamal.proxy"
    takes_turns = False

    def filled(self, arguments: Arguments, supply: Supply) -> Arguments:
        if not arguments.get("plan") or not left_out(arguments, "registry"):
            return arguments
        try:
            share = handover.host_share(supply.plan, supply.host)
        except ConfigError:
            return arguments  # The container was planned elsewhere.
        if not share.proxy_login:
            return arguments
        return {**arguments, "registry": json.dumps(supply.login(supply.plan.registry))}
