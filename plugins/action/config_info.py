# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads and checks the configuration and prints it, after merging, with what follows from it, without secrets."""

from __future__ import annotations

import os
from functools import partial
from typing import Any, Dict, Mapping

from ansible.utils.display import Display

from ..plugin_utils.config import show, source
from ..plugin_utils.controller import ControllerAction
from ..plugin_utils.plan.overview import overview


class ActionModule(ControllerAction):
    asks_operator = True
    options = {"format": {"type": "str", "default": "yaml", "choices": ["yaml", "json"]}}

    def answer(self, arguments: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        value = partial(self.value_of, task_vars)
        version = value("kamal_version") or os.environ.get("VERSION")
        whole = overview(source.from_task_vars(task_vars, value, os.getcwd()), str(version) if version else None)
        text = show.as_text(whole, arguments["format"])
        Display().display(text)
        return {"text": text, **whole}
