# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Prints the documentation of the configuration."""

from __future__ import annotations

from typing import Any, Dict, Mapping

from ansible.utils.display import Display

from ..plugin_utils.config import show
from ..plugin_utils.controller import ControllerAction


class ActionModule(ControllerAction):
    asks_operator = True
    options = {"section": {"type": "str"}}

    def answer(self, arguments: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        section = arguments["section"]
        text = show.documentation(section) if section else show.contents()
        Display().display(text)
        return {"text": text}
