# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells the builder module what the plan says of the builder."""

from __future__ import annotations

from ..plugin_utils.plan import builder_choice
from ..plugin_utils.plan.action import Arguments, PlannedAction, Supply


class ActionModule(PlannedAction):
    module = "caravan.kamal.builder"
    takes_turns = False

    def filled(self, arguments: Arguments, supply: Supply) -> Arguments:
        return builder_choice.filled(arguments, lambda: supply.plan.build)
