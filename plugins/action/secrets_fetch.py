# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Prints what a password manager has, by name, and its values only if that is asked for."""

from __future__ import annotations

from functools import partial
from typing import Any, Dict, Mapping

from ansible.utils.display import Display

from ..plugin_utils import invocation
from ..plugin_utils.controller import ControllerAction
from ..plugin_utils.secrets import pre_init, store


class ActionModule(ControllerAction):
    options = {
        **store.OPTIONS,
        "names": {"type": "list", "elements": "str", "default": []},
        "show": {"type": "bool", "default": False},
    }

    def answer(self, arguments: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        value_of = partial(self.value_of, task_vars)
        invocation.require_sound(task_vars, self._loader, value_of)
        pre_init.begin(task_vars, value_of, Display().display)
        found = store.find(arguments, arguments["names"], value_of)
        text = store.as_json(found, arguments["show"])
        Display().display(text)
        return {"text": text, "names": list(found)}
