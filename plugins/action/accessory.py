# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives the accessory module its entry of the plan, the secret values that it names, and what is in its files."""

from __future__ import annotations

import json
import os
from importlib import import_module
from typing import Any, Dict, List, Mapping, Optional

from ansible.errors import AnsibleError
from ansible.plugins.loader import lookup_loader

from ..module_utils._data import from_data, to_data
from ..module_utils._errors import ConfigError, Problem
from ..module_utils._shares import AccessoryShare
from ..plugin_utils.config.load import Settings
from ..plugin_utils.plan import handover
from ..plugin_utils.plan.action import Arguments, PlannedAction, Supply, left_out
from ..plugin_utils.plan.contents import Contents

ROUTED = ("present", "started", "restarted")

# Before ansible-core 2.19 what looks like data becomes data, unless it is told not to.
AS_TEXT = {} if hasattr(import_module("ansible.template"), "trust_as_template") else {"convert_data": False}


class ActionModule(PlannedAction):
    module = "caravan.kamal.accessory"
    makes_networks = True
    may_take_long = True

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Mapping[str, Any]] = None) -> Dict[str, Any]:
        self._variables = task_vars or {}
        return super().run(tmp, task_vars)

    def filled(self, arguments: Arguments, supply: Supply) -> Arguments:
        name, is_wanted = str(arguments.get("name")), arguments.get("state", "present") == "present"
        if left_out(arguments, "plan"):
            share = handover.accessory_share(supply.plan, name, supply.host)
        else:
            share = from_data(AccessoryShare, arguments["plan"])
        filled = {**arguments, "plan": to_data(share)}
        if left_out(arguments, "secrets"):
            needed = _needed(share, arguments.get("state", "present"))
            if needed or is_wanted:
                filled["secrets"] = supply.handed(needed)
        if is_wanted and left_out(arguments, "registry"):
            accessory = supply.plan.accessories.get(name)
            filled["registry"] = json.dumps(supply.login(accessory.registry if accessory else None))
        if is_wanted and share.files and left_out(arguments, "files"):
            settings = Settings.of(os.environ, supply.value)
            contents = Contents(supply.plan.project_root, settings, json.loads(filled["secrets"]))
            filled["files"] = contents.handed_over(share, self._jinja)
        return filled

    def _jinja(self, path: str, env: Mapping[str, str]) -> str:
        """A file as Ansible renders it, with the variables of its host, and those of the container as `kamal_env`."""
        lookup = lookup_loader.get("template", loader=self._loader, templar=self._templar)
        try:
            texts = lookup.run([path], self._variables, template_vars={"kamal_env": dict(env)}, **AS_TEXT)
        except AnsibleError as error:
            raise ConfigError([Problem(f"Jinja could not render it: {error}", where=path)]) from error
        return str(texts[0])


def _needed(share: AccessoryShare, state: str) -> List[Mapping[str, str]]:
    """What a state takes from secrets: a container is only made of them, but whatever runs has its route."""
    first = 0 if state == "present" else 1
    return [secrets for secrets in share.needed_secrets[first:] if secrets] if state in ROUTED else []
