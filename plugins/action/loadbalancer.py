# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives the loadbalancer module its host's share of the plan, and its certificate and login where it needs them."""

from __future__ import annotations

from ..module_utils._balancing import LoadBalancerShare
from ..module_utils._data import from_data, to_data
from ..module_utils._errors import ConfigError, Problem
from ..plugin_utils.plan.action import Arguments, PlannedAction, Supply, left_out


class ActionModule(PlannedAction):
    module = "caravan.kamal.loadbalancer"
    makes_networks = True
    may_take_long = True

    def filled(self, arguments: Arguments, supply: Supply) -> Arguments:
        given = arguments.get("plan")
        share = from_data(LoadBalancerShare, given) if given else self._share(supply)
        filled = {**arguments, "plan": to_data(share)}
        if left_out(arguments, "secrets"):
            needed = share.needed_secrets if arguments.get("state", "present") != "absent" else []
            filled["secrets"] = supply.handed(needed)
        if share.proxy.login and left_out(arguments, "registry"):
            filled["registry"] = supply.app_login
        return filled

    def _share(self, supply: Supply) -> LoadBalancerShare:
        """That of the host that the task is delegated to."""
        host, known = self._task.delegate_to or supply.host, supply.plan.balancers
        if host not in known:
            there = f"it runs on {', '.join(known)}" if known else "the configuration has none"
            raise ConfigError([Problem(f"{host} is no host of the load balancer; {there}.", "loadbalancer")])
        return known[host]
