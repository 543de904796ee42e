# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells the prune module in whose turn it is at work."""

from __future__ import annotations

from ..plugin_utils.plan.action import Arguments, PlannedAction, Supply


class ActionModule(PlannedAction):
    module = "caravan.kamal.prune"

    def filled(self, arguments: Arguments, _supply: Supply) -> Arguments:
        return arguments
