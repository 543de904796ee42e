# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Has the module run by the kept process of its host, and does what of it is for the controller."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional

from ..plugin_utils import answers
from ..plugin_utils.kept.action import AsAsked
from ..plugin_utils.plan import command_places
from ..plugin_utils.progress import stream


class ActionModule(AsAsked):
    module = "caravan.kamal.accessory_exec"
    begun = answers.GOES_ON

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Mapping[str, Any]] = None) -> Dict[str, Any]:
        return answers.finished(self, super().run(tmp, task_vars))

    def execute(self, module: str, arguments: Dict[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        names = command_places.of_accessories(task_vars)
        return stream.execute(self, super().execute, module, arguments, task_vars, names)
