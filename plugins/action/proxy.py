# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells the proxy module on whose behalf, and the registry's login where the proxy's image lies in the app's."""

from __future__ import annotations

from ..module_utils._data import from_data
from ..module_utils._errors import ConfigError
from ..module_utils._names import Names
from ..module_utils._shares import HostShare, ProxyShare
from ..plugin_utils.plan import handover
from ..plugin_utils.plan.action import Arguments, PlannedAction, Supply, left_out


class ActionModule(PlannedAction):
    module = "caravan.kamal.proxy"
    makes_networks = True
    takes_turns = False

    def filled(self, arguments: Arguments, supply: Supply) -> Arguments:
        is_open = arguments.get("plan") and left_out(arguments, "registry")
        if is_open and from_data(ProxyShare, arguments["plan"]).login:
            arguments["registry"] = supply.app_login
        try:
            share = handover.host_share(supply.plan, supply.host)
        except ConfigError:
            return arguments  # The container was planned elsewhere, or there is no plan.
        if left_out(arguments, "app"):
            arguments["app"] = _app(share)
        return arguments


def _app(share: HostShare) -> Arguments:
    return {
        "name": Names(share.service, share.destination).qualified,
        "destination": share.destination,
        "performer": share.performer,
        "audit_log": share.audit_log,
    }
