# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives the image_build module what the plan says about the image, and the registry's credentials and secret values."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from typing import Any, Dict, Mapping

from ansible.errors import AnsibleConnectionFailure
from ansible.module_utils.parsing.convert_bool import boolean

from ..module_utils._data import to_data
from ..plugin_utils.background import Background
from ..plugin_utils.plan.action import Arguments, PlannedAction, Supply, left_out

# Made when the main process loads this file, before it forks.
BUILDS = Background()


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

    def execute(self, module: str, arguments: Dict[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        waits = boolean(arguments.pop("wait", True))
        build = partial(super().execute, module, arguments, task_vars)
        name = self._name(arguments)
        if waits:
            begun = BUILDS.answer(name)
            return build() if begun is None else begun
        if not self._task.check_mode:
            BUILDS.begin(name, partial(self._in_the_background, build, task_vars))
        return {"changed": False, "actions": []}

    def _name(self, arguments: Mapping[str, Any]) -> str:
        """What is built, whoever is told how far it is."""
        what = {name: value for name, value in arguments.items() if name != "progress"}
        return hashlib.sha256(json.dumps([self._task.delegate_to, what], default=str).encode()).hexdigest()

    def _in_the_background(self, build: Any, task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        try:
            return dict(build())
        except AnsibleConnectionFailure as error:
            host = self._task.delegate_to or task_vars["inventory_hostname"]
            return {"failed": True, "msg": self._lost(host, error)}
        except Exception as error:
            return {"failed": True, "msg": str(error)}
        finally:
            self.cleanup(force=True)
